"""Ways in: topics, HTTP, files. Each says what it was answered, so that everything can be accounted for."""

import gzip
import hashlib
import json
import random
import subprocess
import sys
import zlib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import httpx
from kafka import KafkaProducer

from tests.fuzz.messages import Poison

MAX_BYTES: Final = 900_000
"""Larger ones are refused by the broker, before they are anybody's."""
CODECS: Final = (None, "gzip", "snappy", "lz4", "zstd")
CLAIM: Final = "babelwatch-redelivery"
STATUSES: Final = frozenset({202, 207, 400, 401, 408, 413, 415, 429})
"""What POST /v1/mentions may answer (docs/http.md); 503 would mean that Kafka was away."""


def digest(value: bytes) -> str:
    """MD5, which ClickHouse has too."""
    return hashlib.md5(value, usedforsecurity=False).hexdigest()


@dataclass
class Sent:
    """What one topic got: (partition, offset) -> MD5 of the value."""

    values: dict[tuple[int, int], str] = field(default_factory=dict)
    claims: set[tuple[int, int]] = field(default_factory=set)
    """Those that claim to be redelivered from somewhere else (a header of ours, forged)."""
    refused: int = 0
    """By the producer or the broker: never in the log."""


class Topics:
    """Plain kafka-python, so that anything can be sent; a third of it in compressed batches."""

    def __init__(self, address: str, seed: int = 0) -> None:
        self._rng = random.Random(seed)
        self._kafka = [
            KafkaProducer(
                bootstrap_servers=address,
                acks="all",
                enable_idempotence=False,
                linger_ms=20,
                max_request_size=4 << 20,
                compression_type=codec,
            )
            for codec in CODECS
        ]
        self.sent: dict[str, Sent] = {}

    def send(self, topic: str, messages: Sequence[Poison]) -> None:
        """Return when each is confirmed or refused."""
        sent = self.sent.setdefault(topic, Sent())
        futures = []
        for one in messages:
            value = one.value[:MAX_BYTES]
            try:
                kafka = self._kafka[max(0, self._rng.randrange(12) - 7)]
                future = kafka.send(topic, key=one.key, value=value, headers=list(one.headers))
                futures.append((value, any(name == CLAIM for name, _ in one.headers), future))
            except Exception:  # a header name that is no text, for one: kafka-python refuses it
                sent.refused += 1
        for value, claims, future in futures:
            try:
                at = future.get(timeout=60)
                sent.values[at.partition, at.offset] = digest(value)
                if claims:
                    sent.claims.add((at.partition, at.offset))
            except Exception:
                sent.refused += 1

    def close(self) -> None:
        """Close the connections."""
        for kafka in self._kafka:
            kafka.close(timeout=5)


@dataclass
class Http:
    """``POST /v1/mentions``."""

    url: str
    token: str
    statuses: Counter[int] = field(default_factory=Counter)
    accepted: int = 0
    refused: int = 0
    unconfirmed: int = 0
    wrong: list[str] = field(default_factory=list)
    """Answers that no caller may get."""

    def post(self, rng: random.Random, messages: Sequence[bytes]) -> None:
        """One request with these items: an array, NDJSON, one alone, compressed, or a body that is nothing."""
        how = rng.choice((0, 0, 0, 1, 1, 1, 2, 3, 4, 5))
        headers = {"Authorization": f"Bearer {self.token}", "Content-Type": "application/json"}
        if how == 0:
            headers["Content-Type"] = "application/x-ndjson"
            body = b"\n".join(one.replace(b"\n", b" ") for one in messages)
        elif how == 1:
            body = b"[" + b",".join(messages) + b"]"
        elif how == 2:
            body = messages[0]
        elif how == 3:
            headers["Content-Encoding"] = rng.choice(("gzip", "deflate", "br", "zstd", "identity, gzip", "x" * 200))
            body = rng.choice((gzip.compress, zlib.compress))(b"[" + b" " * (1 << 22) + b"]")
        elif how == 4:
            headers["Content-Type"] = rng.choice(
                ("", "text/plain", 'application/x-ndjson; charset="', "multipart/form-data")
            )
            body = rng.choice(messages) + rng.randbytes(20)
        else:
            if rng.random() < 0.3:
                headers["Authorization"] = rng.choice(("", "Bearer", "Bearer é", "Basic eA=="))
            body = b"[" + b",".join(messages)
        self._send(headers, body)

    def _send(self, headers: Mapping[str, str], body: bytes) -> None:
        try:
            raw = [(name.encode(), value.encode("latin-1", "replace")) for name, value in headers.items()]
            answer = httpx.post(self.url, content=body, headers=raw, timeout=60)
        except httpx.HTTPError as error:
            # A server may hang up on a body that it will not read, but then it has to answer the next one.
            self.statuses[0] += 1
            if not isinstance(error, httpx.WriteError | httpx.RemoteProtocolError | httpx.ReadError):
                self.wrong.append(f"no answer: {error!r}")
            return
        self.statuses[answer.status_code] += 1
        if answer.status_code not in STATUSES:
            self.wrong.append(f"{answer.status_code}: {answer.text[:200]}")
            return
        found: dict[str, Any] = answer.json()
        if "results" in found:
            self.accepted += found["accepted"]
            self.refused += found["refused"]
            self.unconfirmed += found["unconfirmed"]
            if len(found["results"]) != found["accepted"] + found["refused"] + found["unconfirmed"]:
                self.wrong.append(f"an answer that does not add up: {answer.text[:200]}")


@dataclass
class Files:
    """``babelwatch ingest FILE``."""

    environment: Mapping[str, str]
    folder: Path
    lines: int = 0
    sent: int = 0
    rejected: int = 0
    runs: Counter[int] = field(default_factory=Counter)
    """Exit codes."""
    wrong: list[str] = field(default_factory=list)

    def ingest(self, rng: random.Random, number: int, messages: Sequence[bytes]) -> None:
        """One file of these lines, in some form."""
        lines = b"\n".join(one.replace(b"\n", b" ") for one in messages) + b"\n"
        how = number % 4
        name = f"fuzz{number}" + (".jsonl", ".jsonl.gz", ".csv", ".csv")[how]
        if how == 1:
            lines = gzip.compress(lines)
            if rng.random() < 0.3:
                lines = lines[: len(lines) // 2]
        elif how == 2:
            lines = b"text,published_at,id\n" + lines
        elif how == 3:
            lines = b"text,published_at,id\n" + b"\n".join(
                b'"%s",2026-11-20T18:00:00Z,%d' % (one[:200].replace(b"\0", b""), n) for n, one in enumerate(messages)
            )
        path = self.folder / name
        path.write_bytes(lines)
        argv = [
            sys.executable,
            "-m",
            "pipeline.cli",
            "ingest",
            str(path),
            "--json",
            "--format",
            "csv" if how > 1 else "jsonl",
        ]
        result = subprocess.run(
            argv, env=dict(self.environment), capture_output=True, text=True, check=False, timeout=300
        )
        self.runs[result.returncode] += 1
        if result.returncode not in {0, 2, 10}:
            self.wrong.append(f"{name}: exit code {result.returncode}: {result.stderr[-300:]}")
            return
        said = [line for line in result.stdout.splitlines() if line.startswith("{")]
        if said:
            summary: dict[str, Any] = json.loads(said[-1])
            self.lines += summary["lines"]
        else:
            # A file that breaks off ends without one; what was sent until there is in its checkpoint.
            checkpoint = path.with_name(f"{name}.babelwatch-ingest")
            if result.returncode != 2:
                self.wrong.append(f"{name}: no summary")
            if not checkpoint.is_file():
                return
            summary = json.loads(checkpoint.read_text(encoding="utf-8"))
            self.lines += summary["line"]
        self.sent += summary["accepted"]
        self.rejected += summary["rejected"]
