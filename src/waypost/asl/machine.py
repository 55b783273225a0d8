"""``step``: one event in, what changed out. Pure and deterministic: the same arguments give the same bytes."""

import copy
from collections.abc import Callable
from typing import Any

import msgspec

from waypost.asl.branch import ROOT, Branches, Changed, Head, Phase
from waypost.asl.commands import Command
from waypost.asl.document import Document
from waypost.asl.errors import RUNTIME, TOO_DEEP, StateError
from waypost.asl.events import (
    AttemptEvent,
    Continue,
    Event,
    Heartbeat,
    Started,
    Stop,
    TaskSettled,
    TaskStarted,
    TaskSubmitted,
    TimerFired,
)
from waypost.asl.program import Program
from waypost.asl.run import EVENTS_MAX, HistoryFull, Live, Run
from waypost.asl.states import task, wait


class Step(msgspec.Struct, frozen=True):
    """The outcome of one event. A dropped event's step has nothing in it.

    When ``Finish`` is among the commands it is the only one, ``changed`` and ``removed`` are empty, and all rows of the
    execution's branches may go.
    """

    changed: list[Changed]
    """Branches to insert or update."""
    removed: list[str]
    """Ids of branches whose rows go; some may never have been stored."""
    commands: list[Command]
    """To carry out in this order."""
    history: list[dict[str, Any]]
    """Events as GetExecutionHistory shows them, in order, ids contiguous; ``timestamp`` in milliseconds (int)."""


def step(program: Program, branches: Branches, event: Event) -> Step:
    """Apply ``event``. Never raises for what a definition or an input may hold: that fails the execution instead."""
    if isinstance(event, Started):
        root = Live(Head(id=ROOT, state=program.start_at), branches, Document(text=event.input))
        return _run(program, branches, root, event, lambda run: _start(run, program, event))
    stored = branches.head(ROOT)
    if stored is None or stored.phase == "done":
        return Step([], [], [], [])
    root = Live(copy.copy(stored), branches, None)
    match event:
        case Stop():
            return _run(program, branches, root, event, lambda run: run.stop(event.error, event.cause))
        case Continue():
            return _run(program, branches, root, event, _resume)
        case TimerFired(kind="execution"):
            return _run(program, branches, root, event, lambda run: _time_out(run, event))
        case TaskStarted() | TaskSubmitted() | TaskSettled() | TimerFired() | Heartbeat():
            return _run(program, branches, root, event, lambda run: _deliver(run, event))
    return Step([], [], [], [])


def _start(run: Run, program: Program, event: Started) -> None:
    execution, root = run.branches.execution, run.root
    details: dict[str, Any] = {
        "input": event.input,
        "inputDetails": {"truncated": False},
        "roleArn": execution.role_arn,
    }
    if execution.version_arn is not None:
        details["stateMachineVersionArn"] = execution.version_arn
    if execution.alias_arn is not None:
        details["stateMachineAliasArn"] = execution.alias_arn
    run.emit(root, "ExecutionStarted", "executionStartedEventDetails", details, advance=False)
    if program.timeout_ms is not None:
        root.head.until_ms = event.at_ms + program.timeout_ms
        run.start_timer(root, "execution", root.head.until_ms)
    run.ready.append(root)
    run.drain()


def _resume(run: Run) -> None:
    """Run on with the branches that were left over."""
    head = run.root.head
    if not head.ready:
        return
    for branch in head.ready:
        live = run.live(branch)
        if live is not None and live.head.phase == "ready":
            run.ready.append(live)
    head.ready = ()
    run.root.changed = True
    run.drain()


def _time_out(run: Run, event: TimerFired) -> None:
    head = run.root.head
    if not head.until_ms:
        return
    if event.at_ms < head.until_ms:
        run.start_timer(run.root, "execution", head.until_ms)
    else:
        run.time_out()


Handler = Callable[[Run, Live, Any], None]


def _try_again(run: Run, live: Live, event: TimerFired) -> None:
    """Begin the state again: the wait before the next try is over."""
    head = live.head
    if event.kind != "retry":
        return
    if event.at_ms < head.due_ms:
        run.start_timer(live, "retry", head.due_ms)
        return
    head.attempt += 1
    head.due_ms = 0
    head.phase = "ready"
    run.attempt(live, run.states[head.state])


HANDLERS: dict[tuple[Phase, type[Any]], Handler] = {
    ("waiting", TimerFired): wait.fired,
    ("scheduled", TaskStarted): task.started,
    ("scheduled", TaskSubmitted): task.submitted,
    ("scheduled", TaskSettled): task.settled,
    ("scheduled", TimerFired): task.fired,
    ("scheduled", Heartbeat): task.beat,
    ("started", TaskSubmitted): task.submitted,
    ("started", TaskSettled): task.settled,
    ("started", TimerFired): task.fired,
    ("started", Heartbeat): task.beat,
    ("submitted", TaskSettled): task.settled,
    ("submitted", TimerFired): task.fired,
    ("submitted", Heartbeat): task.beat,
    ("retrying", TimerFired): _try_again,
}
"""What an event does to a branch in a phase. What is not here changes nothing: it came late, or twice."""


def _deliver(run: Run, event: AttemptEvent) -> None:
    live = run.live(event.branch)
    if live is None or live.head.attempt != event.attempt:
        return
    handler = HANDLERS.get((live.head.phase, type(event)))
    if handler is None:
        return
    try:
        handler(run, live, event)
    except StateError as error:
        run.raised(live, error)
    except RecursionError:
        run.raised(live, StateError(RUNTIME, TOO_DEEP))
    if live.head.phase == "ready" and live not in run.ready:
        run.ready.append(live)
    if run.finished or not run.ready:
        return
    waiting = run.root.head.ready
    if waiting:
        # A Continue is on its way: it runs these too, after those that have waited longer.
        run.postpone(ask=False)
        run.root.head.ready = waiting + run.root.head.ready
    else:
        run.drain()


def _run(program: Program, branches: Branches, root: Live, event: Event, act: Callable[[Run], None]) -> Step:
    run = Run(program.states, branches, root, event.at_ms, event.seed)
    try:
        act(run)
    except HistoryFull as full:
        cause = f"The execution reached the maximum number of history events ({EVENTS_MAX})."
        run.fail_execution(full.previous, RUNTIME, cause)
    if run.finished:
        return Step([], [], run.commands, run.history)
    return Step(run.rows(), run.removed, run.commands, run.history)
