"""Subscriptions: subscribe, confirm, show, change, list, end."""

import json
import re
from collections.abc import Mapping
from typing import Any

from waypost.aws.errors import AwsError
from waypost.service import Context, Operation, Params
from waypost.services.sns import deliveries, errors, queues, replays, usage
from waypost.services.sns.jobs import remember_ended, schedule_lapse
from waypost.services.sns.limits import (
    FIFO_SUBSCRIPTIONS_MAX,
    FILTERED_MAX,
    LARGE_SUBSCRIPTIONS_MAX,
    LIST_MAX,
    PENDING_MAX,
    SIZE_MAX_DEFAULT,
    SUBSCRIPTIONS_MAX,
    TOKEN_BYTES,
    TOKEN_MS,
)
from waypost.services.sns.queries import Q
from waypost.services.sns.rules import attributes, names, pages
from waypost.services.sns.rules.attributes import Subscribed
from waypost.services.sns.topic import Subscription, Topic, addressed, change_counts, find, forget, subscription_of
from waypost.store.queries import Query
from waypost.store.store import Row, Tx

_PENDING = "pending confirmation"
_SHOWN = ("PendingConfirmation", None, "Deleted")
"""What lists show instead of an ARN: of a subscription that waits, that is confirmed, that ended lately."""
_TOKEN = re.compile(r"[0-9a-f]{64,}")


def subscribe(tx: Tx, ctx: Context, request: Params) -> Params:
    """Make a subscription, or find the one that is there already with the attributes given."""
    protocol: str = request["Protocol"]
    given: dict[str, str] = request.get("Attributes") or {}
    topic = addressed(tx, ctx, request["TopicArn"], Q.lock_topic)
    names.check_protocol(protocol, fifo=topic.fifo)
    endpoint = names.checked_endpoint(protocol, request.get("Endpoint") or "", fifo=topic.fifo)
    subscribed = Subscribed(protocol, endpoint, topic.fifo, (topic.region, ctx.account))
    settings = attributes.change_subscription({}, given, subscribed, creating=True)
    deliveries.check_subscriber(tx, ctx, protocol, endpoint)
    present = tx.one(Q.find_subscription, topic=topic.id, protocol=protocol, endpoint=endpoint)
    if present is not None:
        subscription = _again(tx, ctx, topic, present, given)
    else:
        subscription = _make(tx, ctx, topic, subscribed, settings)
    if subscription.confirmed or request.get("ReturnSubscriptionArn"):
        return {"SubscriptionArn": subscription.arn}
    return {"SubscriptionArn": _PENDING}


def _again(tx: Tx, ctx: Context, topic: Topic, present: Row, given: Mapping[str, str]) -> Subscription:
    subscription = subscription_of(present)
    if attributes.subscription_differs(subscription.settings.given, given):
        raise errors.invalid("Attributes", "Subscription already exists with different attributes")
    if not subscription.confirmed:
        _ask(tx, ctx, topic, subscription)
    return subscription


def _make(tx: Tx, ctx: Context, topic: Topic, subscribed: Subscribed, settings: Mapping[str, str]) -> Subscription:
    confirmed = _needs_no_confirmation(ctx, subscribed)
    _check_room(tx, ctx, topic, subscribed.protocol, settings, confirmed=confirmed)
    replay = replays.read_policy(topic, settings.get("ReplayPolicy"), ctx.now_ms, creating=True)
    row_id = ctx.ids.row(ctx.now_ms)
    subscription = _insert(
        tx, ctx, topic, id=row_id, uuid=ctx.ids.uuid(), account=ctx.account, protocol=subscribed.protocol,
        endpoint=subscribed.endpoint, principal=ctx.caller.arn, confirmed=int(confirmed), authenticated=int(confirmed),
        signed_unsubscribe=0, settings=attributes.write_settings(settings),
    )  # fmt: skip
    if replay is not None:
        replays.begin(tx, ctx, topic, subscription, replay)
    if not confirmed:
        _ask(tx, ctx, topic, subscription)
    return subscription


def _insert(tx: Tx, ctx: Context, topic: Topic, **columns: Any) -> Subscription:
    """A new row of a locked topic, and the topic's counts with it."""
    columns |= {"topic_arn": topic.arn, "region": topic.region}
    read = ("id", "uuid", "topic_arn", "account", "protocol", "endpoint", "settings", "confirmed")
    subscription = subscription_of(tuple(columns[name] for name in read))
    filtered = int(subscription.settings.filter_policy is not None)
    tx.run(Q.insert_subscription, topic=topic.id, filtered=filtered, now=ctx.now_ms, **columns)
    if subscription.protocol in names.ASKED:
        tx.run(Q.delete_ended_of, topic=topic.id, protocol=subscription.protocol, endpoint=subscription.endpoint)
    confirmed = int(subscription.confirmed)
    change_counts(tx, ctx, topic, confirmed=confirmed, pending=1 - confirmed, filtered=filtered)
    return subscription


def _needs_no_confirmation(ctx: Context, subscribed: Subscribed) -> bool:
    if subscribed.protocol != "sqs":
        return subscribed.protocol not in names.ASKED
    queue = names.queue_of(subscribed.endpoint)
    return queue is not None and queue.account == ctx.account


def _check_room(
    tx: Tx, ctx: Context, topic: Topic, protocol: str, settings: Mapping[str, str], *, confirmed: bool
) -> None:
    """Raise ``AwsError`` where a quota is used up."""
    count = topic.confirmed + topic.pending
    if count >= (FIFO_SUBSCRIPTIONS_MAX if topic.fifo else SUBSCRIPTIONS_MAX):
        raise AwsError("SubscriptionLimitExceededException", "Subscription limit exceeded for topic")
    if "FilterPolicy" in settings:
        _check_filter_room(tx, topic)
    if topic.settings.size_max > SIZE_MAX_DEFAULT and (
        count >= LARGE_SUBSCRIPTIONS_MAX or protocol not in names.LARGE_PROTOCOLS
    ):
        raise errors.invalid(
            "TopicArn",
            f"A topic with messages above {SIZE_MAX_DEFAULT} bytes has at most {LARGE_SUBSCRIPTIONS_MAX} subscriptions,"
            " each of the protocol sqs, lambda or firehose",
        )
    if not confirmed:
        row = tx.one(Q.count_pending, account=ctx.account, region=ctx.region, limit=PENDING_MAX)
        if row is not None and row[0] >= PENDING_MAX:
            raise AwsError("SubscriptionLimitExceededException", "Pending subscription limit exceeded for account")


def _check_filter_room(tx: Tx, topic: Topic) -> None:
    """The same for one more filter policy."""
    if topic.filtered >= FILTERED_MAX:
        raise AwsError("FilterPolicyLimitExceededException", "Filter policy limit exceeded for topic")
    usage.check(tx, topic.account, topic.region, usage.FILTER_POLICIES)


def _ask(tx: Tx, ctx: Context, topic: Topic, subscription: Subscription) -> None:
    """Have the endpoint asked whether it wants to be subscribed."""
    token = _new_token(tx, ctx, topic, subscription)
    if subscription.protocol == "sqs":
        queues.ask_to_confirm(tx, ctx, topic, subscription, token)
    else:
        deliveries.ask_to_confirm(tx, ctx, topic, subscription, token)


def _new_token(tx: Tx, ctx: Context, topic: Topic, subscription: Subscription) -> str:
    token = ctx.ids.token(TOKEN_BYTES)
    uuid = subscription.arn.rpartition(":")[2]
    tx.run(
        Q.insert_token, topic=topic.id, token=token, uuid=uuid, protocol=subscription.protocol,
        endpoint=subscription.endpoint, settings=attributes.write_settings(subscription.settings.given),
        account=subscription.account, principal=ctx.caller.arn, expires_at=ctx.now_ms + TOKEN_MS,
    )  # fmt: skip
    schedule_lapse(tx, ctx, topic, uuid, token)
    return token


def confirm_subscription(tx: Tx, ctx: Context, request: Params) -> Params:
    """Confirm by the token that the endpoint got; or, after it was ended from outside, subscribe anew."""
    token: str = request["Token"]
    signed = _is_signed(ctx)
    only_signed = (request.get("AuthenticateOnUnsubscribe") or "false").lower() == "true"
    if only_signed and not signed:
        raise _denied("AuthenticateOnUnsubscribe requires the request to be signed")
    if not _TOKEN.fullmatch(token):
        raise AwsError("InvalidParameterException", "Invalid token")
    topic = _topic_to_confirm(tx, ctx, request["TopicArn"], signed=signed)
    row = None if topic is None else tx.one(Q.get_token, topic=topic.id, token=token, now=ctx.now_ms)
    if topic is None or row is None:
        raise errors.invalid("Token")
    uuid, protocol, endpoint, settings, account, principal = row
    present = tx.one(Q.get_subscription, topic=topic.id, uuid=uuid)
    if present is not None:
        _confirm(tx, ctx, topic, present, signed=signed, only_signed=only_signed)
    elif tx.one(Q.find_subscription, topic=topic.id, protocol=protocol, endpoint=endpoint) is None:
        _check_room(tx, ctx, topic, protocol, json.loads(settings), confirmed=True)
        subscription = _insert(
            tx, ctx, topic, id=ctx.ids.row(ctx.now_ms), uuid=uuid, account=account, protocol=protocol,
            endpoint=endpoint, principal=principal, confirmed=1, authenticated=int(signed),
            signed_unsubscribe=int(only_signed), settings=settings,
        )  # fmt: skip
        return {"SubscriptionArn": subscription.arn}
    return {"SubscriptionArn": f"{topic.arn}:{uuid}"}


def _topic_to_confirm(tx: Tx, ctx: Context, topic_arn: str, *, signed: bool) -> Topic | None:
    """The topic, locked. A link in a mail is not signed, and says itself where the topic is."""
    try:
        named = names.parse_topic(topic_arn)
    except AwsError:
        raise errors.invalid("Topic") from None
    if signed and named.region != ctx.region:
        raise errors.invalid("Topic")
    return find(tx, named.region, named.account, named.resource, Q.lock_topic)


def _confirm(tx: Tx, ctx: Context, topic: Topic, present: Row, *, signed: bool, only_signed: bool) -> None:
    subscription = subscription_of(present)
    if subscription.confirmed:
        return
    tx.run(
        Q.confirm_subscription, topic=topic.id, id=subscription.id, authenticated=int(signed),
        signed_unsubscribe=int(only_signed),
    )  # fmt: skip
    change_counts(tx, ctx, topic, confirmed=1, pending=-1)


def _is_signed(ctx: Context) -> bool:
    """Whether it is known who asks: not whoever visits a link."""
    return bool(ctx.caller.access_key) or ctx.wire == "internal"


def _denied(why: str) -> AwsError:
    return AwsError("AuthorizationErrorException", why, 403)


def unsubscribe(tx: Tx, ctx: Context, request: Params) -> Params:
    """End a subscription; one that is not there was ended well. One that waits to be confirmed ends by itself."""
    signed = _is_signed(ctx)
    named = names.parse_subscription(request["SubscriptionArn"])
    if signed and named.region != ctx.region:
        raise errors.invalid("SubscriptionArn")
    topic = find(tx, named.region, named.account, named.topic, Q.lock_topic)
    row = None if topic is None else tx.one(Q.get_subscription, topic=topic.id, uuid=named.uuid)
    if topic is None or row is None:
        return {}
    subscription = subscription_of(row)
    if not subscription.confirmed:
        raise errors.invalid("SubscriptionArn", "Cannot unsubscribe a subscription that is pending confirmation")
    owner = signed and ctx.account in {subscription.account, topic.account}
    if (row[9] or subscription.protocol == "sqs") and not owner:
        raise _denied("Unsubscribing requires the signature of the owner of the subscription or of the topic")
    forget(tx, ctx, topic, subscription)
    if subscription.protocol not in names.ASKED:
        return {}
    remember_ended(tx, ctx, topic, subscription)
    if not owner:
        # The endpoint may take it back: whoever asked need not have been meant to.
        token = _new_token(tx, ctx, topic, subscription)
        deliveries.say_unsubscribed(tx, ctx, topic, subscription, token)
    return {}


def _addressed(tx: Tx, ctx: Context, subscription_arn: str, query: Query = Q.get_topic) -> tuple[Topic, Row]:
    """The subscription that an ARN names, with its topic; raises ``AwsError``."""
    named = names.parse_subscription(subscription_arn)
    if named.region != ctx.region:
        raise errors.invalid("SubscriptionArn")
    topic = find(tx, named.region, named.account, named.topic, query)
    row = None if topic is None else tx.one(Q.get_subscription, topic=topic.id, uuid=named.uuid)
    if topic is None or row is None:
        raise errors.not_found("Subscription")
    return topic, row


def get_subscription_attributes(tx: Tx, ctx: Context, request: Params) -> Params:
    """All of them."""
    topic, row = _addressed(tx, ctx, request["SubscriptionArn"])
    subscription = subscription_of(row)
    shown = {
        "SubscriptionArn": subscription.arn,
        "TopicArn": subscription.topic_arn,
        "Owner": subscription.account,
        "Protocol": subscription.protocol,
        "Endpoint": subscription.endpoint,
        "PendingConfirmation": "false" if subscription.confirmed else "true",
        "ConfirmationWasAuthenticated": "true" if row[8] else "false",
        "SubscriptionPrincipal": row[10],
        **attributes.shown_subscription(subscription.settings, subscription.protocol, topic.settings),
    }
    status = replays.status(tx, topic, subscription)
    if status is not None:
        shown["ReplayStatus"] = status
    return {"Attributes": shown}


def set_subscription_attributes(tx: Tx, ctx: Context, request: Params) -> Params:
    """Change one; it holds from the next publish on."""
    name, value = request["AttributeName"], request.get("AttributeValue")
    if value is None:
        value = "{}" if name in attributes.DOCUMENTS else ""
    topic, row = _addressed(tx, ctx, request["SubscriptionArn"], Q.lock_topic)
    subscription = subscription_of(row)
    owner = (topic.region, subscription.account)
    subscribed = Subscribed(subscription.protocol, subscription.endpoint, topic.fifo, owner)
    changed = attributes.change_subscription(subscription.settings.given, {name: value}, subscribed)
    filtered = ("FilterPolicy" in changed) - ("FilterPolicy" in subscription.settings.given)
    if filtered > 0:
        _check_filter_room(tx, topic)
    replay = None
    if name == "ReplayPolicy":
        replay = replays.read_policy(topic, changed.get("ReplayPolicy"), ctx.now_ms)
    tx.run(
        Q.set_subscription, topic=topic.id, id=subscription.id, settings=attributes.write_settings(changed),
        filtered=int("FilterPolicy" in changed),
    )  # fmt: skip
    change_counts(tx, ctx, topic, filtered=filtered)
    if replay is not None:
        replays.begin(tx, ctx, topic, subscription, replay)
    elif name == "ReplayPolicy":
        replays.end(tx, topic, subscription)
    return {}


def list_subscriptions(tx: Tx, ctx: Context, request: Params) -> Params:
    """The account's subscriptions in the order of subscribing, a hundred at a time."""
    after = _after(request)
    return _listed(
        tx.all(Q.list_subscriptions_of_account, account=ctx.account, region=ctx.region, after=after, limit=LIST_MAX + 1)
    )


def list_subscriptions_by_topic(tx: Tx, ctx: Context, request: Params) -> Params:
    """A topic's subscriptions, likewise."""
    topic = addressed(tx, ctx, request["TopicArn"])
    after = _after(request)
    return _listed(tx.all(Q.list_subscriptions_of_topic, topic=topic.id, after=after, limit=LIST_MAX + 1))


def _after(request: Params) -> int:
    token = pages.after(request) or "0"
    if not (token.isascii() and token.isdigit() and len(token) < 20):
        raise errors.invalid("NextToken")
    return int(token)


def _listed(rows: list[Row]) -> Params:
    shown, token = pages.cut(rows, LIST_MAX, lambda row: str(row[0]))
    subscriptions = [
        {
            "SubscriptionArn": _SHOWN[state] or f"{topic_arn}:{uuid}",
            "Owner": account,
            "Protocol": protocol,
            "Endpoint": names.masked(endpoint) if protocol in names.WEB else endpoint,
            "TopicArn": topic_arn,
        }
        for _, uuid, topic_arn, account, protocol, endpoint, state in shown
    ]
    return {"Subscriptions": subscriptions, **token}


OPERATIONS: dict[str, Operation] = {
    "ConfirmSubscription": confirm_subscription,
    "GetSubscriptionAttributes": get_subscription_attributes,
    "ListSubscriptions": list_subscriptions,
    "ListSubscriptionsByTopic": list_subscriptions_by_topic,
    "SetSubscriptionAttributes": set_subscription_attributes,
    "Subscribe": subscribe,
    "Unsubscribe": unsubscribe,
}
