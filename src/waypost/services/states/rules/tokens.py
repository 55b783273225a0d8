"""Task tokens: opaque to clients. They begin with their execution, so that a used one differs from one never given out.

The language makes the rest, from the seed of the step; the mark is the part of the seed that it shows.
"""

import base64
import re

_TOKEN = re.compile(r"([A-Za-z0-9_-]{11})[A-Za-z0-9_-]{64}")


def mark(execution: int) -> str:
    """What every token of an execution begins with."""
    return base64.urlsafe_b64encode(execution.to_bytes(8, "big")).decode().rstrip("=")


def execution_of(token: str) -> int | None:
    """The execution a token was made for, or None for a text that is no token."""
    found = _TOKEN.fullmatch(token)
    if found is None:
        return None
    execution = int.from_bytes(base64.urlsafe_b64decode(found[1] + "="), "big")
    return execution if mark(execution) == found[1] and execution < 1 << 63 else None
