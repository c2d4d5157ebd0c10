"""Replays a part of a topic through the pipeline, below live traffic, and goes on where it was stopped."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import msgspec

from pipeline import replay_state
from pipeline.kafka.ranges import RangeReader
from pipeline.kafka.redeliver import Redeliverer
from pipeline.kafka.topics import DETECTED, MENTIONS
from pipeline.replay_state import Progress
from pipeline.sources.interrupt import StopNow
from pipeline.sources.pace import Pace

TOPICS: Final = {"language": MENTIONS, "sentiment": DETECTED}
"""Stage that does its work again -> topic that it reads."""
SAVE_EVERY: Final = 500
"""Records between two notes of how far a replay is; after a kill so many at most are sent again."""


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
        replay_state.save(self.path, self.progress)
        try:
            for number in range(len(self.progress.parts)):
                self._send(number, pace, on_record)
        except StopNow:
            self.progress = self._confirmed
            raise
        except BaseException:
            self._settle()
            raise
        replay_state.remove(self.path)
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
        replay_state.save(self.path, self.progress)
        self._confirmed = self.progress

    def _advance(self, number: int, to: int, sent: int) -> None:
        parts = list(self.progress.parts)
        parts[number] = msgspec.structs.replace(parts[number], next=to)
        self.progress = msgspec.structs.replace(self.progress, parts=tuple(parts), sent=self.progress.sent + sent)
