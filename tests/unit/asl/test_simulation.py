"""Crashes, late and duplicate events, early timers: outcome and history stay those of an undisturbed run.

The oracle is an undisturbed run of the same machine. The disturbed one stores rows as bytes after each step, loses
steps before they are stored, and hears of everything more than once. Planted bugs prove that the comparison bites.
"""

import functools
import itertools
import random

import msgspec
import pytest
from tests.unit.asl.harness import START_MS, Driver, check_history, settle

from waypost.asl import machine
from waypost.asl.events import Continue, Heartbeat, Started, TaskSettled, TaskStarted, TaskSubmitted, TimerFired
from waypost.asl.run import Run
from waypost.asl.states import task as task_state
from waypost.asl.states import wait
from waypost.asl.states.map_ import MapState
from waypost.asl.states.parallel import ParallelState

LAMBDA = "arn:aws:states:::lambda:invoke"
TOKEN = "arn:aws:states:::sqs:sendMessage.waitForTaskToken"


def scope(*states):
    return {"StartAt": states[0][0], "States": dict(states)}


def task(resource=LAMBDA, **fields):
    return {"Type": "Task", "Resource": resource, "End": True, **fields}


RETRY = [{"ErrorEquals": ["Flaky"], "IntervalSeconds": 2, "MaxAttempts": 4, "JitterStrategy": "FULL"}]
MACHINES = {
    "order": scope(
        (
            "Ask",
            {
                **task(
                    TOKEN,
                    HeartbeatSeconds=10,
                    TimeoutSeconds=40,
                    Parameters={"MessageBody": {"token.$": "$$.Task.Token"}, "QueueUrl": "q"},
                    Retry=[{"ErrorEquals": ["States.Timeout"], "MaxAttempts": 1}, *RETRY],
                    Catch=[{"ErrorEquals": ["States.ALL"], "Next": "Sorry", "ResultPath": "$.why"}],
                ),
            },
        ),
        ("Sorry", {"Type": "Pass", "End": True}),
    ),
    "map": scope(
        (
            "Each",
            {
                "Type": "Map",
                "MaxConcurrency": 2,
                "ItemSelector": {"n.$": "$$.Map.Item.Value"},
                "ItemProcessor": scope(
                    ("Work", {**task(Retry=RETRY), "End": False, "Next": "Rest"}),
                    ("Rest", {"Type": "Wait", "Seconds": 1, "End": True}),
                ),
                "Catch": [{"ErrorEquals": ["States.ALL"], "Next": "Failed"}],
                "End": True,
            },
        ),
        ("Failed", {"Type": "Succeed"}),
    ),
    "nested": scope(
        (
            "Outer",
            {
                "Type": "Map",
                "ItemProcessor": scope(
                    (
                        "Inner",
                        {
                            "Type": "Map",
                            "MaxConcurrency": 2,
                            "ItemProcessor": scope(("Leaf", task(TimeoutSeconds=8))),
                            "Retry": [{"ErrorEquals": ["States.ALL"], "MaxAttempts": 1}],
                            "Catch": [{"ErrorEquals": ["Flaky"], "Next": "Caught"}],
                            "End": True,
                        },
                    ),
                    ("Caught", {"Type": "Wait", "Seconds": 2, "End": True}),
                ),
                "End": True,
            },
        ),
    ),
    "parallel": scope(
        (
            "Both",
            {
                "Type": "Parallel",
                "Branches": [
                    scope(("A", task(TimeoutSeconds=8))),
                    scope(("B", {"Type": "Wait", "Seconds": 4, "Next": "B2"}), ("B2", task(TOKEN, HeartbeatSeconds=6))),
                    scope(
                        ("C", {"Type": "Pass", "Parameters": {"left": 90}, "Next": "C2"}),
                        (
                            "C2",
                            {
                                "Type": "Pass",
                                "Parameters": {"left.$": "States.MathAdd($.left, -1)"},
                                "Next": "C3",
                            },
                        ),
                        (
                            "C3",
                            {
                                "Type": "Choice",
                                "Choices": [{"Variable": "$.left", "NumericGreaterThan": 0, "Next": "C2"}],
                                "Default": "C4",
                            },
                        ),
                        ("C4", {"Type": "Succeed"}),
                    ),
                ],
                "Retry": [{"ErrorEquals": ["Flaky"], "MaxAttempts": 2}, {"ErrorEquals": ["States.Timeout"]}],
                "End": True,
            },
        ),
    ),
}


INPUTS = {"map": "[1, 2, 3, 4, 5]", "nested": "[[1, 2, 3], [4, 5]]"}


def scripted(seed):
    """What becomes of each task, by branch and attempt: the same in every run."""

    def script(asked, now_ms):
        chance = random.Random(f"{seed}/{asked.branch}/{asked.attempt}")
        names = {"branch": asked.branch, "attempt": asked.attempt, "at_ms": 0, "seed": ""}
        events = [(now_ms + 1, TaskStarted(**names))]
        if asked.token:
            events.append((now_ms + 2, TaskSubmitted(output='{"MessageId":"m"}', **names)))
            beats = range(4_000, chance.choice([0, 12_000, 20_000]) + 1, 4_000)
            events += [(now_ms + at_ms, Heartbeat(**names)) for at_ms in beats]
        fate = chance.random()
        delay_ms = chance.choice([3, 700, 3_000, 9_500])
        if fate < 0.3:
            events.append(settle(asked, now_ms, error="Flaky", cause="try again", delay_ms=delay_ms))
        elif fate < 0.85 or asked.timeout_ms is None:
            events.append(settle(asked, now_ms, output={"n": chance.randrange(9)}, delay_ms=delay_ms))
        return events

    return script


class Calm(Driver):
    """Seeds come from what an event is about, so that a disturbed run draws the same numbers."""

    def __init__(self, name, seed):
        super().__init__(MACHINES[name], INPUTS.get(name, '{"order": 1}'), scripted(seed))
        self.name_of_run = f"{name}/{seed}"
        self.steps = 0

    def next_event(self):
        event = super().next_event()
        about = f"{getattr(event, 'branch', '')}/{getattr(event, 'attempt', '')}"
        return msgspec.structs.replace(event, seed=f"{self.name_of_run}/{type(event).__name__}/{about}")

    def apply(self, event):
        self.steps += 1
        assert self.steps < 2_000, "this never ends"
        return super().apply(event)


class Disturbed(Calm):
    """The same, with crashes and repetitions."""

    def __init__(self, name, seed):
        super().__init__(name, seed)
        self.chance = random.Random(f"disturb/{name}/{seed}")
        self.crashes = 0
        self.repeats_left = 200

    def apply(self, event):
        while self.chance.random() < 0.2:
            machine.step(self.program, self.rows, event)  # computed, never stored
            self.crashes += 1
        step = super().apply(event)
        for at_ms in self.repetitions(event):
            self.put(at_ms, event)
        return step

    def repetitions(self, event):
        if isinstance(event, (Started, Heartbeat)):
            return  # Started comes once; a repeated heartbeat does mean that the worker is alive
        while self.repeats_left > 0 and self.chance.random() < 0.4:
            self.repeats_left -= 1
            yield self.now_ms + self.chance.choice([0, 0, 1, 500, 5_000, 60_000])

    def put(self, at_ms, event):
        super().put(at_ms, event)
        if isinstance(event, TimerFired) and self.repeats_left > 0 and self.chance.random() < 0.3:
            self.repeats_left -= 1
            super().put(self.now_ms + self.chance.randrange(max(1, at_ms - self.now_ms)), event)
        if isinstance(event, Continue) and self.chance.random() < 0.3:
            super().put(at_ms, event)


def outcome(driver):
    driver.run()
    return driver.finish, driver.history


@functools.cache
def golden(name, seed):
    """Always asked for before a bug is planted."""
    return outcome(Calm(name, seed))


CASES = list(itertools.product(MACHINES, range(40)))


@pytest.mark.parametrize("name", MACHINES)
def test_disturbed_runs_end_as_undisturbed_ones(name):
    crashes = 0
    ends = set()
    for seed in range(60):
        finish, history = golden(name, seed)
        driver = Disturbed(name, seed)
        assert outcome(driver) == (finish, history), f"{name}, seed {seed}"
        crashes += driver.crashes
        ends.add(finish.status)
        check_history(history)
    assert crashes > 100
    assert ends <= {"SUCCEEDED", "FAILED"}


def test_the_scripts_reach_every_kind_of_end():
    seen = set()
    for name, seed in CASES:
        _, history = golden(name, seed)
        seen.update(event["type"] for event in history)
    assert {"TaskTimedOut", "TaskFailed", "WaitStateAborted", "MapIterationAborted", "ParallelStateFailed"} <= seen
    assert history[0]["timestamp"] == START_MS


# Planted bugs: each must be caught, by a difference, an exception, or an execution that nothing wakes.


def any_attempt(monkeypatch):
    class Anything(int):
        def __eq__(self, other):
            return True

        __hash__ = int.__hash__

    real = machine._deliver

    def deliver(run, event):
        live = run.live(event.branch)
        current = live.head.attempt if live is not None else 0
        real(run, msgspec.structs.replace(event, attempt=current))

    monkeypatch.setattr(machine, "_deliver", deliver)


def early_timers_count(monkeypatch):
    real = wait.fired

    def fired(run, live, event):
        real(run, live, msgspec.structs.replace(event, at_ms=max(event.at_ms, live.head.due_ms)))

    monkeypatch.setitem(machine.HANDLERS, ("waiting", TimerFired), fired)


def submitted_twice(monkeypatch):
    monkeypatch.setitem(machine.HANDLERS, ("submitted", TaskSubmitted), task_state.submitted)


def started_twice(monkeypatch):
    monkeypatch.setitem(machine.HANDLERS, ("started", TaskStarted), task_state.started)


def heartbeats_ignored(monkeypatch):
    for phase in ("scheduled", "started", "submitted"):
        monkeypatch.delitem(machine.HANDLERS, (phase, Heartbeat))


def timer_not_armed_again(monkeypatch):
    real = task_state.fired

    def fired(run, live, event):
        before = len(run.commands)
        real(run, live, event)
        if not run.finished and not run.history:
            del run.commands[before:]

    for phase in ("scheduled", "started", "submitted"):
        monkeypatch.setitem(machine.HANDLERS, (phase, TimerFired), fired)


def retry_without_a_timer(monkeypatch):
    real = Run.start_timer
    monkeypatch.setattr(
        Run, "start_timer", lambda run, live, kind, at_ms: None if kind == "retry" else real(run, live, kind, at_ms)
    )


def continue_not_asked(monkeypatch):
    real = Run.postpone
    monkeypatch.setattr(Run, "postpone", lambda run, *, ask=True: real(run, ask=False))


def count_not_stored(monkeypatch):
    real = MapState.child_done

    def child_done(state, run, live, child):
        real(state, run, live, child)
        live.changed = False

    monkeypatch.setattr(MapState, "child_done", child_done)


def results_in_order_of_arrival(monkeypatch):
    monkeypatch.setattr(
        Run, "results", lambda run, parent: [body.document.value for _, body in run.branches.results(parent.head.id)]
    )


def siblings_live_on(monkeypatch):
    monkeypatch.setattr(Run, "_abort_children", lambda run, parent, state: None)


def attempts_start_over(monkeypatch):
    real = ParallelState.begin

    def begin(state, run, live):
        live.head.attempt = 1
        real(state, run, live)

    monkeypatch.setattr(ParallelState, "begin", begin)


def settled_twice(monkeypatch):
    real = task_state.settled

    def settled(run, live, event):
        real(run, live, event)
        if live.head.phase == "retrying":
            live.head.attempt -= 1

    for phase in ("scheduled", "started", "submitted"):
        monkeypatch.setitem(machine.HANDLERS, (phase, TaskSettled), settled)
    monkeypatch.setitem(machine.HANDLERS, ("retrying", TaskSettled), settled)


BUGS = [
    any_attempt,
    early_timers_count,
    submitted_twice,
    started_twice,
    heartbeats_ignored,
    timer_not_armed_again,
    retry_without_a_timer,
    continue_not_asked,
    count_not_stored,
    results_in_order_of_arrival,
    siblings_live_on,
    attempts_start_over,
    settled_twice,
]


@pytest.mark.parametrize("bug", BUGS, ids=lambda bug: bug.__name__)
def test_planted_bugs_are_caught(bug, monkeypatch):
    expected = {case: golden(*case) for case in CASES}
    bug(monkeypatch)
    for name, seed in CASES:
        try:
            same = outcome(Disturbed(name, seed)) == expected[name, seed]
        except Exception:  # noqa: BLE001  # a crash of the core is a catch too
            return
        if not same:
            return
    pytest.fail("not caught")
