"""What SQS writes to the wire: codes, statuses, headers and bodies of both protocols, byte by byte where it matters.

The error codes and statuses are those of the last Query model of botocore and of recorded answers of AWS.
"""

import json
import urllib.error
import urllib.parse
import urllib.request
from email.message import Message
from typing import Any, NamedTuple
from xml.etree import ElementTree as ET

import pytest
from tests.conftest import LiveServer

ACCOUNT = "000000000000"
NS = "http://queue.amazonaws.com/doc/2012-11-05/"
AUTHORIZATION = f"AWS4-HMAC-SHA256 Credential={ACCOUNT}/20250101/us-east-1/sqs/aws4_request, SignedHeaders=host"
AUTHORIZATION += ", Signature=0"
JSON_TYPE = "application/x-amz-json-1.0"


class Answer(NamedTuple):
    """An HTTP response."""

    status: int
    headers: Message
    text: str

    @property
    def doc(self) -> Any:
        return json.loads(self.text)

    @property
    def xml(self) -> ET.Element:
        return ET.fromstring(self.text)

    def said(self) -> tuple[int, str | None, str | None]:
        """Status, code and message of an error over Query."""
        error = self.xml.find(f"{{{NS}}}Error")
        assert error is not None, self.text
        assert error.findtext(f"{{{NS}}}Type") == "Sender"
        assert error.find(f"{{{NS}}}Detail") is not None
        assert self.xml.findtext(f"{{{NS}}}RequestId")
        return self.status, error.findtext(f"{{{NS}}}Code"), error.findtext(f"{{{NS}}}Message")


class Wire:
    """Requests as clients write them, without a client."""

    def __init__(self, server: LiveServer) -> None:
        self.base = server.url

    def send(self, path: str, body: bytes | None = None, **headers: str) -> Answer:
        named = {"Authorization": AUTHORIZATION} | {name.replace("_", "-"): text for name, text in headers.items()}
        request = urllib.request.Request(self.base + path, body, named)
        try:
            with urllib.request.urlopen(request, timeout=30) as response:
                return Answer(response.status, response.headers, response.read().decode())
        except urllib.error.HTTPError as error:
            with error:
                return Answer(error.code, error.headers, error.read().decode())

    def json(self, operation: str, path: str = "/", **params: Any) -> Answer:
        body = json.dumps(params).encode()
        return self.send(path, body, X_Amz_Target=f"AmazonSQS.{operation}", Content_Type=JSON_TYPE)

    def query(self, action: str, path: str = "/", **params: str) -> Answer:
        form = urllib.parse.urlencode({"Action": action, "Version": "2012-11-05", **params}).encode()
        return self.send(path, form, Content_Type="application/x-www-form-urlencoded; charset=utf-8")

    def get(self, path: str, **params: str) -> Answer:
        return self.send(f"{path}?{urllib.parse.urlencode(params)}" if params else path)

    def queue(self, name: str, **attributes: str) -> str:
        """Make a queue; answers the path of its URL."""
        answer = self.json("CreateQueue", QueueName=name, Attributes=attributes)
        assert answer.status == 200, answer
        return str(answer.doc["QueueUrl"].removeprefix(self.base))


@pytest.fixture
def wire(server: LiveServer) -> Wire:
    return Wire(server)


@pytest.fixture
def name(request: pytest.FixtureRequest) -> str:
    return "w-" + "".join(c if c.isalnum() else "-" for c in request.node.name)[-60:]


# --- AWS JSON 1.0


def test_json_answers(wire: Wire, name: str) -> None:
    answer = wire.json("CreateQueue", QueueName=name)
    assert answer.status == 200
    assert answer.headers["Content-Type"] == JSON_TYPE
    assert answer.headers["x-amzn-RequestId"]
    url = f"{wire.base}/{ACCOUNT}/{name}"
    assert answer.doc == {"QueueUrl": url}
    for operation, params in (
        ("ReceiveMessage", {"QueueUrl": url}),
        ("GetQueueAttributes", {"QueueUrl": url}),
        ("ListQueueTags", {"QueueUrl": url}),
        ("SetQueueAttributes", {"QueueUrl": url, "Attributes": {"DelaySeconds": "0"}}),
        ("TagQueue", {"QueueUrl": url, "Tags": {"a": "b"}}),
        ("PurgeQueue", {"QueueUrl": url}),
        ("ListQueues", {"QueueNamePrefix": name + "-none"}),
    ):
        answer = wire.json(operation, **params)
        assert (answer.status, answer.text) == (200, "{}"), operation
    assert wire.json("ListDeadLetterSourceQueues", QueueUrl=url).doc == {"queueUrls": []}
    assert wire.json("ListQueueTags", QueueUrl=url).doc == {"Tags": {"a": "b"}}


def test_a_batch_names_only_what_there_is(wire: Wire, name: str) -> None:
    url = wire.base + wire.queue(name)
    good, bad = {"Id": "good", "MessageBody": "x"}, {"Id": "bad", "MessageBody": "\x01"}
    assert list(wire.json("SendMessageBatch", QueueUrl=url, Entries=[good]).doc) == ["Successful"]
    assert list(wire.json("SendMessageBatch", QueueUrl=url, Entries=[bad]).doc) == ["Failed"]
    assert set(wire.json("SendMessageBatch", QueueUrl=url, Entries=[good, bad]).doc) == {"Successful", "Failed"}


def test_json_to_a_queues_own_path(wire: Wire, name: str) -> None:
    """As the SDK for PHP posts it; AWS takes it, recorded."""
    path = wire.queue(name)
    assert wire.json("SendMessage", path, QueueUrl=wire.base + path, MessageBody="here").status == 200
    (message,) = wire.json("ReceiveMessage", path, QueueUrl=wire.base + path).doc["Messages"]
    assert message["Body"] == "here"


@pytest.mark.parametrize(
    ("operation", "params", "status", "type_", "code"),
    [
        ("SendMessage", {}, 400, "com.amazon.coral.service#MissingRequiredParameterException", "MissingParameter"),
        (
            "ReceiveMessage",
            {"MaxNumberOfMessages": 11},
            400,
            "com.amazon.coral.service#InvalidParameterValueException",
            "InvalidParameterValue",
        ),
        ("SendMessage", {"MessageBody": "\x01"}, 400, "com.amazonaws.sqs#InvalidMessageContents", None),
        ("GetQueueAttributes", {"AttributeNames": ["X"]}, 400, "com.amazonaws.sqs#InvalidAttributeName", None),
        (
            "SetQueueAttributes",
            {"Attributes": {"DelaySeconds": "x"}},
            400,
            "com.amazonaws.sqs#InvalidAttributeValue",
            None,
        ),
        (
            "SetQueueAttributes",
            {"Attributes": {"KmsMasterKeyId": "mine"}},
            400,
            "com.amazonaws.sqs#KmsNotFound",
            "KMS.NotFoundException",
        ),
        ("SetQueueAttributes", {"Attributes": {"Policy": "x" * 8_193}}, 403, "com.amazonaws.sqs#OverLimit", None),
        ("DeleteMessage", {"ReceiptHandle": "x"}, 404, "com.amazonaws.sqs#ReceiptHandleIsInvalid", None),
        ("SendMessage", {"QueueUrl": "http://x/", "MessageBody": "x"}, 404, "com.amazonaws.sqs#InvalidAddress", None),
        (
            "DeleteQueue",
            {"QueueUrl": "http://x/999999999999/q"},
            403,
            "com.amazon.coral.service#AccessDeniedException",
            "AccessDenied",
        ),
        (
            "SendMessage",
            {"QueueUrl": f"http://x/{ACCOUNT}/none", "MessageBody": "x"},
            400,
            "com.amazonaws.sqs#QueueDoesNotExist",
            "AWS.SimpleQueueService.NonExistentQueue",
        ),
        (
            "SendMessageBatch",
            {"Entries": []},
            400,
            "com.amazonaws.sqs#EmptyBatchRequest",
            "AWS.SimpleQueueService.EmptyBatchRequest",
        ),
        (
            "SendMessageBatch",
            {"Entries": [{"Id": "a", "MessageBody": "x"}] * 2},
            400,
            "com.amazonaws.sqs#BatchEntryIdsNotDistinct",
            "AWS.SimpleQueueService.BatchEntryIdsNotDistinct",
        ),
        (
            "SendMessageBatch",
            {"Entries": [{"Id": str(n), "MessageBody": "x"} for n in range(11)]},
            400,
            "com.amazonaws.sqs#TooManyEntriesInBatchRequest",
            "AWS.SimpleQueueService.TooManyEntriesInBatchRequest",
        ),
        (
            "SendMessageBatch",
            {"Entries": [{"Id": "a b", "MessageBody": "x"}]},
            400,
            "com.amazonaws.sqs#InvalidBatchEntryId",
            "AWS.SimpleQueueService.InvalidBatchEntryId",
        ),
        (
            "SendMessageBatch",
            {"Entries": [{"Id": "a", "MessageBody": "x" * 1_048_577}]},
            400,
            "com.amazonaws.sqs#BatchRequestTooLong",
            "AWS.SimpleQueueService.BatchRequestTooLong",
        ),
        (
            "SendMessage",
            {
                "MessageBody": "x",
                "MessageAttributes": {"a": {"DataType": "String", "StringListValues": ["x"]}},
            },
            400,
            "com.amazonaws.sqs#UnsupportedOperation",
            "AWS.SimpleQueueService.UnsupportedOperation",
        ),
        ("Nothing", {}, 400, "com.amazon.coral.service#UnknownOperationException", "InvalidAction"),
    ],
)
def test_json_errors(
    wire: Wire, operation: str, params: dict[str, Any], status: int, type_: str, code: str | None
) -> None:
    url = wire.base + wire.queue("w-json-errors")
    answer = wire.json(operation, **{"QueueUrl": url, **params})
    assert (answer.status, answer.doc["__type"]) == (status, type_)
    assert answer.doc["message"]
    # awsQueryCompatible: what clients of the Query time know the error by.
    assert answer.headers["x-amzn-query-error"] == f"{code or type_.partition('#')[2]};Sender"
    assert answer.headers["Content-Type"] == JSON_TYPE


def test_errors_that_take_two_requests(wire: Wire, name: str) -> None:
    path = wire.queue(name)
    url = wire.base + path
    assert wire.json("PurgeQueue", QueueUrl=url).text == "{}"
    answer = wire.json("PurgeQueue", QueueUrl=url)
    assert (answer.status, answer.doc) == (
        403,
        {
            "__type": "com.amazonaws.sqs#PurgeQueueInProgress",
            "message": f"Only one PurgeQueue operation on {name} is allowed every 60 seconds.",
        },
    )
    assert answer.headers["x-amzn-query-error"] == "AWS.SimpleQueueService.PurgeQueueInProgress;Sender"
    assert wire.query("PurgeQueue", path).said()[:2] == (403, "AWS.SimpleQueueService.PurgeQueueInProgress")
    answer = wire.json("CreateQueue", QueueName=name, Attributes={"DelaySeconds": "1"})
    assert (answer.status, answer.doc["__type"]) == (400, "com.amazonaws.sqs#QueueNameExists")
    assert answer.headers["x-amzn-query-error"] == "QueueAlreadyExists;Sender"
    wire.json("DeleteQueue", QueueUrl=url)
    answer = wire.json("CreateQueue", QueueName=name)
    assert (answer.status, answer.doc["__type"]) == (400, "com.amazonaws.sqs#QueueDeletedRecently")
    assert wire.query("CreateQueue", QueueName=name).said() == (
        400,
        "AWS.SimpleQueueService.QueueDeletedRecently",
        "You must wait 60 seconds after deleting a queue before you can create another with the same name.",
    )


@pytest.mark.parametrize("body", [b"{", b'{"QueueUrl":5}', b'{"MaxNumberOfMessages":"1"}', b"[]"])
def test_json_that_cannot_be_read(wire: Wire, body: bytes) -> None:
    answer = wire.send("/", body, X_Amz_Target="AmazonSQS.ReceiveMessage", Content_Type=JSON_TYPE)
    assert (answer.status, answer.doc["__type"]) == (400, "com.amazon.coral.service#SerializationException")


# --- Query


def test_query_answers_byte_by_byte(wire: Wire, name: str) -> None:
    answer = wire.query("CreateQueue", QueueName=name)
    request_id = answer.headers["x-amzn-RequestId"]
    assert answer.headers["Content-Type"] == "text/xml"
    assert answer.text == (
        f'<CreateQueueResponse xmlns="{NS}"><CreateQueueResult><QueueUrl>{wire.base}/{ACCOUNT}/{name}</QueueUrl>'
        f"</CreateQueueResult><ResponseMetadata><RequestId>{request_id}</RequestId></ResponseMetadata>"
        "</CreateQueueResponse>"
    )
    answer = wire.query("DeleteQueue", f"/{ACCOUNT}/{name}")
    request_id = answer.headers["x-amzn-RequestId"]
    assert answer.text == (
        f'<DeleteQueueResponse xmlns="{NS}"><ResponseMetadata><RequestId>{request_id}</RequestId></ResponseMetadata>'
        "</DeleteQueueResponse>"
    )
    answer = wire.query("DeleteQueue", f"/{ACCOUNT}/{name}")
    request_id = answer.headers["x-amzn-RequestId"]
    assert answer.text == (
        f'<ErrorResponse xmlns="{NS}"><Error><Type>Sender</Type>'
        "<Code>AWS.SimpleQueueService.NonExistentQueue</Code>"
        "<Message>The specified queue does not exist for this wsdl version.</Message><Detail/></Error>"
        f"<RequestId>{request_id}</RequestId></ErrorResponse>"
    )
    assert answer.status == 400


def test_query_writes_maps_and_lists_flat(wire: Wire, name: str) -> None:
    wire.query(
        "CreateQueue", QueueName=name, **{
            "Attribute.1.Name": "DelaySeconds", "Attribute.1.Value": "0",
            "Attribute.2.Name": "VisibilityTimeout", "Attribute.2.Value": "7", "Tag.1.Key": "k", "Tag.1.Value": "v",
        }
    )  # fmt: skip
    path = f"/{ACCOUNT}/{name}"
    assert "<Attribute><Name>VisibilityTimeout</Name><Value>7</Value></Attribute>" in wire.query(
        "GetQueueAttributes", path, **{"AttributeName.1": "VisibilityTimeout"}
    ).text  # fmt: skip
    assert "<Tag><Key>k</Key><Value>v</Value></Tag>" in wire.query("ListQueueTags", path).text
    wire.query("TagQueue", path, **{"Tag.1.Key": "l", "Tag.1.Value": "w", "Tag.2.Key": "m", "Tag.2.Value": ""})
    wire.query("UntagQueue", path, **{"TagKey.1": "k", "TagKey.2": "l"})
    assert wire.json("ListQueueTags", QueueUrl=wire.base + path).doc == {"Tags": {"m": ""}}
    wire.query("AddPermission", path, Label="x", **{"AWSAccountId.1": "1" * 12, "ActionName.1": "SendMessage"})
    policy = wire.json("GetQueueAttributes", QueueUrl=wire.base + path, AttributeNames=["Policy"]).doc["Attributes"]
    assert json.loads(policy["Policy"])["Statement"][0]["Action"] == "SQS:SendMessage"
    assert wire.query("RemovePermission", path, Label="x").status == 200
    wire.query("SetQueueAttributes", path, **{"Attribute.Name": "VisibilityTimeout", "Attribute.Value": "8"})
    found = wire.get(path, Action="GetQueueAttributes", AttributeName="All").text
    assert "<Name>VisibilityTimeout</Name><Value>8</Value>" in found
    listed = wire.query("ListQueues", QueueNamePrefix=name)
    assert f"<ListQueuesResult><QueueUrl>{wire.base}{path}</QueueUrl></ListQueuesResult>" in listed.text


def test_query_messages(wire: Wire, name: str) -> None:
    path = wire.queue(name, VisibilityTimeout="0")
    sent = wire.query(
        "SendMessage", path, MessageBody='<a b="c">&\r\n\t', **{
            "MessageAttribute.1.Name": "text", "MessageAttribute.1.Value.DataType": "String",
            "MessageAttribute.1.Value.StringValue": "é",
            "MessageAttribute.2.Name": "bytes", "MessageAttribute.2.Value.DataType": "Binary",
            "MessageAttribute.2.Value.BinaryValue": "AP8=",
            "MessageSystemAttribute.1.Name": "AWSTraceHeader", "MessageSystemAttribute.1.Value.DataType": "String",
            "MessageSystemAttribute.1.Value.StringValue": "Root=1",
        }
    )  # fmt: skip
    for digest in ("MD5OfMessageBody", "MD5OfMessageAttributes", "MD5OfMessageSystemAttributes", "MessageId"):
        assert sent.xml.findtext(f"{{{NS}}}SendMessageResult/{{{NS}}}{digest}")
    received = wire.query(
        "ReceiveMessage", path, MaxNumberOfMessages="10",
        **{"MessageAttributeName.1": "text", "MessageAttributeName.2": "bytes", "AttributeName.1": "AWSTraceHeader"},
    )  # fmt: skip
    assert "<Body>&lt;a b=&quot;c&quot;&gt;&amp;&#xD;\n\t</Body>" in received.text
    assert "<Attribute><Name>AWSTraceHeader</Name><Value>Root=1</Value></Attribute>" in received.text
    found = {
        one.findtext(f"{{{NS}}}Name"): {
            part.tag.partition("}")[2]: part.text for part in one.find(f"{{{NS}}}Value") or ()
        }
        for one in received.xml.iter(f"{{{NS}}}MessageAttribute")
    }
    assert found == {
        "text": {"StringValue": "é", "DataType": "String"},
        "bytes": {"BinaryValue": "AP8=", "DataType": "Binary"},
    }
    empty = wire.query("ReceiveMessage", wire.queue(f"{name}-2"))
    assert empty.xml.find(f"{{{NS}}}ReceiveMessageResult") is not None
    assert empty.xml.find(f".//{{{NS}}}Message") is None


def test_query_batches(wire: Wire, name: str) -> None:
    path = wire.queue(name)
    sent = wire.query(
        "SendMessageBatch", path, **{
            "SendMessageBatchRequestEntry.1.Id": "a", "SendMessageBatchRequestEntry.1.MessageBody": "one",
            "SendMessageBatchRequestEntry.1.MessageAttribute.1.Name": "n",
            "SendMessageBatchRequestEntry.1.MessageAttribute.1.Value.DataType": "Number",
            "SendMessageBatchRequestEntry.1.MessageAttribute.1.Value.StringValue": "1",
            "SendMessageBatchRequestEntry.2.Id": "b", "SendMessageBatchRequestEntry.2.MessageBody": "two",
            "SendMessageBatchRequestEntry.2.DelaySeconds": "901",
        }
    )  # fmt: skip
    good = sent.xml.find(f".//{{{NS}}}SendMessageBatchResultEntry")
    bad = sent.xml.find(f".//{{{NS}}}BatchResultErrorEntry")
    assert good is not None
    assert bad is not None
    assert (good.findtext(f"{{{NS}}}Id"), bad.findtext(f"{{{NS}}}Id")) == ("a", "b")
    assert good.findtext(f"{{{NS}}}MD5OfMessageAttributes")
    assert [bad.findtext(f"{{{NS}}}{part}") for part in ("SenderFault", "Code", "Message")] == [
        "true", "InvalidParameterValue",
        "Value 901 for parameter DelaySeconds is invalid. Reason: DelaySeconds must be >= 0 and <= 900.",
    ]  # fmt: skip
    handle = wire.query("ReceiveMessage", path).xml.findtext(f".//{{{NS}}}ReceiptHandle") or ""
    changed = wire.query(
        "ChangeMessageVisibilityBatch", path, **{
            "ChangeMessageVisibilityBatchRequestEntry.1.Id": "a",
            "ChangeMessageVisibilityBatchRequestEntry.1.ReceiptHandle": handle,
            "ChangeMessageVisibilityBatchRequestEntry.1.VisibilityTimeout": "100",
        }
    )  # fmt: skip
    assert (
        "<ChangeMessageVisibilityBatchResultEntry><Id>a</Id></ChangeMessageVisibilityBatchResultEntry>" in changed.text
    )
    deleted = wire.query(
        "DeleteMessageBatch", path,
        **{"DeleteMessageBatchRequestEntry.1.Id": "a", "DeleteMessageBatchRequestEntry.1.ReceiptHandle": handle},
    )  # fmt: skip
    assert "<DeleteMessageBatchResultEntry><Id>a</Id></DeleteMessageBatchResultEntry>" in deleted.text


def test_query_errors(wire: Wire, name: str) -> None:
    path = wire.queue(name)
    assert wire.get(path, Action="SendMessage").said() == (
        400, "MissingParameter", "The request must contain the parameter MessageBody.",
    )  # fmt: skip
    assert wire.get(path, Action="GetQueueAttributes", **{"AttributeName.1": "Foobar"}).said() == (
        400, "InvalidAttributeName", "Unknown Attribute Foobar.",
    )  # fmt: skip
    for action in ("FooBar", "CreateQueue", "ListQueues"):
        answer = wire.get(path, Action=action, Version="2012-11-05", QueueName="z")
        assert answer.said() == (400, "InvalidAction", f"The action {action} is not valid for this endpoint.")
    # A queue is addressed by the path, or else by QueueUrl.
    assert wire.query("SendMessage", MessageBody="x").said() == (
        404, "InvalidAddress", f"The address {wire.base}/ is not valid for this endpoint.",
    )  # fmt: skip
    assert wire.query("DeleteMessage", path, ReceiptHandle="x").said() == (
        404, "ReceiptHandleIsInvalid", 'The input receipt handle "x" is not a valid receipt handle.',
    )  # fmt: skip
    assert wire.query("SendMessageBatch", path, SendMessageBatchRequestEntry="").said() == (
        400,
        "AWS.SimpleQueueService.EmptyBatchRequest",
        "There should be at least one SendMessageBatchRequestEntry in the request.",
    )
    other = wire.queue(f"{name}-other")
    found = wire.get(path, Action="GetQueueAttributes", QueueUrl=wire.base + other, **{"AttributeName.1": "QueueArn"})
    assert f":{name}-other</Value>" in found.text


@pytest.mark.parametrize("accept", ["*/*", "application/json"])
def test_a_queues_url_alone_means_no_operation(wire: Wire, name: str, accept: str) -> None:
    answer = wire.send(wire.queue(name), Accept=accept)
    assert answer.status == 404
    assert "<UnknownOperationException" in answer.text
