"""Random use of a queue whose tenants become noisy and quiet again: nothing is lost, nothing comes after its delete."""

from typing import Any
from unittest import mock

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import initialize, rule
from tests.services.sqs.test_sqs_model import RETENTION_MS, SETTINGS, VISIBILITY_S, Kept, StandardMachine
from tests.stores import KINDS, sql

from waypost.services.sqs.rules import fairness

SMALL = {
    "waypost.services.sqs.rules.fairness.IN_FLIGHT_MIN": 2,
    "waypost.services.sqs.rules.fairness.LOOK_AFTER": 1,
    "waypost.services.sqs.rules.fairness.IDLE_MS": 3_000,
    "waypost.services.sqs.lanes.LANE_HEAD": 3,
    "waypost.services.sqs.lanes.LANES_MAX": 3,
    "waypost.services.sqs.lanes.SORT_LOOKS_MAX": 4,
    "waypost.services.sqs.lanes.SORT_MOVES_MAX": 2,
}
"""So that lanes come and go with a handful of messages."""


class FairMachine(StandardMachine):
    """As much is delivered as there is; which of it comes first is said only of quiet tenants."""

    def __init__(self) -> None:
        super().__init__()
        self.patches = [mock.patch(name, value) for name, value in SMALL.items()]
        for patch in self.patches:
            patch.start()

    def teardown(self) -> None:
        for patch in self.patches:
            patch.stop()
        super().teardown()

    @initialize()
    def create(self) -> None:
        retention = str(RETENTION_MS // 1_000)
        self.dlq = self.world.queue("dlq", MessageRetentionPeriod=retention)
        self.url = self.world.queue("q", MessageRetentionPeriod=retention, VisibilityTimeout=str(VISIBILITY_S))

    def lanes(self) -> set[str]:
        """Tenants with an open lane."""
        ((text,),) = sql(self.world.store, "SELECT lanes FROM sqs_queue WHERE name = 'q'")
        return set() if text is None else {lane.group_id for lane in fairness.read_lanes(text) if lane.open}

    @rule(
        group=st.sampled_from(["a", "a", "b", "c", ""]), count=st.sampled_from([1, 2, 7]),
        delay=st.sampled_from([0, 0, 5]), large=st.booleans(),
    )  # fmt: skip
    def send(self, group: str, count: int, delay: int, large: bool) -> None:
        for _ in range(count):
            self.sent += 1
            body = f"{self.sent}" + "x" * (3_000 if large else 0)
            more: dict[str, Any] = {"MessageGroupId": group} if group else {}
            sent = self.world.send(self.url, body, DelaySeconds=delay, **more)
            self.oracle.kept.append(Kept(sent["MessageId"], body, self.now_ms, self.now_ms + delay * 1_000, group))

    @rule(most=st.sampled_from([1, 2, 10]), visibility_s=st.sampled_from([None, 1, 30]))
    def receive(self, most: int, visibility_s: int | None) -> None:
        more = {} if visibility_s is None else {"VisibilityTimeout": visibility_s}
        messages = self.world.receive(self.url, most, AttributeNames=["All"], **more)
        visible = {one.message_id: one for one in self.oracle.alive(self.now_ms) if one.visible_ms <= self.now_ms}
        assert len({message["MessageId"] for message in messages}) == len(messages) == min(most, len(visible))
        for message in messages:
            one = visible.pop(message["MessageId"])
            assert message["Attributes"].get("MessageGroupId", "") == one.group
            self.delivered(one, message, VISIBILITY_S if visibility_s is None else visibility_s)

    @rule(group=st.sampled_from(["a", "b"]), after=st.sampled_from(["a", "b", "c", ""]))
    def make_noise(self, group: str, after: str) -> None:
        """A tenant has several in flight and several waiting, among others'."""
        self.send(group, 7, 0, False)
        self.send(after, 2, 0, True)
        for most in (2, 2, 1):
            self.receive(most, 30)

    @rule()
    def drain(self) -> None:
        """Everything that can be received is, and is deleted."""
        while messages := self.world.receive(self.url, AttributeNames=["All"]):
            for message in messages:
                (one,) = [one for one in self.oracle.kept if one.message_id == message["MessageId"]]
                assert one.visible_ms <= self.now_ms
                self.oracle.kept.remove(one)
                self.world.delete(self.url, message)
        assert not [one for one in self.oracle.alive(self.now_ms) if one.visible_ms <= self.now_ms]

    @rule()
    def finish(self) -> None:
        """Everything is received and deleted; lanes go."""
        for one, handle, _ in self.handles():
            if one in self.oracle.kept:
                self.world("DeleteMessage", QueueUrl=self.url, ReceiptHandle=handle)
                self.oracle.kept.remove(one)
        for _ in range(3):
            self.drain()
            self.world.pass_s(15)
        self.drain()
        assert not self.lanes()

    @rule()
    def quiet_ones_come_first(self) -> None:
        """Once everything is sorted, a quiet tenant's message that is sent now is received before a noisy one's."""
        self.world.work()
        noisy = self.lanes()
        waiting = {one.group for one in self.oracle.alive(self.now_ms) if one.visible_ms <= self.now_ms}
        if not noisy or waiting - noisy:
            return
        sent = self.world.send(self.url, "quiet", MessageGroupId="quiet")
        kept = Kept(sent["MessageId"], "quiet", self.now_ms, self.now_ms, "quiet")
        self.oracle.kept.append(kept)
        messages = self.world.receive(self.url, 10, AttributeNames=["All"])
        self.oracle.alive(self.now_ms)
        for message in messages:
            (one,) = [one for one in self.oracle.kept if one.message_id == message["MessageId"]]
            self.delivered(one, message, VISIBILITY_S)
        assert kept.receives == 1

    @rule()
    def forget_what_the_node_remembers(self) -> None:
        self.world.store.run(lambda tx: tx.memo.clear())


TestFair = FairMachine.TestCase
TestFair.settings = settings(SETTINGS, max_examples=80)


class PostgresFairMachine(FairMachine):
    """The same on the other store, a few times: each step is a visit to a database."""

    kind = "postgres"


if "postgres" in KINDS:
    TestPostgresFair = PostgresFairMachine.TestCase
    TestPostgresFair.settings = settings(SETTINGS, max_examples=8)
