"""What is measured of queues beyond the cycle: groups, large receives, many who wait, and counts."""

import asyncio
import itertools
import json
import random
import re
import resource
from collections.abc import Awaitable, Callable, Sequence
from statistics import median
from time import perf_counter
from typing import Any

from benchmarks.scenarios import (
    BODY,
    RECEIPT_HANDLE,
    Figures,
    Gap,
    Load,
    Measured,
    fill,
    in_turns,
    make_queue,
    medians,
    quantile,
    share,
    sqs,
)
from benchmarks.servers import Running
from benchmarks.wire import Connection, Refused, Script, request

GROUPS = 100
BATCH = 10
SENT_AT = re.compile(rb'"Body" *: *"([0-9.]+)"')

_numbers = itertools.count()


# ----------------------------------------------------------------------------------------------------------- FIFO


async def make_fifo_queue(server: Running, name: str) -> str:
    """Create a FIFO queue; answers its URL."""
    return await make_queue(server, f"{name}.fifo", FifoQueue="true")


def fifo_send(server: Running, queue_url: str) -> Callable[[int], bytes]:
    """SendMessage requests to a group of that number, each with a deduplication id of its own."""
    fill_in = Gap(sqs(server, "SendMessage", QueueUrl=queue_url, MessageBody=BODY, MessageGroupId=Gap.MARK))
    return lambda group: fill_in(b'group-%06d", "MessageDeduplicationId": "%012d' % (group, next(_numbers)))


def fifo_batch(server: Running, queue_url: str) -> Callable[[Sequence[int]], bytes]:
    """SendMessageBatch requests with a message to each of these groups."""
    marked = sqs(server, "SendMessageBatch", QueueUrl=queue_url, Entries=Gap.MARK)
    fill_in = Gap(marked.replace(b'"%s"' % Gap.MARK.encode(), b"[%s]" % Gap.MARK.encode()))
    entry = b'{"Id": "%%d", "MessageBody": %s, "MessageGroupId": "group-%%06d", "MessageDeduplicationId": "%%012d"}' % (
        json.dumps(BODY).encode().replace(b"%", b"%%")
    )

    def batch(groups: Sequence[int]) -> bytes:
        return fill_in(b", ".join([entry % (number, group, next(_numbers)) for number, group in enumerate(groups)]))

    return batch


async def fifo_sends(server: Running, load: Load, queue_url: str) -> Figures:
    """Single messages to a hundred groups in turn."""
    send = fifo_send(server, queue_url)
    groups = itertools.cycle(range(GROUPS))
    end = perf_counter() + load.round_seconds

    def script() -> Script:
        while perf_counter() < end:
            yield send(next(groups))

    measured = await Measured(server, await server.connections(load.connections)).run(script)
    return {"fifo.sends_per_s": len(measured.latencies_ms) / measured.wall_s} | measured.cores("fifo")


async def fifo_batches(server: Running, load: Load, queue_url: str) -> Figures:
    """The same in batches of ten; messages a second."""
    batch = fifo_batch(server, queue_url)
    starts = itertools.cycle(range(0, GROUPS, BATCH))
    end = perf_counter() + load.round_seconds

    def script() -> Script:
        while perf_counter() < end:
            start = next(starts)
            _none_failed((yield batch(range(start, start + BATCH))))

    measured = await Measured(server, await server.connections(load.connections)).run(script)
    return {"fifo.batch_messages_per_s": len(measured.latencies_ms) * BATCH / measured.wall_s}


def _none_failed(answer: bytes) -> None:
    if b'"Failed": [{' in answer or b'"Failed":[{' in answer:
        raise Refused(200, answer)


async def fifo_cycles(
    server: Running, load: Load, queue_url: str, name: str, groups: int, connections: int = 0
) -> Figures:
    """Each connection: send one to a group by chance, receive one, delete it, and again."""
    send = fifo_send(server, queue_url)
    receive = sqs(server, "ReceiveMessage", QueueUrl=queue_url, MaxNumberOfMessages=1)
    delete = Gap(sqs(server, "DeleteMessage", QueueUrl=queue_url, ReceiptHandle=Gap.MARK))
    chance = random.Random(1)
    cycles = 0
    end = perf_counter() + load.round_seconds

    def script() -> Script:
        nonlocal cycles
        while perf_counter() < end:
            yield send(chance.randrange(groups))
            while True:
                found = RECEIPT_HANDLE.search((yield receive))
                if found is not None:
                    break
                if perf_counter() > end + load.round_seconds:
                    return
            yield delete(found[1])
            cycles += 1

    measured = await Measured(server, await server.connections(connections or load.connections)).run(script)
    return {
        f"{name}.cycles_per_s": cycles / measured.wall_s,
        f"{name}.server_ms": measured.server_cpu_s * 1000 / max(cycles, 1),
    }


async def fifo(server: Running, load: Load) -> Figures:
    """Sends to a hundred groups, and the cycle over them."""
    sends = await make_fifo_queue(server, "sends")
    cycled = await make_fifo_queue(server, "cycled")
    rounds = await in_turns(
        load.turns,
        lambda: fifo_sends(server, load, sends),
        lambda: fifo_batches(server, load, sends),
        lambda: fifo_cycles(server, load, cycled, "fifo", GROUPS),
    )
    return _join(*(medians(one) for one in rounds))


def _join(*figures: Figures) -> Figures:
    return {key: value for one in figures for key, value in one.items()}


async def fill_groups(server: Running, load: Load, queue_url: str, groups: int) -> float:
    """One message to each of so many groups; answers how many a second."""
    batch = fifo_batch(server, queue_url)
    starts = iter(range(0, groups, BATCH))

    def script() -> Script:
        for start in starts:
            _none_failed((yield batch(range(start, start + BATCH))))

    measured = await Measured(server, await server.connections(load.connections)).run(script)
    return groups / measured.wall_s


async def fifo_groups(server: Running, load: Load) -> Figures:
    """What a message costs in a queue of one group, of a hundred, and of very many with a message waiting in each.

    By one connection: of one group only one message can be on its way.
    """
    one, hundred, many = [await make_fifo_queue(server, f"groups-{name}") for name in ("one", "hundred", "many")]
    filled = await fill_groups(server, load, many, load.groups)
    of_one, of_hundred, of_many = await in_turns(
        load.turns,
        lambda: fifo_cycles(server, load, one, "fifo.one", 1, 1),
        lambda: fifo_cycles(server, load, hundred, "fifo.hundred", GROUPS, 1),
        lambda: fifo_cycles(server, load, many, "fifo.many", load.groups, 1),
    )
    return _join(medians(of_one), medians(of_hundred), medians(of_many)) | {
        "fifo.fill_messages_per_s": filled,
        "fifo.hundred_of_one": share(of_hundred, of_one, "fifo.hundred.cycles_per_s", "fifo.one.cycles_per_s"),
        "fifo.many_of_one": share(of_many, of_one, "fifo.many.cycles_per_s", "fifo.one.cycles_per_s"),
    }


# ---------------------------------------------------------------------------------------- receives by tens, counts


async def waiting_in(server: Running, queue_url: str) -> int:
    """How many messages wait, as GetQueueAttributes says."""
    (connection,) = await server.connections(1)
    name = "ApproximateNumberOfMessages"
    shown = await connection.call_json(sqs(server, "GetQueueAttributes", QueueUrl=queue_url, AttributeNames=[name]))
    return int(shown["Attributes"][name])


async def receives(server: Running, load: Load, queue_url: str, fill_s: float) -> Figures:
    """ReceiveMessage of ten while many wait; at most half of them are taken."""
    waiting = load.backlogs[0]
    missing = waiting - await waiting_in(server, queue_url)
    if missing > 0:
        sent, _ = await fill(server, load, queue_url, missing, fill_s)
        if sent < missing:
            raise RuntimeError(f"skipped with {waiting:,}: only {sent:,} of {missing:,} were taken in {fill_s:.0f} s")
    receive = sqs(server, "ReceiveMessage", QueueUrl=queue_url, MaxNumberOfMessages=BATCH)
    left = waiting // 2 // BATCH
    received = 0
    end = perf_counter() + load.round_seconds * 2

    def script() -> Script:
        nonlocal left, received
        while left > 0 and perf_counter() < end:
            left -= 1
            answer = yield receive
            received += len(RECEIPT_HANDLE.findall(answer))  # not in one: others add while this waits

    measured = await Measured(server, await server.connections(load.connections)).run(script)
    return {
        "receives.per_s": len(measured.latencies_ms) / measured.wall_s,
        "receives.messages_per_s": received / measured.wall_s,
        "receives.p99_ms": quantile(measured.latencies_ms, 0.99),
    } | measured.cores("receives")


async def counts(server: Running, load: Load, full_url: str, at_least: int) -> Figures:
    """GetQueueAttributes of a queue with many waiting and of an empty one, in turns, by one connection."""
    empty_url = await make_queue(server, "counts-empty")
    (connection,) = await server.connections(1)
    asked = {
        name: sqs(server, "GetQueueAttributes", QueueUrl=url, AttributeNames=["All"])
        for name, url in (("full", full_url), ("empty", empty_url))
    }
    shown = await waiting_in(server, full_url)
    if shown < at_least:
        raise RuntimeError(f"of {at_least:,} messages that wait, GetQueueAttributes counts {shown:,}")
    taken_ms: dict[str, list[float]] = {name: [] for name in asked}
    end = perf_counter() + load.round_seconds
    while len(taken_ms["full"]) < load.alone and (perf_counter() < end or not taken_ms["full"]):
        for name, data in asked.items():
            began = perf_counter()
            await connection.call(data)
            taken_ms[name].append((perf_counter() - began) * 1000)
    full_ms, empty_ms = median(taken_ms["full"]), median(taken_ms["empty"])
    return {"counts.full_p50_ms": full_ms, "counts.empty_p50_ms": empty_ms, "counts.of_empty": empty_ms / full_ms}


# ---------------------------------------------------------------------------------------------- many long polls


def raise_open_files() -> None:
    """As many open files as the system lets a process have: a connection is one, here and in the server."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = 20_000 if hard == resource.RLIM_INFINITY else hard
    if soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


async def _operations(server: Running, connection: Connection) -> int | None:
    """How many operations a Waypost has run so far; None of other servers."""
    try:
        status = json.loads(
            await connection.call(request(server.host, "", {}, b"", method="GET", path="/_waypost/status"))
        )
    except (Refused, ValueError):
        return None
    found: Any = status.get("store", {}).get("operations")
    return found if isinstance(found, int) else None


class Receivers:
    """Many who poll one queue; who receives a message deletes it and polls again."""

    def __init__(self, server: Running, queue_url: str, connections: list[Connection]) -> None:
        self.latencies_ms: list[float] = []
        """From sending to having received, of each message."""
        self.empty = 0
        self._connections = connections
        self._came = asyncio.Event()
        self._receive = sqs(server, "ReceiveMessage", QueueUrl=queue_url, MaxNumberOfMessages=1, WaitTimeSeconds=20)
        self._delete = Gap(sqs(server, "DeleteMessage", QueueUrl=queue_url, ReceiptHandle=Gap.MARK))

    def _script(self) -> Script:
        while True:
            answer = yield self._receive
            sent_at, handle = SENT_AT.search(answer), RECEIPT_HANDLE.search(answer)
            if sent_at is None or handle is None:
                self.empty += 1
                continue
            self.latencies_ms.append((perf_counter() - float(sent_at[1])) * 1000)
            self._came.set()
            yield self._delete(handle[1])

    async def while_polling(self, work: Callable[[], Awaitable[Figures]]) -> Figures:
        """Poll while ``work`` goes on; then all hang up, most of them in the middle of a poll."""
        polls = [asyncio.ensure_future(one.run(self._script())) for one in self._connections]
        try:
            found = await work()
            failed = [poll for poll in polls if poll.done()]
        finally:
            for poll in polls:
                poll.cancel()
            await asyncio.gather(*polls, return_exceptions=True)
        if failed:
            raise RuntimeError(f"{len(failed)} polls failed, the first with {failed[0].exception()}")
        return found

    async def have(self, count: int) -> None:
        """Wait until so many messages have been received."""
        while len(self.latencies_ms) < count:
            self._came.clear()
            await asyncio.wait_for(self._came.wait(), 30)


async def parked(server: Running, load: Load) -> Figures:
    """Many long polls of one queue: what they cost while nothing comes; then one sender, as fast as it is answered."""
    queue_url = await make_queue(server, "parked")
    sender, *connections = await server.connections(load.parked + 1)
    send = Gap(sqs(server, "SendMessage", QueueUrl=queue_url, MessageBody=Gap.MARK))
    receivers = Receivers(server, queue_url, connections)
    before_mb = server.memory_mb() or 0.0

    async def work() -> Figures:
        await asyncio.sleep(load.settle_s)
        used_s, began = server.cpu_s(), perf_counter()
        await asyncio.sleep(load.idle_s)
        idle = {
            "parked.idle_cores": (server.cpu_s() - used_s) / (perf_counter() - began),
            "parked.memory_kb": ((server.memory_mb() or 0.0) - before_mb) * 1000 / load.parked,
        }
        ran = await _operations(server, sender)
        used_s, began, sent = server.cpu_s(), perf_counter(), 0
        while perf_counter() - began < load.round_seconds * 2:
            await sender.call(send(b"%.7f" % perf_counter()))
            sent += 1
        await receivers.have(sent)
        figures = idle | {
            "parked.messages_per_s": sent / (perf_counter() - began),
            "parked.server_ms": (server.cpu_s() - used_s) * 1000 / sent,
        }
        after = await _operations(server, sender)
        if ran is not None and after is not None:
            figures["parked.operations_per_message"] = (after - ran) / sent
        return figures

    figures = await receivers.while_polling(work)
    server.disconnect()
    latencies_ms = sorted(receivers.latencies_ms)
    return figures | {
        "parked.p50_ms": quantile(latencies_ms, 0.5),
        "parked.p99_ms": quantile(latencies_ms, 0.99),
        "parked.empty_receives": float(receivers.empty),
    }
