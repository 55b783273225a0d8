"""The SMTP client: few threads, each with one connection, kept only as long as mails wait for it."""

import asyncio
import contextlib
import smtplib
import socket
import ssl
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple
from urllib.parse import unquote, urlsplit

CONNECTIONS_MAX = 4
TIMEOUT_S = 15
PORTS = {"smtp": 25, "smtp+starttls": 587, "smtps": 465}
LOOPBACK = ("127.0.0.1", "::1", "localhost")


class MailServer(NamedTuple):
    """Where mails go."""

    scheme: str
    """smtp: encrypted where the server offers it; smtp+starttls: not without; smtps: from the start."""
    host: str
    port: int
    user: str = ""
    password: str = ""


def parse_mail_server(url: str) -> MailServer:
    """Read ``smtp[s|+starttls]://[USER:PASSWORD@]HOST[:PORT]``; raises ValueError with one clear line."""
    parts = urlsplit(url)
    if parts.scheme not in PORTS or not parts.hostname or parts.path not in ("", "/") or parts.query or parts.fragment:
        raise ValueError("a mail server is smtp://, smtp+starttls:// or smtps://[USER:PASSWORD@]HOST[:PORT]")
    user, password = unquote(parts.username or ""), unquote(parts.password or "")
    if user and parts.scheme == "smtp" and parts.hostname not in LOOPBACK:
        raise ValueError("a password is not sent in the clear: use smtp+starttls:// or smtps://")
    return MailServer(parts.scheme, parts.hostname, parts.port or PORTS[parts.scheme], user, password)


class MailClient:
    """Sends mails through one server."""

    def __init__(self, server: MailServer, trusted_ca: str = "") -> None:
        self._server = server
        self._tls = ssl.create_default_context()
        if trusted_ca:
            self._tls.load_verify_locations(trusted_ca)
        self._threads = ThreadPoolExecutor(CONNECTIONS_MAX, "mail")
        self._free: deque[smtplib.SMTP] = deque()
        self._waiting = 0
        """Mails that are handed over and not yet done."""

    async def send(self, sender: str, recipient: str, message: bytes) -> tuple[int, str] | str | None:
        """None where the server took the mail; its code and words where it did not; else what went wrong."""
        self._waiting += 1
        try:
            loop = asyncio.get_running_loop()
            return await loop.run_in_executor(self._threads, self._deliver, sender, recipient, message)
        finally:
            self._waiting -= 1

    def _deliver(self, sender: str, recipient: str, message: bytes) -> tuple[int, str] | str | None:
        """On a thread."""
        try:
            session = self._free.pop()
        except IndexError:
            session = None
        try:
            if session is not None:
                try:
                    return self._say(session, sender, recipient, message)
                except smtplib.SMTPServerDisconnected:
                    session.close()  # it had waited too long: what it said is nothing yet
            session = self._connect()
            return self._say(session, sender, recipient, message)
        except smtplib.SMTPAuthenticationError as error:
            return f"{self._name} does not accept our name and password: {error.smtp_code} {_text(error.smtp_error)}"
        except smtplib.SMTPResponseException as error:
            return error.smtp_code, _text(error.smtp_error)
        except (smtplib.SMTPException, OSError) as error:
            return f"{self._name}: {str(error) or type(error).__name__}"

    @property
    def _name(self) -> str:
        return f"mail server {self._server.host}:{self._server.port}"

    def _say(self, session: smtplib.SMTP, sender: str, recipient: str, message: bytes) -> tuple[int, str] | None:
        refused: tuple[int, str] | None = None
        try:
            session.sendmail(sender, [recipient], message)
        except smtplib.SMTPRecipientsRefused as error:
            code, text = error.recipients[recipient]
            refused = code, _text(text)
        except (smtplib.SMTPSenderRefused, smtplib.SMTPDataError) as error:
            refused = error.smtp_code, _text(error.smtp_error)
        except BaseException:
            session.close()
            raise
        if self._waiting > CONNECTIONS_MAX:
            self._free.append(session)
        else:
            with contextlib.suppress(smtplib.SMTPException, OSError):
                session.quit()
        return refused

    def _connect(self) -> smtplib.SMTP:
        server = self._server
        name = socket.gethostname()
        if server.scheme == "smtps":
            session: smtplib.SMTP = smtplib.SMTP_SSL(
                server.host, server.port, name, timeout=TIMEOUT_S, context=self._tls
            )
        else:
            session = smtplib.SMTP(server.host, server.port, name, timeout=TIMEOUT_S)
        try:
            session.ehlo_or_helo_if_needed()
            if server.scheme == "smtp+starttls" or (server.scheme == "smtp" and session.has_extn("starttls")):
                session.starttls(context=self._tls)
                session.ehlo_or_helo_if_needed()
            if server.user:
                session.login(server.user, server.password)
        except BaseException:
            session.close()
            raise
        return session

    def close(self) -> None:
        """Send nothing more."""
        self._threads.shutdown(wait=False, cancel_futures=True)
        while self._free:
            self._free.pop().close()


def _text(said: bytes | str) -> str:
    return said.decode("utf-8", "replace") if isinstance(said, bytes) else said
