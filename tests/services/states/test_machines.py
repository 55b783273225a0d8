"""State machines: what is kept, what is refused, what is shown."""

import base64
import json
from typing import Any

import pytest

from .conftest import ACCOUNT, REGION, ROLE, World

PASS = {"StartAt": "A", "States": {"A": {"Type": "Pass", "End": True}}}
OTHER = {"StartAt": "A", "States": {"A": {"Type": "Pass", "Result": 1, "End": True}}}
WAIT = {
    "StartAt": "A",
    "States": {"A": {"Type": "Wait", "Seconds": 60, "Next": "B"}, "B": {"Type": "Pass", "End": True}},
}
ARN = f"arn:aws:states:{REGION}:{ACCOUNT}:stateMachine:m"


def create(world: World, **request: Any) -> Any:
    given = {"name": "m", "definition": json.dumps(PASS), "roleArn": ROLE, **request}
    return world.run("CreateStateMachine", **given)


def refused(world: World, **request: Any) -> tuple[str, str]:
    given = {"name": "m", "definition": json.dumps(PASS), "roleArn": ROLE, **request}
    return world.refused("CreateStateMachine", **given)


def test_a_machine_is_described_as_it_was_created(world: World) -> None:
    text = json.dumps(PASS, indent=3)
    created = create(world, definition=text)
    assert created == {"stateMachineArn": ARN, "creationDate": world.clock.now_ms() / 1000}
    assert world.run("DescribeStateMachine", stateMachineArn=ARN) == {
        "stateMachineArn": ARN,
        "name": "m",
        "status": "ACTIVE",
        "definition": text,
        "roleArn": ROLE,
        "type": "STANDARD",
        "creationDate": world.clock.now_ms() / 1000,
        "loggingConfiguration": {"level": "OFF", "includeExecutionData": False},
        "tracingConfiguration": {"enabled": False},
        "encryptionConfiguration": {"type": "AWS_OWNED_KEY"},
    }
    metadata = world.run("DescribeStateMachine", stateMachineArn=ARN, includedData="METADATA_ONLY")
    assert metadata["definition"] == "{}"


def test_the_same_creation_again_answers_the_same(world: World) -> None:
    first = create(world)
    world.clock.advance(1000)
    assert create(world, roleArn=f"{ROLE}2", tags=[{"key": "a", "value": "b"}]) == first
    assert world.run("DescribeStateMachine", stateMachineArn=ARN)["roleArn"] == ROLE
    exists = ("StateMachineAlreadyExists", f"State Machine Already Exists: '{ARN}'")
    assert refused(world, definition=json.dumps(OTHER)) == exists
    assert refused(world, definition=json.dumps(PASS, indent=1)) == exists
    assert refused(world, loggingConfiguration={"level": "OFF", "includeExecutionData": True}) == exists


@pytest.mark.parametrize("name", ["a b", "a/b", "a:b", "x" * 81, "a*", "a\u0080", "a\n", "\U0010ffff"])
def test_a_bad_name_is_refused(world: World, name: str) -> None:
    assert refused(world, name=name) == ("InvalidName", f"Invalid Name: '{name}'")


@pytest.mark.parametrize("name", ["a.b", "a+b", "état", "a=b", "(x)", "x" * 80, "a!'@-_"])
def test_a_good_name_is_taken(world: World, name: str) -> None:
    assert create(world, name=name)["stateMachineArn"].endswith(f":stateMachine:{name}")


def test_what_is_not_built_is_refused(world: World) -> None:
    assert refused(world, type="EXPRESS")[0] == "StateMachineTypeNotSupported"
    assert refused(world, versionDescription="v") == (
        "ValidationException",
        "Version description can only be set when publish is true",
    )
    destination = {"cloudWatchLogsLogGroup": {"logGroupArn": "arn:aws:logs:us-east-1:0:log-group:x:*"}}
    code, message = refused(world, loggingConfiguration={"level": "ALL", "destinations": [destination]})
    assert (code, "level must be OFF" in message) == ("InvalidLoggingConfiguration", True)
    for destinations in ([], [destination, destination]):
        assert refused(world, loggingConfiguration={"level": "ALL", "destinations": destinations}) == (
            "InvalidLoggingConfiguration",
            "Invalid Logging Configuration: Must specify exactly one Log Destination.",
        )


@pytest.mark.parametrize("key", [{"kmsKeyId": "alias/k"}, {"kmsDataKeyReusePeriodSeconds": 60}])
def test_a_key_without_encryption_by_a_key_is_refused(world: World, key: dict[str, Any]) -> None:
    settings = {"type": "AWS_OWNED_KEY", **key}
    assert refused(world, encryptionConfiguration=settings)[0] == "InvalidEncryptionConfiguration"
    answer = world.refused("CreateActivity", name="a", encryptionConfiguration=settings)
    assert answer[0] == "InvalidEncryptionConfiguration"
    create(world)
    answer = world.refused("UpdateStateMachine", stateMachineArn=ARN, roleArn=ROLE, encryptionConfiguration=settings)
    assert answer[0] == "InvalidEncryptionConfiguration"


def test_a_definition_with_a_problem_is_refused(world: World) -> None:
    assert refused(world, definition=json.dumps({"StartAt": "A"})) == (
        "InvalidDefinition",
        "Invalid State Machine Definition: 'SCHEMA_VALIDATION_FAILED: These fields are required: [States] at /'",
    )


def task(resource: str) -> str:
    return json.dumps({"StartAt": "A", "States": {"A": {"Type": "Task", "Resource": resource, "End": True}}})


@pytest.mark.parametrize(
    "resource",
    [
        "arn:aws:states:::sns:publish",
        "arn:aws:states:::aws-sdk:sqs:receiveMessage",
        "arn:aws:states:::states:startExecution.sync",
        "arn:aws:states:::sqs:purgeQueue",
    ],
)
def test_a_resource_that_cannot_run_is_refused_at_creation(world: World, resource: str) -> None:
    code, message = refused(world, definition=task(resource))
    assert code == "InvalidDefinition"
    assert resource in message
    assert "/States/A/Resource" in message
    validated = world.run("ValidateStateMachineDefinition", definition=task(resource))
    assert validated["result"] == "FAIL"
    assert validated["diagnostics"][0]["location"] == "/States/A/Resource"


def test_validation_answers_every_problem(world: World) -> None:
    assert world.run("ValidateStateMachineDefinition", definition=json.dumps(PASS)) == {
        "result": "OK",
        "diagnostics": [],
        "truncated": False,
    }
    assert world.run("ValidateStateMachineDefinition", definition="{}") == {
        "result": "FAIL",
        "diagnostics": [
            {
                "severity": "ERROR",
                "code": "SCHEMA_VALIDATION_FAILED",
                "message": "These fields are required: [States, StartAt]",
                "location": "/",
            }
        ],
        "truncated": False,
    }


def test_an_update_makes_a_revision(world: World) -> None:
    create(world)
    assert world.refused("UpdateStateMachine", stateMachineArn=ARN) == (
        "MissingRequiredParameter",
        "Either the definition, the role ARN, the LoggingConfiguration, or the TracingConfiguration must be specified",
    )
    assert "revisionId" not in world.run("UpdateStateMachine", stateMachineArn=ARN, roleArn=ROLE)
    first = world.run("UpdateStateMachine", stateMachineArn=ARN, roleArn=f"{ROLE}2")["revisionId"]
    assert world.run("DescribeStateMachine", stateMachineArn=ARN)["revisionId"] == first
    same = world.run("UpdateStateMachine", stateMachineArn=ARN, definition=json.dumps(PASS), roleArn=f"{ROLE}2")
    assert same["revisionId"] == first
    second = world.run("UpdateStateMachine", stateMachineArn=ARN, definition=json.dumps(OTHER))["revisionId"]
    described = world.run("DescribeStateMachine", stateMachineArn=ARN)
    assert second not in (None, first)
    assert (described["revisionId"], described["definition"]) == (second, json.dumps(OTHER))
    assert described["roleArn"] == f"{ROLE}2"
    assert world.refused("UpdateStateMachine", stateMachineArn=f"{ARN}:1", roleArn=ROLE) == (
        "StateMachineDoesNotExist",
        f"State Machine Does Not Exist: '{ARN}:1'",
    )


def test_a_running_execution_keeps_its_revision(world: World) -> None:
    arn = world.start(WAIT)
    world.clock.advance(5)
    changed = {**WAIT, "States": {**WAIT["States"], "B": {"Type": "Fail"}}}  # type: ignore[dict-item]
    world.run("UpdateStateMachine", stateMachineArn=ARN, definition=json.dumps(changed), roleArn=f"{ROLE}2")
    described = world.run("DescribeStateMachineForExecution", executionArn=arn)
    assert json.loads(described["definition"]) == WAIT
    assert described["roleArn"] == ROLE
    assert "revisionId" not in described
    world.pass_time(60_000)
    assert world.status(arn) == "SUCCEEDED"


def test_machines_are_listed_by_page(world: World) -> None:
    for name in ("c", "a", "b"):
        create(world, name=name)
    first = world.run("ListStateMachines", maxResults=2)
    assert [item["name"] for item in first["stateMachines"]] == ["a", "b"]
    assert first["stateMachines"][0]["type"] == "STANDARD"
    second = world.run("ListStateMachines", maxResults=2, nextToken=first["nextToken"])
    assert [item["name"] for item in second["stateMachines"]] == ["c"]
    assert "nextToken" not in second
    deep = base64.b64encode(b"[" * 5_000).decode()
    assert world.refused("ListStateMachines", nextToken=deep)[0] == "InvalidToken"
    assert world.refused("ListStateMachines", nextToken="x") == ("InvalidToken", "Invalid Token: 'Invalid token'")
    world.clock.advance(25 * 3_600_000)
    assert world.refused("ListStateMachines", nextToken=first["nextToken"])[0] == "InvalidToken"
    world.account = "111111111111"
    assert world.run("ListStateMachines")["stateMachines"] == []


def test_versions_are_none(world: World) -> None:
    create(world)
    assert world.run("ListStateMachineVersions", stateMachineArn=ARN) == {"stateMachineVersions": []}


def test_a_machine_without_executions_goes_at_once(world: World) -> None:
    arn = world.start(PASS)
    assert world.run("DeleteStateMachine", stateMachineArn=ARN) == {}
    assert world.run("DeleteStateMachine", stateMachineArn=ARN) == {}
    assert world.refused("DescribeStateMachine", stateMachineArn=ARN) == (
        "StateMachineDoesNotExist",
        f"State Machine Does Not Exist: '{ARN}'",
    )
    assert world.refused("DescribeExecution", executionArn=arn)[0] == "ExecutionDoesNotExist"
    world.sweep()
    for table in ("states_machine", "states_revision", "states_execution", "states_history", "job"):
        assert world.count(table) == 0


def test_a_machine_with_an_execution_is_deleting_until_its_end(world: World) -> None:
    arn = world.start(WAIT)
    world.run("DeleteStateMachine", stateMachineArn=ARN)
    assert world.run("DescribeStateMachine", stateMachineArn=ARN)["status"] == "DELETING"
    assert world.refused("StartExecution", stateMachineArn=ARN)[0] == "StateMachineDeleting"
    assert refused(world)[0] == "StateMachineDeleting"
    assert world.refused("UpdateStateMachine", stateMachineArn=ARN, roleArn=ROLE)[0] == "StateMachineDeleting"
    assert world.status(arn) == "RUNNING"
    world.pass_time(60_000)
    # The next transition was the end of both.
    assert world.refused("DescribeStateMachine", stateMachineArn=ARN)[0] == "StateMachineDoesNotExist"
    world.sweep()
    assert world.count("states_execution") == world.count("job") == 0
    assert world.nothing_left()
    create(world)


def test_executions_go_after_ninety_days(world: World) -> None:
    arn = world.start(PASS)
    for _ in range(89):
        world.clock.advance(86_400_000)
        world.sweep()
    assert world.status(arn) == "SUCCEEDED"
    for _ in range(3):
        world.clock.advance(86_400_000)
        world.sweep()
    assert world.refused("DescribeExecution", executionArn=arn)[0] == "ExecutionDoesNotExist"
    assert world.count("states_history") == 0
    assert world.count("job") == 1


def test_tags(world: World) -> None:
    create(world, tags=[{"key": "b", "value": "1"}])
    world.run("TagResource", resourceArn=ARN, tags=[{"key": "a", "value": "2"}, {"key": "b", "value": "3"}])
    listed = world.run("ListTagsForResource", resourceArn=ARN)
    assert listed == {"tags": [{"key": "a", "value": "2"}, {"key": "b", "value": "3"}]}
    world.run("UntagResource", resourceArn=ARN, tagKeys=["a", "x"])
    assert world.run("ListTagsForResource", resourceArn=ARN)["tags"] == [{"key": "b", "value": "3"}]
    many = [{"key": str(number), "value": ""} for number in range(50)]
    assert world.refused("TagResource", resourceArn=ARN, tags=many)[0] == "TooManyTags"
    assert world.refused("ListTagsForResource", resourceArn=f"{ARN}x") == (
        "ResourceNotFound",
        f"Resource not found: '{ARN}x'",
    )


@pytest.mark.parametrize(
    ("arn", "why"),
    [
        ("x", "Invalid ARN prefix: x"),
        (f"arn:aws:states:{REGION}:{ACCOUNT}:activity:m", "Resource type not valid in this context: activity"),
    ],
)
def test_a_bad_arn_is_named(world: World, arn: str, why: str) -> None:
    assert world.refused("DescribeStateMachine", stateMachineArn=arn) == ("InvalidArn", f"Invalid Arn: '{why}'")


def test_a_labelled_arn_is_refused(world: World) -> None:
    assert world.refused("DescribeStateMachine", stateMachineArn=f"{ARN}/label")[0] == "ValidationException"


def test_an_arn_of_elsewhere_names_nothing(world: World) -> None:
    create(world)
    world.region = "eu-west-1"
    assert world.refused("DescribeStateMachine", stateMachineArn=ARN)[0] == "StateMachineDoesNotExist"
