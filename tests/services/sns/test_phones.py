import pytest

from waypost.aws.errors import AwsError
from waypost.services.sns.rules import phones


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("+15551234567", "+15551234567"),
        ("15551234567", "+15551234567"),
        ("+12", "+12"),
        ("+123456789012345", "+123456789012345"),
    ],
)
def test_numbers(text, number):
    assert phones.publish_target(text) == phones.subscriber(text) == phones.opted(text) == number


NONE = [
    "",
    "+",
    "+1",
    "0155512345",
    "+0155512345",
    "+1234567890123456",
    "NAA+15551234567",
    "+1 555",
    "+1a",
    "+١٢٣٤٥",
    "++12",
    "+12\n",
]


@pytest.mark.parametrize("text", [*NONE, "+1-555-123.4567"])
def test_no_numbers(text):
    # AWS's sentence, as clients quote it: https://github.com/ballerina-platform/module-ballerinax-aws.sns
    with pytest.raises(AwsError) as caught:
        phones.publish_target(text)
    assert caught.value.code == "InvalidParameterException"
    assert caught.value.message == f"Invalid parameter: PhoneNumber Reason: {text} is not valid to publish to"
    with pytest.raises(AwsError) as caught:
        phones.opted(text)
    assert caught.value.message == "Invalid parameter: PhoneNumber Reason: input incorrectly formatted"


@pytest.mark.parametrize("text", ["+1-555-123.4567", "+1/555.123-4567", "1555-1234567"])
def test_an_endpoint_may_be_grouped(text):
    assert phones.subscriber(text) == "+15551234567"


@pytest.mark.parametrize("text", [*NONE, "+1--5551234567", "+15551234567.", "/+15551234567", "+-15551234567"])
def test_no_endpoints(text):
    with pytest.raises(AwsError) as caught:
        phones.subscriber(text)
    assert caught.value.message == f"Invalid SMS endpoint: {text}"
