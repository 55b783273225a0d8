"""Subscription filters, and what metric filters would find."""

import json
import random
from typing import Any

import pytest
from tests.services.logs.world import ACCOUNT, FUNCTION, NOW_MS, REGION, World


def subscribe(world: World, name: str = "f", pattern: str = "", **more: Any) -> None:
    world(
        "PutSubscriptionFilter", **{
            "logGroupName": "g", "filterName": name, "filterPattern": pattern, "destinationArn": FUNCTION, **more,
        },
    )  # fmt: skip


def test_a_function_is_told_what_it_wants(world: World):
    world.group("g", "s")
    subscribe(world, pattern="ERROR")
    world.put((0, "INFO x"), (1, "ERROR y"), (2, "ERROR z"))
    world.put((3, "INFO"))
    (told,) = world.delivered()
    ids = [event.pop("id") for event in told["logEvents"]]
    assert told == {
        "messageType": "DATA_MESSAGE", "owner": ACCOUNT, "logGroup": "g", "logStream": "s",
        "subscriptionFilters": ["f"],
        "logEvents": [
            {"timestamp": NOW_MS + 1, "message": "ERROR y"}, {"timestamp": NOW_MS + 2, "message": "ERROR z"},
        ],
    }  # fmt: skip
    found = world("FilterLogEvents", logGroupName="g", filterPattern="ERROR")["events"]
    assert ids == [event["eventId"] for event in found], "the ids that FilterLogEvents shows"
    assert world.invoked[0]["InvocationType"] == "Event"


def test_the_fields_of_a_pattern_are_told(world: World):
    world.group("g", "s")
    subscribe(world, pattern="[level = E*, ..., code]")
    world.put((0, "ERROR a b 7"), (1, "INFO a 8"))
    (event,) = world.delivered()[0]["logEvents"]
    assert event["extractedFields"] == {"level": "ERROR", "2": "a", "3": "b", "code": "7"}


def test_what_is_appended_within_the_server_is_told_too(world: World):
    world.group("g")
    subscribe(world)
    world("waypost:Append", logGroupName="g", logStreamName="new", logEvents=[(NOW_MS, "x")])
    assert [told["logStream"] for told in world.delivered()] == ["new"]


def test_a_delivery_that_is_too_large_is_divided(world: World):
    world.group("g", "s")
    subscribe(world)
    drawn = random.Random(1)
    noise = [drawn.randbytes(120_000).hex() for _ in range(4)]
    world.put(*[(number, line) for number, line in enumerate(noise)])
    assert len(world.delivered()) == 1
    world.invoked.clear()
    wide = ["".join(chr(drawn.randrange(0x4E00, 0x9FFF)) for _ in range(85_000)) for _ in range(4)]
    world.put(*[(number, line) for number, line in enumerate(wide)])
    told = world.delivered()
    assert len(told) >= 1
    assert [event["message"] for one in told for event in one["logEvents"]] == wide


def test_events_for_a_function_that_is_gone_are_dropped(world: World):
    world.group("g", "s")
    subscribe(world)
    world.functions.clear()
    world.put((0, "x"))
    assert (world.invoked, world.messages()) == ([], ["x"])


def test_a_group_has_two_filters(world: World):
    world.group("g")
    subscribe(world, "a", roleArn="arn:aws:iam::123456789012:role/r", distribution="Random")
    world.now_ms += 5
    subscribe(world, "b", "x")
    subscribe(world, "a", "y")
    with pytest.raises(Exception, match=r"LimitExceededException: Resource limit exceeded\."):
        subscribe(world, "c")
    pages = world.pages("DescribeSubscriptionFilters", logGroupName="g", limit=1)
    assert [page["subscriptionFilters"] for page in pages] == [
        [{
            "filterName": "a", "logGroupName": "g", "filterPattern": "y", "destinationArn": FUNCTION,
            "distribution": "ByLogStream", "applyOnTransformedLogs": False, "creationTime": NOW_MS,
        }],
        [{
            "filterName": "b", "logGroupName": "g", "filterPattern": "x", "destinationArn": FUNCTION,
            "distribution": "ByLogStream", "applyOnTransformedLogs": False, "creationTime": NOW_MS + 5,
        }],
    ]  # fmt: skip
    named = world("DescribeSubscriptionFilters", logGroupName="g", filterNamePrefix="b")["subscriptionFilters"]
    assert [one["filterName"] for one in named] == ["b"]
    world("DeleteSubscriptionFilter", logGroupName="g", filterName="a")
    assert world.refused("DeleteSubscriptionFilter", logGroupName="g", filterName="a") == (
        "ResourceNotFoundException", "The specified subscription filter does not exist.",
    )  # fmt: skip
    subscribe(world, "c", roleArn="arn:aws:iam::123456789012:role/r", distribution="Random")
    shown = world("DescribeSubscriptionFilters", logGroupName="g")["subscriptionFilters"][1]
    assert (shown["roleArn"], shown["distribution"]) == ("arn:aws:iam::123456789012:role/r", "Random")


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"destinationArn": "x"}, "Invalid destinationArn: x"),
        (
            {"destinationArn": f"arn:aws:kinesis:{REGION}:{ACCOUNT}:stream/s"},
            "Waypost has no destination of the service 'kinesis': only Lambda functions.",
        ),
        (
            {"destinationArn": f"{FUNCTION}x"},
            (
                "Could not execute the lambda function. Make sure you have given CloudWatch Logs permission to execute"
                " your function."
            ),
        ),
        (
            {"destinationArn": FUNCTION.replace(ACCOUNT, "1" * 12)},
            "The function must be of the log group's account and region.",
        ),
        ({"filterPattern": "[a"}, "If a filter pattern starts with '[' it must end with ']'"),
    ],
)
def test_refused_filters(world: World, more: Any, message: str):
    world.group("g")
    request = {"logGroupName": "g", "filterName": "f", "filterPattern": "", "destinationArn": FUNCTION, **more}
    assert world.refused("PutSubscriptionFilter", **request) == ("InvalidParameterException", message)
    assert world("DescribeSubscriptionFilters", logGroupName="g")["subscriptionFilters"] == []


def test_filters_are_of_a_group(world: World):
    missing = ("ResourceNotFoundException", "The specified log group does not exist.")
    request = {"logGroupName": "g", "filterName": "f"}
    put = {**request, "filterPattern": "", "destinationArn": FUNCTION}
    assert world.refused("PutSubscriptionFilter", **put) == missing
    assert world.refused("DeleteSubscriptionFilter", **request) == missing
    assert world.refused("DescribeSubscriptionFilters", logGroupName="g") == missing


def test_what_metric_filters_would_find(world: World):
    document = json.dumps({"eventType": "UpdateTrail", "n": 2})
    assert world("TestMetricFilter", filterPattern="{ $.eventType = Update* }", logEventMessages=["x", document]) == {
        "matches": [{
            "eventNumber": 1, "eventMessage": document, "extractedValues": {"$.eventType": "UpdateTrail"},
        }]
    }  # fmt: skip
    assert world.refused("TestMetricFilter", filterPattern="{ $.a", logEventMessages=["x"])[0] == (
        "InvalidParameterException"
    )
    code, message = world.refused(
        "PutMetricFilter", logGroupName="g", filterName="f", filterPattern="",
        metricTransformations=[{"metricName": "m", "metricNamespace": "n", "metricValue": "1"}],
    )  # fmt: skip
    assert (code, message) == ("UnknownOperationException", "Waypost does not have logs PutMetricFilter yet.")
