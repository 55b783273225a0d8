"""Subscription filters: events as they arrive, to a function."""

from waypost import arn
from waypost.aws.errors import AwsError
from waypost.service import Context, Params
from waypost.services.logs import errors, groups
from waypost.services.logs.groups import Subscription
from waypost.services.logs.intake import pattern_of
from waypost.services.logs.limits import PAGE_DEFAULT, SUBSCRIPTIONS_MAX
from waypost.services.logs.queries import Q
from waypost.services.logs.rules import names, pages
from waypost.store.store import Tx


def put_subscription_filter(tx: Tx, ctx: Context, request: Params) -> Params:
    """Create a filter, or change the one of that name."""
    name, destination = request["filterName"], request["destinationArn"]
    pattern_of(request["filterPattern"])  # raises for one that cannot be read
    _check_destination(tx, ctx, destination)
    group = groups.hold(tx, ctx, request["logGroupName"])
    before = next((known for known in group.subscriptions if known.name == name), None)
    others = [known for known in group.subscriptions if known.name != name]
    if len(others) >= SUBSCRIPTIONS_MAX:
        raise errors.limit_exceeded()
    made = Subscription(
        name, request["filterPattern"], destination, request.get("distribution") or "ByLogStream",
        ctx.now_ms if before is None else before.created_ms, request.get("roleArn"),
    )  # fmt: skip
    after = sorted([*others, made], key=lambda known: known.name)
    tx.run(Q.set_subscriptions, id=group.id, subscriptions=groups.encode(after).decode())
    return {}


def _check_destination(tx: Tx, ctx: Context, destination: str) -> None:
    parsed = arn.parse(destination)
    if parsed is None:
        raise errors.invalid(f"Invalid destinationArn: {destination}")
    if parsed.service != "lambda" or not parsed.resource.startswith("function:"):
        raise errors.invalid(f"Waypost has no destination of the service {parsed.service!r}: only Lambda functions.")
    if (parsed.account, parsed.region) != (ctx.account, ctx.region):
        raise errors.invalid("The function must be of the log group's account and region.")
    try:
        ctx.calls.call(tx, ctx, "lambda", "Invoke", {"FunctionName": destination, "InvocationType": "DryRun"})
    except AwsError:
        raise errors.not_executable() from None


def delete_subscription_filter(tx: Tx, ctx: Context, request: Params) -> Params:
    """Delete a filter; what was promised to its function is still delivered."""
    group = groups.hold(tx, ctx, request["logGroupName"])
    kept = [known for known in group.subscriptions if known.name != request["filterName"]]
    if len(kept) == len(group.subscriptions):
        raise errors.no_filter()
    tx.run(Q.set_subscriptions, id=group.id, subscriptions=groups.encode(kept).decode())
    return {}


def describe_subscription_filters(tx: Tx, ctx: Context, request: Params) -> Params:
    """The filters of a group, by name."""
    group = groups.find(tx, ctx, request["logGroupName"])
    prefix, size = request.get("filterNamePrefix"), request.get("limit") or PAGE_DEFAULT
    about = f"subscriptions:{group.id}:{prefix}"
    place = pages.read(request.get("nextToken"), about, ctx.now_ms, str)
    after, within = place[0] if place else "", names.beginning_with(prefix)
    found = [known for known in group.subscriptions if known.name > after and known.name in within]
    answer: Params = {"subscriptionFilters": [_described(group.name, known) for known in found[:size]]}
    if len(found) > size:
        answer["nextToken"] = pages.write(about, ctx.now_ms, found[size - 1].name)
    return answer


def _described(group: str, subscription: Subscription) -> Params:
    described: Params = {
        "filterName": subscription.name, "logGroupName": group, "filterPattern": subscription.pattern,
        "destinationArn": subscription.destination, "distribution": subscription.distribution,
        "applyOnTransformedLogs": False, "creationTime": subscription.created_ms,
    }  # fmt: skip
    return described if subscription.role is None else {**described, "roleArn": subscription.role}
