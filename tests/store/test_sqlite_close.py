"""Closing the embedded store while it copies its log."""

import asyncio
from pathlib import Path

import pytest

from waypost.store import sqlite
from waypost.store.queries import parse
from waypost.store.sqlite import SqliteStore

Q = parse("test", "-- name: put: one\nINSERT INTO meta (name, value) VALUES (:name, :value)")


async def test_a_store_closes_while_a_checkpoint_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sqlite, "CHECKPOINT_PAGES", 1)
    store = SqliteStore(tmp_path / "test.db")
    await store.transact(lambda tx: tx.run(Q.put, name="a", value="b"))
    # The commit began a checkpoint in a thread, whose end is announced on this very loop.
    async with asyncio.timeout(10):
        await store.close()
    again = SqliteStore(tmp_path / "test.db")
    assert again._db.execute("SELECT value FROM meta WHERE name = 'a'").fetchall() == [("b",)]
    again.close_now()
