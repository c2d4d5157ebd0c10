"""Train the classifier of romanised languages: ``python -m pipeline.romanised.train --texts FOLDER``, about 4 minutes.

``FOLDER`` holds clones of the repositories that `sources.tsv` names. The environment is one of its own
(`requirements.txt` beside this file). Same texts, packages and seed give the same bytes: one thread, all randomness
from one seed. Written: the quantised model, and `model.json`, which says what it is and how it was made.
"""

import argparse
import hashlib
import importlib
import importlib.metadata
import random
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any, Final

import msgspec

from pipeline.errors import BabelwatchError
from pipeline.romanised import sources
from pipeline.romanised.classifier import FACTS, FOLDER, MODEL, Facts
from pipeline.romanised.corpus import MENDED, NATIVE, Corpus, Say
from pipeline.romanised.transliterate import TrainingPackagesMissing, missing

NAME: Final = "romanised-1"
SEED: Final = 1
FIT: Final = {
    "dim": 24, "minn": 2, "maxn": 4, "bucket": 400_000, "epoch": 4, "lr": 0.4, "minCount": 8, "loss": "softmax",
    "thread": 1, "verbose": 0,
}  # fmt: skip
"""Chosen among nine settings on generated lines of another seed, the annotated Hindi tweets kept for choosing, and
English texts: more epochs write down the generator's habits, longer n-grams cost a fifth of the speed for nothing."""
QUANTISE: Final = {
    "cutoff": 40_000,
    "retrain": True,
    "epoch": 1,
    "lr": 0.1,
    "qnorm": True,
    "dsub": 2,
    "thread": 1,
    "verbose": 0,
}
"""40,000 words and n-grams are kept: 0.9 MB. Against the model before, 0.3 points of recall on generated lines."""
PACKAGES: Final = ("fasttext-ng", "uroman", "cutlet", "unidic-lite", "pythainlp", "numpy")


def write_lines(corpus: Corpus, path: Path, share: float, say: Say) -> Counter[str]:
    """Write the training lines in fastText's form, shuffled; return how many each label has."""
    rows = [f"__label__{label} {line}" for label, line in corpus.lines(say, share)]
    random.Random(SEED).shuffle(rows)  # noqa: S311 - not for secrets
    path.write_text("\n".join(rows) + "\n", encoding="utf-8")
    return Counter(row.split(" ", 1)[0].removeprefix("__label__") for row in rows)


def trainer() -> Any:  # noqa: ANN401 - a module without types
    """fastText with its trainer. Raises TrainingPackagesMissing."""
    try:
        fasttext = importlib.import_module("fasttext")
    except ImportError as error:
        raise missing(error) from None
    if not hasattr(fasttext, "train_supervised"):
        raise TrainingPackagesMissing(
            "the installed fasttext (fasttext-predict) cannot train: use an environment of its own, made from "
            "pipeline/romanised/requirements.txt"
        )
    return fasttext


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def train(texts: Path, output: Path, seed: int, share: float, say: Say) -> Facts:
    """Make the model in ``output`` from the clones in ``texts``, on ``share`` of the usual lines.

    Raises BabelwatchError.
    """
    fasttext = trainer()
    output.mkdir(parents=True, exist_ok=True)
    seconds: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as scratch:
        lines = Path(scratch) / "lines.txt"
        began = time.monotonic()
        counts = write_lines(Corpus(texts, seed), lines, share, say)
        seconds["lines"] = round(time.monotonic() - began, 1)
        say(f"training on {counts.total():,} lines in {len(counts)} languages")
        began = time.monotonic()
        model = fasttext.train_supervised(input=str(lines), seed=seed, **FIT)
        seconds["training"] = round(time.monotonic() - began, 1)
        say("quantising")
        began = time.monotonic()
        model.quantize(input=str(lines), **QUANTISE)
        model.save_model(str(output / MODEL))
        seconds["quantising"] = round(time.monotonic() - began, 1)
        facts = Facts(
            name=NAME,
            sha256=_digest(output / MODEL),
            bytes=(output / MODEL).stat().st_size,
            own=(*NATIVE, *MENDED),
            lines=dict(sorted(counts.items())),
            lines_sha256=_digest(lines),
            seed=seed,
            statement_sha256=_digest(sources.STATEMENT),
            packages={name: importlib.metadata.version(name) for name in PACKAGES},
            seconds=seconds,
        )
    (output / FACTS).write_bytes(msgspec.json.format(msgspec.json.encode(facts), indent=2) + b"\n")
    return facts


def main() -> int:
    """Train; the exit code is that of the error, if one is met."""
    parser = argparse.ArgumentParser(prog="python -m pipeline.romanised.train", description=__doc__.split("\n")[0])
    parser.add_argument("--texts", type=Path, required=True, help="folder with clones of what sources.tsv names")
    parser.add_argument("--output", type=Path, default=Path(__file__).parent / FOLDER, help="folder of the model")
    parser.add_argument("--seed", type=int, default=SEED)
    parser.add_argument("--share", type=float, default=1.0, help="share of the lines, for a try: 0.01 takes seconds")
    chosen = parser.parse_args()
    try:
        facts = train(chosen.texts, chosen.output, chosen.seed, chosen.share, lambda line: print(line, flush=True))
    except BabelwatchError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code
    print(f"{chosen.output / MODEL}: {facts.bytes:,} bytes, sha256 {facts.sha256}, {facts.seconds} s")
    return 0


if __name__ == "__main__":
    sys.exit(main())
