"""What goes into a function execution and what comes out: plain values, no process in sight."""

from collections.abc import Mapping

import msgspec


class FunctionSpec(msgspec.Struct, frozen=True):
    """One runnable version of a function's code and configuration."""

    arn: str
    """Unqualified function ARN."""
    name: str
    version: str
    """``$LATEST`` or a number."""
    revision: str
    """Changes with every change of code or configuration: environments of an older revision are retired."""
    runtime: str
    """``python3.12``, ``nodejs20.x`` ..."""
    handler: str
    code_sha256: str
    """Names the code; also the key under which ``CodeStore`` finds the zip."""
    timeout_ms: int
    memory_mb: int
    environment: Mapping[str, str]
    """The user's variables."""
    account: str
    region: str
    role_arn: str
    log_group: str
    ephemeral_mb: int = 512
    layers: tuple[str, ...] = ()
    """Digests of the layers' zips, in the order in which they are unpacked over one another."""


class FunctionCall(msgspec.Struct, frozen=True):
    """One invocation: what ``Perform`` carries for a function."""

    spec: FunctionSpec
    payload: bytes
    request_id: str
    invoked_arn: str
    """The ARN as invoked, with its qualifier if one was given."""
    credentials: Mapping[str, str]
    """AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN of the function's role, for a new environment."""
    endpoint_url: str
    """Where the function's SDK finds this server: becomes AWS_ENDPOINT_URL."""
    client_context: str = ""
    """X-Amz-Client-Context as the caller sent it: base 64 of a JSON object."""
    trace: str = ""
    reserved: int | None = None
    """How many invocations of the function, in all versions, may be under way at once; None: nothing is reserved."""
    unreserved: int | None = None
    """How many of all functions of its account and region that reserve nothing; None: as many as fit."""


class KeepWarm(msgspec.Struct, frozen=True):
    """So many environments of a version, whether anybody calls or not: what ``Perform`` carries for those kept warm."""

    call: FunctionCall
    """Gives the version, and the credentials of environments that start; it is not run."""
    count: int


class FunctionOutcome(msgspec.Struct, frozen=True):
    """How an invocation ended."""

    payload: bytes
    """The handler's answer, or AWS's error document."""
    function_error: str = ""
    """Empty, or ``Unhandled``."""
    log: bytes = b""
    """The invocation's log lines, START, END and REPORT included; at most the last 4 KB."""
    duration_ms: float = 0.0
    init_ms: float | None = None
    """Set when this invocation started a new environment."""


class FunctionThrottled(Exception):  # noqa: N818 (a state of affairs)
    """No environment is free and a limit is reached: AWS's 429 TooManyRequestsException."""

    reason = "ConcurrentInvocationLimitExceeded"
    """AWS's word for which limit."""


class ReservationThrottled(FunctionThrottled):
    """As much of the function is under way as is reserved for it."""

    reason = "ReservedFunctionConcurrentInvocationLimitExceeded"


class RuntimeMissing(Exception):  # noqa: N818
    """The host has no interpreter for a runtime. The message says which, and how to get it."""
