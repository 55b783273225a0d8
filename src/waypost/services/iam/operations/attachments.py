"""Which managed policies hang on which role, user or group."""

from waypost.service import Context, Operation, Params
from waypost.services.iam import entities
from waypost.services.iam.entities import GROUP, ROLE, USER, Entity, Kind, Q
from waypost.services.iam.errors import no_such_entity, protected, quota
from waypost.services.iam.limits import ATTACHED_MAX
from waypost.services.iam.operations.policies import can_attach, exists, not_attachable
from waypost.services.iam.rules import arns
from waypost.services.iam.rules.pages import cut, page_of
from waypost.store.store import Tx

_KIND_OF_FILTER = {"Role": "role", "User": "user", "Group": "group"}


def _editable(tx: Tx, ctx: Context, kind: Kind, request: Params) -> Entity:
    found = entities.lock(tx, ctx, kind, request)
    if found.service is not None:
        raise protected(found.name)
    return found


def _attach(tx: Tx, ctx: Context, kind: Kind, request: Params) -> Params:
    arn = request["PolicyArn"]
    arns.policy(arn)
    found = _editable(tx, ctx, kind, request)
    if not can_attach(tx, ctx, arn):
        raise not_attachable(arn)
    if tx.one(Q.is_attached, entity=found.id, policy_arn=arn) is not None:
        return {}
    (count,) = tx.one(Q.count_attached, entity=found.id) or (0,)
    if count >= ATTACHED_MAX[kind.kind]:
        raise quota(f"PoliciesPer{kind.noun}", ATTACHED_MAX[kind.kind])
    tx.run(Q.attach, entity=found.id, policy_arn=arn, account=ctx.account)
    return {}


def _detach(tx: Tx, ctx: Context, kind: Kind, request: Params) -> Params:
    arn = request["PolicyArn"]
    arns.policy(arn)
    found = _editable(tx, ctx, kind, request)
    if tx.one(Q.is_attached, entity=found.id, policy_arn=arn) is None:
        raise no_such_entity(f"Policy {arn} was not found.")
    tx.run(Q.detach, entity=found.id, policy_arn=arn)
    return {}


def _list(tx: Tx, ctx: Context, kind: Kind, request: Params) -> Params:
    found, page = entities.get(tx, ctx, kind, request), page_of(request)
    prefix = request.get("PathPrefix", "/")
    policies = [(arn, arns.policy(arn)) for (arn,) in tx.all(Q.list_attached, entity=found.id)]
    wanted = [(arn, named.name) for arn, named in policies if named.path.startswith(prefix) and arn > page.after]
    shown, more = cut(wanted[: page.fetch], page, lambda one: one[0])
    return {"AttachedPolicies": [{"PolicyName": name, "PolicyArn": arn} for arn, name in shown], **more}


def attach_role_policy(tx: Tx, ctx: Context, request: Params) -> Params:
    """Attach a managed policy to a role; attaching it again changes nothing."""
    return _attach(tx, ctx, ROLE, request)


def detach_role_policy(tx: Tx, ctx: Context, request: Params) -> Params:
    """Detach a managed policy from a role."""
    return _detach(tx, ctx, ROLE, request)


def list_attached_role_policies(tx: Tx, ctx: Context, request: Params) -> Params:
    """Managed policies of a role, by ARN."""
    return _list(tx, ctx, ROLE, request)


def attach_user_policy(tx: Tx, ctx: Context, request: Params) -> Params:
    """Attach a managed policy to a user."""
    return _attach(tx, ctx, USER, request)


def detach_user_policy(tx: Tx, ctx: Context, request: Params) -> Params:
    """Detach a managed policy from a user."""
    return _detach(tx, ctx, USER, request)


def list_attached_user_policies(tx: Tx, ctx: Context, request: Params) -> Params:
    """Managed policies of a user, by ARN."""
    return _list(tx, ctx, USER, request)


def attach_group_policy(tx: Tx, ctx: Context, request: Params) -> Params:
    """Attach a managed policy to a group."""
    return _attach(tx, ctx, GROUP, request)


def detach_group_policy(tx: Tx, ctx: Context, request: Params) -> Params:
    """Detach a managed policy from a group."""
    return _detach(tx, ctx, GROUP, request)


def list_attached_group_policies(tx: Tx, ctx: Context, request: Params) -> Params:
    """Managed policies of a group, by ARN."""
    return _list(tx, ctx, GROUP, request)


def list_entities_for_policy(tx: Tx, ctx: Context, request: Params) -> Params:
    """Whom a policy is attached to, or whose boundary it is."""
    arn, page = request["PolicyArn"], page_of(request)
    if not exists(tx, ctx, arn):
        raise no_such_entity(f"Policy {arn} was not found.")
    shapes: dict[str, list[Params]] = {"group": [], "user": [], "role": []}
    more: Params = {"IsTruncated": False}
    kind = _KIND_OF_FILTER.get(request.get("EntityFilter", ""), "")
    if kind or "EntityFilter" not in request:
        usage = request.get("PolicyUsageFilter")
        rows = []
        for name, query in (
            ("PermissionsPolicy", Q.list_attached_entities),
            ("PermissionsBoundary", Q.list_bounded_entities),
        ):
            if usage in {None, name}:
                rows += tx.all(
                    query, account=ctx.account, arn=arn, prefix=request.get("PathPrefix", "/"), kind=kind,
                    after=page.after, count=page.fetch,
                )  # fmt: skip
        # An entity whose boundary is also attached to it is named once.
        rows = sorted(set(rows), key=lambda row: str(row[3]))
        shown, more = cut(rows[: page.fetch], page, lambda row: str(row[3]))
        for of_kind, name, unique_id, _ in shown:
            noun = of_kind.capitalize()
            shapes[of_kind].append({f"{noun}Name": name, f"{noun}Id": unique_id})
    return {"PolicyGroups": shapes["group"], "PolicyUsers": shapes["user"], "PolicyRoles": shapes["role"], **more}


OPERATIONS: dict[str, Operation] = {
    "AttachRolePolicy": attach_role_policy,
    "DetachRolePolicy": detach_role_policy,
    "ListAttachedRolePolicies": list_attached_role_policies,
    "AttachUserPolicy": attach_user_policy,
    "DetachUserPolicy": detach_user_policy,
    "ListAttachedUserPolicies": list_attached_user_policies,
    "AttachGroupPolicy": attach_group_policy,
    "DetachGroupPolicy": detach_group_policy,
    "ListAttachedGroupPolicies": list_attached_group_policies,
    "ListEntitiesForPolicy": list_entities_for_policy,
}
