"""Event source mappings: what can be set, and how queues are worked off."""

import asyncio
from typing import Any

import pytest

from waypost.aws.errors import AwsError
from waypost.runtimes.invocation import FunctionOutcome, FunctionThrottled, RuntimeMissing
from waypost.store.store import StoreUnavailable

QUEUE = "arn:aws:sqs:us-east-1:000000000000:q"
INVALID = "InvalidParameterValueException"


def refused(world: Any, **changes: Any) -> AwsError:
    with pytest.raises(AwsError) as error:
        world.create_mapping(**changes)
    return error.value


# --- control plane


def test_a_mapping_is_created_shown_and_deleted(still: Any) -> None:
    still.create_function()
    created = still.create_mapping()
    uuid = created["UUID"]
    assert created == {
        "UUID": uuid, "BatchSize": 10, "MaximumBatchingWindowInSeconds": 0, "EventSourceArn": QUEUE,
        "FunctionArn": "arn:aws:lambda:us-east-1:000000000000:function:f", "LastModified": 1_700_000_000.0,
        "State": "Creating", "StateTransitionReason": "USER_INITIATED", "FunctionResponseTypes": [],
        "EventSourceMappingArn": f"arn:aws:lambda:us-east-1:000000000000:event-source-mapping:{uuid}",
    }  # fmt: skip
    assert still.call("GetEventSourceMapping", UUID=uuid) == created | {"State": "Enabled"}
    assert still.call("ListEventSourceMappings")["EventSourceMappings"] == [created | {"State": "Enabled"}]
    assert still.call("DeleteEventSourceMapping", UUID=uuid)["State"] == "Deleting"
    with pytest.raises(AwsError) as error:
        still.call("GetEventSourceMapping", UUID=uuid)
    assert (error.value.code, error.value.message) == (
        "ResourceNotFoundException",
        "The resource you requested does not exist.",
    )


def test_update_changes_what_it_names(still: Any) -> None:
    still.create_function()
    still.create_function("g")
    created = still.create_mapping(Enabled=False, ScalingConfig={"MaximumConcurrency": 3})
    assert (created["State"], created["ScalingConfig"]) == ("Disabled", {"MaximumConcurrency": 3})
    uuid = created["UUID"]
    updated = still.call(
        "UpdateEventSourceMapping", UUID=uuid, Enabled=True, ScalingConfig={}, BatchSize=5, FunctionName="g",
        FunctionResponseTypes=["ReportBatchItemFailures"],
    )  # fmt: skip
    assert updated["State"] == "Enabling"
    got = still.call("GetEventSourceMapping", UUID=uuid)
    assert (got["State"], got["BatchSize"], got["FunctionResponseTypes"]) == ("Enabled", 5, ["ReportBatchItemFailures"])
    assert got["FunctionArn"].endswith(":g")
    assert "ScalingConfig" not in got
    assert still.call("UpdateEventSourceMapping", UUID=uuid, Enabled=False)["State"] == "Disabling"
    assert still.call("UpdateEventSourceMapping", UUID=uuid, BatchSize=6)["State"] == "Updating"
    with pytest.raises(AwsError):
        still.call("UpdateEventSourceMapping", UUID=uuid, BatchSize=11)
    with pytest.raises(AwsError) as error:
        still.call("UpdateEventSourceMapping", UUID=uuid, FunctionName="nobody")
    assert error.value.message == "Function does not exist"


def test_lists_are_filtered_and_paged(still: Any) -> None:
    still.create_function("f")
    still.create_function("g")
    uuids = [still.create_mapping(queue, name)["UUID"] for queue in ("a", "b") for name in ("f", "g")]

    def listed(**request: Any) -> list[str]:
        answer = still.call("ListEventSourceMappings", **request)
        return [found["UUID"] for found in answer["EventSourceMappings"]]

    assert listed() == uuids
    assert listed(FunctionName="arn:aws:lambda:us-east-1:000000000000:function:g") == [uuids[1], uuids[3]]
    assert listed(EventSourceArn=QUEUE[:-1] + "b", FunctionName="f") == [uuids[2]]
    first = still.call("ListEventSourceMappings", MaxItems=3)
    assert listed(Marker=first["NextMarker"]) == uuids[3:]


@pytest.mark.parametrize(
    ("changes", "code", "message"),
    [
        ({"function": "nobody"}, INVALID, "Function does not exist"),
        ({"function": "f:7"}, INVALID, "Function does not exist"),
        ({"EventSourceArn": None}, INVALID, "Unrecognized event source."),
        ({"EventSourceArn": "arn:aws:s3:::b"}, INVALID, "Unrecognized event source."),
        ({"EventSourceArn": QUEUE.replace("sqs", "kinesis")}, INVALID, "does not support kinesis"),
        ({"EventSourceArn": QUEUE.replace("us-east", "eu-west")}, INVALID, "region"),
        (
            {"EventSourceArn": QUEUE + "2"}, INVALID,
            (
                "Error occurred while ReceiveMessage. SQS Error Code: AWS.SimpleQueueService.NonExistentQueue. "
                "SQS Error Message: The specified queue does not exist."
            ),
        ),
        (
            {"BatchSize": 11}, INVALID,
            "Maximum batch window in seconds must be greater than 0 if maximum batch size is greater than 10",
        ),
        ({"queue": "q.fifo", "BatchSize": 11}, INVALID, "FIFO"),
        ({"queue": "q.fifo", "MaximumBatchingWindowInSeconds": 1}, INVALID, "FIFO"),
        (
            {"StartingPosition": "LATEST"}, INVALID,
            "Unsupported StartingPosition parameter for given event source mapping type.",
        ),
        ({"Tags": {str(n): "" for n in range(51)}}, INVALID, "Number of tags exceeds resource"),
        (
            {"function": "slow"}, INVALID,
            "Queue visibility timeout: 30 seconds is less than Function timeout: 31 seconds",
        ),
    ],
)  # fmt: skip
def test_creation_is_refused(still: Any, queue: Any, changes: Any, code: str, message: str) -> None:
    still.create_function()
    still.create_function("slow", Timeout=31)
    still.neighbours.queues["q"] = queue()
    if "EventSourceArn" in changes:
        with pytest.raises(AwsError) as caught:
            still.call("CreateEventSourceMapping", FunctionName="f", **changes)
        error = caught.value
    else:
        error = refused(still, **changes)
    assert error.code == code
    assert message in error.message
    assert still.call("ListEventSourceMappings")["EventSourceMappings"] == []


def test_a_queue_feeds_a_function_once(still: Any) -> None:
    still.create_function()
    uuid = still.create_mapping()["UUID"]
    error = refused(still)
    assert error.code == "ResourceConflictException"
    assert error.message == (
        f'An event source mapping with SQS arn (" {QUEUE} ") and function (" f ") already exists. '
        f"Please update or delete the existing mapping with UUID {uuid}"
    )


# --- working a queue off


async def test_a_message_reaches_the_function_and_is_deleted(world: Any) -> None:
    world.create_function()
    world.create_mapping()
    world.start_background()
    await world.settle()
    await world.send("q", "hello")
    await world.settle()
    assert world.events() == [["hello"]]
    assert world.neighbours.queues["q"].messages == []


async def test_idle_mappings_cost_nothing(world: Any) -> None:
    world.create_function()
    for number in range(100):
        world.create_mapping(f"q{number}")
    world.start_background()
    await world.settle()
    assert world.engine.parked == 102  # each poller, who looks for new ones, and who keeps environments warm
    calls = len(world.neighbours.calls)
    await world.advance(3_600_000)
    assert len(world.neighbours.calls) == calls
    await world.send("q7", "x")
    await world.settle()
    assert world.events() == [["x"]]
    assert sum(queue.receives for queue in world.neighbours.queues.values()) <= 2 * 100 + 4


async def test_a_mapping_that_is_created_later_is_seen(world: Any, queue: Any) -> None:
    world.start_background()
    await world.settle()
    world.create_function()
    world.neighbours.queues["q"] = queue()
    await world.send("q", "before")
    await world.change("CreateEventSourceMapping", EventSourceArn=QUEUE, FunctionName="f")
    await world.settle()
    assert world.events() == [["before"]]


async def test_disabled_it_rests_enabled_it_goes_on_deleted_it_ends(world: Any) -> None:
    world.create_function()
    uuid = world.create_mapping()["UUID"]
    world.start_background()
    await world.settle()
    await world.change("UpdateEventSourceMapping", UUID=uuid, Enabled=False)
    await world.send("q", "a")
    await world.settle()
    assert world.events() == []
    await world.change("UpdateEventSourceMapping", UUID=uuid, Enabled=True)
    await world.settle()
    assert world.events() == [["a"]]
    await world.change("DeleteEventSourceMapping", UUID=uuid)
    await world.settle()
    await world.send("q", "b")
    await world.settle()
    assert world.events() == [["a"]]
    assert world.engine.parked == 2


async def test_batches_are_as_large_as_configured(world: Any) -> None:
    world.create_function()
    world.create_mapping(BatchSize=3)
    world.neighbours.send("q", *"abcdefgh")
    world.start_background()
    await world.settle()
    # At work side by side, they begin in any order.
    assert sorted(world.events()) == [["a", "b", "c"], ["d", "e", "f"], ["g", "h"]]
    assert world.neighbours.queues["q"].messages == []


@pytest.mark.parametrize("outcome", [FunctionOutcome(b"{}", "Unhandled"), RuntimeMissing("none")])
async def test_a_failed_batch_comes_back_when_its_visibility_ends(world: Any, outcome: Any) -> None:
    world.create_function()
    world.create_mapping()
    world.outcomes = [outcome]
    world.start_background()
    await world.settle()
    await world.send("q", "a")
    await world.settle()
    assert world.events() == [["a"]]
    await world.advance(29_999)
    assert len(world.performed) == 1
    await world.advance(1)
    assert world.events() == [["a"], ["a"]]
    assert world.neighbours.queues["q"].messages == []


async def test_of_a_partial_failure_only_the_failed_messages_stay(world: Any) -> None:
    world.create_function()
    world.create_mapping(FunctionResponseTypes=["ReportBatchItemFailures"])
    world.outcomes = [FunctionOutcome(b'{"batchItemFailures":[{"itemIdentifier":"m2"}]}'), FunctionOutcome(b"null")]
    world.neighbours.send("q", "a", "b", "c")
    world.start_background()
    await world.settle()
    assert [message["body"] for message in world.neighbours.queues["q"].messages] == ["b"]
    await world.advance(30_000)
    assert world.events() == [["a", "b", "c"], ["b"]]
    assert world.neighbours.queues["q"].messages == []


async def test_without_that_setting_the_answer_does_not_matter(world: Any) -> None:
    world.create_function()
    world.create_mapping()
    world.outcomes = [FunctionOutcome(b'{"batchItemFailures":[{"itemIdentifier":"m1"}]}')]
    world.neighbours.send("q", "a")
    world.start_background()
    await world.settle()
    assert world.neighbours.queues["q"].messages == []


async def test_concurrency_grows_with_the_backlog_up_to_its_limit(world: Any) -> None:
    world.create_function()
    world.create_mapping(BatchSize=1, ScalingConfig={"MaximumConcurrency": 8})
    world.gate = asyncio.Event()
    world.neighbours.send("q", *(str(number) for number in range(50)))
    world.start_background()
    await world.settle()
    assert world.at_work == 5, "as many as Lambda begins with"
    await world.advance(200)
    assert world.at_work == 6
    for _ in range(10):
        await world.advance(200)
    assert world.at_work == 8, "no more than MaximumConcurrency"
    assert world.neighbours.queues["q"].messages[8]["count"] == 0, "what cannot be worked on is not received"
    world.gate.set()
    await world.settle()
    assert world.neighbours.queues["q"].messages == []
    assert world.at_work_max == 8


async def test_messages_that_come_one_by_one_run_beside_each_other(world: Any) -> None:
    world.create_function()
    world.create_mapping()
    world.gate = asyncio.Event()
    world.start_background()
    await world.settle()
    for number in range(3):
        await world.send("q", str(number))
        await world.settle()
    assert world.at_work == 3
    world.gate.set()
    await world.settle()


async def test_a_throttled_batch_is_tried_again_within_its_visibility(world: Any) -> None:
    world.create_function()
    world.create_mapping()
    world.outcomes = [FunctionThrottled()] * 2
    world.neighbours.send("q", "a")
    world.start_background()
    await world.settle()
    assert len(world.performed) == 1
    await world.advance(100)
    assert len(world.performed) == 2
    await world.advance(200)
    assert len(world.performed) == 3
    assert world.neighbours.queues["q"].messages == []


async def test_throttled_for_long_it_leaves_the_messages_to_their_visibility(world: Any) -> None:
    world.create_function()
    world.create_mapping()
    world.outcomes = [FunctionThrottled()] * 10_000
    world.neighbours.send("q", "a")
    world.start_background()
    await world.settle()
    for _ in range(299):
        await world.advance(100)
    assert world.neighbours.queues["q"].messages[0]["count"] == 1
    for _ in range(10):
        await world.advance(100)
    assert world.neighbours.queues["q"].messages[0]["count"] == 2
    world.outcomes = []
    for _ in range(10):
        await world.advance(100)
    assert world.neighbours.queues["q"].messages == []


async def test_a_window_gathers_messages(world: Any) -> None:
    world.create_function()
    world.create_mapping(BatchSize=100, MaximumBatchingWindowInSeconds=2)
    world.start_background()
    await world.settle()
    await world.send("q", "a")
    await world.settle()
    await world.advance(1_000)
    await world.send("q", *(str(number) for number in range(25)))
    await world.settle()
    assert world.performed == []
    await world.advance(999)
    assert world.performed == []
    await world.advance(1)
    assert [len(batch) for batch in world.events()] == [26]
    assert world.neighbours.queues["q"].messages == []


async def test_a_full_batch_does_not_wait_for_its_window(world: Any) -> None:
    world.create_function()
    world.create_mapping(BatchSize=12, MaximumBatchingWindowInSeconds=300)
    world.start_background()
    await world.settle()
    await world.send("q", *(str(number) for number in range(12)))
    await world.settle()
    assert [len(batch) for batch in world.events()] == [12]


async def test_fifo_groups_keep_their_order(world: Any) -> None:
    world.create_function()
    world.create_mapping("q.fifo", BatchSize=2)
    world.gate = asyncio.Event()
    world.neighbours.send("q.fifo", "a1", "a2", "a3", group="a")
    world.neighbours.send("q.fifo", "b1", group="b")
    world.start_background()
    await world.settle()
    assert sorted(world.events()) == [["a1", "a2"], ["b1"]]
    world.gate.set()
    await world.settle()
    assert sorted(world.events()[:2]) == [["a1", "a2"], ["b1"]]
    assert world.events()[2:] == [["a3"]]


async def test_messages_too_large_for_one_payload_are_cut(world: Any) -> None:
    world.create_function()
    world.create_mapping()
    world.neighbours.send("q", *("x" * 1_000_000 for _ in range(10)))
    world.start_background()
    await world.settle()
    assert [len(batch) for batch in world.events()] == [6, 4]
    assert all(len(call.payload) <= 6_291_456 for call in world.performed)
    assert world.neighbours.queues["q"].messages == []


async def test_after_a_failure_the_rest_of_a_fifo_claim_waits(world: Any) -> None:
    world.create_function()
    world.create_mapping("q.fifo")
    world.outcomes = [FunctionOutcome(b"{}", "Unhandled")]
    world.neighbours.send("q.fifo", *("x" * 1_000_000 for _ in range(10)), group="a")
    world.start_background()
    await world.settle()
    assert [len(batch) for batch in world.events()] == [6]
    await world.advance(30_000)
    assert [len(batch) for batch in world.events()] == [6, 6, 4]


async def test_without_its_function_a_queue_is_left_alone(world: Any) -> None:
    world.create_function()
    world.create_mapping()
    world.start_background()
    await world.settle()
    await world.change("DeleteFunction", FunctionName="f")
    await world.send("q", "a")
    await world.settle()
    assert world.neighbours.queues["q"].messages[0]["count"] == 0
    function = {"FunctionName": "f", "Runtime": "python3.11", "Role": "arn:aws:iam::000000000000:role/r"}
    world.create_function("g")
    code = {"ZipFile": (await world.execute("waypost:DownloadCode", **link(world, "g")))["ZipFile"]}
    await world.change("CreateFunction", **function, Handler="index.handler", Code=code)
    await world.settle()
    assert world.events() == [["a"]]


def link(world: Any, name: str) -> dict[str, str]:
    location = world.call("GetFunction", FunctionName=name)["Code"]["Location"]
    path, _, token = location.partition("?token=")
    return {"FunctionName": name, "CodeSha256": path.rsplit("/", 1)[1], "Token": token}


async def test_a_queue_that_is_deleted_and_comes_back_is_found_again(world: Any, queue: Any) -> None:
    world.create_function()
    world.create_mapping()
    world.start_background()
    await world.settle()
    del world.neighbours.queues["q"]
    await world.send_wake("q")
    await world.settle()
    world.neighbours.queues["q"] = queue()
    world.neighbours.send("q", "a")
    await world.advance(60_000)
    assert world.events() == [["a"]]


async def test_a_fault_of_ours_does_not_end_a_mapping(world: Any, caplog: pytest.LogCaptureFixture) -> None:
    world.create_function()
    world.create_mapping()
    receive = world.neighbours.answers.pop(("sqs", "ReceiveMessage"))
    world.start_background()
    await world.settle()
    assert "it tries again" in caplog.text
    world.neighbours.answers["sqs", "ReceiveMessage"] = receive
    world.neighbours.send("q", "a")
    await world.advance(1_000)
    assert world.events() == [["a"]]


async def test_while_the_store_is_away_a_busy_mapping_waits(world: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    world.create_function()
    world.create_mapping(BatchSize=1)
    world.gate = asyncio.Event()
    world.neighbours.send("q", *(str(number) for number in range(9)))
    world.start_background()
    await world.settle()
    assert world.at_work == 5

    async def away(_work: Any) -> Any:
        raise StoreUnavailable("the database is down")

    with monkeypatch.context() as patch:
        patch.setattr(world.store, "transact", away)
        await world.advance(200)  # time for one more, which nobody can claim
    world.gate.set()
    async with asyncio.timeout(60):
        while world.neighbours.queues["q"].messages:
            await world.settle()


async def test_at_the_servers_stop_pollers_end_by_themselves(world: Any) -> None:
    world.create_function()
    world.create_mapping()
    world.start_background()
    world.gate = asyncio.Event()
    await world.settle()
    await world.send("q", "a")
    await world.settle()
    world.engine.stop()
    await world.settle()
    world.gate.set()
    await world.settle()
    assert all(task.done() for task in world._tasks)
    assert world.neighbours.queues["q"].messages == [], "what was at work was settled"


async def test_at_the_servers_stop_nobody_spins(world: Any) -> None:
    world.create_function()
    world.create_mapping(BatchSize=1)
    world.create_mapping("r")
    world.gate = asyncio.Event()
    world.neighbours.send("q", *(str(number) for number in range(9)))
    world.start_background()
    await world.settle()
    world.outcomes = [FunctionThrottled("the server is stopping")] * 1_000
    world.engine.stop()
    calls = len(world.neighbours.calls)
    await world.settle()
    world.gate.set()
    await world.settle()
    assert all(task.done() for task in world._tasks)
    assert len(world.neighbours.calls) < calls + 20


async def test_what_was_received_before_a_refusal_is_worked_on(world: Any) -> None:
    world.create_function()
    world.create_mapping(BatchSize=2)
    receive = world.neighbours.answers["sqs", "ReceiveMessage"]
    receives: list[int] = []

    def limited(tx: Any, ctx: Any, request: Any) -> Any:
        receives.append(ctx.now_ms)
        if len(receives) == 2:
            raise AwsError("OverLimit", "too many messages in flight")
        return receive(tx, ctx, request)

    world.neighbours.answers["sqs", "ReceiveMessage"] = limited
    world.neighbours.send("q", "a", "b", "c")
    world.start_background()
    await world.settle()
    assert sorted(world.events()) == [["a", "b"], ["c"]]


async def test_a_small_limit_holds_from_the_first_claim(world: Any) -> None:
    world.create_function()
    world.create_mapping(BatchSize=1, ScalingConfig={"MaximumConcurrency": 2})
    world.gate = asyncio.Event()
    world.neighbours.send("q", *"abcde")
    world.start_background()
    await world.settle()
    await world.advance(5_000)
    assert world.at_work == 2
    world.gate.set()
    await world.settle()
    assert world.at_work_max == 2
    assert world.neighbours.queues["q"].messages == []
