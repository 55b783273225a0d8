"""An operation over one wire protocol, compiled from its model at first use."""

from collections.abc import Callable
from typing import Any

import msgspec

from waypost.aws.codec import json, query, rest_json, rest_xml
from waypost.aws.codec.jsonvalues import NotPlain, Readers, plain_type, without_nulls
from waypost.aws.codec.parts import Parse, Protocol, Serialize, SerializeError, unreadable
from waypost.aws.errors import AwsError
from waypost.aws.message import HttpResponse
from waypost.aws.model import Operation, Service
from waypost.aws.validate import compile_validator

PROTOCOLS: dict[str, Protocol] = {
    "json": json.PROTOCOL,
    "query": query.PROTOCOL,
    "rest-json": rest_json.PROTOCOL,
    "rest-xml": rest_xml.PROTOCOL,
}


class CompiledOperation:
    """Parses requests, validates parameters and writes responses of one operation."""

    __slots__ = (
        "_check_types",
        "input_members",
        "model",
        "name",
        "output_members",
        "parse",
        "serialize",
        "serialize_error",
        "service_model",
        "validate",
        "wire",
    )

    parse: Parse
    """``parse(request, routed) -> params``: as boto3 shows them; bytes for blobs, epoch seconds for timestamps, absent
    members absent. Raises ``AwsError``."""
    validate: Callable[[dict[str, Any]], None]
    """``validate(params)``: the model's constraints, for parameters whose types are right, as ``parse`` leaves them.
    Raises ``AwsError``."""
    serialize: Serialize
    """``serialize(response, request_id) -> HttpResponse``: members that are None count as absent."""
    serialize_error: SerializeError
    """``serialize_error(error, request_id) -> HttpResponse``."""

    def __init__(self, service: Service, operation: Operation, wire: str) -> None:
        spoken = service.over(wire)
        codec = PROTOCOLS[wire].compile(spoken, spoken.operations[operation.name])
        self.name = operation.name
        self.wire = wire
        self.service_model = service
        self.model = operation
        self.parse, self.serialize, self.serialize_error = codec
        self.validate = compile_validator(service, operation.input) or _nothing
        self.input_members = tuple(service.shape(operation.input).members) if operation.input is not None else ()
        self.output_members = tuple(service.shape(operation.output).members) if operation.output is not None else ()
        self._check_types: Callable[[dict[str, Any]], object] | None = None

    def __repr__(self) -> str:
        return f"<{self.service_model.name} {self.name} over {self.wire}>"

    def check(self, params: dict[str, Any]) -> None:
        """Types and constraints of parameters that no ``parse`` has seen. Raises ``AwsError``."""
        if self._check_types is None:
            self._check_types = self._compile_types()
        self._check_types(params)
        self.validate(params)

    def _compile_types(self) -> Callable[[dict[str, Any]], object]:
        service = self.service_model
        members = service.shape(self.model.input).members if self.model.input is not None else {}
        words = Readers(service).structure(members)
        try:
            shape = plain_type(service, members, wire_names=False)
        except NotPlain:
            return words

        def check(params: dict[str, Any]) -> None:
            try:
                msgspec.convert(params, shape)
            except msgspec.ValidationError:
                words(params)
                try:
                    msgspec.convert(without_nulls(params), shape)
                except msgspec.ValidationError as error:
                    raise unreadable(str(error)) from None

        return check


def _nothing(_params: dict[str, Any]) -> None:
    """What validates an operation that accepts everything its types allow."""


def render_error(
    error: AwsError, wire: str, service: Service | None, operation: CompiledOperation | None, request_id: str
) -> HttpResponse:
    """An error on ``wire``; ``none`` stands for a request so unclear that no protocol could be told."""
    if operation is not None:
        return operation.serialize_error(error, request_id)
    if wire == "none":
        return HttpResponse(
            error.status or 404,
            [
                (b"content-type", b"text/xml"),
                (b"x-amzn-requestid", request_id.encode()),
                (b"x-amzn-errortype", error.code.encode()),
            ],
            f"<{error.code}/>\n".encode(),
        )
    if service is not None:
        service = service.over(wire) if wire in service.wires else service
    return PROTOCOLS[wire].render_error(service, error, request_id)
