"""``babelwatch replay``: a part of a topic through the pipeline once more, below live traffic."""

import hashlib
import json
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from pipeline.cli.dead import parse_since
from pipeline.cli.options import Rate
from pipeline.errors import InputError
from pipeline.local import discover
from pipeline.settings import Settings, load_settings

if TYPE_CHECKING:
    from pipeline.kafka.offsets import OffsetReader
    from pipeline.replay import Part, Progress

ANSWER_S: Final = 10.0


@click.command(
    epilog="Exit codes: 0 all is sent; 2 arguments; 3 Kafka or ClickHouse does not answer; 130 stopped (the same "
    "command goes on)."
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
    dry_run: bool,
    as_json: bool,
) -> None:
    """Send a part of what a stage has read through the pipeline once more.

    Counts do not change: what is stored already is a repeat, what is missing comes back. With --rejudge, what the
    stages say today (another brands file, model or rule) takes the place of what is stored. Stopped or killed, the
    same command goes on.

    \b
    babelwatch replay --from 2h --dry-run
    babelwatch replay --from 2026-11-27T08:00 --to 2026-11-27T09:00 --rate 100
    babelwatch replay --from 7d --rejudge
    """
    settings = discover(load_settings())
    settings.require_kafka()
    _run(settings, (begin, end or "", partition, stage, rejudge), rate, max_waiting, restart, dry_run, as_json)


def _run(
    settings: Settings,
    wanted: tuple[str, str, int | None, str, bool],
    rate: float,
    max_waiting: int,
    restart: bool,
    dry_run: bool,
    as_json: bool,
) -> None:
    from pipeline.kafka.admin import read_incarnation
    from pipeline.kafka.offsets import OffsetReader
    from pipeline.kafka.ranges import RangeReader
    from pipeline.kafka.redeliver import Redeliverer
    from pipeline.replay import TOPICS, Progress, Replay, load
    from pipeline.sources.backfill_meter import Meter
    from pipeline.sources.interrupt import Interruptions
    from pipeline.sources.pace import Pace, PacePolicy, waiting_messages

    path = _state_file(settings, wanted)
    incarnation = read_incarnation(settings.model_copy(update={"connect_timeout_s": ANSWER_S}))
    stops = Interruptions("stopping: what was sent is being confirmed")
    with OffsetReader(settings) as reader, RangeReader(settings) as records, stops:
        progress = None if restart else load(path, incarnation)
        if progress is not None:
            print(f"goes on: {progress.sent:,} sent before, {progress.left:,} offsets left ({path})", file=sys.stderr)
        else:
            topic = TOPICS[wanted[3]]
            parts = _parts(reader, topic, *wanted[:3])
            total = sum(part.left for part in parts)
            generation = _generation(settings) if wanted[4] else 0
            progress = Progress(
                incarnation=incarnation, topic=topic, generation=generation, total=total, parts=parts
            )  # fmt: skip
        if dry_run or not progress.left:
            _report(progress, as_json, dry_run=dry_run)
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
                print(f"stopped after {replay.progress.sent:,}; the same command goes on ({path})", file=sys.stderr)
                sys.exit(130)
            meter.end()
        _report(replay.progress, as_json)


def _report(progress: "Progress", as_json: bool, *, dry_run: bool = False) -> None:
    from pipeline.replay import describe

    if as_json:
        click.echo(json.dumps(describe(progress)))
    elif dry_run:
        where = ", ".join(f"{p.partition}: {p.next:,} to {p.end - 1:,}" for p in progress.parts) or "none"
        click.echo(f"{progress.left:,} offsets of {progress.topic} would be sent (partition {where})")
    elif not progress.total:
        click.echo(f"nothing of {progress.topic} is there in that range (its retention: docs/kafka.md)")
    else:
        click.echo(
            f"{progress.sent:,} records of {progress.topic} were sent once more; `babelwatch reconcile` says where "
            "they ended"
        )


def _parts(reader: "OffsetReader", topic: str, begin: str, end: str, partition: int | None) -> "tuple[Part, ...]":
    from pipeline.replay import parts_between

    ends = {p: offset for (_, p), offset in reader.ends([topic]).items()}
    if partition is not None:
        if partition not in ends:
            raise InputError(f"--partition {partition}: {topic} has {len(ends)}, from 0 to {len(ends) - 1}")
        ends = {partition: ends[partition]}
    begins = {p: offset for (_, p), offset in reader.begins([topic]).items()}
    now = datetime.now(UTC)

    def offsets(text: str, option: str) -> dict[int, int]:
        if text.isascii() and text.isdigit() and len(text) < 19:
            return dict.fromkeys(ends, int(text))
        return reader.at(topic, int(parse_since(text, now, option).timestamp() * 1000))

    return parts_between(begins, ends, offsets(begin, "--from"), offsets(end, "--to") if end else ends)


def _generation(settings: Settings) -> int:
    """One more than any that is stored. Raises InputError when there are no more."""
    from pipeline.kafka.redelivery import MAX_GENERATION
    from pipeline.store.client import connect
    from pipeline.store.rescore import newest_generation

    found = newest_generation(connect(settings.require_clickhouse())) + 1
    if found > MAX_GENERATION:
        raise InputError(
            f"mentions were judged anew {MAX_GENERATION} times, and more do not fit: replay without --rejudge"
        )
    return found


def _state_file(settings: Settings, wanted: tuple[Any, ...]) -> Path:
    """Beside the stack's other files; the same arguments find it again."""
    name = hashlib.blake2b(repr(wanted).encode(), digest_size=6).hexdigest()
    return settings.data_dir.absolute() / "replays" / f"{name}.json"
