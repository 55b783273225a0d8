"""Log events: in, and out again."""

import zlib

from waypost.service import Context, Params
from waypost.services.logs import errors, groups, intake, reading
from waypost.services.logs.limits import EVENTS_PAGE_MAX, STREAMS_APART_MAX
from waypost.services.logs.operations.streams import sequence_token
from waypost.services.logs.queries import Q
from waypost.services.logs.reading import Source, Span
from waypost.services.logs.rules import names, pages
from waypost.services.logs.rules.intake import check_batch
from waypost.services.logs.rules.pages import NEVER_MS, Place
from waypost.services.logs.rules.retention import oldest_kept_ms
from waypost.store.store import Tx

INVERSE_SINCE_MS = 1_704_067_200_000
"""2024-01-01: FilterLogEvents reads from the end only what is not older."""


def put_log_events(tx: Tx, ctx: Context, request: Params) -> Params:
    """Add a batch of events; those that are too old or too new are named and left out."""
    events = [(event["timestamp"], event["message"]) for event in request["logEvents"]]
    group = groups.find(tx, ctx, request["logGroupName"])
    taken = check_batch(events, ctx.now_ms, group.retention_days)
    stream = request["logStreamName"]
    if taken.events:
        intake.put(tx, ctx, group, stream, taken.events)
    elif tx.one(Q.get_stream, group_id=group.id, name=stream) is None:
        raise errors.no_stream()
    answer: Params = {"nextSequenceToken": sequence_token(group.id, ctx.now_ms)}
    return {**answer, "rejectedLogEventsInfo": taken.rejected} if taken.rejected else answer


def append(tx: Tx, ctx: Context, request: Params) -> Params:
    """Between services: ``{"logGroupName", "logStreamName", "logEvents": [(ms, message), ...]}``, oldest first.

    Makes the group and the stream where they are missing. What AWS limits in a put is not limited here: whoever writes
    from within keeps its lines short and its batches moderate. No events: only group and stream are made.
    """
    name, stream, events = request["logGroupName"], request["logStreamName"], request["logEvents"]
    if tx.one(Q.get_group, account=ctx.account, region=ctx.region, name=name) is None:
        groups.make_group(tx, ctx, name, {})
    group = groups.find(tx, ctx, name)
    if tx.one(Q.get_stream, group_id=group.id, name=stream) is None:
        groups.keep(tx, ctx, name)
        groups.make_stream(tx, ctx, group.id, stream)
    if events:
        intake.put(tx, ctx, group, stream, events)
    return {}


def get_log_events(tx: Tx, ctx: Context, request: Params) -> Params:
    """A page of one stream; where nothing more is there the token that was given comes back."""
    group = groups.find(tx, ctx, names.asked_group(request, ctx.account, ctx.region))
    stream = request["logStreamName"]
    row = tx.one(Q.get_stream, group_id=group.id, name=stream)
    if row is None:
        raise errors.no_stream()
    oldest_ms = oldest_kept_ms(ctx.now_ms, group.retention_days)
    span = Span(max(request.get("startTime") or 0, oldest_ms), min(request.get("endTime", NEVER_MS), NEVER_MS))
    token = request.get("nextToken")
    if token is not None:
        place, forward = pages.read_stream_token(token)
    else:
        forward = bool(request.get("startFromHead"))
        place = reading.start(span, forward=forward)
    wanted = request.get("limit") or EVENTS_PAGE_MAX
    page = reading.read(tx, [Source(group.id, (row[0], stream))], span, place, wanted, forward=forward)
    if not page.events:
        # From the end, and nothing is there: what comes later comes after the beginning.
        end = reading.start(span, forward=True) if token is None else place
        return {"events": [], **_tokens(place, end)}
    events = page.events if forward else page.events[::-1]
    last = events[-1].place
    return {
        "events": [reading.shown(event) for event in events],
        **_tokens(events[0].place, last._replace(number=last.number + 1)),
    }


def _tokens(begin: Place, end: Place) -> Params:
    return {
        "nextForwardToken": pages.stream_token(end, forward=True),
        "nextBackwardToken": pages.stream_token(begin, forward=False),
    }


def filter_log_events(tx: Tx, ctx: Context, request: Params) -> Params:
    """Events of a group, of all streams or some, that a pattern takes; a page may be empty and still have a token."""
    if request.get("logStreamNames") is not None and request.get("logStreamNamePrefix") is not None:
        raise errors.invalid("logStreamNames and logStreamNamePrefix are mutually exclusive.")
    text = request.get("filterPattern") or ""
    pattern = intake.pattern_of(text)
    forward = request.get("startFromHead", True)
    if not forward and (request.get("startTime") or 0) < INVERSE_SINCE_MS:
        raise errors.invalid("startFromHead can be false only where startTime is on or after 2024-01-01T00:00:00Z.")
    group = groups.find(tx, ctx, names.asked_group(request, ctx.account, ctx.region))
    oldest_ms = oldest_kept_ms(ctx.now_ms, group.retention_days)
    until_ms = min(request.get("endTime", NEVER_MS), NEVER_MS - 1) + 1
    span = Span(max(request.get("startTime") or 0, oldest_ms), until_ms)
    about = f"events:{group.id}:{_digest(request)}"
    token = pages.read(request.get("nextToken"), about, ctx.now_ms, bool, int, int, int)
    if token is not None:
        forward, place = token[0], pages.checked(Place(*token[1:]))
    else:
        place = reading.start(span, forward=forward)
    sources = _sources(tx, group.id, request)
    page = reading.read(
        tx, sources, span, place, request.get("limit") or EVENTS_PAGE_MAX, forward=forward,
        pattern=None if pattern.takes_all else pattern,
    )  # fmt: skip
    answer: Params = {
        "events": [
            {"logStreamName": event.stream, **reading.shown(event), "eventId": pages.event_id(event.place)}
            for event in page.events
        ],
        "searchedLogStreams": [],  # since 2020 (the model's documentation)
    }
    return answer if page.ended else {**answer, "nextToken": pages.write(about, ctx.now_ms, forward, *page.place)}


def _digest(request: Params) -> str:
    """What a token is good for: a page of the same question."""
    asked = [request.get(name) for name in ("filterPattern", "logStreamNames", "logStreamNamePrefix")]
    return f"{zlib.crc32(repr(asked).encode('utf-8', 'backslashreplace')):08x}"


def _sources(tx: Tx, group: int, request: Params) -> list[Source]:
    """What has to be read: each wanted stream by itself where they are few, else all of them together."""
    streams: list[tuple[int, str]] = []
    if request.get("logStreamNames") is not None:
        for name in sorted(set(request["logStreamNames"])):
            row = tx.one(Q.get_stream, group_id=group, name=name)
            if row is None:
                raise errors.no_stream()
            streams.append((row[0], name))
        return [Source(group, stream) for stream in streams]
    within = names.beginning_with(request.get("logStreamNamePrefix"))
    if within == names.EVERY:
        return [Source(group)]
    rows = tx.all(
        Q.list_streams, group_id=group, after="", low=within.low, high=within.high, limit=STREAMS_APART_MAX + 1
    )
    if len(rows) > STREAMS_APART_MAX:
        return [Source(group, names=within)]
    return [Source(group, (row[1], row[0])) for row in rows]
