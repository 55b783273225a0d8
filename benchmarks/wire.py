"""A load generator that costs little: raw keep-alive sockets, requests built once, replies hardly parsed.

Stock clients spend more time signing and parsing than a fast server spends answering; with them one would measure the
client. The bytes sent here are those of boto3 (same headers, same size), and the same code drives every server.
"""

import asyncio
import json
import re
from array import array
from collections.abc import Callable, Generator, Mapping
from time import perf_counter
from typing import Any
from urllib.parse import urlencode

Script = Generator[bytes, bytes, None]
"""A client's course: yields requests, is sent the bodies of their replies, gets ``Refused`` thrown in for an error."""

ACCESS_KEY = "test"
REGION = "us-east-1"

_CONTENT_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_CLOSE = re.compile(rb"\r\nconnection: *close", re.IGNORECASE)
_CHUNKED = re.compile(rb"\r\ntransfer-encoding: *chunked", re.IGNORECASE)


class Refused(Exception):  # noqa: N818 (an answer, not a fault of the program)
    """The server answered with an error, or hung up."""

    def __init__(self, status: int, body: bytes) -> None:
        super().__init__(f"{status}: {body[:300].decode('utf-8', 'replace')}")
        self.status = status
        self.body = body


def request(
    host: str, service: str, headers: Mapping[str, str], body: bytes, *, method: str = "POST", path: str = "/"
) -> bytes:
    """One signed-looking HTTP/1.1 request, with the headers that boto3 sends; ``host`` is ``address:port``."""
    signed = ";".join(sorted(name.lower() for name in (*headers, "Host", "X-Amz-Date")))
    authorization = (
        f"AWS4-HMAC-SHA256 Credential={ACCESS_KEY}/20260101/{REGION}/{service}/aws4_request, "
        f"SignedHeaders={signed}, Signature={'0' * 64}"
    )
    lines = [
        f"{method} {path} HTTP/1.1",
        f"Host: {host}",
        "Accept-Encoding: identity",
        *(f"{name}: {value}" for name, value in headers.items()),
        "User-Agent: Boto3/1.43.0 md/Botocore#1.43.0 ua/2.1 os/linux lang/python#3.11.7 cfg/retry-mode#legacy",
        "X-Amz-Date: 20260101T000000Z",
        f"Authorization: {authorization}",
        "amz-sdk-invocation-id: 00000000-0000-4000-8000-000000000000",
        "amz-sdk-request: attempt=1",
        f"Content-Length: {len(body)}",
    ]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def json_request(host: str, service: str, target: str, body: Mapping[str, Any]) -> bytes:
    """An AWS JSON request: ``target`` is the X-Amz-Target, ``AmazonSQS.SendMessage`` or ``AWSStepFunctions....``."""
    version = "1.0"  # of both protocols that are measured: SQS and Step Functions
    headers = {"X-Amz-Target": target, "Content-Type": f"application/x-amz-json-{version}"}
    return request(host, service, headers, json.dumps(body).encode())


def query_request(host: str, service: str, version: str, action: str, **members: str) -> bytes:
    """An AWS Query request (IAM)."""
    body = urlencode({"Action": action, "Version": version, **members}).encode()
    return request(host, service, {"Content-Type": "application/x-www-form-urlencoded; charset=utf-8"}, body)


def rest_request(host: str, service: str, method: str, path: str, body: Mapping[str, Any] | bytes = b"") -> bytes:
    """A REST-JSON request (Lambda)."""
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return request(host, service, {"Content-Type": "application/json"}, content, method=method, path=path)


class Connection(asyncio.Protocol):
    """One connection with one request at a time in flight; opened again when the server closes it."""

    def __init__(self, host: str) -> None:
        self.host = host
        self.latencies_s = array("d")
        """One per reply since it was last cleared."""
        self.opened = 0
        self._transport: asyncio.Transport | None = None
        self._buffer = b""
        self._sent_at = 0.0
        self._then: Callable[[int, bytes], None] | None = None
        self._opening: asyncio.Task[Any] | None = None

    async def open(self) -> None:
        """Connect."""
        address, _, port = self.host.rpartition(":")
        transport, _ = await asyncio.get_running_loop().create_connection(lambda: self, address, int(port))
        self._transport = transport
        self.opened += 1

    def close(self) -> None:
        """Disconnect."""
        self._then = None
        if self._transport is not None:
            self._transport.close()
            self._transport = None

    def send(self, data: bytes, then: Callable[[int, bytes], None]) -> None:
        """Send a request; ``then(status, body)`` is called with its reply, with status 0 if there is none."""
        self._then = then
        self._sent_at = perf_counter()
        if self._transport is None:
            self._opening = asyncio.ensure_future(self._open_and_send(data))
        else:
            self._transport.write(data)

    async def call(self, data: bytes) -> bytes:
        """Send a request and wait for the body of its reply; raises ``Refused``."""
        future: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()

        def then(status: int, body: bytes) -> None:
            if future.done():
                return
            if 200 <= status < 300:
                future.set_result(body)
            else:
                future.set_exception(Refused(status, body))

        self.send(data, then)
        return await future

    async def call_json(self, data: bytes) -> Any:
        """``call``, and the reply's JSON."""
        return json.loads(await self.call(data) or b"{}")

    async def run(self, script: Script) -> None:
        """Drive a script to its end, straight from the socket's callback: no task switch between two requests."""
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()

        def step(status: int, body: bytes) -> None:
            try:
                data = script.send(body) if 200 <= status < 300 else script.throw(Refused(status, body))
            except StopIteration:
                if not done.done():
                    done.set_result(None)
            except Exception as error:  # noqa: BLE001 (it belongs to whoever awaits the run)
                if not done.done():
                    done.set_exception(error)
            else:
                self.send(data, step)

        try:
            first = next(script)
        except StopIteration:
            return
        self.send(first, step)
        try:
            await done
        finally:
            self._then = None

    async def _open_and_send(self, data: bytes) -> None:
        try:
            await self.open()
        except OSError as error:
            self._answer(0, str(error).encode())
            return
        if self._transport is not None:
            self._transport.write(data)

    def data_received(self, data: bytes) -> None:
        """Take a piece of a reply."""
        buffer = self._buffer + data if self._buffer else data
        end = buffer.find(b"\r\n\r\n")
        if end < 0:
            self._buffer = buffer
            return
        length = _CONTENT_LENGTH.search(buffer, 0, end + 2)
        if length is not None:
            start, stop = end + 4, end + 4 + int(length[1])
            if len(buffer) < stop:
                self._buffer = buffer
                return
            body = buffer[start:stop]
        elif _CHUNKED.search(buffer, 0, end + 2) is not None:
            if not buffer.endswith(b"0\r\n\r\n"):
                self._buffer = buffer
                return
            body = _unchunked(buffer[end + 4 :])
        else:
            body = b""
        self._buffer = b""
        if _CLOSE.search(buffer, 0, end + 2) is not None and self._transport is not None:
            self._transport.close()
            self._transport = None
        self._answer(int(buffer[9:12]), body)

    def connection_lost(self, error: Exception | None) -> None:
        """Tell whoever waits; a connection closed between two requests is opened again by the next."""
        if self._transport is not None and self._transport.is_closing():
            self._transport = None
            self._buffer = b""
            self._answer(0, f"the server hung up: {error}".encode())

    def _answer(self, status: int, body: bytes) -> None:
        then, self._then = self._then, None
        if then is not None:
            self.latencies_s.append(perf_counter() - self._sent_at)
            then(status, body)


def _unchunked(data: bytes) -> bytes:
    pieces = []
    while data:
        size, _, data = data.partition(b"\r\n")
        count = int(size.split(b";")[0], 16)
        pieces.append(data[:count])
        data = data[count + 2 :]
    return b"".join(pieces)
