"""What other services put into queues: one message for many of them. Never reached from the wire."""

from functools import lru_cache

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
    found = _find(tx, tuple([arn[2:] for arn, _ in letters]))
    plain = not attributes and group_id is None and dedup_id is None and trace is None
    insert, ids, now_ms, sender = Q.insert_plain_message, ctx.ids, ctx.now_ms, ctx.caller.user_id
    refused_ones: list[tuple[int, AwsError]] = []
    for index, ((_, body), queue) in enumerate(zip(letters, found, strict=True)):
        if queue is None:
            refused_ones.append((index, errors.no_queue()))
            continue
        if plain and not queue.fifo and body.isascii() and len(body) <= INLINE_BYTES_MAX:
            # Nearly all are like this, and this way takes half the time.
            tx.send(
                insert, id=ids.row(now_ms), storage=queue.storage, visible_at=now_ms + queue.settings.delay_ms,
                sent_at=now_ms, message_id=ids.uuid(), sender=sender, body=body,
            )  # fmt: skip
            tx.wake(queue.wake_key)
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


def _find(tx: Tx, places: tuple[Place, ...]) -> list[Queue | None]:
    """The queue of each place; None where there is none."""
    found: dict[Place, Queue] = {}
    for region, account, sought in _questions(places):
        for row in tx.all(Q.get_queues, account=account, region=region, **sought):
            name = row[0]
            found[region, account, name] = of_row(account, region, name, row[1:])
    return [found.get(place) for place in places]


@lru_cache(maxsize=1024)
def _questions(places: tuple[Place, ...]) -> list[tuple[str, str, dict[str, str]]]:
    """Regions and accounts, with as many names in them as one statement takes; a topic asks for the same every time."""
    homes: dict[tuple[str, str], dict[str, None]] = {}
    for region, account, name in places:
        homes.setdefault((region, account), {})[name] = None
    return [
        (
            region,
            account,
            {f"name{number}": name for number, name in enumerate([*some, *[""] * (_FOUND_MAX - len(some))])},
        )
        for (region, account), named in homes.items()
        for start in range(0, len(named), _FOUND_MAX)
        for some in (list(named)[start : start + _FOUND_MAX],)
    ]


OPERATIONS: dict[str, Operation] = {"waypost:Deliver": deliver}
