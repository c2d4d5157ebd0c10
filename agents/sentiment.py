"""Stage 2: detected mentions get their sentiment, in micro-batches, and go to ``mentions.scored``."""

import asyncio
import logging
import math
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import cast

import numpy as np

from agents.dead import dead_letter
from agents.dead import outgoing as dead_outgoing
from agents.incoming import Incoming
from agents.outbox import Outbox, Outgoing
from agents.policy import DeadLetterGuard
from pipeline.errors import ModelError
from pipeline.kafka.deadletter import DeadLetter
from pipeline.kafka.topics import SCORED
from pipeline.sentiment.class_mix import MixTracker
from pipeline.sentiment.model import SentimentModel
from schemas.carry import rewritten
from schemas.events import (
    AcceptedDeletion,
    DetectedEvent,
    DetectedMention,
    EventError,
    Judgement,
    bare,
    decode,
    scored_version,
)

log = logging.getLogger(__name__)
ROLE = "sentiment"
ACCEPTED = ("mention_detected", "deletion_accepted")


@dataclass(frozen=True)
class ModelFailurePolicy:
    """What to do when the model raises.

    A batch is halved until the text that breaks it stands alone. Before that text becomes a dead letter, the model has
    to judge ``canary``: if it cannot, the model is broken and not the text, and the worker stops with an error, because
    every mention would become a dead letter.
    """

    canary: str = "The delivery was on time."
    canary_language: str = "en"


class SentimentStage:
    """Judges texts in a thread: a batch takes seconds on a busy machine, and heartbeats must go on."""

    def __init__(
        self,
        model: SentimentModel,
        incarnation: str,
        outbox: Outbox,
        guard: DeadLetterGuard,
        policy: ModelFailurePolicy | None = None,
        mixes: MixTracker | None = None,
    ) -> None:
        """``mixes`` switches the stream's own class mix on; each worker has that of its own partitions."""
        self._model = model
        self._mixes = mixes
        self._incarnation = incarnation
        self._outbox = outbox
        self._guard = guard
        self._policy = policy or ModelFailurePolicy()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix=ROLE)

    async def handle(self, batch: Sequence[Incoming]) -> None:
        """See :class:`agents.stage.Stage`. Raises ModelError when the model fails for every text."""
        results = await asyncio.get_running_loop().run_in_executor(self._thread, self._score_all, batch)
        dead = [result for result in results if isinstance(result, DeadLetter)]
        self._guard.observe(len(batch), len(dead), dead[-1].error if dead else "")
        await self._outbox.deliver([dead_outgoing(r) if isinstance(r, DeadLetter) else r for r in results])

    def switch(self, model: SentimentModel) -> None:
        """Judge by ``model`` from the next batch on; returns when the batch in hand has ended with the old one.

        Called from another thread than the event loop's. Batches are tasks of one thread, so a task between two of them
        is a moment between two batches, also while nothing comes.
        """
        self._thread.submit(self._take, model).result()

    def _take(self, model: SentimentModel) -> None:
        self._model = model
        if self._mixes is not None:
            self._mixes = MixTracker()  # what it had seen were the other model's posteriors

    def _score_all(self, batch: Sequence[Incoming]) -> list[Outgoing | DeadLetter]:
        """Return one result per message, in order: records of one key stay in order."""
        events = [self._decode(message) for message in batch]
        mentions = [event for event in events if isinstance(event, DetectedMention)]
        judged = iter(
            self.judge(
                [m.text for m in mentions],
                [m.language.tag for m in mentions],
                [m.received_at.timestamp() for m in mentions],
            )
        )
        results: list[Outgoing | DeadLetter] = []
        for message, event in zip(batch, events, strict=True):
            if isinstance(event, EventError):
                origin = message.origin(self._incarnation)
                results.append(dead_letter(message, origin, ROLE, event.reason, str(event)))
            elif isinstance(event, AcceptedDeletion):
                results.append(self._forward(message, event, message.value))
            else:
                judgement = next(judged)
                if isinstance(judgement, Exception):
                    error = f"{type(judgement).__name__}: {judgement}"
                    results.append(dead_letter(message, event.origin, ROLE, "model_failed", error))
                else:
                    results.append(self._forward(message, event, _scored(message.value, judgement)))
        return results

    def judge(
        self, texts: Sequence[str], languages: Sequence[str], received_s: Sequence[float]
    ) -> list[Judgement | Exception]:
        """Return a judgement per text, or the exception of a text that makes the model fail by itself.

        ``received_s`` (Unix seconds) decides under which class mix a text falls, where that is switched on.
        Raises ModelError when the model fails for the canary as well.
        """
        if not texts:
            return []
        try:
            return list(self._checked(texts, languages, received_s))
        except Exception as error:
            if len(texts) == 1:
                self._blame_the_text(error)
                return [error]
        middle = len(texts) // 2
        first = self.judge(texts[:middle], languages[:middle], received_s[:middle])
        return first + self.judge(texts[middle:], languages[middle:], received_s[middle:])

    def _checked(
        self, texts: Sequence[str], languages: Sequence[str], received_s: Sequence[float] = ()
    ) -> list[Judgement]:
        if self._mixes is None or not received_s:
            return self._finite(texts, self._model.judge(texts, languages))
        values = self._model.log_probabilities(texts)
        plain = self._finite(texts, self._model.decide(values, languages))
        judgements = self._model.decide(values, languages, [self._mixes.mix(at) for at in received_s])
        posteriors = np.array([(one.negative, one.neutral, one.positive) for one in plain])
        self._mixes.observe(received_s, languages, posteriors)
        return judgements

    @staticmethod
    def _finite(texts: Sequence[str], judgements: list[Judgement]) -> list[Judgement]:
        if len(judgements) != len(texts):
            raise ValueError(f"the model gave {len(judgements)} judgements for {len(texts)} texts")
        for judgement in judgements:
            if not all(map(math.isfinite, (judgement.negative, judgement.neutral, judgement.positive))):
                raise ValueError("the model gave a probability that is no number")
        return judgements

    def _blame_the_text(self, error: Exception) -> None:
        log.warning("the model fails on a text alone: %r", error)
        try:
            self._checked([self._policy.canary], [self._policy.canary_language])
        except Exception as broken:
            raise ModelError(
                f"the sentiment model {self._model.name!r} fails on every text ({type(broken).__name__}: {broken}): "
                "check the model folder with `babelwatch model show` and the memory of the machine; nothing was "
                "acknowledged"
            ) from broken

    def _decode(self, message: Incoming) -> DetectedEvent | EventError:
        try:
            return cast(DetectedEvent, decode(message.value, ACCEPTED))
        except EventError as error:
            return bare(error)

    def _forward(self, message: Incoming, event: DetectedEvent, value: bytes) -> Outgoing:
        return Outgoing(
            SCORED,
            event.mention_id.encode(),
            value,
            message.headers,
            instead=lambda why: dead_outgoing(dead_letter(message, event.origin, ROLE, "too_large", why)),
        )


def _scored(detected: bytes, judgement: Judgement) -> bytes:
    """The scored mention of a detected one: what this build does not know of it stays in it."""
    added = {"type": "mention_scored", "version": scored_version([judgement]), "judgements": [judgement]}
    return rewritten(detected, added)
