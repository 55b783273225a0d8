"""A fair queue on a running server, through a stock client, with receivers at work and the background sorting."""

from concurrent.futures import ThreadPoolExecutor
from threading import Event, Lock
from typing import Any

import pytest
from tests.conftest import LiveServer

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
