"""``step``: one event in, what changed out. Pure and deterministic: the same arguments give the same bytes."""

from typing import Any

import msgspec

from waypost.asl.branch import Branches, Changed
from waypost.asl.commands import Command
from waypost.asl.events import Event
from waypost.asl.program import Program


class Step(msgspec.Struct, frozen=True):
    """The outcome of one event. A dropped event's step is empty (``not step.changed and not step.commands``...)."""

    changed: list[Changed]
    """Branches to insert or update."""
    removed: list[str]
    """Ids of branches whose rows go. Not listed again when the execution finishes: then all may go."""
    commands: list[Command]
    """To carry out in this order."""
    history: list[dict[str, Any]]
    """Events as GetExecutionHistory shows them, in order, ids contiguous; ``timestamp`` in milliseconds (int)."""


def step(program: Program, branches: Branches, event: Event) -> Step:
    """Apply ``event``. Never raises for what a definition or an input may hold: that fails the execution instead."""
    raise NotImplementedError
