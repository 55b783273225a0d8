"""What an integration is: from a Task's parameters to a call, from the call's outcome to the Task's."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, NamedTuple

import msgspec

from waypost.asl.commands import Pattern, Resource
from waypost.aws.errors import AwsError
from waypost.runtimes.invocation import FunctionOutcome
from waypost.service import Params

_encode = msgspec.json.Encoder().encode


class Task(msgspec.Struct, frozen=True):
    """A scheduled Task, as far as an integration needs to know it."""

    resource: Resource
    parameters: Any
    """The effective input, a JSON value; not changed in place."""


class Reply(msgspec.Struct, frozen=True):
    """Facts of the answer that the Task's output shows, though no HTTP was spoken."""

    request_id: str
    now_ms: int


class TaskFailed(Exception):  # noqa: N818 (a Task's outcome)
    """The Task fails: with this error name and cause."""

    def __init__(self, error: str, cause: str, *, schedule_failed: bool = False) -> None:
        super().__init__(f"{error}: {cause}")
        self.error = error
        self.cause = cause
        self.schedule_failed = schedule_failed


class Call(msgspec.Struct, frozen=True):
    """An operation of another service, run in the Task's own transaction."""

    service: str
    operation: str
    request: Params


class Invoke(msgspec.Struct, frozen=True):
    """A function to run: outside work, done by a job."""

    request: Params
    """Of the functions' service's operation PrepareInvoke."""


class Integration(NamedTuple):
    """One action of one service."""

    patterns: frozenset[Pattern]
    plan: Callable[[Task], Call | Invoke]
    """Raises TaskFailed where the parameters cannot be sent."""
    output: Callable[[Task, Params, Reply], Any]
    """The Task's output from a call's response; a JSON value."""
    failure: Callable[[AwsError, Reply], TaskFailed]
    """The Task's error from a call's."""
    returned: Callable[[Task, FunctionOutcome, str, Reply], str] | None = None
    """For Invoke: the Task's output, JSON text, from outcome and executed version; raises TaskFailed."""


def http_date(now_ms: int) -> str:
    """An instant as HTTP's Date header writes it."""
    return datetime.fromtimestamp(now_ms / 1000, UTC).strftime("%a, %d %b %Y %H:%M:%S GMT")


def with_metadata(body: dict[str, Any], headers: dict[str, str], reply: Reply) -> dict[str, Any]:
    """Add what the optimized integrations add to a service's answer."""
    return {
        **body,
        "SdkHttpMetadata": {
            "AllHttpHeaders": {name: [value] for name, value in headers.items()},
            "HttpHeaders": headers,
            "HttpStatusCode": 200,
        },
        "SdkResponseMetadata": {"RequestId": reply.request_id},
    }


def json_headers(body: dict[str, Any], reply: Reply) -> dict[str, str]:
    """The headers of an AWS JSON 1.0 answer."""
    return {
        "x-amzn-RequestId": reply.request_id,
        "connection": "keep-alive",
        "Content-Length": str(len(_encode(body))),
        "Date": http_date(reply.now_ms),
        "Content-Type": "application/x-amz-json-1.0",
    }


def text_of(value: Any) -> str:
    """A parameter that may be text or any JSON value, as the text that is sent."""
    return value if isinstance(value, str) else _encode(value).decode()


def require(parameters: Any, names: tuple[str, ...]) -> dict[str, Any]:
    """The parameters as an object that has ``names``; raises TaskFailed as the service does."""
    if not isinstance(parameters, dict):
        raise TaskFailed("States.Runtime", "The Parameters of the Task must be a JSON object")
    missing = [name for name in names if parameters.get(name) is None]
    if missing:
        listed = "', '".join(missing)
        raise TaskFailed("States.Runtime", f"The parameters for the Task are missing the required field(s): '{listed}'")
    return parameters
