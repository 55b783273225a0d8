"""Page tokens of lists: as everywhere, with Step Functions' error."""

from typing import Any

from waypost import pages
from waypost.services.states import errors
from waypost.services.states.limits import PAGE_DEFAULT, TOKEN_TTL_MS

write = pages.write


def size(max_results: int | None) -> int:
    """How many items a page may have; 0 and nothing mean the default."""
    return max_results or PAGE_DEFAULT


def read(token: str | None, about: str, now_ms: int, *types: type) -> list[Any] | None:
    """The place in a token, None without one; raises InvalidToken for a foreign, altered or expired one."""
    if token is None:
        return None
    try:
        return pages.read(token, about, now_ms, TOKEN_TTL_MS, types)
    except ValueError as error:
        raise errors.invalid_token() from error
