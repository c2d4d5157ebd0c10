"""The sentiment model for transformers: mean pooling over the tokens of an encoder, then a linear head.

This file is copied into model folders, where transformers runs it (``trust_remote_code=True``); it needs nothing of
babelwatch. Logits are those of babelwatch's decision rule for English: its class prior and its temperature are in the
head. What depends on the language is not in here, biases and temperatures, nor is the label ``unsure``.
"""

import torch
from transformers import CONFIG_MAPPING, AutoModel, PreTrainedConfig, PreTrainedModel
from transformers.modeling_outputs import SequenceClassifierOutput

MODEL_TYPE = "bert"  # the encoder's; the export writes it


class MeanPooledClassifier(PreTrainedModel):  # type: ignore[misc]
    """Called as any sequence classifier. Texts are cut off as in babelwatch, so that none is too long."""

    config_class = CONFIG_MAPPING[MODEL_TYPE]
    base_model_prefix = "encoder"
    _supports_sdpa = True

    def __init__(self, config: PreTrainedConfig) -> None:
        super().__init__(config)
        self.encoder = AutoModel.from_config(config)
        if hasattr(self.encoder, "pooler"):
            self.encoder.pooler = None
        self.classifier = torch.nn.Linear(config.hidden_size, len(config.id2label))
        self.post_init()

    def cut_off(self, ids: torch.Tensor, mask: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """At most ``max_tokens`` tokens of each text; one that goes on ends with the end mark, as in training."""
        facts = self.config.babelwatch
        most, end = facts["max_tokens"], facts["tokenizer"]["end"]
        if ids.shape[1] <= most:
            return ids, mask
        goes_on = mask[:, most].bool()
        ids, mask = ids[:, :most].clone(), mask[:, :most]
        if end is not None:
            ids[goes_on, most - 1] = end
        return ids, mask

    def forward(
        self,
        input_ids: torch.Tensor,
        attention_mask: torch.Tensor | None = None,
        labels: torch.Tensor | None = None,
        **_ignored: object,
    ) -> SequenceClassifierOutput:
        """Logits [n, 3] of negative, neutral, positive; with ``labels`` the loss, too."""
        given = torch.ones_like(input_ids) if attention_mask is None else attention_mask
        ids, mask = self.cut_off(input_ids, given)
        hidden = self.encoder(input_ids=ids, attention_mask=mask).last_hidden_state
        weight = mask.unsqueeze(-1).to(hidden.dtype)
        logits = self.classifier((hidden * weight).sum(1) / weight.sum(1))
        loss = None if labels is None else torch.nn.functional.cross_entropy(logits, labels)
        return SequenceClassifierOutput(loss=loss, logits=logits)
