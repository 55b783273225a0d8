"""``application/vnd.amazon.eventstream``: a response that is a sequence of framed events.

In a response the stream's member is a list of events, each a dict of one: ``[{"PayloadChunk": {"Payload": b""}}]``.
"""

import struct
import zlib
from collections.abc import Callable, Iterable
from typing import Any

from waypost.aws.codec.parts import CONTENT_TYPE, REQUEST_ID, Serialize
from waypost.aws.message import HttpResponse
from waypost.aws.model import Ref, Service, Shape

MEDIA_TYPE = b"application/vnd.amazon.eventstream"
BodyWriter = Callable[[Service, str, dict[str, Ref]], Callable[[dict[str, Any]], bytes]]
"""From a shape's name and members to a function that writes it."""
Events = Iterable[dict[str, dict[str, Any]]]
_STRING = 7
_BYTES = 6
_TIMESTAMP = 8
_INTEGER = 4
_LONG = 5


def member_of(service: Service, shape: Shape) -> str | None:
    """The member of an output that is an event stream, if any."""
    return next((name for name, ref in shape.members.items() if service.shape(ref).eventstream), None)


def frame(headers: Iterable[tuple[str, str | bytes | bool | int | float]], payload: bytes) -> bytes:
    """One event."""
    packed = b"".join(_header(name, value) for name, value in headers)
    prelude = struct.pack("!II", 16 + len(packed) + len(payload), len(packed))
    checked = prelude + struct.pack("!I", zlib.crc32(prelude)) + packed + payload
    return checked + struct.pack("!I", zlib.crc32(checked))


def _header(name: str, value: str | bytes | bool | float) -> bytes:
    head = struct.pack("!B", len(name)) + name.encode()
    if isinstance(value, bool):
        return head + struct.pack("!B", 0 if value else 1)
    if isinstance(value, int):
        return head + struct.pack("!Bq", _LONG, value)
    if isinstance(value, float):
        return head + struct.pack("!Bq", _TIMESTAMP, round(value * 1000))
    text = value if isinstance(value, bytes) else value.encode()
    return head + struct.pack("!BH", _BYTES if isinstance(value, bytes) else _STRING, len(text)) + text


def encoder(service: Service, stream: Shape, content_type: str, writer: BodyWriter) -> Callable[[Events], bytes]:
    """A function from events to their frames; structured payloads are written by ``writer``."""
    writers = {name: _event_writer(service, ref.shape, content_type, writer) for name, ref in stream.members.items()}

    def encode(events: Events) -> bytes:
        frames = []
        for event in events:
            for name, value in event.items():
                extra, payload_type, payload = writers[name](value)
                kind = [(":message-type", "event"), (":event-type", name), (":content-type", payload_type)]
                frames.append(frame([*kind, *extra], payload))
        return b"".join(frames)

    return encode


def _event_writer(
    service: Service, shape_name: str, content_type: str, writer: BodyWriter
) -> Callable[[dict[str, Any]], Any]:
    shape = service.shapes[shape_name]
    header_names = [name for name, ref in shape.members.items() if ref.eventheader]
    payload_name = next((name for name, ref in shape.members.items() if ref.eventpayload), None)
    if payload_name is not None:
        payload = shape.members[payload_name]
        payload_shape = service.shape(payload)
        if payload_shape.type in ("blob", "string"):
            return lambda value: (
                [(name, value[name]) for name in header_names if name in value],
                "application/octet-stream" if payload_shape.type == "blob" else "text/plain",
                _bytes(value.get(payload_name, b"")),
            )
        to_text = writer(service, payload.shape, payload_shape.members)
        return lambda value: (
            [(name, value[name]) for name in header_names if name in value],
            content_type,
            to_text(value.get(payload_name, {})),
        )
    body = writer(service, shape_name, {name: ref for name, ref in shape.members.items() if not ref.eventheader})
    return lambda value: (
        [(name, value[name]) for name in header_names if name in value],
        content_type,
        body({name: item for name, item in value.items() if name not in header_names}),
    )


def _bytes(value: str | bytes) -> bytes:
    return value if isinstance(value, bytes) else value.encode()


def rpc_serializer(service: Service, shape: Shape, stream: str, writer: BodyWriter) -> Serialize:
    """A serializer for AWS JSON, where the members beside the stream come first, in an event of their own."""
    encode = encoder(service, service.shape(shape.members[stream]), "application/json", writer)
    initial = writer(service, stream, {name: ref for name, ref in shape.members.items() if name != stream})

    def serialize(response: dict[str, Any] | None, request_id: str) -> HttpResponse:
        first = dict(response or {})
        events = first.pop(stream, None) or ()
        head = [(":message-type", "event"), (":event-type", "initial-response"), (":content-type", "application/json")]
        return HttpResponse(
            200,
            [(CONTENT_TYPE, MEDIA_TYPE), (REQUEST_ID, request_id.encode())],
            frame(head, initial(first)) + encode(events),
        )

    return serialize
