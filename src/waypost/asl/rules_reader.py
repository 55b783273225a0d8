"""Reading the rules of a Choice state."""

from typing import Any

from waypost.asl import choice_rules
from waypost.asl.choice_rules import Rule
from waypost.asl.jsonpath import Path
from waypost.asl.reader import Fields, Reader
from waypost.asl.states.choice import Choice

_SELECTORS = ("And", "Or", "Not", "Variable", "Condition")
_OPERATORS = frozenset(
    {
        *choice_rules.COMPARISONS,
        *(f"{name}Path" for name in choice_rules.COMPARISONS),
        *choice_rules.TESTS,
        "IsPresent",
        "StringMatches",
    }
)
_FIELDS = _OPERATORS | set(_SELECTORS) | {"Comment"}


def choice(reader: Reader, fields: Fields, location: str) -> Choice:
    """Read an entry of ``Choices``."""
    reader.only(fields, _FIELDS | {"Next", "Assign", "Output"}, location)
    reader.required(fields, ("Next",), location)
    rule = _rule(reader, fields, location)
    return Choice(rule, reader.string(fields, "Next", location) or "", reader.assign(fields, location))


def _nested(reader: Reader, fields: Any, location: str) -> Rule:
    if not isinstance(fields, dict):
        reader.note("Expected value of type Object", location)
        return _never
    reader.only(fields, _FIELDS, location)
    return _rule(reader, fields, location)


def _rule(reader: Reader, fields: Fields, location: str) -> Rule:
    found = [name for name in _SELECTORS if name in fields]
    if len(found) != 1:
        names = ", ".join(_SELECTORS)
        reader.note(f"The object must have only one of the following fields, [{names}]", location)
        return _never
    selector = found[0]
    if selector == "Condition":
        told = "The QueryLanguage is set to 'JSONPath', but field 'Condition' is only supported"
        reader.note(f"{told} for the 'JSONata' QueryLanguage", location)
        return _never
    if selector == "Not":
        return choice_rules.none_of(_nested(reader, fields["Not"], f"{location}/Not"))
    if selector in ("And", "Or"):
        entries = reader.sequence(fields, selector, location)
        rules = tuple(_nested(reader, entry, f"{location}/{selector}[{index}]") for index, entry in enumerate(entries))
        return choice_rules.every(rules) if selector == "And" else choice_rules.some(rules)
    variable = reader.variable(fields, "Variable", location)
    operators = [name for name in fields if name in _OPERATORS]
    if len(operators) != 1:
        names = ", ".join(operators or sorted(_OPERATORS))
        told = "There should only be one of" if operators else "This object should have only one of"
        reader.note(f"{told} the following fields: [{names}]", location)
        return _never
    return _never if variable is None else _comparison(reader, fields, operators[0], variable, location)


def _comparison(reader: Reader, fields: Fields, operator: str, variable: Path, location: str) -> Rule:
    if operator == "IsPresent":
        expected = reader.boolean(fields, operator, location)
        return _never if expected is None else choice_rules.present(variable, expected)
    if operator in choice_rules.TESTS:
        expected = reader.boolean(fields, operator, location)
        return _never if expected is None else choice_rules.test(variable, choice_rules.TESTS[operator], expected)
    if operator == "StringMatches":
        pattern = reader.string(fields, operator, location)
        return _never if pattern is None else choice_rules.matches(variable, pattern)
    if operator.endswith("Path"):
        other = reader.variable(fields, operator, location)
        compare = choice_rules.COMPARISONS[operator.removesuffix("Path")]
        return _never if other is None else choice_rules.compare_path(variable, compare, other)
    value = _constant(reader, fields, operator, location)
    return _never if value is None else choice_rules.compare(variable, choice_rules.COMPARISONS[operator], value)


def _constant(reader: Reader, fields: Fields, operator: str, location: str) -> Any:
    if operator == "BooleanEquals":
        return reader.boolean(fields, operator, location)
    if operator.startswith("Numeric"):
        return reader.number(fields, operator, location, float("-inf"))
    value = reader.string(fields, operator, location)
    if value is not None and operator.startswith("Timestamp") and choice_rules.TESTS["IsTimestamp"](value) is False:
        reader.note("String does not match RFC3339 timestamp", f"{location}/{operator}")
        return None
    return value


def _never(_scope: Any) -> bool:
    """Stand for a rule that could not be read."""
    return False
