"""What the API answers about the pipeline itself. Ages in seconds, lag in messages, times in Unix seconds."""

from typing import Literal

from pydantic import BaseModel, Field


class ServiceState(BaseModel):
    """Kafka, ClickHouse, or another process of `babelwatch up` that is no worker."""

    name: str
    up: bool | None = Field(description="null: not looked at yet, or not possible from here")
    address: str
    error: str


class PartitionState(BaseModel):
    """How far a role is behind on one partition."""

    role: str
    topic: str
    partition: int
    end: int
    committed: int | None = Field(description="null: nothing was committed yet")
    lag: int
    committed_age_s: float = Field(
        description="since the committed offset moved while messages waited; 0 when none wait"
    )
    progress_age_s: float = Field(description="since it moved at all, as far as this dashboard has seen")


class TopicState(BaseModel):
    """The same by topic: lags added up, the worst age, the newest progress."""

    role: str
    topic: str
    messages: int
    lag: int
    committed_age_s: float
    progress_age_s: float
    partitions: list[PartitionState]


class WorkerState(BaseModel):
    """One worker of the `babelwatch up` on this machine."""

    role: str
    pid: int
    state: str = Field(description="running, starting, ill, wedged, restarting, crash-looping or failed")
    well: bool
    problem: str = Field(description="in words; empty when it is well")
    rss_bytes: int | None
    lag: int
    committed_age_s: float | None = Field(description="the worst of its partitions")
    progress_age_s: float | None = Field(description="since it last got on, with any partition")
    restarts: int
    ended: str = Field(description="how it ended the last time")
    ended_at: float | None
    words: str = Field(description="what its log ended with then")


class Pipeline(BaseModel):
    """Whether the pipeline gets on, for whoever is on call."""

    state: Literal["looking", "well", "ill"]
    headline: str
    problems: list[str] = Field(description="what a person has to look at")
    notices: list[str] = Field(description="what is good to know, with nothing to do")
    as_of: float | None
    now: float
    services: list[ServiceState]
    workers_visible: bool
    workers_note: str = Field(description="why no worker can be seen from here; empty when they can")
    workers: list[WorkerState]
    topics: list[TopicState]
    dead_letters: int | None = Field(description="open ones; null while ClickHouse does not say")
    dead_reasons: dict[str, int]
