"""Asks endpoints whether they want to be subscribed, and tells them when they are no longer."""

from typing import Any, NamedTuple

import msgspec

from waypost.service import Context, Job, JobResult
from waypost.services.sns import signing
from waypost.services.sns.deliveries import mails, web
from waypost.services.sns.deliveries.attempts import FAILURES, Verdict, attempt
from waypost.services.sns.deliveries.inbox import Note
from waypost.services.sns.deliveries.subscribers import MAIL
from waypost.services.sns.rules import envelope, letters, names, retries
from waypost.services.sns.rules.envelope import CONFIRMATION, UNSUBSCRIBED, Document
from waypost.services.sns.rules.retries import CUSTOMER_MANAGED, RetryPolicy
from waypost.services.sns.topic import Subscription, Topic, find, subscription_by_id
from waypost.store.store import Tx
from waypost.work import jobs
from waypost.work.perform import HttpPost, SendMail

CONFIRM = "sns.confirm"


def ask_to_confirm(tx: Tx, ctx: Context, topic: Topic, subscription: Subscription, token: str) -> None:
    """Promise to ask an endpoint whether it wants to be subscribed; ``token`` is what it has to give back."""
    _promise(tx, ctx, topic, subscription, token, CONFIRMATION)


def say_unsubscribed(tx: Tx, ctx: Context, topic: Topic, subscription: Subscription, token: str) -> None:
    """Promise to tell an endpoint that its subscription is gone; ``token`` takes that back."""
    _promise(tx, ctx, topic, subscription, token, UNSUBSCRIBED)


def _promise(tx: Tx, ctx: Context, topic: Topic, subscription: Subscription, token: str, kind: str) -> None:
    if subscription.protocol not in (*MAIL, "http", "https"):
        return  # nobody is there to read it
    jobs.enqueue(
        tx, ctx, kind=CONFIRM, key=topic.job_key, run_at_ms=ctx.now_ms,
        payload={
            "Topic": [topic.account, topic.region, topic.name, topic.id], "Subscription": subscription.id,
            "SubscriptionArn": subscription.arn, "Protocol": subscription.protocol, "Endpoint": subscription.endpoint,
            "DeliveryPolicy": subscription.settings.delivery_policy, "Kind": kind, "Token": token,
            "MessageId": ctx.ids.uuid(), "At": ctx.now_ms, "Base": ctx.base_url, FAILURES: 0,
        },
    )  # fmt: skip


def confirm(tx: Tx, ctx: Context, job: Job) -> JobResult:
    """Ask an endpoint whether it wants to be subscribed, or tell it that it no longer is."""
    account, region, name, topic_id = job.payload["Topic"]
    topic = find(tx, region, account, name)
    if topic is None or topic.id != topic_id:
        return None
    said = job.payload
    asked = _Asked(
        said["Kind"], said["Protocol"], said["Endpoint"], said["SubscriptionArn"], said["Token"], said["MessageId"],
        said["At"], said["Base"],
    )  # fmt: skip
    if asked.kind == CONFIRMATION:
        subscription = subscription_by_id(tx, topic, said["Subscription"])
        if subscription is None or subscription.confirmed:
            return None
    making = signing.key_first(tx, ctx, lambda tx, later: confirm(tx, later, job))
    if making is not None:
        return making
    policy = retries.effective(topic.settings.delivery_policy, said["DeliveryPolicy"])
    return attempt(tx, ctx, job, _ToEndpoint(topic, asked, policy))


class _Asked(NamedTuple):
    """What an endpoint is to be told."""

    kind: str
    protocol: str
    endpoint: str
    subscription_arn: str
    token: str
    message_id: str
    at_ms: int
    base: str


class _ToEndpoint:
    """An errand: a confirmation."""

    def __init__(self, topic: Topic, asked: _Asked, policy: retries.DeliveryPolicy) -> None:
        self._topic, self._asked, self._policy = topic, asked, policy

    @property
    def name(self) -> str:
        return f"{self._asked.kind} to {self._asked.protocol} {names.masked(self._asked.endpoint)}"

    @property
    def retry(self) -> RetryPolicy:
        return CUSTOMER_MANAGED if self._asked.protocol in MAIL else self._policy.retry

    def _document(self) -> Document:
        asked = self._asked
        common: dict[str, Any] = {
            "message_id": asked.message_id, "token": asked.token, "topic_arn": self._topic.arn, "at_ms": asked.at_ms,
            "base_url": asked.base,
        }  # fmt: skip
        if asked.kind == CONFIRMATION:
            return envelope.confirmation(**common)
        return envelope.unsubscribed(subscription_arn=asked.subscription_arn, **common)

    def prepare(self, tx: Tx, ctx: Context) -> HttpPost | SendMail | Note:
        asked, document = self._asked, self._document()
        if asked.protocol == "email":
            write = letters.confirmation if asked.kind == CONFIRMATION else letters.unsubscribed
            return mails.mail(tx, ctx, asked.endpoint, write(document), asked.message_id)
        known = msgspec.structs.replace(ctx, base_url=asked.base)
        signed = signing.sign(tx, known, document, self._topic.settings.signature_version)
        if asked.protocol == "email-json":
            subject = letters.CONFIRM_SUBJECT if asked.kind == CONFIRMATION else letters.UNSUBSCRIBED_SUBJECT
            letter = letters.document("", subject, envelope.write(signed))
            return mails.mail(tx, ctx, asked.endpoint, letter, asked.message_id)
        return web.post(
            asked.endpoint, asked.kind, envelope.write(signed), message_id=asked.message_id,
            topic_arn=self._topic.arn,
            subscription_arn=None if asked.kind == CONFIRMATION else asked.subscription_arn,
        )  # fmt: skip

    def judge(self, tx: Tx, ctx: Context, outcome: Any) -> Verdict:  # noqa: ARG002 (an errand)
        return mails.judge(outcome) if self._asked.protocol in MAIL else web.judge(outcome)

    def delivered(self, tx: Tx, ctx: Context) -> None:
        """Whether it is wanted is said by ConfirmSubscription."""

    def failed(self, tx: Tx, ctx: Context, error: str, attempts: int) -> None:
        """The subscription stays pending until its token expires."""
