"""Delivery status logging: what a topic wants to know of its deliveries goes to CloudWatch Logs, by a job each.

Deliveries side by side would wait for one another at a log stream's row; jobs that only add rows do not.
"""

import msgspec

from waypost.service import Context, Job, JobHandler, JobResult
from waypost.services.sns.rules import feedback as rules
from waypost.services.sns.rules.feedback import Ended
from waypost.services.sns.topic import Published, Subscription, Topic
from waypost.store.store import Tx
from waypost.work.jobs import enqueue

LOG = "sns.log"


def succeeded(
    tx: Tx, ctx: Context, topic: Topic, subscription: Subscription, published: Published, *, status: int, response: str
) -> None:
    """Write of a delivery, if the topic wants that, and this is among the sampled ones."""
    wanted = topic.settings.feedback.get(subscription.protocol)
    if wanted is not None and ctx.ids.fraction() < wanted.successes:
        ended = Ended(ctx.ids.uuid(), subscription.protocol, subscription.endpoint, response, status, ctx.now_ms)
        _write(tx, ctx, topic, published, ended)


def failed(
    tx: Tx,
    ctx: Context,
    topic: Topic,
    subscription: Subscription,
    published: Published,
    *,
    status: int | None,
    error: str,
    attempts: int,
) -> None:
    """Write of a delivery that is given up, if the topic wants that."""
    wanted = topic.settings.feedback.get(subscription.protocol)
    if wanted is not None and wanted.failures:
        ended = Ended(ctx.ids.uuid(), subscription.protocol, subscription.endpoint, error, status, ctx.now_ms, attempts)
        _write(tx, ctx, topic, published, ended)


def _write(tx: Tx, ctx: Context, topic: Topic, published: Published, ended: Ended) -> None:
    owner = msgspec.structs.replace(ctx, account=topic.account, region=topic.region)
    group = rules.log_group(topic.region, topic.account, topic.name, failed=ended.attempts is not None)
    line = rules.line(
        ended, message=published.message, message_id=published.message_id, topic_arn=published.topic_arn,
        published_ms=published.at_ms,
    )  # fmt: skip
    enqueue(
        tx, owner, kind=LOG, key=f"sns:log:{topic.id}", run_at_ms=ctx.now_ms,
        payload={"Group": group, "Stream": rules.log_stream(topic.id), "At": ended.at_ms, "Line": line},
    )  # fmt: skip


def write(tx: Tx, ctx: Context, job: Job) -> JobResult:
    """Add a line to the topic owner's log group, which is made with the first one."""
    said = job.payload
    ctx.calls.call(
        tx, ctx, "logs", "waypost:Append",
        {
            "logGroupName": said["Group"], "logStreamName": said["Stream"],
            "logEvents": [(said["At"], said["Line"])],
        },
    )  # fmt: skip
    return None


JOBS: dict[str, JobHandler] = {LOG: write}
