"""Hostile values: what has broken parsers, matchers, detectors and databases, and what Hypothesis thinks of."""

import random
from collections.abc import Callable
from typing import Any, Final

from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

_SPECIAL: Final = (
    "\u202e\u2066\u2069\u200f",  # bidi overrides
    "\ufeff",  # byte order mark
    "\ufdfa" * 50,  # 18 characters each under NFKC
    "a" + "\u0301" * 500,  # combining marks
    "\U0001f468\u200d" * 200,  # joined emoji
    "\ud800",  # a lone surrogate
    "\udfff\ud800",
    "\x00",
    "\u2028\u2029\x85",
    "\U0010ffff\ufffe\uffff",  # not characters
    "İıſK",  # case folding changes the length
    "ก็็็็็็็็็็็็็็็็็็็็",
    "﷽" * 100,
    "\x1b[2J\x1b]0;title\x07",  # terminal escapes
    "<script>alert(1)</script><img src=x onerror=alert(1)>",
    "'; DROP TABLE mentions; --",
    "{{table mentions}} %(x)s {0} ${HOME} `id`",
    "__label__en __label__xx </s>",
    "@" * 5_000,
    "#" * 5_000,
    "@a" * 2_500,
    "#a" * 2_500,
    "http://" * 1_500,
    "https://" + "a" * 5_000,
    "Lumora" * 3_000,
    "lumora " * 2_500,
    "L u m o r a" * 1_000,
    "-" * 19_000,
    "漢" * 19_990,
    " " * 10_000 + "Lumora",
    "x" * 20_001,
)


def text(rng: random.Random) -> str:
    """A text that somebody's code does not expect."""
    kind = rng.randrange(6)
    if kind == 0:
        return rng.choice(_SPECIAL)
    if kind == 1:
        return "Lumora " + rng.choice(_SPECIAL) + " Zentavo"
    if kind == 2:
        return "".join(chr(rng.randrange(0x110000)) for _ in range(rng.randrange(1, 60)))
    if kind == 3:
        base = rng.choice((0x20, 0x300, 0x600, 0x900, 0x3040, 0x1F300, 0xE000))
        return "".join(chr(base + rng.randrange(0x100)) for _ in range(rng.randrange(1, 200)))
    if kind == 4:
        return "".join(rng.choice(_SPECIAL)[:40] for _ in range(rng.randrange(2, 12)))
    return "Lumora é ótima " * rng.randrange(1, 60)


_SCALARS: Final[tuple[Callable[[random.Random], Any], ...]] = (
    lambda rng: None,
    lambda rng: rng.choice((True, False)),
    lambda rng: rng.choice((0, -1, 2**31, 2**43, 2**53 + 1, 2**63, 2**64, 10**300, -(2**63) - 1)),
    lambda rng: rng.choice((0.5, -0.0, 1e308, 5e-324, float("inf"), float("nan"), 1e400)),
    text,
    lambda rng: rng.choice(("", " ", "null", "NaN", "0", "2026-02-30T25:61:61Z", "0001-01-01T00:00:00+23:59")),
    lambda rng: rng.choice(("9999-12-31T23:59:59-23:59", "1969-12-31T23:59:59.999Z", "2026-11-27", "1e9", "now")),
    lambda rng: {},
    lambda rng: [],
)


def value(rng: random.Random, depth: int = 3) -> Any:
    """Any JSON value, and some that are none (NaN)."""
    if depth and rng.random() < 0.25:
        if rng.random() < 0.5:
            return [value(rng, depth - 1) for _ in range(rng.randrange(5))]
        return {text(rng)[:30]: value(rng, depth - 1) for _ in range(rng.randrange(5))}
    return rng.choice(_SCALARS)(rng)


def of_hypothesis(count: int, number: int) -> list[Any]:
    """``count`` values that Hypothesis generates under the seed ``number``: it looks for the corners by itself."""
    leaves = (
        st.none()
        | st.booleans()
        | st.integers()
        | st.floats()
        | st.text(max_size=60)
        | st.text(st.characters(codec=None), max_size=30)
        | st.datetimes().map(str)
        | st.binary(max_size=30).map(lambda raw: raw.decode("latin-1"))
    )
    values = st.recursive(
        leaves, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner), max_leaves=8
    )
    found: list[Any] = []

    @seed(number)
    @settings(
        max_examples=count,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(values)
    def collect(one: Any) -> None:
        found.append(one)

    collect()
    return found
