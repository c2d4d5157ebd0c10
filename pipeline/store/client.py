"""Connections to ClickHouse's native protocol, and its errors in words that say what to do, never with the password.

Three kinds, because the caller does something else for each: :class:`ClickHouseUnavailable` may pass by itself
(network, memory, disk full, too many parts: try again later), :class:`ClickHouseRefused` needs a person (password,
rights, a missing table), :class:`RowsRefused` blames the rows (the same rows again cannot succeed).
"""

import logging
import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import unquote, urlsplit

from clickhouse_driver import Client
from clickhouse_driver import errors as driver
from clickhouse_driver.util.helpers import parse_url

from pipeline.errors import BabelwatchError, ClickHouseRefused, ClickHouseUnavailable, RowsRefused, SettingsError
from pipeline.metrics import RETRIES

# The driver logs a traceback for each failed connection, beside raising it: the raised one is enough.
logging.getLogger("clickhouse_driver.connection").setLevel(logging.ERROR)

DEFAULT_PORT: Final = 9000
DEFAULT_TLS_PORT: Final = 9440
DEFAULT_DATABASE: Final = "babelwatch"

DATA_CODES: Final = frozenset({6, 26, 27, 38, 41, 43, 53, 69, 70, 72, 117, 130, 131, 190, 321, 349, 407, 436, 691})
"""Codes that blame the rows: cannot parse, type mismatch, out of bound, unknown enum element, size too large."""

PASSING_CODES: Final = frozenset(
    {
        *(3, 32, 33),  # unexpected end of a stream
        *(74, 75, 76, 87, 243, 425, 1001),  # reading, writing, opening a file; no space left; system errors
        *(159, 160, 209, 210, 279),  # timeouts, network
        *(201, 202, 203, 290),  # quota, too many queries, no free connection
        *(225, 242, 285, 286, 289, 319, 999),  # keeper away, replica read-only, quorum, unknown status of an insert
        *(236, 394, 473, 735, 734),  # aborted, cancelled by a shutdown, deadlock avoided
        *(241, 439),  # memory limit, no thread
        252,  # too many parts: merges are behind
    }
)
"""Codes that may pass by themselves."""

_REMEDY: Final = {
    516: "check user and password in CLICKHOUSE_URL",
    192: "check the user in CLICKHOUSE_URL",
    193: "check the password in CLICKHOUSE_URL",
    194: "CLICKHOUSE_URL needs a password",
    497: "grant this user SELECT, INSERT, CREATE and ALTER on the database",
    164: "this user is read-only: use one that may write",
    81: "the database is not there: run `babelwatch migrate`",
    60: "a table is not there: run `babelwatch migrate`",
    16: "a column is not there: run `babelwatch migrate`",
    47: "a column is not there: run `babelwatch migrate`",
    243: "the disk is full: free some space; it is tried again",
    252: "merges are behind: it is tried again",
    241: "the server is out of memory: it is tried again",
    242: "the replica is read-only (is Keeper up?): it is tried again",
}

_SETTINGS: Final = {
    # A buffered insert would wait for others (26.x does so by default), and a batch here is large already.
    "async_insert": 0,
    # Through a Distributed table an insert must be on its shard when it returns.
    "distributed_foreground_insert": 1,
    # The window of a month holds all rows of its keys: partitions need not be merged with each other.
    "do_not_merge_across_partitions_select_final": 1,
}


_HOW: Final = "CLICKHOUSE_URL must look like clickhouse://user:password@host:9000/database"


@dataclass(frozen=True)
class Address:
    """The parts of a ClickHouse URL that may be shown."""

    host: str
    port: int
    user: str
    database: str

    @classmethod
    def of(cls, url: str) -> "Address":
        """Raises SettingsError, which does not repeat the URL, when it is not one."""
        try:
            parts = urlsplit(url)
            port = parts.port
        except ValueError:
            raise SettingsError(f"{_HOW}: the port is not a number") from None
        if parts.scheme not in {"clickhouse", "clickhouses"} or not parts.hostname:
            raise SettingsError(_HOW)
        default_port = DEFAULT_TLS_PORT if parts.scheme == "clickhouses" else DEFAULT_PORT
        database = unquote(parts.path.lstrip("/")) or DEFAULT_DATABASE
        return cls(parts.hostname, port or default_port, unquote(parts.username or "default"), database)

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"


def connect(url: str, *, timeout_s: float = 60.0, database: str | None = None, **settings: Any) -> Client:  # noqa: ANN401
    """Return a client for ``url``; it connects with its first query, and again by itself after a lost connection.

    ``timeout_s`` bounds the connect (at most 10 s of it) and each wait for a reply. ``database`` replaces the one of
    the URL (``""`` is the server's default). ``settings`` are ClickHouse settings of every query; what stands in the
    URL's query string wins over both. One client serves one thread. Its errors are the driver's: :func:`clear_errors`
    translates them. Raises SettingsError for a URL that is none.
    """
    address = Address.of(url)
    try:
        host, options = parse_url(url)
        options = {
            "port": address.port,
            "connect_timeout": min(10.0, timeout_s),
            "send_receive_timeout": timeout_s,
            "sync_request_timeout": min(5.0, timeout_s),
            "client_name": "babelwatch",
            **options,
            "database": address.database if database is None else database,
            "settings": {**_SETTINGS, **settings, **options.get("settings", {})},
        }
        return Client(host, **options)
    except (ValueError, AttributeError, TypeError) as error:
        raise SettingsError(f"{_HOW}, and its options must be clickhouse-driver's: {error}") from None


def translate(error: BaseException, where: str, password: str = "") -> BabelwatchError | None:
    """Return the driver's ``error`` as one of ours, or None when it is not the driver's (a bug, an interrupt)."""
    if isinstance(error, driver.ServerException):
        code = int(error.code)
        said = _first_line(error.message, password)
        remedy = _REMEDY.get(code, "")
        text = f"ClickHouse at {where} refused (code {code}): {said}" + (f": {remedy}" if remedy else "")
        if code in DATA_CODES:
            return RowsRefused(text)
        return ClickHouseUnavailable(text) if code in PASSING_CODES else ClickHouseRefused(text)
    if isinstance(error, (driver.NetworkError, driver.SocketTimeoutError, EOFError, OSError)):
        said = _first_line(str(error), password) or type(error).__name__
        return ClickHouseUnavailable(
            f"ClickHouse at {where} does not answer ({said}): is it running, and is CLICKHOUSE_URL its native port?"
        )
    if isinstance(error, (driver.UnexpectedPacketFromServerError, driver.UnknownPacketFromServerError)):
        return ClickHouseUnavailable(
            f"ClickHouse at {where} answers in another protocol: CLICKHOUSE_URL must name the native port "
            f"({DEFAULT_PORT}, or {DEFAULT_TLS_PORT} with clickhouses://), not the HTTP one"
        )
    return None


_DRIVER_PREFIX: Final = re.compile(r"^Code: \d+\.\s*")
_DRIVER_SUFFIX: Final = re.compile(r"\s*\([^()]*:\d+\)$")


def _first_line(text: str, password: str) -> str:
    """First line without the server's stack trace, and without the password should it ever be there."""
    lines = text.strip().splitlines()
    line = lines[0].strip() if lines else ""
    line = line.split(" Stack trace:")[0].removeprefix("DB::Exception: ").rstrip(".")
    line = _DRIVER_PREFIX.sub("", _DRIVER_SUFFIX.sub("", line))
    return (line.replace(password, "***") if len(password) > 3 else line)[:400]


@contextmanager
def clear_errors(client: Client) -> Iterator[None]:
    """Translate the driver's errors; after any error the client connects anew (it may hold half a reply).

    Raises ClickHouseUnavailable, ClickHouseRefused or RowsRefused in place of the driver's own.
    """
    try:
        yield
    except BaseException as error:
        connection = client.connection
        client.disconnect()
        host, port = connection.hosts[0]
        clear = translate(error, f"{host}:{port}", connection.password or "")
        if clear is None:
            raise
        raise clear from error


def server_version(client: Client) -> str:
    """Version that the server says it has."""
    with clear_errors(client):
        return str(client.execute("SELECT version()")[0][0])


def wait_for(
    url: str,
    timeout_s: float,
    *,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> None:
    """Return when ClickHouse answers, whether or not its database exists yet.

    Tries with a backoff of 0.1 s to 5 s, each try counted. Raises ClickHouseUnavailable (the last reason) after
    ``timeout_s``, and ClickHouseRefused at once: a wrong password does not get right by waiting.
    """
    address = Address.of(url)
    deadline = clock() + timeout_s
    delay = 0.1
    while True:
        client = connect(url, timeout_s=max(0.5, min(5.0, deadline - clock())), database="")
        try:
            server_version(client)
            return
        except ClickHouseUnavailable as error:
            if clock() + delay >= deadline:
                raise ClickHouseUnavailable(
                    f"{error} Tried for {timeout_s:.0f} s as {address.user!r}. Start it, or unset CLICKHOUSE_URL to "
                    "use the embedded one (`babelwatch up`)"
                ) from None
        finally:
            client.disconnect()
        RETRIES.labels("store", "clickhouse_connect").inc()
        sleep(delay)
        delay = min(delay * 2, 5.0)
