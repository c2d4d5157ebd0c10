"""A stage for the page: synthetic judgements of the sample's texts in a real ClickHouse, and the real dashboard.

The judgements are made up here (the label is the gold one, or another one for every seventh text): these tests are
about the page, not about the model. `python -m tests.browser.stage` keeps one running to look at.
"""

import itertools
import json
import random
import socket
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

import uvicorn
from pydantic import SecretStr

from pipeline.dashboard.app import create_app
from pipeline.sentiment.folder import ModelFolder
from pipeline.settings import Settings
from pipeline.store.client import connect
from pipeline.store.mentions import MentionStore
from schemas.events import LABELS, UNSURE, BrandMatch, Judgement, Label, Language, Origin, ScoredMention
from schemas.ids import mention_id, text_hash

TOKEN = "stage-token-0123456789abcdef"
SAMPLE = Path(__file__).parent.parent.parent / "pipeline" / "sample"
_numbers = itertools.count()


def sample_texts() -> list[dict[str, Any]]:
    """Lines of the sample, all files."""
    lines: list[dict[str, Any]] = []
    for path in sorted(SAMPLE.glob("mentions*.jsonl")):
        lines += [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
    return lines


def scored(
    text: str,
    *,
    label: Label = "neutral",
    probability: float = 0.7,
    language: str = "en",
    language_confidence: float = 0.95,
    brands: Sequence[BrandMatch] = (),
    published_at: datetime | None = None,
    source: str = "stage",
    ident: str | None = None,
    revision: int = 0,
    author: str | None = None,
    url: str | None = None,
    country: str | None = None,
    tenant: str = "default",
    judge: tuple[str, str] = ("stage-model", "stage"),
) -> ScoredMention:
    """One judged mention; whatever is not given is harmless. ``judge``: model and rule."""
    number = next(_numbers)
    ident = ident or f"n{number}"
    now = datetime.now(UTC)
    # an unsure one leans to neutral, not enough
    chosen, probability = ("neutral", min(probability, 0.48)) if label == UNSURE else (label, probability)
    rest = (1 - probability) / 2
    chances = {name: probability if name == chosen else rest for name in LABELS}
    return ScoredMention(
        version=2 if label == UNSURE else 1,
        mention_id=mention_id(tenant, source, ident, None, None, ""),
        tenant=tenant,
        source=source,
        id=ident,
        revision=revision,
        text=text,
        text_hash=text_hash(text),
        published_at=published_at or now,
        received_at=now,
        origin=Origin(incarnation="stage", topic="mentions", partition=0, offset=number),
        language=Language(tag=language, confidence=language_confidence, detector="stage"),
        brands=list(brands),
        judgements=[
            Judgement(
                model=judge[0],
                rule=judge[1],
                label=label,
                negative=chances["negative"],
                neutral=chances["neutral"],
                positive=chances["positive"],
                log_probabilities=(-1.0, -1.0, -1.0),
            )
        ],
        author=author,
        url=url,
        country=country,
    )


def from_sample(
    line: dict[str, Any],
    rng: random.Random,
    published_at: datetime,
    names: dict[str, list[str]],
    below: float = 0.0,
) -> ScoredMention:
    """A judged mention of one line of the sample, its brands marked where a name of theirs stands.

    ``below``: with a smaller probability it is unsure; in languages other than English the bar is higher.
    """
    text = line["text"]
    matches = []
    for brand in line.get("brands", []):
        for name in names.get(brand, []):
            at = text.casefold().find(name.casefold())
            if at >= 0:
                matches.append(BrandMatch(brand=brand, start=at, end=at + len(name)))
                break
    gold: Label = line["label"]
    label = gold if rng.random() > 1 / 7 else rng.choice(LABELS)
    number = next(_numbers)
    probability = round(rng.uniform(0.42, 0.97), 3)
    if below and probability < below + (0.0 if line["language"] == "en" else 0.08):
        label = UNSURE
    return scored(
        text,
        label=label,
        probability=probability,
        language=line["language"],
        language_confidence=round(rng.uniform(0.7, 1.0), 3),
        brands=matches,
        published_at=published_at,
        source="demo-" + line.get("source", "microblog"),
        ident=f"stage:{line['key']}:{number}",
        country=line.get("country"),
        judge=shipped(),
    )


@cache
def shipped() -> tuple[str, str]:
    """Version and rule of the model in the settings: its trust in each language is what the page shows."""
    folder = ModelFolder(Settings().model_path, check_card=False)
    return folder.version, folder.facts.rule.name


def brand_names() -> dict[str, list[str]]:
    """Names of the sample's brands, longest first."""
    import yaml

    brands = yaml.safe_load((SAMPLE / "brands.yaml").read_text(encoding="utf-8"))["brands"]
    return {brand["id"]: sorted(brand["names"], key=len, reverse=True) for brand in brands}


def history(minutes: float, per_minute: float, seed: int = 7, below: float = 0.0) -> list[ScoredMention]:
    """Mentions over the last ``minutes``, busier and quieter, with complaints rising towards the end; ``below`` as
    :func:`from_sample` has it.
    """
    rng = random.Random(seed)
    lines, names = sample_texts(), brand_names()
    usual = [line for line in lines if not line["key"].startswith("nova7-")]
    incident = [line for line in lines if line["key"].startswith("nova7-")]
    weights = [5.0 if line["language"] in {"en", "es", "pt"} else 1.0 for line in usual]
    now = datetime.now(UTC)
    events = []
    for _ in range(int(minutes * per_minute)):
        back = rng.uniform(0, minutes) if rng.random() < 0.7 else abs(rng.gauss(minutes * 0.5, minutes * 0.12))
        line = rng.choices(usual, weights)[0]
        if incident and back < minutes * 0.22 and rng.random() < 0.45:
            line = rng.choice(incident)
        events.append(from_sample(line, rng, now - timedelta(minutes=min(back, minutes)), names, below))
    return events


@dataclass
class Dashboard:
    """The real application on a free port of this machine, in a thread."""

    url: str
    settings: Settings

    @property
    def address(self) -> str:
        """What a user opens."""
        return f"{self.url}/?token={TOKEN}"


@contextmanager
def dashboard(clickhouse_url: str, *, demo: bool = True, port: int = 0, **more: Any) -> Iterator[Dashboard]:
    """Serve the dashboard until the block ends."""
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind(("127.0.0.1", port))
    listener.listen(64)
    port = listener.getsockname()[1]
    settings = Settings(
        clickhouse_url=SecretStr(clickhouse_url),
        api_token=SecretStr(TOKEN),
        demo=demo,
        dashboard_port=port,
        kafka_brokers="127.0.0.1:1",
        **more,
    )
    config = uvicorn.Config(create_app(settings), log_level="warning", access_log=False, timeout_graceful_shutdown=1)
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    try:
        yield Dashboard(f"http://127.0.0.1:{port}", settings)
    finally:
        server.should_exit = True
        thread.join(10)
        listener.close()


def main() -> None:
    """Keep a stage running: ``python -m tests.browser.stage [port] [mentions per second] [unsure below]``."""
    from pipeline.embedded.clickhouse import embedded_clickhouse
    from pipeline.store.migrations import migrate

    port, pace = (int(sys.argv[1]) if len(sys.argv) > 1 else 8650), (float(sys.argv[2]) if len(sys.argv) > 2 else 8.0)
    below = float(sys.argv[3]) if len(sys.argv) > 3 else 0.0
    with tempfile.TemporaryDirectory() as folder, embedded_clickhouse(Path(folder)) as server:
        migrate(server.url)
        store = MentionStore(connect(server.url))
        store.write(history(28, 240, below=below))
        store.write(history(60 * 24 * 3, 1.0, seed=8, below=below))
        with dashboard(server.url, port=port) as page:
            print(page.address, server.pid, flush=True)
            rng, names, lines = random.Random(3), brand_names(), sample_texts()
            while True:
                began = time.monotonic()
                batch = [
                    from_sample(rng.choice(lines), rng, datetime.now(UTC), names, below)
                    for _ in range(max(1, round(pace / 2)))
                ]
                store.write(batch)
                time.sleep(max(0.0, 0.5 - (time.monotonic() - began)))


if __name__ == "__main__":
    main()
