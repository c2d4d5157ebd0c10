"""How sure small numbers are: a share of 3 mentions is shown with its interval, not as a wild percentage."""

from math import sqrt
from typing import Final, NamedTuple

Z_95: Final = 1.959964
"""Two-sided 95% quantile of the normal distribution."""

FEW: Final = 30
"""Below so many mentions the page marks a number: a Wilson interval is then up to 35 points wide."""


class Interval(NamedTuple):
    """A value and its 95% interval."""

    value: float
    low: float
    high: float


def wilson(successes: int, total: int) -> Interval:
    """Share ``successes / total`` with Wilson's score interval (Wilson 1927); ``total`` must be positive.

    Unlike the normal approximation it stays within 0..1 and is not zero wide at 0 of n.
    """
    if not 0 <= successes <= total or total == 0:
        raise ValueError(f"{successes} of {total} is no share")
    share = successes / total
    z2 = Z_95 * Z_95
    centre = (share + z2 / (2 * total)) / (1 + z2 / total)
    half = Z_95 * sqrt(share * (1 - share) / total + z2 / (4 * total * total)) / (1 + z2 / total)
    return Interval(share, max(0.0, min(share, centre - half)), min(1.0, max(share, centre + half)))


def net_sentiment(negative: int, neutral: int, positive: int) -> Interval:
    """Share of positive minus share of negative mentions, -1..1, with an approximate 95% interval.

    The interval is normal on counts with one added to each label, the multinomial kin of Agresti and Coull's
    rule: without it, three mentions of one label would be shown as certain. At least one count must be positive.
    """
    total = negative + neutral + positive
    if total <= 0 or min(negative, neutral, positive) < 0:
        raise ValueError(f"no net sentiment of {negative}, {neutral}, {positive}")
    value = (positive - negative) / total
    n = total + 3
    p, m = (positive + 1) / n, (negative + 1) / n
    centre = p - m
    half = Z_95 * sqrt(max(0.0, p + m - centre * centre) / n)
    return Interval(value, max(-1.0, min(value, centre - half)), min(1.0, max(value, centre + half)))
