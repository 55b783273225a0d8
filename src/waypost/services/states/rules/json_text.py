"""Whether a text is JSON, and what the service says of one that is not (in the words of its parser, Jackson)."""

import re

import msgspec

_LITERALS = "(JSON String, Number, Array, Object or token 'null', 'true' or 'false')"
_TOO_DEEP = "Document nesting depth exceeds the maximum allowed"
_decode = msgspec.json.Decoder(msgspec.Raw).decode
_SPACE = re.compile(r"[ \t\r\n]*")
_STRING = re.compile(r'"(?:[^"\\\x00-\x1f]|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*"')
_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?")
_WORD = re.compile(r"[A-Za-z_$][\w$]*")


class _Bad(Exception):  # noqa: N818 (carries the parser's words)
    pass


def problem(text: str) -> str | None:
    """None for JSON; else what is wrong with it."""
    try:
        _decode(text)
    except msgspec.DecodeError:
        pass
    except RecursionError:
        return _TOO_DEEP
    else:
        return None
    try:
        end = _skip(text, _value(text, _skip(text, 0)))
        if end < len(text):
            _unexpected(text, end, "end of input")
    except RecursionError:
        return _TOO_DEEP
    except _Bad as error:
        return str(error)
    return "Invalid JSON"


def _skip(text: str, at: int) -> int:
    found = _SPACE.match(text, at)
    return found.end() if found else at


def _unexpected(text: str, at: int, wanted: str) -> None:
    if at >= len(text):
        raise _Bad("Unexpected end-of-input")
    raise _Bad(f"Unexpected character ('{text[at]}' (code {ord(text[at])})): was expecting {wanted}")


def _value(text: str, at: int) -> int:
    first = text[at : at + 1]
    if first == "{":
        return _object(text, at + 1)
    if first == "[":
        return _array(text, at + 1)
    if first == '"':
        return _string(text, at)
    if first and first in "-0123456789":
        found = _NUMBER.match(text, at)
        if found:
            return found.end()
    word = _WORD.match(text, at)
    if word is None:
        _unexpected(text, at, "a valid value " + _LITERALS)
        return at
    if word[0] not in {"true", "false", "null"}:
        raise _Bad(f"Unrecognized token '{word[0]}': was expecting {_LITERALS}")
    return word.end()


def _string(text: str, at: int) -> int:
    found = _STRING.match(text, at)
    if found is None:
        raise _Bad("Unexpected end-of-input: was expecting closing quote for a string value")
    return found.end()


def _object(text: str, at: int) -> int:
    at = _skip(text, at)
    if text[at : at + 1] == "}":
        return at + 1
    while True:
        if text[at : at + 1] != '"':
            _unexpected(text, at, "double-quote to start field name")
        at = _skip(text, _string(text, at))
        if text[at : at + 1] != ":":
            _unexpected(text, at, "a colon to separate field name and value")
        at = _skip(text, _value(text, _skip(text, at + 1)))
        if text[at : at + 1] == "}":
            return at + 1
        if text[at : at + 1] != ",":
            _unexpected(text, at, "comma to separate Object entries")
        at = _skip(text, at + 1)


def _array(text: str, at: int) -> int:
    at = _skip(text, at)
    if text[at : at + 1] == "]":
        return at + 1
    while True:
        at = _skip(text, _value(text, at))
        if text[at : at + 1] == "]":
            return at + 1
        if text[at : at + 1] != ",":
            _unexpected(text, at, "comma to separate Array entries")
        at = _skip(text, at + 1)
