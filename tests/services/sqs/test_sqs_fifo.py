"""FIFO queues: order, groups, deduplication, sequence numbers, receive attempts."""

import hashlib
import json
from typing import Any

import pytest
from tests.services.sqs.world import World, arn

from waypost.service import Park


def send(world: World, url: str, body: str, group: str = "g", dedup: str | None = None, **more: Any) -> Any:
    return world.send(url, body, MessageGroupId=group, MessageDeduplicationId=dedup or body, **more)


def change(world: World, url: str, message: Any, seconds: int) -> None:
    world("ChangeMessageVisibility", QueueUrl=url, ReceiptHandle=message["ReceiptHandle"], VisibilityTimeout=seconds)


@pytest.mark.parametrize(
    ("request_", "code", "says"),
    [
        ({}, "MissingRequiredParameterException", "The request must contain the parameter MessageGroupId."),
        (
            {"MessageGroupId": "g"},
            "InvalidParameterValueException",
            (
                "The queue should either have ContentBasedDeduplication enabled or MessageDeduplicationId provided"
                " explicitly"
            ),
        ),
        (
            {"MessageGroupId": "g", "MessageDeduplicationId": "d", "DelaySeconds": 2},
            "InvalidParameterValueException",
            (
                "Value 2 for parameter DelaySeconds is invalid. Reason: The request include parameter that is not valid"
                " for this queue type."
            ),
        ),
        (
            {"MessageGroupId": "", "MessageDeduplicationId": "d"},
            "InvalidParameterValueException",
            (
                "Value  for parameter MessageGroupId is invalid. Reason: MessageGroupId can only include alphanumeric"
                " and punctuation characters. 1 to 128 in length."
            ),
        ),
        ({"MessageGroupId": "g", "MessageDeduplicationId": "é"}, "InvalidParameterValueException", None),
    ],
)
def test_messages_that_cannot_be(world: World, request_: dict[str, Any], code: str, says: str | None) -> None:
    error = world.refused("SendMessage", QueueUrl=world.fifo(), MessageBody="x", **request_)
    assert error.code == code
    assert says is None or error.message == says
    assert world.count("sqs_dedup") == 0


def test_a_batch_without_a_group_or_an_id_fails_as_a_whole(world: World) -> None:
    url = world.fifo()
    entries = [
        {"Id": "a", "MessageBody": "x", "MessageGroupId": "g", "MessageDeduplicationId": "d"},
        {"Id": "b", "MessageBody": "x", "MessageDeduplicationId": "e"},
    ]
    error = world.refused("SendMessageBatch", QueueUrl=url, Entries=entries)
    assert error.code == "InvalidParameterValueException"
    assert error.message == "The request must contain the parameter MessageGroupId."
    entries[1] = {"Id": "b", "MessageBody": "x", "MessageGroupId": "g"}
    error = world.refused("SendMessageBatch", QueueUrl=url, Entries=entries)
    assert (error.code, error.message) == (
        "InvalidParameterValueException",
        "The queue should either have ContentBasedDeduplication enabled or MessageDeduplicationId provided explicitly",
    )
    assert world.count("sqs_message") == 0


def test_what_a_fifo_message_shows(world: World) -> None:
    url = world.fifo()
    sent = world.send(url, "x", MessageGroupId="g", MessageDeduplicationId="d", DelaySeconds=0)
    (message,) = world.receive(url, AttributeNames=["All"])
    assert message["Attributes"]["MessageGroupId"] == "g"
    assert message["Attributes"]["MessageDeduplicationId"] == "d"
    assert message["Attributes"]["SequenceNumber"] == sent["SequenceNumber"]
    assert len(sent["SequenceNumber"]) == 20


def test_sequence_numbers_grow_in_a_group_even_if_the_clock_goes_back(world: World) -> None:
    url = world.fifo()
    numbers = [send(world, url, "0")["SequenceNumber"]]
    world.pass_s(-3_600)
    world.ids._last_row = 0
    numbers += [send(world, url, str(n))["SequenceNumber"] for n in range(1, 4)]
    assert numbers == sorted(set(numbers))
    assert send(world, url, "3")["SequenceNumber"] == numbers[3], "a duplicate gets the original's"
    world.pass_s(3_600)
    assert world.bodies(url) == ["0", "1", "2", "3"]


def test_a_group_in_flight_is_locked(world: World) -> None:
    url = world.fifo(VisibilityTimeout="10")
    for body in ("a1", "a2", "a3"):
        send(world, url, body, "a")
    send(world, url, "b1", "b")
    first, second = world.receive(url, 2)
    assert (first["Body"], second["Body"]) == ("a1", "a2")
    assert world.bodies(url) == ["b1"], "nothing of a group in flight"
    world.delete(url, first)
    assert world.bodies(url) == [], "one of it is still in flight"
    world.delete(url, second)
    assert world.bodies(url) == ["a3"]


def test_a_receive_takes_all_of_a_group_before_the_next(world: World) -> None:
    url = world.fifo()
    for number in range(4):
        for group in "ab":
            send(world, url, f"{group}{number}", group)
            world.pass_s(0.001)
    assert world.bodies(url, 6) == ["a0", "a1", "a2", "a3", "b0", "b1"]
    assert world.bodies(url) == []


def test_what_times_out_comes_again_in_order(world: World) -> None:
    url = world.fifo(VisibilityTimeout="10")
    for number in range(3):
        send(world, url, str(number))
    world.receive(url, 2)
    world.pass_s(10)
    assert world.bodies(url) == ["0", "1", "2"]


def send_as_recorded(world: World, url: str, *bodies: str) -> None:
    """``g1-m2`` goes to group g1; a millisecond lies between two messages."""
    for body in bodies:
        send(world, url, body, body[:2])
        world.pass_s(0.001)


def test_groups_given_back_come_after_those_who_waited(world: World) -> None:
    """Recorded of AWS, which gives these orders."""
    url = world.fifo()
    send_as_recorded(world, url, "g1-m1", "g2-m1", "g2-m2", "g3-m1", "g1-m2")
    assert world.bodies(url, 3, VisibilityTimeout=0) == ["g1-m1", "g1-m2", "g2-m1"]
    first, *others = world.bodies(url, 10, VisibilityTimeout=0)
    assert first == "g3-m1"
    # AWS: g1 and then g2; they came free at the same instant.
    assert others in (["g1-m1", "g1-m2", "g2-m1", "g2-m2"], ["g2-m1", "g2-m2", "g1-m1", "g1-m2"])


@pytest.mark.parametrize("seconds", [0, 1])
def test_one_message_of_several_in_flight_comes_back_alone(world: World, seconds: int) -> None:
    """Recorded of AWS."""
    url = world.fifo(VisibilityTimeout="30")
    send_as_recorded(world, url, "g1-m1", "g1-m2", "g2-m1")
    first, second = world.receive(url, 2)
    assert (first["Body"], second["Body"]) == ("g1-m1", "g1-m2")
    change(world, url, first, seconds)
    world.pass_s(seconds * 2)
    assert world.bodies(url, 3) == ["g2-m1", "g1-m1"]


def test_partial_and_full_deletes_of_what_is_in_flight(world: World) -> None:
    """Recorded of AWS."""
    url = world.fifo()
    send_as_recorded(world, url, "g1-m1", "g2-m1", "g1-m2", "g2-m2", "g1-m3", "g1-m4", "g3-m1")
    first, second = world.receive(url, 2)
    world.delete(url, first)
    others = world.receive(url, 10)
    assert [message["Body"] for message in others] == ["g2-m1", "g2-m2", "g3-m1"]
    for message in others:
        change(world, url, message, 0)
    world.pass_s(0.001)
    world.delete(url, second)
    bodies = world.bodies(url, 10)
    assert bodies[-2:] == ["g1-m3", "g1-m4"]
    assert sorted(bodies) == ["g1-m3", "g1-m4", "g2-m1", "g2-m2", "g3-m1"]


def test_extending_a_message_holds_back_all_after_it(world: World) -> None:
    url = world.fifo(VisibilityTimeout="10")
    for number in range(4):
        send(world, url, str(number))
    messages = world.receive(url, 3)
    change(world, url, messages[1], 100)
    world.pass_s(10)
    (again,) = world.receive(url)
    assert again["Body"] == "0", "the one before it, alone"
    world.delete(url, again)
    assert world.bodies(url) == []
    world.delete(url, messages[1])
    assert world.bodies(url) == ["2", "3"]


def test_giving_a_message_back_frees_its_group(world: World) -> None:
    url = world.fifo()
    for number in range(2):
        send(world, url, str(number))
    (message,) = world.receive(url, 1)
    parked = world.run("ReceiveMessage", {"QueueUrl": url, "WaitTimeSeconds": 20})
    assert isinstance(parked, Park)
    assert parked.retry_ms == world.now_ms + 30_000
    woken: list[int] = []
    world.store.wakes.park(parked.keys, lambda: woken.append(1))
    change(world, url, message, 0)
    assert woken
    assert world.bodies(url) == ["0", "1"]


def test_deleting_wakes_those_who_wait_for_the_group(world: World) -> None:
    url = world.fifo()
    for number in range(2):
        send(world, url, str(number))
    (message,) = world.receive(url, 1)
    parked = world.run("ReceiveMessage", {"QueueUrl": url, "WaitTimeSeconds": 20})
    woken: list[int] = []
    world.store.wakes.park(parked.keys, lambda: woken.append(1))
    world.delete(url, message)
    assert woken
    assert world.bodies(url) == ["1"]


def test_an_expired_handle_neither_deletes_nor_changes(world: World) -> None:
    url = world.fifo(VisibilityTimeout="10")
    send(world, url, "x")
    (message,) = world.receive(url)
    handle = message["ReceiptHandle"]
    world.pass_s(10)
    expired = f"Value {handle} for parameter ReceiptHandle is invalid. Reason: The receipt handle has expired."
    for operation, more in (("DeleteMessage", {}), ("ChangeMessageVisibility", {"VisibilityTimeout": 5})):
        error = world.refused(operation, QueueUrl=url, ReceiptHandle=handle, **more)
        assert (error.code, error.message) == ("InvalidParameterValueException", expired)
    (again,) = world.receive(url)
    assert world.refused("DeleteMessage", QueueUrl=url, ReceiptHandle=handle).message == expired
    failed = world("DeleteMessageBatch", QueueUrl=url, Entries=[{"Id": "a", "ReceiptHandle": handle}])["Failed"]
    assert failed == [{"Id": "a", "SenderFault": True, "Code": "InvalidParameterValue", "Message": expired}]
    world.delete(url, again)
    world.delete(url, again)
    world.delete(url, message)  # there is nothing left that the handle could be too old for
    error = world.refused("ChangeMessageVisibility", QueueUrl=url, ReceiptHandle=handle, VisibilityTimeout=5)
    assert "Message does not exist" in error.message


def test_delay_is_the_queues(world: World) -> None:
    url = world.fifo(DelaySeconds="5")
    send(world, url, "a")
    world.pass_s(3)
    send(world, url, "b")
    assert world.counts(url) == (0, 0, 2)
    world.pass_s(2)
    assert world.bodies(url) == ["a"], "b is still delayed"
    world.pass_s(30)
    assert world.bodies(url) == ["a", "b"]


def test_a_visibility_timeout_of_zero(world: World) -> None:
    url = world.fifo(VisibilityTimeout="0")
    for group in "ab":
        send(world, url, group, group)
    assert sorted(world.bodies(url, 10)) == ["a", "b"]
    assert sorted(world.bodies(url, 10)) == ["a", "b"]


# --- deduplication


def test_duplicates_get_the_originals_answer_for_five_minutes(world: World) -> None:
    url = world.fifo()
    original = send(world, url, "x", dedup="d")
    again = send(world, url, "other", dedup="d")
    assert again["MessageId"] == original["MessageId"]
    assert again["SequenceNumber"] == original["SequenceNumber"]
    assert again["MD5OfMessageBody"] != original["MD5OfMessageBody"]
    assert send(world, url, "x", group="g2", dedup="d")["MessageId"] == original["MessageId"]
    (message,) = world.receive(url)
    world.delete(url, message)
    world.pass_s(299.999)
    assert send(world, url, "x", dedup="d")["MessageId"] == original["MessageId"], "even after its deletion"
    assert world.bodies(url) == []
    world.pass_s(0.001)
    assert send(world, url, "x", dedup="d")["MessageId"] != original["MessageId"]
    assert world.bodies(url) == ["x"]


def test_duplicates_within_a_batch(world: World) -> None:
    url = world.fifo()
    entries = [
        {"Id": str(n), "MessageBody": str(n), "MessageGroupId": "g", "MessageDeduplicationId": "d"} for n in range(3)
    ]
    answer = world("SendMessageBatch", QueueUrl=url, Entries=entries)
    assert len({entry["MessageId"] for entry in answer["Successful"]}) == 1
    assert world.bodies(url) == ["0"]


def test_the_scope_may_be_the_group(world: World) -> None:
    url = world.fifo(DeduplicationScope="messageGroup", FifoThroughputLimit="perMessageGroupId")
    for group in "aab":
        send(world, url, group, group, dedup="d")
    assert sorted(world.bodies(url)) == ["a", "b"]


@pytest.mark.parametrize("per_group_first", [False, True])
def test_an_id_keeps_the_scope_it_was_sent_with(world: World, per_group_first: bool) -> None:
    """AWS does not say. So a send that is tried again is not doubled, whoever changes the scope in between."""
    scopes = [{"DeduplicationScope": scope} for scope in ("queue", "messageGroup")]
    before, after = reversed(scopes) if per_group_first else scopes
    url = world.fifo(**before)
    world.pass_s(1_000)
    original = send(world, url, "x", "a", dedup="d")
    world.pass_s(1)
    world("SetQueueAttributes", QueueUrl=url, Attributes={**after, "DelaySeconds": "0"})
    assert world.attributes(url, "All")["DeduplicationScope"] == after["DeduplicationScope"]
    assert not [name for name in world.attributes(url) if ":" in name]
    again = send(world, url, "x", "a", dedup="d")
    assert (again["MessageId"], again["SequenceNumber"]) == (original["MessageId"], original["SequenceNumber"])
    elsewhere = send(world, url, "x", "b", dedup="d")
    assert (elsewhere["MessageId"] == original["MessageId"]) is not per_group_first
    world("SetQueueAttributes", QueueUrl=url, Attributes={"VisibilityTimeout": "5"})  # no change of the scope
    world.pass_s(298.999)
    assert send(world, url, "x", "a", dedup="d")["MessageId"] == original["MessageId"]
    world.pass_s(0.001)
    later = send(world, url, "x", "a", dedup="d")
    if per_group_first:  # what went to the other group since then is remembered for the whole queue
        assert later["MessageId"] == elsewhere["MessageId"]
    else:
        assert later["MessageId"] != original["MessageId"]
    world.pass_s(300)
    assert send(world, url, "x", "b", dedup="d")["MessageId"] not in {original["MessageId"], later["MessageId"]}


def test_an_id_of_ones_own_may_be_that_of_another_content(world: World) -> None:
    """As SendMessage's documentation says."""
    url = world.fifo(ContentBasedDeduplication="true")
    original = world.send(url, "x", MessageGroupId="g")
    own = hashlib.sha256(b"x").hexdigest()
    again = world.send(url, "y", MessageGroupId="g", MessageDeduplicationId=own)
    assert again["MessageId"] == original["MessageId"]
    world("SetQueueAttributes", QueueUrl=url, Attributes={"ContentBasedDeduplication": "false"})
    error = world.refused("SendMessage", QueueUrl=url, MessageBody="z", MessageGroupId="g")
    assert "ContentBasedDeduplication" in error.message


def test_what_was_sent_is_remembered_by_the_next_process(tmp_path: Any) -> None:
    path = str(tmp_path / "w.db")
    world = World(path)
    url = world.fifo()
    original = send(world, url, "x", dedup="d")
    (message,) = attempt(world, url, most=1, VisibilityTimeout=200)
    world.store.close_now()
    again = World(path, seed=8)
    again.pass_s(100)
    assert attempt(again, url, most=1, VisibilityTimeout=200)[0]["ReceiptHandle"] == message["ReceiptHandle"]
    again.delete(url, message)
    again.pass_s(199.999)
    assert send(again, url, "x", dedup="d")["MessageId"] == original["MessageId"]
    again.pass_s(0.001)
    assert send(again, url, "x", dedup="d")["MessageId"] != original["MessageId"]
    again.store.close_now()


def test_content_deduplicates_where_no_id_is_given(world: World) -> None:
    url = world.fifo(ContentBasedDeduplication="true")
    world.send(url, "x", MessageGroupId="g")
    world.send(url, "x", MessageGroupId="g", MessageAttributes={"a": {"DataType": "String", "StringValue": "b"}})
    world.send(url, "x", MessageGroupId="g", MessageDeduplicationId="own")
    first, second = world.receive(url, AttributeNames=["MessageDeduplicationId"])
    assert first["Attributes"]["MessageDeduplicationId"] == hashlib.sha256(b"x").hexdigest()
    assert second["Attributes"]["MessageDeduplicationId"] == "own"


def test_what_is_remembered_is_forgotten_in_time(world: World) -> None:
    url = world.fifo()
    for number in range(1_200):
        send(world, url, str(number), f"g{number}")
    world.receive(url, ReceiveRequestAttemptId="a")
    world.pass_s(300)
    world.work()
    assert (world.count("sqs_dedup"), world.count("sqs_attempt")) == (0, 0)
    assert world.count("sqs_message") == 1_200
    world.pass_s(345_600)
    world.work()
    assert (world.count("sqs_message"), world.count("sqs_group WHERE available_at > 0")) == (0, 0)


def test_expired_messages_leave_their_group_free(world: World) -> None:
    url = world.fifo(MessageRetentionPeriod="60")
    for number in range(15):
        send(world, url, str(number))
    world.pass_s(30)
    send(world, url, "fresh")
    world.pass_s(30)
    assert world.bodies(url) == ["fresh"]


@pytest.mark.parametrize("why", ["in flight", "delayed", "extended"])
def test_what_expires_unseen_holds_its_group_no_longer(world: World, why: str) -> None:
    """To the millisecond, and without the clean-up."""
    url = world.fifo(MessageRetentionPeriod="60", DelaySeconds="100" if why == "delayed" else "0")
    send(world, url, "old")
    if why == "in flight":
        assert len(world.receive(url, VisibilityTimeout=1_000)) == 1
    elif why == "extended":
        (message,) = world.receive(url)
        change(world, url, message, 1_000)
    world("SetQueueAttributes", QueueUrl=url, Attributes={"DelaySeconds": "0"})
    world.pass_s(30)
    send(world, url, "fresh")
    world.pass_s(29.999)
    parked = world.run("ReceiveMessage", {"QueueUrl": url, "WaitTimeSeconds": 20})
    assert isinstance(parked, Park)
    assert parked.retry_ms == world.now_ms + 1
    world.pass_s(0.001)
    assert world.bodies(url) == ["fresh"]
    assert world.count("sqs_message") == 1


# --- dead letters


def test_dead_letters_of_a_group_make_way_for_the_next(world: World) -> None:
    dlq = world.fifo("dlq.fifo")
    policy = json.dumps({"deadLetterTargetArn": arn("dlq.fifo"), "maxReceiveCount": 1})
    url = world.fifo("source.fifo", RedrivePolicy=policy, VisibilityTimeout="1")
    sent = [send(world, url, body, dedup=body[0]) for body in ("a" * 4_000, "b", "c")]
    assert len(world.receive(url, 2)) == 2
    world.pass_s(1)
    assert world.bodies(url) == ["c"]
    first, second = world.receive(dlq, AttributeNames=["All"])
    assert [first["Body"], second["Body"]] == ["a" * 4_000, "b"]
    assert first["MessageId"] == sent[0]["MessageId"]
    attributes = first["Attributes"]
    assert attributes["MessageDeduplicationId"] == first["MessageId"]
    assert attributes["DeadLetterQueueSourceArn"] == arn("source.fifo")
    assert attributes["ApproximateReceiveCount"] == "2"
    assert attributes["SequenceNumber"] < second["Attributes"]["SequenceNumber"]
    world.delete(dlq, first)
    assert world.count("sqs_body") == 0


# --- receive attempts


def attempt(world: World, url: str, attempt_id: str = "a", **more: Any) -> list[Any]:
    return world.receive(url, ReceiveRequestAttemptId=attempt_id, AttributeNames=["All"], **more)


def test_the_same_attempt_gets_the_same_messages_and_handles(world: World) -> None:
    url = world.fifo(VisibilityTimeout="10")
    for number in range(3):
        send(world, url, str(number))
    first = attempt(world, url, most=2)
    world.pass_s(5)
    assert attempt(world, url, most=2) == first
    assert attempt(world, url, "b") == [], "the group is in flight for others"
    world.pass_s(9)  # the visibility timeout began anew
    assert attempt(world, url, most=2) == first
    world.delete(url, first[0])


@pytest.mark.parametrize("change_", ["delete", "visibility", "receive", "receive at once", "expire"])
def test_an_attempt_whose_messages_changed_cannot_be_repeated(world: World, change_: str) -> None:
    """AWS's words: https://github.com/aws/aws-sdk-java/issues/2613 ."""
    url = world.fifo(VisibilityTimeout="10", MessageRetentionPeriod="60")
    for number in range(3):
        send(world, url, str(number))
    first = attempt(world, url, most=2, VisibilityTimeout=100 if change_ == "expire" else 10)
    if change_ == "delete":
        world.delete(url, first[0])
    elif change_ == "visibility":
        change(world, url, first[1], 100)
    elif change_ == "receive":
        world.pass_s(10)
        assert len(world.receive(url, 1)) == 1
    elif change_ == "receive at once":  # as long hidden as before, but by somebody else
        for message in first:
            change(world, url, message, 0)
        assert len(world.receive(url, 2)) == 2
    else:
        world.pass_s(60)
    error = world.refused("ReceiveMessage", QueueUrl=url, ReceiveRequestAttemptId="a")
    assert (error.code, error.message) == (
        "InvalidParameterValueException",
        (
            "Value a for parameter ReceiveRequestAttemptId is invalid. Reason: The receiveRequestAttemptId is not valid"
            " anymore since the receive call is not retryable."
        ),
    )
    world.pass_s(300)
    send(world, url, "fresh")
    assert attempt(world, url)[-1]["Body"] == "fresh", "forgotten by now"


def test_an_attempt_whose_messages_all_came_back_begins_anew(world: World) -> None:
    url = world.fifo(VisibilityTimeout="10")
    for number in range(3):
        send(world, url, str(number))
    first = attempt(world, url, most=2)
    world.pass_s(10)
    again = attempt(world, url)
    assert [message["Body"] for message in again] == ["0", "1", "2"]
    assert again[0]["ReceiptHandle"] != first[0]["ReceiptHandle"]
    assert attempt(world, url) == again


def test_an_attempt_is_remembered_for_five_minutes(world: World) -> None:
    url = world.fifo(VisibilityTimeout="1000")
    send(world, url, "x")
    attempt(world, url)
    world.pass_s(300)
    assert attempt(world, url) == []
