"""Provisioned concurrency: environments of versions and aliases that are kept warm."""

from typing import Any, NamedTuple

from waypost.service import Context, Params
from waypost.services.lambdas import errors
from waypost.services.lambdas.function import Function, exists, find_alias, lock, timestamp
from waypost.services.lambdas.limits import CONCURRENT_EXECUTIONS_MAX, PROVISIONED_PAGE_MAX, UNRESERVED_MIN
from waypost.services.lambdas.queries import Q
from waypost.services.lambdas.rules import markers, names, routing
from waypost.store.queries import Query
from waypost.store.store import Tx

WARMING = "lambda:provisioned"
"""Wakes who keeps environments warm."""


class Provisioned(NamedTuple):
    """A row of ``lambda_provisioned``."""

    function_id: int
    qualifier: str
    account: str
    region: str
    name: str
    requested: int
    modified: int

    @property
    def named(self) -> names.Named:
        """The version or alias."""
        return names.Named(self.account, self.region, self.name, self.qualifier)


def put_provisioned_concurrency_config(tx: Tx, ctx: Context, request: Params) -> Params:
    """Keep so many environments of a version, or of what an alias names, warm from now on."""
    named, function = _owner(tx, ctx, request, Q.lock_function)
    wanted = Provisioned(
        function.id, named.qualifier, named.account, named.region, named.name,
        request["ProvisionedConcurrentExecutions"], ctx.now_ms,
    )  # fmt: skip
    if names.LATEST in shares(tx, wanted):
        raise unpublished()
    others = [found for found in of_function(tx, function.id) if found.qualifier != wanted.qualifier]
    _check_single(tx, wanted, others)
    _check_room(tx, ctx, function, wanted, others)
    tx.send(Q.put_provisioned, **wanted._asdict())
    tx.wake(WARMING, 0)
    return {
        "RequestedProvisionedConcurrentExecutions": wanted.requested,
        "AvailableProvisionedConcurrentExecutions": 0,
        "AllocatedProvisionedConcurrentExecutions": 0,
        "Status": "IN_PROGRESS",
        "LastModified": timestamp(wanted.modified),
    }


def get_provisioned_concurrency_config(tx: Tx, ctx: Context, request: Params) -> Params:
    """How many there are by now."""
    named, function = _owner(tx, ctx, request, Q.get_function)
    row = tx.one(Q.get_provisioned, function_id=function.id, qualifier=named.qualifier)
    if row is None:
        raise errors.provisioned_not_found()
    return _describe(tx, ctx, Provisioned(*row))


def list_provisioned_concurrency_configs(tx: Tx, ctx: Context, request: Params) -> Params:
    """Those of a function, a page at a time."""
    _, function = lock(tx, ctx, request, Q.get_function)
    limit = min(request.get("MaxItems") or PROVISIONED_PAGE_MAX, PROVISIONED_PAGE_MAX)
    after = markers.read(request.get("Marker"))
    found = [one for one in of_function(tx, function.id) if one.qualifier > after]
    page = [{"FunctionArn": one.named.arn, **_describe(tx, ctx, one)} for one in found[:limit]]
    answer: Params = {"ProvisionedConcurrencyConfigs": page}
    if len(found) > limit:
        answer["NextMarker"] = markers.write(found[limit - 1].qualifier)
    return answer


def delete_provisioned_concurrency_config(tx: Tx, ctx: Context, request: Params) -> Params:
    """Let them go; where nothing is kept, that is no error."""
    named, function = _owner(tx, ctx, request, Q.lock_function)
    tx.send(Q.delete_provisioned, function_id=function.id, qualifier=named.qualifier)
    tx.wake(WARMING, 0)
    return {}


def of_function(tx: Tx, function_id: int) -> list[Provisioned]:
    """All that a function keeps warm."""
    return [Provisioned(*row) for row in tx.all(Q.provisioned_of_function, function_id=function_id)]


def shares(tx: Tx, found: Provisioned) -> dict[str, int]:
    """How many environments of which version; of an alias with weights, of both. None, where it names nothing."""
    if not names.is_alias(found.qualifier):
        return {found.qualifier: found.requested}
    alias = find_alias(tx, found.named)
    if alias is None:
        return {}
    return routing.share_out(found.requested, alias.version, alias.other, alias.weight)


def unpublished() -> Exception:
    """$LATEST changes: nothing of it is kept warm."""
    return errors.invalid("Provisioned Concurrency Configs cannot be applied to unpublished function versions.")


def _owner(tx: Tx, ctx: Context, request: Params, query: Query) -> tuple[names.Named, Function]:
    named, function = lock(tx, ctx, request, query)
    if named.qualifier in ("", names.LATEST):
        raise unpublished()
    if not exists(tx, named):
        if names.is_alias(named.qualifier):
            raise errors.resource_not_found(f"Cannot find alias arn: {named.arn}")
        raise errors.function_not_found(named.arn)
    return named, function


def _check_single(tx: Tx, wanted: Provisioned, others: list[Provisioned]) -> None:
    """A version is kept warm as itself or through an alias, not as both."""
    alias = names.is_alias(wanted.qualifier)
    for other in others:
        if names.is_alias(other.qualifier) != alias and shares(tx, other).keys() & shares(tx, wanted).keys():
            one, two = ("Alias", "version") if alias else ("Version", "alias")
            raise errors.conflict(
                f"{one} can't be used for provisioned concurrency configuration on an already provisioned {two}"
            )


def _check_room(tx: Tx, ctx: Context, function: Function, wanted: Provisioned, others: list[Provisioned]) -> None:
    if function.reserved is not None:
        if wanted.requested + sum(other.requested for other in others) > function.reserved:
            raise errors.invalid(
                "Requested Provisioned Concurrency should not be greater than the reservedConcurrentExecution for "
                "function"
            )
        return
    whose: dict[str, Any] = {"account": ctx.account, "region": ctx.region}
    tx.run(Q.hold_account, **whose)  # two that ask at once must see one another
    reserved = (tx.one(Q.sum_reserved, without_id=0, **whose) or (0,))[0]
    kept = tx.one(Q.sum_provisioned, function_id=function.id, qualifier=wanted.qualifier, **whose) or (0,)
    unreserved = CONCURRENT_EXECUTIONS_MAX - int(reserved) - int(kept[0])
    if wanted.requested > unreserved:
        raise errors.invalid(
            "Specified ConcurrentExecutions for function is greater than account's unreserved concurrency "
            f"[{unreserved}]."
        )
    if wanted.requested > unreserved - UNRESERVED_MIN:
        raise errors.invalid(
            "Specified ConcurrentExecutions for function decreases account's UnreservedConcurrentExecution below its "
            f"minimum value of [{UNRESERVED_MIN}]."
        )


def _describe(tx: Tx, ctx: Context, found: Provisioned) -> Params:
    """What this node keeps of its part; of the other nodes' parts it knows nothing, and takes them for complete."""
    missing, failure = 0, ""
    for version, number in shares(tx, found).items():
        function_arn = names.function_arn(found.account, found.region, found.name)
        kept = ctx.calls.call(
            tx, ctx, "runtimes", "waypost:Kept",
            {"FunctionArn": function_arn, "Version": version, "Requested": number},
        )  # fmt: skip
        missing += kept["Missing"]
        failure = failure or kept["Failure"]
    allocated = max(0, found.requested - missing)
    answer: Params = {
        "RequestedProvisionedConcurrentExecutions": found.requested,
        "AvailableProvisionedConcurrentExecutions": allocated,
        "AllocatedProvisionedConcurrentExecutions": allocated,
        "Status": "READY" if not missing else "FAILED" if failure else "IN_PROGRESS",
        "LastModified": timestamp(found.modified),
    }
    return answer | {"StatusReason": failure} if missing and failure else answer
