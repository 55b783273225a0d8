"""Pages of a list: Marker, MaxItems, IsTruncated."""

import base64
import binascii
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, TypeVar

from waypost.services.iam.errors import invalid
from waypost.services.iam.limits import PAGE_DEFAULT

T = TypeVar("T")


class Page(NamedTuple):
    """Where a page starts and how long it is."""

    after: str
    """The key of the last item of the page before; empty at the start."""
    size: int

    @property
    def fetch(self) -> int:
        """How many rows to read: one more than the page shows whether it is the last."""
        return self.size + 1


def page_of(request: Mapping[str, Any]) -> Page:
    """Read Marker and MaxItems; raises ValidationError for a marker that no list gave."""
    marker = request.get("Marker")
    after = ""
    if marker is not None:
        try:
            after = base64.b64decode(marker, validate=True).decode("utf-8")
        except (binascii.Error, UnicodeError, ValueError):
            raise invalid("Invalid Marker.") from None
    return Page(after, request.get("MaxItems", PAGE_DEFAULT))


def cut(rows: Sequence[T], page: Page, key: Callable[[T], str]) -> tuple[Sequence[T], dict[str, Any]]:
    """The rows of this page, and the members that tell about the next; ``rows`` holds up to ``page.fetch``."""
    if len(rows) <= page.size:
        return rows, {"IsTruncated": False}
    shown = rows[: page.size]
    marker = base64.b64encode(key(shown[-1]).encode("utf-8")).decode("ascii")
    return shown, {"IsTruncated": True, "Marker": marker}
