"""FIFO topics: order, duplicates, sequence numbers; their archive, and its replay.

Sentences of refusals are those that AWS was recorded with, unless a test says otherwise; of archives none is recorded.
"""

import hashlib
import json
from typing import Any

import pytest
from tests.services.sns.world import BASE, World
from tests.stores import sql

MINUTE = 60
DAY = 86_400
NO_ID = "The topic should either have ContentBasedDeduplication enabled or MessageDeduplicationId provided explicitly"
ARCHIVE = '{"MessageRetentionPeriod":"30"}'


def raw(world: World, topic: str, name: str = "q.fifo", **attributes: str) -> tuple[str, str]:
    """A queue that gets messages without an envelope, and its subscription."""
    queue = world.queue(name)
    return queue, world.subscribe(topic, queue, RawMessageDelivery="true", **attributes)


# --- order and duplicates


def test_a_message_arrives_in_its_group(world: World):
    topic = world.fifo(ContentBasedDeduplication="true")
    queue = world.queue("q.fifo")
    world.subscribe(topic, queue)
    sent = world.publish(topic, "Test", MessageGroupId="message-group-id-1")
    (message,) = world.receive(queue)
    envelope = json.loads(message["Body"])
    assert list(envelope) == [
        "Type",
        "MessageId",
        "SequenceNumber",
        "TopicArn",
        "Message",
        "Timestamp",
        "UnsubscribeURL",
    ]
    assert envelope["SequenceNumber"] == sent["SequenceNumber"]
    assert len(sent["SequenceNumber"]) == 20
    attributes = message["Attributes"]
    assert attributes["MessageGroupId"] == "message-group-id-1"
    assert attributes["MessageDeduplicationId"] == hashlib.sha256(b"Test").hexdigest()


def test_groups_keep_their_order(world: World):
    topic = world.fifo()
    queues = [raw(world, topic, f"q{number}.fifo")[0] for number in range(3)]
    numbers = [
        world.publish(topic, f"{group}{number}", MessageGroupId=group, MessageDeduplicationId=f"{group}{number}")
        for number in range(4)
        for group in ("a", "b")
    ]
    for group in (0, 1):
        sequence = [one["SequenceNumber"] for one in numbers[group::2]]
        assert sequence == sorted(set(sequence))
    for queue in queues:
        bodies = world.bodies(queue)
        assert [body for body in bodies if body[0] == "a"] == ["a0", "a1", "a2", "a3"]
        assert [body for body in bodies if body[0] == "b"] == ["b0", "b1", "b2", "b3"]


def test_a_duplicate_is_answered_and_dropped(world: World):
    topic = world.fifo()
    queue, _ = raw(world, topic)
    first = world.publish(topic, "1", MessageGroupId="g", MessageDeduplicationId="d")
    world.pass_s(5 * MINUTE - 1)
    assert world.publish(topic, "2", MessageGroupId="other", MessageDeduplicationId="d") == first
    world.pass_s(1)
    again = world.publish(topic, "3", MessageGroupId="g", MessageDeduplicationId="d")
    assert again["MessageId"] != first["MessageId"]
    assert again["SequenceNumber"] > first["SequenceNumber"]
    world.pass_s(30)
    assert world.bodies(queue) == ["1", "3"]


def test_a_duplicate_may_be_one_of_its_group(world: World):
    topic = world.fifo(FifoThroughputScope="MessageGroup")
    queue, _ = raw(world, topic, "standard")
    for group in ("a", "b", "a"):
        world.publish(topic, group, MessageGroupId=group, MessageDeduplicationId="d")
    assert sorted(world.bodies(queue)) == ["a", "b"]


def test_contents_may_deduplicate(world: World):
    topic = world.fifo(ContentBasedDeduplication="true")
    queue, _ = raw(world, topic)
    first = world.publish(topic, "same", MessageGroupId="g")
    text = {"DataType": "String", "StringValue": "x"}
    assert world.publish(topic, "same", MessageGroupId="g", MessageAttributes={"a": text}) == first
    explicit = hashlib.sha256(b"same").hexdigest()
    assert world.publish(topic, "other", MessageGroupId="g", MessageDeduplicationId=explicit) == first
    world.publish(topic, "same", MessageGroupId="g", MessageDeduplicationId="explicit")
    assert world.bodies(queue) == ["same", "same"]


@pytest.mark.parametrize(
    ("more", "sentence"),
    [
        ({}, "The MessageGroupId parameter is required for FIFO topics"),
        (
            {"MessageGroupId": "g"},
            NO_ID,
        ),
    ],
)
def test_a_fifo_topic_wants_groups_and_ids(world: World, more: dict[str, str], sentence: str):
    topic = world.fifo()
    assert world.says("Publish", TopicArn=topic, Message="x", **more) == f"Invalid parameter: {sentence}"
    entries: list[dict[str, Any]] = [
        {"Id": "1", "Message": "fine", "MessageGroupId": "g", "MessageDeduplicationId": "d"},
        {"Id": "2", "Message": "x", **more},
    ]
    assert (
        world.says("PublishBatch", TopicArn=topic, PublishBatchRequestEntries=entries)
        == f"Invalid parameter: {sentence}"
    )
    assert world.count("sns_dedup") == 0


@pytest.mark.parametrize("bad", ["", "with space", "x" * 129, "ä"])
def test_a_bad_id_is_refused(world: World, bad: str):
    """The sentence is not recorded."""
    topic = world.fifo()
    for ids in (
        {"MessageGroupId": bad, "MessageDeduplicationId": "d"},
        {"MessageGroupId": "g", "MessageDeduplicationId": bad},
    ):
        error = world.refused("Publish", TopicArn=topic, Message="x", **ids)
        assert error.code == "InvalidParameterException"
        assert "can only include alphanumeric and punctuation characters" in error.message
    standard = world.topic("standard")
    assert world.refused("Publish", TopicArn=standard, Message="x", MessageGroupId=bad).code == error.code


def test_a_batch_keeps_its_order(world: World):
    topic = world.fifo(ContentBasedDeduplication="true")
    queue, _ = raw(world, topic)
    entries = [{"Id": str(number), "Message": f"m{number % 8}", "MessageGroupId": "g"} for number in range(10)]
    answer = world("PublishBatch", TopicArn=topic, PublishBatchRequestEntries=entries)
    done = answer["Successful"]
    numbers = [one["SequenceNumber"] for one in done]
    assert numbers[:8] == sorted(set(numbers[:8]))
    assert [one | {"Id": ""} for one in done[8:]] == [one | {"Id": ""} for one in done[:2]]
    assert world.bodies(queue) == [f"m{number}" for number in range(8)]
    again = world("PublishBatch", TopicArn=topic, PublishBatchRequestEntries=entries)
    assert again == answer


def test_a_standard_queue_gets_it_too(world: World):
    topic = world.fifo(ContentBasedDeduplication="true")
    queue, _ = raw(world, topic, "standard")
    world.publish(topic, "x", MessageGroupId="g")
    (message,) = world.receive(queue)
    assert message["Body"] == "x"
    assert not message["Attributes"].keys() & {"MessageGroupId", "MessageDeduplicationId", "SequenceNumber"}


def test_a_dead_letter_keeps_its_group(world: World):
    topic = world.fifo()
    letters = world.queue("letters.fifo")
    queue, _ = raw(world, topic, RedrivePolicy=json.dumps({"deadLetterTargetArn": letters}))
    world("DeleteQueue", QueueUrl=f"{BASE}/{queue.split(':')[4]}/q.fifo")
    world.publish(topic, "x", MessageGroupId="g", MessageDeduplicationId="d")
    (letter,) = world.receive(letters)
    attributes = letter["Attributes"]
    assert (attributes["MessageGroupId"], attributes["MessageDeduplicationId"]) == ("g", "d")


def test_a_topic_forgets_what_it_need_not_know(world: World):
    topic = world.fifo()
    for number in range(3):
        world.publish(topic, MessageGroupId=f"g{number}", MessageDeduplicationId=str(number))
    world.work("sns.clean")
    assert (world.count("sns_dedup"), world.count("sns_group")) == (3, 3)
    world.pass_s(4 * MINUTE)
    last = world.publish(topic, MessageGroupId="g0", MessageDeduplicationId="4")
    world.pass_s(MINUTE)
    world.work("sns.clean")
    assert (world.count("sns_dedup"), world.count("sns_group")) == (1, 1)
    world.pass_s(5 * MINUTE)
    world.work("sns.clean")
    assert (world.count("sns_dedup"), world.count("sns_group")) == (0, 0)
    assert world.jobs("sns.clean") == 1
    again = world.publish(topic, MessageGroupId="g0", MessageDeduplicationId="4")
    assert again["SequenceNumber"] > last["SequenceNumber"]


# --- archive


def instant(world: World, back_s: float = 0) -> str:
    from datetime import UTC, datetime

    return datetime.fromtimestamp(world.now_ms / 1000 - back_s, UTC).isoformat(timespec="milliseconds")


def replay(start: str, end: str | None = None) -> str:
    policy = {"PointType": "Timestamp", "StartingPoint": start}
    return json.dumps(policy if end is None else {**policy, "EndingPoint": end})


def archive(world: World) -> str:
    """A topic that archives, with six messages, a minute apart: m0 is six minutes ago."""
    topic = world.fifo(ArchivePolicy=ARCHIVE)
    for number in range(6):
        world.publish(topic, f"m{number}", MessageGroupId="ab"[number % 2], MessageDeduplicationId=str(number))
        world.pass_s(MINUTE)
    return topic


def status(world: World, subscription: str) -> str | None:
    return world.subscription_attributes(subscription).get("ReplayStatus")


def test_an_archive_shows_its_beginning(world: World):
    topic = world.fifo(ArchivePolicy=ARCHIVE)
    assert world.topic_attributes(topic)["ArchivePolicy"] == ARCHIVE
    assert world.topic_attributes(topic)["BeginningArchiveTime"] == "2023-11-14T22:13:20.000Z"
    world.pass_s(31 * DAY)
    assert world.topic_attributes(topic)["BeginningArchiveTime"] == "2023-11-15T22:13:20.000Z"
    world.set_topic(topic, "ArchivePolicy", '{"MessageRetentionPeriod":"1"}')
    assert world.topic_attributes(topic)["BeginningArchiveTime"] == "2023-12-14T22:13:20.000Z"
    world.set_topic(topic, "ArchivePolicy", "{}")
    assert not world.topic_attributes(topic).keys() & {"ArchivePolicy", "BeginningArchiveTime", "ArchivedSince"}
    world.set_topic(topic, "ArchivePolicy", ARCHIVE)
    assert world.topic_attributes(topic)["BeginningArchiveTime"] == "2023-12-15T22:13:20.000Z"


@pytest.mark.parametrize(
    "policy", ["{", "[]", '"x"', '{"MessageRetentionPeriod":"0"}', '{"MessageRetentionPeriod":"366"}', '{"Days":"1"}']
)
def test_a_bad_archive_policy_is_refused(world: World, policy: str):
    request = {"TopicArn": world.fifo(), "AttributeName": "ArchivePolicy", "AttributeValue": policy}
    assert world.says("SetTopicAttributes", **request).startswith("Invalid parameter: ArchivePolicy: ")


def test_a_replay_brings_everything_again(world: World):
    topic = archive(world)
    queue, subscription = raw(world, topic)
    text = {"DataType": "String", "StringValue": "x"}
    original = world.publish(
        topic, "live", MessageGroupId="a", MessageDeduplicationId="live", Subject="s", MessageAttributes={"a": text}
    )
    world.delete(queue, world.receive(queue))
    enveloped = world.queue("enveloped")
    world.subscribe(topic, enveloped, ReplayPolicy=replay(instant(world, 6 * MINUTE)))
    world.set_subscription(subscription, "ReplayPolicy", replay(instant(world, 4 * MINUTE)))
    assert status(world, subscription) == "Pending"
    assert world.work("sns.replay") == 2
    assert status(world, subscription) == "Completed"
    bodies = world.bodies(queue)
    assert [body for body in bodies if body in {"m2", "m4"}] == ["m2", "m4"]
    # A queue has its own five minutes: the one that it got just now is a duplicate to it.
    assert sorted(bodies) == ["m2", "m3", "m4", "m5"]
    envelopes = world.envelopes(enveloped)
    assert [one["Message"] for one in envelopes] == ["m0", "m1", "m2", "m3", "m4", "m5", "live"]
    last = envelopes[-1]
    assert (last["MessageId"], last["SequenceNumber"]) == (original["MessageId"], original["SequenceNumber"])
    assert (last["Subject"], last["MessageAttributes"]["a"]["Value"], last["Replayed"]) == ("s", "x", "true")
    assert envelopes[0]["Timestamp"] == "2023-11-14T22:13:20.000Z"


def test_after_a_replay_comes_what_is_published(world: World):
    topic = archive(world)
    queue, subscription = raw(world, topic, "standard")
    world.set_subscription(subscription, "ReplayPolicy", replay(instant(world, 6 * MINUTE)))
    world.publish(topic, "meanwhile", MessageGroupId="a", MessageDeduplicationId="7")
    assert world.receive(queue) == []
    world.work("sns.replay")
    world.publish(topic, "later", MessageGroupId="a", MessageDeduplicationId="8")
    assert world.bodies(queue) == ["m0", "m1", "m2", "m3", "m4", "m5", "meanwhile", "later"]
    assert world.jobs("sns.replay") == 0


def test_a_replay_with_an_end_is_the_end(world: World):
    topic = archive(world)
    queue, subscription = raw(world, topic, "standard")
    world.set_subscription(subscription, "ReplayPolicy", replay(instant(world, 5 * MINUTE), instant(world, 3 * MINUTE)))
    world.work("sns.replay")
    world.publish(topic, "later", MessageGroupId="a", MessageDeduplicationId="8")
    assert world.bodies(queue) == ["m1", "m2", "m3"]
    assert status(world, subscription) == "Completed"
    world.set_subscription(subscription, "ReplayPolicy", "{}")
    assert status(world, subscription) is None
    assert "ReplayPolicy" not in world.subscription_attributes(subscription)
    world.publish(topic, "later still", MessageGroupId="a", MessageDeduplicationId="9")
    assert world.bodies(queue) == ["later still"]


def test_a_long_replay_goes_in_steps(world: World, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("waypost.services.sns.replays.REPLAY_STEP_MAX", 2)
    topic = archive(world)
    queue, subscription = raw(world, topic, "standard")
    world.set_subscription(subscription, "ReplayPolicy", replay(instant(world, 6 * MINUTE)))
    world.store.run(world._step(_job(world)))
    assert status(world, subscription) == "In progress"
    world.publish(topic, "m6", MessageGroupId="a", MessageDeduplicationId="7")
    assert world.bodies(queue) == ["m0", "m1"]
    world.work("sns.replay")
    assert world.bodies(queue) == ["m2", "m3", "m4", "m5", "m6"]
    assert status(world, subscription) == "Completed"


def _job(world: World) -> Any:
    from waypost.service import Job

    row = world._due(("sns.replay",))
    return Job(*row[:7], json.loads(row[7]))


def test_a_replay_may_begin_anew(world: World):
    topic = archive(world)
    queue, subscription = raw(world, topic, "standard")
    for start in (3, 1):
        world.set_subscription(subscription, "ReplayPolicy", replay(instant(world, start * MINUTE)))
    assert world.work("sns.replay") == 1
    assert world.bodies(queue) == ["m5"]


def test_a_filter_holds_for_a_replay(world: World):
    topic = world.fifo(ArchivePolicy=ARCHIVE)
    for number in range(3):
        value = {"DataType": "Number", "StringValue": str(number)}
        world.publish(
            topic, f"m{number}", MessageGroupId="g", MessageDeduplicationId=str(number), MessageAttributes={"n": value}
        )
    queue, _ = raw(
        world, topic, "standard", FilterPolicy='{"n":[{"numeric":[">",0]}]}', ReplayPolicy=replay(instant(world))
    )
    world.work("sns.replay")
    assert world.bodies(queue) == ["m1", "m2"]


def test_an_archive_ends(world: World):
    topic = archive(world)
    _, subscription = raw(world, topic, "standard")
    world.set_subscription(subscription, "ReplayPolicy", replay(instant(world, 6 * MINUTE)))
    world.set_topic(topic, "ArchivePolicy", "{}")
    assert status(world, subscription) == "Failed"
    world.work("sns.replay", "sns.clean")
    assert status(world, subscription) == "Failed"
    assert world.count("sns_archive") == 0
    assert world.jobs("sns.replay") == 0
    world.publish(topic, MessageGroupId="a", MessageDeduplicationId="8")
    assert world.count("sns_archive") == 0


def test_an_archive_keeps_so_many_days(world: World):
    topic = archive(world)
    world.pass_s(30 * DAY - 3 * MINUTE)
    world.work("sns.clean")
    assert world.count("sns_archive") == 3
    world.set_topic(topic, "ArchivePolicy", '{"MessageRetentionPeriod":"1"}')
    world.work("sns.clean")
    assert world.count("sns_archive") == 0


def test_an_ended_subscription_has_no_replay(world: World):
    topic = archive(world)
    _, subscription = raw(world, topic, "standard")
    world.set_subscription(subscription, "ReplayPolicy", replay(instant(world, 6 * MINUTE)))
    world("Unsubscribe", SubscriptionArn=subscription)
    assert world.work("sns.replay") <= 1
    assert (world.count("sns_replay"), world.count("sqs_message"), world.jobs("sns.replay")) == (0, 0, 0)


@pytest.mark.parametrize(
    "policy",
    [
        "{",
        '"x"',
        '{"PointType":"Number","StartingPoint":"1"}',
        '{"PointType":"Timestamp"}',
        '{"PointType":"Timestamp","StartingPoint":"yesterday"}',
        '{"PointType":"Timestamp","StartingPoint":"2023-11-14T22:13:19.999Z"}',
        '{"PointType":"Timestamp","StartingPoint":"2024-11-14T22:13:19Z"}',
        '{"PointType":"Timestamp","StartingPoint":"2023-11-14T22:15:00Z","EndingPoint":"2023-11-14T22:14:00Z"}',
        '{"PointType":"Timestamp","StartingPoint":"2023-11-14T22:15:00Z","EndingPoint":"2024-11-14T22:14:00Z"}',
        '{"PointType":"Timestamp","StartingPoint":"2023-11-14T22:15:00Z","More":1}',
    ],
)
def test_a_bad_replay_policy_is_refused(world: World, policy: str):
    topic = archive(world)
    _, subscription = raw(world, topic)
    request = {"SubscriptionArn": subscription, "AttributeName": "ReplayPolicy", "AttributeValue": policy}
    assert world.says("SetSubscriptionAttributes", **request).startswith("Invalid parameter: ReplayPolicy: ")
    assert status(world, subscription) is None
    assert sql(world.store, "SELECT COUNT(*) FROM sns_replay") == [(0,)]


def test_without_an_archive_there_is_no_replay(world: World):
    topic = world.fifo()
    _, subscription = raw(world, topic)
    request = {"SubscriptionArn": subscription, "AttributeName": "ReplayPolicy"}
    said = world.says("SetSubscriptionAttributes", **request, AttributeValue=replay(instant(world)))
    assert said == "Invalid parameter: ReplayPolicy: the topic has no ArchivePolicy"
