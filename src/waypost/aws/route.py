"""From an HTTP request to the operation it means."""

from collections.abc import Iterable
from typing import Any

import msgspec

from waypost.aws import model, paths
from waypost.aws import operation as compiled
from waypost.aws.codec.form import Pairs, parse_form
from waypost.aws.credential import Credential, credential
from waypost.aws.errors import AwsError
from waypost.aws.message import HttpRequest, HttpResponse, decoded_body
from waypost.aws.operation import CompiledOperation

__all__ = ["Credential", "Routed", "Router", "Unroutable", "credential", "render_error"]

FORM = "application/x-www-form-urlencoded"
TARGET = "x-amz-target"
_JSON_TYPES = frozenset({None, "application/x-amz-json-1.0", "application/x-amz-json-1.1", "application/json"})


class Routed(msgspec.Struct, frozen=True):
    """Where a request goes, and what ``CompiledOperation.parse`` needs of the way there."""

    model: str
    """botocore's folder."""
    operation: CompiledOperation
    wire: str
    """json, query, rest-json or rest-xml."""
    labels: dict[str, str] = {}
    """REST: the labels of the path, still percent-encoded."""
    form: Pairs | None = None
    """Query: every field. REST: the parameters of the query string."""


class Unroutable(Exception):  # noqa: N818 (a state of affairs)
    """The request means no operation. ``error`` is for the client, in the wire format that it seems to speak."""

    def __init__(self, error: AwsError, wire: str, model: str | None = None) -> None:
        super().__init__(str(error))
        self.error = error
        self.wire = wire
        self.model = model


def render_error(
    error: AwsError, wire: str, model_name: str | None, operation: CompiledOperation | None, request_id: str
) -> HttpResponse:
    """An error that stands outside any operation, or inside one."""
    service = model.load(model_name) if model_name is not None else None
    return compiled.render_error(error, wire, service, operation, request_id)


class Router:
    """Finds operations of the models it is given. Each model is read at its first use."""

    def __init__(self, models: Iterable[str]) -> None:
        self._metadata = {name: model.metadata(name) for name in models}
        self._prefixes = {
            described.target_prefix: name for name, described in self._metadata.items() if described.wire == "json"
        }
        self._by_scope: dict[str, list[str]] = {}
        for name, described in self._metadata.items():
            self._by_scope.setdefault(described.scope, []).append(name)
        self._operations: dict[tuple[str, str, str], CompiledOperation] = {}
        self._targets: dict[str, Routed] = {}
        self._paths: dict[str, paths.Node] = {}

    # --- by name

    def operations(self, model_name: str) -> list[str]:
        """The names of a model's operations, sorted."""
        return sorted(model.load(model_name).operations)

    def operation(self, model_name: str, name: str, wire: str | None = None) -> CompiledOperation:
        """An operation over ``wire``, or over the model's own protocol. Raises ``LookupError``."""
        service = model.load(model_name)
        key = (model_name, name, wire or service.wire)
        if key not in self._operations:
            self._operations[key] = CompiledOperation(service, service.operations[name], key[2])
        return self._operations[key]

    # --- by request

    def find(self, request: HttpRequest) -> Routed:
        """Where ``request`` goes; raises ``Unroutable``."""
        headers = request.headers
        target = headers.get(TARGET)
        if target is not None:
            routed = self._targets.get(target)
            if routed is not None and headers.get("content-type") in _JSON_TYPES:
                return routed
            return self._find_target(request, target)
        return self._find_elsewhere(request)

    def _find_target(self, request: HttpRequest, target: str) -> Routed:
        content_type = _media_type(request)
        if content_type == FORM and self._has_action(request):
            return self._find_elsewhere(request)
        prefix, _, name = target.rpartition(".")
        model_name = self._prefixes.get(prefix)
        if content_type not in _JSON_TYPES:
            raise Unroutable(
                _unknown(
                    f"A request with {TARGET} has the content type application/x-amz-json-1.0, not {content_type!r}.",
                    404,
                ),
                "json",
                model_name,
            )
        if model_name is None:
            raise Unroutable(_unknown(f"Waypost does not have the service of the target {target[:256]!r}."), "json")
        if name not in model.load(model_name).operations:
            raise Unroutable(_unknown(f"{prefix} has no operation {name[:256]!r}."), "json", model_name)
        routed = Routed(model_name, self.operation(model_name, name, "json"), "json")
        self._targets[target] = routed
        return routed

    def _find_elsewhere(self, request: HttpRequest) -> Routed:
        try:
            signed = credential(request)
        except AwsError as error:
            raise Unroutable(error, "query" if self._has_action(request) else "rest-json") from None
        candidates = list(self._metadata)
        if signed is not None and signed.service:
            candidates = self._by_scope.get(signed.service, [])
            if not candidates:
                wire = "query" if self._has_action(request) else "rest-json"
                raise Unroutable(_unknown(f"Waypost does not have the service {signed.service[:64]!r}.", 404), wire)
        scoped = signed is not None and bool(signed.service)
        rest = [name for name in candidates if self._metadata[name].wire.startswith("rest")]
        if len(rest) < len(candidates) and (_media_type(request) == FORM or "Action=" in request.query or not rest):
            routed = self._find_action(request, [name for name in candidates if name not in rest], scoped=scoped)
            if routed is not None:
                return routed
        routed = self._find_path(request, rest)
        if routed is not None:
            return routed
        wire = self._metadata[rest[0]].wire if scoped and rest else "none"
        raise Unroutable(
            _unknown("The path and method are those of no operation.", 404), wire, rest[0] if wire != "none" else None
        )

    # --- Query

    def _has_action(self, request: HttpRequest) -> bool:
        return "Action=" in request.query or (_media_type(request) == FORM and b"Action=" in request.body)

    def _find_action(self, request: HttpRequest, candidates: list[str], *, scoped: bool) -> Routed | None:
        """The operation that Action names; None where there is no Action and none was to be expected."""
        spoken = [name for name in candidates if "query" in _wires(self._metadata[name], name)]
        try:
            fields = self._form(request)
        except AwsError as error:
            raise Unroutable(error, "query", spoken[0] if len(spoken) == 1 else None) from None
        given = dict(fields)
        action = given.get("Action")
        if action is not None:
            name = self._owner(action, given.get("Version"), spoken, scoped=scoped)
            return Routed(name, self.operation(name, action, "query"), "query", {}, fields)
        if scoped and spoken and _media_type(request) == FORM:
            missing = AwsError("MissingAction", "The request is missing an action or a required parameter.", 400)
            raise Unroutable(missing, "query", spoken[0])
        if scoped and not spoken:
            raise Unroutable(_unknown(f"The request has no {TARGET} header."), "json", candidates[0])
        return None

    def _owner(self, action: str, version: str | None, spoken: list[str], *, scoped: bool) -> str:
        """The one model among ``spoken`` that has the action: by its version where no signature says the service."""
        if not scoped and version is not None:
            spoken = [name for name in spoken if self._metadata[name].api_version == version]
        owners = [name for name in spoken if action in model.load(name).operations]
        if len(owners) != 1:
            unknown = f"The action {action[:256]} is not valid for this endpoint."
            raise Unroutable(AwsError("InvalidAction", unknown, 400), "query", spoken[0] if len(spoken) == 1 else None)
        described = self._metadata[owners[0]]
        if version is not None and version != described.api_version:
            text = f"The requested version ( {version[:64]} ) of {described.service_full_name} does not exist"
            raise Unroutable(AwsError("NoSuchVersion", text, 400), "query", owners[0])
        return owners[0]

    def _form(self, request: HttpRequest) -> Pairs:
        """The fields of the query string, then those of the body."""
        fields = parse_form(request.query)
        if not request.body or (_media_type(request) != FORM and request.headers.get("content-type") is not None):
            return fields
        try:
            text = decoded_body(request).decode("utf-8")
        except UnicodeDecodeError:
            raise AwsError("MalformedQueryString", "The request body is not valid UTF-8.", 400) from None
        return fields + parse_form(text)

    # --- REST

    def _find_path(self, request: HttpRequest, candidates: list[str]) -> Routed | None:
        if not candidates:
            return None
        best: tuple[Any, ...] | None = None
        try:
            query = parse_form(request.query)
        except AwsError as error:
            raise Unroutable(error, self._metadata[candidates[0]].wire, candidates[0]) from None
        for name in candidates:
            if name not in self._paths:
                self._paths[name] = paths.compile_paths(model.load(name))
            match = paths.find(self._paths[name], request.method, request.path, query, request.headers)
            if match is not None and (best is None or match.rank > best[1].rank):
                best = (name, match)
        if best is None:
            return None
        name, match = best
        wire = self._metadata[name].wire
        return Routed(name, self.operation(name, match.template.operation.name, wire), wire, match.labels, query)


def _wires(described: model.Metadata, name: str) -> tuple[str, ...]:
    return (described.wire, "query") if model.overlay(name).query is not None else (described.wire,)


def _media_type(request: HttpRequest) -> str | None:
    content_type = request.headers.get("content-type")
    return None if content_type is None else content_type.partition(";")[0].strip().lower()


def _unknown(message: str, status: int = 400) -> AwsError:
    return AwsError("UnknownOperationException", message, status)
