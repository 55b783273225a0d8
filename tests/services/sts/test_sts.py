"""Temporary credentials: made, resolved, chained and gone."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from tests.services.iam.test_roles import refused
from tests.services.iam.world import ACCOUNT, ROOT, START_MS, TRUST, World
from tests.stores import KINDS

from waypost.ids import RandomIds
from waypost.service import Caller
from waypost.services.sts.rules.session_tags import NO_TAGS, Tags, packed_percent, session_tags
from waypost.services.sts.sessions import resolve


@pytest.fixture(params=KINDS)
def world(request: pytest.FixtureRequest) -> Iterator[World]:
    made = World(request.param)
    made.call("iam", "CreateRole", {"RoleName": "Worker", "Path": "/a/", "AssumeRolePolicyDocument": TRUST})
    yield made
    made.store.close_now()


@pytest.fixture
def sts(world) -> Callable[..., Any]:
    return lambda operation, /, **request: world.call("sts", operation, request)


ROLE = f"arn:aws:iam::{ACCOUNT}:role/a/Worker"
ASSUMED = f"arn:aws:sts::{ACCOUNT}:assumed-role/Worker/me"


def assume(sts, **request):
    return sts("AssumeRole", RoleArn=ROLE, RoleSessionName="me", **request)


def caller_of(world, access_key):
    return world.store.run(lambda tx: resolve(tx, access_key, world.now_ms))


def test_who_am_i(sts):
    assert sts("GetCallerIdentity") == {"UserId": ACCOUNT, "Account": ACCOUNT, "Arn": ROOT}


def test_a_role_is_assumed(world, sts):
    role_id = world.call("iam", "GetRole", {"RoleName": "Worker"})["Role"]["RoleId"]
    answer = assume(sts)
    credentials = answer["Credentials"]
    assert answer["AssumedRoleUser"] == {"AssumedRoleId": f"{role_id}:me", "Arn": ASSUMED}
    assert (credentials["AccessKeyId"][:4], len(credentials["AccessKeyId"])) == ("ASIA", 20)
    assert len(credentials["SecretAccessKey"]) == 40
    assert credentials["Expiration"] == START_MS // 1000 + 3_600
    assert "PackedPolicySize" not in answer
    caller = caller_of(world, credentials["AccessKeyId"])
    assert caller == Caller(ACCOUNT, credentials["AccessKeyId"], ASSUMED, f"{role_id}:me")
    assert sts("GetAccessKeyInfo", AccessKeyId=credentials["AccessKeyId"]) == {"Account": ACCOUNT}
    world.caller = caller
    assert sts("GetCallerIdentity") == {"UserId": f"{role_id}:me", "Account": ACCOUNT, "Arn": ASSUMED}


def test_sessions_end(world, sts):
    key = assume(sts, DurationSeconds=900)["Credentials"]["AccessKeyId"]
    world.now_ms += 899_999
    assert caller_of(world, key) is not None
    assert world.run_jobs() == 0
    world.now_ms += 1
    assert caller_of(world, key) is None
    assert (world.sessions(), world.run_jobs(), world.sessions()) == (1, 1, 0)


def test_roles_that_cannot_be_assumed(sts):
    for arn in (ROLE.replace("/a/", "/"), ROLE.replace("Worker", "ghost"), ROLE.replace(ACCOUNT, "9" * 12)):
        message = refused("AccessDenied", sts, "AssumeRole", RoleArn=arn, RoleSessionName="me")
        assert message == f"User: {ROOT} is not authorized to perform: sts:AssumeRole on resource: {arn}"
    for arn in ("arn:aws:iam:role/whatever", "arn:aws:sqs:us-east-1:000000000000:role/x", "x" * 30):
        assert refused("ValidationError", sts, "AssumeRole", RoleArn=arn, RoleSessionName="me") == f"{arn} is invalid"


def test_roles_of_another_account(world, sts):
    world.caller = Caller("111111111111", "111111111111", "arn:aws:iam::111111111111:root", "111111111111")
    key = assume(sts)["Credentials"]["AccessKeyId"]
    assert caller_of(world, key).account == ACCOUNT


def test_how_long_a_session_may_last(world, sts):
    message = refused("ValidationError", assume, sts, DurationSeconds=7200)
    assert message == "The requested DurationSeconds exceeds the MaxSessionDuration set for this role."
    world.call("iam", "UpdateRole", {"RoleName": "Worker", "MaxSessionDuration": 7200})
    key = assume(sts, DurationSeconds=7200)["Credentials"]["AccessKeyId"]
    world.caller = caller_of(world, key)
    message = refused("ValidationError", assume, sts, DurationSeconds=7200)
    assert (
        message == "The requested DurationSeconds exceeds the 1 hour session limit for roles assumed by role chaining."
    )


def test_transitive_tags_and_the_source_identity_pass_on(world, sts):
    tags = [{"Key": "a", "Value": "1"}, {"Key": "b", "Value": "2"}]
    first = assume(sts, Tags=tags, TransitiveTagKeys=["a"], SourceIdentity="ann")
    assert (first["SourceIdentity"], first["PackedPolicySize"] > 0) == ("ann", True)
    world.caller = caller_of(world, first["Credentials"]["AccessKeyId"])
    message = refused("InvalidParameterValue", assume, sts, Tags=[{"Key": "A", "Value": "3"}])
    assert message.startswith("One of the specified transitive tag keys can't be set because it conflicts")
    refused("AccessDenied", assume, sts, SourceIdentity="bob")
    assert assume(sts)["SourceIdentity"] == "ann"


def test_which_tags_a_session_has():
    def tags(*keys):
        return [{"Key": key, "Value": "x"} for key in keys]

    message = refused("InvalidParameterValue", session_tags, {"Tags": tags("a", "A")}, NO_TAGS)
    assert message == "Duplicate tag keys found. Please note that Tag keys are case insensitive."
    request = {"Tags": tags("a"), "TransitiveTagKeys": ["b"]}
    message = refused("InvalidParameterValue", session_tags, request, NO_TAGS)
    assert message == "The specified transitive tag key must be included in the requested tags."
    found = session_tags({"Tags": tags("c"), "TransitiveTagKeys": ["C"]}, Tags(tags("a", "b"), ["B"]))
    assert found == Tags(tags("b", "c"), ["B", "C"])


def test_policies_and_tags_must_fit():
    assert packed_percent(None, [], []) is None
    assert packed_percent('{"Statement":[]}', [], []) == 2
    ids = RandomIds(seed=1)
    many = [{"Key": ids.key(100), "Value": ids.token(100)} for _ in range(50)]
    message = refused("PackedPolicyTooLargeException", packed_percent, None, [], many)
    assert message.startswith("Packed size of session tags consumes ")


def test_session_policies_are_looked_at(sts):
    assert refused("MalformedPolicyDocumentException", assume, sts, Policy="{") == "Syntax errors in policy."
    refused("MalformedPolicyDocumentException", assume, sts, Policy="[" * 1_000 + "]" * 1_000)
    refused("ValidationError", assume, sts, Policy="x" * 2_049)
    refused("ValidationError", assume, sts, PolicyArns=[{"arn": "x"}] * 11)
    assert assume(sts, Policy='{"Version":"2012-10-17","Statement":[]}')["PackedPolicySize"] > 0


def test_a_session_token_can_be_made_longer(sts):
    assert len(assume(sts, MinimumSessionTokenSize=2_000)["Credentials"]["SessionToken"]) >= 2_000
    assert len(assume(sts)["Credentials"]["SessionToken"]) > 300


def test_get_session_token(world, sts):
    credentials = sts("GetSessionToken", DurationSeconds=129_600)["Credentials"]
    assert credentials["Expiration"] == START_MS // 1000 + 3_600
    world.caller = caller_of(world, credentials["AccessKeyId"])
    assert world.caller.arn == ROOT
    assert refused("AccessDenied", sts, "GetSessionToken") == "Cannot call GetSessionToken with session credentials"


def test_unknown_keys(sts):
    refused("ValidationError", sts, "GetAccessKeyInfo", AccessKeyId="AKIAIOSFODNN7EXAMPLE")


def test_credentials_for_functions(world, sts):
    answer = sts("waypost:IssueCredentials", RoleArn=ROLE, SessionName="fn", DurationSeconds=43_200)
    assert answer["AssumedRoleUser"]["Arn"] == ASSUMED.replace("/me", "/fn")
    assert answer["Credentials"]["Expiration"] == START_MS // 1000 + 43_200
    for arn in (ROLE.replace(ACCOUNT, "1" * 12), ROLE.replace("Worker", "ghost")):
        refused("AccessDenied", sts, "waypost:IssueCredentials", RoleArn=arn, SessionName="fn", DurationSeconds=900)
