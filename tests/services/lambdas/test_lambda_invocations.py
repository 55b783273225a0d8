"""Invoke: synchronous, asynchronous, dry; role credentials; what the function's end becomes."""

import base64
from typing import Any

import pytest

from waypost.aws.codec.parts import UNMODELED
from waypost.aws.errors import AwsError
from waypost.runtimes.invocation import FunctionCall, FunctionOutcome, FunctionThrottled, RuntimeMissing

ARN = "arn:aws:lambda:us-east-1:000000000000:function:f"
HOUR_MS = 3_600_000


async def test_a_function_answers(world: Any) -> None:
    world.create_function(Environment={"Variables": {"A": "1"}}, Timeout=7)
    world.outcomes = [FunctionOutcome(b'{"ok":true}', log=b"x" * 5_000)]
    answer = await world.execute(
        "Invoke", FunctionName="f:$LATEST", Payload=b'{"n":1}', LogType="Tail", ClientContext="e30="
    )
    assert answer == {
        "StatusCode": 200, "ExecutedVersion": "$LATEST", "Payload": b'{"ok":true}',
        "LogResult": base64.b64encode(b"x" * 4_096).decode(),
        UNMODELED: {"x-amzn-trace-id": world.performed[0].trace},
    }  # fmt: skip
    (call,) = world.performed
    assert (call.payload, call.client_context, call.invoked_arn) == (b'{"n":1}', "e30=", f"{ARN}:$LATEST")
    assert call.trace.startswith("Root=1-6553f100-")
    spec = call.spec
    assert (spec.arn, spec.timeout_ms, spec.environment, spec.log_group) == (ARN, 7_000, {"A": "1"}, "/aws/lambda/f")
    assert call.endpoint_url == "http://127.0.0.1:4566"


async def test_without_a_payload_the_event_is_an_empty_object(world: Any) -> None:
    world.create_function()
    answer = await world.execute("Invoke", FunctionName="f")
    assert world.performed[0].payload == b"{}"
    assert "LogResult" not in answer


async def test_a_failed_function_is_still_answered_with_200(world: Any) -> None:
    world.create_function()
    world.outcomes = [FunctionOutcome(b'{"errorMessage":"x"}', "Unhandled")]
    answer = await world.execute("Invoke", FunctionName="f")
    assert (answer["StatusCode"], answer["FunctionError"], answer["Payload"]) == (
        200,
        "Unhandled",
        b'{"errorMessage":"x"}',
    )


@pytest.mark.parametrize(
    ("outcome", "code", "status"),
    [
        (FunctionThrottled(), "TooManyRequestsException", 429),
        (RuntimeMissing("no node here"), "InvalidRuntimeException", 502),
    ],
)
async def test_what_the_host_cannot_do(world: Any, outcome: Exception, code: str, status: int) -> None:
    world.create_function()
    world.outcomes = [outcome]
    with pytest.raises(AwsError) as error:
        await world.execute("Invoke", FunctionName="f")
    assert (error.value.code, error.value.status) == (code, status)
    if status == 429:
        assert error.value.members["Reason"] == "ConcurrentInvocationLimitExceeded"


async def test_credentials_are_issued_once_and_renewed_at_half_their_life(world: Any) -> None:
    world.create_function()
    for _ in range(3):
        await world.execute("Invoke", FunctionName="f")
    assert world.neighbours.issued == 1
    first = world.performed[-1]
    assert first.credentials == {"AWS_ACCESS_KEY_ID": "ASIA1", "AWS_SECRET_ACCESS_KEY": "s", "AWS_SESSION_TOKEN": "t"}
    assert len({call.spec.revision for call in world.performed}) == 1
    world.clock.advance(6 * HOUR_MS + 1)
    await world.execute("Invoke", FunctionName="f")
    renewed = world.performed[-1]
    assert renewed.credentials["AWS_ACCESS_KEY_ID"] == "ASIA2"
    assert renewed.spec.revision != first.spec.revision, "environments with the old credentials retire"
    await world.change("UpdateFunctionConfiguration", FunctionName="f", Timeout=4)
    await world.execute("Invoke", FunctionName="f")
    assert world.performed[-1].spec.revision.split("/")[0] != renewed.spec.revision.split("/")[0]


async def test_a_role_that_is_gone_cannot_be_assumed(world: Any) -> None:
    world.create_function()
    world.neighbours.roles.clear()
    with pytest.raises(AwsError) as error:
        await world.execute("Invoke", FunctionName="f")
    assert (error.value.code, error.value.status) == ("AccessDeniedException", 403)


def test_other_services_get_a_call_to_perform(still: Any) -> None:
    still.create_function()
    answer = still.call("waypost:PrepareInvoke", FunctionName=ARN, Payload=b"1", Trace="Root=1")
    call = answer["Call"]
    assert isinstance(call, FunctionCall)
    assert (answer["ExecutedVersion"], call.payload, call.trace) == ("$LATEST", b"1", "Root=1")
    with pytest.raises(AwsError) as error:
        still.call("waypost:PrepareInvoke", FunctionName="g", Payload=b"1")
    assert error.value.code == "ResourceNotFoundException"
    with pytest.raises(AwsError) as error:
        still.call("waypost:PrepareInvoke", FunctionName="f", Payload=b"1", ClientContext="x" * 3_584)
    assert error.value.code == "InvalidParameterValueException"


async def test_a_dry_run_runs_nothing(world: Any) -> None:
    world.create_function()
    assert await world.execute("Invoke", FunctionName="f", InvocationType="DryRun") == {"StatusCode": 204}
    assert world.performed == []
    with pytest.raises(AwsError):
        await world.execute("Invoke", FunctionName="g", InvocationType="DryRun")


# --- asynchronous invocations


async def event(world: Any, payload: bytes = b'{"n":1}') -> None:
    world.start_jobs()
    assert await world.execute("Invoke", FunctionName="f", InvocationType="Event", Payload=payload) == {
        "StatusCode": 202
    }
    await world.settle()


async def test_an_event_runs_after_its_acceptance(world: Any) -> None:
    world.create_function()
    await event(world)
    assert [call.payload for call in world.performed] == [b'{"n":1}']
    await world.advance(HOUR_MS)
    assert len(world.performed) == 1


async def test_a_failed_event_runs_again_after_one_minute_and_two(world: Any) -> None:
    world.create_function()
    world.outcomes = [FunctionOutcome(b"{}", "Unhandled")] * 4
    await event(world)
    for wait_ms, runs in ((59_999, 1), (1, 2), (119_999, 2), (1, 3), (HOUR_MS, 3)):
        await world.advance(wait_ms)
        assert len(world.performed) == runs
    assert len({call.request_id for call in world.performed}) == 1, "the request id stays the same"
    assert len({call.trace for call in world.performed}) == 1


async def test_a_throttled_event_runs_again_for_six_hours(world: Any) -> None:
    world.create_function()
    world.outcomes = [FunctionThrottled()] * 1_000
    await event(world)
    await world.advance(1_000)
    assert len(world.performed) == 2
    await world.advance(2_000)
    assert len(world.performed) == 3
    for _ in range(5 * 60):
        await world.advance(60_000)
    runs = len(world.performed)
    assert 60 < runs < 80, "the wait doubles up to five minutes"
    for _ in range(120):
        await world.advance(60_000)
    assert 70 < len(world.performed) < 90
    runs = len(world.performed)
    await world.advance(HOUR_MS)
    assert len(world.performed) == runs, "dropped after six hours"


async def test_an_event_whose_function_is_gone_is_dropped(world: Any) -> None:
    world.create_function()
    assert await world.execute("Invoke", FunctionName="f", InvocationType="Event") == {"StatusCode": 202}
    await world.execute("DeleteFunction", FunctionName="f")
    world.start_jobs()
    await world.settle()
    await world.advance(HOUR_MS - 1)
    assert world.performed == []
