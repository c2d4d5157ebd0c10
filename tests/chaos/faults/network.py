"""Faults of one link: a worker or the producers and the broker (all with the embedded one), a sink and ClickHouse."""

import random

from tests.chaos.faults.base import Fault
from tests.chaos.network import Network
from tests.chaos.schedule import Planned
from tests.chaos.world import World


class _OnLink(Fault):
    verb = ""
    what = ""

    def __init__(self, service: str) -> None:
        self.service = service
        self.name = f"{self.verb}-{service}"
        ends = "workers or producers and the broker" if service == "broker" else "sinks and ClickHouse"
        self.what = f"{self.what} between {ends}"

    def available(self, world: World) -> str | None:
        return world.missing.get("network")

    def targets(self, world: World) -> tuple[str, ...]:
        return world.broker.links() if self.service == "broker" else world.clickhouse_links

    def holds(self, target: str) -> str:
        return f"{target}-{self.service}"

    def start(self, world: World, planned: Planned) -> str:
        assert world.network is not None
        return self._spoil(world.network, f"{planned.target}-{self.service}", random.Random(planned.seed))

    def end(self, world: World, planned: Planned) -> None:
        assert world.network is not None
        world.network.heal(f"{planned.target}-{self.service}")

    def _spoil(self, network: Network, link: str, rng: random.Random) -> str:
        raise NotImplementedError


class Cut(_OnLink):
    verb = "cut"
    what = "connections closed and refused"
    lasts = (2.0, 13.0)

    def _spoil(self, network: Network, link: str, rng: random.Random) -> str:
        network.cut(link)
        return ""


class Slow(_OnLink):
    verb = "slow"
    what = "latency and little bandwidth"
    lasts = (3.0, 8.0)

    def _spoil(self, network: Network, link: str, rng: random.Random) -> str:
        latency, rate = rng.randrange(100, 800), rng.randrange(50, 300)
        for stream in ("upstream", "downstream"):
            network.spoil(link, "latency", stream, latency=latency, jitter=latency // 2)
            network.spoil(link, "bandwidth", stream, rate=rate)
        return f"{latency} ms, {rate} KB/s each way"


class HalfOpen(_OnLink):
    verb = "half-open"
    what = "connections that stay open and carry nothing"
    lasts = (4.0, 13.0)

    def _spoil(self, network: Network, link: str, rng: random.Random) -> str:
        both = rng.random() < 0.5
        for stream in ("upstream", "downstream") if both else ("downstream",):
            network.spoil(link, "timeout", stream, timeout=0)
        return "both ways" if both else "answers only"


class AnswerLost(_OnLink):
    """Each connection is closed after so many bytes of answers: requests arrive, some answers do not."""

    verb = "answer-lost"
    what = "inserts that arrive, answers that are dropped,"
    lasts = (3.0, 8.0)

    def __init__(self) -> None:
        super().__init__("clickhouse")
        self.name = "answer-lost"

    def _spoil(self, network: Network, link: str, rng: random.Random) -> str:
        limit = rng.choice((400, 1_000, 2_000, 3_000, 5_000, 8_000))
        network.spoil(link, "limit_data", "downstream", bytes=limit)
        return f"after {limit} bytes of answers"
