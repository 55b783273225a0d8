"""Tags of machines and activities."""

from waypost.service import Context, Params
from waypost.services.states import errors
from waypost.services.states.operations import find
from waypost.services.states.queries import Q
from waypost.services.states.rules import arns, tags
from waypost.services.states.rules.arns import ActivityArn
from waypost.store.store import Tx


def _resource(tx: Tx, ctx: Context, arn: str) -> int:
    named = arns.tagged(arn)
    row = None
    if find.is_here(ctx, named):
        if isinstance(named, ActivityArn):
            row = tx.one(Q.find_activity, account=ctx.account, region=ctx.region, name=named.name)
        elif not named.qualifier and not named.label:
            row = tx.one(Q.find_machine, account=ctx.account, region=ctx.region, name=named.name)
    if row is None:
        raise errors.resource_not_found(arn)
    return int(row[0])


def tag_resource(tx: Tx, ctx: Context, request: Params) -> Params:
    """Add tags; the newest value of a key counts."""
    arn = request["resourceArn"]
    resource = _resource(tx, ctx, arn)
    before: dict[str, str] = dict(tx.all(Q.get_tags, resource=resource))
    for key, value in tags.read(request["tags"], arn, before).items():
        if before.get(key) != value:
            tx.run(Q.put_tag, resource=resource, key=key, value=value)
    return {}


def untag_resource(tx: Tx, ctx: Context, request: Params) -> Params:
    """Take tags away; a key that is not there is no error."""
    resource = _resource(tx, ctx, request["resourceArn"])
    for key in request["tagKeys"]:
        tx.run(Q.delete_tag, resource=resource, key=key)
    return {}


def list_tags_for_resource(tx: Tx, ctx: Context, request: Params) -> Params:
    """Every tag, by key."""
    resource = _resource(tx, ctx, request["resourceArn"])
    return {"tags": tags.shown([(key, value) for key, value in tx.all(Q.get_tags, resource=resource)])}
