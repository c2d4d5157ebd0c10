"""The shipped classifier: which romanised language, or which language in its usual Latin letters, a line is in.

A fastText model (character n-grams, quantised) read by the same library as ``lid.176``. `model/README.md` is its card.
"""

import hashlib
import re
from functools import cache
from importlib.resources import as_file, files
from typing import Final, Protocol

import msgspec
from msgspec import Struct

from pipeline.errors import ModelError

FOLDER: Final = "model"
MODEL: Final = "romanised.ftz"
FACTS: Final = "model.json"
ANSWERS: Final = 12
"""How many languages are asked for; what the others get together is a few thousandths."""
_LABEL: Final = "__label__"
_WORD: Final = re.compile(r"[\w']+")
_tag = cache(lambda label: label.removeprefix(_LABEL))


class Facts(Struct, frozen=True, forbid_unknown_fields=True):
    """`model.json`: what the model file is and how it was made."""

    name: str
    """On every detected language, beside lid.176."""
    sha256: str
    bytes: int
    own: tuple[str, ...]
    """Tags on which the classifier decides; its other labels only say that it is none of these."""
    lines: dict[str, int]
    """Training lines by label."""
    lines_sha256: str
    seed: int
    statement_sha256: str
    """Of `sources.tsv`."""
    packages: dict[str, str]
    """What wrote and trained, and their versions."""
    seconds: dict[str, float]
    """Time of each step, wall clock."""


class FastText(Protocol):
    """What both libraries named fasttext have."""

    def predict(self, text: str, k: int) -> tuple[tuple[str, ...], tuple[float, ...]]:
        """Return the ``k`` best labels of one line, and their probabilities."""
        ...


def _broken(what: str) -> ModelError:
    return ModelError(
        f"romanised-language classifier: {what}; restore it (git checkout, or reinstall babelwatch), or train it again "
        "(`python -m pipeline.romanised.train --help`)"
    )


@cache
def facts() -> Facts:
    """What `model.json` says. Raises ModelError."""
    try:
        return msgspec.json.decode((files(__package__) / FOLDER / FACTS).read_bytes(), type=Facts)
    except OSError as error:
        raise _broken(f"cannot read {FACTS} ({error.strerror})") from None
    except msgspec.DecodeError as error:
        raise _broken(f"{FACTS} is not valid ({error})") from None


@cache
def model() -> FastText:
    """The model, verified and loaded once per process, without the network. Raises ModelError."""
    import fasttext

    try:
        with as_file(files(__package__) / FOLDER / MODEL) as path:
            data = path.read_bytes()
            found = hashlib.sha256(data).hexdigest()
            if found != facts().sha256:
                raise _broken(f"{MODEL} is damaged (sha256 {found[:12]}…, expected {facts().sha256[:12]}…)")
            loaded: FastText = fasttext.load_model(str(path))
            return loaded
    except OSError as error:
        raise _broken(f"cannot read {MODEL} ({error.strerror})") from None
    except ValueError as error:
        raise _broken(f"{MODEL} cannot be loaded ({error})") from None


def prepare(line: str) -> str:
    """The words of a cleaned line (:func:`pipeline.text.clean_for_language`) that the classifier reads: no numbers."""
    return " ".join([word for word in _WORD.findall(line.replace("’", "'")) if not word.isdigit()])


def classify(words: str) -> dict[str, float]:
    """Probability of each of the best labels for what :func:`prepare` gives; empty when there is no word."""
    if not words:
        return {}
    labels, probabilities = model().predict(words, k=ANSWERS)
    return dict(zip(map(_tag, labels), map(float, probabilities), strict=True))
