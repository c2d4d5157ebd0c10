"""Names and ratings become labels, or an error says why not."""

from pathlib import Path

import pytest

from pipeline.errors import InputError
from pipeline.sentiment.measure.files import Columns, read_files
from pipeline.sentiment.measure.labels import parse_labels

RATED = Path(__file__).parents[2] / "docs" / "examples" / "rated.tsv"
CUT = "<=-1=negative, >=1=positive, *=neutral"


def found(labels: str, *texts: str) -> list[str]:
    return [parse_labels(labels).find(text)[0] for text in texts]


def test_ratings_are_cut_at_both_ends_which_belong_to_the_interval() -> None:
    ratings = ("-4", "-1", "-1.000", "-0.999", "0", " .5 ", "0.999", "1", "+1.0", "1e0", "2.726")
    negative, neutral, positive = ["negative"] * 3, ["neutral"] * 4, ["positive"] * 4
    assert found(CUT, *ratings) == negative + neutral + positive
    assert found("<-1=negative,>1=positive,*=neutral", "-1", "1", "1.001") == ["neutral", "neutral", "positive"]


def test_a_name_that_is_a_number_is_that_number_beside_intervals() -> None:
    assert found("<=2=negative,3=neutral,>=4=positive", "1", "3.0", "5") == ["negative", "neutral", "positive"]
    assert found("3=neutral", "3") == ["neutral"]  # without intervals it is a name


def test_names_and_intervals_together() -> None:
    labels = "n/a=skip,bad=negative,>=1=positive,*=neutral"
    assert found(labels, "N/A", "bad", "positive", "7", "0") == ["skip", "negative", "positive", "positive", "neutral"]


def test_everything_else_without_intervals_is_any_other_label() -> None:
    assert found("pos=positive,*=skip", "pos", "neutral", "joy") == ["positive", "neutral", "skip"]


@pytest.mark.parametrize(
    ("labels", "said"),
    [
        ("<=1=negative,>=1=positive", "'<=1=negative' and '>=1=positive' overlap"),
        ("<2=negative,<1=neutral", "overlap"),
        (">=1=positive,1.0=neutral", "'>=1=positive' and '1.0=neutral' overlap"),
        (">=1=positive,>=1=positive", "overlap"),
        ("<=one=negative", "'<=one=negative': an interval is one of"),
        ("=<1=negative", "an interval is one of <, <=, >, >= and a number"),
        ("<=nan=negative", "and a number"),
        ("<=1e999=negative", "and a number"),
        (">==1=negative", "and a number"),
        ("<=1", "write NAME=LABEL, or an interval"),
        ("<=1=bad", "LABEL is negative, neutral, positive or skip"),
        ("*=neutral,*=skip", "there twice"),
    ],
)
def test_rules_that_are_not_clear(labels: str, said: str) -> None:
    with pytest.raises(InputError, match=f"--labels.*({said})"):
        parse_labels(labels)


@pytest.mark.parametrize(
    ("labels", "text", "said"),
    [
        (CUT, "good", "label 'good' is no number, and --labels maps numbers .*'good=skip'"),
        (CUT, "", "label '' is no number"),
        (CUT, "0,5", "label '0,5' is no number"),
        (CUT, "nan", "no number"),
        (CUT, "1e999", "no number"),
        (CUT, "1_0", "no number"),
        (CUT, "١", "no number"),
        ("<=-1=negative,>=1=positive", "0.5", r"label '0.5' is in no interval of --labels; add '\*=neutral'"),
    ],
)
def test_ratings_that_cannot_be_read(labels: str, text: str, said: str) -> None:
    with pytest.raises(InputError, match=said):
        parse_labels(labels).find(text)


def test_a_file_of_ratings(tmp_path: Path) -> None:
    data = read_files([RATED], Columns("3", "2", only="en", labels=parse_labels(CUT)))
    assert data.sets[0].gold == (0, 0, 2, 1, 2, 1, 2, 0, 1)
    assert data.notes == ("labels are ratings, cut so: <=-1 negative, >=1 positive, everything else neutral",)
    data = read_files([RATED], Columns("3", "2", only="en", labels=parse_labels(CUT.replace("neutral", "skip"))))
    assert "3 rows left out: label '*'" in data.notes
    bad = tmp_path / "bad.tsv"
    bad.write_text("1\t0.5\tfine\n2\tgood\tfine\n")
    with pytest.raises(InputError, match=r"bad.tsv, line 2: label 'good' is no number"):
        read_files([bad], Columns("3", "2", only="en", labels=parse_labels(CUT)))


def test_ratings_in_jsonl_may_be_numbers(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text('{"text": "a", "label": 2.5}\n{"text": "b", "label": -3}\n')
    assert read_files([path], Columns(only="en", labels=parse_labels(CUT))).sets[0].gold == (2, 0)
