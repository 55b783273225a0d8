"""What is on its way: in the job itself where it is short, else in a row that all jobs of one publish share.

Such a row is needed as long as there is a job with its key. Each delivery that ends has a job look whether it was the
last: that job sees what was committed before it, so of two that end at once the later one sees that both are gone.
"""

from typing import Any

import msgspec

from waypost.service import Context, Job, JobResult
from waypost.services.sns.limits import INLINE_CHARACTERS_MAX
from waypost.services.sns.topic import Published, read_published, write_published
from waypost.store.queries import load
from waypost.store.store import Tx
from waypost.work import jobs

Q = load("waypost.services.sns", "deliveries.sql")

RELEASE = "sns.release"


class Kept(msgspec.Struct, frozen=True):
    """A message that jobs can refer to."""

    key: str
    """The key of every job that needs it."""
    members: dict[str, Any]
    """What such a job's payload says of it."""


def keep(tx: Tx, ctx: Context, topic: int, published: Published, key: str) -> Kept:
    """Keep a message for jobs; ``key`` is theirs where it needs no row. ``topic`` is 0 where there is none."""
    text = write_published(published)
    if len(text) <= INLINE_CHARACTERS_MAX:
        return Kept(key, {"Published": text})
    row_id = ctx.ids.row(ctx.now_ms)
    tx.send(Q.insert_document, topic=topic, id=row_id, document=text)
    return Kept(_key(topic, row_id), {"Document": [topic, row_id]})


def read(tx: Tx, job: Job) -> Published | None:
    """The message of a job; None where it went with its topic."""
    if "Published" in job.payload:
        return read_published(job.payload["Published"])
    topic, row_id = job.payload["Document"]
    row = tx.one(Q.get_document, topic=topic, id=row_id)
    return None if row is None else read_published(row[0])


def release(tx: Tx, ctx: Context, job: Job) -> None:
    """A job needs its message no more."""
    if "Document" in job.payload:
        topic, row_id = job.payload["Document"]
        jobs.enqueue(
            tx, ctx, kind=RELEASE, key=f"sns:{topic}", run_at_ms=ctx.now_ms, payload={"Document": [topic, row_id]}
        )


def run_release(tx: Tx, ctx: Context, job: Job) -> JobResult:  # noqa: ARG001 (a job's handler)
    """Delete a message that no delivery needs any more."""
    topic, row_id = job.payload["Document"]
    tx.send(Q.delete_unneeded, topic=topic, id=row_id, key=_key(topic, row_id))
    return None


def _key(topic: int, row_id: int) -> str:
    return f"sns:document:{topic}:{row_id}"
