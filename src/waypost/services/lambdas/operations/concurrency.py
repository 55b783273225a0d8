"""Reserved concurrency, and what an account has of everything."""

from waypost.service import Context, Params
from waypost.services.lambdas import errors
from waypost.services.lambdas.function import lock, lock_latest
from waypost.services.lambdas.limits import (
    CODE_BYTES_MAX,
    CONCURRENT_EXECUTIONS_MAX,
    UNRESERVED_MIN,
    UNZIPPED_BYTES_MAX,
    ZIP_BYTES_MAX,
)  # fmt: skip
from waypost.services.lambdas.operations.provisioned import of_function
from waypost.services.lambdas.queries import Q
from waypost.store.store import Tx


def put_function_concurrency(tx: Tx, ctx: Context, request: Params) -> Params:
    """Set apart a part of the account's concurrency for a function: it never gets less, and never more."""
    function = lock_latest(tx, ctx, request)
    reserved = request["ReservedConcurrentExecutions"]
    provisioned = sum(found.requested for found in of_function(tx, function.id))
    if reserved < provisioned:
        raise errors.invalid(
            f" ReservedConcurrentExecutions  {reserved} should not be lower than function's total provisioned "
            f"concurrency [{provisioned}]."
        )
    # Two functions that reserve at once must see one another.
    tx.run(Q.hold_account, account=ctx.account, region=ctx.region)
    if _reserved(tx, ctx, function.id) + reserved > CONCURRENT_EXECUTIONS_MAX - UNRESERVED_MIN:
        raise errors.invalid(
            "Specified ReservedConcurrentExecutions for function decreases account's UnreservedConcurrentExecution "
            f"below its minimum value of [{UNRESERVED_MIN}]."
        )
    tx.send(Q.reserve, id=function.id, reserved=reserved)
    return {"ReservedConcurrentExecutions": reserved}


def get_function_concurrency(tx: Tx, ctx: Context, request: Params) -> Params:
    """What is reserved; empty where nothing is."""
    _, function = lock(tx, ctx, request, Q.get_function)
    return {} if function.reserved is None else {"ReservedConcurrentExecutions": function.reserved}


def delete_function_concurrency(tx: Tx, ctx: Context, request: Params) -> Params:
    """Give back what is reserved."""
    function = lock_latest(tx, ctx, request)
    tx.send(Q.reserve, id=function.id, reserved=None)
    return {}


def get_account_settings(tx: Tx, ctx: Context, request: Params) -> Params:  # noqa: ARG001 (the shape of an operation)
    """AWS's quotas, and how much is used."""
    whose = {"account": ctx.account, "region": ctx.region}
    functions, code_size = tx.one(Q.usage_of_functions, **whose) or (0, 0)
    for query in (Q.usage_of_versions, Q.usage_of_layers):
        code_size += (tx.one(query, **whose) or (0,))[0]
    return {
        "AccountLimit": {
            "TotalCodeSize": CODE_BYTES_MAX,
            "CodeSizeUnzipped": UNZIPPED_BYTES_MAX,
            "CodeSizeZipped": ZIP_BYTES_MAX,
            "ConcurrentExecutions": CONCURRENT_EXECUTIONS_MAX,
            "UnreservedConcurrentExecutions": CONCURRENT_EXECUTIONS_MAX - _reserved(tx, ctx, 0),
        },
        "AccountUsage": {"TotalCodeSize": int(code_size), "FunctionCount": functions},
    }


def _reserved(tx: Tx, ctx: Context, without_id: int) -> int:
    row = tx.one(Q.sum_reserved, account=ctx.account, region=ctx.region, without_id=without_id)
    return 0 if row is None else int(row[0])
