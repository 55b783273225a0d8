"""Deliveries by e-mail, through a real mail server; and the local inbox."""

import json
import re
from collections.abc import AsyncIterator

import pytest
from tests.outside import MailBox
from tests.services.sns.carrier import BASE, Carrier
from tests.stores import KINDS

from waypost.services.sns.deliveries import inbox
from waypost.services.sns.rules import letters
from waypost.work.mail import MailServer

KAY = "kay@example.com"


@pytest.fixture
async def box() -> AsyncIterator[MailBox]:
    made = await MailBox().start()
    yield made
    await made.close()


@pytest.fixture(params=KINDS)
async def carrier(request: pytest.FixtureRequest, box: MailBox) -> AsyncIterator[Carrier]:
    made = Carrier(request.param, mail=MailServer("smtp", "127.0.0.1", box.port), email="smtp")
    yield made
    await made.close()


async def test_a_reader_is_asked_confirms_and_reads(carrier: Carrier, box: MailBox) -> None:
    topic = await carrier.topic(DisplayName="Häuser")
    await carrier("Subscribe", TopicArn=topic, Protocol="email", Endpoint=KAY)
    await carrier.work()
    (asked,) = box.mails
    assert (asked.sender, asked.recipients) == ("sns@example.com", [KAY])
    assert asked.message["Subject"] == "AWS Notification - Subscription Confirmation"
    assert asked.message["From"].addresses[0].display_name == "AWS Notifications"
    (link,) = re.findall(r"http://\S+", asked.message.get_content())
    assert link.startswith(f"{BASE}/?Action=ConfirmSubscription&TopicArn={topic}&Token=")
    answer = await carrier("ConfirmSubscription", TopicArn=topic, Token=link.rpartition("=")[2])
    message_id = await carrier.publish(topic, "Grüße\n.\nend", Subject="S")
    mail = box.mails[1].message
    assert (mail["Subject"], mail["To"], mail["Message-ID"]) == ("S", KAY, f"<{message_id}@example.com>")
    assert mail["From"].addresses[0].display_name == "Häuser"
    assert mail["Date"].datetime.timestamp() == carrier.clock.now_ms() // 1_000
    text = mail.get_content().replace("\r\n", "\n")
    assert text.startswith("Grüße\n.\nend\n\n--\n")
    assert f"{BASE}/?Action=Unsubscribe&SubscriptionArn={answer['SubscriptionArn']}\n" in text
    assert await carrier.outcomes(topic) == {"delivered": 1}


async def test_a_program_that_reads_mail_gets_envelopes(carrier: Carrier, box: MailBox) -> None:
    topic = await carrier.topic()
    await carrier.subscribe(topic, "email-json", KAY)
    await carrier.publish(topic, '{"default": "d", "email-json": "for programs"}', MessageStructure="json")
    asked, told = (json.loads(mail.message.get_content()) for mail in box.mails)
    assert (asked["Type"], asked["SigningCertURL"][: len(BASE)]) == ("SubscriptionConfirmation", BASE)
    assert (told["Type"], told["Message"]) == ("Notification", "for programs")
    assert box.mails[1].message["Subject"] == "AWS Notification Message"
    assert box.mails[1].message["From"].addresses[0].display_name == "AWS Notifications"


async def test_a_reader_is_told_of_the_end(carrier: Carrier, box: MailBox) -> None:
    topic = await carrier.topic()
    arn = await carrier.subscribe(topic, "email", KAY)
    await carrier("Unsubscribe", SubscriptionArn=arn)
    await carrier.work()
    assert box.mails[1].message["Subject"] == "AWS Notification - Unsubscribe Confirmation"
    (link,) = re.findall(r"http://\S+", box.mails[1].message.get_content())
    await carrier("ConfirmSubscription", TopicArn=topic, Token=link.rpartition("=")[2])
    await carrier.publish(topic, "again")
    assert box.mails[2].message.get_content().startswith("again")


async def test_what_a_mail_server_refuses_for_now_is_tried_fifty_times(carrier: Carrier, box: MailBox) -> None:
    topic = await carrier.topic()
    queue = await carrier.queue()
    await carrier.subscribe(topic, "email", KAY, RedrivePolicy=json.dumps({"deadLetterTargetArn": queue}))
    box.refuse[KAY] = "451 try later"
    await carrier.publish(topic, "patience")
    for _ in range(52):
        await carrier.pass_s(600)
    status = await carrier("waypost:DeliveryStatus", TopicArn=topic)
    failed = status["Subscriptions"][0]["Outcomes"]["failed"]
    assert (failed["Count"], failed["LastError"]) == (1, "451 try later")
    (dead,) = await carrier.received(queue)
    assert json.loads(dead["Body"])["Message"] == "patience"


async def test_what_passes_is_delivered_after_all(carrier: Carrier, box: MailBox) -> None:
    topic = await carrier.topic()
    await carrier.subscribe(topic, "email", KAY)
    box.refuse[KAY] = "421 busy"
    await carrier.publish(topic, "patience")
    box.refuse.clear()
    await carrier.pass_s(10)
    assert len(box.mails) == 2


async def test_a_mailbox_that_does_not_exist_is_a_failure_at_once(carrier: Carrier, box: MailBox) -> None:
    topic = await carrier.topic()
    await carrier.subscribe(topic, "email", KAY)
    box.refuse[KAY] = "550 no such mailbox"
    await carrier.publish(topic)
    assert await carrier.outcomes(topic) == {"failed": 1}
    assert carrier.jobs() == 0


@pytest.mark.parametrize(
    "endpoint", ["kay", "kay@", "@example.com", "kay lou@example.com", "kay@example.com\r\nBcc: x@y"]
)
async def test_what_is_no_mail_address_is_refused(carrier: Carrier, endpoint: str) -> None:
    topic = await carrier.topic()
    refused = await carrier.refused("Subscribe", TopicArn=topic, Protocol="email", Endpoint=endpoint)
    assert refused.message == "Invalid parameter: Email address"


def test_headers_cannot_be_smuggled() -> None:
    letter = letters.document("Name\r\nBcc: eve@example.com", "S", "text")
    with pytest.raises(ValueError, match="CR or LF"):
        letters.write(letter, sender="a@b.c", recipient=KAY, message_id="m", at_ms=0)


# --- the local inbox


@pytest.fixture(params=KINDS)
async def local(request: pytest.FixtureRequest) -> AsyncIterator[Carrier]:
    made = Carrier(request.param)
    yield made
    await made.close()


async def test_an_inbox_keeps_what_would_have_left(local: Carrier) -> None:
    topic = await local.topic()
    arn = await local.subscribe(topic, "email", KAY)
    await local.subscribe(topic, "sms", "+15550001111")
    message_id = await local.publish(topic, "hello", Subject="S")
    asked, read = await local.inbox("email", KAY)
    assert asked["Subject"] == "AWS Notification - Subscription Confirmation"
    assert read["Message"].startswith("hello\n\n--\n")
    assert arn in read["Message"]
    del read["Message"], read["Id"]
    assert read == {
        "Channel": "email", "Recipient": KAY, "MessageId": message_id, "Subject": "S",
        "From": "AWS Notifications <sns@example.com>", "SentAt": "2023-11-14T22:13:20.000Z",
    }  # fmt: skip
    assert [one["Channel"] for one in await local.inbox()] == ["email", "email", "sms"]
    assert len(await local.inbox("sms")) == 1
    assert len(await local.inbox("", KAY)) == 2
    after = await local("waypost:ReadInbox", After=int(asked["Id"]), Limit=1)
    assert [one["Subject"] for one in after["Messages"]] == ["S"]


async def test_an_account_reads_its_own(local: Carrier) -> None:
    topic = await local.topic()
    await local.subscribe(topic, "sms", "+15550001111")
    await local.publish(topic)
    assert await local("waypost:ReadInbox", account="111111111111") == {"Messages": []}


async def test_an_inbox_stays_small(local: Carrier, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inbox, "INBOX_MAX", 5)
    monkeypatch.setattr(inbox, "TRIM_PART", 1.0)
    topic = await local.topic()
    await local.subscribe(topic, "sms", "+15550001111")
    for number in range(8):
        await local.publish(topic, str(number))
    assert [one["Message"] for one in await local.inbox()] == ["3", "4", "5", "6", "7"]
