"""Events of a group in the order of their times, read from rows that overlap.

The order is that of FilterLogEvents: by time, then by ingestion (the row's id), then by the place in the put. Rows come
in the order of their oldest events (backward: of their newest); an event may be given out once every row that is not
read yet begins after it. Where one stands is a gap between events (``rules/pages.Place``), not an event: what is
written meanwhile falls on one side of it or the other, and is seen once.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

from waypost.services.logs.limits import (
    EVENTS_PAGE_BYTES_MAX,
    READ_BYTES_MAX,
    READ_ROWS,
    ROW_SPAN_MS_MAX,
    SCANNED_EVENT_BYTES,
    SCANNED_EVENTS_MAX,
    SCANNED_ROWS_MAX,
)
from waypost.services.logs.queries import Q
from waypost.services.logs.rules.names import EVERY, Range
from waypost.services.logs.rules.pages import BEGINNING, LAST_ROW, NEVER_MS, Place
from waypost.services.logs.rules.patterns import Pattern
from waypost.services.logs.rules.rows import size_of, unpack
from waypost.store.store import Row, Tx


class Found(NamedTuple):
    """An event where it lies."""

    at_ms: int
    row: int
    number: int
    message: str
    ingested_ms: int
    stream: str

    @property
    def place(self) -> Place:
        """The gap before it."""
        return Place(self.at_ms, self.row, self.number)


class Span(NamedTuple):
    """Which events are wanted: ``since_ms <= time < until_ms``."""

    since_ms: int
    until_ms: int


class Page(NamedTuple):
    """What a read found, in the order in which it was read."""

    events: list[Found]
    place: Place
    """Where it stopped: the next read goes on there, in the same direction."""
    ended: bool
    """Whether nothing more is there now."""


class Source:
    """The rows of one stream, or of all streams of a group."""

    def __init__(self, group: int, stream: tuple[int, str] | None = None, names: Range = EVERY) -> None:
        """``stream``: its id and name; without one ``names`` says which streams' events are wanted."""
        self._group = group
        self._stream = stream
        self._names = names
        self._after: tuple[int, int] | None = None
        self._limit, self._limit_max = READ_ROWS
        self.horizon: Place | None = None
        """No event of an unread row lies before it (backward: behind it); None: nothing was read yet."""
        self.ended = False

    def read(self, tx: Tx, place: Place, span: Span, *, forward: bool) -> list[Row]:
        """The next rows: first (backward: last) event, id, ingestion, bytes, events or None, name of the stream."""
        # No event beyond the place is in a row that began more than a row's span before it.
        if forward:
            since, row = max(Place(span.since_ms, 0, 0), place)[:2]
            edge = self._after or (since - ROW_SPAN_MS_MAX - 1, LAST_ROW)
            bounds = {"since": since, "since_id": row, "until": span.until_ms}
        else:
            until, row = min(Place(span.until_ms - 1, LAST_ROW, 0), place)[:2]
            edge = self._after or (until + ROW_SPAN_MS_MAX + 1, 0)
            bounds = {"since": span.since_ms, "until": until, "until_id": row}
        bounds |= {"group_id": self._group, "edge": edge[0], "id": edge[1], "limit": self._limit}
        if self._stream is None:
            query = Q.read_group if forward else Q.read_group_back
            rows = tx.all(query, low=self._names.low, high=self._names.high, **bounds)
        else:
            query = Q.read_stream if forward else Q.read_stream_back
            rows = [(*found, self._stream[1]) for found in tx.all(query, stream=self._stream[0], **bounds)]
        if len(rows) < self._limit:
            self.ended = True
        if rows:
            at_ms, row = self._after = rows[-1][:2]
            # The next row is behind this one by these two, and so are its events.
            self.horizon = Place(at_ms, row + forward, 0)
            largest = max(1, sum(found[3] for found in rows) // len(rows))
            self._limit = max(1, min(self._limit * 2, self._limit_max, READ_BYTES_MAX // largest))
        return rows


class _Reader:
    """One read: what is wanted, what was read ahead, and what came out."""

    def __init__(self, span: Span, place: Place, wanted: int, pattern: Pattern | None, *, forward: bool) -> None:
        self._span = span
        self._pattern = pattern
        self._weight = 1 if pattern is None else pattern.weight
        self._wanted = wanted
        self._forward = forward
        self._ahead: list[Found] = []
        self._bytes = self._scanned = self._rows = 0
        self.place = place
        self.events: list[Found] = []
        self.full = False

    def take(self, rows: Sequence[Row]) -> None:
        """Read rows ahead."""
        self._rows += len(rows)
        (since_ms, until_ms), place, forward, pattern = self._span, self.place, self._forward, self._pattern
        for _, row, ingested_ms, size, packed, stream in rows:
            if packed is None:
                continue
            times, messages = unpack(packed)
            self._scanned += (len(times) + size // SCANNED_EVENT_BYTES) * self._weight
            self._ahead += [
                Found(at_ms, row, number, message, ingested_ms, stream)
                for number, (at_ms, message) in enumerate(zip(times, messages, strict=True))
                if since_ms <= at_ms < until_ms
                and ((at_ms, row, number) >= place) == forward
                and (pattern is None or pattern.match(message) is not None)
            ]
        self._ahead.sort(reverse=not forward)

    def give(self, horizon: Place | None) -> None:
        """Give out what comes before every unread row, as far as the page goes."""
        given = 0
        for event in self._ahead:
            if horizon is not None and (event.place < horizon) != self._forward:
                break
            size = size_of(event.message)
            if len(self.events) == self._wanted or (self.events and self._bytes + size > EVENTS_PAGE_BYTES_MAX):
                self.full = True
                break
            self.events.append(event)
            self._bytes += size
            given += 1
            self.place = event.place._replace(number=event.number + 1) if self._forward else event.place
        del self._ahead[:given]
        if not self.full and not self._ahead and horizon is not None:
            # Nothing lies between the last event and the rows that are not read yet.
            self.place = max(self.place, horizon) if self._forward else min(self.place, horizon)

    @property
    def tired(self) -> bool:
        """Whether it has looked at enough."""
        return self._scanned >= SCANNED_EVENTS_MAX or self._rows >= SCANNED_ROWS_MAX


def read(
    tx: Tx, sources: Sequence[Source], span: Span, place: Place, wanted: int, *,
    forward: bool, pattern: Pattern | None = None,
) -> Page:  # fmt: skip
    """A page of events: those after ``place``, or backward those before it, that ``pattern`` takes."""
    reader = _Reader(span, place, wanted, pattern, forward=forward)
    while True:
        unread = [source for source in sources if not source.ended]
        first = next((source for source in unread if source.horizon is None), None)
        if first is None:
            edges = [source.horizon for source in unread if source.horizon is not None]
            horizon = (min(edges) if forward else max(edges)) if edges else None
            reader.give(horizon)
            if reader.full or not unread:
                return Page(reader.events, reader.place, ended=not reader.full)
            if reader.tired and reader.place != place:
                return Page(reader.events, reader.place, ended=False)
            first = next(source for source in unread if source.horizon == horizon)
        reader.take(first.read(tx, place, span, forward=forward))


def start(span: Span, *, forward: bool) -> Place:
    """Where a read without a token begins."""
    return BEGINNING._replace(at_ms=min(max(0, span.since_ms if forward else span.until_ms), NEVER_MS))


def shown(event: Found) -> dict[str, Any]:
    """As GetLogEvents answers it."""
    return {"timestamp": event.at_ms, "message": event.message, "ingestionTime": event.ingested_ms}
