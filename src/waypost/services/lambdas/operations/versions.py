"""Versions: what PublishVersion froze, under numbers that are never given twice."""

import hashlib

import msgspec

from waypost.service import Context, Params
from waypost.services.lambdas import errors
from waypost.services.lambdas.function import Function, describe, digest, listed, lock, lock_latest, of_version
from waypost.services.lambdas.limits import FUNCTIONS_PAGE_MAX
from waypost.services.lambdas.queries import Q
from waypost.services.lambdas.rules import markers, names
from waypost.store.store import Tx

_encode = msgspec.json.Encoder().encode

_FROZEN = (
    "runtime", "role", "handler", "description", "timeout_s", "memory_mb", "ephemeral_mb", "environment",
    "architecture", "log_group", "code_sha256", "code_size", "layers", "dead_letter",
)  # fmt: skip
"""What a version keeps of $LATEST, and by which AWS tells whether there is anything new to publish."""


def publish_version(tx: Tx, ctx: Context, request: Params) -> Params:
    """Freeze $LATEST. Where nothing has changed since the last version, answer that one."""
    function = lock_latest(tx, ctx, request)
    check_revision(function, request)
    current = digest(function.code_sha256)
    if request.get("CodeSha256") not in (None, "", current):
        raise errors.invalid(
            f"CodeSHA256 ({request['CodeSha256']}) is different from current CodeSHA256 in $LATEST ({current}). "
            "Please try again with the CodeSHA256 in $LATEST."
        )
    version, made = publish(tx, ctx, function, request.get("Description"))
    answer = describe(ctx, version, version.version)
    return created(answer) if made else answer


def publish(tx: Tx, ctx: Context, function: Function, description: str | None = None) -> tuple[Function, bool]:
    """The version that is like $LATEST, which the caller has locked, and whether it was made now.

    ``description`` stands in the version instead of the function's own, and does not make it another one.
    """
    whose = {"account": ctx.account, "region": ctx.region, "name": function.name}
    frozen = {name: getattr(function, name) for name in _FROZEN}
    source = hashlib.sha256(_encode(frozen)).hexdigest()
    last = tx.one(Q.last_version, **whose)
    if last is not None and last[1] == source:
        row = tx.one(Q.get_version, version=last[0], **whose)
        if row is None:
            raise RuntimeError("a version went although its function is locked")
        return of_version(row), False
    number = tx.one(Q.next_version, **whose)
    if number is None:
        raise RuntimeError("a counter answered nothing")
    version = function._replace(
        id=ctx.ids.row(ctx.now_ms), revision=ctx.ids.uuid(), modified=ctx.now_ms, version=str(number[0]),
        description=function.description if description is None else description,
    )  # fmt: skip
    frozen["description"] = version.description
    tx.send(
        Q.insert_version, id=version.id, function_id=function.id, version=number[0], source=source,
        revision=version.revision, modified=version.modified, **whose, **frozen,
    )  # fmt: skip
    for sha256 in sorted({layer[2] for layer in function.layer_list}):
        tx.send(Q.insert_layer_use, user_id=version.id, code_sha256=sha256)
    return version, True


def list_versions_by_function(tx: Tx, ctx: Context, request: Params) -> Params:
    """A page of at most 50: $LATEST, then the numbers as they grow."""
    _, function = lock(tx, ctx, request, Q.get_function)
    limit = min(request.get("MaxItems") or FUNCTIONS_PAGE_MAX, FUNCTIONS_PAGE_MAX)
    after = markers.read_number(request.get("Marker"), -1)
    rows = tx.all(
        Q.list_versions, account=ctx.account, region=ctx.region, name=function.name, after=max(after, 0),
        limit=limit + 1,
    )  # fmt: skip
    found = [*([function] if after < 0 else []), *map(of_version, rows)]
    answer: Params = {"Versions": [listed(ctx, version, version.version) for version in found[:limit]]}
    if len(found) > limit:
        last = found[limit - 1].version
        answer["NextMarker"] = markers.write("0" if last == names.LATEST else last)
    return answer


def check_revision(function: Function, request: Params) -> None:
    """Raise where the caller's RevisionId is not the latest."""
    if request.get("RevisionId") not in (None, "", function.revision):
        raise errors.precondition_failed()


def created(answer: Params) -> Params:
    """A configuration as the call that made it answers: pending, though whoever looks next sees it active."""
    del answer["LastUpdateStatus"]
    return answer | {
        "State": "Pending",
        "StateReason": "The function is being created.",
        "StateReasonCode": "Creating",
    }
