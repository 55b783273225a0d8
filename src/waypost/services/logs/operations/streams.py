"""Log streams."""

from waypost.service import Context, Params
from waypost.services.logs import errors, groups
from waypost.services.logs.jobs import schedule_clear_stream
from waypost.services.logs.limits import PAGE_DEFAULT
from waypost.services.logs.queries import Q
from waypost.services.logs.rules import names, pages
from waypost.services.logs.rules.pages import NEVER_MS, Place, event_id
from waypost.store.store import Row, Tx


def create_log_stream(tx: Tx, ctx: Context, request: Params) -> Params:
    """Create an empty stream."""
    group = groups.keep(tx, ctx, request["logGroupName"])
    if not groups.make_stream(tx, ctx, group, request["logStreamName"]):
        raise errors.stream_exists()
    return {}


def delete_log_stream(tx: Tx, ctx: Context, request: Params) -> Params:
    """Delete a stream with its events."""
    group = groups.keep(tx, ctx, request["logGroupName"])
    gone = tx.one(Q.delete_stream, group_id=group, name=request["logStreamName"])
    if gone is None:
        raise errors.no_stream()
    schedule_clear_stream(tx, ctx, group, gone[0])
    return {}


def describe_log_streams(tx: Tx, ctx: Context, request: Params) -> Params:
    """Streams of a group in the order of their names, or of their newest events."""
    name = names.asked_group(request, ctx.account, ctx.region)
    prefix, by_time = request.get("logStreamNamePrefix"), request.get("orderBy") == "LastEventTime"
    if by_time and prefix is not None:
        raise errors.invalid("Cannot order by LastEventTime with a logStreamNamePrefix.")
    group = groups.find(tx, ctx, name)
    back, size = bool(request.get("descending")), request.get("limit") or PAGE_DEFAULT
    about = f"streams:{group.id}:{prefix}:{by_time}:{back}"
    place = pages.read(request.get("nextToken"), about, ctx.now_ms, int, str)
    if place is None:
        place = [NEVER_MS, names.LAST] if back else [-1, ""]
    if by_time:
        query = Q.list_streams_by_time_back if back else Q.list_streams_by_time
        rows = tx.all(query, group_id=group.id, at=place[0], name=place[1], limit=size + 1)
    else:
        query = Q.list_streams_back if back else Q.list_streams
        within = names.beginning_with(prefix)
        edge = {"before": place[1]} if back else {"after": place[1]}
        rows = tx.all(query, group_id=group.id, low=within.low, high=within.high, limit=size + 1, **edge)
    answer: Params = {"logStreams": [_described(ctx, name, row) for row in rows[:size]]}
    if len(rows) > size:
        last = rows[size - 1]
        answer["nextToken"] = pages.write(about, ctx.now_ms, last[4], last[0])
    return answer


def _described(ctx: Context, group: str, row: Row) -> Params:
    name, stream, created_ms, first_ms, last_ms, ingested_ms = row
    described: Params = {
        "logStreamName": name, "creationTime": created_ms,
        "arn": names.stream_arn(ctx.account, ctx.region, group, name),
        "uploadSequenceToken": sequence_token(stream, ingested_ms),
        "storedBytes": 0,  # of groups only, since 2019 (the model's documentation)
    }  # fmt: skip
    if ingested_ms:
        described |= {"firstEventTimestamp": first_ms, "lastEventTimestamp": last_ms, "lastIngestionTime": ingested_ms}
    return described


def sequence_token(stream: int, ingested_ms: int) -> str:
    """What old clients hand to their next put, where it is ignored."""
    return event_id(Place(ingested_ms, stream, 0))
