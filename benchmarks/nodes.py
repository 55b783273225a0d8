"""What is measured of several nodes that share one database."""

import asyncio
import json
import os
import random
import sys
from collections.abc import Sequence
from statistics import median
from time import perf_counter, time
from typing import Any

from benchmarks.scenarios import (
    Callback,
    Figures,
    Load,
    Reports,
    callback_alone,
    callbacks,
    in_turns,
    make_function,
    make_machine,
    make_queue,
    medians,
    quantile,
    send_receive_delete,
    share,
    sqs,
    states,
)
from benchmarks.servers import Running

MORE_CORES = (3, 4)
"""Cores for which rates are computed, where the machine has fewer."""
PARKED_S = (0.01, 0.03)
"""How long before a message its receiver asks; at random, so that no rhythm is met."""


async def two_nodes(nodes: Sequence[Running], load: Load, made: Callback) -> Figures:
    """The same connections at one node and over two, in turns; what a cycle costs each of the processes."""
    first = nodes[0]
    queue_url = await make_queue(first, "nodes")
    one, two = await in_turns(
        load.rounds,
        lambda: send_receive_delete(first, load, queue_url, "one"),
        lambda: send_receive_delete(nodes, load, queue_url, "two"),
    )
    alone, both = await in_turns(
        load.turns,
        lambda: callbacks(first, load, made, load.round_seconds, "one_callback"),
        lambda: callbacks(nodes, load, made, load.round_seconds, "two_callback"),
    )
    figures = medians(one) | medians(two) | medians(alone) | medians(both)
    figures = {f"nodes.{key}": value for key, value in figures.items()}
    figures["nodes.two_of_one"] = share(two, one, "two.cycles_per_s", "one.cycles_per_s")
    figures["nodes.two_of_one_callback"] = share(both, alone, "two_callback.per_s", "one_callback.per_s")
    for name, rate in (("one", "cycles_per_s"), ("two", "cycles_per_s"), ("one_callback", "per_s")):
        for side in ("server", "database", "client"):
            cores = figures[f"nodes.{name}.{side}_cores"]
            figures[f"nodes.{name}.{side}_ms"] = cores / figures[f"nodes.{name}.{rate}"] * 1000
    cores_here = len(os.sched_getaffinity(0))
    for cores in (cores_here, *MORE_CORES):
        for name, count in (("one", 1), ("two", 2)):
            figures[f"nodes.{name}_at_{cores}"] = _at_most(figures, name, count, cores)
    return figures


def _at_most(figures: Figures, name: str, count: int, cores: int) -> float:
    """Cycles a second that the processor time of a cycle allows: a node has one thread, the load generator, too."""
    server_ms, database_ms, client_ms = (
        figures[f"nodes.{name}.{side}_ms"] for side in ("server", "database", "client")
    )
    return 1000 * min(count / server_ms, 1 / client_ms, cores / (server_ms + database_ms + client_ms))


def two_nodes_remark(figures: Figures) -> str:
    """What limits here, and what more cores would give, in words."""
    here = len(os.sched_getaffinity(0))
    used = {
        name: [figures[f"nodes.{name}.{side}_cores"] for side in ("server", "database", "client")]
        for name in ("one", "two")
    }
    cost = [figures[f"nodes.one.{side}_ms"] for side in ("server", "database", "client")]
    return (
        f"Two nodes: of {here} cores, one node with the database and the load generator used {sum(used['one']):.2f}"
        f" ({used['one'][0]:.2f} node, {used['one'][1]:.2f} database, {used['one'][2]:.2f} load generator), two nodes"
        f" {sum(used['two']):.2f} ({used['two'][0]:.2f}, {used['two'][1]:.2f}, {used['two'][2]:.2f}). A cycle costs"
        f" {cost[0]:.3f} ms of node, {cost[1]:.3f} ms of database, {cost[2]:.3f} ms of load generator. Computed from"
        " that, at most, cycles/s with one node and with two: "
        + "; ".join(
            f"{cores} cores {figures[f'nodes.one_at_{cores}']:,.0f} and {figures[f'nodes.two_at_{cores}']:,.0f}"
            for cores in sorted({here, *MORE_CORES})
        )
        + f" (measured with {here}: {figures['nodes.one.cycles_per_s']:,.0f} and"
        f" {figures['nodes.two.cycles_per_s']:,.0f})."
    )


async def wake_across(first: Running, second: Running, load: Load, made: Callback) -> Figures:
    """A message sent at one node to a long poll that waits at the other, and in turns at the same; then callbacks."""
    queue_url = await make_queue(first, "wake")
    sender, near = await first.connections(2)
    (far,) = await second.connections(1)
    receive = sqs(first, "ReceiveMessage", QueueUrl=queue_url, MaxNumberOfMessages=1, WaitTimeSeconds=20)
    send = sqs(first, "SendMessage", QueueUrl=queue_url, MessageBody="wake")
    chance = random.Random(1)

    async def one(receiver: Any) -> float:
        waiting = asyncio.ensure_future(receiver.call_json(receive))
        await asyncio.sleep(chance.uniform(*PARKED_S))
        if waiting.done():
            raise RuntimeError(f"a poll of an empty queue answered {waiting.result()}")
        began = perf_counter()
        try:
            await sender.call(send)
            (message,) = (await waiting)["Messages"]
        finally:
            waiting.cancel()
        took_ms = (perf_counter() - began) * 1000
        delete = sqs(first, "DeleteMessage", QueueUrl=queue_url, ReceiptHandle=message["ReceiptHandle"])
        await sender.call(delete)
        return took_ms

    across_ms, same_ms = [], []
    for _ in range(3):  # until they know of each other
        await one(far)
    end = perf_counter() + load.alone_seconds
    while len(across_ms) < load.woken and perf_counter() < end:
        across_ms.append(await one(far))
        same_ms.append(await one(near))
    across_ms.sort()
    same_ms.sort()
    return {
        "wake.across_p50_ms": quantile(across_ms, 0.5),
        "wake.across_p99_ms": quantile(across_ms, 0.99),
        "wake.same_p50_ms": quantile(same_ms, 0.5),
        "wake.same_p99_ms": quantile(same_ms, 0.99),
    } | await callback_alone(
        first, load, made, count=load.woken, at=second, parked_s=median(PARKED_S), name="wake.callback"
    )


async def take_over(first: Running, second: Running, load: Load) -> Figures:
    """SIGKILL to a node that invokes functions for workflows: seconds until the other has begun all of it again.

    The executions are started at the node that dies; whoever claims their jobs performs them.
    """
    begun: list[dict[str, Any]] = []
    news = asyncio.Event()

    def heard(report: dict[str, Any]) -> None:
        begun.append(report)
        news.set()

    async def until(settled: Any) -> None:
        while not settled():
            news.clear()
            await news.wait()

    transport, reports = await Reports.listen(heard)
    try:
        arn = await make_function(first, "taken", {"REPORT_PORT": str(reports.port)})
        task = {"Type": "Task", "Resource": arn, "End": True}
        machine = await make_machine(first, "taken", {"StartAt": "Work", "States": {"Work": task}})
        connections = await first.connections(load.connections)
        names = {f"work-{number}" for number in range(load.taken)}
        executions = []
        for connection, name in zip(connections, sorted(names), strict=False):
            given = json.dumps({"report": [name], "sleep_s": load.taken_sleep_s})
            start = states(first, "StartExecution", stateMachineArn=machine, input=given)
            executions.append((await connection.call_json(start))["executionArn"])
        await until(lambda: {report["id"] for report in begun} == names)
        lost = {report["id"] for report in begun if report["server"].endswith(f":{first.port}")}
        if not lost:
            raise RuntimeError("the node that was to die performed nothing")
        print(f"    killing a node with {len(lost)} of {len(names)} jobs", file=sys.stderr, flush=True)
        killed_at = time()
        first.kill()
        await until(lambda: lost <= {report["id"] for report in begun if report["at"] > killed_at})
        taken_s = [report["at"] - killed_at for report in begun if report["at"] > killed_at and report["id"] in lost]
        (connection,) = await second.connections(1)
        for execution in executions:
            describe = states(second, "DescribeExecution", executionArn=execution)
            while (status := (await connection.call_json(describe))["status"]) == "RUNNING":  # noqa: ASYNC110
                await asyncio.sleep(0.05)
            if status != "SUCCEEDED":
                raise RuntimeError(f"an execution of the node that was killed ended as {status}")
    finally:
        transport.close()
    return {"take_over.first_s": min(taken_s), "take_over.all_s": max(taken_s), "take_over.jobs": len(lost)}
