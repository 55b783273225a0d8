"""Whatever arrives, only ``AwsError`` and ``Unroutable`` come out, and what they render is a 4xx no SDK retries."""
# ruff: noqa: E501 (tables of requests and answers read best one to a line)

import gzip
import zlib

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from samples import REQUEST_ID, ROUTER, Values, authorization, botocore_request, cases, service_model

from waypost.aws import message
from waypost.aws.errors import AwsError
from waypost.aws.message import HttpRequest
from waypost.aws.route import Unroutable, credential, render_error

FORM = "application/x-www-form-urlencoded"
JSON = "application/x-amz-json-1.0"
RETRIED_STATUSES = {408, 429, 500, 502, 503, 504}


def outcome(request):
    """The error's code and status; None where the request is fine."""
    try:
        routed = ROUTER.find(request)
    except Unroutable as refused:
        response = render_error(refused.error, refused.wire, refused.model, None, REQUEST_ID)
        code = refused.error.code
    else:
        try:
            params = routed.operation.parse(request, routed)
            credential(request)
            routed.operation.validate(params)
        except AwsError as error:
            response = routed.operation.serialize_error(error, REQUEST_ID)
            code = error.code
        else:
            assert isinstance(params, dict)
            return None
    assert 400 <= response.status < 500
    assert response.status not in RETRIED_STATUSES
    assert b"\n" not in b"".join(text for _, text in response.headers)
    return code, response.status


def post(body, **headers):
    return HttpRequest("POST", "/", "", {name.replace("_", "-"): text for name, text in headers.items()}, body)


def send(body):
    return outcome(post(body, x_amz_target="AmazonSQS.SendMessage", content_type=JSON))


def words(body, target="AmazonSQS.SendMessage"):
    request = post(body, x_amz_target=target, content_type=JSON)
    routed = ROUTER.find(request)
    with pytest.raises(AwsError) as caught:
        routed.operation.parse(request, routed)
    assert (caught.value.code, caught.value.status) == ("SerializationException", 400)
    return caught.value.message


@pytest.mark.parametrize(
    "body",
    [
        b"{", b"nonsense", b"{}x", b'{"a":}', b'{"MessageBody":"a', b"\xff\xfe", b'{"MessageBody":"\xff"}', b"\xef\xbb\xbf{}",
        b'{"MessageBody":"\\ud800"}', b'{"MessageBody":"\\udc00x"}', b'{"MessageBody":"a\nb"}', b"{'a':1}", b'{"DelaySeconds":NaN}',
        b'{"DelaySeconds":01}', b'{"DelaySeconds":1e999}', b'{"DelaySeconds":' + b"9" * 5000 + b"}", b"[" * 200_000, b'{"a":' * 200_000,
        b'{"MessageAttributes":' + b'{"a":' * 100_000 + b"1" + b"}" * 100_001, b"null", b"1", b'"x"', b"[]", b"\x00" * 100, gzip.compress(b"{}"),
    ],
)  # fmt: skip
def test_json_that_is_none(body):
    assert send(body) == ("SerializationException", 400)


TYPES = [
    (b'{"MessageBody":5}', "NUMBER_VALUE can not be converted to a String"),
    (b'{"MessageBody":5.5}', "DECIMAL_VALUE can not be converted to a String"),
    (b'{"MessageBody":true}', "TRUE_VALUE can not be converted to a String"),
    (b'{"MessageBody":{}}', "Start of structure or map found where not expected."),
    (b'{"MessageBody":[]}', "Start of list found where not expected"),
    (b'{"DelaySeconds":"1"}', "STRING_VALUE can not be converted to an Integer"),
    (b'{"DelaySeconds":1.5}', "DECIMAL_VALUE can not be converted to an Integer"),
    (b'{"DelaySeconds":false}', "FALSE_VALUE can not be converted to an Integer"),
    (b'{"DelaySeconds":2147483648}', "NUMBER_VALUE is out of the range of an Integer"),
    (b'{"DelaySeconds":99999999999999999999999}', "NUMBER_VALUE is out of the range of an Integer"),
    (b'{"MessageAttributes":[]}', "Start of list found where not expected"),
    (b'{"MessageAttributes":{"a":"x"}}', "Unexpected value type in payload"),
    (b'{"MessageAttributes":{"a":null}}', "null is not allowed as the value of a map"),
    (b'{"MessageAttributes":{"a":{"BinaryValue":"*"}}}', "only base-64-encoded strings are convertible to bytes"),
    (
        b'{"MessageAttributes":{"a":{"BinaryValue":"\xc3\xa9"}}}',
        "only base-64-encoded strings are convertible to bytes",
    ),
    (b'{"MessageAttributes":{"a":{"BinaryValue":1}}}', "only base-64-encoded strings are convertible to bytes"),
    (b'{"MessageAttributes":{"a":{"StringListValues":[null]}}}', "null is not allowed in a list"),
]


@pytest.mark.parametrize(("body", "text"), TYPES)
def test_json_of_the_wrong_type(body, text):
    assert words(body) == text


@pytest.mark.parametrize(
    "time", [b'"yesterday"', b"1e300", b"-1e300", b"true", b"{}", b"99999999999999999999", b'"99999-01-01T00:00:00Z"']
)
def test_times_that_are_none(time):
    words(b'{"Entries":[{"Time":%s}]}' % time, "AWSEvents.PutEvents")


@pytest.mark.parametrize(
    ("body", "params"),
    [
        (b"", {}),
        (b"  \n", {}),
        (b'{"MessageBody":null,"QueueUrl":"u"}', {"QueueUrl": "u"}),
        (b'{"MessageAttributes":{"a":{"StringValue":null}}}', {"MessageAttributes": {"a": {}}}),
        (b'{"DelaySeconds":5.0}', {"DelaySeconds": 5}),
        (b'{"DelaySeconds":5e0,"Unknown":[[[1]]]}', {"DelaySeconds": 5}),
        (b'{"MessageBody":"a","MessageBody":"b"}', {"MessageBody": "b"}),
        (b'{"MessageBody":"\\u0000\\ud83d\\ude00"}', {"MessageBody": "\x00\U0001f600"}),
    ],
)
def test_json_that_is_forgiven(body, params):
    request = post(body, x_amz_target="AmazonSQS.SendMessage", content_type=JSON)
    routed = ROUTER.find(request)
    assert routed.operation.parse(request, routed) == params


def test_times_in_every_form():
    for text in (
        b"1500000000",
        b"1.5e9",
        b'"2017-07-14T02:40:00Z"',
        b'"2017-07-14T04:40:00+02:00"',
        b'"Fri, 14 Jul 2017 02:40:00 GMT"',
        b'"1500000000.0"',
    ):
        request = post(b'{"Entries":[{"Time":%s}]}' % text, x_amz_target="AWSEvents.PutEvents", content_type=JSON)
        routed = ROUTER.find(request)
        assert routed.operation.parse(request, routed) == {"Entries": [{"Time": 1_500_000_000.0}]}


FORMS = [
    b"Action=ReceiveMessage&MaxNumberOfMessages=abc",
    b"Action=ReceiveMessage&MaxNumberOfMessages=1.5",
    b"Action=ReceiveMessage&MaxNumberOfMessages=99999999999999999999",
    b"Action=ReceiveMessage&MaxNumberOfMessages=" + b"9" * 10_000,
    b"Action=ReceiveMessage&MaxNumberOfMessages=%D9%A1",
    b"Action=ReceiveMessage&MaxNumberOfMessages.1=1",
    b"Action=ReceiveMessage&AttributeName.x=All",
    b"Action=ReceiveMessage&AttributeName.-1=All",
    b"Action=ReceiveMessage&AttributeName.1.1=All",
    b"Action=ReceiveMessage&AttributeName." + b"1" * 100 + b"=All",
    b"Action=SendMessage&MessageAttribute.1.Name=a",
    b"Action=SendMessage&MessageAttribute.1.Name=a&MessageAttribute.1.Value.BinaryValue=%2A&MessageAttribute.1.Value.DataType=x",
    b"Action=SendMessage&MessageBody.a=x",
    b"Action=SendMessage&MessageAttribute.1" + b".1" * 1000 + b"=x",
]


@pytest.mark.parametrize("body", FORMS)
def test_forms_of_the_wrong_shape(body):
    assert outcome(post(body, content_type=FORM, authorization=authorization("sqs"))) == ("MalformedInput", 400)


@pytest.mark.parametrize(
    "body",
    [b"Action=SendMessage&" + b"a." * 100_000 + b"b=1", b"Action=SendMessage&Other.1" + b".1" * 1000 + b"=x&..=&=&&a", b"Action=SendMessage&MessageBody=" + b"%41" * 300_000],
)  # fmt: skip
def test_forms_that_are_only_odd(body):
    assert outcome(post(body, content_type=FORM, authorization=authorization("sqs"))) is None


def lambda_request(method, path, body=b"", query="", **headers):
    named = {name.replace("_", "-"): text for name, text in headers.items()}
    return HttpRequest(method, path, query, {"authorization": authorization("lambda"), **named}, body)


REST = [
    (lambda_request("POST", "/2015-03-31/functions", b"<xml/>", content_type="application/xml"), ("UnsupportedMediaTypeException", 415)),
    (lambda_request("POST", "/2015-03-31/functions", b"a=b", content_type=FORM), ("UnsupportedMediaTypeException", 415)),
    (lambda_request("POST", "/2015-03-31/functions", b"{}", content_encoding="br"), ("UnsupportedMediaTypeException", 415)),
    (lambda_request("POST", "/2015-03-31/functions", b"{", content_type="application/json"), ("SerializationException", 400)),
    (lambda_request("POST", "/2015-03-31/functions", b'{"Timeout":"3"}'), ("SerializationException", 400)),
    (lambda_request("POST", "/2015-03-31/functions", b'{"Code":{"ZipFile":"*"}}'), ("SerializationException", 400)),
    (lambda_request("GET", "/2018-10-31/layers/l/versions/abc"), ("SerializationException", 400)),
    (lambda_request("GET", "/2015-03-31/functions", query="MaxItems=abc"), ("SerializationException", 400)),
    (lambda_request("GET", "/2015-03-31/functions/%ff"), ("MalformedQueryString", 400)),
    (lambda_request("GET", "/2015-03-31/functions/a%20b"), ("ValidationException", 400)),
    (lambda_request("GET", "/2015-03-31/functions", query="MaxItems=10001"), ("ValidationException", 400)),
    (HttpRequest("PUT", "/b", "tagging", {"authorization": authorization("s3")}, b"<Tagging>"), ("MalformedXML", 400)),
    (HttpRequest("PUT", "/b", "tagging", {"authorization": authorization("s3")}, b"<a>" * 1000), ("MalformedXML", 400)),
    (HttpRequest("PUT", "/b", "tagging", {"authorization": authorization("s3")}, b"\xff"), ("MalformedXML", 400)),
    (HttpRequest("PUT", "/b", "tagging", {"authorization": authorization("s3")}, b'<?xml version="1.0" encoding="x"?><a/>'), ("MalformedXML", 400)),
    (HttpRequest("PUT", "/b", "tagging", {"authorization": authorization("s3")}, b'<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>'), ("MalformedXML", 400)),
]  # fmt: skip


@pytest.mark.parametrize(("request_", "expected"), REST)
def test_rest(request_, expected):
    assert outcome(request_) == expected


@pytest.mark.parametrize(
    "content_type",
    [
        "application/json",
        "application/x-amz-json-1.1",
        "application/octet-stream",
        "application/vnd.api+json; charset=utf-8",
    ],
)
def test_content_types_of_json(content_type):
    body = b'{"FunctionName":"f","Role":"arn:aws:iam::000000000000:role/r","Code":{}}'
    assert outcome(lambda_request("POST", "/2015-03-31/functions", body, content_type=content_type)) is None


def test_compressed_bodies(monkeypatch):
    plain = b'{"QueueUrl":"u","MessageBody":"b"}'
    for body, encoding in (
        (gzip.compress(plain), "gzip"),
        (zlib.compress(plain), "deflate"),
        (plain, "identity"),
        (plain, ""),
    ):
        request = post(body, x_amz_target="AmazonSQS.SendMessage", content_type=JSON, content_encoding=encoding)
        routed = ROUTER.find(request)
        assert routed.operation.parse(request, routed) == {"QueueUrl": "u", "MessageBody": "b"}
    form = post(
        gzip.compress(b"Action=PurgeQueue&QueueUrl=u"),
        content_type=FORM,
        content_encoding="gzip",
        authorization=authorization("sqs"),
    )
    routed = ROUTER.find(form)
    assert routed.operation.parse(form, routed) == {"QueueUrl": "u"}
    monkeypatch.setattr(message, "DECODED_MAX", 1000)
    bomb = gzip.compress(b"{" + b" " * 1_000_000 + b"}")
    assert outcome(post(bomb, x_amz_target="AmazonSQS.SendMessage", content_type=JSON, content_encoding="gzip")) == (
        "RequestEntityTooLargeException",
        413,
    )
    cut_off = gzip.compress(plain)[:-4]
    assert outcome(post(cut_off, x_amz_target="AmazonSQS.SendMessage", content_type=JSON, content_encoding="gzip")) == (
        "MalformedHttpRequestException",
        400,
    )


BOUNDED = settings(
    max_examples=150, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck)
)
JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=10), inner, max_size=3),
    max_leaves=8,
)
TEXT = st.text(max_size=40)
PATHS = st.sampled_from(
    [
        "/",
        "/1/q",
        "/2015-03-31/functions/f/invocations",
        "/2015-03-31/event-source-mappings/u",
        "/b/k",
        "/2017-03-31/tags/a",
    ]
) | st.text(max_size=30).map(lambda text: "/" + text)
BODIES = (
    st.binary(max_size=200)
    | JSON_VALUES.map(msgspec.json.encode)
    | st.lists(st.tuples(TEXT, TEXT), max_size=5).map(
        lambda pairs: "&".join(f"{name}={value}" for name, value in pairs).encode("utf-8", "replace")
    )
)


@BOUNDED
@given(
    st.sampled_from(["GET", "POST", "PUT", "DELETE", "HEAD", "PATCH", "x"]),
    PATHS,
    TEXT | st.sampled_from(["Action=SendMessage", "Action=", "tagging", "X-Amz-Credential=a/b", "list-type=2"]),
    st.dictionaries(
        st.sampled_from(["content-type", "x-amz-target", "authorization", "content-encoding", "x-amz-client-context", "expires"]),
        TEXT | st.sampled_from([FORM, JSON, "AmazonSQS.SendMessage", "AWSEvents.PutEvents", "gzip", *map(authorization, ("sqs", "lambda", "s3", "iam", "x"))]),
    ),
    BODIES,
)  # fmt: skip
def test_any_request(method, path, query, headers, body):
    outcome(HttpRequest(method, path, query, headers, body))


@BOUNDED
@given(st.sampled_from(sorted(set(cases()))), st.data())
def test_any_body_for_a_real_request(case, data):
    model, wire, name = case
    shape = service_model(model, wire).operation_model(name).input_shape
    params = Values(wire, full=True, response=False).structure(shape) if shape else {}
    request = botocore_request(model, wire, name, params)
    if data.draw(st.booleans()) and wire in ("json", "rest-json") and request.body.startswith(b"{"):
        document = msgspec.json.decode(request.body)
        for key in data.draw(st.lists(st.sampled_from(sorted(document)), max_size=3)) if document else ():
            document[key] = data.draw(JSON_VALUES)
        request.body = msgspec.json.encode(document)
    else:
        body = request.body or b"x"
        start = data.draw(st.integers(0, len(body)))
        request.body = body[:start] + data.draw(st.binary(max_size=8)) + body[start + data.draw(st.integers(0, 8)) :]
    outcome(request)
