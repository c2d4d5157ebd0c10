"""``babelwatch backfill``: files of history into the pipeline, checked beforehand, and below live traffic."""

import json
import os
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Final

import click

from pipeline.cli.ingest import default_source, delimiter_of, zone_of
from pipeline.cli.options import Rate
from pipeline.cli.rescore import BESIDE_LIVE
from pipeline.errors import InputError, LinesRejected
from pipeline.settings import Settings, load_settings
from pipeline.sources.backfill_meter import Meter
from pipeline.sources.ingest import Ingest, Summary, lock
from pipeline.sources.interrupt import Interruptions, StopNow
from pipeline.sources.lines import check_seekable, open_input
from pipeline.sources.place import Place, check_appendable, check_replaceable
from pipeline.sources.plan import Plan, sniff_format
from pipeline.sources.table import Dialect, check_encoding, parse_map

if TYPE_CHECKING:
    from pipeline.sources.pace import Pace

EPILOG: Final = """\b
Try it:
  babelwatch backfill 2024.jsonl.gz 2025.jsonl.gz --dry-run
  babelwatch backfill 2024.jsonl.gz 2025.jsonl.gz --rate 100/s
  babelwatch backfill posts.csv --map text=body,published_at=created,id=post_id --timezone UTC

\b
Exit codes: 0 all rows are in; 10 all but the rejected ones; 2 a file or an option cannot be used,
or rows are out of range; 3 the broker does not answer; 130 stopped (go on by the same command).
--dry-run exits with what sending would: 0, 10 or 2.
"""
NO_PIPE: Final = (
    "backfill reads each file twice, so it takes no pipe and no standard input: write it to a file first "
    "(`babelwatch ingest -` takes a pipe, without the check and the pauses)"
)


@dataclass(frozen=True)
class Options:
    """What the user wants of all files."""

    rate: float
    max_waiting: int
    as_json: bool


@click.command(epilog=EPILOG)
@click.argument("files", nargs=-1, required=True, metavar="FILE...")
@click.option(
    "--rate", type=Rate(), default=0.0, help="Messages per second at most. Default: what live traffic leaves."
)
@click.option(
    "--max-waiting",
    type=click.IntRange(1),
    default=1000,
    show_default=True,
    help="Pause while more messages wait in the pipeline: a live one waits behind so many at most.",
)
@click.option("--skip-out-of-range", "skip", is_flag=True, help="Send the others; these go to FILE.rejects.jsonl.")
@click.option("--format", "format_", type=click.Choice(["auto", "jsonl", "csv"]), default="auto", show_default=True)
@click.option("--map", "mapping", metavar="FIELD=COLUMN,...", default="", help="CSV: which column is which field.")
@click.option("--delimiter", help="CSV: one character, or 'tab'. Default: found by the header.")
@click.option("--encoding", default="utf-8", show_default=True, help="CSV: encoding of the files.")
@click.option("--timezone", "zone", help="CSV: of times without an offset, e.g. UTC or Europe/Lisbon.")
@click.option("--source", help="Source of rows that name none. Default: each file's name without its endings.")
@click.option(
    "--state-dir",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Where progress, rejects and rows out of range are kept. Default: beside each file.",
)
@click.option("--restart", is_flag=True, help="Begin at the start, whatever an earlier run did.")
@click.option("--dry-run", is_flag=True, help="Only the check; needs no service.")
@click.option(
    "--json", "as_json", is_flag=True, help="Print the summaries (--dry-run: the checks) as JSON, one line per file."
)
def command(
    files: tuple[str, ...],
    rate: float,
    max_waiting: int,
    skip: bool,
    format_: str,
    mapping: str,
    delimiter: str | None,
    encoding: str,
    zone: str | None,
    source: str | None,
    state_dir: Path | None,
    restart: bool,
    dry_run: bool,
    as_json: bool,
) -> None:
    """Send history from FILEs (JSON Lines or CSV, plain or gzip) into the pipeline, without delaying live mentions.

    All files are looked through first: when a row is older than BABELWATCH_MAX_AGE_DAYS or in the future, nothing is
    sent. Then they are sent as `ingest` sends them, with the same progress beside each file: stopped or killed, the
    same command goes on, and what is sent twice counts once.
    """
    from pipeline.cli.backfill_check import check
    from pipeline.detect import Limits

    settings = load_settings()
    options = Options(rate, max_waiting, as_json)
    dialect = Dialect(parse_map(mapping), delimiter_of(delimiter), check_encoding(encoding), zone_of(zone))
    with ExitStack() as stack:
        work: list[tuple[Plan, BinaryIO]] = []
        places = _places(files, state_dir)
        for file, place in places.items():
            if file == "-":
                raise InputError(f"-: {NO_PIPE}")
            stream, on_disk = open_input(Path(file))
            stack.callback(on_disk.close)
            check_seekable(on_disk, file, NO_PIPE)
            lock(on_disk, file)
            kind = sniff_format(file, stream.peek(1024)) if format_ == "auto" else format_  # type: ignore[attr-defined]
            plan = Plan(
                name=file,
                format="csv" if kind == "csv" or (format_ == "auto" and dialect.columns) else "jsonl",
                source=source or default_source(file),
                dialect=dialect,
                state=place.state,
                rejects=place.rejects,
                out_of_range=place.out_of_range,
                restart=restart,
                entrance="backfill",
            )
            work.append((plan, stream))
        if not dry_run:
            for place in places.values():
                check_replaceable(place.state)
                check_appendable(place.rejects)
        rows = check(work, Limits.of(settings), skip=skip, dry_run=dry_run, as_json=as_json)
        if not dry_run:
            _send(work, rows, settings, options, stack)


def _places(files: tuple[str, ...], folder: Path | None) -> dict[str, Place]:
    """Each file, once, with its place. Raises InputError when two files would share one."""
    places: dict[str, Place] = {}
    for file in dict.fromkeys(files):
        places[file] = Place.of(file, folder)
        same = next((other for other in places if other != file and places[other] == places[file]), None)
        if same is not None:
            raise InputError(
                f"--state-dir {folder}: {same} and {file} have one name, and would share their progress: load them one "
                "after the other, each with a folder of its own"
            )
    return places


def _send(
    work: list[tuple[Plan, BinaryIO]], rows: list[int], settings: Settings, options: Options, stack: ExitStack
) -> None:
    from pipeline.detect import Limits
    from pipeline.kafka.admin import ensure_topics, read_incarnation
    from pipeline.kafka.offsets import OffsetReader
    from pipeline.local import discover
    from pipeline.sources.intake import Intake
    from pipeline.sources.pace import Pace, PacedOutlet, PacePolicy, waiting_messages
    from pipeline.sources.producer import MentionProducer

    settings = discover(settings)
    settings.require_kafka()
    ensure_topics(settings)
    incarnation = read_incarnation(settings)
    outlet = stack.enter_context(MentionProducer(settings))
    reader = stack.enter_context(OffsetReader(settings))
    os.nice(BESIDE_LIVE)
    stops = Interruptions("stopping: what was read is being confirmed; Ctrl-C again stops without that")

    policy = PacePolicy(options.rate, options.max_waiting, patience_s=settings.connect_timeout_s)
    rejected, lists = 0, []
    with stops:
        for (plan, stream), total in zip(work, rows, strict=True):
            meter = Meter(plan.name, total)
            pace = Pace(policy, lambda: waiting_messages(reader), sleep=_sleep(stops, meter), stalled=meter.stalled)
            paced = PacedOutlet(outlet, pace)
            ingest = Ingest(replace(plan, incarnation=incarnation), stream, Intake(Limits.of(settings)), paced)
            summary = _run(ingest, pace, meter, stops, plan.name)
            if summary.rejected:
                rejected += summary.rejected
                lists.append(str(plan.rejects))
            _report(plan, summary, pace.paused_s, options)
    if rejected:
        raise LinesRejected(f"{rejected:,} rows were rejected: line and reason of each are in {', '.join(lists)}")


def _sleep(stops: Interruptions, meter: Meter) -> Callable[[float], None]:
    """Sleeping that ends at once when the user wants to stop, and keeps the line of progress alive."""

    def sleep(seconds: float) -> None:
        meter.show()
        with stops.waiting():
            time.sleep(seconds)

    return sleep


def _run(ingest: Ingest, pace: "Pace", meter: Meter, stops: Interruptions, name: str) -> Summary:
    """Send one file; ends the process when the user wants to stop."""
    meter.rows_done = lambda: ingest.rows_done

    def on_row() -> None:
        meter.paused_s = pace.paused_s
        meter.show()
        stops.check()

    try:
        return ingest.run(on_row, stops.waiting)
    except StopNow:
        print(f"\nstopped at once after line {ingest.summary.lines:,} of {name}", file=sys.stderr)
        os._exit(130)  # not even waiting for the connection to close
    except KeyboardInterrupt:
        print(
            f"\nstopped after line {ingest.summary.lines:,} of {name}, all of it confirmed; run the same command again "
            "to go on",
            file=sys.stderr,
        )
        sys.exit(130)
    finally:
        meter.end()


def _report(plan: Plan, summary: Summary, paused_s: float, options: Options) -> None:
    if summary.started_over:
        print(f"{plan.name}: {summary.started_over}", file=sys.stderr)
    if options.as_json:
        print(json.dumps({"file": plan.name, "paused_s": round(paused_s, 3), **asdict(summary)}))
        return
    went_on = f"; this run went on after line {summary.resumed_at:,}" if summary.resumed_at else ""
    if summary.resumed_at and summary.resumed_at == summary.lines:
        went_on = "; nothing new since the last run (--restart sends it again)"
    paused = f", {paused_s:.1f} s of it paused while messages waited" if paused_s >= 1 else ""
    print(
        f"{plan.name}: {summary.lines:,} lines: {summary.accepted:,} sent and confirmed, "
        f"{summary.rejected:,} rejected, {summary.blank:,} blank, in {summary.seconds:.1f} s{paused}{went_on}"
    )
