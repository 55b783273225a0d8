"""The models' regular expressions are Java's; these are Python's that accept the same."""

import re
import warnings
from functools import cache

_SEPARATORS = " \\u00a0\\u1680\\u2000-\\u200a\\u2028\\u2029\\u202f\\u205f\\u3000"
_CLASSES = {
    "ASCII": "\\x00-\\x7f",
    "Alnum": "a-zA-Z0-9",
    "Alpha": "a-zA-Z",
    "Digit": "0-9",
    "Lower": "a-z",
    "Upper": "A-Z",
    "Space": " \\t\\n\\x0b\\f\\r",
    "Print": "\\x20-\\x7e",
    "Graph": "\\x21-\\x7e",
    "Punct": "!-/:-@\\[-`{-~",
    "Z": _SEPARATORS,
    "Zs": _SEPARATORS,
}
_PROPERTY = re.compile(r"\\p\{(?:Is)?(\w+)\}")
_WORDS = re.compile(r"\\p\{L\}(?:\\p\{M\})?(?P<between>(?:\\p\{Zs?\}|\\s)*)\\p\{N[d]?\}")
_DASH = re.compile(r"(\\[wdsWDS])-(?=[^\]])")

_SLOW = {
    r"[ \t]*[\x20-\x7E]+([ \t]+[\x20-\x7E]+)*[ \t]*": r"[\t\x20-\x7E]*[\x20-\x7E][\t\x20-\x7E]*",
    r"[ \t]*[^\x00-\x1F:\x7F]+([ \t]+[^\x00-\x1F:\x7F]+)*[ \t]*": (
        r"[^\x00-\x08\x0A-\x1F:\x7F]*[^\x00-\x1F:\x7F][^\x00-\x08\x0A-\x1F:\x7F]*"
    ),
}
"""Patterns that take exponential time on hostile strings > ones that accept the same strings at once."""

skipped: dict[str, str] = {}
"""Patterns that were met and are not checked > why. A test holds the list down."""


@cache
def compiled(pattern: str) -> re.Pattern[str] | None:
    """Python's form of a Java pattern, for ``fullmatch``; None, and a line in ``skipped``, where there is none."""
    try:
        text, flags = _translated(pattern)
        with warnings.catch_warnings():
            warnings.simplefilter("error", FutureWarning)
            return re.compile(text, flags)
    except (re.error, FutureWarning, LookupError) as error:
        skipped[pattern] = str(error)
        return None


def _translated(pattern: str) -> tuple[str, re.RegexFlag]:
    """Java's letters and digits are ASCII unless a property class says otherwise."""
    text = _DASH.sub(r"\1\\-", pattern)
    for slow, quick in _SLOW.items():
        text = text.replace(slow, quick)
    if "\\p{" not in text and "\\u" not in text and "\\x" not in text:
        return text, re.ASCII
    flags = re.NOFLAG
    # Python has no \p classes. Letters and digits together are \w but for the underscore, which every such
    # class of the models has as well.
    text = _WORDS.sub(lambda found: "\\w" + found["between"], text)
    if "\\p{L" not in text and "\\w" not in _WORDS.sub("", pattern):
        text = text.replace("\\d", "0-9") if "[\\d" in text else text.replace("\\d", "[0-9]")
    return _PROPERTY.sub(lambda found: _class(text, found), text), flags


def _class(text: str, found: re.Match[str]) -> str:
    members = _CLASSES.get(found[1])
    if members is None:
        raise LookupError(f"Python has no {found[0]}")
    opened = text.rfind("[", 0, found.start()) > text.rfind("]", 0, found.start())
    return members if opened else f"[{members}]"
