"""Two nodes on one PostgreSQL: every rule of SQS that one writer keeps by itself, raced."""

import asyncio
import itertools
from collections.abc import AsyncIterator

import pytest
from tests.store.two_nodes import Node, World, bodies

from waypost.service import Params
from waypost.store.queries import parse

Q = parse(
    "races",
    """
-- name: groups
SELECT group_id, available_at FROM sqs_group;
-- name: messages
SELECT COUNT(*) FROM sqs_message;
""",
)


@pytest.fixture
async def world() -> AsyncIterator[World]:
    made = World()
    yield made
    await made.close()


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
