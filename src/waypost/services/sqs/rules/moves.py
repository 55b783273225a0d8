"""Message move tasks: their handles, their pace, and what a request for one may say.

Sentences marked as recorded are AWS's; the others follow their pattern. Names of failures are those of
https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/troubleshooting-dlq-redrive.html .
"""

import base64
import binascii
from typing import NamedTuple

import msgspec

from waypost import arn
from waypost.arn import Arn
from waypost.aws.errors import AwsError
from waypost.services.sqs import errors
from waypost.services.sqs.limits import MOVE_BATCH_MAX, MOVE_LIST_MAX, MOVE_RATE_MAX

RUNNING = "RUNNING"
CANCELLING = "CANCELLING"
CANCELLED = "CANCELLED"
COMPLETED = "COMPLETED"
FAILED = "FAILED"

NO_QUEUE = "AWS.SimpleQueueService.NonExistentQueue"
"""FailureReason: the queue that a message should go to is gone. Recorded."""
NO_SOURCE = "CouldNotDetermineMessageSource"
"""FailureReason: a message was sent to the dead-letter queue itself, so there is no queue to take it back to."""
TOO_LONG = "TaskTimedOut"
"""FailureReason of ours: AWS says how long a task may take, and not how it ends then."""

_STEPS_PER_S = 10


class Handle(NamedTuple):
    """What a TaskHandle says."""

    task_id: str
    source_arn: str


class _Written(msgspec.Struct, rename="camel"):
    """A handle's JSON, in AWS's words."""

    task_id: str
    source_arn: str


class Pace(NamedTuple):
    """How a task keeps to its rate."""

    batch: int
    """Messages moved in one step at most."""
    interval_ms: int
    """From the begin of one step that moved something to that of the next."""


def pace(rate: int | None) -> Pace:
    """Steps for a rate of messages per second: in no second more than that. None: one step after the other."""
    if rate is None:
        return Pace(MOVE_BATCH_MAX, 0)
    batch = max(1, rate // _STEPS_PER_S)
    return Pace(batch, -(-1_000 * batch // rate))


def write_handle(handle: Handle) -> str:
    """The TaskHandle of a task: base64 of JSON, as recorded."""
    return base64.b64encode(msgspec.json.encode(_Written(*handle))).decode()


def read_handle(text: str) -> Handle:
    """What a TaskHandle says; raises ``AwsError``."""
    try:
        written = msgspec.json.decode(base64.b64decode(text, validate=True), type=_Written)
    except (binascii.Error, ValueError):
        raise errors.invalid("Value for parameter TaskHandle is invalid.") from None
    return Handle(written.task_id, written.source_arn)


def read_arn(parameter: str, text: str) -> Arn:
    """The queue's ARN that a parameter gives; raises ``AwsError`` where it is none."""
    found = arn.parse(text)
    if found is None or found.service != "sqs" or not found.resource:
        raise errors.invalid(
            f"You must use this format to specify the {parameter}: "
            "arn:<partition>:<service>:<region>:<account-id>:<resource-id>"
        )
    return found


def check_rate(rate: int | None) -> None:
    """Raise ``AwsError`` where MaxNumberOfMessagesPerSecond cannot be."""
    _check_between("MaxNumberOfMessagesPerSecond", rate, MOVE_RATE_MAX)


def check_results(wanted: int | None) -> int:
    """How many tasks to list; raises ``AwsError`` where MaxResults cannot be."""
    _check_between("MaxResults", wanted, MOVE_LIST_MAX)
    return 1 if wanted is None else wanted


def _check_between(parameter: str, value: int | None, most: int) -> None:
    if value is not None and not 1 <= value <= most:
        raise errors.invalid(
            f"Value for parameter {parameter} is invalid. Reason: You must enter a number that's between 1 and {most}."
        )


def no_resource(parameter: str) -> AwsError:
    """There is no queue of the ARN that a parameter gives. Recorded."""
    return AwsError(
        "ResourceNotFoundException",
        f"The resource that you specified for the {parameter} parameter doesn't exist.",
        404,
    )


def no_task() -> AwsError:
    """No such task is running. Recorded for one that never was."""
    return AwsError("ResourceNotFoundException", "Task does not exist.", 404)


def no_dead_letter_queue() -> AwsError:
    """No queue sends its dead letters to the source. Recorded."""
    return errors.invalid("Source queue must be configured as a Dead Letter Queue.")


def already_running() -> AwsError:
    """Another task of the same source is active. Recorded."""
    return errors.invalid(
        "There is already a task running. Only one active task is allowed for a source queue arn at a given time."
    )


def too_many() -> AwsError:
    """The account has as many active tasks as it may."""
    return AwsError("OverLimit", "The maximum number of active message move tasks of this account is reached.", 403)
