"""Lambda's Runtime API (2018-06-01) over HTTP/1.1, on a port of its own for each environment.

Only the transport: what a call means is decided by the ``Runtime`` behind it, one environment. An environment can
reach no port but its own by knowing it, and an answer must name the invocation under way, whose id cannot be guessed.
"""

import asyncio
import base64
import json
import socket
from collections.abc import Callable
from http import HTTPStatus
from typing import NamedTuple, Protocol, cast

import httptools

from waypost.runtimes.documents import RESPONSE_MAX

_PREFIX = "/2018-06-01/runtime/"
_HEAD_MAX = 1_200_000
"""Bytes of a request's header: awslambdaric sends up to 1 MiB of X-Ray cause there."""


class ApiRefused(Exception):  # noqa: N818 (a state of affairs)
    """A call that the Runtime API answers with an error."""

    def __init__(self, status: int, error_type: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.error_type = error_type
        self.message = message


class Answer(NamedTuple):
    """What a runtime posts for an invocation, or for its start."""

    body: bytes
    """At most ``RESPONSE_MAX`` bytes; empty when ``too_large``."""
    too_large: bool
    error_type: str
    """Lambda-Runtime-Function-Error-Type, as header or as trailer of a streamed response."""
    error_body: str
    """Lambda-Runtime-Function-Error-Body, base 64: the trailer of a streamed response that went wrong."""
    invocation_id: str
    """Lambda-Runtime-Invocation-Id, where the runtime echoes it."""


class Runtime(Protocol):
    """An environment, as its Runtime API sees it. Methods raise ``ApiRefused``."""

    def next(self, send: Callable[[bytes], None]) -> None:
        """The runtime is ready: ``send`` it the next event, now or later."""
        ...

    def lost(self, send: Callable[[bytes], None]) -> None:
        """The connection behind ``send`` is gone."""
        ...

    def response(self, request_id: str, answer: Answer) -> None:
        """The handler returned."""
        ...

    def error(self, request_id: str, answer: Answer) -> None:
        """The handler failed."""
        ...

    def init_error(self, answer: Answer) -> None:
        """The runtime could not start."""
        ...


def event_message(
    *,
    request_id: str,
    invocation_id: str,
    deadline_ms: int,
    invoked_arn: str,
    trace: str,
    client_context: str,
    payload: bytes,
) -> bytes:
    """The answer to ``next``: an event as a whole HTTP response."""
    head = [
        "HTTP/1.1 200 OK",
        "Content-Type: application/json",
        f"Content-Length: {len(payload)}",
        f"Lambda-Runtime-Aws-Request-Id: {_clean(request_id)}",
        f"Lambda-Runtime-Invocation-Id: {_clean(invocation_id)}",
        f"Lambda-Runtime-Deadline-Ms: {deadline_ms}",
        f"Lambda-Runtime-Invoked-Function-Arn: {_clean(invoked_arn)}",
    ]
    if trace:
        head.append(f"Lambda-Runtime-Trace-Id: {_clean(trace)}")
    if client_context:
        head.append(f"Lambda-Runtime-Client-Context: {_clean(_decoded(client_context))}")
    return "\r\n".join(head).encode("latin-1", "replace") + b"\r\n\r\n" + payload


def _decoded(client_context: str) -> str:
    """The JSON that the caller wrote in base 64; what is neither is for the runtime to complain about."""
    try:
        return base64.b64decode(client_context, validate=True).decode()
    except ValueError:
        return client_context


def _clean(value: str) -> str:
    """A header's value on one line, in ASCII: JSON keeps its meaning, and nobody adds a header."""
    if value.isascii() and value.isprintable():
        return value
    return "".join(_escaped(character) for character in value if character not in "\r\n\t")


def _escaped(character: str) -> str:
    """A character as JSON can write it in ASCII."""
    if " " <= character <= "~":
        return character
    return json.dumps(character)[1:-1]


class RuntimeApi:
    """The listener of one environment."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._server: asyncio.Server | None = None
        self._connections: set[_Connection] = set()
        self.address = ""

    async def open(self) -> None:
        """Listen on a free port of the loopback interface; ``address`` says which."""
        listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        try:
            listener.bind(("127.0.0.1", 0))
            listener.setblocking(False)
            loop = asyncio.get_running_loop()
            self._server = await loop.create_server(
                lambda: _Connection(self._runtime, self._connections), sock=listener
            )
        except BaseException:
            listener.close()
            raise
        host, port = listener.getsockname()
        self.address = f"{host}:{port}"

    def close(self) -> None:
        """Stop listening and drop all connections."""
        if self._server is not None:
            self._server.close()
            self._server = None
        for connection in list(self._connections):
            connection.abort()


class _Connection(asyncio.Protocol):
    """One connection: requests one after the other, as runtime clients do."""

    def __init__(self, runtime: Runtime, connections: "set[_Connection]") -> None:
        self._runtime = runtime
        self._connections = connections
        self._transport: asyncio.Transport | None = None
        self._parser = httptools.HttpRequestParser(self)
        self._clear()

    def _clear(self) -> None:
        self._url = b""
        self._headers: dict[bytes, bytes] = {}
        self._head_size = 0
        self._body: list[bytes] = []
        self._size = 0

    def abort(self) -> None:
        if self._transport is not None:
            self._transport.abort()

    # --- asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._connections.add(self)

    def connection_lost(self, exc: Exception | None) -> None:
        del exc
        self._connections.discard(self)
        self._transport = None
        self._runtime.lost(self._send)

    def data_received(self, data: bytes) -> None:
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError:
            self._reply(400, b"")
            self.abort()

    # --- httptools

    def on_message_begin(self) -> None:
        self._clear()

    def on_url(self, url: bytes) -> None:
        self._url += url
        self._count(len(url))

    def on_header(self, name: bytes, value: bytes) -> None:
        """A header, or after the body a trailer."""
        self._headers[name.lower()] = value
        self._count(len(name) + len(value))

    def _count(self, size: int) -> None:
        self._head_size += size
        if self._head_size > _HEAD_MAX:
            self.abort()

    def on_headers_complete(self) -> None:
        if self._headers.get(b"expect", b"").lower() == b"100-continue":
            self._send(b"HTTP/1.1 100 Continue\r\n\r\n")

    def on_body(self, body: bytes) -> None:
        self._size += len(body)
        if self._size <= RESPONSE_MAX:
            self._body.append(body)
        else:
            self._body.clear()

    def on_message_complete(self) -> None:
        try:
            self._dispatch(self._parser.get_method().decode("latin-1"), self._url.decode("latin-1").partition("?")[0])
        except ApiRefused as refused:
            document = {"errorMessage": refused.message, "errorType": refused.error_type}
            self._reply(refused.status, json.dumps(document).encode())

    # --- calls

    def _dispatch(self, method: str, path: str) -> None:
        if not path.startswith(_PREFIX):
            raise ApiRefused(
                404, "InvalidPath", f"{path} is not part of the Runtime API 2018-06-01 that this host offers"
            )
        parts = path.removeprefix(_PREFIX).split("/")
        match method, parts:
            case "GET", ["invocation", "next"]:
                self._runtime.next(self._send)
                return
            case "POST", ["invocation", request_id, "response"]:
                answer = self._answer()
                self._runtime.response(request_id, answer)
            case "POST", ["invocation", request_id, "error"]:
                answer = self._answer()
                self._runtime.error(request_id, answer)
            case "POST", ["init", "error"]:
                answer = self._answer()
                self._runtime.init_error(answer)
            case "GET" | "POST", ["restore", _]:
                raise ApiRefused(403, "InvalidStateTransition", "this environment was not restored from a snapshot")
            case _, ["invocation", "next"] | ["invocation", _, "response" | "error"] | ["init", "error"]:
                raise ApiRefused(405, "MethodNotAllowed", f"{method} is not allowed here")
            case _:
                raise ApiRefused(404, "InvalidPath", f"{path} is not part of the Runtime API")
        if answer.too_large:
            raise ApiRefused(
                413, "RequestEntityTooLarge", f"Exceeded maximum allowed payload size ({RESPONSE_MAX} bytes)."
            )
        self._reply(202, b'{"status":"OK"}\n')

    def _answer(self) -> Answer:
        def header(name: bytes) -> str:
            return self._headers.get(name, b"").decode("latin-1")

        return Answer(
            body=b"".join(self._body),
            too_large=self._size > RESPONSE_MAX,
            error_type=header(b"lambda-runtime-function-error-type"),
            error_body=header(b"lambda-runtime-function-error-body"),
            invocation_id=header(b"lambda-runtime-invocation-id"),
        )

    def _reply(self, status: int, body: bytes) -> None:
        head = f"HTTP/1.1 {status} {HTTPStatus(status).phrase}\r\nContent-Type: application/json\r\n"
        self._send(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)

    def _send(self, message: bytes) -> None:
        if self._transport is not None:
            self._transport.write(message)
