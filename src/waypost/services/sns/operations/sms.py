"""SMS: the account's attributes, phones that opted out, and the sandbox."""

import msgspec

from waypost.aws.errors import AwsError
from waypost.service import Context, Operation, Params, Perform
from waypost.services.sns import errors
from waypost.services.sns.deliveries.channels import channels, refuse_unset
from waypost.services.sns.deliveries.documents import Q
from waypost.services.sns.deliveries.phones import VERIFIED, is_opted_out, say_code, sms_settings
from waypost.services.sns.limits import (
    LIST_MAX,
    OPT_IN_MS,
    SANDBOX_CODES_MAX,
    SANDBOX_GUESSES_MAX,
    SANDBOX_MS,
    SANDBOX_VERIFIED_MAX,
)
from waypost.services.sns.rules import pages, phones, texts
from waypost.store.store import Tx
from waypost.work.perform import Nothing

PENDING = "Pending"
CODE_DIGITS = 6

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(dict[str, str]).decode


def set_sms_attributes(tx: Tx, ctx: Context, request: Params) -> Params:
    """Change some of what holds for the account's texts; an empty value takes one away."""
    given: dict[str, str] = request["attributes"]
    problem = texts.settings_problem(given)
    if problem is not None:
        raise AwsError("InvalidParameterException", problem)
    settings = {name: value for name, value in {**_lock_settings(tx, ctx), **given}.items() if value}
    tx.run(Q.set_sms_settings, account=ctx.account, region=ctx.region, settings=_encode(settings).decode())
    return {}


def _lock_settings(tx: Tx, ctx: Context) -> dict[str, str]:
    """What is set; nobody else changes it until the transaction is over."""
    place = {"account": ctx.account, "region": ctx.region}
    tx.run(Q.add_sms_settings, settings="{}", **place)
    row = tx.one(Q.lock_sms_settings, **place)
    return {} if row is None else _decode(row[0])


def get_sms_attributes(tx: Tx, ctx: Context, request: Params) -> Params:
    """What holds for the account's texts."""
    settings = {"MonthlySpendLimit": texts.SPEND_LIMIT_DEFAULT, **sms_settings(tx, ctx)}
    asked = request.get("attributes")
    for name in asked or ():
        if name not in texts.SETTINGS:
            raise AwsError("InvalidParameterException", f"{name} is not a valid attribute")
    return {"attributes": {name: value for name, value in settings.items() if not asked or name in asked}}


# --- opting out


def check_if_phone_number_is_opted_out(tx: Tx, ctx: Context, request: Params) -> Params:
    """Whether a phone wants no texts."""
    return {"isOptedOut": is_opted_out(tx, ctx, phones.opted(request["phoneNumber"]))}


def list_phone_numbers_opted_out(tx: Tx, ctx: Context, request: Params) -> Params:
    """Phones that want no texts, a hundred to a page."""
    after = pages.after(request, "nextToken")
    rows = tx.all(Q.list_opted_out, account=ctx.account, region=ctx.region, after=after, limit=LIST_MAX + 1)
    shown, following = pages.cut(rows, LIST_MAX, lambda row: str(row[0]), "nextToken")
    return {"phoneNumbers": [row[0] for row in shown], **following}


def opt_in_phone_number(tx: Tx, ctx: Context, request: Params) -> Params:
    """Take an opting out back, which can be done once in thirty days."""
    place = {"account": ctx.account, "region": ctx.region, "phone": phones.opted(request["phoneNumber"])}
    row = tx.one(Q.lock_opted_out, **place)
    if row is None or (row[1] is not None and row[1] >= row[0]):
        return {}
    if row[1] is not None and row[1] + OPT_IN_MS > ctx.now_ms:
        raise errors.invalid("PhoneNumber", "a phone number can be opted in once every 30 days")
    tx.run(Q.opt_in, now=ctx.now_ms, **place)
    return {}


def receive_text(tx: Tx, ctx: Context, request: Params) -> Params:
    """A phone's answer, from the gateway: ``{"PhoneNumber", "Message"}`` to ``{"OptedOut": bool}``."""
    phone = phones.opted(request["PhoneNumber"])
    wants_out = request["Message"].strip().upper() in texts.STOP_WORDS
    if wants_out and not is_opted_out(tx, ctx, phone):
        tx.run(Q.opt_out, account=ctx.account, region=ctx.region, phone=phone, now=ctx.now_ms)
    return {"OptedOut": wants_out}


# --- the sandbox


def get_sms_sandbox_account_status(tx: Tx, ctx: Context, request: Params) -> Params:  # noqa: ARG001 (an operation)
    """Whether texts go only to phones that were verified: a setting of this server."""
    return {"IsInSandbox": channels(tx, ctx).sandbox}


def create_sms_sandbox_phone_number(tx: Tx, ctx: Context, request: Params) -> Params:
    """Send a one-time password to a phone that is to be verified; again where it did not arrive."""
    phone = _sandbox_phone(request)
    refuse_unset(tx, ctx, "sms")
    if is_opted_out(tx, ctx, phone):
        raise AwsError("OptedOutException", f"The phone number {phone} opted out of receiving SMS messages.")
    place = {"account": ctx.account, "region": ctx.region, "phone": phone}
    tx.run(Q.add_sandbox_phone, now=ctx.now_ms, **place)
    row = tx.one(Q.lock_sandbox_phone, **place)
    status, _, _, sent, sent_since, _ = row or (PENDING, "", 0, 0, ctx.now_ms, ctx.now_ms)
    if status == VERIFIED:
        raise AwsError("UserErrorException", "The phone number is verified already.")
    if sent_since + SANDBOX_MS <= ctx.now_ms:
        sent, sent_since = 0, ctx.now_ms
    if sent >= SANDBOX_CODES_MAX:
        raise AwsError("ThrottledException", f"At most {SANDBOX_CODES_MAX} one-time passwords are sent in 24 hours.")
    code = f"{int(ctx.ids.token(8), 16) % 10**CODE_DIGITS:0{CODE_DIGITS}d}"
    tx.run(
        Q.set_sandbox_phone, status=PENDING, code=code, wrong=0, sent=sent + 1, sent_since=sent_since,
        changed_at=ctx.now_ms, **place,
    )  # fmt: skip
    say_code(tx, ctx, phone, texts.code_message(request.get("LanguageCode") or "en-US", code))
    return {}


def verify_sms_sandbox_phone_number(tx: Tx, ctx: Context, request: Params) -> Params | Perform:
    """Take the one-time password back. A wrong one is kept count of, and then refused."""
    place = {"account": ctx.account, "region": ctx.region, "phone": _sandbox_phone(request)}
    row = tx.one(Q.lock_sandbox_phone, **place)
    if row is None:
        raise _no_phone()
    status, code, wrong, sent, sent_since, _ = row
    if status == VERIFIED:
        return {}
    changed = {"sent": sent, "sent_since": sent_since, "changed_at": ctx.now_ms}
    if not code or request["OneTimePassword"] != code:
        void = wrong + 1 >= SANDBOX_GUESSES_MAX
        tx.run(Q.set_sandbox_phone, status=status, code="" if void else code, wrong=wrong + 1, **changed, **place)
        return Perform(Nothing(), _refuse_code)
    _lock_settings(tx, ctx)  # whoever counts for the quota holds the account
    verified = tx.one(Q.count_verified, account=ctx.account, region=ctx.region)
    if verified is not None and verified[0] >= SANDBOX_VERIFIED_MAX:
        raise AwsError("UserErrorException", f"At most {SANDBOX_VERIFIED_MAX} phone numbers can be verified.")
    tx.run(Q.set_sandbox_phone, status=VERIFIED, code="", wrong=0, **changed, **place)
    return {}


def _refuse_code(_tx: Tx, _ctx: Context, _outcome: None) -> Params:
    raise AwsError("VerificationException", "The one-time password is not valid.", 400, Status="INVALID")


def delete_sms_sandbox_phone_number(tx: Tx, ctx: Context, request: Params) -> Params:
    """Forget a phone, a day after it was verified or last tried to be."""
    place = {"account": ctx.account, "region": ctx.region, "phone": _sandbox_phone(request)}
    row = tx.one(Q.lock_sandbox_phone, **place)
    if row is None:
        raise _no_phone()
    if row[5] + SANDBOX_MS > ctx.now_ms:
        raise AwsError(
            "UserErrorException",
            "A phone number can be deleted 24 hours after its verification or the last attempt at it.",
        )
    tx.run(Q.delete_sandbox_phone, **place)
    return {}


def list_sms_sandbox_phone_numbers(tx: Tx, ctx: Context, request: Params) -> Params:
    """The account's phones, verified or not."""
    size = request.get("MaxResults") or LIST_MAX
    rows = tx.all(
        Q.list_sandbox_phones, account=ctx.account, region=ctx.region, after=pages.after(request), limit=size + 1
    )
    shown, following = pages.cut(rows, size, lambda row: str(row[0]))
    return {"PhoneNumbers": [{"PhoneNumber": phone, "Status": status} for phone, status in shown], **following}


def list_origination_numbers(tx: Tx, ctx: Context, request: Params) -> Params:  # noqa: ARG001 (an operation)
    """None: numbers belong to the gateway, and AWS's are leased from AWS."""
    if pages.after(request):
        raise errors.invalid("NextToken")
    return {"PhoneNumbers": []}


def _sandbox_phone(request: Params) -> str:
    phone = phones.canonical(request["PhoneNumber"])
    if phone is None:
        raise errors.invalid("PhoneNumber", f"{request['PhoneNumber']} is not a valid phone number")
    return phone


def _no_phone() -> AwsError:
    return AwsError("ResourceNotFoundException", "The phone number is not in the SMS sandbox.")


OPERATIONS: dict[str, Operation] = {
    "CheckIfPhoneNumberIsOptedOut": check_if_phone_number_is_opted_out,
    "CreateSMSSandboxPhoneNumber": create_sms_sandbox_phone_number,
    "DeleteSMSSandboxPhoneNumber": delete_sms_sandbox_phone_number,
    "GetSMSAttributes": get_sms_attributes,
    "GetSMSSandboxAccountStatus": get_sms_sandbox_account_status,
    "ListOriginationNumbers": list_origination_numbers,
    "ListPhoneNumbersOptedOut": list_phone_numbers_opted_out,
    "ListSMSSandboxPhoneNumbers": list_sms_sandbox_phone_numbers,
    "OptInPhoneNumber": opt_in_phone_number,
    "SetSMSAttributes": set_sms_attributes,
    "VerifySMSSandboxPhoneNumber": verify_sms_sandbox_phone_number,
    "waypost:ReceiveText": receive_text,
}
NOTES = {
    "CreateSMSSandboxPhoneNumber": "The password stays valid until another one is sent, or five wrong ones came back.",
    "GetSMSSandboxAccountStatus": "Whether accounts are in the sandbox is the setting `sms_sandbox`.",
    "ListOriginationNumbers": "Always empty: numbers are the gateway's.",
    "SetSMSAttributes": (
        "MonthlySpendLimit is kept and shown; a gateway's texts have no price here that could reach it. "
        "UsageReportS3Bucket is refused: there is no S3. With a DeliveryStatusIAMRole, which is not looked at, the "
        "status of texts that were published to phone numbers goes to CloudWatch Logs, without what only networks know "
        "(carrier, price); of a topic's texts it is only counted (`/_waypost/sns/deliveries`)."
    ),
}
