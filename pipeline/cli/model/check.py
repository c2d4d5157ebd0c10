"""``babelwatch model check``: the behavioural test suite."""

from pathlib import Path

import click

from pipeline.cli import options
from pipeline.settings import load_settings


@click.command()
@options.model
@click.option("--language", "tags", multiple=True, metavar="TAG", help="Only this language; may be given again.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON, with every failure, instead of tables.")
@click.option("--examples", type=click.IntRange(min=0), default=1, show_default=True, help="Failures per language.")
@click.option("--markdown", type=click.Path(path_type=Path), help="Put the tables between the marks in this page.")
def command(model: Path | None, tags: tuple[str, ...], as_json: bool, examples: int, markdown: Path | None) -> None:
    """What the model does with negation, sarcasm, capitals, romanised text and so on, language by language.

    Some 4,600 short cases in the style of CheckList; some fifteen seconds. It measures: failures do not change the exit
    code.
    """
    import msgspec

    from pipeline.cli.terminal import counting, unpacking
    from pipeline.errors import InputError
    from pipeline.sentiment.checklist import report, suite, table
    from pipeline.sentiment.model import load_model

    page = _page(markdown) if markdown else None
    suite.load(tags)  # a language that there is not: said before the model is loaded
    settings = load_settings(**({"model_path": model} if model else {}))
    with unpacking() as progress:
        loaded = load_model(settings, progress)
    with counting("texts", None) as update:
        found = report.check(loaded, tags, update)
    if markdown and page is not None:
        new = table.replaced(page, table.markdown(found))
        if new is None:
            raise InputError(f"{markdown} does not hold the marks {table.BEGIN} and {table.END}: write both into it")
        markdown.write_text(new, encoding="utf-8")
        click.echo(f"written: {markdown}", err=True)
    if as_json:
        click.echo(msgspec.json.format(msgspec.json.encode(found), indent=2).decode())
        return
    for line in table.lines(found, examples):
        click.echo(line)


def _page(path: Path) -> str:
    from pipeline.errors import InputError

    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path} cannot be read ({error}): give --markdown a page that exists") from error
