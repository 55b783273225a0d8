"""botocore's serializer > our parser, and our serializer > botocore's parser, for every operation of every model."""

import pytest
from samples import (
    MODELS,
    REQUEST_ID,
    ROUTER,
    Values,
    as_boto3,
    botocore_request,
    botocore_response,
    cases,
    said,
    service_model,
    wires,
)

from waypost.aws.errors import AwsError

TWINS = {
    "GetBucketLifecycle": "GetBucketLifecycleConfiguration",
    "GetBucketNotification": "GetBucketNotificationConfiguration",
    "PutBucketLifecycle": "PutBucketLifecycleConfiguration",
    "PutBucketNotification": "PutBucketNotificationConfiguration",
    "ListDirectoryBuckets": "ListBuckets",
}
"""Operations of S3 whose requests look like another's: their deprecated forms, and one told apart by its host."""


@pytest.mark.parametrize(("model", "wire", "name"), cases())
def test_requests(model, wire, name):
    operation = service_model(model, wire).operation_model(name)
    for full in (False, True):
        params = (
            Values(wire, full=full, response=False).structure(operation.input_shape) if operation.input_shape else {}
        )
        request = botocore_request(model, wire, name, params)
        routed = ROUTER.find(request)
        assert (routed.model, routed.wire) == (model, wire)
        if name not in TWINS:
            assert routed.operation.name == name
            parsed = routed.operation.parse(request, routed)
            payload = operation.input_shape and operation.input_shape.serialization.get("payload")
            if payload and payload not in params and parsed.get(payload) == {}:
                del parsed[payload]  # botocore writes an absent payload as an empty object
            assert parsed == params
        else:
            assert routed.operation.name == TWINS[name]


@pytest.mark.parametrize(("model", "wire", "name"), cases())
def test_responses(model, wire, name):
    output = service_model(model, wire).operation_model(name).output_shape
    operation = ROUTER.operation(model, name, wire)
    for full in (False, True):
        if full and name == "GetBucketNotification":
            continue  # Event and Events share an element in its deprecated output
        values = Values(wire, full=full, response=True).structure(output) if output else {}
        response = operation.serialize(values, REQUEST_ID)
        assert all(key == key.lower() for key, _ in response.headers)
        parsed = botocore_response(model, wire, name, response)
        metadata = parsed.pop("ResponseMetadata")
        assert metadata["RequestId"] == REQUEST_ID
        assert 200 <= metadata["HTTPStatusCode"] < 300
        assert said(parsed, values, output) == (as_boto3(output, values) or {})


@pytest.mark.parametrize(("model", "wire", "name"), cases())
def test_an_empty_response_reads_as_one(model, wire, name):
    operation = ROUTER.operation(model, name, wire)
    for nothing in (None, {}, dict.fromkeys(operation.output_members)):
        parsed = botocore_response(model, wire, name, operation.serialize(nothing, REQUEST_ID))
        parsed.pop("ResponseMetadata")
        assert said(parsed, {}, service_model(model, wire).operation_model(name).output_shape) == {}


def _errors():
    return [
        (model, wire, shape.name)
        for model in MODELS
        for wire in wires(model)
        for shape in service_model(model, wire).error_shapes
    ]


@pytest.mark.parametrize(("model", "wire", "name"), _errors())
def test_errors(model, wire, name):
    service = service_model(model, wire)
    shape = next(shape for shape in service.error_shapes if shape.name == name)
    operation = next(
        (name for name in service.operation_names if shape in service.operation_model(name).error_shapes),
        service.operation_names[0],
    )
    values = Values(wire, full=True, response=True).structure(shape)
    spelled = next((member for member in values if member.lower() == "message"), None)
    members = {member: value for member, value in values.items() if member != spelled}
    text = values[spelled] if spelled else "what went wrong"
    error = AwsError(name, text, **members)
    response = ROUTER.operation(model, operation, wire).serialize_error(error, REQUEST_ID)
    assert 400 <= response.status < 600
    parsed = botocore_response(model, wire, operation, response)
    assert parsed["Error"]["Message"] == text
    assert parsed["ResponseMetadata"]["RequestId"] == REQUEST_ID
    code = parsed["Error"].get("QueryErrorCode") or parsed["Error"]["Code"]
    assert service.shape_for_error_code(code).name == name or code == name
    if wire != "rest-xml":  # botocore itself reads no members of a bare Error
        expected = as_boto3(shape, values)
        if wire == "query":
            expected.pop("message", None)  # AWS writes Message, whatever the model calls it
        assert botocore_response(model, wire, operation, response, shape) == expected
