"""What becomes of asynchronous events. Shapes of records and texts of errors: recorded from AWS."""

import asyncio
import json
from typing import Any

import pytest

from waypost.aws.errors import AwsError
from waypost.runtimes.invocation import FunctionOutcome, FunctionThrottled
from waypost.service import Params
from waypost.services import lambdas
from waypost.work.runner import Runner, release

ARN = "arn:aws:lambda:us-east-1:000000000000:function:f"
QUEUE = "arn:aws:sqs:us-east-1:000000000000:told"
DEAD = "arn:aws:sqs:us-east-1:000000000000:dead"
TOPIC = "arn:aws:sns:us-east-1:000000000000:told"
FAILED = FunctionOutcome(b'{"errorMessage":"no","errorType":"ValueError"}', "Unhandled")


def refused(world: Any, operation: str, **request: Any) -> AwsError:
    with pytest.raises(AwsError) as error:
        world.call(operation, **request)
    return error.value


def put(world: Any, **request: Any) -> Params:
    answer = world.call("PutFunctionEventInvokeConfig", **{"FunctionName": "f", **request})
    assert isinstance(answer, dict)
    return answer


def to(target: str, *names: str) -> Params:
    return {name: {"Destination": target} for name in names or ("OnSuccess", "OnFailure")}


class Targets:
    """Queues and topics that keep what they are sent."""

    def __init__(self, world: Any) -> None:
        self.sent: list[tuple[str, Params]] = []
        self.gone = False
        answers = world.neighbours.answers
        answers["sqs", "GetQueueUrl"] = self._url
        answers["sqs", "SendMessage"] = lambda _tx, _ctx, request: self._keep(request["QueueUrl"], request)
        answers["sns", "Publish"] = lambda _tx, _ctx, request: self._keep(request["TopicArn"], request)

    def _url(self, _tx: Any, ctx: Any, request: Params) -> Params:
        if self.gone:
            raise AwsError("QueueDoesNotExist", "The specified queue does not exist.")
        return {"QueueUrl": f"{ctx.region}/{request['QueueOwnerAWSAccountId']}/{request['QueueName']}"}

    def _keep(self, name: str, request: Params) -> Params:
        self.sent.append((name.rpartition(":")[2].rpartition("/")[2], request))
        return {}

    def records(self) -> list[Any]:
        return [json.loads(request["MessageBody"]) for _, request in self.sent]


@pytest.fixture
def targets(world: Any) -> Targets:
    return Targets(world)


async def event(world: Any, **request: Any) -> None:
    asked = {"FunctionName": "f", "InvocationType": "Event", "Payload": b'{"n":1}', **request}
    assert await world.execute("Invoke", **asked) == {"StatusCode": 202}
    await world.settle()


# --- the configuration


def test_what_is_set_is_echoed_and_nothing_else(still: Any) -> None:
    still.create_function()
    made = put(still, MaximumRetryAttempts=0)
    assert made == {
        "LastModified": made["LastModified"], "FunctionArn": f"{ARN}:$LATEST", "MaximumRetryAttempts": 0,
        "DestinationConfig": {"OnSuccess": {}, "OnFailure": {}},
    }  # fmt: skip
    assert still.call("GetFunctionEventInvokeConfig", FunctionName="f") == made
    assert still.call("GetFunctionEventInvokeConfig", FunctionName="f", Qualifier="$LATEST") == made
    updated = still.call(
        "UpdateFunctionEventInvokeConfig", FunctionName="f", MaximumEventAgeInSeconds=60,
        DestinationConfig=to(QUEUE, "OnFailure"),
    )  # fmt: skip
    assert (updated["MaximumRetryAttempts"], updated["MaximumEventAgeInSeconds"]) == (0, 60)
    updated = still.call("UpdateFunctionEventInvokeConfig", FunctionName="f", DestinationConfig=to(TOPIC, "OnSuccess"))
    assert updated["DestinationConfig"] == {**to(TOPIC, "OnSuccess"), **to(QUEUE, "OnFailure")}
    replaced = put(still, MaximumEventAgeInSeconds=70)
    assert "MaximumRetryAttempts" not in replaced
    assert replaced["DestinationConfig"] == {"OnSuccess": {}, "OnFailure": {}}
    assert still.call("DeleteFunctionEventInvokeConfig", FunctionName="f") == {}
    for operation in ("Get", "Delete"):
        error = refused(still, f"{operation}FunctionEventInvokeConfig", FunctionName="f")
        assert error.code == "ResourceNotFoundException"
        assert error.message == f"The function {ARN}:$LATEST doesn't have an EventInvokeConfig"


def test_each_qualifier_has_its_own(still: Any) -> None:
    still.create_function(Publish=True)
    still.call("CreateAlias", FunctionName="f", Name="live", FunctionVersion="1")
    for retries, qualifier in enumerate(("$LATEST", "1", "live")):
        put(still, Qualifier=qualifier, MaximumRetryAttempts=retries)
    first = still.call("ListFunctionEventInvokeConfigs", FunctionName="f", MaxItems=2)
    rest = still.call("ListFunctionEventInvokeConfigs", FunctionName="f", Marker=first["NextMarker"])
    found = [*first["FunctionEventInvokeConfigs"], *rest["FunctionEventInvokeConfigs"]]
    assert [(config["FunctionArn"], config["MaximumRetryAttempts"]) for config in found] == [
        (f"{ARN}:$LATEST", 0), (f"{ARN}:1", 1), (f"{ARN}:live", 2)
    ]  # fmt: skip
    still.call("DeleteAlias", FunctionName="f", Name="live")
    still.call("DeleteFunction", FunctionName="f", Qualifier="1")
    left = still.call("ListFunctionEventInvokeConfigs", FunctionName="f")["FunctionEventInvokeConfigs"]
    assert [config["FunctionArn"] for config in left] == [f"{ARN}:$LATEST"]
    still.call("DeleteFunction", FunctionName="f")
    still.create_function()
    assert still.call("ListFunctionEventInvokeConfigs", FunctionName="f")["FunctionEventInvokeConfigs"] == []


@pytest.mark.parametrize(
    ("request_", "message"),
    [
        ({}, "You must specify at least one of error handling or destination setting."),
        ({"FunctionName": "g", "MaximumRetryAttempts": 1}, "The function doesn't exist."),
        ({"Qualifier": "7", "MaximumRetryAttempts": 1}, "The function doesn't exist."),
        ({"DestinationConfig": to(ARN)}, "You can't specify the function as a destination for itself."),
        ({"DestinationConfig": to(f"{ARN}:live")}, "You can't specify the function as a destination for itself."),
        ({"DestinationConfig": to("arn:aws:s3:::b", "OnFailure")}, "there is no S3"),
        ({"DestinationConfig": to("arn:aws:events:us-east-1:0:event-bus/b")}, "EventBridge destinations are not"),
        ({"DestinationConfig": to("kafka://t")}, "there is no Kafka"),
        ({"DestinationConfig": to("arn:aws:iam::0:role/r")}, "is not the ARN of a queue, a topic or a function"),
        ({"DestinationConfig": to(f"{QUEUE}.fifo")}, "only standard ones are supported"),
    ],
)
def test_what_is_refused(still: Any, request_: Any, message: str) -> None:
    still.create_function()
    asked = {"FunctionName": "f", **request_}
    assert message in refused(still, "PutFunctionEventInvokeConfig", **asked).message
    if asked["FunctionName"] == "f":
        found = still.call("ListFunctionEventInvokeConfigs", FunctionName="f")
        assert found["FunctionEventInvokeConfigs"] == []


def test_a_function_beside_may_be_a_destination(still: Any) -> None:
    still.create_function()
    assert put(still, DestinationConfig=to(f"{ARN}2"))["DestinationConfig"] == to(f"{ARN}2")


def test_a_dead_letter_target_is_shown_and_taken_away(still: Any) -> None:
    created = still.create_function(DeadLetterConfig={"TargetArn": DEAD})
    assert created["DeadLetterConfig"] == {"TargetArn": DEAD}
    still.call("UpdateFunctionConfiguration", FunctionName="f", Timeout=9)
    assert still.call("GetFunctionConfiguration", FunctionName="f")["DeadLetterConfig"] == {"TargetArn": DEAD}
    still.call("UpdateFunctionConfiguration", FunctionName="f", DeadLetterConfig={"TargetArn": ""})
    assert "DeadLetterConfig" not in still.call("GetFunctionConfiguration", FunctionName="f")
    for bad in (ARN, f"{DEAD}.fifo", "arn:aws:s3:::b"):
        asked = {"FunctionName": "f", "DeadLetterConfig": {"TargetArn": bad}}
        assert refused(still, "UpdateFunctionConfiguration", **asked).code == "InvalidParameterValueException"


# --- what happens


async def test_success_is_told(world: Any, targets: Targets) -> None:
    world.create_function()
    put(world, DestinationConfig=to(QUEUE))
    world.start_jobs()
    world.outcomes = [FAILED, FunctionOutcome(b'{"well":true}')]
    await event(world)
    assert targets.sent == []
    await world.advance(60_000)
    (record,) = targets.records()
    assert targets.sent[0][0] == "told"
    assert record == {
        "version": "1.0",
        "timestamp": record["timestamp"],
        "requestContext": {
            "requestId": world.performed[0].request_id, "functionArn": f"{ARN}:$LATEST", "condition": "Success",
            "approximateInvokeCount": 2,
        },
        "requestPayload": {"n": 1},
        "responseContext": {"statusCode": 200, "executedVersion": "$LATEST"},
        "responsePayload": {"well": True},
    }  # fmt: skip
    assert record["timestamp"].endswith("Z")
    await world.advance(3_600_000)
    assert len(targets.sent) == 1


async def test_failure_is_told_when_the_retries_are_over(world: Any, targets: Targets) -> None:
    world.create_function(Publish=True)
    world.call("CreateAlias", FunctionName="f", Name="live", FunctionVersion="1")
    put(world, Qualifier="live", DestinationConfig=to(QUEUE, "OnFailure"))
    world.start_jobs()
    world.outcomes = [FAILED] * 3
    await event(world, Qualifier="live")
    await world.advance(60_000)
    assert targets.sent == []
    await world.advance(120_000)
    (record,) = targets.records()
    assert record["requestContext"]["functionArn"] == f"{ARN}:live"
    assert record["requestContext"]["condition"] == "RetriesExhausted"
    assert record["requestContext"]["approximateInvokeCount"] == 3
    assert record["responseContext"] == {"statusCode": 200, "executedVersion": "1", "functionError": "Unhandled"}
    assert record["responsePayload"]["errorMessage"] == "no"
    # Success has no destination, and other qualifiers have none at all.
    await event(world, Qualifier="live")
    world.outcomes = [FAILED]
    await event(world)
    await world.advance(3_600_000)
    assert len(targets.sent) == 1


@pytest.mark.parametrize(("retries", "runs"), [(0, 1), (1, 2)])
async def test_retries_are_as_many_as_configured(world: Any, targets: Targets, retries: int, runs: int) -> None:
    world.create_function()
    put(world, MaximumRetryAttempts=retries, DestinationConfig=to(TOPIC))
    world.start_jobs()
    world.outcomes = [FAILED] * 3
    await event(world)
    await world.advance(60_000)
    await world.advance(120_000)
    assert len(world.performed) == runs
    assert [(name, request["TopicArn"]) for name, request in targets.sent] == [("told", TOPIC)]
    assert json.loads(targets.sent[0][1]["Message"])["requestContext"]["approximateInvokeCount"] == runs


async def test_an_event_gets_too_old(world: Any, targets: Targets) -> None:
    world.create_function()
    put(world, MaximumEventAgeInSeconds=60, DestinationConfig=to(QUEUE))
    world.start_jobs()
    world.outcomes = [FunctionThrottled()] * 100
    await event(world)
    for _ in range(60):
        await world.advance(1_000)
    (record,) = targets.records()
    assert record["requestContext"]["condition"] == "EventAgeExceeded"
    assert "responsePayload" not in record
    assert 5 <= len(world.performed) <= 7, "after 0, 1, 3, 7, 15 and 31 seconds"
    # After a function error the next try would be too late.
    world.outcomes = [FunctionThrottled(), FAILED, FAILED]
    await event(world)
    await world.advance(1_000)
    assert targets.records()[1]["requestContext"]["condition"] == "EventAgeExceeded"
    assert targets.records()[1]["responsePayload"]["errorType"] == "ValueError"


async def test_an_event_that_was_left_lying_is_too_old_to_run(world: Any, targets: Targets) -> None:
    world.create_function()
    put(world, MaximumEventAgeInSeconds=60, DestinationConfig=to(QUEUE))
    await event(world)
    await world.advance(60_001)
    world.start_jobs()
    await world.settle()
    assert world.performed == []
    assert targets.records()[0]["requestContext"]["condition"] == "EventAgeExceeded"


async def test_with_nothing_reserved_an_event_fails_at_once(world: Any, targets: Targets) -> None:
    world.create_function(DeadLetterConfig={"TargetArn": DEAD})
    put(world, DestinationConfig=to(QUEUE))
    world.call("PutFunctionConcurrency", FunctionName="f", ReservedConcurrentExecutions=0)
    world.start_jobs()
    await event(world)
    assert world.performed == []
    assert [name for name, _ in targets.sent] == ["told", "dead"]
    assert targets.records()[0]["requestContext"]["condition"] == "ZeroReservedConcurrency"
    assert targets.sent[1][1]["MessageBody"] == '{"n":1}'


async def test_a_dead_letter_is_the_event_itself(world: Any, targets: Targets) -> None:
    world.create_function(DeadLetterConfig={"TargetArn": DEAD})
    put(world, MaximumRetryAttempts=0)
    world.start_jobs()
    world.outcomes = [FAILED]
    await event(world)
    ((name, request),) = targets.sent
    assert (name, request["MessageBody"]) == ("dead", '{"n":1}')
    assert request["MessageAttributes"] == {
        "RequestID": {"DataType": "String", "StringValue": world.performed[0].request_id},
        "ErrorCode": {"DataType": "Number", "StringValue": "200"},
        "ErrorMessage": {"DataType": "String", "StringValue": "no"},
    }


async def test_a_function_is_a_destination(world: Any) -> None:
    world.create_function()
    world.create_function("g")
    put(world, DestinationConfig=to(ARN[:-1] + "g"))
    world.start_jobs()
    await event(world)
    await world.settle()
    assert [call.spec.name for call in world.performed] == ["f", "g"]
    assert json.loads(world.performed[1].payload)["responsePayload"] == {"n": 1}


async def test_a_destination_that_is_gone_loses_the_record_only(world: Any, targets: Targets, caplog: Any) -> None:
    world.create_function()
    put(world, DestinationConfig=to(QUEUE))
    world.start_jobs()
    targets.gone = True
    await event(world)
    await world.advance(3_600_000)
    assert len(world.performed) == 1
    assert "refused what became of an event" in caplog.text


async def test_an_answer_that_is_no_json_is_told_as_text(world: Any, targets: Targets) -> None:
    world.create_function()
    put(world, DestinationConfig=to(QUEUE))
    world.start_jobs()
    world.outcomes = [FunctionOutcome(b"plain")]
    await event(world)
    assert targets.records()[0]["responsePayload"] == "plain"


async def test_a_crash_between_run_and_end_tells_once(world: Any, targets: Targets) -> None:
    """Another start of the server takes the event up; what was told is told in the transaction that ends it."""
    world.create_function()
    put(world, DestinationConfig=to(QUEUE))
    world.gate = asyncio.Event()
    world.start_jobs()
    await event(world)
    assert len(world.performed) == 1
    await world.stop()  # the runner dies with the call under way: what it leased stays
    for task in list(world.runner._performing):
        task.cancel()
    await asyncio.gather(*world.runner._performing, return_exceptions=True)
    assert targets.sent == []
    now_ms = world.clock.now_ms()
    assert await world.store.transact(lambda tx: release(tx, "node", now_ms)) == 1
    world.gate = None
    world.runner = Runner(world.engine, lambdas.SERVICE.jobs, "node")
    world._tasks = []
    world.start_jobs()
    await world.settle()
    assert len(world.performed) == 2
    assert len({call.request_id for call in world.performed}) == 1
    assert len(targets.sent) == 1
