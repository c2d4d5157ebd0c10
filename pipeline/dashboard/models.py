"""What the API answers: typed, documented in OpenAPI. Shares are 0..1, net sentiment is -1..1, times are UTC."""

from datetime import datetime
from typing import Literal

from pydantic import BaseModel, Field

from pipeline.dashboard.models_trust import TrustMark

LabelName = Literal["negative", "neutral", "positive", "unsure"]


class Share(BaseModel):
    """A share with its 95% Wilson interval."""

    share: float
    low: float
    high: float


class Mood(BaseModel):
    """Mentions by sentiment, and how sure the numbers are.

    Where an error is accepted (`--accept-error`), some mentions are `unsure`: they are in `mentions`, in no share and
    not in net sentiment. Shares and net sentiment are null where nothing was judged.
    """

    mentions: int = 0
    negative: int = 0
    neutral: int = 0
    positive: int = 0
    unsure: int = Field(default=0, description="mentions without a label, because it would be wrong too often")
    judged: int = Field(default=0, description="mentions with a label: what the shares are of")
    coverage: float | None = Field(default=None, description="judged by mentions; null without mentions")
    negative_share: Share | None = None
    neutral_share: Share | None = None
    positive_share: Share | None = None
    net: float | None = Field(default=None, description="share positive minus share negative")
    net_low: float | None = Field(default=None, description="lower end of the 95% interval")
    net_high: float | None = None
    few: bool = Field(
        default=False, description="so few judged mentions that the interval matters more than the number"
    )
    confidence: float | None = Field(default=None, description="mean probability of the chosen label")
    language_confidence: float | None = Field(default=None, description="mean probability of the detected language")
    reach: int = 0


class Span(BaseModel):
    """The half-open span [start, end) that was counted; ``start`` and ``end`` in Unix seconds."""

    start: int
    end: int
    window_s: int
    step_s: int


class DeadLetters(BaseModel):
    """Messages that could not be processed, by distinct origin."""

    window: int = 0
    total: int = 0
    reasons: dict[str, int] = Field(default_factory=dict, description="commonest reasons within the window")


class Summary(BaseModel):
    """The key numbers. ``previous`` is the window of the same length before this one."""

    period: Span
    mood: Mood
    previous: Mood
    per_minute: float
    previous_per_minute: float
    net_change: float | None
    dead_letters: DeadLetters
    newest_stored_at: datetime | None = Field(description="when the newest mention of the last 24 hours was stored")
    newest_stored_age_s: float | None
    model: str | None = Field(default=None, description="name and version of the model that judged that mention")
    rule: str | None = Field(default=None, description="name and version of its decision rule")


class Line(BaseModel):
    """Counts of one key by slot; the arrays are as long as ``slots``."""

    key: str
    negative: list[int]
    neutral: list[int]
    positive: list[int]
    unsure: list[int]


class Series(BaseModel):
    """Volume by label over time."""

    period: Span
    by: Literal["total", "language", "brand"]
    slots: list[int] = Field(description="start of each slot, Unix seconds, without gaps")
    series: list[Line] = Field(description="most mentions first")
    others: int = Field(default=0, description="mentions of keys beyond the limit, not in any line")


class LanguageRow(BaseModel):
    """One language, BCP 47; ``und`` is not known surely enough."""

    language: str
    trust: TrustMark
    mood: Mood
    previous: Mood
    mentions: int
    share: float = Field(description="of all mentions of the view")


class Languages(BaseModel):
    """All languages of the view, most mentions first."""

    period: Span
    languages: list[LanguageRow]


class BrandRow(BaseModel):
    """One brand."""

    brand: str
    mood: Mood
    previous: Mood
    mentions: int
    share_of_voice: float = Field(description="of all brand mentions; a mention of two brands counts for both")


class Brands(BaseModel):
    """All brands of the view, most mentions first."""

    period: Span
    brands: list[BrandRow]


class Segment(BaseModel):
    """A piece of a mention's text; ``brand`` where it names one. The pieces in order are the text."""

    text: str
    brand: str | None = None


class MentionItem(BaseModel):
    """One mention of the feed."""

    id: str
    source: str
    published_at: datetime
    stored_at: datetime
    language: str
    language_confidence: float
    brands: list[str]
    segments: list[Segment]
    truncated: bool = Field(description="the text is longer than what is shown here")
    label: LabelName
    probability: float = Field(description="of the label; where it is unsure, the greatest of the three")
    negative: float
    neutral: float
    positive: float
    model: str
    author: str | None
    url: str | None = Field(description="only http and https")
    reach: int
    country: str | None
    revision: int


class Mentions(BaseModel):
    """A page of the feed, newest first."""

    mentions: list[MentionItem]
    next: str | None = Field(description="cursor of the next page; null at the end")


class AgreementRow(BaseModel):
    """Agreement with the gold labels in one language, over distinct sample texts (replays of a text count once)."""

    language: str
    texts: int
    unsure: int = Field(default=0, description="of the texts; they neither agree nor disagree")
    agree: int
    agreement: Share | None = Field(description="of the judged texts; null without any")
    language_agree: int
    mentions: int


class Agreement(BaseModel):
    """Demo mode: how often the pipeline's label is the one that the authors of the sample gave."""

    texts: int
    unsure: int = 0
    agree: int
    agreement: Share | None
    languages: list[AgreementRow]
    sample_texts: int = Field(description="texts with a gold label in the sample")


class Tick(BaseModel):
    """Heartbeat of the stream: is the data fresh?"""

    ok: bool
    reason: str | None = None
    as_of: float | None = Field(description="Unix seconds of the last answer of ClickHouse")
    now: float
    newest_stored_age_s: float | None = None


class Problem(BaseModel):
    """Why there is no answer, and what to do."""

    detail: str
    code: str
