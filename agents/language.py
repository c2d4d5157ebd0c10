"""Stage 1: raw messages of ``mentions`` become valid events with language and brands in ``mentions.detected``."""

import asyncio
import logging
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime

from agents.dead import dead_letter
from agents.dead import outgoing as dead_outgoing
from agents.incoming import Incoming
from agents.outbox import Outbox, Outgoing
from agents.policy import DeadLetterGuard
from pipeline.detect import Detector
from pipeline.kafka.deadletter import DeadLetter
from pipeline.kafka.redelivery import delivery
from pipeline.kafka.topics import DETECTED
from pipeline.metrics import LANGUAGE_UNDETERMINED, REDELIVERIES
from schemas.events import DetectedMention, EventError, SourceEvent, bare, encode

log = logging.getLogger(__name__)
ROLE = "language"


class LanguageStage:
    """Validates, detects, forwards; in a thread, so that the event loop keeps its heartbeats."""

    def __init__(self, detector: Detector, incarnation: str, outbox: Outbox, guard: DeadLetterGuard) -> None:
        self._detector = detector
        self._incarnation = incarnation
        self._outbox = outbox
        self._guard = guard
        self._thread = ThreadPoolExecutor(1, thread_name_prefix=ROLE)

    async def handle(self, batch: Sequence[Incoming]) -> None:
        """See :class:`agents.stage.Stage`."""
        results = await asyncio.get_running_loop().run_in_executor(self._thread, self._detect_all, batch)
        dead = [result for result in results if isinstance(result, DeadLetter)]
        self._guard.observe(len(batch), len(dead), dead[-1].error if dead else "")
        await self._outbox.deliver([dead_outgoing(r) if isinstance(r, DeadLetter) else r for r in results])

    def _detect_all(self, batch: Sequence[Incoming]) -> list[Outgoing | DeadLetter]:
        decoded = [self._detector.decoded(message.value) for message in batch]
        try:
            self._detector.read_ahead(decoded)
        except Exception:
            # A text that breaks the model: it is found, and becomes a dead letter, when its turn comes.
            log.debug("cannot read ahead", exc_info=True)
        return [self._detect(message, event) for message, event in zip(batch, decoded, strict=True)]

    def _detect(self, message: Incoming, decoded: SourceEvent | Exception) -> Outgoing | DeadLetter:
        origin = message.origin(self._incarnation)
        try:
            came = delivery(origin, message.headers)
            if came.reason:
                REDELIVERIES.labels(came.reason).inc()
            origin = came.origin
            if came.headers is not message.headers:
                message = replace(message, headers=came.headers)
            received_at = came.received_at or message.received_at(datetime.now(UTC))
            event = self._detector.accept(decoded, message.value, origin, received_at)
            value = encode(event)
        except EventError as error:
            return dead_letter(message, origin, ROLE, bare(error).reason, str(error))
        except Exception as error:
            # A text that breaks the detector or the matcher is our bug, but one mention must not stop the stream.
            log.exception("cannot detect the message at %s", origin)
            return dead_letter(message, origin, ROLE, "detect_failed", f"{type(bare(error)).__name__}: {error}")
        if isinstance(event, DetectedMention) and event.language.tag == "und":
            LANGUAGE_UNDETERMINED.inc()
        return Outgoing(
            DETECTED,
            event.mention_id.encode(),
            value,
            message.headers,
            instead=lambda why: dead_outgoing(dead_letter(message, origin, ROLE, "too_large", why)),
        )
