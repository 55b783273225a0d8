"""Receipt handles: which message, and which receive of it."""

from binascii import Error, a2b_base64, b2a_base64, crc32
from struct import Struct
from typing import NamedTuple

_LAYOUT = Struct(">BQQQI")
_PLACED = Struct(">BQQQIQ")
_CHECK = Struct(">I")
_VERSION = 0x10
_VERSION_PLACED = 0x20
_HAS_BODY_ROW = 0x01


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
    storage: int = 0
    """Where the message lies; 0: it is not said, for the queue had one storage then."""


def write(receipt: Receipt) -> str:
    """The handle for a receipt: base64, as AWS's are."""
    queue_id, message, received_at_ms, receives, has_body_row, storage = receipt
    version = (_VERSION_PLACED if storage else _VERSION) | (_HAS_BODY_ROW if has_body_row else 0)
    if storage:
        head = _PLACED.pack(version, queue_id, message, received_at_ms, receives, storage)
    else:
        head = _LAYOUT.pack(version, queue_id, message, received_at_ms, receives)
    return b2a_base64(head + _CHECK.pack(crc32(head)), newline=False).decode("ascii")


def read(handle: str) -> Receipt | None:
    """The receipt of a handle; None where ``handle`` is none of ours."""
    try:
        packed = a2b_base64(handle, strict_mode=True)
    except (Error, ValueError):
        return None
    head, check = packed[: -_CHECK.size], packed[-_CHECK.size :]
    layout = _LAYOUTS.get((len(head), head[0] & ~_HAS_BODY_ROW if head else 0))
    if layout is None or _CHECK.unpack(check)[0] != crc32(head):
        return None
    version, queue_id, message, received_at_ms, receives, *storage = layout.unpack(head)
    return Receipt(queue_id, message, received_at_ms, receives, bool(version & _HAS_BODY_ROW), *storage)


_LAYOUTS = {(_LAYOUT.size, _VERSION): _LAYOUT, (_PLACED.size, _VERSION_PLACED): _PLACED}
