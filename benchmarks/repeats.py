"""End to end with the model `fast` on a stream that repeats itself: a quarter of the texts were seen before.

Real streams do (retweets, syndicated news, spam): `text_hash` says so of any stored stream. Both brokers; everything is
on this machine. The bound of the project: 350 mentions/s.
"""

import random
from typing import Any, Final

from benchmarks.end_to_end import distinct_texts
from benchmarks.path import WARM, burst, half_load, warmed_up
from pipeline.sentiment.model import load_model
from pipeline.settings import PACKAGE, load_settings
from tests.chaos.tools import NotHere
from tests.rig import BROKERS, Source, rig

MODEL: Final = PACKAGE / "sentiment" / "models" / "fast"
REPEATED: Final = 0.25


def repeating(count: int, seed: int = 1) -> list[str]:
    """``count`` texts, REPEATED of which are one of the 2,000 before."""
    rng = random.Random(seed)
    fresh = iter(distinct_texts(count))
    texts: list[str] = []
    for _ in range(count):
        again = texts and rng.random() < REPEATED
        texts.append(rng.choice(texts[-2_000:]) if again else next(fresh))
    return texts


def run(quick: bool) -> dict[str, Any]:
    """See the module; ``quick`` sends 2,000 in place of 15,000."""
    total = 2_000 if quick else 15_000
    texts = repeating(WARM + total)
    model = load_model(load_settings(model_path=MODEL))
    figures: dict[str, Any] = {"model": model.name, "repeated": 1 - len(set(texts)) / len(texts)}
    del model
    for broker in BROKERS:
        try:
            with rig(broker, stub=False, model_path=MODEL) as bench:
                source = Source(bench.settings)
                found = burst(bench, source, warmed_up(bench, source, texts), "load")
                rate = found["mentions_per_s"]
                paced = repeating(int(rate / 2 * 20), seed=2)
                figures[broker] = found | {"half_load": half_load(bench, source, paced, rate / 2, "half")}
                source.close()
        except NotHere as reason:
            figures[broker] = {"skipped": str(reason)}
    return figures
