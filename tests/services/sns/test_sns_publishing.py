"""Publish and PublishBatch to standard topics, and how messages reach queues.

Sentences are those that AWS was recorded with, unless a test says otherwise.
"""

import json
from typing import Any

import pytest
from tests.services.sns.world import ACCOUNT, BASE, REGION, World
from tests.stores import sql


def text(value: str) -> dict[str, str]:
    return {"DataType": "String", "StringValue": value}


# --- what arrives


def test_an_envelope_arrives(world: World):
    topic, queue = world.topic(), world.queue()
    subscription = world.subscribe(topic, queue)
    attributes = {"a": text("b"), "n": {"DataType": "Number", "StringValue": "99.12"},
                  "bin": {"DataType": "Binary", "BinaryValue": b"\x02\x03\x04"}}  # fmt: skip
    sent = world.publish(topic, "hi", Subject="greeting", MessageAttributes=attributes)
    (message,) = world.receive(queue)
    envelope = json.loads(message["Body"])
    assert list(envelope) == [
        "Type", "MessageId", "TopicArn", "Subject", "Message", "Timestamp", "SignatureVersion", "Signature",
        "SigningCertURL", "UnsubscribeURL", "MessageAttributes",
    ]  # fmt: skip
    assert envelope["MessageId"] == sent["MessageId"] != message["MessageId"]
    assert (envelope["Subject"], envelope["Message"], envelope["TopicArn"]) == ("greeting", "hi", topic)
    assert envelope["Timestamp"] == "2023-11-14T22:13:20.000Z"
    assert envelope["UnsubscribeURL"] == f"{BASE}/?Action=Unsubscribe&SubscriptionArn={subscription}"
    assert envelope["MessageAttributes"] == {
        "a": {"Type": "String", "Value": "b"}, "n": {"Type": "Number", "Value": "99.12"},
        "bin": {"Type": "Binary", "Value": "AgME"},
    }  # fmt: skip
    assert "MessageAttributes" not in message
    assert message["Attributes"]["SenderId"] == "AIDAIT2UOQQY3AUEKVGXU"


def test_a_raw_message_arrives(world: World):
    topic, queue = world.topic(), world.queue()
    world.subscribe(topic, queue, RawMessageDelivery="true")
    world.publish(
        topic, "hi", Subject="lost", MessageAttributes={"attr1": {"DataType": "Number", "StringValue": "99.12"}}
    )
    (message,) = world.receive(queue)
    assert message["Body"] == "hi"
    assert message["MessageAttributes"] == {"attr1": {"DataType": "Number", "StringValue": "99.12"}}
    assert message["MD5OfMessageAttributes"] == "d302007e9aa062660afc85fd0a482472"


def test_the_trace_goes_along(world: World):
    topic, queue = world.topic(), world.queue()
    world.subscribe(topic, queue)
    trace = "Root=1-3152b799-8954dae64eda91bc9a23a7e8;Parent=7fa8c0f79203be72;Sampled=1"
    world.run("Publish", {"TopicArn": topic, "Message": "x"}, trace=trace)
    (message,) = world.receive(queue)
    assert message["Attributes"]["AWSTraceHeader"] == trace


def test_the_group_goes_along(world: World):
    topic, queue = world.topic(), world.queue()
    world.subscribe(topic, queue)
    world.publish(topic, MessageGroupId="tenant-1")
    (message,) = world.receive(queue)
    assert message["Attributes"]["MessageGroupId"] == "tenant-1"


def test_everybody_gets_it(world: World):
    topic = world.topic()
    queues = [world.queue(f"q{number}") for number in range(13)]
    for number, queue in enumerate(queues):
        world.subscribe(topic, queue, RawMessageDelivery="true" if number % 2 else "false")
    world.publish(topic, "to all")
    for number, queue in enumerate(queues):
        (body,) = world.bodies(queue)
        assert (body if number % 2 else json.loads(body)["Message"]) == "to all"


def test_queues_may_be_anywhere(world: World):
    """Of another region, and of another account that was asked."""
    topic = world.topic()
    world.run("CreateQueue", {"QueueName": "q"}, region="us-east-1")
    there = f"arn:aws:sqs:us-east-1:{ACCOUNT}:q"
    world.subscribe(topic, there, RawMessageDelivery="true")
    here = world.queue()
    world.subscribe(topic, here, RawMessageDelivery="true")
    world.publish(topic, "near and far")
    assert world.bodies(here) == ["near and far"]
    received = world.run("ReceiveMessage", {"QueueUrl": f"{BASE}/{ACCOUNT}/q"}, region="us-east-1")
    assert [message["Body"] for message in received["Messages"]] == ["near and far"]


def test_only_those_who_want_it_get_it(world: World):
    topic, red, blue, rest = world.topic(), world.queue("red"), world.queue("blue"), world.queue("rest")
    world.subscribe(topic, red, FilterPolicy='{"colour":["red"]}', RawMessageDelivery="true")
    world.subscribe(
        topic, blue, FilterPolicy='{"colour":["blue"]}', FilterPolicyScope="MessageBody", RawMessageDelivery="true"
    )
    world.subscribe(topic, rest, RawMessageDelivery="true")
    blue_body = '{"colour":"blue"}'
    world.publish(topic, "1", MessageAttributes={"colour": text("red")})
    world.publish(topic, blue_body, MessageAttributes={"colour": text("green")})
    assert world.bodies(red) == ["1"]
    assert world.bodies(blue) == [blue_body]
    assert world.bodies(rest) == ["1", blue_body]


def test_a_change_holds_from_the_next_publish_on(world: World):
    topic, queue = world.topic(), world.queue()
    subscription = world.subscribe(topic, queue)
    world.publish(topic, "1")
    world.set_subscription(subscription, "RawMessageDelivery", "true")
    world.publish(topic, "2")
    world.set_subscription(subscription, "FilterPolicy", '{"a":["b"]}')
    world.publish(topic, "3")
    world.publish(topic, "4", MessageAttributes={"a": text("b")})
    first, *others = world.bodies(queue)
    assert json.loads(first)["Message"] == "1"
    assert others == ["2", "4"]


def test_a_queue_made_later_gets_what_is_published_later(world: World):
    topic = world.topic()
    queue = f"arn:aws:sqs:{REGION}:{ACCOUNT}:late"
    world.subscribe(topic, queue, RawMessageDelivery="true")
    world.publish(topic, "lost")
    world.queue("late")
    world.publish(topic, "found")
    assert world.bodies(queue) == ["found"]


def test_a_queues_own_delay_holds(world: World):
    topic, queue = world.topic(), world.queue(DelaySeconds="10")
    world.subscribe(topic, queue)
    world.publish(topic)
    assert world.receive(queue) == []
    world.pass_s(10)
    assert len(world.receive(queue)) == 1


def test_a_queues_maximum_size_does_not_hold(world: World):
    topic, queue = world.topic(), world.queue(MaximumMessageSize="1024")
    world.subscribe(topic, queue, RawMessageDelivery="true")
    world.publish(topic, "x" * 262_144)
    (body,) = world.bodies(queue)
    assert len(body) == 262_144


def test_a_receiver_is_woken(world: World):
    topic, queue = world.topic(), world.queue()
    world.subscribe(topic, queue)
    (queue_id,) = sql(world.store, "SELECT id FROM sqs_queue")[0]
    woken: list[int] = []
    world.store.wakes.park((f"sqs:{queue_id}",), lambda: woken.append(1))
    world.publish(topic)
    assert woken == [1]


# --- structure


def test_each_protocol_gets_its_own_text(world: World):
    topic, queue = world.topic(), world.queue()
    world.subscribe(topic, queue)
    structured = {"default": "default field", "sqs": json.dumps({"field": "value"}), "http": {"not": "text"}}
    world.publish(topic, json.dumps(structured), MessageStructure="json")
    world.publish(topic, '{"default":"default field","sqs":5}', MessageStructure="json")
    messages = [one["Message"] for one in world.envelopes(queue)]
    assert messages == ['{"field": "value"}', "default field"]


@pytest.mark.parametrize(
    ("message", "sentence"),
    [
        ('{"sqs":"x"}', "No default entry in JSON message body"),
        ('{"default":5}', "No default entry in JSON message body"),
        ('{"default": "x"', "JSON message body failed to parse"),
        ("[]", "JSON message body failed to parse"),
    ],
)
def test_a_bad_structure_is_refused(world: World, message: str, sentence: str):
    topic = world.topic()
    sentence = f"Invalid parameter: Message Structure - {sentence}"
    assert world.says("Publish", TopicArn=topic, Message=message, MessageStructure="json") == sentence
    entries = [{"Id": "1", "Message": "fine"}, {"Id": "2", "Message": message, "MessageStructure": "json"}]
    assert world.says("PublishBatch", TopicArn=topic, PublishBatchRequestEntries=entries) == sentence


def test_of_two_equal_keys_one_counts(world: World):
    topic, queue = world.topic(), world.queue()
    world.subscribe(topic, queue)
    world.publish(topic, '{"default":"one","default":"two"}', MessageStructure="json")
    assert world.envelopes(queue)[0]["Message"] == "two"


# --- what is refused


@pytest.mark.parametrize("subject", ["", "x" * 101, "two\nlines", "bell\x07"])
def test_a_bad_subject_is_refused(world: World, subject: str):
    assert world.says("Publish", TopicArn=world.topic(), Message="x", Subject=subject) == "Invalid parameter: Subject"


def test_a_good_subject_is_kept(world: World):
    topic, queue = world.topic(), world.queue()
    world.subscribe(topic, queue)
    for subject in ("x" * 100, "größer 👩‍🚀", "[Subject] Test subject"):
        world.publish(topic, Subject=subject)
    assert [one["Subject"] for one in world.envelopes(queue)] == ["x" * 100, "größer 👩‍🚀", "[Subject] Test subject"]


def test_a_message_has_a_size(world: World):
    topic = world.topic()
    assert world.says("Publish", TopicArn=topic, Message="") == "Invalid parameter: Empty message"
    world.publish(topic, "ä" * 131_072)
    assert world.says("Publish", TopicArn=topic, Message="ä" * 131_072 + "x") == "Invalid parameter: Message too long"
    attributes = {"k": text("v" * 3)}  # name, type and value: 1 + 6 + 3
    world.publish(topic, "x" * (262_144 - 10), MessageAttributes=attributes)
    assert (
        world.says("Publish", TopicArn=topic, Message="x" * (262_144 - 9), MessageAttributes=attributes)
        == "Invalid parameter: Message too long"
    )
    world.set_topic(topic, "MaximumMessageSize", "1024")
    world.publish(topic, "x" * 1024)
    assert world.says("Publish", TopicArn=topic, Message="x" * 1025) == "Invalid parameter: Message too long"
    world.set_topic(topic, "MaximumMessageSize", "1048576")
    world.publish(topic, "x" * 1_048_576)


def test_a_standard_topic_has_no_deduplication(world: World):
    assert world.says("Publish", TopicArn=world.topic(), Message="x", MessageDeduplicationId="d") == (
        "Invalid parameter: MessageDeduplicationId Reason: The request includes MessageDeduplicationId parameter that"
        " is not valid for this topic type"
    )


def test_somebody_must_be_published_to(world: World):
    topic = world.topic()
    assert (
        world.says("Publish", Message="x")
        == "Invalid parameter: TopicArn or TargetArn Reason: no value for required parameter"
    )
    assert world.refused("Publish", Message="x", TopicArn=topic, TargetArn=topic).code == "InvalidParameterException"
    error = world.refused("Publish", Message="x", PhoneNumber="+15551234567", TopicArn=topic)
    assert error.code == "InvalidParameterException"
    endpoint = f"arn:aws:sns:{REGION}:{ACCOUNT}:endpoint/GCM/app/01234567-89ab-cdef-0123-456789abcdef"
    assert (
        world.says("Publish", Message="x", TargetArn=endpoint)
        == "Invalid parameter: TargetArn Reason: No endpoint found for the target arn specified"
    )
    assert (
        world.says("Publish", Message="x", PhoneNumber="12a")
        == "Invalid parameter: PhoneNumber Reason: 12a is not valid to publish to"
    )


def test_a_topic_may_be_the_target(world: World):
    topic, queue = world.topic(), world.queue()
    world.subscribe(topic, queue, RawMessageDelivery="true")
    world("Publish", TargetArn=topic, Message="to the target")
    assert world.bodies(queue) == ["to the target"]


VALUE = "must contain non-empty message attribute value for message attribute type"
ONLY = "Can only include alphanumeric characters, hyphens, underscores, or dots."
TYPES = "has an invalid message attribute type, the set of supported type prefixes is Binary, Number, and String."


@pytest.mark.parametrize(
    ("name", "value", "sentence"),
    [
        ("attr1", {"DataType": "String", "StringValue": ""}, f"The message attribute 'attr1' {VALUE} 'String'."),
        ("attr1", {"DataType": "String"}, f"The message attribute 'attr1' {VALUE} 'String'."),
        ("attr1", {"DataType": "Binary", "BinaryValue": b""}, f"The message attribute 'attr1' {VALUE} 'Binary'."),
        (
            "attr1",
            {"DataType": "String", "BinaryValue": b"x"},
            "The message attribute 'attr1' with type 'String' must use field 'String'.",
        ),
        (
            "attr1",
            {"DataType": "Number", "BinaryValue": b"x"},
            "The message attribute 'attr1' with type 'Number' must use field 'String'.",
        ),
        (
            "attr1",
            {"DataType": "Binary", "StringValue": "x"},
            "The message attribute 'attr1' with type 'Binary' must use field 'Binary'.",
        ),
        ("attr1", {"DataType": "InvalidType", "StringValue": "x"}, f"The message attribute 'attr1' {TYPES}"),
        ("attr1", {"DataType": "Stringprefixed", "StringValue": "x"}, f"The message attribute 'attr1' {TYPES}"),
        (
            "attr1",
            {"DataType": "Number", "StringValue": "many"},
            "Could not cast message attribute 'attr1' value to number.",
        ),
        ("a" * 257, text("x"), "Length of message attribute name must be less than 256 bytes."),
        (
            "attr^1",
            text("x"),
            f"Invalid non-alphanumeric character '#x5E' was found in the message attribute name. {ONLY}",
        ),
        (".attr", text("x"), "Invalid message attribute name starting with character '.' was found."),
        ("attr.", text("x"), "Invalid message attribute name ending with character '.' was found."),
        ("at..tr", text("x"), "Message attribute name can not have successive '.' character."),
    ],
)
def test_a_bad_attribute_is_refused(world: World, name: str, value: dict[str, Any], sentence: str):
    topic = world.topic()
    error = world.refused("Publish", TopicArn=topic, Message="x", MessageAttributes={name: value})
    assert (error.code, error.message) == ("InvalidParameterValueException", sentence)
    entries = [{"Id": "1", "Message": "x", "MessageAttributes": {name: value}}]
    assert world.says("PublishBatch", TopicArn=topic, PublishBatchRequestEntries=entries) == sentence


def test_types_may_have_labels(world: World):
    topic, queue = world.topic(), world.queue()
    world.subscribe(topic, queue, RawMessageDelivery="true")
    attributes = {
        "a": {"DataType": "String.prefixed", "StringValue": "x"},
        "b": {"DataType": "Binary.png", "BinaryValue": b"x"},
        "c": {"DataType": "String.Array", "StringValue": '["x"]'},
        "d": {"DataType": "Number.int", "StringValue": "-5e3"},
    }
    world.publish(topic, MessageAttributes=attributes)
    (message,) = world.receive(queue)
    assert message["MessageAttributes"] == attributes


# --- batches


def test_a_batch_is_published(world: World):
    topic, queue = world.topic(), world.queue()
    world.subscribe(topic, queue)
    entries = [{"Id": str(number), "Message": f"m{number}"} for number in range(10)]
    answer = world("PublishBatch", TopicArn=topic, PublishBatchRequestEntries=entries)
    assert answer["Failed"] == []
    assert [one["Id"] for one in answer["Successful"]] == [str(number) for number in range(10)]
    sent = {one["MessageId"]: one["Id"] for one in answer["Successful"]}
    received = {one["MessageId"]: one["Message"] for one in world.envelopes(queue)}
    assert {sent[message_id]: message for message_id, message in received.items()} == {
        str(number): f"m{number}" for number in range(10)
    }


def test_an_entry_may_fail_alone(world: World):
    """Which errors AWS reports so is not recorded."""
    topic, queue = world.topic(), world.queue()
    world.subscribe(topic, queue, RawMessageDelivery="true")
    entries = [
        {"Id": "1", "Message": ""}, {"Id": "2", "Message": "fine"}, {"Id": "3", "Message": "x", "Subject": ""},
    ]  # fmt: skip
    answer = world("PublishBatch", TopicArn=topic, PublishBatchRequestEntries=entries)
    assert [one["Id"] for one in answer["Successful"]] == ["2"]
    assert answer["Failed"] == [
        {
            "Id": "1", "Code": "InvalidParameter", "Message": "Invalid parameter: Empty message", "SenderFault": True,
        },
        {"Id": "3", "Code": "InvalidParameter", "Message": "Invalid parameter: Subject", "SenderFault": True},
    ]  # fmt: skip
    assert world.bodies(queue) == ["fine"]


@pytest.mark.parametrize(
    ("ids", "code", "sentence"),
    [
        ([], "EmptyBatchRequestException", "The batch request doesn't contain any entries."),
        (
            [str(number) for number in range(11)],
            "TooManyEntriesInBatchRequestException",
            "The batch request contains more entries than permissible.",
        ),
        (
            ["1", "1"],
            "BatchEntryIdsNotDistinctException",
            "Two or more batch entries in the request have the same Id.",
        ),
        (
            ["1.2"],
            "InvalidBatchEntryIdException",
            "The Id of a batch entry in the batch request contains an impermissible character: .",
        ),
        (
            ["x" * 81],
            "InvalidBatchEntryIdException",
            f"The Id of a batch entry in the batch request is too long: {'x' * 81}",
        ),
    ],
)
def test_a_bad_batch_is_refused(world: World, ids: list[str], code: str, sentence: str):
    entries = [{"Id": one, "Message": "x"} for one in ids]
    error = world.refused("PublishBatch", TopicArn=world.topic(), PublishBatchRequestEntries=entries)
    assert (error.code, error.message) == (code, sentence)


def test_a_batch_has_a_size(world: World):
    topic, queue = world.topic(), world.queue()
    world.subscribe(topic, queue)
    entries = [{"Id": str(number), "Message": "x" * 131_072} for number in range(2)]
    world("PublishBatch", TopicArn=topic, PublishBatchRequestEntries=entries)
    entries[0]["MessageAttributes"] = {"k": text("v")}
    error = world.refused("PublishBatch", TopicArn=topic, PublishBatchRequestEntries=entries)
    assert (error.code, error.message) == (
        "BatchRequestTooLongException", "The length of all the messages put together is more than the limit.",
    )  # fmt: skip
    assert len(world.receive(queue)) == 2


# --- what queues refuse


def dead(queue: str) -> str:
    return json.dumps({"deadLetterTargetArn": queue})


@pytest.mark.parametrize("raw", ["true", "false"])
def test_what_a_queue_does_not_take_is_a_dead_letter(world: World, raw: str):
    topic, queue, letters = world.topic(), world.queue(), world.queue("letters")
    subscription = world.subscribe(topic, queue, RedrivePolicy=dead(letters), RawMessageDelivery=raw)
    world("DeleteQueue", QueueUrl=f"{BASE}/{ACCOUNT}/q")
    sent = world.publish(topic, "nobody there", MessageAttributes={"a": text("b")})
    (letter,) = world.receive(letters)
    if raw == "true":
        assert letter["Body"] == "nobody there"
        assert letter["MessageAttributes"] == {"a": text("b")}
    else:
        envelope = json.loads(letter["Body"])
        assert (envelope["MessageId"], envelope["Message"]) == (sent["MessageId"], "nobody there")
        assert envelope["UnsubscribeURL"].endswith(subscription)
    outcomes = sql(world.store, "SELECT outcome, count, last_error FROM sns_delivery_count ORDER BY outcome")
    assert outcomes == [("dead_letter", 1, None), ("failed", 1, "The specified queue does not exist.")]


def test_a_dead_letter_may_be_lost(world: World):
    topic, queue = world.topic(), world.queue()
    world.subscribe(topic, f"{queue}-gone", RedrivePolicy=dead(f"{queue}-gone-too"))
    world.subscribe(topic, queue, RawMessageDelivery="true")
    world.publish(topic, "for who is there")
    assert world.bodies(queue) == ["for who is there"]
    outcomes = sql(world.store, "SELECT outcome FROM sns_delivery_count ORDER BY outcome")
    assert outcomes == [("dead_letter_failed",), ("failed",)]


def test_a_queue_takes_ten_attributes(world: World):
    topic, queue, letters = world.topic(), world.queue(), world.queue("letters")
    world.subscribe(topic, queue, RawMessageDelivery="true", RedrivePolicy=dead(letters))
    enveloped = world.queue("enveloped")
    world.subscribe(topic, enveloped)
    world.publish(topic, MessageAttributes={f"a{number}": text("x") for number in range(11)})
    assert world.receive(queue) == []
    assert len(world.envelopes(enveloped)[0]["MessageAttributes"]) == 11
    assert sql(world.store, "SELECT outcome FROM sns_delivery_count ORDER BY id") == [
        ("failed",), ("dead_letter_failed",),
    ]  # fmt: skip


def test_a_queue_does_not_get_what_is_for_phones(world: World):
    """Queues refuse names with the prefix AWS.; what SNS does then is not recorded."""
    topic, queue = world.topic(), world.queue()
    world.subscribe(topic, queue, RawMessageDelivery="true")
    world.publish(topic, MessageAttributes={"AWS.SNS.SMS.SMSType": text("Promotional"), "a": text("b")})
    (message,) = world.receive(queue)
    assert message["MessageAttributes"] == {"a": text("b")}


def test_a_queue_refuses_what_xml_cannot_write(world: World):
    topic, queue = world.topic(), world.queue()
    world.subscribe(topic, queue, RawMessageDelivery="true")
    world.publish(topic, "not a character: \ufffe")
    assert world.receive(queue) == []
    assert sql(world.store, "SELECT outcome FROM sns_delivery_count") == [("failed",)]


# --- many subscribers


def test_a_crowd_is_served_in_steps(world: World, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("waypost.services.sns.delivery.FAN_OUT_MAX", 4)
    topic = world.topic()
    queues = [world.queue(f"q{number}") for number in range(10)]
    for queue in queues:
        world.subscribe(topic, queue)
    sent = world.publish(topic, "to a crowd", Subject="s")
    assert world.receive(queues[0]) == []
    assert world.work("sns.fan_out") == 3
    for queue in queues:
        (envelope,) = world.envelopes(queue)
        assert (envelope["MessageId"], envelope["Message"], envelope["Subject"]) == (
            sent["MessageId"], "to a crowd", "s",
        )  # fmt: skip
        assert envelope["UnsubscribeURL"].startswith(BASE)


def test_a_crowd_that_is_gone_gets_nothing(world: World, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("waypost.services.sns.delivery.FAN_OUT_MAX", 1)
    topic = world.topic()
    for number in range(2):
        world.subscribe(topic, world.queue(f"q{number}"))
    world.publish(topic)
    world("DeleteTopic", TopicArn=topic)
    world.topic()
    world.work()
    assert world.jobs("sns.fan_out") == 0
    assert world.count("sqs_message") == 0
