"""Model folders by name, on this machine and on another, and the proof that one judges."""

import shutil
from collections.abc import Sequence
from pathlib import Path

import pytest

from pipeline.errors import ModelError
from pipeline.sentiment.folder import CONFIG, HEAD, WEIGHTS, ModelFolder
from pipeline.sentiment.installed import BAD, find, fingerprint, load_proved, locate, prove, weights_hash
from pipeline.sentiment.rule import LogProbabilities
from pipeline.settings import Settings, load_settings
from schemas.events import Judgement
from tests.model_variant import variant

DEFAULT = load_settings().model_path


def settings(folder: Path) -> Settings:
    return load_settings(models_dir=folder)


def link(folder: Path) -> Path:
    """The default model under another path, without copying its weights."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    folder.symlink_to(DEFAULT)
    return folder


def test_a_name_is_a_shipped_or_an_installed_model(tmp_path: Path) -> None:
    link(tmp_path / "mine")
    assert find(DEFAULT.name, settings(tmp_path)) == DEFAULT
    assert find("mine", settings(tmp_path)) == tmp_path / "mine"
    with pytest.raises(ModelError, match="known are fast, mine, quality") as caught:
        find("other", settings(tmp_path))
    assert str(tmp_path) in str(caught.value)


def test_a_path_has_a_slash(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    link(tmp_path / "here")
    assert find("./here", settings(tmp_path / "none")) == tmp_path / "here"
    with pytest.raises(ModelError, match="no model is named 'here'"):
        find("here", settings(tmp_path / "none"))
    with pytest.raises(ModelError, match="no such folder"):
        find("./nowhere", settings(tmp_path))


def test_a_name_of_two_folders_is_refused(tmp_path: Path) -> None:
    link(tmp_path / DEFAULT.name)
    with pytest.raises(ModelError, match="two folders"):
        find(DEFAULT.name, settings(tmp_path))


def test_on_another_machine_it_is_found_by_its_content(tmp_path: Path) -> None:
    wanted = fingerprint(DEFAULT)
    assert locate(wanted, "x", str(DEFAULT), settings(tmp_path)) == DEFAULT
    copied = tmp_path / "under-another-name"
    copied.mkdir()
    shutil.copy(DEFAULT / CONFIG, copied)
    (tmp_path / "damaged").mkdir()
    changed = (DEFAULT / CONFIG).read_text(encoding="utf-8") + " "
    (copied / CONFIG).write_text(changed, encoding="utf-8")
    other = fingerprint(copied)
    assert locate(other, "x", "/nowhere/x", settings(tmp_path)) == copied
    with pytest.raises(ModelError, match=r"not on this machine.*copy it to /nowhere/x or .*/x"):
        locate("0" * 64, "x", "/nowhere/x", settings(tmp_path))
    with pytest.raises(ModelError, match="holds another model"):
        locate("0" * 64, "x", str(copied), settings(tmp_path))


def test_the_weights_hash_tells_heads_apart_that_share_a_weights_file(tmp_path: Path) -> None:
    other = ModelFolder(variant(tmp_path / "v", "variant"))
    own = ModelFolder(DEFAULT)
    assert other.facts.files[WEIGHTS] == own.facts.files[WEIGHTS]
    assert other.facts.files[HEAD] != own.facts.files[HEAD]
    assert weights_hash(other) != weights_hash(own)
    assert other.version != own.version


def test_a_moved_bias_passes_the_proof_and_a_damaged_file_does_not(tmp_path: Path) -> None:
    folder = variant(tmp_path / "v", "variant", (4.0, 0.0, 0.0))
    model = load_proved(folder, settings(tmp_path))
    assert model.name.startswith("variant@")
    data = bytearray((folder / HEAD).read_bytes())
    data[-1] ^= 1
    (folder / HEAD).write_bytes(data)
    with pytest.raises(ModelError, match="is damaged"):
        load_proved(folder, settings(tmp_path))


class Fake:
    """A model that says what it is told."""

    name = "fake@1"
    rule = "none"

    def __init__(self, good: LogProbabilities, bad: LogProbabilities, shown: float = 0.5, fail: bool = False) -> None:
        self._by_text = {True: bad, False: good}
        self._shown = shown
        self._fail = fail

    def log_probabilities(self, texts: Sequence[str]) -> list[LogProbabilities]:
        if self._fail:
            raise RuntimeError("no kernel")
        return [self._by_text[text == BAD] for text in texts]

    def decide(
        self, values: Sequence[LogProbabilities], languages: Sequence[str], mixes: object = None
    ) -> list[Judgement]:
        one = Judgement(
            model=self.name,
            rule=self.rule,
            label="neutral",
            negative=0.25,
            neutral=0.25,
            positive=self._shown,
            log_probabilities=(0, 0, 0),
        )
        return [one for _ in values]

    def judge(self, texts: Sequence[str], languages: Sequence[str]) -> list[Judgement]:
        return self.decide(self.log_probabilities(texts), languages)


def test_the_proof() -> None:
    good, bad = (-3.0, -1.0, -0.5), (-0.5, -1.0, -3.0)
    prove(Fake(good, bad))
    with pytest.raises(ModelError, match="labels are in another order"):
        prove(Fake(bad, good))
    with pytest.raises(ModelError, match="labels are in another order"):
        prove(Fake(good, good))
    with pytest.raises(ModelError, match="no probabilities"):
        prove(Fake(good, bad, shown=float("nan")))
    with pytest.raises(ModelError, match="no probabilities"):
        prove(Fake(good, bad, shown=0.9))
    with pytest.raises(ModelError, match=r"fails on an ordinary text \(RuntimeError: no kernel\)"):
        prove(Fake(good, bad, fail=True))
