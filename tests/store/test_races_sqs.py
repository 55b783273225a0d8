"""Two nodes on one PostgreSQL: every rule of SQS that one writer keeps by itself, raced."""

import asyncio
import itertools
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import msgspec
import pytest
from tests.store.racing import Call, code_of, only, race, race_work, take_locks_out
from tests.store.two_nodes import ACCOUNT, REGION, Node, World, bodies
from tests.stores import sql

from waypost.clock import SystemClock
from waypost.service import Again, Context, Job, Params
from waypost.services import sqs
from waypost.services.sqs import groups, jobs
from waypost.services.sqs.operations import settling
from waypost.services.sqs.queries import Q as SQS
from waypost.services.sqs.queue import Queue
from waypost.store import postgres
from waypost.store.queries import parse
from waypost.store.store import Tx
from waypost.work.jobs import Q as WORK

Q = parse(
    "races",
    """
-- name: groups
SELECT group_id, available_at FROM sqs_group WHERE available_at > 0;
-- name: messages
SELECT COUNT(*) FROM sqs_message;
-- name: next_job
SELECT id, kind, key, account, region, run_at, attempts, payload FROM job
WHERE run_at <= :until ORDER BY run_at LIMIT 1;
-- name: expiries
SELECT id, kind, key, account, region, run_at, attempts, payload FROM job WHERE kind = 'sqs.expire';
""",
)


@pytest.fixture
async def world() -> AsyncIterator[World]:
    made = World()
    yield made
    await made.close()


@pytest.mark.parametrize("most", [1, 7])
async def test_a_message_is_claimed_once(world: World, most: int) -> None:
    url = await world.queue()
    await world.each("sqs", "SendMessage", [{"QueueUrl": url, "MessageBody": str(i)} for i in range(120)])
    got: list[str] = []
    while True:
        answers = await world.each("sqs", "ReceiveMessage", [{"QueueUrl": url, "MaxNumberOfMessages": most}] * 24)
        assert all(len(answer.get("Messages", [])) <= most for answer in answers)
        if not bodies(answers):
            break
        got += bodies(answers)
    assert sorted(got, key=int) == [str(i) for i in range(120)]


async def test_a_group_is_with_one_receiver_at_a_time_and_in_order(world: World) -> None:
    url = await world.fifo()
    for i in range(12):
        requests = [
            {
                "QueueUrl": url,
                "MessageBody": f"{group} {i}",
                "MessageGroupId": group,
                "MessageDeduplicationId": f"{group}{i}",
            }
            for group in "abcd"
        ]
        await world.each("sqs", "SendMessage", requests)
    got: dict[str, list[int]] = {group: [] for group in "abcd"}
    in_flight: set[str] = set()

    async def work(node: Node) -> None:
        while True:
            answer = await node.call("sqs", "ReceiveMessage", QueueUrl=url, MaxNumberOfMessages=3)
            messages = answer.get("Messages", [])
            if not messages:
                if sum(map(len, got.values())) == 48:
                    return
                await asyncio.sleep(0)
                continue
            groups = {message["Body"].split()[0] for message in messages}
            assert not groups & in_flight, "a group was given to two receivers"
            in_flight.update(groups)
            for message in messages:
                group, number = message["Body"].split()
                got[group].append(int(number))
            in_flight.difference_update(groups)
            for message in messages:
                await node.call("sqs", "DeleteMessage", QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])

    await asyncio.gather(*(work(next(world.turn)) for _ in range(8)))
    assert got == {group: list(range(12)) for group in "abcd"}
    assert world.nodes[0].store.run(lambda tx: tx.all(Q.groups)) == []


async def test_the_last_delete_of_a_group_does_not_lose_the_next_message(world: World) -> None:
    """A delete that empties a group and a send to it: whichever comes first, the message is found."""
    url = await world.fifo()
    numbers = itertools.count()

    async def send(group: str) -> None:
        number = str(next(numbers))
        await next(world.turn).call(
            "sqs", "SendMessage", QueueUrl=url, MessageBody=number, MessageGroupId=group, MessageDeduplicationId=number
        )

    async def receive() -> list[Params]:
        answer = await next(world.turn).call("sqs", "ReceiveMessage", QueueUrl=url, MaxNumberOfMessages=10)
        return answer.get("Messages", [])

    groups = [f"g{i}" for i in range(6)]
    await asyncio.gather(*(send(group) for group in groups))
    received = 0
    for _ in range(25):
        messages = await receive()
        received += len(messages)
        deletes = [
            next(world.turn).call("sqs", "DeleteMessage", QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
            for message in messages
        ]
        await asyncio.gather(*(call for pair in zip(deletes, map(send, groups), strict=True) for call in pair))
    assert received == 25 * 6
    assert len(await receive()) == 6


async def test_sequence_numbers_follow_the_order_of_commits(world: World) -> None:
    url = await world.fifo()
    requests = [
        {"QueueUrl": url, "MessageBody": str(i), "MessageGroupId": "g", "MessageDeduplicationId": str(i)}
        for i in range(60)
    ]
    sent = await world.each("sqs", "SendMessage", requests)
    numbers = {str(i): int(answer["SequenceNumber"]) for i, answer in enumerate(sent)}
    assert len(set(numbers.values())) == 60
    got: list[str] = []
    while len(got) < 60:
        answer = await next(world.turn).call("sqs", "ReceiveMessage", QueueUrl=url, MaxNumberOfMessages=10)
        for message in answer["Messages"]:
            got.append(message["Body"])
            await next(world.turn).call("sqs", "DeleteMessage", QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
    assert [numbers[body] for body in got] == sorted(numbers.values())


async def test_of_duplicates_one_is_kept_and_all_get_its_answer(world: World) -> None:
    url = await world.fifo()
    request = {"QueueUrl": url, "MessageBody": "x", "MessageGroupId": "g", "MessageDeduplicationId": "same"}
    answers = await world.each("sqs", "SendMessage", [request] * 30)
    assert len({(answer["MessageId"], answer["SequenceNumber"]) for answer in answers}) == 1
    assert world.nodes[0].store.run(lambda tx: tx.one(Q.messages)) == (1,)


async def test_one_queue_of_a_name(world: World) -> None:
    answers = await world.each("sqs", "CreateQueue", [{"QueueName": "same"}] * 20)
    assert {answer["QueueUrl"] for answer in answers} == {answers[0]["QueueUrl"]}


# --- one operation in the middle of another

STATEMENTS = parse(
    "unprotected",
    """
-- name: free_group
SELECT group_id, turn, sequence, head, 1 FROM sqs_group
WHERE storage = :storage AND available_at > 0 AND available_at <= :now AND CAST(:ahead AS BIGINT) > 0;
-- name: claim_dedup
INSERT INTO sqs_dedup (storage, key, expires_at, message_id, sequence)
VALUES (:storage, :key, :expires_at, :message_id, :sequence)
ON CONFLICT (storage, key) DO UPDATE SET message_id = excluded.message_id WHERE CAST(:now AS BIGINT) > 0;
-- name: lock_group
SELECT turn, 0, available_at, head FROM sqs_group WHERE storage = :storage AND group_id = :group_id
ORDER BY turn DESC LIMIT 1;
-- name: delete_begun_group
SELECT 1 WHERE CAST(:storage AS BIGINT) > 0;
-- name: delete_message
SELECT 1 WHERE CAST(:storage AS BIGINT) > 0 AND CAST(:id AS BIGINT) > 0;
-- name: delete_queue
DELETE FROM sqs_queue WHERE account = :account AND region = :region AND name = :name RETURNING CAST(0 AS BIGINT);
-- name: lock_attempt
SELECT 1 WHERE CAST(:storage AS BIGINT) > 0;
-- name: insert_queue
INSERT INTO sqs_queue
  (account, region, name, id, storage, settings, created_at, modified_at, purged_at, dead_letter_arn, tags, policy)
VALUES (:account, :region, :name, :id, :id, :settings, :now, :now, 0, :dead_letter_arn, :tags, :policy)
ON CONFLICT DO NOTHING;
-- name: change_received_visibility
UPDATE sqs_message SET visible_at = :visible_at
WHERE id = :id AND storage = :storage AND :receives > 0 AND CAST(:now AS BIGINT) > 0 RETURNING group_id;
""",
)
"""Statements without what protects a rule."""


def call(operation: str, **request: Any) -> Call:
    return "sqs", operation, request


async def done(world: World, operation: str, *, node: int = 0, **request: Any) -> Params:
    return only(await world.nodes[node].call("sqs", operation, **request))


async def send(world: World, url: str, body: str, *, node: int = 0, group: str = "") -> Params:
    return await done(world, "SendMessage", node=node, **sending(url, body, group))


def sending(url: str, body: str, group: str = "") -> Params:
    fifo = {"MessageGroupId": group, "MessageDeduplicationId": body} if group else {}
    return {"QueueUrl": url, "MessageBody": body, **fifo}


async def receive(world: World, url: str, *, node: int = 0, **more: Any) -> list[Params]:
    answer = await done(world, "ReceiveMessage", node=node, QueueUrl=url, MaxNumberOfMessages=10, **more)
    return list(answer.get("Messages", []))


def ahead(world: World, node: int, by_s: float) -> None:
    """Put a node's clock forward, or back."""
    clock = world.nodes[node].engine.clock
    assert isinstance(clock, SystemClock)
    clock.offset_ms += int(by_s * 1_000)


def operation(world: World, name: str, request: Params) -> Callable[[Tx], Any]:
    """An operation on the first node, over a transaction."""
    node = world.nodes[0]
    ctx = msgspec.structs.replace(node.engine.context(ACCOUNT, REGION), wire="json")
    return lambda tx: sqs.SERVICE.operations[name](tx, ctx, request)


def count(world: World, text: str) -> int:
    return int(sql(world.nodes[0].store, f"SELECT COUNT(*) FROM {text}")[0][0])


ORPHANS = "sqs_message m WHERE NOT EXISTS (SELECT 1 FROM sqs_queue q WHERE q.storage = m.storage)"


async def work(world: World, until_s: float) -> None:
    """Do the jobs that come due within a time, one after the other, at their time."""
    node = world.nodes[0]
    until_ms = node.engine.clock.now_ms() + int(until_s * 1_000)

    def step(tx: Tx) -> bool:
        row = tx.one(Q.next_job, until=until_ms)
        if row is None:
            return False
        job = Job(*row[:7], msgspec.json.decode(row[7]))
        now_ms = max(job.run_at_ms, node.engine.clock.now_ms())
        ctx = msgspec.structs.replace(node.engine.context(job.account, job.region), now_ms=now_ms)
        answer = sqs.SERVICE.jobs[job.kind](tx, ctx, job)
        if isinstance(answer, Again):
            payload = job.payload if answer.payload is None else answer.payload
            tx.run(WORK.postpone_job, id=job.id, run_at=answer.run_at_ms, payload=msgspec.json.encode(payload).decode())
        else:
            tx.run(WORK.delete_job, id=job.id)
        return True

    while await node.store.transact(step):
        pass


def clean_up(world: World, after_s: float) -> Callable[[Tx], None]:
    """The clean-up of the one queue, so many seconds from now."""

    def expire(tx: Tx) -> None:
        engine = world.nodes[0].engine
        now_ms = engine.clock.now_ms() + int(after_s * 1_000)
        ctx = msgspec.structs.replace(engine.context(ACCOUNT, REGION), now_ms=now_ms)
        (row,) = tx.all(Q.expiries)
        sqs.SERVICE.jobs["sqs.expire"](tx, ctx, Job(*row[:7], msgspec.json.decode(row[7])))

    return expire


async def a_message_is_claimed_by_one(world: World) -> None:
    url = await world.queue()
    await send(world, url, "x")
    one = call("ReceiveMessage", QueueUrl=url)
    assert bodies(list(await race(world, one, "claim_message", one))) == ["x"]


async def several_are_claimed_by_one(world: World) -> None:
    url = await world.queue()
    for body in "abc":
        await send(world, url, body)
    ten = call("ReceiveMessage", QueueUrl=url, MaxNumberOfMessages=10)
    assert bodies(list(await race(world, ten, "claim_messages", ten))) == ["a", "b", "c"]


async def a_group_is_claimed_by_one(world: World) -> None:
    url = await world.fifo()
    for body in "abc":
        await send(world, url, body, group="g")
    one = call("ReceiveMessage", QueueUrl=url)
    assert bodies(list(await race(world, one, "first_messages", one))) == ["a"]


async def a_duplicate_gets_the_answer_of_the_original(world: World) -> None:
    url = await world.fifo()
    request = call("SendMessage", **sending(url, "x", "g"))
    first, second = await race(world, request, "claim_dedup", request)
    assert {**only(first), **only(second)} == only(first)
    assert count(world, "sqs_message") == 1


async def numbers_follow_the_commits_though_clocks_do_not(world: World) -> None:
    url = await world.fifo()
    ahead(world, 1, -3)
    first, second = await race(
        world,
        call("SendMessage", **sending(url, "a", "g")),
        "put_group",
        call("SendMessage", **sending(url, "b", "g")),
    )
    assert int(only(first)["SequenceNumber"]) < int(only(second)["SequenceNumber"])
    assert [message["Body"] for message in await receive(world, url)] == ["a", "b"]


async def numbers_grow_though_the_group_was_empty_and_clocks_differ(world: World) -> None:
    url = await world.fifo()
    ahead(world, 0, 3)
    first = await send(world, url, "a", group="g")
    (message,) = await receive(world, url)
    await done(world, "DeleteMessage", QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
    second = await send(world, url, "b", node=1, group="g")
    assert int(first["SequenceNumber"]) < int(second["SequenceNumber"])


async def a_group_that_two_begin_is_one(world: World) -> None:
    """The second begins it, and changes it, after the first has not found it."""
    url = await world.fifo()
    answers = await race(
        world,
        call("SendMessage", **sending(url, "a", "g")),
        "lock_group",
        call("SendMessage", **sending(url, "b", "g")),
    )
    assert list(map(code_of, answers)) == ["", ""]
    assert count(world, "sqs_group") == 1
    assert [message["Body"] for message in await receive(world, url)] == ["b", "a"]


async def a_send_to_a_group_that_becomes_empty_is_not_lost(world: World) -> None:
    url = await world.fifo()
    await send(world, url, "a", group="g")
    (message,) = await receive(world, url)
    delete = call("DeleteMessage", QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
    await race(world, call("SendMessage", **sending(url, "b", "g")), "put_group", delete)
    assert [message["Body"] for message in await receive(world, url)] == ["b"]


async def a_send_while_its_queue_is_purged_leaves_nothing_behind(world: World) -> None:
    url = await world.queue()

    async def purge() -> None:
        await done(world, "PurgeQueue", node=1, QueueUrl=url)
        await work(world, 1)

    await race_work(world, operation(world, "SendMessage", sending(url, "x" * 3_000)), "get_queue", purge)
    assert count(world, ORPHANS) == 1
    await work(world, 3_600)
    assert count(world, ORPHANS) == count(world, "sqs_body") == 0


async def a_send_while_its_queue_is_deleted_leaves_nothing_behind(world: World) -> None:
    url = await world.fifo()

    async def delete() -> None:
        await done(world, "DeleteQueue", node=1, QueueUrl=url)
        await work(world, 1)

    await race_work(world, operation(world, "SendMessage", sending(url, "x", "g")), "get_queue", delete)
    assert count(world, ORPHANS) == 1
    await work(world, 3_600)
    assert count(world, ORPHANS) == count(world, "sqs_group") == count(world, "sqs_dedup") == 0


async def a_purge_while_its_queue_is_deleted_leaves_nothing_behind(world: World) -> None:
    url = await world.queue()

    async def purge() -> None:
        await done(world, "PurgeQueue", node=1, QueueUrl=url)
        await send(world, url, "x", node=1)

    await race_work(world, operation(world, "DeleteQueue", {"QueueUrl": url}), "get_queue", purge)
    await work(world, 3_600)
    assert count(world, "sqs_queue") == count(world, "sqs_message") == 0


async def dead(world: World, suffix: str = "") -> tuple[str, str]:
    """A queue with a message that the next receive finds dead, and its dead-letter queue."""
    more = {"FifoQueue": "true"} if suffix else {}
    dlq = await world.queue(f"dlq{suffix}", **more)
    policy = json.dumps({"deadLetterTargetArn": f"arn:aws:sqs:{REGION}:{ACCOUNT}:dlq{suffix}", "maxReceiveCount": 1})
    url = await world.queue(f"q{suffix}", RedrivePolicy=policy, **more)
    await send(world, url, "x", group="g" if suffix else "")
    assert len(await receive(world, url, VisibilityTimeout=0)) == 1
    return url, dlq


async def a_dead_letter_is_moved_once(world: World) -> None:
    url, dlq = await dead(world)
    one = call("ReceiveMessage", QueueUrl=url)
    assert bodies(list(await race(world, one, "claim_message", one))) == []
    assert [message["Body"] for message in await receive(world, dlq)] == ["x"]


async def a_dead_letter_of_a_group_is_moved_once(world: World) -> None:
    url, dlq = await dead(world, ".fifo")
    one = call("ReceiveMessage", QueueUrl=url)
    assert bodies(list(await race(world, one, "first_messages", one))) == []
    assert [message["Body"] for message in await receive(world, dlq)] == ["x"]


async def an_attempt_gets_its_messages_on_both_nodes(world: World) -> None:
    url = await world.fifo()
    for group in "ab":
        await send(world, url, group, group=group)
    one = call("ReceiveMessage", QueueUrl=url, ReceiveRequestAttemptId="attempt")
    first, second = await race(world, one, "free_group", one)
    assert only(first)["Messages"] == only(second)["Messages"]


async def a_queue_is_made_with_one_set_of_attributes(world: World) -> None:
    first, second = await race(
        world,
        call("CreateQueue", QueueName="q", Attributes={"VisibilityTimeout": "1"}),
        "insert_queue",
        call("CreateQueue", QueueName="q", Attributes={"VisibilityTimeout": "2"}),
    )
    assert [code_of(first), code_of(second)] == ["", "QueueNameExists"]


async def two_attributes_are_set_at_once(world: World) -> None:
    url = await world.queue()
    await race(
        world,
        call("SetQueueAttributes", QueueUrl=url, Attributes={"VisibilityTimeout": "1"}),
        "get_attributes",
        call("SetQueueAttributes", QueueUrl=url, Attributes={"DelaySeconds": "2"}),
    )
    found = await done(world, "GetQueueAttributes", QueueUrl=url, AttributeNames=["VisibilityTimeout", "DelaySeconds"])
    assert found["Attributes"] == {"VisibilityTimeout": "1", "DelaySeconds": "2"}


async def two_tags_are_set_at_once(world: World) -> None:
    url = await world.queue()
    await race(
        world,
        call("TagQueue", QueueUrl=url, Tags={"a": "1"}),
        "get_tags",
        call("TagQueue", QueueUrl=url, Tags={"b": "2"}),
    )
    assert (await done(world, "ListQueueTags", QueueUrl=url))["Tags"] == {"a": "1", "b": "2"}


async def a_handle_that_is_replaced_hides_nothing(world: World) -> None:
    """ChangeMessageVisibility with the old handle while the next receiver gets the message."""
    url = await world.fifo()
    await send(world, url, "x", group="g")
    (message,) = await receive(world, url, VisibilityTimeout=10)
    ahead(world, 0, 11)
    change = call("ChangeMessageVisibility", QueueUrl=url, ReceiptHandle=message["ReceiptHandle"], VisibilityTimeout=0)
    first, second = await race(world, call("ReceiveMessage", QueueUrl=url), "claim_first_messages", change)
    assert bodies([first]) == ["x"]
    assert "The receipt handle has expired" in str(second)
    assert await receive(world, url) == []


async def a_message_that_is_deleted_is_not_received(world: World) -> None:
    """DeleteMessage, by a clock at which its handle is in force, while another takes the message for free."""
    url = await world.fifo()
    await send(world, url, "x", group="g")
    (message,) = await receive(world, url, VisibilityTimeout=10)
    ahead(world, 0, 11)
    delete = call("DeleteMessage", QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
    first, second = await race(world, call("ReceiveMessage", QueueUrl=url), "first_messages", delete)
    assert (bodies([first]), code_of(second)) == ([], "") or (bodies([first]) == ["x"] and code_of(second))


def without(*names: str) -> Callable[[pytest.MonkeyPatch], None]:
    """Put the unprotected statements of these names in the place of the real ones."""

    def patch(monkeypatch: pytest.MonkeyPatch) -> None:
        for name in names:
            monkeypatch.setitem(SQS._queries, name, getattr(STATEMENTS, name))  # type: ignore[arg-type]

    return patch


def without_skipping(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(postgres, "CLAUSES", dict.fromkeys(postgres.CLAUSES, ""))


def without_claiming_groups(monkeypatch: pytest.MonkeyPatch) -> None:
    def claim(tx: Tx, ctx: Context, queue: Queue, _hidden_until_ms: int) -> groups.Taken | None:
        row = tx.one(STATEMENTS.free_group, storage=queue.storage, now=ctx.now_ms, ahead=ctx.now_ms)
        return None if row is None else groups.Taken(row[0], row[3], 1)

    monkeypatch.setattr(groups, "claim", claim)


def without_claiming_groups_or_counting(monkeypatch: pytest.MonkeyPatch) -> None:
    without_claiming_groups(monkeypatch)
    without("delete_message")(monkeypatch)


def without_later_looks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jobs, "PURGE_AGAIN_MS", (1, 0))


def without_settling(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(settling, "settle", lambda *_: None)


Rule = Callable[[World], Awaitable[None]]
RACES: dict[Rule, Callable[[pytest.MonkeyPatch], None]] = {
    a_message_is_claimed_by_one: without_skipping,
    several_are_claimed_by_one: without_skipping,
    a_group_is_claimed_by_one: without_claiming_groups,
    a_duplicate_gets_the_answer_of_the_original: without("claim_dedup"),
    numbers_follow_the_commits_though_clocks_do_not: without("lock_group"),
    a_group_that_two_begin_is_one: without("delete_begun_group"),
    a_send_to_a_group_that_becomes_empty_is_not_lost: take_locks_out,
    a_send_while_its_queue_is_purged_leaves_nothing_behind: without_later_looks,
    a_send_while_its_queue_is_deleted_leaves_nothing_behind: without_later_looks,
    a_purge_while_its_queue_is_deleted_leaves_nothing_behind: without("delete_queue"),
    a_dead_letter_of_a_group_is_moved_once: without_claiming_groups_or_counting,
    an_attempt_gets_its_messages_on_both_nodes: without("lock_attempt"),
    a_queue_is_made_with_one_set_of_attributes: without("insert_queue"),
    two_attributes_are_set_at_once: take_locks_out,
    two_tags_are_set_at_once: take_locks_out,
    a_handle_that_is_replaced_hides_nothing: without("change_received_visibility"),
    a_message_that_is_deleted_is_not_received: without_settling,
}
"""Every rule, and what takes its protection out."""
HARMLESS = [a_dead_letter_is_moved_once, numbers_grow_though_the_group_was_empty_and_clocks_differ]
"""Rules that more than one thing protects."""


@pytest.mark.parametrize("rule", [*RACES, *HARMLESS], ids=lambda rule: rule.__name__)
async def test_a_rule_holds_between_nodes(world: World, rule: Rule) -> None:
    await rule(world)


@pytest.mark.parametrize("rule", RACES, ids=lambda rule: rule.__name__)
async def test_without_its_protection_it_does_not(world: World, monkeypatch: pytest.MonkeyPatch, rule: Rule) -> None:
    RACES[rule](monkeypatch)
    with pytest.raises(AssertionError):
        await rule(world)


async def test_a_message_given_back_is_received_once_that_is_committed(world: World) -> None:
    url = await world.queue()
    await send(world, url, "x")
    (message,) = await receive(world, url)
    back = call("ChangeMessageVisibility", QueueUrl=url, ReceiptHandle=message["ReceiptHandle"], VisibilityTimeout=0)
    _, second = await race(world, back, "change_visibility", call("ReceiveMessage", QueueUrl=url))
    assert bodies([second]) == []
    assert [message["Body"] for message in await receive(world, url)] == ["x"]


async def test_a_message_deleted_while_it_is_claimed_again_is_gone(world: World) -> None:
    url = await world.queue(VisibilityTimeout="0")
    await send(world, url, "x" * 3_000)
    (message,) = await receive(world, url)
    delete = call("DeleteMessage", QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
    first, second = await race(world, call("ReceiveMessage", QueueUrl=url), "claim_message", delete)
    assert (len(bodies([first])), code_of(second)) == (1, "")
    assert count(world, "sqs_message") == count(world, "sqs_body") == 0


async def test_a_message_that_is_being_deleted_is_passed_over(world: World) -> None:
    url = await world.queue(VisibilityTimeout="0")
    await send(world, url, "x")
    await send(world, url, "y")
    (message, _) = await receive(world, url)
    delete = call("DeleteMessage", QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
    _, second = await race(world, delete, "delete_message", call("ReceiveMessage", QueueUrl=url))
    assert bodies([second]) == ["y"]


async def test_a_message_deleted_while_it_expires_is_gone(world: World) -> None:
    url = await world.queue(MessageRetentionPeriod="60")
    await send(world, url, "x" * 3_000)
    (message,) = await receive(world, url)
    await send(world, url, "y")

    handle = message["ReceiptHandle"]
    answers = await race_work(
        world,
        clean_up(world, 61),
        "oldest_messages",
        lambda: done(world, "DeleteMessage", node=1, QueueUrl=url, ReceiptHandle=handle),
    )
    assert list(map(code_of, answers)) == ["", ""]
    assert count(world, "sqs_message") == count(world, "sqs_body") == 0


async def test_two_at_once_begin_a_group(world: World) -> None:
    url = await world.fifo()
    one, other = (call("SendMessage", **sending(url, body, "g")) for body in "ab")
    assert list(map(code_of, await race(world, one, "begin_group", other))) == ["", ""]
    assert count(world, "sqs_group") == 1
    assert [message["Body"] for message in await receive(world, url)] == ["a", "b"]


async def test_a_send_to_a_group_that_is_cleaned_away_is_not_lost(world: World) -> None:
    url = await world.fifo()
    await send(world, url, "a", group="g")
    (message,) = await receive(world, url)
    await done(world, "DeleteMessage", QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
    assert count(world, "sqs_group") == 1
    await race_work(
        world, clean_up(world, 400), "delete_empty_groups", lambda: send(world, url, "b", node=1, group="g")
    )
    assert [message["Body"] for message in await receive(world, url)] == ["b"]
    assert count(world, "sqs_group") == 1


@pytest.mark.parametrize("fifo", [False, True])
async def test_clocks_some_seconds_apart_lose_nothing_and_give_nothing_twice(world: World, *, fifo: bool) -> None:
    url = await world.queue(*(["q.fifo"] if fifo else ["q"]), **({"FifoQueue": "true"} if fifo else {}))
    ahead(world, 1, 3)
    sent = [f"{node}.{number}" for node in (0, 1) for number in range(60)]
    got: list[str] = []

    async def produce(node: int) -> None:
        for body in sent:
            if body.startswith(str(node)):
                await send(world, url, body, node=node, group=f"g{int(body[2:]) % 7}" if fifo else "")

    async def consume(node: int) -> None:
        while len(got) < len(sent):
            for message in await receive(world, url, node=node):
                got.append(message["Body"])
                # The other node's clock is no matter to who has a handle.
                await done(world, "DeleteMessage", node=1 - node, QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])

    async with asyncio.timeout(60):
        await asyncio.gather(*(part(node) for part in (produce, consume) for node in (0, 1)))
    assert sorted(got) == sorted(sent)
    assert count(world, "sqs_message") == count(world, "sqs_group WHERE available_at > 0") == 0
