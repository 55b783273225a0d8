"""Which call runs where; when environments start, wait and end."""

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

import msgspec
import pytest
from tests.runtimes.hosting import Host, HurriedClock, Watched, hosted

from waypost.clock import SystemClock
from waypost.runtimes.invocation import FunctionThrottled, ReservationThrottled, RuntimeMissing
from waypost.testing.clock import VirtualClock

GATED = """
import os
print("at init")
count = 0
def handler(event, context):
    global count
    count += 1
    print(f"pid {os.getpid()} has {event}")
    if isinstance(event, dict) and "gate" in event:
        with open(event["gate"]) as gate:
            gate.read()
    return [os.getpid(), count]
"""
"""Answers who it is; an event with a gate is held until the test opens the named pipe."""


class Gate:
    """Holds functions until it is opened."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "gate"
        os.mkfifo(self.path)

    @property
    def event(self) -> bytes:
        return json.dumps({"gate": str(self.path)}).encode()

    def open(self) -> None:
        os.close(os.open(self.path, os.O_WRONLY))


def who(outcome):
    assert outcome.function_error == "", outcome.payload
    return json.loads(outcome.payload)


@hosted()
async def test_calls_at_once_get_an_environment_each(host: Host, tmp_path_factory):
    gates = [Gate(tmp_path_factory.mktemp("gate")) for _ in range(3)]
    spec = host.python(GATED)
    running = [asyncio.ensure_future(host.invoke(spec, gate.event)) for gate in gates]
    await host.saw(" has ", 3)
    assert host.runtimes.environments == 3
    assert host.runtimes.busy == 3
    for gate in gates:
        gate.open()
    found = [who(outcome) for outcome in await asyncio.gather(*running)]
    assert len({pid for pid, _ in found}) == 3
    assert host.runtimes.busy == 0
    # The most recently used one is used again.
    last = who(await host.invoke(spec))
    assert who(await host.invoke(spec)) == [last[0], last[1] + 1]
    assert host.runtimes.environments == 3


@hosted()
async def test_a_burst_of_short_calls_does_not_start_a_process_each(host: Host):
    spec = host.python(GATED)
    outcomes = await asyncio.gather(*[host.invoke(spec) for _ in range(60)], return_exceptions=True)
    served = [who(outcome) for outcome in outcomes if not isinstance(outcome, FunctionThrottled)]
    assert len(served) >= 20
    assert len({pid for pid, _ in served}) < 20


@hosted(environments_max=2)
async def test_beyond_the_limit_calls_are_throttled(host: Host, tmp_path_factory):
    gates = [Gate(tmp_path_factory.mktemp("gate")) for _ in range(2)]
    spec = host.python(GATED)
    running = [asyncio.ensure_future(host.invoke(spec, gate.event)) for gate in gates]
    await host.saw(" has ", 2)
    with pytest.raises(FunctionThrottled, match="all 2 function environments of this host are busy"):
        await host.invoke(spec)
    for gate in gates:
        gate.open()
    await asyncio.gather(*running)
    assert who(await host.invoke(spec))[1] == 2


@hosted()
async def test_a_function_has_no_more_than_it_reserved(host: Host, tmp_path_factory):
    gates = [Gate(tmp_path_factory.mktemp("gate")) for _ in range(3)]
    latest, version = host.python(GATED), host.python(GATED, version="1")
    other = host.python(GATED, name="other")
    running = [
        asyncio.ensure_future(host.invoke(latest, gates[0].event, reserved=2)),
        asyncio.ensure_future(host.invoke(version, gates[1].event, reserved=2)),
    ]
    await host.saw(" has ", 2)
    for spec in (latest, version):
        with pytest.raises(ReservationThrottled) as error:
            await host.invoke(spec, reserved=2)
        assert error.value.reason == "ReservedFunctionConcurrentInvocationLimitExceeded"
    # What others reserved is not theirs; what is reserved does not count against those that reserve nothing.
    running.append(asyncio.ensure_future(host.invoke(other, gates[2].event, unreserved=1)))
    await host.saw(" has ", 3)
    with pytest.raises(FunctionThrottled) as throttled:
        await host.invoke(other, unreserved=1)
    assert throttled.value.reason == "ConcurrentInvocationLimitExceeded"
    for gate in gates:
        gate.open()
    await asyncio.gather(*running)
    await host.invoke(latest, reserved=2)
    await host.invoke(other, unreserved=1)


@hosted()
async def test_nothing_reserved_runs_nothing(host: Host):
    spec = host.python(GATED)
    for _ in range(2):
        with pytest.raises(ReservationThrottled):
            await host.invoke(spec, reserved=0)
    assert host.runtimes.environments == 0
    await host.invoke(spec)


TYPED = "import os\ndef handler(event, context): return [os.environ['AWS_LAMBDA_INITIALIZATION_TYPE'], os.getpid()]"


@hosted(clock=VirtualClock, idle_s=10)
async def test_what_is_kept_stays_warm(host: Host):
    clock = host.runtimes._clock
    spec = host.python(TYPED, version="1")
    await host.runtimes.keep(host.call(spec), 2)
    assert host.runtimes.kept(spec.arn, "1") == (2, 2, "")
    kind, pid = json.loads((await host.invoke(spec)).payload)
    assert kind == "provisioned-concurrency"
    clock.advance(1_000_000)
    assert host.runtimes.environments == 2
    assert json.loads((await host.invoke(spec)).payload) == [kind, pid]
    # Fewer: what is too much goes when it has been idle for long enough; none: all of it.
    await host.runtimes.keep(host.call(spec), 1)
    await host.invoke(spec)
    clock.advance(1_000_000)
    assert host.runtimes.environments == 1
    host.runtimes.let_go(spec.arn, "1")
    clock.advance(1_000_000)
    assert host.runtimes.environments == 0
    assert host.runtimes.kept(spec.arn, spec.version) == (0, 0, "")


@hosted()
async def test_what_is_kept_is_replaced_when_it_dies_and_goes_on_with_new_credentials(host: Host):
    text = "import os\ndef handler(event, context):\n    if event: os._exit(1)\n    return os.getpid()"
    spec = host.python(text, version="1")
    await host.runtimes.keep(host.call(spec), 1)
    first = json.loads((await host.invoke(spec)).payload)
    assert (await host.invoke(spec, b"1")).function_error
    assert host.runtimes.environments == 1, "another one is on its way"
    second = json.loads((await host.invoke(spec)).payload)
    assert second != first
    renewed = msgspec.structs.replace(spec, revision="two")
    assert json.loads((await host.invoke(renewed)).payload) != second
    assert host.runtimes.kept(spec.arn, "1") == (1, 1, "")
    host.runtimes.retire(spec.arn, "1")
    assert host.runtimes.environments == 0


@hosted(environments_max=2)
async def test_what_is_kept_makes_no_room_for_others(host: Host):
    kept, other = host.python(TYPED, version="1"), host.python(TYPED, name="other")
    await host.runtimes.keep(host.call(kept), 1)
    for name in ("other", "third"):
        kind, _ = json.loads((await host.invoke(host.python(TYPED, name=name))).payload)
        assert kind == "on-demand"
    assert host.runtimes.kept(kept.arn, "1") == (1, 1, "")
    more = msgspec.structs.replace(other, version="2")
    await host.runtimes.keep(host.call(more), 2)
    assert "environments of this host are busy" in host.runtimes.kept(other.arn, "2")[2]


@hosted()
async def test_what_cannot_start_cannot_be_kept(host: Host):
    spec = host.python("raise ValueError('no')", version="1")
    await host.runtimes.keep(host.call(spec), 2)
    assert host.runtimes.kept(spec.arn, "1") == (2, 0, "FUNCTION_ERROR_INIT_FAILURE")
    missing = host.python(TYPED, version="1", runtime="python3.1", name="missing")
    await host.runtimes.keep(host.call(missing), 1)
    assert "python3.1" in host.runtimes.kept(missing.arn, "1")[2]
    await host.runtimes.close(10)
    assert len(host.streams) == 2, "nobody tries again and again"


@hosted(environments_max=2)
async def test_an_idle_environment_makes_room_for_another_function(host: Host):
    specs = [host.python(GATED, name=name) for name in "abc"]
    pids = {}
    for spec in specs:
        pids[spec.name] = who(await host.invoke(spec))[0]
    assert host.runtimes.environments == 2
    # a, idle for longest, had to go; b and c are warm.
    assert who(await host.invoke(specs[1])) == [pids["b"], 2]
    assert who(await host.invoke(specs[2])) == [pids["c"], 2]
    assert who(await host.invoke(specs[0]))[1] == 1


@hosted(clock=VirtualClock, idle_s=600)
async def test_idle_environments_end(host: Host):
    clock = host.runtimes._clock
    specs = [host.python(GATED, name=name) for name in "ab"]
    first = Watched(who(await host.invoke(specs[0]))[0])
    clock.advance(300_000)
    second = Watched(who(await host.invoke(specs[1]))[0])
    clock.advance(299_999)
    assert host.runtimes.environments == 2
    clock.advance(1)
    assert host.runtimes.environments == 1
    first.end()
    clock.advance(300_000)
    assert host.runtimes.environments == 0
    second.end()
    assert clock.next_ms() is None


@hosted()
async def test_a_new_revision_ends_the_environments_of_the_old_one(host: Host, tmp_path_factory):
    gate = Gate(tmp_path_factory.mktemp("gate"))
    old = host.python(GATED)
    busy = asyncio.ensure_future(host.invoke(old, gate.event))
    await host.saw("gate")
    first = Watched(who(await host.invoke(old))[0])
    new = host.python("def handler(event, context): return ['new', 1]", revision="two")
    assert who(await host.invoke(new)) == ["new", 1]
    first.end()
    assert host.runtimes.environments == 2
    gate.open()
    second = Watched(who(await busy)[0])
    second.end()
    assert host.runtimes.environments == 1


@hosted()
async def test_versions_live_side_by_side(host: Host):
    latest, one = host.python(GATED), host.python(GATED, version="1", revision="r1")
    assert who(await host.invoke(latest))[1] == 1
    assert who(await host.invoke(one))[1] == 1
    assert who(await host.invoke(latest))[1] == 2
    assert who(await host.invoke(one))[1] == 2
    assert {stream.split("/")[3][:5] for _, stream in host.streams} == {"[$LAT", "[1]" + stream_token(host)}


def stream_token(host: Host) -> str:
    (stream,) = [stream for _, stream in host.streams if "[1]" in stream]
    return stream.split("[1]")[1][:2]


@hosted()
async def test_retired_functions_leave_nothing(host: Host, tmp_path_factory):
    gate = Gate(tmp_path_factory.mktemp("gate"))
    spec, other = host.python(GATED), host.python(GATED, name="other")
    pid = who(await host.invoke(spec))[0]
    busy = asyncio.ensure_future(host.invoke(spec, gate.event))
    await host.saw("gate")
    await host.invoke(other)
    host.runtimes.retire(spec.arn)
    assert host.runtimes.environments == 2
    gate.open()
    assert who(await busy)[0] == pid
    assert host.runtimes.environments == 1
    assert who(await host.invoke(spec))[1] == 1
    host.runtimes.retire_all()
    assert host.runtimes.environments == 0


@hosted()
async def test_a_caller_that_leaves_does_not_stop_the_function(host: Host, tmp_path_factory):
    gate = Gate(tmp_path_factory.mktemp("gate"))
    spec = host.python(GATED)
    caller = asyncio.ensure_future(host.invoke(spec, gate.event))
    await host.saw("gate")
    caller.cancel()
    gate.open()
    await host.saw("REPORT ")
    assert who(await host.invoke(spec))[1] == 2


@hosted()
async def test_an_idle_environment_that_dies_is_replaced(host: Host):
    spec = host.python(GATED)
    pid = who(await host.invoke(spec))[0]
    process = Watched(pid)
    os.kill(pid, signal.SIGKILL)
    process.end()
    while host.runtimes.environments:
        await asyncio.sleep(0)
    assert who(await host.invoke(spec))[1] == 1


class StalledClock(SystemClock):
    """A first alarm of up to five seconds rings at once, and a minute late: the node was frozen after it was set."""

    stalled_ms = 0

    def now_ms(self) -> int:
        return super().now_ms() + self.stalled_ms

    def call_at(self, at_ms: int, call: Callable[[], None]) -> Any:
        if not self.stalled_ms and at_ms - self.now_ms() <= 5_000:
            self.stalled_ms = 65_000
        return super().call_at(at_ms, call)


@hosted(clock=StalledClock)
async def test_a_node_that_stood_still_does_not_time_its_functions_out(host: Host):
    outcome = await host.invoke(host.python("def handler(event, context): return event", timeout_ms=5_000), b'"done"')
    assert (outcome.function_error, outcome.payload) == ("", b'"done"')


@hosted(clock=StalledClock)
async def test_a_function_that_stands_still_itself_times_out_all_the_same(host: Host):
    hangs = "import threading\ndef handler(event, context): threading.Event().wait()"
    outcome = await host.invoke(host.python(hangs, timeout_ms=1_000))
    assert "Task timed out after 1.00 seconds" in outcome.payload.decode()


@hosted(clock=HurriedClock)
async def test_a_start_over_ten_seconds_begins_anew_on_the_time_of_the_call(host: Host):
    spec = host.python(
        "import threading\nthreading.Event().wait()\ndef handler(event, context): pass", timeout_ms=5_000
    )
    outcome = await host.invoke(spec, request_id="r-1")
    assert json.loads(outcome.payload)["errorMessage"] == "RequestId: r-1 Error: Task timed out after 5.00 seconds"
    assert "INIT_REPORT Init Duration: 10000.00 ms\tPhase: init\tStatus: timeout" in host.lines
    assert sum("INIT_START" in line for line in host.lines) == 2
    assert host.runtimes.environments == 0


@hosted(clock=HurriedClock)
async def test_a_slow_start_may_succeed_at_the_second_attempt(host: Host):
    marker = host.folder.parent / "attempted"
    spec = host.python(
        f"import os, threading\nif not os.path.exists({str(marker)!r}):\n"
        f"    open({str(marker)!r}, 'w').close()\n    threading.Event().wait()\n"
        "def handler(event, context): return event",
        timeout_ms=500_000,
    )
    assert (await host.invoke(spec, b"[1]")).payload == b"[1]"
    again = await host.invoke(spec, b"[2]")
    assert (again.payload, again.init_ms) == (b"[2]", None)


@hosted()
async def test_closing_waits_for_what_runs_and_takes_nothing_new(host: Host, tmp_path_factory):
    gate = Gate(tmp_path_factory.mktemp("gate"))
    spec = host.python(GATED)
    running = asyncio.ensure_future(host.invoke(spec, gate.event))
    await host.saw("gate")
    closing = asyncio.ensure_future(host.runtimes.close(60))
    await asyncio.sleep(0)
    with pytest.raises(FunctionThrottled, match="stopping"):
        await host.invoke(spec)
    gate.open()
    assert who(await running)[1] == 1
    await closing
    assert host.runtimes.environments == 0


@hosted()
async def test_closing_without_grace_ends_what_runs(host: Host, tmp_path_factory):
    gate = Gate(tmp_path_factory.mktemp("gate"))
    spec = host.python(GATED)
    running = asyncio.ensure_future(host.invoke(spec, gate.event))
    process = Watched(int((await host.saw("gate")).split()[1]))
    starting = asyncio.ensure_future(host.invoke(host.python(GATED, name="other")))
    await asyncio.sleep(0)
    await host.runtimes.close(0)
    process.end(0)
    for call in (running, starting):
        with pytest.raises(FunctionThrottled, match="stopped"):
            await call


@hosted()
async def test_a_runtime_that_is_missing(host: Host):
    with pytest.raises(RuntimeMissing, match=r"python3\.99"):
        await host.invoke(host.python("", runtime="python3.99"))


@hosted()
async def test_a_zip_that_cannot_be_unpacked(host: Host):
    spec = host.spec({"../index.py": ""})
    outcome = await host.invoke(spec)
    assert outcome.function_error == "Unhandled"
    assert json.loads(outcome.payload) == {
        "errorType": "InvalidZipFileException",
        "errorMessage": 'the zip holds a path that leaves its folder: "../index.py"',
    }


@hosted()
async def test_a_store_that_has_lost_the_code_is_the_callers_affair(host: Host):
    spec = host.python(GATED)
    host.zips.clear()
    with pytest.raises(KeyError):
        await host.invoke(spec)
    assert host.runtimes.environments == 0


@hosted()
async def test_a_host_without_room_for_a_process(host: Host, monkeypatch):
    def refuse(*_arguments, **_options):
        raise BlockingIOError(11, "Resource temporarily unavailable")

    spec = host.python(GATED)
    await host.invoke(host.python(GATED, name="other"))
    monkeypatch.setattr("waypost.runtimes.process.subprocess.Popen", refuse)
    with pytest.raises(FunctionThrottled, match=r"cannot start another environment: .*temporarily unavailable"):
        await host.invoke(spec)
    monkeypatch.undo()
    assert host.runtimes.environments == 1
    assert who(await host.invoke(spec))[1] == 1


@hosted()
async def test_log_lines_that_cannot_be_kept_do_not_stop_the_function(host: Host, caplog):
    def full(*_arguments):
        raise OSError(28, "No space left on device")

    host.runtimes._place = host.runtimes._place._replace(log=full)
    assert who(await host.invoke(host.python(GATED)))[1] == 1
    assert "cannot keep" in caplog.text


@hosted()
async def test_without_pidfd_a_thread_watches(host: Host, monkeypatch):
    monkeypatch.delattr(os, "pidfd_open")
    spec = host.python(GATED)
    assert who(await host.invoke(spec))[1] == 1
    host.runtimes.retire(spec.arn)


@hosted()
async def test_a_killed_switch_is_replaced_and_knows_all_groups(host: Host):
    switch = host.runtimes._place.switch
    first = host.python(GATED)
    pid = who(await host.invoke(first))[0]
    switch._shell.kill()
    Watched(switch._shell.pid).end()
    await host.invoke(host.python(GATED, name="other"))
    process = Watched(pid)
    switch.close()
    process.end()


SERVER = """
import asyncio, sys
from pathlib import Path
from random import Random
from tests.runtimes.hosting import Host

async def main():
    host = Host(Path(sys.argv[1]))
    spec = host.python('''
import os, subprocess
def handler(event, context):
    child = subprocess.Popen(["sleep", "600"])
    print(f"pids {os.getpid()} {child.pid}")
    while True:
        pass
''')
    asyncio.ensure_future(host.invoke(spec))
    idle = await host.invoke(host.python("import os\\ndef handler(event, context): return os.getpid()", name="idle"))
    print(await host.saw("pids "), idle.payload.decode(), flush=True)
    await asyncio.Event().wait()

asyncio.run(main())
"""


def test_no_function_outlives_a_server_that_is_killed(tmp_path):
    server = subprocess.Popen([sys.executable, "-c", SERVER, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    processes = [Watched(int(pid)) for pid in server.stdout.readline().split()[1:]]
    assert len(processes) == 3
    server.kill()
    server.communicate()
    for process in processes:
        process.end()


FICKLE = """
import os, threading
def handler(event, context):
    if event == "exit":
        os._exit(1)
    if event == "raise":
        raise ValueError("x")
    if event == "hang":
        threading.Event().wait()
    if event == "child":
        os.system("sleep 600 &")
    return event
"""
ENDS = {"exit": "Runtime.ExitError", "raise": "ValueError", "hang": "Sandbox.Timedout"}


@pytest.mark.parametrize("seed", range(3))
@hosted(environments_max=6)
async def test_whatever_happens_every_call_ends_once_and_the_books_balance(host: Host, seed):
    random = Random(seed)

    async def caller():
        for _ in range(25):
            event = random.choice(["fine"] * 8 + ["child", *ENDS])
            changes = {"name": random.choice("ab"), "revision": random.choice(["one", "one", "two"])}
            spec = host.python(FICKLE, timeout_ms=200, **changes)
            call = asyncio.ensure_future(host.invoke(spec, json.dumps(event).encode()))
            if random.random() < 0.1:
                asyncio.get_running_loop().call_later(random.random() / 10, call.cancel)
            try:
                outcome = await call
            except (FunctionThrottled, asyncio.CancelledError):
                continue
            assert outcome.log.count(b"START RequestId") == outcome.log.count(b"REPORT RequestId") == 1
            answer = json.loads(outcome.payload)
            assert answer == event if event not in ENDS else answer["errorType"] == ENDS[event]
            if random.random() < 0.03:
                host.runtimes.retire(spec.arn)

    await asyncio.gather(*[caller() for _ in range(6)])
    await host.runtimes.close(10)
    runtimes = host.runtimes
    assert (runtimes.environments, runtimes.busy, runtimes._starting) == (0, 0, 0)
    assert not runtimes._processes
    assert not runtimes._fleets
