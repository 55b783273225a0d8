"""Nothing acknowledged is lost: servers are killed with SIGKILL under load, again and again, and judged from outside.

``WAYPOST_CRASH_SEED``, ``WAYPOST_CRASH_KILLS`` and ``WAYPOST_CRASH_ORDERS`` change the run; a failure prints the seed.
"""

import os
import random
import socket
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from time import time

import psycopg
import pytest
from tools.postgres import Cluster, PostgresMissing

import stores
from crash import blows
from crash.checker import Fault, Sent, check
from crash.nodes import Node, Nodes, all_gone, processes_marked
from crash.scenario import EXPECTED, LASTING, STRAYS, STRAYS_PER_S, read, read_answers, set_up
from crash.workload import CLOCKS_S, VISIBILITY_S, Progress, Stalled, Workload, running

SEED = int(os.environ.get("WAYPOST_CRASH_SEED", "1"))
IN_FLIGHT_MAX = 120
GROUPS = 8
TAKEN_OVER_S = 10.0
"""So long after a blow nothing that it broke is broken any more: death is noticed after 6 s."""
IDLE_S = 12.0
"""Longer than an order waits for anything where nothing is broken; shorter than what is left of a lease."""


def kills(default: int) -> int:
    return int(os.environ.get("WAYPOST_CRASH_KILLS", default))


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


class Run:
    """Orders on their way while something goes on, and what clients saw of it."""

    def __init__(self, nodes: Nodes, folder: Path, *, orders: int, allowed: float = 1) -> None:
        self.nodes = nodes
        self.orders = int(os.environ.get("WAYPOST_CRASH_ORDERS", orders))
        self.chance = random.Random(SEED)
        self.log = folder / "answers.jsonl"
        self.log.touch()
        kinds = self.chance.choices(list(EXPECTED), [70, 8, 10, 6, 6], k=self.orders)
        self.progress = Progress(self.orders, IN_FLIGHT_MAX, allowed)
        self.workload = Workload(nodes, self.progress, set_up(nodes.nodes[0].url, self.log), kinds)
        self.observed = self.workload.observed
        self.observed.expected = EXPECTED
        self.observed.lasting = LASTING
        self.observed.visibility_s = VISIBILITY_S - CLOCKS_S
        self.observed.idle_s = IDLE_S
        self.observed.strays = STRAYS
        self.stalled = ""

    def play(self, strike: Callable[[], None]) -> None:
        """Orders, messages and their receivers, until all are through."""
        workload = self.workload
        groups = [f"group{number}" for number in range(GROUPS)]
        roles = [
            *[workload.shop] * 4,
            workload.auditor,
            lambda: workload.rival(self.log),
            *[lambda name=name: workload.sender(name, self.orders // 2) for name in ("anna", "ben")],
            *[workload.receiver] * 2,
            lambda: workload.line_sender(groups[::2], self.orders // 10),
            lambda: workload.line_sender(groups[1::2], self.orders // 10),
            *[workload.line_receiver] * 2,
        ]
        try:
            with running(self.progress, roles):
                strike()
                self.progress.await_share(1)
        except Stalled as stall:
            self.stalled = str(stall)  # what is missing says why

    def last_words(self, break_down: Callable[[], None]) -> None:
        """Send some more, break down once more, and read what is left."""
        observed, workload = self.observed, self.workload
        clients = [workload.client(), workload.client()]
        for number in range(20):
            body = f"last-{number}"
            plain = workload.resources["plain"]
            answer = clients[number % 2].call("sqs", "SendMessage", QueueUrl=plain, MessageBody=body)
            observed.sent.append(Sent("plain", answer["MessageId"], body))
        break_down()

        with ThreadPoolExecutor() as pool:
            reading = [pool.submit(read) for read in (self._plain, self._line, self._audit, self._dead, self._moved)]
            workload.look_up_executions()
            for one in reading:
                one.result()
        observed.answers += read_answers(self.log)

    def _plain(self) -> None:
        client = self.workload.client()
        for received in self.workload.drain("plain", lambda: True):
            self.observed.left.append(received)
            self.workload.handle(client, received)

    def _line(self) -> None:
        client = self.workload.client()
        for received in self.workload.drain("line", lambda: True):
            self.observed.left.append(received)
            self.workload.delete(client, self.workload.resources["line"], received)

    def _audit(self) -> None:
        client = self.workload.client()
        for received in self.workload.drain("audit", lambda: True):
            self.observed.audited.append(received)
            self.workload.delete(client, self.workload.resources["audit"], received, log=False)

    def _dead(self) -> None:
        client = self.workload.client()
        found: set[str] = set()

        def all_there() -> bool:
            return all(sent.message_id in found for sent in self.observed.sent if sent.poison)

        for received in self.workload.drain("dead", all_there):
            found.add(received.message_id)
            self.observed.dead.append(received)
            self.workload.delete(client, self.workload.resources["dead"], received, log=False)

    def _moved(self) -> None:
        client = self.workload.client()
        found: set[str] = set()
        limit_s = 30 + 2 * len(STRAYS) / STRAYS_PER_S
        for received in self.workload.drain("found", lambda: len(found) >= len(STRAYS), limit_s):
            found.add(received.body)
            self.observed.moved.append(received)
            self.workload.delete(client, self.workload.resources["found"], received, log=False)
        while not self.observed.task or self.observed.task["Status"] == "RUNNING":
            answer = client.call("sqs", "ListMessageMoveTasks", SourceArn=self.workload.resources["strays_arn"])
            (self.observed.task,) = answer["Results"]
            if len(found) < len(STRAYS):
                break  # that says enough

    def judge(self) -> list[Fault]:
        """Broken promises of the nodes, then of their processes."""
        faults = check(self.observed)
        if self.stalled:
            faults.append(Fault("stalled", self.stalled))
        serving = [node for node in self.nodes.nodes if node.alive]
        orphans = [
            pid for pid in processes_marked(str(self.log)) if not any(node.is_ancestor_of(pid) for node in serving)
        ]
        faults += [Fault("orphan", f"function process {pid} outlives its killed server") for pid in all_gone(orphans)]
        return faults

    def leave(self) -> list[Fault]:
        """Stop every node; what goes wrong then, or went wrong before and only the log tells."""
        codes = {node.name: node.stop() for node in self.nodes.nodes}
        faults = [Fault("exit code", f"{name} ended with {code}") for name, code in codes.items() if code]
        faults += [Fault("orphan", f"function process {pid}") for pid in all_gone(processes_marked(str(self.log)))]
        for node in self.nodes.nodes:
            said = node.log.read_text()
            if (place := said.find("Traceback")) >= 0:
                faults.append(Fault("fault of ours", f"{node.name}: {said[max(0, place - 500) : place + 4000]}"))
        return faults

    def report(self, faults: list[Fault], *more: str) -> str:
        """All that somebody needs who has to find out why."""
        lines = [f"{fault.rule}: {fault.text}" for fault in faults]
        return "\n".join([f"seed {SEED}: {len(lines)} broken promises", *lines[:30], self.nodes.logs(), *more])

    def __str__(self) -> str:
        observed = self.observed
        return (
            f"seed {SEED}: {self.nodes.kills} kills, {len(observed.executions)} executions,"
            f" {len(observed.answers)} answers, {len(observed.sent)} messages sent, {len(observed.received)} received"
        )


def close(run: Run) -> None:
    for client in run.workload.clients:
        client.close()


# --- the embedded store


@pytest.fixture
def alone(tmp_path: Path) -> Iterator[Nodes]:
    if "sqlite" not in stores.KINDS:
        pytest.skip("WAYPOST_TEST_STORE excludes the embedded store")
    node = Node("server", free_port(), ["--data", str(tmp_path / "data")], tmp_path / "server.log")
    node.spawn()
    nodes = Nodes([node])
    try:
        node.await_ready()
        yield nodes
    finally:
        nodes.kill_all()


def killings(node: Node, run: Run) -> None:
    """Kill at chosen shares of progress, a random moment later; now and then again while it starts."""
    chance = run.chance
    for share in sorted(chance.uniform(0.02, 0.97) for _ in range(kills(10))):
        run.progress.await_share(share)
        blows.PAUSE.wait(chance.uniform(0, 0.05))
        node.kill()
        node.spawn()
        if chance.random() < 0.3:
            blows.PAUSE.wait(chance.uniform(0, 0.4))
            node.kill()
            node.spawn()
        node.await_ready()


def test_nothing_acknowledged_is_lost(alone: Nodes, tmp_path: Path):
    (node,) = alone.nodes
    run = Run(alone, tmp_path, orders=1_000)

    def break_down() -> None:
        node.kill()
        node.spawn()
        node.await_ready()

    run.play(lambda: killings(node, run))
    run.last_words(break_down)
    faults = run.judge() + run.leave()
    close(run)
    assert not faults, run.report(faults)
    assert alone.kills >= kills(10)
    assert all(any(received.queue == queue for received in run.observed.received) for queue in ("plain", "line"))
    print(f"\n{run}")


# --- several nodes on PostgreSQL


@pytest.fixture
def cluster() -> Iterator[Cluster]:
    """A database of its own: it is killed, and it syncs, as no other test's does."""
    if "postgres" not in stores.KINDS:
        pytest.skip("WAYPOST_TEST_STORE excludes PostgreSQL")
    try:
        private = Cluster(sync=True)
    except PostgresMissing as missing:
        pytest.skip(str(missing))
    try:
        yield private
    finally:
        private.close()


@pytest.fixture
def two(cluster: Cluster, tmp_path: Path) -> Iterator[Nodes]:
    nodes = Nodes(
        [
            Node(
                name,
                free_port(),
                ["--store", f"{cluster.url()}&application_name={name}", "--data", str(tmp_path / name)],
                tmp_path / f"{name}.log",
            )
            for name in ("node0", "node1")
        ],
        timeout_s=4,
    )
    try:
        for node in nodes.nodes:
            node.spawn()
        for node in nodes.nodes:
            node.await_ready()
        yield nodes
    finally:
        nodes.kill_all()


LEFT_BEHIND = {
    "states_run": "true", "states_branch": "true", "states_body": "true", "states_token": "true",
    "job": "owner <> '' OR kind IN ('states.task', 'states.timer', 'states.continue', 'states.settle')",
    "node": "started_at >= %(since_ms)s",
}  # fmt: skip
"""What has no row once every execution ended and every node left. Of killed ones nobody may have noticed it yet."""


def left_behind(cluster: Cluster, since_s: float) -> list[Fault]:
    """``since_s``: when the last nodes were started."""
    with psycopg.connect(cluster.url()) as connection:
        counts = {
            table: connection.execute(
                f"SELECT COUNT(*) FROM {table} WHERE {where}", {"since_ms": since_s * 1_000}
            ).fetchone()
            for table, where in LEFT_BEHIND.items()
        }
    return [Fault("left behind", f"{count[0]} rows in {table}") for table, count in counts.items() if count != (0,)]


def test_nothing_acknowledged_is_lost_on_two_nodes(two: Nodes, cluster: Cluster, tmp_path: Path):
    run = Run(two, tmp_path, orders=75 * kills(8), allowed=0)
    started: list[float] = []
    scene = blows.Scene(two, cluster, run.progress, run.chance)

    def break_down() -> None:
        for node in two.nodes:
            node.kill()
        cluster.kill()
        scene.start_database()
        started.append(time())
        for node in two.nodes:
            node.spawn()
        for node in two.nodes:
            node.await_ready()

    run.play(lambda: blows.strike(scene, kills(8)))
    run.observed.calm = scene.calm(TAKEN_OVER_S)
    run.last_words(break_down)
    faults = run.judge() + run.leave() + left_behind(cluster, started[0])
    close(run)
    told = "\n".join(scene.told)
    assert not faults, run.report(faults, f"what was done:\n{told}", f"the database said last:\n{cluster.log[-3000:]}")
    assert len(scene.blows) >= kills(8)
    assert len({entry["node"] for entry in read(run.log)}) == 2, "one node does all the work"
    assert all(any(received.queue == queue for received in run.observed.received) for queue in ("plain", "line"))
    print(f"\n{run}; what was done:\n{told}")
