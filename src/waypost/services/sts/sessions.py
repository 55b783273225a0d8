"""Temporary credentials: rows that end by themselves."""

import base64
from typing import Any, NamedTuple

import msgspec

from waypost.service import Caller, Context, Job, JobResult, Params
from waypost.services.sts.limits import TOKEN_BYTES
from waypost.services.sts.rules.session_tags import NO_TAGS, Tag, Tags
from waypost.store.queries import load
from waypost.store.store import Tx
from waypost.work.jobs import enqueue

Q = load(__package__)

EXPIRE = "sts.expire"

_encode = msgspec.json.Encoder().encode
_decode_tags = msgspec.json.Decoder(list[Tag]).decode
_decode_keys = msgspec.json.Decoder(list[str]).decode


class Identity(NamedTuple):
    """Whom a session stands for."""

    account: str
    arn: str
    user_id: str
    role_arn: str | None = None
    session_name: str | None = None


class Chain(NamedTuple):
    """What the session that signed a request passes on to the next."""

    is_role: bool
    """Whether the caller is itself a session of a role."""
    source_identity: str | None
    tags: Tags


def resolve(tx: Tx, access_key: str, now_ms: int) -> Caller | None:
    """Whom a temporary access key stands for; None where it is unknown or expired."""
    row = tx.one(Q.get_caller, access_key=access_key, now=now_ms)
    if row is None:
        return None
    account, arn, user_id = row
    return Caller(account, access_key, arn, user_id)


def chain_of(tx: Tx, caller: Caller) -> Chain:
    """The session behind a caller; an empty one for long-lived keys."""
    row = tx.one(Q.get_chain, access_key=caller.access_key)
    if row is None:
        return Chain(is_role=False, source_identity=None, tags=NO_TAGS)
    role_arn, source_identity, tags, transitive_keys = row
    return Chain(role_arn is not None, source_identity, Tags(_decode_tags(tags), _decode_keys(transitive_keys)))


def issue(
    tx: Tx,
    ctx: Context,
    identity: Identity,
    duration_s: int,
    *,
    token_chars_min: int = 0,
    source_identity: str | None = None,
    tags: Tags = NO_TAGS,
    policies: dict[str, Any] | None = None,
) -> Params:
    """Make a session and answer its Credentials. A job removes it when its time is over."""
    access_key = "ASIA" + ctx.ids.key(16)
    token_bytes = max(TOKEN_BYTES, -(-token_chars_min * 3 // 4))
    secret, token = (base64.b64encode(bytes.fromhex(ctx.ids.token(size))).decode() for size in (30, token_bytes))
    expires_ms = ctx.now_ms + duration_s * 1000
    tx.run(
        Q.insert_session, access_key=access_key, account=identity.account, secret=secret, token=token, arn=identity.arn,
        user_id=identity.user_id, role_arn=identity.role_arn, session_name=identity.session_name,
        source_identity=source_identity, tags=_encode(tags.tags).decode(),
        transitive_keys=_encode(tags.transitive_keys).decode(), policies=_encode(policies or {}).decode(),
        created_at=ctx.now_ms, expires_at=expires_ms,
    )  # fmt: skip
    enqueue(tx, ctx, kind=EXPIRE, key=f"sts:{access_key}", run_at_ms=expires_ms, payload={"AccessKeyId": access_key})
    return {
        "AccessKeyId": access_key,
        "SecretAccessKey": secret,
        "SessionToken": token,
        "Expiration": expires_ms // 1000,
    }


def expire(tx: Tx, _ctx: Context, job: Job) -> JobResult:
    """Remove one session whose time is over."""
    tx.run(Q.delete_session, access_key=job.payload["AccessKeyId"])
    return None
