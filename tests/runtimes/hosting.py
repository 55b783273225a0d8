"""A host for functions, without a server around it."""

import asyncio
import base64
import hashlib
import inspect
import io
import os
import select
import sys
import zipfile
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
import uvloop

from waypost.clock import Clock, SystemClock
from waypost.ids import RandomIds
from waypost.runtimes.environments import Runtimes
from waypost.runtimes.install import InstallFailed, default_folder, install_node
from waypost.runtimes.interpreters import Interpreters
from waypost.runtimes.invocation import FunctionCall, FunctionOutcome, FunctionSpec, RuntimeMissing

PYTHON = f"python{sys.version_info[0]}.{sys.version_info[1]}"
"""The runtime whose interpreter is certain to be here."""


def zipped(files: dict[str, str | bytes | zipfile.ZipInfo]) -> bytes:
    """A zip of files by name."""
    sink = io.BytesIO()
    with zipfile.ZipFile(sink, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return sink.getvalue()


def digest(content: bytes) -> str:
    """As CodeSha256 has it."""
    return base64.b64encode(hashlib.sha256(content).digest()).decode()


class HurriedClock(SystemClock):
    """Alarms ring after a fiftieth of their time."""

    def call_at(self, at_ms: int, call: Callable[[], None]) -> Any:
        return super().call_at(self.now_ms() + (at_ms - self.now_ms()) // 50, call)


class Host:
    """Runtimes, with code by content and log lines in a list."""

    def __init__(self, folder: Path, *, clock: Clock | None = None, **options: Any) -> None:
        self.folder = folder
        self.zips: dict[str, bytes] = {}
        self.lines: list[str] = []
        self.streams: dict[tuple[str, str], list[str]] = {}
        self.fetched = 0
        self._grew = asyncio.Event()
        self.ids = RandomIds(1)
        self.runtimes = Runtimes(
            folder=folder,
            code=self,
            clock=clock or SystemClock(),
            ids=self.ids,
            **{"environments_max": 20, "idle_s": 600, "runtimes_dir": default_folder(), "log": self.log, **options},
        )

    async def zip_of(self, code_sha256: str) -> bytes:
        self.fetched += 1
        return self.zips[code_sha256]

    def log(self, spec: FunctionSpec, stream: str, lines: list[tuple[int, str]]) -> None:
        self.lines += [line for _, line in lines]
        self.streams.setdefault((spec.log_group, stream), []).extend(line for _, line in lines)
        self._grew.set()

    def spec(self, files: dict[str, Any], *, name: str = "f", **changes: Any) -> FunctionSpec:
        content = zipped(files)
        sha = digest(content)
        self.zips[sha] = content
        members = {
            "arn": f"arn:aws:lambda:us-east-1:000000000000:function:{name}",
            "name": name,
            "version": "$LATEST",
            "revision": "one",
            "runtime": PYTHON,
            "handler": "index.handler",
            "code_sha256": sha,
            "timeout_ms": 20_000,
            "memory_mb": 128,
            "environment": {},
            "account": "000000000000",
            "region": "eu-west-1",
            "role_arn": "arn:aws:iam::000000000000:role/r",
            "log_group": f"/aws/lambda/{name}",
        }
        return FunctionSpec(**{**members, **changes})

    def python(self, source: str, **changes: Any) -> FunctionSpec:
        return self.spec({"index.py": source}, **changes)

    def node(self, source: str, *, file: str = "index.js", **changes: Any) -> FunctionSpec:
        return self.spec({file: source}, **{"runtime": "nodejs20.x", **changes})

    def call(self, spec: FunctionSpec, payload: bytes = b"{}", **changes: Any) -> FunctionCall:
        members = {
            "spec": spec,
            "payload": payload,
            "request_id": self.ids.uuid(),
            "invoked_arn": spec.arn,
            "credentials": {"AWS_ACCESS_KEY_ID": "AK", "AWS_SECRET_ACCESS_KEY": "SK", "AWS_SESSION_TOKEN": "ST"},
            "endpoint_url": "http://127.0.0.1:9",
        }
        return FunctionCall(**{**members, **changes})

    async def invoke(self, spec: FunctionSpec, payload: bytes = b"{}", **changes: Any) -> FunctionOutcome:
        return await self.runtimes.invoke(self.call(spec, payload, **changes))

    def log_has(self, text: str) -> bool:
        return any(text in line for line in self.lines)

    async def saw(self, text: str, times: int = 1) -> str:
        """Wait until so many log lines contain a text; answers the last of them."""
        while True:
            found = [line for line in self.lines if text in line]
            if len(found) >= times:
                return found[times - 1]
            self._grew.clear()
            await self._grew.wait()


def hosted(**options: Any) -> Callable[[Callable[..., Awaitable[None]]], Callable[..., None]]:
    """Run a test on an event loop, with a ``Host`` as its first argument."""

    def wrap(story: Callable[..., Awaitable[None]]) -> Callable[..., None]:
        async def play(folder: Path, arguments: dict[str, Any]) -> None:
            made = {name: option() if name == "clock" else option for name, option in options.items()}
            host = Host(folder, **made)
            try:
                await asyncio.wait_for(story(host, **arguments), 60)
            finally:
                await host.runtimes.close(0)
            assert not list((folder / "environments").glob("*"))

        def test(tmp_path: Path, **arguments: Any) -> None:
            uvloop.run(play(tmp_path / "data", arguments))

        parameters = list(inspect.signature(story).parameters.values())[1:]
        first = inspect.Parameter("tmp_path", inspect.Parameter.POSITIONAL_OR_KEYWORD)
        keyword = [parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY) for parameter in parameters]
        test.__signature__ = inspect.Signature([first, *keyword])  # type: ignore[attr-defined]
        test.__name__, test.__doc__ = story.__name__, story.__doc__
        return test

    return wrap


class Watched:
    """A process of which the kernel tells when it ends, even if nobody reaps it."""

    def __init__(self, pid: int) -> None:
        self._pidfd = os.pidfd_open(pid)

    def end(self, within_s: float = 10) -> None:
        """Wait for the end, or fail."""
        ready, _, _ = select.select([self._pidfd], [], [], within_s)
        os.close(self._pidfd)
        assert ready, "the process lives on"


def has(runtime: str) -> bool:
    try:
        Interpreters(default_folder()).of(runtime)
    except RuntimeMissing:
        return False
    return True


_sdk: list[str] = []


def need_node() -> None:
    """Skip, saying so, where there is no Node.js and none can be had."""
    if not has("nodejs20.x"):
        need_sdk()


def need_sdk() -> None:
    """Have the SDK for JavaScript, or skip, saying so."""
    if not _sdk:
        try:
            install_node(default_folder())
        except InstallFailed as failed:
            _sdk.append(f"the Node.js parts cannot be installed: {failed}")
        else:
            _sdk.append("")
    if _sdk[0]:
        pytest.skip(_sdk[0])
