"""The API on a real ClickHouse: its numbers against a recount of what was stored."""

import itertools
import random
import time
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from clickhouse_driver import Client

from pipeline.kafka.deadletter import DeadLetter
from pipeline.store.client import connect
from pipeline.store.deadletters import DeadLetterStore
from pipeline.store.mentions import MentionStore
from pipeline.store.migrations import migrate
from schemas.events import LABELS, AcceptedDeletion, BrandMatch, Origin, ScoredMention
from tests.browser.stage import TOKEN, Dashboard, dashboard, scored

pytestmark = pytest.mark.embedded

Get = Callable[..., dict[str, Any]]


def workload(total: int, seconds: float, seed: int) -> list[ScoredMention]:
    """Mentions of three languages and two brands over the last ``seconds``."""
    rng = random.Random(seed)
    now = datetime.now(UTC)
    events = []
    for n in range(total):
        names = rng.choice([(), ("lumora",), ("zentavo",), ("lumora", "zentavo")])
        text = " ".join(names) + f" text {n}"
        events.append(
            scored(
                text,
                label=rng.choice(LABELS),
                probability=rng.choice([0.5, 0.75, 0.9]),
                language=rng.choice(["pt", "ja", "hi-Latn"]),
                language_confidence=rng.choice([0.6, 0.9]),
                brands=[BrandMatch(brand=b, start=text.index(b), end=text.index(b) + len(b)) for b in names],
                published_at=now - timedelta(seconds=rng.uniform(1, seconds)),
                url="https://example.org/x" if n % 2 else "javascript:alert(1)",
            )
        )
    return events


@pytest.fixture
def store(clickhouse_url: str) -> MentionStore:
    migrate(clickhouse_url)
    return MentionStore(connect(clickhouse_url))


@pytest.fixture
def page(clickhouse_url: str, store: MentionStore) -> Iterator[Dashboard]:
    with dashboard(clickhouse_url) as running:
        yield running


@pytest.fixture
def api(page: Dashboard) -> Iterator[httpx.Client]:
    headers = {"Authorization": f"Bearer {TOKEN}"}
    with httpx.Client(base_url=page.url + "/api/v1", headers=headers, timeout=20, trust_env=False) as client:
        yield client


@pytest.fixture
def get(api: httpx.Client) -> Get:
    def ask(path: str, **query: Any) -> dict[str, Any]:
        answer: dict[str, Any] = api.get(path, params=query).raise_for_status().json()
        return answer

    return ask


@pytest.mark.parametrize(("window", "seconds"), [(900, 600), (3600, 3000), (86_400, 40_000), (604_800, 500_000)])
def test_every_panel_says_the_same_as_a_recount(store: MentionStore, get: Get, window: int, seconds: float) -> None:
    events = workload(400, seconds, seed=window)
    store.write(events)
    by_language = Counter(e.language.tag for e in events)
    by_label = Counter(e.judgements[0].label for e in events)
    by_brand = Counter(m.brand for e in events for m in e.brands)

    summary = get("/summary", window_s=window)
    mood = summary["mood"]
    assert mood["mentions"] == 400
    assert {label: mood[label] for label in LABELS} == dict(by_label)
    assert mood["net"] == pytest.approx((by_label["positive"] - by_label["negative"]) / 400, abs=1e-3)
    sure = sum(round(1000 * getattr(e.judgements[0], e.judgements[0].label)) for e in events) / 400_000
    assert mood["confidence"] == pytest.approx(sure, abs=1e-3)
    tongue = sum(round(1000 * e.language.confidence) for e in events) / 400_000
    assert mood["language_confidence"] == pytest.approx(tongue, abs=1e-3)
    assert 0 <= summary["newest_stored_age_s"] < 60

    languages = get("/languages", window_s=window)["languages"]
    assert {row["language"]: row["mentions"] for row in languages} == dict(by_language)
    assert [row["mentions"] for row in languages] == sorted(by_language.values(), reverse=True)
    brands = get("/brands", window_s=window)["brands"]
    assert {row["brand"]: row["mentions"] for row in brands} == dict(by_brand)
    assert sum(row["share_of_voice"] for row in brands) == pytest.approx(1, abs=1e-3)

    for by, counts in (("total", {"": 400}), ("language", by_language), ("brand", by_brand)):
        series = get("/series", window_s=window, by=by)
        slots = series["slots"]
        assert all(b - a == series["period"]["step_s"] for a, b in itertools.pairwise(slots))
        sums = {line["key"]: sum(sum(line[label]) for label in LABELS) for line in series["series"]}
        assert sums == dict(counts), by
        assert all(len(line[label]) == len(slots) for line in series["series"] for label in LABELS)


def test_slots_of_the_series_equal_a_recount(store: MentionStore, get: Get) -> None:
    events = workload(300, 800, seed=5)
    store.write(events)
    series = get("/series", window_s=900, language="pt", brand="lumora")
    expected: Counter[tuple[int, str]] = Counter(
        (int(e.published_at.timestamp()) // 10 * 10, e.judgements[0].label)
        for e in events
        if e.language.tag == "pt" and "lumora" in {m.brand for m in e.brands}
    )
    line = series["series"][0]
    found = {(slot, label): line[label][i] for i, slot in enumerate(series["slots"]) for label in LABELS}
    assert {key: n for key, n in found.items() if n} == dict(expected)


def test_unsure_mentions_are_counted_apart(store: MentionStore, get: Get) -> None:
    labels = ["unsure"] * 40 + ["negative"] * 10 + ["neutral"] * 20 + ["positive"] * 30
    now = datetime.now(UTC)
    store.write(
        [
            scored(
                f"lumora {n}",
                label=label,  # type: ignore[arg-type]
                probability=0.9,
                language="pt" if n % 2 else "en",
                brands=[BrandMatch(brand="lumora", start=0, end=6)],
                published_at=now - timedelta(seconds=100),
            )
            for n, label in enumerate(labels)
        ]
    )
    for window in (900, 86_400):
        mood = get("/summary", window_s=window)["mood"]
        counts = {name: mood[name] for name in ("mentions", "judged", "unsure", *LABELS)}
        assert counts == {
            "mentions": 100, "judged": 60, "unsure": 40, "negative": 10, "neutral": 20, "positive": 30
        }  # fmt: skip
        assert mood["coverage"] == 0.6
        assert mood["net"] == pytest.approx(20 / 60, abs=1e-4), "over the judged"
        assert mood["neutral_share"]["share"] == pytest.approx(20 / 60, abs=1e-4)
        assert mood["confidence"] == pytest.approx(0.9), "of the chosen labels"
        [brand] = get("/brands", window_s=window)["brands"]
        assert (brand["mentions"], brand["mood"]["unsure"], brand["mood"]["judged"]) == (100, 40, 60)
        rows = {row["language"]: row["mood"] for row in get("/languages", window_s=window)["languages"]}
        assert {tag: row["unsure"] for tag, row in rows.items()} == {"en": 20, "pt": 20}
        line = get("/series", window_s=window)["series"][0]
        assert (sum(line["unsure"]), sum(line["neutral"])) == (40, 20)
    found = get("/mentions", label="unsure", limit=200)["mentions"]
    assert len(found) == 40
    assert {one["label"] for one in found} == {"unsure"}
    assert {one["probability"] for one in found} == {0.48}, "the greatest, which was not enough"
    assert len(get("/mentions", label="neutral", limit=200)["mentions"]) == 20


def test_filters_and_tenants(store: MentionStore, get: Get) -> None:
    events = workload(200, 600, seed=9)
    store.write(events)
    store.write([scored("elsewhere", tenant="other", language="fr")])
    pt = [e for e in events if e.language.tag == "pt"]
    both = [e for e in pt if "zentavo" in {m.brand for m in e.brands}]
    assert get("/summary", language="pt")["mood"]["mentions"] == len(pt)
    assert get("/summary", language="pt", brand="zentavo")["mood"]["mentions"] == len(both)
    assert get("/summary", tenant="other")["mood"]["mentions"] == 1
    assert get("/languages", tenant="other")["languages"][0]["language"] == "fr"
    assert get("/mentions", tenant="other")["mentions"][0]["segments"] == [{"text": "elsewhere", "brand": None}]
    ids = {e.mention_id for e in both}
    assert {m["id"] for m in get("/mentions", language="pt", brand="zentavo", limit=200)["mentions"]} == ids
    assert get("/summary", brand="'; DROP TABLE mentions; --")["mood"]["mentions"] == 0
    assert get("/summary", language="\\' OR 1=1 --")["mood"]["mentions"] == 0
    assert get("/summary")["mood"]["mentions"] == 200


def test_the_window_before(store: MentionStore, get: Get) -> None:
    now = datetime.now(UTC)
    store.write([scored(f"now {n}", label="negative", published_at=now - timedelta(seconds=30)) for n in range(4)])
    store.write([scored(f"then {n}", label="positive", published_at=now - timedelta(seconds=1000)) for n in range(3)])
    summary = get("/summary", window_s=900)
    assert (summary["mood"]["mentions"], summary["previous"]["mentions"]) == (4, 3)
    assert (summary["mood"]["net"], summary["previous"]["net"], summary["net_change"]) == (-1.0, 1.0, -2.0)
    assert summary["mood"]["few"] is True


def test_the_feed_pages_through_everything_newest_first(store: MentionStore, get: Get) -> None:
    events = workload(120, 600, seed=3)
    # several at the same millisecond: the cursor must not lose or repeat one
    same = events[0].published_at
    for event in events[1:20]:
        event.published_at = same
    store.write(events)
    seen: list[dict[str, Any]] = []
    cursor = ""
    while True:
        answer = get("/mentions", limit=17, cursor=cursor)
        seen += answer["mentions"]
        if answer["next"] is None:
            break
        cursor = answer["next"]
    assert Counter(m["id"] for m in seen) == Counter(e.mention_id for e in events)
    times = [datetime.fromisoformat(m["published_at"]) for m in seen]
    assert times == sorted(times, reverse=True)
    by_id = {e.mention_id: e for e in events}
    for mention in seen:
        event = by_id[mention["id"]]
        assert "".join(s["text"] for s in mention["segments"]) == event.text
        assert [s["brand"] for s in mention["segments"] if s["brand"]] == [m.brand for m in event.brands]
        assert mention["probability"] == pytest.approx(
            getattr(event.judgements[0], event.judgements[0].label), abs=1e-3
        )
        assert mention["url"] in {None, "https://example.org/x"}
    assert {m["url"] for m in seen} == {None, "https://example.org/x"}
    only = get("/mentions", label="negative", limit=200)["mentions"]
    assert {m["id"] for m in only} == {e.mention_id for e in events if e.judgements[0].label == "negative"}


def test_an_edit_replaces_and_a_deletion_removes(store: MentionStore, get: Get) -> None:
    first = scored("before", ident="e1", label="negative")
    gone = scored("to be deleted", ident="e2", label="negative")
    store.write([first, gone])
    assert get("/summary")["mood"]["negative"] == 2
    now = datetime.now(UTC)
    deletion = AcceptedDeletion(
        mention_id=gone.mention_id,
        tenant="default",
        source="stage",
        deleted_at=now,
        received_at=now,
        origin=Origin(incarnation="stage", topic="mentions", partition=0, offset=10**6),
    )
    store.write([scored("after", ident="e1", revision=1, label="positive"), deletion])
    mood = get("/summary")["mood"]
    assert (mood["mentions"], mood["negative"], mood["positive"]) == (1, 0, 1)
    feed = get("/mentions")["mentions"]
    assert [("".join(s["text"] for s in m["segments"]), m["revision"]) for m in feed] == [("after", 1)]


def test_a_long_text_is_cut_and_says_so(store: MentionStore, get: Get) -> None:
    store.write([scored("長" * 5000, brands=[BrandMatch(brand="lumora", start=4000, end=4002)])])
    mention = get("/mentions")["mentions"][0]
    assert mention["truncated"] is True
    assert mention["segments"] == [{"text": "長" * 1200, "brand": None}]
    assert mention["brands"] == ["lumora"]


def test_dead_letters_are_counted_by_origin(store: MentionStore, get: Get, clickhouse_url: str) -> None:
    def dead(offset: int, reason: str, age: timedelta = timedelta()) -> DeadLetter:
        origin = Origin(incarnation="i", topic="mentions", partition=0, offset=offset)
        return DeadLetter(b"\xff", None, origin, "language", reason, "why", datetime.now(UTC) - age)

    letters = DeadLetterStore(connect(clickhouse_url))
    letters.write(
        [dead(1, "not_utf8"), dead(2, "not_json"), dead(3, "not_json"), dead(4, "invalid", timedelta(days=2))]
    )
    letters.write([dead(1, "not_utf8")])  # redelivered
    found = get("/summary")["dead_letters"]
    assert found == {"window": 3, "total": 4, "reasons": {"not_json": 2, "not_utf8": 1}}


def test_agreement_with_the_gold_labels(store: MentionStore, get: Get, clickhouse_url: str) -> None:
    from pipeline.dashboard.gold import load_gold

    gold = load_gold()
    pt = [key for key, entry in gold.items() if entry.language == "pt"][:4]
    events = []
    for n, key in enumerate(pt):
        right = gold[key].label
        wrong = next(label for label in LABELS if label != right)
        for copy in range(3):
            events.append(
                scored(
                    f"{key} {copy}",
                    label=wrong if n == 0 else right,
                    language="pt",
                    source="demo-x",
                    ident=f"run:{key}:{copy}",
                )
            )
    events.append(scored("not of the sample", source="elsewhere", ident=f"run:{pt[0]}:9"))
    store.write(events)
    found = get("/agreement")
    assert (found["texts"], found["agree"]) == (4, 3)
    assert [(row["language"], row["texts"], row["agree"], row["mentions"]) for row in found["languages"]] == [
        ("pt", 4, 3, 12)
    ]
    with dashboard(clickhouse_url, demo=False) as plain:
        answer = httpx.get(
            plain.url + "/api/v1/agreement", headers={"Authorization": f"Bearer {TOKEN}"}, trust_env=False
        )
        assert answer.status_code == 404


@pytest.mark.parametrize(
    ("path", "query"),
    [
        ("/summary", {"window_s": 5}),
        ("/summary", {"window_s": 10**12}),
        ("/mentions", {"limit": 201}),
        ("/mentions", {"limit": 0}),
        ("/mentions", {"cursor": "nonsense"}),
        ("/mentions", {"label": "angry"}),
        ("/series", {"by": "author"}),
        ("/series", {"limit": 10_000}),
        ("/brands", {"brand": "b" * 200}),
        ("/languages", {"tenant": "No Such Tenant!"}),
    ],
)
def test_what_is_out_of_bounds_is_refused(api: httpx.Client, path: str, query: dict[str, Any]) -> None:
    assert api.get(path, params=query).status_code == 422


def test_the_api_is_documented(get: Get) -> None:
    paths = get("/openapi.json")["paths"]
    for name in ("summary", "series", "languages", "brands", "mentions", "agreement", "stream"):
        operation = paths[f"/api/v1/{name}"]["get"]
        assert operation["description"]
        assert {p["name"] for p in operation["parameters"]} >= {"window_s", "brand", "language", "tenant"}
    assert "/v1/mentions" in paths


def test_the_page_is_served_with_its_policy(page: Dashboard) -> None:
    with httpx.Client(base_url=page.url, trust_env=False, follow_redirects=True) as browser:
        assert browser.get("/").status_code == 401
        opened = browser.get(page.address)
        assert "token" not in str(opened.url)
        assert opened.status_code in {200, 503}, "503 says that the front end is not built"
        assert "script-src 'self'" in opened.headers["content-security-policy"]
        assert browser.get("/api/v1/summary").status_code == 200
        assert browser.get("/assets/../app.py").status_code == 404


def test_settings_of_a_user_may_not_write(clickhouse_url: str, store: MentionStore) -> None:
    """The dashboard only reads: nothing in its queries needs more."""
    from pipeline.dashboard.snapshot import take, take_slow
    from pipeline.dashboard.trust import TrustBook
    from pipeline.settings import Settings
    from pipeline.store.queries import View

    store.write(workload(20, 60, seed=1))
    client: Client = connect(clickhouse_url, readonly=2)
    now = time.time()
    slow = take_slow(client, View(), now, {}, TrustBook(Settings()))
    assert take(client, View(), now, slow).summary.mood.mentions == 20
