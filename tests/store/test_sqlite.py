"""The embedded store: atomic operations, shared commits, nothing acknowledged before it is on disk."""

import asyncio
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import apsw
import pytest

import waypost
from waypost.store import migrate
from waypost.store.logsync import KernelSync, ThreadSync, open_sync
from waypost.store.queries import parse
from waypost.store.sqlite import LOCK_CLAUSES, TOKENS, DataFolder, SqliteStore
from waypost.store.store import StoreRefused, StoreUnavailable, Tx

Q = parse(
    "test",
    """
    -- name: put : upsert
    INSERT INTO meta (name, value) VALUES (:name, :value)
    ON CONFLICT (name) DO UPDATE SET value = excluded.value;
    -- name: get : one
    SELECT value FROM meta WHERE name = :name;
    -- name: take : with RETURNING
    DELETE FROM meta WHERE name = :name RETURNING value;
    """.replace("\n    ", "\n"),
)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SqliteStore]:
    store = SqliteStore(tmp_path / "test.db")
    yield store
    store.close_now()


def put(name: str, value: str) -> Callable[[Tx], int]:
    return lambda tx: tx.run(Q.put, name=name, value=value)


def get(name: str) -> Callable[[Tx], Any]:
    return lambda tx: tx.one(Q.get, name=name)


async def test_operations_that_arrive_together_share_one_sync(
    store: SqliteStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    syncs = []
    monkeypatch.setattr(os, "fdatasync", lambda fd: syncs.append(fd))
    await asyncio.gather(*(store.transact(put(f"k{i}", str(i))) for i in range(100)))
    assert len(syncs) == 1
    assert await store.transact(get("k99")) == ("99",)
    assert len(syncs) == 1, "a read needs no sync of its own"


class HeldSync:
    """A slow disk: a sync ends when the test says so."""

    def __init__(self) -> None:
        self.done: list[Callable[[OSError | None], None]] = []

    def start(self, done: Callable[[OSError | None], None]) -> None:
        self.done.append(done)

    def close(self) -> None:
        pass


def slow(store: SqliteStore) -> HeldSync:
    held = HeldSync()
    store._log = held
    store._sync_ns = 10**9
    return held


async def test_no_answer_before_the_sync(store: SqliteStore) -> None:
    held = slow(store)
    writing = store.transact(put("a", "1"))
    for _ in range(20):
        await asyncio.sleep(0)
    reading = store.transact(get("a"))
    following = store.transact(put("b", "2"))
    for _ in range(20):
        await asyncio.sleep(0)
    assert len(held.done) == 1, "what arrives during a sync waits for the next"
    assert not writing.done()
    assert not reading.done(), "a reader may have seen what a power loss could still undo"
    held.done.pop()(None)
    assert writing.done()
    assert not following.done()
    while not held.done:
        await asyncio.sleep(0)
    held.done.pop()(None)
    assert (await writing, await reading, await following) == (1, ("1",), 1)


async def test_a_sync_that_fails_beside_the_loop_fails_all_that_waited(store: SqliteStore) -> None:
    held = slow(store)
    fatal: list[BaseException] = []
    store.on_fatal = fatal.append
    writing = store.transact(put("a", "1"))
    for _ in range(20):
        await asyncio.sleep(0)
    following = store.transact(put("b", "2"))
    held.done.pop()(OSError(5, "Input/output error"))
    for waiting in (writing, following):
        with pytest.raises(StoreUnavailable):
            await waiting
    assert len(fatal) == 1


@pytest.mark.parametrize("kind", [KernelSync, ThreadSync])
async def test_a_file_is_synced_beside_the_loop(kind: type[KernelSync] | type[ThreadSync], tmp_path: Path) -> None:
    fd = os.open(tmp_path / "file", os.O_RDWR | os.O_CREAT)
    try:
        sync = kind(fd)
    except OSError as error:
        os.close(fd)
        pytest.skip(f"this kernel does not sync by itself: {error}")
    for _ in range(3):
        os.write(fd, b"x" * 5_000)
        ended: asyncio.Future[OSError | None] = asyncio.get_running_loop().create_future()
        sync.start(ended.set_result)
        assert await ended is None
    sync.close()
    os.close(fd)


def test_what_cannot_be_synced_is_known_at_once() -> None:
    reading, writing = os.pipe()
    with pytest.raises(OSError, match=r"Invalid argument|no asynchronous"):
        KernelSync(reading)
    assert isinstance(open_sync(reading), ThreadSync)
    os.close(reading)
    os.close(writing)


async def test_a_refused_operation_undoes_only_itself(store: SqliteStore) -> None:
    def refused(tx: Tx) -> None:
        tx.run(Q.put, name="b", value="half")
        tx.wake("key")
        raise ValueError("no")

    woken: list[int] = []
    store.wakes.park(("key",), lambda: woken.append(1))
    results = await asyncio.gather(
        store.transact(put("a", "1")), store.transact(refused), store.transact(put("c", "3")), return_exceptions=True
    )
    assert isinstance(results[1], ValueError)
    assert [await store.transact(get(name)) for name in "abc"] == [("1",), None, ("3",)]
    assert not woken


async def test_a_batch_with_several_refusals_keeps_every_other_operation_once(store: SqliteStore) -> None:
    woken: list[str] = []
    for key in ("kept", "refused"):
        store.wakes.park((key,), lambda key=key: woken.append(key))  # type: ignore[misc]

    def add(name: str, *, refuse: bool = False) -> Callable[[Tx], int]:
        def work(tx: Tx) -> int:
            found = tx.one(Q.get, name=name)
            number = int(found[0]) + 1 if found else 1
            tx.run(Q.put, name=name, value=str(number))
            tx.wake("refused" if refuse else "kept")
            if refuse:
                raise ValueError(name)
            return number

        return work

    works = [add("a"), add("a", refuse=True), add("a"), add("b", refuse=True), add("b"), add("a")]
    results = await asyncio.gather(*map(store.transact, works), return_exceptions=True)
    assert [result if isinstance(result, int) else "refused" for result in results] == [
        1,
        "refused",
        2,
        "refused",
        1,
        3,
    ]
    assert [await store.transact(get(name)) for name in "ab"] == [("3",), ("1",)]
    assert woken == ["kept"]
    assert store.commits <= 3


async def test_wakes_come_after_the_commit_in_order_of_arrival(store: SqliteStore) -> None:
    woken: list[str] = []
    for name in ("first", "second", "third"):
        store.wakes.park(("key",), lambda name=name: woken.append(name))  # type: ignore[misc]

    def wake_two(tx: Tx) -> None:
        tx.wake("key", 2)
        assert not woken

    await store.transact(wake_two)
    assert woken == ["first", "second"]
    store.wakes.wake_all()
    assert woken == ["first", "second", "third"]
    assert store.wakes.waiting(["key"]) == 0


async def test_a_failed_commit_acknowledges_nothing(store: SqliteStore) -> None:
    store._db.set_commit_hook(lambda: True)  # turns COMMIT into ROLLBACK, as a full disk does
    results = await asyncio.gather(*(store.transact(put(f"k{i}", "x")) for i in range(3)), return_exceptions=True)
    assert all(isinstance(result, StoreUnavailable) for result in results)
    store._db.set_commit_hook(None)
    assert await store.transact(get("k0")) is None
    assert await store.transact(put("k0", "y")) == 1


async def test_a_full_disk_is_no_bug_of_ours_and_heals(store: SqliteStore) -> None:
    pages = store._db.pragma("page_count")
    store._db.pragma("max_page_count", int(str(pages)) + 2)
    results = await asyncio.gather(
        *(store.transact(put(f"k{i}", "x" * 100_000)) for i in range(3)), return_exceptions=True
    )
    assert all(isinstance(result, StoreUnavailable) for result in results)
    store._db.pragma("max_page_count", 1_000_000)
    assert await store.transact(put("k0", "x" * 100_000)) == 1


async def test_a_failed_sync_stops_the_promises(store: SqliteStore, monkeypatch: pytest.MonkeyPatch) -> None:
    fatal: list[BaseException] = []
    store.on_fatal = fatal.append

    def fail(_fd: int) -> None:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(os, "fdatasync", fail)
    with pytest.raises(StoreUnavailable):
        await store.transact(put("a", "1"))
    assert len(fatal) == 1
    with pytest.raises(StoreUnavailable):
        await store.transact(get("a"))


async def test_the_log_is_folded_into_the_database(store: SqliteStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("waypost.store.sqlite.CHECKPOINT_PAGES", 50)
    log = Path(f"{store.path}-wal")
    schema = log.stat().st_size
    for i in range(200):
        await store.transact(put(f"k{i}", "x" * 3000))
        while store._checkpointing.locked():
            await asyncio.sleep(0)
    assert log.stat().st_size < schema + 400_000
    assert await store.transact(get("k0")) == ("x" * 3000,)


def test_a_killed_writer_loses_nothing_it_acknowledged(tmp_path: Path) -> None:
    script = """
import asyncio, sys, uvloop
from tests.store.test_sqlite import put
from waypost.store.sqlite import SqliteStore
async def main():
    store = SqliteStore(sys.argv[1])
    for i in range(10_000):
        await store.transact(put(f"k{i}", str(i)))
        print(i, flush=True)
uvloop.run(main())
"""
    file = tmp_path / "killed.db"
    process = subprocess.Popen(
        [sys.executable, "-c", script, str(file)], stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[2]
    )
    assert process.stdout is not None
    acknowledged = [next(process.stdout) for _ in range(300)]
    process.kill()
    acknowledged += process.stdout.readlines()
    process.wait()
    process.stdout.close()
    store = SqliteStore(file)
    for i in range(len(acknowledged) - 1):  # the last line may be cut
        assert store.run(get(f"k{i}")) == (str(i),)
    store.close_now()


def test_the_schema_is_recorded_and_a_newer_one_refused(tmp_path: Path) -> None:
    file = tmp_path / "a.db"
    SqliteStore(file).close_now()
    newest = max(migration.number for migration in migrate.migrations(TOKENS))
    again = SqliteStore(file)
    assert again.run(get("schema_version")) == (str(newest),)
    again.run(put("schema_version", str(newest + 1)))
    again.close_now()
    with pytest.raises(StoreRefused, match=f"schema version {newest + 1}, this Waypost knows up to {newest}"):
        SqliteStore(file)


def test_a_file_that_is_no_database_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "a.db"
    file.write_bytes(b"not a database" * 1000)
    with pytest.raises(StoreRefused, match="cannot open the database"):
        SqliteStore(file)


def test_a_folder_serves_one_server(tmp_path: Path) -> None:
    first = DataFolder(tmp_path / "data")
    with pytest.raises(StoreRefused, match=f"in use by another Waypost server \\(process {os.getpid()}\\)"):
        DataFolder(tmp_path / "data")
    first.release()
    DataFolder(tmp_path / "data").release()


def test_an_unwritable_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(StoreRefused, match="cannot write to the data folder"):
        DataFolder(tmp_path / "file")


def test_queries_are_split_named_and_varied() -> None:
    queries = parse(
        "x",
        "-- name: a_b : why\nSELECT 1 -- because\n;\n"
        "-- name: c : why\nDELETE FROM t;\n-- name: c [postgres]\nDELETE FROM u",
    )
    assert [(query.name, query.sql, query.writes) for query in queries.all()] == [
        ("a_b", "SELECT 1", False),
        ("c", "DELETE FROM t", True),
    ]
    assert queries.c.variants == {"postgres": "DELETE FROM u"}
    with pytest.raises(AttributeError):
        _ = queries.missing
    with pytest.raises(ValueError, match="twice"):
        parse("x", "-- name: a\nSELECT 1;\n-- name: a\nSELECT 2;")


def test_every_statement_of_every_service_compiles() -> None:
    store = SqliteStore(":memory:")
    files = sorted(Path(waypost.__path__[0]).glob("**/*.sql"))
    queries = [
        query for file in files if file.parent.name != "schema" for query in parse(str(file), file.read_text()).all()
    ]
    for query in queries:
        if query.only not in {None, "sqlite"}:
            continue
        text = query.variants.get("sqlite", query.sql)
        for clause in LOCK_CLAUSES:
            text = text.replace(clause, "")
        store._db.execute("EXPLAIN " + text, dict.fromkeys(re.findall(r":(\w+)", text)))
    assert len(queries) > 10
    store.close_now()


def test_apsw_is_current() -> None:
    assert apsw.sqlite_lib_version() >= "3.45"
