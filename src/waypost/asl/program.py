"""Definitions: JSON text in, a frozen ``Program`` out, or every problem found in it."""

from typing import Any, Literal

import msgspec

from waypost.asl.commands import Resource
from waypost.asl.definition import Definition
from waypost.asl.problems import INVALID_JSON, SCHEMA, InvalidDefinition, Problem, json_error
from waypost.asl.run import State

__all__ = ["InvalidDefinition", "MachineType", "Problem", "Program", "parse"]

MachineType = Literal["STANDARD", "EXPRESS"]


class Program(msgspec.Struct, frozen=True):
    """A definition, ready to run. Immutable: share and cache it freely."""

    start_at: str
    states: dict[str, State]
    """Every state of the machine, the nested ones too, by name (names are unique across a machine)."""
    timeout_ms: int | None
    type: MachineType
    resources: tuple[tuple[str, Resource], ...]
    """(location, resource) of every Task: for the service to check that it can run them."""
    variable_references: dict[str, list[str]] = {}
    """The variables that each state reads, by the state's name, sorted: as DescribeStateMachine shows them."""


def parse(definition: str, machine_type: MachineType = "STANDARD") -> Program:
    """Read a definition; raises ``InvalidDefinition`` with every problem found.

    What AWS would run and Waypost does not yet is reported with the code UNSUPPORTED, when nothing else is wrong.
    """
    fields = _json(definition)
    read = Definition(express=machine_type == "EXPRESS")
    try:
        read.machine(fields)
    except RecursionError:
        raise InvalidDefinition([Problem("TOO_DEEPLY_NESTED", "The states are too deeply nested.")]) from None
    problems = read.reader.problems or read.reader.unsupported
    if problems:
        raise InvalidDefinition(problems)
    timeout_ms = None if read.timeout_s is None else read.timeout_s * 1000
    references = {state: sorted(names) for state, names in read.reader.references.items()}
    return Program(fields["StartAt"], read.states, timeout_ms, machine_type, tuple(read.resources), references)


def _json(definition: str) -> dict[str, Any]:
    if not definition.strip():
        raise InvalidDefinition([Problem(SCHEMA, "Definition must be a valid JSON object")])
    try:
        fields = msgspec.json.decode(definition)
    except msgspec.DecodeError as error:
        message, place = json_error(definition, error)
        raise InvalidDefinition([Problem(INVALID_JSON, f"{message}\n at {place}", place)]) from None
    except RecursionError:
        raise InvalidDefinition([Problem("TOO_DEEPLY_NESTED", "The states are too deeply nested.")]) from None
    if not isinstance(fields, dict):
        raise InvalidDefinition([Problem(SCHEMA, "Definition must be a valid JSON object")])
    return fields
