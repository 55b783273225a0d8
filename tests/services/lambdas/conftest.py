"""Lambda on a real store and a virtual clock; its neighbours, and the functions themselves, are played by the test."""

import asyncio
import io
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import msgspec
import pytest
from tests.stores import KINDS, AnyStore, new_store, settled

from waypost.aws.errors import AwsError
from waypost.ids import RandomIds
from waypost.runtimes.invocation import FunctionCall, FunctionOutcome, KeepWarm
from waypost.service import Context, Params, Perform
from waypost.services import lambdas
from waypost.store.store import Tx
from waypost.testing.clock import VirtualClock
from waypost.work.engine import Engine
from waypost.work.runner import Runner

ACCOUNT = "000000000000"
REGION = "us-east-1"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/r"


def packed(text: str = "def handler(event, context): return event", name: str = "index.py") -> bytes:
    """A deployment package of one file."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr(zipfile.ZipInfo(name), text)
    return out.getvalue()


@dataclass
class FakeQueue:
    """Just enough of a queue for a poller."""

    visibility_s: int = 30
    messages: list[dict[str, Any]] = field(default_factory=list)
    receives: int = 0


class Neighbours:
    """The services that Lambda calls."""

    def __init__(self) -> None:
        self.queues: dict[str, FakeQueue] = {}
        self.issued = 0
        self.warm: dict[str, int] = {}
        self.failure = ""
        self.roles = {ROLE: True}
        self.missing_runtimes: set[str] = set()
        self.calls: list[tuple[str, str]] = []
        self._serial = 0
        self.answers: dict[tuple[str, str], Any] = {
            ("iam", "waypost:CheckRole"): self.check_role,
            ("sts", "waypost:IssueCredentials"): self.issue_credentials,
            ("runtimes", "waypost:Missing"): self.missing,
            ("runtimes", "waypost:Retire"): self.retire,
            ("runtimes", "waypost:Kept"): self.kept,
            ("runtimes", "waypost:LetGo"): self.let_go,
            ("sqs", "GetQueueUrl"): self.get_queue_url,
            ("sqs", "GetQueueAttributes"): self.get_queue_attributes,
            ("sqs", "ReceiveMessage"): self.receive_message,
            ("sqs", "DeleteMessageBatch"): self.delete_message_batch,
            ("sqs", "waypost:WakeKey"): self.wake_key,
        }

    def call(self, tx: Tx, ctx: Context, service: str, operation: str, request: Params) -> Params:
        self.calls.append((service, operation))
        if service == "lambda":
            answer = lambdas.SERVICE.operations[operation](tx, ctx, request)
            assert isinstance(answer, dict)
            return answer
        return self.answers[service, operation](tx, ctx, request)  # type: ignore[no-any-return]

    def check_role(self, _tx: Tx, _ctx: Context, request: Params) -> Params:
        role = request["RoleArn"]
        return {"Exists": role in self.roles, "Assumable": self.roles.get(role, False)}

    def issue_credentials(self, _tx: Tx, _ctx: Context, request: Params) -> Params:
        if request["RoleArn"] not in self.roles:
            raise AwsError("NoSuchEntity", "gone")
        self.issued += 1
        key = f"ASIA{self.issued}"
        return {"Credentials": {"AccessKeyId": key, "SecretAccessKey": "s", "SessionToken": "t", "Expiration": 0}}

    def missing(self, _tx: Tx, _ctx: Context, request: Params) -> Params:
        runtime = request["Runtime"]
        return {"Reason": f"there is no {runtime}"} if runtime in self.missing_runtimes else {}

    def retire(self, _tx: Tx, _ctx: Context, _request: Params) -> Params:
        return {}

    def kept(self, _tx: Tx, _ctx: Context, request: Params) -> Params:
        ready = self.warm.get(request["Version"], 0)
        return {"Missing": max(0, request["Requested"] - ready), "Failure": self.failure}

    def let_go(self, _tx: Tx, _ctx: Context, request: Params) -> Params:
        self.warm.pop(request["Version"], None)
        return {}

    def _queue(self, request: Params) -> FakeQueue:
        name = request.get("QueueName") or request["QueueUrl"].rsplit("/", 1)[1]
        try:
            return self.queues[name]
        except KeyError:
            raise AwsError("QueueDoesNotExist", "The specified queue does not exist.") from None

    def get_queue_url(self, _tx: Tx, _ctx: Context, request: Params) -> Params:
        self._queue(request)
        return {"QueueUrl": f"http://localhost/{request['QueueOwnerAWSAccountId']}/{request['QueueName']}"}

    def get_queue_attributes(self, _tx: Tx, _ctx: Context, request: Params) -> Params:
        return {"Attributes": {"VisibilityTimeout": str(self._queue(request).visibility_s)}}

    def receive_message(self, _tx: Tx, ctx: Context, request: Params) -> Params:
        queue = self._queue(request)
        queue.receives += 1
        hidden = {m["group"] for m in queue.messages if m["group"] and m["visible"] > ctx.now_ms}
        taken = [m for m in queue.messages if m["visible"] <= ctx.now_ms and m["group"] not in hidden]
        answer = []
        for message in taken[: request["MaxNumberOfMessages"]]:
            message["visible"] = ctx.now_ms + queue.visibility_s * 1_000
            message["count"] += 1
            message["receipt"] = f"{message['id']}/{message['count']}"
            answer.append(
                {
                    "MessageId": message["id"],
                    "ReceiptHandle": message["receipt"],
                    "Body": message["body"],
                    "MD5OfBody": "md5",
                    "Attributes": {"ApproximateReceiveCount": str(message["count"])},
                }
            )
        return {"Messages": answer} if answer else {}

    def delete_message_batch(self, tx: Tx, ctx: Context, request: Params) -> Params:
        queue = self._queue(request)
        assert 1 <= len(request["Entries"]) <= 10
        receipts = {entry["ReceiptHandle"] for entry in request["Entries"]}
        queue.messages = [m for m in queue.messages if m["receipt"] not in receipts]
        if any(m["group"] for m in queue.messages):
            tx.wake(f"sqs:{request['QueueUrl']}")
        return {}

    def wake_key(self, _tx: Tx, ctx: Context, request: Params) -> Params:
        queue = self._queue(request)
        waiting = [m["visible"] for m in queue.messages if m["visible"] > ctx.now_ms]
        answer: Params = {"Key": f"sqs:{request['QueueUrl']}"}
        return answer | {"RetryAtMs": min(waiting)} if waiting else answer

    def send(self, name: str, *bodies: str, group: str = "") -> None:
        for body in bodies:
            self._serial += 1
            self.queues[name].messages.append(
                {"id": f"m{self._serial}", "body": body, "visible": 0, "count": 0, "receipt": "", "group": group}
            )


class World:
    """A server in which time moves only when told to and functions answer as the test says."""

    def __init__(self, store: AnyStore) -> None:
        self.store = store
        self.clock = VirtualClock()
        self.neighbours = Neighbours()
        self.engine = Engine(
            store,
            self.clock,
            RandomIds(1),
            self.neighbours,
            {FunctionCall: self._perform, KeepWarm: self._keep},
            "http://127.0.0.1:4566",
        )
        self.runner = Runner(self.engine, lambdas.SERVICE.jobs, "node")
        self.performed: list[FunctionCall] = []
        self.outcomes: list[Any] = []
        self.gate: asyncio.Event | None = None
        self.at_work = 0
        self.at_work_max = 0
        self._tasks: list[asyncio.Task[Any]] = []

    async def _perform(self, call: FunctionCall) -> Any:
        self.performed.append(call)
        self.at_work += 1
        self.at_work_max = max(self.at_work_max, self.at_work)
        try:
            if self.gate is not None:
                await self.gate.wait()
            else:
                await asyncio.sleep(0)
            return self.outcomes.pop(0) if self.outcomes else FunctionOutcome(call.payload)
        finally:
            self.at_work -= 1

    async def _keep(self, wanted: KeepWarm) -> None:
        self.neighbours.warm[wanted.call.spec.version] = wanted.count

    def context(self, account: str = ACCOUNT, region: str = REGION) -> Context:
        return self.engine.context(account, region)

    def call(self, operation: str, **request: Any) -> Params:
        """Run an operation that answers in its transaction."""
        function = lambdas.SERVICE.operations[operation]
        answer = self.store.run(lambda tx: function(tx, self.context(), request))
        assert isinstance(answer, dict), answer
        return answer

    def begin(self, operation: str, **request: Any) -> Perform:
        """Run an operation that wants something performed."""
        function = lambdas.SERVICE.operations[operation]
        answer = self.store.run(lambda tx: function(tx, self.context(), request))
        assert isinstance(answer, Perform), answer
        return answer

    async def execute(self, operation: str, **request: Any) -> Params:
        """Run an operation to its end."""
        return await self.engine.execute(lambdas.SERVICE.operations[operation], self.context(), request)

    def create_function(self, name: str = "f", **changes: Any) -> Params:
        request = {
            "FunctionName": name, "Runtime": "python3.11", "Role": ROLE, "Handler": "index.handler",
            "Code": {"ZipFile": packed()}, **changes,
        }  # fmt: skip
        return self.call("CreateFunction", **request)

    def create_mapping(self, queue: str = "q", function: str = "f", **changes: Any) -> Params:
        self.neighbours.queues.setdefault(queue, FakeQueue())
        return self.call(
            "CreateEventSourceMapping",
            EventSourceArn=f"arn:aws:sqs:{REGION}:{ACCOUNT}:{queue}",
            FunctionName=function,
            **changes,
        )

    def start_background(self) -> None:
        assert lambdas.SERVICE.background is not None
        self._tasks.append(asyncio.ensure_future(lambdas.SERVICE.background(self.engine)))

    def start_jobs(self) -> None:
        self._tasks.append(asyncio.ensure_future(self.runner.run()))

    async def change(self, operation: str, **request: Any) -> Params:
        """Run an operation beside the background work."""
        return await self.execute(operation, **request)

    async def send(self, queue: str, *bodies: str, group: str = "") -> None:
        """Put messages into a queue as a committed SendMessage does."""
        self.neighbours.send(queue, *bodies, group=group)
        await self.send_wake(queue, len(bodies))

    async def send_wake(self, queue: str, count: int = 1) -> None:
        """Wake who waits for a queue."""
        await self.store.transact(lambda tx: tx.wake(f"sqs:http://localhost/{ACCOUNT}/{queue}", count))

    async def settle(self) -> None:
        """Let everything happen that can without time."""
        await settled(self.store, 100)

    async def advance(self, by_ms: int) -> None:
        self.clock.advance(by_ms)
        await self.settle()

    def events(self) -> list[list[str]]:
        """The bodies of every batch that a function was given."""
        return [[record["body"] for record in msgspec.json.decode(call.payload)["Records"]] for call in self.performed]

    async def stop(self) -> None:
        for task in self._tasks:
            task.cancel()
        done = await asyncio.gather(*self._tasks, return_exceptions=True)
        assert all(isinstance(outcome, asyncio.CancelledError) or outcome is None for outcome in done), done


@pytest.fixture(params=KINDS)
async def world(request: pytest.FixtureRequest) -> Any:
    store = new_store(request.param)
    made = World(store)
    yield made
    await made.stop()
    await store.close()


@pytest.fixture(params=KINDS)
def still(request: pytest.FixtureRequest) -> Iterator[World]:
    """A world without an event loop, for operations that answer at once."""
    store = new_store(request.param)
    yield World(store)
    store.close_now()


@pytest.fixture
def package() -> Any:
    """Makes deployment packages."""
    return packed


@pytest.fixture
def queue() -> Any:
    """Makes queues."""
    return FakeQueue
