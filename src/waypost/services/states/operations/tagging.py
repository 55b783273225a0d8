"""Tags of machines and activities."""

from waypost.service import Context, Params
from waypost.services.states import errors
from waypost.services.states.operations import find
from waypost.services.states.queries import Q
from waypost.services.states.rules import arns, tags
from waypost.services.states.rules.arns import ActivityArn
from waypost.store.queries import Query
from waypost.store.store import Tx

_TO_READ = (Q.find_machine, Q.find_activity)
_TO_CHANGE = (Q.lock_machine, Q.lock_activity)


def _resource(tx: Tx, ctx: Context, arn: str, queries: tuple[Query, Query]) -> int:
    named = arns.tagged(arn)
    row = None
    if find.is_here(ctx, named):
        if isinstance(named, ActivityArn):
            row = tx.one(queries[1], account=ctx.account, region=ctx.region, name=named.name)
        elif not named.qualifier and not named.label:
            row = tx.one(queries[0], account=ctx.account, region=ctx.region, name=named.name)
    if row is None:
        raise errors.resource_not_found(arn)
    return int(row[0])


def tag_resource(tx: Tx, ctx: Context, request: Params) -> Params:
    """Add tags; the newest value of a key counts."""
    arn = request["resourceArn"]
    resource = _resource(tx, ctx, arn, _TO_CHANGE)
    before: dict[str, str] = dict(tx.all(Q.get_tags, resource=resource))
    for key, value in tags.read(request["tags"], arn, before).items():
        if before.get(key) != value:
            tx.send(Q.put_tag, resource=resource, key=key, value=value)
    return {}


def untag_resource(tx: Tx, ctx: Context, request: Params) -> Params:
    """Take tags away; a key that is not there is no error."""
    resource = _resource(tx, ctx, request["resourceArn"], _TO_CHANGE)
    for key in filter(tags.is_valid, request["tagKeys"]):
        tx.send(Q.delete_tag, resource=resource, key=key)
    return {}


def list_tags_for_resource(tx: Tx, ctx: Context, request: Params) -> Params:
    """Every tag, by key."""
    resource = _resource(tx, ctx, request["resourceArn"], _TO_READ)
    return {"tags": tags.shown([(key, value) for key, value in tx.all(Q.get_tags, resource=resource)])}
