"""The table of trust: every language has a level, in the right order, and no more is claimed than is known."""

import hashlib
import json
import re
import shutil
from collections.abc import Sequence
from pathlib import Path

import msgspec
import numpy as np
import pytest
from click.testing import CliRunner

from pipeline.cli.model.trust import command
from pipeline.errors import ModelError
from pipeline.language import known_languages
from pipeline.sentiment.class_mix import FrozenMix
from pipeline.sentiment.folder import CONFIG, ModelFolder
from pipeline.sentiment.measure.results import Evaluation, read_evaluation
from pipeline.sentiment.rule import DecisionRule, LogProbabilities, RuleFacts
from pipeline.sentiment.tokenizer import Tokens
from pipeline.sentiment.trust.build import build_trust
from pipeline.sentiment.trust.card import section
from pipeline.sentiment.trust.estimate import FLOOR
from pipeline.sentiment.trust.evidence import UNKNOWN_PIECE, read_parallel
from pipeline.sentiment.trust.languages import seen_languages
from pipeline.sentiment.trust.table import FILE, TrustTable, nothing_known, read, write
from pipeline.settings import load_settings
from schemas.events import LABELS, Judgement

SHIPPED = load_settings().model_path
SCORES = {"en": 0.74, "ar": 0.61, "fr": 0.60, "de": 0.68, "hi-Latn": 0.36, "it": 0.63, "pt": 0.58, "es": 0.62}
CHANGED = {"de": 20, "fr": 24, "es": 22, "it": 24, "pt": 18, "ar": 44, "hi-Latn": 100, "ja": 16, "sw": 40, "ru": 30}
"""How many of the 240 sentences get another label than in English."""


class FakeModel:
    """Judges sentence ``<tag> <number>`` of a language whose first ``CHANGED`` sentences it gets wrong."""

    name = "fake@00000000"
    rule = "minus-log-prior-v1"

    def __init__(self) -> None:
        self._rule = DecisionRule(RuleFacts(name=self.rule))

    def log_probabilities(self, texts: Sequence[str]) -> list[LogProbabilities]:
        return [self._one(text) for text in texts]

    def _one(self, text: str) -> LogProbabilities:
        tag, number = text.split()
        label = (int(number) + (int(number) < CHANGED.get(tag, 0))) % len(LABELS)
        a, b, c = np.log([0.8 if index == label else 0.1 for index in range(3)])
        return float(a), float(b), float(c)

    def decide(
        self,
        values: Sequence[LogProbabilities],
        languages: Sequence[str],
        mixes: Sequence[FrozenMix | None] | None = None,
    ) -> list[Judgement]:
        return self._rule.judge(self.name, values, languages, mixes)

    def judge(self, texts: Sequence[str], languages: Sequence[str]) -> list[Judgement]:
        return self.decide(self.log_probabilities(texts), languages)


class FakeTokens:
    """Four special pieces and one per character; the letters of Thaana are not in its vocabulary."""

    def encode(self, texts: Sequence[str]) -> list[Tokens]:
        return [Tokens([0, 1, 2, 2, *(self._piece(char) for char in text)], False) for text in texts]

    def _piece(self, char: str) -> int:
        return UNKNOWN_PIECE if 0x780 <= ord(char) <= 0x7BF else 9


def evaluation(scores: dict[str, float], texts: int = 324) -> Evaluation:
    """The shipped model's, with other scores."""
    real = read_evaluation(SHIPPED / "evaluation.json")
    first = real.languages[0]
    languages = []
    for tag, score in scores.items():
        found = msgspec.structs.replace(first.rule.macro_f1, value=score, low=score - 0.05, high=score + 0.05)
        rule = msgspec.structs.replace(first.rule, macro_f1=found)
        one = msgspec.structs.replace(first, language=tag, tag=tag, rule=rule, texts=texts, enough=texts >= 100)
        languages.append(one)
    return msgspec.structs.replace(real, model=FakeModel.name, rule=FakeModel.rule, languages=languages)


@pytest.fixture(scope="module")
def parallel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("parallel")
    for tag in ("en", *CHANGED):
        (folder / f"{tag}.txt").write_text("".join(f"{tag} {n}\n" for n in range(240)))
    return folder


@pytest.fixture(scope="module")
def table(parallel: Path) -> TrustTable:
    return build_trust(FakeModel(), evaluation(SCORES), parallel, FakeTokens())


def value(table: TrustTable, tag: str) -> float:
    score = table.find(tag).macro_f1
    assert score is not None, tag
    return score.value


def test_every_language_that_can_be_met_is_there(table: TrustTable) -> None:
    tags = [one.language for one in table.languages]
    assert len(tags) == len(set(tags))
    romanised = {"hi-Latn", "ar-Latn", "el-Latn", "ru-Latn", "ja-Latn", "th-Latn", "fa-Latn", "ur-Latn", "bn-Latn"}
    assert set(tags) >= {*known_languages(), *romanised, "ta-Latn", "und", *seen_languages()}


def test_every_tag_that_the_detector_gives_is_in_the_shipped_table() -> None:
    """With a hint it may also give other romanised forms and scripts: those count as never seen."""
    shipped = read(ModelFolder(SHIPPED))
    assert shipped is not None
    rows = {one.language for one in shipped.languages}
    assert {*known_languages(), "ur-Latn", "gu-Latn", "te-Latn", "und"} <= rows
    for tag in ("kk-Latn", "tg-Latn", "uz-Cyrl", "pa-Arab"):
        assert tag in rows or shipped.find(tag) is shipped.other, tag
    assert shipped.other.level == "low"


def test_every_language_that_the_encoder_never_saw_is_below_the_worst_measured_one(table: TrustTable) -> None:
    worst = value(table, "hi-Latn")
    unseen = [tag for tag in known_languages() if tag not in seen_languages() and tag != "und"]
    assert len(unseen) > 60
    for tag in [*unseen, "el-Latn", "ru-Latn", "ja-Latn", "th-Latn", "ar-Latn", "fa-Latn", "zu", "tlh", "uz-Cyrl"]:
        found = table.find(tag)
        assert value(table, tag) < worst, tag
        assert (found.level, found.source) == ("low", "estimated"), tag
        assert "never saw" in found.reasons[0]


@pytest.mark.parametrize("lowest", [0.05, FLOOR, 0.2, 0.36, 0.6])
def test_that_holds_however_good_or_bad_the_worst_one_is(parallel: Path, lowest: float) -> None:
    found = build_trust(FakeModel(), evaluation(SCORES | {"hi-Latn": lowest}), parallel, FakeTokens())
    assert all(value(found, tag) < lowest for tag in ("ast", "el-Latn", "dv", "*"))


def test_what_the_vocabulary_cannot_read_scores_as_one_label_for_all(table: TrustTable) -> None:
    assert value(table, "dv") == pytest.approx(FLOOR, abs=1e-3)
    assert not table.find("dv").evidence.readable
    assert table.find("ast").evidence.readable
    assert value(table, "dv") < value(table, "ast")


def test_the_undetermined_language_is_unknown(table: TrustTable) -> None:
    for tag in ("und", ""):
        assert table.find(tag).level == "unknown"
        assert table.find(tag).macro_f1 is None


def test_measured_languages_keep_what_was_measured(table: TrustTable) -> None:
    for tag, score in SCORES.items():
        found = table.find(tag)
        assert found.source == "measured"
        assert found.macro_f1 is not None
        assert found.macro_f1.value == score
        assert found.macro_f1.low == pytest.approx(score - 0.05)
        assert "324 labelled texts" in found.reasons[0]
    assert table.worst == "hi-Latn"
    assert (table.find("en").level, table.find("de").level, table.find("hi-Latn").level) == ("high", "fair", "low")


def test_estimates_rise_with_agreement(table: TrustTable) -> None:
    with_sentences = [one for one in table.languages if one.source == "estimated" and one.evidence.agreement]
    assert {one.language for one in with_sentences} == {"ja", "sw", "ru"}
    assert value(table, "ja") > value(table, "ru") > value(table, "sw") > value(table, "hi-Latn")
    assert table.fit is not None
    assert table.fit.slope > 0
    assert set(table.fit.left_out) == set(SCORES)


def test_an_estimate_is_less_sure_than_a_measurement_and_never_high(table: TrustTable) -> None:
    measured = [one.macro_f1 for one in table.languages if one.source == "measured" and one.macro_f1]
    widest = max(score.high - score.low for score in measured)
    for one in table.languages:
        if one.source == "estimated":
            assert one.macro_f1 is not None
            assert one.macro_f1.low <= one.macro_f1.value <= one.macro_f1.high <= 1
            assert one.macro_f1.high - one.macro_f1.low > widest, one.language
            assert one.level != "high"


def test_no_sentences_make_an_interval_wider_than_sentences_do(table: TrustTable) -> None:
    def width(tag: str) -> float:
        score = table.find(tag).macro_f1
        assert score is not None
        return score.high - score.low

    assert width("ko") > width("ja")
    assert table.find("ko").evidence.expected_agreement is not None


def test_more_text_in_pre_training_and_good_relatives_raise_the_expectation(table: TrustTable) -> None:
    assert value(table, "ca") > value(table, "la")  # both Romance, 2,400 and 609 MB
    assert table.find("ca").evidence.relatives == ("es", "fr", "it", "pt")
    assert value(table, "hr") == value(table, "sr-Latn")
    assert table.find("sr-Latn").evidence.read_as == "hr"
    assert value(table, "bn-Latn") < value(table, "bn")


def test_umsab_hindi_counts_for_romanised_hindi_but_not_with_wrong_labels(parallel: Path) -> None:
    real = next(one for one in read_evaluation(SHIPPED / "evaluation.json").languages if one.language == "hindi")
    scores = evaluation(SCORES)
    for sha256, sources in ((real.sha256, ("estimated", "estimated")), ("0" * 64, ("measured", "estimated"))):
        hindi = {"language": "hindi", "tag": "hi", "sha256": sha256}
        languages = [msgspec.structs.replace(one, **hindi) if one.tag == "hi-Latn" else one for one in scores.languages]
        found = build_trust(FakeModel(), msgspec.structs.replace(scores, languages=languages), parallel, FakeTokens())
        assert (found.find("hi-Latn").source, found.find("hi").source) == sources


def test_an_estimate_has_the_level_of_its_score_less_its_standard_error(table: TrustTable) -> None:
    low = [one for one in table.languages if one.source == "estimated" and one.evidence.seen and one.level == "low"]
    fair = [
        one.macro_f1.value
        for one in table.languages
        if one.level == "fair" and one.source == "estimated" and one.macro_f1
    ]
    assert fair
    assert min(fair) >= 0.55 + 0.05
    assert any(one.macro_f1 is not None and one.macro_f1.value > 0.55 for one in low)


def test_too_few_measured_languages_estimate_nothing(parallel: Path) -> None:
    found = build_trust(FakeModel(), evaluation({"en": 0.74, "de": 0.68}), parallel, FakeTokens())
    assert found.fit is None
    assert found.find("ja").level == "unknown"
    assert found.find("de").level == "fair"
    assert value(found, "ast") < 0.68


def test_an_evaluation_of_another_model_or_of_too_few_texts_is_refused(parallel: Path) -> None:
    other = msgspec.structs.replace(evaluation(SCORES), model="other@11111111")
    with pytest.raises(ModelError, match=r"evaluation is of other@11111111 .* model evaluate --write"):
        build_trust(FakeModel(), other, parallel, FakeTokens())
    with pytest.raises(ModelError, match="more labelled texts"):
        build_trust(FakeModel(), evaluation(SCORES, texts=20), parallel, FakeTokens())


def test_parallel_sentences_must_fit_together(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"no en\.txt"):
        read_parallel(tmp_path)
    (tmp_path / "en.txt").write_text("one\ntwo\n")
    (tmp_path / "de.txt").write_text("eins\n")
    with pytest.raises(ModelError, match=r"de\.txt has 1 lines, en\.txt 2"):
        read_parallel(tmp_path)
    (tmp_path / "de.txt").write_bytes(b"eins\n\xff\n")
    with pytest.raises(ModelError, match=r"de\.txt cannot be read"):
        read_parallel(tmp_path)


@pytest.fixture
def folder(tmp_path: Path) -> ModelFolder:
    shutil.copytree(SHIPPED, tmp_path / "model", ignore=shutil.ignore_patterns(FILE))
    config = tmp_path / "model" / CONFIG
    facts = json.loads(config.read_text())
    facts["babelwatch"]["files"].pop(FILE, None)
    config.write_text(json.dumps(facts))
    return ModelFolder(tmp_path / "model")


def of(folder: ModelFolder, table: TrustTable) -> TrustTable:
    return msgspec.structs.replace(table, model=folder.version, rule=folder.facts.rule.name)


def test_it_is_written_and_read_with_its_checksum(folder: ModelFolder, table: TrustTable) -> None:
    assert read(folder) is None
    mine = of(folder, table)
    path = write(folder, mine)
    again = ModelFolder(folder.path)
    assert read(again) == mine
    assert again.facts.files[FILE].sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    write(again, mine)
    assert read(ModelFolder(folder.path)) == mine


def test_a_damaged_one_is_a_clear_error(folder: ModelFolder, table: TrustTable) -> None:
    path = write(folder, of(folder, table))
    listed = ModelFolder(folder.path)
    good = path.read_bytes()
    path.write_bytes(good.replace(b'"high"', b'"fair"', 1))
    with pytest.raises(ModelError, match=r"trust\.json is damaged.*babelwatch model trust --model .* --write"):
        read(listed)
    path.unlink()
    with pytest.raises(ModelError, match=r"trust\.json is missing"):
        read(listed)
    # a folder that does not list it, so that the checksum does not speak first
    for data, why in [
        (good[: len(good) // 2], "is not valid"),
        (b"\xff\xfe", "is not valid"),
        (good.replace(b'"format":1', b'"format":9'), "has format 9"),
        (good.replace(folder.version.encode(), b"other@11111111"), "is of other@11111111"),
        (good.replace(b'"level":"low"', b'"level":"superb"', 1), "is not valid"),
    ]:
        path.write_bytes(data)
        with pytest.raises(ModelError, match=why):
            read(folder)


def test_a_table_of_another_model_is_not_written(folder: ModelFolder, table: TrustTable) -> None:
    with pytest.raises(ModelError, match="is of fake@00000000"):
        write(folder, table)
    assert not (folder.path / FILE).exists()


def test_a_folder_without_one_says_that_everything_is_unknown(folder: ModelFolder) -> None:
    none = nothing_known("why")
    assert {none.find(tag).level for tag in ("en", "zz", "und")} == {"unknown"}
    done = CliRunner().invoke(command, ["--model", str(folder.path)])
    assert done.exit_code == 0
    assert "every language is unknown" in done.output
    assert "--write" in done.output


def test_the_command_prints_the_languages_by_level(folder: ModelFolder, table: TrustTable) -> None:
    write(folder, of(folder, table))
    done = CliRunner().invoke(command, ["--model", str(folder.path)])
    assert done.exit_code == 0
    places = [done.output.index(f"\n{level} ") for level in ("high", "fair", "low", "unknown")]
    assert places == sorted(places)
    assert "36 (31 to 41)" in done.output
    assert "und" in done.output[places[3] :]
    machine = CliRunner().invoke(command, ["--model", str(folder.path), "--json"])
    assert msgspec.json.decode(machine.output, type=TrustTable) == of(folder, table)


def test_the_card_has_every_language_that_was_seen_and_counts_the_others(table: TrustTable) -> None:
    text = section(table)
    for tag in seen_languages():
        assert re.search(rf"\n\| {tag} \| |[:,] {tag} \d\d", text), tag
    assert "| en | high | 74 (69 to 79) | measured, 324 texts, 100% agree with English |" in text
    assert "| ja | fair | " in text
    assert "| ast |" not in text
    assert "that the encoder never saw, and any other | low | below 36 by rule" in text
