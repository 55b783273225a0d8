"""Who signed a request, for which region and service, as its signature's scope says. Nothing is verified here."""

import base64
import hashlib
import re
from functools import lru_cache
from typing import NamedTuple
from urllib.parse import unquote

from waypost.aws.errors import AwsError
from waypost.aws.message import HttpRequest

DEFAULT_REGION = "us-east-1"
_SIGNATURE_4 = "AWS4-"
_ELEMENT = re.compile(r"(Credential|SignedHeaders|Signature)=([^\s,]+)")
_REGION = re.compile(r"[a-z0-9][a-z0-9-]{0,31}|\*", re.ASCII)
_QUERY_CREDENTIAL = re.compile(r"(?:^|&)X-Amz-Credential=([^&]*)")
_OLD_QUERY_KEY = re.compile(r"(?:^|&)AWSAccessKeyId=([^&]*)")


class Credential(NamedTuple):
    """The scope of a signature."""

    access_key: str
    region: str
    service: str
    """The signing name; empty where an old signature does not say it."""


def credential(request: HttpRequest) -> Credential | None:
    """The credential of a request; None where it is not signed.

    Raises ``AwsError`` IncompleteSignatureException where it claims to be signed and is not.
    """
    header = request.headers.get("authorization")
    if header is None:
        return _from_query(request.query) if request.query else None
    start = header.find("Credential=")
    if start < 0 or not header.startswith(_SIGNATURE_4):
        return _unusual(header)
    end = header.find(",", start)
    return _scope(header[start + 11 :] if end < 0 else header[start + 11 : end], header.startswith("AWS4-ECDSA"))


def _from_query(query: str) -> Credential | None:
    if "X-Amz-Credential=" not in query and "AWSAccessKeyId=" not in query:
        return None
    found = _QUERY_CREDENTIAL.search(query)
    if found is not None:
        return _scope(unquote(found[1]), "X-Amz-Algorithm=AWS4-ECDSA" in query)
    old = _OLD_QUERY_KEY.search(query)
    return None if old is None else Credential(unquote(old[1]), DEFAULT_REGION, "")


@lru_cache(maxsize=4096)
def _scope(text: str, without_region: bool = False) -> Credential:
    parts = text.strip().rsplit("/", 3 if without_region else 4)
    if len(parts) != (4 if without_region else 5) or not parts[0] or parts[-1] != "aws4_request":
        raise AwsError(
            "IncompleteSignatureException",
            "Credential must have exactly 5 slash-delimited elements, e.g. keyid/date/region/service/term, "
            f"got '{text[:256]}'",
        )
    region = DEFAULT_REGION if without_region else parts[2]
    if not _REGION.fullmatch(region):
        raise AwsError("InvalidSignatureException", "Credential should be scoped to a valid region.")
    return Credential(parts[0], region, parts[-2])


def _unusual(header: str) -> Credential:
    """A header without a version 4 credential: version 2 of S3, or something that AWS does not know."""
    scheme, _, rest = header.partition(" ")
    if scheme == "AWS" and ":" in rest:
        return Credential(rest.partition(":")[0].strip(), DEFAULT_REGION, "")
    found = {name for name, _ in _ELEMENT.findall(header)}
    missing = "".join(
        f"Authorization header requires '{name}' parameter. "
        for name in ("Credential", "Signature", "SignedHeaders")
        if name not in found
    )
    # AWS shows the header's digest, so that no secret in it ends in a log.
    digest = base64.b64encode(hashlib.sha256(header.encode("utf-8", "replace")).digest()).decode("ascii")
    raise AwsError(
        "IncompleteSignatureException", f"{missing}(Hashed with SHA-256 and encoded with Base64) Authorization={digest}"
    )
