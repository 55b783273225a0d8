"""JSON values and boto3-shaped parameters, made from each other as the model says.

Reading has two ways. The quick one decodes the text straight into a type that msgspec knows (bytes from base64, floats
for timestamps), in one pass of C. Whatever it refuses goes the patient way, value by value, which forgives what AWS
forgives (nulls, timestamps as text) and words the refusal of the rest.
"""

import base64
import binascii
from collections.abc import Callable
from typing import Annotated, Any, NotRequired, TypedDict

import msgspec

from waypost.aws import timestamps
from waypost.aws.codec.parts import FLOATS, INTEGERS, SPECIAL_FLOATS, late, unreadable
from waypost.aws.model import Ref, Service, Shape

Reader = Callable[[Any], Any]
Writer = Callable[[Any], Any]

_NAMES = {
    "string": "a String",
    "character": "a String",
    "integer": "an Integer",
    "short": "a Short",
    "byte": "a Byte",
    "long": "a Long",
    "bigInteger": "a BigInteger",
    "float": "a Float",
    "double": "a Double",
    "bigDecimal": "a BigDecimal",
    "boolean": "a Boolean",
    "timestamp": "milliseconds since epoch",
}
_SCALARS: dict[str, Any] = {
    "string": str,
    "character": str,
    "boolean": bool,
    "blob": bytes,
    **{name: Annotated[int, msgspec.Meta(ge=low, le=high)] for name, (low, high) in INTEGERS.items()},
    **dict.fromkeys(FLOATS, float),
}
_TIMESTAMP = Annotated[float, msgspec.Meta(ge=timestamps.FIRST, le=timestamps.LAST)]


class NotPlain(Exception):  # noqa: N818 (a state of affairs)
    """The shape has names or timestamps of its own on the wire: only the patient way reads it."""


def plain_type(service: Service, members: dict[str, Ref], *, wire_names: bool) -> Any:
    """A TypedDict of these members, none of them required. Raises ``NotPlain``.

    With ``wire_names`` it describes the JSON text, else the parameters.
    """
    return _Types(service, wire_names=wire_names).structure("Request", members)


class _Types:
    def __init__(self, service: Service, *, wire_names: bool) -> None:
        self._service = service
        self._wire_names = wire_names
        self._made: dict[str, Any] = service.types.setdefault(("types", wire_names), {})
        self._open: set[str] = set()

    def structure(self, name: str, members: dict[str, Ref]) -> Any:
        fields = {}
        for member, ref in members.items():
            if self._wire_names and wire_name(self._service, member, ref) != member:
                raise NotPlain
            fields[member] = NotRequired[self.of(ref)]
        return TypedDict(name, fields)  # type: ignore[operator]

    def of(self, ref: Ref) -> Any:
        shape = self._service.shape(ref)
        if shape.type == "timestamp":
            form = ref.timestamp_format or shape.timestamp_format or timestamps.EPOCH
            if self._wire_names and form != timestamps.EPOCH:
                raise NotPlain
            return _TIMESTAMP
        if shape.document or shape.eventstream:
            return Any
        if shape.type in _SCALARS:
            return _SCALARS[shape.type]
        if ref.shape not in self._made:
            if ref.shape in self._open:
                raise NotPlain  # it contains itself
            self._open.add(ref.shape)
            self._made[ref.shape] = self._compound(ref.shape, shape)
            self._open.discard(ref.shape)
        return self._made[ref.shape]

    def _compound(self, name: str, shape: Shape) -> Any:
        if shape.type == "list" and shape.member is not None:
            return list[self.of(shape.member)]  # type: ignore[misc]
        if shape.type == "map" and shape.value is not None:
            return dict[str, self.of(shape.value)]  # type: ignore[misc]
        return self.structure(name, shape.members)


def wire_name(service: Service, member: str, ref: Ref) -> str:
    """The name of a member in JSON."""
    return ref.location_name or service.shape(ref).location_name or member


class Readers:
    """The patient way: one reader per shape, kept with the service."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._made: dict[tuple[str, str | None], Reader] = service.types.setdefault("json readers", {})

    def structure(self, members: dict[str, Ref]) -> Reader:
        """A reader of an object with these members; absent and null ones are left out."""
        readers = [(wire_name(self._service, name, ref), name, self.of(ref)) for name, ref in members.items()]

        def read(raw: Any) -> Any:
            if type(raw) is not dict:
                raise _mismatch(raw, "structure")
            result = {}
            for wire, name, reader in readers:
                value = raw.get(wire)
                if value is not None:
                    result[name] = reader(value)
            return result

        return read

    def of(self, ref: Ref) -> Reader:
        """The reader of a member, list element or map value."""
        key = (ref.shape, ref.timestamp_format)
        if key not in self._made:
            self._made[key] = late(self._made, key)
            self._made[key] = self._reader(self._service.shape(ref))
        return self._made[key]

    def _reader(self, shape: Shape) -> Reader:
        if shape.document or shape.eventstream:
            return lambda raw: raw
        if shape.type == "structure":
            return self.structure(shape.members)
        if shape.type == "list" and shape.member is not None:
            return _list_reader(self.of(shape.member))
        if shape.type == "map" and shape.value is not None:
            return _map_reader(self.of(shape.value))
        return scalar_reader(shape.type)


def _list_reader(element: Reader) -> Reader:
    def read(raw: Any) -> Any:
        if type(raw) is not list:
            raise _mismatch(raw, "list")
        if None in raw:
            raise unreadable("null is not allowed in a list")
        return [element(item) for item in raw]

    return read


def _map_reader(element: Reader) -> Reader:
    def read(raw: Any) -> Any:
        if type(raw) is not dict:
            raise _mismatch(raw, "map")
        if None in raw.values():
            raise unreadable("null is not allowed as the value of a map")
        return {key: element(item) for key, item in raw.items()}

    return read


def scalar_reader(kind: str) -> Reader:
    """A reader of one JSON value that is neither list nor object."""
    if kind == "blob":
        return _read_blob
    if kind == "timestamp":
        return _read_timestamp
    if kind in FLOATS:
        return _float_reader(kind)
    if kind in INTEGERS:
        return _integer_reader(kind)
    expected = bool if kind == "boolean" else str

    def read(raw: Any) -> Any:
        if type(raw) is not expected:
            raise _mismatch(raw, kind)
        return raw

    return read


def _integer_reader(kind: str) -> Reader:
    low, high = INTEGERS[kind]

    def read(raw: Any) -> Any:
        if type(raw) is float and raw.is_integer():
            raw = int(raw)
        if type(raw) is not int:
            raise _mismatch(raw, kind)
        if not low <= raw <= high:
            raise unreadable(f"NUMBER_VALUE is out of the range of {_NAMES[kind]}")
        return raw

    return read


def _float_reader(kind: str) -> Reader:
    def read(raw: Any) -> Any:
        if type(raw) is str and raw in SPECIAL_FLOATS:
            return SPECIAL_FLOATS[raw]
        if type(raw) is not float and type(raw) is not int:
            raise _mismatch(raw, kind)
        return to_float(raw)

    return read


def to_float(number: float) -> float:
    """``number`` as a float; refuses what no float holds."""
    try:
        return float(number)
    except OverflowError:
        raise unreadable("NUMBER_VALUE is out of the range of a Double") from None


def _read_blob(raw: Any) -> bytes:
    if type(raw) is bytes:
        return raw  # from a caller inside the server
    if type(raw) is not str:
        raise unreadable("only base-64-encoded strings are convertible to bytes")
    return from_base64(raw)


def from_base64(text: str) -> bytes:
    """The bytes of a base64 text; refuses what is not one."""
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise unreadable("only base-64-encoded strings are convertible to bytes") from None


def _read_timestamp(raw: Any) -> float:
    try:
        if type(raw) is float or type(raw) is int:
            return timestamps.bounded(to_float(raw))
        if type(raw) is str:
            return timestamps.parse(raw)
    except ValueError:
        pass
    raise _mismatch(raw, "timestamp")


def _mismatch(raw: Any, kind: str) -> Exception:
    """AWS's words for a value of the wrong type."""
    if type(raw) is dict:
        return unreadable("Start of structure or map found where not expected.")
    if type(raw) is list:
        return unreadable("Start of list found where not expected")
    if kind in ("structure", "list", "map"):
        return unreadable("Unexpected value type in payload")
    if type(raw) is bool:
        found = "TRUE_VALUE" if raw else "FALSE_VALUE"
    elif type(raw) is str:
        found = "STRING_VALUE"
    else:
        found = "NUMBER_VALUE" if type(raw) is int else "DECIMAL_VALUE"
    return unreadable(f"{found} can not be converted to {_NAMES[kind]}")


class Writers:
    """From responses to what ``msgspec.json`` encodes. None stands for "as it is", so that most shapes cost nothing."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._made: dict[tuple[str, str | None], Writer | None] = service.types.setdefault("json writers", {})

    def structure(self, members: dict[str, Ref]) -> Writer | None:
        """A writer of an object with these members."""
        names = {name: (wire_name(self._service, name, ref), self.of(ref)) for name, ref in members.items()}
        if all(wire == name and writer is None for name, (wire, writer) in names.items()):
            return None

        def write(value: Any) -> Any:
            result = {}
            for name, item in value.items():
                if item is not None and name in names:
                    wire, writer = names[name]
                    result[wire] = item if writer is None else writer(item)
            return result

        return write

    def of(self, ref: Ref) -> Writer | None:
        """The writer of a member, list element or map value."""
        key = (ref.shape, ref.timestamp_format)
        if key not in self._made:
            # A shape that contains itself is written patiently: it may turn out to need it.
            self._made[key] = lambda value: self._written(key, value)
            self._made[key] = self._writer(ref, self._service.shape(ref))
        return self._made[key]

    def _written(self, key: tuple[str, str | None], value: Any) -> Any:
        writer = self._made[key]
        return value if writer is None else writer(value)

    def _writer(self, ref: Ref, shape: Shape) -> Writer | None:
        if shape.type == "timestamp":
            form = ref.timestamp_format or shape.timestamp_format or timestamps.EPOCH
            return None if form == timestamps.EPOCH else lambda value: timestamps.write(value, form)
        if shape.type == "structure" and not shape.document:
            return self.structure(shape.members)
        if shape.type == "list" and shape.member is not None:
            element = self.of(shape.member)
            return None if element is None else lambda value: [element(item) for item in value]
        if shape.type == "map" and shape.value is not None:
            item_writer = self.of(shape.value)
            if item_writer is None:
                return None
            return lambda value: {name: item_writer(item) for name, item in value.items()}
        return None


def without_nulls(value: Any) -> Any:
    """``value`` without the members that are None, at any depth: null and absent are one, and AWS writes neither."""
    if isinstance(value, dict):
        return {name: without_nulls(item) for name, item in value.items() if item is not None}
    if isinstance(value, list):
        return [without_nulls(item) for item in value]
    return value
