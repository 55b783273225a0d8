"""One state at a time: given an input, expect this output, these events."""

import json

import pytest
from tests.unit.asl.harness import START_MS, Driver, answers, check_history, one, run, settle

from waypost.asl.branch import ROOT
from waypost.asl.commands import Finish
from waypost.asl.events import Heartbeat, Stop, TaskSettled, TaskStarted, TaskSubmitted, TimerFired

LAMBDA = "arn:aws:states:::lambda:invoke"
FUNCTION = "arn:aws:lambda:us-east-1:000000000000:function:f"
TOKEN = "arn:aws:states:::sqs:sendMessage.waitForTaskToken"
ACTIVITY = "arn:aws:states:us-east-1:000000000000:activity:a"


def machine(state):
    return {"StartAt": "S", "States": {"S": state}}


def failure(driver):
    assert driver.finish.status == "FAILED"
    return driver.finish.error, driver.finish.cause


def located(cause, event=2, state="S"):
    return f"An error occurred while executing the state '{state}' (entered at the event id #{event}). {cause}"


@pytest.mark.parametrize(
    ("fields", "value", "output"),
    [
        ({}, {"a": 1}, {"a": 1}),
        ({"Result": [1]}, {"a": 1}, [1]),
        ({"Result": 5, "ResultPath": "$.r"}, {"a": 1}, {"a": 1, "r": 5}),
        ({"Result": 5, "ResultPath": "$.x.y"}, {"x": {"z": 1}}, {"x": {"z": 1, "y": 5}}),
        ({"Result": 5, "ResultPath": "$.x.y"}, {}, {"x": {"y": 5}}),
        ({"Result": 5, "ResultPath": "$['x']"}, {"x": 1}, {"x": 5}),
        ({"Result": 5, "ResultPath": "$.x[1]"}, {"x": [1, 2, 3]}, {"x": [1, 5, 3]}),
        ({"Result": 5, "ResultPath": None}, {"a": 1}, {"a": 1}),
        ({"InputPath": "$.a"}, {"a": [1]}, [1]),
        ({"InputPath": None}, {"a": 1}, {}),
        ({"InputPath": "$.a", "ResultPath": "$.b"}, {"a": 1}, {"a": 1, "b": 1}),
        ({"OutputPath": "$.a"}, {"a": 1}, 1),
        ({"OutputPath": None}, {"a": 1}, {}),
        ({"InputPath": "$$.State.Name"}, {}, "S"),
        ({"Parameters": {"k.$": "$.a", "c": [1, {"d.$": "$.a"}]}}, {"a": 1}, {"c": [1, {"d": 1}], "k": 1}),
        ({"Parameters": {"k.$": "$"}, "InputPath": "$.a"}, {"a": 1}, {"k": 1}),
        ({"Parameters": {"k.$": "States.Format('{}', $.a)"}}, {"a": 1}, {"k": "1"}),
        ({"Parameters": {"k.$": "$.a[9]"}}, {"a": []}, {"k": None}),
        ({"Parameters": {"k.$": "$.a[*].b"}}, {"a": []}, {"k": []}),
    ],
)
def test_pass(fields, value, output):
    driver = one({"Type": "Pass", **fields}, value)
    assert driver.output == output
    assert driver.types == ["ExecutionStarted", "PassStateEntered", "PassStateExited", "ExecutionSucceeded"]
    assert driver.links == [(1, 0), (2, 0), (3, 2), (4, 3)]


@pytest.mark.parametrize(
    ("fields", "value", "error", "cause"),
    [
        (
            {"InputPath": "$.a.b"},
            {},
            "States.Runtime",
            located("Invalid path '$.a.b' : Missing property in path $['a']"),
        ),
        ({"OutputPath": "$.p"}, {}, "States.Runtime", located("Invalid path '$.p' : No results for path: $['p']")),
        (
            {"Parameters": {"v.$": "$.x"}},
            {"a": 1},
            "States.Runtime",
            located("The JSONPath '$.x' specified for the field 'v.$' could not be found in the input '{\"a\":1}'"),
        ),
        (
            {"Result": 1, "ResultPath": "$.a.b"},
            {"a": 1},
            "States.ReferencePathConflict",
            'Unable to apply step "b" to input {"a":1}',
        ),
        (
            {"Parameters": {"v.$": "States.MathAdd('a', 1)"}},
            {},
            "States.IntrinsicFailure",
            located("The function 'States.MathAdd('a', 1)' had the following error: argument must be a number"),
        ),
    ],
)
def test_pass_that_fails(fields, value, error, cause):
    driver = one({"Type": "Pass", **fields}, value)
    assert failure(driver) == (error, cause)
    assert driver.types[1:] == ["PassStateEntered", "ExecutionFailed"]
    assert driver.links[-1] == (3, 2)


def test_text_is_shown_as_it_was_written():
    driver = run({"StartAt": "S", "States": {"S": {"Type": "Pass", "End": True}}}, text='{ "a" : 1.10 }')
    assert driver.history[0]["executionStartedEventDetails"]["input"] == '{ "a" : 1.10 }'
    assert driver.finish.output == '{ "a" : 1.10 }'


def test_dynamic_keys_are_written_as_the_service_writes_them():
    selector = {
        "original_input.$": "$.a",
        "iteration_input_value.$": "$.a",
        "iteration_index.$": "$.a",
        "from_input_constant.$": "$.a",
        "constant_value": "HelloWorld",
    }
    driver = one({"Type": "Pass", "Parameters": selector}, {"a": 1})
    assert list(driver.output) == [
        "constant_value",
        "iteration_input_value",
        "from_input_constant",
        "iteration_index",
        "original_input",
    ]


def test_context_object():
    driver = one({"Type": "Pass", "InputPath": "$$"}, {"a": 1})
    assert driver.output == {
        "Execution": {
            "Id": "arn:aws:states:us-east-1:000000000000:execution:machine:run",
            "Input": {"a": 1},
            "StartTime": "2023-11-14T22:13:20Z",
            "Name": "run",
            "RoleArn": "arn:aws:iam::000000000000:role/states",
            "RedriveCount": 0,
        },
        "StateMachine": {"Id": "arn:aws:states:us-east-1:000000000000:stateMachine:machine", "Name": "machine"},
        "State": {"Name": "S", "EnteredTime": "2023-11-14T22:13:20Z"},
    }


@pytest.mark.parametrize(
    ("rule", "value", "holds"),
    [
        ({"Variable": "$.a", "StringEquals": "x"}, "x", True),
        ({"Variable": "$.a", "StringEquals": "1"}, 1, False),
        ({"Variable": "$.a", "StringLessThan": "b"}, "a", True),
        ({"Variable": "$.a", "StringGreaterThanEquals": "b"}, "b", True),
        ({"Variable": "$.a", "StringEqualsPath": "$.b"}, "bee", True),
        ({"Variable": "$.a", "StringMatches": "log-*.txt"}, "log-2023.txt", True),
        ({"Variable": "$.a", "StringMatches": "a\\*b"}, "a*b", True),
        ({"Variable": "$.a", "StringMatches": "a\\*b"}, "axb", False),
        ({"Variable": "$.a", "StringMatches": "a.b"}, "axb", False),
        ({"Variable": "$.a", "NumericEquals": 1}, 1.0, True),
        ({"Variable": "$.a", "NumericEquals": 1}, True, False),
        ({"Variable": "$.a", "NumericEquals": 1}, "1", False),
        ({"Variable": "$.a", "NumericGreaterThanPath": "$.n"}, 8, True),
        ({"Variable": "$.a", "NumericLessThanEquals": 7}, 7, True),
        ({"Variable": "$.a", "BooleanEquals": False}, False, True),
        ({"Variable": "$.a", "BooleanEquals": False}, 0, False),
        ({"Variable": "$.a", "BooleanEqualsPath": "$.t"}, True, True),
        ({"Variable": "$.a", "TimestampEquals": "2020-01-01T00:00:00Z"}, "2020-01-01T01:00:00+01:00", True),
        ({"Variable": "$.a", "TimestampLessThan": "2020-01-01T00:00:00.000000001Z"}, "2020-01-01T00:00:00Z", True),
        ({"Variable": "$.a", "TimestampGreaterThan": "2020-01-01T00:00:00Z"}, "later", False),
        ({"Variable": "$.a", "IsNull": True}, None, True),
        ({"Variable": "$.a", "IsNull": False}, 1, True),
        ({"Variable": "$.a", "IsNumeric": True}, 1.5, True),
        ({"Variable": "$.a", "IsNumeric": True}, True, False),
        ({"Variable": "$.a", "IsString": True}, "x", True),
        ({"Variable": "$.a", "IsBoolean": True}, False, True),
        ({"Variable": "$.a", "IsTimestamp": True}, "2020-01-01T00:00:00Z", True),
        ({"Variable": "$.a", "IsTimestamp": True}, "2020-01-01 00:00:00", False),
        ({"Variable": "$.a", "IsPresent": True}, None, True),
        ({"Variable": "$.zz", "IsPresent": False}, 1, True),
        ({"And": [{"Variable": "$.zz", "IsPresent": True}, {"Variable": "$.zz", "NumericEquals": 1}]}, 1, False),
        ({"Or": [{"Variable": "$.a", "IsNumeric": True}, {"Variable": "$.zz", "NumericEquals": 1}]}, 1, True),
        ({"Not": {"Variable": "$.a", "NumericEquals": 1}}, 2, True),
        ({"Variable": "$$.State.Name", "StringEquals": "S"}, 2, True),
    ],
)
def test_choice(rule, value, holds):
    states = {
        "S": {"Type": "Choice", "Choices": [{**rule, "Next": "Yes"}], "Default": "No"},
        "Yes": {"Type": "Pass", "Result": True, "End": True},
        "No": {"Type": "Pass", "Result": False, "End": True},
    }
    driver = run({"StartAt": "S", "States": states}, {"a": value, "b": "bee", "n": 7, "t": True})
    assert driver.output is holds


def test_choice_without_a_match():
    states = {
        "S": {"Type": "Choice", "Choices": [{"Variable": "$.a", "IsNull": True, "Next": "T"}]},
        "T": {"Type": "Succeed"},
    }
    driver = run({"StartAt": "S", "States": states}, {"a": 1})
    cause = "Failed to transition out of the state. The state does not point to a next state."
    assert failure(driver) == ("States.Runtime", located(cause))


def test_choice_of_a_missing_value():
    states = {
        "S": {"Type": "Choice", "Choices": [{"Variable": "$.x", "IsNull": True, "Next": "T"}], "Default": "T"},
        "T": {"Type": "Succeed"},
    }
    cause = "Invalid path '$.x': The choice state's condition path references an invalid value."
    assert failure(run({"StartAt": "S", "States": states})) == ("States.Runtime", located(cause))


@pytest.mark.parametrize(
    ("fields", "value", "waited_ms"),
    [
        ({"Seconds": 3}, {}, 3000),
        ({"Seconds": 0}, {}, 0),
        ({"SecondsPath": "$.s"}, {"s": 2}, 2000),
        ({"Timestamp": "2023-11-14T22:13:21.5Z"}, {}, 1500),
        ({"TimestampPath": "$.t"}, {"t": "2023-11-14T23:13:21.000000001+01:00"}, 1001),
        ({"Timestamp": "2016-03-14T01:59:00Z"}, {}, 0),
    ],
)
def test_wait(fields, value, waited_ms):
    driver = one({"Type": "Wait", **fields}, value)
    assert driver.output == value
    assert driver.now_ms - START_MS == waited_ms
    assert driver.types[1:3] == ["WaitStateEntered", "WaitStateExited"]


def test_a_wait_that_is_too_long():
    cause = located("Wait state delay is too long.")
    assert failure(one({"Type": "Wait", "SecondsPath": "$.s"}, {"s": 10**9})) == ("States.Runtime", cause)


def test_timers_that_fire_early_are_armed_again():
    driver = Driver({"StartAt": "S", "States": {"S": {"Type": "Wait", "Seconds": 9, "End": True}}})
    driver.start()
    early = driver.apply(TimerFired(at_ms=START_MS + 8_999, seed="x", branch=ROOT, attempt=1, kind="wait"))
    assert [command.at_ms for command in early.commands] == [START_MS + 9_000]
    assert early.changed == early.history == []
    assert driver.apply(TimerFired(at_ms=START_MS + 9_000, seed="x", branch=ROOT, attempt=1, kind="wait")).history


@pytest.mark.parametrize(
    ("fields", "error", "cause"),
    [
        ({"Error": "E", "Cause": "C"}, "E", "C"),
        ({}, None, None),
        ({"ErrorPath": "$.e", "CausePath": "States.Format('{}!', $.c)"}, "ee", "cc!"),
    ],
)
def test_fail(fields, error, cause):
    driver = one({"Type": "Fail", **fields}, {"e": "ee", "c": "cc"})
    assert failure(driver) == (error, cause)
    assert driver.types[1:] == ["FailStateEntered", "ExecutionFailed"]
    told = {key: value for key, value in (("error", error), ("cause", cause)) if value is not None}
    assert driver.history[-1]["executionFailedEventDetails"] == told


def test_succeed():
    driver = one({"Type": "Succeed", "InputPath": "$.a", "OutputPath": "$.b"}, {"a": {"b": 1}})
    assert driver.output == 1
    assert driver.types[1:3] == ["SucceedStateEntered", "SucceedStateExited"]


# Tasks


def test_task_of_a_service():
    fields = {
        "Resource": LAMBDA,
        "Parameters": {"FunctionName": "f", "Payload.$": "$.p"},
        "ResultSelector": {"x.$": "$.Payload"},
        "ResultPath": "$.r",
        "TimeoutSeconds": 60,
    }
    driver = one({"Type": "Task", **fields}, {"p": 1}, answers({"Payload": 7}))
    assert driver.output == {"p": 1, "r": {"x": 7}}
    task = driver.tasks[0]
    assert (task.parameters, task.token, task.timeout_ms) == ({"FunctionName": "f", "Payload": 1}, None, 60_000)
    assert driver.types[1:6] == [
        "TaskStateEntered",
        "TaskScheduled",
        "TaskStarted",
        "TaskSucceeded",
        "TaskStateExited",
    ]
    assert driver.history[2]["taskScheduledEventDetails"] == {
        "resourceType": "lambda",
        "resource": "invoke",
        "region": "us-east-1",
        "parameters": '{"FunctionName":"f","Payload":1}',
        "timeoutInSeconds": 60,
    }


def test_a_task_that_ends_gives_up_its_timers():
    states = {
        "S": {"Type": "Task", "Resource": LAMBDA, "TimeoutSeconds": 60, "Next": "W"},
        "W": {"Type": "Wait", "Seconds": 100, "End": True},
    }
    driver = run({"StartAt": "S", "States": states}, {}, answers(1))
    assert driver.abandoned == {(ROOT, 1)}
    assert driver.output == 1


def test_task_of_a_function_arn():
    driver = one({"Type": "Task", "Resource": FUNCTION}, {"p": 1}, answers({"q": 2}))
    assert driver.output == {"q": 2}
    assert driver.types[2:5] == ["LambdaFunctionScheduled", "LambdaFunctionStarted", "LambdaFunctionSucceeded"]
    assert driver.history[2]["lambdaFunctionScheduledEventDetails"] == {
        "resource": FUNCTION,
        "input": '{"p": 1}',
        "inputDetails": {"truncated": False},
    }
    assert driver.abandoned == set()


def test_task_of_an_activity():
    driver = Driver(
        machine({"Type": "Task", "Resource": ACTIVITY, "HeartbeatSeconds": 5, "End": True}), script=answers(None)
    )
    step = driver.start()
    task = driver.tasks[0]
    assert task.token
    assert not any(command.__class__.__name__ == "StartTimer" for command in step.commands)
    names = {"branch": ROOT, "attempt": task.attempt, "seed": "x"}
    picked = driver.apply(TaskStarted(at_ms=START_MS + 60_000, worker_name="w", **names))
    assert picked.commands[0].at_ms == START_MS + 65_000
    assert driver.history[-1]["activityStartedEventDetails"] == {"workerName": "w"}
    assert driver.apply(TaskStarted(at_ms=START_MS + 60_001, worker_name="v", **names)).history == []
    driver.apply(TaskSettled(at_ms=START_MS + 60_002, output="1", **names))
    assert driver.finish == Finish(status="SUCCEEDED", output="1")
    check_history(driver.history)


def test_task_with_a_token():
    definition = {
        "StartAt": "S",
        "States": {
            "S": {
                "Type": "Task",
                "Resource": TOKEN,
                "Parameters": {"QueueUrl": "q", "MessageBody": {"t.$": "$$.Task.Token"}},
                "End": True,
            }
        },
    }
    driver = Driver(definition, script=answers(None))
    driver.start()
    task = driver.tasks[0]
    assert task.parameters["MessageBody"]["t"] == task.token
    names = {"branch": ROOT, "attempt": task.attempt, "seed": "x"}
    driver.apply(TaskSubmitted(at_ms=START_MS, output='{"MessageId":"m"}', **names))
    assert driver.apply(TaskSubmitted(at_ms=START_MS, output="{}", **names)).history == []
    driver.apply(TaskSettled(at_ms=START_MS, output='"done"', **names))
    assert driver.output == "done"
    assert driver.types[2:6] == ["TaskScheduled", "TaskStarted", "TaskSubmitted", "TaskSucceeded"]
    assert driver.apply(TaskSettled(at_ms=START_MS, output='"again"', **names)).history == []


def test_events_of_another_attempt_are_dropped():
    driver = Driver(machine({"Type": "Task", "Resource": LAMBDA, "End": True}), script=answers(None))
    driver.start()
    for attempt in (0, 2):
        late = driver.apply(TaskSettled(at_ms=START_MS, seed="x", branch=ROOT, attempt=attempt, output="1"))
        assert late.changed == late.commands == late.history == late.removed == []
    elsewhere = driver.apply(TaskSettled(at_ms=START_MS, seed="x", branch="0/1.0", attempt=1, output="1"))
    assert elsewhere.history == []


def test_retry():
    retrier = {"ErrorEquals": ["E"], "IntervalSeconds": 2, "BackoffRate": 3.0, "MaxAttempts": 3, "MaxDelaySeconds": 10}
    script = answers(Exception("E", "c"), Exception("E", "c"), Exception("E", "c"), {"n": 1})
    parameters = {"count.$": "$$.State.RetryCount"}
    driver = one({"Type": "Task", "Resource": LAMBDA, "Parameters": parameters, "Retry": [retrier]}, script=script)
    assert driver.output == {"n": 1}
    assert [task.parameters["count"] for task in driver.tasks] == [0, 1, 2, 3]
    scheduled = [event["timestamp"] - START_MS for event in driver.history if event["type"] == "TaskScheduled"]
    assert scheduled == [0, 2_005, 8_010, 18_015]
    assert driver.types.count("TaskStateEntered") == 1
    links = dict(driver.links)
    again = [event["id"] for event in driver.history if event["type"] == "TaskScheduled"][1]
    assert links[again] == again - 1


def test_retry_is_spent_before_catch():
    state = {
        "Type": "Task",
        "Resource": LAMBDA,
        "Retry": [{"ErrorEquals": ["Other"]}, {"ErrorEquals": ["States.ALL"], "MaxAttempts": 1}],
        "Catch": [{"ErrorEquals": ["States.TaskFailed"], "Next": "C", "ResultPath": "$.error"}],
        "End": True,
    }
    definition = {"StartAt": "S", "States": {"S": state, "C": {"Type": "Succeed"}}}
    driver = run(definition, {"a": 1}, answers(Exception("E", "one"), Exception("E", "two")))
    assert driver.output == {"a": 1, "error": {"Error": "E", "Cause": "two"}}
    assert driver.types[-5:] == [
        "TaskFailed",
        "TaskStateExited",
        "SucceedStateEntered",
        "SucceedStateExited",
        "ExecutionSucceeded",
    ]


def test_jitter_comes_from_the_seed():
    retrier = {"ErrorEquals": ["E"], "IntervalSeconds": 100, "MaxAttempts": 1, "JitterStrategy": "FULL"}
    waits = set()
    for seed in range(20):
        driver = Driver(
            machine({"Type": "Task", "Resource": LAMBDA, "Retry": [retrier], "End": True}), script=answers(None)
        )
        driver.start()
        step = driver.apply(TaskSettled(at_ms=START_MS, seed=str(seed), branch=ROOT, attempt=1, error="E"))
        waits.add(step.commands[-1].at_ms - START_MS)
    assert len(waits) > 10
    assert all(0 <= wait <= 100_000 for wait in waits)


@pytest.mark.parametrize(
    ("names", "error", "caught"),
    [
        (["E"], "E", True),
        (["States.ALL"], "E", True),
        (["States.ALL"], "States.Timeout", True),
        (["States.ALL"], "States.Runtime", False),
        (["States.ALL"], "States.DataLimitExceeded", False),
        (["States.DataLimitExceeded"], "States.DataLimitExceeded", True),
        (["States.TaskFailed"], "E", True),
        (["States.TaskFailed"], "States.Timeout", False),
        (["States.Runtime"], "States.Runtime", False),
        (["e"], "E", False),
    ],
)
def test_who_catches_what(names, error, caught):
    state = {"Type": "Task", "Resource": LAMBDA, "Catch": [{"ErrorEquals": names, "Next": "C"}], "End": True}
    driver = run({"StartAt": "S", "States": {"S": state, "C": {"Type": "Succeed"}}}, {}, answers(Exception(error, "c")))
    assert (driver.finish.status == "SUCCEEDED") is caught


def test_a_failure_without_a_name():
    driver = one({"Type": "Task", "Resource": TOKEN}, script=lambda task, now: [settle(task, now, error="")])
    assert driver.history[-2]["taskFailedEventDetails"] == {
        "resourceType": "sqs",
        "resource": "sendMessage.waitForTaskToken",
    }
    assert driver.history[-1]["executionFailedEventDetails"] == {}


def test_task_timeout():
    state = {"Type": "Task", "Resource": LAMBDA, "TimeoutSecondsPath": "$.t"}
    driver = one(state, {"t": 4}, answers(None))
    assert failure(driver) == ("States.Timeout", None)
    assert driver.now_ms == START_MS + 4_000
    assert driver.types[-2:] == ["TaskTimedOut", "ExecutionFailed"]


def test_heartbeats_keep_a_task_alive():
    state = {"Type": "Task", "Resource": TOKEN, "TimeoutSeconds": 600, "HeartbeatSeconds": 5}

    def script(task, now_ms):
        beats = [now_ms + 4_000, now_ms + 8_000]
        return [(at, Heartbeat(at_ms=at, seed="", branch=task.branch, attempt=task.attempt)) for at in beats]

    driver = one(state, {}, script)
    assert failure(driver) == ("States.Timeout", None)
    assert driver.now_ms == START_MS + 13_000


def test_a_heartbeat_is_one_row():
    state = {"Type": "Task", "Resource": TOKEN, "HeartbeatSeconds": 5, "End": True}
    driver = Driver({"StartAt": "S", "States": {"S": state}}, script=answers(None))
    driver.start()
    step = driver.apply(Heartbeat(at_ms=START_MS + 1, seed="x", branch=ROOT, attempt=1))
    assert [(change.head.id, change.body) for change in step.changed] == [(ROOT, None)]
    assert step.commands == step.history == []


@pytest.mark.parametrize("name", ["States.HeartbeatTimeout", "States.Timeout", "States.ALL"])
def test_a_lost_heartbeat_is_caught_by_both_names(name):
    state = {
        "Type": "Task",
        "Resource": TOKEN,
        "HeartbeatSeconds": 5,
        "Catch": [{"ErrorEquals": [name], "Next": "C"}],
        "End": True,
    }
    driver = run({"StartAt": "S", "States": {"S": state, "C": {"Type": "Succeed"}}}, {}, answers(None))
    assert driver.output == {"Error": "States.Timeout", "Cause": ""}


def test_an_activity_that_does_not_exist():
    driver = Driver({"StartAt": "S", "States": {"S": {"Type": "Task", "Resource": ACTIVITY, "End": True}}})
    driver.rows.activities = False
    driver.run()
    assert failure(driver) == ("States.Runtime", located(f"The activity {ACTIVITY} does not exist."))


def test_credentials():
    state = {"Type": "Task", "Resource": LAMBDA, "Credentials": {"RoleArn.$": "$.role"}}
    driver = one(state, {"role": "arn:r"}, answers(1))
    assert driver.tasks[0].role_arn == "arn:r"
    assert driver.history[2]["taskScheduledEventDetails"]["taskCredentials"] == {"roleArn": "arn:r"}


def test_too_much_data():
    big = "x" * 262_143
    cause = "The state/task '{}' returned a result with a size exceeding the maximum number of bytes service limit."
    driver = one({"Type": "Task", "Resource": LAMBDA}, {}, answers(big))
    assert failure(driver) == ("States.DataLimitExceeded", cause.format("lambda"))
    assert driver.types[-2:] == ["TaskFailed", "ExecutionFailed"]
    driver = one({"Type": "Task", "Resource": FUNCTION}, {}, answers(big))
    assert failure(driver) == ("States.DataLimitExceeded", cause.format(FUNCTION))
    driver = one({"Type": "Pass", "Parameters": {"a.$": "$", "b.$": "$"}}, "x" * 200_000)
    assert failure(driver) == ("States.DataLimitExceeded", cause.format("S"))


# Variables


def test_variables_are_read_as_they_were_on_entry():
    states = {
        "S": {"Type": "Pass", "Result": {"q": 1}, "Assign": {"x.$": "$.q", "y": "why"}, "Next": "T"},
        "T": {"Type": "Pass", "Parameters": {"old.$": "$x"}, "Assign": {"x": 2, "was.$": "$x"}, "Next": "W"},
        "W": {"Type": "Wait", "Seconds": 5, "Assign": {"z.$": "$.old"}, "Next": "U"},
        "U": {"Type": "Pass", "Parameters": {"all.$": "States.Array($x, $was, $y, $z)"}, "End": True},
    }
    driver = run({"StartAt": "S", "States": states})
    assert driver.output == {"all": [2, 1, "why", 1]}
    exited = driver.history[driver.types.index("PassStateExited")]["stateExitedEventDetails"]
    assert exited["assignedVariables"] == {"x": "1", "y": '"why"'}
    assert exited["assignedVariablesDetails"] == {"truncated": False}


def test_variables_of_branches_stay_there():
    inner = {"Type": "Wait", "Seconds": 1, "Assign": {"mine.$": "States.MathAdd($outer, 1)"}, "Next": "J"}
    show = {"Type": "Pass", "InputPath": "$mine", "End": True}
    states = {
        "S": {"Type": "Pass", "Assign": {"outer": 1}, "Next": "M"},
        "M": {
            "Type": "Map",
            "ItemProcessor": {"StartAt": "I", "States": {"I": inner, "J": show}},
            "Assign": {"results.$": "$"},
            "ResultPath": None,
            "Next": "E",
        },
        "E": {"Type": "Pass", "InputPath": "$results", "Next": "F"},
        "F": {"Type": "Pass", "InputPath": "$mine", "End": True},
    }
    driver = run({"StartAt": "S", "States": states}, [1, 2])
    assert driver.finish.error == "States.Runtime"
    assert driver.history[-2]["stateEnteredEventDetails"]["input"] == "[2,2]"


def test_variables_of_choices_tasks_and_catchers():
    catch = [{"ErrorEquals": ["E"], "Next": "C", "Assign": {"why.$": "$.Cause"}, "ResultPath": None}]
    states = {
        "S": {"Type": "Task", "Resource": LAMBDA, "Assign": {"got.$": "$.n"}, "ResultPath": None, "Next": "T"},
        "T": {"Type": "Task", "Resource": LAMBDA, "Catch": catch, "Next": "C"},
        "C": {
            "Type": "Choice",
            "Choices": [{"Variable": "$got", "NumericEquals": 7, "Next": "E", "Assign": {"rule": "first"}}],
            "Default": "E",
            "Assign": {"rule": "none"},
        },
        "E": {"Type": "Pass", "Parameters": {"all.$": "States.Array($got, $why, $rule)"}, "End": True},
    }
    driver = run({"StartAt": "S", "States": states}, {}, answers({"n": 7}, Exception("E", "because")))
    assert driver.output == {"all": [7, "because", "first"]}


# The execution as a whole


def test_the_execution_times_out():
    driver = one({"Type": "Wait", "Seconds": 60}, TimeoutSeconds=5)
    assert driver.finish == Finish(status="TIMED_OUT")
    assert driver.now_ms == START_MS + 5_000
    last = driver.history[-1]
    assert (last["type"], last["previousEventId"]) == ("ExecutionTimedOut", 0)
    assert last["executionTimedOutEventDetails"] == {"error": "States.Timeout"}


def test_stop():
    driver = Driver({"StartAt": "S", "States": {"S": {"Type": "Wait", "Seconds": 9, "End": True}}})
    driver.start()
    step = driver.apply(Stop(at_ms=START_MS, seed="x", error="E", cause="C"))
    assert step.commands == [Finish(status="ABORTED", error="E", cause="C")]
    assert driver.history[-1] == {
        "timestamp": START_MS,
        "type": "ExecutionAborted",
        "id": 3,
        "previousEventId": 0,
        "executionAbortedEventDetails": {"error": "E", "cause": "C"},
    }
    assert driver.apply(Stop(at_ms=START_MS, seed="x")).commands == []


LOOP = {
    "StartAt": "A",
    "States": {
        "A": {"Type": "Choice", "Choices": [{"Variable": "$.stop", "IsPresent": True, "Next": "B"}], "Default": "A"},
        "B": {"Type": "Succeed"},
    },
}


def test_a_loop_does_not_hold_the_step():
    driver = Driver(LOOP)
    step = driver.start()
    assert len(step.history) == 1 + 64 * 2
    assert [type(command).__name__ for command in step.commands] == ["ContinueLater"]


def test_history_is_bounded():
    driver = run(LOOP)
    assert failure(driver) == (
        "States.Runtime",
        "The execution reached the maximum number of history events (25000).",
    )
    assert driver.links[-1] == (25_000, 24_999)
    assert driver.types[-2:] == ["ChoiceStateExited", "ExecutionFailed"]


@pytest.mark.parametrize(
    "fields", [{}, {"Parameters": {"a.$": "$..x"}}, {"Parameters": {"a.$": "States.JsonToString($)"}}]
)
def test_deep_documents_fail_the_execution_at_worst(fields):
    states = {"S": {"Type": "Task", "Resource": LAMBDA, "Next": "T"}, "T": {"Type": "Pass", **fields, "End": True}}
    deep = "[" * 990 + "]" * 990
    driver = Driver({"StartAt": "S", "States": states}, deep, answers(None))
    driver.start()
    if driver.finish is None:
        driver.apply(TaskSettled(at_ms=START_MS, seed="x", branch=ROOT, attempt=1, output=deep))
    assert driver.finish.status in ("SUCCEEDED", "FAILED")


def test_same_arguments_same_bytes():
    fields = {"Parameters": {"id.$": "States.UUID()", "r.$": "States.MathRandom(0, 1000000)"}}
    first, second = (one({"Type": "Pass", **fields}) for _ in range(2))
    assert json.dumps(first.history) == json.dumps(second.history)
