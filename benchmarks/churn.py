"""An hour's worth of messages through one queue on PostgreSQL, to see whether anything grows.

    python -m benchmarks.churn [--cycles N] [--backlog N] [--hold] [--fifo GROUPS]

Several clients send, receive and delete through the operations, without HTTP, on a throw-away PostgreSQL whose
autovacuum is on and looks once a minute, as it comes. A cycle is one message sent, received and deleted. An hour is
taken at 100 cycles a second, so 360,000 cycles are one; done faster they are harder, for the vacuum comes by the clock.

With ``--hold`` somebody begins a transaction before the first cycle and forgets it: no vacuum may take anything away.
Then it ends, and as many cycles again show whether the space is used once more. Without, only the first part is run.
"""

import argparse
import asyncio
import json
from time import perf_counter
from typing import Any, NamedTuple

import msgspec
import psycopg

from benchmarks.database import Database, PostgresMissing
from waypost.clock import SystemClock
from waypost.ids import RandomIds
from waypost.registry import Registry
from waypost.service import Params
from waypost.services import sqs
from waypost.services.sqs.floor import NEVER, SKEW_MS, SOON_MS
from waypost.services.sqs.queries import Q
from waypost.store.postgres import PostgresStore, statement_of
from waypost.work.engine import Engine

ACCOUNT, REGION = "123456789012", "eu-west-1"
BODY = "x" * 600
CLIENTS = 16
LOOK_S = 60.0
"""Between two looks at the sizes."""
SAMPLE_S = 1.0
"""Between two claims that are explained while the clients go on; a minute's figure is the mean of its samples."""
FLAT = 1.5
"""The last quarter may have so many times the first one's buffers for each claim."""
PAGE = 8_192
RELATIONS = ("sqs_message", "sqs_message_visible", "sqs_message_pkey", "sqs_group", "sqs_floor")
HEAD = (
    f"{'minute':>6} {'cycles/s':>8} {'table':>7} {'visible':>7} {'pkey':>7} {'groups':>7} {'floors':>6} {'dead':>9}"
    f" {'buffers/claim':>13} {'us/claim':>8} {'buffers/look':>12}"
)


class Sample(NamedTuple):
    """A claim and a look ahead, explained."""

    claim_buffers: float
    claim_us: float
    look_buffers: float


class Look(NamedTuple):
    """What a minute left behind: sizes in pages, times in microseconds."""

    at_s: float
    rate: float
    pages: tuple[int, ...]
    dead: int
    claim_buffers: float
    claim_us: float
    look_buffers: float

    def line(self) -> str:
        """As a line of the table."""
        pages = "".join(f" {count:>{width}}" for count, width in zip(self.pages, (7, 7, 7, 7, 6), strict=True))
        return (
            f"{self.at_s / 60:>6.1f} {self.rate:>8.0f}{pages} {self.dead:>9} {self.claim_buffers:>13.1f}"
            f" {self.claim_us:>8.0f} {self.look_buffers:>12.1f}"
        )


class Churn:
    """One queue, its clients, and somebody who looks."""

    def __init__(self, url: str, groups: int) -> None:
        """``groups``: of a FIFO queue; 0: a standard queue."""
        self._url = url
        self._groups = groups
        self.store = PostgresStore(url, node="churn")
        self._registry = Registry([sqs.SERVICE])
        self._engine = Engine(self.store, SystemClock(), RandomIds(), self._registry, {})
        self._queue = ""
        self._number = 0
        self._cycles = 0

    async def call(self, operation: str, **request: Any) -> Params:
        """An operation as a client calls it."""
        ctx = msgspec.structs.replace(self._engine.context(ACCOUNT, REGION), wire="json")
        return await self._engine.execute(sqs.SERVICE.operations[operation], ctx, request)

    async def prepare(self, database: Database, backlog: int) -> None:
        """Make the queue and what waits in it."""
        name, attributes = ("churn.fifo", {"FifoQueue": "true"}) if self._groups else ("churn", {})
        created = await self.call("CreateQueue", QueueName=name, Attributes=attributes)
        self._queue = created["QueueUrl"]
        if backlog and not self._groups:
            await self._send()
            await asyncio.to_thread(database.backlog, self._url, backlog)
            return
        for _ in range(backlog // CLIENTS):
            await asyncio.gather(*(self._send() for _ in range(CLIENTS)))

    async def _send(self) -> None:
        self._number += 1
        request: Params = {"QueueUrl": self._queue, "MessageBody": BODY}
        if self._groups:
            request |= {
                "MessageGroupId": f"g{self._number % self._groups}",
                "MessageDeduplicationId": str(self._number),
            }
        await self.call("SendMessage", **request)

    async def _cycle(self) -> None:
        await self._send()
        received = await self.call("ReceiveMessage", QueueUrl=self._queue)
        for message in received.get("Messages", []):
            await self.call("DeleteMessage", QueueUrl=self._queue, ReceiptHandle=message["ReceiptHandle"])
        self._cycles += 1

    async def run(self, cycles: int, began_s: float) -> list[Look]:
        """So many cycles; a look every minute."""
        first, done, at_s = self._cycles, self._cycles, perf_counter()
        looks: list[Look] = []

        async def client() -> None:
            while self._cycles - first < cycles:
                await self._cycle()

        clients = [asyncio.ensure_future(client()) for _ in range(CLIENTS)]
        going = set(clients)
        samples: list[Sample] = []
        while going:
            _, going = await asyncio.wait(going, timeout=SAMPLE_S)
            samples.append(await asyncio.to_thread(self._sample))
            took_s = perf_counter() - at_s
            if took_s > LOOK_S or (not going and (took_s > LOOK_S / 2 or not looks)):
                looks.append(await asyncio.to_thread(self._look, (self._cycles - done) / took_s, began_s, samples))
                print(looks[-1].line(), flush=True)
                done, at_s, samples = self._cycles, perf_counter(), []
        for one in clients:
            one.result()
        return looks

    # --- looking, in a thread

    def _look(self, rate: float, began_s: float, samples: list[Sample]) -> Look:
        with psycopg.connect(self._url) as connection:
            pages = tuple(
                connection.execute("SELECT pg_relation_size(%s::regclass)", (name,)).fetchone()[0] // PAGE  # type: ignore[index]
                for name in RELATIONS
            )
            row = connection.execute(
                "SELECT SUM(n_dead_tup) FROM pg_stat_user_tables WHERE relname IN ('sqs_message', 'sqs_group')"
            ).fetchone()
        means = [sum(values) / len(samples) for values in zip(*samples, strict=True)]
        return Look(perf_counter() - began_s, rate, pages, int(row[0]) if row else 0, *means)

    def _sample(self) -> Sample:
        with psycopg.connect(self._url) as connection:
            for name, value in PLANS.items():
                connection.execute(f"SET {name} = '{value}'")
            buffers, took_us = self._explain(connection, Q.free_group if self._groups else Q.claim_message)
            return Sample(
                buffers, took_us, self._explain(connection, Q.next_available if self._groups else Q.next_visible)[0]
            )

    def _explain(self, connection: psycopg.Connection[Any], query: Any) -> tuple[float, float]:
        """Buffers and microseconds of a statement, with the values of now; what it changed is undone."""
        now_ms = SystemClock().now_ms()
        storage = connection.execute("SELECT storage FROM sqs_queue").fetchone()
        values = {
            "storage": storage[0] if storage else 0, "now": now_ms, "horizon": now_ms - 345_600_000,
            "hidden_until": now_ms + 30_000, "ahead": now_ms + SKEW_MS, "soon": now_ms + SOON_MS, "never": NEVER,
        }  # fmt: skip
        statement = statement_of(query)
        connection.execute(b"PREPARE explained AS " + statement.text)
        listed = ", ".join(str(values[name]) for name in statement.names)
        found = connection.execute(f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) EXECUTE explained({listed})").fetchone()
        connection.rollback()
        connection.execute("DEALLOCATE ALL")
        plan = found[0][0] if found else {}
        return plan["Plan"]["Shared Hit Blocks"] + plan["Plan"]["Shared Read Blocks"], plan["Execution Time"] * 1_000


PLANS = {"plan_cache_mode": "force_generic_plan", "enable_seqscan": "off", "enable_bitmapscan": "off",
         "enable_sort": "off", "enable_hashjoin": "off", "enable_mergejoin": "off", "jit": "off"}  # fmt: skip
"""The settings of Waypost's connections that decide about plans."""


def judge(looks: list[Look]) -> bool:
    """Whether the last quarter is as the first; says what the two were."""
    looks = looks[1:] or looks  # the first claims' timeouts, at which they leave an entry, too, end in the first minute
    size = max(1, len(looks) // 4)

    def mean(part: list[Look], name: str) -> float:
        return float(sum(getattr(look, name) for look in part)) / len(part)

    first, last = looks[:size], looks[-size:]
    for name in ("rate", "claim_buffers", "claim_us", "look_buffers"):
        print(f"{name}: first quarter {mean(first, name):.1f}, last quarter {mean(last, name):.1f}")
    return mean(last, "claim_buffers") <= FLAT * max(mean(first, "claim_buffers"), 20.0)


async def main() -> int:
    """Measure as the arguments say; 1 where something grew."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cycles", type=int, default=360_000, help="messages sent, received and deleted (%(default)s)")
    parser.add_argument("--backlog", type=int, default=1_000_000, help="messages that wait meanwhile (%(default)s)")
    parser.add_argument("--hold", action="store_true", help="somebody holds a snapshot, then lets it go")
    parser.add_argument("--fifo", type=int, default=0, metavar="GROUPS", help="a FIFO queue with so many groups")
    wanted = parser.parse_args()
    try:
        database = Database()
    except PostgresMissing as missing:
        print(missing)
        return 2
    try:
        url = database.create("churn")
        churn = Churn(url, wanted.fifo)
        await churn.prepare(database, wanted.backlog)
        print(json.dumps(database.describe()))
        print(HEAD, flush=True)
        held = psycopg.connect(url) if wanted.hold else None
        if held is not None:
            held.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
            held.execute("SELECT 1")
        began_s = perf_counter()
        looks = await churn.run(wanted.cycles, began_s)
        flat = judge(looks)
        if held is not None:
            held.close()
            print("the snapshot is let go")
            after = await churn.run(wanted.cycles, began_s)
            flat &= after[-1].pages[0] <= FLAT * looks[-1].pages[0]
        await churn.store.close()
    finally:
        database.close()
    print("flat" if flat else "it grew")
    return 0 if flat else 1


if __name__ == "__main__":
    raise SystemExit(asyncio.run(main()))
