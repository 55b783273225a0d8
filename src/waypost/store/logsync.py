"""Bringing a file to disk without stopping the event loop.

Where the kernel can (Linux, asynchronous I/O with an eventfd), it syncs by itself and tells the loop: no thread, and so
no turn-taking on the interpreter lock. Elsewhere a thread does it.
"""

import asyncio
import ctypes
import os
import platform
import sys
import threading
from collections.abc import Callable
from queue import SimpleQueue
from typing import Any, Protocol

Done = Callable[[OSError | None], None]


class LogSync(Protocol):
    """Syncs one file's data, one sync at a time."""

    def start(self, done: Done) -> None:
        """Begin a sync; ``done`` is called on the running event loop with None, or with the disk's error."""
        ...

    def close(self) -> None:
        """Release what it holds; no sync is under way."""
        ...


def open_sync(fd: int) -> LogSync:
    """The best way to sync this file on this machine."""
    try:
        return KernelSync(fd)
    except OSError:
        return ThreadSync(fd)


class ThreadSync:
    """A bare thread: an executor's futures and locks would cost as much as a quick sync."""

    def __init__(self, fd: int) -> None:
        self._fd = fd
        self._thread: threading.Thread | None = None
        self._wanted: SimpleQueue[tuple[asyncio.AbstractEventLoop, Done] | None] = SimpleQueue()

    def start(self, done: Done) -> None:
        """Wake the thread."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="sync", daemon=True)
            self._thread.start()
        self._wanted.put((asyncio.get_running_loop(), done))

    def _run(self) -> None:
        while (wanted := self._wanted.get()) is not None:
            loop, done = wanted
            failed: OSError | None = None
            try:
                os.fdatasync(self._fd)
            except OSError as error:
                failed = error
            loop.call_soon_threadsafe(done, failed)

    def close(self) -> None:
        """End the thread."""
        if self._thread is not None:
            self._wanted.put(None)
            self._thread.join()


class _Iocb(ctypes.Structure):
    """``struct iocb`` of linux/aio_abi.h, as little-endian machines lay it out."""

    _fields_ = (
        ("data", ctypes.c_uint64), ("key", ctypes.c_uint32), ("rw_flags", ctypes.c_uint32),
        ("opcode", ctypes.c_uint16), ("priority", ctypes.c_int16), ("fd", ctypes.c_uint32),
        ("buffer", ctypes.c_uint64), ("size", ctypes.c_uint64), ("offset", ctypes.c_int64),
        ("reserved", ctypes.c_uint64), ("flags", ctypes.c_uint32), ("eventfd", ctypes.c_uint32),
    )  # fmt: skip


_FDSYNC = 3
_USE_EVENTFD = 1
_CALLS = {"x86_64": (206, 207, 208, 209), "aarch64": (0, 1, 4, 2)}
"""Numbers of io_setup, io_destroy, io_getevents and io_submit, which the C library does not wrap."""


class KernelSync:
    """Linux's asynchronous ``fdatasync``. Raises OSError where the kernel, its rules or the file system lack it."""

    def __init__(self, fd: int) -> None:
        calls = _CALLS.get(platform.machine())
        if not sys.platform.startswith("linux") or calls is None:
            raise OSError(38, "no asynchronous sync on this platform")
        setup, self._destroy, getevents, submit = calls
        self._syscall: Any = ctypes.CDLL(None, use_errno=True).syscall
        self._context = ctypes.c_ulong(0)
        self._call(setup, 4, ctypes.byref(self._context))
        self._eventfd = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._events = (ctypes.c_int64 * 4)()
        block = _Iocb(opcode=_FDSYNC, fd=fd, flags=_USE_EVENTFD, eventfd=self._eventfd)
        self._blocks = (ctypes.POINTER(_Iocb) * 1)(ctypes.pointer(block))
        one, no_timeout = ctypes.c_long(1), ctypes.c_void_p(0)
        self._submit = (submit, self._context, one, self._blocks)
        self._collect = (getevents, self._context, one, one, self._events, no_timeout)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._done: Done | None = None
        self._try()

    def _call(self, *arguments: Any) -> int:
        answer = int(self._syscall(*arguments))
        if answer < 0:
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number))
        return answer

    def _try(self) -> None:
        """One sync now: a kernel that refuses says so here and not at the first acknowledgement."""
        try:
            self._call(*self._submit)
            self._call(*self._collect)
            os.eventfd_read(self._eventfd)
            failed = self._failure()
            if failed is not None:
                raise failed
        except OSError:
            self.close()
            raise

    def start(self, done: Done) -> None:
        """Hand the sync to the kernel."""
        loop = asyncio.get_running_loop()
        if loop is not self._loop:
            loop.add_reader(self._eventfd, self._finished)
            self._loop = loop
        self._done = done
        try:
            self._call(*self._submit)
        except OSError as error:
            self._done = None
            loop.call_soon(done, error)

    def _finished(self) -> None:
        os.eventfd_read(self._eventfd)
        self._call(*self._collect)
        done, self._done = self._done, None
        if done is not None:
            done(self._failure())

    def _failure(self) -> OSError | None:
        number = -self._events[2]
        return OSError(number, os.strerror(number)) if number > 0 else None

    def close(self) -> None:
        """Give the kernel its context back."""
        if self._loop is not None and not self._loop.is_closed():
            self._loop.remove_reader(self._eventfd)
        self._call(self._destroy, self._context)
        os.close(self._eventfd)
