"""Biases from parallel sentences: an injected one is found, none is found where there is none."""

import numpy as np
import pytest

from pipeline.errors import ModelError
from pipeline.sentiment.correction import Float64
from pipeline.sentiment.parallel_bias import BOUND, estimate_biases, match, scatter

SENTENCES = 240


def softmax(scores: Float64) -> Float64:
    exact = np.exp(scores - scores.max(axis=1, keepdims=True))
    return np.asarray(exact / exact.sum(axis=1, keepdims=True))


def sentences(seed: int, count: int = SENTENCES) -> Float64:
    """Logits of English sentences of a lopsided mix, most of them clear."""
    rng = np.random.default_rng(seed)
    gold = rng.choice(3, count, p=(0.35, 0.25, 0.40))
    return np.asarray(rng.normal(0, 1.2, (count, 3)) + 2.5 * np.eye(3)[gold])


def translated(
    english: Float64, seed: int, bias: tuple[float, float, float] = (0, 0, 0), noise: float = 0.8
) -> Float64:
    """The same sentences in a language in which the model is less sure of itself and leans by ``bias``."""
    rng = np.random.default_rng(seed)
    return np.asarray(english + rng.normal(0, noise, english.shape) + np.asarray(bias))


def test_the_match_makes_the_means_equal() -> None:
    logits = sentences(0)
    target = softmax(sentences(1)).mean(axis=0)
    bias = match(np.log(softmax(logits)), target)
    assert bias.sum() == pytest.approx(0, abs=1e-9)
    assert softmax(logits + bias).mean(axis=0) == pytest.approx(target, abs=1e-8)


def test_even_a_far_target_is_matched() -> None:
    target = np.array([0.01, 0.98, 0.01])
    logits = 3 * sentences(2)
    assert softmax(logits + match(np.log(softmax(logits)), target)).mean(axis=0) == pytest.approx(target, abs=1e-6)


def test_an_injected_bias_is_recovered_within_its_standard_error() -> None:
    lean = {"pt": (0.1, 0.5, -0.6), "hi": (-0.5, 1.0, -0.5), "fr": (0.2, -0.1, -0.1), "de": (-0.3, 0.1, 0.2)}
    off = []
    for seed in range(20):
        english = sentences(seed)
        rows = {
            tag: softmax(translated(english, 100 + 10 * seed + n, bias)) for n, (tag, bias) in enumerate(lean.items())
        }
        for tag, found in estimate_biases(softmax(english), rows).items():
            true = -np.asarray(lean[tag])
            off.append((np.asarray(found.found) - true) / np.asarray(found.standard_error))
            assert np.abs(np.asarray(found.bias) - true).max() < 0.35, (seed, tag)
            assert np.linalg.norm(np.asarray(found.bias)) <= np.linalg.norm(np.asarray(found.found)) + 1e-9
    spread = float(np.std(np.concatenate(off)))
    assert 0.7 < spread < 1.5, f"standard errors are what they say: {spread:.2f}"


def test_without_bias_nearly_nothing_is_found() -> None:
    kept, raw = [], []
    for seed in range(20):
        english = sentences(seed)
        rows = {f"l{n}": softmax(translated(english, 1000 + 20 * seed + n)) for n in range(12)}
        for found in estimate_biases(softmax(english), rows).values():
            kept.append(np.linalg.norm(found.bias))
            raw.append(np.linalg.norm(found.found))
    assert np.mean(kept) < 0.3 * np.mean(raw), "what sampling explains is not corrected"
    assert np.mean(kept) < 0.05


def test_more_shrinking_keeps_less_and_none_keeps_all() -> None:
    english = sentences(5)
    rows = {
        "pt": softmax(translated(english, 6, (0, 0.6, -0.6))),
        "es": softmax(translated(english, 7, (0.2, 0, -0.2))),
    }
    by_strength = [estimate_biases(softmax(english), rows, shrink)["pt"] for shrink in (0.0, 1.0, 10.0)]
    assert by_strength[0].kept == 1.0
    assert by_strength[0].bias == by_strength[0].found
    assert [one.kept for one in by_strength] == sorted((one.kept for one in by_strength), reverse=True)
    assert by_strength[2].kept < by_strength[1].kept


def test_the_bias_is_in_logits_before_the_temperature() -> None:
    english = sentences(8)
    other = translated(english, 9, (0.0, 0.8, -0.8))
    cold = estimate_biases(softmax(english / 2), {"pt": softmax(other / 2)}, 0.0, temperature=2.0)["pt"]
    corrected = softmax((other + np.asarray(cold.found)) / 2)
    assert corrected.mean(axis=0) == pytest.approx(softmax(english / 2).mean(axis=0), abs=1e-5)


def test_a_broken_language_is_bounded() -> None:
    english = sentences(10)
    rows = {"xx": softmax(np.tile([0.0, 9.0, 0.0], (SENTENCES, 1)) + 0.1 * sentences(11))}
    found = estimate_biases(softmax(english), rows, 0.0)["xx"]
    assert max(abs(value) for value in found.found) > BOUND
    assert max(abs(value) for value in found.bias) == pytest.approx(BOUND)
    assert sum(found.bias) == pytest.approx(0, abs=1e-5)


def test_rounded_posteriors_of_0_and_1_do_no_harm() -> None:
    english = np.round(softmax(8 * sentences(12)), 6)
    found = estimate_biases(english, {"pt": np.round(softmax(8 * translated(sentences(12), 13)), 6)})
    assert np.isfinite(found["pt"].bias).all()


def test_the_same_posteriors_have_no_bias() -> None:
    english = softmax(sentences(14))
    assert estimate_biases(english, {"en-GB": english})["en-GB"].bias == (0.0, 0.0, 0.0)
    assert estimate_biases(english, {}) == {}


@pytest.mark.parametrize(
    "rows",
    [
        np.full((SENTENCES - 1, 3), 1 / 3),
        np.full((SENTENCES, 2), 0.5),
        np.full((SENTENCES, 3), 0.5),
        np.full((SENTENCES, 3), np.nan),
        np.tile([1.2, -0.1, -0.1], (SENTENCES, 1)),
    ],
)
def test_what_are_no_posteriors_of_the_same_sentences_is_refused(rows: Float64) -> None:
    with pytest.raises(ModelError, match="'pt'"):
        estimate_biases(softmax(sentences(15)), {"pt": rows})


def test_too_few_sentences_are_refused() -> None:
    few = softmax(sentences(16, 20))
    with pytest.raises(ModelError, match="at least 50"):
        estimate_biases(few, {"pt": few})


def test_the_scatter_beyond_sampling() -> None:
    rng = np.random.default_rng(17)
    variances = [0.02] * 4000
    true = rng.normal(0, 0.3, (4000, 2))
    seen = true + rng.normal(0, 0.1, (4000, 2))
    assert scatter(list((seen**2).sum(axis=1)), variances) == pytest.approx(0.09, rel=0.1)
    assert scatter(list((rng.normal(0, 0.09, (400, 2)) ** 2).sum(axis=1)), variances[:400]) == 0.0
    assert scatter([], []) == 0.0
