"""Logging of a worker: one line per event on stderr, and no flood while a broker is away."""

import logging
import time
from collections.abc import Callable
from typing import Any, Final

EVERY_S: Final = 10.0
_HELD_BACK: Final = frozenset({"agents.dead"})
"""Our own that a source can make talk; dead letters are counted and listed elsewhere."""


class Repeats(logging.Filter):
    """Lets a library say the same thing once in ten seconds, and then how often it was said.

    aiokafka logs every attempt to reach a broker that is away as an error, fifty lines a second; what matters is in
    the metrics and on /health. Our own loggers are not held back, but for the one that tells of dead letters.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._clock = clock
        self._said: dict[tuple[str, object], tuple[float, int]] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """True when the record is to be shown; then its message has the number of those that were not."""
        if record.name.split(".")[0] in {"agents", "pipeline"} and record.name not in _HELD_BACK:
            return True
        key = (record.name, record.msg)
        at, held = self._said.get(key, (float("-inf"), 0))
        now = self._clock()
        if now - at < EVERY_S:
            self._said[key] = (at, held + 1)
            return False
        self._said[key] = (now, 0)
        if held:
            record.msg = f"{record.getMessage()} ({held} more like this)"
            record.args = ()
        return True


def configuration(level: str) -> dict[str, Any]:
    """Return the configuration for ``logging.config.dictConfig``; libraries show from warnings on."""
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"line": {"format": "%(asctime)s %(levelname)s %(name)s: %(message)s"}},
        "filters": {"repeats": {"()": Repeats}},
        "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "line", "filters": ["repeats"]}},
        "root": {"level": "WARNING", "handlers": ["stderr"]},
        "loggers": {
            **{name: {"level": level} for name in ("agents", "pipeline")},
            # Faust logs under the name of the module that its app class is in.
            "agents.app": {"level": "WARNING"},
        },
    }
