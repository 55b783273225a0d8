"""Lambda's errors, in AWS's words."""

from typing import Any

from waypost.aws.errors import AwsError


def _error(code: str, message: str, status: int | None = None, **members: Any) -> AwsError:
    return AwsError(code, message, status, Type="User", **members)


def invalid(message: str) -> AwsError:
    """A value that Lambda does not accept."""
    return _error("InvalidParameterValueException", message)


def validation(message: str) -> AwsError:
    """A value outside a constraint, as AWS's front end words it."""
    return AwsError("ValidationException", f"1 validation error detected: {message}", 400)


def function_not_found(arn: str) -> AwsError:
    """No such function, or not in that version."""
    return _error("ResourceNotFoundException", f"Function not found: {arn}")


def resource_not_found(message: str = "The resource you requested does not exist.") -> AwsError:
    """No such mapping, policy or code."""
    return _error("ResourceNotFoundException", message)


def conflict(message: str) -> AwsError:
    """Something of that name, or between those two, exists."""
    return _error("ResourceConflictException", message)


def precondition_failed(operation: str = "GetFunction/GetAlias") -> AwsError:
    """The caller's revision is not the latest, which ``operation`` would have told."""
    return _error(
        "PreconditionFailedException",
        f"The Revision Id provided does not match the latest Revision Id. Call the {operation} API to retrieve the "
        "latest Revision Id",
    )


def provisioned_not_found() -> AwsError:
    """Nothing is kept warm of that version or alias."""
    return _error(
        "ProvisionedConcurrencyConfigNotFoundException", "No Provisioned Concurrency Config found for this function"
    )


def too_large(message: str) -> AwsError:
    """More bytes than Lambda takes."""
    return _error("RequestEntityTooLargeException", message, 413)


def invalid_content(message: str) -> AwsError:
    """A payload that is not JSON."""
    return _error("InvalidRequestContentException", message)


def access_denied(message: str) -> AwsError:
    """Lambda, or the caller, may not do that."""
    return _error("AccessDeniedException", message, 403)


def throttled(reason: str = "ConcurrentInvocationLimitExceeded") -> AwsError:
    """No environment is free, or the function may have no more of them."""
    return _error(
        "TooManyRequestsException",
        "Rate Exceeded.",
        429,
        Reason=reason,
        retryAfterSeconds="1",
    )


def runtime_missing(message: str) -> AwsError:
    """The host cannot run the function's runtime."""
    return AwsError("InvalidRuntimeException", message, 502, sender=False, Type="Service")


ROLE_NOT_ASSUMABLE = "The role defined for the function cannot be assumed by Lambda."


def policy_too_long(length: int, most: int) -> AwsError:
    """A resource policy beyond its quota."""
    return _error(
        "PolicyLengthExceededException", f"The final policy size ({length}) is bigger than the limit ({most})."
    )
