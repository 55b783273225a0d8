"""``lambda:invoke`` and a function's ARN as the resource."""

from typing import Any

import msgspec

from waypost.aws.errors import AwsError
from waypost.runtimes.invocation import FunctionOutcome
from waypost.service import Params
from waypost.services.states.integrations.task import (
    Call,
    Integration,
    Invoke,
    Reply,
    Task,
    TaskFailed,
    http_date,
    require,
    text_of,
    with_metadata,
)

_PASSED_ON = ("FunctionName", "Qualifier", "ClientContext", "InvocationType", "LogType")
_KNOWN = frozenset({*_PASSED_ON, "Payload"})
_AT_ONCE: tuple[tuple[str, tuple[str | None, ...]], ...] = (
    ("InvocationType", (None, "RequestResponse")),
    ("LogType", (None, "None", "Tail")),
)
"""What a job runs and waits for. Anything else is a call like any other, which refuses what there is not."""
_STATUS = {"ResourceNotFoundException": 404, "ResourceConflictException": 409, "TooManyRequestsException": 429}
"""The model's HTTP status of errors that Invoke has, where it is not 400."""
_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder().decode


def _plan_invoke(task: Task) -> Call | Invoke:
    parameters = require(task.parameters, ("FunctionName",))
    request: Params = {name: text_of(parameters[name]) for name in _PASSED_ON if parameters.get(name) is not None}
    unknown = sorted(parameters.keys() - _KNOWN)
    if unknown:
        raise TaskFailed("States.Runtime", f"The field '{unknown[0]}' is not supported by lambda:invoke")
    request["Payload"] = _encode(parameters.get("Payload", {}))
    if all(request.get(name) in values for name, values in _AT_ONCE):
        return Invoke(request)
    return Call("lambda", "Invoke", request)


def _plan_function(task: Task) -> Invoke:
    return Invoke({"FunctionName": task.resource.arn, "Payload": _encode(task.parameters)})


def _output(_task: Task, response: Params, reply: Reply) -> Any:
    """Of an invocation that was only accepted."""
    status = response.get("StatusCode", 202)
    headers = {
        "x-amzn-Remapped-Content-Length": "0",
        "Connection": "keep-alive",
        "x-amzn-RequestId": reply.request_id,
        "Content-Length": "0",
        "Date": http_date(reply.now_ms),
    }
    shown = with_metadata({}, headers, reply)
    shown["SdkHttpMetadata"]["HttpStatusCode"] = status
    return {**shown, "StatusCode": status}


def _failure(error: AwsError, reply: Reply) -> TaskFailed:
    status = error.status or _STATUS.get(error.code) or (400 if error.sender else 500)
    name = error.code if error.code.endswith("Exception") else f"{error.code}Exception"
    return TaskFailed(
        f"Lambda.{name}", f"{error.message} (Service: Lambda, Status Code: {status}, Request ID: {reply.request_id})"
    )


def _payload(outcome: FunctionOutcome) -> str:
    """The function's answer, JSON text; raises TaskFailed where the function failed or answered something else."""
    text = outcome.payload.decode("utf-8", "replace") or "null"
    try:
        value = _decode(text)
    except msgspec.DecodeError:
        value = None
        if not outcome.function_error:
            raise TaskFailed("Lambda.Unknown", _unknown(text)) from None
    except RecursionError:
        raise TaskFailed("States.Runtime", "The function's answer is nested too deeply") from None
    if not outcome.function_error:
        return text
    kind = value.get("errorType") if isinstance(value, dict) else None
    if isinstance(kind, str) and kind:
        raise TaskFailed(kind, text)
    raise TaskFailed("Lambda.Unknown", _unknown(text))


def _unknown(text: str) -> str:
    return f"The cause could not be determined because Lambda did not return an error type. Returned payload: {text}"


def _returned_invoke(task: Task, outcome: FunctionOutcome, version: str, reply: Reply) -> str:
    text = _payload(outcome)
    headers = {
        "X-Amz-Executed-Version": version,
        "x-amzn-Remapped-Content-Length": "0",
        "Connection": "keep-alive",
        "x-amzn-RequestId": reply.request_id,
        "Content-Length": str(len(outcome.payload)),
        "Date": http_date(reply.now_ms),
        "Content-Type": "application/json",
    }
    body: dict[str, Any] = {"ExecutedVersion": version, "Payload": msgspec.Raw(text.encode())}
    if task.parameters.get("LogType") == "Tail":
        body["LogResult"] = outcome.log  # bytes: JSON shows them in base64
    shown = with_metadata(body, headers, reply)
    shown["StatusCode"] = 200
    return _encode(shown).decode()


def _returned_function(_task: Task, outcome: FunctionOutcome, _version: str, _reply: Reply) -> str:
    return _payload(outcome)


INVOKE = Integration(
    frozenset({"request_response", "wait_for_task_token"}), _plan_invoke, _output, _failure, _returned_invoke
)
FUNCTION = Integration(frozenset({"request_response"}), _plan_function, _output, _failure, _returned_function)
