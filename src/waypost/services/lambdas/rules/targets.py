"""Which destinations and dead-letter targets there may be."""

from collections.abc import Mapping
from typing import Any

from waypost import arn
from waypost.services.lambdas import errors

_LATER = {
    "events": "EventBridge destinations are not built yet",
    "s3": "there is no S3",
    "kafka": "there is no Kafka",
}


def check_destinations(given: Mapping[str, Any], function_arn: str) -> dict[str, str]:
    """The ARN by ``OnSuccess`` and ``OnFailure``, those that are set. Raises for what cannot be told."""
    checked = {}
    for name in ("OnSuccess", "OnFailure"):
        target = (given.get(name) or {}).get("Destination")
        if target is None:
            continue
        if target:
            _check(target, name, function_arn)
        checked[name] = target
    return checked


def _check(target: str, name: str, function_arn: str) -> None:
    parsed = arn.parse(target)
    service = "kafka" if target.startswith("kafka:") else parsed.service if parsed is not None else ""
    if service in _LATER:
        raise errors.invalid(f"Waypost does not support the {name} destination {target}: {_LATER[service]}")
    if parsed is None or service not in ("sqs", "sns", "lambda"):
        raise errors.invalid(f"The provided destination {target} is not the ARN of a queue, a topic or a function.")
    if target.endswith(".fifo"):
        raise errors.invalid(f"The provided destination {target} is a FIFO resource: only standard ones are supported.")
    if service == "lambda" and target.startswith(function_arn) and target[len(function_arn) :][:1] in ("", ":"):
        raise errors.invalid("You can't specify the function as a destination for itself.")


def check_dead_letter(target: str) -> None:
    """Raise for what is neither a queue nor a topic; empty means none."""
    parsed = arn.parse(target)
    if target and (parsed is None or parsed.service not in ("sqs", "sns")):
        raise errors.invalid(f"The provided dead-letter target {target} is not the ARN of a queue or a topic.")
    if target.endswith(".fifo"):
        raise errors.invalid(f"The dead-letter target {target} is a FIFO resource: only standard ones are supported.")
