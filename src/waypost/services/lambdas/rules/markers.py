"""Markers of pages: where the next page begins, as text that clients hand back unread."""

import base64

from waypost.aws.errors import AwsError
from waypost.services.lambdas import errors


def write(place: str) -> str:
    """The marker of the page after ``place``."""
    return base64.urlsafe_b64encode(place.encode()).decode()


def read(marker: str | None) -> str:
    """The place that a marker names; empty without one. Raises ``AwsError``."""
    if not marker:
        return ""
    try:
        return base64.urlsafe_b64decode(marker).decode()
    except ValueError:
        raise strange() from None


def read_number(marker: str | None, beginning: int) -> int:
    """The same where places are numbers; ``beginning`` without a marker. Raises ``AwsError``."""
    if not marker:
        return beginning
    try:
        return int(base64.urlsafe_b64decode(marker))
    except ValueError:
        raise strange() from None


def strange() -> AwsError:
    """What a marker of somebody else's gets."""
    return errors.invalid("The marker is not one that this operation answered.")
