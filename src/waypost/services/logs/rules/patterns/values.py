"""What patterns compare with: words with asterisks, numbers, regular expressions."""

import re
from collections.abc import Callable
from typing import NamedTuple

from waypost.services.logs import errors
from waypost.services.logs.rules.patterns.regex import Regex
from waypost.wildcard import fits

_NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?", re.ASCII)
ORDER: dict[str, Callable[[float, float], bool]] = {
    "<": lambda left, right: left < right,
    "<=": lambda left, right: left <= right,
    ">": lambda left, right: left > right,
    ">=": lambda left, right: left >= right,
}


def number_of(text: str) -> float | None:
    """The number that a text is, as a whole."""
    return float(text) if _NUMBER.fullmatch(text) is not None else None


class Word(NamedTuple):
    """A value as the pattern writes it."""

    text: str
    quoted: bool = False
    regex: bool = False


class Wildcard:
    """A text in which an asterisk stands for any text, found without going back."""

    def __init__(self, text: str) -> None:
        self._parts = text.split("*")

    def matches(self, text: str) -> bool:
        """Whether the whole text is as the pattern says."""
        return fits(self._parts, text)


class Comparison:
    """An operator and a value, held against texts and numbers."""

    def __init__(self, operator: str, word: Word) -> None:
        """Raises ``AwsError`` where the operator is not for such a value."""
        self._negated = operator == "!="
        self._order = ORDER.get(operator)
        self._number = None if word.quoted or word.regex else number_of(word.text)
        self.regex = word.regex
        if self._order is not None:
            if self._number is None:
                raise errors.invalid_pattern(f"Invalid number '{word.text}' in the filter pattern")
            return
        self._search = Regex(word.text).search if word.regex else Wildcard(word.text).matches

    def of_text(self, text: str) -> bool:
        """Whether a text is as wanted; for an order, or a number, it has to be one."""
        if self._number is not None:
            number = number_of(text)
            if self._order is not None:
                return number is not None and self._order(number, self._number)
            if number is not None:
                return (number == self._number) != self._negated
        elif self._order is not None:
            return False
        return self._search(text) != self._negated

    def of_string(self, text: str) -> bool:
        """The same of a JSON string, which is no number whatever it looks like."""
        return self._order is None and self._search(text) != self._negated

    def of_number(self, value: float, text: str) -> bool:
        """Whether a number is as wanted; ``text`` is how it is written."""
        if self._number is None:
            return self._order is None and self._search(text) != self._negated
        if self._order is not None:
            return self._order(value, self._number)
        return (value == self._number) != self._negated
