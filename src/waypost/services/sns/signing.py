"""Signs envelopes, with a key that all nodes and all starts of a server share: it lies in the database.

The first node that signs makes it. Whoever gets a signed envelope can ask any node for the certificate.
"""

import base64
import hashlib
from functools import lru_cache
from types import ModuleType
from typing import Any

from waypost.aws.errors import AwsError
from waypost.service import Context, Operation, Params
from waypost.services.sns.rules.envelope import Document
from waypost.services.sns.rules.signature import HASHES, string_to_sign
from waypost.store.queries import load
from waypost.store.store import Tx

Q = load(__package__, "signing.sql")

CERTIFICATE = "/SimpleNotificationService-"
"""What the path of a certificate begins with; the key's name and ``.pem`` follow."""
KEY_MS = 9 * 365 * 86_400_000
"""How long a key signs. Its certificate is valid for a year more, so that late readers can still check."""

_LOADED_MAX = 64
_loaded: dict[str, Any] = {}
"""Private keys by name. Names are made of certificates, so what is here is right for every database."""


def sign(tx: Tx, ctx: Context, document: Document, version: str) -> Document:
    """The document, with SignatureVersion (``1`` or ``2``), Signature and SigningCertURL.

    A signature takes a third of a millisecond of the loop's time; the same text is signed once, however many get it.
    """
    name = _signing_key(tx, ctx)
    text = string_to_sign(document).encode()
    digest = hashlib.new(HASHES[version], text, usedforsecurity=False).digest()
    return document | {
        "SignatureVersion": version,
        "Signature": _signature(name, HASHES[version], digest),
        "SigningCertURL": f"{ctx.base_url}{CERTIFICATE}{name}.pem",
    }


@lru_cache(maxsize=1024)
def _signature(name: str, hash_name: str, digest: bytes) -> str:
    return base64.b64encode(_keys().sign(_loaded[name], digest, hash_name)).decode()


def _signing_key(tx: Tx, ctx: Context) -> str:
    """The name of the key that signs now; it is loaded."""
    row = tx.one(Q.newest_key)
    if row is None or row[2] + KEY_MS <= ctx.now_ms:
        _make_key(tx, ctx, 1 if row is None else row[0] + 1)
        row = tx.one(Q.newest_key)
    name = str(row[1]) if row is not None else ""
    if name not in _loaded:
        found = tx.one(Q.get_private_key, name=name)
        if found is None:
            raise LookupError(f"no signing key {name}")
        if len(_loaded) >= _LOADED_MAX:
            _loaded.clear()
        _loaded[name] = _keys().load(found[0])
    return name


def _make_key(tx: Tx, ctx: Context, number: int) -> None:
    """Make the key of that number, unless another node is first."""
    made = _keys().generate(ctx.now_ms)
    tx.run(
        Q.insert_key, id=number, name=made.name, private_key=made.private_key, certificate=made.certificate,
        created_at=ctx.now_ms,
    )  # fmt: skip


def _keys() -> ModuleType:
    from waypost.services.sns import keys  # noqa: PLC0415 (OpenSSL loads when the first envelope is signed)

    return keys


def get_certificate(tx: Tx, _ctx: Context, request: Params) -> Params:
    """The certificate of a key, PEM, by the path of its URL: for the server's own pages."""
    name = request["Path"].removeprefix(CERTIFICATE).removesuffix(".pem")
    row = tx.one(Q.get_certificate, name=name)
    if row is None:
        raise AwsError("NotFoundException", "There is no such certificate.", 404)
    return {"Certificate": row[0]}


OPERATIONS: dict[str, Operation] = {"waypost:GetSigningCertificate": get_certificate}
