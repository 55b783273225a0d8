"""CloudWatch Logs on a store of its own and a clock that is moved by hand; Lambda is played by the test."""

import base64
import gzip
import json
from typing import Any

import msgspec
import pytest
from tests.stores import new_store, sql

from waypost.aws.errors import AwsError
from waypost.ids import RandomIds
from waypost.registry import Registry
from waypost.service import Again, Caller, Context, Job, Params, Perform, Service
from waypost.services import logs
from waypost.store.store import Tx
from waypost.work.jobs import Q as JOBS

ACCOUNT = "123456789012"
REGION = "eu-west-1"
NOW_MS = 1_750_000_000_000
DAY_MS = 86_400_000
FUNCTION = f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:f"


def group_arn(name: str = "g") -> str:
    return f"arn:aws:logs:{REGION}:{ACCOUNT}:log-group:{name}"


class World:
    """The operations as a client calls them, through the registry and the model's checks."""

    def __init__(self, kind: str = "sqlite") -> None:
        self.store = new_store(kind)
        self.functions = {FUNCTION}
        self.invoked: list[Params] = []
        self.registry = Registry(
            [logs.SERVICE, Service("lambda", "lambda", {"Invoke": self._invoke})],
        )
        self.now_ms = NOW_MS
        self.ids = RandomIds(7)

    def _invoke(self, _tx: Tx, _ctx: Context, request: Params) -> Params:
        if request["FunctionName"] not in self.functions:
            raise AwsError("ResourceNotFoundException", "Function not found", Type="User")
        if request["InvocationType"] == "DryRun":
            return {"StatusCode": 204}
        assert len(request["Payload"]) <= 1_048_576
        self.invoked.append(request)
        return {"StatusCode": 202}

    def delivered(self) -> list[dict[str, Any]]:
        """What functions were told, unpacked."""
        data = [json.loads(request["Payload"])["awslogs"]["data"] for request in self.invoked]
        return [json.loads(gzip.decompress(base64.b64decode(one))) for one in data]

    def context(self, account: str = ACCOUNT, region: str = REGION) -> Context:
        caller = Caller(account, "AKIATEST", f"arn:aws:iam::{account}:root", account)
        return Context(
            account, region, "r", self.now_ms, self.now_ms, caller, self.ids, self.registry, "http://localhost:4566"
        )

    def __call__(self, operation: str, /, **request: Any) -> Any:
        return self.run(operation, request)

    def run(self, operation: str, request: Params, **context: Any) -> Any:
        ctx = self.context(**context)
        return self.store.run(lambda tx: self.registry.call(tx, ctx, "logs", operation, request))

    def refused(self, operation: str, /, **request: Any) -> tuple[str, str]:
        """Code and sentence of a refusal."""
        with pytest.raises(AwsError) as caught:
            self(operation, **request)
        return caught.value.code, caught.value.message

    # --- background work

    def work(self, limit: int = 10_000) -> int:
        """Do what is due; answers how many steps it took."""
        for steps in range(limit):
            rows = sql(
                self.store,
                "SELECT id, kind, key, account, region, run_at, attempts, payload FROM job WHERE run_at <= :now"
                " ORDER BY run_at, id LIMIT 1",
                now=self.now_ms,
            )
            if not rows:
                return steps
            self._step(Job(*rows[0][:7], msgspec.json.decode(rows[0][7])))
        raise AssertionError("the work does not end")

    def _step(self, job: Job) -> None:
        def step(tx: Tx) -> None:
            answer = logs.SERVICE.jobs[job.kind](tx, self.context(job.account, job.region), job)
            assert not isinstance(answer, Perform)
            if isinstance(answer, Again):
                payload = msgspec.json.encode(job.payload if answer.payload is None else answer.payload).decode()
                tx.run(JOBS.postpone_job, id=job.id, run_at=answer.run_at_ms, payload=payload)
            else:
                tx.run(JOBS.delete_job, id=job.id)

        self.store.run(step)

    def count(self, table: str) -> int:
        return int(sql(self.store, f"SELECT COUNT(*) FROM {table}")[0][0])

    # --- shorter ways to say what most tests do

    def group(self, name: str = "g", *streams: str, days: int | None = None) -> None:
        self("CreateLogGroup", logGroupName=name)
        if days is not None:
            self("PutRetentionPolicy", logGroupName=name, retentionInDays=days)
        for stream in streams:
            self("CreateLogStream", logGroupName=name, logStreamName=stream)

    def put(self, *events: tuple[int, str], stream: str = "s", group: str = "g") -> Any:
        """Events by their distance from now."""
        written = [{"timestamp": self.now_ms + at_ms, "message": message} for at_ms, message in events]
        return self("PutLogEvents", logGroupName=group, logStreamName=stream, logEvents=written)

    def get(self, stream: str = "s", group: str = "g", **more: Any) -> Any:
        return self("GetLogEvents", logGroupName=group, logStreamName=stream, **more)

    def messages(self, **more: Any) -> list[str]:
        """Of one page of GetLogEvents."""
        return [event["message"] for event in self.get(**more)["events"]]

    def filtered(self, group: str = "g", **more: Any) -> list[str]:
        """The messages of all pages of FilterLogEvents."""
        return [event["message"] for page in self.pages("FilterLogEvents", logGroupName=group, **more)
                for event in page["events"]]  # fmt: skip

    def pages(self, operation: str, **request: Any) -> list[Any]:
        found = [self(operation, **request)]
        while "nextToken" in found[-1]:
            assert len(found) < 10_000
            found.append(self(operation, **request, nextToken=found[-1]["nextToken"]))
        return found
