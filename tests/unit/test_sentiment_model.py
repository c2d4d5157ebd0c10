"""The real model: a text gets one judgement, in whatever company and process it comes."""

import random
import threading

import numpy as np
import pytest

from pipeline.metrics import SENTIMENT_CACHE, SENTIMENT_TRUNCATED
from pipeline.sentiment import encoder, tokenizer
from pipeline.sentiment.cache import open_embeddings
from pipeline.sentiment.encoder import BATCH_ROWS, BATCH_TOKENS, BUCKETS, OpenVinoEncoder, bucket, plan
from pipeline.sentiment.folder import ModelFolder
from pipeline.sentiment.installed import SHIPPED
from pipeline.sentiment.model import Int8Model, SentimentModel, load_model
from pipeline.sentiment.text import normalise
from pipeline.settings import load_settings
from schemas.events import LABELS, Judgement
from tests.unit.sentiment_texts import LANGUAGES, TEXTS


class Parts:
    """What a model is made of, loaded once; each ``model()`` begins with an empty cache of texts."""

    def __init__(self, name: str) -> None:
        settings = load_settings()
        self.folder = ModelFolder(SHIPPED / name)
        self.tokens = tokenizer.of(self.folder)
        self.encoder = OpenVinoEncoder(self.folder, open_embeddings(settings.cache_dir))

    def model(self) -> Int8Model:
        return Int8Model(self.folder, self.encoder, self.tokens)


@pytest.fixture(scope="module", params=["quality", "fast"])
def parts(request: pytest.FixtureRequest) -> Parts:
    return Parts(request.param)


@pytest.fixture(scope="module")
def alone(parts: Parts) -> list[Judgement]:
    """The judgement of each text when it comes alone."""
    model = parts.model()
    return [model.judge([text], [language])[0] for text, language in zip(TEXTS, LANGUAGES, strict=True)]


def test_there_are_enough_texts_and_all_labels_among_them(alone: list[Judgement]) -> None:
    assert len({normalise(text) for text in TEXTS}) >= 300
    assert {judgement.label for judgement in alone} == set(LABELS)


@pytest.mark.parametrize("size", [2, 7, 32, 100, len(TEXTS)])
def test_a_text_is_judged_the_same_in_every_batch(parts: Parts, alone: list[Judgement], size: int) -> None:
    model = parts.model()
    order = list(range(len(TEXTS)))
    random.Random(size).shuffle(order)
    found: dict[int, Judgement] = {}
    for start in range(0, len(order), size):
        members = order[start : start + size]
        judged = model.judge([TEXTS[i] for i in members], [LANGUAGES[i] for i in members])
        found.update(zip(members, judged, strict=True))
    assert [found[i] for i in range(len(TEXTS))] == alone


def test_more_padding_than_needed_does_not_change_labels(
    parts: Parts, alone: list[Judgement], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        encoder,
        "plan",
        lambda lengths: [(128, list(range(at, min(at + 8, len(lengths))))) for at in range(0, len(lengths), 8)],
    )
    padded = parts.model().judge(TEXTS, LANGUAGES)
    assert [one.label for one in padded] == [one.label for one in alone]
    probabilities = np.array([(one.negative, one.neutral, one.positive) for one in padded])
    expected = np.array([(one.negative, one.neutral, one.positive) for one in alone])
    assert np.abs(probabilities - expected).max() < 0.03


def test_another_process_start_judges_the_same(parts: Parts, alone: list[Judgement]) -> None:
    again: SentimentModel = load_model(load_settings(model_path=parts.folder.path, threads=1))
    assert again.name == parts.folder.version
    assert again.judge(TEXTS[::5], LANGUAGES[::5]) == alone[::5]


def test_judgements_hold_what_rows_need(parts: Parts, alone: list[Judgement]) -> None:
    for judgement in alone:
        assert judgement.model == parts.folder.version
        assert judgement.rule == parts.folder.facts.rule.name
        assert judgement.negative + judgement.neutral + judgement.positive == pytest.approx(1, abs=2e-6)
        assert np.exp(judgement.log_probabilities).sum() == pytest.approx(1, abs=1e-5)
        assert all(round(value, 6) == value for value in (judgement.negative, *judgement.log_probabilities))


@pytest.mark.parametrize(
    ("text", "label"),
    [
        ("I love it, best purchase ever", "positive"),
        ("Absolutely terrible, it broke on day one", "negative"),
        ("The meeting is on Tuesday at 10", "neutral"),
        ("Das ist großartig, vielen Dank!", "positive"),
        ("C'est nul, je veux être remboursé", "negative"),
        ("Me encanta, funciona de maravilla", "positive"),
        ("Péssimo atendimento, nunca mais compro", "negative"),
        ("最高です、大好き!", "positive"),
        ("यह बहुत खराब है, पैसे वापस करो", "negative"),
        ("خدمة سيئة جدا", "negative"),
        ("Завтра в 10 часов совещание", "neutral"),
    ],
)
def test_plain_texts_get_the_plain_label(parts: Parts, text: str, label: str) -> None:
    assert parts.model().judge([text], ["und"])[0].label == label


def test_handles_and_links_do_not_matter(parts: Parts) -> None:
    one, two = parts.model().judge(["@anna look https://a.example/1", "@b look http://c.example"], ["en", "en"])
    assert one == two


def test_repeated_texts_are_looked_up(parts: Parts) -> None:
    hits, misses = (SENTIMENT_CACHE.labels(name)._value for name in ("hit", "miss"))
    model = parts.model()
    before = hits.get(), misses.get()
    first = model.judge(["same", "other", "same", "@x same"], ["en"] * 4)
    assert (hits.get() - before[0], misses.get() - before[1]) == (1, 3)
    assert model.judge(["same"], ["en"]) == first[:1] == first[2:3]
    assert (hits.get() - before[0], misses.get() - before[1]) == (2, 3)


def test_truncation_is_counted_and_deterministic(parts: Parts) -> None:
    before = SENTIMENT_TRUNCATED._value.get()
    long = "very good indeed " * 400
    first, second = parts.model().judge([long, long + "terrible"], ["en", "en"])
    assert SENTIMENT_TRUNCATED._value.get() == before + 2
    assert first == second
    parts.model().judge(["short"], ["en"])
    assert SENTIMENT_TRUNCATED._value.get() == before + 2


def test_threads_may_share_a_model(parts: Parts, alone: list[Judgement]) -> None:
    model = parts.model()
    found: dict[int, list[Judgement]] = {}

    def work(offset: int) -> None:
        found[offset] = model.judge(TEXTS[offset::4], LANGUAGES[offset::4])

    threads = [threading.Thread(target=work, args=(offset,)) for offset in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=120)
    assert [found[offset] for offset in range(4)] == [alone[offset::4] for offset in range(4)]


def test_nothing_to_judge_and_lists_that_do_not_fit(parts: Parts) -> None:
    assert parts.model().judge([], []) == []
    with pytest.raises(ValueError, match="2 texts but 1 languages"):
        parts.model().judge(["a", "b"], ["en"])


def test_a_plan_holds_each_text_once_in_bounded_shapes() -> None:
    lengths = [random.Random(5).randint(4, 128) for _ in range(1000)]
    batches = plan(lengths)
    assert sorted(index for _, members in batches for index in members) == list(range(1000))
    for size, members in batches:
        assert size in BUCKETS
        assert len(members) in BATCH_ROWS
        assert size * len(members) <= BATCH_TOKENS
        assert all(bucket(lengths[index]) == size for index in members)
    assert plan([]) == []
