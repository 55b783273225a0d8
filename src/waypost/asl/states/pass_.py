"""Pass: hands its input, or a constant, on."""

from waypost.asl.document import Document
from waypost.asl.run import Live, Run, State


class PassState(State, frozen=True, kw_only=True):
    """A Pass state."""

    result: Document | None = None
    """The constant ``Result``, if there is one."""

    def begin(self, run: Run, live: Live) -> None:
        """Exit at once."""
        document, flow = live.document, self.flow
        if flow.passive and self.result is not None:
            effective = self.result
        elif flow.passive:
            effective = document
        else:
            effective = flow.effective(document, run.scope(live, document.value, "in"))
            effective = effective if self.result is None else self.result
        scope = run.scope(live, None, "out")
        output = flow.output(document, effective, scope)
        run.leave(live, self, output, assigned=self.assigned(scope, effective.value) if self.assign else None)
