"""What destinations and dead-letter queues are told of an asynchronous invocation."""

from datetime import UTC, datetime
from typing import Any

import msgspec

ERROR_BYTES_MAX = 1_024
"""Of an error's message in a dead letter's attribute."""


def invocation_record(
    *,
    at_ms: int,
    request_id: str,
    function_arn: str,
    condition: str,
    invokes: int,
    request: bytes,
    version: str,
    response: tuple[bytes, str] | None,
) -> bytes:
    """The record as JSON. ``response``: the function's answer and its FunctionError; None where it did not run.

    https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-retain-records.html shows one.
    """
    at = datetime.fromtimestamp(at_ms / 1_000, UTC)
    record: dict[str, Any] = {
        "version": "1.0",
        "timestamp": f"{at:%Y-%m-%dT%H:%M:%S}.{at_ms % 1_000:03d}Z",
        "requestContext": {
            "requestId": request_id,
            "functionArn": function_arn,
            "condition": condition,
            "approximateInvokeCount": invokes,
        },
        "requestPayload": msgspec.Raw(request),
    }
    if response is not None:
        payload, function_error = response
        context: dict[str, Any] = {"statusCode": 200, "executedVersion": version}
        if function_error:
            context["functionError"] = function_error
        record |= {"responseContext": context, "responsePayload": _json(payload)}
    return msgspec.json.encode(record)


def error_of(payload: bytes) -> str:
    """The message in a function's error document, as far as an attribute holds it; empty where there is none."""
    try:
        document = msgspec.json.decode(payload)
    except (msgspec.DecodeError, RecursionError):
        return ""
    message = document.get("errorMessage") if isinstance(document, dict) else None
    if not isinstance(message, str):
        return ""
    return message.encode()[:ERROR_BYTES_MAX].decode(errors="ignore")


def _json(payload: bytes) -> Any:
    """A function's answer inside a record: as it is, or as a text where it is not JSON."""
    try:
        msgspec.json.decode(payload)
    except (msgspec.DecodeError, RecursionError):
        return payload.decode(errors="replace")
    return msgspec.Raw(payload)
