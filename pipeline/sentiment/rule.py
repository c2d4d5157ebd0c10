"""The decision rule: from a model's log-probabilities to judgements. Pure arithmetic on numbers frozen with the model.

    posterior = softmax((log p - log prior + bias of the language) / temperature);    label = its greatest

- ``log_prior``: of the training set's class mix, for a model that learned it (Elkan 2001, with a uniform target); zeros
  for one that was trained to give balanced posteriors.
- ``temperature``: calibration (Guo et al. 2017), on held-out English; ``temperatures`` of languages in which the model
  is too sure of itself, estimated without labels (:mod:`pipeline.sentiment.training.language_temperature`).
- ``biases``: by language, estimated without labels (:mod:`pipeline.sentiment.parallel_bias`).
- ``abstention``: below which probability a label is ``unsure`` (:mod:`pipeline.sentiment.abstention`); used only where
  a user says which error they accept.

The log-probabilities are stored beside each label, so that a new rule is SQL, not inference. A rule's name is its
version: the hash of its numbers is in it, and what was switched on besides is added with ``+``.
"""

import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from typing import Annotated, Final

import msgspec
import numpy as np
from msgspec import Meta, Struct

from pipeline.errors import ModelError
from pipeline.sentiment.abstention import ANY, ENGLISH, Abstention, AbstentionPoint
from pipeline.sentiment.class_mix import FrozenMix
from pipeline.sentiment.correction import Float64, probabilities
from schemas.events import LABELS, Judgement, Label

MINUS_LOG_PRIOR: Final = "minus-log-prior-v1"
"""The rule of model folders of format 1: log prior and nothing else."""
MAX_SHIFT: Final = 10.0
"""Greater logs are no prior and no bias but a mistake: a class prior of 0.005% has a log of -10."""

LogProbabilities = tuple[float, float, float]
Shift = Annotated[float, Meta(ge=-MAX_SHIFT, le=MAX_SHIFT)]
Triple = tuple[Shift, Shift, Shift]


class RuleFacts(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Section ``rule`` of a model folder's config.json; triples in LABELS' order. Build it with :func:`named`."""

    name: Annotated[str, Meta(min_length=1, max_length=64)]
    log_prior: Triple = (0.0, 0.0, 0.0)
    temperature: Annotated[float, Meta(ge=0.05, le=20.0)] = 1.0
    temperatures: dict[str, Annotated[float, Meta(ge=0.05, le=400.0)]] = {}
    """By BCP 47 tag, instead of ``temperature``; ``*`` for every other language but English."""
    biases: dict[str, Triple] = {}
    abstention: tuple[AbstentionPoint, ...] = ()

    @property
    def class_prior(self) -> tuple[float, float, float]:
        """The class mix whose log is taken away; a third each where none is."""
        shares = np.exp(np.asarray(self.log_prior))
        negative, neutral, positive = (float(share) for share in shares / shares.sum())
        return negative, neutral, positive


def named(
    kind: str,
    *,
    log_prior: LogProbabilities = (0.0, 0.0, 0.0),
    temperature: float = 1.0,
    temperatures: Mapping[str, float] | None = None,
    biases: Mapping[str, LogProbabilities] | None = None,
    abstention: Sequence[AbstentionPoint] = (),
) -> RuleFacts:
    """Return the facts with their name ``<kind>-<hash>``; numbers are rounded to 6 decimals first."""
    facts = RuleFacts(
        name=kind,
        log_prior=_rounded(log_prior),
        temperature=round(temperature, 6),
        temperatures={tag: round(value, 6) for tag, value in sorted((temperatures or {}).items())},
        biases={tag: _rounded(bias) for tag, bias in sorted((biases or {}).items())},
        abstention=tuple(abstention),
    )
    return msgspec.structs.replace(facts, name=f"{kind}-{fingerprint(facts)}")


def _rounded(triple: LogProbabilities) -> LogProbabilities:
    first, second, third = (round(float(value), 6) for value in triple)
    return first, second, third


def fingerprint(facts: RuleFacts) -> str:
    """First 6 hex digits of the SHA-256 of the canonical JSON of ``facts`` without the name."""
    values = msgspec.to_builtins(facts)
    del values["name"]
    if not facts.temperatures:  # younger than the other fields: rules from before it keep their names
        del values["temperatures"]
    canonical = json.dumps(values, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(canonical.encode()).hexdigest()[:6]


def verify(facts: RuleFacts) -> None:
    """Raise ModelError when the name does not belong to the numbers: somebody changed one without the other."""
    found = fingerprint(facts)
    if not facts.name.endswith(f"-{found}"):
        raise ModelError(
            f"the decision rule {facts.name!r} does not match its numbers (their hash is {found}): rows judged by it "
            "could not be told from others; export the model again, or give the rule a name that ends in this hash"
        )
    for tag, bias in facts.biases.items():
        if not tag or not all(math.isfinite(value) for value in bias):
            raise ModelError(f"the decision rule's bias of {tag!r} is not three finite numbers")


def from_class_prior(prior: tuple[float, float, float]) -> RuleFacts:
    """The rule of format 1, bit for bit: the training set's class mix, whose log is taken away."""
    return RuleFacts(name=MINUS_LOG_PRIOR, log_prior=_logs(prior))


def minus_log_prior(prior: tuple[float, float, float]) -> RuleFacts:
    """The same as a rule of format 2, with a name of its numbers."""
    return named("minus-log-prior", log_prior=_logs(prior))


def _logs(prior: tuple[float, float, float]) -> LogProbabilities:
    negative, neutral, positive = (float(value) for value in np.log(np.asarray(prior, np.float64)))
    return negative, neutral, positive


class DecisionRule:
    """Turns log-probabilities into judgements; the same values give the same judgement in every batch."""

    def __init__(self, facts: RuleFacts, accept_error: float | None = None) -> None:
        """``accept_error`` switches abstention on: the share of wrong labels that a user accepts.

        Raises ModelError when the model's folder says nothing about it, or not for so small an error.
        """
        self.facts = facts
        self.abstention = None if accept_error is None else Abstention(facts.abstention, accept_error)
        self._suffix = "" if self.abstention is None else f"+accept-{self.abstention.error:g}"
        self.name = facts.name + self._suffix
        self._log_prior = np.asarray(facts.log_prior, np.float64)
        self._biases = {tag: np.asarray(bias, np.float64) for tag, bias in facts.biases.items()}
        self._none = np.zeros(len(LABELS), np.float64)

    def posteriors(
        self,
        values: Sequence[LogProbabilities] | Float64,
        languages: Sequence[str],
        mixes: Sequence[FrozenMix | None] | None = None,
    ) -> Float64:
        """Probabilities [n, 3] of log-probabilities [n, 3]: with the language's bias, and its class mix if given."""
        return probabilities(self._scores(values, languages, mixes))

    def judge(
        self,
        model: str,
        values: Sequence[LogProbabilities],
        languages: Sequence[str],
        mixes: Sequence[FrozenMix | None] | None = None,
    ) -> list[Judgement]:
        """The judgement of each whole text, in order; of equal probabilities the first label in LABELS' order wins.

        ``mixes``: the class mix that each text's stream had, one per text or None; it goes into the rule's name.
        """
        if not values:
            return []
        scores = self._scores(values, languages, mixes)
        found = []
        for index, (row, best) in enumerate(zip(probabilities(scores).tolist(), scores.argmax(axis=1), strict=True)):
            language = languages[index]
            label: Label = LABELS[int(best)]
            if self.abstention is not None and max(row) < self.abstention.threshold(language):
                label = "unsure"
            mix = mixes[index] if mixes is not None else None
            rule = self.name if mix is None or language not in mix.shares else self._name_with(mix)
            found.append(
                Judgement(
                    model=model,
                    rule=rule,
                    label=label,
                    negative=row[0],
                    neutral=row[1],
                    positive=row[2],
                    log_probabilities=values[index],
                )
            )
        return found

    def _name_with(self, mix: FrozenMix) -> str:
        return f"{self.facts.name}+{mix.ident}{self._suffix}"

    def _scores(
        self,
        values: Sequence[LogProbabilities] | Float64,
        languages: Sequence[str],
        mixes: Sequence[FrozenMix | None] | None,
    ) -> Float64:
        raw = np.asarray(values, np.float64).reshape(-1, len(LABELS))
        if len(raw) != len(languages) or (mixes is not None and len(mixes) != len(raw)):
            raise ValueError(f"{len(raw)} texts but {len(languages)} languages")
        scores = raw - self._log_prior
        if self._biases:
            scores = scores + np.stack([self._bias(tag) for tag in languages]) if len(languages) else scores
        scores = scores / (self._heat(languages) if self.facts.temperatures else self.facts.temperature)
        if mixes is not None and any(mixes):
            shifts = [self._none if mix is None else mix.shift(tag) for mix, tag in zip(mixes, languages, strict=True)]
            scores = scores + np.stack(shifts)
        return np.asarray(scores, np.float64)

    def _heat(self, languages: Sequence[str]) -> Float64:
        """The temperature of each text's language, [n, 1]."""
        return np.array([self._temperature(tag) for tag in languages], np.float64).reshape(-1, 1)

    def _temperature(self, tag: str) -> float:
        if tag == ENGLISH:
            return self.facts.temperature
        return self.facts.temperatures.get(tag, self.facts.temperatures.get(ANY, self.facts.temperature))

    def _bias(self, tag: str) -> Float64:
        found = self._biases.get(tag)
        return found if found is not None else self._biases.get(without_script(tag), self._none)


def without_script(tag: str) -> str:
    """``hi-Latn`` -> ``hi``: a BCP 47 tag without its script subtag (four letters)."""
    first, *rest = tag.split("-")
    return "-".join([first, *(part for part in rest if not (len(part) == 4 and part.isalpha()))])
