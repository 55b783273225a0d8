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

_REFUSED = (
    "KmsMasterKeyId, TracingConfig Active and the attributes of delivery status logging (...FeedbackRoleArn, "
    "...SuccessFeedbackSampleRate other than 0) are refused: there are no KMS, X-Ray and CloudWatch Logs. What became "
    "of deliveries is counted (`/_waypost/sns/deliveries`)."
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
    jobs={**jobs.JOBS, **delivery.JOBS, **replays.JOBS, **deliveries.JOBS, **platforms.JOBS},
    refusal_code="InvalidParameterException",
    notes={
        **deliveries.NOTES,
        **platforms.NOTES,
        **sms.NOTES,
        "AddPermission": f"{_OTHER_ACCOUNTS} Whether the named accounts exist is not checked.",
        "CreateTopic": f"{_REFUSED} The number of topics is not limited.",
        "GetTopicAttributes": "SubscriptionsDeleted counts from the topic's beginning.",
        "Publish": (
            f"{_OTHER_ACCOUNTS} There is no throttling. More than 500 subscribers of a topic are served in steps, in "
            f"the background. {deliveries.NOTES['Publish']}"
        ),
        "PublishBatch": (
            "AWS does not say which mistakes fail one entry and which the batch: an empty message, a subject or an id "
            "that cannot be fail alone here."
        ),
        "PutDataProtectionPolicy": "The policy is checked, kept and shown; no message is looked into.",
        "SetSubscriptionAttributes": (
            "A ReplayPolicy's EndingPoint cannot be in the future. The number of replays is not limited. "
            "SubscriptionRoleArn is refused with the protocol that it belongs to, firehose."
        ),
        "SetTopicAttributes": f"{_REFUSED} Changes hold from the next request on.",
        "Subscribe": (
            f"The protocol `firehose` is refused. {deliveries.NOTES['Subscribe']} A function of another account is "
            "subscribed without being asked. The number of an account's filter policies is limited by topic only."
        ),
    },
)
