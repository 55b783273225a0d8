"""The working set of one step: the branches it touches, and what it has to tell.

``Run`` is what every state works with. It numbers history events, moves branches from state to state, and settles what
an error leads to: the next try, a catcher, the failure of the parent, the end of the execution.
"""

import base64
import copy
import hashlib
from collections import deque
from collections.abc import Mapping
from typing import Any

import msgspec

from waypost.asl import retry
from waypost.asl.branch import NOTHING, ROOT, Body, Branches, Changed, Head
from waypost.asl.commands import Abandon, Command, ContinueLater, Finish, StartTimer
from waypost.asl.dataflow import Flow, Template, merged
from waypost.asl.document import SIZE_MAX, Document, compact
from waypost.asl.errors import RUNTIME, TASK_FAILED, TIMEOUT, TOO_DEEP, StateError, explain, oversized_error
from waypost.asl.events import TimerKind
from waypost.asl.jsonpath import Path
from waypost.asl.retry import Retrier
from waypost.asl.scope import Scope
from waypost.asl.timestamps import format_ms

EVENTS_MAX = 25_000
"""History events an execution may have; the last one tells that it has them."""
TRANSITIONS_MAX = 64
"""States entered in one step, before the rest is left to the next."""

_WHOLE = {"truncated": False}

Variables = dict[str, Any]


class HistoryFull(Exception):  # noqa: N818  # it never leaves the step
    """The execution has no room for another event."""

    def __init__(self, previous: int) -> None:
        super().__init__(previous)
        self.previous = previous


class Catcher(msgspec.Struct, frozen=True):
    """One entry of ``Catch``."""

    error_equals: tuple[str, ...]
    next: str
    result_path: Path | None
    assign: Template | None = None


class State(msgspec.Struct, frozen=True, kw_only=True):
    """A state of a program, compiled: what the eight types have in common."""

    name: str
    type: str
    """Pass, Task, ..."""
    next: str | None = None
    """None: the branch ends here."""
    flow: Flow
    retriers: tuple[Retrier, ...] = ()
    catchers: tuple[Catcher, ...] = ()
    assign: Template | None = None

    def assigned(self, scope: Scope, document: Any) -> Variables | None:
        """Answer the variables to assign on the way out, from what ``$`` stands for there; raises ``StateError``."""
        return None if self.assign is None else self.assign.fill(scope.at(document)).value

    def begin(self, run: "Run", live: "Live") -> None:
        """Do the state's work, or start it; also called for each new try. Raises ``StateError``."""
        raise NotImplementedError

    def announce_failure(self, run: "Run", live: "Live") -> None:
        """Write the event that tells that the state as a whole failed, if its type has one."""

    def child_done(self, run: "Run", live: "Live", child: "Live") -> None:
        """Go on after a child ended well. Raises ``StateError``."""
        raise NotImplementedError

    def child_failed(self, run: "Run", child: "Live") -> None:
        """Write the event that tells that a child failed, if the type has one."""

    def child_aborted(self, run: "Run", child: "Live", previous: int) -> None:
        """Write the event that tells that a child was aborted, if the type has one."""


class Live:
    """A branch in a step's hands."""

    __slots__ = ("_body", "_branches", "_document", "_variables", "changed", "head", "rewritten", "stored")

    def __init__(self, head: Head, branches: Branches, document: Document | None, body: Body | None = None) -> None:
        """``document`` is None for a branch that is stored: its body is loaded when it is needed."""
        self.head = head
        self.stored = document is None
        self.changed = not self.stored
        self.rewritten = not self.stored
        self._document = document
        self._branches = branches
        self._body = body
        self._variables: Variables | None = None

    @property
    def variables(self) -> Variables:
        """The variables this branch sees: its own, and those of the scopes around it."""
        if self._variables is None:
            body = self.body
            known = body is not None and body.variables != NOTHING
            self._variables = msgspec.json.decode(body.variables) if known and body is not None else {}
        return self._variables

    def assign(self, variables: Variables) -> None:
        """Give variables new values."""
        self._variables = self.variables | variables
        self.rewritten = True

    @property
    def body(self) -> Body | None:
        """The stored body, or for a new branch that of its parent."""
        if self._body is None and self.stored:
            self._body = self._branches.body(self.head.id)
        return self._body

    @property
    def document(self) -> Document:
        """The raw input of the current state; of a branch that is done, its result."""
        if self._document is None:
            self._document = self._branches.body(self.head.id).document if self.body is None else self.body.document
        return self._document

    @property
    def item(self) -> msgspec.Raw:
        """The context object's ``Map``, inside an iteration that asks for it."""
        return NOTHING if self.body is None else self.body.item

    def rewrite(self, document: Document) -> None:
        """Give the branch another document."""
        if document is not self._document:
            _ = self.body  # what stays with the branch is taken from it when it is written
            self._document = document
            self.rewritten = True

    def row(self) -> Changed:
        """Answer what has to be stored."""
        if not self.rewritten:
            return Changed(self.head, None)
        kept = self.body
        variables = NOTHING if kept is None else kept.variables
        if self._variables:
            variables = msgspec.Raw(msgspec.json.encode(self._variables))
        body = Body(
            input=msgspec.Raw(self.document.text.encode()),
            variables=variables,
            item=NOTHING if kept is None else kept.item,
        )
        body.__dict__["document"] = self.document
        return Changed(self.head, body)


class Run:
    """One step in progress."""

    def __init__(self, states: Mapping[str, State], branches: Branches, root: Live, at_ms: int, seed: str) -> None:
        self.states = states
        self.branches = branches
        # Where nodes settle two branches at once, the second to get its turn may have looked at its clock first.
        self.at_ms = max(at_ms, root.head.latest_ms)
        self.seed = seed
        self.root = root
        self.history: list[dict[str, Any]] = []
        self.commands: list[Command] = []
        self.removed: list[str] = []
        self.finished = False
        self.ready: deque[Live] = deque()
        self._lives: dict[str, Live] = {ROOT: root}
        self._dead: set[str] = set()
        self._transitions = 0

    # Branches

    def live(self, branch: str) -> Live | None:
        """Answer a branch, None if there is none."""
        live = self._lives.get(branch)
        if live is None and branch not in self._dead:
            head = self.branches.head(branch)
            if head is not None:
                live = self._lives[branch] = Live(copy.copy(head), self.branches, None)
        return live

    def parent(self, live: Live) -> Live:
        """Answer the branch whose Parallel or Map this one works for."""
        parent = self.live(live.head.parent)
        if parent is None:
            raise LookupError(f"branch {live.head.id} has lost its parent")
        return parent

    def start_child(
        self,
        parent: Live,
        index: int,
        start_at: str,
        document: Document,
        previous: int,
        item: msgspec.Raw | None = None,
    ) -> Live:
        """Create a child branch, ready to run, whose first event follows the event ``previous``."""
        head = Head(
            id=child_id(parent.head, index),
            parent=parent.head.id,
            index=index,
            state=start_at,
            last_event=previous,
        )
        # What stays with the branch whatever becomes of its document.
        body = parent.body
        variables = NOTHING if body is None else body.variables
        if parent.rewritten and parent.variables:
            variables = msgspec.Raw(msgspec.json.encode(parent.variables))
        if item is None:
            item = NOTHING if body is None else body.item
        kept = Body(input=NOTHING, variables=variables, item=item)
        child = self._lives[head.id] = Live(head, self.branches, document, kept)
        self.ready.append(child)
        return child

    def children(self, parent: Live) -> list[Live]:
        """Answer the children of a branch, by index."""
        found = {head.id: head for head in self.branches.children(parent.head.id)} if parent.stored else {}
        for branch, live in self._lives.items():
            if live.head.parent == parent.head.id:
                found[branch] = live.head
        lives = [self.live(branch) for branch in found]
        return sorted((live for live in lives if live is not None), key=lambda live: live.head.index)

    def results(self, parent: Live) -> list[Any]:
        """Answer the results of a branch's children, by index; all of them are done."""
        values: dict[int, Any] = {}
        known = [live for live in self._lives.values() if live.head.parent == parent.head.id]
        if len(known) < parent.head.length:
            values = {index: body.document.value for index, body in self.branches.results(parent.head.id)}
        for live in known:
            if live.rewritten or live.head.index not in values:
                values[live.head.index] = live.document.value
        return [values[index] for index in range(parent.head.length)]

    def drop(self, branch: str) -> None:
        """Forget a branch that is over."""
        live = self._lives.pop(branch, None)
        self._dead.add(branch)
        if live is not None:
            live.head.phase = "done"
        if live is None or live.stored:
            self.removed.append(branch)

    def drop_children(self, parent: Live) -> None:
        """Forget the children of a branch, all of them done."""
        for index in range(parent.head.begun):
            self.drop(child_id(parent.head, index))

    # History

    def emit(
        self,
        live: Live,
        kind: str,
        field: str | None = None,
        details: dict[str, Any] | None = None,
        *,
        previous: int | None = None,
        advance: bool = True,
    ) -> int:
        """Append a history event and answer its id. ``advance``: the branch's next event follows it."""
        head, root = live.head, self.root.head
        if previous is None:
            previous = head.last_event
        number = root.events + 1
        if number >= EVENTS_MAX and not kind.startswith("Execution"):
            raise HistoryFull(previous)
        root.events, root.latest_ms = number, self.at_ms
        event: dict[str, Any] = {
            "timestamp": self.at_ms,
            "type": kind,
            "id": number,
            "previousEventId": previous,
        }
        if field is not None:
            event[field] = details
        self.history.append(event)
        if advance:
            head.last_event = number
        live.changed = self.root.changed = True
        return number

    # Expressions

    def scope(self, live: Live, document: Any, purpose: str, *, item: Any = None) -> Scope:
        """Answer what an expression of the current state sees; ``purpose`` tells one evaluation from another."""
        head = live.head
        seed = f"{self.seed}/{head.id}/{head.attempt}/{purpose}"
        return Scope(document, lambda: self._context(live, item), live.variables, seed)

    def _context(self, live: Live, item: Any) -> dict[str, Any]:
        execution, head = self.branches.execution, live.head
        context: dict[str, Any] = {
            "Execution": {
                "Id": execution.arn,
                "Input": msgspec.json.decode(execution.input),
                "StartTime": format_ms(execution.started_ms),
                "Name": execution.name,
                "RoleArn": execution.role_arn,
                "RedriveCount": execution.redrive_count,
            },
            "StateMachine": {"Id": execution.state_machine_arn, "Name": execution.state_machine_name},
            "State": {"Name": head.state, "EnteredTime": format_ms(head.entered_ms)},
        }
        if self.states[head.state].type in ("Task", "Map", "Parallel"):
            context["State"]["RetryCount"] = head.retry_count
        if head.token:
            context["Task"] = {"Token": head.token}
        if item is not None:
            context["Map"] = item
        elif live.item != NOTHING:
            context["Map"] = msgspec.json.decode(live.item)
        return context

    def token(self, live: Live) -> str:
        """Make the current attempt's task token: what the seed shows of itself, then something unguessable."""
        text = f"{self.seed}/{live.head.id}/{live.head.attempt}/token"
        shown = self.seed.rpartition(":")[0]
        return shown + base64.urlsafe_b64encode(hashlib.sha512(text.encode()).digest()[:48]).decode()

    def start_timer(self, live: Live, kind: TimerKind, at_ms: int) -> None:
        """Ask for a timer of the current attempt."""
        self.commands.append(StartTimer(branch=live.head.id, attempt=live.head.attempt, kind=kind, at_ms=at_ms))

    def abandon(self, live: Live) -> None:
        """Ask to drop whatever is open for the current attempt."""
        self.commands.append(Abandon(branch=live.head.id, attempt=live.head.attempt))

    # Moves

    def drain(self) -> None:
        """Run ready branches until nothing is ready, the execution ended, or the bound is reached."""
        while self.ready and not self.finished:
            live = self.ready.popleft()
            while live.head.phase == "ready" and not self.finished:
                if self._transitions >= TRANSITIONS_MAX:
                    # To the end: a loop must not starve its siblings.
                    self.ready.append(live)
                    self.postpone()
                    return
                self._transitions += 1
                self._enter(live)

    def postpone(self, *, ask: bool = True) -> None:
        """Leave the ready branches to the next ``Continue``."""
        self.root.head.ready = tuple(live.head.id for live in self.ready)
        self.root.changed = True
        self.ready.clear()
        if ask:
            self.commands.append(ContinueLater())

    def _enter(self, live: Live) -> None:
        head = live.head
        state = self.states[head.state]
        head.attempt += 1
        head.retries = ()
        head.retry_count = 0
        head.entered_ms = self.at_ms
        details = {"name": state.name, "input": live.document.text, "inputDetails": _WHOLE}
        head.entered_event = self.emit(live, f"{state.type}StateEntered", "stateEnteredEventDetails", details)
        self.attempt(live, state)

    def attempt(self, live: Live, state: State) -> None:
        """Begin the current state, or begin it again."""
        live.changed = True
        try:
            state.begin(self, live)
        except StateError as error:
            self.raised(live, error)
        except RecursionError:
            self.raised(live, StateError(RUNTIME, TOO_DEEP))

    def raised(self, live: Live, error: StateError) -> None:
        """Go on after the branch's current state raised an error of its own."""
        self.fail(live, error.error, explain(error, live.head.state, live.head.entered_event))

    def leave(
        self, live: Live, state: State, output: Document, to: str | None = None, assigned: Variables | None = None
    ) -> None:
        """Exit the current state and go on: to ``to``, or to its Next, or to the end of the branch."""
        head = live.head
        if output is not live.document and output.oversized:
            raise oversized_error(state.name)
        details = {"name": state.name, "output": output.text, "outputDetails": _WHOLE}
        if assigned:
            texts = {name: compact(value) for name, value in assigned.items()}
            if sum(len(text.encode()) for text in texts.values()) > SIZE_MAX:
                raise oversized_error(state.name)
            details["assignedVariables"] = texts
            details["assignedVariablesDetails"] = _WHOLE
            live.assign(assigned)
        self.emit(live, f"{state.type}StateExited", "stateExitedEventDetails", details)
        live.rewrite(output)
        target = to or state.next
        if target is None:
            self._end(live)
            return
        head.state = target
        self._rest(head)
        head.phase = "ready"

    @staticmethod
    def _rest(head: Head) -> None:
        """Clear what belongs to the attempt that is over."""
        head.due_ms = head.heartbeat_ms = head.heartbeat_due_ms = 0
        head.token = ""
        head.length = head.begun = head.finished = head.concurrency = 0

    def _end(self, live: Live) -> None:
        head = live.head
        if live is self.root:
            output = live.document.text
            details = {"output": output, "outputDetails": _WHOLE}
            self.emit(live, "ExecutionSucceeded", "executionSucceededEventDetails", details)
            self.finish(Finish(status="SUCCEEDED", output=output))
            return
        self._rest(head)
        head.phase = "done"
        parent = self.parent(live)
        state = self.states[parent.head.state]
        parent.head.finished += 1
        parent.changed = True
        try:
            state.child_done(self, parent, live)
        except StateError as error:
            self.raised(parent, error)
        if parent.head.phase == "ready":
            self.ready.append(parent)

    def finish(self, command: Finish) -> None:
        """End the execution: nothing else of this step matters."""
        self.root.head.phase = "done"
        self.finished = True
        self.commands = [command]

    # Failures

    def fail(self, live: Live, error: str | None, cause: str | None, known_as: str | None = None) -> None:
        """Settle the failure of the branch's current state.

        ``error`` is what is shown; ``known_as`` what Retry and Catch compare, when it is another name.
        """
        state, head = self.states[live.head.state], live.head
        name = known_as or error or TASK_FAILED
        if name == RUNTIME:
            self.fail_execution(live.head.last_event, error, cause)
            return
        if head.phase == "joining":
            self._abort_children(live, state)
        position = retry.choose(state.retriers, head.retries, name)
        if position is not None:
            self._retry(live, state, position)
            return
        for catcher in state.catchers:
            if retry.matches(catcher.error_equals, name):
                state.announce_failure(self, live)
                self._catch(live, state, catcher, retry.error_output(error or TASK_FAILED, cause))
                return
        state.announce_failure(self, live)
        if live is self.root:
            self.fail_execution(head.last_event, error, cause)
        else:
            self._fail_parent(live, error, cause, known_as)

    def _retry(self, live: Live, state: State, position: int) -> None:
        head = live.head
        used = head.retries[position] if head.retries else 0
        head.retries = retry.spend(head.retries, position, len(state.retriers))
        self._rest(head)
        head.attempt += 1
        head.retry_count += 1
        head.phase = "retrying"
        seed = f"{self.seed}/{head.id}/{head.attempt}"
        head.due_ms = self.at_ms + state.retriers[position].delay_ms(used, seed)
        live.changed = True
        self.start_timer(live, "retry", head.due_ms)

    def _catch(self, live: Live, state: State, catcher: Catcher, caught: dict[str, Any]) -> None:
        try:
            output = merged(live.document, catcher.result_path, Document(caught))
            assigned = None
            if catcher.assign is not None:
                assigned = catcher.assign.fill(self.scope(live, caught, "catch")).value
            self._rest(live.head)
            self.leave(live, state, output, catcher.next, assigned)
        except StateError as error:
            # Nothing catches what goes wrong in a catcher.
            cause = explain(error, state.name, live.head.entered_event)
            if live is self.root:
                self.fail_execution(live.head.last_event, error.error, cause)
            else:
                self._fail_parent(live, error.error, cause, None)

    def _fail_parent(self, live: Live, error: str | None, cause: str | None, known_as: str | None) -> None:
        parent = self.parent(live)
        self.states[parent.head.state].child_failed(self, live)
        previous = live.head.last_event
        self.drop(live.head.id)
        parent.head.last_event = previous
        parent.changed = True
        self.fail(parent, error, cause, known_as)
        if parent.head.phase == "ready":
            self.ready.append(parent)

    def _abort_children(self, parent: Live, state: State) -> None:
        previous = parent.head.last_event
        for child in self.children(parent):
            if child.head.phase != "done":
                self._abort(child, previous)
                state.child_aborted(self, child, previous)
            self.drop(child.head.id)

    def _abort(self, live: Live, previous: int) -> None:
        phase = live.head.phase
        if phase == "ready":
            return
        state = self.states[live.head.state]
        if phase == "joining":
            live.head.last_event = previous
            self._abort_children(live, state)
        else:
            self.abandon(live)
        self.emit(live, f"{state.type}StateAborted", previous=previous, advance=False)

    # Ends

    def fail_execution(self, previous: int, error: str | None, cause: str | None) -> None:
        """End the execution as FAILED."""
        details = _reason(error, cause)
        self.emit(self.root, "ExecutionFailed", "executionFailedEventDetails", details, previous=previous)
        self.finish(Finish(status="FAILED", error=error, cause=cause))

    def stop(self, error: str | None, cause: str | None) -> None:
        """End the execution as ABORTED."""
        details = _reason(error, cause)
        self.emit(self.root, "ExecutionAborted", "executionAbortedEventDetails", details, previous=0)
        self.finish(Finish(status="ABORTED", error=error, cause=cause))

    def time_out(self) -> None:
        """End the execution as TIMED_OUT; the error's name is in the history only."""
        details = {"error": TIMEOUT}
        self.emit(self.root, "ExecutionTimedOut", "executionTimedOutEventDetails", details, previous=0)
        self.finish(Finish(status="TIMED_OUT"))

    def rows(self) -> list[Changed]:
        """Answer every branch that has to be stored."""
        if self.finished:
            return []
        return [live.row() for live in self._lives.values() if live.changed]


def _reason(error: str | None, cause: str | None) -> dict[str, Any]:
    details = {"error": error, "cause": cause}
    return {name: text for name, text in details.items() if text is not None}


def child_id(parent: Head, index: int) -> str:
    """Name a child of a branch; the attempt tells the children of one try from those of the next."""
    return f"{parent.id}/{parent.attempt}.{index}"
