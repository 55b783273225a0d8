"""Pure decisions: batches, answers, payloads."""

import json

import pytest

from waypost.aws.errors import AwsError
from waypost.services.lambdas.rules import batches, payload

IDS = {"a", "b"}


@pytest.mark.parametrize(
    ("answer", "failed"),
    [
        (b"", set()),
        (b"null", set()),
        (b'""', set()),
        (b"{}", set()),
        (b'{"batchItemFailures": []}', set()),
        (b'{"batchItemFailures": null}', set()),
        (b'{"batchItemFailures": [{"itemIdentifier": "a"}]}', {"a"}),
        (b'{"batchItemFailures": [{"itemIdentifier": "a"}, {"itemIdentifier": "a"}]}', {"a"}),
        (b'{"batchItemFailures": [{"itemIdentifier": ""}]}', IDS),
        (b'{"batchItemFailures": [{"itemIdentifier": null}]}', IDS),
        (b'{"batchItemFailures": [{"wrong": "a"}]}', IDS),
        (b'{"batchItemFailures": ["a"]}', IDS),
        (b'{"batchItemFailures": [{"itemIdentifier": "c"}]}', IDS),
        (b'{"batchItemFailures": {"itemIdentifier": "a"}}', IDS),
        (b"not json", IDS),
        (b"[" * 5_000 + b"]" * 5_000, IDS),
        (b'"text"', IDS),
    ],
)
def test_a_report_of_failures(answer: bytes, failed: set[str]) -> None:
    assert set(batches.failures(answer, IDS)) == failed


def test_a_record_has_the_shape_of_aws() -> None:
    message = {
        "MessageId": "m", "ReceiptHandle": "r", "Body": "é", "MD5OfBody": "d", "MD5OfMessageAttributes": "e",
        "Attributes": {"SentTimestamp": "1"},
        "MessageAttributes": {
            "S": {"DataType": "String", "StringValue": "x"}, "B": {"DataType": "Binary", "BinaryValue": b"\x00\xff"},
        },
    }  # fmt: skip
    event = json.loads(batches.event([batches.claim(message, "arn:q", "us-east-1")]))
    assert event == {
        "Records": [
            {
                "messageId": "m", "receiptHandle": "r", "body": "é", "attributes": {"SentTimestamp": "1"},
                "messageAttributes": {
                    "S": {"stringValue": "x", "stringListValues": [], "binaryListValues": [], "dataType": "String"},
                    "B": {"binaryValue": "AP8=", "stringListValues": [], "binaryListValues": [], "dataType": "Binary"},
                },
                "md5OfMessageAttributes": "e", "md5OfBody": "d", "eventSource": "aws:sqs", "eventSourceARN": "arn:q",
                "awsRegion": "us-east-1",
            }
        ]
    }  # fmt: skip
    bare = batches.claim({"MessageId": "m", "ReceiptHandle": "r", "Body": "", "MD5OfBody": "d"}, "arn:q", "us-east-1")
    assert json.loads(bare.record)["md5OfMessageAttributes"] is None


def test_batches_fit_a_payload() -> None:
    messages = [batches.Claimed(str(n), "", b"x" * size) for n, size in enumerate((40, 40, 40, 200, 1))]
    cut = batches.split(messages, 120)
    assert [[message.message_id for message in batch] for batch in cut] == [["0", "1"], ["2"], ["3"], ["4"]]
    assert all(len(batches.event(batch)) <= 120 for batch in cut if len(batch) > 1)
    assert batches.size(cut[0]) >= len(batches.event(cut[0]))


@pytest.mark.parametrize("good", [b"{}", b"null", b'"\\ud800"', b" [1] ", b'"\xc3\xa9"', b"1e999"])
def test_json_is_taken(good: bytes) -> None:
    payload.check(good, "RequestResponse")


@pytest.mark.parametrize(
    ("bad", "complaint", "column"),
    [
        (
            b"test data",
            "Unrecognized token 'test': was expecting (JSON String, Number, Array, Object or token 'null', 'true' or",
            5,
        ),
        (b'{"a": }', "Unexpected character ('}' (code 125)): expected a valid value", 8),
        (b"{a: 1}", "Unexpected character ('a' (code 97)): was expecting double-quote to start field name", 3),
        (b'{"a" 1}', "Unexpected character ('1' (code 49)): was expecting a colon to separate field name and value", 7),
        (b"[1 2]", "Unexpected character ('2' (code 50)): was expecting comma to separate entries", 5),
        (b"{", "Unexpected end-of-input", 2),
        (b'"abc', "Unexpected end-of-input", 2),
        (b"\x97", "Invalid UTF-8 start byte 0x97", 2),
        (b"NaN", "Non-standard token", 1),
        (b"[" * 100_000, "Document nesting depth exceeds the maximum allowed", 1),
    ],
)
def test_other_payloads_are_refused(bad: bytes, complaint: str, column: int) -> None:
    with pytest.raises(AwsError) as error:
        payload.check(bad, "Event")
    assert error.value.code == "InvalidRequestContentException"
    start = "Could not parse request body into json: Could not parse payload into json: "
    assert error.value.message.startswith(start + complaint)
    if column:
        assert error.value.message.endswith(f" disabled); line: 1, column: {column}]")


def test_large_payloads_are_refused() -> None:
    payload.check(b'"' + b"x" * 1_048_574 + b'"', "Event")
    with pytest.raises(AwsError) as error:
        payload.check(b'"' + b"x" * 1_048_575 + b'"', "Event")
    assert (
        error.value.message == "1048577 byte payload is too large for the Event invocation type (limit 1048576 bytes)"
    )
    assert error.value.status == 413
