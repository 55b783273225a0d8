"""Two nodes on one PostgreSQL: every rule that one writer keeps by itself, raced."""

import asyncio
import itertools
import json
from collections import Counter
from collections.abc import AsyncIterator
from typing import Any

import msgspec
import pytest
from tests.stores import borrow_database, return_database

from waypost.aws.errors import AwsError
from waypost.clock import SystemClock
from waypost.ids import RandomIds
from waypost.registry import Registry
from waypost.service import Again, Context, Job, Params
from waypost.services import iam, lambdas, sqs, states, sts
from waypost.store.postgres import PostgresStore
from waypost.store.queries import parse
from waypost.store.store import Tx
from waypost.work import jobs
from waypost.work.engine import Engine
from waypost.work.runner import Runner

ACCOUNT, REGION = "123456789012", "eu-west-1"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/r"

Q = parse(
    "races",
    """
-- name: groups
SELECT group_id, available_at FROM sqs_group;
-- name: messages
SELECT COUNT(*) FROM sqs_message;
-- name: jobs
SELECT COUNT(*) FROM job WHERE kind LIKE 'test%';
""",
)


class Node:
    """What a server does, without HTTP."""

    def __init__(self, url: str, name: str, seed: int, handlers: dict[str, Any]) -> None:
        self.store = PostgresStore(url, node=name, connections_max=4)
        self.registry = Registry([iam.SERVICE, lambdas.SERVICE, sqs.SERVICE, states.SERVICE, sts.SERVICE])
        self.engine = Engine(self.store, SystemClock(), RandomIds(seed), self.registry, {})
        self.runner = Runner(self.engine, {**self.registry.jobs(), **handlers}, name)

    async def call(self, service: str, operation: str, **request: Any) -> Params:
        function = self.registry.services[service].operations[operation]
        ctx = msgspec.structs.replace(self.engine.context(ACCOUNT, REGION), wire="json")
        return await self.engine.execute(function, ctx, request)


class World:
    """Two nodes, and what they have in common."""

    def __init__(self) -> None:
        self.done: list[tuple[str, int]] = []
        self.url = borrow_database()
        self.nodes = [Node(self.url, name, seed, {"test.note": self.note}) for seed, name in enumerate(("a", "b"))]
        self.turn = itertools.cycle(self.nodes)

    def note(self, _tx: Tx, _ctx: Context, job: Job) -> Again | None:
        # Not in the transaction: says how often the handler ran, not how often it counted.
        self.done.append((job.kind, job.id))
        return None

    async def queue(self, name: str = "q", **attributes: str) -> str:
        created = await self.nodes[0].call("sqs", "CreateQueue", QueueName=name, Attributes=attributes)
        return str(created["QueueUrl"])

    async def fifo(self) -> str:
        return await self.queue("q.fifo", FifoQueue="true", VisibilityTimeout="30")

    async def each(self, service: str, operation: str, requests: list[dict[str, Any]]) -> list[Any]:
        """Requests at once, in turn to one node and the other."""
        return await asyncio.gather(
            *(next(self.turn).call(service, operation, **request) for request in requests), return_exceptions=True
        )


@pytest.fixture
async def world() -> AsyncIterator[World]:
    made = World()
    yield made
    for node in made.nodes:
        await node.store.close()
    return_database(made.url)


def bodies(answers: list[Any]) -> list[str]:
    return [message["Body"] for answer in answers for message in answer.get("Messages", [])]


@pytest.mark.parametrize("most", [1, 7])
async def test_a_message_is_claimed_once(world: World, most: int) -> None:
    url = await world.queue()
    await world.each("sqs", "SendMessage", [{"QueueUrl": url, "MessageBody": str(i)} for i in range(120)])
    got: list[str] = []
    while True:
        answers = await world.each("sqs", "ReceiveMessage", [{"QueueUrl": url, "MaxNumberOfMessages": most}] * 24)
        assert all(len(answer.get("Messages", [])) <= most for answer in answers)
        if not bodies(answers):
            break
        got += bodies(answers)
    assert sorted(got, key=int) == [str(i) for i in range(120)]


async def test_a_group_is_with_one_receiver_at_a_time_and_in_order(world: World) -> None:
    url = await world.fifo()
    for i in range(12):
        requests = [
            {
                "QueueUrl": url,
                "MessageBody": f"{group} {i}",
                "MessageGroupId": group,
                "MessageDeduplicationId": f"{group}{i}",
            }
            for group in "abcd"
        ]
        await world.each("sqs", "SendMessage", requests)
    got: dict[str, list[int]] = {group: [] for group in "abcd"}
    in_flight: set[str] = set()

    async def work(node: Node) -> None:
        while True:
            answer = await node.call("sqs", "ReceiveMessage", QueueUrl=url, MaxNumberOfMessages=3)
            messages = answer.get("Messages", [])
            if not messages:
                if sum(map(len, got.values())) == 48:
                    return
                await asyncio.sleep(0)
                continue
            groups = {message["Body"].split()[0] for message in messages}
            assert not groups & in_flight, "a group was given to two receivers"
            in_flight.update(groups)
            for message in messages:
                group, number = message["Body"].split()
                got[group].append(int(number))
            in_flight.difference_update(groups)
            for message in messages:
                await node.call("sqs", "DeleteMessage", QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])

    await asyncio.gather(*(work(next(world.turn)) for _ in range(8)))
    assert got == {group: list(range(12)) for group in "abcd"}
    assert world.nodes[0].store.run(lambda tx: tx.all(Q.groups)) == []


async def test_the_last_delete_of_a_group_does_not_lose_the_next_message(world: World) -> None:
    """A delete that empties a group and a send to it: whichever comes first, the message is found."""
    url = await world.fifo()
    numbers = itertools.count()

    async def send(group: str) -> None:
        number = str(next(numbers))
        await next(world.turn).call(
            "sqs", "SendMessage", QueueUrl=url, MessageBody=number, MessageGroupId=group, MessageDeduplicationId=number
        )

    async def receive() -> list[Params]:
        answer = await next(world.turn).call("sqs", "ReceiveMessage", QueueUrl=url, MaxNumberOfMessages=10)
        return answer.get("Messages", [])

    groups = [f"g{i}" for i in range(6)]
    await asyncio.gather(*(send(group) for group in groups))
    received = 0
    for _ in range(25):
        messages = await receive()
        received += len(messages)
        deletes = [
            next(world.turn).call("sqs", "DeleteMessage", QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
            for message in messages
        ]
        await asyncio.gather(*(call for pair in zip(deletes, map(send, groups), strict=True) for call in pair))
    assert received == 25 * 6
    assert len(await receive()) == 6


async def test_sequence_numbers_follow_the_order_of_commits(world: World) -> None:
    url = await world.fifo()
    requests = [
        {"QueueUrl": url, "MessageBody": str(i), "MessageGroupId": "g", "MessageDeduplicationId": str(i)}
        for i in range(60)
    ]
    sent = await world.each("sqs", "SendMessage", requests)
    numbers = {str(i): int(answer["SequenceNumber"]) for i, answer in enumerate(sent)}
    assert len(set(numbers.values())) == 60
    got: list[str] = []
    while len(got) < 60:
        answer = await next(world.turn).call("sqs", "ReceiveMessage", QueueUrl=url, MaxNumberOfMessages=10)
        for message in answer["Messages"]:
            got.append(message["Body"])
            await next(world.turn).call("sqs", "DeleteMessage", QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
    assert [numbers[body] for body in got] == sorted(numbers.values())


async def test_of_duplicates_one_is_kept_and_all_get_its_answer(world: World) -> None:
    url = await world.fifo()
    request = {"QueueUrl": url, "MessageBody": "x", "MessageGroupId": "g", "MessageDeduplicationId": "same"}
    answers = await world.each("sqs", "SendMessage", [request] * 30)
    assert len({(answer["MessageId"], answer["SequenceNumber"]) for answer in answers}) == 1
    assert world.nodes[0].store.run(lambda tx: tx.one(Q.messages)) == (1,)


async def test_one_queue_of_a_name(world: World) -> None:
    answers = await world.each("sqs", "CreateQueue", [{"QueueName": "same"}] * 20)
    assert {answer["QueueUrl"] for answer in answers} == {answers[0]["QueueUrl"]}


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
    while not there.engine.parked or there.store.busy or not here.store.neighbours.present:
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
