"""Fixtures with real services: the embedded broker and ClickHouse, and Apache Kafka where Java and Maven are.

Nothing here is a double. Every test gets a broker without topics and a database of its own; a test that stops or kills
a service starts one of its own (``EmbeddedBroker``, ``EmbeddedClickHouse``: both have ``.pid``).
"""

import hashlib
import os
import shutil
import subprocess
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from pipeline.embedded.broker import EmbeddedBroker
from pipeline.embedded.child import Child
from pipeline.embedded.clickhouse import EmbeddedClickHouse
from pipeline.embedded.ports import free_port
from pipeline.embedded.processes import listens
from pipeline.settings import Settings, load_settings

APACHE = Path(__file__).parent / "integration" / "apache_kafka"
CACHE = Path(os.environ.get("BABELWATCH_TEST_CACHE", Path.home() / ".cache" / "babelwatch-tests")) / "kafka"

MakeSettings = Callable[..., Settings]


@pytest.fixture(autouse=True)
def _no_services_of_the_user(monkeypatch: pytest.MonkeyPatch) -> None:
    """No test may reach the services, or obey the settings, of whoever runs it."""
    for name in list(os.environ):
        if name in {"KAFKA_BROKERS", "CLICKHOUSE_URL"} or (
            name.startswith("BABELWATCH_") and not name.startswith("BABELWATCH_TEST_")
        ):
            monkeypatch.delenv(name)


@pytest.fixture
def make_settings(tmp_path: Path) -> MakeSettings:
    """Return a function that makes settings for this test: its own data folder, free ports, short timeouts."""

    def make(**overrides: Any) -> Settings:
        defaults: dict[str, Any] = {
            "data_dir": tmp_path / "data",
            "web_port": 0,
            "dashboard_port": 0,
            "connect_timeout_s": 30.0,
        }
        return load_settings(**(defaults | overrides))

    return make


@pytest.fixture(scope="session")
def clickhouse_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedClickHouse]:
    """One embedded ClickHouse for all tests. Do not stop or kill it."""
    with EmbeddedClickHouse(tmp_path_factory.mktemp("clickhouse")) as server:
        yield server


@pytest.fixture
def clickhouse_url(clickhouse_server: EmbeddedClickHouse) -> Iterator[str]:
    """URL of a database of this test's own. It does not exist yet: `migrate` creates it."""
    from clickhouse_driver import Client

    database = f"t_{uuid.uuid4().hex[:12]}"
    server = clickhouse_server.url.rpartition("/")[0]
    yield f"{server}/{database}"
    client = Client.from_url(f"{server}/default")
    client.execute(f"DROP DATABASE IF EXISTS {database} SYNC")
    client.disconnect()


@pytest.fixture
def kafka_embedded(tmp_path: Path) -> Iterator[str]:
    """Address of an embedded broker of this test's own."""
    with EmbeddedBroker(tmp_path / "broker") as broker:
        yield broker.address


@pytest.fixture(scope="session")
def apache_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Address of one Apache Kafka broker for all tests, or skip with the reason."""
    folder = tmp_path_factory.mktemp("apache-kafka")
    broker = ApacheKafka(folder)
    broker.start()
    yield broker.address
    broker.stop()


@pytest.fixture
def kafka_apache(apache_server: str) -> str:
    """Address of Apache Kafka with neither topics nor groups, or skip with the reason."""
    _empty(apache_server)
    return apache_server


@pytest.fixture(
    params=[
        pytest.param("kafka_embedded", id="embedded", marks=pytest.mark.embedded),
        pytest.param("kafka_apache", id="apache", marks=pytest.mark.apache),
    ]
)
def kafka(request: pytest.FixtureRequest) -> str:
    """Address of a broker without topics: the test runs once on the embedded broker and once on Apache Kafka."""
    address: str = request.getfixturevalue(request.param)
    return address


class ApacheKafka:
    """Apache Kafka as one process on free loopback ports, its jars from Maven Central cached outside the tree."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._port, self._controller = free_port(), free_port()
        self._jars = _jars()
        self._java = ["java", "-Xmx512m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-cp", f"{self._jars}/*"]
        self._child = Child("Apache Kafka", [], folder / "kafka.log")

    @property
    def address(self) -> str:
        """host:port."""
        return f"127.0.0.1:{self._port}"

    @property
    def pid(self) -> int:
        """Process id of the server."""
        return self._child.pid

    def start(self) -> None:
        """Format its folder, start it, and return when it listens."""
        data, config = self._folder / "data", self._folder / "server.properties"
        text = (APACHE / "server.properties").read_text(encoding="utf-8")
        for name, value in (("PORT", self._port), ("CONTROLLER", self._controller), ("DATA", data)):
            text = text.replace(f"@{name}@", str(value))
        config.write_text(text, encoding="utf-8")
        cluster = "MkU3OEVBNTcwNTJENDM2Qg"  # any 16 bytes in base64
        subprocess.run(
            [*self._java, "kafka.tools.StorageTool", "format", "-t", cluster, "-c", str(config)],
            check=True,
            capture_output=True,
            timeout=60,
        )
        self._child = Child(
            "Apache Kafka", [*self._java, "kafka.Kafka", str(config)], self._folder / "kafka.log", cwd=self._folder
        )
        self._child.start()
        if not self._child.wait_ready(lambda: listens(self.pid, self._port), 60):
            pytest.fail(f"Apache Kafka did not start ({self._child.how_it_ended()}): {self._child.last_words()}")

    def stop(self) -> None:
        """Stop it."""
        self._child.stop(10)


def _jars() -> Path:
    """Folder with the server's jars, fetched once. Skips the test where that cannot be."""
    for program in ("java", "mvn"):
        if shutil.which(program) is None:
            pytest.skip(f"Apache Kafka needs {program}, which this machine does not have")
    pom = APACHE / "pom.xml"
    folder = CACHE / hashlib.sha256(pom.read_bytes()).hexdigest()[:12]
    if not folder.is_dir():
        partial = folder.with_name(f"{folder.name}.{os.getpid()}")
        copy = ["mvn", "-q", "-B", "-f", str(pom), "dependency:copy-dependencies", f"-DoutputDirectory={partial}"]
        result = subprocess.run(copy, check=False, capture_output=True, text=True, timeout=240)
        if result.returncode:
            shutil.rmtree(partial, ignore_errors=True)
            pytest.skip(f"Maven could not fetch Apache Kafka: {(result.stdout + result.stderr)[-300:]}")
        try:
            partial.rename(folder)
        except OSError:  # another run was quicker
            shutil.rmtree(partial)
    return folder


def _empty(address: str, timeout_s: float = 30.0) -> None:
    """Delete all topics and groups; returns when they are gone."""
    from kafka.admin import KafkaAdminClient

    with KafkaAdminClient(bootstrap_servers=address) as admin:
        deadline = time.monotonic() + timeout_s
        while True:
            # Members of killed workers are in their groups until the session timeout; such a group is deleted later.
            groups = [group["group_id"] for group in admin.list_groups()]
            left = [g for g, result in (admin.delete_groups(groups) if groups else {}).items() if result != "OK"]
            topics = [name for name in admin.list_topics() if not name.startswith("__")]
            if topics:
                admin.delete_topics(topics, raise_errors=False)
            if not topics and not left:
                return
            if time.monotonic() > deadline:
                pytest.fail(f"Apache Kafka still has topics {topics} and groups {left}")
            time.sleep(0.1)
