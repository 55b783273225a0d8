"""How documents flow through a state.

The JSONPath pipeline: InputPath > Parameters > result > ResultSelector > ResultPath > OutputPath. The JSONata pipeline
(Arguments > result > Output) will stand beside it, with the same two faces: ``effective`` on the way in, ``output`` on
the way out.
"""

from collections.abc import Callable
from typing import Any

import msgspec

from waypost.asl.document import Document, compact
from waypost.asl.errors import REFERENCE_PATH, RUNTIME, StateError
from waypost.asl.intrinsics import Intrinsic, compile_intrinsic
from waypost.asl.jsonpath import ROOT, Path, PathError, compile_path
from waypost.asl.pathscan import PathSyntaxError
from waypost.asl.scope import Scope

Evaluate = Callable[[Scope], Any]

EMPTY = Document({})
"""What a path of null stands for."""


def compile_expression(text: str) -> Path | Intrinsic:
    """Compile a path or an intrinsic call; raises ``PathSyntaxError``."""
    if text.startswith("States."):
        return compile_intrinsic(text)
    if text.startswith("$"):
        return compile_path(text)
    raise PathSyntaxError(f"neither a path nor a function: {text}")


def read_path(scope: Scope, path: Path) -> Any:
    """Answer what a state's path field names; raises ``StateError`` in AWS's words."""
    try:
        return scope.read(path)
    except PathError as error:
        raise StateError(RUNTIME, f"Invalid path '{path.text}' : {error}") from error


class Template:
    """A payload template: JSON in which the keys that end with ``.$`` hold paths and calls."""

    __slots__ = ("_constant", "_evaluate", "expressions")

    def __init__(self, source: Any) -> None:
        """Compile ``source``; raises ``PathSyntaxError``."""
        self.expressions: list[tuple[str, Path | Intrinsic]] = []
        """Every dynamic field: its key, and what it holds."""
        self._evaluate = self._build(source)
        self._constant = Document(source)

    def fill(self, scope: Scope) -> Document:
        """Answer the template's value; raises ``StateError``."""
        return self._constant if self._evaluate is None else Document(self._evaluate(scope))

    def _build(self, source: Any) -> Evaluate | None:
        """Compile a part; None if it holds nothing dynamic and stands for itself."""
        if type(source) is dict:
            return self._object(source)
        if type(source) is list:
            parts = [(item, self._build(item)) for item in source]
            if all(evaluate is None for _, evaluate in parts):
                return None
            return lambda scope: [item if evaluate is None else evaluate(scope) for item, evaluate in parts]
        return None

    def _object(self, source: dict[str, Any]) -> Evaluate | None:
        fixed: list[tuple[str, Any, Evaluate | None]] = []
        dynamic: dict[str, Evaluate] = {}
        for key, value in source.items():
            if not key.endswith(".$"):
                fixed.append((key, value, self._build(value)))
                continue
            if not isinstance(value, str):
                raise PathSyntaxError(f"the field '{key}' must hold a path or a function")
            expression = compile_expression(value)
            self.expressions.append((key, expression))
            dynamic[key[:-2]] = _field(key, expression)
        if not dynamic and all(evaluate is None for _, _, evaluate in fixed):
            return None
        filled = [(key, dynamic[key]) for key in hash_order(list(dynamic))]

        def evaluate(scope: Scope) -> dict[str, Any]:
            out = {key: value if inner is None else inner(scope) for key, value, inner in fixed}
            for key, read in filled:
                out[key] = read(scope)
            return out

        return evaluate


def _field(key: str, expression: Path | Intrinsic) -> Evaluate:
    if isinstance(expression, Intrinsic):
        return expression.evaluate

    def read(scope: Scope) -> Any:
        try:
            root = scope.root(expression)
        except PathError as error:
            raise StateError(RUNTIME, f"Invalid path '{expression.text}' : {error}") from error
        found, value = expression.find(root)
        if not found:
            cause = (
                f"The JSONPath '{expression.text}' specified for the field '{key}' "
                f"could not be found in the input '{compact(root)}'"
            )
            raise StateError(RUNTIME, cause)
        return value

    return read


def hash_order(keys: list[str]) -> list[str]:
    """Order the dynamic keys of a template as the service writes them: as a Java HashMap of that size does."""
    size = 16
    while len(keys) > size * 3 // 4:
        size *= 2
    return sorted(keys, key=lambda key: _java_hash(key) & (size - 1))


def _java_hash(text: str) -> int:
    value = 0
    for character in text.encode("utf-16-be").hex(" ", 2).split():
        value = (value * 31 + int(character, 16)) & 0xFFFFFFFF
    return value ^ value >> 16


def place(document: Any, path: Path, result: Any) -> Any:
    """Answer ``document`` with ``result`` at a reference path; only what lies on the way is copied."""
    return _place(document, path.keys, result, document)


def _place(value: Any, keys: tuple[str | int, ...], result: Any, document: Any) -> Any:
    if not keys:
        return result
    key, rest = keys[0], keys[1:]
    if isinstance(key, str) and type(value) is dict:
        inner = value.get(key, {}) if rest else None
        return {**value, key: _place(inner, rest, result, document)}
    if isinstance(key, int) and type(value) is list and -len(value) <= key < len(value):
        copy = list(value)
        copy[key] = _place(value[key], rest, result, document)
        return copy
    raise conflict(key, document)


def conflict(key: str | int, document: Any) -> StateError:
    """Tell that a reference path does not fit a document."""
    return StateError(REFERENCE_PATH, f'Unable to apply step "{key}" to input {compact(document)}', located=False)


class Flow(msgspec.Struct, frozen=True, kw_only=True):
    """The JSONPath pipeline of one state. A path of None is null in the definition; ``$`` is the default."""

    input_path: Path | None
    parameters: Template | None = None
    result_selector: Template | None = None
    result_path: Path | None
    output_path: Path | None

    @property
    def passive(self) -> bool:
        """Whether the input comes in as it is."""
        return self.input_path is ROOT and self.parameters is None

    def selected(self, document: Document, scope: Scope) -> Document:
        """Answer the input after InputPath."""
        if self.input_path is ROOT:
            return document
        if self.input_path is None:
            return EMPTY
        return Document(read_path(scope, self.input_path))

    def effective(self, document: Document, scope: Scope) -> Document:
        """Answer the input after InputPath and Parameters; raises ``StateError``."""
        selected = self.selected(document, scope)
        if self.parameters is None:
            return selected
        return self.parameters.fill(scope if selected is document else scope.at(selected.value))

    @property
    def discards_result(self) -> bool:
        """Whether the result does not matter for what goes out."""
        return self.result_path is None and self.result_selector is None

    def output(self, document: Document, result: Document, scope: Scope) -> Document:
        """Answer what goes out, from the raw input and the result; raises ``StateError``."""
        if self.result_selector is not None:
            result = self.result_selector.fill(scope.at(result.value))
        return self.narrowed(merged(document, self.result_path, result), scope)

    def narrowed(self, document: Document, scope: Scope) -> Document:
        """Answer a document after OutputPath."""
        if self.output_path is ROOT:
            return document
        if self.output_path is None:
            return EMPTY
        return Document(read_path(scope.at(document.value), self.output_path))


def merged(document: Document, result_path: Path | None, result: Document) -> Document:
    """Answer the raw input with the result at ResultPath; raises ``StateError``."""
    if result_path is ROOT:
        return result
    if result_path is None:
        return document
    return Document(place(document.value, result_path, result.value))
