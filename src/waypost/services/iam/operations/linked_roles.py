"""Service-linked roles: made and deleted for a service, changed by nobody else."""

from waypost.service import Context, Operation, Params
from waypost.services.iam import entities
from waypost.services.iam.entities import ROLE, Q
from waypost.services.iam.errors import invalid_input, no_such_entity
from waypost.services.iam.limits import DELETION_KEPT_MS, SESSION_DEFAULT_S
from waypost.services.iam.operations.roles import role_shape
from waypost.services.iam.rules.linked_services import ROLE_NAMES, WITH_SUFFIX, role_name, trust_policy
from waypost.store.store import Tx


def create_service_linked_role(tx: Tx, ctx: Context, request: Params) -> Params:
    """Make a service's own role under its own path."""
    service, suffix = request["AWSServiceName"], request.get("CustomSuffix")
    if service not in ROLE_NAMES:
        raise invalid_input(f"Waypost knows no service-linked role of {service}.")
    if suffix is not None and service not in WITH_SUFFIX:
        raise invalid_input(f"Custom suffix is not allowed for {service}")
    name = role_name(service, suffix)
    if entities.find(tx, ctx, ROLE, name) is not None:
        raise invalid_input(f"Service role name {name} has been taken in this account, please try a different suffix.")
    entities.check_new(tx, ctx, ROLE, name)
    role = entities.insert(
        tx, ctx, ROLE, name, path=f"/aws-service-role/{service}/", trust=trust_policy(service),
        description=request.get("Description"), max_session_s=SESSION_DEFAULT_S, service=service,
    )  # fmt: skip
    return {"Role": role_shape(ctx, role)}


def delete_service_linked_role(tx: Tx, ctx: Context, request: Params) -> Params:
    """Delete a service's own role: done at once, asked for by its task."""
    name = request["RoleName"]
    role = entities.find(tx, ctx, ROLE, name, Q.lock_entity)
    if role is None or role.service is None:
        raise no_such_entity(f"The role with name {name} cannot be found.")
    task = f"task{role.path}{role.name}/{ctx.ids.uuid()}"
    tx.run(Q.forget_deletions, before=ctx.now_ms - DELETION_KEPT_MS)
    tx.run(Q.insert_deletion, account=ctx.account, task=task, created_at=ctx.now_ms)
    tx.run(Q.delete_entity, id=role.id)
    return {"DeletionTaskId": task}


def get_service_linked_role_deletion_status(tx: Tx, ctx: Context, request: Params) -> Params:
    """How a deletion ended."""
    task = request["DeletionTaskId"]
    if tx.one(Q.get_deletion, account=ctx.account, task=task) is None:
        raise no_such_entity(f"The deletion task with id {task} cannot be found.")
    return {"Status": "SUCCEEDED"}


OPERATIONS: dict[str, Operation] = {
    "CreateServiceLinkedRole": create_service_linked_role,
    "DeleteServiceLinkedRole": delete_service_linked_role,
    "GetServiceLinkedRoleDeletionStatus": get_service_linked_role_deletion_status,
}
