"""Phone numbers: E.164, with what SNS forgives in each place."""

import re

from waypost.aws.errors import AwsError
from waypost.services.sns import errors

_E164 = re.compile(r"\+?[1-9]\d{1,14}", re.ASCII)
"""A country code and up to fifteen digits in all. The plus may be missing."""
_GROUPED = re.compile(r"\+?\d+([./-]\d+)*", re.ASCII)
_SEPARATORS = str.maketrans("", "", "./-")


def canonical(text: str) -> str | None:
    """The number with its plus; None for what is no number in E.164."""
    if _E164.fullmatch(text) is None:
        return None
    return text if text.startswith("+") else f"+{text}"


def publish_target(text: str) -> str:
    """The number that a message is published to. Raises ``AwsError``."""
    number = canonical(text)
    if number is None:
        raise errors.invalid("PhoneNumber", f"{text} is not valid to publish to")
    return number


def subscriber(text: str) -> str:
    """The number behind the endpoint of an sms subscription, which may be grouped: ``+1555-123.4567``.

    Raises ``AwsError``.
    """
    number = canonical(text.translate(_SEPARATORS)) if _GROUPED.fullmatch(text) else None
    if number is None:
        raise AwsError("InvalidParameterException", f"Invalid SMS endpoint: {text}")
    return number


def opted(text: str) -> str:
    """The number whose opting out is asked for or taken back. Raises ``AwsError``."""
    number = canonical(text)
    if number is None:
        raise errors.invalid("PhoneNumber", "input incorrectly formatted")
    return number
