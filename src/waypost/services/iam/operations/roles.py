"""Roles: the identity that functions and workflows take on."""

from waypost.service import Context, Params
from waypost.services.iam import entities
from waypost.services.iam.entities import ROLE, USER, Entity, Q
from waypost.services.iam.errors import delete_conflict, protected, quota
from waypost.services.iam.limits import SESSION_DEFAULT_S, TRUST_SIZE_MAX
from waypost.services.iam.operations.policies import check_boundary
from waypost.services.iam.rules import arns
from waypost.services.iam.rules.documents import encoded, size
from waypost.services.iam.rules.trust_policies import check_trust_policy, invalid_principal
from waypost.store.store import Tx


def role_shape(ctx: Context, role: Entity) -> Params:
    """The members of a role that its creation shows."""
    return {**entities.described(ctx, ROLE, role), "AssumeRolePolicyDocument": encoded(role.trust or "")}


def listed_shape(ctx: Context, role: Entity) -> Params:
    """A role as lists show it: without boundary, tags and last use."""
    shape = {**role_shape(ctx, role), "MaxSessionDuration": role.max_session_s}
    if role.description is not None:
        shape["Description"] = role.description
    return shape


def whole_shape(ctx: Context, role: Entity) -> Params:
    """A role as GetRole shows it."""
    shape = {**listed_shape(ctx, role), **entities.boundary_shape(role), "RoleLastUsed": {}}
    tags = role.tag_list()
    if tags:
        shape["Tags"] = tags
    return shape


def check_trust(tx: Tx, ctx: Context, document: str) -> None:
    """Raise unless ``document`` may be a role's trust policy in this account."""
    for principal in check_trust_policy(document):
        named = arns.named(principal)
        if named is None or named.account != ctx.account or "*" in principal:
            continue
        for kind in (ROLE, USER):
            if named.kind != kind.arn_kind:
                continue
            found = entities.find(tx, ctx, kind, named.name)
            if found is None or entities.arn_of(ctx, kind, found) != principal:
                raise invalid_principal("AWS", principal)
    if size(document) > TRUST_SIZE_MAX:
        raise quota("ACLSizePerRole", TRUST_SIZE_MAX)


def get_editable(tx: Tx, ctx: Context, request: Params) -> Entity:
    """The role that a request wants to change, locked; raises NoSuchEntity, UnmodifiableEntity for a service's own."""
    role = entities.lock(tx, ctx, ROLE, request)
    if role.service is not None:
        raise protected(role.name)
    return role


def create_role(tx: Tx, ctx: Context, request: Params) -> Params:
    """Make a role."""
    name, trust = request["RoleName"], request["AssumeRolePolicyDocument"]
    tags = entities.checked_tags(request)
    check_trust(tx, ctx, trust)
    boundary = request.get("PermissionsBoundary")
    if boundary is not None:
        check_boundary(tx, ctx, boundary)
    entities.check_new(tx, ctx, ROLE, name)
    role = entities.insert(
        tx, ctx, ROLE, name, path=request.get("Path", "/"), trust=trust, description=request.get("Description"),
        max_session_s=request.get("MaxSessionDuration", SESSION_DEFAULT_S), boundary=boundary, tags=tags,
    )  # fmt: skip
    shape = {**role_shape(ctx, role), **entities.boundary_shape(role)}
    if tags:
        shape["Tags"] = tags
    return {"Role": shape}


def get_role(tx: Tx, ctx: Context, request: Params) -> Params:
    """Everything there is to know of a role."""
    return {"Role": whole_shape(ctx, entities.get(tx, ctx, ROLE, request))}


def list_roles(tx: Tx, ctx: Context, request: Params) -> Params:
    """Roles under a path, by name."""
    roles, more = entities.listed(tx, ctx, ROLE, request)
    return {"Roles": [listed_shape(ctx, role) for role in roles], **more}


def update_role(tx: Tx, ctx: Context, request: Params) -> Params:
    """Set description and session length; what is not named stays."""
    role = get_editable(tx, ctx, request)
    tx.run(
        Q.update_role, id=role.id, description=request.get("Description", role.description),
        max_session_s=request.get("MaxSessionDuration", role.max_session_s),
    )  # fmt: skip
    return {}


def update_role_description(tx: Tx, ctx: Context, request: Params) -> Params:
    """Set the description."""
    role = get_editable(tx, ctx, request)
    tx.run(Q.update_role, id=role.id, description=request["Description"], max_session_s=role.max_session_s)
    return {"Role": listed_shape(ctx, role._replace(description=request["Description"]))}


def update_assume_role_policy(tx: Tx, ctx: Context, request: Params) -> Params:
    """Replace the trust policy."""
    role = get_editable(tx, ctx, request)
    check_trust(tx, ctx, request["PolicyDocument"])
    tx.run(Q.set_trust, id=role.id, trust=request["PolicyDocument"])
    return {}


def delete_role(tx: Tx, ctx: Context, request: Params) -> Params:
    """Delete a role that nothing hangs on any more."""
    role = get_editable(tx, ctx, request)
    if tx.one(Q.list_profiles_of_role, role=role.id, after="", count=1):
        raise delete_conflict("Cannot delete entity, must remove roles from instance profile first.")
    check_no_policies(tx, role)
    tx.run(Q.delete_entity, id=role.id)
    return {}


def check_no_policies(tx: Tx, found: Entity) -> None:
    """Raise DeleteConflict while a policy is attached to an entity or lies in it."""
    if tx.one(Q.list_attached, entity=found.id):
        raise delete_conflict("Cannot delete entity, must detach all policies first.")
    if tx.one(Q.list_inline, entity=found.id, after="", count=1):
        raise delete_conflict("Cannot delete entity, must delete policies first.")


def put_role_permissions_boundary(tx: Tx, ctx: Context, request: Params) -> Params:
    """Set the policy that bounds what the role may do."""
    role = get_editable(tx, ctx, request)
    check_boundary(tx, ctx, request["PermissionsBoundary"])
    tx.run(Q.set_boundary, id=role.id, boundary=request["PermissionsBoundary"])
    return {}


def delete_role_permissions_boundary(tx: Tx, ctx: Context, request: Params) -> Params:
    """Remove the boundary."""
    role = get_editable(tx, ctx, request)
    tx.run(Q.set_boundary, id=role.id, boundary=None)
    return {}


def tag_role(tx: Tx, ctx: Context, request: Params) -> Params:
    """Add tags, also to a service's own role."""
    entities.tag(tx, entities.lock(tx, ctx, ROLE, request), request["Tags"])
    return {}


def untag_role(tx: Tx, ctx: Context, request: Params) -> Params:
    """Remove tags."""
    entities.untag(tx, entities.lock(tx, ctx, ROLE, request), request["TagKeys"])
    return {}


def list_role_tags(tx: Tx, ctx: Context, request: Params) -> Params:
    """Tags, by key."""
    return entities.list_tags(entities.get(tx, ctx, ROLE, request).tag_list(), request)


OPERATIONS = {
    "CreateRole": create_role,
    "GetRole": get_role,
    "ListRoles": list_roles,
    "UpdateRole": update_role,
    "UpdateRoleDescription": update_role_description,
    "UpdateAssumeRolePolicy": update_assume_role_policy,
    "DeleteRole": delete_role,
    "PutRolePermissionsBoundary": put_role_permissions_boundary,
    "DeleteRolePermissionsBoundary": delete_role_permissions_boundary,
    "TagRole": tag_role,
    "UntagRole": untag_role,
    "ListRoleTags": list_role_tags,
}
