"""Invoke, at once or as a promise, and what other services ask of it."""

import base64
from functools import partial
from typing import Any

from waypost.aws.codec.parts import UNMODELED
from waypost.runtimes.invocation import FunctionCall, FunctionOutcome, FunctionThrottled, RuntimeMissing
from waypost.service import Context, Params, Perform
from waypost.services.lambdas import errors
from waypost.services.lambdas.asynchronous import accept
from waypost.services.lambdas.calling import Event, find_runnable, prepare, version_of
from waypost.services.lambdas.limits import CLIENT_CONTEXT_BYTES_MAX, LOG_TAIL_BYTES_MAX
from waypost.services.lambdas.rules import names, payload
from waypost.store.store import Tx


def invoke(tx: Tx, ctx: Context, request: Params) -> Params | Perform:
    """Run a function now, promise to run it, or only say that it could be run."""
    named = names.resolve(ctx.account, ctx.region, request["FunctionName"], request.get("Qualifier"))
    invocation_type = request.get("InvocationType") or "RequestResponse"
    content = request.get("Payload") or b"{}"
    client_context = _client_context(request)
    if invocation_type == "DryRun":
        find_runnable(tx, named, version_of(tx, ctx, named))
        return {"StatusCode": 204}
    payload.check(content, invocation_type)
    if invocation_type == "Event":
        find_runnable(tx, named, version_of(tx, ctx, named))
        accept(tx, ctx, named, content, client_context)
        return {"StatusCode": 202}
    call = prepare(tx, ctx, named, Event(content, ctx.request_id, client_context, ctx.trace))
    return Perform(call, partial(_answer, call, request.get("LogType") == "Tail"))


def _client_context(request: Params) -> str:
    client_context: str = request.get("ClientContext") or ""
    if len(client_context) > CLIENT_CONTEXT_BYTES_MAX:
        raise errors.invalid(f"The client context must not exceed {CLIENT_CONTEXT_BYTES_MAX} bytes.")
    return client_context


def _answer(call: FunctionCall, tail: bool, tx: Tx, ctx: Context, outcome: Any) -> Params:  # noqa: ARG001 (a settle)
    if isinstance(outcome, FunctionThrottled):
        raise errors.throttled(outcome.reason)
    if isinstance(outcome, RuntimeMissing):
        raise errors.runtime_missing(str(outcome))
    if not isinstance(outcome, FunctionOutcome):
        raise TypeError(f"a function's outcome is {outcome!r}")
    answer: Params = {
        "StatusCode": 200, "ExecutedVersion": call.spec.version, "Payload": outcome.payload,
        UNMODELED: {"x-amzn-trace-id": call.trace},
    }  # fmt: skip
    if outcome.function_error:
        answer["FunctionError"] = outcome.function_error
    if tail:
        answer["LogResult"] = base64.b64encode(outcome.log[-LOG_TAIL_BYTES_MAX:]).decode()
    return answer


def prepare_invoke(tx: Tx, ctx: Context, request: Params) -> Params:
    """Between services: ``{"FunctionName", "Qualifier"?, "Payload", "ClientContext"?, "Trace"?, "RequestId"?}``.

    Answers ``{"Call": FunctionCall, "ExecutedVersion": str}`` for a ``Perform`` of the caller. Raises as Invoke does.
    """
    named = names.resolve(ctx.account, ctx.region, request["FunctionName"], request.get("Qualifier"))
    content = request["Payload"]
    payload.check(content, "RequestResponse")
    event = Event(
        content,
        request.get("RequestId") or ctx.ids.uuid(),
        _client_context(request),
        request.get("Trace") or ctx.trace,
    )
    call = prepare(tx, ctx, named, event)
    return {"Call": call, "ExecutedVersion": call.spec.version}
