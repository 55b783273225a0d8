"""Delivery status logging: lines in CloudWatch Logs for a topic that names roles, laid out as AWS was recorded to."""

import hashlib
import json
from typing import Any

import pytest
from tests.outside import WebServer
from tests.services.sns.carrier import Carrier
from tests.services.sns.world import ACCOUNT, OTHER, REGION, World

from waypost.aws.errors import AwsError
from waypost.services.sns.rules.feedback import Feedback, read_feedback

ROLE = f"arn:aws:iam::{ACCOUNT}:role/feedback"
GROUP = f"sns/{REGION}/{ACCOUNT}/t"


def roles(prefix: str, **rate: str) -> dict[str, str]:
    return {f"{prefix}SuccessFeedbackRoleArn": ROLE, f"{prefix}FailureFeedbackRoleArn": ROLE, **rate}


def test_what_is_delivered_is_logged(world: World):
    topic, queue = world.topic(**roles("SQS", SQSSuccessFeedbackSampleRate="100")), world.queue()
    world.subscribe(topic, queue)
    message_id = world.publish(topic, "hällo")["MessageId"]
    world.pass_s(1)
    assert world.work("sns.log") == 1
    (line,) = world.logged(GROUP)
    assert list(line) == ["notification", "delivery", "status"]
    assert line["notification"] == {
        "messageMD5Sum": hashlib.md5("hällo".encode()).hexdigest(), "messageId": message_id, "topicArn": topic,
        "timestamp": "2023-11-14 22:13:20.000",
    }  # fmt: skip
    assert len(line["delivery"].pop("deliveryId")) == 36
    assert line["delivery"] == {
        "destination": queue, "providerResponse": '{"sqsRequestId": "r"}', "dwellTimeMs": 0, "statusCode": 200,
    }  # fmt: skip
    assert line["status"] == "SUCCESS"
    with pytest.raises(AwsError, match="log group does not exist"):
        world.logged(f"{GROUP}/Failure")


def test_what_is_given_up_is_logged(world: World):
    topic = world.topic(SQSFailureFeedbackRoleArn=ROLE)
    there, gone = world.queue(), f"arn:aws:sqs:{REGION}:{ACCOUNT}:gone"
    world.subscribe(topic, there)
    world.subscribe(topic, gone)
    world.publish(topic)
    world.work("sns.log")
    (line,) = world.logged(f"{GROUP}/Failure")
    assert (line["status"], line["delivery"]["destination"]) == ("FAILURE", gone)
    assert (line["delivery"]["statusCode"], line["delivery"]["attempts"]) == (400, 1)
    assert line["delivery"]["providerResponse"]
    with pytest.raises(AwsError):
        world.logged(GROUP)


def test_a_topic_without_roles_logs_nothing(world: World):
    topic = world.topic(SQSSuccessFeedbackSampleRate="100")
    world.subscribe(topic, world.queue())
    world.subscribe(topic, f"arn:aws:sqs:{REGION}:{ACCOUNT}:gone")
    world.publish(topic)
    assert world.jobs("sns.log") == 0


def test_a_sample_of_what_succeeds_is_logged_and_all_that_fails(world: World):
    topic = world.topic(**roles("SQS", SQSSuccessFeedbackSampleRate="30"))
    world.subscribe(topic, world.queue())
    world.subscribe(topic, f"arn:aws:sqs:{REGION}:{ACCOUNT}:gone")
    for _ in range(100):
        world.publish(topic)
    world.work("sns.log")
    assert 10 < len(world.logged(GROUP)) < 60
    assert len(world.logged(f"{GROUP}/Failure")) == 100
    world.set_topic(topic, "SQSSuccessFeedbackSampleRate", "0")
    world.publish(topic)
    assert world.jobs("sns.log") == 1


def test_lines_lie_with_the_topics_owner(world: World):
    topic = world.topic(**roles("SQS"))
    theirs = world.queue("theirs", account=OTHER)
    world.run("Subscribe", {"TopicArn": topic, "Protocol": "sqs", "Endpoint": theirs}, account=OTHER)
    world.run("Publish", {"TopicArn": topic, "Message": "x"}, account=OTHER)
    world.work("sns.log")
    assert [line["delivery"]["destination"] for line in world.logged(GROUP)] == [theirs]
    with pytest.raises(AwsError):
        world.logged(GROUP, account=OTHER)


@pytest.mark.parametrize(
    ("given", "found"),
    [
        ({}, {}),
        ({"HTTPSuccessFeedbackSampleRate": "50"}, {}),
        ({"HTTPSuccessFeedbackRoleArn": ROLE, "HTTPSuccessFeedbackSampleRate": "0"}, {}),
        ({"LambdaSuccessFeedbackRoleArn": ROLE}, {"lambda": Feedback(1, False)}),
        (
            roles("HTTP", HTTPSuccessFeedbackSampleRate="50"),
            {"http": Feedback(0.5, True), "https": Feedback(0.5, True)},
        ),
        ({"ApplicationFailureFeedbackRoleArn": ROLE}, {"application": Feedback(0, True)}),
        (roles("Firehose"), {}),
    ],
)
def test_what_attributes_ask_for(given: dict[str, str], found: dict[str, Any]):
    assert read_feedback(given) == found


# --- outside


async def test_web_servers_answers_are_logged(carrier: Carrier, web: WebServer) -> None:
    topic = await carrier.topic(**roles("HTTP"))
    group = "sns/us-east-1/000000000000/t"
    await carrier.subscribe(topic, "http", web.url.replace("://", "://kay:secret@"))
    web.answers = [(200, {}, b"thanks" * 1_000), 503, 503, 503, (503, {}, b"closed")]
    await carrier.publish(topic, "one")
    (line,) = await carrier.logged(group)
    assert (line["delivery"]["statusCode"], line["status"]) == (200, "SUCCESS")
    assert line["delivery"]["destination"] == f"http://kay:****@127.0.0.1:{web.port}"
    assert line["delivery"]["providerResponse"] == ("thanks" * 1_000)[:1_024]
    await carrier.publish(topic, "two")
    for _ in range(3):
        await carrier.pass_s(20)
    (line,) = await carrier.logged(f"{group}/Failure")
    assert (line["delivery"]["statusCode"], line["delivery"]["attempts"]) == (503, 4)
    assert line["delivery"]["dwellTimeMs"] > 50_000
    assert len(await carrier.logged(group)) == 1


async def test_who_does_not_answer_has_no_status(carrier: Carrier, web: WebServer) -> None:
    topic = await carrier.topic(**roles("HTTP"))
    await carrier.subscribe(topic, "http", web.url)
    await web.close()
    await carrier.publish(topic)
    for _ in range(3):
        await carrier.pass_s(20)
    (line,) = await carrier.logged("sns/us-east-1/000000000000/t/Failure")
    assert "statusCode" not in line["delivery"]
    assert "connect" in line["delivery"]["providerResponse"].lower()


async def test_invocations_are_logged(carrier: Carrier) -> None:
    topic = await carrier.topic(**roles("Lambda"))
    group = "sns/us-east-1/000000000000/t"
    function = "arn:aws:lambda:us-east-1:000000000000:function:f"
    await carrier.subscribe(topic, "lambda", function)
    await carrier.publish(topic)
    (line,) = await carrier.logged(group)
    assert (line["delivery"]["statusCode"], line["delivery"]["destination"]) == (202, function)
    assert list(json.loads(line["delivery"]["providerResponse"])) == ["lambdaRequestId"]
    carrier.gone = True
    await carrier.publish(topic)
    (line,) = await carrier.logged(f"{group}/Failure")
    assert (line["delivery"]["statusCode"], "not found" in line["delivery"]["providerResponse"]) == (404, True)


async def test_what_devices_get_is_logged_by_their_application(carrier: Carrier, web: WebServer) -> None:
    carrier.channels["application"] = web.url
    given = {"PlatformCredential": "c", "SuccessFeedbackRoleArn": ROLE, "FailureFeedbackRoleArn": ROLE}
    made = await carrier("CreatePlatformApplication", Name="app", Platform="GCM", Attributes=given)
    app = made["PlatformApplicationArn"]
    device = (await carrier("CreatePlatformEndpoint", PlatformApplicationArn=app, Token="t"))["EndpointArn"]
    web.answers = [(200, {}, b'{"success": 1}'), (400, {}, b"no")]
    for _ in range(2):
        await carrier("Publish", TargetArn=device, Message="hello")
        await carrier.work()
    group = "sns/us-east-1/000000000000/app/GCM/app"
    (line,) = await carrier.logged(group)
    assert line["delivery"]["destination"] == device
    assert (line["delivery"]["token"], line["delivery"]["statusCode"]) == ("t", 200)
    assert line["delivery"]["providerResponse"] == '{"success": 1}'
    assert "topicArn" not in line["notification"]
    (line,) = await carrier.logged(f"{group}/Failure")
    assert (line["delivery"]["statusCode"], line["delivery"]["attempts"]) == (400, 1)
    rate = {"SuccessFeedbackSampleRate": "0"}
    await carrier("SetPlatformApplicationAttributes", PlatformApplicationArn=app, Attributes=rate)
    await carrier("Publish", TargetArn=device, Message="hello")
    await carrier.work()
    assert len(await carrier.logged(group)) == 1


async def test_texts_to_phones_are_logged_by_their_account(carrier: Carrier, web: WebServer) -> None:
    carrier.channels["sms"] = web.url
    group = "sns/us-east-1/000000000000/DirectPublishToPhoneNumber"

    async def text(**attributes: str) -> None:
        if attributes:
            await carrier("SetSMSAttributes", attributes=attributes)
        await carrier("Publish", PhoneNumber="+15550001111", Message="hello")
        await carrier.work()

    await text()
    assert carrier.jobs("sns.log") == 0
    await text(DeliveryStatusIAMRole=ROLE, DefaultSMSType="Transactional")
    (line,) = await carrier.logged(group)
    assert line["delivery"]["destination"] == "+15550001111"
    assert (line["delivery"]["smsType"], line["status"]) == ("Transactional", "SUCCESS")
    await text(DeliveryStatusSuccessSamplingRate="0")
    assert len(await carrier.logged(group)) == 1
    web.answers = [(400, {}, b"{}")]
    await text()
    (line,) = await carrier.logged(f"{group}/Failure")
    assert (line["delivery"]["statusCode"], line["status"]) == (400, "FAILURE")
    web.answers = [(400, {}, b"{}")]
    await text(DeliveryStatusIAMRole="")
    assert len(await carrier.logged(f"{group}/Failure")) == 1
