"""A running server for tests that speak to it with stock clients."""

import json
import os
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config
from tests.stores import KINDS, new_database


@dataclass
class LiveServer:
    """``waypost serve`` as a process of its own."""

    data: Path
    process: subprocess.Popen[str]
    url: str
    log: Path
    _clients: dict[Any, Any] = field(default_factory=dict)

    def client(self, service: str, *, account: str = "000000000000", region: str = "us-east-1", **config: Any) -> Any:
        """A boto3 client of the server; made once per service, account and region."""
        key = (service, account, region, repr(sorted(config.items())))
        if key not in self._clients:
            self._clients[key] = boto3.session.Session().client(
                service,
                endpoint_url=self.url,
                region_name=region,
                aws_access_key_id=account,
                aws_secret_access_key="test",
                config=Config(**{"retries": {"total_max_attempts": 1}, "inject_host_prefix": False, **config}),
            )
        return self._clients[key]

    def environment(self) -> dict[str, str]:
        """What a stock client of another process needs."""
        return {
            "PATH": os.environ["PATH"],
            "AWS_ENDPOINT_URL": self.url,
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_REGION": "us-east-1",
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_EC2_METADATA_DISABLED": "true",
        }

    def get(self, path: str) -> Any:
        """One of the server's own pages."""
        with urllib.request.urlopen(f"{self.url}/_waypost/{path}", timeout=30) as response:
            return json.load(response)

    def kill(self) -> None:
        """SIGKILL."""
        self.process.kill()
        self.process.communicate()

    def stop(self) -> int:
        """SIGTERM; answers the exit code."""
        self.process.send_signal(signal.SIGTERM)
        self.process.communicate(timeout=30)
        return self.process.returncode


def start_server(data: Path, *arguments: str, environment: dict[str, str] | None = None) -> LiveServer:
    """Start a server on a free port and wait for its line on stdout."""
    log = data.parent / f"{data.name}.log"
    with log.open("a") as stderr:
        process = subprocess.Popen(
            [sys.executable, "-m", "waypost", "serve", "--port", "0", "--data", str(data), *arguments],
            stdout=subprocess.PIPE,
            stderr=stderr,
            text=True,
            env={**os.environ, **(environment or {})},
        )
    assert process.stdout is not None
    line = process.stdout.readline()
    if " ready on " not in line:
        process.wait()
        process.stdout.close()
        raise RuntimeError(f"the server did not start: {log.read_text()}")
    url = line.split(" ready on ")[1].split(",")[0].strip()
    return LiveServer(data, process, url, log)


@pytest.fixture(scope="session", params=KINDS)
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    """One server on each store for the whole run; tests keep apart by names, accounts or regions."""
    where = ["--store", new_database()] if request.param == "postgres" else []
    running = start_server(tmp_path_factory.mktemp("server") / "data", *where)
    yield running
    code = running.stop()
    log = running.log.read_text()
    assert code == 0, log
    assert "Traceback" not in log, log
