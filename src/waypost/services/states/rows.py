"""One execution as one transaction sees it: rows are read when asked for and written once, at the end."""

from typing import Any

import msgspec

from waypost.asl.branch import ROOT, Body, Execution, Head
from waypost.asl.commands import StartTimer
from waypost.asl.machine import Step
from waypost.asl.program import Program
from waypost.aws.errors import AwsError
from waypost.service import Context
from waypost.services.states.limits import BODY_INLINE_CHARS, HISTORY_ROW_BYTES
from waypost.services.states.queries import Q
from waypost.services.states.rules import arns
from waypost.store.store import Tx
from waypost.work import jobs

_head = msgspec.json.Decoder(Head).decode
_body = msgspec.json.Decoder(Body).decode
_encode = msgspec.json.Encoder().encode

FAMILY_MIN = 8
"""From so many children on, a parent's rows are deleted by one statement."""

_UNDER_WAY = {"waiting": 1, "retrying": 2, "scheduled": 3, "started": 3, "submitted": 3}
"""Phases in which an attempt's timers, jobs and token mean something, by what they wait for."""
_TASKS = {"scheduled", "started", "submitted"}
"""Phases of a Task: a branch in one has no children, and may have a token."""


class Ref(msgspec.Struct, frozen=True):
    """What an execution is, as far as every transition needs to know."""

    id: int
    machine: int
    machine_name: str
    revision: int
    role_arn: str
    account: str
    region: str


class Promise(msgspec.Struct):
    """What an attempt that began in this transaction needs once the transaction's steps are over."""

    attempt: int
    timers: dict[str, StartTimer] = {}
    token: str = ""
    task: dict[str, Any] | None = None
    """Payload of a states.task job."""
    activity: tuple[int, str] | None = None
    """The activity that a worker must come for, and the task's input."""


def job_key(execution: int, branch: str) -> str:
    """All jobs of a branch have this key."""
    return f"states:{execution}:{branch}"


def execution_key(execution: int) -> str:
    """Jobs of the execution as a whole: its timeout, its continuation."""
    return f"states:{execution}"


class Rows:
    """The rows of one execution, cached and written back. Implements the language's ``Branches``."""

    def __init__(self, tx: Tx, ctx: Context, ref: Ref, program: Program, *, stored: bool) -> None:
        self.tx = tx
        self.ctx = ctx
        self.ref = ref
        self.program = program
        self.stored = stored
        """Whether the execution has rows of its branches; not so in its first transaction."""
        self.history: list[dict[str, Any]] = []
        self.promises: dict[str, Promise] = {}
        self.spent = ""
        """The root branch's token, if a job carries its outcome."""
        self.fired = ""
        """The branch one of whose jobs is running: that promise is being kept."""
        self.timeout_ms: int | None = None
        """When the whole execution times out, if this transaction was told so."""
        self.continues = False
        """Whether the last step stopped at its bound."""
        self.doomed = False
        """Whether the machine is being deleted: the next transition is the end."""
        self._constants: Execution | None = None
        self._beside: dict[str, str | None] = {}
        """Bodies as stored, beside heads as stored; None: too long for that, in a row of its own."""
        self._loaded: dict[str, tuple[Head, int]] = {}
        """Heads as stored, with the number of jobs promised."""
        self._heads: dict[str, Head | None] = {}
        self._bodies: dict[str, Body] = {}
        self._removed: list[str] = []
        self._dirty_heads: set[str] = set()
        self._dirty_bodies: set[str] = set()

    # --- what a step asks for

    @property
    def execution(self) -> Execution:
        """The execution's constants."""
        if self._constants is None:
            row = self.tx.one(Q.run_constants, machine=self.ref.machine, id=self.ref.id)
            if row is None:
                raise LookupError(f"execution {self.ref.id} is gone")
            self._constants = self.constants(*row)
        return self._constants

    def constants(self, name: str, started_ms: int, text: str) -> Execution:
        """Put the execution's constants together, and keep them."""
        ctx, ref = self.ctx, self.ref
        self._constants = Execution(
            arn=arns.execution_arn(ctx.region, ctx.account, ref.machine_name, name),
            name=name,
            role_arn=ref.role_arn,
            started_ms=started_ms,
            state_machine_arn=arns.machine_arn(ctx.region, ctx.account, ref.machine_name),
            state_machine_name=ref.machine_name,
            input=text,
        )
        return self._constants

    def head(self, branch: str) -> Head | None:
        """The head of a branch, None if there is no such branch (any more)."""
        try:
            return self._heads[branch]
        except KeyError:
            pass
        row = self.tx.one(Q.get_branch, execution=self.ref.id, branch=branch) if self.stored else None
        if row is None:
            self._heads[branch] = None
            return None
        return self._keep(branch, *row)

    def body(self, branch: str) -> Body:
        """The body of a branch that has a head."""
        found = self._bodies.get(branch)
        if found is None:
            text = self._beside.get(branch)
            if text is None:
                row = self.tx.one(Q.get_body, execution=self.ref.id, branch=branch)
                if row is None:
                    raise LookupError(f"branch {branch} of execution {self.ref.id} has no body")
                text = row[0]
            found = self._bodies[branch] = _body(text)
        return found

    def children(self, parent: str) -> list[Head]:
        """The heads of a branch's direct children, ordered by ``index``."""
        if self.stored:
            for branch, text, armed, body in self.tx.all(Q.get_children, execution=self.ref.id, parent=parent):
                if branch not in self._heads:
                    self._keep(branch, text, armed, body)
        found = [head for head in self._heads.values() if head is not None and head.parent == parent]
        return sorted(found, key=lambda head: head.index)

    def results(self, parent: str) -> list[tuple[int, Body]]:
        """``index`` and body of a branch's direct children, ordered by ``index``."""
        found: dict[str, tuple[int, Body]] = {}
        if self.stored:
            for branch, place, text in self.tx.all(Q.get_results, execution=self.ref.id, parent=parent):
                if branch not in self._bodies and self._heads.get(branch, True) is not None:
                    found[branch] = (place, _body(text))
        for branch, head in self._heads.items():
            if head is not None and head.parent == parent and branch in self._bodies:
                found[branch] = (head.index, self._bodies[branch])
        return sorted(found.values(), key=lambda result: result[0])

    def activity_exists(self, arn: str) -> bool:
        """Tell whether there is such an activity in the execution's account and region."""
        return self.activity(arn) is not None

    def activity(self, arn: str) -> int | None:
        """The id of an activity, None if there is none."""
        try:
            named = arns.activity(arn)
        except AwsError:
            return None
        if (named.account, named.region) != (self.ctx.account, self.ctx.region):
            return None
        row = self.tx.one(Q.find_activity, account=named.account, region=named.region, name=named.name)
        return None if row is None else int(row[0])

    def holder(self, token: str) -> Head | None:
        """The branch whose current attempt has this task token, None if no branch has it (any more)."""
        root = self._heads.get(ROOT)
        if root is None or token == self.spent:
            return None
        if root.phase in _TASKS:
            # It has no children then.
            return root if root.token == token else None
        row = self.tx.one(Q.get_token, execution=self.ref.id, token=token)
        head = None if row is None else self.head(row[0])
        return head if head is not None and head.token == token and head.phase in _TASKS else None

    def spend(self, head: Head) -> None:
        """Use a branch's token up before the branch itself moves on."""
        if head.id == ROOT:
            self.tx.send(Q.spend_token, execution=self.ref.id, token=head.token)
        else:
            self.tx.send(Q.delete_token, execution=self.ref.id, token=head.token)

    @property
    def unborn(self) -> bool:
        """Whether the execution was inserted, and not yet begun."""
        return self.stored and ROOT not in self._loaded

    # --- what a step gives

    def adopt(self, root: str, armed: int, body: str | None, spent: str) -> None:
        """Take the root as it is stored with the run."""
        self._keep(ROOT, root, armed, body)
        self.spent = spent

    def _keep(self, branch: str, text: str, armed: int, body: str | None) -> Head:
        head = _head(text)
        self._heads[branch] = head
        self._loaded[branch] = (head, armed)
        self._beside[branch] = body
        return head

    def apply(self, step: Step) -> None:
        """Take over what a step changed."""
        for change in step.changed:
            branch = change.head.id
            self._heads[branch] = change.head
            self._dirty_heads.add(branch)
            if change.body is not None:
                self._bodies[branch] = change.body
                self._dirty_bodies.add(branch)
        for branch in step.removed:
            # One that nobody looked at was done: it leaves nothing behind but its rows.
            self._heads[branch] = None
            self._bodies.pop(branch, None)
            self._dirty_heads.discard(branch)
            self._dirty_bodies.discard(branch)
            self._removed.append(branch)
        self.history.extend(step.history)

    def promise(self, branch: str, attempt: int) -> Promise:
        """What the branch's attempt will need; that of an older attempt is forgotten."""
        found = self.promises.get(branch)
        if found is None or found.attempt != attempt:
            found = self.promises[branch] = Promise(attempt)
        return found

    def arm(self, command: StartTimer) -> None:
        """Note a timer; a later one of the same kind replaces it."""
        if command.kind == "execution":
            self.timeout_ms = command.at_ms
        else:
            self.promise(command.branch, command.attempt).timers[command.kind] = command

    # --- writing

    def save(self) -> None:
        """Write what changed: the execution goes on after this transaction."""
        self._remove()
        self._dirty_heads.update(branch for branch in self.promises if self.head(branch) is not None)
        armed = {branch: self._settle(branch) for branch in self._dirty_heads}
        if self.timeout_ms is not None:
            payload = {"execution": self.ref.id, "branch": ROOT, "attempt": 0, "timer": "execution"}
            key = execution_key(self.ref.id)
            jobs.enqueue(self.tx, self.ctx, kind="states.timer", key=key, run_at_ms=self.timeout_ms, payload=payload)
        self._write_history()
        for branch, count in armed.items():
            head = self._heads[branch]
            if branch != ROOT and head is not None:
                self._write_branch(head, count)
        self._write_root(armed.get(ROOT))

    def _write_branch(self, head: Head, armed: int) -> None:
        execution, branch, text = self.ref.id, head.id, _encode(head).decode()
        if branch not in self._dirty_bodies:
            self.tx.send(Q.update_branch, execution=execution, branch=branch, armed=armed, head=text)
        elif branch in self._loaded:
            body = self._write_body(branch)
            self.tx.send(Q.rewrite_branch, execution=execution, branch=branch, armed=armed, head=text, body=body)
        else:
            self.tx.send(
                Q.insert_branch, execution=execution, branch=branch, parent=head.parent, place=head.index, armed=armed,
                head=text, body=self._write_body(branch),
            )  # fmt: skip

    def _write_body(self, branch: str) -> str | None:
        """The documents to write beside the head; None where they are long, and were written elsewhere."""
        text = _encode(self._bodies[branch]).decode()
        was_long = self._is_long(branch)
        if len(text) > BODY_INLINE_CHARS:
            query = Q.update_body if was_long else Q.insert_body
            self.tx.send(query, execution=self.ref.id, branch=branch, body=text)
            return None
        if was_long:
            self.tx.send(Q.delete_body, execution=self.ref.id, branch=branch)
        return text

    def _is_long(self, branch: str) -> bool:
        """Whether a branch's documents have a row of their own."""
        return branch in self._beside and self._beside[branch] is None

    def _remove(self) -> None:
        """Delete the rows of branches that were joined or abandoned: one by one, or a whole family at once."""
        if not self.stored:
            return
        families: dict[str, list[str]] = {}
        for branch in self._removed:
            if branch in self._loaded:
                self._settle(branch)
            families.setdefault(branch.rpartition("/")[0], []).append(branch)
        for parent, branches in families.items():
            if len(branches) >= FAMILY_MIN:
                # A Parallel or Map gives its children up all together.
                self.tx.send(Q.delete_child_bodies, execution=self.ref.id, after=f"{parent}/", before=f"{parent}0")
                self.tx.send(Q.delete_children, execution=self.ref.id, parent=parent)
                continue
            for branch in branches:
                self.tx.send(Q.delete_branch, execution=self.ref.id, branch=branch)
                if self._beside.get(branch) is None:
                    self.tx.send(Q.delete_body, execution=self.ref.id, branch=branch)

    def _write_root(self, armed: int | None) -> None:
        root = self._heads[ROOT]
        if root is None:
            raise LookupError(f"execution {self.ref.id} goes on without a root")
        text = _encode(root).decode()
        if ROOT not in self._dirty_bodies:
            if armed is not None:
                self.tx.send(Q.update_run, execution=self.ref.id, armed=armed, head=text)
            return
        body = self._write_body(ROOT)
        if self.stored:
            self.tx.send(Q.rewrite_run, execution=self.ref.id, armed=armed, head=text, body=body)
        else:
            self.tx.send(
                Q.insert_run, execution=self.ref.id, machine=self.ref.machine, revision=self.ref.revision,
                armed=armed or 0, head=text, body=body,
            )  # fmt: skip

    def _settle(self, branch: str) -> int:
        """Take back what the branch's former attempt promised, make the promises of the new one; how many stand."""
        head = self._heads[branch]
        before, armed = self._loaded.get(branch, (None, 0))
        armed = max(0, armed - (branch == self.fired))
        if before is not None and not _same_attempt(before, head):
            self._release(branch, before.token, armed, waits=before.phase == "scheduled")
            armed = 0
        promise = self.promises.get(branch)
        if promise is None or head is None or head.attempt != promise.attempt or head.phase not in _UNDER_WAY:
            return armed
        return armed + self._keep_promise(branch, promise)

    def _release(self, branch: str, token: str, armed: int, *, waits: bool) -> None:
        if armed > 0:
            jobs.drop(self.tx, job_key(self.ref.id, branch))
        if token:
            if branch != ROOT:
                self.tx.send(Q.delete_token, execution=self.ref.id, token=token)
            if waits:
                self.tx.send(Q.drop_activity_task, execution=self.ref.id, branch=branch)

    def _keep_promise(self, branch: str, promise: Promise) -> int:
        tx, ctx, ref = self.tx, self.ctx, self.ref
        key = job_key(ref.id, branch)
        made = 0
        for timer in promise.timers.values():
            payload = {"execution": ref.id, "branch": branch, "attempt": timer.attempt, "timer": timer.kind}
            jobs.enqueue(tx, ctx, kind="states.timer", key=key, run_at_ms=timer.at_ms, payload=payload)
            made += 1
        if promise.task is not None:
            jobs.enqueue(tx, ctx, kind="states.task", key=key, run_at_ms=ctx.now_ms, payload=promise.task)
            made += 1
        if promise.token and branch != ROOT:
            tx.send(
                Q.insert_token, token=promise.token, account=ctx.account, region=ctx.region, execution=ref.id,
                branch=branch, attempt=promise.attempt,
            )  # fmt: skip
        if promise.activity is not None:
            activity, text = promise.activity
            tx.send(
                Q.insert_activity_task, activity=activity, id=ctx.ids.row(ctx.now_ms), execution=ref.id,
                branch=branch, attempt=promise.attempt, token=promise.token, input=text,
            )  # fmt: skip
            tx.wake(activity_key(activity))
        return made

    def _write_history(self) -> None:
        """One row, unless the documents in it are large: whoever reads a page of history reads whole rows."""
        if not self.history:
            return
        text = _encode(self.history)
        if len(text) <= HISTORY_ROW_BYTES:
            self._append(self.history[0]["id"], text)
            return
        first = 0
        room = HISTORY_ROW_BYTES
        for place, event in enumerate(self.history):
            size = len(_encode(event))
            if size > room and place > first:
                self._append(self.history[first]["id"], _encode(self.history[first:place]))
                first, room = place, HISTORY_ROW_BYTES
            room -= size
        self._append(self.history[first]["id"], _encode(self.history[first:]))

    def _append(self, first: int, text: bytes) -> None:
        self.tx.send(Q.append_history, execution=self.ref.id, first=first, events=text.decode())

    def end(self) -> None:
        """The execution ended: write its last history and take everything else away."""
        self._write_history()
        if not self.stored:
            return
        execution = self.ref.id
        root, armed = self._loaded.get(ROOT, (None, 0))
        if armed > (self.fired == ROOT):
            jobs.drop(self.tx, job_key(execution, ROOT))
        if root is None or root.until_ms or root.ready:
            jobs.drop(self.tx, execution_key(execution))
        if root is not None and root.phase == "joining":
            self._end_children()
        elif root is not None:
            if root.phase == "scheduled" and root.token:
                self.tx.send(Q.drop_activity_task, execution=execution, branch=ROOT)
            if self._is_long(ROOT):
                self.tx.send(Q.delete_body, execution=execution, branch=ROOT)
        self.tx.send(Q.delete_run, execution=execution)

    def _end_children(self) -> None:
        execution = self.ref.id
        for (branch,) in self.tx.all(Q.armed_branches, execution=execution):
            jobs.drop(self.tx, job_key(execution, branch))
        for query in (Q.delete_tokens, Q.drop_activity_tasks, Q.delete_branches, Q.delete_bodies):
            self.tx.send(query, execution=execution)


def _same_attempt(before: Head, now: Head | None) -> bool:
    if now is None or now.attempt != before.attempt:
        return False
    return before.phase in _UNDER_WAY and _UNDER_WAY.get(now.phase) == _UNDER_WAY[before.phase]


def activity_key(activity: int) -> str:
    """The wake key of an activity's waiting workers."""
    return f"states:activity:{activity}"
