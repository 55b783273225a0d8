"""AWS's words for parameters that break the model, as they were recorded."""
# ruff: noqa: E501 (tables of requests and answers read best one to a line)

import pytest
from samples import MODELS, ROUTER

from waypost.aws import patterns
from waypost.aws.errors import AwsError
from waypost.aws.model import load
from waypost.aws.validate import hash_order, shown

ARN = "arn:aws:states:us-east-1:000000000000:stateMachine:m"
ROLE = "arn:aws:iam::000000000000:role/r"
FUNCTION = {"FunctionName": "f", "Role": ROLE, "Code": {}}
NAME_WORDS = "It must contain only alphanumeric characters and/or the following: +=,.@_-"
FUNCTION_PATTERN = load("lambda").shapes["FunctionName"].pattern

CASES = [
    ("stepfunctions", "ListStateMachines", {"maxResults": 1001},
     "1 validation error detected: Value '1001' at 'maxResults' failed to satisfy constraint: Member must have value less than or equal to 1000"),
    ("stepfunctions", "ListStateMachines", {"maxResults": -1, "nextToken": ""},
     ("2 validation errors detected: Value '-1' at 'maxResults' failed to satisfy constraint: Member must have value greater than or equal to 0; "
     "Value '' at 'nextToken' failed to satisfy constraint: Member must have length greater than or equal to 1")),
    ("stepfunctions", "ListExecutions", {"statusFilter": "X"},
     ("1 validation error detected: Value 'X' at 'statusFilter' failed to satisfy constraint: "
     "Member must satisfy enum value set: [SUCCEEDED, TIMED_OUT, PENDING_REDRIVE, ABORTED, FAILED, RUNNING]")),
    ("stepfunctions", "StartExecution", {},
     "1 validation error detected: Value null at 'stateMachineArn' failed to satisfy constraint: Member must not be null"),
    ("stepfunctions", "CreateStateMachine", {"name": "n", "definition": "", "roleArn": ROLE},
     "1 validation error detected: Value at 'definition' failed to satisfy constraint: Member must have length greater than or equal to 1"),
    ("stepfunctions", "CreateStateMachineAlias", {"name": "a", "routingConfiguration": [{"stateMachineVersionArn": ARN, "weight": 101}]},
     ("1 validation error detected: Value '101' at 'routingConfiguration.1.member.weight' failed to satisfy constraint: "
     "Member must have value less than or equal to 100")),
    ("stepfunctions", "StartExecution", {"stateMachineArn": ARN, "traceHeader": "\u00e9"},
     "1 validation error detected: Value '\u00e9' at 'traceHeader' failed to satisfy constraint: Member must satisfy regular expression pattern: \\p{ASCII}*"),
    ("lambda", "CreateFunction", {**FUNCTION, "Architectures": ["x86_64", "arm64"]},
     "1 validation error detected: Value '[x86_64, arm64]' at 'architectures' failed to satisfy constraint: Member must have length less than or equal to 1"),
    ("lambda", "CreateFunction", {**FUNCTION, "Architectures": ["riscv"]},
     ("1 validation error detected: Value '[riscv]' at 'architectures' failed to satisfy constraint: "
     "Member must satisfy constraint: [Member must satisfy enum value set: [x86_64, arm64]]")),
    ("lambda", "CreateFunction", {**FUNCTION, "Timeout": 0},
     "1 validation error detected: Value '0' at 'timeout' failed to satisfy constraint: Member must have value greater than or equal to 1"),
    ("lambda", "CreateFunction", {**FUNCTION, "FunctionName": "a b"},
     f"1 validation error detected: Value 'a b' at 'functionName' failed to satisfy constraint: Member must satisfy regular expression pattern: {FUNCTION_PATTERN}"),
    ("lambda", "CreateFunction", {**FUNCTION, "Environment": {"Variables": {"1a": "x"}}},
     ("1 validation error detected: Value at 'environment.variables' failed to satisfy constraint: "
     "Map keys must satisfy constraint: [Member must satisfy regular expression pattern: [a-zA-Z]([a-zA-Z0-9_])+]")),
    ("iam", "GetRole", {}, "1 validation error detected: Value null at 'roleName' failed to satisfy constraint: Member must not be null"),
    ("iam", "CreateRole", {"RoleName": "r", "AssumeRolePolicyDocument": "{}", "Tags": [{"Key": "", "Value": "v"}]},
     ("2 validation errors detected: Value '' at 'tags.1.member.key' failed to satisfy constraint: Member must have length greater than or equal to 1; "
     "Value '' at 'tags.1.member.key' failed to satisfy constraint: Member must satisfy regular expression pattern: [\\p{L}\\p{Z}\\p{N}_.:/=+\\-@]+")),
    ("iam", "GetRole", {"RoleName": "a b"}, f"The specified value for roleName is invalid. {NAME_WORDS}"),
    ("iam", "CreateUser", {"UserName": "a/b"}, f"The specified value for userName is invalid. {NAME_WORDS}"),
    ("sts", "AssumeRole", {"RoleArn": ROLE, "RoleSessionName": "x", "DurationSeconds": 899},
     ("2 validation errors detected: Value 'x' at 'roleSessionName' failed to satisfy constraint: Member must have length greater than or equal to 2; "
     "Value '899' at 'durationSeconds' failed to satisfy constraint: Member must have value greater than or equal to 900")),
]  # fmt: skip


@pytest.mark.parametrize(("model", "name", "params", "words"), CASES)
def test_words(model, name, params, words):
    with pytest.raises(AwsError) as caught:
        ROUTER.operation(model, name).validate(params)
    assert caught.value.message == words
    assert caught.value.code == ("ValidationError" if model in ("iam", "sts") else "ValidationException")
    assert caught.value.status == 400


def test_what_is_fine():
    ROUTER.operation("stepfunctions", "ListStateMachines").validate({"maxResults": 1000})
    ROUTER.operation("lambda", "CreateFunction").validate(
        {**FUNCTION, "Runtime": "no-such-runtime", "Environment": {"Variables": {}}}
    )
    ROUTER.operation("iam", "TagRole").validate({"RoleName": "r", "Tags": [{"Key": "Gr\u00f6\u00dfe 1", "Value": ""}]})


def test_services_that_word_it_themselves():
    for params in ({}, {"QueueUrl": "u", "MaxNumberOfMessages": 99}):
        ROUTER.operation("sqs", "ReceiveMessage").validate(params)
    ROUTER.operation("s3", "GetObject").validate({})


@pytest.mark.parametrize(
    ("model", "name", "params"),
    [
        ("sqs", "SendMessage", {"QueueUrl": "u", "MessageBody": 5}),
        ("sqs", "SendMessage", {"QueueUrl": "u", "MessageBody": {"a": 1}}),
        ("sqs", "SendMessage", {"MessageAttributes": {"a": {"BinaryValue": 1}}}),
        ("sqs", "SendMessage", {"DelaySeconds": "1"}),
        ("sqs", "SendMessage", {"DelaySeconds": True}),
        ("sqs", "SendMessage", {"DelaySeconds": 2**31}),
        ("sqs", "SendMessageBatch", {"Entries": {"Id": "1"}}),
        ("mq", "CreateBroker", {"BrokerName": 1}),
    ],
)
def test_types_of_calls_inside_the_server(model, name, params):
    with pytest.raises(AwsError) as caught:
        ROUTER.operation(model, name).check(params)
    assert caught.value.code == "SerializationException"


def test_calls_inside_the_server():
    attributes = {"a": {"DataType": "Binary", "BinaryValue": b"\xff"}, "b": {"DataType": "String", "StringValue": "x"}}
    params = {"QueueUrl": "u", "MessageBody": "b", "DelaySeconds": None, "MessageAttributes": attributes}
    ROUTER.operation("sqs", "SendMessage").check(params)
    ROUTER.operation("events", "PutEvents").check({"Entries": [{"Time": 1_500_000_000.5, "Detail": "{}"}]})
    with pytest.raises(AwsError):
        ROUTER.operation("stepfunctions", "StartExecution").check({})


def test_values_are_shown_as_java_shows_them():
    assert shown([{"Key": "a", "On": True}, {"n": 1}]) == "[{Key=a, On=true}, {n=1}]"


def test_the_order_of_enum_values_is_javas():
    recorded = [
        "nodejs20.x",
        "provided.al2023",
        "python3.12",
        "java17",
        "nodejs16.x",
        "dotnet8",
        "python3.10",
        "java11",
        "python3.11",
        "dotnet6",
        "java21",
        "nodejs18.x",
        "provided.al2",
        "ruby3.3",
        "java8.al2",
        "ruby3.2",
        "python3.8",
        "python3.9",
    ]
    in_the_models_order = tuple(name for name in load("lambda").shapes["Runtime"].enum if name in recorded)
    assert hash_order(in_the_models_order) == recorded


def test_every_pattern_of_our_models_is_checked():
    for model in MODELS:
        for shape in load(model).shapes.values():
            if shape.pattern:
                assert patterns.compiled(shape.pattern) is not None
    assert patterns.skipped == {}


def test_patterns_are_javas():
    assert patterns.compiled(r"\d+").fullmatch("\u0665") is None
    assert patterns.compiled(r"[\w-_]*").fullmatch("a-_")
    assert patterns.compiled(r"[\w-_]*").fullmatch("\u00e9") is None
    assert patterns.compiled(r"[\p{L}\p{Z}\p{N}_.:/=+\-@]*").fullmatch("Gr\u00f6\u00dfe \u4e2d\u00a0\u0665@")
    assert patterns.compiled(r"[\p{L}\p{Z}\p{N}_.:/=+\-@]*").fullmatch("a\tb") is None
    assert patterns.compiled(r"[^\p{C}]*") is None
    assert "Python has no" in patterns.skipped.pop(r"[^\p{C}]*")


def test_no_pattern_takes_for_ever(monkeypatch):
    """Hostile strings for every pattern, within a bound that an exponential one cannot keep."""
    import signal

    def too_long(*_):
        raise AssertionError("a pattern backtracks without end")

    previous = signal.signal(signal.SIGALRM, too_long)
    repeats = ("a", "0", "-", " ", "/", ".", "a.", "a-", "a:", "$.a", "a ", "\t ", "arn:aws:", "[0]", "%41")
    try:
        for model in MODELS:
            for pattern in {shape.pattern for shape in load(model).shapes.values() if shape.pattern}:
                compiled = patterns.compiled(pattern)
                signal.setitimer(signal.ITIMER_REAL, 5)
                for repeat in repeats:
                    for start in ("", "$", "smk://", "https://", "arn:aws:lambda:us-east-1:123456789012:function:"):
                        compiled.fullmatch(f"{start}{repeat * 40}\x00")
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, previous)
