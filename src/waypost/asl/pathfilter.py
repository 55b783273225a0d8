"""Filters of a path: ``[?(@.price < 10 && @.kind in ['a', 'b'])]``, compiled to one predicate."""

import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from waypost.asl.pathscan import PathSyntaxError, Scanner

if TYPE_CHECKING:
    from waypost.asl.jsonpath import Path

_Predicate = Callable[[Any, Any], bool]
_Operand = Callable[[Any, Any], Any]


class _Missing:
    """What a path of a filter answers when it leads nowhere; equal to nothing."""


MISSING = _Missing()


def parse(scan: Scanner, compile_path: "Callable[[str], Path]") -> _Predicate:
    """Read ``(expression)`` after the question mark."""
    scan.expect("(")
    predicate = _Filter(scan, compile_path).either()
    scan.blanks()
    scan.expect(")")
    return predicate


def _ordered(left: Any, right: Any) -> bool:
    """Whether the two can be compared by size."""
    if type(left) is str:
        return type(right) is str
    return type(left) in (int, float) and type(right) in (int, float)


def _equal(left: Any, right: Any) -> bool:
    if left is MISSING or right is MISSING:
        return False
    if type(left) is bool or type(right) is bool:
        return left is right
    return bool(left == right)


def _matches(left: Any, right: Any) -> bool:
    return isinstance(left, str) and isinstance(right, re.Pattern) and right.fullmatch(left) is not None


def _sized(left: Any, right: Any) -> bool:
    return isinstance(left, (list, str)) and len(left) == right


def _among(left: Any, right: Any) -> bool:
    return isinstance(right, list) and any(_equal(left, item) for item in right)


def _subset(left: Any, right: Any) -> bool:
    return isinstance(left, list) and all(_among(item, right) for item in left)


def _overlaps(left: Any, right: Any) -> bool:
    return isinstance(left, list) and any(_among(item, right) for item in left)


def _contains(left: Any, right: Any) -> bool:
    if isinstance(left, str):
        return isinstance(right, str) and right in left
    return _among(right, left)


_OPERATORS: tuple[tuple[str, Callable[[Any, Any], bool]], ...] = (
    ("==", _equal),
    ("!=", lambda left, right: not _equal(left, right)),
    ("<=", lambda left, right: _ordered(left, right) and left <= right),
    (">=", lambda left, right: _ordered(left, right) and left >= right),
    ("<", lambda left, right: _ordered(left, right) and left < right),
    (">", lambda left, right: _ordered(left, right) and left > right),
    ("=~", _matches),
    ("in ", _among),
    ("nin ", lambda left, right: not _among(left, right)),
    ("subsetof ", _subset),
    ("anyof ", _overlaps),
    ("noneof ", lambda left, right: not _overlaps(left, right)),
    ("contains ", _contains),
    ("size ", _sized),
    ("empty ", lambda left, right: isinstance(left, (list, str)) and (not left) == right),
)


class _Filter:
    """Recursive descent over an expression: or, and, not, comparison."""

    def __init__(self, scan: Scanner, compile_path: "Callable[[str], Path]") -> None:
        self._scan = scan
        self._compile_path = compile_path

    def either(self) -> _Predicate:
        """Read alternatives."""
        left = self._both()
        while self._next("||"):
            left = _or(left, self._both())
        return left

    def _both(self) -> _Predicate:
        left = self._one()
        while self._next("&&"):
            left = _and(left, self._one())
        return left

    def _next(self, token: str) -> bool:
        self._scan.blanks()
        return self._scan.take(token)

    def _one(self) -> _Predicate:
        if self._next("!"):
            inner = self._one()
            return lambda item, root: not inner(item, root)
        if self._next("("):
            inner = self.either()
            self._scan.blanks()
            self._scan.expect(")")
            return inner
        left, is_path = self._operand()
        self._scan.blanks()
        for token, holds in _OPERATORS:
            if self._scan.text[self._scan.position :].lower().startswith(token):
                self._scan.position += len(token)
                self._scan.blanks()
                right, _ = self._operand()
                return _comparison(left, holds, right)
        if not is_path:
            raise PathSyntaxError(f"comparison expected at {self._scan.position}: {self._scan.text}")
        return lambda item, root: left(item, root) is not MISSING

    def _operand(self) -> tuple[_Operand, bool]:
        scan = self._scan
        character = scan.peek()
        if character in "@$":
            return self._path(), True
        constant: Any
        if character in "'\"":
            constant = scan.quoted()
        elif character == "/":
            constant = self._regex()
        elif character == "[":
            constant = self._list()
        else:
            constant = self._word()
        return (lambda _item, _root: constant), False

    def _path(self) -> _Operand:
        scan = self._scan
        start, depth = scan.position, 0
        of_item = scan.peek() == "@"
        while not scan.done:
            character = scan.peek()
            if character in "'\"" and depth:
                scan.quoted()
                continue
            if depth == 0 and (character in " )&|=!<>," or scan.text.startswith("=~", scan.position)):
                if character == ")" and scan.text[scan.position - 1] == "(":
                    scan.position += 1
                    continue
                break
            depth += (character == "[") - (character == "]")
            scan.position += 1
        path = self._compile_path("$" + scan.text[start + 1 : scan.position])

        def read(item: Any, root: Any) -> Any:
            found, value = path.find(item if of_item else root)
            return value if found else MISSING

        return read

    def _regex(self) -> re.Pattern[str]:
        scan = self._scan
        scan.expect("/")
        start = scan.position
        while not scan.done and (scan.peek() != "/" or scan.text[scan.position - 1] == "\\"):
            scan.position += 1
        pattern = scan.text[start : scan.position].replace("\\/", "/")
        scan.expect("/")
        flags = re.IGNORECASE if scan.take("i") else re.NOFLAG
        try:
            return re.compile(pattern, flags)
        except re.error as error:
            raise PathSyntaxError(f"bad regular expression: {error}") from error

    def _list(self) -> list[Any]:
        scan = self._scan
        scan.expect("[")
        scan.blanks()
        items = [] if scan.peek() == "]" else scan.separated(self._item)
        scan.expect("]")
        return items

    def _item(self) -> Any:
        return self._scan.quoted() if self._scan.peek() in "'\"" else self._word()

    def _word(self) -> Any:
        scan = self._scan
        start = scan.position
        while scan.peek() not in " )],&|=<>\0":
            scan.position += 1
        word = scan.text[start : scan.position]
        constants = {"true": True, "false": False, "null": None}
        if word in constants:
            return constants[word]
        try:
            return float(word) if any(mark in word for mark in ".eE") else int(word)
        except ValueError:
            raise PathSyntaxError(f"value expected at {start}: {scan.text}") from None


def _or(left: _Predicate, right: _Predicate) -> _Predicate:
    return lambda item, root: left(item, root) or right(item, root)


def _and(left: _Predicate, right: _Predicate) -> _Predicate:
    return lambda item, root: left(item, root) and right(item, root)


def _comparison(left: _Operand, holds: Callable[[Any, Any], bool], right: _Operand) -> _Predicate:
    return lambda item, root: holds(left(item, root), right(item, root))
