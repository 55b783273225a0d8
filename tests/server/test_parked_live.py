"""Many long polls of one queue: a message wakes one of them, and who leaves takes nothing along for good."""

import contextlib
import json
import re
import select
import socket
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest
from tests.conftest import LiveServer

MANY = 60


@pytest.fixture
def sqs(server: LiveServer) -> Any:
    return server.client("sqs")


@contextlib.contextmanager
def polls(server: LiveServer, url: str, count: int = MANY) -> Iterator[list[socket.socket]]:
    """So many connections with a poll on each, all of them parked."""
    host, port = urlsplit(server.url).netloc.split(":")
    body = json.dumps({"QueueUrl": url, "WaitTimeSeconds": 20}).encode()
    before = server.get("status")["parked"]
    with contextlib.ExitStack() as opened:
        connections = [
            opened.enter_context(socket.create_connection((host, int(port)), timeout=30)) for _ in range(count)
        ]
        for connection in connections:
            connection.sendall(
                b"POST / HTTP/1.1\r\nHost: x\r\nX-Amz-Target: AmazonSQS.ReceiveMessage\r\n"
                b"Content-Type: application/x-amz-json-1.0\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body)
            )
        while server.get("status")["parked"] < before + count:
            pass
        yield connections
    while server.get("status")["parked"] > before:
        pass


def whole_answer(connection: socket.socket) -> bytes:
    """Head and body, which may come one after the other."""
    found = b""
    while True:
        head, end, body = found.partition(b"\r\n\r\n")
        length = re.search(rb"content-length: (\d+)", head, re.IGNORECASE)
        if end and length is not None and len(body) >= int(length[1]):
            return found
        more = connection.recv(65_536)
        assert more, found
        found += more


def operations(server: LiveServer) -> int | None:
    """How many operations have run; the shared store does not count them."""
    store: dict[str, Any] = server.get("status")["store"]
    return store.get("operations")


def test_a_message_wakes_one_of_many(server: LiveServer, sqs: Any) -> None:
    url = sqs.create_queue(QueueName="woken-alone")["QueueUrl"]
    with polls(server, url) as connections:
        before = operations(server)
        waiting = list(connections)
        for number in range(3):
            sqs.send_message(QueueUrl=url, MessageBody=f"m{number}")
            (answered,), _, _ = select.select(waiting, [], [], 30)
            waiting.remove(answered)
            assert f"m{number}".encode() in whole_answer(answered)
        assert select.select(waiting, [], [], 0)[0] == []
        if before is not None:
            # Sent, received, and looked at by who waits next: each of the sixty would have been sixty operations.
            assert (operations(server) or 0) - before < MANY / 2


def test_who_leaves_takes_nothing_along(server: LiveServer, sqs: Any) -> None:
    """A message that was on its way to a client that had left is received again after its visibility timeout."""
    url = sqs.create_queue(QueueName="many-leave", Attributes={"VisibilityTimeout": "1"})["QueueUrl"]
    sent = {f"m{number}" for number in range(MANY // 2)}
    with polls(server, url) as connections:
        for body, leaving in zip(sorted(sent), connections, strict=False):
            leaving.close()
            sqs.send_message(QueueUrl=url, MessageBody=body)
        for connection in connections:
            connection.close()
    found: set[str] = set()
    for _ in range(MANY * 2):
        answer = sqs.receive_message(QueueUrl=url, WaitTimeSeconds=2, MaxNumberOfMessages=10, VisibilityTimeout=60)
        found |= {message["Body"] for message in answer.get("Messages", [])}
        if found == sent:
            break
    assert found == sent
