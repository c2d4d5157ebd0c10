"""Every fault, by name."""

from typing import Final

from tests.chaos.faults.base import Fault
from tests.chaos.faults.clock import ClockJump
from tests.chaos.faults.disk import DiskFull
from tests.chaos.faults.network import AnswerLost, Cut, HalfOpen, Slow
from tests.chaos.faults.never import BrokerKilledInMemory
from tests.chaos.faults.partitions import PartitionsAdded
from tests.chaos.faults.services import KillService, StopService, TermService
from tests.chaos.faults.workers import KillWorker, StopWorker, TermWorker

FAULTS: Final[dict[str, Fault]] = {
    fault.name: fault
    for fault in (
        KillWorker(),
        StopWorker(),
        TermWorker(),
        KillService("clickhouse"),
        StopService("clickhouse"),
        TermService("clickhouse"),
        KillService("broker"),
        StopService("broker"),
        TermService("broker"),
        Cut("broker"),
        Slow("broker"),
        HalfOpen("broker"),
        Cut("clickhouse"),
        Slow("clickhouse"),
        HalfOpen("clickhouse"),
        AnswerLost(),
        DiskFull(),
        ClockJump(),
        PartitionsAdded(),
        BrokerKilledInMemory(),
    )
}
