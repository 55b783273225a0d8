"""Two servers on one PostgreSQL, as clients see them: any answers anything, and one that dies takes nothing along."""

import io
import json
import subprocess
import sys
import urllib.error
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError
from tests.conftest import LiveServer, start_server
from tests.stores import cluster, new_database
from tools.postgres import Cluster

RUNTIME = f"python3.{sys.version_info.minor}"
TRUST = {
    "Version": "2012-10-17",
    "Statement": [
        {
            "Effect": "Allow",
            "Principal": {"Service": ["lambda.amazonaws.com", "states.amazonaws.com"]},
            "Action": "sts:AssumeRole",
        }
    ],
}


class Two:
    """Two nodes and their database."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.database = new_database()
        self.a = self.start("a")
        self.b = self.start("b")

    def start(self, name: str, *arguments: str) -> LiveServer:
        return start_server(self.folder / name, "--store", self.database, *arguments)

    def until_known(self, count: int) -> list[dict[str, Any]]:
        while True:
            nodes: list[dict[str, Any]] = self.b.get("status")["nodes"]
            if len(nodes) == count:
                return nodes


@pytest.fixture
def two(tmp_path: Path) -> Iterator[Two]:
    made = Two(tmp_path)
    yield made
    for node in (made.a, made.b):
        if node.process.poll() is None:
            assert node.stop() == 0
        log = node.log.read_text()
        assert "Traceback" not in log, log


def function(node: LiveServer, name: str, text: str, **more: Any) -> str:
    role = node.client("iam").create_role(RoleName=f"{name}-role", AssumeRolePolicyDocument=json.dumps(TRUST))
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("app.py", text)
    made = node.client("lambda").create_function(
        FunctionName=name, Runtime=RUNTIME, Role=role["Role"]["Arn"], Handler="app.handler",
        Code={"ZipFile": packed.getvalue()}, **more,
    )  # fmt: skip
    return str(made["FunctionArn"])


def receive(node: LiveServer, url: str, most: int = 1) -> list[dict[str, Any]]:
    """Messages from a queue, by whatever address it was made; waits for the first."""
    answer = node.client("sqs").receive_message(QueueUrl=url, MaxNumberOfMessages=most, WaitTimeSeconds=20)
    return answer.get("Messages", [])  # type: ignore[no-any-return]


def test_any_node_answers_any_request(two: Two) -> None:
    url = two.a.client("sqs").create_queue(QueueName="q")["QueueUrl"]
    assert two.b.client("sqs").get_queue_url(QueueName="q")["QueueUrl"] == url.replace(two.a.url, two.b.url)
    two.b.client("sqs").send_message(QueueUrl=url, MessageBody="x")
    (message,) = receive(two.a, url)
    two.b.client("sqs").delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
    attributes = two.a.client("sqs").get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
    assert attributes["ApproximateNumberOfMessagesNotVisible"] == attributes["ApproximateNumberOfMessages"] == "0"


def test_a_workflow_begun_here_goes_on_there(two: Two) -> None:
    url = two.a.client("sqs").create_queue(QueueName="q")["QueueUrl"]
    definition = {
        "StartAt": "Ask",
        "States": {
            "Ask": {
                "Type": "Task",
                "Resource": "arn:aws:states:::sqs:sendMessage.waitForTaskToken",
                "Parameters": {"QueueUrl": url, "MessageBody": {"token.$": "$$.Task.Token"}},
                "End": True,
            }
        },
    }
    machine = two.a.client("stepfunctions").create_state_machine(
        name="m", definition=json.dumps(definition), roleArn="arn:aws:iam::000000000000:role/r"
    )["stateMachineArn"]
    arn = two.a.client("stepfunctions").start_execution(stateMachineArn=machine)["executionArn"]
    (message,) = receive(two.b, url)
    token = json.loads(message["Body"])["token"]
    two.b.client("stepfunctions").send_task_success(taskToken=token, output='{"done": true}')
    found = two.a.client("stepfunctions").describe_execution(executionArn=arn)
    assert (found["status"], found["output"]) == ("SUCCEEDED", '{"done": true}')


def test_a_mapping_is_worked_on_by_both_within_its_limit(two: Two) -> None:
    sqs = two.a.client("sqs")
    work = sqs.create_queue(QueueName="work")["QueueUrl"]
    said = sqs.create_queue(QueueName="said")["QueueUrl"]
    # Each call says where it runs.
    text = f"""
import os, boto3

sqs = boto3.client("sqs", endpoint_url=os.environ["AWS_ENDPOINT_URL"])

def handler(event, context):
    sqs.send_message(QueueUrl={said!r}, MessageBody=os.environ["AWS_ENDPOINT_URL"])
"""
    function(two.a, "worker", text, Timeout=20)
    two.until_known(2)
    two.a.client("lambda").create_event_source_mapping(
        FunctionName="worker", EventSourceArn="arn:aws:sqs:us-east-1:000000000000:work", BatchSize=1,
        ScalingConfig={"MaximumConcurrency": 2},
    )  # fmt: skip
    places: set[str] = set()
    number = 0
    while places != {two.a.url, two.b.url} and number < 200:
        sqs.send_message_batch(QueueUrl=work, Entries=[{"Id": str(i), "MessageBody": "x"} for i in range(4)])
        for _ in range(4):
            (message,) = receive(two.b, said)
            places.add(message["Body"])
            sqs.delete_message(QueueUrl=said, ReceiptHandle=message["ReceiptHandle"])
        number += 4
    assert places == {two.a.url, two.b.url}


def test_work_of_a_node_that_dies_is_taken_over(two: Two) -> None:
    sqs = two.a.client("sqs")
    said = sqs.create_queue(QueueName="said")["QueueUrl"]
    text = f"""
import os, boto3

sqs = boto3.client("sqs", endpoint_url=os.environ["AWS_ENDPOINT_URL"])

def handler(event, context):
    sqs.send_message(QueueUrl={said!r}, MessageBody=os.environ["AWS_ENDPOINT_URL"])
    if os.environ["AWS_ENDPOINT_URL"] == {two.a.url!r}:
        import time
        time.sleep(50)
"""
    function(two.a, "slow", text, Timeout=60)
    waits = {"StartAt": "W", "States": {"W": {"Type": "Wait", "Seconds": 3, "End": True}}}
    states = two.b.client("stepfunctions")
    machine = states.create_state_machine(
        name="m", definition=json.dumps(waits), roleArn="arn:aws:iam::000000000000:role/r"
    )["stateMachineArn"]
    two.until_known(2)
    first = ""
    while first != two.a.url:  # until the node that will die has one under way
        two.a.client("lambda").invoke(FunctionName="slow", InvocationType="Event")
        (message,) = receive(two.b, said)
        two.b.client("sqs").delete_message(QueueUrl=said, ReceiptHandle=message["ReceiptHandle"])
        first = message["Body"]
    arn = two.a.client("stepfunctions").start_execution(stateMachineArn=machine)["executionArn"]
    leased = {node["address"]: node["leases"] for node in two.b.get("status")["nodes"]}
    assert leased == {two.a.url: 1, two.b.url: 0}
    two.a.kill()
    # Before its lease would have ended: the node itself was missed.
    (message,) = receive(two.b, said)
    assert message["Body"] == two.b.url
    (left,) = two.until_known(1)
    assert left["address"] == two.b.url
    while (found := states.describe_execution(executionArn=arn))["status"] == "RUNNING":
        pass
    assert found["status"] == "SUCCEEDED"
    assert "is dead; 1 jobs that it had leased are taken over" in two.b.log.read_text()


def test_a_node_joins_and_leaves(two: Two) -> None:
    two.until_known(2)
    third = two.start("c")
    assert {node["address"] for node in two.until_known(3)} == {two.a.url, two.b.url, third.url}
    assert third.stop() == 0
    two.until_known(2)
    assert "is dead" not in two.b.log.read_text()


def test_reset_empties_the_store_for_all(two: Two) -> None:
    two.a.client("sqs").create_queue(QueueName="q")

    def reset(port: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "waypost", "reset", "--yes", "--port", port, "--store", two.database,
             "--data", str(two.folder / "none")],
            capture_output=True, text=True, timeout=60,
        )  # fmt: skip

    unused = two.start("c")
    assert unused.stop() == 0
    refused = reset(unused.url.rsplit(":", 1)[1])
    assert refused.returncode == 2
    assert f"({two.a.url})" in refused.stderr
    assert "reset through one of them" in refused.stderr
    assert "QueueUrls" in two.b.client("sqs").list_queues()

    assert reset(two.a.url.rsplit(":", 1)[1]).stdout == "empty\n"
    assert "QueueUrls" not in two.b.client("sqs").list_queues()
    two.b.client("sqs").create_queue(QueueName="again")
    assert two.a.stop() == two.b.stop() == 0
    assert reset(two.a.url.rsplit(":", 1)[1]).stdout == "empty\n"
    two.a = two.start("a")
    assert "QueueUrls" not in two.a.client("sqs").list_queues()


@pytest.fixture
def own_cluster() -> Iterator[Cluster]:
    cluster()  # skips where there is none
    made = Cluster()
    yield made
    made.close()


def health(node: LiveServer) -> str:
    try:
        return str(node.get("health")["status"])
    except urllib.error.HTTPError as error:
        with error:
            return f"{error.code} {json.load(error)['status']}"


def test_a_database_that_goes_away_is_waited_for(own_cluster: Cluster, tmp_path: Path) -> None:
    node = start_server(tmp_path / "a", "--store", own_cluster.create("w"))
    sqs = node.client("sqs")
    url = sqs.create_queue(QueueName="q")["QueueUrl"]
    sqs.send_message(QueueUrl=url, MessageBody="kept")
    patient = node.client("sqs", retries={"total_max_attempts": 60, "mode": "standard"})
    assert health(node) == "ready"
    own_cluster.stop("immediate")
    with pytest.raises(ClientError) as caught:
        sqs.send_message(QueueUrl=url, MessageBody="lost")
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 503
    assert caught.value.response["Error"]["Code"] == "ServiceUnavailable"
    while (said := health(node)) == "ready":
        pass
    assert said == "503 the database does not answer"
    own_cluster.start()
    (message,) = patient.receive_message(QueueUrl=url, WaitTimeSeconds=20)["Messages"]
    assert message["Body"] == "kept"
    while health(node) != "ready":
        pass
    assert node.stop() == 0
    assert "Traceback" not in node.log.read_text()


def test_a_server_without_its_database_does_not_start(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="cannot open the PostgreSQL database"):
        start_server(tmp_path / "a", "--store", "postgresql://nobody@127.0.0.1:1/none")
