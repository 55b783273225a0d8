"""Filter policies: what is refused and how it is said, what matches.

Complaints marked *recorded* are AWS's, to the column; the examples of *docs* are those of
https://docs.aws.amazon.com/sns/latest/dg/sns-subscription-filter-policies.html and the pages below it.
"""

import json
import re
from fractions import Fraction
from typing import Any

import hypothesis.strategies as st
import pytest
from hypothesis import example, given

from waypost.aws.errors import AwsError
from waypost.services.sns.rules.filters import compile_filter
from waypost.services.sns.rules.filters.cost import combinations, wildcard_points
from waypost.services.sns.rules.filters.document import java_number, read
from waypost.services.sns.rules.filters.grammar import parse
from waypost.services.sns.rules.filters.patterns import Wildcard, address, matcher, scaled, wildcard_parts
from waypost.services.sns.rules.messages import Attribute

ATTRIBUTES, BODY = "MessageAttributes", "MessageBody"


def complaint(policy: Any, scope: str = BODY, *, subscribing: bool = False) -> str:
    text = policy if isinstance(policy, str) else json.dumps(policy)
    with pytest.raises(AwsError) as caught:
        compile_filter(text, scope, subscribing=subscribing)
    assert caught.value.code == "InvalidParameterException"
    return caught.value.message


def accepts(policy: Any, scope: str = BODY) -> None:
    compile_filter(policy if isinstance(policy, str) else json.dumps(policy), scope)


def of_body(policy: Any, body: Any) -> bool:
    text = body if isinstance(body, str) else json.dumps(body)
    return compile_filter(json.dumps(policy), BODY).matches({}, text)


def of_attributes(policy: Any, **attributes: Attribute) -> bool:
    return compile_filter(json.dumps(policy), ATTRIBUTES).matches(attributes, "not json")


def string(text: str) -> Attribute:
    return Attribute("String", text)


def number(text: str) -> Attribute:
    return Attribute("Number", text)


def array(*values: Any) -> Attribute:
    return Attribute("String.Array", json.dumps(values))


# --- what is refused


@pytest.mark.parametrize(
    ("policy", "words", "column"),
    [
        ({"key": [["value"]]}, "Match value must be String, number, true, false, or null", 10),
        ({"key": [{"wrong-operator": True}]}, "Unrecognized match type wrong-operator", 31),
        ({"key": [{"suffix": "value", "prefix": "value2"}]}, "Only one key allowed in match expression", 37),
        ({"key": [{"suffix": 100}]}, "suffix match pattern must be a string", 22),
        ({"key": [{"suffix": None}]}, "suffix match pattern must be a string", 23),
        ({"key": {"suffix": "value"}}, '"suffix" must be an object or an array', 19),
        ({"key": [{"suffix": []}]}, "suffix match pattern must be a string", 20),
        ({"key": [{"suffix": ["test", "test2"]}]}, "suffix match pattern must be a string", 20),
        ({"key": {"suffix": "value", "prefix": "value"}}, '"suffix" must be an object or an array', 19),
        ({"key": {"not-an-operator": "value"}}, '"not-an-operator" must be an object or an array', 28),
        ({"key_a": "value_one"}, '"key_a" must be an object or an array', 11),
        ({"key": [{"numeric": []}]}, "Invalid member in numeric match: ]", 22),
        ({"key": [{"numeric": ["operator"]}]}, "Unrecognized numeric range operator: operator", 32),
        ({"key": [{"numeric": [1, "<="]}]}, "Invalid member in numeric match: 1", 22),
        ({"key": [{"numeric": ["=", "000"]}]}, "Value of equals must be numeric", 26),
        ({"key": [{"numeric": [">="]}]}, "Value of >= must be numeric", 26),
        ({"key": [{"numeric": ["<", 100, ">", 10]}]}, "Too many elements in numeric expression", 30),
        ({"key": [{"numeric": [">=", 1, ">", 2]}]}, "Bad numeric range operator: >", 31),
        ({"key": [{"numeric": [">", 3, "<", 1]}]}, "Bottom must be less than top", 33),
        ({"key": [{"numeric": [">", 20, "<="]}]}, "Value of <= must be numeric", 33),
        ({"key": [{"numeric": [">", 20, 30]}]}, "Bad value in numeric range: 30", 30),
        ({"key": [{"numeric": [">", 20, "test"]}]}, "Bad numeric range operator: test", 34),
        ({"key": [{"numeric": [">", "20", "<", "30"]}]}, "Value of > must be numeric", 26),
        ({"key": [{"numeric": [">", 20, "<", "30"]}]}, "Value of < must be numeric", 33),
        ({"key": [{"numeric": [">", 20, "<", 30, "<", 50]}]}, "Too many terms in numeric range expression", 36),
        ({"key": [{"exists": None}]}, "exists match pattern must be either true or false.", 23),
        ({"key": [{"exists": "no"}]}, "exists match pattern must be either true or false.", 20),
        ({"key": [{"anything-but": {"wrong-operator": None}}]}, "Unsupported anything-but pattern: wrong-operator", 47),
        ({"key": [{"anything-but": {"exists": False}}]}, "Unsupported anything-but pattern: exists", 40),
        ({"key": [{"anything-but": {"prefix": False}}]}, "prefix match pattern must be a string", 40),
    ],
)
@pytest.mark.parametrize("subscribing", [False, True])
def test_complaints_as_recorded(policy: Any, words: str, column: int, subscribing: bool) -> None:
    compact = json.dumps(policy, separators=(",", ":"))
    assert complaint(policy, ATTRIBUTES, subscribing=subscribing) == (
        f"Invalid parameter: {'Attributes Reason: ' * subscribing}FilterPolicy: {words}\n"
        f' at [Source: (String)"{compact}"; line: 1, column: {column}]'
    )


KEY = '{"key":['
"""Eight characters before each value below."""
MIXED = "Inside anything but list, either all values are number or string, mixed type is not supported"


@pytest.mark.parametrize(
    ("values", "words", "column"),
    [
        ("]}", "Empty arrays are not allowed", 10),
        ("{}]}", "Match expression name not found", 11),
        ('{"exactly":1}]}', "exact match pattern must be a string", 21),
        ('{"prefix":1}]}', "prefix match pattern must be a string", 20),
        ('{"prefix":{}}]}', "Prefix expression name not found", 21),
        ('{"prefix":{"suffix":"a"}}]}', "Unsupported prefix pattern: suffix", 30),
        ('{"suffix":{"equals-ignore-case":1}}]}', "equals-ignore-case match pattern must be a string", 42),
        ('{"equals-ignore-case":["a"]}]}', "equals-ignore-case match pattern must be a string", 32),
        ('{"wildcard":1}]}', "wildcard match pattern must be a string", 22),
        ('{"wildcard":"a**b"}]}', "Consecutive wildcard characters at pos 2", 27),
        ('{"wildcard":"é**b"}]}', "Consecutive wildcard characters at pos 3", 27),
        ('{"wildcard":"a\\\\b"}]}', "Invalid escape character at pos 2", 27),
        ('{"wildcard":"a\\\\"}]}', "Invalid escape character at pos 2", 26),
        ('{"numeric":5}]}', "Value of numeric must be an array.", 21),
        ('{"numeric":["=",1000000001]}]}', "Value must be between -1.0E9 and 1.0E9, inclusive", 36),
        ('{"numeric":[">",-1000000001]}]}', "Value must be between -1.0E9 and 1.0E9, inclusive", 37),
        ('{"numeric":["=",1],"exists":true}]}', "Too many elements in numeric expression", 41),
        ('{"exists":true,"prefix":"a"}]}', "Only one key allowed in match expression", 34),
        ('{"cidr":5}]}', "prefix match pattern must be a string", 18),
        ('{"anything-but":null}]}', "Value of anything-but must be an array or single string/number value.", 29),
        ('{"anything-but":[]}]}', MIXED, 27),
        ('{"anything-but":["a",1]}]}', MIXED, 32),
        ('{"anything-but":[true]}]}', "Inside anything but list, start|null|boolean is not supported.", 30),
        ('{"anything-but":"a","b":1}]}', "Too many elements in numeric expression", 34),
        ('{"anything-but":[2e9]}]}', "Value must be between -1.0E9 and 1.0E9, inclusive", 31),
        ('{"anything-but":{}}]}', "Anything-But expression name not found", 27),
        ('{"anything-but":{"suffix":1}}]}', "suffix match pattern must be a string", 36),
        ('{"anything-but":{"prefix":""}}]}', "Null prefix/suffix not allowed", 37),
        ('{"anything-but":{"wildcard":5}}]}', "wildcard match pattern must be a string", 38),
        ('{"anything-but":{"prefix":"a","b":1}}]}', "Only one key allowed in match expression", 44),
        (
            '{"anything-but":{"equals-ignore-case":[1]}}]}',
            "Inside anything-but/equals-ignore-case list, number|start|null|boolean is not supported.",
            49,
        ),
    ],
)  # fmt: skip
def test_other_complaints_of_event_ruler(values: str, words: str, column: int) -> None:
    message = complaint(KEY + values)
    assert message.startswith(f"Invalid parameter: FilterPolicy: {words}\n at [Source: (String)")
    assert message.endswith(f"; line: 1, column: {column}]")


@pytest.mark.parametrize(
    ("cidr", "words"),
    [
        ("10.0.0.0", "Malformed CIDR, one '/' required"),
        ("10.0.0.0/", "Malformed CIDR, one '/' required"),
        ("10.0.0.0/8/8", "Malformed CIDR, one '/' required"),
        ("10.0.0.0/x", "Malformed CIDR, mask bits must be an integer"),
        ("10.0.0.0/-1", "Malformed CIDR, mask bits must not be negative"),
        ("10.0.0.0/32", "IPv4 mask bits must be < 32"),
        ("::/128", "IPv6 mask bits must be < 128"),
        ("host/8", "Nonstandard IP address: host"),
        ("10.0.0/8", "Nonstandard IP address: 10.0.0"),
        ("300.0.0.0/8", "Invalid IP address: 300.0.0.0"),
        ("1::2::3/8", "Invalid IP address: 1::2::3"),
    ],
)
def test_ranges_of_addresses_that_cannot_be(cidr: str, words: str) -> None:
    assert complaint({"key": [{"cidr": cidr}]}) == f"Invalid parameter: FilterPolicy: {words}"


def test_a_single_number_out_of_range_is_refused_without_its_place() -> None:
    assert complaint({"a": [{"anything-but": 1e10}]}) == (
        "Invalid parameter: FilterPolicy: Value must be between -1.0E9 and 1.0E9, inclusive"
    )


def test_policies_that_are_no_objects() -> None:
    for text, column in [("[]", 2), ('"a"', 2), ("5", 2), ("null", 5)]:
        assert complaint(text) == (
            "Invalid parameter: FilterPolicy: Filter is not an object\n"
            f' at [Source: (String)"{text}"; line: 1, column: {column}]'
        )
    assert "Empty objects are not allowed" in complaint('{"a":{}}')


@pytest.mark.parametrize(
    ("text", "words", "line", "column"),
    [
        # The first is recorded.
        (
            "{invalidjson}",
            "Unexpected character ('i' (code 105)): was expecting double-quote to start field name",
            1,
            2,
        ),
        ('{"a":["b"]', "Unexpected end-of-input", 1, 11),
        ('{"a":["b}', "Unexpected end-of-input", 1, 7),
        ('{"a" ["b"]}', "Unexpected character ('[' (code 91)): was expecting a colon to separate", 1, 6),
        ('{"a":["b" "c"]}', "Unexpected character ('\"' (code 34)): was expecting comma to separate Array", 1, 11),
        ('{"a":["b"]\n "c":1}', "Unexpected character ('\"' (code 34)): was expecting comma to separate", 2, 2),
        ('{"a":[b]}', "Unrecognized token 'b': was expecting (JSON String, Number", 1, 7),
        ('{"a":[\'b\']}', "Unexpected character (''' (code 39)): expected a valid value", 1, 7),
        ("", "Unexpected end-of-input", 1, 1),
    ],
)  # fmt: skip
def test_texts_that_are_not_json(text: str, words: str, line: int, column: int) -> None:
    message = complaint(text)
    assert message.startswith(f"Invalid parameter: FilterPolicy: failed to parse JSON. {words}")
    assert message.endswith(
        "\n at [Source: REDACTED (`StreamReadFeature.INCLUDE_SOURCE_IN_LOCATION` disabled); "
        f"line: {line}, column: {column}]"
    )


def test_constants_that_json_has_not_and_nesting_without_end() -> None:
    for text in ('{"a":[NaN]}', '{"a":[-Infinity]}'):
        assert "failed to parse JSON." in complaint(text)
    for text in ("[" * 100_000, '{"a":' * 40_000 + "[1]" + "}" * 40_000):
        assert "failed to parse JSON." in complaint(text)
    for depth in (151, 400, 700):
        assert complaint('{"a":' * depth + "[1]" + "}" * depth).endswith("FilterPolicy: Filter policy is too complex")


def test_a_long_policy_is_quoted_in_part() -> None:
    policy = {"key": ["x" * 600, []]}
    compact = json.dumps(policy, separators=(",", ":"))
    assert f'(String)"{compact[:500]}"[truncated {len(compact) - 500} chars]; line: 1, column: 613]' in complaint(
        policy
    )


def test_columns_count_what_java_counts() -> None:
    # Outside of the basic plane a character is two of Java's.
    assert complaint({"😀": "a"}).endswith("column: 8]")
    assert complaint({"é\n": "a"}).endswith("column: 9]")


@pytest.mark.parametrize(
    ("text", "java"),
    [
        ("3.015e2", "301.5"), ("1.0", "1.0"), ("1e10", "1.0E10"), ("1.25E-5", "1.25E-5"), ("1e7", "1.0E7"),
        ("9999999.0", "9999999.0"), ("0.001", "0.001"), ("9.99e-4", "9.99E-4"), ("-12.50", "-12.5"), ("0e5", "0.0"),
        ("-0.0", "-0.0"), ("123456.789", "123456.789"), ("1e-7", "1.0E-7"), ("0.012", "0.012"),
    ],
)  # fmt: skip
def test_numbers_are_written_again_as_java_does(text: str, java: str) -> None:
    assert java_number(float(text)) == java
    assert read(f"[{text}]") == [java]
    assert f"numeric match: {java}\n" in complaint(f'{{"a":[{{"numeric":[{text}]}}]}}')


# --- limits


def values(count: int) -> list[str]:
    return [f"value{index}" for index in range(count)]


def test_five_keys() -> None:
    flat = {f"key{index}": ["value"] for index in range(6)}
    assert complaint(flat) == "Invalid parameter: FilterPolicy: Filter policy can not have more than 5 keys"
    del flat["key0"]
    accepts(flat, ATTRIBUTES)
    # Keys that only hold others do not count.
    accepts({"a": {"b": {"c": ["x"], "d": ["x"]}}, "e": {"f": ["x"]}, "g": ["x"]})


def test_combinations() -> None:
    # Recorded, but for those that are accepted.
    for policy in ({"key": values(151)}, {"key1": values(100), "key2": values(51)}):
        assert complaint(policy) == "Invalid parameter: FilterPolicy: Filter policy is too complex"
    accepts({"key": values(150)}, ATTRIBUTES)
    nested = {"key_a": {"key_b": {"key_c": values(4)}}, "key_d": {"key_e": values(3)}, "key_f": values(3)}
    assert complaint(nested, subscribing=True) == (
        "Invalid parameter: Attributes Reason: FilterPolicy: Filter policy is too complex"
    )
    del nested["key_f"]
    assert combinations(parse(nested)) == 72  # docs


def test_combinations_with_or() -> None:
    def policy(sources: int, metrics: int, types: int, ids: int, spaces: int) -> Any:
        return {
            "source": values(sources),
            "$or": [
                {"metricName": values(metrics)},
                {"metricType": values(types), "$or": [{"metricId": values(ids)}, {"spaceId": values(spaces)}]},
            ],
        }

    assert combinations(parse(policy(1, 2, 1, 2, 3))) == 7  # docs
    accepts(policy(3, 6, 4, 4, 7), ATTRIBUTES)  # recorded: 150
    assert complaint(policy(4, 6, 4, 4, 4), ATTRIBUTES).endswith("Filter policy is too complex")  # recorded: 152
    nested = {
        "$or": [{"metricName": values(3)}, {"namespace": values(2)}],
        "detail": {"scope": values(2), "$or": [{"source": values(1)}, {"type": values(3)}]},
    }
    assert complaint(nested).endswith("Filter policy is too complex")  # recorded: 160
    nested = {
        "$or": [{"metricName": values(2)}, {"namespace": values(2)}],
        "detail": {"scope": values(1), "$or": [{"source": values(1)}, {"type": values(1)}]},
    }
    assert combinations(parse(nested)) == 32  # docs


def test_choices_are_counted_before_they_are_multiplied() -> None:
    # Three keys and 2**60 ways to fit.
    ways = '"$or":[{"a":["x"]},{"b":["x"]}]'
    policy = f"{{{ways}}}"
    for _ in range(60):
        policy = f'{{"$or":[{policy},{{"c":["x"]}}],"d":{{{ways}}}}}'
    assert complaint(policy).endswith("Filter policy is too complex")
    assert combinations(parse({"$or": [{"$or": [{"a": ["x"]}, {"b": ["x"]}]}, {"c": ["x"]}], "d": ["x"]})) == 3


def test_wildcards_have_points() -> None:
    def points(patterns: list[Any]) -> int:
        (field,) = parse({"k": patterns})
        return wildcard_points(field)  # type: ignore[arg-type]

    assert points([{"wildcard": "*.txt"}, {"wildcard": "log*"}]) == 4  # docs
    assert points([{"anything-but": {"prefix": "Hello"}}, {"wildcard": "H*"}]) == 4
    assert points([{"wildcard": "a*b*"}]) == 3
    assert points([{"anything-but": {"wildcard": "*ball"}}]) == 1
    assert points([{"anything-but": "a"}, "b"]) == 0
    accepts({"k": [{"wildcard": f"a{index}*"} for index in range(10)]})
    assert complaint({"k": [{"wildcard": f"a{index}*"} for index in range(11)]}).endswith("too complex")
    accepts({"k": [{"wildcard": "*a*b*"}]})
    for pattern in ({"wildcard": "a*b*c*d*"}, {"anything-but": {"wildcard": ["*", "a*b*c*d*"]}}):
        assert complaint({"k": [pattern]}).endswith("Filter policy is too complex")


def test_a_policy_has_a_size() -> None:
    policy = json.dumps({"k": ["x" * 262_133]})
    assert len(policy) == 262_144
    accepts(policy)
    assert complaint(policy + " ").endswith("FilterPolicy: Filter policy can not be larger than 262144 bytes")


def test_attributes_are_not_nested() -> None:
    # Recorded.
    nested = {"object": {"key": [{"prefix": "auto-"}]}}
    assert complaint(nested, ATTRIBUTES) == (
        "Invalid parameter: Filter policy scope MessageAttributes does not support nested filter policy"
    )
    assert complaint(nested, ATTRIBUTES, subscribing=True) == (
        "Invalid parameter: Attributes Reason: Filter policy scope MessageAttributes does not support nested filter"
        " policy"
    )
    accepts(nested)


# --- what matches: the examples of the docs


@pytest.mark.parametrize(
    ("patterns", "fitting", "others"),
    [
        (["rugby", "tennis"], ["rugby", "tennis", ["rugby", "tennis"], ["x", "rugby"]], ["baseball", ["baseball"], []]),
        (
            [{"anything-but": ["rugby", "tennis"]}],
            ["baseball", "football", ["rugby", "baseball"]],
            ["rugby", ["rugby"], []],
        ),
        ([{"anything-but": {"prefix": "order-"}}], ["data-entry", "order_number"], ["order-cancelled"]),
        ([{"anything-but": {"wildcard": "*ball"}}], [["hockey", "rugby", "soccer"]], [["baseball", "basketball"]]),
        ([{"anything-but": {"suffix": "ball"}}], [["hockey", "rugby", "soccer"]], [["baseball", "basketball"]]),
        ([{"equals-ignore-case": "tennis"}], ["TENNIS", "Tennis", "teNnis"], ["tenni", "tennis "]),
        ([{"cidr": "10.0.0.0/24"}], ["10.0.0.0", "10.0.0.255"], ["10.1.1.0", "x", "::a00:0"]),
        ([{"prefix": "bas"}], ["baseball", "basketball"], ["rugby", "abas"]),
        ([{"suffix": "ball"}], ["baseball", "basketball"], ["rugby", "balls"]),
        ([{"wildcard": "*ball"}], [["baseball", "basketball"]], ["rugby", "balls"]),
    ],
)
def test_strings_as_documented(patterns: list[Any], fitting: list[Any], others: list[Any]) -> None:
    policy = {"key": patterns}
    for value in fitting + others:
        attribute = string(value) if isinstance(value, str) else array(*value)
        assert of_attributes(policy, key=attribute) is (value in fitting), value
        assert of_body(policy, {"key": value}) is (value in fitting), value


@pytest.mark.parametrize(
    ("patterns", "fitting", "others"),
    [
        ([{"numeric": ["=", 301.5]}], ["301.5", "3.015e2", "[1, 301.50]"], ["301", "301.49999", "[]"]),
        ([{"anything-but": [100, 500]}], ["101", "100.1", "[100, 50]"], ["100", "1e2", "500.0", "[100, 500]"]),
        ([{"numeric": ["<", 0]}], ["-1", "-0.00001", "-1000000000"], ["0", "-0", "5", "-1000000001"]),
        ([{"numeric": [">", 0, "<=", 150]}], ["1", "150", "0.00001"], ["0", "150.00001", "-5"]),
        ([{"numeric": [">=", 5]}], ["5", "1e9"], ["4.99999", "1000000000.00001"]),
        ([100], ["100", "100.0", "1E2"], ["100.00001", "101"]),
        ([1234567890123], ["1234567890123"], ["1234567890124", "1234567890123.0"]),
    ],
)
def test_numbers_as_documented(patterns: list[Any], fitting: list[str], others: list[str]) -> None:
    policy = {"key": patterns}
    for value in fitting + others:
        attribute = Attribute("Number.Array", value) if value.startswith("[") else number(value)
        assert of_attributes(policy, key=attribute) is (value in fitting), value
        assert of_body(policy, f'{{"key": {value}}}') is (value in fitting), value


def test_types_do_not_mix() -> None:
    for patterns, value in [
        ([5], "5"), (["5"], 5), (["true"], True), ([True], "true"), ([None], "null"), (["null"], None), ([True], 1),
        ([1], True), ([{"prefix": "1"}], 12), ([{"numeric": ["=", 1]}], True), ([{"numeric": ["=", 1]}], "1"),
        ([{"wildcard": "*"}], 5), ([{"equals-ignore-case": "null"}], None), ([False], None),
        ([{"cidr": "0.0.0.0/0"}], 0),
    ]:  # fmt: skip
        assert of_body({"k": patterns}, {"k": value}) is False
    for excluded, value in [(5, "5"), ("5", 5), ("null", None), ("true", True), (1, True), ({"prefix": "1"}, 12)]:
        assert of_body({"k": [{"anything-but": excluded}]}, {"k": value}) is True
    for value in (True, False, None, 5, "x"):
        assert of_body({"k": [value]}, {"k": value})
    assert of_attributes({"k": [True, None]}, k=array(True))
    assert of_attributes({"k": [True, None]}, k=array("true", None))
    assert not of_attributes({"k": [True, None, 5]}, k=array("true", "5"))
    assert not of_attributes({"k": [5]}, k=string("5"))
    assert not of_attributes({"k": ["5"]}, k=number("5"))


def test_keys_that_are_there_and_keys_that_are_not() -> None:
    there, absent = {"store": [{"exists": True}]}, {"store": [{"exists": False}]}
    other = array("baseball", "basketball")
    assert of_attributes(there, store=string("fans"), interests=other)
    assert not of_attributes(there, interests=other)
    assert not of_attributes(absent, store=string("fans"), interests=other)
    assert of_attributes(absent, interests=other)
    # docs: an empty set of attributes does not match; those of the type Binary are not looked at.
    assert not of_attributes(absent)
    assert not of_attributes(absent, photo=Attribute("Binary", None, b"x"))
    assert of_attributes(absent, photo=Attribute("Binary", None, b"x"), other=number("1"))
    assert of_attributes(absent, store=Attribute("Binary", None, b"x"), other=number("1"))
    assert not of_attributes(there, store=Attribute("Binary", None, b"x"), other=number("1"))
    assert of_body(there, {"store": "fans"})
    assert of_body(there, {"store": [0, False]})
    for body in ({}, {"store": None}, {"store": ""}, {"store": []}, {"store": {"a": 1}}, {"store": [{"a": 1}]}):
        assert not of_body(there, body), body
    for body, gone in [
        ({}, True), ({"a": 1}, True), ({"store": {"a": 1}}, True), ({"store": []}, True), ({"store": None}, False),
        ({"store": ""}, False), ({"store": "x"}, False),
    ]:  # fmt: skip
        assert of_body(absent, body) is gone, body
    # docs: anything-but can be combined with exists false.
    either = {"store": [{"anything-but": "fans"}, {"exists": False}]}
    assert of_body(either, {"a": 1})
    assert of_body(either, {"store": "x"})
    assert not of_body(either, {"store": "fans"})
    assert of_attributes(either, a=number("1"))


def test_recorded_exists() -> None:
    ninety_nine = number("99")
    assert of_attributes({"store": [{"exists": True}]}, store=ninety_nine, **{"def": ninety_nine})
    assert not of_attributes({"store": [{"exists": True}]}, attr1=number("111"))
    assert of_attributes({"store": [{"exists": False}]}, **{"def": ninety_nine})
    assert not of_attributes({"attr1": [None, {"anything-but": "whatever"}]})


def test_strings_of_attributes_are_escaped_once_more() -> None:
    # docs: quotes and backslashes of a policy for attributes have to be escaped twice. Bodies are JSON by themselves.
    attribute = string('say "hi" \\o/')
    assert not of_attributes({"k": ['say "hi" \\o/']}, k=attribute)
    assert of_attributes({"k": ['say \\"hi\\" \\\\o/']}, k=attribute)
    assert of_attributes({"k": [{"prefix": 'say \\"hi'}]}, k=attribute)
    assert of_attributes({"k": ['a\\"b']}, k=array('a"b'))
    assert of_body({"k": ['say "hi" \\o/']}, {"k": 'say "hi" \\o/'})


def test_labels_of_types() -> None:
    assert of_attributes({"k": [5]}, k=Attribute("Number.int", "5"))
    assert of_attributes({"k": ["5"]}, k=Attribute("String.version", "5"))
    assert of_attributes({"k": ["not json"]}, k=Attribute("String.Array", "not json"))
    assert of_attributes({"k": ["a"]}, k=Attribute("String.Array", '[["a"], {"b": "c"}]'))
    assert not of_attributes({"k": ["c"]}, k=Attribute("String.Array", '[["a"], {"b": "c"}]'))
    assert not of_attributes({"k": [5]}, k=Attribute("Number", "five"))


@pytest.mark.parametrize("body", ["", "Regular string message", '"{}"', "[]", "5", "{", '{"k": NaN}', '{"k": "a"} x'])
def test_bodies_that_are_no_objects_do_not_match(body: str) -> None:
    assert not of_body({"k": [{"exists": False}]}, body)


def test_an_empty_policy_wants_everything() -> None:
    for scope in (ATTRIBUTES, BODY):
        assert compile_filter("{}", scope).matches({}, "anything")
        assert compile_filter(" { } ", scope).matches({"a": string("b")}, "anything")


# --- bodies


def test_recorded_bodies() -> None:
    policy = {
        "object": {"key": [{"prefix": "auto-"}, "hardcodedvalue"], "nested_key": [{"exists": False}]},
        "test": [{"exists": False}],
    }
    for body in ({"object": {"key": "auto-test"}}, {"object": {"key": "hardcodedvalue"}}):
        assert of_body(policy, body)
    for body in (
        {"object": {"key": "test-auto"}},
        {"object": {"key": "auto-test"}, "test": "just-exists"},
        {"object": {"key": "auto-test", "nested_key": "just-exists"}},
        {"object": {"test": "auto-test"}},
        {"test": "auto-test"},
    ):
        assert not of_body(policy, body)


def test_recorded_points_in_keys() -> None:
    for path, bodies in {
        "object.nested": [{"object": {"nested": "v"}}, {"object.nested": "v"}],
        "object.nested.test": [
            {"object": {"nested": {"test": "v"}}},
            {"object.nested.test": "v"},
            {"object.nested": {"test": "v"}},
            {"object": {"nested.test": "v"}},
        ],
    }.items():
        for body in bodies:
            assert of_body({path: ["v"]}, body)
            assert not of_body({path: ["other"]}, body)
    assert of_body({"a": {"b.c": ["v"]}}, {"a.b": {"c": "v"}})


def test_recorded_arrays() -> None:
    for queue in ("queue1", "queue2"):
        policy = {"headers": {"route-to": [queue]}}
        for routes in (["queue3"], ["queue1"], ["queue2"], ["queue1", "queue2"]):
            assert of_body(policy, {"headers": {"route-to": routes}}) is (queue in routes)


def record(key: str, event: str, *, deep: bool = False) -> dict[str, Any]:
    inner: Any = {"key": key, "size": 17}
    return {"eventSource": "aws:s3", "eventName": event, "s3": {"object": [[inner]] if deep else inner}}


S3 = {"Records": {"s3": {"object": {"key": [{"prefix": "auto-"}]}}, "eventName": [{"prefix": "ObjectCreated:"}]}}


def test_recorded_arrays_of_objects() -> None:
    made, gone = "ObjectCreated:Put", "ObjectRemoved:Delete"
    assert of_body(S3, {"Records": [record("auto-1", made)]})
    assert of_body(S3, {"Records": [record("auto-1", made, deep=True), record("home-1", gone)]})
    assert not of_body(S3, {"Records": [record("auto-1", gone)]})
    assert not of_body(S3, {"Records": [record("home-1", made)]})


def test_keys_of_different_elements_do_not_match_together() -> None:
    # Event Ruler, on arrays: "will refuse to recognize any match in which any two fields are within JSON objects that
    # are in different elements of the same array".
    made, gone = "ObjectCreated:Put", "ObjectRemoved:Delete"
    assert not of_body(S3, {"Records": [record("auto-1", gone), record("home-1", made)]})
    assert of_body(S3, {"Records": [record("auto-1", gone), record("home-1", made), record("auto-2", made)]})
    employees = {
        "employees": [[{"first": "John", "last": "Doe"}, {"first": "Anna", "last": "Smith"}], [{"last": "Jones"}]]
    }
    assert of_body({"employees": {"first": ["Anna"]}}, employees)
    assert of_body({"employees": {"first": ["Anna"], "last": ["Smith"]}}, employees)
    assert not of_body({"employees": {"first": ["Anna"], "last": ["Doe"]}}, employees)
    assert not of_body({"employees": {"first": ["Anna"], "last": ["Jones"]}}, employees)
    # Absence, too, is asked beside the elements that were chosen before, in the order of names.
    beside = {"list": {"a": ["x"], "b": [{"exists": False}]}}
    assert of_body(beside, {"list": [{"a": "x"}, {"b": 1}]})
    assert not of_body(beside, {"list": [{"a": "x", "b": 1}, {"b": 1}]})
    assert of_body({"list": {"b": [{"exists": False}], "a": ["x"]}}, {"list": [{"a": "x"}, {"b": 1}]})
    assert not of_body({"list": {"a": [{"exists": False}], "b": ["x"]}}, {"list": [{"b": "x"}, {"a": 1}]})
    # A leaf that is in no array goes with all that are.
    assert of_body({"k": {"a": ["x"], "l": ["x"]}}, {"k": [{"a": "x"}, {"l": "x"}], "k.l": "x"})
    assert not of_body({"k": {"a": ["x"], "l": ["x"]}}, {"k": [{"a": "x"}, {"l": "x"}], "k.l": "y"})


def test_or_as_recorded() -> None:
    policy = {
        "$or": [{"metricName": ["CPUUtilization", "ReadLatency"]}, {"namespace": ["AWS/EC2", "AWS/ES"]}],
        "detail": {
            "scope": ["Service"],
            "$or": [{"source": ["aws.cloudwatch"]}, {"type": ["CloudWatch Alarm State Change"]}],
        },
    }
    alarm = "CloudWatch Alarm State Change"
    for body in (
        {"metricName": "CPUUtilization", "detail": {"scope": "aws.cloudwatch", "type": alarm}},
        {"metricName": "CPUUtilization", "detail": {"scope": "Service", "type": "CPUUtilization"}},
        {"metricName": "CPUUtilization", "detail": {"type": alarm}},
        {"metricName": "CPUUtilization", "detail": {"scope": "Service"}},
        {"metricName": "CPUUtilization", "scope": "Service"},
        {"metricName": "AWS/EC2", "detail": {"scope": "Service", "type": alarm}},
        {"namespace": "CPUUtilization", "detail": {"scope": "Service", "type": alarm}},
    ):
        assert not of_body(policy, body)
    for body in (
        {"metricName": "CPUUtilization", "detail": {"scope": "Service", "source": "aws.cloudwatch"}},
        {"namespace": "AWS/ES", "detail": {"scope": "Service", "source": "aws.cloudwatch"}},
        {"metricName": "CPUUtilization", "detail": {"scope": "Service", "type": alarm}},
    ):
        assert of_body(policy, body)


def test_or_on_attributes() -> None:
    policy = {"source": ["a"], "$or": [{"m": [{"numeric": [">", 5]}]}, {"n": ["x"], "o": ["y"]}]}
    assert of_attributes(policy, source=string("a"), m=number("6"))
    assert of_attributes(policy, source=string("a"), n=string("x"), o=string("y"))
    assert not of_attributes(policy, source=string("a"), n=string("x"))
    assert not of_attributes(policy, m=number("6"))


def test_or_is_a_key_where_it_cannot_mean_or() -> None:
    # One alternative, or one whose keys are operators, is a list of values.
    policy = {"$or": [{"prefix": "abc"}, {"numeric": ["=", 1]}]}
    assert of_body(policy, {"$or": "abcd"})
    assert of_body(policy, {"$or": 1})
    assert not of_body(policy, {"prefix": "abc"})
    assert of_attributes({"$or": ["x"]}, **{"$or": string("x")})
    assert of_body({"$or": {"a": ["x"]}}, {"$or": {"a": "x"}})
    assert "Unrecognized match type a\n" in complaint({"$or": [{"a": ["x"]}]})
    assert "prefix match pattern must be a string\n" in complaint({"$or": [{"prefix": ["a"]}, {"b": ["c"]}]})
    accepts({"prefix": ["a"], "$or": [{"a": ["x"]}, {"b": ["x"]}]})


def test_a_key_that_comes_twice_counts_as_it_comes_last() -> None:
    policy = '{"a": {"b": ["x"]}, "a.b": ["y"], "c": ["1"], "c": ["2"]}'
    accepts(policy)
    compiled = compile_filter(policy, BODY)
    assert compiled.matches({}, '{"a": {"b": "y"}, "c": "2"}')
    assert not compiled.matches({}, '{"a": {"b": "x"}, "c": "2"}')
    assert not compiled.matches({}, '{"a": {"b": "y"}, "c": "1"}')


def test_hostile_bodies_take_no_time_to_speak_of() -> None:
    far_apart = {"l": {"a": ["x"], "b": ["y"], "c": ["z"]}, "m": {"d": ["x"], "e": ["y"]}}
    objects = [{"a": "x", "c": "z"}, {"b": "y"}] * 2_000
    assert not of_body(far_apart, {"l": objects, "m": [{"d": "x"}, {"e": "y"}] * 2_000})
    assert not of_body({"l": {"a": ["x"], "b": ["y"]}}, {"l": [{"a": "x"}] * 3_000 + [{"b": "y"}] * 3_000})
    assert not of_body({"k": [{"wildcard": "*a*b*"}]}, {"k": "a" * 200_000})
    assert not of_body({"a": ["x"]}, '{"a":' * 50_000)
    assert not of_body({"a": ["x"]}, '{"a":' + "[" * 50_000)
    assert of_body({"a": ["x"]}, '{"a":' + "[" * 200 + '"x"' + "]" * 200 + "}")
    assert not of_body({"k": [1]}, '{"k": 1' + "0" * 100_000 + "}")
    assert not of_body({"k": [1]}, '{"k": 1e999999999999999999999}')


# --- numbers, addresses and wildcards, each against arithmetic of another kind


def truncated(text: str) -> int | None:
    exact = Fraction(text)
    if abs(exact) > 10**9:
        return None
    return int(exact * 10**5)  # toward zero


numbers = st.one_of(
    st.integers(-(10**10), 10**10).map(str),
    st.decimals(-(10**10), 10**10, allow_nan=False, places=7).map(str),
    st.builds("{}e{}".format, st.integers(-999, 999), st.integers(-12, 12)),
    st.sampled_from(["0", "-0", "0.00001", "0.000001", "1000000000", "1000000000.000001", "1e9", "-1E9", "0.1", "0.3"]),
)


@given(numbers)
def test_numbers_are_compared_exactly(text: str) -> None:
    assert scaled(text) == truncated(text)


@given(numbers, numbers, st.sampled_from(["<", "<=", "=", ">=", ">"]))
def test_comparisons(value: str, bound: str, operator: str) -> None:
    limit, worth = truncated(bound), truncated(value)
    policy = f'{{"k": [{{"numeric": ["{operator}", {bound}]}}]}}'
    # The policy's own number passes through a double, as AWS's JSON does.
    if limit is None or Fraction(
        java_number(float(bound)) if "." in bound or "e" in bound.lower() else bound
    ) != Fraction(bound):
        return
    holds = worth is not None and {
        "<": worth < limit, "<=": worth <= limit, "=": worth == limit, ">=": worth >= limit, ">": worth > limit
    }[operator]  # fmt: skip
    assert compile_filter(policy, BODY).matches({}, f'{{"k": {value}}}') is holds


def test_texts_that_are_no_numbers() -> None:
    for text in ("", "x", "1_0", "٣", "0x10", "NaN", "Infinity", "1e", "--1", "1e99999999999999999999"):
        assert scaled(text) is None, text
    assert scaled(" 5 ") == 500_000
    assert scaled("+5.") == 500_000


@pytest.mark.parametrize(
    ("cidr", "inside", "outside"),
    [
        ("0.0.0.0/0", ["0.0.0.0", "255.255.255.255", "001.2.3.4"], ["::1", "1.2.3", "1.2.3.256", ""]),
        ("10.1.2.3/31", ["10.1.2.3"], ["10.1.2.2", "10.1.2.4"]),
        ("10.0.0.5/24", ["10.0.0.5", "10.0.0.255"], ["10.0.0.4"]),  # Event Ruler begins where the text does
        ("2001:db8::/32", ["2001:db8::1", "2001:0DB8:ffff::"], ["2001:db9::", "32.1.13.184"]),
        ("::ffff:a00:0/8", ["10.255.0.1"], ["11.0.0.0"]),
    ],
)
def test_ranges_of_addresses(cidr: str, inside: list[str], outside: list[str]) -> None:
    for text in inside + outside:
        assert of_body({"k": [{"cidr": cidr}]}, {"k": text}) is (text in inside), text
    assert not of_body({"k": [{"cidr": cidr}]}, {"k": 5})


def test_an_address_is_the_same_however_it_is_written() -> None:
    assert of_body({"k": ["2001:db8::1"]}, {"k": "2001:0DB8:0:0::0001"})
    assert of_body({"k": ["10.0.0.1"]}, {"k": "10.0.0.01"})
    assert not of_body({"k": ["10.0.0.1"]}, {"k": "10.0.0.10"})
    assert of_body({"k": [{"anything-but": "10.0.0.1"}]}, {"k": "10.0.0.01"})


@given(st.ip_addresses())
def test_addresses(parsed: Any) -> None:
    found = address(parsed.exploded)
    mapped = getattr(parsed, "ipv4_mapped", None)
    assert found == ((4, int(mapped)) if mapped else (parsed.version, int(parsed)))


@given(st.text("ab*\\", max_size=8), st.text("ab*\\", max_size=12))
@example("a*b*b", "acb")
@example("*a*", "a")
@example("a*a", "a")
def test_wildcards(pattern: str, text: str) -> None:
    try:
        parts = wildcard_parts(pattern)
    except ValueError:
        assert "**" in pattern or re.search(r"(?<!\\)(\\\\)*\\(?![*\\])", pattern)
        return
    expression = re.compile(".*".join(map(re.escape, parts)), re.DOTALL)
    assert matcher([Wildcard(parts)])(text) is (expression.fullmatch(text) is not None)
