"""Nothing acknowledged is lost: the server is killed with SIGKILL under load, again and again, and judged from outside.

``WAYPOST_CRASH_SEED``, ``WAYPOST_CRASH_KILLS`` and ``WAYPOST_CRASH_ORDERS`` change the run; a failure prints the seed.
"""

import io
import json
import os
import random
import select
import socket
import sys
import zipfile
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config

from crash.checker import Answer, Expected, Received, Sent, check
from crash.workload import (
    VISIBILITY_S,
    Client,
    Progress,
    Server,
    Stalled,
    Workload,
    killings,
    processes_marked,
    running,
)

SEED = int(os.environ.get("WAYPOST_CRASH_SEED", "1"))
KILLS = int(os.environ.get("WAYPOST_CRASH_KILLS", "10"))
ORDERS = int(os.environ.get("WAYPOST_CRASH_ORDERS", "1000"))
IN_FLIGHT_MAX = 120
GROUPS = 8

# A worker that answers by itself, over the wire, and logs what it did. It has no SDK: it starts in a few milliseconds.
INVENTORY = """
import http.client, json, os, uuid
from urllib.parse import urlparse

SERVER = urlparse(os.environ["AWS_ENDPOINT_URL"]).netloc
HEADERS = {
    "Content-Type": "application/x-amz-json-1.0",
    "X-Amz-Date": "20260101T000000Z",
    "Authorization": "AWS4-HMAC-SHA256 Credential=test/20260101/us-east-1/states/aws4_request, "
    "SignedHeaders=host, Signature=00",
}


def log(**entry):
    file = os.open(os.environ["CRASH_LOG"], os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.write(file, (json.dumps(entry) + "\\n").encode())
    os.close(file)


def answer(order):
    nonce = uuid.uuid4().hex
    if order["kind"] == "refused":
        target = "SendTaskFailure"
        body = {"taskToken": order["token"], "error": "OutOfStock", "cause": f"nonce:{nonce}"}
    else:
        target = "SendTaskSuccess"
        body = {"taskToken": order["token"], "output": json.dumps({"mark": f"nonce:{nonce}"})}
    log(order=order["order"], token=order["token"], nonce=nonce, status=0)
    connection = http.client.HTTPConnection(SERVER, timeout=10)
    connection.request("POST", "/", json.dumps(body), {**HEADERS, "X-Amz-Target": f"AWSStepFunctions.{target}"})
    reply = connection.getresponse()
    text = reply.read().decode()
    connection.close()
    log(order=order["order"], token=order["token"], nonce=nonce, status=reply.status, text=text)
    if reply.status != 200 and "TaskTimedOut" not in text and "TaskDoesNotExist" not in text:
        raise RuntimeError(text)


def handler(event, context):
    for record in event["Records"]:
        order = json.loads(record["body"])
        if order["kind"] == "silent":
            continue
        answer(order)
        if order["order"].endswith("7"):
            answer(order)  # as a worker does that missed the reply to its first
"""
PRICE = """
def handler(event, context):
    return {"order": event["order"], "outcome": "priced"}
"""
TRANSIENT = [
    "Lambda.ServiceException",
    "Lambda.AWSLambdaException",
    "Lambda.SdkClientException",
    "Lambda.TooManyRequestsException",
]

EXPECTED = {
    "ok": Expected("SUCCEEDED", ["Sort", "Ask", "Price", "Close", "Audit", "Note", "Done"], "priced", 1),
    "slow": Expected("SUCCEEDED", ["Sort", "Pause", "Ask", "Price", "Close", "Audit", "Note", "Done"], "priced", 1),
    "refused": Expected("SUCCEEDED", ["Sort", "Ask", "Refused", "Close", "Audit", "Note", "Done"], "refused", 1),
    "silent": Expected("SUCCEEDED", ["Sort", "Ask", "Unanswered", "Close", "Audit", "Note", "Done"], "unanswered", 0),
}


def definition(work_url: str, audit_url: str) -> str:
    def end(outcome: str) -> dict[str, Any]:
        return {"Type": "Pass", "Parameters": {"order.$": "$.order", "outcome": outcome}, "Next": "Close"}

    states = {
        "Sort": {
            "Type": "Choice",
            "Choices": [{"Variable": "$.kind", "StringEquals": "slow", "Next": "Pause"}],
            "Default": "Ask",
        },
        "Pause": {"Type": "Wait", "Seconds": 1, "Next": "Ask"},
        "Ask": {
            "Type": "Task",
            "Resource": "arn:aws:states:::sqs:sendMessage.waitForTaskToken",
            "Parameters": {
                "QueueUrl": work_url,
                "MessageBody": {"token.$": "$$.Task.Token", "order.$": "$.order", "kind.$": "$.kind"},
            },
            "TimeoutSecondsPath": "$.timeout",
            "ResultPath": "$.answer",
            "Catch": [
                {"ErrorEquals": ["OutOfStock"], "ResultPath": None, "Next": "Refused"},
                {"ErrorEquals": ["States.Timeout"], "ResultPath": None, "Next": "Unanswered"},
            ],
            "Next": "Price",
        },
        "Price": {
            "Type": "Task",
            "Resource": "arn:aws:states:::lambda:invoke",
            "Parameters": {"FunctionName": "price", "Payload.$": "$"},
            "OutputPath": "$.Payload",
            "Retry": [{"ErrorEquals": TRANSIENT, "IntervalSeconds": 1, "MaxAttempts": 6, "BackoffRate": 2}],
            "Next": "Close",
        },
        "Refused": end("refused"),
        "Unanswered": end("unanswered"),
        "Close": {
            "Type": "Parallel",
            "Branches": [
                {
                    "StartAt": "Audit",
                    "States": {
                        "Audit": {
                            "Type": "Task",
                            "Resource": "arn:aws:states:::sqs:sendMessage",
                            "Parameters": {"QueueUrl": audit_url, "MessageBody.$": "$.order"},
                            "End": True,
                        }
                    },
                },
                {"StartAt": "Note", "States": {"Note": {"Type": "Pass", "End": True}}},
            ],
            "ResultPath": None,
            "Next": "Done",
        },
        "Done": {"Type": "Succeed"},
    }
    return json.dumps({"StartAt": "Sort", "States": states})


def set_up(server: Server, log: Path) -> dict[str, str]:
    """Queues, functions, mapping and state machine, with a stock client."""

    def client(service: str) -> Any:
        return boto3.session.Session().client(
            service, endpoint_url=server.url, region_name="us-east-1", aws_access_key_id="test",
            aws_secret_access_key="test", config=Config(inject_host_prefix=False),
        )  # fmt: skip

    sqs, lambdas = client("sqs"), client("lambda")
    trust = {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Allow",
                "Principal": {"Service": ["lambda.amazonaws.com", "states.amazonaws.com"]},
                "Action": "sts:AssumeRole",
            }
        ],
    }
    role = client("iam").create_role(RoleName="crash", AssumeRolePolicyDocument=json.dumps(trust))["Role"]["Arn"]
    urls = {}
    dead = sqs.create_queue(QueueName="dead")["QueueUrl"]
    dead_arn = sqs.get_queue_attributes(QueueUrl=dead, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    redrive = json.dumps({"deadLetterTargetArn": dead_arn, "maxReceiveCount": 15})
    for name, attributes in {
        "audit": {"VisibilityTimeout": str(VISIBILITY_S)},
        "work": {"VisibilityTimeout": "5"},
        "plain": {"VisibilityTimeout": str(VISIBILITY_S), "RedrivePolicy": redrive},
        "line.fifo": {"VisibilityTimeout": str(VISIBILITY_S), "FifoQueue": "true"},
    }.items():
        urls[name.partition(".")[0]] = sqs.create_queue(QueueName=name, Attributes=attributes)["QueueUrl"]
    for name, code in {"inventory": INVENTORY, "price": PRICE}.items():
        packed = io.BytesIO()
        with zipfile.ZipFile(packed, "w") as archive:
            archive.writestr("app.py", code)
        lambdas.create_function(
            FunctionName=name, Runtime=f"python3.{sys.version_info.minor}", Role=role, Handler="app.handler", Timeout=4,
            Code={"ZipFile": packed.getvalue()}, Environment={"Variables": {"CRASH_LOG": str(log)}},
        )  # fmt: skip
        lambdas.get_waiter("function_active_v2").wait(FunctionName=name)
    lambdas.create_event_source_mapping(
        FunctionName="inventory", EventSourceArn=dead_arn.replace(":dead", ":work"), BatchSize=10
    )
    machine = client("stepfunctions").create_state_machine(
        name="crash", definition=definition(urls["work"], urls["audit"]), roleArn=role
    )["stateMachineArn"]
    return {**urls, "dead": dead, "machine": machine}


def read_answers(log: Path) -> list[Answer]:
    answers: dict[str, Answer] = {}
    for line in log.read_text().splitlines():
        entry = json.loads(line)
        answer = Answer(entry["order"], entry["token"], entry["nonce"], acked=entry["status"] == 200)
        answers[answer.nonce] = answer
    return list(answers.values())


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def all_gone(pids: list[int], limit_s: float = 15) -> list[int]:
    """Wait for processes to end; answers those that did not."""
    left = []
    for pid in pids:
        try:
            handle = os.pidfd_open(pid)
        except ProcessLookupError:
            continue
        try:
            if not select.select([handle], [], [], limit_s)[0]:
                left.append(pid)
        finally:
            os.close(handle)
    return left


@pytest.fixture
def server(tmp_path: Path):
    running_server = Server(tmp_path, free_port())
    running_server.spawn()
    try:
        running_server.await_ready()
        yield running_server
    finally:
        if running_server.alive:
            running_server.kill()
        for client in running_server.clients:
            client.close()


def test_nothing_acknowledged_is_lost(server: Server, tmp_path: Path):
    chance = random.Random(SEED)
    log = tmp_path / "answers.jsonl"
    log.touch()
    kinds = chance.choices(list(EXPECTED), [80, 8, 6, 6], k=ORDERS)
    progress = Progress(ORDERS, IN_FLIGHT_MAX)
    workload = Workload(server, progress, set_up(server, log), kinds)
    observed = workload.observed
    observed.expected = EXPECTED
    groups = [f"group{number}" for number in range(GROUPS)]

    roles = [
        *[workload.shop] * 4,
        workload.auditor,
        *[lambda name=name: workload.sender(name, ORDERS // 2) for name in ("anna", "ben")],
        *[workload.receiver] * 2,
        lambda: workload.line_sender(groups[::2], ORDERS // 10),
        lambda: workload.line_sender(groups[1::2], ORDERS // 10),
        *[workload.line_receiver] * 2,
    ]
    stalled = ""
    try:
        with running(progress, roles):
            killings(server, progress, chance, KILLS)
            progress.await_share(1)
    except Stalled as stall:
        stalled = str(stall)  # what is missing says why

    last_words(server, workload)
    observed.answers = read_answers(log)
    workload.look_up_executions()
    faults = check(observed)
    assert not faults, f"{stalled}\n{report(faults, server)}"
    assert not stalled

    assert server.kills >= KILLS
    assert all(any(received.queue == queue for received in observed.received) for queue in ("plain", "line"))
    assert all_gone(processes_marked_but_serving(server, log)) == [], "functions outlive their killed server"
    assert server.stop() == 0
    assert all_gone(processes_marked(str(log))) == []
    said = server.log.read_text()
    assert "Traceback" not in said, said[-4000:]
    print(
        f"\nseed {SEED}: {server.kills} kills, {len(observed.executions)} executions, {len(observed.answers)} answers, "
        f"{len(observed.sent)} messages sent, {len(observed.received)} received"
    )


def last_words(server: Server, workload: Workload) -> None:
    """Send some more, kill once more, and read what is left."""
    observed, client = workload.observed, Client(server)
    for number in range(20):
        body = f"last-{number}"
        answer = client.call("sqs", "SendMessage", QueueUrl=workload.resources["plain"], MessageBody=body)
        observed.sent.append(Sent("plain", answer["MessageId"], body))
    server.kill()
    server.spawn()
    server.await_ready()

    def poison_dead() -> bool:
        return all(sent.message_id in dead for sent in observed.sent if sent.poison)

    dead: set[str] = set()
    for received in workload.drain("plain", lambda: True):
        observed.left.append(received)
        workload.handle(client, received)
    for received in workload.drain("line", lambda: True):
        observed.left.append(received)
        workload.delete(client, workload.resources["line"], received)
    for received in workload.drain("audit", lambda: True):
        observed.audited.append(received)
        workload.delete(client, workload.resources["audit"], received, log=False)
    for received in workload.drain("dead", poison_dead):
        dead.add(received.message_id)
        observed.dead.append(
            Received("dead", received.message_id, received.body, received.began_s, received.ended_s, received.count)
        )
        workload.delete(client, workload.resources["dead"], received, log=False)


def processes_marked_but_serving(server: Server, log: Path) -> list[int]:
    """Function processes that are not the living server's: left by one that was killed."""
    return [pid for pid in processes_marked(str(log)) if not server.is_ancestor_of(pid)]


def report(faults: list[Any], server: Server) -> str:
    lines = [f"{fault.rule}: {fault.text}" for fault in faults]
    shown = "\n".join(lines[:30])
    return f"seed {SEED}: {len(lines)} broken promises\n{shown}\nthe server's log: {server.log.read_text()[-3000:]}"
