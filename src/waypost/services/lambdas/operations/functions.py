"""Functions: create, read, update, delete."""

import hashlib
from typing import Any

import msgspec

from waypost import arn
from waypost.service import Context, Params
from waypost.services.lambdas import errors
from waypost.services.lambdas.code import forget_later, get_code, store_code
from waypost.services.lambdas.function import Function, describe, find, latest, listed, lock, lock_latest, of_version
from waypost.services.lambdas.limits import FUNCTIONS_PAGE_MAX
from waypost.services.lambdas.operations.layers import usable
from waypost.services.lambdas.operations.provisioned import WARMING
from waypost.services.lambdas.operations.versions import check_revision, created, publish
from waypost.services.lambdas.queries import Q
from waypost.services.lambdas.rules import archive, configuration, layers, markers, names, targets
from waypost.store.store import Tx

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(dict[str, str]).decode


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
        tx,
        Function(
            ctx.ids.row(ctx.now_ms), named.name, "", "", "", "", "", 3, 128, 512, "{}", "x86_64",
            f"/aws/lambda/{named.name}", "", 0, ctx.ids.token(16), 0, _encode(tags).decode(), "[]", "", None, 0,
            names.LATEST,
        ),
        ctx, request, content,
    )  # fmt: skip
    function = function._replace(function_id=function.id)
    _check_host(tx, ctx, function)
    _check_size(tx, function, content)
    if not tx.run(Q.insert_function, account=ctx.account, region=ctx.region, **_columns(function, "reserved")):
        raise errors.conflict(f"Function already exist: {named.name}")
    store_code(tx, function.code_sha256, content)
    _use_layers(tx, function)
    if request.get("Publish"):
        function, _ = publish(tx, ctx, function)
    for (uuid,) in tx.all(Q.mappings_of_function, account=ctx.account, region=ctx.region, function_name=named.name):
        tx.wake(f"lambda:mapping:{uuid}", 0)  # mappings outlive their function and go on with its namesake
    return created(describe(ctx, function, function.version if request.get("Publish") else ""))


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
    if tags:
        answer["Tags"] = tags
    if function.reserved is not None:
        answer["Concurrency"] = {"ReservedConcurrentExecutions": function.reserved}
    return answer


def get_function_configuration(tx: Tx, ctx: Context, request: Params) -> Params:
    """The configuration alone."""
    named, function = find(tx, ctx, request)
    return describe(ctx, function, named.qualifier)


def get_function_code_signing_config(tx: Tx, ctx: Context, request: Params) -> Params:
    """No function has one: code signing is refused where it could be set."""
    _, function = find(tx, ctx, request)
    return {"FunctionName": function.name}


def list_functions(tx: Tx, ctx: Context, request: Params) -> Params:
    """A page of at most 50, in name order; with ``FunctionVersion`` ALL every version is an item of its own."""
    limit = min(request.get("MaxItems", FUNCTIONS_PAGE_MAX), FUNCTIONS_PAGE_MAX)
    name, _, number = _marker(request.get("Marker")).partition(":")
    whose = {"account": ctx.account, "region": ctx.region, "after": name, "limit": limit + 1}
    found = [latest(row) for row in tx.all(Q.list_functions, **whose)]
    every = request.get("FunctionVersion") == "ALL"
    if every:
        found += [of_version(row) for row in tx.all(Q.list_all_versions, number=int(number or 0), **whose)]
        found.sort(key=_place)
    page = found[:limit]
    answer: Params = {"Functions": [listed(ctx, function, function.version if every else "") for function in page]}
    if len(found) > limit:
        last, place = _place(page[-1])
        answer["NextMarker"] = markers.write(f"{last}:{place}")
    return answer


def _place(function: Function) -> tuple[str, int]:
    """Where a version stands in a list of all: $LATEST first."""
    return function.name, 0 if function.version == names.LATEST else int(function.version)


def update_function_code(tx: Tx, ctx: Context, request: Params) -> Params:
    """Replace the code; with ``DryRun``, only say what would be. With ``Publish``, freeze it as a version."""
    function = lock_latest(tx, ctx, request)
    check_revision(function, request)
    content = _zip(request)
    changed = _changed(tx, function, ctx, request, content)
    _check_host(tx, ctx, changed)
    _check_size(tx, changed, content)
    if not request.get("DryRun"):
        store_code(tx, changed.code_sha256, content)
        _save(tx, changed)
        if function.code_sha256 != changed.code_sha256:
            forget_later(tx, ctx, function.code_sha256)
        if request.get("Publish"):
            version, made = publish(tx, ctx, changed)
            answer = describe(ctx, version, version.version)
            return created(answer) if made else answer
    return _updating(describe(ctx, changed))


def update_function_configuration(tx: Tx, ctx: Context, request: Params) -> Params:
    """Change what the request names; environments of the old configuration retire."""
    function = lock_latest(tx, ctx, request)
    check_revision(function, request)
    _check_configuration(tx, ctx, request)
    changed = _changed(tx, function, ctx, request)
    _check_host(tx, ctx, changed)
    if request.get("Layers"):
        _check_size(tx, changed)
    _save(tx, changed)
    if changed.layers != function.layers:
        _use_layers(tx, changed)
        for sha256 in sorted({layer[2] for layer in function.layer_list}):
            forget_later(tx, ctx, sha256)
    return _updating(describe(ctx, changed))


def delete_function(tx: Tx, ctx: Context, request: Params) -> Params:
    """Delete the function with its versions, aliases and policies; or, with a qualifier, one version.

    Event source mappings stay, as on AWS, and wait for a namesake. A version that is not there is no error (measured
    on AWS by others).
    """
    named, function = lock(tx, ctx, request)
    if named.qualifier == names.LATEST:
        raise errors.invalid("$LATEST version cannot be deleted without deleting the function.")
    if names.is_alias(named.qualifier):
        raise errors.invalid("Deletion of aliases is not currently supported.")
    retired: Params = {"FunctionArn": names.function_arn(ctx.account, ctx.region, function.name)}
    if named.qualifier:
        _delete_version(tx, ctx, function, named.qualifier)
        retired["Version"] = named.qualifier
    else:
        _delete_all(tx, ctx, function)
    ctx.calls.call(tx, ctx, "runtimes", "waypost:Retire", retired)
    tx.wake(WARMING, 0)
    return {"StatusCode": 204}


def _delete_version(tx: Tx, ctx: Context, function: Function, version: str) -> None:
    naming = [row[0] for row in tx.all(Q.aliases_of_version, function_id=function.id, version=version)]
    if naming:
        raise errors.conflict(
            f"Unable to delete version because the following aliases reference it: [{', '.join(naming)}]"
        )
    row = tx.one(
        Q.get_version, account=ctx.account, region=ctx.region, name=function.name, version=names.number(version)
    )
    if row is None:
        return
    found = of_version(row)
    tx.send(Q.delete_version, id=found.id)
    tx.send(Q.delete_layer_uses, user_id=found.id)
    tx.send(Q.delete_qualified_policy, function_id=function.id, qualifier=version)
    tx.send(Q.delete_event_config, function_id=function.id, qualifier=version)
    tx.send(Q.delete_provisioned, function_id=function.id, qualifier=version)
    for sha256 in {found.code_sha256, *(layer[2] for layer in found.layer_list)}:
        forget_later(tx, ctx, sha256)


def _delete_all(tx: Tx, ctx: Context, function: Function) -> None:
    rows = tx.all(Q.codes_of_versions, account=ctx.account, region=ctx.region, name=function.name)
    unused = {function.code_sha256, *(layer[2] for layer in function.layer_list), *(row[1] for row in rows)}
    for user_id in [function.id, *(row[0] for row in rows)]:
        unused |= {row[0] for row in tx.all(Q.layer_uses, user_id=user_id)}
        tx.send(Q.delete_layer_uses, user_id=user_id)
    tx.send(Q.delete_function, id=function.id)
    tx.send(Q.delete_policy, function_id=function.id)
    tx.send(Q.delete_qualified_policies, function_id=function.id)
    tx.send(Q.delete_versions, function_id=function.id, account=ctx.account, region=ctx.region, name=function.name)
    tx.send(Q.delete_aliases, function_id=function.id)
    tx.send(Q.delete_event_configs, function_id=function.id)
    tx.send(Q.delete_all_provisioned, function_id=function.id)
    for sha256 in sorted(unused):
        forget_later(tx, ctx, sha256)


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
    targets.check_dead_letter((request.get("DeadLetterConfig") or {}).get("TargetArn") or "")
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


def _check_size(tx: Tx, function: Function, content: bytes | None = None) -> None:
    """Raise where the code and its layers together unpack to more than fits."""
    if function.layer_list:
        code = get_code(tx, function.code_sha256) if content is None else content
        layers.check_size(archive.check(code) + sum(layer[3] for layer in function.layer_list))


def _use_layers(tx: Tx, function: Function) -> None:
    """The zips of these layers, and of no others, are kept for $LATEST."""
    tx.send(Q.delete_layer_uses, user_id=function.id)
    for sha256 in sorted({layer[2] for layer in function.layer_list}):
        tx.send(Q.insert_layer_use, user_id=function.id, code_sha256=sha256)


def _zip(code: Params) -> bytes:
    content = code.get("ZipFile")
    if content is None:
        raise errors.invalid("Please provide a source for function code.")
    content = bytes(content)
    archive.check(content)
    return content


def _changed(tx: Tx, function: Function, ctx: Context, request: Params, content: bytes | None = None) -> Function:
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
    if request.get("DeadLetterConfig") is not None:
        changes["dead_letter"] = request["DeadLetterConfig"].get("TargetArn") or ""
    if request.get("Environment") is not None:
        changes["environment"] = _encode(request["Environment"].get("Variables") or {}).decode()
    if content is not None:
        changes["code_sha256"] = hashlib.sha256(content).hexdigest()
        changes["code_size"] = len(content)
    if request.get("Layers") is not None:
        changes["layers"] = _encode(
            [
                (layer.named.version_arn, layer.code_size, layer.code_sha256, layer.unzipped_size)
                for layer in usable(tx, ctx, request["Layers"])
            ]
        ).decode()
    return function._replace(**{name: value for name, value in changes.items() if value is not None})


def _columns(function: Function, *without: str) -> dict[str, Any]:
    """What lies in the row of ``lambda_function``."""
    without = (*without, "function_id", "version")
    return {name: value for name, value in function._asdict().items() if name not in without}


def _save(tx: Tx, changed: Function) -> None:
    tx.send(Q.update_function, **_columns(changed, "name", "code_token", "tags", "reserved"))


def _marker(text: str | None) -> str:
    marker = markers.read(text)
    try:
        if text:
            int(marker.partition(":")[2])
    except ValueError:
        raise markers.strange() from None
    return marker
