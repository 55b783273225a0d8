"""Amazon Resource Names, as plain values."""

import re
from typing import NamedTuple

_CONTROL = re.compile(r"[\u0000-\u001f\u007f]")


class Arn(NamedTuple):
    """``arn:partition:service:region:account:resource``; ``resource`` keeps its own colons and slashes."""

    partition: str
    service: str
    region: str
    account: str
    resource: str

    def __str__(self) -> str:
        """The ARN as AWS writes it."""
        return f"arn:{self.partition}:{self.service}:{self.region}:{self.account}:{self.resource}"


def parse(text: str) -> Arn | None:
    """Split an ARN, or answer None where ``text`` is not one: nothing in AWS has a control character in its name."""
    parts = text.split(":", 5)
    if len(parts) != 6 or parts[0] != "arn" or not parts[1] or not parts[2] or _CONTROL.search(text) is not None:
        return None
    return Arn(*parts[1:])


def make(service: str, region: str, account: str, resource: str) -> str:
    """Write an ARN of the ``aws`` partition."""
    return f"arn:aws:{service}:{region}:{account}:{resource}"
