"""What runs on the nodes: queues, functions, a mapping, and the workflow of an order."""

import io
import json
import sys
import zipfile
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config

from crash.checker import Answer, Expected
from crash.workload import VISIBILITY_S

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
    entry["node"] = SERVER
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
import threading


def handler(event, context):
    if event["kind"] in ("slow", "pair"):
        threading.Event().wait(1.5)
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
    "pair": Expected("SUCCEEDED", ["Sort", "Pair", "One", "Other", "Close", "Audit", "Note", "Done"], "priced", 0),
    "refused": Expected("SUCCEEDED", ["Sort", "Ask", "Refused", "Close", "Audit", "Note", "Done"], "refused", 1),
    "silent": Expected("SUCCEEDED", ["Sort", "Ask", "Unanswered", "Close", "Audit", "Note", "Done"], "unanswered", 0),
}

STRAYS = [f"stray-{number}" for number in range(400)]
"""What a message move task has to move while everything goes on."""
STRAYS_PER_S = 20

LASTING = [("WaitStateEntered", "WaitStateExited", 1.0), ("TaskStarted", "TaskTimedOut", 4.0)]
"""How long the timers of an order run at least."""


def definition(work_url: str, audit_url: str) -> str:
    def end(outcome: str) -> dict[str, Any]:
        return {"Type": "Pass", "Parameters": {"order.$": "$.order", "outcome": outcome}, "Next": "Close"}

    price = {
        "Type": "Task",
        "Resource": "arn:aws:states:::lambda:invoke",
        "Parameters": {"FunctionName": "price", "Payload.$": "$"},
        "OutputPath": "$.Payload",
        "Retry": [{"ErrorEquals": TRANSIENT, "IntervalSeconds": 1, "MaxAttempts": 6, "BackoffRate": 2}],
    }
    states = {
        "Sort": {
            "Type": "Choice",
            "Choices": [
                {"Variable": "$.kind", "StringEquals": "slow", "Next": "Pause"},
                {"Variable": "$.kind", "StringEquals": "pair", "Next": "Pair"},
            ],
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
        "Price": {**price, "Next": "Close"},
        "Pair": {
            "Type": "Parallel",
            "Branches": [{"StartAt": name, "States": {name: {**price, "End": True}}} for name in ("One", "Other")],
            "OutputPath": "$[1]",
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


def set_up(url: str, log: Path) -> dict[str, str]:
    """Queues, functions, mapping and state machine, with a stock client."""

    def client(service: str) -> Any:
        return boto3.session.Session().client(
            service, endpoint_url=url, region_name="us-east-1", aws_access_key_id="test",
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
    strays_arn = dead_arn.replace(":dead", ":strays")
    for name, attributes in {
        "audit": {"VisibilityTimeout": str(VISIBILITY_S)},
        "work": {"VisibilityTimeout": "5"},
        "plain": {"VisibilityTimeout": str(VISIBILITY_S), "RedrivePolicy": redrive},
        "line.fifo": {"VisibilityTimeout": str(VISIBILITY_S), "FifoQueue": "true"},
        "strays": {},
        "ward": {"RedrivePolicy": json.dumps({"deadLetterTargetArn": strays_arn, "maxReceiveCount": 1})},
        "found": {"VisibilityTimeout": str(VISIBILITY_S)},
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
    for first in range(0, len(STRAYS), 10):
        entries = [{"Id": body, "MessageBody": body} for body in STRAYS[first : first + 10]]
        sqs.send_message_batch(QueueUrl=urls["strays"], Entries=entries)
    sqs.start_message_move_task(
        SourceArn=strays_arn, DestinationArn=dead_arn.replace(":dead", ":found"),
        MaxNumberOfMessagesPerSecond=STRAYS_PER_S,
    )  # fmt: skip
    return {**urls, "dead": dead, "machine": machine, "strays_arn": strays_arn}


def read_answers(log: Path) -> list[Answer]:
    """What the workers answered, and whether that was accepted."""
    answers: dict[str, Answer] = {}
    for entry in read(log):
        answer = Answer(entry["order"], entry["token"], entry["nonce"], acked=entry["status"] == 200)
        answers[answer.nonce] = answer
    return list(answers.values())


def read(log: Path) -> list[dict[str, Any]]:
    """What the workers logged."""
    return [json.loads(line) for line in log.read_text().splitlines()]
