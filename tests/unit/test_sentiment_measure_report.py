"""The report as a reader gets it: complete, in one file, with nothing of the data running in it."""

import io
import re
import sys
from html.parser import HTMLParser
from pathlib import Path

import msgspec
import pytest

from pipeline.errors import InputError, ModelError
from pipeline.sentiment.measure.comparison import compare
from pipeline.sentiment.measure.data import LabelledData, LabelledSet
from pipeline.sentiment.measure.evaluation import Options, measured
from pipeline.sentiment.measure.judging import judge
from pipeline.sentiment.measure.report import figures, prepare, slug, write_report
from pipeline.sentiment.measure.results import Evaluation
from tests.unit.sentiment_measure_model import FakeModel, guesses, improved, labelled

pytest.importorskip("matplotlib", reason="the extra `report` is not installed")

OPTIONS = Options(resamples=200)
HOSTILE = '<script>alert("x")</script>\u202e$a_{b}$'


@pytest.fixture(scope="module")
def found() -> Evaluation:
    data = labelled(en=150, fr=150, ar=3)
    hostile = LabelledSet(HOSTILE, "pt", data.sets[1].texts, data.sets[1].gold)
    data = LabelledData(f"set {HOSTILE}", (data.sets[0], hostile, data.sets[2]), notes=(f"note {HOSTILE}",))
    known = guesses(data, 0.6, seed=5)
    one = FakeModel(f"new {HOSTILE}", improved(known, data, 0.3, seed=6))
    other = FakeModel(f"old {HOSTILE}", known)
    this, that = judge(one, data), judge(other, data)
    evaluation = measured(one.name, one.rule, data, this, OPTIONS)
    theirs = measured(other.name, other.rule, data, that, OPTIONS)
    return msgspec.structs.replace(evaluation, against=compare(this, that, evaluation, theirs, OPTIONS))


@pytest.fixture(scope="module")
def folder(found: Evaluation, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("report") / "new" / "folder"
    prepare(path)
    seen: list[tuple[int, int]] = []
    assert write_report(found, path, lambda done, total: seen.append((done, total))) == path / "report.html"
    assert seen == [(done, 16) for done in range(1, 17)]
    return path


class Page(HTMLParser):
    """Tags with their attributes, and whether they are closed in order."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in ("meta", "img", "source", "br"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


@pytest.fixture(scope="module")
def html(folder: Path) -> str:
    return (folder / "report.html").read_text(encoding="utf-8")


def test_the_page_is_one_file_without_script_or_address(html: str) -> None:
    page = Page()
    page.feed(html)
    assert not page.open
    names = {name for name, _ in page.tags}
    assert not names & {"script", "link", "iframe", "object", "form", "a"}
    for name, attributes in page.tags:
        assert not [key for key in attributes if key.startswith("on")]
        for key in ("src", "srcset", "href"):
            assert (attributes.get(key) or "data:image/png;base64,").startswith("data:image/png;base64,"), name
    assert "url(" not in html
    assert "@import" not in html


def test_everything_from_outside_is_escaped(html: str) -> None:
    assert "<script" not in html
    assert "\u202e" not in html
    for what in ("new", "old", "set", "note"):
        assert f"{what} &lt;script&gt;alert(&quot;x&quot;)&lt;/script&gt;\\u202e$a_{{b}}$" in html


def test_it_is_readable_on_a_phone_and_in_the_dark(html: str) -> None:
    assert '<meta name="viewport" content="width=device-width, initial-scale=1">' in html
    assert "@media (prefers-color-scheme: dark)" in html
    assert html.count("<picture>") == html.count('media="(prefers-color-scheme: dark)"') == 1 + 3 * 3
    assert html.count('alt="') == html.count("<img")


def test_the_page_says_the_numbers(html: str, found: Evaluation) -> None:
    for one in found.languages:
        assert f"<td>{100 * one.rule.macro_f1.value:.1f}<small>" in html
        assert f"<td>{one.rule.calibration.value:.3f}<small>" in html
    assert found.against is not None
    (mean,) = found.against.means
    assert f"<strong>{100 * mean.rule.macro_f1.value:+.1f}</strong>" in html
    assert "more than chance" in html
    assert html.count("too few to tell") >= 2
    assert "95% interval" in html


def test_every_figure_is_a_png_of_its_own(folder: Path, found: Evaluation) -> None:
    image = pytest.importorskip("PIL.Image")
    assert {path.stem for path in folder.glob("*.png")} == set(figures(found))
    for path in folder.glob("*.png"):
        with image.open(io.BytesIO(path.read_bytes())) as picture:
            assert picture.format == "PNG"
            assert picture.width == 720
            assert len(picture.convert("RGB").getcolors(1 << 20)) > 8, f"{path.name} is empty"
    assert {path.name for path in folder.iterdir()} == {"report.html", *(f"{name}.png" for name in figures(found))}


def test_languages_that_are_called_alike_have_files_of_their_own(found: Evaluation) -> None:
    french = found.languages[0]
    names = ("pt-BR", "pt_BR", "日本")
    several = [msgspec.structs.replace(french, language=name) for name in names]
    alike = msgspec.structs.replace(found, languages=several, against=None)
    assert [name for name in figures(alike) if name.startswith("coverage")] == [
        *("coverage-pt-br-1", "coverage-pt-br-2", "coverage-x")
    ]
    assert slug("../../etc/passwd") == "etc-passwd"


def test_a_folder_that_cannot_be_written_is_said_before_judging(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match=r"cannot be written .*--report"):
        prepare(tmp_path / "file" / "report")


def test_without_matplotlib_it_says_how_to_get_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(ModelError, match=r"pip install 'babelwatch\[report\]'"):
        prepare(tmp_path)


def test_the_style_names_no_colour_twice(html: str) -> None:
    style = re.findall(r"<style>(.*?)</style>", html, re.DOTALL)
    assert len(style) == 1
    outside = re.sub(r":root \{.*?\}", "", style[0], flags=re.DOTALL)
    assert not re.findall(r"#[0-9a-f]{3,6}\b", outside), "a colour that dark mode does not change"
