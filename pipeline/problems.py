"""What a person has to look at, each in one line that names the thing, the reason and what happens next. Pure."""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any, Final

Part = Mapping[str, Any]
RECENT_S: Final = 3600.0
"""How long a restart is still told, when all is well again."""
WORDS: Final = 200
STILL_S: Final = 20.0
"""How long messages may wait without a commit: as a worker's own (agents.verdict.HealthPolicy.stalled_s)."""


def service_problems(services: Mapping[str, Part]) -> list[str]:
    """Services that do not answer."""
    return [f"{name}: {part['error']}" for name, part in services.items() if not part["up"]]


def row_problems(rows: Part) -> list[str]:
    """What is wrong with what is stored."""
    if pages := rows.get("uncounted_pages"):
        return [f"rescore: a run was killed, {pages} pages may be counted wrongly: `babelwatch rescore` heals them"]
    return []


def worker_problems(workers: Iterable[Part]) -> list[str]:
    """Workers that are not well."""
    return [said for worker in workers if (said := worker_problem(worker))]


def worker_problem(worker: Part) -> str:
    """Why one worker is not well; empty when it is."""
    name = f"worker {worker['role']}"
    if said := process_problem(name, worker):
        return said
    if worker["healthy"]:
        return ""
    says = "; ".join(worker["problems"]) or worker.get("seen") or "does not answer"
    after = f", after it ended ({worker['ended']})" if worker.get("starting") and worker["ended"] else ""
    return f"{name}: {says}{after}"


def process_problem(name: str, process: Part) -> str:
    """Why a process of `up` does not run as it should; empty when it runs (it may still be unwell)."""
    state, ended = process["state"], process["ended"]
    where = f"see logs/{process['role']}.log in the data folder"
    if state == "failed":
        return f"{name}: failed ({ended}), not started again: {last_line(process['words'])}; {where}"
    if process["crash_looping"]:
        now = "runs again" if state == "running" else "is started again, with pauses of up to 30 s"
        return (
            f"{name}: crash-looping: {process['restarts']} restarts, last end {clock(process['ended_at'])} ({ended}): "
            f"{last_line(process['words'])}; {now}; {where}"
        )
    if state == "wedged":
        return f"{name}: wedged: {process.get('seen') or process.get('problem')}; it is ended and started again"
    if state != "running":
        return f"{name}: {state} ({ended})"
    return ""


def hidden_workers(stack_brokers: str | None, brokers: str | None) -> str:
    """Why workers cannot be seen from here; empty when they can.

    ``stack_brokers``: the broker of the stack on this machine, None without one; ``brokers``: the one that is asked
    about. Workers of another broker's stack say nothing about this one's topics.
    """
    if stack_brokers is None:
        return "worker processes run elsewhere, or not at all: not visible from here"
    if stack_brokers != brokers:
        return "the stack on this machine is another one: worker processes are not visible from here"
    return ""


def standing_still(role: str, topic: str, behind: Mapping[int, int], why: str) -> str:
    """What Kafka alone tells: messages wait. ``behind``: partition -> messages; ``why``: one of the next two."""
    where = ", ".join(str(partition) for partition in behind)
    return (
        f"{role}: {sum(behind.values()):,} messages wait in {topic} (partition {where}) and {why}: "
        f"does a {role} worker run and get on?"
    )


def nothing_committed(seconds: float) -> str:
    """Somebody may be there, and does not get on."""
    return f"nothing was committed for {seconds:.0f} s"


def nobody_reads(group: str) -> str:
    """Nobody is there."""
    return f"group {group} has no member"


def restart_notices(processes: Iterable[Part], now: float) -> list[str]:
    """Restarts of the last hour that are over: nothing to do, and worth knowing."""
    return [
        f"{one['role']} was started again at {clock(one['ended_at'])} ({one['ended']})"
        for one in processes
        if one["state"] == "running" and not one["crash_looping"]
        if one["ended_at"] and now - one["ended_at"] < RECENT_S
    ]


def last_line(words: str) -> str:
    """The last line of a log that says something."""
    lines = [line.strip() for line in words.splitlines() if line.strip()]
    return lines[-1][:WORDS] if lines else "it wrote nothing"


def clock(unix: float | None) -> str:
    """A time of today, in UTC."""
    return "never" if unix is None else f"{datetime.fromtimestamp(unix, UTC):%H:%M:%S} UTC"
