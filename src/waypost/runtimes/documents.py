"""What Lambda itself says when a function cannot: error documents and platform log lines. Pure."""

import json
import math
import signal
from datetime import UTC, datetime

RESPONSE_MAX = 6_291_556
"""Bytes of a synchronous response, as AWS counts them: 6 MiB and 100 bytes."""

_SIGNALS = {
    signal.SIGABRT: "aborted",
    signal.SIGALRM: "alarm clock",
    signal.SIGBUS: "bus error",
    signal.SIGFPE: "floating point exception",
    signal.SIGHUP: "hangup",
    signal.SIGILL: "illegal instruction",
    signal.SIGINT: "interrupt",
    signal.SIGKILL: "killed",
    signal.SIGPIPE: "broken pipe",
    signal.SIGQUIT: "quit",
    signal.SIGSEGV: "segmentation fault",
    signal.SIGTERM: "terminated",
    signal.SIGTRAP: "trace/breakpoint trap",
    signal.SIGUSR1: "user defined signal 1",
    signal.SIGUSR2: "user defined signal 2",
    signal.SIGXCPU: "cpu time limit exceeded",
    signal.SIGXFSZ: "file size limit exceeded",
}
"""AWS's supervisor names signals as the Go library does."""


def error_document(error_type: str, message: str) -> bytes:
    """The two-member document of an error that the platform reports."""
    return json.dumps({"errorType": error_type, "errorMessage": message}, separators=(",", ":")).encode()


def error_type_of(document: bytes) -> str:
    """The ``errorType`` of an error document, or empty."""
    try:
        value = json.loads(document)
    except ValueError:
        return ""
    name = value.get("errorType") if isinstance(value, dict) else None
    return name if isinstance(name, str) else ""


def timed_out(request_id: str, timeout_ms: int) -> tuple[bytes, str]:
    """Document and log line of an invocation that ran into its timeout."""
    text = f"Task timed out after {timeout_ms / 1000:.2f} seconds"
    return error_document("Sandbox.Timedout", f"RequestId: {request_id} Error: {text}"), text


def exited(request_id: str, status: int) -> tuple[bytes, str]:
    """Document and log line of a runtime that ended by itself; ``status`` is an exit code, or minus a signal."""
    if status == 0:
        text = "Runtime exited without providing a reason"
    elif status > 0:
        text = f"Runtime exited with error: exit status {status}"
    else:
        name = _SIGNALS.get(signal.Signals(-status)) if -status in set(signal.Signals) else None
        text = f"Runtime exited with error: signal: {name or f'signal {-status}'}"
    message = f"RequestId: {request_id} Error: {text}"
    return error_document("Runtime.ExitError", message), f"{message}\nRuntime.ExitError"


def response_too_large() -> bytes:
    """Document of an invocation whose response is over the limit."""
    text = f"Response payload size exceeded maximum allowed payload size ({RESPONSE_MAX} bytes)."
    return error_document("Function.ResponseSizeTooLarge", text)


def log_stream(now_ms: int, version: str, token: str) -> str:
    """The name of an environment's log stream: date, version and 32 hexadecimal digits."""
    day = datetime.fromtimestamp(now_ms / 1000, UTC)
    return f"{day:%Y/%m/%d}/[{version}]{token}"


def timestamp(now_ms: int) -> str:
    """The instant as platform log lines write it: ``2026-11-21T06:30:00.123Z``."""
    at = datetime.fromtimestamp(now_ms / 1000, UTC)
    return f"{at:%Y-%m-%dT%H:%M:%S}.{now_ms % 1000:03d}Z"


def init_report(init_ms: float, status: str, error_type: str = "") -> str:
    """The line that says how a start went wrong."""
    line = f"INIT_REPORT Init Duration: {init_ms:.2f} ms\tPhase: init\tStatus: {status}"
    return f"{line}\tError Type: {error_type}" if error_type else line


def report(
    request_id: str,
    *,
    duration_ms: float,
    init_ms: float | None,
    memory_mb: int,
    used_mb: int,
    status: str = "",
    error_type: str = "",
) -> str:
    """The line that ends an invocation's log."""
    billed_ms = math.ceil(duration_ms + (init_ms or 0))
    fields = [
        f"REPORT RequestId: {request_id}",
        f"Duration: {duration_ms:.2f} ms",
        f"Billed Duration: {billed_ms} ms",
        f"Memory Size: {memory_mb} MB",
        f"Max Memory Used: {used_mb} MB",
    ]
    if init_ms is not None:
        fields.append(f"Init Duration: {init_ms:.2f} ms")
    if status:
        fields.append(f"Status: {status}")
    if error_type:
        fields.append(f"Error Type: {error_type}")
    return "\t".join(fields) + "\t"
