"""Message move tasks over the wire: stock clients, both protocols, and a server that is killed in between."""

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError
from tests.conftest import LiveServer, start_server
from tests.services.sqs.test_sqs_live import NS, query
from tests.stores import KINDS, new_database

PATIENCE = 60


def queues(sqs: Any, name: str, bodies: list[str]) -> tuple[str, str, str]:
    """A queue, its dead-letter queue, to which these messages went, and the latter's ARN."""
    dlq = sqs.create_queue(QueueName=f"{name}-dlq")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=dlq, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    policy = json.dumps({"deadLetterTargetArn": arn, "maxReceiveCount": 1})
    url = sqs.create_queue(QueueName=name, Attributes={"RedrivePolicy": policy})["QueueUrl"]
    for start in range(0, len(bodies), 10):
        entries = [{"Id": f"i{place}", "MessageBody": body} for place, body in enumerate(bodies[start : start + 10])]
        assert "Failed" not in sqs.send_message_batch(QueueUrl=url, Entries=entries)
    while waiting(sqs, url):
        sqs.receive_message(QueueUrl=url, VisibilityTimeout=0, MaxNumberOfMessages=10)
    return url, dlq, arn


def waiting(sqs: Any, url: str) -> int:
    names = ["ApproximateNumberOfMessages"]
    return int(sqs.get_queue_attributes(QueueUrl=url, AttributeNames=names)["Attributes"][names[0]])


def drain(sqs: Any, url: str, count: int) -> list[str]:
    """Receive so many messages, however long the task takes to bring them."""
    found: list[str] = []
    for _ in range(count + PATIENCE):
        if len(found) >= count:
            break
        answer = sqs.receive_message(QueueUrl=url, WaitTimeSeconds=1, MaxNumberOfMessages=10)
        for message in answer.get("Messages", []):
            found.append(message["Body"])
            sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
    return found


@pytest.fixture
def sqs(server: LiveServer) -> Any:
    return server.client("sqs")


def test_boto3_moves_dead_letters_back(sqs: Any) -> None:
    sent = [f"m{number}" for number in range(25)]
    url, dlq, arn = queues(sqs, "moves-boto3", sent)
    assert sqs.list_message_move_tasks(SourceArn=arn)["Results"] == []
    handle = sqs.start_message_move_task(SourceArn=arn, MaxNumberOfMessagesPerSecond=100)["TaskHandle"]
    assert sorted(drain(sqs, url, 25)) == sorted(sent)
    (task,) = sqs.list_message_move_tasks(SourceArn=arn, MaxResults=10)["Results"]
    assert task["ApproximateNumberOfMessagesToMove"] == 25
    assert task["StartedTimestamp"] > 1_700_000_000_000
    assert waiting(sqs, dlq) == 0
    with pytest.raises(ClientError) as caught:
        sqs.cancel_message_move_task(TaskHandle=handle[:-3] + "xxx")
    assert caught.value.response["Error"]["Code"] == "InvalidParameterValue"
    with pytest.raises(sqs.exceptions.ResourceNotFoundException) as missing:
        sqs.start_message_move_task(SourceArn=f"{arn}-not")
    assert missing.value.response["ResponseMetadata"]["HTTPStatusCode"] == 404


def test_the_query_protocol_has_them_too(sqs: Any) -> None:
    url, dlq, arn = queues(sqs, "moves-query", ["a", "b"])
    started = query(url, "StartMessageMoveTask", SourceArn=arn, MaxNumberOfMessagesPerSecond="1")
    handle = started.findtext(f"{NS}StartMessageMoveTaskResult/{NS}TaskHandle")
    assert handle is not None
    drain(sqs, url, 1)
    listed = query(dlq, "ListMessageMoveTasks", SourceArn=arn).findall(
        f"{NS}ListMessageMoveTasksResult/{NS}ListMessageMoveTasksResultEntry"
    )
    assert [entry.findtext(f"{NS}SourceArn") for entry in listed] == [arn]
    assert listed[0].findtext(f"{NS}MaxNumberOfMessagesPerSecond") == "1"
    if listed[0].findtext(f"{NS}Status") == "RUNNING":  # a slow machine may have moved both
        assert listed[0].findtext(f"{NS}TaskHandle") == handle
    refused = query(dlq, "CancelMessageMoveTask", TaskHandle="x")
    assert refused.findtext(f"{NS}Error/{NS}Code") == "InvalidParameterValue"
    refused = query(dlq, "StartMessageMoveTask", SourceArn=f"{arn}-not")
    assert refused.findtext(f"{NS}Error/{NS}Code") == "ResourceNotFoundException"


def test_the_command_line_moves_dead_letters(server: LiveServer, sqs: Any) -> None:
    aws = str(Path(sys.executable).parent / "aws")

    def run(*arguments: str) -> Any:
        done = subprocess.run(
            [aws, "--endpoint-url", server.url, "sqs", *arguments],
            env=server.environment(),
            capture_output=True,
            text=True,
            timeout=120,
        )
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    url, _, arn = queues(sqs, "moves-cli", ["a", "b", "c"])
    started = run("start-message-move-task", "--source-arn", arn, "--max-number-of-messages-per-second", "1")
    (task,) = run("list-message-move-tasks", "--source-arn", arn)["Results"]
    if task["Status"] == "RUNNING":
        assert task["TaskHandle"] == started["TaskHandle"]
    assert sorted(drain(sqs, url, 3)) == ["a", "b", "c"]
    other = sqs.create_queue(QueueName="moves-cli-other")["QueueUrl"]
    sqs.send_message(QueueUrl=url.replace("moves-cli", "moves-cli-dlq"), MessageBody="direct")
    held = sqs.receive_message(QueueUrl=url.replace("moves-cli", "moves-cli-dlq"), VisibilityTimeout=600)
    assert len(held["Messages"]) == 1
    for _ in range(PATIENCE):
        if sqs.list_message_move_tasks(SourceArn=arn)["Results"][0]["Status"] == "COMPLETED":
            break
        sqs.receive_message(QueueUrl=other, WaitTimeSeconds=1)
    started = run("start-message-move-task", "--source-arn", arn, "--destination-arn", arn.replace("-dlq", "-other"))
    answer = run("cancel-message-move-task", "--task-handle", started["TaskHandle"])
    assert answer == {"ApproximateNumberOfMessagesMoved": 0}
    (task,) = run("list-message-move-tasks", "--source-arn", arn)["Results"]
    assert task["Status"] in {"CANCELLING", "CANCELLED"}


@pytest.mark.parametrize("kind", KINDS)
def test_a_task_goes_on_after_a_kill(kind: str, tmp_path: Path) -> None:
    where = ["--store", new_database()] if kind == "postgres" else []
    sent = [f"m{number:03}" for number in range(300)]
    server = start_server(tmp_path / "data", *where)
    try:
        sqs = server.client("sqs")
        url, dlq, arn = queues(sqs, "q", sent)
        sqs.start_message_move_task(SourceArn=arn, MaxNumberOfMessagesPerSecond=100)
        first = drain(sqs, url, 50)
    finally:
        server.kill()
    server = start_server(tmp_path / "data", *where)
    try:
        sqs = server.client("sqs")
        url, dlq = (f"{server.url}/{one.split('/', 3)[3]}" for one in (url, dlq))
        assert sorted(first + drain(sqs, url, len(sent) - len(first))) == sent
        assert waiting(sqs, dlq) == 0
        (task,) = sqs.list_message_move_tasks(SourceArn=arn)["Results"]
        assert task["ApproximateNumberOfMessagesMoved"] == len(sent)
    finally:
        server.kill()


def test_the_page_about_dead_letters_runs_as_written(server: LiveServer, tmp_path: Path) -> None:
    page = Path(__file__).parents[3] / "docs" / "operating" / "dead-letters.md"
    blocks = re.findall(r"^```sh\n(.*?)^```", page.read_text("utf-8"), re.MULTILINE | re.DOTALL)
    assert len(blocks) == 2
    script = f'set -euo pipefail\nPATH="{Path(sys.executable).parent}:$PATH"\n' + "\n".join(blocks)
    done = subprocess.run(
        ["bash", "-c", script], env=server.environment(), capture_output=True, text=True, timeout=120, cwd=tmp_path
    )
    assert done.returncode == 0, done.stderr
    assert '"TaskHandle"' in done.stdout
    assert '"SourceArn": "arn:aws:sqs:us-east-1:000000000000:parcels-dead"' in done.stdout
