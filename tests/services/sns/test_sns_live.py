"""SNS as stock clients see it: boto3 and the AWS CLI against a running server."""

import json
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError
from tests.conftest import LiveServer

REGION = "us-east-1"
ACCOUNT = "000000000000"
STRING = "message attribute type 'String'."
NO_KEY = (
    "Key 'alias/mine' does not exist: Waypost has no KMS. The AWS managed key alias/aws/sns is taken; encrypt the"
    " host's disk to encrypt what topics keep."
)


@pytest.fixture
def sns(server: LiveServer) -> Any:
    return server.client("sns")


@pytest.fixture
def sqs(server: LiveServer) -> Any:
    return server.client("sqs")


def queue_arn(name: str) -> str:
    return f"arn:aws:sqs:{REGION}:{ACCOUNT}:{name}"


def test_a_message_goes_through_a_topic(sns: Any, sqs: Any):
    topic = sns.create_topic(Name="live", Attributes={"DisplayName": "Live"}, Tags=[{"Key": "k", "Value": "v"}])
    url = sqs.create_queue(QueueName="live-sns")["QueueUrl"]
    subscription = sns.subscribe(
        TopicArn=topic["TopicArn"], Protocol="sqs", Endpoint=queue_arn("live-sns"),
        Attributes={"RawMessageDelivery": "true", "FilterPolicy": json.dumps({"colour": [{"prefix": "r"}]})},
    )  # fmt: skip
    assert subscription["SubscriptionArn"].startswith(topic["TopicArn"])
    attributes = {
        "colour": {"DataType": "String", "StringValue": "red"}, "b": {"DataType": "Binary", "BinaryValue": b"\x00\xff"},
    }  # fmt: skip
    assert sns.publish(TopicArn=topic["TopicArn"], Message="not wanted")["MessageId"]
    sns.publish(TopicArn=topic["TopicArn"], Message="wanted <&> ä", MessageAttributes=attributes)
    batch = sns.publish_batch(
        TopicArn=topic["TopicArn"],
        PublishBatchRequestEntries=[
            {"Id": "1", "Message": "first", "MessageAttributes": attributes}, {"Id": "2", "Message": ""},
        ],
    )  # fmt: skip
    assert [one["Id"] for one in batch["Successful"]] == ["1"]
    assert [(one["Id"], one["Code"], one["SenderFault"]) for one in batch["Failed"]] == [
        ("2", "InvalidParameter", True),
    ]  # fmt: skip
    received = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10, MessageAttributeNames=["All"])["Messages"]
    assert [message["Body"] for message in received] == ["wanted <&> ä", "first"]
    assert received[0]["MessageAttributes"] == attributes
    assert sns.list_tags_for_resource(ResourceArn=topic["TopicArn"])["Tags"] == [{"Key": "k", "Value": "v"}]


def test_a_waiting_receiver_gets_what_is_published(server: LiveServer, sns: Any, sqs: Any):
    topic = sns.create_topic(Name="live-wait")["TopicArn"]
    url = sqs.create_queue(QueueName="live-sns-wait")["QueueUrl"]
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=queue_arn("live-sns-wait"))
    program = (
        "import boto3, sys; sys.stdout.write('ready\\n'); sys.stdout.flush();"
        "m = boto3.client('sqs').receive_message(QueueUrl=sys.argv[1], WaitTimeSeconds=20)['Messages'][0];"
        "sys.stdout.write(m['Body'])"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program, url], stdout=subprocess.PIPE, text=True, env=server.environment()
    ) as receiver:
        assert receiver.stdout is not None
        assert receiver.stdout.readline() == "ready\n"
        sns.publish(TopicArn=topic, Message="here", Subject="s")
        body = json.loads(receiver.stdout.read())
    assert (body["Message"], body["Subject"]) == ("here", "s")


def test_errors_are_rendered_as_sns_does(sns: Any):
    for call, status, code, message in (
        (lambda: sns.create_topic(Name="a b"), 400, "InvalidParameter", "Invalid parameter: Topic Name"),
        (
            lambda: sns.get_topic_attributes(TopicArn=f"arn:aws:sns:{REGION}:{ACCOUNT}:nobody"),
            404, "NotFound", "Topic does not exist",
        ),
        (
            lambda: sns.publish(
                TopicArn=sns.create_topic(Name="live-errors")["TopicArn"], Message="x",
                MessageAttributes={"a": {"DataType": "String", "StringValue": ""}},
            ),
            400, "ParameterValueInvalid",
            f"The message attribute 'a' must contain non-empty message attribute value for {STRING}",
        ),
        (
            lambda: sns.create_topic(Name="live-key", Attributes={"KmsMasterKeyId": "alias/mine"}),
            400, "KMSNotFound", NO_KEY,
        ),
        (
            lambda: sns.list_tags_for_resource(ResourceArn=f"arn:aws:sns:{REGION}:{ACCOUNT}:nobody"),
            404, "ResourceNotFound", "Resource does not exist",
        ),
    ):  # fmt: skip
        with pytest.raises(ClientError) as caught:
            call()
        answer = caught.value.response
        assert answer["ResponseMetadata"]["HTTPStatusCode"] == status
        assert (answer["Error"]["Code"], answer["Error"]["Message"], answer["Error"]["Type"]) == (
            code, message, "Sender",
        )  # fmt: skip


def test_a_list_has_a_paginator(sns: Any):
    made = [sns.create_topic(Name=f"live-page-{number:03}")["TopicArn"] for number in range(101)]
    listed = [topic["TopicArn"] for page in sns.get_paginator("list_topics").paginate() for topic in page["Topics"]]
    assert [arn for arn in listed if "live-page" in arn] == made


def test_links_work_without_a_signature(server: LiveServer, sns: Any, sqs: Any):
    topic = sns.create_topic(Name="live-link")["TopicArn"]
    url = sqs.create_queue(QueueName="live-link")["QueueUrl"]
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=queue_arn("live-link"))
    sns.publish(TopicArn=topic, Message="x")
    link = json.loads(sqs.receive_message(QueueUrl=url)["Messages"][0]["Body"])["UnsubscribeURL"]
    assert link.startswith(server.url)
    wrong = f"{server.url}/?Action=ConfirmSubscription&TopicArn={topic}&Token=x"
    for address, status, said in (
        (link, 403, b"<Code>AuthorizationError</Code>"),  # a queue's end needs a signature, as AWS documents it
        (wrong, 400, b"<Message>Invalid token</Message>"),
    ):
        with pytest.raises(urllib.error.HTTPError) as caught:
            urllib.request.urlopen(address, timeout=30)
        with caught.value as answer:
            assert (answer.status, said in answer.read()) == (status, True)
    assert len(sns.list_subscriptions_by_topic(TopicArn=topic)["Subscriptions"]) == 1
    gone = link.replace("live-link", "live-gone")
    with urllib.request.urlopen(gone, timeout=30) as response:
        assert b"<UnsubscribeResponse" in response.read()


def test_a_fifo_topic_keeps_its_order(sns: Any, sqs: Any):
    topic = sns.create_topic(Name="live.fifo", Attributes={"FifoTopic": "true", "ContentBasedDeduplication": "true"})[
        "TopicArn"
    ]
    url = sqs.create_queue(QueueName="live-sns.fifo", Attributes={"FifoQueue": "true"})["QueueUrl"]
    sns.subscribe(
        TopicArn=topic, Protocol="sqs", Endpoint=queue_arn("live-sns.fifo"), Attributes={"RawMessageDelivery": "true"}
    )
    numbers = [
        sns.publish(TopicArn=topic, Message=f"m{number}", MessageGroupId="g")["SequenceNumber"] for number in range(5)
    ]
    assert numbers == sorted(set(numbers))
    received = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10)["Messages"]
    assert [message["Body"] for message in received] == [f"m{number}" for number in range(5)]


def test_a_topic_as_terraform_makes_and_unmakes_it(sns: Any, sqs: Any):
    """The calls of its AWS provider for aws_sns_topic, _topic_policy and _topic_subscription, read back unchanged."""
    topic = sns.create_topic(Name="tf.fifo", Attributes={"FifoTopic": "true"}, Tags=[{"Key": "k", "Value": "v"}])[
        "TopicArn"
    ]
    wanted = {
        "ContentBasedDeduplication": "true", "DisplayName": "tf", "SignatureVersion": "2",
        "FifoThroughputScope": "MessageGroup", "ArchivePolicy": '{"MessageRetentionPeriod":"30"}',
    }  # fmt: skip
    for name, value in wanted.items():
        sns.set_topic_attributes(TopicArn=topic, AttributeName=name, AttributeValue=value)
    policy = json.dumps({
        "Version": "2012-10-17", "Id": "p",
        "Statement": [{
            "Sid": "s", "Effect": "Allow", "Principal": {"Service": "events.amazonaws.com"}, "Action": "sns:Publish",
            "Resource": topic,
        }],
    })  # fmt: skip
    sns.set_topic_attributes(TopicArn=topic, AttributeName="Policy", AttributeValue=policy)
    shown = sns.get_topic_attributes(TopicArn=topic)["Attributes"]
    assert {name: shown[name] for name in wanted} == wanted
    assert (shown["Policy"], shown["FifoTopic"], shown["Owner"]) == (policy, "true", ACCOUNT)

    sqs.create_queue(QueueName="tf.fifo", Attributes={"FifoQueue": "true"})
    redrive = json.dumps({"deadLetterTargetArn": queue_arn("tf-dead.fifo")})
    wanted = {
        "FilterPolicy": '{"a":{"b":["c"]}}', "FilterPolicyScope": "MessageBody", "RawMessageDelivery": "true",
        "RedrivePolicy": redrive,
    }  # fmt: skip
    made = sns.subscribe(
        TopicArn=topic, Protocol="sqs", Endpoint=queue_arn("tf.fifo"), Attributes=wanted, ReturnSubscriptionArn=True
    )["SubscriptionArn"]
    shown = sns.get_subscription_attributes(SubscriptionArn=made)["Attributes"]
    assert {name: shown[name] for name in wanted} == wanted
    assert (shown["PendingConfirmation"], shown["ConfirmationWasAuthenticated"]) == ("false", "true")
    # As it removes them: a policy that wants everything, and no value at all.
    sns.set_subscription_attributes(SubscriptionArn=made, AttributeName="FilterPolicy", AttributeValue="{}")
    sns.set_subscription_attributes(SubscriptionArn=made, AttributeName="RedrivePolicy")
    shown = sns.get_subscription_attributes(SubscriptionArn=made)["Attributes"]
    assert not shown.keys() & {"FilterPolicy", "FilterPolicyScope", "RedrivePolicy"}

    sns.unsubscribe(SubscriptionArn=made)
    with pytest.raises(sns.exceptions.NotFoundException):
        sns.get_subscription_attributes(SubscriptionArn=made)
    sns.set_topic_attributes(TopicArn=topic, AttributeName="ArchivePolicy", AttributeValue="{}")
    sns.delete_topic(TopicArn=topic)
    with pytest.raises(sns.exceptions.NotFoundException):
        sns.get_topic_attributes(TopicArn=topic)


def test_the_command_line_speaks_to_it(server: LiveServer):
    aws = str(Path(sys.executable).parent / "aws")

    def run(*arguments: str) -> Any:
        done = subprocess.run(
            [aws, "sns", *arguments], env=server.environment(), capture_output=True, text=True, timeout=120
        )
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout) if done.stdout.strip() else None

    topic = run("create-topic", "--name", "cli", "--attributes", "DisplayName=Cli")["TopicArn"]
    run("set-topic-attributes", "--topic-arn", topic, "--attribute-name", "DisplayName", "--attribute-value", "Other")
    assert run("get-topic-attributes", "--topic-arn", topic)["Attributes"]["DisplayName"] == "Other"
    made = run(
        "subscribe", "--topic-arn", topic, "--protocol", "sqs", "--notification-endpoint", queue_arn("cli"),
        "--attributes", '{"FilterPolicy":"{\\"a\\":[\\"b\\"]}"}', "--return-subscription-arn",
    )["SubscriptionArn"]  # fmt: skip
    assert run("get-subscription-attributes", "--subscription-arn", made)["Attributes"]["FilterPolicy"] == '{"a":["b"]}'
    assert run("publish", "--topic-arn", topic, "--message", "hello", "--subject", "s")["MessageId"]
    run("tag-resource", "--resource-arn", topic, "--tags", "Key=k,Value=v")
    run("add-permission", "--topic-arn", topic, "--label", "l", "--aws-account-id", ACCOUNT, "--action-name", "Publish")
    run("remove-permission", "--topic-arn", topic, "--label", "l")
    run("unsubscribe", "--subscription-arn", made)
    run("delete-topic", "--topic-arn", topic)
    assert topic not in json.dumps(run("list-topics"))
