"""The report: four counts that must add up, and numbers of stages from a worker's page."""

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from pipeline.errors import InputError, Unaccounted
from pipeline.report import Counts, Report, check_writable, read_stage, stage_numbers

PAGE = """\
# HELP babelwatch_messages_in_total Messages taken from a topic
# TYPE babelwatch_messages_in_total counter
babelwatch_messages_in_total{role="sink",topic="mentions.scored"} 90.0
babelwatch_messages_in_total{role="sink",topic="mentions.dead"} 10.0
# HELP babelwatch_messages_in_created x
# TYPE babelwatch_messages_in_created gauge
babelwatch_messages_in_created{role="sink",topic="mentions.dead"} 1.7e+09
# HELP babelwatch_retries_total Attempts repeated after an error
# TYPE babelwatch_retries_total counter
babelwatch_retries_total{role="sink",what="insert"} 0.0
# HELP babelwatch_sink_mentions_total What became of mentions
# TYPE babelwatch_sink_mentions_total counter
babelwatch_sink_mentions_total{outcome="stored"} 80.0
babelwatch_sink_mentions_total{outcome="edit"} 0.0
"""


def report(counts: Counts) -> Report:
    return Report(
        counts=counts,
        by_stage={"language": {"in": 10, "out": 9, "dead": 1}},
        by_language={"pt": {"mentions": 3}, "en": {"mentions": 5}},
        latency_ms={"p50": 210.4, "p95": 480.0, "p99": 900.0},
        run="abc",
        seconds=60.04,
        kinds={"mention": 8, "repeat": 1, "poison": 1},
    )


@pytest.mark.parametrize(
    ("counts", "missing"),
    [
        (Counts(sent=10, stored=8, repeats=1, dead=1), 0),
        (Counts(sent=10, stored=7, repeats=1, dead=1), 1),
        (Counts(sent=10, stored=9, repeats=1, dead=1), -1),
        (Counts(sent=0, stored=0, repeats=0, dead=0), 0),
    ],
)
def test_missing(counts: Counts, missing: int) -> None:
    assert counts.missing == missing
    if missing:
        with pytest.raises(Unaccounted, match=r"1 (of 10|more)"):
            counts.require_accounted()
    else:
        counts.require_accounted()


def test_unaccounted_has_an_exit_code_of_its_own() -> None:
    assert Unaccounted.exit_code not in (0, 1, 2)


def test_json_has_the_promised_keys(tmp_path: Path) -> None:
    path = tmp_path / "demo.json"
    report(Counts(sent=10, stored=8, repeats=1, dead=1)).write(path)
    written = json.loads(path.read_text(encoding="utf-8"))
    assert list(written)[:4] == ["sent", "stored", "repeats", "dead"]
    assert {"by_stage", "by_language", "latency_ms"} <= set(written)
    assert written["missing"] == 0
    assert written["by_language"]["pt"] == {"mentions": 3}


def test_lines_say_whether_it_adds_up() -> None:
    good = "\n".join(report(Counts(sent=10, stored=8, repeats=1, dead=1)).lines())
    assert "every message is accounted for" in good
    assert good.index("en 5") < good.index("pt 3")
    bad = "\n".join(report(Counts(sent=10, stored=6, repeats=1, dead=1)).lines())
    assert "NOT accounted for: 2" in bad


def test_stage_numbers_add_topics_and_leave_out_zeros() -> None:
    assert stage_numbers(PAGE) == {"in": 100, "out": 0, "stored": 80}


def test_stage_numbers_of_an_idle_worker() -> None:
    assert stage_numbers("") == {"in": 0, "out": 0}


def test_read_stage_from_a_page() -> None:
    class Page(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200 if self.path == "/metrics" else 404)
            self.end_headers()
            self.wfile.write(PAGE.encode())

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Page)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        assert read_stage(f"http://127.0.0.1:{server.server_port}/")["in"] == 100
    finally:
        server.shutdown()
        server.server_close()
    assert "error" in read_stage(f"http://127.0.0.1:{server.server_port}", timeout_s=1.0)


def test_a_report_that_cannot_be_written_is_refused_before_the_run(tmp_path: Path) -> None:
    check_writable(tmp_path / "new.json")
    with pytest.raises(InputError, match="is a folder"):
        check_writable(tmp_path)
    with pytest.raises(InputError, match="does not exist"):
        check_writable(tmp_path / "no" / "demo.json")
