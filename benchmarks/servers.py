"""The servers under test, each a process of its own with a fresh folder."""

import asyncio
import contextlib
import os
import socket
import subprocess
import sys
import venv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from time import perf_counter

from benchmarks.database import Database
from benchmarks.processes import cpu_s, family, resident_mb
from benchmarks.wire import Connection, Refused, request

HERE = Path(__file__).resolve().parent
PEERS = Path(sys.prefix) / "peers"
"""A virtual environment of its own for the peers; ``make bench`` makes it, and so does a run without it."""
START_LIMIT_S = 60.0
STOP_LIMIT_S = 15.0


@dataclass(frozen=True)
class Kind:
    """How to start a server. In ``command`` and ``environment``, {port}, {folder} and {store} are filled in."""

    name: str
    command: Sequence[str]
    health_path: str
    environment: Mapping[str, str] = field(default_factory=dict)
    package: str = ""
    """What pip installs for it, in a venv of its own; empty for what this checkout has."""

    def ready(self) -> None:
        """Install the server if it is a package and not there yet."""
        if not self.package:
            return
        if Path(self.command[0]).exists():
            return
        print(f"installing {self.package} into {PEERS} ...", file=sys.stderr, flush=True)
        if not (PEERS / "bin" / "pip").exists():
            venv.create(PEERS, with_pip=True)
        installed = subprocess.run(
            [PEERS / "bin" / "pip", "install", "--quiet", self.package],
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False,
        )  # fmt: skip
        if installed.returncode != 0:
            raise RuntimeError(f"pip could not install {self.package}: {installed.stdout[-2000:]}")

    def version(self) -> str:
        """The version that is measured."""
        if not self.package:
            return "this checkout"
        name = self.package.partition("[")[0]
        code = f"import importlib.metadata as m; print(m.version({name!r}))"
        found = subprocess.run([PEERS / "bin" / "python", "-c", code], capture_output=True, text=True, check=False)
        return found.stdout.strip()


WAYPOST = Kind(
    "waypost",
    (str(Path(sys.executable).with_name("waypost")), "serve", "--port", "{port}", "--data", "{folder}"),
    "/_waypost/health",
    {"WAYPOST_LOG_LEVEL": "warning"},
)
WAYPOST_POSTGRES = Kind(
    "waypost-postgres",
    (*WAYPOST.command, "--store", "{store}"),
    WAYPOST.health_path,
    WAYPOST.environment,
)
FLOOR = Kind("floor", (sys.executable, "-m", "benchmarks.floor", "{port}"), "/")
MINISTACK = Kind(
    "ministack",
    (str(PEERS / "bin" / "ministack"),),
    "/_ministack/health",
    {"GATEWAY_PORT": "{port}", "BIND_HOST": "127.0.0.1", "LOG_LEVEL": "ERROR", "TMPDIR": "{folder}"},
    package="ministack",
)
MOTO = Kind(
    "moto",
    (str(PEERS / "bin" / "moto_server"), "-H", "127.0.0.1", "-p", "{port}"),
    "/moto-api/",
    package="moto[server]",
)


class Running:
    """A server that runs."""

    def __init__(self, kind: Kind, folder: Path, *, store: str = "", database: Database | None = None) -> None:
        """``store`` is the address of its database, a part of ``database``, where it does not bring its own."""
        self.kind = kind
        self.folder = folder
        self.store = store
        self.database = database
        self.port = _free_port()
        self.host = f"127.0.0.1:{self.port}"
        self.start_s = 0.0
        """Spawn to the first healthy answer."""
        self._process: subprocess.Popen[bytes] | None = None
        self._connections: list[Connection] = []

    async def start(self) -> "Running":
        """Spawn and wait until healthy; raises ``RuntimeError`` with the log if it does not come up."""
        self.folder.mkdir(parents=True, exist_ok=True)
        fill = {"port": str(self.port), "folder": str(self.folder), "store": self.store}
        environment = {
            **os.environ,
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_DEFAULT_REGION": "us-east-1",
            **{name: value.format(**fill) for name, value in self.kind.environment.items()},
        }
        self.log = self.folder.with_name(self.folder.name + ".log")
        with self.log.open("ab") as log:
            started = perf_counter()
            self._process = subprocess.Popen(  # noqa: ASYNC220 (nothing else happens meanwhile)
                [part.format(**fill) for part in self.kind.command],
                env=environment, cwd=HERE.parent, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                start_new_session=True,
            )  # fmt: skip
        probe = request(self.host, "sqs", {}, b"", method="GET", path=self.kind.health_path)
        while True:
            with contextlib.suppress(Refused, OSError):
                connection = Connection(self.host)
                await connection.call(probe)
                connection.close()
                break
            if self._process.poll() is not None or perf_counter() - started > START_LIMIT_S:
                await self.stop()
                raise RuntimeError(f"{self.kind.name} did not start: {self.log.read_text('utf-8', 'replace')[-2000:]}")
            await asyncio.sleep(0.001)  # the resolution of the start-up figure
        self.start_s = perf_counter() - started
        return self

    async def connections(self, count: int) -> list[Connection]:
        """Open connections, kept for the next scenario."""
        while len(self._connections) < count:
            connection = Connection(self.host)
            await connection.open()
            self._connections.append(connection)
        return self._connections[:count]

    def memory_mb(self) -> float | None:
        """Resident memory of the process and its children, in MB; None where there is no /proc."""
        return sum(resident_mb(process) for process in self._family()) or None

    def cpu_s(self) -> float:
        """Processor time used so far by the process and its living children."""
        return sum(cpu_s(process) for process in self._family())

    def disconnect(self) -> None:
        """Close all connections; the next scenario opens its own."""
        for connection in self._connections:
            connection.close()
        self._connections = []

    def kill(self) -> None:
        """SIGKILL to the server alone: what it started must see to itself. Call ``stop``, too."""
        self.disconnect()
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    async def stop(self) -> None:
        """Stop it kindly, then for good."""
        self.disconnect()
        if self._process is None:
            return
        self._process.terminate()
        try:
            await asyncio.to_thread(self._process.wait, STOP_LIMIT_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, 9)  # what it left behind: its own session, so nobody else's
        self._process = None

    def _family(self) -> list[int]:
        return [] if self._process is None else family(self._process.pid)


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])
