"""Resource policies."""

import json
from typing import Any

import pytest

from waypost.aws.errors import AwsError

ARN = "arn:aws:lambda:us-east-1:000000000000:function:f"


@pytest.fixture(autouse=True)
def function(still: Any) -> None:
    still.create_function()


def add(world: Any, sid: str = "s", **changes: Any) -> Any:
    request = {
        "FunctionName": "f",
        "StatementId": sid,
        "Action": "lambda:InvokeFunction",
        "Principal": "events.amazonaws.com",
    }
    return json.loads(world.call("AddPermission", **request | changes)["Statement"])


def refused(world: Any, operation: str, **request: Any) -> AwsError:
    with pytest.raises(AwsError) as error:
        world.call(operation, FunctionName="f", **request)
    return error.value


@pytest.mark.parametrize(
    ("principal", "shown"),
    [
        ("sqs.amazonaws.com", {"Service": "sqs.amazonaws.com"}),
        ("123456789012", {"AWS": "arn:aws:iam::123456789012:root"}),
        ("arn:aws:iam::123456789012:role/x", {"AWS": "arn:aws:iam::123456789012:role/x"}),
        ("*", "*"),
    ],
)
def test_a_statement_names_its_principal(still: Any, principal: str, shown: Any) -> None:
    assert add(still, Principal=principal) == {
        "Sid": "s", "Effect": "Allow", "Principal": shown, "Action": "lambda:InvokeFunction", "Resource": ARN,
    }  # fmt: skip


def test_sources_become_conditions(still: Any) -> None:
    added = add(still, SourceArn="arn:aws:events:us-east-1:000000000000:rule/r", SourceAccount="000000000000")
    assert added["Condition"] == {
        "StringEquals": {"AWS:SourceAccount": "000000000000"},
        "ArnLike": {"AWS:SourceArn": "arn:aws:events:us-east-1:000000000000:rule/r"},
    }


def test_a_policy_grows_and_ends_with_its_last_statement(still: Any) -> None:
    assert refused(still, "GetPolicy").message == "The resource you requested does not exist."
    assert (
        refused(still, "RemovePermission", StatementId="s").message
        == "No policy is associated with the given resource."
    )
    add(still, "a")
    first = still.call("GetPolicy", FunctionName="f")
    add(still, "b", RevisionId=first["RevisionId"])
    got = still.call("GetPolicy", FunctionName="f")
    assert got["RevisionId"] != first["RevisionId"]
    policy = json.loads(got["Policy"])
    assert (policy["Version"], policy["Id"], len(policy["Statement"])) == ("2012-10-17", "default", 2)
    assert refused(still, "RemovePermission", StatementId="z").message == "Statement z is not found in resource policy."
    stale = refused(still, "RemovePermission", StatementId="a", RevisionId=first["RevisionId"])
    assert stale.code == "PreconditionFailedException"
    still.call("RemovePermission", FunctionName="f", StatementId="a")
    still.call("RemovePermission", FunctionName="f", StatementId="b")
    assert refused(still, "GetPolicy").code == "ResourceNotFoundException"


def test_what_is_refused(still: Any) -> None:
    add(still)
    asked = {"StatementId": "t", "Action": "lambda:InvokeFunction", "Principal": "events.amazonaws.com"}
    assert refused(still, "AddPermission", **asked | {"StatementId": "s"}).code == "ResourceConflictException"
    assert "principal was invalid" in refused(still, "AddPermission", **asked | {"Principal": "nobody"}).message
    latest = refused(still, "AddPermission", **asked | {"Qualifier": "$LATEST"})
    assert latest.message == "We currently do not support adding policies for $LATEST."
    error = None
    for number in range(100):
        try:
            add(still, f"x{number}", SourceArn="arn:aws:events:us-east-1:000000000000:rule/" + "r" * 200)
        except AwsError as refusal:
            error = refusal
            break
    assert error is not None
    assert error.code == "PolicyLengthExceededException"


def test_a_policy_goes_with_its_function(still: Any) -> None:
    add(still)
    still.call("DeleteFunction", FunctionName="f")
    still.create_function()
    assert refused(still, "GetPolicy").code == "ResourceNotFoundException"
