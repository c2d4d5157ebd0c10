"""The two brokers, each reachable directly (checker) and through links (workers, producers).

Kafka clients go where the broker says that it is, so each worker of Apache Kafka, and the producers, get a listener of
their own that is advertised as their link. The embedded broker has one advertised address: all go through one link.
"""

import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import pytest

from pipeline.embedded.broker import EmbeddedBroker
from pipeline.embedded.child import Child
from pipeline.embedded.ports import LOOPBACK, free_port
from pipeline.embedded.processes import listens
from tests.chaos.network import Network
from tests.chaos.tools import NotHere
from tests.services import APACHE, _jars

ALL: str = "everyone"
"""Name of the embedded broker's only link, and of a fault's target there."""
_CLUSTER = "MkU3OEVBNTcwNTJENDM2Qg"  # any 16 bytes in base64


class Broker(Protocol):
    """What the harness needs of a broker."""

    name: str
    durable: bool
    """True when its log outlives its process."""
    address: str
    """For the checker."""

    @property
    def child(self) -> Child: ...

    def start(self) -> None:
        """Start it with what it has; returns when it listens."""

    def address_for(self, client: str) -> str:
        """host:port that ``client`` is given."""

    def links(self) -> tuple[str, ...]:
        """Names of its links; none without a network."""


class Embedded:
    """The embedded broker."""

    name = "embedded"
    durable = False

    def __init__(self, folder: Path, clients: Sequence[str], network: Network | None) -> None:
        port = free_port()
        direct = f"{LOOPBACK}:{port}"
        self.address = network.link(f"{ALL}-broker", direct) if network else direct
        self._linked = network is not None
        self._broker = _Advertised(folder, port, self.address)

    @property
    def child(self) -> Child:
        return self._broker.child

    def start(self) -> None:
        self._broker.start()

    def address_for(self, client: str) -> str:
        return self.address

    def links(self) -> tuple[str, ...]:
        return (ALL,) if self._linked else ()


class _Advertised(EmbeddedBroker):
    """The embedded broker that says that it is somewhere else."""

    def __init__(self, folder: Path, port: int, advertised: str) -> None:
        super().__init__(folder, port)
        self._advertised = advertised

    def _new_child(self, path: str) -> Child:
        child = super()._new_child(path)
        at = child._argv.index("--advertised-listener-url") + 1
        child._argv[at] = f"tcp://{self._advertised}"
        return child


class Apache:
    """Apache Kafka, one process, its log on disk."""

    name = "apache"
    durable = True

    def __init__(self, folder: Path, clients: Sequence[str], network: Network | None) -> None:
        """Raises NotHere without Java, or where Maven cannot fetch it."""
        try:
            jars = _jars()
        except pytest.skip.Exception as reason:
            raise NotHere(str(reason)) from None
        self._folder = folder / "kafka"
        self._folder.mkdir(parents=True)
        self._java = ["java", "-Xmx768m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-cp", f"{jars}/*"]
        self._port = free_port()
        self.address = f"{LOOPBACK}:{self._port}"
        self._own: dict[str, str] = {}
        listeners = {}
        if network:
            for client in clients:
                listeners[client] = f"{LOOPBACK}:{free_port()}"
                self._own[client] = network.link(f"{client}-broker", listeners[client])
        self._config = self._write_config(listeners)
        self._child = Child("Apache Kafka", [], folder / "logs" / "kafka.log")

    @property
    def child(self) -> Child:
        return self._child

    def start(self) -> None:
        if not (self._folder / "data").exists():
            format_ = [*self._java, "kafka.tools.StorageTool", "format", "-t", _CLUSTER, "-c", str(self._config)]
            subprocess.run(format_, check=True, capture_output=True, timeout=120)
        self._child = Child(
            "Apache Kafka", [*self._java, "kafka.Kafka", str(self._config)], self._child.log, cwd=self._folder
        )
        self._child.start()
        if not self._child.wait_ready(lambda: listens(self._child.pid, self._port), 120):
            raise RuntimeError(f"Apache Kafka did not start ({self._child.how_it_ended()}): {self._child.last_words()}")

    def address_for(self, client: str) -> str:
        return self._own.get(client, self.address)

    def links(self) -> tuple[str, ...]:
        return tuple(self._own)

    def _write_config(self, listeners: dict[str, str]) -> Path:
        text = (APACHE / "server.properties").read_text(encoding="utf-8")
        for name, value in (("PORT", self._port), ("CONTROLLER", free_port()), ("DATA", self._folder / "data")):
            text = text.replace(f"@{name}@", str(value))
        names = {client: client.upper().replace("-", "_") for client in listeners}
        more = {
            "listeners": "".join(f",{names[client]}://{address}" for client, address in listeners.items()),
            "advertised.listeners": "".join(f",{names[client]}://{self._own[client]}" for client in listeners),
        }
        lines = [line + more.get(line.partition("=")[0], "") for line in text.splitlines()]
        protocols = ",".join(f"{name}:PLAINTEXT" for name in ("PLAINTEXT", "CONTROLLER", *names.values()))
        lines += [f"listener.security.protocol.map={protocols}", "inter.broker.listener.name=PLAINTEXT"]
        path = self._folder / "server.properties"
        path.write_text("\n".join(lines) + "\n", encoding="utf-8")
        return path


def broker_of(name: str, folder: Path, clients: Sequence[str], network: Network | None) -> Broker:
    """Return the broker ``name``. Raises NotHere."""
    if name == "apache" and shutil.which("java") is None:
        raise NotHere("Apache Kafka needs Java, which this machine does not have")
    return Apache(folder, clients, network) if name == "apache" else Embedded(folder, clients, network)
