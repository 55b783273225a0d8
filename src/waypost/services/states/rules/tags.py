"""Tags as requests write them."""

from waypost.service import Params
from waypost.services.states import errors
from waypost.services.states.limits import TAGS_MAX


def read(tags: list[Params] | None, arn: str, before: dict[str, str] | None = None) -> dict[str, str]:
    """The tags of a resource once ``tags`` are added to ``before``; raises TooManyTags and ValidationException."""
    after = dict(before or {})
    for tag in tags or []:
        key = tag.get("key")
        if not key:
            raise errors.validation("Tag key must not be empty")
        after[key] = tag.get("value") or ""
    if len(after) > TAGS_MAX:
        raise errors.too_many_tags(arn)
    return after


def shown(tags: list[tuple[str, str]]) -> list[Params]:
    """As ListTagsForResource answers."""
    return [{"key": key, "value": value} for key, value in tags]
