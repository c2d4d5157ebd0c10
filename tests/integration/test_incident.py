"""The scripted incident, as the page's API tells it: four languages see it long before English does."""

import time
from collections import defaultdict
from pathlib import Path
from typing import Any

import httpx
import pytest

from pipeline.sample.incident import load_incident
from tests.integration.demo_process import demo

WINDOW_S = 30
AHEAD_S = 20
EARLY = ("pt", "es", "hi", "ja")
LATEST_S = 160
Slots = dict[str, dict[int, tuple[int, int]]]


def slots_of(series: dict[str, Any]) -> Slots:
    """Language -> slot -> (negative, all)."""
    found: Slots = defaultdict(dict)
    for line in series["series"]:
        for slot, negative, neutral, positive in zip(
            series["slots"], line["negative"], line["neutral"], line["positive"], strict=True
        ):
            found[line["key"]][slot] = (negative, negative + neutral + positive)
    return found


def share(slots: dict[int, tuple[int, int]], start: float, end: float) -> float | None:
    """Negative share of the slots that begin in [start, end); None below 8 mentions."""
    picked = [value for slot, value in slots.items() if start <= slot < end]
    negative, total = (sum(column) for column in zip(*picked, strict=True)) if picked else (0, 0)
    return negative / total if total >= 8 else None


@pytest.mark.embedded
@pytest.mark.slow
@pytest.mark.long
@pytest.mark.timeout(300)
def test_four_languages_double_their_negative_share_well_before_english(tmp_path: Path) -> None:
    calm_s = min(load_incident().starts().values())
    crossed: dict[str, float] = {}
    baseline: dict[str, float] = {}
    with demo(tmp_path / "data") as running:
        base, token = running.address()
        first: int | None = None
        deadline = time.monotonic() + LATEST_S
        with httpx.Client(base_url=base, headers={"Authorization": f"Bearer {token}"}, timeout=20) as api:
            while set(crossed) < {*EARLY, "en"} and time.monotonic() < deadline:
                time.sleep(1.0)
                answer = api.get("/api/v1/series", params={"window_s": 240, "by": "language", "limit": 40})
                if answer.status_code != 200:
                    continue
                series = answer.json()
                assert series["period"]["step_s"] == 10, "the live page has slots of 10 s"
                languages = slots_of(series)
                active = [slot for slots in languages.values() for slot, (_, total) in slots.items() if total]
                if not active:
                    continue
                # the earliest slot ever seen: the window slides, and what it loses must not move the beginning
                first = min(active) if first is None else min(first, *active)
                now = time.time()
                # whole slots of the calm only, so that no complaint is in the baseline
                calm_end = first + (calm_s // 10) * 10 - 9
                if now < calm_end + 15:
                    continue
                for language in (*EARLY, "en"):
                    if language not in baseline:
                        before = share(languages[language], first, calm_end)
                        assert before is not None, f"too few mentions of {language} before the incident"
                        baseline[language] = before
                    recent = share(languages[language], now - WINDOW_S, now)
                    if language not in crossed and recent is not None and recent > 2 * baseline[language]:
                        crossed[language] = now - first
    assert set(crossed) == {*EARLY, "en"}, (crossed, baseline, running.text())
    assert all(0 < value < 0.5 for value in baseline.values()), baseline
    assert max(crossed[language] for language in EARLY) + AHEAD_S <= crossed["en"], (crossed, baseline)
    assert crossed["en"] <= 130, crossed
