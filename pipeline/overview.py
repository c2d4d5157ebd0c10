"""What an operator asks first: which services run, how far each stage is, what is stored, what is dead.

Each part stands for itself: one that does not answer leaves its error, never an empty number.
"""

import time
from collections.abc import Callable, Collection
from dataclasses import asdict
from typing import Any, Final

from pipeline.embedded.files import Run
from pipeline.embedded.pages import get
from pipeline.errors import BabelwatchError
from pipeline.ledger_state import ledger_problems, ledger_state
from pipeline.problems import (
    hidden_workers,
    process_problem,
    restart_notices,
    row_problems,
    service_problems,
    worker_problem,
    worker_problems,
)
from pipeline.settings import Settings
from pipeline.workers_state import process_state, workers_state

ANSWER_S: Final = 5.0
Part = dict[str, Any]


def overview(settings: Settings, watching: Callable[[str], object] = lambda _: None) -> Part:
    """Return everything as JSON-ready values; ``settings`` after :func:`pipeline.local.discover`.

    Keys: ``running, services, topics, lag, rows, dead_letters, ledger, model, workers, workers_note, problems,
    notices``. Holds no secret. Takes up to 20 s longer where messages wait and nobody is seen to read them
    (:func:`pipeline.consumption.unread`, which tells ``watching``).
    """
    run = Run.read(settings.data_dir)
    hidden = hidden_workers(None if run is None else run.kafka_brokers, settings.kafka_brokers)
    here = None if hidden else run
    workers = workers_state(here, ANSWER_S)
    others = [asdict(one) for one in here.others.values()] if here is not None else []
    ill = {worker["role"] for worker in workers if worker_problem(worker)}
    well = {worker["role"] for worker in workers} - ill
    kafka = _asked(lambda: _kafka(settings, ill, well, watching))
    clickhouse = _asked(lambda: _clickhouse(settings, kafka.get("incarnation")))
    topics, lag, unread = (kafka.pop(name, []) for name in ("topics", "lag", "unread"))
    rows, dead = clickhouse.pop("rows", {}), clickhouse.pop("dead_letters", {})
    ledger = clickhouse.pop("ledger", {})
    kafka["address"] = settings.kafka_brokers
    kafka["embedded"] = here is not None and here.kafka_embedded
    services = {"kafka": kafka, "clickhouse": clickhouse}
    url = settings.clickhouse_url
    if run is not None and url is not None and url.get_secret_value() == run.clickhouse_url:
        clickhouse["embedded"] = run.clickhouse_embedded
    if here is not None:
        services["dashboard"] = _asked(lambda: _page(here.dashboard_url)) | {"address": here.dashboard_url}
    return {
        "running": None
        if run is None
        else {
            "pid": run.pid,
            "since": run.started_at,
            "data_dir": str(settings.data_dir.absolute()),
            "metrics_url": run.metrics_url,
            "processes": {name: process_state(pid) for name, pid in run.processes.items()},
        },
        "services": services,
        "topics": topics,
        "lag": lag,
        "rows": rows,
        "dead_letters": dead,
        "ledger": ledger,
        "model": _asked(lambda: _model(settings, workers)),
        "workers": workers,
        "workers_note": hidden,
        "problems": [
            *service_problems(services),
            *row_problems(rows),
            *worker_problems(workers),
            *unread,
            *(said for one in others if (said := process_problem(one["role"], one))),
            *ledger_problems(ledger),
        ],
        "notices": [
            *([hidden] if hidden and run is not None else []),
            *restart_notices([*workers, *others], time.time()),
        ],
    }


def _asked(question: Callable[[], Part]) -> Part:
    try:
        return {"up": True, "error": "", **question()}
    except BabelwatchError as error:
        return {"up": False, "error": str(error)}
    except (OSError, ValueError) as error:
        return {"up": False, "error": f"{type(error).__name__}: {error}"}


def _kafka(
    settings: Settings, named: Collection[str], trusted: Collection[str], watching: Callable[[str], object]
) -> Part:
    from pipeline.consumption import unread
    from pipeline.kafka.admin import kind, read_incarnation, require_reachable
    from pipeline.kafka.client import unavailable
    from pipeline.kafka.members import members
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
        lags = reader.lag()
        problems = unread(
            lags,
            reader.lag,
            lambda groups: members(settings, groups),
            named=named,
            trusted=trusted,
            watching=watching,
        )
    quick = settings.model_copy(update={"connect_timeout_s": ANSWER_S})
    return {
        "topics": topics,
        "lag": [asdict(lag) for lag in lags],
        "unread": problems,
        "incarnation": read_incarnation(quick),
    }


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
    get(f"{url}/health", ANSWER_S)
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
