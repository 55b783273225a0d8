"""GetQueueAttributes, SetQueueAttributes, and the permissions that live in the Policy attribute."""

from waypost.service import Context, Operation, Params
from waypost.services.sqs import errors
from waypost.services.sqs.counts import count
from waypost.services.sqs.jobs import schedule_expiry
from waypost.services.sqs.queries import Q
from waypost.services.sqs.queue import Queue, addressed, find_arn, locked
from waypost.services.sqs.rules import attributes, redrive
from waypost.services.sqs.rules.policy import add_permission as with_permission
from waypost.services.sqs.rules.policy import remove_permission as without_permission
from waypost.store.store import Tx


def get_queue_attributes(tx: Tx, ctx: Context, request: Params) -> Params:
    """The attributes that were named; nothing where none was."""
    queue = addressed(tx, ctx, request)
    wanted = set(request.get("AttributeNames") or ())
    for name in wanted:
        if name not in attributes.READABLE:
            raise errors.unknown_attribute(name)
    if not wanted:
        return {}
    row = tx.one(Q.get_attributes, account=queue.account, region=queue.region, name=queue.name)
    assert row is not None  # noqa: S101 (found just now, in the same transaction)
    created_ms, modified_ms, policy = row
    known = {
        "QueueArn": queue.arn,
        "CreatedTimestamp": str(created_ms // 1_000),
        "LastModifiedTimestamp": str(modified_ms // 1_000),
        **attributes.shown(queue.settings.given, fifo=queue.fifo),
    }
    if policy is not None:
        known["Policy"] = policy
    if "All" in wanted or wanted & attributes.COUNTS:
        known |= _counts(tx, ctx, queue)
    found = {name: value for name, value in known.items() if "All" in wanted or name in wanted}
    return {"Attributes": found} if found else {}


def _counts(tx: Tx, ctx: Context, queue: Queue) -> dict[str, str]:
    counts = count(tx, ctx, queue)
    return {
        "ApproximateNumberOfMessages": str(counts.visible),
        "ApproximateNumberOfMessagesNotVisible": str(counts.in_flight),
        "ApproximateNumberOfMessagesDelayed": str(counts.delayed),
    }


def set_queue_attributes(tx: Tx, ctx: Context, request: Params) -> Params:
    """Change some attributes; they hold from the next request on."""
    given: dict[str, str] = request.get("Attributes") or {}
    if not given:
        raise errors.missing("Attributes")
    queue = locked(tx, ctx, request)
    changed = attributes.change(current_attributes(tx, queue), given, fifo=queue.fifo)
    attributes.check_key(given, queue.region, queue.account)
    check_dead_letters(tx, queue, changed, given)
    _write(tx, ctx, queue, changed)
    return {}


def current_attributes(tx: Tx, queue: Queue) -> dict[str, str]:
    """All attributes that were set on a queue, its policy included."""
    row = tx.one(Q.get_attributes, account=queue.account, region=queue.region, name=queue.name)
    policy = None if row is None else row[2]
    return {**queue.settings.given, **({} if policy is None else {"Policy": policy})}


def check_dead_letters(tx: Tx, queue: Queue, changed: attributes.Attributes, given: attributes.Attributes) -> None:
    """Raise ``AwsError`` where a redrive policy that is being set names a queue that cannot take the dead letters."""
    text = given.get("RedrivePolicy")
    if not text:
        return
    wanted = redrive.parse_redrive(changed["RedrivePolicy"])
    if (wanted.target.region, wanted.target.account) != (queue.region, queue.account):
        raise redrive.invalid_policy(text, "Dead-letter queue must be in the same account and region as the source.")
    if str(wanted.target) == queue.arn:
        raise redrive.invalid_policy(text, "A queue cannot be its own dead-letter queue.")
    target = find_arn(tx, wanted.target)
    if target is None:
        raise redrive.invalid_policy(text, "Dead letter target does not exist.")
    if target.fifo != queue.fifo:
        raise redrive.invalid_policy(text, "Dead-letter queue must be same type of queue as the source.")
    if not redrive.permits(target.settings.allowance, queue.arn):
        raise redrive.invalid_policy(
            text, f"The redrive allow policy of {target.arn} does not permit {queue.arn} to use it."
        )


def _write(tx: Tx, ctx: Context, queue: Queue, changed: attributes.Attributes) -> None:
    per_group = attributes.is_per_group(changed)
    scope_changed_ms = queue.settings.scope_changed_ms if per_group == queue.settings.per_group else ctx.now_ms
    text = attributes.write_settings(changed, scope_changed_ms)
    settings = attributes.read_settings(text)
    tx.run(
        Q.set_attributes, account=queue.account, region=queue.region, name=queue.name, settings=text, now=ctx.now_ms,
        dead_letter_arn=None if settings.redrive is None else str(settings.redrive.target),
        policy=changed.get("Policy"),
    )  # fmt: skip
    if settings.retention_ms != queue.settings.retention_ms:
        schedule_expiry(tx, ctx, queue._replace(settings=settings))


def add_permission(tx: Tx, ctx: Context, request: Params) -> Params:
    """Write a statement for other accounts into the queue's policy."""
    for name in ("Label", "AWSAccountIds", "Actions"):
        if not request.get(name):
            raise errors.missing(name)
    queue = locked(tx, ctx, request)
    current = current_attributes(tx, queue)
    policy = with_permission(
        current.get("Policy"), queue.arn, request["Label"], request["AWSAccountIds"], request["Actions"]
    )
    _write(tx, ctx, queue, {**current, "Policy": policy})
    return {}


def remove_permission(tx: Tx, ctx: Context, request: Params) -> Params:
    """Take such a statement out again."""
    if not request.get("Label"):
        raise errors.missing("Label")
    queue = locked(tx, ctx, request)
    current = current_attributes(tx, queue)
    policy = without_permission(current.pop("Policy", None), request["Label"])
    _write(tx, ctx, queue, current if policy is None else {**current, "Policy": policy})
    return {}


OPERATIONS: dict[str, Operation] = {
    "AddPermission": add_permission,
    "GetQueueAttributes": get_queue_attributes,
    "RemovePermission": remove_permission,
    "SetQueueAttributes": set_queue_attributes,
}
