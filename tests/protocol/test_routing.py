"""Which operation a request means, and what is said where it means none."""
# ruff: noqa: E501, C408 (tables of requests and answers read best one to a line)

import pytest
from samples import REQUEST_ID, ROUTER, authorization

from waypost.aws.errors import AwsError
from waypost.aws.message import HttpRequest
from waypost.aws.route import Credential, Router, Unroutable, credential, render_error

FORM = "application/x-www-form-urlencoded"
JSON = "application/x-amz-json-1.0"
OURS = Router(["sqs", "stepfunctions", "lambda", "iam", "sts"])


def request(method="POST", path="/", query="", body=b"", scope=None, **headers):
    named = {name.replace("_", "-"): text for name, text in headers.items()}
    if scope is not None:
        named["authorization"] = authorization(scope)
    return HttpRequest(method, path, query, named, body)


def routed(*arguments, router=OURS, **headers):
    found = router.find(request(*arguments, **headers))
    return found.model, found.operation.name, found.wire


def refused(*arguments, router=OURS, **headers):
    with pytest.raises(Unroutable) as caught:
        router.find(request(*arguments, **headers))
    found = caught.value
    response = render_error(found.error, found.wire, found.model, None, REQUEST_ID)
    assert 400 <= response.status < 500
    assert response.status != 429
    return found.error.code, response.status, found.wire, found.model


@pytest.mark.parametrize(
    "content_type", [JSON, "application/x-amz-json-1.1", "application/json", f"{JSON}; charset=utf-8", None]
)
def test_targets(content_type):
    headers = {"content_type": content_type} if content_type else {}
    assert routed(x_amz_target="AWSStepFunctions.StartExecution", **headers) == (
        "stepfunctions",
        "StartExecution",
        "json",
    )
    assert routed(path="/1/q", x_amz_target="AmazonSQS.SendMessage", **headers) == ("sqs", "SendMessage", "json")


def test_actions():
    body = b"Action=GetCallerIdentity&Version=2011-06-15"
    for scope in ("sts", None):
        assert routed(body=body, content_type=f"{FORM}; charset=utf-8", scope=scope) == (
            "sts",
            "GetCallerIdentity",
            "query",
        )
    assert routed(body=body, content_type=FORM, x_amz_target="AmazonSQS.SendMessage", scope="sts")[0] == "sts"
    assert routed("GET", query=body.decode()) == ("sts", "GetCallerIdentity", "query")
    assert routed(body=b"Action=GetCallerIdentity", content_type=FORM) == ("sts", "GetCallerIdentity", "query")
    # Two services have the action; the signature or the version tells which is meant.
    body = b"Action=AddPermission&Version="
    assert routed(body=body + b"2012-11-05", content_type=FORM, router=ROUTER)[0] == "sqs"
    assert routed(body=body + b"2010-03-31", content_type=FORM, router=ROUTER)[0] == "sns"
    assert routed(body=b"Action=AddPermission", content_type=FORM, scope="sns", router=ROUTER)[0] == "sns"
    assert refused(body=b"Action=AddPermission", content_type=FORM, router=ROUTER)[:2] == ("InvalidAction", 400)


REST = [
    ("POST", "/2015-03-31/functions", "", "CreateFunction"),
    ("GET", "/2015-03-31/functions/", "", "ListFunctions"),
    ("GET", "/2015-03-31/functions", "MaxItems=1", "ListFunctions"),
    ("GET", "/2015-03-31/functions/arn%3Aaws%3Alambda%3Aus-east-1%3A1%3Afunction%3Af", "", "GetFunction"),
    (
        "GET",
        "/2015-03-31/functions/arn:aws:lambda:us-east-1:1:function:f/configuration",
        "",
        "GetFunctionConfiguration",
    ),
    ("POST", "/2015-03-31/functions/f/invocations", "Qualifier=1", "Invoke"),
    ("GET", "/2018-10-31/layers", "", "ListLayers"),
    ("GET", "/2018-10-31/layers", "find=LayerVersion&Arn=a", "GetLayerVersionByArn"),
    ("GET", "/2018-10-31/layers/l/versions/1", "", "GetLayerVersion"),
    ("GET", "/2019-09-30/functions/f/provisioned-concurrency", "List=ALL", "ListProvisionedConcurrencyConfigs"),
    ("GET", "/2019-09-30/functions/f/provisioned-concurrency", "Qualifier=1", "GetProvisionedConcurrencyConfig"),
    ("DELETE", "/2017-03-31/tags/arn", "tagKeys=a&tagKeys=b", "UntagResource"),
    ("DELETE", "/2017-03-31/tags/arn", "", "UntagResource"),
]


@pytest.mark.parametrize(("method", "path", "query", "name"), REST)
def test_paths(method, path, query, name):
    for scope in ("lambda", None):
        assert routed(method, path, query, scope=scope) == ("lambda", name, "rest-json")
    assert routed(method, path, query, scope="lambda", content_type=FORM, body=b"Action=x")[1] == name
    # S3's paths match everything, and lose.
    assert routed(method, path, query, router=ROUTER) == ("lambda", name, "rest-json")


def test_labels_are_decoded_after_routing():
    found = ROUTER.find(request("GET", "/bucket/a%2Fb/c%20d/", "", scope="s3"))
    params = found.operation.parse(request("GET", "/bucket/a%2Fb/c%20d/"), found)
    assert (found.operation.name, params) == ("GetObject", {"Bucket": "bucket", "Key": "a/b/c d/"})
    found = ROUTER.find(request("PUT", "/bucket/k", "partNumber=1&uploadId=u", scope="s3", x_amz_copy_source="b/k"))
    assert found.operation.name == "UploadPartCopy"
    assert ROUTER.find(request("PUT", "/bucket/k", "", scope="s3")).operation.name == "PutObject"
    assert ROUTER.find(request("GET", "/bucket/", "list-type=2", scope="s3")).operation.name == "ListObjectsV2"


REFUSED = [
    (dict(x_amz_target="AmazonSQS.FooBar", content_type=JSON), ("UnknownOperationException", 400, "json", "sqs")),
    (dict(x_amz_target="DynamoDB_20120810.PutItem", content_type=JSON), ("UnknownOperationException", 400, "json", None)),
    (dict(x_amz_target="", content_type=JSON), ("UnknownOperationException", 400, "json", None)),
    (dict(x_amz_target="AmazonSQS.SendMessage", content_type="text/plain"), ("UnknownOperationException", 404, "json", "sqs")),
    (dict(x_amz_target="AmazonSQS.SendMessage", content_type=FORM), ("UnknownOperationException", 404, "json", "sqs")),
    (dict(body=b"Action=FooBar&Version=2012-11-05", content_type=FORM, scope="sqs"), ("InvalidAction", 400, "query", "sqs")),
    (dict(body=b"Action=FooBar&Version=2012-11-05", content_type=FORM), ("InvalidAction", 400, "query", "sqs")),
    (dict(body=b"Action=FooBar", content_type=FORM), ("InvalidAction", 400, "query", None)),
    (dict(body=b"Action=SendMessage&Version=2007-05-01", content_type=FORM, scope="sqs"), ("NoSuchVersion", 400, "query", "sqs")),
    (dict(body=b"Version=2012-11-05", content_type=FORM, scope="sqs"), ("MissingAction", 400, "query", "sqs")),
    (dict(method="GET", path="/1/queue", accept="application/json", scope="sqs"), ("UnknownOperationException", 404, "none", None)),
    (dict(method="GET", path="/1/queue", accept="application/json"), ("UnknownOperationException", 404, "none", None)),
    (dict(body=b"{}", content_type=JSON, scope="states"), ("UnknownOperationException", 400, "json", "stepfunctions")),
    (dict(path="/2015-03-31/nothing", scope="lambda"), ("UnknownOperationException", 404, "rest-json", "lambda")),
    (dict(method="PATCH", path="/2015-03-31/functions", scope="lambda"), ("UnknownOperationException", 404, "rest-json", "lambda")),
    (dict(path="/2015-03-31/functions//invocations", scope="lambda"), ("UnknownOperationException", 404, "rest-json", "lambda")),
    (dict(path="/x", scope="dynamodb"), ("UnknownOperationException", 404, "rest-json", None)),
    (dict(body=b"Action=DescribeStacks", content_type=FORM, scope="cloudformation"), ("UnknownOperationException", 404, "query", None)),
    (dict(method="GET"), ("UnknownOperationException", 404, "none", None)),
    (dict(body=b"Action=SendMessage&a=%ff", content_type=FORM, scope="sqs"), ("MalformedQueryString", 400, "query", "sqs")),
    (dict(body=b"Action=SendMessage&a=\xff", content_type=FORM, scope="sqs"), ("MalformedQueryString", 400, "query", "sqs")),
    (dict(body=b"Action=SendMessage" + b"&a=1" * 100_000, content_type=FORM, scope="sqs"), ("RequestEntityTooLargeException", 413, "query", "sqs")),
    (dict(method="GET", path="/2015-03-31/functions", query="a=%ff", scope="lambda"), ("MalformedQueryString", 400, "rest-json", "lambda")),
    (dict(body=b"Action=SendMessage", content_type=FORM, content_encoding="gzip", scope="sqs"), ("MalformedHttpRequestException", 400, "query", "sqs")),
    (dict(authorization="Basic dXNlcjpwYXNz", path="/2015-03-31/functions"), ("IncompleteSignatureException", 400, "rest-json", None)),
    (dict(authorization="AWS4-HMAC-SHA256 Credential=x", body=b"Action=ListRoles", content_type=FORM), ("IncompleteSignatureException", 400, "query", None)),
]  # fmt: skip


@pytest.mark.parametrize(("arguments", "outcome"), REFUSED)
def test_requests_that_mean_nothing(arguments, outcome):
    assert refused(**arguments) == outcome


def test_the_words_for_an_unknown_action():
    with pytest.raises(Unroutable) as caught:
        OURS.find(request(body=b"Action=FooBar", content_type=FORM, scope="sqs"))
    assert caught.value.error.message == "The action FooBar is not valid for this endpoint."


def test_credentials():
    signed = {"authorization": authorization("sqs", "eu-west-3", "000000000001")}
    assert credential(HttpRequest("POST", "/", "", signed, b"")) == Credential("000000000001", "eu-west-3", "sqs")
    assert credential(request()) is None
    query = "Action=x&X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKID%2F20260101%2Feu-west-1%2Fsns%2Faws4_request&X-Amz-Date=d"
    assert credential(request("GET", "/", query)) == Credential("AKID", "eu-west-1", "sns")
    assert credential(request("GET", "/", "AWSAccessKeyId=AK%2FID&Signature=s")) == Credential("AK/ID", "us-east-1", "")
    assert credential(request(authorization="AWS AKID:sig=")) == Credential("AKID", "us-east-1", "")
    header = "AWS4-HMAC-SHA256 Credential=a/b/20260101/us-east-1/s3/aws4_request"
    assert credential(request(authorization=header)) == Credential("a/b", "us-east-1", "s3")
    header = "AWS4-ECDSA-P256-SHA256 Credential=AKID/20260101/s3/aws4_request, SignedHeaders=host, Signature=00"
    assert credential(request(authorization=header)) == Credential("AKID", "us-east-1", "s3")


@pytest.mark.parametrize(
    ("header", "code", "words"),
    [
        ("", "IncompleteSignatureException", "requires 'Credential' parameter"),
        ("nonsense", "IncompleteSignatureException", "requires 'Signature' parameter"),
        ("Bearer secret", "IncompleteSignatureException", "requires 'SignedHeaders' parameter"),
        (
            "AWS4-HMAC-SHA256 SignedHeaders=a, Signature=b",
            "IncompleteSignatureException",
            "requires 'Credential' parameter. (Hashed",
        ),
        ("AWS4-HMAC-SHA256 Credential=a/b/c, Signature=b", "IncompleteSignatureException", "got 'a/b/c'"),
        (
            "AWS4-HMAC-SHA256 Credential=/1/us-east-1/sqs/aws4_request",
            "IncompleteSignatureException",
            "5 slash-delimited",
        ),
        (
            "AWS4-HMAC-SHA256 Credential=a/1/us-east-1/sqs/aws3_request",
            "IncompleteSignatureException",
            "5 slash-delimited",
        ),
        ("AWS4-HMAC-SHA256 Credential=a/1/../sqs/aws4_request", "InvalidSignatureException", "valid region"),
        ("AWS4-HMAC-SHA256 Credential=a/1//sqs/aws4_request", "InvalidSignatureException", "valid region"),
    ],
)
def test_malformed_credentials(header, code, words):
    with pytest.raises(AwsError) as caught:
        credential(request(authorization=header))
    assert caught.value.code == code
    assert words in caught.value.message
    assert "secret" not in caught.value.message


def test_operations_by_name():
    assert OURS.operations("sqs")[0] == "AddPermission"
    operation = OURS.operation("sqs", "SendMessage")
    assert (operation.wire, operation.input_members[0], operation.output_members[0]) == (
        "json",
        "QueueUrl",
        "MD5OfMessageBody",
    )
    assert OURS.operation("sqs", "SendMessage") is operation
    with pytest.raises(LookupError):
        OURS.operation("sqs", "FooBar")
    with pytest.raises(LookupError):
        OURS.operation("iam", "GetRole", "json")
    with pytest.raises(LookupError):
        Router(["no-such-model"])
