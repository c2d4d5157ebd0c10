"""The stream's class mix: found where posteriors are calibrated, bounded, doubted where texts are few, frozen."""

import logging

import numpy as np
import pytest

from pipeline.metrics import CLASS_MIX
from pipeline.sentiment.class_mix import (
    HIGH,
    LOW,
    PSEUDO_MENTIONS,
    FrozenMix,
    MixPolicy,
    MixTracker,
    bounded,
    estimate_mix,
)
from pipeline.sentiment.correction import Float64


def calibrated(count: int, mix: tuple[float, float, float], seed: int, sharp: float = 2.0) -> Float64:
    """Posteriors for equally likely classes of texts of ``mix``: exact ones, of a Gaussian per class."""
    rng = np.random.default_rng(seed)
    centres = sharp * np.array([[1.0, 0.0], [0.0, 0.0], [-0.5, 0.9]])
    points = centres[rng.choice(3, count, p=mix)] + rng.normal(0, 1, (count, 2))
    logs = -0.5 * ((points[:, None, :] - centres) ** 2).sum(axis=2)
    exact = np.exp(logs - logs.max(axis=1, keepdims=True))
    return np.asarray(exact / exact.sum(axis=1, keepdims=True))


@pytest.mark.parametrize("mix", [(0.05, 0.15, 0.80), (0.33, 0.33, 0.34), (0.80, 0.15, 0.05), (0.1, 0.8, 0.1)])
def test_the_mix_of_many_texts_is_found(mix: tuple[float, float, float]) -> None:
    found = estimate_mix(calibrated(20_000, mix, 1))
    assert found.found == pytest.approx(mix, abs=0.02)
    assert found.used == pytest.approx(mix, abs=0.025)
    assert 3000 < found.effective < 20_000


def test_the_effective_number_is_the_precision_of_labels() -> None:
    """The scatter of the estimate over 300 streams is that of so many labelled texts."""
    mix = (0.2, 0.5, 0.3)
    found = [estimate_mix(calibrated(400, mix, seed)) for seed in range(300)]
    seen = float(np.var([one.found for one in found], axis=0).sum())
    labels = sum(share * (1 - share) for share in mix)
    assert np.mean([one.effective for one in found]) == pytest.approx(labels / seen, rel=0.2)


def test_posteriors_of_0_and_1_are_labels_and_flat_ones_say_nothing() -> None:
    rows = np.eye(3)[np.random.default_rng(2).choice(3, 1000, p=(0.2, 0.5, 0.3))]
    assert estimate_mix(rows).effective == pytest.approx(1000, rel=0.01)
    flat = estimate_mix(np.full((1000, 3), 1 / 3))
    assert flat.effective == 0
    assert flat.used == pytest.approx((1 / 3,) * 3, abs=1e-3)
    assert estimate_mix(np.zeros((0, 3))).used == pytest.approx((1 / 3,) * 3, abs=1e-3)


def test_few_texts_are_believed_by_their_number() -> None:
    rows = np.tile([0.0, 1.0, 0.0], (25, 1))
    rows = np.vstack([rows, np.tile([1.0, 0.0, 0.0], (25, 1))])
    found = estimate_mix(rows)
    weight = found.effective / (found.effective + PSEUDO_MENTIONS)
    assert found.used[1] == pytest.approx(weight * found.found[1] + (1 - weight) / 3, abs=1e-3)
    assert found.used[1] < 0.45


def test_no_class_is_thought_absent_or_alone() -> None:
    everything_neutral = estimate_mix(calibrated(50_000, (0.0, 1.0, 0.0), 3))
    assert everything_neutral.used == pytest.approx((0.075, 0.85, 0.075), abs=0.01)
    for seed in range(50):
        found = bounded(np.random.default_rng(seed).dirichlet([0.2, 0.2, 0.2]))
        assert found.sum() == pytest.approx(1)
        assert found.min() >= LOW - 1e-9
        assert found.max() <= HIGH + 1e-9
    inside = np.array([0.2, 0.5, 0.3])
    assert bounded(inside) == pytest.approx(inside)


def fill(tracker: MixTracker, at: float, language: str, mix: tuple[float, float, float], count: int = 600) -> None:
    tracker.observe([at] * count, [language] * count, calibrated(count, mix, int(at)))


def test_a_mix_is_of_the_hour_before_and_frozen() -> None:
    tracker = MixTracker()
    assert tracker.mix(0.0) is None
    fill(tracker, 10.0, "en", (0.7, 0.2, 0.1))
    assert tracker.mix(20.0) is None, "the span has begun without a mix, and stays so"
    first = tracker.mix(610.0)
    assert first is not None
    assert first.shares["en"][0] > 0.55
    fill(tracker, 650.0, "en", (0.1, 0.2, 0.7))
    assert tracker.mix(1199.0) is first, "the same to the end of its span, and for a redelivery later"
    second = tracker.mix(1201.0)
    assert second is not None
    assert second.ident != first.ident
    assert second.shares["en"][0] < first.shares["en"][0]
    assert tracker.mix(700.0) is first
    far = tracker.mix(600.0 * 50)
    assert far is None, "an hour later nothing is known of the stream"


def test_the_same_texts_freeze_to_the_same_name() -> None:
    idents = set()
    for _ in range(2):
        tracker = MixTracker()
        fill(tracker, 10.0, "en", (0.7, 0.2, 0.1))
        fill(tracker, 11.0, "pt", (0.2, 0.2, 0.6))
        frozen = tracker.mix(600.0)
        assert frozen is not None
        assert set(frozen.shares) == {"en", "pt"}
        idents.add(frozen.ident)
    assert len(idents) == 1
    assert idents.pop().startswith("mix-")


def test_a_language_with_few_texts_has_no_mix_and_is_counted(caplog: pytest.LogCaptureFixture) -> None:
    before = CLASS_MIX.labels("too_few")._value.get()
    tracker = MixTracker()
    fill(tracker, 10.0, "en", (0.7, 0.2, 0.1))
    fill(tracker, 10.0, "sw", (0.7, 0.2, 0.1), count=20)
    with caplog.at_level(logging.INFO, logger="pipeline.sentiment.class_mix"):
        frozen = tracker.mix(600.0)
    assert frozen is not None
    assert "sw" not in frozen.shares
    assert CLASS_MIX.labels("too_few")._value.get() == before + 1
    assert frozen.ident in caplog.text
    assert "en " in caplog.text
    assert (frozen.shift("sw") == 0).all()
    assert frozen.shift("en")[0] > 0 > frozen.shift("en")[2]


def test_memory_is_bounded() -> None:
    tracker = MixTracker(MixPolicy(texts=10, slices=2, remembered=3))
    for span in range(20):
        fill(tracker, span * 600.0, "en", (0.3, 0.3, 0.4), count=50)
        tracker.mix(span * 600.0)
    assert sum(len(rows) for seen in tracker._seen.values() for rows in seen.values()) <= 30
    assert len(tracker._frozen) <= 4
    fill(tracker, 0.0, "en", (0.3, 0.3, 0.4), count=5)  # a mention that waited for hours
    assert 0 not in tracker._seen


def test_a_shift_of_the_uniform_mix_is_nothing() -> None:
    assert np.abs(FrozenMix(ident="mix-0", shares={"en": (1 / 3, 1 / 3, 1 / 3)}).shift("en")).max() < 1e-12
