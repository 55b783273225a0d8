"""Invocation payloads: JSON of a bounded size, refused in the words of the parser that AWS uses."""

import json

import msgspec

from waypost.aws.errors import AwsError
from waypost.services.lambdas import errors
from waypost.services.lambdas.limits import PAYLOAD_BYTES_MAX

_validate = msgspec.json.Decoder(msgspec.Raw).decode
_SOURCE = "[Source: REDACTED (`StreamReadFeature.INCLUDE_SOURCE_IN_LOCATION` disabled); line: {line}, column: {column}]"
_VALUES = "(JSON String, Number, Array, Object or token 'null', 'true' or 'false')"


def check(payload: bytes, invocation_type: str) -> None:
    """Raise for a payload that is too large or is not JSON."""
    limit = PAYLOAD_BYTES_MAX[invocation_type]
    if len(payload) > limit:
        raise errors.too_large(
            f"{len(payload)} byte payload is too large for the {invocation_type} invocation type (limit {limit} bytes)"
        )
    try:
        _validate(payload)
        payload.decode()
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        refused = _refusal(payload)
        if refused is not None:
            raise refused from None


def _refusal(payload: bytes) -> AwsError | None:
    """Why a payload is not JSON; None where it is after all (the quick look is strict about lone surrogates)."""
    try:
        text = payload.decode()
    except UnicodeDecodeError as error:
        return _error(
            f"Invalid UTF-8 start byte 0x{payload[error.start]:02x}", payload.decode("latin-1"), error.start + 1
        )
    try:
        json.loads(text, parse_constant=_no_constant)
    except json.JSONDecodeError as error:
        return _error(_complaint(text, error.pos, error.msg), text, _stop(text, error.pos))
    except RecursionError:
        return _error("Document nesting depth exceeds the maximum allowed", text, 0)
    except ValueError:
        return _error(f"Non-standard token: expected a valid value {_VALUES}", text, 0)
    return None


def _no_constant(name: str) -> None:
    raise ValueError(name)


def _complaint(text: str, at: int, reason: str) -> str:
    if at >= len(text) or reason.startswith("Unterminated string"):
        return "Unexpected end-of-input"
    character = text[at]
    if character.isalpha() and reason == "Expecting value":
        return f"Unrecognized token '{_token(text, at)}': was expecting {_VALUES}"
    wanted = {
        "Expecting property name enclosed in double quotes": "was expecting double-quote to start field name",
        "Illegal trailing comma before end of object": "was expecting double-quote to start field name",
        "Expecting ':' delimiter": "was expecting a colon to separate field name and value",
        "Expecting ',' delimiter": "was expecting comma to separate entries",
        "Extra data": "Expected space separating root-level values",
    }.get(reason, f"expected a valid value {_VALUES}")
    if reason.startswith("Invalid control character"):
        wanted = "has to be escaped using backslash to be included in string value"
    return f"Unexpected character ('{character}' (code {ord(character)})): {wanted}"


def _token(text: str, at: int) -> str:
    end = at
    while end < len(text) and (text[end].isalnum() or text[end] == "_"):
        end += 1
    return text[at:end]


def _stop(text: str, at: int) -> int:
    """Where AWS's parser has stopped reading: behind the token, or behind the character."""
    return at + max(1, len(_token(text, at))) if at < len(text) else at


def _error(complaint: str, text: str, stop: int) -> AwsError:
    line = text.count("\n", 0, stop) + 1
    column = stop - (text.rfind("\n", 0, stop) + 1) + 1
    source = _SOURCE.format(line=line, column=column)
    return errors.invalid_content(
        f"Could not parse request body into json: Could not parse payload into json: {complaint}\n at {source}"
    )
