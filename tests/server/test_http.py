"""Requests that no SDK would send: the right 4xx, never a 500, never a connection that hangs."""

import http.client
import json
import socket
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from tests.conftest import LiveServer, start_server

AUTHORIZATION = "AWS4-HMAC-SHA256 Credential=test/20260101/us-east-1/{}/aws4_request, SignedHeaders=host, Signature=0"


def ask(
    server: LiveServer, method: str, path: str, body: bytes = b"", **headers: str
) -> tuple[int, dict[str, str], bytes]:
    connection = http.client.HTTPConnection(urlsplit(server.url).netloc, timeout=10)
    try:
        connection.request(method, path, body, {name.replace("_", "-"): value for name, value in headers.items()})
        response = connection.getresponse()
        return response.status, {name.lower(): value for name, value in response.getheaders()}, response.read()
    finally:
        connection.close()


@pytest.mark.parametrize(
    ("target", "body", "status"),
    [
        ("AmazonSQS.SendMessage", b"{", 400),
        ("AmazonSQS.SendMessage", b"", 400),
        ("AmazonSQS.SendMessage", b"[]", 400),
        ("AmazonSQS.SendMessage", b'{"QueueUrl": 1}', 400),
        ("AmazonSQS.SendMessage", b'{"QueueUrl": "x", "MessageBody": "\xff"}', 400),
        ("AmazonSQS.SendMessage", b'{"a":' * 5_000 + b"1" + b"}" * 5_000, 400),
        ("AmazonSQS.CreateQueue", b'{"QueueName": null}', 400),
        ("AmazonSQS.NoSuchThing", b"{}", 400),
        ("Nobody.NoSuchThing", b"{}", 400),
        ("AWSStepFunctions.StartExecution", b'{"stateMachineArn": ["x"]}', 400),
        ("AWSStepFunctions.CreateStateMachine", b'{"name": "\\ud800"}', 400),
    ],
)
def test_bad_json_requests(server: LiveServer, target: str, body: bytes, status: int) -> None:
    got, headers, answer = ask(
        server, "POST", "/", body, X_Amz_Target=target, Content_Type="application/x-amz-json-1.0",
        Authorization=AUTHORIZATION.format("sqs"),
    )  # fmt: skip
    assert got == status, answer
    assert "__type" in json.loads(answer)
    assert headers["x-amzn-requestid"]


@pytest.mark.parametrize(
    ("method", "path", "service"),
    [
        ("POST", "/", "sqs"),
        ("GET", "/", "sqs"),
        ("PUT", "/somewhere", "lambda"),
        ("GET", "/2015-03-31/functions/%ff%fe", "lambda"),
        ("DELETE", "/2015-03-31/functions/", "lambda"),
        ("POST", "/2015-03-31/functions", "lambda"),
        ("POST", "/?Action=Nope&Version=2010-05-08", "iam"),
        ("POST", "/?Action=GetRole", "iam"),
        ("GET", "/", "unheard-of"),
        ("OPTIONS", "*", "s3"),
        ("PATCH", "/x" * 3_000, "s3"),
    ],
)
def test_bad_paths_and_methods(server: LiveServer, method: str, path: str, service: str) -> None:
    status, _, answer = ask(server, method, path, Authorization=AUTHORIZATION.format(service))
    assert 400 <= status < 500, answer


def test_without_any_header(server: LiveServer) -> None:
    status, _, _ = ask(server, "POST", "/", b"hello")
    assert 400 <= status < 500


def test_garbage_is_refused_and_closed(server: LiveServer) -> None:
    host, port = urlsplit(server.url).netloc.split(":")
    with socket.create_connection((host, int(port)), timeout=10) as connection:
        connection.sendall(b"\x16\x03\x01 not http at all\r\n\r\n")
        assert b"400" in connection.recv(1_000)


def test_an_oversized_request_is_refused_before_it_is_read(server: LiveServer) -> None:
    host, port = urlsplit(server.url).netloc.split(":")
    with socket.create_connection((host, int(port)), timeout=10) as connection:
        connection.sendall(
            b"POST / HTTP/1.1\r\nHost: x\r\nX-Amz-Target: AmazonSQS.SendMessage\r\n"
            b"Content-Type: application/x-amz-json-1.0\r\nContent-Length: 9999999999\r\n\r\n{"
        )
        answer = connection.recv(4_000)
        assert answer.startswith(b"HTTP/1.1 413 ")
        while chunk := connection.recv(4_000):
            answer += chunk
    assert b"RequestEntityTooLarge" in answer


def test_a_truncated_upload_is_refused_in_time_and_the_connection_closed(tmp_path: Path) -> None:
    running = start_server(tmp_path / "data", "--body-idle-s", "1")
    host, port = urlsplit(running.url).netloc.split(":")
    with socket.create_connection((host, int(port)), timeout=10) as connection:
        connection.sendall(
            b"POST / HTTP/1.1\r\nHost: x\r\nX-Amz-Target: AmazonSQS.SendMessage\r\n"
            b'Content-Type: application/x-amz-json-1.0\r\nContent-Length: 100\r\n\r\n{"QueueUrl"'
        )
        answer = b""
        while chunk := connection.recv(4_000):
            answer += chunk
    assert answer.startswith(b"HTTP/1.1 408 ")
    with socket.create_connection((host, int(port)), timeout=10) as connection:
        connection.sendall(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{")
    assert running.stop() == 0
    assert "Traceback" not in running.log.read_text()


def test_a_client_that_leaves_a_long_poll_takes_nothing_with_it(server: LiveServer) -> None:
    sqs = server.client("sqs")
    url = sqs.create_queue(QueueName="left-alone")["QueueUrl"]
    host, port = urlsplit(server.url).netloc.split(":")
    body = json.dumps({"QueueUrl": url, "WaitTimeSeconds": 20}).encode()
    before = server.get("status")["parked"]
    with socket.create_connection((host, int(port)), timeout=10) as connection:
        connection.sendall(
            b"POST / HTTP/1.1\r\nHost: x\r\nX-Amz-Target: AmazonSQS.ReceiveMessage\r\n"
            b"Content-Type: application/x-amz-json-1.0\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body)
        )
        while server.get("status")["parked"] <= before:
            pass
    while server.get("status")["parked"] > before:
        pass
    sqs.send_message(QueueUrl=url, MessageBody="still here")
    assert sqs.receive_message(QueueUrl=url)["Messages"][0]["Body"] == "still here"
