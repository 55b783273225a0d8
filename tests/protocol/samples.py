"""Sample values for every shape, and botocore's two halves of the wire to send them through."""

import json
from datetime import UTC, datetime
from functools import cache
from typing import Any
from urllib.parse import urlencode

import botocore.loaders
import botocore.model
import botocore.parsers
import botocore.serialize
from botocore.awsrequest import HeadersDict

from waypost.aws.message import HttpRequest, HttpResponse
from waypost.aws.model import OVERLAYS, merged
from waypost.aws.route import Router

MODELS = (
    "sqs", "stepfunctions", "lambda", "iam", "sts",
    "sns", "events", "logs", "scheduler", "pipes", "s3", "mq", "secretsmanager", "serverlessrepo", "xray",
)  # fmt: skip
"""A model more is a line more."""
ROUTER = Router(MODELS)
REQUEST_ID = "11111111-2222-4333-8444-555555555555"
MOMENT = 1_500_000_000
TEXT = 't\u00e9xt \u2603 \U0001f600 <a href="b">&amp;\'\t\n%25+/=:;,#?'
BLOB = bytes(range(256))
DEPTH_MAX = 4


def wires(model: str) -> tuple[str, ...]:
    """The protocols of a model."""
    return ("json", "query") if model == "sqs" else (service_model(model).metadata["protocol"],)


def cases() -> list[tuple[str, str, str]]:
    """Model, wire and operation of every operation."""
    return [
        (model, wire, name)
        for model in MODELS
        for wire in wires(model)
        for name in service_model(model, wire).operation_names
    ]


@cache
def service_model(model: str, wire: str | None = None) -> botocore.model.ServiceModel:
    """botocore's view of a model; for SQS over Query, the model with our overlay, as botocore's was before 2023."""
    document = botocore.loaders.Loader(include_default_extras=False).load_service_model(model, "service-2")
    if model == "sqs" and wire == "query":
        document = json.loads(json.dumps(document))
        overlay = json.loads((OVERLAYS / "sqs.json").read_text())
        query = overlay["query"]
        document["metadata"] = {
            **document["metadata"],
            "protocol": "query",
            "protocols": ["query"],
            "xmlNamespace": query["xmlNamespace"],
        }
        del document["metadata"]["awsQueryCompatible"]
        document["shapes"] = merged(document["shapes"], query["shapes"])
        for name, trait in overlay["errors"].items():
            if name in document["shapes"]:
                document["shapes"][name]["error"] = trait
        for name, operation in document["operations"].items():
            if "output" in operation:
                operation["output"]["resultWrapper"] = query["resultWrapper"].replace("{operation}", name)
    return botocore.model.ServiceModel(document, model)


class Values:
    """Values of shapes, as boto3's callers pass them and as Waypost's operations see them."""

    def __init__(self, wire: str, *, full: bool, response: bool) -> None:
        self.wire = wire
        self.full = full
        self.response = response
        self.count = 0

    def structure(self, shape: Any, depth: int = 0) -> dict[str, Any]:
        members = list(shape.members.items())
        if getattr(shape, "is_tagged_union", False):
            self.count += 1
            members = [members[self.count % len(members)]]
        elif not self.full or depth > DEPTH_MAX:
            required = [(name, member) for name, member in members if name in shape.required_members]
            # Query cannot say an empty structure.
            members = required or (members[:1] if 0 < depth <= DEPTH_MAX else [])
        return {name: self.of(member, depth + 1) for name, member in members}

    def of(self, shape: Any, depth: int) -> Any:
        serialization = shape.serialization
        location = serialization.get("location")
        if serialization.get("eventstream"):
            return [
                {name: self.structure(event, depth)}
                for name, event in shape.members.items()
                if not event.metadata.get("exception")
            ]
        if shape.type_name == "structure":
            return {} if depth > DEPTH_MAX + 2 else self.structure(shape, depth)
        if shape.type_name == "list":
            count = 0 if depth > DEPTH_MAX + 2 else 2
            return (
                [self.of(shape.member, depth + 1) for _ in range(count)]
                if not location
                else [self.scalar(shape.member, location) for _ in range(2)]
            )
        if shape.type_name == "map":
            if location:
                return {"one": "1", "two-b": "second value"}
            keys = (shape.key.enum or ["key one", "key-2 <&>"])[:2]
            return {key: self.of(shape.value, depth + 1) for key in keys}
        return self.scalar(shape, location)

    def scalar(self, shape: Any, location: str | None) -> Any:
        self.count += 1
        kind = shape.type_name
        if location == "statusCode":
            return 202
        if shape.serialization.get("jsonvalue"):
            return {"a": [1, "x"]}
        if kind == "string":
            return self.string(shape, location)
        if kind == "timestamp":
            fraction = 0 if location or shape.serialization.get("timestampFormat") == "rfc822" else 0.25
            return MOMENT + self.count + fraction
        if kind == "blob":
            return BLOB + bytes([self.count % 256])
        if kind in ("integer", "long"):
            return (2**31 - 1 - self.count) if self.count % 2 else -self.count
        if kind in ("float", "double"):
            return self.count + 0.5
        return bool(self.count % 2)

    def string(self, shape: Any, location: str | None) -> str:
        if shape.serialization.get("hostLabel"):
            return f"host-{self.count}"
        if shape.enum:
            return shape.enum[self.count % len(shape.enum)]
        if location in ("header", "headers"):
            return f'v{self.count} "quoted", a;b=c'
        carriage = "\r" if self.response or self.wire in ("json", "rest-json", "query") else ""
        return f"{self.count}{TEXT}{carriage}" + ("" if location else "\n ")


def as_boto3(shape: Any, value: Any) -> Any:
    """A value with the timestamps that botocore takes and gives: datetime."""
    if value is None or shape is None:
        return value
    if shape.type_name == "timestamp":
        return datetime.fromtimestamp(value, UTC)
    if shape.serialization.get("eventstream"):
        return [{name: as_boto3(shape.members[name], item) for name, item in event.items()} for event in value]
    if shape.type_name == "structure":
        return {name: as_boto3(shape.members[name], item) for name, item in value.items()}
    if shape.type_name == "list":
        return [as_boto3(shape.member, item) for item in value]
    if shape.type_name == "map":
        return {key: as_boto3(shape.value, item) for key, item in value.items()}
    return value


def authorization(scope: str, region: str = "eu-central-1", access_key: str = "AKIDEXAMPLE") -> str:
    """A signature's header; nobody checks the signature."""
    scope = f"{access_key}/20260101/{region}/{scope}/aws4_request"
    return f"AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders=host;x-amz-date, Signature=00ff"


def sent(serialized: dict[str, Any], scope: str) -> HttpRequest:
    """The HTTP request that botocore would send."""
    path, _, literal = serialized["url_path"].partition("?")
    query = "&".join(part for part in (literal, urlencode(serialized["query_string"] or {}, doseq=True)) if part)
    body = serialized["body"]
    if isinstance(body, dict):
        body = urlencode(body)
    headers = {name.lower(): str(text) for name, text in serialized["headers"].items()}
    headers |= {"host": "localhost:4566", "authorization": authorization(scope)}
    return HttpRequest(serialized["method"], path, query, headers, body.encode() if isinstance(body, str) else body)


def botocore_request(model: str, wire: str, name: str, params: dict[str, Any]) -> HttpRequest:
    """What botocore makes of boto3-shaped parameters."""
    service = service_model(model, wire)
    serializer = botocore.serialize.create_serializer(service.metadata["protocol"], include_validation=False)
    operation = service.operation_model(name)
    serialized = serializer.serialize_to_request(as_boto3(operation.input_shape, params), operation)
    return sent(serialized, service.signing_name)


class RawBody:
    """A response body as botocore streams it."""

    def __init__(self, body: bytes) -> None:
        self.body = body

    def stream(self) -> Any:
        yield self.body

    def close(self) -> None:
        pass


def botocore_response(model: str, wire: str, name: str, response: HttpResponse, shape: Any = None) -> dict[str, Any]:
    """What botocore makes of our response; ``shape`` stands in for the operation's output."""
    service = service_model(model, wire)
    parser = botocore.parsers.create_parser(service.metadata["protocol"])
    operation = service.operation_model(name)
    output = shape if shape is not None else operation.output_shape
    fine = output is not None and response.status < 300
    streams = fine and output.event_stream_name
    payload = output.serialization.get("payload") if fine else None
    blob = payload is not None and output.members[payload].type_name == "blob"
    received = {
        "status_code": response.status,
        "headers": HeadersDict({key.decode(): text.decode("latin-1") for key, text in response.headers}),
        "body": RawBody(response.body) if streams or blob else response.body,
        "context": {"operation_name": name},
    }
    parsed = parser.parse(received, output)
    if streams:
        parsed[output.event_stream_name] = list(parsed[output.event_stream_name])
    if blob:
        parsed[payload] = parsed[payload].body
    return parsed


def said(parsed: dict[str, Any], values: dict[str, Any], output: Any) -> dict[str, Any]:
    """``parsed`` without what botocore makes up for absent members: empty ones, the status, the content type."""
    made_up = set()
    for name, value in parsed.items():
        serialization = output.members[name].serialization if output is not None else {}
        head = serialization.get("location") == "statusCode" or serialization.get("name") == "Content-Type"
        if name not in values and (head or not value):
            made_up.add(name)
    return {name: value for name, value in parsed.items() if name not in made_up}
