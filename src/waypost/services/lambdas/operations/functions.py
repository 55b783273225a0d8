"""Functions: create, read, update, delete."""

import base64
import hashlib
from datetime import UTC, datetime
from typing import Any, NamedTuple

import msgspec

from waypost import arn
from waypost.service import Context, Params
from waypost.services.lambdas import errors
from waypost.services.lambdas.limits import FUNCTIONS_PAGE_MAX
from waypost.services.lambdas.queries import Q
from waypost.services.lambdas.rules import archive, configuration, names
from waypost.store.queries import Query
from waypost.store.store import Tx
from waypost.work import jobs

FORGET_CODE = "lambda.forget_code"
FORGET_CODE_AFTER_MS = 3_600_000
"""An invocation that began before an update may still start an environment of the old code."""

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(dict[str, str]).decode


class Function(NamedTuple):
    """A row of ``lambda_function``."""

    id: int
    name: str
    revision: str
    runtime: str
    role: str
    handler: str
    description: str
    timeout_s: int
    memory_mb: int
    ephemeral_mb: int
    environment: str
    architecture: str
    log_group: str
    code_sha256: str
    code_size: int
    code_token: str
    modified: int
    tags: str


def create_function(tx: Tx, ctx: Context, request: Params) -> Params:
    """Check everything, keep the zip under its digest and the configuration beside it.

    The answer says ``Pending``, as AWS's does; whoever looks next sees ``Active``.
    """
    named = _named(ctx, request)
    if request.get("PackageType", "Zip") == "Zip" and not (request.get("Runtime") and request.get("Handler")):
        raise errors.invalid(
            "Runtime and Handler are mandatory parameters for functions created with deployment packages."
        )
    _check_configuration(tx, ctx, request)
    tags = request.get("Tags") or {}
    configuration.check_tags(tags)
    content = _zip(request["Code"])
    function = _changed(
        Function(
            ctx.ids.row(ctx.now_ms), named.name, "", "", "", "", "", 3, 128, 512, "{}", "x86_64",
            f"/aws/lambda/{named.name}", "", 0, ctx.ids.token(16), 0, _encode(tags).decode(),
        ),
        ctx, request, content,
    )  # fmt: skip
    _check_host(tx, ctx, function)
    if not tx.run(Q.insert_function, account=ctx.account, region=ctx.region, **function._asdict()):
        raise errors.conflict(f"Function already exist: {named.name}")
    _store_code(tx, function.code_sha256, content)
    for (uuid,) in tx.all(Q.mappings_of_function, account=ctx.account, region=ctx.region, function_name=named.name):
        tx.wake(f"lambda:mapping:{uuid}", 0)  # mappings outlive their function and go on with its namesake
    answer = describe(ctx, function)
    del answer["LastUpdateStatus"]
    return answer | {
        "State": "Pending",
        "StateReason": "The function is being created.",
        "StateReasonCode": "Creating",
    }


def get_function(tx: Tx, ctx: Context, request: Params) -> Params:
    """Configuration, tags, and a link from which the code can be downloaded."""
    named, function = find(tx, ctx, request)
    path = f"{ctx.account}/{ctx.region}/{function.name}/{function.code_sha256}"
    answer: Params = {
        "Configuration": describe(ctx, function, named.qualifier),
        "Code": {
            "RepositoryType": "S3",
            "Location": f"{ctx.base_url}/_waypost/code/{path}?token={function.code_token}",
        },
    }
    tags = _decode(function.tags)
    return answer | {"Tags": tags} if tags else answer


def get_function_configuration(tx: Tx, ctx: Context, request: Params) -> Params:
    """The configuration alone."""
    named, function = find(tx, ctx, request)
    return describe(ctx, function, named.qualifier)


def get_function_code_signing_config(tx: Tx, ctx: Context, request: Params) -> Params:
    """No function has one: code signing is refused where it could be set."""
    _, function = find(tx, ctx, request)
    return {"FunctionName": function.name}


def list_functions(tx: Tx, ctx: Context, request: Params) -> Params:
    """A page of at most 50, in name order."""
    limit = min(request.get("MaxItems", FUNCTIONS_PAGE_MAX), FUNCTIONS_PAGE_MAX)
    after = _marker(request.get("Marker"))
    rows = tx.all(Q.list_functions, account=ctx.account, region=ctx.region, after=after, limit=limit + 1)
    qualifier = names.LATEST if request.get("FunctionVersion") == "ALL" else ""
    page = [Function(*row) for row in rows[:limit]]
    answer: Params = {"Functions": [_listed(ctx, function, qualifier) for function in page]}
    if len(rows) > limit:
        answer["NextMarker"] = base64.urlsafe_b64encode(page[-1].name.encode()).decode()
    return answer


def list_versions_by_function(tx: Tx, ctx: Context, request: Params) -> Params:
    """Every version: as long as none can be published, that is ``$LATEST``."""
    _, function = find(tx, ctx, request)
    return {"Versions": [_listed(ctx, function, names.LATEST)]}


def update_function_code(tx: Tx, ctx: Context, request: Params) -> Params:
    """Replace the code; with ``DryRun``, only say what would be."""
    _, function = find(tx, ctx, request, Q.lock_function)
    _check_revision(function, request)
    content = _zip(request)
    changed = _changed(function, ctx, request, content)
    _check_host(tx, ctx, changed)
    if not request.get("DryRun"):
        _store_code(tx, changed.code_sha256, content)
        _save(tx, changed)
        _forget_code(tx, ctx, function.code_sha256, unless=changed.code_sha256)
    return _updating(describe(ctx, changed))


def update_function_configuration(tx: Tx, ctx: Context, request: Params) -> Params:
    """Change what the request names; environments of the old configuration retire."""
    _, function = find(tx, ctx, request, Q.lock_function)
    _check_revision(function, request)
    _check_configuration(tx, ctx, request)
    changed = _changed(function, ctx, request)
    _check_host(tx, ctx, changed)
    _save(tx, changed)
    return _updating(describe(ctx, changed))


def delete_function(tx: Tx, ctx: Context, request: Params) -> Params:
    """Delete the function and its policy. Its event source mappings stay, as on AWS, and wait for a namesake."""
    if request.get("Qualifier") == names.LATEST:
        raise errors.invalid("$LATEST version cannot be deleted without deleting the function.")
    named, function = find(tx, ctx, request, Q.lock_function)
    if named.qualifier:
        raise errors.invalid("$LATEST version cannot be deleted without deleting the function.")
    tx.send(Q.delete_function, id=function.id)
    tx.send(Q.delete_policy, function_id=function.id)
    _forget_code(tx, ctx, function.code_sha256)
    ctx.calls.call(
        tx, ctx, "runtimes", "waypost:Retire",
        {"FunctionArn": names.function_arn(ctx.account, ctx.region, function.name)},
    )  # fmt: skip
    return {"StatusCode": 204}


def find(tx: Tx, ctx: Context, request: Params, query: Query = Q.get_function) -> tuple[names.Named, Function]:
    """The function that ``FunctionName`` and ``Qualifier`` name; raises ResourceNotFoundException.

    ``query`` may be the one that locks it.
    """
    named = names.resolve_latest(ctx.account, ctx.region, request["FunctionName"], request.get("Qualifier"))
    row = tx.one(query, account=named.account, region=named.region, name=named.name)
    if row is None:
        raise errors.function_not_found(named.arn)
    return named, Function(*row)


def describe(ctx: Context, function: Function, qualifier: str = "") -> Params:
    """A function's configuration as AWS shows it."""
    text = names.function_arn(ctx.account, ctx.region, function.name)
    runtime_version = hashlib.sha256(function.runtime.encode()).hexdigest()
    answer: Params = {
        "FunctionName": function.name,
        "FunctionArn": names.qualified(text, qualifier),
        "Runtime": function.runtime,
        "Role": function.role,
        "Handler": function.handler,
        "CodeSize": function.code_size,
        "Description": function.description,
        "Timeout": function.timeout_s,
        "MemorySize": function.memory_mb,
        "LastModified": _timestamp(function.modified),
        "CodeSha256": base64.b64encode(bytes.fromhex(function.code_sha256)).decode(),
        "Version": names.LATEST,
        "TracingConfig": {"Mode": "PassThrough"},
        "RevisionId": function.revision,
        "State": "Active",
        "LastUpdateStatus": "Successful",
        "PackageType": "Zip",
        "Architectures": [function.architecture],
        "EphemeralStorage": {"Size": function.ephemeral_mb},
        "SnapStart": {"ApplyOn": "None", "OptimizationStatus": "Off"},
        "RuntimeVersionConfig": {"RuntimeVersionArn": f"arn:aws:lambda:{ctx.region}::runtime:{runtime_version}"},
        "LoggingConfig": {"LogFormat": "Text", "LogGroup": function.log_group},
    }
    variables = _decode(function.environment)
    return answer | {"Environment": {"Variables": variables}} if variables else answer


def _listed(ctx: Context, function: Function, qualifier: str) -> Params:
    # Lists leave the state out: AWS has them read it from the function itself.
    answer = describe(ctx, function, qualifier)
    del answer["State"], answer["LastUpdateStatus"]
    return answer


def _updating(answer: Params) -> Params:
    return answer | {
        "LastUpdateStatus": "InProgress",
        "LastUpdateStatusReason": "The function is being created.",
        "LastUpdateStatusReasonCode": "Creating",
    }


def _named(ctx: Context, request: Params) -> names.Named:
    named = names.resolve(ctx.account, ctx.region, request["FunctionName"])
    if named.qualifier not in ("", names.LATEST):
        raise errors.invalid("A function cannot be created with a qualifier other than $LATEST.")
    return named


def _check_configuration(tx: Tx, ctx: Context, request: Params) -> None:
    configuration.check_numbers(request)
    configuration.check_environment((request.get("Environment") or {}).get("Variables") or {})
    if request.get("Runtime"):
        configuration.check_runtime(request["Runtime"])
    if request.get("Role"):
        _check_role(tx, ctx, request["Role"])


def _check_role(tx: Tx, ctx: Context, role: str) -> None:
    parsed = arn.parse(role)
    if parsed is None or parsed.account != ctx.account:
        raise errors.access_denied("Cross-account pass role is not allowed.")
    answer = ctx.calls.call(tx, ctx, "iam", "waypost:CheckRole", {"RoleArn": role, "Principal": "lambda.amazonaws.com"})
    if not (answer["Exists"] and answer["Assumable"]):
        raise errors.invalid(errors.ROLE_NOT_ASSUMABLE)


def _check_host(tx: Tx, ctx: Context, function: Function) -> None:
    asked = {"Runtime": function.runtime, "Architecture": function.architecture}
    reason = ctx.calls.call(tx, ctx, "runtimes", "waypost:Missing", asked).get("Reason")
    if reason:
        raise errors.invalid(f"Value {function.runtime} at 'runtime' cannot be run on this host: {reason}")


def _check_revision(function: Function, request: Params) -> None:
    if request.get("RevisionId") not in (None, function.revision):
        raise errors.precondition_failed()


def _zip(code: Params) -> bytes:
    content = code.get("ZipFile")
    if content is None:
        raise errors.invalid("Please provide a source for function code.")
    content = bytes(content)
    archive.check(content)
    return content


def _changed(function: Function, ctx: Context, request: Params, content: bytes | None = None) -> Function:
    """The function as ``request`` wants it."""
    changes: dict[str, Any] = {
        "revision": ctx.ids.uuid(),
        "modified": ctx.now_ms,
        "runtime": request.get("Runtime"),
        "role": request.get("Role"),
        "handler": request.get("Handler"),
        "description": request.get("Description"),
        "timeout_s": request.get("Timeout"),
        "memory_mb": request.get("MemorySize"),
        "ephemeral_mb": (request.get("EphemeralStorage") or {}).get("Size"),
        "architecture": (request.get("Architectures") or [None])[0],
        "log_group": (request.get("LoggingConfig") or {}).get("LogGroup"),
    }
    if request.get("Environment") is not None:
        changes["environment"] = _encode(request["Environment"].get("Variables") or {}).decode()
    if content is not None:
        changes["code_sha256"] = hashlib.sha256(content).hexdigest()
        changes["code_size"] = len(content)
    return function._replace(**{name: value for name, value in changes.items() if value is not None})


def _save(tx: Tx, changed: Function) -> None:
    kept = {"name", "code_token", "tags"}
    tx.send(Q.update_function, **{name: value for name, value in changed._asdict().items() if name not in kept})


def _store_code(tx: Tx, sha256: str, content: bytes) -> None:
    tx.send(Q.insert_code, sha256=sha256, zip=content)


def _forget_code(tx: Tx, ctx: Context, sha256: str, unless: str = "") -> None:
    if sha256 != unless:
        jobs.enqueue(
            tx, ctx, kind=FORGET_CODE, key=f"lambda:code:{sha256}", run_at_ms=ctx.now_ms + FORGET_CODE_AFTER_MS,
            payload={"CodeSha256": sha256},
        )  # fmt: skip


def _timestamp(at_ms: int) -> str:
    at = datetime.fromtimestamp(at_ms // 1000, UTC)
    return f"{at:%Y-%m-%dT%H:%M:%S}.{at_ms % 1000:03d}+0000"


def _marker(text: str | None) -> str:
    if not text:
        return ""
    try:
        return base64.urlsafe_b64decode(text).decode()
    except ValueError:
        raise errors.invalid("The marker is not one that this operation answered.") from None
