"""Sends dead letters again, with a history that a crash cannot make wrong."""

import hashlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from pipeline.dead.mend import Sending, sending
from pipeline.errors import InputError
from pipeline.kafka.deadletter import DeadLetter
from pipeline.kafka.redeliver import Redeliverer
from pipeline.store.dead_actions import Action, DeadActions

Mend = Callable[[DeadLetter], bytes | None]
"""Other bytes for a letter, or None for its own. Raises InputError when it cannot be mended."""


@dataclass
class Resent:
    """What became of the letters."""

    sent: int = 0
    refused: list[tuple[DeadLetter, str]] = field(default_factory=list)
    """Letters that cannot be sent, and why; they stay open."""


def resend(
    letters: Iterable[list[DeadLetter]],
    redeliverer: Redeliverer,
    actions: DeadActions,
    mend: Mend = lambda letter: None,
    before_each: Callable[[], object] = lambda: None,
) -> Resent:
    """Send pages of letters to the topics that their stages read, and write down what was done.

    First ``sending``, then the bytes, then ``replayed`` (or ``fixed``, with other bytes) when Kafka has confirmed them:
    a letter whose sending was cut short is open, and is sent again by the next run; what arrives twice counts once.
    ``before_each`` is called before each letter (a pace, a stop) and may raise: what was confirmed until then is
    written down. Raises BrokerUnavailable, ClickHouseUnavailable.
    """
    result = Resent()
    for page in letters:
        ready: list[tuple[DeadLetter, Sending, Action]] = []
        for letter in page:
            try:
                value = mend(letter)
                ready.append((letter, sending(letter, value), "replayed" if value is None else "fixed"))
            except InputError as error:
                result.refused.append((letter, str(error)))
        actions.write(((letter, _digest(one)) for letter, one, _ in ready), "sending")
        gone: list[tuple[DeadLetter, Sending, Action]] = []
        try:
            for each in ready:
                before_each()
                one = each[1]
                redeliverer.send_bytes(one.topic, one.key, one.value, one.headers)
                gone.append(each)
        finally:
            redeliverer.flush()
            for action in ("replayed", "fixed"):
                actions.write(((letter, _digest(one)) for letter, one, done in gone if done == action), action)
            result.sent += len(gone)
    return result


def _digest(one: Sending) -> str:
    return hashlib.sha256(one.value).hexdigest()
