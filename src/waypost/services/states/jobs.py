"""Background work of Step Functions."""

from functools import partial
from typing import Any

from waypost.asl.commands import ScheduleTask
from waypost.asl.events import Event, TaskSettled, TimerFired
from waypost.aws.errors import AwsError
from waypost.runtimes.invocation import FunctionOutcome, FunctionThrottled, RuntimeMissing
from waypost.service import Again, Context, Job, JobResult, Perform
from waypost.services.states import driver, integrations
from waypost.services.states.integrations.task import Integration, Invoke, Reply, Task, TaskFailed
from waypost.services.states.limits import REMOVE_EVERY_MS, RETENTION_MS, SWEEP_BATCH, SWEEP_EVERY_MS
from waypost.services.states.queries import Q
from waypost.store.store import Tx

_ENDED = ("SUCCEEDED", "FAILED", "TIMED_OUT", "ABORTED")


def timer(tx: Tx, ctx: Context, job: Job) -> JobResult:
    """states.timer: a wait, a retry's delay, a timeout or a heartbeat came due. Late ones find a newer attempt."""
    payload = job.payload
    event = TimerFired(
        at_ms=ctx.now_ms, seed="", branch=payload["branch"], attempt=payload["attempt"],
        kind=payload["timer"],
    )  # fmt: skip
    fired = "" if payload["timer"] == "execution" else payload["branch"]
    driver.advance(tx, ctx, payload["execution"], event, fired=fired)
    return None


def go_on(tx: Tx, ctx: Context, job: Job) -> JobResult:
    """states.continue: an execution stopped at the bound of one transaction, or was not begun yet."""
    driver.advance(tx, ctx, job.payload["execution"], driver.resumed(ctx))
    return None


def settle(tx: Tx, ctx: Context, job: Job) -> JobResult:
    """states.settle: a workflow's task reported the end of another."""
    payload = job.payload
    event = TaskSettled(
        at_ms=ctx.now_ms, seed="", branch=payload["branch"], attempt=payload["attempt"],
        output=payload["output"], error=payload["error"], cause=payload["cause"],
    )  # fmt: skip
    driver.advance(tx, ctx, payload["execution"], event)
    return None


def task(tx: Tx, ctx: Context, job: Job) -> JobResult:
    """states.task: a task that is outside work, or one more call than a transaction may make."""
    execution = job.payload["execution"]
    command = driver.task_of(job.payload)
    rows = driver.load(tx, ctx, execution)
    if rows is None or rows.unborn or not driver.is_current(rows, command.branch, command.attempt):
        return None
    integration = integrations.find(command.resource)
    if integration is None:
        raise LookupError(f"no integration for {command.resource.arn}")
    wanted = Task(command.resource, command.parameters)
    try:
        plan = integration.plan(wanted)
        if isinstance(plan, Invoke):
            return _invoke(tx, ctx, execution, integration, wanted, plan, command)
        event: Event = driver.called(tx, ctx, integration, wanted, plan, command)
    except TaskFailed as failed:
        event = driver.failed_task(ctx, command.branch, command.attempt, failed)
    driver.deliver(rows, event, fired=command.branch)
    return None


def _invoke(
    tx: Tx, ctx: Context, execution: int, integration: Integration, wanted: Task, plan: Invoke, command: ScheduleTask
) -> Perform:
    reply = Reply(ctx.ids.uuid(), ctx.now_ms)
    try:
        inner = driver.acting(ctx, command.role_arn)
        prepared = ctx.calls.call(tx, inner, "lambda", "waypost:PrepareInvoke", plan.request)
    except AwsError as error:
        raise integration.failure(error, reply) from error
    call = prepared["Call"]
    then = partial(_invoked, execution, integration, wanted, command, prepared["ExecutedVersion"], call.request_id)
    return Perform(call, then)


def _invoked(
    execution: int,
    integration: Integration,
    wanted: Task,
    command: ScheduleTask,
    version: str,
    request_id: str,
    tx: Tx,
    ctx: Context,
    outcome: Any,
) -> JobResult:
    """The function ran, or could not."""
    reply = Reply(request_id, ctx.now_ms)
    event: Event
    try:
        event = driver.answered(ctx, command, _returned(integration, wanted, outcome, version, reply))
    except TaskFailed as failed:
        event = driver.failed_task(ctx, command.branch, command.attempt, failed)
    driver.advance(tx, ctx, execution, event, fired=command.branch)
    return None


def _returned(integration: Integration, wanted: Task, outcome: Any, version: str, reply: Reply) -> str:
    if isinstance(outcome, FunctionOutcome) and integration.returned is not None:
        return integration.returned(wanted, outcome, version, reply)
    if isinstance(outcome, FunctionThrottled):
        raise integration.failure(AwsError("TooManyRequestsException", "Rate Exceeded.", 429), reply)
    if isinstance(outcome, RuntimeMissing):
        raise integration.failure(AwsError("InvalidRuntimeException", str(outcome), 502, sender=False), reply)
    raise integration.failure(AwsError("ServiceException", str(outcome), 500, sender=False), reply)


def sweep(tx: Tx, ctx: Context, job: Job) -> JobResult:
    """states.sweep: executions past their retention go; all of them when their machine is gone. Once a day.

    A machine that is being deleted goes with its last execution; where that was missed, it goes here.
    """
    machine = job.payload["machine"]
    row = tx.one(Q.machine_status, id=machine)
    if row is not None and row[0] == "DELETING" and not driver.remove_if_idle(tx, ctx, machine):
        pause_ms = job.payload.get("pause", REMOVE_EVERY_MS)
        return Again(ctx.now_ms + pause_ms, {**job.payload, "pause": min(pause_ms * 2, SWEEP_EVERY_MS)})
    gone = row is None or row[0] == "DELETING"
    before = ctx.now_ms + 1 if gone else ctx.now_ms - RETENTION_MS
    left = SWEEP_BATCH
    for status in _ENDED:
        for (execution,) in tx.all(Q.ended_executions, machine=machine, status=status, before=before, max=left):
            tx.send(Q.delete_history, execution=execution)
            tx.send(Q.delete_execution, machine=machine, id=execution)
            left -= 1
        if left == 0:
            return Again(ctx.now_ms)
    if gone:
        tx.send(Q.delete_revisions, machine=machine)
        return None
    return Again(ctx.now_ms + SWEEP_EVERY_MS)
