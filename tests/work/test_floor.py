"""Where a node begins to look for jobs, and how it finds those that lie below."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
from tests.stores import KINDS, AnyStore, new_store, settled, sql

from waypost.ids import RandomIds
from waypost.registry import Registry
from waypost.service import Context, Job
from waypost.store.store import Tx
from waypost.testing.clock import VirtualClock
from waypost.work import jobs, runner
from waypost.work.engine import Engine
from waypost.work.floor import HEAL_MS, HEAL_RANGE_MS, HEAL_SHARE, SLACK_MS, WHOLE_MS, Floor
from waypost.work.runner import ELSEWHERE_MS, UNKNOWN_MS, Runner

NOW = 1_700_000_000_000


def test_the_first_look_is_from_the_beginning() -> None:
    floor = Floor()
    assert floor.next_look(NOW) == 0
    floor.nothing(NOW)
    floor.looked(0, NOW, 1)
    assert floor.next_look(NOW) == floor.value == NOW - SLACK_MS


def test_now_and_then_a_look_goes_further_back_and_seldom_to_the_beginning() -> None:
    floor = Floor()
    floor.nothing(NOW)
    floor.looked(0, NOW, 1)
    assert floor.next_look(NOW + HEAL_MS - 1) == NOW - SLACK_MS
    assert floor.next_look(NOW + HEAL_MS) == NOW - SLACK_MS - HEAL_RANGE_MS
    assert floor.next_look(NOW + WHOLE_MS) == 0


def test_dear_looks_are_rare() -> None:
    floor = Floor()
    floor.nothing(NOW)
    floor.looked(0, NOW, 1)
    began = floor.next_look(NOW + HEAL_MS)
    floor.looked(began, NOW + HEAL_MS, 1_000)
    assert floor.next_look(NOW + HEAL_MS + 1_000 * HEAL_SHARE - 1) == floor.value
    assert floor.next_look(NOW + HEAL_MS + 1_000 * HEAL_SHARE) < floor.value


def test_an_older_job_lowers_the_floor() -> None:
    floor = Floor()
    floor.nothing(NOW)
    floor.found(NOW - 50_000)
    assert floor.value == NOW - 50_000 - SLACK_MS


class World:
    """A runner with a floor, as on a shared store."""

    def __init__(self, store: AnyStore) -> None:
        self.store = store
        self.clock = VirtualClock()
        self.engine = Engine(store, self.clock, RandomIds(1), Registry([]), {})
        self.done: list[str] = []
        self.runner = Runner(self.engine, {"test.note": self.note}, "node", Floor())

    def note(self, _tx: Tx, _ctx: Context, job: Job) -> None:
        self.done.append(job.payload["say"])

    async def enqueue(self, say: str, ago_ms: int = 0, kind: str = "test.note") -> None:
        ctx = self.engine.context("000000000000", "us-east-1")
        run_at_ms = ctx.now_ms - ago_ms
        await self.store.transact(
            lambda tx: jobs.enqueue(tx, ctx, kind=kind, key=say, run_at_ms=run_at_ms, payload={"say": say})
        )


@pytest.fixture(params=KINDS)
async def world(request: pytest.FixtureRequest) -> AsyncIterator[World]:
    store = new_store(request.param)
    yield World(store)
    await settled(store, 10)
    await store.close()


async def test_a_job_that_was_committed_late_is_found_by_a_look_from_further_back(world: World) -> None:
    await world.enqueue("first")
    await world.runner.run_once()
    await world.enqueue("in time", SLACK_MS)
    await world.enqueue("late", SLACK_MS + 30_000)
    await world.runner.run_once()
    assert world.done == ["first", "in time"]
    world.clock.advance(HEAL_MS)
    await world.runner.run_once()
    assert world.done == ["first", "in time", "late"]


async def test_a_job_that_nobody_foresaw_is_found_in_the_end(world: World) -> None:
    await world.runner.run_once()
    await world.enqueue("lost", 10 * HEAL_RANGE_MS)
    world.clock.advance(HEAL_MS)
    await world.runner.run_once()
    assert world.done == []
    world.clock.advance(WHOLE_MS)
    await world.runner.run_once()
    assert world.done == ["lost"]


async def test_a_backlog_is_worked_off_in_order(world: World) -> None:
    for i in range(200):
        await world.enqueue(str(i), 1_000_000 - i)
    await world.runner.run_once()
    await world.runner.run_once()
    assert sorted(map(int, world.done)) == list(range(200))


async def test_a_kind_that_only_a_newer_release_knows_is_left_to_its_nodes(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    await world.enqueue("later", kind="test.new")
    now_ms = world.clock.now_ms()
    assert await world.runner.run_once() == now_ms + UNKNOWN_MS
    world.clock.advance(UNKNOWN_MS)
    await world.runner.run_once()
    assert [record.getMessage() for record in caplog.records if record.name == runner.__name__] == [
        "jobs of the kind test.new are left to nodes of a newer release"
    ]
    newer = Runner(world.engine, {"test.new": world.note}, "newer")
    world.clock.advance(UNKNOWN_MS)
    await newer.run_once()
    assert world.done == ["later"]


async def test_what_another_node_has_in_hand_is_not_looked_at_without_pause(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def nothing(_floor: int) -> None:
        return None

    await world.enqueue("elsewhere")
    monkeypatch.setattr(world.runner, "_begin", nothing)
    now_ms = world.clock.now_ms()
    pauses: list[Any] = []
    for _ in range(8):
        due_ms = await world.runner.run_once()
        assert due_ms is not None
        pauses.append(due_ms - now_ms)
    assert pauses == [min(ELSEWHERE_MS[0] * 2**i, ELSEWHERE_MS[1]) for i in range(8)]
    assert sql(world.store, "SELECT COUNT(*) FROM job") == [(1,)]
