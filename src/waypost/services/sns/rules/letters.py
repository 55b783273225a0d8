"""E-mail: what SNS writes to the people behind an address.

A topic's display name is the sender's of its messages, not of confirmations: CreateTopic's documentation says so.
"""

from datetime import UTC, datetime
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from typing import NamedTuple

from waypost.services.sns.rules.envelope import Document

SENDER_NAME = "AWS Notifications"
"""The sender's name of confirmations, and of messages where the topic has no display name."""
SUBJECT = "AWS Notification Message"
CONFIRM_SUBJECT = "AWS Notification - Subscription Confirmation"
UNSUBSCRIBED_SUBJECT = "AWS Notification - Unsubscribe Confirmation"


class Letter(NamedTuple):
    """A mail, but for its envelope."""

    sender_name: str
    subject: str
    text: str


def notification(display_name: str, subject: str | None, text: str, leave_url: str) -> Letter:
    """A message for a reader, with a way to take leave."""
    body = (
        f"{text}\n\n--\n"
        "If you wish to stop receiving notifications from this topic, please click or visit the link below to "
        f"unsubscribe:\n{leave_url}\n\n"
        "Please do not reply directly to this email.\n"
    )
    return Letter(display_name or SENDER_NAME, subject or SUBJECT, body)


def document(display_name: str, subject: str | None, text: str) -> Letter:
    """An envelope for a program that reads mail."""
    return Letter(display_name or SENDER_NAME, subject or SUBJECT, text)


def confirmation(asked: Document) -> Letter:
    """Asks whether a reader wants a topic's messages."""
    text = (
        f"You have chosen to subscribe to the topic:\n{asked['TopicArn']}\n\n"
        "To confirm this subscription, click or visit the link below (If this was in error no action is necessary):\n"
        f"{asked['SubscribeURL']}\n\nPlease do not reply directly to this email.\n"
    )
    return Letter(SENDER_NAME, CONFIRM_SUBJECT, text)


def unsubscribed(told: Document) -> Letter:
    """Tells a reader that the subscription is gone, and how to have it back."""
    text = (
        f"Your subscription to the topic below has been deactivated:\n{told['TopicArn']}\n\n"
        "If this was not intended, click or visit the link below to subscribe again:\n"
        f"{told['SubscribeURL']}\n\nPlease do not reply directly to this email.\n"
    )
    return Letter(SENDER_NAME, UNSUBSCRIBED_SUBJECT, text)


def write(letter: Letter, *, sender: str, recipient: str, message_id: str, at_ms: int) -> bytes:
    """The mail as it goes over the wire."""
    name, _, domain = sender.rpartition("@")
    mail = EmailMessage(policy=SMTP)
    mail["From"] = Address(letter.sender_name, name, domain)
    mail["To"] = recipient
    mail["Subject"] = letter.subject
    mail["Date"] = datetime.fromtimestamp(at_ms / 1_000, UTC)
    mail["Message-ID"] = f"<{message_id}@{domain}>"
    mail["Auto-Submitted"] = "auto-generated"
    mail.set_content(letter.text)
    return mail.as_bytes()
