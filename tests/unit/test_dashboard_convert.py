"""Rows -> answers: intervals of small numbers, segments of text, addresses, agreement."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.dashboard import convert
from pipeline.dashboard.gold import Gold, load_gold
from pipeline.dashboard.statistics import net_sentiment, wilson
from pipeline.store.queries import Counts, Pair, Period, SampleVerdict, SlotCounts, View

SPAN = Period(start=1000, end=1060, span=60, step=10, short=True)


# 81 of 263 and 15 of 148 are Newcombe's worked examples (Statistics in Medicine 17:857, 1998, table I, method 3)
@pytest.mark.parametrize(
    ("successes", "total", "low", "high"),
    [(81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0, 0.1611), (1, 29, 0.0061, 0.1718)],
)
def test_wilson_equals_the_published_examples(successes: int, total: int, low: float, high: float) -> None:
    found = wilson(successes, total)
    assert found.value == successes / total
    assert found.low == pytest.approx(low, abs=5e-5)
    assert found.high == pytest.approx(high, abs=5e-5)


counts = st.integers(min_value=0, max_value=10**7)


@given(counts, counts, counts)
def test_net_sentiment_lies_within_its_interval(negative: int, neutral: int, positive: int) -> None:
    if negative + neutral + positive == 0:
        with pytest.raises(ValueError, match="no net sentiment"):
            net_sentiment(negative, neutral, positive)
        return
    net = net_sentiment(negative, neutral, positive)
    assert -1 <= net.low <= net.value <= net.high <= 1
    mirrored = net_sentiment(positive, neutral, negative)
    assert mirrored.value == pytest.approx(-net.value)
    assert mirrored.low == pytest.approx(-net.high)


def test_three_mentions_of_one_label_are_not_certain() -> None:
    net = net_sentiment(3, 0, 0)
    assert net.value == -1
    assert net.high > -0.2
    assert net_sentiment(3000, 0, 0).high < -0.99


def test_a_mood_without_mentions_has_no_shares() -> None:
    mood = convert.mood(Counts())
    assert (mood.mentions, mood.net, mood.negative_share, mood.confidence, mood.few) == (0, None, None, None, True)


def test_a_mood_says_shares_confidence_and_doubt() -> None:
    mood = convert.mood(Counts(20, 5, 5, 10, 15_000, 19_000, 7))
    assert mood.net == 0.25
    assert mood.positive_share is not None
    assert mood.positive_share.share == 0.5
    assert (mood.confidence, mood.language_confidence, mood.few) == (0.75, 0.95, True)


def test_what_is_unsure_is_in_no_share() -> None:
    mood = convert.mood(Counts(100, 10, 10, 20, 30_000, 90_000, 0, unsure=60))
    assert (mood.mentions, mood.judged, mood.unsure, mood.coverage, mood.few) == (100, 40, 60, 0.4, False)
    assert (mood.neutral, mood.net, mood.confidence, mood.language_confidence) == (10, 0.25, 0.75, 0.9)
    assert mood.neutral_share is not None
    assert mood.neutral_share.share == 0.25
    assert mood.neutral_share.low == convert.share(10, 40).low, "the interval is that of the judged"
    nothing = convert.mood(Counts(5, language_confidence=4500, unsure=5))
    assert (nothing.mentions, nothing.judged, nothing.coverage, nothing.few) == (5, 0, 0.0, True)
    assert (nothing.net, nothing.neutral_share, nothing.confidence) == (None, None, None)
    assert nothing.language_confidence == 0.9
    assert convert.mood(Counts()).coverage is None
    assert (Counts(2, 1, unsure=1) + Counts(3, 0, 2, unsure=1)) == Counts(5, 1, 2, unsure=2)


def test_the_summary_adds_up_the_languages_or_takes_the_chosen_one() -> None:
    from pipeline.store.queries import DeadCounts

    pairs = {"pt": Pair(Counts(2, 2, 0, 0), Counts(1, 0, 0, 1)), "en": Pair(Counts(3, 0, 0, 3))}
    dead = DeadCounts(1, 2, (("invalid", 1),))
    whole = convert.summary(View(), SPAN, pairs, dead, None, 1050.0)
    assert (whole.mood.mentions, whole.mood.net, whole.previous.net, whole.net_change) == (5, 0.2, 1.0, -0.8)
    assert whole.per_minute == 6.0
    assert whole.dead_letters.reasons == {"invalid": 1}
    assert convert.summary(View(language="pt"), SPAN, pairs, dead, None, 1050.0).mood.net == -1.0
    assert convert.summary(View(language="xx"), SPAN, pairs, dead, None, 1050.0).mood.mentions == 0


def test_a_series_has_no_gaps_and_ends_with_the_slot_of_now() -> None:
    rows = [SlotCounts("pt", 1010, 1, 0, 0), SlotCounts("en", 1030, 0, 2, 3)]
    series = convert.series(View(), SPAN, rows, "language", 1035.0, 10)
    assert series.slots == [1000, 1010, 1020, 1030]
    assert [line.key for line in series.series] == ["en", "pt"]
    assert series.series[0].positive == [0, 0, 0, 3]
    assert series.series[1].negative == [0, 1, 0, 0]
    assert series.others == 0
    cut = convert.series(View(), SPAN, rows, "language", 1035.0, 1)
    assert ([line.key for line in cut.series], cut.others) == (["en"], 1)


def test_a_series_counts_the_unsure_apart() -> None:
    series = convert.series(View(), SPAN, [SlotCounts("", 1010, 1, 2, 3, 4)], "total", 1015.0, 1)
    [line] = series.series
    assert (line.negative, line.neutral, line.positive, line.unsure) == ([0, 1], [0, 2], [0, 3], [0, 4])
    rows = [SlotCounts("pt", 1010, 0, 0, 0, 9), SlotCounts("en", 1010, 1, 0, 0)]
    assert [line.key for line in convert.series(View(), SPAN, rows, "language", 1015.0, 5).series] == ["pt", "en"]


def test_a_series_without_mentions_is_a_line_of_zeros() -> None:
    series = convert.series(View(), SPAN, [], "total", 1025.0, 1)
    assert series.series[0].negative == [0, 0, 0]


@pytest.mark.parametrize(
    ("text", "matches", "pieces"),
    [
        ("I love Lumora!", [("lumora", 7, 13)], [("I love ", None), ("Lumora", "lumora"), ("!", None)]),
        ("😀 Lumora", [("lumora", 2, 8)], [("😀 ", None), ("Lumora", "lumora")]),
        ("ルモラの新製品", [("lumora", 0, 3)], [("ルモラ", "lumora"), ("の新製品", None)]),
        ("AB", [("b", 1, 2), ("a", 0, 1)], [("A", "a"), ("B", "b")]),
        # hostile or stale ranges: overlapping, empty, backwards, past the cut text
        ("ABC", [("a", 0, 2), ("b", 1, 3)], [("AB", "a"), ("C", None)]),
        ("ABC", [("a", 1, 1), ("b", 2, 1), ("c", 2, 9)], [("ABC", None)]),
        ("", [("a", 0, 1)], [("", None)]),
    ],
)
def test_segments(text: str, matches: list[tuple[str, int, int]], pieces: list[tuple[str, str | None]]) -> None:
    assert [(s.text, s.brand) for s in convert.segments(text, matches)] == pieces


@given(st.text(max_size=40), st.lists(st.tuples(st.just("b"), st.integers(0, 50), st.integers(0, 50)), max_size=6))
def test_segments_in_order_are_the_text(text: str, matches: list[tuple[str, int, int]]) -> None:
    assert "".join(segment.text for segment in convert.segments(text, matches)) == text


@pytest.mark.parametrize("url", ["https://example.org/a?b=c#d", "http://127.0.0.1:8000/", "https://bücher.example/ü"])
def test_web_addresses_may_be_links(url: str) -> None:
    assert convert.safe_url(url) == url


@pytest.mark.parametrize(
    "url",
    [
        "",
        "javascript:alert(1)",
        "JaVaScRiPt:alert(1)",
        " javascript:alert(1)",
        "java\tscript:alert(1)",
        "data:text/html,<script>alert(1)</script>",
        "vbscript:x",
        "//evil.example",
        "https:evil",
        "https://user:password@evil.example/",
        "https://good.example\\@evil.example/",
        "https://[::1",
        "ftp://example.org/",
    ],
)
def test_other_addresses_may_not(url: str) -> None:
    assert convert.safe_url(url) is None


def test_agreement_counts_a_replayed_text_once() -> None:
    gold = {"a": Gold("pt", "negative"), "b": Gold("pt", "positive"), "c": Gold("ja", "neutral")}
    verdicts = [
        SampleVerdict("a", "pt", "negative", 9),
        SampleVerdict("a", "es", "neutral", 1),
        SampleVerdict("b", "pt", "neutral", 5),
        SampleVerdict("c", "zh", "neutral", 2),
        SampleVerdict("unknown", "en", "neutral", 100),
    ]
    found = convert.agreement(verdicts, gold)
    assert (found.texts, found.agree, found.sample_texts) == (3, 2, 3)
    rows = {row.language: row for row in found.languages}
    assert (rows["pt"].texts, rows["pt"].agree, rows["pt"].language_agree, rows["pt"].mentions) == (2, 1, 2, 15)
    assert (rows["ja"].agree, rows["ja"].language_agree) == (1, 0)
    assert convert.agreement([], gold).agreement is None


def test_an_unsure_text_neither_agrees_nor_disagrees() -> None:
    gold = {"a": Gold("pt", "negative"), "b": Gold("pt", "positive"), "c": Gold("ja", "neutral")}
    verdicts = [
        SampleVerdict("a", "pt", "unsure", 3),
        SampleVerdict("b", "pt", "positive", 3),
        SampleVerdict("c", "ja", "unsure", 3),
    ]
    found = convert.agreement(verdicts, gold)
    assert (found.texts, found.unsure, found.agree) == (3, 2, 1)
    assert found.agreement is not None
    assert found.agreement.share == 1.0
    rows = {row.language: row for row in found.languages}
    assert (rows["ja"].texts, rows["ja"].unsure, rows["ja"].agreement) == (1, 1, None)


def test_the_sample_has_gold_labels() -> None:
    gold = load_gold()
    assert len(gold) >= 600
    assert {entry.label for entry in gold.values()} == {"negative", "neutral", "positive"}
    assert not [key for key in gold if ":" in key], "the key is a part of `run:key:n`"
