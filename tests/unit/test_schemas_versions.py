"""Yesterday's events through today's code, and today's events through yesterday's code.

``tests/fixtures/versions`` holds events of every type and version with what they meant to the build that wrote them.
Written once: a file there is never changed and never generated again. A new version of an event adds a file.
"""

import asyncio
import json
import subprocess
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest

from agents.incoming import Incoming
from agents.sentiment import SentimentStage
from pipeline.detect import Detector
from pipeline.source_fields import Bounds, Keeper
from schemas import ids
from schemas.events import EVENT_TYPES, Mention, MentionDeleted, decode, encode, newest_version
from tests import yesterday
from tests.unit.test_agents_stages import Model, Sent, guard
from tests.unit.test_detect import ORIGIN, RECEIVED, Lumora, Spanish

FROZEN = Path(__file__).parents[1] / "fixtures" / "versions"
ALL = tuple(EVENT_TYPES)
CASES: list[tuple[str, dict[str, Any]]] = [
    (path.stem, case) for path in sorted(FROZEN.glob("*.json")) for case in json.loads(path.read_text(encoding="utf-8"))
]
IDS = [f"{name}: {case['what']}" for name, case in CASES]


def plain(event: msgspec.Struct) -> dict[str, Any]:
    """The event as JSON values."""
    found: dict[str, Any] = json.loads(encode(event))
    return found


@pytest.mark.parametrize(("name", "case"), CASES, ids=IDS)
def test_todays_code_reads_what_was_written_then_as_it_was_meant(name: str, case: dict[str, Any]) -> None:
    event = decode(case["event"].encode(), ALL)
    meant, now = case["means"], plain(event)
    assert {field: now[field] for field in meant} == meant
    assert f"{now['type']}.v{now['version']}" == name
    if isinstance(event, Mention):
        ident = ids.mention_id(event.tenant, event.source, event.id, event.author, event.published_at, event.text)
        assert (ident, ids.text_hash(event.text)) == (case["mention_id"], case["text_hash"])
    if isinstance(event, MentionDeleted):
        assert ids.mention_id(event.tenant, event.source, event.id, None, None, "") == case["mention_id"]


def test_every_type_and_version_has_its_frozen_file() -> None:
    written = {f"{name}.v{n}" for name in EVENT_TYPES for n in range(1, newest_version(name) + 1)}
    assert {path.stem for path in FROZEN.glob("*.json")} == written


def todays_events() -> list[bytes]:
    """What today's stages and sources write, new fields included."""
    frozen = [case["event"].encode() for _, case in CASES]
    detector = Detector(Spanish(), Lumora, source_fields=Keeper(Bounds()), author_secret=b"k" * 32)
    out = [encode(decode(event, ALL)) for event in frozen]
    detected = [encode(detector.detect(e, ORIGIN, RECEIVED + timedelta(days=1))) for e in frozen if is_source(e)]
    assert any(b'"source_fields"' in event for event in detected)
    sent = Sent()
    batch = [Incoming("mentions.detected", 0, n, None, b"k", event, ()) for n, event in enumerate(detected)]
    asyncio.run(SentimentStage(Model(), "inc", sent, guard()).handle(batch))
    scored = [record.value for record in sent.records if record.topic == "mentions.scored"]
    assert len(scored) == len(detected), [str(letter.error) for letter in sent.letters()]
    return [*out, *detected, *scored]


def is_source(event: bytes) -> bool:
    return isinstance(decode(event, ALL), Mention | MentionDeleted)


READER = """
import sys, json, msgspec
from schemas.events import EVENT_TYPES, decode
for line in sys.stdin.buffer:
    event = decode(json.loads(line).encode(), tuple(EVENT_TYPES))
    sys.stdout.buffer.write(msgspec.json.encode(msgspec.to_builtins(event)) + b"\\n")
"""


def test_yesterdays_code_reads_what_is_written_today(tmp_path: Path) -> None:
    """A new language worker in front of an old sentiment worker, and that one in front of a sink that is still old."""
    folder = yesterday.extract(tmp_path / "yesterday", "schemas")
    events = todays_events()
    done = subprocess.run(
        [sys.executable, "-c", READER],
        input=b"".join(json.dumps(event.decode()).encode() + b"\n" for event in events),
        env=yesterday.environment(folder),
        cwd=folder,
        capture_output=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr.decode()
    read = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(read) == len(events)
    for event, then in zip(events, read, strict=True):
        now = plain(decode(event, ALL))
        assert then == {field: now[field] for field in then}
