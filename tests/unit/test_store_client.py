"""URLs, and the driver's errors in our words: what is tried again, what needs a person, what blames the rows."""

import socket
import threading
from collections.abc import Iterator

import pytest
from clickhouse_driver import errors as driver

from pipeline.errors import BabelwatchError, ClickHouseRefused, ClickHouseUnavailable, RowsRefused, SettingsError
from pipeline.store.client import Address, connect, translate, wait_for


@pytest.mark.parametrize(
    ("url", "shown", "user", "database"),
    [
        ("clickhouse://u:p@h:9001/db", "h:9001", "u", "db"),
        ("clickhouse://h", "h:9000", "default", "babelwatch"),
        ("clickhouses://h/x", "h:9440", "default", "x"),
        ("clickhouse://us%40er:p%2Fw@h/", "h:9000", "us@er", "babelwatch"),
        ("clickhouse://[::1]:9000/db", "::1:9000", "default", "db"),
    ],
)
def test_the_parts_of_a_url(url: str, shown: str, user: str, database: str) -> None:
    address = Address.of(url)
    assert (str(address), address.user, address.database) == (shown, user, database)


@pytest.mark.parametrize(
    "url", ["", "http://u:top-secret@h:8123", "clickhouse://", "clickhouse://u:top-secret@h:port/x"]
)
def test_what_is_no_url_says_how_one_looks_and_shows_nothing(url: str) -> None:
    with pytest.raises(SettingsError, match="clickhouse://user:password@host:9000/database") as refused:
        connect(url)
    assert "top-secret" not in str(refused.value)


def test_a_wrong_option_is_named() -> None:
    with pytest.raises(SettingsError, match="options"):
        connect("clickhouse://h/db?connect_timeout=soon")


def test_options_of_the_url_win() -> None:
    client = connect("clickhouse://h/db?send_receive_timeout=7&insert_quorum=2", timeout_s=3, max_threads=1)
    assert client.connection.send_receive_timeout == 7
    assert client.connection.connect_timeout == 3
    assert client.settings["insert_quorum"] == "2"
    assert client.settings["max_threads"] == 1
    assert client.settings["async_insert"] == 0


def server_error(code: int, text: str = "DB::Exception: it failed. Stack trace:\n\n0. somewhere") -> BabelwatchError:
    error = translate(driver.ServerException(text, code), "h:9000", "top-secret")
    assert error is not None
    return error


@pytest.mark.parametrize("code", [3, 74, 75, 159, 202, 209, 210, 225, 241, 242, 243, 252, 285, 319, 394, 999, 1001])
def test_what_may_pass_is_unavailable(code: int) -> None:
    assert type(server_error(code)) is ClickHouseUnavailable


@pytest.mark.parametrize("code", [516, 192, 497, 164, 81, 60, 47, 62])
def test_what_needs_a_person_is_refused(code: int) -> None:
    assert type(server_error(code)) is ClickHouseRefused


@pytest.mark.parametrize("code", [6, 27, 53, 69, 131, 691])
def test_what_blames_the_rows_is_a_value_error_too(code: int) -> None:
    error = server_error(code)
    assert type(error) is RowsRefused
    assert isinstance(error, ValueError)


def test_an_error_says_where_what_and_what_to_do() -> None:
    text = str(server_error(243, "DB::Exception: Cannot reserve 1 GiB, not enough space. Stack trace:\n\n0. x"))
    assert text == (
        "ClickHouse at h:9000 refused (code 243): Cannot reserve 1 GiB, not enough space: the disk is full: free some "
        "space; it is tried again"
    )
    assert "top-secret" not in str(server_error(516, "DB::Exception: u: wrong password top-secret"))


@pytest.mark.parametrize(
    "error",
    [
        driver.NetworkError("Connection refused (h:9000)"),
        driver.SocketTimeoutError("timed out"),
        EOFError("Unexpected EOF while reading bytes"),
        ConnectionResetError(104, "reset"),
        TimeoutError(),
        driver.UnexpectedPacketFromServerError("x"),
    ],
)
def test_a_lost_connection_is_unavailable(error: BaseException) -> None:
    translated = translate(error, "h:9000")
    assert isinstance(translated, ClickHouseUnavailable)
    assert "h:9000" in str(translated)


def test_what_is_not_the_drivers_is_not_ours() -> None:
    assert translate(KeyError("x"), "h:9000") is None
    assert translate(KeyboardInterrupt(), "h:9000") is None


class Clock:
    """Time that passes when somebody sleeps."""

    def __init__(self) -> None:
        self.now = 0.0
        self.slept: list[float] = []

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds


@pytest.fixture
def closed_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def test_waiting_backs_off_and_gives_up_with_the_address_and_the_remedy(closed_port: int) -> None:
    clock = Clock()
    with pytest.raises(ClickHouseUnavailable, match=f"127.0.0.1:{closed_port} .*Tried for 20 s.*babelwatch up"):
        wait_for(f"clickhouse://u:top-secret@127.0.0.1:{closed_port}/x", 20, clock=clock, sleep=clock.sleep)
    assert clock.slept[:4] == [0.1, 0.2, 0.4, 0.8]
    assert max(clock.slept) <= 5
    assert 10 < sum(clock.slept) <= 20


@pytest.fixture
def silent_port() -> Iterator[int]:
    """A server that takes connections and never says a word, as one that is stopped does."""
    listener = socket.create_server(("127.0.0.1", 0))
    held: list[socket.socket] = []

    def accept() -> None:
        try:
            while True:
                held.append(listener.accept()[0])
        except OSError:
            return

    thread = threading.Thread(target=accept)
    thread.start()
    yield int(listener.getsockname()[1])
    listener.shutdown(socket.SHUT_RDWR)
    listener.close()
    thread.join()
    for connection in held:
        connection.close()


def test_a_server_that_stands_still_is_unavailable(silent_port: int) -> None:
    clock = Clock()

    def sleep(seconds: float) -> None:
        clock.now = 100  # one try is enough

    with pytest.raises(ClickHouseUnavailable, match="does not answer"):
        wait_for(f"clickhouse://127.0.0.1:{silent_port}/x", 0.6, clock=clock, sleep=sleep)
