"""The models' constraints (required, length, range, pattern, enum), compiled per operation, in AWS's words."""

from collections.abc import Callable
from typing import Any

from waypost.aws import patterns
from waypost.aws.errors import AwsError
from waypost.aws.model import Ref, Service, Shape

Errors = list[str]
Check = Callable[[Any, str, Errors], None]
Test = tuple[Callable[[Any], bool] | None, str]
"""Whether a value is good (None: it always is), and what is said of one that is not."""

VALUE_MAX = 4096
"""Longest value, in characters, that an error message quotes."""
PATTERN_MAX = 131_072
"""Longest string that is held against a pattern; its length is checked whatever it is."""


def compile_validator(service: Service, ref: Ref | None) -> Callable[[dict[str, Any]], None] | None:
    """A function that raises ``AwsError`` where request parameters break the model; None where nothing can break."""
    if ref is None or service.overlay.types_only:
        return None
    check = _Compiler(service).structure(service.shape(ref))
    if check is None:
        return None
    code = service.overlay.validation_code
    code = code or ("ValidationError" if service.wire == "query" else "ValidationException")

    def validate(params: dict[str, Any]) -> None:
        errors: Errors = []
        check(params, "", errors)
        if errors:
            plural = "" if len(errors) == 1 else "s"
            raise AwsError(code, f"{len(errors)} validation error{plural} detected: {'; '.join(errors)}", 400)

    return validate


class _Compiler:
    """Checks of shapes, made once each; a shape that contains itself is bound late."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._checks: dict[str, Check | None] = {}

    def structure(self, shape: Shape) -> Check | None:
        """The members' checks and the required ones."""
        checks = [
            (name, path, check)
            for name, ref in shape.members.items()
            for path, check in [(name[:1].lower() + name[1:], self.of(ref))]
            if check is not None
        ]
        required = [(name, name[:1].lower() + name[1:]) for name in shape.required if name in shape.members]
        if not checks and not required:
            return None

        def check_structure(value: Any, path: str, errors: Errors) -> None:
            prefix = path + "." if path else ""
            for name, member_path in required:
                if value.get(name) is None:
                    errors.append(_failed(f"Value null at '{prefix}{member_path}'", "Member must not be null"))
            for name, member_path, check in checks:
                member = value.get(name)
                if member is not None:
                    check(member, prefix + member_path, errors)

        return check_structure

    def of(self, ref: Ref) -> Check | None:
        """The check of a member, list element or map value."""
        if ref.shape in self._checks:
            return self._checks[ref.shape]
        shape = self._service.shape(ref)
        late: list[Check | None] = [None]

        def check_late(value: Any, path: str, errors: Errors) -> None:
            if late[0] is not None:
                late[0](value, path, errors)

        self._checks[ref.shape] = check_late if shape.type in ("structure", "list", "map") else None
        late[0] = self._checks[ref.shape] = self._made(ref, shape)
        return late[0]

    def _made(self, ref: Ref, shape: Shape) -> Check | None:
        if shape.document or shape.eventstream:
            return None
        if shape.type == "structure":
            return self.structure(shape)
        own = _tests(self._service, ref.shape, shape)
        if shape.type == "list" and shape.member is not None:
            return self._list(shape, shape.member, own)
        if shape.type == "map" and shape.value is not None and shape.key is not None:
            return self._map(shape, shape.key, shape.value, own)
        return _scalar(own, sensitive=shape.sensitive, words=self._service.overlay.pattern_words.get(ref.shape))

    def _list(self, shape: Shape, element: Ref, own: list[Test]) -> Check | None:
        element_shape = self._service.shape(element)
        own_check = _scalar(own, sensitive=shape.sensitive)
        if element_shape.type not in ("structure", "list", "map"):
            return _both(own_check, self._elements(element, "Member must satisfy constraint", list))
        inner = self.of(element)
        if inner is None:
            return own_check

        def check_each(value: Any, path: str, errors: Errors) -> None:
            for number, item in enumerate(value, 1):
                inner(item, f"{path}.{number}.member", errors)

        return _both(own_check, check_each)

    def _map(self, shape: Shape, key: Ref, element: Ref, own: list[Test]) -> Check | None:
        check = _both(
            _scalar(own, sensitive=shape.sensitive), self._elements(key, "Map keys must satisfy constraint", list)
        )
        if self._service.shape(element).type not in ("structure", "list", "map"):
            return _both(check, self._elements(element, "Map value must satisfy constraint", dict.values))
        inner = self.of(element)
        if inner is None:
            return check

        def check_each(value: Any, path: str, errors: Errors) -> None:
            for name, item in value.items():
                inner(item, f"{path}.{name}.member", errors)

        return _both(check, check_each)

    def _elements(self, ref: Ref, words: str, items: Callable[[Any], Any]) -> Check | None:
        """Scalars in a list or a map are reported as one, with all that is asked of them."""
        shape = self._service.shape(ref)
        tests = _tests(self._service, ref.shape, shape)
        if not tests:
            return None
        constraint = f"{words}: [{', '.join(text for _, text in tests)}]"
        goods = [good for good, _ in tests if good is not None]
        sensitive = shape.sensitive

        def check_elements(value: Any, path: str, errors: Errors) -> None:
            for item in items(value):
                for good in goods:
                    if not good(item):
                        errors.append(_failed(_at(value, path, sensitive=sensitive), constraint))
                        return

        return check_elements


def _both(first: Check | None, second: Check | None) -> Check | None:
    if first is None or second is None:
        return first or second

    def check_both(value: Any, path: str, errors: Errors) -> None:
        first(value, path, errors)
        second(value, path, errors)

    return check_both


def _scalar(tests: list[Test], *, sensitive: bool, words: str | None = None) -> Check | None:
    asked = [(good, text) for good, text in tests if good is not None]
    if not asked:
        return None

    def check(value: Any, path: str, errors: Errors) -> None:
        for good, text in asked:
            if not good(value):
                if words is not None and text.startswith(_PATTERN):
                    raise AwsError("ValidationError", words.replace("{member}", path.rpartition(".")[2]), 400)
                errors.append(_failed(_at(value, path, sensitive=sensitive), text))

    return check


_PATTERN = "Member must satisfy regular expression pattern: "


def _tests(service: Service, name: str, shape: Shape) -> list[Test]:
    """What is asked of a value of ``shape`` itself, longest known order: maximum, minimum, pattern, values."""
    unchecked = service.overlay.unchecked.get(name, ())
    tests: list[Test] = []
    sized = shape.type in ("string", "blob", "list", "map")
    what = "length" if sized else "value"
    if shape.max is not None and "max" not in unchecked and shape.type != "timestamp":
        tests.append((_at_most(shape.max, sized=sized), f"Member must have {what} less than or equal to {shape.max}"))
    if shape.min is not None and "min" not in unchecked and shape.type != "timestamp":
        good = None if sized and shape.min <= 0 else _at_least(shape.min, sized=sized)
        tests.append((good, f"Member must have {what} greater than or equal to {shape.min}"))
    if shape.pattern is not None and "pattern" not in unchecked and shape.type == "string":
        pattern = patterns.compiled(shape.pattern)
        if pattern is not None:
            match = pattern.fullmatch
            tests.append((lambda value: len(value) > PATTERN_MAX or match(value) is not None, _PATTERN + shape.pattern))
    if shape.enum and "enum" not in unchecked:
        order = service.overlay.enum_order.get(name) or hash_order(shape.enum)
        tests.append((frozenset(shape.enum).__contains__, f"Member must satisfy enum value set: [{', '.join(order)}]"))
    return tests


def _at_most(bound: float, *, sized: bool) -> Callable[[Any], bool]:
    return (lambda value: len(value) <= bound) if sized else (lambda value: value <= bound)


def _at_least(bound: float, *, sized: bool) -> Callable[[Any], bool]:
    return (lambda value: len(value) >= bound) if sized else (lambda value: value >= bound)


def _failed(where: str, constraint: str) -> str:
    return f"{where} failed to satisfy constraint: {constraint}"


def _at(value: Any, path: str, *, sensitive: bool) -> str:
    return f"Value at '{path}'" if sensitive else f"Value '{shown(value)[:VALUE_MAX]}' at '{path}'"


def shown(value: Any) -> str:
    """A value as AWS's messages quote it, which is how Java prints it."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, bytes):
        return f"java.nio.HeapByteBuffer[pos=0 lim={len(value)} cap={len(value)}]"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key}={shown(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(shown, value)) + "]"
    return str(value)


def hash_order(values: tuple[str, ...]) -> list[str]:
    """The order in which a ``HashSet`` of Java's gives these strings back, and so AWS's messages name them."""
    size = 16
    while size < len(values) / 0.75 + 1:
        size *= 2
    buckets: dict[int, list[str]] = {}
    for value in values:
        digest = 0
        for character in value:
            digest = (31 * digest + ord(character)) & 0xFFFFFFFF
        buckets.setdefault((digest ^ (digest >> 16)) & (size - 1), []).append(value)
    return [value for _, bucket in sorted(buckets.items()) for value in bucket]
