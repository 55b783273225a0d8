"""STS through boto3: temporary credentials open the server's door as the role's session."""

from datetime import UTC, datetime

import boto3
import pytest
from botocore.exceptions import ClientError
from tests.services.iam.world import TRUST

ACCOUNT = "200000000002"


@pytest.fixture
def sts(server):
    return server.client("sts", account=ACCOUNT)


def test_who_am_i(server, sts):
    identity = sts.get_caller_identity()
    assert (identity["Account"], identity["Arn"]) == (ACCOUNT, f"arn:aws:iam::{ACCOUNT}:root")


def test_a_role_is_assumed_and_used(server, sts):
    role = server.client("iam", account=ACCOUNT).create_role(
        RoleName="Used", AssumeRolePolicyDocument=TRUST, Path="/x/"
    )["Role"]
    answer = sts.assume_role(RoleArn=role["Arn"], RoleSessionName="me", Tags=[{"Key": "k", "Value": "v"}])
    credentials = answer["Credentials"]
    assert 3_500 < (credentials["Expiration"] - datetime.now(UTC)).total_seconds() <= 3_600
    session = boto3.session.Session(
        credentials["AccessKeyId"], credentials["SecretAccessKey"], credentials["SessionToken"], "eu-west-1"
    )
    identity = session.client("sts", endpoint_url=server.url).get_caller_identity()
    assert identity["Arn"] == f"arn:aws:sts::{ACCOUNT}:assumed-role/Used/me"
    assert identity["UserId"] == f"{role['RoleId']}:me" == answer["AssumedRoleUser"]["AssumedRoleId"]
    assert identity["Account"] == ACCOUNT


def test_errors_on_the_wire(sts):
    ghost = f"arn:aws:iam::{ACCOUNT}:role/ghost"
    with pytest.raises(ClientError) as caught:
        sts.assume_role(RoleArn=ghost, RoleSessionName="me")
    error = caught.value.response
    assert (error["ResponseMetadata"]["HTTPStatusCode"], error["Error"]["Code"]) == (403, "AccessDenied")
    assert error["Error"]["Message"].endswith(f"is not authorized to perform: sts:AssumeRole on resource: {ghost}")
    with pytest.raises(ClientError, match="ExternalId"):
        sts.assume_role(RoleArn=ghost, RoleSessionName="me", ExternalId="xx")
