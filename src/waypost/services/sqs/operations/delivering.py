"""What other services put into queues: one message for many of them. Never reached from the wire."""

from collections.abc import Iterable, Iterator
from typing import Any

from waypost.arn import Arn
from waypost.aws.errors import AwsError
from waypost.service import Context, Operation, Params
from waypost.services.sqs import errors
from waypost.services.sqs.limits import INLINE_BYTES_MAX
from waypost.services.sqs.operations.sending import Draft, keep, keep_fifo
from waypost.services.sqs.queries import Q
from waypost.services.sqs.queue import Queue, of_row
from waypost.services.sqs.rules import message
from waypost.services.sqs.rules.digest import body_md5
from waypost.store.store import Tx

Place = tuple[str, str, str]
"""Region, account and name of a queue."""

_FOUND_MAX = 10
"""Queues that one statement looks for: as many as ``get_queues`` has parameters."""


def deliver(tx: Tx, ctx: Context, request: Params) -> Params:
    """Put letters into queues, whatever their MaximumMessageSize.

    ``{"Letters": [(queue's Arn, body), ...], "Text", "Attributes", "GroupId", "DedupId", "Trace"}``. ``Text`` is what
    of the bodies may have characters that a queue does not take. ``Attributes`` are MessageAttributes, and like the
    other three may be None; only FIFO queues regard ``DedupId``.

    Answers ``{"Refused": [(index of a letter, AwsError), ...]}``; the other letters are in their queues.
    """
    letters: list[tuple[Arn, str]] = request["Letters"]
    attributes = request.get("Attributes") or {}
    try:
        message.check_body(request["Text"])
        if attributes:
            message.check_attributes(attributes)
    except AwsError as refused:
        return {"Refused": [(index, refused) for index in range(len(letters))]}
    group_id, dedup_id, trace = request.get("GroupId"), request.get("DedupId"), request.get("Trace")
    found = _find(tx, {arn[2:] for arn, _ in letters})
    refused_ones: list[tuple[int, AwsError]] = []
    for index, (arn, body) in enumerate(letters):
        queue = found.get(arn[2:])
        if queue is None:
            refused_ones.append((index, errors.no_queue()))
            continue
        body_bytes = body.encode()
        digest = body_md5(body_bytes) if len(body_bytes) > INLINE_BYTES_MAX else ""
        draft = Draft(body, body_bytes, 0, queue.settings.delay_ms, attributes, {}, trace, group_id, dedup_id)
        if not queue.fifo:
            # From a FIFO topic a standard queue gets neither, as recorded of AWS; from a standard topic, the group.
            draft = draft._replace(group_id=None, dedup_id=None) if dedup_id is not None else draft
            keep(tx, ctx, queue, draft, ctx.ids.uuid(), digest, ctx.ids.row(ctx.now_ms), None)
        elif group_id is None or dedup_id is None:
            refused_ones.append((index, errors.missing("MessageGroupId")))
        else:
            keep_fifo(tx, ctx, queue, draft, ctx.ids.uuid(), digest)
    return {"Refused": refused_ones}


def _find(tx: Tx, places: set[Place]) -> dict[Place, Queue]:
    """Those of the queues that are there."""
    found: dict[Place, Queue] = {}
    for region, account, queue_names in _chunks(places):
        sought: dict[str, Any] = {
            f"name{number}": queue_names[number] if number < len(queue_names) else "" for number in range(_FOUND_MAX)
        }
        for name, *row in tx.all(Q.get_queues, account=account, region=region, **sought):
            found[region, account, name] = of_row(account, region, name, tuple(row))
    return found


def _chunks(places: Iterable[Place]) -> Iterator[tuple[str, str, list[str]]]:
    """As many names of one region and account as one statement takes."""
    homes: dict[tuple[str, str], list[str]] = {}
    for region, account, name in places:
        homes.setdefault((region, account), []).append(name)
    for (region, account), queue_names in homes.items():
        for start in range(0, len(queue_names), _FOUND_MAX):
            yield region, account, queue_names[start : start + _FOUND_MAX]


OPERATIONS: dict[str, Operation] = {"waypost:Deliver": deliver}
