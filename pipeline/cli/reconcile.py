"""``babelwatch reconcile``: proves from Kafka's offsets and ClickHouse that everything that was sent has ended."""

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

import click
from rich.console import Console

from pipeline.cli.dead import parse_since
from pipeline.errors import NotProven, Unreconciled
from pipeline.local import discover
from pipeline.settings import Settings, load_settings

if TYPE_CHECKING:
    from pipeline.reconcile import Reconciliation

ANSWER_S: Final = 10.0
SHOWN_GAPS: Final = 20


@click.command(
    epilog="Exit codes: 0 every offset ended; 2 arguments; 3 Kafka or ClickHouse does not answer; 13 some did not end; "
    "14 a stage did not get as far in time."
)
@click.option("--since", metavar="TIME", help="Only what was sent since: 30m, 2h, 7d, or a time.")
@click.option("--repair", "mend", is_flag=True, help="Read what did not end again, and look once more.")
@click.option(
    "--timeout", "timeout_s", type=click.FloatRange(1), default=60.0, show_default=True,
    help="Seconds to wait until all stages have got through what is sent by now.",
)  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="As JSON, for scripts.")
def command(since: str | None, mend: bool, timeout_s: float, as_json: bool) -> None:
    """Prove that every message that was sent has ended: stored, a repeat, or a dead letter.

    Compares the offsets of topic mentions with the ledger that the sink keeps in ClickHouse. Works beside a running
    stream: what was sent before is waited for, what comes meanwhile is not. A sink worker looks every 15 seconds too.

    \b
    babelwatch reconcile
    babelwatch reconcile --since 24h --json
    babelwatch reconcile --repair
    """
    settings = discover(load_settings())
    settings.require_clickhouse()
    console = Console(stderr=True, highlight=False)
    found, mended = _run(settings, since, mend, timeout_s, console)
    if as_json:
        click.echo(json.dumps(_as_dict(found, mended), indent=1))
    elif not found.waits_for:
        _show(found)
    if found.waits_for:
        raise NotProven(
            f"not proven within {timeout_s:.0f} s: {found.waits_for}. Look at `babelwatch status`, or give it more "
            "time with --timeout"
        )
    if not found.complete:
        raise Unreconciled(_what_is_wrong(found))


def _run(
    settings: Settings, since: str | None, mend: bool, timeout_s: float, console: Console
) -> tuple["Reconciliation", int | None]:
    from pipeline.kafka.admin import read_incarnation
    from pipeline.kafka.offsets import OffsetReader
    from pipeline.kafka.ranges import RangeReader
    from pipeline.kafka.redeliver import Redeliverer
    from pipeline.kafka.topics import MENTIONS
    from pipeline.reconcile import reconcile
    from pipeline.repair import repair
    from pipeline.store.client import connect
    from pipeline.store.ledger import LedgerStore

    moment = parse_since(since, datetime.now(UTC)) if since else None
    quick = settings.model_copy(update={"connect_timeout_s": ANSWER_S})
    store = LedgerStore(connect(settings.require_clickhouse()))
    mended: int | None = None
    with (
        OffsetReader(settings) as reader,
        RangeReader(settings) as records,
        console.status("asking Kafka") as status,
    ):
        incarnation = read_incarnation(quick)
        # Sent before this command was given: what nobody has read yet has not ended, and a repair that waits unread is
        # not sent once more. What comes later is not waited for, or an endless input would never let it end.
        sent = {partition: end for (_, partition), end in reader.ends([MENTIONS]).items()}
        first = None if moment is None else reader.at(MENTIONS, int(moment.timestamp() * 1000))

        def look(at_least: dict[int, int]) -> "Reconciliation":
            return reconcile(
                *(reader, records, store, incarnation),
                since=first,
                at_least=at_least,
                timeout_s=timeout_s,
                waiting=status.update,
            )

        found = look(sent)
        if mend and found.gaps:
            with Redeliverer(settings, incarnation, "repair") as redeliverer:
                mended = repair(
                    records, redeliverer, found.proofs, lambda n: status.update(f"sent again: {n:,} of {found.gaps:,}")
                )
            if redeliverer.too_large:
                mended -= len(redeliverer.too_large)
                console.print(f"too large to be sent again: {', '.join(redeliverer.too_large[:SHOWN_GAPS])}")
            found = look(redeliverer.sent_to)
        if found.proofs and first is None:
            store.mark(found.marks())
    if mended is not None:
        console.print(f"{mended:,} records were sent again")
    return found, mended


def _show(found: "Reconciliation") -> None:
    from pipeline.ledger import OUTCOMES

    rows = [("partition", "offsets", *OUTCOMES, "missing")]
    for proof in found.proofs:
        bounds = proof.bounds
        span = f"{bounds.low:,} to {bounds.high - 1:,}" if bounds.high > bounds.low else "none"
        ended = [f"{proof.counts.get(name, 0):,}" for name in OUTCOMES]
        rows.append((str(proof.partition), span, *ended, f"{proof.missing:,}"))
    widths = [max(len(row[n]) for row in rows) for n in range(len(rows[0]))]
    for row in rows:
        click.echo("  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True)))
    total = sum(proof.bounds.high - proof.bounds.low for proof in found.proofs)
    counts = found.counts()
    parts = f"{counts['stored']:,} stored, {counts['repeat']:,} repeats, {counts['dead']:,} dead letters"
    absent = f", {counts['absent']:,} not in Kafka" if counts["absent"] else ""
    if found.complete:
        click.echo(f"every one of {total:,} offsets has ended: {parts}{absent}")
    if any(found.begins.values()):
        click.echo("the ledger begins above offset 0: what came before was stored by a build without one")


def _what_is_wrong(found: "Reconciliation") -> str:
    gaps = [gap for proof in found.proofs for gap in proof.gaps]
    lost = [gap for proof in found.proofs for gap in proof.lost]
    said = []
    if gaps:
        said.append(
            f"{found.gaps:,} offsets of mentions did not end ({_listed(gaps)}): `babelwatch reconcile --repair` reads "
            "them again"
        )
    if lost:
        said.append(
            f"{found.unprovable:,} offsets did not end and are gone from Kafka ({_listed(lost)}): nobody can say what "
            "became of them"
        )
    return "; ".join(said)


def _listed(gaps: list[Any]) -> str:
    more = f" and {len(gaps) - SHOWN_GAPS:,} more ranges" if len(gaps) > SHOWN_GAPS else ""
    return "partition " + ", ".join(str(gap) for gap in gaps[:SHOWN_GAPS]) + more


def _as_dict(found: "Reconciliation", mended: int | None) -> dict[str, Any]:
    return {
        "incarnation": found.incarnation,
        "complete": found.complete,
        "waits_for": found.waits_for,
        "counts": found.counts(),
        "gap_offsets": found.gaps,
        "unprovable_offsets": found.unprovable,
        "sent_again": mended,
        "partitions": [
            {
                "partition": proof.partition,
                "from": proof.bounds.low,
                "watermark": proof.bounds.high,
                "log_begin": proof.bounds.log_begin,
                "log_end": proof.bounds.log_end,
                "proven": proof.proven,
                "counts": proof.counts,
                "gaps": [[gap.start, gap.end] for gap in proof.gaps],
                "unprovable": [[gap.start, gap.end] for gap in proof.lost],
            }
            for proof in found.proofs
        ],
    }
