"""Which store a server has: a file of its own, or a PostgreSQL that it shares with others."""

import importlib
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from waypost.store.sqlite import SqliteStore
from waypost.store.store import StoreRefused

if TYPE_CHECKING:
    from waypost.store.postgres import PostgresStore

AnyStore: TypeAlias = "SqliteStore | PostgresStore"

SCHEMES = ("postgresql://", "postgres://")


def is_shared(where: str) -> bool:
    """Whether ``where`` is the address of a database that other nodes may use, too."""
    return where.startswith(SCHEMES)


def open_store(where: str, file: Path, *, node: str, cache_mb: int = 16, connections_max: int = 4) -> AnyStore:
    """Open the database at ``where``; empty: the embedded one in ``file``. Raises ``StoreRefused`` with one clear line.

    ``node`` names this server among those that share the database.
    """
    if not where:
        return SqliteStore(file, cache_mb=cache_mb)
    if not is_shared(where):
        raise StoreRefused(f"cannot open the store {where}: its address does not begin with postgresql://")
    try:
        # Only who shares a database needs its libraries, or waits for them at start.
        postgres = importlib.import_module("waypost.store.postgres")
    except ImportError as error:
        raise StoreRefused(f"PostgreSQL needs more packages ({error}): pip install 'waypost[postgres]'") from error
    store: AnyStore = postgres.PostgresStore(where, node=node, connections_max=connections_max)
    return store
