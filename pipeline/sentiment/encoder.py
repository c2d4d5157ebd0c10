"""The int8 encoder on OpenVINO: token ids in, logits out, the same logits for a text in whatever company it comes.

A text is padded to the bucket of its own length, never to the longest of its batch, and batches hold one bucket only:
with static activation scales a row's arithmetic then does not depend on its neighbours, and results are equal bit for
bit in every batching (padding to other lengths moves a float sum by an ulp, which int8 rounding can turn into 0.02).
"""

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from pipeline.errors import ModelError
from pipeline.sentiment.folder import GRAPH, ModelFolder

BUCKETS: Final = (16, 24, 32, 40, 48, 56, 64, 80, 96, 128)
"""Padded lengths in tokens. Few, because the engine keeps prepared kernels per shape."""
BATCH_ROWS: Final = 32
BATCH_TOKENS: Final = 1024
"""Bounds of one inference: more brings no speed on a CPU, and scratch memory grows with it."""
PAD_ID: Final = 1


def bucket(length: int, limit: int) -> int:
    """The padded length of a text of ``length`` tokens, at most ``limit``."""
    return min(next((size for size in BUCKETS if size >= length), length), max(limit, length))


def plan(lengths: Sequence[int], limit: int) -> list[tuple[int, list[int]]]:
    """Micro-batches as (padded length, indices), short ones first; each index once."""
    groups: dict[int, list[int]] = {}
    for index, length in enumerate(lengths):
        groups.setdefault(bucket(length, limit), []).append(index)
    batches = []
    for size, members in sorted(groups.items()):
        rows = max(1, min(BATCH_ROWS, BATCH_TOKENS // size))
        batches += [(size, members[start : start + rows]) for start in range(0, len(members), rows)]
    return batches


class OpenVinoEncoder:
    """Compiled once per process. Not thread-safe: one call at a time."""

    def __init__(self, folder: ModelFolder, embeddings: npt.NDArray[np.float16], threads: int = 0) -> None:
        """Compile ``folder``'s graph. Raises ModelError when OpenVINO is missing or cannot load it."""
        try:
            import openvino as ov
        except ImportError as error:
            raise ModelError(
                f"OpenVINO cannot be imported ({error}): pip install openvino (Linux x86-64 or arm64, glibc)"
            ) from None
        options: dict[str, Any] = {
            # bfloat16 is the default where the processor has it, and would give other labels than elsewhere.
            "INFERENCE_PRECISION_HINT": "f32",
            "PERFORMANCE_HINT": "THROUGHPUT",
            "CPU_RUNTIME_CACHE_CAPACITY": "256",
        }
        if threads:
            options["INFERENCE_NUM_THREADS"] = str(threads)
        try:
            core = ov.Core()
            self._compiled = core.compile_model(str(folder.path / GRAPH), "CPU", options)
        except RuntimeError as error:
            raise ModelError(f"OpenVINO cannot load {folder.path / GRAPH}: {str(error).splitlines()[0]}") from error
        self._queue = ov.AsyncInferQueue(self._compiled)
        self._embeddings = embeddings
        self._weight, self._bias = folder.head()
        self._limit = folder.facts.max_tokens

    def logits(self, ids: Sequence[Sequence[int]]) -> npt.NDArray[np.float64]:
        """Logits [n, 3] of token ids, in order."""
        pooled = np.zeros((len(ids), self._weight.shape[1]), np.float64)

        def keep(request: Any, members: list[int]) -> None:  # noqa: ANN401 - openvino has no types
            pooled[members] = request.get_output_tensor(0).data

        self._queue.set_callback(keep)
        for size, members in plan([len(one) for one in ids], self._limit):
            padded = np.full((len(members), size), PAD_ID, np.int64)
            mask = np.zeros((len(members), size), np.int64)
            for row, index in enumerate(members):
                padded[row, : len(ids[index])] = ids[index]
                mask[row, : len(ids[index])] = 1
            vectors = self._embeddings[padded].astype(np.float32)
            self._queue.start_async({"inputs_embeds": vectors, "attention_mask": mask}, members)
        self._queue.wait_all()
        # einsum, not BLAS: its order of summation depends on the row alone
        return np.asarray(np.einsum("nh,lh->nl", pooled, self._weight) + self._bias, np.float64)
