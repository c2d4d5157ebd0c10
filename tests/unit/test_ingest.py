"""A run over a file: what is sent, listed, kept and gone on from. The outlet is our own interface, held in memory."""

import gzip
import io
import json
from pathlib import Path
from typing import BinaryIO, cast

import pytest

from pipeline.detect import Limits
from pipeline.errors import BrokerUnavailable, InputError
from pipeline.sources import ingest as module
from pipeline.sources.ingest import Ingest
from pipeline.sources.intake import Intake
from pipeline.sources.plan import Plan, sniff_format
from schemas.ids import mention_id
from tests.unit.ingest_support import Memory, Stop, line, listed, plan, run


@pytest.fixture
def small_commits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "COMMIT_ROWS", 10)
    monkeypatch.setattr(module, "COMMIT_S", 3600.0)


def test_good_lines_are_keyed_and_keep_their_bytes(tmp_path: Path) -> None:
    path = tmp_path / "in.jsonl"
    own = b'{"source": "web", "id": "x", "text": "\\u00e9", "published_at": "2026-01-01T00:00:00Z", "mood":  [1.0]}'
    path.write_bytes(b"\xef\xbb\xbf" + own + b"\r\n\n" + line(2))
    outlet = Memory()
    summary = run(plan(path), outlet)
    assert (summary.accepted, summary.rejected, summary.blank, summary.lines) == (2, 0, 1, 3)
    assert outlet.confirmed[0] == (own, mention_id("default", "web", "x", None, None, "").encode())
    assert json.loads(outlet.confirmed[1][0])["source"] == "forum"
    assert outlet.confirmed[1][1] == mention_id("default", "forum", "2", None, None, "").encode()


BAD = [
    (b"\xff\xfe\n", "not_utf8"),
    (b"{oops\n", "not_json"),
    (b"[" * 10_000 + b"\n", "invalid"),
    (b'{"a":' * 10_000 + b"\n", "not_json"),
    (b'{"text": 7, "published_at": "2026-01-01T00:00:00Z"}\n', "invalid"),
    (line(1, text=""), "invalid"),
    (line(1, text="\u200b \n"), "blank_text"),
    (line(1, text="x" * 30_000), "text_too_long"),
    (line(1, text="a\0b"), "nul_byte"),
    (line(1, published_at="9999-01-01T00:00:00Z"), "in_the_future"),
    (line(1, published_at="0001-01-01T00:00:00+14:00"), "too_old"),
    (line(1, version=9), "unknown_version"),
    (line(1, type="mention_scored"), "unknown_type"),
    (line(1, reach=float("nan")), "not_json"),
    (line(1, note="HUGE"), "too_large"),
    (b'{"text": "' + b"x" * (2 << 20) + b'"}\n', "too_large"),
]


def test_every_kind_of_bad_line_is_listed_and_the_others_are_in(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "in.jsonl"
    path.write_bytes(b"".join(bad + line(n) for n, (bad, _) in enumerate(BAD)))
    outlet = Memory()
    summary = run(plan(path), outlet)
    assert listed(path) == [(2 * n + 1, reason) for n, (_, reason) in enumerate(BAD)]
    assert (summary.accepted, summary.rejected) == (len(BAD), len(BAD))
    shown = capsys.readouterr().err
    assert f"{path}:3: not_json:" in shown
    assert (path.with_name("rejects.jsonl").stat().st_mode & 0o777) == 0o600


def test_a_hostile_line_moves_no_cursor(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "in.jsonl"
    path.write_bytes(line(1, type="\x1b]0;owned\x07\u202e"))
    run(plan(path), Memory())
    assert not {"\x1b", "\x07", "\u202e"} & set(capsys.readouterr().err)


@pytest.mark.usefixtures("small_commits")
@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("stop_at", [1, 10, 37, 99])
def test_stopping_and_going_on_loses_nothing_and_repeats_nothing(tmp_path: Path, packed: bool, stop_at: int) -> None:
    path = tmp_path / "in"
    data = b"".join(b"bad\n" if n % 9 == 0 else line(n) for n in range(100))
    path.write_bytes(gzip.compress(data) if packed else data)
    outlet = Memory()
    with pytest.raises(KeyboardInterrupt):
        run(plan(path), outlet, Stop(stop_at))
    summary = run(plan(path), outlet)
    assert summary.resumed_at == stop_at
    assert outlet.texts() == [f"text {n}" for n in range(100) if n % 9]
    assert [n for n, _ in listed(path)] == [n + 1 for n in range(100) if n % 9 == 0]
    assert (summary.accepted, summary.rejected, summary.lines) == (88, 12, 100)
    again = run(plan(path), outlet)
    assert again.resumed_at == again.lines == 100
    assert len(outlet.confirmed) == 88


@pytest.mark.usefixtures("small_commits")
def test_a_broker_that_goes_away_costs_only_the_unconfirmed_tail(tmp_path: Path) -> None:
    path = tmp_path / "in"
    path.write_bytes(b"".join(b"bad\n" if n % 7 == 0 else line(n) for n in range(100)))
    outlet = Memory()
    outlet.fail_after = 40
    with pytest.raises(BrokerUnavailable, match="40 lines are confirmed; run the same command again"):
        run(plan(path), outlet)
    outlet.open, outlet.fail_after = [], None
    summary = run(plan(path), outlet)
    assert summary.resumed_at == 40
    assert outlet.texts() == [f"text {n}" for n in range(100) if n % 7]
    # what was listed after the checkpoint is not listed twice
    assert [n for n, _ in listed(path)] == [n + 1 for n in range(100) if n % 7 == 0]


def test_another_broker_gets_everything(tmp_path: Path) -> None:
    path = tmp_path / "in"
    path.write_bytes(line(1))
    run(plan(path), Memory())
    outlet = Memory()
    summary = run(plan(path, incarnation="two"), outlet)
    assert "started anew" in summary.started_over
    assert len(outlet.confirmed) == summary.accepted == 1


def test_other_options_or_another_file_need_restart(tmp_path: Path) -> None:
    path = tmp_path / "in"
    path.write_bytes(line(1) + line(2))
    run(plan(path), Memory())
    with pytest.raises(InputError, match="--restart"):
        run(plan(path, source="other"), Memory())
    path.write_bytes(line(3) + line(4))
    with pytest.raises(InputError, match="not the file that was begun"):
        run(plan(path), Memory())
    outlet = Memory()
    assert run(plan(path, restart=True), outlet).accepted == 2
    assert outlet.texts() == ["text 3", "text 4"]


def test_csv_goes_on_between_rows_of_many_lines(tmp_path: Path) -> None:
    path = tmp_path / "in.csv"
    body = b"".join(b'%d,"text\n%d",2026-01-01T00:00:00Z\n' % (n, n) for n in range(20))
    path.write_bytes(b"id,text,published_at\n" + body)
    outlet = Memory()
    with pytest.raises(KeyboardInterrupt):
        run(plan(path, format="csv"), outlet, Stop(7))
    summary = run(plan(path, format="csv"), outlet)
    assert summary.resumed_at == 15
    assert outlet.texts() == [f"text\n{n}" for n in range(20)]


def test_a_dry_run_sends_and_keeps_nothing(tmp_path: Path) -> None:
    path = tmp_path / "in"
    path.write_bytes(line(1) + b"bad\n")
    summary = run(plan(path, state=None, rejects=None), None)
    assert (summary.accepted, summary.rejected) == (1, 1)
    assert [p.name for p in tmp_path.iterdir()] == ["in"]


def test_a_stream_is_read_once_from_where_it_is() -> None:
    outlet = Memory()
    stream = cast("BinaryIO", io.BufferedReader(io.BytesIO(line(1) + line(2))))
    assert Ingest(Plan("-", "jsonl", "stdin"), stream, Intake(Limits()), outlet).run().accepted == 2
    assert outlet.texts() == ["text 1", "text 2"]


@pytest.mark.parametrize(
    ("name", "head", "expected"),
    [
        ("a.csv.gz", b"{", "csv"),
        ("a.TSV", b"", "csv"),
        ("a.jsonl", b"broken", "jsonl"),
        ("-", b' \n{"text"', "jsonl"),
        ("-", b"\xef\xbb\xbf{", "jsonl"),
        ("-", b"id,text\n", "csv"),
        ("empty", b"", "jsonl"),
    ],
)
def test_format(name: str, head: bytes, expected: str) -> None:
    assert sniff_format(name, head) == expected


def test_a_json_array_is_named() -> None:
    with pytest.raises(InputError, match="jq"):
        sniff_format("a.json", b'[{"text"')
