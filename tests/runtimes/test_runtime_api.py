"""The Runtime API, from the side of a runtime that misbehaves."""

import asyncio
import base64
import json

import pytest
from tests.runtimes.hosting import Host, hosted

CLIENT = """
import http.client, json, os
def call(method, path, body=None, **headers):
    api = http.client.HTTPConnection(os.environ["AWS_LAMBDA_RUNTIME_API"])
    api.request(method, path, body, {name.replace("_", "-"): value for name, value in headers.items()})
    answer = api.getresponse()
    return [answer.status, json.loads(answer.read() or b"null")]
"""
BASE = "/2018-06-01/runtime/"


@pytest.mark.parametrize(
    ("method", "path", "status", "error_type"),
    [
        ("POST", f"{BASE}invocation/other/response", 400, "InvalidRequestID"),
        ("POST", f"{BASE}invocation/other/error", 400, "InvalidRequestID"),
        ("POST", f"{BASE}init/error", 403, "InvalidStateTransition"),
        ("GET", f"{BASE}invocation/next", 403, "InvalidStateTransition"),
        ("GET", f"{BASE}restore/next", 403, "InvalidStateTransition"),
        ("GET", f"{BASE}invocation/other/response", 405, "MethodNotAllowed"),
        ("PUT", f"{BASE}invocation/next", 405, "MethodNotAllowed"),
        ("GET", f"{BASE}nowhere", 404, "InvalidPath"),
        ("POST", "/2020-01-01/extension/register", 404, "InvalidPath"),
    ],
)
@hosted()
async def test_calls_that_are_refused(host: Host, method, path, status, error_type):
    spec = host.python(
        CLIENT + f"def handler(event, context): return call({method!r}, {path!r}, b'' if event else None)"
    )
    answer = json.loads((await host.invoke(spec)).payload)
    assert answer[0] == status
    assert answer[1]["errorType"] == error_type


@hosted()
async def test_an_invocation_has_one_answer(host: Host):
    spec = host.python(
        CLIENT
        + """
def handler(event, context):
    path = "/2018-06-01/runtime/invocation/" + context.aws_request_id + "/response"
    wrong = call("POST", path, b"0", Lambda_Runtime_Invocation_Id="other")
    print("wrong", *wrong)
    print("first", *call("POST", path, b'"mine"'))
    return "late"
"""
    )
    outcome = await host.invoke(spec)
    assert outcome.payload == b'"mine"'
    assert host.log_has("wrong 400 {'errorMessage': 'Invalid invocation ID', 'errorType': 'InvalidInvocationId'}")
    assert host.log_has("first 202 {'status': 'OK'}")
    # AWS's client ends when its answer is refused; the environment is replaced.
    assert (await host.invoke(spec)).init_ms is not None


@hosted()
async def test_a_streamed_response_is_taken_whole_and_its_trailers_count(host: Host):
    spec = host.python(
        """
import base64, os, socket
def stream(request_id, trailer):
    host, port = os.environ["AWS_LAMBDA_RUNTIME_API"].split(":")
    api = socket.create_connection((host, int(port)))
    api.sendall(f"POST /2018-06-01/runtime/invocation/{request_id}/response HTTP/1.1\\r\\nHost: x\\r\\n"
                "Lambda-Runtime-Function-Response-Mode: streaming\\r\\nTransfer-Encoding: chunked\\r\\n"
                "Expect: 100-continue\\r\\n\\r\\n".encode())
    first = api.recv(1000)
    api.sendall(b"4\\r\\none \\r\\n")
    api.sendall(b"3\\r\\ntwo\\r\\n0\\r\\n" + trailer + b"\\r\\n")
    return first + api.recv(1000)
def handler(event, context):
    trailer = b""
    if event:
        body = base64.b64encode(event["error"].encode())
        trailer = b"Lambda-Runtime-Function-Error-Type: Broken\\r\\n"
        trailer += b"Lambda-Runtime-Function-Error-Body: " + body + b"\\r\\n"
    print(stream(context.aws_request_id, trailer))
"""
    )
    whole = await host.invoke(spec)
    assert (whole.payload, whole.function_error) == (b"one two", "")
    assert host.log_has("HTTP/1.1 100 Continue")
    assert host.log_has("HTTP/1.1 202 Accepted")
    broken = await host.invoke(spec, b'{"error": "{}"}')
    assert (broken.payload, broken.function_error) == (b"{}", "Unhandled")


@hosted()
async def test_what_is_not_http_is_hung_up_on(host: Host):
    spec = host.python(
        """
import os, socket
def handler(event, context):
    host, port = os.environ["AWS_LAMBDA_RUNTIME_API"].split(":")
    api = socket.create_connection((host, int(port)))
    api.sendall(b"what is this\\r\\n\\r\\n")
    return api.makefile("rb").read().decode()
"""
    )
    assert json.loads((await host.invoke(spec)).payload).startswith("HTTP/1.1 400 Bad Request\r\n")


@hosted()
async def test_one_function_cannot_answer_for_another(host: Host):
    """Even one that has found the other's port does not know the invocation's id."""
    ports = asyncio.get_running_loop().create_future()
    victim = host.python(
        """
import os, threading
def handler(event, context):
    print("api", os.environ["AWS_LAMBDA_RUNTIME_API"])
    with open(event) as gate: gate.read()
    return "mine"
""",
        name="victim",
    )
    gate = host.folder.parent / "gate"
    import os

    os.mkfifo(gate)
    running = asyncio.ensure_future(host.invoke(victim, json.dumps(str(gate)).encode()))
    ports.set_result((await host.saw("api ")).split()[1])
    thief = host.python(
        CLIENT
        + """
def handler(event, context):
    os.environ["AWS_LAMBDA_RUNTIME_API"], own = event, os.environ["AWS_LAMBDA_RUNTIME_API"]
    try:
        return [
            call("POST", "/2018-06-01/runtime/invocation/" + context.aws_request_id + "/response", b'"stolen"')[0],
            call("GET", "/2018-06-01/runtime/invocation/next")[0],
        ]
    finally:
        os.environ["AWS_LAMBDA_RUNTIME_API"] = own
""",
        name="thief",
    )
    stolen = await host.invoke(thief, json.dumps(await ports).encode())
    assert json.loads(stolen.payload) == [400, 403]
    os.close(os.open(gate, os.O_WRONLY))
    assert (await running).payload == b'"mine"'


@hosted()
async def test_headers_cannot_be_forged_through_what_a_client_sends(host: Host):
    spec = host.python("def handler(event, context): return context.client_context.custom")
    forged = '{"custom":\r\n{"a": "b"}}'
    for context in (forged, base64.b64encode(forged.encode()).decode()):
        assert json.loads((await host.invoke(spec, client_context=context)).payload) == {"a": "b"}
