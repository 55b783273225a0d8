"""What CloudWatch Logs decides by what it reads, raced from two nodes."""

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
from tests.store.racing import Call, code_of, only, race, race_work, take_locks_out
from tests.store.two_nodes import ACCOUNT, REGION, World
from tests.stores import sql

from waypost.service import Context, Params, Service
from waypost.store.store import Tx

FUNCTION = f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:f"


def invoke(_tx: Tx, _ctx: Context, _request: Params) -> Params:
    return {"StatusCode": 202}


@pytest.fixture
async def world() -> AsyncIterator[World]:
    made = World()
    for node in made.nodes:
        node.registry.services["lambda"] = Service("lambda", "lambda", {"Invoke": invoke})
    await made.nodes[0].call("logs", "CreateLogGroup", logGroupName="g")
    await made.nodes[0].call("logs", "CreateLogStream", logGroupName="g", logStreamName="s")
    yield made
    await made.close()


def call(operation: str, **request: Any) -> Call:
    return "logs", operation, {"logGroupName": "g", **request}


def put(world: World, stream: str = "s") -> Call:
    event = {"timestamp": world.nodes[0].engine.clock.now_ms(), "message": "x"}
    return call("PutLogEvents", logStreamName=stream, logEvents=[event])


def rows(world: World) -> tuple[int, ...]:
    """Groups, streams, rows of events."""
    tables = ("logs_group", "logs_stream", "logs_batch")
    return tuple(int(sql(world.nodes[0].store, f"SELECT COUNT(*) FROM {table}")[0][0]) for table in tables)


async def clean(world: World) -> None:
    await world.nodes[1].runner.run_once()


async def test_what_a_put_adds_to_a_stream_that_is_deleted_meanwhile_is_cleared(world: World):
    first, second = await race(world, put(world), "touch_stream", call("DeleteLogStream", logStreamName="s"))
    assert "nextSequenceToken" in only(first)
    assert only(second) == {}
    await clean(world)
    assert rows(world) == (1, 0, 0)


async def test_nothing_is_put_into_a_stream_that_is_being_deleted(world: World):
    first, second = await race(world, call("DeleteLogStream", logStreamName="s"), "delete_stream", put(world))
    assert (only(first), code_of(second)) == ({}, "ResourceNotFound")
    await clean(world)
    assert rows(world) == (1, 0, 0)


async def test_what_a_put_adds_to_a_group_that_is_deleted_and_cleared_meanwhile_is_cleared(world: World):
    here, there = world.nodes

    async def delete_and_clear() -> None:
        await there.call("logs", "DeleteLogGroup", logGroupName="g")
        await there.runner.run_once()

    def first(tx: Tx) -> Params:
        _, operation, request = put(world)
        ctx = here.engine.context(ACCOUNT, REGION)
        return here.registry.services["logs"].operations[operation](tx, ctx, request)  # type: ignore[return-value]

    await race_work(world, first, "touch_stream", delete_and_clear)
    await clean(world)
    assert rows(world) == (0, 0, 0)
    assert sql(here.store, "SELECT COUNT(*) FROM job") == [(0,)]


async def test_a_stream_is_made_in_a_group_that_is_deleted_afterwards(world: World):
    made = call("CreateLogStream", logStreamName="t")
    first, second = await race(world, made, "keep_group", call("DeleteLogGroup"))
    assert (only(first), only(second)) == ({}, {})
    await clean(world)
    assert rows(world) == (0, 0, 0)


async def test_no_stream_is_made_in_a_group_that_is_being_deleted(world: World):
    made = call("CreateLogStream", logStreamName="t")
    first, second = await race(world, call("DeleteLogGroup"), "delete_group", made)
    assert (only(first), code_of(second)) == ({}, "ResourceNotFound")
    await clean(world)
    assert rows(world) == (0, 0, 0)


async def test_a_group_and_a_stream_are_made_once(world: World):
    for operation, request, after in (
        ("CreateLogGroup", {"logGroupName": "h"}, "insert_group"),
        ("CreateLogStream", {"logStreamName": "t"}, "insert_stream"),
    ):
        answers = await race(world, call(operation, **request), after, call(operation, **request))
        assert [code_of(answer) for answer in answers] == ["", "ResourceAlreadyExists"]


async def test_those_who_append_make_group_and_stream_together(world: World):
    now_ms = world.nodes[0].engine.clock.now_ms()
    appended = call("waypost:Append", logGroupName="h", logStreamName="t", logEvents=[(now_ms, "x")])
    for after in ("get_group", "insert_group", "insert_stream"):
        first, second = await race(world, appended, after, appended)
        assert (only(first), only(second)) == ({}, {})
        answer = await world.nodes[0].call("logs", "FilterLogEvents", logGroupName="h")
        assert len(answer["events"]) == 2
        await world.nodes[0].call("logs", "DeleteLogGroup", logGroupName="h")
        await clean(world)


SUBSCRIBED: list[Any] = [
    call("PutSubscriptionFilter", filterName=name, filterPattern="", destinationArn=FUNCTION) for name in ("b", "c")
]


def filters(world: World) -> list[str]:
    (row,) = sql(world.nodes[0].store, "SELECT subscriptions FROM logs_group")
    return [known["name"] for known in json.loads(row[0])]


async def test_a_group_has_two_filters_however_they_come(world: World):
    service, operation, request = SUBSCRIBED[0]
    await world.nodes[0].call(service, operation, **{**request, "filterName": "a"})
    answers = await race(world, SUBSCRIBED[0], "lock_group", SUBSCRIBED[1])
    assert [code_of(answer) for answer in answers] == ["", "LimitExceeded"]
    assert filters(world) == ["a", "b"]


async def test_a_filter_is_lost_without_locks(world: World, monkeypatch: pytest.MonkeyPatch):
    take_locks_out(monkeypatch)
    answers = await race(world, SUBSCRIBED[0], "lock_group", SUBSCRIBED[1])
    assert [code_of(answer) for answer in answers] == ["", ""]
    assert len(filters(world)) == 1
