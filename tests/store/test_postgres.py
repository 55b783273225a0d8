"""The store that nodes share: schema, troubles of the database, and recovery."""

import asyncio
import re
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from tests.store.test_stores import Q, get, put
from tests.stores import borrow_database, cluster, new_database, return_database
from tools.postgres import Cluster, PostgresMissing

from waypost.store import postgres
from waypost.store.migrate import migrations
from waypost.store.opening import open_store
from waypost.store.postgres import PostgresStore
from waypost.store.queries import parse
from waypost.store.schema_postgres import TOKENS, Standing, install
from waypost.store.session import StatementFailed, translate
from waypost.store.sqlite import SqliteStore
from waypost.store.store import StoreRefused, StoreUnavailable, Tx

ASK = parse(
    "ask",
    """
-- name: setting
SELECT current_setting(:name);
-- name: process
SELECT pg_backend_pid();
-- name: kill
SELECT pg_terminate_backend(:process);
-- name: nonsense
SELECT missing FROM meta;
-- name: lock
SELECT account FROM sts_session WHERE access_key = :name FOR UPDATE;
-- name: shared_get [shared]
SELECT account FROM sts_session WHERE access_key = :name;
-- name: transaction
SELECT CAST(txid_current() AS BIGINT);
-- name: version
SELECT value FROM meta WHERE name = 'schema_version';
""",
)


@pytest.fixture
async def store() -> AsyncIterator[PostgresStore]:
    url = borrow_database()
    made = PostgresStore(url, node="a", connections_max=4)
    yield made
    await made.close()
    return_database(url)


@pytest.fixture
def own() -> Iterator[Cluster]:
    """A cluster that the test may break."""
    try:
        made = Cluster()
    except PostgresMissing as missing:
        pytest.skip(str(missing))
    yield made
    made.close()


def connect(url: str) -> psycopg.Connection[Any]:
    return psycopg.connect(url, autocommit=True)


# --- the schema


def test_nodes_that_start_together_bring_the_schema_up_once() -> None:
    url = new_database()

    async def start() -> list[Standing]:
        def one() -> Standing:
            with connect(url) as connection:
                return install(connection)

        return list(await asyncio.gather(*(asyncio.to_thread(one) for _ in range(4))))

    everything = [migration.file for migration in migrations(TOKENS)]
    applied = sorted((standing.applied for standing in asyncio.run(start())), key=len)
    assert applied == [[], [], [], everything]


def test_a_database_that_is_not_there_is_refused() -> None:
    with pytest.raises(StoreRefused, match='database "missing" does not exist'):
        PostgresStore(cluster().url("missing"), node="a")
    with pytest.raises(StoreRefused) as refused:
        PostgresStore("postgresql://waypost@/x?host=/nowhere", node="a")
    assert "\n" not in str(refused.value)


def test_names_are_parameters_and_nothing_else_is() -> None:
    assert translate("SELECT ':no', x::text FROM t WHERE a = :a AND b = :b_c AND (:a = '')") == (
        b"SELECT ':no', x::text FROM t WHERE a = $1 AND b = $2 AND ($1 = '')",
        ("a", "b_c"),
        False,
        "t",
        False,
    )


@pytest.mark.parametrize(
    "text",
    ["DELETE FROM job", "SELECT 1", "SELECT a FROM b JOIN c", "SELECT (SELECT 1 FROM a) FROM b",
     "SELECT a FROM b {for_update}"],
)  # fmt: skip
def test_only_a_look_at_one_table_can_be_shared(text: str) -> None:
    with pytest.raises(ValueError, match="query x is more than a look"):
        parse("test", f"-- name: x [shared]\n{text}")


@pytest.mark.parametrize(
    ("text", "table"),
    [
        ("INSERT INTO job (id) VALUES (1)", "job"),
        ("UPDATE job SET id = (SELECT id FROM meta)", "job"),
        ('DELETE FROM "job"', "job"),
        ("SELECT (SELECT 1) x FROM job WHERE id = 1", "job"),
        ("SELECT 1", ""),
    ],
)
def test_a_statement_knows_its_table(text: str, table: str) -> None:
    assert translate(text).table == table
    assert not translate(text).locks


@pytest.mark.parametrize("lock", ["UPDATE", "NO KEY UPDATE", "SHARE", "KEY SHARE", "UPDATE SKIP LOCKED"])
def test_a_statement_knows_that_it_locks(lock: str) -> None:
    assert translate(f"SELECT 1 FROM job\nWHERE id = :id FOR {lock}").locks
    assert not translate(f"UPDATE job SET id = 1 WHERE id IN (SELECT id FROM job FOR {lock})").locks


# --- promises


async def test_commits_wait_for_the_disk_whatever_the_server_says(store: PostgresStore) -> None:
    with connect(store.url) as connection:
        connection.execute("ALTER ROLE waypost SET synchronous_commit = off")
        try:
            assert await store.transact(lambda tx: tx.one(ASK.setting, name="synchronous_commit")) == ("on",)
        finally:
            connection.execute("ALTER ROLE waypost RESET synchronous_commit")


async def test_operations_that_wait_for_a_connection_share_a_transaction(store: PostgresStore) -> None:
    await asyncio.gather(*(store.transact(put(f"k{i}", "1")) for i in range(200)))
    with connect(store.url) as connection:
        row = connection.execute("SELECT COUNT(DISTINCT xmin::text), COUNT(*) FROM sts_session").fetchone()
    assert row is not None
    transactions, rows = row
    assert rows == 200
    assert transactions < 60


async def test_operations_of_one_transaction_share_what_they_begin_with() -> None:
    url = borrow_database()
    store = PostgresStore(url, node="a", connections_max=1)
    store.run(put("a", "1"))
    found: list[tuple[Any, ...]] = []

    def read(tx: Tx) -> None:
        found.append((tx.one(ASK.transaction), tx.one(ASK.shared_get, name="a"), tx.all(ASK.shared_get, name="b")))

    def change(value: str) -> None:
        with connect(url) as other:
            other.execute("UPDATE sts_session SET account = %s WHERE access_key = 'a'", (value,))

    def lock(tx: Tx) -> None:
        change("5")
        tx.one(ASK.lock, name="a")

    works: list[Callable[[Tx], Any]] = [read, lambda _tx: change("2"), read, put("b", "3"), read, lock, read]
    await asyncio.gather(*(store.transact(work) for work in works))
    (transaction, *first), second, third, fourth = found
    assert [row[0] for row in found] == [transaction] * 4
    assert first == [("1",), []]
    assert second[1:] == (("1",), [])  # asked once
    assert third[1:] == (("2",), [("3",)])  # a write to the table is seen
    assert fourth[1:] == (("5",), [("3",)])  # and what was there when a row was locked
    await store.transact(lambda _tx: change("2"))
    store.run(put("a", "4"))
    await store.transact(read)
    assert found[-1][1] == ("4",)
    await store.close()
    return_database(url)


async def test_a_commit_that_is_not_confirmed_is_not_acknowledged(
    store: PostgresStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    await store.transact(put("a", "1"))
    monkeypatch.setattr(postgres, "COMMIT", postgres.ROLLBACK)
    with pytest.raises(StoreUnavailable, match="rolled the transaction back"):
        await store.transact(put("a", "2"))
    monkeypatch.undo()
    assert await store.transact(get("a")) == ("1",)


async def test_a_statement_of_ours_that_is_wrong_is_a_fault(store: PostgresStore) -> None:
    with pytest.raises(StatementFailed, match="42703"):
        await store.transact(lambda tx: tx.one(ASK.nonsense))
    with pytest.raises(StatementFailed, match="42703"):
        store.run(lambda tx: tx.one(ASK.nonsense))
    assert await store.transact(put("a", "1")) == 1


async def test_a_deadlock_is_undone_and_both_happen(store: PostgresStore) -> None:
    await asyncio.gather(store.transact(put("a", "")), store.transact(put("b", "")))

    def both(first: str, second: str, mark: str) -> Any:
        def work(tx: Tx) -> str:
            tx.one(ASK.lock, name=first)
            tx.one(ASK.lock, name=second)
            tx.run(Q.put, name=first, value=mark, at=0)
            tx.run(Q.put, name=second, value=mark, at=0)
            return mark

        return work

    marks = await asyncio.gather(store.transact(both("a", "b", "1")), store.transact(both("b", "a", "2")))
    assert marks == ["1", "2"]
    found = [await store.transact(get("a")), await store.transact(get("b"))]
    assert found in ([("1",), ("1",)], [("2",), ("2",)])


async def test_who_waits_long_for_a_lock_gets_it_in_the_end(store: PostgresStore) -> None:
    await store.transact(put("a", "0"))
    with psycopg.connect(store.url) as holder:
        holder.execute("SELECT 1 FROM sts_session WHERE access_key = 'a' FOR UPDATE")
        writing = [asyncio.ensure_future(store.transact(put("a", str(i)))) for i in range(3)]
        others = await asyncio.gather(*(store.transact(put(f"k{i}", "1")) for i in range(20)))
        assert others == [1] * 20
        assert not any(task.done() for task in writing)
    assert await asyncio.gather(*writing) == [1, 1, 1]


def test_many_rows_are_emptied_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(postgres, "MANY", 3)
    url = borrow_database()
    store = PostgresStore(url, node="a")
    with connect(url) as other:

        def storage(table: str) -> Any:
            """Another one from when a table was cut off."""
            return other.execute(f"SELECT pg_relation_filenode('{table}')").fetchone()

        for number in range(4):
            store.run(put(f"k{number}", "1"))
        store.run(lambda tx: tx.run(Q.put_code, name="z", zip=b""))
        before = storage("sts_session"), storage("lambda_code")
        store.run(store.empty)
        assert storage("sts_session") != before[0]
        assert storage("lambda_code") == before[1]
    assert store.run(lambda tx: (tx.one(Q.total), tx.one(Q.get_code, name="z"))) == ((0, None), None)
    store.close_now()
    return_database(url)


# --- troubles


async def test_a_connection_that_breaks_is_replaced(store: PostgresStore) -> None:
    processes = {await store.transact(lambda tx: tx.one(ASK.process)) for _ in range(5)}
    with connect(store.url) as connection:
        for row in processes:
            assert row is not None
            connection.execute("SELECT pg_terminate_backend(%s, 1000)", row)
    assert await asyncio.gather(*(store.transact(put(f"k{i}", "1")) for i in range(20))) == [1] * 20


async def test_a_connection_that_breaks_within_an_operation_lets_it_run_again(store: PostgresStore) -> None:
    tries: list[Any] = []

    def work(tx: Tx) -> int:
        tries.append(tx.one(ASK.process))
        if len(tries) == 1:
            tx.one(ASK.kill, process=tries[0][0])
        return tx.run(Q.put, name="a", value=str(len(tries)), at=0)

    assert await store.transact(work) == 1
    assert await store.transact(get("a")) == ("2",)


async def test_a_database_that_goes_down_and_comes_back(own: Cluster) -> None:
    store = PostgresStore(own.url(), node="a")
    acknowledged = {f"k{i}" for i in range(50)}
    await asyncio.gather(*(store.transact(put(name, "1")) for name in acknowledged))
    own.stop("fast")
    results = await asyncio.gather(*(store.transact(put(f"l{i}", "1")) for i in range(50)), return_exceptions=True)
    assert {type(result) for result in results} == {StoreUnavailable}
    with pytest.raises(StoreUnavailable):
        store.run(get("k0"))
    own.start()
    while True:
        try:
            assert await store.transact(get("k0")) == ("1",)
            break
        except StoreUnavailable:
            await asyncio.sleep(0)
    assert store.run(get("k49")) == ("1",)
    await store.close()


async def test_a_crash_of_the_database_loses_nothing_acknowledged(own: Cluster) -> None:
    store = PostgresStore(own.url(), node="a")
    acknowledged: list[str] = []

    async def write(line: int) -> None:
        for i in range(1_000):
            name = f"{line}-{i}"
            try:
                await store.transact(put(name, "1"))
            except StoreUnavailable:
                return
            acknowledged.append(name)
            if len(acknowledged) == 300:
                own.stop("immediate")

    await asyncio.gather(*(write(line) for line in range(8)))
    own.start()
    with connect(own.url()) as connection:
        kept = {row[0] for row in connection.execute("SELECT access_key FROM sts_session")}
    assert set(acknowledged) <= kept
    assert len(acknowledged) >= 300
    store.close_now()


async def test_a_full_disk_is_no_fault_of_ours(store: PostgresStore) -> None:
    with connect(store.url) as connection:
        connection.execute(
            "CREATE FUNCTION full_disk() RETURNS trigger LANGUAGE plpgsql AS"
            " $$ BEGIN RAISE EXCEPTION 'could not extend file' USING ERRCODE = 'disk_full'; END $$"
        )
        connection.execute("CREATE TRIGGER full_disk BEFORE INSERT ON sts_session EXECUTE FUNCTION full_disk()")
        try:
            results = await asyncio.gather(
                *(store.transact(put(f"k{i}", "x")) for i in range(20)), return_exceptions=True
            )
            assert {type(result) for result in results} == {StoreUnavailable}
        finally:
            connection.execute("DROP FUNCTION full_disk CASCADE")
    assert await store.transact(put("a", "1")) == 1


async def test_more_than_can_wait_is_refused_at_once(store: PostgresStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(postgres, "QUEUE_MAX", 10)
    results = await asyncio.gather(*(store.transact(put(f"k{i}", "1")) for i in range(30)), return_exceptions=True)
    assert {type(result) for result in results} == {int, StoreUnavailable}


async def test_a_database_that_does_not_answer_is_given_up(store: PostgresStore) -> None:
    await store.transact(put("a", "0"))
    with psycopg.connect(store.url) as holder:
        holder.execute("LOCK TABLE sts_session")
        writing = asyncio.ensure_future(store.transact(put("a", "1")))
        while not writing.done():
            waiting = [session for session in store._sessions if session.waiting_since_ns]
            for session in waiting:
                session.timeout_s = 0
            if waiting:
                store._look()
            await asyncio.sleep(0)
        with pytest.raises(StoreUnavailable, match="no answer within 0 s"):
            await writing


def test_the_oldest_version_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("waypost.store.schema_postgres.VERSION_MIN", 990_000)
    url = borrow_database()
    with pytest.raises(StoreRefused, match="is too old: Waypost needs 99 or newer"):
        PostgresStore(url, node="a")
    monkeypatch.undo()
    return_database(url)


# --- who has which store


async def test_a_store_says_how_it_is_without_its_password() -> None:
    url = borrow_database()
    store = PostgresStore(url.replace("waypost@", "waypost:secret@"), node="a")
    await asyncio.gather(*(store.transact(put(f"k{i}", "1")) for i in range(20)))
    described = store.describe()
    await store.close()
    assert re.fullmatch(r"user=waypost dbname=test\d+ host=/\S+", described.pop("address"))
    assert described.pop("connections") in range(1, postgres.CONNECTIONS_MAX + 1)
    assert described.pop("busy") <= postgres.CONNECTIONS_MAX
    assert described == {"kind": "postgresql", "waiting": 0}
    return_database(url)


def test_the_address_says_which_store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    embedded = open_store("", tmp_path / "db", node="a")
    assert isinstance(embedded, SqliteStore)
    embedded.close_now()
    url = borrow_database()
    shared = open_store(url, tmp_path / "db", node="a")
    assert isinstance(shared, PostgresStore)
    shared.close_now()
    return_database(url)
    with pytest.raises(StoreRefused, match="does not begin with postgresql://"):
        open_store("mysql://x", tmp_path / "db", node="a")
    monkeypatch.setitem(sys.modules, "waypost.store.postgres", None)
    with pytest.raises(StoreRefused, match=r"pip install 'waypost\[postgres\]'"):
        open_store(url, tmp_path / "db", node="a")
