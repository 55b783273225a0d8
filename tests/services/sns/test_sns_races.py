"""What SNS decides by what it reads, raced from two nodes."""

import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest
from tests.store.racing import code_of, race, race_work, take_locks_out
from tests.store.two_nodes import ACCOUNT, REGION, World, bodies
from tests.stores import sql

from waypost.service import Job
from waypost.services.sns import replays

TOPIC = f"arn:aws:sns:{REGION}:{ACCOUNT}:t"
FIFO = f"{TOPIC}.fifo"
QUEUE = f"arn:aws:sqs:{REGION}:{ACCOUNT}:q"


@pytest.fixture
async def world() -> AsyncIterator[World]:
    made = World()
    yield made
    await made.close()


async def topic(world: World) -> None:
    await world.nodes[0].call("sns", "CreateTopic", Name="t")


async def fifo(world: World, **attributes: str) -> None:
    attributes = {"FifoTopic": "true", "ContentBasedDeduplication": "true", **attributes}
    await world.nodes[0].call("sns", "CreateTopic", Name="t.fifo", Attributes=attributes)


async def subscribed(world: World, topic_arn: str, name: str, **attributes: str) -> str:
    """A queue that gets messages raw; answers the subscription."""
    kind = {"FifoQueue": "true"} if name.endswith(".fifo") else {}
    await world.queue(name, **kind)
    endpoint = QUEUE.removesuffix("q") + name
    answer = await world.nodes[0].call(
        "sns", "Subscribe", TopicArn=topic_arn, Protocol="sqs", Endpoint=endpoint,
        Attributes={"RawMessageDelivery": "true", **attributes},
    )  # fmt: skip
    return str(answer["SubscriptionArn"])


async def received(world: World, name: str) -> list[str]:
    url = f"http://localhost/{ACCOUNT}/{name}"
    found: list[str] = []
    while True:
        answer = await world.nodes[1].call(
            "sqs", "ReceiveMessage", QueueUrl=url, MaxNumberOfMessages=10, MessageSystemAttributeNames=["All"]
        )
        if not answer.get("Messages"):
            return found
        for message in answer["Messages"]:
            await world.nodes[1].call("sqs", "DeleteMessage", QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
        found += bodies([answer])


def counts(world: World) -> tuple[int, int, int, int]:
    (row,) = sql(world.nodes[0].store, "SELECT confirmed, pending, deleted, filtered FROM sns_topic")
    return tuple(row)  # type: ignore[return-value]


async def test_a_topic_is_made_once(world: World) -> None:
    answers = await world.each("sns", "CreateTopic", [{"Name": "t", "Attributes": {"DisplayName": "x"}}] * 8)
    assert answers == [{"TopicArn": TOPIC}] * 8
    assert sql(world.nodes[0].store, "SELECT COUNT(*) FROM sns_topic") == [(1,)]


async def test_a_topic_is_made_as_one_of_two_wanted_it(world: World) -> None:
    first, second = await race(
        world,
        ("sns", "CreateTopic", {"Name": "t", "Attributes": {"DisplayName": "one"}}),
        "get_topic",
        ("sns", "CreateTopic", {"Name": "t", "Attributes": {"DisplayName": "two"}}),
    )
    assert second == {"TopicArn": TOPIC}
    assert "different attributes" in str(first)


async def test_two_nodes_make_no_more_topics_than_the_quota(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("waypost.services.sns.limits.TOPICS_MAX", 2)
    await topic(world)
    answers = await race(
        world, ("sns", "CreateTopic", {"Name": "a"}), "get_usage", ("sns", "CreateTopic", {"Name": "b"})
    )
    assert sorted(map(code_of, answers)) == ["", "TopicLimitExceeded"]
    assert sql(world.nodes[0].store, "SELECT COUNT(*) FROM sns_topic") == [(2,)]
    assert sql(world.nodes[0].store, "SELECT used FROM sns_usage") == [(2,)]


async def test_an_endpoint_is_subscribed_once(world: World) -> None:
    await topic(world)
    requests = [{"TopicArn": TOPIC, "Protocol": "sqs", "Endpoint": f"{QUEUE}{number % 3}"} for number in range(12)]
    answers = await world.each("sns", "Subscribe", requests)
    assert len({answer["SubscriptionArn"] for answer in answers}) == 3
    assert counts(world) == (3, 0, 0, 0)


SUBSCRIBE = {"TopicArn": TOPIC, "Protocol": "sqs", "Endpoint": QUEUE, "ReturnSubscriptionArn": True}


async def test_who_subscribes_second_finds_the_first(world: World) -> None:
    await topic(world)
    first, second = await race(
        world, ("sns", "Subscribe", SUBSCRIBE), "find_subscription", ("sns", "Subscribe", SUBSCRIBE)
    )
    assert first == second
    assert counts(world) == (1, 0, 0, 0)


async def test_nobody_subscribes_to_what_is_being_deleted(world: World) -> None:
    await topic(world)
    _, refused = await race(
        world, ("sns", "DeleteTopic", {"TopicArn": TOPIC}), "delete_topic", ("sns", "Subscribe", SUBSCRIBE)
    )
    assert "Topic does not exist" in str(refused)
    assert sql(world.nodes[0].store, "SELECT COUNT(*) FROM sns_subscription") == [(0,)]


async def test_a_subscription_is_confirmed_once(world: World) -> None:
    await topic(world)
    web = {**SUBSCRIBE, "Protocol": "http", "Endpoint": "http://example.com"}
    made = await world.nodes[0].call("sns", "Subscribe", **web)
    ((token,),) = sql(world.nodes[0].store, "SELECT token FROM sns_token")
    confirm = ("sns", "ConfirmSubscription", {"TopicArn": TOPIC, "Token": token})
    assert await race(world, confirm, "get_subscription", confirm) == (made, made)
    assert counts(world) == (1, 0, 0, 0)
    leave = ("sns", "Unsubscribe", made)
    assert await race(world, leave, "get_subscription", leave) == ({}, {})
    assert counts(world) == (0, 0, 1, 0)


async def labels(world: World) -> list[str]:
    """Of the statements that two nodes write into a policy at once."""
    await topic(world)
    one, two = (
        {"TopicArn": TOPIC, "Label": label, "AWSAccountId": [ACCOUNT], "ActionName": ["Publish"]} for label in "ab"
    )
    await race(world, ("sns", "AddPermission", one), "get_topic_details", ("sns", "AddPermission", two))
    shown = await world.nodes[0].call("sns", "GetTopicAttributes", TopicArn=TOPIC)
    return [statement["Sid"] for statement in json.loads(shown["Attributes"]["Policy"])["Statement"][1:]]


async def test_permissions_do_not_overwrite_one_another(world: World) -> None:
    assert await labels(world) == ["a", "b"]


async def test_without_the_lock_they_would(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    take_locks_out(monkeypatch)
    assert await labels(world) == ["a"]


async def test_tags_do_not_overwrite_one_another(world: World) -> None:
    await topic(world)
    one, two = ({"ResourceArn": TOPIC, "Tags": [{"Key": key, "Value": ""}]} for key in "ab")
    await race(world, ("sns", "TagResource", one), "get_tags", ("sns", "TagResource", two))
    shown = await world.nodes[0].call("sns", "ListTagsForResource", ResourceArn=TOPIC)
    assert [tag["Key"] for tag in shown["Tags"]] == ["a", "b"]


# --- FIFO


async def test_a_duplicate_is_one_wherever_it_is_published(world: World) -> None:
    await fifo(world)
    await subscribed(world, FIFO, "standard")
    answers = await world.each("sns", "Publish", [{"TopicArn": FIFO, "Message": "x", "MessageGroupId": "g"}] * 12)
    assert len({(answer["MessageId"], answer["SequenceNumber"]) for answer in answers}) == 1
    assert await received(world, "standard") == ["x"]


async def test_a_group_has_one_order_in_every_queue(world: World) -> None:
    await fifo(world)
    for name in ("q1.fifo", "q2.fifo", "q3.fifo"):
        await subscribed(world, FIFO, name)
    requests = [{"TopicArn": FIFO, "Message": str(number), "MessageGroupId": "g"} for number in range(24)]
    answers = await world.each("sns", "Publish", requests)
    numbers = {answer["SequenceNumber"]: str(index) for index, answer in enumerate(answers)}
    assert len(numbers) == 24
    order = [numbers[number] for number in sorted(numbers)]
    for name in ("q1.fifo", "q2.fifo", "q3.fifo"):
        assert await received(world, name) == order


# --- replay


def publish(message: str) -> tuple[str, str, dict[str, Any]]:
    return ("sns", "Publish", {"TopicArn": FIFO, "Message": message, "MessageGroupId": message})


async def replaying(world: World) -> Job:
    """A topic with archived messages, and the job of a replay that has just been asked for.

    Both nodes have published to it since, so that they know whom it delivers to: nobody.
    """
    await fifo(world, ArchivePolicy='{"MessageRetentionPeriod":"1"}')
    shown = await world.nodes[0].call("sns", "GetTopicAttributes", TopicArn=FIFO)
    start = shown["Attributes"]["BeginningArchiveTime"]
    assert datetime.fromisoformat(start).tzinfo is UTC
    await world.nodes[0].call(*publish("first")[:2], **publish("first")[2])
    policy = json.dumps({"PointType": "Timestamp", "StartingPoint": start})
    await subscribed(world, FIFO, "standard", ReplayPolicy=policy)
    await world.nodes[0].call(*publish("third")[:2], **publish("third")[2])
    await world.nodes[1].call(*publish("fourth")[:2], **publish("fourth")[2])
    (row,) = sql(
        world.nodes[0].store,
        "SELECT id, kind, key, account, region, run_at, attempts, payload FROM job WHERE kind = 'sns.replay'",
    )
    return Job(*row[:7], msgspec.json.decode(row[7]))


@pytest.mark.parametrize("times", [1, 2])
async def test_a_replay_that_ends_misses_nothing(world: World, times: int) -> None:
    """Somebody publishes while it looks at the archive: for the first time, or holding publishers up."""
    job = await replaying(world)
    node = world.nodes[0]
    operation = publish("second")
    done, answer = await race_work(
        world, lambda tx: replays.run(tx, node.engine.context(ACCOUNT, REGION), job), "list_archived",
        lambda: world.nodes[1].call(operation[0], operation[1], **operation[2]), times=times,
    )  # fmt: skip
    assert done is None
    assert "SequenceNumber" in answer
    assert sorted(await received(world, "standard")) == ["first", "fourth", "second", "third"]


async def test_a_replay_waits_for_who_is_publishing(world: World) -> None:
    job = await replaying(world)
    here, there = world.nodes
    service, name, request = publish("second")
    operation = here.registry.services[service].operations[name]
    answer, done = await race_work(
        world, lambda tx: operation(tx, here.engine.context(ACCOUNT, REGION), request), "insert_archived",
        lambda: there.store.transact(lambda tx: replays.run(tx, there.engine.context(ACCOUNT, REGION), job)),
    )  # fmt: skip
    assert done is None
    assert "SequenceNumber" in answer
    assert sorted(await received(world, "standard")) == ["first", "fourth", "second", "third"]
