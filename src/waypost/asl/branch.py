"""What is stored between steps: one row per live branch, in two parts.

The ``Head`` is small and changes with every step that touches the branch. The ``Body`` holds the documents, is never
changed in place, and is replaced only when the branch enters another state or ends; so the driver keeps it in another
table and writes it when ``Changed.body`` is not None. Both are plain msgspec structs: ``msgspec.json.encode`` writes
them, ``msgspec.json.decode(text, type=Head)`` reads them.
"""

from functools import cached_property
from typing import Literal, Protocol

import msgspec

from waypost.asl.document import Document

ROOT = "0"
"""The id of an execution's first branch. A child's id is ``PARENT/ATTEMPT.INDEX``: never used twice."""

Phase = Literal["ready", "waiting", "scheduled", "started", "submitted", "retrying", "joining", "done"]
"""ready: about to enter ``state``. waiting: in a Wait. scheduled, started, submitted: in a Task.
retrying: until the retry timer fires. joining: in a Parallel or Map. done: the result waits for the siblings."""


class Head(msgspec.Struct, omit_defaults=True):
    """The small part. Copied by the machine before it is changed."""

    id: str
    parent: str = ""
    """Empty for the root."""
    index: int = 0
    """Place among the siblings: the Parallel's branch or the Map's item."""
    state: str = ""
    phase: Phase = "ready"
    attempt: int = 0
    """Grows whenever the branch enters a state or tries again; events about an older one are dropped."""
    last_event: int = 0
    """previousEventId of the branch's next history event."""
    entered_ms: int = 0
    entered_event: int = 0
    retry_count: int = 0
    retries: tuple[int, ...] = ()
    """Attempts used, for each retrier of the state."""
    due_ms: int = 0
    """waiting, retrying: when to go on. In a Task: when it times out (0: never)."""
    heartbeat_ms: int = 0
    heartbeat_due_ms: int = 0
    token: str = ""
    """The attempt's task token, if it has one."""
    length: int = 0
    """joining: how many children there will be."""
    begun: int = 0
    finished: int = 0
    concurrency: int = 0
    """joining: how many children may run at once (0: all)."""
    events: int = 0
    """Root only: how many history events the execution has."""
    latest_ms: int = 0
    """Root only: when the latest of them was."""
    ready: tuple[str, ...] = ()
    """Root only: branches to run on with at the next ``Continue``."""
    until_ms: int = 0
    """Root only: when the whole execution times out (0: never)."""


NOTHING = msgspec.Raw(b"null")


class Body(msgspec.Struct, frozen=True, dict=True, omit_defaults=True):
    """The documents of a branch."""

    input: msgspec.Raw
    """The raw input of the current state, or of the state about to be entered; of a branch that is done, its result."""
    variables: msgspec.Raw = NOTHING
    """Workflow variables of this scope and the outer ones, an object."""
    item: msgspec.Raw = NOTHING
    """In a Map's iteration: the context object's ``Map``."""

    @cached_property
    def document(self) -> Document:
        """The input, with its value read at most once for as long as this body is kept."""
        return Document(text=bytes(self.input).decode())


class Changed(msgspec.Struct, frozen=True):
    """A branch to write."""

    head: Head
    body: Body | None
    """None: the stored body stands. Never None for a branch that is new."""


class Execution(msgspec.Struct, frozen=True):
    """What the machine may know of the execution it runs: constant while it runs."""

    arn: str
    name: str
    role_arn: str
    started_ms: int
    state_machine_arn: str
    """Without version or alias."""
    state_machine_name: str
    input: str
    """JSON text."""
    version_arn: str | None = None
    """stateMachineVersionArn, if the execution was started through one."""
    alias_arn: str | None = None
    redrive_count: int = 0


class Branches(Protocol):
    """The stored branches of one execution, as a step needs them. The driver backs it with rows, loaded when asked."""

    @property
    def execution(self) -> Execution:
        """The execution's constants; only read when a state needs them."""
        ...

    def head(self, branch: str) -> Head | None:
        """Answer the head of a branch, None if there is no such branch (any more)."""
        ...

    def body(self, branch: str) -> Body:
        """Answer the body of a branch that has a head."""
        ...

    def children(self, parent: str) -> list[Head]:
        """Answer the heads of a branch's direct children, ordered by ``index``."""
        ...

    def results(self, parent: str) -> list[tuple[int, Body]]:
        """Answer ``index`` and body of a branch's direct children, ordered by ``index``."""
        ...

    def activity_exists(self, arn: str) -> bool:
        """Tell whether there is such an activity; asked when a Task would schedule it."""
        ...
