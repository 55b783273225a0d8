"""Deliveries to mailboxes."""

from typing import Any

from waypost.service import Context
from waypost.services.sns.deliveries.attempts import Undeliverable, Verdict
from waypost.services.sns.deliveries.channels import INBOX, channels, unset
from waypost.services.sns.deliveries.inbox import Note
from waypost.services.sns.rules import letters
from waypost.services.sns.rules.letters import Letter
from waypost.store.store import Tx
from waypost.work.perform import MailAnswer, SendMail


def mail(tx: Tx, ctx: Context, recipient: str, letter: Letter, message_id: str) -> SendMail | Note:
    """A letter to one recipient; raises ``Undeliverable``."""
    found = channels(tx, ctx)
    if not found.email:
        raise Undeliverable(unset("email").message)
    if found.email == INBOX:
        return Note(
            "email", recipient,
            {
                "MessageId": message_id, "From": f"{letter.sender_name} <{found.sender}>", "Subject": letter.subject,
                "Message": letter.text,
            },
        )  # fmt: skip
    try:
        text = letters.write(letter, sender=found.sender, recipient=recipient, message_id=message_id, at_ms=ctx.now_ms)
    except ValueError as error:
        raise Undeliverable(f"no mail can be written to {recipient}: {error}") from error
    return SendMail(found.sender, recipient, text)


def judge(outcome: Any) -> Verdict:
    """What a mail server's answer means: 5xx is for good, all else may pass."""
    if not isinstance(outcome, MailAnswer):
        return Verdict(outcome.error)
    if outcome.code == 250:
        return Verdict()
    return Verdict(f"{outcome.code} {outcome.text}", again=outcome.code < 500)
