"""A tiny random encoder in a folder of Hugging Face's layout, texts it can learn, and a configuration. Needs torch."""

import random
from pathlib import Path
from typing import Literal

from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors

GOOD, BAD, PLAIN = "good great lovely fine", "bad awful terrible poor", "opens at nine the shop on monday"
FILLERS = "a it is my phone and this today"
WORDS = f"{GOOD} {BAD} {PLAIN} {FILLERS}".split()
LABELS = {"positive": GOOD.split(), "negative": BAD.split(), "neutral": PLAIN.split()}
Kind = Literal["bert", "xlm-roberta"]


def write_tokenizer(folder: Path, kind: Kind) -> int:
    """Write ``tokenizer.json``; returns the number of its tokens."""
    if kind == "bert":
        words = {word: index for index, word in enumerate(["[PAD]", "[UNK]", "[CLS]", "[SEP]", *WORDS])}
        tokenizer = Tokenizer(models.WordPiece(words, unk_token="[UNK]"))
        tokenizer.normalizer = normalizers.Lowercase()
        tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
        marks = [("[CLS]", 2), ("[SEP]", 3)]
    else:
        pieces = [("<s>", 0.0), ("<pad>", 0.0), ("</s>", 0.0), ("<unk>", 0.0), ("\u2581", -5.0)]
        pieces += [(f"\u2581{word}", -1.0) for word in WORDS]
        tokenizer = Tokenizer(models.Unigram(pieces, unk_id=3, byte_fallback=False))
        tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
        marks = [("<s>", 0), ("</s>", 2)]
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{marks[0][0]} $A {marks[1][0]}", special_tokens=marks
    )
    tokenizer.save(str(folder / "tokenizer.json"))
    return int(tokenizer.get_vocab_size())


def write_encoder(folder: Path, kind: Kind) -> Path:
    """Two layers, 32 wide, with random weights."""
    import torch
    from transformers import AutoConfig, AutoModel

    folder.mkdir(parents=True)
    torch.manual_seed(3)
    sizes = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 64}
    pad = {"pad_token_id": 1} if kind == "xlm-roberta" else {}
    config = AutoConfig.for_model(
        kind, vocab_size=write_tokenizer(folder, kind), max_position_embeddings=140, **sizes, **pad
    )
    AutoModel.from_config(config).save_pretrained(folder)
    return folder


def write_data(folder: Path, labelled: int = 2000, unlabelled: int = 800) -> Path:
    """``english.tsv`` (id, label, text) and ``others.txt``."""
    folder.mkdir(parents=True)
    dice = random.Random(5)

    def text(words: list[str]) -> str:
        return " ".join([*dice.choices(FILLERS.split(), k=4), *dice.choices(words, k=2)])

    lines = []
    for number in range(labelled):
        label = list(LABELS)[number % 3]
        lines.append(f"{number}\t{label}\t{text(LABELS[label])} {number}")
    (folder / "english.tsv").write_text("\n".join(lines), encoding="utf-8")
    others = [f"{text(LABELS[dice.choice(list(LABELS))])} u{number}" for number in range(unlabelled)]
    (folder / "others.txt").write_text("\n".join(others), encoding="utf-8")
    return folder


def write_configuration(path: Path, encoder: str, held_out: int = 3) -> Path:
    """Two stages: labelled English, then one layer less on texts without labels."""
    path.write_text(
        f"""
name = "tiny"
data = "data"
encoder = "{encoder}"
held_out = {held_out}
[[stages]]
name = "english"
epochs = 2
batch = 8
lr = 2e-3
[[stages.labelled]]
files = ["english.tsv"]
text = 2
label = 1
[[stages]]
name = "small"
start = ["english"]
teacher = ["english"]
layers = [1]
lr = 1e-3
[[stages.unlabelled]]
files = ["others.txt"]
""",
        encoding="utf-8",
    )
    return path
