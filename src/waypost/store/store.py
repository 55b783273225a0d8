"""The whole interface of a store: four methods, and five more inside a transaction."""

from collections.abc import Awaitable, Callable
from typing import Any, Protocol, TypeVar

from waypost.store.memo import Memo
from waypost.store.queries import Query
from waypost.store.wake import Wakes

T = TypeVar("T")
Row = tuple[Any, ...]


class Tx(Protocol):
    """One operation's view of the store. Parameters are named; rows are tuples in the order of the statement."""

    shared: bool
    """Whether nodes share the store: PostgreSQL, whose indexes keep entries of what is gone until a vacuum."""
    memo: Memo
    """What this node remembers of earlier transactions: hints."""

    def one(self, query: Query, **params: Any) -> Row | None:
        """The first row, or None. Also for statements with RETURNING."""
        ...

    def all(self, query: Query, **params: Any) -> list[Row]:
        """Every row. Also for statements with RETURNING."""
        ...

    def run(self, query: Query, **params: Any) -> int:
        """Execute a statement that returns no rows; answer how many rows it changed."""
        ...

    def send(self, query: Query, **params: Any) -> None:
        """The same where nobody asks how many: it need not be waited for. If it fails, what comes next does."""
        ...

    def wake(self, key: str, count: int = 1) -> None:
        """After the commit, let ``count`` parked operations (0: all of them) that wait for ``key`` run again."""
        ...


class Store(Protocol):
    """A database that runs synchronous functions in transactions."""

    wakes: Wakes

    def transact(self, work: Callable[[Tx], T]) -> Awaitable[T]:
        """Run ``work`` in a transaction; the answer comes once it is on disk. Its exception undoes it and comes back.

        Raises ``StoreUnavailable`` where the database could not promise durability: nothing was acknowledged.
        """
        ...

    async def close(self) -> None:
        """Finish what is running and release the database."""
        ...


class StoreUnavailable(Exception):  # noqa: N818 (a state of affairs, named as such)
    """The store cannot promise durability now (disk full, lost connection): answer 503, clients try again."""


class TextRefused(Exception):  # noqa: N818
    """A text that the store cannot keep (U+0000 on PostgreSQL): answer 400. Nothing of the operation happened."""


class StoreRefused(Exception):  # noqa: N818
    """The store cannot be opened as asked: in use, unwritable, of a newer version. The message is one clear line."""
