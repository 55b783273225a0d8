"""Users, groups, access keys and the account."""

from urllib.parse import unquote

import pytest
from tests.services.iam.test_roles import refused
from tests.services.iam.world import ACCOUNT, POLICY, ROOT

from waypost.service import Caller


@pytest.fixture
def user(iam):
    return iam("CreateUser", UserName="Ann", Tags=[{"Key": "k", "Value": "v"}])["User"]


def test_users(iam, user):
    assert user["Arn"] == f"arn:aws:iam::{ACCOUNT}:user/Ann"
    assert user["UserId"].startswith("AIDA")
    assert iam("GetUser", UserName="ann")["User"] == user
    message = refused("EntityAlreadyExistsException", iam, "CreateUser", UserName="ANN")
    assert message == "User with name ANN already exists."
    iam("CreateUser", UserName="Bob")
    refused("EntityAlreadyExistsException", iam, "UpdateUser", UserName="Ann", NewUserName="bob")
    iam("UpdateUser", UserName="Ann", NewUserName="Anna", NewPath="/staff/")
    assert [one["Arn"].rpartition(":")[2] for one in iam("ListUsers")["Users"]] == ["user/staff/Anna", "user/Bob"]
    assert refused("NoSuchEntityException", iam, "GetUser", UserName="Ann") == "The user with name Ann cannot be found."


def test_the_caller_is_a_user_too(world, iam, user):
    assert iam("GetUser")["User"]["Arn"] == ROOT
    world.caller = Caller(ACCOUNT, "AKIA", user["Arn"], user["UserId"])
    assert iam("GetUser")["User"] == user


def test_policies_of_users_and_groups(iam, user):
    iam("CreateGroup", GroupName="Staff")
    for kind, name in (("User", "Ann"), ("Group", "Staff")):
        iam(f"Put{kind}Policy", **{f"{kind}Name": name}, PolicyName="p", PolicyDocument=POLICY)
        shown = iam(f"Get{kind}Policy", **{f"{kind}Name": name}, PolicyName="p")
        assert (unquote(shown["PolicyDocument"]), shown[f"{kind}Name"]) == (POLICY, name)
        assert iam(f"List{kind}Policies", **{f"{kind}Name": name})["PolicyNames"] == ["p"]
        refused("DeleteConflictException", iam, f"Delete{kind}", **{f"{kind}Name": name})
        iam(f"Delete{kind}Policy", **{f"{kind}Name": name}, PolicyName="p")
        arn = {"PolicyArn": "arn:aws:iam::aws:policy/AdministratorAccess"}
        iam(f"Attach{kind}Policy", **{f"{kind}Name": name}, **arn)
        attached = iam(f"ListAttached{kind}Policies", **{f"{kind}Name": name})["AttachedPolicies"]
        assert [one["PolicyName"] for one in attached] == ["AdministratorAccess"]
        iam(f"Detach{kind}Policy", **{f"{kind}Name": name}, **arn)
        iam(f"Delete{kind}", **{f"{kind}Name": name})


def test_groups(iam, user):
    group = iam("CreateGroup", GroupName="Staff")["Group"]
    assert group["GroupId"].startswith("AGPA")
    both = {"GroupName": "Staff", "UserName": "Ann"}
    iam("AddUserToGroup", **both)
    iam("AddUserToGroup", **both)
    assert [one["UserName"] for one in iam("GetGroup", GroupName="staff")["Users"]] == ["Ann"]
    assert iam("ListGroupsForUser", UserName="Ann")["Groups"] == [group]
    conflict = "Cannot delete entity, must remove users from group first."
    assert refused("DeleteConflictException", iam, "DeleteGroup", GroupName="Staff") == conflict
    assert refused("DeleteConflictException", iam, "DeleteUser", UserName="Ann") == conflict
    iam("RemoveUserFromGroup", **both)
    refused("NoSuchEntityException", iam, "RemoveUserFromGroup", **both)
    iam("UpdateGroup", GroupName="Staff", NewGroupName="Crew")
    assert [one["GroupName"] for one in iam("ListGroups")["Groups"]] == ["Crew"]


def test_access_keys(world, iam, user):
    key = iam("CreateAccessKey", UserName="Ann")["AccessKey"]
    assert key["AccessKeyId"].startswith("AKIA")
    assert (len(key["AccessKeyId"]), len(key["SecretAccessKey"])) == (20, 40)
    iam("CreateAccessKey", UserName="Ann")
    message = refused("LimitExceededException", iam, "CreateAccessKey", UserName="Ann")
    assert message == "Cannot exceed quota for AccessKeysPerUser: 2"
    iam("UpdateAccessKey", UserName="Ann", AccessKeyId=key["AccessKeyId"], Status="Inactive")
    listed = {one["AccessKeyId"]: one for one in iam("ListAccessKeys", UserName="Ann")["AccessKeyMetadata"]}
    assert listed[key["AccessKeyId"]]["Status"] == "Inactive"
    assert all("SecretAccessKey" not in one for one in listed.values())
    assert world.call("sts", "GetAccessKeyInfo", {"AccessKeyId": key["AccessKeyId"]}) == {"Account": ACCOUNT}
    message = refused("DeleteConflictException", iam, "DeleteUser", UserName="Ann")
    assert message == "Cannot delete entity, must delete access keys first."
    for access_key in listed:
        iam("DeleteAccessKey", UserName="Ann", AccessKeyId=access_key)
    message = refused("NoSuchEntityException", iam, "DeleteAccessKey", UserName="Ann", AccessKeyId="AKIAGHOST0000000")
    assert message == "The Access Key with id AKIAGHOST0000000 cannot be found."
    iam("DeleteUser", UserName="Ann")


def test_the_account(world, iam, user):
    iam("CreateAccountAlias", AccountAlias="waypost")
    assert iam("ListAccountAliases") == {"AccountAliases": ["waypost"], "IsTruncated": False}
    summary = iam("GetAccountSummary")["SummaryMap"]
    assert (summary["Users"], summary["Roles"], summary["AttachedPoliciesPerRoleQuota"]) == (1, 0, 20)
    world.caller = Caller("111111111111", "111111111111", "arn:aws:iam::111111111111:root", "111111111111")
    message = refused("EntityAlreadyExistsException", iam, "CreateAccountAlias", AccountAlias="waypost")
    assert message == "The account alias waypost already exists."
    refused("NoSuchEntityException", iam, "DeleteAccountAlias", AccountAlias="waypost")
    world.caller = Caller(ACCOUNT, "test", ROOT, ACCOUNT)
    iam("DeleteAccountAlias", AccountAlias="waypost")
    assert iam("ListAccountAliases")["AccountAliases"] == []
