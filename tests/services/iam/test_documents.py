"""What IAM says of documents that are no policies. The identity cases are AWS's answers."""

import json

import pytest

from waypost.aws.errors import AwsError
from waypost.services.iam.rules.documents import check_identity_policy, encoded, is_operator, size
from waypost.services.iam.rules.trust_policies import check_trust_policy, service_may_assume

SYNTAX = "Syntax errors in policy."
BUCKET = "arn:aws:s3:::example_bucket"
VENDOR = "Actions/Conditions must be prefaced by a vendor, e.g., iam, sdb, ec2, etc."


def one(**statement):
    return {"Version": "2012-10-17", "Statement": {"Effect": "Allow", **statement}}


def listing(resource):
    return one(Action="s3:ListBucket", Resource=resource)


def refusal(check, document):
    text = document if isinstance(document, str) else json.dumps(document)
    with pytest.raises(AwsError) as caught:
        check(text)
    assert caught.value.code == "MalformedPolicyDocumentException"
    return caught.value.message


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ("This is not a json document", SYNTAX),
        ([], SYNTAX),
        ({"Version": "2012-10-17"}, SYNTAX),
        ({"Version": "2012-10-17", "Statement": []}, SYNTAX),
        ({"Version": "2012-10-17", "Statement": ["afd"]}, SYNTAX),
        ({"Version": "2013-10-17", "Statement": one()["Statement"]}, SYNTAX),
        ({**listing(BUCKET), "Extra field": "value"}, SYNTAX),
        ({**listing(BUCKET), "Id": ["a"]}, SYNTAX),
        (one(Action="s3:ListBucket", Resource=BUCKET, Extra="value"), SYNTAX),
        (one(Effect="invalid", Action="s3:ListBucket", Resource=BUCKET), SYNTAX),
        (one(NotAction="s3:ListBucket", Action=[], Resource=BUCKET), SYNTAX),
        (one(NotAction="s3:ListBucket", Resource=BUCKET, NotResource=[]), SYNTAX),
        (one(Action={}, Resource=BUCKET), SYNTAX),
        (one(Action=[[]], Resource=BUCKET), SYNTAX),
        (listing({"a": BUCKET}), SYNTAX),
        (listing(["adfdf", {}]), SYNTAX),
        (one(Action="s3:ListBucket", Resource=BUCKET, Condition=[]), SYNTAX),
        (one(Action="s3:ListBucket", Resource=BUCKET, Condition={"a": "b"}), SYNTAX),
        (one(Action="s3:ListBucket", Resource=BUCKET, Condition={"DateGreaterThan": "b"}), SYNTAX),
        ({"Statement": listing(BUCKET)["Statement"]}, "Policy document must be version 2012-10-17 or greater."),
        ({**listing(BUCKET), "Version": "2008-10-17"}, "Policy document must be version 2012-10-17 or greater."),
        (one(), "Policy statement must contain actions."),
        (one(Action=[], Resource=BUCKET), "Policy statement must contain actions."),
        (one(Resource=BUCKET), "Policy statement must contain actions."),
        (one(Action="s3:ListBucket"), "Policy statement must contain resources."),
        (one(Action="invalid"), "Policy statement must contain resources."),
        (listing([]), "Policy statement must contain resources."),
        (one(Action="invalid", Resource=BUCKET), VENDOR),
        (one(NotAction="", Resource=BUCKET), VENDOR),
        (one(Action="a a:ListBucket", Resource=BUCKET), "Vendor a a is not valid"),
        (one(Action="s3:List:Bucket", Resource=BUCKET), "Actions/Condition can contain only one colon."),
        (one(Action="s:3:ListBucket", Resource="sdfsadf"), 'Resource sdfsadf must be in ARN format or "*".'),
        (listing(""), 'Resource  must be in ARN format or "*".'),
        (listing("a:bsdf"), 'Partition "bsdf" is not valid for resource "arn:bsdf:*:*:*:*".'),
        (listing("a:b:c:d:e:f:g:h"), 'Partition "b" is not valid for resource "arn:b:c:d:e:f:g:h".'),
        (listing("aws:s3:::example"), 'Partition "s3" is not valid for resource "arn:s3:::example:*".'),
        (listing("arn:aws"), "Resource vendor must be fully qualified and cannot contain regexes."),
        (listing("arn:aws:s3::example"), "The policy failed legacy parsing"),
        (one(Resource="arn:aws:s3::example"), "The policy failed legacy parsing"),
        (listing("arn:aws:s3:us-east-1::b"), "Resource arn:aws:s3:us-east-1::b can not contain region information."),
        (one(Action="sqs:*", Resource="*", Principal="*"), "Policy document should not specify a principal."),
        (one(Action="sqs:*", Resource="*", Sid="a b"), None),
    ],
)
def test_an_identity_policy_that_is_none_is_refused_in_aws_words(document, message):
    found = refusal(check_identity_policy, document)
    assert found.startswith("Statement IDs (SID) must be alpha-numeric.") if message is None else found == message


def test_a_document_that_nests_too_deeply_is_no_json():
    deep = "[" * 3_000 + "]" * 3_000
    assert refusal(check_identity_policy, deep) == refusal(check_identity_policy, "{")
    assert refusal(check_trust_policy, deep) == refusal(check_trust_policy, "{")


def test_the_iam_path_of_a_resource_is_looked_at():
    assert refusal(check_identity_policy, listing("arn:aws:iam:::example_bucket")).startswith("IAM resource path must")
    check_identity_policy(json.dumps(listing("arn:aws:iam::*:role/x")))


def test_statement_ids_are_unique():
    twice = {"Version": "2012-10-17", "Statement": [one(Sid="a", Action="s3:*", Resource="*")["Statement"]] * 2}
    assert refusal(check_identity_policy, twice) == "Statement IDs (SID) in a single policy must be unique."


@pytest.mark.parametrize(
    "document",
    [
        one(Action="*", Resource="*"),
        one(NotAction=["iam:*"], NotResource=[BUCKET, f"{BUCKET}/${{aws:username}}/*"]),
        one(
            Action="sqs:SendMessage",
            Resource="arn:aws:sqs:*:*:q",
            Condition={"StringLikeIfExists": {"a:b": ["c", "d"]}},
        ),
        one(
            Action="sqs:*",
            Resource="*",
            Condition={"ForAnyValue:StringEquals": {"aws:TagKeys": "x"}, "Bool": {"k": True}},
        ),
        {"Version": "2012-10-17", "Id": "x", "Statement": [one(Sid="", Action="sqs:*", Resource="*")["Statement"]]},
    ],
)
def test_identity_policies_pass(document):
    check_identity_policy(json.dumps(document))


def test_condition_operators():
    assert is_operator("ArnNotLike")
    assert is_operator("stringequalsifexists")
    assert is_operator("ForAllValues:NumericLessThanEquals")
    assert not is_operator("ForSomeValues:StringLike")
    assert not is_operator("NullIfExists")


def test_white_space_does_not_count_towards_a_quota():
    assert size('{ "a" :\n\t"b c"}') == len('{"a":"bc"}')


def test_documents_are_percent_encoded_by_rfc_3986():
    assert encoded('{"a": "~b/c+d"}') == "%7B%22a%22%3A%20%22~b%2Fc%2Bd%22%7D"


def trusting(**statement):
    base = {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}
    return {"Version": "2012-10-17", "Statement": [{**base, **statement}]}


def without(name):
    document = trusting()
    del document["Statement"][0][name]
    return document


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ("{invalid", "This policy contains invalid Json"),
        ("", "This policy contains invalid Json"),
        ("[]", "This policy contains invalid Json"),
        ("{}", "Syntax error at position (1,3)"),
        ({**trusting(), "Comment": "x"}, "Unknown field Comment"),
        (trusting(Comment="x"), "Unknown field Comment"),
        ({"Version": "2012-10-17", "Statement": []}, "Could not parse the policy: Statement is empty!"),
        ({"Version": "2012-10-17", "Statement": [{}]}, "Missing required field Effect"),
        (without("Principal"), "Missing required field Principal"),
        (trusting(Principal={}), "Missing required field Principal cannot be empty!"),
        (without("Action"), "Missing required field Action"),
        (trusting(Action="*"), "AssumeRole policy may only specify STS AssumeRole actions."),
        (
            trusting(Action=["sts:AssumeRole", "s3:GetObject"]),
            "AssumeRole policy may only specify STS AssumeRole actions.",
        ),
        (trusting(Resource="*"), "Has prohibited field Resource"),
        (trusting(NotResource="*"), "AssumeRole policy must not contain resources."),
        (trusting(Principal={"Service": "lambda"}), 'Invalid principal in policy: "SERVICE":"lambda"'),
        (trusting(Principal={"AWS": "nobody"}), 'Invalid principal in policy: "AWS":"nobody"'),
    ],
)
def test_a_trust_policy_that_is_none_is_refused_in_aws_words(document, message):
    assert refusal(check_trust_policy, document) == message


def test_allowing_everybody_but_some_is_refused():
    document = without("Principal")
    document["Statement"][0]["NotPrincipal"] = {"AWS": "*"}
    assert refusal(check_trust_policy, document) == "Allow with NotPrincipal is not allowed."


def test_a_trust_policy_tells_whom_it_names():
    user, role = "arn:aws:iam::000000000000:user/u", "arn:aws:iam::111111111111:role/p/r"
    document = trusting(Principal={"AWS": [user, role, "222222222222", "*"], "Service": ["lambda.amazonaws.com"]})
    assert check_trust_policy(json.dumps(document)) == [user, role]


LAMBDA = "lambda.amazonaws.com"


@pytest.mark.parametrize(
    ("statements", "answer"),
    [
        ([{}], True),
        ([{"Principal": {"Service": ["states.amazonaws.com", LAMBDA]}}], True),
        ([{"Principal": {"Service": "states.amazonaws.com"}}], False),
        ([{"Principal": {"AWS": "000000000000"}}], False),
        ([{"Principal": "*"}], True),
        ([{"Action": "STS:assumerole"}], True),
        ([{"Action": ["sts:*"]}], True),
        ([{"Action": "sts:TagSession"}], False),
        ([{"Condition": {"StringEquals": {"aws:SourceAccount": "000000000000"}}}], True),
        ([{}, {"Effect": "Deny"}], False),
        ([{}, {"Effect": "Deny", "Condition": {"Bool": {"aws:SecureTransport": "false"}}}], True),
        ([{}, {"Effect": "Deny", "Principal": {"Service": "states.amazonaws.com"}}], True),
    ],
)
def test_whether_a_service_may_assume_a_role(statements, answer):
    document = {"Version": "2012-10-17", "Statement": [trusting(**one)["Statement"][0] for one in statements]}
    check_trust_policy(json.dumps(document))
    assert service_may_assume(json.dumps(document), LAMBDA) is answer


def test_what_is_no_policy_lets_nobody_in():
    assert not service_may_assume("", LAMBDA)
