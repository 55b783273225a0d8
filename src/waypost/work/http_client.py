"""The HTTP client. The only module that knows its library; ``perform`` loads it when it is first needed."""

import asyncio
import socket
import ssl
from base64 import b64encode
from concurrent.futures import ThreadPoolExecutor

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from yarl import URL

from waypost.work.perform import HttpAnswer, HttpFailed, HttpPost

CONNECT_S = 5
"""To reach one address of the other side."""
BODY_MAX = 65_536
"""Bytes of an answer that are read; a connection with more of it is closed."""
KEPT_S = 4
"""How long an idle connection is kept: most servers close theirs after five seconds or more."""
LOOKUPS_MAX = 64
"""Names that are looked up at once: a name server that does not answer must not hold up the other names."""
SECRETS_MAX = 1_000
"""Servers whose challenges are remembered."""


class HttpClient:
    """Connections to everybody, reused."""

    def __init__(self, trusted_ca: str = "") -> None:
        tls = ssl.create_default_context()
        if trusted_ca:
            tls.load_verify_locations(trusted_ca)
        self._resolver = _Resolver()
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(
                limit=0, ssl=tls, resolver=self._resolver, keepalive_timeout=KEPT_S, ttl_dns_cache=10
            ),
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
            skip_auto_headers=("Accept", "Accept-Encoding", "Content-Type", "User-Agent"),
        )
        self._secrets: dict[tuple[str, str, str], _Secret] = {}

    async def post(self, call: HttpPost) -> HttpAnswer | HttpFailed:
        """Do a POST; nothing that the other side does or leaves undone is raised."""
        try:
            async with asyncio.timeout(call.timeout_ms / 1_000):
                return await self._post(call)
        except TimeoutError:
            return HttpFailed(f"no answer within {call.timeout_ms} ms")
        except (aiohttp.ClientError, OSError, ValueError) as error:
            return HttpFailed(str(error) or type(error).__name__)

    async def _post(self, call: HttpPost) -> HttpAnswer:
        url = URL(call.url)
        if url.user is None:
            return await self._send(call, url)
        secret = self._secret(url)
        url = url.with_user(None)
        answer = await self._send(call, url, secret)
        if answer.status == 401 and secret.challenged(answer):
            answer = await self._send(call, url, secret)
        return answer

    def _secret(self, url: URL) -> "_Secret":
        key = str(url.origin()), url.user or "", url.password or ""
        secret = self._secrets.pop(key, None) or _Secret(key[1], key[2])
        self._secrets[key] = secret  # the latest used last
        if len(self._secrets) > SECRETS_MAX:
            del self._secrets[next(iter(self._secrets))]
        return secret

    async def _send(self, call: HttpPost, url: URL, secret: "_Secret | None" = None) -> HttpAnswer:
        try:
            return await self._exchange(call, url, secret)
        except (aiohttp.ServerDisconnectedError, aiohttp.ClientOSError) as error:
            if isinstance(error, aiohttp.ClientConnectorError):
                raise
            # An idle connection that the other side closed just now; delivery is at least once anyway.
            return await self._exchange(call, url, secret)

    async def _exchange(self, call: HttpPost, url: URL, secret: "_Secret | None") -> HttpAnswer:
        async with self._session.post(
            url,
            data=call.body,
            headers=call.headers if secret is None else (*call.headers, *secret.headers),
            allow_redirects=False,
            middlewares=() if secret is None else (secret.digest,),
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_S),
        ) as response:
            parts = []
            size = 0
            while size <= BODY_MAX and (part := await response.content.read(BODY_MAX + 1 - size)):
                parts.append(part)
                size += len(part)
            if size > BODY_MAX:
                response.close()
            headers = {name.lower(): value for name, value in response.headers.items()}
            return HttpAnswer(response.status, headers, b"".join(parts)[:BODY_MAX])

    async def close(self) -> None:
        """Close every connection."""
        await self._session.close()


class _Secret:
    """A name and a password for one server, and how it wants them."""

    def __init__(self, user: str, password: str) -> None:
        self._basic = b64encode(f"{user}:{password}".encode()).decode()
        self.headers: tuple[tuple[str, str], ...] = ()
        self.digest = aiohttp.DigestAuthMiddleware(user, password)

    def challenged(self, answer: HttpAnswer) -> bool:
        """Whether the server asks for Basic, and was not given it yet."""
        wanted = "basic" in answer.headers.get("www-authenticate", "").lower()
        if not wanted or self.headers:
            return False
        self.headers = (("Authorization", f"Basic {self._basic}"),)
        return True


class _Resolver(AbstractResolver):
    """The system's resolver, on threads of its own."""

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(LOOKUPS_MAX, "names")

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """Every address of a name."""
        found = await asyncio.get_running_loop().run_in_executor(
            self._threads, socket.getaddrinfo, host, port, family, socket.SOCK_STREAM, 0, socket.AI_ADDRCONFIG
        )
        return [
            ResolveResult(
                hostname=host, host=str(address[0]), port=int(address[1]), family=kind, proto=proto,
                flags=socket.AI_NUMERICHOST,
            )
            for kind, _, proto, _, address in found
        ]  # fmt: skip

    async def close(self) -> None:
        """Look nothing up any more."""
        self._threads.shutdown(wait=False, cancel_futures=True)
