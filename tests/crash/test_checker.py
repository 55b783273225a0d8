"""The checker bites: every rule is broken once in an otherwise faultless log, and found."""

from collections.abc import Callable

import pytest

from crash.checker import Answer, Deleted, Execution, Expected, GivenBack, Observed, Received, Sent, check

NONCE = "0123456789abcdef0123456789abcdef"


def faultless() -> Observed:
    observed = Observed(expected={"ok": Expected("SUCCEEDED", ["Ask", "Done"], "priced", 1)})
    observed.sent = [
        Sent("plain", "m1", "one"),
        Sent("plain", "m2", "two", not_before_s=9.2),
        Sent("plain", "p1", "poison", poison=True),
        Sent("line", "f1", "g/1", "g", 1),
        Sent("line", "f2", "g/2", "g", 2),
        Sent("line", "f3", "g/3", "g", 3),
        Sent("line", "f4", "g/4", "g", 4),
    ]
    observed.received = [
        Received("plain", "m1", "one", 1.0, 2.0, 1),
        Received("plain", "m1", "one", 5.0, 6.0, 2),
        Received("line", "f1", "g/1", 1.0, 2.0, 1, "g", 1),
        Received("line", "f2", "g/2", 1.0, 2.0, 1, "g", 2),
        Received("line", "f2", "g/2", 7.0, 8.0, 2, "g", 2),
        Received("line", "f3", "g/3", 7.0, 8.0, 1, "g", 3),
        Received("line", "f4", "g/4", 8.5, 8.6, 1, "g", 4),
        Received("line", "f4", "g/4", 8.6, 8.8, 2, "g", 4),
    ]
    observed.visibility_s = 3
    observed.given_back = [GivenBack("line", "f4", 8.7)]
    observed.deleted = [
        Deleted("plain", "m1", 6.0, 6.5),
        Deleted("line", "f1", 2.1, 2.2),
        Deleted("line", "f2", 2.3, None),
        Deleted("line", "f2", 8.1, 8.2),
        Deleted("line", "f3", 8.3, 8.4),
    ]
    observed.left = [Received("plain", "m2", "two", 9.0, 9.5, 1)]
    observed.dead = [Received("dead", "p1", "poison", 9.0, 9.5, 6)]
    observed.answers = [Answer("o1", "t1", NONCE, acked=True), Answer("o1", "t1", "f" * 32, acked=False)]
    events = [
        {"id": 1, "previousEventId": 0, "type": "ExecutionStarted", "timestamp": 1},
        {"id": 2, "previousEventId": 0, "type": "TaskStateEntered", "timestamp": 1,
         "stateEnteredEventDetails": {"name": "Ask"}},
        {"id": 3, "previousEventId": 2, "type": "TaskSucceeded", "timestamp": 2,
         "taskSucceededEventDetails": {"output": f'{{"mark": "nonce:{NONCE}"}}'}},
        {"id": 4, "previousEventId": 3, "type": "PassStateEntered", "timestamp": 2,
         "stateEnteredEventDetails": {"name": "Done"}},
        {"id": 5, "previousEventId": 4, "type": "ExecutionSucceeded", "timestamp": 2},
    ]  # fmt: skip
    observed.executions = [Execution("o1", "ok", "arn:o1", "SUCCEEDED", {"order": "o1", "outcome": "priced"}, events)]
    observed.listed = ["arn:o1"]
    observed.lasting = [("ExecutionStarted", "TaskSucceeded", 1.0)]
    observed.calm = [(0.5, 1.5), (10.0, 30.0)]
    observed.idle_s = 5.0
    observed.audited = [Received("audit", "a1", "o1", 3.0, 3.5, 1), Received("audit", "a1", "o1", 8.0, 8.5, 2)]
    observed.strays = ["s1", "s2"]
    observed.moved = [
        Received("found", "x1", "s1", 3.0, 3.5, 1),
        Received("found", "x1", "s1", 8.0, 8.5, 2),
        Received("found", "x2", "s2", 3.0, 3.5, 1),
    ]
    observed.task = {"Status": "COMPLETED", "ApproximateNumberOfMessagesMoved": 2}
    return observed


def test_a_faultless_log_passes():
    assert check(faultless()) == []


def _second_token(observed: Observed) -> None:
    observed.answers[1].acked = True


def _event(number: int, **changes: object) -> Callable[[Observed], None]:
    return lambda observed: observed.executions[0].events[number - 1].update(changes)


def _outcome(**changes: object) -> Callable[[Observed], None]:
    def mutate(observed: Observed) -> None:
        for name, value in changes.items():
            setattr(observed.executions[0], name, value)

    return mutate


def _answered_twice(observed: Observed) -> None:
    events = observed.executions[0].events
    events.insert(3, {**events[2], "id": 4})
    for number, event in enumerate(events, 1):
        event["id"] = number


def _late(observed: Observed) -> None:
    for event in observed.executions[0].events[2:]:
        event["timestamp"] = 15.5


MUTANTS: list[tuple[str, str, Callable[[Observed], object]]] = [
    ("lost message", "a message vanishes", lambda o: o.left.clear()),
    ("lost message", "a FIFO message vanishes", lambda o: o.received.pop(5)),
    ("foreign message", "a body is another's", lambda o: setattr(o.left[0], "body", "one")),
    ("delivered after delete", "a deletion is undone",
     lambda o: o.received.append(Received("plain", "m1", "one", 7.0, 7.5, 3))),
    ("delivered after delete", "it is still there after its deletion",
     lambda o: o.left.append(Received("plain", "m1", "one", 9.0, 9.5, 3))),
    ("delivered early", "a delay is too short", lambda o: setattr(o.sent[1], "not_before_s", 9.6)),
    ("in flight twice", "a message comes again before its time",
     lambda o: o.received.append(Received("plain", "m1", "one", 2.5, 3.5, 2))),
    ("in flight twice", "two nodes hand it out at once",
     lambda o: o.received.append(Received("plain", "m1", "one", 0.5, 2.5, 2))),
    ("receive count", "a delivery is forgotten", lambda o: setattr(o.received[1], "count", 1)),
    ("moved message", "one is lost on the way", lambda o: o.moved.pop()),
    ("moved message", "one is moved twice", lambda o: setattr(o.moved[1], "message_id", "x3")),
    ("moved message", "one comes from nowhere", lambda o: o.moved.append(Received("found", "x4", "s4", 1.0, 2.0, 1))),
    ("moved message", "the task counts wrong", lambda o: o.task.update(ApproximateNumberOfMessagesMoved=3)),
    ("moved message", "the task does not end", lambda o: o.task.update(Status="RUNNING")),
    ("dead letter", "a poison message is not moved", lambda o: o.dead.clear()),
    ("dead letter", "a poison message is moved twice", lambda o: o.dead.append(o.dead[0])),
    ("fifo order", "a message overtakes in one reply", lambda o: o.received.insert(2, o.received.pop(3))),
    ("fifo order", "a message comes while an earlier one is in flight",
     lambda o: o.received.append(Received("line", "f3", "g/3", 2.05, 2.08, 1, "g", 3))),
    ("fifo order", "a message is skipped", lambda o: o.sent.append(Sent("line", "f0", "g/0", "g", 0))),
    ("fifo duplicate", "a retried send is there twice",
     lambda o: o.received.append(Received("line", "f9", "g/3", 9.0, 9.5, 1, "g", 3))),
    ("group in flight twice", "a group comes again before its time",
     lambda o: o.received.append(Received("line", "f2", "g/2", 2.1, 2.25, 2, "g", 2))),
    ("group in flight twice", "two nodes hand it out at once",
     lambda o: o.received.append(Received("line", "f2", "g/2", 1.5, 2.05, 2, "g", 2))),
    ("group in flight twice", "a message was not given back", lambda o: o.given_back.clear()),
    ("execution outcome", "an execution hangs", _outcome(status="RUNNING")),
    ("execution outcome", "an execution ends otherwise", _outcome(output={"order": "o1", "outcome": "refused"})),
    ("execution outcome", "an execution ends with another's output",
     _outcome(output={"order": "o2", "outcome": "priced"})),
    ("execution outcome", "a state is entered twice", _event(5, stateEnteredEventDetails={"name": "Done"})),
    ("execution listing", "an execution is not listed", lambda o: o.listed.clear()),
    ("execution listing", "an execution is listed twice", lambda o: o.listed.append("arn:o1")),
    ("execution listing", "an execution comes from nowhere", lambda o: o.listed.append("arn:o2")),
    ("history", "an event is missing", lambda o: o.executions[0].events.pop(2)),
    ("history", "an event is there twice", _event(4, id=3)),
    ("history", "an event follows a later one", _event(3, previousEventId=4)),
    ("history", "time goes backwards", _event(4, timestamp=1.5)),
    ("history", "it ends twice", _event(4, type="ExecutionSucceeded")),
    ("history", "it does not end", lambda o: o.executions[0].events.pop()),
    ("history", "it has no beginning", _event(1, type="PassStateEntered")),
    ("too early", "a timer fires before its time", _event(3, timestamp=1.9)),
    ("standstill", "nobody takes an execution over", _late),
    ("token used twice", "two answers are accepted", _second_token),
    ("token used twice", "two answers count", _answered_twice),
    ("answer lost", "the accepted answer does not count",
     _event(3, taskSucceededEventDetails={"output": f"nonce:{'f' * 32}"})),
    ("answer lost", "an answer from nowhere counts",
     _event(3, taskSucceededEventDetails={"output": f"nonce:{'e' * 32}"})),
    ("workflow message", "a workflow's message is missing", lambda o: o.audited.clear()),
    ("workflow message", "a workflow sends twice", lambda o: setattr(o.audited[1], "message_id", "a2")),
    ("workflow message", "a workflow that never was sends", lambda o: setattr(o.audited[1], "body", "o2")),
]  # fmt: skip


@pytest.mark.parametrize(("rule", "what", "mutate"), MUTANTS, ids=[f"{rule}: {what}" for rule, what, _ in MUTANTS])
def test_a_mutant_is_found(rule: str, what: str, mutate: Callable[[Observed], object]):
    observed = faultless()
    mutate(observed)
    assert rule in {fault.rule for fault in check(observed)}
