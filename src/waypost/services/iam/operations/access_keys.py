"""Access keys of users."""

import base64

from waypost.aws.errors import AwsError
from waypost.service import Context, Operation, Params
from waypost.services.iam import entities
from waypost.services.iam.entities import Q
from waypost.services.iam.errors import no_such_entity, quota
from waypost.services.iam.limits import ACCESS_KEYS_MAX
from waypost.services.iam.operations.users import calling_user
from waypost.services.iam.rules.pages import cut, page_of
from waypost.store.store import Tx


def create_access_key(tx: Tx, ctx: Context, request: Params) -> Params:
    """Make a key; its secret is shown this once."""
    user = calling_user(tx, ctx, request, Q.lock_entity)
    if len(tx.all(Q.list_access_keys, user_id=user.id)) >= ACCESS_KEYS_MAX:
        raise quota("AccessKeysPerUser", ACCESS_KEYS_MAX)
    access_key, secret = "AKIA" + ctx.ids.key(16), base64.b64encode(bytes.fromhex(ctx.ids.token(30))).decode()
    tx.run(
        Q.insert_access_key, access_key=access_key, account=ctx.account, user_id=user.id, secret=secret,
        created_at=ctx.now_ms,
    )  # fmt: skip
    shape = {"UserName": user.name, "AccessKeyId": access_key, "Status": "Active", "SecretAccessKey": secret}
    return {"AccessKey": {**shape, "CreateDate": ctx.now_ms // 1000}}


def list_access_keys(tx: Tx, ctx: Context, request: Params) -> Params:
    """Keys of a user, without their secrets."""
    user, page = calling_user(tx, ctx, request), page_of(request)
    rows = [row for row in tx.all(Q.list_access_keys, user_id=user.id) if row[0] > page.after]
    shown, more = cut(rows[: page.fetch], page, lambda row: str(row[0]))
    keys = [
        {"UserName": user.name, "AccessKeyId": access_key, "Status": status, "CreateDate": created_at // 1000}
        for access_key, status, created_at in shown
    ]
    return {"AccessKeyMetadata": keys, **more}


def _missing(access_key: str) -> AwsError:
    return no_such_entity(f"The Access Key with id {access_key} cannot be found.")


def _check_owned(tx: Tx, user: entities.Entity, access_key: str) -> None:
    row = tx.one(Q.get_access_key, access_key=access_key)
    if row is None or row[1] != user.id:
        raise _missing(access_key)


def update_access_key(tx: Tx, ctx: Context, request: Params) -> Params:
    """Switch a key on or off."""
    user = calling_user(tx, ctx, request, Q.lock_entity)
    _check_owned(tx, user, request["AccessKeyId"])
    tx.run(Q.update_access_key, access_key=request["AccessKeyId"], user_id=user.id, status=request["Status"])
    return {}


def delete_access_key(tx: Tx, ctx: Context, request: Params) -> Params:
    """Delete a key."""
    user = calling_user(tx, ctx, request, Q.lock_entity)
    _check_owned(tx, user, request["AccessKeyId"])
    tx.run(Q.delete_access_key, access_key=request["AccessKeyId"], user_id=user.id)
    return {}


OPERATIONS: dict[str, Operation] = {
    "CreateAccessKey": create_access_key,
    "ListAccessKeys": list_access_keys,
    "UpdateAccessKey": update_access_key,
    "DeleteAccessKey": delete_access_key,
}
