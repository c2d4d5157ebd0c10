"""Metrics: equal to scikit-learn's and scipy's, and to numbers that were worked out by hand."""

import numpy as np
import pytest

from pipeline.sentiment.measure import calibration, metrics

sklearn = pytest.importorskip("sklearn.metrics")


def labels(rng: np.random.Generator, size: int, classes: int = 3) -> tuple[metrics.Counts, metrics.Counts]:
    gold = rng.integers(0, classes, size)
    given = np.where(rng.random(size) < 0.6, gold, rng.integers(0, 3, size))
    return gold.astype(np.int64), given.astype(np.int64)


@pytest.mark.parametrize("size", [1, 2, 3, 10, 324, 5000])
@pytest.mark.parametrize("classes", [1, 2, 3])
def test_counts_agree_with_scikit_learn(size: int, classes: int) -> None:
    for seed in range(5):
        gold, given = labels(np.random.default_rng([seed, size]), size, classes)
        table = metrics.confusion(gold, given)
        assert (table == sklearn.confusion_matrix(gold, given, labels=[0, 1, 2])).all()
        present = sorted(set(gold.tolist()))
        precision, recall, f1, _ = sklearn.precision_recall_fscore_support(
            gold, given, labels=[0, 1, 2], zero_division=np.nan
        )
        found = metrics.by_class(table)
        np.testing.assert_allclose(found.precision, precision)
        np.testing.assert_allclose(found.recall, recall)
        np.testing.assert_allclose(found.f1[present], f1[present])
        options = {"labels": present, "average": "macro", "zero_division": 0}
        assert metrics.macro_f1(table) == pytest.approx(sklearn.f1_score(gold, given, **options))
        assert metrics.macro_recall(table) == pytest.approx(sklearn.recall_score(gold, given, **options))
        assert metrics.accuracy(table) == pytest.approx(sklearn.accuracy_score(gold, given))


def test_macro_f1_by_hand() -> None:
    def of(gold: list[int], given: list[int]) -> float:
        return float(metrics.macro_f1(metrics.confusion(np.asarray(gold), np.asarray(given))))

    assert of([0, 1, 2], [0, 1, 2]) == 1
    assert of([0, 1, 2], [1, 2, 0]) == 0
    # negative: 2 hits of 2 gold and 3 given, 4/5; neutral: 1 hit of 2 gold and 1 given, 2/3; no positive
    assert of([0, 0, 1, 1], [0, 0, 0, 1]) == pytest.approx((4 / 5 + 2 / 3) / 2)
    # positive has no gold label and does not count by itself, but it costs the recall of the others
    assert of([0, 0, 1, 1], [0, 2, 2, 1]) == pytest.approx(2 / 3)


def test_many_tables_at_once_are_the_same_as_one_by_one() -> None:
    rng = np.random.default_rng(1)
    tables = rng.integers(0, 20, (50, 3, 3))
    np.testing.assert_allclose(metrics.macro_f1(tables), [metrics.macro_f1(one, [0, 1, 2]) for one in tables])


def test_a_class_that_a_resample_lost_is_left_out_of_its_mean() -> None:
    lost = np.array([[5, 0, 0], [0, 0, 0], [0, 0, 5]])
    assert metrics.macro_f1(lost, [0, 1, 2]) == 1
    assert metrics.macro_recall(lost, [0, 1, 2]) == 1


@pytest.mark.parametrize(("one", "other"), [(0, 0), (1, 0), (3, 3), (5, 15), (40, 20), (700, 600)])
def test_mcnemar_is_the_exact_binomial_test(one: int, other: int) -> None:
    stats = pytest.importorskip("scipy.stats")
    expected = stats.binomtest(one, one + other).pvalue if one + other else 1.0
    assert metrics.mcnemar(one, other) == metrics.mcnemar(other, one) == pytest.approx(expected)


def test_holm_by_hand() -> None:
    # sorted .01 .03 .04: times 3, 2, 1 = .03 .06 .04, and never below the one before
    assert metrics.holm([0.04, 0.01, 0.03]) == pytest.approx([0.06, 0.03, 0.06])
    assert metrics.holm([0.6, 0.7]) == [1.0, 1.0]
    assert metrics.holm([]) == []


def test_brier_and_log_loss_agree_with_scikit_learn() -> None:
    rng = np.random.default_rng(2)
    probabilities = rng.dirichlet([2, 1, 1], 500)
    gold = rng.integers(0, 3, 500)
    assert calibration.log_loss(probabilities, gold) == pytest.approx(sklearn.log_loss(gold, probabilities))
    expected = sklearn.brier_score_loss(gold, probabilities, scale_by_half=False, labels=[0, 1, 2])
    assert calibration.brier(probabilities, gold) == pytest.approx(expected)


def test_log_loss_and_brier_by_hand() -> None:
    assert calibration.log_loss(np.full((4, 3), 1 / 3), np.array([0, 1, 2, 0])) == pytest.approx(np.log(3))
    assert calibration.brier(np.array([[1.0, 0, 0], [0, 1, 0]]), np.array([0, 2])) == pytest.approx(1)
    # a probability that was rounded to 0 costs a lot, not everything
    assert calibration.log_loss(np.array([[1.0, 0, 0]]), np.array([1])) == pytest.approx(6 * np.log(10))


def test_bins_of_equal_mass_by_hand() -> None:
    confidence = np.array([0.9, 0.5, 0.6, 0.8])
    right = np.array([True, False, True, True])
    found = calibration.bins(confidence, right, 2)
    assert found.texts.tolist() == [2, 2]
    np.testing.assert_allclose(found.confidence, [0.55, 0.85])
    np.testing.assert_allclose(found.right, [0.5, 1.0])
    assert found.plain == pytest.approx((0.05 + 0.15) / 2)
    assert found.plain_squared == pytest.approx((0.05**2 + 0.15**2) / 2)
    # first bin: 0.5 * 0.5 / (2 - 1) of chance, second none
    assert found.debiased_squared == pytest.approx((0.05**2 - 0.25 + 0.15**2) / 2)


@pytest.mark.parametrize(("texts", "expected"), [(1, 1), (3, 1), (19, 1), (20, 2), (149, 14), (150, 15), (5000, 15)])
def test_fewer_texts_have_fewer_bins(texts: int, expected: int) -> None:
    assert calibration.number_of_bins(texts) == expected
    found = calibration.bins(np.linspace(0.4, 1, texts), np.ones(texts, bool))
    assert found.texts.sum() == texts
    assert found.texts.max() - found.texts.min() <= 1


def test_error_over_coverage_by_hand() -> None:
    confidence = np.array([0.5, 0.9, 0.7, 0.6])
    right = np.array([False, True, False, True])
    # surest first: right, wrong, right, wrong
    np.testing.assert_allclose(calibration.risk_coverage(confidence, right), [0, 1 / 2, 1 / 3, 2 / 4])
