"""Every offset of ``mentions`` ends in the ledger, whatever its message claims and wherever it dies."""

import json
from collections.abc import Iterator, Sequence
from typing import Any

import msgspec
import pytest

import agents.sink
from agents.control import Control
from agents.incoming import Headers, Incoming
from agents.outbox import Outgoing
from agents.sentiment import SentimentStage
from agents.sink import DeadSinkStage, SinkStage
from pipeline.errors import RowsRefused
from pipeline.kafka.deadletter import DeadLetter
from pipeline.kafka.redelivery import HEADER, VIA, Redelivery, Via
from pipeline.ledger import Gap
from pipeline.store.client import connect
from pipeline.store.deadletters import DeadLetterStore
from pipeline.store.ledger import LedgerStore
from pipeline.store.migrations import migrate
from schemas.events import Origin
from tests.integration.store_support import NOW
from tests.unit.test_agents_stages import Model, Sent, guard, language

pytestmark = pytest.mark.embedded

VALUE = b'{"source":"t","id":"1","text":"the Lumora is fine","published_at":"2026-11-23T00:00:00Z"}'
AT = 1_795_392_000_000


def at(offset: int, topic: str = "mentions") -> Origin:
    return Origin(incarnation="inc", topic=topic, partition=0, offset=offset)


class Stages:
    """The stages one after another, with what is sent between them in lists."""

    def __init__(self, url: str) -> None:
        migrate(url)
        self._client = connect(url)
        self._url = url
        self._offsets = 0
        self.ledger = LedgerStore(self._client)
        self.letters = DeadLetterStore(self._client)

    def close(self) -> None:
        self._client.disconnect()

    async def enter(self, offset: int, headers: Headers = ()) -> None:
        """A message at ``offset`` of ``mentions``."""
        sent = Sent()
        await language(sent).handle([Incoming("mentions", 0, offset, AT, b"k", VALUE, headers)])
        await self.go_on(sent.records)

    async def detected(self) -> Outgoing:
        """What the first stage makes of a message at offset 0."""
        sent = Sent()
        await language(sent).handle([Incoming("mentions", 0, 0, AT, b"k", VALUE, ())])
        return sent.records[0]

    async def go_on(self, records: Sequence[Outgoing]) -> None:
        """The later stages, up to the end."""
        for record in records:
            sent, self._offsets = Sent(), self._offsets + 1
            message = Incoming(record.topic, 0, self._offsets, AT, record.key, record.value, tuple(record.headers))
            if record.topic == "mentions.detected":
                await SentimentStage(Model(), "inc", sent, guard()).handle([message])
            elif record.topic == "mentions.scored":
                await SinkStage(self._url, "inc", Control("sink"), sent, guard()).handle([message])
            else:
                await DeadSinkStage(self._url, "inc", Control("sink")).handle([message])
            await self.go_on(sent.records)

    def gaps(self, end: int) -> list[Gap]:
        return self.ledger.gaps("inc", "mentions", 0, 0, end)


@pytest.fixture
def stages(clickhouse_url: str) -> Iterator[Stages]:
    found = Stages(clickhouse_url)
    yield found
    found.close()


@pytest.mark.parametrize("forged", [{"partition": 2**32}, {"partition": 2**31}, {"offset": 2**63}, {"offset": 2**64}])
async def test_a_position_that_no_record_can_have_opens_no_gap(stages: Stages, forged: dict[str, int]) -> None:
    origin = {"incarnation": "inc", "topic": "mentions", "partition": 0, "offset": 0} | forged
    header = (HEADER, json.dumps({"origin": origin, "reason": "repair"}).encode())
    await stages.enter(0, (header,))
    assert stages.gaps(1) == []
    (letter,) = stages.letters.list()
    assert (letter.origin, letter.reason) == (at(0), "bad_redelivery")
    # ... nor does one more of it, as a repair would send
    await stages.enter(1, (Redelivery.of_record(at(0), (header,), "repair", None).header(),))
    assert stages.gaps(2) == []


async def test_what_an_earlier_first_stage_let_through_ends_too(stages: Stages) -> None:
    """It handed the claim on, with the position of the record itself beside it."""
    detected = await stages.detected()
    value = detected.value.replace(b'"partition":0', b'"partition":%d' % 2**32)
    via = [Via(positions=(at(n),)).header() for n in range(2)]
    await stages.go_on([Outgoing("mentions.detected", detected.key, value, (via[0],))])
    # ... and a sink of that version made a letter of it that no table takes
    letter = DeadLetter(VALUE, None, at(0), "sink", "store_refused", "x", NOW, headers=(via[1],))
    headers = [(n, b"4294967296" if n == "bw-partition" else v) for n, v in letter.to_headers()]
    await stages.go_on([Outgoing("mentions.dead", None, VALUE, tuple(headers))])
    assert stages.gaps(2) == []
    assert {one.reason for one in stages.letters.list()} == {"invalid", "foreign"}


async def test_a_letter_that_clickhouse_refuses_is_in_the_ledger(
    stages: Stages, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Refuses(DeadLetterStore):
        def write(self, letters: Sequence[DeadLetter]) -> int:
            if any(letter.reason == "bad" for letter in letters):
                raise RowsRefused("a value that no table takes")
            return super().write(letters)

    monkeypatch.setattr(agents.sink, "DeadLetterStore", Refuses)
    for offset, reason in enumerate(("bad", "not_json")):
        via = Via(positions=(at(offset + 2),)).header()
        letter = DeadLetter(b"{", None, at(offset), "language", reason, "x", NOW, headers=(via,))
        await stages.go_on([Outgoing("mentions.dead", None, b"{", tuple(letter.to_headers()))])
    assert stages.gaps(4) == []
    assert [letter.reason for letter in stages.letters.list()] == ["not_json"]


@pytest.mark.parametrize("topic", ["mentions.detected", "mentions.scored"])
@pytest.mark.parametrize(
    ("damage", "known"),
    [
        (lambda value: value.replace(b'"version":1', b'"version":99'), True),
        (lambda value: value.replace(b'"mention_id":"', b'"mention_id":"?'), True),
        (lambda value: value[:-1], False),
        (lambda value: value.replace(b'"origin"', b'"onigir"'), False),
        (lambda value: value.replace(b'"offset":0', b'"offset":%d' % 2**63), False),
    ],
    ids=["of a newer version", "invalid", "cut", "without an origin", "with an origin that cannot be"],
)
async def test_an_event_between_the_stages_that_cannot_be_read(
    stages: Stages, topic: str, damage: Any, known: bool
) -> None:
    """Its letter is kept under its own position; where its message entered is ended when the event still says it."""
    detected = await stages.detected()
    await stages.go_on([Outgoing(topic, detected.key, damage(detected.value), detected.headers)])
    (letter,) = stages.letters.list()
    assert letter.origin == at(letter.origin.offset, topic)
    assert stages.gaps(1) == ([] if known else [Gap(0, 0, 1)])
    if not known:  # and then a repair reads the message again, and this time it arrives
        await stages.enter(1, (Redelivery(origin=at(0), reason="repair").header(),))
        assert stages.gaps(2) == []


async def test_a_sender_cannot_end_what_is_not_its_own_beside_a_header_that_is_refused(stages: Stages) -> None:
    forged = (VIA, msgspec.json.encode(Via(positions=(at(1),))))
    await stages.enter(0, ((HEADER, b"{"), forged))
    assert stages.gaps(2) == [Gap(0, 1, 2)]
