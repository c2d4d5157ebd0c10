"""Language, sentiment and store stages with in-memory stand-ins of our own interfaces."""

import asyncio
import gc
import math
import sys
from collections.abc import Iterable, Sequence

import pytest
from msgspec import Struct

from agents.control import Control
from agents.incoming import Incoming
from agents.language import LanguageStage
from agents.outbox import Outbox, Outgoing
from agents.policy import DeadLetterGuard, DeadLetterPolicy
from agents.sentiment import SentimentStage
from pipeline.detect import Detector
from pipeline.errors import ModelError, TooManyDeadLetters
from pipeline.kafka.deadletter import DeadLetter
from pipeline.sentiment.rule import LogProbabilities
from schemas.events import BrandMatch, DetectedMention, Judgement, Language, ScoredMention, decode


class Sent(Outbox):
    """Keeps what would be sent."""

    def __init__(self) -> None:
        self.records: list[Outgoing] = []

    async def deliver(self, records: Sequence[Outgoing]) -> None:
        self.records.extend(records)

    def letters(self) -> list[DeadLetter]:
        dead = [r for r in self.records if r.topic == "mentions.dead"]
        return [DeadLetter.from_record(r.value, r.key, list(r.headers)) for r in dead]


class English:
    def detect(self, text: str, hint: str | None = None) -> Language:
        if "crash" in text:
            raise RuntimeError("a bug of ours")
        return Language(tag="en", confidence=1.0, detector="test")

    def read_ahead(self, texts: Iterable[tuple[str, str | None]]) -> None:
        """It knows the answer."""


class NoBrands:
    def match(self, text: str, language_tag: str, author: str | None = None) -> list[BrandMatch]:
        return []


class Model:
    """Positive for everything; fails on texts with 'bad', and for all once broken."""

    name = "test"
    rule = "none"

    def __init__(self, broken: bool = False) -> None:
        self.broken = broken
        self.calls = 0

    def judge(self, texts: Sequence[str], languages: Sequence[str]) -> list[Judgement]:
        return self.decide(self.log_probabilities(texts), languages)

    def log_probabilities(self, texts: Sequence[str]) -> list[LogProbabilities]:
        self.calls += 1
        if self.broken or any("bad" in text for text in texts):
            raise RuntimeError("cannot")
        return [(-2.3, -1.6, float("nan") if "nan" in text else -0.4) for text in texts]

    def decide(
        self, values: Sequence[LogProbabilities], languages: Sequence[str], mixes: object = None
    ) -> list[Judgement]:
        return [
            Judgement(
                model=self.name,
                rule=self.rule,
                label="positive",
                negative=0.1,
                neutral=0.2,
                positive=float("nan") if math.isnan(one[2]) else 0.7,
                log_probabilities=one,
            )
            for one in values
        ]


def guard(window: int = 1000) -> DeadLetterGuard:
    return DeadLetterGuard("test", DeadLetterPolicy(window=window))


def raw(*texts: str) -> list[Incoming]:
    def value(text: str, n: int) -> bytes:
        return f'{{"source":"t","id":"{n}","text":"{text}","published_at":"2026-11-23T00:00:00Z"}}'.encode()

    return [
        Incoming("mentions", 1, n, 1_795_392_000_000, b"k", value(text, n), (("h", b"1"),))
        for n, text in enumerate(texts)
    ]


def language(sent: Sent, window: int = 1000) -> LanguageStage:
    return LanguageStage(Detector(English(), NoBrands), "inc", sent, guard(window))


async def detected(*texts: str) -> list[Incoming]:
    sent = Sent()
    await language(sent).handle(raw(*texts))
    return [Incoming(r.topic, 0, n, None, r.key, r.value, r.headers) for n, r in enumerate(sent.records)]


async def test_language_forwards_in_order_keyed_by_mention_id_with_headers() -> None:
    sent = Sent()
    await language(sent).handle(raw("a", "b", "c"))
    events = [decode(r.value, ("mention_detected",)) for r in sent.records]
    assert [e.text for e in events if isinstance(e, DetectedMention)] == ["a", "b", "c"]
    assert [r.key for r in sent.records] == [e.mention_id.encode() for e in events if isinstance(e, DetectedMention)]
    assert all(r.headers == (("h", b"1"),) for r in sent.records)


async def test_language_sends_the_dead_with_origin_and_goes_on() -> None:
    sent = Sent()
    broken = Incoming("mentions", 3, 9, None, None, b"{", ())
    await language(sent).handle([*raw("a"), broken, *raw("crash")])
    assert [r.topic for r in sent.records] == ["mentions.detected", "mentions.dead", "mentions.dead"]
    first, second = sent.letters()
    assert (first.reason, first.origin.partition, first.origin.offset, first.origin.incarnation) == (
        "not_json",
        3,
        9,
        "inc",
    )
    assert (second.reason, second.error) == ("detect_failed", "RuntimeError: a bug of ours")


async def test_a_message_that_breaks_the_decoder_is_one_dead_letter(monkeypatch: pytest.MonkeyPatch) -> None:
    def breaks(data: bytes, allowed: tuple[str, ...]) -> Struct:
        if b"worse" in data:
            raise ZeroDivisionError("a bug of the decoder's")
        return decode(data, allowed)

    monkeypatch.setattr("pipeline.detect.decode", breaks)
    sent = Sent()
    await language(sent).handle(raw("a", "worse", "b"))
    assert [r.topic for r in sent.records] == ["mentions.detected", "mentions.dead", "mentions.detected"]
    [letter] = sent.letters()
    assert (letter.reason, letter.error) == ("detect_failed", "ZeroDivisionError: a bug of the decoder's")


@pytest.mark.parametrize("start", [b"{", b"\xff"])
def test_a_bad_message_is_gone_from_memory_with_its_batch(start: bytes) -> None:
    """Errors that are values are circles with their frames; the garbage collector comes by 50,000 objects later."""
    stage = language(Sent())
    text = start + bytes(99)
    held = sys.getrefcount(text)
    gc.disable()
    try:
        # The method itself: a thread that does the work may keep its last batch for a moment.
        results = stage._detect_all([Incoming("mentions", 0, n, None, None, text, ()) for n in range(8)])
        assert all(isinstance(result, DeadLetter) for result in results)
        del results
        assert sys.getrefcount(text) == held
    finally:
        gc.enable()


async def test_language_stops_before_it_drains_a_topic_into_the_dead_letters() -> None:
    sent = Sent()
    stage = language(sent, window=10)
    with pytest.raises(TooManyDeadLetters):
        await stage.handle([Incoming("mentions", 0, n, None, None, b"{", ()) for n in range(10)])
    assert sent.records == [], "nothing of that batch was sent"


async def test_sentiment_scores_and_passes_deletions() -> None:
    sent = Sent()
    deletion = b'{"type":"mention_deleted","source":"t","id":"1","deleted_at":"2026-11-23T00:00:00Z"}'
    forwarded = Sent()
    await language(forwarded).handle([Incoming("mentions", 0, 9, 1_795_392_000_000, None, deletion, ())])
    [gone] = forwarded.records
    batch = [*(await detected("a", "b")), Incoming(gone.topic, 0, 9, None, gone.key, gone.value, ())]
    await SentimentStage(Model(), "inc", sent, guard()).handle(batch)
    events = [decode(r.value, ("mention_scored", "deletion_accepted")) for r in sent.records]
    assert [e.judgements[0].label for e in events if isinstance(e, ScoredMention)] == ["positive", "positive"]
    assert [r.key for r in sent.records] == [m.key for m in batch], "order and keys stay"
    assert sent.records[2].value == gone.value


async def test_sentiment_finds_the_text_that_breaks_the_model() -> None:
    sent = Sent()
    texts = [f"text {n}" for n in range(20)]
    texts[7] = "bad"
    texts[13] = "nan"
    await SentimentStage(Model(), "inc", sent, guard()).handle(await detected(*texts))
    assert sorted(letter.origin.offset for letter in sent.letters()) == [7, 13]
    assert {letter.reason for letter in sent.letters()} == {"model_failed"}
    assert sum(r.topic == "mentions.scored" for r in sent.records) == 18
    # the letter holds what this stage read, and the origin is the first topic's
    assert all(letter.origin.topic == "mentions" for letter in sent.letters())


async def test_a_broken_model_stops_the_worker() -> None:
    sent = Sent()
    model = Model(broken=True)
    with pytest.raises(ModelError, match="fails on every text"):
        await SentimentStage(model, "inc", sent, guard()).handle(await detected(*[f"t{n}" for n in range(64)]))
    assert sent.records == []
    assert model.calls < 10, "it does not try all 64 first"


async def test_sentiment_refuses_what_is_no_detected_event() -> None:
    sent = Sent()
    await SentimentStage(Model(), "inc", sent, guard()).handle(
        [Incoming("mentions.detected", 2, 5, None, None, b'{"type":"mention"}', ())]
    )
    [letter] = sent.letters()
    assert (letter.reason, letter.origin.topic, letter.origin.offset) == ("unknown_type", "mentions.detected", 5)


async def test_a_pause_ends_when_the_worker_has_no_time_left(monkeypatch: pytest.MonkeyPatch) -> None:
    from agents import control as module
    from agents.backoff import Stopping

    monkeypatch.setattr(module, "FINISH_S", 0.0)
    monkeypatch.setattr(module, "DRAIN_S", 3600.0)
    control = Control("test")
    pause = asyncio.ensure_future(control.pause(3600, "a test"))
    await asyncio.sleep(0)
    control.stop_requested()
    with pytest.raises(Stopping):
        await asyncio.wait_for(pause, 10)
