"""Lines of functions: gathered, written, kept while the store is away, lost beyond a bound."""

import asyncio
import io
import sys
import zipfile
from collections.abc import Mapping
from typing import Any

import pytest
from tests.conftest import LiveServer, start_server

from waypost.runtimes import logs
from waypost.runtimes.invocation import FunctionSpec
from waypost.runtimes.logs import FunctionLogs, Line, Stream
from waypost.store.store import StoreUnavailable
from waypost.testing.clock import VirtualClock

WRITES = """
import logging
def handler(event, context):
    print("hello\\tthere")
    logging.getLogger().warning("careful")
    print("no end", end="")
    return context.log_stream_name
"""


class Kept:
    """A store that the test takes away."""

    def __init__(self) -> None:
        self.writes: list[dict[Stream, list[Line]]] = []
        self.away = False
        self.clock = VirtualClock()
        self.logs = FunctionLogs(self.clock, self.write)

    async def write(self, lines: Mapping[Stream, list[Line]]) -> None:
        if self.away:
            raise StoreUnavailable("away")
        self.writes.append(dict(lines))

    async def pass_ms(self, by_ms: int) -> None:
        self.clock.advance(by_ms)
        for _ in range(10):
            await asyncio.sleep(0)


def spec(group: str = "/aws/lambda/f") -> FunctionSpec:
    return FunctionSpec(
        "arn", "f", "1", "1", "python3.12", "h", "", 3000, 128, {}, "1" * 12, "eu-west-1", "role", group
    )


STREAM = Stream("1" * 12, "eu-west-1", "/aws/lambda/f", "s")


async def test_lines_are_gathered_and_written_in_the_order_of_their_times():
    kept = Kept()
    kept.logs(spec(), "s", [(2, "b")])
    kept.logs(spec(), "s", [(1, "a"), (3, "c")])
    kept.logs(spec(), "t", [(1, "x")])
    await kept.pass_ms(logs.GATHER_MS - 1)
    assert kept.writes == []
    await kept.pass_ms(1)
    assert kept.writes == [{STREAM: [(1, "a"), (2, "b"), (3, "c")], STREAM._replace(name="t"): [(1, "x")]}]
    kept.logs(spec(), "s", [(4, "d")])
    await kept.pass_ms(logs.GATHER_MS)
    assert kept.writes[1:] == [{STREAM: [(4, "d")]}]


async def test_lines_wait_for_the_store(caplog: pytest.LogCaptureFixture):
    kept = Kept()
    kept.away = True
    kept.logs(spec(), "s", [(1, "a")])
    await kept.pass_ms(logs.GATHER_MS)
    kept.logs(spec(), "s", [(2, "b")])
    await kept.pass_ms(logs.RETRY_MS)
    assert (kept.writes, "cannot keep log lines" in caplog.text) == ([], True)
    kept.away = False
    await kept.pass_ms(logs.RETRY_MS)
    assert kept.writes == [{STREAM: [(1, "a"), (2, "b")]}]


async def test_what_waits_is_bounded(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture):
    monkeypatch.setattr(logs, "BUFFER_BYTES_MAX", 200)
    kept = Kept()
    for number in range(5):
        kept.logs(spec(), "s", [(number, "x")])
    await kept.pass_ms(logs.GATHER_MS)
    assert kept.writes == [{STREAM: [(0, "x"), (1, "x"), (2, "x")]}]
    assert "2 log lines of functions were lost" in caplog.text
    kept.logs(spec(), "s", [(6, "y")])
    await kept.pass_ms(logs.GATHER_MS)
    assert kept.writes[1:] == [{STREAM: [(6, "y")]}], "there is room again"


async def test_a_write_is_bounded(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(logs, "BATCH_BYTES_MAX", 140)
    kept = Kept()
    for name in "abc":
        kept.logs(spec(), name, [(1, "x")])
    await kept.pass_ms(logs.GATHER_MS)
    assert [[stream.name for stream in write] for write in kept.writes] == [["a", "b"]]
    await kept.pass_ms(logs.GATHER_MS)
    assert [[stream.name for stream in write] for write in kept.writes] == [["a", "b"], ["c"]]


async def test_what_is_left_is_written_at_the_end(caplog: pytest.LogCaptureFixture):
    kept = Kept()
    kept.logs(spec(), "s", [(1, "a")])
    await kept.logs.close()
    assert kept.writes == [{STREAM: [(1, "a")]}]
    lost = Kept()
    lost.away = True
    lost.logs(spec(), "s", [(1, "a")])
    await lost.logs.close()
    assert "the last log lines of functions are lost" in caplog.text


async def test_a_fault_of_ours_ends_no_writing(caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch):
    kept = Kept()
    kept.logs(spec(), "s", [(1, "a")])

    async def fail(_lines: Any) -> None:
        raise RuntimeError("a mistake")

    monkeypatch.setattr(kept.logs, "_write", fail)
    await kept.pass_ms(logs.GATHER_MS)
    monkeypatch.undo()
    assert "by a fault of ours" in caplog.text
    kept.logs(spec(), "s", [(2, "b")])
    await kept.pass_ms(logs.GATHER_MS)
    assert kept.writes == [{STREAM: [(2, "b")]}]


def function(server: LiveServer, name: str) -> Any:
    trust = (
        '{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "sts:AssumeRole",'
        ' "Principal": {"Service": "lambda.amazonaws.com"}}]}'
    )
    role = server.client("iam").create_role(RoleName=name, AssumeRolePolicyDocument=trust)["Role"]["Arn"]
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("index.py", WRITES)
    runtime = f"python3.{sys.version_info.minor}"
    client = server.client("lambda")
    client.create_function(
        FunctionName=name, Runtime=runtime, Role=role, Handler="index.handler", Code={"ZipFile": out.getvalue()},
        Timeout=60,
    )  # fmt: skip
    return client


def test_a_functions_lines_are_found_in_its_log_group(tmp_path: Any):
    """Read from the server's next start: what was gathered when it stopped is written."""
    server = start_server(tmp_path / "data")
    answer = function(server, "writes").invoke(FunctionName="writes")
    stream = answer["Payload"].read().decode().strip('"')
    request_id = answer["ResponseMetadata"]["RequestId"]
    assert server.stop() == 0
    server = start_server(tmp_path / "data")
    client = server.client("logs")
    page = client.get_log_events(logGroupName="/aws/lambda/writes", logStreamName=stream, startFromHead=True)
    lines = [event["message"] for event in page["events"]]
    assert lines[0].startswith("INIT_START Runtime Version: python:")
    start = lines.index(f"START RequestId: {request_id} Version: $LATEST\n")
    assert lines[start + 1] == "hello\tthere\n"
    assert lines[start + 2].startswith("[WARNING]\t")
    assert lines[start + 2].endswith("careful\n")
    assert lines[start + 3 :][:2] == ["no end\n", f"END RequestId: {request_id}\n"]
    assert lines[-1].startswith(f"REPORT RequestId: {request_id}\tDuration: ")
    assert lines[-1].endswith("\t\n")
    found = client.filter_log_events(logGroupName="/aws/lambda/writes", filterPattern='"[WARNING]"')["events"]
    assert [event["logStreamName"] for event in found] == [stream]
    assert server.stop() == 0
