"""Tags as requests write them."""

from waypost.aws import patterns
from waypost.service import Params
from waypost.services.states import errors
from waypost.services.states.limits import TAGS_MAX

PATTERN = r"[\p{L}\p{Z}\p{N}_.:/=+\-@]*"
"""What keys and values may hold, as AWS writes it; the model does not say it:
docs.aws.amazon.com/step-functions/latest/apireference/API_TagResource.html."""


def is_valid(text: str) -> bool:
    """Whether AWS takes a key or a value."""
    pattern = patterns.compiled(PATTERN)
    return pattern is None or pattern.fullmatch(text) is not None


def read(tags: list[Params] | None, arn: str, before: dict[str, str] | None = None) -> dict[str, str]:
    """The tags of a resource once ``tags`` are added to ``before``; raises TooManyTags and ValidationException."""
    after = dict(before or {})
    for tag in tags or []:
        key = tag.get("key")
        if not key:
            raise errors.validation("Tag key must not be empty")
        value = tag.get("value") or ""
        for what, text in (("key", key), ("value", value)):
            if not is_valid(text):
                raise errors.validation(
                    f"1 validation error detected: Value '{text}' at 'tags.member.{what}' failed to satisfy constraint:"
                    f" Member must satisfy regular expression pattern: {PATTERN}"
                )
        after[key] = value
    if len(after) > TAGS_MAX:
        raise errors.too_many_tags(arn)
    return after


def shown(tags: list[tuple[str, str]]) -> list[Params]:
    """As ListTagsForResource answers."""
    return [{"key": key, "value": value} for key, value in tags]
