"""``babelwatch brands check`` and ``babelwatch brands try``: the brands file before it meets the stream."""

from pathlib import Path

import click

FILE = click.argument("file", type=click.Path(path_type=Path, dir_okay=False))


@click.group(
    epilog="""\b
babelwatch brands check brands.yaml
babelwatch brands try brands.yaml --text 'Nimbus telefonuma bayıldım'
The format of the file: docs/brands.md
"""
)
def command() -> None:
    """Check a brands file, try it on a text."""


@command.command()
@FILE
@click.option("--strict", is_flag=True, help="Exit with 2 for warnings too.")
@click.pass_context
def check(context: click.Context, file: Path, strict: bool) -> None:
    """Say whether FILE is valid, each problem with its line; warn of names that will surprise."""
    from pipeline.brands import load_brands

    catalogue = load_brands(file)
    names = sum(len(brand.names) for brand in catalogue.brands)
    for warning in catalogue.warnings:
        click.echo(f"warning: {warning}", err=True)
    click.echo(f"{file}: valid, {len(catalogue.brands)} brands, {names} names, {len(catalogue.warnings)} warnings")
    if strict and catalogue.warnings:
        context.exit(2)


@command.command("try")
@FILE
@click.option("--text", required=True, help="The text of a mention; - reads standard input.")
@click.option("--language", help="BCP 47 tag; without it the language is detected.")
@click.option("--hint", help="What a source would say the language is (see docs/language.md).")
@click.option("--author", help="Say also whether this handle is a brand's own.")
def try_(file: Path, text: str, language: str | None, hint: str | None, author: str | None) -> None:
    """Show the language of a text and where each brand of FILE is named in it."""
    from pipeline.brands import BrandMatcher, load_brands
    from pipeline.language import LanguageDetector
    from pipeline.settings import load_settings

    matcher = BrandMatcher(load_brands(file))
    if text == "-":
        text = click.get_text_stream("stdin", encoding="utf-8").read()
    if language is None:
        found = LanguageDetector(load_settings().language_min_confidence).detect(text, hint)
        language = found.tag
        click.echo(f"language: {found.tag} (confidence {found.confidence:.2f}, {found.detector})")
    else:
        click.echo(f"language: {language} (given)")
    matches = matcher.match(text, language)
    names = matcher.catalogue.names
    for match in matches:
        click.echo(
            f"{match.start:>5}..{match.end:<5} {match.brand} ({names[match.brand]}): {text[match.start : match.end]}"
        )
    if not matches:
        click.echo("no brand is named")
    else:
        click.echo(_marked(text, [(match.start, match.end) for match in matches]))
    if author is not None:
        owned = sorted(matcher.is_owner(author))
        click.echo(f"author {author}: " + (f"the account of {', '.join(owned)}" if owned else "no brand's own account"))


def _marked(text: str, spans: list[tuple[int, int]]) -> str:
    """The text with the places marked."""
    parts, at = [], 0
    for start, end in sorted(set(spans)):
        parts += [text[at:start], click.style(f"[{text[start:end]}]", bold=True)]
        at = end
    return "".join([*parts, text[at:]])
