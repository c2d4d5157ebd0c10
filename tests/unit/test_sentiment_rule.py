"""The decision rule: format 1 judges as it always did, format 2 does what its numbers say, and its name is theirs."""

import math
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from pipeline.errors import ModelError
from pipeline.sentiment.abstention import AbstentionPoint
from pipeline.sentiment.class_mix import FrozenMix
from pipeline.sentiment.correction import log_softmax
from pipeline.sentiment.folder import ModelFolder
from pipeline.sentiment.rule import (
    MINUS_LOG_PRIOR,
    DecisionRule,
    LogProbabilities,
    RuleFacts,
    fingerprint,
    from_class_prior,
    minus_log_prior,
    named,
    without_script,
)
from schemas.events import LABELS
from tests.sentiment_folder import of_format_1, with_rule

PRIOR = (0.15, 0.45, 0.40)


def logs(*values: float) -> LogProbabilities:
    a, b, c = (round(math.log(value), 6) for value in values)
    return a, b, c


def random_logs(count: int, seed: int = 3) -> list[LogProbabilities]:
    rows = log_softmax(np.random.default_rng(seed).normal(0, 2, (count, 3)))
    return [(float(a), float(b), float(c)) for a, b, c in rows]


def test_a_text_as_probable_as_the_prior_is_undecided() -> None:
    [found] = DecisionRule(from_class_prior(PRIOR)).judge("m", [logs(*PRIOR)], ["en"])
    assert (found.negative, found.neutral, found.positive) == pytest.approx((1 / 3, 1 / 3, 1 / 3), abs=1e-5)


def test_the_rare_class_wins_where_the_model_is_split() -> None:
    [found] = DecisionRule(from_class_prior(PRIOR)).judge("m@1", [logs(0.3, 0.4, 0.3)], ["en"])
    total = 0.3 / 0.15 + 0.4 / 0.45 + 0.3 / 0.4
    assert (found.label, found.rule, found.model, found.target) == ("negative", MINUS_LOG_PRIOR, "m@1", "")
    assert found.negative == pytest.approx(2.0 / total, abs=2e-6)
    assert found.neutral == pytest.approx(0.4 / 0.45 / total, abs=2e-6)
    assert found.log_probabilities == logs(0.3, 0.4, 0.3), "kept uncorrected"


def test_format_1_judges_as_the_first_release_did() -> None:
    """Its arithmetic, written out: softmax(log p - log prior) rounded twice, the label before rounding."""
    values = random_logs(5000)
    found = DecisionRule(from_class_prior(PRIOR)).judge("m", values, ["pt"] * len(values))
    log_prior = np.log(np.asarray(PRIOR))
    for one, judgement in zip(values, found, strict=True):
        raw = np.asarray(one)
        shifted = raw - log_prior
        shifted = shifted - shifted.max()
        rounded = np.round(shifted - np.log(np.exp(shifted).sum()), 6) + 0.0
        expected = tuple(float(value) for value in np.round(np.exp(rounded), 6))
        assert (judgement.negative, judgement.neutral, judgement.positive) == expected
        assert judgement.label == LABELS[int((raw - log_prior).argmax())]


def test_a_folder_of_format_1_is_that_rule(tmp_path: Path) -> None:
    rule = ModelFolder(of_format_1(tmp_path / "model", PRIOR), check_card=False).facts.rule
    assert rule.name == "minus-log-prior-v1"
    assert rule.log_prior == tuple(float(value) for value in np.log(np.asarray(PRIOR)))
    assert (rule.temperature, rule.biases, rule.abstention) == (1.0, {}, ())
    assert rule.class_prior == pytest.approx(PRIOR)


def test_a_judgement_does_not_depend_on_the_batch() -> None:
    values = random_logs(500, seed=4)
    languages = ["en", "pt", "hi-Latn", "xx", "und"] * 100
    rule = DecisionRule(named("t", temperature=1.3, biases={"pt": (0.4, -0.5, 0.1), "hi": (0.2, 0.0, -0.2)}))
    together = rule.judge("m", values, languages)
    alone = [rule.judge("m", [one], [tag])[0] for one, tag in zip(values, languages, strict=True)]
    assert together == alone
    assert rule.judge("m", [], []) == []
    with pytest.raises(ValueError, match="500 texts but 1 languages"):
        rule.judge("m", values, ["en"])


def test_bias_and_temperature_are_where_the_formula_has_them() -> None:
    facts = named("t", log_prior=(-1.0, -0.5, -2.0), temperature=2.0, biases={"hi": (0.5, -0.25, -0.25)})
    [found] = DecisionRule(facts).judge("m", [(-0.2, -2.0, -3.0)], ["hi"])
    scores = np.exp((np.array([-0.2, -2.0, -3.0]) - np.array([-1.0, -0.5, -2.0]) + np.array([0.5, -0.25, -0.25])) / 2.0)
    assert (found.negative, found.neutral, found.positive) == pytest.approx(tuple(scores / scores.sum()), abs=2e-6)
    assert found.rule == facts.name


def test_a_language_has_its_own_bias_then_that_of_its_language_without_script_then_none() -> None:
    rule = DecisionRule(named("t", biases={"hi": (1.0, 0.0, -1.0), "sr-Cyrl": (0.0, 1.0, -1.0)}))
    value = [logs(0.3, 0.4, 0.3)]
    labels = {tag: rule.judge("m", value, [tag])[0].label for tag in ("hi", "hi-Latn", "sr", "sr-Cyrl", "und", "")}
    assert labels == {
        "hi": "negative", "hi-Latn": "negative", "sr": "neutral", "sr-Cyrl": "neutral", "und": "neutral", "": "neutral"
    }  # fmt: skip
    assert rule.judge("m", value, ["sr"])[0].negative == pytest.approx(0.3, abs=1e-5)
    assert rule.judge("m", value, ["sr-Cyrl"])[0].neutral > 0.6
    tags = {"hi-Latn": "hi", "zh-Hant-TW": "zh-TW", "pt-BR": "pt-BR", "en": "en", "": ""}
    assert {tag: without_script(tag) for tag in tags} == tags


def test_the_name_is_the_version() -> None:
    first = minus_log_prior(PRIOR)
    assert first.name == f"minus-log-prior-{fingerprint(first)}"
    assert named("a", temperature=1.0).name.removeprefix("a-") == named("b").name.removeprefix("b-"), (
        "kind is no number"
    )
    changed = [
        named("x"),
        named("x", temperature=1.1),
        named("x", log_prior=(0.0, 0.0, 0.1)),
        named("x", biases={"pt": (0.1, 0.0, -0.1)}),
        named("x", biases={"es": (0.1, 0.0, -0.1)}),
        named(
            "x", abstention=[AbstentionPoint(language="*", error=0.1, threshold=0.9, coverage=0.5, kind="estimated")]
        ),
    ]
    assert len({facts.name for facts in changed}) == len(changed)
    for facts in changed:
        again = msgspec.json.decode(msgspec.json.encode(facts), type=RuleFacts)
        assert again == facts
        assert facts.name.endswith(fingerprint(again))


def format_2(folder: Path, **changes: Any) -> Path:
    return with_rule(folder, named("balanced-argmax", biases={"pt": (0.1, -0.2, 0.1)}), **changes)


def test_a_folder_of_format_2_is_read(tmp_path: Path) -> None:
    facts = ModelFolder(format_2(tmp_path / "model")).facts
    assert facts.rule == named("balanced-argmax", biases={"pt": (0.1, -0.2, 0.1)})


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"temperature": 1.2}, "does not match its numbers"),
        ({"name": "balanced-argmax-v1"}, "does not match its numbers"),
        ({"temperature": 0.0}, "temperature"),
        ({"log_prior": [0.0, 0.0]}, "log_prior"),
        ({"log_prior": [0.0, 0.0, 11.0]}, "log_prior"),
        ({"biases": {"pt": [0.1, "x", 0.1]}}, "biases"),
        ({"new_number": 1}, "new_number"),
        ({"abstention": [{"language": "en"}]}, "abstention"),
    ],
)
def test_a_rule_that_is_not_one_is_refused(tmp_path: Path, change: dict[str, Any], message: str) -> None:
    with pytest.raises(ModelError, match=message) as refused:
        ModelFolder(format_2(tmp_path / "model", **change))
    assert str(tmp_path) in str(refused.value)


def test_a_class_mix_moves_the_label_and_is_in_the_name() -> None:
    mix = FrozenMix(ident="mix-abc123", shares={"en": (0.7, 0.2, 0.1)})
    rule = DecisionRule(named("t"))
    value = logs(0.3, 0.3, 0.4)
    with_mix, other, without = rule.judge("m", [value] * 3, ["en", "pt", "en"], [mix, mix, None])
    assert (with_mix.label, other.label, without.label) == ("negative", "positive", "positive")
    assert with_mix.rule == f"{rule.name}+mix-abc123"
    assert other.rule == without.rule == rule.name, "a language without a mix is judged without one"
    joint = np.array([0.3 * 0.7, 0.3 * 0.2, 0.4 * 0.1])
    assert with_mix.negative == pytest.approx(joint[0] / joint.sum(), abs=2e-6)
