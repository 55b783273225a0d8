"""Two nodes on one PostgreSQL: every rule that one writer keeps by itself, raced. Those of SQS: test_races_sqs."""

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator

import pytest
from tests.store.two_nodes import ACCOUNT, REGION, World, bodies

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
