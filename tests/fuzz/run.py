"""One run: the whole pipeline, poison at every entrance with good mentions in between, then the accounts."""

import json
import random
import secrets
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import httpx
import msgspec

from pipeline.embedded.child import Child
from pipeline.embedded.environment import child_environment
from pipeline.embedded.ports import free_port
from pipeline.kafka.admin import read_incarnation
from schemas.events import BrandMatch, DetectedMention, Origin, ScoredMention, encode
from tests.browser.stage import scored
from tests.fuzz import values
from tests.fuzz.accounts import Accounts, account, counters, figures
from tests.fuzz.entrances import Files, Http, Topics
from tests.fuzz.guided import search
from tests.fuzz.messages import Maker, Poison, good
from tests.rig import ROOT, Rig, rig

CHUNK: Final = 1_500
BACKLOG: Final = 20_000
SAY_S: Final = 10.0
SHARES: Final = {"mentions": 0.55, "http": 0.15, "mentions.detected": 0.1, "mentions.scored": 0.1, "files": 0.07}
"""Of the poison; the rest goes into mentions.dead and the control topics."""
CONTROL: Final = ("babelwatch.model", "babelwatch.serving")
PER_FILE: Final = 500
PER_REQUEST: Final = 40


@dataclass
class Outcome:
    """What a run has to say."""

    broker: str
    seed: int
    poison: int = 0
    good: int = 0
    kinds: Counter[str] = field(default_factory=Counter)
    seconds: float = 0.0
    accounts: Accounts = field(default_factory=Accounts)
    http: dict[str, Any] = field(default_factory=dict)
    files: dict[str, Any] = field(default_factory=dict)
    guided: dict[str, Any] = field(default_factory=dict)
    refused: dict[str, int] = field(default_factory=dict)
    wrong: list[str] = field(default_factory=list)
    at: str = field(default_factory=lambda: datetime.now(UTC).isoformat(timespec="seconds"))

    def data(self) -> dict[str, Any]:
        """For a report."""
        return {
            "broker": self.broker,
            "seed": self.seed,
            "at": self.at,
            "poison": self.poison,
            "good": self.good,
            "kinds": dict(self.kinds.most_common()),
            "guided": self.guided,
            "seconds": round(self.seconds, 1),
            **figures(self.accounts),
            "http": self.http,
            "files": self.files,
            "refused_by_producer_or_broker": self.refused,
            "wrong": self.wrong,
        }


def run(broker: str, count: int, seed: int, folder: Path, say: Callable[[str], object], mutation: str = "") -> Outcome:
    """Send ``count`` poisoned messages, to workers with a defect if asked. Raises NotHere without the broker."""
    began = time.monotonic()
    outcome = Outcome(broker, seed)
    token = secrets.token_urlsafe(24)
    settings: dict[str, Any] = {
        "api_token": token,
        "http_rate_per_s": 1e6,
        "http_burst": 10**6,
        "connect_timeout_s": 60.0,
    }
    say("Hypothesis generates values")
    found = values.of_hypothesis(max(200, count // 20), seed)
    say("atheris searches")
    rng = random.Random(seed)
    raw = [json.dumps(good(n, rng) | {"id": f"base-{n}"}).encode() for n in range(50)]
    guided = search(folder / "guided", raw, count, seed)
    outcome.guided = {"runs": guided.runs, "kept": len(guided.kept), "skipped": guided.skipped}
    spoiled = {"CHAOS_JUDGE": "real", "CHAOS_MUTATION": mutation, "CHAOS_ONE_IN": "100"} if mutation else {}
    with rig(broker, stub=bool(mutation), environment=spoiled, **settings) as bench:
        port = free_port()
        environment = child_environment(bench.settings) | {"PYTHONPATH": str(ROOT)}
        page = Child(
            "dashboard",
            [sys.executable, "-m", "pipeline.cli", "dashboard", "--port", str(port)],
            folder / "dashboard.log",
            env=environment,
        )
        page.start()
        try:
            http = Http(f"http://127.0.0.1:{port}/v1/mentions", token)
            page.wait_ready(lambda: _answers(http.url), 60)
            files = Files(environment, folder)
            topics = Topics(bench.broker.address)
            ids = _send(bench, outcome, count, rng, _makers(rng, raw, found, guided.kept), topics, http, files, say)
            topics.close()
            _settle(bench, outcome, say)
            sink = counters(bench.fleet.url("sink-1"), "babelwatch_sink_mentions_total", "outcome")
            incarnation = read_incarnation(bench.settings)
            arrived = http.accepted + files.sent
            outcome.accounts = account(bench.client, bench.broker.address, incarnation, topics.sent, ids, arrived, sink)
            _ends(bench, page, outcome)
        finally:
            page.stop(10)
            for log in Path(bench.settings.data_dir).glob("logs/*.log"):
                (folder / log.name).write_bytes(log.read_bytes())
    outcome.refused = {topic: sent.refused for topic, sent in topics.sent.items() if sent.refused}
    outcome.http = {"statuses": dict(http.statuses), "accepted": http.accepted, "refused": http.refused}
    outcome.files = {
        "exit_codes": dict(files.runs),
        "lines": files.lines,
        "sent": files.sent,
        "rejected": files.rejected,
    }
    if http.unconfirmed:
        outcome.wrong.append(f"{http.unconfirmed} items over HTTP were not confirmed")
    outcome.wrong += [*guided.found[:20], *outcome.accounts.wrong, *http.wrong[:20], *files.wrong[:20]]
    outcome.seconds = time.monotonic() - began
    return outcome


def _send(
    bench: Rig,
    outcome: Outcome,
    count: int,
    rng: random.Random,
    makers: Mapping[str, Maker],
    topics: Topics,
    http: Http,
    files: Files,
    say: Callable[[str], object],
) -> list[str]:
    """Everything, in chunks; returns the ids of the good mentions."""
    ids: list[str] = []
    waiting: dict[str, list[bytes]] = {"http": [], "files": []}
    said_at = time.monotonic()
    while outcome.poison < count:
        shots: dict[str, list[Poison]] = {}
        for _ in range(min(CHUNK, count - outcome.poison)):
            entrance = _entrance(rng)
            one = makers["mentions.dead" if entrance in CONTROL else entrance].make()
            shots.setdefault(entrance, []).append(one)
            outcome.kinds[one.kind] += 1
            outcome.poison += 1
        # One in seven is good: a worker that sees nothing but poison stops, and says so (docs/dead-letters.md).
        for _ in range(CHUNK // 7):
            event = good(len(ids), rng)
            ids.append(event["id"])
            value = json.dumps(event).encode()
            shots.setdefault("mentions", []).append(Poison("good", None, value))
        for entrance, messages in shots.items():
            if entrance in waiting:
                waiting[entrance] += [one.value for one in messages]
            else:
                rng.shuffle(messages)
                topics.send(entrance, messages)
        for items in _cut(waiting["http"], PER_REQUEST):
            http.post(rng, items)
        for items in _cut(waiting["files"], PER_FILE):
            files.ingest(rng, sum(files.runs.values()), items)
        if time.monotonic() - said_at > SAY_S:
            said_at = time.monotonic()
            say(f"{outcome.poison:,} of {count:,} poisoned messages, {len(ids):,} good ones")
        _wait(bench, BACKLOG)
    if waiting["files"]:
        files.ingest(rng, sum(files.runs.values()), waiting["files"])
    if waiting["http"]:
        http.post(rng, waiting["http"])
    outcome.good = len(ids)
    return ids


def _makers(
    rng: random.Random, raw: Sequence[bytes], found: Sequence[Any], guided: Sequence[bytes]
) -> dict[str, Maker]:
    """By entrance; those of the control topics are mentions.dead's."""
    return {
        "mentions": Maker(rng, raw, found, guided=guided),
        "http": Maker(rng, raw, found, mostly_json=True),
        "files": Maker(rng, raw, found, mostly_json=True),
        "mentions.detected": Maker(rng, [encode(_detected(n)) for n in range(50)], found),
        "mentions.scored": Maker(rng, [encode(_scored(n)) for n in range(50)], found),
        "mentions.dead": Maker(rng, raw, found),
    }


def _entrance(rng: random.Random) -> str:
    left = rng.random()
    for name, share in SHARES.items():
        left -= share
        if left < 0:
            return name
    return "mentions.dead" if rng.random() < 0.8 else rng.choice(CONTROL)


def _cut(waiting: list[bytes], size: int) -> Iterator[list[bytes]]:
    while len(waiting) >= size:
        yield waiting[:size]
        del waiting[:size]


def _lag(bench: Rig) -> int | None:
    """Messages that are open, as the workers see it; None when one does not say."""
    found = 0
    for name in bench.fleet.children:
        partitions = bench.fleet.status(name).get("partitions")
        if partitions is None:
            return None
        found += sum(one["lag"] for one in partitions)
    return found


def _wait(bench: Rig, most: int) -> None:
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline and not bench.fleet.ends and ((lag := _lag(bench)) is None or lag > most):
        time.sleep(0.5)


def _settle(bench: Rig, outcome: Outcome, say: Callable[[str], object]) -> None:
    say("waits until everything is processed")
    deadline, quiet = time.monotonic() + 600, 0
    while quiet < 6:
        if time.monotonic() > deadline or bench.fleet.ends:
            outcome.wrong.append(f"not processed: {_lag(bench)} messages are open")
            return
        quiet = quiet + 1 if _lag(bench) == 0 else 0
        time.sleep(1)


def _ends(bench: Rig, page: Child, outcome: Outcome) -> None:
    for (role, how), times in bench.fleet.ends.items():
        outcome.wrong.append(f"a {role} worker ended {times} times: {how}")
    if not page.running:
        outcome.wrong.append(f"the dashboard ended: {page.how_it_ended()}")
    for name in bench.fleet.children:
        if not bench.fleet.status(name).get("member"):
            outcome.wrong.append(f"{name} is no member of its group any more")


def _answers(url: str) -> bool:
    try:
        return httpx.post(url, content=b"{}", timeout=2).status_code == 401
    except httpx.HTTPError:
        return False


def _scored(number: int) -> ScoredMention:
    found = scored(
        f"Lumora works {number}",
        label="positive",
        brands=[BrandMatch(brand="lumora", start=0, end=6)],
        source="fuzz",
        ident=f"behind-{number}",
    )
    # The accounts leave out what claims to come from there.
    return msgspec.structs.replace(
        found, origin=Origin(incarnation="forged", topic="mentions", partition=0, offset=number)
    )


def _detected(number: int) -> DetectedMention:
    found = _scored(number)
    return DetectedMention(
        **{name: getattr(found, name) for name in DetectedMention.__struct_fields__ if name not in {"type", "version"}}
    )
