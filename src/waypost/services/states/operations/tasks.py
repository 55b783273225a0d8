"""Task tokens: success, failure, heartbeat."""

from typing import NamedTuple

from waypost.asl.events import Heartbeat, TaskSettled
from waypost.service import Context, Params
from waypost.services.states import driver, errors
from waypost.services.states.limits import INPUT_MAX_BYTES
from waypost.services.states.queries import Q
from waypost.services.states.rows import execution_key
from waypost.services.states.rules import json_text, tokens
from waypost.store.queries import Query
from waypost.store.store import Tx
from waypost.work import jobs


class Attempt(NamedTuple):
    """What a token stands for."""

    execution: int
    branch: str
    attempt: int


def send_task_success(tx: Tx, ctx: Context, request: Params) -> Params:
    """A task has ended well; the workflow goes on in the same transaction that takes the token."""
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
    task = _attempt(tx, ctx, request["taskToken"], Q.get_token)
    beat = Heartbeat(at_ms=ctx.now_ms, seed="", branch=task.branch, attempt=task.attempt)
    driver.advance(tx, ctx, task.execution, beat)
    return {}


def _settle(
    tx: Tx, ctx: Context, token: str, output: str | None = None, error: str | None = None, cause: str | None = None
) -> Params:
    task = _attempt(tx, ctx, token, Q.take_token)
    if ctx.wire == "internal":
        # A workflow's own task may settle another task of the same execution, whose rows are in its hands now.
        payload = {"execution": task.execution, "branch": task.branch, "attempt": task.attempt, "token": token}
        payload.update({"output": output, "error": error, "cause": cause})
        key = execution_key(task.execution)
        jobs.enqueue(tx, ctx, kind="states.settle", key=key, run_at_ms=ctx.now_ms, payload=payload)
        return {}
    driver.advance(
        tx,
        ctx,
        task.execution,
        TaskSettled(
            at_ms=ctx.now_ms, seed="", branch=task.branch, attempt=task.attempt, output=output,
            error=error, cause=cause,
        ),
        spent=token,
    )  # fmt: skip
    return {}


def _attempt(tx: Tx, ctx: Context, token: str, query: Query) -> Attempt:
    """What a token stands for; raises InvalidToken, TaskTimedOut, TaskDoesNotExist."""
    execution = tokens.execution_of(token)
    if execution is None:
        raise errors.invalid_token()
    row = tx.one(query, execution=execution, token=token)
    if row is None:
        if tx.one(Q.execution_exists, id=execution) is None:
            raise errors.task_does_not_exist()
        raise errors.task_timed_out()
    account, region, branch, attempt = row
    if (account, region) != (ctx.account, ctx.region):
        raise errors.invalid_token()
    return Attempt(execution, branch, attempt)
