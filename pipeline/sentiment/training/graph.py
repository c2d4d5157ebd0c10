"""From torch to OpenVINO, and to int8 with static scales (nncf).

Static, because dynamic scales are taken over the whole batch: 3 to 4% of labels then change with the company a text is
in. The same weights, texts and package versions give the same bytes on the same kind of processor.
"""

import warnings
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from pipeline.sentiment.training.sources import Source, Table

if TYPE_CHECKING:
    import torch

SMOOTH_QUANT_ALPHA: Final = 0.8
"""How much of the activations' range moves into the weights. Chosen without labels, by KL divergence from float32 on
720 held-out tweets: 0.0005 in English and 0.0012 in seven other languages; nncf's own 0.95 gives 0.0018 and 0.0030."""


def pooled_encoder(encoder: "torch.nn.Module") -> "torch.nn.Module":
    """Wrap an encoder so that it returns the mean of the last layer over real tokens: [batch, hidden]."""
    import torch

    class Pooled(torch.nn.Module):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.encoder = encoder

        def forward(self, inputs_embeds: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
            hidden = self.encoder(inputs_embeds=inputs_embeds, attention_mask=attention_mask).last_hidden_state
            weight = attention_mask.unsqueeze(-1).to(hidden.dtype)
            pooled: torch.Tensor = (hidden * weight).sum(1) / weight.sum(1)
            return pooled

    return Pooled().eval()


def to_openvino(encoder: "torch.nn.Module", width: int) -> Any:  # noqa: ANN401 - openvino has no types
    """Convert to an OpenVINO model with inputs ``inputs_embeds`` [?, ?, width] and ``attention_mask`` [?, ?]."""
    import openvino as ov
    import torch

    example = {"inputs_embeds": torch.zeros(2, 16, width), "attention_mask": torch.ones(2, 16, dtype=torch.int64)}
    shapes = [("inputs_embeds", [-1, -1, width]), ("attention_mask", [-1, -1])]
    with torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the tracer, which OpenVINO calls: nothing that a user could do
        return ov.convert_model(pooled_encoder(encoder), example_input=example, input=shapes)


def quantise(model: Any, texts: Sequence[str], source: Source, max_tokens: int) -> Any:  # noqa: ANN401
    """Return ``model`` with int8 weights and static int8 activation scales measured on ``texts``."""
    import nncf

    table: Table = source.table()
    tokens = source.tokenizer(max_tokens).encode(texts)

    def feed(ids: list[int]) -> dict[str, Any]:
        return {
            "inputs_embeds": table[np.asarray([ids])].astype(np.float32),
            "attention_mask": np.ones((1, len(ids)), np.int64),
        }

    dataset = nncf.Dataset([one.ids for one in tokens], feed)
    parameters = nncf.AdvancedQuantizationParameters(
        smooth_quant_alphas=nncf.AdvancedSmoothQuantParameters(matmul=SMOOTH_QUANT_ALPHA)
    )
    return nncf.quantize(
        model,
        dataset,
        model_type=nncf.ModelType.TRANSFORMER,
        subset_size=len(tokens),
        advanced_parameters=parameters,
    )
