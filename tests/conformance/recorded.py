"""Replays recorded AWS behaviour against a live server and compares every field that is not volatile.

The recordings are one JSON object a line: a case's name, the API calls it makes, and what AWS answered. Volatile values
are placeholders; a placeholder stands for any value, and the same one always for the same value.
"""

import json
import os
import re
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from queue import SimpleQueue
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

VARIABLE = "WAYPOST_RECORDED"
"""Names the folder with the recordings."""
BESIDE = Path(__file__).parents[3] / "shared" / "conformance"
FILE = "step-functions.jsonl"

WAIT_S = 70
"""The longest that a replayed execution may take."""
STOPPED_WAIT_S = 1.5
"""How long to wait for one that the case itself stops later."""
POLL_S = 0.1
THREADS = 24

Client = Callable[[str, str], Any]
"""Answers a boto3 client by service and account."""


def folder() -> Path | None:
    """Where the recordings are, or None."""
    path = Path(os.environ.get(VARIABLE) or BESIDE)
    return path if (path / FILE).exists() else None


def cases(path: Path) -> list[dict[str, Any]]:
    """Every recorded case."""
    with (path / FILE).open() as lines:
        return [json.loads(line) for line in lines]


# --- comparing

_WORDS = (
    "timestamp", "datetime", "date", "map_run_arn", "activity_arn", "activity_name", "sqs_queue_url", "start-time",
    "entered-time", "sm_nonexistent_arn", "invalid_execution_arn", "lambda_function_name",
)  # fmt: skip
_PLACEHOLDER = re.compile(
    r"<<\w+>(?::\d+)?>|<[^<>]*>|s[nf]f_role_arn(?:_t\d)?|\b(?:"
    + "|".join(_WORDS)
    + r")\b|(?<=[-_])[0-9a-f]{8}\b|111111111111"
)
_HTTP_DATE = re.compile(r"\w{3}, \d\d \w{3} \d{4} \d\d:\d\d:\d\d GMT")
_RANDOM = "RandomNumberGenerated"
_LATER = frozenset({"ResponseMetadata", "encryptionConfiguration"})
"""Members that a recording may lack because it is older than they are, or because they are about the transport."""


class Differs(Exception):  # noqa: N818 (a finding)
    """A recorded value and an answered one, and where they part."""


@dataclass
class Bindings:
    """What each placeholder stands for."""

    values: dict[str, str] = field(default_factory=dict)

    def text(self, recorded: str, actual: str, where: str) -> None:
        """Compare texts, one of which has placeholders."""
        names: list[str] = []
        pattern, last = "", 0
        for found in _PLACEHOLDER.finditer(recorded):
            pattern += re.escape(recorded[last : found.start()]) + "(.*?)"
            names.append(found[0])
            last = found.end()
        pattern += re.escape(recorded[last:])
        match = re.fullmatch(pattern, actual, re.DOTALL)
        if match is None:
            raise Differs(f"{where}: {actual!r}, recorded {recorded!r}")
        for name, value in zip(names, match.groups(), strict=True):
            if not name.startswith("<") or (":" not in name and "idx" not in name):
                continue  # a kind of value, not one value
            if self.values.setdefault(name, value) != value:
                raise Differs(f"{where}: {name} was {self.values[name]!r}, now {value!r}")


def _is_volatile(key: str, recorded: str) -> bool:
    """A value shown as its own key, as the recordings write some volatile ones."""
    dashed = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "-", key).lower()
    return recorded.lower() in {key.lower(), dashed} and recorded != "true"


def compare(recorded: Any, actual: Any, bindings: Bindings, where: str = "", key: str = "") -> None:
    """Raise ``Differs`` at the first field that is not as recorded."""
    if isinstance(recorded, str) and ((key and _is_volatile(key, recorded)) or recorded == _RANDOM):
        return
    if isinstance(actual, str) and not isinstance(recorded, str):
        actual = _parsed(recorded, actual, where)
    match recorded, actual:
        case dict(), dict():
            _compare_members(recorded, actual, bindings, where)
        case list(), list():
            _compare_items(recorded, actual, bindings, where, key)
        case str(), str():
            if not (_HTTP_DATE.fullmatch(recorded) and _HTTP_DATE.fullmatch(actual)):
                bindings.text(recorded, actual, where)
        case str(), datetime():
            if not _PLACEHOLDER.search(recorded):
                raise Differs(f"{where}: a time, recorded {recorded!r}")
        case _:
            if recorded != actual or isinstance(recorded, bool) != isinstance(actual, bool):
                raise Differs(f"{where}: {actual!r}, recorded {recorded!r}")


def _parsed(recorded: Any, actual: str, where: str) -> Any:
    """JSON inside a text, which the recordings show as what it stands for."""
    try:
        return json.loads(actual)
    except ValueError:
        raise Differs(f"{where}: {actual!r}, recorded {recorded!r}") from None


def _compare_members(recorded: dict[str, Any], actual: dict[str, Any], bindings: Bindings, where: str) -> None:
    missing = recorded.keys() - actual.keys()
    extra = actual.keys() - recorded.keys() - _LATER
    if missing or extra:
        raise Differs(f"{where}: missing {sorted(missing)}, extra {sorted(extra)}")
    for name, value in recorded.items():
        compare(value, actual[name], bindings, f"{where}/{name}", name)


def _compare_items(recorded: list[Any], actual: list[Any], bindings: Bindings, where: str, key: str) -> None:
    if len(recorded) != len(actual):
        raise Differs(f"{where}: {len(actual)} items, recorded {len(recorded)}")
    for index, (left, right) in enumerate(zip(recorded, actual, strict=True)):
        compare(left, right, bindings, f"{where}/{index}", key)


# --- replaying

_RETRIES = re.compile(r" \(reached max retries: \d+\)")
"""What boto3 adds to a message when it was told not to retry."""


@dataclass
class Answer:
    """What one call answered."""

    step: dict[str, Any]
    response: dict[str, Any] | None = None
    error: Exception | None = None

    def forms(self) -> Iterator[Any]:
        """The forms in which a recording may show it."""
        if self.response is not None:
            yield self.response
            return
        if isinstance(self.error, ClientError):
            body = self.error.response
            yield {"Error": body["Error"], "message": body.get("message", body["Error"]["Message"])}
        name = (
            self.error.response["Error"]["Code"] if isinstance(self.error, ClientError) else type(self.error).__name__
        )
        shown = _RETRIES.sub("", str(self.error))
        yield {"exception_typename": name, "exception_value": shown}
        yield shown


class Replay:
    """One case."""

    def __init__(self, case: dict[str, Any], account: str, client: Client, over: threading.Event) -> None:
        """``over`` ends every wait: the run was broken off."""
        self.case = case
        self.over = over
        self.account = account
        self.client = client
        self.role = 0
        self.answers: list[Answer] = []
        self.executions: dict[str, float] = {}
        """Started and not known to have ended, with how long to wait for each."""

    def run(self) -> str | None:
        """None when every recorded value was met; else the first difference."""
        try:
            for step in self.case["steps"]:
                self._step(step)
            self._compare()
        except (Differs, ClientError, BotoCoreError, LookupError, TypeError) as error:
            return f"{type(error).__name__}: {error}"[:600]
        return None

    def _step(self, step: dict[str, Any]) -> None:
        if step["op"] == "UpdateStateMachine" and "definition" not in step["params"]:
            self.role += 1  # the recordings show that an update of the role alone gave another one
        params = self._filled(step["params"])
        if step["service"] == "stepfunctions":
            self._wait(step["op"], params)
        answer = Answer(step)
        self.answers.append(answer)
        operation = re.sub(r"(?<!^)(?=[A-Z])", "_", step["op"]).lower()
        try:
            answer.response = getattr(self.client(step["service"], self.account), operation)(**params)
        except (ClientError, BotoCoreError) as error:
            answer.error = error
            if not step.get("fails") and not step["op"].startswith(("Delete", "Stop", "List")):
                raise
            return
        if step.get("fails"):
            raise Differs(f"{step['op']} was answered, AWS refused it")
        if step["op"] == "StartExecution":
            arn = answer.response["executionArn"]
            self.executions[arn] = STOPPED_WAIT_S if self._is_stopped_later() else WAIT_S

    def _is_stopped_later(self) -> bool:
        name = f"${{{len(self.answers) - 1}.executionArn}}"
        return any(step["op"] == "StopExecution" and name in str(step["params"]) for step in self.case["steps"])

    def _filled(self, value: Any) -> Any:
        if isinstance(value, dict):
            return {key: self._filled(item) for key, item in value.items()}
        if isinstance(value, list):
            return [self._filled(item) for item in value]
        if isinstance(value, str):
            value = value.replace("${role}", f"arn:aws:iam::{self.account}:role/recorded{self.role}")
            value = value.replace("000000000000", self.account)
            return re.sub(r"\$\{(\d+)\.([\w.]+)\}", lambda found: str(self._value(int(found[1]), found[2])), value)
        return value

    def _value(self, step: int, path: str) -> Any:
        found: Any = self.answers[step].response
        for name in path.split("."):
            found = found[int(name)] if isinstance(found, list) else found[name]
        return found

    def _wait(self, operation: str, params: dict[str, Any]) -> None:
        """Before a look at executions: let them come to their end."""
        if operation in {"GetExecutionHistory", "DescribeExecution"}:
            wanted = [arn for arn in self.executions if arn == params.get("executionArn")]
        elif operation == "ListExecutions":
            wanted = list(self.executions)
        else:
            return
        states = self.client("stepfunctions", self.account)
        for arn in wanted:
            until = time.monotonic() + self.executions.pop(arn)
            while states.describe_execution(executionArn=arn)["status"] == "RUNNING" and time.monotonic() < until:
                # As a client has to: AWS has no call that waits for a Standard execution.
                if self.over.wait(POLL_S):
                    return

    def _compare(self) -> None:
        """Find for each recorded value, in order, the call that answered it."""
        bindings, place = Bindings(), 0
        for label, recorded in self.case["recorded"].items():
            if label == "cases":
                compare(recorded, list(self._pairs()), bindings, label)
                continue
            order = [*range(place, len(self.answers)), *range(place)]
            first: Differs | None = None
            for index in order:
                trial = Bindings(dict(bindings.values))
                try:
                    self._try(recorded, self.answers[index], trial, label)
                except Differs as difference:
                    if first is None and not str(difference).startswith(f"{label}: "):
                        first = difference
                    continue
                bindings = trial
                place = index + 1 if index >= place else place
                break
            else:
                if recorded != {}:  # some calls that answer nothing were not kept among the steps
                    raise first or Differs(f"{label}: no call was answered like this")

    def _pairs(self) -> Iterator[dict[str, Any]]:
        """What many short executions made of their inputs, as some cases were summed up."""
        for answer in self.answers:
            if answer.step["op"] == "GetExecutionHistory" and answer.response is not None:
                events = answer.response["events"]
                shown = events[0]["executionStartedEventDetails"]["input"]
                yield {"input": shown, "output": events[-1].get("executionSucceededEventDetails", {}).get("output")}

    @staticmethod
    def _try(recorded: Any, answer: Answer, bindings: Bindings, label: str) -> None:
        last: Differs | None = None
        for form in answer.forms():
            trial = Bindings(dict(bindings.values))
            if isinstance(recorded, dict) != isinstance(form, dict):
                continue
            try:
                compare(recorded, form, trial, label)
            except Differs as difference:
                last = difference
                continue
            bindings.values = trial.values
            return
        raise last or Differs(f"{label}: another form")


def replay(recorded: list[dict[str, Any]], client: Client) -> dict[str, str | None]:
    """Replay every case; answers by name what differed, None where nothing did."""

    over = threading.Event()

    # An account for each thread: a client takes longer to make than a case to replay.
    accounts: SimpleQueue[str] = SimpleQueue()
    for number in range(THREADS):
        accounts.put(f"{200_000_000_000 + number}")

    def one(case: dict[str, Any]) -> str | None:
        account = accounts.get()
        try:
            return Replay(case, account, client, over).run()
        finally:
            accounts.put(account)

    with ThreadPoolExecutor(THREADS) as pool:
        try:
            outcomes = list(pool.map(one, recorded))
        finally:
            over.set()
    return {case["case"]: outcome for case, outcome in zip(recorded, outcomes, strict=True)}
