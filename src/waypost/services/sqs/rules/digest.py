"""The MD5 digests by which clients check what was sent and received."""

from collections.abc import Mapping
from hashlib import md5
from struct import Struct
from typing import Any

_LENGTH = Struct(">I").pack
_STRING, _BINARY = b"\x01", b"\x02"


def body_md5(body: bytes) -> str:
    """Of a message's body in UTF-8."""
    return md5(body, usedforsecurity=False).hexdigest()


def attributes_md5(attributes: Mapping[str, Mapping[str, Any]]) -> str:
    """Of message attributes, or of system attributes: names in byte order, each with its type and its value."""
    digest = md5(usedforsecurity=False)
    for name, value in sorted((name.encode(), value) for name, value in attributes.items()):
        data_type = value["DataType"].encode()
        if data_type.startswith(b"Binary"):
            kind, content = _BINARY, value["BinaryValue"]
        else:
            kind, content = _STRING, value["StringValue"].encode()
        digest.update(
            b"".join(
                (_LENGTH(len(name)), name, _LENGTH(len(data_type)), data_type, kind, _LENGTH(len(content)), content)
            )
        )
    return digest.hexdigest()
