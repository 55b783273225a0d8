"""Parallel: every branch on the same input; the result is the array of theirs."""

from waypost.asl.document import Document
from waypost.asl.errors import oversized_error
from waypost.asl.run import Live, Run, State


class ParallelState(State, frozen=True, kw_only=True):
    """A Parallel state."""

    branches: tuple[str, ...]
    """The first state of each branch."""

    def begin(self, run: Run, live: Live) -> None:
        """Start all branches."""
        head, document = live.head, live.document
        effective = document
        if not self.flow.passive:
            effective = self.flow.effective(document, run.scope(live, document.value, "in"))
        run.emit(live, "ParallelStateStarted")
        head.phase = "joining"
        head.length = head.begun = len(self.branches)
        head.finished = 0
        for index, start_at in enumerate(self.branches):
            run.start_child(live, index, start_at, effective, head.last_event)

    def child_done(self, run: Run, live: Live, child: Live) -> None:
        """Join when all are done; the last one's last event is what comes before the join."""
        if live.head.finished == live.head.length:
            join(run, live, self, child.head.last_event)

    def announce_failure(self, run: Run, live: Live) -> None:
        """Tell that the whole state failed."""
        run.emit(live, "ParallelStateFailed")


def join(run: Run, live: Live, state: State, previous: int) -> None:
    """Make the result out of the children's, and exit; raises ``StateError``."""
    discarded = state.flow.discards_result and state.assign is None
    result = Document([] if discarded else run.results(live))
    run.drop_children(live)
    live.head.last_event = previous
    scope = run.scope(live, live.document.value, "out")
    output = state.flow.output(live.document, result, scope)
    assigned = state.assigned(scope, result.value)
    if output is not live.document and output.oversized:
        raise oversized_error(state.name)
    run.emit(live, f"{state.type}StateSucceeded", advance=False)
    run.leave(live, state, output, assigned=assigned)
