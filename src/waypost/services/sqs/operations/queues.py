"""Queues themselves: create, find, list, purge, delete."""

import base64
import binascii
import json

from waypost.aws.errors import AwsError
from waypost.service import Context, Operation, Params
from waypost.services.sqs import errors, moves
from waypost.services.sqs.jobs import rest_name, schedule_expiry, schedule_purge
from waypost.services.sqs.limits import LIST_MAX, NAME_REST_MS, PURGE_PAUSE_MS
from waypost.services.sqs.operations.attributes import check_dead_letters, current_attributes
from waypost.services.sqs.operations.tags import check_tags, read_tags
from waypost.services.sqs.queries import Q
from waypost.services.sqs.queue import Queue, addressed, find, owned
from waypost.services.sqs.rules import attributes, names
from waypost.services.sqs.rules.fairness import read_lanes
from waypost.store.store import Tx
from waypost.work.jobs import drop


def create_queue(tx: Tx, ctx: Context, request: Params) -> Params:
    """Make a queue, or find the one that is there already with the attributes given."""
    _check_endpoint(ctx, "CreateQueue")
    name = request.get("QueueName")
    if not name:
        raise errors.missing("QueueName")
    given: dict[str, str] = request.get("Attributes") or {}
    tags: dict[str, str] = request.get("tags") or {}
    fifo = attributes.wants_fifo(given)
    url = {"QueueUrl": names.queue_url(ctx.base_url, ctx.account, name)}
    present = find(tx, ctx.region, ctx.account, name)
    settings = attributes.change({}, given, fifo=fifo or (present is not None and present.fifo))
    attributes.check_key(given, ctx.region, ctx.account)
    if present is not None:
        _check_same(tx, present, given, tags)
        return url
    names.check_name(name, fifo=fifo)
    check_tags(name, {}, tags)
    _check_rested(tx, ctx, name)
    row_id = ctx.ids.row(ctx.now_ms)
    text = attributes.write_settings(settings)
    queue = Queue(ctx.account, ctx.region, name, row_id, row_id, attributes.read_settings(text), fifo)
    check_dead_letters(tx, queue, settings, given)
    redrive = queue.settings.redrive
    tx.run(
        Q.insert_queue, account=ctx.account, region=ctx.region, name=name, id=row_id, settings=text, now=ctx.now_ms,
        dead_letter_arn=None if redrive is None else str(redrive.target), tags=json.dumps(tags),
        policy=settings.get("Policy"),
    )  # fmt: skip
    schedule_expiry(tx, ctx, queue)
    return url


def _check_endpoint(ctx: Context, action: str) -> None:
    """Raise ``AwsError`` where a request over Query that is about no queue went to a queue's URL, as recorded."""
    if ctx.wire == "query" and names.parse_url(ctx.path) is not None:
        raise AwsError("InvalidAction", f"The action {action} is not valid for this endpoint.", 400)


def _check_same(tx: Tx, present: Queue, given: dict[str, str], tags: dict[str, str]) -> None:
    """Raise ``AwsError`` where CreateQueue's wish, as far as it says something, is not the queue that is there.

    AWS compares tags, too (https://github.com/Bogdanp/dramatiq_sqs/pull/13 ); how it words that is not recorded.
    """
    different = attributes.difference(current_attributes(tx, present), given, fifo=present.fifo)
    if different is not None:
        raise AwsError(
            "QueueNameExists",
            "A queue already exists with the same name and a different value for attribute " + different,
        )
    if tags and tags != read_tags(tx, present):
        raise AwsError("QueueNameExists", "A queue already exists with the same name and different tags")


def _check_rested(tx: Tx, ctx: Context, name: str) -> None:
    row = tx.one(Q.get_deleted_queue, account=ctx.account, region=ctx.region, name=name)
    if row is not None and row[0] + NAME_REST_MS > ctx.now_ms:
        raise AwsError(
            "QueueDeletedRecently",
            "You must wait 60 seconds after deleting a queue before you can create another with the same name.",
        )


def get_queue_url(tx: Tx, ctx: Context, request: Params) -> Params:
    """The URL of a queue of that name."""
    name = request.get("QueueName")
    if not name:
        raise errors.missing("QueueName")
    account = request.get("QueueOwnerAWSAccountId") or ctx.account
    if find(tx, ctx.region, account, name) is None:
        raise errors.no_queue()
    return {"QueueUrl": names.queue_url(ctx.base_url, account, name)}


def list_queues(tx: Tx, ctx: Context, request: Params) -> Params:
    """The account's queues by name."""
    _check_endpoint(ctx, "ListQueues")
    prefix = request.get("QueueNamePrefix") or ""
    limit, after = _page(request)
    rows = tx.all(
        Q.list_queues, account=ctx.account, region=ctx.region, prefix=prefix, prefix_end=names.prefix_end(prefix),
        after=after, limit=limit + 1,
    )  # fmt: skip
    return _listed(ctx, ctx.account, request, "QueueUrls", [row[0] for row in rows], limit)


def list_dead_letter_source_queues(tx: Tx, ctx: Context, request: Params) -> Params:
    """The queues whose dead letters go to this one."""
    queue = addressed(tx, ctx, request)
    limit, after = _page(request)
    rows = tx.all(Q.list_sources, dead_letter_arn=queue.arn, after=after, limit=limit + 1)
    # The list is there even when it is empty, unlike ListQueues'.
    return {"queueUrls": [], **_listed(ctx, queue.account, request, "queueUrls", [row[0] for row in rows], limit)}


def _page(request: Params) -> tuple[int, str]:
    """How many to list, and after which name."""
    limit = request.get("MaxResults")
    if limit is None:
        limit = LIST_MAX
    elif not 1 <= limit <= LIST_MAX:
        raise errors.invalid_value("MaxResults", limit, f"Must be between 1 and {LIST_MAX}, if provided.")
    token = request.get("NextToken")
    if not token:
        return limit, ""
    try:
        return limit, base64.b64decode(token, validate=True).decode()
    except (binascii.Error, UnicodeDecodeError):
        raise errors.invalid("Invalid or expired next token.") from None


def _listed(ctx: Context, account: str, request: Params, member: str, found: list[str], limit: int) -> Params:
    answer: Params = {}
    if found:
        answer[member] = [names.queue_url(ctx.base_url, account, name) for name in found[:limit]]
    # AWS gives a token only to those who asked for pages.
    if len(found) > limit and request.get("MaxResults") is not None:
        answer["NextToken"] = base64.b64encode(found[limit - 1].encode()).decode()
    return answer


def purge_queue(tx: Tx, ctx: Context, request: Params) -> Params:
    """Forget all messages: waiting, delayed and in flight."""
    queue = addressed(tx, ctx, request)
    tx.one(Q.lock_queue, account=queue.account, region=queue.region, name=queue.name)
    queue = addressed(tx, ctx, request)  # with all its lanes: nobody else makes one now
    storage = ctx.ids.row(ctx.now_ms + 1)  # made after all that is purged
    purged = tx.run(
        Q.purge_queue, account=queue.account, region=queue.region, name=queue.name, storage=storage,
        now=ctx.now_ms, latest=ctx.now_ms - PURGE_PAUSE_MS,
    )  # fmt: skip
    if not purged:
        raise AwsError(
            "PurgeQueueInProgress", f"Only one PurgeQueue operation on {queue.name} is allowed every 60 seconds.", 403
        )
    for storage in queue.storages:
        schedule_purge(tx, ctx, storage)
    return {}


def delete_queue(tx: Tx, ctx: Context, request: Params) -> Params:
    """Delete a queue at once; a job deletes its messages."""
    queue = owned(tx, ctx, request)
    row = tx.one(Q.delete_queue, account=queue.account, region=queue.region, name=queue.name)
    if row is None:
        raise errors.no_queue()
    drop(tx, queue.job_key)
    moves.forget(tx, queue)
    for storage in queue._replace(storage=row[0], lanes=() if row[1] is None else read_lanes(row[1])).storages:
        schedule_purge(tx, ctx, storage)
    rest_name(tx, ctx, queue)
    tx.wake(queue.wake_key, 0)
    return {}


OPERATIONS: dict[str, Operation] = {
    "CreateQueue": create_queue,
    "DeleteQueue": delete_queue,
    "GetQueueUrl": get_queue_url,
    "ListDeadLetterSourceQueues": list_dead_letter_source_queues,
    "ListQueues": list_queues,
    "PurgeQueue": purge_queue,
}
