"""What a signature covers: https://docs.aws.amazon.com/sns/latest/dg/sns-verify-signature-of-message.html ."""

from collections.abc import Mapping

HASHES = {"1": "sha1", "2": "sha256"}
"""The hash under the RSA signature (PKCS #1 v1.5), by SignatureVersion."""

_NOTIFICATION = ("Message", "MessageId", "Subject", "Timestamp", "TopicArn", "Type")
_CONFIRMATION = ("Message", "MessageId", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type")


def string_to_sign(document: Mapping[str, object]) -> str:
    """Names and values of an envelope's members, each on a line of its own, in the order of their names."""
    names = _NOTIFICATION if document["Type"] == "Notification" else _CONFIRMATION
    return "".join(f"{name}\n{document[name]}\n" for name in names if name in document)
