"""Patterns of space-delimited fields: ``[ip, user, ..., status = 4*, bytes > 1000]``."""

import re
from typing import NamedTuple

from waypost.services.logs import errors
from waypost.services.logs.rules.patterns.logic import Condition, Logic, Tokens
from waypost.services.logs.rules.patterns.values import Comparison

_FIELD = re.compile(r'"([^"]*)"|\[([^\]]*)\]|(\S+)')
_OPERATORS = ("=", "!=", "<", "<=", ">", ">=")


class _Field(NamedTuple):
    name: str
    condition: Condition[str] | None


class Fields:
    """Fields by their places; what stands in quotation marks or brackets is one field."""

    is_of_fields = True
    takes_all = False

    def __init__(self, before: list[_Field], after: list[_Field] | None, regexes: int) -> None:
        """``after``: what follows an ellipsis; None where there is none."""
        self._before = before
        self._after = after
        self.regexes = regexes
        self.weight = 6 + 6 * regexes

    def match(self, message: str) -> dict[str, str] | None:
        """Each field under its name, those of the ellipsis under their numbers."""
        found = [match[match.lastindex or 0] for match in _FIELD.finditer(message)]
        between = len(found) - len(self._before) - len(self._after or ())
        if between < 0 or (between and self._after is None):
            return None
        begin = len(self._before)
        places = [*range(begin), *range(begin + between, len(found))]
        values = {}
        for field, place in zip([*self._before, *(self._after or ())], places, strict=True):
            if field.condition is not None and not field.condition(found[place]):
                return None
            values[f"${field.name}"] = found[place]
        for place in range(begin, begin + between):
            values[f"${place + 1}"] = found[place]
        return values


def read_field_pattern(text: str) -> Fields:
    """Read a pattern in brackets. Raises ``AwsError``."""
    reader = _Reader(Tokens(text[1:-1]))
    before: list[_Field] = []
    after: list[_Field] | None = None
    while True:
        if reader.tokens.took("..."):
            if after is not None:
                raise errors.invalid_pattern()
            after = []
        else:
            (before if after is None else after).append(reader.field())
        if not reader.tokens.took(","):
            break
    if reader.tokens.next.kind != "end":
        raise errors.invalid_pattern()
    names = [field.name for field in [*before, *(after or ())]]
    if len(set(names)) < len(names):
        raise errors.invalid_pattern()
    return Fields(before, after, reader.regexes)


class _Reader:
    def __init__(self, tokens: Tokens) -> None:
        self.tokens = tokens
        self.regexes = 0
        self._names: set[str] = set()
        self._compared = False

    def field(self) -> _Field:
        """One place: a name, alone or with conditions on it."""
        self._names.clear()
        self._compared = False
        condition = Logic(self.tokens, self._leaf).read()
        # AWS refuses conditions on two names in one place (awsdocs/amazon-cloudwatch-logs-user-guide#21).
        if len(self._names) != 1:
            raise errors.invalid_pattern()
        return _Field(next(iter(self._names)), condition if self._compared else None)

    def _leaf(self, tokens: Tokens) -> Condition[str]:
        name = tokens.take()
        if name.kind != "bare":
            raise errors.invalid_pattern()
        self._names.add(name.text)
        operator = tokens.took(*_OPERATORS)
        if not operator:
            return lambda _text: True
        comparison = Comparison(operator, tokens.take().word())
        self.regexes += comparison.regex
        self._compared = True
        return comparison.of_text
