# ruff: noqa: INP001 (found through sys.path of a worker, never imported as part of Waypost)
"""The transport of awslambdaric in pure Python, for interpreters that its compiled one was not built for.

The same four functions, over one connection that is kept. The ``socket`` module is left out: it costs 3 ms.
"""

import _socket
import os

_INVOCATION = "/2018-06-01/runtime/invocation/"
_NAMES = {
    name.lower(): name
    for name in (
        "Content-Type",
        "Lambda-Runtime-Aws-Request-Id",
        "Lambda-Runtime-Aws-Tenant-Id",
        "Lambda-Runtime-Client-Context",
        "Lambda-Runtime-Cognito-Identity",
        "Lambda-Runtime-Deadline-Ms",
        "Lambda-Runtime-Invocation-Id",
        "Lambda-Runtime-Invoked-Function-Arn",
        "Lambda-Runtime-Trace-Id",
    )
}
"""The headers that awslambdaric looks at, by their names in lower case."""


class _Client:
    def __init__(self, address: str) -> None:
        self.agent = ""
        self._address = address
        self._connection: _socket.socket | None = None

    def call(self, method: str, path: str, headers: dict[str, str], body: bytes) -> tuple[int, dict[str, str], bytes]:
        """Status, headers by lower-case name, and body of the answer."""
        connection = self._connect()
        fields = {"Host": self._address, "User-Agent": self.agent, **headers, "Content-Length": str(len(body))}
        lines = [f"{method} {path} HTTP/1.1", *(f"{name}: {value}" for name, value in fields.items()), "", ""]
        connection.sendall("\r\n".join(lines).encode("latin-1") + body)
        received = b""
        while b"\r\n\r\n" not in received:
            received += self._receive(connection)
        head, _, rest = received.partition(b"\r\n\r\n")
        first, *rows = head.decode("latin-1").split("\r\n")
        answer = {name.strip().lower(): value.strip() for name, _, value in (row.partition(":") for row in rows)}
        chunks = [rest]
        missing = int(answer.get("content-length", "0")) - len(rest)
        while missing > 0:
            chunks.append(self._receive(connection))
            missing -= len(chunks[-1])
        return int(first.split(" ")[1]), answer, b"".join(chunks)

    def _connect(self) -> _socket.socket:
        if self._connection is None:
            host, _, port = self._address.partition(":")
            self._connection = _socket.socket(_socket.AF_INET, _socket.SOCK_STREAM)
            self._connection.setsockopt(_socket.IPPROTO_TCP, _socket.TCP_NODELAY, 1)
            self._connection.connect((host, int(port)))
        return self._connection

    @staticmethod
    def _receive(connection: _socket.socket) -> bytes:
        data = connection.recv(262_144)
        if not data:
            raise RuntimeError("the Runtime API closed the connection")
        return data

    def post(self, path: str, content_type: str, invocation_id: str | None, body: bytes) -> None:
        """Post what has to be accepted."""
        headers = {"Content-Type": content_type}
        if invocation_id:
            headers["Lambda-Runtime-Invocation-Id"] = invocation_id
        status, _, answer = self.call("POST", path, headers, body)
        if status != 202:
            raise RuntimeError(f"Failed to post to {path}: status {status}, {answer!r}")


_client = _Client(os.environ["AWS_LAMBDA_RUNTIME_API"])


def initialize_client(user_agent: str) -> None:
    """Remember who is calling."""
    _client.agent = user_agent


def next() -> tuple[bytes, dict[str, str]]:  # noqa: A001 (awslambdaric's name)
    """Wait for an event: its bytes, and its headers by the names that awslambdaric knows."""
    status, headers, body = _client.call("GET", _INVOCATION + "next", {}, b"")
    if status != 200:
        raise RuntimeError(f"Failed to get next invocation: status {status}, {body!r}")
    return body, {_NAMES[name]: value for name, value in headers.items() if name in _NAMES}


def post_invocation_result(
    invoke_id: str, body: bytes, content_type: str = "application/json", invocation_id: str | None = None
) -> None:
    """Answer an invocation."""
    _client.post(f"{_INVOCATION}{invoke_id}/response", content_type, invocation_id, body)


def post_error(invoke_id: str, document: str, xray_fault: str, invocation_id: str | None = None) -> None:
    """Say that the handler failed."""
    del xray_fault
    _client.post(f"{_INVOCATION}{invoke_id}/error", "application/json", invocation_id, document.encode())
