"""Intervals and gaps of the ledger."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from pipeline.ledger import MAX_LENGTH, OUTCOMES, Bounds, Gap, Outcome, intervals, merged, prove
from schemas.events import Origin


def at(offset: int, partition: int = 0) -> Origin:
    return Origin(incarnation="inc", topic="mentions", partition=partition, offset=offset)


def test_offsets_that_follow_each_other_are_one_interval() -> None:
    entries: list[tuple[Origin, Outcome]] = [(at(n), "stored") for n in (5, 3, 4, 9, 4)]
    assert [(i.first, i.last) for i in intervals(entries)] == [(3, 5), (9, 9)]


def test_partitions_and_outcomes_stand_for_themselves() -> None:
    found = intervals([(at(1), "stored"), (at(2), "repeat"), (at(3, 1), "stored"), (at(3), "stored")])
    assert {(i.partition, i.first, i.last, i.outcome) for i in found} == {
        (0, 1, 1, "stored"),
        (0, 2, 2, "repeat"),
        (0, 3, 3, "stored"),
        (1, 3, 3, "stored"),
    }


def test_no_interval_is_longer_than_the_store_looks_back() -> None:
    found = intervals((at(n), "stored") for n in range(MAX_LENGTH + 2))
    assert [(i.first, i.last) for i in found] == [(0, MAX_LENGTH - 1), (MAX_LENGTH, MAX_LENGTH + 1)]


@given(st.lists(st.tuples(st.integers(0, 60), st.integers(0, 2), st.sampled_from(OUTCOMES)), max_size=80))
def test_intervals_hold_exactly_what_was_written(written: list[tuple[int, int, Outcome]]) -> None:
    found = intervals((at(offset, partition), outcome) for offset, partition, outcome in written)
    held = [(n, i.partition, i.outcome) for i in found for n in range(i.first, i.last + 1)]
    assert len(held) == len(set(held))
    assert set(held) == set(written)


def test_what_kafka_has_forgotten_is_told_from_what_can_be_read_again() -> None:
    bounds = Bounds(low=0, high=100, log_begin=40, log_end=120)
    proof = prove(3, bounds, [Gap(3, 60, 61), Gap(3, 10, 50)], {})
    assert proof.lost == (Gap(3, 10, 40),)
    assert proof.gaps == (Gap(3, 40, 50), Gap(3, 60, 61))
    assert (proof.missing, proof.unprovable, proof.proven) == (41, 30, 10)


def test_without_gaps_everything_up_to_the_watermark_is_proven() -> None:
    assert prove(0, Bounds(5, 100, 0, 120), [], {}).proven == 100
    assert prove(0, Bounds(100, 100, 0, 120), [], {}).missing == 0


@given(st.lists(st.tuples(st.integers(0, 1), st.integers(0, 40), st.integers(1, 9)), max_size=30))
def test_merged_gaps_hold_the_same_offsets_once(drawn: list[tuple[int, int, int]]) -> None:
    gaps = [Gap(partition, start, start + length) for partition, start, length in drawn]
    found = merged(gaps)
    held = [(gap.partition, n) for gap in found for n in range(gap.start, gap.end)]
    assert held == sorted({(gap.partition, n) for gap in gaps for n in range(gap.start, gap.end)})
    assert all(a.partition != b.partition or a.end < b.start for a, b in pairwise(found))
