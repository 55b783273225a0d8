"""Parking, waking, performing and jobs, on a clock that moves only when told to."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import msgspec
import pytest
from tests.stores import KINDS, AnyStore, new_store, settled, sql

from waypost.aws.errors import AwsError
from waypost.ids import RandomIds
from waypost.service import Again, Context, Job, Params, Park, Perform
from waypost.store.queries import parse
from waypost.store.sqlite import SqliteStore
from waypost.store.store import StoreUnavailable, Tx
from waypost.testing.clock import VirtualClock
from waypost.work import jobs
from waypost.work.engine import ClientGone, Engine
from waypost.work.runner import FAULT_BACKOFF_MS, LEASE_MS, RENEW_MS, Runner, release

Q = parse(
    "test",
    "-- name: put\nINSERT INTO meta (name, value) VALUES (:name, :value);\n"
    "-- name: get\nSELECT value FROM meta WHERE name = :name;",
)


class Shout(msgspec.Struct, frozen=True):
    """A call that a test performs."""

    text: str


class NoCalls:
    """No services here."""

    def call(self, *_: Any) -> Params:
        raise AssertionError


class World:
    """An engine with a virtual clock and a performer that the test controls."""

    def __init__(self, store: AnyStore) -> None:
        self.clock = VirtualClock()
        self.performed: list[str] = []
        self.gate: asyncio.Event | None = None
        self.engine = Engine(store, self.clock, RandomIds(1), NoCalls(), {Shout: self.shout})
        self.store = store

    async def shout(self, call: Shout) -> str:
        self.performed.append(call.text)
        if self.gate is not None:
            await self.gate.wait()
        return call.text.upper()

    def context(self) -> Context:
        return self.engine.context("000000000000", "us-east-1")

    async def settle(self) -> None:
        """Let everything that can happen without time happen."""
        await settled(self.store, 50)

    async def write(self, name: str, key: str = "") -> None:
        def work(tx: Tx) -> None:
            tx.run(Q.put, name=name, value="x")
            if key:
                tx.wake(key)

        await self.store.transact(work)

    def runner(self, **handlers: Any) -> Runner:
        return Runner(self.engine, {kind.replace("_", "."): handler for kind, handler in handlers.items()}, "node")


@pytest.fixture(params=KINDS)
async def world(request: pytest.FixtureRequest) -> AsyncIterator[World]:
    store = new_store(request.param)
    yield World(store)
    await store.close()


def waits_for(name: str, wait_ms: int = 10_000, retry_ms: int | None = None) -> Any:
    looks: list[int] = []

    def operation(tx: Tx, ctx: Context, _request: Params) -> Params | Park:
        looks.append(ctx.now_ms)
        until_ms = ctx.started_ms + wait_ms
        if tx.one(Q.get, name=name) is not None:
            return {"found": True}
        if ctx.now_ms >= until_ms:
            return {"found": False}
        return Park((f"key:{name}",), until_ms, retry_ms and ctx.started_ms + retry_ms)

    operation.looks = looks  # type: ignore[attr-defined]
    return operation


async def test_an_operation_that_waited_for_the_store_has_the_time_at_which_it_runs(world: World) -> None:
    seen: list[tuple[int, int]] = []

    def operation(_tx: Tx, ctx: Context, _request: Params) -> Params:
        seen.append((ctx.started_ms, ctx.now_ms))
        return {}

    began = world.context()
    world.clock.advance(1_000)
    await world.engine.execute(operation, began, {})
    assert seen == [(began.now_ms, began.now_ms + 1_000)]


async def test_a_parked_operation_answers_when_its_key_wakes(world: World) -> None:
    waiting = asyncio.ensure_future(world.engine.execute(waits_for("a"), world.context(), {}))
    await world.settle()
    assert not waiting.done()
    assert world.engine.parked == 1
    await world.write("a", "key:a")
    assert await waiting == {"found": True}
    assert world.engine.parked == 0


async def test_a_parked_operation_answers_at_its_deadline(world: World) -> None:
    operation = waits_for("a")
    waiting = asyncio.ensure_future(world.engine.execute(operation, world.context(), {}))
    await world.settle()
    world.clock.advance(9_999)
    await world.settle()
    assert not waiting.done()
    assert len(operation.looks) == 2, "it looked once before and once after it began to wait, and not since"
    world.clock.advance(1)
    assert await waiting == {"found": False}


async def test_one_wake_reaches_one_of_a_thousand(world: World) -> None:
    operation = waits_for("a")
    waiting = [asyncio.ensure_future(world.engine.execute(operation, world.context(), {})) for _ in range(1_000)]
    await world.settle()
    looks = len(operation.looks)
    await world.write("a", "key:a")
    await world.settle()
    assert sum(task.done() for task in waiting) == 1
    assert len(operation.looks) == looks + 1
    for task in waiting:
        task.cancel()
    await asyncio.gather(*waiting, return_exceptions=True)
    assert world.store.wakes.waiting(["key:a"]) == 0


async def test_time_alone_wakes_one_waiter_of_a_key(world: World) -> None:
    operation = waits_for("a", retry_ms=500)
    waiting = [asyncio.ensure_future(world.engine.execute(operation, world.context(), {})) for _ in range(10)]
    await world.settle()
    looks = len(operation.looks)
    await world.write("a")
    world.clock.advance(500)
    await world.settle()
    assert sum(task.done() for task in waiting) == 1
    assert len(operation.looks) == looks + 1
    for task in waiting:
        task.cancel()
    await asyncio.gather(*waiting, return_exceptions=True)


async def test_a_client_that_leaves_ends_its_wait(world: World) -> None:
    left = asyncio.get_running_loop().create_future()
    waiting = asyncio.ensure_future(world.engine.execute(waits_for("a"), world.context(), {}, left))
    await world.settle()
    left.set_result(None)
    with pytest.raises(ClientGone):
        await waiting
    assert world.store.wakes.waiting(["key:a"]) == 0


async def test_stopping_answers_every_wait(world: World) -> None:
    waiting = asyncio.ensure_future(world.engine.execute(waits_for("a"), world.context(), {}))
    await world.settle()
    world.engine.stop()
    assert await waiting == {"found": False}
    assert await world.engine.execute(waits_for("a"), world.context(), {}) == {"found": False}


async def test_outside_work_happens_between_two_transactions(world: World) -> None:
    def operation(tx: Tx, _ctx: Context, request: Params) -> Perform:
        tx.run(Q.put, name="before", value="1")

        def settle(tx: Tx, _ctx: Context, outcome: str) -> Params | Perform:
            if outcome == "FIRST":
                return Perform(Shout("second"), settle)
            assert tx.one(Q.get, name="before") is not None
            return {"heard": outcome}

        return Perform(Shout(request["say"]), settle)

    assert await world.engine.execute(operation, world.context(), {"say": "first"}) == {"heard": "SECOND"}
    assert world.performed == ["first", "second"]


async def enqueue(world: World, kind: str, delay_ms: int = 0, key: str = "k", **payload: Any) -> int:
    ctx = world.context()
    return await world.store.transact(
        lambda tx: jobs.enqueue(tx, ctx, kind=kind, key=key, run_at_ms=ctx.now_ms + delay_ms, payload=payload)
    )


async def count(world: World, runner: Runner) -> int:
    (count,) = sql(world.store, "SELECT COUNT(*) FROM job")[0]
    return count


async def test_jobs_run_when_due_in_order_and_once(world: World) -> None:
    ran: list[str] = []

    def handler(_tx: Tx, _ctx: Context, job: Job) -> None:
        ran.append(job.payload["name"])

    runner = world.runner(test_note=handler)
    running = asyncio.ensure_future(runner.run())
    await enqueue(world, "test.note", 300, name="later")
    await enqueue(world, "test.note", 100, name="sooner")
    for i in range(150):
        await enqueue(world, "test.note", name=f"now{i}")
    await world.settle()
    if not isinstance(world.store, SqliteStore):
        ran.sort(key=lambda name: int(name[3:]))  # side by side they begin in order, and are done in any
    assert ran == [f"now{i}" for i in range(150)]
    world.clock.advance(100)
    await world.settle()
    assert ran[-1] == "sooner"
    world.clock.advance(200)
    await world.settle()
    assert ran[-1] == "later"
    assert await count(world, runner) == 0
    running.cancel()


async def test_a_job_may_ask_to_run_again(world: World) -> None:
    seen: list[int] = []

    def handler(_tx: Tx, ctx: Context, job: Job) -> Again | None:
        seen.append(job.payload["n"])
        return Again(ctx.now_ms + 50, {"n": job.payload["n"] + 1}) if job.payload["n"] < 3 else None

    runner = world.runner(test_count=handler)
    await enqueue(world, "test.count", n=1)
    for _ in range(3):
        await runner.run_once()
        world.clock.advance(50)
    assert seen == [1, 2, 3]
    assert await count(world, runner) == 0


async def test_steps_of_one_job_do_not_share_a_commit_as_jobs_do(world: World) -> None:
    if not isinstance(world.store, SqliteStore):
        pytest.skip("PostgreSQL lets others work while a transaction goes on")
    store = world.store
    commits: list[int] = []

    def long(_tx: Tx, ctx: Context, job: Job) -> Again | None:
        commits.append(store.commits)
        left = job.payload["left"] - 1
        return Again(ctx.now_ms, {"left": left}) if left else None

    runner = world.runner(test_long=long)
    await enqueue(world, "test.long", left=40)
    assert await runner.run_once() is None
    assert len(commits) == 40
    assert max(commits.count(one) for one in commits) <= 2

    commits.clear()
    for number in range(40):
        await enqueue(world, "test.long", key=f"{number}", left=1)
    assert await runner.run_once() is None
    assert len(commits) == 40
    assert max(commits.count(one) for one in commits) > 8


async def test_a_faulty_handler_is_undone_and_tried_again_later(world: World, caplog: pytest.LogCaptureFixture) -> None:
    def handler(tx: Tx, _ctx: Context, _job: Job) -> None:
        tx.run(Q.put, name="half", value="1")
        raise ZeroDivisionError

    runner = world.runner(test_bad=handler)
    await enqueue(world, "test.bad")
    due_ms = await runner.run_once()
    assert due_ms == world.clock.now_ms() + FAULT_BACKOFF_MS[0]
    assert await world.store.transact(lambda tx: tx.one(Q.get, name="half")) is None
    assert "ZeroDivisionError" in caplog.text
    world.clock.advance(FAULT_BACKOFF_MS[0])
    assert await runner.run_once() == world.clock.now_ms() + 2 * FAULT_BACKOFF_MS[0]


async def test_an_unknown_kind_waits_for_a_release_that_knows_it(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    runner = world.runner()
    await enqueue(world, "future.kind")
    await runner.run_once()
    assert await count(world, runner) == 1
    assert "future.kind" in caplog.text


def performing(world: World, settled: list[str]) -> Any:
    def handler(_tx: Tx, _ctx: Context, job: Job) -> Perform:
        def settle(_tx: Tx, _ctx: Context, outcome: str) -> None:
            settled.append(outcome)

        return Perform(Shout(job.payload["say"]), settle)

    return handler


async def test_outside_work_holds_a_lease_that_it_renews(world: World) -> None:
    world.gate = asyncio.Event()
    settled: list[str] = []
    runner = world.runner(test_shout=performing(world, settled))
    await enqueue(world, "test.shout", say="hi")
    due_ms = await runner.run_once()
    assert due_ms == world.clock.now_ms() + LEASE_MS
    assert runner.performing == 1
    for _ in range(10):
        world.clock.advance(RENEW_MS)
        await world.settle()
        await runner.run_once()
    assert world.performed == ["hi"], "a renewed lease is not taken over"
    world.gate.set()
    await world.settle()
    assert settled == ["HI"]
    assert await count(world, runner) == 0


async def test_a_dead_nodes_job_is_taken_over_and_its_late_answer_dropped(world: World) -> None:
    world.gate = asyncio.Event()
    settled: list[str] = []
    handler = performing(world, settled)
    dead = world.runner(test_shout=handler)
    await enqueue(world, "test.shout", say="hi")
    await dead.run_once()
    dead_task = next(iter(dead._performing))
    # The dead node renews nothing: its lease ends.
    now_ms = world.clock.now_ms()
    await world.store.transact(lambda tx: release(tx, "node", now_ms))
    other = Runner(world.engine, {"test.shout": handler}, "other")
    await other.run_once()
    assert world.performed == ["hi", "hi"]
    world.gate.set()
    await dead_task
    await world.settle()
    assert settled == ["HI"], "settled once, by the node that holds the lease"


async def test_a_late_fault_leaves_a_job_to_who_has_taken_it_over(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    gates = [asyncio.Event(), asyncio.Event()]
    settled: list[str] = []

    async def shout(_call: Shout) -> str:
        first = not world.performed
        world.performed.append("")
        await gates[0 if first else 1].wait()
        if first:
            raise RuntimeError("late")
        return "HI"

    world.engine.performers[Shout] = shout  # type: ignore[index]
    handler = performing(world, settled)
    slow = world.runner(test_shout=handler)
    await enqueue(world, "test.shout", say="hi")
    await slow.run_once()
    slow_task = next(iter(slow._performing))
    now_ms = world.clock.now_ms()
    await world.store.transact(lambda tx: release(tx, "node", now_ms))
    other = Runner(world.engine, {"test.shout": handler}, "other")
    await other.run_once()
    leased = sql(world.store, "SELECT run_at, owner, attempts FROM job")
    assert leased == [(now_ms + LEASE_MS, "other", 2)]
    gates[0].set()
    await slow_task
    assert "late" in caplog.text
    assert sql(world.store, "SELECT run_at, owner, attempts FROM job") == leased
    gates[1].set()
    await world.settle()
    assert settled == ["HI"]
    assert sql(world.store, "SELECT id FROM job") == []


async def test_a_floor_passes_over_what_is_due_below_it(world: World) -> None:
    early = await enqueue(world, "test.early")
    late = await enqueue(world, "test.late", delay_ms=10)
    now_ms = world.clock.now_ms()

    def look(floor: int) -> tuple[Any, Any]:
        row = world.store.run(lambda tx: tx.one(jobs.Q.due_job, floor=floor, now=now_ms + 10))
        due = world.store.run(lambda tx: tx.one(jobs.Q.next_due, floor=floor))
        return row and row[0], due and due[0]

    assert look(0) == look(now_ms) == (early, now_ms)
    assert look(now_ms + 1) == (late, now_ms + 10)
    assert look(now_ms + 11) == (None, None)


async def test_a_dropped_job_does_not_settle(world: World) -> None:
    world.gate = asyncio.Event()
    settled: list[str] = []
    runner = world.runner(test_shout=performing(world, settled))
    await enqueue(world, "test.shout", say="hi", key="order")
    await runner.run_once()
    await world.store.transact(lambda tx: jobs.drop(tx, "order"))
    world.gate.set()
    await world.settle()
    assert settled == []


async def test_an_aws_error_reaches_whoever_asked(world: World) -> None:
    def operation(_tx: Tx, _ctx: Context, _request: Params) -> Params:
        raise AwsError("Nope", "no")

    with pytest.raises(AwsError, match="Nope: no"):
        await world.engine.execute(operation, world.context(), {})


async def test_the_runner_outlives_a_store_that_cannot_write(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    ran: list[int] = []
    runner = world.runner(test_note=lambda _tx, _ctx, job: ran.append(job.id))
    await enqueue(world, "test.note")
    real = world.store.transact

    def unavailable(_work: Any) -> Any:
        future = asyncio.get_running_loop().create_future()
        future.set_exception(StoreUnavailable("disk full"))
        return future

    monkeypatch.setattr(world.store, "transact", unavailable)
    running = asyncio.ensure_future(runner.run())
    await world.settle()
    monkeypatch.setattr(world.store, "transact", real)
    world.clock.advance(1_000)
    await world.settle()
    assert len(ran) == 1
    running.cancel()
