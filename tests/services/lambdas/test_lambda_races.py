"""Lambda from two nodes: no change is lost, nothing hangs on what is gone."""

import json
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import msgspec
import pytest
from tests.services.iam.world import TRUST
from tests.services.lambdas.conftest import packed
from tests.store.racing import Call, code_of, only, race, race_work, take_locks_out
from tests.store.two_nodes import ACCOUNT, REGION, Node, World
from tests.stores import sql

from waypost.service import Job, Params, Perform, Service
from waypost.services import lambdas
from waypost.store.store import Tx

ROLE = f"arn:aws:iam::{ACCOUNT}:role/r"
FUNCTION = f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:f"
QUEUE = f"arn:aws:sqs:{REGION}:{ACCOUNT}:q"

HOST = Service(
    "runtimes",
    "",
    {"waypost:Missing": lambda _tx, _ctx, _request: {}, "waypost:Retire": lambda _tx, _ctx, _request: {}},
)


@pytest.fixture
async def world() -> AsyncIterator[World]:
    made = World()
    for node in made.nodes:
        node.registry.services["runtimes"] = HOST
    await done(made, "CreateRole", "iam", RoleName="r", AssumeRolePolicyDocument=TRUST)
    yield made
    await made.close()


def call(operation: str, **request: object) -> Call:
    return "lambda", operation, request


async def done(world: World, operation: str, service: str = "lambda", **request: object) -> Params:
    return only(await world.nodes[0].call(service, operation, **request))


def creation(code: str = "") -> Call:
    return call(
        "CreateFunction", FunctionName="f", Runtime="python3.11", Role=ROLE, Handler="index.handler",
        Code={"ZipFile": packed(code)},
    )  # fmt: skip


async def function(world: World) -> Params:
    return await done(world, "CreateFunction", **creation()[2])


def rows(world: World, text: str) -> list[Any]:
    return sql(world.nodes[0].store, text)


def permission(sid: str) -> Call:
    return call(
        "AddPermission",
        FunctionName="f",
        StatementId=sid,
        Action="lambda:InvokeFunction",
        Principal="sqs.amazonaws.com",
    )


DELETE = call("DeleteFunction", FunctionName="f")


async def two_parts_change_at_once(world: World) -> None:
    await function(world)
    await race(
        world,
        call("UpdateFunctionConfiguration", FunctionName="f", Timeout=10),
        "lock_function",
        call("UpdateFunctionConfiguration", FunctionName="f", MemorySize=512),
    )
    found = await done(world, "GetFunctionConfiguration", FunctionName="f")
    assert (found["Timeout"], found["MemorySize"]) == (10, 512)


async def code_and_configuration_change_at_once(world: World) -> None:
    await function(world)
    _, changed = await race(
        world,
        call("UpdateFunctionConfiguration", FunctionName="f", Timeout=10),
        "lock_function",
        call("UpdateFunctionCode", FunctionName="f", ZipFile=packed("new")),
    )
    found = await done(world, "GetFunctionConfiguration", FunctionName="f")
    assert (found["Timeout"], found["CodeSha256"]) == (10, changed["CodeSha256"])


async def a_revision_is_changed_twice(world: World) -> None:
    revision = (await function(world))["RevisionId"]
    one, other = (
        call("UpdateFunctionConfiguration", FunctionName="f", Timeout=timeout, RevisionId=revision)
        for timeout in (4, 5)
    )
    answers = await race(world, one, "lock_function", other)
    assert list(map(code_of, answers)) == ["", "PreconditionFailed"]


async def two_statements_are_added_at_once(world: World) -> None:
    await function(world)
    await race(world, permission("a"), "get_policy", permission("b"))
    policy = json.loads((await done(world, "GetPolicy", FunctionName="f"))["Policy"])
    assert [statement["Sid"] for statement in policy["Statement"]] == ["a", "b"]


async def a_function_goes_while_it_gets_a_statement(world: World) -> None:
    await function(world)
    await race(world, permission("a"), "get_policy", DELETE)
    assert rows(world, "SELECT function_id FROM lambda_policy") == []


async def two_sets_of_tags_are_put_at_once(world: World) -> None:
    await function(world)
    one, other = (call("TagResource", Resource=FUNCTION, Tags={key: "v"}) for key in "ab")
    await race(world, one, "lock_function", other)
    assert (await done(world, "ListTags", Resource=FUNCTION))["Tags"] == {"a": "v", "b": "v"}


async def two_parts_of_a_mapping_change_at_once(world: World) -> None:
    uuid = await mapping(world)
    await race(
        world,
        call("UpdateEventSourceMapping", UUID=uuid, BatchSize=3),
        "lock_mapping",
        call("UpdateEventSourceMapping", UUID=uuid, Enabled=False),
    )
    found = await done(world, "GetEventSourceMapping", UUID=uuid)
    assert (found["BatchSize"], found["State"]) == (3, "Disabled")


async def a_mapping_is_deleted_twice(world: World) -> None:
    delete = call("DeleteEventSourceMapping", UUID=await mapping(world))
    answers = await race(world, delete, "lock_mapping", delete)
    assert list(map(code_of, answers)) == ["", "ResourceNotFound"]


async def a_function_is_deleted_twice(world: World) -> None:
    await function(world)
    answers = await race(world, DELETE, "lock_function", DELETE)
    assert list(map(code_of, answers)) == ["", "ResourceNotFound"]


async def credentials_are_renewed_by_two(world: World) -> None:
    await function(world)
    here, there = world.nodes
    one, other = await race_work(
        world, invocation(here), "lock_runnable", lambda: there.store.transact(invocation(there))
    )
    assert one.call.credentials == other.call.credentials
    assert one.call.spec.revision == other.call.spec.revision
    assert len(rows(world, "SELECT access_key FROM sts_session")) == 1


async def a_role_changes_while_credentials_are_renewed(world: World) -> None:
    await done(world, "CreateRole", "iam", RoleName="s", AssumeRolePolicyDocument=TRUST)
    await function(world)
    change = call("UpdateFunctionConfiguration", FunctionName="f", Role=ROLE[:-1] + "s")
    there = world.nodes[1]
    _, changed = await race_work(
        world, invocation(world.nodes[0]), "lock_runnable", lambda: there.call(change[0], change[1], **change[2])
    )
    only(changed)
    await there.store.transact(invocation(there))
    (credentials,) = rows(world, "SELECT credentials FROM lambda_function")[0]
    key = json.loads(credentials)["AWS_ACCESS_KEY_ID"]
    sessions = dict(rows(world, "SELECT access_key, role_arn FROM sts_session"))
    assert sessions[key] == ROLE[:-1] + "s"


async def two_publish_what_one_changed(world: World) -> None:
    await function(world)
    publish = call("PublishVersion", FunctionName="f")
    one, other = await race(world, publish, "last_version", publish)
    assert (only(one)["Version"], only(other)["Version"]) == ("1", "1")
    assert len(rows(world, "SELECT version FROM lambda_version")) == 1


async def a_version_goes_while_an_alias_names_it(world: World) -> None:
    await function(world)
    await done(world, "PublishVersion", FunctionName="f")
    name = call("CreateAlias", FunctionName="f", Name="live", FunctionVersion="1")
    delete = call("DeleteFunction", FunctionName="f", Qualifier="1")
    answers = await race(world, name, "get_version", delete)
    assert list(map(code_of, answers)) == ["", "ResourceConflict"]


async def a_function_goes_while_a_version_is_made(world: World) -> None:
    await function(world)
    await race(world, call("PublishVersion", FunctionName="f"), "last_version", DELETE)
    assert rows(world, "SELECT version FROM lambda_version") == []


async def an_alias_is_changed_twice(world: World) -> None:
    await function(world)
    await done(world, "PublishVersion", FunctionName="f")
    made = await done(world, "CreateAlias", FunctionName="f", Name="live", FunctionVersion="1")
    one, other = (
        call("UpdateAlias", FunctionName="f", Name="live", Description=text, RevisionId=made["RevisionId"])
        for text in "ab"
    )
    answers = await race(world, one, "find_alias", other)
    assert list(map(code_of, answers)) == ["", "PreconditionFailed"]


async def a_layer_gets_two_statements_at_once(world: World) -> None:
    layer = {"LayerName": "l", "Content": {"ZipFile": packed(name="python/shared.py")}}
    await done(world, "PublishLayerVersion", **layer)
    one, other = (
        call(
            "AddLayerVersionPermission", LayerName="l", VersionNumber=1, StatementId=sid, Principal="*",
            Action="lambda:GetLayerVersion",
        )
        for sid in "ab"
    )  # fmt: skip
    await race(world, one, "lock_layer_version", other)
    policy = json.loads((await done(world, "GetLayerVersionPolicy", LayerName="l", VersionNumber=1))["Policy"])
    assert [statement["Sid"] for statement in policy["Statement"]] == ["a", "b"]


async def what_is_reserved_is_provisioned_twice(world: World) -> None:
    await function(world)
    await done(world, "PublishVersion", FunctionName="f")
    await done(world, "UpdateFunctionConfiguration", FunctionName="f", Timeout=9)
    await done(world, "PublishVersion", FunctionName="f")
    await done(world, "PutFunctionConcurrency", FunctionName="f", ReservedConcurrentExecutions=3)
    one, other = (
        call("PutProvisionedConcurrencyConfig", FunctionName="f", Qualifier=version, ProvisionedConcurrentExecutions=2)
        for version in "12"
    )
    answers = await race(world, one, "provisioned_of_function", other)
    assert list(map(code_of, answers)) == ["", "InvalidParameterValue"]


async def the_rules_of_events_go_with_their_alias(world: World) -> None:
    await function(world)
    await done(world, "CreateAlias", FunctionName="f", Name="live", FunctionVersion="$LATEST")
    put = call("PutFunctionEventInvokeConfig", FunctionName="f", Qualifier="live", MaximumRetryAttempts=1)
    await race(world, put, "find_alias", call("DeleteAlias", FunctionName="f", Name="live"))
    assert rows(world, "SELECT qualifier FROM lambda_event_config") == []


RACES = [
    a_layer_gets_two_statements_at_once,
    what_is_reserved_is_provisioned_twice,
    the_rules_of_events_go_with_their_alias,
    two_publish_what_one_changed,
    a_version_goes_while_an_alias_names_it,
    a_function_goes_while_a_version_is_made,
    an_alias_is_changed_twice,
    two_parts_change_at_once,
    code_and_configuration_change_at_once,
    a_revision_is_changed_twice,
    two_statements_are_added_at_once,
    a_function_goes_while_it_gets_a_statement,
    two_sets_of_tags_are_put_at_once,
    two_parts_of_a_mapping_change_at_once,
    a_mapping_is_deleted_twice,
    a_function_is_deleted_twice,
    credentials_are_renewed_by_two,
    a_role_changes_while_credentials_are_renewed,
]


@pytest.mark.parametrize("rule", RACES, ids=lambda rule: rule.__name__)
async def test_a_rule_holds_between_nodes(world: World, rule: Callable[[World], Awaitable[None]]) -> None:
    await rule(world)


@pytest.mark.parametrize("rule", RACES, ids=lambda rule: rule.__name__)
async def test_without_its_locks_it_does_not(
    world: World, monkeypatch: pytest.MonkeyPatch, rule: Callable[[World], Awaitable[None]]
) -> None:
    for node in world.nodes:
        node.store._texts.clear()  # the role of the fixture was made with locks
    take_locks_out(monkeypatch)
    with pytest.raises(AssertionError):
        await rule(world)


def invocation(node: Node) -> Callable[[Tx], Perform]:
    def step(tx: Tx) -> Perform:
        ctx = msgspec.structs.replace(node.engine.context(ACCOUNT, REGION), wire="json")
        wanted = lambdas.SERVICE.operations["Invoke"](tx, ctx, {"FunctionName": "f"})
        assert isinstance(wanted, Perform)
        return wanted

    return step


async def queue(world: World) -> None:
    url = await world.queue()
    await done(world, "SetQueueAttributes", "sqs", QueueUrl=url, Attributes={"VisibilityTimeout": "30"})


async def mapping(world: World) -> str:
    await queue(world)
    await function(world)
    made = await done(world, "CreateEventSourceMapping", FunctionName="f", EventSourceArn=QUEUE)
    return str(made["UUID"])


async def test_a_queue_is_mapped_to_a_function_once(world: World) -> None:
    await queue(world)
    await function(world)
    create = call("CreateEventSourceMapping", FunctionName="f", EventSourceArn=QUEUE)
    answers = await race(world, create, "find_mapping", create)
    assert list(map(code_of, answers)) == ["ResourceConflict", ""]
    assert only(answers[1])["UUID"] in str(answers[0])


async def test_two_functions_do_not_reserve_the_same_rest(world: World) -> None:
    for name in "fg":
        await done(world, "CreateFunction", **(creation()[2] | {"FunctionName": name}))
    one, other = (call("PutFunctionConcurrency", FunctionName=name, ReservedConcurrentExecutions=600) for name in "fg")
    answers = await race(world, one, "sum_reserved", other)
    assert list(map(code_of, answers)) == ["", "InvalidParameterValue"]


async def test_a_function_of_a_name_is_made_once(world: World) -> None:
    answers = await race(world, creation("1"), "insert_function", creation("2"))
    assert list(map(code_of, answers)) == ["", "ResourceConflict"]
    assert len(rows(world, "SELECT sha256 FROM lambda_code")) == 1


@pytest.mark.parametrize("after", ["lock_code", "delete_unused_code"])
async def test_code_that_is_wanted_again_is_not_forgotten(world: World, after: str) -> None:
    """The job that forgets it meets a function that is made of the same bytes."""
    made = await function(world)
    await done(world, "DeleteFunction", FunctionName="f")
    (sha256,) = rows(world, "SELECT sha256 FROM lambda_code")[0]
    here, there = world.nodes
    ctx = here.engine.context(ACCOUNT, REGION)
    handler = lambdas.SERVICE.jobs["lambda.forget_code"]

    def forget(tx: Tx) -> Any:
        return handler(tx, ctx, Job(0, "", "", "", "", 0, 0, {"CodeSha256": sha256}))

    _, again = await race_work(world, forget, after, lambda: there.call("lambda", "CreateFunction", **creation()[2]))
    assert only(again)["CodeSha256"] == made["CodeSha256"]
    assert rows(world, "SELECT sha256 FROM lambda_code") == [(sha256,)]
