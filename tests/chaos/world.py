"""Everything that runs while faults come: services, the network between them, workers."""

import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Self

from pydantic import SecretStr

from pipeline.embedded.clickhouse import EmbeddedClickHouse
from pipeline.embedded.environment import child_environment
from pipeline.embedded.ports import LOOPBACK, free_port
from pipeline.settings import Settings, load_settings
from tests.chaos.brokers import Broker, broker_of
from tests.chaos.clock import Clocks
from tests.chaos.disk import Disk
from tests.chaos.fleet import Fleet, names, role_of
from tests.chaos.network import Network
from tests.chaos.tools import NotHere
from tests.chaos.workload import BRANDS_YAML

ROOT: Final = Path(__file__).parents[2]
PARTITIONS: Final = 4
PRODUCERS: Final = "producers"
"""Name of the link between the harness's producers and the broker."""
_DISK_BASE: Final = 512 * 2**20
_DISK_PER_MENTION: Final = 4_096
"""Of the small disk: parts before and after a merge, and what was not cleaned up yet."""


@dataclass
class World:
    """``start`` it, use it, ``stop`` it. ``missing``: facility (network, disk, clock) -> why it is not here."""

    folder: Path
    broker: Broker
    clickhouse: EmbeddedClickHouse
    fleet: Fleet
    settings: Settings
    """For the harness itself: direct addresses."""
    network: Network | None
    disk: Disk | None
    clocks: Clocks | None
    missing: dict[str, str] = field(default_factory=dict)
    clickhouse_links: tuple[str, ...] = ()

    @classmethod
    def build(
        cls,
        folder: Path,
        broker_name: str,
        workers: int,
        mentions: int,
        say: Callable[[str], object],
        extra: dict[str, str],
        no_disk: str = "",
    ) -> Self:
        """Put everything together; services run when it returns, workers do not.

        ``extra`` goes into the workers' environment; ``no_disk`` says why there is no small disk. Raises NotHere
        without the broker.
        """
        missing: dict[str, str] = {}
        network = _network(folder, missing)
        disk = _disk(folder / "clickhouse", mentions, no_disk, missing)
        clocks = _clocks(folder, missing)
        all_names = names(workers)
        broker = broker_of(broker_name, folder, [*all_names, PRODUCERS], network)
        broker.start()
        clickhouse = EmbeddedClickHouse(folder, free_port(), free_port())
        clickhouse.start()
        brands = folder / "brands.yaml"
        brands.write_text(BRANDS_YAML, encoding="utf-8")
        settings = load_settings(
            data_dir=folder,
            kafka_brokers=broker.address,
            clickhouse_url=clickhouse.url,
            brands_file=brands,
            topic_partitions=PARTITIONS,
            author_key="chaos",
        )
        environments: dict[str, dict[str, str]] = {}
        links = []
        for name in all_names:
            url = clickhouse.url
            if network and role_of(name) == "sink":
                direct = f"{LOOPBACK}:{clickhouse.tcp_port}"
                url = url.replace(direct, network.link(f"{name}-clickhouse", direct))
                links.append(name)
            own = settings.model_copy(
                update={"kafka_brokers": broker.address_for(name), "clickhouse_url": SecretStr(url)}
            )
            environments[name] = child_environment(own) | {"PYTHONPATH": str(ROOT)} | extra
            if clocks:
                environments[name] |= clocks.environment(name)
        fleet = Fleet(folder, environments, say)
        return cls(folder, broker, clickhouse, fleet, settings, network, disk, clocks, missing, tuple(links))

    def stop(self) -> None:
        """End everything. Logs stay, the data of the services goes."""
        self.fleet.stop()
        self.clickhouse.child.stop(10)
        self.broker.child.stop(10)
        if self.network:
            self.network.stop()
        if self.disk:
            self.disk.remove()
        for data in ("kafka", "clickhouse"):
            shutil.rmtree(self.folder / data, ignore_errors=True)


def _network(folder: Path, missing: dict[str, str]) -> Network | None:
    try:
        return Network(folder)
    except NotHere as reason:
        missing["network"] = str(reason)
        return None


def _disk(folder: Path, mentions: int, no_disk: str, missing: dict[str, str]) -> Disk | None:
    try:
        if no_disk:
            raise NotHere(no_disk)
        return Disk(folder, _DISK_BASE + mentions * _DISK_PER_MENTION)
    except NotHere as reason:
        missing["disk"] = str(reason)
        return None


def _clocks(folder: Path, missing: dict[str, str]) -> Clocks | None:
    try:
        return Clocks(folder / "clocks")
    except NotHere as reason:
        missing["clock"] = str(reason)
        return None
