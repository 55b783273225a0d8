"""Functions: what is created, read, changed, deleted and refused."""

import base64
import hashlib
from typing import Any

import pytest

from waypost.aws.errors import AwsError
from waypost.service import Job
from waypost.services import lambdas
from waypost.services.lambdas.code import get_code

ROLE = "arn:aws:iam::000000000000:role/r"
ARN = "arn:aws:lambda:us-east-1:000000000000:function:f"


def refused(world: Any, operation: str, **request: Any) -> AwsError:
    with pytest.raises(AwsError) as error:
        world.call(operation, **request)
    return error.value


def creation_refused(world: Any, **changes: Any) -> AwsError:
    with pytest.raises(AwsError) as error:
        world.create_function(**changes)
    return error.value


def test_create_answers_pending_and_then_shows_active(still: Any, package: Any) -> None:
    created = still.create_function(Environment={"Variables": {"A": "1"}}, Tags={"t": "v"}, Description="")
    code = package()
    assert created["FunctionArn"] == ARN
    assert created["CodeSha256"] == base64.b64encode(hashlib.sha256(code).digest()).decode()
    assert created["CodeSize"] == len(code)
    assert (created["State"], created["StateReasonCode"]) == ("Pending", "Creating")
    assert "LastUpdateStatus" not in created
    assert (created["Timeout"], created["MemorySize"], created["Description"]) == (3, 128, "")
    assert created["LastModified"] == "2023-11-14T22:13:20.000+0000"
    got = still.call("GetFunction", FunctionName="f")
    assert (got["Configuration"]["State"], got["Configuration"]["LastUpdateStatus"]) == ("Active", "Successful")
    assert got["Configuration"]["Environment"] == {"Variables": {"A": "1"}}
    assert got["Configuration"]["LoggingConfig"] == {"LogFormat": "Text", "LogGroup": "/aws/lambda/f"}
    assert got["Tags"] == {"t": "v"}
    assert still.call("GetFunctionConfiguration", FunctionName=ARN) == got["Configuration"]


def test_the_link_of_get_function_downloads_the_code(still: Any, package: Any) -> None:
    still.create_function()
    location = still.call("GetFunction", FunctionName="f")["Code"]["Location"]
    path, _, token = location.partition("?token=")
    assert path.startswith("http://127.0.0.1:4566/_waypost/code/000000000000/us-east-1/f/")
    sha256 = path.rsplit("/", 1)[1]
    asked = {"FunctionName": "f", "CodeSha256": sha256, "Token": token}
    assert still.call("waypost:DownloadCode", **asked)["ZipFile"] == package()
    assert refused(still, "waypost:DownloadCode", **asked | {"Token": "guess"}).code == "ResourceNotFoundException"
    assert (
        refused(still, "waypost:DownloadCode", **asked | {"CodeSha256": "0" * 64}).code == "ResourceNotFoundException"
    )


@pytest.mark.parametrize(
    ("name", "qualifier", "arn"),
    [
        ("f", None, ARN),
        ("f:$LATEST", None, f"{ARN}:$LATEST"),
        ("f", "$LATEST", f"{ARN}:$LATEST"),
        ("000000000000:function:f", None, ARN),
        ("000000000000:f", None, ARN),
        ("function:f", None, ARN),
        (f"{ARN}:$LATEST", "$LATEST", f"{ARN}:$LATEST"),
    ],
)
def test_a_function_has_many_names(still: Any, name: str, qualifier: str | None, arn: str) -> None:
    still.create_function()
    asked = {"FunctionName": name} | ({"Qualifier": qualifier} if qualifier else {})
    assert still.call("GetFunctionConfiguration", **asked)["FunctionArn"] == arn


@pytest.mark.parametrize(
    ("request_", "code", "message"),
    [
        ({"FunctionName": "g"}, "ResourceNotFoundException", f"Function not found: {ARN[:-1]}g"),
        ({"FunctionName": "f", "Qualifier": "7"}, "ResourceNotFoundException", f"Function not found: {ARN}:7"),
        (
            {"FunctionName": "f:1", "Qualifier": "2"}, "InvalidParameterValueException",
            "The derived qualifier from the function name does not match the specified qualifier.",
        ),
        (
            {"FunctionName": ARN.replace("us-east-1", "eu-west-1")}, "ResourceNotFoundException",
            "Functions from 'eu-west-1' are not reachable in this region ('us-east-1')",
        ),
        ({"FunctionName": ARN.replace("0" * 12, "1" * 12)}, "AccessDeniedException", None),
    ],
)  # fmt: skip
def test_what_is_not_there_is_not_found(still: Any, request_: Any, code: str, message: str | None) -> None:
    still.create_function()
    error = refused(still, "GetFunction", **request_)
    assert error.code == code
    assert message is None or error.message == message


def test_a_name_is_taken_once(still: Any) -> None:
    still.create_function()
    error = creation_refused(still)
    assert (error.code, error.message) == ("ResourceConflictException", "Function already exist: f")


@pytest.mark.parametrize(
    ("changes", "code", "message"),
    [
        ({"Code": {"ZipFile": b"no zip"}}, "InvalidParameterValueException", "Could not unzip uploaded file."),
        (
            {"Code": {"ZipFile": b"PK\x05\x06" + bytes(18)}},
            "InvalidParameterValueException",
            "Uploaded file must be a non-empty",
        ),
        ({"Code": {}}, "InvalidParameterValueException", "Please provide a source for function code."),
        (
            {"Code": {"ZipFile": bytes(52_428_800)}},
            "RequestEntityTooLargeException",
            "Zipped size must be smaller than",
        ),
        ({"Runtime": None}, "InvalidParameterValueException", "Runtime and Handler are mandatory"),
        ({"Runtime": "java21"}, "InvalidParameterValueException", "Value java21 at 'runtime' failed to satisfy"),
        ({"Runtime": "nodejs20.x"}, "InvalidParameterValueException", "there is no nodejs20.x"),
        (
            {"Role": ROLE + "2"},
            "InvalidParameterValueException",
            "The role defined for the function cannot be assumed by",
        ),
        ({"Role": "arn:aws:iam::111111111111:role/r"}, "AccessDeniedException", "Cross-account pass role"),
        ({"Timeout": 901}, "ValidationException", "1 validation error detected: Value '901' at 'timeout'"),
        ({"MemorySize": 10_241}, "InvalidParameterValueException", "'MemorySize' value failed"),
        ({"FunctionName": "n" * 65}, "ValidationException", "less than or equal to 64"),
        ({"FunctionName": "f:1"}, "InvalidParameterValueException", "qualifier"),
        (
            {"Tags": {str(n): "" for n in range(51)}},
            "InvalidParameterValueException",
            "Number of tags exceeds resource",
        ),
        (
            {"Environment": {"Variables": {"AWS_REGION": "x"}}},
            "InvalidParameterValueException",
            "this request: AWS_REGION",
        ),
        ({"Environment": {"Variables": {"AWS_LAMBDA_X": "x"}}}, "InvalidParameterValueException", "AWS_LAMBDA_X"),
        (
            {"Environment": {"Variables": {"A": "x" * 4_096}}},
            "InvalidParameterValueException",
            'String measured: {"A":"xxx',
        ),
    ],
)
def test_creation_is_refused_in_the_words_of_aws(still: Any, changes: Any, code: str, message: str) -> None:
    still.neighbours.missing_runtimes.add("nodejs20.x")
    error = creation_refused(still, **changes)
    assert error.code == code
    assert message in error.message
    assert still.call("ListFunctions")["Functions"] == []


def test_a_package_may_not_leave_its_folder_nor_explode(
    still: Any, package: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "Could not unzip" in creation_refused(still, Code={"ZipFile": package(name="../x.py")}).message
    assert "Could not unzip" in creation_refused(still, Code={"ZipFile": package(name="/x.py")}).message
    monkeypatch.setattr("waypost.services.lambdas.rules.archive.UNZIPPED_BYTES_MAX", 10)
    assert creation_refused(still).message == "Unzipped size must be smaller than 10 bytes"


def test_update_changes_what_it_names_and_the_revision(still: Any, package: Any) -> None:
    created = still.create_function(Environment={"Variables": {"A": "1"}})
    updated = still.call("UpdateFunctionConfiguration", FunctionName="f", Timeout=9, EphemeralStorage={"Size": 600})
    assert updated["LastUpdateStatus"] == "InProgress"
    assert updated["RevisionId"] != created["RevisionId"]
    now = still.call("GetFunctionConfiguration", FunctionName="f")
    assert (now["Timeout"], now["EphemeralStorage"], now["Environment"]) == (
        9,
        {"Size": 600},
        {"Variables": {"A": "1"}},
    )
    still.call("UpdateFunctionConfiguration", FunctionName="f", Environment={"Variables": {}})
    assert "Environment" not in still.call("GetFunctionConfiguration", FunctionName="f")
    before = still.call("GetFunctionConfiguration", FunctionName="f")
    dry = still.call("UpdateFunctionCode", FunctionName="f", ZipFile=package("pass"), DryRun=True)
    assert dry["CodeSha256"] != before["CodeSha256"]
    assert still.call("GetFunctionConfiguration", FunctionName="f") == before
    still.call("UpdateFunctionCode", FunctionName="f", ZipFile=package("pass"), RevisionId=before["RevisionId"])
    assert still.call("GetFunctionConfiguration", FunctionName="f")["CodeSha256"] == dry["CodeSha256"]
    stale = refused(still, "UpdateFunctionCode", FunctionName="f", ZipFile=package(), RevisionId=before["RevisionId"])
    assert stale.code == "PreconditionFailedException"


def test_code_is_kept_once_and_forgotten_with_its_last_reference(still: Any, package: Any) -> None:
    sha256 = hashlib.sha256(package()).hexdigest()
    job = Job(1, "lambda.forget_code", "", "", "", 0, 1, {"CodeSha256": sha256})

    def forget() -> None:
        still.store.run(lambda tx: lambdas.SERVICE.jobs[job.kind](tx, still.context(), job))

    def kept() -> bool:
        try:
            return bool(still.store.run(lambda tx: get_code(tx, sha256)) == package())
        except AwsError:
            return False

    still.create_function("f")
    still.create_function("g")
    still.call("DeleteFunction", FunctionName="f")
    forget()
    assert kept()
    still.call("UpdateFunctionCode", FunctionName="g", ZipFile=package("pass"))
    assert kept(), "an invocation that has begun may still need it"
    forget()
    assert not kept()


def test_delete(still: Any) -> None:
    still.create_function()
    assert (
        "cannot be deleted without" in refused(still, "DeleteFunction", FunctionName="f", Qualifier="$LATEST").message
    )
    # A version that never was: AWS answers 204 and deletes nothing.
    assert still.call("DeleteFunction", FunctionName="f", Qualifier="3") == {"StatusCode": 204}
    still.call("GetFunction", FunctionName="f")
    assert still.call("DeleteFunction", FunctionName="f") == {"StatusCode": 204}
    assert refused(still, "DeleteFunction", FunctionName="f").code == "ResourceNotFoundException"
    still.create_function()


def test_list_pages_in_name_order(still: Any) -> None:
    for name in ("c", "a", "b"):
        still.create_function(name)
    first = still.call("ListFunctions", MaxItems=2)
    assert [listed["FunctionName"] for listed in first["Functions"]] == ["a", "b"]
    assert "State" not in first["Functions"][0]
    rest = still.call("ListFunctions", MaxItems=2, Marker=first["NextMarker"])
    assert [listed["FunctionName"] for listed in rest["Functions"]] == ["c"]
    assert "NextMarker" not in rest
    every = still.call("ListFunctions", FunctionVersion="ALL")
    assert every["Functions"][0]["FunctionArn"].endswith(":a:$LATEST")
    assert refused(still, "ListFunctions", Marker="\N{SNOWMAN}").code == "InvalidParameterValueException"


def test_what_terraform_reads_is_true(still: Any) -> None:
    still.create_function()
    versions = still.call("ListVersionsByFunction", FunctionName="f", MaxItems=10_000)["Versions"]
    assert [(listed["Version"], listed["FunctionArn"]) for listed in versions] == [("$LATEST", f"{ARN}:$LATEST")]
    assert still.call("GetFunctionCodeSigningConfig", FunctionName="f") == {"FunctionName": "f"}
    assert still.call("GetFunctionRecursionConfig", FunctionName="f") == {"RecursiveLoop": "Allow"}
    assert still.call("PutFunctionRecursionConfig", FunctionName="f", RecursiveLoop="Allow") == {
        "RecursiveLoop": "Allow"
    }
    runtime = {"UpdateRuntimeOn": "Auto", "FunctionArn": f"{ARN}:$LATEST"}
    assert still.call("GetRuntimeManagementConfig", FunctionName="f") == runtime
    assert still.call("PutRuntimeManagementConfig", FunctionName="f", UpdateRuntimeOn="Auto") == runtime
    for operation in ("GetFunctionRecursionConfig", "GetRuntimeManagementConfig"):
        assert refused(still, operation, FunctionName="g").code == "ResourceNotFoundException"
    assert refused(still, "ListVersionsByFunction", FunctionName="g").code == "ResourceNotFoundException"


def test_tags(still: Any) -> None:
    still.create_function(Tags={"a": "1"})
    still.call("TagResource", Resource=ARN, Tags={"b": "2"})
    still.call("UntagResource", Resource=ARN, TagKeys=["a", "z"])
    assert still.call("ListTags", Resource=ARN) == {"Tags": {"b": "2"}}
    uuid = still.create_mapping(Tags={"m": "1"})["EventSourceMappingArn"]
    still.call("TagResource", Resource=uuid, Tags={"n": "2"})
    assert still.call("ListTags", Resource=uuid) == {"Tags": {"m": "1", "n": "2"}}
    qualified = refused(still, "TagResource", Resource=f"{ARN}:1", Tags={})
    assert qualified.message.startswith("Tags on function aliases and versions are not supported.")
    many = refused(still, "TagResource", Resource=ARN, Tags={str(n): "" for n in range(50)})
    assert many.message == "Number of tags exceeds resource tag limit."
    assert refused(still, "ListTags", Resource=f"{ARN}g").code == "ResourceNotFoundException"


def test_accounts_and_regions_are_apart(still: Any) -> None:
    still.create_function()
    elsewhere = still.context(region="eu-west-1")
    list_functions = lambdas.SERVICE.operations["ListFunctions"]
    assert still.store.run(lambda tx: list_functions(tx, elsewhere, {})) == {"Functions": []}
