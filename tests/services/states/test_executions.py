"""Executions: start, describe, list, stop, history."""

import json
from pathlib import Path
from typing import Any

import pytest

from waypost.services.states import programs
from waypost.services.states.limits import BODY_INLINE_CHARS
from waypost.store.sqlite import SqliteStore

from .conftest import ACCOUNT, REGION, ROLE, World
from .test_machines import ARN, PASS, WAIT


def passes(count: int) -> dict[str, Any]:
    """A machine of that many Pass states."""
    states = {f"P{number}": {"Type": "Pass", "Next": f"P{number + 1}"} for number in range(count)}
    states[f"P{count - 1}"] = {"Type": "Pass", "End": True}
    return {"StartAt": "P0", "States": states}


JSON_VALUES = "(JSON String, Number, Array, Object or token 'null', 'true' or 'false')"

LOOP = {
    "StartAt": "Count",
    "States": {
        "Count": {"Type": "Pass", "Parameters": {"n.$": "States.MathAdd($.n, -1)"}, "Next": "More"},
        "More": {
            "Type": "Choice",
            "Choices": [{"Variable": "$.n", "NumericGreaterThan": 0, "Next": "Count"}],
            "Default": "Done",
        },
        "Done": {"Type": "Succeed"},
    },
}


def test_a_short_execution_is_over_when_it_has_started(world: World) -> None:
    arn = world.start(passes(10), {"a": 1})
    now = world.clock.now_ms() / 1000
    assert arn.startswith(f"arn:aws:states:{REGION}:{ACCOUNT}:execution:m:")
    assert world.describe(arn) == {
        "executionArn": arn,
        "stateMachineArn": ARN,
        "name": arn.rpartition(":")[2],
        "status": "SUCCEEDED",
        "startDate": now,
        "stopDate": now,
        "input": '{"a": 1}',
        "inputDetails": {"included": True},
        "output": '{"a": 1}',
        "outputDetails": {"included": True},
        "redriveCount": 0,
        "redriveStatus": "NOT_REDRIVABLE",
        "redriveStatusReason": "Execution is SUCCEEDED and cannot be redriven",
    }
    assert world.types(arn) == [
        "ExecutionStarted",
        *["PassStateEntered", "PassStateExited"] * 10,
        "ExecutionSucceeded",
    ]
    assert world.nothing_left()


def test_a_short_execution_costs_few_statements(world: World) -> None:
    arn = world.machine(passes(10))
    world.run("StartExecution", stateMachineArn=arn)
    ran: list[str] = []
    if not isinstance(world.store, SqliteStore):
        pytest.skip("counted where SQLite tells what it runs; the operations are the same")
    world.store._db.set_exec_trace(lambda _cursor, sql, _bindings: ran.append(sql) or True)
    world.run("StartExecution", stateMachineArn=arn)
    world.store._db.set_exec_trace(None)
    assert len([sql for sql in ran if sql.split()[0] in {"SELECT", "INSERT", "UPDATE", "DELETE"}]) <= 4


def test_a_long_execution_goes_on_by_jobs(world: World) -> None:
    arn = world.start(LOOP, {"n": 100})
    assert world.status(arn) == "RUNNING"
    assert world.describe(arn)["redriveStatusReason"] == "Execution is RUNNING and cannot be redriven"
    assert [kind for kind, _ in world.jobs()] == ["states.continue"]
    assert world.work() >= 2
    assert world.output(arn) == {"n": 0}
    assert len(world.history(arn)) == 2 + 2 * 201
    assert world.nothing_left()


def test_started_by_another_service_it_begins_with_a_job(world: World) -> None:
    arn = world.machine(PASS)
    started = world.run("StartExecution", wire="internal", stateMachineArn=arn, input='{"x": 1}')["executionArn"]
    assert world.status(started) == "RUNNING"
    assert world.run("GetExecutionHistory", executionArn=started) == {"events": []}
    world.work()
    assert world.output(started) == {"x": 1}
    assert world.nothing_left()


def test_stopped_before_it_began(world: World) -> None:
    arn = world.machine(WAIT)
    started = world.run("StartExecution", wire="internal", stateMachineArn=arn)["executionArn"]
    world.run("StopExecution", executionArn=started, error="E")
    assert world.describe(started)["error"] == "E"
    assert world.types(started) == ["ExecutionStarted", "WaitStateEntered", "ExecutionAborted"]
    assert world.nothing_left()


def test_the_same_start_again_answers_the_same(world: World) -> None:
    arn = world.machine(WAIT)
    first = world.run("StartExecution", stateMachineArn=arn, name="n", input='{"a": 1}')
    world.clock.advance(10)
    assert world.run("StartExecution", stateMachineArn=arn, name="n", input='{"a": 1}') == first
    exists = ("ExecutionAlreadyExists", f"Execution Already Exists: '{first['executionArn']}'")
    assert world.refused("StartExecution", stateMachineArn=arn, name="n", input='{"a": 2}') == exists
    world.run("StopExecution", executionArn=first["executionArn"])
    assert world.refused("StartExecution", stateMachineArn=arn, name="n", input='{"a": 1}') == exists
    assert len(world.history(first["executionArn"])) == 3


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "Invalid execution input."),
        (
            "not json",
            f"Unrecognized token 'not': was expecting {JSON_VALUES}",
        ),
        ("{'a': 1}", "Unexpected character (''' (code 39)): was expecting double-quote to start field name"),
        ('{"a": 1', "Unexpected end-of-input"),
        ("[" * 5_000 + "]" * 5_000, "Document nesting depth exceeds the maximum allowed"),
        ("[" * 5_000, "Document nesting depth exceeds the maximum allowed"),
    ],
)
def test_an_input_that_is_not_json_is_refused(world: World, text: str, why: str) -> None:
    arn = world.machine(PASS)
    code, message = world.refused("StartExecution", stateMachineArn=arn, input=text)
    assert code == "InvalidExecutionInput"
    assert message == f"Invalid State Machine Execution Input: '{why}'"


def test_a_start_that_cannot_be_is_refused(world: World) -> None:
    arn = world.machine(PASS)
    assert world.refused("StartExecution", stateMachineArn=arn, name="a b") == ("InvalidName", "Invalid Name: 'a b'")
    assert world.refused("StartExecution", stateMachineArn=f"{arn}:1")[0] == "StateMachineDoesNotExist"
    assert world.refused("StartExecution", stateMachineArn="x")[0] == "InvalidArn"
    assert world.refused("StartExecution", stateMachineArn=arn, input=json.dumps("é" * 131_072))[0] == (
        "ValidationException"
    )


def test_a_wait_is_a_job(world: World) -> None:
    arn = world.start(WAIT)
    assert world.jobs() == [("states.timer", world.clock.now_ms() + 60_000)]
    world.pass_time(59_999)
    assert world.status(arn) == "RUNNING"
    world.pass_time(1)
    assert world.status(arn) == "SUCCEEDED"
    assert world.nothing_left()


def test_stop(world: World) -> None:
    arn = world.start(WAIT)
    world.clock.advance(10)
    stopped = world.run("StopExecution", executionArn=arn, error="E", cause="C")
    assert stopped == {"stopDate": world.clock.now_ms() / 1000}
    described = world.describe(arn)
    assert (described["status"], described["error"], described["cause"]) == ("ABORTED", "E", "C")
    assert described["redriveStatus"] == "REDRIVABLE"
    assert "redriveStatusReason" not in described
    assert "output" not in described
    last = world.history(arn)[-1]
    assert (last["type"], last["previousEventId"]) == ("ExecutionAborted", 0)
    assert world.nothing_left()
    world.clock.advance(10)
    assert world.run("StopExecution", executionArn=arn) == stopped


def test_a_whole_execution_times_out(world: World) -> None:
    arn = world.start({**WAIT, "TimeoutSeconds": 5})
    world.pass_time(5_000)
    assert world.status(arn) == "TIMED_OUT"
    assert world.types(arn)[-1] == "ExecutionTimedOut"
    assert world.nothing_left()


def test_executions_are_listed_newest_first(world: World) -> None:
    machine = world.machine(WAIT)
    for number in range(5):
        world.run("StartExecution", stateMachineArn=machine, name=f"e{number}")
        world.clock.advance(1000)
    world.run("StopExecution", executionArn=f"{machine.replace('stateMachine', 'execution')}:e1")
    listed = world.run("ListExecutions", stateMachineArn=machine)["executions"]
    assert [item["name"] for item in listed] == ["e1", "e4", "e3", "e2", "e0"]
    assert listed[0]["status"] == "ABORTED"
    assert "stopDate" in listed[0]
    assert listed[1] == {
        "executionArn": f"{machine.replace('stateMachine', 'execution')}:e4",
        "stateMachineArn": machine,
        "name": "e4",
        "status": "RUNNING",
        "startDate": listed[1]["startDate"],
        "redriveCount": 0,
    }
    running = world.run("ListExecutions", stateMachineArn=machine, statusFilter="RUNNING", maxResults=3)
    assert [item["name"] for item in running["executions"]] == ["e4", "e3", "e2"]
    token = running["nextToken"]
    rest = world.run("ListExecutions", stateMachineArn=machine, statusFilter="RUNNING", nextToken=token)
    assert [item["name"] for item in rest["executions"]] == ["e0"]
    assert world.refused("ListExecutions", stateMachineArn=machine, nextToken=token)[0] == "InvalidToken"


def test_every_page_of_a_list_together_is_the_list(world: World) -> None:
    machine = world.machine(PASS)
    for number in range(7):
        world.run("StartExecution", stateMachineArn=machine, name=f"e{number}")
    names: list[str] = []
    token: dict[str, Any] = {}
    while True:
        page = world.run("ListExecutions", stateMachineArn=machine, maxResults=2, **token)
        names += [item["name"] for item in page["executions"]]
        if "nextToken" not in page:
            break
        token = {"nextToken": page["nextToken"]}
    assert names == [f"e{number}" for number in reversed(range(7))]


def test_history_by_pages_and_backwards(world: World) -> None:
    arn = world.start(LOOP, {"n": 100})
    world.work()
    whole = world.history(arn)
    for backward in (False, True):
        events: list[dict[str, Any]] = []
        token: dict[str, Any] = {}
        while True:
            page = world.run("GetExecutionHistory", executionArn=arn, maxResults=7, reverseOrder=backward, **token)
            assert len(page["events"]) <= 7
            events += page["events"]
            if "nextToken" not in page:
                break
            token = {"nextToken": page["nextToken"]}
        assert events == (whole[::-1] if backward else whole)
    assert len(world.run("GetExecutionHistory", executionArn=arn)["events"]) == 100


def test_history_without_documents(world: World) -> None:
    arn = world.start(PASS, {"secret": 1})
    events = world.run("GetExecutionHistory", executionArn=arn, includeExecutionData=False)["events"]
    assert "secret" not in json.dumps(events)
    assert events[0]["executionStartedEventDetails"] == {"roleArn": ROLE}
    assert events[1]["stateEnteredEventDetails"] == {"name": "A"}


def test_an_execution_that_is_not_there(world: World) -> None:
    arn = world.start(PASS)
    for operation in ("DescribeExecution", "GetExecutionHistory", "StopExecution", "DescribeStateMachineForExecution"):
        assert world.refused(operation, executionArn=f"{arn}x") == (
            "ExecutionDoesNotExist",
            f"Execution Does Not Exist: '{arn}x'",
        )
        assert world.refused(operation, executionArn="nothing") == (
            "InvalidArn",
            "Invalid Arn: 'Invalid ARN prefix: nothing'",
        )
        express = f"arn:aws:states:{REGION}:{ACCOUNT}:express:m:n:u"
        assert world.refused(operation, executionArn=express) == (
            "InvalidArn",
            "Invalid Arn: 'Resource type not valid in this context: express'",
        )


def test_a_trace_header_is_shown(world: World) -> None:
    machine = world.machine(PASS)
    arn = world.run("StartExecution", stateMachineArn=machine, traceHeader="Root=1")["executionArn"]
    assert world.describe(arn)["traceHeader"] == "Root=1"


def test_large_documents_are_kept_in_several_rows(world: World) -> None:
    arn = world.start(passes(20), {"a": "x" * 200_000})
    assert world.count("states_history") > 5
    assert len(world.history(arn)) == 42
    page = world.run("GetExecutionHistory", executionArn=arn, maxResults=1000)
    assert 10 < len(page["events"]) < 42
    assert "nextToken" in page
    backward: list[int] = []
    token: dict[str, Any] = {}
    while True:
        page = world.run("GetExecutionHistory", executionArn=arn, reverseOrder=True, **token)
        backward += [event["id"] for event in page["events"]]
        if "nextToken" not in page:
            break
        token = {"nextToken": page["nextToken"]}
    assert backward == list(range(42, 0, -1))


@pytest.mark.parametrize("places", [1, 8], ids=["one by one", "a family"])
def test_documents_lie_beside_their_heads_while_they_are_short(world: World, places: int) -> None:
    """Those of the root and of children grow, shrink, come back as they were, and leave nothing behind."""
    wait = {"Type": "Wait", "Seconds": 1}
    inner = {
        "StartAt": "Grow",
        "States": {
            "Grow": {**wait, "Next": "Long"},
            "Long": {"Type": "Pass", "Parameters": {"long.$": "$$.Execution.Input.long", "n.$": "$.n"}, "Next": "Rest"},
            "Rest": {**wait, "Next": "Short"},
            "Short": {"Type": "Pass", "Parameters": {"n.$": "$.n"}, "Next": "Again"},
            "Again": {**wait, "End": True},
        },
    }
    states = {
        "First": {**wait, "Next": "Drop"},
        "Drop": {"Type": "Pass", "Parameters": {"items.$": "$.items"}, "Next": "Second"},
        "Second": {**wait, "Next": "Map"},
        "Map": {"Type": "Map", "ItemsPath": "$.items", "ItemProcessor": inner, "ResultPath": "$.done", "Next": "Third"},
        "Third": {**wait, "End": True},
    }
    items = [{"n": n} for n in range(places)]
    arn = world.start({"StartAt": "First", "States": states}, {"long": "x" * BODY_INLINE_CHARS, "items": items})
    bodies = []
    for _ in range(6):
        bodies.append(world.count("states_body"))
        world.pass_time(1_000)
    assert bodies == [1, 0, 0, places, 0, 0]
    assert world.output(arn) == {"items": items, "done": items}
    assert world.nothing_left()


@pytest.mark.parametrize("places", [2, 8], ids=["one by one", "a family"])
def test_long_documents_go_with_their_branches(world: World, places: int) -> None:
    """Children that are done hold their results until all are; a stop takes everything away."""
    item = {"StartAt": "W", "States": {"W": {"Type": "Wait", "SecondsPath": "$.s", "End": True}}}
    inner = {"Type": "Map", "ItemsPath": "$.items", "ItemProcessor": item, "End": True}
    outer_map = {"Type": "Map", "ItemProcessor": {"StartAt": "Inner", "States": {"Inner": inner}}, "End": True}
    machine = {"StartAt": "Outer", "States": {"Outer": outer_map}}
    long = "x" * BODY_INLINE_CHARS
    outer = [{"items": [{"s": 1 + n, "long": long} for n in range(places)]} for _ in range(places)]
    arn = world.start(machine, outer)
    stopped = world.run("StartExecution", stateMachineArn=ARN, input=json.dumps(outer))["executionArn"]
    world.pass_time(1_500)
    assert world.count("states_body") == 2 * (1 + places + places * places)
    world.run("StopExecution", executionArn=stopped)
    assert world.count("states_body") == 1 + places + places * places
    world.pass_time(places * 1_000)
    assert world.output(arn) == [one["items"] for one in outer]
    assert world.nothing_left()


def test_what_waits_goes_on_after_a_restart(tmp_path: Path) -> None:
    before = World(SqliteStore(tmp_path / "db"))
    arn = before.start({**WAIT, "TimeoutSeconds": 600})
    before.store.close_now()
    programs._programs.clear()
    after = World(SqliteStore(tmp_path / "db"))
    after.clock.advance(10_000)
    after.pass_time(50_000)
    assert after.status(arn) == "SUCCEEDED"
    assert after.nothing_left()
    after.store.close_now()
