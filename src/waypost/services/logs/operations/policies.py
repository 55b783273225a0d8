"""Resource policies of an account. They are kept and answered; nothing is decided by them yet."""

import msgspec

from waypost.service import Context, Params
from waypost.services.logs import errors
from waypost.services.logs.limits import POLICIES_MAX
from waypost.services.logs.queries import Q
from waypost.services.logs.rules import pages
from waypost.store.store import Row, Tx

_decode = msgspec.json.Decoder(dict[str, object]).decode


def put_resource_policy(tx: Tx, ctx: Context, request: Params) -> Params:
    """Create a policy, or replace the one of that name."""
    name, document = request.get("policyName"), request.get("policyDocument")
    if not name or not document:
        raise errors.invalid("policyName and policyDocument are required.")
    try:
        _decode(document)
    except (msgspec.DecodeError, RecursionError):
        raise errors.invalid("The policy document is not a JSON object.") from None
    known = [row[0] for row in _policies(tx, ctx, "", POLICIES_MAX + 1)]
    if name not in known and len(known) >= POLICIES_MAX:
        raise errors.limit_exceeded()
    tx.run(
        Q.put_policy, account=ctx.account, region=ctx.region, name=name, document=document, now=ctx.now_ms
    )  # fmt: skip
    return {"resourcePolicy": _described((name, document, ctx.now_ms))}


def describe_resource_policies(tx: Tx, ctx: Context, request: Params) -> Params:
    """All of them, by name."""
    about, size = f"policies:{ctx.account}:{ctx.region}", request.get("limit") or POLICIES_MAX
    place = pages.read(request.get("nextToken"), about, ctx.now_ms, str)
    rows = _policies(tx, ctx, place[0] if place else "", size + 1)
    answer: Params = {"resourcePolicies": [_described(row) for row in rows[:size]]}
    if len(rows) > size:
        answer["nextToken"] = pages.write(about, ctx.now_ms, rows[size - 1][0])
    return answer


def delete_resource_policy(tx: Tx, ctx: Context, request: Params) -> Params:
    """Delete a policy."""
    name = request.get("policyName") or ""
    if not tx.run(Q.delete_policy, account=ctx.account, region=ctx.region, name=name):
        raise errors.no_policy(name)
    return {}


def _policies(tx: Tx, ctx: Context, after: str, limit: int) -> list[Row]:
    return tx.all(Q.list_policies, account=ctx.account, region=ctx.region, after=after, limit=limit)


def _described(row: Row) -> Params:
    name, document, updated_ms = row
    return {
        "policyName": name, "policyDocument": document, "lastUpdatedTime": updated_ms, "policyScope": "ACCOUNT"
    }  # fmt: skip
