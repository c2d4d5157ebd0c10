"""Sections of the card about how the model was made: training, data, rule, export. From export.json alone."""

import textwrap
from typing import Final

from pipeline.sentiment.folder import FileFacts
from pipeline.sentiment.rule import RuleFacts
from pipeline.sentiment.training.config import Labelled, Pairs, Stage, Unlabelled
from pipeline.sentiment.training.export_facts import BiasFacts, ExportFacts, Fidelity, StageRecord, Training
from pipeline.sentiment.training.language_temperature import LanguageTemperature
from schemas.events import LABELS

NOT_RECORDED: Final = "Not recorded in this folder."


def paragraph(*parts: str) -> str:
    """The parts as lines of at most 118 characters."""
    return textwrap.fill(" ".join(parts), 118, break_long_words=False, break_on_hyphens=False)


def training(facts: ExportFacts | None) -> str:
    """What the layers learned from, stage by stage."""
    if facts is None or facts.training is None:
        weights = "" if facts is None else " " + _weights(facts)
        return f"{NOT_RECORDED}{weights}"
    made = facts.training
    seconds = sum(one.seconds for one in made.stages)
    where = made.machine.accelerator or f"{made.machine.cores} cores, {made.machine.processor}"
    lines = [
        paragraph(
            "Labels: **English alone**. No label of another language was used for training or calibrating, nor for",
            "choosing, but for one yes or no that is told under Decision rule.",
            "What has no label here learns what an earlier stage (its teacher) says of it. The loss sees logits plus",
            "the log class mix of each labelled set, so that the model gives balanced posteriors.",
        ),
        "",
        "| stage | starts from | teacher | learned from | examples | passes | rate | minutes |",
        "|---|---|---|---|---|---|---|---|",
        *(_stage(one) for one in made.stages),
        "",
        paragraph(
            f"Run `{made.run}`, exported: {_exported(made)}; {seconds / 60:.0f} minutes in all on {where}",
            f"(threads: {made.machine.threads}). {_weights(facts)}",
            f"One English text in {made.held_out}, by its hash, was never trained on.",
        ),
    ]
    return "\n".join(lines)


def _weights(facts: ExportFacts) -> str:
    return " ".join(f"Weights `{name}`: SHA-256 `{one.sha256[:12]}`." for name, one in facts.weights.items())


def _exported(made: Training) -> str:
    names = ", ".join(f"`{name}`" for name in made.exported)
    return f"the mean of the weights of {names}" if len(made.exported) > 1 else f"stage {names}"


def _stage(one: StageRecord) -> str:
    stage = one.stage
    if not one.examples:
        return f"| `{stage.name}` | mean of {_names(stage.start)} | - | - | - | - | - | - |"
    kept = f" (layers {', '.join(map(str, stage.layers))})" if stage.layers else ""
    return (
        f"| `{stage.name}` | {_names(stage.start)}{kept} | {_names(stage.teacher) or '-'} | {_sources(stage)} | "
        f"{one.examples:,} | {stage.epochs:g} | {stage.lr:g} | {one.seconds / 60:.0f} |"
    )


def _sources(stage: Stage) -> str:
    sources: list[Labelled | Pairs | Unlabelled] = [*stage.labelled, *stage.pairs, *stage.unlabelled]
    return "; ".join(_source(one) for one in sources)


def _source(one: Labelled | Pairs | Unlabelled) -> str:
    most = "" if one.take is None else f", at most {one.take:,}"
    if isinstance(one, Labelled):
        return f"English with labels: {_names(one.files)}{most}"
    if isinstance(one, Pairs):
        names = one.files or [side for side in (one.english, one.other) if side]
        return f"pairs without labels: {_names(names)}{most}"
    chosen = "" if one.select is None else f", the surest {100 * one.select:.0f}%"
    return f"texts without labels: {_names(one.files)}{chosen}{most}"


def _names(files: list[str]) -> str:
    return ", ".join(f"`{name}`" for name in files)


def data(facts: ExportFacts | None) -> str:
    """Every file that was read, with size and checksum."""
    if facts is None or facts.training is None:
        return NOT_RECORDED
    files = facts.training.data
    rows = [_file(name, one, name in facts.training.left_out) for name, one in files.items()]
    size = sum(one.bytes for one in files.values()) / 1e6
    return "\n".join(
        [
            f"{len(files)} files, {size:,.1f} MB. Texts by third parties, which are not in this folder.",
            "",
            "<details><summary>Files, bytes, SHA-256 (first 12 digits; all of them in export.json)</summary>",
            "",
            "| file | bytes | SHA-256 |",
            "|---|---|---|",
            *rows,
            "",
            "</details>",
        ]
    )


def _file(name: str, one: FileFacts, left_out: bool) -> str:
    return f"| {name}{' (its texts left out of training)' if left_out else ''} | {one.bytes:,} | {one.sha256[:12]} |"


def rule(rule_facts: RuleFacts, facts: ExportFacts | None) -> str:
    """The decision rule in words and numbers."""
    prior = " / ".join(f"{share:.2f}" for share in rule_facts.class_prior)
    taken = "" if not any(rule_facts.log_prior) else f" - log prior ({prior} negative / neutral / positive)"
    bias = " + bias of the language" if rule_facts.biases else ""
    heat = ", in other languages hotter" if rule_facts.temperatures else ""
    parts = [
        f"`{rule_facts.name}`: softmax((log p{taken}{bias}) / {rule_facts.temperature:g}{heat}),",
        "its greatest is the label.",
        "The uncorrected log-probabilities are kept beside each label.",
    ]
    if facts is not None and facts.temperature is not None:
        found = facts.temperature
        parts += [
            f"The temperature is the likeliest on {found.texts:,} held-out English texts, each label weighing a third:",
            f"mean negative log-likelihood {found.before:.4f} without it, {found.after:.4f} with it.",
        ]
    lines = [paragraph(*parts)]
    if facts is not None and facts.temperatures:
        lines += ["", *_temperatures(facts.temperatures)]
    if facts is not None and facts.biases is not None:
        lines += ["", *_biases(facts.biases)]
    return "\n".join(lines)


def _temperatures(found: dict[str, LanguageTemperature]) -> list[str]:
    return [
        paragraph(
            f"Temperatures of {len(found)} languages were estimated without labels: each brings the mean confidence",
            "down to what confidence in English is worth there (trust: how far the language is read as English is, on",
            "parallel sentences). They move no label. A language that is not listed has the hottest of them.",
        ),
        "",
        "<details><summary>Temperatures</summary>",
        "",
        "| language | looked at | trust | confidence | worth | temperature |",
        "|---|---|---|---|---|---|",
        *(
            f"| {tag} | {one.texts} {one.source} | {one.trust:.2f} | {one.confidence:.2f} | {one.wanted:.2f} | "
            f"{one.temperature:.2f} |"
            for tag, one in found.items()
        ),
        "",
        "</details>",
    ]


def _biases(found: BiasFacts) -> list[str]:
    told = "are in the rule" if found.shipped else "are **not** in the rule"
    return [
        paragraph(
            f"Biases of {len(found.estimates)} languages were estimated without labels, on {found.sentences} sentences",
            f"and their translations; they {told}.",
        ),
        "",
        f"<details><summary>Estimates ({' / '.join(LABELS)}, in logits; kept: share that shrinkage leaves)</summary>",
        "",
        "| language | found | kept | bias |",
        "|---|---|---|---|",
        *(
            f"| {tag} | {_triple(one.found)} | {one.kept:.2f} | {_triple(one.bias)} |"
            for tag, one in found.estimates.items()
        ),
        "",
        "</details>",
    ]


def _triple(values: tuple[float, float, float]) -> str:
    return " / ".join(f"{value:+.2f}" for value in values)


def export(facts: ExportFacts | None) -> str:
    """How true the graph is to the trained network."""
    if facts is None:
        return NOT_RECORDED
    proof = facts.fidelity
    lines = []
    if facts.scales is not None:
        one = facts.scales
        lines += [
            paragraph(
                "int8 weights and **static** int8 activation scales (nncf, OpenVINO), measured without labels on",
                f"{one.english} English texts, {one.other} in other languages and {one.joined} that are four joined.",
            ),
            "",
        ]
    lines += [
        "Against the trained network in torch, float32:",
        "",
        "| graph | texts | same label |",
        "|---|---|---|",
        *(f"| {one.graph} | {one.texts:,} {_where(one.on)} | {100 * one.share:.2f}% |" for one in proof.agreements),
        "",
        *_f1(proof),
        f"{proof.batches.texts} texts alone and in shuffled batches of {', '.join(map(str, proof.batches.sizes))}: "
        f"{proof.batches.other_labels} got another label, {proof.batches.other_numbers} other probabilities.",
    ]
    if proof.missed:
        lines += ["", "**Forced, although a bound was missed:** " + "; ".join(proof.missed) + "."]
    return "\n".join(lines)


def _where(on: str) -> str:
    return "held-out English" if on == "english" else "in other languages"


def _f1(proof: Fidelity) -> list[str]:
    if proof.torch_f1 is None or proof.served_f1 is None:
        return []
    return [
        f"Macro-F1 x 100 on held-out English: {100 * proof.torch_f1:.2f} in torch, {100 * proof.served_f1:.2f} here."
    ]


def reproduce(name: str, facts: ExportFacts | None, biases: bool = False) -> str:
    """The commands; ``biases``: the folder's evaluation has measured what they change."""
    more = " --with-biases" if biases else ""
    lines = ["```console", "$ make setup-train"]
    if facts is not None and facts.training is not None:
        made = facts.training
        stages = "".join(f" --stage {stage}" for stage in made.exported)
        lines += [
            f"$ .venv/bin/babelwatch model train {made.run}.toml --data DATA --output runs/{made.run}",
            f"$ .venv/bin/babelwatch model export --run runs/{made.run}{stages} --name {name} "
            f"--precision {facts.precision}{' --full' if facts.full else ''}"
            f"{' --biases' if facts.biases and facts.biases.shipped else ''} --output {name}",
        ]
    else:
        lines += [
            f"$ .venv/bin/babelwatch model export --weights WEIGHTS --calibration TEXTS --name {name} --output {name}"
        ]
    lines += [
        f"$ .venv/bin/babelwatch model evaluate --model {name} --data umsab{more} --write",
        f"$ .venv/bin/babelwatch model trust --model {name} --write",
        f"$ .venv/bin/babelwatch model card --model {name}",
        "```",
    ]
    if facts is not None:
        versions = ", ".join(f"{package} {version}" for package, version in facts.packages.items())
        lines += [
            "",
            paragraph(f"Exported with {versions}. Another kind of processor may round int8 scales differently."),
        ]
    return "\n".join(lines)
