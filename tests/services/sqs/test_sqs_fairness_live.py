"""A fair queue on a running server, through a stock client, with receivers at work and the background sorting."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event, Lock
from typing import Any

import pytest
from tests.conftest import LiveServer, start_server
from tests.stores import KINDS, new_database

NOISY = 1_200


@pytest.fixture
def sqs(server: LiveServer) -> Any:
    return server.client("sqs")


def fill(sqs: Any, url: str, group: str, count: int) -> None:
    def send(first: int) -> None:
        entries = [
            {"Id": str(number), "MessageBody": f"{group} {number}", "MessageGroupId": group}
            for number in range(first, min(first + 10, count))
        ]
        assert "Failed" not in sqs.send_message_batch(QueueUrl=url, Entries=entries)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(send, range(0, count, 10)))


def test_a_quiet_tenant_passes_a_backlog_and_nothing_is_lost_or_doubled(sqs: Any) -> None:
    url = sqs.create_queue(QueueName="fair", Attributes={"VisibilityTimeout": "600"})["QueueUrl"]
    fill(sqs, url, "noisy", NOISY)
    turn, sending, sent = Lock(), Event(), Event()
    got: list[str] = []
    after: list[str] = []
    """What was received once the quiet tenant's messages were sent, but for what was on its way then."""

    def work(_: int) -> None:
        held: list[dict[str, str]] = []
        while messages := sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages", []):
            bodies = [message["Body"] for message in messages]
            got.extend(bodies)
            if sending.is_set():
                sent.wait(60)
                after.extend(bodies)
            held += messages
            while len(held) > 20:
                one = held.pop(0)
                sqs.delete_message(QueueUrl=url, ReceiptHandle=one["ReceiptHandle"])
            if len(got) > 300 and turn.acquire(blocking=False):
                sending.set()
                fill(sqs, url, "quiet", 20)
                sent.set()
        for one in held:
            sqs.delete_message(QueueUrl=url, ReceiptHandle=one["ReceiptHandle"])

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(work, range(4)))
    assert sorted(got) == sorted([*(f"noisy {n}" for n in range(NOISY)), *(f"quiet {n}" for n in range(20))])
    last_quiet = max(place for place, body in enumerate(after) if body.startswith("quiet"))
    assert last_quiet < 100, "many hundreds waited before it"
    wanted = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
    counts = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=wanted)["Attributes"]
    assert set(counts.values()) == {"0"}


@pytest.mark.parametrize("kind", KINDS)
def test_lanes_outlive_a_kill(kind: str, tmp_path: Path) -> None:
    """The server dies while the messages of a tenant found noisy and those of others are taken apart."""
    where = ["--store", new_database()] if kind == "postgres" else []
    server = start_server(tmp_path / "data", *where)
    try:
        sqs = server.client("sqs")
        url = sqs.create_queue(QueueName="fair", Attributes={"VisibilityTimeout": "600"})["QueueUrl"]
        sent = set()
        for number in range(60):
            groups = ["loud"] * 9 + ["quiet"]
            entries = [
                {"Id": f"{place}", "MessageBody": f"{group} {number} {place}", "MessageGroupId": group}
                for place, group in enumerate(groups)
            ]
            assert "Failed" not in sqs.send_message_batch(QueueUrl=url, Entries=entries)
            sent |= {entry["MessageBody"] for entry in entries}
        held = [one for _ in range(4) for one in receive(sqs, url)]
        # A lane was opened: another tenant's message comes next, and none of those that wait before it.
        sqs.send_message(QueueUrl=url, MessageBody="quiet at last", MessageGroupId="quiet")
        sent.add("quiet at last")
        held += (first := receive(sqs, url, 1))
        assert first[0]["Body"].startswith("quiet")
        before = {one["Body"] for one in held}
        for one in held[::2]:
            sqs.delete_message(QueueUrl=url, ReceiptHandle=one["ReceiptHandle"])
    finally:
        server.kill()
    server = start_server(tmp_path / "data", *where)
    try:
        sqs = server.client("sqs")
        url = f"{server.url}/{url.split('/', 3)[3]}"
        for one in held[1::2]:
            sqs.delete_message(QueueUrl=url, ReceiptHandle=one["ReceiptHandle"])
        after: list[str] = []
        while len(after) < len(sent) - len(before) and (messages := receive(sqs, url, WaitTimeSeconds=20)):
            after += [one["Body"] for one in messages]
            for one in messages:
                sqs.delete_message(QueueUrl=url, ReceiptHandle=one["ReceiptHandle"])
        assert sorted(after) == sorted(sent - before)
        wanted = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
        counts = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=wanted)["Attributes"]
        assert set(counts.values()) == {"0"}
    finally:
        server.kill()


def receive(sqs: Any, url: str, most: int = 10, **more: Any) -> list[dict[str, str]]:
    """What a receive gets."""
    found: list[dict[str, str]] = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=most, **more).get(
        "Messages", []
    )
    return found
