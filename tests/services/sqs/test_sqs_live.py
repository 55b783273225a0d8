"""SQS over the wire: stock clients, both protocols, polls that really wait."""

import json
import urllib.error
import urllib.parse
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from xml.etree import ElementTree as ET

import pytest
from botocore.exceptions import ClientError
from tests.conftest import LiveServer

NS = "{http://queue.amazonaws.com/doc/2012-11-05/}"
AUTHORIZATION = (
    "AWS4-HMAC-SHA256 Credential=000000000000/20250101/us-east-1/sqs/aws4_request, SignedHeaders=host, Signature=0"
)


@pytest.fixture
def sqs(server: LiveServer) -> Any:
    return server.client("sqs")


@pytest.fixture
def url(sqs: Any, request: pytest.FixtureRequest) -> str:
    return sqs.create_queue(QueueName=request.node.name.replace("[", "-").replace("]", "")[:80])["QueueUrl"]


def query(url: str, action: str, **parameters: str) -> ET.Element:
    """A request as clients of 2012 write it."""
    form = urllib.parse.urlencode({"Action": action, "Version": "2012-11-05", **parameters}).encode()
    request = urllib.request.Request(url, form, {"Authorization": AUTHORIZATION})
    try:
        with urllib.request.urlopen(request, timeout=30) as response:
            return ET.fromstring(response.read())
    except urllib.error.HTTPError as error:
        with error:
            return ET.fromstring(error.read())


def test_boto3_checks_our_digests(sqs: Any, url: str) -> None:
    attributes = {
        "b": {"DataType": "Binary.x", "BinaryValue": b"\x00\xff"},
        "n": {"DataType": "Number", "StringValue": "1"},
    }
    sent = sqs.send_message(QueueUrl=url, MessageBody='é<&>"\r\n', MessageAttributes=attributes)
    answer = sqs.receive_message(QueueUrl=url, MessageAttributeNames=["All"], MessageSystemAttributeNames=["All"])
    (message,) = answer["Messages"]
    assert message["MessageId"] == sent["MessageId"]
    assert message["Body"] == 'é<&>"\r\n'
    assert message["MessageAttributes"] == attributes
    sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])


def test_both_protocols_share_their_queues(sqs: Any, url: str) -> None:
    sent = query(
        url, "SendMessage", MessageBody='a "b"\r',
        **{
            "MessageAttribute.1.Name": "x", "MessageAttribute.1.Value.DataType": "String",
            "MessageAttribute.1.Value.StringValue": "y",
        },
    ).find(f"{NS}SendMessageResult")  # fmt: skip
    assert sent is not None
    (message,) = sqs.receive_message(QueueUrl=url, MessageAttributeNames=["x"], VisibilityTimeout=0)["Messages"]
    assert message["Body"] == 'a "b"\r'
    assert message["MessageId"] == sent.findtext(f"{NS}MessageId")
    assert message["MD5OfMessageAttributes"] == sent.findtext(f"{NS}MD5OfMessageAttributes")
    found = query(url, "ReceiveMessage", **{"AttributeName.1": "All"}).find(f"{NS}ReceiveMessageResult/{NS}Message")
    assert found is not None
    assert found.findtext(f"{NS}Body") == 'a "b"\r'
    names = {attribute.findtext(f"{NS}Name") for attribute in found.findall(f"{NS}Attribute")}
    assert names >= {"SenderId", "SentTimestamp", "ApproximateReceiveCount"}
    query(url, "DeleteMessage", ReceiptHandle=found.findtext(f"{NS}ReceiptHandle") or "")
    assert "Messages" not in sqs.receive_message(QueueUrl=url)


def test_errors_of_both_protocols(sqs: Any, url: str) -> None:
    with pytest.raises(sqs.exceptions.QueueDoesNotExist) as caught:
        sqs.send_message(QueueUrl=url + "-none", MessageBody="x")
    assert caught.value.response["Error"]["Code"] == "AWS.SimpleQueueService.NonExistentQueue"
    assert caught.value.response["Error"]["QueryErrorCode"] == "QueueDoesNotExist"
    with pytest.raises(ClientError) as refused:
        sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=11)
    assert refused.value.response["Error"]["Code"] == "InvalidParameterValue"
    error = query(url + "-none", "SendMessage", MessageBody="x").find(".//{*}Error")
    assert error is not None
    assert error.findtext("{*}Code") == "AWS.SimpleQueueService.NonExistentQueue"
    assert error.findtext("{*}Message") == "The specified queue does not exist for this wsdl version."


def receive_all(server: LiveServer, url: str, receivers: int) -> list[list[str]]:
    client = server.client("sqs", max_pool_connections=receivers)

    def receive(_: int) -> list[str]:
        answer = client.receive_message(QueueUrl=url, WaitTimeSeconds=20, MaxNumberOfMessages=1)
        return [message["Body"] for message in answer.get("Messages", [])]

    with ThreadPoolExecutor(receivers) as pool:
        return list(pool.map(receive, range(receivers)))


def test_messages_that_time_makes_visible_reach_all_who_wait(server: LiveServer, sqs: Any, url: str) -> None:
    entries = [{"Id": str(n), "MessageBody": str(n), "DelaySeconds": 1} for n in range(8)]
    sqs.send_message_batch(QueueUrl=url, Entries=entries)
    found = receive_all(server, url, 8)
    assert sorted(body for bodies in found for body in bodies) == [str(n) for n in range(8)]


def test_a_message_given_up_reaches_one_who_already_waits(server: LiveServer, sqs: Any, url: str) -> None:
    with ThreadPoolExecutor(2) as pool:
        waiting = [
            pool.submit(server.client("sqs").receive_message, QueueUrl=url, WaitTimeSeconds=20, VisibilityTimeout=1)
            for _ in range(2)
        ]
        sqs.send_message(QueueUrl=url, MessageBody="x")
        # The first to get it keeps it for a second; nobody sends anything then.
        ids = [future.result()["Messages"][0]["MessageId"] for future in waiting]
    assert ids[0] == ids[1]


def test_a_fifo_queue_hands_out_one_group_to_many_in_order(server: LiveServer, sqs: Any) -> None:
    url = sqs.create_queue(
        QueueName="ordered.fifo", Attributes={"FifoQueue": "true", "ContentBasedDeduplication": "true"}
    )["QueueUrl"]
    total = 40
    seen: list[int] = []

    def work(_: int) -> None:
        while len(seen) < total:
            answer = sqs.receive_message(QueueUrl=url, WaitTimeSeconds=1, MaxNumberOfMessages=3)
            for message in answer.get("Messages", []):
                seen.append(json.loads(message["Body"]))
                sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])

    with ThreadPoolExecutor(4) as pool:
        workers = [pool.submit(work, n) for n in range(4)]
        for number in range(total):
            sqs.send_message(QueueUrl=url, MessageBody=str(number), MessageGroupId="g")
        for worker in workers:
            worker.result()
    assert seen == list(range(total))


def test_a_mebibyte(sqs: Any, url: str) -> None:
    body = "x" * 1_048_576
    sqs.send_message(QueueUrl=url, MessageBody=body)
    assert sqs.receive_message(QueueUrl=url)["Messages"][0]["Body"] == body
    with pytest.raises(ClientError) as caught:
        sqs.send_message(QueueUrl=url, MessageBody=body + "x")
    assert caught.value.response["Error"]["Message"] == (
        "One or more parameters are invalid. Reason: Message must be shorter than 1048576 bytes."
    )
