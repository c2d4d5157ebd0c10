"""``babelwatch ingest``: a file of mentions into the pipeline."""

import json
import os
import re
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, replace
from pathlib import Path
from typing import BinaryIO, cast
from zoneinfo import ZoneInfo

import click

from pipeline.errors import InputError, LinesRejected
from pipeline.settings import Settings, load_settings
from pipeline.sources.ingest import Ingest, Summary, lock
from pipeline.sources.interrupt import Interruptions, StopNow
from pipeline.sources.lines import check_seekable, open_input, unpacked
from pipeline.sources.place import OPTION, REJECTS, SUFFIX, Place, check_appendable, check_replaceable
from pipeline.sources.plan import Plan, sniff_format
from pipeline.sources.table import Dialect, check_encoding, parse_map

EPILOG = """\b
Try it:
  babelwatch ingest mentions.jsonl
  babelwatch ingest posts.csv.gz --map text=body,published_at=created,id=post_id --timezone UTC
  zcat old.jsonl.gz | babelwatch ingest - --source forum
  babelwatch ingest mentions.jsonl --dry-run

\b
Exit codes: 0 all lines are in; 10 all but the rejected ones; 2 the file or an option
cannot be used; 3 the broker does not answer; 130 stopped by Ctrl-C (go on by the same command).
"""

NO_PIPE = (
    "its progress could not be kept. Write it to a file first, or send it as standard input, which cannot be resumed: "
    "... | babelwatch ingest -"
)
MULTI_CHAR = {"tab": "\t", "\\t": "\t"}


@click.command(epilog=EPILOG)
@click.argument("file", type=click.Path(allow_dash=True, path_type=str))
@click.option("--format", "format_", type=click.Choice(["auto", "jsonl", "csv"]), default="auto", show_default=True)
@click.option("--map", "mapping", metavar="FIELD=COLUMN,...", default="", help="CSV: which column is which field.")
@click.option("--delimiter", help="CSV: one character, or 'tab'. Default: found by the header.")
@click.option("--encoding", default="utf-8", show_default=True, help="CSV: encoding of the file.")
@click.option("--timezone", "zone", help="CSV: of times without an offset, e.g. UTC or Europe/Lisbon.")
@click.option("--source", help="Source of lines that name none. Default: the file's name without its endings.")
@click.option("--rejects", type=click.Path(path_type=Path), help=f"Where rejected lines go. Default: FILE{REJECTS}.")
@click.option("--state", type=click.Path(path_type=Path), help=f"Where the progress is kept. Default: FILE{SUFFIX}.")
@click.option(
    "--state-dir",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Folder for progress and rejects. Default: that of FILE.",
)
@click.option("--restart", is_flag=True, help="Begin at the start, whatever an earlier run did.")
@click.option("--dry-run", is_flag=True, help="Check every line; send nothing, keep nothing.")
@click.option("--json", "as_json", is_flag=True, help="Print the summary as JSON.")
def command(
    file: str,
    format_: str,
    mapping: str,
    delimiter: str | None,
    encoding: str,
    zone: str | None,
    source: str | None,
    rejects: Path | None,
    state: Path | None,
    state_dir: Path | None,
    restart: bool,
    dry_run: bool,
    as_json: bool,
) -> None:
    """Send FILE (or - for standard input) into the pipeline: JSON Lines or CSV, plain or gzip.

    Each line is one mention: text, published_at (RFC 3339), and what else is known: id, source, author, url, reach,
    country, lang_hint, parent_id, revision. Lines that cannot be taken are listed with line and reason, and in
    FILE.rejects.jsonl. A run that was stopped goes on where it was when the command is given again; lines that are
    sent twice count once, as long as the source stays the same.
    """
    settings = load_settings()
    dialect = Dialect(parse_map(mapping), delimiter_of(delimiter), check_encoding(encoding), zone_of(zone))
    stdin = file == "-"
    if stdin and state_dir is not None:
        raise InputError("--state-dir: standard input has no progress to keep; its rejects go to --rejects PATH")
    with ExitStack() as stack:
        if stdin:
            on_disk = cast("BinaryIO", sys.stdin.buffer)
            stream = unpacked(sys.stdin.buffer)  # type: ignore[arg-type]
        else:
            stream, on_disk = open_input(Path(file))
            stack.callback(on_disk.close)
            if not dry_run:
                check_seekable(on_disk, file, NO_PIPE)
            lock(on_disk, file)
        head: bytes = stream.peek(1024)  # type: ignore[attr-defined]
        kind = sniff_format(file, head) if format_ == "auto" else format_
        keep = not stdin and not dry_run
        place = Place.of(file, state_dir)
        plan = Plan(
            name=file,
            format="csv" if kind == "csv" or (format_ == "auto" and dialect.columns) else "jsonl",
            source=source or default_source(file),
            dialect=dialect,
            state=(state or place.state) if keep else None,
            rejects=rejects or (place.rejects if keep else None),
            restart=restart,
        )
        if plan.state is not None:
            check_replaceable(plan.state, "--state PATH" if state else OPTION)
        if plan.rejects is not None:
            check_appendable(plan.rejects, "--rejects PATH" if rejects else OPTION)
        _run(plan, stream, on_disk, settings, dry_run=dry_run, as_json=as_json, stack=stack)


def _run(
    plan: Plan,
    stream: BinaryIO,
    on_disk: BinaryIO,
    settings: Settings,
    *,
    dry_run: bool,
    as_json: bool,
    stack: ExitStack,
) -> None:
    from pipeline.detect import Limits
    from pipeline.sources.intake import Intake

    outlet = None
    if not dry_run:
        from pipeline.kafka.admin import ensure_topics, read_incarnation
        from pipeline.local import discover
        from pipeline.sources.producer import MentionProducer

        settings = discover(settings)
        settings.require_kafka()
        ensure_topics(settings)
        plan = replace(plan, incarnation=read_incarnation(settings))
        outlet = stack.enter_context(MentionProducer(settings))
    if plan.state is None and not dry_run:
        print("reading standard input: this run cannot be resumed when it is stopped", file=sys.stderr)
    ingest = Ingest(plan, stream, Intake(Limits.of(settings)), outlet)
    stops = Interruptions("stopping: what was read is being confirmed; Ctrl-C again stops without that")
    go_on = "run the same command again to go on" if plan.state else "the rest was not read"
    try:
        with stops, _progress(plan, on_disk) as show:

            def on_row() -> None:
                show()
                stops.check()

            summary = ingest.run(on_row, stops.waiting)
    except StopNow:
        print(f"\nstopped at once after line {ingest.summary.lines:,}; {go_on}", file=sys.stderr)
        os._exit(130)  # not even waiting for the connection to close
    except KeyboardInterrupt:
        what = "would be sent" if dry_run else "confirmed"
        print(f"\nstopped after line {ingest.summary.lines:,}, all of it {what}; {go_on}", file=sys.stderr)
        sys.exit(130)
    _report(plan, summary, dry_run=dry_run, as_json=as_json)


def _report(plan: Plan, summary: Summary, *, dry_run: bool, as_json: bool) -> None:
    """Print the summary line. Raises LinesRejected when there were rejects."""
    if summary.started_over:
        print(f"{plan.name}: {summary.started_over}", file=sys.stderr)
    listed = str(plan.rejects) if plan.rejects and summary.rejected else None
    if as_json:
        print(json.dumps({"file": plan.name, "dry_run": dry_run, **asdict(summary), "rejects_file": listed}))
    else:
        took = "would be sent" if dry_run else "sent and confirmed"
        went_on = f"; this run went on after line {summary.resumed_at:,}" if summary.resumed_at else ""
        if summary.resumed_at and summary.resumed_at == summary.lines:
            went_on = "; nothing new since the last run (--restart sends it again)"
        print(
            f"{plan.name}: {summary.lines:,} lines: {summary.accepted:,} {took}, {summary.rejected:,} rejected, "
            f"{summary.blank:,} blank, in {summary.seconds:.1f} s{went_on}"
        )
    if summary.rejected:
        where = f": line and reason of each are in {listed}" if listed else ""
        raise LinesRejected(f"{summary.rejected:,} lines of {plan.name} were rejected{where}")


@contextmanager
def _progress(plan: Plan, on_disk: BinaryIO) -> Iterator[Callable[[], None]]:
    """A progress bar on a terminal, nothing elsewhere; yields what is called after each row."""
    if not sys.stderr.isatty():
        yield lambda: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, ProgressColumn, TaskProgressColumn, TextColumn, TimeRemainingColumn

    from pipeline.terminal import printable

    columns: list[ProgressColumn] = [TextColumn("{task.description} {task.fields[rows]:,} rows", markup=False)]
    if plan.name != "-":
        columns += [BarColumn(), TaskProgressColumn(), TimeRemainingColumn()]
    size = None if plan.name == "-" else Path(plan.name).stat().st_size
    rows = 0
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task(printable(plan.name, 40), total=size, rows=0)

        def on_row() -> None:
            nonlocal rows
            rows += 1
            if rows % 200 == 0:
                progress.update(task, completed=0 if size is None else on_disk.tell(), rows=rows)

        yield on_row


def default_source(file: str) -> str:
    """The file's name without folders and endings; it is part of every id, so renaming a file makes new mentions."""
    if file == "-":
        return "stdin"
    stem = Path(file).name.split(".")[0] or Path(file).name
    return re.sub(r"\W+", "-", stem)[:64].strip("-") or "file"


def delimiter_of(text: str | None) -> str | None:
    """``--delimiter`` as one character. Raises InputError."""
    char = MULTI_CHAR.get(text or "", text)
    if char is not None and (len(char) != 1 or char in '"\r\n'):
        raise InputError(f"--delimiter {text!r}: one character, or 'tab'")
    return char


def zone_of(name: str | None) -> ZoneInfo | None:
    """``--timezone``. Raises InputError for a name that is not known."""
    if name is None:
        return None
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        raise InputError(f"--timezone {name!r} is not known: use a name like UTC or Europe/Lisbon") from None
