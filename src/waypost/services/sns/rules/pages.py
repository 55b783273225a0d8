"""Pages of a list: NextToken says after which key the next one begins."""

import base64
import binascii
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

from waypost.services.sns import errors

T = TypeVar("T")


def after(request: Mapping[str, Any], member: str = "NextToken") -> str:
    """The key of the last item of the page before; empty at the start. Raises ``AwsError`` for a token of nobody."""
    token = request.get(member)
    if not token:
        return ""
    try:
        return base64.b64decode(token, validate=True).decode()
    except (binascii.Error, UnicodeError, ValueError):
        raise errors.invalid(member) from None


def cut(
    rows: Sequence[T], size: int, key: Callable[[T], str], member: str = "NextToken"
) -> tuple[Sequence[T], dict[str, str]]:
    """The rows of this page, and the token for the next. ``rows`` has one more than ``size`` where there is a next."""
    if len(rows) <= size:
        return rows, {}
    shown = rows[:size]
    return shown, {member: base64.b64encode(key(shown[-1]).encode()).decode()}
