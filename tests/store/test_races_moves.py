"""Two nodes on one PostgreSQL and one message move task: raced against receivers, senders, and the other node."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import msgspec
import pytest
from tests.store.racing import code_of, only, race, race_work, take_locks_out
from tests.store.test_races_sqs import call, count, done, receive, send
from tests.store.two_nodes import ACCOUNT, REGION, Node, World
from tests.stores import sql

from waypost.service import Again, Job, Params
from waypost.services import sqs
from waypost.services.sqs.operations import moving
from waypost.services.sqs.queries import Q as SQS
from waypost.store.queries import parse
from waypost.store.store import Tx
from waypost.work.jobs import Q as WORK

Q = parse(
    "races",
    """
-- name: move_job
SELECT id, kind, key, account, region, run_at, attempts, payload FROM job WHERE kind = 'sqs.move' LIMIT 1;
""",
)
UNPROTECTED = parse(
    "unprotected",
    """
-- name: take_messages
SELECT id, message_id, sender, group_id, trace, source_arn, attributes, body FROM sqs_message
WHERE storage = :storage AND id <= :last AND id >= :after AND visible_at <= :now ORDER BY id LIMIT :limit;
-- name: lock_move_account
INSERT INTO sqs_move_account (account, region, started) VALUES (:account || CAST(random() AS TEXT), :region, 1);
""",
)
DLQ = f"arn:aws:sqs:{REGION}:{ACCOUNT}:dlq"


@pytest.fixture
async def world() -> AsyncIterator[World]:
    made = World()
    yield made
    await made.close()


async def dead_letter_queue(world: World, suffix: str = "") -> tuple[str, str]:
    """A queue and its dead-letter queue, and another, the destination: it is the first that is answered."""
    more = {"FifoQueue": "true"} if suffix else {}
    dlq = await world.queue(f"dlq{suffix}", **more)
    policy = json.dumps({"deadLetterTargetArn": f"{DLQ}{suffix}", "maxReceiveCount": 1})
    await world.queue(f"q{suffix}", RedrivePolicy=policy, **more)
    return await world.queue(f"other{suffix}", **more), dlq


def start(suffix: str = "", **more: Any) -> Params:
    other = f"arn:aws:sqs:{REGION}:{ACCOUNT}:other{suffix}"
    return {"SourceArn": f"{DLQ}{suffix}", "DestinationArn": other, **more}


def step(node: Node) -> Callable[[Tx], bool]:
    """A step of the one task, whoever else is at it."""

    def run(tx: Tx) -> bool:
        row = tx.one(Q.move_job)
        if row is None:
            return False
        job = Job(*row[:7], msgspec.json.decode(row[7]))
        answer = sqs.SERVICE.jobs["sqs.move"](tx, node.engine.context(job.account, job.region), job)
        if isinstance(answer, Again):
            payload = msgspec.json.encode(answer.payload).decode()
            tx.run(WORK.postpone_job, id=job.id, run_at=answer.run_at_ms, payload=payload)
        else:
            tx.run(WORK.delete_job, id=job.id)
        return True

    return run


async def finish(world: World) -> Params:
    """Do what is left of the task; answers how it is listed then."""
    for _ in range(100):
        if not await world.nodes[0].store.transact(step(world.nodes[0])):
            break
    (found,) = (await done(world, "ListMessageMoveTasks", SourceArn=start()["SourceArn"]))["Results"]
    return dict(found)


async def two_steps_at_once_move_each_message_once(world: World) -> None:
    _, dlq = await dead_letter_queue(world)
    for body in "abc":
        await send(world, dlq, body)
    await done(world, "StartMessageMoveTask", **start())
    there = world.nodes[1]
    await race_work(world, step(world.nodes[0]), "take_messages", lambda: there.store.transact(step(there)))
    found = await finish(world)
    assert count(world, "sqs_message") == found["ApproximateNumberOfMessagesMoved"] == 3


async def what_is_moved_is_not_received(world: World) -> None:
    _, dlq = await dead_letter_queue(world)
    await send(world, dlq, "a")
    await done(world, "StartMessageMoveTask", **start())
    _, received = await race_work(world, step(world.nodes[0]), "take_messages", lambda: receive(world, dlq, node=1))
    assert received == []
    assert (await finish(world))["Status"] == "COMPLETED"


async def what_is_received_is_not_moved(world: World) -> None:
    other, dlq = await dead_letter_queue(world)
    await send(world, dlq, "a")
    await done(world, "StartMessageMoveTask", **start())
    there = world.nodes[1]
    answer, _ = await race_work(
        world,
        lambda tx: receive_in(world, tx, dlq),
        "claim_message",
        lambda: there.store.transact(step(there)),
    )
    assert [message["Body"] for message in only(answer)["Messages"]] == ["a"]
    assert await receive(world, other) == []
    assert (await done(world, "ListMessageMoveTasks", SourceArn=DLQ))["Results"][0]["Status"] == "RUNNING"


def receive_in(world: World, tx: Tx, url: str) -> Any:
    node = world.nodes[0]
    ctx = msgspec.structs.replace(node.engine.context(ACCOUNT, REGION), wire="json")
    return sqs.SERVICE.operations["ReceiveMessage"](tx, ctx, {"QueueUrl": url})


async def a_group_is_moved_or_received(world: World) -> None:
    _, dlq = await dead_letter_queue(world, ".fifo")
    for body in "ab":
        await send(world, dlq, body, group="g")
    await done(world, "StartMessageMoveTask", **start(".fifo"))
    _, received = await race_work(world, step(world.nodes[0]), "first_messages", lambda: receive(world, dlq, node=1))
    assert received == []


async def a_send_to_a_group_that_is_moved_away_is_not_lost(world: World) -> None:
    other, dlq = await dead_letter_queue(world, ".fifo")
    await send(world, dlq, "a", group="g")
    await done(world, "StartMessageMoveTask", **start(".fifo"))
    await race_work(world, step(world.nodes[0]), "first_of_group", lambda: send(world, dlq, "b", node=1, group="g"))
    assert [message["Body"] for message in await receive(world, other)] == ["a"]
    assert [message["Body"] for message in await receive(world, dlq)] == ["b"]


async def one_task_of_a_source_is_active(world: World) -> None:
    await dead_letter_queue(world)
    request = call("StartMessageMoveTask", **start())
    first, second = await race(world, request, "list_moves", request)
    assert [code_of(first), code_of(second)] == ["", "InvalidParameterValue"]


async def the_quota_holds(world: World) -> None:
    await dead_letter_queue(world)
    await dead_letter_queue(world, ".fifo")
    first, second = await race(
        world,
        call("StartMessageMoveTask", **start()),
        "count_moves",
        call("StartMessageMoveTask", **start(".fifo")),
        times=2,
    )
    assert [code_of(first), code_of(second)] == ["", "OverLimit"]


async def nothing_is_moved_once_it_is_cancelled(world: World) -> None:
    other, dlq = await dead_letter_queue(world)
    for body in "ab":
        await send(world, dlq, body)
    handle = (await done(world, "StartMessageMoveTask", **start(MaxNumberOfMessagesPerSecond=1)))["TaskHandle"]
    there = world.nodes[1]
    cancel = call("CancelMessageMoveTask", TaskHandle=handle)
    _, cancelled = await race_work(
        world, step(world.nodes[0]), "take_messages", lambda: there.call(cancel[0], cancel[1], **cancel[2])
    )
    # It waited for the step.
    assert only(cancelled) == {"ApproximateNumberOfMessagesMoved": 1}
    found = await finish(world)
    assert (found["Status"], found["ApproximateNumberOfMessagesMoved"]) == ("CANCELLED", 1)
    assert [len(await receive(world, url)) for url in (other, dlq)] == [1, 1]


async def a_queue_that_is_deleted_meanwhile_leaves_no_task_behind(world: World) -> None:
    other, dlq = await dead_letter_queue(world)
    for body in "ab":
        await send(world, dlq, body)
    await done(world, "StartMessageMoveTask", **start(MaxNumberOfMessagesPerSecond=1))
    await race_work(
        world, step(world.nodes[0]), "take_messages", lambda: done(world, "DeleteQueue", node=1, QueueUrl=dlq)
    )
    while await world.nodes[0].store.transact(step(world.nodes[0])):
        pass
    assert len(await receive(world, other)) == 1
    assert count(world, "sqs_move") == count(world, "job WHERE kind = 'sqs.move'") == 0


def without(name: str) -> Callable[[pytest.MonkeyPatch], None]:
    """Put the unprotected statement of that name in the place of the real one."""
    return lambda monkeypatch: monkeypatch.setitem(SQS._queries, name, getattr(UNPROTECTED, name))  # type: ignore[arg-type]


def without_any_lock(monkeypatch: pytest.MonkeyPatch) -> None:
    without("take_messages")(monkeypatch)
    take_locks_out(monkeypatch)


Rule = Callable[[World], Awaitable[None]]
RACES: dict[Rule, Callable[[pytest.MonkeyPatch], None]] = {
    two_steps_at_once_move_each_message_once: without_any_lock,
    what_is_moved_is_not_received: without("take_messages"),
    a_group_is_moved_or_received: take_locks_out,
    one_task_of_a_source_is_active: take_locks_out,
    the_quota_holds: without("lock_move_account"),
}
HARMLESS = [
    what_is_received_is_not_moved,
    a_send_to_a_group_that_is_moved_away_is_not_lost,
    nothing_is_moved_once_it_is_cancelled,
    a_queue_that_is_deleted_meanwhile_leaves_no_task_behind,
]
"""Rules that more than one thing protects."""


@pytest.fixture
def one_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(moving, "MOVE_TASKS_MAX", 1)


@pytest.mark.usefixtures("one_at_a_time")
@pytest.mark.parametrize("rule", [*RACES, *HARMLESS], ids=lambda rule: rule.__name__)
async def test_a_rule_holds_between_nodes(world: World, rule: Rule) -> None:
    await rule(world)


@pytest.mark.usefixtures("one_at_a_time")
@pytest.mark.parametrize("rule", RACES, ids=lambda rule: rule.__name__)
async def test_without_its_protection_it_does_not(world: World, monkeypatch: pytest.MonkeyPatch, rule: Rule) -> None:
    RACES[rule](monkeypatch)
    with pytest.raises(AssertionError):
        await rule(world)


@pytest.mark.parametrize("suffix", ["", ".fifo"])
async def test_a_task_goes_on_when_its_node_stops(world: World, suffix: str) -> None:
    """Both nodes work, and receive; one stops in between. Each message arrives once, groups in order."""
    other, dlq = await dead_letter_queue(world, suffix)
    bodies = [f"{number:03} {group}" for number in range(100) for group in "abcd"]
    for first in range(0, len(bodies), 10):
        entries = [
            {"Id": f"i{place}", "MessageBody": body}
            | ({"MessageGroupId": body[-1], "MessageDeduplicationId": body.replace(" ", "-")} if suffix else {})
            for place, body in enumerate(bodies[first : first + 10])
        ]
        await done(world, "SendMessageBatch", QueueUrl=dlq, Entries=entries)
    received: list[str] = []
    changed = asyncio.Event()

    async def work(node: Node) -> None:
        while len(received) < len(bodies):
            answer = await node.call("sqs", "ReceiveMessage", QueueUrl=other, MaxNumberOfMessages=10, WaitTimeSeconds=1)
            for message in answer.get("Messages", []):
                received.append(message["Body"])
                await node.call("sqs", "DeleteMessage", QueueUrl=other, ReceiptHandle=message["ReceiptHandle"])
            if len(received) > 50:
                changed.set()

    runners = [asyncio.create_task(node.runner.run()) for node in world.nodes]
    await done(world, "StartMessageMoveTask", **start(suffix, MaxNumberOfMessagesPerSecond=500))
    workers = [asyncio.create_task(work(node)) for node in world.nodes]
    await asyncio.wait_for(changed.wait(), 60)
    runners[0].cancel()
    await asyncio.wait_for(asyncio.gather(*workers), 120)
    runners[1].cancel()
    for runner in runners:
        with contextlib.suppress(asyncio.CancelledError):
            await runner
    assert sorted(received) == sorted(bodies)
    if suffix:
        for group in "abcd":
            assert [body for body in received if body[-1] == group] == [body for body in bodies if body[-1] == group]
    assert sql(world.nodes[1].store, "SELECT moved FROM sqs_move") == [(len(bodies),)]
    assert count(world, "sqs_message") == 0
