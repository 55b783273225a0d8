"""The servers that share a store: each refreshes a row; who finds one that no longer does takes its work over.

Time here is the database's. What its clock says at each beat also corrects the node's own clock, so that the clocks
of all nodes agree to within a round trip, however wrong the machines' are.
"""

import asyncio
import logging
from collections.abc import Callable
from typing import Any, NamedTuple, Protocol

import msgspec

from waypost.clock import SystemClock, monotonic_ns
from waypost.store.queries import load
from waypost.store.store import Store, StoreUnavailable, Tx
from waypost.work.jobs import WAKE
from waypost.work.jobs import Q as JOBS

log = logging.getLogger(__name__)

Q = load(__package__, "nodes.sql")

BEAT_S = 1.0
"""Between two signs of life of a node."""
DEAD_MS = 6_000
"""A node that gave no sign of life for so long is taken for dead: its leased jobs come due at once."""
SURE_MS = 3_000
"""A node judges the others once it has given signs of life for so long without a gap: after an outage of the database
all seem dead, and are not."""
LISTED_PER_BEAT = 50
"""So many nodes are looked over with each beat; where there are more, each looks less often."""
SKEW_WARNING_MS = 1_000
"""A machine's clock that is further from the database's is worth a warning."""
CHANGED = "nodes"
"""Wake key: a node came or went."""


class Node(msgspec.Struct, frozen=True):
    """A server as the others see it."""

    id: str
    address: str
    version: str
    schema: int
    """The newest schema file it knows."""
    started_ms: int = 0
    seen_ms: int = 0
    """By the database's clock."""


COUNTED_MAX = 100_000
"""Jobs that the status page counts of each kind; more are shown as so many."""


class _Beat(NamedTuple):
    """What a sign of life showed."""

    seen_ms: int
    """The database's time."""
    before_ms: int
    after_ms: int
    """The machine's own time, before and after it was asked."""
    nodes: list[Node] | None
    """Everybody, where it was time to look."""


class Neighbours(Protocol):
    """The store's messenger to other nodes."""

    others: int


class Nodes:
    """The place of this node among the others."""

    def __init__(
        self, store: Store, clock: SystemClock, neighbours: Neighbours, me: Node, moved: Callable[[int, int], None]
    ) -> None:
        """``moved`` is told this node's place and the number of nodes whenever they change."""
        self._store = store
        self._clock = clock
        self._neighbours = neighbours
        self._me = me
        self._moved = moved
        self._beats = 0
        self._beaten_ns = 0
        self._steady_ns = 0
        """Since when no sign of life was late."""
        self._told_skew = False
        self.known: list[Node] = [me]
        """All nodes, as of the last look."""

    @property
    def cut_off(self) -> bool:
        """Whether the others take this node for dead by now: it could give no sign of life."""
        return monotonic_ns() - self._beaten_ns > DEAD_MS * 1_000_000

    async def join(self) -> None:
        """Give the first sign of life and set the clock. Raises ``StoreUnavailable``."""
        for _ in range(3):  # the shortest round trip counts, and the first statement is the slowest
            await self._beat()

    async def run(self) -> None:
        """Go on until cancelled."""
        burial: asyncio.Task[None] | None = None
        try:
            while True:
                await asyncio.sleep(BEAT_S)
                try:
                    dead = await self._beat()
                except StoreUnavailable as error:
                    log.debug("no sign of life could be given: %s", error)
                    continue
                if dead and (burial is None or burial.done()):
                    # Beside the signs of life: it may have to wait for locks that a dead node's connections still hold.
                    burial = asyncio.create_task(self._bury(dead))
        finally:
            if burial is not None:
                burial.cancel()

    async def leave(self) -> None:
        """Say good-bye: what this node has leased comes due at once."""
        try:
            await self._store.transact(lambda tx: _leave(tx, self._me.id, self._clock.now_ms()))
        except StoreUnavailable as error:
            log.warning("left without a word; the others will notice: %s", error)

    async def _beat(self) -> list[Node]:
        """Give a sign of life; answers who seems to be dead."""
        look = self._beats % (1 + len(self.known) // LISTED_PER_BEAT) == 0
        self._beats += 1
        beat = await self._store.transact(lambda tx: self._refresh(tx, look=look))
        now_ns = monotonic_ns()
        if now_ns - self._beaten_ns > SURE_MS * 1_000_000:
            self._steady_ns = now_ns
        self._beaten_ns = now_ns
        self._set_clock(beat)
        if beat.nodes is None:
            return []
        dead: list[Node] = []
        if now_ns - self._steady_ns >= SURE_MS * 1_000_000:
            dead = [node for node in beat.nodes if node.seen_ms < beat.seen_ms - DEAD_MS]
        self._place([node for node in beat.nodes if node not in dead])
        return dead

    def _refresh(self, tx: Tx, *, look: bool) -> _Beat:
        me = self._me
        before_ms = self._clock.machine_ms()
        row = tx.one(
            Q.beat, id=me.id, address=me.address, version=me.version, schema=me.schema, now=self._clock.now_ms()
        )
        after_ms = self._clock.machine_ms()
        assert row is not None  # noqa: S101 (an upsert answers its row)
        nodes = [Node(*row) for row in tx.all(Q.list_nodes)] if look else None
        return _Beat(int(row[0]), before_ms, after_ms, nodes)

    async def _bury(self, dead: list[Node]) -> None:
        """Take over what nodes had leased that gave no sign of life since they were looked at."""
        for node in dead:
            try:
                leased = await self._store.transact(lambda tx, node=node: self._take_over(tx, node))  # type: ignore[misc]
            except StoreUnavailable as error:
                log.debug("node %s could not be buried yet: %s", node.id, error)
                return
            if leased is not None:
                log.warning("node %s is dead; %d jobs that it had leased are taken over", node.id, leased)

    def _take_over(self, tx: Tx, node: Node) -> int | None:
        # Whoever deletes the row releases the jobs; a node that lives after all makes its row anew.
        if not tx.run(Q.bury_node, id=node.id, seen=node.seen_ms):
            return None
        return _release(tx, node.id, self._clock.now_ms())

    def _set_clock(self, beat: _Beat) -> None:
        """The true offset lies between two bounds; an estimate within them stands, so it settles at the tightest."""
        low, high = beat.seen_ms - beat.after_ms, beat.seen_ms - beat.before_ms
        offset_ms = self._clock.offset_ms
        if self._beats == 1:
            offset_ms = (low + high) // 2
        self._clock.offset_ms = min(max(offset_ms, low), high)
        skewed = abs(self._clock.offset_ms) > SKEW_WARNING_MS
        if skewed and not self._told_skew:
            log.warning(
                "this machine's clock is %d ms %s the database's; the database's counts",
                abs(self._clock.offset_ms), "behind" if self._clock.offset_ms > 0 else "ahead of",
            )  # fmt: skip
        self._told_skew = skewed

    def _place(self, nodes: list[Node]) -> None:
        before, self.known = {node.id for node in self.known}, nodes
        ids = sorted({node.id for node in nodes} | {self._me.id})
        self._neighbours.others = len(ids) - 1
        self._moved(ids.index(self._me.id), len(ids))
        if before != {node.id for node in nodes}:
            self._store.wakes.wake(CHANGED, 0)


def alive(tx: Tx) -> list[Node]:
    """Nodes of a shared store that gave a sign of life lately, by its own clock."""
    return [Node(*row) for row in tx.all(Q.list_alive, dead_ms=DEAD_MS)]


def backlog(tx: Tx, now_ms: int) -> dict[str, Any]:
    """For the status page: jobs that are due, since when the first is, and how many are promised for later."""
    due = tx.one(Q.backlog, now=now_ms, limit=COUNTED_MAX)
    later = tx.one(Q.promised, now=now_ms, limit=COUNTED_MAX)
    assert due is not None  # noqa: S101 (a count)
    assert later is not None  # noqa: S101
    return {
        "jobs_due": due[0], "oldest_due_ms": 0 if due[1] is None else now_ms - due[1], "jobs_promised": later[0]
    }  # fmt: skip


def leases(tx: Tx) -> dict[str, int]:
    """For the status page: how many jobs each node has leased."""
    return {str(row[0]): int(row[1]) for row in tx.all(Q.leases)}


def _leave(tx: Tx, node_id: str, now_ms: int) -> int:
    tx.run(Q.remove_node, id=node_id)
    return _release(tx, node_id, now_ms)


def _release(tx: Tx, node_id: str, now_ms: int) -> int:
    released = tx.run(JOBS.release_jobs, owner=node_id, now=now_ms)
    if released:
        tx.wake(WAKE)
    return released
