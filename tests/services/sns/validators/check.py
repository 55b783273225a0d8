"""Validates envelopes with sns-message-validator, as check.cjs does with AWS's library for Node.js."""

import json
import sys

from sns_message_validator import SNSMessageValidator

VALIDATOR = SNSMessageValidator(cert_url_regex=r"^http://127\.0\.0\.1:\d+/")


def complaint(text: str) -> str | None:
    try:
        VALIDATOR.validate_message(json.loads(text))
    except Exception as error:  # noqa: BLE001 (a complaint, whatever its type)
        return str(error)
    return None


json.dump([complaint(text) for text in json.load(sys.stdin)], sys.stdout)
