"""Executions: start, describe, list, stop."""

import heapq
from typing import Any

from waypost.service import Context, Params
from waypost.services.states import driver, errors
from waypost.services.states.driver import Start
from waypost.services.states.limits import INPUT_MAX_BYTES
from waypost.services.states.operations import find
from waypost.services.states.operations.find import Machine
from waypost.services.states.queries import Q
from waypost.services.states.rows import Ref
from waypost.services.states.rules import arns, json_text, names, pages, reasons
from waypost.services.states.rules.arns import MachineArn
from waypost.store.store import Tx

STATUSES = ("RUNNING", "SUCCEEDED", "FAILED", "TIMED_OUT", "ABORTED")
_FIRST_PAGE = (1 << 62, 1 << 62)


def start_execution(tx: Tx, ctx: Context, request: Params) -> Params:
    """Start an execution and run it as far as one transaction may; the same start again answers the same."""
    named = arns.machine(request["stateMachineArn"])
    if named.label:
        raise errors.labelled_arn()
    name = request.get("name")
    if name is not None and not names.is_valid(name):
        raise errors.invalid_name(name)
    text = request.get("input")
    text = "{}" if text is None else text
    _check_input(text)
    machine = _startable(tx, ctx, request["stateMachineArn"], named)
    if name is None:
        name = ctx.ids.uuid()
    else:
        known = tx.one(Q.named_execution, machine=machine.id, name=name)
        if known is not None:
            _, status, started_ms, before = known
            arn = arns.execution_arn(ctx.region, ctx.account, machine.name, name)
            if status != "RUNNING" or before != text:
                raise errors.execution_already_exists(arn)
            return {"executionArn": arn, "startDate": started_ms / 1000}
    ref = Ref(
        ctx.ids.row(ctx.now_ms), machine.id, machine.name, machine.revision, machine.role_arn, ctx.account, ctx.region
    )
    trace = ctx.trace or request.get("traceHeader") or ""
    driver.begin(tx, ctx, Start(ref, machine.digest, name, text, trace))
    arn = arns.execution_arn(ctx.region, ctx.account, machine.name, name)
    return {"executionArn": arn, "startDate": ctx.now_ms / 1000}


def _startable(tx: Tx, ctx: Context, arn: str, named: MachineArn) -> Machine:
    """The machine to start, which stays until the transaction ends."""
    if find.is_here(ctx, named) and not named.qualifier:
        found = find.machine_by_name(tx, ctx, named.name, Q.start_machine)
        if found is not None:
            return found
    if find.machine(tx, ctx, arn).status == "DELETING":
        raise errors.machine_deleting(arn)
    raise errors.machine_does_not_exist(arn)  # it came into being between the two looks


def _check_input(text: str) -> None:
    if not text.strip():
        raise errors.invalid_input("Invalid execution input.")
    why = json_text.problem(text)
    if why is not None:
        raise errors.invalid_input(why)
    if len(text) * 4 > INPUT_MAX_BYTES and len(text.encode("utf-8", "surrogatepass")) > INPUT_MAX_BYTES:
        raise errors.validation(
            "1 validation error detected: Value at 'input' failed to satisfy constraint:"
            f" Member must have length less than or equal to {INPUT_MAX_BYTES}"
        )


def describe_execution(tx: Tx, ctx: Context, request: Params) -> Params:
    """An execution, with its input and, once it succeeded, its output."""
    arn = request["executionArn"]
    machine, name = find.execution(tx, ctx, arn)
    row = tx.one(Q.find_execution, machine=machine, name=name)
    if row is None:
        raise errors.execution_does_not_exist(arn)
    _, status, started_ms, stopped_ms, _, trace, error, cause, output, text = row
    answer: Params = {
        "executionArn": arn,
        "stateMachineArn": arns.machine_arn(ctx.region, ctx.account, arns.execution(arn).machine),
        "name": name,
        "status": status,
        "startDate": started_ms / 1000,
        "redriveCount": 0,
        "redriveStatus": "NOT_REDRIVABLE" if status in {"RUNNING", "SUCCEEDED"} else "REDRIVABLE",
    }
    if answer["redriveStatus"] == "NOT_REDRIVABLE":
        answer["redriveStatusReason"] = f"Execution is {status} and cannot be redriven"
    if stopped_ms is not None:
        answer["stopDate"] = stopped_ms / 1000
    if trace:
        answer["traceHeader"] = trace
    if request.get("includedData") == "METADATA_ONLY":
        return answer
    answer.update(input=text, inputDetails={"included": True})
    if output is not None:
        answer.update(output=output, outputDetails={"included": True})
    if error is not None:
        answer["error"] = reasons.shown(error)
    if cause is not None:
        answer["cause"] = reasons.shown(cause)
    return answer


def list_executions(tx: Tx, ctx: Context, request: Params) -> Params:
    """A machine's executions: those that run by their start, the others by their stop, newest first."""
    if request.get("stateMachineArn") is None:
        raise errors.validation("Must specify exactly one of stateMachineArn or mapRunArn")
    wanted = request.get("statusFilter")
    if wanted == "PENDING_REDRIVE":
        raise errors.validation("The PENDING_REDRIVE status filter is only supported with mapRunArn")
    machine = find.machine(tx, ctx, request["stateMachineArn"])
    size = pages.size(request.get("maxResults"))
    about = f"executions:{machine.id}:{wanted or ''}"
    before, before_id = pages.read(request.get("nextToken"), about, ctx.now_ms, int, int) or _FIRST_PAGE
    rows = [
        tx.all(Q.list_executions, machine=machine.id, status=status, before=before, before_id=before_id, max=size + 1)
        for status in ([wanted] if wanted else STATUSES)
    ]
    newest = list(heapq.merge(*rows, key=lambda row: (-row[0], -row[1])))
    answer: Params = {"executions": [_listed(ctx, machine.name, *row[2:]) for row in newest[:size]]}
    if len(newest) > size:
        last = newest[size - 1]
        answer["nextToken"] = pages.write(about, ctx.now_ms, last[0], last[1])
    return answer


def _listed(ctx: Context, machine: str, name: str, status: str, started_ms: int, stopped_ms: int | None) -> Params:
    item: dict[str, Any] = {
        "executionArn": arns.execution_arn(ctx.region, ctx.account, machine, name),
        "stateMachineArn": arns.machine_arn(ctx.region, ctx.account, machine),
        "name": name,
        "status": status,
        "startDate": started_ms / 1000,
        "redriveCount": 0,
    }
    if stopped_ms is not None:
        item["stopDate"] = stopped_ms / 1000
    return item


def stop_execution(tx: Tx, ctx: Context, request: Params) -> Params:
    """Abort an execution; one that has ended answers when it did."""
    found = find.execution_brief(tx, ctx, request["executionArn"])
    stop = driver.stopped(ctx, request.get("error"), request.get("cause"))
    if found.status == "RUNNING" and driver.advance(tx, ctx, found.id, stop):
        return {"stopDate": ctx.now_ms / 1000}
    row = tx.one(Q.stopped_at, machine=found.machine, id=found.id)
    return {"stopDate": (row[0] if row is not None and row[0] is not None else ctx.now_ms) / 1000}
