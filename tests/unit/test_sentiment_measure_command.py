"""``babelwatch model evaluate`` with the real model: tables, JSON, files, and what it says about bad input."""

import json
import shutil
from pathlib import Path

import msgspec
import pytest
from click.testing import CliRunner, Result

from pipeline.cli.model import command
from pipeline.errors import InputError, ModelError
from pipeline.sentiment.folder import CARD, CONFIG, ModelFolder
from pipeline.sentiment.measure.results import FILE, read_evaluation
from pipeline.sentiment.rule import minus_log_prior
from pipeline.settings import load_settings

SHIPPED = load_settings().model_path
LABELLED = Path(__file__).parents[2] / "docs" / "examples" / "labelled.csv"
MAPPED = ["--text-column", "post", "--label-column", "mood", "--language-column", "lang", "--resamples", "200"]
RATED = LABELLED.with_name("rated.tsv")
CUT = ["--labels", "<=-1=negative,>=1=positive,*=neutral", "--resamples", "200"]
MAPPED += ["--labels", "pos=positive,neg=negative,neu=neutral,mixed=skip"]


def evaluate(*arguments: str | Path) -> Result:
    result = CliRunner().invoke(command, ["evaluate", *map(str, arguments)])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == 0, result.output
    return result


@pytest.fixture
def umsab(tmp_path: Path) -> Path:
    folder = tmp_path / "set" / "english"
    folder.mkdir(parents=True)
    (folder / "val_text.txt").write_text(
        "I love it so much\nThe meeting is on Tuesday at 10\nTerrible, it broke at once\n"
    )
    (folder / "val_labels.txt").write_text("2\n1\n0\n")
    return folder.parent


def test_json_of_a_folder_in_umsabs_layout(umsab: Path) -> None:
    found = json.loads(evaluate("--data", umsab, "--json").stdout)
    (english,) = found["languages"]
    assert (english["tag"], english["texts"], english["enough"]) == ("en", 3, False)
    assert english["rule"]["macro_f1"] == {"value": 1.0, "low": 0.2924, "high": 1.0}
    assert english["rule"]["confusion"] == [[1, 0, 0], [0, 1, 0], [0, 0, 1]]
    assert found["means"] == []
    assert found["model"] == ModelFolder(SHIPPED).version


def test_tables_of_a_file_with_columns_and_labels_mapped() -> None:
    out = evaluate("--file", LABELLED, *MAPPED, "--details").stdout
    for part in ("en *", "de *", "es *", "too few to tell", "1 row left out: label 'mixed'", "es: by label"):
        assert part in out


def test_ratings_as_the_page_shows_them() -> None:
    out = evaluate("--file", RATED, "--text-column", "3", "--label-column", "2", "--language", "en", *CUT).stdout
    assert "! labels are ratings, cut so: <=-1 negative, >=1 positive, everything else" in out.replace("\n", " ")
    assert "! en: no text" not in out
    with pytest.raises(InputError, match=r"labelled.csv, line 2: label 'pos' is no number"):
        evaluate("--file", LABELLED, *MAPPED[:-1], CUT[1])


@pytest.mark.long
def test_two_models_of_which_one_leans_to_neutral(tmp_path: Path) -> None:
    other = tmp_path / "other"
    shutil.copytree(SHIPPED, other, ignore=shutil.ignore_patterns(CARD))
    config = json.loads((other / CONFIG).read_text())
    facts = config["babelwatch"]
    facts["name"] = "leaning"
    prior = (0.45, 0.05, 0.5)
    facts.pop("class_prior", None)
    facts |= {"format": 2, "rule": msgspec.to_builtins(minus_log_prior(prior))}
    (other / CONFIG).write_text(json.dumps(config))
    report = tmp_path / "report"
    pytest.importorskip("matplotlib", reason="the extra `report` is not installed")
    found = json.loads(evaluate("--file", LABELLED, *MAPPED, "--against", other, "--report", report, "--json").stdout)
    against = found["against"]
    assert against["evaluation"]["model"].startswith("leaning@")
    assert against["languages"][0]["argmax"]["macro_f1"] == {"value": 0, "low": 0, "high": 0}
    assert any(one["rule"]["only_this"] for one in against["languages"])
    assert "leaning@" in (report / "report.html").read_text(encoding="utf-8")


def test_write_puts_table_and_card_into_the_folder(tmp_path: Path) -> None:
    folder = tmp_path / "model"
    shutil.copytree(SHIPPED, folder)
    (folder / FILE).unlink(missing_ok=True)
    evaluate("--file", LABELLED, *MAPPED, "--model", folder, "--write", "--detect")
    written = read_evaluation(folder / FILE)
    assert (written.data, written.tags) == ("labelled.csv", "detected")
    card = (folder / CARD).read_text(encoding="utf-8")
    assert "| en (too few to tell) | 11 |" in card
    ModelFolder(folder)  # still valid: the card and the table are not among the checked files


def test_the_card_says_how_ratings_were_cut(tmp_path: Path) -> None:
    folder = tmp_path / "model"
    shutil.copytree(SHIPPED, folder)
    columns = ["--text-column", "3", "--label-column", "2", "--language", "en"]
    evaluate("--file", RATED, *columns, *CUT, "--model", folder, "--write", "--as", "reviews")
    card = (folder / CARD).read_text(encoding="utf-8")
    assert "| rated.tsv, en | 9 |" in card
    assert "rated.tsv: labels are ratings, cut so: <=-1 negative, >=1 positive, everything else neutral." in card


def test_what_cannot_be_done_is_said_before_the_model_is_loaded(umsab: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="give one of them"):
        evaluate("--data", umsab, "--file", LABELLED)
    with pytest.raises(InputError, match=r"labelled.csv, line 2: label 'pos' is none of"):
        evaluate("--file", LABELLED, *MAPPED[:-1], "neg=negative")
    with pytest.raises(InputError, match="--data"):
        evaluate("--data", tmp_path)
    with pytest.raises(ModelError, match="model folder"):
        evaluate("--data", umsab, "--model", tmp_path / "none")
