"""What became of deliveries, for the server's own pages."""

from waypost.service import Context, Operation, Params
from waypost.services.sns import counts
from waypost.services.sns.limits import LIST_MAX
from waypost.services.sns.queries import Q as TOPICS
from waypost.services.sns.topic import addressed, subscription_by_id
from waypost.store.store import Tx


def delivery_status(tx: Tx, ctx: Context, request: Params) -> Params:
    """``{"TopicArn"?, "After"?: id}`` to the counts of a topic's subscriptions; without a topic, of texts to phones."""
    if not request.get("TopicArn"):
        return {"PhoneNumbers": counts.counts(tx, *counts.PHONES)}
    topic = addressed(tx, ctx, request["TopicArn"])
    rows = tx.all(TOPICS.list_subscriptions_of_topic, topic=topic.id, after=request.get("After") or 0, limit=LIST_MAX)
    found = [subscription_by_id(tx, topic, row[0]) for row in rows]
    return {
        "Subscriptions": [
            {
                "Id": str(one.id), "SubscriptionArn": one.arn, "Protocol": one.protocol,
                "Outcomes": counts.counts(tx, topic.id, one.id),
            }
            for one in found
            if one is not None
        ]
    }  # fmt: skip


OPERATIONS: dict[str, Operation] = {"waypost:DeliveryStatus": delivery_status}
