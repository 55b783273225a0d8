"""Resource policies of functions. They are kept and answered as AWS does; nothing is decided by them yet."""

from typing import Any

import msgspec

from waypost.service import Context, Params
from waypost.services.lambdas import errors
from waypost.services.lambdas.limits import POLICY_BYTES_MAX
from waypost.services.lambdas.operations.functions import Function, find
from waypost.services.lambdas.queries import Q
from waypost.services.lambdas.rules import names
from waypost.services.lambdas.rules.permission import statement
from waypost.store.queries import Query
from waypost.store.store import Tx

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(list[dict[str, Any]]).decode


def add_permission(tx: Tx, ctx: Context, request: Params) -> Params:
    """Add a statement."""
    function, revision, statements = _read(tx, ctx, request, Q.lock_function)
    _check_revision(request, revision)
    if any(known["Sid"] == request["StatementId"] for known in statements):
        raise errors.conflict(
            f"The statement id ({request['StatementId']}) provided already exists. Please provide a new statement "
            "id, or remove the existing statement."
        )
    added = statement(request, names.function_arn(ctx.account, ctx.region, function.name))
    document = _document([*statements, added])
    if len(document) > POLICY_BYTES_MAX:
        raise errors.policy_too_long(len(document), POLICY_BYTES_MAX)
    _write(tx, ctx, function, [*statements, added])
    return {"Statement": _encode(added).decode()}


def get_policy(tx: Tx, ctx: Context, request: Params) -> Params:
    """The policy and its revision."""
    _, revision, statements = _read(tx, ctx, request)
    if not statements:
        raise errors.resource_not_found("The resource you requested does not exist.")
    return {"Policy": _document(statements).decode(), "RevisionId": revision}


def remove_permission(tx: Tx, ctx: Context, request: Params) -> Params:
    """Remove a statement; with the last one the policy goes."""
    function, revision, statements = _read(tx, ctx, request, Q.lock_function)
    if not statements:
        raise errors.resource_not_found("No policy is associated with the given resource.")
    kept = [known for known in statements if known["Sid"] != request["StatementId"]]
    if len(kept) == len(statements):
        raise errors.resource_not_found(f"Statement {request['StatementId']} is not found in resource policy.")
    _check_revision(request, revision)
    if kept:
        _write(tx, ctx, function, kept)
    else:
        tx.run(Q.delete_policy, function_id=function.id)
    return {}


def _read(
    tx: Tx, ctx: Context, request: Params, query: Query = Q.get_function
) -> tuple[Function, str, list[dict[str, Any]]]:
    named, function = find(tx, ctx, request, query)
    if named.qualifier == names.LATEST:
        raise errors.invalid("We currently do not support adding policies for $LATEST.")
    row = tx.one(Q.get_policy, function_id=function.id)
    return (function, "", []) if row is None else (function, row[0], _decode(row[1]))


def _check_revision(request: Params, revision: str) -> None:
    if request.get("RevisionId") not in (None, revision):
        raise errors.precondition_failed()


def _document(statements: list[dict[str, Any]]) -> bytes:
    return _encode({"Version": "2012-10-17", "Id": "default", "Statement": statements})


def _write(tx: Tx, ctx: Context, function: Function, statements: list[dict[str, Any]]) -> None:
    tx.run(Q.put_policy, function_id=function.id, revision=ctx.ids.uuid(), statements=_encode(statements).decode())
