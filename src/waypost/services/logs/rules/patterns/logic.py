"""Conditions joined by && and ||, in parentheses or not: && binds closer."""

import re
from collections.abc import Callable, Iterable, Sequence
from typing import Generic, NamedTuple, TypeVar

from waypost.services.logs import errors
from waypost.services.logs.rules.patterns.values import Word

T = TypeVar("T")
Condition = Callable[[T], bool]

DEPTH_MAX = 50
"""Parentheses in parentheses."""
_TOKEN = re.compile(
    r"""\s*(?:
      (?P<mark>&&|\|\||[(),]|\.\.\.|!=|<=|>=|=|<|>)
    | "(?P<quoted>(?:[^"\\]|\\.)*)"
    | %(?P<regex>[^%]*)%
    | (?P<selector>\$(?:\.?\[(?:\d{1,9}|\*|"[^"]*"|'[^']*')\]|\.[\w-]+)*)
    | (?P<bare>[^\s,()&|=<>!"%\[\]{}$]+)
    )\s*""",
    re.VERBOSE | re.ASCII,
)
_ESCAPE = re.compile(r"\\(.)", re.DOTALL)


class Token(NamedTuple):
    """A piece of a pattern."""

    kind: str
    text: str

    def word(self) -> Word:
        """As a value. Raises ``AwsError`` where it is none."""
        if self.kind not in ("quoted", "regex", "bare"):
            raise errors.invalid_pattern()
        return Word(self.text, self.kind == "quoted", self.kind == "regex")


END = Token("end", "")


class Tokens:
    """The pieces of a pattern, one after the other."""

    def __init__(self, text: str) -> None:
        """Raises ``AwsError`` for what is no piece."""
        self._tokens: list[Token] = []
        self._at = 0
        at, text = 0, text.strip()
        while at < len(text):
            found = _TOKEN.match(text, at)
            if found is None:
                raise errors.invalid_pattern()
            kind = str(found.lastgroup)
            value = found[kind]
            self._tokens.append(Token(kind, _ESCAPE.sub(r"\1", value) if kind == "quoted" else value))
            at = found.end()

    @property
    def next(self) -> Token:
        """What comes, without taking it."""
        return self._tokens[self._at] if self._at < len(self._tokens) else END

    def take(self) -> Token:
        """What comes."""
        token = self.next
        self._at += 1
        return token

    def took(self, *marks: str) -> str:
        """The mark that comes, taken, if it is one of these; else nothing."""
        token = self.next
        if token.kind == "mark" and token.text in marks:
            self._at += 1
            return token.text
        return ""


class Logic(Generic[T]):
    """Reads conditions whose leaves ``leaf`` reads."""

    def __init__(self, tokens: Tokens, leaf: Callable[[Tokens], Condition[T]]) -> None:
        self._tokens = tokens
        self._leaf = leaf
        self._depth = 0

    def read(self) -> Condition[T]:
        """A condition, as far as it goes. Raises ``AwsError``."""
        choices = [self._all_of()]
        while self._tokens.took("||"):
            choices.append(self._all_of())
        return _joined(choices, any)

    def _all_of(self) -> Condition[T]:
        conditions = [self._one()]
        while self._tokens.took("&&"):
            conditions.append(self._one())
        return _joined(conditions, all)

    def _one(self) -> Condition[T]:
        if not self._tokens.took("("):
            return self._leaf(self._tokens)
        self._depth += 1
        if self._depth > DEPTH_MAX:
            raise errors.invalid_pattern()
        condition = self.read()
        if not self._tokens.took(")"):
            raise errors.invalid_pattern()
        self._depth -= 1
        return condition


def _joined(conditions: Sequence[Condition[T]], how: Callable[[Iterable[object]], bool]) -> Condition[T]:
    if len(conditions) == 1:
        return conditions[0]
    return lambda value: how(condition(value) for condition in conditions)
