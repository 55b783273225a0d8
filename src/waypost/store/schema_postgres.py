"""The schema on PostgreSQL: the same files as for the embedded store, brought up by whichever node comes first."""

import re
from typing import Any

import psycopg

from waypost.store.migrate import Migration, migrations
from waypost.store.store import StoreRefused

TOKENS = {"key": "BIGINT PRIMARY KEY", "blob": "BYTEA", "without_rowid": ""}
VERSION_MIN = 140_000
LOCK = 0x5741_5950
"""The advisory lock of migrations."""
VERSIONS = {"pre": "schema_version", "post": "schema_post_version"}
"""Names in ``meta``: how far the files of each phase were applied."""

_TEXT = re.compile(r"\bTEXT\b")

STORAGE = {
    # Rows that are inserted, updated once or twice and deleted within seconds: what is dead must go while it is little,
    # or every claim walks over it. A vacuum of few pages costs little, so it comes often and does not pause.
    "sqs_message": "fillfactor = 80, autovacuum_vacuum_threshold = 2000, autovacuum_vacuum_scale_factor = 0.01,"
    " autovacuum_vacuum_insert_scale_factor = 0.05, autovacuum_analyze_scale_factor = 0.05,"
    " autovacuum_vacuum_cost_delay = 0",
    "sqs_body": "autovacuum_vacuum_threshold = 1000, autovacuum_vacuum_scale_factor = 0.01,"
    " autovacuum_vacuum_cost_delay = 0",
    "sqs_group": "fillfactor = 70, autovacuum_vacuum_threshold = 1000, autovacuum_vacuum_scale_factor = 0.02,"
    " autovacuum_vacuum_cost_delay = 0",
    "sqs_dedup": "autovacuum_vacuum_threshold = 5000, autovacuum_vacuum_scale_factor = 0.02,"
    " autovacuum_vacuum_cost_delay = 0",
    "job": "fillfactor = 70, autovacuum_vacuum_threshold = 1000, autovacuum_vacuum_scale_factor = 0.01,"
    " autovacuum_vacuum_cost_delay = 0",
    "states_run": "fillfactor = 70, autovacuum_vacuum_threshold = 1000, autovacuum_vacuum_scale_factor = 0.02,"
    " autovacuum_vacuum_cost_delay = 0",
    "states_branch": "fillfactor = 70, autovacuum_vacuum_threshold = 1000, autovacuum_vacuum_scale_factor = 0.02,"
    " autovacuum_vacuum_cost_delay = 0",
    "states_token": "autovacuum_vacuum_threshold = 1000, autovacuum_vacuum_scale_factor = 0.02,"
    " autovacuum_vacuum_cost_delay = 0",
}


def words(statement: str) -> str:
    """A statement of a schema file in PostgreSQL's words: text is ordered by its bytes, as SQLite does it."""
    return _TEXT.sub('TEXT COLLATE "C"', statement)


def install(connection: psycopg.Connection[Any], *, post: bool = False) -> int:
    """Apply what is new; one node at a time. Answers the version reached. Raises ``StoreRefused``.

    Files of the phase ``post`` wait until ``post`` says that no node of the previous release is left.
    """
    _check(connection)
    with connection.transaction():
        connection.execute("SELECT pg_advisory_xact_lock(%s)", (LOCK,))
        known = migrations(TOKENS)
        newest = max((migration.number for migration in known), default=0)
        reached = {phase: _version(connection, name) for phase, name in VERSIONS.items()}
        if max(reached.values()) > newest:
            raise StoreRefused(
                f"the database has schema version {max(reached.values())}, this Waypost knows up to {newest}:"
                " upgrade Waypost"
            )
        for migration in known:
            if migration.number > reached[migration.phase] and (migration.phase == "pre" or post):
                _apply(connection, migration)
        if newest > reached["pre"]:
            for table, parameters in STORAGE.items():
                _execute(connection, f"ALTER TABLE {table} SET ({parameters})")
    return newest


def _check(connection: psycopg.Connection[Any]) -> None:
    version = connection.info.server_version
    if version < VERSION_MIN:
        raise StoreRefused(f"PostgreSQL {version // 10_000} is too old: Waypost needs {VERSION_MIN // 10_000} or newer")
    encoding = connection.info.parameter_status("server_encoding")
    if encoding != "UTF8":
        raise StoreRefused(f"the PostgreSQL database has the encoding {encoding}: Waypost needs UTF8")


def _version(connection: psycopg.Connection[Any], name: str) -> int:
    known = connection.execute("SELECT to_regclass('meta') IS NOT NULL").fetchone()
    if known is None or not known[0]:
        return 0
    row = connection.execute("SELECT value FROM meta WHERE name = %s", (name,)).fetchone()
    return 0 if row is None else int(row[0])


def _apply(connection: psycopg.Connection[Any], migration: Migration) -> None:
    for statement in migration.statements:
        _execute(connection, words(statement))
    connection.execute(
        "INSERT INTO meta (name, value) VALUES (%(name)s, %(value)s)"
        " ON CONFLICT (name) DO UPDATE SET value = excluded.value",
        {"name": VERSIONS[migration.phase], "value": str(migration.number)},
    )


def _execute(connection: psycopg.Connection[Any], text: str) -> None:
    connection.execute(text)
