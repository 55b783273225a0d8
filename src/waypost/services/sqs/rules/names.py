"""Queue names, and the URLs and ARNs made of them."""

import re
from functools import lru_cache
from typing import NamedTuple

from waypost import arn
from waypost.aws.errors import AwsError
from waypost.services.sqs import errors
from waypost.services.sqs.limits import QUEUE_NAME_MAX

FIFO_SUFFIX = ".fifo"

_NAME = re.compile(r"[A-Za-z0-9_-]+")
_ACCOUNT = re.compile(r"\d{12}")


class Address(NamedTuple):
    """What a queue's URL says, its host apart."""

    account: str
    name: str


def is_fifo(name: str) -> bool:
    """Whether a queue of that name is first-in-first-out: the suffix belongs to those alone."""
    return name.endswith(FIFO_SUFFIX)


def check_name(name: str, *, fifo: bool) -> None:
    """Raise ``AwsError`` where a queue cannot be called so; ``fifo`` is what its attributes ask for."""
    stem = name.removesuffix(FIFO_SUFFIX) if fifo else name
    fits = len(name) <= QUEUE_NAME_MAX and _NAME.fullmatch(stem) is not None
    if fits and fifo == is_fifo(name):
        return
    raise _bad_fifo_name() if fifo else _bad_name()


def _bad_name() -> AwsError:
    return errors.invalid("Can only include alphanumeric characters, hyphens, or underscores. 1 to 80 in length")


def _bad_fifo_name() -> AwsError:
    return errors.invalid(
        "The name of a FIFO queue can only include alphanumeric characters, hyphens, or underscores, must end with"
        " .fifo suffix and be 1 to 80 in length."
    )


@lru_cache(maxsize=4096)
def parse_url(url: str) -> Address | None:
    """The account and the name in a queue's URL, or in the path of one; None where it is no such thing.

    A name alone is one of the caller's own queues: its account is empty.
    """
    if "/" not in url:
        return Address("", url) if url else None
    parts = url.rstrip("/").rsplit("/", 2)
    if len(parts) != 3 or not parts[2] or not _ACCOUNT.fullmatch(parts[1]):
        return None
    return Address(parts[1], parts[2])


def queue_url(base_url: str, account: str, name: str) -> str:
    """Where clients find a queue: at the address they used themselves."""
    return f"{base_url}/{account}/{name}"


def queue_arn(region: str, account: str, name: str) -> str:
    """A queue's ARN."""
    return arn.make("sqs", region, account, name)


def prefix_end(prefix: str) -> str:
    """The first text after all queue names that start with ``prefix``: no name has a character beyond the tilde."""
    return prefix + "~"
