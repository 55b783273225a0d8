"""Signs envelopes, with a key that all nodes and all starts of a server share: it lies in the database.

The first node that signs makes it. Whoever gets a signed envelope can ask any node for the certificate.

A signature takes a third of a millisecond, more than the rest of a publish to ten queues. So who publishes has it made
beside the loop first (``ahead``); whoever signs then finds it done, and who has not asked before signs on the spot.
"""

import base64
import hashlib
from collections.abc import Callable, Sequence
from functools import lru_cache, partial
from types import ModuleType
from typing import Any, NamedTuple

from waypost.aws.errors import AwsError
from waypost.service import Context, Operation, Params, Perform
from waypost.services.sns.rules.envelope import Document
from waypost.services.sns.rules.signature import HASHES, string_to_sign
from waypost.store.queries import load
from waypost.store.store import Tx
from waypost.work.compute import Compute

Q = load(__package__, "signing.sql")

CERTIFICATE = "/SimpleNotificationService-"
"""What the path of a certificate begins with; the key's name and ``.pem`` follow."""
KEY_MS = 9 * 365 * 86_400_000
"""How long a key signs. Its certificate is valid for a year more, so that late readers can still check."""

SIGNATURES_MAX = 4_096
"""Of those made last; a publish that waits behind so many signs once more."""
_LOADED_MAX = 64
_loaded: dict[str, Any] = {}
"""Private keys by name. Names are made of certificates, so what is here is right for every database."""


Signable = tuple[Document, str]
"""An envelope's members, and the SignatureVersion that they will be signed with."""


def sign(tx: Tx, ctx: Context, document: Document, version: str) -> Document:
    """The document, with SignatureVersion (``1`` or ``2``), Signature and SigningCertURL.

    The same text is signed once, however many get it.
    """
    name = _signing_key(tx, ctx)
    return document | {
        "SignatureVersion": version,
        "Signature": _signature(name, *_digest((document, version))),
        "SigningCertURL": f"{ctx.base_url}{CERTIFICATE}{name}.pem",
    }


def ahead(tx: Tx, ctx: Context, signables: Sequence[Signable], then: Callable[[Tx, Context], Params]) -> Perform:
    """Have signatures made, and the key if there is none, without the store; what ``then`` signs is signed already."""
    newest = _newest(tx, ctx)
    if not newest.name:
        return _making(ctx, newest, lambda tx, later: ahead(tx, later, signables, then))
    name = newest.name
    private_key = "" if name in _loaded else _private_key(tx, name)
    digests = [_digest(signable) for signable in signables]
    return Perform(Compute(partial(_sign_all, name, private_key, digests)), lambda tx, later, _outcome: then(tx, later))


def key_first(tx: Tx, ctx: Context, then: Callable[[Tx, Context], Any]) -> Perform | None:
    """None where there is a key to sign with; else what makes one without the store, which takes up to half a second.

    ``then`` goes on once it is there.
    """
    newest = _newest(tx, ctx)
    return None if newest.name else _making(ctx, newest, then)


def _making(ctx: Context, newest: "_Newest", then: Callable[[Tx, Context], Any]) -> Perform:
    def kept(tx: Tx, later: Context, made: Any) -> Any:
        _keep_key(tx, later, newest.number + 1, made)
        return then(tx, later)

    return Perform(Compute(partial(_generate, ctx.now_ms)), kept)


def _digest(signable: Signable) -> tuple[str, bytes]:
    """The name of a hash, and what it makes of a document."""
    document, version = signable
    text = string_to_sign(document).encode()
    return HASHES[version], hashlib.new(HASHES[version], text, usedforsecurity=False).digest()


@lru_cache(maxsize=SIGNATURES_MAX)
def _signature(name: str, hash_name: str, digest: bytes) -> str:
    return base64.b64encode(_keys().sign(_loaded[name], digest, hash_name)).decode()


def _sign_all(name: str, private_key: str, digests: Sequence[tuple[str, bytes]]) -> None:
    """What a thread does: it leaves signatures where ``sign`` looks for them."""
    if private_key:
        _load(name, private_key)
    for hash_name, digest in digests:
        _signature(name, hash_name, digest)


def _generate(now_ms: int) -> Any:
    return _keys().generate(now_ms)


class _Newest(NamedTuple):
    """The newest key."""

    number: int
    """0: there is none."""
    name: str
    """Empty where there is none, or where it has signed for long enough."""


def _newest(tx: Tx, ctx: Context) -> _Newest:
    row = tx.one(Q.newest_key)
    if row is None:
        return _Newest(0, "")
    number, name, created_at_ms = row
    return _Newest(number, name if ctx.now_ms < created_at_ms + KEY_MS else "")


def _signing_key(tx: Tx, ctx: Context) -> str:
    """The name of the key that signs now; it is loaded."""
    newest = _newest(tx, ctx)
    if not newest.name:
        _keep_key(tx, ctx, newest.number + 1, _generate(ctx.now_ms))
        newest = _newest(tx, ctx)
    if newest.name not in _loaded:
        _load(newest.name, _private_key(tx, newest.name))
    return newest.name


def _private_key(tx: Tx, name: str) -> str:
    found = tx.one(Q.get_private_key, name=name)
    if found is None:
        raise LookupError(f"no signing key {name}")
    return str(found[0])


def _load(name: str, private_key: str) -> None:
    if len(_loaded) >= _LOADED_MAX:
        _loaded.pop(next(iter(_loaded)), None)  # not all: a thread may be about to sign with another
    _loaded[name] = _keys().load(private_key)


def _keep_key(tx: Tx, ctx: Context, number: int, made: Any) -> None:
    """Make it the key of that number, unless another node was first."""
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
