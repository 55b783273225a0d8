"""Groups, streams, tags, retention, policies."""

from typing import Any

import pytest
from tests.services.logs.world import ACCOUNT, DAY_MS, NOW_MS, REGION, World, group_arn

from waypost.services.logs import limits

NO_GROUP = ("ResourceNotFoundException", "The specified log group does not exist.")


def names(page: Any) -> list[str]:
    return [group["logGroupName"] for group in page["logGroups"]]


def test_a_group_is_described_as_on_aws(world: World):
    assert world("CreateLogGroup", logGroupName="/aws/lambda/f", tags={"k": "v"}, logGroupClass="STANDARD") == {}
    (group,) = world("DescribeLogGroups")["logGroups"]
    assert group == {
        "logGroupName": "/aws/lambda/f", "creationTime": NOW_MS, "metricFilterCount": 0, "storedBytes": 0,
        "arn": f"{group_arn('/aws/lambda/f')}:*", "logGroupArn": group_arn("/aws/lambda/f"),
        "logGroupClass": "STANDARD", "deletionProtectionEnabled": False,
    }  # fmt: skip
    world("PutRetentionPolicy", logGroupName="/aws/lambda/f", retentionInDays=14)
    assert world("DescribeLogGroups")["logGroups"][0]["retentionInDays"] == 14
    world("DeleteRetentionPolicy", logGroupName="/aws/lambda/f")
    assert "retentionInDays" not in world("DescribeLogGroups")["logGroups"][0]


@pytest.mark.parametrize(
    ("operation", "request_", "code", "message"),
    [
        (
            "CreateLogGroup", {"logGroupName": "g"}, "ResourceAlreadyExistsException",
            "The specified log group already exists",
        ),
        (
            "CreateLogGroup", {"logGroupName": "aws/x"}, "InvalidParameterException",
            "Log groups starting with AWS/ are reserved for AWS.",
        ),
        (
            "CreateLogGroup", {"logGroupName": "a b"}, "InvalidParameterException",
            (r"1 validation error detected: Value 'a b' at 'logGroupName' failed to satisfy constraint: Member must"
            r" satisfy regular expression pattern: [\.\-_/#A-Za-z0-9]+"),
        ),
        (
            "CreateLogGroup", {"logGroupName": "x", "tags": {"aws:x": "y"}}, "InvalidParameterException",
            "aws: prefixed tag key names are not allowed for external use.",
        ),
        (
            "CreateLogGroup", {"logGroupName": "x", "kmsKeyId": "k"}, "InvalidParameterException",
            "Waypost does not support kmsKeyId: there is no KMS whose keys could encrypt",
        ),
        (
            "CreateLogGroup", {"logGroupName": "x", "logGroupClass": "INFREQUENT_ACCESS"}, "InvalidParameterException",
            ("Waypost does not support logGroupClass=INFREQUENT_ACCESS: only Insights queries could read what is in it,"
            " and there are none yet"),
        ),
        (
            "PutRetentionPolicy", {"logGroupName": "g", "retentionInDays": 2}, "InvalidParameterException",
            ("1 validation error detected: Value '2' at 'retentionInDays' failed to satisfy constraint: Member must"
            " satisfy enum value set: [1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192,"
            " 2557, 2922, 3288, 3653]"),
        ),
        ("PutRetentionPolicy", {"logGroupName": "x", "retentionInDays": 1}, *NO_GROUP),
        ("DeleteRetentionPolicy", {"logGroupName": "x"}, *NO_GROUP),
        ("DeleteLogGroup", {"logGroupName": "x"}, *NO_GROUP),
        ("DescribeLogStreams", {"logGroupName": "x"}, *NO_GROUP),
        ("CreateLogStream", {"logGroupName": "x", "logStreamName": "s"}, *NO_GROUP),
        ("DeleteLogStream", {"logGroupName": "x", "logStreamName": "s"}, *NO_GROUP),
        (
            "DeleteLogStream", {"logGroupName": "g", "logStreamName": "x"}, "ResourceNotFoundException",
            "The specified log stream does not exist.",
        ),
        (
            "CreateLogStream", {"logGroupName": "g", "logStreamName": "s"}, "ResourceAlreadyExistsException",
            "The specified log stream already exists",
        ),
        (
            "DescribeLogStreams", {"logGroupName": "g", "orderBy": "LastEventTime", "logStreamNamePrefix": "s"},
            "InvalidParameterException", "Cannot order by LastEventTime with a logStreamNamePrefix.",
        ),
        ("ListTagsLogGroup", {"logGroupName": "x"}, *NO_GROUP),
        ("TagLogGroup", {"logGroupName": "x", "tags": {"a": "b"}}, *NO_GROUP),
        ("UntagLogGroup", {"logGroupName": "x", "tags": ["a"]}, *NO_GROUP),
        (
            "ListTagsForResource", {"resourceArn": group_arn("x")}, "ResourceNotFoundException",
            "The specified resource does not exist.",
        ),
        (
            "DescribeLogGroups", {"logGroupNamePrefix": "a", "logGroupNamePattern": "b"}, "InvalidParameterException",
            "logGroupNamePrefix and logGroupNamePattern are mutually exclusive.",
        ),
        (
            "DescribeLogGroups", {"nextToken": "x"}, "InvalidParameterException",
            "The specified nextToken is invalid.",
        ),
        (
            "DeleteResourcePolicy", {"policyName": "x"}, "ResourceNotFoundException",
            "Policy with name [x] does not exist",
        ),
    ],
)  # fmt: skip
def test_refusals(world: World, operation: str, request_: Any, code: str, message: str):
    world.group("g", "s")
    assert world.refused(operation, **request_) == (code, message)


def test_groups_are_listed_in_pages_by_prefix_and_by_part(world: World):
    made = sorted([f"/aws/lambda/f{number:02}" for number in range(12)] + ["A", "a", "zz-lambda", "#", "_x"])
    for name in made:
        world.group(name)
    world.run("CreateLogGroup", {"logGroupName": "elsewhere"}, region="eu-central-1")
    world.run("CreateLogGroup", {"logGroupName": "others"}, account="1" * 12)
    pages = world.pages("DescribeLogGroups", limit=5)
    assert [len(page["logGroups"]) for page in pages] == [5, 5, 5, 2]
    assert [name for page in pages for name in names(page)] == made, "in the order of ASCII"
    assert names(world("DescribeLogGroups", logGroupNamePrefix="/aws/lambda/f1")) == [
        "/aws/lambda/f10", "/aws/lambda/f11",
    ]  # fmt: skip
    found = world.pages("DescribeLogGroups", logGroupNamePattern="lambda", limit=10)
    assert [name for page in found for name in names(page)] == [name for name in made if "lambda" in name]
    assert set(found[0]["logGroups"][0]) == {"logGroupName", "creationTime", "arn"}
    assert names(world("DescribeLogGroups", logGroupNamePattern="LAMBDA")) == []
    assert names(world("DescribeLogGroups", logGroupIdentifiers=["a", group_arn("A"), "nobody"])) == ["A", "a"]
    assert names(world("DescribeLogGroups", logGroupClass="DELIVERY")) == []
    listed = world.pages("ListLogGroups", logGroupNamePattern="^zz-|/f0", limit=4)
    assert [name for page in listed for name in names(page)] == [
        f"/aws/lambda/f{number:02}" for number in range(10)
    ] + ["zz-lambda"]
    assert listed[0]["logGroups"][0] == {
        "logGroupName": "/aws/lambda/f00", "logGroupArn": group_arn("/aws/lambda/f00"), "logGroupClass": "STANDARD",
    }  # fmt: skip


def test_a_part_of_a_name_is_looked_for_in_bounded_steps(world: World, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("waypost.services.logs.operations.groups.NAMES_LOOKED_AT_MAX", 4)
    for number in range(10):
        world.group(f"g{number}")
    pages = world.pages("DescribeLogGroups", logGroupNamePattern="9")
    assert [names(page) for page in pages] == [[], [], ["g9"]]


def test_streams_are_listed_by_name_and_by_time(world: World):
    world.group("g", "b", "a", "c", "d")
    world.put((5, "x"), stream="a")
    world.put((1, "x"), (9, "y"), stream="c")
    world.now_ms += 10
    world.put((-12, "earlier"), stream="c")

    def listed(**more: Any) -> list[str]:
        pages = world.pages("DescribeLogStreams", logGroupName="g", limit=1, **more)
        return [stream["logStreamName"] for page in pages for stream in page["logStreams"]]

    assert listed() == ["a", "b", "c", "d"]
    assert listed(descending=True) == ["d", "c", "b", "a"]
    assert listed(orderBy="LastEventTime", descending=True) == ["c", "a", "d", "b"]
    assert listed(orderBy="LastEventTime") == ["b", "d", "a", "c"]
    assert listed(logStreamNamePrefix="c", orderBy="LogStreamName") == ["c"]
    streams = world("DescribeLogStreams", logGroupIdentifier=group_arn())["logStreams"]
    assert len(streams[2].pop("uploadSequenceToken")) == 56
    assert streams[2] == {
        "logStreamName": "c", "creationTime": NOW_MS, "arn": f"{group_arn()}:log-stream:c", "storedBytes": 0,
        "firstEventTimestamp": NOW_MS - 2, "lastEventTimestamp": NOW_MS + 9, "lastIngestionTime": NOW_MS + 10,
    }  # fmt: skip
    assert "firstEventTimestamp" not in streams[1]


def test_tags_by_arn_and_by_name_are_the_same(world: World):
    world("CreateLogGroup", logGroupName="g", tags={"a": "1"})
    world("TagResource", resourceArn=group_arn(), tags={"b": "2"})
    world("TagLogGroup", logGroupName="g", tags={"a": "3"})
    assert world("ListTagsForResource", resourceArn=group_arn()) == {"tags": {"a": "3", "b": "2"}}
    world("UntagResource", resourceArn=group_arn(), tagKeys=["a", "x"])
    assert world("ListTagsLogGroup", logGroupName="g") == {"tags": {"b": "2"}}
    world("UntagLogGroup", logGroupName="g", tags=["b"])
    assert world("ListTagsLogGroup", logGroupName="g") == {"tags": {}}
    world("TagResource", resourceArn=group_arn(), tags={f"k{number}": "" for number in range(50)})
    assert world.refused("TagResource", resourceArn=group_arn(), tags={"one more": ""})[0] == "TooManyTagsException"
    for arn in ("x", f"arn:aws:sqs:{REGION}:{ACCOUNT}:q"):
        assert world.refused("ListTagsForResource", resourceArn=arn)[0] == "InvalidParameterException"
    missing = ("ResourceNotFoundException", "The specified resource does not exist.")
    assert world.refused("TagResource", resourceArn=group_arn("x"), tags={"a": "b"}) == missing
    assert world.refused("UntagResource", resourceArn=group_arn("x"), tagKeys=["a"]) == missing
    elsewhere = group_arn().replace(REGION, "us-east-1")
    assert world.refused("ListTagsForResource", resourceArn=elsewhere) == missing


def test_a_protected_group_is_not_deleted(world: World):
    world("CreateLogGroup", logGroupName="g", deletionProtectionEnabled=True)
    assert world("DescribeLogGroups")["logGroups"][0]["deletionProtectionEnabled"] is True
    assert world.refused("DeleteLogGroup", logGroupName="g")[0] == "ValidationException"
    world("PutLogGroupDeletionProtection", logGroupIdentifier=group_arn(), deletionProtectionEnabled=False)
    world("DeleteLogGroup", logGroupName="g")
    assert world("DescribeLogGroups")["logGroups"] == []


def test_what_a_group_stores_is_counted(world: World):
    world.group("g", "a", "b")
    world.put((0, "x" * 74), stream="a")
    world.put((0, "y"), (1, "zz"), stream="b")
    assert world("DescribeLogGroups")["logGroups"][0]["storedBytes"] == 74 + 26 + 3 + 52


# --- the end


def test_a_deleted_group_is_gone_at_once_and_cleared_in_pieces(world: World, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("waypost.services.logs.jobs.CLEAN_BATCH_MAX", 2)
    world.group("g", "a", "b", "c", days=1)
    for number in range(5):
        world.put((number, "x"), stream="a")
    world.put((0, "y"), stream="b")
    world("DeleteLogGroup", logGroupName="g")
    assert world.refused("FilterLogEvents", logGroupName="g") == NO_GROUP
    world.group("g", "a")
    assert world.filtered() == [], "the next of that name has none of it"
    world.put((0, "new"), stream="a")
    assert world.work() > 4, "in pieces"
    assert (world.count("logs_batch"), world.count("logs_stream"), world.count("job")) == (1, 1, 0)
    assert world.filtered() == ["new"]


def test_a_deleted_stream_is_gone_at_once_and_cleared_in_pieces(world: World, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("waypost.services.logs.jobs.CLEAN_BATCH_MAX", 2)
    world.group("g", "a", "b")
    for number in range(5):
        world.put((number, f"a{number}"), stream="a")
        world.put((number, f"b{number}"), stream="b")
    world("DeleteLogStream", logGroupName="g", logStreamName="a")
    world("CreateLogStream", logGroupName="g", logStreamName="a")
    kept = [f"b{number}" for number in range(5)]
    assert world.filtered() == kept
    assert world.messages(stream="a") == []
    world.put((0, "new"), stream="a")
    assert world.work() > 2
    assert world.filtered() == ["b0", "new", *kept[1:]]
    assert (world.count("logs_batch"), world.count("job")) == (6, 0)
    assert world("DescribeLogGroups")["logGroups"][0]["storedBytes"] == 5 * 28 + 29


def test_events_expire_on_the_clock(world: World, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("waypost.services.logs.jobs.CLEAN_BATCH_MAX", 2)
    world.group("g", "a", "b")
    for number in range(5):
        world.put((number * 1_000, f"a{number}"), stream="a")
    world.put((0, "b0"), (60_000, "b1"), stream="b")
    world("PutRetentionPolicy", logGroupName="g", retentionInDays=1)
    world.work()
    assert world.count("logs_batch") == 6, "nothing is old yet"
    world.now_ms += DAY_MS + 2_500
    assert world.filtered() == ["a3", "a4", "b1"], "what has expired is not shown, deleted or not"
    assert world.get(stream="a", startFromHead=True)["events"][0]["message"] == "a3"
    assert world.messages(stream="b") == ["b1"]
    world.now_ms += limits.EXPIRE_PAUSE_MS
    world.work()
    assert world.count("logs_batch") == 0
    assert world("DescribeLogGroups")["logGroups"][0]["storedBytes"] == 0
    world.put((-DAY_MS + 5_000, "late"), stream="a")
    world.now_ms += 6_000
    for _ in range(4):
        world.now_ms += limits.EXPIRE_PAUSE_MS
        world.work()
    assert world.count("logs_batch") <= 1
    world.now_ms += 2 * DAY_MS
    world.work()
    assert world.count("logs_batch") == 0
    assert world.count("job") == 1, "the next look"


def test_a_shorter_retention_holds_at_once_and_none_keeps_everything(world: World):
    world.group("g", "s", days=7)
    world.put((-3 * DAY_MS, "old"))
    world.put((0, "new"))
    world("PutRetentionPolicy", logGroupName="g", retentionInDays=1)
    assert world.filtered() == ["new"]
    world.work()
    assert (world.count("logs_batch"), world.count("job")) == (1, 1)
    world("PutRetentionPolicy", logGroupName="g", retentionInDays=1)
    assert world.count("job") == 1
    world("DeleteRetentionPolicy", logGroupName="g")
    assert world.count("job") == 0
    world.now_ms += 400 * DAY_MS
    assert world.filtered() == ["new"]


# --- resource policies


def test_resource_policies_are_kept(world: World):
    document = '{"Version":"2012-10-17","Statement":[]}'
    made = world("PutResourcePolicy", policyName="p", policyDocument=document)["resourcePolicy"]
    assert made == {
        "policyName": "p", "policyDocument": document, "lastUpdatedTime": NOW_MS, "policyScope": "ACCOUNT",
    }  # fmt: skip
    for number in range(limits.POLICIES_MAX - 1):
        world("PutResourcePolicy", policyName=f"q{number}", policyDocument="{}")
    assert world.refused("PutResourcePolicy", policyName="r", policyDocument="{}") == (
        "LimitExceededException", "Resource limit exceeded.",
    )  # fmt: skip
    world("PutResourcePolicy", policyName="p", policyDocument="{}")
    pages = world.pages("DescribeResourcePolicies", limit=4)
    listed = [policy["policyName"] for page in pages for policy in page["resourcePolicies"]]
    assert listed == ["p", *[f"q{number}" for number in range(9)]]
    assert pages[0]["resourcePolicies"][0]["policyDocument"] == "{}"
    world("DeleteResourcePolicy", policyName="p")
    assert len(world("DescribeResourcePolicies")["resourcePolicies"]) == 9
    for request in ({"policyName": "x", "policyDocument": "[]"}, {"policyName": "x"}, {"policyDocument": "{}"}):
        assert world.refused("PutResourcePolicy", **request)[0] == "InvalidParameterException"
