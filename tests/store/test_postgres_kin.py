"""Databases that speak PostgreSQL's protocol and lack some of what it has: simulated by asking for what it lacks."""

import asyncio
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from tests.store.test_postgres_failures import recovered
from tests.store.test_stores import get, put
from tests.stores import borrow_database, new_database, return_database

from waypost.store import greeting, neighbours, postgres, schema_postgres
from waypost.store.postgres import PostgresStore
from waypost.store.queries import Query
from waypost.store.schema_postgres import STORAGE, install
from waypost.store.session import Asked, translate
from waypost.store.store import StoreRefused, StoreUnavailable


@pytest.fixture
def url() -> Iterator[str]:
    borrowed = borrow_database()
    PostgresStore(borrowed, node="first").close_now()
    yield borrowed
    return_database(borrowed)


def connect(url: str) -> psycopg.Connection[Any]:
    return psycopg.connect(url, autocommit=True)


async def work_on(store: PostgresStore) -> None:
    """Operations beside each other, alone, and without an event loop."""
    assert await asyncio.gather(*(store.transact(put(f"k{i}", "1")) for i in range(50))) == [1] * 50
    with psycopg.connect(store.url) as holder:
        holder.execute("SELECT 1 FROM sts_session WHERE access_key = 'k1' FOR UPDATE")
        waiting = asyncio.ensure_future(store.transact(put("k1", "2")))
        assert await store.transact(put("k2", "2")) == 1
    assert await waiting == 1
    assert store.run(get("k1")) == ("2",)
    await store.close()


@pytest.mark.parametrize("unknown", [{"no_such_setting": "1"}, {"waypost.no_such": "a", "jit": "maybe"}])
async def test_settings_that_are_refused_are_left_out(
    url: str, unknown: dict[str, str], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(greeting, "SETTINGS", {**unknown, **greeting.SETTINGS, **unknown})
    store = PostgresStore(url, node="a", connections_max=4)
    await work_on(store)
    told = [record.getMessage() for record in caplog.records if "does without settings" in record.getMessage()]
    assert len(told) == 1
    assert ("no_such_setting" in told[0]) == ("no_such_setting" in unknown)
    assert ("jit (" in told[0]) == ("jit" in unknown)
    assert "lock_timeout" not in told[0]
    assert store._greeting.knows("lock_timeout")


async def test_a_database_without_lock_timeouts(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    # Then a statement's own limit ends the wait for a lock: usually after 30 s.
    known = {**greeting.SETTINGS, "lock_timeout": "no time", "statement_timeout": "2s"}
    monkeypatch.setattr(greeting, "SETTINGS", known)
    monkeypatch.setattr(postgres, "PATIENT", Asked(translate("SET LOCAL no_such_timeout = '10s'")))
    store = PostgresStore(url, node="a", connections_max=4)
    assert await store.transact(put("first", "1")) == 1
    assert not store._greeting.knows("lock_timeout")
    await work_on(store)


async def test_a_database_without_asynchronous_commits(
    url: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(greeting, "_DURABILITY", Asked(translate("SELECT current_setting('no_such_commit')")))
    await work_on(PostgresStore(url, node="a", connections_max=4))
    assert sum("knows no synchronous_commit" in record.getMessage() for record in caplog.records) == 1


async def test_commits_that_cannot_be_made_to_wait_are_no_promise(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(greeting, "_DURABLE", Asked(translate("SET no_such_commit = 'on'")))
    with connect(url) as connection:
        connection.execute("ALTER ROLE waypost SET synchronous_commit = off")
        try:
            store = PostgresStore(url, node="a")
            with pytest.raises(StoreUnavailable, match="no_such_commit"):
                await store.transact(put("a", "1"))
            with pytest.raises(StoreUnavailable, match="no_such_commit"):
                store.run(put("a", "1"))
        finally:
            connection.execute("ALTER ROLE waypost RESET synchronous_commit")
    await recovered(store)
    await store.close()


async def test_a_database_that_cannot_notify(
    url: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(neighbours, "CHANNEL", "waypost and others")
    sql = "SELECT pg_no_notify(CAST(:channel AS TEXT), CAST(:payload AS TEXT))"
    monkeypatch.setattr(postgres, "NOTIFY", Query("notify", sql, writes=False, variants={}))
    store = PostgresStore(url, node="a", connections_max=2)
    for _ in range(3):
        await store.transact(lambda tx: tx.wake("key"))
        await store._notify("{}")
    while not any("waits on this node end a second later" in record.getMessage() for record in caplog.records):
        await asyncio.sleep(0)
    assert sum("waits on other nodes end a second later" in record.getMessage() for record in caplog.records) == 1
    await work_on(store)


def test_storage_parameters_that_are_refused_are_left_out(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(schema_postgres, "STORAGE", {**STORAGE, "job": "no_such_parameter = 1", "nowhere": "x = 1"})
    with connect(new_database()) as connection:
        install(connection)
        install(connection)
        told = [record.getMessage() for record in caplog.records if "does without storage" in record.getMessage()]
        assert len(told) == 1
        assert "no_such_parameter" in told[0]
        assert "nowhere" in told[0]
        row = connection.execute("SELECT reloptions FROM pg_class WHERE relname = 'sqs_message'").fetchone()
        assert row is not None
        assert "autovacuum_vacuum_threshold=2000" in row[0]


def test_storage_parameters_follow_the_release(monkeypatch: pytest.MonkeyPatch) -> None:
    with connect(new_database()) as connection:
        install(connection)
        monkeypatch.setattr(schema_postgres, "STORAGE", {**STORAGE, "job": "fillfactor = 55"})
        install(connection)
        row = connection.execute("SELECT reloptions FROM pg_class WHERE relname = 'job'").fetchone()
        assert row is not None
        assert "fillfactor=55" in row[0]


def test_a_database_of_another_kind_has_versions_of_its_own(
    url: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(schema_postgres, "VERSION_MIN", 990_000)
    with pytest.raises(StoreRefused, match="is too old: Waypost needs 99 or newer"):
        PostgresStore(url, node="a")
    with connect(url) as connection:
        connection.execute("CREATE FUNCTION public.version() RETURNS TEXT LANGUAGE sql AS $$ SELECT 'CousinDB 1' $$")
        connection.execute("ALTER ROLE waypost SET search_path = public, pg_catalog")
        try:
            PostgresStore(url, node="a").close_now()
        finally:
            connection.execute("ALTER ROLE waypost RESET search_path")
            connection.execute("DROP FUNCTION public.version()")
    assert any("the database is CousinDB 1" in record.getMessage() for record in caplog.records)
