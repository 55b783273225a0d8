"""What can be wrong with a definition, in AWS's codes and words."""

import re
from typing import Literal

import msgspec

INVALID_JSON = "INVALID_JSON_DESCRIPTION"
SCHEMA = "SCHEMA_VALIDATION_FAILED"
DUPLICATE_NAME = "DUPLICATE_STATE_NAME"
INVALID_NAME = "INVALID_STATE_NAME"
MISSING_TARGET = "MISSING_TRANSITION_TARGET"
MISSING_END = "MISSING_END_STATE"
RESERVED_VARIABLE = "RESERVED_VARIABLE_NAME"
INVALID_VARIABLE = "INVALID_VARIABLE_NAME"
UNSUPPORTED = "UNSUPPORTED"
"""Not AWS's: valid there, and not yet run here."""


class Problem(msgspec.Struct, frozen=True):
    """Something wrong with a definition, as ValidateStateMachineDefinition reports it."""

    code: str
    """SCHEMA_VALIDATION_FAILED, INVALID_JSON_DESCRIPTION, MISSING_TRANSITION_TARGET, ..., UNSUPPORTED."""
    message: str
    location: str = ""
    """``/States/X/Type``; empty when there is none."""
    severity: Literal["ERROR", "WARNING"] = "ERROR"

    @property
    def text(self) -> str:
        """As InvalidDefinition's message shows it: ``CODE: message at location``."""
        return f"{self.code}: {self.message} at {self.location or 'null'}"


class InvalidDefinition(Exception):  # noqa: N818  # AWS's name
    """The definition cannot be run. ``str()`` is AWS's whole message."""

    def __init__(self, problems: list[Problem]) -> None:
        self.problems = problems
        super().__init__(f"Invalid State Machine Definition: '{', '.join(problem.text for problem in problems)}'")


_OFFSET = re.compile(r"\(byte (\d+)\)")
_WORD = re.compile(r"[A-Za-z_$][\w$]*", re.ASCII)
_EXPECTED = "JSON String, Number, Array, Object or token 'null', 'true' or 'false'"


def json_error(text: str, error: msgspec.DecodeError) -> tuple[str, str]:
    """Tell why ``text`` is not JSON, in Jackson's words: (message without its place, ``[Source: ...]``)."""
    gave_up = _OFFSET.search(str(error))
    offset = len(text.encode()[: int(gave_up[1])].decode(errors="ignore")) if gave_up else len(text)
    start = len(text) - len(text.lstrip())
    word = _WORD.match(text, start)
    if word and word.group() not in ("null", "true", "false"):
        return f"Unrecognized token '{word.group()}': was expecting ({_EXPECTED})", _place(text, word.end())
    if offset >= len(text.rstrip()):
        return "Unexpected end-of-input", _place(text, len(text))
    character = text[offset]
    shown = f"Unexpected character ('{character}' (code {ord(character)}))"
    return f"{shown}: was expecting a valid value ({_EXPECTED})", _place(text, offset)


def _place(text: str, end: int) -> str:
    line = text.count("\n", 0, end) + 1
    column = end - (text.rfind("\n", 0, end) + 1) + 1
    source = text if len(text) <= 500 else f"{text[:500]}[truncated {len(text) - 500} chars]"
    return f'[Source: (String)"{source}"; line: {line}, column: {column}]'
