"""What Waypost delivers to, for the tests: web servers and mail servers that do as they are told."""

import asyncio
import datetime as dt
import email
import email.policy
import ipaddress
import ssl
import warnings
from collections.abc import Awaitable, Callable
from email.message import EmailMessage
from pathlib import Path
from typing import Any, NamedTuple

from aiohttp import web
from aiosmtpd.smtp import SMTP, AuthResult
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec


class Request(NamedTuple):
    """What a web server was sent."""

    method: str
    path: str
    headers: dict[str, str]
    """By lower-case name."""
    body: bytes


Answer = tuple[int, dict[str, str], bytes]
OK: Answer = (200, {}, b"ok")


class WebServer:
    """Keeps what it is sent, and answers what the test says: a status, an answer, or a function that may wait."""

    def __init__(self) -> None:
        self.requests: list[Request] = []
        self.answers: list[int | Answer | Callable[[Request], Awaitable[Answer]]] = []
        """For the next requests, one each; then the usual one."""
        self.usual: int | Answer | Callable[[Request], Awaitable[Answer]] = OK
        self.connections: set[Any] = set()
        self._arrived = asyncio.Condition()
        self._runner: web.ServerRunner | None = None
        self.port = 0
        self.scheme = "http"

    async def start(self, tls: ssl.SSLContext | None = None) -> "WebServer":
        self._runner = web.ServerRunner(web.Server(self._handle), shutdown_timeout=0)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", self.port, ssl_context=tls)
        await site.start()
        self.port = self._runner.addresses[0][1]
        self.scheme = "https" if tls else "http"
        return self

    @property
    def url(self) -> str:
        return f"{self.scheme}://127.0.0.1:{self.port}"

    async def _handle(self, request: web.BaseRequest) -> web.Response:
        self.connections.add(request.transport)
        headers = {name.lower(): value for name, value in request.headers.items()}
        seen = Request(request.method, request.path_qs, headers, await request.read())
        async with self._arrived:
            self.requests.append(seen)
            self._arrived.notify_all()
        wanted = self.answers.pop(0) if self.answers else self.usual
        if callable(wanted):
            wanted = await wanted(seen)
        status, more, body = (wanted, {}, b"") if isinstance(wanted, int) else wanted
        return web.Response(status=status, headers=more, body=body)

    async def received(self, count: int) -> list[Request]:
        """Wait until so many requests came."""
        async with asyncio.timeout(60), self._arrived:
            await self._arrived.wait_for(lambda: len(self.requests) >= count)
        return self.requests

    async def close(self) -> None:
        if self._runner is not None:
            await self._runner.cleanup()


class Mail(NamedTuple):
    """What a mail server was sent."""

    sender: str
    recipients: list[str]
    message: EmailMessage
    encrypted: bool
    user: str


class MailBox:
    """A mail server that keeps what it is sent."""

    def __init__(self, *, user: str = "", password: str = "", refuse: dict[str, str] | None = None) -> None:
        self.mails: list[Mail] = []
        self.sessions = 0
        self.refuse = refuse or {}
        """What it says to recipients, instead of taking mail for them."""
        self._user, self._password = user, password
        self._arrived = asyncio.Condition()
        self._server: asyncio.Server | None = None
        self.port = 0

    async def start(self, *, starttls: ssl.SSLContext | None = None, tls: ssl.SSLContext | None = None) -> "MailBox":
        def session() -> SMTP:
            self.sessions += 1
            with warnings.catch_warnings(action="ignore"):  # of passwords in the clear, which is what a test is about
                return SMTP(
                    self,
                    hostname="mail.test",
                    tls_context=starttls,
                    require_starttls=starttls is not None,
                    authenticator=self._authenticate if self._user else None,
                    auth_required=bool(self._user),
                    auth_require_tls=False,
                    loop=asyncio.get_running_loop(),
                )

        self._server = await asyncio.get_running_loop().create_server(session, "127.0.0.1", 0, ssl=tls)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    def _authenticate(self, _server: Any, _session: Any, _envelope: Any, _kind: Any, given: Any) -> AuthResult:
        right = (given.login, given.password) == (self._user.encode(), self._password.encode())
        return AuthResult(success=right, handled=False, auth_data=self._user)

    async def handle_RCPT(self, _server: Any, _session: Any, envelope: Any, address: str, options: Any) -> str:  # noqa: N802
        if address in self.refuse:
            return self.refuse[address]
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, _server: Any, session: Any, envelope: Any) -> str:  # noqa: N802
        message = email.message_from_bytes(envelope.content, policy=email.policy.default)
        assert isinstance(message, EmailMessage)
        async with self._arrived:
            self.mails.append(
                Mail(envelope.mail_from, envelope.rcpt_tos, message, session.ssl is not None, session.auth_data or "")
            )
            self._arrived.notify_all()
        return "250 kept"

    async def received(self, count: int) -> list[Mail]:
        """Wait until so many mails came."""
        async with asyncio.timeout(60), self._arrived:
            await self._arrived.wait_for(lambda: len(self.mails) >= count)
        return self.mails

    async def close(self) -> None:
        if self._server is not None:
            self._server.close()
            await self._server.wait_closed()


def certificate(folder: Path) -> tuple[ssl.SSLContext, Path]:
    """A server's TLS context for 127.0.0.1, and the PEM file by which a client can trust it."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "127.0.0.1")])
    begin = dt.datetime(2020, 1, 1, tzinfo=dt.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(7)
        .not_valid_before(begin)
        .not_valid_after(begin + dt.timedelta(days=36_500))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    trusted, private = folder / "ca.pem", folder / "key.pem"
    trusted.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    private.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(trusted, private)
    return context, trusted
