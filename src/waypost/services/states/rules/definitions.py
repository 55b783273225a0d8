"""Whether a definition can be run: the language's own problems, and resources that Waypost has no way to run."""

from collections.abc import Iterator

from waypost.asl import program as language
from waypost.asl.problems import UNSUPPORTED
from waypost.asl.program import InvalidDefinition, MachineType, Problem, Program
from waypost.aws.errors import AwsError
from waypost.services.states import integrations


def compiled(definition: str, machine_type: MachineType) -> Program:
    """The program of a definition; raises InvalidDefinition in the wire's form, naming every problem."""
    try:
        program = language.parse(definition, machine_type)
    except InvalidDefinition as error:
        raise AwsError("InvalidDefinition", str(error)) from error
    found = list(unsupported(program))
    if found:
        raise AwsError("InvalidDefinition", str(InvalidDefinition(found)))
    return program


def problems(definition: str, machine_type: MachineType) -> list[Problem]:
    """Everything wrong with a definition."""
    try:
        program = language.parse(definition, machine_type)
    except InvalidDefinition as error:
        return error.problems
    return list(unsupported(program))


def unsupported(program: Program) -> Iterator[Problem]:
    """Tasks whose resource Waypost cannot run yet."""
    for location, resource in program.resources:
        if not integrations.runs(resource):
            yield Problem(UNSUPPORTED, f"Waypost cannot run the resource '{resource.arn}' yet", location)
