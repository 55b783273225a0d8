"""ReceiveMessage."""

import json
from collections.abc import Collection
from typing import Any, NamedTuple

from waypost.service import Context, Operation, Params, Park
from waypost.services.sqs import errors, floor
from waypost.services.sqs.counts import room
from waypost.services.sqs.delivery import Claim, Delivered, claim, next_claim_ms
from waypost.services.sqs.groups import settle
from waypost.services.sqs.limits import DEDUP_MS, RECEIVE_MAX, VISIBILITY_S_MAX, WAIT_S_MAX
from waypost.services.sqs.queries import Q
from waypost.services.sqs.queue import Queue, addressed
from waypost.services.sqs.rules import fifo, message, receipt
from waypost.services.sqs.rules.digest import attributes_md5, body_md5
from waypost.services.sqs.rules.retention import oldest_kept
from waypost.store.store import Tx


class _Wish(NamedTuple):
    """What a receiver asked for."""

    limit: int
    visibility_ms: int
    wait_ms: int
    attempt_id: str | None
    system_names: Collection[str]
    attribute_names: Collection[str]


def receive_message(tx: Tx, ctx: Context, request: Params) -> Params | Park:
    """Up to ten messages, hidden from others from now on; parks as long as there are none and the wait lasts."""
    queue = addressed(tx, ctx, request)
    wish = _wish(request, queue, ctx.wire)
    if wish.attempt_id is not None:
        repeated = _repeat(tx, ctx, queue, wish, wish.attempt_id)
        if repeated is not None:
            return repeated
    granted = room(tx, ctx, queue, wish.limit)
    if not granted and not queue.fifo and not wish.wait_ms:
        raise errors.over_limit()  # a long poll waits, and a FIFO queue has nothing to say
    claimed = claim(tx, ctx, queue, granted, wish.visibility_ms) if granted else Claim([])
    if claimed.messages:
        if wish.attempt_id is not None:
            _remember(tx, ctx, queue, wish, claimed.messages)
        # Whoever waits next looks in turn: for what is left, or for when these become visible again.
        tx.wake(queue.wake_key)
        return {"Messages": [_shown(tx, queue, wish, one, ctx.now_ms) for one in claimed.messages]}
    until_ms = ctx.started_ms + wish.wait_ms
    if ctx.now_ms >= until_ms:
        if tx.shared:
            for storage in queue.storages:
                floor.after_empty(tx, ctx, queue._replace(storage=storage))
        return {}
    return Park((queue.wake_key,), until_ms, _retry_ms(tx, ctx, queue, claimed))


def _retry_ms(tx: Tx, ctx: Context, queue: Queue, claimed: Claim) -> int | None:
    return ctx.now_ms if claimed.more else next_claim_ms(tx, ctx, queue)


def wake_key(tx: Tx, ctx: Context, request: Params) -> Params:
    """For services that wait for messages: ``{"Key"}`` wakes them, and so may ``RetryAtMs``, where time alone helps."""
    queue = addressed(tx, ctx, request)
    retry_ms = next_claim_ms(tx, ctx, queue)
    return {"Key": queue.wake_key} if retry_ms is None else {"Key": queue.wake_key, "RetryAtMs": retry_ms}


def _wish(request: Params, queue: Queue, wire: str) -> _Wish:
    limit = request.get("MaxNumberOfMessages")
    if limit is None:
        limit = 1
    elif not 1 <= limit <= RECEIVE_MAX:
        raise errors.invalid_value("MaxNumberOfMessages", limit, f"Must be between 1 and {RECEIVE_MAX}, if provided.")
    settings = queue.settings
    wait_s = _seconds(request, "WaitTimeSeconds", WAIT_S_MAX)
    visibility_s = _seconds(request, "VisibilityTimeout", VISIBILITY_S_MAX)
    attempt_id = request.get("ReceiveRequestAttemptId")
    if attempt_id is not None:
        fifo.check_id("ReceiveRequestAttemptId", attempt_id)
        if not queue.fifo:
            attempt_id = None  # AWS takes it there, too, to no effect: awspring/spring-cloud-aws#529
    return _Wish(
        limit,
        settings.visibility_ms if visibility_s is None else visibility_s * 1_000,
        settings.wait_ms if wait_s is None else wait_s * 1_000,
        attempt_id,
        _system_names(request, wire),
        request.get("MessageAttributeNames") or (),
    )


def _seconds(request: Params, name: str, most: int) -> int | None:
    value: int | None = request.get(name)
    if value is not None and not 0 <= value <= most:
        raise errors.invalid_value(name, value, f"Must be >= 0 and <= {most}, if provided.")
    return value


def _system_names(request: Params, wire: str) -> Collection[str]:
    old, new = request.get("AttributeNames"), request.get("MessageSystemAttributeNames")
    if not old and not new:
        return ()
    # Recorded: Query looks at the old parameter only where the new one is missing; JSON joins them.
    named = set(new or old or ()) if wire == "query" else {*(old or ()), *(new or ())}
    for name in named:
        if name not in message.SYSTEM_ATTRIBUTES:
            raise errors.unknown_attribute(name)
    return named


def _shown(tx: Tx, queue: Queue, wish: _Wish, one: Delivered, received_at_ms: int) -> Params:
    """A message as the receiver sees it."""
    body = one.body
    if body is None:
        row = tx.one(Q.get_body, id=one.id, storage=one.storage or queue.storage)
        assert row is not None  # noqa: S101 (written and deleted together with the message)
        body, digest = row
    else:
        digest = body_md5(body.encode())
    handle = receipt.write(
        receipt.Receipt(queue.id, one.id, received_at_ms, one.receives, one.body is None, one.storage)
    )
    shown: Params = {"MessageId": one.message_id, "ReceiptHandle": handle, "MD5OfBody": digest, "Body": body}
    if wish.system_names:
        shown["Attributes"] = _system_attributes(one, wish.system_names)
    if one.attributes is not None and wish.attribute_names:
        attributes = message.read_attributes(one.attributes, wish.attribute_names)
        if attributes:
            shown["MD5OfMessageAttributes"] = attributes_md5(attributes)
            shown["MessageAttributes"] = attributes
    return shown


def _system_attributes(one: Delivered, names: Collection[str]) -> dict[str, str]:
    known: dict[str, Any] = {
        "SenderId": one.sender,
        "ApproximateFirstReceiveTimestamp": str(one.received_at_ms),
        "ApproximateReceiveCount": str(one.receives),
        "SentTimestamp": str(one.sent_at_ms),
        "MessageGroupId": one.group_id,
        "MessageDeduplicationId": one.dedup_id,
        "SequenceNumber": None if one.sequence is None else fifo.sequence_number(one.sequence),
        "AWSTraceHeader": one.trace,
        "DeadLetterQueueSourceArn": one.source_arn,
    }
    return {name: value for name, value in known.items() if value is not None and ("All" in names or name in names)}


# --- ReceiveRequestAttemptId


def _remember(tx: Tx, ctx: Context, queue: Queue, wish: _Wish, messages: list[Delivered]) -> None:
    tx.send(
        Q.put_attempt, storage=queue.storage, attempt_id=wish.attempt_id, expires_at=ctx.now_ms + DEDUP_MS,
        received_at=ctx.now_ms, hidden_until=ctx.now_ms + wish.visibility_ms,
        messages=json.dumps([[one.id, one.receives] for one in messages]),
    )  # fmt: skip


def _repeat(tx: Tx, ctx: Context, queue: Queue, wish: _Wish, attempt_id: str) -> Params | None:
    """The messages and handles that the same attempt got before, hidden anew.

    None where there was none, or where all of them became visible again and are still there: then the attempt is a new
    one. Raises ``AwsError`` where one was deleted, received or changed meanwhile.
    """
    if tx.shared:
        tx.send(
            Q.lock_attempt, storage=queue.storage, attempt_id=attempt_id, now=ctx.now_ms,
            expires_at=ctx.now_ms + DEDUP_MS,
        )  # fmt: skip
    attempt = tx.one(Q.get_attempt, storage=queue.storage, attempt_id=attempt_id, now=ctx.now_ms)
    if attempt is None:
        return None
    received_at_ms, hidden_until_ms, listed = attempt
    messages = []
    oldest = oldest_kept(ctx.now_ms, queue.settings.retention_ms)
    for row_id, receives in json.loads(listed):
        row = tx.one(Q.get_received_message, id=row_id, storage=queue.storage)
        if row is None or row[0] != hidden_until_ms or row[2] != receives or row_id < oldest:
            raise errors.not_retryable(attempt_id)
        messages.append(Delivered(*row[1:]))
    if hidden_until_ms <= ctx.now_ms:
        return None
    visible_at_ms = ctx.now_ms + wish.visibility_ms
    for one in messages:
        tx.send(Q.change_visibility, id=one.id, storage=queue.storage, visible_at=visible_at_ms)
    for group_id in {str(one.group_id) for one in messages}:
        settle(tx, ctx, queue, group_id)
    tx.send(Q.extend_attempt, storage=queue.storage, attempt_id=attempt_id, hidden_until=visible_at_ms)
    return {"Messages": [_shown(tx, queue, wish, one, received_at_ms) for one in messages]}


OPERATIONS: dict[str, Operation] = {"ReceiveMessage": receive_message, "waypost:WakeKey": wake_key}
