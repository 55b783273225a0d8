"""Session tags: what a session is given, and what it inherits along a chain of roles."""

import json
import zlib
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from waypost.aws.errors import AwsError
from waypost.services.sts.limits import PACKED_BYTES_MAX

Tag = dict[str, str]


class Tags(NamedTuple):
    """The tags of a session."""

    tags: list[Tag]
    transitive_keys: list[str]


NO_TAGS = Tags([], [])


def _refused(message: str) -> AwsError:
    return AwsError("InvalidParameterValue", message, 400)


def session_tags(request: Mapping[str, Any], calling: Tags) -> Tags:
    """Tags of a session asked for with those of the ``calling`` session; raises InvalidParameterValue.

    Transitive tags of the caller pass on and stay transitive.
    """
    tags: Sequence[Tag] = request.get("Tags", [])
    keys = {tag["Key"].lower() for tag in tags}
    if len(keys) < len(tags):
        raise _refused("Duplicate tag keys found. Please note that Tag keys are case insensitive.")
    transitive = list(request.get("TransitiveTagKeys", []))
    if not all(key.lower() in keys for key in transitive):
        raise _refused("The specified transitive tag key must be included in the requested tags.")
    inherited_keys = {key.lower() for key in calling.transitive_keys}
    if inherited_keys & keys:
        raise _refused(
            "One of the specified transitive tag keys can't be set because it conflicts with a transitive tag key from "
            "the calling session."
        )
    inherited = [tag for tag in calling.tags if tag["Key"].lower() in inherited_keys]
    return Tags([*inherited, *tags], [*calling.transitive_keys, *transitive])


def packed_percent(policy: str | None, policy_arns: Sequence[str], tags: Sequence[Tag]) -> int | None:
    """How much of its allotted space a session's policies and tags take; None when it has none.

    AWS's packed form is not public: here it is the deflated JSON.
    """
    if policy is None and not policy_arns and not tags:
        return None
    packed = zlib.compress(json.dumps([policy, list(policy_arns), list(tags)]).encode("utf-8"))
    percent = -(-len(packed) * 100 // PACKED_BYTES_MAX)
    if percent > 100:
        raise AwsError(
            "PackedPolicyTooLargeException",
            f"Packed size of session tags consumes {percent}% of allotted space.",
            400,
        )
    return percent
