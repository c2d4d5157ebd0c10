"""Any encoder in a folder of Hugging Face's layout, taken apart: layers, word embeddings, tokenizer.

The folder holds ``config.json``, ``tokenizer.json`` and weights (``model.safetensors``, or ``pytorch_model.bin``, which
torch reads as weights alone). No code of the folder's is run. What can be used: whatever ``AutoModel`` builds and calls
with ``inputs_embeds``, and gives one vector per token (BERT, XLM-R, RoBERTa, DistilBERT, ELECTRA, DeBERTa, ...).
"""

import hashlib
import inspect
import shutil
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from pipeline.errors import ModelError
from pipeline.sentiment import tokenizer
from pipeline.sentiment.folder import EmbeddingFacts, TokenizerFacts
from pipeline.sentiment.tokenizer import OWN_CHARS_PER_TOKEN, TextTokenizer
from pipeline.sentiment.training.reference import fill
from pipeline.sentiment.training.weights import HEAD_KEYS, Weights, layer_count
from schemas.events import LABELS

if TYPE_CHECKING:
    import torch

    from pipeline.sentiment.training.sources import Table

TOKENIZER_FILE: Final = "tokenizer.json"
EMBEDDINGS_FILE: Final = "embeddings.f16"
_WEIGHTS: Final = ("model.safetensors", "pytorch_model.bin")


class EncoderFolder:
    """See :class:`pipeline.sentiment.training.sources.Source`. Raises ModelError for a folder that is no encoder."""

    def __init__(self, path: Path, prefix: str = "") -> None:
        self.path, self.name = path, path.name
        self._config = self._read_config()
        words = tokenizer.read(self._file(TOKENIZER_FILE))
        self.hidden = int(self._config.hidden_size)
        self.max_positions = self._positions()
        marks = words.encode("").ids  # begin and end marks alone
        pad = getattr(self._config, "pad_token_id", None)
        self.cutting = TokenizerFacts(
            file=TOKENIZER_FILE, prefix=prefix, pad=0 if pad is None else pad, end=marks[-1] if marks else None
        )
        if words.get_vocab_size() > len(self.table()):
            raise self._error(
                f"{TOKENIZER_FILE} has {words.get_vocab_size():,} tokens but there are {len(self.table()):,} embeddings"
            )

    def _error(self, what: str) -> ModelError:
        return ModelError(f"encoder folder {self.path}: {what}")

    def _file(self, name: str) -> Path:
        path = self.path / name
        if not path.is_file():
            raise self._error(
                f"{name} is missing; save it there with transformers: AutoModel.from_pretrained(...).save_pretrained"
                "(folder), AutoTokenizer.from_pretrained(...).save_pretrained(folder)"
            )
        return path

    def _read_config(self) -> Any:  # noqa: ANN401 - transformers has no types
        from transformers import AutoConfig

        self._file("config.json")
        try:
            config = AutoConfig.from_pretrained(self.path, local_files_only=True, trust_remote_code=False)
        except (ValueError, OSError, KeyError) as error:
            raise self._error(f"config.json is not one that transformers knows ({str(error)[:200]})") from None
        if getattr(config, "is_encoder_decoder", False) or not hasattr(config, "hidden_size"):
            raise self._error(f"{config.model_type} is no encoder of texts; use BERT, XLM-R or one like them")
        return config

    def _positions(self) -> int:
        """RoBERTa counts positions from the padding id on."""
        most = int(getattr(self._config, "max_position_embeddings", 512) or 512)
        return most - (int(self._config.pad_token_id) + 1 if "roberta" in self._config.model_type else 0)

    @cached_property
    def identity(self) -> str:
        """See :class:`Source`."""
        digest = hashlib.sha256(self.cutting.prefix.encode())
        for name in ("config.json", TOKENIZER_FILE, *_WEIGHTS):
            if (self.path / name).is_file():
                digest.update((self.path / name).read_bytes())
        return f"{self.name}@{digest.hexdigest()[:16]}"

    @cached_property
    def embeddings(self) -> EmbeddingFacts:
        """See :class:`Source`."""
        table = self.table()
        return EmbeddingFacts(
            package=self.name,
            tensor="word embeddings",
            sha256=hashlib.sha256(table.tobytes()).hexdigest(),
            file=EMBEDDINGS_FILE,
            width=table.shape[1],
        )

    def table(self) -> "Table":
        """See :class:`Source`."""
        return self._parts[1]

    def start_weights(self) -> Weights:
        """See :class:`Source`."""
        return dict(self._parts[0])

    @cached_property
    def _parts(self) -> "tuple[Weights, Table]":
        """Weights without word embeddings, with a head of zeros; and the word embeddings."""
        import torch

        model = self._load()
        words = model.get_input_embeddings()
        if type(words) is not torch.nn.Embedding or "inputs_embeds" not in inspect.signature(model.forward).parameters:
            raise self._error(f"{type(model).__name__} does not take word embeddings from outside (inputs_embeds)")
        weights = {
            key: value.detach().float().cpu().numpy().copy()
            for key, value in model.state_dict().items()
            if value.is_floating_point() and value.data_ptr() != words.weight.data_ptr()
        }
        weights[HEAD_KEYS[0]] = np.zeros((len(LABELS), self.hidden), np.float32)
        weights[HEAD_KEYS[1]] = np.zeros(len(LABELS), np.float32)
        return weights, words.weight.detach().float().numpy().astype("<f2")

    def _load(self) -> Any:  # noqa: ANN401
        from transformers import AutoModel

        if not any((self.path / name).is_file() for name in _WEIGHTS):
            self._file(_WEIGHTS[0])
        options = {"local_files_only": True, "trust_remote_code": False, "dtype": "float32"}
        try:
            model, facts = AutoModel.from_pretrained(self.path, output_loading_info=True, **options)
        except (ValueError, OSError, RuntimeError) as error:
            raise self._error(f"its weights cannot be loaded ({str(error).splitlines()[0][:200]})") from None
        missing = [key for key in facts["missing_keys"] if not key.startswith("pooler.")]
        if missing:
            raise self._error(f"its weights are not those of a {type(model).__name__}: missing {missing[:3]}")
        _without_pooler(model)
        return model

    def build(self, weights: Weights, dropout: float = 0.0, attention: str = "sdpa") -> "torch.nn.Module":
        """See :class:`Source`."""
        from transformers import AutoModel

        config = self._with_layers(layer_count(weights))
        config.vocab_size = self.cutting.pad + 1  # the table of word embeddings stays outside the graph
        for field in ("hidden_dropout_prob", "attention_probs_dropout_prob", "dropout", "attention_dropout"):
            if hasattr(config, field):
                setattr(config, field, dropout)
        model = AutoModel.from_config(config, attn_implementation=attention)
        _without_pooler(model)
        fill(model, weights, self.hidden)
        return model.float().eval()

    def tokenizer(self, max_tokens: int) -> TextTokenizer:
        """See :class:`Source`."""
        if max_tokens > self.max_positions:
            raise self._error(f"it reads at most {self.max_positions} tokens, {max_tokens} are asked for")
        words = tokenizer.read(self.path / TOKENIZER_FILE)
        return TextTokenizer(words, self.cutting.end, max_tokens, self.cutting.prefix, OWN_CHARS_PER_TOKEN)

    def save_own(self, folder: Path, tokenizer_name: str, like: Path | None = None) -> None:
        """Write tokenizer and word embeddings into a model folder; the embeddings as a link into ``like``, if given."""
        shutil.copyfile(self.path / TOKENIZER_FILE, folder / tokenizer_name)
        if like is not None:
            (folder / EMBEDDINGS_FILE).hardlink_to(like / EMBEDDINGS_FILE)
        else:
            (folder / EMBEDDINGS_FILE).write_bytes(self.table().tobytes())

    def transformers_config(self, layers: int) -> dict[str, Any]:
        """See :class:`Source`."""
        config = self._with_layers(layers)
        return {**config.to_dict(), "hidden_size": self.hidden}

    def _with_layers(self, layers: int) -> Any:  # noqa: ANN401
        """A copy of the configuration with so many layers; 0 keeps them."""
        config = type(self._config).from_dict(self._config.to_dict())
        if layers and layers != config.num_hidden_layers:
            config.num_hidden_layers = layers
        return config

    def tokenizer_config(self, max_tokens: int) -> dict[str, Any]:
        """See :class:`Source`."""
        words = self.path / TOKENIZER_FILE
        return {
            "tokenizer_class": "PreTrainedTokenizerFast",
            "sha256": hashlib.sha256(words.read_bytes()).hexdigest(),
            "model_max_length": max_tokens,
            "prefix": self.cutting.prefix,
            "normalisation": "handles -> @user, links -> http, HTML entities decoded, white space folded",
        }


def _without_pooler(model: "torch.nn.Module") -> None:
    """Texts are the mean of their tokens here; BERT's pooler reads the first token alone."""
    if hasattr(model, "pooler"):
        model.pooler = None
