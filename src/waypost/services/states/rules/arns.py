"""The ARNs of Step Functions: which kind a text is, and what it names."""

from typing import NamedTuple

from waypost import arn as arns
from waypost.arn import Arn
from waypost.services.states import errors


class MachineArn(NamedTuple):
    """``stateMachine:NAME``, with ``:QUALIFIER`` (a version or an alias) or ``/LABEL`` where there is one."""

    account: str
    region: str
    name: str
    qualifier: str
    label: str


class ExecutionArn(NamedTuple):
    """``execution:MACHINE:NAME``."""

    account: str
    region: str
    machine: str
    name: str


class ActivityArn(NamedTuple):
    """``activity:NAME``."""

    account: str
    region: str
    name: str


def _parsed(text: str) -> Arn:
    if not text.startswith("arn:"):
        raise errors.invalid_arn(f"Invalid ARN prefix: {text}")
    found = arns.parse(text)
    if found is None:
        raise errors.invalid_arn(f"ARN is not valid: {text}")
    if found.service != "states":
        raise errors.invalid_arn(f"Service not valid in this context: {found.service}")
    return found


def _rest(found: Arn, *kinds: str) -> tuple[str, list[str]]:
    kind, _, rest = found.resource.partition(":")
    if kind not in kinds or not rest:
        raise errors.invalid_arn(f"Resource type not valid in this context: {kind}")
    return kind, rest.split(":")


def machine(text: str) -> MachineArn:
    """Read a state machine's ARN; raises InvalidArn."""
    found = _parsed(text)
    _, parts = _rest(found, "stateMachine")
    if len(parts) > 2:
        raise errors.invalid_arn(f"ARN is not valid: {text}")
    name, _, label = parts[0].partition("/")
    return MachineArn(found.account, found.region, name, parts[1] if len(parts) == 2 else "", label)


def execution(text: str) -> ExecutionArn:
    """Read a Standard execution's ARN; raises InvalidArn."""
    found = _parsed(text)
    _, parts = _rest(found, "execution")
    if len(parts) != 2 or not all(parts):
        raise errors.invalid_arn(f"ARN is not valid: {text}")
    return ExecutionArn(found.account, found.region, parts[0], parts[1])


def activity(text: str) -> ActivityArn:
    """Read an activity's ARN; raises InvalidArn."""
    found = _parsed(text)
    _, parts = _rest(found, "activity")
    if len(parts) != 1:
        raise errors.invalid_arn(f"ARN is not valid: {text}")
    return ActivityArn(found.account, found.region, parts[0])


def tagged(text: str) -> MachineArn | ActivityArn:
    """Read the ARN of something that can have tags; raises InvalidArn."""
    found = _parsed(text)
    kind, _ = _rest(found, "stateMachine", "activity")
    return machine(text) if kind == "stateMachine" else activity(text)


def role(text: str) -> None:
    """Check what is given as a role; raises InvalidArn."""
    if not text.startswith("arn:"):
        raise errors.invalid_arn(f"Invalid ARN prefix: {text}")
    found = arns.parse(text)
    if found is None or found.service != "iam" or not found.resource.startswith("role/"):
        raise errors.invalid_arn(f"Invalid Role Arn: {text}")


def machine_arn(region: str, account: str, name: str) -> str:
    """Write a state machine's ARN."""
    return arns.make("states", region, account, f"stateMachine:{name}")


def execution_arn(region: str, account: str, machine: str, name: str) -> str:
    """Write an execution's ARN."""
    return arns.make("states", region, account, f"execution:{machine}:{name}")


def activity_arn(region: str, account: str, name: str) -> str:
    """Write an activity's ARN."""
    return arns.make("states", region, account, f"activity:{name}")
