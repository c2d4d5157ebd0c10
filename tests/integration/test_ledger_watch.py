"""What the watch notices of a ledger that loses entries: a real ClickHouse, and offsets of Kafka in memory."""

from collections.abc import Iterable, Iterator
from types import SimpleNamespace
from typing import Any, cast

import pytest
from clickhouse_driver import Client

from pipeline.ledger import Gap, Interval
from pipeline.ledger_state import ledger_problems, ledger_state
from pipeline.ledger_sweep import EVERY_S
from pipeline.ledger_watch import LedgerWatch
from pipeline.reconcile import Reconciliation, reconcile
from pipeline.store.client import connect
from pipeline.store.ledger import LedgerStore
from pipeline.store.migrations import migrate

pytestmark = pytest.mark.embedded


class Kafka:
    """Partition 0 of every topic: all stages have got to its end, and every offset holds a record."""

    def __init__(self) -> None:
        self.begin, self.end = 0, 100

    def ends(self, topics: Iterable[str]) -> dict[tuple[str, int], int]:
        return {(topic, 0): self.end for topic in topics}

    def committed(self, group: str, topics: Iterable[str]) -> dict[tuple[str, int], int]:
        return self.ends(topics)

    def begins(self, topics: Iterable[str]) -> dict[tuple[str, int], int]:
        return {(topic, 0): self.begin for topic in topics}

    def read(self, topic: str, partition: int, start: int, end: int) -> Iterator[Any]:
        yield from (SimpleNamespace(offset=n) for n in range(max(start, self.begin), end))


class Stack:
    """The ledger, and who looks at it."""

    def __init__(self, client: Client) -> None:
        self.client = client
        self.store = LedgerStore(client)
        self.kafka = cast(Any, Kafka())
        self.now = 0.0

    def watch(self, store: LedgerStore | None = None) -> LedgerWatch:
        return LedgerWatch(self.kafka, self.kafka, store or self.store, "inc", clock=lambda: self.now)

    def reconcile(self) -> Reconciliation:
        """As the command does."""
        found = reconcile(self.kafka, self.kafka, self.store, "inc", timeout_s=5)
        self.store.mark(found.marks())
        return found

    def write(self, first: int, last: int) -> None:
        self.store.write(Interval("inc", "mentions", 0, n, n + 9, "stored") for n in range(first, last, 10))

    def lose(self, first: int, last: int) -> None:
        """What a backup does not have."""
        self.client.execute(
            "ALTER TABLE ledger DELETE WHERE first >= %(f)s AND first < %(l)s SETTINGS mutations_sync = 2",
            {"f": first, "l": last},
        )

    def problems(self) -> list[str]:
        return ledger_problems(ledger_state(self.store, "inc"))


@pytest.fixture
def stack(clickhouse_url: str) -> Iterator[Stack]:
    migrate(clickhouse_url)
    client = connect(clickhouse_url)
    found = Stack(client)
    found.write(0, 100)
    yield found
    client.disconnect()


def look(watch: LedgerWatch) -> tuple[Gap, ...]:
    found = watch.look(lambda: True)
    assert found is not None
    (proof,) = found.proofs
    return (*proof.lost, *proof.gaps)


LOST = Gap(0, 50, 80)


def test_a_restored_ledger_is_found_within_the_hour_and_by_every_new_watch(stack: Stack) -> None:
    watch = stack.watch()
    assert look(watch) == ()
    stack.lose(50, 80)
    assert look(watch) == ()  # not yet: it looks at what is new
    stack.now += EVERY_S
    assert look(watch) == (LOST,)
    (problem,) = stack.problems()
    assert "30 offsets" in problem
    assert "0: from 50" in problem
    assert look(watch) == (LOST,)
    assert look(stack.watch()) == (LOST,)
    stack.write(50, 80)
    assert look(watch) == ()
    assert stack.problems() == []


def test_a_watch_that_starts_looks_below_what_was_proved(stack: Stack) -> None:
    assert look(stack.watch()) == ()
    stack.lose(50, 80)
    assert look(stack.watch()) == (LOST,)


def test_what_the_command_finds_is_not_overwritten(stack: Stack) -> None:
    watch = stack.watch()
    assert look(watch) == ()
    stack.lose(50, 80)
    assert stack.reconcile().gaps == 30
    for _ in range(3):
        assert look(watch) == (LOST,)
        assert len(stack.problems()) == 1
    stack.write(50, 80)
    assert stack.reconcile().complete
    assert look(watch) == ()
    assert stack.problems() == []


def test_also_behind_what_nobody_can_mend_any_more(stack: Stack) -> None:
    """Where ``proven`` stays as it was, the mark is another one all the same."""
    stack.lose(10, 20)
    stack.kafka.begin = 20
    watch = stack.watch()
    assert look(watch) == (Gap(0, 10, 20),)
    stack.lose(50, 80)
    assert stack.reconcile().gaps == 30
    assert look(watch) == (Gap(0, 10, 20), LOST)


@pytest.mark.parametrize("with_mark", [True, False])
def test_marks_that_went_back_too_are_noticed_at_once(stack: Stack, with_mark: bool) -> None:
    watch = stack.watch()
    stack.kafka.end = 50
    assert look(watch) == ()
    backup = stack.store.marks("inc")
    stack.kafka.end = 100
    assert look(watch) == ()
    stack.lose(50, 100)
    stack.client.execute("TRUNCATE TABLE ledger_marks")
    if with_mark:
        stack.store.mark(backup)
    assert look(watch) == (Gap(0, 50, 100),)
    assert len(stack.problems()) == 1


def test_a_mark_that_is_left_while_the_watch_looks_stays(stack: Stack) -> None:
    class Slow(LedgerStore):
        """Between its last question and its marks somebody else looks."""

        meanwhile = staticmethod(lambda: None)

        def gaps(self, *args: Any) -> list[Gap]:
            found = super().gaps(*args)
            self.meanwhile()
            return found

    slow = Slow(stack.client)
    watch = stack.watch(slow)
    assert look(watch) == ()

    def command() -> None:
        slow.meanwhile = lambda: None
        stack.lose(50, 80)
        stack.reconcile()

    slow.meanwhile = command
    stack.write(100, 110)
    stack.kafka.end = 110
    assert look(watch) == ()
    assert len(stack.problems()) == 1
    assert look(watch) == (LOST,)


def test_a_gap_that_is_found_again_is_one(stack: Stack) -> None:
    """The sweep, the mark and what was open meet at the same offsets."""
    stack.lose(50, 80)
    watch = stack.watch()
    for _ in range(3):
        assert look(watch) == (LOST,)
        stack.reconcile()
        stack.now += EVERY_S
    assert sum(mark.missing for mark in stack.store.marks("inc")) == 30
