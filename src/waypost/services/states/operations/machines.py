"""State machines."""

from typing import Any

from waypost.asl.program import MachineType
from waypost.service import Context, Params
from waypost.services.states import errors
from waypost.services.states.driver import remove_machine, sweep_key
from waypost.services.states.limits import REMOVE_EVERY_MS, SWEEP_EVERY_MS
from waypost.services.states.operations import find
from waypost.services.states.operations.find import Machine
from waypost.services.states.programs import digest_of, program_of, remember
from waypost.services.states.queries import Q
from waypost.services.states.rules import arns, configuration, definitions, names, pages, tags
from waypost.store.store import Tx
from waypost.work import jobs


def create_state_machine(tx: Tx, ctx: Context, request: Params) -> Params:
    """Create a machine; the same request again answers the same."""
    name, definition = request["name"], request["definition"]
    if not names.is_valid(name):
        raise errors.invalid_name(name)
    arns.role(request["roleArn"])
    if request.get("versionDescription") and not request.get("publish"):
        raise errors.validation("Version description can only be set when publish is true")
    machine_type: MachineType = request.get("type") or "STANDARD"
    program = definitions.compiled(definition, machine_type)
    if machine_type == "EXPRESS":
        raise errors.express_not_built()
    settings = configuration.stored(configuration.merged(configuration.DEFAULT, request))
    arn = arns.machine_arn(ctx.region, ctx.account, name)
    tagged = tags.read(request.get("tags"), arn)
    digest = digest_of(definition)
    found = find.machine_by_name(tx, ctx, name)
    if found is not None:
        if found.status == "DELETING":
            raise errors.machine_deleting(arn)
        if (found.digest, found.configuration) != (digest, settings):
            raise errors.machine_already_exists(arn)
        return {"stateMachineArn": arn, "creationDate": found.created_ms / 1000}
    machine, revision = ctx.ids.row(ctx.now_ms), ctx.ids.row(ctx.now_ms)
    tx.run(
        Q.insert_machine, id=machine, account=ctx.account, region=ctx.region, name=name, revision=revision,
        now=ctx.now_ms, digest=digest, role_arn=request["roleArn"], configuration=settings,
    )  # fmt: skip
    tx.run(
        Q.insert_revision, id=revision, machine=machine, revision_id="", now=ctx.now_ms, role_arn=request["roleArn"],
        configuration=settings, digest=digest, definition=definition,
    )  # fmt: skip
    for key, value in tagged.items():
        tx.send(Q.put_tag, resource=machine, key=key, value=value)
    jobs.enqueue(
        tx, ctx, kind="states.sweep", key=sweep_key(machine), run_at_ms=ctx.now_ms + SWEEP_EVERY_MS,
        payload={"machine": machine},
    )  # fmt: skip
    remember(digest, program)
    return {"stateMachineArn": arn, "creationDate": ctx.now_ms / 1000}


def update_state_machine(tx: Tx, ctx: Context, request: Params) -> Params:
    """Give a machine a new revision; executions that run keep the old one."""
    given = {name: request.get(name) for name in ("definition", "roleArn", *configuration.NAMES)}
    if all(value is None for value in given.values()):
        raise errors.update_without_change()
    if request.get("versionDescription") and not request.get("publish"):
        raise errors.validation("Version description can only be set when publish is true")
    found = find.machine(tx, ctx, request["stateMachineArn"], Q.lock_machine)
    if found.status == "DELETING":
        raise errors.machine_deleting(found.arn)
    role_arn, digest, definition = found.role_arn, found.digest, given["definition"]
    if given["roleArn"] is not None:
        arns.role(given["roleArn"])
        role_arn = given["roleArn"]
    if definition is not None:
        program = definitions.compiled(definition, "STANDARD")
        digest = digest_of(definition)
        remember(digest, program)
    settings = configuration.stored(configuration.merged(configuration.read(found.configuration), request))
    if (role_arn, digest, settings) == (found.role_arn, found.digest, found.configuration):
        unchanged: Params = {"updateDate": ctx.now_ms / 1000}
        if found.revision_id:
            unchanged["revisionId"] = found.revision_id
        return unchanged
    if definition is None:
        definition = _definition(tx, found.revision)
    revision, revision_id = ctx.ids.row(ctx.now_ms), ctx.ids.uuid()
    tx.run(
        Q.insert_revision, id=revision, machine=found.id, revision_id=revision_id, now=ctx.now_ms, role_arn=role_arn,
        configuration=settings, digest=digest, definition=definition,
    )  # fmt: skip
    tx.run(
        Q.set_revision, id=found.id, revision=revision, revision_id=revision_id, digest=digest, role_arn=role_arn,
        configuration=settings, now=ctx.now_ms,
    )  # fmt: skip
    return {"updateDate": ctx.now_ms / 1000, "revisionId": revision_id}


def describe_state_machine(tx: Tx, ctx: Context, request: Params) -> Params:
    """A machine as it would run now."""
    found = find.machine(tx, ctx, request["stateMachineArn"])
    answer: Params = {
        "stateMachineArn": found.arn,
        "name": found.name,
        "status": found.status,
        "roleArn": found.role_arn,
        "type": "STANDARD",
        "creationDate": found.created_ms / 1000,
        **configuration.read(found.configuration),
    }
    if found.revision_id:
        answer["revisionId"] = found.revision_id
    answer.update(_shown_definition(tx, request, found.digest, found.revision, None))
    return answer


def describe_state_machine_for_execution(tx: Tx, ctx: Context, request: Params) -> Params:
    """The machine as an execution runs it."""
    arn = request["executionArn"]
    execution = find.execution_brief(tx, ctx, arn)
    named = arns.execution(arn)
    row = tx.one(Q.get_revision, id=execution.revision)
    if row is None:
        raise errors.execution_does_not_exist(arn)
    revision_id, revised_ms, role_arn, settings, digest, definition = row
    answer: Params = {
        "stateMachineArn": arns.machine_arn(ctx.region, ctx.account, named.machine),
        "name": named.machine,
        "roleArn": role_arn,
        "updateDate": revised_ms / 1000,
        **configuration.read(settings),
    }
    if revision_id:
        answer["revisionId"] = revision_id
    answer.update(_shown_definition(tx, request, digest, execution.revision, definition))
    return answer


def _shown_definition(tx: Tx, request: Params, digest: str, revision: int, definition: str | None) -> Params:
    if request.get("includedData") == "METADATA_ONLY":
        return {"definition": "{}"}
    answer: Params = {"definition": _definition(tx, revision) if definition is None else definition}
    references: dict[str, Any] = getattr(program_of(tx, digest, revision), "variable_references", {})
    if references:
        answer["variableReferences"] = references
    return answer


def _definition(tx: Tx, revision: int) -> str:
    row = tx.one(Q.get_definition, id=revision)
    return str(row[0]) if row is not None else ""


def list_state_machines(tx: Tx, ctx: Context, request: Params) -> Params:
    """The machines of an account and region, by name."""
    size = pages.size(request.get("maxResults"))
    place = pages.read(request.get("nextToken"), "machines", ctx.now_ms, str)
    rows = tx.all(
        Q.list_machines, account=ctx.account, region=ctx.region, after=place[0] if place else "", max=size + 1
    )
    answer: Params = {
        "stateMachines": [
            {
                "stateMachineArn": arns.machine_arn(ctx.region, ctx.account, name),
                "name": name,
                "type": "STANDARD",
                "creationDate": created_ms / 1000,
            }
            for name, created_ms in rows[:size]
        ]
    }
    if len(rows) > size:
        answer["nextToken"] = pages.write("machines", ctx.now_ms, rows[size - 1][0])
    return answer


def list_state_machine_versions(tx: Tx, ctx: Context, request: Params) -> Params:
    """None: publishing versions is refused, so no machine has one."""
    find.machine(tx, ctx, request["stateMachineArn"])
    pages.read(request.get("nextToken"), "versions", ctx.now_ms, int)
    return {"stateMachineVersions": []}


def delete_state_machine(tx: Tx, ctx: Context, request: Params) -> Params:
    """Delete a machine, once its executions have ended; what runs is aborted at its next transition."""
    named = arns.machine(request["stateMachineArn"])
    if named.label:
        raise errors.labelled_arn()
    found: Machine | None = None
    if find.is_here(ctx, named) and not named.qualifier:
        found = find.machine_by_name(tx, ctx, named.name, Q.lock_machine)
    if found is None or found.status == "DELETING":
        return {}
    claimed = tx.one(Q.claim_machine, id=found.id) is not None
    if claimed and tx.one(Q.any_running, machine=found.id) is None:
        remove_machine(tx, ctx, found.id)
        return {}
    # What runs, or is being started at this moment, removes it when it ends; the sweep looks after that.
    tx.send(Q.set_deleting, id=found.id)
    jobs.drop(tx, sweep_key(found.id))
    jobs.enqueue(
        tx, ctx, kind="states.sweep", key=sweep_key(found.id), run_at_ms=ctx.now_ms + REMOVE_EVERY_MS,
        payload={"machine": found.id},
    )  # fmt: skip
    return {}


def validate_state_machine_definition(_tx: Tx, _ctx: Context, request: Params) -> Params:
    """Every problem of a definition; a bad one is an answer here, not an error."""
    found = definitions.problems(request["definition"], request.get("type") or "STANDARD")
    size = request.get("maxResults") or 100
    diagnostics = []
    for problem in found[:size]:
        diagnostic = {"severity": "ERROR", "code": problem.code, "message": problem.message}
        if problem.location:
            diagnostic["location"] = problem.location
        diagnostics.append(diagnostic)
    return {
        "result": "FAIL" if found else "OK",
        "diagnostics": diagnostics,
        "truncated": len(found) > size,
    }
