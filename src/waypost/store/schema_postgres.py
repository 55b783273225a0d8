"""The schema on PostgreSQL: the same files as for the embedded store, brought up by whichever node comes first."""

import contextlib
import hashlib
import logging
import re
from collections.abc import Sequence
from typing import Any, NamedTuple

import psycopg
from psycopg import errors

from waypost.store.greeting import address
from waypost.store.migrate import LEFT_OUT, RECORDS, Migration, Pending, Reached, migrations, pending, refuse_newer
from waypost.store.store import StoreRefused

log = logging.getLogger(__name__)

TOKENS = {
    "key": "BIGINT PRIMARY KEY", "blob": "BYTEA", "without_rowid": "", "sqlite": LEFT_OUT, "postgres": "",
    # Rows of a distributed table: `key` must begin with what distributes it.
    "local_key": "BIGINT NOT NULL", "storage_key": ", PRIMARY KEY (storage, id)",
}  # fmt: skip
VERSION_MIN = 140_000
TRIES_MAX = 8
"""How often a node tries to change the schema that others change at the same time, or keep busy."""
LOCK_TIMEOUT = "5s"
"""How long a change of a table may wait for it, for whoever wants that table meanwhile waits behind."""
ALIVE_MS = 6_000
"""A node that gave no sign of life for so long, by the database's clock, is taken for dead."""
STORAGE_RECORD = "schema_storage"
"""Name in ``meta``: the storage parameters that were set."""

_RACES = (
    errors.UniqueViolation, errors.DuplicateTable, errors.DuplicateObject, errors.SerializationFailure,
    errors.DeadlockDetected, errors.LockNotAvailable, errors.UndefinedTable,
)  # fmt: skip

_TEXT = re.compile(r"\bTEXT\b")

STORAGE = {
    # Rows that are inserted, updated once or twice and deleted within seconds. A vacuum of few pages costs little, so
    # it comes often and does not pause; `python -m benchmarks.churn` shows what it leaves. Measured (two cores, 1,700
    # cycles of send, receive and delete a second beside 100,000 waiting, autovacuum once a minute): 25,000 to 28,000
    # pages of messages and 2,700 of the index by time, whatever the fillfactor: no update here leaves all indexed
    # columns as they are. One of 80 only made a million waiting a quarter larger.
    "sqs_message": "autovacuum_vacuum_threshold = 2000, autovacuum_vacuum_scale_factor = 0.01,"
    " autovacuum_vacuum_insert_scale_factor = 0.05, autovacuum_analyze_scale_factor = 0.05,"
    " autovacuum_vacuum_cost_delay = 0",
    "sqs_body": "autovacuum_vacuum_threshold = 1000, autovacuum_vacuum_scale_factor = 0.01,"
    " autovacuum_vacuum_cost_delay = 0",
    "sqs_group": "autovacuum_vacuum_threshold = 1000, autovacuum_vacuum_scale_factor = 0.02,"
    " autovacuum_vacuum_cost_delay = 0",
    "sqs_dedup": "autovacuum_vacuum_threshold = 5000, autovacuum_vacuum_scale_factor = 0.02,"
    " autovacuum_vacuum_cost_delay = 0",
    "sns_dedup": "autovacuum_vacuum_threshold = 5000, autovacuum_vacuum_scale_factor = 0.02,"
    " autovacuum_vacuum_cost_delay = 0",
    "sns_group": "fillfactor = 70, autovacuum_vacuum_threshold = 1000, autovacuum_vacuum_scale_factor = 0.02,"
    " autovacuum_vacuum_cost_delay = 0",
    "sns_document": "autovacuum_vacuum_threshold = 1000, autovacuum_vacuum_scale_factor = 0.01,"
    " autovacuum_vacuum_cost_delay = 0",
    # A row for each queue in use, renewed up to some fifty times a second.
    "sqs_floor": "autovacuum_vacuum_threshold = 200, autovacuum_vacuum_scale_factor = 0.1,"
    " autovacuum_vacuum_cost_delay = 0",
    "job": "fillfactor = 70, autovacuum_vacuum_threshold = 1000, autovacuum_vacuum_scale_factor = 0.01,"
    " autovacuum_vacuum_cost_delay = 0",
    "states_run": "fillfactor = 70, autovacuum_vacuum_threshold = 1000, autovacuum_vacuum_scale_factor = 0.02,"
    " autovacuum_vacuum_cost_delay = 0",
    "states_branch": "fillfactor = 70, autovacuum_vacuum_threshold = 1000, autovacuum_vacuum_scale_factor = 0.02,"
    " autovacuum_vacuum_cost_delay = 0",
    "states_token": "autovacuum_vacuum_threshold = 1000, autovacuum_vacuum_scale_factor = 0.02,"
    " autovacuum_vacuum_cost_delay = 0",
    # Long documents: nearly all of them lie in the table's other half.
    "states_body": "autovacuum_vacuum_threshold = 1000, autovacuum_vacuum_scale_factor = 0.02,"
    " autovacuum_vacuum_cost_delay = 0, toast.autovacuum_vacuum_threshold = 1000,"
    " toast.autovacuum_vacuum_scale_factor = 0.02, toast.autovacuum_vacuum_cost_delay = 0",
    "states_activity_task": "autovacuum_vacuum_threshold = 1000, autovacuum_vacuum_scale_factor = 0.01,"
    " autovacuum_vacuum_cost_delay = 0",
    # Records stay for 90 days, and each changes once, when its execution ends. What the index still holds of executions
    # that ran is walked over by whoever asks which ones run.
    "states_execution": "autovacuum_vacuum_threshold = 5000, autovacuum_vacuum_scale_factor = 0.02,"
    " autovacuum_vacuum_insert_scale_factor = 0.05",
}


def words(statement: str) -> str:
    """A statement of a schema file in PostgreSQL's words: text is ordered by its bytes, as SQLite does it."""
    return _TEXT.sub('TEXT COLLATE "C"', statement)


class OlderNode(NamedTuple):
    """A living node that does not know a schema file."""

    id: str
    address: str
    version: str
    schema: int

    def __str__(self) -> str:
        return f"node {self.id} at {self.address} (Waypost {self.version}, schema {self.schema})"


class Standing(NamedTuple):
    """Where a database stands, and what was done to it."""

    reached: Reached
    newest: int
    """The newest schema file of this release."""
    applied: list[str]
    """Names of files."""
    held: Migration | None
    """The first file that waits for ``waypost migrate --post``, or with that for nodes to end."""
    older: list[OlderNode]
    """Those nodes."""

    def lines(self) -> list[str]:
        """For people."""
        told = [f"applied {name}" for name in self.applied]
        told.append(f"the database has schema {self.reached.pre}; this Waypost knows {self.newest}")
        if self.held is not None:
            told.append(
                f"{self.held.file} waits for `waypost migrate --post`, when no node is left that needs what goes"
            )
            told += [f"  that does {node}" for node in self.older]
        return told


def upgrade(url: str, *, post: bool = False) -> Standing:
    """Apply what is new to the database at ``url``. Raises ``StoreRefused`` with one clear line."""
    try:
        with psycopg.Connection.connect(address(url), autocommit=True) as connection:
            return install(connection, post=post)
    except psycopg.Error as error:
        raise StoreRefused(f"cannot open the PostgreSQL database: {' '.join(str(error).split())}") from error


def install(
    connection: psycopg.Connection[Any], *, post: bool = False, known: Sequence[Migration] | None = None
) -> Standing:
    """Apply what is new and may be applied; one node at a time. Raises ``StoreRefused``.

    ``post``: also the files that wait until no node is left that does not know them. ``known`` stands for the files of
    this release.
    """
    _check(connection)
    with contextlib.suppress(psycopg.DatabaseError):  # not every database knows such a limit
        connection.execute(f"SET lock_timeout = '{LOCK_TIMEOUT}'")
    known = migrations(TOKENS) if known is None else known
    newest = max((migration.number for migration in known), default=0)
    applied: list[str] = []
    tries = 0
    while True:
        try:
            with connection.transaction():
                reached, due, older = _step(connection, known, post=post)
        except _RACES as error:
            tries += 1
            if tries == TRIES_MAX:
                raise
            log.info("another node or its work was in the way of the schema: %s", error)
            continue
        if not due:
            break
        applied += [migration.file for migration in due]
    refuse_newer(reached, newest)
    _store(connection, newest, reached)
    return Standing(reached, newest, applied, pending(known, reached, 0).held, older)


def _step(
    connection: psycopg.Connection[Any], known: Sequence[Migration], *, post: bool
) -> tuple[Reached, list[Migration], list[OlderNode]]:
    """Apply the next file; all of them to an empty database. Answers how far that is, what it was, who is in the way.

    Who comes at the same time waits for the row of the schema's version, or finds on an empty database that a table of
    the first file is there.
    """
    reached = _reached(connection)
    empty = reached.pre == 0
    newest = max((migration.number for migration in known), default=0)
    refuse_newer(reached, newest)
    older: list[OlderNode] = []
    post_until = newest if empty else 0
    first = next((one.number for one in known if one.phase == "post" and one.number > reached.post), None)
    if first is not None and not empty:
        older = _older(connection, first)
        post_until = first if post and not older else 0
    due: list[Migration] = []
    while (found := pending(known, reached, post_until)).next is not None:
        _apply(connection, found.next)
        due.append(found.next)
        reached = reached.after(found.next)
        if not empty:
            break
    if not due:
        _refuse_blocked(found, older)
    return reached, due, older


def _refuse_blocked(found: Pending, older: list[OlderNode]) -> None:
    if found.blocked is not None and found.held is not None:
        alive = f", that is {', '.join(map(str, older))}" if older else ""
        raise StoreRefused(
            f"schema file {found.blocked.file} waits for {found.held.file} of an earlier release: end the nodes that"
            f" do not know that file yet{alive}, and run `waypost migrate --post`"
        )


def _reached(connection: psycopg.Connection[Any]) -> Reached:
    """How far the files were applied; from then on nobody else applies any until the transaction ends."""
    row = connection.execute("SELECT to_regclass('meta') IS NOT NULL").fetchone()
    if row is None or not row[0]:
        return Reached(0, 0)
    if connection.execute("SELECT 1 FROM meta WHERE name = %s FOR UPDATE", (RECORDS["pre"],)).fetchone() is None:
        raise StoreRefused("the database has a table meta that is not of Waypost: give Waypost a database of its own")
    return Reached.of(dict(connection.execute("SELECT name, value FROM meta").fetchall()))


def _older(connection: psycopg.Connection[Any], number: int) -> list[OlderNode]:
    """Living nodes that do not know the file of that number."""
    rows = connection.execute(
        "SELECT id, address, version, schema FROM node WHERE schema < %s"
        " AND seen_at >= CAST(EXTRACT(EPOCH FROM clock_timestamp()) * 1000 AS BIGINT) - %s ORDER BY id",
        (number, ALIVE_MS),
    )
    return [OlderNode(*row) for row in rows]


def _check(connection: psycopg.Connection[Any]) -> None:
    row = connection.execute("SELECT version()").fetchone()
    told = "" if row is None else str(row[0])
    version = connection.info.server_version
    if not told.startswith("PostgreSQL") or "-YB-" in told:
        # It speaks PostgreSQL's protocol, and has version numbers of its own.
        log.warning("only PostgreSQL itself is tested; the database is %s", told)
    elif version < VERSION_MIN:
        raise StoreRefused(f"PostgreSQL {version // 10_000} is too old: Waypost needs {VERSION_MIN // 10_000} or newer")
    encoding = connection.info.parameter_status("server_encoding")
    if encoding not in {"UTF8", None}:
        raise StoreRefused(f"the PostgreSQL database has the encoding {encoding}: Waypost needs UTF8")
    if connection.info.parameter_status("in_hot_standby") == "on":
        raise StoreRefused("the database is a standby, which only reads: name its primary, too")
    try:
        row = connection.execute("SHOW fsync").fetchone()
    except psycopg.DatabaseError:
        return  # it has no such thing
    if row is not None and row[0] == "off":
        log.warning("the database runs with fsync off: what it confirms is lost when its machine fails")


def _apply(connection: psycopg.Connection[Any], migration: Migration) -> None:
    for statement in migration.statements:
        _execute(connection, words(statement))
    _record(connection, RECORDS[migration.phase], str(migration.number))


def _record(connection: psycopg.Connection[Any], name: str, value: str) -> None:
    connection.execute(
        "INSERT INTO meta (name, value) VALUES (%s, %s) ON CONFLICT (name) DO UPDATE SET value = excluded.value",
        (name, value),
    )


def _store(connection: psycopg.Connection[Any], newest: int, reached: Reached) -> None:
    """Set the storage parameters, where they are not those of this release; a database need not know them."""
    digest = hashlib.sha256(repr(STORAGE).encode()).hexdigest()[:16]
    row = connection.execute("SELECT value FROM meta WHERE name = %s", (STORAGE_RECORD,)).fetchone()
    if reached.pre > newest or (row is not None and row[0] == digest):
        return
    refused = []
    for table, parameters in STORAGE.items():
        try:
            _execute(connection, f"ALTER TABLE {table} SET ({parameters})")
        except errors.LockNotAvailable:
            log.info("table %s is busy: its storage parameters are set at the next start", table)
            return
        except psycopg.OperationalError:
            raise
        except psycopg.Error as error:
            refused.append(f"{table} ({' '.join(str(error).split())})")
    if refused:
        log.warning("the database does without storage parameters that it refuses: %s", ", ".join(refused))
    _record(connection, STORAGE_RECORD, digest)


def _execute(connection: psycopg.Connection[Any], text: str) -> None:
    connection.execute(text)
