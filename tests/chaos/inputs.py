"""The input file: one JSON line per message, in the order of sending. It is all that the checker believes."""

import base64
import json
from collections.abc import Iterator
from pathlib import Path
from typing import IO, NamedTuple, Self

from tests.chaos.workload import Message


class Line(NamedTuple):
    """What was sent as number ``n``."""

    n: int
    producer: str
    kind: str
    value: bytes
    brands: tuple[str, ...]
    reason: str


class InputFile:
    """Writes the file; a line is there before its message is sent."""

    def __init__(self, path: Path) -> None:
        self._file: IO[str] = path.open("w", encoding="utf-8")
        self.lines = 0

    def add(self, message: Message) -> int:
        """Append ``message`` and return its number."""
        n = self.lines
        line = {"n": n, "by": message.producer, "kind": message.kind, "brands": message.brands}
        if message.reason:
            line |= {"reason": message.reason, "base64": base64.b64encode(message.value).decode()}
        else:
            line["value"] = message.value.decode()
        self._file.write(json.dumps(line, ensure_ascii=False) + "\n")
        self.lines += 1
        return n

    def flush(self) -> None:
        """Hand everything to the kernel."""
        self._file.flush()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()


def read(path: Path) -> Iterator[Line]:
    """Yield the lines of an input file. Raises ValueError where it is no input file."""
    with path.open(encoding="utf-8") as file:
        for raw in file:
            line = json.loads(raw)
            value = base64.b64decode(line["base64"]) if "base64" in line else line["value"].encode()
            yield Line(line["n"], line["by"], line["kind"], value, tuple(line["brands"]), line.get("reason", ""))
