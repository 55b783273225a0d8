"""Logging, tracing and encryption of a machine: what is accepted, and how it is described."""

from typing import Any

import msgspec

from waypost.aws.errors import AwsError
from waypost.service import Params

_encode = msgspec.json.Encoder(order="sorted").encode
_decode = msgspec.json.Decoder(dict[str, Any]).decode

NAMES = ("loggingConfiguration", "tracingConfiguration", "encryptionConfiguration")
DEFAULT: dict[str, Any] = {
    "loggingConfiguration": {"level": "OFF", "includeExecutionData": False},
    "tracingConfiguration": {"enabled": False},
    "encryptionConfiguration": {"type": "AWS_OWNED_KEY"},
}


def merged(before: dict[str, Any], request: Params) -> dict[str, Any]:
    """The configuration after a request; raises where AWS does."""
    after = dict(before)
    if request.get("loggingConfiguration") is not None:
        after["loggingConfiguration"] = _logging(request["loggingConfiguration"])
    if request.get("tracingConfiguration") is not None:
        after["tracingConfiguration"] = {"enabled": bool(request["tracingConfiguration"].get("enabled"))}
    if request.get("encryptionConfiguration") is not None:
        after["encryptionConfiguration"] = encryption(request["encryptionConfiguration"])
    return after


def _logging(given: Params) -> dict[str, Any]:
    level = given.get("level", "OFF")
    destinations = given.get("destinations") or []
    if len(destinations) > 1 or (level != "OFF" and not destinations):
        raise _invalid_logging("Must specify exactly one Log Destination.")
    for destination in destinations:
        arn = (destination.get("cloudWatchLogsLogGroup") or {}).get("logGroupArn") or ""
        if not arn.startswith("arn:") or not arn.endswith(":*"):
            raise _invalid_logging("Log Destination not found.")
    if level != "OFF":
        raise _invalid_logging(f"Waypost does not write execution logs yet: level must be OFF, not {level}.")
    described: dict[str, Any] = {"level": level, "includeExecutionData": bool(given.get("includeExecutionData"))}
    if destinations:
        described["destinations"] = destinations
    return described


def encryption(given: Params) -> dict[str, Any]:
    """The only encryption there is, which takes no key of a customer's; raises InvalidEncryptionConfiguration."""
    for name in ("kmsKeyId", "kmsDataKeyReusePeriodSeconds"):
        if given.get(name) is not None:
            raise AwsError(
                "InvalidEncryptionConfiguration",
                f"Invalid Encryption Configuration: {name} must not be given when type is {given['type']}.",
            )
    return {"type": given["type"]}


def _invalid_logging(why: str) -> AwsError:
    return AwsError("InvalidLoggingConfiguration", f"Invalid Logging Configuration: {why}")


def stored(configuration: dict[str, Any]) -> str:
    """As text that is equal for equal configurations."""
    return _encode(configuration).decode()


def read(text: str) -> dict[str, Any]:
    """From the stored text."""
    return _decode(text)
