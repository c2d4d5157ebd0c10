"""What biases by language change: the same log-probabilities under two rules that differ in nothing else.

An export estimates biases without labels and records them (``export.json``); whether they are in the rule is decided
when it is made, for all languages alike. Here both rules are compared on labelled texts, so that the card can say what
that decision costs or gains.
"""

from collections.abc import Mapping, Sequence

from msgspec.structs import asdict

from pipeline.errors import ModelError
from pipeline.sentiment.folder import ModelFolder
from pipeline.sentiment.measure.comparison import compare
from pipeline.sentiment.measure.evaluation import Options
from pipeline.sentiment.measure.judging import Judged
from pipeline.sentiment.measure.results import Biases, Evaluation, RuleDifference, RuleMean
from pipeline.sentiment.rule import LogProbabilities, RuleFacts, named
from pipeline.sentiment.training.export_facts import read_facts


def recorded(folder: ModelFolder) -> dict[str, LogProbabilities]:
    """The biases that the export estimated, by BCP 47 tag, in logits. Raises ModelError when there are none."""
    facts = read_facts(folder)
    if facts is None or facts.biases is None or not facts.biases.estimates:
        what = "no export.json" if facts is None else "no estimated biases in export.json (bare weights have none)"
        raise ModelError(
            f"model folder {folder.path} has {what}, so that --with-biases has nothing to compare: export a run again "
            "with `babelwatch model export --run`, or leave the option out"
        )
    return {tag: one.bias for tag, one in facts.biases.estimates.items()}


def other_rule(rule: RuleFacts, biases: Mapping[str, LogProbabilities]) -> RuleFacts:
    """The rule with ``biases`` if it has none, without any if it has; no thresholds, which a measurement leaves out."""
    kind = rule.name.rpartition("-")[0] or rule.name
    return named(
        f"{kind}-{'without' if rule.biases else 'with'}-biases",
        log_prior=rule.log_prior,
        temperature=rule.temperature,
        temperatures=rule.temperatures,
        biases={} if rule.biases else biases,
    )


def effect(
    own: Sequence[Judged], other: Sequence[Judged], evaluation: Evaluation, rule: RuleFacts, options: Options
) -> Biases:
    """With biases less without, in every language and mean of ``evaluation``: ``own`` is the verdicts of ``rule``,
    ``other`` those of :func:`other_rule`. Differences are paired: of the same texts, in the same resamples."""
    shipped = bool(rule.biases)
    biased, plain = (own, other) if shipped else (other, own)
    found = compare(biased, plain, evaluation, evaluation, options)
    return Biases(
        shipped=shipped,
        languages=[RuleDifference(language=one.language, **asdict(one.rule)) for one in found.languages],
        means=[RuleMean(languages=one.languages, **asdict(one.rule)) for one in found.means],
    )
