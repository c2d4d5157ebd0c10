"""A dead letter as a Kafka record: the original bytes are the value, the facts are headers."""

from dataclasses import dataclass
from datetime import UTC, datetime

import msgspec

from schemas.events import Origin

PREFIX = "bw-"
CUT_HEADER = "babelwatch-value-cut-from-bytes"
"""Header of a dead letter whose value had to be cut: the length that it had. It stays with the letter."""
Headers = list[tuple[str, bytes]]


@dataclass(frozen=True)
class DeadLetter:
    """Why one message could not be processed, and where it entered the pipeline."""

    value: bytes
    key: bytes | None
    origin: Origin
    stage: str
    """Role that gave up: language, sentiment or sink."""
    reason: str
    """Stable code, for counting: not_utf8, not_json, unknown_type, unknown_version, invalid, ..."""
    error: str
    failed_at: datetime
    headers: tuple[tuple[str, bytes], ...] = ()
    """The original headers."""

    def to_headers(self) -> Headers:
        """Original headers first, then ours."""
        facts = {
            "incarnation": self.origin.incarnation,
            "topic": self.origin.topic,
            "partition": str(self.origin.partition),
            "offset": str(self.origin.offset),
            "stage": self.stage,
            "reason": self.reason,
            "error": self.error[:2000],
            "failed-at": self.failed_at.astimezone(UTC).isoformat(timespec="milliseconds"),
        }
        kept = [(name, value) for name, value in self.headers if not name.startswith(PREFIX)]
        return kept + [(PREFIX + name, value.encode("utf-8", "replace")) for name, value in facts.items()]

    @classmethod
    def from_record(cls, value: bytes, key: bytes | None, headers: Headers) -> "DeadLetter":
        """Rebuild from a record of topic ``mentions.dead``.

        Raises ValueError when its headers are not ours, or name an origin that no record can have.
        """
        facts = {n[len(PREFIX) :]: v.decode("utf-8", "replace") for n, v in headers if n.startswith(PREFIX)}
        try:
            return cls(
                value=value,
                key=key,
                # Unlike a call, a conversion checks the bounds; msgspec.ValidationError is a ValueError.
                origin=msgspec.convert(
                    {
                        "incarnation": facts["incarnation"],
                        "topic": facts["topic"],
                        "partition": int(facts["partition"]),
                        "offset": int(facts["offset"]),
                    },
                    Origin,
                ),
                stage=facts["stage"],
                reason=facts["reason"],
                error=facts["error"],
                failed_at=datetime.fromisoformat(facts["failed-at"]),
                headers=tuple((n, v) for n, v in headers if not n.startswith(PREFIX)),
            )
        except KeyError as error:
            raise ValueError(f"a record without header {PREFIX}{error.args[0]} is not a dead letter") from None
