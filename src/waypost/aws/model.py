"""botocore's service models, read as data: typed, without documentation, each at its first use.

A model has gaps that real clients meet; ``overlays/MODEL.json`` fills them, every key of it with a reason.
"""

import gzip
import importlib.util
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import msgspec

WIRES = ("json", "query", "rest-json", "rest-xml")
OVERLAYS = Path(__file__).parent / "overlays"


class XmlNamespace(msgspec.Struct, frozen=True):
    """The namespace of an XML element."""

    uri: str
    prefix: str | None = None


class ErrorTrait(msgspec.Struct, frozen=True, rename="camel"):
    """How the wire shows an exception shape."""

    code: str | None = None
    http_status_code: int | None = None
    sender_fault: bool | None = None
    namespace: str | None = None
    """Ours: what precedes ``#`` in a JSON error's ``__type``."""


class Ref(msgspec.Struct, frozen=True, rename="camel"):
    """A mention of a shape: by a member, a list, a map or an operation. Its traits win over the shape's."""

    shape: str
    location: str | None = None
    location_name: str | None = None
    flattened: bool | None = None
    timestamp_format: str | None = None
    xml_namespace: XmlNamespace | str | None = None
    xml_attribute: bool = False
    jsonvalue: bool = False
    eventpayload: bool = False
    eventheader: bool = False
    deprecated: bool = False
    result_wrapper: str | None = None


class Shape(msgspec.Struct, frozen=True, rename="camel"):
    """A type of the model."""

    type: str
    members: dict[str, Ref] = {}
    required: tuple[str, ...] = ()
    member: Ref | None = None
    key: Ref | None = None
    value: Ref | None = None
    enum: tuple[str, ...] = ()
    pattern: str | None = None
    min: float | int | None = None
    max: float | int | None = None
    flattened: bool | None = None
    location_name: str | None = None
    timestamp_format: str | None = None
    payload: str | None = None
    exception: bool = False
    fault: bool = False
    error: ErrorTrait | None = None
    sensitive: bool = False
    document: bool = False
    eventstream: bool = False
    xml_namespace: XmlNamespace | str | None = None


class Http(msgspec.Struct, frozen=True, rename="camel"):
    """The HTTP binding of an operation."""

    method: str = "POST"
    request_uri: str = "/"
    response_code: int = 200


class Operation(msgspec.Struct, frozen=True, rename="camel"):
    """An operation of the model."""

    name: str
    http: Http = Http()
    input: Ref | None = None
    output: Ref | None = None
    errors: tuple[Ref, ...] = ()
    deprecated: bool = False


class Metadata(msgspec.Struct, frozen=True, rename="camel"):
    """What a model says of its service."""

    api_version: str
    endpoint_prefix: str
    protocol: str
    protocols: tuple[str, ...] = ()
    json_version: str = "1.0"
    target_prefix: str = ""
    signing_name: str = ""
    xml_namespace: str = ""
    service_full_name: str = ""
    aws_query_compatible: dict[str, Any] | None = None

    @property
    def wire(self) -> str:
        """The protocol that Waypost speaks for this service; raises ``LookupError`` where it speaks none."""
        for protocol in (self.protocol, *self.protocols):
            if protocol in WIRES:
                return protocol
        raise LookupError(f"Waypost speaks none of the protocols of {self.service_full_name}")

    @property
    def scope(self) -> str:
        """The service's name in a signature's credential scope."""
        return self.signing_name or self.endpoint_prefix


class QueryForm(msgspec.Struct, frozen=True, rename="camel"):
    """An overlay's account of the Query protocol of a service whose model has only JSON."""

    xml_namespace: str
    result_wrapper: str
    """With ``{operation}`` for the operation's name."""
    path_member: str | None = None
    """The member that the request's path names when no parameter does."""
    error_detail: bool = False
    """Whether an error has an empty Detail element."""
    shapes: dict[str, dict[str, Any]] = {}
    """Merged into the model's shapes."""


class Overlay(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    """Recorded corrections of a model."""

    why: dict[str, str] = {}
    """The reason for each key below, with its source."""
    error_namespace: str = ""
    error_codes: dict[str, str] = {}
    """Codes that the model does not list > the code over Query."""
    errors: dict[str, ErrorTrait] = {}
    error_members: dict[str, dict[str, str]] = {}
    """Member of an exception shape > its value for the sender's and the receiver's faults, where none is given."""
    error_root: str = ""
    """The root element of a REST-XML error."""
    validation_code: str = ""
    """The error code where a request breaks the model; empty: that of the framework."""
    types_only: bool = False
    """Whether the service words the rest of its validation itself."""
    unchecked: dict[str, tuple[str, ...]] = {}
    """Shape > traits that the service checks itself."""
    pattern_words: dict[str, str] = {}
    """Shape > what the service says instead of the general words when its pattern does not match."""
    enum_order: dict[str, tuple[str, ...]] = {}
    """Shape > the order in which the service lists its values."""
    content_types: dict[str, str] = {}
    """Operation > the content type of its payload."""
    namespace: str = ""
    """The XML namespace of a REST-XML body."""
    query: QueryForm | None = None


class _Document(msgspec.Struct):
    metadata: Metadata
    operations: dict[str, Operation]
    shapes: dict[str, Shape]


class _Head(msgspec.Struct):
    metadata: Metadata


class Service:
    """A service model with its overlay applied."""

    def __init__(
        self,
        name: str,
        metadata: Metadata,
        operations: dict[str, Operation],
        shapes: dict[str, Shape],
        overlay: Overlay,
        query_form: QueryForm | None = None,
    ) -> None:
        self.name = name
        self.metadata = metadata
        self.operations = operations
        self.shapes = shapes
        self.overlay = overlay
        self.query_form = query_form
        """What the overlay says of the Query protocol, where this is the Query form of a JSON service."""
        self.wire = metadata.wire
        self.wires = (self.wire, "query") if overlay.query is not None else (self.wire,)
        self.types: dict[Any, Any] = {}
        """What the codecs made of the shapes, kept by them."""
        self.error_shapes = {
            shape.error.code: name
            for name, shape in shapes.items()
            if shape.exception and shape.error is not None and shape.error.code
        }
        """Wire code of an exception > its shape."""

    def shape(self, ref: Ref) -> Shape:
        """The shape that ``ref`` mentions."""
        return self.shapes[ref.shape]

    def over(self, wire: str) -> "Service":
        """The service as ``wire`` shows it: itself, or its Query form."""
        if wire == self.wire:
            return self
        query = self.overlay.query
        if wire != "query" or query is None:
            raise LookupError(f"{self.name} is not spoken over {wire}")
        if "query" not in self.types:
            self.types["query"] = self._query_form(query)
        return self.types["query"]  # type: ignore[no-any-return]

    def _query_form(self, query: QueryForm) -> "Service":
        metadata = msgspec.structs.replace(
            self.metadata, protocol="query", protocols=("query",), xml_namespace=query.xml_namespace
        )
        operations = {
            name: operation
            if operation.output is None
            else msgspec.structs.replace(
                operation,
                output=msgspec.structs.replace(
                    operation.output, result_wrapper=query.result_wrapper.replace("{operation}", name)
                ),
            )
            for name, operation in self.operations.items()
        }
        shapes = dict(self.shapes)
        for name, patch in query.shapes.items():
            shapes[name] = msgspec.convert(merged(msgspec.to_builtins(shapes[name]), patch), Shape)
        return Service(
            self.name, metadata, operations, shapes, msgspec.structs.replace(self.overlay, query=None), query
        )


def merged(base: Mapping[str, Any], patch: Mapping[str, Any]) -> dict[str, Any]:
    """``base`` with ``patch`` merged into it, dict by dict."""
    result = dict(base)
    for key, value in patch.items():
        result[key] = merged(result.get(key) or {}, value) if isinstance(value, Mapping) else value
    return result


@cache
def _folder() -> Path:
    spec = importlib.util.find_spec("botocore")
    if spec is None or not spec.submodule_search_locations:
        raise LookupError("botocore, whose service models describe the wire, is not installed")
    return Path(spec.submodule_search_locations[0]) / "data"


def model_text(name: str) -> bytes:
    """The newest model of a botocore folder, as JSON. Raises ``LookupError`` where there is none."""
    for version in sorted((_folder() / name).glob("*/"), reverse=True):
        packed = version / "service-2.json.gz"
        if packed.exists():
            return gzip.decompress(packed.read_bytes())
        plain = version / "service-2.json"
        if plain.exists():
            return plain.read_bytes()
    raise LookupError(f"botocore has no model {name}")


@cache
def metadata(name: str) -> Metadata:
    """What a model says of its service, without reading its shapes."""
    return msgspec.json.decode(model_text(name), type=_Head).metadata


@cache
def overlay(name: str) -> Overlay:
    """The recorded corrections of a model; empty where there are none."""
    file = OVERLAYS / f"{name}.json"
    return msgspec.json.decode(file.read_bytes(), type=Overlay) if file.exists() else Overlay()


@cache
def load(name: str) -> Service:
    """The service of a botocore folder, corrected. Raises ``LookupError`` where there is none."""
    document = msgspec.json.decode(model_text(name), type=_Document)
    corrections = overlay(name)
    shapes = document.shapes
    for code, trait in corrections.errors.items():
        shape = shapes.get(code) or Shape("structure", members={"message": Ref("String")}, exception=True)
        shapes[code] = msgspec.structs.replace(shape, error=trait)
    return Service(name, document.metadata, document.operations, shapes, corrections)
