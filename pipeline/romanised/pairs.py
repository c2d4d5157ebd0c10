"""Pairs (English, romanised) out of pairs with a sentence in the language's own script, to train the sentiment model.

The teacher reads the English side, the student the romanised one: what a romanised language means is learned without a
label and without a text that somebody else romanised. Each sentence is written by several writers with habits of their
own. Needs the packages of `requirements.txt` beside this file::

    python -m pipeline.romanised.pairs DATA/tatoeba DATA/pairs
"""

import random
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from pipeline.errors import BabelwatchError, InputError
from pipeline.romanised.spelling import Writer
from pipeline.text import clean_for_language

TATOEBA: Final = {
    "hi": "hin", "ar": "ara", "el": "ell", "ru": "rus", "ja": "jpn", "th": "tha", "bn": "ben", "ta": "tam",
}  # fmt: skip
"""Language -> what its file is called in LASER's copy of Tatoeba (``tatoeba.hin-eng.hin``)."""
WRITERS: Final = 2
"""Each sentence is written by so many."""
SEED: Final = 1


def romanised_pairs(language: str, pairs: Sequence[tuple[str, str]]) -> Iterator[tuple[str, str]]:
    """(English, romanised) of each (English, native) pair, ``WRITERS`` times, the same for the same input.

    What a writer leaves nothing of (another script, digits alone) is left out. Raises BabelwatchError when the packages
    are missing.
    """
    for number, (english, native) in enumerate(pairs):
        for turn in range(WRITERS):
            dice = random.Random(f"{SEED}:{language}:{number}:{turn}")  # noqa: S311 - reproducible, not secret
            written = Writer(language, dice).write(clean_for_language(native))
            if len(written.split()) * 2 >= len(english.split()):
                yield english, written


def read(folder: Path, code: str) -> list[tuple[str, str]]:
    """(English, native) lines of a language. Raises InputError."""
    try:
        english, native = (
            (folder / f"tatoeba.{code}-eng.{side}").read_text(encoding="utf-8").rstrip("\n").split("\n")
            for side in ("eng", code)
        )
    except OSError as error:
        raise InputError(f"{error.filename} cannot be read: the folder is data/tatoeba/v1 of LASER") from None
    return list(zip(english, native, strict=True))


def main(arguments: Sequence[str]) -> int:
    """Write ``<language>-Latn.tsv`` of each language. Returns an exit code."""
    if len(arguments) != 2:
        print("usage: python -m pipeline.romanised.pairs TATOEBA_FOLDER OUTPUT_FOLDER", file=sys.stderr)
        return 2
    source, target = map(Path, arguments)
    target.mkdir(parents=True, exist_ok=True)
    try:
        for language, code in TATOEBA.items():
            lines = [f"{english}\t{written}\n" for english, written in romanised_pairs(language, read(source, code))]
            (target / f"{language}-Latn.tsv").write_text("".join(lines), encoding="utf-8")
            print(f"{language}-Latn: {len(lines):,} pairs", file=sys.stderr)
    except BabelwatchError as error:
        print(f"babelwatch: {error}", file=sys.stderr)
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
