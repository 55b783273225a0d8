"""Filter policies against a model that is slow and plain: any policy, any body, any attributes."""

import json
import re
from collections.abc import Iterator
from typing import Any

import hypothesis.strategies as st
from hypothesis import given, settings

from waypost.aws.errors import AwsError
from waypost.services.sns.rules.filters import compile_filter
from waypost.services.sns.rules.messages import Attribute

ATTRIBUTES, BODY = "MessageAttributes", "MessageBody"


def model_leaves(node: Any, path: str = "", places: tuple[Any, ...] = ()) -> Iterator[tuple[str, Any, tuple[Any, ...]]]:
    """Every leaf of a body: its path, its value, and its places in arrays, as Event Ruler spreads an event out."""
    if isinstance(node, dict):
        for key, value in node.items():
            yield from model_leaves(value, f"{path}.{key}" if path else key, places)
    elif isinstance(node, list):
        for index, value in enumerate(node):
            inner = (*places, (id(node), index)) if isinstance(value, dict | list) else places
            yield from model_leaves(value, path, inner)
    else:
        yield path, node, places


def model_value(pattern: Any, value: Any) -> bool:
    if not isinstance(pattern, dict):
        same_type = type(pattern) is type(value) or {type(pattern), type(value)} == {int, float}
        return same_type and pattern == value
    ((operator, operand),) = pattern.items()
    if operator == "anything-but":
        return not any(model_value(one, value) for one in (operand if isinstance(operand, list) else [operand]))
    if operator == "numeric":
        pairs = zip(operand[::2], operand[1::2], strict=True)
        compare = {"<": float.__lt__, "<=": float.__le__, "=": float.__eq__, ">": float.__gt__, ">=": float.__ge__}
        return type(value) in {int, float} and all(compare[sign](float(value), float(bound)) for sign, bound in pairs)
    if operator == "exists":
        return operand and value not in (None, "")
    if type(value) is not str:
        return False
    return {
        "prefix": lambda: value.startswith(operand),
        "suffix": lambda: value.endswith(operand),
        "equals-ignore-case": lambda: value.lower() == operand.lower(),
        "wildcard": lambda: re.fullmatch(".*".join(map(re.escape, operand.split("*"))), value) is not None,
    }[operator]()


def model_branches(policy: Any, path: str = "") -> list[dict[str, Any]]:
    ways: list[dict[str, Any]] = [{}]
    for key, value in policy.items():
        if key == "$or":
            found = [way for branch in value for way in model_branches(branch, path)]
        elif isinstance(value, dict):
            found = model_branches(value, f"{path}{key}.")
        else:
            found = [{path + key: value}]
        ways = [one | other for one in ways for other in found]
    return ways


def near(places: tuple[Any, ...], chosen: dict[Any, Any]) -> bool:
    return all(chosen.get(array, index) == index for array, index in places)


def model_fits(tests: list[tuple[str, Any]], leaves: list[Any], chosen: dict[Any, Any]) -> bool:
    if not tests:
        return True
    (path, patterns), rest = tests[0], tests[1:]
    here = [(value, places) for name, value, places in leaves if name == path and near(places, chosen)]
    if {"exists": False} in patterns and not here and model_fits(rest, leaves, chosen):
        return True
    return any(
        any(model_value(pattern, value) for pattern in patterns)
        and model_fits(rest, leaves, {**chosen, **dict(places)})
        for value, places in here
    )


def model(policy: Any, body: Any) -> bool:
    leaves = list(model_leaves(body))
    return any(model_fits(sorted(way.items()), leaves, {}) for way in model_branches(policy))


words = st.sampled_from(["a", "ab", "AB", "b", "", "abab"])
plain = st.one_of(words, st.integers(-3, 3), st.sampled_from([0.5, 1.0, -2.25]), st.booleans(), st.none())
excluded = st.one_of(
    words, st.integers(-3, 3), st.lists(words, min_size=1, max_size=2),
    st.lists(st.integers(-3, 3), min_size=1, max_size=2),
    st.sampled_from([{"prefix": "a"}, {"suffix": "b"}, {"equals-ignore-case": "AB"}, {"wildcard": "a*b"}]),
)  # fmt: skip
numerics = st.one_of(
    st.tuples(st.sampled_from(["<", "<=", "=", ">", ">="]), st.integers(-3, 3)).map(list),
    st.tuples(
        st.sampled_from([">", ">="]), st.integers(-3, 0), st.sampled_from(["<", "<="]), st.integers(1, 3)
    ).map(list),
)  # fmt: skip
patterns = st.one_of(
    plain,
    st.builds(lambda text: {"prefix": text}, words),
    st.builds(lambda text: {"suffix": text}, words),
    st.builds(lambda text: {"equals-ignore-case": text}, words),
    st.sampled_from([{"wildcard": "a*"}, {"wildcard": "*b*"}, {"exists": True}, {"exists": False}]),
    st.builds(lambda bounds: {"numeric": bounds}, numerics),
    st.builds(lambda values: {"anything-but": values}, excluded),
)
keys = st.sampled_from(["k", "l", "m", "k.l"])
some = st.lists(patterns, min_size=1, max_size=2)
flat = st.dictionaries(keys, some, min_size=1, max_size=2)
nested = st.dictionaries(keys, st.one_of(some, flat), min_size=1, max_size=2)
policies = st.one_of(
    nested,
    st.builds(lambda base, ways: {**base, "$or": ways}, flat, st.lists(nested, min_size=2, max_size=2)),
    st.builds(lambda ways, inner: {"k": {"$or": ways}, "l": inner}, st.lists(flat, min_size=2, max_size=2), flat),
)
bodies = st.dictionaries(
    keys,
    st.recursive(plain, lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(keys, inner, max_size=3))),
    max_size=3,
)


@settings(max_examples=600, deadline=None)
@given(policies, bodies)
def test_bodies_match_as_in_the_model(policy: Any, body: Any) -> None:
    try:
        compiled = compile_filter(json.dumps(policy), BODY)
    except AwsError as refused:
        assert re.search("too complex|more than 5 keys", refused.message)  # noqa: PT017 (nothing else may be refused)
        return
    assert compiled.matches({}, json.dumps(body)) is model(policy, body)


def attribute_of(value: Any) -> Attribute:
    if isinstance(value, list):
        return Attribute("String.Array", json.dumps(value))
    return Attribute("Number", str(value)) if type(value) in {int, float} else Attribute("String", value)


@settings(max_examples=400, deadline=None)
@given(
    flat,
    st.dictionaries(keys, st.one_of(words.filter(bool), st.integers(-3, 3), st.lists(plain, max_size=3)), min_size=1),
)
def test_attributes_match_as_in_the_model(policy: Any, values: dict[str, Any]) -> None:
    # As a body whose keys have no points in them: attributes are not nested.
    compiled = compile_filter(json.dumps(policy), ATTRIBUTES)
    attributes = {name: attribute_of(value) for name, value in values.items()}
    plainly = {name.replace(".", "_"): value for name, value in values.items()}
    asked = {name.replace(".", "_"): value for name, value in policy.items()}
    # An attribute that is an empty array is there, though no value of it fits; in a body nothing is there.
    emptied = [name for name, value in plainly.items() if value == []]
    if any({"exists": False} in asked.get(name, []) for name in emptied):
        return
    assert compiled.matches(attributes, "") is model(asked, plainly)


@given(policies, bodies)
def test_a_compiled_policy_keeps_nothing(policy: Any, body: Any) -> None:
    try:
        compiled = compile_filter(json.dumps(policy), BODY)
    except AwsError:
        return
    first = compiled.matches({}, json.dumps(body))
    compiled.matches({}, '{"k": "other"}')
    assert compiled.matches({}, json.dumps(body)) is first


@given(
    st.text(max_size=30)
    | st.recursive(plain, lambda inner: st.lists(inner) | st.dictionaries(words, inner)).map(json.dumps)
)
def test_any_text_is_compiled_or_refused(text: str) -> None:
    for scope in (ATTRIBUTES, BODY):
        try:
            compiled = compile_filter(text, scope)
        except AwsError as refused:
            assert refused.message.startswith("Invalid parameter: F")  # noqa: PT017
        else:
            assert compiled.matches({"k": Attribute("String", "a")}, text) in {True, False}
