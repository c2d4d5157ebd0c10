"""``babelwatch model evaluate``: a model on labelled texts, language by language."""

from pathlib import Path

import click

from pipeline.cli.model.shared import SHARED
from pipeline.sentiment.folder import ModelFolder
from pipeline.settings import load_settings


@click.command()
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
def command(model: Path | None, data: Path, split: str, as_json: bool, write: bool) -> None:
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
