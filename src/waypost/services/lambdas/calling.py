"""What an invocation needs: the version that runs, its role's credentials, and the call for a performer."""

from typing import Any, NamedTuple

import msgspec

from waypost.aws.errors import AwsError
from waypost.runtimes.invocation import FunctionCall, FunctionSpec
from waypost.service import Context
from waypost.services.lambdas import errors
from waypost.services.lambdas.function import find_alias
from waypost.services.lambdas.limits import CONCURRENT_EXECUTIONS_MAX, CREDENTIALS_S
from waypost.services.lambdas.queries import Q
from waypost.services.lambdas.rules import names
from waypost.store.store import Tx

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(dict[str, str]).decode
_decode_layers = msgspec.json.Decoder(list[tuple[str, int, str, int]]).decode


class Runnable(NamedTuple):
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


class Event(NamedTuple):
    """What an invocation brings along."""

    payload: bytes
    request_id: str
    client_context: str = ""
    trace: str = ""


def version_of(tx: Tx, ctx: Context, named: names.Named) -> str:
    """The version that is to run: of an alias with weights, one that is drawn for this request."""
    if not names.is_alias(named.qualifier):
        return named.qualifier or names.LATEST
    alias = find_alias(tx, named)
    if alias is None:
        raise errors.function_not_found(named.arn)
    return alias.choose(ctx.ids.fraction()) if alias.other else alias.version


def find_runnable(tx: Tx, named: names.Named, version: str, *, lock: bool = False) -> Runnable:
    """The version as it is to run; raises ResourceNotFoundException. ``lock``: to renew its credentials."""
    whose: dict[str, Any] = {"account": named.account, "region": named.region, "name": named.name}
    if version == names.LATEST:
        query = Q.lock_runnable if lock else Q.get_runnable
    else:
        query = Q.lock_runnable_version if lock else Q.get_runnable_version
        whose["version"] = names.number(version)
    row = tx.one(query, **whose)
    if row is None:
        raise errors.function_not_found(named.arn)
    return Runnable(*row)


def prepare(tx: Tx, ctx: Context, named: names.Named, event: Event) -> FunctionCall:
    """The call that runs an event. Raises ResourceNotFoundException, and AccessDeniedException for the role."""
    version = version_of(tx, ctx, named)
    function = find_runnable(tx, named, version)
    if _are_old(ctx, function):
        function = find_runnable(tx, named, version, lock=True)
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
        layers=tuple(layer[2] for layer in _decode_layers(function.layers)) if function.layers != "[]" else (),
    )
    return FunctionCall(
        spec=spec,
        payload=event.payload,
        request_id=event.request_id,
        invoked_arn=names.qualified(text, named.qualifier),
        credentials=_decode(credentials),
        endpoint_url=ctx.base_url,
        client_context=event.client_context,
        trace=event.trace or new_trace(ctx),
        reserved=function.reserved,
        unreserved=CONCURRENT_EXECUTIONS_MAX - int(function.reserved_sum or 0),
    )


def _are_old(ctx: Context, function: Runnable) -> bool:
    return ctx.now_ms > function.credentials_until - CREDENTIALS_S * 500


def _renew(tx: Tx, ctx: Context, function: Runnable, version: str) -> tuple[str, int]:
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


def new_trace(ctx: Context) -> str:
    """The root of a trace that nobody samples."""
    return f"Root=1-{ctx.now_ms // 1_000:08x}-{ctx.ids.token(12)};Parent={ctx.ids.token(8)};Sampled=0"
