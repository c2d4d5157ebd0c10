"""What a replay sends, and how it goes on."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import cast

import pytest

from pipeline.errors import BrokerUnavailable, InputError
from pipeline.kafka.ranges import RangeReader
from pipeline.kafka.redeliver import Redeliverer
from pipeline.replay import SAVE_EVERY, Replay
from pipeline.replay_state import Part, Progress, load
from pipeline.sources.interrupt import StopNow
from pipeline.sources.pace import Pace, PacePolicy

BEGAN = datetime(2026, 11, 27, 8, 0, tzinfo=UTC)


@dataclass
class Record:
    partition: int
    offset: int


@dataclass
class Log:
    """Partition -> offsets at which there are records; what was sent; after how many the broker goes away.

    ``confirms``: how many it confirms before a flush fails, the first one and all that follow.
    """

    offsets: dict[int, list[int]]
    fails_after: int = 10**9
    confirms: int = 10**9
    sent: list[tuple[int, int]] = field(default_factory=list)
    confirmed: int = 0

    def read(self, topic: str, partition: int, start: int, end: int) -> Iterator[Record]:
        for offset in self.offsets[partition]:
            if start <= offset < end:
                yield Record(partition, offset)

    def send(self, record: Record) -> None:
        if len(self.sent) >= self.fails_after:
            raise BrokerUnavailable("gone")
        self.sent.append((record.partition, record.offset))

    def flush(self) -> None:
        if len(self.sent) > self.confirms:
            raise BrokerUnavailable("not confirmed")
        self.confirmed = len(self.sent)


def progress(*parts: Part) -> Progress:
    total = sum(p.left for p in parts)
    return Progress(
        incarnation="inc", topic="mentions", generation=0, total=total, parts=tuple(parts), began=BEGAN
    )  # fmt: skip


def replay_of(log: Log, path: Path, at: Progress) -> Replay:
    return Replay(at, path, cast(RangeReader, log), cast(Redeliverer, log))


def run(log: Log, path: Path, at: Progress) -> Progress:
    return replay_of(log, path, at).run(Pace(PacePolicy(), None))


def test_it_sends_every_record_in_order_and_leaves_no_file(tmp_path: Path) -> None:
    log = Log({0: [3, 4, 6], 1: [0, 9]})
    path = tmp_path / "state.json"
    done = run(log, path, progress(Part(0, 3, 8), Part(1, 0, 9)))
    assert log.sent == [(0, 3), (0, 4), (0, 6), (1, 0)]
    assert (done.sent, done.left, log.confirmed) == (4, 0, 4)
    assert not path.exists()


def test_after_a_failure_it_goes_on_where_it_stood(tmp_path: Path) -> None:
    total = 3 * SAVE_EVERY + 7
    log = Log({0: list(range(total))}, fails_after=SAVE_EVERY + 100)
    path = tmp_path / "deep" / "state.json"
    with pytest.raises(BrokerUnavailable):
        run(log, path, progress(Part(0, 0, total)))
    found = load(path, "inc")
    assert found is not None
    assert (found.sent, found.parts[0].next) == (SAVE_EVERY + 100, SAVE_EVERY + 100)
    log.fails_after = 10**9
    assert run(log, path, found).sent == total
    assert sorted(set(log.sent)) == [(0, n) for n in range(total)]
    assert len(log.sent) == total


def test_the_state_is_there_before_anything_is_sent(tmp_path: Path) -> None:
    """A kill in the first moments: the same command must go on with this range, not take another one."""
    path = tmp_path / "deep" / "state.json"
    whole = progress(Part(0, 0, 2), Part(1, 5, 9))
    seen: list[Progress | None] = []
    replay = replay_of(Log({0: [0, 1], 1: [6]}), path, whole)
    replay.run(Pace(PacePolicy(), None), lambda _: seen.append(load(path, "inc")))
    assert seen[0] == whole


def test_what_was_never_confirmed_is_not_noted_as_sent(tmp_path: Path) -> None:
    log = Log({0: list(range(3 * SAVE_EVERY))}, confirms=SAVE_EVERY + 20)
    path = tmp_path / "state.json"
    replay = replay_of(log, path, progress(Part(0, 0, 3 * SAVE_EVERY)))
    with pytest.raises(BrokerUnavailable, match="not confirmed"):
        replay.run(Pace(PacePolicy(), None))
    found = load(path, "inc")
    assert found is not None
    assert (found.sent, found.parts[0].next, log.confirmed) == (SAVE_EVERY, SAVE_EVERY, SAVE_EVERY)
    assert replay.progress == found, "and nobody is told more"


@pytest.mark.parametrize(("stop", "noted"), [(KeyboardInterrupt, SAVE_EVERY + 7), (StopNow, SAVE_EVERY)])
def test_a_stop_waits_for_what_was_sent_and_a_second_one_for_nothing(
    tmp_path: Path, stop: type[BaseException], noted: int
) -> None:
    path = tmp_path / "state.json"
    replay = replay_of(Log({0: list(range(2 * SAVE_EVERY))}), path, progress(Part(0, 0, 2 * SAVE_EVERY)))

    def on_record(sent: int) -> None:
        if sent == SAVE_EVERY + 7:
            raise stop

    with pytest.raises(stop):
        replay.run(Pace(PacePolicy(), None), on_record)
    found = load(path, "inc")
    assert found is not None
    assert (found.sent, replay.progress.sent) == (noted, noted)


def test_a_folder_that_cannot_be_written_is_named_before_anything_is_sent(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    log = Log({0: [0]})
    with pytest.raises(InputError, match="BABELWATCH_DATA_DIR"):
        run(log, tmp_path / "file" / "state.json", progress(Part(0, 0, 1)))
    assert log.sent == []
