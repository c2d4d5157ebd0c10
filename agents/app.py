"""The Faust app in the one form that lost nothing when it was measured, and a worker that runs it.

What is set here and why: raw bytes (a typed topic crashes on bad input and commits it), one batch at a time
(``concurrency`` above 1 commits past messages in flight, faust-streaming issue 606), no tables (they counted replays
twice), no transactions (the embedded broker has none), commits every 500 messages or 0.5 s (a worker that is killed
soon after its start otherwise never commits), session timeout 10 s, and a drain on SIGTERM.
"""

import asyncio
import logging
from collections.abc import Callable
from typing import Any, Final

import aiokafka
import aiokafka.consumer.fetcher
import faust
from aiokafka.errors import CommitFailedError
from aiokafka.structs import OffsetAndMetadata, TopicPartition

from agents.connection import broker_urls, faust_credentials
from agents.control import Control
from agents.logs import configuration
from agents.passed import HandedOut
from agents.quick import MOST_BYTES, BoundQueue, QuickConsumer, Raw, Rest, take
from agents.stage import Stage, StageLoop
from pipeline.errors import BabelwatchError
from pipeline.kafka import tolerant
from pipeline.kafka.client import METADATA_MAX_AGE_MS
from pipeline.kafka.topics import GROUPS, MAX_DEAD_BYTES
from pipeline.settings import Settings

FETCH_MAX_WAIT_MS: Final = 50
"""How long the broker may hold a fetch for more data. Faust passes 1500 and has no setting for it; the embedded broker
waits it out: 738 ms (p95) from produce to agent, against 73 ms with this."""
ROOM_FOR_HEADERS: Final = 64 * 1024


class _PromptConsumer(aiokafka.AIOKafkaConsumer):
    """aiokafka's consumer with the arguments that Faust hard-codes set right, and no commit beyond the log's end."""

    def __init__(self, *topics: str, **options: Any) -> None:  # noqa: ANN401 - passed through
        options["fetch_max_wait_ms"] = FETCH_MAX_WAIT_MS
        options["fetch_max_bytes"] = MOST_BYTES
        # Faust does so only where it uses transactions itself. What a source has aborted was never sent.
        options["isolation_level"] = "read_committed"
        super().__init__(*topics, **options)

    async def start(self) -> None:
        """Connect; from then on what leaves the fetcher is noted."""
        await super().start()
        self._handed_out = HandedOut()
        fetch = self._fetcher.fetched_records

        async def fetched_records(*arguments: Any, **options: Any) -> Any:  # noqa: ANN401 - passed through
            drained = await fetch(*arguments, **options)
            self._handed_out.note(self._current_assignment(), drained)
            return drained

        self._fetcher.fetched_records = fetched_records

    async def commit_passed(self, committed: dict[Any, int | None]) -> dict[Any, int]:
        """Commit offsets without a record that were read past, and return them. In the consumer's thread.

        Raises aiokafka's errors.
        """
        assignment = self._current_assignment()
        if assignment is None:
            return {}
        states = {tp: assignment.state_value(tp) for tp in assignment.tps}
        positions = {tp: state._position for tp, state in states.items() if state and state.has_valid_position}
        passed = self._handed_out.passed(assignment, positions, committed)
        if passed:
            await self.commit({tp: OffsetAndMetadata(offset, "") for tp, offset in passed.items()})
        return passed

    def _current_assignment(self) -> Any:  # noqa: ANN401 - aiokafka's, untyped
        subscription = self._subscription.subscription
        return None if subscription is None else subscription.assignment

    async def commit(self, offsets: dict[TopicPartition, OffsetAndMetadata]) -> None:
        """Commit. Raises CommitFailedError when an offset is beyond what this assignment has seen of the log.

        Such an offset is of another log: an embedded broker was restarted, and what was in hand is acknowledged after
        the group was joined again. Committed there, it would hide as many new messages as the old log had, for ever,
        with a lag of 0.
        """
        for partition, offset in offsets.items():
            end = self.highwater(partition) if partition in self.assignment() else None
            if end is None or offset.offset > end:
                # In these words Faust takes it for a rebalance: it goes on and tries again.
                raise CommitFailedError(f"already rebalanced: {offset.offset} of {partition} is beyond the end {end}")
        await super().commit(offsets)


class App(faust.App):
    """A Faust app that keeps nothing on disk."""

    def _create_directories(self) -> None:
        """Faust would create a data folder for tables in the current directory; there are none."""

    def FlowControlQueue(self, maxsize: int | None = None, *, clear_on_resume: bool = False) -> BoundQueue:  # noqa: N802
        """What a stage's messages wait in; Faust calls this."""
        return BoundQueue(maxsize or 0, flow_control=self.flow_control, clear_on_resume=clear_on_resume)


def create_app(role: str, settings: Settings) -> Any:  # noqa: ANN401 - a Faust app, untyped here
    """Return the app of ``role``. Its id is the consumer group of :data:`pipeline.kafka.topics.GROUPS`.

    Raises SettingsError when the broker's address or security is not set properly.
    """
    aiokafka.AIOKafkaConsumer = _PromptConsumer
    tolerant.install(aiokafka.consumer.fetcher)
    app = App(
        GROUPS[role],
        broker=broker_urls(settings),
        broker_credentials=faust_credentials(settings),
        broker_session_timeout=10,
        broker_heartbeat_interval=2,
        broker_commit_every=500,
        broker_commit_interval=0.5,
        consumer_auto_offset_reset="earliest",
        # A group's leader that got no answer while the group was formed (a broker that was frozen names no brokers for
        # a moment) gives out no partition, and asks again after this.
        consumer_metadata_max_age_ms=METADATA_MAX_AGE_MS,
        consumer_max_fetch_size=MAX_DEAD_BYTES + ROOM_FOR_HEADERS,
        producer_acks=-1,
        producer_metadata_max_age_ms=METADATA_MAX_AGE_MS,
        producer_request_timeout=30,
        producer_max_request_size=MAX_DEAD_BYTES + ROOM_FOR_HEADERS,
        # Far below what a broker takes: a batch that it refuses as too large holds one record.
        producer_max_batch_size=128 * 1024,
        store="memory://",
        topic_replication_factor=settings.topic_replication_factor,
        topic_partitions=settings.topic_partitions,
        topic_disable_leader=True,
        # Topics are made by pipeline.kafka.admin with their retention; Faust would make them with its own.
        topic_allow_declare=False,
        stream_wait_empty=True,
        # What is buffered is memory, and is read again by the next worker after a crash; a batch has to fit in.
        stream_buffer_maxsize=max(settings.sink_batch_messages if role == "sink" else settings.batch_messages, 512),
        # The pages are served by agents.health from a thread, so that they answer when this loop does not.
        web_enabled=False,
        worker_redirect_stdouts=False,
        autodiscover=False,
    )
    app.transport.Consumer = QuickConsumer
    return app


def attach(
    app: Any,  # noqa: ANN401 - a Faust app, untyped here
    settings: Settings,
    control: Control,
    topics: tuple[str, ...],
    stage: Stage,
    *,
    messages: int,
    rest: Rest,
    late: Callable[[], bool] = lambda: False,
) -> None:
    """Feed ``stage`` from ``topics`` in batches of at most ``messages``, with ``rest`` between two smaller ones.

    ``late``: whether the stage's last batch was, for :meth:`agents.quick.Rest.after`.
    """
    source = app.topic(*topics, schema=Raw(key_type=bytes, value_type=bytes))
    loop = StageLoop(app, settings, control, stage, messages)

    async def agent(stream: Any) -> None:  # noqa: ANN401
        async for events in take(app, stream, messages, rest, lambda: control.stopping, late):
            await loop.process(events)

    app.agent(source, name=f"{control.role}:{'+'.join(topics)}", concurrency=1)(agent)


class _Worker(faust.Worker):
    """Faust's worker that tells :class:`Control` about signals before it drains, and shows that its loop runs."""

    control: Control
    beat: Callable[[], None]

    async def on_start(self) -> None:
        # Not an app timer: those begin when the consumer group was joined.
        self.add_future(self._beat())
        await super().on_start()

    async def _beat(self) -> None:
        while not self.should_stop:
            self.beat()
            await asyncio.sleep(0.5)

    def _on_sigterm(self) -> None:
        self.control.stop_requested()
        super()._on_sigterm()

    def _on_sigint(self) -> None:
        # Faust's own handler writes to stderr; Ctrl-C is an ordinary stop here.
        self.control.stop_requested()
        super()._on_sigterm()


def run(app: Any, control: Control, log_level: str, beat: Callable[[], None]) -> None:  # noqa: ANN401 - a Faust app
    """Run the app until a signal or a fatal error, calling ``beat`` twice a second. Returns after a clean drain.

    Raises the fatal error of a stage (BabelwatchError), or whatever crashed Faust: in both cases nothing that was not
    durable is acknowledged, and a supervisor should start the worker again.
    """
    worker = _Worker(app, loglevel=logging.WARNING, logging_config=configuration(log_level), redirect_stdouts=False)
    worker.control = control
    worker.beat = beat
    worker.spinner = None
    try:
        worker.execute_from_commandline()
    except SystemExit as exit_:
        if control.fatal is not None:
            raise control.fatal from None
        if exit_.code not in (0, None):
            crash = worker.crash_reason or app.crash_reason
            raise BabelwatchError(
                f"{control.role}: the stream client crashed ({crash!r}); nothing unfinished was acknowledged, start it "
                "again"
            ) from crash
    else:
        if control.fatal is not None:
            raise control.fatal
