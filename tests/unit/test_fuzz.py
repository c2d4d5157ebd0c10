"""The poison is drawn from its seed alone, and covers what it says."""

import json
import random
from collections import Counter

from tests.fuzz import values
from tests.fuzz.messages import Maker, Poison, good

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
