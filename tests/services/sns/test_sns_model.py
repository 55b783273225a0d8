"""Whoever subscribes, changes its mind and leaves in whatever order: each queue gets what a small model says."""

import json
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from tests.services.sns.world import World
from tests.stores import KINDS

COLOURS = ("red", "green", "blue")
QUEUES = 4
WANTS = st.none() | st.sampled_from(COLOURS)
KEYS = st.tuples(st.integers(0, 1), st.integers(0, QUEUES - 1))
"""A topic and a queue."""


class Topics(RuleBasedStateMachine):
    """A standard and a FIFO topic over the same few queues."""

    kind = "sqlite"

    def __init__(self) -> None:
        super().__init__()
        self.world = World(kind=self.kind, keyed=True)
        self.topics = [self.world.topic(), self.world.fifo(ContentBasedDeduplication="true")]
        self.queues = [self.world.queue(f"q{number}") for number in range(QUEUES)]
        self.live: dict[tuple[int, int], dict[str, Any]] = {}
        self.expected: list[list[tuple[str, bool]]] = [[] for _ in self.queues]
        self.published = 0

    @initialize(wants=st.lists(WANTS, min_size=2 * QUEUES, max_size=2 * QUEUES), raw=st.booleans())
    def begin(self, wants: list[str | None], raw: bool) -> None:
        for number, wanted in enumerate(wants):
            self.subscribe((number % 2, number // 2), raw, wanted)

    @rule(key=KEYS, raw=st.booleans(), wants=WANTS)
    def subscribe(self, key: tuple[int, int], raw: bool, wants: str | None) -> None:
        topic, queue = key
        if key not in self.live:
            attributes = {"RawMessageDelivery": "true" if raw else "false"}
            if wants is not None:
                attributes["FilterPolicy"] = json.dumps({"colour": [wants]})
            arn = self.world.subscribe(self.topics[topic], self.queues[queue], **attributes)
            self.live[key] = {"arn": arn, "raw": raw, "wants": wants}

    @rule(key=KEYS, raw=st.booleans())
    def change_delivery(self, key: tuple[int, int], raw: bool) -> None:
        if key in self.live:
            self.world.set_subscription(self.live[key]["arn"], "RawMessageDelivery", "true" if raw else "false")
            self.live[key]["raw"] = raw

    @rule(key=KEYS, wants=WANTS)
    def change_policy(self, key: tuple[int, int], wants: str | None) -> None:
        if key in self.live:
            policy = "{}" if wants is None else json.dumps({"colour": [wants]})
            self.world.set_subscription(self.live[key]["arn"], "FilterPolicy", policy)
            self.live[key]["wants"] = wants

    @rule(key=KEYS)
    def leave(self, key: tuple[int, int]) -> None:
        if key in self.live:
            self.world("Unsubscribe", SubscriptionArn=self.live.pop(key)["arn"])

    @precondition(lambda self: self.published > 20)
    @rule(topic=st.integers(0, 1))
    def make_anew(self, topic: int) -> None:
        self.world("DeleteTopic", TopicArn=self.topics[topic])
        self.live = {key: found for key, found in self.live.items() if key[0] != topic}
        if topic:
            self.world.fifo(ContentBasedDeduplication="true")
        else:
            self.world.topic()

    @rule(topic=st.integers(0, 1), colours=st.lists(st.sampled_from(COLOURS), min_size=1, max_size=3))
    def publish(self, topic: int, colours: list[str]) -> None:
        entries = []
        for colour in colours:
            self.published += 1
            message = f"m{self.published}"
            entry: dict[str, Any] = {
                "Id": message, "Message": message,
                "MessageAttributes": {"colour": {"DataType": "String", "StringValue": colour}},
            }  # fmt: skip
            entries.append({**entry, "MessageGroupId": colour} if topic else entry)
            for (of, queue), found in self.live.items():
                if of == topic and found["wants"] in {None, colour}:
                    self.expected[queue].append((message, found["raw"]))
        self.world("PublishBatch", TopicArn=self.topics[topic], PublishBatchRequestEntries=entries)

    @rule()
    def work(self) -> None:
        self.world.work()

    @rule(queue=st.integers(0, QUEUES - 1))
    def receive(self, queue: int) -> None:
        found = []
        while messages := self.world.receive(self.queues[queue]):
            self.world.delete(self.queues[queue], messages)
            found += [self._read(message["Body"]) for message in messages]
        assert found == self.expected[queue]
        self.expected[queue] = []

    @staticmethod
    def _read(body: str) -> tuple[str, bool]:
        return (body, True) if body.startswith("m") else (json.loads(body)["Message"], False)

    @invariant()
    def counts_are_right(self) -> None:
        for number, topic in enumerate(self.topics):
            mine = [found for key, found in self.live.items() if key[0] == number]
            shown = self.world.topic_attributes(topic)
            assert shown["SubscriptionsConfirmed"] == str(len(mine))
            listed = self.world("ListSubscriptionsByTopic", TopicArn=topic)["Subscriptions"]
            assert {one["SubscriptionArn"] for one in listed} == {found["arn"] for found in mine}

    def teardown(self) -> None:
        self.world.store.close_now()


class TopicsOnPostgres(Topics):
    """The same with the shared store."""

    kind = "postgres"


SETTINGS = settings(
    max_examples=60, stateful_step_count=30, deadline=None, derandomize=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much, HealthCheck.data_too_large],
)  # fmt: skip

TestTopics = Topics.TestCase
TestTopics.settings = SETTINGS

if "postgres" in KINDS:
    TestTopicsOnPostgres = TopicsOnPostgres.TestCase
    TestTopicsOnPostgres.settings = settings(SETTINGS, max_examples=8)
