"""``sqs:sendMessage``."""

import base64
import binascii
from typing import Any
from urllib.parse import urlsplit

from waypost.aws.errors import AwsError
from waypost.service import Params
from waypost.services.states.integrations.task import (
    Call,
    Integration,
    Reply,
    Task,
    TaskFailed,
    json_headers,
    require,
    text_of,
    with_metadata,
)

_PASSED_ON = ("QueueUrl", "DelaySeconds", "MessageAttributes", "MessageDeduplicationId", "MessageGroupId")
"""Others are dropped, as the service does."""
_SHOWN = ("MD5OfMessageAttributes", "MD5OfMessageBody", "MD5OfMessageSystemAttributes", "MessageId", "SequenceNumber")

_CODES = {"QueueDoesNotExist": "AWS.SimpleQueueService.NonExistentQueue"}
"""The code that the wire has for a shape of the model."""


def _plan(task: Task) -> Call:
    parameters = require(task.parameters, ("QueueUrl", "MessageBody"))
    queue_url = text_of(parameters["QueueUrl"])
    url = urlsplit(queue_url)
    if url.scheme in {"http", "https"} and len(url.path.strip("/").split("/")) < 2:
        # No queue's URL: the SDK would ask that host.
        raise TaskFailed(
            "SQS.SdkClientException", f"Unable to execute HTTP request: {url.hostname}: Name or service not known"
        )
    request = {name: parameters[name] for name in _PASSED_ON if parameters.get(name) is not None}
    # No queue has that in its name, and no text of PostgreSQL either, so it could not even be looked for.
    request["QueueUrl"] = queue_url.replace("\0", "\ufffd")
    request["MessageBody"] = text_of(parameters["MessageBody"])
    if "MessageAttributes" in request:
        request["MessageAttributes"] = _attributes(request["MessageAttributes"])
    return Call("sqs", "SendMessage", request)


def _attributes(given: Any) -> Any:
    """JSON writes binary values in base64."""
    if not isinstance(given, dict):
        return given
    read = {}
    for name, value in given.items():
        if isinstance(value, dict) and isinstance(value.get("BinaryValue"), str):
            try:
                read[name] = {**value, "BinaryValue": base64.b64decode(value["BinaryValue"], validate=True)}
            except binascii.Error as error:
                raise TaskFailed("States.Runtime", f"The BinaryValue of '{name}' is not base64") from error
        else:
            read[name] = value
    return read


def _output(_task: Task, response: Params, reply: Reply) -> Any:
    body = {name: response[name] for name in _SHOWN if name in response}
    return with_metadata(body, json_headers(body, reply), reply)


def _failure(error: AwsError, reply: Reply) -> TaskFailed:
    code = _CODES.get(error.code, error.code)
    status = error.status or (400 if error.sender else 500)
    return TaskFailed(
        "SQS.AmazonSQSException",
        f"{error.message} (Service: AmazonSQS; Status Code: {status}; Error Code: {code};"
        f" Request ID: {reply.request_id}; Proxy: null)",
    )


SEND_MESSAGE = Integration(frozenset({"request_response", "wait_for_task_token"}), _plan, _output, _failure)
