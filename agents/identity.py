"""Whether the broker is still the one that the worker began with.

An embedded broker that is restarted has lost everything: its topics are gone and its offsets begin at 0 again. A worker
that went on would stamp new mentions with the origin of old ones, and its consumer would wait at offsets that do not
exist. So it ends with an error, and whoever supervises it starts it anew.
"""

import logging
import threading

from agents.control import Control
from pipeline.errors import BrokerUnavailable, WorkerStuck
from pipeline.kafka.admin import read_incarnation
from pipeline.settings import Settings

log = logging.getLogger(__name__)


class Identity:
    """The incarnation of the broker, read once, and compared after each outage."""

    def __init__(self, settings: Settings, control: Control) -> None:
        self._settings = settings
        self._control = control
        self._incarnation: str | None = None
        self._checking = threading.Lock()

    def learn(self) -> str:
        """Return the broker's incarnation. Raises BrokerUnavailable."""
        self._incarnation = read_incarnation(self._settings)
        return self._incarnation

    def check_in_background(self) -> None:
        """Compare in a thread of its own: reading may take as long as the broker is slow to come back."""
        if self._incarnation is not None:
            threading.Thread(target=self.check, name="identity", daemon=True).start()

    def check(self) -> None:
        """End the worker when the broker is another one than before, or has lost its topics."""
        if not self._checking.acquire(blocking=False):
            return
        try:
            current = read_incarnation(self._settings)
        except BrokerUnavailable as error:
            current = f"unknown ({error})"
        finally:
            self._checking.release()
        if current != self._incarnation:
            self._control.fail(
                WorkerStuck(
                    f"the broker at {self._settings.kafka_brokers} has lost its data (incarnation {self._incarnation} "
                    f"is now {current}): the worker has to begin anew; start it again"
                )
            )
