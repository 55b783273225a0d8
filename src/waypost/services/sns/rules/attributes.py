"""Attributes of topics and of subscriptions: which there are, what they may be, and what they mean."""

import json
import re
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any, NamedTuple

from waypost.aws.errors import AwsError
from waypost.services.sns import errors
from waypost.services.sns.limits import ARCHIVE_DAYS_MAX, DISPLAY_NAME_MAX, SIZE_MAX_DEFAULT
from waypost.services.sns.rules import feedback, names, retries
from waypost.services.sns.rules.feedback import Feedback, read_feedback
from waypost.services.sns.rules.filters import Filter, compile_filter
from waypost.services.sns.rules.filters.document import Refused
from waypost.services.sns.rules.filters.document import read as read_json
from waypost.services.sns.rules.policies import check_policy

Attributes = Mapping[str, str]

ARCHIVED_SINCE = "ArchivedSince"
"""Ours, beside a topic's attributes: when its archive began, in ms."""

DAY_MS = 86_400_000

AWS_KEY = "alias/aws/sns"
"""The key that AWS manages; the only one that a topic can name where there is no KMS."""
_AWS_KEY = re.compile(rf"(arn:aws[a-z-]*:kms:[a-z0-9-]+:\d{{12}}:)?{AWS_KEY}", re.ASCII)

_SIZES = (1_024, 1_048_576)
_LOGGED = ("HTTP", "Firehose", "Lambda", "Application", "SQS")
_FEEDBACK = frozenset(
    f"{protocol}{what}" for protocol in _LOGGED for what in ("SuccessFeedbackRoleArn", "FailureFeedbackRoleArn")
)
_SAMPLED = frozenset(f"{protocol}SuccessFeedbackSampleRate" for protocol in _LOGGED)
_FIFO_ONLY = ("ArchivePolicy", "ContentBasedDeduplication", "FifoThroughputScope")
_REMOVABLE = _FEEDBACK | _SAMPLED | {
    "DisplayName", "DeliveryPolicy", "KmsMasterKeyId", "Policy", "TracingConfig",
}  # fmt: skip
"""An empty value removes them; an archive ends by ``{}`` only, as on AWS."""

FIFO_DEFAULTS = {"FifoTopic": "true", "ContentBasedDeduplication": "false", "FifoThroughputScope": "Topic"}


class Unfit(Exception):  # noqa: N818 (a state of affairs)
    """What an attribute cannot be; the message says why."""


class TopicSettings(NamedTuple):
    """What a topic's attributes mean to its messages."""

    given: Attributes
    """The attributes that were set, as they are shown; Policy is not among them."""
    size_max: int
    """Bytes of a message with its attributes."""
    signature_version: str
    """1 or 2."""
    display_name: str
    delivery_policy: str | None
    """JSON, as it was written: ``{"http": {"defaultHealthyRetryPolicy": ..., ...}}``."""
    content_based: bool
    """Deduplicates by content where no id is given."""
    per_group: bool
    """Deduplicates within a message group."""
    archive_days: int
    """How long messages are archived; 0: not at all."""
    archived_since_ms: int
    feedback: Mapping[str, Feedback]
    """By protocol, what of its deliveries is logged."""


class SubscriptionSettings(NamedTuple):
    """What a subscription's attributes mean to its messages."""

    given: Attributes
    """The attributes that were set, as they are shown."""
    raw: bool
    """Delivers the message without an envelope."""
    filter_policy: str | None
    """JSON, as it was written."""
    filter_scope: str
    """MessageAttributes or MessageBody."""
    filter: Filter | None
    """The two, compiled; None: everything is wanted."""
    dead_letter_arn: str | None
    """The queue for what cannot be delivered."""
    delivery_policy: str | None
    """JSON, as it was written: ``{"healthyRetryPolicy": ..., "throttlePolicy": ..., "requestPolicy": ...}``."""


@lru_cache(maxsize=4096)
def read_topic_settings(text: str) -> TopicSettings:
    """The settings in a topic's row. Remembered by the text itself, so that nothing can be out of date."""
    given: dict[str, str] = json.loads(text)
    archive = given.get("ArchivePolicy")
    return TopicSettings(
        given,
        size_max=int(given.get("MaximumMessageSize", SIZE_MAX_DEFAULT)),
        signature_version=given.get("SignatureVersion", "1"),
        display_name=given.get("DisplayName", ""),
        delivery_policy=given.get("DeliveryPolicy"),
        content_based=given.get("ContentBasedDeduplication") == "true",
        per_group=given.get("FifoThroughputScope") == "MessageGroup",
        archive_days=int(json.loads(archive)["MessageRetentionPeriod"]) if archive else 0,
        archived_since_ms=int(given.get(ARCHIVED_SINCE, 0)),
        feedback=read_feedback(given),
    )


@lru_cache(maxsize=4096)
def read_subscription_settings(text: str) -> SubscriptionSettings:
    """The settings in a subscription's row, likewise."""
    given: dict[str, str] = json.loads(text)
    policy, scope = given.get("FilterPolicy"), given.get("FilterPolicyScope", "MessageAttributes")
    redrive = given.get("RedrivePolicy")
    return SubscriptionSettings(
        given,
        raw=given.get("RawMessageDelivery") == "true",
        filter_policy=policy,
        filter_scope=scope,
        filter=None if policy is None else compile_filter(policy, scope),
        dead_letter_arn=json.loads(redrive)["deadLetterTargetArn"] if redrive else None,
        delivery_policy=given.get("DeliveryPolicy"),
    )


def write_settings(attributes: Attributes) -> str:
    """The text that a row keeps: all attributes but a topic's policy, which has a column of its own."""
    return json.dumps({name: value for name, value in attributes.items() if name != "Policy"}, separators=(",", ":"))


# --- topics


def change_topic(
    current: Attributes, given: Attributes, *, fifo: bool, now_ms: int, creating: bool = False
) -> dict[str, str]:
    """A topic's attributes after ``given`` was set; raises ``AwsError`` in SNS's words where something cannot be."""
    changed = dict(current)
    for name, value in given.items():
        check = _TOPIC_CHECKS.get(name)
        if name == "FifoTopic" and creating:
            continue  # the name says it
        if check is None or (name in _FIFO_ONLY and not fifo):
            raise (
                errors.invalid("Attributes", f"Unknown attribute: {name}")
                if creating
                else errors.invalid("AttributeName")
            )
        if (value == "" and name in _REMOVABLE) or (name == "ArchivePolicy" and _json(value) == {}):
            changed.pop(name, None)
            continue
        try:
            changed[name] = check(value)
        except Unfit as problem:
            raise _refused(name, str(problem), nested=creating) from None
    if current.get("FifoThroughputScope") == "MessageGroup" != changed.get("FifoThroughputScope"):
        raise _refused("FifoThroughputScope", "cannot be changed from MessageGroup to Topic.", nested=creating)
    if "ArchivePolicy" not in changed:
        changed.pop(ARCHIVED_SINCE, None)
    elif ARCHIVED_SINCE not in changed:
        changed[ARCHIVED_SINCE] = str(now_ms)
    return changed


def _refused(name: str, problem: str, *, nested: bool) -> AwsError:
    """An attribute that cannot be so: on its own, or among others of a request."""
    return errors.invalid(f"{'Attributes Reason: ' * nested}{name}: {problem}")


def _display_name(value: str) -> str:
    if len(value) > DISPLAY_NAME_MAX:
        raise Unfit(f"must be at most {DISPLAY_NAME_MAX} characters long")
    return value


def _one_of(*choices: str) -> Callable[[str], str]:
    def check(value: str) -> str:
        if value not in choices:
            raise Unfit(f"Invalid value [{value}]. Must be {' or '.join(choices)}.")
        return value

    return check


def _tracing(value: str) -> str:
    if value == "Active":
        raise Unfit("Waypost has no X-Ray; with PassThrough the tracing header reaches subscribers.")
    return _one_of("PassThrough", "Active")(value)


def _key(value: str) -> str:
    if _AWS_KEY.fullmatch(value) is None:
        raise AwsError(
            "KMSNotFoundException",
            f"Key '{value}' does not exist: Waypost has no KMS. The AWS managed key {AWS_KEY} is taken; encrypt the"
            " host's disk to encrypt what topics keep.",
        )
    return value


def _role(value: str) -> str:
    if not feedback.is_role(value):
        raise Unfit(f"Invalid value [{value}]. Must be the ARN of an IAM role.")
    return value


def _percent(value: str) -> str:
    if not feedback.is_percent(value):
        raise Unfit(f"Invalid value [{value}]. Must be an integer between 0 and 100.")
    return str(int(value))


def _size(value: str) -> str:
    low, high = _SIZES
    if not (value.isascii() and value.isdigit() and len(value) < 10 and low <= int(value) <= high):
        raise Unfit(f"value provided is not an integer between {low}-{high}")
    return str(int(value))


def _topic_delivery_policy(value: str) -> str:
    problem = retries.topic_problem(value)
    if problem is not None:
        raise Unfit(problem)
    http = json.loads(value).get("http") or {}
    kept = {name: http[name] for name in _TOPIC_POLICY_ORDER if http.get(name) is not None}
    return json.dumps({"http": kept}, separators=(",", ":"))


_TOPIC_POLICY_ORDER = (
    "defaultHealthyRetryPolicy", "disableSubscriptionOverrides", "defaultThrottlePolicy", "defaultRequestPolicy",
)  # fmt: skip


def _archive_policy(value: str) -> str:
    policy = _json(value)
    if not isinstance(policy, dict):
        raise Unfit("failed to parse JSON.")
    if set(policy) != {"MessageRetentionPeriod"}:
        raise Unfit("must have the member MessageRetentionPeriod and no other")
    days = str(policy["MessageRetentionPeriod"])
    if not (days.isascii() and days.isdigit() and len(days) < 10 and 1 <= int(days) <= ARCHIVE_DAYS_MAX):
        raise Unfit(f"MessageRetentionPeriod must be between 1 and {ARCHIVE_DAYS_MAX} days")
    return value


def _policy(value: str) -> str:
    check_policy(value)
    return value


_TOPIC_CHECKS: dict[str, Callable[[str], str]] = {
    "ArchivePolicy": _archive_policy,
    "ContentBasedDeduplication": _one_of("true", "false"),
    "DeliveryPolicy": _topic_delivery_policy,
    "DisplayName": _display_name,
    "FifoThroughputScope": _one_of("Topic", "MessageGroup"),
    "KmsMasterKeyId": _key,
    "MaximumMessageSize": _size,
    "Policy": _policy,
    "SignatureVersion": _one_of("1", "2"),
    "TracingConfig": _tracing,
    **dict.fromkeys(_FEEDBACK, _role),
    **dict.fromkeys(_SAMPLED, _percent),
}


def shown_topic(settings: TopicSettings, *, fifo: bool) -> dict[str, str]:
    """A topic's settings as GetTopicAttributes lists them, defaults included where AWS includes them."""
    known = {
        "DisplayName": "",
        **(FIFO_DEFAULTS if fifo else {}),
        **{name: value for name, value in settings.given.items() if name != ARCHIVED_SINCE},
        "EffectiveDeliveryPolicy": _compact(retries.show_topic(settings.delivery_policy)),
    }
    if settings.delivery_policy is not None:
        http = json.loads(settings.delivery_policy)["http"]
        # AWS adds the one member that has a value of its own.
        written = {name: http.get(name, False) for name in _TOPIC_POLICY_ORDER if name in http or name == _OVERRIDES}
        known["DeliveryPolicy"] = _compact({"http": written})
    return known


_OVERRIDES = "disableSubscriptionOverrides"


def archive_begin_ms(settings: TopicSettings, now_ms: int) -> int:
    """The earliest instant from which messages of a topic's archive can be replayed."""
    return max(settings.archived_since_ms, now_ms - settings.archive_days * DAY_MS)


def differs(current: TopicSettings, policy: str, given: Attributes, *, fifo: bool) -> bool:
    """Whether CreateTopic wishes for something else than the topic that is there."""
    present = {
        "SignatureVersion": "1", "TracingConfig": "PassThrough", "MaximumMessageSize": str(SIZE_MAX_DEFAULT),
        "KmsMasterKeyId": "", "FifoTopic": "true" if fifo else "false", "ContentBasedDeduplication": "false",
        **shown_topic(current, fifo=fifo), "Policy": policy,
    }  # fmt: skip
    if "DeliveryPolicy" in given and current.delivery_policy is not None:
        present["DeliveryPolicy"] = current.delivery_policy
    return any(not _same(present.get(name, ""), value) for name, value in given.items())


def _same(one: str, other: str) -> bool:
    if one == other:
        return True
    first = _json(one)
    return isinstance(first, dict) and first == _json(other)


def _json(text: str) -> Any:
    """The value of a JSON text; None where it is none."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def _compact(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"))


# --- subscriptions


class Subscribed(NamedTuple):
    """What a subscription's attributes are checked against."""

    protocol: str
    endpoint: str
    fifo: bool
    """Whether its topic is a FIFO topic."""
    owner: tuple[str, str]
    """Region and account of the subscription."""


def change_subscription(
    current: Attributes, given: Attributes, subscribed: Subscribed, *, creating: bool = False
) -> dict[str, str]:
    """A subscription's attributes after ``given`` was set; raises ``AwsError`` in SNS's words."""
    changed = dict(current)
    for name, value in given.items():
        check = _SUBSCRIPTION_CHECKS.get(name)
        if check is None:
            raise errors.invalid(f"{'Attributes Reason: ' * creating}AttributeName")
        if name in DOCUMENTS and ((value == "" and name != "RedrivePolicy") or _json(value) == {}):
            changed.pop(name, None)
            continue
        try:
            changed[name] = check(value, subscribed)
        except Unfit as problem:
            text = str(problem)
            raise (errors.invalid("Attributes", text) if creating else errors.invalid(text)) from None
    if "FilterPolicy" in changed and given.keys() & {"FilterPolicy", "FilterPolicyScope"}:
        scope = changed.get("FilterPolicyScope", "MessageAttributes")
        compile_filter(changed["FilterPolicy"], scope, subscribing=creating)
    if changed.get("DeliveryPolicy"):
        raw = changed.get("RawMessageDelivery") == "true"
        found = retries.subscription_problem(changed["DeliveryPolicy"], raw=raw)
        if found is not None:
            raise _refused("DeliveryPolicy", found, nested=creating)
    return changed


DOCUMENTS = ("DeliveryPolicy", "FilterPolicy", "RedrivePolicy", "ReplayPolicy")
"""JSON, kept as it was written; an empty one removes it, and an empty text all but RedrivePolicy."""


def _raw(value: str, subscribed: Subscribed) -> str:
    if value.lower() not in {"true", "false"}:
        raise Unfit(f"RawMessageDelivery: Invalid value [{value}]. Must be true or false.")
    if value.lower() == "true" and subscribed.protocol not in {"sqs", "http", "https"}:
        raise Unfit(f"Delivery protocol [{subscribed.protocol}] does not support raw message delivery.")
    return value.lower()


def _filter_scope(value: str, _subscribed: Subscribed) -> str:
    if value not in {"MessageAttributes", "MessageBody"}:
        raise Unfit(f"FilterPolicyScope: Invalid value [{value}]. Please use either MessageBody or MessageAttributes")
    return value


def _filter_policy(value: str, _subscribed: Subscribed) -> str:
    return value


def _delivery_policy(value: str, _subscribed: Subscribed) -> str:
    # AWS takes it from any subscription, and retries by it at web servers only.
    return value


def _redrive_policy(value: str, subscribed: Subscribed) -> str:
    try:
        policy = read_json(value)
    except Refused as refused:
        raise Unfit(f"RedrivePolicy: {refused}") from None
    if not isinstance(policy, dict):
        raise Unfit("RedrivePolicy: must be a JSON object")
    for name in policy:
        if name != "deadLetterTargetArn":
            raise Unfit(f"RedrivePolicy: Unexpected JSON member: {name}")
    written = policy.get("deadLetterTargetArn")
    queue = names.queue_of(written) if isinstance(written, str) else None
    if queue is None:
        raise Unfit("RedrivePolicy: deadLetterTargetArn is an invalid arn")
    if (queue.region, queue.account) != subscribed.owner:
        raise Unfit("RedrivePolicy: deadLetterTargetArn must be of the region and account of the subscription")
    fifo = names.is_fifo(queue.resource)
    if subscribed.fifo and names.is_fifo(subscribed.endpoint) and not fifo:
        raise Unfit("RedrivePolicy: must use a FIFO queue as DLQ for a FIFO Subscription to a FIFO Topic.")
    if fifo and not subscribed.fifo:
        raise Unfit("RedrivePolicy: must use a standard queue as DLQ for a Subscription to a standard Topic.")
    return value


def _replay_policy(value: str, subscribed: Subscribed) -> str:
    if not subscribed.fifo:
        raise Unfit("ReplayPolicy: can only be set on subscriptions to FIFO topics.")
    return value


def _no_firehose(_value: str, subscribed: Subscribed) -> str:
    raise Unfit(f"Delivery protocol [{subscribed.protocol}] does not support SubscriptionRoleArn.")


_SUBSCRIPTION_CHECKS: dict[str, Callable[[str, Subscribed], str]] = {
    "DeliveryPolicy": _delivery_policy,
    "FilterPolicy": _filter_policy,
    "FilterPolicyScope": _filter_scope,
    "RawMessageDelivery": _raw,
    "RedrivePolicy": _redrive_policy,
    "ReplayPolicy": _replay_policy,
    "SubscriptionRoleArn": _no_firehose,
}


def subscription_differs(current: Attributes, given: Attributes) -> bool:
    """Whether Subscribe wishes for something else than the subscription that is there."""
    present = {"RawMessageDelivery": "false", "FilterPolicyScope": "MessageAttributes", **current}
    return any(not _same(present.get(name, ""), value) for name, value in given.items())


def shown_subscription(settings: SubscriptionSettings, protocol: str, topic: TopicSettings) -> dict[str, str]:
    """A subscription's settings as GetSubscriptionAttributes lists them."""
    known = {"RawMessageDelivery": "false", **settings.given}
    if settings.filter_policy is None:
        known.pop("FilterPolicyScope", None)
    else:
        known["FilterPolicyScope"] = settings.filter_scope
    if settings.delivery_policy is not None:
        policy = json.loads(settings.delivery_policy)
        known["DeliveryPolicy"] = _compact({name: policy.get(name) for name in _POLICY_ORDER} | {"guaranteed": False})
    if protocol in names.WEB:
        known["EffectiveDeliveryPolicy"] = _compact(
            retries.show_subscription(topic.delivery_policy, settings.delivery_policy)
        )
    return known


_POLICY_ORDER = ("healthyRetryPolicy", "sicklyRetryPolicy", "throttlePolicy", "requestPolicy")
