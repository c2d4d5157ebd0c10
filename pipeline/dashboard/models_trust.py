"""What the API answers about trust: typed, documented in OpenAPI. Scores and shares are 0..1, intervals are 95%."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

Level = Literal["high", "fair", "low", "unknown"]
Source = Literal["measured", "estimated", "none"]


class _FromStruct(BaseModel):
    model_config = ConfigDict(from_attributes=True)


class TrustNumber(_FromStruct):
    """A value and its interval."""

    value: float
    low: float
    high: float


class TrustMark(_FromStruct):
    """How far the labels of a language can be trusted, for the model that judges now."""

    level: Level
    source: Source
    macro_f1: TrustNumber | None = Field(description="null where nothing is known; 0.33 is guessing")
    in_words: str


class TrustEvidence(_FromStruct):
    """What an estimate rests on; null where there is nothing to look at."""

    seen: bool = Field(description="the encoder read the language in pre-training")
    megabytes: float | None = Field(description="... so much of it, compressed")
    readable: bool = Field(description="the vocabulary has the letters of its script")
    texts: int | None = Field(description="labelled texts that it was measured on")
    sentences: int | None = Field(description="parallel sentences")
    agreement: TrustNumber | None = Field(description="share of them with the label of the English sentence")
    expected_agreement: float | None = Field(description="without sentences: from amount of text and relatives")
    pieces: float | None = Field(description="pieces that sentences are cut into, as a multiple of English")
    unknown_pieces: float | None
    relatives: list[str]


class TrustRow(TrustMark):
    """One language, BCP 47; ``*`` is any other."""

    language: str
    reasons: list[str]
    evidence: TrustEvidence


class Trust(BaseModel):
    """Every language that the model may meet. An empty ``model``: nothing is known of any language."""

    model: str
    rule: str
    data: str = Field(description="labelled texts that measured languages were measured on")
    worst: str = Field(description="the measured language with the lowest score")
    meaning: dict[str, str] = Field(description="of each level, in words")
    languages: list[TrustRow]
    other: TrustRow
