"""Message groups of FIFO queues: the one row of each that says when its first message may be received."""

from waypost.service import Context
from waypost.services.sqs.queries import Q
from waypost.services.sqs.queue import Queue
from waypost.store.store import Tx


def settle(tx: Tx, ctx: Context, queue: Queue, group_id: str) -> None:
    """Bring a group's row in line after its first message may have changed, and wake a receiver if it is free."""
    # A statement sees what was committed before it began: one that waited for the lock would look at the past, take the
    # group for empty, and its newest message would be lost.
    locked = tx.one(Q.lock_group, storage=queue.storage, group_id=group_id)
    if locked is None:
        return
    row = tx.one(Q.settle_group, storage=queue.storage, group_id=group_id, head=locked[0], now=ctx.now_ms)
    if row is None:
        return
    if row[0] < 0:
        tx.run(Q.delete_group, storage=queue.storage, group_id=group_id)
    elif row[0] <= ctx.now_ms:
        tx.wake(queue.wake_key)
