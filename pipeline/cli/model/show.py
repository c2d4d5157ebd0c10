"""``babelwatch model show``: verify a model folder and print what it is."""

from pathlib import Path

import click

from pipeline.cli import options
from pipeline.sentiment.folder import ModelFolder
from pipeline.sentiment.rule import RuleFacts
from pipeline.settings import load_settings


@click.command()
@options.model
def command(model: Path | None) -> None:
    """Verify a model folder (checksums, decision rule, card) and print what it is."""
    from pipeline.sentiment.cache import embeddings_path

    settings = load_settings(**({"model_path": model} if model else {}))
    folder = ModelFolder(settings.model_path)
    facts = folder.facts
    own = facts.embeddings.file
    embeddings = folder.path / own if own else embeddings_path(settings.cache_dir)
    size = sum(one.bytes for one in facts.files.values())
    rows = {
        "model": folder.version,
        "folder": f"{folder.path} ({size / 1e6:.1f} MB, checksums right)",
        "rule": _rule(facts.rule),
        "abstention": _abstention(facts.rule),
        "reads": f"at most {facts.max_tokens} tokens",
        "embeddings": f"{embeddings} ({_state(embeddings, own is not None)})",
        "from": facts.embeddings.package,
    }
    for name, value in rows.items():
        click.echo(f"{name:<11} {value}")


def _state(path: Path, own: bool) -> str:
    if own:
        return "the model's own"
    return "unpacked" if path.exists() else "not unpacked yet"


def _rule(rule: RuleFacts) -> str:
    prior = " / ".join(f"{share:.2f}" for share in rule.class_prior)
    biases = f"biases of {len(rule.biases)} languages" if rule.biases else "no language biases"
    heat = f" (of {len(rule.temperatures)} languages their own)" if rule.temperatures else ""
    return f"{rule.name}: prior {prior}, temperature {rule.temperature:g}{heat}, {biases}"


def _abstention(rule: RuleFacts) -> str:
    errors = sorted({point.error for point in rule.abstention})
    if not errors:
        return "none (--accept-error cannot be used)"
    languages = len({point.language for point in rule.abstention})
    return f"accepted errors {', '.join(f'{error:g}' for error in errors)}; thresholds of {languages} languages"
