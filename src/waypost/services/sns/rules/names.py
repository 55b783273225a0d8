"""Names of topics, and the ARNs of topics, subscriptions and endpoints."""

import re
from functools import lru_cache
from typing import NamedTuple
from urllib.parse import urlsplit

from waypost import arn
from waypost.aws.errors import AwsError
from waypost.services.sns import errors
from waypost.services.sns.limits import ENDPOINT_MAX, TOPIC_NAME_MAX
from waypost.services.sns.rules import phones

FIFO_SUFFIX = ".fifo"

_NAME = re.compile(r"[A-Za-z0-9_-]+")
_ACCOUNT = re.compile(r"\d{12}", re.ASCII)
_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_PASSWORD = re.compile(r"(\w+://[^/?#:@\s]*:)[^/?#\s]*@")
_EMAIL = re.compile(r"[^@\s]+@[^@\s]+")

PROTOCOLS = ("http", "https", "email", "email-json", "sms", "sqs", "application", "lambda", "firehose")
ASKED = ("http", "https", "email", "email-json")
"""Protocols whose endpoints are asked whether they want to be subscribed."""
WEB = ("http", "https")
"""Protocols whose endpoints are addresses of web servers, perhaps with a password in them."""
LARGE_PROTOCOLS = ("sqs", "lambda")
"""Protocols that take messages above 256 KiB."""


class SubscriptionName(NamedTuple):
    """What a subscription's ARN says."""

    region: str
    account: str
    topic: str
    uuid: str

    @property
    def topic_arn(self) -> str:
        """The topic's ARN."""
        return topic_arn(self.region, self.account, self.topic)


def is_fifo(name: str) -> bool:
    """Whether a topic or queue of that name is first-in-first-out: the suffix belongs to those alone."""
    return name.endswith(FIFO_SUFFIX)


def check_name(name: str, *, fifo: bool) -> None:
    """Raise ``AwsError`` where a topic cannot be called so; ``fifo`` is what its attributes ask for."""
    stem = name.removesuffix(FIFO_SUFFIX) if fifo else name
    if len(name) <= TOPIC_NAME_MAX and _NAME.fullmatch(stem) is not None and fifo == is_fifo(name):
        return
    if fifo:
        raise errors.invalid(
            "Fifo Topic names must end with .fifo and must be made up of only uppercase and lowercase ASCII letters,"
            f" numbers, underscores, and hyphens, and must be between 1 and {TOPIC_NAME_MAX} characters long."
        )
    raise errors.invalid("Topic Name")


def topic_arn(region: str, account: str, name: str) -> str:
    """A topic's ARN."""
    return arn.make("sns", region, account, name)


@lru_cache(maxsize=4096)
def parse_topic(text: str, parameter: str = "TopicArn") -> arn.Arn:
    """The topic that an ARN names, in whatever region. Raises ``AwsError``."""
    _check_elements(text, parameter)
    parsed = arn.parse(text)
    if parsed is None or parsed.service != "sns" or not parsed.region or not _ACCOUNT.fullmatch(parsed.account):
        raise errors.invalid(parameter)
    return parsed


def _check_elements(text: str, parameter: str) -> None:
    elements = text.count(":") + 1
    if elements < 6:
        raise errors.invalid(parameter, f"An ARN must have at least 6 elements, not {elements}")


def parse_subscription(text: str) -> SubscriptionName:
    """The subscription that an ARN names. Raises ``AwsError``."""
    if not text:
        raise errors.invalid("SubscriptionArn", "no value for required parameter")
    _check_elements(text, "SubscriptionArn")
    parsed = arn.parse(text)
    if parsed is None or parsed.service != "sns":
        raise errors.invalid("SubscriptionArn")
    topic, colon, uuid = parsed.resource.partition(":")
    if not colon or not _UUID.fullmatch(uuid):
        raise errors.invalid("SubscriptionId")
    return SubscriptionName(parsed.region, parsed.account, topic, uuid)


def is_topic(text: str) -> bool:
    """Whether an ARN, which may be an endpoint's, is a topic's."""
    parsed = arn.parse(text)
    return parsed is None or "/" not in parsed.resource


def check_protocol(protocol: str, *, fifo: bool) -> None:
    """Raise ``AwsError`` where there is no such protocol, not for that topic, or Waypost cannot deliver by it."""
    if protocol not in PROTOCOLS:
        raise errors.invalid(f"Amazon SNS does not support this protocol string: {protocol}")
    if protocol == "firehose":
        # What AWS says where a Region has no Firehose; clients know the sentence.
        raise errors.invalid("Invalid protocol type: firehose", "Waypost has no Amazon Data Firehose to deliver to.")
    if fifo and protocol != "sqs":
        raise errors.invalid(f"Invalid protocol type: {protocol}")


def checked_endpoint(protocol: str, endpoint: str, *, fifo: bool) -> str:
    """The endpoint as it is kept; raises ``AwsError`` where it is none of that protocol, or none for that topic."""
    if not endpoint or len(endpoint) > ENDPOINT_MAX:
        raise errors.invalid("Endpoint")
    match protocol:
        case "http" | "https":
            _check_url(endpoint, protocol)
        case "email" | "email-json":
            if not _EMAIL.fullmatch(endpoint) or not endpoint.isprintable():
                raise errors.invalid("Email address")
        case "sms":
            return phones.subscriber(endpoint)
        case "sqs":
            _check_queue(endpoint, fifo=fifo)
        case "lambda":
            _check_arn(endpoint, "lambda", "Lambda endpoint ARN")
        case _:
            if not _check_arn(endpoint, "sns", _NO_APPLICATION).resource.startswith("endpoint/"):
                raise errors.invalid(_NO_APPLICATION)
    return endpoint


_NO_APPLICATION = "Application endpoint arn invalid"


def _check_url(url: str, protocol: str) -> None:
    if not url.startswith(f"{protocol}://"):
        raise errors.invalid("Endpoint must match the specified protocol")
    try:
        parts = urlsplit(url)
        reachable = bool(parts.hostname) and parts.port != 0 and url.isprintable() and " " not in url
    except ValueError:
        reachable = False
    if not reachable:
        # What AWS says of a server that it cannot reach; here only of what no server can be.
        raise errors.invalid("Unreachable endpoint")


def _check_queue(endpoint: str, *, fifo: bool) -> None:
    queue = _check_arn(endpoint, "sqs", "SQS endpoint ARN")
    if is_fifo(queue.resource) and not fifo:
        # The sentence says it twice, as AWS does.
        raise errors.invalid(
            "Invalid parameter: Endpoint", "FIFO SQS Queues can not be subscribed to standard SNS topics"
        )


def _check_arn(text: str, service: str, what: str) -> arn.Arn:
    parsed = arn.parse(text)
    if (
        parsed is None
        or parsed.service != service
        or not parsed.region
        or not parsed.resource
        or not _ACCOUNT.fullmatch(parsed.account)
    ):
        raise errors.invalid(what)
    return parsed


def masked(text: str) -> str:
    """Web servers' addresses without their passwords, as lists and logs show them: ``https://me:****@example.com/x``."""
    return _PASSWORD.sub(r"\1****@", text)


def queue_of(text: str) -> arn.Arn | None:
    """The queue that an ARN names; None where it names none."""
    try:
        return _check_arn(text, "sqs", "")
    except AwsError:
        return None
