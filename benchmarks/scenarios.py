"""What is measured. Every scenario drives any of the servers through the AWS protocols alone."""

import asyncio
import base64
import io
import itertools
import json
import random
import re
import resource
import socket
import sys
import zipfile
from collections.abc import Awaitable, Callable, Mapping, Sequence
from statistics import median
from time import perf_counter, time
from typing import Any, NamedTuple
from urllib.parse import quote

from benchmarks.servers import Running
from benchmarks.wire import Connection, Refused, Script, json_request, query_request, request, rest_request

Figures = dict[str, float]

BODY = json.dumps({"order": "0001", "item": "lantern", "quantity": 3, "address": "1 Harbour Street", "note": "x" * 100})
RECEIPT_HANDLE = re.compile(rb'"ReceiptHandle" *: *"([^"]+)"')
TOKEN = re.compile(rb'token\\": *\\"([^\\"]+)')
EXECUTION = re.compile(rb'execution\\": *\\"([^\\"]+)')
"""Both inside a message's body, which is JSON within JSON."""
STATUS = re.compile(rb'"status" *: *"([A-Z_]+)"')
ROLE = "arn:aws:iam::000000000000:role/bench"
FUNCTION = """
import json, os, socket, time

def handler(event, context):
    now = time.time()
    ids = [record["body"] for record in event.get("Records", ())] + event.get("report", [])
    if ids:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as report:
            for one in ids:
                message = json.dumps({"id": one, "at": now, "server": os.environ.get("AWS_ENDPOINT_URL")}).encode()
                report.sendto(message, ("127.0.0.1", int(os.environ["REPORT_PORT"])))
    time.sleep(event.get("sleep_s", 0))
    return {"ok": True}
"""


class Load:
    """How long, how many: the sizes of a run."""

    def __init__(self, *, quick: bool) -> None:
        self.connections = 16
        self.seconds = 0.3 if quick else 5.0
        self.rounds = 1 if quick else 5
        self.turns = 1 if quick else 3
        """Rounds of what is measured beside the embedded store only."""
        self.round_seconds = 0.3 if quick else 1.5
        self.alone = 20 if quick else 300
        self.alone_seconds = 1.0 if quick else 10.0
        self.cold = 1 if quick else 5
        self.spaced = 3 if quick else 15
        self.space_s = (0.0, 0.1) if quick else (0.2, 1.2)
        self.backlogs = (200,) if quick else (50_000, 1_000_000)
        self.fill_seconds = 10.0 if quick else 240.0
        self.woken = 20 if quick else 150
        self.taken = 4 if quick else 8
        self.taken_sleep_s = 2.0
        self.groups = 200 if quick else 100_000
        self.parked = 20 if quick else 1_000
        self.settle_s = 0.2 if quick else 2.0
        """Between parking many and looking at what they cost."""
        self.idle_s = 0.3 if quick else 4.0


class Measured:
    """One stretch of load: replies, their latencies, and what client, server and database spent on it."""

    def __init__(self, servers: Running | Sequence[Running], connections: list[Connection]) -> None:
        self._servers = [servers] if isinstance(servers, Running) else list(servers)
        self._database = self._servers[0].database
        self._connections = connections

    async def run(self, script: Callable[[], Script]) -> "Measured":
        """Drive one script per connection until all end."""
        for connection in self._connections:
            connection.latencies_s = type(connection.latencies_s)("d")
        before, started = self._cpu_s(), perf_counter()
        await asyncio.gather(*(connection.run(script()) for connection in self._connections))
        self.wall_s = perf_counter() - started
        after = self._cpu_s()
        self.client_cpu_s, self.server_cpu_s, self.database_cpu_s = (
            now - then for now, then in zip(after, before, strict=True)
        )
        self.latencies_ms = sorted(value * 1000 for one in self._connections for value in one.latencies_s)
        return self

    def _cpu_s(self) -> tuple[float, float, float]:
        return (
            _own_cpu_s(),
            sum(server.cpu_s() for server in self._servers),
            0.0 if self._database is None else self._database.cpu_s(),
        )

    def figures(self, name: str) -> Figures:
        """Rate, latency, and the shares of a core that each side used."""
        return {
            f"{name}.requests_per_s": len(self.latencies_ms) / self.wall_s,
            f"{name}.p50_ms": quantile(self.latencies_ms, 0.50),
            f"{name}.p99_ms": quantile(self.latencies_ms, 0.99),
        } | self.cores(name)

    def cores(self, name: str) -> Figures:
        """The shares of a core that each side used."""
        figures = {
            f"{name}.client_cores": self.client_cpu_s / self.wall_s,
            f"{name}.server_cores": self.server_cpu_s / self.wall_s,
        }
        if self._database is not None:
            figures[f"{name}.database_cores"] = self.database_cpu_s / self.wall_s
        return figures


class Gap:
    """A request with a place to be filled in; its Content-Length follows. Cheap: most values are of few lengths."""

    MARK = "@GAP@"

    def __init__(self, data: bytes) -> None:
        self._head, _, self._tail = data.partition(self.MARK.encode())
        self._heads: dict[int, bytes] = {}

    def __call__(self, value: bytes) -> bytes:
        """The request with ``value``."""
        head = self._heads.get(len(value))
        if head is None:
            body = len(self._head) + len(value) + len(self._tail) - self._head.index(b"\r\n\r\n") - 4
            head = self._heads[len(value)] = re.sub(rb"Content-Length: \d+", b"Content-Length: %d" % body, self._head)
        return head + value + self._tail


async def spread(servers: Running | Sequence[Running], count: int) -> list[Connection]:
    """So many connections, the same number to each server."""
    if isinstance(servers, Running):
        return await servers.connections(count)
    return [one for server in servers for one in await server.connections(count // len(servers))]


def medians(rounds: Sequence[Figures]) -> Figures:
    """Of each figure."""
    return {key: median(one[key] for one in rounds) for key in rounds[0]}


async def in_turns(rounds: int, *works: Callable[[], Awaitable[Figures]]) -> list[list[Figures]]:
    """Do each of ``works`` once a round, so that all meet the same machine; answers the rounds of each."""
    found: list[list[Figures]] = [[] for _ in works]
    for _ in range(rounds):
        for kept, work in zip(found, works, strict=True):
            kept.append(await work())
    return found


def share(ours: Sequence[Figures], theirs: Sequence[Figures], key: str, other: str = "") -> float:
    """Median over the rounds of our figure as a share of theirs."""
    return median(one[key] / two[other or key] for one, two in zip(ours, theirs, strict=True))


def quantile(ordered: list[float], share: float) -> float:
    """The value below which ``share`` of an ordered list lies."""
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]


def _own_cpu_s() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


# ---------------------------------------------------------------------------------------------------- HTTP and SQS


async def floor(server: Running, load: Load) -> Figures:
    """The bare HTTP stack, asked with SendMessage's bytes."""
    connections = await server.connections(load.connections)
    data = sqs(server, "SendMessage", QueueUrl="http://127.0.0.1:4566/000000000000/bench", MessageBody=BODY)
    end = perf_counter() + load.round_seconds

    def script() -> Script:
        while perf_counter() < end:
            yield data

    return (await Measured(server, connections).run(script)).figures("http")


def sqs(server: Running, operation: str, **members: Any) -> bytes:
    """An SQS request."""
    return json_request(server.host, "sqs", f"AmazonSQS.{operation}", members)


async def make_queue(server: Running, name: str, **attributes: str) -> str:
    """Create a queue; answers its URL."""
    (connection,) = await server.connections(1)
    answer = await connection.call_json(sqs(server, "CreateQueue", QueueName=name, Attributes=attributes))
    return str(answer["QueueUrl"])


async def send_receive_delete(
    servers: Running | Sequence[Running], load: Load, queue_url: str, name: str, seconds: float = 0
) -> Figures:
    """Each connection: send one, receive one, delete it, and again. Several servers share the connections."""
    connections = await spread(servers, load.connections)
    server = servers if isinstance(servers, Running) else servers[0]
    send = sqs(server, "SendMessage", QueueUrl=queue_url, MessageBody=BODY)
    receive = sqs(server, "ReceiveMessage", QueueUrl=queue_url, MaxNumberOfMessages=1)
    delete = Gap(sqs(server, "DeleteMessage", QueueUrl=queue_url, ReceiptHandle=Gap.MARK))
    cycles = empty = 0
    end = perf_counter() + (seconds or load.round_seconds)

    def script() -> Script:
        nonlocal cycles, empty
        while perf_counter() < end:
            yield send
            while True:
                found = RECEIPT_HANDLE.search((yield receive))
                if found is not None:
                    break
                empty += 1
                if perf_counter() > end + load.round_seconds:
                    return
            yield delete(found[1])
            cycles += 1

    measured = await Measured(servers, connections).run(script)
    return {**measured.figures(name), f"{name}.cycles_per_s": cycles / measured.wall_s, f"{name}.empty_receives": empty}


async def batches(server: Running, load: Load, queue_url: str) -> Figures:
    """The same by tens: SendMessageBatch, ReceiveMessage, DeleteMessageBatch; messages a second."""
    entries = [{"Id": str(number), "MessageBody": BODY} for number in range(10)]
    send = sqs(server, "SendMessageBatch", QueueUrl=queue_url, Entries=entries)
    receive = sqs(server, "ReceiveMessage", QueueUrl=queue_url, MaxNumberOfMessages=10)
    marked = sqs(server, "DeleteMessageBatch", QueueUrl=queue_url, Entries=Gap.MARK)
    delete = Gap(marked.replace(b'"%s"' % Gap.MARK.encode(), b"[%s]" % Gap.MARK.encode()))
    handled = 0
    end = perf_counter() + load.round_seconds

    def script() -> Script:
        nonlocal handled
        while perf_counter() < end:
            yield send
            handles = RECEIPT_HANDLE.findall((yield receive))
            if not handles:
                continue  # others were quicker; what was sent is for the next
            yield delete(b", ".join(b'{"Id": "%d", "ReceiptHandle": "%s"}' % pair for pair in enumerate(handles)))
            handled += len(handles)

    measured = await Measured(server, await server.connections(load.connections)).run(script)
    return {"batch.messages_per_s": handled / measured.wall_s} | measured.cores("batch")


async def beside_floor(
    server: Running, bare: Running, load: Load, queue_url: str, name: str
) -> tuple[Figures, Figures]:
    """The cycle and the floor in turns, so that both meet the same machine; medians, and the median share."""
    ours, theirs = await in_turns(
        load.rounds, lambda: send_receive_delete(server, load, queue_url, name), lambda: floor(bare, load)
    )
    rate = "requests_per_s"
    return medians(ours) | {f"{name}.of_floor": share(ours, theirs, f"{name}.{rate}", f"http.{rate}")}, medians(theirs)


async def fill(server: Running, load: Load, queue_url: str, count: int, seconds: float) -> tuple[int, float]:
    """Send ``count`` messages in batches of ten; answers how many were taken, and per second; gives up in time."""
    connections = await server.connections(load.connections)
    entries = [{"Id": str(number), "MessageBody": BODY} for number in range(10)]
    batch = sqs(server, "SendMessageBatch", QueueUrl=queue_url, Entries=entries)
    left = count // 10
    started = perf_counter()

    def script() -> Script:
        nonlocal left
        while left > 0 and perf_counter() - started < seconds:
            left -= 1
            answer = yield batch
            if b'"Failed": [{' in answer or b'"Failed":[{' in answer:
                raise Refused(200, answer)

    await asyncio.gather(*(connection.run(script()) for connection in connections))
    sent = count - left * 10
    return sent, sent / (perf_counter() - started)


# -------------------------------------------------------------------------------------------------- Step Functions


def states(server: Running, operation: str, **members: Any) -> bytes:
    """A Step Functions request."""
    return json_request(server.host, "states", f"AWSStepFunctions.{operation}", members)


async def make_machine(server: Running, name: str, definition: Mapping[str, Any]) -> str:
    """Create a Standard state machine; answers its ARN."""
    (connection,) = await server.connections(1)
    await make_role(server)
    body = states(server, "CreateStateMachine", name=name, definition=json.dumps(definition), roleArn=ROLE)
    return str((await connection.call_json(body))["stateMachineArn"])


async def make_role(server: Running) -> None:
    """The role that machines and functions run as."""
    (connection,) = await server.connections(1)
    trust = {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Allow",
                "Principal": {"Service": ["lambda.amazonaws.com", "states.amazonaws.com"]},
                "Action": "sts:AssumeRole",
            }
        ],
    }
    body = query_request(
        server.host, "iam", "2010-05-08", "CreateRole", RoleName="bench", AssumeRolePolicyDocument=json.dumps(trust)
    )
    try:
        await connection.call(body)
    except Refused as refused:
        if b"EntityAlreadyExists" not in refused.body:
            raise


_run_numbers = itertools.count()


def started_as(server: Running, machine: str) -> Callable[[], bytes]:
    """StartExecution requests, each with a name of its own (moto does not make one up)."""
    start = Gap(states(server, "StartExecution", stateMachineArn=machine, name=f"run-{Gap.MARK}", input=BODY))
    return lambda: start(b"%08d" % next(_run_numbers))


async def make_ten_pass(server: Running) -> str:
    """A machine of ten Pass states; answers its ARN."""
    names = [f"Step{number}" for number in range(10)]
    chain: dict[str, Any] = {name: {"Type": "Pass", "Next": after} for name, after in itertools.pairwise(names)} | {
        names[-1]: {"Type": "Pass", "End": True}
    }
    return await make_machine(server, "ten-pass", {"StartAt": names[0], "States": chain})


def _one_ten_pass(server: Running, start: Callable[[], bytes], durations_ms: list[float]) -> Script:
    began = perf_counter()
    arn = json.loads((yield start()))["executionArn"]
    describe = states(server, "DescribeExecution", executionArn=arn)
    while True:
        status = STATUS.search((yield describe))
        if status is None or status[1] not in {b"RUNNING", b"SUCCEEDED"}:
            raise RuntimeError(f"a ten-Pass execution ended as {status and status[1]!r}")
        if status[1] == b"SUCCEEDED":
            break
    durations_ms.append((perf_counter() - began) * 1000)


async def ten_pass(server: Running, load: Load, machine: str, seconds: float) -> Figures:
    """Start a Standard execution of ten Pass states, ask until it has succeeded; 16 at once."""
    start = started_as(server, machine)
    durations_ms: list[float] = []
    end = perf_counter() + seconds

    def many() -> Script:
        while perf_counter() < end:
            yield from _one_ten_pass(server, start, durations_ms)

    measured = await Measured(server, await server.connections(load.connections)).run(many)
    return {
        "ten_pass.executions_per_s": len(durations_ms) / measured.wall_s,
        "ten_pass.requests_per_execution": len(measured.latencies_ms) / len(durations_ms),
    } | measured.cores("ten_pass")


async def ten_pass_alone(server: Running, load: Load, machine: str) -> Figures:
    """The same, one at a time."""
    start = started_as(server, machine)
    durations_ms: list[float] = []
    end = perf_counter() + load.alone_seconds

    def alone() -> Script:
        while len(durations_ms) < load.alone and perf_counter() < end:
            yield from _one_ten_pass(server, start, durations_ms)

    (connection,) = await server.connections(1)
    await connection.run(alone())
    durations_ms.sort()
    return {
        "ten_pass.alone_p50_ms": quantile(durations_ms, 0.5),
        "ten_pass.alone_p99_ms": quantile(durations_ms, 0.99),
    }


class Callback(NamedTuple):
    """A machine that asks a worker by a queue, and waits for its answer."""

    machine: str
    queue_url: str


async def make_callback(server: Running) -> Callback:
    """The machine and its queue."""
    queue_url = await make_queue(server, "callback")
    parameters = {
        "QueueUrl": queue_url,
        "MessageBody": {"token.$": "$$.Task.Token", "execution.$": "$$.Execution.Id", "order.$": "$"},
    }
    task = {
        "Type": "Task",
        "Resource": "arn:aws:states:::sqs:sendMessage.waitForTaskToken",
        "Parameters": parameters,
        "End": True,
    }
    return Callback(await make_machine(server, "callback", {"StartAt": "Ask", "States": {"Ask": task}}), queue_url)


async def callback_alone(
    server: Running,
    load: Load,
    made: Callback,
    *,
    count: int = 0,
    at: Running | None = None,
    parked_s: float = 0.002,
    name: str = "callback",
) -> Figures:
    """StartExecution > queue > a worker's long poll > SendTaskSuccess > seen as SUCCEEDED; one at a time.

    The worker asks the server ``at``, where that is given. It polls before the order comes, as a worker does.
    """
    shop, worker = await server.connections(2)
    if at is not None:
        (worker,) = await at.connections(1)
    queue_url = made.queue_url
    start = started_as(server, made.machine)
    receive = sqs(server, "ReceiveMessage", QueueUrl=queue_url, MaxNumberOfMessages=1, WaitTimeSeconds=20)
    durations_ms: list[float] = []
    end = perf_counter() + load.alone_seconds
    while len(durations_ms) < (count or load.alone) and perf_counter() < end:
        waiting = asyncio.ensure_future(worker.call_json(receive))
        await asyncio.sleep(parked_s)
        began = perf_counter()
        try:
            arn = (await shop.call_json(start()))["executionArn"]
            (message,) = (await waiting)["Messages"]
        finally:
            waiting.cancel()
        token = json.loads(message["Body"])["token"]
        await worker.call(states(server, "SendTaskSuccess", taskToken=token, output='{"stock": "reserved"}'))
        describe = states(server, "DescribeExecution", executionArn=arn)
        while (await shop.call_json(describe))["status"] != "SUCCEEDED":
            pass
        durations_ms.append((perf_counter() - began) * 1000)
        await worker.call(sqs(server, "DeleteMessage", QueueUrl=queue_url, ReceiptHandle=message["ReceiptHandle"]))
    durations_ms.sort()
    return {f"{name}.p50_ms": quantile(durations_ms, 0.5), f"{name}.p99_ms": quantile(durations_ms, 0.99)}


async def callbacks(
    servers: Running | Sequence[Running], load: Load, made: Callback, seconds: float, name: str = "callback"
) -> Figures:
    """The same, 16 at once. Each connection starts one, answers whichever comes, deletes its message, sees it done."""
    connections = await spread(servers, load.connections)
    server = servers if isinstance(servers, Running) else servers[0]
    start = started_as(server, made.machine)
    receive = sqs(server, "ReceiveMessage", QueueUrl=made.queue_url, MaxNumberOfMessages=1, WaitTimeSeconds=20)
    succeed = Gap(states(server, "SendTaskSuccess", taskToken=Gap.MARK, output='{"stock": "reserved"}'))
    delete = Gap(sqs(server, "DeleteMessage", QueueUrl=made.queue_url, ReceiptHandle=Gap.MARK))
    describe = Gap(states(server, "DescribeExecution", executionArn=Gap.MARK))
    done = 0
    end = perf_counter() + seconds

    def script() -> Script:
        nonlocal done
        while perf_counter() < end:
            yield start()
            answer = yield receive
            token, execution, handle = TOKEN.search(answer), EXECUTION.search(answer), RECEIPT_HANDLE.search(answer)
            if token is None or execution is None or handle is None:
                raise RuntimeError(f"a worker received {answer[:300]!r}")
            yield succeed(token[1])
            yield delete(handle[1])
            while True:
                status = STATUS.search((yield describe(execution[1])))
                if status is None or status[1] not in {b"RUNNING", b"SUCCEEDED"}:
                    raise RuntimeError(f"an execution with a callback ended as {status and status[1]!r}")
                if status[1] == b"SUCCEEDED":
                    break
            done += 1

    measured = await Measured(servers, connections).run(script)
    return {
        f"{name}.per_s": done / measured.wall_s,
        f"{name}.requests_per_callback": len(measured.latencies_ms) / done,
    } | measured.cores(name)


# ---------------------------------------------------------------------------------------------------------- Lambda


async def make_function(server: Running, name: str, environment: Mapping[str, str] = {}) -> str:
    """Create a Python function and wait until it is Active; answers its ARN."""
    (connection,) = await server.connections(1)
    await make_role(server)
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        file = zipfile.ZipInfo("app.py")
        file.external_attr = 0o644 << 16
        archive.writestr(file, FUNCTION)
    body = {
        "FunctionName": name,
        "Runtime": f"python3.{sys.version_info.minor}",
        "Role": ROLE,
        "Handler": "app.handler",
        "Timeout": 10,
        "Code": {"ZipFile": base64.b64encode(packed.getvalue()).decode()},
        "Environment": {"Variables": dict(environment)},
    }
    made = await connection.call_json(rest_request(server.host, "lambda", "POST", "/2015-03-31/functions", body))
    look = rest_request(server.host, "lambda", "GET", f"/2015-03-31/functions/{name}/configuration")
    while (await connection.call_json(look)).get("State", "Active") != "Active":  # noqa: ASYNC110 (another process)
        await asyncio.sleep(0.01)
    return str(made["FunctionArn"])


def invocation(server: Running, name: str) -> bytes:
    """An Invoke request."""
    return rest_request(server.host, "lambda", "POST", f"/2015-03-31/functions/{name}/invocations", b'{"order": 1}')


async def invoke(server: Running, load: Load) -> Figures:
    """The first invocation of new functions; then one function, warm, one at a time and eight at once."""
    (connection,) = await server.connections(1)
    cold_ms = []
    for number in range(load.cold):
        name = f"cold-{number}"
        await make_function(server, name)
        began = perf_counter()
        _ok(await connection.call(invocation(server, name)))
        cold_ms.append((perf_counter() - began) * 1000)
    data = invocation(server, "cold-0")

    def script(count: int, seconds: float) -> Script:
        end = perf_counter() + seconds
        for _ in range(count):
            _ok((yield data))
            if perf_counter() > end:
                break

    alone = await Measured(server, [connection]).run(lambda: script(load.alone, load.alone_seconds))
    eight = await server.connections(8)
    await Measured(server, eight).run(lambda: script(3, load.alone_seconds))  # so that all eight are warm
    many = await Measured(server, eight).run(lambda: script(1_000_000, load.seconds / 2))
    return {
        "invoke.cold_ms": median(cold_ms),
        "invoke.cold_max_ms": max(cold_ms),
        "invoke.warm_p50_ms": quantile(alone.latencies_ms, 0.5),
        "invoke.warm_p99_ms": quantile(alone.latencies_ms, 0.99),
        "invoke.eight_per_s": len(many.latencies_ms) / many.wall_s,
    }


def _ok(answer: bytes) -> None:
    if json.loads(answer) != {"ok": True}:
        raise RuntimeError(f"a function answered {answer[:300]!r}")


class Reports(asyncio.DatagramProtocol):
    """Where handlers report that they ran: ``{"id", "at", "server"}``, ``at`` by the handler's clock."""

    def __init__(self, heard: Callable[[dict[str, Any]], None]) -> None:
        self._heard = heard
        self.port = 0

    def connection_made(self, transport: Any) -> None:
        """Learn the port."""
        self.port = transport.get_extra_info("sockname")[1]

    def datagram_received(self, data: bytes, _sender: Any) -> None:
        """Take a report."""
        self._heard(json.loads(data))

    @classmethod
    async def listen(cls, heard: Callable[[dict[str, Any]], None]) -> tuple[asyncio.DatagramTransport, "Reports"]:
        """On a free port."""
        loop = asyncio.get_running_loop()
        return await loop.create_datagram_endpoint(lambda: cls(heard), ("127.0.0.1", 0), family=socket.AF_INET)


async def mapping(server: Running, load: Load) -> Figures:
    """SendMessage to an idle queue until the mapped function's handler runs, by the machine's clock; one at a time."""
    loop = asyncio.get_running_loop()
    waiting: dict[str, asyncio.Future[float]] = {}

    def heard(report: dict[str, Any]) -> None:
        future = waiting.pop(report["id"], None)
        if future is not None and not future.done():
            future.set_result(report["at"])

    transport, reports = await Reports.listen(heard)
    queue_url = await make_queue(server, "mapped")
    arn = await make_function(server, "mapped", {"REPORT_PORT": str(reports.port)})
    (connection,) = await server.connections(1)
    queue_arn = ":".join([*arn.split(":")[:2], "sqs", *arn.split(":")[3:5], "mapped"])
    body = {"FunctionName": "mapped", "EventSourceArn": queue_arn, "BatchSize": 10, "Enabled": True}
    made = await connection.call_json(
        rest_request(server.host, "lambda", "POST", "/2015-03-31/event-source-mappings", body)
    )
    look = rest_request(server.host, "lambda", "GET", f"/2015-03-31/event-source-mappings/{quote(made['UUID'])}")
    while (await connection.call_json(look))["State"] != "Enabled":  # noqa: ASYNC110 (another process)
        await asyncio.sleep(0.01)

    async def one(number: int) -> float:
        name = f"message-{number}"
        handled = waiting[name] = loop.create_future()
        send = sqs(server, "SendMessage", QueueUrl=queue_url, MessageBody=name)
        began = time()
        await connection.call(send)
        handled_at: float = await asyncio.wait_for(handled, 30)
        return (handled_at - began) * 1000

    numbers = itertools.count()
    chance = random.Random(1)
    spaced_ms: list[float] = []
    prompt_ms: list[float] = []
    try:
        for _ in range(3):  # so that the function is warm
            await one(next(numbers))
        for _ in range(load.spaced):
            # At any moment of whatever rhythm the server's poller has: not right after its last message.
            await asyncio.sleep(chance.uniform(*load.space_s))
            spaced_ms.append(await one(next(numbers)))
        end = perf_counter() + load.alone_seconds / 2
        while len(prompt_ms) < load.alone and perf_counter() < end:
            prompt_ms.append(await one(next(numbers)))
    finally:
        transport.close()
    return {
        "mapping.p50_ms": median(spaced_ms),
        "mapping.max_ms": max(spaced_ms),
        "mapping.prompt_p50_ms": median(prompt_ms),
    }


def configure_moto(server: Running) -> bytes:
    """Moto runs executions only when told so."""
    body = json.dumps({"stepfunctions": {"execute_state_machine": True}}).encode()
    return request(server.host, "moto", {"Content-Type": "application/json"}, body, path="/moto-api/config")
