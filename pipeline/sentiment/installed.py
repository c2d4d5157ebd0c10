"""Model folders by name, here and on other machines, and the proof that one works before anybody relies on it."""

import hashlib
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from pipeline.errors import ModelError
from pipeline.sentiment.folder import CHECKED, CONFIG, ModelFolder
from pipeline.sentiment.model import Int8Model, SentimentModel, load_model
from pipeline.settings import PACKAGE, Settings

SHIPPED: Final = PACKAGE / "sentiment" / "models"

GOOD: Final = "This is wonderful, I love it, thank you so much!"
BAD: Final = "This is terrible, I hate it, what a shameful waste of money."


def folders(settings: Settings) -> dict[str, list[Path]]:
    """Name -> folders of that name: what is shipped, and what lies in ``settings.models_dir``."""
    found: dict[str, list[Path]] = {}
    for place in (SHIPPED, settings.models_dir):
        for config in sorted(place.glob(f"*/{CONFIG}")):
            found.setdefault(config.parent.name, []).append(config.parent.absolute())
    return found


def find(model: str, settings: Settings) -> Path:
    """The folder that ``model`` names: a path, or the name of a shipped or installed model.

    A name has no slash, so that ``./fast`` is a path and ``fast`` is not. Raises ModelError with the names there are.
    """
    if "/" in model or model in {".", ".."}:
        path = Path(model).expanduser().absolute()
        if not path.is_dir():
            raise ModelError(f"{model}: there is no such folder; give a model folder, or one of {_names(settings)}")
        return path
    known = folders(settings).get(model, [])
    if not known:
        raise ModelError(
            f"no model is named {model!r}: known are {_names(settings)} (shipped, and in {settings.models_dir}); give "
            "a path with a slash for any other folder"
        )
    if len(known) > 1:
        raise ModelError(f"{model!r} is the name of two folders: give the path, {' or '.join(map(str, known))}")
    return known[0]


def fingerprint(path: Path) -> str:
    """SHA-256 of a folder's config.json: of its rule and the checksums of its files. Raises ModelError."""
    try:
        return hashlib.sha256((path / CONFIG).read_bytes()).hexdigest()
    except OSError as error:
        raise ModelError(f"model folder {path}: cannot read {CONFIG} ({error.strerror})") from None


def weights_hash(folder: ModelFolder) -> str:
    """16 hex digits for everything that log-probabilities depend on; the decision rule is not among it."""
    facts = folder.facts
    parts = [*(facts.files[name].sha256 for name in CHECKED), str(facts.max_tokens), facts.embeddings.sha256]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]


def locate(wanted: str, name: str, path: str, settings: Settings) -> Path:
    """The folder whose fingerprint is ``wanted`` on this machine: at ``path``, or installed under any name.

    Raises ModelError that says where it was looked for, and where to copy it.
    """
    others = []
    for place in _places(name, path, settings):
        try:
            if fingerprint(place) == wanted:
                return place
        except ModelError:
            continue
        others.append(place)
    there = f"{path} holds another model, and " if Path(path) in others else ""
    targets = [path, str(settings.models_dir / name)]
    raise ModelError(
        f"model {name!r} is not on this machine: {there}no folder in {SHIPPED} or {settings.models_dir} has a "
        f"config.json with SHA-256 {wanted[:12]}…; copy it to {' or '.join(dict.fromkeys(targets))}"
    )


def load_proved(path: Path, settings: Settings) -> Int8Model:
    """Load the model of ``path``: every file verified, and seen to judge. Raises ModelError, and changes nothing."""
    model = load_model(settings.model_copy(update={"model_path": path}))
    prove(model)
    return model


def prove(model: SentimentModel) -> None:
    """Let the model judge two English texts that nobody takes for each other.

    Raises ModelError when it fails, gives no probabilities, or takes the bad one for the better: then its labels are
    in another order, or it has learned nothing. Which labels it gives does not matter.
    """
    try:
        good, bad = model.log_probabilities([GOOD, BAD])
        judged = model.decide([good, bad], ["en", "en"])
    except ModelError:
        raise
    except Exception as error:
        raise ModelError(
            f"the model {model.name} fails on an ordinary text ({type(error).__name__}: {error})"
        ) from error
    for one in judged:
        values = (one.negative, one.neutral, one.positive)
        if not all(map(math.isfinite, values)) or abs(sum(values) - 1) > 1e-3:
            raise ModelError(f"the model {model.name} gives no probabilities for an ordinary text: {values}")
    if not (good[2] - good[0] > bad[2] - bad[0]):
        raise ModelError(
            f"the model {model.name} finds {BAD!r} more positive than {GOOD!r}: its labels are in another order than "
            "negative, neutral, positive, or it was not trained"
        )


def _places(name: str, path: str, settings: Settings) -> Iterator[Path]:
    yield Path(path)
    known = folders(settings)
    yield from known.pop(name, [])
    for others in known.values():
        yield from others


def _names(settings: Settings) -> str:
    return ", ".join(sorted(folders(settings))) or "none"
