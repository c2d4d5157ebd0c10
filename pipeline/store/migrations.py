"""Numbered SQL migrations: rendered for one node or a cluster, applied once, recorded with their checksum.

ClickHouse has no locks and no transactions over DDL, so safety when two workers start at once comes from the files:
each statement is idempotent (IF [NOT] EXISTS; a test holds every file to it), and a migration is recorded after its
last statement. Two that run side by side, or one after a crash, do the same again without effect.

A file may use, in double braces: ``table NAME``, ``on_cluster``, ``replacing VERSION`` (the engine), ``dedup_window``
(name of the setting), ``distributed NAME by EXPRESSION`` and ``alter_distributed NAME by CHANGE`` (whole statements,
empty on one node: a Distributed table has columns of its own, which a change must reach as well).
"""

import hashlib
import re
from pathlib import Path
from typing import Final

from clickhouse_driver import Client

import schemas
from pipeline.errors import BabelwatchError, MigrationError
from pipeline.store.client import Address, clear_errors, connect

SQL_DIR: Final = Path(schemas.__file__).parent / "sql"
_NAME: Final = re.compile(r"^[A-Za-z_][A-Za-z0-9_]{0,62}$")
_CLUSTER: Final = re.compile(r"^[A-Za-z0-9_.{}-]{1,64}$")
_TOKEN: Final = re.compile(r"\{\{\s*(\w+)\s*(.*?)\s*\}\}", re.DOTALL)
_COMMENT: Final = re.compile(r"^\s*--.*$", re.MULTILINE)

RECORD: Final = "schema_migrations"
_RECORD_SQL: Final = """
CREATE TABLE IF NOT EXISTS {{table schema_migrations}} {{on_cluster}} (
  name String,
  checksum String,
  applied_at DateTime64(3, 'UTC') DEFAULT now64(3),
  applied_by String DEFAULT concat(currentUser(), '@', hostName())
)
ENGINE = {{replacing applied_at}}
ORDER BY (name, checksum)
SETTINGS {{dedup_window}} = 0;
{{distributed schema_migrations by cityHash64(name)}}
"""


def render(cluster: str = "", database: str = "babelwatch") -> list[tuple[str, list[str]]]:
    """Return (name, statements) of every migration in order; ``cluster`` names a ClickHouse cluster, or ``""``.

    On a cluster each table is ``NAME_local`` (ON CLUSTER, Replicated) plus ``NAME`` (Distributed over it). Raises
    MigrationError when a name is not one, or a file uses what the renderer does not know.
    """
    return [(name, render_sql(text, cluster, database)) for name, text in sources()]


def sources() -> list[tuple[str, str]]:
    """Return (name, text) of the files, in order of their numbers. Raises MigrationError when two have one number."""
    files = sorted(SQL_DIR.glob("[0-9][0-9][0-9][0-9]_*.sql"))
    numbers = [file.name[:4] for file in files]
    if len(set(numbers)) != len(numbers) or not files:
        raise MigrationError(f"{SQL_DIR} holds no migrations, or two of one number: {', '.join(numbers)}")
    return [(file.stem, file.read_text(encoding="utf-8")) for file in files]


def render_sql(text: str, cluster: str, database: str) -> list[str]:
    """Statements of one file, without comments. Raises MigrationError, see :func:`render`."""
    if not _NAME.match(database):
        raise MigrationError(f"database {database!r} of CLICKHOUSE_URL must be letters, digits and underscores")
    if cluster and not _CLUSTER.match(cluster):
        raise MigrationError(f"BABELWATCH_CLICKHOUSE_CLUSTER {cluster!r} is not the name of a cluster")
    tokens = _Tokens(cluster, database)
    statements = []
    for raw in _COMMENT.sub("", text).split(";"):
        # Blank lines and spaces before a line's end come from tokens that render to nothing.
        lines = [line.rstrip() for line in _TOKEN.sub(tokens, raw).strip().splitlines()]
        statement = "\n".join(re.sub(r"(?<=\S)  +\(", " (", line) for line in lines if line)
        if statement:
            statements.append(statement)
    return statements


class _Tokens:
    """What stands in double braces -> SQL, for one node (``cluster`` empty) or a cluster."""

    def __init__(self, cluster: str, database: str) -> None:
        self._cluster = cluster
        self._database = database
        self._on_cluster = f"ON CLUSTER '{cluster}'" if cluster else ""

    def __call__(self, match: re.Match[str]) -> str:
        kind, rest = match[1], match[2]
        if kind == "on_cluster":
            return self._on_cluster
        if kind == "dedup_window":
            return "replicated_deduplication_window" if self._cluster else "non_replicated_deduplication_window"
        if kind == "table" and _NAME.match(rest):
            return f"{self._database}.{rest}" + ("_local" if self._cluster else "")
        if kind == "replacing" and _NAME.match(rest):
            # {uuid}, {shard} and {replica} are macros that the server fills in.
            replicated = f"ReplicatedReplacingMergeTree('/clickhouse/tables/{{uuid}}/{{shard}}', '{{replica}}', {rest})"
            return replicated if self._cluster else f"ReplacingMergeTree({rest})"
        distributed = re.fullmatch(r"(\w+) by\s+(.+)", rest, re.DOTALL)
        if kind == "distributed" and distributed:
            return self._distributed(distributed[1], distributed[2]) if self._cluster else ""
        if kind == "alter_distributed" and distributed:
            altered = f"ALTER TABLE {self._database}.{distributed[1]} {self._on_cluster}\n{distributed[2]}"
            return altered if self._cluster else ""
        raise MigrationError(f"the renderer of migrations does not know {match[0]!r}")

    def _distributed(self, name: str, key: str) -> str:
        return (
            f"CREATE TABLE IF NOT EXISTS {self._database}.{name} {self._on_cluster} AS {self._database}.{name}_local\n"
            f"ENGINE = Distributed('{self._cluster}', '{self._database}', '{name}_local', {key})"
        )


def checksum(text: str) -> str:
    """SHA-256 of a file as it is in the repository, before rendering."""
    return hashlib.sha256(text.encode()).hexdigest()


def migrate(url: str, *, cluster: str = "") -> list[str]:
    """Create the database of ``url`` and apply what is missing; return the names applied, in order.

    Doing it again does nothing. Raises MigrationError when a file was changed after it was applied, when the database
    has a migration that this build does not have, or when a statement fails; ClickHouseUnavailable or
    ClickHouseRefused when there is no talking to the server.
    """
    address = Address.of(url)
    known = sources()
    record = render_sql(_RECORD_SQL, cluster, address.database)  # checks the names before they are used below
    outside = connect(url, database="")
    try:
        with clear_errors(outside):
            found = outside.execute("SELECT count() FROM system.databases WHERE name = %(d)s", {"d": address.database})
            if not found[0][0]:
                on_cluster = f"ON CLUSTER '{cluster}'" if cluster else ""
                outside.execute(f"CREATE DATABASE IF NOT EXISTS {address.database} {on_cluster}")
    finally:
        outside.disconnect()
    client = connect(url)
    try:
        with clear_errors(client):
            for statement in record:
                client.execute(statement)
        applied = _applied(client)
        _compare(known, applied, str(address), address.database)
        return _apply(client, [(n, t) for n, t in known if n not in applied], cluster, address.database)
    finally:
        client.disconnect()


def pending(url: str) -> list[str]:
    """Names that are not applied yet; all of them when there is no database. Raises as :func:`migrate` does."""
    address = Address.of(url)
    names = [name for name, _ in sources()]
    client = connect(url, database="")
    try:
        with clear_errors(client):
            found = client.execute(
                "SELECT count() FROM system.tables WHERE database = %(d)s AND name = %(t)s",
                {"d": address.database, "t": RECORD},
            )
        if not found[0][0]:
            return names
    finally:
        client.disconnect()
    client = connect(url)
    try:
        applied = _applied(client)
    finally:
        client.disconnect()
    return [name for name in names if name not in applied]


def _applied(client: Client) -> dict[str, set[str]]:
    """Name -> checksums under which it was applied."""
    with clear_errors(client):
        rows = client.execute(f"SELECT name, checksum FROM {RECORD} FINAL")  # noqa: S608 - a constant
    result: dict[str, set[str]] = {}
    for name, digest in rows:
        result.setdefault(name, set()).add(digest)
    return result


def _compare(known: list[tuple[str, str]], applied: dict[str, set[str]], where: str, database: str) -> None:
    texts = dict(known)
    for name, digests in sorted(applied.items()):
        if name not in texts:
            raise MigrationError(
                f"database {database} at {where} has migration {name}, which this build does not have: it was upgraded "
                "by a newer babelwatch; upgrade this one"
            )
        if digests != {checksum(texts[name])}:
            raise MigrationError(
                f"migration {name} was changed after it was applied to database {database} at {where}: restore the "
                "file, and put the change into a new migration with the next number"
            )


def _apply(client: Client, todo: list[tuple[str, str]], cluster: str, database: str) -> list[str]:
    done = []
    for name, text in todo:
        for statement in render_sql(text, cluster, database):
            try:
                with clear_errors(client):
                    client.execute(statement)
            except BabelwatchError as error:
                raise MigrationError(
                    f"migration {name} failed; it is done again from its beginning: {error}"
                ) from error
        with clear_errors(client):
            client.execute(f"INSERT INTO {RECORD} (name, checksum) VALUES", [(name, checksum(text))])
        done.append(name)
    return done
