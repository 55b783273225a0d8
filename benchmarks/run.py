"""``python -m benchmarks``: start the servers one after the other, measure, print a table, keep JSON."""

import argparse
import asyncio
import shutil
import sys
import tempfile
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from statistics import median
from typing import Any

import uvloop

from benchmarks import machine, queues, report, scenarios, topics
from benchmarks.database import Database, PostgresMissing
from benchmarks.postgres import OnPostgres
from benchmarks.scenarios import Figures, Load
from benchmarks.servers import FLOOR, HERE, MINISTACK, MOTO, WAYPOST, WAYPOST_POSTGRES, Kind, Running

SCENARIOS = (
    "start", "sqs", "batch", "fifo", "groups", "fan_out", "receives", "states", "callback", "invoke", "mapping",
    "backlog", "counts", "parked", "nodes", "wake", "take_over",
)  # fmt: skip
OURS = (WAYPOST, WAYPOST_POSTGRES)
KINDS = (*OURS, MINISTACK, MOTO)
SCENARIO_LIMIT_S = 90.0
PEER_FILL_S = 25.0
BUSY = 0.5
"""Load average before the run above which the report says so."""


class Run:
    """One run of the benchmark: what is asked for and what was found."""

    def __init__(self, only: Sequence[str], load: Load, folder: Path, starts: int) -> None:
        self.only = only
        self.load = load
        self.folder = folder
        self.starts = starts
        self.results: report.Results = {}
        self.notes: dict[str, dict[str, str]] = {}
        """Server > scenario > why figures are missing."""
        self.remarks: list[str] = []
        """What figures mean, for the end of the report."""
        self.database: dict[str, Any] = {}
        """The PostgreSQL that was measured."""
        self.floors: list[Figures] = []
        self._floor: Running | None = None

    async def measure(
        self, server: Running, scenario: str, work: Callable[[], Awaitable[Figures]], limit_s: float = 0
    ) -> None:
        """Do one scenario; what goes wrong is noted, and the run goes on."""
        name = server.kind.name
        if scenario not in self.only:
            return
        print(f"  {name}: {scenario} ...", file=sys.stderr, flush=True)
        try:
            found = await asyncio.wait_for(work(), limit_s or max(SCENARIO_LIMIT_S, self.load.fill_seconds * 2))
        except Exception as error:  # noqa: BLE001 (a server that fails is a finding)
            self.notes.setdefault(name, {})[scenario] = f"failed: {type(error).__name__} {error}"[:500]
            server.disconnect()
        else:
            self.results.setdefault(name, {}).update(found)

    async def floor(self) -> Running:
        """The floor, which runs throughout: it costs nothing while nobody asks."""
        if self._floor is None:
            self._floor = await Running(FLOOR, self.folder / "floor").start()
        return self._floor

    async def beside_floor(self, server: Running, url: str, name: str) -> Figures:
        """The SQS cycle, in turns with the floor."""
        figures, floor = await scenarios.beside_floor(server, await self.floor(), self.load, url, name)
        self.floors.append(floor)
        self.results["floor"] = {key: median(one[key] for one in self.floors) for key in floor}
        return figures

    async def server(self, kind: Kind) -> None:
        """Everything that one server is measured on."""
        if kind is WAYPOST_POSTGRES:
            await self._postgres()
            return
        self.results.setdefault(kind.name, {})
        await asyncio.to_thread(kind.ready)
        for number in range(self.starts if "start" in self.only else 0):
            await self._start_only(kind, self.folder / f"{kind.name}-start-{number}")
        for key in ("start.empty_s", "memory.empty_mb"):
            taken = self._starts.pop(key, [])
            if taken:
                self.results[kind.name][key] = median(taken)
        server = await Running(kind, self.folder / kind.name).start()
        try:
            if kind is MOTO:
                await (await server.connections(1))[0].call(scenarios.configure_moto(server))
            await self._scenarios(server)
            if kind is WAYPOST and "backlog" in self.only:
                await self._restart_full(server)
        finally:
            await server.stop()

    async def _postgres(self) -> None:
        """Where there is a PostgreSQL to start."""
        try:
            database = await asyncio.to_thread(Database)
        except PostgresMissing as missing:
            self.notes.setdefault(WAYPOST_POSTGRES.name, {})["server"] = f"skipped: {missing}"
            return
        try:
            self.database = database.describe()
            await OnPostgres(self, database).measure()
        finally:
            await asyncio.to_thread(database.close)

    _starts: dict[str, list[float]] = {}  # noqa: RUF012 (emptied by its only reader)

    async def _start_only(self, kind: Kind, folder: Path) -> None:
        server = await Running(kind, folder).start()
        self._starts.setdefault("start.empty_s", []).append(server.start_s)
        memory = await self.idle_memory_mb(server)
        if memory is not None:
            self._starts.setdefault("memory.empty_mb", []).append(memory)
        await server.stop()
        shutil.rmtree(folder, ignore_errors=True)

    async def _scenarios(self, server: Running) -> None:
        load = self.load

        async def empty_queue() -> Figures:
            url = await scenarios.make_queue(server, "bench")
            return await self.beside_floor(server, url, "sqs")

        await self.measure(server, "sqs", empty_queue)

        async def states() -> Figures:
            machine = await scenarios.make_ten_pass(server)
            figures = await scenarios.ten_pass(server, load, machine, load.seconds)
            return figures | await scenarios.ten_pass_alone(server, load, machine)

        async def callback() -> Figures:
            made = await scenarios.make_callback(server)
            figures = await scenarios.callback_alone(server, load, made)
            if server.kind is WAYPOST:
                figures |= await scenarios.callbacks(server, load, made, load.seconds)
            return figures

        async def batch() -> Figures:
            url = await scenarios.make_queue(server, "batch")
            return await scenarios.batches(server, load, url)

        if server.kind is WAYPOST:
            await self.measure(server, "batch", batch)
            await self.measure(server, "groups", lambda: queues.fifo_groups(server, load))
        await self.measure(server, "fifo", lambda: queues.fifo(server, load))
        await self.measure(server, "fan_out", lambda: self.fan_out(server))
        await self.measure(server, "states", states)
        await self.measure(server, "callback", callback)
        if server.kind is MOTO:
            why = "moto runs functions in Docker containers only"
            left_out = {scenario: why for scenario in ("invoke", "mapping") if scenario in self.only}
            self.notes.setdefault("moto", {}).update(left_out)
        else:
            await self.measure(server, "invoke", lambda: scenarios.invoke(server, load))
            await self.measure(server, "mapping", lambda: scenarios.mapping(server, load))
        await self.measure(server, "backlog", lambda: self._backlog(server))
        await self.measure(server, "receives", lambda: self._receives(server))
        if server.kind is WAYPOST:
            await self.measure(server, "counts", lambda: self._counts(server))
        await self.measure(server, "parked", lambda: queues.parked(server, load))

    async def fan_out(self, server: Running) -> Figures:
        """One message to ten queues, in turns with the floor; then everything must be there."""
        fans, works = await topics.variants(server, self.load)
        bare = await self.floor()
        turns = 1 if server.kind is MOTO else self.load.turns
        *found, floors = await scenarios.in_turns(turns, *works, lambda: scenarios.floor(bare, self.load))
        for fan in fans:
            await fan.check()
        figures: Figures = {}
        for rounds in found:
            name = next(iter(rounds[0])).removesuffix(".per_s")
            rate = scenarios.share(rounds, floors, f"{name}.per_s", "http.requests_per_s")
            figures |= scenarios.medians(rounds) | {f"{name}.of_floor": rate}
        return figures

    async def _receives(self, server: Running) -> Figures:
        """Of a peer, which fills slowly, from the backlog that it has; ours is longer than it need be here."""
        ours = server.kind is WAYPOST
        url = await scenarios.make_queue(server, "receives" if ours else "backlog")
        return await queues.receives(server, self.load, url, self.load.fill_seconds if ours else PEER_FILL_S)

    async def _counts(self, server: Running) -> Figures:
        """GetQueueAttributes with as many waiting as the backlog has, and with none."""
        url = await scenarios.make_queue(server, "backlog")
        count = self.load.backlogs[-1]
        if "backlog" not in self.only:
            await scenarios.fill(server, self.load, url, count, self.load.fill_seconds)
        return await queues.counts(server, self.load, url, count)

    async def _backlog(self, server: Running) -> Figures:
        """The cycle with many messages waiting in the same queue."""
        url = await scenarios.make_queue(server, "backlog")
        figures: Figures = {}
        waiting = 0
        ours = server.kind is WAYPOST
        for count in self.load.backlogs if ours else self.load.backlogs[:1]:
            seconds = self.load.fill_seconds if ours else PEER_FILL_S
            sent, figures["fill.messages_per_s"] = await scenarios.fill(
                server, self.load, url, count - waiting, seconds
            )
            waiting += sent
            if waiting < count:
                note = f"skipped with {count:,}: only {waiting:,} were taken in {seconds:.0f} s"
                self.notes.setdefault(server.kind.name, {})["backlog"] = note
                break
            figures |= await self.beside_floor(server, url, f"sqs_{count}")
        if not ours and len(self.load.backlogs) > 1:
            self.notes.setdefault(server.kind.name, {}).setdefault(
                "backlog of 1,000,000", "not tried, for want of time and memory"
            )
        return figures

    async def _restart_full(self, server: Running) -> None:
        """Start again on the folder that holds the backlog."""
        stored = self.load.backlogs[-1]
        await server.stop()
        started, used = [], []
        for _ in range(self.starts):
            await server.start()
            started.append(server.start_s)
            memory = await self.idle_memory_mb(server)
            used.extend([memory] if memory is not None else [])
            await server.stop()
        figures = self.results["waypost"]
        figures[f"start.{stored}_s"] = median(started)
        if used:
            figures[f"memory.{stored}_mb"] = median(used)

    async def idle_memory_mb(self, server: Running) -> float | None:
        """After start-up has settled."""
        await asyncio.sleep(0.5)
        return server.memory_mb()

    async def close(self) -> None:
        """Stop what runs throughout."""
        if self._floor is not None:
            await self._floor.stop()


async def run(arguments: argparse.Namespace) -> int:
    """The whole benchmark; answers the exit code."""
    load = Load(quick=arguments.quick)
    queues.raise_open_files()
    kinds = {kind.name: kind for kind in KINDS}
    names = arguments.servers or [kind.name for kind in (OURS if arguments.quick else KINDS)]
    parent = Path(arguments.folder) if arguments.folder else HERE / "results"
    parent.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix="run-", dir=parent))
    bench = Run(arguments.only or SCENARIOS, load, folder, 1 if arguments.quick else 3)
    try:
        described = machine.describe(folder)
        for name in names:
            try:
                await bench.server(kinds[name])
            except Exception as error:  # noqa: BLE001 (a server that does not start is a finding)
                bench.notes.setdefault(name, {})["server"] = f"{type(error).__name__} {error}"[-1000:]
    finally:
        await bench.close()
        if not arguments.keep:
            shutil.rmtree(folder, ignore_errors=True)
    report.derive(bench.results)
    met = report.verdicts(bench.results)
    document: dict[str, Any] = {
        "machine": described,
        "versions": {name: kinds[name].version() for name in names},
        "quick": arguments.quick,
        "results": bench.results,
        "notes": bench.notes,
        "remarks": bench.remarks,
        "postgresql": bench.database,
        "met": met,
    }
    print(", ".join(f"{name} {value}" for name, value in described.items()))
    print(", ".join(f"{name} {value}" for name, value in document["versions"].items()))
    if bench.database:
        print("PostgreSQL: " + ", ".join(f"{name} {value}" for name, value in bench.database.items()))
    if described["load_average"] > BUSY:
        print("The machine was busy with other things: every figure is worse than it need be.")
    if arguments.quick:
        print("A quick run: it shows that everything works, its figures mean nothing.")
    print("\n" + report.table(bench.results, bench.notes))
    print("".join(f"\n{remark}" for remark in bench.remarks))
    written = report.write(Path(arguments.json) if arguments.json else HERE / "results", document)
    print(f"\n{written}")
    ours_failed = any(
        "skipped" not in note for kind in OURS if kind.name in names for note in bench.notes.get(kind.name, {}).values()
    )
    missed = arguments.check and any(value is False for value in met.values())
    return 1 if ours_failed or missed else 0


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument(
        "--quick", action="store_true", help="tiny sizes, Waypost and the floor only: shows that it works"
    )
    parser.add_argument("--servers", nargs="+", choices=[kind.name for kind in KINDS], help="default: all")
    parser.add_argument("--only", nargs="+", choices=SCENARIOS, help="default: all")
    parser.add_argument("--folder", help="where the servers keep their data (default: benchmarks/results, a real disk)")
    parser.add_argument("--json", help="where the figures go as JSON (default: a file in benchmarks/results)")
    parser.add_argument("--keep", action="store_true", help="leave the servers' folders and logs for inspection")
    parser.add_argument("--check", action="store_true", help="exit 1 when a target is missed")
    return uvloop.run(run(parser.parse_args()))
