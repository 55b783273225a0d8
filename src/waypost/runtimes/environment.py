"""One execution environment: a worker process, its Runtime API, its log, and the invocation it is at.

An environment goes through *starting*, *idle*, *busy* and *ended*; the table of what a runtime may do when is the
methods of ``Environment`` that the Runtime API calls.
"""

import asyncio
import base64
import enum
import logging
import os
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple, Protocol

from waypost.clock import Alarm, Clock, monotonic_ns
from waypost.ids import Ids
from waypost.runtimes import documents
from waypost.runtimes.code import remove_tree
from waypost.runtimes.interpreters import DEFAULT_PATH, Launch
from waypost.runtimes.invocation import FunctionCall, FunctionOutcome, FunctionSpec
from waypost.runtimes.output import Output
from waypost.runtimes.process import DeadManSwitch, Ended, Limits, Worker
from waypost.runtimes.runtime_api import Answer, ApiRefused, RuntimeApi, event_message

log = logging.getLogger(__name__)

INIT_MAX_MS = 10_000
"""What a start may take. After that it is cut off and begun anew on the time of the invocation, as on Lambda."""

LATE_MS = 250
"""An alarm later than this tells that the whole node stood still, and nobody knows whether its functions did."""

TAIL_BYTES = 4096
"""What an invocation's outcome carries of its log."""

LogSink = Callable[[FunctionSpec, str, list[tuple[int, str]]], None]
"""Called with the function, its log stream, and lines with their milliseconds since the epoch."""


class Invocation(NamedTuple):
    """A call under way, and who waits for it."""

    call: FunctionCall
    outcome: asyncio.Future[FunctionOutcome]


class Ending(NamedTuple):
    """What came of an invocation, or of a start that failed."""

    payload: bytes
    function_error: str = ""
    status: str = ""
    """For the REPORT line: empty, ``timeout`` or ``error``."""
    error_type: str = ""
    """For the REPORT line."""

    @classmethod
    def error(cls, document: bytes, status: str = "", error_type: str = "") -> "Ending":
        """An ending with an error document."""
        return cls(document, "Unhandled", status, error_type)


class Owner(Protocol):
    """Who is told how an environment fares."""

    def ready(self, environment: "Environment") -> None:
        """Started, and idle."""
        ...

    def failed(self, environment: "Environment") -> None:
        """It did not get ready, and is no more; ``fail`` says to a call how it went."""
        ...

    def free(self, environment: "Environment") -> None:
        """Done with an invocation, and idle."""
        ...

    def ended(self, environment: "Environment") -> None:
        """It was ready once, and is no more."""
        ...

    def gone(self, environment: "Environment") -> None:
        """Its process is dead and its folder removed; after ``failed``, ``ended`` or a ``stop``."""
        ...


class Place(NamedTuple):
    """What an environment shares with the others of its host."""

    clock: Clock
    ids: Ids
    log: LogSink
    switch: DeadManSwitch
    folder: Path
    """Holds the environments' own folders."""


class State(enum.Enum):
    """Where in its life an environment is."""

    STARTING = "starting"
    IDLE = "idle"
    BUSY = "busy"
    ENDED = "ended"


class Environment:
    """A worker that runs one invocation at a time."""

    def __init__(self, spec: FunctionSpec, place: Place, owner: Owner) -> None:
        self.spec = spec
        self.state = State.STARTING
        self.first: Invocation | None = None
        """The invocation on whose time it started, where there was one."""
        self.provisioned = False
        """Whether it was started to be kept warm."""
        self.idle_since_ms = 0
        self.init_timed_out = False
        self._place = place
        self._owner = owner
        self._api = RuntimeApi(self)
        self._worker: Worker | None = None
        token = place.ids.token(16)
        self._folder = place.folder / token
        self._stream = documents.log_stream(place.clock.now_ms(), spec.version, token)
        self._lines: list[tuple[int, str]] = []
        self._tail = bytearray()
        self._output = Output()
        self._alarm: Alarm | None = None
        self._started_ns = 0
        self._init_ms: float | None = None
        self._peak_kb = 0
        self._failure: Ending | None = None
        """Why the start failed."""
        self._send: Callable[[bytes], None] | None = None
        """How to reach the runtime that waits for an event."""
        self._invocation: Invocation | None = None
        self._invocation_id = ""
        self._begun_ns = 0
        self._deadline_ms = 0
        self._sent = False
        self._answer: Ending | None = None
        """What came of the invocation."""

    # --- start

    async def start(self, launch: Launch, code: Path, call: FunctionCall) -> None:
        """Start the process; ``ready`` or ``failed`` follows. Raises OSError where the host has no room for it.

        ``call`` gives the credentials. With ``first``, the start already runs on that invocation's time.
        """
        home = self._folder / "tmp"
        try:
            await self._api.open()
            home.mkdir(parents=True)
            self._started_ns = monotonic_ns()
            self._worker = Worker(
                launch.command,
                environment=variables(
                    self.spec, call, launch, code=code, home=home, api=self._api.address, stream=self._stream
                )
                | (_PROVISIONED if self.provisioned else {}),
                folder=code,
                limits=Limits(launch.data_bytes, self.spec.ephemeral_mb * 1024 * 1024),
                output=self._written,
                exit=self._exited,
                switch=self._place.switch,
            )
        except BaseException:
            self.state = State.ENDED
            self._api.close()
            remove_tree(self._folder)
            raise
        self._line(f"INIT_START Runtime Version: {launch.note}")
        if self.first is not None:
            self._begin(self.first)
        else:
            self._set_alarm(INIT_MAX_MS, self._init_timeout)

    def _init_timeout(self) -> None:
        self._drain()
        self.init_timed_out = True
        self._line(documents.init_report(INIT_MAX_MS, "timeout"))
        self._fail_start(Ending.error(documents.timed_out("", INIT_MAX_MS)[0], "timeout"))

    def _fail_start(self, failure: Ending) -> None:
        """The runtime will not get ready: tell whoever waits, and end."""
        self._failure = failure
        if self._invocation is not None:
            self._answer = self._answer or failure
        self._end()
        self._owner.failed(self)

    def fail(self, invocation: Invocation) -> None:
        """Answer a call with the reason why this environment did not start."""
        if self._failure is None:
            raise RuntimeError("this environment did not fail to start")
        self._begun_ns = self._started_ns
        self._line(f"START RequestId: {invocation.call.request_id} Version: {self.spec.version}")
        self._settle(invocation, self._failure)

    # --- invocation

    def invoke(self, invocation: Invocation) -> None:
        """Run a call; only when idle."""
        self.state = State.BUSY
        self._begin(invocation)
        self._deliver(invocation.call)

    def _begin(self, invocation: Invocation) -> None:
        self._invocation = invocation
        self._invocation_id = self._place.ids.uuid()
        self._sent = False
        self._answer = None
        self._begun_ns = monotonic_ns()
        self._tail.clear()
        self._line(f"START RequestId: {invocation.call.request_id} Version: {self.spec.version}")
        self._deadline_ms = self._set_alarm(self.spec.timeout_ms, self._timeout)

    def _deliver(self, call: FunctionCall) -> None:
        """Give the event to the runtime that asked for one."""
        send, self._send = self._send, None
        if send is None:
            raise RuntimeError("no runtime waits for an event")
        self._sent = True
        send(
            event_message(
                request_id=call.request_id,
                invocation_id=self._invocation_id,
                deadline_ms=self._deadline_ms,
                invoked_arn=call.invoked_arn,
                trace=call.trace,
                client_context=call.client_context,
                payload=call.payload or b"{}",
            )
        )

    def _timeout(self) -> None:
        if self._invocation is None:
            return
        self._drain()
        starting = self.state is State.STARTING
        if self._answer is None:
            request_id = self._invocation.call.request_id
            document, line = documents.timed_out(request_id, self.spec.timeout_ms)
            self._line(f"{documents.timestamp(self._place.clock.now_ms())} {request_id} {line}")
            self._answer = Ending.error(document, "timeout")
        if starting:
            self._fail_start(self._answer)
        else:
            self._end()
            self._owner.ended(self)

    def _settle(self, invocation: Invocation, ending: Ending) -> None:
        """Write the end of the invocation's log and answer whoever waits for it."""
        call, outcome = invocation
        self._invocation = None
        self._clear_alarm()
        self._flush_output()
        duration_ms = (monotonic_ns() - self._begun_ns) / 1_000_000
        init_ms, self._init_ms = self._init_ms, None
        report = documents.report(
            call.request_id,
            duration_ms=duration_ms,
            init_ms=init_ms,
            memory_mb=self.spec.memory_mb,
            used_mb=-(-self._used_kb() // 1024),
            status=ending.status,
            error_type=ending.error_type,
        )
        self._line(f"END RequestId: {call.request_id}")
        self._line(report)
        self._hand_over_log()
        if not outcome.done():
            tail = bytes(self._tail[-TAIL_BYTES:])
            outcome.set_result(FunctionOutcome(ending.payload, ending.function_error, tail, duration_ms, init_ms))

    def _used_kb(self) -> int:
        return self._worker.used_kb() if self._worker is not None and not self._peak_kb else self._peak_kb

    def _set_alarm(self, in_ms: int, call: Callable[[], None]) -> int:
        clock = self._place.clock
        at_ms = clock.now_ms() + in_ms

        def ring() -> None:
            now_ms = clock.now_ms()
            if now_ms - at_ms <= LATE_MS:
                call()
            else:
                # The node stood still. That is not the function's fault, whose answer may be there, unread.
                self._alarm = clock.call_at(now_ms + min(now_ms - at_ms, in_ms), call)

        self._alarm = clock.call_at(at_ms, ring)
        return at_ms

    def _clear_alarm(self) -> None:
        if self._alarm is not None:
            self._alarm.cancel()
            self._alarm = None

    # --- what the runtime asks

    def next(self, send: Callable[[bytes], None]) -> None:
        """The runtime wants an event: it has started, or has done with the last one."""
        if self.state is State.STARTING:
            self._send = send
            self._drain()
            self._started()
        elif self.state is State.BUSY and self._invocation is not None and self._answer is not None:
            self._send = send
            self._drain()
            self._settle(self._invocation, self._answer)
            self.state = State.IDLE
            self._owner.free(self)
        else:
            message = f"the runtime is {self.state.value} and cannot take another event"
            raise ApiRefused(403, "InvalidStateTransition", message)

    def _started(self) -> None:
        if self._invocation is not None:
            self.state = State.BUSY
            self._deliver(self._invocation.call)
            return
        self._init_ms = (monotonic_ns() - self._started_ns) / 1_000_000
        self._clear_alarm()
        self._hand_over_log()
        self.state = State.IDLE
        self._owner.ready(self)

    def lost(self, send: Callable[[bytes], None]) -> None:
        """The runtime hung up: if it waited for an event, it does so no more and is of no use."""
        if self._send == send:
            self._send = None
            if self.state is State.IDLE:
                self._end()
                self._owner.ended(self)

    def response(self, request_id: str, answer: Answer) -> None:
        """The handler returned."""
        self._expect(request_id, answer)
        if answer.too_large:
            self._answer = _TOO_LARGE
        elif answer.error_type:
            self._answer = Ending.error(_streamed_error(answer))
        else:
            self._answer = Ending(answer.body)

    def error(self, request_id: str, answer: Answer) -> None:
        """The handler failed."""
        self._expect(request_id, answer)
        self._answer = _TOO_LARGE if answer.too_large else Ending.error(answer.body)

    def _expect(self, request_id: str, answer: Answer) -> None:
        if self.state is not State.BUSY or self._invocation is None or not self._sent or self._answer is not None:
            message = f"the runtime is {self.state.value} and has no invocation to answer"
            raise ApiRefused(403, "InvalidStateTransition", message)
        if request_id != self._invocation.call.request_id:
            raise ApiRefused(400, "InvalidRequestID", "Invalid request ID")
        if answer.invocation_id and answer.invocation_id != self._invocation_id:
            raise ApiRefused(400, "InvalidInvocationId", "Invalid invocation ID")

    def init_error(self, answer: Answer) -> None:
        """The runtime could not load the handler."""
        if self.state is not State.STARTING:
            raise ApiRefused(403, "InvalidStateTransition", f"the runtime is {self.state.value}; its start is over")
        self._drain()
        self._flush_output()
        error_type = answer.error_type or documents.error_type_of(answer.body) or "Runtime.Unknown"
        self._report_start(error_type)
        self._fail_start(Ending.error(answer.body, "error", error_type))

    def _report_start(self, error_type: str) -> None:
        init_ms = (monotonic_ns() - self._started_ns) / 1_000_000
        self._line(documents.init_report(init_ms, "error", error_type))

    # --- end

    def stop(self, reason: BaseException | None = None) -> None:
        """Kill the process; the owner hears ``gone``. A call under way ends with ``reason``."""
        if self.state is State.ENDED:
            return
        if self._invocation is not None and self._answer is None:
            outcome = self._invocation.outcome
            if reason is not None and not outcome.done():
                outcome.set_exception(reason)
        self._end()

    def _end(self) -> None:
        """Leave the game: settle what is under way if there is an answer, and kill."""
        self.state = State.ENDED
        if self._invocation is not None and self._answer is not None:
            self._settle(self._invocation, self._answer)
        self._clear_alarm()
        self._hand_over_log()
        if self._worker is not None:
            self._worker.kill()

    def _exited(self, ended: Ended) -> None:
        """The process is dead, by our hand or by its own."""
        self._peak_kb = ended.used_kb
        if self.state is not State.ENDED:
            self._died(ended.status)
        self._hand_over_log()
        self._worker = None
        self._api.close()
        self._clear_folder()
        self._owner.gone(self)

    def _clear_folder(self) -> None:
        try:
            (self._folder / "tmp").rmdir()
            self._folder.rmdir()
        except OSError:
            # The function left files behind, perhaps many.
            asyncio.get_running_loop().run_in_executor(None, remove_tree, self._folder)

    def _died(self, status: int) -> None:
        """The process ended by itself: the invocation under way, or the start, went wrong."""
        request_id = self._invocation.call.request_id if self._invocation is not None else ""
        document, line = documents.exited(request_id, status)
        failure = Ending.error(document, "error", "Runtime.ExitError")
        self._flush_output()
        if self._invocation is not None and self._answer is None:
            self._line(line)
            self._answer = failure
        if self.state is State.STARTING:
            self._report_start("Runtime.ExitError")
            self._fail_start(failure)
            return
        self._end()
        self._owner.ended(self)

    # --- log

    def _written(self, data: bytes) -> None:
        """Output that came by itself, not because we went to look: its lines are not held back."""
        for event in self._output.feed(data):
            self._line(event)
        self._hand_over_log()

    def _drain(self) -> None:
        """Read what the worker wrote before it called: it belongs before what follows from the call."""
        data = self._worker.drain() if self._worker is not None else b""
        for event in self._output.feed(data):
            self._line(event)

    def _flush_output(self) -> None:
        for event in self._output.flush():
            self._line(event)

    def _line(self, text: str) -> None:
        self._lines.append((self._place.clock.now_ms(), text))
        self._tail += text.encode() + b"\n"
        if len(self._tail) > 16 * TAIL_BYTES:
            del self._tail[:-TAIL_BYTES]

    def _hand_over_log(self) -> None:
        if self._lines:
            lines, self._lines = self._lines, []
            try:
                self._place.log(self.spec, self._stream, lines)
            except OSError:
                log.exception("cannot keep %d log lines of %s", len(lines), self.spec.arn)


_PROVISIONED = {"AWS_LAMBDA_INITIALIZATION_TYPE": "provisioned-concurrency"}
_TOO_LARGE = Ending.error(documents.response_too_large(), "error", "Function.ResponseSizeTooLarge")


def _streamed_error(answer: Answer) -> bytes:
    """The error document of a streamed response that broke off."""
    try:
        return base64.b64decode(answer.error_body, validate=True) or documents.error_document(answer.error_type, "")
    except ValueError:
        return documents.error_document(answer.error_type, "")


def variables(
    spec: FunctionSpec, call: FunctionCall, launch: Launch, *, code: Path, home: Path, api: str, stream: str
) -> dict[str, str]:
    """An environment's variables: those of the runtime, over them the function's own, over them the reserved ones."""
    return {
        "PATH": os.environ.get("PATH", DEFAULT_PATH),
        "LANG": "en_US.UTF-8",
        "TZ": ":UTC",
        "HOME": str(home),
        "TMPDIR": str(home),
        "LD_LIBRARY_PATH": f"{code}:{code / 'lib'}",
        "AWS_ENDPOINT_URL": call.endpoint_url,
        "AWS_DISABLE_HOST_PREFIX_INJECTION": "true",
        **launch.environment,
        **spec.environment,
        **call.credentials,
        "_HANDLER": spec.handler,
        "AWS_REGION": spec.region,
        "AWS_DEFAULT_REGION": spec.region,
        "AWS_EXECUTION_ENV": f"AWS_Lambda_{spec.runtime}",
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(spec.memory_mb),
        "AWS_LAMBDA_FUNCTION_NAME": spec.name,
        "AWS_LAMBDA_FUNCTION_VERSION": spec.version,
        "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
        "AWS_LAMBDA_LOG_GROUP_NAME": spec.log_group,
        "AWS_LAMBDA_LOG_STREAM_NAME": stream,
        "AWS_LAMBDA_RUNTIME_API": api,
        "LAMBDA_RUNTIME_DIR": str(Path(__file__).parent),
        "LAMBDA_TASK_ROOT": str(code),
    }
