"""Clients of nodes that are killed under them: shops, workers, senders, receivers, and the log of what they saw."""

import http.client
import itertools
import json
import threading
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from time import monotonic
from typing import Any

from crash.checker import Answer, Deleted, Execution, GivenBack, Observed, Received, Sent
from crash.nodes import Node, Nodes

AUTHORIZATION = (
    "AWS4-HMAC-SHA256 Credential=test/20260101/us-east-1/{}/aws4_request, SignedHeaders=host;x-amz-date, Signature="
    + "0" * 64
)
PREFIXES = {"sqs": "AmazonSQS", "states": "AWSStepFunctions"}
STALL_LIMIT_S = 60.0
SHUN_S = 0.5
"""How long a client prefers another node after its own did not answer."""
RETRY_S = (0.02, 0.5)
"""First and longest pause before a client tries again."""
PAUSE = threading.Event()
"""Never set."""
VISIBILITY_S = 3
"""Of every queue that is received from here."""
CLOCKS_S = 0.25
"""What the clocks of nodes may differ, and then some."""


class Refused(Exception):  # noqa: N818 (an answer)
    """The server answered with an error."""

    def __init__(self, status: int, code: str, text: str) -> None:
        super().__init__(f"{status} {code}: {text}")
        self.status = status
        self.code = code


class Stalled(Exception):  # noqa: N818 (a state of affairs)
    """Nothing happened for too long."""


class Client:
    """One thread's connections to the nodes, over AWS's JSON protocol. It keeps to one node while that answers."""

    def __init__(self, nodes: Nodes, preferred: int = 0) -> None:
        """``preferred`` is the number of a node, counted round and round."""
        self._nodes = nodes
        first = preferred % len(nodes.nodes)
        self._ring = [*nodes.nodes[first:], *nodes.nodes[:first]]
        self._shunned_until_s = dict.fromkeys(self._ring, 0.0)
        self._connections: dict[Node, http.client.HTTPConnection] = {}

    def close(self) -> None:
        """Disconnect."""
        for node in list(self._connections):
            self._hang_up(node)

    def _hang_up(self, node: Node) -> None:
        connection = self._connections.pop(node, None)
        if connection is not None:
            connection.close()

    def _choose(self) -> Node:
        """The first that is up and did not just fail; else the one that failed longest ago."""
        now = monotonic()
        up = [node for node in self._ring if node.up] or self._ring
        for node in up:
            if self._shunned_until_s[node] <= now:
                return node
        return min(up, key=self._shunned_until_s.__getitem__)

    def once(self, service: str, operation: str, **members: Any) -> Any:
        """One try; raises ``ConnectionError`` when nobody knows whether it was done, and ``Refused``."""
        node = self._choose()
        connection = self._connections.get(node)
        if connection is None:
            connection = http.client.HTTPConnection("127.0.0.1", node.port, timeout=self._nodes.timeout_s)
            self._connections[node] = connection
        headers = {
            "Content-Type": "application/x-amz-json-1.0",
            "X-Amz-Target": f"{PREFIXES[service]}.{operation}",
            "X-Amz-Date": "20260101T000000Z",
            "Authorization": AUTHORIZATION.format(service),
        }
        try:
            connection.request("POST", "/", json.dumps(members), headers)
            response = connection.getresponse()
            body = response.read()
        except (OSError, http.client.HTTPException) as error:
            self._hang_up(node)
            self._shunned_until_s[node] = monotonic() + SHUN_S
            raise ConnectionError(f"{operation} at {node.name}: {error!r}") from error
        answer = json.loads(body or b"{}")
        if response.status != 200:
            code = str(answer.get("__type", "")).rpartition("#")[2]
            if response.status == 503:  # the server is leaving, or cannot store anything
                self._shunned_until_s[node] = monotonic() + SHUN_S
                raise ConnectionError(f"{operation} at {node.name}: {code}")
            raise Refused(response.status, code, f"{operation} at {node.name}: {answer.get('message', answer)}")
        return answer

    def call(self, service: str, operation: str, **members: Any) -> Any:
        """Try until a node answers, as SDKs do."""
        end = monotonic() + STALL_LIMIT_S
        pause_s = RETRY_S[0]
        while True:
            try:
                return self.once(service, operation, **members)
            except ConnectionError as error:
                if not self._nodes.await_up(STALL_LIMIT_S) or monotonic() > end:
                    raise Stalled(f"no node answers for {STALL_LIMIT_S} s: {error}") from error
                PAUSE.wait(pause_s)
                pause_s = min(pause_s * 2, RETRY_S[1])

    def give_up(self) -> None:
        """After a try that is not to be repeated: wait until there is somebody to ask for something else."""
        if not self._nodes.await_up(STALL_LIMIT_S):
            raise Stalled(f"every node is down for {STALL_LIMIT_S} s")
        PAUSE.wait(RETRY_S[0])


class Message(Received):
    """A received message and its receipt."""

    handle: str = ""

    def late(self) -> bool:
        """Whether the receipt may have run out meanwhile: the server was down for long."""
        return monotonic() - self.began_s > VISIBILITY_S - 0.5


class Progress:
    """How far the orders are; what waits for a share of them is woken."""

    def __init__(self, orders: int, in_flight_max: int, allowed: float = 1) -> None:
        """``allowed``: the share of the orders that may start before ``allow`` is told more."""
        self.orders = orders
        self.allowed = allowed
        self.started = 0
        self.finished: set[str] = set()
        self.failure: BaseException | None = None
        self._in_flight_max = in_flight_max
        self._changed = threading.Condition()

    @property
    def share(self) -> float:
        """0 to 1."""
        return (self.started + len(self.finished)) / (2 * self.orders)

    def start(self) -> int | None:
        """Take the next order once there is room for it; None when all are taken."""
        with self._changed:
            self._wait(lambda: self.started == self.orders or self._may_start())
            if self.started == self.orders:
                return None
            self.started += 1
            self._changed.notify_all()
            return self.started

    def _may_start(self) -> bool:
        allowed = round(self.allowed * self.orders)
        return self.started < allowed and self.started - len(self.finished) < self._in_flight_max

    def allow(self, share: float) -> None:
        """Let more orders start: up to that share."""
        with self._changed:
            self.allowed = max(self.allowed, min(share, 1))
            self._changed.notify_all()

    def finish(self, order: str) -> None:
        """An order is through."""
        with self._changed:
            self.finished.add(order)
            self._changed.notify_all()

    def fail(self, failure: BaseException) -> None:
        """End everything."""
        with self._changed:
            self.failure = self.failure or failure
            self._changed.notify_all()

    def await_share(self, share: float) -> None:
        """Wait until that share of the work is done."""
        with self._changed:
            self._wait(lambda: self.share >= share)

    def await_started(self, share: float) -> None:
        """Wait until that share of the orders is started."""
        with self._changed:
            self._wait(lambda: self.started >= round(share * self.orders))

    @property
    def over(self) -> bool:
        """All done, or failed."""
        return self.failure is not None or self.share >= 1

    def _wait(self, condition: Callable[[], bool]) -> None:
        while not condition():
            before = self.share
            if not self._changed.wait_for(
                lambda before=before: condition() or self.failure is not None or self.share > before, STALL_LIMIT_S
            ):
                raise Stalled(
                    f"no progress for {STALL_LIMIT_S} s: {self.started} orders started, {len(self.finished)} finished"
                )
            if self.failure is not None:
                raise self.failure


class Workload:
    """The clients. Every method named for a role is run by a thread of its own."""

    def __init__(self, nodes: Nodes, progress: Progress, resources: dict[str, str], kinds: list[str]) -> None:
        self.nodes = nodes
        self.progress = progress
        self.resources = resources
        self.kinds = kinds
        self.observed = Observed()
        self.arns: dict[str, tuple[str, str]] = {}
        """Order > its execution ARN and kind."""
        self.clients: list[Client] = []
        """Everybody who talks to the nodes, to be closed at the end."""
        self._numbers = itertools.count()

    def client(self) -> Client:
        """A client that prefers the next node."""
        client = Client(self.nodes, next(self._numbers))
        self.clients.append(client)
        return client

    def shop(self) -> None:
        """Start executions, each under its own name: a retried start is the same execution."""
        client = self.client()
        machine = self.resources["machine"]
        while (number := self.progress.start()) is not None:
            order, kind = f"order-{number:04}", self.kinds[number - 1]
            given = {"order": order, "kind": kind, "timeout": 4 if kind == "silent" else 600}
            try:
                arn = client.call(
                    "states", "StartExecution", stateMachineArn=machine, name=order, input=json.dumps(given)
                )
                arn = arn["executionArn"]
            except Refused as refused:
                if refused.code != "ExecutionAlreadyExists":  # an earlier try was heard, and is through already
                    raise
                arn = machine.replace(":stateMachine:", ":execution:") + f":{order}"
            self.arns[order] = (arn, kind)

    def auditor(self) -> None:
        """Receive what the workflows send at their end."""
        client = self.client()
        queue = self.resources["audit"]
        while not self.progress.over:
            for received in self.receive(client, "audit"):
                self.observed.audited.append(received)
                self.delete(client, queue, received, log=False)
                self.progress.finish(received.body)

    def sender(self, name: str, count: int) -> None:
        """Send to the standard queue, some of it poison; spread over the whole run."""
        client = self.client()
        for number in range(count):
            self.progress.await_share(number / count * 0.95)
            body = f"{name}-{number}"
            poison = number % 50 == 7
            delay_s = 2 * (number % 20 == 9)
            body = f"{'poison-' * poison}{body}"
            began = monotonic()
            answer = client.call(
                "sqs", "SendMessage", QueueUrl=self.resources["plain"], MessageBody=body, DelaySeconds=delay_s
            )
            sent = Sent("plain", answer["MessageId"], body, poison=poison, not_before_s=began + delay_s - CLOCKS_S)
            self.observed.sent.append(sent)

    def receiver(self) -> None:
        """Receive from the standard queue and delete; poison goes back at once, again and again."""
        client = self.client()
        while not self.progress.over:
            for received in self.receive(client, "plain"):
                self.observed.received.append(received)
                self.handle(client, received)

    def handle(self, client: Client, received: Message) -> None:
        """Process one message of the standard queue."""
        if not received.body.startswith("poison-"):
            self.delete(client, self.resources["plain"], received)
            return
        self.give_back(client, received)

    def give_back(self, client: Client, received: Message) -> None:
        """Make a message visible again at once; without a retry."""
        self.observed.given_back.append(GivenBack(received.queue, received.message_id, monotonic()))
        try:
            client.once(
                "sqs", "ChangeMessageVisibility", QueueUrl=self.resources[received.queue],
                ReceiptHandle=received.handle, VisibilityTimeout=0,
            )  # fmt: skip
        except ConnectionError:
            client.give_up()  # it comes back by itself
        except Refused:
            if not received.late():
                raise

    def line_sender(self, groups: list[str], count: int) -> None:
        """Send to groups of the FIFO queue, in order: the next after the last was acknowledged."""
        client = self.client()
        for number in range(1, count + 1):
            self.progress.await_share(number / count * 0.95)
            for group in groups:
                body = f"{group}/{number}"
                answer = client.call(
                    "sqs", "SendMessage", QueueUrl=self.resources["line"], MessageBody=body,
                    MessageGroupId=group, MessageDeduplicationId=body,
                )  # fmt: skip
                self.observed.sent.append(Sent("line", answer["MessageId"], body, group, number))

    def line_receiver(self) -> None:
        """Receive from the FIFO queue and delete in order; now and then fail at one, and leave what follows it."""
        client = self.client()
        while not self.progress.over:
            failed: set[str] = set()
            for received in self.receive(client, "line"):
                self.observed.received.append(received)
                if received.group in failed:
                    continue
                if received.count == 1 and received.number % 20 == 5:
                    failed.add(received.group)
                    self.give_back(client, received)
                else:
                    self.delete(client, self.resources["line"], received)

    def receive(self, client: Client, queue: str, wait_s: int = 1, visibility_s: int | None = None) -> list[Message]:
        """One ReceiveMessage, without a retry: what a killed server handed out comes again by itself."""
        began = monotonic()
        more = {} if visibility_s is None else {"VisibilityTimeout": visibility_s}
        try:
            answer = client.once(
                "sqs", "ReceiveMessage", QueueUrl=self.resources[queue], MaxNumberOfMessages=10, WaitTimeSeconds=wait_s,
                MessageSystemAttributeNames=["All"], **more,
            )  # fmt: skip
        except ConnectionError:
            client.give_up()
            return []
        ended = monotonic()
        found = []
        for message in answer.get("Messages", []):
            attributes = message["Attributes"]
            group = attributes.get("MessageGroupId", "") if queue == "line" else ""
            number = int(message["Body"].partition("/")[2]) if group else 0
            count = int(attributes["ApproximateReceiveCount"])
            one = Message(queue, message["MessageId"], message["Body"], began, ended, count, group, number)
            one.handle = message["ReceiptHandle"]
            found.append(one)
        return found

    def delete(self, client: Client, queue_url: str, received: Message, *, log: bool = True) -> None:
        """One DeleteMessage, without a retry, logged either way."""
        began = monotonic()
        acked: float | None = None
        try:
            client.once("sqs", "DeleteMessage", QueueUrl=queue_url, ReceiptHandle=received.handle)
            acked = monotonic()
        except ConnectionError:
            client.give_up()
        except Refused:
            if not received.late():
                raise
            return
        if log:
            self.observed.deleted.append(Deleted(received.queue, received.message_id, began, acked))

    def rival(self, log: Path) -> None:
        """Answer tokens that a function is about to answer, at another node as likely as not."""
        client = self.client()
        kinds = {f"order-{number:04}": kind for number, kind in enumerate(self.kinds, 1)}
        with log.open() as told:
            while not self.progress.over:
                line = told.readline()
                if not line.endswith("\n"):
                    told.seek(told.tell() - len(line))
                    PAUSE.wait(0.005)
                    continue
                entry = json.loads(line)
                if entry["status"] == 0 and entry["order"].endswith("3") and kinds[entry["order"]] != "refused":
                    self._answer(client, entry["order"], entry["token"])

    def _answer(self, client: Client, order: str, token: str) -> None:
        answer = Answer(order, token, uuid.uuid4().hex, acked=False)
        self.observed.answers.append(answer)
        output = json.dumps({"mark": f"nonce:{answer.nonce}"})
        try:
            client.once("states", "SendTaskSuccess", taskToken=token, output=output)
            answer.acked = True
        except ConnectionError:
            client.give_up()
        except Refused as refused:
            if refused.code not in {"TaskTimedOut", "TaskDoesNotExist"}:
                raise

    # --- afterwards, with the server up and nobody else there

    def drain(self, queue: str, wanted: Callable[[], bool], limit_s: float = 30) -> Iterator[Message]:
        """Receive what is left, until ``wanted`` is satisfied and the queue has nothing in flight or waiting."""
        client = self.client()
        end = monotonic() + limit_s
        names = [
            "ApproximateNumberOfMessages",
            "ApproximateNumberOfMessagesNotVisible",
            "ApproximateNumberOfMessagesDelayed",
        ]
        while monotonic() < end:
            found = self.receive(client, queue)
            yield from found
            if not found and wanted():
                counts = client.call("sqs", "GetQueueAttributes", QueueUrl=self.resources[queue], AttributeNames=names)
                if not any(int(value) for value in counts["Attributes"].values()):
                    return

    def look_up_executions(self) -> None:
        """Describe every started execution, with its history, and list them all."""
        client, other = self.client(), self.client()
        for order, (arn, kind) in sorted(self.arns.items()):
            end = monotonic() + 20
            while True:
                found = client.call("states", "DescribeExecution", executionArn=arn)
                if found["status"] != "RUNNING" or monotonic() > end:
                    break
                PAUSE.wait(0.05)
            output = json.loads(found["output"]) if found.get("output") else None
            events = list(self._pages(other, "GetExecutionHistory", "events", executionArn=arn))
            self.observed.executions.append(Execution(order, kind, arn, found["status"], output, events))
        machine = self.resources["machine"]
        self.observed.listed = [
            one["executionArn"] for one in self._pages(client, "ListExecutions", "executions", stateMachineArn=machine)
        ]

    def _pages(self, client: Client, operation: str, member: str, **members: Any) -> Iterator[Any]:
        token: dict[str, str] = {}
        while True:
            answer = client.call("states", operation, maxResults=1000, **members, **token)
            yield from answer[member]
            if "nextToken" not in answer:
                return
            token = {"nextToken": answer["nextToken"]}


@contextmanager
def running(progress: Progress, roles: list[Callable[[], None]]) -> Iterator[list[threading.Thread]]:
    """The roles as threads; the first that fails ends all."""

    def guarded(role: Callable[[], None]) -> None:
        try:
            role()
        except BaseException as failure:  # noqa: BLE001 (raised where the test waits)
            progress.fail(failure)

    threads = [threading.Thread(target=guarded, args=(role,), daemon=True) for role in roles]
    for thread in threads:
        thread.start()
    try:
        yield threads
    except BaseException as failure:
        progress.fail(failure)
        raise
    finally:
        for thread in threads:
            thread.join(STALL_LIMIT_S)
