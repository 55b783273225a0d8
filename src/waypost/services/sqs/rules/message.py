"""What a message may contain, how large it is, and which of its attributes a receiver asked for."""

import base64
import re
from collections.abc import Iterable, Mapping
from decimal import Decimal, InvalidOperation
from typing import Any

import msgspec

from waypost.aws.errors import AwsError
from waypost.services.sqs import errors
from waypost.services.sqs.limits import ATTRIBUTE_NAME_MAX, ATTRIBUTE_TYPE_BYTES_MAX, MESSAGE_ATTRIBUTES_MAX

Attributes = Mapping[str, Mapping[str, Any]]

_FORBIDDEN = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_NAME = re.compile(r"[\w-]+(\.[\w-]+)*")
"""Letters and digits are those of any script: AWS takes ``attr.1øßä``, recorded, though its documentation says less."""
_RESERVED = re.compile(r"(aws|amazon)\.", re.IGNORECASE)
_TYPE = re.compile(r"(String|Number|Binary)(\..+)?", re.DOTALL)
_NUMBER = re.compile(r"[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]+)?")
_NUMBER_DIGITS_MAX = 38
_NUMBER_EXPONENTS = (-128, 126)

TRACE_HEADER = "AWSTraceHeader"

SYSTEM_ATTRIBUTES = frozenset([
    "All", "SenderId", "SentTimestamp", "ApproximateReceiveCount", "ApproximateFirstReceiveTimestamp",
    "SequenceNumber", "MessageDeduplicationId", "MessageGroupId", "AWSTraceHeader", "DeadLetterQueueSourceArn",
    "SqsManagedSseEnabled",
])  # fmt: skip
"""What a receiver can ask for. The last is in the model's list, though no message has it."""

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(dict[str, dict[str, str]]).decode


def check_body(body: str, where: str = "body") -> bytes:
    """A message's body in UTF-8; raises ``AwsError`` where it has characters that XML cannot write."""
    # Most bodies are printable, which is quicker to see than that they have no forbidden character.
    if not body.isprintable() and (found := _FORBIDDEN.search(body)):
        raise AwsError(
            "InvalidMessageContents",
            f"Invalid binary character '#x{ord(found[0]):x}' was found in the message {where}, the set of allowed"
            " characters is #x9 | #xA | #xD | [#x20-#xD7FF] | [#xE000-#xFFFD] | [#x10000-#x10FFFF].",
        )
    return body.encode()


def size(body: str, attributes: Attributes) -> int:
    """The bytes of a message that may be no good: what it adds to its batch."""
    parts = [body]
    binary = 0
    for name, value in attributes.items():
        parts += (name, value.get("DataType") or "", value.get("StringValue") or "")
        binary += len(value.get("BinaryValue") or b"")
    return len("".join(parts).encode("utf-8", "surrogatepass")) + binary


def check_attributes(attributes: Attributes) -> int:
    """The bytes that message attributes take: names, types and values. Raises ``AwsError`` in SQS's words."""
    if len(attributes) > MESSAGE_ATTRIBUTES_MAX:
        raise errors.invalid(
            f"Number of message attributes [{len(attributes)}] exceeds the allowed maximum [{MESSAGE_ATTRIBUTES_MAX}]."
        )
    return sum(_check_name(name) + _check_value(name, value, "(user) ") for name, value in attributes.items())


def check_lists(entry: Mapping[str, Any], operation: str) -> None:
    """Raise ``AwsError`` where an attribute has list values, be they empty: AWS fails a whole batch for one.

    https://github.com/ruby-shoryuken/shoryuken/issues/769
    """
    for kind in ("MessageAttributes", "MessageSystemAttributes"):
        for value in (entry.get(kind) or {}).values():
            if value.get("StringListValues") is not None or value.get("BinaryListValues") is not None:
                raise AwsError(
                    "UnsupportedOperation",
                    f"Message attribute list values in {operation} operation are not supported.",
                )


def _check_name(name: str) -> int:
    if not name:
        raise errors.invalid("The request must contain non-empty message attribute name.")
    if len(name) > ATTRIBUTE_NAME_MAX:
        raise errors.invalid("Length of message attribute name must be less than 256 bytes.")
    if _RESERVED.match(name):
        raise errors.invalid(
            f"Message (user) attribute name '{name}' is invalid. You must not use a reserved prefix: AWS., Amazon."
        )
    if not _NAME.fullmatch(name):
        raise errors.invalid(
            f"Message (user) attribute name '{name}' is invalid. It can contain A-Z, a-z, 0-9, underscores (_), hyphens"
            " (-), and periods (.), and periods neither at its ends nor one after another."
        )
    return len(name.encode())


def _check_value(name: str, value: Mapping[str, Any], kind: str) -> int:
    data_type = value.get("DataType")
    if not data_type:
        raise errors.invalid(f"The message attribute '{name}' must contain non-empty message attribute type.")
    match = _TYPE.fullmatch(data_type)
    if match is None or len(data_type.encode()) > ATTRIBUTE_TYPE_BYTES_MAX:
        raise errors.invalid(
            f"The type of message {kind}attribute '{name}' is invalid. You must use only the following supported type"
            " prefixes: Binary, Number, String."
        )
    binary = match[1] == "Binary"
    content = value.get("BinaryValue" if binary else "StringValue")
    if not content or value.get("StringValue" if binary else "BinaryValue"):
        raise errors.invalid(f"Message {kind}attribute '{name}' must contain a non-empty value of type '{match[1]}'.")
    if not binary:
        content = check_body(content, f"attribute '{name}' value")
    if match[1] == "Number" and not _is_number(content.decode()):
        raise errors.invalid(f"Can't cast the value of message {kind}attribute '{name}' to a number.")
    return len(data_type.encode()) + len(content)


def _is_number(text: str) -> bool:
    text = text.strip()
    if _NUMBER.fullmatch(text) is None:
        return False
    try:
        number = Decimal(text)
    except InvalidOperation:
        return False  # its exponent has too many digits
    low, high = _NUMBER_EXPONENTS
    return len(number.as_tuple().digits) <= _NUMBER_DIGITS_MAX and (
        number.is_zero() or low <= number.adjusted() <= high
    )  # fmt: skip


def trace_header(attributes: Attributes) -> str | None:
    """The value of the one system attribute that a sender can set; raises ``AwsError`` for others."""
    for name, value in attributes.items():
        if name != TRACE_HEADER:
            raise errors.invalid(f"Message system attribute name '{name}' is invalid.")
        _check_value(name, value, "system ")
        if value["DataType"] != "String":
            raise errors.invalid(f"The type of message system attribute '{name}' must be String.")
    value = attributes.get(TRACE_HEADER, {})
    return value.get("StringValue")


def write_attributes(attributes: Attributes) -> str:
    """Message attributes as a row keeps them: binary values in base64."""
    return _encode({name: _kept(value) for name, value in attributes.items()}).decode()


def _kept(value: Mapping[str, Any]) -> dict[str, Any]:
    content = "BinaryValue" if value["DataType"].startswith("Binary") else "StringValue"
    return {content: value[content], "DataType": value["DataType"]}


def read_attributes(text: str, names: Iterable[str]) -> dict[str, dict[str, Any]]:
    """The attributes that a receiver named, out of a row: ``All``, ``*``, a name, or a prefix with ``.*``."""
    stored = _decode(text)
    wanted = {name for pattern in names for name in stored if _matches(pattern, name)}
    return {name: _read_value(value) for name, value in stored.items() if name in wanted}


def _matches(pattern: str, name: str) -> bool:
    return pattern in {"All", "*", name} or (pattern.endswith(".*") and name.startswith(pattern[:-2]))


def _read_value(value: dict[str, str]) -> dict[str, Any]:
    if "BinaryValue" in value:
        return {"BinaryValue": base64.b64decode(value["BinaryValue"]), "DataType": value["DataType"]}
    return value
