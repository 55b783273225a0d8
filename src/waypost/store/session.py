"""One connection to PostgreSQL, spoken to statement by statement and answered in as few round trips as there are waits.

psycopg connects; from then on its libpq is used directly, in pipeline mode: what needs no answer of its own (BEGIN, the
preparation of a statement) travels with the statement that does. Who waits for an answer is a greenlet, and the event
loop runs on; without a loop (start-up, tools, tests) the wait blocks.
"""

import asyncio
import re
import select
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import greenlet
import psycopg
from psycopg import pq

from waypost.clock import monotonic_ns
from waypost.store.store import Row, TextRefused

_NAME = re.compile(r"'[^']*'|(?<!:):(?P<name>[a-z_]\w*)")

_ONE_ROW = re.compile(r"insert into (?!.*\b(on conflict|returning|select)\b)", re.IGNORECASE | re.DOTALL)

SYNC = pq.ExecStatus.PIPELINE_SYNC
FAILED = (pq.ExecStatus.FATAL_ERROR, pq.ExecStatus.PIPELINE_ABORTED)
TEXT, BINARY = 0, 1


class StatementFailed(Exception):  # noqa: N818 (a state of affairs until somebody decides that it is a fault)
    """The database refused a statement, and with it the transaction."""

    def __init__(self, sqlstate: str, message: str) -> None:
        super().__init__(f"{message} ({sqlstate})")
        self.sqlstate = sqlstate


class SessionLost(Exception):  # noqa: N818
    """The connection is gone, or the database does not answer on it. Nobody knows what became of what was under way."""


class Statement(NamedTuple):
    """A statement as PostgreSQL wants it: ``$1`` for the first of ``names``, and so on."""

    text: bytes
    names: tuple[str, ...]
    one_row: bool
    """Whether it changes one row, or fails: an INSERT of values."""


class Asked(NamedTuple):
    """A statement with its values, as they travel."""

    statement: Statement
    values: Sequence[bytes | None] = ()
    formats: Sequence[int] = ()


def ask(statement: Statement, params: Mapping[str, Any]) -> Asked:
    """Encode the values of a statement."""
    encoded = [_encode(params[name]) for name in statement.names]
    return Asked(statement, [value for value, _ in encoded], [kind for _, kind in encoded])


def translate(text: str) -> Statement:
    """Turn ``:name`` into ``$n``; a name that comes twice is one parameter."""
    places: dict[str, int] = {}

    def place(match: re.Match[str]) -> str:
        name = match["name"]
        return match[0] if name is None else f"${places.setdefault(name, len(places) + 1)}"

    return Statement(_NAME.sub(place, text).encode(), tuple(places), _ONE_ROW.match(text) is not None)


def _encode(value: Any) -> tuple[bytes | None, int]:
    # Text travels in binary format: in text format libpq would take a NUL for its end.
    if isinstance(value, str):
        if "\0" in value:
            raise TextRefused("PostgreSQL keeps no text with U+0000")
        return value.encode(), BINARY
    if isinstance(value, int):
        return b"%d" % value, TEXT
    if value is None:
        return None, TEXT
    if isinstance(value, bytes):
        return value, BINARY
    raise TypeError(f"a {type(value).__name__} cannot be a parameter")


_DECODERS: dict[int, Callable[[bytes], Any]] = {
    16: lambda value: int(value == b"t"),  # bool, as SQLite has it
    17: lambda value: bytes.fromhex(value[2:].decode()),  # bytea
    20: int, 21: int, 23: int,
    1700: int,  # numeric: the sum of BIGINTs; no column holds fractions
}  # fmt: skip


def rows_of(result: pq.abc.PGresult) -> list[Row]:
    """The rows of a result, in Python's types."""
    count = result.ntuples
    if not count:
        return []
    value = result.get_value
    columns = [(column, _DECODERS.get(result.ftype(column), bytes.decode)) for column in range(result.nfields)]
    return [
        tuple([None if (cell := value(row, column)) is None else decode(cell) for column, decode in columns])
        for row in range(count)
    ]


class Session:
    """A connection in pipeline mode, used by one greenlet at a time (or by none, where it blocks)."""

    def __init__(
        self,
        connection: psycopg.Connection[Any] | psycopg.AsyncConnection[Any],
        timeout_s: float,
        *,
        on_notify: Callable[[bytes], None] | None = None,
        on_lost: Callable[[], None] | None = None,
    ) -> None:
        """``timeout_s``: how long a blocking wait lasts at most; on an event loop the owner watches the time.

        ``on_notify`` is called with each notification's payload, ``on_lost`` once, when the connection is gone.
        """
        self._on_notify = on_notify
        self._on_lost = on_lost
        self._connection = connection  # kept: its end would be that of its libpq connection
        self._timeout_s = timeout_s
        self._raw = connection.pgconn
        self._raw.nonblocking = 1
        self._raw.enter_pipeline_mode()
        self._socket = self._raw.socket
        self._prepared: dict[bytes, bytes] = {}
        self._named = 0
        self._results: list[pq.abc.PGresult] = []
        self._answered = True
        self._loop: asyncio.AbstractEventLoop | None = None
        self._hub: greenlet.greenlet | None = None
        self._waiting: greenlet.greenlet | None = None
        self._writing = False
        self.waiting_since_ns = 0
        """When the wait that goes on began; 0: nobody waits."""
        self.lost: SessionLost | None = None
        """Why nothing more will come of it."""

    @property
    def process(self) -> int:
        """The process that serves this session at the database."""
        return self._raw.backend_pid

    def attach(self, loop: asyncio.AbstractEventLoop, hub: greenlet.greenlet) -> None:
        """From now on let the event loop, which runs in the greenlet ``hub``, do the waiting."""
        self._loop, self._hub = loop, hub
        loop.add_reader(self._socket, self._readable)

    def execute(self, asked: Asked, before: Sequence[Asked] = ()) -> pq.abc.PGresult:
        """Run ``before``, then what is asked, in one round trip. Raises StatementFailed, SessionLost."""
        if self.lost is not None:
            raise self.lost
        fresh: list[tuple[bytes, bytes]] = []
        try:
            for one in before:
                self._raw.send_query_prepared(self._name(one.statement, fresh), one.values, one.formats, TEXT)
            self._raw.send_query_prepared(self._name(asked.statement, fresh), asked.values, asked.formats, TEXT)
            self._raw.pipeline_sync()
            self._answered = False
            self._write()
        except psycopg.OperationalError as error:
            raise self.lose(str(error)) from error
        self._wait()
        results, self._results = self._results, []
        for result in results:
            if result.status in FAILED:
                raise _failure(result)
        self._prepared.update(fresh)
        return results[-1]

    def _name(self, statement: Statement, fresh: list[tuple[bytes, bytes]]) -> bytes:
        """The name of a prepared statement; it is prepared on the way where it was not before."""
        name = self._prepared.get(statement.text)
        if name is None:
            # A name is never used twice: nobody knows how far a failed segment came.
            self._named += 1
            name = b"w%d" % self._named
            self._raw.send_prepare(name, statement.text)
            fresh.append((statement.text, name))
        return name

    # --- waiting

    def _wait(self) -> None:
        self.waiting_since_ns = monotonic_ns()
        try:
            if self._hub is None:
                self._block()
            else:
                self._waiting = greenlet.getcurrent()
                while not self._answered and self.lost is None:
                    self._hub.switch()
        finally:
            self._waiting = None
            self.waiting_since_ns = 0
        if self.lost is not None:
            raise self.lost

    def _block(self) -> None:
        poll = select.poll()
        while not self._answered and self.lost is None:
            poll.register(self._socket, select.POLLIN | (select.POLLOUT if self._writing else 0))
            ready = poll.poll(self._timeout_s * 1_000)
            if not ready:
                self.lose(f"no answer within {self._timeout_s:.0f} s")
                return
            if ready[0][1] & select.POLLOUT:
                self._writable()
            if ready[0][1] & ~select.POLLOUT:
                self._readable()

    def _write(self) -> None:
        more = bool(self._raw.flush())
        if more != self._writing:
            self._writing = more
            if self._loop is not None:
                if more:
                    self._loop.add_writer(self._socket, self._writable)
                else:
                    self._loop.remove_writer(self._socket)

    def _writable(self) -> None:
        try:
            self._write()
        except psycopg.OperationalError as error:
            self.lose(str(error))

    def _readable(self) -> None:
        try:
            self._raw.consume_input()
            if self._writing:
                self._write()
            while self._on_notify is not None and (notify := self._raw.notifies()) is not None:
                self._on_notify(notify.extra)
            while not self._answered and not self._raw.is_busy():
                result = self._raw.get_result()
                if result is None:
                    if self._raw.status == pq.ConnStatus.BAD:
                        self.lose(_text(self._raw.error_message))
                        return
                elif result.status == SYNC:
                    self._answered = True
                else:
                    self._results.append(result)
        except psycopg.OperationalError as error:
            self.lose(str(error))
            return
        if self._answered and self._waiting is not None:
            self._waiting.switch()

    # --- the end

    def lose(self, why: str) -> SessionLost:
        """Give the session up; whoever waits for an answer learns why."""
        if self.lost is None:
            self.lost = SessionLost(why.strip())
            if self._loop is not None and not self._loop.is_closed():
                self._loop.remove_reader(self._socket)
                self._loop.remove_writer(self._socket)
            self._raw.finish()
            if self._on_lost is not None:
                self._on_lost()
            if self._waiting is not None and greenlet.getcurrent() is self._hub:
                self._waiting.switch()
        return self.lost

    def close(self) -> None:
        """Say good-bye."""
        self.lose("closed")


def _text(message: bytes) -> str:
    return message.decode("utf-8", "replace").strip()


def _failure(result: pq.abc.PGresult) -> StatementFailed:
    sqlstate = result.error_field(pq.DiagnosticField.SQLSTATE) or b""
    message = result.error_field(pq.DiagnosticField.MESSAGE_PRIMARY) or result.error_message
    return StatementFailed(sqlstate.decode(), _text(message))
