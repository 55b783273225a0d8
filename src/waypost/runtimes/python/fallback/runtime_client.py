"""The transport of awslambdaric in pure Python, for interpreters that its compiled one was not built for.

Same four functions, over one connection that is kept.
"""

import _socket
import os

_BASE = "/2018-06-01/runtime/invocation/"
_HOST, _, _PORT = os.environ["AWS_LAMBDA_RUNTIME_API"].partition(":")
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

_agent = ""
_connection = None


def initialize_client(user_agent):
    """Remember who is calling."""
    global _agent
    _agent = user_agent


def next():
    """Wait for an event: its bytes, and its headers by the names that awslambdaric knows."""
    status, headers, body = _call("GET", _BASE + "next", {}, b"")
    if status != 200:
        raise RuntimeError("Failed to get next invocation: status %d, %r" % (status, body))
    return body, {_NAMES[name]: value for name, value in headers.items() if name in _NAMES}


def post_invocation_result(invoke_id, data, content_type="application/json", invocation_id=None):
    """Answer an invocation."""
    headers = {"Content-Type": content_type}
    if invocation_id:
        headers["Lambda-Runtime-Invocation-Id"] = invocation_id
    _post(_BASE + invoke_id + "/response", headers, data)


def post_error(invoke_id, error, xray_fault, invocation_id=None):
    """Say that the handler failed."""
    headers = {"Content-Type": "application/json"}
    if invocation_id:
        headers["Lambda-Runtime-Invocation-Id"] = invocation_id
    _post(_BASE + invoke_id + "/error", headers, error.encode() if isinstance(error, str) else error)


def _post(path, headers, body):
    status, _, answer = _call("POST", path, headers, body)
    if status != 202:
        raise RuntimeError("Failed to post to %s: status %d, %r" % (path, status, answer))


def _call(method, path, headers, body):
    global _connection
    if _connection is None:
        _connection = _socket.socket(_socket.AF_INET, _socket.SOCK_STREAM)
        _connection.setsockopt(_socket.IPPROTO_TCP, _socket.TCP_NODELAY, 1)
        _connection.connect((_HOST, int(_PORT)))
    lines = ["%s %s HTTP/1.1" % (method, path), "Host: %s:%s" % (_HOST, _PORT), "User-Agent: " + _agent]
    lines += ["%s: %s" % item for item in headers.items()]
    lines += ["Content-Length: %d" % len(body), "", ""]
    _connection.sendall("\r\n".join(lines).encode("latin-1") + body)
    head, rest = _head()
    first, *fields = head.decode("latin-1").split("\r\n")
    received = {}
    for field in fields:
        name, _, value = field.partition(":")
        received[name.strip().lower()] = value.strip()
    size = int(received.get("content-length", 0))
    chunks = [rest]
    have = len(rest)
    while have < size:
        chunks.append(_receive())
        have += len(chunks[-1])
    return int(first.split(" ")[1]), received, b"".join(chunks)


def _head():
    data = b""
    while b"\r\n\r\n" not in data:
        data += _receive()
    head, _, rest = data.partition(b"\r\n\r\n")
    return head, rest


def _receive():
    data = _connection.recv(262144)
    if not data:
        raise RuntimeError("the Runtime API closed the connection")
    return data
