"""Users, and the groups that gather them."""

from waypost.service import Context, Operation, Params
from waypost.services.iam import entities
from waypost.services.iam.entities import GROUP, USER, Entity, Kind, Q
from waypost.services.iam.errors import already_exists, delete_conflict, no_such_entity, not_found, quota
from waypost.services.iam.limits import MEMBERSHIPS_MAX
from waypost.services.iam.operations.policies import check_boundary
from waypost.services.iam.operations.roles import check_no_policies
from waypost.services.iam.rules import arns
from waypost.services.iam.rules.pages import cut, page_of
from waypost.store.queries import Query
from waypost.store.store import Tx


def user_shape(ctx: Context, user: Entity) -> Params:
    """A user as lists show it."""
    return entities.described(ctx, USER, user)


def _whole_user(ctx: Context, user: Entity) -> Params:
    shape = {**user_shape(ctx, user), **entities.boundary_shape(user)}
    tags = user.tag_list()
    return {**shape, "Tags": tags} if tags else shape


def calling_user(tx: Tx, ctx: Context, request: Params, query: Query = Q.get_entity) -> Entity:
    """The user that a request names or, where it names none, the one who signed it."""
    if "UserName" in request:
        return entities.get(tx, ctx, USER, request, query)
    named = arns.named(ctx.caller.arn)
    user = entities.find(tx, ctx, USER, named.name, query) if named is not None and named.kind == "user" else None
    if user is None:
        raise not_found("user", ctx.caller.arn)
    return user


def create_user(tx: Tx, ctx: Context, request: Params) -> Params:
    """Make a user."""
    tags, boundary = entities.checked_tags(request), request.get("PermissionsBoundary")
    if boundary is not None:
        check_boundary(tx, ctx, boundary)
    entities.check_new(tx, ctx, USER, request["UserName"])
    user = entities.insert(
        tx, ctx, USER, request["UserName"], path=request.get("Path", "/"), boundary=boundary, tags=tags
    )
    return {"User": _whole_user(ctx, user)}


def get_user(tx: Tx, ctx: Context, request: Params) -> Params:
    """A user; without a name the caller, which may be the account's root."""
    if "UserName" not in request and ctx.caller.arn.endswith(":root"):
        return {"User": {"UserId": ctx.caller.user_id, "Arn": ctx.caller.arn}}
    return {"User": _whole_user(ctx, calling_user(tx, ctx, request))}


def list_users(tx: Tx, ctx: Context, request: Params) -> Params:
    """Users under a path, by name."""
    users, more = entities.listed(tx, ctx, USER, request)
    return {"Users": [user_shape(ctx, user) for user in users], **more}


def _rename(tx: Tx, ctx: Context, kind: Kind, request: Params, new_name: str) -> None:
    found = entities.lock(tx, ctx, kind, request)
    if new_name.lower() != found.name_key and entities.find(tx, ctx, kind, new_name) is not None:
        raise already_exists(f"{kind.noun} with name {new_name} already exists.")
    tx.run(
        Q.rename_entity, id=found.id, name=new_name, name_key=new_name.lower(), path=request.get("NewPath", found.path)
    )


def update_user(tx: Tx, ctx: Context, request: Params) -> Params:
    """Give a user another name or path."""
    _rename(tx, ctx, USER, request, str(request.get("NewUserName", request["UserName"])))
    return {}


def delete_user(tx: Tx, ctx: Context, request: Params) -> Params:
    """Delete a user that nothing hangs on any more."""
    user = entities.lock(tx, ctx, USER, request)
    if tx.one(Q.list_access_keys, user_id=user.id):
        raise delete_conflict("Cannot delete entity, must delete access keys first.")
    check_no_policies(tx, user)
    if tx.one(Q.list_groups_of_user, user_id=user.id, after="", count=1):
        raise delete_conflict("Cannot delete entity, must remove users from group first.")
    tx.run(Q.delete_entity, id=user.id)
    return {}


def put_user_permissions_boundary(tx: Tx, ctx: Context, request: Params) -> Params:
    """Set the policy that bounds what the user may do."""
    user = entities.lock(tx, ctx, USER, request)
    check_boundary(tx, ctx, request["PermissionsBoundary"])
    tx.run(Q.set_boundary, id=user.id, boundary=request["PermissionsBoundary"])
    return {}


def delete_user_permissions_boundary(tx: Tx, ctx: Context, request: Params) -> Params:
    """Remove the boundary."""
    tx.run(Q.set_boundary, id=entities.lock(tx, ctx, USER, request).id, boundary=None)
    return {}


def tag_user(tx: Tx, ctx: Context, request: Params) -> Params:
    """Add tags."""
    entities.tag(tx, entities.lock(tx, ctx, USER, request), request["Tags"])
    return {}


def untag_user(tx: Tx, ctx: Context, request: Params) -> Params:
    """Remove tags."""
    entities.untag(tx, entities.lock(tx, ctx, USER, request), request["TagKeys"])
    return {}


def list_user_tags(tx: Tx, ctx: Context, request: Params) -> Params:
    """Tags, by key."""
    return entities.list_tags(entities.get(tx, ctx, USER, request).tag_list(), request)


def create_group(tx: Tx, ctx: Context, request: Params) -> Params:
    """Make a group."""
    name = request["GroupName"]
    entities.check_new(tx, ctx, GROUP, name)
    group = entities.insert(tx, ctx, GROUP, name, path=request.get("Path", "/"))
    return {"Group": entities.described(ctx, GROUP, group)}


def get_group(tx: Tx, ctx: Context, request: Params) -> Params:
    """A group and a page of its users."""
    group, page = entities.get(tx, ctx, GROUP, request), page_of(request)
    rows = tx.all(Q.list_users_of_group, group_id=group.id, after=page.after, count=page.fetch)
    shown, more = cut([Entity(*row) for row in rows], page, lambda one: one.name_key)
    return {"Group": entities.described(ctx, GROUP, group), "Users": [user_shape(ctx, one) for one in shown], **more}


def list_groups(tx: Tx, ctx: Context, request: Params) -> Params:
    """Groups under a path, by name."""
    groups, more = entities.listed(tx, ctx, GROUP, request)
    return {"Groups": [entities.described(ctx, GROUP, group) for group in groups], **more}


def list_groups_for_user(tx: Tx, ctx: Context, request: Params) -> Params:
    """Groups that a user belongs to."""
    user, page = entities.get(tx, ctx, USER, request), page_of(request)
    rows = tx.all(Q.list_groups_of_user, user_id=user.id, after=page.after, count=page.fetch)
    shown, more = cut([Entity(*row) for row in rows], page, lambda one: one.name_key)
    return {"Groups": [entities.described(ctx, GROUP, group) for group in shown], **more}


def update_group(tx: Tx, ctx: Context, request: Params) -> Params:
    """Give a group another name or path."""
    _rename(tx, ctx, GROUP, request, str(request.get("NewGroupName", request["GroupName"])))
    return {}


def delete_group(tx: Tx, ctx: Context, request: Params) -> Params:
    """Delete an empty group that no policy hangs on."""
    group = entities.lock(tx, ctx, GROUP, request)
    if tx.one(Q.list_users_of_group, group_id=group.id, after="", count=1):
        raise delete_conflict("Cannot delete entity, must remove users from group first.")
    check_no_policies(tx, group)
    tx.run(Q.delete_entity, id=group.id)
    return {}


def add_user_to_group(tx: Tx, ctx: Context, request: Params) -> Params:
    """Let a user belong to a group; again changes nothing."""
    group, user = entities.keep(tx, ctx, GROUP, request), entities.lock(tx, ctx, USER, request)
    groups = [row[0] for row in tx.all(Q.list_groups_of_user, user_id=user.id, after="", count=MEMBERSHIPS_MAX + 1)]
    if group.id not in groups and len(groups) >= MEMBERSHIPS_MAX:
        raise quota("GroupsPerUser", MEMBERSHIPS_MAX)
    tx.run(Q.insert_membership, user_id=user.id, group_id=group.id)
    return {}


def remove_user_from_group(tx: Tx, ctx: Context, request: Params) -> Params:
    """Let a user leave a group."""
    group, user = entities.get(tx, ctx, GROUP, request), entities.lock(tx, ctx, USER, request)
    groups = [row[0] for row in tx.all(Q.list_groups_of_user, user_id=user.id, after="", count=MEMBERSHIPS_MAX + 1)]
    if group.id not in groups:
        raise no_such_entity(f"User {user.name} not in group {group.name}")
    tx.run(Q.delete_membership, user_id=user.id, group_id=group.id)
    return {}


OPERATIONS: dict[str, Operation] = {
    "CreateUser": create_user,
    "GetUser": get_user,
    "ListUsers": list_users,
    "UpdateUser": update_user,
    "DeleteUser": delete_user,
    "PutUserPermissionsBoundary": put_user_permissions_boundary,
    "DeleteUserPermissionsBoundary": delete_user_permissions_boundary,
    "TagUser": tag_user,
    "UntagUser": untag_user,
    "ListUserTags": list_user_tags,
    "CreateGroup": create_group,
    "GetGroup": get_group,
    "ListGroups": list_groups,
    "ListGroupsForUser": list_groups_for_user,
    "UpdateGroup": update_group,
    "DeleteGroup": delete_group,
    "AddUserToGroup": add_user_to_group,
    "RemoveUserFromGroup": remove_user_from_group,
}
