"""Task: hands work over, and goes on when it is settled, timed out, or no longer alive."""

from typing import Any

from waypost.asl.commands import Resource, ScheduleTask
from waypost.asl.dataflow import read_path
from waypost.asl.document import Document, compact
from waypost.asl.errors import DATA_LIMIT, HEARTBEAT, RUNTIME, TIMEOUT, StateError, oversized_error
from waypost.asl.events import Heartbeat, TaskSettled, TaskStarted, TaskSubmitted, TimerFired
from waypost.asl.intrinsics import Intrinsic
from waypost.asl.jsonpath import Path
from waypost.asl.run import Live, Run, State
from waypost.asl.scope import Scope

SECONDS_MAX = 99_999_999
"""What a Task without a timeout is given."""

_WHOLE = {"truncated": False}


class TaskState(State, frozen=True, kw_only=True):
    """A Task state."""

    resource: Resource
    timeout_s: int | Path | None = None
    heartbeat_s: int | Path | None = None
    role_arn: str | Path | Intrinsic | None = None
    """``Credentials.RoleArn``."""

    @property
    def takes_token(self) -> bool:
        """Whether a worker settles the task by a token."""
        return self.resource.kind == "activity" or self.resource.pattern != "request_response"

    def begin(self, run: Run, live: Live) -> None:
        """Schedule the task."""
        head, flow = live.head, self.flow
        head.token = run.token(live) if self.takes_token else ""
        scope = run.scope(live, live.document.value, "in")
        selected = flow.selected(live.document, scope)
        scope = scope if selected is live.document else scope.at(selected.value)
        effective = selected if flow.parameters is None else flow.parameters.fill(scope)
        timeout_s = _seconds(scope, self.timeout_s, "TimeoutSecondsPath")
        heartbeat_s = _seconds(scope, self.heartbeat_s, "HeartbeatSecondsPath")
        role_arn = _role(scope, self.role_arn)
        if self.resource.kind == "activity" and not run.branches.activity_exists(self.resource.arn):
            raise StateError(RUNTIME, f"The activity {self.resource.arn} does not exist.")
        if effective is not live.document and effective.oversized:
            raise oversized_error(self.name)
        self._announce(run, live, effective, timeout_s, heartbeat_s, role_arn)
        head.phase = "scheduled"
        head.heartbeat_ms = (heartbeat_s or 0) * 1000
        run.commands.append(
            ScheduleTask(
                branch=head.id,
                attempt=head.attempt,
                state=self.name,
                resource=self.resource,
                parameters=effective.value,
                parameters_json=effective.text,
                token=head.token or None,
                timeout_ms=None if timeout_s is None else timeout_s * 1000,
                heartbeat_ms=head.heartbeat_ms or None,
                role_arn=role_arn,
            )
        )
        if timeout_s is not None:
            head.due_ms = run.at_ms + timeout_s * 1000
            run.start_timer(live, "timeout", head.due_ms)
        if self.resource.kind != "activity":
            self.start_heartbeat(run, live)

    def start_heartbeat(self, run: Run, live: Live) -> None:
        """Start the heartbeat's timer, if the task has one."""
        if live.head.heartbeat_ms:
            live.head.heartbeat_due_ms = run.at_ms + live.head.heartbeat_ms
            run.start_timer(live, "heartbeat", live.head.heartbeat_due_ms)

    def _announce(
        self,
        run: Run,
        live: Live,
        effective: Document,
        timeout_s: int | None,
        heartbeat_s: int | None,
        role_arn: str | None,
    ) -> None:
        resource = self.resource
        if resource.kind == "service":
            region = run.branches.execution.arn.split(":")[3]
            details: dict[str, Any] = {
                "resourceType": resource.service,
                "resource": resource.shown,
                "region": region,
                "parameters": effective.text,
            }
        else:
            details = {"resource": resource.arn, "input": effective.text, "inputDetails": _WHOLE}
        if timeout_s is not None:
            details["timeoutInSeconds"] = timeout_s
        if heartbeat_s is not None and resource.kind != "lambda-function":
            details["heartbeatInSeconds"] = heartbeat_s
        if role_arn is not None and resource.kind != "activity":
            details["taskCredentials"] = {"roleArn": role_arn}
        self.tell(run, live, "Scheduled", details)

    def tell(self, run: Run, live: Live, what: str, details: dict[str, Any] | None) -> None:
        """Write ``TaskSucceeded``, ``LambdaFunctionSucceeded``, ``ActivitySucceeded`` or the like."""
        prefix = _PREFIXES[self.resource.kind]
        if details is None:
            run.emit(live, prefix + what)
            return
        if self.resource.kind == "service" and "resource" not in details:
            details = {"resourceType": self.resource.service, "resource": self.resource.shown, **details}
        run.emit(live, prefix + what, f"{prefix[0].lower()}{prefix[1:]}{what}EventDetails", details)

    def tell_started(self, run: Run, live: Live, worker_name: str = "") -> None:
        """Write the event that tells that a worker has the task."""
        if self.resource.kind == "lambda-function":
            self.tell(run, live, "Started", None)
        elif self.resource.kind == "activity":
            self.tell(run, live, "Started", {"workerName": worker_name} if worker_name else {})
        else:
            self.tell(run, live, "Started", {})

    def fail(self, run: Run, live: Live, what: str, error: str | None, cause: str | None, known_as: str | None) -> None:
        """Write how the attempt failed, and settle it."""
        details = {"error": error, "cause": cause}
        self.tell(run, live, what, {name: text for name, text in details.items() if text is not None})
        run.fail(live, error, cause, known_as)


_PREFIXES = {"service": "Task", "lambda-function": "LambdaFunction", "activity": "Activity"}


def _state(run: Run, live: Live) -> TaskState:
    state = run.states[live.head.state]
    if not isinstance(state, TaskState):
        raise TypeError(f"branch {live.head.id} is not in a Task")
    return state


def started(run: Run, live: Live, event: TaskStarted) -> None:
    """A worker picked the task up."""
    state = _state(run, live)
    state.tell_started(run, live, event.worker_name)
    live.head.phase = "started"
    if state.resource.kind == "activity":
        state.start_heartbeat(run, live)


def submitted(run: Run, live: Live, event: TaskSubmitted) -> None:
    """The call was made; the result is still to come."""
    state = _state(run, live)
    if state.resource.kind != "service" or state.resource.pattern == "request_response":
        return
    if live.head.phase == "scheduled":
        state.tell_started(run, live)
    state.tell(run, live, "Submitted", {"output": event.output, "outputDetails": _WHOLE})
    live.head.phase = "submitted"


def settled(run: Run, live: Live, event: TaskSettled) -> None:
    """The task ended, well or not."""
    state = _state(run, live)
    if live.head.phase == "scheduled" and not event.schedule_failed:
        state.tell_started(run, live)
    if live.head.token or live.head.due_ms or live.head.heartbeat_due_ms:
        run.abandon(live)
    if event.output is None:
        schedule_failed = event.schedule_failed and state.resource.kind != "service"
        what = "ScheduleFailed" if schedule_failed else "Failed"
        state.fail(run, live, what, event.error or None, event.cause, None)
        return
    result = Document(text=event.output)
    if result.oversized:
        resource = state.resource
        too_much = oversized_error(resource.service if resource.kind == "service" else resource.arn)
        state.fail(run, live, "Failed", DATA_LIMIT, too_much.cause, None)
        return
    state.tell(run, live, "Succeeded", {"output": event.output, "outputDetails": _WHOLE})
    scope = run.scope(live, live.document.value, "out")
    output = state.flow.output(live.document, result, scope)
    run.leave(live, state, output, assigned=state.assigned(scope, result.value) if state.assign else None)


def fired(run: Run, live: Live, event: TimerFired) -> None:
    """The task took too long, or its worker was silent too long; a timer that fired early is armed again."""
    head = live.head
    if event.kind == "timeout":
        due_ms, known_as = head.due_ms, None
    elif event.kind == "heartbeat":
        due_ms, known_as = head.heartbeat_due_ms, HEARTBEAT
    else:
        return
    if not due_ms:
        return
    if event.at_ms < due_ms:
        run.start_timer(live, event.kind, due_ms)
        return
    run.abandon(live)
    _state(run, live).fail(run, live, "TimedOut", TIMEOUT, None, known_as)


def beat(_run: Run, live: Live, event: Heartbeat) -> None:
    """The worker is alive."""
    head = live.head
    if head.heartbeat_ms and event.at_ms + head.heartbeat_ms > head.heartbeat_due_ms:
        head.heartbeat_due_ms = event.at_ms + head.heartbeat_ms
        live.changed = True


def _seconds(scope: Scope, source: int | Path | None, field: str) -> int | None:
    if not isinstance(source, Path):
        return source
    value = read_path(scope, source)
    if type(value) is not int or not 0 < value <= SECONDS_MAX:
        shown = value if isinstance(value, str) else compact(value)
        raise StateError(
            RUNTIME, f"The {field} parameter does not reference a positive integer: {source.text} == {shown}"
        )
    return value


def _role(scope: Scope, source: str | Path | Intrinsic | None) -> str | None:
    if source is None or isinstance(source, str):
        return source
    value = source.evaluate(scope) if isinstance(source, Intrinsic) else read_path(scope, source)
    if not isinstance(value, str):
        raise StateError(RUNTIME, f"The Credentials field does not reference a role ARN: {source.text}")
    return value
