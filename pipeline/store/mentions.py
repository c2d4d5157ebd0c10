"""The sink's store: mentions and their rollups, idempotent whatever is redelivered, stalled or killed on the way.

One :meth:`MentionStore.write` does, in this order:

1. insert ``mention_locations``: each place in time and rollup cell that the batch may give its mentions;
2. read all locations of these mentions; the greatest state (correction, revision, deletion) wins, of equal states the
   earlier place, and there the newest rescore generation (which moves no mention: see :func:`_winner`);
3. insert into ``mentions`` the winners that are not there yet, and a tombstone at each other place; judgements too;
4. read the locations again (another writer's row may have come before ours) and recompute from ``mentions FINAL`` every
   rollup cell that any of these mentions was ever in, of repeats as well;
5. return. Only then may the batch be acknowledged.

After a crash at any point the redelivered batch does the same again. Two writers at once are safe: a writer's location
is durable before it decides, so whoever decides later sees both; a row that is written too late loses by its truth; and
a count is replaced by the one that began last, which has seen everything inserted before.
"""

import secrets
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from itertools import groupby
from typing import Any, Final, NamedTuple
from uuid import UUID

from clickhouse_driver import Client

from pipeline.ledger import Outcome
from pipeline.metrics import CLOCK_BEHIND, ROLLUP_WINDOWS
from pipeline.store import rows as r
from pipeline.store.client import clear_errors
from pipeline.store.rollups import Cell, Recount, cells_of, computed_at, recount_coarse, recount_recent
from schemas.events import AcceptedDeletion, ScoredEvent

MAX_PARTITIONS: Final = 90
"""Months in one insert: ClickHouse refuses more than 100 partitions in one (code 252)."""
_SECOND_NS: Final = 1_000_000_000


@dataclass(frozen=True)
class WriteOutcome:
    """What became of the events of a batch; each counts once. The order of the events decides, not how they are cut."""

    stored: int = 0
    """First sight of a mention."""
    repeat: int = 0
    """The same revision again, with the same content: nothing changes, the first judgement stays."""
    conflicting: int = 0
    """The same revision again, with other content: nothing changes."""
    edit: int = 0
    """A higher revision, or the same with an earlier time: it replaces the mention (or brings a deleted one back)."""
    superseded: int = 0
    """A lower revision than what is known, delivered late: nothing changes."""
    deleted: int = 0
    """A deletion that holds (also before its mention came)."""
    ended: tuple[Outcome, ...] = field(default=(), compare=False, repr=False)
    """How each event ended, in their order, for the ledger; one that is delivered again ends as it did before."""

    def __add__(self, other: "WriteOutcome") -> "WriteOutcome":
        return WriteOutcome(*(getattr(self, f.name) + getattr(other, f.name) for f in fields(self)))


class Location(NamedTuple):
    """A row of ``mention_locations``, as far as deciding needs it."""

    place: int
    truth: int
    content: int
    rank: int
    """Greater is earlier."""
    batch: int


class Row(NamedTuple):
    """What is in ``mentions`` at one place."""

    truth: int
    origin: tuple[str, str, int, int]
    """Of what it was written for: incarnation, topic, partition, offset."""


class Known(NamedTuple):
    """What was durable of a mention before an event."""

    state: int
    place: int
    content: int


class MentionStore:
    """Writes scored events through ``client`` (one thread at a time). ``step`` is called after each named step."""

    def __init__(self, client: Client, *, step: Callable[[str], None] = lambda name: None) -> None:
        self._client = client
        self._step = step

    def write(self, events: Sequence[ScoredEvent], generations: Sequence[int] | None = None) -> WriteOutcome:
        """Make ``events`` durable, in their order of arrival, rollups included; any number of them.

        ``generations``: one for each; above 0 an event takes the place of a stored one of the same revision and a lower
        generation (it was judged anew).

        Writing the same events again, whole or in other cuts, changes nothing. Raises ClickHouseUnavailable (try the
        whole batch again later), ClickHouseRefused (a person must act), RowsRefused or EventError (these rows can
        never be stored; nothing of the batch is lost by writing the others without them).
        """
        each = generations if generations is not None else [0] * len(events)
        return self.write_candidates(
            [r.candidate(event, generation) for event, generation in zip(events, each, strict=True)]
        )

    def write_candidates(self, items: Sequence[r.Candidate]) -> WriteOutcome:
        """The same for events whose truth is not their revision's alone (:mod:`pipeline.store.rescore`)."""
        if not items:
            return WriteOutcome()
        with clear_errors(self._client):
            return self._write(items)

    def recount(self, keys: Iterable[r.MentionKey]) -> None:
        """Count again every rollup cell that these mentions were ever in; changes nothing else. Raises as `write`."""
        with clear_errors(self._client):
            self._recount(list(keys))

    def _write(self, items: Sequence[r.Candidate]) -> WriteOutcome:
        # The greatest of each mention, the first of equals: the others cannot win against it.
        best: dict[r.MentionKey, r.Candidate] = {}
        for item in items:
            known = best.get(item.key)
            if known is None or _precedence(item) > _precedence(known):
                best[item.key] = item
        batch = secrets.randbits(63)
        self._insert("mention_locations", r.LOCATION_COLUMNS, [r.location_row(i, batch) for i in best.values()])
        self._step("locations")

        locations = self._locations(best)
        others = {key for key, found in locations.items() if any(loc.batch != batch for loc in found)}
        present = self._present({(key, loc.place) for key in others for loc in locations[key]})
        self._insert_mentions(best, locations, present)
        self._step("mentions")

        self._recount(best)
        return _classify(items, {key: locations[key] for key in others}, present)

    def _recount(self, keys: Iterable[r.MentionKey]) -> None:
        cells = self._cells(keys)
        for recount in recount_recent(cells, self._clock_ns() // _SECOND_NS):
            self._run(recount)
        self._step("recent")
        for recount in recount_coarse(cells, self._newest_ns() // _SECOND_NS):
            self._run(recount)
        self._step("rollups")

    def _insert_mentions(
        self,
        best: dict[r.MentionKey, r.Candidate],
        locations: dict[r.MentionKey, list[Location]],
        present: dict[tuple[r.MentionKey, int], Row],
    ) -> None:
        mentions: list[tuple[Any, ...]] = []
        judgements: list[tuple[Any, ...]] = []
        for key, item in best.items():
            rows = {loc.place: present.get((key, loc.place)) for loc in locations[key]}
            there = {place: -1 if row is None else row.truth for place, row in rows.items()}
            winner = _winner(locations[key], there)
            for place, truth in there.items():
                if place != winner.place:
                    lost = r.buried(winner.truth, for_good=place > winner.place)
                    if truth < lost:
                        mentions.append(r.tombstone_row(item, place, lost))
                elif (item.place, item.truth) == (winner.place, winner.truth) and truth < winner.truth:
                    mentions.append(r.mention_row(item))
                    judgements += r.judgement_rows(item)
        if judgements:
            # First, so that a mention that is there has its judgements whatever comes between.
            self._insert("judgements", r.JUDGEMENT_COLUMNS, judgements)
        self._step("judgements")
        place = r.MENTION_COLUMNS.index("published_at")
        mentions.sort(key=lambda row: int(row[place]))
        for part in _by_partitions(mentions, lambda row: r.month_of_ms(row[place])):
            self._insert("mentions", r.MENTION_COLUMNS, part)

    def _insert(self, table: str, names: Sequence[str], found: Sequence[tuple[Any, ...]]) -> None:
        listed = ", ".join(f"`{name}`" for name in names)
        self._client.execute(
            f"INSERT INTO {table} ({listed}) VALUES", r.columns(found), columnar=True, settings=self._insert_settings()
        )

    def _insert_settings(self) -> dict[str, Any] | None:
        """ClickHouse settings of one insert of rows."""
        return None

    def _locations(self, keys: Iterable[r.MentionKey]) -> dict[r.MentionKey, list[Location]]:
        """Every location of these mentions (not FINAL: two rows of one key do no harm here)."""
        found: dict[r.MentionKey, list[Location]] = {}
        for tenant, ident, *rest in self._ids_query(
            "SELECT tenant, mention_id, toUnixTimestamp64Milli(published_at), truth, content, rank, batch "
            "FROM mention_locations WHERE tenant IN %(tenants)s AND mention_id IN ids",
            keys,
        ):
            found.setdefault(r.MentionKey(tenant, ident), []).append(Location(*rest))
        return found

    def _cells(self, keys: Iterable[r.MentionKey]) -> set[Cell]:
        """Cells of rollup_recent that these mentions were ever in."""
        cells: set[Cell] = set()
        for tenant, second, brands, language, source, label in self._ids_query(
            "SELECT DISTINCT tenant, intDiv(ms - positiveModulo(ms, 10000), 1000), brands, language, source, label "
            "FROM (SELECT *, toUnixTimestamp64Milli(published_at) AS ms FROM mention_locations "
            "WHERE tenant IN %(tenants)s AND mention_id IN ids AND is_deleted = 0)",
            keys,
        ):
            cells.update(cells_of(tenant, second, brands, language, source, label))
        return cells

    def _ids_query(self, sql: str, keys: Iterable[r.MentionKey]) -> list[tuple[Any, ...]]:
        keys = list(keys)
        ids = {
            "name": "ids",
            "structure": [("mention_id", "UUID")],
            "data": [{"mention_id": k.mention_id} for k in keys],
        }
        tenants = tuple({key.tenant for key in keys})
        result: list[tuple[Any, ...]] = self._client.execute(sql, {"tenants": tenants}, external_tables=[ids])
        return result

    def _present(self, places: set[tuple[r.MentionKey, int]]) -> dict[tuple[r.MentionKey, int], Row]:
        """(mention, place) -> the row that is in ``mentions`` there."""
        if not places:
            return {}
        wanted = {
            "name": "places",
            "structure": [("tenant", "String"), ("published_at", "DateTime64(3, 'UTC')"), ("mention_id", "UUID")],
            "data": [{"tenant": k.tenant, "published_at": place, "mention_id": k.mention_id} for k, place in places],
        }
        found = self._client.execute(
            "SELECT tenant, mention_id, toUnixTimestamp64Milli(published_at), truth, incarnation, topic, `partition`, "
            "`offset` FROM mentions FINAL WHERE (tenant, published_at, mention_id) IN places",
            external_tables=[wanted],
        )
        return {
            (r.MentionKey(tenant, UUID(str(ident))), place): Row(truth, tuple(origin))
            for tenant, ident, place, truth, *origin in found
        }

    def _clock_ns(self) -> int:
        return int(self._client.execute("SELECT toUnixTimestamp64Nano(now64(9))")[0][0])

    def _newest_ns(self) -> int:
        """The server's clock (ns), or the newest count of rollup_recent where the clock is behind it: it was set back.

        What was old enough to expire before that has expired, however young it looks now.
        """
        clock_ns, newest_ns = self._client.execute(
            "SELECT toUnixTimestamp64Nano(now64(9)), max(computed_at) FROM rollup_recent"
        )[0]
        CLOCK_BEHIND.set(max(0, newest_ns - clock_ns) / _SECOND_NS)
        return int(max(clock_ns, newest_ns))

    def _run(self, recount: Recount) -> None:
        touched = {"name": "touched", "structure": recount.rollup.structure, "data": recount.touched}
        # A query of its own: inside the INSERT ... SELECT it might be read after the table's parts were chosen.
        clock_ns, newest_ns = self._client.execute(recount.newest_sql, recount.params, external_tables=[touched])[0]
        stamp = computed_at(clock_ns, newest_ns)
        self._client.execute(recount.sql(stamp), recount.params, external_tables=[touched])
        ROLLUP_WINDOWS.labels(recount.rollup.table).inc(recount.windows)


def _by_partitions(rows: Sequence[Any], month: Callable[[Any], int]) -> Iterable[list[Any]]:
    """Cut rows, sorted by month, into parts of at most MAX_PARTITIONS months."""
    part: list[Any] = []
    months = 0
    for _, group in groupby(rows, key=month):
        if months == MAX_PARTITIONS:
            yield part
            part, months = [], 0
        part += group
        months += 1
    if part:
        yield part


def _precedence(at: Location | r.Candidate) -> tuple[int, int, int]:
    """Greater wins: the state, of equal states the earlier place, there the rescore generation.

    The place must be an order that nothing changes, because each writer decides by the locations that it sees, and its
    tombstones at later places can be undone by no judgement of that state: whoever sees more finds an earlier place, or
    the same. By the server's clock (the place that was seen first) three writers could bury both of two places, because
    a location may be shown later than one that was stamped after it. And of a source that stamps each try with the
    present, the first try stays.
    """
    return r.state_of(at.truth), -at.place, at.truth


def _winner(locations: Sequence[Location], there: Mapping[int, int]) -> Location:
    """Where the mention is, and its truth there; ``there``: place -> truth of its row in ``mentions``.

    A generation may only choose between judgements at one place. Would it choose the place, too, a rescore that has
    read a mention just before another writer found it to be elsewhere would call it back, against a tombstone that no
    judgement of its revision can undo: it would be nowhere. For the same reason a place that has such a tombstone is
    out of the question: it is of an earlier build, which let the place win that was seen first.
    """
    state = max(r.state_of(loc.truth) for loc in locations)
    newest = [loc for loc in locations if r.state_of(loc.truth) == state]
    newest = [loc for loc in newest if there.get(loc.place, -1) < loc.truth | r.LOST] or newest
    return _greatest(newest)


def _greatest(locations: Sequence[Location]) -> Location:
    """By precedence; of equals the one that was seen first."""
    return max(locations, key=lambda loc: (_precedence(loc), loc.rank))


def _classify(
    items: Sequence[r.Candidate],
    locations: dict[r.MentionKey, list[Location]],
    present: dict[tuple[r.MentionKey, int], Row],
) -> WriteOutcome:
    """Count the events in their order, against what was durable before this batch."""
    known: dict[r.MentionKey, Known] = {}
    origins: set[tuple[str, str, int, int]] = set()
    for key, found in locations.items():
        durable = []
        for loc in found:
            row = present.get((key, loc.place))
            if row is not None and row.truth >= loc.truth:
                durable.append(loc)
                origins.add(row.origin)
        if durable:
            newest = _greatest(durable)
            known[key] = Known(r.state_of(newest.truth), newest.place, newest.content)
    counts = dict.fromkeys(_COUNTED, 0)
    ended: list[Outcome] = []
    for item in items:
        kind = _kind(item, known.get(item.key))
        if kind in _CHANGED:
            known[item.key] = Known(r.state_of(item.truth), item.place, item.content)
        counts[kind] += 1
        ended.append("stored" if kind in _CHANGED or r.origin_of(item) in origins else "repeat")
    return WriteOutcome(**counts, ended=tuple(ended))


_CHANGED: Final = frozenset({"stored", "edit", "deleted"})
_COUNTED: Final = tuple(f.name for f in fields(WriteOutcome) if f.name != "ended")


def _kind(item: r.Candidate, before: Known | None) -> str:
    """What ``item`` is to what was known ``before``."""
    state = r.state_of(item.truth)
    if before is None or state > before.state:
        if isinstance(item.event, AcceptedDeletion):
            return "deleted"
        return "stored" if before is None else "edit"
    if state < before.state:
        return "superseded"
    if isinstance(item.event, AcceptedDeletion) or item.content == before.content:
        return "repeat"
    return "edit" if item.place < before.place else "conflicting"
