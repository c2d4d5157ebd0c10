"""What became of everything: plain SQL and Kafka's offsets against what was sent, no code of the pipeline's."""

import re
import urllib.request
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from clickhouse_driver import Client
from kafka import KafkaConsumer, TopicPartition

from tests.fuzz.entrances import Sent

TOPICS: Final = ("mentions", "mentions.detected", "mentions.scored", "mentions.dead")


@dataclass
class Accounts:
    """Figures, and what is wrong with them."""

    ends: dict[str, int] = field(default_factory=dict)
    """Records by topic."""
    dead: dict[str, int] = field(default_factory=dict)
    """Dead letters by topic where they entered."""
    reasons: dict[str, int] = field(default_factory=dict)
    elsewhere: int = 0
    """Dead letters under a position that their message claimed, and where others may have taken its place."""
    stored: int = 0
    """Rows of mentions, deleted ones included."""
    wrong: list[str] = field(default_factory=list)

    def say(self, wrong: bool, what: str) -> None:
        """Take note of ``what`` where it is ``wrong``."""
        if wrong:
            self.wrong.append(what)


@dataclass
class Log:
    """What is in the topics."""

    ends: dict[str, dict[int, int]]
    """Topic -> partition -> records."""
    letters: Counter[str] = field(default_factory=Counter)
    """Dead letters that the stages sent, by stage."""
    places: set[tuple[str, str, int, int]] = field(default_factory=set)
    """Under which position each record of mentions.dead has to be stored; a claimed one may be many letters'."""


def log_of(address: str, incarnation: str, sent: Mapping[str, Sent]) -> Log:
    """Read everything: ListOffsets of the embedded broker is not right."""
    into_dead = sent.get("mentions.dead", Sent())
    consumer = KafkaConsumer(
        bootstrap_servers=address,
        auto_offset_reset="earliest",
        enable_auto_commit=False,
        check_crcs=False,
        fetch_max_wait_ms=200,
    )
    partitions = [TopicPartition(t, p) for t in TOPICS for p in consumer.partitions_for_topic(t) or ()]
    log = Log({topic: {tp.partition: 0 for tp in partitions if tp.topic == topic} for topic in TOPICS})
    consumer.assign(partitions)
    consumer.seek_to_beginning()
    quiet = 0
    while quiet < 5:
        records = consumer.poll(timeout_ms=1_000, max_records=5_000)
        quiet = 0 if records else quiet + 1
        for tp, batch in records.items():
            log.ends[tp.topic][tp.partition] = max(log.ends[tp.topic][tp.partition], batch[-1].offset + 1)
            for one in batch if tp.topic == "mentions.dead" else ():
                at = (tp.partition, one.offset)
                facts = dict(one.headers)
                if "bw-stage" in facts and at not in into_dead.values:
                    log.letters[facts["bw-stage"].decode()] += 1
                    names = (facts["bw-incarnation"].decode(), facts["bw-topic"].decode())
                    log.places.add((*names, int(facts["bw-partition"]), int(facts["bw-offset"])))
                else:
                    log.places.add((incarnation, tp.topic, *at))
    consumer.close()
    return log


def account(
    client: Client,
    address: str,
    incarnation: str,
    sent: Mapping[str, Sent],
    good: Iterable[str],
    arrived: int,
    sink: Mapping[str, float],
) -> Accounts:
    """Check. ``good``: ids of the mentions that must be stored. ``arrived``: accepted over HTTP and from files.

    ``sink``: outcome -> how many, as the sink counts them.
    """
    accounts = Accounts()
    log = log_of(address, incarnation, sent)
    accounts.ends = {topic: sum(by.values()) for topic, by in log.ends.items()}
    letters = _letters(client, incarnation, accounts, log)
    _mentions(client, incarnation, accounts, log, sent["mentions"], letters, arrived)
    _good(client, accounts, set(good))
    _behind(accounts, log, sent, sink)
    return accounts


def _letters(client: Client, ours: str, accounts: Accounts, log: Log) -> dict[tuple[str, int, int], str]:
    """(topic, partition, offset) -> MD5 of the value, of every dead letter of this broker's."""
    rows = client.execute(
        "SELECT incarnation, topic, `partition`, `offset`, lower(hex(MD5(value))), reason, stage "
        "FROM dead_letters FINAL"
    )
    found = {}
    for incarnation, topic, partition, offset, md5, reason, stage in rows:
        accounts.say(not reason or not stage, f"a dead letter without a reason at {topic}/{partition}/{offset}")
        accounts.dead[topic] = accounts.dead.get(topic, 0) + 1
        key = f"{stage}: {reason}"
        accounts.reasons[key] = accounts.reasons.get(key, 0) + 1
        if incarnation == ours:
            found[topic, partition, offset] = md5
    there = {tuple(row[:4]) for row in rows}
    for wrong, what in ((log.places - there, "are not stored"), (there - log.places, "are stored and were never sent")):
        accounts.say(bool(wrong), f"{len(wrong)} dead letters {what}: {sorted(wrong)[:5]}")
    return found


def _mentions(
    client: Client,
    ours: str,
    accounts: Accounts,
    log: Log,
    sent: Sent,
    letters: Mapping[tuple[str, int, int], str],
    arrived: int,
) -> None:
    """Every offset of the first topic ended, and a dead letter holds the bytes that were sent."""
    ends = log.ends["mentions"]
    total = sum(ends.values())
    accounts.say(
        total != len(sent.values) + arrived,
        f"topic mentions has {total} records: {len(sent.values)} were sent and {arrived} accepted over HTTP and files",
    )
    intervals: dict[int, list[tuple[int, int, str]]] = defaultdict(list)
    for partition, first, last, outcome in client.execute(
        "SELECT `partition`, first, last, toString(outcome) FROM ledger WHERE topic = 'mentions' "
        "AND incarnation = %(ours)s ORDER BY `partition`, first",
        {"ours": ours},
    ):
        intervals[partition].append((first, last, outcome))
    for partition, end in ends.items():
        seen = bytearray(end)
        for first, last, outcome in intervals[partition]:
            for offset in range(first, min(last + 1, end)):
                seen[offset] = 1
                if outcome == "dead" and ("mentions", partition, offset) not in letters:
                    # Its letter is where it claims to have entered first, which many claim.
                    claimed = (partition, offset) in sent.claims
                    accounts.elsewhere += claimed
                    accounts.say(not claimed, f"offset {offset} of mentions/{partition} ended dead without a letter")
        missing = [offset for offset in range(end) if not seen[offset]]
        accounts.say(bool(missing), f"{len(missing)} offsets of mentions/{partition} ended nowhere: {missing[:5]}")
    wrong = [at for at, md5 in sent.values.items() if letters.get(("mentions", *at), md5) != md5]
    accounts.say(bool(wrong), f"{len(wrong)} dead letters do not hold what was sent: {wrong[:5]}")


def _good(client: Client, accounts: Accounts, good: set[str]) -> None:
    accounts.stored = client.execute("SELECT uniqExact(mention_id) FROM mentions FINAL")[0][0]
    there = {row[0] for row in client.execute("SELECT source_id FROM mentions FINAL WHERE source = 'fuzz'")}
    missing = sorted(good - there)
    accounts.say(bool(missing), f"{len(missing)} good mentions are not stored: {missing[:5]}")


def _behind(accounts: Accounts, log: Log, sent: Mapping[str, Sent], sink: Mapping[str, float]) -> None:
    """Behind the first topic: what a stage took is what it handed on and what it called dead."""
    into = {topic: len(sent.get(topic, Sent()).values) for topic in ("mentions.detected", "mentions.scored")}
    handed_on = accounts.ends["mentions.scored"] - into["mentions.scored"]
    # By stage: a letter of a later stage about a mention that could not be judged has the mention's first origin.
    accounts.say(
        accounts.ends["mentions.detected"] != handed_on + log.letters["sentiment"],
        f"mentions.detected has {accounts.ends['mentions.detected']} records, of which {handed_on} were handed on and "
        f"{log.letters['sentiment']} are dead ({into['mentions.detected']} came from here)",
    )
    written = sum(count for outcome, count in sink.items() if outcome != "dead_letter_refused")
    accounts.say(
        accounts.ends["mentions.scored"] != written + log.letters["sink"],
        f"mentions.scored has {accounts.ends['mentions.scored']} records, of which the sink wrote {written:.0f} and "
        f"called {log.letters['sink']} dead",
    )


def counters(url: str, name: str, label: str) -> dict[str, float]:
    """Label's value -> value of a counter on a metrics page."""
    with urllib.request.urlopen(f"{url}/metrics", timeout=10) as answer:  # noqa: S310 - loopback
        page = answer.read().decode()
    found: dict[str, float] = {}
    for labels, value in re.findall(rf"^{name}{{([^}}]*)}} ([0-9.e+]+)$", page, re.MULTILINE):
        key = dict(re.findall(r'(\w+)="([^"]*)"', labels)).get(label, "")
        found[key] = found.get(key, 0.0) + float(value)
    return found


def figures(accounts: Accounts) -> dict[str, Any]:
    """For a report."""
    reasons = dict(sorted(accounts.reasons.items(), key=lambda item: -item[1]))
    return {
        "records": accounts.ends,
        "dead_letters": accounts.dead,
        "elsewhere": accounts.elsewhere,
        "stored": accounts.stored,
        "reasons": reasons,
    }
