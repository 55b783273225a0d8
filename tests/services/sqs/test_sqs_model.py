"""Random use of a queue against an oracle that keeps messages in a list: no index, no SQL, no cleverness."""

import json
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from tests.services.sqs.world import World, arn
from tests.stores import KINDS, sql

from waypost.aws.errors import AwsError
from waypost.services.sqs.limits import CLAIM_ROUNDS_MAX
from waypost.services.sqs.rules.retention import expires_ms

RETENTION_MS = 60_000
VISIBILITY_S = 5
RECEIVES_MAX = 2
DEDUP_MS = 300_000


@dataclass
class Kept:
    """One message as the oracle sees it."""

    message_id: str
    body: str
    sent_ms: int
    visible_ms: int
    group: str = ""
    receives: int = 0
    dead: bool = False
    handles: list[tuple[str, int]] = field(default_factory=list)
    """Every receipt handle, with the receive it is of."""


@dataclass
class Oracle:
    """What a queue and its dead-letter queue hold."""

    kept: list[Kept] = field(default_factory=list)

    def alive(self, now_ms: int) -> list[Kept]:
        self.kept = [one for one in self.kept if one.sent_ms + RETENTION_MS > now_ms]
        return [one for one in self.kept if not one.dead]

    def dead(self, now_ms: int) -> list[Kept]:
        self.alive(now_ms)
        return [one for one in self.kept if one.dead]


class QueueMachine(RuleBasedStateMachine):
    """What both kinds of queue have in common."""

    fifo = False
    kind = "sqlite"

    def __init__(self) -> None:
        super().__init__()
        self.world = World(kind=self.kind)
        self.oracle = Oracle()
        self.sent = 0

    @initialize()
    def create(self) -> None:
        suffix = ".fifo" if self.fifo else ""
        make = self.world.fifo if self.fifo else self.world.queue
        retention = str(RETENTION_MS // 1_000)
        self.dlq = make(f"dlq{suffix}", MessageRetentionPeriod=retention)
        policy = json.dumps({"deadLetterTargetArn": arn(f"dlq{suffix}"), "maxReceiveCount": RECEIVES_MAX})
        self.url = make(
            f"q{suffix}",
            MessageRetentionPeriod=retention,
            VisibilityTimeout=str(VISIBILITY_S),
            RedrivePolicy=policy,
        )

    def teardown(self) -> None:
        self.world.store.close_now()

    @property
    def now_ms(self) -> int:
        return self.world.now_ms

    @rule(seconds=st.sampled_from([0.001, 1, 4.999, 5, 20]))
    def wait(self, seconds: float) -> None:
        self.world.pass_s(seconds)

    @rule()
    def clean(self) -> None:
        self.world.work()

    def handles(self) -> list[tuple[Kept, str, int]]:
        """The messages that were received, each of their handles, and the receive that is of."""
        return [(one, *handle) for one in self.oracle.alive(self.now_ms) for handle in one.handles]

    def delivered(self, one: Kept, message: dict[str, Any], visibility_s: int) -> None:
        one.receives += 1
        one.visible_ms = self.now_ms + visibility_s * 1_000
        one.handles.append((message["ReceiptHandle"], one.receives))
        assert message["Body"] == one.body
        assert message["Attributes"]["ApproximateReceiveCount"] == str(one.receives)
        assert message["Attributes"]["SentTimestamp"] == str(one.sent_ms)

    def bury(self, one: Kept) -> None:
        one.dead = True
        one.visible_ms = self.now_ms
        one.handles.clear()
        if self.fifo:
            one.sent_ms = self.now_ms  # there retention begins anew

    @invariant()
    def counts_are_exact(self) -> None:
        if not hasattr(self, "url"):
            return
        for url, kept in ((self.url, self.oracle.alive(self.now_ms)), (self.dlq, self.oracle.dead(self.now_ms))):
            visible = sum(one.visible_ms <= self.now_ms for one in kept)
            in_flight = sum(one.visible_ms > self.now_ms and one.receives > 0 for one in kept)
            assert self.world.counts(url) == (visible, in_flight, len(kept) - visible - in_flight)

    def forget(self) -> None:
        """What a purge forgets besides messages."""

    def in_force(self, one: Kept, receive: int) -> bool:
        """Whether a handle of that receive may still delete or change the message."""
        return not self.fifo or (receive == one.receives and one.visible_ms > self.now_ms)

    @precondition(lambda self: self.handles())
    @rule(data=st.data(), seconds=st.sampled_from([None, 0, 3, 50]))
    def settle_a_batch(self, data: st.DataObject, seconds: int | None) -> None:
        """Delete several, or change them for so many seconds; one handle is none."""
        picks = data.draw(st.lists(st.sampled_from(self.handles()), max_size=4, unique_by=lambda pick: pick[1]))
        more = {} if seconds is None else {"VisibilityTimeout": seconds}
        entries = [{"Id": str(n), "ReceiptHandle": handle, **more} for n, (_, handle, _) in enumerate(picks)]
        entries.insert(len(picks) // 2, {"Id": "bad", "ReceiptHandle": "bad", **more})
        operation = "DeleteMessageBatch" if seconds is None else "ChangeMessageVisibilityBatch"
        answer = self.world(operation, QueueUrl=self.url, Entries=entries)
        good, bad = set(), {"bad"}
        for number, (one, _, receive) in enumerate(picks):
            here = any(one is other for other in self.oracle.kept)
            if here and not self.in_force(one, receive):
                bad.add(str(number))
                continue
            good.add(str(number))
            if seconds is None and here:
                self.oracle.kept = [other for other in self.oracle.kept if other is not one]
            elif seconds is not None:
                one.visible_ms = self.now_ms + seconds * 1_000
        assert {entry["Id"] for entry in answer.get("Successful", [])} == good
        assert {entry["Id"] for entry in answer["Failed"]} == bad

    @precondition(lambda self: self.sent > 3)
    @rule()
    def purge(self) -> None:
        try:
            self.world("PurgeQueue", QueueUrl=self.url)
        except AwsError:
            return  # less than a minute after the last
        finally:
            self.world.pass_s(0.001)  # row ids are of the next millisecond then, and say when a message expires
        self.oracle.kept = [one for one in self.oracle.kept if one.dead]
        self.forget()

    @precondition(lambda self: any(one.dead for one in self.oracle.kept))
    @rule()
    def empty_the_dead_letter_queue(self) -> None:
        expected = {one.message_id: one for one in self.oracle.dead(self.now_ms)}
        while messages := self.world.receive(self.dlq, AttributeNames=["All"]):
            for message in messages:
                one = expected.pop(message["MessageId"])
                assert message["Body"] == one.body
                assert message["Attributes"]["ApproximateReceiveCount"] == str(one.receives + 1)
                self.world.delete(self.dlq, message)
        assert not expected
        self.oracle.kept = [one for one in self.oracle.kept if not one.dead]


class StandardMachine(QueueMachine):
    """Every visible message is delivered once, the longest visible first."""

    @rule(delay=st.sampled_from([None, 0, 5, 20]), large=st.booleans())
    def send(self, delay: int | None, large: bool) -> None:
        self.sent += 1
        body = f"{self.sent}" + "x" * (3_000 if large else 0)
        more = {} if delay is None else {"DelaySeconds": delay}
        sent = self.world.send(self.url, body, **more)
        self.oracle.kept.append(Kept(sent["MessageId"], body, self.now_ms, self.now_ms + (delay or 0) * 1_000))

    @rule(delays=st.lists(st.sampled_from([None, 0, 5, 901]), min_size=1, max_size=10))
    def send_a_batch(self, delays: list[int | None]) -> None:
        """Those that would be delayed for too long fail alone."""
        entries = []
        for number, delay in enumerate(delays):
            self.sent += 1
            more = {} if delay is None else {"DelaySeconds": delay}
            entries.append({"Id": str(number), "MessageBody": str(self.sent), **more})
        answer = self.world("SendMessageBatch", QueueUrl=self.url, Entries=entries)
        ids = {entry["Id"]: entry["MessageId"] for entry in answer.get("Successful", [])}
        assert {entry["Id"] for entry in answer.get("Failed", [])} == {str(n) for n, d in enumerate(delays) if d == 901}
        for entry, delay in zip(entries, delays, strict=True):
            if delay != 901:
                visible_ms = self.now_ms + (delay or 0) * 1_000
                self.oracle.kept.append(Kept(ids[entry["Id"]], entry["MessageBody"], self.now_ms, visible_ms))

    @rule(most=st.sampled_from([1, 2, 3, 10]), visibility_s=st.sampled_from([None, 1, 30]))
    def receive(self, most: int, visibility_s: int | None) -> None:
        more = {} if visibility_s is None else {"VisibilityTimeout": visibility_s}
        messages = self.world.receive(self.url, most, AttributeNames=["All"], **more)
        visible = [one for one in self.oracle.alive(self.now_ms) if one.visible_ms <= self.now_ms]
        visible.sort(key=lambda one: one.visible_ms)
        expected: list[Kept] = []
        for _ in range(CLAIM_ROUNDS_MAX):
            for one in visible[: most - len(expected)]:
                visible.remove(one)
                if one.receives >= RECEIVES_MAX:
                    self.bury(one)
                else:
                    expected.append(one)
        # Where several became visible at the same instant any order would do; the row ids decide.
        assert {message["MessageId"] for message in messages} == {one.message_id for one in expected}
        found = {message["MessageId"]: message for message in messages}
        for one in expected:
            self.delivered(one, found[one.message_id], VISIBILITY_S if visibility_s is None else visibility_s)

    @precondition(lambda self: self.handles())
    @rule(data=st.data())
    def delete(self, data: st.DataObject) -> None:
        one, handle, _ = data.draw(st.sampled_from(self.handles()))
        self.world("DeleteMessage", QueueUrl=self.url, ReceiptHandle=handle)
        self.oracle.kept.remove(one)
        self.world("DeleteMessage", QueueUrl=self.url, ReceiptHandle=handle)

    @precondition(lambda self: self.handles())
    @rule(data=st.data(), seconds=st.sampled_from([0, 3, 50]))
    def change_visibility(self, data: st.DataObject, seconds: int) -> None:
        one, handle, _ = data.draw(st.sampled_from(self.handles()))
        self.world("ChangeMessageVisibility", QueueUrl=self.url, ReceiptHandle=handle, VisibilityTimeout=seconds)
        one.visible_ms = self.now_ms + seconds * 1_000


class Remembered(NamedTuple):
    """A deduplication id that was accepted."""

    id: str
    group: str | None
    """None: it is the whole queue's."""
    expires_ms: int
    original: str


class Attempt(NamedTuple):
    """A receive that may be tried again."""

    expires_ms: int
    hidden_until_ms: int
    got: list[tuple[Kept, int, str]]
    """Each message with its receive and its handle."""


class FifoMachine(QueueMachine):
    """Each group comes in order, and nothing of it while one that was sent before is hidden."""

    fifo = True

    def __init__(self) -> None:
        super().__init__()
        self.remembered: list[Remembered] = []
        self.attempts: dict[str, Attempt] = {}
        self.delay_s = 0
        self.per_group = False

    def forget(self) -> None:
        self.remembered.clear()
        self.attempts.clear()

    @rule(delay_s=st.sampled_from([0, 0, 3]), per_group=st.booleans())
    def change_the_queue(self, delay_s: int, per_group: bool) -> None:
        self.delay_s, self.per_group = delay_s, per_group
        changed = {"DelaySeconds": str(delay_s), "DeduplicationScope": "messageGroup" if per_group else "queue"}
        self.world("SetQueueAttributes", QueueUrl=self.url, Attributes=changed)

    @rule(group=st.sampled_from("abc"), dedup=st.none() | st.sampled_from("xyz"), large=st.booleans())
    def send(self, group: str, dedup: str | None, large: bool) -> None:
        self.sent += 1
        body = f"{self.sent}" + "x" * (3_000 if large else 0)
        key = dedup or str(self.sent)
        sent = self.world.send(self.url, body, MessageGroupId=group, MessageDeduplicationId=key)
        originals = {
            one.original
            for one in self.remembered
            if one.id == key and one.group in (None, group) and one.expires_ms > self.now_ms
        }
        if originals:
            assert sent["MessageId"] in originals
            return
        scope = group if self.per_group else None
        self.remembered.append(Remembered(key, scope, self.now_ms + DEDUP_MS, sent["MessageId"]))
        visible_ms = self.now_ms + self.delay_s * 1_000
        self.oracle.kept.append(Kept(sent["MessageId"], body, self.now_ms, visible_ms, group))

    def ready(self, group: str) -> list[Kept]:
        """The messages of a group that may be delivered, in order; what is dead is buried on the way."""
        found = []
        for one in [one for one in self.oracle.alive(self.now_ms) if one.group == group]:
            if one.visible_ms > self.now_ms:
                break
            found.append(one)
        return found

    @rule(
        most=st.integers(1, 10), visibility_s=st.sampled_from([None, 0, 1, 30]),
        attempt=st.none() | st.sampled_from("pq"),
    )  # fmt: skip
    def receive(self, most: int, visibility_s: int | None, attempt: str | None) -> None:
        more: dict[str, Any] = {} if visibility_s is None else {"VisibilityTimeout": visibility_s}
        if attempt is not None:
            more["ReceiveRequestAttemptId"] = attempt
        visibility_s = VISIBILITY_S if visibility_s is None else visibility_s
        if attempt is not None and self.is_changed(attempt):
            error = self.world.refused("ReceiveMessage", QueueUrl=self.url, **more)
            assert "the receive call is not retryable" in error.message
            return
        messages = self.world.receive(self.url, most, AttributeNames=["All"], **more)
        if attempt is not None and (earlier := self.repeated(attempt)) is not None:
            assert [message["ReceiptHandle"] for message in messages] == [handle for _, _, handle in earlier.got]
            hidden_until_ms = self.now_ms + visibility_s * 1_000
            for one, _, _ in earlier.got:
                one.visible_ms = hidden_until_ms
            self.attempts[attempt] = earlier._replace(hidden_until_ms=hidden_until_ms)
            return
        self.check_groups(messages, most, visibility_s)
        if attempt is not None and messages:
            kept = {one.message_id: one for one in self.oracle.kept}
            got = [(kept[message["MessageId"]], message["ReceiptHandle"]) for message in messages]
            self.attempts[attempt] = Attempt(
                self.now_ms + DEDUP_MS,
                self.now_ms + visibility_s * 1_000,
                [(one, one.receives, handle) for one, handle in got],
            )

    def is_changed(self, attempt: str) -> bool:
        """Whether the earlier receive of that name is remembered, and any of its messages is not as it was."""
        earlier = self.attempts.get(attempt)
        if earlier is None or earlier.expires_ms <= self.now_ms:
            return False
        alive = self.oracle.alive(self.now_ms)
        return not all(
            any(one is other for other in alive)
            and (one.receives, one.visible_ms) == (receives, earlier.hidden_until_ms)
            for one, receives, _ in earlier.got
        )

    def repeated(self, attempt: str) -> Attempt | None:
        """The earlier receive of that name, where it is still in force."""
        earlier = self.attempts.get(attempt)
        in_force = earlier is not None and min(earlier.expires_ms, earlier.hidden_until_ms) > self.now_ms
        return earlier if in_force else None

    def check_groups(self, messages: list[dict[str, Any]], most: int, visibility_s: int) -> None:
        taken: dict[str, list[dict[str, Any]]] = {}
        for message in messages:
            taken.setdefault(message["Attributes"]["MessageGroupId"], []).append(message)
        groups = [message["Attributes"]["MessageGroupId"] for message in messages]
        assert groups == sorted(groups, key=groups.index), "one group after the other"
        full = len(messages) == most
        for group in "abc":
            ready = self.ready(group)
            got = taken.get(group, [])
            whole = not full or (groups and group != groups[-1] and group in taken)
            expected: list[Kept] = []
            for one in ready:
                if one.receives >= RECEIVES_MAX:
                    # A full receive may have stopped before it came here.
                    if whole or len(expected) < len(got) or self.is_buried(one):
                        self.bury(one)
                        continue
                    break
                if len(expected) == len(got):
                    assert not whole, "a group was left though there was room"
                    break
                expected.append(one)
            assert [message["MessageId"] for message in got] == [one.message_id for one in expected]
            for one, message in zip(expected, got, strict=True):
                self.delivered(one, message, visibility_s)

    def is_buried(self, one: Kept) -> bool:
        rows = sql(
            self.world.store, "SELECT source_arn FROM sqs_message WHERE message_id = :message_id",
            message_id=one.message_id,
        )  # fmt: skip
        return rows[0][0] is not None

    def refused(self, operation: str, one: Kept, handle: str, receive: int, **more: Any) -> bool:
        """Run an operation on a handle; it must fail where the handle is no longer in force."""
        request = {"QueueUrl": self.url, "ReceiptHandle": handle, **more}
        if self.in_force(one, receive):
            self.world(operation, **request)
            return False
        assert "The receipt handle has expired." in self.world.refused(operation, **request).message
        return True

    @precondition(lambda self: self.handles())
    @rule(data=st.data())
    def delete(self, data: st.DataObject) -> None:
        picked = data.draw(st.sampled_from(self.handles()))
        if not self.refused("DeleteMessage", *picked):
            self.oracle.kept.remove(picked[0])

    @precondition(lambda self: self.handles())
    @rule(data=st.data(), seconds=st.sampled_from([0, 3, 50]))
    def change_visibility(self, data: st.DataObject, seconds: int) -> None:
        picked = data.draw(st.sampled_from(self.handles()))
        if not self.refused("ChangeMessageVisibility", *picked, VisibilityTimeout=seconds):
            picked[0].visible_ms = self.now_ms + seconds * 1_000

    @invariant()
    def group_rows_are_in_line(self) -> None:
        """Each group that has messages has its row, and the row says when its first message may be taken."""
        rows = sql(
            self.world.store,
            "SELECT g.available_at, m.visible_at, m.id FROM sqs_group g JOIN sqs_message m ON m.storage = g.storage"
            " AND m.group_id = g.group_id AND m.sequence = (SELECT MIN(sequence) FROM sqs_message o"
            " WHERE o.storage = g.storage AND o.group_id = g.group_id) WHERE g.available_at > 0",
        )
        for available_at, visible_at, row_id in rows:
            free_ms = min(visible_at, expires_ms(row_id, RETENTION_MS))
            # One that was free when it was looked at is so from that moment on.
            assert available_at == free_ms or free_ms < available_at <= self.now_ms
        groups = sql(self.world.store, "SELECT COUNT(DISTINCT storage || group_id) FROM sqs_message")
        assert groups == [(len(rows),)]


SETTINGS = settings(
    max_examples=100, stateful_step_count=60, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True
)
TestStandard = StandardMachine.TestCase
TestStandard.settings = SETTINGS
TestFifo = FifoMachine.TestCase
TestFifo.settings = SETTINGS


class PostgresStandardMachine(StandardMachine):
    """The same on the other store, a few times: each step is a visit to a database."""

    kind = "postgres"


class PostgresFifoMachine(FifoMachine):
    """The same."""

    kind = "postgres"


if "postgres" in KINDS:
    TestPostgresStandard = PostgresStandardMachine.TestCase
    TestPostgresStandard.settings = settings(SETTINGS, max_examples=8)
    TestPostgresFifo = PostgresFifoMachine.TestCase
    TestPostgresFifo.settings = settings(SETTINGS, max_examples=8)
