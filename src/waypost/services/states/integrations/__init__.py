"""What a Task may call: one module per service, one entry per action, all of them pure."""

from collections.abc import Mapping

from waypost.asl.commands import Resource
from waypost.services.states.integrations import lambda_, sqs
from waypost.services.states.integrations.task import Integration

SERVICES: Mapping[tuple[str, str], Integration] = {
    ("sqs", "sendMessage"): sqs.SEND_MESSAGE,
    ("lambda", "invoke"): lambda_.INVOKE,
}
"""By service and action, as the resource ``arn:aws:states:::SERVICE:ACTION`` names them."""


def find(resource: Resource) -> Integration | None:
    """The way to run a resource, or None where Waypost has none. Activities need none: their workers come for them."""
    if resource.kind == "lambda-function":
        return lambda_.FUNCTION
    found = SERVICES.get((resource.service, resource.action))
    return found if found is not None and resource.pattern in found.patterns else None


def runs(resource: Resource) -> bool:
    """Whether Waypost can run a Task of this resource."""
    return resource.kind == "activity" or find(resource) is not None
