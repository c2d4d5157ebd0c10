"""How much is said when: each language follows the day of where it is mostly spoken, and everything swells a little."""

import math
from datetime import UTC, datetime
from typing import Final

WEIGHTS: Final[dict[str, float]] = {
    "en": 4.4, "es": 2.8, "pt": 2.8, "hi": 2.8, "ja": 2.8, "fr": 1.3, "de": 1.3, "ar": 1.3, "hi-Latn": 1.2, "id": 1.2,
    "zh": 1.2, "tr": 1.1, "ru": 1.1, "it": 1.0, "ko": 1.0,
}  # fmt: skip
"""Share of a language in the sample's stream, relative to 0.7 for every other one."""
OTHER_WEIGHT: Final = 0.7

_OFFSETS: Final[dict[str, float]] = {
    "en": -3, "es": -4, "pt": -3, "fr": 1, "it": 1, "ro": 2, "de": 1, "nl": 1, "sv": 1, "fi": 2, "pl": 1, "cs": 1,
    "ru": 4, "uk": 2, "el": 2, "ar": 3, "fa": 3.5, "he": 2, "tr": 3, "sw": 3, "hi": 5.5, "hi-Latn": 5.5, "bn": 6,
    "ta": 5.5, "ur": 5, "ja": 9, "ko": 9, "zh": 8, "th": 7, "vi": 7, "id": 7,
}  # fmt: skip
"""Hours from UTC where most of the language's mentions come from (no summer time: a sample needs none)."""

SWELL_S: Final = 420.0
SWELL: Final = 0.15


def weight(language: str) -> float:
    """Relative share of ``language`` in the stream."""
    return WEIGHTS.get(language, OTHER_WEIGHT)


def activity(language: str, moment: datetime) -> float:
    """How lively ``language`` is at ``moment`` (aware): 0.7 before dawn, 1.3 in the evening, 1 on average of a day."""
    utc = moment.astimezone(UTC)
    hour = utc.hour + utc.minute / 60 + utc.second / 3600 + _OFFSETS.get(language, 0.0)
    # one wave with its top at 17:00 and its bottom at 05:00 local time
    return 1.0 + 0.3 * math.cos((hour - 17.0) / 24.0 * math.tau)


def swell(moment: datetime) -> float:
    """A slow wave common to all languages, +-15% in seven minutes, so that a still page is seen to be one."""
    return 1.0 + SWELL * math.sin(moment.timestamp() / SWELL_S * math.tau)
