"""JSONPath as Step Functions reads it: compiled once to a ``Path``, then run without looking at the text again.

A path is *definite* when it names one place (only keys and single indexes): it answers that value, or fails. Any other
path answers the list of what it found, which may be empty. An index past the end of an array answers null.
"""

from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import Any

from waypost.asl import pathfilter
from waypost.asl.pathscan import PathSyntaxError, Scanner

Predicate = Callable[[Any, Any], bool]
"""(candidate, root) -> whether the candidate stays."""


class PathError(Exception):
    """A path leads nowhere in this document; the text says where it broke off."""


class _Step:
    """One segment of a path that may match many places."""

    __slots__ = ("deep", "select", "text")

    def __init__(self, select: Callable[[Any, Any], Iterator[Any]], text: str, *, deep: bool = False) -> None:
        self.select = select
        self.text = text
        self.deep = deep


class Path:
    """A compiled path. ``scope`` is ``$`` (the document), ``$$`` (the context object) or a variable's name."""

    __slots__ = ("_function", "_function_name", "_steps", "keys", "scope", "text")

    def __init__(
        self,
        text: str,
        scope: str,
        keys: tuple[str | int, ...],
        steps: tuple[_Step, ...],
        function: tuple[str, Callable[[Any], Any]] | None,
    ) -> None:
        self.text = text
        self.scope = scope
        self.keys = keys
        """The leading segments that name one place each; all of them, in a definite path."""
        self._steps = steps
        self._function_name = function[0] if function else ""
        self._function = function[1] if function else None

    @property
    def definite(self) -> bool:
        """Whether the path names exactly one place."""
        return not self._steps

    @property
    def reference(self) -> bool:
        """Whether the path can also be written to: it names one place and calls nothing."""
        return not self._steps and self._function is None

    def read(self, document: Any) -> Any:
        """Answer what the path names in ``document``; raises ``PathError``."""
        value = document
        for key in self.keys:
            if type(key) is str:
                if type(value) is dict and key in value:
                    value = value[key]
                    continue
            elif type(value) is list:
                value = value[key] if -len(value) <= key < len(value) else None  # type: ignore[operator,index]
                continue
            raise PathError(self._explain(document))
        if self._steps:
            value = self._search(value, document)
        if self._function is not None:
            return self._function(value)
        return value

    def find(self, document: Any) -> tuple[bool, Any]:
        """Answer whether the path names something, and what: without the cost of an explanation."""
        value = document
        for key in self.keys:
            if type(key) is str:
                if type(value) is dict and key in value:
                    value = value[key]
                    continue
            elif type(value) is list:
                value = value[key] if -len(value) <= key < len(value) else None  # type: ignore[operator,index]
                continue
            return False, None
        if self._steps:
            value = self._search(value, document)
        return True, value if self._function is None else self._function(value)

    def _search(self, start: Any, document: Any) -> list[Any]:
        found = [start]
        for step in self._steps:
            if step.deep:
                found = [inner for value in found for inner in _descend(value)]
            found = [hit for value in found for hit in step.select(value, document)]
        return found

    def _explain(self, document: Any) -> str:
        """Say where a read of the leading keys broke off, in Jayway's words."""
        value, walked = document, "$"
        last = len(self.keys) - 1 if not self._steps else len(self.keys)
        for position, key in enumerate(self.keys):
            if type(key) is str:
                if type(value) is not dict:
                    return (
                        f"Expected to find an object with property ['{key}'] in path {walked} but found "
                        f"'{_java_class(value)}'. This is not a json object according to the JsonProvider: "
                        "'com.jayway.jsonpath.spi.json.JacksonJsonNodeJsonProvider'."
                    )
                if key not in value:
                    if position == last:
                        return f"No results for path: {self.bracketed}"
                    return f"Missing property in path {walked}['{key}']"
                value, walked = value[key], f"{walked}['{key}']"
                continue
            if type(value) is not list:
                if value is None:
                    return f"The path {walked} is null"
                return f"Filter: [{key}] can only be applied to arrays. Current context is: {value}"
            value = value[key] if -len(value) <= key < len(value) else None  # type: ignore[operator,index]
            walked = f"{walked}[{key}]"
        return f"No results for path: {self.bracketed}"

    @property
    def bracketed(self) -> str:
        """The path in its full form: ``$['a'][0]``."""
        keys = "".join(f"['{key}']" if isinstance(key, str) else f"[{key}]" for key in self.keys)
        steps = "".join((".." if step.deep else "") + step.text for step in self._steps)
        call = f".{self._function_name}()" if self._function else ""
        return f"${keys}{steps}{call}"


def _java_class(value: Any) -> str:
    names = {dict: "ObjectNode", list: "ArrayNode", str: "TextNode", bool: "BooleanNode", int: "IntNode"}
    if value is None:
        return "null"
    return f"com.fasterxml.jackson.databind.node.{names.get(type(value), 'DoubleNode')}"


def _descend(value: Any) -> Iterator[Any]:
    """Answer a value and everything inside it, in document order."""
    yield value
    if type(value) is dict:
        for inner in value.values():
            if type(inner) is dict or type(inner) is list:
                yield from _descend(inner)
    elif type(value) is list:
        for inner in value:
            if type(inner) is dict or type(inner) is list:
                yield from _descend(inner)


def _by_key(name: str) -> _Step:
    def select(value: Any, _root: Any) -> Iterator[Any]:
        if type(value) is dict and name in value:
            yield value[name]

    return _Step(select, f"['{name}']")


def _by_keys(names: tuple[str, ...]) -> _Step:
    def select(value: Any, _root: Any) -> Iterator[Any]:
        if type(value) is dict:
            yield {name: value[name] for name in names if name in value}

    return _Step(select, "[" + ",".join(f"'{name}'" for name in names) + "]")


def _by_index(indexes: tuple[int, ...]) -> _Step:
    def select(value: Any, _root: Any) -> Iterator[Any]:
        if type(value) is list:
            for index in indexes:
                if -len(value) <= index < len(value):
                    yield value[index]

    return _Step(select, "[" + ",".join(str(index) for index in indexes) + "]")


def _by_slice(bounds: slice, text: str) -> _Step:
    def select(value: Any, _root: Any) -> Iterator[Any]:
        if type(value) is list:
            yield from value[bounds]

    return _Step(select, text)


def _everything() -> _Step:
    def select(value: Any, _root: Any) -> Iterator[Any]:
        if type(value) is dict:
            yield from value.values()
        elif type(value) is list:
            yield from value

    return _Step(select, "[*]")


def _filtered(accepts: Predicate) -> _Step:
    def select(value: Any, root: Any) -> Iterator[Any]:
        if type(value) is list:
            for item in value:
                if accepts(item, root):
                    yield item
        elif type(value) is dict and accepts(value, root):
            yield value

    return _Step(select, "[?]")


def _numbers(value: Any) -> list[float]:
    return [float(item) for item in value if type(item) in (int, float)] if type(value) is list else []


def _mean(value: Any) -> float | None:
    numbers = _numbers(value)
    return sum(numbers) / len(numbers) if numbers else None


def _deviation(value: Any) -> float | None:
    numbers = _numbers(value)
    if not numbers:
        return None
    mean = sum(numbers) / len(numbers)
    return float((sum((number - mean) ** 2 for number in numbers) / len(numbers)) ** 0.5)


_FUNCTIONS: dict[str, Callable[[Any], Any]] = {
    "length": lambda value: len(value) if type(value) in (list, dict) else None,
    "size": lambda value: len(value) if type(value) in (list, dict) else None,
    "min": lambda value: min(_numbers(value), default=None),
    "max": lambda value: max(_numbers(value), default=None),
    "avg": _mean,
    "stddev": _deviation,
    "sum": lambda value: sum(_numbers(value)),
    "keys": lambda value: list(value) if type(value) is dict else None,
    "first": lambda value: value[0] if type(value) is list and value else None,
    "last": lambda value: value[-1] if type(value) is list and value else None,
    "concat": lambda value: "".join(item for item in value if type(item) is str) if type(value) is list else None,
}


ROOT = Path("$", "$", (), (), None)
"""The path of the whole document; there is only one, so identity tells it."""


def compile_path(text: str) -> Path:
    """Compile a path that starts with ``$``; raises ``PathSyntaxError``."""
    return ROOT if text == "$" else _compile(text)


@lru_cache(maxsize=4096)
def _compile(text: str) -> Path:
    scan = Scanner(text)
    scope = _scope(scan)
    keys: list[str | int] = []
    steps: list[_Step] = []
    function: tuple[str, Callable[[Any], Any]] | None = None
    while not scan.done:
        if function is not None:
            raise PathSyntaxError(f"nothing may follow a function: {text}")
        deep = scan.take("..")
        if deep and scan.done:
            raise PathSyntaxError(f"path may not end with '..': {text}")
        if scan.peek() == "[":
            segment: str | int | _Step = _bracket(scan)
        else:
            if not deep:
                scan.expect(".")
            segment = _dotted(scan)
            if isinstance(segment, str) and scan.take("()"):
                if segment not in _FUNCTIONS:
                    raise PathSyntaxError(f"unknown function '{segment}': {text}")
                function = (segment, _FUNCTIONS[segment])
                continue
        if isinstance(segment, _Step):
            segment.deep = deep
            steps.append(segment)
        elif deep or steps:
            step = _by_key(segment) if isinstance(segment, str) else _by_index((segment,))
            step.deep = deep
            steps.append(step)
        else:
            keys.append(segment)
    return Path(text, scope, tuple(keys), tuple(steps), function)


def _scope(scan: Scanner) -> str:
    scan.expect("$")
    if scan.take("$"):
        return "$$"
    name = scan.identifier()
    return name or "$"


def _dotted(scan: Scanner) -> str | _Step:
    if scan.take("*"):
        return _everything()
    return scan.name()


def _bracket(scan: Scanner) -> str | int | _Step:
    scan.expect("[")
    scan.blanks()
    if scan.take("*"):
        segment: str | int | _Step = _everything()
    elif scan.take("?"):
        segment = _filtered(pathfilter.parse(scan, compile_path))
    elif scan.peek() in "'\"":
        names = scan.separated(scan.quoted)
        segment = names[0] if len(names) == 1 else _by_keys(tuple(names))
    else:
        segment = _numeric(scan)
    scan.blanks()
    scan.expect("]")
    return segment


def _numeric(scan: Scanner) -> int | _Step:
    start = scan.position
    first = scan.integer()
    scan.blanks()
    if scan.peek() == ":":
        bounds: list[int | None] = [first]
        while len(bounds) < 3 and scan.take(":"):
            scan.blanks()
            bounds.append(scan.integer())
            scan.blanks()
        if bounds[2:] and bounds[2] is not None and bounds[2] <= 0:
            raise PathSyntaxError(f"a slice goes forward: {scan.text}")
        return _by_slice(slice(*bounds), f"[{scan.text[start : scan.position]}]")
    if first is None:
        raise PathSyntaxError(f"index expected at {start}: {scan.text}")
    indexes = [first]
    while scan.take(","):
        scan.blanks()
        index = scan.integer()
        if index is None:
            raise PathSyntaxError(f"index expected at {scan.position}: {scan.text}")
        indexes.append(index)
        scan.blanks()
    return indexes[0] if len(indexes) == 1 else _by_index(tuple(indexes))
