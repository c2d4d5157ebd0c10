"""One question that is asked again and again in a thread of its own, so that an answer is always at hand."""

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Generic, TypeVar

from pipeline.errors import BabelwatchError

T = TypeVar("T")
log = logging.getLogger(__name__)

REST: Final = 3.0
"""It rests at least so many times as long as the answer took: a slow service is not asked without a pause."""


@dataclass(frozen=True)
class Sample(Generic[T]):
    """The newest answer, and the reason why there is no newer one; ``at`` is when the last try ended."""

    answer: T | None
    error: str
    at: float


class Sampler(Generic[T]):
    """Asks ``question`` every ``every_s``; ``asked`` is called after each try. ``sample`` never waits."""

    def __init__(
        self,
        name: str,
        question: Callable[[], T],
        every_s: float,
        asked: Callable[[], object] = lambda: None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._name = name
        self._question = question
        self._every_s = every_s
        self._asked = asked
        self._clock = clock
        self._sample: Sample[T] | None = None
        self._stop = threading.Event()

    @property
    def sample(self) -> Sample[T] | None:
        """The newest sample; None before the first try has ended."""
        return self._sample

    def start(self) -> None:
        """Begin to ask."""
        threading.Thread(target=self._run, name=f"sample-{self._name}", daemon=True).start()

    def stop(self) -> None:
        """Ask no more; a question under way ends within its own timeout."""
        self._stop.set()

    def ask(self) -> None:
        """Ask once; never raises."""
        try:
            self._sample = Sample(self._question(), "", self._clock())
        except Exception as error:
            if not isinstance(error, BabelwatchError | OSError):
                log.exception("the look at %s failed", self._name)
            said = str(error) if isinstance(error, BabelwatchError) else f"{type(error).__name__}: {error}"
            self._sample = Sample(None, said, self._clock())
        self._asked()

    def _run(self) -> None:
        while not self._stop.is_set():
            began = time.monotonic()
            self.ask()
            self._stop.wait(max(self._every_s, REST * (time.monotonic() - began)))
