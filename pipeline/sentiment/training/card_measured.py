"""Sections of the card about what was measured: by language, on other kinds of text, abstention, limits."""

from collections.abc import Sequence
from typing import Final

from pipeline.sentiment.abstention import ANY, ENGLISH, AbstentionPoint
from pipeline.sentiment.measure.results import Estimate, Evaluation, LanguageResult, MeanResult
from pipeline.sentiment.training.card_training import paragraph

_COLUMNS: Final = "texts | argmax | with the rule | gain | recall | calibration error | given, % neg / neu / pos |"
_LINE: Final = "|---|---|---|---|---|---|---|---|"


def languages(found: Evaluation | None) -> str:
    """The table of languages and their mean."""
    if found is None:
        return "Not measured yet: `babelwatch model evaluate --model FOLDER --data umsab --write`."
    rows = [_row(f"{one.language}{f' ({one.doubt})' if one.doubt else ''}", one) for one in found.languages]
    rows += [_row(f"mean of {len(one.languages)}: {', '.join(one.languages)}", one) for one in found.means]
    said = paragraph(
        f"Macro-F1 x 100 on {found.data}, by `babelwatch model evaluate`, with this folder's graph and the serving",
        "code.",
        "In brackets the 95% interval (bootstrap). Gain: with the rule less without. The calibration error is debiased",
        "(Kumar et al. 2019), of the rule's probabilities.",
        "UMSAB (repository `cardiffnlp/xlm-t`) has as many tweets of each label."
        if found.data.startswith("umsab")
        else "",
    )
    return "\n".join([said, "", f"| language | {_COLUMNS}", _LINE, *rows, *(f"\n{note}." for note in found.notes)])


def other_texts(found: Sequence[Evaluation]) -> str:
    """Held-out English, and whatever else was measured."""
    if not found:
        return "Not measured."
    said = paragraph(
        "The same numbers. Held-out texts come as they are; with as many of each label, which is what the model is",
        "trained for; and as they are with the rule told their mix of labels.",
    )
    rows = [
        _row(one.language if evaluation.data.startswith("held-out") else f"{evaluation.data}, {one.language}", one)
        for evaluation in found
        for one in evaluation.languages
    ]
    notes = [
        f"\n{evaluation.data}: {note}."
        for evaluation in found
        if not evaluation.data.startswith("held-out")
        for note in evaluation.notes
    ]
    return "\n".join([said, "", f"| texts of | {_COLUMNS}", _LINE, *rows, *notes])


def biases(found: Evaluation | None, recorded: bool) -> str:
    """What the export's biases by language change; empty where the folder records none."""
    if not recorded:
        return ""
    if found is None or found.biases is None:
        return "What they change was not measured (`babelwatch model evaluate --with-biases --write`)."
    effect = found.biases
    parts = [f"Measured on {found.data}, on the same texts and log-probabilities, with the biases less without:"]
    parts += [
        f"macro-F1 x 100 {difference(one.macro_f1)} in the mean of {len(one.languages)} ({', '.join(one.languages)});"
        for one in effect.means
    ]
    doubtful = {one.language: one.doubt for one in found.languages if one.doubt}
    each = [
        f"{one.language} {difference(one.macro_f1)}{f' ({doubtful[one.language]})' if one.language in doubtful else ''}"
        for one in effect.languages
    ]
    parts += [f"by language {', '.join(each)}."]
    parts += [
        f"They are {'' if effect.shipped else '**not** '}in the rule, for all languages alike; that yes or no may be",
        "decided by the difference of the mean, and nothing else is.",
    ]
    return paragraph(*parts)


def _row(name: str, one: LanguageResult | MeanResult) -> str:
    argmax, rule, recall = (points(value) for value in (one.argmax.macro_f1, one.rule.macro_f1, one.rule.macro_recall))
    error, gain = one.rule.calibration, one.gain
    texts, given = "", ""
    if isinstance(one, LanguageResult):
        texts, given = f"{one.texts:,}", " / ".join(f"{100 * share:.0f}" for share in one.rule.given)
    return (
        f"| {name} | {texts} | {argmax} | **{rule}** | "
        f"{difference(gain)} | {recall} | "
        f"{error.value:.2f} ({error.low:.2f} to {error.high:.2f}) | {given} |"
    )


def points(one: Estimate) -> str:
    """``60.6 (55.2 to 65.8)``."""
    return f"{100 * one.value:.1f} ({100 * one.low:.1f} to {100 * one.high:.1f})"


def difference(one: Estimate) -> str:
    """``+0.4 (-0.3 to +1.1)``."""
    return f"{100 * one.value:+.1f} ({100 * one.low:+.1f} to {100 * one.high:+.1f})"


def abstention(found: Sequence[AbstentionPoint]) -> str:
    """What share of texts is judged for each error that a user may accept."""
    if not found:
        return "None: `--accept-error` cannot be used with this model."
    said = paragraph(
        "Off unless asked for (`--accept-error`); then a label below the threshold is `unsure`. In English the error",
        "is guaranteed with 95% confidence, on texts like the held-out ones; elsewhere it is estimated. A language",
        "that is not listed in config.json has the most careful thresholds of all.",
    )
    rows = [_errors(error, [one for one in found if one.error == error]) for error in sorted({p.error for p in found})]
    head = "| accepted error | English: threshold, judged | other languages: judged | nothing is judged in |"
    return "\n".join([said, "", head, "|---|---|---|---|", *rows])


def _errors(error: float, found: Sequence[AbstentionPoint]) -> str:
    english = next((one for one in found if one.language == ENGLISH), None)
    others = [one for one in found if one.language not in (ENGLISH, ANY)]
    shares = sorted(one.coverage for one in others if one.threshold is not None)
    some = f"{100 * shares[0]:.0f}% to {100 * shares[-1]:.0f}% in {len(shares)}" if shares else "none"
    own = "nothing"
    if english is not None and english.threshold is not None:
        own = f"{english.threshold:.2f}, {100 * english.coverage:.0f}%"
    return f"| {error:g} | {own} | {some} | {len(others) - len(shares)} of {len(others)} |"


def limits(found: Evaluation | None, max_tokens: int) -> str:
    """What the model is not good for; the first line from the measured table."""
    lines = []
    counting = [one for one in found.languages if one.counts] if found else []
    ranked = sorted(counting, key=lambda one: one.rule.macro_f1.value)
    if ranked:
        lines += [
            f"- Quality differs by language: {points(ranked[0].rule.macro_f1)} in {ranked[0].language}, "
            f"{points(ranked[-1].rule.macro_f1)} in {ranked[-1].language}.",
        ]
    return "\n".join(
        [
            *lines,
            "- It judges the whole text, not the opinion about one brand in it. Irony, quotations and mixed texts are",
            "  often wrong; `babelwatch model check` shows what it fails at.",
            "- The rule gives each label the same chance; in a stream that is mostly neutral it gives negative and",
            "  positive too often, unless it is told the stream's mix of classes.",
            "- Probabilities are calibrated on English; compare trends within a language rather than levels of two.",
            f"- Made for short texts: what lies beyond {max_tokens} tokens is not read.",
            "- Not for decisions about individual people.",
        ]
    )
