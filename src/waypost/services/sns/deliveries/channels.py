"""Where mails, texts and push notifications go: what the settings of this server say."""

from typing import NamedTuple

from waypost.aws.errors import AwsError
from waypost.service import Context
from waypost.services.sns import errors
from waypost.store.store import Tx

INBOX = "inbox"
"""A gateway of this name keeps what it is given, for tests and people to read under ``/_waypost/inbox``."""

SETTING = {"email": "smtp", "sms": "sms_gateway", "application": "push_gateway"}
"""The setting of each channel."""


class Channels(NamedTuple):
    """Each is empty where it is not set, INBOX, or an address."""

    email: str
    sms: str
    application: str
    sender: str
    """Who mails come from."""
    sandbox: bool
    """Whether texts go only to phones that were verified."""

    def of(self, protocol: str) -> tuple[str, str]:
        """Channel and address of a protocol that has one."""
        channel = "email" if protocol == "email-json" else protocol
        return channel, getattr(self, channel)


def channels(tx: Tx, ctx: Context) -> Channels:
    """What is set on the node that runs this."""
    return Channels(**ctx.calls.call(tx, ctx, "outside", "waypost:Channels", {}))


def refuse_unset(tx: Tx, ctx: Context, protocol: str) -> None:
    """Raise ``AwsError`` where nothing would become of a delivery by ``protocol``."""
    channel, address = channels(tx, ctx).of(protocol)
    if not address:
        raise unset(channel)


def unset(channel: str) -> AwsError:
    """Nobody said where such messages go."""
    return errors.invalid(
        "Protocol", f"this server delivers nothing by {channel}: its setting {SETTING[channel]} is empty"
    )
