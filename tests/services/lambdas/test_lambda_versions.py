"""Versions and aliases. Texts of errors: recorded from AWS, or quoted from its users' reports where it says so."""

import base64
import hashlib
from typing import Any

import pytest

from waypost.aws.errors import AwsError
from waypost.service import Job
from waypost.services import lambdas

ARN = "arn:aws:lambda:us-east-1:000000000000:function:f"


def refused(world: Any, operation: str, **request: Any) -> AwsError:
    with pytest.raises(AwsError) as error:
        world.call(operation, **request)
    return error.value


def publish(world: Any, package: Any, text: str) -> str:
    world.call("UpdateFunctionCode", FunctionName="f", ZipFile=package(text))
    return str(world.call("PublishVersion", FunctionName="f")["Version"])


def versions(world: Any, **request: Any) -> list[str]:
    answer = world.call("ListVersionsByFunction", FunctionName="f", **request)
    return [listed["Version"] for listed in answer["Versions"]]


def test_a_version_keeps_what_latest_was(still: Any, package: Any) -> None:
    created = still.create_function(Environment={"Variables": {"A": "1"}})
    published = still.call("PublishVersion", FunctionName="f", Description="first")
    assert (published["Version"], published["FunctionArn"], published["State"]) == ("1", f"{ARN}:1", "Pending")
    assert published["Description"] == "first"
    assert "LastUpdateStatus" not in published
    still.call("UpdateFunctionConfiguration", FunctionName="f", Timeout=9, Environment={"Variables": {}})
    still.call("UpdateFunctionCode", FunctionName="f", ZipFile=package("new"))
    for request in ({"FunctionName": "f", "Qualifier": "1"}, {"FunctionName": f"{ARN}:1"}):
        kept = still.call("GetFunctionConfiguration", **request)
        assert (kept["Timeout"], kept["Environment"]) == (3, {"Variables": {"A": "1"}})
        assert (kept["CodeSha256"], kept["FunctionArn"], kept["Version"]) == (created["CodeSha256"], f"{ARN}:1", "1")
        assert (kept["State"], kept["LastUpdateStatus"]) == ("Active", "Successful")
    assert still.call("GetFunctionConfiguration", FunctionName="f")["Timeout"] == 9
    assert still.call("GetFunctionConfiguration", FunctionName="f")["Version"] == "$LATEST"


def test_without_a_change_there_is_no_new_version(still: Any, package: Any) -> None:
    still.create_function()
    first = still.call("PublishVersion", FunctionName="f", Description="one")
    again = still.call("PublishVersion", FunctionName="f", Description="two")
    assert (again["Version"], again["Description"], again["State"]) == ("1", "one", "Active")
    assert again["RevisionId"] == first["RevisionId"]
    still.call("UpdateFunctionConfiguration", FunctionName="f", Timeout=9)
    assert still.call("PublishVersion", FunctionName="f")["Version"] == "2"
    assert publish(still, package, "new") == "3"
    assert versions(still) == ["$LATEST", "1", "2", "3"]


def test_numbers_are_never_given_twice(still: Any, package: Any) -> None:
    still.create_function()
    still.call("PublishVersion", FunctionName="f")
    still.call("DeleteFunction", FunctionName="f", Qualifier="1")
    assert versions(still) == ["$LATEST"]
    assert still.call("PublishVersion", FunctionName="f")["Version"] == "2"
    still.call("DeleteFunction", FunctionName="f")
    assert refused(still, "GetFunction", FunctionName="f", Qualifier="2").code == "ResourceNotFoundException"
    still.create_function()
    assert versions(still) == ["$LATEST"]
    assert still.call("PublishVersion", FunctionName="f")["Version"] == "3"


def test_preconditions(still: Any, package: Any) -> None:
    created = still.create_function()
    digest = base64.b64encode(hashlib.sha256(package("other")).digest()).decode()
    error = refused(still, "PublishVersion", FunctionName="f", CodeSha256=digest)
    assert error.code == "InvalidParameterValueException"
    assert created["CodeSha256"] in error.message
    assert refused(still, "PublishVersion", FunctionName="f", RevisionId="x").code == "PreconditionFailedException"
    assert versions(still) == ["$LATEST"]
    right = {"CodeSha256": created["CodeSha256"], "RevisionId": created["RevisionId"]}
    assert still.call("PublishVersion", FunctionName="f", **right)["Version"] == "1"


def test_create_and_update_publish_when_told_to(still: Any, package: Any) -> None:
    created = still.create_function(Publish=True)
    assert (created["Version"], created["FunctionArn"]) == ("1", f"{ARN}:1")
    dry = still.call("UpdateFunctionCode", FunctionName="f", ZipFile=package("new"), Publish=True, DryRun=True)
    assert dry["Version"] == "$LATEST"
    assert versions(still) == ["$LATEST", "1"]
    updated = still.call("UpdateFunctionCode", FunctionName="f", ZipFile=package("new"), Publish=True)
    assert (updated["Version"], updated["FunctionArn"], updated["State"]) == ("2", f"{ARN}:2", "Pending")
    same = still.call("UpdateFunctionCode", FunctionName="f", ZipFile=package("new"), Publish=True)
    assert (same["Version"], same["State"]) == ("2", "Active")


def test_lists_are_paged(still: Any, package: Any) -> None:
    still.create_function()
    for text in "abc":
        publish(still, package, text)
    first = still.call("ListVersionsByFunction", FunctionName="f", MaxItems=2)
    assert [listed["FunctionArn"] for listed in first["Versions"]] == [f"{ARN}:$LATEST", f"{ARN}:1"]
    assert "State" not in first["Versions"][1]
    assert versions(still, Marker=first["NextMarker"]) == ["2", "3"]
    only = still.call("ListVersionsByFunction", FunctionName="f", MaxItems=1)
    assert versions(still, Marker=only["NextMarker"]) == ["1", "2", "3"]
    still.create_function("g", Publish=True)
    seen: list[str] = []
    page: dict[str, Any] = {}
    while not seen or "NextMarker" in page:
        marker = {"Marker": page["NextMarker"]} if page else {}
        page = still.call("ListFunctions", FunctionVersion="ALL", MaxItems=2, **marker)
        seen += [listed["FunctionArn"].partition("function:")[2] for listed in page["Functions"]]
    assert seen == ["f:$LATEST", "f:1", "f:2", "f:3", "g:$LATEST", "g:1"]
    assert len(still.call("ListFunctions")["Functions"]) == 2


@pytest.mark.parametrize("qualifier", ["7", "01", "9" * 30, "nothing", "$LATEST.PUBLISHED"])
def test_what_is_not_there_is_not_found(still: Any, qualifier: str) -> None:
    still.create_function(Publish=True)
    for operation in ("GetFunction", "GetFunctionConfiguration", "Invoke"):
        error = refused(still, operation, FunctionName="f", Qualifier=qualifier)
        assert (error.code, error.message) == (
            "ResourceNotFoundException", f"Function not found: {ARN}:{qualifier}"
        )  # fmt: skip


def test_code_of_a_version_is_kept_and_can_be_downloaded(still: Any, package: Any) -> None:
    still.create_function(Publish=True)
    link = still.call("GetFunction", FunctionName="f", Qualifier="1")["Code"]["Location"]
    still.call("UpdateFunctionCode", FunctionName="f", ZipFile=package("new"))
    still.clock.advance(3_600_000)
    path, token = link.split("?token=")
    asked = {"FunctionName": "f", "CodeSha256": path.rsplit("/", 1)[1], "Token": token}

    def forget() -> None:
        still.store.run(lambda tx: _forget(still, tx, asked["CodeSha256"]))

    forget()
    assert still.call("waypost:DownloadCode", **asked) == {"ZipFile": package()}
    still.call("DeleteFunction", FunctionName="f", Qualifier="1")
    forget()
    assert refused(still, "waypost:DownloadCode", **asked).code == "ResourceNotFoundException"


def _forget(world: Any, tx: Any, sha256: str) -> None:
    lambdas.SERVICE.jobs["lambda.forget_code"](
        tx, world.context(), Job(0, "", "", "", "", 0, 0, {"CodeSha256": sha256})
    )


async def test_each_version_runs_as_it_was(world: Any, package: Any) -> None:
    world.create_function(Publish=True)
    world.call("UpdateFunctionConfiguration", FunctionName="f", Timeout=9)
    for qualifier, version, timeout_ms in (("", "$LATEST", 9_000), ("$LATEST", "$LATEST", 9_000), ("1", "1", 3_000)):
        asked = {"Qualifier": qualifier} if qualifier else {}
        answer = await world.execute("Invoke", FunctionName="f", Payload=b"{}", **asked)
        call = world.performed[-1]
        assert answer["ExecutedVersion"] == version
        assert (call.spec.version, call.spec.timeout_ms, call.spec.arn) == (version, timeout_ms, ARN)
        assert call.invoked_arn == (f"{ARN}:{qualifier}" if qualifier else ARN)
    # A warm environment never runs other code: the key of its fleet is function, version and revision.
    first, _, last = (call.spec for call in world.performed)
    assert first.revision != last.revision
    await world.execute("Invoke", FunctionName="f", Qualifier="1", Payload=b"{}")
    assert world.performed[-1].spec == last
    assert world.neighbours.issued == 2


# --- aliases


@pytest.fixture
def three(still: Any, package: Any) -> Any:
    still.create_function()
    for text in "ab":
        publish(still, package, text)
    return still


def test_an_alias_from_creation_to_deletion(three: Any) -> None:
    created = three.call("CreateAlias", FunctionName="f", Name="live", FunctionVersion="1", Description="d")
    assert created == {
        "AliasArn": f"{ARN}:live", "Name": "live", "FunctionVersion": "1", "Description": "d",
        "RevisionId": created["RevisionId"],
    }  # fmt: skip
    assert three.call("GetAlias", FunctionName="f", Name="live") == created
    error = refused(three, "CreateAlias", FunctionName="f", Name="live", FunctionVersion="2")
    assert (error.code, error.message) == ("ResourceConflictException", f"Alias already exists: {ARN}:live")
    updated = three.call("UpdateAlias", FunctionName="f", Name="live", FunctionVersion="2")
    assert (updated["FunctionVersion"], updated["Description"]) == ("2", "d")
    assert updated["RevisionId"] != created["RevisionId"]
    error = refused(three, "UpdateAlias", FunctionName="f", Name="live", RevisionId=created["RevisionId"])
    assert error.code == "PreconditionFailedException"
    shown = three.call("GetFunction", FunctionName="f", Qualifier="live")["Configuration"]
    assert (shown["FunctionArn"], shown["Version"]) == (f"{ARN}:live", "2")
    assert three.call("DeleteAlias", FunctionName="f", Name="live") == {}
    error = refused(three, "GetAlias", FunctionName="f", Name="live")
    assert (error.code, error.message) == ("ResourceNotFoundException", f"Cannot find alias arn: {ARN}:live")
    error = refused(three, "UpdateAlias", FunctionName="f", Name="live", Description="x")
    assert (error.code, error.message) == ("ResourceNotFoundException", f"Alias not found: {ARN}:live")
    assert three.call("DeleteAlias", FunctionName="f", Name="live") == {}  # as on AWS


def test_weights(three: Any) -> None:
    routing = {"AdditionalVersionWeights": {"2": 0.25}}
    created = three.call("CreateAlias", FunctionName="f", Name="a", FunctionVersion="1", RoutingConfig=routing)
    assert created["RoutingConfig"] == routing
    kept = three.call("UpdateAlias", FunctionName="f", Name="a", Description="x")
    assert kept["RoutingConfig"] == routing
    cleared = three.call("UpdateAlias", FunctionName="f", Name="a", RoutingConfig={})
    assert "RoutingConfig" not in cleared


@pytest.mark.parametrize(
    ("version", "weights", "message"),
    [
        ("1", {"2": 0.1, "1": 0.1}, "Number of items in AdditionalVersionWeights cannot be greater than 1"),
        ("$LATEST", {"1": 0.1}, "$LATEST is not supported for an alias pointing to more than 1 version"),
        ("1", {"$LATEST": 0.1}, "$LATEST is not supported for an alias pointing to more than 1 version"),
        ("1", {"1": 0.1}, "Invalid function version 1"),
        ("1", {"9": 0.1}, f"Function not found: {ARN}:9"),
        ("9", {}, f"Function not found: {ARN}:9"),
    ],
)
def test_an_alias_names_what_can_run(three: Any, version: str, weights: Any, message: str) -> None:
    request = {"FunctionVersion": version, "RoutingConfig": {"AdditionalVersionWeights": weights}}
    assert message in refused(three, "CreateAlias", FunctionName="f", Name="a", **request).message
    three.call("CreateAlias", FunctionName="f", Name="a", FunctionVersion="2")
    assert message in refused(three, "UpdateAlias", FunctionName="f", Name="a", **request).message
    assert three.call("GetAlias", FunctionName="f", Name="a")["FunctionVersion"] == "2"


def test_what_an_alias_names_cannot_be_deleted(three: Any) -> None:
    routing = {"AdditionalVersionWeights": {"2": 0.25}}
    three.call("CreateAlias", FunctionName="f", Name="live", FunctionVersion="1", RoutingConfig=routing)
    three.call("CreateAlias", FunctionName="f", Name="first", FunctionVersion="1")
    for version, naming in (("1", "first, live"), ("2", "live")):
        error = refused(three, "DeleteFunction", FunctionName="f", Qualifier=version)
        assert error.code == "ResourceConflictException"
        assert error.message == f"Unable to delete version because the following aliases reference it: [{naming}]"
    error = refused(three, "DeleteFunction", FunctionName="f", Qualifier="live")
    assert error.message == "Deletion of aliases is not currently supported."
    three.call("DeleteFunction", FunctionName="f")
    three.create_function()
    assert three.call("ListAliases", FunctionName="f")["Aliases"] == []


def test_aliases_are_listed_by_page_and_by_version(three: Any) -> None:
    for name, version in (("c", "2"), ("a", "1"), ("b", "1")):
        three.call("CreateAlias", FunctionName="f", Name=name, FunctionVersion=version)
    first = three.call("ListAliases", FunctionName="f", MaxItems=2)
    assert [alias["Name"] for alias in first["Aliases"]] == ["a", "b"]
    rest = three.call("ListAliases", FunctionName="f", Marker=first["NextMarker"])
    assert [alias["Name"] for alias in rest["Aliases"]] == ["c"]
    of_one = three.call("ListAliases", FunctionName="f", FunctionVersion="1")
    assert [alias["Name"] for alias in of_one["Aliases"]] == ["a", "b"]


async def test_an_alias_shares_out_its_requests(world: Any, package: Any) -> None:
    world.create_function()
    for text in "ab":
        publish(world, package, text)
    routing = {"AdditionalVersionWeights": {"2": 0.25}}
    world.call("CreateAlias", FunctionName="f", Name="live", FunctionVersion="1", RoutingConfig=routing)
    ran = []
    for _ in range(100):
        answer = await world.execute("Invoke", FunctionName="f", Qualifier="live", Payload=b"{}")
        ran.append(answer["ExecutedVersion"])
        assert world.performed[-1].spec.version == ran[-1]
        assert world.performed[-1].invoked_arn == f"{ARN}:live"
    assert 10 <= ran.count("2") <= 40  # of a seeded source: always the same number
    assert ran.count("1") + ran.count("2") == 100
    for weight, only in ((0.0, "1"), (1.0, "2")):
        routing = {"AdditionalVersionWeights": {"2": weight}}
        world.call("UpdateAlias", FunctionName="f", Name="live", RoutingConfig=routing)
        for _ in range(5):
            answer = await world.execute("Invoke", FunctionName="f", Qualifier="live", Payload=b"{}")
            assert answer["ExecutedVersion"] == only


# --- what hangs on a qualifier


def test_each_qualifier_has_a_policy_of_its_own(three: Any) -> None:
    three.call("CreateAlias", FunctionName="f", Name="live", FunctionVersion="1")
    for qualifier in ("", "live", "2"):
        named = {"FunctionName": "f", **({"Qualifier": qualifier} if qualifier else {})}
        added = three.call(
            "AddPermission", StatementId="s", Action="lambda:InvokeFunction", Principal="sqs.amazonaws.com", **named
        )
        arn = f"{ARN}:{qualifier}" if qualifier else ARN
        assert f'"Resource":"{arn}"' in added["Statement"]
        assert three.call("GetPolicy", **named)["Policy"].count('"Sid"') == 1
    three.call("RemovePermission", FunctionName="f", Qualifier="live", StatementId="s")
    assert refused(three, "GetPolicy", FunctionName="f", Qualifier="live").code == "ResourceNotFoundException"
    three.call("GetPolicy", FunctionName="f")
    three.call("DeleteFunction", FunctionName="f", Qualifier="2")
    error = refused(
        three, "AddPermission", FunctionName="f", Qualifier="2", StatementId="s", Action="lambda:InvokeFunction",
        Principal="sqs.amazonaws.com",
    )  # fmt: skip
    assert error.message == f"Function not found: {ARN}:2"


async def test_a_queue_feeds_an_alias(world: Any, package: Any) -> None:
    world.create_function(Publish=True)
    world.call("UpdateFunctionCode", FunctionName="f", ZipFile=package("new"))
    with pytest.raises(AwsError, match="Function does not exist"):
        world.create_mapping(function="f:live")
    world.call("CreateAlias", FunctionName="f", Name="live", FunctionVersion="1")
    made = world.create_mapping(function="f:live")
    assert made["FunctionArn"] == f"{ARN}:live"
    world.start_background()
    await world.settle()
    await world.send("q", "one")
    await world.settle()
    assert [call.spec.version for call in world.performed] == ["1"]
    assert world.performed[0].invoked_arn == f"{ARN}:live"
    # Without the alias messages stay where they are, as without the function.
    await world.change("DeleteAlias", FunctionName="f", Name="live")
    await world.send("q", "two")
    await world.settle()
    assert len(world.performed) == 1
    assert len(world.neighbours.queues["q"].messages) == 1
    await world.change("CreateAlias", FunctionName="f", Name="live", FunctionVersion="$LATEST")
    await world.settle()
    assert [call.spec.version for call in world.performed] == ["1", "$LATEST"]


async def test_a_queue_feeds_a_version(world: Any) -> None:
    world.create_function(Publish=True)
    world.create_mapping(function=f"{ARN}:1")
    world.start_background()
    await world.send("q", "one")
    await world.settle()
    assert [call.spec.version for call in world.performed] == ["1"]
