"""Labels that are trained on must be English ones: a sample of each labelled file is looked at before it is used.

Nothing but this keeps a table with labels of another language out of ``labelled``, whose language no field names.
"""

import heapq
from functools import cache, lru_cache
from pathlib import Path
from typing import Final

import msgspec

from pipeline.errors import ModelError
from pipeline.language import UNDETERMINED, LanguageDetector
from pipeline.sentiment.training.config import Labelled
from pipeline.sentiment.training.texts import clean, find, labelled_rows, text_key

SAMPLE: Final = 300
"""Texts of a file that are looked at, chosen by their hash: the same each time; a tenth of a second a file."""
ENGLISH: Final = "en"
MIN_SHARE: Final = 0.8
"""Of the texts whose language can be determined. Files of English tweets and comments have 99% or more; of tweets in
other languages 0 to 4%, in Hindi mixed with English 34%."""
MIN_DETERMINED: Final = 20
"""Fewer say nothing about a file."""


def require_english(source: Labelled, data: Path) -> None:
    """Raise ModelError when a labelled file, or all files of the source together, are not English for the most part."""
    reading = msgspec.json.encode(msgspec.structs.replace(source, files=[], without=[], take=None, weight=1.0))
    determined = english = 0
    for path in find(data, source.files):
        stat = path.stat()
        counts = _counts(path, stat.st_size, stat.st_mtime_ns, reading)
        _judge(str(path), *counts)
        determined, english = determined + counts[0], english + counts[1]
    _judge(", ".join(source.files), determined, english)


def _judge(name: str, determined: int, english: int) -> None:
    if determined >= MIN_DETERMINED and english < MIN_SHARE * determined:
        raise ModelError(
            f"{name}: {english / determined:.0%} of {determined} sampled texts are English, and labels of other "
            "languages may not be trained on: take the file out of `labelled`, or its rows in other languages out of "
            "the file; texts without their labels can be learned from as `unlabelled`"
        )


@lru_cache(maxsize=1024)
def _counts(path: Path, _size: int, _mtime: int, reading: bytes) -> tuple[int, int]:
    """Of a sample of a file, read as the source in ``reading`` says: texts whose language can be determined, and those
    of them that are English."""
    source = msgspec.json.decode(reading, type=Labelled)
    texts = dict.fromkeys(text for _, text, _ in labelled_rows(source, path))
    tags = [_detector().detect(clean(text)).tag for text in heapq.nsmallest(SAMPLE, texts, key=text_key)]
    determined = [tag for tag in tags if tag != UNDETERMINED]
    return len(determined), determined.count(ENGLISH)


@cache
def _detector() -> LanguageDetector:
    return LanguageDetector()
