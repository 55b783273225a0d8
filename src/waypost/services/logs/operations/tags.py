"""Tags of log groups, by ARN and by name."""

from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from waypost.aws.errors import AwsError
from waypost.service import Context, Params
from waypost.services.logs import errors, groups
from waypost.services.logs.queries import Q
from waypost.services.logs.rules import names, tags
from waypost.store.store import Tx

_decode = msgspec.json.Decoder(dict[str, str]).decode


def tag_resource(tx: Tx, ctx: Context, request: Params) -> Params:
    """Add or replace."""
    name = names.tagged(request["resourceArn"], ctx.account, ctx.region)
    return _add(tx, ctx, name, request["tags"], errors.no_resource())


def tag_log_group(tx: Tx, ctx: Context, request: Params) -> Params:
    """Add or replace."""
    return _add(tx, ctx, request["logGroupName"], request["tags"], errors.no_group())


def untag_resource(tx: Tx, ctx: Context, request: Params) -> Params:
    """Remove what is there of the keys named."""
    name = names.tagged(request["resourceArn"], ctx.account, ctx.region)
    return _remove(tx, ctx, name, request["tagKeys"], errors.no_resource())


def untag_log_group(tx: Tx, ctx: Context, request: Params) -> Params:
    """Remove what is there of the keys named."""
    return _remove(tx, ctx, request["logGroupName"], request["tags"], errors.no_group())


def list_tags_for_resource(tx: Tx, ctx: Context, request: Params) -> Params:
    """All of them."""
    name = names.tagged(request["resourceArn"], ctx.account, ctx.region)
    return {"tags": _list(tx, ctx, name, errors.no_resource())}


def list_tags_log_group(tx: Tx, ctx: Context, request: Params) -> Params:
    """All of them."""
    return {"tags": _list(tx, ctx, request["logGroupName"], errors.no_group())}


def _list(tx: Tx, ctx: Context, name: str, missing: AwsError) -> dict[str, str]:
    row = tx.one(Q.describe_group, account=ctx.account, region=ctx.region, name=name)
    if row is None:
        raise missing
    return _decode(row[5])


def _hold(tx: Tx, ctx: Context, name: str, missing: AwsError) -> Any:
    try:
        return groups.hold(tx, ctx, name)
    except AwsError:
        raise missing from None


def _add(tx: Tx, ctx: Context, name: str, added: Mapping[str, str], missing: AwsError) -> Params:
    group = _hold(tx, ctx, name, missing)
    after = tags.added(group.tags, added, names.group_arn(ctx.account, ctx.region, name))
    tx.run(Q.set_tags, id=group.id, tags=groups.encode(after).decode())
    return {}


def _remove(tx: Tx, ctx: Context, name: str, keys: Iterable[str], missing: AwsError) -> Params:
    group = _hold(tx, ctx, name, missing)
    tx.run(Q.set_tags, id=group.id, tags=groups.encode(tags.without(group.tags, keys)).decode())
    return {}
