"""The models are read as data, lazily; overlays are data with reasons."""
# ruff: noqa: E501 (tables of requests and answers read best one to a line)

import json
import subprocess
import sys

import pytest
from samples import MODELS, ROUTER

from waypost.aws import model, timestamps
from waypost.aws.codec.located import split_header
from waypost.aws.codec.xml import escape


@pytest.mark.parametrize("file", sorted(model.OVERLAYS.iterdir()), ids=lambda file: file.stem)
def test_every_correction_has_a_reason_and_a_target(file):
    document = json.loads(file.read_text())
    why = document.pop("why")
    assert set(why) == set(document)
    assert all(len(reason) > 20 for reason in why.values())
    service = model.load(file.stem)
    query = document.get("query", {})
    named = [
        *document.get("unchecked", {}),
        *document.get("patternWords", {}),
        *document.get("enumOrder", {}),
        *query.get("shapes", {}),
    ]
    assert set(named) <= set(service.shapes)
    assert set(document.get("contentTypes", {})) <= set(service.operations)
    for name, order in document.get("enumOrder", {}).items():
        assert set(order) == set(service.shapes[name].enum)
    for name, patch in query.get("shapes", {}).items():
        assert set(patch.get("members", {})) <= set(service.shapes[name].members)


def test_botocore_is_not_imported():
    code = (
        "import sys\n"
        "from waypost.aws.route import Router\n"
        f"router = Router({list(MODELS)})\n"
        "router.operation('sqs', 'SendMessage'), router.operation('lambda', 'Invoke'), router.operation('s3', 'GetObject')\n"
        "sys.exit(any(name.partition('.')[0] in ('botocore', 'boto3') for name in sys.modules))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_models_are_read_at_first_use():
    code = (
        "from waypost.aws import model\n"
        "from waypost.aws.route import Router\n"
        f"Router({list(MODELS)})\n"
        "assert model.load.cache_info().currsize == 0"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_every_operation_compiles():
    for name in MODELS:
        for operation in ROUTER.operations(name):
            compiled = ROUTER.operation(name, operation)
            assert compiled.service_model is model.load(name)
            assert compiled.model.name == operation


def test_null_members_are_left_out():
    operation = ROUTER.operation("stepfunctions", "DescribeExecution")
    response = operation.serialize({"name": None, "input": '{"a":null}', "outputDetails": {"included": None}}, "r")
    assert response.body == b'{"input":"{\\"a\\":null}","outputDetails":{}}'
    untouched = operation.serialize({"input": '{"a":null}'}, "r")
    assert untouched.body == b'{"input":"{\\"a\\":null}"}'


def test_lambda_statuses():
    invoke = ROUTER.operation("lambda", "Invoke")
    response = invoke.serialize({"StatusCode": 200, "Payload": b"null", "ExecutedVersion": "$LATEST"}, "r")
    assert (response.status, response.body) == (200, b"null")
    assert (b"content-type", b"application/json") in response.headers
    assert (b"x-amz-executed-version", b"$LATEST") in response.headers
    assert invoke.serialize({"StatusCode": 202}, "r").status == 202
    dry = invoke.serialize({"StatusCode": 204}, "r")
    assert (dry.status, dry.body, dry.headers) == (204, b"", [(b"x-amzn-requestid", b"r")])
    assert ROUTER.operation("lambda", "CreateFunction").serialize({"FunctionName": "f"}, "r").status == 201
    assert ROUTER.operation("lambda", "DeleteFunction").serialize({"StatusCode": 204}, "r").status == 204


def test_headers_are_one_line():
    operation = ROUTER.operation("lambda", "Invoke")
    response = operation.serialize({"StatusCode": 200, "FunctionError": "a\r\nset-cookie: b"}, "r")
    assert (b"x-amz-function-error", b"a set-cookie: b") in response.headers


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("2026-01-31T12:00:00Z", 1_769_860_800.0),
        ("2026-01-31T12:00:00.250Z", 1_769_860_800.25),
        ("2026-01-31T12:00:00", 1_769_860_800.0),
        ("2026-01-31T14:00:00+02:00", 1_769_860_800.0),
        ("1769860800", 1_769_860_800.0),
        ("1.7698608E9", 1_769_860_800.0),
        ("Sat, 31 Jan 2026 12:00:00 GMT", 1_769_860_800.0),
    ],
)
def test_timestamps_are_read(text, seconds):
    assert timestamps.parse(text) == seconds


@pytest.mark.parametrize(
    "text", ["", "x", "nan", "inf", "1_000", "9" * 15, "1e99", "Sat, 31 Foo 2026 12:00:00 GMT", "Sat, 31 Jan 2026 25:00:00 GMT", "0001-01-01T00:00:00+14:00", "\u0661"]
)  # fmt: skip
def test_timestamps_are_refused(text):
    with pytest.raises(ValueError):
        timestamps.parse(text)


def test_timestamps_are_written():
    assert timestamps.write_iso(1_769_860_800) == "2026-01-31T12:00:00Z"
    assert timestamps.write_iso(1_769_860_800.1234) == "2026-01-31T12:00:00.123Z"
    assert timestamps.write_iso(1_769_860_799.9999) == "2026-01-31T12:00:00Z"
    assert timestamps.write_iso(-1) == "1969-12-31T23:59:59Z"
    assert timestamps.write_iso(timestamps.FIRST) == "0001-01-01T00:00:00Z"
    assert timestamps.write_http(1_769_860_800.9) == "Sat, 31 Jan 2026 12:00:00 GMT"
    assert timestamps.write(1_769_860_800.5, timestamps.EPOCH) == "1769860800.500"


def test_xml_text():
    assert escape("plain") == "plain"
    assert escape('<a b="c">&\r\n\t') == "&lt;a b=&quot;c&quot;&gt;&amp;&#xD;\n\t"
    assert escape("a\x00b\ud800\uffff") == "a\ufffdb\ufffd\ufffd"


def test_header_lists():
    assert split_header('a, "b,c" ,"d\\"e",,f') == ["a", "b,c", 'd"e', "f"]
