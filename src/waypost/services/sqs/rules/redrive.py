"""Redrive policies: where messages go that were received too often, and who may send them there."""

import json
from typing import Any, NamedTuple

from waypost import arn
from waypost.aws.errors import AwsError
from waypost.services.sqs import errors
from waypost.services.sqs.limits import REDRIVE_RECEIVES_MAX, REDRIVE_SOURCES_MAX

_MEMBERS = ("maxReceiveCount", "deadLetterTargetArn")
"""In the order in which AWS misses them: https://github.com/ansible-collections/community.aws/issues/2321 ."""
_PERMISSIONS = ("allowAll", "denyAll", "byQueue")


class Redrive(NamedTuple):
    """A redrive policy."""

    target: arn.Arn
    receives_max: int


class Allowance(NamedTuple):
    """A redrive allow policy: which queues may name this one as their dead-letter queue."""

    permission: str
    sources: tuple[str, ...]


def invalid_policy(text: str, reason: str) -> AwsError:
    """A redrive policy that cannot be."""
    return errors.invalid_value("RedrivePolicy", text, reason)


def parse_redrive(text: str) -> Redrive:
    """Read a RedrivePolicy; raises ``AwsError`` in SQS's words."""
    policy = _object(text)
    if policy is None:
        raise invalid_policy(text, "Redrive policy is not a valid JSON map.")
    for member in _MEMBERS:
        if policy.get(member) in (None, ""):
            raise invalid_policy(text, f"Redrive policy does not contain mandatory attribute: {member}.")
    if len(policy) > len(_MEMBERS):
        raise invalid_policy(text, "Only following attributes are supported: [deadLetterTargetArn, maxReceiveCount].")
    receives = policy["maxReceiveCount"]
    if isinstance(receives, str) and receives.isascii() and receives.isdigit():
        receives = int(receives)
    if type(receives) is not int or not 1 <= receives <= REDRIVE_RECEIVES_MAX:
        raise invalid_policy(
            text,
            f"Invalid value for maxReceiveCount: {policy['maxReceiveCount']}, valid values are from 1 to"
            f" {REDRIVE_RECEIVES_MAX} both inclusive.",
        )
    written = policy["deadLetterTargetArn"]
    target = arn.parse(written) if isinstance(written, str) else None
    if target is None or target.service != "sqs" or not target.resource:
        raise invalid_policy(text, "Invalid value for deadLetterTargetArn.")
    return Redrive(target, receives)


def parse_allowance(text: str) -> Allowance:
    """Read a RedriveAllowPolicy; raises ``AwsError``."""
    policy = _object(text) or {}
    permission = policy.get("redrivePermission")
    sources = policy.get("sourceQueueArns")
    by_queue = permission == "byQueue"
    listed = isinstance(sources, list) and 1 <= len(sources) <= REDRIVE_SOURCES_MAX
    fits = (
        permission in _PERMISSIONS
        and policy.keys() <= {"redrivePermission", "sourceQueueArns"}
        and (listed if by_queue else sources is None)
        and all(isinstance(source, str) and arn.parse(source) is not None for source in sources or ())
    )
    if not fits:
        raise errors.invalid_value(
            "RedriveAllowPolicy",
            text,
            "redrivePermission must be allowAll, denyAll or byQueue; sourceQueueArns, 1 to"
            f" {REDRIVE_SOURCES_MAX} ARNs, belong to byQueue.",
        )
    return Allowance(str(permission), tuple(sources or ()))


def redrive_text(text: str) -> str:
    """A RedrivePolicy as it is kept and shown: AWS shows the count as a number, however it was given."""
    policy = parse_redrive(text)
    return _dumped({"deadLetterTargetArn": str(policy.target), "maxReceiveCount": policy.receives_max})


def allowance_text(text: str) -> str:
    """A RedriveAllowPolicy as it is kept and shown."""
    policy = parse_allowance(text)
    sources = {"sourceQueueArns": list(policy.sources)} if policy.permission == "byQueue" else {}
    return _dumped({"redrivePermission": policy.permission, **sources})


def _dumped(policy: dict[str, Any]) -> str:
    return json.dumps(policy, separators=(",", ":"))


def permits(allowance: Allowance | None, source_arn: str) -> bool:
    """Whether a queue with that allow policy takes the dead letters of ``source_arn``."""
    if allowance is None or allowance.permission == "allowAll":
        return True
    return allowance.permission == "byQueue" and source_arn in allowance.sources


def is_dead(redrive: Redrive | None, receives: int) -> bool:
    """Whether a message has been received too often, counting the receive that is under way."""
    return redrive is not None and receives > redrive.receives_max


def _object(text: str) -> dict[str, Any] | None:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None
