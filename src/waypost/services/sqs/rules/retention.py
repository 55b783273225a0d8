"""How long messages are kept: a row id holds the millisecond it was made in, so retention is a range of ids."""

ID_BITS = 20
"""Bits of a row id below its milliseconds."""
AFTER_ALL = (1 << 63) - 1
"""Greater than every row id."""


def oldest_kept(now_ms: int, retention_ms: int) -> int:
    """The least row id that has not expired."""
    return (now_ms - retention_ms + 1) << ID_BITS


def made_ms(row_id: int) -> int:
    """When a row was made."""
    return row_id >> ID_BITS


def expires_ms(row_id: int, retention_ms: int) -> int:
    """When the message of that row expires."""
    return (row_id >> ID_BITS) + retention_ms
