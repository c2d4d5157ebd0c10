"""``babelwatch model trust``: how far each language's labels can be trusted."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from pipeline.cli import options
from pipeline.settings import PACKAGE, load_settings

if TYPE_CHECKING:
    from pipeline.sentiment.trust.table import TrustTable

PARALLEL = PACKAGE / "sentiment" / "parallel"


@click.command()
@options.model
@click.option(
    "--parallel",
    type=click.Path(path_type=Path),
    default=PARALLEL,
    help="Folder with en.txt and <tag>.txt, line n of each a translation of line n.",
)
@click.option("--write", is_flag=True, help="Make the table anew (20 s), write it and the card into the model folder.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of a table.")
def command(model: Path | None, parallel: Path, write: bool, as_json: bool) -> None:
    """How far each language's labels can be trusted: measured where there are labels, else estimated.

    Prints the table that is frozen with the model. With --write it is made from the folder's evaluation.json and from
    parallel sentences.
    """
    import msgspec

    from pipeline.sentiment.folder import ModelFolder
    from pipeline.sentiment.training.card import write_card
    from pipeline.sentiment.trust.table import nothing_known, read
    from pipeline.sentiment.trust.table import write as write_table

    path = model or load_settings().model_path
    folder = ModelFolder(path, check_card=not write)
    if write:
        table = _made(path, parallel)
        click.echo(f"written: {write_table(folder, table)}", err=True)
        click.echo(f"written: {write_card(ModelFolder(path, check_card=False))}", err=True)
    else:
        table = read(folder) or nothing_known(f"{path} has no trust.json: `babelwatch model trust --write` makes it")
    if as_json:
        click.echo(msgspec.json.format(msgspec.json.encode(table), indent=2).decode())
    else:
        _print(table)


def _made(path: Path, parallel: Path) -> "TrustTable":
    from pipeline.cli.terminal import unpacking
    from pipeline.sentiment.measure.results import FILE, read_evaluation
    from pipeline.sentiment.model import load_model
    from pipeline.sentiment.trust.build import build_trust

    evaluation = read_evaluation(path / FILE)
    with unpacking() as progress:
        model = load_model(load_settings(model_path=path, accept_error=None), progress)
    return build_trust(model, evaluation, parallel)


def _print(table: "TrustTable") -> None:
    from rich.console import Console
    from rich.table import Table

    from pipeline.sentiment.trust import words
    from pipeline.sentiment.trust.card import at
    from pipeline.sentiment.trust.table import LEVELS

    console = Console(highlight=False, soft_wrap=True)
    if not table.languages:
        console.print(f"every language is unknown: {table.other.reasons[0]}")
        return
    console.print(f"{table.model}, rule {table.rule}\nmacro-F1 x 100, 95% interval; measured on {table.data}")
    for level in LEVELS:
        found = at(table, level)
        console.print(f"\n[bold]{level}[/bold]  {words.MEANING[level]}")
        shown = [one for one in found if one.evidence.seen or one.source == "measured"]
        if shown:
            grid = Table(box=None, pad_edge=False)
            for name in ("language", "macro-F1", "from", "agrees with English", "encoder read"):
                grid.add_column(name)
            for one in shown:
                seen = one.evidence
                agreement = f"{100 * seen.agreement.value:.0f}%" if seen.agreement else ""
                read = f"{seen.megabytes:,.0f} MB" if seen.megabytes is not None else ""
                score = words.points(one.macro_f1) if one.macro_f1 else ""
                grid.add_row(one.language, score, one.source, agreement, read)
            console.print(grid)
        unseen = [one.language for one in found if not one.evidence.seen and one.source == "estimated"]
        if unseen:
            console.print(
                f"never seen by the encoder, below the worst measured ({table.worst}) by rule, and any other:"
            )
            console.print(" ".join(unseen))
        rest = [one.language for one in found if one.source == "none"]
        if rest:
            console.print(" ".join(rest))
