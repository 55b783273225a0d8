"""Texts: to phones, by topics, through a gateway; who opted out; the sandbox."""

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
from tests.outside import WebServer
from tests.services.sns.carrier import Carrier

PHONE, OTHER = "+15550001111", "+15550002222"
DAY_S = 86_400


@pytest.fixture
async def gateway(carrier: Carrier) -> AsyncIterator[WebServer]:
    """A gateway, set as the carrier's."""
    server = await WebServer().start()
    carrier.channels["sms"] = f"{server.url}/sms"
    yield server
    await server.close()


async def text(carrier: Carrier, message: str = "hello", phone: str = PHONE, **more: Any) -> str:
    answer = await carrier("Publish", PhoneNumber=phone, Message=message, **more)
    await carrier.work()
    return answer["MessageId"]


def given(**attributes: str) -> dict[str, Any]:
    kinds = {"MaxPrice": "Number"}
    return {
        f"AWS.{name.replace('__', '.')}": {
            "DataType": kinds.get(name.rpartition("__")[2], "String"),
            "StringValue": value,
        }
        for name, value in attributes.items()
    }


async def stop(carrier: Carrier, message: str = "Stop", phone: str = PHONE) -> bool:
    return (await carrier("waypost:ReceiveText", PhoneNumber=phone, Message=message))["OptedOut"]


async def phones_outcomes(carrier: Carrier) -> dict[str, Any]:
    return (await carrier("waypost:DeliveryStatus"))["PhoneNumbers"]


# --- texts


async def test_a_gateway_gets_the_input_of_send_text_message(carrier: Carrier, gateway: WebServer) -> None:
    attributes = given(
        SNS__SMS__SenderID="Waypost", SNS__SMS__SMSType="Transactional", SNS__SMS__MaxPrice="0.50",
        MM__SMS__EntityId="e", MM__SMS__TemplateId="t",
    )  # fmt: skip
    message_id = await text(carrier, "Grüße", MessageAttributes=attributes)
    (request,) = gateway.requests
    assert (request.method, request.path) == ("POST", "/sms")
    assert request.headers["content-type"] == "application/x-amz-json-1.0"
    assert request.headers["x-amz-target"] == "PinpointSMSVoiceV2.SendTextMessage"
    assert json.loads(request.body) == {
        "DestinationPhoneNumber": PHONE, "OriginationIdentity": "Waypost", "MessageBody": "Grüße",
        "MessageType": "TRANSACTIONAL", "MaxPrice": "0.50", "Context": {"MessageId": message_id},
        "DestinationCountryParameters": {"IN_ENTITY_ID": "e", "IN_TEMPLATE_ID": "t"},
    }  # fmt: skip
    assert (await phones_outcomes(carrier))["delivered"]["Count"] == 1


async def test_an_account_has_defaults(carrier: Carrier, gateway: WebServer) -> None:
    await carrier("SetSMSAttributes", attributes={"DefaultSenderID": "Mine", "DefaultSMSType": "Transactional"})
    await text(carrier)
    await text(carrier, MessageAttributes=given(SNS__SMS__SMSType="Promotional", MM__SMS__OriginationNumber=OTHER))
    first, second = (json.loads(request.body) for request in gateway.requests)
    assert (first["OriginationIdentity"], first["MessageType"]) == ("Mine", "TRANSACTIONAL")
    assert (second["OriginationIdentity"], second["MessageType"]) == (OTHER, "PROMOTIONAL")


async def test_a_topic_texts_its_subscribers_under_its_name(carrier: Carrier, gateway: WebServer) -> None:
    topic = await carrier.topic(DisplayName="A very long name")
    await carrier.subscribe(topic, "sms", "+1555-000-1111")
    await carrier.publish(topic, '{"default": "d", "sms": "short"}', MessageStructure="json")
    (request,) = gateway.requests
    said = json.loads(request.body)
    assert (said["DestinationPhoneNumber"], said["MessageBody"]) == (PHONE, "A very lon> short")
    assert await carrier.outcomes(topic) == {"delivered": 1}


@pytest.mark.parametrize(
    ("status", "answer", "again"),
    [
        (500, b"", True),
        (429, b"", True),
        (400, b'{"__type": "com.amazonaws.pinpointsmsvoicev2#ThrottlingException", "message": "slow"}', True),
        (400, b'{"__type": "ValidationException", "message": "no such number"}', False),
        (403, b"[]", False),
    ],
)
async def test_what_a_gateway_refuses_may_pass(
    carrier: Carrier, gateway: WebServer, status: int, answer: bytes, again: bool
) -> None:
    gateway.answers = [(status, {}, answer)]
    await text(carrier)
    await carrier.pass_s(10)
    assert len(gateway.requests) == 1 + again
    outcomes = await phones_outcomes(carrier)
    assert ("delivered" in outcomes) == again
    if b"no such number" in answer:
        assert outcomes["failed"]["LastError"] == "ValidationException no such number"


@pytest.mark.parametrize(
    ("attributes", "name"),
    [
        (given(SNS__SMS__SenderID="much too long"), "SenderID"),
        (given(SNS__SMS__SenderID="12345"), "SenderID"),
        (given(SNS__SMS__SMSType="Loud"), "SMSType"),
        (given(SNS__SMS__MaxPrice="-1"), "MaxPrice"),
    ],
)
async def test_attributes_that_make_no_sense_are_refused(
    carrier: Carrier, attributes: dict[str, Any], name: str
) -> None:
    refused = await carrier.refused("Publish", PhoneNumber=PHONE, Message="m", MessageAttributes=attributes)
    assert refused.message == f"Invalid parameter: MessageAttributes Reason: AWS.SNS.SMS.{name} is invalid"


async def test_a_text_has_a_length(carrier: Carrier, gateway: WebServer) -> None:
    await text(carrier, "x" * 1_600)
    refused = await carrier.refused("Publish", PhoneNumber=PHONE, Message="x" * 1_601)
    assert refused.message == "Invalid parameter: Message too long"
    topic = await carrier.topic()
    await carrier.subscribe(topic, "sms", PHONE)
    await carrier.publish(topic, "x" * 1_601)
    assert len(gateway.requests) == 1
    assert await carrier.outcomes(topic) == {"failed": 1}


async def test_without_a_gateway_texts_are_refused(carrier: Carrier) -> None:
    carrier.channels["sms"] = ""
    refused = await carrier.refused("Publish", PhoneNumber=PHONE, Message="m")
    assert "sms_gateway is empty" in refused.message
    assert carrier.jobs("sns.text") == 0


async def test_the_inbox_shows_texts(carrier: Carrier) -> None:
    message_id = await text(carrier, MessageAttributes=given(SNS__SMS__SenderID="Waypost"))
    (note,) = await carrier.inbox("sms", PHONE)
    assert (note["MessageId"], note["Message"], note["Sender"], note["Type"]) == (
        message_id, "hello", "Waypost", "Promotional",
    )  # fmt: skip


# --- attributes


async def test_attributes_are_kept_one_by_one(carrier: Carrier) -> None:
    async def attributes(*names: str) -> dict[str, str]:
        return (await carrier("GetSMSAttributes", **({"attributes": list(names)} if names else {})))["attributes"]

    assert await attributes() == {"MonthlySpendLimit": "1"}
    await carrier("SetSMSAttributes", attributes={"DefaultSenderID": "Mine", "MonthlySpendLimit": "20"})
    await carrier("SetSMSAttributes", attributes={"DefaultSMSType": "Promotional"})
    assert await attributes() == {"MonthlySpendLimit": "20", "DefaultSenderID": "Mine", "DefaultSMSType": "Promotional"}
    assert await attributes("DefaultSenderID", "UsageReportS3Bucket") == {"DefaultSenderID": "Mine"}
    await carrier("SetSMSAttributes", attributes={"DefaultSenderID": ""})
    assert "DefaultSenderID" not in await attributes()
    assert (await carrier.refused("GetSMSAttributes", attributes=["Color"])).message == "Color is not a valid attribute"


@pytest.mark.parametrize(
    ("attributes", "message"),
    [
        ({"Color": "red"}, "Color is not a valid attribute"),
        ({"DefaultSMSType": "Loud"}, "DefaultSMSType is invalid"),
        ({"DefaultSenderID": "1234"}, "DefaultSenderID is invalid"),
        ({"MonthlySpendLimit": "much"}, "MonthlySpendLimit is invalid"),
        ({"DeliveryStatusSuccessSamplingRate": "101"}, "DeliveryStatusSuccessSamplingRate is invalid"),
        ({"DeliveryStatusIAMRole": "arn:aws:iam::1:role/r"}, "DeliveryStatusIAMRole is invalid"),
        ({"UsageReportS3Bucket": "b"}, "Waypost has no S3"),
    ],
)
async def test_what_attributes_cannot_be(carrier: Carrier, attributes: dict[str, str], message: str) -> None:
    refused = await carrier.refused("SetSMSAttributes", attributes=attributes)
    assert refused.code == "InvalidParameterException"
    assert message in refused.message
    assert (await carrier("GetSMSAttributes"))["attributes"] == {"MonthlySpendLimit": "1"}


# --- opting out


@pytest.mark.parametrize("word", ["STOP", "stop", " Unsubscribe ", "ARRET", "opt-out"])
async def test_a_phone_that_opted_out_gets_nothing(carrier: Carrier, gateway: WebServer, word: str) -> None:
    topic = await carrier.topic()
    await carrier.subscribe(topic, "sms", PHONE)
    assert await stop(carrier, word)
    assert (await carrier("CheckIfPhoneNumberIsOptedOut", phoneNumber=PHONE)) == {"isOptedOut": True}
    assert (await carrier("CheckIfPhoneNumberIsOptedOut", phoneNumber=OTHER)) == {"isOptedOut": False}
    await text(carrier)
    await carrier.publish(topic)
    assert not gateway.requests
    assert (await phones_outcomes(carrier))["failed"]["LastError"] == "Phone number is opted out"
    assert await carrier.outcomes(topic) == {"failed": 1}


async def test_another_answer_changes_nothing(carrier: Carrier) -> None:
    assert not await stop(carrier, "stop it, please")
    assert (await carrier("CheckIfPhoneNumberIsOptedOut", phoneNumber=PHONE)) == {"isOptedOut": False}


async def test_a_phone_opts_in_once_in_thirty_days(carrier: Carrier) -> None:
    async def out() -> list[str]:
        return (await carrier("ListPhoneNumbersOptedOut"))["phoneNumbers"]

    await stop(carrier)
    assert await out() == [PHONE]
    await carrier("OptInPhoneNumber", phoneNumber=PHONE)
    assert await out() == []
    carrier.clock.advance(1_000)
    await stop(carrier)
    assert await out() == [PHONE]
    assert "once every 30 days" in (await carrier.refused("OptInPhoneNumber", phoneNumber=PHONE)).message
    carrier.clock.advance(30 * DAY_S * 1_000)
    await carrier("OptInPhoneNumber", phoneNumber=PHONE)
    assert await out() == []
    await carrier("OptInPhoneNumber", phoneNumber=OTHER)


async def test_opted_out_phones_come_in_pages(carrier: Carrier) -> None:
    phones = [f"+1555000{number:04d}" for number in range(101)]
    for phone in phones:
        await stop(carrier, phone=phone)
    first = await carrier("ListPhoneNumbersOptedOut")
    second = await carrier("ListPhoneNumbersOptedOut", nextToken=first["nextToken"])
    assert first["phoneNumbers"] + second["phoneNumbers"] == phones
    assert "nextToken" not in second


async def test_an_account_has_its_own_list(carrier: Carrier) -> None:
    await stop(carrier)
    answer = await carrier("CheckIfPhoneNumberIsOptedOut", account="111111111111", phoneNumber=PHONE)
    assert answer == {"isOptedOut": False}


@pytest.mark.parametrize("operation", ["CheckIfPhoneNumberIsOptedOut", "OptInPhoneNumber"])
async def test_what_is_no_phone_number_is_refused(carrier: Carrier, operation: str) -> None:
    refused = await carrier.refused(operation, phoneNumber="call me")
    assert refused.message == "Invalid parameter: PhoneNumber Reason: input incorrectly formatted"


# --- the sandbox


async def code(carrier: Carrier, phone: str = PHONE, **more: Any) -> str:
    """Ask for a one-time password, and read it."""
    await carrier("CreateSMSSandboxPhoneNumber", PhoneNumber=phone, **more)
    await carrier.work()
    return "".join(letter for letter in (await carrier.inbox("sms", phone))[-1]["Message"] if letter.isdigit())


async def verify(carrier: Carrier, password: str, phone: str = PHONE) -> None:
    await carrier("VerifySMSSandboxPhoneNumber", PhoneNumber=phone, OneTimePassword=password)


async def listed(carrier: Carrier) -> list[tuple[str, str]]:
    answer = await carrier("ListSMSSandboxPhoneNumbers")
    return [(one["PhoneNumber"], one["Status"]) for one in answer["PhoneNumbers"]]


async def test_in_the_sandbox_texts_go_to_verified_phones_only(carrier: Carrier) -> None:
    assert await carrier("GetSMSSandboxAccountStatus") == {"IsInSandbox": False}
    carrier.channels["sandbox"] = True
    assert await carrier("GetSMSSandboxAccountStatus") == {"IsInSandbox": True}
    await text(carrier)
    assert await carrier.inbox() == []
    assert "not verified" in (await phones_outcomes(carrier))["failed"]["LastError"]
    password = await code(carrier)
    assert len(password) == 6
    assert await listed(carrier) == [(PHONE, "Pending")]
    await verify(carrier, password)
    assert await listed(carrier) == [(PHONE, "Verified")]
    await text(carrier, "welcome")
    assert (await carrier.inbox())[-1]["Message"] == "welcome"


async def test_a_password_comes_in_the_readers_language(carrier: Carrier) -> None:
    await code(carrier, LanguageCode="de-DE")
    (note,) = await carrier.inbox()
    assert note["Message"].startswith("Ihr Bestätigungscode lautet ")


async def test_a_wrong_password_is_refused_and_five_void_the_right_one(carrier: Carrier) -> None:
    password = await code(carrier)
    wrong = f"{(int(password) + 1) % 1_000_000:06d}"
    for _ in range(4):
        refused = await carrier.refused("VerifySMSSandboxPhoneNumber", PhoneNumber=PHONE, OneTimePassword=wrong)
        assert (refused.code, refused.members) == ("VerificationException", {"Status": "INVALID"})
    await verify(carrier, password)
    await verify(carrier, wrong)  # it is verified: there is nothing left to refuse
    other = await code(carrier, OTHER)
    for _ in range(5):
        await carrier.refused("VerifySMSSandboxPhoneNumber", PhoneNumber=OTHER, OneTimePassword="00000")
    await carrier.refused("VerifySMSSandboxPhoneNumber", PhoneNumber=OTHER, OneTimePassword=other)
    await verify(carrier, await code(carrier, OTHER), OTHER)


async def test_passwords_are_sent_five_times_a_day(carrier: Carrier) -> None:
    passwords = [await code(carrier) for _ in range(5)]
    refused = await carrier.refused("CreateSMSSandboxPhoneNumber", PhoneNumber=PHONE)
    assert refused.code == "ThrottledException"
    await carrier.refused("VerifySMSSandboxPhoneNumber", PhoneNumber=PHONE, OneTimePassword=passwords[0])
    await verify(carrier, passwords[-1])
    await code(carrier, OTHER)
    await carrier.pass_s(DAY_S)
    await code(carrier, OTHER)


async def test_ten_phones_can_be_verified(carrier: Carrier) -> None:
    phones = [f"+1555000{number:04d}" for number in range(11)]
    for phone in phones[:10]:
        await verify(carrier, await code(carrier, phone), phone)
    password = await code(carrier, phones[10])
    refused = await carrier.refused("VerifySMSSandboxPhoneNumber", PhoneNumber=phones[10], OneTimePassword=password)
    assert refused.code == "UserErrorException"
    first = await carrier("ListSMSSandboxPhoneNumbers", MaxResults=8)
    second = await carrier("ListSMSSandboxPhoneNumbers", MaxResults=8, NextToken=first["NextToken"])
    assert [one["PhoneNumber"] for one in (*first["PhoneNumbers"], *second["PhoneNumbers"])] == phones


async def test_a_phone_can_be_deleted_after_a_day(carrier: Carrier) -> None:
    await code(carrier)
    refused = await carrier.refused("DeleteSMSSandboxPhoneNumber", PhoneNumber=PHONE)
    assert refused.code == "UserErrorException"
    await carrier.pass_s(DAY_S)
    await carrier("DeleteSMSSandboxPhoneNumber", PhoneNumber=PHONE)
    assert await listed(carrier) == []
    for operation, more in (
        ("DeleteSMSSandboxPhoneNumber", {}),
        ("VerifySMSSandboxPhoneNumber", {"OneTimePassword": "12345"}),
    ):
        refused = await carrier.refused(operation, PhoneNumber=PHONE, **more)
        assert refused.code == "ResourceNotFoundException"


async def test_a_phone_that_opted_out_cannot_be_verified(carrier: Carrier) -> None:
    await stop(carrier)
    assert (await carrier.refused("CreateSMSSandboxPhoneNumber", PhoneNumber=PHONE)).code == "OptedOutException"
    await code(carrier, OTHER)
    await verify(carrier, await code(carrier, OTHER), OTHER)
    assert (await carrier.refused("CreateSMSSandboxPhoneNumber", PhoneNumber=OTHER)).code == "UserErrorException"


async def test_there_are_no_origination_numbers(carrier: Carrier) -> None:
    assert await carrier("ListOriginationNumbers") == {"PhoneNumbers": []}
