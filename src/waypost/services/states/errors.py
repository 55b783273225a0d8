"""Step Functions' errors, in its own words."""

from typing import Any

from waypost.aws.errors import AwsError


def invalid_name(name: str) -> AwsError:
    """A name with a forbidden character, or of a forbidden length."""
    return AwsError("InvalidName", f"Invalid Name: '{name}'")


def invalid_arn(why: str) -> AwsError:
    """An ARN that cannot be one, or names the wrong kind of thing."""
    return AwsError("InvalidArn", f"Invalid Arn: '{why}'")


def invalid_token() -> AwsError:
    """A task token or page token that was not given out by this server."""
    return AwsError("InvalidToken", "Invalid Token: 'Invalid token'")


def invalid_input(why: str) -> AwsError:
    """An execution's input that is not JSON."""
    return AwsError("InvalidExecutionInput", f"Invalid State Machine Execution Input: '{why}'")


def invalid_output(why: str) -> AwsError:
    """A task's output that is not JSON."""
    return AwsError("InvalidOutput", f"Invalid Output: '{why}'")


def machine_does_not_exist(arn: str) -> AwsError:
    """No such state machine."""
    return AwsError("StateMachineDoesNotExist", f"State Machine Does Not Exist: '{arn}'")


def machine_already_exists(arn: str) -> AwsError:
    """A different state machine has the name."""
    return AwsError("StateMachineAlreadyExists", f"State Machine Already Exists: '{arn}'")


def machine_deleting(arn: str) -> AwsError:
    """The machine waits for its executions to end, and takes no more."""
    return AwsError("StateMachineDeleting", f"State Machine is Deleting: '{arn}'")


def machine_type_not_supported() -> AwsError:
    """An operation for the other type of state machine."""
    return AwsError("StateMachineTypeNotSupported", "This operation is not supported by this type of state machine")


def execution_does_not_exist(arn: str) -> AwsError:
    """No such execution."""
    return AwsError("ExecutionDoesNotExist", f"Execution Does Not Exist: '{arn}'")


def execution_already_exists(arn: str) -> AwsError:
    """The name was used in the last 90 days, and not for this very start."""
    return AwsError("ExecutionAlreadyExists", f"Execution Already Exists: '{arn}'")


def activity_does_not_exist(arn: str) -> AwsError:
    """No such activity."""
    return AwsError("ActivityDoesNotExist", f"Activity Does Not Exist: '{arn}'")


def task_timed_out() -> AwsError:
    """The token's task is over: it was reported before, timed out, or its execution ended."""
    return AwsError("TaskTimedOut", "Task Timed Out: 'Provided task does not exist anymore'")


def task_does_not_exist() -> AwsError:
    """The token's execution is unknown here."""
    return AwsError("TaskDoesNotExist", "Task Does Not Exist: 'Provided task does not exist'")


def resource_not_found(arn: str) -> AwsError:
    """Nothing with tags has that ARN."""
    return AwsError("ResourceNotFound", f"Resource not found: '{arn}'", resourceName=arn)


def too_many_tags(arn: str) -> AwsError:
    """More than fifty tags."""
    return AwsError("TooManyTags", f"Too many tags: '{arn}'", resourceName=arn)


def validation(message: str, reason: str | None = None) -> AwsError:
    """A request that cannot be, with AWS's reason code where it has one."""
    members: dict[str, Any] = {} if reason is None else {"reason": reason}
    return AwsError("ValidationException", message, **members)


def labelled_arn() -> AwsError:
    """An ARN that names a distributed Map state inside a machine."""
    return validation("This operation does not support labeled state machine ARNs", "API_DOES_NOT_SUPPORT_LABELED_ARNS")


def update_without_change() -> AwsError:
    """UpdateStateMachine that gives nothing to update."""
    return AwsError(
        "MissingRequiredParameter",
        "Either the definition, the role ARN, the LoggingConfiguration, or the TracingConfiguration must be specified",
    )


def express_not_built() -> AwsError:
    """Waypost's own."""
    return AwsError("StateMachineTypeNotSupported", "Waypost does not run EXPRESS state machines yet")
