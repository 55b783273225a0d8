"""Delivery status: how many deliveries succeeded, failed, and went to a dead-letter queue."""

from typing import Any

from waypost.service import Context, Job, JobResult, Params
from waypost.services.sns.limits import COUNTS_GATHERED_MAX
from waypost.services.sns.queries import Q as TOPICS
from waypost.services.sns.rules.envelope import timestamp
from waypost.store.queries import load
from waypost.store.store import Row, Tx
from waypost.work import jobs

Q = load(__package__, "deliveries.sql")

DELIVERED, FAILED, DEAD_LETTER, LOST = "delivered", "failed", "dead_letter", "dead_letter_failed"
"""Outcomes: the last two are of deliveries that failed, too."""

GATHER = "sns.gather"
GATHER_PART = 1 / COUNTS_GATHERED_MAX * 4
"""How often a new row has those of its subscription gathered."""
PHONES = (0, 0)
"""Where texts to phone numbers are counted."""


def count(tx: Tx, ctx: Context, topic: int, subscription: int, outcome: str, error: str | None = None) -> None:
    """Count one delivery; ``topic`` is 0 where there is none, ``subscription`` then a platform application's row."""
    tx.send(
        TOPICS.count_outcome, topic=topic, subscription=subscription, id=ctx.ids.row(ctx.now_ms), outcome=outcome,
        now=ctx.now_ms, error=error,
    )  # fmt: skip
    if ctx.ids.fraction() < GATHER_PART:
        jobs.enqueue(
            tx, ctx, kind=GATHER, key=f"sns:{topic}", run_at_ms=ctx.now_ms, payload={"Of": [topic, subscription]}
        )


def gather(tx: Tx, ctx: Context, job: Job) -> JobResult:
    """Put the counts of one subscription together, so that they stay few rows."""
    topic, subscription = job.payload["Of"]
    place = {"topic": topic, "subscription": subscription}
    rows = sorted(tx.all(Q.take_counts, limit=COUNTS_GATHERED_MAX, **place))
    for outcome, total in _sums([row[1:] for row in rows]).items():
        tx.send(Q.insert_count, id=ctx.ids.row(ctx.now_ms), outcome=outcome, **total, **place)
    return None


def counts(tx: Tx, topic: int, subscription: int) -> Params:
    """``{outcome: {"Count", "LastAt", "LastError"?}}`` of a subscription."""
    sums = _sums(tx.all(Q.list_counts, topic=topic, subscription=subscription))
    return {
        outcome: {
            "Count": total["count"], "LastAt": timestamp(total["last_at"]),
            **({"LastError": total["last_error"]} if total["last_error"] else {}),
        }
        for outcome, total in sums.items()
    }  # fmt: skip


def _sums(rows: list[Row]) -> dict[str, dict[str, Any]]:
    """Totals by outcome of ``(outcome, count, last_at, last_error)``, the oldest first."""
    sums: dict[str, dict[str, Any]] = {}
    for outcome, number, last_at, last_error in rows:
        total = sums.setdefault(outcome, {"count": 0, "last_at": 0, "last_error": None})
        total["count"] += number
        total["last_at"] = max(total["last_at"], last_at)
        total["last_error"] = last_error or total["last_error"]
    return sums
