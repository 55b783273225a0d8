"""From where on a node looks for jobs that are due.

PostgreSQL keeps index entries of jobs that are done until a vacuum, and for as long as anybody holds a snapshot. Who
looked from the very beginning would walk over all of them. So a node remembers up to where it found nothing. It is a
hint: a job that is committed late, or whose taker fails, may lie below it, and is found by looks from further back.
"""

SLACK_MS = 1_000
"""A job that is committed so long after the instant that it is due at is found at once."""
HEAL_MS = 2_000
"""Shortest pause between two looks from further back: how late a job is begun that was committed later than that."""
HEAL_RANGE_MS = 120_000
"""How far back they go: no operation waits for so long for its commit."""
HEAL_SHARE = 50
"""Such looks take at most one part in so many of the node's time."""
WHOLE_MS = 600_000
"""Between two looks from the beginning, for what no rule foresaw."""


class Floor:
    """The floor of one node; all times are ms since epoch."""

    def __init__(self) -> None:
        self._floor = 0
        self._heal_at = 0
        self._whole_at = 0

    def next_look(self, now_ms: int) -> int:
        """Where the next look is to begin; the beginning is looked at first and now and then."""
        if now_ms >= self._whole_at:
            return 0
        if now_ms >= self._heal_at:
            return max(0, self._floor - HEAL_RANGE_MS)
        return self._floor

    @property
    def value(self) -> int:
        """Where looks begin that need not heal."""
        return self._floor

    def looked(self, began_at: int, now_ms: int, took_ms: int) -> None:
        """A look that began at ``began_at`` is over; it took so long."""
        pause_ms = max(HEAL_MS, took_ms * HEAL_SHARE)
        if began_at == 0:
            self._whole_at = now_ms + max(WHOLE_MS, pause_ms)
        if began_at < self._floor or began_at == 0:
            self._heal_at = now_ms + pause_ms

    def found(self, run_at_ms: int) -> None:
        """The first job lay here: there was none before it."""
        self._floor = run_at_ms - SLACK_MS

    def nothing(self, now_ms: int) -> None:
        """No job was due."""
        self._floor = now_ms - SLACK_MS
