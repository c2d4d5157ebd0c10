"""The sentiment worker follows the chosen model: loads it beside the one that serves, switches between two batches.

A thread of its own reads the choices (:mod:`pipeline.kafka.serving`), so that batches go on while a model loads. What
cannot be served is refused: the worker goes on with the model that it has, says so on its pages, in metrics and in its
log, and tries again, because copying the folder to this machine is all that is missing. A worker that is started takes
the chosen model at once.
"""

import logging
import os
import socket
import threading
import time
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import msgspec

from pipeline.errors import BabelwatchError, BrokerUnavailable, ModelError
from pipeline.kafka.control import ControlReader, ControlWriter
from pipeline.kafka.serving import REPORT_EVERY_S, ModelChoice, ServingReport, State, decode_choice
from pipeline.kafka.topics import MODEL, SERVING
from pipeline.metrics import MODEL_BEHIND, MODEL_SERVING, MODEL_SWAPS, RETRIES
from pipeline.sentiment.folder import ModelFolder
from pipeline.sentiment.installed import fingerprint, load_proved, locate, weights_hash
from pipeline.sentiment.model import SentimentModel
from pipeline.settings import Settings

log = logging.getLogger(__name__)
ROLE: Final = "sentiment"

POLL_S: Final = 0.5
RETRY_S: Final = 30.0
"""How long after a refusal the chosen model is looked for again."""
SEND_S: Final = 5.0


class ModelSwap:
    """Which model one worker serves. ``first``, then ``follow``; ``stop`` at the end."""

    def __init__(
        self, settings: Settings, web: str, *, load: Callable[[Path, Settings], SentimentModel] = load_proved
    ) -> None:
        """``web``: where this worker's pages are. ``load`` raises ModelError."""
        self._settings = settings
        self._load = load
        self.pinned = "model_path" in settings.model_fields_set
        """True when somebody has set this worker's model: it follows no choice."""
        self._choice: ModelChoice | None = None
        self._reason = ""
        self._state: State = "loading"
        host, pid = socket.gethostname(), os.getpid()
        self._report = ServingReport(
            worker=f"{host}:{pid}:{uuid.uuid4().hex[:6]}",
            host=host,
            pid=pid,
            web=web,
            model="",
            rule="",
            fingerprint="",
            weights="",
            state="loading",
        )
        self._reader: ControlReader | None = None
        self._writer: ControlWriter | None = None
        self._switch: Callable[[SentimentModel], object] = lambda _: None
        self._tell: Callable[[dict[str, Any]], object] = lambda _: None
        self._retry_at = 0.0
        self._report_at = 0.0
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    def first(self) -> SentimentModel:
        """Return the model to begin with: the chosen one, else the settings' own.

        Raises BrokerUnavailable when the choice cannot be read, and ModelError when not even the own model loads.
        """
        self._reader = ControlReader(self._settings, MODEL, self._settings.connect_timeout_s)
        for record in self._reader.to_end():
            self._choice = decode_choice(record) or self._choice
        found = None
        if self._choice is not None:
            found = None if self.pinned else self._load_chosen(self._choice, new=True)
            self._report = msgspec.structs.replace(self._report, choice=self._choice.id)
        own = self._settings.model_path
        path, model = found or (own, self._load(own, self._settings))
        self._now_serving(path, model)
        self._settled()
        if self.pinned:
            log.info("serves %s because BABELWATCH_MODEL_PATH is set: it follows no `model use`", model.name)
        return model

    def follow(self, switch: Callable[[SentimentModel], object], tell: Callable[[dict[str, Any]], object]) -> None:
        """Begin to follow the choice, in a thread.

        ``switch`` returns when no batch uses the old model any more; ``tell`` is told what /status says about models.
        """
        self._switch, self._tell = switch, tell
        tell(self.status())
        self._thread = threading.Thread(target=self._run, name="model-swap", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Stop following, and say that this worker has ended (it is gone after a while without that, too)."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join(2.0)
        if self._writer is not None and not (self._thread and self._thread.is_alive()):
            self._state = "stopped"
            self._send(1.0)

    def status(self) -> dict[str, Any]:
        """What /status says."""
        chosen = self._choice
        return {
            "model": self._report.model,
            "rule": self._report.rule,
            "model_state": self._state,
            "model_chosen": None if chosen is None else {"id": chosen.id, "model": chosen.model, "rule": chosen.rule},
        }

    def warnings(self) -> list[str]:
        """What a person should know, for the health page."""
        if self._choice is None or self._serves(self._choice):
            return []
        if self.pinned:
            return [
                f"model: serves {self._report.model} because BABELWATCH_MODEL_PATH is set, although "
                f"{self._choice.model} is chosen; unset it and restart to follow the choice"
            ]
        return [f"model: goes on with {self._report.model}: {self._reason}"] if self._reason else []

    # --- the thread

    def _run(self) -> None:
        assert self._reader is not None  # noqa: S101 - `first` comes first
        while not self._stop.is_set():
            try:
                for record in self._reader.poll(POLL_S):
                    choice = decode_choice(record)
                    if choice is None:
                        MODEL_SWAPS.labels("unreadable").inc()
                    else:
                        self._choice, self._reason = choice, ""
                self._act()
                if time.monotonic() >= self._report_at:
                    self._send(SEND_S)
            except Exception as error:
                # Whatever it is, batches go on, and so must this thread.
                RETRIES.labels(ROLE, "model_choice").inc()
                log.warning("the chosen model cannot be followed: %r; again", error, exc_info=log.isEnabledFor(10))
                self._stop.wait(POLL_S)
        self._reader.close()

    def _act(self) -> None:
        """Bring what is served in line with what is chosen."""
        choice = self._choice
        if choice is None:
            return
        new = self._report.choice != choice.id
        if not self.pinned and not self._serves(choice):
            if not new and time.monotonic() < self._retry_at:
                return
            if new:
                self._state = "loading"
                self._send(SEND_S)
            found = self._load_chosen(choice, new=new)
            if found is not None:
                path, model = found
                self._switch(model)
                MODEL_SWAPS.labels("swapped").inc()
                log.info("serves %s, rule %s, from the next batch on", model.name, model.rule)
                self._now_serving(path, model)
        elif not new:
            return
        self._report = msgspec.structs.replace(self._report, choice=choice.id)
        self._settled()
        self._report_at = 0.0

    def _load_chosen(self, choice: ModelChoice, *, new: bool) -> tuple[Path, SentimentModel] | None:
        """The chosen model, proved; or None, and then the reason is known and it will be tried again."""
        try:
            path = locate(choice.fingerprint, choice.name, choice.path, self._settings)
            model = self._load(path, self._settings)
            if fingerprint(path) != choice.fingerprint:
                raise ModelError(f"{path} was changed while it was loaded")
        except Exception as error:
            # Whatever is wrong with the new model, the old one is not to blame and goes on.
            text = str(error) if isinstance(error, BabelwatchError) else f"{type(error).__name__}: {error}"
            self._reason = f"cannot serve the chosen {choice.model}: {text}"
            self._retry_at = time.monotonic() + RETRY_S
            if new:
                MODEL_SWAPS.labels("refused").inc()
                log.error("%s; goes on as before, and tries again every %.0f s", self._reason, RETRY_S)  # noqa: TRY400
            else:
                RETRIES.labels(ROLE, "model").inc()
            return None
        self._reason = ""
        return path, model

    def _now_serving(self, path: Path, model: SentimentModel) -> None:
        if self._report.model:
            MODEL_SERVING.remove(self._report.model, self._report.rule)
        MODEL_SERVING.labels(model.name, model.rule).set(1)
        self._report = msgspec.structs.replace(
            self._report,
            model=model.name,
            rule=model.rule,
            fingerprint=fingerprint(path),
            weights=weights_hash(ModelFolder(path)),
        )

    def _serves(self, choice: ModelChoice) -> bool:
        return self._report.fingerprint == choice.fingerprint

    def _settled(self) -> None:
        behind = self._choice is not None and not self._serves(self._choice)
        MODEL_BEHIND.set(behind)
        self._state = "pinned" if self.pinned else "refused" if behind and self._reason else "serving"

    def _send(self, timeout_s: float) -> None:
        """Report. A broker that is away is told later: the next report says all that this one would have."""
        self._report_at = time.monotonic() + REPORT_EVERY_S
        self._tell(self.status())
        report = msgspec.structs.replace(self._report, state=self._state, reason="; ".join(self.warnings()))
        try:
            if self._writer is None:
                self._writer = ControlWriter(self._settings, timeout_s)
            self._writer.send(SERVING, report.worker.encode(), msgspec.json.encode(report), timeout_s)
        except BrokerUnavailable as error:
            RETRIES.labels(ROLE, "model_report").inc()
            log.debug("not reported: %s", error)
