"""The contract between the server and its services.

An AWS operation is one synchronous function, ``operation(tx, ctx, request) -> response``. It never awaits, sleeps,
opens a socket, reads a clock or draws a random number; what must outlive it is a row written in its transaction. It
checks everything before its first write, so that a refused call never leaves half a change.

It returns one of three things: the response; ``Park``, when there is nothing to return yet; or ``Perform``, when work
outside the transaction comes first. Job handlers have the same shape.
"""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, NamedTuple, Protocol

import msgspec

from waypost.ids import Ids
from waypost.store.store import Store, Tx

Params = dict[str, Any]
"""A request or a response, as boto3 shows it: member names of the model, bytes for blobs, epoch seconds for times."""


class Caller(NamedTuple):
    """Who signed a request."""

    account: str
    access_key: str
    arn: str
    user_id: str


class Calls(Protocol):
    """How services meet: in process, validated as on the wire, inside the caller's transaction."""

    def call(self, tx: Tx, ctx: "Context", service: str, operation: str, request: Params) -> Params:
        """Run another service's operation now; its ``AwsError`` passes through.

        An operation that would park answers as if its wait were over; one that would perform is refused: write a job.
        """
        ...


class Context(msgspec.Struct, frozen=True):
    """Everything an operation may know that is neither in its request nor in the store."""

    account: str
    region: str
    request_id: str
    now_ms: int
    started_ms: int
    """When the request arrived; differs from ``now_ms`` when a parked operation runs again."""
    caller: Caller
    ids: Ids
    calls: Calls
    base_url: str
    """Scheme, host and port as the client wrote them: ``http://127.0.0.1:4566``."""
    wire: str = "json"
    """How the request was written: json, query, rest-json, rest-xml, or internal for a call between services."""
    trace: str = ""
    """X-Amzn-Trace-Id of the request."""
    path: str = "/"
    """The request's path: SQS's Query protocol addresses a queue by it."""


class Park(msgspec.Struct, frozen=True):
    """Nothing to return yet: run me again when a key wakes, when ``retry_ms`` comes, or at ``until_ms``."""

    keys: tuple[str, ...]
    until_ms: int
    """The deadline. An operation run at or after it answers with what it has; it does not park again."""
    retry_ms: int | None = None
    """The next instant at which time alone could change the answer (a delay or a visibility timeout that ends)."""


class Perform(msgspec.Struct, frozen=True):
    """Outside work between two transactions: ``call`` is done by the server, then ``settle`` answers in a new one."""

    call: Any
    """What to do: a value whose type has a performer in the server's composition root."""
    settle: Callable[[Tx, Context, Any], "Params | Park | Perform | Again | None"]
    """Run with the performer's outcome, in a new transaction. ``Again`` is for jobs only."""


Result = Params | Park | Perform | None
Operation = Callable[[Tx, Context, Params], Result]


class Job(msgspec.Struct, frozen=True):
    """A row of the job table, leased to this node."""

    id: int
    kind: str
    key: str
    account: str
    region: str
    run_at_ms: int
    attempts: int
    """How often it was claimed, this time included."""
    payload: Params


class Again(msgspec.Struct, frozen=True):
    """A job's answer when it is not done: run me again at ``run_at_ms``, with ``payload`` if it changed."""

    run_at_ms: int
    payload: Params | None = None


JobResult = Perform | Again | None
JobHandler = Callable[[Tx, Context, Job], JobResult]
"""None means done: the row is deleted in the same transaction. A ``settle`` of a job answers ``Again`` or None."""


class Engine(Protocol):
    """What background work of a service may use of the running server."""

    store: Store

    def context(self, account: str, region: str) -> Context:
        """A context for work that no client asked for."""
        ...

    def share(self, limit: int) -> int:
        """The part of this node in a limit that is meant for all nodes together."""
        ...

    async def execute(self, operation: Operation, ctx: Context, request: Params) -> Params:
        """Run an operation to its response: parked as long as it parks, performed what it wants performed."""
        ...


class Service(NamedTuple):
    """A service: what ``services/NAME/__init__.py`` exports as ``SERVICE``."""

    name: str
    """The name used by ``Calls`` and in the tree: sqs, states, lambda, iam, sts."""
    model: str
    """The folder of botocore's model: sqs, stepfunctions, lambda, iam, sts."""
    operations: Mapping[str, Operation]
    """By the operation's name in the model."""
    jobs: Mapping[str, JobHandler] = {}
    """By kind, ``service.verb``."""
    background: Callable[[Engine], Awaitable[None]] | None = None
    """Runs as long as the server does; cancelled at shutdown."""
    refuses: Mapping[str, Mapping[str, str]] = {}
    """Operation > member (dotted path from the request; a value after ``=`` refuses only that value) > why.

    Such a member is refused loudly before the operation runs; docs/compatibility.md lists it.
    """
    refusal_code: str = "ValidationException"
    """The error code of such a refusal."""
    notes: Mapping[str, str] = {}
    """Operation > what differs from AWS, for docs/compatibility.md."""
