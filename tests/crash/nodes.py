"""The nodes under test: ``waypost serve`` processes that are killed, stopped, frozen and started again."""

import os
import select
import signal
import subprocess
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from time import monotonic

START_LIMIT_S = 60.0


class Node:
    """``waypost serve`` on one port, with one data folder."""

    def __init__(self, name: str, port: int, arguments: Sequence[str], log: Path) -> None:
        """``arguments`` follow ``serve --port PORT``; ``log`` gets what it says."""
        self.name = name
        self.port = port
        self.url = f"http://127.0.0.1:{port}"
        self.kills = 0
        self.log = log
        self.up = False
        """Whether clients may hope for an answer."""
        self.changed = threading.Condition()
        """Notified when it comes up; all nodes share it."""
        self._arguments = arguments
        self._process: subprocess.Popen[str] | None = None

    def spawn(self) -> None:
        """Start the process, without waiting for anything."""
        with self.log.open("a") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "waypost", "serve", "--port", str(self.port), *self._arguments],
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
            )

    def await_ready(self) -> None:
        """Wait for the line that says it is ready."""
        if not self._became_ready():
            raise AssertionError(f"{self.name} did not start: {self.log.read_text()[-4000:]}")

    def revive(self) -> None:
        """Start it as a supervisor does: again and again, until it is ready."""
        end = monotonic() + START_LIMIT_S
        pause = threading.Event()
        self.spawn()
        while not self._became_ready():
            if monotonic() > end:
                raise AssertionError(f"{self.name} never started: {self.log.read_text()[-4000:]}")
            self._end()
            pause.wait(0.2)
            self.spawn()

    def _became_ready(self) -> bool:
        assert self._process is not None
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if " ready on " not in line:
            return False
        with self.changed:
            self.up = True
            self.changed.notify_all()
        return True

    def kill(self) -> None:
        """SIGKILL, to the server alone: its functions must notice by themselves."""
        assert self._process is not None
        self.up = False
        self._process.kill()
        self._end()
        self.kills += 1

    def stop(self) -> int:
        """SIGTERM; answers the exit code."""
        assert self._process is not None
        self.up = False
        self._process.send_signal(signal.SIGTERM)
        return self._end()

    def freeze(self) -> None:
        """SIGSTOP: it neither works nor hangs up. Clients have to find out by themselves."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """SIGCONT: it goes on where it was."""
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)

    @property
    def alive(self) -> bool:
        """Whether its process runs."""
        return self._process is not None and self._process.poll() is None

    def is_ancestor_of(self, pid: int) -> bool:
        """Whether a process descends from the living server."""
        assert self._process is not None
        while pid > 1:
            if pid == self._process.pid:
                return self.alive
            try:
                pid = int(Path(f"/proc/{pid}/stat").read_text("ascii", "replace").rpartition(")")[2].split()[1])
            except OSError:
                return False
        return False

    def _end(self) -> int:
        assert self._process is not None
        code = self._process.wait(timeout=60)
        if self._process.stdout is not None:
            self._process.stdout.close()
        return code


class Nodes:
    """All of them: what a client must know to reach one."""

    def __init__(self, nodes: Sequence[Node], timeout_s: float = 40.0) -> None:
        """``timeout_s``: how long a client waits for one answer."""
        self.nodes = nodes
        self.timeout_s = timeout_s
        self._changed = threading.Condition()
        for node in nodes:
            node.changed = self._changed

    @property
    def kills(self) -> int:
        """How often one was killed."""
        return sum(node.kills for node in self.nodes)

    def await_up(self, limit_s: float) -> bool:
        """Wait until one is up; False when none came up in time."""
        with self._changed:
            return self._changed.wait_for(lambda: any(node.up for node in self.nodes), limit_s)

    def logs(self, length: int = 3000) -> str:
        """What each said last."""
        return "\n".join(f"{node.name} said last:\n{node.log.read_text()[-length:]}" for node in self.nodes)

    def kill_all(self) -> None:
        """Kill what still runs."""
        for node in self.nodes:
            if node.alive:
                node.kill()


def processes_marked(mark: str) -> list[int]:
    """Living processes with ``mark`` in their environment: functions, not yet noticed that their server is gone."""
    found = []
    for entry in Path("/proc").glob("[0-9]*/environ"):
        try:
            if mark.encode() in entry.read_bytes():
                found.append(int(entry.parent.name))
        except OSError:
            continue
    return [pid for pid in found if pid != os.getpid()]


def all_gone(pids: Sequence[int], limit_s: float = 15) -> list[int]:
    """Wait for processes to end; answers those that did not."""
    left = []
    for pid in pids:
        try:
            handle = os.pidfd_open(pid)
        except ProcessLookupError:
            continue
        try:
            if not select.select([handle], [], [], limit_s)[0]:
                left.append(pid)
        finally:
            os.close(handle)
    return left
