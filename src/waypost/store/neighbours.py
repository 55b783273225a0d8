"""Wakes for what waits on the other nodes of the same database. All of it is a hint.

Wakes travel beside the transactions, one notification for all commits of a moment: a NOTIFY inside each transaction
would make all commits of the database wait for one another. One that is lost (a node dies between its commit and the
notification, a connection breaks) is healed by a look at what waits, every second.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterator

import greenlet
import msgspec
import psycopg
from psycopg import errors

from waypost.store.greeting import CONNECT_S
from waypost.store.session import Session
from waypost.store.store import StoreUnavailable
from waypost.store.wake import Wakes

log = logging.getLogger(__name__)

CHANNEL = "waypost"
PAYLOAD_BYTES = 7_000
"""PostgreSQL carries less than 8,000 in one notification."""
PAUSE_S = 0.002
"""Between two notifications of a node, for each node that hears them: what is told meanwhile goes together, and however
many nodes there are, all of them together notify no more than 500 times a second."""
PAUSE_MAX_S = 1.0
"""After so long every node looks for itself."""
RECONNECT_S = 0.5
LOOKS_MAX = 100
"""Keys looked at in one go by the net; with more, each has its turn later."""

_encode = msgspec.json.Encoder().encode


class _Told(msgspec.Struct):
    node: str
    wakes: dict[str, int]


_decode = msgspec.json.Decoder(_Told).decode


class Neighbours:
    """The place of this node among the others."""

    def __init__(self, url: str, node: str, wakes: Wakes, send: Callable[[str], Awaitable[object]]) -> None:
        """``send`` notifies the channel of a payload."""
        self._url = url
        self.node = node
        self._wakes = wakes
        self._send = send
        self.others = 1
        """How many other nodes there are to be told; until that is known, there may be one."""
        self._untold: dict[str, int] = {}
        self._telling: asyncio.Task[None] | None = None
        self._listening: asyncio.Task[None] | None = None
        self._session: Session | None = None
        self._turn: list[str] = []

    def start(self) -> None:
        """Begin to listen."""
        self._listening = asyncio.ensure_future(self._listen())

    @property
    def listening(self) -> bool:
        """Whether notifications arrive."""
        return self._session is not None and self._session.lost is None

    # --- telling

    def tell(self, key: str, count: int) -> None:
        """Have the others wake up to ``count`` (0: all) that wait for ``key``."""
        if self.others:
            before = self._untold.get(key, -1)
            self._untold[key] = 0 if before == 0 or count == 0 else max(before, 0) + count
            if self._telling is None or self._telling.done():
                self._telling = asyncio.ensure_future(self._tell())

    def look(self) -> None:
        """The net: let one waiter of each key look whether it was forgotten. Called every second."""
        if self._session is not None:
            self._session.look()
        if not self._turn:
            self._turn = self._wakes.keys()
        for key in self._turn[:LOOKS_MAX]:
            self._wakes.wake(key)
        del self._turn[:LOOKS_MAX]

    async def _tell(self) -> None:
        while self._untold:
            untold, self._untold = self._untold, {}
            try:
                for part in _parts(untold):
                    await self._send(_encode(_Told(self.node, part)).decode())
            except StoreUnavailable as error:
                log.debug("the neighbours were not told: %s", error)
                return
            await asyncio.sleep(min(PAUSE_S * self.others, PAUSE_MAX_S))

    # --- listening

    async def _listen(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            gone = asyncio.Event()
            try:
                connection = await self._connect()
            except (errors.FeatureNotSupported, errors.SyntaxError) as error:
                log.warning("the database cannot notify, so waits on this node end a second later: %s", error)
                return
            except (psycopg.Error, OSError) as error:
                log.debug("no notifications for now: %s", error)
                await asyncio.sleep(RECONNECT_S)
                continue
            self._session = Session(connection, 0, on_notify=self._hear, on_lost=gone.set)
            self._session.attach(loop, greenlet.getcurrent())
            # Whatever was said while nobody listened: everybody looks, in turn.
            self._turn = self._wakes.keys()
            await gone.wait()

    async def _connect(self) -> psycopg.AsyncConnection:
        connection = await psycopg.AsyncConnection.connect(self._url, autocommit=True)
        try:
            async with asyncio.timeout(CONNECT_S):
                await connection.execute(f"LISTEN {CHANNEL}")
        except BaseException:
            connection.pgconn.finish()
            raise
        return connection

    def _hear(self, payload: bytes) -> None:
        try:
            told = _decode(payload)
        except msgspec.DecodeError:
            return  # not ours
        if told.node == self.node:
            return
        for key, count in told.wakes.items():
            self._wakes.wake(key, count)

    def close_now(self) -> None:
        """Stop listening."""
        for task in (self._telling, self._listening):
            if task is not None:
                task.cancel()
        if self._session is not None:
            self._session.close()


def _parts(wakes: dict[str, int]) -> Iterator[dict[str, int]]:
    """Wakes in parts that fit into a notification."""
    part: dict[str, int] = {}
    size = 0
    for key, count in wakes.items():
        if part and size + len(key) * 6 > PAYLOAD_BYTES:
            yield part
            part, size = {}, 0
        part[key] = count
        size += len(key) + 12
    yield part
