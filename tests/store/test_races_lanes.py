"""Two nodes on one PostgreSQL and the lanes of a fair queue: what one changes while the other is on its way."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import msgspec
import pytest
from tests.services.sqs.test_sqs_fairness_model import SMALL
from tests.store.racing import only, race, race_work
from tests.store.test_races_sqs import work
from tests.store.two_nodes import ACCOUNT, REGION, Node, World, bodies
from tests.stores import sql

from waypost.service import Context, Job, Params
from waypost.services import sqs
from waypost.services.sqs.rules.fairness import Lane, read_lanes
from waypost.store.store import Tx

HOUR_S = 3_600


@pytest.fixture
async def world() -> AsyncIterator[World]:
    made = World()
    yield made
    await made.close()


def lanes(world: World) -> tuple[Lane, ...]:
    ((text,),) = sql(world.nodes[0].store, "SELECT lanes FROM sqs_queue")
    return () if text is None else read_lanes(text)


def later(node: Node, seconds: float) -> Context:
    ctx = node.engine.context(ACCOUNT, REGION)
    return msgspec.structs.replace(ctx, now_ms=ctx.now_ms + int(seconds * 1_000), wire="json")


async def receive_later(node: Node, url: str, seconds: float) -> list[Params]:
    """What a receive gets on a node whose clock is so many seconds ahead."""
    function = sqs.SERVICE.operations["ReceiveMessage"]
    request = {"QueueUrl": url, "MaxNumberOfMessages": 10}
    answer: Any = await node.store.transact(lambda tx: function(tx, later(node, seconds), request))
    return list(answer.get("Messages", []))


async def fill(world: World, url: str, group: str, count: int) -> list[str]:
    sent = [f"{group} {number}" for number in range(count)]
    requests = [{"QueueUrl": url, "MessageBody": body, "MessageGroupId": group} for body in sent]
    for answer in await world.each("sqs", "SendMessage", requests):
        only(answer)
    return sent


async def take(world: World, url: str, times: int) -> list[str]:
    """Receive ten so often, in turn on one node and the other."""
    got = []
    for _ in range(times):
        got += bodies(await world.each("sqs", "ReceiveMessage", [{"QueueUrl": url, "MaxNumberOfMessages": 10}]))
    return got


async def take_all(world: World, url: str) -> list[str]:
    got: list[str] = []
    while found := await take(world, url, 2):
        got += found
    return got


async def about_to_be_noisy(world: World) -> tuple[str, list[str], list[str]]:
    """A queue whose one tenant is found to be noisy by whichever node receives next.

    Answers its URL, what waits, and what is in flight.
    """
    url = await world.queue(VisibilityTimeout="600")
    sent = await fill(world, url, "noisy", 200)
    got = await take(world, url, 2)
    found = sql(
        world.nodes[0].store,
        "UPDATE sqs_message SET visible_at = visible_at + 600000, receives = 1 WHERE id IN"
        " (SELECT id FROM sqs_message WHERE receives = 0 ORDER BY id DESC LIMIT 40) RETURNING body",
    )
    got += [row[0] for row in found]
    assert lanes(world) == ()
    return url, sorted(set(sent) - set(got)), got


async def test_two_nodes_make_one_lane(world: World) -> None:
    url, waiting, _ = await about_to_be_noisy(world)
    wish = {"QueueUrl": url, "MaxNumberOfMessages": 10}
    answers = await race(world, ("sqs", "ReceiveMessage", wish), "look_at_head", ("sqs", "ReceiveMessage", wish))
    got = bodies([only(answer) for answer in answers])
    assert [lane.group_id for lane in lanes(world)] == ["noisy"]
    assert sorted(got + await take_all(world, url)) == waiting


async def test_a_send_that_knows_nothing_of_a_new_lane_is_not_lost(world: World) -> None:
    """Its message is put into what has become a lane; its tenant is quiet, and gets it after the next look."""
    url, waiting, _ = await about_to_be_noisy(world)
    send = {"QueueUrl": url, "MessageBody": "quiet", "MessageGroupId": "quiet"}
    wish = {"QueueUrl": url, "MaxNumberOfMessages": 10}
    answers = await race(world, ("sqs", "SendMessage", send), "get_queue", ("sqs", "ReceiveMessage", wish))
    got = bodies([only(answers[1])])
    ((lane,), (main,)) = lanes(world), sql(world.nodes[0].store, "SELECT storage FROM sqs_queue")[0:1]
    assert sql(world.nodes[0].store, "SELECT storage FROM sqs_message WHERE body = 'quiet'") == [(lane.storage,)]
    await work(world, 2)
    assert sql(world.nodes[0].store, "SELECT storage FROM sqs_message WHERE body = 'quiet'") == [main]
    rest = await take_all(world, url)
    assert rest[0] == "quiet"
    assert sorted(got + rest) == sorted([*waiting, "quiet"])


async def test_a_send_into_a_lane_that_goes_is_not_lost(world: World) -> None:
    url = await world.queue()
    here, there = world.nodes
    ((main,),) = sql(here.store, "SELECT storage FROM sqs_queue")
    lane = here.engine.context(ACCOUNT, REGION).ids.row(here.engine.clock.now_ms())
    text = f'[["noisy",{lane},1]]'
    sql(here.store, "UPDATE sqs_queue SET lanes = :lanes RETURNING 1", lanes=text)
    send = sqs.SERVICE.operations["SendMessage"]
    request = {"QueueUrl": url, "MessageBody": "late", "MessageGroupId": "noisy"}

    async def retire() -> None:
        for seconds in (0, 2, 4, 6):
            await receive_later(there, url, seconds)

    def first(tx: Tx) -> Any:
        return send(tx, later(here, 0), request)

    answer, gone = await race_work(world, first, "get_queue", retire)
    only(answer)
    assert gone is None
    assert lanes(world) == ()
    assert sql(here.store, "SELECT storage FROM sqs_message") == [(lane,)]
    assert await take(world, url, 1) == []
    await work(world, 30)
    assert sql(here.store, "SELECT storage FROM sqs_message") == [(main,)]
    assert [one["Body"] for one in await receive_later(here, url, 40)] == ["late"]


async def test_a_purge_takes_a_lane_that_is_made_meanwhile(world: World) -> None:
    url, _, _ = await about_to_be_noisy(world)
    wish = {"QueueUrl": url, "MaxNumberOfMessages": 10}
    purge = ("sqs", "PurgeQueue", {"QueueUrl": url})
    answers = await race(world, purge, "get_queue", ("sqs", "ReceiveMessage", wish))
    assert only(answers[0]) == {}
    assert len(bodies([only(answers[1])])) == 10
    assert lanes(world) == ()
    assert await take_all(world, url) == []
    await work(world, HOUR_S)
    assert sql(world.nodes[0].store, "SELECT COUNT(*) FROM sqs_message") == [(0,)]


async def test_what_is_received_is_not_moved_from_under_its_receiver(world: World) -> None:
    """A sort that saw a message waiting leaves it to the node that receives it meanwhile: its handle works on."""
    url = await world.queue(VisibilityTimeout="600")
    here, there = world.nodes
    await fill(world, url, "noisy", 3)
    lane = here.engine.context(ACCOUNT, REGION).ids.row(here.engine.clock.now_ms())
    sql(here.store, "UPDATE sqs_queue SET lanes = :lanes RETURNING 1", lanes=f'[["noisy",{lane},1]]')
    ((queue_id, main),) = sql(here.store, "SELECT id, storage FROM sqs_queue")
    named = {"account": ACCOUNT, "region": REGION, "name": "q", "id": queue_id, "storage": main, "after": 0}

    def sort(tx: Tx) -> Any:
        return sqs.SERVICE.jobs["sqs.sort"](tx, later(here, 0), Job(1, "sqs.sort", "k", ACCOUNT, REGION, 0, 1, named))

    async def receive() -> Any:
        return await there.call("sqs", "ReceiveMessage", QueueUrl=url, MaxNumberOfMessages=2)

    _, answer = await race_work(world, sort, "unsorted_messages", receive)
    messages = only(answer)["Messages"]
    assert len(messages) == 2
    for message in messages:
        only(await there.call("sqs", "DeleteMessage", QueueUrl=url, ReceiptHandle=message["ReceiptHandle"]))
    assert sql(here.store, "SELECT storage FROM sqs_message") == [(lane,)]


class Traffic:
    """Senders and receivers on both nodes."""

    def __init__(self, world: World, url: str) -> None:
        self.world = world
        self.url = url
        self.sent: list[str] = []
        self.got: list[str] = []
        self.lanes: set[tuple[Lane, ...]] = set()
        self.sending = True

    async def send(self, name: str) -> None:
        node = next(self.world.turn)
        for number in range(60):
            group = "ab"[number // 20 % 2] if number % 5 else f"{name}{number}"
            body = f"{name} {number}"
            request = {"QueueUrl": self.url, "MessageBody": body, "MessageGroupId": group}
            only(await node.call("sqs", "SendMessage", **request))
            self.sent.append(body)

    async def send_all(self, names: str) -> None:
        await asyncio.gather(*map(self.send, names))
        self.sending = False

    async def receive(self) -> None:
        """Receive and delete, each on another node, until there is nothing."""
        last = False
        while not last:
            over = not self.sending
            request = {"QueueUrl": self.url, "MaxNumberOfMessages": 3}
            messages = only(await next(self.world.turn).call("sqs", "ReceiveMessage", **request)).get("Messages", [])
            for message in messages:
                self.got.append(message["Body"])
                handle = message["ReceiptHandle"]
                only(await next(self.world.turn).call("sqs", "DeleteMessage", QueueUrl=self.url, ReceiptHandle=handle))
            last = over and not messages

    async def sort(self) -> None:
        while self.sending:
            await work(self.world, 0)
            self.lanes.add(lanes(self.world))


async def test_nothing_is_lost_or_doubled_while_lanes_come_and_go(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both nodes send, receive, delete and sort at once, and judge with every receive."""
    for name, value in SMALL.items():
        monkeypatch.setattr(name, value)
    url = await world.queue(VisibilityTimeout="600")
    traffic = Traffic(world, url)
    await asyncio.gather(traffic.send_all("wxyz"), traffic.sort(), *(traffic.receive() for _ in range(4)))
    await work(world, 20)
    late = [*await receive_later(world.nodes[0], url, 20), *await receive_later(world.nodes[0], url, 40)]
    assert sorted(traffic.got + [message["Body"] for message in late]) == sorted(traffic.sent)
    assert sql(world.nodes[0].store, "SELECT COUNT(*) FROM sqs_message") == [(len(late),)]
    assert len(traffic.lanes) > 1, "no lane was made"
