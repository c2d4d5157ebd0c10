"""Evaluations of simulated models: what is reported, what is left out of the mean, what a comparison finds."""

import msgspec
import numpy as np
import pytest
from rich.console import Console

from pipeline.errors import InputError, ModelError
from pipeline.sentiment.measure import tables
from pipeline.sentiment.measure.comparison import compare
from pipeline.sentiment.measure.data import LabelledData, LabelledSet
from pipeline.sentiment.measure.evaluation import Options, evaluate, measured
from pipeline.sentiment.measure.judging import judge
from pipeline.sentiment.measure.results import Against, Evaluation, encode, read_evaluation
from tests.unit.sentiment_measure_model import FakeModel, guesses, improved, labelled

OPTIONS = Options(resamples=400)


def test_numbers_and_intervals_of_each_language() -> None:
    data = labelled(en=300, fr=150, ar=3)
    found = evaluate(FakeModel("m", guesses(data, 0.7, seed=2)), data, OPTIONS)
    assert [one.language for one in found.languages] == ["en", "fr", "ar"]
    for one in found.languages:
        for scores in (one.argmax, one.rule):
            assert sum(map(sum, scores.confusion)) == one.texts == sum(part.texts for part in scores.bins)
            for part in (scores.macro_f1, scores.macro_recall, scores.accuracy, scores.calibration):
                assert 0 <= part.low <= part.value <= part.high <= 1
            assert scores.coverage[-1].coverage == 1
            assert scores.coverage[-1].error == pytest.approx(1 - scores.accuracy.value, abs=1e-4)
    english, french, _ = found.languages
    assert english.rule.accuracy.value == pytest.approx(0.7, abs=0.08)
    width = [one.rule.macro_f1.high - one.rule.macro_f1.low for one in (english, french)]
    assert width[0] < width[1]


def test_a_language_with_three_texts_is_shown_marked_and_not_in_the_mean() -> None:
    data = labelled(en=120, fr=120, de=120, ar=3)
    found = evaluate(FakeModel("m", guesses(data, 0.7, seed=2)), data, OPTIONS)
    arabic = found.languages[-1]
    assert (arabic.texts, arabic.enough) == (3, False)
    assert arabic.rule.macro_f1.high - arabic.rule.macro_f1.low > 0.3
    assert "ar: too few to tell (3 texts, fewer than 100); not part of any mean" in found.notes
    (mean,) = found.means
    assert mean.languages == ["fr", "de"]
    values = [one.rule.macro_f1.value for one in found.languages[1:3]]
    assert mean.rule.macro_f1.value == pytest.approx(np.mean(values), abs=1e-4)


def test_the_mean_is_surer_than_its_languages() -> None:
    data = labelled(fr=200, de=200, es=200, it=200)
    found = evaluate(FakeModel("m", guesses(data, 0.7, seed=2)), data, OPTIONS)
    mean = found.means[0].rule.macro_f1
    widths = [one.rule.macro_f1.high - one.rule.macro_f1.low for one in found.languages]
    assert mean.high - mean.low == pytest.approx(np.mean(widths) / 2, rel=0.2)  # sqrt of four languages


def test_means_may_be_named_and_only_english_has_none() -> None:
    data = labelled(en=120, fr=120, de=120)
    model = FakeModel("m", guesses(data, 0.7, seed=2))
    wanted = Options(resamples=100, means=(("en", "fr", "fr"), ("de",)))
    assert [one.languages for one in evaluate(model, data, wanted).means] == [["en", "fr"], ["de"]]
    with pytest.raises(InputError, match="--mean names 'sv', which the data does not have: en, fr, de"):
        evaluate(model, data, Options(means=(("sv",),)))
    english = LabelledData("d", data.sets[:1])
    assert evaluate(model, english, OPTIONS).means == []


def test_a_label_that_no_text_has_does_not_count_and_is_said() -> None:
    texts = tuple(f"t{index}" for index in range(120))
    data = LabelledData("d", (LabelledSet("fr", "fr", texts, (0, 2) * 60),))
    found = evaluate(FakeModel("m", guesses(data, 1.0, seed=3)), data, OPTIONS)
    (one,) = found.languages
    assert one.missing == ["neutral"]
    assert "fr: no text is labelled neutral; macro averages are over the others" in found.notes
    assert one.rule.macro_f1.value == one.rule.macro_recall.value == 1
    neutral = one.rule.classes[1]
    assert (neutral.texts, neutral.precision, neutral.recall, neutral.f1) == (0, None, None, None)
    assert one.rule.calibration.value >= 0


def test_one_text_alone() -> None:
    data = LabelledData("d", (LabelledSet("fr", "fr", ("a",), (1,)),))
    found = evaluate(FakeModel("m", {"a": (-3.0, -0.1, -3.0)}), data, OPTIONS).languages[0]
    assert (found.rule.macro_f1.value, found.rule.macro_f1.low) == (1.0, 0.025)
    assert found.missing == ["negative", "positive"]


def test_repeated_texts_are_said() -> None:
    data = LabelledData("d", (LabelledSet("fr", "fr", ("a", "a", "b"), (1, 0, 2)),))
    known = {"a": (-3.0, -0.1, -3.0), "b": (-3.0, -0.1, -3.0)}
    notes = evaluate(FakeModel("m", known), data, OPTIONS).notes
    assert any("1 of 3 texts repeat an earlier one" in note for note in notes)
    assert any("1 texts are there with more than one label" in note for note in notes)


def test_the_rule_is_told_the_language_and_its_gain_is_measured() -> None:
    data = labelled(fr=300, de=300)
    known = {text: (a, b + 1.2, c) for text, (a, b, c) in guesses(data, 0.8, seed=4).items()}
    model = FakeModel("m", known, biases={"fr": (0.0, -1.2, 0.0)})
    french, german = evaluate(model, data, OPTIONS).languages
    assert french.gain.clear
    assert french.gain.value == pytest.approx(french.rule.macro_f1.value - french.argmax.macro_f1.value, abs=2e-4)
    assert (german.gain.value, german.gain.low, german.gain.high) == (0, 0, 0)
    model.languages.clear()
    assert evaluate(model, data, OPTIONS, detect=lambda text: text[:2].upper()).tags == "detected"
    assert model.languages == ["FR"] * 300 + ["DE"] * 300


def test_progress_counts_up_to_all_texts() -> None:
    data = labelled(fr=1500, de=900)
    seen: list[tuple[int, int]] = []
    judge(FakeModel("m", guesses(data, 0.7, seed=2)), data, lambda done, total: seen.append((done, total)))
    assert seen == [(1024, 2400), (2048, 2400), (2400, 2400)]


def test_an_interval_does_not_depend_on_the_other_languages() -> None:
    data = labelled(en=150, fr=150)
    model = FakeModel("m", guesses(data, 0.7, seed=2))
    alone = evaluate(model, LabelledData("d", data.sets[1:]), OPTIONS).languages[0]
    assert alone == evaluate(model, data, OPTIONS).languages[1]


def compared(data: LabelledData, one: FakeModel, other: FakeModel) -> Against:
    this, that = judge(one, data), judge(other, data)
    found = measured(one.name, one.rule, data, this, OPTIONS)
    return compare(this, that, found, measured(other.name, other.rule, data, that, OPTIONS), OPTIONS)


def test_a_difference_that_is_there_is_found() -> None:
    data = labelled(fr=400, de=400, es=400)
    known = guesses(data, 0.6, seed=5)
    better = improved(known, LabelledData("d", data.sets[:2]), 0.25, seed=6)  # two of the three languages
    found = compared(data, FakeModel("new", better), FakeModel("old", known))
    french, german, spanish = (one.rule for one in found.languages)
    for one in (french, german):
        assert one.macro_f1.low > 0.04
        assert one.only_other == 0 < one.only_this
        assert one.p < one.p_holm < 0.001
    assert (spanish.macro_f1.value, spanish.macro_f1.low, spanish.macro_f1.high, spanish.p) == (0, 0, 0, 1)
    (mean,) = found.means
    assert mean.rule.macro_f1.value == pytest.approx((french.macro_f1.value + german.macro_f1.value) / 3, abs=2e-4)
    assert mean.rule.macro_f1.clear
    backwards = compared(data, FakeModel("old", known), FakeModel("new", better)).means[0].rule.macro_f1
    assert backwards.value == -mean.rule.macro_f1.value


def test_a_difference_that_is_not_there_is_seldom_found() -> None:
    clear = significant = 0
    for seed in range(60):
        data = labelled(seed, fr=200, de=200)
        models = [FakeModel(name, guesses(data, 0.6, seed=1000 * seed + place)) for place, name in enumerate("ab")]
        found = compared(data, models[0], models[1])
        clear += found.means[0].rule.macro_f1.clear
        significant += any(one.rule.p_holm < 0.05 for one in found.languages)
    assert clear <= 7  # 5% of 60 are 3; more than 7 come by chance in 1% of cases
    assert significant <= 7


def test_a_paired_interval_is_shorter_than_an_unpaired_one() -> None:
    data = labelled(fr=400)
    known = guesses(data, 0.6, seed=7)
    one = FakeModel("new", improved(known, data, 0.1, seed=8))
    found = compared(data, one, FakeModel("old", known))
    paired = found.languages[0].rule.macro_f1
    alone = evaluate(one, data, OPTIONS).languages[0].rule.macro_f1
    assert paired.high - paired.low < 0.6 * (alone.high - alone.low)


def test_models_must_have_seen_identical_texts() -> None:
    data, other = labelled(fr=120, de=120), labelled(2, fr=120, de=120)
    model = FakeModel("m", guesses(data, 0.7, seed=2))
    found = evaluate(model, data, OPTIONS)
    with pytest.raises(InputError, match=r"not judged on identical texts \(de, fr\)"):
        compare(judge(model, data), judge(model, other), found, found, OPTIONS)
    with pytest.raises(InputError, match="not judged on identical texts"):
        compare(judge(model, data), judge(model, LabelledData("d", data.sets[::-1])), found, found, OPTIONS)


def both(sizes: dict[str, int]) -> Evaluation:
    data = labelled(**sizes)
    known = guesses(data, 0.6, seed=5)
    one, other = FakeModel("new", improved(known, data, 0.3, seed=6)), FakeModel("old", known)
    return msgspec.structs.replace(evaluate(one, data, OPTIONS), against=compared(data, one, other))


def test_json_comes_back_as_it_was(tmp_path_factory: pytest.TempPathFactory) -> None:
    found = both({"en": 150, "fr": 150, "ar": 3})
    path = tmp_path_factory.mktemp("e") / "evaluation.json"
    path.write_bytes(encode(found))
    assert read_evaluation(path) == found
    assert '    "macro_f1": {"value": 0.' in path.read_text()
    path.write_text('{"format": 1}')
    with pytest.raises(ModelError, match=r"is not valid .*babelwatch model evaluate --write"):
        read_evaluation(path)


def test_tables_fit_a_terminal_of_80_columns() -> None:
    found = both({"portuguese-x": 150, "fr": 12_345, "ar": 3})
    console = Console(width=80, record=True, file=open("/dev/null", "w"))  # noqa: SIM115
    console.print(tables.summary(found))
    for table in tables.details(found):
        console.print(table)
    text = console.export_text()
    assert max(map(len, text.splitlines())) <= 80
    assert "12,345" in text
    assert "ar *" in text
    assert "* ar: too few to tell" in text
    assert "<.001" in text
    for row in (line for line in text.splitlines() if line.startswith((" fr", " mean"))):
        assert "…" not in row
