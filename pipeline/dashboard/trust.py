"""The trust table of the model that judges now, found among the model folders of this machine."""

import logging
import math
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from pipeline.dashboard.models_trust import TrustMark
from pipeline.errors import ModelError
from pipeline.sentiment.folder import CONFIG, ModelFolder
from pipeline.sentiment.installed import folders
from pipeline.sentiment.trust.table import FILE, TrustTable, nothing_known, read
from pipeline.settings import Settings
from pipeline.store.newest_model import NOBODY, Judge, newest_model
from pipeline.store.queries import Executes

log = logging.getLogger(__name__)

FOR_S: Final = 10.0
"""How long an answer is kept before the database is asked again which model judges."""
_Stamp = tuple[int, int]


class TrustBook:
    """Tables by model version. Reads files, and waits for the database: not for the event loop. Safe for threads."""

    def __init__(self, settings: Settings, clock: Callable[[], float] = time.monotonic) -> None:
        self._settings = settings
        self._clock = clock
        self._lock = threading.Lock()
        self._folders: dict[Path, tuple[_Stamp, _Found | None]] = {}
        self._newest: dict[str, tuple[float, Judge]] = {}

    def current(self, client: Executes, tenant: str, now: float) -> TrustTable:
        """The table of the model that judged the newest mention, else of the one in the settings.

        Raises ModelError when it is damaged.
        """
        judge = self.judge(client, tenant, now)
        with self._lock:
            return self._table(judge)

    def judge(self, client: Executes, tenant: str, now: float) -> Judge:
        """Which model and rule judged the newest mention, as of some seconds ago."""
        with self._lock:
            asked_at, judge = self._newest.get(tenant, (-math.inf, NOBODY))
        if self._clock() - asked_at < FOR_S:
            return judge
        judge = newest_model(client, tenant, now)  # not within the lock: a database that hangs holds up nobody else
        with self._lock:
            self._newest[tenant] = (self._clock(), judge)
        return judge

    def configured(self) -> TrustTable:
        """The table of the model in the settings. Raises ModelError when it is damaged."""
        with self._lock:
            return self._table(NOBODY)

    def marks(self, client: Executes, tenant: str, now: float) -> "Marks":
        """The same for the rows of a page, which are shown without trust when the table is damaged."""
        try:
            return Marks(self.current(client, tenant, now))
        except ModelError as error:
            return Marks(nothing_known(str(error)))

    def _table(self, judge: Judge) -> TrustTable:
        """Of folders with the same weights and rule the first that has a table."""
        rule = judge.rule.partition("+")[0]
        without: TrustTable | None = None
        for path in self._places():
            found = self._look(path)
            if found is None or (judge != NOBODY and (found.model, found.rule) != (judge.model, rule)):
                continue
            if isinstance(found.table, ModelError):
                raise found.table
            if found.table.languages:
                return found.table
            without = without or found.table
            if judge == NOBODY:
                break
        name = f"{judge.model}, rule {rule}" if judge.model else self._settings.model_path
        return without or nothing_known(f"the model that judges ({name}) is not on this machine")

    def _places(self) -> Iterator[Path]:
        yield self._settings.model_path
        for named in folders(self._settings).values():
            yield from named

    def _look(self, path: Path) -> "_Found | None":
        """What a folder holds, read again when its files change; None when it is no model."""
        stamp = (_changed(path / CONFIG), _changed(path / FILE))
        known = self._folders.get(path)
        if known is None or known[0] != stamp:
            known = self._folders[path] = (stamp, _read(path))
        return known[1]


@dataclass(frozen=True)
class _Found:
    model: str
    rule: str
    table: TrustTable | ModelError


class Marks:
    """The marks of one table by language."""

    def __init__(self, table: TrustTable) -> None:
        self._table = table

    def of(self, tag: str) -> TrustMark:
        """The mark of a BCP 47 tag."""
        return TrustMark.model_validate(self._table.find(tag))


def _read(path: Path) -> _Found | None:
    try:
        folder = ModelFolder(path, check_card=False)
    except ModelError:
        return None
    table: TrustTable | ModelError
    try:
        table = read(folder) or nothing_known(f"{path} has no {FILE}: `babelwatch model trust --write` makes it")
    except ModelError as error:
        log.warning("no trust level is shown: %s", error)
        table = error
    return _Found(folder.version, folder.facts.rule.name, table)


def _changed(path: Path) -> int:
    try:
        return path.stat().st_mtime_ns
    except OSError:
        return 0
