"""One run: start everything, send the workload through the faults, wait until it is processed, check, report."""

import platform
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from itertools import islice
from typing import Final

import psutil
from clickhouse_driver import Client

from tests.chaos import loss
from tests.chaos.checker import check
from tests.chaos.director import Director
from tests.chaos.faults import FAULTS
from tests.chaos.findings import Finding
from tests.chaos.form import Form
from tests.chaos.inputs import InputFile
from tests.chaos.mutations import MUTATIONS
from tests.chaos.offsets import Offsets
from tests.chaos.report import Report
from tests.chaos.schedule import Kind, Planned, draw
from tests.chaos.sender import Sender
from tests.chaos.still import STILL_S, Still
from tests.chaos.workload import workload
from tests.chaos.world import PRODUCERS, World

CHUNK: Final = 200
"""Messages that are sent at once: a burst, with faults between two of them."""
SAY_S: Final = 5.0
QUIET_S: Final = 3.0
"""The pipeline has finished when nothing was open for so long."""


def run(form: Form, say: Callable[[str], object]) -> Report:
    """Do one run. Raises NotHere without the broker, RuntimeError when something does not start."""
    begin = time.monotonic()
    report = Report(form, datetime.now(UTC).isoformat(timespec="seconds"), _machine())
    extra = {"CHAOS_JUDGE": form.judge, "CHAOS_MUTATION": form.mutation, "CHAOS_ONE_IN": str(form.one_in)}
    world = World.build(form.folder, form.broker, form.workers, form.mentions, say, extra, form.no_disk)
    try:
        plan = plan_of(form, world, report)
        _stream(form, world, plan, report, say)
        client = Client.from_url(world.clickhouse.url)
        report.verdict = check(client, world.broker.address, form.folder / "input.jsonl", say)
        report.findings += report.verdict.findings
        if form.broker_loss and not world.broker.durable and not form.mutation:
            report.loss = loss.kill_broker(world, client, say)
            report.findings += report.loss.findings
    finally:
        report.ends = {f"{role}: {how}": n for (role, how), n in world.fleet.ends.items()}
        report.restarts = world.fleet.restarts()
        world.stop()
    report.total_s = round(time.monotonic() - begin, 1)
    return report


def plan_of(form: Form, world: World, report: Report) -> list[Planned]:
    """The schedule of a run, and in ``report`` what cannot be run here."""
    if form.mutation:
        return _plan_of_mutation(form)
    kinds = []
    for name, fault in FAULTS.items():
        if (reason := fault.available(world)) is not None:
            report.not_run[name] = reason
        elif not (targets := fault.targets(world)):
            report.not_run[name] = "there is nothing that it could hit"
        elif fault.withheld and name not in form.only:
            report.not_run[name] = fault.withheld
        elif form.only and name not in form.only:
            report.not_run[name] = "not asked for"
        else:
            kinds.append(Kind(name, targets, *fault.lasts))
    return draw(form.seed, form.mentions, form.faults, kinds)


def _plan_of_mutation(form: Form) -> list[Planned]:
    """The faults that bring a mutation out, on every worker or service that they can hit, five times."""
    plan = []
    for fault, targets in MUTATIONS[form.mutation].faults:
        for part in (0.2, 0.35, 0.5, 0.65, 0.8):
            at = int(form.mentions * part)
            plan += [Planned(at, fault, target, 1.0, seed=300) for target in targets]
    return plan


def _stream(form: Form, world: World, plan: Sequence[Planned], report: Report, say: Callable[[str], object]) -> None:
    from pipeline.kafka.admin import ensure_topics

    ensure_topics(world.settings)
    say(f"starts {len(world.fleet.children)} workers")
    world.fleet.start()
    sender = Sender(world.broker.address_for(PRODUCERS))
    offsets = Offsets(world.broker.address)
    director = Director(world, plan, say)
    begin = time.monotonic()
    try:
        _send(form, plan, sender, offsets, director, say)
        director.finish()
        _settle(form, world, offsets, director, report, say)
    finally:
        sender.close()
        offsets.close()
    report.stream_s = round(time.monotonic() - begin, 1)
    report.sent_again = sender.again
    report.faults = director.happened
    for happened in director.happened:
        if happened.error:
            what = f"{happened.planned.fault} on {happened.planned.target}"
            report.findings.append(Finding("a fault that did not begin or end", 1, f"{what}: {happened.error}"))
    for ended in director.ended_by_itself:
        report.findings.append(Finding("a service ended by itself", 1, ended))
    for name in world.fleet.failed():
        report.findings.append(Finding("a worker gave up for good", 1, f"{name}: see its log"))


def _send(
    form: Form,
    plan: Sequence[Planned],
    sender: Sender,
    offsets: Offsets,
    director: Director,
    say: Callable[[str], object],
) -> None:
    """Send everything, in bursts, no quicker than the pipeline and slowly enough that faults meet traffic."""
    messages = workload(form.seed, form.mentions, int(time.time() * 1000))
    lasts = sum(planned.seconds for planned in plan) / 1.5 + 2.0 * len(plan)
    pause = lasts * CHUNK / form.mentions
    next_at = said_at = time.monotonic()
    with InputFile(form.folder / "input.jsonl") as file:
        while chunk := list(islice(messages, CHUNK)):
            numbered = [(file.add(message), message) for message in chunk]
            file.flush()
            sender.send(numbered)
            director.due(file.lines)
            director.mend()
            behind = None
            while True:
                behind = _open(offsets)
                if time.monotonic() - said_at >= SAY_S:
                    said_at = time.monotonic()
                    say(f"sent {file.lines:,} of {form.mentions:,}, {_words(behind)}, {director.left} faults to come")
                if behind is None or behind <= form.backlog:
                    break
                director.mend()
                time.sleep(0.2)
            next_at = max(next_at + pause, time.monotonic())
            time.sleep(max(0.0, next_at - time.monotonic()))
    director.due(form.mentions)


def _settle(
    form: Form,
    world: World,
    offsets: Offsets,
    director: Director,
    report: Report,
    say: Callable[[str], object],
) -> None:
    """Return when nothing has been open for a while, or it takes too long: that is a finding, as is a long halt."""
    still = Still()
    deadline = time.monotonic() + form.settle_s
    quiet_since: float | None = None
    said_at = time.monotonic()
    while True:
        director.mend()
        behind = offsets.behind()
        open_ = None if behind is None else sum(behind.values())
        now = time.monotonic()
        if still.look(now, open_):
            report.findings.append(Finding("the pipeline stood still", 1, f"{STILL_S:.0f} s without a fault: {behind}"))
        if open_ is None or open_:
            quiet_since = None
        elif quiet_since is None:
            quiet_since = now
        elif now - quiet_since >= QUIET_S:
            return
        if now - said_at >= SAY_S:
            said_at = now
            say(f"waits for the pipeline, {_words(open_)}")
        if now > deadline:
            example = str(behind) if behind is not None else "the broker does not say"
            report.findings.append(
                Finding("not processed in time", 1, f"{form.settle_s:.0f} s after the last: {example}")
            )
            return
        time.sleep(0.3)


def _open(offsets: Offsets) -> int | None:
    behind = offsets.behind()
    return None if behind is None else sum(behind.values())


def _words(behind: int | None) -> str:
    return "the broker does not say how many are open" if behind is None else f"{behind:,} open"


def _machine() -> str:
    memory = psutil.virtual_memory().total / 2**30
    return f"{psutil.cpu_count()} cores, {memory:.0f} GiB, {platform.platform()}, Python {platform.python_version()}"
