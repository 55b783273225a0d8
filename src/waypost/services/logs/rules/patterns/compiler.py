"""From a pattern's text to what matches messages."""

from typing import Protocol

from waypost.services.logs import errors
from waypost.services.logs.limits import REGEXES_MAX
from waypost.services.logs.rules.patterns.documents import read_document_pattern
from waypost.services.logs.rules.patterns.fields import read_field_pattern
from waypost.services.logs.rules.patterns.words import read_word_pattern


class Pattern(Protocol):
    """A filter pattern that was read."""

    takes_all: bool
    """Whether every message matches, and nothing is extracted."""
    is_of_fields: bool
    """Whether it names space-delimited fields."""
    regexes: int
    """How many regular expressions it has."""
    weight: int
    """How much longer a message takes than one that is searched for words."""

    def match(self, message: str) -> dict[str, str] | None:
        """What it extracts from a message that it takes; None of any other."""
        ...


def compile_pattern(text: str) -> Pattern:
    """Read a pattern. Raises ``AwsError``."""
    text = text.strip()
    if text.startswith("{"):
        if not text.endswith("}"):
            raise errors.invalid_pattern("If a filter pattern starts with '{' it must end with '}'")
        pattern: Pattern = read_document_pattern(text)
    elif text.startswith("["):
        if not text.endswith("]"):
            raise errors.invalid_pattern("If a filter pattern starts with '[' it must end with ']'")
        pattern = read_field_pattern(text)
    else:
        pattern = read_word_pattern(text)
    if pattern.regexes > REGEXES_MAX:
        raise errors.invalid_pattern(f"A filter pattern can have at most {REGEXES_MAX} regular expressions")
    return pattern
