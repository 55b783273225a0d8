"""What AWS recorded, replayed: histories of real executions, with the answers of their tasks taken from the record."""

import json
import os
import re
from pathlib import Path

import pytest
from tests.unit.asl.harness import Driver

from waypost.asl.events import Stop, TaskSettled, TaskStarted, TaskSubmitted
from waypost.asl.program import InvalidDefinition, parse

RECORDED = Path(os.environ.get("WAYPOST_RECORDED", Path(__file__).parents[4] / "shared" / "conformance"))
FILE = RECORDED if RECORDED.is_file() else RECORDED / "step-functions.jsonl"
CASES = [json.loads(line) for line in FILE.read_text().splitlines()] if FILE.exists() else []
MACHINE = "arn:aws:states:us-east-1:111111111111:stateMachine:other"
ACTIVITY = "arn:aws:states:us-east-1:000000000000:activity:recorded"

_ANY = {"timestamp", "date", "datetime", "snf_role_arn", "activity_arn", "sqs_queue_url", "RandomNumberGenerated"}
_PLACEHOLDER = re.compile(r"<<?[A-Za-z_][\w -]*>?(?::\d+)?>|111111111111|activity_arn")


def histories():
    """Every recorded history of an execution that this core can run alone."""
    for case in CASES:
        found = [value for value in case["recorded"].values() if isinstance(value, dict) and "events" in value]
        asked = [step for step in case["steps"] if step["op"] == "GetExecutionHistory" and not step.get("fails")]
        if len(found) != len(asked):
            continue
        for number, (record, step) in enumerate(zip(found, asked, strict=True)):
            definition, given = definition_of(case, step)
            events = record["events"]
            if definition is None or len(events) < 2 or step["params"].get("reverseOrder"):
                continue
            name = f"{case['case'].split('::')[-1]}#{number}"
            shown = text_of(details(events[0])["input"])
            if '"timestamp"' not in shown and '"date"' not in shown:
                given = shown
            yield pytest.param(definition, given, events, id=name)


def definition_of(case, step):
    start = refer(case, step["params"].get("executionArn", ""))
    create = None if start is None else refer(case, start["params"].get("stateMachineArn", ""))
    if create is None or create["op"] != "CreateStateMachine" or create["params"].get("type") == "EXPRESS":
        return None, None
    definition = re.sub(r"\$\{\d+\.activityArn\}", ACTIVITY, create["params"]["definition"])
    definition = re.sub(r"\$\{\d+\.stateMachineArn\}", MACHINE, definition)
    try:
        parse(definition)
    except InvalidDefinition as error:
        if {problem.code for problem in error.problems} != {"UNSUPPORTED"}:
            raise
        return None, None
    return definition, start["params"].get("input", "{}")


def refer(case, text):
    match = re.match(r"\$\{(\d+)\.", text)
    return case["steps"][int(match[1])] if match else None


def text_of(recorded):
    return json.dumps(recorded) if isinstance(recorded, (dict, list)) else recorded


def details(event):
    return next((value for key, value in event.items() if key.endswith("EventDetails")), {})


class Tape:
    """A script for tasks: what the record says happened to them, in its order."""

    def __init__(self, events):
        self.events = [event for event in events if re.match(r"(Task|Activity)(?!State)", event["type"])]

    def __call__(self, task, now_ms):
        out = []
        names = {"branch": task.branch, "attempt": task.attempt, "at_ms": 0, "seed": ""}
        scheduled = self.events.pop(0)
        assert scheduled["type"].endswith("Scheduled")
        while self.events and not self.events[0]["type"].endswith("Scheduled"):
            event = self.events.pop(0)
            told, kind = details(event), event["type"].removeprefix("Task").removeprefix("Activity")
            if kind == "Started":
                out.append(TaskStarted(worker_name=told.get("workerName", ""), **names))
            elif kind == "Submitted":
                out.append(TaskSubmitted(output=text_of(told["output"]), **names))
            elif kind == "Succeeded":
                out.append(TaskSettled(output=text_of(told["output"]), **names))
            elif kind == "Failed":
                out.append(TaskSettled(error=told.get("error", ""), cause=told.get("cause"), **names))
        return [(now_ms + 1, event) for event in out]


class Matcher:
    """Compares with the record's placeholders; the same placeholder always stands for the same text."""

    def __init__(self):
        self.known = {}

    def same(self, recorded, ours):
        if not isinstance(recorded, str) and isinstance(ours, str):
            ours = json.loads(ours)
        if isinstance(recorded, dict):
            assert isinstance(ours, dict), (recorded, ours)
            assert recorded.keys() == ours.keys(), (recorded, ours)
            for key in recorded:
                self.same(recorded[key], ours[key])
        elif isinstance(recorded, list) and isinstance(ours, list):
            assert len(recorded) == len(ours), (recorded, ours)
            for left, right in zip(recorded, ours, strict=True):
                self.same(left, right)
        elif recorded == ours or (isinstance(recorded, str) and recorded in _ANY):
            return
        elif isinstance(recorded, str) and _PLACEHOLDER.search(recorded):
            self.text(recorded, ours)
        else:
            assert recorded == ours

    def text(self, recorded, ours):
        names = _PLACEHOLDER.findall(recorded)
        pattern = "(.*?)".join(re.escape(part) for part in _PLACEHOLDER.split(recorded))
        match = re.fullmatch(pattern, ours if isinstance(ours, str) else json.dumps(ours), re.DOTALL)
        assert match, (recorded, ours)
        for name, value in zip(names, match.groups(), strict=True):
            if re.search(r":\d+>", name):
                assert self.known.setdefault(name, value) == value, (name, value)


@pytest.mark.skipif(not CASES, reason=f"no recorded cases at {FILE}")
@pytest.mark.parametrize(("definition", "given", "events"), list(histories()))
def test_recorded_history(definition, given, events):
    driver = Driver(definition, given, Tape(events))
    if any("does not exist" in str(details(event).get("cause")) for event in events):
        driver.rows.activities = False
    if events[-1]["type"] == "ExecutionAborted":
        driver.start()
        driver.apply(Stop(at_ms=driver.now_ms, seed="x"))
    elif events[-1]["type"].startswith("Execution"):
        driver.run()
    else:
        driver.start()
    compare(events, driver.history)


def compare(events, ours):
    matcher = Matcher()
    numbered = [event for event in events if isinstance(event["id"], int)]
    loose = [event for event in events if not isinstance(event["id"], int)]
    by_id = {event["id"]: event for event in ours}
    for event in numbered:
        assert event["type"] == by_id[event["id"]]["type"]
        assert event["previousEventId"] == by_id[event["id"]]["previousEventId"], event
        matcher.same(details(event), details(by_id[event["id"]]))
    others = [event for event in ours if event["id"] not in {event["id"] for event in numbered}]
    for event in loose:
        assert any(agrees(event, other) for other in others), event
    assert len(ours) == numbered[-1]["id"]


def agrees(event, other):
    try:
        Matcher().same(details(event), details(other))
    except AssertionError:
        return False
    return event["type"] == other["type"]


def test_how_many_run_alone():
    """Keeps the number of replayed histories from shrinking unseen."""
    if not CASES:
        pytest.skip(f"no recorded cases at {FILE}")
    count = len(list(histories()))
    print(f"recorded histories replayed in the core: {count}")
    assert count >= 161


def references():
    for case in CASES:
        for value in case["recorded"].values():
            if isinstance(value, dict) and "variableReferences" in value and "stateMachineArn" in value:
                create = next(step for step in case["steps"] if step["op"] == "CreateStateMachine")
                yield pytest.param(create["params"]["definition"], value["variableReferences"], id=case["case"])
                break


@pytest.mark.skipif(not CASES, reason=f"no recorded cases at {FILE}")
@pytest.mark.parametrize(("definition", "recorded"), list(references()))
def test_recorded_variable_references(definition, recorded):
    try:
        assert parse(definition).variable_references == recorded
    except InvalidDefinition as error:
        pytest.skip(str(error))
