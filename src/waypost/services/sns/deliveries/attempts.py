"""One attempt to deliver, what follows from its outcome, and when there is another.

What is delivered where is an errand's matter (subscribers, confirmations, devices, phones). All have this in common:
attempts are jobs, so that nothing is lost by a crash; a message that an endpoint already got may come again after one.
"""

import logging
from functools import partial
from typing import Any, NamedTuple, Protocol

from waypost.service import Again, Context, Job, JobResult, Perform
from waypost.services.sns.deliveries import documents, inbox
from waypost.services.sns.deliveries.inbox import Note
from waypost.services.sns.rules.retries import RetryPolicy
from waypost.store.store import Tx
from waypost.work.perform import Crowded, HttpPost, SendMail

log = logging.getLogger(__name__)


class Undeliverable(Exception):  # noqa: N818 (a state of affairs)
    """There is no use in trying. The message says why."""


class Verdict(NamedTuple):
    """What an outcome means; delivered, where there is no error."""

    error: str = ""
    again: bool = True
    """It may go better later."""


class Errand(Protocol):
    """Something to deliver, and to whom."""

    @property
    def name(self) -> str:
        """What it is, for the log."""

    @property
    def retry(self) -> RetryPolicy:
        """When to try again."""

    def prepare(self, tx: Tx, ctx: Context) -> HttpPost | SendMail | Note:
        """What is to be done outside, or kept; raises ``Undeliverable``."""

    def judge(self, tx: Tx, ctx: Context, outcome: Any) -> Verdict:
        """What an outcome means, and what it tells of the endpoint."""

    def delivered(self, tx: Tx, ctx: Context) -> None:
        """It is done."""

    def failed(self, tx: Tx, ctx: Context, error: str, attempts: int) -> None:
        """It is given up."""


FAILURES = "Failures"
"""Member of a job's payload: attempts that failed."""
TURN = "Turn"
"""Member of a job's payload: whether it was given its turn at a throttled endpoint."""


def attempt(tx: Tx, ctx: Context, job: Job, errand: Errand) -> JobResult:
    """Try once: the answer of a job's handler."""
    try:
        wanted = errand.prepare(tx, ctx)
    except Undeliverable as error:
        _give_up(tx, ctx, job, errand, str(error), job.payload[FAILURES])
        return None
    if not isinstance(wanted, Note):
        return Perform(wanted, partial(_settle, job, errand))
    inbox.keep(tx, ctx, wanted)
    _done(tx, ctx, job, errand)
    return None


def _settle(job: Job, errand: Errand, tx: Tx, ctx: Context, outcome: Any) -> Again | None:
    if isinstance(outcome, Crowded):
        return Again(ctx.now_ms + outcome.retry_ms)
    verdict = errand.judge(tx, ctx, outcome)
    if not verdict.error:
        _done(tx, ctx, job, errand)
        return None
    attempts = job.payload[FAILURES] + 1
    pause_ms = errand.retry.pause_ms(attempts, ctx.ids.fraction()) if verdict.again else None
    if pause_ms is None:
        _give_up(tx, ctx, job, errand, verdict.error, attempts)
        return None
    return Again(ctx.now_ms + pause_ms, {**job.payload, FAILURES: attempts, TURN: False})


def _done(tx: Tx, ctx: Context, job: Job, errand: Errand) -> None:
    errand.delivered(tx, ctx)
    documents.release(tx, ctx, job)


def _give_up(tx: Tx, ctx: Context, job: Job, errand: Errand, error: str, attempts: int) -> None:
    log.warning("%s is given up after %d attempts: %s", errand.name, attempts, error)
    errand.failed(tx, ctx, error, attempts)
    documents.release(tx, ctx, job)
