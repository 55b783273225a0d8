"""Wakes: hints that something may have changed. Correctness never depends on one."""

from collections.abc import Callable, Iterable


class Waiter:
    """One parked operation. It waits for several keys and is woken once."""

    __slots__ = ("keys", "notify", "woken")

    def __init__(self, keys: tuple[str, ...], notify: Callable[[], None]) -> None:
        self.keys = keys
        self.notify = notify
        self.woken = False


class Wakes:
    """Who waits for what. Waiters of a key are woken in the order of their arrival."""

    def __init__(self) -> None:
        # Dicts as ordered sets: joining, leaving and waking one cost the same with ten thousand waiters as with one.
        self._waiters: dict[str, dict[Waiter, None]] = {}

    def park(self, keys: tuple[str, ...], notify: Callable[[], None]) -> Waiter:
        """Wait for any of ``keys``: ``notify`` is called once, on the event loop."""
        waiter = Waiter(keys, notify)
        for key in keys:
            self._waiters.setdefault(key, {})[waiter] = None
        return waiter

    def leave(self, waiter: Waiter) -> None:
        """Stop waiting."""
        for key in waiter.keys:
            waiting = self._waiters.get(key)
            if waiting is not None:
                waiting.pop(waiter, None)
                if not waiting:
                    del self._waiters[key]

    def wake(self, key: str, count: int = 1) -> None:
        """Wake the ``count`` longest waiting of ``key``; 0 wakes all."""
        waiting = self._waiters.get(key)
        if waiting is None:
            return
        for waiter in list(waiting)[: count or None] if count != 1 else [next(iter(waiting))]:
            self.leave(waiter)
            waiter.woken = True
            waiter.notify()

    def wake_all(self) -> None:
        """Wake everybody."""
        for key in list(self._waiters):
            self.wake(key, 0)

    def keys(self) -> list[str]:
        """What is waited for."""
        return list(self._waiters)

    def waiting(self, keys: Iterable[str]) -> int:
        """How many waiters there are for ``keys``."""
        return sum(len(self._waiters.get(key, ())) for key in keys)
