"""Step Functions from two nodes: a transition an event, one winner of a token, no execution without its machine."""

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import msgspec
import pytest
from tests.store.racing import Call, code_of, only, race, race_work, take_locks_out
from tests.store.two_nodes import ACCOUNT, REGION, Node, World, bodies
from tests.stores import sql

from waypost.aws.errors import AwsError
from waypost.service import Job, Params, Park
from waypost.services import states
from waypost.store.store import Tx
from waypost.work import jobs

ROLE = f"arn:aws:iam::{ACCOUNT}:role/r"
MACHINE = f"arn:aws:states:{REGION}:{ACCOUNT}:stateMachine:m"
ACTIVITY = f"arn:aws:states:{REGION}:{ACCOUNT}:activity:a"
SEND = "arn:aws:states:::sqs:sendMessage.waitForTaskToken"
LATER_MS = 1_000_000

WAIT = {"StartAt": "W", "States": {"W": {"Type": "Wait", "Seconds": 600, "End": True}}}
PASS = {"StartAt": "P", "States": {"P": {"Type": "Pass", "End": True}}}


@pytest.fixture
async def world() -> AsyncIterator[World]:
    made = World()
    yield made
    await made.close()


def call(operation: str, **request: object) -> Call:
    return "states", operation, request


START = call("StartExecution", stateMachineArn=MACHINE)
DELETE = call("DeleteStateMachine", stateMachineArn=MACHINE)


async def done(world: World, operation: str, **request: object) -> Params:
    return only(await world.nodes[0].call("states", operation, **request))


async def machine(world: World, definition: dict[str, Any]) -> None:
    await done(world, "CreateStateMachine", name="m", definition=json.dumps(definition), roleArn=ROLE)


async def start(world: World) -> str:
    return str((await done(world, "StartExecution", stateMachineArn=MACHINE))["executionArn"])


def count(world: World, table: str) -> int:
    return int(sql(world.nodes[0].store, f"SELECT COUNT(*) FROM {table}")[0][0])


def kinds(world: World) -> list[str]:
    found = sql(world.nodes[0].store, "SELECT kind FROM job WHERE kind LIKE 'states.%' ORDER BY kind")
    return [kind for (kind,) in found]


async def history(world: World, arn: str) -> list[str]:
    events = (await done(world, "GetExecutionHistory", executionArn=arn, maxResults=1000))["events"]
    assert [event["id"] for event in events] == list(range(1, len(events) + 1))
    return [event["type"] for event in events]


def later(node: Node) -> Callable[[Tx], Any]:
    """What a runner does with the longest due job, long after everything came due."""

    def step(tx: Tx) -> Any:
        ctx = node.engine.context(ACCOUNT, REGION)
        ctx = msgspec.structs.replace(ctx, now_ms=ctx.now_ms + LATER_MS)
        row = tx.one(jobs.Q.due_job, floor=0, now=ctx.now_ms)
        if row is None:
            return None
        job = Job(*row[:7], json.loads(row[7]))
        result = states.SERVICE.jobs[job.kind](tx, ctx, job)
        if result is None:
            tx.run(jobs.Q.delete_job, id=job.id)
        return job.kind

    return step


def sweep(world: World) -> Any:
    """Run the machine's sweep now."""

    def step(tx: Tx) -> Any:
        ctx = world.nodes[0].engine.context(ACCOUNT, REGION)
        (row,) = sql(world.nodes[1].store, "SELECT id, payload FROM job WHERE kind = 'states.sweep'")
        return states.SERVICE.jobs["states.sweep"](tx, ctx, Job(row[0], "", "", "", "", 0, 0, json.loads(row[1])))

    return world.nodes[0].store.run(step)


# --- machines


async def started_while_the_machine_goes(world: World) -> None:
    await machine(world, WAIT)
    answers = await race(world, DELETE, "any_running", START)
    assert list(map(code_of, answers)) == ["", "StateMachineDoesNotExist"]
    assert count(world, "states_run") == 0


async def the_machine_goes_while_one_starts(world: World) -> None:
    await machine(world, WAIT)
    started, _ = await race(world, START, "start_machine", DELETE)
    arn = only(started)["executionArn"]
    assert count(world, "states_machine") == 1
    await done(world, "StopExecution", executionArn=arn)
    assert (count(world, "states_machine"), count(world, "states_run")) == (0, 0)


async def updated_while_it_goes(world: World) -> None:
    await machine(world, WAIT)
    update = call("UpdateStateMachine", stateMachineArn=MACHINE, definition=json.dumps(PASS))
    answers = await race(world, DELETE, "any_running", update)
    assert list(map(code_of, answers)) == ["", "StateMachineDoesNotExist"]


async def tagged_while_it_goes(world: World) -> None:
    await machine(world, WAIT)
    tag = call("TagResource", resourceArn=MACHINE, tags=[{"key": "k", "value": "v"}])
    answers = await race(world, DELETE, "any_running", tag)
    assert list(map(code_of, answers)) == ["", "ResourceNotFound"]
    assert count(world, "states_tag") == 0


async def an_activity_goes_while_it_is_tagged(world: World) -> None:
    await done(world, "CreateActivity", name="a")
    tag = call("TagResource", resourceArn=ACTIVITY, tags=[{"key": "k", "value": "v"}])
    await race(world, tag, "lock_activity", call("DeleteActivity", activityArn=ACTIVITY))
    assert (count(world, "states_activity"), count(world, "states_tag")) == (0, 0)


async def two_parts_change_at_once(world: World) -> None:
    await machine(world, WAIT)
    role = f"{ROLE}2"
    await race(
        world,
        call("UpdateStateMachine", stateMachineArn=MACHINE, roleArn=role),
        "lock_machine",
        call("UpdateStateMachine", stateMachineArn=MACHINE, definition=json.dumps(PASS)),
    )
    found = await done(world, "DescribeStateMachine", stateMachineArn=MACHINE)
    assert (found["roleArn"], json.loads(found["definition"])) == (role, PASS)


async def the_last_two_executions_end_at_once(world: World) -> None:
    await machine(world, WAIT)
    one, other = [call("StopExecution", executionArn=await start(world)) for _ in range(2)]
    await done(world, "DeleteStateMachine", stateMachineArn=MACHINE)
    assert count(world, "states_machine") == 1
    await race(world, one, "any_running", other)
    assert count(world, "states_machine") == 0


async def a_token_is_used_twice(world: World) -> None:
    arn, token = await waiting(world)
    success = call("SendTaskSuccess", taskToken=token, output="1")
    answers = await race(world, success, "lock_run", call("SendTaskFailure", taskToken=token, error="E"))
    assert list(map(code_of, answers)) == ["", "TaskTimedOut"]
    assert Counter(await history(world, arn))["ExecutionSucceeded"] == 1


RACES = [
    started_while_the_machine_goes,
    the_machine_goes_while_one_starts,
    updated_while_it_goes,
    tagged_while_it_goes,
    an_activity_goes_while_it_is_tagged,
    two_parts_change_at_once,
    the_last_two_executions_end_at_once,
    a_token_is_used_twice,
]


@pytest.mark.parametrize("rule", RACES, ids=lambda rule: rule.__name__)
async def test_a_rule_holds_between_nodes(world: World, rule: Callable[[World], Awaitable[None]]) -> None:
    await rule(world)


@pytest.mark.parametrize("rule", RACES, ids=lambda rule: rule.__name__)
async def test_without_its_locks_it_does_not(
    world: World, monkeypatch: pytest.MonkeyPatch, rule: Callable[[World], Awaitable[None]]
) -> None:
    take_locks_out(monkeypatch)
    with pytest.raises((AssertionError, AwsError)):
        await rule(world)


async def test_an_end_that_missed_the_deletion_is_made_up_for(world: World) -> None:
    """It read that the machine is active just before the deletion, which saw it run: the sweep looks once more."""
    await machine(world, WAIT)
    stop = call("StopExecution", executionArn=await start(world))
    assert list(map(code_of, await race(world, stop, "lock_run", DELETE))) == ["", ""]
    assert sql(world.nodes[0].store, "SELECT status FROM states_machine") == [("DELETING",)]
    assert code_of((await world.each("states", "StartExecution", [START[2]]))[0]) == "StateMachineDeleting"
    sweep(world)
    assert count(world, "states_machine") == 0
    sweep(world)
    assert (count(world, "states_execution"), count(world, "states_revision")) == (0, 0)


async def test_a_machine_goes_under_a_stream_of_starts(world: World) -> None:
    """Starts share the machine's row all the time; who deletes it must not wait until there are none."""
    await machine(world, PASS)
    stopped = False

    async def start_on() -> list[str]:
        codes = []
        while not stopped:
            codes += map(code_of, await world.each("states", "StartExecution", [START[2]]))
        return codes

    streams = [asyncio.ensure_future(start_on()) for _ in range(12)]
    while count(world, "states_execution") < 50:
        await asyncio.sleep(0)
    await done(world, "UpdateStateMachine", stateMachineArn=MACHINE, roleArn=f"{ROLE}2")
    await done(world, "DeleteStateMachine", stateMachineArn=MACHINE)
    stopped = True
    codes = {code for codes in await asyncio.gather(*streams) for code in codes}
    assert codes <= {"", "StateMachineDeleting", "StateMachineDoesNotExist"}
    while sql(world.nodes[0].store, "SELECT id FROM job"):
        sweep(world)
        if not count(world, "states_machine") + count(world, "states_execution"):
            break
    assert (count(world, "states_machine"), count(world, "states_execution")) == (0, 0)


@pytest.mark.parametrize(
    ("one", "after", "other", "codes"),
    [
        pytest.param(
            call("CreateStateMachine", name="n", definition=json.dumps(PASS), roleArn=ROLE),
            "find_machine",
            call("CreateStateMachine", name="n", definition=json.dumps(PASS), roleArn=ROLE),
            ["", ""],
            id="the same machine",
        ),
        pytest.param(
            call("CreateStateMachine", name="n", definition=json.dumps(PASS), roleArn=ROLE),
            "find_machine",
            call("CreateStateMachine", name="n", definition=json.dumps(WAIT), roleArn=ROLE),
            ["StateMachineAlreadyExists", ""],
            id="another machine",
        ),
        pytest.param(
            call("CreateActivity", name="a"),
            "find_activity",
            call("CreateActivity", name="a"),
            ["", ""],
            id="an activity",
        ),
        pytest.param(
            call("StartExecution", stateMachineArn=MACHINE, name="e"),
            "named_execution",
            call("StartExecution", stateMachineArn=MACHINE, name="e"),
            ["", ""],
            id="the same execution",
        ),
        pytest.param(
            call("StartExecution", stateMachineArn=MACHINE, name="e"),
            "named_execution",
            call("StartExecution", stateMachineArn=MACHINE, name="e", input='"other"'),
            ["ExecutionAlreadyExists", ""],
            id="another execution",
        ),
    ],
)
async def test_one_of_a_name(world: World, one: Call, after: str, other: Call, codes: list[str]) -> None:
    await machine(world, WAIT)
    answers = await race(world, one, after, other)
    assert list(map(code_of, answers)) == codes
    if codes == ["", ""]:
        assert answers[0] == answers[1]


# --- executions


def task(**fields: Any) -> dict[str, Any]:
    parameters = {"QueueUrl": "", "MessageBody": {"token.$": "$$.Task.Token"}}
    return {
        "StartAt": "T",
        "States": {"T": {"Type": "Task", "Resource": SEND, "Parameters": parameters, "End": True, **fields}},
    }


async def tokens_of(world: World, url: str) -> list[str]:
    received = await world.each("sqs", "ReceiveMessage", [{"QueueUrl": url, "MaxNumberOfMessages": 10}] * 8)
    return [json.loads(body)["token"] for body in bodies(received)]


async def waiting(world: World, **fields: Any) -> tuple[str, str]:
    """An execution that waits for a token: its ARN, and the token."""
    url = await world.queue()
    definition = task(**fields)
    definition["States"]["T"]["Parameters"]["QueueUrl"] = url
    await machine(world, definition)
    arn = await start(world)
    (token,) = await tokens_of(world, url)
    return arn, token


async def mapped(world: World, size: int, **fields: Any) -> tuple[str, list[str]]:
    """An execution whose Map waits for as many tokens."""
    url = await world.queue()
    processor = task(**fields)
    processor["States"]["T"]["Parameters"]["QueueUrl"] = url
    await machine(world, {"StartAt": "M", "States": {"M": {"Type": "Map", "ItemProcessor": processor, "End": True}}})
    started = await done(world, "StartExecution", stateMachineArn=MACHINE, input=json.dumps([0] * size))
    return str(started["executionArn"]), await tokens_of(world, url)


SUCCESS, FAILURE, BEAT, STOP, TIMER = "success", "failure", "heartbeat", "stop", "timer"


@pytest.mark.parametrize(
    ("first", "after"),
    [(SUCCESS, "lock_run"), (FAILURE, "lock_run"), (BEAT, "lock_run"), (STOP, "lock_run"), (TIMER, "due_job"),
     (TIMER, "lock_run")],
)  # fmt: skip
@pytest.mark.parametrize("second", [SUCCESS, FAILURE, BEAT, STOP, TIMER])
@pytest.mark.parametrize("fields", [{"TimeoutSeconds": 60}, {"HeartbeatSeconds": 60}], ids=["timeout", "heartbeat"])
async def test_of_two_events_each_is_one_transition_or_none(
    world: World, first: str, after: str, second: str, fields: dict[str, int]
) -> None:
    arn, token = await waiting(world, **fields)
    requests: dict[str, Call] = {
        SUCCESS: call("SendTaskSuccess", taskToken=token, output="1"),
        FAILURE: call("SendTaskFailure", taskToken=token, error="E"),
        BEAT: call("SendTaskHeartbeat", taskToken=token),
        STOP: call("StopExecution", executionArn=arn),
    }
    here, there = world.nodes

    def operation(tx: Tx) -> Any:
        _, name, request = requests[first]
        ctx = msgspec.structs.replace(here.engine.context(ACCOUNT, REGION), wire="json")
        return here.registry.services["states"].operations[name](tx, ctx, request)

    one = later(here) if first == TIMER else operation

    def other() -> Awaitable[Any]:
        if second == TIMER:
            return there.store.transact(later(there))
        service, name, request = requests[second]
        return there.call(service, name, **request)

    answers = await race_work(world, one, after, other)
    assert {code_of(answer) for answer in answers} <= {"", "TaskTimedOut"}
    types = Counter(await history(world, arn))
    ends = [kind for kind in types if kind in ("TaskSucceeded", "TaskFailed", "TaskTimedOut", "ExecutionAborted")]
    assert sum(types[kind] for kind in ends) == (0 if first == second == BEAT else 1)
    if first in (SUCCESS, FAILURE, STOP) or second in (SUCCESS, FAILURE, STOP):
        assert count(world, "states_run") == 0
        assert kinds(world) == ["states.sweep"]


async def test_a_retry_begins_once(world: World) -> None:
    arn, token = await waiting(
        world, TimeoutSeconds=60, Retry=[{"ErrorEquals": ["E"], "IntervalSeconds": 1, "MaxAttempts": 1}]
    )
    await done(world, "SendTaskFailure", taskToken=token, error="E")
    here, there = world.nodes
    done_by = await race_work(world, later(here), "lock_run", lambda: there.store.transact(later(there)))
    assert done_by == ("states.timer", None)
    assert Counter(await history(world, arn))["TaskScheduled"] == 2


async def test_the_last_two_children_settle_at_once(world: World) -> None:
    """The lock lets one go first; without it the history's key would not take both, and one would run again."""
    arn, tokens = await mapped(world, 2)
    one, other = (call("SendTaskSuccess", taskToken=token, output=json.dumps(i)) for i, token in enumerate(tokens))
    assert list(map(code_of, await race(world, one, "lock_run", other))) == ["", ""]
    types = Counter(await history(world, arn))
    assert (types["TaskSucceeded"], types["ExecutionSucceeded"]) == (2, 1)


async def test_children_that_settle_from_two_nodes_are_joined_once(world: World) -> None:
    size = 16
    arn, tokens = await mapped(world, size, TimeoutSeconds=600)
    assert len(tokens) == size
    answers = await world.each(
        "states", "SendTaskSuccess", [{"taskToken": token, "output": json.dumps(token)} for token in tokens * 2]
    )
    assert Counter(map(code_of, answers)) == {"": size, "TaskTimedOut": size}
    types = Counter(await history(world, arn))
    assert (types["TaskSucceeded"], types["MapIterationSucceeded"], types["ExecutionSucceeded"]) == (size, size, 1)
    described = await done(world, "DescribeExecution", executionArn=arn)
    assert sorted(json.loads(described["output"])) == sorted(tokens)
    tables = ("states_run", "states_branch", "states_body", "states_token")
    assert [count(world, table) for table in tables] == [0] * 4


async def test_one_child_that_fails_while_others_settle_ends_all(world: World) -> None:
    size = 12
    arn, tokens = await mapped(world, size, TimeoutSeconds=600)
    calls = [("SendTaskSuccess", {"taskToken": token, "output": "1"}) for token in tokens]
    calls[5] = ("SendTaskFailure", {"taskToken": tokens[5], "error": "E"})
    answers = await asyncio.gather(
        *(next(world.turn).call("states", name, **request) for name, request in calls), return_exceptions=True
    )
    assert {code_of(answer) for answer in answers} <= {"", "TaskTimedOut"}
    types = Counter(await history(world, arn))
    assert (types["TaskFailed"], types["ExecutionFailed"]) == (1, 1)
    tables = ("states_run", "states_branch", "states_body", "states_token")
    assert [count(world, table) for table in tables] == [0] * 4
    assert kinds(world) == ["states.sweep"]


# --- activities

WORK = {"StartAt": "T", "States": {"T": {"Type": "Task", "Resource": ACTIVITY, "TimeoutSeconds": 600, "End": True}}}
TAKE = call("GetActivityTask", activityArn=ACTIVITY)


async def test_a_task_goes_to_one_worker(world: World) -> None:
    await done(world, "CreateActivity", name="a")
    await machine(world, WORK)
    await world.each("states", "StartExecution", [START[2]] * 20)
    answers = await asyncio.gather(
        *(
            node.store.transact(lambda tx, node=node: _take(tx, node))  # type: ignore[misc]
            for node in [*world.nodes] * 15
        )
    )
    taken = [answer["taskToken"] for answer in answers if not isinstance(answer, Park)]
    assert len(taken) == len(set(taken)) == 20
    assert count(world, "states_activity_task") == 0
    answers = await world.each("states", "SendTaskSuccess", [{"taskToken": token, "output": "1"} for token in taken])
    assert set(map(code_of, answers)) == {""}
    assert count(world, "states_run") == 0


def _take(tx: Tx, node: Node) -> Any:
    ctx = node.engine.context(ACCOUNT, REGION)
    return states.SERVICE.operations["GetActivityTask"](tx, ctx, TAKE[2])


@pytest.mark.parametrize("after", ["claim_activity_task", "lock_run"])
async def test_a_task_that_is_stopped_while_a_worker_takes_it(world: World, after: str) -> None:
    await done(world, "CreateActivity", name="a")
    await machine(world, WORK)
    arn = await start(world)
    taken, stopped = await race(world, TAKE, after, call("StopExecution", executionArn=arn))
    assert code_of(stopped) == ""
    assert isinstance(taken, Park) == (after == "claim_activity_task")
    types = Counter(await history(world, arn))
    assert types["ActivityStarted"] == (0 if isinstance(taken, Park) else 1)
    assert (types["ExecutionAborted"], count(world, "states_activity_task"), count(world, "states_run")) == (1, 0, 0)
