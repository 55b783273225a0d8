"""Filter criteria of event source mappings: which messages a function gets.

https://docs.aws.amazon.com/lambda/latest/dg/invocation-eventfiltering.html lists the comparisons, and
https://docs.aws.amazon.com/lambda/latest/dg/with-sqs-filtering.html what happens where a body and the pattern for it
are not of one kind. A pattern with anything else in it is refused.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal, InvalidOperation
from functools import lru_cache
from typing import Any

from waypost.services.lambdas import errors
from waypost.services.lambdas.limits import FILTERS_MAX

OR = "$or"


class Number(str):
    """A number by its text: Lambda compares numbers as they are written, 300 is not 300.0 (says its page)."""

    __slots__ = ()


class _Refused(Exception):  # noqa: N818 (a state of affairs)
    """A pattern that cannot be; why."""


class _Missing:
    """What is not there."""


_MISSING = _Missing()
_Value = Any
_Test = Callable[[_Value], bool]
"""Asks of a value, or of ``_MISSING``."""
_COMPARE: Mapping[str, Callable[[Decimal, Decimal], bool]] = {
    "=": lambda one, other: one == other,
    "<": lambda one, other: one < other,
    "<=": lambda one, other: one <= other,
    ">": lambda one, other: one > other,
    ">=": lambda one, other: one >= other,
}


def check(patterns: Sequence[str]) -> None:
    """Raise where these cannot be the patterns of a mapping."""
    if len(patterns) > FILTERS_MAX:
        raise errors.invalid(f"A maximum of {FILTERS_MAX} filters is allowed per event source mapping.")
    for pattern in patterns:
        _compiled(pattern)


def wants(patterns: Sequence[str], record: bytes) -> bool:
    """Whether one of the patterns fits a record of the event, given as JSON. Without patterns all are wanted."""
    if not patterns:
        return True
    parsed = _read(record)
    parsed["body"] = _body(parsed["body"])
    try:
        return any(_compiled(pattern)(parsed) for pattern in patterns)
    except RecursionError:
        # Nested as deep as nobody's parser reads.
        return False


def _read(text: str | bytes) -> Any:
    return json.loads(text, parse_int=Number, parse_float=Number, parse_constant=_no_constant)


def _no_constant(name: str) -> None:
    raise ValueError(name)


def _body(text: str) -> Any:
    """A message's body: an object or array where it is one's JSON, else the plain text."""
    if not text.lstrip(" \t\r\n").startswith(("{", "[")):
        return text
    try:
        return _read(text)
    except (ValueError, RecursionError):
        return text


@lru_cache(maxsize=1024)
def _compiled(pattern: str) -> _Test:
    try:
        return _object(_read(pattern))
    except (_Refused, ValueError, RecursionError, InvalidOperation):
        raise errors.invalid("Invalid filter pattern definition.") from None


def _object(pattern: Any) -> _Test:
    """All keys have to fit, and one branch of ``$or``."""
    if not isinstance(pattern, dict) or not pattern:
        raise _Refused("not an object with keys")
    tests = {key: _branches(value) if key == OR else _key(value) for key, value in pattern.items()}

    def fits(value: _Value) -> bool:
        if isinstance(value, list):
            objects = [item for item in value if isinstance(item, dict | list)]
            return any(map(fits, objects)) if objects else fits(_MISSING)
        if not isinstance(value, dict) and value is not _MISSING:
            return False
        there = value if isinstance(value, dict) else {}
        return all(test(value if key == OR else there.get(key, _MISSING)) for key, test in tests.items())

    return fits


def _branches(branches: Any) -> _Test:
    if not isinstance(branches, list) or len(branches) < 2 or not all(isinstance(one, dict) for one in branches):
        raise _Refused(OR)
    tests = [_object(branch) for branch in branches]
    return lambda value: any(test(value) for test in tests)


def _key(pattern: Any) -> _Test:
    if isinstance(pattern, dict):
        return _object(pattern)
    if not isinstance(pattern, list) or not pattern:
        raise _Refused("neither an object nor an array of values")
    tests = [_test(one) for one in pattern]

    def fits(value: _Value) -> bool:
        if isinstance(value, list):
            # Of an array one element has to fit; an empty one is as if the key were not there.
            return any(map(fits, value)) if value else fits(_MISSING)
        return any(test(value) for test in tests)

    return fits


def _test(pattern: Any) -> _Test:
    if isinstance(pattern, dict):
        ((name, wanted),) = pattern.items()  # more than one key, or none, is a ValueError
        if name not in _OPERATORS:
            raise _Refused(name)
        return _OPERATORS[name](wanted)
    if isinstance(pattern, list):
        raise _Refused("an array of arrays")
    return lambda value: value.__class__ is pattern.__class__ and value == pattern


def _text(wanted: Any) -> str:
    if wanted.__class__ is not str:
        raise _Refused("not a string")
    return str(wanted)


def _prefix(wanted: Any) -> _Test:
    if isinstance(wanted, dict):
        text = _folded(wanted)
        return lambda value: value.__class__ is str and value.casefold().startswith(text)
    text = _text(wanted)
    return lambda value: value.__class__ is str and value.startswith(text)


def _suffix(wanted: Any) -> _Test:
    if isinstance(wanted, dict):
        text = _folded(wanted)
        return lambda value: value.__class__ is str and value.casefold().endswith(text)
    text = _text(wanted)
    return lambda value: value.__class__ is str and value.endswith(text)


def _folded(wanted: Mapping[str, Any]) -> str:
    if list(wanted) != ["equals-ignore-case"]:
        raise _Refused("not a match of a prefix or suffix")
    return _text(wanted["equals-ignore-case"]).casefold()


def _equals_ignore_case(wanted: Any) -> _Test:
    text = _text(wanted).casefold()
    return lambda value: value.__class__ is str and value.casefold() == text


def _anything_but(wanted: Any) -> _Test:
    if isinstance(wanted, dict):
        ((name, inner),) = wanted.items()
        if name not in ("prefix", "suffix", "equals-ignore-case"):
            raise _Refused(name)
        tests = [_OPERATORS[name](one) for one in (inner if isinstance(inner, list) else [inner])]
    else:
        listed = wanted if isinstance(wanted, list) else [wanted]
        if not listed or any(one.__class__ not in (str, Number) for one in listed):
            raise _Refused("anything-but takes strings and numbers")
        tests = [_test(one) for one in listed]

    def fits(value: _Value) -> bool:
        # Another type is something else, too; what is not there, or is an object, is nothing.
        return value is not _MISSING and not isinstance(value, dict) and not any(test(value) for test in tests)

    return fits


def _exists(wanted: Any) -> _Test:
    if not isinstance(wanted, bool):
        raise _Refused("exists takes true or false")
    # Only of leaves: an object is none.
    return lambda value: (value is not _MISSING and not isinstance(value, dict)) == wanted


def _numeric(wanted: Any) -> _Test:
    if not isinstance(wanted, list) or len(wanted) not in (2, 4):
        raise _Refused("numeric takes one comparison or two")
    bounds = []
    for operator, number in zip(wanted[::2], wanted[1::2], strict=True):
        if operator not in _COMPARE or number.__class__ is not Number:
            raise _Refused("not a comparison with a number")
        bounds.append((_COMPARE[operator], Decimal(number)))

    def fits(value: _Value) -> bool:
        if value.__class__ is not Number:
            return False
        try:
            given = Decimal(value)
        except InvalidOperation:
            return False
        return all(compare(given, bound) for compare, bound in bounds)

    return fits


_OPERATORS: Mapping[str, Callable[[Any], _Test]] = {
    "prefix": _prefix,
    "suffix": _suffix,
    "equals-ignore-case": _equals_ignore_case,
    "anything-but": _anything_but,
    "exists": _exists,
    "numeric": _numeric,
}
