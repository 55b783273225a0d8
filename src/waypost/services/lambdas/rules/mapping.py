"""What an event source mapping on SQS may say."""

from collections.abc import Mapping
from typing import Any

from waypost import arn
from waypost.arn import Arn
from waypost.services.lambdas import errors
from waypost.services.lambdas.limits import BATCH_MAX_WITHOUT_WINDOW

REPORT_FAILURES = "ReportBatchItemFailures"

_OF_OTHER_SOURCES = (
    "StartingPosition", "StartingPositionTimestamp", "ParallelizationFactor", "DestinationConfig",
    "MaximumRecordAgeInSeconds", "BisectBatchOnFunctionError", "MaximumRetryAttempts",
    "TumblingWindowInSeconds", "Topics", "Queues", "SourceAccessConfigurations", "SelfManagedEventSource",
    "AmazonManagedKafkaEventSourceConfig", "SelfManagedKafkaEventSourceConfig", "DocumentDBEventSourceConfig",
)  # fmt: skip
_OTHER_SERVICES = frozenset({"kinesis", "dynamodb", "kafka", "mq", "rds"})


def check_source(source_arn: str | None, region: str) -> Arn:
    """The queue's ARN, read; raises for what is not a queue of this region."""
    source = arn.parse(source_arn or "")
    if source is None:
        raise errors.invalid("Unrecognized event source.")
    if source.service in _OTHER_SERVICES:
        raise errors.invalid(f"Waypost does not support {source.service} event sources yet: SQS queues only.")
    if source.service != "sqs":
        raise errors.invalid("Unrecognized event source.")
    if source.region != region:
        raise errors.invalid(f"The event source must be in the function's region ({region}), not in {source.region}.")
    return source


def check_members(request: Mapping[str, Any]) -> None:
    """Raise for members that belong to streams and brokers."""
    for member in _OF_OTHER_SOURCES:
        if request.get(member) not in (None, [], {}):
            raise errors.invalid(f"Unsupported {member} parameter for given event source mapping type.")


def check_batching(batch_size: int, window_s: int, *, fifo: bool) -> None:
    """Raise for sizes and windows that SQS event sources do not have."""
    if fifo and batch_size > BATCH_MAX_WITHOUT_WINDOW:
        raise errors.invalid(f"Batch size of a FIFO queue must not exceed {BATCH_MAX_WITHOUT_WINDOW}.")
    if fifo and window_s:
        raise errors.invalid("Batching window is not supported for FIFO queues.")
    if batch_size > BATCH_MAX_WITHOUT_WINDOW and not window_s:
        raise errors.invalid(
            "Maximum batch window in seconds must be greater than 0 if maximum batch size is greater than "
            f"{BATCH_MAX_WITHOUT_WINDOW}"
        )


def check_visibility(visibility_s: int, timeout_s: int) -> None:
    """Raise where a message would reappear while a function still works on it."""
    if visibility_s < timeout_s:
        raise errors.invalid(
            f"Queue visibility timeout: {visibility_s} seconds is less than Function timeout: {timeout_s} seconds"
        )
