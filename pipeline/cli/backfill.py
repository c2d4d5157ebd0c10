"""``babelwatch backfill``: files of history into the pipeline, checked beforehand, and below live traffic."""

import json
import os
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack, closing
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
from pipeline.sources.lines import open_input
from pipeline.sources.place import SUFFIX
from pipeline.sources.plan import Plan, sniff_format
from pipeline.sources.rejects import Rejects
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
"""
OUT_OF_RANGE: Final = ".out-of-range.jsonl"


@dataclass(frozen=True)
class Options:
    """What the user wants of all files."""

    rate: float
    max_waiting: int
    skip: bool
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
@click.option("--restart", is_flag=True, help="Begin at the start, whatever an earlier run did.")
@click.option("--dry-run", is_flag=True, help="Only the check; needs no service.")
@click.option("--json", "as_json", is_flag=True, help="Print the summaries as JSON, one line per file.")
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
    restart: bool,
    dry_run: bool,
    as_json: bool,
) -> None:
    """Send history from FILEs (JSON Lines or CSV, plain or gzip) into the pipeline, without delaying live mentions.

    All files are looked through first: when a row is older than BABELWATCH_MAX_AGE_DAYS or in the future, nothing is
    sent. Then they are sent as `ingest` sends them, with the same progress beside each file: stopped or killed, the
    same command goes on, and what is sent twice counts once.
    """
    settings = load_settings()
    options = Options(rate, max_waiting, skip, as_json)
    dialect = Dialect(parse_map(mapping), delimiter_of(delimiter), check_encoding(encoding), zone_of(zone))
    with ExitStack() as stack:
        work: list[tuple[Plan, BinaryIO]] = []
        for file in dict.fromkeys(files):
            if file == "-":
                raise InputError("backfill reads each file twice, so it takes no standard input: `babelwatch ingest -`")
            stream, on_disk = open_input(Path(file))
            stack.callback(on_disk.close)
            lock(on_disk, file)
            kind = sniff_format(file, stream.peek(1024)) if format_ == "auto" else format_  # type: ignore[attr-defined]
            plan = Plan(
                name=file,
                format="csv" if kind == "csv" or (format_ == "auto" and dialect.columns) else "jsonl",
                source=source or default_source(file),
                dialect=dialect,
                state=Path(file + SUFFIX),
                rejects=Path(file + ".rejects.jsonl"),
                restart=restart,
                entrance="backfill",
            )
            work.append((plan, stream))
        rows = _check(work, settings, options)
        if not dry_run:
            _send(work, rows, settings, options, stack)


def _check(work: list[tuple[Plan, BinaryIO]], settings: Settings, options: Options) -> list[int]:
    """Look through every file; return rows per file. Raises InputError when rows are out of range, unless skipped."""
    from pipeline.detect import Limits
    from pipeline.sources.survey import describe, survey

    rows, refused = [], []
    for plan, stream in work:
        path = Path(plan.name + OUT_OF_RANGE)
        listed = Rejects(path, source=plan.name)
        with closing(listed):
            found = survey(plan, stream, Limits.of(settings), listed)
        if not found.out_of_range:
            path.unlink(missing_ok=True)
        stream.seek(0)
        if not options.as_json:
            print(f"{plan.name}: {describe(found)}")
        rows.append(found.rows)
        if found.out_of_range:
            refused.append(f"{found.out_of_range:,} of {plan.name} (all lines are in {path})")
    if refused and not options.skip:
        raise InputError(
            f"rows out of range: {'; '.join(refused)}. Nothing was sent. Correct their dates, leave them out with "
            "--skip-out-of-range, or set a greater BABELWATCH_MAX_AGE_DAYS (for the language workers too)"
        )
    return rows


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
    rejected = 0
    with stops:
        for (plan, stream), total in zip(work, rows, strict=True):
            meter = Meter(plan.name, total)
            pace = Pace(policy, lambda: waiting_messages(reader), sleep=_sleep(stops, meter), stalled=meter.stalled)
            paced = PacedOutlet(outlet, pace)
            ingest = Ingest(replace(plan, incarnation=incarnation), stream, Intake(Limits.of(settings)), paced)
            summary = _run(ingest, pace, meter, stops, plan.name)
            rejected += summary.rejected
            _report(plan, summary, pace.paused_s, options)
    if rejected:
        raise LinesRejected(f"{rejected:,} rows were rejected: line and reason of each are in FILE.rejects.jsonl")


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
