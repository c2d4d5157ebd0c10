"""The int8 encoder on OpenVINO: token ids in, logits out, the same logits for a text in whatever company it comes.

A text is padded to the bucket of its own length, never to the longest of its batch, and batches hold one bucket only:
with static activation scales a row's arithmetic then does not depend on its neighbours, and results are equal bit for
bit in every batching (padding to other lengths moves a float sum by an ulp, which int8 rounding can turn into 0.02).
"""

import functools
import os
from collections.abc import Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from pipeline.errors import ModelError
from pipeline.sentiment.cache import EmbeddingTable
from pipeline.sentiment.folder import GRAPH, ModelFolder

BUCKETS: Final = (12, 16, 20, 24, 28, 32, 36, 40, 44, 48, 56, 64, 80, 96, 128)
"""Padded lengths in tokens. Closer together where most mentions are, but each costs memory. On tweets 6% of what is
computed is padding."""
BATCH_ROWS: Final = (32, 16, 8, 4, 1)
"""Rows of one inference. The engine prepares kernels per shape, 2 to 3 MB each: free batch sizes cost 500 MB more and
the time to prepare them; these and the buckets make at most 75 shapes."""
BATCH_TOKENS: Final = 1024
"""Tokens of one inference: more brings no speed on a CPU, and scratch memory grows with it."""
STREAMS: Final = 2
"""Inferences at a time, each with scratch of its own: not one per core, so that memory is the same on all machines."""


def bucket(length: int) -> int:
    """The padded length of a text of ``length`` tokens: of its own length alone."""
    return next((size for size in BUCKETS if size >= length), length)


def plan(lengths: Sequence[int]) -> list[tuple[int, list[int]]]:
    """Micro-batches as (padded length, indices), short ones first; each index once."""
    groups: dict[int, list[int]] = {}
    for index, length in enumerate(lengths):
        groups.setdefault(bucket(length), []).append(index)
    batches = []
    for size, members in sorted(groups.items()):
        at = 0
        while at < len(members):
            most = min(len(members) - at, max(1, BATCH_TOKENS // size))
            rows = next(rows for rows in BATCH_ROWS if rows <= most)
            batches.append((size, members[at : at + rows]))
            at += rows
    return batches


@functools.cache
def _core() -> Any:  # noqa: ANN401 - openvino has no types
    """One for the process, and never freed. Its CPU plugin gives the thread that first uses it a stack for signals and
    unmaps that stack when it goes, from whatever thread: the next signal to the first one is then a SIGSEGV (seen with
    OpenVINO 2026.4, when a worker that had swapped its model was told to stop)."""
    import openvino as ov

    return ov.Core()


class OpenVinoEncoder:
    """Compiled once per process. Not thread-safe: one call at a time."""

    def __init__(self, folder: ModelFolder, embeddings: EmbeddingTable, threads: int = 0) -> None:
        """Compile ``folder``'s graph. Raises ModelError when OpenVINO is missing or cannot load it."""
        try:
            import openvino as ov

            core = _core()
        except ImportError as error:
            raise ModelError(
                f"OpenVINO cannot be imported ({error}): pip install openvino (Linux x86-64 or arm64, glibc)"
            ) from None
        options: dict[str, Any] = {
            # bfloat16 is the default where the processor has it, and would give other labels than elsewhere.
            "INFERENCE_PRECISION_HINT": "f32",
            "NUM_STREAMS": str(min(STREAMS, threads or os.cpu_count() or 1)),
        }
        if threads:
            options["INFERENCE_NUM_THREADS"] = str(threads)
        try:
            self._compiled = core.compile_model(str(folder.path / GRAPH), "CPU", options)
        except RuntimeError as error:
            raise ModelError(f"OpenVINO cannot load {folder.path / GRAPH}: {str(error).splitlines()[0]}") from error
        self._queue = ov.AsyncInferQueue(self._compiled, STREAMS)
        self._embeddings, self._pad = embeddings, folder.facts.tokenizer.pad
        self._weight, self._bias = folder.head()

    def logits(self, ids: Sequence[Sequence[int]]) -> npt.NDArray[np.float64]:
        """Logits [n, 3] of token ids, in order. Raises ModelError when the engine fails or the table was cut short."""
        pooled = np.full((len(ids), self._weight.shape[1]), np.nan)

        def keep(request: Any, members: list[int]) -> None:  # noqa: ANN401 - openvino has no types
            pooled[members] = request.get_output_tensor(0).data

        self._queue.set_callback(keep)
        try:
            for size, members in plan([len(one) for one in ids]):
                padded = np.full((len(members), size), self._pad, np.int64)
                mask = np.zeros((len(members), size), np.int64)
                for row, index in enumerate(members):
                    padded[row, : len(ids[index])] = ids[index]
                    mask[row, : len(ids[index])] = 1
                vectors = self._embeddings.rows(padded)
                self._queue.start_async({"inputs_embeds": vectors, "attention_mask": mask}, members)
        finally:
            self._queue.wait_all()
        # einsum, not BLAS: its order of summation depends on the row alone
        logits = np.asarray(np.einsum("nh,lh->nl", pooled, self._weight) + self._bias, np.float64)
        if not np.isfinite(logits).all():
            raise ModelError(
                "the sentiment model returned values that are not numbers: this machine's OpenVINO is broken"
            )
        return logits
