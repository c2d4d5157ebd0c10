"""The behavioural suite: its cases are sound and aligned, its runner can pass and fail, and the real model runs it."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import msgspec
import pytest
from click.testing import CliRunner
from rich.cells import cell_len

from pipeline.cli.model.check import command
from pipeline.errors import InputError
from pipeline.language import LanguageDetector
from pipeline.sample.texts import incident, ordinary
from pipeline.sentiment.checklist import perturb, run, table
from pipeline.sentiment.checklist.cases import CAPABILITIES, CASES, Case, languages, read, written
from pipeline.sentiment.checklist.report import Report, check, summarise, wilson
from pipeline.sentiment.checklist.suite import load, of_language, version
from pipeline.sentiment.model import load_model
from pipeline.settings import PACKAGE, load_settings
from pipeline.text import EMOJI, HANDLE, LINK, script_shares
from schemas.events import LABELS, Judgement, Label

ROOT = PACKAGE.parent
SPOKEN = [tag for tag in languages() if tag != "und"]
ROMANISED = [tag for tag in SPOKEN if tag.endswith("-Latn")]
ASKED_FOR = "en es pt fr de it ar hi hi-Latn ru tr ja zh pl id el th ar-Latn el-Latn ary-Latn ru-Latn ja-Latn th-Latn"
LETTERS_ONLY_NATIVE = {"el-Latn", "hi-Latn", "ja-Latn", "ru-Latn", "th-Latn"}
"""Varieties whose cases are the native file's, transliterated; Arabizi and Franco are in dialects of their own."""


class WordModel:
    """Our own interface over a list of words; ``shares`` is what it says of a text without any."""

    name = "words"
    rule = "none"

    def __init__(self, shares: tuple[float, float, float] = (0.1, 0.8, 0.1)) -> None:
        self.asked: list[tuple[str, str]] = []
        self._shares = shares

    def judge(self, texts: Sequence[str], languages: Sequence[str]) -> list[Judgement]:
        self.asked += zip(texts, languages, strict=True)
        return self.decide(self.log_probabilities(texts), languages)

    def log_probabilities(self, texts: Sequence[str]) -> list[tuple[float, float, float]]:
        found = []
        for text in texts:
            good, bad = text.count("good"), text.count("bad")
            found.append((0.7, 0.2, 0.1) if bad > good else (0.1, 0.2, 0.7) if good else self._shares)
        return found

    def decide(
        self, values: Sequence[tuple[float, float, float]], languages: Sequence[str], mixes: object = None
    ) -> list[Judgement]:
        label: Label = "neutral"
        return [
            Judgement(
                model=self.name, rule=self.rule, label=label, negative=a, neutral=b, positive=c, log_probabilities=one
            )
            for one in values
            for a, b, c in [one]
        ]


def case(kind: str, expect: str, *texts: str, **more: str) -> Case:
    fields = {"id": "x-1", "language": "en", "capability": "negation", "type": kind, "texts": texts, "expect": expect}
    return msgspec.convert(fields | more, Case)


# --- the cases


def test_every_language_that_was_promised() -> None:
    assert set(ASKED_FOR.split()) <= set(languages())
    assert {path.stem for path in CASES.glob("*.jsonl")} == set(languages())


@pytest.mark.parametrize("tag", SPOKEN)
def test_languages_hold_the_same_cases(tag: str) -> None:
    """By id: the same capability, type and expectation; what only some languages have is stated."""
    english = {one.id: (one.capability, one.type, one.expect) for one in written("en")}
    here = {one.id: (one.capability, one.type, one.expect) for one in written(tag)}
    assert len(here) == len(written(tag)), "an id twice"
    assert all(one.language == tag for one in written(tag))
    assert set(english) <= set(here), sorted(set(english) - set(here))
    assert all(here[name] == facts for name, facts in english.items())
    more = {name.rpartition("-")[0].split("-")[0] for name in set(here) - set(english)}
    assert more == ({"mixing"} if tag != "en" else set()) | ({"romanisation"} if tag in ROMANISED else set())
    assert 60 <= sum(one.capability != "romanisation" for one in written(tag)) <= 90


def test_mixing_and_romanisation_are_aligned_too() -> None:
    for names in ({"mixing"}, {"romanisation"}):
        kinds = {
            tag: [(one.id, one.type, one.expect) for one in written(tag) if one.capability in names] for tag in SPOKEN
        }
        different = {tuple(found) for found in kinds.values() if found}
        assert len(different) == 1


@pytest.mark.parametrize("tag", list(languages()))
def test_all_capabilities_or_a_reason(tag: str) -> None:
    found = {one.capability for one in of_language(tag)}
    missing = languages()[tag].missing
    assert set(CAPABILITIES) - found == set(missing)
    assert all(len(reason) > 10 for reason in missing.values())


@pytest.mark.parametrize("tag", list(languages()))
def test_no_case_twice(tag: str) -> None:
    assert not [name for name, times in Counter(one.id for one in of_language(tag)).items() if times > 1]
    assert not [texts for texts, times in Counter(one.texts for one in of_language(tag)).items() if times > 1]
    plain = Counter(one.texts[0].casefold() for one in of_language(tag) if one.type == "MFT")
    assert not [text for text, times in plain.items() if times > 1]


@pytest.mark.parametrize("tag", SPOKEN)
def test_texts_are_in_their_script(tag: str) -> None:
    for one in of_language(tag):
        for text, of in zip(one.texts, one.tags(), strict=True):
            assert len(text) <= 140, one.id
            shares = script_shares(HANDLE.sub("", LINK.sub("", text)))
            share = sum(shares.get(name, 0.0) for name in languages()[of].script)
            assert share >= (0.1 if one.capability == "mixing" else 0.75), (one.id, text, shares)


def test_emoji_alone_are_alone() -> None:
    for one in written("und"):
        assert EMOJI.fullmatch(one.texts[0]), one
    assert {one.expect for one in written("und")} == set(LABELS)


@pytest.mark.parametrize("tag", SPOKEN)
def test_pairs_begin_with_a_text_of_the_vocabulary(tag: str) -> None:
    base = {one.id.removeprefix("vocabulary-"): one.texts[0] for one in written(tag) if one.capability == "vocabulary"}
    assert Counter(name.split("-")[0] for name in base) == dict.fromkeys(LABELS, 6)
    for one in written(tag):
        if one.capability == "typos":
            assert one.texts[0] in base.values()
        if one.capability == "romanisation":
            name = one.id.removeprefix("romanisation-")
            assert one.native is not None
            assert one.texts[1] == base[name]
            native = {other.id: other.texts[0] for other in written(one.native)}
            assert (one.texts[0] == native["vocabulary-" + name]) == (tag in LETTERS_ONLY_NATIVE)


@pytest.mark.parametrize("tag", SPOKEN)
def test_names_change_and_nothing_else(tag: str) -> None:
    for one in written(tag):
        if one.capability == "names":
            assert len(one.texts) in {3, 4}
            first, *others = one.texts
            for other in others:
                ahead = next(at for at, (a, b) in enumerate(zip(first, other, strict=False)) if a != b)
                behind = next(at for at, (a, b) in enumerate(zip(first[::-1], other[::-1], strict=False)) if a != b)
                assert ahead + behind >= len(first) - 12, one.texts


def test_cases_are_not_among_the_texts_that_a_rule_may_be_fitted_on_or_the_demo_shows() -> None:
    ours = {text.casefold().strip(" .!?") for one in load() for text in one.texts}
    parallel = sorted((PACKAGE / "sentiment" / "parallel").glob("*.txt"))
    assert parallel
    others = {line for path in parallel for line in path.read_text(encoding="utf-8").splitlines()}
    others |= {mention.text for mention in (*ordinary(), *incident())}
    assert not ours & {line.casefold().strip(" .!?") for line in others}


def test_nothing_that_trains_or_decides_reads_the_cases() -> None:
    """Measurements, too: trust and evaluation are of labelled texts and translations, never of these cases."""
    sentiment = PACKAGE / "sentiment"
    sources = list(sentiment.glob("*.py"))
    for place in (sentiment / "training", sentiment / "trust", sentiment / "measure", PACKAGE / "romanised"):
        found = list(place.rglob("*.py"))
        assert len(found) > 1, place
        sources += found
    assert not [path for path in sources if "checklist" in path.read_text(encoding="utf-8").lower()]


@pytest.mark.parametrize("tag", ["en", "es", "de", "ru", "ar", "hi", "ja", "zh", "th", "el"])
def test_detection_knows_most_cases(tag: str) -> None:
    """A file under the wrong tag, or of texts that nobody would write, would show here."""
    detector = LanguageDetector()
    texts = [one.texts[0] for one in written(tag) if one.capability in {"vocabulary", "negation", "change"}]
    found = [detector.detect(text, None).tag for text in texts]
    assert sum(one == tag for one in found) >= 0.8 * len(found), Counter(found)


@pytest.mark.parametrize(
    "line",
    [
        {"type": "MFT", "texts": ["a"], "expect": "same"},
        {"type": "MFT", "texts": ["a", "b"], "expect": "positive"},
        {"type": "MFT", "texts": ["a"], "expect": "happy"},
        {"type": "INV", "texts": ["a"], "expect": "same"},
        {"type": "INV", "texts": ["a", "a"], "expect": "same"},
        {"type": "DIR", "texts": ["a", "b"], "expect": "positive"},
        {"type": "DIR", "texts": ["a", " "], "expect": "up"},
        {"type": "MFT", "texts": ["a"], "expect": "positive", "stretch": 7},
        {"type": "MFT", "texts": ["a"], "expect": "positive", "colour": "red"},
    ],
)
def test_a_case_that_cannot_be_judged_is_named(tmp_path: Path, line: dict[str, object]) -> None:
    path = tmp_path / "xx.jsonl"
    good = (CASES / "en.jsonl").read_bytes().splitlines()[0]
    path.write_bytes(good + b"\n" + msgspec.json.encode({"id": "i", "language": "xx", "capability": "typos", **line}))
    with pytest.raises(InputError, match=r"xx\.jsonl:2"):
        read(path)


def test_an_unknown_language_and_a_lost_file() -> None:
    with pytest.raises(InputError, match="no behavioural cases in 'tlh'"):
        load(["en", "tlh"])
    with pytest.raises(InputError, match="restore it"):
        read(CASES / "none.jsonl")


# --- what is made from them


@pytest.mark.parametrize(
    ("text", "language", "expected"),
    [
        ("so good", "en", "SO GOOD"),
        ("iyi ılık", "tr", "İYİ ILIK"),
        ("τέλειο, μαϊμού", "el", "ΤΕΛΕΙΟ, ΜΑΪΜΟΥ"),
        ("groß", "de", "GROSS"),
    ],
)
def test_capitals(text: str, language: str, expected: str) -> None:
    assert perturb.capitals(text, language) == expected


@pytest.mark.parametrize(
    ("text", "position", "expected"),
    [("so good", 1, "soooo good"), ("はやい", 1, "はやーーーい"), ("太好", 0, "太太太太好"), ("มาก", 2, "มากกกก")],
)
def test_stretching(text: str, position: int, expected: str) -> None:
    assert perturb.stretched(text, position) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [("a printer", "a prniter"), ("aaaaaa", None), ("it is so", None), ("12 345678", None), ("baaaat", None)],
)
def test_swapping(text: str, expected: str | None) -> None:
    assert perturb.swapped(text) == expected


def test_phrases_are_sentences_of_their_own() -> None:
    assert perturb.with_phrase("fine", "I love it!", ". ") == "fine. I love it!"
    assert perturb.with_phrase("fine!", "I love it!", ". ") == "fine! I love it!"
    assert perturb.with_phrase("好", "推荐！", "。") == "好。推荐！"
    assert perturb.with_phrase("होगी", "वाह!", "। ") == "होगी। वाह!"


def test_the_suite_is_the_same_every_time() -> None:
    before = version()
    for cached in (version, of_language, written, languages):
        cached.cache_clear()
    assert version() == before
    assert load(["el", "en"]) == [*of_language("en"), *of_language("el")]
    assert len(load()) > 4000


# --- the runner


@pytest.mark.parametrize(
    ("one", "passed"),
    [
        (case("MFT", "positive", "a good day"), True),
        (case("MFT", "positive", "a day"), False),
        (case("MFT", "not-negative", "a day"), True),
        (case("MFT", "not-negative", "a bad day"), False),
        (case("MFT", "not-positive", "a good day"), False),
        (case("INV", "same", "a day", "a night"), True),
        (case("INV", "same", "a day", "a night", "a bad night"), False),
        (case("DIR", "up", "a day", "a good day"), True),
        (case("DIR", "up", "a day", "a night"), True),
        (case("DIR", "up", "a day", "a bad day"), False),
        (case("DIR", "down", "a good day", "a bad day"), True),
        (case("DIR", "down", "a bad day", "a good day"), False),
    ],
)
def test_the_runner_can_pass_and_fail(one: Case, passed: bool) -> None:
    (outcome,) = run.run(WordModel(), [one])
    assert outcome.passed == passed
    assert len(outcome.readings) == len(one.texts)
    assert "\n".join(table.explained(outcome))


def test_the_score_may_move_a_little_the_wrong_way() -> None:
    low, high = run.reading(0.30, 0.4, 0.30), run.reading(0.26, 0.4, 0.34)
    assert run.outcome(case("DIR", "down", "a", "b"), [low, high]).passed
    assert not run.outcome(case("DIR", "down", "a", "b"), [low, run.reading(0.2, 0.4, 0.4)]).passed


def test_a_text_is_asked_once_with_its_own_language() -> None:
    model = WordModel()
    pair = case("INV", "same", "добро", "dobro", language="ru-Latn", native="ru")
    steps: list[tuple[int, int]] = []
    run.run(model, [pair, case("INV", "same", "a", "b"), case("INV", "same", "a", "c")], lambda *at: steps.append(at))
    assert model.asked == [("добро", "ru"), ("dobro", "ru-Latn"), ("a", "en"), ("b", "en"), ("c", "en")]
    assert steps == [(5, 5)]


def test_a_model_without_an_eye_fails_every_mood_and_no_invariance() -> None:
    found = check(WordModel(shares=(0.2, 0.6, 0.2)), ["el", "ja"])
    assert [row.tag for row in found.languages] == ["el", "ja"]
    rates = {one.name: one.rate for one in found.total.types}
    assert rates["INV"] == rates["DIR"] == 0.0
    assert [one.rate for one in found.total.expected] == [1.0, 0.0, 1.0]
    assert found.total.types == found.blind.types
    assert found.total.worst in {"sarcasm", "hashtags"}
    assert {one.case.type for one in found.failures} == {"MFT"}


def test_a_model_that_wavers_fails_invariance() -> None:
    class Wavering(WordModel):
        def log_probabilities(self, texts: Sequence[str]) -> list[tuple[float, float, float]]:
            return [(0.8, 0.1, 0.1) if sum(text.encode()) % 2 else (0.1, 0.1, 0.8) for text in texts]

    rates = {one.name: one.rate for one in check(Wavering(), ["en"]).total.types}
    assert 0.2 < rates["INV"] < 0.8
    assert 0.1 < rates["DIR"] < 0.5


def test_nothing_fails_of_what_is_always_right() -> None:
    found = summarise("m", "r", run.run(WordModel(), [case("MFT", "positive", "good")]))
    assert (found.total.worst, found.failures) == (None, [])
    assert found.blind.worst == "negation"


@pytest.mark.parametrize(
    ("failures", "cases", "low", "high"),
    [(0, 10, 0.0, 0.2775), (5, 10, 0.2366, 0.7634), (10, 10, 0.7225, 1.0), (1, 4, 0.0456, 0.6994)],
)
def test_intervals(failures: int, cases: int, low: float, high: float) -> None:
    """Figures of scipy.stats.binomtest(...).proportion_ci(method="wilson")."""
    assert wilson(failures, cases) == pytest.approx((low, high), abs=1e-4)


def test_a_page_keeps_what_is_not_between_the_marks() -> None:
    page = f"before\n{table.BEGIN}\nold\n{table.END}\nafter\n"
    assert table.replaced(page, "new") == "before\nnew\nafter\n"
    assert table.replaced("before", "new") is None
    assert table.replaced(f"{table.END} {table.BEGIN}", "new") is None


# --- the real model


@pytest.fixture(scope="module")
def shipped() -> Report:
    return check(load_model(load_settings()))


@pytest.mark.long
def test_the_shipped_model_runs_the_whole_suite(shipped: Report) -> None:
    assert [row.tag for row in shipped.languages] == list(languages())
    assert shipped.suite == version()
    for row in shipped.languages:
        assert {one.name: one.cases for one in row.capabilities} == Counter(o.capability for o in of_language(row.tag))
        assert sum(one.cases for one in row.types) == len(of_language(row.tag))
        for one in (*row.capabilities, *row.types, *row.expected):
            assert 0 <= one.low <= one.rate + 1e-4
            assert one.rate - 1e-4 <= one.high <= 1
            assert one.rate == pytest.approx(one.failures / one.cases, abs=1e-4)
    assert sum(one.failures for one in shipped.total.types) == len(shipped.failures)
    assert msgspec.json.decode(msgspec.json.encode(shipped), type=Report) == shipped


@pytest.mark.long
def test_its_tables_fit_a_terminal_of_100_columns(shipped: Report) -> None:
    lines = list(table.lines(shipped, 20))
    assert max(map(cell_len, lines)) <= table.WIDTH
    text = "\n".join(lines)
    assert all(row.name in text for row in shipped.languages)
    assert len(list(table.lines(shipped, 0))) < len(lines)
    page = table.markdown(shipped)
    assert all(f"| {name} " in page for name in CAPABILITIES)


def test_the_page_shows_this_suite() -> None:
    page = (ROOT / "docs" / "checklist.md").read_text(encoding="utf-8")
    assert version() in page, "cases changed: run `babelwatch model check --markdown docs/checklist.md`"


def test_the_command(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(f"# Page\n{table.BEGIN}{table.END}\n", encoding="utf-8")
    runner = CliRunner()
    done = runner.invoke(command, ["--language", "und", "--json", "--markdown", str(page)])
    assert done.exit_code == 0, done.output
    found = msgspec.json.decode(done.stdout, type=Report)
    assert [row.tag for row in found.languages] == ["und"]
    assert "| und |" in page.read_text(encoding="utf-8")
    shown = runner.invoke(command, ["--language", "und", "--examples", "1"])
    assert "worst capability" in shown.stdout
    assert "und: Emoji alone" in shown.stdout


@pytest.mark.parametrize("arguments", [["--language", "tlh"], ["--markdown", "/none/page.md"]])
def test_the_command_says_what_is_wrong_before_it_loads_a_model(arguments: list[str]) -> None:
    done = CliRunner().invoke(command, arguments)
    assert isinstance(done.exception, InputError)
