"""``babelwatch replay``: a part of a topic through the pipeline once more, below live traffic."""

import hashlib
import json
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import click

from pipeline.cli.options import Rate
from pipeline.cli.replay_range import Span
from pipeline.errors import InputError, LinesRejected
from pipeline.local import discover
from pipeline.settings import Settings, load_settings

if TYPE_CHECKING:
    from pipeline.kafka.offsets import OffsetReader
    from pipeline.replay_state import Progress

ANSWER_S: Final = 10.0


class How(NamedTuple):
    """What to do about an earlier run, and what to say."""

    restart: bool
    resume: bool
    dry_run: bool
    as_json: bool


@click.command(
    epilog="Exit codes: 0 all is sent; 2 arguments; 3 Kafka or ClickHouse does not answer; 10 some are too large to be "
    "sent again; 130 stopped (the same command goes on, see --resume)."
)
@click.option("--from", "begin", metavar="TIME|OFFSET", required=True, help="30m, 2h, 7d, a time, or an offset.")
@click.option("--to", "end", metavar="TIME|OFFSET", help="Up to here, not included. Default: what is there now.")
@click.option("--partition", type=click.IntRange(0), help="Only this partition.")
@click.option(
    "--stage",
    type=click.Choice(["language", "sentiment"]),
    default="language",
    show_default=True,
    help="Which stage does its work again: language reads 7 days, sentiment 2 (docs/kafka.md).",
)
@click.option("--rejudge", is_flag=True, help="What comes of it takes the place of what is stored; counts follow.")
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
@click.option("--restart", is_flag=True, help="Begin anew, whatever an earlier run did.")
@click.option("--resume", is_flag=True, help="Go on with the earlier run, however long ago it began.")
@click.option("--dry-run", is_flag=True, help="Say how much it is, and send nothing.")
@click.option("--json", "as_json", is_flag=True, help="The result as JSON.")
def command(
    begin: str,
    end: str | None,
    partition: int | None,
    stage: str,
    rejudge: bool,
    rate: float,
    max_waiting: int,
    restart: bool,
    resume: bool,
    dry_run: bool,
    as_json: bool,
) -> None:
    """Send a part of what a stage has read through the pipeline once more.

    Counts do not change: what is stored already is a repeat, what is missing comes back. With --rejudge, what the
    stages say today (another brands file, model or rule) takes the place of what is stored. Stopped or killed, the
    same command goes on; when --from or --to count from now, for 10 minutes, and later with --resume.

    \b
    babelwatch replay --from 2h --dry-run
    babelwatch replay --from 2026-11-27T08:00 --to 2026-11-27T09:00 --rate 100
    babelwatch replay --from 7d --rejudge
    """
    if restart and resume:
        raise InputError("--restart begins anew, --resume goes on: choose one")
    settings = discover(load_settings())
    settings.require_kafka()
    how = How(restart, resume, dry_run, as_json)
    _run(settings, (begin, end or "", partition, stage, rejudge), rate, max_waiting, how)


def _run(
    settings: Settings,
    wanted: tuple[str, str, int | None, str, bool],
    rate: float,
    max_waiting: int,
    how: How,
) -> None:
    from pipeline.kafka.admin import read_incarnation
    from pipeline.kafka.offsets import OffsetReader
    from pipeline.kafka.ranges import RangeReader
    from pipeline.kafka.redeliver import Redeliverer
    from pipeline.replay import Replay
    from pipeline.replay_state import remove
    from pipeline.sources.backfill_meter import Meter
    from pipeline.sources.interrupt import Interruptions
    from pipeline.sources.pace import Pace, PacePolicy, waiting_messages

    path = _state_file(settings, wanted)
    span = Span.parse(wanted[0], wanted[1], datetime.now(UTC))
    incarnation = read_incarnation(settings.model_copy(update={"connect_timeout_s": ANSWER_S}))
    stops = Interruptions("stopping: what was sent is being confirmed")
    with OffsetReader(settings) as reader, RangeReader(settings) as records, stops:
        progress = _earlier(settings, path, incarnation, span, wanted[4], how)
        if progress is None:
            progress = _new(settings, reader, incarnation, span, wanted)
        if how.dry_run or not progress.left:
            if not how.dry_run:
                remove(path)  # all of it is sent, or what is begun anew is nothing
            _report(progress, how)
            return
        meter = Meter(f"replay of {progress.topic}", progress.total)

        def sleep(seconds: float) -> None:
            meter.show()
            with stops.waiting():
                time.sleep(seconds)

        policy = PacePolicy(rate, max_waiting, patience_s=settings.connect_timeout_s)
        pace = Pace(policy, lambda: waiting_messages(reader), sleep=sleep, stalled=meter.stalled)
        with Redeliverer(settings, incarnation, "replay", generation=progress.generation) as redeliverer:
            replay = Replay(progress, path, records, redeliverer)

            meter.rows_done = lambda: replay.progress.sent

            def on_record(_: int) -> None:
                meter.paused_s = pace.paused_s
                meter.show()
                stops.check()

            try:
                replay.run(pace, on_record)
            except KeyboardInterrupt:
                meter.end()
                again = "the same command with --resume" if span.relative else "the same command"
                print(f"stopped after {replay.progress.sent:,}; {again} goes on ({path})", file=sys.stderr)
                sys.exit(130)
            meter.end()
            too_large = redeliverer.too_large
        _report(replay.progress, how)
        if too_large:
            raise LinesRejected(
                f"{len(too_large):,} of them are too large to be sent again ({', '.join(too_large[:10])}): the topic's "
                "max.message.bytes needs 16 KiB more than they have (docs/kafka.md)"
            )


def _earlier(
    settings: Settings, path: Path, incarnation: str, span: Span, rejudge: bool, how: How
) -> "Progress | None":
    """What is to be gone on with, after a word about it; None: begin anew. Raises InputError when that is not clear."""
    from pipeline.replay_state import load, name, outranked, require_current

    found = None if how.restart else load(path, incarnation)
    if how.resume:
        if found is None:
            raise InputError("there is no replay with these arguments to go on with: leave --resume out to begin one")
        if not found.left:
            return found
    if found is None or not found.left:
        return None  # nothing is left where a kill came between the last record and the removal of the file
    newest = _newest_generation(settings) if rejudge else 0
    if not how.resume:
        require_current(found, datetime.now(UTC), relative=span.relative, newest=newest)
    elif outranked(found, newest):
        print(outranked(found, newest), file=sys.stderr)
    print(f"goes on with {name(found)}: {found.sent:,} sent, {found.left:,} offsets left ({path})", file=sys.stderr)
    return found


def _new(
    settings: Settings,
    reader: "OffsetReader",
    incarnation: str,
    span: Span,
    wanted: tuple[str, str, int | None, str, bool],
) -> "Progress":
    from pipeline.kafka.redelivery import MAX_GENERATION
    from pipeline.replay import TOPICS
    from pipeline.replay_state import Progress

    _, _, partition, stage, rejudge = wanted
    topic = TOPICS[stage]
    began = datetime.now(UTC)
    ends = {p: offset for (_, p), offset in reader.ends([topic]).items()}
    if partition is not None:
        if partition not in ends:
            raise InputError(f"--partition {partition}: {topic} has {len(ends)}, from 0 to {len(ends) - 1}")
        ends = {partition: ends[partition]}
    begins = {p: offset for (_, p), offset in reader.begins([topic]).items()}
    parts = span.parts(topic, begins, ends, lambda moment_ms: reader.at(topic, moment_ms))
    generation = _newest_generation(settings) + 1 if rejudge else 0
    if generation > MAX_GENERATION:
        raise InputError(
            f"mentions were judged anew {MAX_GENERATION} times, and more do not fit: replay without --rejudge"
        )
    return Progress(
        incarnation=incarnation,
        topic=topic,
        generation=generation,
        total=sum(part.left for part in parts),
        parts=parts,
        began=began,
        since=str(span.begin),
        until=str(span.end) if span.end else "",
    )


def _report(progress: "Progress", how: How) -> None:
    from pipeline.replay_state import describe

    if how.as_json:
        click.echo(json.dumps(describe(progress)))
    elif how.dry_run:
        left = [f"{p.partition}: {p.next:,} to {p.end - 1:,}" for p in progress.parts if p.left]
        where = f" (partition {', '.join(left)})" if left else ""
        click.echo(f"{progress.left:,} offsets of {progress.topic} would be sent{where}")
    elif not progress.total:
        click.echo(f"nothing of {progress.topic} is there in that range (its retention: docs/kafka.md)")
    else:
        click.echo(
            f"{progress.sent:,} records of {progress.topic} were sent once more; `babelwatch reconcile` says where "
            "they ended"
        )


def _newest_generation(settings: Settings) -> int:
    """Of all that is stored. Raises ClickHouseUnavailable."""
    from pipeline.store.client import connect
    from pipeline.store.rescore import newest_generation

    return newest_generation(connect(settings.require_clickhouse()))


def _state_file(settings: Settings, wanted: tuple[Any, ...]) -> Path:
    """Beside the stack's other files; the same arguments find it again."""
    name = hashlib.blake2b(repr(wanted).encode(), digest_size=6).hexdigest()
    return settings.data_dir.absolute() / "replays" / f"{name}.json"
