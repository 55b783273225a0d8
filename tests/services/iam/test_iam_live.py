"""IAM through boto3: the wire form of documents, dates and errors, and Terraform's order of calls."""

import json
from datetime import UTC, datetime

import pytest
from botocore.exceptions import ClientError
from tests.services.iam.world import POLICY, TRUST

ACCOUNT = "200000000001"
BASIC = "arn:aws:iam::aws:policy/service-role/AWSLambdaBasicExecutionRole"


@pytest.fixture
def iam(server):
    return server.client("iam", account=ACCOUNT)


def refused(call, **request):
    with pytest.raises(ClientError) as caught:
        call(**request)
    answer = caught.value.response
    return answer["ResponseMetadata"]["HTTPStatusCode"], answer["Error"]["Code"], answer["Error"]["Message"]


def test_a_role_as_terraform_makes_and_unmakes_it(iam):
    name = {"RoleName": "tf-role"}
    made = iam.create_role(
        **name, AssumeRolePolicyDocument=TRUST, Path="/tf/", Tags=[{"Key": "a", "Value": ""}], MaxSessionDuration=3600
    )
    assert made["ResponseMetadata"]["HTTPStatusCode"] == 200
    role = iam.get_role(**name)["Role"]
    assert role["AssumeRolePolicyDocument"] == json.loads(TRUST)
    assert role["Arn"] == f"arn:aws:iam::{ACCOUNT}:role/tf/tf-role"
    assert abs((datetime.now(UTC) - role["CreateDate"]).total_seconds()) < 60
    assert (role["Tags"], role["RoleLastUsed"]) == ([{"Key": "a", "Value": ""}], {})
    assert iam.list_role_policies(**name)["PolicyNames"] == []
    assert iam.list_attached_role_policies(**name)["AttachedPolicies"] == []
    iam.put_role_policy(**name, PolicyName="inline", PolicyDocument=POLICY)
    shown = iam.get_role_policy(**name, PolicyName="inline")
    assert (shown["PolicyDocument"], shown["RoleName"]) == (json.loads(POLICY), "tf-role")
    iam.attach_role_policy(**name, PolicyArn=BASIC)
    assert iam.list_attached_role_policies(**name)["AttachedPolicies"] == [
        {"PolicyName": "AWSLambdaBasicExecutionRole", "PolicyArn": BASIC}
    ]
    iam.tag_role(**name, Tags=[{"Key": "b", "Value": "2"}])
    assert iam.update_role_description(**name, Description="d")["Role"]["Description"] == "d"
    assert refused(iam.delete_role, **name) == (
        409,
        "DeleteConflict",
        "Cannot delete entity, must detach all policies first.",
    )
    iam.detach_role_policy(**name, PolicyArn=BASIC)
    iam.delete_role_policy(**name, PolicyName="inline")
    assert iam.list_instance_profiles_for_role(**name)["InstanceProfiles"] == []
    iam.delete_role(**name)
    assert refused(iam.get_role, **name) == (404, "NoSuchEntity", "The role with name tf-role cannot be found.")


def test_a_policy_as_terraform_makes_and_unmakes_it(iam):
    arn = iam.create_policy(PolicyName="tf-policy", PolicyDocument=POLICY, Description="d")["Policy"]["Arn"]
    policy = iam.get_policy(PolicyArn=arn)["Policy"]
    assert (policy["Description"], policy["Tags"], policy["IsAttachable"]) == ("d", [], True)
    version = iam.get_policy_version(PolicyArn=arn, VersionId=policy["DefaultVersionId"])["PolicyVersion"]
    assert (version["Document"], version["IsDefaultVersion"]) == (json.loads(POLICY), True)
    iam.create_policy_version(PolicyArn=arn, PolicyDocument=POLICY.replace("sqs", "sns"), SetAsDefault=True)
    found = iam.list_policy_versions(PolicyArn=arn)["Versions"]
    assert [(one["VersionId"], one["IsDefaultVersion"]) for one in found] == [("v2", True), ("v1", False)]
    iam.delete_policy_version(PolicyArn=arn, VersionId="v1")
    iam.delete_policy(PolicyArn=arn)
    assert refused(iam.get_policy, PolicyArn=arn) == (404, "NoSuchEntity", f"Policy {arn} was not found.")


def test_errors_on_the_wire(iam):
    iam.create_role(RoleName="once", AssumeRolePolicyDocument=TRUST)
    assert refused(iam.create_role, RoleName="ONCE", AssumeRolePolicyDocument=TRUST) == (
        409,
        "EntityAlreadyExists",
        "Role with name ONCE already exists.",
    )
    assert refused(iam.create_role, RoleName="bad", AssumeRolePolicyDocument="{") == (
        400,
        "MalformedPolicyDocument",
        "This policy contains invalid Json",
    )
    status, code, message = refused(iam.create_role, RoleName="a/b", AssumeRolePolicyDocument=TRUST)
    assert (status, code) == (400, "ValidationError")
    assert "roleName" in message
    status, code, _ = refused(iam.create_login_profile, UserName="u", Password="p")
    assert (status, code) == (400, "InvalidAction")


def test_pages(iam):
    names = [f"page-{number}" for number in range(5)]
    for name in names:
        iam.create_role(RoleName=name, AssumeRolePolicyDocument=TRUST, Path="/pages/")
    pages = list(iam.get_paginator("list_roles").paginate(PathPrefix="/pages/", PaginationConfig={"PageSize": 2}))
    assert [len(page["Roles"]) for page in pages] == [2, 2, 1]
    assert [role["RoleName"] for page in pages for role in page["Roles"]] == names


def test_the_summary_and_the_waiters(iam):
    iam.create_instance_profile(InstanceProfileName="waited")
    iam.get_waiter("instance_profile_exists").wait(InstanceProfileName="waited")
    assert iam.get_account_summary()["SummaryMap"]["InstanceProfiles"] == 1
