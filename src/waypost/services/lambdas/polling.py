"""What the pollers of event source mappings do in the store: claim batches, run them, settle them.

A claim and a settlement are transactions of their own; a crash between them leaves the messages to their visibility
timeout, as on AWS. None of these is an operation of AWS's: only ``pollers`` runs them.
"""

from collections.abc import Collection, Sequence
from functools import partial
from typing import Any, NamedTuple

import msgspec

from waypost.aws.errors import AwsError
from waypost.runtimes.invocation import FunctionOutcome, FunctionThrottled
from waypost.service import Context, Params, Park, Perform
from waypost.services.lambdas.calling import Event, prepare
from waypost.services.lambdas.limits import CONCURRENCY_MAX, DROPPED_MAX, RECEIVE_MAX
from waypost.services.lambdas.operations.mappings import SUPERVISOR, wake_key
from waypost.services.lambdas.queries import Q
from waypost.services.lambdas.rules import batches, filters, names
from waypost.services.lambdas.rules.batches import Claimed
from waypost.store.store import Tx
from waypost.work.nodes import CHANGED

_decode = msgspec.json.Decoder(list[str]).decode

IDLE_MS = 86_400_000
"""A parked poller answers at least once a day, for no reason but that every wait has an end."""
REFUSED_RETRY_MS = {"QueueDoesNotExist": 60_000, "OverLimit": 1_000}
"""Errors of a queue that pass by themselves, and when to look again: it may come back, or have too much in flight."""
PAGE = 1_000


class Polled(NamedTuple):
    """The columns of ``get_polled``."""

    function_name: str
    qualifier: str
    source_arn: str
    queue_url: str
    batch_size: int
    window_s: int
    report_failures: int
    concurrency_max: int | None
    enabled: int
    timeout_s: int | None
    """None where the function is gone: its messages then stay in the queue."""
    filters: str
    """JSON: the patterns of what the function wants; none: everything."""

    @property
    def limit(self) -> int:
        """How many batches may be worked on at the same time."""
        return self.concurrency_max or CONCURRENCY_MAX


def new_mappings(tx: Tx, ctx: Context, request: Params) -> Params | Park:
    """``{"Known": UUIDs}`` to ``{"Mappings": [(uuid, account, region)]}``: the others, once there are some."""
    fresh = []
    after = 0
    while True:
        rows = tx.all(Q.every_mapping, after=after, limit=PAGE)
        fresh += [tuple(row[1:]) for row in rows if row[1] not in request["Known"]]
        if len(rows) < PAGE:
            break
        after = rows[-1][0]
    if fresh or _is_over(ctx):
        return {"Mappings": fresh, "Stopping": ctx.started_ms == 0}
    return Park((SUPERVISOR,), ctx.started_ms + IDLE_MS)


def claim(tx: Tx, ctx: Context, request: Params) -> Params | Park:
    """Receive messages for a mapping, or park until there are some.

    ``{"UUID", "Batches": at most so many, "Held": messages of an open window, "UntilMs": its end or None, "Share":
    limit of all nodes > this one's part}`` to
    ``{"Polled": Polled | None, "Batches": [[Claimed]], "Dropped": messages that no filter wanted, "NowMs", "Waited":
    bool, "Stopping": bool}``; ``Polled`` is None once the mapping is deleted.
    """
    row = tx.one(Q.get_polled, uuid=request["UUID"])
    answer: Params = {
        "Polled": None, "Batches": [], "Dropped": 0, "NowMs": ctx.now_ms, "Waited": ctx.now_ms != ctx.started_ms,
        "Stopping": ctx.started_ms == 0,
    }  # fmt: skip
    if row is None or answer["Stopping"]:
        return answer
    polled = answer["Polled"] = Polled(*row)
    until_ms = request["UntilMs"] or ctx.started_ms + IDLE_MS
    key = wake_key(request["UUID"])
    if not polled.enabled or polled.timeout_s is None:
        return answer if ctx.now_ms >= until_ms else Park((key,), until_ms)
    limit = polled.limit if polled.concurrency_max is None else request["Share"](polled.concurrency_max)
    if not limit:
        return answer if ctx.now_ms >= until_ms else Park((key, CHANGED), until_ms)
    try:
        receiving = _Receiving(polled, _decode(polled.filters))
        answer["Batches"] = receiving.batches(tx, ctx, min(request["Batches"], limit), request["Held"])
        answer["Dropped"] = receiving.dropped
        if answer["Batches"] or receiving.dropped or ctx.now_ms >= until_ms:
            return answer
        queue = ctx.calls.call(tx, ctx, "sqs", "waypost:WakeKey", {"QueueUrl": polled.queue_url})
    except AwsError as error:
        if error.code not in REFUSED_RETRY_MS:
            raise
        return answer if ctx.now_ms >= until_ms else Park((key,), until_ms, ctx.now_ms + REFUSED_RETRY_MS[error.code])
    return Park((queue["Key"], key), until_ms, queue.get("RetryAtMs"))


class _Receiving:
    """One claim: what was received, and how much of it nobody wants."""

    def __init__(self, polled: Polled, patterns: list[str]) -> None:
        self._polled = polled
        self._patterns = patterns
        self.dropped = 0

    def batches(self, tx: Tx, ctx: Context, batches_max: int, held: int) -> list[list[Claimed]]:
        """As many batches as there are messages for, the first smaller by what is held already."""
        received: list[list[Claimed]] = []
        wanted = self._polled.batch_size - held
        while len(received) < batches_max and self.dropped < DROPPED_MAX:
            batch: list[Claimed] = []
            try:
                while len(batch) < wanted and self.dropped < DROPPED_MAX:
                    asked = min(RECEIVE_MAX, wanted - len(batch))
                    messages = _receive_some(tx, ctx, self._polled, asked)
                    batch += self._keep(tx, ctx, messages)
                    if len(messages) < asked:
                        break
            except AwsError:
                if not received and not batch and not self.dropped:
                    raise
                # What was received before is ours: it must not be lost over what could not be.
            if batch:
                received.append(batch)
            if len(batch) < wanted:
                break
        return received

    def _keep(self, tx: Tx, ctx: Context, messages: list[Params]) -> list[Claimed]:
        """Those that a filter wants. The others are deleted, as Lambda does."""
        claimed = [batches.claim(message, self._polled.source_arn, ctx.region) for message in messages]
        if not self._patterns:
            return claimed
        wanted = [message for message in claimed if filters.wants(self._patterns, message.record)]
        if len(wanted) < len(claimed):
            kept = set(wanted)
            unwanted = [message for message in claimed if message not in kept]
            _delete(tx, ctx, self._polled.queue_url, unwanted)
            self.dropped += len(unwanted)
        return wanted


def _delete(tx: Tx, ctx: Context, queue_url: str, messages: Sequence[Claimed]) -> None:
    for start in range(0, len(messages), RECEIVE_MAX):
        entries = [
            {"Id": str(position), "ReceiptHandle": message.receipt_handle}
            for position, message in enumerate(messages[start : start + RECEIVE_MAX])
        ]
        try:
            ctx.calls.call(tx, ctx, "sqs", "DeleteMessageBatch", {"QueueUrl": queue_url, "Entries": entries})
        except AwsError:
            break  # the queue is gone, and its messages with it


def _receive_some(tx: Tx, ctx: Context, polled: Polled, messages_max: int) -> list[Params]:
    request = {
        "QueueUrl": polled.queue_url,
        "MaxNumberOfMessages": messages_max,
        "WaitTimeSeconds": 0,
        "MessageSystemAttributeNames": ["All"],
        "MessageAttributeNames": ["All"],
    }
    return ctx.calls.call(tx, ctx, "sqs", "ReceiveMessage", request).get("Messages") or []


def work(tx: Tx, ctx: Context, request: Params) -> Perform:
    """Give a batch to the function: ``{"Polled", "Batch": [Claimed], "ClaimedMs"}``, answered by ``_settle``."""
    batch = _Batch(request["Polled"], request["Batch"], request["ClaimedMs"])
    named = names.Named(ctx.account, ctx.region, batch.polled.function_name, batch.polled.qualifier)
    call = prepare(tx, ctx, named, Event(batches.event(batch.messages), ctx.ids.uuid()))
    return Perform(call, partial(_settle, batch))


class _Batch(NamedTuple):
    """What a function is working on."""

    polled: Polled
    messages: list[Claimed]
    claimed_ms: int


def _settle(batch: _Batch, tx: Tx, ctx: Context, outcome: Any) -> Params:
    """Delete what the function is done with.

    Answers ``{"Done": bool}``; where no environment was free also ``RetryUntilMs``, when the messages become visible
    again, and ``NowMs``.
    """
    if isinstance(outcome, FunctionThrottled):
        return {"Done": False, "RetryUntilMs": _visible_again_ms(tx, ctx, batch), "NowMs": ctx.now_ms}
    if not isinstance(outcome, FunctionOutcome) or outcome.function_error:
        return {"Done": False}
    failed: Collection[str] = ()
    if batch.polled.report_failures:
        failed = batches.failures(outcome.payload, {message.message_id for message in batch.messages})
    done = [message for message in batch.messages if message.message_id not in failed]
    _delete(tx, ctx, batch.polled.queue_url, done)
    return {"Done": not failed}


def _visible_again_ms(tx: Tx, ctx: Context, batch: _Batch) -> int:
    request = {"QueueUrl": batch.polled.queue_url, "AttributeNames": ["VisibilityTimeout"]}
    try:
        answer = ctx.calls.call(tx, ctx, "sqs", "GetQueueAttributes", request)
    except AwsError:
        return 0
    return batch.claimed_ms + int(answer["Attributes"]["VisibilityTimeout"]) * 1_000


def pause(tx: Tx, ctx: Context, request: Params) -> Params | Park:  # noqa: ARG001 (the shape of an operation)
    """Park until ``{"UntilMs"}``; answers ``{"Stopping": bool}``."""
    if ctx.now_ms >= request["UntilMs"] or ctx.started_ms == 0:
        return {"Stopping": ctx.started_ms == 0}
    return Park(("lambda:pause",), request["UntilMs"])


def _is_over(ctx: Context) -> bool:
    return ctx.now_ms >= ctx.started_ms + IDLE_MS
