"""Error bodies and headers, byte by byte, for each protocol."""
# ruff: noqa: E501 (tables of requests and answers read best one to a line)

import msgspec
import pytest
from samples import REQUEST_ID, ROUTER

from waypost.aws.errors import AwsError
from waypost.aws.route import render_error


def rendered(model, operation, error, wire=None):
    response = ROUTER.operation(model, operation, wire).serialize_error(error, REQUEST_ID)
    headers = {key.decode(): text.decode() for key, text in response.headers}
    assert headers.get("x-amzn-requestid", headers.get("x-amz-request-id")) == REQUEST_ID
    return response.status, headers, response.body.decode()


SQS = [
    (AwsError("QueueDoesNotExist", "The specified queue does not exist."), 400,
     "com.amazonaws.sqs#QueueDoesNotExist", "AWS.SimpleQueueService.NonExistentQueue;Sender"),
    (AwsError("QueueNameExists", "x"), 400, "com.amazonaws.sqs#QueueNameExists", "QueueAlreadyExists;Sender"),
    (AwsError("PurgeQueueInProgress", "x"), 403, "com.amazonaws.sqs#PurgeQueueInProgress",
     "AWS.SimpleQueueService.PurgeQueueInProgress;Sender"),
    (AwsError("ReceiptHandleIsInvalid", "x"), 404, "com.amazonaws.sqs#ReceiptHandleIsInvalid", "ReceiptHandleIsInvalid;Sender"),
    (AwsError("MissingParameter", "x"), 400, "com.amazon.coral.service#MissingRequiredParameterException", "MissingParameter;Sender"),
    (AwsError("InvalidParameterValueException", "x"), 400, "com.amazon.coral.service#InvalidParameterValueException",
     "InvalidParameterValue;Sender"),
    (AwsError("UnknownOperationException", "x"), 400, "com.amazon.coral.service#UnknownOperationException", "InvalidAction;Sender"),
    (AwsError("InternalFailure", "x", 500, sender=False), 500, "com.amazon.coral.service#InternalFailure", "InternalFailure;Receiver"),
]  # fmt: skip


@pytest.mark.parametrize(("error", "status", "name", "query"), SQS)
def test_json_of_a_service_that_spoke_query(error, status, name, query):
    got, headers, body = rendered("sqs", "SendMessage", error)
    assert got == status
    assert msgspec.json.decode(body) == {"__type": name, "message": error.message}
    assert headers["content-type"] == "application/x-amz-json-1.0"
    assert headers["x-amzn-query-error"] == query


def test_json():
    error = AwsError("ResourceNotFound", "Resource not found: 'a'", resourceName="a")
    status, headers, body = rendered("stepfunctions", "TagResource", error)
    assert (status, body) == (
        400,
        '{"__type":"ResourceNotFound","message":"Resource not found: \'a\'","resourceName":"a"}',
    )
    assert headers == {"content-type": "application/x-amz-json-1.0", "x-amzn-requestid": REQUEST_ID}
    assert rendered("secretsmanager", "GetSecretValue", AwsError("ResourceNotFoundException", "x"))[2] == (
        '{"__type":"ResourceNotFoundException","Message":"x"}'
    )


def test_rest_json():
    status, headers, body = rendered("lambda", "Invoke", AwsError("ResourceNotFoundException", "Function not found: f"))
    assert (status, headers["x-amzn-errortype"]) == (404, "ResourceNotFoundException")
    assert body == '{"Message":"Function not found: f","Type":"User"}'
    assert headers["content-type"] == "application/json"
    invalid = rendered("lambda", "Invoke", AwsError("InvalidParameterValueException", "x"))
    assert (invalid[0], invalid[2]) == (400, '{"message":"x","Type":"User"}')
    service = rendered("lambda", "Invoke", AwsError("ServiceException", "x", sender=False))
    assert (service[0], service[2]) == (500, '{"Message":"x","Type":"Service"}')
    framework = rendered("lambda", "Invoke", AwsError("ValidationException", "x"))
    assert (framework[0], framework[1]["x-amzn-errortype"], framework[2]) == (
        400,
        "ValidationException",
        '{"message":"x"}',
    )


def test_rest_json_members_in_headers():
    error = AwsError(
        "TooManyRequestsException", "Rate Exceeded.", retryAfterSeconds="7", Reason="CallerRateLimitExceeded"
    )
    status, headers, body = rendered("lambda", "Invoke", error)
    assert (status, headers["retry-after"]) == (429, "7")
    assert msgspec.json.decode(body) == {
        "message": "Rate Exceeded.",
        "Reason": "CallerRateLimitExceeded",
        "Type": "User",
    }


def test_query():
    status, headers, body = rendered(
        "iam", "GetRole", AwsError("NoSuchEntityException", "The role with name <r> cannot be found.")
    )
    assert (status, headers["content-type"]) == (404, "text/xml")
    assert body == (
        '<ErrorResponse xmlns="https://iam.amazonaws.com/doc/2010-05-08/"><Error><Type>Sender</Type><Code>NoSuchEntity</Code>'
        f"<Message>The role with name &lt;r&gt; cannot be found.</Message></Error><RequestId>{REQUEST_ID}</RequestId></ErrorResponse>"
    )
    assert "<Code>NoSuchEntity</Code>" in rendered("iam", "GetRole", AwsError("NoSuchEntity", "x"))[2]
    assert rendered("sts", "AssumeRole", AwsError("AccessDeniedException", "x"))[0] == 403
    assert "<Code>AccessDenied</Code>" in rendered("sts", "AssumeRole", AwsError("AccessDeniedException", "x"))[2]
    assert "<Code>ValidationError</Code>" in rendered("sts", "AssumeRole", AwsError("ValidationError", "x"))[2]


def test_rest_xml():
    status, headers, body = rendered("s3", "GetObject", AwsError("NoSuchKey", "The specified key does not exist.", 404))
    assert (status, headers["content-type"]) == (404, "application/xml")
    assert body == (
        '<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>NoSuchKey</Code><Message>The specified key does not exist.</Message>'
        f"<RequestId>{REQUEST_ID}</RequestId></Error>"
    )


def test_the_status_of_the_error_wins():
    assert rendered("iam", "GetRole", AwsError("NoSuchEntityException", "x", 410))[0] == 410


def test_an_error_that_nobody_lists():
    assert rendered("stepfunctions", "ListExecutions", AwsError("Odd", "x"))[2] == '{"__type":"Odd","message":"x"}'
    assert rendered("stepfunctions", "ListExecutions", AwsError("Odd", "x", sender=False))[0] == 500
    assert (
        rendered("lambda", "Invoke", AwsError("Odd\r\nset-cookie: x", "x"))[1]["x-amzn-errortype"]
        == "Odd set-cookie: x"
    )


@pytest.mark.parametrize("wire", ["json", "query", "rest-json", "rest-xml"])
def test_errors_outside_every_service(wire):
    response = render_error(
        AwsError("UnknownOperationException", "Waypost does not have it."), wire, None, None, REQUEST_ID
    )
    assert response.status in (400, 404)
    assert b"Waypost does not have it." in response.body


def test_errors_outside_every_operation():
    response = render_error(AwsError("InvalidAction", "x", 400), "query", "sqs", None, REQUEST_ID)
    assert b"<Code>InvalidAction</Code><Message>x</Message><Detail/>" in response.body
    response = render_error(AwsError("UnknownOperationException", "x"), "none", None, None, REQUEST_ID)
    assert (response.status, response.body) == (404, b"<UnknownOperationException/>\n")
    operation = ROUTER.operation("iam", "GetRole")
    response = render_error(AwsError("NoSuchEntityException", "x"), "query", "iam", operation, REQUEST_ID)
    assert response.status == 404
