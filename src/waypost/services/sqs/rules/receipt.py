"""Receipt handles: which message, and which receive of it."""

from binascii import Error, a2b_base64, b2a_base64, crc32
from struct import Struct
from typing import NamedTuple

_LAYOUT = Struct(">BQQQI")
_CHECK = Struct(">I")
_VERSION = 0x10
_HAS_BODY_ROW = 0x01
_SIZE = _LAYOUT.size + _CHECK.size


class Receipt(NamedTuple):
    """What a handle says. It is opaque to clients, and checked for damage; it is not a secret."""

    queue_id: int
    message: int
    """The message's row."""
    received_at_ms: int
    receives: int
    """How often the message had been received then, this time included."""
    has_body_row: bool
    """Whether the body lies in a row of its own."""


def write(receipt: Receipt) -> str:
    """The handle for a receipt: base64, as AWS's are."""
    queue_id, message, received_at_ms, receives, has_body_row = receipt
    head = _LAYOUT.pack(
        _VERSION | _HAS_BODY_ROW if has_body_row else _VERSION, queue_id, message, received_at_ms, receives
    )
    return b2a_base64(head + _CHECK.pack(crc32(head)), newline=False).decode("ascii")


def read(handle: str) -> Receipt | None:
    """The receipt of a handle; None where ``handle`` is none of ours."""
    try:
        packed = a2b_base64(handle, strict_mode=True)
    except (Error, ValueError):
        return None
    if len(packed) != _SIZE:
        return None
    head = packed[: _LAYOUT.size]
    version, queue_id, message, received_at_ms, receives = _LAYOUT.unpack(head)
    if version & ~_HAS_BODY_ROW != _VERSION or _CHECK.unpack(packed[_LAYOUT.size :])[0] != crc32(head):
        return None
    return Receipt(queue_id, message, received_at_ms, receives, bool(version & _HAS_BODY_ROW))
