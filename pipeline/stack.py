"""Everything on one machine: the services that are not given, topics, tables, workers and the dashboard.

One supervisor, the process that calls ``start``. Its children are in sessions of their own (the terminal's Ctrl-C
reaches only it) and end when it ends, however it ends.
"""

import logging
import os
import signal
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Final, Self

from pydantic import SecretStr

from pipeline.embedded.addresses import DASHBOARD, Addresses
from pipeline.embedded.broker import EmbeddedBroker
from pipeline.embedded.child import Child
from pipeline.embedded.clickhouse import EmbeddedClickHouse, require_space
from pipeline.embedded.environment import child_environment
from pipeline.embedded.files import Run, Secrets, WorkerRun, remove_run
from pipeline.embedded.lock import FolderLock
from pipeline.embedded.metrics_page import MetricsPage
from pipeline.embedded.processes import identity
from pipeline.embedded.restarts import CrashLoopPolicy
from pipeline.embedded.supervisor import Supervisor, Watched
from pipeline.embedded.watchdog import WedgePolicy
from pipeline.errors import BrokerUnavailable, EmbeddedServiceError, WorkerFailed
from pipeline.settings import Settings

log = logging.getLogger(__name__)

ROLES: Final = ("language", "sentiment", "sink")
BROKER: Final = "broker"
CLICKHOUSE: Final = "clickhouse"

READY_S: Final = 180.0
"""How long workers may take to be ready; the first start of all unpacks the embeddings."""
STOP_S: Final = 6.0


class Stack:
    """A running babelwatch. ``start``, then use ``settings``; ``drain`` and ``stop``, or use it with ``with``."""

    def __init__(
        self,
        settings: Settings,
        *,
        fresh: bool = False,
        say: Callable[[str], object] | None = None,
        wedged: WedgePolicy | None = None,
        crash_loop: CrashLoopPolicy | None = None,
    ) -> None:
        """``fresh`` drops the data of the embedded ClickHouse first; ``say`` is told how the start gets on.

        ``wedged`` and ``crash_loop``: when a process counts as such.
        """
        self.settings = settings
        """After ``start``: with the addresses and secrets of everything that runs."""
        self.failure: EmbeddedServiceError | None = None
        """Set when the embedded broker ended by itself: what was in it is lost, so the stack has to stop."""
        self.phases: dict[str, float] = {}
        """What had been reached after how many seconds of ``start``."""
        self._fresh = fresh
        self._say = say or (lambda _: None)
        # Absolute once and for all: the current directory may change, and children have theirs.
        self._folder = settings.data_dir.absolute()
        self._lock = FolderLock(self._folder)
        self._broker: EmbeddedBroker | None = None
        self._clickhouse: EmbeddedClickHouse | None = None
        self._children: dict[str, Child] = {}
        self._addresses: Addresses
        self._supervisor = Supervisor(self._child_changed, wedged=wedged, crash_loop=crash_loop)
        self._metrics = MetricsPage()
        self._restarts: dict[str, int] = {}
        self._started_at = ""
        self._begin = 0.0

    @property
    def workers(self) -> dict[str, WorkerRun]:
        """Role -> pid, pages, state, restarts, as of now."""
        runs = self._runs()
        return {role: runs[role] for role in ROLES if role in runs}

    def _runs(self) -> dict[str, WorkerRun]:
        return {name: one.as_run(name, self._addresses.of(name)) for name, one in self._supervisor.watched.items()}

    @property
    def dashboard_url(self) -> str:
        """Address of the page with its token: a secret."""
        token = self.settings.api_token
        return f"{self._addresses.page}/?token={token.get_secret_value() if token else ''}"

    def pids(self) -> dict[str, int]:
        """Name -> process id of every child."""
        pids = {name: child.pid for name, child in self._children.items()}
        if self._broker is not None:
            pids[BROKER] = self._broker.pid
        if self._clickhouse is not None:
            pids[CLICKHOUSE] = self._clickhouse.pid
        return pids

    def start(self) -> None:
        """Start everything; returns when the page answers and every worker is a member of its consumer group.

        Raises EmbeddedServiceError (folder, ports, disk), BrokerUnavailable, ClickHouseUnavailable, ClickHouseRefused,
        MigrationError, SettingsError, or WorkerFailed with the last lines of the worker's log. Whatever it raises,
        nothing is left running.
        """
        self._begin = time.monotonic()
        self._lock.acquire()
        try:
            self._start()
        except BaseException:
            self.stop()
            raise

    @property
    def broker_embedded(self) -> bool:
        """True when the broker is ours: what is in it when it stops is lost."""
        return self._broker is not None

    def close_entrances(self) -> None:
        """Stop the dashboard, whose HTTP API takes mentions: nothing new comes in while the rest is drained."""
        self._supervisor.forget(DASHBOARD)
        if DASHBOARD in self._children:
            self._children[DASHBOARD].terminate()

    def drain(self, timeout_s: float) -> dict[str, int]:
        """Wait until nothing sent so far is unfinished; return topic -> messages that are after ``timeout_s``.

        Raises BrokerUnavailable when the broker does not answer.
        """
        from pipeline.kafka.drain import drain

        return drain(self.settings, timeout_s, giving_up=lambda: self.failure is not None)

    def stop(self, timeout_s: float = STOP_S) -> dict[str, int]:
        """Stop all children: workers and dashboard, then ClickHouse, then the broker; by force after ``timeout_s``.

        Returns topic -> messages that went unfinished with the embedded broker. Safe to call twice, and after a start
        that failed. An interrupt (second Ctrl-C) makes it forceful at once.
        """
        try:
            return self._stop(time.monotonic() + timeout_s)
        except BaseException:
            self.kill()
            raise

    def kill(self) -> None:
        """End everything now. What ClickHouse acknowledged is safe; what is in the embedded broker is lost."""
        self._supervisor.stop()
        for child in (*self._children.values(), *self._service_children()):
            child.kill()
        if self._clickhouse is not None:
            self._clickhouse.stop(0)
        self._forget()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    # --- start

    def _start(self) -> None:
        from pipeline.embedded.remembered import restore
        from pipeline.kafka.admin import ensure_topics
        from pipeline.store.client import wait_for
        from pipeline.store.migrations import migrate

        self._started_at = datetime.now(UTC).isoformat(timespec="seconds")
        if self.settings.clickhouse_url is None:
            require_space(self._folder)
        secrets = Secrets.of(self._folder)
        found: dict[str, object] = {"data_dir": self._folder}
        if self.settings.api_token is None:
            found["api_token"] = SecretStr(secrets.api_token)
        if self.settings.author_key is None:
            found["author_key"] = SecretStr(secrets.author_key)
        self._metrics.open(self.settings.up_metrics_port)
        self._addresses = Addresses(self.settings, ROLES, self._say)
        found["dashboard_port"] = self._addresses.port(DASHBOARD)

        if self.settings.clickhouse_url is None:
            self._clickhouse = EmbeddedClickHouse(self._folder, password=secrets.clickhouse_password)
            if self._fresh:
                self._clickhouse.drop_data()
            self._clickhouse.launch()
        if self.settings.kafka_brokers is None:
            self._broker = EmbeddedBroker(self._folder)
            self._broker.start()
            found["kafka_brokers"] = self._broker.address
            self._supervisor.watch(BROKER, self._broker.child, restart=False)
        self.settings = self.settings.model_copy(update=found)
        self._say(f"Kafka at {self.settings.kafka_brokers}{' (embedded)' if self._broker else ''}")
        ensure_topics(self.settings)
        if self._broker is not None and (choice := restore(self._folder, self.settings)) is not None:
            self._say(f"model {choice.model}, as `babelwatch model use` has chosen it")
        self._reached("topics")
        self._worker("sentiment")  # first: loading the model takes longest
        self._worker("language")

        if self._clickhouse is not None:
            self._clickhouse.wait()
            self._supervisor.watch(CLICKHOUSE, self._clickhouse.child)
            self.settings = self.settings.model_copy(update={"clickhouse_url": SecretStr(self._clickhouse.url)})
        url = self.settings.require_clickhouse()
        wait_for(url, self.settings.connect_timeout_s)
        self._say(f"ClickHouse at {_shown(url)}{' (embedded)' if self._clickhouse else ''}")
        migrate(url, cluster=self.settings.clickhouse_cluster)
        self._reached("tables")
        self._worker("sink")
        self._child(DASHBOARD, ["dashboard"], signal.SIGKILL)
        self._write_run()
        self._await_ready()
        self._reached("ready")

    def _worker(self, role: str) -> None:
        # SIGTERM when the parent dies: with a broker that lives on, it commits what it did and leaves its group.
        self._child(role, ["worker", role, "--web-port", str(self._addresses.port(role))], signal.SIGTERM)

    def _child(self, name: str, arguments: list[str], parent_death: signal.Signals) -> None:
        child = Child(
            name,
            [sys.executable, "-m", "pipeline.cli", *arguments],
            self._folder / "logs" / f"{name}.log",
            env=child_environment(self.settings),
            parent_death=parent_death,
        )
        child.start()
        self._children[name] = child
        self._supervisor.watch(name, child, health=f"{self._addresses.of(name)}/health")

    def _await_ready(self) -> None:
        waiting = [DASHBOARD, *ROLES]
        deadline = time.monotonic() + READY_S
        while waiting:
            for name in list(waiting):
                self._raise_if_failed(name)
                if self._addresses.is_ready(name):
                    waiting.remove(name)
                    self._reached(name)
            if waiting and time.monotonic() > deadline:
                child = self._children[waiting[0]]
                raise EmbeddedServiceError(
                    f"{', '.join(waiting)}: not ready within {READY_S:.0f} s; {child.log} ends with:\n"
                    f"{child.last_words()}"
                )
            time.sleep(0.15)

    def _raise_if_failed(self, name: str) -> None:
        if self.failure is not None:
            raise self.failure
        watched = self._supervisor.watched[name]
        if watched.state == "failed":
            code = watched.child.exit_code
            raise WorkerFailed(
                f"{name} does not start ({watched.ended}; {watched.child.log}):\n{watched.child.last_words()}",
                code or 1,
            )

    # --- while it runs

    def _child_changed(self, name: str, watched: Watched) -> None:
        """Note what the supervisor saw (in its thread)."""
        if name == BROKER and watched.state == "ended":
            self.failure = EmbeddedServiceError(
                f"the embedded broker ended by itself ({watched.ended}): what was in it and not stored yet is lost; "
                f"what is in ClickHouse is safe. Start again; its last lines ({watched.child.log}):\n"
                f"{watched.child.last_words()}"
            )
        if name == CLICKHOUSE and self._clickhouse is not None and watched.state == "running":
            self._clickhouse.note_pid()
        if watched.restarts != self._restarts.get(name, 0):
            self._restarts[name] = watched.restarts
            self._say(f"{name} was started again (it ended: {watched.ended})")
        elif watched.state == "failed":
            self._say(f"{name} ended ({watched.ended}) and is not started again: see {watched.child.log}")
        self._write_run()

    def _write_run(self) -> None:
        settings = self.settings
        if settings.clickhouse_url is None or settings.kafka_brokers is None:
            return  # still starting
        run = Run(
            pid=os.getpid(),
            identity=identity(os.getpid()) or "",
            started_at=self._started_at,
            kafka_brokers=settings.kafka_brokers,
            kafka_embedded=self._broker is not None,
            clickhouse_url=settings.clickhouse_url.get_secret_value(),
            clickhouse_embedded=self._clickhouse is not None,
            clickhouse_http_url=self._clickhouse.http_url if self._clickhouse is not None else "",
            api_token=settings.api_token.get_secret_value() if settings.api_token else "",
            author_key=settings.author_key.get_secret_value() if settings.author_key else "",
            dashboard_url=self._addresses.page,
            dashboard_port=self._addresses.port(DASHBOARD),
            processes=self.pids(),
            workers=self.workers,
            others={name: run for name, run in self._runs().items() if name not in ROLES},
            metrics_url=self._metrics.url,
        )
        try:
            run.write(self._folder)
        except OSError as error:
            # A full disk: the stack itself can go on, `status` will not find it.
            log.error("%s: run.json cannot be written: %s", self._folder, error)  # noqa: TRY400

    def _reached(self, phase: str) -> None:
        self.phases[phase] = round(time.monotonic() - self._begin, 2)

    # --- stop

    def _stop(self, deadline: float) -> dict[str, int]:
        if not self._lock.held:
            return {}
        self._supervisor.stop()
        children = list(self._children.values())
        for child in children:
            child.terminate()
            child.terminate(signal.SIGCONT)
        # ClickHouse needs about two seconds of what is left; it is safe by force as well.
        for child in children:
            if not child.wait(deadline - time.monotonic() - 2.0):
                log.warning(
                    "%s did not end in time and is killed: what it had not finished was not acknowledged", child.name
                )
            child.kill()
        left = self._left()
        if self._clickhouse is not None:
            self._clickhouse.stop(max(1.0, deadline - time.monotonic()))
        if self._broker is not None:
            self._broker.stop(0.5)
        self._forget()
        return left

    def _left(self) -> dict[str, int]:
        """What the workers leave in the embedded broker, now that they have ended."""
        if self._broker is None or not self._broker.started or not self._broker.child.running or not self._children:
            return {}
        from pipeline.kafka.drain import drain

        try:
            return drain(self.settings, 0.0)
        except BrokerUnavailable as error:
            log.warning("what is left in the embedded broker cannot be read: %s", error)
            return {}

    def _service_children(self) -> list[Child]:
        services = [s for s in (self._broker, self._clickhouse) if s is not None and s.started]
        return [service.child for service in services]

    def _forget(self) -> None:
        self._metrics.close()
        if self._lock.held:
            remove_run(self._folder)
            self._lock.release()


def _shown(url: str) -> str:
    from pipeline.store.client import Address

    return str(Address.of(url))
