"""JSON Schema and examples: generated, up to date, and of one mind with the decoder."""

import json
from typing import Any

import jsonschema
import pytest

from schemas.events import EVENT_TYPES, LABELS, EventError, ScoredMention, decode, encode, scored_version
from schemas.ids import author_key, mention_id, text_hash
from schemas.json_schema import JSON_DIR, generate

EXAMPLES = JSON_DIR.parent / "examples"


def example(name: str) -> dict[str, Any]:
    result: dict[str, Any] = json.loads((EXAMPLES / f"{name}.json").read_text(encoding="utf-8"))
    return result


def validator(name: str) -> jsonschema.Draft202012Validator:
    schema = json.loads((JSON_DIR / f"{name}.json").read_text(encoding="utf-8"))
    jsonschema.Draft202012Validator.check_schema(schema)
    return jsonschema.Draft202012Validator(schema)


def test_the_committed_schemas_are_up_to_date() -> None:
    on_disk = {path.name: path.read_text(encoding="utf-8") for path in JSON_DIR.glob("*.json")}
    assert on_disk == generate(), "run `make schemas` and commit schemas/json"


def test_there_is_an_example_of_each_event_and_of_nothing_else() -> None:
    names = {path.stem for path in EXAMPLES.iterdir()}
    assert names >= set(EVENT_TYPES)
    assert {name.partition(".")[0] for name in names} == set(EVENT_TYPES), "a variant is TYPE.what.json"


@pytest.mark.parametrize("variant", [*EVENT_TYPES, "mention_scored.unsure"])
def test_an_example_is_valid_for_both(variant: str) -> None:
    facts = example(variant)
    name = variant.partition(".")[0]
    validator(name).validate(facts)
    event = decode(json.dumps(facts).encode(), (name,))
    assert type(event) is EVENT_TYPES[name]
    # the example shows every field, and what we encode is valid as well
    written = json.loads(encode(event))
    assert written.keys() == facts.keys()
    validator(name).validate(written)
    assert decode(encode(event), (name,)) == event


def test_only_a_scored_mention_of_version_2_is_unsure() -> None:
    facts = example("mention_scored.unsure")
    event = decode(json.dumps(facts).encode(), ("mention_scored",))
    assert isinstance(event, ScoredMention)
    assert (event.version, event.judgements[0].label) == (2, "unsure")
    assert scored_version(event.judgements) == 2
    sure = example("mention_scored")
    assert sure["version"] == 1
    assert sure["judgements"][0]["label"] in LABELS
    assert validator("mention_scored").is_valid({**sure, "version": 2})
    for name in set(EVENT_TYPES) - {"mention_scored"}:
        assert not validator(name).is_valid({**example(name), "version": 2}), "their meaning has not changed"


def test_the_examples_tell_one_story_with_real_ids() -> None:
    sent, detected = example("mention"), example("mention_detected")
    ident = mention_id(sent["tenant"], sent["source"], sent["id"], sent["author"], None, sent["text"])
    assert {example(n)["mention_id"] for n in ("mention_detected", "mention_scored", "deletion_accepted")} == {ident}
    assert detected["text_hash"] == text_hash(sent["text"])
    assert detected["author_key"] == author_key(b"example", sent["tenant"], sent["source"], sent["author"])
    (match,) = detected["brands"]
    assert sent["text"][match["start"] : match["end"]] == "Lumora"


BROKEN: list[tuple[str, str, Any]] = [
    ("mention", "text", ""),
    ("mention", "text", 7),
    ("mention", "tenant", "UPPER"),
    ("mention", "source", ""),
    ("mention", "id", "x" * 513),
    ("mention", "revision", -1),
    ("mention", "revision", 2**43),
    ("mention", "revision", 1.5),
    ("mention", "reach", -1),
    ("mention", "reach", "many"),
    ("mention", "country", "Brazil"),
    ("mention", "lang_hint", "x" * 36),
    ("mention", "type", "mention_deleted"),
    ("mention", "version", 2),
    ("mention_deleted", "id", None),
    ("mention_detected", "mention_id", "ABC"),
    ("mention_detected", "text_hash", "12"),
    ("mention_detected", "brands", [{"brand": "x", "start": -1, "end": 2}]),
    ("mention_scored", "judgements", []),
    ("mention_scored", "judgements", [{"target": ""}]),
    ("mention_scored", "version", 3),
    ("mention_scored", "judgements", [{**example("mention_scored")["judgements"][0], "label": "undecided"}]),
    ("deletion_accepted", "origin", {"incarnation": "i", "topic": "t", "partition": 0}),
]


@pytest.mark.parametrize(("name", "field", "value"), BROKEN)
def test_what_one_refuses_the_other_refuses(name: str, field: str, value: object) -> None:
    facts = {**example(name), field: value}
    assert not validator(name).is_valid(facts)
    with pytest.raises(EventError):
        decode(json.dumps(facts).encode(), (name,))


@pytest.mark.parametrize("name", EVENT_TYPES)
def test_unknown_fields_are_accepted_by_both(name: str) -> None:
    facts = {**example(name), "a_field_of_next_year": {"x": [1, 2]}}
    validator(name).validate(facts)
    decode(json.dumps(facts).encode(), (name,))


@pytest.mark.parametrize("name", EVENT_TYPES)
def test_required_fields_are_the_same(name: str) -> None:
    facts = example(name)
    for field in facts:
        without = {key: value for key, value in facts.items() if key != field}
        if field == "type":
            continue  # without a type it is a mention
        accepted = True
        try:
            decode(json.dumps(without).encode(), (name,))
        except EventError:
            accepted = False
        assert validator(name).is_valid(without) == accepted, field
