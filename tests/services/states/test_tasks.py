"""Tasks: calls in the same transaction, tokens, functions, activities; what is left behind, and what is not."""

import json
from typing import Any

import msgspec
import pytest

from waypost.runtimes.invocation import FunctionOutcome, FunctionThrottled, RuntimeMissing
from waypost.service import Park
from waypost.services import states

from .conftest import ACCOUNT, QUEUE, REGION, World

SEND = "arn:aws:states:::sqs:sendMessage"
CALLBACK = f"{SEND}.waitForTaskToken"
BODY = {"order.$": "$.order", "token.$": "$$.Task.Token"}
CAUGHT = {"Type": "Pass", "End": True}


def task(resource: str, parameters: Any = None, **fields: Any) -> dict[str, Any]:
    """A machine of one Task."""
    state = {"Type": "Task", "Resource": resource, "End": True, **fields}
    if parameters is not None:
        state["Parameters"] = parameters
    return {"StartAt": "T", "States": {"T": state, **({"Caught": CAUGHT} if "Catch" in fields else {})}}


def callback(**fields: Any) -> dict[str, Any]:
    return task(CALLBACK, {"QueueUrl": QUEUE, "MessageBody": BODY}, **fields)


def invoke(**fields: Any) -> dict[str, Any]:
    return task("arn:aws:states:::lambda:invoke", {"FunctionName": "f", "Payload.$": "$"}, **fields)


# --- a call in the transaction


def test_a_message_is_sent_in_the_transaction_of_the_start(world: World) -> None:
    arn = world.start(task(SEND, {"QueueUrl": QUEUE, "MessageBody": {"a.$": "$.a"}, "Unknown": 1}), {"a": 1})
    assert [message["MessageBody"] for message in world.messages] == ['{"a":1}']
    assert world.types(arn) == [
        "ExecutionStarted",
        "TaskStateEntered",
        "TaskScheduled",
        "TaskStarted",
        "TaskSucceeded",
        "TaskStateExited",
        "ExecutionSucceeded",
    ]
    output = world.output(arn)
    assert output["MD5OfMessageBody"] == "0" * 32
    request_id = output["SdkResponseMetadata"]["RequestId"]
    headers = output["SdkHttpMetadata"]["HttpHeaders"]
    assert headers["x-amzn-RequestId"] == request_id
    assert headers["Content-Length"] == "106"
    assert headers["Date"] == "Tue, 14 Nov 2023 22:13:20 GMT"
    assert output["SdkHttpMetadata"]["AllHttpHeaders"]["Content-Type"] == ["application/x-amz-json-1.0"]
    assert output["SdkHttpMetadata"]["HttpStatusCode"] == 200
    assert world.nothing_left()


def test_a_call_under_credentials_is_made_in_their_account(world: World) -> None:
    role = "arn:aws:iam::222222222222:role/theirs"
    arn = world.start(task(SEND, {"QueueUrl": QUEUE, "MessageBody": "m"}, Credentials={"RoleArn": role}))
    assert world.status(arn) == "SUCCEEDED"
    assert world.called_in == ["222222222222"]
    assert world.details(arn, "TaskScheduled")["taskCredentials"] == {"roleArn": role}
    world.functions["f"] = lambda _: 1
    world.start(invoke(Credentials={"RoleArn": role}), name="n")
    world.work()
    assert world.called_in[1:] == ["222222222222"]


def test_credentials_that_name_no_role_fail_the_task(world: World) -> None:
    parameters = {"QueueUrl": QUEUE, "MessageBody": "x"}
    arn = world.start(task(SEND, parameters, Credentials={"RoleArn.$": "$.role"}), {"role": "nobody"})
    described = world.describe(arn)
    assert described["error"] == "States.TaskFailed"
    assert described["cause"].endswith("is not authorized to assume the task state's role, nobody.")
    assert world.messages == []


def test_a_call_that_is_refused_fails_the_task(world: World) -> None:
    missing = task(SEND, {"QueueUrl": QUEUE + "x", "MessageBody": "m"})
    failed = world.details(world.start(missing), "TaskFailed")
    assert failed["error"] == "SQS.AmazonSQSException"
    assert failed["cause"].startswith(
        "The specified queue does not exist. (Service: AmazonSQS; Status Code: 400;"
        " Error Code: AWS.SimpleQueueService.NonExistentQueue; Request ID: "
    )
    assert failed["cause"].endswith("; Proxy: null)")


def test_a_queue_that_is_no_queue_is_a_client_error(world: World) -> None:
    elsewhere = task(SEND, {"QueueUrl": "http://no-such-queue-1", "MessageBody": "m"})
    failed = world.details(world.start(elsewhere), "TaskFailed")
    assert failed == {
        "resource": "sendMessage",
        "resourceType": "sqs",
        "error": "SQS.SdkClientException",
        "cause": "Unable to execute HTTP request: no-such-queue-1: Name or service not known",
    }


def test_many_calls_are_spread_over_transactions(world: World) -> None:
    loop = {
        "StartAt": "Send",
        "States": {
            "Send": {
                "Type": "Task", "Resource": SEND, "ResultPath": None,
                "Parameters": {"QueueUrl": QUEUE, "MessageBody.$": "States.Format('{}', $.n)"}, "Next": "Count",
            },
            "Count": {"Type": "Pass", "Parameters": {"n.$": "States.MathAdd($.n, -1)"}, "Next": "More"},
            "More": {
                "Type": "Choice", "Choices": [{"Variable": "$.n", "NumericGreaterThan": 0, "Next": "Send"}],
                "Default": "Done",
            },
            "Done": {"Type": "Succeed"},
        },
    }  # fmt: skip
    arn = world.start(loop, {"n": 50})
    assert 0 < len(world.messages) < 50
    world.work()
    assert [message["MessageBody"] for message in world.messages] == [str(n) for n in range(50, 0, -1)]
    assert world.output(arn) == {"n": 0}
    assert world.nothing_left()


# --- tokens


def test_success_goes_on_in_the_transaction_that_takes_the_token(world: World) -> None:
    arn = world.start(callback(), {"order": 7})
    assert world.status(arn) == "RUNNING"
    assert json.loads(world.messages[0]["MessageBody"])["order"] == 7
    assert world.types(arn)[-2:] == ["TaskStarted", "TaskSubmitted"]
    token = world.token()
    assert world.run("SendTaskSuccess", taskToken=token, output='{"done": true}') == {}
    assert world.output(arn) == {"done": True}
    assert world.nothing_left()
    assert world.refused("SendTaskSuccess", taskToken=token, output="1") == (
        "TaskTimedOut",
        "Task Timed Out: 'Provided task does not exist anymore'",
    )
    assert world.types(arn)[-3:] == ["TaskSucceeded", "TaskStateExited", "ExecutionSucceeded"]


def test_failure_can_be_caught(world: World) -> None:
    arn = world.start(callback(Catch=[{"ErrorEquals": ["OutOfStock"], "Next": "Caught"}]), {"order": 7})
    world.run("SendTaskFailure", taskToken=world.token(), error="OutOfStock", cause="none left")
    assert world.output(arn) == {"Error": "OutOfStock", "Cause": "none left"}
    assert world.nothing_left()


def test_failure_without_a_name(world: World) -> None:
    arn = world.start(callback(), {"order": 7})
    world.run("SendTaskFailure", taskToken=world.token())
    assert world.status(arn) == "FAILED"


def test_tokens_that_are_none(world: World) -> None:
    arn = world.start(callback(), {"order": 7})
    token = world.token()
    bad = ("InvalidToken", "Invalid Token: 'Invalid token'")
    assert world.refused("SendTaskSuccess", taskToken="x", output="1") == bad
    assert world.refused("SendTaskHeartbeat", taskToken=token[:-1]) == bad
    assert world.refused("SendTaskSuccess", taskToken=token[:-1] + ("A" if token[-1] != "A" else "B"), output="1")[
        0
    ] == ("TaskTimedOut")
    unknown = "AAAAAAAAAAE" + token[11:]
    assert world.refused("SendTaskFailure", taskToken=unknown)[0] == "TaskDoesNotExist"
    code, message = world.refused("SendTaskSuccess", taskToken=token, output="{bad")
    assert code == "InvalidOutput"
    assert "double-quote" in message
    deep = "[" * 5_000 + "]" * 5_000
    assert world.refused("SendTaskSuccess", taskToken=token, output=deep)[0] == "InvalidOutput"
    world.account = "111111111111"
    assert world.refused("SendTaskSuccess", taskToken=token, output="1") == bad
    world.account = ACCOUNT
    assert world.status(arn) == "RUNNING"
    world.run("SendTaskSuccess", taskToken=token, output="1")
    assert world.output(arn) == 1


def test_a_task_times_out(world: World) -> None:
    arn = world.start(callback(TimeoutSeconds=5), {"order": 7})
    world.pass_time(4_999)
    assert world.status(arn) == "RUNNING"
    world.pass_time(1)
    assert world.status(arn) == "FAILED"
    assert world.types(arn)[-2:] == ["TaskTimedOut", "ExecutionFailed"]
    assert world.details(arn, "TaskTimedOut") == {
        "resource": "sendMessage.waitForTaskToken",
        "resourceType": "sqs",
        "error": "States.Timeout",
    }
    assert world.refused("SendTaskSuccess", taskToken=world.token(), output="1")[0] == "TaskTimedOut"
    assert world.nothing_left()


def test_heartbeats_keep_a_task_alive(world: World) -> None:
    arn = world.start(callback(TimeoutSeconds=600, HeartbeatSeconds=10), {"order": 7})
    for _ in range(5):
        world.pass_time(9_000)
        assert world.run("SendTaskHeartbeat", taskToken=world.token()) == {}
    assert world.status(arn) == "RUNNING"
    assert len(world.jobs()) == 2
    world.pass_time(9_999)
    assert world.status(arn) == "RUNNING"
    world.pass_time(1)
    assert world.types(arn)[-2:] == ["TaskTimedOut", "ExecutionFailed"]
    assert world.details(arn, "TaskTimedOut")["error"] == "States.Timeout"
    assert world.nothing_left()


def test_a_silent_task_is_tried_again_then_caught(world: World) -> None:
    arn = world.start(
        callback(
            HeartbeatSeconds=10,
            Retry=[{"ErrorEquals": ["States.HeartbeatTimeout"], "IntervalSeconds": 2, "MaxAttempts": 1}],
            Catch=[{"ErrorEquals": ["States.ALL"], "Next": "Caught", "ResultPath": "$.error"}],
        ),
        {"order": 7},
    )
    first = world.token()
    world.pass_time(10_000)
    assert world.refused("SendTaskHeartbeat", taskToken=first)[0] == "TaskTimedOut"
    assert world.count("states_token") == 0
    world.pass_time(2_000)
    assert len(world.messages) == 2
    assert world.token() != first
    assert world.refused("SendTaskSuccess", taskToken=first, output="1")[0] == "TaskTimedOut"
    world.pass_time(10_000)
    assert world.output(arn)["error"]["Error"] == "States.Timeout"
    assert world.nothing_left()


def test_a_stop_takes_token_and_timers_away(world: World) -> None:
    arn = world.start(callback(TimeoutSeconds=600, HeartbeatSeconds=10), {"order": 7})
    world.run("StopExecution", executionArn=arn)
    assert world.nothing_left()
    assert world.refused("SendTaskHeartbeat", taskToken=world.token())[0] == "TaskTimedOut"


def test_called_by_a_workflow_a_token_is_settled_by_a_job(world: World) -> None:
    arn = world.start(callback(TimeoutSeconds=60), {"order": 7})
    world.run("SendTaskSuccess", wire="internal", taskToken=world.token(), output='"x"')
    assert world.refused("SendTaskSuccess", taskToken=world.token(), output="1")[0] == "TaskTimedOut"
    assert world.status(arn) == "RUNNING"
    world.work()
    assert world.output(arn) == "x"
    assert world.nothing_left()


# --- parallel branches


def parallel(**fields: Any) -> dict[str, Any]:
    branch = {"StartAt": "T", "States": callback(TimeoutSeconds=60)["States"]}
    failing = {
        "StartAt": "W",
        "States": {"W": {"Type": "Wait", "Seconds": 5, "Next": "F"}, "F": {"Type": "Fail", "Error": "E"}},
    }
    return {
        "StartAt": "P",
        "States": {
            "P": {"Type": "Parallel", "Branches": [branch, failing], "End": True, **fields},
            **({"Caught": CAUGHT} if "Catch" in fields else {}),
        },
    }


def test_a_failing_branch_takes_its_siblings_down(world: World) -> None:
    arn = world.start(parallel(Catch=[{"ErrorEquals": ["E"], "Next": "Caught"}]), {"order": 7})
    assert world.count("states_branch") == 2
    assert world.count("states_token") == 1
    world.pass_time(5_000)
    assert world.output(arn)["Error"] == "E"
    assert world.refused("SendTaskSuccess", taskToken=world.token(), output="1")[0] == "TaskTimedOut"
    assert world.nothing_left()


def test_a_failing_branch_ends_the_execution(world: World) -> None:
    arn = world.start(parallel(), {"order": 7})
    world.pass_time(5_000)
    assert world.status(arn) == "FAILED"
    assert world.nothing_left()


def test_a_map_of_tokens(world: World) -> None:
    processor = {"StartAt": "T", "States": callback(TimeoutSeconds=60)["States"]}
    machine = {
        "StartAt": "M",
        "States": {"M": {"Type": "Map", "ItemProcessor": processor, "MaxConcurrency": 3, "End": True}},
    }
    arn = world.start(machine, [{"order": number} for number in range(10)])
    done = 0
    while done < len(world.messages):
        assert len(world.messages) - done <= 3
        body = json.loads(world.messages[done]["MessageBody"])
        world.run("SendTaskSuccess", taskToken=body["token"], output=json.dumps(body["order"] * 10))
        done += 1
    assert done == 10
    assert world.output(arn) == [number * 10 for number in range(10)]
    assert world.nothing_left()


def test_two_branches_settled_in_any_order(world: World) -> None:
    branch = {"StartAt": "T", "States": callback()["States"]}
    other = json.loads(json.dumps(branch).replace('"T"', '"U"'))
    machine = {"StartAt": "P", "States": {"P": {"Type": "Parallel", "Branches": [branch, other], "End": True}}}
    arn = world.start(machine, {"order": 1})
    world.run("SendTaskSuccess", taskToken=world.token(1), output='"second"')
    assert world.status(arn) == "RUNNING"
    world.run("SendTaskSuccess", taskToken=world.token(0), output='"first"')
    assert world.output(arn) == ["first", "second"]
    assert world.nothing_left()


# --- functions


def test_a_function_is_invoked_by_a_job(world: World) -> None:
    world.functions["f"] = lambda event: {"got": event}
    arn = world.start(invoke(), {"a": 1})
    assert world.types(arn)[-2:] == ["TaskScheduled", "TaskStarted"]
    assert world.invoked == []
    world.work()
    output = world.output(arn)
    assert output["Payload"] == {"got": {"a": 1}}
    assert (output["StatusCode"], output["ExecutedVersion"]) == (200, "$LATEST")
    assert output["SdkHttpMetadata"]["HttpHeaders"]["X-Amz-Executed-Version"] == "$LATEST"
    assert world.types(arn).count("TaskStarted") == 1
    assert world.nothing_left()


@pytest.mark.parametrize("qualifier", ["", ":$LATEST", ":live"])
def test_a_function_arn_as_resource(world: World, qualifier: str) -> None:
    world.functions["f"] = lambda event: event["a"] + 1
    arn = world.start(task(f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:f{qualifier}"), {"a": 1})
    world.work()
    assert world.output(arn) == 2
    assert world.types(arn)[2:5] == ["LambdaFunctionScheduled", "LambdaFunctionStarted", "LambdaFunctionSucceeded"]


def test_a_function_that_fails(world: World) -> None:
    error = '{"errorMessage": "no", "errorType": "OutOfStock", "stackTrace": []}'
    world.functions["f"] = lambda _: FunctionOutcome(error.encode(), "Unhandled")
    arn = world.start(invoke())
    world.work()
    described = world.describe(arn)
    assert (described["error"], described["cause"]) == ("OutOfStock", error)


def test_a_function_that_fails_without_a_type(world: World) -> None:
    world.functions["f"] = lambda _: FunctionOutcome(b'{"errorMessage": "gone"}', "Unhandled")
    arn = world.start(invoke())
    world.work()
    described = world.describe(arn)
    assert described["error"] == "Lambda.Unknown"
    assert described["cause"].endswith('Returned payload: {"errorMessage": "gone"}')


@pytest.mark.parametrize("error", [None, "Unhandled"])
def test_a_function_whose_answer_nests_too_deeply_is_not_run_again(world: World, error: str | None) -> None:
    world.functions["f"] = lambda _: FunctionOutcome(b"[" * 5_000 + b"]" * 5_000, error)
    arn = world.start(invoke())
    world.work()
    assert world.describe(arn)["error"] == "States.Runtime"
    assert world.nothing_left()


def test_a_function_that_is_not_there(world: World) -> None:
    arn = world.start(invoke())
    world.work()
    described = world.describe(arn)
    assert described["error"] == "Lambda.ResourceNotFoundException"
    assert described["cause"].startswith(
        f"Function not found: arn:aws:lambda:{REGION}:{ACCOUNT}:function:f"
        " (Service: Lambda, Status Code: 404, Request ID: "
    )
    assert world.nothing_left()


@pytest.mark.parametrize(
    ("outcome", "error"),
    [
        (FunctionThrottled(), "Lambda.TooManyRequestsException"),
        (RuntimeMissing("no node"), "Lambda.InvalidRuntimeException"),
    ],
)
def test_a_function_that_cannot_run_now_is_tried_again(world: World, outcome: Exception, error: str) -> None:
    answers: list[Any] = [outcome, "ok"]
    world.functions["f"] = lambda _: answers.pop(0)
    arn = world.start(invoke(Retry=[{"ErrorEquals": [error], "IntervalSeconds": 1}], OutputPath="$.Payload"))
    world.pass_time(1_000)
    assert world.output(arn) == "ok"
    assert world.details(arn, "TaskFailed")["error"] == error
    assert world.nothing_left()


def test_a_function_that_was_interrupted_runs_again(world: World) -> None:
    world.functions["f"] = lambda _: "done"
    arn = world.start(invoke(OutputPath="$.Payload"))
    world.work(perform=False)  # the node dies with the function under way
    ((job, wanted),) = world.leased
    world.pass_time(30_000)
    assert world.output(arn) == "done"
    before = world.history(arn)
    world.settle(job, wanted)  # the dead come late
    assert world.history(arn) == before
    assert world.nothing_left()


def test_a_function_that_takes_too_long_changes_nothing_later(world: World) -> None:
    world.functions["f"] = lambda _: "late"
    arn = world.start(invoke(TimeoutSeconds=5))
    world.work(perform=False)
    ((job, wanted),) = world.leased
    world.clock.advance(5_000)
    world.work(perform=False)
    assert world.types(arn)[-2:] == ["TaskTimedOut", "ExecutionFailed"]
    assert world.nothing_left()
    world.settle(job, wanted)
    assert world.types(arn)[-1] == "ExecutionFailed"


def test_an_event_is_only_handed_over(world: World) -> None:
    parameters = {"FunctionName": "f", "InvocationType": "Event", "Payload": {"x": 1}}
    arn = world.start(task("arn:aws:states:::lambda:invoke", parameters))
    assert world.output(arn)["StatusCode"] == 202
    assert world.messages[0]["InvocationType"] == "Event"


@pytest.mark.parametrize("wrong", [{"InvocationType": "Later"}, {"LogType": "Head"}])
def test_a_value_that_lambda_does_not_have_is_left_to_lambda(world: World, wrong: dict[str, str]) -> None:
    world.start(task("arn:aws:states:::lambda:invoke", {"FunctionName": "f", **wrong}))
    assert wrong.items() <= world.messages[0].items(), "the call, which the registry validates, not a job"


def test_a_parameter_that_lambda_does_not_have_fails_the_task(world: World) -> None:
    arn = world.start(task("arn:aws:states:::lambda:invoke", {"FunctionName": "f", "Nope": 1}))
    assert world.describe(arn)["cause"] == "The field 'Nope' is not supported by lambda:invoke"


def test_a_function_with_a_token(world: World) -> None:
    parameters = {"FunctionName": "f", "Payload": {"token.$": "$$.Task.Token"}}
    seen: list[str] = []
    world.functions["f"] = lambda event: seen.append(event["token"])
    arn = world.start(task("arn:aws:states:::lambda:invoke.waitForTaskToken", parameters))
    world.work()
    assert world.types(arn)[-1] == "TaskSubmitted"
    world.run("SendTaskSuccess", taskToken=seen[0], output='"yes"')
    assert world.output(arn) == "yes"
    assert world.nothing_left()


def test_a_function_may_use_its_token_before_it_returns(world: World) -> None:
    parameters = {"FunctionName": "f", "Payload": {"token.$": "$$.Task.Token"}}
    world.functions["f"] = lambda event: world.run("SendTaskSuccess", taskToken=event["token"], output='"early"')
    arn = world.start(task("arn:aws:states:::lambda:invoke.waitForTaskToken", parameters))
    world.work()
    assert world.output(arn) == "early"
    assert world.nothing_left()


def test_a_function_without_a_name_fails_the_task(world: World) -> None:
    arn = world.start(task("arn:aws:states:::lambda:invoke", {"Payload": {}}))
    assert world.status(arn) == "FAILED"


# --- activities


def activity(world: World, name: str = "act") -> str:
    return str(world.run("CreateActivity", name=name)["activityArn"])


def test_an_activity_is_kept(world: World) -> None:
    arn = activity(world)
    assert arn == f"arn:aws:states:{REGION}:{ACCOUNT}:activity:act"
    assert activity(world) == arn
    assert world.run("DescribeActivity", activityArn=arn)["name"] == "act"
    assert [item["name"] for item in world.run("ListActivities")["activities"]] == ["act"]
    world.run("TagResource", resourceArn=arn, tags=[{"key": "a", "value": "b"}])
    assert world.run("ListTagsForResource", resourceArn=arn) == {"tags": [{"key": "a", "value": "b"}]}
    world.run("DeleteActivity", activityArn=arn)
    world.run("DeleteActivity", activityArn=arn)
    missing = ("ActivityDoesNotExist", f"Activity Does Not Exist: '{arn}'")
    assert world.refused("DescribeActivity", activityArn=arn) == missing
    assert world.refused("GetActivityTask", activityArn=arn) == missing


def test_a_worker_comes_for_a_task(world: World) -> None:
    act = activity(world)
    waiting = world.run("GetActivityTask", activityArn=act, workerName="w")
    assert isinstance(waiting, Park)
    assert waiting.until_ms == world.clock.now_ms() + 60_000
    woken: list[int] = []
    world.store.wakes.park(waiting.keys, lambda: woken.append(1))
    arn = world.start(task(act, TimeoutSeconds=60, HeartbeatSeconds=10), {"a": 1})
    assert woken == [1]
    assert world.types(arn)[-1] == "ActivityScheduled"
    got = world.run("GetActivityTask", activityArn=act, workerName="w")
    assert json.loads(got["input"]) == {"a": 1}
    assert world.details(arn, "ActivityStarted") == {"workerName": "w"}
    assert isinstance(world.run("GetActivityTask", activityArn=act), Park)
    world.pass_time(9_000)
    world.run("SendTaskHeartbeat", taskToken=got["taskToken"])
    world.pass_time(9_000)
    world.run("SendTaskSuccess", taskToken=got["taskToken"], output='{"b": 2}')
    assert world.output(arn) == {"b": 2}
    assert world.types(arn)[2:5] == ["ActivityScheduled", "ActivityStarted", "ActivitySucceeded"]
    assert world.nothing_left()


def test_a_worker_that_waited_a_minute_goes_without(world: World) -> None:
    act = activity(world)
    ctx = world.context()
    world.clock.advance(60_000)
    operation = states.SERVICE.operations["GetActivityTask"]
    later = msgspec.structs.replace(ctx, now_ms=world.clock.now_ms())
    assert world.store.run(lambda tx: operation(tx, later, {"activityArn": act})) == {}


def test_an_activity_nobody_works_for_times_out(world: World) -> None:
    act = activity(world)
    arn = world.start(task(act, TimeoutSeconds=5))
    world.pass_time(5_000)
    assert world.types(arn)[-2:] == ["ActivityTimedOut", "ExecutionFailed"]
    assert world.nothing_left()
    assert isinstance(world.run("GetActivityTask", activityArn=act), Park)


def test_an_activity_that_is_gone(world: World) -> None:
    act = activity(world)
    world.run("DeleteActivity", activityArn=act)
    arn = world.start(task(act))
    described = world.describe(arn)
    assert described["error"] == "States.Runtime"
    assert described["cause"] == (
        "An error occurred while executing the state 'T' (entered at the event id #2)."
        f" The activity {act} does not exist."
    )
    assert world.types(arn) == ["ExecutionStarted", "TaskStateEntered", "ExecutionFailed"]
