"""The workload of the chaos harness, its input file, and the truth that follows from it."""

import json
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from pipeline.detect import Detector
from schemas.events import BrandMatch, EventError, Language, Origin
from tests.chaos.inputs import InputFile, Line, read
from tests.chaos.poison import POISON
from tests.chaos.truth import truth_of
from tests.chaos.workload import Message, workload

NOW_MS = 1_795_000_000_000
ORIGIN = Origin(incarnation="i", topic="mentions", partition=0, offset=0)


class _English:
    def detect(self, text: str, hint: str | None = None) -> Language:
        return Language(tag="en", confidence=1.0, detector="test")

    def read_ahead(self, texts: Iterable[tuple[str, str | None]]) -> None:
        """It knows the answer."""


class _NoBrands:
    def match(self, text: str, language_tag: str, author: str | None = None) -> list[BrandMatch]:
        return []


def detect(value: bytes) -> str:
    """Return why the product refuses a message, or nothing."""
    detector = Detector(_English(), _NoBrands)
    try:
        detector.detect(value, ORIGIN, datetime.fromtimestamp(NOW_MS / 1000, UTC))
    except EventError as error:
        return error.reason
    return ""


def test_the_same_seed_gives_the_same_bytes() -> None:
    first, again, other = (list(workload(seed, 3_000, NOW_MS)) for seed in (5, 5, 6))
    assert first == again
    assert first != other
    assert len(first) == 3_000


def test_it_has_everything_that_sources_do() -> None:
    messages = list(workload(5, 3_000, NOW_MS))
    kinds = {message.kind for message in messages}
    assert kinds == {
        *("mention", "repeat", "edit", "move", "deletion", "back", "poison", "without id", "duplicate"),
    }
    assert {message.producer for message in messages} == {"a", "b"}
    assert len({message.reason for message in messages}) > 5
    assert {len(message.brands) for message in messages} == {0, 1, 2, 3}


def test_fine_messages_are_fine_and_poison_is_poison_for_the_reason_that_is_expected() -> None:
    for message in workload(5, 3_000, NOW_MS):
        assert detect(message.value) == message.reason, message


@pytest.mark.parametrize(("reason", "make"), POISON)
def test_each_poison(reason: str, make: Callable[[int, int], bytes]) -> None:
    assert detect(make(1, NOW_MS)) == reason


def test_the_input_file_gives_back_what_was_sent(tmp_path: Path) -> None:
    messages = list(workload(5, 500, NOW_MS))
    with InputFile(tmp_path / "input.jsonl") as file:
        assert [file.add(message) for message in messages] == list(range(500))
    back = list(read(tmp_path / "input.jsonl"))
    assert [(line.n, line.value, line.brands, line.reason) for line in back] == [
        (n, m.value, m.brands, m.reason) for n, m in enumerate(messages)
    ]


def lines(*events: dict[str, object]) -> list[Line]:
    base = {"source": "s", "id": "1", "text": "t", "published_at": "2026-11-27T10:00:00.500Z"}
    return [Line(n, "a", "mention", json.dumps(base | event).encode(), ("b",), "") for n, event in enumerate(events)]


DELETED = {"type": "mention_deleted", "deleted_at": "2026-11-27T11:00:00Z"}


@pytest.mark.parametrize(
    ("events", "expected"),
    [
        ([{"revision": 0}, {"revision": 1, "text": "new"}], (1, False)),
        ([{"revision": 1, "text": "new"}, {"revision": 0}], (1, False)),
        ([{"revision": 1}, DELETED | {"revision": 1}], (1, True)),
        ([DELETED | {"revision": 1}, {"revision": 1}], (1, True)),
        ([{"revision": 2}, DELETED | {"revision": 1}], (2, False)),
    ],
)
def test_the_greatest_revision_holds_whatever_came_last(
    events: list[dict[str, object]], expected: tuple[int, bool]
) -> None:
    truth = truth_of(lines(*events))
    ((revision, deleted, *_),) = truth.states.values()
    assert (revision, deleted) == expected
    assert (truth.ids, truth.repeats, truth.alive) == (1, 1, int(not deleted))


def test_windows_count_each_mention_once_in_total_and_once_per_brand() -> None:
    truth = truth_of(lines({"id": "1"}, {"id": "2"}, {"id": "2"}))
    at = int(datetime(2026, 11, 27, 10, tzinfo=UTC).timestamp())
    assert truth.windows(60) == {("default", at, "", "s"): 2, ("default", at, "b", "s"): 2}


def test_two_contents_of_one_revision_are_no_truth() -> None:
    with pytest.raises(ValueError, match="different things"):
        truth_of(lines({"text": "one"}, {"text": "another"}))


def test_truth_does_not_depend_on_the_order_of_the_workload() -> None:
    sent = [_line(n, m) for n, m in enumerate(workload(9, 2_000, NOW_MS))]
    first, back = truth_of(sent), truth_of(reversed(sent))
    assert {key: state[:6] for key, state in first.states.items()} == {k: s[:6] for k, s in back.states.items()}


def _line(n: int, message: Message) -> Line:
    return Line(n, message.producer, message.kind, message.value, message.brands, message.reason)
