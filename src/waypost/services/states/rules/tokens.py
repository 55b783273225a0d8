"""Task tokens: opaque to clients; they name their execution, so that a used one differs from one never given out."""


def execution_of(token: str) -> int | None:
    """The execution a token was made for, or None for a text that is no token."""
    raise NotImplementedError
