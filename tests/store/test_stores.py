"""What both stores promise."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from tests.stores import AnyStore

from waypost.store.queries import parse
from waypost.store.store import Tx

Q = parse(
    "test",
    """
    -- name: put
    INSERT INTO sts_session (access_key, account, secret, token, arn, user_id, tags, transitive_keys, policies,
      created_at, expires_at)
    VALUES (:name, :value, '', '', '', '', '', '', '', :at, 0)
    ON CONFLICT (access_key) DO UPDATE SET account = excluded.account;
    -- name: add
    INSERT INTO sts_session (access_key, account, secret, token, arn, user_id, tags, transitive_keys, policies,
      created_at, expires_at)
    VALUES (:name, :value, '', '', '', '', '', '', '', 0, 0);
    -- name: get
    SELECT account FROM sts_session WHERE access_key = :name;
    -- name: everything
    SELECT access_key, account, role_arn, created_at, account IS NULL FROM sts_session ORDER BY access_key;
    -- name: range
    SELECT access_key FROM sts_session WHERE access_key > :after AND access_key < :end ORDER BY access_key LIMIT :limit;
    -- name: take
    DELETE FROM sts_session WHERE access_key = :name RETURNING account;
    -- name: rename
    UPDATE sts_session SET account = :value WHERE account = :before;
    -- name: put_code
    INSERT INTO lambda_code (sha256, zip) VALUES (:name, :zip);
    -- name: get_code
    SELECT zip FROM lambda_code WHERE sha256 = :name;
    -- name: total
    SELECT COUNT(*), SUM(created_at) FROM sts_session;
    """.replace("\n    ", "\n"),
)


def put(name: str, value: str, at: int = 0) -> Callable[[Tx], int]:
    return lambda tx: tx.run(Q.put, name=name, value=value, at=at)


def get(name: str) -> Callable[[Tx], Any]:
    return lambda tx: tx.one(Q.get, name=name)


async def test_what_was_written_is_there(any_store: AnyStore) -> None:
    assert await any_store.transact(put("a", "1")) == 1
    assert await any_store.transact(get("a")) == ("1",)
    assert await any_store.transact(get("b")) is None
    assert await any_store.transact(lambda tx: tx.one(Q.take, name="a")) == ("1",)
    assert await any_store.transact(lambda tx: tx.one(Q.take, name="a")) is None
    await any_store.close()


async def test_many_operations_at_once_each_get_their_own_answer(any_store: AnyStore) -> None:
    await asyncio.gather(*(any_store.transact(put(f"k{i}", str(i))) for i in range(300)))
    found = await asyncio.gather(*(any_store.transact(get(f"k{i}")) for i in range(300)))
    assert found == [(str(i),) for i in range(300)]
    await any_store.close()


def test_values_come_back_as_they_were(any_store: AnyStore) -> None:
    text = "é€𝄞 'quoted' \\ %s :name $1 \n\t"
    large = (1 << 62) + 1
    any_store.run(put("a", text, large))
    any_store.run(put("b", "", -5))
    assert any_store.run(lambda tx: tx.all(Q.everything)) == [("a", text, None, large, 0), ("b", "", None, -5, 0)]
    assert any_store.run(lambda tx: tx.one(Q.total)) == (2, large - 5)
    zipped = bytes(range(256)) * 40_000
    any_store.run(lambda tx: tx.run(Q.put_code, name="z", zip=zipped))
    assert any_store.run(lambda tx: tx.one(Q.get_code, name="z")) == (zipped,)


def test_text_is_ordered_by_its_bytes(any_store: AnyStore) -> None:
    for name in ("b", "B", "a-b", "ab", "a", "é", "_"):
        any_store.run(put(name, ""))
    found = [row[0] for row in any_store.run(lambda tx: tx.all(Q.range, after="", end="zzz", limit=10))]
    assert found == ["B", "_", "a", "a-b", "ab", "b"]


def test_a_count_is_of_the_rows_that_changed(any_store: AnyStore) -> None:
    for name in "abc":
        any_store.run(put(name, "x"))
    assert any_store.run(lambda tx: tx.run(Q.rename, before="x", value="y")) == 3
    assert any_store.run(lambda tx: tx.run(Q.rename, before="x", value="y")) == 0


async def test_what_is_sent_is_written_with_the_rest_or_not_at_all(any_store: AnyStore) -> None:
    def write(tx: Tx) -> Any:
        tx.send(Q.put, name="a", value="1", at=0)
        tx.send(Q.rename, value="2", before="1")
        return tx.one(Q.get, name="a")

    def fail(tx: Tx) -> None:
        tx.send(Q.put, name="c", value="", at=0)
        tx.send(Q.put_code, name="a", zip=b"")

    assert await any_store.transact(write) == ("2",)
    await any_store.transact(lambda tx: tx.send(Q.put_code, name="a", zip=b"b"))
    assert await any_store.transact(lambda tx: tx.one(Q.get_code, name="a")) == (b"b",)
    with pytest.raises(Exception, match="lambda_code"):
        await any_store.transact(fail)
    assert await any_store.transact(get("c")) is None
    await any_store.close()


async def test_a_refused_operation_undoes_only_itself(any_store: AnyStore) -> None:
    def refused(tx: Tx) -> None:
        tx.run(Q.put, name="b", value="half", at=0)
        tx.wake("key")
        raise ValueError("no")

    woken: list[int] = []
    any_store.wakes.park(("key",), lambda: woken.append(1))
    for _ in range(5):
        results = await asyncio.gather(
            *(any_store.transact(put(f"a{i}", "1")) for i in range(20)),
            any_store.transact(refused),
            *(any_store.transact(put(f"c{i}", "3")) for i in range(20)),
            return_exceptions=True,
        )
        assert [type(result) for result in results] == [int] * 20 + [ValueError] + [int] * 20
    assert [await any_store.transact(get(name)) for name in ("a0", "a19", "b", "c0", "c19")] == [
        ("1",), ("1",), None, ("3",), ("3",)
    ]  # fmt: skip
    assert not woken
    await any_store.close()


async def test_a_wake_comes_after_the_commit(any_store: AnyStore) -> None:
    woken: list[str] = []
    for name in ("first", "second", "third"):
        any_store.wakes.park(("key",), lambda name=name: woken.append(name))  # type: ignore[misc]

    def wake_two(tx: Tx) -> None:
        tx.run(Q.put, name="a", value="1", at=0)
        tx.wake("key", 2)
        assert not woken

    await any_store.transact(wake_two)
    assert woken == ["first", "second"]
    await any_store.close()


async def test_who_checks_and_then_inserts_learns_of_the_other(any_store: AnyStore) -> None:
    """Check, then insert: of several at once one inserts, the others see its row."""

    def create(tx: Tx) -> bool:
        if tx.one(Q.get, name="a") is not None:
            return False
        tx.run(Q.add, name="a", value="1")
        return True

    assert sorted(await asyncio.gather(*(any_store.transact(create) for _ in range(20)))) == [False] * 19 + [True]
    await any_store.close()


def test_a_store_is_emptied(any_store: AnyStore) -> None:
    any_store.run(put("a", "1"))
    any_store.run(any_store.empty)
    assert any_store.run(get("a")) is None


async def test_a_closed_store_answered_what_was_under_way(any_store: AnyStore) -> None:
    writing = [asyncio.ensure_future(any_store.transact(put(f"k{i}", "1"))) for i in range(50)]
    await asyncio.sleep(0)
    await any_store.close()
    assert [task.result() for task in writing] == [1] * 50


@pytest.mark.parametrize("value", [1.5, object()])
def test_what_no_column_holds_is_a_fault(any_store: AnyStore, value: Any) -> None:
    if isinstance(value, float) and type(any_store).__name__ == "SqliteStore":
        pytest.skip("SQLite takes fractions anywhere")
    with pytest.raises(TypeError):
        any_store.run(put("a", value))
