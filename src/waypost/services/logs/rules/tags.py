"""Tags of log groups."""

from collections.abc import Iterable, Mapping

from waypost.services.logs import errors
from waypost.services.logs.limits import TAGS_MAX


def added(before: Mapping[str, str], tags: Mapping[str, str], resource: str) -> dict[str, str]:
    """The tags once others are added. Raises ``AwsError`` where there are too many, or AWS's own."""
    for key in tags:
        if key.lower().startswith("aws:"):
            raise errors.invalid("aws: prefixed tag key names are not allowed for external use.")
    after = {**before, **tags}
    if len(after) > TAGS_MAX:
        raise errors.too_many_tags(resource)
    return after


def without(before: Mapping[str, str], keys: Iterable[str]) -> dict[str, str]:
    """The tags without some."""
    gone = set(keys)
    return {key: value for key, value in before.items() if key not in gone}
