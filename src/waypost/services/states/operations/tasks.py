"""Task tokens: success, failure, heartbeat."""

from waypost.asl.branch import Head
from waypost.asl.events import Heartbeat, TaskSettled
from waypost.service import Context, Params
from waypost.services.states import driver, errors
from waypost.services.states.limits import INPUT_MAX_BYTES
from waypost.services.states.queries import Q
from waypost.services.states.rows import Rows, execution_key
from waypost.services.states.rules import json_text, tokens
from waypost.store.store import Tx
from waypost.work import jobs


def send_task_success(tx: Tx, ctx: Context, request: Params) -> Params:
    """A task has ended well; the workflow goes on in the same transaction that uses the token up."""
    output = request["output"]
    why = json_text.problem(output)
    if why is not None:
        raise errors.invalid_output(why)
    if len(output) * 4 > INPUT_MAX_BYTES and len(output.encode("utf-8", "surrogatepass")) > INPUT_MAX_BYTES:
        raise errors.invalid_output(f"The output is longer than {INPUT_MAX_BYTES} bytes")
    return _settle(tx, ctx, request["taskToken"], output=output)


def send_task_failure(tx: Tx, ctx: Context, request: Params) -> Params:
    """A task has failed."""
    return _settle(tx, ctx, request["taskToken"], error=request.get("error") or "", cause=request.get("cause"))


def send_task_heartbeat(tx: Tx, ctx: Context, request: Params) -> Params:
    """A task's worker is alive: its heartbeat timeout starts anew."""
    rows, head = _held(tx, ctx, request["taskToken"])
    driver.deliver(rows, Heartbeat(at_ms=ctx.now_ms, seed="", branch=head.id, attempt=head.attempt))
    return {}


def _settle(
    tx: Tx, ctx: Context, token: str, output: str | None = None, error: str | None = None, cause: str | None = None
) -> Params:
    rows, head = _held(tx, ctx, token)
    if ctx.wire == "internal":
        # A workflow's own task may settle another task of the same execution, whose rows are in its hands now.
        rows.spend(head)
        payload = {"execution": rows.ref.id, "branch": head.id, "attempt": head.attempt}
        payload.update({"output": output, "error": error, "cause": cause})
        key = execution_key(rows.ref.id)
        jobs.enqueue(tx, ctx, kind="states.settle", key=key, run_at_ms=ctx.now_ms, payload=payload)
        return {}
    settled = TaskSettled(
        at_ms=ctx.now_ms, seed="", branch=head.id, attempt=head.attempt, output=output, error=error, cause=cause
    )
    driver.deliver(rows, settled)
    return {}


def _held(tx: Tx, ctx: Context, token: str) -> tuple[Rows, Head]:
    """The execution that a token belongs to, locked, and the branch whose attempt it stands for.

    Raises InvalidToken, TaskTimedOut, TaskDoesNotExist.
    """
    execution = tokens.execution_of(token)
    if execution is None:
        raise errors.invalid_token()
    rows = driver.load(tx, ctx, execution)
    head = None if rows is None else rows.holder(token)
    if rows is None or head is None:
        if tx.one(Q.execution_exists, execution=execution) is None:
            raise errors.task_does_not_exist()
        raise errors.task_timed_out()
    if (rows.ref.account, rows.ref.region) != (ctx.account, ctx.region):
        raise errors.invalid_token()
    return rows, head
