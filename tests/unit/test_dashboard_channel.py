"""What a browser gets: only what changed since it looked last, and all of it after a longer absence."""

import json
from datetime import UTC, datetime, timedelta

from pipeline.dashboard import models
from pipeline.dashboard.channel import REMEMBERED, Channel, Event
from pipeline.dashboard.snapshot import Slow, Snapshot
from pipeline.dashboard.trust import Marks
from pipeline.sentiment.trust.table import nothing_known
from pipeline.store.queries import DeadCounts

START = datetime(2026, 1, 1, tzinfo=UTC)
SPAN = models.Span(start=0, end=10, window_s=10, step_s=10)


def item(number: int, label: models.LabelName = "neutral") -> models.MentionItem:
    when = START + timedelta(seconds=number)
    return models.MentionItem(
        id=f"{number:032x}",
        source="unit",
        published_at=when,
        stored_at=when,
        language="en",
        language_confidence=1,
        brands=[],
        segments=[],
        truncated=False,
        label=label,
        probability=1,
        negative=0,
        neutral=1,
        positive=0,
        model="m",
        author=None,
        url=None,
        reach=0,
        country=None,
        revision=0,
    )


def snapshot(numbers: list[int], mentions: int = 1, **labels: models.LabelName) -> Snapshot:
    mood = models.Mood(mentions=mentions)
    return Snapshot(
        summary=models.Summary(
            period=SPAN,
            mood=mood,
            previous=mood,
            per_minute=1,
            previous_per_minute=1,
            net_change=None,
            dead_letters=models.DeadLetters(),
            newest_stored_at=None,
            newest_stored_age_s=None,
        ),
        series=models.Series(period=SPAN, by="total", slots=[0], series=[]),
        languages=models.Languages(period=SPAN, languages=[]),
        brands=models.Brands(period=SPAN, brands=[]),
        mentions=[item(n, labels.get(f"n{n}", "neutral")) for n in sorted(numbers, reverse=True)],
        slow=Slow(DeadCounts(0, 0, ()), None, Marks(nothing_known("a test"))),
        newest=None,
    )


def names(events: list[Event]) -> list[str]:
    return [event.name for event in events]


def feed(events: list[Event]) -> tuple[list[int], list[int], bool]:
    data = json.loads(next(event.data for event in events if event.name == "mentions"))
    return [int(m["id"], 16) for m in data["added"]], [int(i, 16) for i in data["removed"]], data["reset"]


def test_a_new_browser_gets_everything_and_then_only_changes() -> None:
    channel = Channel()
    channel.publish(snapshot([1, 2]), 100.0)
    first = channel.since(-1)
    assert names(first) == ["series", "languages", "brands", "summary", "mentions", "tick"]
    assert feed(first) == ([2, 1], [], True)
    seen = channel.version
    channel.publish(snapshot([1, 2]), 101.0)
    assert names(channel.since(seen)) == ["tick"]
    channel.publish(snapshot([1, 2, 3], mentions=2), 102.0)
    assert names(channel.since(seen)) == ["summary", "mentions", "tick"]
    assert feed(channel.since(seen)) == ([3], [], False)


def test_a_browser_that_missed_rounds_gets_them_in_one() -> None:
    channel = Channel()
    channel.publish(snapshot([1]), 1.0)
    seen = channel.version
    channel.publish(snapshot([1, 2]), 2.0)
    channel.publish(snapshot([1, 2, 3], n2="negative"), 3.0)
    data = json.loads(next(e.data for e in channel.since(seen) if e.name == "mentions"))
    assert [(int(m["id"], 16), m["label"]) for m in data["added"]] == [(3, "neutral"), (2, "negative")]


def test_a_deleted_mention_is_taken_out_and_one_that_is_too_old_is_not() -> None:
    channel = Channel()
    channel.publish(snapshot([1, 2, 3]), 1.0)
    seen = channel.version
    channel.publish(snapshot([2, 4]), 2.0)  # 3 was deleted, 1 is older than the oldest row shown
    assert feed(channel.since(seen)) == ([4], [3], False)


def test_after_a_long_absence_the_feed_comes_anew() -> None:
    channel = Channel()
    channel.publish(snapshot([0]), 0.0)
    seen = channel.version
    for n in range(1, REMEMBERED + 10):
        channel.publish(snapshot([n]), float(n))
    assert feed(channel.since(seen)) == ([REMEMBERED + 9], [], True)


def test_a_failure_says_why_and_keeps_the_old_state() -> None:
    channel = Channel()
    channel.fail("away", 1.0)
    assert names(channel.since(-1)) == ["tick"]
    channel.publish(snapshot([1]), 2.0)
    channel.fail("away again", 5.0)
    events = channel.since(-1)
    tick = json.loads(events[-1].data)
    assert (tick["ok"], tick["reason"], tick["as_of"], tick["now"]) == (False, "away again", 2.0, 5.0)
    assert feed(events)[0] == [1]
    assert feed(channel.since(1)) == ([1], [], True), "who has seen the failure only has seen no feed"
