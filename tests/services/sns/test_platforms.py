"""Platform applications, their endpoints, and messages to devices through a gateway."""

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
from tests.outside import WebServer
from tests.services.sns.carrier import ACCOUNT, REGION, Carrier

TOKEN = "ab" * 32
NULL = "1 validation error detected: Value null at 'attributes' failed to satisfy constraint: Member must not be null"


@pytest.fixture
async def gateway(carrier: Carrier) -> AsyncIterator[WebServer]:
    """A gateway, set as the carrier's."""
    server = await WebServer().start()
    carrier.channels["application"] = f"{server.url}/push/"
    yield server
    await server.close()


async def application(carrier: Carrier, platform: str = "GCM", name: str = "app", **attributes: str) -> str:
    given = {"PlatformCredential": "secret", **attributes}
    if platform != "GCM":
        given.setdefault("PlatformPrincipal", "principal")
    answer = await carrier("CreatePlatformApplication", Name=name, Platform=platform, Attributes=given)
    return answer["PlatformApplicationArn"]


async def endpoint(carrier: Carrier, app: str, token: str = TOKEN, **more: Any) -> str:
    answer = await carrier("CreatePlatformEndpoint", PlatformApplicationArn=app, Token=token, **more)
    return answer["EndpointArn"]


async def attributes(carrier: Carrier, arn: str) -> dict[str, str]:
    return (await carrier("GetEndpointAttributes", EndpointArn=arn))["Attributes"]


async def send(carrier: Carrier, target: str, message: str = "hello", **more: Any) -> str:
    answer = await carrier("Publish", TargetArn=target, Message=message, **more)
    await carrier.work()
    return answer["MessageId"]


# --- applications


async def test_an_application_shows_all_but_its_secrets(carrier: Carrier) -> None:
    app = await application(carrier, "APNS", ApplePlatformTeamID="T", ApplePlatformBundleID="com.example")
    assert app == f"arn:aws:sns:{REGION}:{ACCOUNT}:app/APNS/app"
    assert (await carrier("GetPlatformApplicationAttributes", PlatformApplicationArn=app))["Attributes"] == {
        "Enabled": "true", "ApplePlatformTeamID": "T", "ApplePlatformBundleID": "com.example",
        "AuthenticationMethod": "token",
    }  # fmt: skip


async def test_making_it_again_is_no_mistake(carrier: Carrier) -> None:
    assert await application(carrier) == await application(carrier)
    refused = await carrier.refused(
        "CreatePlatformApplication", Name="app", Platform="GCM", Attributes={"PlatformCredential": "other"}
    )
    assert "already exists with different attributes" in refused.message
    assert await application(carrier, "ADM") != await application(carrier)


@pytest.mark.parametrize(
    ("name", "platform", "given", "message"),
    [
        ("", "GCM", {"PlatformCredential": "c"}, "Invalid parameter:  Reason: cannot be empty"),
        ("n" * 257, "GCM", {"PlatformCredential": "c"}, "must be at most 256 characters long"),
        ("a b", "GCM", {"PlatformCredential": "c"}, "must contain only characters 'a'-'z', 'A'-'Z', '0'-'9', "),
        ("a", "FCM", {"PlatformCredential": "c"}, "Invalid parameter: Platform Reason: FCM is not supported"),
        ("a", "GCM", {}, NULL),
        ("a", "APNS", {"PlatformCredential": "c"}, "PlatformCredential attribute provided without PlatformPrincipal"),
        ("a", "ADM", {"PlatformPrincipal": "p"}, "PlatformPrincipal attribute provided without PlatformCredential"),
        ("a", "GCM", {"Enabled": "true"}, "PlatformCredential attribute is required"),
        ("a", "GCM", {"PlatformCredential": "c", "Color": "red"}, "Invalid attribute name: Color"),
        ("a", "GCM", {"PlatformCredential": "c", "EventEndpointCreated": "t"}, "Invalid value for attribute: Event"),
        ("a", "GCM", {"PlatformCredential": "c", "SuccessFeedbackSampleRate": "101"}, "Invalid value for attribute: S"),
        ("a", "GCM", {"PlatformCredential": "c", "Enabled": "maybe"}, "Invalid value for attribute: Enabled: maybe"),
        (
            "a", "GCM", {"PlatformCredential": "c", "SuccessFeedbackRoleArn": "arn:aws:iam::1:role/r"},
            "Invalid value for attribute: SuccessFeedbackRoleArn",
        ),
    ],
)  # fmt: skip
async def test_what_an_application_cannot_be(
    carrier: Carrier, name: str, platform: str, given: dict[str, str], message: str
) -> None:
    refused = await carrier.refused("CreatePlatformApplication", Name=name, Platform=platform, Attributes=given)
    assert message in refused.message
    assert carrier.count("sns_platform_application") == 0


async def test_an_application_changes(carrier: Carrier) -> None:
    app, topic = await application(carrier), await carrier.topic()
    change = {"EventEndpointCreated": topic, "PlatformCredential": '{"project_id": "p"}'}
    await carrier("SetPlatformApplicationAttributes", PlatformApplicationArn=app, Attributes=change)
    shown = (await carrier("GetPlatformApplicationAttributes", PlatformApplicationArn=app))["Attributes"]
    assert shown == {"Enabled": "true", "EventEndpointCreated": topic, "AuthenticationMethod": "token"}
    taken = {"EventEndpointCreated": ""}
    await carrier("SetPlatformApplicationAttributes", PlatformApplicationArn=app, Attributes=taken)
    shown = (await carrier("GetPlatformApplicationAttributes", PlatformApplicationArn=app))["Attributes"]
    assert "EventEndpointCreated" not in shown


async def test_applications_and_endpoints_come_in_pages(carrier: Carrier) -> None:
    apps = [await application(carrier, name=f"a{number:03d}") for number in range(101)]
    first = await carrier("ListPlatformApplications")
    second = await carrier("ListPlatformApplications", NextToken=first["NextToken"])
    listed = [
        one["PlatformApplicationArn"] for one in (*first["PlatformApplications"], *second["PlatformApplications"])
    ]
    assert listed == apps
    assert "NextToken" not in second
    made = {await endpoint(carrier, apps[0], f"t{number}") for number in range(101)}
    first = await carrier("ListEndpointsByPlatformApplication", PlatformApplicationArn=apps[0])
    second = await carrier(
        "ListEndpointsByPlatformApplication", PlatformApplicationArn=apps[0], NextToken=first["NextToken"]
    )
    assert {one["EndpointArn"] for one in (*first["Endpoints"], *second["Endpoints"])} == made
    assert (len(first["Endpoints"]), len(second["Endpoints"])) == (100, 1)
    refused = await carrier.refused("ListPlatformApplications", NextToken="%")
    assert refused.message == "Invalid parameter: NextToken"


async def test_a_deleted_application_takes_its_endpoints_along(carrier: Carrier) -> None:
    app = await application(carrier)
    device = await endpoint(carrier, app)
    await carrier("DeletePlatformApplication", PlatformApplicationArn=app)
    await carrier("DeletePlatformApplication", PlatformApplicationArn=app)
    assert (await carrier.refused("GetEndpointAttributes", EndpointArn=device)).message == "Endpoint does not exist"
    await carrier.work()
    assert carrier.count("sns_endpoint") == 0
    again = await application(carrier)
    assert (await carrier("ListEndpointsByPlatformApplication", PlatformApplicationArn=again))["Endpoints"] == []


@pytest.mark.parametrize(
    ("arn", "message"),
    [
        (
            "arn:aws:sns",
            "Invalid parameter: PlatformApplicationArn Reason: An ARN must have at least 6 elements, not 3",
        ),
        (f"arn:aws:sns:{REGION}:{ACCOUNT}:topic", "Wrong number of slashes"),
        (f"arn:aws:sns:{REGION}:{ACCOUNT}:app/GCM/other", "PlatformApplication does not exist"),
        (f"arn:aws:sns:eu-west-1:{ACCOUNT}:app/GCM/app", "Invalid parameter: PlatformApplicationArn"),
        (f"arn:aws:sns:{REGION}:111111111111:app/GCM/app", "belongs to another account"),
    ],
)
async def test_an_application_is_named_by_its_arn(carrier: Carrier, arn: str, message: str) -> None:
    await application(carrier)
    refused = await carrier.refused("GetPlatformApplicationAttributes", PlatformApplicationArn=arn)
    assert message in refused.message


# --- endpoints


async def test_an_endpoint_shows_what_is_set(carrier: Carrier) -> None:
    app = await application(carrier)
    device = await endpoint(carrier, app, CustomUserData="kay")
    assert device.startswith(f"arn:aws:sns:{REGION}:{ACCOUNT}:endpoint/GCM/app/")
    assert await attributes(carrier, device) == {"Enabled": "true", "Token": TOKEN, "CustomUserData": "kay"}
    await carrier("SetEndpointAttributes", EndpointArn=device, Attributes={"Enabled": "false", "Token": "new"})
    assert await attributes(carrier, device) == {"Enabled": "false", "Token": "new", "CustomUserData": "kay"}
    await carrier("DeleteEndpoint", EndpointArn=device)
    await carrier("DeleteEndpoint", EndpointArn=device)
    refused = await carrier.refused("GetEndpointAttributes", EndpointArn=device)
    assert (refused.code, refused.message) == ("NotFoundException", "Endpoint does not exist")


async def test_a_token_has_one_endpoint(carrier: Carrier) -> None:
    app = await application(carrier)
    device = await endpoint(carrier, app, CustomUserData="kay")
    assert await endpoint(carrier, app, Attributes={"CustomUserData": "kay"}) == device
    sentence = (
        f"Invalid parameter: Token Reason: Endpoint {device} already exists with the same Token, "
        "but different attributes."
    )
    for more in ({}, {"CustomUserData": "lou"}, {"CustomUserData": "kay", "Attributes": {"Enabled": "false"}}):
        refused = await carrier.refused("CreatePlatformEndpoint", PlatformApplicationArn=app, Token=TOKEN, **more)
        assert refused.message == sentence
    await carrier("SetEndpointAttributes", EndpointArn=device, Attributes={"Enabled": "false"})
    refused = await carrier.refused(
        "CreatePlatformEndpoint", PlatformApplicationArn=app, Token=TOKEN, CustomUserData="kay"
    )
    assert refused.message == sentence
    other = await endpoint(carrier, app, "other")
    refused = await carrier.refused("SetEndpointAttributes", EndpointArn=other, Attributes={"Token": TOKEN})
    assert refused.message == sentence


@pytest.mark.parametrize(
    ("platform", "token", "given", "message"),
    [
        ("GCM", "", {}, "Invalid parameter: Token Reason: cannot be empty"),
        ("GCM", "t" * 8_193, {}, "must be at most 8192 bytes long in UTF-8 encoding"),
        ("APNS", "no hex", {}, "iOS device tokens must be no more than 400 hexadecimal characters"),
        ("APNS_SANDBOX", "a" * 401, {}, "iOS device tokens must be no more than 400 hexadecimal characters"),
        ("GCM", "t", {"Color": "red"}, "Invalid parameter: Attributes Reason: Invalid attribute name: Color"),
        ("GCM", "t", {"CustomUserData": "ü" * 1_025}, "must be at most 2048 bytes long in UTF-8 encoding"),
        ("GCM", "t", {"Enabled": "maybe"}, "Enabled: must be true or false"),
        ("GCM", "t", {"ChannelId": "c"}, "Invalid attribute name: ChannelId"),
        ("BAIDU", "t", {"ChannelId": "t"}, "UserId attribute is required"),
        ("BAIDU", "t", {"ChannelId": "c", "UserId": "u"}, "must contain the ChannelId"),
    ],
)
async def test_what_an_endpoint_cannot_be(
    carrier: Carrier, platform: str, token: str, given: dict[str, str], message: str
) -> None:
    app = await application(carrier, platform)
    refused = await carrier.refused("CreatePlatformEndpoint", PlatformApplicationArn=app, Token=token, Attributes=given)
    assert message in refused.message
    assert carrier.count("sns_endpoint") == 0


async def test_baidus_endpoints_say_more(carrier: Carrier) -> None:
    app = await application(carrier, "BAIDU")
    device = await endpoint(carrier, app, "c-u", Attributes={"ChannelId": "c", "UserId": "u"})
    assert await attributes(carrier, device) == {"Enabled": "true", "Token": "c-u", "ChannelId": "c", "UserId": "u"}


# --- messages


async def test_a_gateway_gets_the_platforms_request(carrier: Carrier, gateway: WebServer) -> None:
    device = await endpoint(carrier, await application(carrier))
    await send(carrier, device, '{"default": "d", "GCM": "{\\"data\\": {\\"a\\": \\"b\\"}}"}', MessageStructure="json")
    (request,) = gateway.requests
    assert (request.method, request.path) == ("POST", "/push/GCM/fcm/send")
    assert request.headers["authorization"] == "key=secret"
    assert json.loads(request.body) == {"to": TOKEN, "data": {"a": "b"}}


async def test_a_topic_reaches_devices(carrier: Carrier, gateway: WebServer) -> None:
    topic = await carrier.topic()
    for platform in ("GCM", "APNS"):
        device = await endpoint(carrier, await application(carrier, platform))
        await carrier.subscribe(topic, "application", device)
    message_id = await carrier.publish(topic, "hello")
    paths = {request.path for request in gateway.requests}
    assert paths == {"/push/GCM/fcm/send", f"/push/APNS/3/device/{TOKEN}"}
    assert [request.headers.get("apns-id") for request in gateway.requests if "APNS" in request.path] == [message_id]
    assert await carrier.outcomes(topic, 0) == await carrier.outcomes(topic, 1) == {"delivered": 1}


async def test_a_device_that_is_gone_is_disabled_and_told_of(carrier: Carrier, gateway: WebServer) -> None:
    queue, events = await carrier.queue(), await carrier.topic("events")
    await carrier.subscribe(events, "sqs", queue, RawMessageDelivery="true")
    kinds = ("EndpointCreated", "EndpointUpdated", "EndpointDeleted", "DeliveryFailure")
    app = await application(carrier, "APNS", **{f"Event{kind}": events for kind in kinds})
    device = await endpoint(carrier, app)
    gateway.usual = (410, {}, b'{"reason": "Unregistered"}')
    message_id = await send(carrier, device)
    assert (await attributes(carrier, device))["Enabled"] == "false"
    refused = await carrier.refused("Publish", TargetArn=device, Message="m")
    assert (refused.code, refused.message) == ("EndpointDisabledException", "Endpoint is disabled")
    await carrier("DeleteEndpoint", EndpointArn=device)
    await carrier.work()
    told = [json.loads(message["Body"]) for message in await carrier.received(queue)]
    assert sorted(one["EventType"] for one in told) == sorted(kinds)
    assert all((one["EndpointArn"], one["Resource"], one["Service"]) == (device, app, "SNS") for one in told)
    (failure,) = (one for one in told if one["EventType"] == "DeliveryFailure")
    assert failure["FailureType"] == "InvalidPlatformToken"
    assert (failure["MessageId"], failure["DeliveryAttempts"]) == (message_id, 1)
    assert len(gateway.requests) == 1


async def test_a_device_that_is_gone_from_a_topic_is_a_dead_letter(carrier: Carrier, gateway: WebServer) -> None:
    topic, queue = await carrier.topic(), await carrier.queue()
    device = await endpoint(carrier, await application(carrier))
    await carrier.subscribe(topic, "application", device, RedrivePolicy=json.dumps({"deadLetterTargetArn": queue}))
    gateway.usual = (200, {}, b'{"results": [{"error": "NotRegistered"}]}')
    for _ in range(2):
        await carrier.publish(topic)
    assert len(gateway.requests) == 1  # the second found the endpoint disabled
    assert len(await carrier.received(queue)) == 2
    assert await carrier.outcomes(topic) == {"failed": 2, "dead_letter": 2}
    await carrier("DeleteEndpoint", EndpointArn=device)
    await carrier.publish(topic)
    assert await carrier.outcomes(topic) == {"failed": 3, "dead_letter": 3}


async def test_a_device_with_a_new_token_is_found_there(carrier: Carrier, gateway: WebServer) -> None:
    app = await application(carrier)
    device = await endpoint(carrier, app)
    gateway.answers = [(200, {}, b'{"results": [{"message_id": "1", "registration_id": "new"}]}')]
    await send(carrier, device)
    await send(carrier, device)
    assert [json.loads(request.body)["to"] for request in gateway.requests] == [TOKEN, "new"]
    other = await endpoint(carrier, app, "other")
    gateway.answers = [(200, {}, b'{"results": [{"message_id": "1", "registration_id": "new"}]}')]
    await send(carrier, other)
    assert (await attributes(carrier, other))["Token"] == "other", "another endpoint has that token"


async def test_a_platform_that_is_away_is_tried_again(carrier: Carrier, gateway: WebServer) -> None:
    device = await endpoint(carrier, await application(carrier, "APNS"))
    gateway.answers = [503, 429]
    await send(carrier, device, "x" * 3_000)
    await carrier.pass_s(10)
    await carrier.pass_s(10)
    assert len(gateway.requests) == 3
    assert carrier.count("sns_document") == 0
    assert (await attributes(carrier, device))["Enabled"] == "true"


async def test_a_disabled_application_sends_nothing(carrier: Carrier, gateway: WebServer) -> None:
    app = await application(carrier)
    device = await endpoint(carrier, app)
    await carrier("SetPlatformApplicationAttributes", PlatformApplicationArn=app, Attributes={"Enabled": "false"})
    refused = await carrier.refused("Publish", TargetArn=device, Message="m")
    assert refused.code == "PlatformApplicationDisabledException"
    assert not gateway.requests


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"TargetArn": f"arn:aws:sns:{REGION}:{ACCOUNT}:endpoint/GCM/app/none"},
            "No endpoint found for the target arn",
        ),
        ({"Message": "x" * 5_000}, "Invalid notification for protocol GCM: Notification is too long"),
        (
            {"Message": '{"default": "d", "GCM": "no JSON"}', "MessageStructure": "json"},
            "Invalid parameter: Message Reason: Invalid notification for protocol GCM: Notification is malformed",
        ),
    ],
)
async def test_what_cannot_be_published_to_a_device(carrier: Carrier, change: dict[str, str], message: str) -> None:
    device = await endpoint(carrier, await application(carrier))
    refused = await carrier.refused("Publish", **{"TargetArn": device, "Message": "m", **change})
    assert message in refused.message


async def test_without_a_gateway_publishing_to_a_device_is_refused(carrier: Carrier) -> None:
    device = await endpoint(carrier, await application(carrier))
    carrier.channels["application"] = ""
    refused = await carrier.refused("Publish", TargetArn=device, Message="m")
    assert "push_gateway is empty" in refused.message
    topic = await carrier.topic()
    refused = await carrier.refused("Subscribe", TopicArn=topic, Protocol="application", Endpoint=device)
    assert "push_gateway is empty" in refused.message


async def test_an_endpoint_that_is_not_there_cannot_subscribe(carrier: Carrier) -> None:
    arn = f"arn:aws:sns:{REGION}:{ACCOUNT}:endpoint/GCM/app/none"
    topic = await carrier.topic()
    refused = await carrier.refused("Subscribe", TopicArn=topic, Protocol="application", Endpoint=arn)
    assert refused.message == f"Invalid parameter: Endpoint Reason: Endpoint does not exist for endpoint {arn}"


async def test_the_inbox_shows_what_a_device_would_get(carrier: Carrier) -> None:
    device = await endpoint(carrier, await application(carrier, "APNS"))
    message_id = await send(carrier, device)
    (note,) = await carrier.inbox("application", device)
    assert (note["MessageId"], note["Platform"], note["Token"]) == (message_id, "APNS", TOKEN)
    assert json.loads(note["Message"]) == {"aps": {"alert": "hello"}}


async def test_a_ttl_that_is_over_is_not_sent(carrier: Carrier, gateway: WebServer) -> None:
    device = await endpoint(carrier, await application(carrier))
    ttl = {"AWS.SNS.MOBILE.GCM.TTL": {"DataType": "String", "StringValue": "5"}}
    gateway.answers = [503]
    await send(carrier, device, MessageAttributes=ttl)
    await carrier.pass_s(10)
    assert len(gateway.requests) == 1
    assert carrier.jobs("sns.push") == 0
