"""Delivery status logging: what owners want to know of deliveries goes to CloudWatch Logs, by a job each.

Deliveries side by side would wait for one another at a log stream's row; jobs that only add rows do not.
"""

import msgspec

from waypost.service import Context, Job, JobHandler, JobResult
from waypost.services.sns.rules import names
from waypost.services.sns.rules.feedback import Ended, Feedback, Place, line
from waypost.services.sns.topic import Published, Subscription, Topic
from waypost.store.store import Tx
from waypost.work.jobs import enqueue

LOG = "sns.log"


def tell(tx: Tx, ctx: Context, wanted: Feedback, place: Place, published: Published, ended: Ended) -> None:
    """Write of a delivery that is over, if that is wanted, and a success is among the sampled ones."""
    failed = ended.attempts is not None
    if not (wanted.failures if failed else ctx.ids.fraction() < wanted.successes):
        return
    text = line(
        ended, delivery_id=ctx.ids.uuid(), message=published.message, message_id=published.message_id,
        topic_arn=published.topic_arn, published_ms=published.at_ms,
    )  # fmt: skip
    owner = msgspec.structs.replace(ctx, account=place.account, region=place.region)
    enqueue(
        tx, owner, kind=LOG, key=f"sns:log:{place.name}", run_at_ms=ctx.now_ms,
        payload={"Group": place.group(failed=failed), "Stream": place.stream, "At": ended.at_ms, "Line": text},
    )  # fmt: skip


def tell_topic(
    tx: Tx,
    ctx: Context,
    topic: Topic,
    subscription: Subscription,
    published: Published,
    *,
    status: int | None,
    response: str,
    attempts: int | None = None,
) -> None:
    """The same of a topic's delivery; ``attempts`` of one that failed."""
    wanted = topic.settings.feedback.get(subscription.protocol)
    if wanted is None:
        return
    endpoint = subscription.endpoint
    shown = names.masked(endpoint) if subscription.protocol in names.WEB else endpoint
    place = Place(topic.account, topic.region, topic.name)
    tell(tx, ctx, wanted, place, published, Ended(shown, response, status, ctx.now_ms, attempts))


def write(tx: Tx, ctx: Context, job: Job) -> JobResult:
    """Add a line to the owner's log group, which is made with the first one."""
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
