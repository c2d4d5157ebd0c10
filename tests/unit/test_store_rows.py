"""Events as rows; pure."""

from datetime import UTC, datetime, timedelta, timezone

import pytest

from pipeline.store.rows import (
    JUDGEMENT_COLUMNS,
    LOCATION_COLUMNS,
    LOST,
    MENTION_COLUMNS,
    candidate,
    clean,
    columns,
    judgement_rows,
    location_row,
    mention_row,
    month_of_ms,
    tombstone_row,
)
from schemas.events import EventError
from schemas.ids import MAX_GENERATION, truth_order
from tests.integration.store_support import NOW, deleted, scored


def test_rows_have_the_columns_they_say() -> None:
    for event in (scored("a"), deleted("a")):
        item = candidate(event)
        assert len(location_row(item, 1)) == len(LOCATION_COLUMNS)
        assert len(mention_row(item)) == len(MENTION_COLUMNS)
        assert all(len(row) == len(JUDGEMENT_COLUMNS) for row in judgement_rows(item))
        assert len(tombstone_row(item, 5, 6)) == len(MENTION_COLUMNS)


def test_probabilities_are_per_mille_and_brands_distinct() -> None:
    row = dict(zip(MENTION_COLUMNS, mention_row(candidate(scored("a", brands=("b", "a", "b", "")))), strict=True))
    assert (row["negative"], row["neutral"], row["positive"], row["language_confidence"]) == (125, 750, 125, 900)
    assert row["brands"] == ["a", "b"]
    assert row["match_brand"] == ["b", "a", "b", ""]


def test_a_tombstone_keeps_no_word_of_the_mention() -> None:
    event = scored("a", text="private", brands=("b",), language="de", reach=5)
    event.author, event.url, event.author_key = "ana", "https://e.x", "0" * 32
    row = dict(zip(MENTION_COLUMNS, tombstone_row(candidate(event), 5, 6), strict=True))
    kept = {"tenant", "mention_id", "source", "truth", "is_deleted", "published_at", "received_at", "label"}
    kept |= {"incarnation", "topic", "partition", "offset", "revision"}
    assert not any(value for name, value in row.items() if name not in kept)


def test_a_place_that_was_left_is_beyond_every_judgement_of_that_revision_and_no_further() -> None:
    lost = truth_order(revision=3) | LOST
    assert lost >= truth_order(revision=3, generation=MAX_GENERATION)
    assert lost < truth_order(revision=3, deleted=True)
    assert truth_order(revision=3, deleted=True) | LOST < truth_order(revision=4)


def test_the_same_again_has_the_same_content_whatever_the_model_says() -> None:
    first = candidate(scored("a", label="negative", language="de", brands=()))
    assert first.content == candidate(scored("a", label="positive")).content
    for other in (scored("a", text="x"), scored("a", reach=1), scored("a", at=NOW)):
        assert candidate(other).content != first.content


def test_the_cell_of_a_location_tells_what_rollups_tell() -> None:
    cells = {
        location_row(candidate(event), 1)[LOCATION_COLUMNS.index("cell")]
        for event in (
            scored("a"),
            scored("a", label="negative"),
            scored("a", language="de"),
            scored("a", brands=()),
            scored("a", brands=("lumora", "zentavo")),
            scored("a", brands=("lumora zentavo",)),
        )
    }
    assert len(cells) == 6


def test_times_are_utc_milliseconds_rounded_down() -> None:
    at = datetime(1969, 12, 31, 23, 59, 59, 999999, UTC)
    assert candidate(scored("a", at=at)).place == -1
    east = datetime(2026, 1, 1, 5, 30, tzinfo=timezone(timedelta(hours=5, minutes=30)))
    assert candidate(scored("a", at=east)).place == candidate(scored("a", at=datetime(2026, 1, 1, tzinfo=UTC))).place


@pytest.mark.parametrize(("year", "month"), [(1900, 1), (1969, 12), (2026, 11), (2299, 12)])
def test_month(year: int, month: int) -> None:
    assert month_of_ms(candidate(scored("a", at=datetime(year, month, 15, tzinfo=UTC))).place) == year * 100 + month


def test_dates_outside_are_event_errors() -> None:
    with pytest.raises(EventError, match="1900 to 2299") as refused:
        candidate(scored("a", at=datetime(9999, 1, 1, tzinfo=UTC)))
    assert refused.value.reason == "date_out_of_range"


def test_clean_replaces_only_what_utf8_cannot_carry() -> None:
    assert clean("a\ud800b\0ü") == "a?b\0ü"
    assert clean(None) == ""


def test_columns() -> None:
    assert columns([(1, "a"), (2, "b")]) == [[1, 2], ["a", "b"]]
