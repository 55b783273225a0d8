"""ARNs of IAM: paths are part of them."""

from typing import NamedTuple

from waypost import arn
from waypost.services.iam.errors import invalid

AWS = "aws"
"""The account of AWS's own policies."""


class Named(NamedTuple):
    """What an IAM ARN names."""

    account: str
    kind: str
    """role, user, group, instance-profile, policy ..."""
    path: str
    name: str


def make(kind: str, account: str, path: str, name: str) -> str:
    """``arn:aws:iam::ACCOUNT:kind/path/name``; ``path`` starts and ends with a slash."""
    return arn.make("iam", "", account, f"{kind}{path}{name}")


def named(text: str) -> Named | None:
    """Split an IAM ARN, or answer None where ``text`` is not one."""
    parsed = arn.parse(text)
    if parsed is None or parsed.service != "iam" or parsed.region:
        return None
    kind, slash, rest = parsed.resource.partition("/")
    if not slash or not rest or rest.endswith("/"):
        return None
    path, _, name = f"/{rest}".rpartition("/")
    return Named(parsed.account, kind, f"{path}/", name)


def policy(text: str) -> Named:
    """Split the ARN of a managed policy; raises ValidationError for anything else."""
    found = named(text)
    if found is None or found.kind != "policy":
        raise invalid(f"ARN {text} is not valid.")
    return found
