"""Nodes that share a store: who is there, whose clock counts, who takes over from the dead."""

import asyncio
import logging
from collections.abc import Iterator

import psycopg
import pytest
from tests.stores import borrow_database, return_database, sql

from waypost.clock import SystemClock
from waypost.ids import RandomIds
from waypost.registry import Registry
from waypost.store.postgres import PostgresStore
from waypost.work import jobs, nodes
from waypost.work.engine import Engine
from waypost.work.nodes import CHANGED, DEAD_MS, Node, Nodes


class Machine(SystemClock):
    """A machine whose clock is wrong."""

    def __init__(self, wrong_ms: int) -> None:
        super().__init__()
        self.wrong_ms = wrong_ms

    def machine_ms(self) -> int:
        return super().machine_ms() + self.wrong_ms

    def now_ms(self) -> int:
        return self.machine_ms() + self.offset_ms


class Member:
    """A server, as far as the others notice it."""

    def __init__(self, url: str, name: str, wrong_ms: int = 0) -> None:
        self.store = PostgresStore(url, node=name)
        self.clock = Machine(wrong_ms)
        self.engine = Engine(self.store, self.clock, RandomIds(), Registry([]), {})
        me = Node(name, f"http://{name}", "1", 6)
        self.nodes = Nodes(self.store, self.clock, self.store.neighbours, me, self.moved)

    def moved(self, position: int, count: int) -> None:
        self.engine.place = (position, count)

    @property
    def known(self) -> list[str]:
        return [node.id for node in self.nodes.known]

    async def beat(self) -> None:
        """A second later, as of many."""
        self.nodes._steady_ns = 0
        await self.nodes._bury(await self.nodes._beat())


@pytest.fixture
def url() -> Iterator[str]:
    database = borrow_database()
    yield database
    return_database(database)


async def close(*members: Member) -> None:
    for member in members:
        await member.store.close()


def die(member: Member) -> None:
    """As if its last sign of life were as long ago as makes it dead."""
    sql(member.store, "UPDATE node SET seen_at = seen_at - :ms WHERE id = :id RETURNING 1", ms=DEAD_MS + 1, id="b")


def told(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.name == nodes.__name__]


def lease(member: Member, owner: str, count: int) -> None:
    ctx = member.engine.context("", "")

    def promise(tx):
        for i in range(count):
            job = jobs.enqueue(tx, ctx, kind="test", key=f"{owner}{i}", run_at_ms=ctx.now_ms, payload={})
            tx.run(jobs.Q.lease_job, id=job, lease_until=ctx.now_ms + 30_000, owner=owner)

    member.store.run(promise)


def due(member: Member) -> list[tuple[str, str]]:
    now_ms = member.clock.now_ms()
    return sql(member.store, "SELECT key, owner FROM job WHERE run_at <= :now ORDER BY id", now=now_ms)


async def test_nodes_come_and_go(url: str) -> None:
    a, b = Member(url, "a"), Member(url, "b")
    await a.nodes.join()
    assert (a.known, a.engine.place, a.store.neighbours.others) == (["a"], (0, 1), 0)
    await b.nodes.join()
    await a.beat()
    assert a.known == b.known == ["a", "b"]
    assert (a.engine.place, b.engine.place) == ((0, 2), (1, 2))
    assert a.store.neighbours.others == 1
    await b.nodes.leave()
    await a.beat()
    assert (a.known, a.engine.place) == (["a"], (0, 1))
    await close(a, b)


async def test_who_shares_a_limit_learns_of_a_change(url: str) -> None:
    a, b = Member(url, "a"), Member(url, "b")
    await a.nodes.join()
    woken: list[str] = []
    a.store.wakes.park((CHANGED,), lambda: woken.append("a"))
    await a.beat()
    assert not woken
    await b.nodes.join()
    await a.beat()
    assert woken
    await close(a, b)


async def test_the_work_of_a_dead_node_is_taken_over_once(url: str, caplog: pytest.LogCaptureFixture) -> None:
    a, b, c = (Member(url, name) for name in "abc")
    for member in (a, b, c):
        await member.nodes.join()
    lease(a, "b", 3)
    lease(a, "c", 1)
    assert due(a) == []
    die(a)
    with caplog.at_level(logging.WARNING):
        await asyncio.gather(a.beat(), c.beat())
    assert due(a) == [("b0", ""), ("b1", ""), ("b2", "")]
    assert told(caplog) == ["node b is dead; 3 jobs that it had leased are taken over"]
    await a.beat()
    assert a.known == ["a", "c"]
    # It was only slow: it is back with its next sign of life, and its jobs are no longer its own.
    await b.beat()
    assert b.known == ["a", "b", "c"]
    assert len(due(a)) == 3
    await close(a, b, c)


async def test_after_an_outage_nobody_is_taken_for_dead(url: str) -> None:
    a, b = Member(url, "a"), Member(url, "b")
    await a.nodes.join()
    await b.nodes.join()
    lease(a, "b", 1)
    die(a)
    # Not b alone: a could give no sign of life either, and does not know whether b can by now.
    a.nodes._beaten_ns = 0
    assert await a.nodes._beat() == []
    assert a.known == ["a", "b"]
    await b.beat()
    await a.beat()
    assert (a.known, due(a)) == (["a", "b"], [])
    await close(a, b)


async def test_a_burial_that_has_to_wait_holds_up_no_sign_of_life(url: str) -> None:
    a, b = Member(url, "a"), Member(url, "b")
    await a.nodes.join()
    await b.nodes.join()
    lease(a, "b", 1)
    die(a)
    with psycopg.connect(url) as frozen:
        frozen.execute("SELECT 1 FROM job FOR UPDATE")
        a.nodes._steady_ns = 0
        burial = asyncio.ensure_future(a.nodes._bury(await a.nodes._beat()))
        before = sql(a.store, "SELECT seen_at FROM node WHERE id = 'a'")
        while sql(a.store, "SELECT seen_at FROM node WHERE id = 'a'") == before:
            await a.nodes._beat()
        assert not burial.done()
        frozen.rollback()
        await burial
    assert due(a) == [("b0", "")]
    await close(a, b)


async def test_a_node_that_leaves_gives_its_work_back_at_once(url: str) -> None:
    a, b = Member(url, "a"), Member(url, "b")
    await a.nodes.join()
    await b.nodes.join()
    lease(b, "b", 1)
    await b.nodes.leave()
    assert due(a) == [("b0", "")]
    await close(a, b)


@pytest.mark.parametrize("wrong_ms", [-3_600_000, -7_000, 0, 7_000, 86_400_000])
async def test_a_wrong_clock_is_set_by_the_database(url: str, wrong_ms: int, caplog: pytest.LogCaptureFixture) -> None:
    a = Member(url, "a", wrong_ms)
    before_ms = a.clock.machine_ms()
    with caplog.at_level(logging.WARNING):
        await a.nodes.join()
    # Both clocks are of one machine here: what is left of the error is less than the round trips took.
    assert abs(a.clock.offset_ms + wrong_ms) <= a.clock.machine_ms() - before_ms + 1
    assert bool(told(caplog)) == (wrong_ms != 0)
    await close(a)


async def test_a_clock_that_is_set_anew_is_followed(url: str) -> None:
    a = Member(url, "a")
    await a.nodes.join()
    a.clock.wrong_ms = 90_000
    await a.beat()
    assert abs(a.clock.offset_ms + 90_000) < 10_000
    await close(a)


async def test_many_nodes_look_less_often(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nodes, "LISTED_PER_BEAT", 1)
    a, b = Member(url, "a"), Member(url, "b")
    await b.nodes.join()
    await a.nodes.join()
    assert a.known == ["a", "b"]
    looked = 0
    for _ in range(9):
        before = a.nodes.known
        await a.beat()
        looked += a.nodes.known is not before
    assert looked == 3  # two nodes are there
    await close(a, b)


@pytest.mark.parametrize(("limit", "count"), [(2, 1), (2, 2), (2, 3), (10, 3), (1_000, 7), (0, 4)])
def test_parts_of_a_limit_add_up(limit: int, count: int) -> None:
    engine = Engine(None, SystemClock(), RandomIds(), Registry([]), {})  # type: ignore[arg-type]
    parts = []
    for position in range(count):
        engine.place = (position, count)
        parts.append(engine.share(limit))
    assert sum(parts) == limit
    assert max(parts) - min(parts) <= 1
