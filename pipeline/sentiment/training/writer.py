"""Writing a model folder: graph, head, tokenizer, own embeddings, ``config.json`` with everything's checksums."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import msgspec
from safetensors.numpy import save_file

from pipeline.sentiment import folder
from pipeline.sentiment.folder import ModelFolder, TokenizerFacts
from pipeline.sentiment.rule import RuleFacts
from pipeline.sentiment.training.foreign import EncoderFolder
from pipeline.sentiment.training.full import tokenizer_keys, transformers_keys
from pipeline.sentiment.training.runs import file_facts
from pipeline.sentiment.training.sources import Source
from pipeline.sentiment.training.weights import HEAD_KEYS, Weights, layer_count
from schemas.events import LABELS

SERVED_TOKENIZER: Final = "served_tokenizer.json"
"""In a full folder ``tokenizer.json`` is transformers': with normalisation and prefix in it."""


@dataclass(frozen=True)
class FolderWriter:
    """What all folders of one export share."""

    name: str
    source: Source
    weights: Weights
    max_tokens: int
    full: bool = False

    @property
    def cutting(self) -> TokenizerFacts:
        """The tokenizer as config.json names it."""
        facts = self.source.cutting
        return msgspec.structs.replace(facts, file=SERVED_TOKENIZER) if self.full and facts.file else facts

    def write(self, path: Path, graph: Any, rule: RuleFacts, like: Path | None = None) -> ModelFolder:  # noqa: ANN401
        """Write ``path`` and verify it. Own embeddings are linked to those of the folder ``like``, if given."""
        import openvino as ov

        path.mkdir()
        ov.save_model(graph, str(path / folder.GRAPH), compress_to_fp16=False)
        head = {"weight": self.weights[HEAD_KEYS[0]], "bias": self.weights[HEAD_KEYS[1]]}
        save_file(head, str(path / folder.HEAD), metadata={"labels": ",".join(LABELS)})
        if isinstance(self.source, EncoderFolder):
            self.source.save_own(path, str(self.cutting.file), like)
        self.finish(path, rule)
        return ModelFolder(path)

    def finish(self, path: Path, rule: RuleFacts) -> None:
        """Write the two configurations of what lies in ``path``."""
        tokens = (
            tokenizer_keys(self.source, self.max_tokens) if self.full else self.source.tokenizer_config(self.max_tokens)
        )
        write_json(path / folder.TOKENIZER, tokens)
        embeddings, cutting = self.source.embeddings, self.cutting
        names = [*folder.CHECKED, *(name for name in (cutting.file, embeddings.file) if name)]
        config = {
            **self.source.transformers_config(layer_count(self.weights)),
            **(transformers_keys(self.source) if self.full else {}),
            "id2label": {str(index): label for index, label in enumerate(LABELS)},
            "label2id": {label: index for index, label in enumerate(LABELS)},
            "babelwatch": {
                "format": folder.FORMAT,
                "name": self.name,
                "rule": msgspec.to_builtins(rule),
                "max_tokens": self.max_tokens,
                "pooling": "mean",
                "embeddings": msgspec.to_builtins(embeddings),
                "tokenizer": msgspec.to_builtins(cutting),
                "files": {name: msgspec.to_builtins(file_facts(path / name)) for name in names},
            },
        }
        write_json(path / folder.CONFIG, config)


def write_json(path: Path, value: dict[str, Any]) -> None:
    """Indented, with letters as they are."""
    path.write_text(json.dumps(value, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
