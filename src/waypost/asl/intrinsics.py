"""Intrinsic functions: ``States.Format('Hello, {}', $.name)``, compiled once to a function of the scope."""

import base64
import binascii
import hashlib
import math
from collections.abc import Callable
from functools import lru_cache
from typing import Any

import msgspec

from waypost.asl.document import SIZE_MAX, compact
from waypost.asl.errors import INTRINSIC, RUNTIME, StateError
from waypost.asl.jsonpath import Path, PathError, compile_path
from waypost.asl.pathscan import PathSyntaxError, Scanner
from waypost.asl.scope import Scope

Evaluate = Callable[[Scope], Any]

_NESTING_MAX = 10
_TEXT_MAX = 10_000
_RANGE_MAX = 1_000
_HASHES = {"MD5": "md5", "SHA-1": "sha1", "SHA-256": "sha256", "SHA-384": "sha384", "SHA-512": "sha512"}


class _Refused(Exception):  # noqa: N818  # it never leaves this module
    """An argument a function cannot take; the text says why."""


class Intrinsic:
    """A compiled call."""

    __slots__ = ("_evaluate", "paths", "text")

    def __init__(self, text: str, evaluate: Evaluate, paths: tuple[Path, ...]) -> None:
        self.text = text
        self.paths = paths
        """Every path among the arguments."""
        self._evaluate = evaluate

    def evaluate(self, scope: Scope) -> Any:
        """Answer the call's value; raises ``StateError``."""
        try:
            return self._evaluate(scope)
        except PathError as error:
            cause = f"The function '{self.text}' had the following error: {error}"
            raise StateError(RUNTIME, cause) from error
        except _Refused as error:
            cause = f"The function '{self.text}' had the following error: {error}"
            raise StateError(INTRINSIC, cause) from error


@lru_cache(maxsize=4096)
def compile_intrinsic(text: str) -> Intrinsic:
    """Compile a call that starts with ``States.``; raises ``PathSyntaxError``."""
    parser = _Parser(text)
    evaluate = parser.call(1)
    parser.scan.blanks()
    if not parser.scan.done:
        raise PathSyntaxError(f"nothing may follow the call: {text}")
    return Intrinsic(text, evaluate, tuple(parser.paths))


class _Parser:
    def __init__(self, text: str) -> None:
        self.scan = Scanner(text)
        self.paths: list[Path] = []

    def call(self, depth: int) -> Evaluate:
        """Read ``States.Name(arguments)``."""
        scan = self.scan
        if depth > _NESTING_MAX:
            raise PathSyntaxError(f"calls nest deeper than {_NESTING_MAX}: {scan.text}")
        scan.expect("States.")
        name = scan.identifier()
        if name not in _FUNCTIONS:
            raise PathSyntaxError(f"unknown function 'States.{name}': {scan.text}")
        scan.blanks()
        scan.expect("(")
        scan.blanks()
        arguments = [] if scan.peek() == ")" else scan.separated(lambda: self._argument(depth))
        scan.expect(")")
        least, most, function = _FUNCTIONS[name]
        if not least <= len(arguments) <= most:
            raise PathSyntaxError(f"States.{name} does not take {len(arguments)} arguments: {scan.text}")
        return _applied(function, tuple(arguments))

    def _argument(self, depth: int) -> Evaluate:
        scan = self.scan
        if scan.peek() == "'":
            literal = self._string()
            return lambda _scope: literal
        if scan.peek() == "$":
            return self._path()
        if scan.text.startswith("States.", scan.position):
            return self.call(depth + 1)
        start = scan.position
        while scan.peek() not in ",) \0":
            scan.position += 1
        word = scan.text[start : scan.position]
        try:
            constant = msgspec.json.decode(word)
        except msgspec.DecodeError:
            constant = word
        if isinstance(constant, str):
            raise PathSyntaxError(f"argument expected at {start}: {scan.text}")
        return lambda _scope: constant

    def _string(self) -> "_Literal":
        """Read a literal in single quotes, its escapes kept: States.Format must see which braces were escaped."""
        scan = self.scan
        scan.expect("'")
        start = scan.position
        while scan.peek() != "'":
            if scan.done:
                raise PathSyntaxError(f"string not closed: {scan.text}")
            scan.position += 2 if scan.peek() == "\\" else 1
        raw = scan.text[start : scan.position]
        scan.expect("'")
        return _Literal(raw)

    def _path(self) -> Evaluate:
        scan = self.scan
        start, depth = scan.position, 0
        while not scan.done:
            character = scan.peek()
            if depth and character in "'\"":
                scan.quoted()
                continue
            if depth == 0 and character in ", \t\n)":
                if character == ")" and scan.text[scan.position - 1] == "(":
                    scan.position += 1
                    continue
                break
            depth += (character == "[") - (character == "]")
            scan.position += 1
        path = compile_path(scan.text[start : scan.position])
        self.paths.append(path)

        def read(scope: Scope) -> Any:
            found, value = path.find(scope.root(path))
            if not found:
                shown = compact(scope.root(path))
                raise PathError(
                    f"The JsonPath argument for the field '{path.text}' could not be found in the input '{shown}'"
                )
            return value

        return read


class _Literal(str):
    """A literal of the definition as it is written, escapes and all."""

    __slots__ = ()


def _plain(text: str) -> str:
    """Resolve the escapes of a literal."""
    if not isinstance(text, _Literal) or "\\" not in text:
        return str(text)
    out: list[str] = []
    escaped = False
    for character in text:
        if escaped:
            out.append(character if character in "'{}\\" else "\\" + character)
            escaped = False
        elif character == "\\":
            escaped = True
        else:
            out.append(character)
    return "".join(out)


def _applied(function: Callable[..., Any], arguments: tuple[Evaluate, ...]) -> Evaluate:
    if function is _format:
        return lambda scope: _format(*[argument(scope) for argument in arguments])
    if function in (_uuid, _math_random):
        return lambda scope: function(scope, *[_resolved(argument(scope)) for argument in arguments])
    return lambda scope: function(*[_resolved(argument(scope)) for argument in arguments])


def _resolved(value: Any) -> Any:
    return _plain(value) if isinstance(value, _Literal) else value


def shown(value: Any) -> str:
    """Write a value as Java's ``toString`` does: ``{a=1, b=[x, null]}``."""
    if isinstance(value, str):
        return _plain(value)
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key}={shown(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(shown(item) for item in value) + "]"
    return compact(value)


def _format(template: Any, *values: Any) -> str:
    if not isinstance(template, str):
        raise _Refused("the template must be a string")
    out: list[str] = []
    used = 0
    position = 0
    while position < len(template):
        character = template[position]
        if character == "\\" and position + 1 < len(template) and template[position + 1] in "'{}\\":
            out.append(template[position + 1])
            position += 2
        elif template.startswith("{}", position):
            if used >= len(values):
                raise _Refused("the number of arguments does not match the occurrences of {}")
            out.append(shown(values[used]))
            used += 1
            position += 2
        elif character in "{}":
            raise _Refused("a brace that is not escaped must be part of {}")
        else:
            out.append(character)
            position += 1
    if used != len(values):
        raise _Refused("the number of arguments does not match the occurrences of {}")
    return "".join(out)


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise _Refused("argument must be a string")
    return value


def _short_text(value: Any) -> str:
    if len(_text(value)) > _TEXT_MAX:
        raise _Refused(f"argument must not be longer than {_TEXT_MAX} characters")
    return str(value)


def _array(value: Any) -> list[Any]:
    if not isinstance(value, list):
        raise _Refused("argument must be an array")
    return value


def _small_array(value: Any) -> list[Any]:
    array = _array(value)
    if len(compact(array).encode()) > SIZE_MAX:
        raise _Refused("the array exceeds the size limit of 262144 bytes")
    return array


def _whole(value: Any) -> int:
    """Answer a number rounded to the nearest whole one, halves upwards."""
    if type(value) is int:
        return value
    if type(value) is float and math.isfinite(value):
        return math.floor(value + 0.5)
    raise _Refused("argument must be a number")


def _same(left: Any, right: Any) -> bool:
    """Deep equality of JSON, in which true is not 1."""
    if isinstance(left, bool) or isinstance(right, bool):
        return left is right
    if isinstance(left, dict) and isinstance(right, dict):
        return left.keys() == right.keys() and all(_same(left[key], right[key]) for key in left)
    if isinstance(left, list) and isinstance(right, list):
        return len(left) == len(right) and all(map(_same, left, right))
    return bool(left == right)


def _string_to_json(text: Any) -> Any:
    if not _text(text).strip():
        return None
    try:
        return msgspec.json.decode(text)
    except msgspec.DecodeError as error:
        raise _Refused(f"argument is not valid JSON: {error}") from error


def _array_partition(array: Any, size: Any) -> list[list[Any]]:
    items, length = _small_array(array), _whole(size)
    if length < 1:
        raise _Refused("the size of a chunk must be positive")
    return [items[start : start + length] for start in range(0, len(items), length)]


def _array_contains(array: Any, wanted: Any) -> bool:
    return any(_same(item, wanted) for item in _small_array(array))


def _array_range(first: Any, last: Any, increment: Any) -> list[int]:
    start, end, stride = _whole(first), _whole(last), _whole(increment)
    if stride == 0:
        raise _Refused("the increment must not be zero")
    numbers = range(start, end + (1 if stride > 0 else -1), stride)
    if len(numbers) > _RANGE_MAX:
        raise _Refused(f"the range must not have more than {_RANGE_MAX} items")
    return list(numbers)


def _array_get_item(array: Any, index: Any) -> Any:
    items, place = _array(array), _whole(index)
    if not 0 <= place < len(items):
        raise _Refused(f"index {place} is out of bounds for an array of length {len(items)}")
    return items[place]


def _array_unique(array: Any) -> list[Any]:
    unique: dict[str, Any] = {}
    for item in _small_array(array):
        unique.setdefault(msgspec.json.encode(item, order="sorted").decode(), item)
    return list(unique.values())


def _base64_decode(text: Any) -> str:
    try:
        return base64.b64decode(_short_text(text), validate=True).decode()
    except (binascii.Error, ValueError) as error:
        raise _Refused("argument is not valid Base64 of a UTF-8 string") from error


def _hash(data: Any, algorithm: Any) -> str:
    if algorithm not in _HASHES:
        raise _Refused(f"the algorithm must be one of {', '.join(_HASHES)}")
    text = data if isinstance(data, str) else compact(data)
    return hashlib.new(_HASHES[algorithm], _short_text(text).encode(), usedforsecurity=False).hexdigest()


def _json_merge(left: Any, right: Any, deep: Any) -> dict[str, Any]:
    if not isinstance(left, dict) or not isinstance(right, dict):
        raise _Refused("arguments must be objects")
    if deep is not False:
        raise _Refused("only the shallow merge is supported: the third argument must be false")
    return left | right


def _string_split(text: Any, delimiters: Any) -> list[str]:
    out, word = [], ""
    for character in _text(text):
        if character in _text(delimiters):
            if word:
                out.append(word)
            word = ""
        else:
            word += character
    return [*out, word] if word else out


def _math_random(scope: Scope, start: Any, end: Any, seed: Any = None) -> int:
    low, high = _whole(start), _whole(end)
    if high <= low:
        raise _Refused("the end must be greater than the start")
    number = scope.draw()
    if seed is not None:
        number = int.from_bytes(hashlib.sha256(str(_whole(seed)).encode()).digest()[:16], "big")
    return low + number % (high - low)


def _uuid(scope: Scope) -> str:
    text = f"{scope.draw():032x}"
    variant = "89ab"[int(text[16], 16) & 3]
    return f"{text[:8]}-{text[8:12]}-4{text[13:16]}-{variant}{text[17:20]}-{text[20:]}"


_MANY = 1_000
_FUNCTIONS: dict[str, tuple[int, int, Callable[..., Any]]] = {
    "Format": (1, _MANY, _format),
    "StringToJson": (1, 1, _string_to_json),
    "JsonToString": (1, 1, compact),
    "Array": (0, _MANY, lambda *items: list(items)),
    "ArrayPartition": (2, 2, _array_partition),
    "ArrayContains": (2, 2, _array_contains),
    "ArrayRange": (3, 3, _array_range),
    "ArrayGetItem": (2, 2, _array_get_item),
    "ArrayLength": (1, 1, lambda array: len(_array(array))),
    "ArrayUnique": (1, 1, _array_unique),
    "Base64Encode": (1, 1, lambda text: base64.b64encode(_short_text(text).encode()).decode()),
    "Base64Decode": (1, 1, _base64_decode),
    "Hash": (2, 2, _hash),
    "JsonMerge": (3, 3, _json_merge),
    "MathRandom": (2, 3, _math_random),
    "MathAdd": (2, 2, lambda left, right: _whole(left) + _whole(right)),
    "StringSplit": (2, 2, _string_split),
    "UUID": (0, 0, _uuid),
}
