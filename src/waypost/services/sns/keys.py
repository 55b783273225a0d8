"""RSA keys and their certificates: the one module that speaks to OpenSSL, by way of ``cryptography``.

It takes a twentieth of a second to load, so a server does that when it signs for the first time.
"""

import hashlib
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed
from cryptography.x509.oid import NameOID

BITS = 2048
"""As SNS's own keys. A signature takes a third of a millisecond; 3072 bits would take two and a half times as long."""
VALID_DAYS = 3_650
"""How long a certificate is valid."""
SUBJECT = "sns.amazonaws.com"
"""The name in the certificate, where AWS's validators look for SNS's."""

_PADDING = padding.PKCS1v15()
_HASHES = {"sha1": Prehashed(hashes.SHA1()), "sha256": Prehashed(hashes.SHA256())}  # noqa: S303 (SignatureVersion 1)

PrivateKey = rsa.RSAPrivateKey


class KeyPair(NamedTuple):
    """A new key, as a row keeps it."""

    name: str
    """32 hex digits, made of the certificate."""
    private_key: str
    """PEM, PKCS #8."""
    certificate: str
    """PEM."""


def generate(now_ms: int) -> KeyPair:
    """A key of its own and a certificate that it has signed itself. Takes a tenth of a second, more or less."""
    key = rsa.generate_private_key(public_exponent=65_537, key_size=BITS)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, SUBJECT)])
    now = datetime.fromtimestamp(now_ms // 1000, UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=VALID_DAYS))
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(SUBJECT)]), critical=False)
        .sign(key, hashes.SHA256())
    )
    private_key = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    der = certificate.public_bytes(serialization.Encoding.DER)
    pem = certificate.public_bytes(serialization.Encoding.PEM)
    return KeyPair(hashlib.sha256(der).hexdigest()[:32], private_key.decode(), pem.decode())


def load(private_key: str) -> PrivateKey:
    """The key in a PEM text that ``generate`` made."""
    key = serialization.load_pem_private_key(private_key.encode(), None)
    if not isinstance(key, rsa.RSAPrivateKey):
        raise TypeError("not an RSA key")
    return key


def sign(key: PrivateKey, digest: bytes, name: str) -> bytes:
    """The signature (PKCS #1 v1.5) of a digest by the hash of that name: sha1 or sha256."""
    return key.sign(digest, _PADDING, _HASHES[name])
