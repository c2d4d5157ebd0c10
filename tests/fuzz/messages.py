"""Messages that nobody can use, drawn from a seed: bytes, structures, encodings, bombs, nesting, headers, keys."""

import bz2
import gzip
import json
import random
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from typing import Any, Final

from tests.fuzz import values

Headers = list[tuple[str, bytes]]
_FIELDS: Final = (
    *("type", "version", "source", "id", "text", "published_at", "tenant", "revision", "author", "url", "reach"),
    *("country", "lang_hint", "parent_id", "deleted_at", "mention_id", "text_hash", "received_at", "origin"),
    *("language", "brands", "judgements", "author_key", "source_fields", "", "__proto__", "text "),
)
_OURS: Final = (
    "babelwatch-redelivery",
    "babelwatch-via",
    "bw-reason",
    "bw-offset",
    "bw-failed-at",
    "babelwatch-unknown",
)


@dataclass(frozen=True, slots=True)
class Poison:
    """One message. ``kind`` says how it was made."""

    kind: str
    key: bytes | None
    value: bytes
    headers: tuple[tuple[str, bytes], ...] = ()


class Maker:
    """Draws poison like one valid event (``bases``: the bytes of several).

    ``guided``: whole messages that a search by coverage found (:mod:`tests.fuzz.guided`), drawn among the others.
    ``mostly_json``: for batches, of which one item that is no JSON may spoil the whole.
    """

    def __init__(
        self,
        rng: random.Random,
        bases: Sequence[bytes],
        hypothesis: Sequence[Any] = (),
        *,
        guided: Sequence[bytes] = (),
        mostly_json: bool = False,
    ) -> None:
        self._rng = rng
        self._bases = bases
        self._hypothesis = hypothesis
        self._guided = guided
        self._makers: tuple[tuple[str, Callable[[], bytes]], ...] = (
            ("bytes", self._bytes),
            ("flipped", self._flipped),
            ("flipped", self._flipped),
            ("field", self._field),
            ("field", self._field),
            ("field", self._field),
            ("structure", self._structure),
            ("nesting", self._nesting),
            ("encoding", self._encoding),
            ("bomb", self._bomb),
            ("hypothesis", self._of_hypothesis),
            ("number", self._number),
        )
        if guided:
            self._makers = (*self._makers, ("guided", self._of_search))
        if mostly_json:
            tame = {"field", "structure", "hypothesis"}
            self._makers = (*self._makers[:1], *[one for one in self._makers * 15 if one[0] in tame])

    def make(self) -> Poison:
        """The next one."""
        kind, maker = self._rng.choice(self._makers)
        return Poison(kind, self._key(), maker(), tuple(self._headers()))

    def _base(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self._rng.choice(self._bases))
        return found

    def _dumps(self, what: Any) -> bytes:
        ascii_ = self._rng.random() < 0.5
        return json.dumps(what, ensure_ascii=ascii_).encode("utf-8", "surrogatepass")

    def _bytes(self) -> bytes:
        return self._rng.randbytes(self._rng.randrange(400))

    def _flipped(self) -> bytes:
        data = bytearray(self._rng.choice(self._bases))
        for _ in range(self._rng.randrange(1, 6)):
            at = self._rng.randrange(len(data))
            how = self._rng.randrange(4)
            if how == 0:
                data[at] = self._rng.randrange(256)
            elif how == 1:
                del data[at : at + self._rng.randrange(1, 20)]
            elif how == 2:
                data[at:at] = self._rng.randbytes(self._rng.randrange(1, 6))
            else:
                data[at:at] = data[at : at + self._rng.randrange(1, 60)]
            if not data:
                return b""
        return bytes(data)

    def _field(self) -> bytes:
        event = self._base()
        for _ in range(self._rng.randrange(1, 4)):
            name = self._rng.choice(_FIELDS)
            if self._rng.random() < 0.25:
                event.pop(name, None)
            else:
                event[name] = values.text(self._rng) if name == "text" else values.value(self._rng)
        return self._dumps(event)

    def _structure(self) -> bytes:
        event = self._base()
        return self._rng.choice(
            (
                lambda: self._dumps([event]),
                lambda: self._dumps([event] * 50),
                lambda: self._dumps(json.dumps(event)),
                lambda: self._dumps(event)[:-1] + b',"text":"twice"}',
                lambda: self._dumps(event) * 2,
                lambda: self._dumps(event | {f"field{n}": n for n in range(2_000)}),
                lambda: self._dumps(event | {"brands": [{"brand": "x", "start": 0, "end": 10**9}] * 100}),
                lambda: b"\xef\xbb\xbf" + self._dumps(event),
                lambda: self._dumps(values.value(self._rng)),
                lambda: b"",
            )
        )()

    def _nesting(self) -> bytes:
        depth = self._rng.choice((50, 500, 1_024, 5_000, 60_000))
        opener, closer = self._rng.choice(((b"[", b"]"), (b'{"a":', b"}")))
        middle = (
            opener * depth + (b"1" if opener != b"[" else b"") + closer * (depth if self._rng.random() < 0.7 else 0)
        )
        if self._rng.random() < 0.5:
            return middle
        return self._rng.choice(self._bases)[:-1] + b',"deep":' + middle + b"}"

    def _encoding(self) -> bytes:
        text = json.dumps(self._base(), ensure_ascii=False)
        return text.encode(
            self._rng.choice(("utf-16", "utf-16-be", "utf-32", "utf-7", "cp1251", "shift_jis")), "replace"
        )

    def _bomb(self) -> bytes:
        return _bomb(self._rng.choice(("gzip", "zlib", "bz2")), self._rng.choice((16, 20, 24)))

    def _of_hypothesis(self) -> bytes:
        if not self._hypothesis:
            return self._bytes()
        found = self._rng.choice(self._hypothesis)
        if self._rng.random() < 0.5:
            event = self._base()
            event[self._rng.choice(_FIELDS)] = found
            return self._dumps(event)
        return self._dumps(found)

    def _of_search(self) -> bytes:
        return self._rng.choice(self._guided)

    def _number(self) -> bytes:
        number = self._rng.choice(
            (b"1e999999", b"-" + b"9" * 5_000, b"0x10", b"1.", b"+1", b"NaN", b"-Infinity", b"01")
        )
        return self._rng.choice(self._bases)[:-1] + b',"revision":' + number + b"}"

    def _key(self) -> bytes | None:
        how = self._rng.random()
        if how < 0.3:
            return None
        return self._rng.randbytes(self._rng.choice((0, 1, 16, 32, 4_000)))

    def _headers(self) -> Headers:
        if self._rng.random() < 0.7:
            return []
        found: Headers = []
        for _ in range(self._rng.randrange(1, 5)):
            odd = OddName.of(self._rng.randbytes(self._rng.randrange(1, 40)))
            text = values.text(self._rng)[:40].encode("utf-8", "replace").decode()
            name = self._rng.choice((*_OURS, "x", "", text, odd))
            how = self._rng.random()
            if how < 0.4:
                content = self._dumps(values.value(self._rng))
            elif how < 0.6:
                content = self._rng.randbytes(self._rng.randrange(200))
            elif how < 0.8:
                content = self._forged()
            else:
                content = b"[" * self._rng.choice((100, 5_000, 9_000))
            found.append((name, content))
        return found

    def _forged(self) -> bytes:
        """A redelivery header that has the right form and says what nobody did."""
        origin = {
            "incarnation": "forged",
            "topic": self._rng.choice(("mentions", "x" * 300, "mentions.dead")),
            "partition": self._rng.choice((0, 3, 2**31 - 1, 2**31, 2**32, 2**64)),
            "offset": self._rng.choice((0, 2**40, 2**63 - 1, 2**63, 2**64)),
        }
        return self._dumps(
            {
                "origin": origin,
                "reason": self._rng.choice(("repair", "replay", "dead_letter", "whim")),
                "generation": self._rng.choice((0, 1, 0xFFE, -1)),
                "earlier": [origin] * self._rng.choice((0, 1, 40)),
            }
        )


class OddName(str):
    """A header's name in bytes that are no text, as clients in C send them."""

    raw = b""

    @classmethod
    def of(cls, raw: bytes) -> "OddName":
        """``raw`` is what is sent."""
        made = cls(raw.decode("latin-1"))
        made.raw = raw
        return made

    def encode(self, encoding: str = "utf-8", errors: str = "strict") -> bytes:
        """What kafka-python asks for."""
        return self.raw


@cache
def _bomb(how: str, size_log2: int) -> bytes:
    """Zeros that were many."""
    zeros = b"\0" * (1 << size_log2)
    if how == "gzip":
        return gzip.compress(zeros, mtime=0)
    return zlib.compress(zeros) if how == "zlib" else bz2.compress(zeros)


def good(number: int, rng: random.Random) -> dict[str, Any]:
    """A mention as any other, to be found in the end."""
    return {
        "source": "fuzz",
        "id": f"good-{number}",
        "text": f"Lumora {rng.choice(('works', 'é ótima', 'ist kaputt', 'はとても良い'))} {number}",
        "published_at": datetime.now(UTC).isoformat(),
    }
