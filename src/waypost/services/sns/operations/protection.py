"""PutDataProtectionPolicy and GetDataProtectionPolicy."""

from waypost.service import Context, Operation, Params
from waypost.services.sns.queries import Q
from waypost.services.sns.rules.protection import check_protection
from waypost.services.sns.topic import addressed
from waypost.store.store import Tx


def put_data_protection_policy(tx: Tx, ctx: Context, request: Params) -> Params:
    """Keep a topic's policy; an empty one removes it."""
    policy: str = request["DataProtectionPolicy"]
    if policy:
        check_protection(policy)
    topic = addressed(tx, ctx, request["ResourceArn"], Q.lock_topic, "ResourceArn")
    tx.run(Q.set_data_protection, data_protection=policy or None, **topic.key)
    return {}


def get_data_protection_policy(tx: Tx, ctx: Context, request: Params) -> Params:
    """The policy as it was written; empty where there is none."""
    topic = addressed(tx, ctx, request["ResourceArn"], parameter="ResourceArn")
    row = tx.one(Q.get_data_protection, **topic.key)
    return {"DataProtectionPolicy": row[0] if row is not None and row[0] else ""}


OPERATIONS: dict[str, Operation] = {
    "GetDataProtectionPolicy": get_data_protection_policy,
    "PutDataProtectionPolicy": put_data_protection_policy,
}
