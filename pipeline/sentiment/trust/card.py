"""The table for a model's card, in Markdown."""

from pipeline.sentiment.trust import words
from pipeline.sentiment.trust.estimate import FLOOR
from pipeline.sentiment.trust.table import LEVELS, LanguageTrust, Level, TrustTable


def section(table: TrustTable) -> str:
    """The section ``## How far each language can be trusted`` without its heading: levels, then languages by level."""
    lines = [
        f"Macro-F1 x 100, 95% interval; 33 is guessing. Measured where there are labelled texts ({table.data}), else",
        "estimated: from how often a translated sentence gets the label of the English one; without sentences, from",
        "how much of the language the encoder read and from its relatives. The measured scores serve to describe trust",
        "here; nothing was trained, calibrated or chosen by them.",
        "",
        "| level | what it means | languages |",
        "|---|---|---|",
    ]
    for level in LEVELS:
        lines.append(f"| **{level}** | {words.MEANING[level]} | {len(at(table, level))} |")
    lines += ["", "| language | level | macro-F1 | from |", "|---|---|---|---|"]
    lines += [_row(one) for one in ranked(table) if one.source == "measured" or one.evidence.agreement is not None]
    unseen = [one for one in table.languages if not one.evidence.seen and one.source == "estimated"]
    if table.other.macro_f1 is not None:
        below = f"below {100 * _worst(table):.0f} by rule"
        lines.append(f"| {len(unseen)} that the encoder never saw, and any other | low | {below} | |")
    for level in LEVELS:
        rest = [one for one in at(table, level) if one.evidence.expected_agreement is not None]
        if rest:
            scores = ", ".join(f"{one.language} {100 * one.macro_f1.value:.0f}" for one in rest if one.macro_f1)
            lines += ["", f"Estimated without sentences, {level}: {scores}."]
    if table.fit is not None:
        lines += [
            "",
            f"Error of the estimates, each measured language left out once: {100 * table.fit.error:.1f} points over "
            f"{len(table.fit.languages)} languages. {100 * FLOOR:.0f} is one label for all.",
        ]
    return "\n".join(lines)


def at(table: TrustTable, level: Level) -> list[LanguageTrust]:
    """The languages of a level, best first."""
    return [one for one in ranked(table) if one.level == level]


def ranked(table: TrustTable) -> list[LanguageTrust]:
    """All languages: by level, then by score, then by tag."""
    return sorted(
        table.languages,
        key=lambda one: (LEVELS.index(one.level), -(one.macro_f1.value if one.macro_f1 else 0), one.language),
    )


def _worst(table: TrustTable) -> float:
    found = table.find(table.worst).macro_f1
    return found.value if found else 0.0


def _row(one: LanguageTrust) -> str:
    score = words.points(one.macro_f1) if one.macro_f1 else ""
    found = one.evidence
    why = f"measured, {found.texts} texts" if one.source == "measured" else "estimated"
    if found.agreement is not None:
        why += f", {100 * found.agreement.value:.0f}% agree with English"
    return f"| {one.language} | {one.level} | {score} | {why} |"
