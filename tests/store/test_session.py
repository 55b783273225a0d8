"""One connection, where only the server's own event loop and a real database show what happens."""

import asyncio
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
import uvloop
from tools.postgres import Cluster, PostgresMissing

from waypost.store.postgres import PostgresStore
from waypost.store.queries import parse
from waypost.store.store import StoreUnavailable

ASK = parse(
    "ask",
    """
-- name: process
SELECT pg_backend_pid();
-- name: other
SELECT 1;
""",
)


@pytest.fixture
def own() -> Iterator[Cluster]:
    """A cluster that the test may break."""
    try:
        made = Cluster()
    except PostgresMissing as missing:
        pytest.skip(str(missing))
    yield made
    made.close()


def test_a_database_that_dies_with_a_statement_unread_is_noticed(own: Cluster) -> None:
    async def ask() -> None:
        store = PostgresStore(own.url(), node="a", connections_max=1)
        row = await store.transact(lambda tx: tx.one(ASK.process))
        assert row is not None
        process = row[0]
        os.kill(process, signal.SIGSTOP)
        while Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "T":
            await asyncio.sleep(0)
        waiting = asyncio.ensure_future(store.transact(lambda tx: tx.one(ASK.other)))
        await asyncio.sleep(0)
        # Its last words are a warning; that it never read the statement is an error behind them.
        os.kill(process, signal.SIGQUIT)
        os.kill(process, signal.SIGCONT)
        try:
            async with asyncio.timeout(20):  # much less than a statement may take
                assert await waiting == (1,)
        except StoreUnavailable:
            pass  # it was tried again, while the database recovered
        store.close_now()

    uvloop.run(ask())
