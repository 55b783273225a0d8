"""Outside work: what operations and jobs may ask for besides functions, and who does it.

A performer never raises for what the other side does: every outcome is a value, and a settlement decides what it means.
"""

import asyncio
import importlib
import ssl
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Protocol
from urllib.parse import urlsplit

import msgspec

from waypost.clock import Clock, monotonic_ns
from waypost.work.admission import Admission
from waypost.work.compute import Compute, Processors
from waypost.work.mail import MailClient, MailServer

TIMEOUT_MS = 15_000
"""What SNS gives an endpoint, from the first packet to the end of the answer."""

MAIL_LANE = "mail:"


class HttpPost(msgspec.Struct, frozen=True):
    """A POST. Redirects are not followed; a certificate that cannot be trusted is a failure."""

    url: str
    """http or https; a name and a password in it answer the server's challenge, Basic or Digest."""
    headers: tuple[tuple[str, str], ...]
    """All of them but Host, Content-Length and Connection."""
    body: bytes
    timeout_ms: int = TIMEOUT_MS


class HttpAnswer(msgspec.Struct, frozen=True):
    """The other side answered."""

    status: int
    headers: Mapping[str, str]
    """By lower-case name."""
    body: bytes
    """Its beginning: at most ``http_client.BODY_MAX`` bytes."""


class HttpFailed(msgspec.Struct, frozen=True):
    """There was no answer: no such host, no connection, no trust, no answer in time."""

    error: str


class SendMail(msgspec.Struct, frozen=True):
    """A mail to one recipient, through the configured server."""

    sender: str
    recipient: str
    message: bytes
    """Headers and body, as RFC 5322 has them."""


class MailAnswer(msgspec.Struct, frozen=True):
    """The mail server answered: 250 where it took the mail, else why it did not."""

    code: int
    text: str


class MailFailed(msgspec.Struct, frozen=True):
    """There was no answer of the mail server, or it does not serve us."""

    error: str


class Nothing(msgspec.Struct, frozen=True):
    """No work: what was written is to be committed although the settlement refuses."""


class Crowded(msgspec.Struct, frozen=True):
    """Not tried: what goes to this endpoint already takes all the room that it may have. Ask again."""

    retry_ms: int
    """After so many ms."""


class _HttpClient(Protocol):
    async def post(self, call: HttpPost) -> HttpAnswer | HttpFailed: ...
    async def close(self) -> None: ...


class Outside:
    """Does the outside work of one node."""

    def __init__(self, clock: Clock, *, mail: MailServer | None = None, trusted_ca: str = "") -> None:
        """``trusted_ca`` is a PEM file of further certificate authorities; raises OSError where it is none."""
        if trusted_ca:
            ssl.create_default_context(cafile=trusted_ca)
        self._trusted_ca = trusted_ca
        self._mail = None if mail is None else MailClient(mail, trusted_ca)
        self._http: asyncio.Future[_HttpClient] | None = None
        self._processors = Processors()
        self.admission = Admission(clock)
        self.performers: Mapping[type, Callable[[Any], Awaitable[Any]]] = {
            HttpPost: self.post, Nothing: self.nothing, SendMail: self.send_mail, Compute: self._processors.perform,
        }  # fmt: skip

    async def post(self, call: HttpPost) -> HttpAnswer | HttpFailed | Crowded:
        """Do a POST."""
        lane = _lane(call.url)
        retry_ms = self.admission.enter(lane)
        if retry_ms:
            return Crowded(retry_ms)
        began_ns, well = monotonic_ns(), False
        try:
            client = await self._client()
            outcome = await client.post(call)
            well = isinstance(outcome, HttpAnswer)
        finally:
            self.admission.leave(lane, well=well, lasted_ms=(monotonic_ns() - began_ns) / 1e6)
        return outcome

    async def nothing(self, _call: Nothing) -> None:
        """Do nothing."""

    async def _client(self) -> _HttpClient:
        """The HTTP client. Its library takes a fifth of a second and 15 MiB to load: whoever needs none pays none."""
        if self._http is None:
            self._http = asyncio.ensure_future(self._open())
        return await asyncio.shield(self._http)

    async def _open(self) -> _HttpClient:
        module = await asyncio.to_thread(importlib.import_module, "waypost.work.http_client")
        client: _HttpClient = module.HttpClient(self._trusted_ca)
        return client

    async def send_mail(self, call: SendMail) -> MailAnswer | MailFailed | Crowded:
        """Send a mail."""
        if self._mail is None:
            return MailFailed("no mail server is configured")
        retry_ms = self.admission.enter(MAIL_LANE)
        if retry_ms:
            return Crowded(retry_ms)
        began_ns, well = monotonic_ns(), False
        try:
            refused = await self._mail.send(call.sender, call.recipient, call.message)
            well = refused is None or isinstance(refused, tuple)
        finally:
            self.admission.leave(MAIL_LANE, well=well, lasted_ms=(monotonic_ns() - began_ns) / 1e6)
        if refused is None:
            return MailAnswer(250, "")
        return MailFailed(refused) if isinstance(refused, str) else MailAnswer(*refused)

    async def close(self) -> None:
        """Let connections go; what is still under way fails."""
        if self._http is not None:
            await (await self._http).close()
        if self._mail is not None:
            self._mail.close()
        self._processors.close()


def _lane(url: str) -> str:
    """Who shares the fate of a call: the server that it goes to."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return url
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"
