"""Inline policies: documents that lie in a role, user or group."""

from waypost.service import Context, Operation, Params
from waypost.services.iam import entities
from waypost.services.iam.entities import GROUP, ROLE, USER, Entity, Kind, Q
from waypost.services.iam.errors import limit_exceeded, no_such_entity, protected
from waypost.services.iam.limits import INLINE_SIZE_MAX
from waypost.services.iam.rules.documents import check_identity_policy, encoded, size
from waypost.services.iam.rules.pages import cut, page_of
from waypost.store.store import Tx


def _editable(tx: Tx, ctx: Context, kind: Kind, request: Params) -> Entity:
    found = entities.lock(tx, ctx, kind, request)
    if found.service is not None:
        raise protected(found.name)
    return found


def _put(tx: Tx, ctx: Context, kind: Kind, request: Params) -> Params:
    found = _editable(tx, ctx, kind, request)
    name, document = request["PolicyName"], request["PolicyDocument"]
    check_identity_policy(document)
    counted, limit = size(document), INLINE_SIZE_MAX[kind.kind]
    (others,) = tx.one(Q.inline_size, entity=found.id, name=name) or (0,)
    if others + counted > limit:
        raise limit_exceeded(f"Maximum policy size of {limit} bytes exceeded for {kind.kind} {found.name}")
    tx.run(Q.put_inline, entity=found.id, name=name, document=document, size=counted)
    return {}


def _missing(kind: Kind, name: str) -> Exception:
    return no_such_entity(f"The {kind.kind} policy with name {name} cannot be found.")


def _get(tx: Tx, ctx: Context, kind: Kind, request: Params) -> Params:
    found = entities.get(tx, ctx, kind, request)
    row = tx.one(Q.get_inline, entity=found.id, name=request["PolicyName"])
    if row is None:
        raise _missing(kind, request["PolicyName"])
    return {kind.member: found.name, "PolicyName": request["PolicyName"], "PolicyDocument": encoded(row[0])}


def _delete(tx: Tx, ctx: Context, kind: Kind, request: Params) -> Params:
    found = _editable(tx, ctx, kind, request)
    if tx.one(Q.get_inline, entity=found.id, name=request["PolicyName"]) is None:
        raise _missing(kind, request["PolicyName"])
    tx.run(Q.delete_inline, entity=found.id, name=request["PolicyName"])
    return {}


def _list(tx: Tx, ctx: Context, kind: Kind, request: Params) -> Params:
    found, page = entities.get(tx, ctx, kind, request), page_of(request)
    rows = tx.all(Q.list_inline, entity=found.id, after=page.after, count=page.fetch)
    shown, more = cut(rows, page, lambda row: str(row[0]))
    return {"PolicyNames": [name for (name,) in shown], **more}


def put_role_policy(tx: Tx, ctx: Context, request: Params) -> Params:
    """Put a document into a role, or replace it."""
    return _put(tx, ctx, ROLE, request)


def get_role_policy(tx: Tx, ctx: Context, request: Params) -> Params:
    """A role's document, percent-encoded."""
    return _get(tx, ctx, ROLE, request)


def delete_role_policy(tx: Tx, ctx: Context, request: Params) -> Params:
    """Take a document out of a role."""
    return _delete(tx, ctx, ROLE, request)


def list_role_policies(tx: Tx, ctx: Context, request: Params) -> Params:
    """Names of a role's documents."""
    return _list(tx, ctx, ROLE, request)


def put_user_policy(tx: Tx, ctx: Context, request: Params) -> Params:
    """Put a document into a user, or replace it."""
    return _put(tx, ctx, USER, request)


def get_user_policy(tx: Tx, ctx: Context, request: Params) -> Params:
    """A user's document, percent-encoded."""
    return _get(tx, ctx, USER, request)


def delete_user_policy(tx: Tx, ctx: Context, request: Params) -> Params:
    """Take a document out of a user."""
    return _delete(tx, ctx, USER, request)


def list_user_policies(tx: Tx, ctx: Context, request: Params) -> Params:
    """Names of a user's documents."""
    return _list(tx, ctx, USER, request)


def put_group_policy(tx: Tx, ctx: Context, request: Params) -> Params:
    """Put a document into a group, or replace it."""
    return _put(tx, ctx, GROUP, request)


def get_group_policy(tx: Tx, ctx: Context, request: Params) -> Params:
    """A group's document, percent-encoded."""
    return _get(tx, ctx, GROUP, request)


def delete_group_policy(tx: Tx, ctx: Context, request: Params) -> Params:
    """Take a document out of a group."""
    return _delete(tx, ctx, GROUP, request)


def list_group_policies(tx: Tx, ctx: Context, request: Params) -> Params:
    """Names of a group's documents."""
    return _list(tx, ctx, GROUP, request)


OPERATIONS: dict[str, Operation] = {
    "PutRolePolicy": put_role_policy,
    "GetRolePolicy": get_role_policy,
    "DeleteRolePolicy": delete_role_policy,
    "ListRolePolicies": list_role_policies,
    "PutUserPolicy": put_user_policy,
    "GetUserPolicy": get_user_policy,
    "DeleteUserPolicy": delete_user_policy,
    "ListUserPolicies": list_user_policies,
    "PutGroupPolicy": put_group_policy,
    "GetGroupPolicy": get_group_policy,
    "DeleteGroupPolicy": delete_group_policy,
    "ListGroupPolicies": list_group_policies,
}
