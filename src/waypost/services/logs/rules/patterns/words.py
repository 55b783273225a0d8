"""Patterns of words: all of them, any of them, none of them; or one regular expression."""

import re

from waypost.services.logs import errors
from waypost.services.logs.rules.patterns.regex import Regex

_TERM = re.compile(r"""(?P<sign>[-?]?)(?:"(?P<phrase>(?:[^"\\]|\\.)*)"|(?P<word>[^\s"]+))(?=\s|$)\s*""", re.DOTALL)
_WORD = re.compile(r"\w+")
"""What needs no quotation marks: letters, digits, underscores."""
_ESCAPE = re.compile(r"\\(.)", re.DOTALL)


class Words:
    """``one two``, ``?one ?two``, ``one -two``, ``"one two"``; letters are compared as they are."""

    is_of_fields = False
    regexes = 0
    weight = 1

    def __init__(self, wanted: list[str], optional: list[str], excluded: list[str]) -> None:
        # AWS ignores optional terms beside others.
        self._wanted, self._excluded = wanted, excluded
        self._optional = [] if wanted or excluded else optional
        self.takes_all = not (wanted or optional or excluded)

    def match(self, message: str) -> dict[str, str] | None:
        """Nothing is extracted from a message that is taken."""
        if (
            all(term in message for term in self._wanted)
            and not any(term in message for term in self._excluded)
            and (not self._optional or any(term in message for term in self._optional))
        ):
            return {}
        return None


class Expression:
    """``%expression%``, found anywhere in the message."""

    is_of_fields = False
    takes_all = False
    regexes = 1
    weight = 10

    def __init__(self, text: str) -> None:
        self._search = Regex(text).search

    def match(self, message: str) -> dict[str, str] | None:
        """Nothing is extracted from a message that is taken."""
        return {} if self._search(message) else None


def read_word_pattern(text: str) -> Words | Expression:
    """Read terms that stand beside each other. Raises ``AwsError``."""
    if len(text) > 1 and text.startswith("%") and text.endswith("%"):
        return Expression(text[1:-1])
    terms: dict[str, list[str]] = {"": [], "?": [], "-": []}
    at = 0
    while at < len(text):
        found = _TERM.match(text, at)
        if found is None:
            raise errors.invalid_pattern(f"Invalid character(s) in term '{text[at:].split(maxsplit=1)[0]}'")
        phrase, word = found["phrase"], found["word"]
        if phrase == "" or (word is not None and _WORD.fullmatch(word) is None):
            raise errors.invalid_pattern(f"Invalid character(s) in term '{found[0].strip()}'")
        terms[found["sign"]].append(word if phrase is None else _ESCAPE.sub(r"\1", phrase))
        at = found.end()
    return Words(terms[""], terms["?"], terms["-"])
