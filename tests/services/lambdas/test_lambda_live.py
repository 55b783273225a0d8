"""Lambda over the wire, with boto3 and real functions."""

import base64
import io
import json
import socket
import sys
import threading
import time
import urllib.request
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError
from tests.conftest import start_server

RUNTIME = f"python3.{sys.version_info.minor}"
TRUST = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}],
}
ACCOUNT = "000000000042"
WAIT = {"Delay": 0, "MaxAttempts": 5}

ECHO = """
import os
def handler(event, context):
    print("saw", event)
    return {"event": event, "greeting": os.environ.get("GREETING"), "key": os.environ["AWS_ACCESS_KEY_ID"]}
"""
FAIL = "def handler(event, context): raise ValueError('no')"
REPORT = """
import json, socket
def handler(event, context):
    failed = []
    for record in event["Records"]:
        body = json.loads(record["body"])
        with socket.create_connection(("127.0.0.1", body["port"])) as out:
            out.sendall(json.dumps(record).encode())
        if body.get("fail") and record["attributes"]["ApproximateReceiveCount"] == "1":
            failed.append({"itemIdentifier": record["messageId"]})
    return {"batchItemFailures": failed}
"""
CALL_BACK = """
import json, socket
def handler(event, context):
    with socket.create_connection(("127.0.0.1", event["port"])) as out:
        out.sendall(json.dumps({"event": event, "request": context.aws_request_id}).encode())
"""
NODE = """
exports.handler = async (event, context) => ({ twice: event.n * 2, name: context.functionName });
"""


def packed(text: str, name: str = "index.py") -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr(name, text)
    return out.getvalue()


@pytest.fixture(scope="module")
def lambda_(server: Any) -> Any:
    return server.client("lambda", account=ACCOUNT)


@pytest.fixture(scope="module")
def sqs(server: Any) -> Any:
    return server.client("sqs", account=ACCOUNT)


@pytest.fixture(scope="module")
def role(server: Any) -> str:
    iam = server.client("iam", account=ACCOUNT)
    created = iam.create_role(RoleName="functions", AssumeRolePolicyDocument=json.dumps(TRUST))
    return str(created["Role"]["Arn"])


@pytest.fixture(scope="module")
def deploy(lambda_: Any, role: str) -> Callable[..., str]:
    """Create a function and wait for it, as every client does."""

    def create(name: str, text: str, **changes: Any) -> str:
        lambda_.create_function(
            **{
                "FunctionName": name, "Runtime": RUNTIME, "Role": role, "Handler": "index.handler",
                "Code": {"ZipFile": packed(text)}, **changes,
            }
        )  # fmt: skip
        lambda_.get_waiter("function_active_v2").wait(FunctionName=name, WaiterConfig=WAIT)
        return name

    return create


class Listener:
    """Where functions of a test report to."""

    def __init__(self) -> None:
        self._socket = socket.create_server(("127.0.0.1", 0), backlog=100)
        self._socket.settimeout(20)
        self.port: int = self._socket.getsockname()[1]

    def next(self) -> Any:
        """The next report; waits for it."""
        connection, _ = self._socket.accept()
        with connection:
            connection.settimeout(20)
            parts = []
            while part := connection.recv(65_536):
                parts.append(part)
        return json.loads(b"".join(parts))

    def close(self) -> None:
        self._socket.close()


@pytest.fixture
def listener() -> Iterator[Listener]:
    listening = Listener()
    yield listening
    listening.close()


def refused(error: pytest.ExceptionInfo[ClientError]) -> tuple[str, str, int]:
    response = error.value.response
    return response["Error"]["Code"], response["Error"]["Message"], response["ResponseMetadata"]["HTTPStatusCode"]


def test_a_python_function_from_creation_to_deletion(lambda_: Any, deploy: Any) -> None:
    name = deploy("echo", ECHO, Environment={"Variables": {"GREETING": "hi"}})
    answer = lambda_.invoke(FunctionName=name, Payload=b'{"n": 1}', LogType="Tail")
    assert answer["StatusCode"] == 200
    assert answer["ExecutedVersion"] == "$LATEST"
    assert "FunctionError" not in answer
    result = json.load(answer["Payload"])
    assert (result["event"], result["greeting"]) == ({"n": 1}, "hi")
    assert result["key"].startswith("ASIA")
    log = base64.b64decode(answer["LogResult"]).decode()
    assert log.startswith(f"START RequestId: {answer['ResponseMetadata']['RequestId']} Version: $LATEST\n")
    assert "saw {'n': 1}" in log
    lambda_.update_function_configuration(FunctionName=name, Environment={"Variables": {"GREETING": "ho"}})
    lambda_.get_waiter("function_updated_v2").wait(FunctionName=name, WaiterConfig=WAIT)
    assert json.load(lambda_.invoke(FunctionName=name)["Payload"])["greeting"] == "ho"
    lambda_.update_function_code(FunctionName=name, ZipFile=packed("def handler(event, context): return 7"))
    assert lambda_.invoke(FunctionName=name)["Payload"].read() == b"7"
    assert lambda_.delete_function(FunctionName=name)["ResponseMetadata"]["HTTPStatusCode"] == 204
    with pytest.raises(ClientError) as error:
        lambda_.invoke(FunctionName=name)
    code, message, status = refused(error)
    assert (code, status) == ("ResourceNotFoundException", 404)
    assert message == f"Function not found: arn:aws:lambda:us-east-1:{ACCOUNT}:function:echo"


def test_a_node_function(lambda_: Any, deploy: Any, role: str) -> None:
    try:
        deploy("node", NODE, Runtime="nodejs20.x", Code={"ZipFile": packed(NODE, "index.js")})
    except ClientError as error:
        if "cannot be run on this host" in str(error):
            pytest.skip(str(error))
        raise
    answer = lambda_.invoke(FunctionName="node", Payload=b'{"n": 21}')
    assert json.load(answer["Payload"]) == {"twice": 42, "name": "node"}


def test_versions_and_an_alias_run_what_they_name(lambda_: Any, deploy: Any) -> None:
    answer = "def handler(event, context): return ['{}', context.function_version, context.invoked_function_arn]"
    deploy("versioned", answer.format("old"), Publish=True)
    lambda_.get_waiter("published_version_active").wait(FunctionName="versioned", Qualifier="1", WaiterConfig=WAIT)
    lambda_.update_function_code(FunctionName="versioned", ZipFile=packed(answer.format("new")))
    lambda_.get_waiter("function_updated_v2").wait(FunctionName="versioned", WaiterConfig=WAIT)
    alias = lambda_.create_alias(FunctionName="versioned", Name="live", FunctionVersion="1")

    def run(**qualifier: str) -> tuple[Any, str]:
        done = lambda_.invoke(FunctionName="versioned", **qualifier)
        return json.load(done["Payload"]), done["ExecutedVersion"]

    arn = alias["AliasArn"].removesuffix(":live")
    for _ in range(2):
        assert run() == (["new", "$LATEST", arn], "$LATEST")
        assert run(Qualifier="1") == (["old", "1", f"{arn}:1"], "1")
        assert run(Qualifier="live") == (["old", "1", f"{arn}:live"], "1")
    published = lambda_.publish_version(FunctionName="versioned")
    assert published["Version"] == "2"
    lambda_.update_alias(FunctionName="versioned", Name="live", FunctionVersion="2")
    assert run(Qualifier="live") == (["new", "2", f"{arn}:live"], "2")
    assert lambda_.delete_alias(FunctionName="versioned", Name="live")["ResponseMetadata"]["HTTPStatusCode"] == 204
    lambda_.delete_function(FunctionName="versioned", Qualifier="1")
    with pytest.raises(ClientError) as error:
        run(Qualifier="1")
    assert refused(error) == ("ResourceNotFoundException", f"Function not found: {arn}:1", 404)


def test_what_is_provisioned_is_warm_before_anybody_calls(lambda_: Any, deploy: Any) -> None:
    deploy(
        "warm",
        "import os\ndef handler(event, context): return os.environ['AWS_LAMBDA_INITIALIZATION_TYPE']",
        Publish=True,
    )
    named = {"FunctionName": "warm", "Qualifier": "1"}
    made = lambda_.put_provisioned_concurrency_config(**named, ProvisionedConcurrentExecutions=1)
    assert (made["ResponseMetadata"]["HTTPStatusCode"], made["Status"]) == (202, "IN_PROGRESS")
    for _ in range(2_000):
        status = lambda_.get_provisioned_concurrency_config(**named)["Status"]
        if status != "IN_PROGRESS":
            break
    assert status == "READY"
    answer = lambda_.invoke(**named, LogType="Tail")
    assert json.load(answer["Payload"]) == "provisioned-concurrency"
    lambda_.delete_provisioned_concurrency_config(**named)
    with pytest.raises(ClientError) as error:
        lambda_.get_provisioned_concurrency_config(**named)
    assert refused(error)[0] == "ProvisionedConcurrencyConfigNotFoundException"


def test_the_trace_of_an_invocation_is_told(lambda_: Any, deploy: Any) -> None:
    deploy("traced", "import os\ndef handler(event, context): return os.environ['_X_AMZN_TRACE_ID']")
    answer = lambda_.invoke(FunctionName="traced")
    told = answer["ResponseMetadata"]["HTTPHeaders"]["x-amzn-trace-id"]
    assert told.startswith("Root=1-")
    assert json.load(answer["Payload"]) == told


def test_what_waypost_has_one_answer_to_is_refused_otherwise(lambda_: Any, deploy: Any) -> None:
    deploy("managed", ECHO)
    for call in (
        lambda: lambda_.put_function_recursion_config(FunctionName="managed", RecursiveLoop="Terminate"),
        lambda: lambda_.put_runtime_management_config(FunctionName="managed", UpdateRuntimeOn="FunctionUpdate"),
    ):
        with pytest.raises(ClientError) as error:
            call()
        assert "Waypost does not support" in refused(error)[1]


def test_a_handler_that_raises(lambda_: Any, deploy: Any) -> None:
    name = deploy("fail", FAIL)
    answer = lambda_.invoke(FunctionName=name)
    assert (answer["StatusCode"], answer["FunctionError"]) == (200, "Unhandled")
    document = json.load(answer["Payload"])
    assert (document["errorType"], document["errorMessage"]) == ("ValueError", "no")


def test_the_code_can_be_downloaded(lambda_: Any, deploy: Any) -> None:
    name = deploy("download", ECHO)
    location = lambda_.get_function(FunctionName=name)["Code"]["Location"]
    with urllib.request.urlopen(location, timeout=10) as response:
        assert zipfile.ZipFile(io.BytesIO(response.read())).read("index.py").decode() == ECHO


def test_refusals_look_like_those_of_aws(lambda_: Any, deploy: Any, role: str) -> None:
    name = deploy("refusals", ECHO)
    with pytest.raises(ClientError) as error:
        lambda_.invoke(FunctionName=name, Payload=b"{")
    assert refused(error)[::2] == ("InvalidRequestContentException", 400)
    with pytest.raises(ClientError) as error:
        lambda_.invoke(FunctionName=name, Payload=b'"' + b"x" * 6_291_456 + b'"')
    assert refused(error) == (
        "RequestEntityTooLargeException",
        "6291458 byte payload is too large for the RequestResponse invocation type (limit 6291456 bytes)",
        413,
    )
    with pytest.raises(ClientError) as error:
        lambda_.update_function_configuration(FunctionName=name, TracingConfig={"Mode": "Active"})
    assert refused(error)[0] == "InvalidParameterValueException"
    lambda_.update_function_configuration(
        FunctionName=name, TracingConfig={"Mode": "PassThrough"}, VpcConfig={"SubnetIds": [], "SecurityGroupIds": []},
        DeadLetterConfig={"TargetArn": ""}, Layers=[], KMSKeyArn="",
    )  # fmt: skip
    with pytest.raises(ClientError) as error:
        lambda_.create_function(
            FunctionName="s3", Runtime=RUNTIME, Role=role, Handler="a.b", Code={"S3Bucket": "bucket", "S3Key": "k"}
        )
    assert "S3Bucket" in refused(error)[1]


def test_an_event_is_accepted_and_runs(lambda_: Any, deploy: Any, listener: Listener) -> None:
    name = deploy("event", CALL_BACK)
    payload = json.dumps({"port": listener.port, "text": "é"}).encode()
    answer = lambda_.invoke(FunctionName=name, InvocationType="Event", Payload=payload)
    assert answer["StatusCode"] == 202
    report = listener.next()
    assert report["event"]["text"] == "é"
    assert report["request"] == answer["ResponseMetadata"]["RequestId"]
    assert lambda_.invoke(FunctionName=name, InvocationType="DryRun")["StatusCode"] == 204


def test_a_function_finds_what_its_layers_bring(lambda_: Any, deploy: Any) -> None:
    for text in ("old", "new"):
        content = {"ZipFile": packed(f"WHO = '{text}'", "python/shared.py")}
        made = lambda_.publish_layer_version(LayerName="common", Content=content, CompatibleRuntimes=[RUNTIME])
    assert made["Version"] == 2
    with urllib.request.urlopen(made["Content"]["Location"]) as answer:
        assert zipfile.ZipFile(io.BytesIO(answer.read())).namelist() == ["python/shared.py"]
    old = made["LayerVersionArn"].removesuffix(":2") + ":1"
    deploy("layered", "import shared\ndef handler(event, context): return shared.WHO", Layers=[old])

    def run(**qualifier: str) -> Any:
        return json.load(lambda_.invoke(FunctionName="layered", **qualifier)["Payload"])

    assert run() == "old"
    lambda_.publish_version(FunctionName="layered")
    lambda_.update_function_configuration(FunctionName="layered", Layers=[made["LayerVersionArn"]])
    lambda_.delete_layer_version(LayerName="common", VersionNumber=1)
    assert run() == "new"
    assert run(Qualifier="1") == "old"


def test_what_became_of_an_event_is_told(lambda_: Any, sqs: Any, server: Any, deploy: Any) -> None:
    urls = {name: sqs.create_queue(QueueName=name)["QueueUrl"] for name in ("told-well", "told-ill", "dead")}
    arns = {name: f"arn:aws:sqs:us-east-1:{ACCOUNT}:{name}" for name in urls}
    text = "def handler(event, context):\n    if event['fail']: raise ValueError('no')\n    return event"
    deploy("telling", text, DeadLetterConfig={"TargetArn": arns["dead"]})
    lambda_.put_function_event_invoke_config(
        FunctionName="telling", MaximumRetryAttempts=0,
        DestinationConfig={
            "OnSuccess": {"Destination": arns["told-well"]}, "OnFailure": {"Destination": arns["told-ill"]}
        },
    )  # fmt: skip
    for fail in (False, True):
        payload = json.dumps({"fail": fail})
        assert lambda_.invoke(FunctionName="telling", InvocationType="Event", Payload=payload)["StatusCode"] == 202

    def received(name: str) -> Any:
        answer = sqs.receive_message(QueueUrl=urls[name], WaitTimeSeconds=20, MessageAttributeNames=["All"])
        return answer["Messages"][0]

    well, ill, dead = (
        json.loads(received("told-well")["Body"]),
        json.loads(received("told-ill")["Body"]),
        received("dead"),
    )
    assert (well["requestContext"]["condition"], well["responsePayload"]) == ("Success", {"fail": False})
    assert (ill["requestContext"]["condition"], ill["responsePayload"]["errorMessage"]) == ("RetriesExhausted", "no")
    assert json.loads(dead["Body"]) == {"fail": True}
    assert dead["MessageAttributes"]["ErrorMessage"]["StringValue"] == "no"


def test_a_queue_feeds_a_function(lambda_: Any, sqs: Any, deploy: Any, listener: Listener) -> None:
    name = deploy("consumer", REPORT)
    url = sqs.create_queue(QueueName="feed")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    created = lambda_.create_event_source_mapping(EventSourceArn=arn, FunctionName=name)
    assert created["State"] == "Creating"
    assert lambda_.get_event_source_mapping(UUID=created["UUID"])["State"] == "Enabled"
    body = json.dumps({"port": listener.port})
    attributes = {"kind": {"DataType": "String", "StringValue": "order"}}
    sent = sqs.send_message(QueueUrl=url, MessageBody=body, MessageAttributes=attributes)
    record = listener.next()
    assert (record["messageId"], record["body"], record["eventSourceARN"]) == (sent["MessageId"], body, arn)
    assert record["messageAttributes"]["kind"]["stringValue"] == "order"
    assert record["md5OfMessageAttributes"] == sent["MD5OfMessageAttributes"]
    assert record["attributes"]["ApproximateReceiveCount"] == "1"
    assert {"SenderId", "SentTimestamp", "ApproximateFirstReceiveTimestamp"} <= record["attributes"].keys()
    emptied(sqs, url)
    lambda_.delete_event_source_mapping(UUID=created["UUID"])


def test_a_filter_keeps_messages_from_a_function(lambda_: Any, sqs: Any, deploy: Any, listener: Listener) -> None:
    deploy("filtering", REPORT)
    url = sqs.create_queue(QueueName="filtered", Attributes={"VisibilityTimeout": "30"})["QueueUrl"]
    pattern = json.dumps({"body": {"wanted": [True]}})
    mapping = lambda_.create_event_source_mapping(
        FunctionName="filtering", EventSourceArn=f"arn:aws:sqs:us-east-1:{ACCOUNT}:filtered",
        FilterCriteria={"Filters": [{"Pattern": pattern}]},
    )  # fmt: skip
    for wanted in (False, True):
        sqs.send_message(QueueUrl=url, MessageBody=json.dumps({"port": listener.port, "wanted": wanted}))
    record = listener.next()
    assert json.loads(record["body"])["wanted"] is True
    emptied(sqs, url)
    lambda_.delete_event_source_mapping(UUID=mapping["UUID"])


def test_what_a_function_reports_as_failed_comes_back(lambda_: Any, sqs: Any, deploy: Any, listener: Listener) -> None:
    name = deploy("partial", REPORT, Timeout=1)
    url = sqs.create_queue(QueueName="partial", Attributes={"VisibilityTimeout": "4"})["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    for number in range(4):
        body = json.dumps({"port": listener.port, "number": number, "fail": number == 2})
        sqs.send_message(QueueUrl=url, MessageBody=body)
    created = lambda_.create_event_source_mapping(
        EventSourceArn=arn, FunctionName=name, FunctionResponseTypes=["ReportBatchItemFailures"]
    )
    seen = [json.loads(listener.next()["body"])["number"] for _ in range(4)]
    assert sorted(seen) == [0, 1, 2, 3]
    again = listener.next()
    assert json.loads(again["body"])["number"] == 2
    assert again["attributes"]["ApproximateReceiveCount"] == "2"
    emptied(sqs, url)
    lambda_.delete_event_source_mapping(UUID=created["UUID"])


def test_a_fifo_queue_feeds_a_function_in_order(lambda_: Any, sqs: Any, deploy: Any, listener: Listener) -> None:
    name = deploy("ordered", REPORT)
    attributes = {"FifoQueue": "true", "ContentBasedDeduplication": "true"}
    url = sqs.create_queue(QueueName="ordered.fifo", Attributes=attributes)["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    created = lambda_.create_event_source_mapping(EventSourceArn=arn, FunctionName=name, BatchSize=2)
    for number in range(6):
        body = json.dumps({"port": listener.port, "number": number})
        sqs.send_message(QueueUrl=url, MessageBody=body, MessageGroupId=str(number % 2))
    records = [listener.next() for _ in range(6)]
    for group in ("0", "1"):
        of_group = [record for record in records if record["attributes"]["MessageGroupId"] == group]
        numbers = [json.loads(record["body"])["number"] for record in of_group]
        assert numbers == sorted(numbers)
        assert len(numbers) == 3
    emptied(sqs, url)
    lambda_.delete_event_source_mapping(UUID=created["UUID"])


def emptied(sqs: Any, url: str) -> None:
    """Ask until everything is settled: a function's report comes before its messages are deleted."""
    names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
    for _ in range(2_000):
        attributes = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=names)["Attributes"]
        if all(attributes[name] == "0" for name in names):
            return
    pytest.fail(f"messages are left: {attributes}")


def test_sigterm_during_a_long_function_is_bounded_and_told_to_the_caller(tmp_path: Path) -> None:
    running = start_server(tmp_path / "data", "--shutdown-s", "2")
    created = running.client("iam").create_role(RoleName="r", AssumeRolePolicyDocument=json.dumps(TRUST))
    client = running.client("lambda")
    listening = Listener()
    client.create_function(
        FunctionName="long", Runtime=RUNTIME, Role=created["Role"]["Arn"], Handler="index.handler", Timeout=60,
        Code={"ZipFile": packed(CALL_BACK + "    import time; time.sleep(50)\n")},
    )  # fmt: skip
    errors: list[ClientError] = []

    def invoke() -> None:
        try:
            client.invoke(FunctionName="long", Payload=json.dumps({"port": listening.port}))
        except ClientError as error:
            errors.append(error)

    caller = threading.Thread(target=invoke)
    caller.start()
    listening.next()
    began = time.monotonic()
    assert running.stop() == 0
    assert time.monotonic() - began < 4, "one allowance, not one for each kind of work"
    caller.join(timeout=10)
    listening.close()
    (error,) = errors
    assert error.response["ResponseMetadata"]["HTTPStatusCode"] == 503
    assert error.response["Error"]["Code"] == "ServiceUnavailableException"
