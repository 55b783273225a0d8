"""Provisioned concurrency. Texts of errors: recorded from AWS."""

from typing import Any

import pytest

from waypost.aws.errors import AwsError
from waypost.service import Params

ARN = "arn:aws:lambda:us-east-1:000000000000:function:f"


def refused(world: Any, operation: str, **request: Any) -> AwsError:
    with pytest.raises(AwsError) as error:
        world.call(operation, **request)
    return error.value


def provision(world: Any, qualifier: str, number: int, name: str = "f") -> Params:
    answer = world.call(
        "PutProvisionedConcurrencyConfig", FunctionName=name, Qualifier=qualifier,
        ProvisionedConcurrentExecutions=number,
    )  # fmt: skip
    assert isinstance(answer, dict)
    return answer


def unprovisionable(world: Any, qualifier: str, number: int, name: str = "f") -> str:
    with pytest.raises(AwsError) as error:
        provision(world, qualifier, number, name)
    return error.value.message


def shown(world: Any, qualifier: str) -> tuple[str, int, int]:
    answer = world.call("GetProvisionedConcurrencyConfig", FunctionName="f", Qualifier=qualifier)
    assert answer["AvailableProvisionedConcurrentExecutions"] == answer["AllocatedProvisionedConcurrentExecutions"]
    return (
        answer["Status"], answer["RequestedProvisionedConcurrentExecutions"],
        answer["AllocatedProvisionedConcurrentExecutions"],
    )  # fmt: skip


@pytest.fixture
def two(still: Any, package: Any) -> Any:
    still.create_function(Publish=True)
    still.call("UpdateFunctionCode", FunctionName="f", ZipFile=package("new"), Publish=True)
    still.call("CreateAlias", FunctionName="f", Name="live", FunctionVersion="1")
    return still


def test_a_config_is_put_shown_and_deleted(two: Any) -> None:
    made = provision(two, "1", 3)
    assert made == {
        "RequestedProvisionedConcurrentExecutions": 3, "AvailableProvisionedConcurrentExecutions": 0,
        "AllocatedProvisionedConcurrentExecutions": 0, "Status": "IN_PROGRESS", "LastModified": made["LastModified"],
    }  # fmt: skip
    assert shown(two, "1") == ("IN_PROGRESS", 3, 0)
    two.neighbours.warm["1"] = 2
    assert shown(two, "1") == ("IN_PROGRESS", 3, 2)
    two.neighbours.failure = "FUNCTION_ERROR_INIT_FAILURE"
    assert shown(two, "1") == ("FAILED", 3, 2)
    two.neighbours.warm["1"] = 3
    assert shown(two, "1") == ("READY", 3, 3)
    provision(two, "2", 1)
    first = two.call("ListProvisionedConcurrencyConfigs", FunctionName="f", MaxItems=1)
    rest = two.call("ListProvisionedConcurrencyConfigs", FunctionName="f", Marker=first["NextMarker"])
    found = [*first["ProvisionedConcurrencyConfigs"], *rest["ProvisionedConcurrencyConfigs"]]
    assert [config["FunctionArn"] for config in found] == [f"{ARN}:1", f"{ARN}:2"]
    for _ in range(2):
        assert two.call("DeleteProvisionedConcurrencyConfig", FunctionName="f", Qualifier="1") == {}
    error = refused(two, "GetProvisionedConcurrencyConfig", FunctionName="f", Qualifier="1")
    assert (error.code, error.message) == (
        "ProvisionedConcurrencyConfigNotFoundException", "No Provisioned Concurrency Config found for this function"
    )  # fmt: skip


def test_what_cannot_be_kept_warm(two: Any) -> None:
    unpublished = "Provisioned Concurrency Configs cannot be applied to unpublished function versions."
    assert unprovisionable(two, "$LATEST", 1) == unpublished
    two.call("CreateAlias", FunctionName="f", Name="head", FunctionVersion="$LATEST")
    assert unprovisionable(two, "head", 1) == unpublished
    assert unprovisionable(two, "9", 1) == f"Function not found: {ARN}:9"
    assert unprovisionable(two, "none", 1) == f"Cannot find alias arn: {ARN}:none"
    provision(two, "1", 1)
    assert unprovisionable(two, "live", 1) == (
        "Alias can't be used for provisioned concurrency configuration on an already provisioned version"
    )
    two.call("DeleteProvisionedConcurrencyConfig", FunctionName="f", Qualifier="1")
    provision(two, "live", 1)
    assert "already provisioned alias" in unprovisionable(two, "1", 1)
    error = refused(two, "UpdateAlias", FunctionName="f", Name="live", FunctionVersion="$LATEST")
    assert error.message == unpublished


def test_there_is_so_much_and_no_more(two: Any) -> None:
    two.call("PutFunctionConcurrency", FunctionName="f", ReservedConcurrentExecutions=2)
    assert "greater than the reservedConcurrentExecution" in unprovisionable(two, "1", 3)
    provision(two, "1", 2)
    assert "greater than the reservedConcurrentExecution" in unprovisionable(two, "2", 1)
    error = refused(two, "PutFunctionConcurrency", FunctionName="f", ReservedConcurrentExecutions=1)
    assert error.message == (
        " ReservedConcurrentExecutions  1 should not be lower than function's total provisioned concurrency [2]."
    )
    two.create_function("g", Publish=True)
    assert "greater than account's unreserved concurrency [998]." in unprovisionable(two, "1", 999, "g")
    assert "below its minimum value of [100]." in unprovisionable(two, "1", 899, "g")
    provision(two, "1", 898, "g")
    provision(two, "1", 500, "g")


def test_a_config_goes_with_what_it_is_of(two: Any) -> None:
    provision(two, "live", 1)
    provision(two, "2", 1)
    two.call("DeleteAlias", FunctionName="f", Name="live")
    two.call("DeleteFunction", FunctionName="f", Qualifier="2")
    listed = two.call("ListProvisionedConcurrencyConfigs", FunctionName="f")
    assert listed == {"ProvisionedConcurrencyConfigs": []}
    provision(two, "1", 1)
    two.call("DeleteFunction", FunctionName="f")
    two.create_function(Publish=True)
    assert two.call("ListProvisionedConcurrencyConfigs", FunctionName="f") == listed


async def test_environments_are_kept_as_asked(world: Any, package: Any) -> None:
    world.create_function(Publish=True)
    world.call("UpdateFunctionCode", FunctionName="f", ZipFile=package("new"), Publish=True)
    world.start_background()
    await world.settle()
    warm = world.neighbours.warm
    put = {"FunctionName": "f", "Qualifier": "1", "ProvisionedConcurrentExecutions": 3}
    await world.change("PutProvisionedConcurrencyConfig", **put)
    await world.settle()
    assert warm == {"1": 3}
    await world.change("PutProvisionedConcurrencyConfig", **put | {"ProvisionedConcurrentExecutions": 1})
    await world.settle()
    assert warm == {"1": 1}
    await world.change("DeleteProvisionedConcurrencyConfig", FunctionName="f", Qualifier="1")
    await world.settle()
    assert warm == {}
    # An alias shares them out as it does its requests, and takes them along when it moves on.
    routing = {"AdditionalVersionWeights": {"2": 0.25}}
    await world.change("CreateAlias", FunctionName="f", Name="live", FunctionVersion="1", RoutingConfig=routing)
    await world.change(
        "PutProvisionedConcurrencyConfig", **put | {"Qualifier": "live", "ProvisionedConcurrentExecutions": 8}
    )
    await world.settle()
    assert warm == {"1": 6, "2": 2}
    await world.change("UpdateAlias", FunctionName="f", Name="live", FunctionVersion="2", RoutingConfig={})
    await world.settle()
    assert warm == {"2": 8}
    await world.change("DeleteFunction", FunctionName="f")
    await world.settle()
    assert warm == {}


async def test_what_is_kept_gets_new_credentials_in_time(world: Any) -> None:
    world.create_function(Publish=True)
    put = {"FunctionName": "f", "Qualifier": "1", "ProvisionedConcurrentExecutions": 1}
    world.call("PutProvisionedConcurrencyConfig", **put)
    world.start_background()
    await world.settle()
    assert (world.neighbours.warm, world.neighbours.issued) == ({"1": 1}, 1)
    for _ in range(7):
        await world.advance(3_600_000)
    assert world.neighbours.issued == 2
