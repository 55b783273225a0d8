"""Parallel and Map: branches that run side by side, join, fail and are aborted."""

import json

import pytest
from tests.unit.asl.harness import START_MS, Driver, answers, check_history, run, settle

from waypost.asl.branch import ROOT
from waypost.asl.commands import Abandon, Finish
from waypost.asl.events import TaskSettled

LAMBDA = "arn:aws:states:::lambda:invoke"
PASS = {"Type": "Pass", "End": True}
FAIL = {"Type": "Fail", "Error": "E", "Cause": "C"}
WAIT = {"Type": "Wait", "Seconds": 60, "End": True}


def scope(name, state):
    return {"StartAt": name, "States": {name: state}}


def parallel(*states, **fields):
    branches = [scope(f"B{index}", state) for index, state in enumerate(states)]
    return {"Type": "Parallel", "Branches": branches, **fields}


def mapping(state, **fields):
    return {"Type": "Map", "ItemProcessor": scope("I", state), **fields}


def machine(state, **others):
    return {"StartAt": "S", "States": {"S": state, **others}}


def test_parallel():
    states = [{"Type": "Pass", "Result": 1, "End": True}, {"Type": "Pass", "InputPath": "$.a", "End": True}]
    driver = run(machine(parallel(*states, End=True)), {"a": 2})
    assert driver.output == [1, 2]
    assert list(zip(driver.types, driver.links, strict=True)) == [
        ("ExecutionStarted", (1, 0)),
        ("ParallelStateEntered", (2, 0)),
        ("ParallelStateStarted", (3, 2)),
        ("PassStateEntered", (4, 3)),
        ("PassStateExited", (5, 4)),
        ("PassStateEntered", (6, 3)),
        ("PassStateExited", (7, 6)),
        ("ParallelStateSucceeded", (8, 7)),
        ("ParallelStateExited", (9, 7)),
        ("ExecutionSucceeded", (10, 9)),
    ]


def test_parallel_that_waits():
    """The results of branches that are done stay in their rows until the last one joins."""
    states = [
        {"Type": "Wait", "Seconds": seconds, "OutputPath": f"$.{name}", "End": True}
        for seconds, name in ((9, "x"), (3, "y"))
    ]
    driver = run(machine(parallel(*states, ResultPath="$.r", End=True)), {"x": 1, "y": 2})
    assert driver.output == {"x": 1, "y": 2, "r": [1, 2]}


def test_parallel_parameters_and_selector():
    fields = {"Parameters": {"k.$": "$.a"}, "ResultSelector": {"first.$": "$[0].k"}, "End": True}
    assert run(machine(parallel(PASS, PASS, **fields)), {"a": 5}).output == {"first": 5}


def test_a_failing_branch_aborts_the_others():
    task = {"Type": "Task", "Resource": LAMBDA, "End": True}
    inner = parallel(WAIT, End=True) | {"Branches": [scope("N", WAIT)]}
    failing = {"Type": "Wait", "Seconds": 1, "Next": "F"}
    definition = machine(
        {
            "Type": "Parallel",
            "End": True,
            "Branches": [
                scope("T", task),
                scope("P", inner),
                scope("D", PASS),
                {"StartAt": "W", "States": {"W": failing, "F": FAIL}},
            ],
        }
    )
    driver = run(definition, {}, answers(None))
    assert driver.finish == Finish(status="FAILED", error="E", cause="C")
    failed = driver.types.index("FailStateEntered") + 1
    assert list(zip(driver.types, driver.links, strict=True))[failed:] == [
        ("TaskStateAborted", (failed + 1, failed)),
        ("WaitStateAborted", (failed + 2, failed)),
        ("ParallelStateAborted", (failed + 3, failed)),
        ("ParallelStateFailed", (failed + 4, failed)),
        ("ExecutionFailed", (failed + 5, failed + 4)),
    ]


def test_what_is_aborted_is_abandoned_and_its_late_answer_dropped():
    task = {"Type": "Task", "Resource": LAMBDA, "TimeoutSeconds": 500, "End": True}
    failing = {"StartAt": "W", "States": {"W": {"Type": "Wait", "Seconds": 1, "Next": "F"}, "F": FAIL}}
    state = {
        "Type": "Parallel",
        "Branches": [scope("T", task), failing],
        "Catch": [{"ErrorEquals": ["E"], "Next": "After"}],
        "End": True,
    }
    driver = Driver(machine(state, After=WAIT), script=answers(None))
    driver.start()
    waiting = driver.tasks[0]
    step = driver.apply(driver.next_event())
    assert Abandon(branch=waiting.branch, attempt=waiting.attempt) in step.commands
    assert sorted(step.removed) == sorted([waiting.branch, waiting.branch[:-1] + "1"])
    late = TaskSettled(at_ms=driver.now_ms, seed="x", branch=waiting.branch, attempt=waiting.attempt, output="1")
    assert driver.apply(late).history == []
    assert [change.head.state for change in step.changed] == ["After"]


def test_time_does_not_go_back_where_the_second_to_settle_looked_at_its_clock_first():
    task = {"Type": "Task", "Resource": LAMBDA, "End": True}
    driver = Driver(machine(parallel(task, task, End=True)), script=answers(None, None))
    driver.start()
    for by_ms, done in zip((9_000, 2_000), driver.tasks, strict=True):
        at_ms = START_MS + by_ms
        driver.apply(TaskSettled(at_ms=at_ms, seed="x", branch=done.branch, attempt=done.attempt, output="1"))
    assert driver.output == [1, 1]
    check_history(driver.history)
    assert driver.history[-1]["timestamp"] == START_MS + 9_000


def test_a_runtime_error_in_a_branch_ends_the_execution():
    broken = {"Type": "Pass", "Parameters": {"x.$": "$.nope"}, "End": True}
    catch = [{"ErrorEquals": ["States.ALL"], "Next": "C"}]
    driver = run(machine(parallel(broken, WAIT, Catch=catch, End=True), C={"Type": "Succeed"}))
    assert driver.finish.error == "States.Runtime"
    assert driver.types == [
        "ExecutionStarted",
        "ParallelStateEntered",
        "ParallelStateStarted",
        "PassStateEntered",
        "ExecutionFailed",
    ]
    assert driver.links[-1] == (5, 4)


def test_parallel_retries_all_branches():
    state = parallel({"Type": "Task", "Resource": LAMBDA, "End": True}, PASS, Retry=[{"ErrorEquals": ["E"]}], End=True)
    driver = run(machine(state), {}, answers(Exception("E", "c"), 7))
    assert driver.output == [7, {}]
    assert driver.types.count("ParallelStateStarted") == 2
    assert driver.types.count("ParallelStateEntered") == 1
    assert len({task.branch for task in driver.tasks}) == 2


def test_caught_parallel():
    state = parallel(FAIL, Catch=[{"ErrorEquals": ["E"], "Next": "C", "ResultPath": "$.e"}], End=True)
    driver = run(machine(state, C={"Type": "Succeed"}), {"a": 1})
    assert driver.output == {"a": 1, "e": {"Error": "E", "Cause": "C"}}
    failed = driver.types.index("ParallelStateFailed") + 1
    assert driver.types[failed] == "ParallelStateExited"
    assert driver.links[failed] == (failed + 1, failed)


def test_map():
    state = mapping(PASS, ItemsPath="$.items", MaxConcurrency=2, ResultPath="$.out", End=True)
    driver = run(machine(state), {"items": [1, 2, 3]})
    assert driver.output == {"items": [1, 2, 3], "out": [1, 2, 3]}
    check_history(driver.history)
    started = [event["id"] for event in driver.history if event["type"] == "MapIterationStarted"]
    links = dict(driver.links)
    map_started = driver.types.index("MapStateStarted") + 1
    first_exit = driver.types.index("PassStateExited") + 1
    assert [links[event] for event in started] == [map_started, map_started, first_exit]


def test_map_over_nothing():
    driver = run(machine(mapping(PASS, End=True)), [])
    assert driver.output == []
    assert list(zip(driver.types, driver.links, strict=True))[2:] == [
        ("MapStateStarted", (3, 2)),
        ("MapStateSucceeded", (4, 3)),
        ("MapStateExited", (5, 3)),
        ("ExecutionSucceeded", (6, 5)),
    ]


def test_map_item_selector_and_context():
    selector = {"v.$": "$$.Map.Item.Value", "i.$": "$$.Map.Item.Index", "all.$": "$.n"}
    inner = {"Type": "Pass", "Parameters": {"got.$": "$", "index.$": "$$.Map.Item.Index"}, "End": True}
    driver = run(
        machine(mapping(inner, ItemsPath="$.items", ItemSelector=selector, End=True)), {"items": ["x", "y"], "n": 2}
    )
    assert driver.output == [
        {"got": {"v": value, "i": index, "all": 2}, "index": index} for index, value in enumerate("xy")
    ]


def test_map_context_survives_a_wait():
    states = {
        "W": {"Type": "Wait", "Seconds": 5, "Next": "P"},
        "P": {"Type": "Pass", "InputPath": "$$.Map.Item", "End": True},
    }
    state = {"Type": "Map", "ItemProcessor": {"StartAt": "W", "States": states}, "End": True}
    assert run(machine(state), ["a", "b"]).output == [{"Index": 0, "Value": "a"}, {"Index": 1, "Value": "b"}]


def test_nested_maps():
    inner = mapping({"Type": "Wait", "Seconds": 1, "End": True}) | {"ItemProcessor": scope("J", WAIT), "End": True}
    driver = run(machine(mapping(inner, MaxConcurrency=1, End=True)), [[1, 2], [], [3]])
    assert driver.output == [[1, 2], [], [3]]
    assert driver.rows.heads == {}


@pytest.mark.parametrize(
    ("value", "error", "cause"),
    [
        ({}, "States.ReferencePathConflict", 'Unable to apply step "items" to input {}'),
        (
            {"items": 1},
            "States.Runtime",
            (
                "An error occurred while executing the state 'S' (entered at the event id #2). "
                'Reference path "$.items" must point to array.'
            ),
        ),
    ],
)
def test_map_over_something_else(value, error, cause):
    driver = run(machine(mapping(PASS, ItemsPath="$.items", End=True)), value)
    assert (driver.finish.error, driver.finish.cause) == (error, cause)


def test_a_failing_iteration_aborts_the_others():
    choice = {
        "StartAt": "Q",
        "States": {
            "Q": {
                "Type": "Choice",
                "Choices": [{"Variable": "$", "NumericEquals": 2, "Next": "F"}],
                "Default": "W",
            },
            "F": FAIL,
            "W": WAIT,
        },
    }
    state = {"Type": "Map", "ItemProcessor": choice, "End": True}
    driver = run(machine(state), [1, 2, 3])
    failed = driver.types.index("FailStateEntered") + 1
    tail = list(zip(driver.types, driver.links, strict=True))[failed:]
    assert tail == [
        ("MapIterationFailed", (failed + 1, failed)),
        ("WaitStateAborted", (failed + 2, failed)),
        ("MapIterationAborted", (failed + 3, failed)),
        ("MapIterationAborted", (failed + 4, failed)),
        ("MapStateFailed", (failed + 5, failed)),
        ("ExecutionFailed", (failed + 6, failed + 5)),
    ]
    assert driver.history[failed + 2]["mapIterationAbortedEventDetails"] == {"name": "S", "index": 0}


def test_a_map_touches_three_rows_a_step():
    """The root for the history's count, the Map (here the root), the iteration that ended and the one that begins."""
    state = mapping({"Type": "Task", "Resource": LAMBDA, "End": True}, MaxConcurrency=5, ResultPath=None, End=True)
    driver = Driver(machine(state), json.dumps(list(range(1000))), script=lambda task, now: [settle(task, now, 1)])
    driver.start()
    for _ in range(100):
        driver.rows.touched.clear()
        step = driver.apply(driver.next_event())
        assert len(step.changed) == 3
        assert set(driver.rows.touched) <= {ROOT, *(change.head.id for change in step.changed)}


def test_the_bound_holds_across_branches():
    driver = Driver(machine(mapping(PASS, End=True)), json.dumps(list(range(200))))
    step = driver.start()
    assert sum(event["type"].endswith("Entered") for event in step.history) == 64
    while driver.finish is None:
        driver.apply(driver.next_event())
    assert driver.output == list(range(200))
    check_history(driver.history)


def test_an_answer_that_comes_while_a_loop_runs_waits_for_its_turn():
    loop = {
        "StartAt": "L",
        "States": {
            "L": {
                "Type": "Choice",
                "Choices": [{"Variable": "$.stop", "IsPresent": True, "Next": "End"}],
                "Default": "L",
            },
            "End": {"Type": "Succeed"},
        },
    }
    state = {
        "Type": "Parallel",
        "Branches": [scope("T", {"Type": "Task", "Resource": LAMBDA, "Next": "G"}), loop],
        "End": True,
    }
    state["Branches"][0]["States"]["G"] = PASS
    driver = Driver(machine(state), script=answers(None))
    driver.start()
    task = driver.tasks[0]
    step = driver.apply(TaskSettled(at_ms=START_MS, seed="x", branch=task.branch, attempt=task.attempt, output="7"))
    assert step.commands == []
    assert [event["type"] for event in step.history] == ["TaskStarted", "TaskSucceeded", "TaskStateExited"]
    driver.apply(driver.next_event())
    going_on = driver.apply(driver.next_event())
    assert "PassStateExited" in [event["type"] for event in going_on.history]
