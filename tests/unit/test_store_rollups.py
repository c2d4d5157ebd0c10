"""Which cells a mention touches, and how their recount is cut into statements; pure."""

from datetime import UTC, datetime, timedelta

import pytest

from pipeline.store.rollups import (
    HOUR,
    MAX_PARTITIONS,
    MAX_RANGES,
    MINUTE,
    RECENT,
    RECENT_END_S,
    RECENT_S,
    TRUSTED_S,
    Cell,
    Recount,
    cells_of,
    month_of,
    recount_coarse,
    recount_recent,
)

NOW_S = int(datetime(2026, 11, 23, 12, 0, 30, tzinfo=UTC).timestamp())


def cell(start: int, brand: str = "", tenant: str = "default", label: str = "neutral") -> Cell:
    return Cell(tenant, start, brand, "en", "s", label)


def tables(recounts: list[Recount]) -> list[tuple[str, bool]]:
    """(table, from rollup_recent?) of each."""
    return [(r.rollup.table, "FROM rollup_recent" in r.sql(1)) for r in recounts]


def test_a_mention_counts_once_in_the_total_and_once_per_brand() -> None:
    found = list(cells_of("t", NOW_S + 7, ["a", "b"], "en", "s", "positive"))
    assert [c.brand for c in found] == ["", "a", "b"]
    assert {c.start for c in found} == {NOW_S}


@pytest.mark.parametrize(("second", "start"), [(-1, -10), (-10, -10), (0, 0), (9, 0), (10, 10)])
def test_slots_are_rounded_down_before_1970_too(second: int, start: int) -> None:
    assert next(cells_of("t", second, [], "en", "s", "neutral")).start == start


def test_the_recent_rollup_ends_where_its_rows_expire_and_where_datetime_ends() -> None:
    inside = {cell(NOW_S - RECENT_S), cell(NOW_S), cell(NOW_S + 86_400), cell(RECENT_END_S - 10)}
    outside = {cell(NOW_S - RECENT_S - 10), cell(RECENT_END_S), cell(-10)}
    touched = [row["slot"] for recount in recount_recent(inside | outside, NOW_S) for row in recount.touched]
    assert sorted(touched) == sorted(c.start for c in inside)
    assert recount_recent(outside, NOW_S) == []


def test_coarse_rollups_are_added_up_from_the_recent_one_only_while_it_surely_has_everything() -> None:
    hour = NOW_S - NOW_S % 3600
    assert tables(recount_coarse([cell(NOW_S)], NOW_S)) == [("rollup_minute", True), ("rollup_hour", True)]
    assert tables(recount_coarse([cell(NOW_S - RECENT_S)], NOW_S)) == [("rollup_minute", False), ("rollup_hour", False)]
    # a minute that begins within the trusted time, in an hour that does not
    edge = NOW_S - TRUSTED_S + 600 - (NOW_S % 60)
    assert tables(recount_coarse([cell(edge)], NOW_S)) == [("rollup_minute", True), ("rollup_hour", False)]
    assert tables(recount_coarse([cell(RECENT_END_S)], hour)) == [("rollup_minute", False), ("rollup_hour", False)]


def test_labels_and_brands_of_one_window_are_one_statement() -> None:
    cells = {cell(NOW_S, brand, label=label) for brand in ("", "a") for label in ("negative", "positive")}
    (recount,) = recount_recent(cells, NOW_S)
    assert recount.windows == 1
    assert len(recount.touched) == 4


def test_adjacent_windows_are_one_range_and_others_are_not() -> None:
    (recount,) = recount_recent({cell(NOW_S), cell(NOW_S + 10), cell(NOW_S + 20), cell(NOW_S + 40)}, NOW_S)
    assert recount.sql(1).count("published_at >=") == 2
    assert recount.windows == 4


def test_windows_of_two_tenants_are_kept_apart_and_their_names_are_parameters() -> None:
    (recount,) = recount_recent({cell(NOW_S, tenant="a'b"), cell(NOW_S + 10, tenant="c")}, NOW_S)
    assert sorted(recount.params.values()) == ["a'b", "c"]
    assert "a'b" not in recount.sql(1)
    assert recount.sql(1).count("published_at >=") == 2


def test_a_statement_has_few_ranges() -> None:
    found = recount_recent({cell(NOW_S - 30 * i) for i in range(200)}, NOW_S)
    assert len(found) == -(-200 // MAX_RANGES)
    assert sum(recount.windows for recount in found) == 200


def test_a_statement_has_fewer_than_100_partitions() -> None:
    starts = [int(datetime(1990 + i // 12, i % 12 + 1, 1, tzinfo=UTC).timestamp()) for i in range(240)]
    for recount in recount_coarse({cell(start) for start in starts}, NOW_S):
        window = recount.rollup.window
        assert len({month_of(row[window]) for row in recount.touched}) <= MAX_PARTITIONS
    adjacent = {cell(NOW_S - NOW_S % 3600 + 10 * i) for i in range(360 * 130)}
    for recount in recount_recent(adjacent, NOW_S):
        assert len({row["slot"] // 3600 for row in recount.touched}) <= MAX_PARTITIONS


def test_the_external_table_has_the_columns_of_the_key() -> None:
    for rollup in (RECENT, MINUTE, HOUR):
        assert tuple(name for name, _ in rollup.structure) == rollup.key
    for recount in recount_coarse({cell(NOW_S, "a")}, NOW_S):
        assert all(set(row) == set(recount.rollup.key) for row in recount.touched)


def test_computed_at_is_a_number_in_the_statement() -> None:
    (recount,) = recount_recent({cell(NOW_S)}, NOW_S)
    assert " 123 AS computed_at" in recount.sql(123)
    with pytest.raises(ValueError, match="invalid literal"):
        recount.sql("1; DROP")  # type: ignore[arg-type]


@pytest.mark.parametrize("year", [1900, 1969, 1970, 2026, 2299])
def test_month_of_any_time(year: int) -> None:
    moment = datetime(year, 2, 3, 4, tzinfo=UTC)
    second = (moment - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(seconds=1)
    assert month_of(second) == year * 100 + 2
