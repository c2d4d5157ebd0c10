"""Intervals hold the truth as often as they say, on simulated data whose truth is known."""

import numpy as np
import pytest

from pipeline.sentiment.measure import bootstrap, calibration, metrics
from pipeline.sentiment.measure.scores import share_estimate

BALANCED = np.array([[0.22, 0.08, 0.033], [0.08, 0.17, 0.083], [0.03, 0.083, 0.22]])
LOPSIDED = np.array([[0.03, 0.015, 0.005], [0.05, 0.6, 0.1], [0.005, 0.045, 0.15]])


def drawn(shares: metrics.Float, size: int, rng: np.random.Generator) -> tuple[metrics.Counts, metrics.Counts]:
    cells = rng.choice(9, size, p=(shares / shares.sum()).ravel())
    return cells // 3, cells % 3


@pytest.mark.parametrize(("shares", "size"), [(BALANCED, 324), (LOPSIDED, 324), (BALANCED, 100)])
def test_macro_f1_intervals_hold_the_truth(shares: metrics.Float, size: int) -> None:
    truth = float(metrics.macro_f1(np.asarray(np.round(shares / shares.sum() * 10**9), np.int64)))
    rng = np.random.default_rng(3)
    held = 0
    for _ in range(400):
        gold, given = drawn(shares, size, rng)
        (tables,) = bootstrap.resampled_tables(gold, [given], rng, 500)
        low, high = bootstrap.percentile(metrics.macro_f1(tables))
        held += low <= truth <= high
    assert 0.92 <= held / 400 <= 0.98


def test_drawing_cells_is_drawing_texts() -> None:
    gold, given = drawn(BALANCED, 200, np.random.default_rng(4))
    (tables,) = bootstrap.resampled_tables(gold, [given], np.random.default_rng(5), 4000)
    stats = pytest.importorskip("scipy.stats")
    found = stats.bootstrap(
        (gold, given),
        lambda a, b: float(metrics.macro_f1(metrics.confusion(a, b), [0, 1, 2])),
        paired=True,
        vectorized=False,
        method="percentile",
        n_resamples=2000,
        rng=np.random.default_rng(6),
    ).confidence_interval
    assert bootstrap.percentile(metrics.macro_f1(tables)) == pytest.approx((found.low, found.high), abs=0.01)


def test_models_are_resampled_together() -> None:
    rng = np.random.default_rng(7)
    gold, given = drawn(BALANCED, 300, rng)
    other = (given + rng.integers(0, 2, 300)) % 3
    same, again, third = bootstrap.resampled_tables(gold, [given, given, other], rng, 100)
    assert (same == again).all()
    assert (same.sum(axis=2) == third.sum(axis=2)).all()
    assert (same.sum(axis=(1, 2)) == 300).all()


def test_the_same_seed_gives_the_same_resamples_whatever_else_is_measured() -> None:
    one, two, other = (bootstrap.generator(9, name).integers(0, 1000, 5).tolist() for name in ("ar", "ar", "fr"))
    assert one == two != other


def simulated(rng: np.random.Generator, size: int, excess: float) -> tuple[metrics.Float, np.ndarray]:
    """Confidences whose labels are right with that probability less ``excess``."""
    confidence = 0.4 + 0.6 * rng.beta(2, 1.5, size)
    return confidence, rng.random(size) < confidence - excess


def test_the_debiased_error_of_a_calibrated_model_is_near_zero_and_the_plain_one_is_not() -> None:
    rng = np.random.default_rng(10)
    several = [calibration.bins(*simulated(rng, 324, 0.0)) for _ in range(300)]
    plain = np.mean([one.plain for one in several])
    debiased = np.mean([one.debiased_squared for one in several])
    assert plain > 0.06
    assert abs(debiased) < 0.001
    assert np.mean([calibration.root(float(one.debiased_squared)) for one in several]) < plain / 2


def test_the_debiased_error_of_a_model_that_claims_too_much_is_the_truth() -> None:
    rng = np.random.default_rng(11)
    several = [calibration.bins(*simulated(rng, 324, 0.1)) for _ in range(300)]
    assert calibration.root(float(np.mean([one.debiased_squared for one in several]))) == pytest.approx(0.1, abs=0.01)


@pytest.mark.parametrize(("excess", "size"), [(0.0, 324), (0.05, 324), (0.1, 324), (0.1, 100)])
def test_calibration_intervals_hold_the_truth(excess: float, size: int) -> None:
    rng = np.random.default_rng(12)
    held = 0
    for _ in range(200):
        confidence, right = simulated(rng, size, excess)
        binned = calibration.bins(confidence, right)
        replicates = bootstrap.resampled_calibration(confidence, right, len(binned.texts), rng, 300)
        value, truth = float(binned.debiased_squared), float(binned.plain_squared)
        low, high = (calibration.root(one) for one in bootstrap.centred(value, replicates, truth))
        held += low <= excess <= high
    assert held / 200 >= 0.92


@pytest.mark.parametrize(("size", "count", "at_once"), [(1, 1, 7), (3, 1, 7), (37, 3, 100), (324, 15, 1 << 20)])
def test_running_sums_are_the_bins_of_the_drawn_texts(
    size: int, count: int, at_once: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bootstrap, "_AT_ONCE", at_once)
    confidence, right = simulated(np.random.default_rng(13), size, 0.1)
    found = bootstrap.resampled_calibration(confidence, right, count, np.random.default_rng(14), 20)
    order = np.argsort(confidence)
    rng = np.random.default_rng(14)
    for value in found:
        picked = order[rng.integers(0, size, size)]
        assert value == pytest.approx(
            float(calibration.bins(confidence[picked], right[picked], count).debiased_squared), abs=1e-12
        )


def test_no_error_in_few_texts_does_not_mean_that_there_is_none() -> None:
    perfect = share_estimate(1.0, np.ones(100), 3)
    assert perfect.low == pytest.approx(0.2924)  # 0.025 ** (1 / 3)
    assert perfect.high == 1.0
    nothing = share_estimate(0.0, np.zeros(100), 3)
    assert nothing.low == 0.0
    assert nothing.high == pytest.approx(0.7076)
    assert share_estimate(0.5, np.array([0.4, 0.6] * 50), 3).low == 0.4
