"""The floor that claims begin at on PostgreSQL: it spares the walk over what is gone, and hides nothing for long."""

import json
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from tests.services.sqs.world import World, arn
from tests.stores import KINDS, sql

from waypost.service import Park
from waypost.services.sqs import floor
from waypost.services.sqs.queries import Q
from waypost.store.postgres import PostgresStore, statement_of

pytestmark = pytest.mark.skipif("postgres" not in KINDS, reason="only PostgreSQL has floors")


@pytest.fixture
def world() -> Iterator[World]:
    made = World(kind="postgres")
    yield made
    made.store.close_now()


@pytest.fixture
def eager(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every message that is claimed moves the floor."""
    monkeypatch.setattr(floor, "LOT", 1)


def connect(world: World, **options: Any) -> psycopg.Connection[Any]:
    assert isinstance(world.store, PostgresStore)
    return psycopg.connect(world.store.url, **options)


def floor_of(world: World) -> dict[str, int]:
    (row,) = sql(world.store, "SELECT seq, floor, moved_at, looked_at, dense_until, due_at FROM sqs_floor")
    return dict(zip(("seq", "floor", "moved_at", "looked_at", "dense_until", "due_at"), row, strict=True))


def cycle(world: World, url: str, times: int, *, fifo: bool = False) -> list[str]:
    """Send, receive and delete; a hundredth of a second each. Answers what was received."""
    got = []
    for number in range(times):
        more = {"MessageGroupId": f"{number % 100:0100}", "MessageDeduplicationId": str(world.now_ms)} if fifo else {}
        world.send(url, "cycle".ljust(1_500), **more)
        for message in world.receive(url, 1):
            got.append(message["Body"].rstrip())
            world.delete(url, message)
        world.pass_s(0.01)
    return got


def buffers(world: World, query: Any) -> int:
    """Pages that a claim visits."""
    ((storage,),) = sql(world.store, "SELECT storage FROM sqs_queue")
    values = {
        "storage": storage, "now": world.now_ms, "horizon": world.now_ms - 345_600_000, "ahead": world.now_ms + 10_000,
        "hidden_until": world.now_ms + 30_000,
    }  # fmt: skip
    statement = statement_of(query)
    with connect(world) as connection:
        connection.execute("SET plan_cache_mode = force_generic_plan; SET enable_seqscan = off; SET enable_sort = off")
        connection.execute(b"PREPARE explained AS " + statement.text)
        listed = ", ".join(str(values[name]) for name in statement.names)
        row = connection.execute(f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) EXECUTE explained({listed})").fetchone()
        connection.rollback()
    assert row is not None
    plan = row[0][0]["Plan"]
    return int(plan["Shared Hit Blocks"] + plan["Shared Read Blocks"])


@pytest.mark.parametrize(("fifo", "query", "most"), [(False, Q.claim_message, 60), (True, Q.free_group, 30)])
def test_a_claim_does_not_walk_over_what_is_gone(world: World, *, fifo: bool, query: Any, most: int) -> None:
    """Though a snapshot keeps every entry; without the floor it visits as many pages as there were cycles."""
    url = world.fifo() if fifo else world.queue()
    with connect(world) as held:
        held.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        held.execute("SELECT 1")
        cycle(world, url, 800 if fifo else 400, fifo=fifo)
        assert buffers(world, query) < most
        sql(world.store, "DELETE FROM sqs_floor WHERE storage > 0 RETURNING 1")
        assert buffers(world, query) > 2 * most


def settle(world: World, url: str, seconds: float, step_s: float = 1.0) -> tuple[list[str], float]:
    """Poll until something comes, at most so long; answers it, and after how many seconds."""
    began_ms = world.now_ms
    while world.now_ms < began_ms + seconds * 1_000:
        found = world.bodies(url)
        if found:
            return found, (world.now_ms - began_ms) / 1_000
        world.pass_s(step_s)
    return [], seconds


def send_late(world: World, url: str, late_s: float, body: str, **more: Any) -> None:
    """As a transaction that began so long ago and commits now."""
    world.pass_s(-late_s)
    world.send(url, body, **more)
    world.pass_s(late_s)


LATE = [0.5, 1.5, 3, 20, 300, 5_000]


@pytest.mark.usefixtures("eager")
@pytest.mark.parametrize("late_s", LATE)
@pytest.mark.parametrize("fifo", [False, True])
def test_what_is_committed_late_is_found_by_and_by(world: World, late_s: float, *, fifo: bool) -> None:
    url = world.fifo() if fifo else world.queue()
    more = {"MessageGroupId": "late", "MessageDeduplicationId": "late"} if fifo else {}
    cycle(world, url, 3, fifo=fifo)
    world.pass_s(late_s)
    cycle(world, url, 3, fifo=fifo)
    send_late(world, url, late_s, "late", **more)
    assert world.bodies(url) == [], "the floor is above it"
    found, took_s = settle(world, url, 6 * late_s + 3)
    assert found == ["late"]
    assert took_s + late_s <= 6 * late_s + 2


@pytest.mark.usefixtures("eager")
def test_late_ones_are_found_on_a_busy_queue(world: World) -> None:
    url = world.queue(VisibilityTimeout="60")
    cycle(world, url, 3)
    world.pass_s(4)
    cycle(world, url, 3)
    for _ in range(3):
        send_late(world, url, 3, "late")
        now = cycle(world, url, 20)
        assert "late" not in now, "the floor is above them"
    found = cycle(world, url, 600)
    assert found.count("late") == 3


@pytest.mark.usefixtures("eager")
def test_what_is_a_little_late_is_received_at_once(world: World) -> None:
    url = world.queue()
    cycle(world, url, 5)
    send_late(world, url, 0.15, "late")
    assert world.bodies(url) == ["late"]


@pytest.mark.usefixtures("eager")
@pytest.mark.parametrize("fifo", [False, True])
def test_many_late_ones_are_all_found(world: World, monkeypatch: pytest.MonkeyPatch, *, fifo: bool) -> None:
    monkeypatch.setattr(floor, "LATE_MAX", 4)
    url = world.fifo() if fifo else world.queue()
    cycle(world, url, 3, fifo=fifo)
    world.pass_s(5)
    cycle(world, url, 3, fifo=fifo)
    for number in range(11):
        more = {"MessageGroupId": f"l{number}", "MessageDeduplicationId": f"l{number}"} if fifo else {}
        send_late(world, url, 3, f"late {number}", **more)
    found: list[str] = []
    for _ in range(20):
        found += world.bodies(url)
        world.pass_s(1)
    assert sorted(found) == sorted(f"late {number}" for number in range(11))


@pytest.mark.usefixtures("eager")
def test_a_claim_that_is_rolled_back_loses_nothing(world: World) -> None:
    """While it is under way the floor stays below its message."""
    url = world.queue()
    cycle(world, url, 3)
    world.send(url, "claimed")
    world.pass_s(1)
    world.send(url, "next")
    with connect(world) as other:
        other.execute("UPDATE sqs_message SET visible_at = visible_at + 30000 WHERE body = 'claimed'")
        world.pass_s(1)
        assert world.bodies(url, 1) == ["next"]
        world.pass_s(2)
        assert world.bodies(url) == []
        other.rollback()
    assert world.bodies(url) == ["claimed"]


@pytest.mark.usefixtures("eager")
def test_a_floor_that_is_rolled_back_is_none(world: World) -> None:
    url = world.queue()
    cycle(world, url, 3)
    before = floor_of(world)
    world.send(url, "one")

    class RefusedError(Exception):
        pass

    def receive(tx: Any) -> None:
        from waypost.services.sqs.operations.receiving import receive_message

        answer = receive_message(tx, world.context(), {"QueueUrl": url})
        assert not isinstance(answer, Park)
        assert [message["Body"] for message in answer["Messages"]] == ["one"]
        raise RefusedError

    with pytest.raises(RefusedError):
        world.store.run(receive)
    assert floor_of(world) == before
    assert world.bodies(url) == ["one"]


@pytest.mark.usefixtures("eager")
def test_nobody_waits_for_who_moves_the_floor(world: World) -> None:
    url = world.queue()
    cycle(world, url, 3)
    world.send(url, "one")
    world.pass_s(2)
    with connect(world) as other:
        other.execute("SELECT 1 FROM sqs_floor FOR UPDATE")
        before = floor_of(world)
        assert world.bodies(url) == ["one"]
        assert world.bodies(url) == []
        assert floor_of(world) == before


@pytest.mark.usefixtures("eager")
def test_what_becomes_visible_again_is_received_then(world: World) -> None:
    """By its timeout, by ChangeMessageVisibility, by its delay: the floor is never above it."""
    url = world.queue(VisibilityTimeout="30")
    world.send(url, "timeout")
    world.receive(url)
    world.send(url, "given back")
    (given_back,) = world.receive(url)
    world.send(url, "delayed", DelaySeconds=20)
    for _ in range(4):
        cycle(world, url, 20)
        world.pass_s(1)
    world("ChangeMessageVisibility", QueueUrl=url, ReceiptHandle=given_back["ReceiptHandle"], VisibilityTimeout=0)
    assert world.bodies(url) == ["given back"]
    world.pass_s(14)
    assert cycle(world, url, 100)[-1] == "cycle"
    assert "delayed" in cycle(world, url, 200) + world.bodies(url)
    assert "timeout" in cycle(world, url, 1_000) + world.bodies(url)


@pytest.mark.usefixtures("eager")
def test_dead_letters_and_purges_meet_no_old_floor(world: World) -> None:
    dlq = world.queue("dlq")
    policy = json.dumps({"deadLetterTargetArn": arn("dlq"), "maxReceiveCount": 1})
    url = world.queue("q", RedrivePolicy=policy, VisibilityTimeout="1")
    cycle(world, dlq, 5)
    world.send(url, "dead")
    assert world.bodies(url) == ["dead"]
    world.pass_s(2)
    assert world.bodies(url) == []
    assert world.bodies(dlq) == ["dead"]
    world("PurgeQueue", QueueUrl=url)
    world.send(url, "after the purge")
    assert world.bodies(url) == ["after the purge"]
    world.work()
    storages = sql(world.store, "SELECT COUNT(*) FROM sqs_floor f JOIN sqs_queue q ON q.storage = f.storage")
    assert storages == [(world.count("sqs_floor"),)], "the floor of the old storage is gone"


@pytest.mark.usefixtures("eager")
def test_a_floor_of_a_clock_far_ahead_does_not_count(world: World) -> None:
    url = world.queue()
    cycle(world, url, 3)
    world.pass_s(3_600)
    cycle(world, url, 3)
    world.pass_s(-3_600)
    world.send(url, "one")
    assert world.bodies(url) == ["one"]
    assert floor_of(world)["moved_at"] <= world.now_ms


@pytest.mark.usefixtures("eager")
@pytest.mark.parametrize("ahead_s", [1, 5, 9])
def test_clocks_some_seconds_apart_lose_nothing_and_give_nothing_twice(world: World, ahead_s: int) -> None:
    """Two nodes in turn, one ahead: what the slow one sends the fast one takes for late."""
    url = world.queue(VisibilityTimeout="600")
    got: list[str] = []
    for number in range(400):
        fast = number % 2
        world.pass_s(ahead_s * fast)
        world.send(url, str(number))
        got += world.bodies(url, 1 + number % 3)
        world.pass_s(0.02 - ahead_s * fast)
    for _ in range(6 * ahead_s + 3):
        world.pass_s(1)
        got += world.bodies(url)
        world.pass_s(ahead_s)
        got += world.bodies(url)
        world.pass_s(-ahead_s)
    assert sorted(got, key=int) == [str(number) for number in range(400)]


def test_an_idle_queue_that_is_polled_writes_ever_less(world: World) -> None:
    url = world.queue()
    cycle(world, url, 300)
    world.pass_s(60)
    assert world.bodies(url) == []
    before = floor_of(world)["seq"]
    for _ in range(3_600):
        world.pass_s(1)
        assert world.bodies(url) == []
    assert floor_of(world)["seq"] - before < 25


def test_a_queue_that_was_never_used_has_no_floor(world: World) -> None:
    url = world.queue()
    for _ in range(3):
        assert world.bodies(url) == []
        world.pass_s(5)
    assert world.count("sqs_floor") == 0


@pytest.mark.usefixtures("eager")
def test_only_what_goes_fast_lies_close(world: World) -> None:
    """Where it does not, no floor is moved for the sake of time."""
    url = world.queue()
    for _ in range(5):
        cycle(world, url, 1)
        world.pass_s(3)
    assert floor_of(world)["dense_until"] == 0
    cycle(world, url, 5)
    assert floor_of(world)["dense_until"] > world.now_ms + 29_000


def park(world: World, url: str) -> Park:
    parked = world.run("ReceiveMessage", {"QueueUrl": url, "WaitTimeSeconds": 20})
    assert isinstance(parked, Park)
    return parked


@pytest.mark.parametrize("fifo", [False, True])
def test_a_waiting_receiver_looks_ahead_as_far_as_that_is_cheap(world: World, *, fifo: bool) -> None:
    """On a queue that was busy a moment ago no further than SOON_MS, which is looked at exactly; else to the next."""
    url = world.fifo(DelaySeconds="5") if fifo else world.queue(DelaySeconds="5")
    more = {"MessageGroupId": "g", "MessageDeduplicationId": "d"} if fifo else {}
    world.send(url, "delayed", **more)
    at_ms = world.now_ms + 5_000
    world.pass_s(1)
    assert park(world, url).retry_ms == at_ms
    sql(
        world.store,
        "INSERT INTO sqs_floor (storage, seq, floor, moved_at, drawn_at, looked_at, dense_until, due_at)"
        " SELECT storage, 0, 1, :now, :now, :now, :until, :until FROM sqs_queue RETURNING 1",
        now=world.now_ms, until=world.now_ms + 60_000,
    )  # fmt: skip
    assert park(world, url).retry_ms == world.now_ms + floor.SOON_MS
    world.pass_s(3.9)
    assert park(world, url).retry_ms == at_ms


def test_the_floor_follows_the_first_message_of_a_backlog(world: World) -> None:
    url = world.queue()
    for number in range(200):
        world.send(url, str(number))
        world.pass_s(0.01)
    world.pass_s(600)
    assert len([world.delete(url, message) for _ in range(15) for message in world.receive(url)]) == 150
    (first,) = sql(world.store, "SELECT MIN(visible_at) FROM sqs_message")[0]
    assert first - 1_300 <= floor_of(world)["floor"] < first, "of the 150 about two moved it"


def test_messages_are_counted_from_the_floor(world: World) -> None:
    url = world.queue()
    cycle(world, url, 100)
    world.send(url, "one")
    assert world.counts(url) == (1, 0, 0)
    fifo = world.fifo()
    for number in range(3):
        world.send(fifo, "one", MessageGroupId="g", MessageDeduplicationId=str(number))
        world.pass_s(10)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(floor, "LOT", 1)
        (message,) = world.receive(fifo, 1)
        world.pass_s(2)
        world.delete(fifo, message)
        (message,) = world.receive(fifo, 1)
    assert world.counts(fifo) == (1, 1, 0)


@pytest.mark.usefixtures("eager")
def test_a_group_that_was_in_flight_is_free_at_once(world: World) -> None:
    """Though its next message waits since long before the floor."""
    url = world.fifo()
    for body in "abc":
        world.send(url, body, MessageGroupId="old", MessageDeduplicationId=body)
    for body in "abc":
        world.pass_s(10)
        (message,) = world.receive(url, 1)
        assert message["Body"] == body
        cycle(world, url, 3, fifo=True)
        world.pass_s(5)
        cycle(world, url, 3, fifo=True)
        world.delete(url, message)
