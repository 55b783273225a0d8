"""CloudWatch Logs' errors, in AWS's words where they are known."""

from waypost.aws.errors import AwsError


def invalid(message: str) -> AwsError:
    """A parameter that is not accepted."""
    return AwsError("InvalidParameterException", message)


def invalid_token() -> AwsError:
    """A page's token that no list gave, or that is too old."""
    return invalid("The specified nextToken is invalid.")


def invalid_pattern(why: str = "") -> AwsError:
    """A filter pattern that cannot be read."""
    return invalid(why or "Invalid filter pattern")


def no_group() -> AwsError:
    """No log group of that name."""
    return AwsError("ResourceNotFoundException", "The specified log group does not exist.")


def no_stream() -> AwsError:
    """No log stream of that name in its group."""
    return AwsError("ResourceNotFoundException", "The specified log stream does not exist.")


def no_filter() -> AwsError:
    """No subscription filter of that name on its group."""
    return AwsError("ResourceNotFoundException", "The specified subscription filter does not exist.")


def no_resource() -> AwsError:
    """An ARN of nothing that has tags."""
    return AwsError("ResourceNotFoundException", "The specified resource does not exist.")


def no_policy(name: str) -> AwsError:
    """No resource policy of that name."""
    return AwsError("ResourceNotFoundException", f"Policy with name [{name}] does not exist")


def group_exists() -> AwsError:
    """A log group of that name is there."""
    return AwsError("ResourceAlreadyExistsException", "The specified log group already exists")


def stream_exists() -> AwsError:
    """A log stream of that name is there."""
    return AwsError("ResourceAlreadyExistsException", "The specified log stream already exists")


def limit_exceeded() -> AwsError:
    """One more than the quota."""
    return AwsError("LimitExceededException", "Resource limit exceeded.")


def too_many_tags(resource: str) -> AwsError:
    """More tags than a resource may have."""
    return AwsError(
        "TooManyTagsException", "A resource can have no more than 50 tags.", resourceName=resource
    )  # fmt: skip


def protected() -> AwsError:
    """A log group that must not be deleted."""
    return AwsError(
        "ValidationException", "The specified log group has deletion protection enabled and cannot be deleted."
    )


def not_executable() -> AwsError:
    """A subscription to a function that is not there."""
    return invalid(
        "Could not execute the lambda function. Make sure you have given CloudWatch Logs permission to execute your"
        " function."
    )
