"""Where records of asynchronous invocations and dead letters go: queues, topics, functions.

All of them are told in the transaction that ends the event: an event is never gone while nobody knows of it.
"""

import logging

import msgspec

from waypost import arn
from waypost.arn import Arn
from waypost.aws.errors import AwsError
from waypost.service import Context, Params
from waypost.store.store import Tx

log = logging.getLogger(__name__)


def send(tx: Tx, ctx: Context, target: str, record: bytes) -> None:
    """Tell a destination. One that refuses is in the log, and its record is lost, as on AWS."""
    _deliver(tx, ctx, target, record.decode(), {})


def send_dead_letter(tx: Tx, ctx: Context, target: str, event: Params, code: int, error: str) -> None:
    """Put an event's own payload into a dead-letter queue or topic, with the attributes that say what went wrong."""
    attributes = {
        "RequestID": {"DataType": "String", "StringValue": event["RequestId"]},
        "ErrorCode": {"DataType": "Number", "StringValue": str(code)},
    }
    if error:
        attributes["ErrorMessage"] = {"DataType": "String", "StringValue": error}
    _deliver(tx, ctx, target, event["Payload"], attributes)


def _deliver(tx: Tx, ctx: Context, target: str, text: str, attributes: Params) -> None:
    parsed = arn.parse(target)
    if parsed is None:
        raise ValueError(f"{target} was stored as a destination")
    there = msgspec.structs.replace(ctx, region=parsed.region)
    request: Params
    try:
        match parsed.service:
            case "sqs":
                _to_queue(tx, there, parsed, text, attributes)
            case "sns":
                request = {"TopicArn": target, "Message": text, "MessageAttributes": attributes}
                ctx.calls.call(tx, there, "sns", "Publish", request)
            case "lambda":
                request = {"FunctionName": target, "InvocationType": "Event", "Payload": text.encode()}
                ctx.calls.call(tx, there, "lambda", "Invoke", request)
            case _:
                raise ValueError(f"{target} was stored as a destination")
    except AwsError as error:
        log.warning("the destination %s refused what became of an event: %s", target, error)


def _to_queue(tx: Tx, ctx: Context, queue: Arn, text: str, attributes: Params) -> None:
    named = {"QueueName": queue.resource, "QueueOwnerAWSAccountId": queue.account}
    url = ctx.calls.call(tx, ctx, "sqs", "GetQueueUrl", named)["QueueUrl"]
    request = {"QueueUrl": url, "MessageBody": text, "MessageAttributes": attributes}
    ctx.calls.call(tx, ctx, "sqs", "SendMessage", request)
