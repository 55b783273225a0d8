"""Layers. Texts of errors: recorded from AWS, or quoted from its users' reports."""

import io
import json
import zipfile
from typing import Any

import pytest

from waypost.aws.errors import AwsError
from waypost.service import Job, Params
from waypost.services import lambdas

OTHER = "111122223333"
LAYER = "arn:aws:lambda:us-east-1:000000000000:layer:l"


def refused(world: Any, operation: str, **request: Any) -> AwsError:
    with pytest.raises(AwsError) as error:
        world.call(operation, **request)
    return error.value


def as_other(world: Any, operation: str, **request: Any) -> Params:
    function = lambdas.SERVICE.operations[operation]
    answer = world.store.run(lambda tx: function(tx, world.context(OTHER), request))
    assert isinstance(answer, dict)
    return answer


def publish(world: Any, package: Any, text: str = "x", name: str = "l", **changes: Any) -> Params:
    content = {"ZipFile": package(text, "python/shared.py")}
    answer = world.call("PublishLayerVersion", LayerName=name, Content=content, **changes)
    assert isinstance(answer, dict)
    return answer


def large(size: int) -> bytes:
    """A small zip of a large file."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(zipfile.ZipInfo("zeros"), bytes(size), zipfile.ZIP_DEFLATED)
    return out.getvalue()


def test_a_version_is_published_shown_and_deleted(still: Any, package: Any) -> None:
    made = publish(still, package, Description="d", CompatibleRuntimes=["python3.11"], LicenseInfo="MIT")
    assert (made["LayerArn"], made["LayerVersionArn"], made["Version"]) == (LAYER, f"{LAYER}:1", 1)
    assert (made["Description"], made["LicenseInfo"]) == ("d", "MIT")
    assert made["CompatibleRuntimes"] == ["python3.11"]
    assert "CompatibleArchitectures" not in made
    assert made["Content"]["CodeSize"] == len(package("x", "python/shared.py"))
    for name in ("l", LAYER):
        assert still.call("GetLayerVersion", LayerName=name, VersionNumber=1) == made
    assert still.call("GetLayerVersionByArn", Arn=f"{LAYER}:1") == made
    path, token = made["Content"]["Location"].split("?token=")
    _, _, name, sha256 = path.rsplit("/", 3)
    asked = {"FunctionName": name, "CodeSha256": sha256, "Token": token}
    assert still.call("waypost:DownloadCode", **asked) == {"ZipFile": package("x", "python/shared.py")}
    assert refused(still, "waypost:DownloadCode", **asked | {"Token": "t"}).code == "ResourceNotFoundException"
    assert still.call("DeleteLayerVersion", LayerName="l", VersionNumber=1) == {}
    assert still.call("DeleteLayerVersion", LayerName="l", VersionNumber=1) == {}
    for error in (
        refused(still, "GetLayerVersion", LayerName="l", VersionNumber=1),
        refused(still, "GetLayerVersionByArn", Arn=f"{LAYER}:1"),
    ):
        assert (error.code, error.message) == (
            "ResourceNotFoundException", "The resource you requested does not exist."
        )  # fmt: skip
    assert publish(still, package)["Version"] == 2, "numbers are never given twice"


def test_lists(still: Any, package: Any) -> None:
    publish(still, package, "1", CompatibleRuntimes=["python3.11"])
    publish(still, package, "2", CompatibleRuntimes=["nodejs20.x"], CompatibleArchitectures=["arm64"])
    publish(still, package, "3", name="m")
    publish(still, package, "4", name="gone")
    still.call("DeleteLayerVersion", LayerName="gone", VersionNumber=1)
    listed = still.call("ListLayers")["Layers"]
    assert [(layer["LayerName"], layer["LatestMatchingVersion"]["Version"]) for layer in listed] == [("l", 2), ("m", 1)]
    (matching,) = still.call("ListLayers", CompatibleRuntime="python3.11")["Layers"]
    assert (matching["LayerArn"], matching["LatestMatchingVersion"]["LayerVersionArn"]) == (LAYER, f"{LAYER}:1")
    (matching,) = still.call("ListLayers", CompatibleArchitecture="arm64")["Layers"]
    assert matching["LatestMatchingVersion"]["Version"] == 2
    pages, page = [], still.call("ListLayers", MaxItems=1)
    while "NextMarker" in page:
        pages.append([layer["LayerName"] for layer in page["Layers"]])
        page = still.call("ListLayers", MaxItems=1, Marker=page["NextMarker"])
    assert [*pages, [layer["LayerName"] for layer in page["Layers"]]] == [[], ["l"], ["m"]]
    first = still.call("ListLayerVersions", LayerName="l", MaxItems=1)
    rest = still.call("ListLayerVersions", LayerName="l", Marker=first["NextMarker"])
    found = [*first["LayerVersions"], *rest["LayerVersions"]]
    assert [version["Version"] for version in found] == [2, 1]
    assert "Content" not in found[0]
    assert "NextMarker" not in rest
    assert still.call("ListLayerVersions", LayerName="nothing")["LayerVersions"] == []


def test_a_policy_opens_a_version_to_others(still: Any, package: Any) -> None:
    publish(still, package)
    named = {"LayerName": "l", "VersionNumber": 1}
    with pytest.raises(AwsError) as error:
        as_other(still, "GetLayerVersionByArn", Arn=f"{LAYER}:1")
    assert error.value.code == "AccessDeniedException"
    request = {**named, "StatementId": "s", "Action": "lambda:GetLayerVersion", "Principal": OTHER}
    added = still.call("AddLayerVersionPermission", **request)
    assert json.loads(added["Statement"]) == {
        "Sid": "s", "Effect": "Allow", "Principal": {"AWS": f"arn:aws:iam::{OTHER}:root"},
        "Action": "lambda:GetLayerVersion", "Resource": f"{LAYER}:1",
    }  # fmt: skip
    policy = still.call("GetLayerVersionPolicy", **named)
    assert policy["RevisionId"] == added["RevisionId"]
    assert as_other(still, "GetLayerVersionByArn", Arn=f"{LAYER}:1")["Version"] == 1
    assert refused(still, "AddLayerVersionPermission", **request).code == "ResourceConflictException"
    stale = {**request, "StatementId": "t", "RevisionId": "x"}
    error_ = refused(still, "AddLayerVersionPermission", **stale)
    assert error_.code == "PreconditionFailedException"
    assert "GetLayerPolicy" in error_.message
    with pytest.raises(AwsError):
        as_other(still, "DeleteLayerVersion", LayerName=LAYER, VersionNumber=1)
    still.call("RemoveLayerVersionPermission", **named, StatementId="s")
    assert refused(still, "RemoveLayerVersionPermission", **named, StatementId="s").message == (
        "Statement s is not found in resource policy."
    )
    assert refused(still, "GetLayerVersionPolicy", **named).message == (
        "No policy is associated with the given resource."
    )
    # A statement for an organization opens it to nobody here.
    still.call("AddLayerVersionPermission", **request | {"Principal": "*", "OrganizationId": "o-abcdefghij"})
    with pytest.raises(AwsError):
        as_other(still, "GetLayerVersionByArn", Arn=f"{LAYER}:1")


def test_a_function_has_layers(still: Any, package: Any) -> None:
    publish(still, package, "1")
    publish(still, package, "2", name="m")
    two = [f"{LAYER}:1", f"{LAYER[:-1]}m:1"]
    created = still.create_function(Layers=two)
    assert [layer["Arn"] for layer in created["Layers"]] == two
    assert created["Layers"][0]["CodeSize"] == len(package("1", "python/shared.py"))
    still.call("UpdateFunctionConfiguration", FunctionName="f", Timeout=9)
    assert len(still.call("GetFunctionConfiguration", FunctionName="f")["Layers"]) == 2
    assert still.call("PublishVersion", FunctionName="f")["Version"] == "1"
    still.call("UpdateFunctionConfiguration", FunctionName="f", Layers=[])
    assert "Layers" not in still.call("GetFunctionConfiguration", FunctionName="f")
    assert len(still.call("GetFunctionConfiguration", FunctionName="f", Qualifier="1")["Layers"]) == 2


async def test_a_call_brings_its_layers(world: Any, package: Any) -> None:
    for text in "12":
        publish(world, package, text, name=f"l{text}")
    arns = [f"{LAYER}{text}:1" for text in "21"]
    world.create_function(Layers=arns)
    await world.execute("Invoke", FunctionName="f", Payload=b"{}")
    digests = [
        world.call("GetLayerVersionByArn", Arn=arn)["Content"]["Location"].split("?")[0].rsplit("/", 1)[1]
        for arn in arns
    ]
    assert list(world.performed[-1].spec.layers) == digests


@pytest.mark.parametrize(
    ("wanted", "message"),
    [
        ([f"{LAYER}:9"], f"Layer version {LAYER}:9 does not exist."),
        ([f"{LAYER}{number}:1" for number in range(6)], "Cannot reference more than 5 layers."),
        ([f"{LAYER}:1", f"{LAYER}:2"], f"{LAYER}:1 and {LAYER}:2 are versions of the same layer"),
        ([LAYER.replace("us-east-1", "eu-west-1") + ":1"], "Layers are expected to be in region us-east-1."),
        ([LAYER.replace("000000000000", OTHER) + ":1"], "does not exist"),
        (["arn:aws:lambda:::awslayer:x"], "Waypost does not have the layer"),
    ],
)
def test_what_a_function_cannot_have(still: Any, package: Any, wanted: list[str], message: str) -> None:
    for text in "12":
        publish(still, package, text)
    still.create_function()
    error = refused(still, "UpdateFunctionConfiguration", FunctionName="f", Layers=wanted)
    assert error.code == "InvalidParameterValueException"
    assert message in error.message


def test_a_function_and_its_layers_fit_together(still: Any) -> None:
    half = large(140_000_000)
    still.call("PublishLayerVersion", LayerName="l", Content={"ZipFile": half})
    still.call("PublishLayerVersion", LayerName="m", Content={"ZipFile": half})
    still.create_function(Layers=[f"{LAYER}:1"])
    message = "Function code combined with layers exceeds the maximum allowed size of 262144000 bytes."
    two = [f"{LAYER}:1", f"{LAYER[:-1]}m:1"]
    assert message in refused(still, "UpdateFunctionConfiguration", FunctionName="f", Layers=two).message
    assert message in refused(still, "UpdateFunctionCode", FunctionName="f", ZipFile=half).message
    still.call("UpdateFunctionConfiguration", FunctionName="f", Layers=[])
    still.call("UpdateFunctionCode", FunctionName="f", ZipFile=half)
    assert message in refused(still, "UpdateFunctionConfiguration", FunctionName="f", Layers=[f"{LAYER}:1"]).message


def test_a_deleted_layer_is_kept_for_those_that_have_it(still: Any, package: Any) -> None:
    made = publish(still, package)
    path, token = made["Content"]["Location"].split("?token=")
    sha256 = path.rsplit("/", 1)[1]

    def kept() -> bool:
        job = Job(0, "", "", "", "", 0, 0, {"CodeSha256": sha256})
        still.store.run(lambda tx: lambdas.SERVICE.jobs["lambda.forget_code"](tx, still.context(), job))
        rows = still.store.run(lambda tx: tx.all(lambdas.code.Q.get_code, sha256=sha256))
        return bool(rows)

    assert kept()
    still.create_function(Layers=[f"{LAYER}:1"], Publish=True)
    still.call("DeleteLayerVersion", LayerName="l", VersionNumber=1)
    assert kept()
    still.call("UpdateFunctionConfiguration", FunctionName="f", Layers=[])
    assert kept(), "the version has it still"
    still.call("DeleteFunction", FunctionName="f", Qualifier="1")
    assert not kept()
    assert token


def test_bad_names_and_zips(still: Any) -> None:
    error = refused(still, "PublishLayerVersion", LayerName="l", Content={"ZipFile": b"no zip"})
    assert error.message.startswith("Could not unzip uploaded file.")
    assert refused(still, "PublishLayerVersion", LayerName="l", Content={}).code == "InvalidParameterValueException"
    assert refused(still, "GetLayerVersion", LayerName="l", VersionNumber=0).message == (
        "Layer Version Cannot be less than 1."
    )
    assert refused(still, "GetLayerVersion", LayerName="l", VersionNumber=10**12).code == "ResourceNotFoundException"
