"""A driver small enough to read: rows in a dict, a clock that jumps, tasks that answer from a script."""

import heapq
import itertools
import json
from collections.abc import Callable

import msgspec

from waypost.asl import machine
from waypost.asl.branch import Body, Execution, Head
from waypost.asl.commands import Abandon, ContinueLater, Finish, ScheduleTask, StartTimer
from waypost.asl.events import Continue, Event, Started, TaskSettled, TimerFired
from waypost.asl.program import Program, parse

START_MS = 1_700_000_000_000


def execution(input_text="{}"):
    return Execution(
        arn="arn:aws:states:us-east-1:000000000000:execution:machine:run",
        name="run",
        role_arn="arn:aws:iam::000000000000:role/states",
        started_ms=START_MS,
        state_machine_arn="arn:aws:states:us-east-1:000000000000:stateMachine:machine",
        state_machine_name="machine",
        input=input_text,
    )


class Rows:
    """The branches of one execution, stored as bytes, so that nothing survives a step by accident."""

    def __init__(self, constants):
        self.execution = constants
        self.heads: dict[str, bytes] = {}
        self.bodies: dict[str, bytes] = {}
        self.touched: list[str] = []
        self.activities = True

    def head(self, branch):
        self.touched.append(branch)
        text = self.heads.get(branch)
        return None if text is None else msgspec.json.decode(text, type=Head)

    def body(self, branch):
        return msgspec.json.decode(self.bodies[branch], type=Body)

    def children(self, parent):
        heads = [msgspec.json.decode(text, type=Head) for text in self.heads.values()]
        return sorted((head for head in heads if head.parent == parent), key=lambda head: head.index)

    def results(self, parent):
        return [(head.index, self.body(head.id)) for head in self.children(parent)]

    def activity_exists(self, arn):
        return self.activities

    def save(self, step):
        for changed in step.changed:
            self.heads[changed.head.id] = msgspec.json.encode(changed.head)
            if changed.body is not None:
                self.bodies[changed.head.id] = msgspec.json.encode(changed.body)
            assert changed.head.id in self.bodies, "a new branch comes with its body"
        for branch in step.removed:
            self.heads.pop(branch, None)
            self.bodies.pop(branch, None)
        if any(isinstance(command, Finish) for command in step.commands):
            self.heads.clear()
            self.bodies.clear()


Script = Callable[[ScheduleTask, int], list[tuple[int, Event]]]
"""(task, now) -> the events it leads to, each with the instant at which it is delivered."""


def nothing_runs(task, now_ms):
    raise AssertionError(f"no task expected: {task.resource.arn}")


class Driver:
    """Runs one execution to its end."""

    def __init__(self, definition, input_text="{}", script: Script = nothing_runs):
        text = definition if isinstance(definition, str) else json.dumps(definition)
        self.program: Program = parse(text)
        self.input_text = input_text
        self.rows = Rows(execution(input_text))
        self.script = script
        self.now_ms = START_MS
        self.history: list[dict] = []
        self.tasks: list[ScheduleTask] = []
        self.abandoned: set[tuple[str, int]] = set()
        self.finish: Finish | None = None
        self._queue: list[tuple[int, int, Event]] = []
        self._order = itertools.count()
        self._seeds = itertools.count()

    def seed(self):
        return f"seed-{next(self._seeds)}"

    def start(self):
        return self.apply(Started(at_ms=self.now_ms, seed=self.seed(), input=self.input_text))

    def put(self, at_ms, event):
        heapq.heappush(self._queue, (at_ms, next(self._order), event))

    def apply(self, event):
        step = machine.step(self.program, self.rows, event)
        self.carry_out(step)
        return step

    def carry_out(self, step):
        self.history += step.history
        self.rows.save(step)
        for command in step.commands:
            match command:
                case ScheduleTask():
                    self.tasks.append(command)
                    for at_ms, event in self.script(command, self.now_ms):
                        self.put(at_ms, event)
                case StartTimer(branch=branch, attempt=attempt, kind=kind, at_ms=at_ms):
                    self.put(at_ms, TimerFired(at_ms=at_ms, seed="", branch=branch, attempt=attempt, kind=kind))
                case ContinueLater():
                    self.put(self.now_ms, Continue(at_ms=self.now_ms, seed=""))
                case Abandon(branch=branch, attempt=attempt):
                    self.abandoned.add((branch, attempt))
                case Finish():
                    assert self.finish is None, "an execution ends once"
                    self.finish = command

    def next_event(self):
        at_ms, _, event = heapq.heappop(self._queue)
        self.now_ms = max(self.now_ms, at_ms)
        return msgspec.structs.replace(event, at_ms=self.now_ms, seed=self.seed())

    def run(self):
        self.start()
        while self.finish is None:
            assert self._queue, "nothing will ever wake this execution"
            self.apply(self.next_event())
        check_history(self.history)
        return self

    @property
    def types(self):
        return [event["type"] for event in self.history]

    @property
    def links(self):
        return [(event["id"], event["previousEventId"]) for event in self.history]

    @property
    def output(self):
        assert self.finish is not None
        assert self.finish.status == "SUCCEEDED", self.finish
        return json.loads(self.finish.output)


def check_history(history):
    assert [event["id"] for event in history] == list(range(1, len(history) + 1))
    assert all(event["previousEventId"] < event["id"] for event in history)
    stamps = [event["timestamp"] for event in history]
    assert stamps == sorted(stamps)


def run(definition, value=None, script: Script = nothing_runs, text=None):
    return Driver(definition, json.dumps({} if value is None else value) if text is None else text, script).run()


def one(state, value=None, script: Script = nothing_runs, **machine_fields):
    """Run a machine of one state."""
    ends = {} if state["Type"] in ("Succeed", "Fail", "Choice") else {"End": True}
    return run({"StartAt": "S", "States": {"S": {**state, **ends}}, **machine_fields}, value, script)


def settle(task, now_ms, output=None, error=None, cause=None, delay_ms=5):
    text = None if error is not None else json.dumps(output)
    event = TaskSettled(
        at_ms=0, seed="", branch=task.branch, attempt=task.attempt, output=text, error=error, cause=cause
    )
    return (now_ms + delay_ms, event)


def answers(*outcomes):
    """A script: each task in turn ends with a value, with an Exception(error, cause), or with None: never."""
    waiting = iter(outcomes)

    def script(task, now_ms):
        outcome = next(waiting)
        if outcome is None:
            return []
        if isinstance(outcome, Exception):
            return [settle(task, now_ms, error=outcome.args[0], cause=outcome.args[1])]
        return [settle(task, now_ms, outcome)]

    return script
