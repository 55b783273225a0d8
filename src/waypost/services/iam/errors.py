"""IAM's errors, in its words."""

from waypost.aws.errors import AwsError

NOUNS = {"role": "role", "user": "user", "group": "group"}


def no_such_entity(message: str) -> AwsError:
    """404 NoSuchEntity."""
    return AwsError("NoSuchEntityException", message, 404)


def not_found(kind: str, name: str) -> AwsError:
    """No role, user, group or instance profile of that name."""
    if kind == "profile":
        return no_such_entity(f"Instance Profile {name} cannot be found.")
    return no_such_entity(f"The {NOUNS[kind]} with name {name} cannot be found.")


def already_exists(message: str) -> AwsError:
    """409 EntityAlreadyExists."""
    return AwsError("EntityAlreadyExistsException", message, 409)


def limit_exceeded(message: str) -> AwsError:
    """409 LimitExceeded."""
    return AwsError("LimitExceededException", message, 409)


def quota(name: str, limit: int) -> AwsError:
    """A quota by its name in AWS's summaries: ``RolesPerAccount``."""
    return limit_exceeded(f"Cannot exceed quota for {name}: {limit}")


def delete_conflict(message: str) -> AwsError:
    """409 DeleteConflict."""
    return AwsError("DeleteConflictException", message, 409)


def invalid_input(message: str) -> AwsError:
    """400 InvalidInput."""
    return AwsError("InvalidInputException", message, 400)


def invalid(message: str) -> AwsError:
    """400 ValidationError, which no model lists."""
    return AwsError("ValidationError", message, 400)


def malformed_policy(message: str) -> AwsError:
    """400 MalformedPolicyDocument."""
    return AwsError("MalformedPolicyDocumentException", message, 400)


def protected(name: str) -> AwsError:
    """400 UnmodifiableEntity: a service-linked role."""
    message = f"Cannot perform the operation on the protected role '{name}' - this role is only modifiable by AWS"
    return AwsError("UnmodifiableEntityException", message, 400)
