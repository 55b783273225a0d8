"""Step Functions on a real store and a virtual clock; queues and functions are played by the test."""

import json
import re
from collections.abc import Callable, Iterator
from typing import Any

import msgspec
import pytest
from tests.stores import KINDS, AnyStore, new_store

from waypost.aws.errors import AwsError
from waypost.ids import RandomIds
from waypost.runtimes.invocation import FunctionCall, FunctionOutcome, FunctionSpec
from waypost.service import Again, Caller, Context, Job, Params, Perform
from waypost.services import states
from waypost.store.queries import parse
from waypost.store.store import Tx
from waypost.testing.clock import VirtualClock
from waypost.work import jobs

ACCOUNT = "000000000000"
REGION = "us-east-1"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/workflows"
QUEUE = f"http://localhost/{ACCOUNT}/orders"

Q = parse(
    "test",
    """
-- name: due
SELECT id, kind, key, account, region, run_at, attempts, payload FROM job
WHERE run_at <= :now AND kind <> 'states.sweep' ORDER BY run_at, id LIMIT 1
-- name: next
SELECT MIN(run_at) FROM job WHERE kind <> 'states.sweep'
-- name: sweeps
SELECT id, kind, key, account, region, run_at, attempts, payload FROM job
WHERE run_at <= :now AND kind = 'states.sweep' ORDER BY run_at, id LIMIT 1
-- name: jobs
SELECT kind, run_at FROM job WHERE kind <> 'states.sweep' ORDER BY run_at
""",
)
RUNNING_ONLY = ("states_run", "states_branch", "states_body", "states_token", "states_activity_task")


class World:
    """The service, its jobs, and neighbours that do as the test says."""

    def __init__(self, store: AnyStore) -> None:
        self.store = store
        self.clock = VirtualClock()
        self.ids = RandomIds(7)
        self.messages: list[dict[str, Any]] = []
        self.functions: dict[str, Callable[[Any], Any]] = {}
        self.invoked: list[FunctionCall] = []
        self.region = REGION
        self.account = ACCOUNT
        self.called_in: list[str] = []
        self.leased: list[tuple[Job, Perform]] = []

    # --- the neighbours

    def call(self, tx: Tx, ctx: Context, service: str, operation: str, request: Params) -> Params:
        inner = msgspec.structs.replace(ctx, wire="internal", started_ms=0)
        self.called_in.append(ctx.account)
        if service == "states":
            answer = states.SERVICE.operations[operation](tx, inner, request)
            assert isinstance(answer, dict)
            return answer
        name = re.sub(r"(?<!^)(?=[A-Z])", "_", operation.removeprefix("waypost:")).lower()
        return getattr(self, f"{service}_{name}")(request)

    def sqs_send_message(self, request: Params) -> Params:
        if request["QueueUrl"] != QUEUE:
            raise AwsError("QueueDoesNotExist", "The specified queue does not exist.")
        self.messages.append(request)
        return {"MD5OfMessageBody": "0" * 32, "MessageId": self.ids.uuid()}

    def lambda_prepare_invoke(self, request: Params) -> Params:
        name = request["FunctionName"].split(":")[6] if ":" in request["FunctionName"] else request["FunctionName"]
        arn = f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:{name}"
        if name not in self.functions:
            raise AwsError("ResourceNotFoundException", f"Function not found: {arn}", Type="User")
        spec = FunctionSpec(
            arn, name, "$LATEST", "1", "python3.11", "h", "", 3000, 128, {}, ACCOUNT, REGION, ROLE, "/aws/lambda/f"
        )
        call = FunctionCall(spec, request["Payload"], self.ids.uuid(), arn, {}, "")
        return {"Call": call, "ExecutedVersion": "$LATEST"}

    def lambda_invoke(self, request: Params) -> Params:
        self.messages.append(request)
        return {"StatusCode": 202}

    # --- operations

    def context(self, wire: str = "json") -> Context:
        now_ms = self.clock.now_ms()
        caller = Caller(self.account, "", "", "")
        return Context(
            self.account, self.region, self.ids.uuid(), now_ms, now_ms, caller, self.ids, self, "http://x", wire
        )

    def run(self, operation: str, wire: str = "json", **request: Any) -> Any:
        ctx = self.context(wire)
        return self.store.run(lambda tx: states.SERVICE.operations[operation](tx, ctx, request))

    def refused(self, operation: str, **request: Any) -> tuple[str, str]:
        with pytest.raises(AwsError) as caught:
            self.run(operation, **request)
        return caught.value.code, caught.value.message

    def machine(self, definition: dict[str, Any], name: str = "m") -> str:
        created = self.run("CreateStateMachine", name=name, definition=json.dumps(definition), roleArn=ROLE)
        return str(created["stateMachineArn"])

    def start(self, definition: dict[str, Any], document: Any = None, name: str = "m") -> str:
        arn = self.machine(definition, name)
        request = {} if document is None else {"input": json.dumps(document)}
        return str(self.run("StartExecution", stateMachineArn=arn, **request)["executionArn"])

    def describe(self, arn: str) -> Any:
        return self.run("DescribeExecution", executionArn=arn)

    def status(self, arn: str) -> str:
        return str(self.describe(arn)["status"])

    def output(self, arn: str) -> Any:
        described = self.describe(arn)
        assert described["status"] == "SUCCEEDED", described
        return json.loads(described["output"])

    def history(self, arn: str) -> list[dict[str, Any]]:
        events: list[dict[str, Any]] = []
        token: dict[str, Any] = {}
        while True:
            page = self.run("GetExecutionHistory", executionArn=arn, maxResults=1000, **token)
            events += page["events"]
            if "nextToken" not in page:
                break
            token = {"nextToken": page["nextToken"]}
        assert [event["id"] for event in events] == list(range(1, len(events) + 1))
        return events

    def types(self, arn: str) -> list[str]:
        return [event["type"] for event in self.history(arn)]

    def details(self, arn: str, kind: str) -> dict[str, Any]:
        """The details of the only event of a type."""
        (event,) = [event for event in self.history(arn) if event["type"] == kind]
        (found,) = [value for key, value in event.items() if key.endswith("EventDetails")]
        return dict(found)

    def token(self, place: int = -1) -> str:
        """The task token in a message sent to the queue."""
        return str(json.loads(self.messages[place]["MessageBody"])["token"])

    # --- jobs

    def work(self, *, perform: bool = True, until_ms: int | None = None) -> int:
        """Do every job that is due; answers how many."""
        done = 0
        while (job := self._take(Q.due)) is not None:
            wanted = self._handle(job)
            if wanted is not None:
                if not perform:
                    self.leased.append((job, wanted))
                    self._move(job, self.clock.now_ms() + 30_000)
                else:
                    self.settle(job, wanted)
            done += 1
        return done

    def settle(self, job: Job, wanted: Perform) -> None:
        """Do a job's outside work and settle it, if the job is still there."""
        outcome = self._invoke(wanted.call)
        ctx = self.context("internal")

        def finish(tx: Tx) -> None:
            if tx.one(parse("t", "-- name: a\nSELECT 1 FROM job WHERE id = :id").a, id=job.id) is not None:
                assert wanted.settle(tx, ctx, outcome) is None
                tx.run(jobs.Q.delete_job, id=job.id)

        self.store.run(finish)

    def _invoke(self, call: FunctionCall) -> Any:
        self.invoked.append(call)
        outcome = self.functions[call.spec.name](json.loads(call.payload))
        if isinstance(outcome, FunctionOutcome | Exception):
            return outcome
        return FunctionOutcome(json.dumps(outcome).encode())

    def _take(self, query: Any) -> Job | None:
        row = self.store.run(lambda tx: tx.one(query, now=self.clock.now_ms()))
        return None if row is None else Job(*row[:7], json.loads(row[7]))

    def _handle(self, job: Job) -> Perform | None:
        ctx = msgspec.structs.replace(self.context("internal"), account=job.account, region=job.region)

        def step(tx: Tx) -> Any:
            result = states.SERVICE.jobs[job.kind](tx, ctx, job)
            if isinstance(result, Again):
                tx.run(jobs.Q.postpone_job, id=job.id, run_at=result.run_at_ms, payload=json.dumps(job.payload))
            elif result is None:
                tx.run(jobs.Q.delete_job, id=job.id)
            return result

        result = self.store.run(step)
        return result if isinstance(result, Perform) else None

    def _move(self, job: Job, run_at: int) -> None:
        payload = json.dumps(job.payload)
        self.store.run(lambda tx: tx.run(jobs.Q.postpone_job, id=job.id, run_at=run_at, payload=payload))

    def pass_time(self, by_ms: int) -> None:
        """Let time go by, doing each job at its own instant."""
        until_ms = self.clock.now_ms() + by_ms
        self.work()
        while True:
            row = self.store.run(lambda tx: tx.one(Q.next))
            if row is None or row[0] is None or row[0] > until_ms:
                break
            self.clock.advance(max(0, row[0] - self.clock.now_ms()))
            self.work()
        self.clock.advance(until_ms - self.clock.now_ms())

    def sweep(self) -> None:
        """Do the sweeps that are due."""
        while (job := self._take(Q.sweeps)) is not None:
            self._handle(job)

    def jobs(self) -> list[tuple[str, int]]:
        return [(row[0], row[1]) for row in self.store.run(lambda tx: tx.all(Q.jobs))]

    def count(self, table: str) -> int:
        query = parse("t", f"-- name: a\nSELECT COUNT(*) FROM {table}").a
        row = self.store.run(lambda tx: tx.one(query))
        assert row is not None
        return int(row[0])

    def nothing_left(self) -> bool:
        """Whether no execution left anything behind but its record and history."""
        return self.jobs() == [] and all(self.count(table) == 0 for table in RUNNING_ONLY)


@pytest.fixture(params=KINDS)
def world(request: pytest.FixtureRequest) -> Iterator[World]:
    store = new_store(request.param)
    yield World(store)
    store.close_now()
