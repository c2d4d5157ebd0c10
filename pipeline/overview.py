"""What an operator asks first: which services run, how far each stage is, what is stored, what is dead.

Each part stands for itself: one that does not answer leaves its error, never an empty number.
"""

import json
import urllib.request
from collections.abc import Callable
from dataclasses import asdict
from typing import Any, Final

import psutil

from pipeline.embedded.files import Run
from pipeline.errors import BabelwatchError
from pipeline.ledger_state import ledger_problems, ledger_state
from pipeline.settings import Settings

ANSWER_S: Final = 5.0
Part = dict[str, Any]
_TOLD: Final = ("healthy", "problems", "warnings", "member", "model", "rule", "model_state", "model_chosen")
"""What is taken over from a worker's /status."""


def overview(settings: Settings) -> Part:
    """Return everything as JSON-ready values; ``settings`` after :func:`pipeline.local.discover`.

    Keys: ``running, services, topics, lag, rows, dead_letters, ledger, model, workers, problems``. Holds no secret.
    """
    run = Run.read(settings.data_dir)
    workers = _workers(run)
    kafka = _asked(lambda: _kafka(settings))
    clickhouse = _asked(lambda: _clickhouse(settings, kafka.get("incarnation")))
    topics, lag = kafka.pop("topics", []), kafka.pop("lag", [])
    rows, dead = clickhouse.pop("rows", {}), clickhouse.pop("dead_letters", {})
    ledger = clickhouse.pop("ledger", {})
    kafka["address"] = settings.kafka_brokers
    kafka["embedded"] = run is not None and run.kafka_embedded and settings.kafka_brokers == run.kafka_brokers
    services = {"kafka": kafka, "clickhouse": clickhouse}
    if run is not None:
        clickhouse["embedded"] = run.clickhouse_embedded
        services["dashboard"] = _asked(lambda: _page(run.dashboard_url)) | {"address": run.dashboard_url}
    return {
        "running": None
        if run is None
        else {
            "pid": run.pid,
            "since": run.started_at,
            "data_dir": str(settings.data_dir.absolute()),
            "metrics_url": run.metrics_url,
            "processes": {name: _process(pid) for name, pid in run.processes.items()},
        },
        "services": services,
        "topics": topics,
        "lag": lag,
        "rows": rows,
        "dead_letters": dead,
        "ledger": ledger,
        "model": _asked(lambda: _model(settings, workers)),
        "workers": workers,
        "problems": _problems(services, workers, rows) + ledger_problems(ledger),
    }


def _problems(services: dict[str, Part], workers: list[Part], rows: Part) -> list[str]:
    found = [f"{name}: {part['error']}" for name, part in services.items() if not part["up"]]
    if pages := rows.get("uncounted_pages"):
        found.append(
            f"rescore: a run was killed, {pages} pages may be counted wrongly: `babelwatch rescore` heals them"
        )
    for worker in workers:
        if worker["crash_looping"]:
            found.append(f"worker {worker['role']}: crash-looping, {worker['restarts']} restarts ({worker['ended']})")
        elif worker["state"] != "running":
            found.append(f"worker {worker['role']}: {worker['state']} ({worker['ended']})")
        elif not worker["healthy"]:
            found.append(f"worker {worker['role']}: {'; '.join(worker['problems']) or 'does not answer'}")
    return found


def _asked(question: Callable[[], Part]) -> Part:
    try:
        return {"up": True, "error": "", **question()}
    except BabelwatchError as error:
        return {"up": False, "error": str(error)}
    except (OSError, ValueError) as error:
        return {"up": False, "error": f"{type(error).__name__}: {error}"}


def _kafka(settings: Settings) -> Part:
    from pipeline.kafka.admin import kind, read_incarnation, require_reachable
    from pipeline.kafka.client import unavailable
    from pipeline.kafka.offsets import OffsetReader
    from pipeline.kafka.topics import TOPICS

    try:
        require_reachable(settings)
    except OSError as error:
        raise unavailable(settings, kind(error)) from None
    with OffsetReader(settings, timeout_s=ANSWER_S) as reader:
        ends = reader.ends([topic.name for topic in TOPICS])
        topics = []
        for topic in TOPICS:
            own = {partition: end for (name, partition), end in ends.items() if name == topic.name}
            topics.append({"topic": topic.name, "partitions": len(own), "end": sum(own.values()), "ends": own})
        lag = [asdict(partition) for partition in reader.lag()]
    quick = settings.model_copy(update={"connect_timeout_s": ANSWER_S})
    return {"topics": topics, "lag": lag, "incarnation": read_incarnation(quick)}


def _clickhouse(settings: Settings, incarnation: str | None) -> Part:
    from pipeline.store.client import Address, clear_errors, connect, server_version
    from pipeline.store.deadletters import DeadLetterStore
    from pipeline.store.ledger import LedgerStore
    from pipeline.store.rescore import uncounted_pages

    url = settings.require_clickhouse()
    address = Address.of(url)
    client = connect(url, timeout_s=ANSWER_S)
    try:
        found: Part = {
            "address": str(address),
            "database": address.database,
            "version": server_version(client),
        }
        with clear_errors(client):
            alive, deleted = client.execute(
                "SELECT countIf(is_deleted = 0), countIf(is_deleted = 1) FROM mentions FINAL"
            )[0]
            tables = client.execute(
                "SELECT table, sum(rows), sum(bytes_on_disk) FROM system.parts WHERE active AND database = %(d)s "
                "GROUP BY table ORDER BY table",
                {"d": address.database},
            )
        store = DeadLetterStore(client)
        found["rows"] = {
            "mentions": alive,
            "deleted": deleted,
            "tables": [{"table": name, "rows": rows, "bytes": size} for name, rows, size in tables],
        }
        found["rows"]["uncounted_pages"] = uncounted_pages(client)
        found["ledger"] = ledger_state(LedgerStore(client), incarnation)
        found["dead_letters"] = {
            "count": store.count(),
            "open": store.open_count(),
            "by_reason": [
                {"stage": stage, "reason": reason, "count": count}
                for (stage, reason), count in store.by_reason().items()
            ],
        }
        return found
    finally:
        client.disconnect()


def _page(url: str) -> Part:
    _get(f"{url}/health")
    return {}


def _model(settings: Settings, workers: list[Part]) -> Part:
    """From the worker that serves it; without one, from the model's folder."""
    for worker in workers:
        if worker["role"] == "sentiment" and worker.get("model"):
            chosen = worker.get("model_chosen")
            return {"name": worker["model"], "rule": worker["rule"], "serving": True, "chosen": chosen}
    from pipeline.sentiment.folder import ModelFolder

    folder = ModelFolder(settings.model_path)
    return {"name": folder.version, "rule": folder.facts.rule.name, "serving": False, "chosen": None}


def _workers(run: Run | None) -> list[Part]:
    found: list[Part] = []
    for worker in run.workers.values() if run is not None else ():
        part: Part = asdict(worker) | {"healthy": False, "problems": [], **_process(worker.pid)}
        try:
            told = json.loads(_get(f"{worker.web}/status"))
        except (OSError, ValueError) as error:
            part["problems"] = [f"its pages do not answer ({error})"] if worker.state == "running" else []
        else:
            part |= {key: told[key] for key in _TOLD if key in told}
        found.append(part)
    return found


def _process(pid: int) -> Part:
    try:
        process = psutil.Process(pid)
        times = process.cpu_times()
        return {"pid": pid, "rss_bytes": process.memory_info().rss, "cpu_s": round(times.user + times.system, 1)}
    except psutil.Error:
        return {"pid": pid, "rss_bytes": None, "cpu_s": None}


def _get(url: str) -> bytes:
    with urllib.request.urlopen(url, timeout=ANSWER_S) as answer:  # noqa: S310 - http, from our own run.json
        body: bytes = answer.read(2**20)
    return body
