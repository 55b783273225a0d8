"""One SQLite file. Acknowledged means fsynced, and one fsync serves every operation that arrived together.

How a commit works here: operations run on the event loop's thread, one after the other, inside one open transaction.
When the loop has handled what had arrived, the transaction is committed: SQLite appends it to the write-ahead log
without syncing (``synchronous=NORMAL``). Then the log file is synced by us, and only after that do the operations get
their answers. While a slow disk is busy the next operations already run; they are committed when it is free. A power
loss can cost only what was never answered: SQLite's frame checksums end the log at the last whole transaction. Reads
are answered after the sync that covers what they may have seen.
"""

import asyncio
import contextlib
import fcntl
import logging
import os
import threading
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, TypeVar

import apsw

from waypost.clock import monotonic_ns
from waypost.store.logsync import LogSync, open_sync
from waypost.store.memo import Memo
from waypost.store.migrate import LEFT_OUT, Migration, migrate
from waypost.store.queries import Query
from waypost.store.store import Row, StoreRefused, StoreUnavailable, Tx
from waypost.store.wake import Wakes

log = logging.getLogger(__name__)
T = TypeVar("T")

TOKENS = {
    "key": "INTEGER PRIMARY KEY", "blob": "BLOB", "without_rowid": "WITHOUT ROWID", "sqlite": "", "postgres": LEFT_OUT,
    "local_key": "INTEGER PRIMARY KEY", "storage_key": "",
}  # fmt: skip
LOCK_CLAUSES = ("{skip_locked}", "{for_update}", "{for_no_key_update}", "{for_key_share}")
"""What PostgreSQL needs to keep two nodes off one row; here there is one writer."""

FILE_NAME = "waypost.db"
LOCK_NAME = "lock"

CHECKPOINT_PAGES = 4_000
"""WAL pages (16 MB) after which a checkpoint starts in a thread."""
WAL_LIMIT_BYTES = 64 << 20
GATHER_MAX = 256
"""Operations after which a transaction is committed even while more arrive."""
INLINE_SYNC_NS = 500_000
"""A disk that syncs faster than this is synced on the loop: with sixteen clients, handing the sync over and splitting
their operations over more commits cost as much as the wait (measured both ways)."""
PROBE_EVERY = 64
"""Of the syncs beside the loop one in so many is done on it, for its true duration: the loop's own work delays the
news of the others."""
SLOW_OPERATION_NS = 250_000_000

_MACHINE_FAULTS = (
    apsw.FullError, apsw.IOError, apsw.ReadOnlyError, apsw.CantOpenError, apsw.CorruptError, apsw.NotADBError,
    apsw.BusyError, apsw.NoMemError, apsw.ProtocolError,
)  # fmt: skip


class SqliteTx:
    """The transaction of the operation that is running."""

    shared = False

    def __init__(self, db: apsw.Connection) -> None:
        self._db = db
        self._cursor = db.cursor()
        self._sql: dict[str, str] = {}
        self.memo = Memo()
        self.wrote = False
        """Whether the operation that runs has written."""
        self.careful = False
        """Whether its first write opens a savepoint, so that it can fail alone."""
        self.wakes: list[tuple[str, int]] = []

    def _text(self, query: Query) -> str:
        text = query.variants.get("sqlite", query.sql)
        for clause in LOCK_CLAUSES:
            text = text.replace(clause, "")
        self._sql[query.sql] = text
        return text

    def _write(self) -> None:
        if self.careful:
            self._cursor.execute("SAVEPOINT operation")
        self.wrote = True

    def one(self, query: Query, **params: Any) -> Row | None:
        """The first row, or None."""
        if query.writes and not self.wrote:
            self._write()
        rows = self._cursor.execute(self._sql.get(query.sql) or self._text(query), params).fetchall()
        return rows[0] if rows else None

    def all(self, query: Query, **params: Any) -> list[Row]:
        """Every row."""
        if query.writes and not self.wrote:
            self._write()
        return self._cursor.execute(self._sql.get(query.sql) or self._text(query), params).fetchall()

    def run(self, query: Query, **params: Any) -> int:
        """Execute, and answer how many rows changed."""
        if query.writes and not self.wrote:
            self._write()
        self._cursor.execute(self._sql.get(query.sql) or self._text(query), params)
        return self._db.changes()

    def send(self, query: Query, **params: Any) -> None:
        """Execute."""
        if query.writes and not self.wrote:
            self._write()
        self._cursor.execute(self._sql.get(query.sql) or self._text(query), params)

    def wake(self, key: str, count: int = 1) -> None:
        """Wake after the commit is on disk."""
        self.wakes.append((key, count))

    def forget(self) -> None:
        """Delete every row but the schema's own."""
        self.memo.clear()
        if not self.wrote:
            self._write()
        tables = self._cursor.execute(
            "SELECT name FROM sqlite_schema WHERE type = 'table' AND name <> 'meta' AND name NOT LIKE 'sqlite%'"
        ).fetchall()
        for (table,) in tables:
            self._cursor.execute(f'DELETE FROM "{table}"')  # noqa: S608 (names from the schema itself)


class _Batch:
    """Operations that share a transaction, and what happens once it is on disk."""

    __slots__ = ("answers", "careful", "lost", "seen", "wakes", "works", "wrote")

    def __init__(self) -> None:
        self.works: list[Callable[[Tx], Any]] = []
        self.answers: list[tuple[asyncio.Future[Any], Any, BaseException | None]] = []
        self.wakes: list[tuple[str, int]] = []
        self.seen = 0
        self.wrote = False
        self.careful = False
        """An operation failed after it wrote: from now on each has a savepoint."""
        self.lost = False
        """SQLite gave up the whole transaction by itself (disk full, I/O error): nothing of it happened."""


class SqliteStore:
    """The embedded store. Every method is called on the event loop's thread."""

    def __init__(self, path: str | Path, *, cache_mb: int = 16, sync: bool = True) -> None:
        """Open or create the database file (``:memory:`` for tests) and bring its schema up to date."""
        self.path = str(path)
        self.wakes = Wakes()
        self.on_fatal: Callable[[BaseException], None] = lambda _error: None
        """Called when a sync failed: nothing more can be promised by this process."""
        self.operations = 0
        self.commits = 0
        self._sync_wanted = sync and self.path != ":memory:"
        self._broken: BaseException | None = None
        self._batch: _Batch | None = None
        self._syncing: _Batch | None = None
        self._sync_ns = 0
        self._log: LogSync | None = None
        self._fold_wanted = False
        self._checkpointing = threading.Lock()
        self._checkpoint_over: asyncio.Future[None] | None = None
        self._wal_fd = -1
        self._db = self._open(cache_mb)
        self._tx = SqliteTx(self._db)
        self._cursor = self._db.cursor()

    def _open(self, cache_mb: int) -> apsw.Connection:
        try:
            db = apsw.Connection(self.path, statementcachesize=500)
            db.set_busy_timeout(10_000)
            # Without this SQLite prepares many statements anew whenever a parameter's value changes, in case another
            # value asks for another plan: half the time of an operation (and plans that depend on values surprise).
            db.config(apsw.SQLITE_DBCONFIG_ENABLE_QPSG, 1)
            for pragma in (
                "journal_mode=WAL", "synchronous=NORMAL", f"cache_size=-{cache_mb * 1024}", "temp_store=MEMORY",
                f"journal_size_limit={WAL_LIMIT_BYTES}",
            ):  # fmt: skip
                db.execute(f"PRAGMA {pragma}").fetchall()
            self._migrate(db)
        except apsw.Error as error:
            raise StoreRefused(f"cannot open the database {self.path}: {error}") from error
        db.set_wal_hook(self._committed)
        if self._sync_wanted:
            self._wal_fd = os.open(f"{self.path}-wal", os.O_RDWR | os.O_CREAT, 0o600)
            os.fsync(self._wal_fd)
            self._log = open_sync(self._wal_fd)
            folder = os.open(Path(self.path).parent, os.O_RDONLY)
            try:
                os.fsync(folder)  # the names of both files are durable before the first acknowledgement
            finally:
                os.close(folder)
        return db

    def _migrate(self, db: apsw.Connection) -> None:
        known = db.execute("SELECT 1 FROM sqlite_schema WHERE name = 'meta'").fetchall()
        version = 0
        if known:
            rows = db.execute("SELECT value FROM meta WHERE name = 'schema_version'").fetchall()
            version = int(str(rows[0][0]))

        def apply(migration: Migration) -> None:
            with db:
                for statement in migration.statements:
                    db.execute(statement)
                db.execute(
                    "INSERT INTO meta (name, value) VALUES ('schema_version', ?1)"
                    " ON CONFLICT (name) DO UPDATE SET value = ?1",
                    (str(migration.number),),
                )

        migrate(version, TOKENS, apply)

    # --- running operations

    def transact(self, work: Callable[[Tx], T]) -> Awaitable[T]:
        """Run ``work`` now, in the open transaction; the future has its result once that is on disk."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[T] = loop.create_future()
        if self._broken is not None:
            future.set_exception(StoreUnavailable(str(self._broken)))
            return future
        batch = self._batch
        if batch is None:
            batch = self._batch = _Batch()
            self._cursor.execute("BEGIN")
            loop.call_soon(self._commit)
        batch.works.append(work)
        result, error = self._attempt(work, batch)
        if error is not None and self._tx.wrote and not batch.careful:
            result, error = self._redo(batch)
        batch.answers.append((future, result, error))
        return future

    def run(self, work: Callable[[Tx], T]) -> T:
        """The same without an event loop: for start-up, tools and tests."""
        if self._batch is not None:
            raise RuntimeError("run() inside the event loop: use transact()")
        batch = _Batch()
        batch.careful = True
        self._cursor.execute("BEGIN")
        result, error = self._attempt(work, batch)
        if self._db.in_transaction:
            self._cursor.execute("COMMIT")
        if batch.wrote and self._sync_wanted:
            os.fdatasync(self._wal_fd)
        for key, count in batch.wakes:
            self.wakes.wake(key, count)
        if error is not None:
            raise error
        return result  # type: ignore[no-any-return]

    def _attempt(self, work: Callable[[Tx], Any], batch: _Batch) -> tuple[Any, BaseException | None]:
        if batch.lost:
            return None, StoreUnavailable("the database rolled the transaction back")
        tx = self._tx
        tx.wrote = False
        tx.careful = batch.careful
        tx.wakes = batch.wakes
        woken = len(batch.wakes)
        started_ns = monotonic_ns()
        try:
            result = work(tx)
            if tx.wrote:
                batch.wrote = True
                if tx.careful:
                    self._cursor.execute("RELEASE operation")
        except BaseException as error:  # noqa: BLE001 (it travels to whoever awaits the operation)
            del batch.wakes[woken:]
            return None, self._undo(error, batch)
        took_ns = monotonic_ns() - started_ns
        if took_ns > SLOW_OPERATION_NS:
            log.warning("an operation held the store for %d ms: %s", took_ns // 1_000_000, work)
        return result, None

    def _undo(self, error: BaseException, batch: _Batch) -> BaseException:
        if not self._db.in_transaction:
            batch.lost = True
        elif self._tx.wrote and self._tx.careful:
            with contextlib.suppress(apsw.Error):
                self._cursor.execute("ROLLBACK TO operation")
                self._cursor.execute("RELEASE operation")
        if isinstance(error, _MACHINE_FAULTS):
            log.error("the database refused an operation: %s", error)
            return StoreUnavailable(str(error))
        return error

    def _redo(self, batch: _Batch) -> tuple[Any, BaseException | None]:
        """Undo a batch whose last operation failed halfway, and run it again with a savepoint for each operation.

        An operation checks everything before its first write, so this is rare; a savepoint for every operation would
        cost a tenth of the throughput. Nothing of the batch was answered yet. Answers the last operation's outcome.
        """
        batch.careful = True
        batch.wakes.clear()
        batch.wrote = False
        if self._db.in_transaction:
            self._cursor.execute("ROLLBACK")
        batch.lost = False
        self._cursor.execute("BEGIN")
        outcomes = [self._attempt(work, batch) for work in batch.works]
        batch.answers = [
            (future, result, error)
            for (future, _, _), (result, error) in zip(batch.answers, outcomes[:-1], strict=True)
        ]
        return outcomes[-1]

    def empty(self, _tx: Tx) -> None:
        """Delete every row of every service: what ``waypost reset`` does, as one operation."""
        self._tx.forget()

    # --- committing

    def _commit(self) -> None:
        batch = self._batch
        if batch is None or self._syncing is not None:
            return  # the sync under way commits what has gathered meanwhile
        count = len(batch.answers)
        if batch.seen < count < GATHER_MAX:
            # It grew since the last look: one more turn of the loop (some microseconds) brings in what is arriving now,
            # and a sync costs as much for one operation as for many.
            batch.seen = count
            asyncio.get_running_loop().call_soon(self._commit)
            return
        self._batch = None
        self.operations += count
        self.commits += 1
        if batch.lost or not self._db.in_transaction:
            self._fail(batch, StoreUnavailable("the database rolled the transaction back"))
            return
        try:
            self._cursor.execute("COMMIT")
        except apsw.Error as error:
            log.error("commit failed, nothing was acknowledged: %s", error)  # noqa: TRY400 (the cause is the message)
            if self._db.in_transaction:
                self._cursor.execute("ROLLBACK")
            self._fail(batch, StoreUnavailable(str(error)))
            return
        if self._fold_wanted:
            self._fold()
        if batch.wrote and self._log is not None:
            self._sync(batch, self._log)
        else:
            self._answer(batch)

    def _sync(self, batch: _Batch, log_sync: LogSync) -> None:
        """Bring a committed batch to disk: on the loop where that is quick, else beside it."""
        self._syncing = batch
        if self._sync_ns >= INLINE_SYNC_NS and self.commits % PROBE_EVERY:
            log_sync.start(self._synced)
            return
        failed: OSError | None = None
        started_ns = monotonic_ns()
        try:
            os.fdatasync(self._wal_fd)
        except OSError as error:
            failed = error
        # A moving average over some syncs: one outlier does not change the way of syncing, a slow disk does.
        self._sync_ns += (monotonic_ns() - started_ns - self._sync_ns) >> 3
        self._synced(failed)

    def _synced(self, failed: OSError | None) -> None:
        batch, self._syncing = self._syncing, None
        if batch is None:
            return
        if failed is not None:
            self._lost(failed, batch)
            return
        self._answer(batch)
        self._commit()

    def _answer(self, batch: _Batch) -> None:
        for future, result, error in batch.answers:
            if future.done():
                continue  # the client went away
            if error is None:
                future.set_result(result)
            else:
                future.set_exception(error)
        for key, count in batch.wakes:
            self.wakes.wake(key, count)

    def _fail(self, batch: _Batch, error: BaseException) -> None:
        for future, _, _ in batch.answers:
            if not future.done():
                future.set_exception(error)

    def _lost(self, error: OSError, batch: _Batch) -> None:
        """A sync failed: what the kernel holds may differ from the disk from now on, so nothing more is promised."""
        log.critical("the disk refused to sync %s-wal: %s; the server stops", self.path, error)
        self._broken = error
        self._fail(batch, StoreUnavailable(str(error)))
        following, self._batch = self._batch, None
        if following is not None:
            with contextlib.suppress(apsw.Error):
                self._cursor.execute("ROLLBACK")
            self._fail(following, StoreUnavailable(str(error)))
        self.on_fatal(error)

    # --- checkpoints

    def _committed(self, _db: apsw.Connection, _name: str, pages: int) -> int:
        if pages >= CHECKPOINT_PAGES and self._checkpointing.acquire(blocking=False):
            try:
                loop = asyncio.get_running_loop()
            except RuntimeError:
                self._checkpointing.release()  # no loop: a tool or a test; the file is checkpointed at close
                return 0
            threading.Thread(target=self._checkpoint, args=(loop,), name="checkpoint", daemon=True).start()
        return 0

    def _checkpoint(self, loop: asyncio.AbstractEventLoop) -> None:
        """Copy the log into the database beside the running server, on a connection of its own."""
        try:
            db = apsw.Connection(self.path, flags=apsw.SQLITE_OPEN_READWRITE)
            try:
                db.set_busy_timeout(5_000)
                db.execute("PRAGMA cache_size=-256")
                db.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_PASSIVE)
            finally:
                db.close()
        except apsw.Error as error:
            log.warning("checkpoint failed, the log grows: %s", error)
        with contextlib.suppress(RuntimeError):  # the loop is closed: so is the server
            loop.call_soon_threadsafe(self._checkpointed)

    def _checkpointed(self) -> None:
        # What was appended meanwhile is little; copying it between two transactions lets the next start the log anew.
        self._fold_wanted = True
        if self._batch is None:
            self._fold()

    def _fold(self) -> None:
        self._fold_wanted = False
        try:
            self._db.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_PASSIVE)
        except apsw.Error as error:
            log.warning("checkpoint failed, the log grows: %s", error)
        finally:
            self._checkpointing.release()
            if self._checkpoint_over is not None and not self._checkpoint_over.done():
                self._checkpoint_over.set_result(None)

    def describe(self) -> dict[str, Any]:
        """For the status page: the file, its size in bytes with its log, and how operations shared commits."""
        return {
            "kind": "sqlite", "file": self.path, "bytes": self.size(), "operations": self.operations,
            "commits": self.commits,
        }  # fmt: skip

    def size(self) -> int:
        """Bytes of the database file and its log."""
        return sum(file.stat().st_size for file in (Path(self.path), Path(f"{self.path}-wal")) if file.exists())

    async def close(self) -> None:
        """Answer what is under way, fold the log into the database and release the file."""
        while self._batch is not None or self._syncing is not None:
            await self.transact(lambda _tx: None)  # answered after everything before it
        log.info("%d operations in %d commits", self.operations, self.commits)
        while self._checkpointing.locked():
            # Its end is announced on this loop: blocking here would wait for ever.
            self._checkpoint_over = asyncio.get_running_loop().create_future()
            await self._checkpoint_over
        self.close_now()

    def close_now(self) -> None:
        """Release the file without an event loop."""
        if self._log is not None:
            self._log.close()
            self._log = None
        with self._checkpointing:
            self._db.close()
        if self._wal_fd >= 0:
            os.close(self._wal_fd)
            self._wal_fd = -1


class DataFolder:
    """The server's folder: made if missing, held by one server at a time."""

    def __init__(self, folder: str | Path) -> None:
        """Take the folder; raises ``StoreRefused`` with one clear line."""
        self.path = Path(folder).absolute()
        try:
            self.path.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._lock = os.open(self.path / LOCK_NAME, os.O_RDWR | os.O_CREAT, 0o600)
        except OSError as error:
            raise StoreRefused(f"cannot write to the data folder {self.path}: {error.strerror}") from error
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            owner = os.pread(self._lock, 32, 0).decode("ascii", "replace").strip()
            os.close(self._lock)
            raise StoreRefused(
                f"the data folder {self.path} is in use by another Waypost server{f' (process {owner})' * bool(owner)}"
            ) from None
        os.ftruncate(self._lock, 0)
        os.pwrite(self._lock, str(os.getpid()).encode(), 0)

    @property
    def database(self) -> Path:
        """The SQLite file."""
        return self.path / FILE_NAME

    def release(self) -> None:
        """Let another server have it."""
        os.close(self._lock)
