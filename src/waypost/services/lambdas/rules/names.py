"""The ways to name a function: name, partial ARN, ARN, each with a qualifier."""

import re
from typing import NamedTuple

from waypost import arn
from waypost.services.lambdas import errors
from waypost.services.lambdas.limits import NAME_MAX

LATEST = "$LATEST"
_DIGITS_MAX = 9

_NAME = re.compile(
    r"(?:arn:aws[a-zA-Z-]*:lambda:)?(?:(?P<region>[a-z]{2}(?:-[a-z]+)+-\d):)?(?:(?P<account>\d{12}):)?(?:function:)?"
    r"(?P<name>[a-zA-Z0-9_-]+)(?::(?P<qualifier>\$LATEST|[a-zA-Z0-9_-]+))?"
)
_MAPPING = re.compile(r"event-source-mapping:([0-9a-fA-F-]{36})")


class Named(NamedTuple):
    """A function as a request names it."""

    account: str
    region: str
    name: str
    qualifier: str
    """Empty where none was given."""

    @property
    def arn(self) -> str:
        """The ARN as named: with the qualifier, if there is one."""
        return qualified(function_arn(self.account, self.region, self.name), self.qualifier)


def function_arn(account: str, region: str, name: str) -> str:
    """The unqualified ARN."""
    return arn.make("lambda", region, account, f"function:{name}")


def mapping_arn(account: str, region: str, uuid: str) -> str:
    """The ARN of an event source mapping."""
    return arn.make("lambda", region, account, f"event-source-mapping:{uuid}")


def qualified(text: str, qualifier: str) -> str:
    """An ARN with its qualifier, if there is one."""
    return f"{text}:{qualifier}" if qualifier else text


def resolve(account: str, region: str, text: str, qualifier: str | None = None) -> Named:
    """Read ``FunctionName`` and ``Qualifier`` for a caller of ``account`` in ``region``.

    Raises ``AwsError`` for a name that is none, that contradicts the qualifier, or that lies elsewhere.
    """
    match = _NAME.fullmatch(text)
    if match is None:
        raise errors.validation(
            f"Value '{text}' at 'functionName' failed to satisfy constraint: Member must satisfy regular expression "
            r"pattern: (arn:(aws[a-zA-Z-]*)?:lambda:)?((eusc-)?[a-z]{2}((-gov)|(-iso([a-z]?)))?-[a-z]+-\d{1}:)?"
            r"(\d{12}:)?(function:)?([a-zA-Z0-9-_\.]+)(:(\$LATEST(\.PUBLISHED)?|[a-zA-Z0-9-_]+))?"
        )
    name = match["name"]
    if len(name) > NAME_MAX:
        raise errors.validation(
            f"Value '{name}' at 'functionName' failed to satisfy constraint: Member must have length less than or "
            f"equal to {NAME_MAX}"
        )
    if match["qualifier"] and qualifier and match["qualifier"] != qualifier:
        raise errors.invalid("The derived qualifier from the function name does not match the specified qualifier.")
    if match["region"] and match["region"] != region:
        raise errors.resource_not_found(
            f"Functions from '{match['region']}' are not reachable in this region ('{region}')"
        )
    named = Named(match["account"] or account, region, name, match["qualifier"] or qualifier or "")
    if named.account != account:
        raise errors.access_denied(f"{named.arn} belongs to another account, and nothing allows {account} to use it.")
    return named


def is_alias(qualifier: str) -> bool:
    """Whether a qualifier is the name of an alias: neither $LATEST nor a version's number, nor none at all."""
    return qualifier not in ("", LATEST) and not qualifier.isdecimal()


def number(qualifier: str) -> int:
    """A version's number; -1 for digits that no version has."""
    return int(qualifier) if len(qualifier) <= _DIGITS_MAX and not qualifier.startswith("0") else -1


def mapping_uuid(text: str) -> str | None:
    """The UUID in a mapping's ARN, or None where ``text`` is not one."""
    parsed = arn.parse(text)
    match = _MAPPING.fullmatch(parsed.resource) if parsed is not None else None
    return match[1] if match is not None else None
