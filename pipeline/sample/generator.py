"""Paces the sample mentions: what is sent at which moment. Pure: no Kafka, no clock of its own, randomness seeded.

Volume follows :mod:`pipeline.sample.rhythm` by language and hour, and the incident's script; texts are dealt from the
sample files and never made up. Beside mentions it makes what real sources make: the same message again, edits,
deletions, and bytes that are no mention at all, each at a fixed interval so that a short run has all of them.
"""

import random
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final, Literal

from pipeline.sample.deck import Deck
from pipeline.sample.incident import Incident
from pipeline.sample.poison import POISON
from pipeline.sample.rhythm import activity, swell, weight
from pipeline.sample.texts import SampleMention
from schemas.events import LABELS, Label, Mention, MentionDeleted
from schemas.ids import utc_millis

Kind = Literal["mention", "complaint", "repeat", "edit", "deletion", "poison"]

NEGATIVE_IN: Final = 5
"""One in so many ordinary mentions of any language is negative: an ordinary day of brands that people like."""
NEUTRAL_TO_POSITIVE: Final = (9, 7)
"""The rest."""

EVERY: Final[dict[Kind, tuple[int, int]]] = {
    "repeat": (100, 30),
    "edit": (250, 60),
    "deletion": (400, 90),
    "poison": (300, 45),
}
"""Kind -> one in so many mentions, the first after so many."""

RECENT: Final = 300
"""What a repeat, an edit or a deletion picks from: the last so many mentions."""
MAX_LATENESS_S: Final = 5.0
CATCH_UP_S: Final = 2.0
"""A generator that was held up longer than this goes on from now instead of sending everything at once."""


@dataclass(frozen=True)
class Outgoing:
    """One message to send, and what the sender must remember about it."""

    kind: Kind
    message: Mention | MentionDeleted | bytes
    key: str = ""
    """Key of the sample mention whose id it carries; empty for poison."""


@dataclass
class _Flow:
    """What one language still owes: mentions accrue continuously and are sent one by one."""

    negative: Deck[bool]
    other: Deck[Label]
    texts: dict[Label, Deck[SampleMention]]
    complaints: Deck[SampleMention] | None
    credit: float = 0.0
    next_at: float = 0.0
    complaint_credit: float = 0.0

    def ordinary(self) -> SampleMention:
        """Deal the next ordinary mention; negative ones are spread evenly, so that a short window shows their share."""
        return self.texts["negative" if self.negative.deal() else self.other.deal()].deal()


@dataclass
class _Sent:
    """A mention that was sent, as it stands now."""

    sample: SampleMention
    mention: Mention
    gone: bool = field(default=False)


class Generator:
    """Deals mentions by elapsed time. Not safe for threads.

    ``texts`` hold every label in every language. ``rate`` is ordinary mentions per second, averaged over a day; the
    incident comes on top. ``run`` is in every id (``<run>:<sample key>:<number>``), so that two runs never share one.
    """

    def __init__(
        self,
        texts: Sequence[SampleMention],
        *,
        run: str,
        rate: float,
        seed: int = 0,
        complaints: Sequence[SampleMention] = (),
        incident: Incident | None = None,
    ) -> None:
        if rate <= 0:
            raise ValueError("the rate must be above 0 mentions per second")
        self._rng = random.Random(seed)  # noqa: S311 - a sample needs no secrets
        self._run, self._rate, self._incident = run, rate, incident
        self._flows = {
            language: self._flow(language, texts, complaints if incident else ())
            for language in sorted({m.language for m in texts})
        }
        self._total_weight = sum(weight(language) for language in self._flows)
        self._elapsed_s = 0.0
        self._number = 0
        self._poison = Deck(POISON, self._rng)
        self._recent: deque[_Sent] = deque(maxlen=RECENT)

    def _flow(self, language: str, texts: Sequence[SampleMention], complaints: Sequence[SampleMention]) -> _Flow:
        by_label = {label: [m for m in texts if m.language == language and m.label == label] for label in LABELS}
        neutral, positive = NEUTRAL_TO_POSITIVE
        other: list[Label] = [*["neutral"] * neutral, *["positive"] * positive]  # type: ignore[list-item]
        mine = [m for m in complaints if m.language == language]
        return _Flow(
            negative=Deck([True] + [False] * (NEGATIVE_IN - 1), self._rng),
            other=Deck(other, self._rng),
            texts={label: Deck(cards, self._rng) for label, cards in by_label.items()},
            complaints=Deck(mine, self._rng) if mine else None,
            next_at=self._rng.random(),
        )

    def due(self, elapsed_s: float, now: datetime) -> list[Outgoing]:
        """Everything that falls due up to ``elapsed_s`` after the start, in the order of sending; ``now`` dates it.

        ``elapsed_s`` never falls. After a hold-up of more than :data:`CATCH_UP_S` the time between is left out.
        """
        step = min(max(0.0, elapsed_s - self._elapsed_s), CATCH_UP_S)
        self._elapsed_s = max(elapsed_s, self._elapsed_s)
        dealt: list[tuple[Kind, SampleMention]] = []
        for language, flow in self._flows.items():
            ordinary = self._rate * weight(language) / self._total_weight * activity(language, now) * swell(now) * step
            flow.credit += ordinary
            while flow.credit >= flow.next_at:
                flow.credit -= flow.next_at
                flow.next_at = self._rng.uniform(0.4, 1.6)
                dealt.append(("mention", flow.ordinary()))
            if self._incident is not None and flow.complaints is not None:
                flow.complaint_credit += ordinary * self._incident.complaints(language, self._elapsed_s)
                while flow.complaint_credit >= 1.0:
                    flow.complaint_credit -= 1.0
                    dealt.append(("complaint", flow.complaints.deal()))
        self._rng.shuffle(dealt)
        return [outgoing for kind, sample in dealt for outgoing in self._messages(kind, sample, now)]

    def _messages(self, kind: Kind, sample: SampleMention, now: datetime) -> list[Outgoing]:
        """The mention, and whatever else its number brings along."""
        self._number += 1
        mention = Mention(
            source=f"demo-{sample.source}",
            id=f"{self._run}:{sample.key}:{self._number}",
            text=sample.text,
            published_at=utc_millis(now - timedelta(seconds=min(self._rng.expovariate(2.0), MAX_LATENESS_S))),
            author=sample.author,
            country=sample.country,
            lang_hint=sample.lang_hint,
        )
        self._recent.append(_Sent(sample, mention))
        messages = [Outgoing(kind, mention, sample.key)]
        for extra, (every, first) in EVERY.items():
            if self._number >= first and (self._number - first) % every == 0:
                messages.append(self._extra(extra, now))
        return messages

    def _extra(self, kind: Kind, now: datetime) -> Outgoing:
        if kind == "poison":
            return Outgoing("poison", self._poison.deal())
        # the newest is always alive, so there is something to pick
        sent = self._rng.choice([sent for sent in self._recent if not sent.gone])
        if kind == "edit":
            # another text of the sample with the same language and label: the id's gold label stays right
            decks = self._flows[sent.sample.language].texts
            sent.mention = _revised(sent.mention, decks[sent.sample.label].deal().text)
            return Outgoing("edit", sent.mention, sent.sample.key)
        if kind == "deletion":
            sent.gone = True
            assert sent.mention.id is not None  # noqa: S101 - narrows the type
            gone = MentionDeleted(
                source=sent.mention.source,
                id=sent.mention.id,
                revision=sent.mention.revision,
                deleted_at=utc_millis(now),
            )
            return Outgoing("deletion", gone, sent.sample.key)
        return Outgoing("repeat", sent.mention, sent.sample.key)


def _revised(mention: Mention, text: str) -> Mention:
    return Mention(
        source=mention.source,
        id=mention.id,
        revision=mention.revision + 1,
        text=text,
        published_at=mention.published_at,
        author=mention.author,
        country=mention.country,
        lang_hint=mention.lang_hint,
    )
