"""The file that says how far a replay is: older ones, damaged ones, and those that may mean something else now."""

import json
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import pytest

from pipeline.errors import InputError
from pipeline.replay_state import Part, Progress, load, name, outranked, require_current, save

BEGAN = datetime(2026, 11, 27, 8, 0, tzinfo=UTC)
HERE = Progress(
    incarnation="inc",
    topic="mentions",
    generation=0,
    total=9,
    sent=2,
    parts=(Part(0, 2, 9),),
    began=BEGAN,
    since="2026-11-27 07:59:40+00:00",
)


def test_it_comes_back_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "state.json"
    assert load(path, "inc") is None
    save(path, HERE)
    assert load(path, "inc") == HERE


def test_a_file_of_another_broker_or_a_damaged_one_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "state.json"
    for damaged in (b"{", b"[]", b'{"incarnation": 1}', b"\xff"):
        path.write_bytes(damaged)
        with pytest.raises(InputError, match="--restart"):
            load(path, "inc")
    save(path, HERE)
    with pytest.raises(InputError, match="another broker"):
        load(path, "other")


def test_a_file_of_an_older_build_began_when_it_was_written(tmp_path: Path) -> None:
    path = tmp_path / "state.json"
    old = {"incarnation": "inc", "topic": "mentions", "generation": 0, "total": 9, "sent": 2, "parts": [
        {"partition": 0, "next": 2, "end": 9}
    ]}  # fmt: skip
    path.write_text(json.dumps(old), encoding="utf-8")
    os.utime(path, (BEGAN.timestamp(), BEGAN.timestamp()))
    found = load(path, "inc")
    assert found == msgspec.structs.replace(HERE, since="")
    assert name(found) == "the replay that began 2026-11-27 08:00:00 UTC"


def test_its_name_says_what_it_covers() -> None:
    assert name(HERE) == (
        "the replay that began 2026-11-27 08:00:00 UTC (from 2026-11-27 07:59:40+00:00 to what was there then)"
    )


def test_a_range_that_counts_from_now_is_not_gone_on_with_after_a_while() -> None:
    require_current(HERE, BEGAN + timedelta(minutes=9), relative=True, newest=0)
    require_current(HERE, BEGAN + timedelta(days=9), relative=False, newest=0)
    with pytest.raises(InputError, match=r"count from now.*--resume .*08:00:00 UTC.*7 offsets.*--restart"):
        require_current(HERE, BEGAN + timedelta(minutes=11), relative=True, newest=0)


def test_judgements_that_others_outrank_by_now_are_named() -> None:
    again = msgspec.structs.replace(HERE, generation=2)
    for newest in (0, 1, 2):
        assert outranked(again, newest) == ""
        require_current(again, BEGAN, relative=False, newest=newest)
    with pytest.raises(InputError, match=r"rescore.*generation 3, this one is 2.*--resume.*--restart"):
        require_current(again, BEGAN, relative=False, newest=3)
    assert outranked(HERE, 3) == "", "what is not judged anew is outranked by nothing"
