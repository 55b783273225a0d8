"""SQS's errors, in its words."""

from typing import Any

from waypost.aws.errors import AwsError

_CODES = {
    "InvalidParameterValueException": "InvalidParameterValue",
    "MissingRequiredParameterException": "MissingParameter",
    "MessageNotInflight": "AWS.SimpleQueueService.MessageNotInflight",
    "UnsupportedOperation": "AWS.SimpleQueueService.UnsupportedOperation",
}
"""What the wire has for the name of a shape, where an error is part of a response: a failed entry of a batch."""


def missing(parameter: str) -> AwsError:
    """A parameter that must be there."""
    return AwsError("MissingRequiredParameterException", f"The request must contain the parameter {parameter}.")


def invalid(message: str) -> AwsError:
    """A parameter that cannot be, with SQS's whole sentence."""
    return AwsError("InvalidParameterValueException", message)


def invalid_value(parameter: str, value: Any, reason: str) -> AwsError:
    """A parameter's value that cannot be."""
    return invalid(f"Value {value} for parameter {parameter} is invalid. Reason: {reason}")


def unknown_attribute(name: str) -> AwsError:
    """A queue has no such attribute, or not for this operation."""
    return AwsError("InvalidAttributeName", f"Unknown Attribute {name}.")


def invalid_attribute(name: str, reason: str = "") -> AwsError:
    """A queue attribute's value that cannot be."""
    tail = f" Reason: {reason}" if reason else ""
    return AwsError("InvalidAttributeValue", f"Invalid value for the parameter {name}.{tail}")


def no_queue() -> AwsError:
    """There is none of that name."""
    return AwsError(
        "QueueDoesNotExist",
        "The specified queue does not exist.",
        query_message="The specified queue does not exist for this wsdl version.",
    )


def bad_address(url: str) -> AwsError:
    """Not a queue's URL."""
    return AwsError("InvalidAddress", f"The address {url} is not valid for this endpoint.")


def denied(url: str) -> AwsError:
    """The queue is another account's."""
    return AwsError("AccessDeniedException", f"Access to the resource {url} is denied.", 403)


def bad_handle(handle: str) -> AwsError:
    """Not a receipt handle."""
    return AwsError("ReceiptHandleIsInvalid", f'The input receipt handle "{handle}" is not a valid receipt handle.')


def foreign_handle(handle: str) -> AwsError:
    """A receipt handle of another queue. AWS's words: https://github.com/spulec/PyQS/issues/24 ."""
    return AwsError("ReceiptHandleIsInvalid", f'The receipt handle "{handle}" is not valid for this queue.')


def expired_handle(handle: str) -> AwsError:
    """FIFO: the receive is no longer in force."""
    return invalid_value("ReceiptHandle", handle, "The receipt handle has expired.")


def gone(handle: str) -> AwsError:
    """The message was deleted, or expired."""
    return invalid_value(
        "ReceiptHandle", handle, "Message does not exist or is not available for visibility timeout change."
    )


def not_retryable(attempt_id: str) -> AwsError:
    """What an earlier receive of that name got has changed since.

    AWS's words: https://github.com/awslabs/amazon-sqs-java-messaging-lib/issues/213 .
    """
    return invalid_value(
        "ReceiveRequestAttemptId",
        attempt_id,
        "The receiveRequestAttemptId is not valid anymore since the receive call is not retryable.",
    )


def failed_entry(entry_id: str, error: AwsError) -> dict[str, Any]:
    """One entry's error in the response of a batch."""
    return {
        "Id": entry_id,
        "SenderFault": error.sender,
        "Code": _CODES.get(error.code, error.code),
        "Message": error.message,
    }


def over_limit() -> AwsError:
    """As many messages are in flight as a standard queue can have.

    AWS's words: https://github.com/Cbsoftware/pressureNET-server/issues/74 .
    """
    return AwsError(
        "OverLimit",
        "Too many messages have been received without being deleted.\nPlease delete your received messages or let them"
        " timeout before receiving more.",
    )
