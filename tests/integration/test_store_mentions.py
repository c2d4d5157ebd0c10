"""What the sink's store promises, one scenario each, on a real ClickHouse; after each the rollups equal a recount."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from clickhouse_driver import Client

from pipeline.store.accounting import by_language, latency_ms, stored_ids
from pipeline.store.client import connect
from pipeline.store.mentions import MentionStore, WriteOutcome
from pipeline.store.migrations import migrate
from schemas.events import EventError, Judgement, ScoredEvent
from tests.integration.store_support import (
    NOW,
    OLD,
    RECENT,
    alive,
    assert_rollups_equal_recount,
    deleted,
    identify,
    rollups,
    scored,
)

pytestmark = pytest.mark.embedded


@pytest.fixture
def client(clickhouse_url: str) -> Iterator[Client]:
    migrate(clickhouse_url)
    connection = connect(clickhouse_url)
    yield connection
    connection.disconnect()


@pytest.fixture
def store(client: Client) -> MentionStore:
    return MentionStore(client)


def test_a_batch_is_stored_with_all_its_fields(store: MentionStore, client: Client) -> None:
    event = scored("a", text="Ünï", label="negative", brands=("zentavo", "lumora", "lumora"), reach=7, offset=5)
    event.url, event.country, event.parent_id, event.author_key = "https://e.x/1", "DE", "p", "0" * 32
    assert store.write([event, scored("b", brands=())]) == WriteOutcome(stored=2)
    assert_rollups_equal_recount(client)
    row = client.execute(
        "SELECT tenant, source, source_id, revision, is_deleted, text, hex(text_hash), published_at, received_at, "
        "language, language_confidence, brands, match_brand, CAST(label, 'String'), negative, neutral, positive, model,"
        " rule, author_key, url, reach, country, parent_id, incarnation, topic, partition, offset "
        "FROM mentions FINAL WHERE source_id = 'a'"
    )[0]
    assert row == (
        *("default", "test", "a", 0, 0, "Ünï", event.text_hash.upper(), RECENT, NOW),
        *("en", 900, ["lumora", "zentavo"], ["zentavo", "lumora", "lumora"], "negative", 750, 125, 125),
        *("test", "plain", "0" * 32, "https://e.x/1", 7, "DE", "p", "inc-1", "mentions", 0, 5),
    )
    assert client.execute("SELECT target, logp_neutral FROM judgements FINAL WHERE label = 'negative'") == [("", -1.5)]


def test_nothing_to_write_touches_nothing(store: MentionStore) -> None:
    assert store.write([]) == WriteOutcome()


def test_a_redelivered_mention_with_another_label_changes_nothing(store: MentionStore, client: Client) -> None:
    store.write([scored("a", label="negative"), scored("b")])
    assert store.write([scored("a", label="positive"), scored("c")]) == WriteOutcome(stored=1, repeat=1)
    assert alive(client)[identify("a")]["label"] == "negative"
    assert_rollups_equal_recount(client)


def test_the_same_revision_with_another_text_is_a_conflicting_repeat(store: MentionStore, client: Client) -> None:
    store.write([scored("a", text="first")])
    assert store.write([scored("a", text="second")]) == WriteOutcome(conflicting=1)
    assert store.write([scored("a", text="first")]) == WriteOutcome(repeat=1)
    assert alive(client)[identify("a")]["text"] == "first"
    assert_rollups_equal_recount(client)


@pytest.mark.parametrize("shift", [timedelta(hours=-2), timedelta(hours=2), timedelta(days=-400)])
def test_of_the_same_revision_at_two_times_the_earlier_stays(
    store: MentionStore, client: Client, shift: timedelta
) -> None:
    place = min(RECENT, RECENT + shift)
    moved, other = (
        (WriteOutcome(edit=1), RECENT) if shift < timedelta(0) else (WriteOutcome(conflicting=1), RECENT + shift)
    )
    store.write([scored("a", at=RECENT)])
    assert store.write([scored("a", at=RECENT + shift)]) == moved
    for _ in range(2):
        assert alive(client)[identify("a")]["published_at"] == place
        assert_rollups_equal_recount(client)
        assert store.write([scored("a", at=other)]) == WriteOutcome(conflicting=1)
        assert store.write([scored("a", at=place)]) == WriteOutcome(repeat=1)
    # ... and a later revision may go to where the conflicting one was not let in
    assert store.write([scored("a", at=other, revision=1)]) == WriteOutcome(edit=1)
    assert alive(client)[identify("a")]["published_at"] == other
    # ... from where only an earlier one moves it
    assert store.write([scored("a", at=other + timedelta(hours=1), revision=1)]) == WriteOutcome(conflicting=1)
    assert store.write([scored("a", at=place, revision=1)]) == WriteOutcome(edit=1)
    assert alive(client)[identify("a")]["published_at"] == place
    assert_rollups_equal_recount(client)


def test_an_edit_replaces_the_mention_and_its_brand_falls_to_zero(store: MentionStore, client: Client) -> None:
    store.write([scored("a", text="old", label="negative", brands=("lumora",)), scored("b")])
    edit = scored("a", text="new", label="positive", brands=("zentavo",), language="de", revision=1)
    assert store.write([edit]) == WriteOutcome(edit=1)
    row = alive(client)[identify("a")]
    assert (row["text"], row["label"], row["brands"], row["language"]) == ("new", "positive", ["zentavo"], "de")
    assert_rollups_equal_recount(client)
    zeros = client.execute("SELECT count() FROM rollup_minute FINAL WHERE mentions = 0 AND label = 'negative'")
    assert zeros == [(2,)]  # the total and lumora


def test_a_late_redelivery_of_the_older_revision_changes_nothing(store: MentionStore, client: Client) -> None:
    store.write([scored("a", text="old")])
    store.write([scored("a", text="new", revision=3)])
    assert store.write([scored("a", text="old")]) == WriteOutcome(superseded=1)
    assert store.write([scored("a", text="middle", revision=2, at=OLD)]) == WriteOutcome(superseded=1)
    assert alive(client)[identify("a")]["text"] == "new"
    assert_rollups_equal_recount(client)


def test_the_older_revision_that_comes_first_time_after_the_edit(store: MentionStore, client: Client) -> None:
    assert store.write([scored("a", text="new", revision=1, at=RECENT)]) == WriteOutcome(stored=1)
    assert store.write([scored("a", text="old", revision=0, at=OLD)]) == WriteOutcome(superseded=1)
    assert alive(client)[identify("a")]["text"] == "new"
    assert_rollups_equal_recount(client)


@pytest.mark.parametrize("there", [RECENT + timedelta(seconds=3), RECENT + timedelta(hours=-3), OLD])
def test_a_changed_date_empties_the_old_window(store: MentionStore, client: Client, there: datetime) -> None:
    store.write([scored("a", at=RECENT), scored("b", at=RECENT)])
    assert store.write([scored("a", at=there, revision=1)]) == WriteOutcome(edit=1)
    assert alive(client)[identify("a")]["published_at"] == there
    assert_rollups_equal_recount(client)
    assert store.write([scored("a", at=RECENT, revision=2)]) == WriteOutcome(edit=1)
    assert alive(client)[identify("a")]["published_at"] == RECENT
    assert_rollups_equal_recount(client)
    assert store.write([scored("a", at=there, revision=1)]) == WriteOutcome(superseded=1)
    assert_rollups_equal_recount(client)
    assert len(alive(client)) == 2


def test_a_deletion_empties_every_window_and_keeps_no_text(store: MentionStore, client: Client) -> None:
    store.write([scored("a", text="secret", at=OLD), scored("b")])
    store.write([scored("a", text="secret", at=RECENT, revision=1)])
    assert store.write([deleted("a", revision=1)]) == WriteOutcome(deleted=1)
    assert alive(client).keys() == {identify("b")}
    assert_rollups_equal_recount(client)
    assert client.execute("SELECT count() FROM mentions FINAL WHERE text = 'secret'") == [(0,)]
    assert store.write([deleted("a", revision=1)]) == WriteOutcome(repeat=1)
    assert store.write([scored("a", text="secret", revision=1, at=RECENT)]) == WriteOutcome(superseded=1)
    assert alive(client).keys() == {identify("b")}
    # a later revision brings it back
    assert store.write([scored("a", text="again", revision=2, at=RECENT)]) == WriteOutcome(edit=1)
    assert alive(client)[identify("a")]["text"] == "again"
    assert_rollups_equal_recount(client)


def test_a_deletion_before_its_mention_holds(store: MentionStore, client: Client) -> None:
    assert store.write([deleted("a", revision=4)]) == WriteOutcome(deleted=1)
    assert stored_ids(client, "inc-1") == 1
    assert store.write([scored("a", revision=4), scored("a", revision=1, at=OLD)]) == WriteOutcome(superseded=2)
    assert alive(client) == {}
    assert_rollups_equal_recount(client)
    assert stored_ids(client, "inc-1") == 1


def test_a_deletion_at_the_very_time_of_its_mention(store: MentionStore, client: Client) -> None:
    store.write([scored("a", at=RECENT)])
    assert store.write([deleted("a", at=RECENT)]) == WriteOutcome(deleted=1)
    assert alive(client) == {}
    assert_rollups_equal_recount(client)


def test_everything_about_one_mention_in_one_batch(store: MentionStore, client: Client) -> None:
    events: list[ScoredEvent] = [
        scored("a", text="1"),
        scored("a", text="1"),
        scored("a", text="other"),
        scored("a", text="2", revision=2, at=OLD),
        scored("a", text="1"),
        deleted("b"),
        scored("b"),
    ]
    expected = WriteOutcome(stored=1, repeat=1, conflicting=1, edit=1, superseded=2, deleted=1)
    assert store.write(events) == expected
    assert {row["text"] for row in alive(client).values()} == {"2"}
    assert_rollups_equal_recount(client)
    # delivered once more, whole: nothing is new
    again = store.write(events)
    assert (again.stored, again.edit, again.deleted) == (0, 0, 0)
    assert {row["text"] for row in alive(client).values()} == {"2"}
    assert_rollups_equal_recount(client)


def test_cuts_of_the_stream_do_not_matter_for_the_outcome(store: MentionStore, client: Client) -> None:
    events: list[ScoredEvent] = [
        scored("a"),
        scored("a", revision=1),
        deleted("a", revision=1),
        scored("a"),
        scored("c"),
        scored("c"),
    ]
    total = WriteOutcome()
    for event in events:
        total += store.write([event])
    assert total == WriteOutcome(stored=2, edit=1, deleted=1, superseded=1, repeat=1)
    assert_rollups_equal_recount(client)


def test_tenants_do_not_see_each_other(store: MentionStore, client: Client) -> None:
    store.write([scored("a"), scored("a", tenant="acme", label="positive")])
    store.write([deleted("a", tenant="acme")])
    assert alive(client).keys() == {identify("a")}
    assert alive(client, "acme") == {}
    assert_rollups_equal_recount(client)
    assert_rollups_equal_recount(client, "acme")


def test_an_insert_into_more_than_100_partitions_is_split(store: MentionStore, client: Client) -> None:
    events = [scored(f"m{i}", at=datetime(2005, 1, 1, tzinfo=UTC) + timedelta(days=31 * i)) for i in range(130)]
    # ... and 120 hours ahead: partitions of rollup_recent
    events += [scored(f"h{i}", at=NOW + timedelta(hours=i)) for i in range(120)]
    assert store.write(events) == WriteOutcome(stored=250)
    assert store.write(events) == WriteOutcome(repeat=250)
    assert len(alive(client)) == 250
    assert_rollups_equal_recount(client)


@pytest.mark.parametrize(
    "moment",
    [
        datetime(1900, 1, 1, 0, 0, 0, 1000, tzinfo=UTC),
        datetime(1969, 12, 31, 23, 59, 59, 999000, tzinfo=UTC),
        datetime(1970, 1, 1, tzinfo=UTC),
        datetime(2038, 1, 19, 3, 14, 8, tzinfo=UTC),
        datetime(2099, 12, 31, 23, 59, 59, tzinfo=UTC),
        datetime(2106, 2, 7, 6, 28, 17, tzinfo=UTC),
        datetime(2299, 12, 31, 23, 59, 59, 999000, tzinfo=UTC),
    ],
)
def test_dates_from_1900_to_2299(store: MentionStore, client: Client, moment: datetime) -> None:
    store.write([scored("a", at=moment), scored("b")])
    assert_rollups_equal_recount(client)
    # the driver reads DateTime64 through a float: microseconds off in year 2299
    assert abs(alive(client)[identify("a")]["published_at"] - moment) < timedelta(milliseconds=1)
    assert store.write([scored("a", at=moment)]) == WriteOutcome(repeat=1)
    store.write([scored("a", at=moment, revision=1, brands=("zentavo",), label="positive")])
    assert_rollups_equal_recount(client)
    store.write([deleted("a", revision=1, at=moment)])
    assert alive(client).keys() == {identify("b")}
    assert_rollups_equal_recount(client)


@pytest.mark.parametrize("moment", [datetime(1899, 12, 31, tzinfo=UTC), datetime(2300, 1, 1, tzinfo=UTC)])
def test_dates_that_clickhouse_cannot_hold_are_refused_before_anything_is_written(
    store: MentionStore, client: Client, moment: datetime
) -> None:
    with pytest.raises(EventError, match="1900 to 2299") as refused:
        store.write([scored("b"), scored("a", at=moment)])
    assert refused.value.reason == "date_out_of_range"
    with pytest.raises(EventError, match="1900 to 2299"):
        store.write([deleted("a", at=moment)])
    assert alive(client) == {}
    assert store.write([scored("b")]) == WriteOutcome(stored=1)


def test_hostile_texts_do_not_break_a_batch(store: MentionStore, client: Client) -> None:
    texts = {
        "long": "x" * 1_000_000,
        "nul": "a\0b",
        "surrogate": "a\ud800b",
        "quotes": "'); DROP TABLE mentions; -- \\ %(t)s {x}",
        "astral": "𝒳👩‍👩‍👧",
    }
    events = [scored(name, text=text) for name, text in texts.items()]
    events[3].language = type(events[3].language)(tag="x' OR 1=1", confidence=1.0, detector="%s")
    events[4].brands = [type(b)(brand="bra'nd\\ %(x)s", start=0, end=1) for b in events[4].brands]
    assert store.write(events) == WriteOutcome(stored=5)
    found = {ident: row["text"] for ident, row in alive(client).items()}
    assert found == {identify(n): t.replace("\ud800", "?") for n, t in texts.items()}
    assert_rollups_equal_recount(client)


def test_several_judgements_are_kept_and_the_whole_texts_counts(store: MentionStore, client: Client) -> None:
    event = scored("a", label="negative")
    toward = event.judgements[0]
    event.judgements = [
        Judgement(
            **{**{f: getattr(toward, f) for f in toward.__struct_fields__}, "target": "lumora", "label": "positive"}
        ),
        toward,
    ]
    store.write([event])
    assert alive(client)[identify("a")]["label"] == "negative"
    assert client.execute("SELECT count() FROM judgements FINAL") == [(2,)]


def test_an_unsure_mention_has_cells_of_its_own(store: MentionStore, client: Client) -> None:
    store.write([scored("a", label="unsure", brands=("lumora",)), scored("b", label="neutral", brands=("lumora",))])
    assert_rollups_equal_recount(client)
    for table, cells in rollups(client).items():
        counted = {(key[1], key[-1]): sums[0] for key, sums in cells.items()}
        assert counted == {(brand, label): 1 for brand in ("", "lumora") for label in ("unsure", "neutral")}, table
    rows = client.execute("SELECT CAST(label, 'String'), negative, neutral FROM mentions FINAL ORDER BY label")
    assert rows == [("neutral", 125, 750), ("unsure", 450, 275)], "its probabilities are kept"
    [row] = by_language(client)
    assert (row.mentions, row.neutral, row.unsure, row.confidence) == (2, 1, 1, 0.75)
    # a better model may know: an edit moves it out of unsure, and back
    store.write([scored("a", label="positive", revision=1), scored("b", label="unsure", revision=1)])
    assert_rollups_equal_recount(client)
    assert {found["label"] for found in alive(client).values()} == {"positive", "unsure"}
    store.write([scored("a", label="unsure", revision=2)])
    [row] = by_language(client)
    assert (row.mentions, row.unsure, row.confidence) == (2, 2, 0.0)


def test_accounting_counts_each_id_once_deleted_ones_too(store: MentionStore, client: Client) -> None:
    received = NOW - timedelta(seconds=2)
    store.write([scored("a", language="hi-Latn", received_at=received), scored("b", language="pt", label="negative")])
    store.write([scored("a", language="hi-Latn"), scored("c", incarnation="inc-2"), deleted("b")])
    store.write([scored("c", at=OLD, revision=1)])
    assert stored_ids(client, "inc-1") == 3  # c was edited from here
    assert stored_ids(client, "inc-2") == 0
    assert {row.language: row.mentions for row in by_language(client, "inc-1")} == {"hi-Latn": 1, "en": 1}
    latency = latency_ms(client, "inc-1")
    assert latency is not None
    assert latency.mentions == 2
    assert latency.max >= latency.p99 >= latency.p50
    assert latency.max >= 2000
    assert latency_ms(client, "unknown") is None


def test_the_live_page_reads_the_same_totals_from_all_rollups(store: MentionStore, client: Client) -> None:
    store.write([scored(f"m{i}", at=RECENT + timedelta(seconds=i * 7), brands=("b", "c")[: i % 3]) for i in range(100)])
    totals = {
        table: sum(sums[0] for key, sums in cells.items() if key[1] == "") for table, cells in rollups(client).items()
    }
    assert totals == {"rollup_recent": 100, "rollup_minute": 100, "rollup_hour": 100}
