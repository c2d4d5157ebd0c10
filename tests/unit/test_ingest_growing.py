"""A file that somebody still writes: its last row may be half of one, and is counted once whatever becomes of it."""

import json
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path

import pytest

from pipeline.detect import Limits
from pipeline.sources.ingest import Ingest, Summary
from pipeline.sources.intake import Intake
from pipeline.sources.lines import open_input, read_lines
from pipeline.sources.rejects import Rejects
from schemas.events import EventError
from tests.unit.ingest_support import Memory, line, listed, plan, run

HEADER = b"id,text,published_at\n"
TIME = b"2026-01-01T00:00:00Z"


def counts(summary: Summary) -> tuple[int, int, int, int]:
    return summary.accepted, summary.rejected, summary.blank, summary.lines


def grow(path: Path, data: bytes) -> None:
    with path.open("ab") as file:
        file.write(data)


def test_a_whole_last_line_without_a_line_feed_is_counted_once(tmp_path: Path) -> None:
    path = tmp_path / "in.jsonl"
    path.write_bytes(line(1) + line(2).rstrip())
    outlet = Memory()
    assert counts(run(plan(path), outlet)) == (2, 0, 0, 2)
    grow(path, b"\n" + line(3))
    summary = run(plan(path), outlet)
    assert counts(summary) == (3, 0, 0, 3)
    assert summary.resumed_at == 1
    assert set(outlet.texts()) == {"text 1", "text 2", "text 3"}


def test_a_half_line_is_no_reject_any_more_once_it_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "in.jsonl"
    path.write_bytes(b"bad\n" + line(1) + line(2)[:20])
    outlet = Memory()
    assert counts(run(plan(path), outlet)) == (1, 2, 0, 3)
    assert [number for number, _ in listed(path)] == [1, 3]
    grow(path, line(2)[20:])
    assert counts(run(plan(path), outlet)) == (2, 1, 0, 3)
    assert [number for number, _ in listed(path)] == [1]
    assert counts(run(plan(path), outlet)) == (2, 1, 0, 3)
    assert outlet.texts() == ["text 1", "text 2"]


def test_it_may_grow_by_any_piece(tmp_path: Path) -> None:
    path = tmp_path / "in.jsonl"
    path.write_bytes(line(1))
    outlet = Memory()
    for piece in (b"  ", b"{", line(2)[1:-5], line(2)[-5:-1], b"", b"\n", b"x", b"\n"):
        grow(path, piece)
        summary = run(plan(path), outlet)
        assert summary.accepted + summary.rejected + summary.blank == summary.lines
        assert len(listed(path) if path.with_name("rejects.jsonl").exists() else []) == summary.rejected
    assert counts(summary) == (2, 1, 0, 3)


@pytest.mark.parametrize("cut", [*range(1, 12), -3, -2, -1])
def test_a_csv_row_of_several_lines_is_read_again_from_its_first(tmp_path: Path, cut: int) -> None:
    path = tmp_path / "in.csv"
    row = b'2,"one\ntwo\n\nthree",' + TIME + b"\n"
    data = HEADER + b"1,first," + TIME + b"\n"
    path.write_bytes(data + row[:cut])
    outlet = Memory()
    run(plan(path, format="csv"), outlet)
    grow(path, row[cut:])
    summary = run(plan(path, format="csv"), outlet)
    assert (summary.accepted, summary.rejected, summary.blank) == (2, 0, 0)
    assert summary.resumed_at == 2
    assert outlet.texts()[-1] == "one\ntwo\n\nthree"
    assert not path.with_name("rejects.jsonl").exists() or listed(path) == []
    again = run(plan(path, format="csv"), outlet)
    assert (again.accepted, again.resumed_at) == (2, 6)


def test_half_a_header_is_none(tmp_path: Path) -> None:
    path = tmp_path / "in.csv"
    path.write_bytes(HEADER[:-1])
    run(plan(path, format="csv"), Memory())
    grow(path, b",author\n1,first," + TIME + b",me\n")
    outlet = Memory()
    assert counts(run(plan(path, format="csv"), outlet)) == (1, 0, 0, 2)
    assert json.loads(outlet.confirmed[0][0])["author"] == "me"


def test_stopped_before_the_row_was_read_again_it_goes_on(tmp_path: Path) -> None:
    path = tmp_path / "in.jsonl"
    path.write_bytes(line(1) + line(2)[:20])
    outlet = Memory()
    run(plan(path), outlet)
    grow(path, line(2)[20:] + line(3))

    def stopped() -> AbstractContextManager[None]:
        raise KeyboardInterrupt

    stream, file = open_input(path)
    with file, pytest.raises(KeyboardInterrupt):
        Ingest(plan(path), stream, Intake(Limits()), outlet).run(waiting=stopped)
    assert listed(path) == []
    assert counts(run(plan(path), outlet)) == (3, 0, 0, 3)
    assert outlet.texts() == ["text 1", "text 2", "text 3"]


def test_a_checkpoint_of_before_is_gone_on_from(tmp_path: Path) -> None:
    path = tmp_path / "in.jsonl"
    path.write_bytes(line(1) + line(2))
    run(plan(path), Memory())
    state = path.with_name("state")
    kept = json.loads(state.read_text())
    kept.pop("last_row", None)
    for terminated in (True, False):  # what is not known cannot be taken back, but the row is read again
        state.write_text(json.dumps(kept | {"terminated": terminated}))
        path.write_bytes(line(1) + line(2) + line(3))
        outlet = Memory()
        run(plan(path), outlet)
        assert outlet.texts() == (["text 3"] if terminated else ["text 2", "text 3"])


def test_what_is_added_to_the_last_line_while_it_is_read_is_not_the_next_line(tmp_path: Path) -> None:
    path = tmp_path / "in.jsonl"
    path.write_bytes(b"one\ntw")
    stream, file = open_input(path)
    with file:
        lines = read_lines(stream, limit=100)
        assert [next(lines).data, next(lines).data] == [b"one", b"tw"]
        grow(path, b"o\nthree\n")
        assert list(lines) == []


def test_rejects_moved_away_between_two_runs(tmp_path: Path) -> None:
    path = tmp_path / "in.jsonl"
    path.write_bytes(b"bad\n" + line(1))
    run(plan(path), Memory())
    rejects = path.with_name("rejects.jsonl")
    rejects.rename(path.with_name("seen.jsonl"))
    for number in (3, 4):
        grow(path, b"bad again\n")
        assert run(plan(path), Memory()).rejected == number - 1
        assert [n for n, _ in listed(path)] == list(range(3, number + 1))


@pytest.mark.parametrize(("keep", "size"), [(0, 0), (3, 3), (5, 5), (900, 5)])
def test_a_list_is_cut_and_never_padded(tmp_path: Path, keep: int, size: int) -> None:
    path = tmp_path / "list"
    path.write_bytes(b"12345")
    rejects = Rejects(path, source="f", keep=keep)
    assert (rejects.size, path.read_bytes()) == (size, b"12345"[:size])
    rejects.add(1, 1, EventError("invalid", "x"), b"raw")
    rejects.close()
    assert rejects.size == path.stat().st_size
    assert b"\0" not in path.read_bytes()


def test_a_list_that_is_not_there_has_no_size(tmp_path: Path) -> None:
    assert Rejects(tmp_path / "list", source="f", keep=900).size == 0


def test_another_rejects_file_has_no_part_of_the_first(tmp_path: Path) -> None:
    path = tmp_path / "in.jsonl"
    path.write_bytes(b"bad\n")
    run(plan(path), Memory())
    grow(path, b"bad\n")
    other = replace(plan(path), rejects=tmp_path / "other")
    run(other, Memory())
    assert len((tmp_path / "other").read_text().splitlines()) == 1
