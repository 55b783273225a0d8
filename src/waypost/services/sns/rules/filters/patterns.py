"""What a policy can ask of one value, and how a value is held against it."""

import ipaddress
import re
from collections.abc import Callable, Sequence
from decimal import ROUND_DOWN, Decimal, InvalidOperation
from typing import Any, NamedTuple

from waypost.services.sns.limits import FILTER_DECIMALS, FILTER_NUMBER_MAX
from waypost.services.sns.rules.filters.document import Literal
from waypost.wildcard import fits

Value = str | bool | None
"""A leaf of a message: a string, a number (``Literal``), true, false or null."""
Matcher = Callable[[Value], bool]

_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII)
_SMALL = re.compile(r"-?\d{1,9}", re.ASCII)
_STEP = Decimal(1).scaleb(-FILTER_DECIMALS)
_SCALE = int(10**FILTER_DECIMALS)
_IP_V4 = re.compile(r"\d+\.\d+\.\d+\.\d+", re.ASCII)
_IP_V6 = re.compile(r"[0-9a-fA-F:]*:[0-9a-fA-F:]*")

Address = tuple[int, int]
"""An IP address: 4 or 6, and its number."""


def scaled(text: str) -> int | None:
    """A number in units of its last decimal that counts; None for what cannot be compared as a number.

    Exact: no floating point between the text and the answer. Digits behind the last that counts are not looked at.
    """
    if _SMALL.fullmatch(text):
        return int(text) * _SCALE
    text = text.strip()
    if _NUMBER.fullmatch(text) is None:
        return None
    try:
        number = Decimal(text)
    except InvalidOperation:  # an exponent of many digits
        return None
    if not -FILTER_NUMBER_MAX <= number <= FILTER_NUMBER_MAX:
        return None
    return int(number.quantize(_STEP, ROUND_DOWN).scaleb(FILTER_DECIMALS))


def address(text: str) -> Address | None:
    """An IP address, v4 or v6, in any way of writing it; None for other texts. A v4 address inside v6 is v4."""
    if _IP_V4.fullmatch(text):
        number = 0
        for part in text.split("."):
            if len(part) > 3 or int(part) > 255:
                return None
            number = number << 8 | int(part)
        return 4, number
    if not looks_like_address(text):
        return None
    try:
        parsed = ipaddress.IPv6Address(text)
    except ValueError:
        return None
    inner = parsed.ipv4_mapped
    return (6, int(parsed)) if inner is None else (4, int(inner))


def looks_like_address(text: str) -> bool:
    """Whether a text is made as an IP address is, though it may be none."""
    return _IP_V4.fullmatch(text) is not None or _IP_V6.fullmatch(text) is not None


class Exact(NamedTuple):
    """A string, the same in every character."""

    text: str


class Same(NamedTuple):
    """A number, true, false or null, as it is written."""

    text: str


class Equal(NamedTuple):
    """A number of the same worth, or written the same: those too large to compare match by their text."""

    text: str


class Between(NamedTuple):
    """A number in a range; in units of ``scaled``."""

    low: int | None
    low_open: bool
    high: int | None
    high_open: bool


class Prefix(NamedTuple):
    """How a string begins."""

    text: str


class Suffix(NamedTuple):
    """How a string ends."""

    text: str


class PrefixIgnoreCase(NamedTuple):
    """How a string begins, whatever its case."""

    text: str


class SuffixIgnoreCase(NamedTuple):
    """How a string ends, whatever its case."""

    text: str


class IgnoreCase(NamedTuple):
    """A string, whatever its case."""

    text: str


class Wildcard(NamedTuple):
    """A string made of ``parts`` with anything between them."""

    parts: tuple[str, ...]


class Cidr(NamedTuple):
    """An IP address in a range; both ends are in it."""

    version: int
    low: int
    high: int


class Exists(NamedTuple):
    """Any value but null and the empty string."""


class Absent(NamedTuple):
    """No value: it is not asked of one."""


class AnythingBut(NamedTuple):
    """None of these."""

    patterns: "tuple[Pattern, ...]"


Pattern = (
    Exact | Same | Equal | Between | Prefix | Suffix | PrefixIgnoreCase | SuffixIgnoreCase | IgnoreCase | Wildcard
    | Cidr | Exists | Absent | AnythingBut
)  # fmt: skip


def wildcard_parts(text: str) -> tuple[str, ...]:
    r"""A wildcard pattern's text between its asterisks; ``\*`` and ``\\`` stand for themselves.

    Raises ``ValueError`` in Event Ruler's words.
    """
    parts = [""]
    position, index = 1, 0  # of bytes, in the quoted text, where Event Ruler counts them
    while index < len(text):
        character, following = text[index], text[index + 1 : index + 2]
        if character == "*":
            if following == "*":
                raise ValueError(f"Consecutive wildcard characters at pos {position}")
            parts.append("")
        elif character == "\\":
            if following not in {"*", "\\"}:
                raise ValueError(f"Invalid escape character at pos {position}")
            parts[-1] += following
            index, position = index + 1, position + 1
        else:
            parts[-1] += character
        index, position = index + 1, position + len(character.encode("utf-8", "surrogatepass"))
    return tuple(parts)


def matcher(patterns: Sequence[Pattern]) -> Matcher:
    """Whether a value fits one of the patterns."""
    texts = frozenset(one.text for one in patterns if isinstance(one, Exact))
    others = [_compile(one) for one in patterns if not isinstance(one, Exact | Absent)]
    if not others:
        return lambda value: value.__class__ is str and value in texts
    if not texts:
        return others[0] if len(others) == 1 else lambda value: any(other(value) for other in others)
    return lambda value: (value.__class__ is str and value in texts) or any(other(value) for other in others)


def _compile(pattern: Pattern) -> Matcher:
    return _MATCHERS[type(pattern)](pattern)


def _string(fits: Callable[[str], bool]) -> Matcher:
    return lambda value: value.__class__ is str and fits(str(value))


def _same(pattern: Same) -> Matcher:
    text = pattern.text
    return lambda value: written(value) == text


def written(value: Value) -> str | None:
    """A number, true, false or null as JSON writes it; None for a string."""
    if isinstance(value, Literal):
        return value
    if isinstance(value, str):
        return None
    return "null" if value is None else "true" if value else "false"


def _equal(pattern: Equal) -> Matcher:
    text, worth = pattern.text, scaled(pattern.text)

    def equal(value: Value) -> bool:
        if not isinstance(value, Literal):
            return False
        return value == text or (worth is not None and scaled(value) == worth)

    return equal


def _between(pattern: Between) -> Matcher:
    # Integers: a bound that is open lies one step further in.
    low = -FILTER_NUMBER_MAX * _SCALE if pattern.low is None else pattern.low + pattern.low_open
    high = FILTER_NUMBER_MAX * _SCALE if pattern.high is None else pattern.high - pattern.high_open

    def between(value: Value) -> bool:
        worth = scaled(value) if isinstance(value, Literal) else None
        return worth is not None and low <= worth <= high

    return between


def _prefix(pattern: Prefix) -> Matcher:
    text = pattern.text
    return lambda value: value.__class__ is str and str(value).startswith(text)


def _suffix(pattern: Suffix) -> Matcher:
    text = pattern.text
    return lambda value: value.__class__ is str and str(value).endswith(text)


def _prefix_ignoring_case(pattern: PrefixIgnoreCase) -> Matcher:
    text = pattern.text.casefold()
    return _string(lambda value: value.casefold().startswith(text))


def _suffix_ignoring_case(pattern: SuffixIgnoreCase) -> Matcher:
    text = pattern.text.casefold()
    return _string(lambda value: value.casefold().endswith(text))


def _ignoring_case(pattern: IgnoreCase) -> Matcher:
    text = pattern.text.casefold()
    return _string(lambda value: value.casefold() == text)


def _wildcard(pattern: Wildcard) -> Matcher:
    return _string(lambda value: fits(pattern.parts, value))


def _cidr(pattern: Cidr) -> Matcher:
    version, low, high = pattern

    def inside(text: str) -> bool:
        found = address(text)
        return found is not None and found[0] == version and low <= found[1] <= high

    return _string(inside)


def _anything_but(pattern: AnythingBut) -> Matcher:
    excluded = matcher(pattern.patterns)
    return lambda value: not excluded(value)


_MATCHERS: dict[type, Callable[[Any], Matcher]] = {
    Same: _same,
    Equal: _equal,
    Between: _between,
    Prefix: _prefix,
    Suffix: _suffix,
    PrefixIgnoreCase: _prefix_ignoring_case,
    SuffixIgnoreCase: _suffix_ignoring_case,
    IgnoreCase: _ignoring_case,
    Wildcard: _wildcard,
    Cidr: _cidr,
    Exists: lambda _pattern: lambda value: value is not None and value != "",
    AnythingBut: _anything_but,
}
