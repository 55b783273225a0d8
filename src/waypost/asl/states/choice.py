"""Choice: the first rule that holds tells where to go on."""

import msgspec

from waypost.asl.choice_rules import Rule
from waypost.asl.dataflow import Template
from waypost.asl.errors import RUNTIME, StateError
from waypost.asl.run import Live, Run, State


class Choice(msgspec.Struct, frozen=True):
    """One entry of ``Choices``."""

    rule: Rule
    next: str
    assign: Template | None = None


class ChoiceState(State, frozen=True, kw_only=True):
    """A Choice state. ``next`` is its Default; without one, no match is an error."""

    choices: tuple[Choice, ...]

    def begin(self, run: Run, live: Live) -> None:
        """Exit at once."""
        document, flow = live.document, self.flow
        scope = run.scope(live, document.value, "in")
        selected = flow.selected(document, scope)
        if selected is not document:
            scope = scope.at(selected.value)
        for choice in self.choices:
            if choice.rule(scope):
                assigned = None if choice.assign is None else choice.assign.fill(scope).value
                run.leave(live, self, flow.narrowed(selected, scope), choice.next, assigned)
                return
        if self.next is None:
            raise StateError(
                RUNTIME, "Failed to transition out of the state. The state does not point to a next state."
            )
        run.leave(live, self, flow.narrowed(selected, scope), assigned=self.assigned(scope, selected.value))
