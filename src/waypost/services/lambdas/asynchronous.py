"""Asynchronous invocations: kept by a job until they succeed, or until their rules say that they have failed.

https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-error-handling.html : function errors are tried again
after one minute and two, throttles with growing pauses until the event is too old.
"""

import logging
from functools import partial
from typing import Any, NamedTuple

import msgspec

from waypost.aws.errors import AwsError
from waypost.runtimes.invocation import FunctionOutcome
from waypost.service import Again, Context, Job, JobResult, Params, Perform
from waypost.services.lambdas import destinations
from waypost.services.lambdas.calling import Event, new_trace, prepare
from waypost.services.lambdas.function import get
from waypost.services.lambdas.limits import ASYNC_AGE_MS_MAX, ASYNC_RETRY_DELAYS_MS, ASYNC_THROTTLE_DELAYS_MS
from waypost.services.lambdas.queries import Q
from waypost.services.lambdas.rules import names, records
from waypost.store.store import Tx
from waypost.work import jobs

log = logging.getLogger(__name__)

ASYNC = "lambda.async"

_decode = msgspec.json.Decoder(dict[str, str]).decode


class Rules(NamedTuple):
    """What becomes of the events of a function, a version or an alias."""

    retries: int = len(ASYNC_RETRY_DELAYS_MS)
    age_ms: int = ASYNC_AGE_MS_MAX
    destinations: str = "{}"
    """JSON: OnSuccess and OnFailure, each with an ARN where it is set."""

    def destination(self, name: str) -> str:
        """The ARN of ``OnSuccess`` or ``OnFailure``; empty without one."""
        return _decode(self.destinations).get(name, "")


def accept(tx: Tx, ctx: Context, named: names.Named, content: bytes, client_context: str) -> None:
    """Promise to run an event."""
    jobs.enqueue(
        tx, ctx, kind=ASYNC, key=named.arn, run_at_ms=ctx.now_ms,
        payload={
            "FunctionName": named.name, "Qualifier": named.qualifier, "Payload": content.decode(),
            "ClientContext": client_context, "RequestId": ctx.request_id, "Trace": ctx.trace or new_trace(ctx),
            "AcceptedMs": ctx.now_ms, "Failures": 0, "Throttles": 0,
        },
    )  # fmt: skip


def run_async(tx: Tx, ctx: Context, job: Job) -> JobResult:
    """Run an accepted event. Its request id stays the same through all attempts."""
    event = job.payload
    named = names.Named(ctx.account, ctx.region, event["FunctionName"], event["Qualifier"])
    try:
        brought = Event(event["Payload"].encode(), event["RequestId"], event["ClientContext"], event["Trace"])
        call = prepare(tx, ctx, named, brought)
    except AwsError as error:
        log.warning("event %s for %s is dropped: %s", event["RequestId"], named.arn, error)
        return None
    attempt = _Attempt(event, named, call.spec.version)
    if call.reserved == 0:
        return attempt.give_up(tx, ctx, "ZeroReservedConcurrency", None)
    if ctx.now_ms > event["AcceptedMs"] + attempt.rules(tx).age_ms:
        return attempt.give_up(tx, ctx, "EventAgeExceeded", None)
    return Perform(call, partial(_settle, attempt))


class _Attempt(NamedTuple):
    """An event at work."""

    event: Params
    named: names.Named
    version: str
    """The one that runs it."""

    def rules(self, tx: Tx) -> Rules:
        """As they are now: an event goes by the rules of the moment in which it is decided."""
        row = tx.one(
            Q.event_rules, account=self.named.account, region=self.named.region, name=self.named.name,
            qualifier=self.named.qualifier or names.LATEST,
        )  # fmt: skip
        if row is None:
            return Rules()
        retries, age_s, given = row
        default = Rules()
        return Rules(
            default.retries if retries is None else retries, default.age_ms if age_s is None else age_s * 1_000, given
        )

    def record(self, ctx: Context, condition: str, outcome: FunctionOutcome | None) -> bytes:
        """What a destination is told."""
        return records.invocation_record(
            at_ms=ctx.now_ms,
            request_id=self.event["RequestId"],
            function_arn=self.named._replace(qualifier=self.named.qualifier or names.LATEST).arn,
            condition=condition,
            invokes=self.event["Failures"] + (outcome is not None),
            request=self.event["Payload"].encode(),
            version=self.version,
            response=None if outcome is None else (outcome.payload, outcome.function_error),
        )

    def give_up(self, tx: Tx, ctx: Context, condition: str, outcome: FunctionOutcome | None) -> None:
        """The event has failed for good: to its destination, to the dead letters, or to nobody."""
        target = self.rules(tx).destination("OnFailure")
        function = get(tx, self.named._replace(qualifier=self.version))
        dead_letter = "" if function is None else function.dead_letter
        if target:
            destinations.send(tx, ctx, target, self.record(ctx, condition, outcome))
        if dead_letter:
            error = records.error_of(outcome.payload) if outcome is not None else "Rate Exceeded."
            code = 200 if outcome is not None else 429
            destinations.send_dead_letter(tx, ctx, dead_letter, self.event, code, error)
        if not target and not dead_letter:
            log.warning("event %s for %s is dropped: %s", self.event["RequestId"], self.named.arn, condition)


def _settle(attempt: _Attempt, tx: Tx, ctx: Context, outcome: Any) -> Again | None:
    event, rules = attempt.event, attempt.rules(tx)
    if isinstance(outcome, FunctionOutcome):
        if not outcome.function_error:
            target = rules.destination("OnSuccess")
            if target:
                destinations.send(tx, ctx, target, attempt.record(ctx, "Success", outcome))
            return None
        failures = event["Failures"]
        if failures >= rules.retries:
            return attempt.give_up(tx, ctx, "RetriesExhausted", outcome)
        delay_ms = ASYNC_RETRY_DELAYS_MS[failures]
        again = {**event, "Failures": failures + 1}
    else:
        outcome = None
        first_ms, longest_ms = ASYNC_THROTTLE_DELAYS_MS
        delay_ms = min(first_ms << min(event["Throttles"], 20), longest_ms)
        again = {**event, "Throttles": event["Throttles"] + 1}
    if ctx.now_ms + delay_ms > event["AcceptedMs"] + rules.age_ms:
        return attempt.give_up(tx, ctx, "EventAgeExceeded", outcome)
    return Again(ctx.now_ms + delay_ms, again)
