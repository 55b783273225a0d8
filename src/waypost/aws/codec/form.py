"""``a=1&b=2``: forms and query strings."""

from urllib.parse import unquote_plus, unquote_to_bytes

from waypost.aws.errors import AwsError

FIELDS_MAX = 100_000
FORM_MAX = 33_554_432
"""Largest form, in bytes: AWS takes far less, but a batch of 1 MiB grows threefold by its encoding."""

Pairs = list[tuple[str, str]]


def parse_form(text: str) -> Pairs:
    """The fields in their order, decoded. Raises ``AwsError`` for what is not text or far too much."""
    if not text:
        return []
    if len(text) > FORM_MAX or text.count("&") >= FIELDS_MAX:
        raise AwsError(
            "RequestEntityTooLargeException", f"A form may have {FORM_MAX} bytes and {FIELDS_MAX} fields.", 413
        )
    pairs = []
    try:
        for field in text.split("&"):
            if field:
                name, _, value = field.partition("=")
                pairs.append((_decoded(name), _decoded(value)))
    except UnicodeError:
        raise AwsError("MalformedQueryString", "The query string contains a syntax error.", 400) from None
    return pairs


def _decoded(text: str) -> str:
    if "%" in text or "+" in text:
        return unquote_plus(text, errors="strict")
    if not text.isascii():
        text.encode("utf-8")
    return text


def decode_label(text: str) -> str:
    """A part of a path, decoded. Raises ``AwsError``."""
    if "%" not in text:
        return text
    try:
        return unquote_to_bytes(text).decode("utf-8")
    except UnicodeError:
        raise AwsError("MalformedQueryString", "The path is not valid UTF-8.", 400) from None
