"""All execution environments of this host: which call runs where, when to start another, when to let one go."""

import asyncio
import logging
import os
from collections import deque
from collections.abc import Callable
from functools import partial
from pathlib import Path

from waypost.clock import Alarm, Clock
from waypost.ids import Ids
from waypost.runtimes import documents
from waypost.runtimes.code import CodeFolder, CodeRefused, CodeStore, remove_tree
from waypost.runtimes.environment import Environment, Invocation, LogSink, Place, State
from waypost.runtimes.interpreters import Interpreters, Parts, launch, link_packages
from waypost.runtimes.invocation import (
    FunctionCall,
    FunctionOutcome,
    FunctionSpec,
    FunctionThrottled,
    ReservationThrottled,
    RuntimeMissing,
)
from waypost.runtimes.process import DeadManSwitch, raise_open_files

log = logging.getLogger(__name__)

INIT_FAILURE = "FUNCTION_ERROR_INIT_FAILURE"
"""AWS's word for a version of which no environment can be kept, because its start fails."""


class Fleet:
    """The environments of one revision of one function version, and the calls that wait for one."""

    def __init__(self, spec: FunctionSpec) -> None:
        self.spec = spec
        self.idle: list[Environment] = []
        """The most recently used last."""
        self.waiting: deque[Invocation] = deque()
        """The oldest first."""
        self.queued = 0
        """Starts that wait for their turn."""
        self.starting = 0
        self.busy = 0
        self.retired = False
        self.reserves = False
        """Whether its function has concurrency of its own, as far as the last call knew."""

    @property
    def at_work(self) -> int:
        """Calls under way or waiting."""
        return self.busy + len(self.waiting)

    @property
    def size(self) -> int:
        """Environments that there are or will be."""
        return len(self.idle) + self.busy + self.starting + self.queued

    @property
    def empty(self) -> bool:
        """Nothing runs, nothing waits."""
        return not (self.idle or self.waiting or self.queued or self.starting or self.busy)


class Kept:
    """What is kept warm of one version of a function: AWS's provisioned concurrency."""

    def __init__(self, call: FunctionCall, count: int) -> None:
        self.call = call
        """With whose credentials environments start."""
        self.count = count
        self.failure = ""
        """Why there are fewer; nothing more is started until somebody asks anew."""


class Runtimes:
    """Runs functions. Warm environments are reused, most recently used first; idle ones end after ``idle_s``."""

    def __init__(
        self,
        *,
        folder: Path,
        code: CodeStore,
        clock: Clock,
        ids: Ids,
        environments_max: int,
        idle_s: int,
        runtimes_dir: Path,
        log: LogSink,
    ) -> None:
        """``folder`` is the data folder; ``runtimes_dir`` holds what ``runtimes.install`` put there."""
        folder = folder.resolve()
        self._clock = clock
        self._environments_max = environments_max
        self._idle_ms = idle_s * 1000
        self._interpreters = Interpreters(runtimes_dir)
        self._node_modules = runtimes_dir.resolve() / "nodejs/node_modules"
        self._code = CodeFolder(folder / "code", code, clock, self._node_modules)
        self._folder = folder / "environments"
        self._packages = self._folder / "python-packages"
        self._place = Place(clock, ids, log, DeadManSwitch(), self._folder)
        self._fleets: dict[tuple[str, str, str], Fleet] = {}
        self._current: dict[tuple[str, str], str] = {}
        """The revision last seen of each function version."""
        self._kept: dict[tuple[str, str], Kept] = {}
        """What is kept warm, by function and version."""
        self._live: dict[Environment, Fleet] = {}
        """All environments that are starting, idle or busy."""
        self._idle: dict[Environment, None] = {}
        """All idle ones, the least recently used first."""
        self._processes: set[Environment] = set()
        """All environments whose process may be alive."""
        self._queue: deque[Fleet] = deque()
        """Starts that wait for their turn: no more at once than the host has processors."""
        self._starts_max = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
        self._starting = 0
        self._tasks: set[asyncio.Task[None]] = set()
        self._alarm: Alarm | None = None
        """Rings when the least recently used environment has been idle for too long."""
        self._opened = False
        self._closing = False
        self._changed = asyncio.Event()
        """Set when an environment has become ready or free, or is gone."""

    # --- counters

    @property
    def environments(self) -> int:
        """Environments that exist or are about to."""
        return len(self._live) + len(self._queue)

    @property
    def busy(self) -> int:
        """Calls under way or waiting."""
        return sum(fleet.at_work for fleet in self._fleets.values())

    # --- calls

    def missing(self, runtime: str) -> str | None:
        """Why this host cannot run a runtime; None where it can."""
        try:
            self._interpreters.of(runtime)
        except RuntimeMissing as missing:
            return str(missing)
        return None

    async def invoke(self, call: FunctionCall) -> FunctionOutcome:
        """Run a function once.

        Raises ``FunctionThrottled`` where all environments of the host are busy or the server stops, and
        ``RuntimeMissing``. A caller that stops waiting does not stop the function.
        """
        if self._closing:
            raise FunctionThrottled("the server is stopping")
        spec = call.spec
        fleet = self._fleet(spec)
        if not fleet.idle and not self._is_prepared(spec):
            try:
                await self._prepare(spec)
            except CodeRefused as refused:
                return FunctionOutcome(documents.error_document("InvalidZipFileException", str(refused)), "Unhandled")
            if self._closing:
                raise FunctionThrottled("the server is stopping")
            fleet = self._fleet(spec)
        self._check_limits(fleet, call)
        self._follow(call)
        invocation = Invocation(call, asyncio.get_running_loop().create_future())
        if fleet.idle:
            self._run(fleet.idle[-1], invocation)
        else:
            self._wait(fleet, invocation)
        return await invocation.outcome

    def _check_limits(self, fleet: Fleet, call: FunctionCall) -> None:
        """Raise where a call is one more than its function, or its account, may have under way."""
        fleet.reserves = call.reserved is not None
        spec = call.spec
        if call.reserved is not None:
            at_work = sum(other.at_work for other in self._fleets.values() if other.spec.arn == spec.arn)
            if at_work >= call.reserved:
                self._forget_empty(fleet)
                raise ReservationThrottled(f"{call.reserved} invocations of {spec.arn} are reserved on this node")
        elif call.unreserved is not None and self.environments >= call.unreserved:
            at_work = sum(
                other.at_work
                for other in self._fleets.values()
                if (other.spec.account, other.spec.region) == (spec.account, spec.region) and not other.reserves
            )
            if at_work >= call.unreserved:
                self._forget_empty(fleet)
                raise FunctionThrottled(f"{call.unreserved} invocations are what the account may have under way")

    async def _prepare(self, spec: FunctionSpec) -> None:
        """What comes before a first start and takes its time: find the interpreter, unpack the code."""
        if not self._interpreters.known(spec.runtime):
            await asyncio.to_thread(self._interpreters.of, spec.runtime)
        await self._code.of(spec.code_sha256)
        if spec.layers:
            await self._code.of(*spec.layers)

    def _is_prepared(self, spec: FunctionSpec) -> bool:
        known = self._interpreters.known(spec.runtime) and self._code.ready(spec.code_sha256) is not None
        return known and (not spec.layers or self._code.ready(*spec.layers) is not None)

    def _fleet(self, spec: FunctionSpec) -> Fleet:
        """The fleet of a spec; one of another revision of the same version is retired."""
        version = (spec.arn, spec.version)
        current = self._current.get(version)
        if current != spec.revision:
            if current is not None:
                self._retire(self._fleets[*version, current])
            self._current[version] = spec.revision
        fleet = self._fleets.get((*version, spec.revision))
        if fleet is None or fleet.retired:
            fleet = self._fleets[*version, spec.revision] = Fleet(spec)
        return fleet

    def _run(self, environment: Environment, invocation: Invocation) -> None:
        fleet = self._live[environment]
        fleet.idle.remove(environment)
        del self._idle[environment]
        fleet.busy += 1
        environment.invoke(invocation)

    def _wait(self, fleet: Fleet, invocation: Invocation) -> None:
        """Let a call wait for the next environment; start another unless enough of them are on their way."""
        if fleet.queued + fleet.starting <= len(fleet.waiting):
            if not self._make_room():
                self._forget_empty(fleet)
                raise FunctionThrottled(f"all {self._environments_max} function environments of this host are busy")
            fleet.queued += 1
            self._queue.append(fleet)
        fleet.waiting.append(invocation)
        self._start_queued()

    def _make_room(self) -> bool:
        """Whether another environment may start: if need be, in place of the one that was idle for longest."""
        if self.environments >= self._environments_max:
            oldest = next((found for found in self._idle if not self._is_kept(found)), None)
            if oldest is None:
                return False
            self._drop(oldest)
        return True

    # --- starts

    def _start_queued(self) -> None:
        while self._queue and self._starting < self._starts_max:
            fleet = self._queue.popleft()
            fleet.queued -= 1
            kept = self._kept_of(fleet)
            # An environment that became free in the meantime may have taken the call.
            if fleet.starting < len(fleet.waiting) or (kept is not None and fleet.size < kept.count):
                self._starting += 1
                fleet.starting += 1
                call = fleet.waiting[0].call if fleet.waiting or kept is None else kept.call
                self._start(fleet, call, None)
            else:
                self._forget_empty(fleet)

    def _start(self, fleet: Fleet, call: FunctionCall, first: Invocation | None) -> None:
        environment = Environment(fleet.spec, self._place, self)
        environment.first = first
        environment.provisioned = self._kept_of(fleet) is not None
        self._live[environment] = fleet
        self._processes.add(environment)
        task = asyncio.ensure_future(self._launch(environment, call))
        self._tasks.add(task)
        task.add_done_callback(partial(self._launched, environment))

    def _launched(self, environment: Environment, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if task.cancelled():  # perhaps before it began
            self._start_lost(environment, FunctionThrottled(_STOPPED))

    async def _launch(self, environment: Environment, call: FunctionCall) -> None:
        spec = environment.spec
        try:
            self._open()
            code = await self._code.of(spec.code_sha256)
            interpreter = self._interpreters.of(spec.runtime)
            opt = await self._code.of(*spec.layers) if spec.layers else None
            parts = Parts(code=code, packages=self._packages, node_modules=self._node_modules, opt=opt)
            how = launch(interpreter, spec, parts)
            await environment.start(how, code, call)
        except OSError as error:
            log.warning("cannot start an environment for %s: %s", spec.arn, error)
            self._start_lost(environment, FunctionThrottled(f"this host cannot start another environment: {error}"))
        except Exception as error:  # noqa: BLE001 (whoever waits must hear of it)
            self._start_lost(environment, error)

    def _start_lost(self, environment: Environment, error: Exception) -> None:
        """There will be no process."""
        self._processes.discard(environment)
        invocation = environment.first or self._next_waiting(environment)
        if invocation is not None and not invocation.outcome.done():
            invocation.outcome.set_exception(error)
        elif invocation is None:
            self._not_kept(environment, str(error))
        self._leave(environment)

    def _next_waiting(self, environment: Environment) -> Invocation | None:
        waiting = self._live[environment].waiting
        return waiting.popleft() if waiting else None

    def _open(self) -> None:
        """Before the first start: drop what an earlier server left, lay out what functions may import."""
        if not self._opened:
            remove_tree(self._folder)
            self._folder.mkdir(parents=True)
            link_packages(self._packages)
            raise_open_files()
            self._opened = True

    # --- what environments tell

    def ready(self, environment: Environment) -> None:
        """Started: take a call, if one still waits."""
        fleet = self._live[environment]
        fleet.starting -= 1
        self._starting -= 1
        self._offer(environment, fleet)
        self._start_queued()
        self._changed.set()

    def free(self, environment: Environment) -> None:
        """Done with a call: take the next."""
        fleet = self._live[environment]
        fleet.busy -= 1
        self._offer(environment, fleet)
        self._changed.set()

    def _offer(self, environment: Environment, fleet: Fleet) -> None:
        if fleet.waiting:
            fleet.busy += 1
            environment.invoke(fleet.waiting.popleft())
            return
        fleet.idle.append(environment)
        self._idle[environment] = None
        environment.idle_since_ms = self._clock.now_ms()
        if fleet.retired or self._closing:
            self._drop(environment)
        elif self._alarm is None:
            self._alarm = self._clock.call_at(environment.idle_since_ms + self._idle_ms, self._reap)

    def failed(self, environment: Environment) -> None:
        """A start went wrong: that is the answer to the call that waits for longest."""
        if environment.first is None:
            invocation = self._next_waiting(environment)
            fleet = self._live[environment]
            if invocation is not None and environment.init_timed_out:
                fleet.busy += 1
                self._start(fleet, invocation.call, invocation)
            elif invocation is not None:
                environment.fail(invocation)
            else:
                self._not_kept(environment, INIT_FAILURE)
        self._leave(environment)

    def ended(self, environment: Environment) -> None:
        """An environment died, or was killed for its timeout; its call has its answer."""
        fleet = self._live[environment]
        if environment in self._idle:
            del self._idle[environment]
            fleet.idle.remove(environment)
        else:
            fleet.busy -= 1
        del self._live[environment]
        self._forget_empty(fleet)
        self._top_up((fleet.spec.arn, fleet.spec.version))
        self._changed.set()

    def gone(self, environment: Environment) -> None:
        """The process is dead."""
        self._processes.discard(environment)
        self._changed.set()

    def _leave(self, environment: Environment) -> None:
        """Take an environment that did not get ready out of the books."""
        fleet = self._live.pop(environment)
        if environment.first is None:
            fleet.starting -= 1
            self._starting -= 1
        else:
            fleet.busy -= 1
        self._start_queued()
        self._forget_empty(fleet)
        self._changed.set()

    # --- the end of environments

    def _drop(self, environment: Environment) -> None:
        """End an idle environment."""
        fleet = self._live.pop(environment)
        fleet.idle.remove(environment)
        del self._idle[environment]
        environment.stop()
        self._forget_empty(fleet)

    def _reap(self) -> None:
        """End what has been idle for too long; set the alarm for the next."""
        self._alarm = None
        now_ms = self._clock.now_ms()
        for oldest in list(self._idle):
            end_ms = oldest.idle_since_ms + self._idle_ms
            if end_ms > now_ms:
                self._alarm = self._clock.call_at(end_ms, self._reap)
                return
            if not self._is_kept(oldest):
                self._drop(oldest)

    # --- what is kept warm

    async def keep(self, call: FunctionCall, count: int) -> None:
        """Keep so many environments of a version started, whether anybody calls or not.

        ``call`` gives the credentials of those that start. Returns once they are ready, or once it is clear that they
        will not be; ``kept`` tells.
        """
        key = (call.spec.arn, call.spec.version)
        known = self._kept.get(key)
        if known is not None and (known.count, known.call.spec.revision) == (count, call.spec.revision):
            known.failure = ""  # asked anew: what is missing is tried anew
            self._top_up(key)
            return
        kept = self._kept[key] = Kept(call, count)
        try:
            await self._prepare(call.spec)
        except (CodeRefused, RuntimeMissing) as missing:
            kept.failure = str(missing)
        self._top_up(key)
        while self._kept.get(key) is kept and not kept.failure and not self._closing:
            if self.kept(*key)[1] == count:
                break
            self._changed.clear()
            await self._changed.wait()

    def let_go(self, arn: str, version: str) -> None:
        """Keep no more of a version than what is called; the rest ends once it has been idle for too long."""
        if self._kept.pop((arn, version), None) is not None and self._alarm is None:
            self._reap()
        self._changed.set()

    def kept(self, arn: str, version: str) -> tuple[int, int, str]:
        """How many environments of a version are to be kept, how many of them are ready, and why not more."""
        kept = self._kept.get((arn, version))
        if kept is None:
            return 0, 0, ""
        fleet = self._fleets.get((arn, version, kept.call.spec.revision))
        ready = 0 if fleet is None else len(fleet.idle) + fleet.busy
        return kept.count, min(ready, kept.count), kept.failure

    def _top_up(self, key: tuple[str, str]) -> None:
        """Start what is missing of a version that is kept."""
        kept = self._kept.get(key)
        if kept is None or kept.failure or self._closing:
            return
        fleet = self._fleet(kept.call.spec)
        while fleet.size < kept.count:
            if not self._make_room():
                kept.failure = f"all {self._environments_max} function environments of this host are busy"
                break
            fleet.queued += 1
            self._queue.append(fleet)
        self._start_queued()
        self._forget_empty(fleet)

    def _follow(self, call: FunctionCall) -> None:
        """What is kept goes on with the credentials of the newest call."""
        key = (call.spec.arn, call.spec.version)
        kept = self._kept.get(key)
        if kept is not None and kept.call.spec.revision != call.spec.revision:
            self._kept[key] = Kept(call, kept.count)
            self._top_up(key)

    def _kept_of(self, fleet: Fleet) -> Kept | None:
        """What is kept of a fleet's version, unless the fleet is an older one."""
        kept = self._kept.get((fleet.spec.arn, fleet.spec.version))
        return kept if kept is not None and kept.call.spec.revision == fleet.spec.revision else None

    def _is_kept(self, environment: Environment) -> bool:
        """Whether one less would be too few."""
        fleet = self._live[environment]
        kept = self._kept_of(fleet)
        return kept is not None and not fleet.retired and fleet.size <= kept.count

    def _not_kept(self, environment: Environment, failure: str) -> None:
        kept = self._kept_of(self._live[environment])
        if kept is not None:
            kept.failure = failure
            self._changed.set()

    def retire(self, arn: str, version: str | None = None) -> None:
        """Forget the environments of a function, or of one version: idle ones end now, busy ones when they are done."""
        for kept in [kept for kept in self._kept if kept[0] == arn and version in (None, kept[1])]:
            del self._kept[kept]
        self._changed.set()
        for fleet in [fleet for key, fleet in self._fleets.items() if key[0] == arn and version in (None, key[1])]:
            self._retire(fleet)

    def retire_all(self) -> None:
        """Forget all environments."""
        self._kept.clear()
        for fleet in list(self._fleets.values()):
            self._retire(fleet)

    def _retire(self, fleet: Fleet) -> None:
        fleet.retired = True
        for environment in list(fleet.idle):
            self._drop(environment)
        self._forget_empty(fleet)

    def _forget_empty(self, fleet: Fleet) -> None:
        key = (fleet.spec.arn, fleet.spec.version, fleet.spec.revision)
        if fleet.empty and self._fleets.get(key) is fleet:
            del self._fleets[key]
            if self._current.get(key[:2]) == key[2]:
                del self._current[key[:2]]

    async def close(self, grace_s: float) -> None:
        """Take no more calls; give those under way ``grace_s`` to end, then end everything."""
        self._closing = True
        self._changed.set()
        for environment in list(self._idle):
            self._drop(environment)
        await self._until(lambda: not self.busy, grace_s)
        stopped = FunctionThrottled(_STOPPED)
        self._send_away(stopped)
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for environment in [found for found in self._live if found.state is State.STARTING]:
            environment.stop(stopped)
            self._leave(environment)
        for environment in list(self._processes):
            environment.stop(stopped)
        self._live.clear()
        await self._until(lambda: not self._processes, _KILL_S)
        if self._alarm is not None:
            self._alarm.cancel()
        self._place.switch.close()
        if self._opened:
            remove_tree(self._folder)

    def _send_away(self, stopped: FunctionThrottled) -> None:
        """Answer the calls that wait, and take back the starts that wait for their turn."""
        for fleet in self._fleets.values():
            while fleet.waiting:
                invocation = fleet.waiting.popleft()
                if not invocation.outcome.done():
                    invocation.outcome.set_exception(stopped)
        while self._queue:
            fleet = self._queue.popleft()
            fleet.queued -= 1
            self._forget_empty(fleet)

    async def _until(self, reached: Callable[[], bool], within_s: float) -> None:
        """Wait for something that comes with a change of environments, but not for longer than so many seconds."""
        over = False

        def stop_waiting() -> None:
            nonlocal over
            over = True
            self._changed.set()

        alarm = self._clock.call_at(self._clock.now_ms() + int(within_s * 1000), stop_waiting)
        while not over and not reached():
            self._changed.clear()
            await self._changed.wait()
        alarm.cancel()


_STOPPED = "the server stopped before the function was done"
_KILL_S = 5
"""How long the kernel may take to end killed processes."""
