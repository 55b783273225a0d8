"""What a publish has signed beside the loop, and what becomes of it when things change meanwhile."""

import json
from typing import Any

import msgspec
import pytest
from tests.services.sns.world import World

from waypost.aws.errors import AwsError
from waypost.service import Context, Job, Params, Perform
from waypost.services import sns
from waypost.services.sns import keys, signing
from waypost.work.compute import Compute
from waypost.work.perform import HttpPost


def begin(world: World, operation: str = "Publish", ctx: Context | None = None, **request: Any) -> Params | Perform:
    """The first transaction of an operation alone."""
    ctx = ctx or world.context()
    return world.store.run(lambda tx: sns.SERVICE.operations[operation](tx, ctx, request))


def settle(world: World, wanted: Any) -> Params | Perform:
    """Do what it asks for, and the transaction that follows."""
    assert isinstance(wanted, Perform)
    assert isinstance(wanted.call, Compute)
    outcome, ctx = wanted.call.function(), world.context()
    return world.store.run(lambda tx: wanted.settle(tx, ctx, outcome))


def subscribed(world: World, name: str = "q", **attributes: str) -> str:
    """A topic with one queue; answers its ARN."""
    topic = world("CreateTopic", Name="t")["TopicArn"]
    world("CreateQueue", QueueName=name)
    arn = f"arn:aws:sqs:eu-west-1:123456789012:{name}"
    world("Subscribe", TopicArn=topic, Protocol="sqs", Endpoint=arn, Attributes=attributes)
    return topic


def bodies(world: World, name: str = "q") -> list[Any]:
    url = world("GetQueueUrl", QueueName=name)["QueueUrl"]
    answer = world("ReceiveMessage", QueueUrl=url, MaxNumberOfMessages=10)
    return [json.loads(message["Body"]) for message in answer.get("Messages", [])]


def test_nothing_is_delivered_before_it_is_signed(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World(keyed=True)
    wanted: Any = begin(world, TopicArn=subscribed(world), Message="hello")
    assert world.count("sqs_message") == 0
    wanted.call.function()

    def refuse(*_: Any) -> bytes:
        raise AssertionError("signed within the transaction")

    monkeypatch.setattr(keys, "sign", refuse)
    answer = settle(world, wanted)
    (body,) = bodies(world)
    assert isinstance(answer, dict)
    assert (body["MessageId"], body["Message"]) == (answer["MessageId"], "hello")


def test_the_first_publish_has_the_key_made_outside_too() -> None:
    world = World()
    wanted = begin(world, TopicArn=subscribed(world), Message="hello")
    assert world.count("sns_signing_key") == 0
    wanted = settle(world, wanted)
    assert world.count("sns_signing_key") == 1
    assert settle(world, wanted)["MessageId"] == bodies(world)[0]["MessageId"]  # type: ignore[index]


def test_of_two_first_publishes_one_key_is_kept() -> None:
    world = World()
    topic = subscribed(world)
    first, second = begin(world, TopicArn=topic, Message="1"), begin(world, TopicArn=topic, Message="2")
    first, second = settle(world, first), settle(world, second)
    settle(world, first)
    settle(world, second)
    assert world.count("sns_signing_key") == 1
    assert len({body["SigningCertURL"] for body in bodies(world)}) == 1


def test_a_topic_that_goes_meanwhile_is_not_found() -> None:
    world = World(keyed=True)
    topic = subscribed(world)
    wanted = begin(world, TopicArn=topic, Message="hello")
    world("DeleteTopic", TopicArn=topic)
    with pytest.raises(AwsError, match="Topic does not exist") as refused:
        settle(world, wanted)
    assert refused.value.code == "NotFoundException"
    world("CreateTopic", Name="t")
    with pytest.raises(AwsError, match="Topic does not exist"):  # another one of that name
        settle(world, wanted)


def test_who_subscribes_meanwhile_gets_it_and_a_changed_version_is_signed_anew() -> None:
    world = World(keyed=True)
    topic = subscribed(world)
    wanted = begin(world, TopicArn=topic, Message="hello")
    world("CreateQueue", QueueName="late")
    arn = "arn:aws:sqs:eu-west-1:123456789012:late"
    world("Subscribe", TopicArn=topic, Protocol="sqs", Endpoint=arn)
    world("SetTopicAttributes", TopicArn=topic, AttributeName="SignatureVersion", AttributeValue="2")
    settle(world, wanted)
    assert [body["SignatureVersion"] for body in bodies(world) + bodies(world, "late")] == ["2", "2"]


@pytest.mark.parametrize("attributes", [{"RawMessageDelivery": "true"}, {"FilterPolicy": '{"a": ["b"]}'}])
def test_what_nobody_gets_in_an_envelope_is_not_signed(attributes: dict[str, str]) -> None:
    world = World(keyed=True)
    answer = begin(world, TopicArn=subscribed(world, **attributes), Message="hello")
    assert isinstance(answer, dict)
    assert answer["MessageId"]


def test_a_call_from_a_transaction_is_signed_in_there() -> None:
    world = World(keyed=True)
    ctx = msgspec.structs.replace(world.context(), wire="internal")
    assert "MessageId" in begin(world, ctx=ctx, TopicArn=subscribed(world), Message="hello")  # type: ignore[operator]
    assert bodies(world)[0]["Signature"]


def test_each_of_a_batch_is_signed_ahead() -> None:
    world = World(keyed=True)
    topic = subscribed(world)
    entries = [{"Id": str(number), "Message": f"m{number}"} for number in range(10)]
    signing._signature.cache_clear()
    wanted = begin(world, "PublishBatch", TopicArn=topic, PublishBatchRequestEntries=entries)
    answer = settle(world, wanted)
    assert isinstance(answer, dict)
    assert [one["Id"] for one in answer["Successful"]] == [str(number) for number in range(10)]
    assert (signing._signature.cache_info().misses, signing._signature.cache_info().hits) == (10, 10)
    assert {body["MessageId"] for body in bodies(world)} == {one["MessageId"] for one in answer["Successful"]}


def test_an_endpoint_is_asked_once_there_is_a_key_made_outside() -> None:
    world = World()
    topic = world("CreateTopic", Name="t")["TopicArn"]
    world("Subscribe", TopicArn=topic, Protocol="http", Endpoint="http://127.0.0.1:1/")
    row = world._due(("sns.confirm",))
    job = Job(*row[:7], msgspec.json.decode(row[7]))
    ctx = world.context()
    wanted: Any = world.store.run(lambda tx: sns.SERVICE.jobs[job.kind](tx, ctx, job))
    assert isinstance(wanted.call, Compute)
    assert world.count("sns_signing_key") == 0
    wanted = settle(world, wanted)
    assert world.count("sns_signing_key") == 1
    assert isinstance(wanted, Perform)
    assert isinstance(wanted.call, HttpPost)
    assert json.loads(wanted.call.body)["Type"] == "SubscriptionConfirmation"
