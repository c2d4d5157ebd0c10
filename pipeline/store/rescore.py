"""Stored mentions judged anew: read in pages, written by the sink's own store, so that its proof of counts holds.

A rescore writes directly, not through ``mentions.scored``. It is one more writer of :class:`MentionStore`: its location
is durable before it decides, its truth is the stored one with the next *rescore generation*, so that it beats the
judgement that it replaces (also when that is delivered again) and loses against every edit, deletion and correction,
whenever they come; and it counts every cell of its mentions again after its rows are in. Through the topic, a new kind
of event would need the same rules in the sink, would share the live topic's order and retention, and a run could not
say when it is done.

What is left to do is no state of a run but a property of the rows: a mention remains while its (model, rule) is not the
target's. So a second run finds nothing, and a killed one is continued by running it again. Only counts are in danger
then: a run that dies between its mentions and their counts leaves rows that do not remain. Hence each page is put down
in ``rescore_pages`` before it is written, and whatever page is not done is counted again by the next run.
"""

from collections.abc import Sequence
from typing import Any, Final
from uuid import UUID, uuid4

from clickhouse_driver import Client
from clickhouse_driver.errors import ServerException

from pipeline.sentiment.rule import LogProbabilities
from pipeline.store import rows as r
from pipeline.store.client import clear_errors
from pipeline.store.mentions import MentionStore
from pipeline.store.rescore_rows import (
    COLUMNS,
    CURRENT,
    FIXED,
    SINCE,
    TIMES,
    Place,
    Selection,
    Stored,
    Survey,
    Target,
    candidate,
    stored,
)
from schemas.events import Judgement

UNKNOWN_TABLE: Final = 60
BEGUN, HEALED, DONE = range(3)
"""States of a page in ``rescore_pages``: the greatest holds."""
_PAGE: Final = "run, page, tenant, model, rule, mention_ids, written_at, state"
HEAL_MENTIONS: Final = 2000
"""Mentions counted again at once."""


class RescoreStore(MentionStore):
    """One run's view of ClickHouse, through ``client`` (one thread at a time)."""

    def __init__(self, client: Client) -> None:
        super().__init__(client)
        self.run = uuid4()
        self.written = 0
        """Mentions whose row was replaced so far."""
        self._stored_ms: dict[tuple[str, UUID], int] = {}

    def tenants(self, selection: Selection) -> list[str]:
        """The selection's tenant, else all of them in order."""
        if selection.tenant:
            return [selection.tenant]
        with clear_errors(self._client):
            return [row[0] for row in self._client.execute("SELECT DISTINCT tenant FROM mentions ORDER BY tenant")]

    def survey(self, selection: Selection, target: Target) -> Survey:
        """Count what is there, from the truth."""
        with clear_errors(self._client):
            rows = self._client.execute(
                f"SELECT countIf({CURRENT} AND NOT {FIXED}), countIf(model = %(model)s AND NOT {CURRENT} AND NOT "  # noqa: S608
                f"{FIXED}), countIf(model != %(model)s AND NOT {FIXED}), countIf({FIXED}) "
                f"FROM mentions FINAL WHERE {SINCE} AND {selection.where()}",
                selection.parameters() | target.parameters(),
            )
        return Survey(*(int(n) for n in rows[0]))

    def page(self, tenant: str, after: Place, selection: Selection, target: Target, limit: int) -> list[Stored]:
        """The next at most ``limit`` mentions that remain, in order of place."""
        columns = ", ".join(f"toUnixTimestamp64Milli({name})" if name in TIMES else f"`{name}`" for name in COLUMNS)
        # The first condition is what the index can use; the second continues within a millisecond.
        sql = (
            f"SELECT mention_id, CAST(label, 'String'), {columns} FROM mentions FINAL "  # noqa: S608 - constants
            f"WHERE tenant = %(tenant)s AND {SINCE} AND {selection.where()} AND (published_at, mention_id) > "
            "(fromUnixTimestamp64Milli(toInt64(%(after_ms)s), 'UTC'), toUUID(%(after_id)s)) "
            f"AND NOT {CURRENT} AND NOT {FIXED} ORDER BY published_at, mention_id LIMIT %(limit)s"
        )
        parameters = selection.parameters() | target.parameters()
        parameters |= {"tenant": tenant, "after_ms": after[0], "after_id": after[1], "limit": limit}
        parameters["since"] = max(selection.since_ms, after[0])
        with clear_errors(self._client):
            return [stored(tenant, row) for row in self._client.execute(sql, parameters)]

    def log_probabilities(self, page: Sequence[Stored], model: str) -> dict[UUID, LogProbabilities]:
        """Mention id -> what ``model`` thought of the text of this very revision, where that is stored."""
        if not page:
            return {}
        revisions = {one.key.mention_id: one.fields["revision"] for one in page}
        ids = {"name": "ids", "structure": [("mention_id", "UUID")], "data": [{"mention_id": i} for i in revisions]}
        with clear_errors(self._client):
            rows = self._client.execute(
                "SELECT mention_id, revision, logp_negative, logp_neutral, logp_positive FROM judgements FINAL "
                "WHERE tenant = %(tenant)s AND mention_id IN ids AND target = '' AND model = %(model)s",
                {"tenant": page[0].key.tenant, "model": model},
                external_tables=[ids],
            )
        return {ident: (a, b, c) for ident, revision, a, b, c in rows if revisions[ident] == revision}

    def rewrite(self, number: int, page: Sequence[Stored], judgements: Sequence[Judgement], target: Target) -> None:
        """Give each mention of ``page`` its new judgement, counts included; page ``number`` of this run.

        Doing it again changes nothing. Raises as :meth:`MentionStore.write`.
        """
        if not page:
            return
        items = [candidate(one, judged) for one, judged in zip(page, judgements, strict=True)]
        self._stored_ms = {(one.key.tenant, one.key.mention_id): one.stored_ms for one in page}
        mark = (self.run, number, page[0].key.tenant, target.model, target.rule)
        now_ms = self._clock_ns() // 1_000_000
        self._mark((*mark, [one.key.mention_id for one in page], now_ms, BEGUN))
        self.write_candidates(items)
        self._mark((*mark, [], now_ms, DONE))

    def heal(self) -> int:
        """Count the mentions again of every page that another run began and did not end; return how many pages.

        Such a run was killed, or goes on at this moment. For a day its pages are counted by every run, because it may
        still write.
        """
        with clear_errors(self._client):
            left = self._client.execute(
                "SELECT run, page, tenant, model, rule, mention_ids, toUnixTimestamp64Milli(written_at) AS at, "
                "written_at < now() - INTERVAL 1 DAY FROM rescore_pages FINAL "
                "WHERE state != %(done)s AND run != %(own)s ORDER BY at",
                {"done": DONE, "own": self.run},
            )
        found: dict[str, set[UUID]] = {}
        for _, _, tenant, _, _, ids, *_ in left:
            found.setdefault(tenant, set()).update(ids)
        for tenant, mentions in found.items():
            keys = [r.MentionKey(tenant, ident) for ident in sorted(mentions)]
            for start in range(0, len(keys), HEAL_MENTIONS):
                self.recount(keys[start : start + HEAL_MENTIONS])
        self._mark(*((*page, DONE if old else HEALED) for *page, old in left))
        return len(left)

    def _mark(self, *pages: Sequence[Any]) -> None:
        if pages:
            with clear_errors(self._client):
                self._client.execute(f"INSERT INTO rescore_pages ({_PAGE}) VALUES", [tuple(page) for page in pages])

    def _insert_settings(self) -> dict[str, Any]:
        """The same rows after two other runs (a model, another, the first again) are no repeat of the first ones."""
        return {"insert_deduplication_token": uuid4().hex}

    def _insert(self, table: str, names: Sequence[str], found: Sequence[tuple[Any, ...]]) -> None:
        """A new judgement is no new arrival: ``stored_at`` stays, or latencies and freshness would be the rescore's."""
        if table == "mentions":
            at, names = names.index("mention_id"), (*names, "stored_at")
            deleted = names.index("is_deleted")
            found = [(*row, self._stored_ms[row[0], row[at]]) for row in found]
            super()._insert(table, names, found)
            self.written += sum(not row[deleted] for row in found)
        else:
            super()._insert(table, names, found)


def uncounted_pages(client: Client) -> int:
    """Pages that a run has begun and not counted for ten minutes: it was killed, and no other has healed it since.

    0 on tables of an older build, which knows no rescore.
    """
    with clear_errors(client):
        try:
            rows = client.execute(
                "SELECT count() FROM rescore_pages FINAL WHERE state = 0 AND written_at < now() - INTERVAL 10 MINUTE"
            )
        except ServerException as error:
            if error.code == UNKNOWN_TABLE:
                return 0
            raise
    return int(rows[0][0])


def newest_generation(client: Client) -> int:
    """The greatest generation of any stored mention: how often the most often judged one was judged anew."""
    with clear_errors(client):
        rows = client.execute(
            "SELECT max(bitAnd(truth, %(lost)s)) FROM mentions WHERE bitAnd(truth, %(lost)s) < %(lost)s",
            {"lost": r.LOST},
        )
    return int(rows[0][0])
