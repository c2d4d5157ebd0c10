"""A file looked through before it is sent, and how far sending it is."""

import io
import json
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest

from pipeline.detect import Limits
from pipeline.sources.backfill_meter import Meter
from pipeline.sources.ingest import Ingest
from pipeline.sources.intake import Intake
from pipeline.sources.plan import Plan
from pipeline.sources.rejects import Rejects
from pipeline.sources.survey import Survey, describe, survey
from pipeline.sources.table import Dialect

NOW = datetime(2026, 11, 27, 12, tzinfo=UTC)
LIMITS = Limits(max_age=timedelta(days=100))


def line(at: datetime | str, **fields: Any) -> bytes:
    when = at if isinstance(at, str) else at.isoformat()
    return json.dumps({"text": "hello", "published_at": when, **fields}).encode() + b"\n"


def looked(data: bytes, tmp_path: Path, **options: Any) -> tuple[Survey, list[tuple[int, str]]]:
    path = tmp_path / "list.jsonl"
    listed = Rejects(path, source="f")
    plan = Plan(name="f", format=options.pop("format", "jsonl"), source="f", dialect=options.pop("dialect", Dialect()))
    found = survey(plan, io.BytesIO(data), LIMITS, listed, now=NOW)
    listed.close()
    entries = [json.loads(entry) for entry in path.read_text().splitlines()] if path.exists() else []
    return found, [(entry["line"], entry["reason"]) for entry in entries]


def test_everything_is_counted_once(tmp_path: Path) -> None:
    data = (
        line(NOW - timedelta(days=99))
        + b"\n"
        + b"broken\n"
        + line(NOW - timedelta(days=101))
        + line(NOW + timedelta(minutes=16))
        + line(NOW + timedelta(minutes=14))
        + line(NOW, text="x" * 20_001)
    )
    found, listed = looked(data, tmp_path)
    assert found == Survey(
        good=2,
        blank=1,
        invalid=2,
        too_old=1,
        in_the_future=1,
        first=NOW - timedelta(days=101),
        last=NOW + timedelta(minutes=16),
    )
    assert listed == [(4, "too_old"), (5, "in_the_future")]
    assert describe(found) == (
        "7 rows, 2 can be sent, 1 too old, 1 in the future, 2 not valid, 1 blank; "
        "from 2026-08-18 12:00 UTC to 2026-11-27 12:16 UTC"
    )


@pytest.mark.parametrize(
    "at", ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-12:00", "1969-12-31T23:59:59Z", "2106-02-07T06:28:16Z"]
)
def test_any_date_is_told(tmp_path: Path, at: str) -> None:
    found, listed = looked(line(at), tmp_path)
    assert found.out_of_range == 1
    assert len(listed) == 1


@pytest.mark.parametrize("seconds", [-1, 0, 1])
def test_it_refuses_exactly_what_sending_would_refuse(tmp_path: Path, seconds: int) -> None:
    zone = timezone(timedelta(hours=5, minutes=45))
    now = datetime.now(UTC)
    old = (now - LIMITS.max_age + timedelta(minutes=5, seconds=seconds)).astimezone(zone)
    data = line(old) + line(now + timedelta(seconds=890 + seconds))
    sent = Ingest(Plan(name="f", format="jsonl", source="f"), io.BytesIO(data), Intake(LIMITS), None).run()
    found, _ = looked_now(data)
    assert (found.good, found.out_of_range) == (sent.accepted, sent.rejected)


def looked_now(data: bytes) -> tuple[Survey, None]:
    return survey(Plan(name="f", format="jsonl", source="f"), io.BytesIO(data), LIMITS, Rejects(None, source="f")), None


def test_a_table(tmp_path: Path) -> None:
    data = b'when,text\n2026-11-01 10:00,"a\nb"\n2020-01-01 10:00,c\n'
    dialect = Dialect({"published_at": "when"}, timezone=UTC)
    found, listed = looked(data, tmp_path, format="csv", dialect=dialect)
    assert (found.good, found.too_old) == (1, 1)
    assert listed == [(4, "too_old")]


def test_the_meter() -> None:
    now, done = [0.0], [500]
    out = io.StringIO()
    meter = Meter("f.jsonl", 1000, out=out, clock=lambda: now[0])
    meter.rows_done = lambda: done[0]
    meter.show()
    now[0] = 9.9
    done[0] = 501
    meter.show()
    assert out.getvalue() == ""
    now[0] = 10.0
    done[0], meter.paused_s = 600, 3.0
    meter.show()
    assert out.getvalue() == (
        "f.jsonl: 600 of 1,000 rows (60.0%), 10/s, about 40 s left, paused 3 s while messages waited\n"
    )
    meter.stalled(1000, 30)
    assert "babelwatch status" in out.getvalue()
