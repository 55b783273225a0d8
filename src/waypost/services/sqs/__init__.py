"""SQS: standard and FIFO queues."""

from waypost.service import Service
from waypost.services.sqs import lanes
from waypost.services.sqs.jobs import JOBS
from waypost.services.sqs.operations import attributes, delivering, moving, queues, receiving, sending, settling, tags

_NO_KMS = (
    "There is no KMS: of its keys only the one that AWS manages for SQS is there, alias/aws/sqs, by that name or as an "
    "ARN; every other KmsMasterKeyId is refused with KMS.NotFoundException. That key and SqsManagedSseEnabled are kept "
    "and shown as on AWS, and change nothing: whether the data folder is encrypted is the host's matter."
)
_ATTRIBUTES = (
    "Policy: its grammar, its actions' prefix and its bounds are checked, not whether its principals and resources "
    "exist; it does not decide yet. FifoThroughputLimit is kept and shown, and nothing is throttled."
)
_OTHER_ACCOUNTS = (
    "Queues of other accounts can be used where AWS would look at the queue's policy: policies are kept and shown, "
    "but do not decide yet."
)

SERVICE = Service(
    name="sqs",
    model="sqs",
    operations={
        **queues.OPERATIONS,
        **attributes.OPERATIONS,
        **tags.OPERATIONS,
        **sending.OPERATIONS,
        **receiving.OPERATIONS,
        **settling.OPERATIONS,
        **delivering.OPERATIONS,
        **moving.OPERATIONS,
    },
    jobs={**JOBS, **lanes.JOBS},
    refusal_code="InvalidParameterValueException",
    notes={
        "CreateQueue": (
            f"{_ATTRIBUTES} {_NO_KMS} A queue that is there with other tags is refused, as on AWS, whose words for it "
            "are not known."
        ),
        "SetQueueAttributes": (
            f"{_ATTRIBUTES} {_NO_KMS} Changes hold from the next request on, where AWS takes up to 60 seconds, for "
            "MessageRetentionPeriod up to 15 minutes. What AWS makes of a new DeduplicationScope is not known: "
            "here an id keeps the scope it was sent under for its five minutes. A queue that names itself in its "
            "RedrivePolicy is refused."
        ),
        "TagQueue": "The characters of tags are not checked. More than 50, which AWS advises against, are refused.",
        "GetQueueAttributes": (
            "The three numbers of messages are exact. Where nodes share a PostgreSQL a large one may be some seconds "
            "old: three where a million wait."
        ),
        "DeleteQueue": "The queue is gone at once; the disk space of its messages is freed in the background.",
        "PurgeQueue": "The messages are gone at once. A purge also forgets deduplication ids.",
        "SendMessage": (f"{_OTHER_ACCOUNTS} MessageGroupId on a standard queue names the tenant of a fair queue."),
        "ReceiveMessage": (
            "A short poll looks at all messages. Where nodes share a PostgreSQL a few more than 120,000 messages may "
            "be in flight. FIFO queues are not throttled. Fair queues serve quiet tenants first by AWS's measures, "
            "taken from samples: see docs/operating/fair-queues.md. Their CloudWatch metrics are not there."
        ),
        "StartMessageMoveTask": (
            "AWS says little of what a task moves. Here: what was in the queue when it began, the oldest first; what "
            "is with a receiver once it is visible again; what comes later stays. Messages that the destination's "
            "MaximumMessageSize would not let in are moved; its DelaySeconds holds. In a FIFO queue a moved message "
            "has its former MessageId as MessageDeduplicationId, as on the way into the dead-letter queue, and is "
            "never taken for a duplicate. A task that takes longer than 36 hours is FAILED with the reason "
            "TaskTimedOut, and more than 100 active ones are refused with OverLimit: how AWS names these two is not "
            "known. Queues of other accounts and regions cannot be moved from or to."
        ),
        "ListMessageMoveTasks": (
            "The ten newest tasks are kept, as long as their queue. ApproximateNumberOfMessagesMoved is exact; "
            "ApproximateNumberOfMessagesToMove counts messages in flight and delayed ones, too."
        ),
        "CancelMessageMoveTask": (
            'A task that is not RUNNING is refused with "Task does not exist.", as one that never was; AWS\'s own '
            "words for it are not known."
        ),
        "AddPermission": f"{_OTHER_ACCOUNTS} Whether the named accounts exist is not checked.",
    },
)
