"""How many messages a queue has, and how many may be in flight."""

from typing import Any

import pytest
from tests.services.sqs.world import World
from tests.stores import sql

from waypost.service import Park
from waypost.services.sqs import limits
from waypost.services.sqs.operations.receiving import receive_message
from waypost.store.queries import Query
from waypost.store.store import Row

LIMIT = 12


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    """A limit that a test reaches."""
    monkeypatch.setattr(limits, "IN_FLIGHT_MAX", LIMIT)


def fill(world: World, url: str, count: int, **more: str) -> None:
    for number in range(count):
        world.send(url, f"{number}", **more)


def test_every_state_of_a_message_is_counted_once(world: World) -> None:
    url = world.queue()
    fill(world, url, 6)
    world.send(url, DelaySeconds=30)
    received = world.receive(url, 4, VisibilityTimeout=20)
    assert world.counts(url) == (2, 4, 1)
    world.delete(url, received[0])
    world.delete(url, received[0])
    assert world.counts(url) == (2, 3, 1)
    world.pass_s(20)
    assert world.counts(url) == (5, 0, 1)
    world.pass_s(10)
    assert world.counts(url) == (6, 0, 0)


def test_expired_messages_are_not_counted_before_they_are_deleted(world: World) -> None:
    url = world.queue(MessageRetentionPeriod="60")
    fill(world, url, 3)
    world.receive(url, 1, VisibilityTimeout=300)
    world.send(url, DelaySeconds=200)
    world.pass_s(30)
    fill(world, url, 2)
    world.pass_s(31)
    assert world.count("sqs_message") == 6
    assert world.counts(url) == (2, 0, 0)
    world.work()
    assert world.count("sqs_message") == 2
    assert world.counts(url) == (2, 0, 0)


def test_a_purged_queue_has_none_and_keeps_no_count(world: World) -> None:
    url = world.queue()
    fill(world, url, 5)
    world("PurgeQueue", QueueUrl=url)
    assert world.counts(url) == (0, 0, 0)
    fill(world, url, 1)
    world.pass_s(100_000)
    world.work()
    if not world.store.run(lambda tx: tx.shared):
        assert [row[0] for row in sql(world.store, "SELECT messages FROM sqs_count")] == [1]
    assert world.counts(url) == (1, 0, 0)


def test_dead_letters_are_counted_where_they_are(world: World) -> None:
    dead = world.queue("dead")
    url = world.queue(
        RedrivePolicy='{"deadLetterTargetArn":"arn:aws:sqs:eu-west-1:123456789012:dead","maxReceiveCount":1}'
    )
    fill(world, url, 2)
    world.receive(url, VisibilityTimeout=0)
    world.receive(url)
    assert world.counts(url) == (0, 0, 0)
    assert world.counts(dead) == (2, 0, 0)


def test_nodes_remember_a_large_count_for_a_while(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "COUNT_ROWS_PER_MS", 1)
    url = world.queue()
    fill(world, url, 20)
    assert world.counts(url) == (20, 0, 0)
    fill(world, url, 1)
    shared = world.store.run(lambda tx: tx.shared)
    assert world.counts(url) == (20 if shared else 21, 0, 0)
    world.pass_s(0.02)
    assert world.counts(url) == (21, 0, 0)


@pytest.mark.usefixtures("few")
def test_a_standard_queue_refuses_to_receive_beyond_its_limit(world: World) -> None:
    url = world.queue()
    fill(world, url, LIMIT + 5)
    first = world.receive(url, 10)
    assert len(first) == 10
    assert len(world.receive(url, 10)) == 2
    refused = world.refused("ReceiveMessage", QueueUrl=url)
    assert refused.code == "OverLimit"
    assert world.counts(url) == (5, LIMIT, 0)
    world.delete(url, first[0])
    assert len(world.receive(url, 10)) == 1
    assert world.refused("ReceiveMessage", QueueUrl=url).code == "OverLimit"
    world.pass_s(30)
    assert len(world.receive(url, 10)) == 10


@pytest.mark.usefixtures("few")
def test_a_long_poll_at_the_limit_waits_for_room(world: World) -> None:
    url = world.queue()
    fill(world, url, LIMIT + 1)
    received = world.receive(url, 10) + world.receive(url, 10)
    parked = world.run("ReceiveMessage", {"QueueUrl": url, "WaitTimeSeconds": 20})
    assert isinstance(parked, Park)
    assert parked.retry_ms == world.now_ms + 30_000  # the first visibility timeout that ends
    woken: list[str] = []
    world.store.wakes.wake = lambda key, _count=1: woken.append(key)  # type: ignore[method-assign]
    world.delete(url, received[0])
    assert woken == list(parked.keys)
    assert len(world.receive(url, 1)) == 1


@pytest.mark.usefixtures("few")
def test_a_fifo_queue_says_nothing_at_its_limit(world: World) -> None:
    url = world.fifo(ContentBasedDeduplication="true")
    for number in range(LIMIT + 3):
        world.send(url, f"{number}", MessageGroupId=f"{number}")
    assert len(world.receive(url, 10) + world.receive(url, 10)) == LIMIT
    assert world.receive(url, 10) == []


@pytest.mark.usefixtures("few")
def test_receives_are_counted_anew_only_where_they_may_have_reached_the_limit(world: World) -> None:
    url = world.queue()
    fill(world, url, 1)
    asked: list[str] = []
    ctx = world.context()

    def watched(tx: Any) -> None:
        one = tx.one

        def spy(query: Query, **params: Any) -> Row | None:
            asked.append(query.name)
            return one(query, **params)  # type: ignore[no-any-return]

        tx.one = spy
        try:
            receive_message(tx, ctx, {"QueueUrl": url, "VisibilityTimeout": 0})
        finally:
            del tx.one

    for _ in range(4):
        world.store.run(watched)
    shared = world.store.run(lambda tx: tx.shared)
    # The embedded store: all that may be received without a look is the whole limit; nodes take a quarter of it.
    assert asked.count("count_in_flight") == (2 if shared else 1)
