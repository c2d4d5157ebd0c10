"""The poison is drawn from its seed alone, and covers what it says."""

import json
import random
import subprocess
import sys
from collections import Counter
from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.fuzz import values
from tests.fuzz.guided import FOUND, KEPT, search
from tests.fuzz.messages import Maker, Poison, good
from tests.rig import ROOT

BASES = [json.dumps(good(n, random.Random(n))).encode() for n in range(3)]


def drawn(seed: int, count: int, *, mostly_json: bool = False) -> list[Poison]:
    maker = Maker(random.Random(seed), BASES, [None, {"a": 1}], mostly_json=mostly_json)
    return [maker.make() for _ in range(count)]


def test_the_same_seed_gives_the_same_messages() -> None:
    assert drawn(1, 300) == drawn(1, 300)
    assert drawn(1, 300) != drawn(2, 300)


def test_every_kind_comes() -> None:
    kinds = Counter(one.kind for one in drawn(3, 2_000))
    assert set(kinds) == {
        *("bytes", "flipped", "field", "structure", "nesting", "encoding", "bomb", "hypothesis", "number")
    }
    assert min(kinds.values()) > 50


def test_keys_and_headers_are_hostile_too() -> None:
    found = drawn(4, 2_000)
    assert {len(one.key) for one in found if one.key is not None} >= {0, 4_000}
    names = {name for one in found for name, _ in one.headers}
    assert {"babelwatch-redelivery", "babelwatch-via", "bw-offset"} <= names
    forged = b"".join(value for one in found for _, value in one.headers if b'"incarnation": "forged"' in value)
    for beyond in (b'"partition": %d' % 2**32, b'"partition": %d' % 2**31, b'"offset": %d' % 2**63):
        assert beyond in forged, "positions that no record can have"


def test_for_batches_most_is_json() -> None:
    def is_json(value: bytes) -> bool:
        try:
            json.loads(value)
        except (ValueError, RecursionError):
            return False
        return True

    found = [is_json(one.value) for one in drawn(5, 1_000, mostly_json=True)]
    assert 0.5 < sum(found) / len(found) < 1


def test_hypothesis_gives_as_many_as_asked_and_the_same_for_a_seed() -> None:
    first = values.of_hypothesis(50, 7)
    assert len(first) >= 50
    assert repr(first) == repr(values.of_hypothesis(50, 7))


def test_what_a_search_kept_is_drawn_whole() -> None:
    maker = Maker(random.Random(6), BASES, guided=[b"kept"])
    assert {one.value for one in (maker.make() for _ in range(500)) if one.kind == "guided"} == {b"kept"}


needs_atheris = pytest.mark.skipif(find_spec("atheris") is None, reason="atheris is not installed (Linux on x86-64)")


@needs_atheris
@pytest.mark.slow
def test_a_search_keeps_inputs_that_reach_new_code(tmp_path: Path) -> None:
    found = search(tmp_path, BASES, 400, 1)
    assert found.found == ()
    assert set(BASES) < set(found.kept)


@needs_atheris
def test_a_search_notes_what_breaks_the_detector_and_goes_on(tmp_path: Path) -> None:
    """The same search over a detector with a defect."""
    for name in (KEPT, FOUND):
        (tmp_path / name).mkdir()
    (tmp_path / KEPT / "base").write_bytes(BASES[0])
    code = (
        "import sys, pathlib, pipeline.detect\n"
        "def broken(self, raw, origin, received_at):\n"
        '    if not raw.startswith(b\'{"source": "fuzz"\'):\n'
        "        raise ZeroDivisionError('found')\n"
        "    raise pipeline.detect.EventError('invalid', 'x')\n"
        "pipeline.detect.Detector.detect = broken\n"
        "from tests.fuzz import guided\n"
        "guided.main(pathlib.Path(sys.argv[1]), 300, 1)\n"
    )
    ended = subprocess.run([sys.executable, "-c", code, str(tmp_path)], cwd=ROOT, capture_output=True, check=False)
    assert ended.returncode == 0, ended.stderr[-2000:]
    (note, *_) = (tmp_path / FOUND).iterdir()
    assert note.read_text().strip().endswith("ZeroDivisionError: found")
