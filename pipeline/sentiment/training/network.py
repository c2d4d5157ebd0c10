"""The network that is trained: an encoder without its word embeddings, mean pooling, a linear head."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

import numpy as np
import numpy.typing as npt

from pipeline.sentiment.training.sources import Source, Table
from pipeline.sentiment.training.weights import Weights
from schemas.events import LABELS

if TYPE_CHECKING:
    import torch

PREDICT_ROWS: Final = 64
"""Texts of one batch when the network judges: sorted by length, so little is padded."""


def build_network(weights: Weights, source: Source, dropout: float = 0.0) -> "torch.nn.Module":
    """Return the network with ``weights`` in it: ``inputs_embeds`` [n, t, width], ``attention_mask`` [n, t] in; a pair
    of logits [n, 3] and pooled vectors [n, width] out."""
    import torch

    class SentimentNetwork(torch.nn.Module):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            # eager: the backward pass of torch 2.15's fused attention takes 40% of a step on CPUs
            self.encoder = source.build(weights, dropout, "eager")
            self.encoder.get_input_embeddings().requires_grad_(False)  # not used: embeddings come in
            self.head = torch.nn.Linear(source.hidden, len(LABELS))
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


def weights_of(network: "torch.nn.Module") -> Weights:
    """Its weights as float32 arrays: the encoder's keys, ``head.weight``, ``head.bias``."""
    words = network.encoder.get_input_embeddings().weight
    outside = {key for key, parameter in network.named_parameters() if parameter is words}
    return {
        key.removeprefix("encoder."): value.detach().float().cpu().numpy().copy()
        for key, value in network.state_dict().items()
        if key not in outside and value.is_floating_point()
    }


class WordEmbeddings:
    """The frozen table in memory: [rows, width], float16."""

    def __init__(self, table: Table, pad: int) -> None:
        self._table, self._pad = table, pad

    def batch(self, ids: Sequence[Sequence[int]]) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.int64]]:
        """``inputs_embeds`` [n, t, width] and ``attention_mask`` [n, t] of texts padded to the longest."""
        longest = max(len(one) for one in ids)
        padded = np.full((len(ids), longest), self._pad, np.int64)
        mask = np.zeros((len(ids), longest), np.int64)
        for row, one in enumerate(ids):
            padded[row, : len(one)] = one
            mask[row, : len(one)] = 1
        return self._table[padded].astype(np.float32), mask


def has_bf16() -> bool:
    """Whether bfloat16 is native here: on a GPU of this decade, or a CPU with AVX-512 BF16 or AMX.

    oneDNN also "supports" it on a CPU with plain AVX-512, where it emulates: 38 GFLOPS where float32 has 81 (measured,
    Xeon of 2019). So its answer counts on other architectures only.
    """
    import torch

    if torch.cuda.is_available():
        return bool(torch.cuda.is_bf16_supported())
    capabilities = torch.cpu.get_capabilities()
    if capabilities.get("architecture") == "x86_64":
        return bool(capabilities.get("avx512_bf16") or capabilities.get("amx_bf16"))
    return bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())


def device() -> str:
    """Where to compute."""
    import torch

    return "cuda" if torch.cuda.is_available() else "cpu"


def predict(
    network: "torch.nn.Module", table: WordEmbeddings, ids: Sequence[Sequence[int]], exact: bool = False
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    """Log-probabilities [n, 3] and pooled vectors [n, width] of token ids, in order; ``exact``: all in float32."""
    import torch
    from rich.console import Console
    from rich.progress import track

    where = device()
    network.eval().to(where)
    order = sorted(range(len(ids)), key=lambda index: len(ids[index]))
    logs = np.zeros((len(ids), len(LABELS)), np.float32)
    vectors = np.zeros((len(ids), network.head.in_features), np.float32)
    with torch.inference_mode(), torch.autocast(where, dtype=torch.bfloat16, enabled=has_bf16() and not exact):
        batches = range(0, len(order), PREDICT_ROWS)
        for start in track(batches, "torch reads", transient=True, console=Console(stderr=True)):
            chosen = order[start : start + PREDICT_ROWS]
            embeds, mask = table.batch([ids[index] for index in chosen])
            logits, pooled = network(torch.from_numpy(embeds).to(where), torch.from_numpy(mask).to(where))
            logs[chosen] = torch.log_softmax(logits.float(), -1).cpu().numpy()
            vectors[chosen] = pooled.float().cpu().numpy()
    return logs, vectors
