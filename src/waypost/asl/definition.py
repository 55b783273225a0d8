"""Recursive descent over a definition: from JSON objects to compiled states."""

import re
from typing import Any

import msgspec

from waypost.asl import fields as tables
from waypost.asl import graph, rules_reader
from waypost.asl.commands import Resource
from waypost.asl.dataflow import Flow
from waypost.asl.document import Document
from waypost.asl.intrinsics import Intrinsic
from waypost.asl.jsonpath import ROOT, Path
from waypost.asl.problems import DUPLICATE_NAME, INVALID_NAME
from waypost.asl.reader import Fields, Reader
from waypost.asl.resources import parse_resource
from waypost.asl.retry import Retrier
from waypost.asl.run import Catcher, State
from waypost.asl.states.choice import ChoiceState
from waypost.asl.states.final import FailState, SucceedState
from waypost.asl.states.map_ import MapState
from waypost.asl.states.parallel import ParallelState
from waypost.asl.states.pass_ import PassState
from waypost.asl.states.task import TaskState
from waypost.asl.states.wait import SECONDS_MAX, WaitState
from waypost.asl.timestamps import parse_ns

NAME_MAX = 80
_LANGUAGES = ("JSONPath", "JSONata")
_NO_RESOURCE = Resource(arn="", kind="service")
# A path into the context object that is not one of the parts an iteration does not change.
_ASKS_FOR_MAP = re.compile(r"\$\$(?!\.(?:Execution|StateMachine|State|Task)\b)")


class Definition:
    """Reads one definition. ``states`` is complete when the reader has no problems."""

    def __init__(self, *, express: bool) -> None:
        self.reader = Reader()
        self.states: dict[str, State] = {}
        self.resources: list[tuple[str, Resource]] = []
        """Every Task's resource, with the location of the field."""
        self.timeout_s: int | None = None
        self._express = express
        self._language = "JSONPath"
        self._builders = {
            "Task": self._task,
            "Wait": self._wait,
            "Pass": self._pass,
            "Succeed": self._succeed,
            "Fail": self._fail,
            "Choice": self._choice,
            "Parallel": self._parallel,
            "Map": self._map,
        }

    def machine(self, fields: Fields) -> None:
        """Read the whole definition."""
        reader = self.reader
        reader.only(fields, tables.MACHINE, "")
        reader.choice(fields, "Version", ("1.0",), "")
        reader.string(fields, "Comment", "")
        self._language = reader.choice(fields, "QueryLanguage", _LANGUAGES, "") or "JSONPath"
        self.timeout_s = reader.whole(fields, "TimeoutSeconds", "", 0, SECONDS_MAX) or None
        scopes = self._scope(fields, "")
        if not reader.problems:
            for scope, location in scopes:
                graph.check(reader, scope, location)

    def _scope(self, fields: Fields, location: str) -> list[tuple[Fields, str]]:
        """Read a set of states; answer it, and those inside it, with their locations."""
        reader = self.reader
        if not reader.required(fields, ("States", "StartAt"), location):
            return []
        reader.string(fields, "StartAt", location)
        states = reader.mapping(fields, "States", location)
        if states is None:
            return []
        if not states:
            reader.note("Value cannot be empty", f"{location}/States")
        scopes = [(fields, location)]
        around = reader.state
        for name, state in states.items():
            where = f"{location}/States/{name}"
            if not isinstance(state, dict):
                reader.note("Expected value of type Object", where)
                continue
            self._name(name, where)
            scopes += self._state(name, state, where)
        reader.state = around
        return scopes

    def _name(self, name: str, location: str) -> None:
        if name in self.states:
            self.reader.note(f"Duplicate State name: {name}", location, DUPLICATE_NAME)
        if len(name) > NAME_MAX:
            message = f"The state name '{name}' exceeds the {NAME_MAX}-character limit allowed by the service"
            self.reader.note(message, location, INVALID_NAME)

    def _state(self, name: str, fields: Fields, location: str) -> list[tuple[Fields, str]]:
        reader = self.reader
        kind = fields.get("Type")
        if not isinstance(kind, str) or kind not in tables.STATES:
            kinds = ", ".join(tables.STATES)
            reader.note(f"The field 'Type' should have one of these values: [{kinds}]", f"{location}/Type")
            return []
        reader.only(fields, tables.STATES[kind], location)
        reader.string(fields, "Comment", location)
        language = self._state_language(fields, location)
        if kind in ("Task", "Wait", "Pass", "Parallel", "Map"):
            moves = fields if fields.get("End") is not False else {**fields, "End": None}
            moves = {key: value for key, value in moves.items() if key != "End" or value is not None}
            if reader.one_of(moves, ("Next", "End"), location, needed=True) == "Next":
                reader.string(fields, "Next", location)
            reader.boolean(fields, "End", location)
        before = len(reader.problems)
        # Known before the states inside it are read, so that a nested state of the same name is told.
        self.states[name] = _UNREAD
        reader.state = name
        if language == "JSONata":
            return self._foreign(kind, fields, location)
        state, scopes = self._builders[kind](name, fields, location)
        if len(reader.problems) == before:
            self.states[name] = state
        return scopes

    def _state_language(self, fields: Fields, location: str) -> str:
        reader = self.reader
        language = reader.choice(fields, "QueryLanguage", _LANGUAGES, location) or self._language
        if self._language == "JSONata" and fields.get("QueryLanguage") == "JSONPath":
            reader.note("'QueryLanguage' can not be 'JSONPath' if set to 'JSONata' for whole state machine", location)
        other = "JSONata" if language == "JSONPath" else "JSONPath"
        for name in tables.JSONATA_ONLY if language == "JSONPath" else tables.JSONPATH_ONLY:
            if name in fields and name in tables.STATES[fields["Type"]]:
                message = (
                    f"The QueryLanguage is set to '{language}', but field '{name}' "
                    f"is only supported for the '{other}' QueryLanguage"
                )
                reader.note(message, location)
        return language

    def _foreign(self, kind: str, fields: Fields, location: str) -> list[tuple[Fields, str]]:
        """Read what does not depend on the query language: the place where JSONata's states will be built."""
        self.reader.refuse("The query language JSONata", location)
        if kind == "Task":
            self._role(fields, self._resource(fields, location), location)
        if kind == "Parallel":
            return self._branches(fields, location)[1]
        return self._iterations(fields, location)[1] if kind == "Map" else []

    # What several types have in common

    def _flow(self, fields: Fields, location: str, *, parameters: bool = True) -> Flow:
        reader = self.reader
        return Flow(
            input_path=reader.path(fields, "InputPath", location),
            parameters=reader.template(fields, "Parameters", location) if parameters else None,
            result_selector=reader.template(fields, "ResultSelector", location),
            result_path=reader.reference_path(fields, "ResultPath", location),
            output_path=reader.path(fields, "OutputPath", location),
        )

    def _retriers(self, fields: Fields, location: str) -> tuple[Retrier, ...]:
        reader, found = self.reader, []
        entries = reader.sequence(fields, "Retry", location, filled=False)
        for index, entry in enumerate(entries):
            where = f"{location}/Retry[{index}]"
            reader.only(entry, tables.RETRIER, where)
            interval_s = reader.whole(entry, "IntervalSeconds", where, 0, SECONDS_MAX)
            attempts_max = reader.whole(entry, "MaxAttempts", where, 0, SECONDS_MAX)
            delay_max_s = reader.whole(entry, "MaxDelaySeconds", where, 1, 31_622_400)
            interval_s = 1 if interval_s is None else interval_s
            if delay_max_s is not None and delay_max_s <= interval_s:
                reader.note("MaxDelaySeconds must be greater than IntervalSeconds", f"{where}/MaxDelaySeconds")
            found.append(
                Retrier(
                    error_equals=self._error_names(entry, where, last=index == len(entries) - 1),
                    interval_s=interval_s,
                    attempts_max=3 if attempts_max is None else attempts_max,
                    backoff_rate=reader.number(entry, "BackoffRate", where, 1.0) or 2.0,
                    delay_max_s=delay_max_s,
                    jitter=reader.choice(entry, "JitterStrategy", ("NONE", "FULL"), where) == "FULL",
                )
            )
        return tuple(found)

    def _catchers(self, fields: Fields, location: str) -> tuple[Catcher, ...]:
        reader, found = self.reader, []
        entries = reader.sequence(fields, "Catch", location, filled=False)
        for index, entry in enumerate(entries):
            where = f"{location}/Catch[{index}]"
            reader.only(entry, tables.CATCHER, where)
            reader.required(entry, ("Next",), where)
            found.append(
                Catcher(
                    error_equals=self._error_names(entry, where, last=index == len(entries) - 1),
                    next=reader.string(entry, "Next", where) or "",
                    result_path=reader.reference_path(entry, "ResultPath", where),
                    assign=reader.assign(entry, where),
                )
            )
        return tuple(found)

    def _error_names(self, entry: Fields, location: str, *, last: bool) -> tuple[str, ...]:
        reader, where = self.reader, f"{location}/ErrorEquals"
        if not reader.required(entry, ("ErrorEquals",), location):
            return ()
        names = entry["ErrorEquals"]
        if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
            reader.note("Expected value of type Array of String", where)
            return ()
        if not names:
            reader.note("Value cannot be empty", where)
        if "States.ALL" in names and (len(names) > 1 or not last):
            reader.note("States.ALL must appear alone and at end of list", where)
        return tuple(names)

    # The eight types

    def _pass(self, name: str, fields: Fields, location: str) -> "_Read":
        result = Document(fields["Result"]) if "Result" in fields else None
        flow = self._flow(fields, location)
        assign = self.reader.assign(fields, location)
        return PassState(name=name, type="Pass", next=_next(fields), flow=flow, result=result, assign=assign), []

    def _succeed(self, name: str, fields: Fields, location: str) -> "_Read":
        return SucceedState(name=name, type="Succeed", flow=self._flow(fields, location)), []

    def _fail(self, name: str, fields: Fields, location: str) -> "_Read":
        return (
            FailState(
                name=name,
                type="Fail",
                flow=self._flow({}, location),
                error=self._told(fields, "Error", location),
                cause=self._told(fields, "Cause", location),
            ),
            [],
        )

    def _told(self, fields: Fields, name: str, location: str) -> str | Path | Intrinsic | None:
        reader = self.reader
        if reader.one_of(fields, (name, f"{name}Path"), location, needed=False) == f"{name}Path":
            return reader.expression(fields, f"{name}Path", location)
        return reader.string(fields, name, location)

    def _choice(self, name: str, fields: Fields, location: str) -> "_Read":
        reader = self.reader
        reader.required(fields, ("Choices",), location)
        choices = [
            rules_reader.choice(reader, entry, f"{location}/Choices[{index}]")
            for index, entry in enumerate(reader.sequence(fields, "Choices", location))
        ]
        default = reader.string(fields, "Default", location)
        flow = self._flow(fields, location)
        assign = reader.assign(fields, location)
        state = ChoiceState(name=name, type="Choice", next=default, flow=flow, choices=tuple(choices), assign=assign)
        return state, []

    def _wait(self, name: str, fields: Fields, location: str) -> "_Read":
        reader = self.reader
        names = ("SecondsPath", "Seconds", "TimestampPath", "Timestamp")
        chosen = reader.one_of(fields, names, location, needed=True)
        timestamp = reader.string(fields, "Timestamp", location)
        instant_ns = None if timestamp is None else parse_ns(timestamp)
        if timestamp is not None and instant_ns is None:
            reader.note("String does not match RFC3339 timestamp", f"{location}/Timestamp")
        state = WaitState(
            name=name,
            type="Wait",
            next=_next(fields),
            assign=self.reader.assign(fields, location),
            flow=self._flow(fields, location),
            seconds=reader.whole(fields, "Seconds", location, 0, SECONDS_MAX),
            timestamp_ms=None if instant_ns is None else -(-instant_ns // 1_000_000),
            seconds_path=reader.some_path(fields, "SecondsPath", location) if chosen == "SecondsPath" else None,
            timestamp_path=reader.some_path(fields, "TimestampPath", location) if chosen == "TimestampPath" else None,
        )
        return state, []

    def _task(self, name: str, fields: Fields, location: str) -> "_Read":
        reader = self.reader
        reader.required(fields, ("Resource",), location)
        resource = self._resource(fields, location)
        timeout_s = self._seconds(fields, "TimeoutSeconds", location)
        heartbeat_s = self._seconds(fields, "HeartbeatSeconds", location)
        if isinstance(timeout_s, int) and isinstance(heartbeat_s, int) and heartbeat_s >= timeout_s:
            reader.note("HeartbeatSeconds must be smaller than TimeoutSeconds", f"{location}/HeartbeatSeconds")
        state = TaskState(
            name=name,
            type="Task",
            next=_next(fields),
            assign=self.reader.assign(fields, location),
            flow=self._flow(fields, location),
            retriers=self._retriers(fields, location),
            catchers=self._catchers(fields, location),
            resource=resource,
            timeout_s=timeout_s,
            heartbeat_s=heartbeat_s,
            role_arn=self._role(fields, resource, location),
        )
        return state, []

    def _resource(self, fields: Fields, location: str) -> Resource:
        reader, where = self.reader, f"{location}/Resource"
        arn = reader.string(fields, "Resource", location)
        if arn is None:
            return _NO_RESOURCE
        resource = parse_resource(arn)
        if resource is None:
            if arn.startswith("arn:"):
                message = (
                    f"The resource provided {arn} is not recognized. The value is not a valid resource ARN, "
                    "or the resource is not available in this region."
                )
            else:
                message = "Value is not a valid resource ARN"
            reader.note(message, where)
            return _NO_RESOURCE
        if self._express:
            if resource.kind == "activity":
                reader.note("Express state machine does not support Activity ARN", where)
            elif resource.pattern == "sync":
                reader.note("Express state machine does not support '.sync' service integration", where)
            elif resource.pattern == "wait_for_task_token":
                # AWS's message has a blank at its end.
                reader.note("Express state machine does not support '.waitForTaskToken' service integration ", where)
        self.resources.append((where, resource))
        return resource

    def _seconds(self, fields: Fields, name: str, location: str) -> int | Path | None:
        reader = self.reader
        if reader.one_of(fields, (name, f"{name}Path"), location, needed=False) == f"{name}Path":
            return reader.some_path(fields, f"{name}Path", location)
        return reader.whole(fields, name, location, 1, SECONDS_MAX)

    def _role(self, fields: Fields, resource: Resource, location: str) -> str | Path | Intrinsic | None:
        reader = self.reader
        credentials = reader.mapping(fields, "Credentials", location) if "Credentials" in fields else None
        if credentials is None:
            return None
        where = f"{location}/Credentials"
        if resource.kind == "activity":
            reader.note("The field 'Credentials' is not supported for activities", where)
        if "RoleArn.$" in credentials:
            return reader.expression(credentials, "RoleArn.$", where)
        if "RoleArn" not in credentials:
            reader.note("The field 'RoleArn' is required but was missing", where)
        return reader.string(credentials, "RoleArn", where)

    def _parallel(self, name: str, fields: Fields, location: str) -> "_Read":
        starts, scopes = self._branches(fields, location)
        state = ParallelState(
            name=name,
            type="Parallel",
            next=_next(fields),
            assign=self.reader.assign(fields, location),
            flow=self._flow(fields, location),
            retriers=self._retriers(fields, location),
            catchers=self._catchers(fields, location),
            branches=tuple(starts),
        )
        return state, scopes

    def _branches(self, fields: Fields, location: str) -> tuple[list[str], list[tuple[Fields, str]]]:
        reader, starts = self.reader, []
        scopes: list[tuple[Fields, str]] = []
        reader.required(fields, ("Branches",), location)
        for index, branch in enumerate(reader.sequence(fields, "Branches", location)):
            where = f"{location}/Branches[{index}]"
            reader.only(branch, tables.BRANCH - {"ProcessorConfig"}, where)
            scopes += self._scope(branch, where)
            starts.append(str(branch.get("StartAt")))
        return starts, scopes

    def _map(self, name: str, fields: Fields, location: str) -> "_Read":
        reader = self.reader
        processor, scopes = self._iterations(fields, location)
        selector = reader.one_of(fields, ("ItemSelector", "Parameters"), location, needed=False)
        path_chosen = reader.one_of(fields, ("MaxConcurrency", "MaxConcurrencyPath"), location, needed=False)
        with_path = path_chosen == "MaxConcurrencyPath"
        state = MapState(
            name=name,
            type="Map",
            next=_next(fields),
            assign=self.reader.assign(fields, location),
            flow=self._flow(fields, location, parameters=False),
            retriers=self._retriers(fields, location),
            catchers=self._catchers(fields, location),
            start_at=str(processor.get("StartAt")),
            items_path=reader.reference_path(fields, "ItemsPath", location) or ROOT,
            item_selector=None if selector is None else reader.template(fields, selector, location),
            concurrency=reader.whole(fields, "MaxConcurrency", location, 0) or 0,
            concurrency_path=reader.some_path(fields, "MaxConcurrencyPath", location) if with_path else None,
            shows_item=_ASKS_FOR_MAP.search(msgspec.json.encode(processor).decode()) is not None,
        )
        return state, scopes

    def _iterations(self, fields: Fields, location: str) -> tuple[Fields, list[tuple[Fields, str]]]:
        reader = self.reader
        for field in tables.DISTRIBUTED_ONLY:
            if field in fields:
                reader.refuse(f"The field '{field}' of a distributed Map", location)
        chosen = reader.one_of(fields, ("ItemProcessor", "Iterator"), location, needed=True)
        processor = reader.mapping(fields, chosen, location) if chosen is not None else None
        if processor is None:
            return {}, []
        where = f"{location}/{chosen}"
        reader.only(processor, tables.BRANCH, where)
        self._processor_config(processor, where)
        return processor, self._scope(processor, where)

    def _processor_config(self, processor: Fields, location: str) -> None:
        reader = self.reader
        config = reader.mapping(processor, "ProcessorConfig", location) if "ProcessorConfig" in processor else None
        if config is None:
            return
        where = f"{location}/ProcessorConfig"
        reader.only(config, frozenset({"Mode", "ExecutionType"}), where)
        mode = reader.choice(config, "Mode", ("INLINE", "DISTRIBUTED"), where) or "INLINE"
        if mode == "DISTRIBUTED":
            if reader.required(config, ("ExecutionType",), where):
                reader.choice(config, "ExecutionType", ("STANDARD", "EXPRESS"), where)
            reader.refuse("A Map in DISTRIBUTED mode", where)
        elif "ExecutionType" in config:
            reader.note("Field 'ExecutionType' is not supported", where)


_Read = tuple[State, list[tuple[Fields, str]]]
_UNREAD: Any = None


def _next(fields: Fields) -> str | None:
    following = fields.get("Next")
    return following if isinstance(following, str) else None
