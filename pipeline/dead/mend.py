"""Mending the bytes of a dead letter, and what to send for one; pure."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from pipeline.errors import InputError
from pipeline.kafka.deadletter import CUT_HEADER, PREFIX, DeadLetter
from pipeline.kafka.redelivery import HEADER, Redelivery, Via, via, without
from pipeline.kafka.topics import MENTIONS, SCORED
from schemas.events import EventError, decode

_READS: Final = {
    # What a stage gave up on, it reads from this topic, with events of these types.
    "language": (MENTIONS, ("mention", "mention_deleted")),
    "sentiment": ("mentions.detected", ("mention_detected", "deletion_accepted")),
    "sink": (SCORED, ("mention_scored", "deletion_accepted")),
}


@dataclass(frozen=True)
class Sending:
    """One record to send for a letter."""

    topic: str
    key: bytes | None
    value: bytes
    headers: tuple[tuple[str, bytes], ...]


def sending(letter: DeadLetter, value: bytes | None = None) -> Sending:
    """What to send for ``letter``, with other bytes when they are given.

    It goes to the topic that its stage reads, and keeps the origin where it first entered. Raises InputError when that
    cannot work: no stage of ours reads such bytes, or a part of them is missing.
    """
    reads = _READS.get(letter.stage)
    if reads is None or letter.reason == "foreign":
        raise InputError(
            f"it came from stage {letter.stage!r} (reason {letter.reason}), and none of ours reads such bytes"
        )
    if value is None and any(name == CUT_HEADER for name, _ in letter.headers):
        raise InputError("only a part of its bytes is left, they were too large: send the whole with `dead fix --file`")
    if value is None and not letter.value:
        raise InputError("it has no bytes (it was erased, or never had any): give it some with `dead fix --file`")
    topic = reads[0]
    headers = tuple(
        (name, data) for name, data in without(letter.headers) if not name.startswith(PREFIX) and name != CUT_HEADER
    )
    # What it came for (`replay --rejudge`) it still comes for. Beside a header that was refused, the other is nobody's.
    refused = any(name == HEADER for name, _ in letter.headers)
    generation = 0 if refused else via(letter.headers).generation
    if topic == MENTIONS:
        again = Redelivery(origin=letter.origin, reason="dead_letter", generation=generation)
        headers = (*headers, again.header())
    elif generation:
        headers = (*headers, Via(generation=generation).header())
    return Sending(topic, letter.key, letter.value if value is None else value, headers)


def check(letter: DeadLetter, value: bytes) -> None:
    """Raise InputError when the stage that reads ``value`` would refuse it as it stands.

    Bounds that are settings of the worker (age, length) are the worker's to judge.
    """
    reads = _READS.get(letter.stage)
    try:
        decode(value, reads[1] if reads else ())
    except EventError as error:
        raise InputError(f"the stage {letter.stage} would refuse it again ({error.reason}: {error})") from None


def with_fields(value: bytes, changes: Sequence[str]) -> bytes:
    """``value``, a JSON object, with fields set by ``FIELD=VALUE``; ``FIELD=`` alone removes one.

    VALUE is JSON where it is valid JSON, else text. Raises InputError when ``value`` is no JSON object, or a change is
    none.
    """
    try:
        found = json.loads(value)
    except (ValueError, RecursionError) as error:
        raise InputError(f"its bytes are not JSON ({error}): mend them with --file") from None
    if not isinstance(found, dict):
        raise InputError("its bytes are JSON, but no object: mend them with --file")
    for change in changes:
        name, equals, text = change.partition("=")
        if not equals or not name:
            raise InputError(f"--set {change!r}: write FIELD=VALUE, or FIELD= to remove it")
        if not text:
            found.pop(name, None)
        else:
            found[name] = _json_or_text(text)
    return json.dumps(found, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "surrogatepass")


def _json_or_text(text: str) -> Any:  # noqa: ANN401 - any JSON
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text
