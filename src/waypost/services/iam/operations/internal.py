"""What other services ask of IAM; never reached from the wire."""

from waypost.service import Context, Operation, Params
from waypost.services.iam import entities
from waypost.services.iam.entities import ROLE, Entity, Q
from waypost.services.iam.rules import arns
from waypost.services.iam.rules.trust_policies import service_may_assume
from waypost.store.store import Tx


def _role_by_arn(tx: Tx, ctx: Context, arn: str) -> Entity | None:
    named = arns.named(arn)
    if named is None or named.kind != "role" or named.account != ctx.account:
        return None
    role = entities.find(tx, ctx, ROLE, named.name)
    return role if role is not None and entities.arn_of(ctx, ROLE, role) == arn else None


def check_role(tx: Tx, ctx: Context, request: Params) -> Params:
    """Whether a service can be given a role.

    ``{"RoleArn", "Principal": "lambda.amazonaws.com"}`` > ``{"Exists": bool, "Assumable": bool}``. A role of another
    account does not exist here.
    """
    role = _role_by_arn(tx, ctx, request["RoleArn"])
    if role is None:
        return {"Exists": False, "Assumable": False}
    return {"Exists": True, "Assumable": service_may_assume(role.trust or "", request["Principal"])}


def find_access_key(tx: Tx, _ctx: Context, request: Params) -> Params:
    """Whose an access key is, in any account: ``{"AccessKeyId"}`` > ``{}`` or ``{"Account", "UserId", "Status"}``."""
    row = tx.one(Q.get_access_key, access_key=request["AccessKeyId"])
    if row is None:
        return {}
    account, user_id, status = row
    user = entities.entity(tx.one(Q.get_entity_by_id, id=user_id))
    return {} if user is None else {"Account": account, "UserId": user.unique_id, "Status": status}


OPERATIONS: dict[str, Operation] = {
    "waypost:CheckRole": check_role,
    "waypost:FindAccessKey": find_access_key,
}
