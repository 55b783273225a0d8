"""Roles and what hangs on them, as Terraform and the SDKs use them."""

import json
from urllib.parse import unquote

import pytest
from tests.services.iam.world import ACCOUNT, POLICY, START_MS, TRUST

from waypost.aws.errors import AwsError
from waypost.service import Caller

BASIC = "arn:aws:iam::aws:policy/service-role/AWSLambdaBasicExecutionRole"


def refused(code, call, /, *arguments, **request):
    with pytest.raises(AwsError) as caught:
        call(*arguments, **request)
    assert caught.value.code == code
    return caught.value.message


@pytest.fixture
def role(iam):
    return iam("CreateRole", RoleName="Worker", AssumeRolePolicyDocument=TRUST)["Role"]


def test_a_role_is_shown_as_it_was_made(iam):
    tags = [{"Key": "Team", "Value": "orders"}]
    made = iam(
        "CreateRole", RoleName="Worker", Path="/svc/a/", AssumeRolePolicyDocument=TRUST, Description="works",
        MaxSessionDuration=7200, Tags=tags, PermissionsBoundary=BASIC,
    )["Role"]  # fmt: skip
    assert made["Arn"] == f"arn:aws:iam::{ACCOUNT}:role/svc/a/Worker"
    assert made["RoleId"].startswith("AROA")
    assert len(made["RoleId"]) == 21
    assert made["CreateDate"] == START_MS // 1000
    assert unquote(made["AssumeRolePolicyDocument"]) == TRUST
    boundary = {"PermissionsBoundaryType": "PermissionsBoundaryPolicy", "PermissionsBoundaryArn": BASIC}
    whole = {**made, "Description": "works", "MaxSessionDuration": 7200, "Tags": tags, "RoleLastUsed": {}}
    assert iam("GetRole", RoleName="worker")["Role"] == {**whole, "PermissionsBoundary": boundary}
    (listed,) = iam("ListRoles", PathPrefix="/svc/")["Roles"]
    assert set(whole) - set(listed) == {"Tags", "RoleLastUsed", "PermissionsBoundary"}
    assert iam("ListRoles", PathPrefix="/other/") == {"Roles": [], "IsTruncated": False}


def test_names_are_unique_whatever_their_case(iam, role):
    again = {"RoleName": "WORKER", "AssumeRolePolicyDocument": TRUST}
    message = refused("EntityAlreadyExistsException", iam, "CreateRole", **again)
    assert message == "Role with name WORKER already exists."


def test_a_role_that_is_not_there(iam):
    for operation in ("GetRole", "DeleteRole", "ListRolePolicies", "ListAttachedRolePolicies", "ListRoleTags"):
        message = refused("NoSuchEntityException", iam, operation, RoleName="ghost")
        assert message == "The role with name ghost cannot be found."


def test_accounts_do_not_see_each_other(world, iam, role):
    world.caller = Caller("111111111111", "111111111111", "arn:aws:iam::111111111111:root", "111111111111")
    refused("NoSuchEntityException", iam, "GetRole", RoleName="Worker")
    made = iam("CreateRole", RoleName="Worker", AssumeRolePolicyDocument=TRUST)["Role"]
    assert made["Arn"] == "arn:aws:iam::111111111111:role/Worker"


def test_pages_of_roles(iam):
    for name in "ecadb":
        iam("CreateRole", RoleName=name, AssumeRolePolicyDocument=TRUST)
    found, marker = [], {}
    while True:
        page = iam("ListRoles", MaxItems=2, **marker)
        found.append([one["RoleName"] for one in page["Roles"]])
        if not page["IsTruncated"]:
            assert "Marker" not in page
            break
        marker = {"Marker": page["Marker"]}
    assert found == [["a", "b"], ["c", "d"], ["e"]]
    assert refused("ValidationError", iam, "ListRoles", Marker="%%%") == "Invalid Marker."


def test_a_role_is_updated(iam, role):
    iam("UpdateRole", RoleName="Worker", MaxSessionDuration=43200)
    shown = iam("UpdateRoleDescription", RoleName="Worker", Description="new")["Role"]
    assert (shown["Description"], shown["MaxSessionDuration"]) == ("new", 43200)
    trust = TRUST.replace("lambda", "states")
    iam("UpdateAssumeRolePolicy", RoleName="Worker", PolicyDocument=trust)
    assert unquote(iam("GetRole", RoleName="Worker")["Role"]["AssumeRolePolicyDocument"]) == trust


def test_a_trust_policy_that_names_nobody_who_exists_is_refused(iam, role):
    def trust(arn):
        return TRUST.replace('"Service":"lambda.amazonaws.com"', f'"AWS":"{arn}"')

    ghost = f"arn:aws:iam::{ACCOUNT}:role/ghost"
    request = {"RoleName": "Other", "AssumeRolePolicyDocument": trust(ghost)}
    message = refused("MalformedPolicyDocumentException", iam, "CreateRole", **request)
    assert message == f'Invalid principal in policy: "AWS":"{ghost}"'
    for known in (role["Arn"], f"arn:aws:iam::{ACCOUNT}:root", "arn:aws:iam::999999999999:role/theirs"):
        iam("UpdateAssumeRolePolicy", RoleName="Worker", PolicyDocument=trust(known))


def test_a_trust_policy_has_a_size(iam):
    long = json.loads(TRUST)
    long["Statement"][0]["Sid"] = "x" * 2_000
    message = refused(
        "LimitExceededException", iam, "CreateRole", RoleName="r", AssumeRolePolicyDocument=json.dumps(long)
    )
    assert message == "Cannot exceed quota for ACLSizePerRole: 2048"


def test_inline_policies(iam, role):
    iam("PutRolePolicy", RoleName="Worker", PolicyName="b", PolicyDocument=POLICY)
    iam("PutRolePolicy", RoleName="Worker", PolicyName="a", PolicyDocument=POLICY)
    iam("PutRolePolicy", RoleName="Worker", PolicyName="a", PolicyDocument=POLICY.replace("sqs", "sns"))
    assert iam("ListRolePolicies", RoleName="Worker")["PolicyNames"] == ["a", "b"]
    shown = iam("GetRolePolicy", RoleName="worker", PolicyName="a")
    assert (shown["RoleName"], shown["PolicyName"]) == ("Worker", "a")
    assert unquote(shown["PolicyDocument"]) == POLICY.replace("sqs", "sns")
    message = refused("DeleteConflictException", iam, "DeleteRole", RoleName="Worker")
    assert message == "Cannot delete entity, must delete policies first."
    iam("DeleteRolePolicy", RoleName="Worker", PolicyName="a")
    for operation in ("GetRolePolicy", "DeleteRolePolicy"):
        message = refused("NoSuchEntityException", iam, operation, RoleName="Worker", PolicyName="a")
        assert message == "The role policy with name a cannot be found."
    iam("DeleteRolePolicy", RoleName="Worker", PolicyName="b")
    iam("DeleteRole", RoleName="Worker")
    refused("NoSuchEntityException", iam, "GetRole", RoleName="Worker")


def test_inline_policies_of_a_role_have_a_size_together(iam, role):
    def policy(count):
        return json.dumps(
            {"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "sqs:*", "Resource": ["*"] * count}}
        )

    iam("PutRolePolicy", RoleName="Worker", PolicyName="a", PolicyDocument=policy(2_000))
    request = {"RoleName": "Worker", "PolicyDocument": policy(2_000)}
    message = refused("LimitExceededException", iam, "PutRolePolicy", PolicyName="b", **request)
    assert message == "Maximum policy size of 10240 bytes exceeded for role Worker"
    iam("PutRolePolicy", PolicyName="a", **request)
    assert iam("ListRolePolicies", RoleName="Worker")["PolicyNames"] == ["a"]


def test_attachments(iam, role):
    own = iam("CreatePolicy", PolicyName="Own", PolicyDocument=POLICY, Path="/p/")["Policy"]["Arn"]
    for arn in (own, BASIC, BASIC):
        iam("AttachRolePolicy", RoleName="Worker", PolicyArn=arn)
    attached = iam("ListAttachedRolePolicies", RoleName="Worker")["AttachedPolicies"]
    assert {(one["PolicyName"], one["PolicyArn"]) for one in attached} == {
        ("Own", own),
        ("AWSLambdaBasicExecutionRole", BASIC),
    }
    under = iam("ListAttachedRolePolicies", RoleName="Worker", PathPrefix="/service-role/")["AttachedPolicies"]
    assert [one["PolicyArn"] for one in under] == [BASIC]
    message = refused("DeleteConflictException", iam, "DeleteRole", RoleName="Worker")
    assert message == "Cannot delete entity, must detach all policies first."
    iam("DetachRolePolicy", RoleName="Worker", PolicyArn=BASIC)
    message = refused("NoSuchEntityException", iam, "DetachRolePolicy", RoleName="Worker", PolicyArn=BASIC)
    assert message == f"Policy {BASIC} was not found."


def test_what_cannot_be_attached(iam, role):
    ghost = "arn:aws:iam::aws:policy/NoSuchThing"
    message = refused("NoSuchEntityException", iam, "AttachRolePolicy", RoleName="Worker", PolicyArn=ghost)
    assert message == f"Policy {ghost} does not exist or is not attachable."
    message = refused("ValidationError", iam, "AttachRolePolicy", RoleName="Worker", PolicyArn="x" * 20)
    assert message == f"ARN {'x' * 20} is not valid."


def test_a_role_takes_twenty_policies(iam, role):
    for number in range(21):
        arn = iam("CreatePolicy", PolicyName=f"p{number}", PolicyDocument=POLICY)["Policy"]["Arn"]
        if number < 20:
            iam("AttachRolePolicy", RoleName="Worker", PolicyArn=arn)
    message = refused("LimitExceededException", iam, "AttachRolePolicy", RoleName="Worker", PolicyArn=arn)
    assert message == "Cannot exceed quota for PoliciesPerRole: 20"


def test_boundaries(iam, role):
    ghost = f"arn:aws:iam::{ACCOUNT}:policy/ghost"
    request = {"RoleName": "Worker", "PermissionsBoundary": ghost}
    message = refused("NoSuchEntityException", iam, "PutRolePermissionsBoundary", **request)
    assert message == f"Scope ARN: {ghost} does not exist or is not attachable."
    own = iam("CreatePolicy", PolicyName="ghost", PolicyDocument=POLICY)["Policy"]["Arn"]
    iam("PutRolePermissionsBoundary", RoleName="Worker", PermissionsBoundary=own)
    assert iam("GetPolicy", PolicyArn=own)["Policy"]["PermissionsBoundaryUsageCount"] == 1
    refused("DeleteConflictException", iam, "DeletePolicy", PolicyArn=own)
    bounded = iam("ListEntitiesForPolicy", PolicyArn=own, PolicyUsageFilter="PermissionsBoundary")
    assert [one["RoleName"] for one in bounded["PolicyRoles"]] == ["Worker"]
    assert iam("ListEntitiesForPolicy", PolicyArn=own, PolicyUsageFilter="PermissionsPolicy")["PolicyRoles"] == []
    iam("DeleteRolePermissionsBoundary", RoleName="Worker")
    assert "PermissionsBoundary" not in iam("GetRole", RoleName="Worker")["Role"]
    iam("DeletePolicy", PolicyArn=own)


def test_tags(iam, role):
    def tags(**pairs):
        return [{"Key": key, "Value": value} for key, value in pairs.items()]

    iam("TagRole", RoleName="Worker", Tags=tags(Team="a", env="b"))
    iam("TagRole", RoleName="Worker", Tags=tags(team="c"))
    assert iam("ListRoleTags", RoleName="Worker")["Tags"] == tags(env="b", team="c")
    page = iam("ListRoleTags", RoleName="Worker", MaxItems=1)
    assert (page["Tags"], page["IsTruncated"]) == (tags(env="b"), True)
    assert iam("ListRoleTags", RoleName="Worker", Marker=page["Marker"])["Tags"] == tags(team="c")
    message = refused("InvalidInputException", iam, "TagRole", RoleName="Worker", Tags=tags(a="1", A="2"))
    assert message == "Duplicate tag keys found. Please note that Tag keys are case insensitive."
    many = {f"k{number}": "" for number in range(49)}
    message = refused("LimitExceededException", iam, "TagRole", RoleName="Worker", Tags=tags(**many))
    assert message == "The number of tags has reached the maximum limit."
    iam("UntagRole", RoleName="Worker", TagKeys=["ENV", "unknown"])
    assert iam("GetRole", RoleName="Worker")["Role"]["Tags"] == tags(team="c")


def test_instance_profiles(iam, role):
    made = iam("CreateInstanceProfile", InstanceProfileName="Box", Path="/x/")["InstanceProfile"]
    assert made["Arn"] == f"arn:aws:iam::{ACCOUNT}:instance-profile/x/Box"
    assert made["InstanceProfileId"].startswith("AIPA")
    assert made["Roles"] == []
    both = {"InstanceProfileName": "box", "RoleName": "worker"}
    iam("AddRoleToInstanceProfile", **both)
    message = refused("LimitExceededException", iam, "AddRoleToInstanceProfile", **both)
    assert message == "Cannot exceed quota for InstanceSessionsPerInstanceProfile: 1"
    (profile,) = iam("ListInstanceProfilesForRole", RoleName="Worker")["InstanceProfiles"]
    assert [one["RoleName"] for one in profile["Roles"]] == ["Worker"]
    conflict = "Cannot delete entity, must remove roles from instance profile first."
    assert refused("DeleteConflictException", iam, "DeleteRole", RoleName="Worker") == conflict
    assert refused("DeleteConflictException", iam, "DeleteInstanceProfile", InstanceProfileName="Box") == conflict
    iam("RemoveRoleFromInstanceProfile", **both)
    refused("NoSuchEntityException", iam, "RemoveRoleFromInstanceProfile", **both)
    iam("TagInstanceProfile", InstanceProfileName="Box", Tags=[{"Key": "k", "Value": "v"}])
    assert iam("GetInstanceProfile", InstanceProfileName="Box")["InstanceProfile"]["Tags"] == [
        {"Key": "k", "Value": "v"}
    ]
    iam("DeleteInstanceProfile", InstanceProfileName="Box")
    message = refused("NoSuchEntityException", iam, "GetInstanceProfile", InstanceProfileName="Box")
    assert message == "Instance Profile Box cannot be found."
    assert iam("ListInstanceProfiles")["InstanceProfiles"] == []


def test_service_linked_roles(iam):
    made = iam("CreateServiceLinkedRole", AWSServiceName="autoscaling.amazonaws.com", CustomSuffix="one")["Role"]
    name = "AWSServiceRoleForAutoScaling_one"
    assert made["Arn"].endswith(f":role/aws-service-role/autoscaling.amazonaws.com/{name}")
    again = {"AWSServiceName": "autoscaling.amazonaws.com", "CustomSuffix": "one"}
    message = refused("InvalidInputException", iam, "CreateServiceLinkedRole", **again)
    assert message == f"Service role name {name} has been taken in this account, please try a different suffix."
    request = {"AWSServiceName": "lambda.amazonaws.com", "CustomSuffix": "x"}
    message = refused("InvalidInputException", iam, "CreateServiceLinkedRole", **request)
    assert message == "Custom suffix is not allowed for lambda.amazonaws.com"
    refused("InvalidInputException", iam, "CreateServiceLinkedRole", AWSServiceName="nothing.amazonaws.com")
    for operation, request in (
        ("DeleteRole", {}),
        ("AttachRolePolicy", {"PolicyArn": BASIC}),
        ("PutRolePolicy", {"PolicyName": "p", "PolicyDocument": POLICY}),
        ("UpdateRole", {"Description": "x"}),
    ):
        message = refused("UnmodifiableEntityException", iam, operation, RoleName=name, **request)
        assert (
            message
            == f"Cannot perform the operation on the protected role '{name}' - this role is only modifiable by AWS"
        )
    task = iam("DeleteServiceLinkedRole", RoleName=name)["DeletionTaskId"]
    assert task.startswith(f"task/aws-service-role/autoscaling.amazonaws.com/{name}/")
    assert iam("GetServiceLinkedRoleDeletionStatus", DeletionTaskId=task) == {"Status": "SUCCEEDED"}
    refused("NoSuchEntityException", iam, "GetServiceLinkedRoleDeletionStatus", DeletionTaskId="task/x")


def test_what_other_services_ask_of_a_role(iam, role):
    def check(arn, principal="lambda.amazonaws.com"):
        return iam("waypost:CheckRole", RoleArn=arn, Principal=principal)

    assert check(role["Arn"]) == {"Exists": True, "Assumable": True}
    assert check(role["Arn"], "states.amazonaws.com") == {"Exists": True, "Assumable": False}
    for wrong in ("nonsense", f"arn:aws:iam::{ACCOUNT}:role/path/Worker", role["Arn"].replace(ACCOUNT, "1" * 12)):
        assert check(wrong) == {"Exists": False, "Assumable": False}
