"""What the command line does to a store that no server holds."""

import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from waypost.config import Config
from waypost.store.opening import is_shared, open_store
from waypost.store.sqlite import DataFolder
from waypost.store.store import StoreRefused, Tx
from waypost.work import nodes

if TYPE_CHECKING:
    from waypost.store.postgres import PostgresStore

_FILES = ("waypost.db", "waypost.db-wal", "waypost.db-shm")
_LOCAL = ("code", "logs")


def reset(config: Config) -> None:
    """Forget everything. Raises ``StoreRefused`` where a server is at work on it, or there is nothing."""
    if is_shared(config.store):
        _reset_shared(config)
    elif not Path(config.data, _FILES[0]).exists():
        raise StoreRefused(f"{config.data} holds no database")
    folder = DataFolder(config.data)
    for name in _FILES:
        Path(folder.path, name).unlink(missing_ok=True)
    for name in _LOCAL:
        shutil.rmtree(folder.path / name, ignore_errors=True)
    folder.release()


def _reset_shared(config: Config) -> None:
    store: PostgresStore = open_store(config.store, Path(), node="reset")  # type: ignore[assignment]

    def empty(tx: Tx) -> None:
        alive = nodes.alive(tx)
        if alive:
            told = ", ".join(f"{node.id} ({node.address})" for node in alive)
            raise StoreRefused(f"these nodes are at work on the store: {told}; reset through one of them")
        store.empty(tx)

    try:
        store.run(empty)
    finally:
        store.close_now()
