"""Texts with U+0000, which PostgreSQL cannot keep: refused where AWS has a rule, kept where workflows make them."""

import json
from typing import Any

import pytest

from .conftest import QUEUE, ROLE, World
from .test_machines import ARN, PASS, WAIT
from .test_tasks import callback, task

NUL = "a\0b"


@pytest.mark.parametrize(
    ("operation", "request_", "code"),
    [
        ("CreateStateMachine", {"name": NUL, "definition": json.dumps(PASS), "roleArn": ROLE}, "InvalidName"),
        ("CreateStateMachine", {"name": "n", "definition": json.dumps(PASS), "roleArn": ROLE + NUL}, "InvalidArn"),
        ("CreateStateMachine", {"name": "n", "definition": '{"Comment": "\0"}', "roleArn": ROLE}, "InvalidDefinition"),
        ("CreateActivity", {"name": NUL}, "InvalidName"),
        ("CreateActivity", {"name": "n", "tags": [{"key": NUL, "value": "v"}]}, "ValidationException"),
        ("TagResource", {"resourceArn": ARN, "tags": [{"key": "k", "value": NUL}]}, "ValidationException"),
        ("TagResource", {"resourceArn": ARN, "tags": [{"key": "k", "value": "<"}]}, "ValidationException"),
        ("TagResource", {"resourceArn": ARN + NUL, "tags": [{"key": "k", "value": "v"}]}, "InvalidArn"),
        ("DescribeStateMachine", {"stateMachineArn": ARN + NUL}, "InvalidArn"),
        ("DeleteStateMachine", {"stateMachineArn": ARN + NUL}, "InvalidArn"),
        ("DescribeActivity", {"activityArn": f"arn:aws:states:us-east-1:000000000000:activity:{NUL}"}, "InvalidArn"),
        ("DescribeExecution", {"executionArn": f"{ARN.replace('stateMachine', 'execution')}:{NUL}"}, "InvalidArn"),
        ("StartExecution", {"stateMachineArn": ARN, "name": NUL}, "InvalidName"),
        ("StartExecution", {"stateMachineArn": ARN, "input": '"\0"'}, "InvalidExecutionInput"),
        ("SendTaskSuccess", {"taskToken": NUL, "output": "1"}, "InvalidToken"),
        ("ListStateMachines", {"nextToken": NUL}, "InvalidToken"),
    ],
)
def test_what_aws_has_a_rule_for_is_refused_by_it(
    world: World, operation: str, request_: dict[str, Any], code: str
) -> None:
    world.machine(PASS)
    assert world.refused(operation, **request_)[0] == code


def test_tags_hold_what_aws_lets_them_hold(world: World) -> None:
    world.machine(PASS)
    tags = [{"key": "Käse_9 .:/=+-@", "value": ""}, {"key": "k", "value": "\u3000ü 漢字"}]
    world.run("TagResource", resourceArn=ARN, tags=tags)
    world.run("UntagResource", resourceArn=ARN, tagKeys=[NUL])
    assert world.run("ListTagsForResource", resourceArn=ARN)["tags"] == sorted(tags, key=lambda tag: tag["key"])


@pytest.mark.parametrize("text", [NUL, "\0", "\u0001x", "\u0001", "plain"])
def test_errors_and_causes_are_told_as_they_were(world: World, text: str) -> None:
    world.machine(WAIT)
    started = [world.run("StartExecution", stateMachineArn=ARN)["executionArn"] for _ in range(2)]
    world.run("StopExecution", executionArn=started[0], error=text, cause=text)
    arns = [started[0]]
    arns.append(world.start(callback(), {"order": 1}, "tokens"))
    world.run("SendTaskFailure", taskToken=world.token(), error=text, cause=text)
    failing = {"StartAt": "F", "States": {"F": {"Type": "Fail", "ErrorPath": "$.e", "CausePath": "$.e"}}}
    arns.append(world.start(failing, {"e": text}, "at-once"))
    wait = {"Type": "Wait", "Seconds": 60, "Next": "F"}
    later = {"StartAt": "W", "States": {"W": wait, **failing["States"]}}
    arns.append(world.start(later, {"e": text}, "later"))
    world.pass_time(600_000)
    for arn in arns:
        described = world.describe(arn)
        assert (described["error"], described["cause"]) == (text, text)
        assert world.history(arn)


def test_a_workflow_that_makes_them_up_is_not_stuck(world: World) -> None:
    send = task("arn:aws:states:::sqs:sendMessage", {"QueueUrl.$": "$.q", "MessageBody": "m"})
    arn = world.start(send, {"q": QUEUE + NUL})
    assert world.describe(arn)["error"] == "SQS.AmazonSQSException"
    arn = world.start(WAIT, {NUL: NUL, "long": NUL * 2_000}, "documents")
    world.pass_time(600_000)
    assert world.output(arn) == {NUL: NUL, "long": NUL * 2_000}
