"""Definitions: JSON text in, a frozen ``Program`` out, or every problem found in it."""

from typing import Any, Literal

import msgspec

MachineType = Literal["STANDARD", "EXPRESS"]


class Problem(msgspec.Struct, frozen=True):
    """Something wrong with a definition, as ValidateStateMachineDefinition reports it."""

    code: str
    """SCHEMA_VALIDATION_FAILED, INVALID_JSON_DESCRIPTION, MISSING_TRANSITION_TARGET, ..."""
    message: str
    location: str = ""
    """``/States/X/Type``; empty when there is none."""

    @property
    def text(self) -> str:
        """As InvalidDefinition's message shows it: ``CODE: message at location``."""
        return f"{self.code}: {self.message} at {self.location}" if self.location else f"{self.code}: {self.message}"


class InvalidDefinition(Exception):
    """The definition cannot be run. ``str()`` is AWS's whole message."""

    def __init__(self, problems: list[Problem]) -> None:
        self.problems = problems
        super().__init__(f"Invalid State Machine Definition: '{', '.join(problem.text for problem in problems)}'")


class Program(msgspec.Struct, frozen=True):
    """A definition, ready to run. Immutable: share and cache it freely."""

    start_at: str
    states: dict[str, Any]
    """Every state of the machine, the nested ones too, by name (names are unique across a machine)."""
    timeout_ms: int | None
    type: MachineType


def parse(definition: str, machine_type: MachineType = "STANDARD") -> Program:
    """Read a definition; raises ``InvalidDefinition`` with every problem found."""
    raise NotImplementedError
