"""The checker of the chaos harness finds each kind of wrong, and nothing where nothing is wrong."""

import pytest

from tests.chaos.findings import Collector, Letter, Row, compare_cells, compare_letters, compare_mentions
from tests.chaos.judge import NAME, Judge, stable_label
from tests.chaos.truth import State, Truth, digest

IDENT = bytes(16)
STATE = State(1, False, 1_000, ("a", "b"), "s", digest(b"text"), 7)
ROW = Row("t", IDENT, 1_000, ("b", "a"), "s", "text", 1, "neutral", "some model")


def found(truth: Truth, *rows: Row) -> list[str]:
    into = Collector()
    compare_mentions(truth, rows, into)
    return [finding.what for finding in into.findings]


def test_a_mention_as_it_was_sent_is_fine() -> None:
    assert found(Truth({("t", IDENT): STATE}), ROW) == []


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        ((), ["lost"]),
        ((ROW, ROW), ["doubled"]),
        ((ROW._replace(tenant="other"),), ["a mention that nobody sent", "lost"]),
        ((ROW._replace(revision=0),), ["an old revision"]),
        ((ROW._replace(published_ms=1_001),), ["wrong time"]),
        ((ROW._replace(brands=("a",)),), ["wrong brand"]),
        ((ROW._replace(text="other"),), ["wrong text"]),
        ((ROW._replace(source="other"),), ["wrong source"]),
    ],
)
def test_what_is_wrong_is_named(rows: tuple[Row, ...], expected: list[str]) -> None:
    assert found(Truth({("t", IDENT): STATE}), *rows) == expected


def test_a_deleted_mention_must_be_gone() -> None:
    truth = Truth({("t", IDENT): STATE._replace(deleted=True)})
    assert found(truth) == []
    assert found(truth, ROW) == ["deleted and still counted"]


def test_the_label_of_a_stable_text_is_the_judges() -> None:
    text = next(text for text in map(str, range(100)) if stable_label(text) is not None)
    label = stable_label(text)
    other = "positive" if label != "positive" else "negative"
    truth = Truth({("t", IDENT): STATE._replace(text=digest(text.encode()))})
    assert found(truth, ROW._replace(text=text, label=str(label), model=NAME)) == []
    assert found(truth, ROW._replace(text=text, label=other, model=NAME)) == ["wrong label"]


LETTER = Letter("mentions", 0, 5, "language", "not_json", "why", b"x")


def found_letters(*letters: Letter) -> list[str]:
    """What is wrong when message 3, at mentions/0/5, is the only poison."""
    into = Collector()
    compare_letters({3: ("not_json", digest(b"x"))}, {(0, 5): 3}, letters, into)
    return [finding.what for finding in into.findings]


def test_poison_must_be_a_dead_letter_with_its_reason() -> None:
    assert found_letters(LETTER) == []
    assert found_letters() == ["poison that is no dead letter"]
    assert found_letters(LETTER._replace(reason="")) == ["a dead letter without a reason"]
    assert found_letters(LETTER._replace(reason="invalid")) == ["a dead letter with another reason"]
    assert found_letters(LETTER._replace(value=b"y")) == ["a dead letter with another value"]
    assert found_letters(LETTER, LETTER._replace(offset=6)) == ["a dead letter of a message that is fine"]
    assert found_letters(LETTER, LETTER._replace(topic="mentions.scored")) == [
        "a dead letter of a message that is fine"
    ]


def test_cells_are_equal_or_named() -> None:
    into = Collector()
    compare_cells("wrong", {"a": 1, "b": 2, "c": 0}, {"a": 1, "b": 2}, into)
    assert into.findings == []
    compare_cells("wrong", {"a": 1}, {"a": 2, "d": 1}, into)
    assert [(f.what, f.count) for f in into.findings] == [("wrong", 2)]


def test_the_judge_changes_its_mind_on_one_text_in_ten_only() -> None:
    texts = [f"text {n}" for n in range(5_000)]
    judge = Judge()
    labels = [[j.label for j in judge.judge(texts, ["en"] * len(texts))] for _ in range(8)]
    changed = [n for n in range(len(texts)) if len({call[n] for call in labels}) > 1]
    assert 0.08 < len(changed) / len(texts) < 0.12
    assert all(stable_label(texts[n]) is None for n in changed)
    assert all(stable_label(text) in (None, label) for text, label in zip(texts, labels[0], strict=True))
