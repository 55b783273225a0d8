"""AWS JSON 1.0 and 1.1: ``X-Amz-Target`` names the operation, the body is one object."""

import re
from collections.abc import Callable
from typing import Any

import msgspec

from waypost.aws import faults
from waypost.aws.codec import event_stream
from waypost.aws.codec.jsonvalues import NotPlain, Reader, Readers, Writers, plain_type, without_nulls
from waypost.aws.codec.parts import CONTENT_TYPE, REQUEST_ID, Codec, Header, Parse, Protocol, Serialize, unreadable
from waypost.aws.errors import AwsError
from waypost.aws.message import HttpRequest, HttpResponse, decoded_body
from waypost.aws.model import Operation, Ref, Service

_NULL_MEMBER = re.compile(rb'[^\\]":null')
QUERY_ERROR = b"x-amzn-query-error"


def _compile(service: Service, operation: Operation) -> Codec:
    members = service.shape(operation.input).members if operation.input is not None else {}
    return Codec(
        _parser(body_reader(service, members)),
        _serializer(service, operation),
        lambda error, request_id: _render_error(service, error, request_id),
    )


def body_reader(service: Service, members: dict[str, Ref]) -> Reader:
    """A reader of an object from JSON text, quick where the shape allows it. Raises ``AwsError``."""
    patient = Readers(service).structure(members)

    def read_patiently(body: bytes) -> Any:
        if not body.strip():
            return {}
        try:
            return patient(msgspec.json.decode(body))
        except RecursionError:
            raise unreadable("The request body is nested too deeply") from None
        except (msgspec.DecodeError, UnicodeDecodeError):
            raise unreadable("The request body is not valid JSON") from None

    try:
        decode = msgspec.json.Decoder(plain_type(service, members, wire_names=True)).decode
    except NotPlain:
        return read_patiently

    def read(body: bytes) -> Any:
        try:
            return decode(body)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return read_patiently(body)

    return read


def _parser(read: Reader) -> Parse:
    def parse(request: HttpRequest, _routed: Any) -> dict[str, Any]:
        if "content-encoding" in request.headers:
            return read(decoded_body(request))  # type: ignore[no-any-return]
        return read(request.body)  # type: ignore[no-any-return]

    return parse


def body_writer(service: Service, _name: str, members: dict[str, Ref]) -> Callable[[dict[str, Any]], bytes]:
    """A function from a response to JSON text; members that are None are left out."""
    encode = msgspec.json.Encoder().encode
    write = Writers(service).structure(members)
    if write is not None:
        return lambda response: encode(without_nulls(write(response)))

    def to_text(response: dict[str, Any]) -> bytes:
        body = encode(response)
        if b'":null' in body and _NULL_MEMBER.search(body) is not None:
            return encode(without_nulls(response))
        return body

    return to_text


def _serializer(service: Service, operation: Operation) -> Serialize:
    content_type = (CONTENT_TYPE, f"application/x-amz-json-{service.metadata.json_version}".encode())
    shape = service.shape(operation.output) if operation.output is not None else None
    if shape is None:
        return lambda _response, request_id: HttpResponse(200, [content_type, (REQUEST_ID, request_id.encode())], b"{}")
    stream = event_stream.member_of(service, shape)
    if stream is not None:
        return event_stream.rpc_serializer(service, shape, stream, body_writer)
    to_text = body_writer(service, operation.name, shape.members)

    def serialize(response: dict[str, Any] | None, request_id: str) -> HttpResponse:
        return HttpResponse(
            200, [content_type, (REQUEST_ID, request_id.encode())], to_text(response) if response else b"{}"
        )

    return serialize


def _render_error(service: Service | None, error: AwsError, request_id: str) -> HttpResponse:
    fault = faults.resolve(service, error, "json")
    version = service.metadata.json_version if service is not None else "1.0"
    headers: list[Header] = [
        (CONTENT_TYPE, f"application/x-amz-json-{version}".encode()),
        (REQUEST_ID, request_id.encode()),
    ]
    if service is not None and service.metadata.aws_query_compatible is not None:
        headers.append((QUERY_ERROR, f"{fault.code};{'Sender' if fault.sender else 'Receiver'}".encode()))
    name = f"{fault.namespace}#{fault.name}" if fault.namespace else fault.name
    body = {"__type": name, **error_members(service, fault)}
    return HttpResponse(fault.status, headers, msgspec.json.encode(body))


def error_members(service: Service | None, fault: faults.Fault) -> dict[str, Any]:
    """The message and the further members of an error, under their names in JSON."""
    body = {fault.message_member: fault.message, **fault.members}
    if service is None or fault.shape is None:
        return body
    members = fault.shape.members
    write = Writers(service).structure({name: ref for name, ref in members.items() if name in body})
    extra = {name: value for name, value in body.items() if name not in members}
    return {**(body if write is None else {**write(body), **extra})}


PROTOCOL = Protocol(_compile, _render_error)
