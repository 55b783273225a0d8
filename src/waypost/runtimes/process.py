"""Worker processes: started, limited, watched and killed. The only module that starts a process that stays."""

import asyncio
import os
import resource
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

OPEN_FILES_MAX = 1024
"""File descriptors of one environment, as on Lambda."""

_PIPE_BYTES = 65_536
"""What a pipe holds at most."""


class Limits(NamedTuple):
    """What a worker may use. This is the place where cgroups and a sandbox will come in."""

    data_bytes: int | None
    """Private memory (RLIMIT_DATA); None where the interpreter has its own limit."""
    file_bytes: int
    """Largest file it may write."""


class Ended(NamedTuple):
    """How a worker ended."""

    status: int
    """Exit code, or minus the signal that killed it."""
    used_kb: int
    """Its peak resident memory."""


class Worker:
    """One process in a session, and so a process group, of its own; with its output on one pipe.

    ``output`` is called with what it writes, ``exit`` once when it has ended; both on the event loop.
    """

    def __init__(
        self,
        command: Sequence[str],
        *,
        environment: Mapping[str, str],
        folder: Path,
        limits: Limits,
        output: Callable[[bytes], None],
        exit: Callable[[Ended], None],  # noqa: A002 (the word for it)
        switch: "DeadManSwitch",
    ) -> None:
        """Start the process. Raises OSError where the host has no room for it."""
        self._output = output
        self._exit = exit
        self._switch = switch
        self._loop = asyncio.get_running_loop()
        self._pipe, end = os.pipe()
        try:
            # Without a preexec_fn CPython starts the child by vfork: 0.2 ms, whatever the size of the server.
            self._process = subprocess.Popen(  # noqa: S603 (the point of it)
                command,
                stdin=subprocess.DEVNULL,
                stdout=end,
                stderr=end,
                # The same pipe under a third number: there the runtime client writes frames.
                pass_fds=(end,),
                env={**environment, "_LAMBDA_TELEMETRY_LOG_FD": str(end)},
                cwd=folder,
                start_new_session=True,
            )
        except BaseException:
            os.close(self._pipe)
            raise
        finally:
            os.close(end)
        self.pid = self._process.pid
        switch.hold(self.pid)
        self._limit(limits)
        os.set_blocking(self._pipe, False)
        self._loop.add_reader(self._pipe, self._read)
        self._watch()

    def _limit(self, limits: Limits) -> None:
        if not hasattr(resource, "prlimit"):
            return
        wanted = {
            resource.RLIMIT_CORE: 0,
            resource.RLIMIT_NOFILE: OPEN_FILES_MAX,
            resource.RLIMIT_FSIZE: limits.file_bytes,
        }
        if limits.data_bytes is not None:
            wanted[resource.RLIMIT_DATA] = limits.data_bytes
        for kind, value in wanted.items():
            try:
                _, hard = resource.prlimit(self.pid, kind)
                bound = value if hard == resource.RLIM_INFINITY else min(value, hard)
                resource.prlimit(self.pid, kind, (bound, bound))
            except ProcessLookupError:
                return

    def _watch(self) -> None:
        if hasattr(os, "pidfd_open"):
            self._pidfd = os.pidfd_open(self.pid)
            self._loop.add_reader(self._pidfd, self._ended)
            return
        self._pidfd = -1
        threading.Thread(target=self._wait, name=f"wait for {self.pid}", daemon=True).start()

    def _wait(self) -> None:
        """Where the kernel has no pidfd: a thread that waits, without reaping."""
        os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOWAIT)
        self._loop.call_soon_threadsafe(self._ended)

    # --- output

    def _read(self) -> None:
        data = self.drain()
        if data:
            self._output(data)

    def drain(self) -> bytes:
        """All that has been written so far and not yet been read: never more than a pipe holds."""
        if self._pipe < 0:
            return b""
        try:
            data = os.read(self._pipe, _PIPE_BYTES)
        except BlockingIOError:
            return b""
        if not data:
            self._close_pipe()
        return data

    def _close_pipe(self) -> None:
        if self._pipe >= 0:
            self._loop.remove_reader(self._pipe)
            os.close(self._pipe)
            self._pipe = -1

    # --- end

    def kill(self) -> None:
        """Kill the whole process group; ``exit`` follows when the kernel is done."""
        if self._process.returncode is None:
            _kill_group(self.pid)

    def _ended(self) -> None:
        if self._pidfd >= 0:
            self._loop.remove_reader(self._pidfd)
            os.close(self._pidfd)
            self._pidfd = -1
        # The leader is dead but not yet reaped, so its number still names the group: end what it left behind.
        _kill_group(self.pid)
        self._switch.release(self.pid)
        _, status, usage = os.wait4(self.pid, 0)
        self._process.returncode = os.waitstatus_to_exitcode(status)
        self._read()
        self._close_pipe()
        peak_kb = usage.ru_maxrss if sys.platform != "darwin" else usage.ru_maxrss // 1024
        self._exit(Ended(self._process.returncode, peak_kb))

    def used_kb(self) -> int:
        """Peak resident memory so far; 0 where the host does not tell."""
        try:
            with open(f"/proc/{self.pid}/status", "rb") as status:  # noqa: PTH123 (a third of the time of Path)
                text = status.read()
        except OSError:
            return 0
        at = text.find(b"VmHWM:")
        return int(text[at + 6 : text.index(b"kB", at)]) if at >= 0 else 0


def _kill_group(group: int) -> None:
    try:
        os.killpg(group, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        return


class DeadManSwitch:
    """Sees to it that no worker outlives the server, even one that is killed with SIGKILL.

    A shell of 1 MB reads which process groups live from a pipe, and kills them when the pipe breaks. It starts with
    the first worker.
    """

    def __init__(self) -> None:
        self._shell: subprocess.Popen[bytes] | None = None
        self._held: set[int] = set()

    def hold(self, group: int) -> None:
        """A process group that must not outlive this process."""
        self._held.add(group)
        self._tell(f"+ {group}\n")

    def release(self, group: int) -> None:
        """A process group that has ended."""
        self._held.discard(group)
        self._tell(f"- {group}\n")

    def close(self) -> None:
        """Stop the shell; it kills what is still held."""
        if self._shell is not None:
            self._shell.communicate()
            self._shell = None

    def _tell(self, line: str) -> None:
        if self._shell is None:
            self._shell = self._start()
        elif not self._write(self._shell, line):
            # Somebody killed the shell: start another, which learns of all groups.
            self._shell.communicate()
            self._shell = self._start()

    def _start(self) -> subprocess.Popen[bytes]:
        shell = subprocess.Popen(  # noqa: S603 (our own script)
            ["/bin/sh", str(Path(__file__).with_name("deadman.sh"))],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env={},
            cwd="/",
            bufsize=0,
            start_new_session=True,
        )
        self._write(shell, "".join(f"+ {group}\n" for group in self._held))
        return shell

    @staticmethod
    def _write(shell: subprocess.Popen[bytes], text: str) -> bool:
        """Whether the shell is there to read it."""
        try:
            if shell.stdin is not None:
                shell.stdin.write(text.encode())
        except BrokenPipeError:
            return False
        return True


def raise_open_files() -> None:
    """Allow this process all the file descriptors it may have: each environment takes four."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = 65_536 if hard == resource.RLIM_INFINITY else min(hard, 65_536)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
