"""Request > route > authenticate > decode > validate > run > encode."""

import asyncio
import logging
import types
from collections.abc import Awaitable, Callable, Coroutine, Generator, MutableMapping
from typing import Any, cast

from waypost.admin import CERTIFICATE, Admin
from waypost.aws.credential import Credential
from waypost.aws.errors import AwsError
from waypost.aws.message import HttpRequest, HttpResponse
from waypost.aws.operation import CompiledOperation
from waypost.aws.route import Routed, Unroutable, credential, render_error
from waypost.clock import Clock
from waypost.ids import Ids
from waypost.registry import Found, Registry
from waypost.service import Caller, Context
from waypost.store.store import StoreUnavailable, TextRefused, Tx
from waypost.work.engine import ClientGone, Engine

log = logging.getLogger(__name__)

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Coroutine[Any, Any, Message]]
Send = Callable[[Message], Awaitable[None]]
Sessions = Callable[[Tx, str, int], Caller | None]

DEFAULT_ACCOUNT = "000000000000"
DEFAULT_REGION = "us-east-1"
OWN_PAGES = ("/_waypost/", CERTIFICATE)
"""What no service answers."""
TEMPORARY_KEY = "ASIA"


_NAMES = {
    name.encode(): name
    for name in (
        "accept-encoding", "amz-sdk-invocation-id", "amz-sdk-request", "authorization", "connection", "content-length",
        "content-type", "host", "user-agent", "x-amz-date", "x-amz-target", "x-amzn-query-mode",
    )
}  # fmt: skip
"""Headers that every SDK sends, decoded once."""


class BodyTooLarge(Exception):  # noqa: N818 (a state of affairs)
    """The request is larger than the server accepts."""


class BodyCutOff(Exception):  # noqa: N818
    """The client announced more than it sent."""


class Gateway:
    """The ASGI application."""

    def __init__(
        self,
        registry: Registry,
        engine: Engine,
        admin: Admin,
        sessions: Sessions,
        *,
        body_max: int,
        body_idle_s: float,
    ) -> None:
        self._registry = registry
        self._router = registry.router
        self._engine = engine
        self._clock: Clock = engine.clock
        self._ids: Ids = engine.ids
        self._admin = admin
        self._sessions = sessions
        self._body_max = body_max
        self._body_idle_s = body_idle_s
        self._callers: dict[str, Caller] = {}
        self._found: dict[CompiledOperation, Found] = {}
        self._request_ids = self._ids.uuid()[:24]
        self.requests = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One HTTP request."""
        if scope["type"] != "http":
            raise RuntimeError(f"unexpected {scope['type']} connection")
        self.requests += 1
        # Unique and random in its first half; drawing a whole UUID for each request would cost more than routing it.
        request_id = f"{self._request_ids}{self.requests:012x}"
        headers = {
            _NAMES.get(name) or name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]
        }
        request = HttpRequest(
            scope["method"], scope["raw_path"].decode("latin-1"), scope["query_string"].decode("latin-1"), headers, b""
        )
        try:
            request.body = await self._body(headers, receive)
        except BodyTooLarge:
            response = self._refuse(
                request, request_id, AwsError("RequestEntityTooLargeException", self._too_large(), 413)
            )
            response.headers.append((b"connection", b"close"))
        except BodyCutOff:
            response = self._refuse(
                request,
                request_id,
                AwsError("RequestTimeoutException", "The request body ended before its announced length.", 408),
            )
            response.headers.append((b"connection", b"close"))
        except ClientGone:
            return
        else:
            try:
                if request.path.startswith(OWN_PAGES):
                    response = await self._admin.respond(request)
                else:
                    response = await self._respond(request, request_id, scope, receive)
            except ClientGone:
                return
        response.headers.append((b"content-length", b"%d" % len(response.body)))
        try:
            await send({"type": "http.response.start", "status": response.status, "headers": response.headers})
            await send({"type": "http.response.body", "body": b"" if request.method == "HEAD" else response.body})
        except (RuntimeError, OSError) as error:
            # The connection closed while the operation ran, and its end has not reached the protocol yet.
            log.debug("request %s: nobody is there to answer: %s", request_id, error)

    async def _respond(self, request: HttpRequest, request_id: str, scope: Scope, receive: Receive) -> HttpResponse:
        try:
            routed = self._router.find(request)
        except Unroutable as refused:
            return render_error(refused.error, refused.wire, refused.model, None, request_id)
        operation = routed.operation
        try:
            function, refusal = self._found.get(operation) or self._find(routed)
            if function is None:
                raise AwsError(  # noqa: TRY301 (rendered like every other refusal)
                    "InvalidAction" if routed.wire == "query" else "UnknownOperationException",
                    f"Waypost does not have {routed.model} {operation.name} yet.",
                    400,
                )
            params = operation.parse(request, routed)
            operation.validate(params)
            if refusal is not None:
                refusal.check(params)
            signed = credential(request)
            caller = self._callers.get(signed.access_key if signed is not None else "") or await self._caller(signed)
            ctx = self._context(request, request_id, routed, scope, signed, caller)
            answer = await self._engine.store.transact(lambda tx: function(tx, self._engine.current(ctx), params))
            if type(answer) is not dict:
                answer = await self._engine.finish(answer, function, ctx, params, _Leaving(receive))
            return operation.serialize(answer, request_id)
        except AwsError as error:
            return operation.serialize_error(error, request_id)
        except (StoreUnavailable, TextRefused) as refused:
            return operation.serialize_error(_told(refused, request_id), request_id)
        except ClientGone:
            raise
        except asyncio.CancelledError:
            # The server is stopping and this call took longer than it waits: SDKs try such an answer again.
            stopping = AwsError("ServiceUnavailable", "The server is shutting down.", 503, sender=False)
            return operation.serialize_error(stopping, request_id)
        except Exception:
            log.exception("request %s (%s %s) failed by a fault of ours", request_id, routed.model, operation.name)
            fault = AwsError(
                "InternalFailure", f"An internal error occurred. Request id: {request_id}", 500, sender=False
            )
            return operation.serialize_error(fault, request_id)

    def _find(self, routed: Routed) -> Found:
        """Which function an operation has; a fact that does not change, looked up once."""
        found = self._found[routed.operation] = self._registry.find(routed.model, routed.operation.name)
        return found

    def _context(
        self,
        request: HttpRequest,
        request_id: str,
        routed: Routed,
        scope: Scope,
        signed: Credential | None,
        caller: Caller,
    ) -> Context:
        headers = request.headers
        now_ms = self._clock.now_ms()
        region = signed.region if signed is not None else DEFAULT_REGION
        host = headers.get("host")
        if not host:
            address = scope.get("server") or ("127.0.0.1", 0)
            host = f"{address[0]}:{address[1]}"
        return Context(
            caller.account, region, request_id, now_ms, now_ms, caller, self._ids, self._registry,
            f"{scope['scheme']}://{host}", routed.wire, headers.get("x-amzn-trace-id", ""), request.path,
        )  # fmt: skip

    async def _caller(self, signed: Credential | None) -> Caller:
        """Who an access key stands for. Long-lived keys are an account's root until enforcement lands."""
        access_key = signed.access_key if signed is not None else ""
        if access_key.startswith(TEMPORARY_KEY):
            now_ms = self._clock.now_ms()
            session = await self._engine.store.transact(lambda tx: self._sessions(tx, access_key, now_ms))
            if session is not None:
                return session
        account = access_key if len(access_key) == 12 and access_key.isdecimal() else DEFAULT_ACCOUNT
        caller = Caller(account, access_key, f"arn:aws:iam::{account}:root", account)
        if len(self._callers) < 1_000 and not access_key.startswith(TEMPORARY_KEY):
            self._callers[access_key] = caller
        return caller

    async def _body(self, headers: dict[str, str], receive: Receive) -> bytes:
        announced = headers.get("content-length")
        if announced is not None and announced.isdecimal() and int(announced) > self._body_max:
            raise BodyTooLarge
        message = await self._receive(receive)
        if not message.get("more_body"):
            return message.get("body", b"")  # type: ignore[no-any-return]
        parts = [message.get("body", b"")]
        size = len(parts[0])
        while message.get("more_body"):
            message = await self._receive(receive)
            parts.append(message.get("body", b""))
            size += len(parts[-1])
            if size > self._body_max:
                raise BodyTooLarge
        return b"".join(parts)

    async def _receive(self, receive: Receive) -> Message:
        """The next part of a body; a client that stops sending does not hold the connection for ever."""
        waiting = receive()
        try:
            # Nearly always the body came with its head: then no timer is armed.
            begun = waiting.send(None)
        except StopIteration as done:
            message = cast("Message", done.value)
        else:
            try:
                async with asyncio.timeout(self._body_idle_s):
                    message = await _resume(waiting, begun)
            except TimeoutError:
                raise BodyCutOff from None
        if message["type"] == "http.disconnect":
            raise ClientGone
        return message

    def _too_large(self) -> str:
        return f"Request must be smaller than {self._body_max} bytes."

    def _refuse(self, request: HttpRequest, request_id: str, error: AwsError) -> HttpResponse:
        """Answer a request whose body is not there, in the wire format that its head promises."""
        try:
            routed = self._router.find(request)
        except Unroutable as refused:
            return render_error(error, refused.wire, refused.model, None, request_id)
        return routed.operation.serialize_error(error, request_id)


def _told(refused: StoreUnavailable | TextRefused, request_id: str) -> AwsError:
    """What a client hears of what the store could not do."""
    if isinstance(refused, TextRefused):
        return AwsError("ValidationException", str(refused), 400)
    log.error("request %s: %s", request_id, refused)
    return AwsError("ServiceUnavailable", "The server cannot store anything now. Please try again.", 503, sender=False)


@types.coroutine
def _resume(begun: Coroutine[Any, Any, Message], yielded: Any) -> Generator[Any, Any, Message]:
    """Await a coroutine that has run to its first suspension already."""
    while True:
        try:
            sent = yield yielded
        except BaseException as error:  # noqa: BLE001 (cancellation, on its way into the coroutine)
            resume, value = begun.throw, error
        else:
            resume, value = begun.send, sent  # type: ignore[assignment]
        try:
            yielded = resume(value)
        except StopIteration as done:
            return cast("Message", done.value)


class _Leaving:
    """Completes when the client hangs up; listens only once somebody waits for it, which most requests never do."""

    __slots__ = ("_receive",)

    def __init__(self, receive: Receive) -> None:
        self._receive = receive

    def __await__(self) -> Any:
        return self._watch().__await__()

    async def _watch(self) -> None:
        while (await self._receive())["type"] != "http.disconnect":
            continue
