"""Instance profiles: a name under which a machine finds its role."""

from waypost.service import Context, Operation, Params
from waypost.services.iam import entities
from waypost.services.iam.entities import PROFILE, ROLE, Entity, Q
from waypost.services.iam.errors import delete_conflict, no_such_entity, protected, quota
from waypost.services.iam.operations.roles import listed_shape
from waypost.services.iam.rules.pages import cut, page_of
from waypost.store.store import Tx


def _shape(tx: Tx, ctx: Context, profile: Entity, *, with_tags: bool = True) -> Params:
    role = None if profile.role is None else entities.entity(tx.one(Q.get_entity_by_id, id=profile.role))
    shape = entities.described(ctx, PROFILE, profile)
    shape["Roles"] = [] if role is None else [listed_shape(ctx, role)]
    if with_tags:
        shape["Tags"] = profile.tag_list()
    return shape


def create_instance_profile(tx: Tx, ctx: Context, request: Params) -> Params:
    """Make an empty profile."""
    tags = entities.checked_tags(request)
    entities.check_new(tx, ctx, PROFILE, request["InstanceProfileName"])
    profile = entities.insert(
        tx, ctx, PROFILE, request["InstanceProfileName"], path=request.get("Path", "/"), tags=tags
    )
    return {"InstanceProfile": _shape(tx, ctx, profile)}


def get_instance_profile(tx: Tx, ctx: Context, request: Params) -> Params:
    """A profile and its role."""
    return {"InstanceProfile": _shape(tx, ctx, entities.get(tx, ctx, PROFILE, request))}


def delete_instance_profile(tx: Tx, ctx: Context, request: Params) -> Params:
    """Delete a profile that holds no role."""
    profile = entities.lock(tx, ctx, PROFILE, request)
    if profile.role is not None:
        raise delete_conflict("Cannot delete entity, must remove roles from instance profile first.")
    tx.run(Q.delete_entity, id=profile.id)
    return {}


def list_instance_profiles(tx: Tx, ctx: Context, request: Params) -> Params:
    """Profiles under a path, by name."""
    profiles, more = entities.listed(tx, ctx, PROFILE, request)
    return {"InstanceProfiles": [_shape(tx, ctx, one, with_tags=False) for one in profiles], **more}


def list_instance_profiles_for_role(tx: Tx, ctx: Context, request: Params) -> Params:
    """Profiles that hold a role."""
    role, page = entities.get(tx, ctx, ROLE, request), page_of(request)
    rows = tx.all(Q.list_profiles_of_role, role=role.id, after=page.after, count=page.fetch)
    shown, more = cut([Entity(*row) for row in rows], page, lambda one: one.name_key)
    return {"InstanceProfiles": [_shape(tx, ctx, one, with_tags=False) for one in shown], **more}


def add_role_to_instance_profile(tx: Tx, ctx: Context, request: Params) -> Params:
    """Put a role into a profile; there is room for one."""
    profile, role = entities.lock(tx, ctx, PROFILE, request), entities.keep(tx, ctx, ROLE, request)
    if role.service is not None:
        raise protected(role.name)
    if profile.role is not None:
        raise quota("InstanceSessionsPerInstanceProfile", 1)
    tx.run(Q.set_profile_role, id=profile.id, role=role.id)
    return {}


def remove_role_from_instance_profile(tx: Tx, ctx: Context, request: Params) -> Params:
    """Take the role out of a profile."""
    profile, role = entities.lock(tx, ctx, PROFILE, request), entities.get(tx, ctx, ROLE, request)
    if profile.role != role.id:
        raise no_such_entity(f"Role {role.name} in Instance Profile {profile.name} cannot be found.")
    tx.run(Q.set_profile_role, id=profile.id, role=None)
    return {}


def tag_instance_profile(tx: Tx, ctx: Context, request: Params) -> Params:
    """Add tags."""
    entities.tag(tx, entities.lock(tx, ctx, PROFILE, request), request["Tags"])
    return {}


def untag_instance_profile(tx: Tx, ctx: Context, request: Params) -> Params:
    """Remove tags."""
    entities.untag(tx, entities.lock(tx, ctx, PROFILE, request), request["TagKeys"])
    return {}


def list_instance_profile_tags(tx: Tx, ctx: Context, request: Params) -> Params:
    """Tags, by key."""
    return entities.list_tags(entities.get(tx, ctx, PROFILE, request).tag_list(), request)


OPERATIONS: dict[str, Operation] = {
    "CreateInstanceProfile": create_instance_profile,
    "GetInstanceProfile": get_instance_profile,
    "DeleteInstanceProfile": delete_instance_profile,
    "ListInstanceProfiles": list_instance_profiles,
    "ListInstanceProfilesForRole": list_instance_profiles_for_role,
    "AddRoleToInstanceProfile": add_role_to_instance_profile,
    "RemoveRoleFromInstanceProfile": remove_role_from_instance_profile,
    "TagInstanceProfile": tag_instance_profile,
    "UntagInstanceProfile": untag_instance_profile,
    "ListInstanceProfileTags": list_instance_profile_tags,
}
