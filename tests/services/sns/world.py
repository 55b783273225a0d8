"""SNS and SQS on a store of their own and a clock that is moved by hand."""

import functools
import json
from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from tests.stores import new_store, sql

from waypost.aws.errors import AwsError
from waypost.ids import RandomIds
from waypost.registry import Registry
from waypost.service import Again, Caller, Context, Job, Params, Perform, Service
from waypost.services import logs, sns, sqs
from waypost.services.sns import keys, signing
from waypost.store.store import Tx
from waypost.work.compute import Compute
from waypost.work.jobs import Q as JOBS

ACCOUNT = "123456789012"
OTHER = "210987654321"
REGION = "eu-west-1"
BASE = "http://localhost:4566"
START_MS = 1_700_000_000_000
INBOX = {"email": "inbox", "sms": "inbox", "application": "inbox", "sender": "sns@example.com", "sandbox": False}


@functools.cache
def _key() -> keys.KeyPair:
    return keys.generate(START_MS)


class World:
    """A store, a clock, and the operations of SNS and SQS as a client calls them."""

    def __init__(self, path: str = ":memory:", seed: int = 7, kind: str = "sqlite", *, keyed: bool = False) -> None:
        """``keyed``: with a signing key from the start, which takes longer to make than most tests."""
        self.store = new_store(kind, path)
        self.channels: dict[str, Any] = dict(INBOX)
        outside = Service("outside", "", {"waypost:Channels": lambda _tx, _ctx, _request: self.channels})
        self.registry = Registry([sqs.SERVICE, sns.SERVICE, logs.SERVICE, outside])
        self.now_ms = START_MS
        self.ids = RandomIds(seed)
        self.performed: list[Any] = []
        """What jobs wanted done outside."""
        if keyed:
            key = _key()
            self.store.run(lambda tx: tx.run(signing.Q.insert_key, id=1, created_at=START_MS, **key._asdict()))

    def context(self, account: str = ACCOUNT, *, signed: bool = True, trace: str = "", region: str = REGION) -> Context:
        return Context(
            account=account,
            region=region,
            request_id="r",
            now_ms=self.now_ms,
            started_ms=self.now_ms,
            caller=Caller(account, "AKIATEST" if signed else "", f"arn:aws:iam::{account}:root", account),
            ids=self.ids,
            calls=self.registry,
            base_url=BASE,
            wire="query",
            trace=trace,
        )

    def run(self, operation: str, request: Params, **context: Any) -> Any:
        """An operation as it runs for a client whose context is special."""
        service = sqs.SERVICE if operation in sqs.SERVICE.operations and operation not in _SHARED else sns.SERVICE
        function = service.operations[operation]
        if not operation.startswith("waypost:"):
            self.registry.router.operation(service.model, operation).check(request)
        ctx = self.context(**context)
        answer = self.store.run(lambda tx: function(tx, ctx, request))
        while isinstance(answer, Perform) and isinstance(answer.call, Compute):
            outcome, settle = answer.call.function(), answer.settle
            answer = self.store.run(lambda tx, settle=settle, outcome=outcome: settle(tx, ctx, outcome))
        return answer

    def __call__(self, operation: str, /, **request: Any) -> Any:
        """An operation as the account's client calls it."""
        return self.run(operation, request)

    def refused(self, operation: str, /, **request: Any) -> AwsError:
        with pytest.raises(AwsError) as caught:
            self(operation, **request)
        return caught.value

    def says(self, operation: str, /, **request: Any) -> str:
        """The sentence of a refusal."""
        return self.refused(operation, **request).message

    def pass_s(self, seconds: float) -> None:
        self.now_ms += int(seconds * 1_000)

    # --- background work

    def work(self, *kinds: str) -> int:
        """Run what is due of the background work, of some kinds or of all; answers how many steps it took."""
        steps = 0
        while True:
            row = self._due(kinds)
            if row is None:
                return steps
            steps += 1
            self.store.run(self._step(Job(*row[:7], msgspec.json.decode(row[7]))))

    def _due(self, kinds: tuple[str, ...]) -> Any:
        rows = sql(
            self.store,
            "SELECT id, kind, key, account, region, run_at, attempts, payload FROM job WHERE run_at <= :now"
            " ORDER BY run_at, id",
            now=self.now_ms,
        )
        return next((row for row in rows if not kinds or row[1] in kinds), None)

    def _step(self, job: Job) -> Callable[[Tx], None]:
        handler = {**sqs.SERVICE.jobs, **sns.SERVICE.jobs}[job.kind]

        def step(tx: Tx) -> None:
            ctx = self.context(job.account, region=job.region)
            answer: Any = handler(tx, ctx, job)
            while isinstance(answer, Perform) and isinstance(answer.call, Compute):
                answer = answer.settle(tx, ctx, answer.call.function())
            if isinstance(answer, Perform):
                self.performed.append(answer.call)
                answer = None
            if isinstance(answer, Again):
                payload = job.payload if answer.payload is None else answer.payload
                tx.run(
                    JOBS.postpone_job, id=job.id, run_at=answer.run_at_ms, payload=msgspec.json.encode(payload).decode()
                )
            else:
                tx.run(JOBS.delete_job, id=job.id)

        return step

    def jobs(self, kind: str) -> int:
        return int(sql(self.store, "SELECT COUNT(*) FROM job WHERE kind = :kind", kind=kind)[0][0])

    def count(self, table: str) -> int:
        return int(sql(self.store, f"SELECT COUNT(*) FROM {table}")[0][0])

    def logged(self, group: str, account: str = ACCOUNT) -> list[Params]:
        """The lines of a log group, oldest first."""
        function = logs.SERVICE.operations["FilterLogEvents"]
        ctx = self.context(account)
        answer = self.store.run(lambda tx: function(tx, ctx, {"logGroupName": group}))
        assert isinstance(answer, dict)
        return [json.loads(event["message"]) for event in answer["events"]]

    # --- shorter ways to say what most tests do

    def topic(self, name: str = "t", **attributes: str) -> str:
        request: Params = {"Name": name}
        if attributes:
            request["Attributes"] = attributes
        return self("CreateTopic", **request)["TopicArn"]

    def fifo(self, name: str = "t.fifo", **attributes: str) -> str:
        return self.topic(name, FifoTopic="true", **attributes)

    def queue(self, name: str = "q", account: str = ACCOUNT, **attributes: str) -> str:
        """A queue; answers its ARN."""
        if name.endswith(".fifo"):
            attributes["FifoQueue"] = "true"
        request: Params = {"QueueName": name, **({"Attributes": attributes} if attributes else {})}
        self.run("CreateQueue", request, account=account)
        return f"arn:aws:sqs:{REGION}:{account}:{name}"

    def subscribe(self, topic_arn: str, endpoint: str, protocol: str = "sqs", **attributes: str) -> str:
        request: Params = {"TopicArn": topic_arn, "Protocol": protocol, "Endpoint": endpoint}
        if attributes:
            request["Attributes"] = attributes
        return self("Subscribe", **request, ReturnSubscriptionArn=True)["SubscriptionArn"]

    def publish(self, topic_arn: str, message: str = "hello", **more: Any) -> Params:
        return self("Publish", TopicArn=topic_arn, Message=message, **more)

    def set_topic(self, topic_arn: str, name: str, value: str) -> None:
        self("SetTopicAttributes", TopicArn=topic_arn, AttributeName=name, AttributeValue=value)

    def set_subscription(self, subscription_arn: str, name: str, value: str) -> None:
        self("SetSubscriptionAttributes", SubscriptionArn=subscription_arn, AttributeName=name, AttributeValue=value)

    def topic_attributes(self, topic_arn: str) -> dict[str, str]:
        return self("GetTopicAttributes", TopicArn=topic_arn)["Attributes"]

    def subscription_attributes(self, subscription_arn: str) -> dict[str, str]:
        return self("GetSubscriptionAttributes", SubscriptionArn=subscription_arn)["Attributes"]

    def receive(self, queue_arn: str, most: int = 10) -> list[Params]:
        """What waits in a queue; it stays in flight."""
        account, name = queue_arn.split(":")[4:]
        url = f"{BASE}/{account}/{name}"
        wanted = {"MessageAttributeNames": ["All"], "MessageSystemAttributeNames": ["All"]}
        answer = self("ReceiveMessage", QueueUrl=url, MaxNumberOfMessages=most, WaitTimeSeconds=0, **wanted)
        return answer.get("Messages", []) if isinstance(answer, dict) else []

    def delete(self, queue_arn: str, messages: list[Params]) -> None:
        account, name = queue_arn.split(":")[4:]
        for message in messages:
            self("DeleteMessage", QueueUrl=f"{BASE}/{account}/{name}", ReceiptHandle=message["ReceiptHandle"])

    def bodies(self, queue_arn: str, most: int = 10) -> list[str]:
        return [message["Body"] for message in self.receive(queue_arn, most)]

    def envelopes(self, queue_arn: str, most: int = 10) -> list[dict[str, Any]]:
        return [json.loads(body) for body in self.bodies(queue_arn, most)]

    def token(self, index: int = -1) -> str:
        """A token that an endpoint was given, the last one unless told."""
        return str(sql(self.store, "SELECT token FROM sns_token ORDER BY expires_at")[index][0])


_SHARED = {"AddPermission", "RemovePermission"}
"""Operations that both services have: SNS's is meant."""
