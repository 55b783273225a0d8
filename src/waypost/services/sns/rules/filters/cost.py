"""What a policy may cost: its keys, its combinations, its wildcards."""

from collections.abc import Iterable, Iterator

from waypost.services.sns.limits import (
    FILTER_BYTES_MAX,
    FILTER_COMBINATIONS_MAX,
    FILTER_KEYS_MAX,
    FILTER_WILDCARD_POINTS_MAX,
    FILTER_WILDCARDS_MAX,
)
from waypost.services.sns.rules.filters.document import Refused
from waypost.services.sns.rules.filters.grammar import Choice, Field, Group
from waypost.services.sns.rules.filters.patterns import AnythingBut, Pattern, Wildcard

_TOO_COMPLEX = "Filter policy is too complex"


def check_size(text: str) -> None:
    """Raise ``Refused`` for a text that is too long to be read."""
    if len(text.encode("utf-8", "surrogatepass")) > FILTER_BYTES_MAX:
        raise Refused(f"Filter policy can not be larger than {FILTER_BYTES_MAX} bytes")


def check(policy: Group) -> None:
    """Raise ``Refused`` for a policy that asks for too much."""
    fields = list(fields_of(policy))
    if len({field.path for field in fields}) > FILTER_KEYS_MAX:
        raise Refused(f"Filter policy can not have more than {FILTER_KEYS_MAX} keys")
    if combinations(policy) > FILTER_COMBINATIONS_MAX:
        raise Refused(_TOO_COMPLEX)
    asterisks = [len(wildcard.parts) - 1 for wildcard in _wildcards(fields)]
    points = sum(map(wildcard_points, fields))
    if max(asterisks, default=0) > FILTER_WILDCARDS_MAX or points > FILTER_WILDCARD_POINTS_MAX:
        raise Refused(_TOO_COMPLEX)


def fields_of(policy: Group) -> Iterator[Field]:
    """Every key that holds values, in whatever branch."""
    for item in policy:
        if isinstance(item, Field):
            yield item
        else:
            for branch in item.branches:
                yield from fields_of(branch)


def combinations(policy: Group) -> int:
    """Values times nesting level, multiplied over the keys; branches are added."""
    product = 1
    for item in policy:
        if isinstance(item, Choice):
            product *= sum(map(combinations, item.branches))
        else:
            product *= len(item.patterns) * item.depth
    return product


def wildcard_points(field: Field) -> int:
    """What a key's patterns cost together; nothing where there is no wildcard among them."""
    if next(_wildcards([field]), None) is None:
        return 0
    return sum(map(_points, field.patterns)) * len(field.patterns)


def _points(pattern: Pattern) -> int:
    match pattern:
        case AnythingBut():
            return 1
        case Wildcard(parts):
            return (0, 1, 3)[min(len(parts) - 1, 2)]
        case _:
            return 0


def _wildcards(fields: Iterable[Field]) -> Iterator[Wildcard]:
    for field in fields:
        for pattern in field.patterns:
            for one in pattern.patterns if isinstance(pattern, AnythingBut) else (pattern,):
                if isinstance(one, Wildcard):
                    yield one
