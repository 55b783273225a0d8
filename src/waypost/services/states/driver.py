"""The only caller of the language core: load, step, carry out, append history, save, in the caller's transaction."""

from collections import deque
from typing import Any

import msgspec

from waypost import arn as arns
from waypost.asl.commands import ContinueLater, Finish, ScheduleTask, StartTimer
from waypost.asl.events import Continue, Event, Started, Stop, TaskSettled, TaskStarted, TaskSubmitted
from waypost.asl.machine import step
from waypost.aws.errors import AwsError
from waypost.service import Context
from waypost.services.states import integrations
from waypost.services.states.integrations.task import Call, Integration, Reply, Task, TaskFailed
from waypost.services.states.limits import CALLS_MAX
from waypost.services.states.programs import program_of
from waypost.services.states.queries import Q
from waypost.services.states.rows import Ref, Rows, execution_key
from waypost.services.states.rules import reasons, tokens
from waypost.services.states.rules.arns import role
from waypost.store.store import Tx
from waypost.work import jobs

_encode = msgspec.json.Encoder().encode


class Start(msgspec.Struct, frozen=True):
    """What StartExecution decided: an execution to be born."""

    ref: Ref
    digest: str
    name: str
    input: str
    trace: str


def begin(tx: Tx, ctx: Context, start: Start) -> None:
    """Bring an execution to life and run it as far as one transaction may.

    Called from within another service's operation it only promises to: that transaction has its own work.
    """
    ref = start.ref
    if ctx.wire == "internal":
        _insert(tx, ctx, start, None)
        tx.run(Q.insert_run, execution=ref.id, machine=ref.machine, revision=ref.revision, armed=0, head="", body=None)
        _promise_continue(tx, ctx, ref.id)
        return
    rows = Rows(tx, ctx, ref, program_of(tx, start.digest, ref.revision), stored=False)
    rows.constants(start.name, ctx.now_ms, start.input)
    finish = _drain(rows, Started(at_ms=ctx.now_ms, seed="", input=start.input))
    _insert(tx, ctx, start, finish)
    _save(rows, finish, stored_execution=False)


def advance(tx: Tx, ctx: Context, execution: int, event: Event, *, fired: str = "") -> bool:
    """Apply an event to a running execution; False when it ended before, or the event was about an older attempt.

    ``fired`` names the branch whose job delivers the event.
    """
    rows = load(tx, ctx, execution)
    return rows is not None and deliver(rows, event, fired=fired)


def deliver(rows: Rows, event: Event, *, fired: str = "") -> bool:
    """The same, to an execution that was loaded in this transaction and not moved since."""
    rows.fired = fired
    finish = _drain(rows, event)
    _save(rows, finish, stored_execution=True)
    return bool(rows.history) or finish is not None


def load(tx: Tx, ctx: Context, execution: int) -> Rows | None:
    """Lock a running execution and read what every transition needs; None when it ended before."""
    row = tx.one(Q.lock_run, execution=execution)
    if row is None:
        return None
    armed, head, body, spent, account, region, status, machine, name, revision, digest, role_arn = row
    ref = Ref(execution, machine, name, revision, role_arn, account, region)
    rows = Rows(tx, ctx, ref, program_of(tx, digest, revision), stored=True)
    rows.doomed = status == "DELETING"
    if head:
        rows.adopt(head, armed, body, spent)
    return rows


def is_current(rows: Rows, branch: str, attempt: int) -> bool:
    """Whether an attempt is still the branch's."""
    head = rows.head(branch)
    return head is not None and head.attempt == attempt


def _seed(rows: Rows) -> str:
    """Randomness for one step, and before the colon what its task tokens begin with."""
    return f"{tokens.mark(rows.ref.id)}:{rows.ctx.ids.token(16)}"


def _drain(rows: Rows, event: Event) -> Finish | None:
    """Step until nothing is left that could be settled within this transaction."""
    ctx = rows.ctx
    events = deque[Event]()
    if rows.unborn:
        # Started from within another operation: whatever comes first, it begins at its beginning.
        events.append(Started(at_ms=ctx.now_ms, seed="", input=rows.execution.input))
    if rows.doomed:
        event = stopped(ctx, None, None)
    if not (rows.unborn and isinstance(event, Continue)):
        events.append(event)
    return _run(rows, events)


def _run(rows: Rows, events: deque[Event]) -> Finish | None:
    calls_left = CALLS_MAX
    while events:
        # The seed is drawn where the step is made: never twice the same, and it marks the step's task tokens.
        event = msgspec.structs.replace(events.popleft(), seed=_seed(rows))
        outcome = step(rows.program, rows, event)
        rows.apply(outcome)
        for command in outcome.commands:
            if isinstance(command, ScheduleTask):
                events.extend(schedule(rows, command, may_call=calls_left > 0))
                calls_left -= 1
            elif isinstance(command, StartTimer):
                rows.arm(command)
            elif isinstance(command, ContinueLater):
                rows.continues = True
            elif isinstance(command, Finish):
                return command
    return None


def schedule(rows: Rows, command: ScheduleTask, *, may_call: bool) -> list[Event]:
    """Hand a task over. Answers the events that are known already: the call was made in this transaction."""
    resource = command.resource
    promise = rows.promise(command.branch, command.attempt)
    promise.token = command.token or ""
    if resource.kind == "activity":
        activity = rows.activity(resource.arn)
        if activity is None:
            return [
                _settled(rows, command, TaskFailed("States.Runtime", f"The activity {resource.arn} does not exist."))
            ]
        promise.activity = (activity, command.parameters_json)
        return []
    integration = integrations.find(resource)
    if integration is None:
        cause = f"Waypost cannot run the resource {resource.arn} yet"
        return [_settled(rows, command, TaskFailed("States.Runtime", cause))]
    task = Task(resource, command.parameters)
    try:
        _check_role(rows, command)
        plan = integration.plan(task)
        if isinstance(plan, Call) and may_call:
            return [called(rows.tx, rows.ctx, integration, task, plan, command)]
    except TaskFailed as failed:
        return [_settled(rows, command, failed)]
    promise.task = task_payload(rows.ref.id, command)
    if isinstance(plan, Call):
        return []
    # The job is as good as started: told now, it costs no transaction of its own.
    return [worker_started(rows.ctx, command.branch, command.attempt, "")]


def _check_role(rows: Rows, command: ScheduleTask) -> None:
    if command.role_arn is None:
        return
    try:
        role(command.role_arn)
    except AwsError:
        own = rows.ref.role_arn
        cause = f"The role {own} is not authorized to assume the task state's role, {command.role_arn}."
        raise TaskFailed("States.TaskFailed", cause) from None


def called(
    tx: Tx, ctx: Context, integration: Integration, task: Task, plan: Call, command: ScheduleTask
) -> TaskSubmitted | TaskSettled:
    """Make a call in this transaction. Raises TaskFailed where the service refused it."""
    reply = Reply(ctx.ids.uuid(), ctx.now_ms)
    try:
        response = ctx.calls.call(tx, acting(ctx, command.role_arn), plan.service, plan.operation, plan.request)
    except AwsError as error:
        raise integration.failure(error, reply) from error
    output = _encode(integration.output(task, response, reply)).decode()
    return answered(ctx, command, output)


def acting(ctx: Context, role_arn: str | None) -> Context:
    """The context of a call under a Task's ``Credentials``: it is made in the account of that role."""
    role = None if role_arn is None else arns.parse(role_arn)
    if role is None or not role.account or role.account == ctx.account:
        return ctx
    caller = ctx.caller._replace(account=role.account, arn=str(role))
    return msgspec.structs.replace(ctx, account=role.account, caller=caller)


def answered(ctx: Context, command: ScheduleTask, output: str) -> TaskSubmitted | TaskSettled:
    """The called service's answer: the task's result, or, for one that waits for its token, only the first half."""
    kind = TaskSettled if command.resource.pattern == "request_response" else TaskSubmitted
    return kind(at_ms=ctx.now_ms, seed="", branch=command.branch, attempt=command.attempt, output=output)


def failed_task(ctx: Context, branch: str, attempt: int, failed: TaskFailed) -> TaskSettled:
    """A task's failure as an event."""
    return TaskSettled(
        at_ms=ctx.now_ms, seed="", branch=branch, attempt=attempt, error=failed.error, cause=failed.cause,
        schedule_failed=failed.schedule_failed,
    )  # fmt: skip


def _settled(rows: Rows, command: ScheduleTask, failed: TaskFailed) -> TaskSettled:
    return failed_task(rows.ctx, command.branch, command.attempt, failed)


def task_payload(execution: int, command: ScheduleTask) -> dict[str, Any]:
    """A scheduled task as a job's payload."""
    fields = msgspec.to_builtins(command)
    # The text repeats the parameters; large documents are stored once.
    fields["parameters_json"] = ""
    return {"execution": execution, "task": fields}


def task_of(payload: dict[str, Any]) -> ScheduleTask:
    """The scheduled task in a job's payload."""
    return msgspec.convert(payload["task"], ScheduleTask)


def worker_started(ctx: Context, branch: str, attempt: int, worker_name: str) -> TaskStarted:
    """An activity's worker took its task."""
    return TaskStarted(at_ms=ctx.now_ms, seed="", branch=branch, attempt=attempt, worker_name=worker_name)


def resumed(ctx: Context) -> Continue:
    """Go on after the bound of one transaction."""
    return Continue(at_ms=ctx.now_ms, seed="")


def stopped(ctx: Context, error: str | None, cause: str | None) -> Stop:
    """StopExecution."""
    return Stop(at_ms=ctx.now_ms, seed="", error=error, cause=cause)


# --- writing


def _insert(tx: Tx, ctx: Context, start: Start, finish: Finish | None) -> None:
    ended = finish is not None
    tx.send(
        Q.insert_execution, id=start.ref.id, machine=start.ref.machine, name=start.name,
        revision=start.ref.revision, status=finish.status if finish else "RUNNING", started_at=ctx.now_ms,
        stopped_at=ctx.now_ms if ended else None, listed_at=ctx.now_ms, trace=start.trace,
        error=reasons.stored(finish.error) if finish else None,
        cause=reasons.stored(finish.cause) if finish else None,
        output=finish.output if finish else None, input=start.input,
    )  # fmt: skip


def _save(rows: Rows, finish: Finish | None, *, stored_execution: bool) -> None:
    tx, ctx = rows.tx, rows.ctx
    if finish is None:
        if rows.continues:
            _promise_continue(tx, ctx, rows.ref.id)
        rows.save()
        return
    rows.end()
    if stored_execution:
        tx.send(
            Q.end_execution, machine=rows.ref.machine, id=rows.ref.id, status=finish.status,
            now=rows.history[-1]["timestamp"],
            error=reasons.stored(finish.error), cause=reasons.stored(finish.cause), output=finish.output,
        )  # fmt: skip
    if rows.doomed:
        remove_if_idle(tx, ctx, rows.ref.machine)


def _promise_continue(tx: Tx, ctx: Context, execution: int) -> None:
    jobs.enqueue(
        tx, ctx, kind="states.continue", key=execution_key(execution), run_at_ms=ctx.now_ms,
        payload={"execution": execution},
    )  # fmt: skip


def sweep_key(machine: int) -> str:
    """Jobs that clear away executions of a machine."""
    return f"states:machine:{machine}"


def remove_if_idle(tx: Tx, ctx: Context, machine: int) -> bool:
    """Remove a machine that is being deleted, unless an execution runs; whether it is gone.

    Who ends an execution locks the machine before the look, so that of the last two one sees that the other has ended.
    """
    if tx.one(Q.take_machine, id=machine) is None:
        return True
    if tx.one(Q.any_running, machine=machine) is not None:
        return False
    remove_machine(tx, ctx, machine)
    return True


def remove_machine(tx: Tx, ctx: Context, machine: int) -> None:
    """No execution runs, and none can begin: the machine goes now, the records of its executions soon after."""
    tx.send(Q.delete_machine, id=machine)
    tx.send(Q.delete_tags, resource=machine)
    jobs.drop(tx, sweep_key(machine))
    jobs.enqueue(
        tx, ctx, kind="states.sweep", key=sweep_key(machine), run_at_ms=ctx.now_ms, payload={"machine": machine}
    )
