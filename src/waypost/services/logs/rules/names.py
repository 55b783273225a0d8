"""Names and ARNs of log groups and streams."""

from typing import NamedTuple

from waypost import arn
from waypost.aws.errors import AwsError
from waypost.service import Params
from waypost.services.logs import errors

LAST = "\U0010ffff"
"""Behind every name, and every name that begins as this one does."""
_RESERVED = "aws/"


class Range(NamedTuple):
    """Names that a list takes: ``low <= name < high``."""

    low: str
    high: str

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and self.low <= name < self.high


EVERY = Range("", LAST)


def beginning_with(prefix: str | None) -> Range:
    """The names with a prefix; all of them without one."""
    return Range(prefix, prefix + LAST) if prefix else EVERY


def check_new_group(name: str) -> None:
    """Raise ``AwsError`` where nobody but AWS may call a group so; the model has checked its characters."""
    if name.lower().startswith(_RESERVED):
        raise errors.invalid("Log groups starting with AWS/ are reserved for AWS.")


def group_arn(account: str, region: str, name: str) -> str:
    """The ARN of a group, as tags want it; policies want ``:*`` behind it."""
    return arn.make("logs", region, account, f"log-group:{name}")


def stream_arn(account: str, region: str, group: str, stream: str) -> str:
    """The ARN of a stream."""
    return f"{group_arn(account, region, group)}:log-stream:{stream}"


def asked_group(request: Params, account: str, region: str) -> str:
    """The name in logGroupName or in logGroupIdentifier, of which a request has one. Raises ``AwsError``."""
    name, identifier = request.get("logGroupName"), request.get("logGroupIdentifier")
    if (name is None) == (identifier is None):
        raise errors.invalid("Exactly one of logGroupName and logGroupIdentifier must be given.")
    return str(name) if identifier is None else identified(identifier, account, region)


def identified(identifier: str, account: str, region: str) -> str:
    """The name in a group's name or ARN; a group elsewhere counts as none. Raises ``AwsError``."""
    if not identifier.startswith("arn:"):
        return identifier
    return _name_in(identifier, account, region, errors.no_group())


def tagged(resource: str, account: str, region: str) -> str:
    """The name of the group that an ARN for tags means. Raises ``AwsError``."""
    if arn.parse(resource) is None:
        raise errors.invalid(f"Invalid ARN: {resource}")
    return _name_in(resource, account, region, errors.no_resource())


def _name_in(text: str, account: str, region: str, missing: AwsError) -> str:
    parsed = arn.parse(text)
    if parsed is None or parsed.service != "logs" or text.endswith("*"):
        raise errors.invalid(f"Invalid ARN: {text}")
    kind, _, name = parsed.resource.partition(":")
    if kind != "log-group" or not name or (parsed.account, parsed.region) != (account, region):
        raise missing
    return name
