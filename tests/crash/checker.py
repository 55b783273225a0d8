"""Judges what clients saw of a server that was killed again and again. Knows the promises, nothing of the server."""

import itertools
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

TERMINAL = {"ExecutionSucceeded", "ExecutionFailed", "ExecutionAborted", "ExecutionTimedOut"}


@dataclass
class Sent:
    """One acknowledged SendMessage. ``number`` counts up within a group; retried sends of a FIFO message share it."""

    queue: str
    message_id: str
    body: str
    group: str = ""
    number: int = 0
    poison: bool = False
    """Receivers never delete it: it must end in the dead-letter queue."""
    not_before_s: float = 0
    """When it may be delivered first: it was sent with a delay."""


@dataclass
class Received:
    """One message of one reply to ReceiveMessage; the instants are those of the call."""

    queue: str
    message_id: str
    body: str
    began_s: float
    ended_s: float
    count: int
    group: str = ""
    number: int = 0


@dataclass
class Deleted:
    """One DeleteMessage: when it was tried, and when it was acknowledged, if it was."""

    queue: str
    message_id: str
    began_s: float
    acked_s: float | None


@dataclass
class GivenBack:
    """One ChangeMessageVisibility to zero, at the instant when it was tried."""

    queue: str
    message_id: str
    began_s: float


@dataclass
class Answer:
    """One SendTaskSuccess or SendTaskFailure of a worker. ``nonce`` is in the output or cause of this one call."""

    order: str
    token: str
    nonce: str
    acked: bool


@dataclass
class Execution:
    """One started execution: what was asked, and what DescribeExecution and GetExecutionHistory say at the end."""

    order: str
    kind: str
    arn: str
    status: str
    output: Any
    events: list[dict[str, Any]]


@dataclass
class Expected:
    """How an execution of one kind ends: its status, the states it enters, its answers that count."""

    status: str
    states: list[str]
    outcome: Any
    """What the output must hold under ``outcome``."""
    answers: int


@dataclass
class Observed:
    """Everything that clients saw."""

    sent: list[Sent] = field(default_factory=list)
    received: list[Received] = field(default_factory=list)
    deleted: list[Deleted] = field(default_factory=list)
    given_back: list[GivenBack] = field(default_factory=list)
    left: list[Received] = field(default_factory=list)
    """What was still in the queues at the end."""
    dead: list[Received] = field(default_factory=list)
    """What was in the dead-letter queue at the end."""
    answers: list[Answer] = field(default_factory=list)
    executions: list[Execution] = field(default_factory=list)
    listed: list[str] = field(default_factory=list)
    """Execution ARNs that ListExecutions shows."""
    expected: dict[str, Expected] = field(default_factory=dict)
    """Kind > how its executions end."""
    audited: list[Received] = field(default_factory=list)
    """The messages that the workflows themselves sent, one per execution; ``body`` is the order."""
    visibility_s: float = 0
    """How long a received message stays hidden; 0: not judged."""
    lasting: list[tuple[str, str, float]] = field(default_factory=list)
    """Two types of event of an execution, and how many seconds at least lie between them."""
    calm: list[tuple[float, float]] = field(default_factory=list)
    """When nothing was broken and everything that had been was to be mended by then, in seconds since the epoch."""
    idle_s: float = 0
    """In calm an execution waits for less than so long for anything."""
    strays: list[str] = field(default_factory=list)
    """The bodies of messages that a message move task was to take from one queue to another."""
    moved: list[Received] = field(default_factory=list)
    """What arrived there."""
    task: dict[str, Any] = field(default_factory=dict)
    """The task, as it is listed at the end."""


@dataclass(frozen=True)
class Fault:
    """A promise that was broken."""

    rule: str
    text: str


def check(observed: Observed) -> list[Fault]:
    """Every broken promise."""
    return [
        Fault(rule, text)
        for rule, find in (
            ("lost message", lost_messages),
            ("foreign message", foreign_messages),
            ("moved message", moved_messages),
            ("delivered after delete", delivered_after_delete),
            ("delivered early", delivered_early),
            ("in flight twice", in_flight_twice),
            ("receive count", receive_counts),
            ("dead letter", dead_letters),
            ("fifo order", fifo_order),
            ("fifo duplicate", fifo_duplicates),
            ("group in flight twice", groups_in_flight_twice),
            ("execution outcome", execution_outcomes),
            ("execution listing", execution_listing),
            ("history", histories),
            ("too early", too_early),
            ("standstill", standstills),
            ("token used twice", tokens_used_twice),
            ("answer lost", answers_lost),
            ("workflow message", workflow_messages),
        )
        for text in find(observed)
    ]


def lost_messages(observed: Observed) -> Iterator[str]:
    """An acknowledged message was delivered, or is still there."""
    seen = {(one.queue, one.message_id) for one in (*observed.received, *observed.left)}
    dead = {one.message_id for one in observed.dead}
    for sent in observed.sent:
        if (sent.queue, sent.message_id) not in seen and sent.message_id not in dead:
            yield f"{sent.queue}: {sent.message_id} ({sent.body}) was acknowledged and never seen again"


def foreign_messages(observed: Observed) -> Iterator[str]:
    """What is delivered is what was sent."""
    bodies = {(one.queue, one.message_id): one.body for one in observed.sent}
    for received in (*observed.received, *observed.left):
        body = bodies.get((received.queue, received.message_id))
        if body is not None and body != received.body:
            yield f"{received.queue}: {received.message_id} was sent as {body} and received as {received.body}"


def moved_messages(observed: Observed) -> Iterator[str]:
    """Each message that a task moves arrives, as one message, and the task knows how many did."""
    arrived: dict[str, set[str]] = {}
    for received in observed.moved:
        arrived.setdefault(received.body, set()).add(received.message_id)
    for body in observed.strays:
        ids = arrived.pop(body, set())
        if len(ids) != 1:
            yield f"{body} is {len(ids)} messages after it was moved"
    for body in arrived:
        yield f"{body} arrived and was not to be moved"
    if observed.strays:
        found = (observed.task.get("Status"), observed.task.get("ApproximateNumberOfMessagesMoved"))
        if found != ("COMPLETED", len(observed.strays)):
            yield f"the task of {len(observed.strays)} messages is {found}"


def delivered_after_delete(observed: Observed) -> Iterator[str]:
    """Nothing is delivered by a call that began after the message's deletion was acknowledged."""
    gone: dict[tuple[str, str], float] = {}
    for deleted in observed.deleted:
        if deleted.acked_s is not None:
            key = (deleted.queue, deleted.message_id)
            gone[key] = min(deleted.acked_s, gone.get(key, deleted.acked_s))
    for received in (*observed.received, *observed.left):
        at_s = gone.get((received.queue, received.message_id))
        if at_s is not None and received.began_s > at_s:
            yield f"{received.queue}: {received.message_id} ({received.body}) came after its acknowledged deletion"


def delivered_early(observed: Observed) -> Iterator[str]:
    """A delay is waited for."""
    due = {(sent.queue, sent.message_id): sent.not_before_s for sent in observed.sent}
    for received in (*observed.received, *observed.left):
        at_s = due.get((received.queue, received.message_id), 0.0)
        if received.ended_s < at_s:
            yield f"{received.queue}: {received.message_id} came {at_s - received.ended_s:.3f} s early"


def in_flight_twice(observed: Observed) -> Iterator[str]:
    """While a message of a standard queue is hidden nobody else gets it, from any node.

    One that was given back is not judged: nobody knows when an unanswered ChangeMessageVisibility was heard.
    """
    given_back = {(one.queue, one.message_id) for one in observed.given_back}
    spans: dict[tuple[str, str], list[tuple[float, float, float]]] = defaultdict(list)
    for received in (*observed.received, *observed.left):
        key = (received.queue, received.message_id)
        if not received.group and key not in given_back:
            spans[key].append((received.began_s, received.ended_s, received.began_s + observed.visibility_s))
    for (queue, message_id), found in spans.items():
        for at, other in _overlaps(sorted(found)):
            yield f"{queue}: {message_id} was in flight twice, from {at:.3f} and from {other:.3f} on"


def receive_counts(observed: Observed) -> Iterator[str]:
    """A delivery is remembered: the count of a later one is higher."""
    last: dict[tuple[str, str], Received] = {}
    for received in sorted((*observed.received, *observed.left), key=lambda one: one.began_s):
        before = last.get((received.queue, received.message_id))
        if before is not None and before.ended_s < received.began_s and received.count <= before.count:
            yield f"{received.queue}: {received.message_id} came with count {before.count}, later with {received.count}"
        last[received.queue, received.message_id] = received


def dead_letters(observed: Observed) -> Iterator[str]:
    """A message that nobody can process ends in the dead-letter queue, once."""
    dead = [one.message_id for one in observed.dead]
    for sent in observed.sent:
        if sent.poison and dead.count(sent.message_id) != 1:
            yield f"{sent.queue}: {sent.message_id} is {dead.count(sent.message_id)} times in the dead-letter queue"


def fifo_order(observed: Observed) -> Iterator[str]:
    """No message comes while an earlier one of its group is not done: deleted, or before it in the same reply."""
    tried: dict[str, float] = {}
    for deleted in observed.deleted:
        tried[deleted.message_id] = min(deleted.began_s, tried.get(deleted.message_id, deleted.began_s))
    groups: dict[tuple[str, str], list[Sent]] = defaultdict(list)
    for sent in observed.sent:
        if sent.group:
            groups[sent.queue, sent.group].append(sent)
    replies: dict[tuple[str, float, float], list[Received]] = defaultdict(list)
    for received in (*observed.received, *observed.left):
        if received.group:
            replies[received.queue, received.began_s, received.ended_s].append(received)
    for reply in replies.values():
        before: set[str] = set()
        for received in reply:
            for earlier in groups[received.queue, received.group]:
                done = (
                    earlier.message_id in before or tried.get(earlier.message_id, received.ended_s) < received.ended_s
                )
                if earlier.number < received.number and not done:
                    yield f"{received.queue}: {received.group}/{received.number} overtook {earlier.number}"
            before.add(received.message_id)


def fifo_duplicates(observed: Observed) -> Iterator[str]:
    """A FIFO message that a client had to send again is there once."""
    ids: dict[tuple[str, str, int], set[str]] = defaultdict(set)
    for received in (*observed.received, *observed.left):
        if received.group:
            ids[received.queue, received.group, received.number].add(received.message_id)
    for (queue, group, number), found in ids.items():
        if len(found) > 1:
            yield f"{queue}: {group}/{number} is there {len(found)} times"


def groups_in_flight_twice(observed: Observed) -> Iterator[str]:
    """While a reply's first undone message of a group is hidden no other reply has any of that group, from any node."""
    deleted, back = _instants(observed.deleted), _instants(observed.given_back)
    replies: dict[tuple[str, str, float, float], list[Received]] = defaultdict(list)
    for received in (*observed.received, *observed.left):
        if received.group:
            replies[received.queue, received.group, received.began_s, received.ended_s].append(received)
    groups: dict[tuple[str, str], list[tuple[float, float, float]]] = defaultdict(list)
    for (queue, group, began, ended), messages in replies.items():
        # The claim came after the call began; what was tried before its reply was there meant an earlier one.
        free, expires = 0.0, began + observed.visibility_s
        for one in messages:
            done = min((at for at in deleted[queue, one.message_id] if at >= ended), default=expires)
            undone = min((at for at in back[queue, one.message_id] if at >= ended), default=expires)
            free = max(free, min(done, undone, expires))
            if done >= min(undone, expires):
                break  # it comes again, and those behind it with it
        groups[queue, group].append((began, ended, free))
    for (queue, group), spans in groups.items():
        for at, other in _overlaps(sorted(spans)):
            yield f"{queue}: {group} was in flight twice, from {at:.3f} and from {other:.3f} on"


def _overlaps(spans: list[tuple[float, float, float]]) -> Iterator[tuple[float, float]]:
    """Of spans (call began, reply came, done) those that overlap, by when their calls began."""
    for place, (began, ended, free) in enumerate(spans):
        for other_began, other_ended, other_free in spans[place + 1 :]:
            if other_began >= free:
                break
            # Whichever of the two claims was first, the other's reply came before it was done.
            if other_ended < free and ended < other_free:
                yield began, other_began


def _instants(changes: Sequence[Deleted | GivenBack]) -> dict[tuple[str, str], list[float]]:
    found: dict[tuple[str, str], list[float]] = defaultdict(list)
    for change in changes:
        found[change.queue, change.message_id].append(change.began_s)
    return found


def execution_outcomes(observed: Observed) -> Iterator[str]:
    """Every started execution ends as it should, on the way it should take."""
    for execution in observed.executions:
        expected = observed.expected[execution.kind]
        states = [
            event["stateEnteredEventDetails"]["name"]
            for event in execution.events
            if "stateEnteredEventDetails" in event
        ]
        name = f"{execution.order} ({execution.kind})"
        if execution.status != expected.status:
            last = execution.events[-3:]
            yield f"{name} is {execution.status}, not {expected.status}; its last events: {last}"
        elif sorted(states) != sorted(expected.states):
            yield f"{name} went through {states}, not {expected.states}"
        elif (execution.output or {}).get("outcome") != expected.outcome:
            yield f"{name} ended with {execution.output}, not with the outcome {expected.outcome}"
        elif (execution.output or {}).get("order") != execution.order:
            yield f"{name} ended with another order's output: {execution.output}"


def execution_listing(observed: Observed) -> Iterator[str]:
    """ListExecutions shows every started execution once."""
    for execution in observed.executions:
        count = observed.listed.count(execution.arn)
        if count != 1:
            yield f"{execution.order} is listed {count} times"
    if len(observed.listed) != len(observed.executions):
        yield f"{len(observed.listed)} executions are listed, {len(observed.executions)} were started"


def histories(observed: Observed) -> Iterator[str]:
    """A history counts from 1 without a gap, points backwards, keeps time, and ends once, at its end."""
    for execution in observed.executions:
        events = execution.events
        ids = [event["id"] for event in events]
        types = [event["type"] for event in events]
        if ids != list(range(1, len(ids) + 1)):
            yield f"{execution.order}: its event ids are {ids}"
        if not types or types[0] != "ExecutionStarted":
            yield f"{execution.order}: its history begins with {types[:1]}"
        ends = sum(kind in TERMINAL for kind in types)
        if ends != 1 or types[-1] not in TERMINAL:
            yield f"{execution.order}: it ends {ends} times, its last event is {types[-1:]}"
        for event in events:
            if not 0 <= event.get("previousEventId", 0) < event["id"]:
                yield f"{execution.order}: event {event['id']} follows {event.get('previousEventId')}"
        for before, event in itertools.pairwise(events):
            back_s = before["timestamp"] - event["timestamp"]
            if back_s > 0:
                yield f"{execution.order}: time goes back {back_s:.3f} s from {before['type']} to {event['type']}"


def too_early(observed: Observed) -> Iterator[str]:
    """A timer does not fire before its time, whichever node set it, and whichever fires it."""
    for execution in observed.executions:
        first = {event["type"]: event["timestamp"] for event in reversed(execution.events)}
        for before, after, seconds in observed.lasting:
            if before in first and after in first and first[after] - first[before] < seconds - 0.0005:
                yield f"{execution.order}: {after} came {first[after] - first[before]:.3f} s after {before}"


def standstills(observed: Observed) -> Iterator[str]:
    """In calm every execution goes on: what a dead node had under way was taken over."""
    for execution in observed.executions:
        stamps = [event["timestamp"] for event in execution.events]
        for before, after, event in zip(stamps, stamps[1:], execution.events, strict=False):
            for began, ended in observed.calm:
                stood = min(after, ended) - max(before, began)
                if stood > observed.idle_s:
                    yield f"{execution.order} stood still for {stood:.1f} s after {event['type']}"


def tokens_used_twice(observed: Observed) -> Iterator[str]:
    """One answer per token is accepted, and one counts in the history."""
    acked: dict[str, int] = defaultdict(int)
    for answer in observed.answers:
        acked[answer.token] += answer.acked
    for token, count in acked.items():
        if count > 1:
            yield f"the token {token[:40]}... was accepted {count} times"
    for execution in observed.executions:
        found = len(_nonces(execution))
        if found != observed.expected[execution.kind].answers:
            yield f"{execution.order} ({execution.kind}) has {found} answers in its history"


def answers_lost(observed: Observed) -> Iterator[str]:
    """An accepted answer is the one in the history, and what is in the history was given."""
    executions = {execution.order: execution for execution in observed.executions}
    given: dict[str, set[str]] = defaultdict(set)
    for answer in observed.answers:
        given[answer.order].add(answer.nonce)
        if answer.acked and answer.nonce not in _nonces(executions[answer.order]):
            yield f"{answer.order}: the accepted answer {answer.nonce} is not in its history"
    for order, execution in executions.items():
        for nonce in _nonces(execution):
            if nonce not in given[order]:
                yield f"{order}: its history has an answer that nobody gave: {nonce}"


def workflow_messages(observed: Observed) -> Iterator[str]:
    """A workflow's state and the message it sends appear together or not at all: one message per execution."""
    ids: dict[str, set[str]] = defaultdict(set)
    for received in observed.audited:
        ids[received.body].add(received.message_id)
    for execution in observed.executions:
        if len(ids[execution.order]) != 1:
            yield f"{execution.order} sent {len(ids[execution.order])} messages"
    for order in ids.keys() - {execution.order for execution in observed.executions}:
        yield f"{order} sent a message and was never started"


def _nonces(execution: Execution) -> list[str]:
    """The answers in a history, by the mark that the worker put on each."""
    found = []
    for event in execution.events:
        if event["type"] in {"TaskSucceeded", "TaskFailed"}:
            details = event.get("taskSucceededEventDetails") or event.get("taskFailedEventDetails") or {}
            text = details.get("output") or details.get("cause") or ""
            if "nonce:" in text:
                found.append(text.partition("nonce:")[2][:32])
    return found
