"""``babelwatch score``: judge lines of text or JSONL, without Kafka or ClickHouse."""

import contextlib
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, cast

import click

from pipeline.cli import options
from pipeline.errors import InputError

if TYPE_CHECKING:
    from pipeline.sentiment.lines import Format

CHUNK_BYTES = 1 << 18
"""Read at once: of a file a thousand texts or two, enough to fill batches of every length; of a pipe
whatever has arrived, which is judged without waiting."""


@contextlib.contextmanager
def _open(name: str) -> Iterator[tuple[int, int | None]]:
    """File descriptor and, for a regular file, its size."""
    if name == "-":
        yield sys.stdin.fileno(), None
        return
    try:
        with open(name, "rb") as file:
            yield file.fileno(), os.fstat(file.fileno()).st_size or None
    except OSError as error:
        raise InputError(f"cannot read {name}: {error.strerror}; give a file, or - for standard input") from None


@contextlib.contextmanager
def _target(path: Path | None) -> Iterator[BinaryIO]:
    if path is None:
        yield sys.stdout.buffer
        return
    try:
        with path.open("wb") as file:
            yield file
    except OSError as error:
        raise InputError(f"cannot write {path}: {error.strerror}") from None


@click.command()
@click.argument("file")
@click.option(
    "--format",
    "line_format",
    type=click.Choice(["auto", "text", "jsonl"]),
    default="auto",
    show_default=True,
    help="Of the input: a text per line, or JSONL with the keys text, id, lang_hint. auto looks at the first line.",
)
@click.option("-o", "--output", type=click.Path(path_type=Path, dir_okay=False), help="Default: standard output.")
@options.model
@options.accept_error
@click.pass_context
def command(
    context: click.Context,
    file: str,
    line_format: str,
    output: Path | None,
    model: Path | None,
    accept_error: float | None,
) -> None:
    """Judge each line of FILE (or - for standard input) and write JSONL in the same order.

    Keys: id, text, language, language_confidence, label, negative, neutral, positive, model. Lines that cannot be
    judged are named on standard error with their number and reason; the exit code is then 1.

    \b
    echo 'Das Update ist großartig' | babelwatch score -
    babelwatch score mentions.jsonl > judged.jsonl
    babelwatch score --model fast mentions.jsonl > judged.jsonl
    babelwatch score --accept-error 0.1 mentions.jsonl > judged.jsonl
    """
    import msgspec

    from pipeline.cli.terminal import counting, unpacking
    from pipeline.language import LanguageDetector
    from pipeline.sentiment.lines import LineReader, Record, Reject, split_lines
    from pipeline.sentiment.model import load_model
    from pipeline.sentiment.scoring import Scorer
    from pipeline.settings import load_settings
    from schemas.events import UNSURE

    settings = load_settings(**options.given(accept_error=accept_error, model_path=model))
    encode = msgspec.json.Encoder().encode
    reader = LineReader(cast("Format", line_format), settings.max_text_chars)
    judged = unsure = rejected = read = 0
    with _open(file) as (source, size):
        with unpacking() as progress:
            loaded = load_model(settings, progress)
        scorer = Scorer(loaded, LanguageDetector(settings.language_min_confidence))

        def chunks() -> Iterator[bytes]:
            nonlocal read
            while chunk := os.read(source, CHUNK_BYTES):
                read += len(chunk)
                yield chunk

        with _target(output) as target, counting("texts", size) as show, _quiet_end_of_pipe(target):
            for lines in split_lines(chunks()):
                records = []
                for line in lines:
                    match reader.read(line):
                        case Record() as record:
                            records.append(record)
                        case Reject(number, reason):
                            rejected += 1
                            click.echo(f"line {number}: {reason}", err=True)
                for row in scorer.score(records):
                    unsure += row.label == UNSURE
                    target.write(encode(row) + b"\n")
                target.flush()
                judged += len(records)
                show(judged, read)
    summary = f"{judged:,} judged, {rejected:,} rejected, {reader.blank:,} blank of {reader.lines:,} lines"
    if rejected or sys.stderr.isatty():
        click.echo(summary, err=True)
    if settings.accept_error is not None and judged:
        click.echo(
            f"{unsure:,} of {judged:,} unsure ({unsure / judged:.0%}) at an accepted error of "
            f"{settings.accept_error:g}: guaranteed in English, estimated elsewhere",
            err=True,
        )
    if rejected:
        context.exit(1)


@contextlib.contextmanager
def _quiet_end_of_pipe(target: BinaryIO) -> Iterator[None]:
    """`babelwatch score f | head` ends without a traceback, as other filters do (128 + SIGPIPE)."""
    try:
        yield
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), target.fileno())  # the interpreter flushes once more at its end
        sys.exit(141)
