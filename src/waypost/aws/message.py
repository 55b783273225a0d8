"""An HTTP request and its response, as the codecs see them: no sockets, no framework."""

import zlib

import msgspec

from waypost.aws.errors import AwsError

DECODED_MAX = 268_435_456
"""Largest body, in bytes, that a compressed request may unfold to."""


class HttpRequest(msgspec.Struct):
    """A request whose body is complete."""

    method: str
    path: str
    """As sent: still percent-encoded."""
    query: str
    """As sent, without the question mark."""
    headers: dict[str, str]
    """Names in lower case."""
    body: bytes


class HttpResponse(msgspec.Struct):
    """A response; whoever sends it adds the content-length."""

    status: int
    headers: list[tuple[bytes, bytes]]
    """Names in lower case, as ASGI wants them."""
    body: bytes


def decoded_body(request: HttpRequest) -> bytes:
    """The body without its content-encoding. Raises ``AwsError`` for what cannot be decoded."""
    encoding = request.headers.get("content-encoding", "").strip().lower()
    if encoding in ("", "identity"):
        return request.body
    if encoding not in ("gzip", "x-gzip", "deflate"):
        raise AwsError(
            "UnsupportedMediaTypeException", f"The content encoding {encoding[:64]!r} is not supported.", 415
        )
    unfolder = zlib.decompressobj(zlib.MAX_WBITS | 32)
    try:
        body = unfolder.decompress(request.body, DECODED_MAX + 1)
    except zlib.error:
        raise _malformed() from None
    if len(body) > DECODED_MAX:
        raise AwsError(
            "RequestEntityTooLargeException", f"Request must be smaller than {DECODED_MAX} bytes decompressed.", 413
        )
    if not unfolder.eof:
        raise _malformed()
    return body


def _malformed() -> AwsError:
    return AwsError(
        "MalformedHttpRequestException",
        "The request body cannot be decompressed with the algorithm that its content-encoding names.",
        400,
    )
