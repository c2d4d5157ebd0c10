"""Finds brands in texts: one pass of an Aho-Corasick automaton over the folded text, then the rules around each hit."""

import re
import unicodedata
from bisect import bisect_right, insort
from collections import defaultdict
from dataclasses import dataclass
from typing import Final

import ahocorasick

from pipeline.brands import endings
from pipeline.brands.boundaries import begins, ends, word_after, word_before
from pipeline.brands.catalogue import Catalogue
from pipeline.brands.fold import Folded
from pipeline.brands.letters import OWN_LETTERS, agrees
from pipeline.brands.patterns import Form, Pattern, patterns
from pipeline.text import HANDLE, HASHTAG, LINK, may_have_handles, may_have_hashtags, may_have_links
from schemas.events import BrandMatch

_SPACES: Final = re.compile(r"[\s\-_‐‑–—]+")


@dataclass(frozen=True, slots=True)
class _Hit:
    brand: str
    start: int
    end: int


class _Spans:
    """Disjoint spans of the original, in order: which one holds a position."""

    def __init__(self, spans: list[tuple[int, int]]) -> None:
        self._spans = spans
        self._starts = [start for start, _ in spans]

    def at(self, position: int) -> tuple[int, int] | None:
        index = bisect_right(self._starts, position) - 1
        if index < 0 or self._spans[index][1] <= position:
            return None
        return self._spans[index]


class BrandMatcher:
    """All names of a catalogue as one automaton. Immutable once built; safe for threads."""

    def __init__(self, catalogue: Catalogue) -> None:
        """Build the automaton: about 1 s for 10,000 names."""
        self.catalogue = catalogue
        by_text: dict[str, list[Pattern]] = defaultdict(list)
        for brand in catalogue.brands:
            seen = set()
            for pattern in patterns(brand):
                key = (pattern.text, pattern.form, pattern.name.languages, pattern.name.exact)
                if pattern.text and key not in seen:
                    seen.add(key)
                    by_text[pattern.text].append(pattern)
        self._automaton = ahocorasick.Automaton()
        for text, found in by_text.items():
            self._automaton.add_word(text, tuple(found))
        if by_text:
            self._automaton.make_automaton()
        self._empty = not by_text
        self._owners: dict[str, set[str]] = defaultdict(set)
        self._not_handles: dict[str, set[str]] = defaultdict(set)
        for brand in catalogue.brands:
            for owner in brand.owners:
                self._owners[_handle(owner)].add(brand.id)
            for phrase in brand.exclude:
                if phrase.startswith("@"):
                    self._not_handles[_handle(phrase)].add(brand.id)

    def is_owner(self, author: str | None) -> frozenset[str]:
        """Ids of the brands whose own account ``author`` (``name`` or ``@name``) is: it is the brand's own speech."""
        return frozenset(self._owners.get(_handle(author), ())) if author else frozenset()

    def match(self, text: str, language_tag: str = "und", author: str | None = None) -> list[BrandMatch]:
        """Return where brands are named, by start, then brand; offsets are code points of ``text``.

        ``language_tag``: BCP 47 of the text; names that are restricted to languages do not match ``und``. ``author``
        never makes a match by itself (see :meth:`is_owner`). Linear in the length of the text. Of overlapping names the
        longer wins; names of several brands at one place all count.
        """
        del author
        folded = Folded(text)
        handles = [m.span() for m in HANDLE.finditer(text)] if may_have_handles(text) else []
        hits = [hit for span in handles for hit in self._owned(text, span)]
        exclusions: dict[str, list[tuple[int, int]]] = defaultdict(list)
        found = [] if self._empty else list(self._automaton.iter(folded.text))
        if found:
            context = _Context(folded, language_tag, handles)
            for last, candidates in found:
                for pattern in candidates:
                    span = context.accept(pattern, last + 1 - len(pattern.text), last + 1)
                    if span is None:
                        continue
                    if pattern.form is Form.EXCLUSION:
                        exclusions[pattern.brand].append(span)
                    elif not self._is_other(text, span, context.handles, pattern.brand):
                        hits.append(_Hit(pattern.brand, *span))
        kept = _longest(_not_excluded(hits, exclusions))
        return [BrandMatch(brand=hit.brand, start=hit.start, end=hit.end) for hit in kept]

    def _owned(self, text: str, span: tuple[int, int]) -> list[_Hit]:
        handle = text[span[0] : span[1]].rstrip(".-")
        return [_Hit(brand, span[0], span[0] + len(handle)) for brand in self._owners.get(_handle(handle), ())]

    def _is_other(self, text: str, span: tuple[int, int], handles: _Spans, brand: str) -> bool:
        """Whether the hit lies in a handle that the brand's exclusions name."""
        around = handles.at(span[0])
        return around is not None and brand in self._not_handles.get(_handle(text[around[0] : around[1]]), ())


class _Context:
    """What the rules need to know about one text."""

    def __init__(self, folded: Folded, tag: str, handles: list[tuple[int, int]]) -> None:
        text = folded.original
        self.folded = folded
        self.tag = tag
        self.language = tag.split("-", maxsplit=1)[0]
        self.handles = _Spans(handles)
        self._links = _Spans([m.span() for m in LINK.finditer(text)] if may_have_links(text) else [])
        self._hashtags = _Spans([m.span() for m in HASHTAG.finditer(text)] if may_have_hashtags(text) else [])

    def accept(self, pattern: Pattern, start: int, end: int) -> tuple[int, int] | None:
        """Span in the original of a hit that satisfies every rule, else None."""
        name, folded = pattern.name, self.folded
        if name.languages and not any(self.tag == tag or self.tag.startswith(tag + "-") for tag in name.languages):
            return None
        if not folded.whole(start, end):
            return None
        span = folded.span(start, end)
        if self._links.at(span[0]) is not None:
            return None
        handle = self.handles.at(span[0])
        if handle is not None:
            return span if self._is_whole_handle(handle, span) and pattern.form in (Form.PLAIN, Form.JOINED) else None
        hashtag = self._hashtags.at(span[0]) is not None
        after = self._edges(pattern, start, end, hashtag=hashtag)
        if after is None or not self._letters(pattern, span, hashtag=hashtag):
            return None
        return folded.span(start, after)

    def _is_whole_handle(self, handle: tuple[int, int], span: tuple[int, int]) -> bool:
        ends_at = handle[0] + len(self.folded.original[handle[0] : handle[1]].rstrip(".-"))
        return span[0] <= handle[0] + 1 and span[1] == ends_at

    def _edges(self, pattern: Pattern, start: int, end: int, *, hashtag: bool) -> int | None:
        """Where the match ends in the folded text when its edges are good, else None."""
        name, text = pattern.name, self.folded.text
        if pattern.form is Form.ARABIC_STEM:
            if word_before(text, start, endings.MAX_PREFIX) not in endings.ARABIC_BEFORE_STEM:
                return None
        elif not begins(self.folded, start, hashtag=hashtag, compounds=self._second_part(pattern)):
            return None
        if pattern.form is Form.STEM:
            last = pattern.name.text.rstrip()[-1].lower()
            ending = word_after(text, end, endings.MAX_ENDING)
            allowed = endings.STEM_ENDINGS.get(last, {}).get(self.language, frozenset())
            return end + len(ending) if ending and ending in allowed else None
        inflects = len(pattern.text) >= endings.MIN_INFLECTED
        good = ends(
            self.folded, start, end, self.language, hashtag=hashtag, inflects=inflects, compounds=name.compounds
        )
        return end if good else None

    def _second_part(self, pattern: Pattern) -> bool:
        return pattern.name.compounds is True and self.language in endings.COMPOUNDING

    def _letters(self, pattern: Pattern, span: tuple[int, int], *, hashtag: bool) -> bool:
        """Case, the language's own letters, and the capitals of a name without its spaces."""
        found = self.folded.original[span[0] : span[1]]
        if pattern.name.exact:
            return _exactly(found) == _exactly(pattern.source)
        if pattern.form is Form.JOINED and not hashtag and not _capital_joints(found, pattern.source):
            return False
        if self.language in OWN_LETTERS and pattern.form is not Form.EXCLUSION:
            return agrees(found, pattern.source, self.language, declared=pattern.declared_turkic)
        return True


def _handle(handle: str) -> str:
    return unicodedata.normalize("NFKC", handle).casefold().strip().lstrip("@").rstrip(".-")


def _exactly(text: str) -> str:
    """For ``case: exact``: composed, without spaces, hyphens and invisible characters."""
    composed = unicodedata.normalize("NFKC", text)
    return "".join(char for char in _SPACES.sub("", composed) if unicodedata.category(char) != "Cf")


def _capital_joints(found: str, source: str) -> bool:
    """Whether each word of ``source`` begins with a capital in ``found``: NimbusPhone, but not nimbusphone."""
    position = 0
    for word in _SPACES.split(source.strip()):
        if position >= len(found) or not (found[position].isupper() or found[position].isdigit()):
            return False
        position += len(word)
    return not found.isupper()


def _not_excluded(hits: list[_Hit], exclusions: dict[str, list[tuple[int, int]]]) -> list[_Hit]:
    """Hits that lie in no exclusion of their brand."""
    if not exclusions:
        return hits
    reach: dict[str, tuple[list[int], list[int]]] = {}
    for brand, spans in exclusions.items():
        starts: list[int] = []
        furthest: list[int] = []
        for start, end in sorted(spans):
            starts.append(start)
            furthest.append(max(end, furthest[-1]) if furthest else end)
        reach[brand] = (starts, furthest)
    kept = []
    for hit in hits:
        starts, furthest = reach.get(hit.brand, ([], []))
        index = bisect_right(starts, hit.start) - 1
        if index < 0 or furthest[index] < hit.end:
            kept.append(hit)
    return kept


def _longest(hits: list[_Hit]) -> list[_Hit]:
    """Without those that overlap a longer one (of the same length, an earlier one); the same place may name several."""
    chosen: dict[tuple[int, int], set[str]] = {}
    places: list[tuple[int, int]] = []
    for hit in sorted(set(hits), key=lambda hit: (hit.start - hit.end, hit.start, hit.brand)):
        place = (hit.start, hit.end)
        if place in chosen:
            chosen[place].add(hit.brand)
            continue
        index = bisect_right(places, place)
        if index > 0 and places[index - 1][1] > hit.start:
            continue
        if index < len(places) and places[index][0] < hit.end:
            continue
        insort(places, place)
        chosen[place] = {hit.brand}
    return [_Hit(brand, start, end) for start, end in places for brand in sorted(chosen[start, end])]
