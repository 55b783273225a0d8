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
from psycopg import adapters, pq
from psycopg.abc import Buffer
from psycopg.adapt import AdaptersMap, Loader, Transformer

from waypost.clock import monotonic_ns
from waypost.store.store import Row, TextRefused

_NAME = re.compile(r"'[^']*'|(?<!:):(?P<name>[a-z_]\w*)")

_ONE_ROW = re.compile(r"insert into (?!.*\b(on conflict|returning|select)\b)", re.IGNORECASE | re.DOTALL)

_WARNING = b"01000"
"""SQLSTATE of a warning without one of its own."""

_TABLE = re.compile(r"(?:insert into|update|delete from|^select\b.*?\bfrom)\s+\"?(?P<table>\w+)", re.IGNORECASE)

_LOCK = re.compile(r"select\b.*\bfor (?:no key )?(?:update|share|key share)\b", re.IGNORECASE | re.DOTALL)

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
    table: str
    """That it writes to; or else the first that it reads."""
    locks: bool
    """Whether it locks the rows that it reads: what comes after it has to look anew."""


class Asked(NamedTuple):
    """A statement with its values, as they travel."""

    statement: Statement
    values: Sequence[bytes | None] = ()
    formats: Sequence[int] = ()


def ask(statement: Statement, params: Mapping[str, Any]) -> Asked:
    """Encode the values of a statement."""
    values: list[bytes | None] = []
    formats: list[int] = []
    for name in statement.names:
        value = params[name]
        if isinstance(value, str):
            # Text travels in binary format: in text format libpq would take a NUL for its end.
            if "\0" in value:
                raise TextRefused("PostgreSQL keeps no text with U+0000")
            values.append(value.encode())
            formats.append(BINARY)
        elif isinstance(value, int):
            values.append(b"%d" % value)
            formats.append(TEXT)
        elif value is None:
            values.append(None)
            formats.append(TEXT)
        elif isinstance(value, bytes):
            values.append(value)
            formats.append(BINARY)
        else:
            raise TypeError(f"a {type(value).__name__} cannot be a parameter")
    return Asked(statement, values, formats)


def translate(text: str) -> Statement:
    """Turn ``:name`` into ``$n``; a name that comes twice is one parameter."""
    places: dict[str, int] = {}

    def place(match: re.Match[str]) -> str:
        name = match["name"]
        return match[0] if name is None else f"${places.setdefault(name, len(places) + 1)}"

    found = _TABLE.search(text)
    table = found["table"] if found else ""
    one_row, locks = _ONE_ROW.match(text) is not None, _LOCK.match(text) is not None
    return Statement(_NAME.sub(place, text).encode(), tuple(places), one_row, table, locks)


class _Bool(Loader):
    def load(self, data: Buffer) -> int:
        """0 or 1, as SQLite has it."""
        return int(bytes(data) == b"t")


class _Numeric(Loader):
    def load(self, data: Buffer) -> int:
        """The sum of BIGINTs; no column holds fractions."""
        return int(bytes(data))


class _Rows:
    """What psycopg decodes values by: its own ways, and these."""

    connection = None

    def __init__(self) -> None:
        self.adapters = AdaptersMap(adapters)
        self.adapters.register_loader("bool", _Bool)
        self.adapters.register_loader("numeric", _Numeric)


_decoder = Transformer(_Rows())


def rows_of(result: pq.abc.PGresult) -> list[Row]:
    """The rows of a result, in Python's types."""
    count = result.ntuples
    if not count:
        return []
    _decoder.set_pgresult(result)
    rows = _decoder.load_rows(0, count, tuple)
    _decoder.set_pgresult(None)  # it may be large
    return rows


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
        self.timeout_s = timeout_s
        """Of a wait that goes on now, or comes."""
        self._raw = connection.pgconn
        self._raw.notice_handler = self._notice
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
        self.retired = False
        """Whether it is to be given up after the transaction that it is in."""
        self.warned = ""
        """What the database warned of since this was emptied."""

    @property
    def is_standby(self) -> bool:
        """Whether it leads to a standby; the database says so unasked, and when that changes."""
        return self.lost is None and self._raw.parameter_status(b"in_hot_standby") == b"on"

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
        prepared: list[tuple[bytes, bytes] | None] = []
        fresh: dict[bytes, bytes] = {}
        try:
            for one in before:
                self._send(one, fresh, prepared)
            self._send(asked, fresh, prepared)
            self._raw.pipeline_sync()
            self._answered = False
            self._write()
            self._wait()
        except psycopg.OperationalError as error:
            raise self.lose(str(error)) from error
        except greenlet.GreenletExit:
            self.lose("nobody waits for the answer any more")
            raise
        results, self._results = self._results, []
        for result, preparation in zip(results, prepared, strict=False):
            if result.status in FAILED:
                raise _failure(result)
            if preparation is not None:
                text, name = preparation
                self._prepared[text] = name
        return results[-1]

    def _send(self, asked: Asked, fresh: dict[bytes, bytes], results: list[tuple[bytes, bytes] | None]) -> None:
        """Send a statement; it is prepared on the way where it was not before.

        Adds to ``results`` what each result will mean: the text and name of a prepared statement, or None.
        """
        text = asked.statement.text
        name = self._prepared.get(text) or fresh.get(text)
        if name is None:
            # A name is never used twice: nobody knows how far a failed segment came.
            self._named += 1
            name = fresh[text] = b"w%d" % self._named
            self._raw.send_prepare(name, text)
            results.append((text, name))
        self._raw.send_query_prepared(name, asked.values, asked.formats, TEXT)
        results.append(None)

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
            ready = poll.poll(self.timeout_s * 1_000)
            if not ready:
                self.lose(f"no answer within {self.timeout_s:.0f} s")
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
            self._read()
            # uvloop calls once, and never again, where an error follows the data (the database died with a statement
            # unread): what an answer is waited for is read until nothing more is there.
            while self.lost is None and not self._answered and self._unread():
                self._read()
        except psycopg.OperationalError as error:
            self.lose(str(error))
            return
        if self._answered and self._waiting is not None:
            self._waiting.switch()

    def look(self) -> None:
        """Read what the event loop said nothing of; give up a wait that takes too long. Called now and then."""
        if 0 < self.waiting_since_ns < monotonic_ns() - int(self.timeout_s * 1e9):
            self.lose(f"no answer within {self.timeout_s:.0f} s")
        elif self.lost is None and self._unread():
            self._readable()

    def _unread(self) -> bool:
        """Whether the socket has data, an error or its end to show."""
        poll = select.poll()
        poll.register(self._socket, select.POLLIN)
        return bool(poll.poll(0))

    def _read(self) -> None:
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

    def _notice(self, notice: pq.abc.PGresult) -> None:
        if notice.error_field(pq.DiagnosticField.SQLSTATE) == _WARNING:
            self.warned = _text(notice.error_field(pq.DiagnosticField.MESSAGE_PRIMARY) or b"")

    # --- the end

    def lose(self, why: str) -> SessionLost:
        """Give the session up; whoever waits for an answer learns why."""
        if self.lost is None:
            self.lost = SessionLost(why.strip())
            if self._loop is not None and not self._loop.is_closed():
                self._loop.remove_reader(self._socket)
                self._loop.remove_writer(self._socket)
            self._raw.notice_handler = None
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
