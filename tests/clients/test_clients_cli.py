"""The AWS CLI against a running server: every command of SQS and of SNS."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.clients.command_line import CommandLine
from tests.conftest import LiveServer

ACCOUNT = "000000000000"
PAGE = Path(__file__).parents[2] / "docs/clients.md"
POLICY = {
    "Version": "2012-10-17",
    "Statement": [{"Sid": "s", "Effect": "Allow", "Principal": "*", "Action": "sqs:SendMessage", "Resource": "*"}],
}


@pytest.fixture
def aws(node: LiveServer) -> Callable[[str], CommandLine]:
    return lambda service: CommandLine(service, node.url, node.environment())


def arn(service: str, name: str) -> str:
    return f"arn:aws:{service}:us-east-1:{ACCOUNT}:{name}"


def test_every_command_of_sqs(aws: Callable[[str], CommandLine], tmp_path: Path) -> None:
    sqs = aws("sqs")
    queues(sqs)
    messages(sqs, tmp_path)
    batches(sqs)
    dead_letters(sqs)
    assert sqs.run == sqs.commands()


def queues(sqs: CommandLine) -> None:
    url = sqs("create-queue", "--queue-name", "cli", "--attributes", "DelaySeconds=0,VisibilityTimeout=40",
              "--tags", "team=a,colour=red")["QueueUrl"]  # fmt: skip
    assert sqs("get-queue-url", "--queue-name", "cli", "--queue-owner-aws-account-id", ACCOUNT)["QueueUrl"] == url
    attributes = json.dumps({"VisibilityTimeout": "50", "Policy": json.dumps(POLICY)})
    sqs("set-queue-attributes", "--queue-url", url, "--attributes", attributes)
    shown = sqs("get-queue-attributes", "--queue-url", url, "--attribute-names", "All")["Attributes"]
    assert (shown["VisibilityTimeout"], shown["QueueArn"]) == ("50", arn("sqs", "cli"))
    assert json.loads(shown["Policy"]) == POLICY
    assert sqs.text("get-queue-attributes", "--queue-url", url, "--attribute-names", "QueueArn", "--output", "text",
                    "--query", "Attributes.QueueArn") == f"{arn('sqs', 'cli')}\n"  # fmt: skip

    sqs("tag-queue", "--queue-url", url, "--tags", '{"team": "b", "floor": ""}')
    sqs("untag-queue", "--queue-url", url, "--tag-keys", "colour", "absent")
    assert sqs("list-queue-tags", "--queue-url", url) == {"Tags": {"team": "b", "floor": ""}}

    sqs("add-permission", "--queue-url", url, "--label", "friends", "--aws-account-ids", "111111111111",
        "--actions", "SendMessage", "ReceiveMessage")  # fmt: skip
    said = sqs.refused("add-permission", "--queue-url", url, "--label", "friends", "--aws-account-ids", "111111111111",
                       "--actions", "SendMessage")  # fmt: skip
    assert "(InvalidParameterValue) when calling the AddPermission operation: Value friends for parameter" in said
    policy = json.loads(sqs("get-queue-attributes", "--queue-url", url, "--attribute-names", "Policy")
                        ["Attributes"]["Policy"])  # fmt: skip
    assert [statement["Sid"] for statement in policy["Statement"]] == ["s", "friends"]
    sqs("remove-permission", "--queue-url", url, "--label", "friends")

    for number in range(5):
        sqs("create-queue", "--queue-name", f"cli-page-{number}")
    prefix = ("--queue-name-prefix", "cli-page")
    first = sqs("list-queues", *prefix, "--page-size", "2", "--max-items", "3")
    second = sqs("list-queues", *prefix, "--starting-token", first["NextToken"])
    found = [url.rsplit("/", 1)[1] for page in (first, second) for url in page["QueueUrls"]]
    assert found == [f"cli-page-{number}" for number in range(5)]
    page = sqs("list-queues", *prefix, "--max-results", "4", "--no-paginate")
    assert len(page["QueueUrls"]) == 4
    assert len(sqs("list-queues", *prefix, "--max-results", "4", "--next-token", page["NextToken"])["QueueUrls"]) == 1

    sqs("delete-queue", "--queue-url", url)
    assert "(AWS.SimpleQueueService.NonExistentQueue)" in sqs.refused("delete-queue", "--queue-url", url)
    assert "(AWS.SimpleQueueService.QueueDeletedRecently)" in sqs.refused("create-queue", "--queue-name", "cli")


def messages(sqs: CommandLine, folder: Path) -> None:
    fifo = ("--attributes", "FifoQueue=true")
    url = sqs("create-queue", "--queue-name", "cli-messages.fifo", *fifo)["QueueUrl"]
    body = folder / "body.json"
    body.write_text('{"item": "lamp"}', "utf-8")
    sent = sqs(
        "send-message", "--queue-url", url, "--message-body", f"file://{body}", "--message-group-id", "g",
        "--message-deduplication-id", "d", "--message-attributes",
        "colour={DataType=String,StringValue=red},price={DataType=Number.int,StringValue=3}",
        "--message-system-attributes",
        "AWSTraceHeader={DataType=String,StringValue=Root=1-5759e988-bd862e3fe1be46a994272793}",
    )  # fmt: skip
    assert set(sent) == {
        "MessageId", "MD5OfMessageBody", "MD5OfMessageAttributes", "MD5OfMessageSystemAttributes", "SequenceNumber",
    }  # fmt: skip
    (message,) = sqs(
        "receive-message", "--queue-url", url, "--attribute-names", "MessageGroupId",
        "--message-system-attribute-names", "AWSTraceHeader", "SequenceNumber", "--message-attribute-names", "co.*",
        "--max-number-of-messages", "10", "--visibility-timeout", "60", "--wait-time-seconds", "5",
        "--receive-request-attempt-id", "attempt",
    )["Messages"]  # fmt: skip
    assert message["Body"] == '{"item": "lamp"}'
    assert message["Attributes"] == {
        "MessageGroupId": "g", "SequenceNumber": sent["SequenceNumber"],
        "AWSTraceHeader": "Root=1-5759e988-bd862e3fe1be46a994272793",
    }  # fmt: skip
    assert message["MessageAttributes"] == {"colour": {"StringValue": "red", "DataType": "String"}}
    handle = ("--receipt-handle", message["ReceiptHandle"])
    sqs("change-message-visibility", "--queue-url", url, *handle, "--visibility-timeout", "0")
    (message,) = sqs("receive-message", "--queue-url", url)["Messages"]
    sqs("delete-message", "--queue-url", url, "--receipt-handle", message["ReceiptHandle"])
    assert sqs("receive-message", "--queue-url", url) is None
    sqs("send-message", "--queue-url", url, "--message-body", "x", "--message-group-id", "g",
        "--message-deduplication-id", "e")  # fmt: skip
    sqs("purge-queue", "--queue-url", url)
    assert sqs("receive-message", "--queue-url", url) is None
    assert "(AWS.SimpleQueueService.PurgeQueueInProgress)" in sqs.refused("purge-queue", "--queue-url", url)
    request = {"QueueUrl": url, "MessageBody": "from a file", "MessageGroupId": "g", "MessageDeduplicationId": "f"}
    sqs("send-message", "--cli-input-json", json.dumps(request))
    assert sqs("receive-message", "--queue-url", url, "--query", "Messages[].Body") == ["from a file"]


def batches(sqs: CommandLine) -> None:
    url = sqs("create-queue", "--queue-name", "cli-batches")["QueueUrl"]
    entries = [
        {"Id": "a", "MessageBody": "öne", "DelaySeconds": 0},
        {"Id": "b", "MessageBody": "two", "MessageAttributes": {"k": {"DataType": "Binary", "BinaryValue": "bytes"}}},
        {"Id": "c", "MessageBody": "\u0000"},
    ]
    sent = sqs("send-message-batch", "--queue-url", url, "--entries", json.dumps(entries))
    assert [one["Id"] for one in sent["Successful"]] == ["a", "b"]
    assert [(one["Id"], one["Code"], one["SenderFault"]) for one in sent["Failed"]] == [
        ("c", "InvalidMessageContents", True)
    ]
    received = sqs("receive-message", "--queue-url", url, "--max-number-of-messages", "10",
                   "--message-attribute-names", "All")["Messages"]  # fmt: skip
    assert received[0]["Body"] == "öne"
    assert received[1]["MessageAttributes"] == {"k": {"BinaryValue": "Ynl0ZXM=", "DataType": "Binary"}}
    handles = [message["ReceiptHandle"] for message in received]
    # Both of the CLI's ways to write a list.
    changed = sqs("change-message-visibility-batch", "--queue-url", url, "--entries",
                  *(f"Id={n},ReceiptHandle={handle},VisibilityTimeout=90" for n, handle in enumerate(handles)),
                  "Id=x,ReceiptHandle=nonsense,VisibilityTimeout=1")  # fmt: skip
    assert [one["Id"] for one in changed["Successful"]] == ["0", "1"]
    assert [(one["Id"], one["Code"]) for one in changed["Failed"]] == [("x", "ReceiptHandleIsInvalid")]
    entries = [{"Id": str(n), "ReceiptHandle": handle} for n, handle in enumerate(handles)]
    deleted = sqs("delete-message-batch", "--queue-url", url, "--entries", json.dumps(entries))
    assert deleted == {"Successful": [{"Id": "0"}, {"Id": "1"}]}


def dead_letters(sqs: CommandLine) -> None:
    dead = sqs("create-queue", "--queue-name", "cli-dead")["QueueUrl"]
    redrive = json.dumps({"RedrivePolicy": json.dumps({"deadLetterTargetArn": arn("sqs", "cli-dead"),
                                                       "maxReceiveCount": 1})})  # fmt: skip
    url = sqs("create-queue", "--queue-name", "cli-source", "--attributes", redrive)["QueueUrl"]
    assert sqs("list-dead-letter-source-queues", "--queue-url", dead) == {"queueUrls": [url]}
    entries = json.dumps([{"Id": str(n), "MessageBody": str(n)} for n in range(9)])
    sqs("send-message-batch", "--queue-url", url, "--entries", entries)
    hasty = ("receive-message", "--queue-url", url, "--max-number-of-messages", "10", "--visibility-timeout", "0")
    assert len(sqs(*hasty)["Messages"]) == 9
    assert sqs(*hasty) is None
    task = sqs("start-message-move-task", "--source-arn", arn("sqs", "cli-dead"), "--destination-arn",
               arn("sqs", "cli-source"), "--max-number-of-messages-per-second", "1")["TaskHandle"]  # fmt: skip
    (running,) = sqs("list-message-move-tasks", "--source-arn", arn("sqs", "cli-dead"), "--max-results", "10")[
        "Results"
    ]
    assert (running["TaskHandle"], running["Status"], running["ApproximateNumberOfMessagesToMove"]) == (
        task, "RUNNING", 9,
    )  # fmt: skip
    moved = sqs("cancel-message-move-task", "--task-handle", task)["ApproximateNumberOfMessagesMoved"]
    assert 0 <= moved < 9
    refused = sqs.refused("start-message-move-task", "--source-arn", arn("sqs", "cli-source"))
    assert "Source queue must be configured as a Dead Letter Queue." in refused


def test_every_command_of_sns(aws: Callable[[str], CommandLine], node: LiveServer) -> None:
    sns = aws("sns")
    topics(sns)
    subscriptions(sns, node)
    publishing(sns, node)
    phones(sns, node)
    applications(sns)
    assert sns.run | {"delete-sms-sandbox-phone-number"} == sns.commands()


def topics(sns: CommandLine) -> None:
    topic = sns("create-topic", "--name", "cli", "--attributes", "DisplayName=Cli,SignatureVersion=2", "--tags",
                "Key=team,Value=a", "Key=colour,Value=red")["TopicArn"]  # fmt: skip
    sns("set-topic-attributes", "--topic-arn", topic, "--attribute-name", "DisplayName", "--attribute-value", "Other")
    shown = sns("get-topic-attributes", "--topic-arn", topic)["Attributes"]
    assert (shown["DisplayName"], shown["SignatureVersion"], shown["TopicArn"]) == ("Other", "2", topic)
    sns("tag-resource", "--resource-arn", topic, "--tags", '[{"Key": "team", "Value": "b"}]')
    sns("untag-resource", "--resource-arn", topic, "--tag-keys", "colour")
    assert sns("list-tags-for-resource", "--resource-arn", topic) == {"Tags": [{"Key": "team", "Value": "b"}]}
    sns("add-permission", "--topic-arn", topic, "--label", "friends", "--aws-account-id", "111111111111",
        "--action-name", "Publish", "Subscribe")  # fmt: skip
    policy = json.loads(sns("get-topic-attributes", "--topic-arn", topic)["Attributes"]["Policy"])
    assert policy["Statement"][1]["Sid"] == "friends"
    sns("remove-permission", "--topic-arn", topic, "--label", "friends")
    protection = json.dumps({
        "Name": "n", "Version": "2021-06-01",
        "Statement": [{
            "Sid": "s", "DataDirection": "Inbound", "Principal": ["*"],
            "DataIdentifier": ["arn:aws:dataprotection::aws:data-identifier/EmailAddress"], "Operation": {"Deny": {}},
        }],
    })  # fmt: skip
    sns("put-data-protection-policy", "--resource-arn", topic, "--data-protection-policy", protection)
    kept = sns("get-data-protection-policy", "--resource-arn", topic)["DataProtectionPolicy"]
    assert json.loads(kept) == json.loads(protection)
    others = [sns("create-topic", "--name", f"cli-{number}")["TopicArn"] for number in range(5)]
    first = sns("list-topics", "--max-items", "4")
    rest = sns("list-topics", "--starting-token", first["NextToken"])
    assert len(first["Topics"]) == 4
    listed = [one["TopicArn"] for page in (first, rest) for one in page["Topics"]]
    assert [one for one in listed if one in {topic, *others}] == sorted([topic, *others])
    for one in (topic, *others):
        sns("delete-topic", "--topic-arn", one)
    assert "(NotFound) when calling the GetTopicAttributes operation: Topic does not exist" in sns.refused(
        "get-topic-attributes", "--topic-arn", topic
    )


def subscriptions(sns: CommandLine, node: LiveServer) -> None:
    topic = sns("create-topic", "--name", "cli-subscriptions")["TopicArn"]
    queue = arn("sqs", "cli-subscribed")
    made = sns(
        "subscribe", "--topic-arn", topic, "--protocol", "sqs", "--notification-endpoint", queue, "--attributes",
        json.dumps({"FilterPolicy": '{"a": ["b"]}', "RawMessageDelivery": "true"}), "--return-subscription-arn",
    )["SubscriptionArn"]  # fmt: skip
    sns("set-subscription-attributes", "--subscription-arn", made, "--attribute-name", "RawMessageDelivery",
        "--attribute-value", "false")  # fmt: skip
    shown = sns("get-subscription-attributes", "--subscription-arn", made)["Attributes"]
    assert (shown["FilterPolicy"], shown["RawMessageDelivery"]) == ('{"a": ["b"]}', "false")
    pending = sns("subscribe", "--topic-arn", topic, "--protocol", "email", "--notification-endpoint", "a@example.com")
    assert pending["SubscriptionArn"] == "pending confirmation"
    by_topic = sns("list-subscriptions-by-topic", "--topic-arn", topic)["Subscriptions"]
    assert {(one["Protocol"], one["SubscriptionArn"]) for one in by_topic} == {
        ("sqs", made), ("email", "PendingConfirmation"),
    }  # fmt: skip
    letters: list[Any] = []
    while not letters:
        letters = node.get("inbox?channel=email&recipient=a%40example.com")["Messages"]
    token = json.dumps(letters[0]).split("Token=")[1][:300].split("&")[0].split("\\")[0].split('"')[0]
    confirmed = sns("confirm-subscription", "--topic-arn", topic, "--token", token, "--authenticate-on-unsubscribe",
                    "true")["SubscriptionArn"]  # fmt: skip
    listed = sns("list-subscriptions")["Subscriptions"]
    assert {one["SubscriptionArn"] for one in listed if one["TopicArn"] == topic} == {made, confirmed}
    sns("unsubscribe", "--subscription-arn", made)
    assert "(InvalidParameter)" in sns.refused(
        "subscribe", "--topic-arn", topic, "--protocol", "sqs", "--notification-endpoint", "no arn"
    )


def publishing(sns: CommandLine, node: LiveServer) -> None:
    sqs = node.client("sqs")
    topic = sns("create-topic", "--name", "cli-publishing")["TopicArn"]
    url = sqs.create_queue(QueueName="cli-published")["QueueUrl"]
    sns("subscribe", "--topic-arn", topic, "--protocol", "sqs", "--notification-endpoint", arn("sqs", "cli-published"))
    structured = json.dumps({"default": "all", "sqs": "queues"})
    attributes = '{"k": {"DataType": "Binary", "BinaryValue": "bytes"}}'
    sent = sns("publish", "--topic-arn", topic, "--message", structured, "--message-structure", "json",
               "--subject", "s", "--message-attributes", attributes)  # fmt: skip
    batch = sns("publish-batch", "--topic-arn", topic, "--publish-batch-request-entries", "Id=a,Message=one",
                "Id=b,Message=two,Subject=s")  # fmt: skip
    assert [one["Id"] for one in batch["Successful"]] == ["a", "b"]
    received = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10)["Messages"]
    first, *others = (json.loads(message["Body"]) for message in received)
    assert (first["Message"], first["Subject"], first["MessageId"]) == ("queues", "s", sent["MessageId"])
    assert first["MessageAttributes"] == {"k": {"Type": "Binary", "Value": "Ynl0ZXM="}}
    assert [one["Message"] for one in others] == ["one", "two"]


def phones(sns: CommandLine, node: LiveServer) -> None:
    number = "+15550100001"
    phone = ("--phone-number", number)
    assert sns("get-sms-sandbox-account-status") == {"IsInSandbox": True}
    sns("create-sms-sandbox-phone-number", *phone, "--language-code", "en-US")
    texts: list[Any] = []
    while not texts:
        texts = node.get("inbox?channel=sms&recipient=%2B15550100001")["Messages"]
    code = "".join(character for character in texts[0]["Message"] if character.isdigit())[:6]
    sns("verify-sms-sandbox-phone-number", *phone, "--one-time-password", code)
    assert sns("list-sms-sandbox-phone-numbers")["PhoneNumbers"] == [{"PhoneNumber": number, "Status": "Verified"}]
    assert sns("publish", *phone, "--message", "hello")["MessageId"]
    assert "(InvalidParameter)" in sns.refused("publish", "--phone-number", "none", "--message", "hello")
    sns("set-sms-attributes", "--attributes", "DefaultSMSType=Transactional,DefaultSenderID=Waypost")
    assert sns("get-sms-attributes", "--attributes", "DefaultSMSType") == {
        "attributes": {"DefaultSMSType": "Transactional"}
    }
    assert sns("check-if-phone-number-is-opted-out", *phone) == {"isOptedOut": False}
    assert sns("list-phone-numbers-opted-out") == {"phoneNumbers": []}
    assert sns("list-origination-numbers", "--max-results", "5") == {"PhoneNumbers": []}
    assert sns("opt-in-phone-number", *phone) is None
    # Which works a day later.
    assert "(UserError)" in sns.refused("delete-sms-sandbox-phone-number", *phone)


def applications(sns: CommandLine) -> None:
    app = sns("create-platform-application", "--name", "cli", "--platform", "GCM", "--attributes",
              "PlatformCredential=key")["PlatformApplicationArn"]  # fmt: skip
    named = ("--platform-application-arn", app)
    sns("set-platform-application-attributes", *named, "--attributes", "Enabled=true")
    assert sns("get-platform-application-attributes", *named)["Attributes"]["Enabled"] == "true"
    assert app in [one["PlatformApplicationArn"] for one in sns("list-platform-applications")["PlatformApplications"]]
    endpoint = sns("create-platform-endpoint", *named, "--token", "t", "--custom-user-data", "u", "--attributes",
                   "Enabled=true")["EndpointArn"]  # fmt: skip
    sns("set-endpoint-attributes", "--endpoint-arn", endpoint, "--attributes", "Enabled=false")
    shown = sns("get-endpoint-attributes", "--endpoint-arn", endpoint)["Attributes"]
    assert shown == {"Enabled": "false", "Token": "t", "CustomUserData": "u"}
    assert "(EndpointDisabled)" in sns.refused("publish", "--target-arn", endpoint, "--message", "m")
    listed = sns("list-endpoints-by-platform-application", *named)["Endpoints"]
    assert listed == [{"EndpointArn": endpoint, "Attributes": shown}]
    sns("delete-endpoint", "--endpoint-arn", endpoint)
    sns("delete-platform-application", *named)


@pytest.mark.parametrize(
    ("service", "command", "shown"), [("sqs", "create-queue --queue-name {}", "QueueUrl"),
                                      ("sns", "create-topic --name {}", "TopicArn")],
)  # fmt: skip
def test_the_program_itself(node: LiveServer, service: str, command: str, shown: str) -> None:
    """As people and scripts call it."""
    aws = str(Path(sys.executable).parent / "aws")
    words = command.format(f"program-{service}").split()
    done = subprocess.run(
        [aws, "--endpoint-url", node.url, service, *words], env=node.environment(), capture_output=True, text=True,
        timeout=120,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)[shown].endswith(f"program-{service}")


def test_the_pages_commands(node: LiveServer, tmp_path: Path) -> None:
    blocks = re.findall(r"^```sh\n(.*?)^```", PAGE.read_text("utf-8"), re.MULTILINE | re.DOTALL)
    script = "set -euo pipefail\n" + "".join(blocks)
    here = f"$(waypost env --port {node.url.rsplit(':', 1)[1]})"
    assert "$(waypost env)" in script
    done = subprocess.run(
        ["bash", "-c", script.replace("$(waypost env)", here)], cwd=tmp_path, capture_output=True, text=True,
        timeout=120, env={"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}", "HOME": str(tmp_path)},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert '"Body": "lamp"' in done.stdout
