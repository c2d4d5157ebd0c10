"""The generator: paced by elapsed time, reproducible, and its extras are what the ledger says they are."""

from collections import Counter
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path

import pytest

from pipeline.detect import Detector
from pipeline.errors import InputError
from pipeline.sample.deck import Deck
from pipeline.sample.generator import MAX_LATENESS_S, Generator, Outgoing
from pipeline.sample.incident import load_incident
from pipeline.sample.ledger import Ledger
from pipeline.sample.poison import POISON
from pipeline.sample.rhythm import activity
from pipeline.sample.texts import incident, ordinary
from schemas.events import EventError, Language, Mention, MentionDeleted, Origin

START = datetime(2026, 3, 1, 12, tzinfo=UTC)
BY_KEY = {mention.key: mention for mention in (*ordinary(), *incident())}


def play(seconds: float, *, seed: int = 1, rate: float = 16.0, scripted: bool = True) -> list[tuple[float, Outgoing]]:
    """Everything that a run of ``seconds`` sends, with the second of sending; ticks of 50 ms."""
    generator = Generator(
        ordinary(),
        run="r1",
        rate=rate,
        seed=seed,
        complaints=incident() if scripted else (),
        incident=load_incident() if scripted else None,
    )
    sent = []
    for tick in range(int(seconds * 20)):
        at = tick / 20
        sent += [(at, outgoing) for outgoing in generator.due(at, START + timedelta(seconds=at))]
    return sent


def test_rate_is_kept() -> None:
    mentions = [o for _, o in play(120, scripted=False) if o.kind == "mention"]
    # at noon UTC the activity of all languages together is a little above a day's mean
    assert 16 * 120 * 0.8 < len(mentions) < 16 * 120 * 1.4


def test_same_seed_same_stream() -> None:
    assert play(20, seed=5) == play(20, seed=5)
    assert play(20, seed=5) != play(20, seed=6)


def test_every_text_is_from_the_sample() -> None:
    texts = {mention.text for mention in BY_KEY.values()}
    for _, outgoing in play(60):
        if isinstance(outgoing.message, Mention):
            assert outgoing.message.text in texts


def test_an_id_carries_a_sample_key_of_the_right_gold_label_and_language() -> None:
    by_text = {mention.text: mention for mention in BY_KEY.values()}
    for _, outgoing in play(60):
        if isinstance(outgoing.message, Mention):
            assert outgoing.message.id is not None
            run, key, _ = outgoing.message.id.split(":")
            assert (run, key) == ("r1", outgoing.key)
            said = by_text[outgoing.message.text]
            assert (said.language, said.label) == (BY_KEY[key].language, BY_KEY[key].label)


def test_no_text_comes_twice_before_its_deck_is_out() -> None:
    seen: dict[tuple[str, str], list[str]] = {}
    for _, outgoing in play(90, scripted=False):
        if outgoing.kind == "mention":
            sample = BY_KEY[outgoing.key]
            seen.setdefault((sample.language, sample.label), []).append(outgoing.key)
    for (language, label), keys in seen.items():
        size = sum(1 for m in ordinary() if (m.language, m.label) == (language, label))
        # edits deal from the same decks, so a round may be short of some
        assert len(set(keys[: size // 2])) == len(keys[: size // 2]), (language, label)


def test_dates_are_now_with_small_lateness() -> None:
    for at, outgoing in play(60):
        if outgoing.kind in ("mention", "complaint"):
            assert isinstance(outgoing.message, Mention)
            late = (START + timedelta(seconds=at) - outgoing.message.published_at).total_seconds()
            assert 0 <= late <= MAX_LATENESS_S + 0.001


def test_a_short_run_has_everything_and_the_ledger_adds_up() -> None:
    sent = [outgoing for _, outgoing in play(20)]
    ledger = Ledger()
    for outgoing in sent:
        ledger.add(outgoing)
    assert set(ledger.kinds) >= {"mention", "repeat", "edit", "deletion", "poison"}
    assert ledger.sent == len(sent)
    assert ledger.poison == ledger.kinds["poison"]
    assert Counter(kind for kind, _ in ledger.repeats) == Counter(
        {kind: ledger.kinds[kind] for kind in ("repeat", "edit", "deletion")}
    )
    share = len(ledger.repeats) / ledger.sent
    assert 0.005 < share < 0.05


def test_edits_rise_in_revision_and_nothing_follows_a_deletion() -> None:
    revision: dict[str, int] = {}
    gone: set[str] = set()
    for _, outgoing in play(300):
        message = outgoing.message
        if isinstance(message, bytes):
            continue
        assert message.id is not None
        assert message.id not in gone
        if isinstance(message, MentionDeleted):
            gone.add(message.id)
        elif outgoing.kind == "edit":
            assert message.revision == revision[message.id] + 1
        revision[message.id] = message.revision
    assert gone


def test_complaints_follow_the_script() -> None:
    first: dict[str, float] = {}
    for at, outgoing in play(120):
        if outgoing.kind == "complaint":
            first.setdefault(BY_KEY[outgoing.key].language, at)
    starts = load_incident().starts()
    assert set(first) == set(starts) == {"pt", "es", "hi", "ja", "en"}
    for language, at in first.items():
        assert starts[language] <= at < starts[language] + 6
    assert max(first[x] for x in ("pt", "es")) < min(first[x] for x in ("hi", "ja"))
    assert max(first[x] for x in ("pt", "es", "hi", "ja")) + 30 < first["en"]


def test_gold_negative_share_doubles_in_the_incident_and_english_is_last() -> None:
    """In windows of 20 s, by gold labels: what a perfect model would see."""

    def share(language: str, start: float, end: float) -> float:
        labels = [
            BY_KEY[o.key].label
            for at, o in play_cache
            if start <= at < end and o.kind in ("mention", "complaint") and BY_KEY[o.key].language == language
        ]
        return labels.count("negative") / max(1, len(labels))

    play_cache = play(130)
    for language in ("pt", "es", "hi", "ja"):
        assert share(language, 62, 82) > 2 * share(language, 0, 30), language
    assert share("en", 62, 82) < 2 * share("en", 0, 30)
    assert share("en", 105, 125) > 2 * share("en", 0, 30)


def test_calm_without_a_script() -> None:
    assert not [o for _, o in play(120, scripted=False) if o.kind == "complaint"]


def test_a_hold_up_is_not_caught_up_in_one_burst() -> None:
    generator = Generator(ordinary(), run="r", rate=16)
    generator.due(0.0, START)
    burst = generator.due(600.0, START + timedelta(seconds=600))
    assert len(burst) < 16 * 2 * 2


def test_rate_must_be_positive() -> None:
    with pytest.raises(ValueError, match="above 0"):
        Generator(ordinary(), run="r", rate=0)


def test_activity_averages_to_one_over_a_day() -> None:
    hours = [activity("ja", START + timedelta(minutes=10 * n)) for n in range(144)]
    assert sum(hours) / len(hours) == pytest.approx(1.0, abs=1e-6)
    assert max(abs(a - b) for a, b in pairwise(hours)) < 0.05
    assert min(hours) == pytest.approx(0.7, abs=0.01)


def test_deck_deals_every_card_before_any_again() -> None:
    import random

    deck = Deck(range(7), random.Random(3))
    assert sorted(deck.deal() for _ in range(7)) == list(range(7))
    assert sorted(deck.deal() for _ in range(7)) == list(range(7))
    with pytest.raises(ValueError, match="card"):
        Deck([], random.Random(3))


@pytest.mark.parametrize("raw", POISON)
def test_every_poison_is_refused_by_the_language_stage(raw: bytes) -> None:
    class Anything:
        def detect(self, text: str, hint: str | None = None) -> Language:
            return Language(tag="en", confidence=1.0, detector="test")

    class Nothing:
        def match(self, text: str, language_tag: str, author: str | None = None) -> list[object]:
            return []

    origin = Origin(incarnation="i", topic="mentions", partition=0, offset=0)
    with pytest.raises(EventError):
        Detector(Anything(), Nothing).detect(raw, origin, datetime.now(UTC))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("text", "reason"),
    [("version: 2", "Invalid enum|version"), ("a: [", "expected|parsing"), ("version: 1", "product")],
)
def test_a_broken_script_is_named(tmp_path: Path, text: str, reason: str) -> None:
    path = tmp_path / "incident.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match=reason) as caught:
        load_incident(path)
    assert "incident.yaml" in str(caught.value)
