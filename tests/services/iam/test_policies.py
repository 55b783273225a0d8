"""Managed policies, their versions, and AWS's own."""

import json
from urllib.parse import unquote

import pytest
from tests.services.iam.test_roles import refused
from tests.services.iam.world import ACCOUNT, POLICY, START_MS, TRUST

from waypost.services.iam import managed
from waypost.services.iam.rules.documents import check_identity_policy

BASIC = "arn:aws:iam::aws:policy/service-role/AWSLambdaBasicExecutionRole"
OTHER = POLICY.replace("sqs", "sns")


@pytest.fixture
def arn(iam):
    return iam("CreatePolicy", PolicyName="Own", PolicyDocument=POLICY, Description="mine")["Policy"]["Arn"]


def versions(iam, arn):
    found = iam("ListPolicyVersions", PolicyArn=arn)["Versions"]
    return [(one["VersionId"], one["IsDefaultVersion"]) for one in found]


def test_a_policy_is_shown_as_it_was_made(iam):
    tags = [{"Key": "k", "Value": "v"}]
    made = iam("CreatePolicy", PolicyName="Own", Path="/a/b/", PolicyDocument=POLICY, Description="mine", Tags=tags)[
        "Policy"
    ]
    assert made == {
        "PolicyName": "Own",
        "PolicyId": made["PolicyId"],
        "Arn": f"arn:aws:iam::{ACCOUNT}:policy/a/b/Own",
        "Path": "/a/b/",
        "DefaultVersionId": "v1",
        "AttachmentCount": 0,
        "PermissionsBoundaryUsageCount": 0,
        "IsAttachable": True,
        "CreateDate": START_MS // 1000,
        "UpdateDate": START_MS // 1000,
        "Tags": tags,
    }
    assert made["PolicyId"].startswith("ANPA")
    assert iam("GetPolicy", PolicyArn=made["Arn"])["Policy"] == {**made, "Description": "mine"}
    shown = iam("GetPolicyVersion", PolicyArn=made["Arn"], VersionId="v1")["PolicyVersion"]
    assert unquote(shown.pop("Document")) == POLICY
    assert shown == {"VersionId": "v1", "IsDefaultVersion": True, "CreateDate": START_MS // 1000}
    message = refused("EntityAlreadyExistsException", iam, "CreatePolicy", PolicyName="own", PolicyDocument=POLICY)
    assert message == "A policy called own already exists. Duplicate names are not allowed."


def test_a_policy_that_is_not_there(iam, arn):
    for ghost in (arn.replace("Own", "ghost"), arn.replace("/Own", "/path/Own"), arn.replace("Own", "OWN")):
        for operation in ("GetPolicy", "DeletePolicy", "ListPolicyVersions", "ListEntitiesForPolicy", "ListPolicyTags"):
            message = refused("NoSuchEntityException", iam, operation, PolicyArn=ghost)
            assert message == f"Policy {ghost} was not found."
    message = refused("NoSuchEntityException", iam, "GetPolicyVersion", PolicyArn=arn, VersionId="v7")
    assert message == f"Policy {arn} version v7 does not exist or is not attachable."
    assert refused("AccessDenied", iam, "DeletePolicy", PolicyArn=BASIC) == "Policy is outside your own account."


def test_versions(iam, world, arn):
    world.now_ms += 5_000
    made = iam("CreatePolicyVersion", PolicyArn=arn, PolicyDocument=OTHER)["PolicyVersion"]
    assert made == {"VersionId": "v2", "IsDefaultVersion": False, "CreateDate": START_MS // 1000 + 5}
    iam("CreatePolicyVersion", PolicyArn=arn, PolicyDocument=OTHER, SetAsDefault=True)
    assert versions(iam, arn) == [("v3", True), ("v2", False), ("v1", False)]
    policy = iam("GetPolicy", PolicyArn=arn)["Policy"]
    assert (policy["DefaultVersionId"], policy["UpdateDate"] - policy["CreateDate"]) == ("v3", 5)
    iam("SetDefaultPolicyVersion", PolicyArn=arn, VersionId="v1")
    message = refused("DeleteConflictException", iam, "DeletePolicyVersion", PolicyArn=arn, VersionId="v1")
    assert message == "Cannot delete the default version of a policy."
    iam("DeletePolicyVersion", PolicyArn=arn, VersionId="v3")
    iam("CreatePolicyVersion", PolicyArn=arn, PolicyDocument=OTHER)
    assert versions(iam, arn) == [("v4", False), ("v2", False), ("v1", True)]
    page = iam("ListPolicyVersions", PolicyArn=arn, MaxItems=2)
    assert page["IsTruncated"]
    assert [
        one["VersionId"] for one in iam("ListPolicyVersions", PolicyArn=arn, Marker=page["Marker"])["Versions"]
    ] == ["v1"]


def test_five_versions_are_kept_at_most(iam, arn):
    for _ in range(4):
        iam("CreatePolicyVersion", PolicyArn=arn, PolicyDocument=OTHER)
    message = refused("LimitExceededException", iam, "CreatePolicyVersion", PolicyArn=arn, PolicyDocument=OTHER)
    assert message.startswith(
        "A managed policy can have up to 5 versions. Before you create a new version, you must delete"
    )
    message = refused("DeleteConflictException", iam, "DeletePolicy", PolicyArn=arn)
    assert message.startswith("This policy has more than one version.")
    for number in range(2, 6):
        iam("DeletePolicyVersion", PolicyArn=arn, VersionId=f"v{number}")
    iam("DeletePolicy", PolicyArn=arn)
    refused("NoSuchEntityException", iam, "GetPolicy", PolicyArn=arn)


def test_a_policy_has_a_size(iam):
    statement = {"Effect": "Allow", "Action": "sqs:*", "Resource": ["*"] * 2_000}
    document = json.dumps({"Version": "2012-10-17", "Statement": statement})
    message = refused("LimitExceededException", iam, "CreatePolicy", PolicyName="p", PolicyDocument=document)
    assert message == "Cannot exceed quota for PolicySize: 6144"


def test_whom_a_policy_is_attached_to(iam, arn):
    for name in ("b", "a"):
        iam("CreateRole", RoleName=name, AssumeRolePolicyDocument=TRUST, Path=f"/{name}/")
        iam("AttachRolePolicy", RoleName=name, PolicyArn=arn)
    iam("CreateUser", UserName="u")
    iam("AttachUserPolicy", UserName="u", PolicyArn=arn)
    iam("CreateGroup", GroupName="g")
    iam("AttachGroupPolicy", GroupName="g", PolicyArn=arn)
    found = iam("ListEntitiesForPolicy", PolicyArn=arn)
    assert [one["RoleName"] for one in found["PolicyRoles"]] == ["a", "b"]
    assert [one["UserName"] for one in found["PolicyUsers"]] == ["u"]
    assert [one["GroupName"] for one in found["PolicyGroups"]] == ["g"]
    only = iam("ListEntitiesForPolicy", PolicyArn=arn, EntityFilter="Role", PathPrefix="/b/")
    assert ([one["RoleName"] for one in only["PolicyRoles"]], only["PolicyUsers"]) == (["b"], [])
    page = iam("ListEntitiesForPolicy", PolicyArn=arn, MaxItems=3)
    rest = iam("ListEntitiesForPolicy", PolicyArn=arn, MaxItems=3, Marker=page["Marker"])
    assert (len(page["PolicyRoles"]), [one["UserName"] for one in rest["PolicyUsers"]]) == (2, ["u"])
    assert iam("GetPolicy", PolicyArn=arn)["Policy"]["AttachmentCount"] == 4
    message = refused("DeleteConflictException", iam, "DeletePolicy", PolicyArn=arn)
    assert message == "Cannot delete a policy attached to entities."


def test_lists_of_policies(iam, arn):
    for name in ("zeta", "Alpha"):
        iam("CreatePolicy", PolicyName=name, PolicyDocument=POLICY, Path="/x/")
    iam("CreateRole", RoleName="r", AssumeRolePolicyDocument=TRUST)
    iam("AttachRolePolicy", RoleName="r", PolicyArn=arn)
    iam("AttachRolePolicy", RoleName="r", PolicyArn=BASIC)

    def names(**request):
        return [one["PolicyName"] for one in iam("ListPolicies", **request)["Policies"]]

    assert names(Scope="Local") == ["Alpha", "Own", "zeta"]
    assert names(Scope="Local", PathPrefix="/x/") == ["Alpha", "zeta"]
    assert names(OnlyAttached=True) == ["Own", "AWSLambdaBasicExecutionRole"]
    assert names(PolicyUsageFilter="PermissionsBoundary") == []
    every = names()
    assert every == ["Alpha", "Own", "zeta", *(policy.name for policy in managed.policies().values())]
    paged, marker = [], {}
    for _ in range(100):
        page = iam("ListPolicies", MaxItems=2, **marker)
        paged += [one["PolicyName"] for one in page["Policies"]]
        if not page["IsTruncated"]:
            break
        marker = {"Marker": page["Marker"]}
    assert paged == every


def test_tags_of_policies(iam, arn):
    iam("TagPolicy", PolicyArn=arn, Tags=[{"Key": "a", "Value": "1"}, {"Key": "b", "Value": "2"}])
    iam("UntagPolicy", PolicyArn=arn, TagKeys=["A"])
    assert iam("ListPolicyTags", PolicyArn=arn)["Tags"] == [{"Key": "b", "Value": "2"}]
    assert iam("ListPolicyTags", PolicyArn=BASIC)["Tags"] == []


def test_policies_of_aws_can_be_read(iam):
    shown = iam("GetPolicy", PolicyArn=BASIC)["Policy"]
    assert (shown["PolicyName"], shown["Path"], shown["PolicyId"]) == (
        "AWSLambdaBasicExecutionRole",
        "/service-role/",
        "ANPAJNCQGXC42545SKXIK",
    )
    version = iam("GetPolicyVersion", PolicyArn=BASIC, VersionId=shown["DefaultVersionId"])["PolicyVersion"]
    assert json.loads(unquote(version["Document"]))["Statement"][0]["Action"] == [
        "logs:CreateLogGroup",
        "logs:CreateLogStream",
        "logs:PutLogEvents",
    ]
    assert versions(iam, BASIC) == [("v1", True)]


@pytest.mark.parametrize("policy", managed.policies().values(), ids=lambda policy: policy.name)
def test_every_shipped_policy_is_one(policy):
    check_identity_policy(policy.document)
    assert policy.version_created_s >= (policy.created_s or 0)
