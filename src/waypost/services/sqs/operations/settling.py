"""DeleteMessage and ChangeMessageVisibility, and their batches: what a receiver does with a receipt handle."""

from waypost.service import Context, Operation, Params
from waypost.services.sqs import errors
from waypost.services.sqs.counts import freed
from waypost.services.sqs.groups import settle
from waypost.services.sqs.limits import VISIBILITY_S_MAX
from waypost.services.sqs.operations.batches import check_entries, each
from waypost.services.sqs.queries import Q
from waypost.services.sqs.queue import Queue, addressed
from waypost.services.sqs.rules import receipt
from waypost.services.sqs.rules.receipt import Receipt
from waypost.services.sqs.rules.retention import oldest_kept
from waypost.store.store import Tx


def delete_message(tx: Tx, ctx: Context, request: Params) -> Params:
    """Delete a message; one that is gone already was deleted well."""
    # AWS calls it so here: https://github.com/aws/aws-sdk-js-v3/issues/5478 .
    handle = _handle(request, "MessageHandle")
    _delete(tx, ctx, addressed(tx, ctx, request), handle)
    return {}


def delete_message_batch(tx: Tx, ctx: Context, request: Params) -> Params:
    """Up to ten."""
    queue = addressed(tx, ctx, request)
    entries = request.get("Entries") or []
    check_entries("DeleteMessageBatchRequestEntry", entries, "ReceiptHandle")
    return each(entries, lambda entry: _delete(tx, ctx, queue, entry["ReceiptHandle"]))


def change_message_visibility(tx: Tx, ctx: Context, request: Params) -> Params:
    """Hide a received message for so many seconds from now on; zero gives it back."""
    handle, visibility_s = _handle(request, "ReceiptHandle"), _visibility(request)
    _change(tx, ctx, addressed(tx, ctx, request), handle, visibility_s)
    return {}


def change_message_visibility_batch(tx: Tx, ctx: Context, request: Params) -> Params:
    """Up to ten."""
    queue = addressed(tx, ctx, request)
    entries = request.get("Entries") or []
    check_entries("ChangeMessageVisibilityBatchRequestEntry", entries, "ReceiptHandle")
    return each(entries, lambda entry: _change(tx, ctx, queue, entry["ReceiptHandle"], _visibility(entry)))


def _handle(request: Params, called: str) -> str:
    handle: str | None = request.get("ReceiptHandle")
    if not handle:
        raise errors.missing(called)
    return handle


def _visibility(request: Params) -> int:
    seconds: int | None = request.get("VisibilityTimeout")
    if seconds is None:
        raise errors.missing("VisibilityTimeout")
    return seconds


def _read(queue: Queue, handle: str) -> Receipt:
    found = receipt.read(handle)
    if found is None:
        raise errors.bad_handle(handle)
    if found.queue_id != queue.id:
        raise errors.foreign_handle(handle)
    return found


def _delete(tx: Tx, ctx: Context, queue: Queue, handle: str) -> None:
    receive = _read(queue, handle)
    freed(tx, queue)
    if queue.fifo:
        _delete_received(tx, ctx, queue, handle, receive)
        return
    # A lane may go though a message came to it late; what a purge left behind may be deleted as well.
    for storage in _places(queue, receive) or (receive.storage, *queue.storages):
        if not receive.has_body_row:
            tx.send(Q.delete_message, id=receive.message, storage=storage)
        elif tx.run(Q.delete_message, id=receive.message, storage=storage):
            # Else it was moved to a dead-letter queue, where it may have the same id.
            tx.send(Q.delete_body, id=receive.message, storage=storage)


def _places(queue: Queue, receive: Receipt) -> tuple[int, ...]:
    """Where a message may lie that was received: where its handle says, unless the queue has that no longer."""
    if not receive.storage:
        return queue.storages
    return (receive.storage,) if receive.storage in queue.storages else ()


def _delete_received(tx: Tx, ctx: Context, queue: Queue, handle: str, receive: Receipt) -> None:
    row = tx.one(
        Q.delete_received_message, id=receive.message, storage=queue.storage, receives=receive.receives, now=ctx.now_ms
    )
    if row is not None:
        if receive.has_body_row:
            tx.send(Q.delete_body, id=receive.message, storage=queue.storage)
        settle(tx, ctx, queue, row[0])
    elif tx.one(Q.get_message, id=receive.message, storage=queue.storage) is not None:
        raise errors.expired_handle(handle)


def _change(tx: Tx, ctx: Context, queue: Queue, handle: str, visibility_s: int) -> None:
    receive = _read(queue, handle)
    if not 0 <= visibility_s <= VISIBILITY_S_MAX:
        raise errors.invalid_value(
            "VisibilityTimeout", visibility_s, f"Must be >= 0 and <= {VISIBILITY_S_MAX}, if provided."
        )
    visible_at_ms = ctx.now_ms + visibility_s * 1_000
    if visible_at_ms - receive.received_at_ms > VISIBILITY_S_MAX * 1_000:
        raise errors.invalid_value(
            "VisibilityTimeout",
            visibility_s,
            f"Total VisibilityTimeout for the message is beyond the limit [{VISIBILITY_S_MAX} seconds]",
        )
    if receive.message < oldest_kept(ctx.now_ms, queue.settings.retention_ms):
        raise errors.gone(handle)
    message = {"id": receive.message, "visible_at": visible_at_ms}
    if queue.fifo:
        row = tx.one(
            Q.change_received_visibility, storage=queue.storage, receives=receive.receives, now=ctx.now_ms, **message
        )
        if row is not None:
            settle(tx, ctx, queue, row[0])
        elif tx.one(Q.get_message, id=receive.message, storage=queue.storage) is not None:
            raise errors.expired_handle(handle)
        else:
            raise errors.gone(handle)
    elif not any(tx.run(Q.change_visibility, storage=storage, **message) for storage in _places(queue, receive)):
        raise errors.gone(handle)
    # Somebody gets it now, or learns when.
    tx.wake(queue.wake_key)


OPERATIONS: dict[str, Operation] = {
    "ChangeMessageVisibility": change_message_visibility,
    "ChangeMessageVisibilityBatch": change_message_visibility_batch,
    "DeleteMessage": delete_message,
    "DeleteMessageBatch": delete_message_batch,
}
