"""A model as a folder in Hugging Face's layout, read and verified before a byte of it is run.

``config.json`` is transformers' own plus a section ``babelwatch`` with what serving needs: name, decision rule, token
limit, embeddings, and size and SHA-256 of every file. A damaged or incomplete folder is a clear ModelError, never a
model that quietly judges differently.

Format 2 has the whole decision rule (:class:`pipeline.sentiment.rule.RuleFacts`); format 1 had its name and the class
mix of the training set, and is read as the rule that takes its log away.
"""

import hashlib
import re
from pathlib import Path
from typing import Annotated, Final

import msgspec
import numpy as np
import numpy.typing as npt
from msgspec import Meta, Struct
from safetensors import SafetensorError
from safetensors.numpy import load_file

from pipeline.errors import ModelError
from pipeline.sentiment.rule import MINUS_LOG_PRIOR, RuleFacts, from_class_prior, verify
from pipeline.sentiment.text import PREFIX
from schemas.events import LABELS

CONFIG: Final = "config.json"
GRAPH: Final = "openvino_model.xml"
WEIGHTS: Final = "openvino_model.bin"
HEAD: Final = "head.safetensors"
TOKENIZER: Final = "tokenizer_config.json"
CARD: Final = "README.md"
_FRONT: Final = re.compile(r"---\n((?:(?!---).*\n)*)")
_CARD_LINE: Final = re.compile(r"^(model_version|decision_rule): (\S+)$", re.MULTILINE)
"""In the card's front matter: what its numbers are of."""
CHECKED: Final = (GRAPH, WEIGHTS, HEAD, TOKENIZER)
"""Files whose checksums are in config.json; the card may be edited."""
FORMAT: Final = 2
"""What is written; 1 is read as well."""

FileName = Annotated[str, Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")]
Sha256 = Annotated[str, Meta(pattern=r"^[0-9a-f]{64}$")]
Share = Annotated[float, Meta(gt=0.0, lt=1.0)]


class FileFacts(Struct, frozen=True):
    """Size and checksum of one file of the folder."""

    bytes: int
    sha256: Sha256


class EmbeddingFacts(Struct, frozen=True, kw_only=True):
    """Which table of word embeddings the encoder was trained on: float16, rows of ``width``."""

    package: str
    """Where it is from: the pinned package that it is unpacked from, or the encoder that brought its own."""
    tensor: str
    sha256: Sha256
    file: FileName | None = None
    """Where it lies in this folder; None: unpacked from the package."""
    width: Annotated[int, Meta(ge=1)] = 384


class TokenizerFacts(Struct, frozen=True, kw_only=True):
    """How texts are cut. The defaults are the packaged tokenizer's."""

    file: FileName | None = None
    """A ``tokenizer.json`` of the tokenizers library in this folder; None: rebuilt from the package."""
    prefix: str = PREFIX
    """Put before each normalised text, as in training."""
    pad: Annotated[int, Meta(ge=0)] = 1
    end: Annotated[int, Meta(ge=0)] | None = 2
    """The id that a text that was cut off must end with."""


class ServingFacts(Struct, frozen=True, kw_only=True):
    """Section ``babelwatch`` of config.json."""

    format: int
    name: str
    rule: RuleFacts
    max_tokens: Annotated[int, Meta(ge=8, le=512)]
    embeddings: EmbeddingFacts
    tokenizer: TokenizerFacts = TokenizerFacts()
    files: dict[str, FileFacts]

    @property
    def checked(self) -> tuple[str, ...]:
        """Files whose checksums are verified at every start."""
        return (*CHECKED, *(name for name in (self.tokenizer.file, self.embeddings.file) if name))


class _Format(Struct):
    format: int


class _AnyConfig(Struct):
    babelwatch: _Format


class _Facts1(Struct, frozen=True, kw_only=True):
    """The section as format 1 had it."""

    name: str
    rule: str
    class_prior: tuple[Share, Share, Share]
    max_tokens: Annotated[int, Meta(ge=8, le=512)]
    embeddings: EmbeddingFacts
    files: dict[str, FileFacts]

    def upgraded(self) -> ServingFacts:
        if self.rule != MINUS_LOG_PRIOR:
            raise ModelError(f"this build does not know the rule {self.rule!r} of format 1")
        return ServingFacts(
            format=1,
            name=self.name,
            rule=from_class_prior(self.class_prior),
            max_tokens=self.max_tokens,
            embeddings=self.embeddings,
            files=self.files,
        )


class _Config1(Struct, frozen=True, kw_only=True):
    hidden_size: int
    id2label: dict[str, str]
    babelwatch: _Facts1


class Config(Struct, frozen=True, kw_only=True):
    """What is read of config.json; everything else in it is for transformers and for people."""

    hidden_size: int
    id2label: dict[str, str]
    babelwatch: ServingFacts


def _decode(data: bytes) -> Config:
    found = msgspec.json.decode(data, type=_AnyConfig).babelwatch.format
    if found == 1:
        old = msgspec.json.decode(data, type=_Config1)
        return Config(hidden_size=old.hidden_size, id2label=old.id2label, babelwatch=old.babelwatch.upgraded())
    if found != FORMAT:
        raise ModelError(f"format {found} is not known, this build reads 1 to {FORMAT}")
    config = msgspec.json.decode(data, type=Config)
    verify(config.babelwatch.rule)
    return config


class ModelFolder:
    """A verified folder. Raises ModelError that names the file and what to do."""

    def __init__(self, path: Path, check_card: bool = True) -> None:
        """``check_card=False`` is for who is about to write the card."""
        self.path = path
        self.config = self._read_config()
        self.facts = self.config.babelwatch
        for name in self.facts.checked:
            self._verify(name)
        if check_card:
            self._verify_card()

    @property
    def version(self) -> str:
        """``<name>@<first 8 hex digits of the SHA-256 of the weights>``: on every judgement."""
        return f"{self.facts.name}@{self.facts.files[WEIGHTS].sha256[:8]}"

    def _error(self, what: str) -> ModelError:
        return ModelError(
            f"model folder {self.path}: {what}; restore it (git checkout, or reinstall babelwatch), export it again "
            "with `babelwatch model export`, or set BABELWATCH_MODEL_PATH to another folder"
        )

    def _read_config(self) -> Config:
        try:
            data = (self.path / CONFIG).read_bytes()
        except OSError as error:
            raise self._error(f"cannot read {CONFIG} ({error.strerror})") from None
        try:
            config = _decode(data)
        except msgspec.DecodeError as error:
            raise self._error(f"{CONFIG} is not valid ({error})") from None
        except UnicodeDecodeError:
            raise self._error(f"{CONFIG} is not UTF-8") from None
        except ModelError as error:
            raise self._error(str(error)) from None
        if tuple(config.id2label.get(str(i)) for i in range(len(LABELS))) != LABELS:
            raise self._error(f"{CONFIG} labels must be {', '.join(LABELS)} in this order")
        return config

    def _verify(self, name: str) -> None:
        facts = self.facts.files.get(name)
        if facts is None:
            raise self._error(f"{CONFIG} has no checksum of {name}")
        try:
            with (self.path / name).open("rb") as file:
                found = hashlib.file_digest(file, "sha256").hexdigest()
            size = (self.path / name).stat().st_size
        except OSError as error:
            raise self._error(f"cannot read {name} ({error.strerror})") from None
        if size != facts.bytes:
            raise self._error(f"{name} has {size:,} bytes, expected {facts.bytes:,}")
        if found != facts.sha256:
            raise self._error(f"{name} is damaged (sha256 {found[:12]}…, expected {facts.sha256[:12]}…)")

    def _verify_card(self) -> None:
        """The card may be edited and may be missing, but not be another model's or another rule's: its numbers would be
        believed."""
        try:
            text = (self.path / CARD).read_text(encoding="utf-8", errors="replace")
        except OSError:
            return
        front = _FRONT.match(text)
        named = dict(_CARD_LINE.findall(front[1])) if front else {}
        version, rule = named.get("model_version", self.version), named.get("decision_rule", self.facts.rule.name)
        if version != self.version:
            raise self._other_card(version, f"the weights are {self.version}")
        if rule != self.facts.rule.name:
            raise self._other_card(f"the decision rule {rule}", f"the folder's is {self.facts.rule.name}")

    def _other_card(self, of: str, own: str) -> ModelError:
        return ModelError(
            f"model folder {self.path}: the card {CARD} is that of {of[:120]}, {own}: its numbers do not hold here; "
            f"write it again with `babelwatch model card --model {self.path}`, or restore the folder"
        )

    def head(self) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
        """Weight [3, hidden] and bias [3] of the linear head, in float64 so that sums do not depend on the batch."""
        try:
            tensors = load_file(str(self.path / HEAD))
            weight, bias = tensors["weight"].astype(np.float64), tensors["bias"].astype(np.float64)
        except (SafetensorError, OSError, KeyError) as error:
            raise self._error(f"{HEAD} cannot be read ({error})") from None
        if weight.shape != (len(LABELS), self.config.hidden_size) or bias.shape != (len(LABELS),):
            raise self._error(f"{HEAD} has shape {weight.shape}, expected ({len(LABELS)}, {self.config.hidden_size})")
        return weight, bias
