"""``babelwatch model evaluate``: a model on labelled texts, language by language, with how sure that is."""

import re
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from pipeline.cli import options
from pipeline.cli.model.shared import SHARED
from pipeline.errors import InputError
from pipeline.settings import load_settings

if TYPE_CHECKING:
    from pipeline.sentiment.measure.data import LabelledData
    from pipeline.sentiment.measure.judging import Detect, Judged
    from pipeline.sentiment.measure.results import Evaluation
    from pipeline.sentiment.rule import RuleFacts

UMSAB = SHARED / "data" / "umsab"


@click.command()
@options.model
@click.option("--against", type=options.ModelName(), help="Another model, judged on the same texts.")
@click.option(
    "--data",
    type=click.Path(path_type=Path),
    help="Folder with <language>/<split>_text.txt and _labels.txt (0 negative, 1 neutral, 2 positive).",
)
@click.option("--split", default="val", show_default=True, help="Of --data.")
@click.option(
    "--file", "files", type=click.Path(path_type=Path), multiple=True, help="TSV, CSV or JSONL instead; repeatable."
)
@click.option("--text-column", default="text", show_default=True, help="Name, key, or number without a header.")
@click.option("--label-column", default="label", show_default=True)
@click.option("--language-column", help="Column of the language (BCP 47), or --language for all rows.")
@click.option("--language", help="BCP 47 tag of all rows of --file.")
@click.option(
    "--labels",
    default="",
    help="What other labels mean: neg=negative,0=neutral,mixed=skip; ratings: '<=-1=negative,>=1=positive,*=neutral'.",
)
@click.option(
    "--mean",
    "means",
    multiple=True,
    metavar="LANGUAGES",
    help="Mean over ar,fr,...; repeatable. Default: all but English.",
)
@click.option(
    "--with-biases",
    is_flag=True,
    help="Also with (or without) the biases that the export recorded, and the difference.",
)
@click.option("--detect", is_flag=True, help="Tell the rule the detected language of each text, as the pipeline does.")
@click.option(
    "--resamples", type=click.IntRange(100, 100_000), default=2000, show_default=True, help="Of the bootstrap."
)
@click.option("--seed", type=click.IntRange(0), default=20240, show_default=True)
@click.option("--details", is_flag=True, help="Each label, and the confusion tables.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of tables.")
@click.option("--report", type=click.Path(path_type=Path, file_okay=False), help="Folder for report.html and PNGs.")
@click.option("--write", is_flag=True, help="Write evaluation.json and the card into the model folder.")
@click.option("--as", "kind", metavar="NAME", help="With --write: evaluation-NAME.json, as another kind of text.")
def command(
    model: Path | None,
    against: Path | None,
    data: Path | None,
    split: str,
    files: tuple[Path, ...],
    text_column: str,
    label_column: str,
    language_column: str | None,
    language: str | None,
    labels: str,
    means: tuple[str, ...],
    with_biases: bool,
    detect: bool,
    resamples: int,
    seed: int,
    details: bool,
    as_json: bool,
    report: Path | None,
    write: bool,
    kind: str | None,
) -> None:
    """How good a model is in each language, and how sure that is: macro-F1, recall and calibration error with 95%
    intervals, with and without the decision rule. Needs no extra (--report needs `report`).

    \b
    babelwatch model evaluate --data umsab --report report/
    babelwatch model evaluate --file mine.csv --language-column lang --labels pos=positive,neg=negative
    babelwatch model evaluate --data umsab --model new/ --against old/
    """
    import msgspec

    from pipeline.sentiment.measure.biases import effect
    from pipeline.sentiment.measure.comparison import compare
    from pipeline.sentiment.measure.data import read_umsab
    from pipeline.sentiment.measure.evaluation import Options, measured
    from pipeline.sentiment.measure.files import Columns, read_files
    from pipeline.sentiment.measure.labels import parse_labels
    from pipeline.sentiment.measure.results import encode

    if files and data is not None:
        raise InputError("--data and --file: give one of them")
    if kind is not None and not (write and re.fullmatch(r"[a-z0-9][a-z0-9-]*", kind)):
        raise InputError(f"--as {kind[:60]!r}: a name of small letters, digits and hyphens, together with --write")
    if files:
        columns = Columns(text_column, label_column, language_column, language, parse_labels(labels))
        labelled = read_files(files, columns)
    else:
        labelled = read_umsab(data or UMSAB, split)
    if report is not None:
        from pipeline.sentiment.measure.report import prepare

        prepare(report)
    wanted = Options(resamples, seed, tuple(tuple(filter(None, one.replace(" ", "").split(","))) for one in means))
    finder = _detector() if detect else None
    both = _both_rules(model) if with_biases else ()
    name, rule, (judged, *others) = _judge(model, labelled, finder, both[1:])
    found = measured(name, rule, labelled, judged, wanted, detect)
    if both:
        found = msgspec.structs.replace(found, biases=effect(judged, others[0], found, both[0], wanted))
    if against is not None:
        name, rule, (second,) = _judge(against, labelled, finder)
        theirs = measured(name, rule, labelled, second, wanted, detect)
        found = msgspec.structs.replace(found, against=compare(judged, second, found, theirs, wanted))
    if write:
        _write(model, msgspec.structs.replace(found, against=None), kind)
    if report is not None:
        _report(found, report)
    if as_json:
        click.echo(encode(found).decode(), nl=False)
    else:
        _show(found, details)


def _detector() -> "Detect":
    from pipeline.language import LanguageDetector

    detector = LanguageDetector(load_settings().language_min_confidence)
    return lambda text: detector.detect(text).tag


def _both_rules(model: Path | None) -> "tuple[RuleFacts, ...]":
    """The folder's own rule, and the one with the recorded biases if it has none, without them if it has."""
    from pipeline.sentiment.folder import ModelFolder
    from pipeline.sentiment.measure.biases import other_rule, recorded

    folder = ModelFolder(model or load_settings().model_path)
    return folder.facts.rule, other_rule(folder.facts.rule, recorded(folder))


def _judge(
    model: Path | None, labelled: "LabelledData", detect: "Detect | None", others: "Sequence[RuleFacts]" = ()
) -> "tuple[str, str, list[list[Judged]]]":
    """Name, rule and verdicts (its own, then of each other rule) of a model, which is let go of afterwards: two models
    need no more memory than one.

    Abstention is off: the question is what the rule says, and the report shows the error over coverage.
    """
    from pipeline.cli.terminal import counting, unpacking
    from pipeline.sentiment.measure.judging import Decide, judge_by
    from pipeline.sentiment.model import load_model
    from pipeline.sentiment.rule import DecisionRule

    settings = load_settings(accept_error=None, **({"model_path": model} if model else {}))
    with unpacking() as progress:
        loaded = load_model(settings, progress)
    total = sum(len(one.texts) for one in labelled.sets)
    rules: list[Decide] = [loaded.decide, *(partial(DecisionRule(one).judge, loaded.name) for one in others)]
    with counting(f"of {total:,} texts judged", total) as show:
        verdicts = judge_by(rules, loaded, labelled, lambda done, _total: show(done, done), detect)
    return loaded.name, loaded.rule, verdicts


def _write(model: Path | None, found: "Evaluation", kind: str | None) -> None:
    from pipeline.sentiment.folder import ModelFolder
    from pipeline.sentiment.measure.results import FILE, encode
    from pipeline.sentiment.training.card import write_card

    folder = model or load_settings().model_path
    (folder / (FILE if kind is None else f"evaluation-{kind}.json")).write_bytes(encode(found))
    click.echo(f"written: {write_card(ModelFolder(folder, check_card=False))}", err=True)


def _report(found: "Evaluation", folder: Path) -> None:
    from pipeline.cli.terminal import counting
    from pipeline.sentiment.measure.report import figures, write_report

    total = len(figures(found))
    with counting(f"of {total} figures drawn", total) as show:
        path = write_report(found, folder, lambda done, _total: show(done, done))
    click.echo(f"written: {path}", err=True)


def _show(found: "Evaluation", details: bool) -> None:
    from rich.console import Console

    from pipeline.sentiment.measure import tables

    console = Console()
    console.print(tables.summary(found))
    if details:
        for table in tables.details(found):
            console.print(table)
