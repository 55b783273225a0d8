"""Deliveries to web servers: what they get, when they get it again, and what becomes of what they do not take."""

import asyncio
import json
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from tests.outside import Request, WebServer, certificate
from tests.services.sns.carrier import ACCOUNT, BASE, REGION, Carrier, policy

from waypost.services.sns.deliveries.web import judge
from waypost.services.sns.limits import COUNTS_GATHERED_MAX
from waypost.work.admission import CALLS_MAX
from waypost.work.perform import HttpFailed
from waypost.work.runner import release


@pytest.fixture
async def topic(carrier: Carrier) -> str:
    return await carrier.topic()


async def subscribed(carrier: Carrier, web: WebServer, topic: str, path: str = "/hook", **attributes: str) -> str:
    """A confirmed subscription; the web server forgets that it was asked."""
    arn = await carrier.subscribe(topic, web.scheme, f"{web.url}{path}", **attributes)
    web.requests.clear()
    return arn


def ids(web: WebServer) -> list[str]:
    return [request.headers["x-amz-sns-message-id"] for request in web.requests]


# --- confirming


async def test_an_endpoint_is_asked_and_confirms_by_the_address_it_is_given(
    carrier: Carrier, web: WebServer, topic: str
) -> None:
    answer = await carrier("Subscribe", TopicArn=topic, Protocol="http", Endpoint=f"{web.url}/hook")
    assert answer == {"SubscriptionArn": "pending confirmation"}
    await carrier.publish(topic, "too early")
    (asked,) = web.requests
    document = json.loads(asked.body)
    assert list(document) == [
        "Type", "MessageId", "Token", "TopicArn", "Message", "SubscribeURL", "Timestamp", "SignatureVersion",
        "Signature", "SigningCertURL",
    ]  # fmt: skip
    assert (asked.method, asked.path) == ("POST", "/hook")
    assert asked.headers == {
        "host": f"127.0.0.1:{web.port}",
        "x-amz-sns-message-type": "SubscriptionConfirmation",
        "x-amz-sns-message-id": document["MessageId"],
        "x-amz-sns-topic-arn": topic,
        "content-type": "text/plain; charset=UTF-8",
        "user-agent": "Amazon Simple Notification Service Agent",
        "content-length": str(len(asked.body)),
    }
    assert document["Type"] == "SubscriptionConfirmation"
    url = urlsplit(document["SubscribeURL"])
    assert f"{url.scheme}://{url.netloc}" == BASE
    visited = {name: values[0] for name, values in parse_qs(url.query).items()}
    assert visited.pop("Action") == "ConfirmSubscription"
    confirmed = await carrier("ConfirmSubscription", **visited)
    await carrier.publish(topic, "in time")
    assert web.requests[1].headers["x-amz-sns-subscription-arn"] == confirmed["SubscriptionArn"]
    assert json.loads(web.requests[1].body)["Message"] == "in time"
    assert len(web.requests) == 2


async def test_an_endpoint_that_is_down_is_asked_again(carrier: Carrier, web: WebServer, topic: str) -> None:
    web.answers = [503, 503]
    await carrier("Subscribe", TopicArn=topic, Protocol="http", Endpoint=web.url)
    for count in (1, 2, 3, 3):
        await carrier.work()
        assert len(web.requests) == count
        carrier.clock.advance(20_000)
    assert len(set(ids(web))) == 1


async def test_once_it_confirmed_an_endpoint_is_asked_no_more(carrier: Carrier, web: WebServer, topic: str) -> None:
    web.usual = 500
    await carrier.subscribe(topic, "http", web.url)
    await carrier.pass_s(60)
    assert len(web.requests) == 1
    assert carrier.jobs("sns.confirm") == 0


async def test_an_endpoint_that_never_answers_is_given_up_and_stays_pending(
    carrier: Carrier, web: WebServer, topic: str
) -> None:
    web.usual = 500
    await carrier("Subscribe", TopicArn=topic, Protocol="http", Endpoint=web.url)
    for _ in range(6):
        await carrier.pass_s(20)
    assert len(web.requests) == 4
    (one,) = (await carrier("ListSubscriptionsByTopic", TopicArn=topic))["Subscriptions"]
    assert one["SubscriptionArn"] == "PendingConfirmation"


async def test_an_endpoint_is_told_of_its_end_and_can_take_it_back(
    carrier: Carrier, web: WebServer, topic: str
) -> None:
    arn = await subscribed(carrier, web, topic)
    await carrier("Unsubscribe", SubscriptionArn=arn)
    await carrier.publish(topic, "unheard")
    (told,) = web.requests
    document = json.loads(told.body)
    assert told.headers["x-amz-sns-message-type"] == document["Type"] == "UnsubscribeConfirmation"
    assert told.headers["x-amz-sns-subscription-arn"] == arn
    assert arn in document["Message"]
    await carrier("ConfirmSubscription", TopicArn=topic, Token=document["Token"])
    await carrier.publish(topic, "heard")
    assert json.loads(web.requests[-1].body)["Message"] == "heard"


# --- messages


async def test_a_notification_has_sns_headers_and_envelope(carrier: Carrier, web: WebServer, topic: str) -> None:
    arn = await subscribed(carrier, web, topic)
    attributes = {"color": {"DataType": "String", "StringValue": "blue"}}
    message_id = await carrier.publish(topic, "hello", Subject="S", MessageAttributes=attributes)
    (request,) = web.requests
    document = json.loads(request.body)
    assert list(document) == [
        "Type", "MessageId", "TopicArn", "Subject", "Message", "Timestamp", "SignatureVersion", "Signature",
        "SigningCertURL", "UnsubscribeURL", "MessageAttributes",
    ]  # fmt: skip
    assert document["MessageAttributes"] == {"color": {"Type": "String", "Value": "blue"}}
    assert document["UnsubscribeURL"] == f"{BASE}/?Action=Unsubscribe&SubscriptionArn={arn}"
    assert document["SigningCertURL"].startswith(f"{BASE}/SimpleNotificationService-")
    assert request.headers["x-amz-sns-message-id"] == document["MessageId"] == message_id
    assert request.headers["x-amz-sns-message-type"] == "Notification"
    assert request.headers["x-amz-sns-subscription-arn"] == arn
    assert "x-amz-sns-rawdelivery" not in request.headers
    assert await carrier.outcomes(topic) == {"delivered": 1}
    assert carrier.jobs() == 0


async def test_a_raw_delivery_is_the_message_and_a_header(carrier: Carrier, web: WebServer, topic: str) -> None:
    await subscribed(carrier, web, topic, RawMessageDelivery="true")
    await carrier.publish(topic, "höllo")
    (request,) = web.requests
    assert request.body.decode() == "höllo"
    assert request.headers["x-amz-sns-rawdelivery"] == "true"


async def test_a_protocol_may_have_its_own_text_and_type(carrier: Carrier, web: WebServer, topic: str) -> None:
    request_policy = '{"requestPolicy": {"headerContentType": "application/json"}}'
    await subscribed(carrier, web, topic, RawMessageDelivery="true", DeliveryPolicy=request_policy)
    await carrier.publish(topic, '{"default": "d", "http": "for the web"}', MessageStructure="json")
    assert web.requests[0].body == b"for the web"
    assert web.requests[0].headers["content-type"] == "application/json"


async def test_a_confirmation_is_text_whatever_the_policies_say(carrier: Carrier, web: WebServer, topic: str) -> None:
    """As recorded, with a type of its own at the topic or at the subscription."""
    section = '{"headerContentType": "application/json"}'
    policy = f'{{"http": {{"defaultRequestPolicy": {section}}}}}'
    await carrier("SetTopicAttributes", TopicArn=topic, AttributeName="DeliveryPolicy", AttributeValue=policy)
    arn = await carrier.subscribe(topic, "http", f"{web.url}/1")
    await carrier.subscribe(topic, "http", f"{web.url}/2", DeliveryPolicy=f'{{"requestPolicy": {section}}}')
    await carrier.publish(topic)
    await carrier("Unsubscribe", SubscriptionArn=arn)
    await carrier.work()
    sent = [(one.headers["x-amz-sns-message-type"], one.headers["content-type"]) for one in web.requests]
    text, own = "text/plain; charset=UTF-8", "application/json"
    assert sorted(sent) == [
        ("Notification", own), ("Notification", own), ("SubscriptionConfirmation", text),
        ("SubscriptionConfirmation", text), ("UnsubscribeConfirmation", text),
    ]  # fmt: skip


async def test_https_is_spoken_to_whom_we_trust(carrier: Carrier, topic: str, tmp_path: Path) -> None:
    tls, trusted = certificate(tmp_path)
    secure = await WebServer().start(tls)
    kind = "sqlite" if "Sqlite" in type(carrier.store).__name__ else "postgres"
    trusting = Carrier(kind, trusted_ca=str(trusted))
    own = await trusting.topic()
    await trusting.subscribe(own, "https", secure.url)
    await trusting.publish(own)
    assert len(secure.requests) == 2
    await carrier.subscribe(topic, "https", secure.url)
    await carrier.publish(topic)
    assert len(secure.requests) == 2
    await trusting.close()
    await secure.close()


async def test_only_those_who_want_a_message_get_it(carrier: Carrier, web: WebServer, topic: str) -> None:
    await subscribed(carrier, web, topic, "/blue", FilterPolicy='{"color": ["blue"]}')
    await subscribed(carrier, web, topic, "/red", FilterPolicy='{"color": ["red"]}')
    await carrier.publish(topic, MessageAttributes={"color": {"DataType": "String", "StringValue": "red"}})
    assert [request.path for request in web.requests] == ["/red"]


async def test_a_long_message_is_kept_once_and_goes_when_all_have_it(
    carrier: Carrier, web: WebServer, topic: str
) -> None:
    for number in range(3):
        await subscribed(carrier, web, topic, f"/{number}", RawMessageDelivery="true")
    web.answers = [200, 503]
    text = "x" * 200_000
    await carrier.publish(topic, text)
    assert carrier.count("sns_document") == 1
    assert carrier.jobs() == 1
    await carrier.pass_s(20)
    assert [len(request.body) for request in web.requests] == [200_000] * 4
    assert carrier.count("sns_document") == 0
    assert carrier.count("job WHERE kind LIKE 'sns.%' AND kind <> 'sns.lapse'") == 0


# --- failures


@pytest.mark.parametrize("status", [500, 503, 429, 599])
async def test_what_may_pass_is_tried_again_three_times(
    carrier: Carrier, web: WebServer, topic: str, status: int
) -> None:
    await subscribed(carrier, web, topic)
    web.usual = status
    await carrier.publish(topic)
    for count in (2, 3, 4, 4):
        await carrier.pass_s(20)
        assert len(web.requests) == count
    assert len(set(ids(web))) == 1
    assert await carrier.outcomes(topic) == {"failed": 1}
    assert carrier.jobs() == 0


@pytest.mark.parametrize("status", [400, 403, 404, 410, 301, 302])
async def test_other_refusals_are_for_good(carrier: Carrier, web: WebServer, topic: str, status: int) -> None:
    await subscribed(carrier, web, topic)
    web.usual = (status, {"Location": "/elsewhere"}, b"")
    await carrier.publish(topic)
    await carrier.pass_s(3_600)
    assert len(web.requests) == 1
    status_page = await carrier("waypost:DeliveryStatus", TopicArn=topic)
    failed = status_page["Subscriptions"][0]["Outcomes"]["failed"]
    assert (failed["Count"], failed["LastError"]) == (1, f"HTTP {status}")


async def test_the_phases_of_a_policy_are_kept(carrier: Carrier, web: WebServer, topic: str) -> None:
    retry = policy(
        numRetries=7, numNoDelayRetries=2, numMinDelayRetries=1, numMaxDelayRetries=1, minDelayTarget=10,
        maxDelayTarget=90, backoffFunction="linear",
    )  # fmt: skip
    await subscribed(carrier, web, topic, DeliveryPolicy=retry)
    web.usual = 500
    await carrier.publish(topic)
    assert len(web.requests) == 3  # the first, and two at once
    for pause_s, count in ((10, 4), (10, 5), (50, 6), (90, 7), (90, 8), (3_600, 8)):
        await carrier.pass_s(pause_s * 0.9 - 0.001)
        assert len(web.requests) == count - (pause_s < 3_600)
        await carrier.pass_s(pause_s * 0.1 + 0.001)
        assert len(web.requests) == count


async def test_a_topics_policy_holds_for_those_without_their_own(carrier: Carrier, web: WebServer) -> None:
    topic = await carrier.topic(DeliveryPolicy='{"http": {"defaultHealthyRetryPolicy": {"numRetries": 0}}}')
    await subscribed(carrier, web, topic)
    web.usual = 500
    await carrier.publish(topic)
    await carrier.pass_s(3_600)
    assert len(web.requests) == 1


async def test_a_policy_that_changes_holds_for_what_is_under_way(carrier: Carrier, web: WebServer, topic: str) -> None:
    arn = await subscribed(carrier, web, topic)
    web.usual = 500
    await carrier.publish(topic)
    await carrier(
        "SetSubscriptionAttributes", SubscriptionArn=arn, AttributeName="DeliveryPolicy",
        AttributeValue=policy(numRetries=1),
    )  # fmt: skip
    await carrier.pass_s(60)
    assert len(web.requests) == 2


async def test_an_endpoint_that_is_away_gets_it_when_it_is_back(carrier: Carrier, web: WebServer, topic: str) -> None:
    await subscribed(carrier, web, topic)
    port = web.port
    await web.close()
    await carrier.publish(topic, "patience")
    back = WebServer()
    back.port = port
    await back.start()
    await carrier.pass_s(20)
    assert json.loads(back.requests[0].body)["Message"] == "patience"
    await back.close()


async def test_nobody_is_told_a_password(
    carrier: Carrier, web: WebServer, topic: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Neither by the log nor by the page that counts deliveries."""
    arn = await carrier.subscribe(topic, "http", web.url.replace("://", "://kay:secret@"))
    web.usual = 404
    await carrier.publish(topic)
    assert "http://kay:****@127.0.0.1" in caplog.text
    shown = await carrier("waypost:DeliveryStatus", TopicArn=topic)
    assert shown["Subscriptions"][0]["SubscriptionArn"] == arn
    assert "secret" not in caplog.text + str(shown)
    failed = judge(HttpFailed("cannot use http://kay:secret@[::1]/x now"))
    assert (failed.error, failed.again) == ("cannot use http://kay:****@[::1]/x now", True)


@pytest.mark.parametrize("raw", ["true", "false"])
async def test_what_is_given_up_goes_to_the_dead_letter_queue(
    carrier: Carrier, web: WebServer, topic: str, raw: str
) -> None:
    queue = await carrier.queue()
    redrive = json.dumps({"deadLetterTargetArn": queue})
    arn = await subscribed(carrier, web, topic, RawMessageDelivery=raw, RedrivePolicy=redrive)
    web.usual = 404
    attributes = {"color": {"DataType": "String", "StringValue": "blue"}}
    message_id = await carrier.publish(topic, "lost", MessageAttributes=attributes)
    (dead,) = await carrier.received(queue)
    if raw == "true":
        assert dead["Body"] == "lost"
        assert dead["MessageAttributes"] == attributes
    else:
        document = json.loads(dead["Body"])
        assert (document["Message"], document["MessageId"]) == ("lost", message_id)
        assert document["UnsubscribeURL"] == f"{BASE}/?Action=Unsubscribe&SubscriptionArn={arn}"
    assert await carrier.outcomes(topic) == {"failed": 1, "dead_letter": 1}


async def test_a_dead_letter_queue_that_is_gone_is_counted(carrier: Carrier, web: WebServer, topic: str) -> None:
    queue = await carrier.queue()
    await subscribed(carrier, web, topic, RedrivePolicy=json.dumps({"deadLetterTargetArn": queue}))
    await carrier("DeleteQueue", QueueUrl=f"{BASE}/{ACCOUNT}/q")
    web.usual = 404
    await carrier.publish(topic)
    assert await carrier.outcomes(topic) == {"failed": 1, "dead_letter_failed": 1}


async def test_deliveries_end_with_their_subscription(carrier: Carrier, web: WebServer, topic: str) -> None:
    arn = await subscribed(carrier, web, topic)
    web.answers = [500, 500]
    await carrier.publish(topic, "x" * 5_000)
    await carrier.publish(topic, "short")
    await carrier("Unsubscribe", SubscriptionArn=arn)
    await carrier.pass_s(60)
    assert [request.headers["x-amz-sns-message-type"] for request in web.requests] == [
        "Notification", "Notification", "UnsubscribeConfirmation",
    ]  # fmt: skip
    assert carrier.jobs() == 0
    assert carrier.count("sns_document") == 0


async def test_deliveries_end_with_their_topic(carrier: Carrier, web: WebServer, topic: str) -> None:
    await subscribed(carrier, web, topic)
    web.usual = 500
    await carrier.publish(topic, "x" * 5_000)
    await carrier.publish(topic, "short")
    await carrier("DeleteTopic", TopicArn=topic)
    await carrier("CreateTopic", Name="t")
    await carrier.pass_s(60)
    assert len(web.requests) == 2
    assert carrier.jobs() == 0
    assert carrier.count("sns_document") == 0


# --- many


async def test_a_throttled_endpoint_gets_its_messages_evenly(carrier: Carrier, web: WebServer, topic: str) -> None:
    await subscribed(carrier, web, topic, DeliveryPolicy='{"throttlePolicy": {"maxReceivesPerSecond": 4}}')
    for number in range(8):
        await carrier("Publish", TopicArn=topic, Message=str(number))
    await carrier.work()
    assert len(web.requests) == 1
    for quarter in range(1, 8):
        await carrier.pass_s(0.249)
        assert len(web.requests) == quarter
        await carrier.pass_s(0.001)
        assert len(web.requests) == quarter + 1


async def test_a_retry_of_a_throttled_endpoint_waits_for_its_turn(carrier: Carrier, web: WebServer, topic: str) -> None:
    throttle = json.dumps({
        "healthyRetryPolicy": {"numRetries": 1, "numNoDelayRetries": 1}, "throttlePolicy": {"maxReceivesPerSecond": 1}
    })  # fmt: skip
    await subscribed(carrier, web, topic, DeliveryPolicy=throttle)
    web.answers = [500]
    await carrier.publish(topic)
    assert len(web.requests) == 1
    await carrier.pass_s(1)
    assert len(web.requests) == 2


async def test_a_dead_endpoint_delays_nobody_else(carrier: Carrier, web: WebServer, topic: str) -> None:
    never = asyncio.Event()

    async def hang(_request: Request) -> tuple[int, dict[str, str], bytes]:
        await never.wait()
        return 500, {}, b""

    dead = await WebServer().start()
    dead_topic = await carrier.topic("dead")
    await subscribed(carrier, dead, dead_topic)
    await subscribed(carrier, web, topic)
    dead.usual = hang
    for number in range(400):
        await carrier("Publish", TopicArn=dead_topic, Message=str(number))
    for number in range(20):
        await carrier("Publish", TopicArn=topic, Message=str(number))
    running = asyncio.ensure_future(carrier.runner.run())
    await web.received(20)
    assert len(dead.requests) <= CALLS_MAX / 3
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    never.set()
    dead.usual = 200
    for _ in range(50):
        await carrier.pass_s(20)
    assert {json.loads(request.body)["Message"] for request in dead.requests} == {str(n) for n in range(400)}
    assert carrier.jobs() == 0
    await dead.close()


async def test_counts_are_gathered_into_few_rows(
    carrier: Carrier, web: WebServer, topic: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("waypost.services.sns.counts.GATHER_PART", 0.1)  # so often that chance cannot leave it out
    await subscribed(carrier, web, topic)
    web.answers = [404]
    for _ in range(COUNTS_GATHERED_MAX // 2):
        await carrier("Publish", TopicArn=topic, Message="m")
    await carrier.work()
    rows = carrier.count("sns_delivery_count")
    assert rows < COUNTS_GATHERED_MAX // 2
    assert await carrier.outcomes(topic) == {"failed": 1, "delivered": COUNTS_GATHERED_MAX // 2 - 1}


async def test_what_a_dead_node_was_delivering_is_delivered_by_another(
    carrier: Carrier, web: WebServer, topic: str
) -> None:
    never = asyncio.Event()

    async def hang(_request: Request) -> tuple[int, dict[str, str], bytes]:
        await never.wait()
        return 200, {}, b""

    await subscribed(carrier, web, topic)
    web.answers = [hang]
    await carrier("Publish", TopicArn=topic, Message="twice")
    await carrier.runner.run_once()
    await web.received(1)
    for task in carrier.runner._performing:
        task.cancel()  # the node is gone, between publish and settlement
    now_ms = carrier.clock.now_ms()
    await carrier.store.transact(lambda tx: release(tx, "node", now_ms))
    carrier.runner = carrier.new_runner("other")
    await carrier.work()
    assert ids(web) == ids(web)[:1] * 2
    assert await carrier.outcomes(topic) == {"delivered": 1}
    never.set()


# --- functions


async def test_a_function_is_invoked_with_sns_event(carrier: Carrier, topic: str) -> None:
    function = f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:f"
    arn = await carrier.subscribe(topic, "lambda", function)
    attributes = {"n": {"DataType": "Number", "StringValue": "7"}}
    message_id = await carrier.publish(topic, "hello", Subject="S", MessageAttributes=attributes)
    ((account, region, request),) = carrier.invoked
    assert (account, region, request["FunctionName"], request["InvocationType"]) == (ACCOUNT, REGION, function, "Event")
    (record,) = json.loads(request["Payload"])["Records"]
    assert record["EventSubscriptionArn"] == arn
    assert record["Sns"]["MessageId"] == message_id
    assert record["Sns"]["MessageAttributes"] == {"n": {"Type": "Number", "Value": "7"}}
    assert await carrier.outcomes(topic) == {"delivered": 1}


async def test_a_function_that_is_gone_is_a_dead_letter_at_once(carrier: Carrier, topic: str) -> None:
    queue = await carrier.queue()
    await carrier.subscribe(
        topic, "lambda", f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:f",
        RedrivePolicy=json.dumps({"deadLetterTargetArn": queue}),
    )  # fmt: skip
    carrier.gone = True
    message_id = await carrier.publish(topic, "lost")
    (dead,) = await carrier.received(queue)
    assert json.loads(dead["Body"])["MessageId"] == message_id
    assert await carrier.outcomes(topic) == {"failed": 1, "dead_letter": 1}


# --- what cannot be delivered


@pytest.mark.parametrize(
    ("protocol", "endpoint", "channel", "setting"),
    [
        ("email", "kay@example.com", "email", "smtp"),
        ("email-json", "kay@example.com", "email", "smtp"),
        ("sms", "+15550001111", "sms", "sms_gateway"),
        ("application", f"arn:aws:sns:{REGION}:{ACCOUNT}:endpoint/GCM/a/b", "application", "push_gateway"),
    ],
)
async def test_what_is_not_set_is_refused_clearly(
    carrier: Carrier, topic: str, protocol: str, endpoint: str, channel: str, setting: str
) -> None:
    carrier.channels[channel] = ""
    refused = await carrier.refused("Subscribe", TopicArn=topic, Protocol=protocol, Endpoint=endpoint)
    assert refused.code == "InvalidParameterException"
    assert setting in refused.message
    assert carrier.count("sns_subscription") == 0


async def test_a_setting_that_was_taken_away_is_a_failure(carrier: Carrier, topic: str) -> None:
    queue = await carrier.queue()
    redrive: dict[str, Any] = {"RedrivePolicy": json.dumps({"deadLetterTargetArn": queue})}
    await carrier.subscribe(topic, "sms", "+15550001111", **redrive)
    carrier.channels["sms"] = ""
    await carrier.publish(topic, "lost")
    (dead,) = await carrier.received(queue)
    assert json.loads(dead["Body"])["Message"] == "lost"
