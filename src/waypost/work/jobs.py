"""The job table: promises that outlive the transaction which made them."""

from typing import Any

import msgspec

from waypost.service import Context
from waypost.store.queries import load
from waypost.store.store import Tx

Q = load(__package__)

WAKE = "work"
"""The wake key of the runner."""

_encode = msgspec.json.Encoder().encode


def enqueue(tx: Tx, ctx: Context, *, kind: str, key: str, run_at_ms: int, payload: dict[str, Any]) -> int:
    """Promise to run the handler of ``kind`` at ``run_at_ms`` (the context's now: at once). Answers the job's id.

    ``payload`` is JSON. ``key`` names what the job is about; ``drop`` takes back all promises of a key.
    """
    job_id = ctx.ids.row(ctx.now_ms)
    tx.run(
        Q.insert_job, id=job_id, kind=kind, key=key, account=ctx.account, region=ctx.region, run_at=run_at_ms,
        payload=_encode(payload).decode(),
    )  # fmt: skip
    tx.wake(WAKE)
    return job_id


def drop(tx: Tx, key: str) -> None:
    """Take back every promise of ``key``; work already under way will find its promise gone when it settles.

    A handler that runs at this moment on another node is not waited for: it has to see for itself, by what it locks,
    whether its work is still wanted.
    """
    tx.send(Q.drop_jobs, key=key)
