"""REST-XML: the path names the operation, the body is a document or one member."""

from collections.abc import Callable
from typing import Any

from waypost.aws import faults
from waypost.aws.codec import event_stream, located
from waypost.aws.codec.parts import CONTENT_TYPE, Codec, Header, Parse, Protocol, Serialize
from waypost.aws.codec.xml import DECLARATION, Readers, Writers, escape, parse
from waypost.aws.errors import AwsError
from waypost.aws.message import HttpRequest, HttpResponse, decoded_body
from waypost.aws.model import Operation, Ref, Service, Shape

XML: Header = (CONTENT_TYPE, b"application/xml")
REQUEST_ID = b"x-amz-request-id"


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
    models_encoding = any(
        ref.location == "header" and (ref.location_name or "").lower() == "content-encoding"
        for ref in shape.members.values()
    )
    read_body = _body_parser(service, shape)

    def parse_request(request: HttpRequest, routed: Any) -> dict[str, Any]:
        if "aws-chunked" in request.headers.get("content-encoding", ""):
            raise AwsError("NotImplemented", "Waypost does not read aws-chunked bodies.", 501)
        # Where the encoding is a member, the body is the caller's as it is.
        params = read_body(request.body if models_encoding else decoded_body(request))
        read_located(request, routed, params)
        return params

    return parse_request


def _body_parser(service: Service, shape: Shape) -> Callable[[bytes], dict[str, Any]]:
    payload = located.payload_of(service, shape)
    if payload is None:
        members = located.in_body(shape.members)
        if not members:
            return lambda _body: {}
        read = Readers(service).structure(members)
        return lambda body: read(parse(body)) if body else {}
    name, _, payload_shape = payload
    if payload_shape.type == "blob":
        return lambda body: {name: body} if body else {}
    if payload_shape.type == "string":
        return lambda body: {name: body.decode("utf-8", "replace")} if body else {}
    read_payload = Readers(service).structure(payload_shape.members)
    return lambda body: {name: read_payload(parse(body))} if body else {}


# --- responses


def _serializer(service: Service, operation: Operation) -> Serialize:
    status = operation.http.response_code
    if operation.output is None:
        return lambda _response, request_id: HttpResponse(status, [(REQUEST_ID, request_id.encode())], b"")
    shape = service.shape(operation.output)
    write_located = located.compile_writer(service, shape.members)
    to_body, content_type = _body_serializer(service, operation.output, shape)

    def serialize(response: dict[str, Any] | None, request_id: str) -> HttpResponse:
        response = response or {}
        headers: list[Header] = [(REQUEST_ID, request_id.encode())]
        said = None if write_located is None else write_located(response, headers)
        result = status if said is None else said
        body = to_body(response)
        if result == 204 or result < 200:
            return HttpResponse(result, headers, b"")
        if body and not any(name == CONTENT_TYPE for name, _ in headers):
            headers.append((CONTENT_TYPE, content_type))
        return HttpResponse(result, headers, body)

    return serialize


def _body_serializer(service: Service, output: Ref, shape: Shape) -> tuple[Callable[[dict[str, Any]], bytes], bytes]:
    payload = located.payload_of(service, shape)
    if payload is None:
        members = located.in_body(shape.members)
        if not members:
            return (lambda _response: b""), XML[1]
        return document_writer(service, output.location_name or shape.location_name or output.shape, members), XML[1]
    name, ref, payload_shape = payload
    if payload_shape.eventstream:
        encode = event_stream.encoder(service, payload_shape, "text/xml", document_writer)
        return (lambda response: encode(response.get(name) or ())), event_stream.MEDIA_TYPE
    if payload_shape.type in ("blob", "string"):
        return (
            lambda response: value.encode() if isinstance(value := response.get(name) or b"", str) else value
        ), b"application/octet-stream"
    root = ref.location_name or payload_shape.location_name or ref.shape
    write = document_writer(service, root, payload_shape.members)
    return (lambda response: write(response[name]) if response.get(name) is not None else b""), XML[1]


def document_writer(service: Service, root: str, members: dict[str, Ref]) -> Callable[[dict[str, Any]], bytes]:
    """A function that writes a document whose root has these members."""
    content = Writers(service).content(members)
    namespace = f' xmlns="{escape(service.overlay.namespace)}"' if service.overlay.namespace else ""

    def write(response: dict[str, Any]) -> bytes:
        out = [DECLARATION, f"<{root}{namespace}>"]
        content(out, response)
        out.append(f"</{root}>")
        return "".join(out).encode()

    return write


def _render_error(service: Service | None, error: AwsError, request_id: str) -> HttpResponse:
    fault = faults.resolve(service, error, "rest-xml")
    inner = [f"<Code>{escape(fault.code)}</Code><Message>{escape(fault.message)}</Message>"]
    if service is not None and fault.shape is not None and fault.members:
        shown = {name: ref for name, ref in fault.shape.members.items() if name in fault.members}
        Writers(service).content(shown)(inner, fault.members)
    number = f"<RequestId>{escape(request_id)}</RequestId>"
    if service is not None and service.overlay.error_root:
        root = service.overlay.error_root
        text = f"{DECLARATION}<{root}>{''.join(inner)}{number}</{root}>"
    else:
        kind = "Sender" if fault.sender else "Receiver"
        text = f"{DECLARATION}<ErrorResponse><Error><Type>{kind}</Type>{''.join(inner)}</Error>{number}</ErrorResponse>"
    return HttpResponse(fault.status, [XML, (REQUEST_ID, request_id.encode())], text.encode())


PROTOCOL = Protocol(_compile, _render_error)
