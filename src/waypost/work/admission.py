"""Room for outside calls, shared so that an endpoint that is slow or dead leaves enough of it to the others."""

from waypost.clock import Clock

CALLS_MAX = 600
"""Calls under way at once on this node, to all endpoints together."""
WELL_PART = 2
"""An endpoint that answers may hold one part in so many of what is free: alone it never gets more than a third."""
UNKNOWN_PART = 32
"""The same for one that did not answer the last time, or was never asked."""
UNKNOWN_MAX = CALLS_MAX // 2
"""All of those together."""
LANES_MAX = 10_000
"""Endpoints that are remembered for having answered."""
PAUSE_MS = (50, 20_000)
"""Least and most that a call without room is sent away for."""
TURN_MS = 100
"""What a call is taken to last before one was seen."""


class _Lane:
    """What goes to one endpoint."""

    __slots__ = ("held", "lasts_ms", "turn_ms", "well")

    def __init__(self) -> None:
        self.held = 0
        self.well = False
        self.lasts_ms = float(TURN_MS)
        """How long a call takes, as a moving mean."""
        self.turn_ms = 0.0
        """When the last call that was sent away should find room."""


class Admission:
    """Who may begin a call now, and when the others should ask again."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lanes: dict[str, _Lane] = {}
        self._held = 0
        self._unknown = 0
        """Of those held, to endpoints that were not known to answer."""

    @property
    def held(self) -> int:
        """Calls under way."""
        return self._held

    def enter(self, name: str) -> int:
        """Take room for a call to an endpoint: 0, or the ms after which to ask again."""
        lane = self._lanes.get(name)
        if lane is None:
            lane = self._lanes[name] = _Lane()
        if not self._has_room(lane):
            return self._turn(lane)
        lane.held += 1
        self._held += 1
        self._unknown += not lane.well
        return 0

    def _has_room(self, lane: _Lane) -> bool:
        free = CALLS_MAX - self._held
        if free <= 0 or (not lane.well and self._unknown >= UNKNOWN_MAX):
            return False
        return lane.held < max(1, free // (WELL_PART if lane.well else UNKNOWN_PART))

    def _turn(self, lane: _Lane) -> int:
        """Each that is sent away gets a turn of its own, at the pace at which the endpoint makes room."""
        now_ms = self._clock.now_ms()
        lane.turn_ms = max(lane.turn_ms, now_ms) + lane.lasts_ms / max(1, lane.held)
        least_ms, most_ms = PAUSE_MS
        lane.turn_ms = min(lane.turn_ms, now_ms + most_ms)
        return max(least_ms, round(lane.turn_ms - now_ms))

    def leave(self, name: str, *, well: bool, lasted_ms: float) -> None:
        """Give the room back. ``well``: the endpoint answered, whatever it said."""
        lane = self._lanes[name]
        lane.lasts_ms += (lasted_ms - lane.lasts_ms) / 8
        # All that is under way counts by what is known now.
        self._unknown -= lane.held * (not lane.well)
        lane.held -= 1
        self._held -= 1
        lane.well = well
        self._unknown += lane.held * (not well)
        if not lane.held and (not well or len(self._lanes) > LANES_MAX):
            del self._lanes[name]
