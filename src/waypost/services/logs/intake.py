"""Events on their way into a stream: rows, and what subscribed functions are told."""

import base64
import gzip
import logging
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any

import msgspec

from waypost.aws.errors import AwsError
from waypost.service import Context, Params
from waypost.services.logs import errors
from waypost.services.logs.groups import Group, Subscription
from waypost.services.logs.limits import DELIVERY_BYTES_MAX
from waypost.services.logs.queries import Q
from waypost.services.logs.rules.pages import Place, event_id
from waypost.services.logs.rules.patterns import Pattern, compile_pattern
from waypost.services.logs.rules.rows import Event, rows_of
from waypost.store.store import Tx

log = logging.getLogger(__name__)

_encode = msgspec.json.Encoder().encode

pattern_of: Callable[[str], Pattern] = lru_cache(maxsize=256)(compile_pattern)
"""A pattern by its text, compiled once. Raises ``AwsError``."""


def put(tx: Tx, ctx: Context, group: Group, stream: str, events: Sequence[Event]) -> None:
    """Add events, in the order of their times, to a stream; an unknown stream raises ``AwsError``."""
    rows = list(rows_of(events))
    found = tx.one(
        Q.touch_stream, group_id=group.id, name=stream, first=rows[0].first_ms, last=rows[-1].last_ms, now=ctx.now_ms,
        bytes=sum(row.size for row in rows),
    )  # fmt: skip
    if found is None:
        raise errors.no_stream()
    first_row = 0
    for row in rows:
        row_id = ctx.ids.row(ctx.now_ms)
        first_row = first_row or row_id
        tx.send(
            Q.insert_batch, group_id=group.id, stream=found[0], first=row.first_ms, last=row.last_ms, id=row_id,
            now=ctx.now_ms, bytes=row.size, events=row.packed,
        )  # fmt: skip
    for subscription in group.subscriptions:
        deliver(tx, ctx, group, stream, subscription, events, first_row)


def deliver(
    tx: Tx, ctx: Context, group: Group, stream: str, subscription: Subscription, events: Sequence[Event], row: int
) -> None:
    """Promise a subscribed function the events that it wants: Lambda keeps the promise, trying again by its rules."""
    pattern = pattern_of(subscription.pattern)
    wanted: list[dict[str, Any]] = []
    for index, (at_ms, message) in enumerate(events):
        fields = pattern.match(message)
        if fields is not None:
            event: dict[str, Any] = {
                "id": event_id(Place(at_ms, row, index)), "timestamp": at_ms, "message": message,
            }  # fmt: skip
            if pattern.is_of_fields:
                event["extractedFields"] = {name.removeprefix("$"): value for name, value in fields.items()}
            wanted.append(event)
    if wanted:
        head = {
            "messageType": "DATA_MESSAGE", "owner": ctx.account, "logGroup": group.name, "logStream": stream,
            "subscriptionFilters": [subscription.name],
        }  # fmt: skip
        _invoke(tx, ctx, subscription, head, wanted)


def _invoke(tx: Tx, ctx: Context, subscription: Subscription, head: Params, wanted: list[dict[str, Any]]) -> None:
    document = gzip.compress(_encode({**head, "logEvents": wanted}), 6, mtime=0)
    payload = _encode({"awslogs": {"data": base64.b64encode(document).decode()}})
    if len(payload) > DELIVERY_BYTES_MAX:
        half = len(wanted) // 2
        if not half:
            log.warning("an event for %s is dropped: it is too large for an invocation", subscription.destination)
            return
        _invoke(tx, ctx, subscription, head, wanted[:half])
        _invoke(tx, ctx, subscription, head, wanted[half:])
        return
    request = {"FunctionName": subscription.destination, "InvocationType": "Event", "Payload": payload}
    try:
        ctx.calls.call(tx, ctx, "lambda", "Invoke", request)
    except AwsError as error:
        # AWS, too, drops what it cannot deliver for good; the put is none the worse for it.
        log.warning("events of %s for %s are dropped: %s", head["logGroup"], subscription.destination, error)
