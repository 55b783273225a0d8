"""CloudWatch Logs as stock clients see it: boto3 and the AWS CLI against a running server."""

import base64
import gzip
import io
import json
import subprocess
import sys
import time
import zipfile
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError
from tests.conftest import LiveServer

ACCOUNT = "000000000000"
REGION = "us-east-1"
TRUST = json.dumps({
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}],
})  # fmt: skip
TELL = """
import boto3, json
def handler(event, context):
    boto3.client("sqs").send_message(QueueUrl="QUEUE", MessageBody=json.dumps(event))
"""


@pytest.fixture
def logs(server: LiveServer) -> Any:
    return server.client("logs")


def now_ms() -> int:
    return time.time_ns() // 1_000_000


def aws(server: LiveServer, *arguments: str) -> Any:
    command = [str(Path(sys.executable).with_name("aws")), "logs", *arguments, "--output", "json"]
    done = subprocess.run(command, env=server.environment(), capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout) if done.stdout.strip() else None


def test_boto3_writes_and_reads(logs: Any):
    logs.create_log_group(logGroupName="live", tags={"k": "v"})
    logs.create_log_stream(logGroupName="live", logStreamName="2026/01/02/[$LATEST]abc")
    begin = now_ms()
    events = [{"timestamp": begin + number, "message": f'{{"n": {number}}}'} for number in range(2_500)]
    answer = logs.put_log_events(logGroupName="live", logStreamName="2026/01/02/[$LATEST]abc", logEvents=events)
    assert "rejectedLogEventsInfo" not in answer
    page = logs.get_log_events(
        logGroupName="live", logStreamName="2026/01/02/[$LATEST]abc", startFromHead=True, limit=2
    )
    assert [event["message"] for event in page["events"]] == ['{"n": 0}', '{"n": 1}']
    found = [
        event["message"]
        for page in logs.get_paginator("filter_log_events").paginate(
            logGroupName="live", filterPattern="{ $.n >= 10 && $.n < 2400 }", PaginationConfig={"PageSize": 500}
        )
        for event in page["events"]
    ]
    assert found == [f'{{"n": {number}}}' for number in range(10, 2_400)]
    (group,) = logs.describe_log_groups(logGroupNamePrefix="live")["logGroups"]
    assert group["storedBytes"] == sum(len(event["message"]) + 26 for event in events)
    assert logs.list_tags_for_resource(resourceArn=group["logGroupArn"])["tags"] == {"k": "v"}


def test_errors_are_those_of_the_model(logs: Any):
    with pytest.raises(logs.exceptions.ResourceNotFoundException) as missing:
        logs.get_log_events(logGroupName="nobody", logStreamName="s")
    assert missing.value.response["Error"]["Message"] == "The specified log group does not exist."
    with pytest.raises(logs.exceptions.InvalidParameterException):
        logs.create_log_group(logGroupName="a b")
    logs.create_log_group(logGroupName="twice")
    with pytest.raises(logs.exceptions.ResourceAlreadyExistsException):
        logs.create_log_group(logGroupName="twice")
    for call in (
        lambda: logs.start_live_tail(logGroupIdentifiers=[f"arn:aws:logs:{REGION}:{ACCOUNT}:log-group:twice"]),
        lambda: logs.start_query(logGroupName="twice", startTime=0, endTime=1, queryString="fields @message"),
    ):
        with pytest.raises(ClientError) as refused:
            call()
        assert refused.value.response["Error"]["Code"] == "UnknownOperationException"
        assert refused.value.response["ResponseMetadata"]["HTTPStatusCode"] == 400


def test_the_command_line_writes_and_reads(server: LiveServer):
    aws(server, "create-log-group", "--log-group-name", "/cli/group")
    aws(server, "create-log-stream", "--log-group-name", "/cli/group", "--log-stream-name", "s")
    aws(server, "put-retention-policy", "--log-group-name", "/cli/group", "--retention-in-days", "7")
    events = json.dumps([
        {"timestamp": now_ms(), "message": '127.0.0.1 GET "/index.html" 200'},
        {"timestamp": now_ms(), "message": '127.0.0.1 GET "/nothing" 404'},
    ])  # fmt: skip
    aws(server, "put-log-events", "--log-group-name", "/cli/group", "--log-stream-name", "s", "--log-events", events)
    (group,) = aws(server, "describe-log-groups", "--log-group-name-prefix", "/cli/")["logGroups"]
    assert group["retentionInDays"] == 7
    pattern = "[ip, method, path, status = 4*]"
    found = aws(server, "filter-log-events", "--log-group-name", "/cli/group", "--filter-pattern", pattern)
    assert [event["message"] for event in found["events"]] == ['127.0.0.1 GET "/nothing" 404']
    page = aws(server, "get-log-events", "--log-group-name", "/cli/group", "--log-stream-name", "s")
    assert len(page["events"]) == 2
    again = aws(
        server, "get-log-events", "--log-group-name", "/cli/group", "--log-stream-name", "s", "--next-token",
        page["nextForwardToken"],
    )  # fmt: skip
    assert (again["events"], again["nextForwardToken"]) == ([], page["nextForwardToken"])
    aws(server, "delete-log-group", "--log-group-name", "/cli/group")
    assert aws(server, "describe-log-groups", "--log-group-name-prefix", "/cli/")["logGroups"] == []


def test_a_function_hears_of_what_is_written(server: LiveServer, logs: Any):
    sqs, iam, lambda_ = (server.client(name) for name in ("sqs", "iam", "lambda"))
    url = sqs.create_queue(QueueName="live-logs-told")["QueueUrl"]
    role = iam.create_role(RoleName="live-logs", AssumeRolePolicyDocument=TRUST)["Role"]["Arn"]
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("index.py", TELL.replace("QUEUE", url))
    function = lambda_.create_function(
        FunctionName="live-logs-told", Runtime=f"python3.{sys.version_info.minor}", Role=role, Handler="index.handler",
        Code={"ZipFile": out.getvalue()}, Timeout=30,
    )["FunctionArn"]  # fmt: skip
    logs.create_log_group(logGroupName="told")
    logs.create_log_stream(logGroupName="told", logStreamName="s")
    logs.put_subscription_filter(
        logGroupName="told", filterName="f", filterPattern='?ERROR ?"a b"', destinationArn=function
    )
    events = [{"timestamp": now_ms(), "message": message} for message in ("INFO", "ERROR x", "a b")]
    logs.put_log_events(logGroupName="told", logStreamName="s", logEvents=events)
    (message,) = sqs.receive_message(QueueUrl=url, WaitTimeSeconds=20)["Messages"]
    told = json.loads(gzip.decompress(base64.b64decode(json.loads(message["Body"])["awslogs"]["data"])))
    assert (told["logGroup"], told["subscriptionFilters"]) == ("told", ["f"])
    assert [event["message"] for event in told["logEvents"]] == ["ERROR x", "a b"]
