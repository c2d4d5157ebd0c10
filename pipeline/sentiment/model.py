"""Texts in, judgements out: the one interface between the pipeline and whatever model serves it."""

import hashlib
import logging
import threading
from collections.abc import Sequence
from typing import Final, Protocol

from cachetools import LRUCache

from pipeline import metrics
from pipeline.sentiment import tokenizer
from pipeline.sentiment.cache import Progress, embeddings_of
from pipeline.sentiment.class_mix import FrozenMix
from pipeline.sentiment.correction import log_softmax
from pipeline.sentiment.encoder import OpenVinoEncoder
from pipeline.sentiment.folder import ModelFolder
from pipeline.sentiment.rule import DecisionRule, LogProbabilities
from pipeline.sentiment.text import normalise
from pipeline.settings import Settings
from schemas.events import Judgement

log = logging.getLogger(__name__)

REMEMBERED_TEXTS: Final = 32_768
"""Reposts and templates are a large part of streams; an entry costs about 300 bytes."""


class SentimentModel(Protocol):
    """A model of the sentiment of whole texts."""

    @property
    def name(self) -> str:
        """Name and version, on every judgement."""

    @property
    def rule(self) -> str:
        """Name and version of the decision rule, on every judgement."""

    def judge(self, texts: Sequence[str], languages: Sequence[str]) -> list[Judgement]:
        """One judgement per text, in order. ``languages`` are BCP 47 tags, as many as texts.

        The same text gets the same judgement in every batch and in every process. Any string is accepted, the empty
        one too. Safe to call from several threads (calls run one after the other). The same as :meth:`decide` of
        :meth:`log_probabilities`.
        """

    def log_probabilities(self, texts: Sequence[str]) -> list[LogProbabilities]:
        """The model's own log-probabilities (negative, neutral, positive) of each text, before any correction."""

    def decide(
        self,
        values: Sequence[LogProbabilities],
        languages: Sequence[str],
        mixes: Sequence[FrozenMix | None] | None = None,
    ) -> list[Judgement]:
        """The rule alone: it may differ by language, the inference does not, so the two can run side by side.

        ``mixes``: one per text, the class mix of its stream or None (:mod:`pipeline.sentiment.class_mix`).
        """


class Int8Model:
    """The shipped kind: an int8 encoder without embeddings, the table of embeddings, a linear head, a decision rule."""

    def __init__(
        self,
        folder: ModelFolder,
        encoder: OpenVinoEncoder,
        tokens: tokenizer.TextTokenizer,
        rule: DecisionRule | None = None,
    ) -> None:
        """``rule`` is the folder's own when it is not given."""
        self.name = folder.version
        self._rule = rule or DecisionRule(folder.facts.rule)
        self.rule = self._rule.name
        self._encoder = encoder
        self._tokens = tokens
        self._known: LRUCache[bytes, LogProbabilities] = LRUCache(REMEMBERED_TEXTS)
        self._lock = threading.Lock()

    def judge(self, texts: Sequence[str], languages: Sequence[str]) -> list[Judgement]:
        """See :class:`SentimentModel`."""
        if len(texts) != len(languages):
            raise ValueError(f"{len(texts)} texts but {len(languages)} languages")
        return self.decide(self.log_probabilities(texts), languages)

    def decide(
        self,
        values: Sequence[LogProbabilities],
        languages: Sequence[str],
        mixes: Sequence[FrozenMix | None] | None = None,
    ) -> list[Judgement]:
        """See :class:`SentimentModel`."""
        return self._rule.judge(self.name, values, languages, mixes)

    def log_probabilities(self, texts: Sequence[str]) -> list[LogProbabilities]:
        """See :class:`SentimentModel`."""
        normalised = [normalise(text) for text in texts]
        keys = [hashlib.blake2b(text.encode(), digest_size=16).digest() for text in normalised]
        with self._lock:
            found = {key: self._known[key] for key in keys if key in self._known}
            new = {key: text for key, text in zip(keys, normalised, strict=True) if key not in found}
            metrics.SENTIMENT_CACHE.labels("miss").inc(len(new))
            metrics.SENTIMENT_CACHE.labels("hit").inc(len(texts) - len(new))
            for key, values in zip(new, self._infer(list(new.values())), strict=True):
                found[key] = self._known[key] = values
        return [found[key] for key in keys]

    def _infer(self, texts: list[str]) -> list[LogProbabilities]:
        if not texts:
            return []
        tokens = self._tokens.encode(texts)
        metrics.SENTIMENT_TRUNCATED.inc(sum(one.truncated for one in tokens))
        values = log_softmax(self._encoder.logits([one.ids for one in tokens]))
        return [(float(a), float(b), float(c)) for a, b, c in values]


def load_model(settings: Settings, progress: Progress | None = None) -> Int8Model:
    """Load and warm the model of ``settings.model_path``; the first time its embeddings are unpacked (about 2 s).

    Raises ModelError when the folder is incomplete, damaged or of another kind, knows no threshold for
    ``settings.accept_error``, or the embeddings cannot be had.
    """
    folder = ModelFolder(settings.model_path)
    rule = DecisionRule(folder.facts.rule, settings.accept_error)
    table = embeddings_of(folder, settings.cache_dir, progress)
    encoder = OpenVinoEncoder(folder, table, settings.threads)
    model = Int8Model(folder, encoder, tokenizer.of(folder), rule)
    model.log_probabilities(["warm"])  # the first inference prepares kernels: not at the first mention's cost
    log.info("sentiment model %s ready, rule %s", model.name, model.rule)
    return model
