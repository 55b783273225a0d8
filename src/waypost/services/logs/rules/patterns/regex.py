"""The regular expressions of filter patterns: characters, classes, repetition and alternatives, without groups.

As nothing is nested, an expression is a choice of sequences, and a sequence a row of character sets that each repeat
some times. It is run as a set of places in all sequences at once, in time that grows with the message and not with a
power of it: an expression is the client's, a message may have a megabyte, and the server has other things to do. Short
messages under expressions that cannot take long are left to ``re``, which is faster.

Multi-byte characters match only what stands for any character, or a class that excludes others.
"""

import re
from collections.abc import Callable, Iterator
from typing import NamedTuple

from waypost.services.logs import errors

_ALPHANUMERIC = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789")
_SYMBOLS = frozenset(":_#=@/;,-")
_LITERALS = _ALPHANUMERIC | _SYMBOLS | {" "}
_OPERATORS = frozenset("^$?[]{}|\\*+.")
_ESCAPED = _OPERATORS | _SYMBOLS
_CLASSES = {"d": r"\d", "D": r"\D", "w": r"\w", "W": r"\W", "s": r"\s", "S": r"\S"}
_STATES_MAX = 2_000
"""Places of one expression, repetitions unfolded."""
_STEPS_MAX = 1_000_000
"""What ``re`` may take at worst."""
_KNOWN_MAX = 2_000
"""Steps from set to set that are remembered."""
_REPEAT = re.compile(r"\{(\d{1,4})(,(\d{1,4})?)?\}", re.ASCII)


class _Item(NamedTuple):
    """A character set, and how often it stands there."""

    source: str
    """The set as ``re`` writes it."""
    least: int
    most: int | None


class _Sequence(NamedTuple):
    items: list[_Item]
    at_start: bool
    at_end: bool


class Regex:
    """An expression, which is looked for anywhere in a text."""

    def __init__(self, text: str) -> None:
        """Raises ``AwsError`` for what AWS does not support."""
        sequences = list(_Reader(text).sequences())
        self._unbounded = max(sum(item.most is None for item in one.items) for one in sequences)
        self._quick = re.compile("|".join(_source(one) for one in sequences), re.ASCII | re.DOTALL)
        self._automaton = _Automaton(sequences)

    def search(self, text: str) -> bool:
        """Whether it is found in a text."""
        if not self._unbounded or len(text) ** (self._unbounded + 1) <= _STEPS_MAX:
            return self._quick.search(text) is not None
        return self._automaton.search(text)


def _source(sequence: _Sequence) -> str:
    body = "".join(f"{item.source}{_times(item)}" for item in sequence.items)
    return f"{'^' * sequence.at_start}{body}{chr(92) + 'Z' if sequence.at_end else ''}"


def _times(item: _Item) -> str:
    return f"{{{item.least},{'' if item.most is None else item.most}}}"


class _Reader:
    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0
        self._states = 0

    def _refuse(self, what: str) -> Exception:
        return errors.invalid_pattern(f"Invalid character(s) in term '{what}'")

    def sequences(self) -> Iterator[_Sequence]:
        """The alternatives."""
        if not self._text:
            raise self._refuse("%%")
        while True:
            yield self._sequence()
            if self._at >= len(self._text):
                return
            self._at += 1  # the bar

    def _sequence(self) -> _Sequence:
        at_start = self._take("^")
        items: list[_Item] = []
        at_end = False
        while self._at < len(self._text) and self._text[self._at] != "|":
            if self._text[self._at] == "$":
                self._at += 1
                at_end = True
                if self._at < len(self._text) and self._text[self._at] != "|":
                    raise self._refuse(self._text)
                break
            items.append(self._item())
        return _Sequence(items, at_start, at_end)

    def _take(self, character: str) -> bool:
        found = self._text.startswith(character, self._at)
        self._at += found
        return found

    def _item(self) -> _Item:
        source = self._set()
        least, most = self._repetition()
        self._states += max(least, most or 0, 1)
        if self._states > _STATES_MAX:
            raise errors.invalid_pattern("The regular expression is too large")
        return _Item(source, least, most)

    def _set(self) -> str:
        character = self._text[self._at]
        self._at += 1
        if character == ".":
            return "."
        if character == "[":
            return self._class()
        if character == "\\":
            return self._escape()
        if character not in _LITERALS:
            raise self._refuse(character)
        return re.escape(character)

    def _escape(self) -> str:
        if self._at >= len(self._text):
            raise self._refuse("\\")
        character = self._text[self._at]
        self._at += 1
        if character == "x":
            digits = self._text[self._at : self._at + 2]
            if re.fullmatch(r"[0-9a-fA-F]{2}", digits) is None:
                raise self._refuse(f"\\x{digits}")
            self._at += 2
            return f"\\x{digits}"
        if character in _CLASSES:
            return _CLASSES[character]
        if character in _ESCAPED:
            return re.escape(character)
        raise self._refuse(f"\\{character}")

    def _class(self) -> str:
        excludes = self._take("^")
        parts: list[str] = []
        while True:
            if self._at >= len(self._text):
                raise self._refuse(self._text)
            character = self._text[self._at]
            if character == "]" and parts:
                self._at += 1
                break
            self._at += 1
            if character == "\\":
                parts.append(self._escape())
            elif character in _LITERALS or character in "^$?[{}|*+.":
                parts.append(character if character == "-" else re.escape(character))
            else:
                raise self._refuse(character)
        source = f"[{'^' * excludes}{_dashes(parts)}]"
        try:
            re.compile(source)
        except re.error:
            raise self._refuse(source) from None
        return source

    def _repetition(self) -> tuple[int, int | None]:
        character = self._text[self._at : self._at + 1]
        if character and character in "*+?":
            self._at += 1
            return {"*": (0, None), "+": (1, None), "?": (0, 1)}[character]
        if character != "{":
            return 1, 1
        found = _REPEAT.match(self._text, self._at)
        if found is None:
            raise self._refuse(self._text[self._at :])
        self._at = found.end()
        least = int(found[1])
        most = least if found[2] is None else int(found[3]) if found[3] else None
        if most is not None and most < least:
            raise self._refuse(found[0])
        return least, most


def _dashes(parts: list[str]) -> str:
    """A dash at an edge, or beside a dash or a class of letters, is itself."""
    written = []
    for place, part in enumerate(parts):
        edge = place in (0, len(parts) - 1)
        beside = not edge and any(
            other == "-" or (other[:1] == "\\" and other[1:2].isalpha() and other[1:2] != "x")
            for other in (parts[place - 1], parts[place + 1])
        )
        written.append("\\-" if part == "-" and (edge or beside) else part)
    return "".join(written)


class _State(NamedTuple):
    accepts: Callable[[str], object]
    repeats: bool
    """Whether it may take the next character, too."""
    optional: bool
    """Whether it may be left out."""


class _Automaton:
    """All sequences side by side: bit n of a set is the place behind n characters' states."""

    def __init__(self, sequences: list[_Sequence]) -> None:
        self._states: list[_State | None] = []
        """None: the end of a sequence."""
        self._anywhere = self._beginning = self._found = self._found_at_end = 0
        sets: dict[str, Callable[[str], object]] = {}
        for sequence in sequences:
            first = 1 << len(self._states)
            self._beginning |= first
            if not sequence.at_start:
                self._anywhere |= first
            for item in sequence.items:
                accepts = sets.setdefault(item.source, re.compile(item.source, re.ASCII | re.DOTALL).match)
                self._add(accepts, item)
            end = 1 << len(self._states)
            self._states.append(None)
            if sequence.at_end:
                self._found_at_end |= end
            else:
                self._found |= end
        self._beginning = self._skip(self._beginning)
        self._anywhere = self._skip(self._anywhere)
        self._known: dict[tuple[int, str], int] = {}

    def _add(self, accepts: Callable[[str], object], item: _Item) -> None:
        least, most = item.least, item.most
        self._states += [_State(accepts, repeats=False, optional=False)] * (least - (most is None and least > 0))
        if most is None:
            self._states.append(_State(accepts, repeats=True, optional=least == 0))
        else:
            self._states += [_State(accepts, repeats=False, optional=True)] * (most - least)

    def _skip(self, places: int) -> int:
        """With the places that are reached by leaving out what is optional."""
        for place, state in enumerate(self._states):
            if state is not None and state.optional and places >> place & 1:
                places |= 1 << place + 1
        return places

    def search(self, text: str) -> bool:
        places = self._beginning
        known, found = self._known, self._found
        for character in text:
            if places & found:
                return True
            following = known.get((places, character))
            if following is None:
                following = self._step(places, character)
                if len(known) >= _KNOWN_MAX:
                    known.clear()
                known[places, character] = following
            places = following
        return bool(places & (found | self._found_at_end))

    def _step(self, places: int, character: str) -> int:
        following = 0
        rest, place = places, 0
        while rest:
            state = self._states[place]
            if rest & 1 and state is not None and state.accepts(character):
                following |= 1 << place + 1
                if state.repeats:
                    following |= 1 << place
            rest >>= 1
            place += 1
        return self._skip(following) | self._anywhere
