"""`babelwatch demo` as a user runs it: a process of its own, with a data folder of its own."""

import os
import re
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import parse_qs

import psutil
import pytest

ADDRESS = re.compile(r"Dashboard:\s+(http://\S+)")


@dataclass
class DemoProcess:
    """A running demo and everything it printed."""

    process: subprocess.Popen[str]
    output: list[str] = field(default_factory=list)

    def text(self) -> str:
        return "".join(self.output)

    def address(self, timeout_s: float = 90.0) -> tuple[str, str]:
        """(base URL, token) once it is printed."""
        deadline = time.monotonic() + timeout_s
        while time.monotonic() < deadline:
            found = ADDRESS.search(self.text())
            if found:
                base, _, query = found.group(1).partition("?")
                return base.rstrip("/"), parse_qs(query)["token"][0]
            if self.process.poll() is not None:
                break
            time.sleep(0.1)
        pytest.fail(f"no address was printed:\n{self.text()}")

    def children(self) -> list[psutil.Process]:
        return psutil.Process(self.process.pid).children(recursive=True)

    def wait(self, timeout_s: float) -> int:
        try:
            code = self.process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            pytest.fail(f"still running after {timeout_s:.0f} s:\n{self.text()}")
        return code


@contextmanager
def demo(data_dir: Path, *args: str, env: dict[str, str] | None = None) -> Iterator[DemoProcess]:
    """Run `babelwatch demo ARGS` in ``data_dir``; whatever is left of it at the end is killed."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("KAFKA_", "CLICKHOUSE_", "BABELWATCH_"))}
    environment |= {"BABELWATCH_DATA_DIR": str(data_dir), "PYTHONUNBUFFERED": "1"} | (env or {})
    process = subprocess.Popen(
        [sys.executable, "-c", "from pipeline.cli.main import main; main()", "demo", "--port", "0", *args],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=environment,
        start_new_session=True,
    )
    running = DemoProcess(process)

    def read() -> None:
        assert process.stdout is not None
        for line in process.stdout:
            running.output.append(line)

    reader = threading.Thread(target=read, daemon=True)
    reader.start()
    try:
        yield running
    finally:
        left: Sequence[psutil.Process] = running.children() if process.poll() is None else ()
        if process.poll() is None:
            process.kill()
        for child in left:
            if child.is_running():
                child.kill()
        process.wait(10)
        reader.join(5)
