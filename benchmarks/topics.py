"""What is measured of topics: one message to ten queues."""

import asyncio
import itertools
import json
import re
from collections.abc import Awaitable, Callable
from time import perf_counter

from benchmarks.scenarios import BODY, Figures, Load, Measured, make_queue, sqs
from benchmarks.servers import Running
from benchmarks.wire import Script, query_request

QUEUES = 10
BATCH = 10
VERSION = "2010-03-31"
TOPIC_ARN = re.compile(rb"<TopicArn>([^<]+)</TopicArn>")
SUBSCRIPTION_ARN = re.compile(rb"<SubscriptionArn>([^<]+)</SubscriptionArn>")
ARRIVED_S = 20.0
"""How long a server that answers first and delivers then has for it."""
FILTERS = (
    {"color": ["green", "lantern"], "weight": [{"numeric": [">=", 1, "<", 100]}]},
    {"color": [{"prefix": "r"}, {"anything-but": ["green"]}]},
)
"""What every second queue wants of what is published, and what the others do."""
ATTRIBUTES = {"color": ("String", "green"), "weight": ("Number", "3"), "store": ("String", "harbour")}

_names = itertools.count()


def sns(server: Running, action: str, **members: str) -> bytes:
    """An SNS request."""
    return query_request(server.host, "sns", VERSION, action, **members)


class Fan:
    """A topic with ten queues subscribed."""

    def __init__(self, server: Running, topic_arn: str, queue_urls: list[str], wanted: int) -> None:
        self.server = server
        self.topic_arn = topic_arn
        self.queue_urls = queue_urls
        self.wanted = wanted
        """How many of them get a message."""
        self.published = 0

    @classmethod
    async def make(cls, server: Running, *, raw: bool = False, filtered: bool = False) -> "Fan":
        """A new one."""
        (connection,) = await server.connections(1)
        name = f"fan-{next(_names)}"
        found = TOPIC_ARN.search(await connection.call(sns(server, "CreateTopic", Name=name)))
        if found is None:
            raise RuntimeError("CreateTopic answers no ARN")
        topic_arn = found[1].decode()
        urls = []
        for number in range(QUEUES):
            url = await make_queue(server, f"{name}-{number}")
            shown = await connection.call_json(
                sqs(server, "GetQueueAttributes", QueueUrl=url, AttributeNames=["QueueArn"])
            )
            attributes = {"RawMessageDelivery": "true"} if raw else {}
            if filtered:
                attributes["FilterPolicy"] = json.dumps(FILTERS[number % 2])
            given = {
                f"Attributes.entry.{place}.{part}": text
                for place, pair in enumerate(attributes.items(), 1)
                for part, text in zip(("key", "value"), pair, strict=True)
            }
            arn = shown["Attributes"]["QueueArn"]
            subscribe = sns(server, "Subscribe", TopicArn=topic_arn, Protocol="sqs", Endpoint=arn, **given)
            if SUBSCRIPTION_ARN.search(await connection.call(subscribe)) is None:
                raise RuntimeError("Subscribe answers no ARN")
            urls.append(url)
        fan = cls(server, topic_arn, urls, QUEUES // 2 if filtered else QUEUES)
        await connection.call(publish(server, topic_arn, attributes=filtered))  # the first may make a signing key
        fan.published = 1
        return fan

    async def run(self, load: Load, name: str, data: bytes, messages: int = 1) -> Figures:
        """Publish the same request again and again; messages published a second."""
        end = perf_counter() + load.round_seconds

        def script() -> Script:
            while perf_counter() < end:
                answer = yield data
                if b"<Failed><member>" in answer:
                    raise RuntimeError(f"PublishBatch answers {answer[:300]!r}")

        measured = await Measured(self.server, await self.server.connections(load.connections)).run(script)
        self.published += len(measured.latencies_ms) * messages
        return {f"{name}.per_s": len(measured.latencies_ms) * messages / measured.wall_s} | measured.cores(name)

    async def check(self) -> None:
        """Raise ``RuntimeError`` unless everything arrives where it is wanted."""
        (connection,) = await self.server.connections(1)
        asked = [
            sqs(self.server, "GetQueueAttributes", QueueUrl=url, AttributeNames=["ApproximateNumberOfMessages"])
            for url in self.queue_urls
        ]
        wanted = self.published * self.wanted
        end = perf_counter() + ARRIVED_S
        while True:
            arrived = 0
            for data in asked:
                shown = await connection.call_json(data)
                arrived += int(shown["Attributes"]["ApproximateNumberOfMessages"])
            if arrived == wanted:
                return
            if perf_counter() > end:
                raise RuntimeError(f"of {wanted:,} messages {arrived:,} are in the queues")
            await asyncio.sleep(0.1)


def publish(server: Running, topic_arn: str, *, attributes: bool = False) -> bytes:
    """A Publish request."""
    given: dict[str, str] = {}
    if attributes:
        for number, (name, (kind, value)) in enumerate(ATTRIBUTES.items(), 1):
            entry = f"MessageAttributes.entry.{number}"
            given |= {f"{entry}.Name": name, f"{entry}.Value.DataType": kind, f"{entry}.Value.StringValue": value}
    return sns(server, "Publish", TopicArn=topic_arn, Message=BODY, **given)


def publish_batch(server: Running, topic_arn: str) -> bytes:
    """A PublishBatch request of ten."""
    entries: dict[str, str] = {}
    for number in range(1, BATCH + 1):
        entry = f"PublishBatchRequestEntries.member.{number}"
        entries |= {f"{entry}.Id": str(number), f"{entry}.Message": BODY}
    return sns(server, "PublishBatch", TopicArn=topic_arn, **entries)


Variant = Callable[[], Awaitable[Figures]]


async def variants(server: Running, load: Load) -> tuple[list[Fan], list[Variant]]:
    """What is measured of a server, by name: the envelope, raw, with filter policies, and batches of ten."""
    enveloped, raw, filtered, batched = fans = [
        await Fan.make(server), await Fan.make(server, raw=True), await Fan.make(server, filtered=True),
        await Fan.make(server),
    ]  # fmt: skip
    asked = (
        (enveloped, "fan_out", publish(server, enveloped.topic_arn), 1),
        (raw, "fan_out.raw", publish(server, raw.topic_arn), 1),
        (filtered, "fan_out.filtered", publish(server, filtered.topic_arn, attributes=True), 1),
        (batched, "fan_out.batch", publish_batch(server, batched.topic_arn), BATCH),
    )

    def work(fan: Fan, name: str, data: bytes, messages: int) -> Variant:
        return lambda: fan.run(load, name, data, messages)

    return fans, [work(*one) for one in asked]
