"""GetExecutionHistory: a plain read of what the steps wrote."""

from collections.abc import Iterator
from typing import Any

import msgspec

from waypost.service import Context, Params
from waypost.services.states.limits import HISTORY_PAGE_BYTES
from waypost.services.states.operations import find
from waypost.services.states.queries import Q
from waypost.services.states.rules import pages
from waypost.store.store import Tx

_decode = msgspec.json.Decoder(list[dict[str, Any]]).decode
_DOCUMENTS = ("input", "inputDetails", "output", "outputDetails", "parameters")
_LAST = 1 << 62
_ROWS_MAX = 8
"""Rows of history read at once: each is one transaction's events."""


def get_execution_history(tx: Tx, ctx: Context, request: Params) -> Params:
    """The events of an execution, oldest or newest first, a page at a time."""
    execution = find.execution_brief(tx, ctx, request["executionArn"]).id
    backward = bool(request.get("reverseOrder"))
    about = f"history:{execution}:{'backward' if backward else 'forward'}"
    place = pages.read(request.get("nextToken"), about, ctx.now_ms, int)
    start = place[0] if place else (_LAST if backward else 1)
    size = pages.size(request.get("maxResults"))
    shown: list[dict[str, Any]] = []
    answer: Params = {"events": shown}
    for event, read in _events(tx, execution, start, backward=backward):
        if len(shown) == size or read >= HISTORY_PAGE_BYTES:
            answer["nextToken"] = pages.write(about, ctx.now_ms, event["id"])
            break
        shown.append(_shown(event, with_data=request.get("includeExecutionData") is not False))
    return answer


def _events(tx: Tx, execution: int, start: int, *, backward: bool) -> Iterator[tuple[dict[str, Any], int]]:
    """Events from ``start`` on, each with how many bytes of history were read before its row."""
    read = 0
    query = Q.history_backward if backward else Q.history_forward
    while True:
        rows = tx.all(query, execution=execution, from_id=start, max=_ROWS_MAX)
        for _, text in rows:
            events = _decode(text)
            for event in reversed(events) if backward else events:
                if (event["id"] <= start) if backward else (event["id"] >= start):
                    yield event, read
            read += len(text)
            start = events[0]["id"] - 1 if backward else events[-1]["id"] + 1
        if len(rows) < _ROWS_MAX:
            return


def _shown(event: dict[str, Any], *, with_data: bool) -> dict[str, Any]:
    event["timestamp"] /= 1000
    if not with_data:
        for name, details in event.items():
            if name.endswith("EventDetails"):
                event[name] = {key: value for key, value in details.items() if key not in _DOCUMENTS}
    return event
