"""The loop that all stages share: take a batch, do its work, acknowledge it only when the effect is durable.

Faust acknowledges the events of ``take_events`` in a ``finally``, so an exception, a cancellation or a closed generator
acknowledges what was never done. Here (:func:`agents.quick.take`) nobody acknowledges but :meth:`StageLoop.process`,
after the effect is durable; whatever happens in between, the offset cannot be committed.
"""

import asyncio
import logging
import time
from collections import Counter
from collections.abc import Sequence
from typing import Any, Protocol

from aiokafka.errors import KafkaError

from agents.backoff import Backoff, Stopping
from agents.continuity import Continuity, Gap, Partition
from agents.control import Control
from agents.incoming import Incoming
from agents.repair import read_gap
from pipeline.metrics import BATCH_MESSAGES, MENTIONS_IN, RETRIES, SKIPPED_OFFSETS, STAGE_SECONDS
from pipeline.settings import Settings

log = logging.getLogger(__name__)


class Stage(Protocol):
    """What one role does with a batch."""

    async def handle(self, batch: Sequence[Incoming]) -> None:
        """Return when everything that ``batch`` causes is durable downstream (confirmed, or inserted).

        Raises Stopping when the worker ends first, and BabelwatchError when the worker must stop with an error; in
        both cases nothing of the batch is acknowledged. A message that cannot be processed is a dead letter, never an
        exception.
        """
        ...


class StageLoop:
    """Feeds one :class:`Stage` from one Faust stream."""

    def __init__(self, app: Any, settings: Settings, control: Control, stage: Stage, chunk: int) -> None:  # noqa: ANN401
        self._app = app
        self._settings = settings
        self._control = control
        self._stage = stage
        self._chunk = chunk
        self._continuity = Continuity(self._committed)

    async def process(self, events: Sequence[Any]) -> None:
        """Process a batch of Faust events and acknowledge them. Never raises but for cancellation."""
        if self._control.gave_up:
            self._leave(events)
            return
        try:
            await self._do(events)
        except asyncio.CancelledError:
            self._control.gave_up = True
            raise
        except Stopping:
            self._control.gave_up = True
            log.warning("%s: %d messages left to the next worker", self._control.role, len(events))
            self._leave(events)
        except Exception as error:
            # Anything unforeseen: better a worker that restarts from the committed offset than one that goes on.
            self._control.gave_up = True
            log.debug("stage failed", exc_info=True)
            self._leave(events)
            self._control.fail(error)
        else:
            for event in events:
                event.ack()

    async def _do(self, events: Sequence[Any]) -> None:
        batch = [Incoming.of_event(event) for event in events]
        role = self._control.role
        # During a rebalance committed offsets are unknown for a moment; what is still buffered then is work that will
        # be delivered again anyway.
        if not self._app.rebalancing:
            for gap in self._continuity.gaps(batch, self._app.rebalancing_count):
                await self._repair(gap)
        for topic, count in Counter(message.topic for message in batch).items():
            MENTIONS_IN.labels(role, topic).inc(count)
        BATCH_MESSAGES.labels(role).observe(len(batch))
        began = time.perf_counter()
        await self._stage.handle(batch)
        STAGE_SECONDS.labels(role).observe(time.perf_counter() - began)

    async def _repair(self, gap: Gap) -> None:
        """Do the work of offsets that were skipped, before anything after them is acknowledged."""
        found = 0
        start = gap.start
        backoff = Backoff()
        while start < gap.end:
            rest = Gap(gap.topic, gap.partition, start, gap.end)
            try:
                async for messages in read_gap(self._settings, rest, self._chunk):
                    await self._stage.handle(messages)
                    found += len(messages)
                    start = messages[-1].offset + 1
                break
            except (OSError, TimeoutError, KafkaError) as error:
                RETRIES.labels(self._control.role, "repair").inc()
                log.warning("cannot read %s: %r; again", rest, error)
                await self._control.pause(backoff.next_s(), f"Kafka: {rest} cannot be read ({type(error).__name__})")
        absent = gap.end - gap.start - found
        SKIPPED_OFFSETS.labels(self._control.role, gap.topic, "repaired").inc(found)
        SKIPPED_OFFSETS.labels(self._control.role, gap.topic, "absent").inc(absent)
        log.log(
            logging.WARNING if found else logging.INFO,
            "%s: offsets %d to %d of %s/%d were not delivered: %d read again, %d not in the log",
            *(self._control.role, gap.start, gap.end - 1, gap.topic, gap.partition, found, absent),
        )

    def _leave(self, events: Sequence[Any]) -> None:
        """Let Faust forget messages that stay unacknowledged, or its drain would wait for them for ever."""
        for event in events:
            self._app.consumer.unacked.discard(event.message)

    def _committed(self, partition: Partition) -> int | None:
        for tp, offset in self._app.consumer._committed_offset.items():
            if (tp.topic, tp.partition) == partition:
                return None if offset is None else int(offset)
        return None
