"""XML: a small reader that refuses what only attacks need, and writers compiled from shapes."""

import base64
import math
import re
from collections.abc import Callable
from typing import Any
from xml.parsers import expat

from waypost.aws import timestamps
from waypost.aws.codec.jsonvalues import from_base64
from waypost.aws.codec.parts import FLOATS, INTEGERS, SPECIAL_FLOATS, late
from waypost.aws.errors import AwsError
from waypost.aws.model import Ref, Service, Shape, XmlNamespace

DEPTH_MAX = 64
ELEMENTS_MAX = 1_000_000
DECLARATION = '<?xml version="1.0" encoding="UTF-8"?>\n'

_SPECIAL = re.compile('[&<>"\r\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]')
_ESCAPES = {"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "\r": "&#xD;"}
_INTEGER = re.compile(r"[+-]?\d{1,20}", re.ASCII)
_FLOAT = re.compile(r"[+-]?(\d{1,400}(\.\d{0,400})?|\.\d{1,400})([eE][+-]?\d{1,5})?", re.ASCII)

Write = Callable[[list[str], Any], None]
"""Appends the elements of a value to the pieces of a document."""


def escape(text: str) -> str:
    """``text`` as character data or an attribute's value; characters that XML cannot hold are replaced."""
    if _SPECIAL.search(text) is None:
        return text
    return _SPECIAL.sub(lambda found: _ESCAPES.get(found[0], "\ufffd"), text)


# --- reading


class Element:
    """An element: its name and its attributes' names without namespace."""

    __slots__ = ("attributes", "children", "name", "text")

    def __init__(self, name: str, attributes: dict[str, str]) -> None:
        self.name = name
        self.attributes = attributes
        self.children: list[Element] = []
        self.text = ""

    def all(self, name: str) -> "list[Element]":
        """The children of that name."""
        return [child for child in self.children if child.name == name]


def malformed(why: str) -> AwsError:
    """The refusal of a document or a form that is not what the model says it is."""
    return AwsError("MalformedXML", f"The XML you provided was not well-formed or did not validate: {why}", 400)


def parse(body: bytes) -> Element:
    """The root of a document. Raises ``AwsError``; document types, and with them entities, are refused."""
    builder = _Builder()
    parser = expat.ParserCreate()
    parser.buffer_text = True
    parser.StartElementHandler = builder.start
    parser.EndElementHandler = builder.end
    parser.CharacterDataHandler = builder.data
    parser.StartDoctypeDeclHandler = builder.doctype
    try:
        parser.Parse(body, True)
    except expat.ExpatError as error:
        raise malformed(expat.errors.messages.get(error.code, "syntax")) from None
    except (ValueError, LookupError):
        raise malformed("unknown encoding") from None
    if builder.root is None:
        raise malformed("no element")
    return builder.root


class _Builder:
    def __init__(self) -> None:
        self.root: Element | None = None
        self._open: list[Element] = []
        self._texts: list[list[str]] = []
        self._count = 0

    def start(self, name: str, attributes: dict[str, str]) -> None:
        self._count += 1
        if len(self._open) >= DEPTH_MAX or self._count > ELEMENTS_MAX:
            raise malformed("nested too deeply or too large")
        element = Element(name.rpartition(":")[2], {key.rpartition(":")[2]: text for key, text in attributes.items()})
        if self._open:
            self._open[-1].children.append(element)
        else:
            self.root = element
        self._open.append(element)
        self._texts.append([])

    def end(self, _name: str) -> None:
        self._open.pop().text = "".join(self._texts.pop())

    def data(self, text: str) -> None:
        self._texts[-1].append(text)

    def doctype(self, *_: Any) -> None:
        raise malformed("document types are not allowed")


class Readers:
    """Readers of elements, one per shape, kept with the service."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._made: dict[tuple[str, str | None, bool], Callable[[Element], Any]] = service.types.setdefault(
            "xml readers", {}
        )

    def structure(self, members: dict[str, Ref]) -> Callable[[Element], dict[str, Any]]:
        """A reader of an element with these members."""
        readers = [(name, self._member(name, ref)) for name, ref in members.items()]

        def read(element: Element) -> dict[str, Any]:
            result = {}
            for name, reader in readers:
                value = reader(element)
                if value is not None:
                    result[name] = value
            return result

        return read

    def _member(self, name: str, ref: Ref) -> Callable[[Element], Any]:
        """A reader of one member out of its parent; None where it is absent."""
        service = self._service
        shape = service.shape(ref)
        wire = ref.location_name or shape.location_name or name
        if ref.xml_attribute:
            local = wire.rpartition(":")[2]
            return lambda parent: parent.attributes.get(local)
        if flattened(ref, shape) and shape.type == "list" and shape.member is not None:
            element_name = shape.member.location_name or wire
            element = self.of(shape.member)
            return lambda parent: [element(child) for child in parent.all(element_name)] or None
        if flattened(ref, shape) and shape.type == "map":
            entries = self._entries(shape)
            return lambda parent: entries(parent.all(wire)) or None
        read = self.of(ref)

        def read_member(parent: Element) -> Any:
            found = parent.all(wire)
            return read(found[-1]) if found else None

        return read_member

    def of(self, ref: Ref) -> Callable[[Element], Any]:
        """The reader of an element of that shape."""
        shape = self._service.shape(ref)
        key = (ref.shape, ref.timestamp_format, flattened(ref, shape))
        if key not in self._made:
            self._made[key] = late(self._made, key)
            self._made[key] = self._reader(shape)
        return self._made[key]

    def _reader(self, shape: Shape) -> Callable[[Element], Any]:
        if shape.type == "structure":
            return self.structure(shape.members)
        if shape.type == "list" and shape.member is not None:
            name = shape.member.location_name or "member"
            element_reader = self.of(shape.member)
            return lambda element: [element_reader(child) for child in element.all(name)]
        if shape.type == "map":
            entries = self._entries(shape)
            return lambda element: entries(element.all("entry"))
        convert = from_text(shape.type)
        return lambda element: convert(element.text)

    def _entries(self, shape: Shape) -> Callable[[list[Element]], dict[str, Any]]:
        if shape.key is None or shape.value is None:
            raise LookupError("a map of the model has no key or value")
        key_name, value_name = shape.key.location_name or "key", shape.value.location_name or "value"
        key_reader, value_reader = self.of(shape.key), self.of(shape.value)

        def read(entries: list[Element]) -> dict[str, Any]:
            result = {}
            for entry in entries:
                keys, values = entry.all(key_name), entry.all(value_name)
                if not keys or not values:
                    raise malformed("a map's entry needs a key and a value")
                result[key_reader(keys[-1])] = value_reader(values[-1])
            return result

        return read


def flattened(ref: Ref, shape: Shape) -> bool:
    """Whether a list or a map has no element of its own around it."""
    return bool(ref.flattened if ref.flattened is not None else shape.flattened)


def from_text(kind: str) -> Callable[[str], Any]:
    """A function from text to a scalar of that type. It raises ``AwsError`` MalformedInput."""
    if kind == "blob":
        return _blob
    if kind == "boolean":
        return _boolean
    if kind == "timestamp":
        return _timestamp
    if kind in INTEGERS:
        low, high = INTEGERS[kind]
        return lambda text: _integer(text, low, high)
    if kind in FLOATS:
        return _float
    return str


def _refused(text: str, kind: str) -> AwsError:
    return AwsError("MalformedInput", f"Value '{text[:256]}' is not a valid {kind}", 400)


def _blob(text: str) -> bytes:
    try:
        return from_base64("".join(text.split()))
    except AwsError:
        raise _refused(text, "base64 text") from None


def _boolean(text: str) -> bool:
    value = {"true": True, "false": False}.get(text.strip().lower())
    if value is None:
        raise _refused(text, "boolean")
    return value


def _timestamp(text: str) -> float:
    try:
        return timestamps.parse(text)
    except ValueError:
        raise _refused(text, "timestamp") from None


def _integer(text: str, low: int, high: int) -> int:
    text = text.strip()
    if not _INTEGER.fullmatch(text) or not low <= int(text) <= high:
        raise _refused(text, "integer")
    return int(text)


def _float(text: str) -> float:
    text = text.strip()
    if text in SPECIAL_FLOATS:
        return SPECIAL_FLOATS[text]
    if not _FLOAT.fullmatch(text) or math.isinf(float(text)):
        raise _refused(text, "number")
    return float(text)


def to_text(kind: str, form: str) -> Callable[[Any], str]:
    """A function from a scalar to its text; ``form`` is that of timestamps."""
    if kind == "blob":
        return lambda value: base64.b64encode(value).decode("ascii")
    if kind == "boolean":
        return lambda value: "true" if value else "false"
    if kind == "timestamp":
        return lambda value: timestamps.write(value, form)
    if kind in FLOATS:
        return _float_text
    return str


def _float_text(value: float) -> str:
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    return str(value)


# --- writing


class Writers:
    """Writers of elements, one per shape and element name, kept with the service."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._made: dict[tuple[Any, ...], Write] = service.types.setdefault("xml writers", {})

    def content(self, members: dict[str, Ref]) -> Write:
        """A writer of a structure's members, without an element around them."""
        writers = [
            (name, self.element(ref, self._wire(name, ref))) for name, ref in members.items() if not ref.xml_attribute
        ]

        def write(out: list[str], value: Any) -> None:
            for name, writer in writers:
                item = value.get(name)
                if item is not None:
                    writer(out, item)

        return write

    def _wire(self, name: str, ref: Ref) -> str:
        return ref.location_name or self._service.shape(ref).location_name or name

    def element(self, ref: Ref, name: str) -> Write:
        """A writer of a value as an element of that name, or as several where it is flattened."""
        shape = self._service.shape(ref)
        key = (ref.shape, name, ref.timestamp_format, flattened(ref, shape), namespace_text(ref, shape))
        if key not in self._made:
            self._made[key] = late(self._made, key)
            self._made[key] = self._writer(ref, shape, name)
        return self._made[key]

    def _writer(self, ref: Ref, shape: Shape, name: str) -> Write:
        start, end = f"<{name}{namespace_text(ref, shape)}>", f"</{name}>"
        if shape.type == "structure":
            return self._structure(shape, start, end)
        if shape.type == "list" and shape.member is not None:
            return self._list(ref, shape, name, start, end)
        if shape.type == "map":
            return self._map(ref, shape, name, start, end)
        form = ref.timestamp_format or shape.timestamp_format or timestamps.ISO
        if shape.type in ("string", "character"):
            return lambda out, value: out.append(f"{start}{escape(value)}{end}")
        convert = to_text(shape.type, form)
        return lambda out, value: out.append(f"{start}{convert(value)}{end}")

    def _structure(self, shape: Shape, start: str, end: str) -> Write:
        content = self.content(shape.members)
        attributes = [(member, self._wire(member, ref)) for member, ref in shape.members.items() if ref.xml_attribute]

        def write(out: list[str], value: Any) -> None:
            out.append(start)
            content(out, value)
            out.append(end)

        def write_with_attributes(out: list[str], value: Any) -> None:
            out.append(start[:-1])
            out += [
                f' {wire}="{escape(value[member])}"' for member, wire in attributes if value.get(member) is not None
            ]
            out.append(">")
            content(out, value)
            out.append(end)

        return write_with_attributes if attributes else write

    def _list(self, ref: Ref, shape: Shape, name: str, start: str, end: str) -> Write:
        if shape.member is None:
            raise LookupError("a list of the model has no member")
        if flattened(ref, shape):
            each = self.element(shape.member, shape.member.location_name or name)

            def write_flattened(out: list[str], value: Any) -> None:
                for item in value:
                    each(out, item)

            return write_flattened
        inner = self.element(shape.member, shape.member.location_name or "member")

        def write(out: list[str], value: Any) -> None:
            out.append(start)
            for item in value:
                inner(out, item)
            out.append(end)

        return write

    def _map(self, ref: Ref, shape: Shape, name: str, start: str, end: str) -> Write:
        if shape.key is None or shape.value is None:
            raise LookupError("a map of the model has no key or value")
        key_writer = self.element(shape.key, shape.key.location_name or "key")
        value_writer = self.element(shape.value, shape.value.location_name or "value")
        entry = name if flattened(ref, shape) else "entry"

        def write_entries(out: list[str], value: Any) -> None:
            for key, item in value.items():
                out.append(f"<{entry}>")
                key_writer(out, key)
                value_writer(out, item)
                out.append(f"</{entry}>")

        if flattened(ref, shape):
            return write_entries

        def write(out: list[str], value: Any) -> None:
            out.append(start)
            write_entries(out, value)
            out.append(end)

        return write


def namespace_text(ref: Ref, shape: Shape) -> str:
    """The namespace attribute of an element, with a space before it; empty for none."""
    namespace = ref.xml_namespace or shape.xml_namespace
    if namespace is None:
        return ""
    if isinstance(namespace, XmlNamespace):
        prefix = f":{namespace.prefix}" if namespace.prefix else ""
        return f' xmlns{prefix}="{escape(namespace.uri)}"'
    return f' xmlns="{escape(namespace)}"'
