"""Tags of a topic."""

from collections.abc import Mapping, Sequence
from typing import Any

from waypost.aws.errors import AwsError
from waypost.services.sns import errors
from waypost.services.sns.limits import TAGS_MAX


def check_tags(present: Mapping[str, str], added: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """All tags after some were added, in the order in which they came; raises ``AwsError`` where that cannot be."""
    tags = {tag["Key"]: tag["Value"] for tag in added}
    if len(tags) < len(added):
        raise errors.invalid("Duplicated keys are not allowed.")
    for key in tags:
        if key.lower().startswith("aws:"):
            raise errors.invalid("Tag keys cannot begin with aws:.")
    together = {**present, **tags}
    if len(together) > TAGS_MAX:
        raise AwsError("TagLimitExceededException", "Could not complete request: tag quota of per resource exceeded")
    return together
