"""Settings of functions that Waypost has one answer to, and says so."""

from waypost.service import Context, Params
from waypost.services.lambdas.function import find, lock, lock_latest
from waypost.services.lambdas.queries import Q
from waypost.services.lambdas.rules import names
from waypost.store.store import Tx


def get_function_recursion_config(tx: Tx, ctx: Context, request: Params) -> Params:
    """Loops are not looked for, so they are allowed."""
    lock(tx, ctx, request, Q.get_function)
    return {"RecursiveLoop": "Allow"}


def put_function_recursion_config(tx: Tx, ctx: Context, request: Params) -> Params:
    """``Allow`` is what is; ``Terminate`` is refused before this."""
    lock_latest(tx, ctx, request)
    return {"RecursiveLoop": "Allow"}


def get_runtime_management_config(tx: Tx, ctx: Context, request: Params) -> Params:
    """A function runs on what the host has at the moment: AWS's ``Auto``."""
    named, _ = find(tx, ctx, request)
    return _runtime(named)


def put_runtime_management_config(tx: Tx, ctx: Context, request: Params) -> Params:
    """``Auto`` is what is; others are refused before this."""
    named, _ = find(tx, ctx, request)
    return _runtime(named)


def _runtime(named: names.Named) -> Params:
    text = names.function_arn(named.account, named.region, named.name)
    return {"UpdateRuntimeOn": "Auto", "FunctionArn": names.qualified(text, named.qualifier or names.LATEST)}
