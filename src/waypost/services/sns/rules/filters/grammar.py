"""The grammar of policies, read token by token as SNS's compiler does: its complaints depend on the order."""

from collections.abc import Callable, Iterator
from typing import NamedTuple, NoReturn

from waypost.services.sns.limits import FILTER_COMBINATIONS_MAX, FILTER_NUMBER_MAX
from waypost.services.sns.rules.filters import document, patterns
from waypost.services.sns.rules.filters.document import (
    ARRAY,
    ARRAY_END,
    LITERAL,
    NAME,
    NUMBER,
    OBJECT,
    OBJECT_END,
    STRING,
    Refused,
    Token,
    Tree,
)
from waypost.services.sns.rules.filters.patterns import Pattern, scaled

OR = "$or"
RESERVED = frozenset([
    "exactly", "equals-ignore-case", "prefix", "suffix", "anything-but", "exists", "wildcard", "numeric", "cidr",
    "=", "<", "<=", ">", ">=", "regex", "not-wildcard", "not-equals-ignore-case", "date-after", "date-on-or-after",
    "date-before", "date-on-or-before", "in-date-range", "ip-address-in-range", "ip-address-not-in-range",
])  # fmt: skip
"""Names that no key inside ``$or`` can have."""

_ONE_KEY = "Only one key allowed in match expression"
_TOO_MANY = "Too many elements in numeric expression"


class Field(NamedTuple):
    """A key that holds values."""

    path: str
    """The keys on the way there and its own, with points between them."""
    depth: int
    """1 at the top."""
    patterns: tuple[Pattern, ...]
    """It fits if one of them does."""


class Choice(NamedTuple):
    """``$or``: one of its branches has to fit."""

    branches: "tuple[Group, ...]"


Group = tuple[Field | Choice, ...]
"""All of them have to fit."""


def parse(tree: Tree) -> Group:
    """The meaning of a policy. Raises ``Refused`` in SNS's words.

    Where ``$or`` cannot be meant as "or" it is a key like any other; and what is wrong then is what is said.
    """
    try:
        return _Parser(tree, with_or=True).policy()
    except Refused:
        return _Parser(tree, with_or=False).policy()


class _Parser:
    """One pass over the tokens of a policy."""

    def __init__(self, tree: Tree, *, with_or: bool) -> None:
        self._tree = tree
        self._tokens: Iterator[Token] = document.tokens(tree)
        self._token = Token("", "", 1, 1)
        self._with_or = with_or

    def policy(self) -> Group:
        if self._next() != OBJECT:
            self._fail("Filter is not an object")
        return self._object((), inside_or=False)

    # --- tokens

    def _next(self) -> str:
        self._token = next(self._tokens)
        return self._token.kind

    def _text(self) -> str:
        """The token's text. The parser reads a string to its end only when it is asked for it."""
        self._token = self._token._replace(column=self._token.end)
        return self._token.text

    def _fail(self, words: str) -> NoReturn:
        raise Refused(words + document.source(document.write(self._tree), self._token.column))

    def _expect_end(self, words: str) -> None:
        if self._next() != OBJECT_END:
            self._fail(words)

    # --- keys

    def _object(self, path: tuple[str, ...], *, inside_or: bool) -> Group:
        if len(path) > FILTER_COMBINATIONS_MAX:
            # No leaf can be so deep; and it would be too deep for us.
            raise Refused("Filter policy is too complex")
        items: list[Field | Choice] = []
        while self._next() != OBJECT_END:
            name = self._token.text
            if name == OR and self._with_or:
                items.append(self._choice(path))
                continue
            if inside_or and name in RESERVED:
                self._fail(f"{name} is Ruler reserved fieldName which cannot be used inside {OR}.")
            kind = self._next()
            if kind == OBJECT:
                items += self._object((*path, name), inside_or=inside_or)
            elif kind == ARRAY:
                items.append(Field(".".join((*path, name)), len(path) + 1, self._values()))
            else:
                self._fail(f'"{name}" must be an object or an array')
        if not items:
            self._fail("Empty objects are not allowed")
        return tuple(items)

    def _choice(self, path: tuple[str, ...]) -> Choice:
        if self._next() != ARRAY:
            self._fail(f"It must be an Array followed with {OR}.")
        branches: list[Group] = []
        while (kind := self._next()) != ARRAY_END:
            if kind != OBJECT:
                self._fail(f"Only JSON object is allowed in array of {OR} relationship.")
            branches.append(self._object(path, inside_or=True))
        if len(branches) < 2:
            self._fail(f"There must have at least 2 Objects in {OR} relationship.")
        return Choice(tuple(branches))

    # --- values

    def _values(self) -> tuple[Pattern, ...]:
        found: list[Pattern] = []
        while (kind := self._next()) != ARRAY_END:
            if kind == OBJECT:
                found.append(self._expression())
            elif kind == STRING:
                text = self._text()
                place = patterns.address(text)
                found.append(patterns.Exact(text) if place is None else patterns.Cidr(place[0], place[1], place[1]))
            elif kind == NUMBER:
                found.append(patterns.Equal(self._text()))
            elif kind == LITERAL:
                found.append(patterns.Same(self._text()))
            else:
                self._fail("Match value must be String, number, true, false, or null")
        if not found:
            self._fail("Empty arrays are not allowed")
        return tuple(found)

    def _expression(self) -> Pattern:
        if self._next() != NAME:
            self._fail("Match expression name not found")
        name = self._token.text
        read = _EXPRESSIONS.get(name)
        if read is None:
            self._fail(f"Unrecognized match type {name}")
        return read(self)

    def _string(self, words: str) -> str:
        if self._token.kind != STRING:
            self._fail(words)
        return self._text()

    def exactly(self) -> Pattern:
        self._next()
        pattern = patterns.Exact(self._string("exact match pattern must be a string"))
        self._expect_end(_ONE_KEY)
        return pattern

    def equals_ignore_case(self) -> Pattern:
        self._next()
        pattern = patterns.IgnoreCase(self._string("equals-ignore-case match pattern must be a string"))
        self._expect_end(_ONE_KEY)
        return pattern

    def prefix(self) -> Pattern:
        return self._affix("prefix", patterns.Prefix, patterns.PrefixIgnoreCase)

    def suffix(self) -> Pattern:
        return self._affix("suffix", patterns.Suffix, patterns.SuffixIgnoreCase)

    def _affix(self, name: str, make: Callable[[str], Pattern], ignoring_case: Callable[[str], Pattern]) -> Pattern:
        if self._next() == OBJECT:
            if self._next() != NAME:
                self._fail(f"{name.capitalize()} expression name not found")
            if self._token.text != "equals-ignore-case":
                self._fail(f"Unsupported {name} pattern: {self._token.text}")
            self._next()
            pattern = ignoring_case(self._string("equals-ignore-case match pattern must be a string"))
            self._expect_end(_ONE_KEY)
        else:
            pattern = make(self._string(f"{name} match pattern must be a string"))
        self._expect_end(_ONE_KEY)
        return pattern

    def wildcard(self) -> Pattern:
        self._next()
        pattern = self._wildcard()
        self._expect_end(_ONE_KEY)
        return pattern

    def _wildcard(self) -> Pattern:
        text = self._string("wildcard match pattern must be a string")
        try:
            return patterns.Wildcard(patterns.wildcard_parts(text))
        except ValueError as error:
            self._fail(str(error))

    def exists(self) -> Pattern:
        self._next()
        if self._token.kind != LITERAL or self._token.text == "null":
            self._fail("exists match pattern must be either true or false.")
        pattern: Pattern = patterns.Exists() if self._token.text == "true" else patterns.Absent()
        self._expect_end(_ONE_KEY)
        return pattern

    def cidr(self) -> Pattern:
        self._next()
        # SNS says prefix here, too.
        pattern = _cidr(self._string("prefix match pattern must be a string"))
        self._expect_end(_ONE_KEY)
        return pattern

    # --- numeric

    def numeric(self) -> Pattern:
        if self._next() != ARRAY:
            self._fail("Value of numeric must be an array.")
        if self._next() != STRING:
            self._fail(f"Invalid member in numeric match: {self._token.text}")
        operator = self._text()
        kind = self._next()
        if operator not in {"=", "<", "<=", ">", ">="}:
            self._fail(f"Unrecognized numeric range operator: {operator}")
        if kind != NUMBER:
            self._fail(f"Value of {'equals' if operator == '=' else operator} must be numeric")
        text = self._text()
        pattern = self._range(operator, text)
        self._expect_end(_TOO_MANY)
        return pattern

    def _range(self, operator: str, text: str) -> Pattern:
        kind = self._next()
        if operator in {">", ">="} and kind != ARRAY_END:
            return self._bounded(operator, text)
        if kind != ARRAY_END:
            self._fail(_TOO_MANY)
        number = self._number(text)
        if operator == "=":
            return patterns.Between(number, False, number, False)
        if operator in {"<", "<="}:
            return patterns.Between(None, False, number, operator == "<")
        return patterns.Between(number, operator == ">", None, False)

    def _bounded(self, above: str, low: str) -> Pattern:
        if self._token.kind != STRING:
            self._fail(f"Bad value in numeric range: {self._token.text}")
        below = self._text()
        if below not in {"<", "<="}:
            self._fail(f"Bad numeric range operator: {below}")
        if self._next() != NUMBER:
            self._fail(f"Value of {below} must be numeric")
        high = self._text()
        if self._next() != ARRAY_END:
            self._fail("Too many terms in numeric range expression")
        bottom, top = self._number(low), self._number(high)
        if bottom >= top:
            self._fail("Bottom must be less than top")
        return patterns.Between(bottom, above == ">", top, below == "<")

    def _number(self, text: str) -> int:
        number = scaled(text)
        if number is None:
            self._fail(_out_of_range())
        return number

    # --- anything-but

    def anything_but(self) -> Pattern:
        nested = None
        if self._next() == OBJECT:
            if self._next() != NAME:
                self._fail("Anything-But expression name not found")
            nested = self._token.text
            if nested not in _NESTED:
                self._fail(f"Unsupported anything-but pattern: {nested}")
            self._next()
        excluded = self._excluded_all(nested)
        if nested is not None:
            self._expect_end(_ONE_KEY)
            self._expect_end(_ONE_KEY)
        else:
            self._expect_end(_TOO_MANY)
        return patterns.AnythingBut(excluded)

    def _excluded_all(self, nested: str | None) -> tuple[Pattern, ...]:
        if nested is None and self._token.kind not in {ARRAY, STRING, NUMBER}:
            self._fail("Value of anything-but must be an array or single string/number value.")
        if nested is None and self._token.kind == NUMBER and scaled(self._token.text) is None:
            raise Refused(_out_of_range())  # without the place, as SNS's
        if self._token.kind != ARRAY:
            return (self._excluded(nested),)
        found: list[Pattern] = []
        kinds = set()
        while (kind := self._next()) != ARRAY_END:
            kinds.add(kind)
            found.append(self._excluded(nested))
        if nested is None and len(kinds) != 1:
            self._fail("Inside anything but list, either all values are number or string, mixed type is not supported")
        if not found:
            self._fail("Empty arrays are not allowed")
        return tuple(found)

    def _excluded(self, nested: str | None) -> Pattern:
        if nested is not None:
            return _NESTED[nested](self)
        if self._token.kind == STRING:
            return patterns.Exact(self._text())
        if self._token.kind != NUMBER:
            self._fail("Inside anything but list, start|null|boolean is not supported.")
        text = self._text()
        self._number(text)
        return patterns.Equal(text)

    def excluded_prefix(self) -> Pattern:
        return patterns.Prefix(self._some("prefix match pattern must be a string"))

    def excluded_suffix(self) -> Pattern:
        return patterns.Suffix(self._some("suffix match pattern must be a string"))

    def _some(self, words: str) -> str:
        text = self._string(words)
        if not text:
            self._fail("Null prefix/suffix not allowed")
        return text

    def excluded_wildcard(self) -> Pattern:
        return self._wildcard()

    def excluded_ignoring_case(self) -> Pattern:
        return patterns.IgnoreCase(
            self._string("Inside anything-but/equals-ignore-case list, number|start|null|boolean is not supported.")
        )


_EXPRESSIONS: dict[str, Callable[[_Parser], Pattern]] = {
    "exactly": _Parser.exactly,
    "prefix": _Parser.prefix,
    "suffix": _Parser.suffix,
    "numeric": _Parser.numeric,
    "anything-but": _Parser.anything_but,
    "exists": _Parser.exists,
    "cidr": _Parser.cidr,
    "equals-ignore-case": _Parser.equals_ignore_case,
    "wildcard": _Parser.wildcard,
}
_NESTED: dict[str, Callable[[_Parser], Pattern]] = {
    "equals-ignore-case": _Parser.excluded_ignoring_case,
    "prefix": _Parser.excluded_prefix,
    "suffix": _Parser.excluded_suffix,
    "wildcard": _Parser.excluded_wildcard,
}


def _out_of_range() -> str:
    bound = document.java_number(float(FILTER_NUMBER_MAX))
    return f"Value must be between -{bound} and {bound}, inclusive"


def _cidr(text: str) -> Pattern:
    """A range of addresses. Its complaints do not say where, as SNS's do not."""
    parts = text.rstrip("/").split("/")
    if len(parts) != 2:
        raise Refused("Malformed CIDR, one '/' required")
    try:
        bits = int(parts[1]) if parts[1].lstrip("+-").isdecimal() else None
    except ValueError:
        bits = None
    if bits is None:
        raise Refused("Malformed CIDR, mask bits must be an integer")
    if bits < 0:
        raise Refused("Malformed CIDR, mask bits must not be negative")
    place = patterns.address(parts[0])
    if place is None:
        kind = "Invalid" if patterns.looks_like_address(parts[0]) else "Nonstandard"
        raise Refused(f"{kind} IP address: {parts[0]}")
    version, low = place
    width = 32 if version == 4 else 128
    if bits >= width:
        raise Refused(f"IPv{version} mask bits must be < {width}")
    return patterns.Cidr(version, low, low | ((1 << (width - bits)) - 1))
