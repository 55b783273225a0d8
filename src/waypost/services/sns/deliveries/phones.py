"""Deliveries to phones."""

from typing import Any

import msgspec

from waypost.service import Context, Job, JobResult
from waypost.services.sns import errors, feedback
from waypost.services.sns.counts import DELIVERED, FAILED, PHONES, count
from waypost.services.sns.deliveries import documents
from waypost.services.sns.deliveries.attempts import FAILURES, Undeliverable, Verdict, attempt
from waypost.services.sns.deliveries.channels import INBOX, channels, refuse_unset, unset
from waypost.services.sns.deliveries.inbox import Note
from waypost.services.sns.limits import TEXT_MAX
from waypost.services.sns.rules import texts
from waypost.services.sns.rules.feedback import NOTHING, Ended, Place, of_texts
from waypost.services.sns.rules.feedback import PHONES as GROUP
from waypost.services.sns.rules.retries import CUSTOMER_MANAGED, RetryPolicy
from waypost.services.sns.topic import Published
from waypost.store.store import Tx
from waypost.work import jobs
from waypost.work.perform import HttpAnswer, HttpPost

TEXT = "sns.text"
VERIFIED = "Verified"

_decode = msgspec.json.Decoder(dict[str, str]).decode


def to_phone(tx: Tx, ctx: Context, phone: str, published: Published) -> None:
    """Promise a text to a phone number, in E.164. Raises ``AwsError`` where it cannot be sent as asked."""
    refuse_unset(tx, ctx, "sms")
    if len(published.text_for("sms")) > TEXT_MAX:
        raise errors.invalid("Message too long")
    problem = texts.attributes_problem(published)
    if problem is not None:
        raise errors.invalid("MessageAttributes", problem)
    _promise(tx, ctx, phone, published, checked=False)


def say_code(tx: Tx, ctx: Context, phone: str, message: str) -> None:
    """Promise a one-time password to a phone that is yet to be verified."""
    published = Published(ctx.ids.uuid(), "", message, None, None, {}, ctx.now_ms)
    _promise(tx, ctx, phone, published, checked=True)


def _promise(tx: Tx, ctx: Context, phone: str, published: Published, *, checked: bool) -> None:
    kept = documents.keep(tx, ctx, 0, published, f"sns:phone:{phone}")
    payload = {**kept.members, "Phone": phone, "Checked": checked, FAILURES: 0}
    jobs.enqueue(tx, ctx, kind=TEXT, key=kept.key, run_at_ms=ctx.now_ms, payload=payload)


def send_text(tx: Tx, ctx: Context, job: Job) -> JobResult:
    """Send a message that was published to a phone number, or a one-time password."""
    published = documents.read(tx, job)
    if published is None:
        return None
    return attempt(tx, ctx, job, _ToPhone(job.payload["Phone"], published, job.payload["Checked"]))


class _ToPhone:
    """An errand: a text that belongs to no subscription."""

    retry: RetryPolicy = CUSTOMER_MANAGED

    def __init__(self, phone: str, published: Published, checked: bool) -> None:
        self._phone, self._published, self._checked = phone, published, checked
        self._answer: HttpAnswer | None = None
        """The last one."""

    @property
    def name(self) -> str:
        return f"text {self._published.message_id}"

    def prepare(self, tx: Tx, ctx: Context) -> HttpPost | Note:
        return prepare(tx, ctx, self._phone, self._published, checked=self._checked)

    def judge(self, tx: Tx, ctx: Context, outcome: Any) -> Verdict:  # noqa: ARG002 (an errand)
        self._answer = outcome if isinstance(outcome, HttpAnswer) else None
        return judge(outcome)

    def delivered(self, tx: Tx, ctx: Context) -> None:
        count(tx, ctx, *PHONES, DELIVERED)
        self._log(tx, ctx, "Message has been accepted by the gateway")

    def failed(self, tx: Tx, ctx: Context, error: str, attempts: int) -> None:
        count(tx, ctx, *PHONES, FAILED, error)
        self._log(tx, ctx, error, attempts)

    def _log(self, tx: Tx, ctx: Context, response: str, attempts: int | None = None) -> None:
        """Write of it to the account's log, if that is wanted; of one-time passwords there is nothing to tell."""
        settings = sms_settings(tx, ctx)
        wanted = of_texts(settings)
        if self._checked or wanted == NOTHING:
            return
        kind = texts.compose(self._phone, self._published, settings, "").kind
        status = None if self._answer is None else self._answer.status
        ended = Ended(self._phone, response, status, ctx.now_ms, attempts, {"smsType": kind})
        feedback.tell(tx, ctx, wanted, Place(ctx.account, ctx.region, GROUP), self._published, ended)


def prepare(
    tx: Tx, ctx: Context, phone: str, published: Published, *, display_name: str = "", checked: bool = False
) -> HttpPost | Note:
    """A text to a phone, of the context's account; raises ``Undeliverable``.

    ``checked``: it need not have been verified, where there is a sandbox.
    """
    found = channels(tx, ctx)
    if not found.sms:
        raise Undeliverable(unset("sms").message)
    if is_opted_out(tx, ctx, phone):
        raise Undeliverable("Phone number is opted out")
    if found.sandbox and not checked and not _is_verified(tx, ctx, phone):
        raise Undeliverable("Phone number is not verified, and the account is in the SMS sandbox")
    if len(published.text_for("sms")) > TEXT_MAX:
        raise Undeliverable(f"Message is longer than {TEXT_MAX} characters")
    text = texts.compose(phone, published, sms_settings(tx, ctx), display_name)
    if found.sms == INBOX:
        return Note(
            "sms", phone,
            {"MessageId": text.message_id, "Message": text.message, "Sender": text.sender, "Type": text.kind},
        )  # fmt: skip
    return HttpPost(found.sms, texts.HEADERS, texts.body(text))


def judge(outcome: Any) -> Verdict:
    """What a gateway's answer means."""
    if not isinstance(outcome, HttpAnswer):
        return Verdict(outcome.error)
    refused = texts.refusal(outcome.status, outcome.body)
    return Verdict() if refused is None else Verdict(*refused)


def is_opted_out(tx: Tx, ctx: Context, phone: str) -> bool:
    """Whether a phone wants no texts of the context's account."""
    row = tx.one(documents.Q.get_opted_out, account=ctx.account, region=ctx.region, phone=phone)
    return row is not None and (row[1] is None or row[1] < row[0])


def _is_verified(tx: Tx, ctx: Context, phone: str) -> bool:
    row = tx.one(documents.Q.get_sandbox_phone, account=ctx.account, region=ctx.region, phone=phone)
    return row is not None and row[0] == VERIFIED


def sms_settings(tx: Tx, ctx: Context) -> dict[str, str]:
    """The account's SMS attributes that were set."""
    row = tx.one(documents.Q.get_sms_settings, account=ctx.account, region=ctx.region)
    return {} if row is None else _decode(row[0])
