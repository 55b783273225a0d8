"""Definitions that are refused, in AWS's words."""

import json

import pytest

from waypost.asl.program import InvalidDefinition, parse
from waypost.asl.resources import parse_resource

PASS = {"Type": "Pass", "End": True}
TASK = {"Type": "Task", "Resource": "arn:aws:states:::lambda:invoke", "End": True}


def machine(state=None, **fields):
    return {"StartAt": "S", "States": {"S": state or PASS}, **fields}


def problems(definition, kind="STANDARD"):
    text = definition if isinstance(definition, str) else json.dumps(definition)
    with pytest.raises(InvalidDefinition) as caught:
        parse(text, kind)
    return [problem.text for problem in caught.value.problems]


SCHEMA = "SCHEMA_VALIDATION_FAILED: "


@pytest.mark.parametrize(
    ("definition", "message"),
    [
        ({}, SCHEMA + "These fields are required: [States, StartAt] at /"),
        ({"States": {"S": PASS}}, SCHEMA + "These fields are required: [StartAt] at /"),
        (" ", SCHEMA + "Definition must be a valid JSON object at null"),
        ("[]", SCHEMA + "Definition must be a valid JSON object at null"),
        (machine(Nope=1), SCHEMA + "Field 'Nope' is not supported at /"),
        (machine(Version="2.0"), SCHEMA + "Value should be one of the following: [1.0] at /Version"),
        (machine(TimeoutSeconds="9"), SCHEMA + "Expected value of type Integer at /TimeoutSeconds"),
        (machine({**PASS, "TimeoutSeconds": 1}), SCHEMA + "Field 'TimeoutSeconds' is not supported at /States/S"),
        (
            machine({"Type": "Nope"}),
            SCHEMA + "The field 'Type' should have one of these values: "
            "[Task, Wait, Pass, Succeed, Fail, Choice, Parallel, Map] at /States/S/Type",
        ),
        (
            machine({"Type": "Pass"}),
            SCHEMA + "This object should have only one of the following fields: [Next, End] at /States/S",
        ),
        (
            machine({**PASS, "Next": "S"}),
            SCHEMA + "There should only be one of the following fields: [Next, End] at /States/S",
        ),
        (machine({**TASK, "Resource": "nope"}), SCHEMA + "Value is not a valid resource ARN at /States/S/Resource"),
        (machine({**TASK, "TimeoutSeconds": 0}), SCHEMA + "Minimum value is 1 at /States/S/TimeoutSeconds"),
        (machine({**PASS, "InputPath": "a"}), SCHEMA + "Value must be a valid JSONPath. at /States/S/InputPath"),
        (machine({**PASS, "ResultPath": "$$.a"}), SCHEMA + "Value is not a Reference Path at /States/S/ResultPath"),
        (machine({**PASS, "ResultPath": "$v.a"}), SCHEMA + "Value is not a Reference Path at /States/S/ResultPath"),
        (machine({**PASS, "ResultPath": "$.a[*]"}), SCHEMA + "Value is not a Reference Path at /States/S/ResultPath"),
        (
            machine({**PASS, "Parameters": {"a.$": "a"}}),
            SCHEMA + "The value for the field 'a.$' must be a valid JSONPath or a valid intrinsic function call "
            "at /States/S/Parameters",
        ),
        (machine({**TASK, "Retry": [{}]}), SCHEMA + "These fields are required: [ErrorEquals] at /States/S/Retry[0]"),
        (
            machine({**TASK, "Retry": [{"ErrorEquals": ["States.ALL", "x"]}]}),
            SCHEMA + "States.ALL must appear alone and at end of list at /States/S/Retry[0]/ErrorEquals",
        ),
        (
            machine({**TASK, "Retry": [{"ErrorEquals": ["x"], "JitterStrategy": "SOME"}]}),
            SCHEMA + "Value should be one of the following: [NONE, FULL] at /States/S/Retry[0]/JitterStrategy",
        ),
        (
            machine({**TASK, "Catch": [{"ErrorEquals": ["x"]}]}),
            SCHEMA + "These fields are required: [Next] at /States/S/Catch[0]",
        ),
        (
            machine({**TASK, "Credentials": {}}),
            SCHEMA + "The field 'RoleArn' is required but was missing at /States/S/Credentials",
        ),
        (machine({"Type": "Choice", "Choices": []}), SCHEMA + "Value cannot be empty at /States/S/Choices"),
        (
            machine({"Type": "Choice", "Choices": [{"Variable": "$", "IsNull": True}], "Default": "S"}),
            SCHEMA + "These fields are required: [Next] at /States/S/Choices[0]",
        ),
        (
            machine(
                {"Type": "Choice", "Choices": [{"Not": {"Variable": "$", "IsNull": True, "Next": "S"}, "Next": "S"}]}
            ),
            SCHEMA + "Field 'Next' is not supported at /States/S/Choices[0]/Not",
        ),
        (
            machine({"Type": "Choice", "Choices": [{"Next": "S"}]}),
            SCHEMA + "The object must have only one of the following fields, [And, Or, Not, Variable, Condition] "
            "at /States/S/Choices[0]",
        ),
        (
            machine({"Type": "Wait", "End": True, "Timestamp": "2016-03-14 01:59:00Z"}),
            SCHEMA + "String does not match RFC3339 timestamp at /States/S/Timestamp",
        ),
        (
            machine({"Type": "Wait", "End": True, "Seconds": 1, "SecondsPath": "$"}),
            SCHEMA
            + "There should only be one of the following fields: [SecondsPath, Seconds, TimestampPath, Timestamp] "
            "at /States/S",
        ),
        (
            machine({"Type": "Parallel", "Branches": [], "End": True}),
            SCHEMA + "Value cannot be empty at /States/S/Branches",
        ),
        (
            machine({"Type": "Parallel", "Branches": [{"States": {"B": PASS}}], "End": True}),
            SCHEMA + "These fields are required: [StartAt] at /States/S/Branches[0]",
        ),
        (
            machine({"Type": "Map", "End": True}),
            SCHEMA + "This object should have only one of the following fields: [ItemProcessor, Iterator] at /States/S",
        ),
        (
            machine({"Type": "Parallel", "Branches": [machine()], "End": True}),
            "DUPLICATE_STATE_NAME: Duplicate State name: S at /States/S/Branches[0]/States/S",
        ),
        (
            machine({**PASS, "QueryLanguage": "JSONPath"}, QueryLanguage="JSONata"),
            SCHEMA + "'QueryLanguage' can not be 'JSONPath' if set to 'JSONata' for whole state machine at /States/S",
        ),
        (
            machine({**PASS, "Output": 1}),
            SCHEMA + "The QueryLanguage is set to 'JSONPath', but field 'Output' is only supported for the 'JSONata' "
            "QueryLanguage at /States/S",
        ),
        (
            {"StartAt": "A", "States": {"A": {"Type": "Pass", "Next": "B"}, "B": {"Type": "Pass", "Next": "A"}}},
            "MISSING_END_STATE: Workflow has no terminal state at null",
        ),
        (
            {"StartAt": "A", "States": {"A": PASS, "B": PASS}},
            'MISSING_TRANSITION_TARGET: State "B" is not reachable. at /States/B',
        ),
    ],
)
def test_refuses(definition, message):
    assert problems(definition) == [message]


def test_several_problems_are_told_together():
    definition = {
        "StartAt": "A",
        "States": {"A": {"Type": "Pass", "Next": "X"}, "B": PASS},
    }
    with pytest.raises(InvalidDefinition) as caught:
        parse(json.dumps(definition))
    assert str(caught.value) == (
        "Invalid State Machine Definition: 'MISSING_TRANSITION_TARGET: Missing 'Next' target: X at /States/A/Next, "
        'MISSING_TRANSITION_TARGET: State "B" is not reachable. at /States/B\''
    )
    assert len(problems(machine({"Type": "Task", "Nope": 1, "Retry": [{}]}))) == 4


def test_text_that_is_not_json():
    with pytest.raises(InvalidDefinition) as caught:
        parse("not a definition")
    problem = caught.value.problems[0]
    assert problem.code == "INVALID_JSON_DESCRIPTION"
    assert problem.location == '[Source: (String)"not a definition"; line: 1, column: 4]'
    assert problem.message == (
        "Unrecognized token 'not': was expecting (JSON String, Number, Array, Object or token 'null', 'true' or "
        f"'false')\n at {problem.location}"
    )
    assert problems('{"StartAt": "S",')[0].startswith("INVALID_JSON_DESCRIPTION: Unexpected end-of-input")
    assert problems('{"StartAt": "S",}')[0].startswith(
        "INVALID_JSON_DESCRIPTION: Unexpected character ('}' (code 125))"
    )
    assert problems("[" * 100_000)[0].startswith(("TOO_DEEPLY_NESTED", "INVALID_JSON_DESCRIPTION"))


@pytest.mark.parametrize(
    ("definition", "told"),
    [
        (machine(QueryLanguage="JSONata"), "The query language JSONata"),
        (
            machine(
                {
                    "Type": "Map",
                    "End": True,
                    "ItemProcessor": {
                        "ProcessorConfig": {"Mode": "DISTRIBUTED", "ExecutionType": "STANDARD"},
                        "StartAt": "I",
                        "States": {"I": PASS},
                    },
                }
            ),
            "A Map in DISTRIBUTED mode",
        ),
    ],
)
def test_what_is_not_supported_yet_is_said(definition, told):
    with pytest.raises(InvalidDefinition) as caught:
        parse(json.dumps(definition))
    assert {problem.code for problem in caught.value.problems} == {"UNSUPPORTED"}
    assert f"{told} is not supported by Waypost yet at /States/S" in str(caught.value)


@pytest.mark.parametrize(
    ("arn", "kind", "service", "shown", "pattern"),
    [
        ("arn:aws:lambda:us-east-1:000000000000:function:f", "lambda-function", "", "", "request_response"),
        ("arn:aws:lambda:us-east-1:000000000000:function:f:live", "lambda-function", "", "", "request_response"),
        ("arn:aws:states:us-east-1:000000000000:activity:a", "activity", "", "", "request_response"),
        ("arn:aws:states:::lambda:invoke", "service", "lambda", "invoke", "request_response"),
        (
            "arn:aws:states:::sqs:sendMessage.waitForTaskToken",
            "service",
            "sqs",
            "sendMessage.waitForTaskToken",
            "wait_for_task_token",
        ),
        ("arn:aws:states:::states:startExecution.sync:2", "service", "states", "startExecution.sync:2", "sync"),
        ("arn:aws-cn:states:::aws-sdk:dynamodb:getItem", "service", "aws-sdk:dynamodb", "getItem", "request_response"),
    ],
)
def test_resources(arn, kind, service, shown, pattern):
    resource = parse_resource(arn)
    assert resource is not None
    assert (resource.kind, resource.service, resource.shown, resource.pattern) == (kind, service, shown, pattern)


@pytest.mark.parametrize(
    "arn",
    [
        "x",
        "arn:aws:states:::sqs",
        "arn:aws:states:::sqs:sendMessage.sync",
        "arn:aws:states:::glue:startJobRun.sync:2",
        "arn:aws:states:::dynamodb:putItem.waitForTaskToken",
        "arn:aws:s3:::bucket",
        "arn:aws:states:::sqs:sendMessage.later",
    ],
)
def test_no_resources(arn):
    assert parse_resource(arn) is None


def test_express_refuses_what_waits():
    sync = machine({**TASK, "Resource": "arn:aws:states:::states:startExecution.sync"})
    token = machine({**TASK, "Resource": "arn:aws:states:::sqs:sendMessage.waitForTaskToken"})
    activity = machine({**TASK, "Resource": "arn:aws:states:us-east-1:000000000000:activity:a"})
    told = "Express state machine does not support"
    assert problems(sync, "EXPRESS") == [f"{SCHEMA}{told} '.sync' service integration at /States/S/Resource"]
    assert problems(token, "EXPRESS") == [
        f"{SCHEMA}{told} '.waitForTaskToken' service integration  at /States/S/Resource"
    ]
    assert problems(activity, "EXPRESS") == [f"{SCHEMA}{told} Activity ARN at /States/S/Resource"]


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("states", "RESERVED_VARIABLE_NAME: Cannot assign to reserved variable '$states'. at /States/S/Assign"),
        (
            "a b",
            (
                "INVALID_VARIABLE_NAME: Invalid variable name 'a b': the variable name contains invalid characters. "
                "at /States/S/Assign"
            ),
        ),
    ],
)
def test_names_of_variables(name, message):
    assert problems(machine({**PASS, "Assign": {name: 1}})) == [message]


def test_the_variables_that_states_read():
    inner = {"Type": "Pass", "Parameters": {"a.$": "States.Format('{}', $y)"}, "End": True}
    state = {
        "Type": "Map",
        "ItemsPath": "$items",
        "MaxConcurrencyPath": "$n",
        "ItemProcessor": {"StartAt": "I", "States": {"I": inner}},
        "End": True,
    }
    assert parse(json.dumps(machine(state))).variable_references == {"S": ["items", "n"], "I": ["y"]}


def test_resources_are_listed_for_the_service():
    program = parse(json.dumps(machine(TASK)))
    assert [(where, resource.service) for where, resource in program.resources] == [("/States/S/Resource", "lambda")]
