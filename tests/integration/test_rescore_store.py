"""Rescoring against a real ClickHouse: what changes, what stays, who wins; every rollup equals a recount."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from clickhouse_driver import Client

from pipeline.sentiment.class_mix import FrozenMix
from pipeline.store import rows as r
from pipeline.store.client import connect
from pipeline.store.mentions import MentionStore, WriteOutcome
from pipeline.store.migrations import migrate
from pipeline.store.newest_model import newest_model
from pipeline.store.queries import View, newest_stored
from schemas.events import Judgement, ScoredMention
from schemas.ids import truth_order
from tests.integration.rescore_support import FLIPPED, PLAIN, TextModel, judged, label_of, millis, rescore
from tests.integration.store_support import (
    NOW,
    OLD,
    RECENT,
    alive,
    assert_rollups_equal_recount,
    deleted,
    identify,
    scored,
)

pytestmark = pytest.mark.embedded
T = "default"


@pytest.fixture
def client(clickhouse_url: str) -> Iterator[Client]:
    migrate(clickhouse_url)
    connection = connect(clickhouse_url)
    yield connection
    connection.disconnect()


def some(count: int = 12) -> list[ScoredMention]:
    """Mentions of today, of a month ago and in between, whose text says what the new model thinks."""
    places = (RECENT, RECENT + timedelta(seconds=31), OLD, OLD + timedelta(hours=2), NOW - timedelta(hours=11))
    return [
        scored(
            f"m{n}",
            at=places[n % len(places)] + timedelta(seconds=n),
            text=f"text {n} {'nup'[n % 3]}",
            label="neutral" if n % 2 else "unsure",
            brands=((), ("lumora",), ("lumora", "zentavo"))[n % 3],
            language=("en", "de")[n % 2],
        )
        for n in range(count)
    ]


def test_every_mention_is_judged_anew_and_every_count_follows(client: Client) -> None:
    events = some(50)
    MentionStore(client).write(events)
    progress, after = rescore(client, T, page=7)
    assert (progress.written, progress.inferred, progress.judged) == (50, 50, 50)
    assert (after.current, after.remaining) == (50, 0)
    assert judged(client, T) == {str(e.id): ("new@1", PLAIN.name, label_of(e.text), 1) for e in events}
    assert progress.changed == sum(e.judgements[0].label != label_of(e.text) for e in events)
    assert_rollups_equal_recount(client)
    assert client.execute("SELECT model, count() FROM judgements FINAL GROUP BY model ORDER BY model") == [
        ("new@1", 50),
        ("test", 50),
    ]
    assert client.execute("SELECT count() FROM rescore_pages FINAL WHERE state != 2") == [(0,)]


def test_nothing_else_of_a_mention_changes(client: Client) -> None:
    event = some(1)[0]
    event.url, event.country, event.parent_id, event.author_key = "https://e.x/1", "DE", "p", "0" * 32
    event.author, event.lang_hint, event.reach, event.id = "somebody", "en", 7, None
    MentionStore(client).write([event, scored("b", text="\x00 Ünï 日本 \u202e", reach=None)])
    new = {"truth", "label", "negative", "neutral", "positive", "model", "rule"}
    names = [*(name for name in r.MENTION_COLUMNS if name not in new), "stored_at"]
    sql = f"SELECT {', '.join(f'`{name}`' for name in names)} FROM mentions FINAL ORDER BY mention_id"
    before = client.execute(sql)
    rescore(client, T)
    assert {row[0] for row in judged(client, T).values()} == {"new@1"}
    assert client.execute(sql) == before


def test_a_second_run_finds_nothing_and_writes_nothing(client: Client) -> None:
    MentionStore(client).write(some())
    rescore(client, T)
    tables = ("mentions", "mention_locations", "judgements", "rollup_minute", "rescore_pages")
    rows = [client.execute(f"SELECT count(), max(_part) FROM {table}") for table in tables]
    reader = TextModel()
    progress, after = rescore(client, T, reader=reader)
    assert (progress.judged, progress.total, after.remaining, reader.read) == (0, 0, 0, [])
    assert [client.execute(f"SELECT count(), max(_part) FROM {table}") for table in tables] == rows


def test_there_and_back_again_reads_no_text_twice(client: Client) -> None:
    MentionStore(client).write(some())
    reader = TextModel()
    rescore(client, T, model="one@1", reader=reader)
    rescore(client, T, model="two@2", reader=reader)
    assert len(reader.read) == 24
    progress, _ = rescore(client, T, model="one@1", reader=reader)
    assert (progress.written, progress.inferred) == (12, 0)
    assert len(reader.read) == 24, "what the model thinks of a text is stored"
    assert {row[0::3] for row in judged(client, T).values()} == {("one@1", 3)}
    progress, after = rescore(client, T, model="two@2", rule_only=True)
    assert (progress.written, after.remaining) == (12, 0), "so it needs no model at all"
    assert_rollups_equal_recount(client)


def test_a_new_rule_needs_no_inference(client: Client) -> None:
    MentionStore(client).write(some())
    rescore(client, T)
    progress, after = rescore(client, T, rule=FLIPPED, rule_only=True)
    assert (progress.written, progress.inferred, after.current) == (12, 0, 12)
    assert {row[1:3] for row in judged(client, T).values()} == {(FLIPPED.name, "negative")}
    assert_rollups_equal_recount(client)
    # back: the same rows are inserted as two runs before, and must not be taken for a repeat of those
    rescore(client, T, rule=PLAIN, rule_only=True)
    assert {row[1] for row in judged(client, T).values()} == {PLAIN.name}
    assert client.execute("SELECT DISTINCT rule FROM judgements FINAL WHERE model = 'new@1'") == [(PLAIN.name,)]
    assert_rollups_equal_recount(client)


def test_rule_only_leaves_what_another_model_has_judged(client: Client) -> None:
    MentionStore(client).write(some())
    progress, after = rescore(client, T, rule_only=True)
    assert (progress.written, progress.judged, after.by_model, after.by_rule) == (0, 0, 12, 0)
    assert {row[0] for row in judged(client, T).values()} == {"test"}


def test_the_stream_s_class_mix_in_a_rule_s_name_is_no_reason_to_judge_again(client: Client) -> None:
    mix = FrozenMix(ident="mix-0a1b2c", shares={"en": (0.2, 0.5, 0.3)})
    (judgement,) = PLAIN.judge("new@1", [(-1.0, -1.5, -2.0)], ["en"], [mix])
    assert judgement.rule != PLAIN.name
    event = scored("a")
    event.judgements = [judgement]
    other = scored("b")
    other.judgements = [
        Judgement(**{f: getattr(judgement, f) for f in Judgement.__struct_fields__} | {"rule": "plain+x"})
    ]
    MentionStore(client).write([event, other])
    progress, after = rescore(client, T)
    assert (progress.written, after.current) == (1, 2)


@pytest.mark.parametrize(
    ("selection", "chosen"),
    [
        ({"brand": "zentavo"}, lambda e: "zentavo" in {b.brand for b in e.brands}),
        ({"language": "de"}, lambda e: e.language.tag == "de"),
        ({"since_ms": millis(RECENT)}, lambda e: e.published_at >= RECENT),
        ({"until_ms": millis(OLD + timedelta(hours=1))}, lambda e: e.published_at < OLD + timedelta(hours=1)),
        ({"since_ms": millis(OLD), "until_ms": millis(OLD) + 1, "brand": "nobody"}, lambda e: False),
    ],
    ids=["brand", "language", "since", "until", "nothing"],
)
def test_only_what_is_selected(
    client: Client, selection: dict[str, Any], chosen: Callable[[ScoredMention], bool]
) -> None:
    events = some(30)
    MentionStore(client).write(events)
    rescore(client, T, page=4, **selection)
    expected = {str(e.id): "new@1" if chosen(e) else "test" for e in events}
    assert {name: row[0] for name, row in judged(client, T).items()} == expected
    assert_rollups_equal_recount(client)


def test_one_tenant_s_mentions_are_not_another_s(client: Client) -> None:
    MentionStore(client).write([scored("a", tenant="one"), scored("a", tenant="two")])
    rescore(client, "one")
    assert judged(client, "one")["a"][0] == "new@1"
    assert judged(client, "two")["a"][0] == "test"
    rescore(client, "")
    assert judged(client, "two")["a"][0] == "new@1"
    for tenant in ("one", "two"):
        assert_rollups_equal_recount(client, tenant)


def test_the_ends_of_time(client: Client) -> None:
    ends = [
        datetime(1900, 1, 1, tzinfo=UTC),
        datetime(1969, 12, 31, 23, 59, 59, 999000, tzinfo=UTC),
        datetime(2299, 12, 31, 23, 59, 59, 999000, tzinfo=UTC),
    ]
    MentionStore(client).write([scored(f"m{n}", at=at, text="p") for n, at in enumerate(ends)])
    progress, _ = rescore(client, T, page=1)
    assert progress.written == 3
    assert_rollups_equal_recount(client)


def test_many_mentions_of_one_millisecond_are_paged_through(client: Client) -> None:
    MentionStore(client).write([scored(f"m{n}", text=f"{n} p") for n in range(25)])
    progress, _ = rescore(client, T, page=4)
    assert (progress.written, progress.judged, progress.passes) == (25, 25, 1)
    assert_rollups_equal_recount(client)


def test_a_late_redelivery_of_the_old_judgement_changes_nothing(client: Client) -> None:
    events = some()
    store = MentionStore(client)
    store.write(events)
    rescore(client, T)
    before = judged(client, T)
    assert store.write(events) == WriteOutcome(repeat=12)
    other = scored("m0", at=events[0].published_at + timedelta(hours=1), text="another content of this revision")
    assert store.write([other]) == WriteOutcome(conflicting=1)
    assert judged(client, T) == before
    assert_rollups_equal_recount(client)


def test_an_edit_after_the_rescore_wins_and_an_edit_of_before_it_loses(client: Client) -> None:
    store = MentionStore(client)
    store.write([scored("a", revision=2, text="two p"), scored("b", text="p")])
    rescore(client, T)
    assert store.write([scored("a", revision=1, label="negative", at=OLD)]) == WriteOutcome(superseded=1)
    assert judged(client, T)["a"] == ("new@1", PLAIN.name, "positive", 1)
    moved = scored("a", revision=3, text="three n", label="neutral", at=OLD, brands=("zentavo",))
    assert store.write([moved]) == WriteOutcome(edit=1)
    assert judged(client, T)["a"] == ("test", "plain", "neutral", 0)
    assert_rollups_equal_recount(client)
    rescore(client, T)
    assert judged(client, T)["a"] == ("new@1", PLAIN.name, "negative", 1), "the edit's text was read"
    assert_rollups_equal_recount(client)


def test_what_the_model_thought_of_an_older_text_is_not_used(client: Client) -> None:
    store = MentionStore(client)
    store.write([scored("a", text="p")])
    rescore(client, T)
    store.write([scored("a", revision=1, text="n")])
    reader = TextModel()
    rescore(client, T, reader=reader)
    assert reader.read == ["n"]
    assert judged(client, T)["a"][2] == "negative"


def test_what_is_deleted_stays_deleted(client: Client) -> None:
    store = MentionStore(client)
    store.write([scored("a", text="p"), scored("b", text="p")])
    store.write([deleted("a")])
    rescore(client, T)
    store.write([deleted("b")])
    progress, after = rescore(client, T, model="later@1")
    assert (progress.judged, after.total) == (0, 0)
    assert alive(client) == {}
    assert_rollups_equal_recount(client)


def test_a_correction_by_a_person_is_left_alone_and_beats_a_later_rescore(client: Client) -> None:
    store = MentionStore(client)
    store.write([scored("a", text="p"), scored("b", text="p")])
    corrected = r.candidate(scored("a", text="p", label="negative"))._replace(
        truth=truth_order(revision=0, correction=1)
    )
    store.write_candidates([corrected])
    progress, after = rescore(client, T)
    assert (progress.written, after.fixed, after.remaining) == (1, 1, 0)
    assert judged(client, T)["a"][2] == "negative"
    assert judged(client, T)["b"][2] == "positive"
    assert_rollups_equal_recount(client)


def test_the_stream_is_not_called_fresh_because_of_a_rescore(client: Client) -> None:
    MentionStore(client).write([scored("a", text="p")])
    now = datetime.now(UTC).timestamp() + 60
    before = newest_stored(client, View(), now)
    assert newest_model(client, T, now) == ("test", "plain")
    rescore(client, T)
    assert newest_stored(client, View(), now) == before
    assert newest_model(client, T, now) == ("new@1", PLAIN.name), "the row that was replaced may still be there"


def test_the_last_generation_is_the_last(client: Client) -> None:
    store = MentionStore(client)
    store.write_candidates(
        [r.candidate(scored("a", text="p"))._replace(truth=truth_order(revision=0, generation=4093))]
    )
    rescore(client, T)
    assert judged(client, T)["a"] == ("new@1", PLAIN.name, "positive", 4094)
    progress, after = rescore(client, T, model="later@1")
    assert (progress.judged, after.fixed) == (0, 1)
    assert identify("a") in alive(client)
    store.write([scored("a", revision=1, text="n")])
    rescore(client, T, model="later@1")
    assert judged(client, T)["a"][2:] == ("negative", 1)
    assert_rollups_equal_recount(client)
