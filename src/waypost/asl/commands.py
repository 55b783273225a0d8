"""What the driver must do after a step, in the step's transaction, in this order."""

from typing import Any, Literal

import msgspec

from waypost.asl.events import TimerKind

Pattern = Literal["request_response", "wait_for_task_token", "sync"]
ResourceKind = Literal["lambda-function", "activity", "service"]


class Resource(msgspec.Struct, frozen=True):
    """A Task's ``Resource``, parsed."""

    arn: str
    """As written in the definition."""
    kind: ResourceKind
    service: str = ""
    """``service`` only: sqs, sns, lambda, states, events, ... or ``aws-sdk:dynamodb`` (shown as resourceType)."""
    action: str = ""
    """``service`` only: sendMessage, invoke, ... without suffix."""
    pattern: Pattern = "request_response"
    sync_version: int = 0
    """1 for ``.sync``, 2 for ``.sync:2``."""
    shown: str = ""
    """The action with its suffix, as the history shows it: ``sendMessage.waitForTaskToken``."""


class ScheduleTask(msgspec.Struct, frozen=True, kw_only=True):
    """Hand a task over. Its end comes back as ``TaskSettled`` with the same branch and attempt.

    The history already holds ``TaskScheduled`` (or the legacy name). Timers for ``timeout_ms`` and ``heartbeat_ms``
    come as ``StartTimer`` commands of their own.
    """

    branch: str
    attempt: int
    state: str
    """The state's name."""
    resource: Resource
    parameters: Any
    """The effective input of the task as a JSON value; do not change it in place."""
    parameters_json: str
    """The same as compact JSON text."""
    token: str | None
    """Set for activities and ``.waitForTaskToken``: what SendTaskSuccess, -Failure and -Heartbeat name it by."""
    timeout_ms: int | None
    heartbeat_ms: int | None
    role_arn: str | None = None
    """From ``Credentials``: the role to assume for the call, instead of the execution's."""


class StartTimer(msgspec.Struct, frozen=True, kw_only=True):
    """Deliver ``TimerFired(branch, attempt, kind)`` at ``at_ms``.

    There is at most one timer for each (branch, attempt, kind): a later command for the same three replaces it.
    """

    branch: str
    attempt: int
    kind: TimerKind
    at_ms: int


class Abandon(msgspec.Struct, frozen=True, kw_only=True):
    """The attempt is over: drop its token, its timers and its job, if they are still there."""

    branch: str
    attempt: int


class ContinueLater(msgspec.Struct, frozen=True, kw_only=True):
    """The step stopped at its bound of transitions: deliver ``Continue`` from a job, soon."""


class Finish(msgspec.Struct, frozen=True, kw_only=True):
    """The execution is over. All its branches, tokens, timers and jobs may be dropped: no ``Abandon`` tells so."""

    status: Literal["SUCCEEDED", "FAILED", "TIMED_OUT", "ABORTED"]
    output: str | None = None
    """JSON text, when SUCCEEDED."""
    error: str | None = None
    cause: str | None = None


class StartChild(msgspec.Struct, frozen=True, kw_only=True):
    """Start a child execution of a distributed Map. Reserved: no program asks for one yet."""

    branch: str
    attempt: int
    index: int
    input: str


Command = ScheduleTask | StartTimer | Abandon | ContinueLater | Finish | StartChild
