"""TagQueue, UntagQueue, ListQueueTags."""

import json

from waypost.service import Context, Operation, Params
from waypost.services.sqs import errors
from waypost.services.sqs.limits import TAG_KEY_MAX, TAG_VALUE_MAX, TAGS_MAX
from waypost.services.sqs.queries import Q
from waypost.services.sqs.queue import Queue, locked, owned
from waypost.store.store import Tx


def tag_queue(tx: Tx, ctx: Context, request: Params) -> Params:
    """Add tags, or give those that are there new values."""
    added = request.get("Tags")
    if not added:
        raise errors.missing("Tags")
    queue = locked(tx, ctx, request)
    tags = read_tags(tx, queue)
    check_tags(queue.name, tags, added)
    _write(tx, queue, {**tags, **added})
    return {}


def untag_queue(tx: Tx, ctx: Context, request: Params) -> Params:
    """Remove tags; those that are not there are no matter."""
    removed = request.get("TagKeys")
    if not removed:
        raise errors.missing("TagKeys")
    queue = locked(tx, ctx, request)
    _write(tx, queue, {key: value for key, value in read_tags(tx, queue).items() if key not in removed})
    return {}


def list_queue_tags(tx: Tx, ctx: Context, request: Params) -> Params:
    """All tags; no member where there is none."""
    tags = read_tags(tx, owned(tx, ctx, request))
    return {"Tags": tags} if tags else {}


def check_tags(queue_name: str, present: dict[str, str], added: dict[str, str]) -> None:
    """Raise ``AwsError`` where a queue cannot have these tags, too."""
    for key, value in added.items():
        if not 1 <= len(key) <= TAG_KEY_MAX:
            raise errors.invalid(f"Tag keys must be between 1 and {TAG_KEY_MAX} characters in length.")
        if len(value) > TAG_VALUE_MAX:
            raise errors.invalid(f"Tag values must be between 0 and {TAG_VALUE_MAX} characters in length.")
        if key.lower().startswith("aws:"):
            raise errors.invalid("Tag keys cannot start with reserved prefixes: aws:.")
    if len(present.keys() | added.keys()) > TAGS_MAX:
        raise errors.invalid(f"Too many tags added for queue {queue_name}.")


def read_tags(tx: Tx, queue: Queue) -> dict[str, str]:
    """Those of a queue that is there."""
    row = tx.one(Q.get_tags, account=queue.account, region=queue.region, name=queue.name)
    return {} if row is None else dict(json.loads(row[0]))


def _write(tx: Tx, queue: Queue, tags: dict[str, str]) -> None:
    tx.run(Q.set_tags, account=queue.account, region=queue.region, name=queue.name, tags=json.dumps(tags))


OPERATIONS: dict[str, Operation] = {
    "ListQueueTags": list_queue_tags,
    "TagQueue": tag_queue,
    "UntagQueue": untag_queue,
}
