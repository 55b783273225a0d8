"""boto3 against a running server: every paginator, the resources, every error that can be had, and what retries do."""

import json
import re
import socket
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import boto3
import pytest
from tests.conftest import LiveServer, start_server

ACCOUNT = "000000000901"
REGION = "us-east-1"
NOBODY = f"arn:aws:sns:{REGION}:{ACCOUNT}:nobody"
PAGE = Path(__file__).parents[2] / "docs/clients.md"
OLDER = Path(__file__).parent / "older"
OLDER_FOLDER = Path(sys.prefix) / "older-boto3"


@pytest.fixture
def sqs(node: LiveServer) -> Any:
    return node.client("sqs", account=ACCOUNT)


@pytest.fixture
def sns(node: LiveServer) -> Any:
    return node.client("sns", account=ACCOUNT)


@pytest.fixture
def url(sqs: Any, request: pytest.FixtureRequest) -> str:
    name = re.sub(r"[^A-Za-z0-9_-]", "-", request.node.name)[:80]
    return sqs.create_queue(QueueName=name)["QueueUrl"]


def pages(client: Any, operation: str, key: str, **request: Any) -> list[list[Any]]:
    return [page.get(key, []) for page in client.get_paginator(operation).paginate(**request)]


# --- paginators


def test_the_paginators_of_sqs(sqs: Any) -> None:
    dead = sqs.create_queue(QueueName="dead-pages")["QueueUrl"]
    redrive = json.dumps({"deadLetterTargetArn": f"arn:aws:sqs:{REGION}:{ACCOUNT}:dead-pages", "maxReceiveCount": "3"})
    urls = [
        sqs.create_queue(QueueName=f"page-{number}", Attributes={"RedrivePolicy": redrive})["QueueUrl"]
        for number in range(7)
    ]
    few = {"PaginationConfig": {"PageSize": 3}}
    assert pages(sqs, "list_queues", "QueueUrls", QueueNamePrefix="page-", **few) == [urls[:3], urls[3:6], urls[6:]]
    found = pages(sqs, "list_dead_letter_source_queues", "queueUrls", QueueUrl=dead, **few)
    assert found == [urls[:3], urls[3:6], urls[6:]]


def test_the_paginators_of_sns(sns: Any) -> None:
    """All eight, with more than fits on one page where that can be had."""
    topics = [sns.create_topic(Name=f"page-{number:03}")["TopicArn"] for number in range(101)]
    found = pages(sns, "list_topics", "Topics")
    assert len(found) > 1
    assert [one["TopicArn"] for page in found for one in page if ":page-" in one["TopicArn"]] == topics
    subscribed = {
        sns.subscribe(
            TopicArn=topics[0], Protocol="sqs", Endpoint=f"arn:aws:sqs:{REGION}:{ACCOUNT}:page-{number}",
            ReturnSubscriptionArn=True,
        )["SubscriptionArn"]
        for number in range(101)
    }  # fmt: skip
    for found in (
        pages(sns, "list_subscriptions", "Subscriptions"),
        pages(sns, "list_subscriptions_by_topic", "Subscriptions", TopicArn=topics[0]),
    ):
        assert len(found) > 1
        assert {one["SubscriptionArn"] for page in found for one in page} >= subscribed
    app = {"Platform": "GCM", "Attributes": {"PlatformCredential": "key"}}
    apps = {
        sns.create_platform_application(Name=f"page-{number}", **app)["PlatformApplicationArn"] for number in range(101)
    }
    found = pages(sns, "list_platform_applications", "PlatformApplications")
    assert len(found) > 1
    assert {one["PlatformApplicationArn"] for page in found for one in page} >= apps
    some = {"PlatformApplicationArn": min(apps)}
    endpoints = {sns.create_platform_endpoint(Token=f"t{number}", **some)["EndpointArn"] for number in range(101)}
    found = pages(sns, "list_endpoints_by_platform_application", "Endpoints", **some)
    assert len(found) > 1
    assert {one["EndpointArn"] for page in found for one in page} == endpoints
    phones = [f"+1555010{number:04}" for number in range(2)]
    for phone in phones:
        sns.create_sms_sandbox_phone_number(PhoneNumber=phone)
    few = {"PaginationConfig": {"PageSize": 1}}
    found = pages(sns, "list_sms_sandbox_phone_numbers", "PhoneNumbers", **few)
    assert [[one["PhoneNumber"] for one in page] for page in found] == [[phone] for phone in phones]
    assert pages(sns, "list_phone_numbers_opted_out", "phoneNumbers") == [[]]
    assert pages(sns, "list_origination_numbers", "PhoneNumbers", **few) == [[]]


# --- resources


def resource(node: LiveServer, service: str) -> Any:
    return boto3.session.Session().resource(
        service, endpoint_url=node.url, region_name=REGION, aws_access_key_id=ACCOUNT, aws_secret_access_key="test"
    )


def test_the_resources_of_sqs(node: LiveServer) -> None:
    sqs = resource(node, "sqs")
    dead = sqs.create_queue(QueueName="resource-dead")
    redrive = json.dumps({"deadLetterTargetArn": dead.attributes["QueueArn"], "maxReceiveCount": 5})
    queue = sqs.create_queue(QueueName="resource", Attributes={"RedrivePolicy": redrive})
    assert sqs.get_queue_by_name(QueueName="resource").url == queue.url
    assert queue.url in {one.url for one in sqs.queues.filter(QueueNamePrefix="resource")}
    assert [one.url for one in dead.dead_letter_source_queues.all()] == [queue.url]
    queue.set_attributes(Attributes={"VisibilityTimeout": "45"})
    queue.reload()
    assert queue.attributes["VisibilityTimeout"] == "45"
    queue.add_permission(Label="l", AWSAccountIds=["111111111111"], Actions=["SendMessage"])
    queue.remove_permission(Label="l")
    attributes = {"kind": {"DataType": "String", "StringValue": "k"}}
    queue.send_message(MessageBody="one", MessageAttributes=attributes)
    queue.send_messages(Entries=[{"Id": "a", "MessageBody": "two"}, {"Id": "b", "MessageBody": "three"}])
    one, two, three = queue.receive_messages(
        MaxNumberOfMessages=10, MessageAttributeNames=["All"], AttributeNames=["All"]
    )
    assert [message.body for message in (one, two, three)] == ["one", "two", "three"]
    assert one.message_attributes == attributes
    assert one.attributes["ApproximateReceiveCount"] == "1"
    one.delete()
    two.change_visibility(VisibilityTimeout=0)
    (two,) = queue.receive_messages(MaxNumberOfMessages=10)
    handles = [{"Id": str(n), "ReceiptHandle": message.receipt_handle} for n, message in enumerate((two, three))]
    longer = [{**entry, "VisibilityTimeout": 60} for entry in handles]
    assert len(queue.change_message_visibility_batch(Entries=longer)["Successful"]) == 2
    assert len(queue.delete_messages(Entries=handles)["Successful"]) == 2
    queue.purge()
    queue.delete()
    with pytest.raises(sqs.meta.client.exceptions.QueueDoesNotExist):
        queue.reload()


def test_the_resources_of_sns(node: LiveServer) -> None:
    sns, sqs = resource(node, "sns"), resource(node, "sqs")
    queue = sqs.create_queue(QueueName="resource-sns")
    topic = sns.create_topic(Name="resource")
    topic.set_attributes(AttributeName="DisplayName", AttributeValue="d")
    topic.reload()
    assert topic.attributes["DisplayName"] == "d"
    subscription = topic.subscribe(
        Protocol="sqs", Endpoint=queue.attributes["QueueArn"], ReturnSubscriptionArn=True,
        Attributes={"RawMessageDelivery": "true"},
    )  # fmt: skip
    assert subscription.attributes["TopicArn"] == topic.arn
    assert [one.arn for one in topic.subscriptions.all()] == [subscription.arn]
    assert subscription.arn in {one.arn for one in sns.subscriptions.all()}
    assert topic.arn in {one.arn for one in sns.topics.all()}
    topic.publish(Message="hello")
    assert [message.body for message in queue.receive_messages()] == ["hello"]
    subscription.delete()
    app = sns.create_platform_application(Name="resource", Platform="GCM", Attributes={"PlatformCredential": "key"})
    endpoint = app.create_platform_endpoint(Token="t")
    endpoint.set_attributes(Attributes={"Enabled": "true", "CustomUserData": "u"})
    assert [one.attributes["CustomUserData"] for one in app.endpoints.all()] == ["u"]
    assert endpoint.publish(Message="m")["MessageId"]
    endpoint.delete()
    app.delete()
    topic.delete()
    with pytest.raises(sns.meta.client.exceptions.NotFoundException):
        topic.reload()


# --- errors

Provoke = Callable[[Any, str], Any]


def _entries(*ids: str, body: str = "b") -> list[dict[str, str]]:
    return [{"Id": one, "MessageBody": body} for one in ids]


def _twice(call: Callable[[], Any]) -> None:
    call()
    call()


def _made_again(sqs: Any, url: str) -> None:
    sqs.delete_queue(QueueUrl=url)
    sqs.create_queue(QueueName=url.rsplit("/", 1)[1])


SQS_ERRORS: dict[str, tuple[str, int, Provoke]] = {
    "BatchEntryIdsNotDistinct": (
        "AWS.SimpleQueueService.BatchEntryIdsNotDistinct", 400,
        lambda sqs, url: sqs.send_message_batch(QueueUrl=url, Entries=_entries("a", "a")),
    ),
    "BatchRequestTooLong": (
        "AWS.SimpleQueueService.BatchRequestTooLong", 400,
        lambda sqs, url: sqs.send_message_batch(QueueUrl=url, Entries=_entries("a", "b", body="x" * 600_000)),
    ),
    "EmptyBatchRequest": (
        "AWS.SimpleQueueService.EmptyBatchRequest", 400,
        lambda sqs, url: sqs.delete_message_batch(QueueUrl=url, Entries=[]),
    ),
    "InvalidAddress": ("InvalidAddress", 404, lambda sqs, _: sqs.purge_queue(QueueUrl="http://localhost/a/b/c/d")),
    "InvalidAttributeName": (
        "InvalidAttributeName", 400, lambda sqs, url: sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["Size"])
    ),
    "InvalidAttributeValue": (
        "InvalidAttributeValue", 400,
        lambda sqs, url: sqs.set_queue_attributes(QueueUrl=url, Attributes={"DelaySeconds": "901"}),
    ),
    "InvalidBatchEntryId": (
        "AWS.SimpleQueueService.InvalidBatchEntryId", 400,
        lambda sqs, url: sqs.send_message_batch(QueueUrl=url, Entries=_entries("a b")),
    ),
    "InvalidMessageContents": (
        "InvalidMessageContents", 400, lambda sqs, url: sqs.send_message(QueueUrl=url, MessageBody="\x00")
    ),
    "KmsNotFound": (
        "KMS.NotFoundException", 400,
        lambda sqs, url: sqs.set_queue_attributes(QueueUrl=url, Attributes={"KmsMasterKeyId": "alias/mine"}),
    ),
    "PurgeQueueInProgress": (
        "AWS.SimpleQueueService.PurgeQueueInProgress", 403,
        lambda sqs, url: _twice(lambda: sqs.purge_queue(QueueUrl=url)),
    ),
    "QueueDeletedRecently": ("AWS.SimpleQueueService.QueueDeletedRecently", 400, _made_again),
    "QueueDoesNotExist": (
        "AWS.SimpleQueueService.NonExistentQueue", 400, lambda sqs, _: sqs.get_queue_url(QueueName="nobody")
    ),
    "QueueNameExists": (
        "QueueAlreadyExists", 400,
        lambda sqs, url: sqs.create_queue(QueueName=url.rsplit("/", 1)[1], Attributes={"DelaySeconds": "7"}),
    ),
    "ReceiptHandleIsInvalid": (
        "ReceiptHandleIsInvalid", 404, lambda sqs, url: sqs.delete_message(QueueUrl=url, ReceiptHandle="none")
    ),
    "ResourceNotFoundException": (
        "ResourceNotFoundException", 404,
        lambda sqs, _: sqs.start_message_move_task(SourceArn=f"arn:aws:sqs:{REGION}:{ACCOUNT}:nobody"),
    ),
    "TooManyEntriesInBatchRequest": (
        "AWS.SimpleQueueService.TooManyEntriesInBatchRequest", 400,
        lambda sqs, url: sqs.send_message_batch(QueueUrl=url, Entries=_entries(*"abcdefghijk")),
    ),
    "UnsupportedOperation": (
        "AWS.SimpleQueueService.UnsupportedOperation", 400,
        lambda sqs, url: sqs.send_message(
            QueueUrl=url, MessageBody="b", MessageAttributes={"a": {"DataType": "String", "StringListValues": ["x"]}}
        ),
    ),
}  # fmt: skip
"""By the name of boto3's class: code, status, and a call that ends so."""

SQS_OTHERS = {
    # There is no KMS, nothing is throttled, requests without TLS are welcome, and handles have had one form only.
    "KmsAccessDenied", "KmsDisabled", "KmsInvalidKeyUsage", "KmsInvalidState", "KmsOptInRequired", "KmsThrottled",
    "RequestThrottled", "InvalidSecurity", "InvalidIdFormat",
    # 120,000 messages in flight: tried beside the code. AWS says InvalidParameterValue of a message not in flight.
    "OverLimit", "MessageNotInflight",
}  # fmt: skip


@pytest.mark.parametrize("name", SQS_ERRORS)
def test_an_error_of_sqs_is_a_class_of_boto3(sqs: Any, url: str, name: str) -> None:
    code, status, provoke = SQS_ERRORS[name]
    kind = getattr(sqs.exceptions, name)
    with pytest.raises(kind) as caught:
        provoke(sqs, url)
    answer = caught.value.response
    assert type(caught.value) is kind
    assert (answer["Error"]["Code"], answer["ResponseMetadata"]["HTTPStatusCode"]) == (code, status)
    assert (answer["Error"]["QueryErrorCode"], answer["Error"]["Type"]) == (name, "Sender")
    assert answer["Error"]["Message"]


def _batch(*ids: str, message: str = "m") -> list[dict[str, str]]:
    return [{"Id": one, "Message": message} for one in ids]


def _archived(sns: Any, _topic: str) -> None:
    archive = {"FifoTopic": "true", "ArchivePolicy": '{"MessageRetentionPeriod":"1"}'}
    sns.delete_topic(TopicArn=sns.create_topic(Name="archived.fifo", Attributes=archive)["TopicArn"])


def _device(sns: Any, name: str, *, app: str = "true", endpoint: str = "true") -> None:
    made = sns.create_platform_application(Name=name, Platform="GCM", Attributes={"PlatformCredential": "key"})
    named = {"PlatformApplicationArn": made["PlatformApplicationArn"]}
    device = sns.create_platform_endpoint(Token="t", Attributes={"Enabled": endpoint}, **named)["EndpointArn"]
    sns.set_platform_application_attributes(Attributes={"Enabled": app}, **named)
    sns.publish(TargetArn=device, Message="m")


def _wrong_code(sns: Any, _topic: str) -> None:
    sns.create_sms_sandbox_phone_number(PhoneNumber="+15550109001")
    sns.verify_sms_sandbox_phone_number(PhoneNumber="+15550109001", OneTimePassword="12345")


def _hasty(sns: Any, _topic: str) -> None:
    sns.create_sms_sandbox_phone_number(PhoneNumber="+15550109002")
    sns.delete_sms_sandbox_phone_number(PhoneNumber="+15550109002")


def _impatient(sns: Any, _topic: str) -> None:
    for _ in range(50):
        sns.create_sms_sandbox_phone_number(PhoneNumber="+15550109003")


SNS_ERRORS: dict[str, tuple[str, int, Provoke]] = {
    "AuthorizationErrorException": (
        "AuthorizationError", 403,
        lambda sns, _: sns.delete_platform_application(
            PlatformApplicationArn=f"arn:aws:sns:{REGION}:111111111111:app/GCM/theirs"
        ),
    ),
    "BatchEntryIdsNotDistinctException": (
        "BatchEntryIdsNotDistinct", 400,
        lambda sns, topic: sns.publish_batch(TopicArn=topic, PublishBatchRequestEntries=_batch("a", "a")),
    ),
    "BatchRequestTooLongException": (
        "BatchRequestTooLong", 400,
        lambda sns, topic: sns.publish_batch(
            TopicArn=topic, PublishBatchRequestEntries=_batch("a", "b", message="x" * 200_000)
        ),
    ),
    "EmptyBatchRequestException": (
        "EmptyBatchRequest", 400, lambda sns, topic: sns.publish_batch(TopicArn=topic, PublishBatchRequestEntries=[])
    ),
    "EndpointDisabledException": ("EndpointDisabled", 400, lambda sns, _: _device(sns, "off", endpoint="false")),
    "InvalidBatchEntryIdException": (
        "InvalidBatchEntryId", 400,
        lambda sns, topic: sns.publish_batch(TopicArn=topic, PublishBatchRequestEntries=_batch("a b")),
    ),
    "InvalidParameterException": ("InvalidParameter", 400, lambda sns, _: sns.create_topic(Name="a b")),
    "InvalidParameterValueException": (
        "ParameterValueInvalid", 400,
        lambda sns, topic: sns.publish(
            TopicArn=topic, Message="m", MessageAttributes={"a": {"DataType": "Other", "StringValue": "x"}}
        ),
    ),
    "InvalidStateException": ("InvalidState", 400, _archived),
    "KMSNotFoundException": (
        "KMSNotFound", 400, lambda sns, _: sns.create_topic(Name="key", Attributes={"KmsMasterKeyId": "alias/mine"})
    ),
    "NotFoundException": ("NotFound", 404, lambda sns, _: sns.get_topic_attributes(TopicArn=NOBODY)),
    "PlatformApplicationDisabledException": (
        "PlatformApplicationDisabled", 400, lambda sns, _: _device(sns, "app-off", app="false")
    ),
    "ResourceNotFoundException": (
        "ResourceNotFound", 404, lambda sns, _: sns.list_tags_for_resource(ResourceArn=NOBODY)
    ),
    "TagLimitExceededException": (
        "TagLimitExceeded", 400,
        lambda sns, topic: sns.tag_resource(
            ResourceArn=topic, Tags=[{"Key": str(number), "Value": "v"} for number in range(51)]
        ),
    ),
    "ThrottledException": ("Throttled", 429, _impatient),
    "TooManyEntriesInBatchRequestException": (
        "TooManyEntriesInBatchRequest", 400,
        lambda sns, topic: sns.publish_batch(TopicArn=topic, PublishBatchRequestEntries=_batch(*"abcdefghijk")),
    ),
    "UserErrorException": ("UserError", 400, _hasty),
    "VerificationException": ("VerificationException", 400, _wrong_code),
}  # fmt: skip

SNS_OTHERS = {
    # There is no KMS, no request is signed in vain, and no tag has a rule.
    "KMSAccessDeniedException", "KMSDisabledException", "KMSInvalidStateException", "KMSOptInRequired",
    "KMSThrottlingException", "InvalidSecurityException", "TagPolicyException", "StaleTagException",
    "ConcurrentAccessException", "InternalErrorException", "ReplayLimitExceededException", "ValidationException",
    # Too many of something, or a phone that said STOP: tried beside the code.
    "FilterPolicyLimitExceededException", "SubscriptionLimitExceededException", "TopicLimitExceededException",
    "OptedOutException",
}  # fmt: skip


@pytest.mark.parametrize("name", SNS_ERRORS)
def test_an_error_of_sns_is_a_class_of_boto3(sns: Any, name: str) -> None:
    code, status, provoke = SNS_ERRORS[name]
    topic = sns.create_topic(Name=f"error-{name}")["TopicArn"]
    kind = getattr(sns.exceptions, name)
    with pytest.raises(kind) as caught:
        provoke(sns, topic)
    answer = caught.value.response
    assert type(caught.value) is kind
    assert (answer["Error"]["Code"], answer["ResponseMetadata"]["HTTPStatusCode"]) == (code, status)
    assert answer["Error"]["Type"] == "Sender"
    assert answer["Error"]["Message"]


def test_every_error_of_the_models_is_tried_or_known(sqs: Any, sns: Any) -> None:
    for client, tried, others in ((sqs, SQS_ERRORS, SQS_OTHERS), (sns, SNS_ERRORS, SNS_OTHERS)):
        assert {shape.name for shape in client.meta.service_model.error_shapes} == tried.keys() | others
        assert not tried.keys() & others


# --- retries


def test_a_client_that_retries_outlives_a_crash(tmp_path: Path) -> None:
    """The server is killed and started again while its clients go on; none of them sees an error, nothing is lost."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    running = start_server(tmp_path / "data", "--port", port)
    patient = {"retries": {"mode": "standard", "total_max_attempts": 20}}
    sqs, sns = running.client("sqs", **patient), running.client("sns", **patient)
    url = sqs.create_queue(QueueName="patient")["QueueUrl"]
    topic = sns.create_topic(Name="patient")["TopicArn"]
    arn = "arn:aws:sqs:us-east-1:000000000000:patient"
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn, Attributes={"RawMessageDelivery": "true"})
    running.kill()
    with ThreadPoolExecutor(2) as pool:
        calls = [
            pool.submit(sqs.send_message, QueueUrl=url, MessageBody="sent"),
            pool.submit(sns.publish, TopicArn=topic, Message="published"),
        ]
        again = start_server(tmp_path / "data", "--port", port)
        attempts = [call.result()["ResponseMetadata"]["RetryAttempts"] for call in calls]
    assert max(attempts) > 0
    received = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10, WaitTimeSeconds=5)["Messages"]
    assert sorted(message["Body"] for message in received) == ["published", "sent"]
    assert again.stop() == 0


# --- an older boto3, which speaks Query to SQS


@pytest.fixture(scope="module")
def older() -> Path:
    """The last releases before SQS's JSON; fetched once, into the environment of the tests."""
    wanted = (OLDER / "requirements.txt").read_text()
    installed = OLDER_FOLDER / "requirements.txt"
    if not installed.exists() or installed.read_text() != wanted:
        done = subprocess.run(
            [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--upgrade", "--target", str(OLDER_FOLDER),
             "-r", str(OLDER / "requirements.txt")],
            capture_output=True, text=True, timeout=300,
        )  # fmt: skip
        if done.returncode != 0:
            pytest.skip(f"pip cannot fetch an older boto3 here: {done.stderr[-500:]}")
        installed.write_text(wanted)
    return OLDER_FOLDER


def test_an_older_boto3_speaks_query(node: LiveServer, older: Path) -> None:
    done = subprocess.run(
        [sys.executable, str(OLDER / "sqs.py"), node.url], capture_output=True, text=True, timeout=120,
        env={**node.environment(), "PYTHONPATH": str(older)},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert set(json.loads(done.stdout)) == set(node.client("sqs").meta.service_model.operation_names)


# --- the page


def test_the_pages_example(node: LiveServer, tmp_path: Path) -> None:
    (example,) = re.findall(r"^```python\n(.*?)^```", PAGE.read_text("utf-8"), re.MULTILINE | re.DOTALL)
    script = tmp_path / "example.py"
    script.write_text(example.replace("http://127.0.0.1:4566", node.url))
    done = subprocess.run(
        [sys.executable, str(script)], env=node.environment(), capture_output=True, text=True, timeout=120
    )
    assert (done.stdout, done.returncode) == ("lamp\n", 0), done.stderr
