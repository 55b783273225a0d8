"""SNS with the real job runner and the real clients, on a clock that moves only when told to."""

import asyncio
import itertools
import json
from typing import Any

import msgspec
import pytest
from tests.stores import AnyStore, new_store, sql

from waypost.aws.errors import AwsError
from waypost.ids import RandomIds
from waypost.registry import Registry
from waypost.service import Context, Operation, Params, Service
from waypost.services import logs, sns, sqs
from waypost.testing.clock import VirtualClock
from waypost.work.engine import Engine
from waypost.work.mail import MailServer
from waypost.work.perform import Outside
from waypost.work.runner import Runner

ACCOUNT = "000000000000"
REGION = "us-east-1"
BASE = "http://waypost.test:4566"
_seeds = itertools.count(1)
INBOX = {"email": "inbox", "sms": "inbox", "application": "inbox", "sender": "sns@example.com", "sandbox": False}


class Carrier:
    """A node that delivers."""

    def __init__(self, kind: str, *, mail: MailServer | None = None, trusted_ca: str = "", **channels: Any) -> None:
        self.channels: dict[str, Any] = {**INBOX, **channels}
        self.functions: dict[str, Operation] = {}
        host = Service("outside", "", {"waypost:Channels": lambda _tx, _ctx, _request: self.channels})
        self.lambda_operations: dict[str, Operation] = {"Invoke": self._invoke}
        self.invoked: list[tuple[str, str, Params]] = []
        """Account, region and request."""
        functions = Service("lambda", "lambda", self.lambda_operations)
        self.registry = Registry([sqs.SERVICE, sns.SERVICE, logs.SERVICE, functions, host])
        self.clock = VirtualClock()
        self.outside = Outside(self.clock, mail=mail, trusted_ca=trusted_ca)
        self.store: AnyStore = new_store(kind)
        # Ids are never the same twice, on whatever store: what is cached by them is right for all.
        self.ids = RandomIds(next(_seeds))
        self.engine = Engine(self.store, self.clock, self.ids, self.registry, self.outside.performers, BASE)
        self.runner = self.new_runner("node")
        self.gone = False
        """Whether functions are."""

    def new_runner(self, name: str) -> Runner:
        return Runner(self.engine, self.registry.jobs(), name)

    def _invoke(self, _tx: Any, ctx: Context, request: Params) -> Params:
        if self.gone:
            raise AwsError("ResourceNotFoundException", f"Function not found: {request['FunctionName']}", 404)
        self.invoked.append((ctx.account, ctx.region, request))
        return {"StatusCode": 202}

    async def __call__(self, operation: str, /, *, account: str = ACCOUNT, **request: Any) -> Any:
        """An operation as a client calls it that signs nothing."""
        service = sqs.SERVICE if operation in sqs.SERVICE.operations and operation not in _SHARED else sns.SERVICE
        if not operation.startswith("waypost:"):
            self.registry.router.operation(service.model, operation).check(request)
        ctx = msgspec.structs.replace(self.engine.context(account, REGION), wire="query")
        return await self.engine.execute(service.operations[operation], ctx, request)

    async def refused(self, operation: str, /, **request: Any) -> AwsError:
        with pytest.raises(AwsError) as caught:
            await self(operation, **request)
        return caught.value

    async def work(self) -> None:
        """Do what is due, until nothing is."""
        while True:
            await self.runner.run_once()
            if self.runner._performing:
                await asyncio.wait(self.runner._performing)
            elif not self.sql("SELECT id FROM job WHERE run_at <= :now LIMIT 1", now=self.clock.now_ms()):
                return

    async def pass_s(self, seconds: float) -> None:
        """Let time pass, and do what comes due."""
        self.clock.advance(int(seconds * 1_000))
        await self.work()

    async def close(self) -> None:
        await self.outside.close()
        await self.store.close()

    # --- shorter ways to say what most tests do

    async def topic(self, name: str = "t", **attributes: str) -> str:
        return (await self("CreateTopic", Name=name, Attributes=attributes))["TopicArn"]

    async def queue(self, name: str = "q") -> str:
        await self("CreateQueue", QueueName=name)
        return f"arn:aws:sqs:{REGION}:{ACCOUNT}:{name}"

    async def received(self, queue_arn: str) -> list[Params]:
        name = queue_arn.rpartition(":")[2]
        answer = await self(
            "ReceiveMessage", QueueUrl=f"{BASE}/{ACCOUNT}/{name}", MaxNumberOfMessages=10, MessageAttributeNames=["All"]
        )
        return answer.get("Messages", [])

    async def subscribe(self, topic: str, protocol: str, endpoint: str, **attributes: str) -> str:
        """Subscribe, and confirm where that is asked for; answers the subscription's ARN."""
        arn = (
            await self(
                "Subscribe", TopicArn=topic, Protocol=protocol, Endpoint=endpoint, ReturnSubscriptionArn=True,
                Attributes=attributes,
            )
        )["SubscriptionArn"]  # fmt: skip
        token = self.token(arn)
        if token:
            await self.work()
            await self("ConfirmSubscription", TopicArn=topic, Token=token)
        return arn

    def token(self, subscription_arn: str) -> str:
        rows = self.sql("SELECT token FROM sns_token WHERE uuid = :uuid", uuid=subscription_arn.rpartition(":")[2])
        return rows[0][0] if rows else ""

    async def publish(self, topic: str, message: str = "hello", **more: Any) -> str:
        """Publish, and do what is due; answers the message's id."""
        message_id = (await self("Publish", TopicArn=topic, Message=message, **more))["MessageId"]
        await self.work()
        return message_id

    async def outcomes(self, topic: str, index: int = 0) -> dict[str, Any]:
        """How often deliveries to a topic's first subscription ended how."""
        status = await self("waypost:DeliveryStatus", TopicArn=topic)
        return {name: one["Count"] for name, one in status["Subscriptions"][index]["Outcomes"].items()}

    async def logged(self, group: str) -> list[Params]:
        """The lines of a log group, oldest first."""
        ctx = self.engine.context(ACCOUNT, REGION)
        function = logs.SERVICE.operations["FilterLogEvents"]
        answer = await self.engine.execute(function, ctx, {"logGroupName": group})
        return [json.loads(event["message"]) for event in answer["events"]]

    async def inbox(self, channel: str = "", recipient: str = "") -> list[Params]:
        return (await self("waypost:ReadInbox", Channel=channel, Recipient=recipient))["Messages"]

    def jobs(self, kind: str = "sns.deliver") -> int:
        return int(self.sql("SELECT COUNT(*) FROM job WHERE kind = :kind", kind=kind)[0][0])

    def count(self, table: str) -> int:
        return int(self.sql(f"SELECT COUNT(*) FROM {table}")[0][0])

    def sql(self, text: str, **params: Any) -> list[Any]:
        """Asked beside the operations, on a store that has nothing else to do."""
        return sql(self.store, text, **params)


_SHARED = {"AddPermission", "RemovePermission"}
"""Operations that both services have: SNS's is meant."""


def policy(**retry: Any) -> str:
    return json.dumps({"healthyRetryPolicy": retry})
