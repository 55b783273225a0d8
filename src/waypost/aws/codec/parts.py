"""What the codecs share: their interface, the refusals of values that cannot be read, and HTTP headers."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from waypost.aws.errors import AwsError
from waypost.aws.message import HttpRequest, HttpResponse
from waypost.aws.model import Operation, Service

Parse = Callable[[HttpRequest, Any], dict[str, Any]]
"""Request and where it was routed > parameters, as boto3 shows them. Raises ``AwsError``."""
Serialize = Callable[[dict[str, Any] | None, str], HttpResponse]
"""Response and request id > HTTP."""
SerializeError = Callable[[AwsError, str], HttpResponse]
Header = tuple[bytes, bytes]

REQUEST_ID = b"x-amzn-requestid"
ERROR_TYPE = b"x-amzn-errortype"
CONTENT_TYPE = b"content-type"
UNMODELED = "waypost:headers"
"""In a response over REST-JSON: headers that AWS sends and no model lists, as texts by lower-case name."""

INTEGERS = {
    "byte": (-(2**7), 2**7 - 1),
    "short": (-(2**15), 2**15 - 1),
    "integer": (-(2**31), 2**31 - 1),
    "long": (-(2**63), 2**63 - 1),
    "bigInteger": (-(2**63), 2**63 - 1),
}
"""Integer types of the models > their bounds."""
FLOATS = frozenset({"float", "double", "bigDecimal"})
SPECIAL_FLOATS = {"NaN": float("nan"), "Infinity": float("inf"), "-Infinity": float("-inf")}


class Codec(NamedTuple):
    """An operation over one wire protocol."""

    parse: Parse
    serialize: Serialize
    serialize_error: SerializeError


class Protocol(NamedTuple):
    """A wire protocol."""

    compile: Callable[[Service, Operation], Codec]
    render_error: Callable[[Service | None, AwsError, str], HttpResponse]
    """For errors outside any operation."""


def late(table: Mapping[Any, Any], key: Any) -> Callable[..., Any]:
    """What ``table`` has under ``key`` when it is called: a shape may contain itself."""

    def call(*arguments: Any) -> Any:
        return table[key](*arguments)

    return call


def unreadable(message: str) -> AwsError:
    """The refusal of a body or a value that is not what the model says it is."""
    return AwsError("SerializationException", message, 400)


def header_value(text: str) -> bytes:
    """A header's value: never more than one line, whatever a resource is called."""
    if "\r" in text or "\n" in text:
        text = " ".join(text.splitlines())
    try:
        return text.encode("latin-1")
    except UnicodeEncodeError:
        return text.encode("utf-8", "replace")
