"""The text as the model was trained to read it. Pure: no model, no file."""

import html
import re
from typing import Final

PREFIX: Final = "query: "
"""multilingual-e5 was trained with it; without it the embeddings drift."""

_LINK: Final = re.compile(r"(?:https?://|www\.)\S+", re.IGNORECASE)
# A handle follows neither a letter (that is an e-mail address) nor another @.
_HANDLE: Final = re.compile(r"(?<![\w@])@\w[\w.\-]*(?:@[\w.\-]+)?")
_SPACE: Final = re.compile(r"\s+")
_SURROGATE: Final = re.compile("[\ud800-\udfff]")


def normalise(text: str) -> str:
    """Handles become ``@user``, links ``http``, HTML entities their characters, white space single blanks.

    Never raises: NUL becomes a blank and lone surrogates U+FFFD, so any string can go into the tokenizer. The
    result may be empty.
    """
    decoded = html.unescape(text) if "&" in text else text
    decoded = _SURROGATE.sub("\ufffd", decoded).replace("\0", " ")
    return _SPACE.sub(" ", _HANDLE.sub("@user", _LINK.sub("http", decoded))).strip()
