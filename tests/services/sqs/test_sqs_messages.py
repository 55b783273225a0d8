"""Messages of standard queues: sent, received, hidden, deleted, dead."""

import json
import sqlite3
from typing import Any

import pytest
from tests.services.sqs.world import ACCOUNT, START_MS, World, arn

from waypost.service import Park

TEXT = {"DataType": "String", "StringValue": "foobar"}


def test_a_message_goes_through(world: World) -> None:
    url = world.queue()
    sent = world.send(
        url,
        "hello",
        MessageAttributes={"MyAttribute": TEXT},
        MessageSystemAttributes={"AWSTraceHeader": {"DataType": "String", "StringValue": "Root=1"}},
    )
    assert sent["MD5OfMessageBody"] == "5d41402abc4b2a76b9719d911017c592"
    assert sent["MD5OfMessageAttributes"] == "adb59cd4678ea5a855436b949cd07ab6"
    assert "MD5OfMessageSystemAttributes" in sent
    assert "SequenceNumber" not in sent
    world.pass_s(1)
    (message,) = world.receive(url, MessageSystemAttributeNames=["All"], MessageAttributeNames=["All"])
    handle = message.pop("ReceiptHandle")
    assert message == {
        "MessageId": sent["MessageId"],
        "MD5OfBody": sent["MD5OfMessageBody"],
        "Body": "hello",
        "Attributes": {
            "SenderId": ACCOUNT,
            "SentTimestamp": str(START_MS),
            "ApproximateReceiveCount": "1",
            "ApproximateFirstReceiveTimestamp": str(START_MS + 1_000),
            "AWSTraceHeader": "Root=1",
        },
        "MD5OfMessageAttributes": sent["MD5OfMessageAttributes"],
        "MessageAttributes": {"MyAttribute": TEXT},
    }
    assert world.receive(url) == []
    world("DeleteMessage", QueueUrl=url, ReceiptHandle=handle)
    world("DeleteMessage", QueueUrl=url, ReceiptHandle=handle)
    world.pass_s(3_600)
    assert world.receive(url) == []


def test_a_message_shows_only_what_was_asked_for(world: World) -> None:
    url = world.queue(VisibilityTimeout="0")
    world.send(url, MessageAttributes={"a": TEXT, "b": {"DataType": "Binary", "BinaryValue": b"\x00"}})
    (message,) = world.receive(url)
    assert set(message) == {"MessageId", "ReceiptHandle", "MD5OfBody", "Body"}
    (message,) = world.receive(url, MessageAttributeNames=["b"], AttributeNames=["SentTimestamp"])
    assert message["MessageAttributes"] == {"b": {"DataType": "Binary", "BinaryValue": b"\x00"}}
    assert message["Attributes"] == {"SentTimestamp": str(START_MS)}
    (message,) = world.receive(url, MessageAttributeNames=["c"])
    assert "MessageAttributes" not in message
    assert world.refused("ReceiveMessage", QueueUrl=url, AttributeNames=["X"]).code == "InvalidAttributeName"


def test_old_and_new_names_of_system_attributes(world: World) -> None:
    url = world.queue(VisibilityTimeout="0")
    world.send(url)
    request = {
        "QueueUrl": url, "AttributeNames": ["SentTimestamp"], "MessageSystemAttributeNames": ["SenderId"],
    }  # fmt: skip
    (message,) = world.run("ReceiveMessage", request)["Messages"]
    assert set(message["Attributes"]) == {"SentTimestamp", "SenderId"}
    (message,) = world.run("ReceiveMessage", request, wire="query")["Messages"]
    assert set(message["Attributes"]) == {"SenderId"}
    del request["MessageSystemAttributeNames"]
    (message,) = world.run("ReceiveMessage", request, wire="query")["Messages"]
    assert set(message["Attributes"]) == {"SentTimestamp"}


def test_a_mebibyte_lies_beside_its_row(world: World) -> None:
    url = world.queue()
    body = "é" * 524_288
    sent = world.send(url, body)
    assert world.count("sqs_body") == 1
    (message,) = world.receive(url)
    assert (message["Body"], message["MD5OfBody"]) == (body, sent["MD5OfMessageBody"])
    world.delete(url, message)
    assert world.count("sqs_body") == 0


@pytest.mark.parametrize(
    ("request_", "code", "says"),
    [
        ({}, "MissingRequiredParameterException", "The request must contain the parameter MessageBody."),
        ({"MessageBody": ""}, "MissingRequiredParameterException", None),
        (
            {"MessageBody": "a\x07"},
            "InvalidMessageContents",
            (
                "Invalid binary character '#x7' was found in the message body, the set of allowed characters is #x9 |"
                " #xA | #xD | [#x20-#xD7FF] | [#xE000-#xFFFD] | [#x10000-#x10FFFF]."
            ),
        ),
        (
            {"MessageBody": "x" * 1025},
            "InvalidParameterValueException",
            "One or more parameters are invalid. Reason: Message must be shorter than 1024 bytes.",
        ),
        ({"MessageBody": "x" * 1006, "MessageAttributes": {"abcdefg": TEXT}}, "InvalidParameterValueException", None),
        ({"MessageBody": "x", "DelaySeconds": 901}, "InvalidParameterValueException", None),
        ({"MessageBody": "x", "DelaySeconds": -1}, "InvalidParameterValueException", None),
        (
            {"MessageBody": "x", "MessageDeduplicationId": "d"},
            "InvalidParameterValueException",
            (
                "Value d for parameter MessageDeduplicationId is invalid. Reason: The request includes a parameter that"
                " is not valid for this queue type."
            ),
        ),
        ({"MessageBody": "x", "MessageGroupId": "a b"}, "InvalidParameterValueException", None),
        (
            {"MessageBody": "x", "MessageAttributes": {"X": {"DataType": "String", "StringValue": ""}}},
            "InvalidParameterValueException",
            "Message (user) attribute 'X' must contain a non-empty value of type 'String'.",
        ),
    ],
)
def test_messages_that_cannot_be(world: World, request_: dict[str, Any], code: str, says: str | None) -> None:
    url = world.queue(MaximumMessageSize="1024")
    error = world.refused("SendMessage", QueueUrl=url, **request_)
    assert error.code == code
    assert says is None or error.message == says
    assert world.count("sqs_message") == 0


@pytest.mark.parametrize("kind", ["MessageAttributes", "MessageSystemAttributes"])
@pytest.mark.parametrize("lists", [{"StringListValues": []}, {"BinaryListValues": [b"x"]}])
def test_attributes_have_no_lists_though_the_model_does(world: World, kind: str, lists: dict[str, Any]) -> None:
    """Not even empty ones: https://github.com/ruby-shoryuken/shoryuken/issues/769 ."""
    url = world.queue()
    listed = {"MessageBody": "x", kind: {"AWSTraceHeader": {**TEXT, **lists}}}
    error = world.refused("SendMessage", QueueUrl=url, **listed)
    assert (error.code, error.message) == (
        "UnsupportedOperation",
        "Message attribute list values in SendMessage operation are not supported.",
    )
    entries = [{"Id": "good", "MessageBody": "x"}, {"Id": "bad", **listed}]
    error = world.refused("SendMessageBatch", QueueUrl=url, Entries=entries)
    assert error.message == "Message attribute list values in SendMessageBatch operation are not supported."
    assert world.receive(url) == []


def test_the_largest_message_counts_names_types_and_values(world: World) -> None:
    url = world.queue(MaximumMessageSize="1024")
    world.send(url, "x" * 1024)
    world.send(url, "x" * (1024 - 7 - 6 - 6), MessageAttributes={"abcdefg": TEXT})
    trace = {"AWSTraceHeader": {"DataType": "String", "StringValue": "not counted"}}
    world.send(url, "x" * 1024, MessageSystemAttributes=trace)


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        (
            "MaxNumberOfMessages",
            11,
            "Value 11 for parameter MaxNumberOfMessages is invalid. Reason: Must be between 1 and 10, if provided.",
        ),
        ("MaxNumberOfMessages", 0, "Reason: Must be between 1 and 10, if provided."),
        (
            "WaitTimeSeconds",
            21,
            "Value 21 for parameter WaitTimeSeconds is invalid. Reason: Must be >= 0 and <= 20, if provided.",
        ),
        ("WaitTimeSeconds", -1, "Reason: Must be >= 0 and <= 20, if provided."),
        ("VisibilityTimeout", 43_201, "Reason: Must be >= 0 and <= 43200, if provided."),
        (
            "ReceiveRequestAttemptId",
            "a b",
            "can only include alphanumeric and punctuation characters. 1 to 128 in length.",
        ),
    ],
)
def test_receives_that_cannot_be(world: World, name: str, value: Any, says: str) -> None:
    error = world.refused("ReceiveMessage", QueueUrl=world.queue(), **{name: value})
    assert error.code == "InvalidParameterValueException"
    assert error.message.endswith(says)


def test_messages_come_in_the_order_of_sending_one_unless_more_are_wanted(world: World) -> None:
    url = world.queue()
    for number in range(15):
        world.send(url, str(number))
    assert world("ReceiveMessage", QueueUrl=url)["Messages"][0]["Body"] == "0"
    assert world.bodies(url, 10) == [str(number) for number in range(1, 11)]
    assert world.bodies(url, 10) == [str(number) for number in range(11, 15)]


def test_delay(world: World) -> None:
    url = world.queue(DelaySeconds="5")
    world.send(url, "queue's")
    world.send(url, "own", DelaySeconds=2)
    world.send(url, "none", DelaySeconds=0)
    assert world.counts(url) == (1, 0, 2)
    assert world.bodies(url) == ["none"]
    world.pass_s(2)
    assert world.bodies(url) == ["own"]
    world.pass_s(3)
    assert world.bodies(url) == ["queue's"]


def test_those_visible_longest_come_first(world: World) -> None:
    url = world.queue()
    for seconds in (10, 2, 5):
        world.send(url, str(seconds), DelaySeconds=seconds)
    world.pass_s(10)
    assert world.bodies(url, 2) == ["2", "5"]
    assert world.bodies(url, 2) == ["10"]


def test_visibility(world: World) -> None:
    url = world.queue(VisibilityTimeout="10")
    world.send(url)
    (first,) = world.receive(url)
    assert world.counts(url) == (0, 1, 0)
    world.pass_s(9.999)
    assert world.receive(url) == []
    world.pass_s(0.001)
    assert world.counts(url) == (1, 0, 0)
    (second,) = world.receive(url, VisibilityTimeout=100, AttributeNames=["All"])
    assert second["ReceiptHandle"] != first["ReceiptHandle"]
    assert second["Attributes"]["ApproximateReceiveCount"] == "2"
    assert second["Attributes"]["ApproximateFirstReceiveTimestamp"] == str(START_MS)
    world.pass_s(50)
    assert world.receive(url) == []
    world.delete(url, first)  # an older handle deletes, too
    world.pass_s(50)
    assert world.receive(url) == []


def change(world: World, url: str, message: dict[str, Any], seconds: int) -> None:
    world("ChangeMessageVisibility", QueueUrl=url, ReceiptHandle=message["ReceiptHandle"], VisibilityTimeout=seconds)


def test_change_visibility(world: World) -> None:
    url = world.queue(VisibilityTimeout="10")
    world.send(url)
    (message,) = world.receive(url)
    world.pass_s(5)
    change(world, url, message, 10)
    world.pass_s(9)
    assert world.receive(url) == []
    change(world, url, message, 0)
    assert len(world.receive(url)) == 1
    world.pass_s(10)  # the change was for that receive only
    (message,) = world.receive(url)
    world.pass_s(100)
    change(world, url, message, 30)  # after it expired: the message is still there
    assert world.receive(url) == []


def test_change_visibility_has_limits(world: World) -> None:
    url = world.queue()
    world.send(url)
    (message,) = world.receive(url)
    handle = message["ReceiptHandle"]
    world.pass_s(3_600)
    request = {"QueueUrl": url, "ReceiptHandle": handle}
    change(world, url, message, 43_200 - 3_600)
    error = world.refused("ChangeMessageVisibility", VisibilityTimeout=43_200 - 3_599, **request)
    assert "Total VisibilityTimeout for the message is beyond the limit [43200 seconds]" in error.message
    for bad in (-1, 43_201):
        error = world.refused("ChangeMessageVisibility", VisibilityTimeout=bad, **request)
        assert error.code == "InvalidParameterValueException"
    assert world.refused("ChangeMessageVisibility", **request).message == (
        "The request must contain the parameter VisibilityTimeout."
    )
    world.delete(url, message)
    error = world.refused("ChangeMessageVisibility", VisibilityTimeout=1, **request)
    assert error.message == (
        f"Value {handle} for parameter ReceiptHandle is invalid. Reason: Message does not exist or is not available for"
        " visibility timeout change."
    )


def test_handles_are_checked(world: World) -> None:
    url, other = world.queue(), world.queue("other")
    world.send(url)
    (message,) = world.receive(url)
    for handle in ("garbage", message["ReceiptHandle"][:-4], message["ReceiptHandle"] + "AAAA"):
        error = world.refused("DeleteMessage", QueueUrl=url, ReceiptHandle=handle)
        assert error.code == "ReceiptHandleIsInvalid"
        assert error.message == f'The input receipt handle "{handle}" is not a valid receipt handle.'
    error = world.refused("DeleteMessage", QueueUrl=other, ReceiptHandle=message["ReceiptHandle"])
    assert error.code == "ReceiptHandleIsInvalid"
    assert error.message == f'The receipt handle "{message["ReceiptHandle"]}" is not valid for this queue.'
    # AWS's name for it in that sentence: https://github.com/aws/aws-sdk-js-v3/issues/5478
    error = world.refused("DeleteMessage", QueueUrl=url)
    assert error.message == "The request must contain the parameter MessageHandle."
    error = world.refused("ChangeMessageVisibility", QueueUrl=url, VisibilityTimeout=1)
    assert error.message == "The request must contain the parameter ReceiptHandle."
    error = world.refused("DeleteMessageBatch", QueueUrl=url, Entries=[{"Id": "a", "ReceiptHandle": ""}])
    assert error.message == "The request must contain the parameter DeleteMessageBatchRequestEntry.1.ReceiptHandle."
    error = world.refused("ChangeMessageVisibilityBatch", QueueUrl=url, Entries=[{"Id": "a"}])
    assert error.message == (
        "The request must contain the parameter ChangeMessageVisibilityBatchRequestEntry.1.ReceiptHandle."
    )


def test_an_expired_message_is_not_there_for_anyone(world: World) -> None:
    url = world.queue(MessageRetentionPeriod="60", VisibilityTimeout="10")
    for number in range(30):
        world.send(url, str(number), DelaySeconds=20 if number % 3 == 0 else 0)
    held = world.receive(url)  # these expire after they were received: no range of visible_at passes over them
    world.pass_s(59.999)
    assert len(world.receive(url, 10, VisibilityTimeout=0)) == 10
    world.pass_s(0.001)
    assert world.receive(url) == []
    assert world.counts(url) == (0, 0, 0)
    error = world.refused(
        "ChangeMessageVisibility", QueueUrl=url, ReceiptHandle=held[0]["ReceiptHandle"], VisibilityTimeout=1
    )
    assert "Message does not exist" in error.message
    world.send(url, "fresh")
    assert world.bodies(url) == ["fresh"]


def test_expired_messages_do_not_hide_a_fresh_one(world: World) -> None:
    url = world.queue(MessageRetentionPeriod="60", VisibilityTimeout="0")
    for _ in range(100):
        world.send(url)
    for _ in range(10):
        world.receive(url)
    world.pass_s(30)
    world.receive(url)
    world.send(url, "fresh")
    world.pass_s(30)
    assert world.bodies(url, VisibilityTimeout=30) == ["fresh"]


# --- batches


def test_a_batch_answers_for_each_entry(world: World) -> None:
    url = world.queue(MaximumMessageSize="1024")
    answer = world(
        "SendMessageBatch",
        QueueUrl=url,
        Entries=[
            {"Id": "good", "MessageBody": "a", "MessageAttributes": {"MyAttribute": TEXT}},
            {"Id": "long", "MessageBody": "x" * 1_025},
            {"Id": "zero", "MessageBody": "\x00"},
            {"Id": "late", "MessageBody": "b", "DelaySeconds": 5},
        ],
    )
    assert [entry["Id"] for entry in answer["Successful"]] == ["good", "late"]
    assert answer["Successful"][0]["MD5OfMessageAttributes"] == "adb59cd4678ea5a855436b949cd07ab6"
    long, zero = answer["Failed"]
    assert long == {
        "Id": "long",
        "SenderFault": True,
        "Code": "InvalidParameterValue",
        "Message": "One or more parameters cannot be validated. Reason: Message must be shorter than 1024 bytes.",
    }
    assert (zero["Id"], zero["Code"]) == ("zero", "InvalidMessageContents")
    messages = world.receive(url)
    entries = [{"Id": "a", "ReceiptHandle": messages[0]["ReceiptHandle"]}, {"Id": "b", "ReceiptHandle": "x"}]
    answer = world("DeleteMessageBatch", QueueUrl=url, Entries=entries)
    assert answer["Successful"] == [{"Id": "a"}]
    assert answer["Failed"][0]["Code"] == "ReceiptHandleIsInvalid"
    assert "Failed" not in world("DeleteMessageBatch", QueueUrl=url, Entries=entries[:1])
    assert "Successful" not in world("DeleteMessageBatch", QueueUrl=url, Entries=entries[1:])


def test_a_batch_may_be_a_mebibyte(world: World) -> None:
    url = world.queue()
    entries = [{"Id": "a", "MessageBody": "x" * 1_048_575}, {"Id": "b", "MessageBody": "y"}]
    assert len(world("SendMessageBatch", QueueUrl=url, Entries=entries)["Successful"]) == 2


def test_visibility_changes_in_batches(world: World) -> None:
    url = world.queue()
    for _ in range(2):
        world.send(url)
    one, two = world.receive(url)
    answer = world(
        "ChangeMessageVisibilityBatch",
        QueueUrl=url,
        Entries=[
            {"Id": "a", "ReceiptHandle": one["ReceiptHandle"], "VisibilityTimeout": 0},
            {"Id": "b", "ReceiptHandle": two["ReceiptHandle"], "VisibilityTimeout": 43_201},
            {"Id": "c", "ReceiptHandle": two["ReceiptHandle"]},
        ],
    )
    assert answer["Successful"] == [{"Id": "a"}]
    assert [(entry["Id"], entry["Code"]) for entry in answer["Failed"]] == [
        ("b", "InvalidParameterValue"),
        ("c", "MissingParameter"),
    ]
    assert [message["MessageId"] for message in world.receive(url)] == [one["MessageId"]]


@pytest.mark.parametrize(
    ("entries", "code", "says"),
    [
        ([], "EmptyBatchRequest", "There should be at least one SendMessageBatchRequestEntry in the request."),
        (
            [{"Id": str(n), "MessageBody": "x"} for n in range(20)],
            "TooManyEntriesInBatchRequest",
            "Maximum number of entries per request are 10. You have sent 20.",
        ),
        ([{"Id": "a", "MessageBody": "x"}] * 2, "BatchEntryIdsNotDistinct", "Id a repeated."),
        (
            [{"Id": "", "MessageBody": "x"}],
            "InvalidBatchEntryId",
            (
                "A batch entry id can only contain alphanumeric characters, hyphens and underscores. It can be at most"
                " 80 letters long."
            ),
        ),
        ([{"Id": "x" * 81, "MessageBody": "x"}], "InvalidBatchEntryId", None),
        ([{"Id": "a.b", "MessageBody": "x"}], "InvalidBatchEntryId", None),
        (
            [{"Id": str(n), "MessageBody": "x" * 524_288} for n in range(2)] + [{"Id": "c", "MessageBody": "x"}],
            "BatchRequestTooLong",
            "Batch requests cannot be longer than 1048576 bytes. You have sent 1048577 bytes.",
        ),
        (
            [{"Id": "a", "MessageBody": "x"}, {"Id": "b"}],
            "MissingRequiredParameterException",
            "The request must contain the parameter SendMessageBatchRequestEntry.2.MessageBody.",
        ),
        (
            [{"MessageBody": "x"}],
            "MissingRequiredParameterException",
            "The request must contain the parameter SendMessageBatchRequestEntry.1.Id.",
        ),
        (
            [{"Id": "bad", "MessageBody": "\x00" + "x" * 1_048_575}, {"Id": "b", "MessageBody": "x"}],
            "BatchRequestTooLong",
            "Batch requests cannot be longer than 1048576 bytes. You have sent 1048577 bytes.",
        ),
    ],
)
def test_batches_that_cannot_be(world: World, entries: list[Any], code: str, says: str | None) -> None:
    error = world.refused("SendMessageBatch", QueueUrl=world.queue(), Entries=entries)
    assert error.code == code
    assert says is None or error.message == says
    assert world.count("sqs_message") == 0


def test_a_full_batch(world: World) -> None:
    url = world.queue()
    entries = [{"Id": str(n), "MessageBody": "x" * 104_857} for n in range(10)]
    assert len(world("SendMessageBatch", QueueUrl=url, Entries=entries)["Successful"]) == 10


# --- dead letters


def source(world: World, receives_max: int, name: str = "source", **attributes: str) -> str:
    policy = json.dumps({"deadLetterTargetArn": arn("dlq"), "maxReceiveCount": receives_max})
    return world.queue(name, RedrivePolicy=policy, **attributes)


def test_a_message_received_too_often_moves_to_the_dead_letter_queue(world: World) -> None:
    dlq = world.queue("dlq")
    url = source(world, 2, VisibilityTimeout="1")
    sent = world.send(url, "x" * 4_000, MessageAttributes={"a": TEXT})
    for _ in range(2):
        assert len(world.receive(url)) == 1
        world.pass_s(1)
    assert world.receive(dlq) == []
    assert world.receive(url) == []
    assert world.counts(url) == (0, 0, 0)
    assert world.counts(dlq) == (1, 0, 0)
    (message,) = world.receive(dlq, AttributeNames=["All"], MessageAttributeNames=["All"])
    assert message["MessageId"] == sent["MessageId"]
    assert message["Body"] == "x" * 4_000
    assert message["MessageAttributes"] == {"a": TEXT}
    assert message["Attributes"]["DeadLetterQueueSourceArn"] == arn("source")
    assert message["Attributes"]["ApproximateReceiveCount"] == "3"
    assert message["Attributes"]["SentTimestamp"] == str(START_MS)
    world.delete(dlq, message)
    assert (world.count("sqs_message"), world.count("sqs_body")) == (0, 0)


def test_a_receive_goes_on_past_dead_letters(world: World) -> None:
    dlq = world.queue("dlq")
    url = source(world, 1, VisibilityTimeout="1")
    for _ in range(25):
        world.send(url, "dead")
    while world.receive(url):
        pass
    world.pass_s(1)
    world.send(url, "alive")
    assert world.bodies(url) == ["alive"]
    assert world.counts(dlq) == (25, 0, 0)


def test_a_receive_moves_only_so_many_dead_letters_and_says_when_to_go_on(world: World) -> None:
    dlq = world.queue("dlq")
    url = source(world, 1, VisibilityTimeout="1")
    for _ in range(250):
        world.send(url, "dead")
    while world.receive(url):
        pass
    world.pass_s(1)
    parked = world.run("ReceiveMessage", {"QueueUrl": url, "MaxNumberOfMessages": 10, "WaitTimeSeconds": 20})
    assert isinstance(parked, Park)
    assert parked.retry_ms == world.now_ms
    assert world.counts(dlq) == (100, 0, 0)
    assert world.counts(url) == (150, 0, 0), "none is hidden that nobody got"


def test_dead_letters_wake_those_who_wait_for_them(world: World) -> None:
    dlq = world.queue("dlq")
    url = source(world, 1, VisibilityTimeout="0")
    parked = world.run("ReceiveMessage", {"QueueUrl": dlq, "WaitTimeSeconds": 20})
    woken: list[int] = []
    world.store.wakes.park(parked.keys, lambda: woken.append(1))
    world.send(url)
    world.receive(url)
    assert not woken
    world.receive(url)
    assert woken


def test_without_a_dead_letter_queue_messages_stay(world: World) -> None:
    dlq = world.queue("dlq")
    url = source(world, 1, VisibilityTimeout="1")
    world.send(url)
    world("DeleteQueue", QueueUrl=dlq)
    for _ in range(5):
        assert len(world.receive(url)) == 1
        world.pass_s(1)


@pytest.mark.parametrize("given_back", [False, True])
def test_a_message_that_fails_again_and_again_goes_to_the_back(world: World, given_back: bool) -> None:
    """AWS says so of what was received three times, where maxReceiveCount is greater; here it is so from the first."""
    world.queue("dlq")
    url = source(world, 10, VisibilityTimeout="1")
    world.send(url, "poison")
    for _ in range(3):
        (message,) = world.receive(url, 1)
        assert message["Body"] == "poison"
        if given_back:
            change(world, url, message, 0)
        else:
            world.pass_s(1)
    (message,) = world.receive(url, 1)
    for body in ("a", "b", "c"):
        world.pass_s(0.3)
        world.send(url, body)
    world.pass_s(0.05)
    if given_back:
        change(world, url, message, 0)
    world.pass_s(0.05)
    assert [world.bodies(url, 1) for _ in range(4)] == [["a"], ["b"], ["c"], ["poison"]]


def test_a_dead_letter_expires_as_old_as_it_is(world: World) -> None:
    dlq = world.queue("dlq", MessageRetentionPeriod="100")
    url = source(world, 1, VisibilityTimeout="1")
    world.send(url)
    world.receive(url)
    world.pass_s(60)
    world.receive(url)
    assert world.counts(dlq) == (1, 0, 0)
    world.pass_s(40)
    assert world.receive(dlq) == []


# --- long polls


def poll(world: World, url: str, seconds: int | None = 20, started_ms: int | None = None, most: int = 1) -> Any:
    request: dict[str, Any] = {"QueueUrl": url, "MaxNumberOfMessages": most}
    if seconds is not None:
        request["WaitTimeSeconds"] = seconds
    return world.run("ReceiveMessage", request, started_ms=started_ms)


def test_a_long_poll_parks_until_its_deadline(world: World) -> None:
    url = world.queue()
    started_ms = world.now_ms
    parked = poll(world, url)
    assert parked == Park((parked.keys[0],), started_ms + 20_000, None)
    world.pass_s(19.999)
    assert isinstance(poll(world, url, started_ms=started_ms), Park)
    world.pass_s(0.001)
    assert poll(world, url, started_ms=started_ms) == {}


def test_the_queue_may_have_a_wait_of_its_own(world: World) -> None:
    url = world.queue(ReceiveMessageWaitTimeSeconds="3")
    assert poll(world, url, seconds=None).until_ms == world.now_ms + 3_000
    assert poll(world, url, seconds=0) == {}


def test_time_brings_messages_to_those_who_wait(world: World) -> None:
    url = world.queue(VisibilityTimeout="7")
    world.send(url, DelaySeconds=5)
    assert poll(world, url).retry_ms == world.now_ms + 5_000
    world.send(url)
    world.receive(url)
    world.pass_s(1)
    assert poll(world, url).retry_ms == world.now_ms + 4_000


def test_every_change_that_may_bring_a_message_wakes_one_who_waits(world: World) -> None:
    url = world.queue()
    woken: list[str] = []

    def wait(name: str) -> None:
        world.store.wakes.park(poll(world, url).keys, lambda: woken.append(name))

    wait("a")
    wait("b")
    world.send(url)
    assert woken == ["a"]
    (message,) = world.receive(url)
    assert woken == ["a", "b"], "to learn when it becomes visible again"
    wait("c")
    change(world, url, message, 0)
    assert woken == ["a", "b", "c"]


def test_services_that_wait_for_messages_learn_the_key(world: World) -> None:
    url = world.queue()
    key = poll(world, url).keys[0]
    assert world.run("waypost:WakeKey", {"QueueUrl": url}) == {"Key": key}
    world.send(url, DelaySeconds=5)
    assert world.run("waypost:WakeKey", {"QueueUrl": url}) == {"Key": key, "RetryAtMs": world.now_ms + 5_000}


def test_a_call_between_services_does_not_wait(world: World) -> None:
    url = world.queue(ReceiveMessageWaitTimeSeconds="20")
    ctx = world.context()
    answer = world.store.run(
        lambda tx: ctx.calls.call(tx, ctx, "sqs", "ReceiveMessage", {"QueueUrl": url, "WaitTimeSeconds": 20})
    )
    assert answer == {}


def test_a_receive_attempts_id_does_nothing_on_a_standard_queue(world: World) -> None:
    """As on AWS: https://github.com/awspring/spring-cloud-aws/issues/529 ."""
    url = world.queue()
    for body in ("a", "b"):
        world.send(url, body)
    assert [world.bodies(url, 1, ReceiveRequestAttemptId="x") for _ in range(3)] == [["a"], ["b"], []]


def test_messages_carry_the_requests_trace_on(world: World) -> None:
    """https://docs.aws.amazon.com/xray/latest/devguide/xray-services-sqs.html"""
    url = world.queue()
    trace = "Root=1-5759e988-bd862e3fe1be46a994272793;Sampled=1"
    own = {"AWSTraceHeader": {"DataType": "String", "StringValue": "Root=1-own"}}
    sent = world.run("SendMessage", {"QueueUrl": url, "MessageBody": "a"}, trace=trace)
    assert "MD5OfMessageSystemAttributes" not in sent
    entries = [
        {"Id": "b", "MessageBody": "b"},
        {"Id": "c", "MessageBody": "c", "MessageSystemAttributes": own},
    ]
    world.run("SendMessageBatch", {"QueueUrl": url, "Entries": entries}, trace=trace)
    world.run("SendMessage", {"QueueUrl": url, "MessageBody": "d"}, trace="nonsense")
    world.run("SendMessage", {"QueueUrl": url, "MessageBody": "e"}, trace=trace, wire="internal")
    found = {
        message["Body"]: message.get("Attributes", {}).get("AWSTraceHeader")
        for message in world.receive(url, AttributeNames=["AWSTraceHeader"])
    }
    assert found == {"a": trace, "b": trace, "c": "Root=1-own", "d": None, "e": None}


def test_standard_queues_keep_message_groups(world: World) -> None:
    url = world.queue()
    for _ in range(2):
        world.send(url, MessageGroupId="tenant")
    first, second = world.receive(url, AttributeNames=["All"])
    assert first["Attributes"]["MessageGroupId"] == "tenant"
    assert second["Attributes"]["MessageGroupId"] == "tenant"
    assert world.count("sqs_group") == 0


def test_messages_outlive_the_process(tmp_path: Any) -> None:
    path = str(tmp_path / "w.db")
    world = World(path)
    url = world.queue(VisibilityTimeout="5")
    world.send(url, "kept")
    (message,) = world.receive(url)
    world.store.close_now()
    again = World(path, seed=8)
    again.pass_s(5)
    assert again.bodies(url) == ["kept"]
    again.delete(url, message)
    again.store.close_now()
    with sqlite3.connect(path) as db:
        assert db.execute("SELECT COUNT(*) FROM sqs_message").fetchone() == (0,)
    db.close()
