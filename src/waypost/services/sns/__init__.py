"""SNS: topics and their subscriptions, in front of queues, functions, web servers, mailboxes and phones."""

from waypost.service import Service
from waypost.services.sns import deliveries, delivery, jobs, replays, signing
from waypost.services.sns.operations import (
    permissions,
    platforms,
    protection,
    publishing,
    sms,
    subscriptions,
    tags,
    topics,
)  # fmt: skip

SERVICE = Service(
    name="sns",
    model="sns",
    operations={
        **topics.OPERATIONS,
        **subscriptions.OPERATIONS,
        **publishing.OPERATIONS,
        **tags.OPERATIONS,
        **permissions.OPERATIONS,
        **protection.OPERATIONS,
        **signing.OPERATIONS,
        **platforms.OPERATIONS,
        **sms.OPERATIONS,
        **deliveries.OPERATIONS,
    },
    jobs={**jobs.JOBS, **delivery.JOBS, **replays.JOBS, **deliveries.JOBS, **platforms.JOBS},
    refusal_code="InvalidParameterException",
    notes={**deliveries.NOTES, **platforms.NOTES, **sms.NOTES},
)
