"""Two nodes on one PostgreSQL: what one writer keeps by itself, raced. Services have races beside their own tests."""

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
from tests.store.racing import race_work, take_locks_out
from tests.store.two_nodes import ACCOUNT, REGION, World, bodies
from tests.stores import sql

from waypost.aws.errors import AwsError
from waypost.store.queries import parse
from waypost.store.store import Tx
from waypost.work import jobs

ROLE = f"arn:aws:iam::{ACCOUNT}:role/r"

Q = parse(
    "races",
    """
-- name: jobs
SELECT COUNT(*) FROM job WHERE kind LIKE 'test%';
""",
)


@pytest.fixture
async def world() -> AsyncIterator[World]:
    made = World()
    yield made
    await made.close()


CALLBACK = {
    "StartAt": "Wait",
    "States": {
        "Wait": {
            "Type": "Task",
            "Resource": "arn:aws:states:::sqs:sendMessage.waitForTaskToken",
            "Parameters": {"QueueUrl": "", "MessageBody": {"token.$": "$$.Task.Token"}},
            "Next": "Next",
        },
        "Next": {"Type": "Pass", "End": True},
    },
}


async def test_a_token_has_one_winner_and_its_execution_one_transition(world: World) -> None:
    url = await world.queue()
    definition = json.loads(json.dumps(CALLBACK))
    definition["States"]["Wait"]["Parameters"]["QueueUrl"] = url
    machine = await world.nodes[0].call(
        "states", "CreateStateMachine", name="m", definition=json.dumps(definition), roleArn=ROLE
    )
    started = await world.each("states", "StartExecution", [{"stateMachineArn": machine["stateMachineArn"]}] * 10)
    received = await world.each("sqs", "ReceiveMessage", [{"QueueUrl": url, "MaxNumberOfMessages": 10}] * 4)
    tokens = [json.loads(body)["token"] for body in bodies(received)]
    assert len(tokens) == 10
    for token in tokens:
        outputs = [{"taskToken": token, "output": str(i)} for i in range(6)]
        answers = await world.each("states", "SendTaskSuccess", outputs)
        lost = [answer for answer in answers if isinstance(answer, Exception)]
        assert [type(answer) for answer in lost] == [AwsError] * 5
        assert {answer.code for answer in lost} == {"TaskTimedOut"}
    for one in started:
        history = await world.nodes[1].call("states", "GetExecutionHistory", executionArn=one["executionArn"])
        types = Counter(event["type"] for event in history["events"])
        assert types["TaskSucceeded"] == types["PassStateExited"] == types["ExecutionSucceeded"] == 1


async def test_a_start_of_a_name_happens_once(world: World) -> None:
    definition = json.dumps({"StartAt": "W", "States": {"W": {"Type": "Wait", "Seconds": 60, "End": True}}})
    machine = await world.nodes[0].call("states", "CreateStateMachine", name="m", definition=definition, roleArn=ROLE)
    request = {"stateMachineArn": machine["stateMachineArn"], "name": "same", "input": "{}"}
    answers = await world.each("states", "StartExecution", [request] * 16)
    assert len({(answer["executionArn"], answer["startDate"]) for answer in answers}) == 1


async def test_a_job_is_done_once(world: World) -> None:
    ctx = world.nodes[0].engine.context(ACCOUNT, REGION)

    def promise(tx: Tx) -> None:
        for i in range(100):
            jobs.enqueue(tx, ctx, kind="test.note", key=f"k{i}", run_at_ms=ctx.now_ms, payload={})

    await world.nodes[0].store.transact(promise)
    await asyncio.gather(*(node.runner.run_once() for node in world.nodes for _ in range(2)))
    assert world.nodes[0].store.run(lambda tx: tx.one(Q.jobs)) == (0,)
    assert len({job_id for _, job_id in world.done}) == 100
    assert len(world.done) == 100


NOW_MS = 2_000_000_000_000


def claim(owner: str) -> Callable[[Tx], Any]:
    """What a runner does with a due job that wants outside work."""

    def step(tx: Tx) -> Any:
        row = tx.one(jobs.Q.due_job, floor=0, now=NOW_MS)
        if row is not None:
            tx.send(jobs.Q.lease_job, id=row[0], lease_until=NOW_MS + 30_000, owner=owner)
        return row

    return step


def settle(job_id: int, attempts: int, owner: str) -> Callable[[Tx], Any]:
    """What it does once the work is done."""

    def step(tx: Tx) -> Any:
        current = tx.one(jobs.Q.is_current, id=job_id, attempts=attempts, owner=owner)
        if current is not None:
            tx.send(jobs.Q.delete_job, id=job_id)
        return current

    return step


async def leased(world: World, owner: str) -> int:
    """A job whose lease has ended."""
    here = world.nodes[0]
    ctx = here.engine.context(ACCOUNT, REGION)
    job_id = await here.store.transact(
        lambda tx: jobs.enqueue(tx, ctx, kind="test.work", key="k", run_at_ms=NOW_MS - 40_000, payload={})
    )
    await here.store.transact(lambda tx: tx.send(jobs.Q.lease_job, id=job_id, lease_until=NOW_MS - 10_000, owner=owner))
    return job_id


def held(world: World) -> list[Any]:
    return sql(world.nodes[0].store, "SELECT run_at, owner, attempts FROM job WHERE kind = 'test.work'")


async def a_late_settlement_meets_the_takeover(world: World) -> None:
    job_id = await leased(world, "late")
    there = world.nodes[1].store
    taken, settled = await race_work(world, claim("new"), "due_job", lambda: there.transact(settle(job_id, 1, "late")))
    assert (taken[0], settled, held(world)) == (job_id, None, [(NOW_MS + 30_000, "new", 2)])


async def a_takeover_meets_the_late_settlement(world: World) -> None:
    job_id = await leased(world, "late")
    there = world.nodes[1].store
    settled, taken = await race_work(
        world, settle(job_id, 1, "late"), "is_current", lambda: there.transact(claim("new"))
    )
    assert (settled, taken, held(world)) == ((1,), None, [])


async def a_settlement_meets_its_nodes_burial(world: World) -> None:
    job_id = await leased(world, "late")
    there = world.nodes[1].store
    released, settled = await race_work(
        world,
        lambda tx: tx.run(jobs.Q.release_jobs, owner="late", now=NOW_MS),
        "release_jobs",
        lambda: there.transact(settle(job_id, 1, "late")),
    )
    assert (released, settled, held(world)) == (1, None, [(NOW_MS, "", 1)])


LEASES = [
    a_late_settlement_meets_the_takeover,
    a_takeover_meets_the_late_settlement,
    a_settlement_meets_its_nodes_burial,
]


@pytest.mark.parametrize("rule", LEASES, ids=lambda rule: rule.__name__)
async def test_a_lease_has_one_holder(world: World, rule: Callable[[World], Awaitable[None]]) -> None:
    await rule(world)


@pytest.mark.parametrize("rule", LEASES, ids=lambda rule: rule.__name__)
async def test_without_its_lock_it_has_two(
    world: World, monkeypatch: pytest.MonkeyPatch, rule: Callable[[World], Awaitable[None]]
) -> None:
    take_locks_out(monkeypatch)
    with pytest.raises(AssertionError):
        await rule(world)


async def test_a_renewal_comes_too_late_for_a_takeover(world: World) -> None:
    job_id = await leased(world, "late")
    there = world.nodes[1].store

    def renew(tx: Tx) -> int:
        return tx.run(jobs.Q.extend_lease, id=job_id, attempts=1, owner="late", lease_until=NOW_MS + 60_000)

    _, renewed = await race_work(world, claim("new"), "due_job", lambda: there.transact(renew))
    assert (renewed, held(world)) == (0, [(NOW_MS + 30_000, "new", 2)])


async def test_a_takeover_comes_too_late_for_a_renewal(world: World) -> None:
    job_id = await leased(world, "late")
    there = world.nodes[1].store

    def renew(tx: Tx) -> int:
        return tx.run(jobs.Q.extend_lease, id=job_id, attempts=1, owner="late", lease_until=NOW_MS + 60_000)

    renewed, taken = await race_work(world, renew, "extend_lease", lambda: there.transact(claim("new")))
    assert (renewed, taken, held(world)) == (1, None, [(NOW_MS + 60_000, "late", 1)])


async def test_a_job_in_hand_is_not_waited_for_by_who_drops_it(world: World) -> None:
    """Else the two would wait for each other: who drops holds the execution that the handler wants next."""
    job_id = await leased(world, "")
    there = world.nodes[1].store
    dropped_first: list[bool] = []

    def work(tx: Tx) -> None:
        tx.one(jobs.Q.due_job, floor=0, now=NOW_MS)
        dropped_first.append(dropping[0].done())
        tx.send(jobs.Q.delete_job, id=job_id)

    dropping: list[asyncio.Future[None]] = []

    def drop() -> Awaitable[None]:
        dropping.append(asyncio.ensure_future(there.transact(lambda tx: jobs.drop(tx, "k"))))
        return dropping[0]

    await race_work(world, work, "due_job", drop)
    assert dropped_first == [True]
    assert held(world) == []


async def test_a_wake_reaches_a_waiter_on_another_node(world: World) -> None:
    here, there = world.nodes
    url = await world.queue()
    waiting = asyncio.ensure_future(there.call("sqs", "ReceiveMessage", QueueUrl=url, WaitTimeSeconds=20))
    while not there.engine.parked or there.store.busy or not there.store.neighbours.listening:
        await asyncio.sleep(0)
    there.store.neighbours.look = lambda: None  # type: ignore[method-assign]  # no net: the notification alone
    await here.call("sqs", "SendMessage", QueueUrl=url, MessageBody="x")
    async with asyncio.timeout(0.9):
        assert bodies([await waiting]) == ["x"]


async def test_a_wake_that_was_lost_is_healed(world: World) -> None:
    here, there = world.nodes
    url = await world.queue()
    here.store.neighbours.tell = lambda _key, _count: None  # type: ignore[method-assign]
    waiting = asyncio.ensure_future(there.call("sqs", "ReceiveMessage", QueueUrl=url, WaitTimeSeconds=20))
    while not there.engine.parked or there.store.busy:
        await asyncio.sleep(0)
    await here.call("sqs", "SendMessage", QueueUrl=url, MessageBody="x")
    async with asyncio.timeout(5):
        assert bodies([await waiting]) == ["x"]
