"""What is done to nodes that share a PostgreSQL, and to the PostgreSQL. Each blow is a function of the scene."""

import os
import random
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from time import monotonic, time

import psycopg
from tools.postgres import Cluster, PostgresMissing

from crash.nodes import START_LIMIT_S, Node, Nodes
from crash.workload import Progress

PAUSE = threading.Event()
"""Never set."""
NOTICED_S = 6.0
"""A node that gave no sign of life for so long is taken for dead by the others."""
TRICKLE_S = 8.0
"""While a blow lasts the orders go on, more slowly: what was kept for it would last for so long."""


class Scene:
    """The nodes, their database, the load, and when blows fell."""

    def __init__(self, nodes: Nodes, cluster: Cluster, progress: Progress, chance: random.Random) -> None:
        self.nodes = nodes
        self.cluster = cluster
        self.progress = progress
        self.chance = chance
        self.blows: list[tuple[float, float]] = []
        """When each began and ended, in seconds since the epoch."""
        self.told: list[str] = []
        """What was done, for whoever has to find out what it did."""
        self._began_s = time()
        self._trickle = (0.0, 0.0)

    def node(self) -> Node:
        """One of the nodes."""
        return self.chance.choice(self.nodes.nodes)

    def tell(self, what: str) -> None:
        """Note what happens."""
        self.told.append(f"{time() - self._began_s:6.2f} s: {what}")

    @contextmanager
    def blow(self, what: str) -> Iterator[None]:
        """From here to there something is broken. What others must put right begins at the end of it."""
        self.tell(what)
        began = time()
        try:
            yield
        finally:
            self.blows.append((began, time()))
            self.tell(f"that took {time() - began:.2f} s")

    def expect(self, low: float, high: float) -> None:
        """The orders that ``meanwhile`` lets start: from one share of all to another."""
        self._trickle = low, high

    def meanwhile(self, seconds: float) -> None:
        """Let time pass, and orders start."""
        low, high = self._trickle
        end = monotonic() + seconds
        while (left := end - monotonic()) > 0:
            step = min(0.1, left)
            PAUSE.wait(step)
            low += (high - low) * step / TRICKLE_S
            self.progress.allow(low)
        self._trickle = low, high

    def calm(self, settling_s: float) -> list[tuple[float, float]]:
        """When nothing was broken, beginning so long after each blow."""
        ends = [began for began, _ in self.blows[1:]] + [time()]
        return [
            (ended + settling_s, end)
            for (_, ended), end in zip(self.blows, ends, strict=True)
            if ended + settling_s < end
        ]

    def start_database(self) -> None:
        """Start it on the same data, as soon as its former processes are gone."""
        end = monotonic() + START_LIMIT_S
        while True:
            try:
                self.cluster.start()
            except PostgresMissing:
                if monotonic() > end:
                    raise
                PAUSE.wait(0.1)
            else:
                return


def kill_node(scene: Scene) -> None:
    """One node is killed. It comes back before the other has noticed, or long after."""
    node = scene.node()
    soon = scene.chance.random() < 0.4
    with scene.blow(f"kill {node.name}, back {'at once' if soon else 'later'}"):
        node.kill()
    scene.meanwhile(scene.chance.uniform(0, 1) if soon else NOTICED_S + scene.chance.uniform(1, 4))
    node.revive()


def kill_node_in_start(scene: Scene) -> None:
    """One node is killed, and twice again while it starts."""
    node = scene.node()
    with scene.blow(f"kill {node.name}, and twice while it starts"):
        node.kill()
        for _ in range(2):
            node.spawn()
            PAUSE.wait(scene.chance.uniform(0, 0.9))
            node.kill()
    node.revive()


def kill_database(scene: Scene) -> None:
    """The database crashes, in one of three ways, and starts again by itself or at last."""
    with scene.blow("the database crashes"):
        _crash(scene)


def _crash(scene: Scene) -> None:
    way = scene.chance.choice(("SIGKILL to the server", "immediate stop", "SIGKILL to a connection's process"))
    scene.tell(f"by {way}")
    if way == "SIGKILL to a connection's process":
        processes = connections(scene)
        os.kill(scene.chance.choice(processes), signal.SIGKILL)
        await_database(scene)
        return
    if way == "immediate stop":
        scene.cluster.stop("immediate")
    else:
        scene.cluster.kill()
    # Now and then away for so long that every node seems dead to every other.
    scene.meanwhile(NOTICED_S + 1 if scene.chance.random() < 0.2 else scene.chance.uniform(0, 2))
    scene.start_database()


def kill_both(scene: Scene) -> None:
    """A node and the database at once. The node starts first, or the database."""
    node = scene.node()
    first = scene.chance.random() < 0.5
    with scene.blow(f"kill {node.name} and the database; {node.name if first else 'the database'} starts first"):
        node.kill()
        scene.cluster.kill()
        scene.meanwhile(scene.chance.uniform(0, 1))
        if first:
            # It cannot: there is nothing to start with. Somebody starts it again.
            reviving = threading.Thread(target=node.revive)
            reviving.start()
            scene.meanwhile(scene.chance.uniform(0, 1))
            scene.start_database()
            reviving.join(START_LIMIT_S)
        else:
            scene.start_database()
            node.revive()


def stop_node(scene: Scene) -> None:
    """A node leaves as it is asked to, and comes back."""
    node = scene.node()
    with scene.blow(f"stop {node.name}"):
        code = node.stop()
    assert code == 0, f"{node.name} stopped with {code}"
    scene.meanwhile(scene.chance.uniform(0, 2))
    node.revive()


def freeze_node(scene: Scene) -> None:
    """A node stands still until the others take it for dead, and then goes on as if nothing had been; or dies."""
    node = scene.node()
    dies = scene.chance.random() < 0.2
    with scene.blow(f"freeze {node.name}{', which dies' if dies else ''}"):
        node.freeze()
        scene.meanwhile(NOTICED_S + scene.chance.uniform(1, 5))
        if dies:
            node.kill()
        else:
            node.thaw()
    if dies:
        node.revive()


def cut_connections(scene: Scene) -> None:
    """A node's connections break: all of them, or some."""
    node = scene.node()
    share = scene.chance.choice((0.5, 1))
    with scene.blow(f"break {share:.0%} of the connections of {node.name}"):
        for _ in range(3):
            cut = [process for process in connections(scene, node) if scene.chance.random() < share]
            with psycopg.connect(scene.cluster.url(), autocommit=True) as connection:
                connection.execute("SELECT pg_terminate_backend(process) FROM unnest(%s::int[]) process", [cut])
            PAUSE.wait(scene.chance.uniform(0, 0.2))


BLOWS: list[Callable[[Scene], None]] = [
    kill_node, kill_database, kill_both, kill_node_in_start, stop_node, freeze_node, cut_connections,
]  # fmt: skip


def connections(scene: Scene, node: Node | None = None) -> list[int]:
    """The database's processes that serve a node, or any of them: each node names itself in its address."""
    with psycopg.connect(scene.cluster.url(), autocommit=True) as connection:
        rows = connection.execute(
            "SELECT pid FROM pg_stat_activity WHERE application_name LIKE %s", [node.name if node else "node%"]
        )
        return [row[0] for row in rows]


def await_database(scene: Scene) -> None:
    """Wait until it answers again."""
    end = monotonic() + START_LIMIT_S
    while True:
        try:
            with psycopg.connect(scene.cluster.url(), connect_timeout=2) as connection:
                connection.execute("SELECT 1")
        except psycopg.Error:
            if monotonic() > end:
                raise
            PAUSE.wait(0.05)
        else:
            return


def strike(scene: Scene, count: int) -> None:
    """So many blows while orders run, each kind as often as the others; then a node is killed and stays dead.

    What it had under way must be done by the others: only when all orders are through does it start again.
    """
    kinds: list[Callable[[Scene], None]] = []
    while len(kinds) < count - 1:
        kinds += scene.chance.sample(BLOWS, len(BLOWS))
    # Each blow has luck of its own: how much of it is used depends on what it meets.
    seeds = [scene.chance.getrandbits(64) for _ in range(count)]
    for number, blow in enumerate(kinds[: count - 1]):
        scene.chance = random.Random(seeds[number])
        low, high = number / count, (number + 0.6) / count
        scene.progress.allow(high)
        scene.progress.await_started(low + (high - low) * scene.chance.uniform(0.3, 1))
        scene.expect(high, (number + 1) / count)
        PAUSE.wait(scene.chance.uniform(0, 0.05))
        blow(scene)
    scene.chance = random.Random(seeds[-1])
    scene.progress.allow(1 - 0.5 / count)
    scene.progress.await_started(1 - 0.5 / count)
    node = scene.node()
    with scene.blow(f"kill {node.name}, back when all is done"):
        node.kill()
    scene.progress.allow(1)
    scene.progress.await_share(1)
    scene.tell("all orders are through")
    node.revive()
