"""SendMessage and SendMessageBatch."""

from typing import Any, NamedTuple

from waypost.aws.errors import AwsError
from waypost.service import Context, Operation, Params
from waypost.services.sqs import errors, groups
from waypost.services.sqs.limits import BATCH_BYTES_MAX, DEDUP_MS, DELAY_S_MAX, INLINE_BYTES_MAX
from waypost.services.sqs.operations.batches import check_entries
from waypost.services.sqs.queries import Q
from waypost.services.sqs.queue import Queue, addressed
from waypost.services.sqs.rules import fifo, message
from waypost.services.sqs.rules.digest import attributes_md5, body_md5
from waypost.store.store import Tx


class Draft(NamedTuple):
    """A message that has passed every check but that of its size."""

    body: str
    body_bytes: bytes
    size: int
    delay_ms: int
    attributes: message.Attributes
    system_attributes: message.Attributes
    trace: str | None
    group_id: str | None
    dedup_id: str | None


def send_message(tx: Tx, ctx: Context, request: Params) -> Params:
    """Keep a message; answer its id and the digests of what was understood."""
    if not request.get("MessageBody"):
        raise errors.missing("MessageBody")
    message.check_lists(request, "SendMessage")
    queue = addressed(tx, ctx, request)
    draft = _check(request, queue, _trace(ctx))
    if draft.size > queue.settings.size_max:
        raise errors.invalid(f"One or more parameters are invalid. Reason: {_too_long(queue)}")
    return _send(tx, ctx, queue, draft)


def send_message_batch(tx: Tx, ctx: Context, request: Params) -> Params:
    """Up to ten messages; one that cannot be kept fails alone."""
    queue = addressed(tx, ctx, request)
    entries = request.get("Entries") or []
    check_entries("SendMessageBatchRequestEntry", entries, "MessageBody")
    for entry in entries:
        message.check_lists(entry, "SendMessageBatch")
    if queue.fifo:
        _check_fifo_batch(queue, entries)
    drafts: list[tuple[str, Draft]] = []
    failed = []
    total = 0
    for entry in entries:
        try:
            draft = _check(entry, queue, _trace(ctx))
        except AwsError as error:
            failed.append(errors.failed_entry(entry["Id"], error))
            total += message.size(entry["MessageBody"], entry.get("MessageAttributes") or {})
            continue
        total += draft.size
        if draft.size > queue.settings.size_max:
            reason = f"One or more parameters cannot be validated. Reason: {_too_long(queue)}"
            failed.append(errors.failed_entry(entry["Id"], errors.invalid(reason)))
        else:
            drafts.append((entry["Id"], draft))
    if total > BATCH_BYTES_MAX:
        raise AwsError(
            "BatchRequestTooLong",
            f"Batch requests cannot be longer than {BATCH_BYTES_MAX} bytes. You have sent {total} bytes.",
        )
    answer: Params = {}
    if drafts:
        answer["Successful"] = [{"Id": entry_id, **_send(tx, ctx, queue, draft)} for entry_id, draft in drafts]
    if failed:
        answer["Failed"] = failed
    return answer


def _check_fifo_batch(queue: Queue, entries: list[Params]) -> None:
    """What fails a whole batch though only one entry has it, as recorded."""
    for entry in entries:
        if entry.get("MessageGroupId") is None:
            # The same sentence as in SendMessage, under another code.
            raise errors.invalid("The request must contain the parameter MessageGroupId.")
        if entry.get("MessageDeduplicationId") is None and not queue.settings.content_based:
            raise _no_dedup_id()


def _no_dedup_id() -> AwsError:
    return errors.invalid(
        "The queue should either have ContentBasedDeduplication enabled or MessageDeduplicationId provided explicitly"
    )


def _too_long(queue: Queue) -> str:
    return f"Message must be shorter than {queue.settings.size_max} bytes."


def _trace(ctx: Context) -> str | None:
    """The trace that the request is part of: its messages carry it on, where they do not name one themselves.

    https://docs.aws.amazon.com/xray/latest/devguide/xray-services-sqs.html
    """
    return ctx.trace if "Root=" in ctx.trace and ctx.wire != "internal" else None


def _check(entry: Params, queue: Queue, trace: str | None) -> Draft:
    """Read one message of a request; raises ``AwsError`` in SQS's words."""
    body: str = entry["MessageBody"]
    body_bytes = message.check_body(body)
    attributes = entry.get("MessageAttributes") or {}
    size = len(body_bytes) + (message.check_attributes(attributes) if attributes else 0)
    system = entry.get("MessageSystemAttributes") or {}
    trace = message.trace_header(system) if system else trace
    group_id = entry.get("MessageGroupId")
    if group_id is not None:
        fifo.check_id("MessageGroupId", group_id)
    dedup_id = entry.get("MessageDeduplicationId")
    delay_s = entry.get("DelaySeconds")
    delay_ms = queue.settings.delay_ms
    if queue.fifo:
        dedup_id = _check_fifo(queue, entry, group_id, dedup_id, body_bytes)
    else:
        if dedup_id is not None:
            raise errors.invalid_value(
                "MessageDeduplicationId",
                dedup_id,
                "The request includes a parameter that is not valid for this queue type.",
            )
        if delay_s is not None:
            if not 0 <= delay_s <= DELAY_S_MAX:
                raise errors.invalid_value("DelaySeconds", delay_s, f"DelaySeconds must be >= 0 and <= {DELAY_S_MAX}.")
            delay_ms = delay_s * 1_000
    return Draft(body, body_bytes, size, delay_ms, attributes, system, trace, group_id, dedup_id)


def _check_fifo(queue: Queue, entry: Params, group_id: str | None, dedup_id: str | None, body: bytes) -> str:
    """The deduplication id of a message to a FIFO queue."""
    if group_id is None:
        raise errors.missing("MessageGroupId")
    if entry.get("DelaySeconds"):
        # The sentence's grammar is AWS's.
        raise errors.invalid_value(
            "DelaySeconds",
            entry["DelaySeconds"],
            "The request include parameter that is not valid for this queue type.",
        )
    if dedup_id is not None:
        fifo.check_id("MessageDeduplicationId", dedup_id)
        return dedup_id
    if queue.settings.content_based:
        return fifo.content_id(body)
    raise _no_dedup_id()


def _send(tx: Tx, ctx: Context, queue: Queue, draft: Draft) -> Params:
    message_id = ctx.ids.uuid()
    digest = body_md5(draft.body_bytes)
    answer: Params = {"MessageId": message_id, "MD5OfMessageBody": digest}
    if draft.attributes:
        answer["MD5OfMessageAttributes"] = attributes_md5(draft.attributes)
    if draft.system_attributes:
        answer["MD5OfMessageSystemAttributes"] = attributes_md5(draft.system_attributes)
    if queue.fifo:
        answer["MessageId"], sequence = keep_fifo(tx, ctx, queue, draft, message_id, digest)
        answer["SequenceNumber"] = fifo.sequence_number(sequence)
    else:
        keep(tx, ctx, queue, draft, message_id, digest, ctx.ids.row(ctx.now_ms), None)
    return answer


def keep_fifo(tx: Tx, ctx: Context, queue: Queue, draft: Draft, message_id: str, digest: str) -> tuple[str, int]:
    """Keep a message unless it is a duplicate; answers the message id and sequence number, then the original's."""
    group_id, dedup_id = str(draft.group_id), str(draft.dedup_id)
    key = fifo.dedup_key(dedup_id, group_id, per_group=queue.settings.per_group)
    if queue.settings.scope_changed_ms + DEDUP_MS > ctx.now_ms:
        other = fifo.other_dedup_key(dedup_id, group_id, per_group=queue.settings.per_group)
        earlier = tx.one(Q.find_dedup, storage=queue.storage, key=other, now=ctx.now_ms)
        if earlier is not None:
            return earlier[0], earlier[1]
    row_id = ctx.ids.row(ctx.now_ms)
    named: dict[str, Any] = {"storage": queue.storage, "key": key}
    new = tx.run(
        Q.claim_dedup, message_id=message_id, sequence=row_id, now=ctx.now_ms, expires_at=ctx.now_ms + DEDUP_MS, **named
    )
    if not new:
        original = tx.one(Q.get_dedup, **named)
        assert original is not None  # noqa: S101 (it is why nothing changed)
        return original[0], original[1]
    sequence = groups.enter(tx, ctx, queue, group_id, row_id, ctx.now_ms + draft.delay_ms)
    if sequence != row_id:
        tx.send(Q.set_dedup_sequence, sequence=sequence, **named)
    keep(tx, ctx, queue, draft, message_id, digest, row_id, sequence)
    return message_id, sequence


def keep(
    tx: Tx, ctx: Context, queue: Queue, draft: Draft, message_id: str, digest: str, row_id: int, sequence: int | None
) -> None:
    """Keep a message; ``digest`` is its body's, and looked at only where the body is long."""
    body: str | None = draft.body
    storage = queue.home(draft.group_id) if queue.lanes else queue.storage
    if len(draft.body_bytes) > INLINE_BYTES_MAX:
        tx.send(Q.insert_body, id=row_id, storage=storage, md5=digest, body=body)
        body = None
    visible_at_ms = ctx.now_ms + draft.delay_ms
    if draft.group_id is None and not draft.attributes and draft.trace is None:
        tx.send(
            Q.insert_plain_message, id=row_id, storage=storage, visible_at=visible_at_ms, sent_at=ctx.now_ms,
            message_id=message_id, sender=ctx.caller.user_id, body=body,
        )  # fmt: skip
    else:
        tx.send(
            Q.insert_message, id=row_id, storage=storage, visible_at=visible_at_ms, sent_at=ctx.now_ms,
            message_id=message_id, sender=ctx.caller.user_id, group_id=draft.group_id, sequence=sequence,
            dedup_id=draft.dedup_id, trace=draft.trace,
            attributes=message.write_attributes(draft.attributes) if draft.attributes else None, body=body,
        )  # fmt: skip
    # A delayed one wakes a receiver, too: to learn when to look again.
    tx.wake(queue.wake_key)


OPERATIONS: dict[str, Operation] = {"SendMessage": send_message, "SendMessageBatch": send_message_batch}
