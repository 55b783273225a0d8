"""A policy's JSON as SNS reads it, and the tokens that its compiler then sees.

SNS parses a policy, writes it again without spaces, and compiles that; so columns in its complaints count characters of
the compact text, the way its parser (Jackson) has read ahead when it stops.
"""

import json
from collections.abc import Iterator
from decimal import Decimal
from typing import Any, NamedTuple

Tree = Any
"""A parsed policy: dicts, lists, strings, ``Literal``, True, False, None."""

_SOURCE = "[Source: REDACTED (`StreamReadFeature.INCLUDE_SOURCE_IN_LOCATION` disabled); line: {line}, column: {column}]"
_VALUES = "(JSON String, Number, Array, Object or token 'null', 'true' or 'false')"
_EXPECTED = {
    "Expecting property name enclosed in double quotes": "was expecting double-quote to start field name",
    "Illegal trailing comma before end of object": "was expecting double-quote to start field name",
    "Expecting ':' delimiter": "was expecting a colon to separate field name and value",
    "Expecting ',' delimiter": "was expecting comma to separate {kind} entries",
}
_SNIPPET_MAX = 500
"""Characters of a policy that a complaint quotes."""
_PLAIN_EXPONENTS = range(-3, 7)
"""Of floating-point numbers that Java writes without an exponent."""

OBJECT, OBJECT_END, ARRAY, ARRAY_END = "{", "}", "[", "]"
NAME, STRING, NUMBER, LITERAL = "name", "string", "number", "literal"


class Refused(Exception):  # noqa: N818 (a state of affairs)
    """A policy that cannot be; the message is SNS's."""


class Literal(str):
    """A number, by its text: what it is worth is for who compares it to say."""

    __slots__ = ()


class Token(NamedTuple):
    """One step of the parser through a policy."""

    kind: str
    text: str
    column: int
    """Where the parser stands when it has met the token: 1 is the first character."""
    end: int
    """Where it stands once the token's text was asked for: a string is read to its end only then."""


def read(text: str) -> Tree:
    """Parse a policy; raises ``Refused`` where it is not JSON."""
    try:
        return json.loads(text, parse_int=Literal, parse_float=_floating, parse_constant=_no_constant)
    except json.JSONDecodeError as error:
        complaint = _complaint(text, error.pos, error.msg)
        line = text.count("\n", 0, error.pos) + 1
        column = error.pos - (text.rfind("\n", 0, error.pos) + 1) + 1
        source = _SOURCE.format(line=line, column=column)
    except RecursionError:
        raise Refused("failed to parse JSON. Document nesting depth exceeds the maximum allowed") from None
    except ValueError as error:
        raise Refused(f"failed to parse JSON. Non-standard token '{error}': expected a valid value {_VALUES}") from None
    raise Refused(f"failed to parse JSON. {complaint}\n at {source}")


def _no_constant(name: str) -> None:
    raise ValueError(name)


def _complaint(text: str, at: int, reason: str) -> str:
    if at >= len(text) or reason.startswith("Unterminated string"):
        return "Unexpected end-of-input"
    character = text[at]
    if reason == "Expecting value" and (character.isalpha() or character == "_"):
        end = at
        while end < len(text) and (text[end].isalnum() or text[end] == "_"):
            end += 1
        return f"Unrecognized token '{text[at:end]}': was expecting {_VALUES}"
    kind = "Object" if text.rfind("{", 0, at) > text.rfind("[", 0, at) else "Array"
    wanted = _EXPECTED.get(reason, f"expected a valid value {_VALUES}").format(kind=kind)
    return f"Unexpected character ('{character}' (code {ord(character)})): {wanted}"


def _floating(text: str) -> Literal:
    """A number with a point or an exponent, as Java writes it again: 3.015e2 is 301.5."""
    number = float(text)
    # One that Java holds for infinite keeps its text, by which alone it can match.
    return Literal(text if abs(number) == float("inf") else java_number(number))


def java_number(number: float) -> str:
    """A floating-point number as Java writes it: 301.5, and 1e10 as 1.0E10."""
    if number == 0:
        return "-0.0" if str(number).startswith("-") else "0.0"
    sign, digits, exponent = Decimal(repr(number)).normalize().as_tuple()
    written = "".join(map(str, digits))
    magnitude = len(digits) + int(exponent) - 1
    minus = "-" * sign
    if magnitude not in _PLAIN_EXPONENTS:
        return f"{minus}{written[0]}.{written[1:] or '0'}E{magnitude}"
    if magnitude < 0:
        return f"{minus}0.{'0' * (-magnitude - 1)}{written}"
    return f"{minus}{written[: magnitude + 1].ljust(magnitude + 1, '0')}.{written[magnitude + 1 :] or '0'}"


def write(tree: Tree) -> str:
    """The policy without spaces, as the compiler quotes it."""
    return "".join(text for _, text, _ in _walk(tree))


def source(compact: str, column: int) -> str:
    """Where in a policy the compiler stopped, as a complaint's second line says it."""
    rest = len(compact) - _SNIPPET_MAX
    cut = f"[truncated {rest} chars]" if rest > 0 else ""
    return f'\n at [Source: (String)"{compact[:_SNIPPET_MAX]}"{cut}; line: 1, column: {column}]'


def tokens(tree: Tree) -> Iterator[Token]:
    """What the parser hands to the compiler, with the places where it then stands."""
    held: Token | None = None
    at = 0
    for kind, text, value in _walk(tree):
        # Characters as Java counts them.
        after = at + len(text) + sum(character > "\uffff" for character in text)
        if kind:
            # A string is met at its quote; a name when the parser has looked at what follows its colon.
            token = Token(kind, value, at + 2 if kind == STRING else after + 1, after + 1)
            if held is not None:
                yield held._replace(column=token.column, end=token.column)
                held = None
            if kind == NAME:
                held = token
            else:
                yield token
        at = after


def _walk(tree: Tree) -> Iterator[tuple[str, str, str]]:
    """Kind, text in the compact policy and meaning of each token; punctuation has no kind.

    Without recursion: a policy may be nested as deep as it likes, and is refused for its cost only afterwards.
    """
    stack: list[Iterator[tuple[str, str, str] | Tree]] = [iter([_Branch(tree)])]
    while stack:
        item = next(stack[-1], None)
        if item is None:
            stack.pop()
        elif isinstance(item, _Branch):
            stack.append(_spread(item.tree))
        else:
            yield item


class _Branch(NamedTuple):
    tree: Tree


def _spread(tree: Tree) -> Iterator[tuple[str, str, str] | Tree]:
    if isinstance(tree, dict):
        yield OBJECT, "{", "{"
        for index, (name, value) in enumerate(tree.items()):
            if index:
                yield "", ",", ""
            yield NAME, _quoted(name), name
            yield "", ":", ""
            yield _Branch(value)
        yield OBJECT_END, "}", "}"
    elif isinstance(tree, list):
        yield ARRAY, "[", "["
        for index, value in enumerate(tree):
            if index:
                yield "", ",", ""
            yield _Branch(value)
        yield ARRAY_END, "]", "]"
    elif isinstance(tree, Literal):
        yield NUMBER, tree, str(tree)
    elif isinstance(tree, str):
        yield STRING, _quoted(tree), tree
    else:
        text = json.dumps(tree)
        yield LITERAL, text, text


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)
