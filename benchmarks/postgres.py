"""Waypost on PostgreSQL: one node beside the embedded store, with a backlog, and two nodes on one database."""

import asyncio
import shutil
from collections.abc import Awaitable, Callable
from functools import partial
from statistics import median
from typing import TYPE_CHECKING

from benchmarks import queues, scenarios, topics
from benchmarks.database import Database
from benchmarks.nodes import take_over, two_nodes, two_nodes_remark, wake_across
from benchmarks.scenarios import Figures, in_turns, medians, send_receive_delete, share
from benchmarks.servers import WAYPOST, WAYPOST_POSTGRES, Running

if TYPE_CHECKING:
    from benchmarks.run import Run

NAME = WAYPOST_POSTGRES.name
BACKLOG_LIMIT_S = 240.0

Make = Callable[[Running], Awaitable[Callable[[], Awaitable[Figures]]]]
"""Readies a server, and answers what is then done in turns."""


class OnPostgres:
    """Everything that is measured on one cluster."""

    def __init__(self, run: "Run", database: Database) -> None:
        self._run = run
        self._load = run.load
        self._database = database

    async def measure(self) -> None:
        """All that is asked for."""
        figures = self._run.results.setdefault(NAME, {})
        if "start" in self._run.only:
            figures |= await self._starts()
        url = self._database.create("bench")
        node = await self._node("node", url)
        try:
            await self._beside_embedded(node)
            await self._run.measure(node, "groups", lambda: queues.fifo_groups(node, self._load))
            await self._run.measure(node, "receives", lambda: self._receives(node))
            await self._run.measure(node, "invoke", lambda: scenarios.invoke(node, self._load))
            await self._run.measure(node, "mapping", lambda: scenarios.mapping(node, self._load))
            if {"backlog", "counts"} & set(self._run.only):
                await self._with_backlog(node)
            await self._run.measure(node, "parked", lambda: queues.parked(node, self._load))
            await self._with_second(node, url)
        finally:
            await node.stop()

    async def _node(self, name: str, url: str) -> Running:
        folder = self._run.folder / f"{NAME}-{name}"
        return await Running(WAYPOST_POSTGRES, folder, store=url, database=self._database).start()

    async def _starts(self) -> Figures:
        """On a fresh database each, schema included."""
        started, used = [], []
        for number in range(self._run.starts):
            name = f"start_{number}"
            node = await self._node(f"start-{number}", self._database.create(name))
            started.append(node.start_s)
            memory = await self._run.idle_memory_mb(node)
            used.extend([memory] if memory is not None else [])
            await node.stop()
            shutil.rmtree(node.folder, ignore_errors=True)
            self._database.drop(name)
        return {"start.empty_s": median(started)} | ({"memory.empty_mb": median(used)} if used else {})

    # --- beside the embedded store

    async def _beside_embedded(self, node: Running) -> None:
        """What both stores do, in turns."""
        if not {"sqs", "batch", "fifo", "fan_out", "states", "callback"} & set(self._run.only):
            return
        embedded = await Running(WAYPOST, self._run.folder / "waypost-beside").start()
        load = self._load

        async def both(make: Make, key: str, name: str) -> Figures:
            return await self._both(node, embedded, make, key, name)

        async def cycle(server: Running) -> Callable[[], Awaitable[Figures]]:
            url = await scenarios.make_queue(server, "bench")
            return lambda: send_receive_delete(server, load, url, "sqs")

        async def batch(server: Running) -> Callable[[], Awaitable[Figures]]:
            url = await scenarios.make_queue(server, "batch")
            return lambda: scenarios.batches(server, load, url)

        async def ten_pass(server: Running) -> Callable[[], Awaitable[Figures]]:
            machine = await scenarios.make_ten_pass(server)
            return lambda: scenarios.ten_pass(server, load, machine, load.round_seconds)

        async def callbacks(server: Running) -> Callable[[], Awaitable[Figures]]:
            made = await scenarios.make_callback(server)
            return lambda: scenarios.callbacks(server, load, made, load.round_seconds)

        async def states() -> Figures:
            found = await both(ten_pass, "ten_pass.executions_per_s", "ten_pass")
            return found | await scenarios.ten_pass_alone(node, load, await scenarios.make_ten_pass(node))

        async def callback() -> Figures:
            found = await both(callbacks, "callback.per_s", "callback")
            return found | await scenarios.callback_alone(node, load, await scenarios.make_callback(node))

        try:
            await self._run.measure(node, "sqs", lambda: both(cycle, "sqs.cycles_per_s", "sqs"))
            await self._run.measure(node, "batch", lambda: both(batch, "batch.messages_per_s", "batch"))
            await self._groups_and_topics(node, embedded)
            await self._run.measure(node, "states", states)
            await self._run.measure(node, "callback", callback)
        finally:
            await embedded.stop()

    async def _both(self, node: Running, embedded: Running, make: Make, key: str, name: str) -> Figures:
        rounds = self._load.rounds if name == "sqs" else self._load.turns
        ours, theirs = await in_turns(rounds, await make(node), await make(embedded))
        return medians(ours) | {f"{name}.of_embedded": share(ours, theirs, key)}

    async def _receives(self, node: Running) -> Figures:
        url = await scenarios.make_queue(node, "receives")
        return await queues.receives(node, self._load, url, self._load.fill_seconds)

    async def _groups_and_topics(self, node: Running, embedded: Running) -> None:
        load = self._load

        async def fifo(server: Running) -> Callable[[], Awaitable[Figures]]:
            url = await queues.make_fifo_queue(server, "sends")
            return lambda: queues.fifo_sends(server, load, url)

        async def fan_out(server: Running) -> Callable[[], Awaitable[Figures]]:
            fan = await topics.Fan.make(server)
            data = topics.publish(server, fan.topic_arn)
            return lambda: fan.run(load, "fan_out", data)

        for name, make, key in (("fifo", fifo, "fifo.sends_per_s"), ("fan_out", fan_out, "fan_out.per_s")):
            await self._run.measure(node, name, partial(self._both, node, embedded, make, key, name))

    # --- with a backlog

    async def _with_backlog(self, empty: Running) -> None:
        """A queue with many waiting, in a database of its own, in turns with an empty one."""
        count = self._load.backlogs[-1]
        url = self._database.create("full")
        full = await self._node("full", url)
        try:
            for name, work in (
                ("backlog", partial(self._backlog, empty, full, count)), ("counts", partial(self._counts, full, count)),
            ):  # fmt: skip
                await self._run.measure(full, name, work, limit_s=BACKLOG_LIMIT_S)
            if "backlog" not in self._run.only or "backlog" in self._run.notes.get(NAME, ()):
                return
            await full.stop()
            started = []
            for _ in range(self._run.starts):
                await full.start()
                started.append(full.start_s)
                await full.stop()
            self._run.results[NAME][f"start.{count}_s"] = median(started)
        finally:
            await full.stop()

    async def _filled(self, full: Running, count: int) -> str:
        """A queue with so many waiting; answers its URL."""
        queue_url = await scenarios.make_queue(full, "backlog")
        if self._database.waiting(full.store) >= count:
            return queue_url
        (connection,) = await full.connections(1)
        await connection.call(scenarios.sqs(full, "SendMessage", QueueUrl=queue_url, MessageBody=scenarios.BODY))
        await asyncio.to_thread(self._database.backlog, full.store, count)
        return queue_url

    async def _counts(self, full: Running, count: int) -> Figures:
        return await queues.counts(full, self._load, await self._filled(full, count), count)

    async def _backlog(self, empty: Running, full: Running, count: int) -> Figures:
        load = self._load
        queue_url = await self._filled(full, count)
        empty_url = await scenarios.make_queue(empty, "empty")
        name = f"sqs_{count}"
        ours, theirs = await in_turns(
            load.rounds,
            lambda: send_receive_delete(full, load, queue_url, name),
            lambda: send_receive_delete(empty, load, empty_url, "empty"),
        )
        waiting = self._database.waiting(full.store)
        if waiting < count:
            raise RuntimeError(f"of {count:,} messages {waiting:,} are left")
        key = "requests_per_s"
        return medians(ours) | {f"{name}.of_empty": share(ours, theirs, f"{name}.{key}", f"empty.{key}")}

    # --- two nodes

    async def _with_second(self, first: Running, url: str) -> None:
        if not {"nodes", "wake", "take_over"} & set(self._run.only):
            return
        second = await self._node("second", url)
        try:
            made = await scenarios.make_callback(first)
            await self._run.measure(first, "nodes", lambda: self._two_nodes(first, second, made))
            await self._run.measure(first, "wake", lambda: wake_across(first, second, self._load, made))
            await self._run.measure(first, "take_over", lambda: take_over(first, second, self._load))
        finally:
            await second.stop()

    async def _two_nodes(self, first: Running, second: Running, made: scenarios.Callback) -> Figures:
        figures = await two_nodes((first, second), self._load, made)
        self._run.remarks.append(two_nodes_remark(figures))
        return figures
