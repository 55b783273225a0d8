"""What the REST protocols share: members in the path, the query string, headers and the status."""

import base64
import binascii
from collections.abc import Callable
from typing import Any

import msgspec

from waypost.aws import timestamps
from waypost.aws.codec.form import Pairs, decode_label, parse_form
from waypost.aws.codec.parts import Header, header_value, unreadable
from waypost.aws.codec.xml import from_text, to_text
from waypost.aws.errors import AwsError
from waypost.aws.message import HttpRequest
from waypost.aws.model import Operation, Ref, Service, Shape

Params = dict[str, Any]
ReadLocated = Callable[[HttpRequest, Any, Params], None]
LOCATIONS = frozenset({"uri", "querystring", "header", "headers", "statusCode"})


def in_body(members: dict[str, Ref]) -> dict[str, Ref]:
    """The members that are neither in the path nor in a header nor in the query string."""
    return {name: ref for name, ref in members.items() if ref.location not in LOCATIONS}


def _scalar(service: Service, ref: Ref) -> Callable[[str], Any]:
    """A function from the text of a label, a parameter or a header to a value."""
    shape = service.shape(ref)
    if ref.jsonvalue:
        return _json_value
    convert = from_text(shape.type)
    if shape.type == "string":
        return convert

    def read(text: str) -> Any:
        try:
            return convert(text)
        except AwsError as error:
            raise unreadable(error.message) from None

    return read


def _json_value(text: str) -> Any:
    try:
        return msgspec.json.decode(base64.b64decode(text, validate=True))
    except (msgspec.DecodeError, binascii.Error, UnicodeError, RecursionError, ValueError):
        raise unreadable("a header's value is not base64 of JSON") from None


def compile_reader(service: Service, operation: Operation) -> ReadLocated:
    """A function that adds the located members of a request to its parameters. Raises ``AwsError``."""
    members = service.shape(operation.input).members if operation.input is not None else {}
    labels = [
        (ref.location_name or name, name, _scalar(service, ref))
        for name, ref in members.items()
        if ref.location == "uri"
    ]
    headers = [
        ((ref.location_name or name).lower(), name, _header_reader(service, ref))
        for name, ref in members.items()
        if ref.location == "header"
    ]
    prefixes = [((ref.location_name or "").lower(), name) for name, ref in members.items() if ref.location == "headers"]
    in_query = {name: ref for name, ref in members.items() if ref.location == "querystring"}
    read_query = _query_reader(service, operation, in_query) if in_query else None

    def read(request: HttpRequest, routed: Any, params: Params) -> None:
        for label, name, convert in labels:
            params[name] = convert(decode_label(routed.labels[label]))
        if read_query is not None:
            read_query(routed.form if routed.form is not None else parse_form(request.query), params)
        for header, name, convert in headers:
            text = request.headers.get(header)
            if text is not None:
                params[name] = convert(text)
        for prefix, name in prefixes:
            found = {key[len(prefix) :]: text for key, text in request.headers.items() if key.startswith(prefix)}
            if found:
                params[name] = found

    return read


Convert = tuple[str, Callable[[str], Any]]


def _query_reader(service: Service, operation: Operation, members: dict[str, Ref]) -> Callable[[Pairs, Params], None]:
    kinds = {name: service.shape(ref).type for name, ref in members.items()}
    single: dict[str, Convert] = {
        ref.location_name or name: (name, _scalar(service, ref))
        for name, ref in members.items()
        if kinds[name] not in ("list", "map")
    }
    several: dict[str, Convert] = {
        ref.location_name or name: (name, _scalar(service, element))
        for name, ref in members.items()
        if (element := service.shape(ref).member) is not None
    }
    rest = [
        (name, service.shape(value).type == "list")
        for name, ref in members.items()
        if (value := service.shape(ref).value) is not None
    ]
    literals = {name for name, _ in parse_form(operation.http.request_uri.partition("?")[2])}

    def read(pairs: Pairs, params: Params) -> None:
        for key, text in pairs:
            if key in single:
                name, convert = single[key]
                params.setdefault(name, convert(text))
            elif key in several:
                name, convert = several[key]
                params.setdefault(name, []).append(convert(text))
            elif key not in literals:
                read_rest(key, text, params)

    def read_rest(key: str, text: str, params: Params) -> None:
        for name, lists in rest:
            if lists:
                params.setdefault(name, {}).setdefault(key, []).append(text)
            else:
                params.setdefault(name, {}).setdefault(key, text)

    return read


def _header_reader(service: Service, ref: Ref) -> Callable[[str], Any]:
    shape = service.shape(ref)
    if shape.type != "list" or shape.member is None:
        return _scalar(service, ref)
    convert = _scalar(service, shape.member)
    if service.shape(shape.member).type == "timestamp":
        return lambda text: [convert(part) for part in _http_dates(text)]
    return lambda text: [convert(part) for part in split_header(text)]


def _http_dates(text: str) -> list[str]:
    """HTTP dates have a comma of their own."""
    parts = [part.strip() for part in text.split(",")]
    if len(parts) > 1 and parts[0].isalpha():
        return [", ".join(pair) for pair in zip(parts[::2], parts[1::2], strict=False)]
    return parts


def split_header(text: str) -> list[str]:
    """The elements of a comma-separated header, some of them in double quotes."""
    parts: list[str] = []
    current: list[str] = []
    quoted = False
    escaped = False
    for character in text:
        if escaped:
            current.append(character)
            escaped = False
        elif quoted and character == "\\":
            escaped = True
        elif character == '"':
            quoted = not quoted
        elif character == "," and not quoted:
            parts.append("".join(current).strip())
            current = []
        else:
            current.append(character)
    parts.append("".join(current).strip())
    return [part for part in parts if part]


# --- responses

WriteLocated = Callable[[Params, list[Header]], int | None]
"""Appends headers; answers the status where a member says it."""


def compile_writer(service: Service, members: dict[str, Ref]) -> WriteLocated | None:
    """A function for the members of a response that are not in its body; None where all are."""
    headers = [
        (name, (ref.location_name or name).lower().encode(), _header_writer(service, ref))
        for name, ref in members.items()
        if ref.location == "header"
    ]
    prefixes = [(name, (ref.location_name or "").lower()) for name, ref in members.items() if ref.location == "headers"]
    status_member = next((name for name, ref in members.items() if ref.location == "statusCode"), None)
    if not headers and not prefixes and status_member is None:
        return None

    def write(response: Params, out: list[Header]) -> int | None:
        for name, header, convert in headers:
            value = response.get(name)
            if value is not None:
                out.append((header, header_value(convert(value))))
        for name, prefix in prefixes:
            for key, text in (response.get(name) or {}).items():
                out.append((header_value(prefix + key.lower()), header_value(text)))
        return response.get(status_member) if status_member is not None else None

    return write


def _header_writer(service: Service, ref: Ref) -> Callable[[Any], str]:
    shape = service.shape(ref)
    if ref.jsonvalue:
        return lambda value: base64.b64encode(msgspec.json.encode(value)).decode("ascii")
    form = ref.timestamp_format or shape.timestamp_format or timestamps.HTTP
    if shape.type == "list" and shape.member is not None:
        element_shape = service.shape(shape.member)
        element = to_text(element_shape.type, form)
        if element_shape.type == "string":
            return lambda value: ",".join(map(_quoted, value))
        return lambda value: ",".join(element(item) for item in value)
    return to_text(shape.type, form)


def _quoted(text: str) -> str:
    if '"' in text or "," in text:
        return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
    return text


def payload_of(service: Service, shape: Shape) -> tuple[str, Ref, Shape] | None:
    """The member that is the whole body, if the shape has one."""
    if shape.payload is None:
        return None
    ref = shape.members[shape.payload]
    return shape.payload, ref, service.shape(ref)
