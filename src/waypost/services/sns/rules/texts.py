"""SMS: what a text message is sent as, who its sender is, and what the answers to it mean."""

import json
import re
from collections.abc import Mapping
from typing import Any, NamedTuple

from waypost.services.sns.rules import feedback
from waypost.services.sns.topic import Published

DISPLAY_NAME_MAX = 10
"""Characters of a topic's display name that stand before its messages."""
PROMOTIONAL, TRANSACTIONAL = "Promotional", "Transactional"
TYPES = (PROMOTIONAL, TRANSACTIONAL)
SETTINGS = (
    "MonthlySpendLimit", "DeliveryStatusIAMRole", "DeliveryStatusSuccessSamplingRate", "DefaultSenderID",
    "DefaultSMSType", "UsageReportS3Bucket",
)  # fmt: skip
SPEND_LIMIT_DEFAULT = "1"

_REFUSED = {"UsageReportS3Bucket": "Waypost has no S3 to write reports to."}

STOP_WORDS = ("ARRET", "CANCEL", "END", "OPT-OUT", "OPTOUT", "QUIT", "REMOVE", "STOP", "TD", "UNSUBSCRIBE")
"""Answers that opt a phone out: https://docs.aws.amazon.com/sns/latest/dg/sms_manage.html."""

HEADERS = (
    ("content-type", "application/x-amz-json-1.0"),
    ("x-amz-target", "PinpointSMSVoiceV2.SendTextMessage"),
)
"""A gateway is spoken to as the service through which SNS sends texts: AWS End User Messaging SMS."""

_CODES = {
    "de-DE": "Ihr Bestätigungscode lautet {}.",
    "en-GB": "Your verification code is {}.",
    "en-US": "Your verification code is {}.",
    "es-419": "Su código de verificación es {}.",
    "es-ES": "Su código de verificación es {}.",
    "fr-CA": "Votre code de vérification est {}.",
    "fr-FR": "Votre code de vérification est {}.",
    "it-IT": "Il tuo codice di verifica è {}.",
    "ja-JP": "確認コードは {} です。",
    "kr-KR": "인증 코드는 {}입니다.",
    "pt-BR": "Seu código de verificação é {}.",
    "zh-CN": "您的验证码是 {}。",
    "zh-TW": "您的驗證碼是 {}。",
}
_SENDER = re.compile(r"(?=.*[A-Za-z])[A-Za-z0-9]{1,11}", re.ASCII)
_RATE = re.compile(r"\d{1,2}|100", re.ASCII)
_PRICE = re.compile(r"\d{1,8}(\.\d{1,5})?", re.ASCII)


class Text(NamedTuple):
    """A text message."""

    message_id: str
    phone: str
    message: str
    kind: str
    """Promotional or Transactional."""
    sender: str = ""
    """A sender id, or a phone number."""
    max_price: str = ""
    """US dollars."""
    entity_id: str = ""
    template_id: str = ""
    """What senders to India have registered."""


def compose(phone: str, published: Published, settings: Mapping[str, str], display_name: str = "") -> Text:
    """The text for a phone: by the message's attributes, else by the account's ``settings``."""

    def given(name: str) -> str:
        found = published.attributes.get(name)
        return (found.text or "") if found is not None else ""

    message = published.text_for("sms")
    if display_name:
        message = f"{display_name[:DISPLAY_NAME_MAX]}> {message}"
    return Text(
        published.message_id,
        phone,
        message,
        given("AWS.SNS.SMS.SMSType") or settings.get("DefaultSMSType") or PROMOTIONAL,
        given("AWS.MM.SMS.OriginationNumber") or given("AWS.SNS.SMS.SenderID") or settings.get("DefaultSenderID", ""),
        given("AWS.SNS.SMS.MaxPrice"),
        given("AWS.MM.SMS.EntityId"),
        given("AWS.MM.SMS.TemplateId"),
    )


def attributes_problem(published: Published) -> str | None:
    """What is wrong with the message attributes that concern texts; None where nothing is."""
    checks = {
        "AWS.SNS.SMS.SenderID": _SENDER, "AWS.SNS.SMS.SMSType": re.compile("|".join(TYPES)),
        "AWS.SNS.SMS.MaxPrice": _PRICE,
    }  # fmt: skip
    for name, pattern in checks.items():
        found = published.attributes.get(name)
        if found is not None and pattern.fullmatch(found.text or "") is None:
            return f"{name} is invalid"
    return None


def body(text: Text) -> bytes:
    """What a gateway is sent: the input of SendTextMessage."""
    country = {"IN_ENTITY_ID": text.entity_id, "IN_TEMPLATE_ID": text.template_id}
    members = {
        "DestinationPhoneNumber": text.phone,
        "OriginationIdentity": text.sender,
        "MessageBody": text.message,
        "MessageType": text.kind.upper(),
        "MaxPrice": text.max_price,
        "Context": {"MessageId": text.message_id},
        "DestinationCountryParameters": {name: value for name, value in country.items() if value},
    }
    return json.dumps({name: value for name, value in members.items() if value}, ensure_ascii=False).encode()


def refusal(status: int, answer: bytes) -> tuple[str, bool] | None:
    """What a gateway's answer means: None where it took the text, else why not, and whether that may pass."""
    if 200 <= status < 300:
        return None
    try:
        said: Any = json.loads(answer)
    except ValueError:
        said = None
    said = said if isinstance(said, dict) else {}
    kind = str(said.get("__type", "")).rpartition("#")[2]
    words = " ".join(str(part) for part in (kind, said.get("message") or said.get("Message") or "") if part)
    return words or f"HTTP {status}", status == 429 or status >= 500 or kind == "ThrottlingException"


def code_message(language: str, code: str) -> str:
    """The text that brings a one-time password."""
    return _CODES[language].format(code)


def settings_problem(settings: Mapping[str, str]) -> str | None:
    """What is wrong with an account's SMS attributes, in SNS's words; None where nothing is."""
    checks = {
        "DefaultSMSType": re.compile("|".join(TYPES)), "DefaultSenderID": _SENDER, "MonthlySpendLimit": _PRICE,
        "DeliveryStatusSuccessSamplingRate": _RATE, "DeliveryStatusIAMRole": feedback.ROLE,
    }  # fmt: skip
    for name, value in settings.items():
        if name not in SETTINGS:
            return f"{name} is not a valid attribute"
        check = checks.get(name)
        if value and name in _REFUSED:
            return f"{name} is invalid: {_REFUSED[name]}"
        if value and check is not None and check.fullmatch(value) is None:
            return f"{name} is invalid"
    return None
