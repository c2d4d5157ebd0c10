"""``babelwatch model``: export the sentiment model from its weights, measure it, show what is installed."""

from pathlib import Path

import click

from pipeline.sentiment.folder import CHECKED, ModelFolder
from pipeline.settings import PACKAGE, load_settings

SHARED = PACKAGE.parents[1] / "shared"
"""Weights and data of the project's developers, beside the checkout; elsewhere the options name them."""


@click.group()
def command() -> None:
    """The sentiment model: export, evaluate, show."""


@command.command()
@click.option(
    "--weights",
    type=click.Path(path_type=Path),
    default=SHARED / "models" / "sentiment-en-baseline.fp16.safetensors",
    help="Trained weights: safetensors with BertModel's keys, head.weight and head.bias.",
)
@click.option(
    "--calibration",
    type=click.Path(path_type=Path),
    default=SHARED / "data" / "english_tweets",
    help="Folder of English *.tsv (id, label, text); the label is not read.",
)
@click.option("--output", type=click.Path(path_type=Path), required=True, help="Folder to write.")
def export(weights: Path, calibration: Path, output: Path) -> None:
    """Export trained weights to int8 with static scales, as a folder that BABELWATCH_MODEL_PATH can name.

    Needs the extra `train` (make setup-train). About two minutes on two cores.
    """
    from pipeline.sentiment.training.export import ExportRequest, export

    settings = load_settings()
    done = export(
        ExportRequest(weights, calibration, output, settings.cache_dir), lambda line: click.echo(line, err=True)
    )
    click.echo(f"{done.path}: {done.version}")
    shipped = ModelFolder(PACKAGE / "sentiment" / "models" / "baseline-en-int8")
    same = [name for name in CHECKED if done.facts.files[name] == shipped.facts.files[name]]
    click.echo(f"same bytes as the shipped {shipped.version}: {', '.join(same) or 'no file'}")


@command.command()
@click.option("--model", type=click.Path(path_type=Path), help="Model folder; default: BABELWATCH_MODEL_PATH.")
@click.option(
    "--data",
    type=click.Path(path_type=Path),
    default=SHARED / "data" / "umsab",
    help="Folder with <language>/<split>_text.txt and _labels.txt (0 negative, 1 neutral, 2 positive).",
)
@click.option("--split", default="val", show_default=True)
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of a table.")
@click.option("--write", is_flag=True, help="Write evaluation.json and the model card into the model folder.")
def evaluate(model: Path | None, data: Path, split: str, as_json: bool, write: bool) -> None:
    """Macro-F1 per language on a labelled set, with and without the decision rule. Needs no extra."""
    import msgspec
    from rich.console import Console
    from rich.table import Table

    from pipeline.cli.terminal import unpacking
    from pipeline.sentiment.evaluation import FILE, evaluate
    from pipeline.sentiment.model import load_model
    from pipeline.sentiment.training.card import write_card

    settings = load_settings(**({"model_path": model} if model else {}))
    with unpacking() as progress:
        loaded = load_model(settings, progress)
    found = evaluate(loaded, data, split)
    encoded = msgspec.json.format(msgspec.json.encode(found), indent=2)
    if write:
        (settings.model_path / FILE).write_bytes(encoded + b"\n")
        click.echo(f"written: {write_card(ModelFolder(settings.model_path))}", err=True)
    if as_json:
        click.echo(encoded.decode())
        return
    table = Table(title=f"{found.model} on {found.data}: macro-F1 x 100", title_justify="left")
    for name in ("language", "texts", "argmax", found.rule):
        table.add_column(name, justify="left" if name == "language" else "right")
    for one in found.languages:
        table.add_row(one.language, str(one.texts), f"{one.argmax:.1f}", f"{one.rule:.1f}")
    table.add_row("mean without english", "", f"{found.mean('argmax'):.1f}", f"{found.mean('rule'):.1f}")
    Console().print(table)


@command.command()
@click.option("--model", type=click.Path(path_type=Path), help="Model folder; default: BABELWATCH_MODEL_PATH.")
def show(model: Path | None) -> None:
    """Verify a model folder and print what it is."""
    from pipeline.sentiment.cache import embeddings_path

    settings = load_settings(**({"model_path": model} if model else {}))
    folder = ModelFolder(settings.model_path)
    facts = folder.facts
    embeddings = embeddings_path(settings.cache_dir)
    size = sum(one.bytes for one in facts.files.values())
    rows = {
        "model": folder.version,
        "folder": f"{folder.path} ({size / 1e6:.1f} MB, checksums right)",
        "rule": f"{facts.rule}, prior {' / '.join(f'{share:.2f}' for share in facts.class_prior)}",
        "reads": f"at most {facts.max_tokens} tokens",
        "embeddings": f"{embeddings} ({'unpacked' if embeddings.exists() else 'not unpacked yet'})",
        "from": facts.embeddings.package,
    }
    for name, value in rows.items():
        click.echo(f"{name:<11} {value}")
