"""What can happen to an execution.

Every event carries ``at_ms`` (the instant, milliseconds since the epoch) and ``seed`` (text, unguessable and never
used twice: UUIDs, random numbers, jitter and task tokens of the step are derived from it; what stands before a colon in
it is no secret and begins every token). An event about an attempt
also carries ``branch`` and ``attempt``, copied from the command that asked for it; when that attempt is no longer the
branch's current one, the event is dropped and the step is empty. So every event may be delivered late, or twice.
"""

from typing import Literal

import msgspec

TimerKind = Literal["wait", "retry", "timeout", "heartbeat", "execution"]


class Started(msgspec.Struct, frozen=True, kw_only=True):
    """The execution begins. Delivered once, in the transaction that creates the execution."""

    at_ms: int
    seed: str
    input: str
    """The execution's input, valid JSON text; shown in the history as it was written."""


class TaskStarted(msgspec.Struct, frozen=True, kw_only=True):
    """A worker picked the task up.

    Required for activities (it starts their heartbeat). For the other tasks it is optional: ``TaskSubmitted`` and
    ``TaskSettled`` write the missing ``...Started`` event themselves.
    """

    at_ms: int
    seed: str
    branch: str
    attempt: int
    worker_name: str = ""
    """Activities only: the name given by the worker; not shown when empty."""


class TaskSubmitted(msgspec.Struct, frozen=True, kw_only=True):
    """The call of a ``.waitForTaskToken`` or ``.sync`` task was made and answered; the result is still to come."""

    at_ms: int
    seed: str
    branch: str
    attempt: int
    output: str
    """The called service's answer, JSON text."""


class TaskSettled(msgspec.Struct, frozen=True, kw_only=True):
    """The task ended: with ``output``, or, when ``error`` is not None, failed."""

    at_ms: int
    seed: str
    branch: str
    attempt: int
    output: str | None = None
    """The task's result, valid JSON text; required when ``error`` is None."""
    error: str | None = None
    """The error's name. Empty text (a SendTaskFailure without ``error``) counts as a failure without a name."""
    cause: str | None = None
    schedule_failed: bool = False
    """The task could not even be handed over (ActivityScheduleFailed, LambdaFunctionScheduleFailed, ...)."""


class TimerFired(msgspec.Struct, frozen=True, kw_only=True):
    """A timer asked for by ``StartTimer`` came due. One that fires before its time is armed again by the step."""

    at_ms: int
    seed: str
    branch: str
    attempt: int
    kind: TimerKind


class Heartbeat(msgspec.Struct, frozen=True, kw_only=True):
    """The worker is alive: the heartbeat timeout starts anew. Changes one head; the timer is re-armed when it fires."""

    at_ms: int
    seed: str
    branch: str
    attempt: int


class Stop(msgspec.Struct, frozen=True, kw_only=True):
    """StopExecution: the execution ends as ABORTED."""

    at_ms: int
    seed: str
    error: str | None = None
    cause: str | None = None


class Continue(msgspec.Struct, frozen=True, kw_only=True):
    """Go on where the last step stopped at its bound. Harmless when there is nothing to go on with."""

    at_ms: int
    seed: str


class ChildDone(msgspec.Struct, frozen=True, kw_only=True):
    """A child execution of a distributed Map ended. Reserved: no program asks for one yet."""

    at_ms: int
    seed: str
    branch: str
    attempt: int
    index: int
    status: str
    output: str | None = None
    error: str | None = None
    cause: str | None = None


Event = Started | TaskStarted | TaskSubmitted | TaskSettled | TimerFired | Heartbeat | Stop | Continue | ChildDone
AttemptEvent = TaskStarted | TaskSubmitted | TaskSettled | TimerFired | Heartbeat | ChildDone
