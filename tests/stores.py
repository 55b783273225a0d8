"""Both stores for the tests: one behaviour, told apart by nothing but speed.

``WAYPOST_TEST_STORE=sqlite`` or ``postgres`` runs only one of them. Where there is no PostgreSQL its tests are skipped,
and say what is missing.
"""

import asyncio
import atexit
import functools
import itertools
import os
from pathlib import Path
from typing import Any

import pytest
from tools.postgres import Cluster, PostgresMissing

from waypost.store.postgres import PostgresStore
from waypost.store.queries import parse
from waypost.store.sqlite import SqliteStore

KINDS = tuple(kind for kind in ("sqlite", "postgres") if os.environ.get("WAYPOST_TEST_STORE", kind) == kind)

AnyStore = SqliteStore | PostgresStore

_numbers = itertools.count(1)
_free: list[str] = []
_named: dict[str, str] = {}


@functools.cache
def _cluster() -> Cluster | PostgresMissing:
    try:
        cluster = Cluster()
    except PostgresMissing as missing:
        return missing
    atexit.register(cluster.close)
    return cluster


def cluster() -> Cluster:
    """The run's PostgreSQL; skips the test where there is none."""
    found = _cluster()
    if isinstance(found, PostgresMissing):
        pytest.skip(str(found))
    return found


def new_database() -> str:
    """The address of an empty database."""
    return cluster().create(f"test{next(_numbers)}")


def borrow_database() -> str:
    """The address of a database that has the schema, and no rows; ``return_database`` when done."""
    return _free.pop() if _free else new_database()


def return_database(url: str) -> None:
    """The next test may have it, emptied."""
    store = PostgresStore(url, node="cleaner")
    store.run(store.empty)
    sql(store, "DELETE FROM meta WHERE name NOT LIKE 'schema%'")
    store.close_now()
    _free.append(url)


class _Borrowed(PostgresStore):
    """A store on a borrowed database."""

    def close_now(self) -> None:
        first = not self._closed
        super().close_now()
        if first:
            return_database(self.url)


def new_store(kind: str, path: str | Path = ":memory:", **options: Any) -> AnyStore:
    """An empty store; of the same ``path``, the one that was there before."""
    if kind == "sqlite":
        return SqliteStore(path, **options)
    node = f"node{next(_numbers)}"
    if str(path) != ":memory:":
        url = _named.setdefault(str(path), "") or new_database()
        _named[str(path)] = url
        return PostgresStore(url, node=node)
    return _Borrowed(borrow_database(), node=node)


async def settled(store: AnyStore, rounds: int) -> None:
    """Let everything happen that can without time: until nothing is under way for so many rounds of the loop."""
    quiet = 0
    while quiet < rounds:
        await asyncio.sleep(0)
        quiet = 0 if isinstance(store, PostgresStore) and store.busy else quiet + 1


def sql(store: AnyStore, text: str, **params: Any) -> list[Any]:
    """Run a statement of the test's own; answers its rows."""
    return store.run(lambda tx: tx.all(parse("test", f"-- name: asked\n{text}").asked, **params))
