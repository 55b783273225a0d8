"""The local inbox: what would have left by mail, text or push notification, kept for tests and people to read."""

from typing import Any, NamedTuple

import msgspec

from waypost.service import Context, Operation, Params
from waypost.services.sns.limits import INBOX_MAX, INBOX_PAGE_MAX
from waypost.services.sns.rules.envelope import timestamp
from waypost.store.queries import load
from waypost.store.store import Tx

Q = load("waypost.services.sns", "deliveries.sql")

TRIM_PART = 0.01
"""How often a new message has the oldest thrown away."""

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(dict[str, Any]).decode


class Note(NamedTuple):
    """A message for the inbox."""

    channel: str
    """email, sms or application."""
    recipient: str
    """A mail address, a phone number, the ARN of an endpoint."""
    document: dict[str, Any]


def keep(tx: Tx, ctx: Context, note: Note) -> None:
    """Put a message into the inbox of the context's account and region."""
    place = {"account": ctx.account, "region": ctx.region}
    tx.send(
        Q.insert_note, id=ctx.ids.row(ctx.now_ms), channel=note.channel, recipient=note.recipient,
        document=_encode(note.document).decode(), now=ctx.now_ms, **place,
    )  # fmt: skip
    if ctx.ids.fraction() < TRIM_PART:
        tx.send(Q.trim_inbox, others=INBOX_MAX - 1, **place)


def read_inbox(tx: Tx, ctx: Context, request: Params) -> Params:
    """``{"Channel"?, "Recipient"?, "After"?: id, "Limit"?}`` to ``{"Messages": [...]}``, the oldest first."""
    place = {
        "account": ctx.account, "region": ctx.region, "after": request.get("After") or 0,
        "limit": min(request.get("Limit") or INBOX_PAGE_MAX, INBOX_PAGE_MAX),
    }  # fmt: skip
    channel, recipient = request.get("Channel"), request.get("Recipient")
    if channel and recipient:
        rows = tx.all(Q.list_notes_to, channel=channel, recipient=recipient, **place)
    else:
        rows = tx.all(Q.list_notes, channel=channel or "", recipient=recipient or "", **place)
    return {
        "Messages": [
            {
                "Id": str(row_id), "Channel": kind, "Recipient": to, "SentAt": timestamp(sent_ms),
                **_decode(document),
            }
            for row_id, kind, to, document, sent_ms in rows
        ]
    }  # fmt: skip


OPERATIONS: dict[str, Operation] = {"waypost:ReadInbox": read_inbox}
