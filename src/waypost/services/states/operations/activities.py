"""Activities: tasks that wait for workers to come for them."""

from waypost.service import Context, Params, Park
from waypost.services.states import driver, errors
from waypost.services.states.limits import ACTIVITY_POLL_MS
from waypost.services.states.operations import find
from waypost.services.states.queries import Q
from waypost.services.states.rows import activity_key
from waypost.services.states.rules import arns, configuration, names, pages, tags
from waypost.store.store import Tx


def create_activity(tx: Tx, ctx: Context, request: Params) -> Params:
    """Create an activity; one that exists is answered as it is."""
    name = request["name"]
    if not names.is_valid(name):
        raise errors.invalid_name(name)
    arn = arns.activity_arn(ctx.region, ctx.account, name)
    if request.get("encryptionConfiguration") is not None:
        configuration.encryption(request["encryptionConfiguration"])
    tagged = tags.read(request.get("tags"), arn)
    row = tx.one(Q.find_activity, account=ctx.account, region=ctx.region, name=name)
    if row is not None:
        return {"activityArn": arn, "creationDate": row[1] / 1000}
    activity = ctx.ids.row(ctx.now_ms)
    tx.run(Q.insert_activity, id=activity, account=ctx.account, region=ctx.region, name=name, now=ctx.now_ms)
    for key, value in tagged.items():
        tx.send(Q.put_tag, resource=activity, key=key, value=value)
    return {"activityArn": arn, "creationDate": ctx.now_ms / 1000}


def delete_activity(tx: Tx, ctx: Context, request: Params) -> Params:
    """Delete an activity; tasks already scheduled wait on, and time out if they may."""
    named = arns.activity(request["activityArn"])
    row = None
    if find.is_here(ctx, named):
        row = tx.one(Q.find_activity, account=ctx.account, region=ctx.region, name=named.name)
    if row is not None:
        tx.send(Q.delete_activity, id=row[0])
        tx.send(Q.delete_tags, resource=row[0])
    return {}


def describe_activity(tx: Tx, ctx: Context, request: Params) -> Params:
    """An activity."""
    arn = request["activityArn"]
    _, created_ms, name = find.activity(tx, ctx, arn)
    return {
        "activityArn": arn,
        "name": name,
        "creationDate": created_ms / 1000,
        "encryptionConfiguration": {"type": "AWS_OWNED_KEY"},
    }


def list_activities(tx: Tx, ctx: Context, request: Params) -> Params:
    """The activities of an account and region, by name."""
    size = pages.size(request.get("maxResults"))
    place = pages.read(request.get("nextToken"), "activities", ctx.now_ms, str)
    rows = tx.all(
        Q.list_activities, account=ctx.account, region=ctx.region, after=place[0] if place else "", max=size + 1
    )
    answer: Params = {
        "activities": [
            {
                "activityArn": arns.activity_arn(ctx.region, ctx.account, name),
                "name": name,
                "creationDate": created_ms / 1000,
            }
            for name, created_ms in rows[:size]
        ]
    }
    if len(rows) > size:
        answer["nextToken"] = pages.write("activities", ctx.now_ms, rows[size - 1][0])
    return answer


def get_activity_task(tx: Tx, ctx: Context, request: Params) -> Params | Park:
    """The longest waiting task of an activity; waits up to a minute for one, then answers without a token."""
    activity, _, _ = find.activity(tx, ctx, request["activityArn"])
    while True:
        row = tx.one(Q.claim_activity_task, activity=activity)
        if row is None:
            break
        execution, branch, attempt, token, text = row
        started = driver.worker_started(ctx, branch, attempt, request.get("workerName") or "")
        if driver.advance(tx, ctx, execution, started):
            return {"taskToken": token, "input": text}
    until_ms = ctx.started_ms + ACTIVITY_POLL_MS
    if ctx.now_ms >= until_ms:
        return {}
    return Park((activity_key(activity),), until_ms)
