"""Log groups."""

import re

from waypost.service import Context, Params
from waypost.services.logs import errors, groups
from waypost.services.logs.jobs import schedule_clear, schedule_expiry
from waypost.services.logs.limits import NAMES_LOOKED_AT_MAX, PAGE_DEFAULT
from waypost.services.logs.queries import Q
from waypost.services.logs.rules import names, pages, retention, tags
from waypost.store.store import Row, Tx

STANDARD = "STANDARD"


def create_log_group(tx: Tx, ctx: Context, request: Params) -> Params:
    """Create a group, which keeps events for ever until it is told otherwise."""
    name = request["logGroupName"]
    names.check_new_group(name)
    tagged = tags.added({}, request.get("tags") or {}, names.group_arn(ctx.account, ctx.region, name))
    if not groups.make_group(tx, ctx, name, tagged, protected=bool(request.get("deletionProtectionEnabled"))):
        raise errors.group_exists()
    return {}


def delete_log_group(tx: Tx, ctx: Context, request: Params) -> Params:
    """Delete a group with its streams and events."""
    group = groups.hold(tx, ctx, request["logGroupName"])
    if group.protected:
        raise errors.protected()
    tx.run(Q.delete_group, id=group.id)
    schedule_clear(tx, ctx, group.id)
    return {}


def put_log_group_deletion_protection(tx: Tx, ctx: Context, request: Params) -> Params:
    """Protect a group from deletion, or no longer."""
    group = groups.hold(tx, ctx, names.identified(request["logGroupIdentifier"], ctx.account, ctx.region))
    tx.run(Q.set_protected, id=group.id, protected=int(request["deletionProtectionEnabled"]))
    return {}


def put_retention_policy(tx: Tx, ctx: Context, request: Params) -> Params:
    """Let a group's events expire after some days; those that are older are gone at once."""
    days = request["retentionInDays"]
    retention.check_days(days)
    group = groups.hold(tx, ctx, request["logGroupName"])
    if days != group.retention_days:
        tx.run(Q.set_retention, id=group.id, days=days)
        schedule_expiry(tx, ctx, group.id, group.name, days)
    return {}


def delete_retention_policy(tx: Tx, ctx: Context, request: Params) -> Params:
    """Let a group keep its events for ever."""
    group = groups.hold(tx, ctx, request["logGroupName"])
    tx.run(Q.set_retention, id=group.id, days=None)
    schedule_expiry(tx, ctx, group.id, group.name, None)
    return {}


def describe_log_groups(tx: Tx, ctx: Context, request: Params) -> Params:
    """Groups in the order of their names: those with a prefix, with a substring, or by name."""
    prefix, pattern = request.get("logGroupNamePrefix"), request.get("logGroupNamePattern")
    identifiers, group_class = request.get("logGroupIdentifiers"), request.get("logGroupClass")
    if prefix is not None and pattern is not None:
        raise errors.invalid("logGroupNamePrefix and logGroupNamePattern are mutually exclusive.")
    if identifiers is not None:
        if any(request.get(other) is not None for other in ("logGroupNamePrefix", "logGroupNamePattern", "nextToken")):
            raise errors.invalid("logGroupIdentifiers cannot be combined with other filters.")
        rows = []
        for name in sorted({names.identified(one, ctx.account, ctx.region) for one in identifiers}):
            row = tx.one(Q.describe_group, account=ctx.account, region=ctx.region, name=name)
            if row is not None:
                rows.append(row[:5])
        return {"logGroups": [_described(tx, ctx, row) for row in rows]}
    if group_class not in (None, STANDARD):
        return {"logGroups": []}  # no other class can be made
    about = f"groups:{ctx.account}:{ctx.region}:{prefix}:{pattern}"
    rows, after = _page(
        tx, ctx, request.get("nextToken"), about, request.get("limit") or PAGE_DEFAULT, names.beginning_with(prefix),
        re.compile(re.escape(pattern)) if pattern else None,
    )  # fmt: skip
    if pattern:
        described = [
            {
                "logGroupName": row[0], "creationTime": row[4],
                "arn": f"{names.group_arn(ctx.account, ctx.region, row[0])}:*",
            }
            for row in rows
        ]  # fmt: skip
    else:
        described = [_described(tx, ctx, row) for row in rows]
    answer: Params = {"logGroups": described}
    return answer if after is None else {**answer, "nextToken": pages.write(about, ctx.now_ms, after)}


def list_log_groups(tx: Tx, ctx: Context, request: Params) -> Params:
    """The names of groups, all of them or those that a simple expression finds."""
    pattern = request.get("logGroupNamePattern")
    if request.get("logGroupClass") not in (None, STANDARD):
        return {"logGroups": []}
    about = f"list:{ctx.account}:{ctx.region}:{pattern}"
    # Letters, digits, . _ - / # and ^ | : the model has checked it. Only a dot would mean more than itself.
    expression = re.compile(pattern.replace(".", r"\.").replace("#", r"\#")) if pattern else None
    size = request.get("limit") or PAGE_DEFAULT
    rows, after = _page(tx, ctx, request.get("nextToken"), about, size, names.EVERY, expression)
    answer: Params = {
        "logGroups": [
            {
                "logGroupName": row[0], "logGroupArn": names.group_arn(ctx.account, ctx.region, row[0]),
                "logGroupClass": STANDARD,
            }
            for row in rows
        ]
    }  # fmt: skip
    return answer if after is None else {**answer, "nextToken": pages.write(about, ctx.now_ms, after)}


def _page(
    tx: Tx, ctx: Context, token: str | None, about: str, size: int, within: names.Range, wanted: re.Pattern[str] | None
) -> tuple[list[Row], str | None]:
    """Some groups, and the name after which the next page begins, if there is one."""
    place = pages.read(token, about, ctx.now_ms, str)
    after = place[0] if place else ""
    fetch = size + 1 if wanted is None else NAMES_LOOKED_AT_MAX
    rows = tx.all(
        Q.list_groups, account=ctx.account, region=ctx.region, after=after, low=within.low, high=within.high,
        limit=fetch,
    )  # fmt: skip
    found = rows if wanted is None else [row for row in rows if wanted.search(row[0])]
    if len(found) > size:
        return found[:size], found[size - 1][0]
    if wanted is not None and len(rows) == fetch:
        return found, rows[-1][0]
    return found, None


def _described(tx: Tx, ctx: Context, row: Row) -> Params:
    name, group, days, protected, created_ms = row
    arn = names.group_arn(ctx.account, ctx.region, name)
    described: Params = {
        "logGroupName": name, "creationTime": created_ms, "metricFilterCount": 0, "arn": f"{arn}:*",
        "logGroupArn": arn, "storedBytes": groups.stored_bytes(tx, group), "logGroupClass": STANDARD,
        "deletionProtectionEnabled": bool(protected),
    }  # fmt: skip
    return described if days is None else {**described, "retentionInDays": days}
