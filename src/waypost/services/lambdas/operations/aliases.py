"""Aliases: names for versions, which may share out requests among two."""

import json
from typing import Any

from waypost.service import Context, Params
from waypost.services.lambdas import errors
from waypost.services.lambdas.function import Alias, Function, find_alias, lock
from waypost.services.lambdas.limits import ALIASES_PAGE_MAX
from waypost.services.lambdas.operations.provisioned import WARMING, unpublished
from waypost.services.lambdas.queries import Q
from waypost.services.lambdas.rules import markers, names, routing
from waypost.store.store import Tx


def create_alias(tx: Tx, ctx: Context, request: Params) -> Params:
    """Name a version."""
    named, function = _lock(tx, ctx, request)
    other, weight = routing.weights(request.get("RoutingConfig"), request["FunctionVersion"])
    alias = Alias(
        function.id, named.qualifier, request["FunctionVersion"], other, weight, request.get("Description") or "",
        ctx.ids.uuid(),
    )  # fmt: skip
    _check_versions(tx, named, alias)
    if not tx.run(Q.insert_alias, **alias._asdict()):
        raise errors.conflict(f"Alias already exists: {named.arn}")
    _wake_mappings(tx, ctx, function)
    return _describe(ctx, function, alias)


def get_alias(tx: Tx, ctx: Context, request: Params) -> Params:
    """One of them."""
    named, function = lock(tx, ctx, _qualified(request), Q.get_function)
    alias = find_alias(tx, named)
    if alias is None:
        raise errors.resource_not_found(f"Cannot find alias arn: {named.arn}")
    return _describe(ctx, function, alias)


def update_alias(tx: Tx, ctx: Context, request: Params) -> Params:
    """Change what the request names. An empty ``RoutingConfig`` leaves all requests to one version."""
    named, function = _lock(tx, ctx, request)
    alias = find_alias(tx, named)
    if alias is None:
        raise errors.resource_not_found(f"Alias not found: {named.arn}")
    if request.get("RevisionId") not in (None, "", alias.revision):
        raise errors.precondition_failed()
    version = request.get("FunctionVersion") or alias.version
    other, weight = alias.other, alias.weight
    if request.get("RoutingConfig") is not None:
        other, weight = routing.weights(request["RoutingConfig"], version)
    elif other:
        routing.weights({"AdditionalVersionWeights": {other: float(weight)}}, version)
    changed = alias._replace(version=version, other=other, weight=weight, revision=ctx.ids.uuid())
    if request.get("Description") is not None:
        changed = changed._replace(description=request["Description"])
    _check_versions(tx, named, changed)
    if changed.version == names.LATEST and tx.one(
        Q.get_provisioned, function_id=function.id, qualifier=named.qualifier
    ):
        raise unpublished()
    tx.send(Q.update_alias, **changed._asdict())
    tx.wake(WARMING, 0)
    return _describe(ctx, function, changed)


def delete_alias(tx: Tx, ctx: Context, request: Params) -> Params:
    """Delete it with its policy and what its events were to become; one that is not there is no error, as on AWS."""
    named, function = _lock(tx, ctx, request)
    tx.send(Q.delete_alias, function_id=function.id, name=named.qualifier)
    tx.send(Q.delete_qualified_policy, function_id=function.id, qualifier=named.qualifier)
    tx.send(Q.delete_event_config, function_id=function.id, qualifier=named.qualifier)
    tx.send(Q.delete_provisioned, function_id=function.id, qualifier=named.qualifier)
    tx.wake(WARMING, 0)
    return {}


def list_aliases(tx: Tx, ctx: Context, request: Params) -> Params:
    """A page of at most 50, in name order; those of one version, where it is named."""
    _, function = lock(tx, ctx, request, Q.get_function)
    limit = min(request.get("MaxItems") or ALIASES_PAGE_MAX, ALIASES_PAGE_MAX)
    rows = tx.all(
        Q.list_aliases, function_id=function.id, after=markers.read(request.get("Marker")),
        version=request.get("FunctionVersion") or "", limit=limit + 1,
    )  # fmt: skip
    page = [Alias(*row) for row in rows[:limit]]
    answer: Params = {"Aliases": [_describe(ctx, function, alias) for alias in page]}
    if len(rows) > limit:
        answer["NextMarker"] = markers.write(page[-1].name)
    return answer


def _qualified(request: Params) -> Params:
    return {"FunctionName": request["FunctionName"], "Qualifier": request["Name"]}


def _lock(tx: Tx, ctx: Context, request: Params) -> tuple[names.Named, Function]:
    # Whoever deletes a version locks the function, too: no alias names what is gone.
    return lock(tx, ctx, _qualified(request))


def _check_versions(tx: Tx, named: names.Named, alias: Alias) -> None:
    for version in filter(None, (alias.version, alias.other)):
        whose: dict[str, Any] = {"account": named.account, "region": named.region, "name": named.name}
        found = version == names.LATEST or tx.one(Q.get_version, version=names.number(version), **whose) is not None
        if not found:
            raise errors.function_not_found(named._replace(qualifier=version).arn)


def _wake_mappings(tx: Tx, ctx: Context, function: Function) -> None:
    rows = tx.all(Q.mappings_of_function, account=ctx.account, region=ctx.region, function_name=function.name)
    for (uuid,) in rows:
        tx.wake(f"lambda:mapping:{uuid}", 0)  # one may wait for an alias of this name


def _describe(ctx: Context, function: Function, alias: Alias) -> Params:
    text = names.function_arn(ctx.account, ctx.region, function.name)
    answer: Params = {
        "AliasArn": names.qualified(text, alias.name),
        "Name": alias.name,
        "FunctionVersion": alias.version,
        "Description": alias.description,
        "RevisionId": alias.revision,
    }
    if alias.other:
        answer["RoutingConfig"] = {"AdditionalVersionWeights": {alias.other: json.loads(alias.weight)}}
    return answer
