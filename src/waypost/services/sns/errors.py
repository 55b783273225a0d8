"""SNS's errors, in its words."""

from waypost.aws.errors import AwsError


def invalid(parameter: str, reason: str = "") -> AwsError:
    """A parameter that cannot be: ``Invalid parameter: TopicArn``, with a reason where AWS gives one."""
    return AwsError("InvalidParameterException", f"Invalid parameter: {parameter}{' Reason: ' * bool(reason)}{reason}")


def invalid_value(message: str) -> AwsError:
    """A value that cannot be, with SNS's whole sentence."""
    return AwsError("InvalidParameterValueException", message)


def not_found(what: str) -> AwsError:
    """There is no such thing: Topic, Subscription, Endpoint."""
    return AwsError("NotFoundException", f"{what} does not exist")
