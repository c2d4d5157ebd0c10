"""The whole suite: the cases written by hand and, made from the vocabulary among them, the mechanical ones. Pure."""

import hashlib
from collections.abc import Iterator, Sequence
from functools import cache
from typing import Final

import msgspec

from pipeline.sentiment.checklist import perturb
from pipeline.sentiment.checklist.cases import Capability, Case, Expectation, Kind, Language, languages, written

_NEUTRAL: Final = "neutral"


def load(tags: Sequence[str] = ()) -> list[Case]:
    """Every case of the languages named, in the order of reports; of all languages when none is named.

    Raises InputError for a language that the suite does not have.
    """
    for tag in tags:
        written(tag)
    return [case for tag in languages() if not tags or tag in tags for case in of_language(tag)]


@cache
def of_language(tag: str) -> tuple[Case, ...]:
    """Cases of one language: by hand first, then mechanical, always in the same order."""
    facts = languages()[tag]
    base = [case for case in written(tag) if case.capability == "vocabulary"]
    return (*written(tag), *(made for case in base for made in _mechanical(case, facts)))


@cache
def version() -> str:
    """``checklist-`` and the first six hex digits of the SHA-256 of all cases: another text or rule, another name."""
    return "checklist-" + hashlib.sha256(msgspec.json.encode(load())).hexdigest()[:6]


def _mechanical(case: Case, facts: Language) -> Iterator[Case]:
    text = case.texts[0]
    scripts = set(facts.script)
    if scripts <= perturb.CASED:
        yield _made(case, "capitals", "INV", "same", perturb.capitals(text, case.language))
    if case.stretch is not None:
        yield _made(case, "stretching", "INV", "same", perturb.stretched(text, case.stretch))
    if scripts <= perturb.SWAPPED and (typo := perturb.swapped(text)):
        yield _made(case, "typos", "INV", "same", typo)
    yield _made(case, "handles", "INV", "same", f"{perturb.HANDLE} {text}", "-handle")
    yield _made(case, "handles", "INV", "same", f"{text} {perturb.LINK}", "-link")
    if case.expect == _NEUTRAL:
        yield _made(case, "emoji", "DIR", "up", text + perturb.EMOJI_UP, "-up")
        yield _made(case, "emoji", "DIR", "down", text + perturb.EMOJI_DOWN, "-down")
    if case.expect != "negative":
        yield from _endings(case, facts.positive, "up", facts.join)
    if case.expect != "positive":
        yield from _endings(case, facts.negative, "down", facts.join)


def _endings(case: Case, phrases: Sequence[str], expect: Expectation, join: str) -> Iterator[Case]:
    """The case with one of ``phrases`` after it: they take turns along the numbers of the cases."""
    number = int(case.id.rpartition("-")[2])
    text = perturb.with_phrase(case.texts[0], phrases[number % len(phrases)], join)
    yield _made(case, "ending", "DIR", expect, text, f"-{expect}")


def _made(base: Case, capability: Capability, kind: Kind, expect: Expectation, text: str, suffix: str = "") -> Case:
    return Case(
        id=f"{capability}-{base.id}{suffix}",
        language=base.language,
        capability=capability,
        type=kind,
        texts=(base.texts[0], text),
        expect=expect,
    )
