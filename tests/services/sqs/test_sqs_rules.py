"""The decisions of SQS, without a store."""

import hashlib
import json

import pytest

from waypost.aws.errors import AwsError
from waypost.services.sqs.rules import attributes, digest, fifo, message, names, policy, receipt, redrive, retention

DLQ = "arn:aws:sqs:eu-west-1:123456789012:dlq"


@pytest.mark.parametrize(
    ("given", "md5"),
    [
        ({"MyAttribute": {"DataType": "String", "StringValue": "foobar"}}, "adb59cd4678ea5a855436b949cd07ab6"),
        ({"Foo": {"DataType": "String", "StringValue": "Bar"}}, "ae7155c6026991b6d54b11589678bf9c"),
        ({"attr1": {"DataType": "Number", "StringValue": "99.12"}}, "d302007e9aa062660afc85fd0a482472"),
    ],
)
def test_attribute_digests_are_those_of_aws(given, md5):
    assert digest.attributes_md5(given) == md5


def test_attribute_digest_covers_names_in_order_types_and_bytes():
    given = {
        "b": {"DataType": "Binary.png", "BinaryValue": b"\x00\xff"},
        "a": {"DataType": "String", "StringValue": "é"},
    }
    expected = hashlib.md5()
    for part in (b"a", b"String"):
        expected.update(len(part).to_bytes(4, "big") + part)
    expected.update(b"\x01" + (2).to_bytes(4, "big") + "é".encode())
    for part in (b"b", b"Binary.png"):
        expected.update(len(part).to_bytes(4, "big") + part)
    expected.update(b"\x02" + (2).to_bytes(4, "big") + b"\x00\xff")
    assert digest.attributes_md5(given) == expected.hexdigest()
    assert digest.attributes_md5(dict(reversed(given.items()))) == expected.hexdigest()


def test_body_digest():
    assert digest.body_md5(b"hello") == "5d41402abc4b2a76b9719d911017c592"


def test_receipts_survive_their_handle():
    one = receipt.Receipt(1 << 60, (1 << 61) + 5, 1_700_000_000_123, 7, has_body_row=True)
    assert receipt.read(receipt.write(one)) == one
    assert receipt.read(receipt.write(one._replace(has_body_row=False))) == one._replace(has_body_row=False)


@pytest.mark.parametrize("damage", ["", "x", "garbage", "AAAA" * 11, "é", "a b"])
def test_what_is_no_handle_is_none(damage):
    assert receipt.read(damage) is None


def test_a_damaged_handle_is_none():
    handle = receipt.write(receipt.Receipt(1, 2, 3, 4, has_body_row=False))
    for position in range(len(handle)):
        other = "A" if handle[position] != "A" else "B"
        assert receipt.read(handle[:position] + other + handle[position + 1 :]) is None, position
    assert receipt.read(handle + "\n") is None


@pytest.mark.parametrize(
    ("url", "address"),
    [
        ("http://localhost:4566/123456789012/q", ("123456789012", "q")),
        ("https://sqs.eu-west-1.amazonaws.com/123456789012/q.fifo/", ("123456789012", "q.fifo")),
        ("/123456789012/q", ("123456789012", "q")),
        ("https://eu-west-1.queue.amazonaws.com/123456789012/q", ("123456789012", "q")),
        ("q", ("", "q")),
        ("http://localhost:4566/", None),
        ("/", None),
        ("http://localhost:4566/queue/q", None),
        ("", None),
    ],
)
def test_queue_urls(url, address):
    assert names.parse_url(url) == address


@pytest.mark.parametrize("name", ["q", "A-b_9", "x" * 80])
def test_good_names(name):
    names.check_name(name, fifo=False)


@pytest.mark.parametrize("name", ["", "x" * 81, "a.b", "a b", "ä", "q.fifo"])
def test_bad_names(name):
    with pytest.raises(AwsError, match=r"Can only include alphanumeric characters, hyphens, or underscores\. 1 to 80"):
        names.check_name(name, fifo=False)


@pytest.mark.parametrize("name", ["q", ".fifo", "x" * 76 + ".fifo", "a.b.fifo"])
def test_bad_fifo_names(name):
    with pytest.raises(AwsError, match=r"must end with \.fifo suffix and be 1 to 80 in length"):
        names.check_name(name, fifo=True)


def test_the_suffix_counts():
    names.check_name("x" * 75 + ".fifo", fifo=True)


@pytest.mark.parametrize(
    ("visible_at", "count"), [([], 0), ([1, 2], 2), ([1, 9, 2], 1), ([9, 1], 0), ([5], 1), ([6], 0)]
)
def test_a_group_is_delivered_up_to_its_first_hidden_message(visible_at, count):
    assert fifo.deliverable(visible_at, 5) == count


def test_sequence_numbers_have_twenty_digits_and_sort():
    numbers = [fifo.sequence_number(n) for n in (0, 1, 1_700_000_000_000 << 20, (1 << 63) - 1)]
    assert all(len(number) == 20 for number in numbers)
    assert sorted(numbers) == numbers


def test_a_dedup_key_per_group_is_not_that_of_another_group():
    assert fifo.dedup_key("b", "a", per_group=True) != fifo.dedup_key("ab", "", per_group=False)
    assert fifo.dedup_key("x", "g1", per_group=False) == fifo.dedup_key("x", "g2", per_group=False)


@pytest.mark.parametrize("text", ["a", "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~", "Z" * 128])
def test_good_ids(text):
    fifo.check_id("MessageGroupId", text)


@pytest.mark.parametrize("text", ["", " ", "a b", "é", "x" * 129, "a\n"])
def test_bad_ids(text):
    with pytest.raises(AwsError) as caught:
        fifo.check_id("MessageGroupId", text)
    assert caught.value.message == (
        f"Value {text} for parameter MessageGroupId is invalid. Reason: MessageGroupId can only include alphanumeric"
        " and punctuation characters. 1 to 128 in length."
    )


def test_retention_is_a_range_of_ids():
    sent = (1_000_000 << retention.ID_BITS) + 77
    assert retention.expires_ms(sent, 60_000) == 1_060_000
    assert sent >= retention.oldest_kept(1_059_999, 60_000)
    assert sent < retention.oldest_kept(1_060_000, 60_000)


# --- messages


@pytest.mark.parametrize("body", ["a", "\t\n\r", "é\U0001f600\ue000\ufffd", "\u00a0"])
def test_good_bodies(body):
    assert message.check_body(body) == body.encode()


@pytest.mark.parametrize("body", ["\x00", "a\x0b", "\x1f", "\ufffe", "\uffff", "\ud800"])
def test_bodies_have_characters_of_xml_only(body):
    with pytest.raises(AwsError) as caught:
        message.check_body(body)
    assert caught.value.code == "InvalidMessageContents"


def text(value: str, data_type: str = "String") -> dict[str, str]:
    return {"DataType": data_type, "StringValue": value}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("a.b-c_9", text("x")),
        ("n", text("-1.5e10", "Number")),
        ("n", text("1" * 38, "Number")),
        ("n", text(" +.5", "Number")),
        ("n", text("9.9E126", "Number")),
        ("n", text("1e-128", "Number")),
        ("n", text("0" * 10 + "1" * 30, "Number.int")),
        ("b", {"DataType": "Binary.gif", "BinaryValue": b"\x00"}),
        ("AWSome", text("x")),
        ("attr.1øßä", text("x")),
        ("x" * 256, text("x")),
    ],
)
def test_good_attributes(name, value):
    content = value.get("BinaryValue") or value["StringValue"].encode()
    assert message.check_attributes({name: value}) == len(name.encode()) + len(value["DataType"]) + len(content)


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("X", text(""), "Message (user) attribute 'X' must contain a non-empty value of type 'String'."),
        ("X", {"DataType": "Binary", "BinaryValue": b""}, "must contain a non-empty value of type 'Binary'."),
        ("X", {"DataType": "Binary", "StringValue": "a"}, "must contain a non-empty value of type 'Binary'."),
        ("X", {"StringValue": "a"}, "The message attribute 'X' must contain non-empty message attribute type."),
        ("X", text("a", "string"), "supported type prefixes: Binary, Number, String."),
        ("X", text("a", "String."), "supported type prefixes"),
        ("X", text("a", "String." + "x" * 250), "supported type prefixes"),
        ("X", text("abc", "Number"), "Can't cast the value of message (user) attribute 'X' to a number."),
        ("X", text("NaN", "Number"), "to a number."),
        ("X", text("Infinity", "Number"), "to a number."),
        ("X", text("1_000", "Number"), "to a number."),
        ("X", text("\u0661", "Number"), "to a number."),
        ("X", text("1e" + "9" * 30, "Number"), "to a number."),
        ("X", text("1e-129", "Number"), "to a number."),
        ("X", text("1" * 39, "Number"), "to a number."),
        ("X", text("1e127", "Number"), "to a number."),
        ("", text("a"), "The request must contain non-empty message attribute name."),
        ("a..b", text("a"), "attribute name 'a..b' is invalid"),
        (".a", text("a"), "attribute name '.a' is invalid"),
        ("a ", text("a"), "attribute name 'a ' is invalid"),
        ("a§", text("a"), "attribute name 'a§' is invalid"),
        ("a.", text("a"), "attribute name 'a.' is invalid"),
        ("X", text("a\x0b"), "Invalid binary character '#xb' was found in the message attribute 'X' value"),
        ("aws.x", text("a"), "reserved prefix"),
        ("Amazon.x", text("a"), "reserved prefix"),
        ("x" * 257, text("a"), "256"),
    ],
)
def test_bad_attributes(name, value, says):
    with pytest.raises(AwsError) as caught:
        message.check_attributes({name: value})
    assert says in caught.value.message


def test_at_most_ten_attributes():
    message.check_attributes({f"a{n}": text("x") for n in range(10)})
    with pytest.raises(AwsError, match=r"Number of message attributes \[11\] exceeds the allowed maximum \[10\]"):
        message.check_attributes({f"a{n}": text("x") for n in range(11)})


def test_attributes_are_kept_as_they_were_sent():
    given = {"s": text("é\n"), "b": {"DataType": "Binary", "BinaryValue": bytes(range(256))}}
    assert message.read_attributes(message.write_attributes(given), ["All"]) == given


@pytest.mark.parametrize(
    ("patterns", "found"),
    [
        (["All"], {"Hello", "Help.Me", "General"}),
        ([".*"], {"Hello", "Help.Me", "General"}),
        (["*"], {"Hello", "Help.Me", "General"}),
        (["Help"], set()),
        (["Help.*"], {"Help.Me"}),
        (["Hel.*"], {"Hello", "Help.Me"}),
        (["Hello", "nothing"], {"Hello"}),
        (["hello"], set()),
    ],
)
def test_receivers_name_attributes(patterns, found):
    stored = message.write_attributes({name: text("x") for name in ("Hello", "Help.Me", "General")})
    assert set(message.read_attributes(stored, patterns)) == found


def test_only_the_trace_header_is_a_system_attribute():
    assert message.trace_header({"AWSTraceHeader": text("Root=1-2")}) == "Root=1-2"
    with pytest.raises(AwsError, match="system attribute name 'Other' is invalid"):
        message.trace_header({"Other": text("x")})
    with pytest.raises(AwsError, match="must be String"):
        message.trace_header({"AWSTraceHeader": text("1", "Number")})


# --- queue attributes


@pytest.mark.parametrize(
    ("name", "low", "high"),
    [
        ("DelaySeconds", 0, 900),
        ("MaximumMessageSize", 1024, 1048576),
        ("MessageRetentionPeriod", 60, 1209600),
        ("ReceiveMessageWaitTimeSeconds", 0, 20),
        ("VisibilityTimeout", 0, 43200),
        ("KmsDataKeyReusePeriodSeconds", 60, 86400),
    ],
)
def test_bounds_of_numbers(name, low, high):
    for good in (low, high):
        assert attributes.change({}, {name: str(good)}, fifo=False) == {name: str(good)}
    for bad in (str(low - 1), str(high + 1), "", "x", "1.5", "²"):
        with pytest.raises(AwsError) as caught:
            attributes.change({}, {name: bad}, fifo=False)
        assert (caught.value.code, caught.value.message) == (
            "InvalidAttributeValue",
            f"Invalid value for the parameter {name}.",
        )


@pytest.mark.parametrize(
    ("given", "fifo_queue", "code", "says"),
    [
        ({"Nothing": "1"}, False, "InvalidAttributeName", "Unknown Attribute Nothing."),
        ({"QueueArn": "1"}, False, "InvalidAttributeName", "Unknown Attribute QueueArn."),
        ({"All": "1"}, False, "InvalidAttributeName", "Unknown Attribute All."),
        ({"FifoQueue": "false"}, False, "InvalidAttributeName", "Unknown Attribute FifoQueue."),
        (
            {"ContentBasedDeduplication": "true"},
            False,
            "InvalidAttributeName",
            "Unknown Attribute ContentBasedDeduplication.",
        ),
        (
            {"DeduplicationScope": "queue"},
            False,
            "InvalidAttributeName",
            "You can specify the DeduplicationScope only when FifoQueue is set to true.",
        ),
        (
            {"FifoQueue": "false"},
            True,
            "InvalidAttributeValue",
            "Invalid value for the parameter FifoQueue. Reason: Modifying queue type is not supported.",
        ),
        ({"FifoQueue": "yes"}, True, "InvalidAttributeValue", "Invalid value for the parameter FifoQueue."),
        ({"FifoThroughputLimit": "perMessageGroupId"}, True, "InvalidAttributeValue", None),
        (
            {"KmsMasterKeyId": "k", "SqsManagedSseEnabled": "true"},
            False,
            "InvalidAttributeName",
            (
                "You can use one type of server-side encryption (SSE) at one time. You can either enable KMS SSE or"
                " SQS SSE."
            ),
        ),
        ({"SqsManagedSseEnabled": "maybe"}, False, "InvalidAttributeValue", None),
        ({"Policy": "{"}, False, "InvalidAttributeValue", "Invalid value for the parameter Policy."),
        ({"Policy": "[]"}, False, "InvalidAttributeValue", None),
        ({"Policy": "[" * 5_000}, False, "InvalidAttributeValue", None),
        ({"Policy": '{"Statement":[{"Effect":"Maybe"}]}'}, False, "InvalidAttributeValue", None),
    ],
)
def test_attributes_that_cannot_be(given, fifo_queue, code, says):
    with pytest.raises(AwsError) as caught:
        attributes.change({}, given, fifo=fifo_queue)
    assert caught.value.code == code
    assert says is None or caught.value.message == says


def test_high_throughput_is_two_attributes_together():
    both = {"DeduplicationScope": "messageGroup", "FifoThroughputLimit": "perMessageGroupId"}
    assert attributes.change({}, both, fifo=True) == both
    assert attributes.change({"DeduplicationScope": "messageGroup"}, both, fifo=True) == both
    with pytest.raises(AwsError, match="FifoThroughputLimit"):
        attributes.change(both, {"DeduplicationScope": "queue"}, fifo=True)
    back = {"DeduplicationScope": "queue", "FifoThroughputLimit": "perQueue"}
    assert attributes.change(both, back, fifo=True) == back


def test_an_empty_text_removes_a_document():
    current = {"Policy": "{}", "RedrivePolicy": "{}", "RedriveAllowPolicy": "{}", "DelaySeconds": "1"}
    given = {"Policy": "", "RedrivePolicy": "", "RedriveAllowPolicy": "", "KmsMasterKeyId": ""}
    assert attributes.change(current, given, fifo=False) == {"DelaySeconds": "1"}


def test_a_queue_is_encrypted_one_way():
    key = {"KmsMasterKeyId": "alias/aws/sqs"}
    by_kms = attributes.change({"SqsManagedSseEnabled": "true"}, key, fifo=False)
    assert by_kms == {**key, "SqsManagedSseEnabled": "false"}
    assert attributes.change(by_kms, {"SqsManagedSseEnabled": "True"}, fifo=False) == {"SqsManagedSseEnabled": "true"}
    assert attributes.change(by_kms, {"KmsMasterKeyId": ""}, fifo=False) == {"SqsManagedSseEnabled": "false"}
    both = {"KmsMasterKeyId": "", "SqsManagedSseEnabled": "true"}
    assert attributes.change(by_kms, both, fifo=False) == {"SqsManagedSseEnabled": "true"}


def test_the_reuse_period_is_shown_beside_a_key_or_when_it_is_another():
    def shown(given):
        return attributes.shown(given, fifo=False).get("KmsDataKeyReusePeriodSeconds")

    assert shown({}) is None
    assert shown({"KmsDataKeyReusePeriodSeconds": "300"}) is None
    assert shown({"KmsDataKeyReusePeriodSeconds": "60"}) == "60"
    assert shown({"KmsMasterKeyId": "alias/aws/sqs"}) == "300"
    assert shown({"KmsMasterKeyId": "alias/aws/sqs", "KmsDataKeyReusePeriodSeconds": "60"}) == "60"


@pytest.mark.parametrize(
    ("key", "known"),
    [
        ("", True),
        ("alias/aws/sqs", True),
        ("arn:aws:kms:eu-west-1:123456789012:alias/aws/sqs", True),
        ("arn:aws:kms:eu-west-2:123456789012:alias/aws/sqs", False),
        ("arn:aws:kms:eu-west-1:999999999999:alias/aws/sqs", False),
        ("arn:aws:kms:eu-west-1:123456789012:key/1234", False),
        ("alias/aws/sns", False),
        ("alias/mine", False),
        ("testKeyId", False),
    ],
)
def test_the_managed_key_is_the_only_one(key, known):
    if known:
        attributes.check_key({"KmsMasterKeyId": key}, "eu-west-1", "123456789012")
        return
    with pytest.raises(AwsError, match="does not exist") as caught:
        attributes.check_key({"KmsMasterKeyId": key}, "eu-west-1", "123456789012")
    assert caught.value.code == "KmsNotFound"
    assert key in caught.value.message


def test_settings_are_what_their_text_says():
    text = attributes.write_settings({
        "DelaySeconds": "3", "VisibilityTimeout": "0", "MaximumMessageSize": "2048", "Policy": "{}",
        "RedrivePolicy": json.dumps({"deadLetterTargetArn": DLQ, "maxReceiveCount": "4"}),
        "DeduplicationScope": "messageGroup",
    })  # fmt: skip
    assert "Policy" not in json.loads(text)
    settings = attributes.read_settings(text)
    assert (settings.delay_ms, settings.visibility_ms, settings.size_max) == (3_000, 0, 2_048)
    assert (settings.retention_ms, settings.wait_ms) == (345_600_000, 0)
    assert settings.redrive is not None
    assert (str(settings.redrive.target), settings.redrive.receives_max) == (DLQ, 4)
    assert settings.per_group
    assert not settings.content_based


@pytest.mark.parametrize(
    ("policy_text", "reason"),
    [
        ("nonsense", "Redrive policy is not a valid JSON map."),
        ("[]", "Redrive policy is not a valid JSON map."),
        ("[" * 5_000, "Redrive policy is not a valid JSON map."),
        ("{}", "Redrive policy does not contain mandatory attribute: maxReceiveCount."),
        ('{"maxReceiveCount":1}', "Redrive policy does not contain mandatory attribute: deadLetterTargetArn."),
        (f'{{"deadLetterTargetArn":"{DLQ}"}}', "Redrive policy does not contain mandatory attribute: maxReceiveCount."),
        (
            f'{{"deadLetterTargetArn":"{DLQ}","maxReceiveCount":0}}',
            "Invalid value for maxReceiveCount: 0, valid values are from 1 to 1000 both inclusive.",
        ),
        (
            f'{{"deadLetterTargetArn":"{DLQ}","maxReceiveCount":"invalid"}}',
            "Invalid value for maxReceiveCount: invalid, valid values are from 1 to 1000 both inclusive.",
        ),
        (
            f'{{"deadLetterTargetArn":"{DLQ}","maxReceiveCount":true}}',
            "Invalid value for maxReceiveCount: True, valid values are from 1 to 1000 both inclusive.",
        ),
        (
            f'{{"deadLetterTargetArn":"{DLQ}","maxReceiveCount":"1001"}}',
            "Invalid value for maxReceiveCount: 1001, valid values are from 1 to 1000 both inclusive.",
        ),
        ('{"deadLetterTargetArn":"x","maxReceiveCount":1}', "Invalid value for deadLetterTargetArn."),
        (
            f'{{"deadLetterTargetArn":"{DLQ}","maxReceiveCount":1,"other":1}}',
            "Only following attributes are supported: [deadLetterTargetArn, maxReceiveCount].",
        ),
    ],
)
def test_redrive_policies_that_cannot_be(policy_text, reason):
    with pytest.raises(AwsError) as caught:
        redrive.parse_redrive(policy_text)
    assert caught.value.message == f"Value {policy_text} for parameter RedrivePolicy is invalid. Reason: {reason}"


@pytest.mark.parametrize(
    ("allow", "permitted"),
    [
        (None, True),
        ({"redrivePermission": "allowAll"}, True),
        ({"redrivePermission": "denyAll"}, False),
        ({"redrivePermission": "byQueue", "sourceQueueArns": [DLQ]}, True),
        ({"redrivePermission": "byQueue", "sourceQueueArns": [DLQ + "x"]}, False),
    ],
)
def test_who_may_use_a_dead_letter_queue(allow, permitted):
    allowance = None if allow is None else redrive.parse_allowance(json.dumps(allow))
    assert redrive.permits(allowance, DLQ) is permitted


@pytest.mark.parametrize(
    "allow",
    [
        {},
        {"redrivePermission": "some"},
        {"redrivePermission": "allowAll", "sourceQueueArns": [DLQ]},
        {"redrivePermission": "byQueue"},
        {"redrivePermission": "byQueue", "sourceQueueArns": []},
        {"redrivePermission": "byQueue", "sourceQueueArns": [f"{DLQ}{n}" for n in range(11)]},
        {"redrivePermission": "byQueue", "sourceQueueArns": ["q"]},
        {"redrivePermission": "denyAll", "other": 1},
    ],
)
def test_allow_policies_that_cannot_be(allow):
    with pytest.raises(AwsError, match="for parameter RedriveAllowPolicy is invalid"):
        redrive.parse_allowance(json.dumps(allow))


# --- policies


def test_add_permission_writes_aws_statement():
    one = policy.add_permission(None, DLQ, "label", ["111111111111"], ["SendMessage"])
    assert json.loads(one) == {
        "Version": "2008-10-17",
        "Id": f"{DLQ}/SQSDefaultPolicy",
        "Statement": [{
            "Sid": "label", "Effect": "Allow", "Principal": {"AWS": "arn:aws:iam::111111111111:root"},
            "Action": "SQS:SendMessage", "Resource": DLQ,
        }],
    }  # fmt: skip
    two = policy.add_permission(one, DLQ, "two", ["111111111111", "222222222222"], ["SendMessage", "ReceiveMessage"])
    statement = json.loads(two)["Statement"][1]
    assert statement["Action"] == ["SQS:SendMessage", "SQS:ReceiveMessage"]
    assert statement["Principal"]["AWS"] == ["arn:aws:iam::111111111111:root", "arn:aws:iam::222222222222:root"]
    assert policy.remove_permission(two, "two") == one
    assert policy.remove_permission(one, "label") is None


@pytest.mark.parametrize(
    ("label", "accounts", "actions", "says"),
    [
        ("L", ["111111111111"], ["SendMessage"], "Value L for parameter Label is invalid. Reason: Already exists."),
        ("a b", ["111111111111"], ["SendMessage"], "for parameter Label is invalid"),
        (
            "x",
            ["me"],
            ["SendMessage"],
            "Value me for parameter PrincipalId is invalid. Reason: Unable to verify principal.",
        ),
        (
            "x",
            ["111111111111"],
            ["CreateQueue"],
            (
                "Value SQS:CreateQueue for parameter ActionName is invalid. Reason: Only the queue owner is allowed to"
                " invoke this action."
            ),
        ),
        ("x", ["111111111111"], ["Nonsense"], "Please refer to the appropriate WSDL for a list of valid actions."),
        ("x", ["111111111111"], ["SendMessage"] * 8, "8 Actions were found, maximum allowed is 7."),
    ],
)
def test_permissions_that_cannot_be(label, accounts, actions, says):
    present = policy.add_permission(None, DLQ, "L", ["111111111111"], ["*"])
    with pytest.raises(AwsError) as caught:
        policy.add_permission(present, DLQ, label, accounts, actions)
    assert says in caught.value.message


def test_remove_permission_wants_a_label_that_is_there():
    with pytest.raises(AwsError) as caught:
        policy.remove_permission(None, "L")
    assert caught.value.message == "Value L for parameter Label is invalid. Reason: can't find label."


STATEMENT = {"Effect": "Allow", "Principal": "*", "Action": "sqs:SendMessage", "Resource": "*"}


@pytest.mark.parametrize(
    ("statements", "says"),
    [
        ([STATEMENT] * 21, "21 statements were found in the submitted policy, max allowed is 20"),
        (
            [{**STATEMENT, "Principal": {"AWS": ["*"] * 50, "Service": "sns.amazonaws.com"}}],
            "51 principals were found in the submitted policy, max allowed is 50",
        ),
        (
            [{**STATEMENT, "Action": ["sqs:*"] * 8}],
            "8 actions were found in a statement from the submitted policy, max allowed is 7",
        ),
        (
            [{**STATEMENT, "Condition": {"StringEquals": {f"k{n}": "v" for n in range(11)}}}],
            "11 conditions were found in the submitted policy, max allowed is 10",
        ),
        ([{**STATEMENT, "Resource": "x" * 8_192}], "Submitted policy is over max allowed size."),
    ],
)
def test_policies_have_bounds(statements, says):
    """The words are those that users of AWS report, say https://github.com/dapr/components-contrib/issues/1780 ."""
    with pytest.raises(AwsError) as caught:
        policy.check_policy(json.dumps({"Statement": statements}))
    assert (caught.value.code, caught.value.status, caught.value.message) == ("OverLimit", 403, says)


def test_policies_up_to_their_bounds():
    sharers = [f"{n:012}" for n in range(50)]
    policy.check_policy(json.dumps({
        "Version": "2012-10-17", "Id": "i",
        "Statement": [
            {
                "Sid": "s", "Effect": "Allow", "Principal": {"AWS": sharers}, "Action": ["SQS:a"] * 7,
                "Condition": {
                    "ForAnyValue:StringLikeIfExists": {f"k{n}": ["v", "w"] for n in range(9)},
                    "Bool": {"aws:SecureTransport": "false"},
                },
            },
        ],
    }))  # fmt: skip
    few = [{**STATEMENT, "Principal": {"Service": "sns.amazonaws.com"}, "Sid": str(n)} for n in range(20)]
    policy.check_policy(json.dumps({"Statement": few}))


@pytest.mark.parametrize(
    "operator",
    [
        "StringEquals", "StringNotEquals", "StringEqualsIgnoreCase", "StringNotEqualsIgnoreCase", "StringLike",
        "StringNotLike", "NumericEquals", "NumericLessThanEquals", "DateGreaterThan", "DateNotEquals", "Bool",
        "BinaryEquals", "IpAddress", "NotIpAddress", "ArnEquals", "ArnNotLike", "Null", "bool",
        "ForAllValues:StringLike", "ForAnyValue:ArnLikeIfExists",
    ],
)  # fmt: skip
def test_conditions_are_those_of_iam(operator):
    condition = {operator: {"aws:SourceArn": ["x"]}}
    policy.check_policy(json.dumps({"Statement": [{**STATEMENT, "Condition": condition, "Sid": ""}] * 2}))


@pytest.mark.parametrize(
    "change",
    [
        {"Effect": "allow"},
        {"Effect": ["Allow"]},
        {"Sid": 1},
        {"Other": "x"},
        {"Principal": None},
        {"Principal": "111111111111"},
        {"Principal": {}},
        {"Principal": {"Aws": "*"}},
        {"Principal": {"AWS": []}},
        {"Principal": {"AWS": [1]}},
        {"NotPrincipal": "*"},
        {"Action": None},
        {"Action": []},
        {"Action": "SendMessage"},
        {"Action": "s3:GetObject"},
        {"Action": ["sqs:SendMessage", "sns:Publish"]},
        {"Action": "sqs:"},
        {"NotAction": "sqs:*"},
        {"Resource": ""},
        {"Resource": 1},
        {"NotResource": "*"},
        {"Condition": []},
        {"Condition": {"StringEquals": "x"}},
        {"Condition": {"StringEquals": {}}},
        {"Condition": {"StringEquals": {"k": {}}}},
        {"Condition": {"Equals": {"k": "v"}}},
    ],
)
def test_statements_that_cannot_be(change):
    with pytest.raises(AwsError) as caught:
        policy.check_policy(json.dumps({"Statement": [{**STATEMENT, **change}]}))
    assert (caught.value.code, caught.value.message) == (
        "InvalidAttributeValue",
        "Invalid value for the parameter Policy.",
    )


@pytest.mark.parametrize(
    "text",
    [
        "{}",
        '{"Statement":[]}',
        json.dumps({"Version": "2020-01-01", "Statement": STATEMENT}),
        json.dumps({"Id": 1, "Statement": STATEMENT}),
        json.dumps({"Statement": STATEMENT, "Statements": []}),
        json.dumps({"Statement": [{**STATEMENT, "Sid": "a"}] * 2}),
        json.dumps({"Statement": ["x"]}),
        '{"Statement":{"Effect":"Allow","Effect":"Deny","Principal":"*","Action":"sqs:*"}}',
    ],
)
def test_policies_that_cannot_be(text):
    with pytest.raises(AwsError, match="Invalid value for the parameter Policy"):
        policy.check_policy(text)
