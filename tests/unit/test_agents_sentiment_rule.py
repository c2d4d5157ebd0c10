"""The sentiment stage with a rule that abstains, and with the class mix of its stream."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import msgspec
import numpy as np

from agents.incoming import Incoming
from agents.policy import DeadLetterGuard, DeadLetterPolicy
from agents.sentiment import SentimentStage
from pipeline.sentiment.abstention import AbstentionPoint
from pipeline.sentiment.class_mix import FrozenMix, MixTracker
from pipeline.sentiment.correction import log_softmax
from pipeline.sentiment.rule import DecisionRule, LogProbabilities, named
from schemas.events import DetectedMention, Judgement, Language, Origin, ScoredMention, decode, encode
from tests.unit.test_agents_stages import Sent

POINTS = [
    AbstentionPoint(language="en", error=0.1, threshold=0.6, coverage=0.8, kind="guaranteed"),
    AbstentionPoint(language="*", error=0.1, threshold=0.9, coverage=0.3, kind="estimated"),
]
START = datetime(2026, 11, 23, tzinfo=UTC)
CLEAR: LogProbabilities = (-0.22, -2.3, -2.3)
"""Negative with 0.8."""
SPLIT: LogProbabilities = (-0.8, -0.9, -1.9)
"""Negative with 0.45, neutral with 0.4."""


def _wavering(text: str) -> LogProbabilities:
    """Mostly negative, differently for each text, as a model's are."""
    logits = np.random.default_rng(int(text.rpartition(" ")[2])).normal((1.5, 0.0, 0.0), 1.5)
    negative, neutral, positive = log_softmax(logits[None, :])[0].tolist()
    return negative, neutral, positive


class Model:
    """A real rule on made-up log-probabilities: texts with 'split' are undecided, the others negative."""

    name = "test"

    def __init__(self, rule: DecisionRule) -> None:
        self._rule = rule
        self.rule = rule.name

    def log_probabilities(self, texts: Sequence[str]) -> list[LogProbabilities]:
        return [_wavering(text) if text[-1].isdigit() else SPLIT if "split" in text else CLEAR for text in texts]

    def decide(
        self,
        values: Sequence[LogProbabilities],
        languages: Sequence[str],
        mixes: Sequence[FrozenMix | None] | None = None,
    ) -> list[Judgement]:
        return self._rule.judge(self.name, values, languages, mixes)

    def judge(self, texts: Sequence[str], languages: Sequence[str]) -> list[Judgement]:
        return self.decide(self.log_probabilities(texts), languages)


def detected(text: str, language: str = "en", after_s: float = 0.0, number: int = 0) -> Incoming:
    at = START + timedelta(seconds=after_s)
    event = DetectedMention(
        mention_id=f"{number:032x}",
        tenant="default",
        source="t",
        text=text,
        text_hash="0" * 16,
        published_at=at,
        received_at=at,
        origin=Origin(incarnation="i", topic="mentions", partition=0, offset=number),
        language=Language(tag=language, confidence=1.0, detector="test"),
        brands=[],
    )
    return Incoming("mentions.detected", 0, number, None, event.mention_id.encode(), encode(event), ())


async def scored(stage: SentimentStage, sent: Sent, *messages: Incoming) -> list[ScoredMention]:
    sent.records.clear()
    await stage.handle(messages)
    events = [decode(record.value, ("mention_scored",)) for record in sent.records]
    return [event for event in events if isinstance(event, ScoredMention)]


def stage(sent: Sent, accept_error: float | None = None, mixes: MixTracker | None = None) -> SentimentStage:
    model = Model(DecisionRule(named("t", abstention=POINTS), accept_error))
    return SentimentStage(model, "inc", sent, DeadLetterGuard("test", DeadLetterPolicy()), mixes=mixes)


async def test_without_an_accepted_error_nothing_changes() -> None:
    sent = Sent()
    found = await scored(stage(sent), sent, detected("split"), detected("split", "pt"))
    assert [(one.version, one.judgements[0].label) for one in found] == [(1, "negative")] * 2
    assert b"unsure" not in b"".join(record.value for record in sent.records)


async def test_what_is_not_sure_enough_is_an_event_of_version_2() -> None:
    sent = Sent()
    found = await scored(
        stage(sent, accept_error=0.1), sent, detected("clear"), detected("split"), detected("clear", "pt")
    )
    assert [(one.version, one.judgements[0].label) for one in found] == [
        (1, "negative"),
        (2, "unsure"),
        (2, "unsure"),
    ], "0.8 is enough in English, not in a language that is only estimated"
    unsure = found[1].judgements[0]
    assert unsure.rule.endswith("+accept-0.1")
    assert unsure.negative > unsure.neutral > unsure.positive > 0, "its probabilities stay"
    assert unsure.log_probabilities == SPLIT


async def test_a_consumer_of_version_1_refuses_it_by_its_version() -> None:
    """As a build before this one would: it reads versions up to 1, so the event becomes a dead letter to replay."""
    sent = Sent()
    await stage(sent, accept_error=0.1).handle([detected("split")])
    assert msgspec.json.decode(sent.records[0].value)["version"] == 2


async def test_the_mix_of_the_stream_is_frozen_and_named() -> None:
    sent = Sent()
    tracker = MixTracker()
    with_mix = stage(sent, mixes=tracker)
    early = [detected(f"text {n}", after_s=n, number=n) for n in range(500)]
    first = await scored(with_mix, sent, *early)
    assert {one.judgements[0].rule for one in first} == {with_mix._model.rule}, "nothing is known yet"
    later = detected("clear", after_s=650, number=900)
    [once] = await scored(with_mix, sent, later)
    assert "+mix-" in once.judgements[0].rule
    assert once.judgements[0].negative > 0.85, "0.8 by itself, and negative is common here"
    await scored(with_mix, sent, *[detected(f"text {n}", after_s=200 + n, number=n) for n in range(500, 900)])
    assert await scored(with_mix, sent, later) == [once], "delivered again, judged as before"
    [next_span] = await scored(with_mix, sent, detected("clear", after_s=1250, number=2000))
    assert next_span.judgements[0].rule != once.judgements[0].rule


async def test_deletions_pass_and_a_text_that_breaks_the_model_stands_alone() -> None:
    class Fragile(Model):
        def log_probabilities(self, texts: Sequence[str]) -> list[LogProbabilities]:
            if any("bad" in text for text in texts):
                raise RuntimeError("cannot")
            return super().log_probabilities(texts)

    sent = Sent()
    model = Fragile(DecisionRule(named("t")))
    fragile = SentimentStage(model, "i", sent, DeadLetterGuard("test", DeadLetterPolicy()), mixes=MixTracker())
    await fragile.handle([detected("bad" if n == 3 else "fine", number=n) for n in range(8)])
    assert [letter.origin.offset for letter in sent.letters()] == [3]
    assert sum(record.topic == "mentions.scored" for record in sent.records) == 7
