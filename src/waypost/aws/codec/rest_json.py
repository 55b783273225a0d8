"""REST-JSON: the path names the operation, the body is an object or one member."""

from typing import Any

import msgspec

from waypost.aws import faults
from waypost.aws.codec import event_stream, located
from waypost.aws.codec.json import body_reader, body_writer, error_members
from waypost.aws.codec.parts import (
    CONTENT_TYPE,
    ERROR_TYPE,
    REQUEST_ID,
    UNMODELED,
    Codec,
    Header,
    Parse,
    Protocol,
    Serialize,
    header_value,
    unreadable,
)
from waypost.aws.errors import AwsError
from waypost.aws.message import HttpRequest, HttpResponse, decoded_body
from waypost.aws.model import Operation, Service, Shape

JSON: Header = (CONTENT_TYPE, b"application/json")
BINARY = b"application/octet-stream"
_BODY_TYPES = ("json", "application/octet-stream")
"""What the content type of a JSON body has in it, where there is one at all."""
Read = Any


def _compile(service: Service, operation: Operation) -> Codec:
    return Codec(
        _parser(service, operation),
        _serializer(service, operation),
        lambda error, request_id: _render_error(service, error, request_id),
    )


# --- requests


def _parser(service: Service, operation: Operation) -> Parse:
    if operation.input is None:
        return lambda _request, _routed: {}
    shape = service.shape(operation.input)
    read_located = located.compile_reader(service, operation)
    read_body = _body_parser(service, shape)

    def parse(request: HttpRequest, routed: Any) -> dict[str, Any]:
        params: dict[str, Any] = read_body(request)
        read_located(request, routed, params)
        return params

    return parse


def _body_parser(service: Service, shape: Shape) -> Read:
    payload = located.payload_of(service, shape)
    if payload is None:
        members = located.in_body(shape.members)
        if not members:
            return lambda _request: {}
        read = body_reader(service, members)
        return lambda request: read(_json_text(request))
    name, _, payload_shape = payload
    if payload_shape.type == "blob":
        return lambda request: {name: body} if (body := decoded_body(request)) else {}
    if payload_shape.type == "string":
        return lambda request: {name: _text(body)} if (body := decoded_body(request)) else {}
    read_payload = body_reader(service, payload_shape.members)
    return lambda request: {name: read_payload(body)} if (body := _json_text(request)) else {}


def _text(body: bytes) -> str:
    try:
        return body.decode("utf-8")
    except UnicodeDecodeError:
        raise unreadable("The request body is not valid UTF-8") from None


def _json_text(request: HttpRequest) -> bytes:
    """The body, unless its content type says that it is something else than JSON."""
    body = decoded_body(request)
    content_type = request.headers.get("content-type")
    if body and content_type is not None and not any(known in content_type for known in _BODY_TYPES):
        raise AwsError(
            "UnsupportedMediaTypeException", f"The content type {content_type[:128]!r} is not application/json.", 415
        )
    return body


# --- responses


def _serializer(service: Service, operation: Operation) -> Serialize:
    status = operation.http.response_code
    if operation.output is None:
        return lambda _response, request_id: HttpResponse(status, _headers(status, request_id), b"")
    shape = service.shape(operation.output)
    write_located = located.compile_writer(service, shape.members)
    to_body = _body_serializer(service, operation, shape)
    stream = event_stream.member_of(service, shape)
    content_type: Header = (
        CONTENT_TYPE,
        event_stream.MEDIA_TYPE if stream is not None else _payload_type(service, operation, shape),
    )

    def serialize(response: dict[str, Any] | None, request_id: str) -> HttpResponse:
        response = response or {}
        headers: list[Header] = [(REQUEST_ID, request_id.encode())]
        said = None if write_located is None else write_located(response, headers)
        if UNMODELED in response:
            headers += [(name.encode(), header_value(text)) for name, text in response[UNMODELED].items()]
        result = status if said is None else said
        body = to_body(response)
        if result == 204 or result < 200:
            return HttpResponse(result, headers, b"")
        if write_located is None or not any(name == CONTENT_TYPE for name, _ in headers):
            headers.append(content_type)
        return HttpResponse(result, headers, body)

    return serialize


def _headers(status: int, request_id: str) -> list[Header]:
    request_header = (REQUEST_ID, request_id.encode())
    return [request_header] if status == 204 else [JSON, request_header]


def _payload_type(service: Service, operation: Operation, shape: Shape) -> bytes:
    chosen = service.overlay.content_types.get(operation.name)
    if chosen is not None:
        return chosen.encode()
    payload = located.payload_of(service, shape)
    if payload is not None and payload[2].type == "blob":
        return BINARY
    if payload is not None and payload[2].type == "string":
        return b"text/plain"
    return JSON[1]


def _body_serializer(service: Service, operation: Operation, shape: Shape) -> Any:
    payload = located.payload_of(service, shape)
    if payload is not None:
        name, ref, payload_shape = payload
        if payload_shape.eventstream:
            encode = event_stream.encoder(service, payload_shape, "application/json", body_writer)
            return lambda response: encode(response.get(name) or ())
        if payload_shape.type in ("blob", "string"):
            return lambda response: value.encode() if isinstance(value := response.get(name) or b"", str) else value
        write_payload = body_writer(service, ref.shape, payload_shape.members)
        return lambda response: write_payload(response.get(name) or {})
    members = located.in_body(shape.members)
    if not members:
        return lambda _response: b"{}"
    write = body_writer(service, operation.name, members)
    if len(members) == len(shape.members):
        return write
    elsewhere = frozenset(shape.members) - frozenset(members)
    return lambda response: write({name: value for name, value in response.items() if name not in elsewhere})


def _render_error(service: Service | None, error: AwsError, request_id: str) -> HttpResponse:
    fault = faults.resolve(service, error, "rest-json")
    headers: list[Header] = [JSON, (REQUEST_ID, request_id.encode()), (ERROR_TYPE, header_value(fault.name))]
    if service is not None and fault.shape is not None:
        body_members = located.in_body(fault.shape.members)
        write_located = located.compile_writer(service, fault.shape.members)
        if write_located is not None:
            write_located(fault.members, headers)
            kept = {name: value for name, value in fault.members.items() if name in body_members}
            fault = fault._replace(members=kept)
    return HttpResponse(fault.status, headers, msgspec.json.encode(error_members(service, fault)))


PROTOCOL = Protocol(_compile, _render_error)
