"""The table in words: what a level means to somebody who reads the numbers, and why a language has it."""

from typing import Final

from pipeline.sentiment.trust.table import Evidence, Level, Number

HIGH: Final = 0.70
FAIR: Final = 0.55
"""Macro-F1 from which a level begins. 1/3 is guessing."""
MEANING: Final[dict[Level, str]] = {
    "high": "About 1 in 4 labels is wrong, or fewer.",
    "fair": "About 1 in 3 to 2 in 5 labels are wrong: watch a number move; do not compare it with other languages.",
    "low": "1 in 2 labels may be wrong, or more: only a large, sudden change means something; read the texts.",
    "unknown": "Nothing is known about the labels of this language.",
}
_SHARES: Final = (
    (1 / 10, "1 in 10"),
    (1 / 5, "1 in 5"),
    (1 / 4, "1 in 4"),
    (1 / 3, "1 in 3"),
    (2 / 5, "2 in 5"),
    (1 / 2, "1 in 2"),
    (3 / 5, "3 in 5"),
    (2 / 3, "2 in 3"),
    (4 / 5, "4 in 5"),
)


def level_of(score: float, measured: bool) -> Level:
    """The level of a macro-F1; of an estimate, its score less its standard error. Only a measurement is ``high``."""
    shown = round(score, 2)
    if shown >= HIGH and measured:
        return "high"
    return "fair" if shown >= FAIR else "low"


def wrong(score: float) -> str:
    """How many labels are wrong at this macro-F1, as a plain fraction: ``1 in 3``.

    On texts with as many of each label the share of right labels is within 2 points of the macro-F1.
    """
    return min(_SHARES, key=lambda one: abs(one[0] - (1 - score)))[1]


def points(number: Number) -> str:
    """``62 (57 to 67)``."""
    return f"{100 * number.value:.0f} ({100 * number.low:.0f} to {100 * number.high:.0f})"


def measured(number: Number) -> str:
    """In words, of a measured language."""
    return f"about {wrong(number.value)} labels wrong, measured"


def estimated(number: Number) -> str:
    """In words, of an estimate."""
    return (
        f"about {wrong(number.value)} labels wrong by estimate, not measured; "
        f"it may be {wrong(number.high)} or {wrong(number.low)}"
    )


NEVER_SEEN: Final = "not measured, and the encoder never saw the language: take its labels for guesses"


def evidence(found: Evidence) -> list[str]:
    """The evidence as sentences."""
    said = []
    if found.megabytes is not None:
        name = f" (as {found.read_as})" if found.read_as else ""
        said.append(f"the encoder read {_size(found.megabytes)} of it in pre-training{name}")
    if not found.readable:
        said.append("the vocabulary does not have the letters of its script")
    if found.agreement is not None:
        said.append(
            f"{points(found.agreement)}% of {found.sentences} translated sentences get the label of the English one"
        )
    if found.expected_agreement is not None:
        near = f" and from its relatives ({', '.join(found.relatives)})" if found.relatives else ""
        share = f"{100 * found.expected_agreement:.0f}%"
        said.append(f"no sentences to compare: {share} agreement is expected from how much of it was read{near}")
    if found.pieces is not None and found.unknown_pieces is not None:
        said.append(
            f"cut into {found.pieces:.2f} times as many pieces as English, {100 * found.unknown_pieces:.1f}% unknown"
        )
    return said


def _size(megabytes: float) -> str:
    return f"{megabytes / 1000:.1f} GB" if megabytes >= 1000 else f"{megabytes:.0f} MB"
