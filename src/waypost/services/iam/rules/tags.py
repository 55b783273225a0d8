"""Tags: a small list in the order of their arrival. Keys differ only by more than case."""

from collections.abc import Iterable, Sequence

from waypost.services.iam.errors import invalid_input, limit_exceeded
from waypost.services.iam.limits import TAGS_MAX

Tag = dict[str, str]


def checked(tags: Sequence[Tag] | None) -> list[Tag]:
    """Tags of a request; raises InvalidInput for a key that comes twice or belongs to AWS."""
    tags = tags or []
    keys = {tag["Key"].lower() for tag in tags}
    if len(keys) < len(tags):
        raise invalid_input("Duplicate tag keys found. Please note that Tag keys are case insensitive.")
    if any(key.startswith("aws:") for key in keys):
        raise invalid_input("Tag keys that start with aws: are reserved for AWS use.")
    if len(tags) > TAGS_MAX:
        raise limit_exceeded("The number of tags has reached the maximum limit.")
    return [{"Key": tag["Key"], "Value": tag["Value"]} for tag in tags]


def merged(present: Iterable[Tag], added: Sequence[Tag] | None) -> list[Tag]:
    """What there is after tagging: a key that is there already, in whatever case, takes the new tag's place."""
    tags = {tag["Key"].lower(): tag for tag in present}
    tags.update({tag["Key"].lower(): tag for tag in checked(added)})
    if len(tags) > TAGS_MAX:
        raise limit_exceeded("The number of tags has reached the maximum limit.")
    return list(tags.values())


def without(present: Iterable[Tag], keys: Iterable[str]) -> list[Tag]:
    """What is left after untagging; unknown keys are no error."""
    gone = {key.lower() for key in keys}
    return [tag for tag in present if tag["Key"].lower() not in gone]
