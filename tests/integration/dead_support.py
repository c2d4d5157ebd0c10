"""What the tests of ``babelwatch dead`` share: letters whose bytes are hostile, and the command as people run it."""

import os
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

from pipeline.kafka.deadletter import DeadLetter
from schemas.events import Origin

NOW = datetime.now(UTC).replace(microsecond=0)
HOSTILE = b'\x1b]0;owned\x07\x1b[2J\xe2\x80\xae\xff\x00{"text": "\xe3\x83\xab"}\r\n\x9b31m'

Dead = Callable[..., subprocess.CompletedProcess[bytes]]


def letter(
    offset: int,
    *,
    incarnation: str = "inc-aaaa-1",
    hours: float = 0,
    reason: str = "not_json",
    stage: str = "language",
    value: bytes = HOSTILE,
    error: str = "the value is not JSON: \x1b[31m\u202e",
) -> DeadLetter:
    """One that died ``hours`` before now, at ``mentions/3/OFFSET``."""
    return DeadLetter(
        value=value,
        key=b"\x1b[5m",
        origin=Origin(incarnation=incarnation, topic="mentions", partition=3, offset=offset),
        stage=stage,
        reason=reason,
        error=error,
        failed_at=NOW - timedelta(hours=hours),
        headers=(("tra\x1bce", b"\x9b1m"),),
    )


def command(url: str, data_dir: Path) -> Dead:
    """``babelwatch dead ARGUMENT...`` against the ClickHouse of ``url``, without a broker and a terminal."""

    def run(*arguments: str) -> subprocess.CompletedProcess[bytes]:
        environment = {k: v for k, v in os.environ.items() if not k.startswith(("BABELWATCH_", "KAFKA_"))}
        environment |= {"CLICKHOUSE_URL": url, "BABELWATCH_DATA_DIR": str(data_dir)}
        argv = [sys.executable, "-c", "from pipeline.cli.main import main; main()", "dead", *arguments]
        return subprocess.run(
            argv, env=environment, stdin=subprocess.DEVNULL, capture_output=True, timeout=60, check=False
        )

    return run
