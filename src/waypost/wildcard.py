"""Texts with gaps: patterns in which an asterisk stands for any text."""

from collections.abc import Sequence


def fits(parts: Sequence[str], text: str) -> bool:
    """Whether a text is made of ``parts`` in their order, with anything between them.

    Takes time in proportion to the text: the leftmost place of each part leaves the most room for the next.
    """
    first, *middle = parts
    if not middle:
        return text == first
    last = middle.pop()
    at, end = len(first), len(text) - len(last)
    if at > end or not (text.startswith(first) and text.endswith(last)):
        return False
    for part in middle:
        found = text.find(part, at, end)
        if found < 0:
            return False
        at = found + len(part)
    return True
