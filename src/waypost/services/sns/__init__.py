"""SNS: topics and their subscriptions, in front of queues, functions, web servers, mailboxes and phones."""

from waypost.service import Service
from waypost.services.sns import deliveries, delivery, feedback, jobs, replays, signing
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

_ATTRIBUTES = (
    "TracingConfig Active is refused: there is no X-Ray. Delivery status goes to CloudWatch Logs as on AWS, one log "
    "stream for each topic; the roles of ...FeedbackRoleArn are not looked at, without a sample rate all successes are "
    "logged, and a line about a queue has no sqsMessageId. All deliveries are counted (`/_waypost/sns/deliveries`). "
    "KmsMasterKeyId may be the key that AWS manages, `alias/aws/sns`, which is kept and shown: whether the store is "
    "encrypted is the host's matter. Any other key is not found (KMSNotFound), where AWS says so to whoever publishes. "
    "Principals of a policy are checked for their form, not whether they exist; AWS's quotas of statements (100), "
    "principals (200) and bytes (30 KB) hold."
)
_OTHER_ACCOUNTS = (
    "Topics of other accounts can be used where AWS would look at the topic's policy: policies are kept and shown, but "
    "do not decide yet."
)

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
    jobs={**jobs.JOBS, **feedback.JOBS, **delivery.JOBS, **replays.JOBS, **deliveries.JOBS, **platforms.JOBS},
    refusal_code="InvalidParameterException",
    notes={
        **deliveries.NOTES,
        **platforms.NOTES,
        **sms.NOTES,
        "AddPermission": f"{_OTHER_ACCOUNTS} Whether the named accounts exist is not checked.",
        "CreateTopic": _ATTRIBUTES,
        "GetTopicAttributes": "SubscriptionsDeleted counts from the topic's beginning.",
        "Publish": (
            f"{_OTHER_ACCOUNTS} There is no throttling. More than 500 subscribers of a topic are served in steps, in "
            f"the background. {deliveries.NOTES['Publish']}"
        ),
        "PublishBatch": (
            "AWS does not say which mistakes fail one entry and which the batch: an empty message, a subject or an id "
            "that cannot be fail alone here."
        ),
        "PutDataProtectionPolicy": (
            "The policy is checked, kept and shown, so that topics that have one can be moved here; no message is "
            "looked into, so nothing is audited, masked or denied. AWS no longer offers message data protection to new "
            "customers."
        ),
        "SetSubscriptionAttributes": (
            "A ReplayPolicy's EndingPoint cannot be in the future. AWS limits replays at a time to a number that it "
            "does not publish; here all of a FIFO topic's hundred subscriptions can have one. A DeliveryPolicy retries "
            "web servers only, as on AWS. SubscriptionRoleArn is refused with the protocol it belongs to, firehose."
        ),
        "SetTopicAttributes": f"{_ATTRIBUTES} Changes hold from the next request on.",
        "Subscribe": (
            f"The protocol `firehose` is refused. {deliveries.NOTES['Subscribe']} A function of another account is "
            "subscribed without being asked. The topic's account uses its quota of filter policies."
        ),
        "Unsubscribe": (
            "Lists show a subscription by http, https, email or email-json that ended as `Deleted` for three days; AWS "
            "does not document how long it does."
        ),
    },
)
