"""Random use of a dead-letter queue while tasks move messages out of it: none is lost, none is there twice."""

import json
from collections import Counter
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from tests.services.sqs.world import World, arn
from tests.stores import KINDS, sql

from waypost.aws.errors import AwsError
from waypost.service import Job
from waypost.services.sqs import moves
from waypost.services.sqs.rules import moves as pace_rules
from waypost.store.queries import parse

VISIBILITY_S = 5
BATCH_MAX = 3
"""Instead of a hundred: so that few messages take several steps."""

Q = parse(
    "moves",
    """
-- name: move_job
SELECT id, kind, key, account, region, run_at, attempts, payload FROM job
WHERE kind = 'sqs.move' AND run_at <= :now LIMIT 1;
""",
)
LYING = """
SELECT q.name, m.id, m.message_id, m.group_id, m.sequence, COALESCE(m.body, b.body) FROM sqs_message m
JOIN sqs_queue q ON q.storage = m.storage LEFT JOIN sqs_body b ON b.id = m.id ORDER BY m.sequence, m.id
"""


class MovesMachine(RuleBasedStateMachine):
    """A queue, its dead-letter queue, and another queue."""

    suffix = ""
    kind = "sqlite"

    def __init__(self) -> None:
        super().__init__()
        self.patch = pytest.MonkeyPatch()
        self.patch.setattr(moves, "MOVE_BATCH_MAX", BATCH_MAX)
        self.patch.setattr(pace_rules, "MOVE_BATCH_MAX", BATCH_MAX)
        self.world = World(kind=self.kind)
        self.alive: Counter[str] = Counter()
        self.sent = 0
        self.handles: list[tuple[str, str, str]] = []
        """Queue, message id, receipt handle."""
        self.place: dict[str, int] = {}
        """By body: its sequence number in the dead-letter queue, when it was last there."""
        self.tasks: list[str] = []

    @initialize()
    def create(self) -> None:
        make = self.world.fifo if self.suffix else self.world.queue
        timeout = {"VisibilityTimeout": str(VISIBILITY_S)}
        self.urls = {f"dlq{self.suffix}": make(f"dlq{self.suffix}", **timeout)}
        policy = json.dumps({"deadLetterTargetArn": arn(f"dlq{self.suffix}"), "maxReceiveCount": 1})
        self.urls[f"q{self.suffix}"] = make(f"q{self.suffix}", RedrivePolicy=policy, **timeout)
        self.urls[f"other{self.suffix}"] = make(f"other{self.suffix}", **timeout)

    def teardown(self) -> None:
        self.world.check_counts()
        self.world.store.close_now()
        self.patch.undo()

    def refused(self, operation: str, **request: Any) -> str:
        """The words with which an operation is refused; empty where it is not."""
        try:
            self.world(operation, **request)
        except AwsError as error:
            return error.message
        return ""

    @rule(
        name=st.sampled_from(["q", "dlq", "dlq"]),
        group=st.sampled_from("ab"),
        count=st.integers(1, 5),
        large=st.booleans(),
    )
    def send(self, name: str, group: str, count: int, large: bool) -> None:
        for _ in range(count):
            self.sent += 1
            body = f"{self.sent:04}" + "x" * (3_000 if large else 0)
            fifo = {"MessageGroupId": group, "MessageDeduplicationId": body[:4]} if self.suffix else {}
            self.world.send(self.urls[name + self.suffix], body, **fifo)
            self.alive[body] += 1

    @rule(name=st.sampled_from(["q", "q", "dlq", "other"]), most=st.integers(1, 10), visible=st.booleans())
    def receive(self, name: str, most: int, visible: bool) -> None:
        url = self.urls[name + self.suffix]
        for message in self.world.receive(url, most, **({"VisibilityTimeout": 0} if visible else {})):
            self.handles.append((name + self.suffix, message["MessageId"], message["ReceiptHandle"]))

    @precondition(lambda self: self.handles)
    @rule(data=st.data())
    def delete(self, data: st.DataObject) -> None:
        """A handle says which queue it is of: it is for nothing once its message was moved away."""
        name, message_id, handle = data.draw(st.sampled_from(self.handles))
        there = [row[5] for row in sql(self.world.store, LYING) if row[0] == name and row[2] == message_id]
        refused = self.refused("DeleteMessage", QueueUrl=self.urls[name], ReceiptHandle=handle)
        assert not refused or (self.suffix and "expired" in refused)
        if not refused:
            self.alive.subtract(there)

    @rule(seconds=st.sampled_from([0.2, 1, VISIBILITY_S]))
    def wait(self, seconds: float) -> None:
        self.world.pass_s(seconds)

    @rule(rate=st.sampled_from([None, 1, 20]), destination=st.sampled_from([True, True, False]))
    def start(self, rate: int | None, destination: bool) -> None:
        more: dict[str, Any] = {} if rate is None else {"MaxNumberOfMessagesPerSecond": rate}
        if destination:
            more["DestinationArn"] = arn(f"other{self.suffix}")
        active = sql(self.world.store, "SELECT 1 FROM sqs_move WHERE status IN ('RUNNING', 'CANCELLING')")
        if active:
            refused = self.refused("StartMessageMoveTask", SourceArn=arn(f"dlq{self.suffix}"), **more)
            assert "already a task running" in refused
        else:
            started = self.world("StartMessageMoveTask", SourceArn=arn(f"dlq{self.suffix}"), **more)
            self.tasks.append(started["TaskHandle"])

    @precondition(lambda self: len(self.tasks) > 2)
    @rule()
    def cancel(self) -> None:
        # The handle of the newest task, which is the one that may run.
        running = sql(self.world.store, "SELECT 1 FROM sqs_move WHERE status = 'RUNNING'")
        refused = self.refused("CancelMessageMoveTask", TaskHandle=self.tasks[-1])
        assert refused == ("" if running else "Task does not exist.")

    @rule()
    def step(self) -> None:
        for row in sql(self.world.store, LYING):
            if row[0] == "dlq.fifo":
                self.place[row[5]] = row[4]
        running = sql(self.world.store, "SELECT id FROM sqs_move WHERE status = 'RUNNING'")
        row = self.world.store.run(lambda tx: tx.one(Q.move_job, now=self.world.now_ms))
        if row is not None:
            self.world.store.run(self.world._step(Job(*row[:7], msgspec.json.decode(row[7]))))
        if running and sql(self.world.store, "SELECT status FROM sqs_move WHERE id = :id", id=running[0][0]) == [
            ("COMPLETED",)
        ]:
            left = [row[1] for row in sql(self.world.store, LYING) if row[0] == f"dlq{self.suffix}"]
            assert all(row_id > running[0][0] for row_id in left), "it has left only what came later"

    @precondition(lambda self: self.tasks)
    @rule()
    def come_to_an_end(self) -> None:
        """Whatever happened before: once every message is visible a task ends."""
        for _ in range(60):
            self.wait(60)
            self.step()
            self.step()
        listed = self.world("ListMessageMoveTasks", SourceArn=arn(f"dlq{self.suffix}"), MaxResults=10)["Results"]
        assert {task["Status"] for task in listed} <= {"COMPLETED", "CANCELLED", "FAILED"}

    @invariant()
    def each_message_is_in_one_queue(self) -> None:
        rows = sql(self.world.store, LYING)
        assert Counter(row[5] for row in rows) == +self.alive
        assert len({row[1] for row in rows}) == len(rows)

    @invariant()
    def groups_keep_their_order(self) -> None:
        arrived: dict[str, list[int]] = {}
        for row in sql(self.world.store, LYING):
            if row[0] == "other.fifo" and row[5] in self.place:
                arrived.setdefault(row[3], []).append(self.place[row[5]])
        assert all(places == sorted(places) for places in arrived.values())


class FifoMovesMachine(MovesMachine):
    """The same with groups."""

    suffix = ".fifo"


class PostgresMovesMachine(MovesMachine):
    """The same on the other store, a few times."""

    kind = "postgres"


class PostgresFifoMovesMachine(FifoMovesMachine):
    """The same."""

    kind = "postgres"


SETTINGS = settings(
    max_examples=60, stateful_step_count=60, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True
)
TestMoves = MovesMachine.TestCase
TestMoves.settings = SETTINGS
TestFifoMoves = FifoMovesMachine.TestCase
TestFifoMoves.settings = SETTINGS
if "postgres" in KINDS:
    TestPostgresMoves = PostgresMovesMachine.TestCase
    TestPostgresMoves.settings = settings(SETTINGS, max_examples=8)
    TestPostgresFifoMoves = PostgresFifoMovesMachine.TestCase
    TestPostgresFifoMoves.settings = settings(SETTINGS, max_examples=8)
