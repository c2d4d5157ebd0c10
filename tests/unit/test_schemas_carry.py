"""What a stage does not know of an event goes on, byte for byte, at any depth."""

import json
from pathlib import Path
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from agents.incoming import Incoming
from agents.sentiment import SentimentStage
from schemas.carry import rewritten
from schemas.events import DetectedMention, Judgement, ScoredMention, decode, encode
from tests.unit.test_agents_stages import Model, Sent, guard

EXAMPLE: dict[str, Any] = json.loads(
    (Path(__file__).parents[2] / "schemas" / "examples" / "mention_detected.json").read_bytes()
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("abé", max_size=3), inner, max_size=3),
    max_leaves=6,
)
KNOWN = {*ScoredMention.__struct_fields__}
UNKNOWN_NAMES = st.text(st.characters(exclude_categories=["Cs"]), max_size=8).filter(lambda name: name not in KNOWN)


async def scored(*values: dict[str, Any]) -> list[dict[str, Any]]:
    """What the sentiment stage sends for these detected mentions."""
    sent = Sent()
    batch = [Incoming("mentions.detected", 0, n, None, b"k", json.dumps(v).encode(), ()) for n, v in enumerate(values)]
    await SentimentStage(Model(), "inc", sent, guard()).handle(batch)
    return [json.loads(record.value) for record in sent.records]


async def test_the_sentiment_stage_changes_what_it_decides_and_nothing_else() -> None:
    newer = EXAMPLE | {
        "sarcasm": 0.25,
        "thread": {"root": "1", "depth": [1, {"x": None}]},
        "via": {"incarnation": "i", "topic": "t", "partition": 0, "offset": 1, "later": True},
        "origin": EXAMPLE["origin"] | {"region": "eu"},
        "language": EXAMPLE["language"] | {"second": "de"},
        "brands": [{"brand": "lumora", "start": 0, "end": 6, "logo": "x"}],
    }
    [event] = await scored(newer)
    assert (event.pop("type"), event.pop("version")) == ("mention_scored", 1)
    assert [j["label"] for j in event.pop("judgements")] == ["positive"]
    assert event == {k: v for k, v in newer.items() if k not in {"type", "version"}}


async def test_numbers_are_not_rounded_on_the_way() -> None:
    sent = Sent()
    value = encode(decode(json.dumps(EXAMPLE).encode(), ("mention_detected",)))[:-1]
    value += b',"money":1234567890.12345678901234567890,"huge":123456789012345678901234567890}'
    await SentimentStage(Model(), "inc", sent, guard()).handle([Incoming("t", 0, 0, None, b"k", value, ())])
    assert b'"money":1234567890.12345678901234567890,' in sent.records[0].value
    assert b'"huge":123456789012345678901234567890,' in sent.records[0].value


async def test_it_is_the_event_that_encoding_our_type_would_give() -> None:
    data = json.dumps(EXAMPLE).encode()
    event = decode(data, ("mention_detected",))
    assert isinstance(event, DetectedMention)
    [judged] = Model().judge([event.text], ["en"])
    sent = Sent()
    await SentimentStage(Model(), "inc", sent, guard()).handle([Incoming("t", 0, 0, None, b"k", data, ())])
    fields = {name: getattr(event, name) for name in DetectedMention.__struct_fields__ if name not in KNOWN_ENDS}
    assert decode(sent.records[0].value, ("mention_scored",)) == ScoredMention(**fields, judgements=[judged])


KNOWN_ENDS = {"type", "version"}


@given(st.dictionaries(UNKNOWN_NAMES, JSON, max_size=5), st.dictionaries(UNKNOWN_NAMES, JSON, max_size=2))
def test_any_fields_are_carried(unknown: dict[str, Any], changes: dict[str, Any]) -> None:
    data = json.dumps(EXAMPLE | unknown).encode()
    assert json.loads(rewritten(data, dict(changes))) == EXAMPLE | unknown | changes


def test_of_a_name_that_is_there_twice_the_last_counts_as_in_decoding() -> None:
    data = json.dumps(EXAMPLE).encode()[:-1] + b', "text": "second", "new": 1, "new": 2}'
    event = decode(data, ("mention_detected",))
    again = decode(rewritten(data, {}), ("mention_detected",))
    assert event == again
    assert isinstance(again, DetectedMention)
    assert again.text == "second"
    assert json.loads(rewritten(data, {}))["new"] == 2


def test_a_judgement_is_encoded_as_ours() -> None:
    [judged] = Model().judge(["x"], ["en"])
    assert isinstance(judged, Judgement)
    assert json.loads(rewritten(b'{"a":1}', {"judgements": [judged]}))["judgements"][0]["rule"] == judged.rule
