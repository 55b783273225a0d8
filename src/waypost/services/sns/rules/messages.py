"""What a message may contain: its text, its subject, its attributes."""

import json
import re
from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from typing import Any, NamedTuple

from waypost.services.sns import errors
from waypost.services.sns.limits import ATTRIBUTE_NAME_MAX, SUBJECT_MAX

_TYPE = re.compile(r"(String|Number|Binary)(\..+)?", re.DOTALL)
_NAME = re.compile(r"[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*")
_STRANGE = re.compile(r"[^A-Za-z0-9_.-]")
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029]")


class Attribute(NamedTuple):
    """A message attribute."""

    type: str
    """As it was given, label included: ``String``, ``Number``, ``String.Array``, ``Binary.png``."""
    text: str | None
    binary: bytes | None = None
    """The value of the type Binary, which has no text."""


class Attributes(NamedTuple):
    """The attributes of a message."""

    values: Mapping[str, Attribute]
    size: int
    """Bytes of their names, types and values."""


NONE = Attributes({}, 0)


def read_attributes(given: Mapping[str, Mapping[str, Any]]) -> Attributes:
    """Check a request's MessageAttributes; raises ``AwsError`` in SNS's words."""
    values = {}
    size = 0
    for name, value in given.items():
        _check_name(name)
        attribute = values[name] = _read(name, value)
        content = attribute.binary if attribute.binary is not None else (attribute.text or "").encode()
        size += len(name) + len(attribute.type.encode()) + len(content)
    return Attributes(values, size)


def _check_name(name: str) -> None:
    if len(name) <= ATTRIBUTE_NAME_MAX and _NAME.fullmatch(name):
        return
    if not name:
        raise errors.invalid_value("The message attribute name must not be empty.")
    if len(name.encode()) > ATTRIBUTE_NAME_MAX:
        raise errors.invalid_value("Length of message attribute name must be less than 256 bytes.")
    strange = _STRANGE.search(name)
    if strange is not None:
        raise errors.invalid_value(
            f"Invalid non-alphanumeric character '#x{ord(strange[0]):02X}' was found in the message attribute name."
            " Can only include alphanumeric characters, hyphens, underscores, or dots."
        )
    if name.startswith("."):
        raise errors.invalid_value("Invalid message attribute name starting with character '.' was found.")
    if name.endswith("."):
        raise errors.invalid_value("Invalid message attribute name ending with character '.' was found.")
    raise errors.invalid_value("Message attribute name can not have successive '.' character.")


def _read(name: str, value: Mapping[str, Any]) -> Attribute:
    data_type = value["DataType"]
    match = _TYPE.fullmatch(data_type)
    if match is None:
        raise errors.invalid_value(
            f"The message attribute '{name}' has an invalid message attribute type, the set of supported type prefixes"
            " is Binary, Number, and String."
        )
    text, binary = value.get("StringValue"), value.get("BinaryValue")
    if text is None and binary is None:
        raise _no_value(name, match[1])
    if match[1] == "Binary":
        if binary is None or text is not None:
            raise _wrong_field(name, data_type, "Binary")
        if not binary:
            raise _no_value(name, match[1])
        return Attribute(data_type, None, binary)
    if text is None or binary is not None:
        raise _wrong_field(name, data_type, "String")
    if not text:
        raise _no_value(name, match[1])
    if match[1] == "Number" and not _is_number(text):
        raise errors.invalid_value(f"Could not cast message attribute '{name}' value to number.")
    return Attribute(data_type, text)


def _no_value(name: str, kind: str) -> Exception:
    return errors.invalid_value(
        f"The message attribute '{name}' must contain non-empty message attribute value for message attribute type"
        f" '{kind}'."
    )


def _wrong_field(name: str, data_type: str, field: str) -> Exception:
    return errors.invalid_value(f"The message attribute '{name}' with type '{data_type}' must use field '{field}'.")


def _is_number(text: str) -> bool:
    try:
        return Decimal(text.strip()).is_finite()
    except InvalidOperation:
        return False


def check_subject(subject: str) -> None:
    """Raise ``AwsError`` where a message cannot have that subject."""
    if not subject or len(subject) > SUBJECT_MAX or _CONTROL.search(subject):
        raise errors.invalid("Subject")


def read_texts(message: str) -> dict[str, str]:
    """The texts by protocol of a message with MessageStructure json. Raises ``AwsError`` in SNS's words."""
    try:
        document = json.loads(message)
    except (ValueError, RecursionError):
        document = None
    if not isinstance(document, dict):
        raise errors.invalid("Message Structure - JSON message body failed to parse")
    texts = {name: text for name, text in document.items() if isinstance(text, str)}
    if "default" not in texts:
        raise errors.invalid("Message Structure - No default entry in JSON message body")
    return texts
