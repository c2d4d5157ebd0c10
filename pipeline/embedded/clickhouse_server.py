"""The embedded ClickHouse server's process: ``python -m pipeline.embedded.clickhouse_server FOLDER TCP_PORT``.

``chdb-core`` holds a whole ClickHouse. Its private ``_chdb.query`` runs the server object of clickhouse-local, which
since 26.7 accepts SYSTEM START LISTEN; the public API cannot do this, hence the exact pin in pyproject.toml. The server
lives exactly as long as its last statement runs, so that one sleeps until it is killed.

Reads ``FOLDER/config/config.xml``, keeps data in ``FOLDER/data``; the password (to end that statement) comes in the
environment variable ``BABELWATCH_CLICKHOUSE_PASSWORD``. SIGTERM ends it in order: exit code 0. Any other end is a
failure.
"""

import os
import signal
import sys
import threading
from pathlib import Path
from typing import Any, Final

from pipeline.embedded.clickhouse_config import KEEPALIVE, USER

PASSWORD_VARIABLE: Final = "BABELWATCH_CLICKHOUSE_PASSWORD"  # noqa: S105 - its name
ORDERLY_S: Final = 20.0
"""After this long an orderly stop has failed. What was acknowledged is safe all the same (kill -9 lost nothing)."""

# Never FORMAT Null as the call's own format: every client's SELECT would return nothing. Here it is the statement's.
_STATEMENTS: Final = (  # constants of ours, no input
    "SYSTEM START LISTEN TCP; SYSTEM START LISTEN HTTP; "  # noqa: S608
    "SELECT sleepEachRow(0.5) FROM system.numbers FORMAT Null SETTINGS max_block_size=1, max_threads=1, "
    f"function_sleep_max_microseconds_per_block=0, max_execution_time=0, log_comment='{KEEPALIVE}'"
)


def main(folder: Path, tcp_port: int) -> int:
    """Run the server until SIGTERM or SIGINT; returns the exit code."""
    # Blocked in every thread and fetched by this one: a signal that a thread of the engine received would otherwise
    # wake nobody.
    signals = {signal.SIGTERM, signal.SIGINT}
    signal.pthread_sigmask(signal.SIG_BLOCK, signals)
    password = os.environ.pop(PASSWORD_VARIABLE, "")
    os.environ["TZ"] = "UTC"
    # Before chdir: the import opens an engine of its own, which would read ./config.xml.
    from chdb import _chdb

    engine: Any = _chdb
    os.chdir(folder / "config")
    ended = threading.Event()

    def serve() -> None:
        try:
            result = engine.query(_STATEMENTS, "TabSeparated", path=str(folder / "data"))
            # Errors of the start go to stderr while this stays empty.
            if result.has_error():
                print(result.error_message(), file=sys.stderr, flush=True)
        finally:
            ended.set()
            os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=serve, name="clickhouse", daemon=True).start()
    signal.sigwait(signals)
    if ended.is_set():
        print("the ClickHouse server ended by itself", file=sys.stderr, flush=True)
        return 1
    _end_keepalive(tcp_port, password)
    return 0 if ended.wait(ORDERLY_S) else 1


def _end_keepalive(tcp_port: int, password: str) -> None:
    from clickhouse_driver import Client
    from clickhouse_driver.errors import Error

    try:
        client = Client(
            "127.0.0.1", port=tcp_port, user=USER, password=password, connect_timeout=3, send_receive_timeout=5
        )
        client.execute(f"KILL QUERY WHERE Settings['log_comment'] = '{KEEPALIVE}' ASYNC")
        client.disconnect()
    except (Error, OSError, EOFError) as error:
        print(f"orderly stop: {type(error).__name__}: {str(error)[:300]}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    code = main(Path(sys.argv[1]), int(sys.argv[2]))
    # Not sys.exit: destructors of the engine's library may wait for threads that are gone.
    os._exit(code)
