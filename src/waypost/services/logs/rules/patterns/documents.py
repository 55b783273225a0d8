"""Patterns of JSON: ``{ $.status = 4* && ($.user.name = "x" || $.tags[0] NOT EXISTS) }``.

What AWS's pages leave open: a comparison holds of a property that is there and is no object, array or null, != too;
``[*]`` means any element.
"""

import re
from collections.abc import Callable, Iterator
from typing import Any

import msgspec

from waypost.services.logs import errors
from waypost.services.logs.rules.patterns.logic import Condition, Logic, Tokens
from waypost.services.logs.rules.patterns.values import Comparison

_STEP = re.compile(
    r"""\.?\[(?:(?P<index>\d+)|(?P<any>\*)|"(?P<double>[^"]*)"|'(?P<single>[^']*)')\]|\.(?P<name>[\w-]+)"""
)
_OPERATORS = ("=", "!=", "<", "<=", ">", ">=")
_ANY = object()
_decode = msgspec.json.Decoder().decode
_encode = msgspec.json.Encoder().encode


class Selector:
    """Where a property lies."""

    def __init__(self, text: str) -> None:
        """Raises ``AwsError`` for the whole document."""
        self.text = text
        self._steps: list[Any] = []
        for found in _STEP.finditer(text, 1):
            name = next((found[group] for group in ("double", "single", "name") if found[group] is not None), None)
            self._steps.append(_ANY if found["any"] else name if name is not None else int(found["index"]))
        if not self._steps:
            raise errors.invalid_pattern()

    def values(self, document: Any) -> Iterator[Any]:
        """What lies there: nothing, a value, or several where any element is meant."""
        found = [document]
        for step in self._steps:
            found = [inner for value in found for inner in _inner(value, step)]
        return iter(found)


def _inner(value: Any, step: Any) -> list[Any]:
    if step is _ANY:
        return value if isinstance(value, list) else []
    if isinstance(step, int):
        return [value[step]] if isinstance(value, list) and step < len(value) else []
    return [value[step]] if isinstance(value, dict) and step in value else []


class Documents:
    """A condition on messages that are JSON objects."""

    is_of_fields = False
    takes_all = False

    def __init__(self, condition: Condition[Any], selectors: list[Selector], regexes: int) -> None:
        self._condition = condition
        self._selectors = selectors
        self.regexes = regexes
        self.weight = 2 + 6 * regexes

    def match(self, message: str) -> dict[str, str] | None:
        """The properties that the pattern speaks of, under its words for them."""
        if not message.lstrip().startswith("{"):
            return None
        try:
            document = _decode(message)
        except (msgspec.DecodeError, RecursionError):
            return None
        if not self._condition(document):
            return None
        values = {}
        for selector in self._selectors:
            value = next(selector.values(document), None)
            if value is not None:
                values[selector.text] = _text(value)
        return values


def read_document_pattern(text: str) -> Documents:
    """Read a pattern in braces. Raises ``AwsError``."""
    tokens = Tokens(text[1:-1])
    reader = _Reader()
    condition = Logic(tokens, reader.leaf).read()
    if tokens.next.kind != "end":
        raise errors.invalid_pattern()
    return Documents(condition, reader.selectors, reader.regexes)


class _Reader:
    def __init__(self) -> None:
        self.selectors: list[Selector] = []
        self.regexes = 0

    def leaf(self, tokens: Tokens) -> Condition[Any]:
        """A property, and what is said of it."""
        token = tokens.take()
        if token.kind != "selector":
            raise errors.invalid_pattern()
        selector = Selector(token.text)
        if all(known.text != selector.text for known in self.selectors):
            self.selectors.append(selector)
        operator = tokens.took(*_OPERATORS)
        if operator:
            comparison = Comparison(operator, tokens.take().word())
            self.regexes += comparison.regex
            return lambda document: any(_holds(comparison, value) for value in selector.values(document))
        return _keyword(selector, tokens)


def _keyword(selector: Selector, tokens: Tokens) -> Condition[Any]:
    first = tokens.take()
    word = first.text.upper() if first.kind == "bare" else ""
    if word == "EXISTS":
        return lambda document: any(True for _ in selector.values(document))
    second = tokens.take()
    match word, second.text.upper() if second.kind == "bare" else "":
        case "NOT", "EXISTS":
            return lambda document: not any(True for _ in selector.values(document))
        case "IS", "NULL":
            return _is(selector, lambda value: value is None)
        case "IS", "TRUE":
            return _is(selector, lambda value: value is True)
        case "IS", "FALSE":
            return _is(selector, lambda value: value is False)
        case _:
            raise errors.invalid_pattern()


def _is(selector: Selector, test: Callable[[Any], bool]) -> Condition[Any]:
    return lambda document: any(test(value) for value in selector.values(document))


def _holds(comparison: Comparison, value: Any) -> bool:
    if isinstance(value, str):
        return comparison.of_string(value)
    if isinstance(value, bool):
        return comparison.of_string(_text(value))
    if isinstance(value, int | float):
        return comparison.of_number(value, _text(value))
    return False


def _text(value: Any) -> str:
    return value if isinstance(value, str) else _encode(value).decode()
