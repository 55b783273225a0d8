"""Envelopes, member by member. The layout is that of bodies that SNS put into queues of AWS."""

import base64
import json

import hypothesis.strategies as st
import pytest
from hypothesis import given

from waypost.services.sns.rules import envelope
from waypost.services.sns.rules.messages import Attribute
from waypost.services.sns.rules.signature import string_to_sign
from waypost.services.sns.topic import Published

TOPIC = "arn:aws:sns:us-east-1:123456789012:topic"
SUBSCRIPTION = f"{TOPIC}:c5dd8602-0a19-40c5-86dc-d67f42f5693c"
ID = "22b80b92-fdea-4c2c-8f9d-bdfb0c7bf324"
BASE = "http://localhost:4566"
AT_MS = 1_335_920_046_055
UNSUBSCRIBE = f"{BASE}/?Action=Unsubscribe&SubscriptionArn={SUBSCRIPTION}"
SIGNED = {"SignatureVersion": "1", "Signature": "c2ln", "SigningCertURL": f"{BASE}/SimpleNotificationService-0a.pem"}


def published(**more):
    return Published(**{
        "message_id": ID, "topic_arn": TOPIC, "message": "hello", "texts": None, "subject": None, "attributes": {},
        "at_ms": AT_MS, **more,
    })  # fmt: skip


def written(message, signed=SIGNED):
    document = envelope.notification(message, message.message) | signed
    return envelope.enclose(document, message.attributes).to(BASE, SUBSCRIPTION)


def test_a_notification_as_sns_lays_it_out():
    assert written(published()) == (
        "{\n"
        '  "Type" : "Notification",\n'
        f'  "MessageId" : "{ID}",\n'
        f'  "TopicArn" : "{TOPIC}",\n'
        '  "Message" : "hello",\n'
        '  "Timestamp" : "2012-05-02T00:54:06.055Z",\n'
        '  "SignatureVersion" : "1",\n'
        '  "Signature" : "c2ln",\n'
        f'  "SigningCertURL" : "{BASE}/SimpleNotificationService-0a.pem",\n'
        f'  "UnsubscribeURL" : "{UNSUBSCRIBE}"\n'
        "}"
    )


def test_subject_and_attributes_have_their_places():
    attributes = {
        "store": Attribute("String", "fans"),
        "tone": Attribute("String.Array", '["cheerful","serious"]'),
        "raw": Attribute("Binary.png", None, b"\x00\xff"),
    }
    text = written(published(subject="Hi", attributes=attributes))
    assert list(json.loads(text)) == [
        "Type", "MessageId", "TopicArn", "Subject", "Message", "Timestamp", "SignatureVersion", "Signature",
        "SigningCertURL", "UnsubscribeURL", "MessageAttributes",
    ]  # fmt: skip
    assert text.endswith(
        f'  "UnsubscribeURL" : "{UNSUBSCRIBE}",\n'
        '  "MessageAttributes" : {\n'
        '    "store" : {"Type":"String","Value":"fans"},\n'
        '    "tone" : {"Type":"String.Array","Value":"[\\"cheerful\\",\\"serious\\"]"},\n'
        '    "raw" : {"Type":"Binary.png","Value":"AP8="}\n'
        "  }\n"
        "}"
    )


def test_a_fifo_topic_numbers_its_messages():
    # Recorded: its envelopes are not signed.
    text = written(published(sequence_number="10000000000000003000", replayed=True), signed={})
    assert list(json.loads(text)) == [
        "Type", "MessageId", "SequenceNumber", "TopicArn", "Message", "Timestamp", "Replayed", "UnsubscribeURL",
    ]  # fmt: skip
    assert json.loads(text)["SequenceNumber"] == "10000000000000003000"


def test_a_confirmation():
    document = envelope.confirmation(message_id=ID, token="t0ken", topic_arn=TOPIC, at_ms=AT_MS, base_url=BASE)
    assert list(document.items()) == [
        ("Type", "SubscriptionConfirmation"),
        ("MessageId", ID),
        ("Token", "t0ken"),
        ("TopicArn", TOPIC),
        (
            "Message",
            (
                f"You have chosen to subscribe to the topic {TOPIC}.\n"
                "To confirm the subscription, visit the SubscribeURL included in this message."
            ),
        ),
        ("SubscribeURL", f"{BASE}/?Action=ConfirmSubscription&TopicArn={TOPIC}&Token=t0ken"),
        ("Timestamp", "2012-05-02T00:54:06.055Z"),
    ]
    assert json.loads(envelope.write(document)) == document
    assert envelope.write(document).startswith('{\n  "Type" : "SubscriptionConfirmation",\n')


def test_the_end_of_a_subscription():
    document = envelope.unsubscribed(
        message_id=ID, token="t0ken", topic_arn=TOPIC, subscription_arn=SUBSCRIPTION, at_ms=AT_MS, base_url=BASE
    )
    assert document["Type"] == "UnsubscribeConfirmation"
    assert document["Message"] == (
        f"You have chosen to deactivate subscription {SUBSCRIPTION}.\n"
        "To cancel this operation and restore the subscription, visit the SubscribeURL included in this message."
    )
    assert list(document) == list(
        envelope.confirmation(message_id=ID, token="t", topic_arn=TOPIC, at_ms=0, base_url=BASE)
    )


@pytest.mark.parametrize("subject", [None, "Hi"])
def test_an_event_for_a_function(subject):
    message = published(subject=subject, attributes={"n": Attribute("Number", "5")})
    document = envelope.notification(message, "for lambda") | SIGNED
    event = envelope.lambda_event(document, message.attributes, base_url=BASE, subscription_arn=SUBSCRIPTION)
    (record,) = event["Records"]
    assert list(record) == ["EventSource", "EventVersion", "EventSubscriptionArn", "Sns"]
    assert (record["EventSource"], record["EventVersion"]) == ("aws:sns", "1.0")
    assert record["EventSubscriptionArn"] == SUBSCRIPTION
    assert list(record["Sns"].items()) == [
        ("Type", "Notification"),
        ("MessageId", ID),
        ("TopicArn", TOPIC),
        ("Subject", subject),
        ("Message", "for lambda"),
        ("Timestamp", "2012-05-02T00:54:06.055Z"),
        ("SignatureVersion", "1"),
        ("Signature", "c2ln"),
        ("SigningCertUrl", f"{BASE}/SimpleNotificationService-0a.pem"),
        ("UnsubscribeUrl", UNSUBSCRIBE),
        ("MessageAttributes", {"n": {"Type": "Number", "Value": "5"}}),
    ]


def test_headers_of_http():
    given_ids = {"message_id": ID, "topic_arn": TOPIC}
    assert envelope.http_headers("SubscriptionConfirmation", **given_ids, subscription_arn=None) == {
        "x-amz-sns-message-type": "SubscriptionConfirmation",
        "x-amz-sns-message-id": ID,
        "x-amz-sns-topic-arn": TOPIC,
        "Content-Type": "text/plain; charset=UTF-8",
        "User-Agent": "Amazon Simple Notification Service Agent",
    }
    raw = envelope.http_headers(
        "Notification", **given_ids, subscription_arn=SUBSCRIPTION, raw=True, content_type="application/json"
    )
    assert raw["x-amz-sns-subscription-arn"] == SUBSCRIPTION
    assert raw["x-amz-sns-rawdelivery"] == "true"
    assert raw["Content-Type"] == "application/json"


def test_what_is_signed():
    message = published(subject="Hi")
    assert string_to_sign(envelope.notification(message, "hello") | SIGNED) == (
        f"Message\nhello\nMessageId\n{ID}\nSubject\nHi\nTimestamp\n2012-05-02T00:54:06.055Z\nTopicArn\n{TOPIC}\n"
        "Type\nNotification\n"
    )
    assert "Subject" not in string_to_sign(envelope.notification(published(), "hello"))
    document = envelope.confirmation(message_id=ID, token="t0ken", topic_arn=TOPIC, at_ms=AT_MS, base_url=BASE)
    assert string_to_sign(document) == (
        f"Message\n{document['Message']}\nMessageId\n{ID}\nSubscribeURL\n{document['SubscribeURL']}\n"
        f"Timestamp\n2012-05-02T00:54:06.055Z\nToken\nt0ken\nTopicArn\n{TOPIC}\nType\nSubscriptionConfirmation\n"
    )


any_text = st.text(st.characters(exclude_categories=["Cs"]))


@given(
    message=any_text,
    subject=st.none() | any_text,
    attributes=st.dictionaries(
        any_text, st.one_of(any_text.map(lambda text: Attribute("String", text)), st.binary().map(
            lambda octets: Attribute("Binary", None, octets))),
    ),
    at_ms=st.integers(0, 253_402_300_799_999),
)  # fmt: skip
def test_whatever_is_published_can_be_read(message, subject, attributes, at_ms):
    document = json.loads(written(published(message=message, subject=subject, attributes=attributes, at_ms=at_ms)))
    assert document["Message"] == message
    assert document.get("Subject") == subject
    shown = document.get("MessageAttributes", {})
    assert list(shown) == list(attributes)
    for name, attribute in attributes.items():
        value = shown[name]["Value"]
        assert (base64.b64decode(value) if attribute.type == "Binary" else value) == (
            attribute.binary if attribute.type == "Binary" else attribute.text
        )
