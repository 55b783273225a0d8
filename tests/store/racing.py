"""One operation in the middle of another, on another node: the race that a rule has to win, made to happen."""

import asyncio
import re
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
import pytest
from tests.store.two_nodes import ACCOUNT, REGION, Node, World

from waypost.service import Context, Params
from waypost.store import postgres
from waypost.store.queries import Query, parse
from waypost.store.session import Statement
from waypost.store.store import Row, Tx

LOOKS_MAX = 20_000

LOOK = parse(
    "racing",
    """
-- name: look : does somebody wait for a row in this database
SELECT COUNT(*) FROM pg_locks WHERE NOT granted AND locktype IN ('transactionid', 'tuple') AND pid IN (
  SELECT pid FROM pg_locks WHERE database = (SELECT oid FROM pg_database WHERE datname = current_database()));
""",
).look

_LOCK = re.compile(rb"FOR (UPDATE|NO KEY UPDATE|KEY SHARE)( OF \w+)?(?! SKIP)")

Call = tuple[str, str, dict[str, Any]]
"""Service, operation, request."""


class _Slow:
    """A transaction that stops once, after a statement, until somebody else is done, or waits for a lock."""

    shared = True

    def __init__(self, tx: Tx, race: "_Race") -> None:
        self._tx = tx
        self._race = race
        self.memo = tx.memo

    def one(self, query: Query, **params: Any) -> Row | None:
        return self._then(query, self._tx.one(query, **params))

    def all(self, query: Query, **params: Any) -> list[Row]:
        return self._then(query, self._tx.all(query, **params))

    def run(self, query: Query, **params: Any) -> int:
        return self._then(query, self._tx.run(query, **params))

    def send(self, query: Query, **params: Any) -> None:
        self._then(query, self._tx.send(query, **params))

    def wake(self, key: str, count: int = 1) -> None:
        self._tx.wake(key, count)

    def _then(self, query: Query, result: Any) -> Any:
        race = self._race
        if query.name == race.after and not race.reached.is_set():
            race.times -= 1
            if race.times:
                return result
            race.reached.set()
            for _ in range(LOOKS_MAX):
                if self._tx.one(LOOK) != (0,) or (race.other is not None and race.other.done()):
                    return result
            raise TimeoutError("the second operation neither ends nor waits for the first")
        return result


class _Race:
    def __init__(self, after: str, times: int) -> None:
        self.after = after
        self.times = times
        self.reached = asyncio.Event()
        self.other: asyncio.Future[Any] | None = None


def _context(node: Node) -> Context:
    return msgspec.structs.replace(node.engine.context(ACCOUNT, REGION), wire="json")


async def race(world: World, first: Call, after: str, second: Call, *, times: int = 1) -> tuple[Any, Any]:
    """Run ``second`` on one node while ``first``, on the other, stands behind its statement ``after``.

    ``times``: behind which statement of that name. Answers both responses, or the errors instead. A race that
    never came to its statement fails.
    """
    here, there = world.nodes
    service, name, request = first
    operation = here.registry.services[service].operations[name]
    return await race_work(
        world, lambda tx: operation(tx, _context(here), request), after,
        lambda: there.call(second[0], second[1], **second[2]), times=times,
    )  # fmt: skip


async def race_work(
    world: World, first: Callable[[Tx], Any], after: str, second: Callable[[], Awaitable[Any]], *, times: int = 1
) -> tuple[Any, Any]:
    """The same, of a function over a transaction of the first node, and something to await."""
    going = _Race(after, times)
    slow = asyncio.ensure_future(world.nodes[0].store.transact(lambda tx: first(_Slow(tx, going))))
    reached = asyncio.ensure_future(going.reached.wait())
    await asyncio.wait({slow, reached}, return_when=asyncio.FIRST_COMPLETED)
    if not reached.done():
        reached.cancel()
        pytest.fail(f"the first operation never came to {after}: {slow}")
    going.other = asyncio.ensure_future(second())
    first_answer, second_answer = await asyncio.gather(slow, going.other, return_exceptions=True)
    return first_answer, second_answer


def take_locks_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let no statement lock what it only reads: what a race is won by is taken out, to see it lost."""
    with_locks = postgres.statement_of

    def without_locks(query: Query) -> Statement:
        statement = with_locks(query)
        return statement._replace(text=_LOCK.sub(b"", statement.text))

    monkeypatch.setattr(postgres, "statement_of", without_locks)


def code_of(answer: Any) -> str:
    """The code of an AWS error, without its last word; empty for a response."""
    if not isinstance(answer, Exception):
        return ""
    return str(getattr(answer, "code", repr(answer))).removesuffix("Exception")


def only(answer: Any) -> Params:
    """A response, not an error."""
    if isinstance(answer, Exception):
        raise answer
    return dict(answer)
