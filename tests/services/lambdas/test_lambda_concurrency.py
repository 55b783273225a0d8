"""Reserved concurrency and account settings. Texts of errors: recorded from AWS."""

from typing import Any

import pytest

from waypost.aws.errors import AwsError
from waypost.runtimes.invocation import ReservationThrottled


def refused(world: Any, operation: str, **request: Any) -> AwsError:
    with pytest.raises(AwsError) as error:
        world.call(operation, **request)
    return error.value


def reserve(world: Any, name: str, number: int) -> Any:
    return world.call("PutFunctionConcurrency", FunctionName=name, ReservedConcurrentExecutions=number)


def test_concurrency_is_reserved_shown_and_given_back(still: Any) -> None:
    still.create_function()
    assert still.call("GetFunctionConcurrency", FunctionName="f") == {}
    assert "Concurrency" not in still.call("GetFunction", FunctionName="f")
    revision = still.call("GetFunctionConfiguration", FunctionName="f")["RevisionId"]
    assert reserve(still, "f", 0) == {"ReservedConcurrentExecutions": 0}
    assert reserve(still, "f", 7) == {"ReservedConcurrentExecutions": 7}
    assert still.call("GetFunctionConcurrency", FunctionName="f") == {"ReservedConcurrentExecutions": 7}
    assert still.call("GetFunction", FunctionName="f")["Concurrency"] == {"ReservedConcurrentExecutions": 7}
    assert still.call("GetFunctionConfiguration", FunctionName="f")["RevisionId"] == revision
    still.call("UpdateFunctionConfiguration", FunctionName="f", Timeout=9)
    assert still.call("GetFunctionConcurrency", FunctionName="f") == {"ReservedConcurrentExecutions": 7}
    assert still.call("DeleteFunctionConcurrency", FunctionName="f") == {}
    assert still.call("GetFunctionConcurrency", FunctionName="f") == {}
    assert refused(still, "GetFunctionConcurrency", FunctionName="g").code == "ResourceNotFoundException"


def test_a_hundred_stay_unreserved(still: Any) -> None:
    for name in "fg":
        still.create_function(name)
    reserve(still, "f", 600)
    reserve(still, "g", 300)
    error = refused(still, "PutFunctionConcurrency", FunctionName="f", ReservedConcurrentExecutions=601)
    assert error.code == "InvalidParameterValueException"
    assert error.message == (
        "Specified ReservedConcurrentExecutions for function decreases account's UnreservedConcurrentExecution below "
        "its minimum value of [100]."
    )
    limit = still.call("GetAccountSettings")["AccountLimit"]
    assert (limit["ConcurrentExecutions"], limit["UnreservedConcurrentExecutions"]) == (1_000, 100)
    still.call("DeleteFunction", FunctionName="g")
    assert still.call("GetAccountSettings")["AccountLimit"]["UnreservedConcurrentExecutions"] == 400
    reserve(still, "f", 900)


def test_account_settings_count_what_is_there(still: Any, package: Any) -> None:
    size = len(package())
    assert still.call("GetAccountSettings")["AccountUsage"] == {"TotalCodeSize": 0, "FunctionCount": 0}
    still.create_function("f", Publish=True)
    still.create_function("g")
    assert still.call("GetAccountSettings")["AccountUsage"] == {"TotalCodeSize": 3 * size, "FunctionCount": 2}


async def test_a_call_knows_its_limits(world: Any) -> None:
    world.create_function("f", Publish=True)
    world.create_function("g")
    reserve(world, "f", 3)
    for request in ({"FunctionName": "f"}, {"FunctionName": "f", "Qualifier": "1"}):
        await world.execute("Invoke", Payload=b"{}", **request)
        assert world.performed[-1].reserved == 3
    await world.execute("Invoke", FunctionName="g", Payload=b"{}")
    assert (world.performed[-1].reserved, world.performed[-1].unreserved) == (None, 997)


async def test_a_caller_is_told_which_limit_it_met(world: Any) -> None:
    world.create_function()
    world.outcomes = [ReservationThrottled("no more")]
    with pytest.raises(AwsError) as error:
        await world.execute("Invoke", FunctionName="f", Payload=b"{}")
    assert (error.value.code, error.value.status) == ("TooManyRequestsException", 429)
    assert error.value.message == "Rate Exceeded."
    assert error.value.members["Reason"] == "ReservedFunctionConcurrentInvocationLimitExceeded"
