"""Rules of a Choice state, compiled to predicates of the scope."""

import re
from collections.abc import Callable
from typing import Any

from waypost.asl.errors import RUNTIME, StateError
from waypost.asl.jsonpath import Path, PathError
from waypost.asl.scope import Scope
from waypost.asl.timestamps import parse_ns

Rule = Callable[[Scope], bool]
_Compare = Callable[[Any, Any], bool]


def _is_number(value: Any) -> bool:
    return type(value) is int or type(value) is float


def _is_timestamp(value: Any) -> bool:
    return isinstance(value, str) and parse_ns(value) is not None


def _strings(compare: _Compare) -> _Compare:
    return lambda left, right: isinstance(left, str) and isinstance(right, str) and compare(left, right)


def _numbers(compare: _Compare) -> _Compare:
    return lambda left, right: _is_number(left) and _is_number(right) and compare(left, right)


def _timestamps(compare: _Compare) -> _Compare:
    def holds(left: Any, right: Any) -> bool:
        if not isinstance(left, str) or not isinstance(right, str):
            return False
        left_ns, right_ns = parse_ns(left), parse_ns(right)
        return left_ns is not None and right_ns is not None and compare(left_ns, right_ns)

    return holds


_ORDERS: dict[str, _Compare] = {
    "Equals": lambda left, right: bool(left == right),
    "LessThan": lambda left, right: bool(left < right),
    "GreaterThan": lambda left, right: bool(left > right),
    "LessThanEquals": lambda left, right: bool(left <= right),
    "GreaterThanEquals": lambda left, right: bool(left >= right),
}

COMPARISONS: dict[str, _Compare] = {
    **{f"String{name}": _strings(compare) for name, compare in _ORDERS.items()},
    **{f"Numeric{name}": _numbers(compare) for name, compare in _ORDERS.items()},
    **{f"Timestamp{name}": _timestamps(compare) for name, compare in _ORDERS.items()},
    "BooleanEquals": lambda left, right: isinstance(left, bool) and left is right,
}
"""Comparisons of two values; each also exists with ``Path`` at its end, for a second value read from the input."""

TESTS: dict[str, Callable[[Any], bool]] = {
    "IsNull": lambda value: value is None,
    "IsNumeric": _is_number,
    "IsString": lambda value: isinstance(value, str),
    "IsBoolean": lambda value: isinstance(value, bool),
    "IsTimestamp": _is_timestamp,
}
"""Tests of one value, compared with true or false. ``IsPresent`` and ``StringMatches`` stand apart."""


def read(scope: Scope, path: Path) -> Any:
    """Answer what a rule's path names; raises ``StateError``."""
    try:
        found, value = path.find(scope.root(path))
    except PathError:
        found, value = False, None
    if not found:
        cause = f"Invalid path '{path.text}': The choice state's condition path references an invalid value."
        raise StateError(RUNTIME, cause)
    return value


def compare(variable: Path, holds: _Compare, expected: Any) -> Rule:
    """Compare a value of the input with a constant."""
    return lambda scope: holds(read(scope, variable), expected)


def compare_path(variable: Path, holds: _Compare, expected: Path) -> Rule:
    """Compare two values of the input."""
    return lambda scope: holds(read(scope, variable), read(scope, expected))


def test(variable: Path, holds: Callable[[Any], bool], expected: bool) -> Rule:
    """Test a value's type."""
    return lambda scope: holds(read(scope, variable)) is expected


def present(variable: Path, expected: bool) -> Rule:
    """Test whether the input has a value there."""

    def rule(scope: Scope) -> bool:
        try:
            found, _ = variable.find(scope.root(variable))
        except PathError:
            found = False
        return found is expected

    return rule


def matches(variable: Path, pattern: str) -> Rule:
    r"""Match a string with a pattern in which ``*`` stands for anything; ``\*`` and ``\\`` stand for themselves."""
    parts: list[str] = []
    position = 0
    while position < len(pattern):
        character = pattern[position]
        if character == "\\" and pattern[position + 1 : position + 2] in ("*", "\\"):
            position += 1
            parts.append(re.escape(pattern[position]))
        else:
            parts.append(".*" if character == "*" else re.escape(character))
        position += 1
    expression = re.compile("".join(parts), re.DOTALL)

    def rule(scope: Scope) -> bool:
        value = read(scope, variable)
        return isinstance(value, str) and expression.fullmatch(value) is not None

    return rule


def every(rules: tuple[Rule, ...]) -> Rule:
    """And."""
    return lambda scope: all(rule(scope) for rule in rules)


def some(rules: tuple[Rule, ...]) -> Rule:
    """Or."""
    return lambda scope: any(rule(scope) for rule in rules)


def none_of(rule: Rule) -> Rule:
    """Not."""
    return lambda scope: not rule(scope)
