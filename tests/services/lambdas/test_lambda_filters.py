"""Filter criteria: the comparisons of Lambda's page, bodies of either kind, and what becomes of what is not wanted."""

import json
from typing import Any

import pytest

from waypost.aws.errors import AwsError
from waypost.services.lambdas.rules import filters


def wants(pattern: Any, body: Any, **members: Any) -> bool:
    text = body if isinstance(body, str) else json.dumps(body)
    return filters.wants([json.dumps(pattern)], json.dumps({"body": text, **members}).encode())


@pytest.mark.parametrize(
    ("pattern", "fitting", "other"),
    [
        # The table of the page, row by row.
        ({"a": [None]}, [{"a": None}], [{"a": ""}, {"a": "null"}, {}]),
        ({"a": [""]}, [{"a": ""}], [{"a": None}, {"a": " "}, {}]),
        ({"a": ["Alice"]}, [{"a": "Alice"}, {"a": ["Bob", "Alice"]}], [{"a": "alice"}, {"b": "Alice"}, {}]),
        ({"a": [{"equals-ignore-case": "alice"}]}, [{"a": "ALICE"}], [{"a": "Alicia"}, {"a": 1}]),
        ({"a": ["x"], "b": ["y"]}, [{"a": "x", "b": "y"}], [{"a": "x"}, {"b": "y"}]),
        ({"a": ["x", "y"]}, [{"a": "x"}, {"a": "y"}], [{"a": "z"}]),
        ({"$or": [{"a": ["x"]}, {"b": ["y"]}]}, [{"a": "x"}, {"b": "y", "a": "z"}], [{"a": "z"}, {}]),
        ({"a": [{"anything-but": ["x"]}]}, [{"a": "y"}, {"a": None}, {"a": 1}], [{"a": "x"}, {}, {"a": {}}]),
        ({"a": [{"anything-but": [1, "x"]}]}, [{"a": 2}, {"a": "1"}], [{"a": 1}, {"a": "x"}]),
        ({"a": [{"numeric": ["=", 100]}]}, [{"a": 100}, {"a": 1e2}], [{"a": 101}, {"a": "100"}, {}]),
        ({"a": [{"numeric": [">", 10, "<=", 20]}]}, [{"a": 10.5}, {"a": 20}], [{"a": 10}, {"a": 21}]),
        ({"a": [{"exists": True}]}, [{"a": 1}, {"a": None}], [{}, {"a": {"b": 1}}, {"a": []}]),
        ({"a": [{"exists": False}]}, [{}, {"b": 1}], [{"a": 1}]),
        ({"a": {"b": [{"exists": False}]}}, [{}, {"a": {}}, {"a": []}], [{"a": {"b": 1}}]),
        ({"a": [{"prefix": "us-"}]}, [{"a": "us-east-1"}], [{"a": "eu-us-"}, {"a": 1}]),
        ({"a": [{"suffix": ".png"}]}, [{"a": "x.png"}], [{"a": "x.PNG"}]),
        ({"a": [{"suffix": {"equals-ignore-case": ".png"}}]}, [{"a": "x.PNG"}], [{"a": "x.jpg"}]),
        ({"a": [{"anything-but": {"prefix": "us-"}}]}, [{"a": "eu"}], [{"a": "us-x"}, {}]),
        # Numbers are compared as they are written.
        ({"a": [300]}, [{"a": 300}], [{"a": 300.0}, {"a": "300"}]),
        ({"a": [True]}, [{"a": True}], [{"a": 1}, {"a": "true"}]),
        ({"a": {"b": ["x"]}}, [{"a": {"b": "x"}}, {"a": [{"b": "z"}, {"b": "x"}]}], [{"a": "x"}, {"a": {"c": "x"}}]),
        # Keys of one element of an array go together.
        ({"a": {"b": ["x"], "c": ["y"]}}, [{"a": [{"b": "x", "c": "y"}]}], [{"a": [{"b": "x"}, {"c": "y"}]}]),
    ],
)
def test_comparisons(pattern: Any, fitting: list[Any], other: list[Any]) -> None:
    for body in fitting:
        assert wants({"body": pattern}, body), body
    for body in other:
        assert not wants({"body": pattern}, body), body


def test_a_body_and_its_pattern_are_of_one_kind() -> None:
    for plain in ("Result: x", "Result: {", '"Result: x"'[1:-1]):
        assert wants({"body": [{"prefix": "Result: "}]}, plain)
        assert not wants({"body": {"a": ["x"]}}, plain)
    assert not wants({"body": [{"prefix": "{"}]}, {"a": "x"})
    assert wants({"body": {"a": ["x"]}}, '  {"a": "x"}')
    assert not wants({"body": {"a": ["x"]}}, '{"a": "x", "b": NaN}')


def test_without_the_body_only_the_rest_is_asked() -> None:
    pattern = {"attributes": {"SenderId": ["me"]}}
    for body in ("plain", {"a": 1}):
        assert wants(pattern, body, attributes={"SenderId": "me"})
        assert not wants(pattern, body, attributes={"SenderId": "you"})


def test_one_of_several_is_enough() -> None:
    record = json.dumps({"body": '{"a":2}'}).encode()
    patterns = [json.dumps({"body": {"a": [number]}}) for number in (1, 2)]
    assert filters.wants(patterns, record)
    assert not filters.wants(patterns[:1], record)
    assert filters.wants([], record)


def test_no_body_ends_a_mapping() -> None:
    deep = "[" * 100_000 + "]" * 100_000
    assert not wants({"body": {"a": ["x"]}}, deep)
    assert not wants({"body": {"a": [1]}}, '{"a": ' + "[" * 600 + "2" + "]" * 600 + "}")
    assert not wants({"body": {"a": [{"numeric": ["<", 1]}]}}, '{"a": 1e999999999999}')


@pytest.mark.parametrize(
    "pattern",
    [
        "", "{", "[]", "{}", "1", '{"a": "x"}', '{"a": []}', '{"a": {}}', '{"a": [["x"]]}',
        '{"a": [{"wildcard": "x*"}]}',
        '{"a": [{"cidr": "10.0.0.0/8"}]}', '{"a": [{"prefix": 1}]}', '{"a": [{"prefix": "a", "suffix": "b"}]}',
        '{"a": [{}]}', '{"a": [{"numeric": [">"]}]}', '{"a": [{"numeric": ["~", 1]}]}',
        '{"a": [{"numeric": [">", "1"]}]}',
        '{"a": [{"exists": "yes"}]}', '{"a": [{"anything-but": []}]}', '{"a": [{"anything-but": [null]}]}',
        '{"a": [{"anything-but": {"wildcard": "x"}}]}', '{"$or": [{"a": ["x"]}]}', '{"a": [NaN]}',
    ],
)  # fmt: skip
def test_patterns_that_cannot_be(pattern: str) -> None:
    with pytest.raises(AwsError) as error:
        filters.check([pattern])
    assert (error.value.code, error.value.message) == (
        "InvalidParameterValueException", "Invalid filter pattern definition."
    )  # fmt: skip


# --- mappings


def criteria(*patterns: Any) -> Any:
    return {"Filters": [{"Pattern": json.dumps(pattern)} for pattern in patterns]}


def test_filters_are_shown_replaced_and_taken_away(still: Any) -> None:
    still.create_function()
    made = still.create_mapping(FilterCriteria=criteria({"body": {"a": ["x"]}}))
    assert made["FilterCriteria"] == criteria({"body": {"a": ["x"]}})
    named = {"UUID": made["UUID"]}
    still.call("UpdateEventSourceMapping", **named, BatchSize=3)
    assert still.call("GetEventSourceMapping", **named)["FilterCriteria"] == criteria({"body": {"a": ["x"]}})
    two = criteria({"body": ["x"]}, {"body": ["y"]})
    assert still.call("UpdateEventSourceMapping", **named, FilterCriteria=two)["FilterCriteria"] == two
    with pytest.raises(AwsError, match="A maximum of 5 filters"):
        still.call("UpdateEventSourceMapping", **named, FilterCriteria=criteria(*[{"body": ["x"]}] * 6))
    with pytest.raises(AwsError, match="Invalid filter pattern definition"):
        still.call("UpdateEventSourceMapping", **named, FilterCriteria={"Filters": [{"Pattern": "no"}]})
    still.call("UpdateEventSourceMapping", **named, FilterCriteria={})
    assert "FilterCriteria" not in still.call("GetEventSourceMapping", **named)


async def test_a_function_gets_what_its_mapping_wants(world: Any) -> None:
    world.create_function()
    world.create_mapping(FilterCriteria=criteria({"body": {"n": [{"numeric": [">=", 3]}]}}), BatchSize=5)
    world.start_background()
    await world.send("q", *(f'{{"n": {number}}}' for number in range(6)), "plain")
    await world.settle()
    bodies = [json.loads(body)["n"] for batch in world.events() for body in batch]
    assert sorted(bodies) == [3, 4, 5]
    assert world.neighbours.queues["q"].messages == [], "what is not wanted is deleted"


async def test_many_unwanted_messages_do_not_stop_those_behind_them(world: Any) -> None:
    world.create_function()
    world.create_mapping(FilterCriteria=criteria({"body": ["yes"]}))
    world.neighbours.send("q", *["no"] * 350, "yes")
    world.start_background()
    await world.settle()
    await world.settle()
    assert world.events() == [["yes"]]
    assert world.neighbours.queues["q"].messages == []


async def test_unwanted_messages_do_not_close_a_window(world: Any) -> None:
    world.create_function()
    world.create_mapping(FilterCriteria=criteria({"body": ["yes"]}), MaximumBatchingWindowInSeconds=10, BatchSize=10)
    world.start_background()
    await world.send("q", "yes")
    await world.settle()
    await world.send("q", "no")
    await world.settle()
    await world.advance(5_000)
    await world.send("q", "yes")
    await world.settle()
    assert world.events() == []
    await world.advance(5_000)
    assert world.events() == [["yes", "yes"]]
