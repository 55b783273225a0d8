"""Any number of nodes on one PostgreSQL. Acknowledged means committed with synchronous commit on.

How a commit works here: an operation is a synchronous function, and it runs in a greenlet on the event loop's thread;
where it asks the database something, the loop goes on with others until the answer is there. Each connection runs one
transaction at a time. What arrives while every connection is busy is taken together by the next that is free:
operations one after the other in one transaction, and one commit for all. Nothing is answered before its commit.

Where the database refuses an operation because of another (a deadlock, a serialization failure, a row that appeared
meanwhile, a lock held too long), or its connection breaks, everything in the transaction is undone and each of its
operations runs again, alone. So an operation may run several times, but happens once: it must have no effect outside
its transaction. Only once the commit is on its way nothing runs again by itself: where that is not confirmed, it may
have happened. Whatever the database suffers, operations are told ``StoreUnavailable`` until it is back.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, TypeVar

import greenlet
import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from waypost.clock import monotonic_ns
from waypost.store.greeting import CONNECT_S, Greeting, address
from waypost.store.memo import Memo
from waypost.store.migrate import Migration, migrations
from waypost.store.neighbours import CHANNEL, Neighbours
from waypost.store.queries import Query
from waypost.store.schema_postgres import TOKENS, install
from waypost.store.session import Asked, Session, SessionLost, Statement, StatementFailed, ask, rows_of, translate
from waypost.store.store import Row, StoreRefused, StoreUnavailable, Tx
from waypost.store.troubles import Trouble, is_certain, is_general, is_useless, tries_max, unconfirmed, verdict
from waypost.store.wake import Wakes

log = logging.getLogger(__name__)
T = TypeVar("T")

CLAUSES = {
    "{skip_locked}": "FOR UPDATE SKIP LOCKED",
    # What may go, or change in a way that others must not miss.
    "{for_update}": "FOR UPDATE",
    # What changes, and stays: nobody who only needs it to stay waits for that.
    "{for_no_key_update}": "FOR NO KEY UPDATE",
    # What must not go before the transaction ends.
    "{for_key_share}": "FOR KEY SHARE",
}

CONNECTIONS_MAX = 4
"""Transactions of this node at the same time; what arrives beyond that shares them.

Measured (PostgreSQL 15 beside the server on two cores, 32 clients): 3,900 cycles of send, receive and delete a second
with 2, 4,300 with 4, 2,900 with 8. A database far away wants more.
"""
BATCH_MAX = 16
"""Operations in one transaction. What they lock stays locked until all of them have run."""
TOGETHER = 8
"""So many share a transaction before another connection is used: each costs a BEGIN, a commit and a sync.

Measured in turns (node and PostgreSQL 15 on two busy cores, 16 clients over HTTP; CPU time of a cycle of send, receive
and delete): 1.07 ms with 1, 0.94 with 4, 0.83 with 8; callbacks 3.2, 2.9 and 2.9 ms.
"""
QUEUE_MAX = 20_000
"""Operations that may wait for a connection; beyond it the answer is 503 at once."""
ANSWER_S = 35.0
"""How long the database may take for one statement before its connection is given up: more than its own limit."""
MANY = 10_000
"""Rows that are deleted one by one where a table is emptied; one with more is cut off."""
CLOSE_S = 10.0
"""How long a store that is closed waits for what is under way."""
WATCH_S = 1.0
"""Pause between two looks for connections without an answer, for waiters that no notification reached, and for life."""
BACKOFF_S = (0.05, 1.0)
"""First and longest pause after a connection could not be made. Meanwhile operations fail at once."""
RETRY_S = 0.005
"""Pause before an operation that lost a race runs again; it grows with every try."""
SLOW_OPERATION_NS = 1_000_000_000

BEGIN = Asked(translate("BEGIN"))
COMMIT = Asked(translate("COMMIT"))
ROLLBACK = Asked(translate("ROLLBACK"))
PATIENT = Asked(translate("SET LOCAL lock_timeout = '10s'"))

PIPELINED_MAX = 100
"""Statements that wait to travel with the next one, before they are sent without one."""


def statement_of(query: Query) -> Statement:
    """A named statement in PostgreSQL's words."""
    text = query.variants.get("postgres", query.sql)
    for clause, words in CLAUSES.items():
        text = text.replace(clause, words)
    return translate(text)


class PostgresTx:
    """The transaction on one connection."""

    shared = True

    def __init__(self, session: Session, texts: dict[str, Statement], memo: Memo) -> None:
        self._session = session
        self._texts = texts
        self.memo = memo
        self._before: list[Asked] = []
        """What has not been sent yet; it travels with the next statement whose answer is waited for."""
        self._shared: dict[str, dict[tuple[bytes | None, ...], list[Row]]] = {}
        """What shared statements found in this transaction, by table and then by text and values."""
        self.begun = False
        """Whether the database knows of the transaction yet."""
        self.wrote = False
        """Whether the operation that runs wrote something."""
        self.failed: Trouble | None = None
        self.wakes: list[tuple[str, int]] = []

    def start(self, *, patient: bool) -> None:
        """The next statement begins a transaction."""
        self._before = [BEGIN, PATIENT] if patient else [BEGIN]
        self.begun = self.wrote = False
        self._shared.clear()
        self.failed = None
        self.wakes = []

    def _ask(self, query: Query, params: dict[str, Any]) -> Asked:
        if self.failed is not None:
            raise self.failed
        statement = self._texts.get(query.sql)
        if statement is None:
            statement = self._texts[query.sql] = statement_of(query)
        asked = ask(statement, params)
        self.begun = True
        if query.writes:
            self.wrote = True
            self._shared.pop(statement.table, None)
        elif statement.locks:
            self._shared.clear()
        return asked

    def _execute(self, asked: Asked) -> Any:
        before, self._before = self._before, []
        try:
            return self._session.execute(asked, before)
        except (StatementFailed, SessionLost) as failed:
            self.failed = failed
            raise

    def commit(self) -> Trouble | None:
        """Commit, if there is something to commit; answers why that is not certain, or did not happen."""
        if not self.begun:
            return None
        session = self._session
        session.warned = ""
        try:
            tag = self._execute(COMMIT).command_status
        except (StatementFailed, SessionLost) as failed:
            return failed
        if session.warned:
            # Somebody cancelled the wait for a standby: it is committed here, and may be lost with this machine.
            return session.lose(session.warned)
        return None if tag == b"COMMIT" else StatementFailed("40000", "the database rolled the transaction back")

    def one(self, query: Query, **params: Any) -> Row | None:
        """The first row, or None."""
        asked = self._ask(query, params)
        rows = self._share(asked) if query.shared else rows_of(self._execute(asked))
        return rows[0] if rows else None

    def all(self, query: Query, **params: Any) -> list[Row]:
        """Every row."""
        asked = self._ask(query, params)
        return self._share(asked).copy() if query.shared else rows_of(self._execute(asked))

    def _share(self, asked: Asked) -> list[Row]:
        """What was found in this transaction before, or is now."""
        known = self._shared.setdefault(asked.statement.table, {})
        key = (asked.statement.text, *asked.values)
        rows = known.get(key)
        if rows is None:
            rows = known[key] = rows_of(self._execute(asked))
        return rows

    def run(self, query: Query, **params: Any) -> int:
        """Execute, and answer how many rows changed."""
        asked = self._ask(query, params)
        if asked.statement.one_row:
            self._send(asked)  # known without asking; if it fails, the next statement says so
            return 1
        return self._execute(asked).command_tuples or 0

    def send(self, query: Query, **params: Any) -> None:
        """Execute with the next statement that is waited for."""
        self._send(self._ask(query, params))

    def _send(self, asked: Asked) -> None:
        if len(self._before) < PIPELINED_MAX:
            self._before.append(asked)
        else:
            self._execute(asked)

    def wake(self, key: str, count: int = 1) -> None:
        """Wake after the commit."""
        self.wakes.append((key, count))


class _Work:
    """An operation on its way."""

    __slots__ = ("alone", "arrived_ns", "future", "tries", "work")

    def __init__(self, work: Callable[[Tx], Any], future: asyncio.Future[Any]) -> None:
        self.work = work
        self.future = future
        self.arrived_ns = monotonic_ns()
        self.tries = 0
        self.alone = False
        """Whether it wants a transaction of its own."""


class _Answer:
    """What an operation came to, to be told once the commit is there."""

    __slots__ = ("error", "result", "work")

    def __init__(self, work: _Work, result: Any, error: BaseException | None) -> None:
        self.work = work
        self.result = result
        self.error = error


class PostgresStore:
    """The store that nodes share. Every method is called on the event loop's thread."""

    def __init__(
        self,
        url: str,
        *,
        node: str,
        connections_max: int = CONNECTIONS_MAX,
        schema: Sequence[Migration] | None = None,
    ) -> None:
        """Connect and bring the schema up to date; ``node`` names this server to its neighbours.

        ``schema`` stands for the schema files of this release. Raises ``StoreRefused`` with one clear line.
        """
        self.url = url
        self.wakes = Wakes()
        self.on_fatal: Callable[[BaseException], None] = lambda _error: None
        """Never called: what a database on another machine suffers does not end this process."""
        self._connections_max = connections_max
        self._texts: dict[str, Statement] = {}
        self._memo = Memo()
        self._queue: deque[_Work] = deque()
        self._idle: list[tuple[Session, PostgresTx]] = []
        self._sessions: set[Session] = set()
        self._opening: set[asyncio.Task[None]] = set()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._hub: greenlet.greenlet | None = None
        self._later = 0
        self._pumping = False
        self._closed = False
        self._down_until_ns = 0
        self._backoff_s = BACKOFF_S[0]
        self._why_down = ""
        self._watch: asyncio.TimerHandle | None = None
        self._quiet: asyncio.Future[None] | None = None
        self._inline: tuple[Session, PostgresTx] | None = None
        self._mute = False
        schema = migrations(TOKENS) if schema is None else schema
        self._greeting = Greeting(max(migration.number for migration in schema))
        try:
            self._address = address(url)
            with psycopg.Connection.connect(self._address, autocommit=True) as connection:
                install(connection, known=schema)
        except psycopg.Error as error:
            raise StoreRefused(f"cannot open the PostgreSQL database: {one_line(error)}") from error
        self.neighbours = Neighbours(self._address, node, self.wakes, self._notify)

    # --- running operations

    def transact(self, work: Callable[[Tx], T]) -> Awaitable[T]:
        """Run ``work`` as soon as a connection is free; the future has its result once that is committed."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[T] = loop.create_future()
        if self._loop is not loop:
            self._enter(loop)
        if self._closed:
            future.set_exception(StoreUnavailable("the store is closed"))
        elif len(self._queue) >= QUEUE_MAX:
            future.set_exception(StoreUnavailable(f"{QUEUE_MAX} operations wait for the database"))
        else:
            self._queue.append(_Work(work, future))
            self._pump_soon()
        return future

    def _enter(self, loop: asyncio.AbstractEventLoop) -> None:
        """The first operation on an event loop."""
        self._loop = loop
        self._hub = greenlet.getcurrent()
        self._watch = loop.call_later(WATCH_S, self._look)
        self.neighbours.start()

    @property
    def busy(self) -> bool:
        """Whether an operation has not been answered yet."""
        return bool(self._queue or self._later or self._opening) or len(self._idle) < len(self._sessions)

    def describe(self) -> dict[str, Any]:
        """For the status page: where the database is, and how busy this node's connections are."""
        address: dict[str, Any] = {
            name: value for name, value in conninfo_to_dict(self.url).items() if "password" not in name
        }
        return {
            "kind": "postgresql",
            "address": make_conninfo(**address),
            "connections": len(self._sessions),
            "busy": len(self._sessions) - len(self._idle),
            "waiting": len(self._queue) + self._later,
        }

    def _pump_soon(self) -> None:
        """What arrives in one round of the event loop is given out together."""
        if not self._pumping and self._loop is not None and not self._loop.is_closed():
            self._pumping = True
            self._loop.call_soon(self._pump)

    def _pump(self) -> None:
        """Give what waits to whoever is free; have a connection made where nobody is. Called by the loop alone."""
        self._pumping = False
        if self._closed:
            return
        self._forget_lost()
        while self._idle and (batch := self._take()):
            session, tx = self._idle.pop()
            # Back here when the greenlet first waits, or is done.
            greenlet.greenlet(self._serve, self._hub).switch(session, tx, batch)
        if not self._queue or len(self._sessions) + len(self._opening) >= self._connections_max:
            return
        if monotonic_ns() >= self._down_until_ns:
            task = asyncio.ensure_future(self._open())
            self._opening.add(task)
            task.add_done_callback(self._opened)
        else:
            self._give_up()

    def _refuse_all(self, why: str) -> None:
        waiting, self._queue = self._queue, deque()
        for work in waiting:
            _fail(work, StoreUnavailable(why))

    async def _open(self) -> None:
        try:
            connection = await psycopg.AsyncConnection.connect(self._address, autocommit=True)
        except (psycopg.Error, OSError) as error:
            self._unreachable(error)
            return
        assert self._loop is not None  # noqa: S101 (operations arrive on a loop)
        assert self._hub is not None  # noqa: S101
        session = Session(connection, CONNECT_S)
        session.attach(self._loop, self._hub)
        self._sessions.add(session)
        greenlet.greenlet(self._greet, self._hub).switch(session)

    def _opened(self, task: asyncio.Task[None]) -> None:
        self._opening.discard(task)
        if not task.cancelled() and (fault := task.exception()) is not None:
            log.error("a connection could not be made, by a fault of ours", exc_info=fault)
            self._unreachable(fault)
        self._give_up()
        self._settle()

    def _unreachable(self, error: BaseException) -> None:
        self._why_down = f"the database cannot be used: {one_line(error)}"
        log.warning("%s", self._why_down)
        self._down_until_ns = monotonic_ns() + int(self._backoff_s * 1e9)
        self._backoff_s = min(self._backoff_s * 2, BACKOFF_S[1])
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon(self._give_up)

    def _give_up(self) -> None:
        """Where no connection is left, nor about to be made, nobody waits for one."""
        if not self._sessions and not self._opening and monotonic_ns() < self._down_until_ns:
            self._refuse_all(self._why_down)

    def _settle(self) -> None:
        """Tell who closes the store that nothing is under way any more."""
        if self._quiet is not None and not self._quiet.done() and not self.busy:
            self._quiet.set_result(None)

    # --- in a greenlet

    def _greet(self, session: Session) -> None:
        """Have a new connection made fit, then let it serve."""
        try:
            self._greeting.greet(session)
        except (StatementFailed, SessionLost, StoreRefused) as error:
            session.lose(one_line(error))
            self._sessions.discard(session)
            if not self._closed:
                self._unreachable(error)
            self._settle()
            return
        session.timeout_s = ANSWER_S
        self._backoff_s = BACKOFF_S[0]
        self._free(session, PostgresTx(session, self._texts, self._memo))

    def _serve(self, session: Session, tx: PostgresTx, batch: list[_Work]) -> None:
        """Run operations in a transaction."""
        started_ns = monotonic_ns()
        try:
            self._attempt(session, tx, batch)
        except Exception as fault:  # whatever it is, nobody must wait for ever
            log.exception("a transaction ended by a fault of ours")
            session.lose(f"a fault of ours: {fault}")
            for work in batch:
                _fail(work, fault)
        if session.retired:
            session.lose("it is of no use any more")
        took_ns = monotonic_ns() - started_ns
        if took_ns > SLOW_OPERATION_NS:
            log.warning("a transaction of %d operations took %d ms", len(batch), took_ns // 1_000_000)
        self._free(session, tx)

    def _free(self, session: Session, tx: PostgresTx) -> None:
        """A connection has nothing to do. Who was answered by it may ask again at once: that goes together, too."""
        if session.lost is None:
            self._idle.append((session, tx))
        else:
            self._sessions.discard(session)
            if not self._closed:
                log.warning("a connection to the database is lost: %s", session.lost)
        self._pump_soon()
        self._settle()

    def _take(self) -> list[_Work]:
        """What waits, in equal parts for the connections that are free."""
        share = min(BATCH_MAX, max(TOGETHER, -(-len(self._queue) // max(1, len(self._idle)))))
        batch: list[_Work] = []
        while self._queue and len(batch) < share:
            if self._queue[0].alone and batch:
                break
            work = self._queue.popleft()
            if work.future.done():
                continue  # nobody waits for it any more
            batch.append(work)
            if work.alone:
                break
        return batch

    def _attempt(self, session: Session, tx: PostgresTx, batch: list[_Work]) -> None:
        """Run operations in one transaction; answer them, or have them run again."""
        tx.start(patient=batch[0].alone and self._greeting.knows("lock_timeout"))
        answers: list[_Answer] = []
        wrote = False
        for work in batch:
            answers.append(self._operate(tx, work))
            if tx.failed is not None:
                self._failed(session, batch, tx.failed)
                return
            if tx.wrote and answers[-1].error is not None:
                self._undo(session, batch, answers)
                return
            wrote = wrote or tx.wrote
        if not wrote:
            # What it read was committed, and so durable, before it was read.
            self._answer(answers, tx.wakes)
        failed = tx.commit()
        if not wrote:
            return
        if failed is None:
            self._answer(answers, tx.wakes)
        elif is_certain(failed):
            self._failed(session, batch, failed)
        else:
            self._uncertain(batch, failed)

    def _operate(self, tx: PostgresTx, work: _Work) -> _Answer:
        tx.wrote = False
        woken = len(tx.wakes)
        try:
            return _Answer(work, work.work(tx), None)
        except greenlet.GreenletExit:
            raise  # the store is gone, and this greenlet with it
        except BaseException as error:  # noqa: BLE001 (it travels to whoever awaits the operation)
            del tx.wakes[woken:]
            return _Answer(work, None, error)

    def _answer(self, answers: list[_Answer], wakes: list[tuple[str, int]]) -> None:
        for answer in answers:
            future = answer.work.future
            if not future.done():
                if answer.error is None:
                    future.set_result(answer.result)
                else:
                    future.set_exception(answer.error)
        self._wake(wakes)

    def _wake(self, wakes: list[tuple[str, int]]) -> None:
        """Wake who waits here; where nobody does, tell the neighbours."""
        for key, count in wakes:
            here = self.wakes.waiting((key,))
            if here:
                self.wakes.wake(key, count)
            if count == 0 or here < count:
                self.neighbours.tell(key, count and count - here)

    async def _notify(self, payload: str) -> None:
        if self._mute:
            return
        try:
            await self.transact(lambda tx: tx.one(NOTIFY, channel=CHANNEL, payload=payload))
        except StatementFailed as failed:
            if not self._mute:
                log.warning("the database cannot notify, so waits on other nodes end a second later: %s", failed)
            self._mute = True

    def _undo(self, session: Session, batch: list[_Work], answers: list[_Answer]) -> None:
        """An operation was refused after it had written: its writes go, and with them all of the transaction."""
        _rollback(session)
        if len(batch) == 1:
            self._answer(answers, [])
        else:
            self._again(batch)

    def _failed(self, session: Session, batch: list[_Work], failed: Trouble) -> None:
        """The database refused a statement: nothing of the transaction happened."""
        _rollback(session)
        if is_useless(failed):
            session.lose(str(failed))
        if is_general(failed):
            self._retire()
        if len(batch) > 1:
            self._again(batch)
            return
        (work,) = batch
        work.tries += 1
        if work.tries < tries_max(failed) and not self._closed and self._loop is not None:
            self._later += 1
            self._loop.call_later(RETRY_S * (work.tries - 1), self._return, work)
        else:
            log.log(logging.DEBUG if work.tries == 1 else logging.WARNING, "an operation was given up: %s", failed)
            _fail(work, verdict(failed))

    def _retire(self) -> None:
        """Have every connection made anew: at once, or when it has answered."""
        for session in self._sessions:
            session.retired = True
        for session, _ in self._idle:
            session.lose("it is of no use any more")
        self._forget_lost()

    def _again(self, batch: list[_Work]) -> None:
        for work in reversed(batch):
            work.alone = True
            self._queue.appendleft(work)
        self._pump_soon()

    def _return(self, work: _Work) -> None:
        self._later -= 1
        if self._closed:
            _fail(work, StoreUnavailable("the store is closed"))
            return
        work.alone = True
        self._queue.appendleft(work)
        self._pump_soon()

    def _uncertain(self, batch: list[_Work], failed: Trouble) -> None:
        """The commit was not confirmed. It may have happened: no operation may run again by itself."""
        log.warning("a commit was not confirmed: %s", failed)
        for work in batch:
            _fail(work, unconfirmed(failed))

    # --- time

    def _look(self) -> None:
        """Give up connections that do not answer; wake whom no notification may have reached."""
        assert self._loop is not None  # noqa: S101 (called by its timer)
        self._watch = self._loop.call_later(WATCH_S, self._look)
        for session in list(self._sessions):
            session.look()
        latest_ns = monotonic_ns() - int(ANSWER_S * 1e9)
        while self._queue and self._queue[0].arrived_ns < latest_ns:
            _fail(self._queue.popleft(), StoreUnavailable("no connection to the database became free in time"))
        self._forget_lost()
        self.neighbours.look()
        self._pump_soon()

    def _forget_lost(self) -> None:
        """Connections that broke while nobody used them."""
        for session, tx in [pair for pair in self._idle if pair[0].lost is not None]:
            self._idle.remove((session, tx))
            self._sessions.discard(session)

    # --- without an event loop

    def run(self, work: Callable[[Tx], T]) -> T:
        """The same on a connection of its own, blocking: for start-up, tools and tests."""
        tries = 0
        while True:
            tries += 1
            session, tx = self._blocking()
            result, failed, sure = self._run_once(session, tx, work)
            if failed is None:
                for key, count in tx.wakes:
                    self.wakes.wake(key, count)
                return result  # type: ignore[no-any-return]
            if not sure:
                raise unconfirmed(failed)
            if tries >= tries_max(failed):
                raise verdict(failed)

    def _run_once(
        self, session: Session, tx: PostgresTx, work: Callable[[Tx], Any]
    ) -> tuple[Any, Trouble | None, bool]:
        """One try; answers the result, or what went wrong and whether it is sure that nothing happened."""
        tx.start(patient=self._greeting.knows("lock_timeout"))
        try:
            result = work(tx)
        except BaseException:
            _rollback(session)
            if tx.failed is None:
                raise
            result = None
        failed, sure = tx.failed, True
        if failed is None:
            failed = tx.commit()
            sure = failed is None or is_certain(failed)
        if failed is not None:
            _rollback(session)
            if is_useless(failed):
                session.lose(str(failed))
        return result, failed, sure

    def _blocking(self) -> tuple[Session, PostgresTx]:
        if self._inline is None or self._inline[0].lost is not None:
            try:
                connection = psycopg.Connection.connect(self._address, autocommit=True)
            except psycopg.Error as error:
                raise StoreUnavailable(f"the database cannot be reached: {one_line(error)}") from error
            session = Session(connection, CONNECT_S)
            try:
                self._greeting.greet(session)
            except (StatementFailed, SessionLost, StoreRefused) as error:
                session.lose(one_line(error))
                raise StoreUnavailable(f"the database cannot be used: {one_line(error)}") from error
            session.timeout_s = ANSWER_S
            self._inline = (session, PostgresTx(session, self._texts, self._memo))
        return self._inline

    def empty(self, tx: Tx) -> None:
        """Delete every row of every service: what ``waypost reset`` does, as one operation."""
        self._memo.clear()
        tables = [table for (table,) in tx.all(TABLES)]
        looks = [f"SELECT '{table}' WHERE EXISTS (SELECT 1 FROM \"{table}\" OFFSET {MANY})" for table in tables]  # noqa: S608 (names from the catalogue)
        large = {table for (table,) in tx.all(Query("large", " UNION ALL ".join(looks), writes=False, variants={}))}
        for table in tables:
            # A table with few rows is emptied quicker by deleting them.
            words = "TRUNCATE" if table in large else "DELETE FROM"
            tx.send(Query("empty", f'{words} "{table}"', writes=True, variants={}))

    # --- the end

    async def close(self) -> None:
        """Finish what is under way, unless that takes too long, and close every connection."""
        if self._loop is not None and self.busy:
            self._quiet = self._loop.create_future()
            await asyncio.wait([self._quiet], timeout=CLOSE_S)
            if not self._quiet.done():
                log.warning("the store is closed though %d operations wait for the database", len(self._queue))
        self.close_now()

    def close_now(self) -> None:
        """Close every connection; what is under way is told that the store is unavailable."""
        self._closed = True
        self.neighbours.close_now()
        if self._watch is not None:
            self._watch.cancel()
        for task in self._opening:
            task.cancel()
        for session in [*self._sessions, *([self._inline[0]] if self._inline else [])]:
            session.close()
        self._refuse_all("the store is closed")
        self._sessions.clear()
        self._idle.clear()
        self._inline = None


NOTIFY = Query("notify", "SELECT pg_notify(:channel, :payload)", writes=False, variants={})
TABLES = Query(
    "tables",
    "SELECT tablename FROM pg_tables WHERE schemaname = current_schema() AND tablename <> 'meta'",
    writes=False,
    variants={},
)


def one_line(error: BaseException) -> str:
    """What libpq says in several."""
    return " ".join(str(error).split())


def _fail(work: _Work, error: BaseException) -> None:
    if not work.future.done() and not work.future.get_loop().is_closed():
        work.future.set_exception(error)


def _rollback(session: Session) -> None:
    """Undo the transaction, if there is one; a session that cannot is given up."""
    if session.lost is None:
        try:
            session.execute(ROLLBACK)
        except (StatementFailed, SessionLost) as failed:
            session.lose(str(failed))
