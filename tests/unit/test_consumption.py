"""Whether anybody consumes what waits, asked once: on a clock that can be set. The reader is our own interface."""

from collections.abc import Callable, Iterable

from pipeline.consumption import unread
from pipeline.kafka.offsets import PartitionLag
from pipeline.problems import STILL_S, hidden_workers

NOBODY = {"babelwatch-language": 0, "babelwatch-sentiment": 0, "babelwatch-sink": 0}
ALL = dict.fromkeys(NOBODY, 1)


def lag(role: str, topic: str, partition: int, committed: int | None, end: int) -> PartitionLag:
    return PartitionLag(role, topic, partition, end, committed, end - (committed or 0))


class Looker:
    """Looks again and again at a broker on which ``commits`` says what was committed after so many seconds."""

    def __init__(self, commits: Callable[[float], list[PartitionLag]]) -> None:
        self.now = 0.0
        self._commits = commits
        self.asked: set[str] = set()
        self.told: list[str] = []

    def problems(self, counts: dict[str, int], named: Iterable[str] = (), trusted: Iterable[str] = ()) -> list[str]:
        def members(groups: Iterable[str]) -> dict[str, int]:
            self.asked = set(groups)
            return counts

        def sleep(seconds: float) -> None:
            self.now += seconds

        return unread(
            self._commits(0),
            lambda: self._commits(self.now),
            members,
            named=set(named),
            trusted=set(trusted),
            watching=self.told.append,
            clock=lambda: self.now,
            sleep=sleep,
        )


def test_nothing_waits_and_nobody_is_asked() -> None:
    looker = Looker(lambda _: [lag("language", "mentions", 0, 9, 9), lag("sink", "mentions.dead", 0, None, 0)])
    assert looker.problems(NOBODY) == []
    assert (looker.asked, looker.now) == (set(), 0)


def test_a_group_without_members_is_told_at_once() -> None:
    looker = Looker(
        lambda _: [
            lag("language", "mentions", 0, None, 300),
            lag("language", "mentions", 1, 4, 4),
            lag("language", "mentions", 3, 4, 10),
            lag("sink", "mentions.scored", 2, 1, 2),
            lag("sink", "mentions.dead", 2, 1, 3),
        ]
    )
    assert looker.problems(NOBODY) == [
        "language: 306 messages wait in mentions (partition 0, 3) and group babelwatch-language has no member: "
        "does a language worker run and get on?",
        "sink: 1 messages wait in mentions.scored (partition 2) and group babelwatch-sink has no member: "
        "does a sink worker run and get on?",
        "sink: 2 messages wait in mentions.dead (partition 2) and group babelwatch-sink has no member: "
        "does a sink worker run and get on?",
    ]
    assert looker.now == 0


def test_members_that_get_on_are_seen_within_a_commit() -> None:
    looker = Looker(lambda at: [lag("language", "mentions", 0, 5 + int(at), 1000 + int(at * 9))])
    assert looker.problems(ALL) == []
    assert looker.now <= 1.5
    assert "language" in looker.told[0]


def test_one_that_had_nothing_committed_gets_on_with_its_first_commit() -> None:
    assert Looker(lambda at: [lag("language", "mentions", 0, 0 if at > 3 else None, 7)]).problems(ALL) == []


def test_members_that_do_not_get_on_are_named_after_as_long_as_on_the_page() -> None:
    looker = Looker(
        lambda at: [
            lag("language", "mentions", 0, 5, 9 + int(at)),
            lag("language", "mentions", 1, 5 + int(at), 900),
            lag("sentiment", "mentions.detected", 0, None, 3),
        ]
    )
    assert looker.problems(ALL) == [
        "language: 24 messages wait in mentions (partition 0) and nothing was committed for 20 s: "
        "does a language worker run and get on?",
        "sentiment: 3 messages wait in mentions.detected (partition 0) and nothing was committed for 20 s: "
        "does a sentiment worker run and get on?",
    ]
    assert looker.now == STILL_S


def test_a_group_that_cannot_be_asked_about_is_watched() -> None:
    looker = Looker(lambda _: [lag("language", "mentions", 0, 5, 9)])
    assert len(looker.problems({})) == 1
    assert looker.now == STILL_S


def test_roles_that_were_asked_themselves_are_not_watched() -> None:
    looker = Looker(lambda _: [lag("language", "mentions", 0, 5, 9), lag("sink", "mentions.scored", 0, 5, 9)])
    assert looker.problems(ALL, named=["language"], trusted=["sink"]) == []
    assert looker.now == 0
    assert looker.asked == {"babelwatch-sink"}


def test_workers_of_another_broker_are_hidden() -> None:
    assert hidden_workers("127.0.0.1:1", "127.0.0.1:1") == ""
    assert "another one" in hidden_workers("127.0.0.1:1", "k1:9092")
    assert "elsewhere" in hidden_workers(None, "k1:9092")
