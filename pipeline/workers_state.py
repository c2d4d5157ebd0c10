"""The workers of the stack on this machine: what their pages say, what `up` says of them, what the system says."""

import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from typing import Any, Final

import psutil

from pipeline.embedded.files import Run, WorkerRun
from pipeline.embedded.pages import get

Part = dict[str, Any]
_TOLD: Final = (
    *("healthy", "problems", "warnings", "member", "starting", "waits_for", "partitions"),
    *("model", "rule", "model_state", "model_chosen"),
)
"""What is taken over from a worker's /status."""


def workers_state(run: Run | None, answer_s: float) -> list[Part]:
    """Return each worker as JSON-ready values, within ``answer_s``: a worker that hangs holds up no other."""
    workers = list(run.workers.values()) if run is not None else []
    if not workers:
        return []
    with ThreadPoolExecutor(len(workers), thread_name_prefix="status") as pool:
        return list(pool.map(lambda worker: _worker(worker, answer_s), workers))


def process_state(pid: int) -> Part:
    """Memory and CPU time of a process; None where there is no such process."""
    try:
        process = psutil.Process(pid)
        times = process.cpu_times()
        return {"pid": pid, "rss_bytes": process.memory_info().rss, "cpu_s": round(times.user + times.system, 1)}
    except psutil.Error:
        return {"pid": pid, "rss_bytes": None, "cpu_s": None}


def _worker(worker: WorkerRun, answer_s: float) -> Part:
    part: Part = asdict(worker) | {"healthy": False, "problems": [], "partitions": [], **process_state(worker.pid)}
    # What `up` sees, apart from what the worker says of itself.
    part["seen"] = part.pop("problem")
    try:
        told = json.loads(get(f"{worker.web}/status", answer_s))
    except (OSError, ValueError) as error:
        part["problems"] = [f"its pages do not answer ({error})"] if worker.state == "running" else []
    else:
        part |= {key: told[key] for key in _TOLD if key in told}
    partitions = part["partitions"]
    part["lag"] = sum(p["lag"] for p in partitions)
    part["committed_age_s"] = max((p["committed_age_s"] for p in partitions), default=None)
    part["progress_age_s"] = min((p.get("progress_age_s", 0.0) for p in partitions), default=None)
    return part
