"""Rolling upgrades: nodes of two releases on one database, and what waits for whom.

The releases here are made up: the files of this one, and more.
"""

import asyncio
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import psycopg
import pytest
from tests.conftest import start_server
from tests.store.test_stores import get, put
from tests.stores import cluster, new_database

import waypost
from waypost.store import migrate
from waypost.store.migrate import Migration, Pending, Reached, migrations, newest_schema, pending
from waypost.store.postgres import PostgresStore
from waypost.store.queries import parse
from waypost.store.schema_postgres import ALIVE_MS, TOKENS, Standing, install
from waypost.store.store import StoreRefused, StoreUnavailable
from waypost.work.nodes import DEAD_MS

NOW = "CAST(EXTRACT(EPOCH FROM clock_timestamp()) * 1000 AS BIGINT)"

N = newest_schema()
FIRST = tuple(migrations(TOKENS))
"""The files of this release."""
SECOND = (
    *FIRST,
    Migration(N + 1, "colour", "pre", ("ALTER TABLE sts_session ADD COLUMN colour TEXT DEFAULT 'grey'",)),
    Migration(N + 2, "colour", "post", ("ALTER TABLE sts_session ALTER COLUMN colour SET NOT NULL",
                                        "ALTER TABLE sts_session DROP COLUMN role_arn")),
)  # fmt: skip
"""The next release: it needs a colour, and no role any more."""
THIRD = (
    *SECOND,
    Migration(N + 3, "size", "pre", ("ALTER TABLE sts_session ADD COLUMN size BIGINT",)),
    Migration(N + 4, "size", "post", ("ALTER TABLE sts_session DROP COLUMN colour",)),
)
"""The one after that."""

OLD = parse("old", "-- name: role\nSELECT role_arn FROM sts_session WHERE access_key = :name;")
NEW = parse("new", "-- name: colour\nSELECT colour FROM sts_session WHERE access_key = :name;")


@pytest.fixture
def url() -> str:
    return new_database()


def connect(url: str) -> psycopg.Connection[Any]:
    return psycopg.connect(url, autocommit=True)


def bring_up(url: str, release: Sequence[Migration], *, post: bool = False) -> Standing:
    with connect(url) as connection:
        return install(connection, post=post, known=release)


def columns(url: str) -> set[str]:
    with connect(url) as connection:
        rows = connection.execute("SELECT column_name FROM information_schema.columns WHERE table_name = 'sts_session'")
        return {row[0] for row in rows}


def is_alive(url: str, node: str, schema: int, *, age_ms: int = 0) -> None:
    """A node gave a sign of life."""
    with connect(url) as connection:
        connection.execute(
            "INSERT INTO node (id, address, version, schema, started_at, seen_at)"
            f" VALUES (%s, 'http://h:1', '1.0', %s, 0, {NOW} - %s)"
            " ON CONFLICT (id) DO UPDATE SET seen_at = excluded.seen_at",
            (node, schema, age_ms),
        )


def ends(url: str, node: str) -> None:
    with connect(url) as connection:
        connection.execute("DELETE FROM node WHERE id = %s", (node,))


# --- the rules alone


def files(*names: str) -> list[Migration]:
    return [Migration(int(name[:-1]), "x", {"a": "pre", "z": "post"}[name[-1]], ()) for name in names]


@pytest.mark.parametrize(
    ("known", "reached", "post_until", "expected"),
    [
        ("1a 2a", (0, 0), 0, "1a - -"),
        ("1a 2a", (1, 0), 0, "2a - -"),
        ("1a 2a", (2, 0), 0, "- - -"),
        ("1a 2a", (5, 0), 0, "- - -"),
        ("1a 2a 2z", (1, 0), 0, "2a - -"),
        ("1a 2a 2z", (2, 0), 0, "- 2z -"),
        ("1a 2a 2z", (2, 0), 2, "2z - -"),
        ("1a 2a 2z", (2, 2), 0, "- - -"),
        ("1a 2a 2z", (0, 0), 2, "1a - -"),
        ("1a 2a 3z 4z", (2, 0), 3, "3z - -"),
        ("1a 2a 3z 4z", (2, 3), 3, "- 4z -"),
        ("1a 2z 3a", (1, 0), 0, "- 2z 3a"),
        ("1a 2z 3a", (1, 2), 0, "3a - -"),
        ("1a 2z 3a", (1, 0), 2, "2z - -"),
        ("1a 2z 3a 4z", (3, 2), 0, "- 4z -"),
    ],
)
def test_what_comes_next(known: str, reached: tuple[int, int], post_until: int, expected: str) -> None:
    wanted = [None if name == "-" else files(name)[0] for name in expected.split()]
    assert pending(files(*known.split()), Reached(*reached), post_until) == Pending(*wanted)


def test_the_files_of_this_release_keep_the_rules() -> None:
    """Of files that were never released: no ``pre`` file behind a ``post`` file, or a node could not start at all."""
    assert [migration.number for migration in FIRST] == sorted(migration.number for migration in FIRST)
    assert pending(FIRST, Reached(1, 0), 0).blocked is None
    assert len({migration.file for migration in FIRST}) == len(FIRST)
    assert all(migration.phase in {"pre", "post"} for migration in FIRST)


def test_a_node_counts_as_alive_as_long_as_the_others_take_it_for_alive() -> None:
    assert ALIVE_MS == DEAD_MS


# --- one database


def test_an_empty_database_gets_everything_at_once(url: str) -> None:
    standing = bring_up(url, THIRD)
    assert standing.reached == Reached(N + 3, N + 4)
    assert standing.applied == [migration.file for migration in THIRD]
    assert "size" in columns(url)
    assert not {"colour", "role_arn"} & columns(url)
    assert standing.lines()[-1] == f"the database has schema {N + 3}; this Waypost knows {N + 4}"


def test_a_release_goes_on_until_something_is_removed_that_it_does_not_know_of(url: str) -> None:
    bring_up(url, FIRST)
    assert bring_up(url, SECOND).applied == [f"{N + 1:04}_colour.pre.sql"]
    assert {"colour", "role_arn"} <= columns(url)
    # Nodes of the release before restart.
    assert bring_up(url, FIRST).applied == []
    PostgresStore(url, node="old", schema=FIRST).close_now()
    standing = bring_up(url, SECOND)
    assert standing.held == SECOND[-1]
    assert standing.lines()[-1].startswith(f"{N + 2:04}_colour.post.sql waits for `waypost migrate --post`")
    assert bring_up(url, SECOND, post=True).applied == [f"{N + 2:04}_colour.post.sql"]
    assert "role_arn" not in columns(url)
    with pytest.raises(StoreRefused, match=f"schema file {N + 2} removed .*, this Waypost knows up to {N}: upgrade"):
        PostgresStore(url, node="old", schema=FIRST)
    PostgresStore(url, node="new", schema=SECOND).close_now()


def test_what_removes_waits_for_the_last_node_that_needs_it(url: str) -> None:
    bring_up(url, FIRST)
    bring_up(url, SECOND)
    is_alive(url, "old", N)
    is_alive(url, "new", N + 2)
    is_alive(url, "dead", N, age_ms=ALIVE_MS + 1_000)
    standing = bring_up(url, SECOND, post=True)
    assert standing.applied == []
    assert standing.held == SECOND[-1]
    assert standing.lines()[-1] == f"  that does node old at http://h:1 (Waypost 1.0, schema {N})"
    assert len(standing.older) == 1
    assert "role_arn" in columns(url)
    ends(url, "old")
    assert bring_up(url, SECOND, post=True).held is None
    assert "role_arn" not in columns(url)


def test_what_adds_waits_for_what_an_earlier_release_has_to_remove(url: str) -> None:
    bring_up(url, FIRST)
    bring_up(url, SECOND)
    with pytest.raises(StoreRefused, match=rf"{N + 3:04}_size\.pre\.sql waits for {N + 2:04}_colour\.post\.sql"):
        PostgresStore(url, node="third", schema=THIRD)
    is_alive(url, "old", N)
    with pytest.raises(StoreRefused, match=f"that is node old at .*schema {N}.*run `waypost migrate --post`"):
        bring_up(url, THIRD, post=True)
    ends(url, "old")
    is_alive(url, "second", N + 2)
    # Nodes of the second release live on: what only the first needed goes, what they need stays.
    standing = bring_up(url, THIRD, post=True)
    assert standing.applied == [f"{N + 2:04}_colour.post.sql", f"{N + 3:04}_size.pre.sql"]
    assert standing.held == THIRD[-1]
    assert [node.id for node in standing.older] == ["second"]
    assert {"colour", "size"} <= columns(url)
    PostgresStore(url, node="second", schema=SECOND).close_now()
    ends(url, "second")
    assert bring_up(url, THIRD, post=True).applied == [f"{N + 4:04}_size.post.sql"]


def test_a_file_that_fails_leaves_nothing(url: str) -> None:
    bring_up(url, FIRST)
    broken = (*FIRST, Migration(N + 1, "broken", "pre", ("ALTER TABLE job ADD COLUMN half TEXT", "SELECT nonsense")))
    with pytest.raises(StoreRefused, match="nonsense"):
        PostgresStore(url, node="a", schema=broken)
    with connect(url) as connection:
        with pytest.raises(psycopg.errors.UndefinedColumn):
            connection.execute("SELECT half FROM job")
        assert install(connection, known=FIRST).reached == Reached(N, 0)


def test_a_table_meta_of_somebody_else_is_left_alone(url: str) -> None:
    with connect(url) as connection:
        connection.execute("CREATE TABLE meta (name TEXT PRIMARY KEY, value TEXT)")
        connection.execute("INSERT INTO meta VALUES ('colour', 'red')")
    with pytest.raises(StoreRefused, match="a table meta that is not of Waypost"):
        PostgresStore(url, node="a")


def test_a_change_that_cannot_have_its_table_is_tried_again(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("waypost.store.schema_postgres.LOCK_TIMEOUT", "50ms")
    bring_up(url, FIRST)

    async def beside() -> Standing:
        with psycopg.connect(url) as holder:
            holder.execute("SELECT * FROM sts_session")  # holds the table until the block ends
            upgrading = asyncio.create_task(asyncio.to_thread(bring_up, url, SECOND))
            with connect(url) as watching:
                while watching.execute("SELECT 1 FROM pg_locks WHERE NOT granted").fetchone() is None:
                    await asyncio.sleep(0)
        return await upgrading

    assert asyncio.run(beside()).applied == [f"{N + 1:04}_colour.pre.sql"]


# --- nodes at work


async def test_two_releases_work_side_by_side(url: str) -> None:
    old = PostgresStore(url, node="old", schema=FIRST)
    await asyncio.gather(*(old.transact(put(f"k{i}", "1")) for i in range(20)))
    new = PostgresStore(url, node="new", schema=SECOND)
    for number in range(20):
        await asyncio.gather(old.transact(put(f"k{number}", "old")), new.transact(put(f"n{number}", "new")))
    assert await old.transact(get("n3")) == ("new",)
    assert await new.transact(lambda tx: tx.one(NEW.colour, name="k3")) == ("grey",)
    assert await old.transact(lambda tx: tx.one(OLD.role, name="n3")) == (None,)
    # The old release ends; what only it needed goes under the new one's connections.
    await old.close()
    bring_up(url, SECOND, post=True)
    results = await asyncio.gather(*(new.transact(put(f"k{i}", "after")) for i in range(50)))
    assert results == [1] * 50
    await new.close()


async def test_a_node_that_was_forgotten_does_not_work_on_what_it_does_not_know(url: str) -> None:
    """Nobody saw it for a while, and it comes back."""
    old = PostgresStore(url, node="old", schema=FIRST)
    await asyncio.gather(*(old.transact(put(f"k{i}", "1")) for i in range(20)))
    bring_up(url, SECOND)
    bring_up(url, SECOND, post=True)
    with pytest.raises(StoreUnavailable, match="is of a newer release"):
        await old.transact(lambda tx: tx.one(OLD.role, name="k1"))
    with pytest.raises(StoreUnavailable, match="is of a newer release"):
        await old.transact(put("k1", "2"))
    with pytest.raises(StoreUnavailable, match="is of a newer release"):
        old.run(put("k1", "2"))
    old.close_now()


# --- the command line, and servers of two releases


class Release:
    """A copy of this release with more schema files, as a later one would have."""

    def __init__(self, folder: Path, more: Sequence[Migration] = ()) -> None:
        self.folder = folder
        here = Path(waypost.__file__).parent
        package = folder / "waypost"
        package.mkdir(parents=True)
        for part in here.iterdir():
            if part.name not in {"store", "__pycache__"}:
                (package / part.name).symlink_to(part)
        store = package / "store"
        store.mkdir()
        for part in (here / "store").iterdir():
            if part.name not in {"schema", "__pycache__"}:
                (store / part.name).write_bytes(part.read_bytes())
        (store / "schema").mkdir()
        for part in (here / "store" / "schema").iterdir():
            (store / "schema" / part.name).write_bytes(part.read_bytes())
        for migration in more:
            (store / "schema" / migration.file).write_text(";\n".join(migration.statements))

    @property
    def environment(self) -> dict[str, str]:
        return {"PYTHONPATH": str(self.folder)}

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "waypost", *arguments],
            capture_output=True,
            text=True,
            timeout=60,
            env={**os.environ, **self.environment},
        )


def test_servers_of_two_releases_and_the_command_between(tmp_path: Path, url: str) -> None:
    first, second = Release(tmp_path / "first"), Release(tmp_path / "second", SECOND[len(FIRST) :])
    store = ("--store", url)
    old = start_server(tmp_path / "old", *store, environment=first.environment)
    queue = old.client("sqs").create_queue(QueueName="q")["QueueUrl"]
    told = first.run("migrate", *store)
    assert (told.returncode, told.stdout) == (0, f"the database has schema {N}; this Waypost knows {N}\n"), told.stderr
    told = second.run("migrate", *store)
    assert told.returncode == 0, told.stderr
    assert f"applied {N + 1:04}_colour.pre.sql" in told.stdout
    new = start_server(tmp_path / "new", *store, environment=second.environment)
    # Both work; the old one may even restart.
    old.stop()
    old = start_server(tmp_path / "old", *store, environment=first.environment)
    old.client("sqs").send_message(QueueUrl=queue, MessageBody="hello")
    got = new.client("sqs").receive_message(QueueUrl=new.client("sqs").get_queue_url(QueueName="q")["QueueUrl"])
    assert got["Messages"][0]["Body"] == "hello"
    # What goes waits for it.
    told = second.run("migrate", "--post", *store)
    assert told.returncode == 1
    assert f"{N + 2:04}_colour.post.sql waits" in told.stdout
    assert f"at {old.url} (Waypost {waypost.__version__}, schema {N})" in told.stdout
    assert new.url not in told.stdout
    assert old.stop() == 0
    told = second.run("migrate", "--post", *store)
    assert told.returncode == 0, told.stderr
    assert f"applied {N + 2:04}_colour.post.sql" in told.stdout
    refused = first.run("serve", "--port", "0", "--data", str(tmp_path / "old"), *store)
    assert refused.returncode == 2
    assert "the database is of a newer release" in refused.stderr
    new.client("sqs").send_message(QueueUrl=queue.replace(old.url, new.url), MessageBody="still there")
    assert new.stop() == 0
    assert "Traceback" not in old.log.read_text() + new.log.read_text()


def test_migrate_says_what_it_needs(tmp_path: Path) -> None:
    release = Release(tmp_path / "release")
    told = release.run("migrate", "--store", "")
    assert (told.returncode, told.stdout) == (2, "")
    assert "--store postgresql://" in told.stderr
    told = release.run("migrate", "--store", cluster().url("missing"))
    assert told.returncode == 2
    assert 'database "missing" does not exist' in told.stderr
    assert told.stderr.count("\n") == 1


def test_the_embedded_store_runs_both_phases_at_start(monkeypatch: pytest.MonkeyPatch) -> None:
    applied: list[str] = []
    monkeypatch.setattr(migrate, "migrations", lambda _tokens: list(THIRD))
    assert migrate.migrate(0, {}, lambda migration: applied.append(migration.file)) == N + 4
    assert applied == [migration.file for migration in THIRD]
    applied.clear()
    assert migrate.migrate(N, {}, lambda migration: applied.append(migration.file)) == N + 4
    assert applied == [migration.file for migration in THIRD[len(FIRST) :]]
    with pytest.raises(StoreRefused, match=f"schema version {N + 5}"):
        migrate.migrate(N + 5, {}, lambda _migration: None)
