"""What a kill of the embedded broker loses, shown and counted: its log is its memory."""

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from clickhouse_driver import Client

from schemas.ids import mention_id
from tests.chaos.findings import Finding
from tests.chaos.offsets import Offsets
from tests.chaos.sender import Sender
from tests.chaos.workload import Message, iso
from tests.chaos.world import World

BEFORE: Final = 400
AFTER: Final = 100
NOTICE_S: Final = 30.0
"""Within so long every worker has to notice that the broker is another one."""
WAIT_S: Final = 60.0


@dataclass(frozen=True)
class Loss:
    """``before`` mentions were confirmed when the broker was killed; ``after`` were sent to the one that followed."""

    before: int
    before_stored: int
    after: int
    after_stored: int
    workers: int
    noticed: int
    """Workers that ended because the broker had lost its data (exit code 9), within 30 s."""
    said: list[str]
    """What workers name on their health pages as the reason why the second part is not stored in full."""

    @property
    def findings(self) -> list[Finding]:
        """Loss is expected; going on without a word, or not going on, is not."""
        found = []
        if blind := self.workers - self.noticed:
            example = f"{self.noticed} of {self.workers} ended with exit code 9 within {NOTICE_S:.0f} s"
            found.append(Finding("a worker did not notice that the broker lost its data", blind, example))
        if self.after_stored != self.after and not self.said:
            missing = self.after - self.after_stored
            example = f"{self.after_stored} of {self.after} stored, and no worker says why"
            found.append(Finding("lost in silence after the broker's loss", missing, example))
        return found


def kill_broker(world: World, client: Client, say: Callable[[str], object]) -> Loss:
    """Send, kill the broker, start another, send again; wait until the second part is stored."""
    _send(world, "before", BEFORE)
    say(f"broker-loss: {BEFORE} mentions confirmed; the broker is killed")
    world.broker.child.kill()
    world.broker.start()
    deadline = time.monotonic() + NOTICE_S
    while _noticed(world) < len(world.fleet.children) and time.monotonic() < deadline:
        time.sleep(0.5)
    noticed = _noticed(world)
    world.fleet.wait(list(world.fleet.children))
    _send(world, "after", AFTER)
    deadline = time.monotonic() + WAIT_S
    offsets = Offsets(world.broker.address)
    while time.monotonic() < deadline:
        behind = offsets.behind()
        if behind is not None and not any(behind.values()) and _stored(client, "after") == AFTER:
            break
        time.sleep(1)
    offsets.close()
    said = []
    if _stored(client, "after") < AFTER:
        # What a worker committed to the second broker before it noticed is beyond the end of its short log.
        for name in world.fleet.children:
            said += [f"{name}: {text}" for text in world.fleet.status(name).get("problems", []) if "beyond" in text]
    return Loss(
        BEFORE, _stored(client, "before"), AFTER, _stored(client, "after"), len(world.fleet.children), noticed, said
    )


def _noticed(world: World) -> int:
    return sum(times for (_, ended), times in world.fleet.ends.items() if ended == "exit code 9")


def _send(world: World, name: str, count: int) -> None:
    from pipeline.kafka.admin import ensure_topics

    ensure_topics(world.settings)
    now = iso(int(time.time() * 1000))
    sender = Sender(world.broker.address)
    messages = []
    for n in range(count):
        event = {"source": f"loss-{name}", "id": str(n), "text": f"Lumora {n}", "published_at": now}
        key = mention_id("default", f"loss-{name}", str(n), None, None, "").encode()
        messages.append((n, Message("mention", json.dumps(event).encode(), key)))
    sender.send(messages)
    sender.close()


def _stored(client: Client, name: str) -> int:
    sql = "SELECT uniqExact(mention_id) FROM mentions FINAL WHERE source = %(s)s AND is_deleted = 0"
    return int(client.execute(sql, {"s": f"loss-{name}"})[0][0])
