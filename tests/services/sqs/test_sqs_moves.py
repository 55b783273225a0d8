"""Message move tasks: out of a dead-letter queue, step by step, on both stores."""

import base64
import json
import tracemalloc
from typing import Any

import pytest
from tests.services.sqs.world import ACCOUNT, REGION, World, arn
from tests.stores import sql

from waypost.services.sqs import moves as move_jobs
from waypost.services.sqs.limits import MOVE_BATCH_MAX, MOVE_STEP_MS, MOVE_TASK_MS, MOVE_TASKS_MAX

NO_SOURCE = "The resource that you specified for the SourceArn parameter doesn't exist."
NO_DESTINATION = "The resource that you specified for the DestinationArn parameter doesn't exist."


def dead_letters(world: World, bodies: list[str], source: str = "q", dlq: str = "dlq", **more: Any) -> tuple[str, str]:
    """A queue and its dead-letter queue, to which these messages came by too many receives."""
    fifo = source.endswith(".fifo")
    make = world.fifo if fifo else world.queue
    dlq_url = make(dlq)
    url = make(source, RedrivePolicy=json.dumps({"deadLetterTargetArn": arn(dlq), "maxReceiveCount": 1}))
    bury(world, url, bodies, **more)
    return url, dlq_url


def bury(world: World, url: str, bodies: list[str], **more: Any) -> None:
    for number, body in enumerate(bodies):
        group = {"MessageGroupId": body[0], "MessageDeduplicationId": f"{number} {body}"[:9].replace(" ", "-")}
        world.send(url, body, **(group if url.endswith(".fifo") else {}), **more)
    for _ in range(2 * len(bodies)):
        world.receive(url, VisibilityTimeout=0)
    assert world.counts(url) == (0, 0, 0)


def start(world: World, source: str = "dlq", **more: Any) -> str:
    return str(world("StartMessageMoveTask", SourceArn=arn(source), **more)["TaskHandle"])


def tasks(world: World, source: str = "dlq", most: int = 10) -> list[dict[str, Any]]:
    return list(world("ListMessageMoveTasks", SourceArn=arn(source), MaxResults=most)["Results"])


def task(world: World, source: str = "dlq") -> dict[str, Any]:
    (newest,) = world("ListMessageMoveTasks", SourceArn=arn(source))["Results"]
    return dict(newest)


def finish(world: World, source: str = "dlq") -> int:
    """Work until the task ends; answers how many steps it took. Steps are some ms apart."""
    steps = world.work()
    while task(world, source)["Status"] in {"RUNNING", "CANCELLING"}:
        world.now_ms += 10
        steps += world.work()
    return steps


def drain(world: World, url: str) -> list[str]:
    found: list[str] = []
    while messages := world.receive(url):
        found += [message["Body"] for message in messages]
        for message in messages:
            world.delete(url, message)
    return found


# --- to where they came from


def test_dead_letters_go_back_as_new_messages(world: World) -> None:
    url, dlq = dead_letters(world, ["a", "b"], MessageAttributes={"x": {"DataType": "String", "StringValue": "y"}})
    old = {message["MessageId"] for message in world.receive(dlq, VisibilityTimeout=0)}
    world.pass_s(10)
    started_ms = world.now_ms
    handle = start(world)
    assert json.loads(base64.b64decode(handle)).keys() == {"taskId", "sourceArn"}
    assert task(world) == {
        "TaskHandle": handle, "Status": "RUNNING", "SourceArn": arn("dlq"), "ApproximateNumberOfMessagesMoved": 0,
        "ApproximateNumberOfMessagesToMove": 2, "StartedTimestamp": started_ms,
    }  # fmt: skip
    world.work()
    assert task(world) == {
        "Status": "COMPLETED", "SourceArn": arn("dlq"), "ApproximateNumberOfMessagesMoved": 2,
        "ApproximateNumberOfMessagesToMove": 2, "StartedTimestamp": started_ms,
    }  # fmt: skip
    assert world.counts(dlq) == (0, 0, 0)
    messages = world.receive(url, MessageSystemAttributeNames=["All"], MessageAttributeNames=["All"])
    assert sorted(message["Body"] for message in messages) == ["a", "b"]
    for message in messages:
        assert message["MessageId"] not in old
        assert message["MessageAttributes"] == {"x": {"DataType": "String", "StringValue": "y"}}
        attributes = message["Attributes"]
        assert attributes["SentTimestamp"] == attributes["ApproximateFirstReceiveTimestamp"] == str(world.now_ms)
        assert attributes["ApproximateReceiveCount"] == "1"
        assert "DeadLetterQueueSourceArn" not in attributes


def test_each_goes_to_its_own_source(world: World) -> None:
    first, _ = dead_letters(world, ["a1", "a2"], "one")
    second, dlq = dead_letters(world, ["b1", "b2"], "two")
    start(world)
    world.work()
    assert (sorted(drain(world, first)), sorted(drain(world, second))) == (["a1", "a2"], ["b1", "b2"])
    assert world.counts(dlq) == (0, 0, 0)


def test_the_oldest_goes_first(world: World) -> None:
    url, _ = dead_letters(world, [])
    for body in "abcde":
        world.send(url, body)
        world.pass_s(1)
    for message in reversed(world.receive(url, VisibilityTimeout=100)):
        world("ChangeMessageVisibility", QueueUrl=url, ReceiptHandle=message["ReceiptHandle"], VisibilityTimeout=0)
        assert world.receive(url) == []  # they die in another order than they were sent in
        world.pass_s(1)
    start(world, MaxNumberOfMessagesPerSecond=1)
    arrived = []
    for _ in range(5):
        world.work()
        arrived += drain(world, url)
        world.pass_s(1)
    assert arrived == list("abcde")


def test_a_long_body_comes_along(world: World) -> None:
    body = "x" * 5_000
    url, dlq = dead_letters(world, [body])
    start(world)
    world.work()
    assert drain(world, url) == [body]
    assert world.counts(dlq) == (0, 0, 0)
    assert world.count("sqs_body") == 0


def test_many_long_bodies_take_several_steps(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(move_jobs, "MOVE_BYTES_MAX", 6_000)
    url, _ = dead_letters(world, [f"{number}" * 5_000 for number in range(6)])
    start(world)
    assert finish(world) == 3  # two a step
    assert [body[0] for body in sorted(drain(world, url))] == list("012345")


def test_a_message_sent_to_the_dead_letter_queue_itself_has_no_source(world: World) -> None:
    url, dlq = dead_letters(world, ["a"])
    world.pass_s(1)
    world.send(dlq, "direct")
    world.pass_s(1)
    bury(world, url, ["b"])
    start(world)
    world.work()
    found = task(world)
    assert (found["Status"], found["FailureReason"]) == ("FAILED", "CouldNotDetermineMessageSource")
    assert found["ApproximateNumberOfMessagesMoved"] == 1
    assert drain(world, url) == ["a"]
    assert sorted(drain(world, dlq)) == ["b", "direct"]


# --- to another queue


def test_to_a_destination(world: World) -> None:
    url, dlq = dead_letters(world, ["a"])
    world.send(dlq, "direct")
    other = world.queue("other", DelaySeconds="5")
    start(world, DestinationArn=arn("other"))
    assert task(world)["DestinationArn"] == arn("other")
    world.work()
    assert task(world)["Status"] == "COMPLETED"
    assert world.counts(other) == (0, 0, 2)  # its delay holds for them, too
    world.pass_s(5)
    assert sorted(drain(world, other)) == ["a", "direct"]
    assert world.counts(url) == world.counts(dlq) == (0, 0, 0)


def test_the_destination_goes_away(world: World) -> None:
    _, dlq = dead_letters(world, ["a", "b"])
    other = world.queue("other")
    start(world, DestinationArn=arn("other"), MaxNumberOfMessagesPerSecond=1)
    world.work()
    world("DeleteQueue", QueueUrl=other)
    world.pass_s(1)
    world.work()
    found = task(world)
    assert found["ApproximateNumberOfMessagesMoved"] == 1
    assert (found["Status"], found["FailureReason"]) == ("FAILED", "AWS.SimpleQueueService.NonExistentQueue")
    assert "TaskHandle" not in found
    assert world.counts(dlq) == (1, 0, 0)


def test_the_source_of_the_messages_goes_away(world: World) -> None:
    url, dlq = dead_letters(world, ["a"])
    start(world)
    world("DeleteQueue", QueueUrl=url)
    world.work()
    assert task(world)["FailureReason"] == "AWS.SimpleQueueService.NonExistentQueue"
    assert drain(world, dlq) == ["a"]


def test_the_dead_letter_queue_goes_away(world: World) -> None:
    _, dlq = dead_letters(world, ["a"])
    start(world)
    world("DeleteQueue", QueueUrl=dlq)
    assert world.refused("ListMessageMoveTasks", SourceArn=arn("dlq")).message == NO_SOURCE
    world.pass_s(61)
    world.work()
    world.queue("dlq")
    assert tasks(world) == []
    assert sql(world.store, "SELECT COUNT(*) FROM job WHERE kind = 'sqs.move'") == [(0,)]


def test_a_purge_leaves_nothing_to_move(world: World) -> None:
    url, dlq = dead_letters(world, ["a", "b"])
    start(world, MaxNumberOfMessagesPerSecond=1)
    world("PurgeQueue", QueueUrl=dlq)
    world.work()
    assert (task(world)["Status"], task(world)["ApproximateNumberOfMessagesMoved"]) == ("COMPLETED", 0)
    assert world.counts(url) == (0, 0, 0)


# --- which messages


def test_what_comes_after_the_start_stays(world: World) -> None:
    url, dlq = dead_letters(world, ["a", "b"])
    world.pass_s(1)
    start(world, MaxNumberOfMessagesPerSecond=1)
    world.work()
    world.pass_s(1)
    assert len(world.receive(url, 1, VisibilityTimeout=0)) == 1
    assert world.receive(url, 1, VisibilityTimeout=0) == []  # the one that was moved is a dead letter again
    world.send(dlq, "direct")
    world.pass_s(10)
    world.work()
    world.pass_s(10)
    world.work()
    found = task(world)
    assert (found["Status"], found["ApproximateNumberOfMessagesMoved"]) == ("COMPLETED", 2)
    assert world.counts(dlq) == (2, 0, 0)


def test_a_message_with_a_receiver_is_waited_for(world: World) -> None:
    url, dlq = dead_letters(world, ["a", "b", "c"])
    held, deleted = world.receive(dlq, 2, VisibilityTimeout=30)
    start(world)
    assert task(world)["ApproximateNumberOfMessagesToMove"] == 3
    world.work()
    assert (task(world)["Status"], task(world)["ApproximateNumberOfMessagesMoved"]) == ("RUNNING", 1)
    world.delete(dlq, deleted)
    world.pass_s(29)
    world.work()
    assert task(world)["Status"] == "RUNNING"
    world.pass_s(1)
    world.work()
    assert (task(world)["Status"], task(world)["ApproximateNumberOfMessagesMoved"]) == ("COMPLETED", 2)
    assert held["Body"] in drain(world, url)


def test_a_task_ends_soon_after_the_last_receiver_deleted(world: World) -> None:
    _, dlq = dead_letters(world, ["a"])
    (held,) = world.receive(dlq, VisibilityTimeout=43_200)
    start(world)
    world.work()
    world.pass_s(3_600)
    world.work()
    world.delete(dlq, held)
    world.pass_s(60)
    world.work()
    assert task(world)["Status"] == "COMPLETED"


def test_what_has_expired_is_not_moved(world: World) -> None:
    url, dlq = dead_letters(world, ["old"])
    world("SetQueueAttributes", QueueUrl=dlq, Attributes={"MessageRetentionPeriod": "60"})
    world.pass_s(59)
    bury(world, url, ["new"])
    world.pass_s(1)
    start(world)
    world.work()
    assert drain(world, url) == ["new"]


def test_an_empty_queue(world: World) -> None:
    dead_letters(world, [])
    start(world)
    world.work()
    found = task(world)
    assert (found["Status"], found["ApproximateNumberOfMessagesToMove"]) == ("COMPLETED", 0)


def test_more_than_one_step_holds(world: World) -> None:
    _, dlq = dead_letters(world, [])
    other = world.queue("other")
    sent = [f"m{number}" for number in range(2 * MOVE_BATCH_MAX + 50)]
    for body in sent:
        world.send(dlq, body)
    start(world, DestinationArn=arn("other"))
    assert finish(world) == 3
    assert task(world)["ApproximateNumberOfMessagesMoved"] == len(sent)
    assert sorted(drain(world, other)) == sorted(sent)


FILL = """
INSERT INTO sqs_message (id, storage, visible_at, receives, sent_at, message_id, sender, body)
WITH RECURSIVE counted (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM counted WHERE n < CAST(:count AS BIGINT))
SELECT CAST(:first AS BIGINT) + n, (SELECT storage FROM sqs_queue WHERE name = 'dlq'), CAST(:now AS BIGINT), 0,
  CAST(:now AS BIGINT), 'm', 'me', CAST(:body AS TEXT)
FROM counted
"""


def test_ten_thousand_messages_take_no_more_memory_than_a_step_needs(world: World) -> None:
    count, body = 10_000, "x" * 1_000
    dead_letters(world, [])
    world.queue("other")
    sql(world.store, FILL, count=count, first=world.now_ms << 20, now=world.now_ms, body=body)
    world.pass_s(1)
    start(world, DestinationArn=arn("other"))
    tracemalloc.start()
    try:
        assert finish(world) == count // MOVE_BATCH_MAX + 1  # the last finds nothing
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 10 * MOVE_BATCH_MAX * len(body)
    lying = "SELECT name, COUNT(*) FROM sqs_message m JOIN sqs_queue q ON q.storage = m.storage GROUP BY name"
    assert sql(world.store, lying) == [("other", count)]
    assert task(world)["ApproximateNumberOfMessagesMoved"] == count


def test_from_and_to_the_lanes_of_noisy_tenants(world: World) -> None:
    _, dlq = dead_letters(world, [])
    other = world.queue("other")
    for name, storage in (("dlq", 11), ("other", 12)):
        world.send({"dlq": dlq, "other": other}[name], f"quiet in {name}", MessageGroupId="quiet")
        lanes = json.dumps([["noisy", storage, True], ["gone", storage + 10, False]])
        sql(world.store, "UPDATE sqs_queue SET lanes = :lanes WHERE name = :name", lanes=lanes, name=name)
    for number in range(MOVE_BATCH_MAX + 1):
        world.send(dlq, f"noisy {number}", MessageGroupId="noisy")
    assert sql(world.store, "SELECT COUNT(*) FROM sqs_message WHERE storage = 11") == [(MOVE_BATCH_MAX + 1,)]
    start(world, DestinationArn=arn("other"))
    finish(world)
    assert task(world)["Status"] == "COMPLETED"
    assert task(world)["ApproximateNumberOfMessagesMoved"] == MOVE_BATCH_MAX + 2
    lying = sql(world.store, "SELECT storage, COUNT(*) FROM sqs_message GROUP BY storage")
    assert sorted(count for _, count in lying) == [2, MOVE_BATCH_MAX + 1]
    assert (12, MOVE_BATCH_MAX + 1) in lying


# --- the rate


@pytest.mark.parametrize(("rate", "first", "second"), [(1, 1, 1), (15, 15, 15), (500, 500, 500)])
def test_no_second_has_more_than_the_rate(world: World, rate: int, first: int, second: int) -> None:
    _, dlq = dead_letters(world, [])
    world.queue("other")
    for number in range(3 * rate):
        world.send(dlq, f"{number}")
    start(world, DestinationArn=arn("other"), MaxNumberOfMessagesPerSecond=rate)
    assert task(world)["MaxNumberOfMessagesPerSecond"] == rate
    moved = []
    for _ in range(2_000):
        world.work()
        moved.append(task(world)["ApproximateNumberOfMessagesMoved"])
        world.now_ms += 1
    assert moved[999] == first
    assert moved[1_999] - moved[999] == second
    assert max(moved[at + 999] - moved[at - 1] for at in range(1, 1_001)) <= rate


def test_steps_leave_time_for_others(world: World) -> None:
    for name in ("one", "two"):
        dead_letters(world, [], f"of-{name}", name)
        text = FILL.replace("'dlq'", f"'{name}'")
        first = (world.now_ms - 1_000 << 20) + len(tasks(world, "one")) * 1_000
        sql(world.store, text, count=5 * MOVE_BATCH_MAX, first=first, now=world.now_ms, body="x")
        start(world, name, DestinationArn=arn("of-one"))

    def due() -> list[int]:
        rows = sql(world.store, "SELECT run_at FROM job WHERE kind = 'sqs.move'")
        return sorted(row[0] - world.now_ms for row in rows)

    assert world.work() == 2
    assert due() == [MOVE_STEP_MS, 2 * MOVE_STEP_MS]  # they take turns
    world.now_ms += 2 * MOVE_STEP_MS
    assert world.work() == 2
    assert due()[0] > MOVE_STEP_MS  # the first came late
    world.now_ms += 1_000
    world.work()
    assert due()[0] > 20 * MOVE_STEP_MS
    finish(world, "one")
    finish(world, "two")
    assert {task(world, name)["Status"] for name in ("one", "two")} == {"COMPLETED"}


# --- cancelling


def test_cancel(world: World) -> None:
    url, dlq = dead_letters(world, list("abcde"))
    handle = start(world, MaxNumberOfMessagesPerSecond=1)
    world.work()
    world.pass_s(1)
    world.work()
    assert world("CancelMessageMoveTask", TaskHandle=handle) == {"ApproximateNumberOfMessagesMoved": 2}
    found = task(world)
    assert (found["Status"], "TaskHandle" in found) == ("CANCELLING", False)
    assert world.refused("CancelMessageMoveTask", TaskHandle=handle).message == "Task does not exist."
    assert "already a task running" in world.refused("StartMessageMoveTask", SourceArn=arn("dlq")).message
    world.work()
    found = task(world)
    assert (found["Status"], found["ApproximateNumberOfMessagesMoved"]) == ("CANCELLED", 2)
    world.pass_s(60)
    world.work()
    assert (world.counts(url), world.counts(dlq)) == ((2, 0, 0), (3, 0, 0))
    start(world)
    world.work()
    assert world.counts(dlq) == (0, 0, 0)


def test_cancel_does_not_wait_for_a_receiver(world: World) -> None:
    _, dlq = dead_letters(world, ["a"])
    world.receive(dlq, VisibilityTimeout=43_200)
    handle = start(world)
    world.work()
    world("CancelMessageMoveTask", TaskHandle=handle)
    world.work()
    assert task(world)["Status"] == "CANCELLED"


# --- the end of time


def test_a_task_takes_36_hours_at_most(world: World) -> None:
    _, dlq = dead_letters(world, ["a"])
    started_ms = world.now_ms
    for _ in range(3):
        world.receive(dlq, VisibilityTimeout=43_200)
        if world.now_ms == started_ms:
            start(world)
        world.work()
        world.pass_s(43_200 - 0.001)
        world.work()
        world.receive(dlq, VisibilityTimeout=0)
        world.pass_s(0.001)
        world.receive(dlq, VisibilityTimeout=43_200)
    world.now_ms = started_ms + MOVE_TASK_MS
    world.work()
    found = task(world)
    assert (found["Status"], found["FailureReason"]) == ("FAILED", "TaskTimedOut")


# --- FIFO


def test_fifo_groups_keep_their_order(world: World) -> None:
    sent = [f"{group}{number}" for number in range(4) for group in "abc"]
    url, dlq = dead_letters(world, sent, "q.fifo", "dlq.fifo")
    start(world, "dlq.fifo", MaxNumberOfMessagesPerSecond=5)
    for _ in range(40):
        world.work()
        world.pass_s(0.5)
    assert task(world, "dlq.fifo")["ApproximateNumberOfMessagesMoved"] == len(sent)
    arrived: dict[str, list[str]] = {}
    for body in drain(world, url):
        arrived.setdefault(body[0], []).append(body)
    assert arrived == {group: [f"{group}{number}" for number in range(4)] for group in "abc"}
    assert world.counts(dlq) == (0, 0, 0)


def test_fifo_nothing_passes_a_message_with_a_receiver(world: World) -> None:
    url, dlq = dead_letters(world, ["a0", "a1", "a2"], "q.fifo", "dlq.fifo")
    assert world.bodies(dlq, 1, VisibilityTimeout=30) == ["a0"]
    bury(world, url, ["b0"])
    start(world, "dlq.fifo")
    world.work()
    assert world.bodies(url, VisibilityTimeout=0) == ["b0"]
    world.pass_s(30)
    world.work()
    assert task(world, "dlq.fifo")["Status"] == "COMPLETED"
    assert [body for body in drain(world, url) if body[0] == "a"] == ["a0", "a1", "a2"]


def test_fifo_ids_of_what_was_moved(world: World) -> None:
    url, dlq = dead_letters(world, ["a0"], "q.fifo", "dlq.fifo")
    (dead,) = world.receive(dlq, VisibilityTimeout=0, MessageSystemAttributeNames=["All"])
    start(world, "dlq.fifo")
    world.work()
    (message,) = world.receive(url, MessageSystemAttributeNames=["All"])
    assert message["MessageId"] != dead["MessageId"]
    assert message["Attributes"]["MessageGroupId"] == "a"
    assert message["Attributes"]["MessageDeduplicationId"] == dead["MessageId"]
    assert int(message["Attributes"]["SequenceNumber"]) > int(dead["Attributes"]["SequenceNumber"])
    # It is no duplicate of what it was: the same deduplication id was sent less than five minutes ago.
    assert message["Body"] == "a0"


def test_fifo_the_group_is_free_for_what_stays(world: World) -> None:
    url, dlq = dead_letters(world, ["a0"], "q.fifo", "dlq.fifo")
    start(world, "dlq.fifo")
    world.pass_s(1)
    world.send(dlq, "a1", MessageGroupId="a", MessageDeduplicationId="late")
    world.work()
    assert world.bodies(url) == ["a0"]
    assert world.bodies(dlq) == ["a1"]
    assert task(world, "dlq.fifo")["Status"] == "COMPLETED"


def test_fifo_a_message_sent_to_the_dead_letter_queue_itself(world: World) -> None:
    url, dlq = dead_letters(world, ["a0"], "q.fifo", "dlq.fifo")
    world.send(dlq, "a1", MessageGroupId="a", MessageDeduplicationId="direct")
    start(world, "dlq.fifo")
    world.work()
    assert task(world, "dlq.fifo")["FailureReason"] == "CouldNotDetermineMessageSource"
    assert (world.bodies(url), world.bodies(dlq)) == (["a0"], ["a1"])


def test_fifo_what_has_expired_is_not_moved(world: World) -> None:
    url, dlq = dead_letters(world, ["a0"], "q.fifo", "dlq.fifo")
    world("SetQueueAttributes", QueueUrl=dlq, Attributes={"MessageRetentionPeriod": "60"})
    world.pass_s(59)
    bury(world, url, ["a1"])
    world.pass_s(1)
    start(world, "dlq.fifo")
    world.work()
    assert drain(world, url) == ["a1"]


# --- lists and errors


def test_the_newest_ten_are_listed(world: World) -> None:
    dead_letters(world, [])
    started = []
    for _ in range(12):
        start(world)
        started.append(world.now_ms)
        world.work()
        world.pass_s(1)
    assert [one["StartedTimestamp"] for one in tasks(world)] == started[:1:-1]
    assert [one["StartedTimestamp"] for one in tasks(world, most=3)] == started[:-4:-1]
    assert task(world)["StartedTimestamp"] == started[-1]
    assert world.count("sqs_move") <= 11


def test_no_task_at_all(world: World) -> None:
    world.queue("dlq")
    assert world("ListMessageMoveTasks", SourceArn=arn("dlq")) == {"Results": []}


FORMAT = "You must use this format to specify the {}: arn:<partition>:<service>:<region>:<account-id>:<resource-id>"
BETWEEN = "Value for parameter {} is invalid. Reason: You must enter a number that's between 1 and {}."
INVALID = "InvalidParameterValueException"
MISSING = "MissingRequiredParameterException"
NONE = "ResourceNotFoundException"
DENIED = "AccessDeniedException"
THEIRS = arn("dlq").replace(ACCOUNT, "999999999999")
RATE = "MaxNumberOfMessagesPerSecond"


@pytest.mark.parametrize(
    ("request_", "code", "message"),
    [
        ({}, MISSING, "The request must contain the parameter SourceArn."),
        ({"SourceArn": "dlq"}, INVALID, FORMAT.format("SourceArn")),
        ({"SourceArn": "arn:aws:sns:eu-west-1:123456789012:dlq"}, INVALID, FORMAT.format("SourceArn")),
        ({"SourceArn": arn("no")}, NONE, NO_SOURCE),
        ({"SourceArn": arn("dlq").replace(REGION, "eu-west-2")}, NONE, NO_SOURCE),
        ({"SourceArn": THEIRS}, DENIED, f"Access to the resource {THEIRS} is denied."),
        ({"SourceArn": arn("q")}, INVALID, "Source queue must be configured as a Dead Letter Queue."),
        ({"DestinationArn": "q"}, INVALID, FORMAT.format("DestinationArn")),
        ({"DestinationArn": arn("no")}, NONE, NO_DESTINATION),
        ({"DestinationArn": THEIRS}, DENIED, f"Access to the resource {THEIRS} is denied."),
        ({"DestinationArn": arn("dlq")}, INVALID, "Source queue arn and destination queue arn cannot be the same."),
        (
            {"DestinationArn": arn("x.fifo")},
            INVALID,
            "The source queue and destination queue must be of the same queue type.",
        ),
        ({RATE: 0}, INVALID, BETWEEN.format(RATE, 500)),
        ({RATE: 501}, INVALID, BETWEEN.format(RATE, 500)),
    ],
)
def test_what_cannot_be_started(world: World, request_: dict[str, Any], code: str, message: str) -> None:
    dead_letters(world, [])
    world.fifo("x.fifo")
    if request_ and "SourceArn" not in request_:
        request_ = {"SourceArn": arn("dlq"), **request_}
    error = world.refused("StartMessageMoveTask", **request_)
    assert (error.code, error.message) == (code, message)
    assert tasks(world) == []


def test_one_task_of_a_source(world: World) -> None:
    dead_letters(world, ["a"])
    start(world)
    error = world.refused("StartMessageMoveTask", SourceArn=arn("dlq"))
    assert (error.code, error.message) == (
        INVALID,
        "There is already a task running. Only one active task is allowed for a source queue arn at a given time.",
    )


def test_a_hundred_tasks_of_an_account(world: World) -> None:
    for number in range(MOVE_TASKS_MAX + 1):
        dead_letters(world, [], f"q{number}", f"dlq{number}")
    handles = [start(world, f"dlq{number}") for number in range(MOVE_TASKS_MAX)]
    last = f"dlq{MOVE_TASKS_MAX}"
    assert world.refused("StartMessageMoveTask", SourceArn=arn(last)).code == "OverLimit"
    world("CancelMessageMoveTask", TaskHandle=handles[0])
    assert world.refused("StartMessageMoveTask", SourceArn=arn(last)).code == "OverLimit"
    world.work()
    start(world, last)


@pytest.mark.parametrize("wanted", [0, 11])
def test_how_many_can_be_listed(world: World, wanted: int) -> None:
    world.queue("dlq")
    error = world.refused("ListMessageMoveTasks", SourceArn=arn("dlq"), MaxResults=wanted)
    assert (error.code, error.message) == (INVALID, BETWEEN.format("MaxResults", 10))


def handle_of(**said: str) -> str:
    return base64.b64encode(json.dumps(said).encode()).decode()


@pytest.mark.parametrize(
    ("handle", "code", "message"),
    [
        ("", MISSING, "The request must contain the parameter TaskHandle."),
        ("foobar", INVALID, "Value for parameter TaskHandle is invalid."),
        (handle_of(taskId="x"), INVALID, "Value for parameter TaskHandle is invalid."),
        (handle_of(taskId="x", sourceArn=arn("no")), NONE, NO_SOURCE),
        (handle_of(taskId="x", sourceArn=arn("dlq")), NONE, "Task does not exist."),
    ],
)
def test_what_cannot_be_cancelled(world: World, handle: str, code: str, message: str) -> None:
    dead_letters(world, [])
    error = world.refused("CancelMessageMoveTask", TaskHandle=handle)
    assert (error.code, error.message) == (code, message)


def test_a_task_that_has_ended_cannot_be_cancelled(world: World) -> None:
    dead_letters(world, [])
    handle = start(world)
    world.work()
    assert world.refused("CancelMessageMoveTask", TaskHandle=handle).message == "Task does not exist."
    assert task(world)["Status"] == "COMPLETED"
