"""SQS on a store of its own and a clock that is moved by hand."""

from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from tests.stores import new_store, sql

from waypost.aws.errors import AwsError
from waypost.ids import RandomIds
from waypost.registry import Registry
from waypost.service import Again, Caller, Context, Job, Params, Park
from waypost.services import sqs
from waypost.store.store import Tx
from waypost.work.jobs import Q as JOBS

ACCOUNT = "123456789012"
REGION = "eu-west-1"
BASE = "http://localhost:4566"
START_MS = 1_700_000_000_000


class World:
    """A store, a clock, and the operations of SQS as a client calls them."""

    def __init__(self, path: str = ":memory:", seed: int = 7, kind: str = "sqlite") -> None:
        self.store = new_store(kind, path)
        self.registry = Registry([sqs.SERVICE])
        self.now_ms = START_MS
        self.ids = RandomIds(seed)

    def context(
        self, account: str = ACCOUNT, wire: str = "json", started_ms: int | None = None, path: str = "/",
        trace: str = "",
    ) -> Context:  # fmt: skip
        return Context(
            account=account,
            region=REGION,
            request_id="r",
            now_ms=self.now_ms,
            started_ms=self.now_ms if started_ms is None else started_ms,
            caller=Caller(account, "AKIATEST", f"arn:aws:iam::{account}:root", account),
            ids=self.ids,
            calls=self.registry,
            base_url=BASE,
            wire=wire,
            path=path,
            trace=trace,
        )

    def run(self, operation: str, request: Params, **context: Any) -> Any:
        function = sqs.SERVICE.operations[operation]
        ctx = self.context(**context)
        return self.store.run(lambda tx: function(tx, ctx, request))

    def __call__(self, operation: str, /, **request: Any) -> Any:
        """An operation as the account's client calls it; what it parks with counts as an empty answer."""
        result = self.run(operation, request)
        return {} if isinstance(result, Park) else result

    def pass_s(self, seconds: float) -> None:
        self.now_ms += int(seconds * 1_000)

    def work(self, *, all_queues: bool = False) -> int:
        """Run what is due of the background work, or all of it; answers how many steps it took."""
        steps = 0
        if all_queues:
            sql(self.store, "UPDATE job SET run_at = 0 WHERE kind = 'sqs.expire'")
        while True:
            row = self.store.run(lambda tx: tx.one(JOBS.due_job, floor=0, now=self.now_ms))
            if row is None:
                return steps
            steps += 1
            job = Job(*row[:7], msgspec.json.decode(row[7]))
            self.store.run(self._step(job))

    def _step(self, job: Job) -> Callable[[Tx], None]:
        def step(tx: Tx) -> None:
            answer = sqs.SERVICE.jobs[job.kind](tx, self.context(job.account), job)
            if isinstance(answer, Again):
                tx.run(
                    JOBS.postpone_job,
                    id=job.id,
                    run_at=answer.run_at_ms,
                    payload=msgspec.json.encode(answer.payload or job.payload).decode(),
                )
            else:
                tx.run(JOBS.delete_job, id=job.id)

        return step

    def count(self, table: str) -> int:
        return int(sql(self.store, f"SELECT COUNT(*) FROM {table}")[0][0])

    # --- shorter ways to say what most tests do

    def queue(self, name: str = "q", tags: dict[str, str] | None = None, **attributes: str) -> str:
        request: Params = {"QueueName": name}
        if attributes:
            request["Attributes"] = attributes
        if tags:
            request["tags"] = tags
        return self("CreateQueue", **request)["QueueUrl"]

    def fifo(self, name: str = "q.fifo", **attributes: str) -> str:
        return self.queue(name, FifoQueue="true", **attributes)

    def send(self, url: str, body: str = "hello", **more: Any) -> Params:
        return self("SendMessage", QueueUrl=url, MessageBody=body, **more)

    def receive(self, url: str, most: int = 10, **more: Any) -> list[Params]:
        return self("ReceiveMessage", QueueUrl=url, MaxNumberOfMessages=most, **more).get("Messages", [])

    def bodies(self, url: str, most: int = 10, **more: Any) -> list[str]:
        return [message["Body"] for message in self.receive(url, most, **more)]

    def delete(self, url: str, message: Params) -> None:
        self("DeleteMessage", QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])

    def attributes(self, url: str, *names: str) -> dict[str, str]:
        return self("GetQueueAttributes", QueueUrl=url, AttributeNames=list(names or ("All",))).get("Attributes", {})

    def counts(self, url: str) -> tuple[int, int, int]:
        """Visible, in flight, delayed."""
        found = self.attributes(url)
        return tuple(  # type: ignore[return-value]
            int(found[f"ApproximateNumberOfMessages{kind}"]) for kind in ("", "NotVisible", "Delayed")
        )

    def check_counts(self) -> None:
        """What is kept of the number of messages is their number."""
        if self.store.run(lambda tx: tx.shared):
            return
        kept = dict(sql(self.store, "SELECT storage, messages FROM sqs_count WHERE messages <> 0"))
        assert kept == dict(sql(self.store, "SELECT storage, COUNT(*) FROM sqs_message GROUP BY storage"))

    def refused(self, operation: str, /, **request: Any) -> AwsError:
        return self.run_refused(operation, request)

    def run_refused(self, operation: str, request: Params, **context: Any) -> AwsError:
        with pytest.raises(AwsError) as caught:
            self.run(operation, request, **context)
        return caught.value


def arn(name: str) -> str:
    return f"arn:aws:sqs:{REGION}:{ACCOUNT}:{name}"
