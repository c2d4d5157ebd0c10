"""report.html: one page without a script or an address, readable on a phone. Everything from outside is escaped."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Final

from pipeline.sentiment.measure import noise
from pipeline.sentiment.measure.results import (
    MIN_TEXTS,
    WAYS,
    Against,
    Estimate,
    Evaluation,
    LanguageResult,
    MeanScores,
    Way,
)
from pipeline.sentiment.measure.tables import p_value
from pipeline.terminal import printable
from schemas.events import LABELS

REPORT: Final = "report.html"
_STYLE: Final = Path(__file__).with_name("report.css")
_WAY: Final[dict[Way, str]] = {"argmax": "without the rule", "rule": "with the rule"}
_WARNING: Final = {
    "too few to tell": "Too few texts to tell: the intervals say how little is known.",
    noise.SHORT: "The labels of this set do not belong to its texts: a score on it is chance.",
}
_COVERED: Final = (1.0, 0.8, 0.5)


@dataclass(frozen=True)
class Picture:
    """Data addresses of one figure on a light and on a dark ground."""

    light: str
    dark: str


def page(evaluation: Evaluation, pictures: Mapping[str, Picture], keys: Sequence[str]) -> str:
    """The whole page. ``keys`` name the pictures of each language: ``reliability-<key>-<way>``, ``coverage-<key>``."""
    title = f"{_text(evaluation.model)} on {_text(evaluation.data)}"
    parts = [
        f"<h1>{title}</h1>",
        f'<p class="quiet">Decision rule {_text(evaluation.rule)}. {evaluation.resamples:,} resamples, seed '
        f"{evaluation.seed}. The rule was told the language that {_told(evaluation)}.</p>",
        *_headline(evaluation),
        "<h2>Macro-F1, language by language</h2>",
        _picture(pictures["forest"], "Macro-F1 of each language with its 95% interval; the numbers are in the table"),
        _languages(evaluation),
        *(_comparison(evaluation.against) if evaluation.against is not None else ()),
        *_notes(evaluation),
        "<h2>Each language</h2>",
        *(_language(one, name, pictures) for one, name in zip(evaluation.languages, keys, strict=True)),
        _READING,
    ]
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{title}</title>\n<style>\n{_STYLE.read_text(encoding='utf-8')}</style>\n</head>\n<body>\n"
        + "\n".join(parts)
        + "\n</body>\n</html>\n"
    )


def _text(text: str) -> str:
    return escape(printable(text))


def _told(evaluation: Evaluation) -> str:
    return "the data name" if evaluation.tags == "given" else "the detector found in each text, as in the pipeline"


def _points(one: Estimate | None, signed: bool = False) -> str:
    if one is None:
        return '<td class="quiet">none</td>'
    form = "+.1f" if signed else ".1f"
    return f"<td>{100 * one.value:{form}}<small>{100 * one.low:{form}} to {100 * one.high:{form}}</small></td>"


def _error(one: Estimate) -> str:
    return f"<td>{one.value:.3f}<small>{one.low:.3f} to {one.high:.3f}</small></td>"


def _row(name: str, cells: Sequence[str], style: str = "") -> str:
    opened = f'<tr class="{style}">' if style else "<tr>"
    return f'{opened}<th scope="row"><bdi>{name}</bdi></th>{"".join(cells)}</tr>'


def _table(columns: Sequence[str], rows: Sequence[str], caption: str = "", style: str = "") -> str:
    head = "".join(f'<th scope="col"{"" if place else " class=left"}>{name}</th>' for place, name in enumerate(columns))
    below = f'<p class="quiet">{caption}</p>' if caption else ""
    return (
        f'<div class="scroll" tabindex="0"><table{f" class={style}" if style else ""}><thead><tr>{head}</tr>'
        f"</thead><tbody>{''.join(rows)}</tbody></table></div>{below}"
    )


def _picture(picture: Picture, described: str) -> str:
    return (
        f'<figure><picture><source srcset="{picture.dark}" media="(prefers-color-scheme: dark)">'
        f'<img src="{picture.light}" alt="{escape(described)}"></picture></figure>'
    )


def _headline(evaluation: Evaluation) -> Iterator[str]:
    for place, mean in enumerate(evaluation.means):
        score = mean.rule.macro_f1
        text = (
            f"Over {len(mean.languages)} languages macro-F1 is <strong>{100 * score.value:.1f}</strong> with the rule "
            f"(95% interval {100 * score.low:.1f} to {100 * score.high:.1f}). Without the rule it is "
            f"{100 * mean.argmax.macro_f1.value:.1f}: the rule changes it by {100 * mean.gain.value:+.1f} "
            f"({100 * mean.gain.low:+.1f} to {100 * mean.gain.high:+.1f})."
        )
        if evaluation.against is not None:
            difference = evaluation.against.means[place].rule.macro_f1
            text += (
                f" The difference to {_text(evaluation.against.evaluation.model)} is "
                f"<strong>{100 * difference.value:+.1f}</strong> "
                f"({100 * difference.low:+.1f} to {100 * difference.high:+.1f}): "
                + ("more than chance." if difference.clear else "it may be chance.")
            )
        if evaluation.biases is not None:
            changed = evaluation.biases.means[place].macro_f1
            text += (
                f" Biases by language ({'' if evaluation.biases.shipped else 'not '}in the rule), with less without: "
                f"{100 * changed.value:+.1f} ({100 * changed.low:+.1f} to {100 * changed.high:+.1f})."
            )
        names = _text(", ".join(mean.languages))
        yield f'<p class="headline">{text}<br><span class="quiet">Mean over {names}.</span></p>'


def _languages(evaluation: Evaluation) -> str:
    columns = ["language", "texts", "macro-F1<br>without rule", "macro-F1<br>with rule", "recall", "accuracy"]
    columns += ["calibration<br>error", "plain", "given, %<br>neg / neu / pos"]
    rows = []
    for one in evaluation.languages:
        name = _text(one.language) + (f'<br><span class="warn">{one.doubt}</span>' if one.doubt else "")
        given = " / ".join(f"{100 * share:.0f}" for share in one.rule.given)
        more = [f"<td>{one.rule.plain_calibration:.3f}</td>", f"<td>{given}</td>"]
        rows.append(_row(name, [f"<td>{one.texts:,}</td>", *_cells(one.argmax, one.rule), *more]))
    rows += [
        _row(
            f"mean of {len(one.languages)}", ["<td></td>", *_cells(one.argmax, one.rule), "<td></td><td></td>"], "mean"
        )
        for one in evaluation.means
    ]
    return _table(
        columns, rows, "Times 100; in small letters the 95% interval. After the first macro-F1, with the rule."
    )


def _cells(argmax: MeanScores, rule: MeanScores) -> list[str]:
    shares = (argmax.macro_f1, rule.macro_f1, rule.macro_recall, rule.accuracy)
    return [*(_points(one) for one in shares), _error(rule.calibration)]


def _comparison(against: Against) -> Iterator[str]:
    other = against.evaluation
    yield f"<h2>Compared with {_text(other.model)}</h2>"
    yield f'<p class="quiet">The same texts, judged by both. The other model\'s rule: {_text(other.rule)}.</p>'
    columns = (
        "language",
        "macro-F1<br>without rule",
        "macro-F1<br>with rule",
        "accuracy",
        "right alone",
        "p",
        "p, Holm",
    )
    rows = [
        _row(
            _text(one.language),
            [
                *(_points(value, True) for value in (one.argmax.macro_f1, one.rule.macro_f1, one.rule.accuracy)),
                f"<td>{one.rule.only_this:,} : {one.rule.only_other:,}</td>",
                *(f"<td>{escape(p_value(value))}</td>" for value in (one.rule.p, one.rule.p_holm)),
            ],
        )
        for one in against.languages
    ]
    rows += [
        _row(
            f"mean of {len(one.languages)}",
            [
                *(_points(value, True) for value in (one.argmax.macro_f1, one.rule.macro_f1, one.rule.accuracy)),
                "<td></td><td></td><td></td>",
            ],
            "mean",
        )
        for one in against.means
    ]
    yield _table(
        columns,
        rows,
        "This model less the other, times 100, with the 95% interval of the paired bootstrap. Right alone: texts that "
        "only this model gets right, and only the other; p: McNemar's exact test of these (with the rule), then "
        "corrected for all languages (Holm).",
    )


def _notes(evaluation: Evaluation) -> Iterator[str]:
    if evaluation.notes:
        yield "<h2>What to keep in mind</h2>"
        yield "<ul>" + "".join(f"<li><bdi>{_text(note)}</bdi></li>" for note in evaluation.notes) + "</ul>"


def _language(one: LanguageResult, name: str, pictures: Mapping[str, Picture]) -> str:
    score = one.rule.macro_f1
    shown = _text(one.language)
    warning = f'<p class="warn">{_WARNING[one.doubt]}</p>' if one.doubt else ""
    kept = [min(one.rule.coverage, key=lambda point: abs(point.coverage - wanted)) for wanted in _COVERED]
    sentence = ", ".join(f"{100 * point.error:.0f}% if {100 * point.coverage:.0f}% are judged" for point in kept)
    return (
        f"<details><summary><bdi>{shown}</bdi> <span>macro-F1 {100 * score.value:.1f} ({100 * score.low:.1f} to "
        f"{100 * score.high:.1f}), {one.texts:,} texts</span></summary>{warning}"
        f'<div class="figures">{"".join(_confusion(one, way) for way in WAYS)}</div>{_classes(one)}'
        '<div class="figures">'
        + "".join(
            _picture(pictures[f"reliability-{name}-{way}"], f"Reliability in {one.tag}, {_WAY[way]}") for way in WAYS
        )
        + _picture(pictures[f"coverage-{name}"], f"Error over coverage in {one.tag}")
        + f"</div><p>Wrong labels with the rule, the surest texts first: {sentence}. Brier score "
        f"{one.rule.brier:.3f}, log loss {one.rule.log_loss:.3f} (without the rule {one.argmax.brier:.3f} and "
        f"{one.argmax.log_loss:.3f}).</p></details>"
    )


def _confusion(one: LanguageResult, way: Way) -> str:
    rows = []
    for label, counts in zip(LABELS, one.scores(way).confusion, strict=True):
        total = sum(counts)
        cells = [
            f'<td style="background:rgba(var(--heat),{0.75 * count / total if total else 0:.2f})">{count:,}'
            f"{f'<small>{100 * count / total:.0f}%</small>' if total else ''}</td>"
            for count in counts
        ]
        rows.append(_row(f"is {label}", cells))
    return (
        f"<div><h3>{_WAY[way].capitalize()}</h3>{_table(('', *LABELS), rows, 'What texts are called.', 'heat')}</div>"
    )


def _classes(one: LanguageResult) -> str:
    rows = [
        _row(
            f"{scores.label}<br><span class=quiet>{_WAY[way]}</span>",
            [
                f"<td>{scores.texts:,}</td><td>{scores.given:,}</td>",
                *(_points(value) for value in (scores.precision, scores.recall, scores.f1)),
            ],
        )
        for index in range(len(LABELS))
        for way in WAYS
        for scores in (one.scores(way).classes[index],)
    ]
    return _table(("label", "texts", "given", "precision", "recall", "F1"), rows, "Times 100, with the 95% interval.")


_READING: Final = f"""<h2>How to read this</h2>
<dl>
<dt>95% interval</dt><dd>The same measurement on other texts of the same kind would come out differently. The interval
says how differently: in 95 of 100 such measurements it holds the true value.</dd>
<dt>Macro-F1</dt><dd>One number for how often the labels are right, in which each of the three labels counts the same,
however rare it is. Guessing gives about 33 where labels are equally frequent, 100 is perfect. Labels that no text has
do not count.</dd>
<dt>Recall, precision</dt><dd>Of the texts that are negative, how many were called so; of those called negative, how
many are.</dd>
<dt>With and without the rule</dt><dd>The model's own most likely label, and the label after the decision rule.</dd>
<dt>Calibration error</dt><dd>How far the stated probabilities are from the truth: 0.05 means that of texts judged with
80%, about 75% or 85% are right. Chance is taken away from it; "plain" is the common ECE, with chance in it.</dd>
<dt>Reliability</dt><dd>Each point is a group of equally many texts. On the dashed line probabilities are right; in the
grey band a difference can be chance; below the band the model claims too much.</dd>
<dt>Error over coverage</dt><dd>If only the surest texts are judged, how many of those are wrong.</dd>
<dt>Too few to tell</dt><dd>Fewer than {MIN_TEXTS} texts. Shown all the same, and not part of any mean.</dd>
</dl>"""
