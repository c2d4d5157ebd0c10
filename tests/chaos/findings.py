"""What the checker says, and the pure comparisons behind it."""

from collections import Counter
from collections.abc import Hashable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeVar

from tests.chaos.judge import NAME, stable_label
from tests.chaos.truth import State, Truth, digest

Cell = TypeVar("Cell", bound=Hashable)


@dataclass(frozen=True)
class Finding:
    """Something is wrong ``count`` times; ``example`` is one of them."""

    what: str
    count: int
    example: str


class Row(NamedTuple):
    """One live row of ``mentions``."""

    tenant: str
    ident: bytes
    published_ms: int
    brands: tuple[str, ...]
    source: str
    text: str
    revision: int
    label: str
    model: str


class Letter(NamedTuple):
    """One row of ``dead_letters``."""

    topic: str
    partition: int
    offset: int
    stage: str
    reason: str
    error: str
    value: bytes


class Collector:
    """Counts what is wrong by kind and keeps the first example of each."""

    def __init__(self) -> None:
        self._count: Counter[str] = Counter()
        self._example: dict[str, str] = {}

    def add(self, what: str, example: str, count: int = 1) -> None:
        """Note ``count`` cases."""
        self._count[what] += count
        self._example.setdefault(what, example[:500])

    @property
    def findings(self) -> list[Finding]:
        """All of them, in the order of their first case."""
        return [Finding(what, self._count[what], example) for what, example in self._example.items()]


def compare_mentions(truth: Truth, rows: Iterable[Row], into: Collector) -> int:
    """Every mention once, as it was sent last, and nothing else. Returns how many rows there are."""
    seen: set[tuple[str, bytes]] = set()
    count = 0
    for row in rows:
        count += 1
        key = (row.tenant, row.ident)
        name = f"{row.tenant}/{row.ident.hex()}"
        state = truth.states.get(key)
        if state is None:
            into.add("a mention that nobody sent", f"{name}: {row.text!r}")
        elif key in seen:
            into.add("doubled", f"{name} is alive twice; message {state.line}")
        elif state.deleted:
            into.add("deleted and still counted", f"{name}: message {state.line} deletes it")
        else:
            _compare(name, state, row, into)
        seen.add(key)
    for key, state in truth.states.items():
        if not state.deleted and key not in seen:
            into.add("lost", f"{key[0]}/{key[1].hex()}: message {state.line} is nowhere")
    return count


def _compare(name: str, state: State, row: Row, into: Collector) -> None:
    sent = f"{name}, message {state.line}"
    if row.revision != state.revision:
        into.add("an old revision", f"{sent}: revision {row.revision}, sent was {state.revision}")
        return
    if row.published_ms != state.published_ms:
        into.add("wrong time", f"{sent}: {row.published_ms} ms, sent was {state.published_ms} ms")
    if tuple(sorted(row.brands)) != state.brands:
        into.add("wrong brand", f"{sent}: {row.brands}, sent was {state.brands}")
    if digest(row.text.encode()) != state.text:
        into.add("wrong text", f"{sent}: {row.text!r}")
    if row.source != state.source:
        into.add("wrong source", f"{sent}: {row.source}, sent was {state.source}")
    if row.model == NAME and (expected := stable_label(row.text)) not in (None, row.label):
        into.add("wrong label", f"{sent}: {row.label}, the judge says {expected}")


def compare_letters(
    poison: Mapping[int, tuple[str, bytes]],
    places: Mapping[tuple[int, int], int],
    letters: Iterable[Letter],
    into: Collector,
) -> int:
    """Every poison message is a dead letter with its reason, and nothing else is one. Returns how many there are.

    ``poison``: number -> (reason, hash); ``places``: (partition, offset) of ``mentions`` -> number.
    """
    found: set[tuple[int, int]] = set()
    count = 0
    for letter in letters:
        count += 1
        place = (letter.partition, letter.offset)
        where = f"{letter.topic}/{letter.partition}/{letter.offset} ({letter.stage}: {letter.reason}: {letter.error})"
        n = places.get(place) if letter.topic == "mentions" else None
        if n is None:
            into.add("a dead letter of a message that is fine", where)
            continue
        found.add(place)
        reason, value = poison[n]
        if not letter.reason or not letter.error:
            into.add("a dead letter without a reason", where)
        elif letter.reason != reason:
            into.add("a dead letter with another reason", f"{where}: {reason} was expected")
        if digest(letter.value) != value:
            into.add("a dead letter with another value", where)
    for place, n in places.items():
        if place not in found:
            into.add("poison that is no dead letter", f"mentions/{place[0]}/{place[1]}, message {n}: {poison[n][0]}")
    return count


def compare_cells(what: str, expected: Mapping[Cell, int], found: Mapping[Cell, int], into: Collector) -> None:
    """Counts by cell are equal; a cell that is not there counts 0."""
    for cell in expected.keys() | found.keys():
        want, got = expected.get(cell, 0), found.get(cell, 0)
        if want != got:
            into.add(what, f"{cell}: {got}, the input file says {want}")


def differing(what: str, cells: int, example: Any, into: Collector) -> None:
    """Note the outcome of a comparison that ClickHouse made."""
    if cells:
        into.add(what, str(example), cells)
