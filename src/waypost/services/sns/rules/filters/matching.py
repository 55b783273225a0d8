"""Holds messages against a policy: their attributes, or their bodies."""

import json
from collections.abc import Iterator, Mapping
from functools import lru_cache
from itertools import product
from typing import Any, NamedTuple

from waypost.services.sns.rules.filters.document import Literal
from waypost.services.sns.rules.filters.grammar import Field, Group
from waypost.services.sns.rules.filters.patterns import Absent, Matcher, Value, matcher
from waypost.services.sns.rules.messages import Attribute

Places = tuple[tuple[int, int], ...]
"""Where a leaf lies in arrays of objects: the array's identity and the element's index, from the outside in."""


Leaf = tuple[Value, Places]


class Test(NamedTuple):
    """What is asked of one key."""

    path: str
    fits: Matcher
    absent: bool
    """Whether it fits, too, where the key is not there."""


Branch = tuple[Test, ...]


class Filter:
    """A compiled policy. It holds no state: any message at any time."""

    __slots__ = ("_body", "_branches")

    def __init__(self, policy: Group, *, body: bool) -> None:
        """``body``: whether it asks of the message's body instead of its attributes."""
        self._branches = tuple(map(_branch, _branches(policy))) if policy else ()
        self._body = body

    def matches(self, attributes: Mapping[str, Attribute], body: str) -> bool:
        """Whether a message with these attributes and this body is wanted."""
        if not self._branches:
            return True
        if not self._body:
            return self._matches_attributes(attributes)
        try:
            parsed = _read_body(body)
            return parsed is not None and any(_body_fits(branch, parsed) for branch in self._branches)
        except RecursionError:
            # Nested as deep as nobody's parser reads.
            return False

    def _matches_attributes(self, attributes: Mapping[str, Attribute]) -> bool:
        for branch in self._branches:
            there = False
            for test in branch:
                attribute = attributes.get(test.path)
                # SNS does not look at binary attributes.
                if attribute is not None and attribute.binary is None:
                    if not _attribute_fits(test.fits, attribute):
                        break
                    there = True
                elif not test.absent:
                    break
            else:
                # Where there is no attribute at all, SNS does not even find that one is absent.
                return there or any(attribute.binary is None for attribute in attributes.values())
        return False


def _branches(policy: Group) -> Iterator[dict[str, Field]]:
    """Every way to fit: one branch of each ``$or``, and all keys. A key that comes twice counts as it comes last."""
    choices = [
        [{item.path: item}] if isinstance(item, Field) else [way for group in item.branches for way in _branches(group)]
        for item in policy
    ]
    for ways in product(*choices):
        merged: dict[str, Field] = {}
        for way in ways:
            merged |= way
        yield merged


def _branch(fields: Mapping[str, Field]) -> Branch:
    """In the order of names, as Event Ruler goes: what is absent beside an element of an array depends on it."""
    return tuple(
        Test(
            path,
            matcher(field.patterns),
            any(isinstance(pattern, Absent) for pattern in field.patterns),
        )
        for path, field in sorted(fields.items())
    )


@lru_cache(maxsize=4096)
def _steps(path: str) -> tuple[tuple[str, str], ...]:
    """The ways to begin a path: a key, and what is left behind it. Keys may have points in them."""
    points = [index for index, character in enumerate(path) if character == "."]
    return ((path, ""), *((path[:index], path[index + 1 :]) for index in points))


# --- attributes


def _attribute_fits(fits: Matcher, attribute: Attribute) -> bool:
    kind, text = attribute.type, attribute.text or ""
    if kind == "String":
        return fits(_escaped(text))
    if kind.endswith(".Array"):
        return any(map(fits, _elements(text)))
    return fits(Literal(text) if kind.startswith("Number") else _escaped(text))


def _escaped(text: str) -> str:
    r"""A string attribute as policies have to write it: SNS wants its ``"`` and ``\`` escaped once more."""
    if '"' not in text and "\\" not in text:
        return text
    return text.replace("\\", "\\\\").replace('"', '\\"')


@lru_cache(maxsize=256)
def _elements(text: str) -> tuple[Value, ...]:
    """The values in a ``String.Array``; the whole text where it is no array."""
    try:
        parsed = json.loads(text, parse_int=Literal, parse_float=Literal, parse_constant=_no_constant)
    except (ValueError, RecursionError):
        parsed = None
    if not isinstance(parsed, list):
        return (_escaped(text),)
    return tuple(_escaped(value) if value.__class__ is str else value for value, _ in _in_array(parsed, "", ()))


# --- bodies


@lru_cache(maxsize=2)
def _read_body(text: str) -> dict[str, Any] | None:
    """A body that is a JSON object. Remembered, for the next subscription asks of the same one."""
    if not text.lstrip(" \t\r\n").startswith("{"):
        return None
    try:
        parsed = json.loads(text, parse_int=Literal, parse_float=Literal, parse_constant=_no_constant)
    except ValueError:
        return None
    return parsed if isinstance(parsed, dict) else None


def _no_constant(name: str) -> None:
    raise ValueError(name)


def _body_fits(branch: Branch, body: dict[str, Any]) -> bool:
    """Whether there is a leaf for each test, none of them in another element of the same array than the others."""
    found: list[tuple[Test, list[Leaf]]] = []
    apart = False
    for test in branch:
        leaves = list(_leaves(body, test.path, ()))
        # Where a key's absence is enough, leaves that do not fit count, too: they are its presence.
        if not test.absent:
            leaves = [leaf for leaf in leaves if test.fits(leaf[0])]
            if not leaves:
                return False
        apart = apart or any(places for _, places in leaves)
        found.append((test, leaves))
    if apart:
        # Most often all of them lie in one element.
        together = [{places for _, places in leaves} for _, leaves in found]
        if not any(test.absent for test, _ in found) and set.intersection(*together):
            return True
        return _consistent(found)
    return all(not leaves or any(test.fits(value) for value, _ in leaves) for test, leaves in found)


class _Near:
    """The leaves of one test, to be found by the elements that were chosen for the others."""

    def __init__(self, test: Test, leaves: list[Leaf]) -> None:
        self.absent = test.absent
        self._all = list(dict.fromkeys((places, not test.absent or test.fits(value)) for value, places in leaves))
        self.arrays = frozenset(array for places, _ in self._all for array, _ in places)
        self._in: dict[tuple[int, int], list[tuple[Places, bool]]] = {}
        for leaf in self._all:
            for place in leaf[0]:
                self._in.setdefault(place, []).append(leaf)
        self._outside = {
            array: [leaf for leaf in self._all if all(array != one for one, _ in leaf[0])] for array in self.arrays
        }

    def to(self, chosen: dict[int, int]) -> list[tuple[Places, bool]]:
        """Places of leaves in no other element than was chosen, and whether they fit."""
        some = self._all
        for array in self.arrays & chosen.keys():
            fewer = self._in.get((array, chosen[array]), []) + self._outside[array]
            if len(fewer) < len(some):
                some = fewer
        return [leaf for leaf in some if all(chosen.get(array, at) == at for array, at in leaf[0])]


def _consistent(found: list[tuple[Test, list[Leaf]]]) -> bool:
    """Whether a leaf can be chosen for each test so that no two lie in different elements of one array."""
    near = [_Near(test, leaves) for test, leaves in found]
    later = [frozenset[int]().union(*(one.arrays for one in near[index:])) for index in range(len(near))]
    failed: set[tuple[int, frozenset[tuple[int, int]]]] = set()

    def search(index: int, chosen: dict[int, int]) -> bool:
        if index == len(near):
            return True
        # What was chosen elsewhere does not matter to what is left: without this, independent arrays would multiply.
        state = (index, frozenset(item for item in chosen.items() if item[0] in later[index]))
        if state in failed:
            return False
        leaves = near[index].to(chosen)
        if near[index].absent and not leaves and search(index + 1, chosen):
            return True
        if any(fits and search(index + 1, chosen | dict(places)) for places, fits in leaves):
            return True
        failed.add(state)
        return False

    return search(0, {})


def _leaves(node: dict[str, Any], path: str, places: Places) -> Iterator[Leaf]:
    """The values at a path, arrays on the way spread out; ``{"a": {"b": 1}}`` and ``{"a.b": 1}`` are the same."""
    for key, rest in _steps(path):
        if key not in node:
            continue
        value = node[key]
        if value.__class__ is list:
            yield from _in_array(value, rest, places)
        elif value.__class__ is dict:
            if rest:
                yield from _leaves(value, rest, places)
        elif not rest:
            yield value, places


def _in_array(array: list[Any], rest: str, places: Places) -> Iterator[Leaf]:
    for index, value in enumerate(array):
        if value.__class__ is list:
            yield from _in_array(value, rest, (*places, (id(array), index)))
        elif value.__class__ is dict:
            if rest:
                yield from _leaves(value, rest, (*places, (id(array), index)))
        elif not rest:
            yield value, places
