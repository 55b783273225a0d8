"""What the wire says of an ``AwsError``: the model's account of it, else the one that all services share."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from waypost.aws.errors import AwsError
from waypost.aws.model import Service, Shape


class Common(NamedTuple):
    """An error of the framework under every service, listed in no model."""

    name: str
    """Its name in the JSON protocols."""
    query_code: str
    """Its code in the XML ones."""
    json_status: int
    status: int
    """HTTP status outside AWS JSON."""
    namespace: str = "com.amazon.coral.service"


_COMMON = (
    Common("AccessDeniedException", "AccessDenied", 400, 403),
    Common("ExpiredTokenException", "ExpiredToken", 400, 403),
    Common("IncompleteSignatureException", "IncompleteSignature", 400, 400),
    Common("InternalFailure", "InternalFailure", 500, 500),
    Common("InvalidParameterCombinationException", "InvalidParameterCombination", 400, 400),
    Common("InvalidParameterValueException", "InvalidParameterValue", 400, 400),
    Common("InvalidSignatureException", "SignatureDoesNotMatch", 400, 403),
    Common("MissingAuthenticationTokenException", "MissingAuthenticationToken", 400, 403),
    Common("MissingRequiredParameterException", "MissingParameter", 400, 400),
    Common("RequestEntityTooLargeException", "RequestEntityTooLarge", 413, 413),
    Common("RequestTimeoutException", "RequestTimeout", 408, 408),
    Common("SerializationException", "MalformedInput", 400, 400),
    Common("ServiceUnavailableException", "ServiceUnavailable", 503, 503),
    Common("ThrottlingException", "Throttling", 400, 429),
    Common("UnknownOperationException", "InvalidAction", 400, 404),
    Common("UnrecognizedClientException", "InvalidClientTokenId", 400, 403),
    Common("ValidationException", "ValidationError", 400, 400, "com.amazon.coral.validate"),
)
_BY_NAME: Mapping[str, Common] = {
    **{common.query_code: common for common in _COMMON},
    **{common.name: common for common in _COMMON},
}


class Fault(NamedTuple):
    """An error as a codec writes it."""

    name: str
    """The shape's name, or the framework's: for JSON."""
    code: str
    """For XML and for ``x-amzn-query-error``."""
    namespace: str
    """What precedes ``#`` in a JSON ``__type``; empty for nothing."""
    status: int
    sender: bool
    message: str
    message_member: str
    """How the shape spells the member that holds the message."""
    members: dict[str, Any]
    """Further members by their names in the model."""
    shape: Shape | None


def resolve(service: Service | None, error: AwsError, wire: str) -> Fault:
    """Find what the model, its overlay and the framework say of ``error`` on ``wire``."""
    if service is not None:
        shape = service.shapes.get(error.code)
        if shape is not None and shape.exception:
            return _modelled(service, error, error.code, shape)
        name = service.error_shapes.get(error.code)
        if name is not None:
            return _modelled(service, error, name, service.shapes[name])
    common = _BY_NAME.get(error.code)
    members = dict(error.members)
    if common is None:
        status = error.status or (400 if error.sender else 500)
        return Fault(error.code, error.code, "", status, error.sender, error.message, "message", members, None)
    status = error.status or (common.json_status if wire == "json" else common.status)
    return Fault(
        common.name, common.query_code, common.namespace, status, error.sender and status < 500, error.message,
        "message", members, None,
    )  # fmt: skip


def _modelled(service: Service, error: AwsError, name: str, shape: Shape) -> Fault:
    trait = shape.error
    sender = error.sender and not shape.fault
    status = error.status or (trait and trait.http_status_code) or (400 if sender else 500)
    message_member = next((member for member in shape.members if member.lower() == "message"), "message")
    members = {member: value for member, value in error.members.items() if value is not None}
    for member, words in service.overlay.error_members.items():
        if member in shape.members:
            members.setdefault(member, words["sender" if sender else "receiver"])
    return Fault(
        name,
        (trait and trait.code) or name,
        (trait and trait.namespace) or service.overlay.error_namespace,
        status,
        sender,
        error.message,
        message_member,
        members,
        shape,
    )
