"""Lines, their places, and checkpoints over them."""

import gzip
import io
from pathlib import Path

import pytest

from pipeline.errors import InputError
from pipeline.sources import checkpoint as checkpoints
from pipeline.sources.checkpoint import Checkpoint
from pipeline.sources.lines import open_input, read_lines


def test_places_are_bytes_and_a_long_line_costs_only_itself() -> None:
    data = b"one\r\n" + b"x" * 5000 + b"\n\nlast"
    lines = list(read_lines(io.BytesIO(data), limit=100))
    assert [(line.number, line.start, line.end) for line in lines] == [
        (1, 0, 5),
        (2, 5, 5006),
        (3, 5006, 5007),
        (4, 5007, 5011),
    ]
    assert [line.data for line in lines] == [b"one", b"", b"", b"last"]
    assert [line.too_long for line in lines] == [False, True, False, False]
    assert [line.terminated for line in lines] == [True, True, True, False]


@pytest.mark.parametrize("size", [99, 100, 101])
def test_the_limit_counts_without_the_line_feed(size: int) -> None:
    (line, after) = read_lines(io.BytesIO(b"x" * size + b"\nnext\n"), limit=100)
    assert line.too_long == (size > 100)
    assert after.data == b"next"


def test_gzip_is_told_by_content_and_seeks(tmp_path: Path) -> None:
    path = tmp_path / "plain.txt"
    path.write_bytes(gzip.compress(b"one\ntwo\nthree\n"))
    stream, file = open_input(path)
    with file:
        stream.seek(4)
        assert [line.data for line in read_lines(stream, limit=100, start=4, number=1)] == [b"two", b"three"]


def test_a_cut_gzip_names_the_line(tmp_path: Path) -> None:
    path = tmp_path / "cut.gz"
    whole = gzip.compress(b"".join(b"line %d of many\n" % n for n in range(50_000)))
    path.write_bytes(whole[: len(whole) // 2])
    stream, file = open_input(path)
    with file, pytest.raises(InputError, match=r"line \d+: the input cannot be read on"):
        for _ in read_lines(stream, limit=100):
            pass


@pytest.mark.parametrize(("path", "says"), [("/nowhere/file", "No such file"), ("/", "folder|directory")])
def test_a_path_that_cannot_be_read(path: str, says: str) -> None:
    with pytest.raises(InputError, match=says):
        open_input(Path(path))


def at_line(data: bytes, number: int) -> Checkpoint:
    state = Checkpoint()
    for line in read_lines(io.BytesIO(data), limit=1 << 20):
        if line.number > number:
            break
        state.advance(line)
    state.seal(data[: checkpoints.HEAD_BYTES])
    return state


DATA = b"".join(b"this is line %d\n" % n for n in range(1, 2001))


def test_a_file_that_grew_is_the_same_file() -> None:
    state = at_line(DATA, 1000)
    stream = io.BytesIO(DATA + b"more\n")
    assert state.mismatch(stream) is None
    assert stream.readline() == b"this is line 1001\n"


@pytest.mark.parametrize(
    "other",
    [
        DATA.replace(b"line 1\n", b"line x\n"),
        DATA.replace(b"line 1000\n", b"line 100x\n"),
        DATA[:100],
        b"",
    ],
)
def test_a_rewritten_file_is_another_one(other: bytes) -> None:
    assert at_line(DATA, 1000).mismatch(io.BytesIO(other)) is not None


def test_a_last_line_that_grew_is_read_again_from_its_beginning() -> None:
    state = at_line(b"one\ntw", 2)
    assert (state.line, state.position) == (2, 6)
    stream = io.BytesIO(b"one\ntwo\n")
    assert state.mismatch(stream) is None
    assert (state.line, state.position) == (1, 4)
    assert stream.read() == b"two\n"


def test_save_and_load(tmp_path: Path) -> None:
    path = tmp_path / "state"
    assert checkpoints.load(path) is None
    state = at_line(DATA, 10)
    checkpoints.save(path, state)
    assert checkpoints.load(path) == state
    assert [p.name for p in tmp_path.iterdir()] == ["state"]
    path.write_bytes(b"{}x")
    with pytest.raises(InputError, match="--restart"):
        checkpoints.load(path)


def test_a_place_that_cannot_be_written_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="--state"):
        checkpoints.save(tmp_path / "no" / "state", Checkpoint())
