"""Topics themselves: create, show, change, list, delete."""

import json
from collections.abc import Mapping

from waypost.aws.errors import AwsError
from waypost.service import Context, Operation, Params
from waypost.services.sns import errors, usage
from waypost.services.sns.jobs import schedule_clean, schedule_clear
from waypost.services.sns.limits import CLEAN_BATCH_MAX, LARGE_SUBSCRIPTIONS_MAX, LIST_MAX, SIZE_MAX_DEFAULT
from waypost.services.sns.queries import Q
from waypost.services.sns.rules import attributes, names, pages
from waypost.services.sns.rules.envelope import timestamp
from waypost.services.sns.rules.policies import default_policy
from waypost.services.sns.rules.protection import check_protection
from waypost.services.sns.rules.tags import check_tags
from waypost.services.sns.topic import Topic, addressed, find
from waypost.store.store import Tx


def create_topic(tx: Tx, ctx: Context, request: Params) -> Params:
    """Make a topic, or find the one that is there already with the attributes and tags given."""
    name: str = request["Name"]
    given: dict[str, str] = request.get("Attributes") or {}
    tags = check_tags({}, request.get("Tags") or [])
    protection = request.get("DataProtectionPolicy")
    fifo = _wants_fifo(given)
    present = find(tx, ctx.region, ctx.account, name)
    if present is not None:
        _check_same(tx, present, given, tags)
        return {"TopicArn": present.arn}
    names.check_name(name, fifo=fifo)
    settings = attributes.change_topic({}, given, fifo=fifo, now_ms=ctx.now_ms, creating=True)
    if protection:
        check_protection(protection)
    kind = usage.FIFO_TOPICS if fifo else usage.TOPICS
    usage.check(tx, ctx.account, ctx.region, kind)
    row_id = ctx.ids.row(ctx.now_ms)
    text = attributes.write_settings(settings)
    made = tx.run(
        Q.insert_topic, account=ctx.account, region=ctx.region, name=name, id=row_id, settings=text, now=ctx.now_ms,
        tags=json.dumps(tags), policy=settings.get("Policy"), data_protection=protection or None,
    )  # fmt: skip
    topic = find(tx, ctx.region, ctx.account, name)
    assert topic is not None  # noqa: S101 (it, or what was there before it)
    if not made:
        # Another node was first, between the look and the insert.
        _check_same(tx, topic, given, tags)
        return {"TopicArn": topic.arn}
    usage.add(tx, ctx.account, ctx.region, kind)
    if fifo:
        schedule_clean(tx, ctx, topic)
    return {"TopicArn": topic.arn}


def _wants_fifo(given: Mapping[str, str]) -> bool:
    wish = given.get("FifoTopic", "false").lower()
    if wish not in {"true", "false"}:
        raise errors.invalid("Attributes", f"FifoTopic: Invalid value [{given['FifoTopic']}]. Must be true or false.")
    return wish == "true"


def _check_same(tx: Tx, topic: Topic, given: Mapping[str, str], tags: Mapping[str, str]) -> None:
    if attributes.differs(topic.settings, policy_of(tx, topic), given, fifo=topic.fifo):
        raise errors.invalid("Attributes", "Topic already exists with different attributes")
    if tags and tags != json.loads((tx.one(Q.get_tags, **topic.key) or ("{}",))[0]):
        raise errors.invalid("Tags", "Topic already exists with different tags")


def policy_of(tx: Tx, topic: Topic) -> str:
    """A topic's policy: the one it was given, or the one that every topic begins with."""
    row = tx.one(Q.get_topic_details, **topic.key)
    return str(row[3]) if row is not None and row[3] is not None else default_policy(topic.arn, topic.account)


def get_topic_attributes(tx: Tx, ctx: Context, request: Params) -> Params:
    """All of them."""
    topic = addressed(tx, ctx, request["TopicArn"])
    row = tx.one(Q.get_topic_details, **topic.key)
    assert row is not None  # noqa: S101 (found just now, in the same transaction)
    confirmed, pending, deleted, policy = row
    shown = {
        "TopicArn": topic.arn,
        "Owner": topic.account,
        "Policy": default_policy(topic.arn, topic.account) if policy is None else policy,
        "SubscriptionsConfirmed": str(confirmed),
        "SubscriptionsPending": str(pending),
        "SubscriptionsDeleted": str(deleted),
        **attributes.shown_topic(topic.settings, fifo=topic.fifo),
    }
    if topic.settings.archive_days:
        shown["BeginningArchiveTime"] = timestamp(attributes.archive_begin_ms(topic.settings, ctx.now_ms))
    return {"Attributes": shown}


def set_topic_attributes(tx: Tx, ctx: Context, request: Params) -> Params:
    """Change one; it holds from the next request on."""
    name, value = request["AttributeName"], request.get("AttributeValue") or ""
    topic = addressed(tx, ctx, request["TopicArn"], Q.lock_topic)
    row = tx.one(Q.get_topic_details, **topic.key)
    policy = None if row is None else row[3]
    current = {**topic.settings.given, **({} if policy is None else {"Policy": policy})}
    changed = attributes.change_topic(current, {name: value}, fifo=topic.fifo, now_ms=ctx.now_ms)
    _check_large(tx, topic, changed)
    write_attributes(tx, ctx, topic, changed)
    if name == "ArchivePolicy":
        if "ArchivePolicy" not in changed:
            tx.run(Q.fail_replays, topic=topic.id)
        schedule_clean(tx, ctx, topic)
    return {}


def write_attributes(tx: Tx, ctx: Context, topic: Topic, changed: Mapping[str, str]) -> None:
    """Keep what a locked topic's attributes are from now on, its policy among them."""
    tx.run(
        Q.set_settings, revision=ctx.ids.row(ctx.now_ms), settings=attributes.write_settings(changed),
        policy=changed.get("Policy"), **topic.key,
    )  # fmt: skip


def _check_large(tx: Tx, topic: Topic, changed: Mapping[str, str]) -> None:
    """A topic with large messages has few subscriptions, all of kinds that take them."""
    if int(changed.get("MaximumMessageSize", SIZE_MAX_DEFAULT)) <= SIZE_MAX_DEFAULT:
        return
    count = topic.confirmed + topic.pending
    small = tx.one(Q.count_small, topic=topic.id) if count <= LARGE_SUBSCRIPTIONS_MAX else None
    if small is None or small[0]:
        raise errors.invalid(
            f"MaximumMessageSize: a topic with messages above {SIZE_MAX_DEFAULT} bytes has at most"
            f" {LARGE_SUBSCRIPTIONS_MAX} subscriptions, each of the protocol sqs, lambda or firehose"
        )


def list_topics(tx: Tx, ctx: Context, request: Params) -> Params:
    """The account's topics by name, a hundred at a time."""
    after = pages.after(request)
    rows = tx.all(Q.list_topics, account=ctx.account, region=ctx.region, after=after, limit=LIST_MAX + 1)
    shown, token = pages.cut([row[0] for row in rows], LIST_MAX, str)
    return {"Topics": [{"TopicArn": names.topic_arn(ctx.region, ctx.account, name)} for name in shown], **token}


def delete_topic(tx: Tx, ctx: Context, request: Params) -> Params:
    """Delete a topic and its subscriptions; one that is not there was deleted well."""
    named = names.parse_topic(request["TopicArn"])
    if named.region != ctx.region:
        raise errors.invalid("TopicArn")
    topic = find(tx, named.region, named.account, named.resource, Q.lock_topic_end)
    if topic is None:
        return {}
    if topic.settings.archive_days:
        raise AwsError("InvalidStateException", "Invalid state: Cannot delete a topic with an ArchivePolicy")
    tx.run(Q.delete_topic, **topic.key)
    usage.remove(tx, topic.account, topic.region, usage.FIFO_TOPICS if topic.fifo else usage.TOPICS)
    usage.remove(tx, topic.account, topic.region, usage.FILTER_POLICIES, topic.filtered)
    tx.run(Q.delete_subscriptions, topic=topic.id, limit=CLEAN_BATCH_MAX)
    schedule_clear(tx, ctx, topic)
    return {}


OPERATIONS: dict[str, Operation] = {
    "CreateTopic": create_topic,
    "DeleteTopic": delete_topic,
    "GetTopicAttributes": get_topic_attributes,
    "ListTopics": list_topics,
    "SetTopicAttributes": set_topic_attributes,
}
