"""Replays a part of a topic through the pipeline, below live traffic, and goes on where it was stopped."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import msgspec
from msgspec import Struct

from pipeline import durable
from pipeline.errors import InputError
from pipeline.kafka.ranges import RangeReader
from pipeline.kafka.redeliver import Redeliverer
from pipeline.kafka.topics import DETECTED, MENTIONS
from pipeline.sources.interrupt import StopNow
from pipeline.sources.pace import Pace

TOPICS: Final = {"language": MENTIONS, "sentiment": DETECTED}
"""Stage that does its work again -> topic that it reads."""
SAVE_EVERY: Final = 500
"""Records between two notes of how far a replay is; after a kill so many at most are sent again."""


class Part(Struct, frozen=True):
    """Offsets ``next`` to ``end`` (exclusive) of a partition are to be sent."""

    partition: int
    next: int
    end: int

    @property
    def left(self) -> int:
        """Offsets that are not sent yet."""
        return max(0, self.end - self.next)


class Progress(Struct, frozen=True, kw_only=True):
    """How far a replay is, as it is kept in a file. The offsets hold for one broker only."""

    incarnation: str
    topic: str
    generation: int
    total: int
    """Offsets at the beginning."""
    sent: int = 0
    parts: tuple[Part, ...]

    @property
    def left(self) -> int:
        """Offsets that are not sent yet."""
        return sum(part.left for part in self.parts)


def load(path: Path, incarnation: str) -> Progress | None:
    """What an earlier run left, or None. Raises InputError for a file of another broker, or one that is none."""
    try:
        found = msgspec.json.decode(path.read_bytes(), type=Progress)
    except FileNotFoundError:
        return None
    except (msgspec.MsgspecError, OSError) as error:
        raise InputError(f"{path} cannot be read ({error}): remove it to begin anew, or use --restart") from None
    if found.incarnation != incarnation:
        raise InputError(
            f"{path} is of a replay on another broker ({found.incarnation[:8]}, this one is {incarnation[:8]}): its "
            "offsets mean nothing here; use --restart"
        )
    return found


@dataclass
class Replay:
    """One replay. ``progress`` is where it stands, while it runs perhaps ahead of what the broker has confirmed."""

    progress: Progress
    path: Path
    reader: RangeReader
    redeliverer: Redeliverer
    _confirmed: Progress = field(init=False)
    """Where it stood at the last flush that succeeded: what the state says."""

    def __post_init__(self) -> None:
        self._confirmed = self.progress

    def run(self, pace: Pace, on_record: Callable[[int], object] = lambda sent: None) -> Progress:
        """Send what is left, as fast as ``pace`` allows.

        Raises BrokerUnavailable, InputError (the state cannot be written), and what ``pace`` and ``on_record`` raise
        (KeyboardInterrupt): what was confirmed is noted, another run goes on from there, and ``progress`` says no more
        than that. ``on_record`` is told how many records this replay has sent.
        """
        # Before anything is sent: a kill in the first moments must leave the range, or the same command takes another.
        self._save()
        try:
            for number in range(len(self.progress.parts)):
                self._send(number, pace, on_record)
        except StopNow:
            self.progress = self._confirmed
            raise
        except BaseException:
            self._settle()
            raise
        self.path.unlink(missing_ok=True)
        return self.progress

    def _send(self, number: int, pace: Pace, on_record: Callable[[int], object]) -> None:
        part = self.progress.parts[number]
        for record in self.reader.read(self.progress.topic, part.partition, part.next, part.end):
            pace.wait()
            self.redeliverer.send(record)
            self._advance(number, record.offset + 1, 1)
            on_record(self.progress.sent)
            if self.progress.sent % SAVE_EVERY == 0:
                self._confirm()
        self.redeliverer.flush()
        self._advance(number, part.end, 0)
        self._confirm()

    def _settle(self) -> None:
        """Note what was confirmed of what was sent. Raises BrokerUnavailable when the last records were not."""
        reached, self.progress = self.progress, self._confirmed
        self.redeliverer.flush()
        self.progress = reached
        self._confirm()

    def _confirm(self) -> None:
        """Wait until all that was sent is confirmed, then note the position: never the other way round."""
        self.redeliverer.flush()
        self._save()
        self._confirmed = self.progress

    def _advance(self, number: int, to: int, sent: int) -> None:
        parts = list(self.progress.parts)
        parts[number] = msgspec.structs.replace(parts[number], next=to)
        self.progress = msgspec.structs.replace(self.progress, parts=tuple(parts), sent=self.progress.sent + sent)

    def _save(self) -> None:
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            durable.replace_bytes(self.path, msgspec.json.encode(self.progress))
        except OSError as error:
            raise InputError(
                f"{self.path}: {error.strerror or error}: how far a replay is cannot be noted there; set "
                "BABELWATCH_DATA_DIR to a folder that can be written"
            ) from None


def parts_between(
    begins: dict[int, int], ends: dict[int, int], first: dict[int, int], last: dict[int, int]
) -> tuple[Part, ...]:
    """What lies between ``first`` and ``last`` (exclusive), cut to what is in the log; by partition, none empty."""
    found = []
    for partition, end in sorted(ends.items()):
        start = max(first.get(partition, end), begins.get(partition, 0))
        stop = min(last.get(partition, end), end)
        if start < stop:
            found.append(Part(partition, start, stop))
    return tuple(found)


def describe(progress: Progress) -> dict[str, Any]:
    """For scripts."""
    return {
        "topic": progress.topic,
        "offsets": progress.total,
        "sent": progress.sent,
        "left": progress.left,
        "generation": progress.generation,
    }
