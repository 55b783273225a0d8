"""Invoke, and what comes after an asynchronous one."""

import base64
import logging
from functools import partial
from typing import Any, NamedTuple

import msgspec

from waypost.aws.errors import AwsError
from waypost.runtimes.invocation import (
    FunctionCall,
    FunctionOutcome,
    FunctionSpec,
    FunctionThrottled,
    RuntimeMissing,
)  # fmt: skip
from waypost.service import Again, Context, Job, JobResult, Params, Perform
from waypost.services.lambdas import errors
from waypost.services.lambdas.function import find_alias
from waypost.services.lambdas.limits import (
    ASYNC_AGE_MS_MAX,
    ASYNC_RETRY_DELAYS_MS,
    ASYNC_THROTTLE_DELAYS_MS,
    CLIENT_CONTEXT_BYTES_MAX,
    CONCURRENT_EXECUTIONS_MAX,
    CREDENTIALS_S,
    LOG_TAIL_BYTES_MAX,
)  # fmt: skip
from waypost.services.lambdas.queries import Q
from waypost.services.lambdas.rules import names, payload
from waypost.store.store import Tx
from waypost.work import jobs

log = logging.getLogger(__name__)

ASYNC = "lambda.async"

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(dict[str, str]).decode


class _Runnable(NamedTuple):
    """The columns of ``get_runnable``."""

    id: int
    name: str
    revision: str
    runtime: str
    handler: str
    code_sha256: str
    timeout_s: int
    memory_mb: int
    ephemeral_mb: int
    environment: str
    role: str
    log_group: str
    credentials: str
    credentials_until: int
    layers: str
    reserved: int | None
    reserved_sum: int | None
    """What all functions of the account have reserved together."""


class _Event(NamedTuple):
    """What an invocation brings along."""

    payload: bytes
    request_id: str
    client_context: str = ""
    trace: str = ""


def invoke(tx: Tx, ctx: Context, request: Params) -> Params | Perform:
    """Run a function now, promise to run it, or only say that it could be run."""
    named = names.resolve(ctx.account, ctx.region, request["FunctionName"], request.get("Qualifier"))
    invocation_type = request.get("InvocationType") or "RequestResponse"
    content = request.get("Payload") or b"{}"
    client_context = _client_context(request)
    if invocation_type == "DryRun":
        _find(tx, named, _version(tx, ctx, named))
        return {"StatusCode": 204}
    payload.check(content, invocation_type)
    if invocation_type == "Event":
        _find(tx, named, _version(tx, ctx, named))
        _accept(tx, ctx, named, content, client_context)
        return {"StatusCode": 202}
    call = _prepare(tx, ctx, named, _Event(content, ctx.request_id, client_context, ctx.trace))
    return Perform(call, partial(_answer, call.spec.version, request.get("LogType") == "Tail"))


def _client_context(request: Params) -> str:
    client_context: str = request.get("ClientContext") or ""
    if len(client_context) > CLIENT_CONTEXT_BYTES_MAX:
        raise errors.invalid(f"The client context must not exceed {CLIENT_CONTEXT_BYTES_MAX} bytes.")
    return client_context


def _answer(version: str, tail: bool, tx: Tx, ctx: Context, outcome: Any) -> Params:  # noqa: ARG001 (a settle)
    if isinstance(outcome, FunctionThrottled):
        raise errors.throttled(outcome.reason)
    if isinstance(outcome, RuntimeMissing):
        raise errors.runtime_missing(str(outcome))
    if not isinstance(outcome, FunctionOutcome):
        raise TypeError(f"a function's outcome is {outcome!r}")
    answer: Params = {"StatusCode": 200, "ExecutedVersion": version, "Payload": outcome.payload}
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
    event = _Event(
        content,
        request.get("RequestId") or ctx.ids.uuid(),
        _client_context(request),
        request.get("Trace") or ctx.trace,
    )
    call = _prepare(tx, ctx, named, event)
    return {"Call": call, "ExecutedVersion": call.spec.version}


def call_with_batch(tx: Tx, ctx: Context, named: names.Named, content: bytes) -> FunctionCall:
    """The call for a batch of an event source mapping; raises as Invoke does."""
    return _prepare(tx, ctx, named, _Event(content, ctx.ids.uuid()))


def _version(tx: Tx, ctx: Context, named: names.Named) -> str:
    """The version that is to run: of an alias with weights, one that is drawn for this request."""
    if not names.is_alias(named.qualifier):
        return named.qualifier or names.LATEST
    alias = find_alias(tx, named)
    if alias is None:
        raise errors.function_not_found(named.arn)
    return alias.choose(ctx.ids.fraction()) if alias.other else alias.version


def _find(tx: Tx, named: names.Named, version: str, *, lock: bool = False) -> _Runnable:
    whose: dict[str, Any] = {"account": named.account, "region": named.region, "name": named.name}
    if version == names.LATEST:
        query = Q.lock_runnable if lock else Q.get_runnable
    else:
        query = Q.lock_runnable_version if lock else Q.get_runnable_version
        whose["version"] = names.number(version)
    row = tx.one(query, **whose)
    if row is None:
        raise errors.function_not_found(named.arn)
    return _Runnable(*row)


def _prepare(tx: Tx, ctx: Context, named: names.Named, event: _Event) -> FunctionCall:
    version = _version(tx, ctx, named)
    function = _find(tx, named, version)
    if _are_old(ctx, function):
        function = _find(tx, named, version, lock=True)
    credentials, until_ms = function.credentials, function.credentials_until
    if _are_old(ctx, function):
        credentials, until_ms = _renew(tx, ctx, function, version)
    text = names.function_arn(named.account, named.region, function.name)
    spec = FunctionSpec(
        arn=text,
        name=function.name,
        version=version,
        # A running environment cannot refresh its credentials: it retires when they are renewed.
        revision=f"{function.revision}/{until_ms}",
        runtime=function.runtime,
        handler=function.handler,
        code_sha256=function.code_sha256,
        timeout_ms=function.timeout_s * 1_000,
        memory_mb=function.memory_mb,
        environment=_decode(function.environment),
        account=named.account,
        region=named.region,
        role_arn=function.role,
        log_group=function.log_group,
        ephemeral_mb=function.ephemeral_mb,
    )
    return FunctionCall(
        spec=spec,
        payload=event.payload,
        request_id=event.request_id,
        invoked_arn=names.qualified(text, named.qualifier),
        credentials=_decode(credentials),
        endpoint_url=ctx.base_url,
        client_context=event.client_context,
        trace=event.trace or _trace(ctx),
        reserved=function.reserved,
        unreserved=CONCURRENT_EXECUTIONS_MAX - int(function.reserved_sum or 0),
    )


def _are_old(ctx: Context, function: _Runnable) -> bool:
    return ctx.now_ms > function.credentials_until - CREDENTIALS_S * 500


def _renew(tx: Tx, ctx: Context, function: _Runnable, version: str) -> tuple[str, int]:
    try:
        answer = ctx.calls.call(
            tx, ctx, "sts", "waypost:IssueCredentials",
            {"RoleArn": function.role, "SessionName": function.name, "DurationSeconds": CREDENTIALS_S},
        )  # fmt: skip
    except AwsError:
        raise errors.access_denied(errors.ROLE_NOT_ASSUMABLE) from None
    issued = answer["Credentials"]
    credentials = _encode(
        {
            "AWS_ACCESS_KEY_ID": issued["AccessKeyId"],
            "AWS_SECRET_ACCESS_KEY": issued["SecretAccessKey"],
            "AWS_SESSION_TOKEN": issued["SessionToken"],
        }
    ).decode()
    until_ms = ctx.now_ms + CREDENTIALS_S * 1_000
    query = Q.renew_credentials if version == names.LATEST else Q.renew_version_credentials
    tx.send(query, id=function.id, credentials=credentials, until=until_ms)
    return credentials, until_ms


def _trace(ctx: Context) -> str:
    """The root of a trace that nobody samples."""
    return f"Root=1-{ctx.now_ms // 1_000:08x}-{ctx.ids.token(12)};Parent={ctx.ids.token(8)};Sampled=0"


# --- asynchronous invocations


def _accept(tx: Tx, ctx: Context, named: names.Named, content: bytes, client_context: str) -> None:
    jobs.enqueue(
        tx, ctx, kind=ASYNC, key=named.arn, run_at_ms=ctx.now_ms,
        payload={
            "FunctionName": named.name, "Qualifier": named.qualifier, "Payload": content.decode(),
            "ClientContext": client_context, "RequestId": ctx.request_id, "Trace": ctx.trace or _trace(ctx),
            "AcceptedMs": ctx.now_ms, "Failures": 0, "Throttles": 0,
        },
    )  # fmt: skip


def run_async(tx: Tx, ctx: Context, job: Job) -> JobResult:
    """Run an accepted event. Its request id stays the same through all attempts."""
    event = job.payload
    named = names.Named(ctx.account, ctx.region, event["FunctionName"], event["Qualifier"])
    try:
        brought = _Event(event["Payload"].encode(), event["RequestId"], event["ClientContext"], event["Trace"])
        call = _prepare(tx, ctx, named, brought)
    except AwsError as error:
        log.warning("event %s for %s is dropped: %s", event["RequestId"], named.arn, error)
        return None
    return Perform(call, partial(_settle_async, event))


def _settle_async(event: Params, tx: Tx, ctx: Context, outcome: Any) -> Again | None:  # noqa: ARG001 (a settle)
    if isinstance(outcome, FunctionOutcome):
        if not outcome.function_error:
            return None
        reason, failures = "the function failed", event["Failures"]
        delay_ms = ASYNC_RETRY_DELAYS_MS[failures] if failures < len(ASYNC_RETRY_DELAYS_MS) else None
        again = {**event, "Failures": failures + 1}
    else:
        first_ms, longest_ms = ASYNC_THROTTLE_DELAYS_MS
        reason, throttles = str(outcome) or "throttled", event["Throttles"]
        delay_ms = min(first_ms << min(throttles, 20), longest_ms)
        again = {**event, "Throttles": throttles + 1}
    if delay_ms is None or ctx.now_ms + delay_ms > event["AcceptedMs"] + ASYNC_AGE_MS_MAX:
        log.warning("event %s for %s is dropped: %s", event["RequestId"], event["FunctionName"], reason)
        return None
    return Again(ctx.now_ms + delay_ms, again)
