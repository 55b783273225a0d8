"""What a database can suffer under a running store: nothing acknowledged is lost, and the store recovers by itself.

In every case an operation gets its answer or ``StoreUnavailable``, nothing else.
"""

import asyncio
import contextlib
import os
import signal
import subprocess
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from tests.store.test_stores import Q, get, put
from tests.stores import borrow_database, return_database
from tools.postgres import Cluster, PostgresMissing

from waypost.store import postgres, troubles
from waypost.store.postgres import PostgresStore
from waypost.store.queries import parse
from waypost.store.schema_postgres import upgrade
from waypost.store.store import StoreRefused, StoreUnavailable, TextRefused, Tx

ASK = parse(
    "ask",
    """
-- name: process
SELECT pg_backend_pid();
-- name: prepared
SELECT COUNT(*) FROM pg_prepared_statements;
-- name: many
SELECT * FROM generate_series(1, CAST(:rows AS INTEGER));
-- name: typed
SELECT value FROM typed WHERE id = 1;
-- name: refused
INSERT INTO refused (id) VALUES (:id);
-- name: nothing
SELECT 1 WHERE :never = 'x';
""",
)


def own_cluster(**options: Any) -> Cluster:
    try:
        return Cluster(**options)
    except PostgresMissing as missing:
        pytest.skip(str(missing))


@pytest.fixture
def own() -> Iterator[Cluster]:
    """A cluster that the test may break."""
    made = own_cluster()
    yield made
    made.close()


@pytest.fixture
def pair() -> Iterator[tuple[Cluster, Cluster]]:
    """A primary and the standby that its commits wait for."""
    primary = own_cluster()
    try:
        standby = primary.standby()
    except BaseException:
        primary.close()
        raise
    yield primary, standby
    primary.close()
    standby.close()


@pytest.fixture
async def store() -> AsyncIterator[PostgresStore]:
    url = borrow_database()
    made = PostgresStore(url, node="a", connections_max=4)
    yield made
    await made.close()
    return_database(url)


def connect(url: str) -> psycopg.Connection[Any]:
    return psycopg.connect(url, autocommit=True)


async def recovered(store: PostgresStore) -> None:
    """Operations are tried until one is answered; whatever else than StoreUnavailable comes fails the test."""
    while True:
        try:
            await store.transact(put("recovered", "1"))
        except StoreUnavailable:
            await asyncio.sleep(0)
        else:
            return


class Writers:
    """Clients that write one row after the other until they are told to stop."""

    def __init__(self, store: PostgresStore) -> None:
        self.store = store
        self.acknowledged: set[str] = set()
        self.refused = 0
        self.reasons: set[str] = set()
        self.stopped = False
        self._grown = asyncio.Event()
        self._tasks = [asyncio.ensure_future(self._write(line)) for line in range(8)]

    async def _write(self, line: int) -> None:
        number = 0
        while not self.stopped:
            number += 1
            name = f"{line}-{number}"
            try:
                assert await self.store.transact(lambda tx, name=name: tx.run(Q.add, name=name, value="1")) == 1  # type: ignore[misc]
            except StoreUnavailable as error:
                self.refused += 1
                self.reasons.add(str(error))
                await asyncio.sleep(0)
            else:
                self.acknowledged.add(name)
                self._grown.set()

    async def more(self, rows: int) -> None:
        """Until so many more are acknowledged."""
        wanted = len(self.acknowledged) + rows
        while len(self.acknowledged) < wanted:
            self._grown.clear()
            await self._grown.wait()

    async def stop(self) -> None:
        """Raises what is no StoreUnavailable."""
        self.stopped = True
        await asyncio.gather(*self._tasks)

    def missing(self, url: str) -> set[str]:
        """What was acknowledged and is not there."""
        with connect(url) as connection:
            return self.acknowledged - {row[0] for row in connection.execute("SELECT access_key FROM sts_session")}


# --- the database goes


@pytest.mark.parametrize("mode", ["fast", "immediate"])
async def test_a_restart_under_load_loses_nothing(own: Cluster, mode: str) -> None:
    store = PostgresStore(own.url(), node="a")
    writers = Writers(store)
    for _ in range(2):
        await writers.more(100)
        await asyncio.to_thread(own.stop, mode)
        await asyncio.to_thread(own.start)
        await recovered(store)
        await writers.more(100)
    await writers.stop()
    await store.close()
    assert writers.refused
    assert not writers.missing(own.url())


@pytest.mark.parametrize("attributes", ["&target_session_attrs=read-write", ""])
async def test_a_fail_over_loses_nothing(pair: tuple[Cluster, Cluster], attributes: str) -> None:
    primary, standby = pair
    store = PostgresStore(
        f"postgresql://waypost@/postgres?host={primary.folder},{standby.folder}{attributes}", node="a"
    )
    writers = Writers(store)
    await writers.more(200)
    await asyncio.to_thread(primary.kill)
    with pytest.raises(StoreUnavailable):
        await store.transact(put("nobody", "1"))
    with pytest.raises(StoreUnavailable):
        store.run(put("nobody", "1"))
    await asyncio.to_thread(standby.promote)
    await recovered(store)
    await writers.more(200)
    await writers.stop()
    assert store.run(get("recovered")) == ("1",)
    await store.close()
    assert not writers.missing(standby.url())


async def test_what_no_standby_has_is_not_acknowledged(pair: tuple[Cluster, Cluster]) -> None:
    primary, standby = pair
    store = PostgresStore(primary.url(), node="a", connections_max=1)
    await store.transact(put("a", "1"))
    standby.stop("immediate")
    writing = asyncio.ensure_future(store.transact(put("b", "1")))
    with connect(primary.url()) as other:
        while other.execute("SELECT 1 FROM pg_stat_activity WHERE wait_event = 'SyncRep'").fetchone() is None:
            await asyncio.sleep(0)
        # The database goes on as if it were committed, and only warns.
        other.execute("SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE wait_event = 'SyncRep'")
        with pytest.raises(StoreUnavailable, match="not confirmed: canceling wait for synchronous replication"):
            await writing
        with pytest.raises(StoreUnavailable, match="not confirmed: canceling wait for synchronous replication"):
            await asyncio.gather(asyncio.to_thread(store.run, put("c", "1")), asyncio.to_thread(cancel, primary.url()))
    standby.start()
    await recovered(store)
    await store.close()


def cancel(url: str) -> None:
    """Cancel the first wait for a standby."""
    with connect(url) as other:
        while (
            other.execute("SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE wait_event = 'SyncRep'").fetchone()
            is None
        ):
            pass


def test_a_standby_is_no_store(pair: tuple[Cluster, Cluster]) -> None:
    primary, standby = pair
    upgrade(primary.url())
    with pytest.raises(StoreRefused, match="is a standby, which only reads"):
        PostgresStore(standby.url(), node="a")


async def test_a_database_that_only_reads_is_unavailable_for_writes(store: PostgresStore) -> None:
    """As hosted databases do when their disk is nearly full."""
    await store.transact(put("a", "1"))
    with connect(store.url) as other:
        name = other.info.dbname
        other.execute(f"ALTER DATABASE {name} SET default_transaction_read_only = on")
        terminate_others(other)
        while await answer(store, get("a")) is StoreUnavailable:
            await asyncio.sleep(0)
        with pytest.raises(StoreUnavailable, match="read-only transaction"):
            await store.transact(put("a", "2"))
        other.execute("SET default_transaction_read_only = off")
        other.execute(f"ALTER DATABASE {name} RESET default_transaction_read_only")
    await recovered(store)
    assert await store.transact(get("a")) == ("1",)


def terminate_others(connection: psycopg.Connection[Any]) -> None:
    connection.execute(
        "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity"
        " WHERE datname = current_database() AND pid <> pg_backend_pid()"
    )


async def answer(store: PostgresStore, work: Callable[[Tx], Any]) -> Any:
    """What came, or the class of the error."""
    try:
        return await store.transact(work)
    except StoreUnavailable:
        return StoreUnavailable


async def test_a_server_that_hangs_is_given_up(own: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(postgres, "ANSWER_S", 0.5)
    store = PostgresStore(own.url() + "&connect_timeout=2", node="a", connections_max=1)
    row = await store.transact(lambda tx: tx.one(ASK.process))
    assert row is not None
    stopped = [row[0], int((own.data / "postmaster.pid").read_text().split()[0])]
    for process in stopped:
        os.kill(process, signal.SIGSTOP)
    try:
        for _ in range(2):
            with pytest.raises(StoreUnavailable):
                await store.transact(put("a", "1"))
    finally:
        for process in stopped:
            os.kill(process, signal.SIGCONT)
    await recovered(store)
    await store.close()


async def test_one_connection_that_hangs_holds_nobody_else_up(
    store: PostgresStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgres, "ANSWER_S", 1.0)
    await asyncio.gather(*(store.transact(put(f"k{i}", "1")) for i in range(20)))
    row = await store.transact(lambda tx: tx.one(ASK.process))
    assert row is not None
    process = row[0]
    os.kill(process, signal.SIGSTOP)
    try:
        results = await asyncio.gather(*(answer(store, put(f"l{i}", "1")) for i in range(100)))
    finally:
        os.kill(process, signal.SIGCONT)
    # Who shared a transaction on it has waited long enough.
    assert set(results) <= {1, StoreUnavailable}
    assert results.count(1) >= 100 - postgres.BATCH_MAX


async def test_a_database_that_is_dropped_and_made_anew(own: Cluster) -> None:
    url = own.create("fleeting")
    store = PostgresStore(url, node="a")
    await store.transact(put("a", "1"))
    with connect(own.url()) as other:
        other.execute("DROP DATABASE fleeting WITH (FORCE)")
        while (error := await failure(store)) is None or "does not exist" not in str(error):
            await asyncio.sleep(0)
        other.execute("CREATE DATABASE fleeting")
    while (error := await failure(store)) is None or "has lost its schema: run `waypost migrate`" not in str(error):
        await asyncio.sleep(0)
    upgrade(url)
    await recovered(store)
    assert await store.transact(get("a")) is None
    await store.close()


async def failure(store: PostgresStore) -> StoreUnavailable | None:
    try:
        await store.transact(put("x", "1"))
    except StoreUnavailable as error:
        return error
    return None


async def test_a_schema_that_vanishes_under_a_connection(own: Cluster) -> None:
    url = own.create("emptied")
    store = PostgresStore(url, node="a")
    await asyncio.gather(*(store.transact(put(f"k{i}", "1")) for i in range(20)))
    with connect(url) as other:
        other.execute("DROP SCHEMA public CASCADE")
        other.execute("CREATE SCHEMA public")
    assert isinstance(await failure(store), StoreUnavailable)
    upgrade(url)
    await recovered(store)
    await store.close()


async def test_a_login_that_is_refused(own: Cluster) -> None:
    with connect(own.url()) as other:
        other.execute("CREATE ROLE tenant LOGIN SUPERUSER")
        store = PostgresStore(own.url().replace("waypost@", "tenant@"), node="a")
        await store.transact(put("a", "1"))
        other.execute("ALTER ROLE tenant NOLOGIN")
        other.execute("SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE usename = 'tenant'")
        with pytest.raises(StoreUnavailable, match="not permitted to log in"):
            await store.transact(put("a", "2"))
        other.execute("ALTER ROLE tenant LOGIN NOSUPERUSER")
        other.execute("REVOKE ALL ON sts_session FROM tenant")
        while (error := await failure(store)) is None or "permission denied" not in str(error):
            await asyncio.sleep(0)
        other.execute("ALTER ROLE tenant SUPERUSER")
    await recovered(store)
    assert await store.transact(get("a")) == ("1",)
    await store.close()


async def test_a_server_without_a_free_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    own = own_cluster(max_connections="8", superuser_reserved_connections="0")
    monkeypatch.setattr("waypost.store.neighbours.RECONNECT_S", 0.01)
    store = PostgresStore(own.url(), node="a", connections_max=4)
    held: list[psycopg.Connection[Any]] = []
    try:
        while True:
            held.append(connect(own.url()))
    except psycopg.OperationalError:
        pass
    with pytest.raises(StoreUnavailable, match="too many clients"):
        await store.transact(put("a", "1"))
    with pytest.raises(StoreUnavailable, match="too many clients"):
        store.run(put("a", "1"))
    for _ in range(2):  # one to listen, and one that is enough for all
        held.pop().close()
    await recovered(store)
    assert await asyncio.gather(*(store.transact(put(f"k{i}", "1")) for i in range(50))) == [1] * 50
    await store.close()
    for connection in held:
        connection.close()
    own.close()


@pytest.fixture
def small_disk() -> Iterator[Path]:
    """A file system of little space."""
    # The path of a socket is short; and the server, which is not root, gets there.
    folder = Path(tempfile.mkdtemp(prefix="waypost-disk-", dir="/tmp"))
    mount = ["mount", "-t", "tmpfs", "-o", "size=160m,mode=777", "tmpfs", folder]
    if os.geteuid() != 0 or subprocess.run(mount).returncode:
        folder.rmdir()
        pytest.skip("a full disk needs one that may be filled: mounting a small tmpfs takes root")
    yield folder
    subprocess.run(["umount", "-l", folder], check=True)
    folder.rmdir()


@pytest.mark.parametrize("mark", ["data", "log"])
async def test_a_full_disk(small_disk: Path, mark: str) -> None:
    own = own_cluster(within=small_disk, max_wal_size="32MB", min_wal_size="32MB", restart_after_crash="on")
    store = PostgresStore(own.url(), node="a")
    writers = Writers(store)
    await writers.more(100)
    filling = small_disk / "filling"
    fill(filling)
    if mark == "log":
        await asyncio.to_thread(fill_log, own)
    while writers.refused < 50:
        await asyncio.gather(*(answer(store, put(f"large{i}", "x" * 100_000)) for i in range(20)))
    assert any("No space left on device" in reason for reason in writers.reasons) or not is_up(own)
    filling.unlink()
    while not await asyncio.to_thread(is_up, own):
        await asyncio.to_thread(revive, own)
    await recovered(store)
    await writers.more(100)
    await writers.stop()
    await store.close()
    assert not writers.missing(own.url())
    own.close()


def fill(file: Path) -> None:
    """Leave nothing."""
    with file.open("wb", buffering=0) as filling:
        for size in (1 << 20, 1 << 12):
            try:
                while True:
                    filling.write(b"\0" * size)
            except OSError:
                pass


def fill_log(own: Cluster) -> None:
    """Write until there is no room for the log."""
    with connect(own.url()) as other, contextlib.suppress(psycopg.Error):
        for _ in range(100):
            other.execute("SELECT pg_logical_emit_message(true, 'fill', repeat('x', 1000000))")


def is_up(own: Cluster) -> bool:
    try:
        connect(own.url()).close()
    except psycopg.OperationalError:
        return False
    return True


def revive(own: Cluster) -> None:
    """A database that found no room for its log ended."""
    with contextlib.suppress(PostgresMissing):
        own.start()


# --- a commit that nobody confirms


async def test_a_connection_that_breaks_in_a_commit_is_no_acknowledgement(store: PostgresStore) -> None:
    with connect(store.url) as other:
        other.execute(
            "CREATE FUNCTION broken() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN IF NEW.account = 'break' THEN"
            " PERFORM pg_terminate_backend(pg_backend_pid()); PERFORM pg_sleep(10); END IF; RETURN NEW; END $$"
        )
        other.execute(
            "CREATE CONSTRAINT TRIGGER broken AFTER INSERT OR UPDATE ON sts_session DEFERRABLE INITIALLY DEFERRED"
            " FOR EACH ROW EXECUTE FUNCTION broken()"
        )
    runs = 0

    def work(tx: Tx) -> None:
        nonlocal runs
        runs += 1
        put("a", "break")(tx)

    with pytest.raises(StoreUnavailable, match="commit was not confirmed"):
        await store.transact(work)
    assert runs == 1
    with pytest.raises(StoreUnavailable, match="commit was not confirmed"):
        store.run(work)
    assert runs == 2
    with connect(store.url) as other:
        other.execute("DROP FUNCTION broken CASCADE")
    assert await store.transact(get("a")) is None


# --- refusals


@pytest.fixture
def refusing(store: PostgresStore) -> Iterator[psycopg.Connection[Any]]:
    """A table whose rows are refused until so many were: ``allowed_from``, with the SQLSTATE ``state``."""
    with connect(store.url) as other:
        other.execute("CREATE TABLE refused (id TEXT)")
        other.execute("CREATE SEQUENCE refusals")
        other.execute("CREATE TABLE refusing (allowed_from INTEGER, state TEXT)")
        other.execute(
            "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ DECLARE r refusing; BEGIN"
            " SELECT * INTO r FROM refusing; IF nextval('refusals') < r.allowed_from THEN"
            " RAISE EXCEPTION 'not now' USING ERRCODE = r.state; END IF; RETURN NEW; END $$"
        )
        other.execute("CREATE TRIGGER refuse BEFORE INSERT ON refused FOR EACH ROW EXECUTE FUNCTION refuse()")
        yield other
        other.execute("DROP TABLE refused, refusing")
        other.execute("DROP SEQUENCE refusals")
        other.execute("DROP FUNCTION refuse")


def write_refused(tx: Tx) -> int:
    return tx.run(ASK.refused, id="a")


@pytest.mark.parametrize("state", ["40001", "40P01", "55P03", "23505"])
async def test_who_loses_a_race_runs_again(store: PostgresStore, refusing: psycopg.Connection[Any], state: str) -> None:
    refusing.execute("INSERT INTO refusing VALUES (%s, %s)", (troubles.RACE_TRIES_MAX, state))
    assert await store.transact(write_refused) == 1
    assert refusing.execute("SELECT count(*) FROM refused").fetchone() == (1,)
    refusing.execute("SELECT setval('refusals', 1, false)")
    assert store.run(write_refused) == 1
    assert refusing.execute("SELECT count(*) FROM refused").fetchone() == (2,)


@pytest.mark.parametrize("state", ["40001", "53100", "53200", "57014", "58030", "25006", "42501", "55006", "XX000"])
async def test_what_the_database_suffers_is_unavailability(
    store: PostgresStore, refusing: psycopg.Connection[Any], state: str
) -> None:
    refusing.execute("INSERT INTO refusing VALUES (1000, %s)", (state,))
    with pytest.raises(StoreUnavailable):
        await store.transact(write_refused)
    with pytest.raises(StoreUnavailable):
        store.run(write_refused)
    refusing.execute("DELETE FROM refusing")
    assert await store.transact(write_refused) == 1
    assert store.run(write_refused) == 1


async def test_a_text_that_cannot_be_kept_is_refused_by_itself(store: PostgresStore) -> None:
    def half(tx: Tx) -> None:
        put("half", "1")(tx)
        put("b", "a\0b")(tx)

    results = await asyncio.gather(
        *(store.transact(put(f"k{i}", "1")) for i in range(20)),
        store.transact(half),
        store.transact(get("a\0")),
        return_exceptions=True,
    )
    assert [type(result) for result in results] == [int] * 20 + [TextRefused] * 2
    assert await store.transact(get("half")) is None
    with pytest.raises(TextRefused):
        store.run(half)


async def test_plans_that_a_migration_made_stale_are_made_anew(store: PostgresStore) -> None:
    with connect(store.url) as other:
        other.execute("CREATE TABLE typed (id INTEGER PRIMARY KEY, value INTEGER)")
        other.execute("INSERT INTO typed VALUES (1, 7)")

        async def each() -> set[Any]:
            """On every connection."""
            return set(await asyncio.gather(*(store.transact(lambda tx: tx.one(ASK.typed)) for _ in range(64))))

        assert await each() == {(7,)}
        assert store.run(lambda tx: tx.one(ASK.typed)) == (7,)
        other.execute("ALTER TABLE typed ALTER value TYPE TEXT")
        assert await each() == {("7",)}
        assert store.run(lambda tx: tx.one(ASK.typed)) == ("7",)
        other.execute("DROP TABLE typed")


async def test_a_statement_that_the_server_forgot_is_prepared_again(store: PostgresStore) -> None:
    """A pooler between may hand out another server connection."""
    deallocate = parse("forget", "-- name: all\nDEALLOCATE ALL;").all()[0]
    await asyncio.gather(*(store.transact(put(f"k{i}", "1")) for i in range(20)))
    for _ in range(4):
        assert await answer(store, lambda tx: tx.run(deallocate)) in {0, StoreUnavailable}
        assert await store.transact(get("k0")) == ("1",)


async def test_statements_that_fail_leave_nothing_behind(
    store: PostgresStore, refusing: psycopg.Connection[Any]
) -> None:
    refusing.execute("INSERT INTO refusing VALUES (100000, '40001')")
    for _ in range(5):
        with pytest.raises(StoreUnavailable):
            store.run(write_refused)
    row = store.run(lambda tx: tx.one(ASK.prepared))
    assert row is not None
    assert row[0] < 10


# --- sizes


async def test_a_large_value_and_many_rows_travel_while_others_are_answered(store: PostgresStore) -> None:
    large = os.urandom(1 << 20) * 70
    writing = asyncio.ensure_future(store.transact(lambda tx: tx.run(Q.put_code, name="z", zip=large)))
    others = asyncio.gather(*(store.transact(put(f"k{i}", "1")) for i in range(50)))
    assert await others == [1] * 50
    assert await writing == 1
    reading = asyncio.ensure_future(store.transact(lambda tx: tx.one(Q.get_code, name="z")))
    rows = await store.transact(lambda tx: tx.all(ASK.many, rows=200_000))
    assert (rows[0], rows[-1], len(rows)) == ((1,), (200_000,), 200_000)
    assert await reading == (large,)


async def test_more_writes_than_travel_at_once(store: PostgresStore) -> None:
    rows = postgres.PIPELINED_MAX * 3 + 1

    def work(tx: Tx) -> None:
        for number in range(rows):
            tx.run(Q.add, name=f"k{number}", value="1")

    await store.transact(work)
    assert await store.transact(lambda tx: tx.one(Q.total)) == (rows, 0)


# --- our own


async def test_who_does_not_wait_any_more_is_passed_over(store: PostgresStore) -> None:
    await store.transact(put("a", "0"))
    with psycopg.connect(store.url) as holder:
        holder.execute("SELECT 1 FROM sts_session WHERE access_key = 'a' FOR UPDATE")
        waiting = [asyncio.ensure_future(store.transact(put("a", str(i)))) for i in range(100)]
        await asyncio.sleep(0)
        for task in waiting:
            task.cancel()
        assert await store.transact(put("b", "1")) == 1
    assert {type(result) for result in await asyncio.gather(*waiting, return_exceptions=True)} == {
        asyncio.CancelledError
    }
    while store.busy:  # the one that was on its way may still happen
        await asyncio.sleep(0)
    assert await store.transact(put("a", "last")) == 1
    assert await store.transact(get("a")) == ("last",)


async def test_a_fault_beside_the_operations_leaves_nobody_waiting(store: PostgresStore) -> None:
    def notify() -> None:
        raise ValueError("a fault")

    def work(tx: Tx) -> None:
        put("a", "1")(tx)
        tx.wake("key")

    store.wakes.park(("key",), notify)
    results = await asyncio.gather(*(store.transact(work) for _ in range(3)), return_exceptions=True)
    assert {type(result) for result in results} <= {type(None), ValueError}
    assert await asyncio.gather(*(store.transact(put(f"k{i}", "1")) for i in range(50))) == [1] * 50


async def test_an_operation_that_begins_another_does_not_lose_itself(store: PostgresStore) -> None:
    inner: list[Any] = []

    def work(tx: Tx) -> int:
        if not inner:
            inner.append(store.transact(put("inner", "1")))
        return put("outer", "1")(tx)

    assert await store.transact(work) == 1
    assert await inner[0] == 1


async def test_closing_does_not_wait_for_a_database_that_is_away(own: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(postgres, "CLOSE_S", 0.2)
    store = PostgresStore(own.url(), node="a", connections_max=1)
    row = await store.transact(lambda tx: tx.one(ASK.process))
    assert row is not None
    os.kill(row[0], signal.SIGSTOP)
    waiting = [asyncio.ensure_future(store.transact(put(f"k{i}", "1"))) for i in range(40)]
    await asyncio.sleep(0)
    await store.close()
    results = await asyncio.gather(*waiting, return_exceptions=True)
    assert {type(result) for result in results} == {StoreUnavailable}
    os.kill(row[0], signal.SIGCONT)
    own.stop("fast")
    with pytest.raises(StoreUnavailable, match="is closed"):
        await store.transact(put("a", "1"))
