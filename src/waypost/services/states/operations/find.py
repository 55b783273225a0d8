"""Finding what an ARN names, in the caller's account and region."""

from typing import NamedTuple

from waypost.service import Context
from waypost.services.states import errors
from waypost.services.states.queries import Q
from waypost.services.states.rules import arns
from waypost.services.states.rules.arns import ActivityArn, ExecutionArn, MachineArn
from waypost.store.queries import Query
from waypost.store.store import Tx


class Machine(NamedTuple):
    """A machine and the revision in force, without its definition."""

    id: int
    status: str
    created_ms: int
    revision: int
    revision_id: str
    digest: str
    role_arn: str
    configuration: str
    revised_ms: int
    name: str
    arn: str


def is_here(ctx: Context, named: MachineArn | ExecutionArn | ActivityArn) -> bool:
    """Whether an ARN is of the caller's account and region."""
    return (named.account, named.region) == (ctx.account, ctx.region)


def machine_by_name(tx: Tx, ctx: Context, name: str, query: Query = Q.find_machine) -> Machine | None:
    """A machine of the caller's account and region; ``query`` may be one of those that lock it."""
    row = tx.one(query, account=ctx.account, region=ctx.region, name=name)
    return None if row is None else Machine._make((*row, name, arns.machine_arn(ctx.region, ctx.account, name)))


def machine(tx: Tx, ctx: Context, arn: str, query: Query = Q.find_machine) -> Machine:
    """The machine that an unqualified ARN names; raises InvalidArn, StateMachineDoesNotExist, ValidationException."""
    named = arns.machine(arn)
    if named.label:
        raise errors.labelled_arn()
    # Neither versions nor aliases exist yet, so none is found.
    found = machine_by_name(tx, ctx, named.name, query) if is_here(ctx, named) and not named.qualifier else None
    if found is None:
        raise errors.machine_does_not_exist(arn)
    return found


def execution(tx: Tx, ctx: Context, arn: str) -> tuple[int, str]:
    """The machine's id and the execution's name that an ARN stands for; raises InvalidArn, ExecutionDoesNotExist."""
    named = arns.execution(arn)
    row = None
    if is_here(ctx, named):
        row = tx.one(Q.machine_id, account=named.account, region=named.region, name=named.machine)
    if row is None:
        raise errors.execution_does_not_exist(arn)
    return row[0], named.name


class Brief(NamedTuple):
    """An execution without its documents."""

    machine: int
    id: int
    status: str
    stopped_ms: int | None
    revision: int


def execution_brief(tx: Tx, ctx: Context, arn: str) -> Brief:
    """The execution that an ARN names; raises InvalidArn, ExecutionDoesNotExist."""
    machine, name = execution(tx, ctx, arn)
    row = tx.one(Q.find_execution_id, machine=machine, name=name)
    if row is None:
        raise errors.execution_does_not_exist(arn)
    return Brief(machine, *row)


def activity(tx: Tx, ctx: Context, arn: str) -> tuple[int, int, str]:
    """Id, creation (ms) and name of an activity; raises InvalidArn, ActivityDoesNotExist."""
    named = arns.activity(arn)
    row = None
    if is_here(ctx, named):
        row = tx.one(Q.find_activity, account=ctx.account, region=ctx.region, name=named.name)
    if row is None:
        raise errors.activity_does_not_exist(arn)
    return row[0], row[1], named.name
