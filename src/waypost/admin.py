"""The server's own pages, under ``/_waypost/``: health, status, reset, downloads of function code, SNS's local inbox.

And, where SNS has them, the certificates of what it signs.
"""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any
from urllib.parse import parse_qs, unquote

import msgspec

from waypost import __version__
from waypost.aws.errors import AwsError
from waypost.aws.message import HttpRequest, HttpResponse
from waypost.registry import Registry
from waypost.work.engine import Engine

Page = Callable[[], Awaitable[Mapping[str, Any]]]

CERTIFICATE = "/SimpleNotificationService-"
"""What the path of a certificate begins with; SigningCertURL leads there."""

_JSON = (b"content-type", b"application/json")

ACCOUNT, REGION = "000000000000", "us-east-1"
"""Whose state a page shows where its parameters do not say."""

_ASKED: dict[tuple[str, str], tuple[str, str, dict[str, str]]] = {
    ("GET", "inbox"): (
        "sns", "waypost:ReadInbox",
        {"channel": "Channel", "recipient": "Recipient", "after": "After", "limit": "Limit"},
    ),
    ("POST", "sms"): ("sns", "waypost:ReceiveText", {"phone": "PhoneNumber", "message": "Message"}),
    ("GET", "sns/deliveries"): ("sns", "waypost:DeliveryStatus", {"topic": "TopicArn", "after": "After"}),
}  # fmt: skip
"""Pages that a service answers: its name, its operation, and how the page's parameters are called there."""
_NUMBERS = ("after", "limit")


class Admin:
    """Answers what is asked of the server itself."""

    def __init__(
        self, registry: Registry, engine: Engine, status: Page, reset: Page, trouble: Callable[[], str | None]
    ) -> None:
        """``status``, ``reset`` and what keeps the server from its work come from the composition root."""
        self._trouble = trouble
        self._registry = registry
        self._engine = engine
        self._services = sorted(service.name for service in registry.services.values() if service.model)
        self._pages: dict[tuple[str, str], Page] = {
            ("GET", "health"): self._health,
            ("GET", "status"): status,
            ("POST", "reset"): reset,
        }

    async def respond(self, request: HttpRequest) -> HttpResponse:
        """One request; the path is relative to nothing."""
        if request.path.startswith(CERTIFICATE):
            return await self._certificate(request)
        name = request.path.removeprefix("/_waypost/").rstrip("/")
        if request.method == "GET" and name.startswith("code/"):
            return await self._code(request, name)
        page = self._pages.get((request.method, name))
        if name == "health" and (why := self._trouble()) is not None:
            return _json(503, {"status": why, "version": __version__})
        if page is None and (request.method, name) not in _ASKED:
            known = any(path == name for _, path in (*self._pages, *_ASKED))
            return _json(405 if known else 404, {"message": "Method not allowed." if known else "No such page."})
        if request.method != "GET" and "origin" in request.headers:
            # A page in a browser on this machine must not be able to empty the server.
            return _json(403, {"message": "Not from a browser."})
        if page is not None:
            return _json(200, await page())
        return await self._ask(request, *_ASKED[request.method, name])

    async def _health(self) -> Mapping[str, Any]:
        return {"status": "ready", "version": __version__, "services": self._services}

    async def _ask(self, request: HttpRequest, service: str, operation: str, names: Mapping[str, str]) -> HttpResponse:
        """What a service's own operation answers to the query's parameters, or to the members of a JSON body."""
        given: dict[str, Any] = {name: values[0] for name, values in parse_qs(request.query).items()}
        try:
            if request.method != "GET":
                given |= msgspec.json.decode(request.body, type=dict[str, str])
            place = given.pop("account", ACCOUNT), given.pop("region", REGION)
            wanted = {names[name]: int(value) if name in _NUMBERS else value for name, value in given.items()}
        except (msgspec.DecodeError, KeyError, ValueError) as error:
            return _json(400, {"message": f"Not understood: {error}", "parameters": ["account", "region", *names]})
        function = self._registry.services[service].operations[operation]
        try:
            return _json(200, await self._engine.execute(function, self._engine.context(*place), wanted))
        except AwsError as error:
            return _json(error.status or 400, {"message": error.message})

    async def _code(self, request: HttpRequest, name: str) -> HttpResponse:
        """A function's zip, for whoever holds the address that GetFunction answered."""
        parts = [unquote(part) for part in name.split("/")]
        function = self._registry.services["lambda"].operations["waypost:DownloadCode"]
        token = parse_qs(request.query).get("token", [""])[0]
        if len(parts) != 5:
            return _json(404, {"message": "No such page."})
        _, account, region, function_name, sha256 = parts
        ctx = self._engine.context(account, region)
        try:
            answer = await self._engine.execute(
                function, ctx, {"FunctionName": function_name, "CodeSha256": sha256, "Token": token}
            )
        except AwsError as error:
            return _json(error.status or 404, {"message": error.message})
        return HttpResponse(200, [(b"content-type", b"application/zip")], answer["ZipFile"])

    async def _certificate(self, request: HttpRequest) -> HttpResponse:
        """Public, as AWS's are: whoever gets a signed message checks it with this."""
        if request.method not in {"GET", "HEAD"}:
            return _json(405, {"message": "Method not allowed."})
        function = self._registry.services["sns"].operations["waypost:GetSigningCertificate"]
        ctx = self._engine.context("", "")
        try:
            answer = await self._engine.execute(function, ctx, {"Path": request.path})
        except AwsError as error:
            return _json(error.status or 404, {"message": error.message})
        return HttpResponse(200, [(b"content-type", b"application/x-pem-file")], answer["Certificate"].encode())


def _json(status: int, body: Mapping[str, Any]) -> HttpResponse:
    return HttpResponse(status, [_JSON], msgspec.json.encode(body))
