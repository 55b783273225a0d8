"""The regular expressions of filter patterns: characters, classes, repetition and alternatives, without groups.

As nothing is nested, an expression is a choice of sequences, and a sequence a row of character sets that each repeat
some times. It is run as a set of places in all sequences at once, in time that grows with the message and not with a
power of it: an expression is the client's, a message may have a megabyte, and the server has other things to do. Short
messages under expressions that cannot take long are left to ``re``, which is faster.

Multi-byte characters match only what stands for any character, or a class that excludes others.
"""

import re
from collections.abc import Iterator
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
_FEW = 8
"""Characters of one set in a row that count for nothing."""
_STEPS_MAX = 1_000_000
"""What ``re`` may take at worst."""
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
        self._repeated = [
            [item for item in one.items if item.most != item.least or item.least > _FEW] for one in sequences
        ]
        self._quick = re.compile("|".join(_source(one) for one in sequences), re.ASCII | re.DOTALL)
        self._automaton = _Automaton(sequences)

    def search(self, text: str) -> bool:
        """Whether it is found in a text."""
        if self._steps(len(text)) <= _STEPS_MAX:
            return self._quick.search(text) is not None
        return self._automaton.search(text)

    def _steps(self, length: int) -> int:
        """What ``re`` may take at worst: each repetition tries every number of times, at every place of the text."""
        worst = 0
        for items in self._repeated:
            steps = length
            for item in items:
                steps *= length if item.most is None else min(length, max(item.least, item.most - item.least + 1))
            worst += steps
        return worst


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


class _Automaton:
    """All sequences side by side, as bits of numbers: bit n of ``places`` says that set n may take the next character.

    The bit behind a sequence's last set is its end. Sets that may be left out stand in runs; whoever may be at one of a
    run may be at all behind it, as far as the bit behind the run.
    """

    def __init__(self, sequences: list[_Sequence]) -> None:
        self._sets: dict[str, int] = {}
        """The bits of each set, by its source."""
        self._repeats = self._optional = 0
        self._anywhere = self._beginning = self._found = self._found_at_end = 0
        bit = 1
        for sequence in sequences:
            self._beginning |= bit
            if not sequence.at_start:
                self._anywhere |= bit
            for item in sequence.items:
                bit = self._add(item, bit)
            if sequence.at_end:
                self._found_at_end |= bit
            else:
                self._found |= bit
            bit <<= 1
        self._run_begin = self._optional & ~(self._optional << 1)
        self._run_end = (self._optional << 1) & ~self._optional
        self._behind = self._optional << 1
        self._beginning = self._skip(self._beginning)
        self._anywhere = self._skip(self._anywhere)
        self._accepting: dict[str, int] = {}

    def _add(self, item: _Item, bit: int) -> int:
        """Give an item its bits from this one on; answers the next."""
        least, most = item.least, item.most
        count = max(least, 1) if most is None else most
        ones = (1 << count) - 1
        self._sets[item.source] = self._sets.get(item.source, 0) | ones * bit
        if most is None:
            self._repeats |= bit << count - 1
        self._optional |= ((1 << count) - (1 << min(least, count))) * bit
        return bit << count

    def _skip(self, places: int) -> int:
        """With the places that are reached by leaving out what is optional."""
        # From the lowest place of each run on, all that follow: the borrow of a subtraction ends there.
        ended = places | self._run_end
        return places | (self._behind & (~(ended - self._run_begin) ^ ended))

    def search(self, text: str) -> bool:
        """Whether one of the sequences is found in a text."""
        places, found, anywhere, repeats = self._beginning, self._found, self._anywhere, self._repeats
        accepting, skip = self._accepting, self._skip
        for character in text:
            if places & found:
                return True
            taken = accepting.get(character)
            if taken is None:
                taken = self._accepts(character)
            taken &= places
            places = skip(taken << 1 | taken & repeats) | anywhere
        return bool(places & (found | self._found_at_end))

    def _accepts(self, character: str) -> int:
        """The sets that accept a character; those beyond the first 256 are alike to all of them."""
        alike = character if character <= "\xff" else "\u0100"
        bits = self._accepting.get(alike)
        if bits is None:
            bits = self._accepting[alike] = sum(
                places
                for source, places in self._sets.items()
                if re.match(source, alike, re.ASCII | re.DOTALL) is not None
            )
        return bits
