"""The ledger's terms: entries, intervals, gaps; pure.

Every offset of topic ``mentions`` has to end: ``stored`` (a mention, an edit, a deletion that holds), ``repeat`` (it
changed nothing), ``dead`` (a dead letter that is stored), or ``absent`` (Kafka has no record there). The sink writes
down where each one ended; what has no entry is a gap. Nothing here trusts a counter: a gap is a set of offsets.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Final, Literal, NamedTuple

from schemas.events import Origin

Outcome = Literal["stored", "dead", "repeat", "absent"]
OUTCOMES: Final[tuple[Outcome, ...]] = ("stored", "dead", "repeat", "absent")
"""In the order of precedence: a dead letter that was sent again and stored is stored."""

MAX_LENGTH: Final = 65_536
"""Offsets in one interval, so that whoever looks for what covers an offset need not look further back than that."""


class Interval(NamedTuple):
    """Offsets ``first`` to ``last``, both included, of one partition of one broker, and how they ended."""

    incarnation: str
    topic: str
    partition: int
    first: int
    last: int
    outcome: Outcome


@dataclass(frozen=True, slots=True, order=True)
class Gap:
    """Offsets ``start`` to ``end`` (exclusive) of a partition did not end."""

    partition: int
    start: int
    end: int

    @property
    def offsets(self) -> int:
        """How many."""
        return self.end - self.start

    def __str__(self) -> str:
        return (
            f"{self.partition}: {self.start} to {self.end - 1}"
            if self.offsets > 1
            else f"{self.partition}: {self.start}"
        )


def intervals(entries: Iterable[tuple[Origin, Outcome]]) -> list[Interval]:
    """Offsets that follow each other and ended alike, as one interval each, at most MAX_LENGTH long; sorted."""
    found: list[Interval] = []
    for incarnation, topic, partition, outcome, offset in sorted(
        {(o.incarnation, o.topic, o.partition, outcome, o.offset) for o, outcome in entries}
    ):
        if found:
            last = found[-1]
            same = (last.incarnation, last.topic, last.partition, last.outcome) == (
                *(incarnation, topic, partition, outcome),
            )
            if same and last.last + 1 == offset and offset - last.first < MAX_LENGTH:
                found[-1] = last._replace(last=offset)
                continue
        found.append(Interval(incarnation, topic, partition, offset, offset, outcome))
    return found


def merged(gaps: Iterable[Gap]) -> list[Gap]:
    """The same offsets in order, each in one gap, and in as few as possible."""
    found: list[Gap] = []
    for gap in sorted(gaps):
        if found and found[-1].partition == gap.partition and gap.start <= found[-1].end:
            found[-1] = Gap(gap.partition, found[-1].start, max(found[-1].end, gap.end))
        else:
            found.append(gap)
    return found


def ranges(there: Iterable[int], start: int, end: int) -> Iterator[tuple[int, int]]:
    """Yield (first, last) of what lies from ``start`` to ``end`` (exclusive) and is not ``there`` (sorted)."""
    expected = start
    for offset in there:
        yield from _pieces(expected, offset)
        expected = offset + 1
    yield from _pieces(expected, end)


def _pieces(start: int, end: int) -> Iterator[tuple[int, int]]:
    for first in range(start, end, MAX_LENGTH):
        yield first, min(first + MAX_LENGTH, end) - 1


@dataclass(frozen=True)
class Bounds:
    """What is looked at in one partition: offsets ``low`` to ``high`` (exclusive), and where Kafka's log is."""

    low: int
    high: int
    log_begin: int
    log_end: int


@dataclass(frozen=True)
class Proof:
    """What one look at a partition found, in offsets."""

    partition: int
    bounds: Bounds
    gaps: tuple[Gap, ...]
    """Not ended, and still in Kafka: they can be read again."""
    lost: tuple[Gap, ...]
    """Not ended, and gone from Kafka (retention, or the broker's memory): nobody can say what became of them."""
    counts: dict[Outcome, int] = field(default_factory=dict)

    @property
    def proven(self) -> int:
        """Every offset below this one (from ``bounds.low`` on) has ended."""
        return min((gap.start for gap in (*self.gaps, *self.lost)), default=max(self.bounds.low, self.bounds.high))

    @property
    def missing(self) -> int:
        """Offsets that did not end."""
        return sum(gap.offsets for gap in (*self.gaps, *self.lost))

    @property
    def unprovable(self) -> int:
        """Of these, how many are gone from Kafka."""
        return sum(gap.offsets for gap in self.lost)


def prove(partition: int, bounds: Bounds, found: Iterable[Gap], counts: dict[Outcome, int]) -> Proof:
    """Tell the gaps that Kafka still has from those that it has not."""
    gaps: list[Gap] = []
    lost: list[Gap] = []
    for gap in sorted(found):
        cut = min(max(gap.start, bounds.log_begin), gap.end)
        if gap.start < cut:
            lost.append(Gap(partition, gap.start, cut))
        if cut < gap.end:
            gaps.append(Gap(partition, cut, gap.end))
    return Proof(partition, bounds, tuple(gaps), tuple(lost), counts)
