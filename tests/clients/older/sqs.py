"""SQS as boto3 spoke it until 2023: every operation by Query and XML. Prints the operations that it called, as JSON."""

import json
import sys

import boto3
from botocore.config import Config

client = boto3.client("sqs", endpoint_url=sys.argv[1], config=Config(retries={"total_max_attempts": 1}))
assert client.meta.service_model.metadata["protocol"] == "query"
called = set()
client.meta.events.register("before-call.sqs", lambda model, **_: called.add(model.name))
ARN = "arn:aws:sqs:us-east-1:000000000000:"


def refused(kind, call, **request):
    """The error that a call ends with, as boto3 reads it."""
    try:
        call(**request)
    except kind as error:
        return error.response["Error"]
    raise AssertionError(f"{call.__name__} was not refused")


url = client.create_queue(QueueName="older", Attributes={"VisibilityTimeout": "40"}, tags={"team": "a"})["QueueUrl"]
assert client.get_queue_url(QueueName="older")["QueueUrl"] == url
client.set_queue_attributes(QueueUrl=url, Attributes={"VisibilityTimeout": "50", "DelaySeconds": "0"})
shown = client.get_queue_attributes(QueueUrl=url, AttributeNames=["VisibilityTimeout", "QueueArn"])["Attributes"]
assert shown == {"VisibilityTimeout": "50", "QueueArn": f"{ARN}older"}, shown
client.tag_queue(QueueUrl=url, Tags={"floor": "2", "empty": ""})
client.untag_queue(QueueUrl=url, TagKeys=["team"])
assert client.list_queue_tags(QueueUrl=url)["Tags"] == {"floor": "2", "empty": ""}
client.add_permission(QueueUrl=url, Label="l", AWSAccountIds=["111111111111"], Actions=["SendMessage"])
client.remove_permission(QueueUrl=url, Label="l")

# It checks the MD5 of bodies and of attributes itself.
attributes = {
    "text": {"DataType": "String", "StringValue": 'grün <&> "x" \U0001f600'},
    "number": {"DataType": "Number.int", "StringValue": "3"},
    "bytes": {"DataType": "Binary", "BinaryValue": b"\x00\xff"},
}
trace = {"AWSTraceHeader": {"DataType": "String", "StringValue": "Root=1-5759e988-bd862e3fe1be46a994272793"}}
sent = client.send_message(
    QueueUrl=url, MessageBody=' ä <&> "\r\n\t', MessageAttributes=attributes, MessageSystemAttributes=trace
)
(message,) = client.receive_message(QueueUrl=url, MessageAttributeNames=["All"], AttributeNames=["All"])["Messages"]
assert message["Body"] == ' ä <&> "\r\n\t', message
assert message["MessageAttributes"] == attributes, message
assert message["Attributes"]["AWSTraceHeader"] == trace["AWSTraceHeader"]["StringValue"]
assert message["MessageId"] == sent["MessageId"]
client.change_message_visibility(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"], VisibilityTimeout=60)
client.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
batch = client.send_message_batch(
    QueueUrl=url,
    Entries=[
        {"Id": "a", "MessageBody": "one", "MessageAttributes": attributes},
        {"Id": "b", "MessageBody": "two"},
        {"Id": "c", "MessageBody": "x", "DelaySeconds": 901},
    ],
)
assert [one["Id"] for one in batch["Successful"]] == ["a", "b"]
assert [(one["Id"], one["Code"], one["SenderFault"]) for one in batch["Failed"]] == [
    ("c", "InvalidParameterValue", True)
]
received = client.receive_message(QueueUrl=url, MaxNumberOfMessages=10)["Messages"]
entries = [{"Id": str(n), "ReceiptHandle": one["ReceiptHandle"]} for n, one in enumerate(received)]
longer = [{**entry, "VisibilityTimeout": 60} for entry in entries]
assert len(client.change_message_visibility_batch(QueueUrl=url, Entries=longer)["Successful"]) == 2
assert len(client.delete_message_batch(QueueUrl=url, Entries=entries)["Successful"]) == 2
assert "Messages" not in client.receive_message(QueueUrl=url)

exceptions = client.exceptions
error = refused(exceptions.QueueDoesNotExist, client.get_queue_url, QueueName="older-none")
assert error["Code"] == "AWS.SimpleQueueService.NonExistentQueue", error
assert error["Message"] == "The specified queue does not exist for this wsdl version.", error
refused(exceptions.EmptyBatchRequest, client.send_message_batch, QueueUrl=url, Entries=[])
refused(exceptions.ReceiptHandleIsInvalid, client.delete_message, QueueUrl=url, ReceiptHandle="none")
refused(exceptions.QueueNameExists, client.create_queue, QueueName="older", Attributes={"DelaySeconds": "9"})

urls = [client.create_queue(QueueName=f"older-page-{number}")["QueueUrl"] for number in range(3)]
pages = client.get_paginator("list_queues").paginate(QueueNamePrefix="older-page", PaginationConfig={"PageSize": 2})
assert [page["QueueUrls"] for page in pages] == [urls[:2], urls[2:]]

dead = client.create_queue(QueueName="older-dead")["QueueUrl"]
redrive = json.dumps({"deadLetterTargetArn": f"{ARN}older-dead", "maxReceiveCount": 1})
source = client.create_queue(QueueName="older-source", Attributes={"RedrivePolicy": redrive})["QueueUrl"]
assert client.list_dead_letter_source_queues(QueueUrl=dead)["queueUrls"] == [source]
client.send_message_batch(QueueUrl=source, Entries=[{"Id": str(n), "MessageBody": str(n)} for n in range(9)])
client.receive_message(QueueUrl=source, MaxNumberOfMessages=10, VisibilityTimeout=0)
assert "Messages" not in client.receive_message(QueueUrl=source)
task = client.start_message_move_task(SourceArn=f"{ARN}older-dead", MaxNumberOfMessagesPerSecond=1)["TaskHandle"]
(running,) = client.list_message_move_tasks(SourceArn=f"{ARN}older-dead")["Results"]
assert (running["Status"], running["TaskHandle"]) == ("RUNNING", task), running
assert client.cancel_message_move_task(TaskHandle=task)["ApproximateNumberOfMessagesMoved"] < 9
client.purge_queue(QueueUrl=dead)
refused(exceptions.PurgeQueueInProgress, client.purge_queue, QueueUrl=dead)
client.delete_queue(QueueUrl=url)
refused(exceptions.QueueDeletedRecently, client.create_queue, QueueName="older")
print(json.dumps(sorted(called)))
