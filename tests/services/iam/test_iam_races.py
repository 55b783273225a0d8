"""IAM from two nodes: what is checked is still so when it is acted on. Without its locks each of them is lost."""

from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
from tests.services.iam.world import POLICY, TRUST
from tests.store.racing import Call, code_of, only, race, take_locks_out
from tests.store.two_nodes import ACCOUNT, World
from tests.stores import sql

from waypost.services.iam import entities, limits
from waypost.services.iam.operations import policies, users
from waypost.store.queries import parse

ARN = f"arn:aws:iam::{ACCOUNT}:policy/p"


@pytest.fixture
async def world() -> AsyncIterator[World]:
    made = World()
    yield made
    await made.close()


def call(operation: str, **request: object) -> Call:
    return "iam", operation, request


async def done(world: World, operation: str, **request: object) -> None:
    only(await world.nodes[0].call("iam", operation, **request))


def rows(world: World, text: str) -> list[tuple[object, ...]]:
    return sql(world.nodes[0].store, text)


async def policy_and_role(world: World) -> None:
    await done(world, "CreatePolicy", PolicyName="p", PolicyDocument=POLICY)
    await done(world, "CreateRole", RoleName="r", AssumeRolePolicyDocument=TRUST)


ATTACH = call("AttachRolePolicy", RoleName="r", PolicyArn=ARN)
ATTACHMENTS = "SELECT entity FROM iam_attachment"


async def attached_while_the_role_goes(world: World) -> None:
    await policy_and_role(world)
    answers = await race(world, call("DeleteRole", RoleName="r"), "list_attached", ATTACH)
    assert list(map(code_of, answers)) == ["", "NoSuchEntity"]
    assert rows(world, ATTACHMENTS) == []


async def the_role_goes_while_it_is_attached(world: World) -> None:
    await policy_and_role(world)
    answers = await race(world, ATTACH, "count_attached", call("DeleteRole", RoleName="r"))
    assert list(map(code_of, answers)) == ["", "DeleteConflict"]


async def attached_while_the_policy_goes(world: World) -> None:
    await policy_and_role(world)
    answers = await race(world, call("DeletePolicy", PolicyArn=ARN), "count_uses", ATTACH)
    assert list(map(code_of, answers)) == ["", "NoSuchEntity"]
    assert rows(world, ATTACHMENTS) == []


async def the_policy_goes_while_it_is_attached(world: World) -> None:
    await policy_and_role(world)
    answers = await race(world, ATTACH, "count_attached", call("DeletePolicy", PolicyArn=ARN))
    assert list(map(code_of, answers)) == ["", "DeleteConflict"]


async def the_policy_goes_while_it_becomes_a_boundary(world: World) -> None:
    await policy_and_role(world)
    bound = call("PutRolePermissionsBoundary", RoleName="r", PermissionsBoundary=ARN)
    answers = await race(world, bound, "keep_policy", call("DeletePolicy", PolicyArn=ARN))
    assert list(map(code_of, answers)) == ["", "DeleteConflict"]


async def the_policy_goes_while_a_role_is_made_within_it(world: World) -> None:
    await done(world, "CreatePolicy", PolicyName="p", PolicyDocument=POLICY)
    made = call("CreateRole", RoleName="r", AssumeRolePolicyDocument=TRUST, PermissionsBoundary=ARN)
    answers = await race(world, made, "keep_policy", call("DeletePolicy", PolicyArn=ARN))
    assert list(map(code_of, answers)) == ["", "DeleteConflict"]


async def the_last_place_for_a_policy_is_taken_twice(world: World) -> None:
    await done(world, "CreateUser", UserName="u")
    for i in range(limits.ATTACHED_MAX["user"] + 1):
        await done(world, "CreatePolicy", PolicyName=f"p{i}", PolicyDocument=POLICY)
    names = [f"{ARN}{i}" for i in range(limits.ATTACHED_MAX["user"] + 1)]
    for arn in names[:-2]:
        await done(world, "AttachUserPolicy", UserName="u", PolicyArn=arn)
    one, other = (call("AttachUserPolicy", UserName="u", PolicyArn=arn) for arn in names[-2:])
    answers = await race(world, one, "count_attached", other)
    assert list(map(code_of, answers)) == ["", "LimitExceeded"]


async def the_last_room_for_a_document_is_taken_twice(world: World) -> None:
    await done(world, "CreateUser", UserName="u")
    filler = '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"sqs:*","Resource":"*"%s}]}'
    large = filler % (',"Sid":"' + "x" * 1_200 + '"')
    one, other = (call("PutUserPolicy", UserName="u", PolicyName=name, PolicyDocument=large) for name in "ab")
    answers = await race(world, one, "inline_size", other)
    assert list(map(code_of, answers)) == ["", "LimitExceeded"]


async def a_document_is_put_while_its_role_goes(world: World) -> None:
    await done(world, "CreateRole", RoleName="r", AssumeRolePolicyDocument=TRUST)
    put = call("PutRolePolicy", RoleName="r", PolicyName="x", PolicyDocument=POLICY)
    answers = await race(world, call("DeleteRole", RoleName="r"), "list_inline", put)
    assert list(map(code_of, answers)) == ["", "NoSuchEntity"]
    assert rows(world, "SELECT entity FROM iam_inline_policy") == []


async def a_user_joins_a_group_that_goes(world: World) -> None:
    await done(world, "CreateUser", UserName="u")
    await done(world, "CreateGroup", GroupName="g")
    join = call("AddUserToGroup", UserName="u", GroupName="g")
    answers = await race(world, call("DeleteGroup", GroupName="g"), "list_users_of_group", join)
    assert list(map(code_of, answers)) == ["", "NoSuchEntity"]
    assert rows(world, "SELECT user_id FROM iam_membership") == []


async def a_group_goes_that_a_user_joins(world: World) -> None:
    await done(world, "CreateUser", UserName="u")
    await done(world, "CreateGroup", GroupName="g")
    join = call("AddUserToGroup", UserName="u", GroupName="g")
    answers = await race(world, join, "list_groups_of_user", call("DeleteGroup", GroupName="g"))
    assert list(map(code_of, answers)) == ["", "DeleteConflict"]


async def a_user_that_goes_joins_a_group(world: World) -> None:
    await done(world, "CreateUser", UserName="u")
    await done(world, "CreateGroup", GroupName="g")
    join = call("AddUserToGroup", UserName="u", GroupName="g")
    answers = await race(world, call("DeleteUser", UserName="u"), "list_groups_of_user", join)
    assert list(map(code_of, answers)) == ["", "NoSuchEntity"]
    assert rows(world, "SELECT user_id FROM iam_membership") == []


async def the_last_group_of_a_user_is_taken_twice(world: World) -> None:
    await done(world, "CreateUser", UserName="u")
    for i in range(limits.MEMBERSHIPS_MAX + 1):
        await done(world, "CreateGroup", GroupName=f"g{i}")
    joins = [call("AddUserToGroup", UserName="u", GroupName=f"g{i}") for i in range(limits.MEMBERSHIPS_MAX + 1)]
    for _, operation, request in joins[:-2]:
        await done(world, operation, **request)
    answers = await race(world, joins[-2], "list_groups_of_user", joins[-1])
    assert list(map(code_of, answers)) == ["", "LimitExceeded"]


async def a_policy_gets_a_sixth_version(world: World) -> None:
    await done(world, "CreatePolicy", PolicyName="p", PolicyDocument=POLICY)
    more = call("CreatePolicyVersion", PolicyArn=ARN, PolicyDocument=POLICY)
    for _ in range(limits.VERSIONS_MAX - 2):
        await done(world, more[1], **more[2])
    answers = await race(world, more, "list_versions", more)
    assert list(map(code_of, answers)) == ["", "LimitExceeded"]


async def a_version_goes_while_it_becomes_the_default(world: World) -> None:
    await done(world, "CreatePolicy", PolicyName="p", PolicyDocument=POLICY)
    await done(world, "CreatePolicyVersion", PolicyArn=ARN, PolicyDocument=POLICY)
    version = {"PolicyArn": ARN, "VersionId": "v2"}
    answers = await race(
        world, call("SetDefaultPolicyVersion", **version), "get_version", call("DeletePolicyVersion", **version)
    )
    assert list(map(code_of, answers)) == ["", "DeleteConflict"]


async def a_version_becomes_the_default_while_it_goes(world: World) -> None:
    await done(world, "CreatePolicy", PolicyName="p", PolicyDocument=POLICY)
    await done(world, "CreatePolicyVersion", PolicyArn=ARN, PolicyDocument=POLICY)
    version = {"PolicyArn": ARN, "VersionId": "v2"}
    answers = await race(
        world, call("DeletePolicyVersion", **version), "get_version", call("SetDefaultPolicyVersion", **version)
    )
    assert list(map(code_of, answers)) == ["", "NoSuchEntity"]


async def a_user_gets_a_third_access_key(world: World) -> None:
    await done(world, "CreateUser", UserName="u")
    await done(world, "CreateAccessKey", UserName="u")
    key = call("CreateAccessKey", UserName="u")
    answers = await race(world, key, "list_access_keys", key)
    assert list(map(code_of, answers)) == ["", "LimitExceeded"]


async def a_user_goes_while_it_gets_a_key(world: World) -> None:
    await done(world, "CreateUser", UserName="u")
    answers = await race(
        world, call("CreateAccessKey", UserName="u"), "list_access_keys", call("DeleteUser", UserName="u")
    )
    assert list(map(code_of, answers)) == ["", "DeleteConflict"]


async def a_role_goes_while_a_profile_gets_it(world: World) -> None:
    await done(world, "CreateRole", RoleName="r", AssumeRolePolicyDocument=TRUST)
    await done(world, "CreateInstanceProfile", InstanceProfileName="i")
    add = call("AddRoleToInstanceProfile", InstanceProfileName="i", RoleName="r")
    answers = await race(world, add, "keep_entity", call("DeleteRole", RoleName="r"))
    assert list(map(code_of, answers)) == ["", "DeleteConflict"]


async def a_profile_gets_two_roles(world: World) -> None:
    for name in "rs":
        await done(world, "CreateRole", RoleName=name, AssumeRolePolicyDocument=TRUST)
    await done(world, "CreateInstanceProfile", InstanceProfileName="i")
    one, other = (call("AddRoleToInstanceProfile", InstanceProfileName="i", RoleName=name) for name in "rs")
    answers = await race(world, one, "keep_entity", other)
    assert list(map(code_of, answers)) == ["", "LimitExceeded"]


async def a_profile_goes_while_it_gets_a_role(world: World) -> None:
    await done(world, "CreateRole", RoleName="r", AssumeRolePolicyDocument=TRUST)
    await done(world, "CreateInstanceProfile", InstanceProfileName="i")
    add = call("AddRoleToInstanceProfile", InstanceProfileName="i", RoleName="r")
    answers = await race(world, add, "keep_entity", call("DeleteInstanceProfile", InstanceProfileName="i"))
    assert list(map(code_of, answers)) == ["", "DeleteConflict"]


async def two_sets_of_tags_are_put_at_once(world: World) -> None:
    await done(world, "CreateUser", UserName="u")
    one, other = (call("TagUser", UserName="u", Tags=[{"Key": key, "Value": ""}]) for key in "ab")
    await race(world, one, "lock_entity", other)
    listed = await world.nodes[0].call("iam", "ListUserTags", UserName="u")
    assert [tag["Key"] for tag in listed["Tags"]] == ["a", "b"]


async def two_parts_of_a_role_change_at_once(world: World) -> None:
    await done(world, "CreateRole", RoleName="r", AssumeRolePolicyDocument=TRUST)
    await race(
        world,
        call("UpdateRole", RoleName="r", Description="new"),
        "lock_entity",
        call("UpdateRole", RoleName="r", MaxSessionDuration=7_200),
    )
    role = (await world.nodes[0].call("iam", "GetRole", RoleName="r"))["Role"]
    assert (role["Description"], role["MaxSessionDuration"]) == ("new", 7_200)


RACES = [
    attached_while_the_role_goes,
    the_role_goes_while_it_is_attached,
    attached_while_the_policy_goes,
    the_policy_goes_while_it_is_attached,
    the_policy_goes_while_it_becomes_a_boundary,
    the_policy_goes_while_a_role_is_made_within_it,
    the_last_place_for_a_policy_is_taken_twice,
    the_last_room_for_a_document_is_taken_twice,
    a_document_is_put_while_its_role_goes,
    a_user_joins_a_group_that_goes,
    a_group_goes_that_a_user_joins,
    a_user_that_goes_joins_a_group,
    the_last_group_of_a_user_is_taken_twice,
    a_policy_gets_a_sixth_version,
    a_version_goes_while_it_becomes_the_default,
    a_version_becomes_the_default_while_it_goes,
    a_user_gets_a_third_access_key,
    a_user_goes_while_it_gets_a_key,
    a_role_goes_while_a_profile_gets_it,
    a_profile_gets_two_roles,
    a_profile_goes_while_it_gets_a_role,
    two_sets_of_tags_are_put_at_once,
    two_parts_of_a_role_change_at_once,
]


@pytest.mark.parametrize("rule", RACES, ids=lambda rule: rule.__name__)
async def test_a_rule_holds_between_nodes(world: World, rule: Callable[[World], Awaitable[None]]) -> None:
    await rule(world)


@pytest.mark.parametrize("rule", RACES, ids=lambda rule: rule.__name__)
async def test_without_its_locks_it_does_not(
    world: World, monkeypatch: pytest.MonkeyPatch, rule: Callable[[World], Awaitable[None]]
) -> None:
    take_locks_out(monkeypatch)
    with pytest.raises(AssertionError):
        await rule(world)


async def a_quota_of_one(world: World, monkeypatch: pytest.MonkeyPatch, noun: str) -> list[str]:
    """Two are made at once where there is room for one; the codes of the answers."""
    monkeypatch.setattr(users, "USER", users.USER._replace(entities_max=1))
    monkeypatch.setattr(policies, "POLICIES_MAX", 1)
    more = {"PolicyDocument": POLICY} if noun == "Policy" else {}
    one, other = (call(f"Create{noun}", **{f"{noun}Name": name}, **more) for name in "ab")
    counted = "count_policies" if noun == "Policy" else "count_entities"
    return sorted(map(code_of, await race(world, one, counted, other, times=2)))


@pytest.mark.parametrize("noun", ["User", "Policy"])
async def test_the_last_place_in_an_account_is_taken_once(
    world: World, monkeypatch: pytest.MonkeyPatch, noun: str
) -> None:
    assert await a_quota_of_one(world, monkeypatch, noun) == ["", "LimitExceeded"]


@pytest.mark.parametrize("noun", ["User", "Policy"])
async def test_without_the_accounts_lock_it_is_taken_twice(
    world: World, monkeypatch: pytest.MonkeyPatch, noun: str
) -> None:
    nothing = parse("races", "-- name: lock_account\nSELECT 1 WHERE :account = ''").lock_account
    monkeypatch.setitem(entities.Q._queries, "lock_account", nothing)  # type: ignore[arg-type]
    assert await a_quota_of_one(world, monkeypatch, noun) == ["", ""]


@pytest.mark.parametrize("operation", ["CreateUser", "CreateGroup", "CreateInstanceProfile"])
async def test_one_of_a_name(world: World, operation: str) -> None:
    member = f"{operation.removeprefix('Create')}Name"
    answers = await race(world, call(operation, **{member: "N"}), "count_entities", call(operation, **{member: "n"}))
    assert sorted(map(code_of, answers)) == ["", "EntityAlreadyExists"]
