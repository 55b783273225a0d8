"""Resource policies of functions, versions and aliases. They are kept and answered; nothing is decided by them yet."""

from typing import Any, NamedTuple

import msgspec

from waypost.service import Context, Params
from waypost.services.lambdas import errors
from waypost.services.lambdas.function import exists, lock
from waypost.services.lambdas.limits import POLICY_BYTES_MAX
from waypost.services.lambdas.queries import Q
from waypost.services.lambdas.rules import names
from waypost.services.lambdas.rules.permission import statement
from waypost.store.queries import Query
from waypost.store.store import Tx

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(list[dict[str, Any]]).decode


class _Policy(NamedTuple):
    """A policy, and whose it is."""

    function_id: int
    named: names.Named
    revision: str
    statements: list[dict[str, Any]]


def add_permission(tx: Tx, ctx: Context, request: Params) -> Params:
    """Add a statement."""
    policy = _read(tx, ctx, request, Q.lock_function)
    _check_revision(request, policy.revision)
    if any(known["Sid"] == request["StatementId"] for known in policy.statements):
        raise errors.conflict(
            f"The statement id ({request['StatementId']}) provided already exists. Please provide a new statement "
            "id, or remove the existing statement."
        )
    added = statement(request, policy.named.arn)
    document = _document([*policy.statements, added])
    if len(document) > POLICY_BYTES_MAX:
        raise errors.policy_too_long(len(document), POLICY_BYTES_MAX)
    _write(tx, ctx, policy, [*policy.statements, added])
    return {"Statement": _encode(added).decode()}


def get_policy(tx: Tx, ctx: Context, request: Params) -> Params:
    """The policy and its revision."""
    policy = _read(tx, ctx, request, Q.get_function)
    if not policy.statements:
        raise errors.resource_not_found("The resource you requested does not exist.")
    return {"Policy": _document(policy.statements).decode(), "RevisionId": policy.revision}


def remove_permission(tx: Tx, ctx: Context, request: Params) -> Params:
    """Remove a statement; with the last one the policy goes."""
    policy = _read(tx, ctx, request, Q.lock_function)
    if not policy.statements:
        raise errors.resource_not_found("No policy is associated with the given resource.")
    kept = [known for known in policy.statements if known["Sid"] != request["StatementId"]]
    if len(kept) == len(policy.statements):
        raise errors.resource_not_found(f"Statement {request['StatementId']} is not found in resource policy.")
    _check_revision(request, policy.revision)
    if kept:
        _write(tx, ctx, policy, kept)
    elif policy.named.qualifier:
        tx.run(Q.delete_qualified_policy, function_id=policy.function_id, qualifier=policy.named.qualifier)
    else:
        tx.run(Q.delete_policy, function_id=policy.function_id)
    return {}


def _read(tx: Tx, ctx: Context, request: Params, query: Query) -> _Policy:
    named, function = lock(tx, ctx, request, query)
    if named.qualifier == names.LATEST:
        raise errors.invalid("We currently do not support adding policies for $LATEST.")
    if named.qualifier and not exists(tx, named):
        raise errors.function_not_found(named.arn)
    if named.qualifier:
        row = tx.one(Q.get_qualified_policy, function_id=function.id, qualifier=named.qualifier)
    else:
        row = tx.one(Q.get_policy, function_id=function.id)
    return _Policy(function.id, named, "", []) if row is None else _Policy(function.id, named, row[0], _decode(row[1]))


def _check_revision(request: Params, revision: str) -> None:
    if request.get("RevisionId") not in (None, revision):
        raise errors.precondition_failed()


def _document(statements: list[dict[str, Any]]) -> bytes:
    return _encode({"Version": "2012-10-17", "Id": "default", "Statement": statements})


def _write(tx: Tx, ctx: Context, policy: _Policy, statements: list[dict[str, Any]]) -> None:
    written = {
        "function_id": policy.function_id, "revision": ctx.ids.uuid(), "statements": _encode(statements).decode()
    }  # fmt: skip
    if policy.named.qualifier:
        tx.run(Q.put_qualified_policy, qualifier=policy.named.qualifier, **written)
    else:
        tx.run(Q.put_policy, **written)
