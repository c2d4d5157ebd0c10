"""Which model all sentiment workers shall serve, and which one each of them does serve.

The choice is the last record of topic ``babelwatch.model``: one place for all machines, durable, in an order that
everybody sees alike. Workers say what they serve in ``babelwatch.serving``, because whoever chooses knows none of their
addresses.
"""

import logging
import time
from datetime import UTC, datetime
from typing import Final, Literal

import msgspec
from msgspec import Struct

from pipeline.kafka.control import ControlReader, ControlRecord, ControlWriter
from pipeline.kafka.topics import MODEL, SERVING
from pipeline.settings import Settings

log = logging.getLogger(__name__)

KEY: Final = b"sentiment"
REPORT_EVERY_S: Final = 10.0
STALE_S: Final = 3.5 * REPORT_EVERY_S
"""A worker that has said nothing for so long is gone (killed, or cut off): three reports, and some of the fourth."""
LAST_REPORTS: Final = 4000
"""How much of the topic is read at most: three and a half reports of a thousand workers."""

State = Literal["loading", "serving", "refused", "pinned", "stopped"]
"""``refused``: another model is chosen, which this worker cannot serve. ``pinned``: BABELWATCH_MODEL_PATH is set for
this worker, so that it does not follow the choice."""


class ModelChoice(Struct, frozen=True, kw_only=True):
    """A model as it can be found again on another machine."""

    id: str
    """Of this choice: the same model chosen again is another choice."""
    name: str
    """Of its folder, where it may be installed elsewhere."""
    path: str
    """Where it was on the machine that chose it."""
    fingerprint: str
    """SHA-256 of its config.json, which holds its rule and the checksums of all its files."""
    model: str
    rule: str
    weights: str
    """:func:`pipeline.sentiment.installed.weights_hash`."""
    chosen_at: datetime
    chosen_by: str


class ServingReport(Struct, frozen=True, kw_only=True):
    """What one sentiment worker says about itself."""

    worker: str
    """Host, process id and start: unique."""
    host: str
    pid: int
    web: str
    model: str
    rule: str
    fingerprint: str
    weights: str
    choice: str = ""
    """The last choice that it has acted upon."""
    state: State
    reason: str = ""


class Seen(Struct, frozen=True, kw_only=True):
    """The last report of one worker."""

    report: ServingReport
    offset: int
    age_s: float
    """By the sender's clock against ours."""

    @property
    def live(self) -> bool:
        """True when it runs, as far as it has told."""
        return self.report.state != "stopped" and self.age_s < STALE_S


def decode_choice(record: ControlRecord) -> ModelChoice | None:
    """The choice in ``record``, or None (logged) when it is none that this build can read."""
    try:
        return msgspec.json.decode(record.value, type=ModelChoice)
    except msgspec.DecodeError as error:
        log.warning("the record at offset %d of %s is no choice of a model: %s", record.offset, MODEL, error)
        return None


def read_choice(settings: Settings, timeout_s: float) -> ModelChoice | None:
    """The model that is chosen now, or None when none ever was. Raises BrokerUnavailable."""
    with ControlReader(settings, MODEL, timeout_s) as reader:
        return last_choice(reader.to_end())


def last_choice(records: list[ControlRecord]) -> ModelChoice | None:
    """The last readable choice of ``records``."""
    return next((choice for record in reversed(records) if (choice := decode_choice(record)) is not None), None)


def publish_choice(settings: Settings, choice: ModelChoice, timeout_s: float) -> None:
    """Make ``choice`` the one for all workers; returns when the broker has it. Raises BrokerUnavailable."""
    with ControlWriter(settings, timeout_s) as writer:
        writer.send(MODEL, KEY, msgspec.json.encode(choice), timeout_s)


def read_reports(settings: Settings, timeout_s: float) -> dict[str, Seen]:
    """Worker -> its last report, of the last minutes; those that have ended too. Raises BrokerUnavailable."""
    with ControlReader(settings, SERVING, timeout_s) as reader:
        return collect({}, reader.to_end(LAST_REPORTS))


def collect(known: dict[str, Seen], records: list[ControlRecord]) -> dict[str, Seen]:
    """``known`` with what newer ``records`` say; ages as of now."""
    now_ms = datetime.now(UTC).timestamp() * 1000
    found = dict(known)
    for record in records:
        try:
            report = msgspec.json.decode(record.value, type=ServingReport)
        except msgspec.DecodeError as error:
            log.warning("the record at offset %d of %s is no report: %s", record.offset, SERVING, error)
            continue
        age_s = max(0.0, (now_ms - record.timestamp_ms) / 1000)
        found[report.worker] = Seen(report=report, offset=record.offset, age_s=age_s)
    return found


class ReportWatch:
    """Follows the reports while somebody waits for them. Close it, or use ``with``."""

    def __init__(self, settings: Settings, timeout_s: float) -> None:
        """Raises BrokerUnavailable."""
        self._reader = ControlReader(settings, SERVING, timeout_s)
        self._seen = collect({}, self._reader.to_end(LAST_REPORTS))
        self._at = time.monotonic()

    def live(self, wait_s: float = 0.0) -> dict[str, Seen]:
        """Workers that run, after waiting for more reports for at most ``wait_s``."""
        now = time.monotonic()
        older = {
            name: msgspec.structs.replace(seen, age_s=seen.age_s + now - self._at) for name, seen in self._seen.items()
        }
        self._at = now
        self._seen = collect(older, self._reader.poll(wait_s))
        return {name: seen for name, seen in self._seen.items() if seen.live}

    def __enter__(self) -> "ReportWatch":
        return self

    def __exit__(self, *_: object) -> None:
        self._reader.close()
