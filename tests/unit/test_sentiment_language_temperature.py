"""Temperatures of languages: overconfidence is taken away without labels, and no label moves."""

import hashlib
import json

import msgspec
import numpy as np
import pytest

from pipeline.sentiment.correction import Float64, log_softmax
from pipeline.sentiment.rule import DecisionRule, named
from pipeline.sentiment.training.language_temperature import MIN_TEXTS, language_temperatures
from schemas.events import LABELS

RULE = named("plain", temperature=1.2)


def drawn(count: int, seed: int, sharp: float = 1.0) -> Float64:
    """Log-probabilities of texts of equal classes, by a model of which ``sharp`` 1 is calibrated at RULE."""
    dice = np.random.default_rng(seed)
    scores = dice.normal(size=(count, 3)) + 1.5 * np.eye(3)[dice.integers(0, 3, count)]
    return log_softmax(scores * sharp * 1.5)


def confidence(values: Float64, tag: str, temperatures: dict[str, float]) -> float:
    rule = named("plain", temperature=RULE.temperature, temperatures=temperatures)
    return float(DecisionRule(rule).posteriors(values, [tag] * len(values)).max(axis=1).mean())


def test_a_language_that_is_too_sure_is_brought_down_to_what_english_is_worth_there() -> None:
    english, sentences = drawn(4000, 1), drawn(240, 2)
    parallel = {"en": sentences, "de": sentences, "it": log_softmax(2.5 * sentences), "sw": 0.5 * sentences}
    texts = {"it": drawn(1000, 3, sharp=2.5), "de": drawn(1000, 4)}
    found = language_temperatures(RULE, english, parallel, texts)
    assert sorted(found) == ["de", "it", "sw"]
    assert (found["it"].source, found["it"].texts, found["sw"].source) == ("texts", 1000, "sentences")
    assert found["de"].trust == found["it"].trust == 1.0
    assert found["de"].temperature == pytest.approx(RULE.temperature, rel=0.05)
    assert found["it"].temperature > 2 * RULE.temperature
    assert found["sw"].temperature == RULE.temperature, "none is sharpened"
    heat = {tag: one.temperature for tag, one in found.items()}
    assert confidence(texts["it"], "it", heat) == pytest.approx(confidence(english, "en", heat), abs=1e-3)


def test_less_trust_wants_less_confidence() -> None:
    english, sentences = drawn(4000, 1), drawn(240, 2)
    guessed = sentences.copy()
    guessed[:120] = guessed[:120, [1, 2, 0]]
    found = language_temperatures(RULE, english, {"en": sentences, "xx": guessed}, {})
    sure = confidence(sentences, "en", {})
    assert found["xx"].trust == pytest.approx(0.25)
    assert found["xx"].wanted == pytest.approx(0.25 * sure + 0.75 / 3, abs=1e-4)
    assert confidence(guessed, "xx", {"xx": found["xx"].temperature}) == pytest.approx(found["xx"].wanted, abs=1e-3)


def test_too_few_texts_leave_it_to_the_sentences() -> None:
    sentences = drawn(240, 2)
    texts = {"de": drawn(MIN_TEXTS - 1, 3, sharp=3.0)}
    found = language_temperatures(RULE, drawn(500, 1), {"en": sentences, "de": sentences}, texts)
    assert (found["de"].source, found["de"].temperature) == ("sentences", RULE.temperature)


def test_the_rule_takes_the_languages_own_temperature_and_moves_no_label() -> None:
    values = drawn(300, 5)
    heat = {"it": 3.0, "*": 4.0}
    hot = named("plain", temperature=1.2, temperatures=heat)
    for tag, expected in (("en", 1.2), ("it", 3.0), ("hi-Latn", 4.0), ("und", 4.0)):
        same = DecisionRule(named("plain", temperature=expected)).posteriors(values, [tag] * len(values))
        assert np.array_equal(DecisionRule(hot).posteriors(values, [tag] * len(values)), same)
    rows = [(float(a), float(b), float(c)) for a, b, c in values]
    mixed = ["en", "it", "xx"] * 100
    judged = DecisionRule(hot).judge("m", rows, mixed)
    assert [one.label for one in judged] == [LABELS[index] for index in values.argmax(axis=1)]
    assert judged[7] == DecisionRule(hot).judge("m", [rows[7]], [mixed[7]])[0]


def test_rules_without_them_keep_their_names() -> None:
    facts = named("plain", temperature=1.3, biases={"pt": (0.1, 0.0, -0.1)})
    values = msgspec.to_builtins(facts)
    del values["name"], values["temperatures"]
    canonical = json.dumps(values, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    assert facts.name == f"plain-{hashlib.sha256(canonical.encode()).hexdigest()[:6]}"
    assert named("plain", temperature=1.3, temperatures={"it": 2.0}).name != named("plain", temperature=1.3).name
