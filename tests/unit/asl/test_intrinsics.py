"""Intrinsic functions."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from waypost.asl.errors import INTRINSIC, RUNTIME, StateError
from waypost.asl.intrinsics import compile_intrinsic
from waypost.asl.pathscan import PathSyntaxError
from waypost.asl.scope import Scope

INPUT = {"s": "text", "n": 3, "f": 1.5, "a": [1, 2, 2, "x"], "o": {"k": 1}, "z": None, "json": '{"a": [1]}'}


def evaluate(text, document=INPUT, seed="seed"):
    return compile_intrinsic(text).evaluate(Scope(document, lambda: {"Execution": {"Name": "run"}}, {}, seed))


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("States.Format('Hello, {}. {}!', $.s, $.n)", "Hello, text. 3!"),
        ("States.Format('{}', $$.Execution.Name)", "run"),
        ("States.Format('{} {} {}', $.o, $.a, $.z)", "{k=1} [1, 2, 2, x] null"),
        (r"States.Format('\{\}{}\'', true)", "{}true'"),
        ("States.Format('none')", "none"),
        ("States.StringToJson($.json)", {"a": [1]}),
        ("States.StringToJson('')", None),
        ("States.JsonToString($.o)", '{"k":1}'),
        ("States.Array()", []),
        ("States.Array(1, 'two', null, $.o)", [1, "two", None, {"k": 1}]),
        ("States.ArrayPartition($.a, 3)", [[1, 2, 2], ["x"]]),
        ("States.ArrayContains($.a, 'x')", True),
        ("States.ArrayContains($.a, true)", False),
        ("States.ArrayRange(1, 9, 2)", [1, 3, 5, 7, 9]),
        ("States.ArrayRange(3, 1, -1)", [3, 2, 1]),
        ("States.ArrayGetItem($.a, 3)", "x"),
        ("States.ArrayLength($.a)", 4),
        ("States.ArrayUnique($.a)", [1, 2, "x"]),
        ("States.Base64Encode('Data to encode')", "RGF0YSB0byBlbmNvZGU="),
        ("States.Base64Decode('RGF0YSB0byBlbmNvZGU=')", "Data to encode"),
        ("States.Hash('input data', 'SHA-1')", "aaff4a450a104cd177d28d18d74485e8cae074b7"),
        ("States.JsonMerge($.o, States.StringToJson($.json), false)", {"k": 1, "a": [1]}),
        ("States.MathAdd($.n, -1)", 2),
        ("States.MathAdd(1.5, -1.5)", 1),
        ("States.MathAdd(2.5, 0)", 3),
        ("States.StringSplit('1,2;3,,', ',;')", ["1", "2", "3"]),
        ("States.StringSplit('a', '.')", ["a"]),
        ("States.ArrayGetItem(States.StringSplit('a-b', '-'), States.MathAdd(0, 1))", "b"),
        ("States.ArrayLength($.a[?(@ == 2)])", 2),
        ("States.Format('{}', $['s'])", "text"),
    ],
)
def test_answers(text, value):
    assert evaluate(text) == value


@pytest.mark.parametrize(
    "text",
    [
        "States.Format('{} {}', 1)",
        "States.Format('{}', 1, 2)",
        "States.Format('{x}', 1)",
        "States.Format($.n, 1)",
        "States.StringToJson('{')",
        "States.StringToJson(1)",
        "States.ArrayPartition($.s, 1)",
        "States.ArrayPartition($.a, 0)",
        "States.ArrayRange(1, 9, 0)",
        "States.ArrayRange(1, 2000, 1)",
        "States.ArrayGetItem($.a, 4)",
        "States.ArrayGetItem($.a, -1)",
        "States.ArrayLength($.s)",
        "States.Base64Decode('%')",
        "States.Hash('x', 'CRC')",
        "States.JsonMerge($.o, $.o, true)",
        "States.JsonMerge($.o, $.a, false)",
        "States.MathAdd('1', 2)",
        "States.MathRandom(2, 2)",
    ],
)
def test_refuses_arguments(text):
    with pytest.raises(StateError) as caught:
        evaluate(text)
    assert caught.value.error == INTRINSIC
    assert caught.value.cause.startswith(f"The function '{text}' had the following error: ")


def test_long_text():
    with pytest.raises(StateError):
        evaluate("States.Base64Encode($)", "x" * 10_001)
    assert evaluate("States.Base64Encode($)", "x" * 10_000)


def test_a_missing_path_is_a_runtime_error():
    with pytest.raises(StateError) as caught:
        evaluate("States.Format('{}', $.absent)", {"a": 1})
    assert caught.value.error == RUNTIME
    assert caught.value.cause == (
        "The function 'States.Format('{}', $.absent)' had the following error: "
        "The JsonPath argument for the field '$.absent' could not be found in the input '{\"a\":1}'"
    )


@pytest.mark.parametrize(
    "text",
    [
        "States.",
        "States.Nope()",
        "States.Format",
        "States.Format(",
        "States.Format('x'",
        "States.Format('x",
        "States.Format('x') + 1",
        "States.Format(x)",
        'States.Format("x")',
        "States.UUID(1)",
        "States.MathAdd(1)",
        "States.Array(" * 11 + ")" * 11,
    ],
)
def test_refuses_text(text):
    with pytest.raises(PathSyntaxError):
        compile_intrinsic(text)


def test_random_numbers_come_from_the_seed():
    assert evaluate("States.UUID()") == evaluate("States.UUID()") != evaluate("States.UUID()", seed="other")
    pair = evaluate("States.Array(States.UUID(), States.UUID())")
    assert pair[0] != pair[1]
    assert len(pair[0]) == 36
    assert pair[0][14] == "4"
    numbers = {evaluate("States.MathRandom(1, 4)", seed=str(seed)) for seed in range(100)}
    assert numbers == {1, 2, 3}
    assert evaluate("States.MathRandom(0, 999, 3)", seed="a") == evaluate("States.MathRandom(0, 999, 3)", seed="b")


@given(st.recursive(st.none() | st.booleans() | st.integers() | st.text(), st.lists, max_leaves=8))
def test_json_survives_the_round_trip(value):
    assert evaluate("States.StringToJson(States.JsonToString($))", value) == json.loads(json.dumps(value))


@given(st.text(max_size=40))
def test_any_text_is_a_call_or_refused(text):
    try:
        compile_intrinsic("States." + text)
    except PathSyntaxError:
        return
