"""What becomes of asynchronous events: retries, age, destinations."""

from typing import Any, NamedTuple

import msgspec

from waypost.service import Context, Params
from waypost.services.lambdas import errors
from waypost.services.lambdas.function import exists
from waypost.services.lambdas.limits import EVENT_CONFIGS_PAGE_MAX
from waypost.services.lambdas.queries import Q
from waypost.services.lambdas.rules import markers, names, targets
from waypost.store.queries import Query
from waypost.store.store import Tx

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(dict[str, str]).decode


class EventConfig(NamedTuple):
    """A row of ``lambda_event_config``."""

    function_id: int
    qualifier: str
    retries: int | None
    age_s: int | None
    destinations: str
    """JSON: the ARN by OnSuccess and OnFailure."""
    modified: int


def put_function_event_invoke_config(tx: Tx, ctx: Context, request: Params) -> Params:
    """Say what becomes of events; what the request leaves out is not set any more."""
    named, function_id = _owner(tx, ctx, request, Q.lock_function)
    unset = EventConfig(function_id, named.qualifier, None, None, "{}", 0)
    return _put(tx, ctx, named, unset, request)


def update_function_event_invoke_config(tx: Tx, ctx: Context, request: Params) -> Params:
    """Change what the request names."""
    named, function_id = _owner(tx, ctx, request, Q.lock_function)
    return _put(tx, ctx, named, _get(tx, named, function_id), request)


def get_function_event_invoke_config(tx: Tx, ctx: Context, request: Params) -> Params:
    """One of them."""
    named, function_id = _owner(tx, ctx, request, Q.get_function)
    return _describe(named, _get(tx, named, function_id))


def delete_function_event_invoke_config(tx: Tx, ctx: Context, request: Params) -> Params:
    """Go back to what holds without one."""
    named, function_id = _owner(tx, ctx, request, Q.lock_function)
    _get(tx, named, function_id)
    tx.send(Q.delete_event_config, function_id=function_id, qualifier=named.qualifier)
    return {}


def list_function_event_invoke_configs(tx: Tx, ctx: Context, request: Params) -> Params:
    """A page of at most 50: those of the function, its versions and its aliases."""
    named, function_id = _owner(tx, ctx, request, Q.get_function)
    limit = min(request.get("MaxItems") or EVENT_CONFIGS_PAGE_MAX, EVENT_CONFIGS_PAGE_MAX)
    after = markers.read(request.get("Marker"))
    rows = tx.all(Q.list_event_configs, function_id=function_id, after=after, limit=limit + 1)
    page = [EventConfig(*row) for row in rows[:limit]]
    answer: Params = {"FunctionEventInvokeConfigs": [_describe(named, config) for config in page]}
    if len(rows) > limit:
        answer["NextMarker"] = markers.write(page[-1].qualifier)
    return answer


def _owner(tx: Tx, ctx: Context, request: Params, query: Query) -> tuple[names.Named, int]:
    """The name with its qualifier, $LATEST where there was none, and the function's id."""
    named = names.resolve(ctx.account, ctx.region, request["FunctionName"], request.get("Qualifier"))
    row = tx.one(query, account=named.account, region=named.region, name=named.name)
    if row is None or not (named.qualifier in ("", names.LATEST) or exists(tx, named)):
        raise errors.resource_not_found("The function doesn't exist.")
    return named._replace(qualifier=named.qualifier or names.LATEST), row[0]


def _get(tx: Tx, named: names.Named, function_id: int) -> EventConfig:
    row = tx.one(Q.get_event_config, function_id=function_id, qualifier=named.qualifier)
    if row is None:
        raise errors.resource_not_found(f"The function {named.arn} doesn't have an EventInvokeConfig")
    return EventConfig(*row)


def _put(tx: Tx, ctx: Context, named: names.Named, config: EventConfig, request: Params) -> Params:
    given = targets.check_destinations(
        request.get("DestinationConfig") or {}, names.function_arn(named.account, named.region, named.name)
    )
    changes: dict[str, Any] = {
        "retries": request.get("MaximumRetryAttempts"), "age_s": request.get("MaximumEventAgeInSeconds")
    }  # fmt: skip
    changes = {name: value for name, value in changes.items() if value is not None}
    if not changes and request.get("DestinationConfig") is None:
        raise errors.invalid("You must specify at least one of error handling or destination setting.")
    kept = {name: target for name, target in (_decode(config.destinations) | given).items() if target}
    config = config._replace(destinations=_encode(kept).decode(), modified=ctx.now_ms, **changes)
    tx.send(Q.put_event_config, **config._asdict())
    return _describe(named, config)


def _describe(named: names.Named, config: EventConfig) -> Params:
    destinations = _decode(config.destinations)
    answer: Params = {
        "LastModified": config.modified / 1_000,
        "FunctionArn": named._replace(qualifier=config.qualifier).arn,
        "DestinationConfig": {
            name: {"Destination": destinations[name]} if name in destinations else {}
            for name in ("OnSuccess", "OnFailure")
        },
    }
    if config.retries is not None:
        answer["MaximumRetryAttempts"] = config.retries
    if config.age_s is not None:
        answer["MaximumEventAgeInSeconds"] = config.age_s
    return answer
