"""Deliveries to subscribers outside of this database: web servers, mailboxes, phones, devices; and to functions."""

from collections.abc import Sequence
from typing import Any

import msgspec

from waypost import arn
from waypost.aws.errors import AwsError
from waypost.service import Again, Context, Job, JobResult
from waypost.services.sns import errors, feedback, queues, signing
from waypost.services.sns.counts import DELIVERED, count
from waypost.services.sns.deliveries import devices, documents, mails, phones, web
from waypost.services.sns.deliveries.attempts import FAILURES, TURN, Undeliverable, Verdict, attempt
from waypost.services.sns.deliveries.channels import refuse_unset
from waypost.services.sns.deliveries.inbox import Note
from waypost.services.sns.rules import envelope, letters, names, retries
from waypost.services.sns.rules.retries import CUSTOMER_MANAGED, RetryPolicy
from waypost.services.sns.topic import Published, Subscription, Topic, find, subscription_by_id
from waypost.store.store import Tx
from waypost.work import jobs
from waypost.work.perform import HttpAnswer, HttpPost, SendMail

DELIVER = "sns.deliver"
MAIL = ("email", "email-json")
SIGNED = (*names.WEB, "email-json")
"""Who gets envelopes."""

_encode = msgspec.json.Encoder().encode


def check_subscriber(tx: Tx, ctx: Context, protocol: str, endpoint: str) -> None:
    """Raise ``AwsError`` where a subscription would get nothing: Subscribe refuses it."""
    if protocol in (*MAIL, "sms", "application"):
        refuse_unset(tx, ctx, protocol)
    if protocol == "application" and devices.find_endpoint(tx, endpoint) is None:
        raise errors.invalid("Endpoint", f"Endpoint does not exist for endpoint {endpoint}")


def begin(tx: Tx, ctx: Context, topic: Topic, subscription: Subscription, published: Published) -> None:
    """Promise a message to one subscriber."""
    begin_all(tx, ctx, topic, (subscription,), published)


def begin_all(tx: Tx, ctx: Context, topic: Topic, subscriptions: Sequence[Subscription], published: Published) -> None:
    """Promise a message to subscribers of any protocol but sqs; what is long is kept once for all of them."""
    kept: documents.Kept | None = None
    for subscription in subscriptions:
        if subscription.protocol == "lambda":
            _invoke(tx, ctx, topic, subscription, published)
            continue
        if kept is None:
            kept = documents.keep(tx, ctx, topic.id, published, topic.job_key)
        jobs.enqueue(
            tx, ctx, kind=DELIVER, key=kept.key, run_at_ms=ctx.now_ms,
            payload={
                **kept.members, "Topic": [topic.account, topic.region, topic.name, topic.id],
                "Subscription": subscription.id, "Base": ctx.base_url, FAILURES: 0, TURN: False,
            },
        )  # fmt: skip


def deliver(tx: Tx, ctx: Context, job: Job) -> JobResult:
    """Give a message to a subscriber outside: a web server, a mailbox, a phone, a device."""
    account, region, name, topic_id = job.payload["Topic"]
    topic = find(tx, region, account, name)
    subscription = None
    if topic is not None and topic.id == topic_id:
        subscription = subscription_by_id(tx, topic, job.payload["Subscription"])
    published = documents.read(tx, job)
    if topic is None or subscription is None or published is None:
        documents.release(tx, ctx, job)
        return None
    if subscription.protocol in SIGNED:
        making = signing.key_first(tx, ctx, lambda tx, later: deliver(tx, later, job))
        if making is not None:
            return making
    policy = retries.effective(topic.settings.delivery_policy, subscription.settings.delivery_policy)
    if policy.per_second and subscription.protocol in names.WEB and not job.payload[TURN]:
        turn_ms = _take_turn(tx, ctx, topic, subscription, policy.per_second)
        if turn_ms > ctx.now_ms:
            return Again(turn_ms, {**job.payload, TURN: True})
    return attempt(tx, ctx, job, _ToSubscriber(topic, subscription, published, policy, job.payload["Base"]))


def _take_turn(tx: Tx, ctx: Context, topic: Topic, subscription: Subscription, per_second: int) -> int:
    now_us, gap_us = ctx.now_ms * 1_000, 1_000_000 // per_second
    row = tx.one(
        documents.Q.take_turn, topic=topic.id, subscription=subscription.id, now=now_us, gap=gap_us,
        following=now_us + gap_us,
    )  # fmt: skip
    return -(-int(row[0]) // 1_000) if row is not None else ctx.now_ms


class _ToSubscriber:
    """An errand: a message to a subscription."""

    def __init__(
        self, topic: Topic, subscription: Subscription, published: Published, policy: retries.DeliveryPolicy, base: str
    ) -> None:
        self._topic, self._subscription, self._published = topic, subscription, published
        self._policy, self._base = policy, base
        self._answer: HttpAnswer | None = None
        """The last one."""

    @property
    def name(self) -> str:
        to = self._subscription
        return f"message {self._published.message_id} to {to.protocol} {names.masked(to.endpoint)}"

    @property
    def retry(self) -> RetryPolicy:
        return self._policy.retry if self._subscription.protocol in names.WEB else CUSTOMER_MANAGED

    @property
    def _raw(self) -> bool:
        return self._subscription.settings.raw and self._subscription.protocol in names.WEB

    def _owners(self, ctx: Context) -> Context:
        """The context of the subscription's owner, with the address at which the publisher knows this server."""
        return msgspec.structs.replace(ctx, account=self._subscription.account, base_url=self._base)

    def prepare(self, tx: Tx, ctx: Context) -> HttpPost | SendMail | Note:
        owners = self._owners(ctx)
        to, published, display_name = self._subscription, self._published, self._topic.settings.display_name
        match to.protocol:
            case "sms":
                return phones.prepare(tx, owners, to.endpoint, published, display_name=display_name)
            case "application":
                return devices.prepare(tx, owners, self._endpoint(tx), published)
            case "email":
                leave_url = envelope.unsubscribe_url(self._base, to.arn)
                text = published.text_for("email")
                letter = letters.notification(display_name, published.subject, text, leave_url)
                return mails.mail(tx, owners, to.endpoint, letter, published.message_id)
            case "email-json":
                letter = letters.document(display_name, published.subject, self._body(tx, owners))
                return mails.mail(tx, owners, to.endpoint, letter, published.message_id)
        return web.post(
            to.endpoint, envelope.NOTIFICATION, self._body(tx, owners), message_id=published.message_id,
            topic_arn=to.topic_arn, subscription_arn=to.arn, raw=self._raw, content_type=self._policy.content_type,
        )  # fmt: skip

    def _endpoint(self, tx: Tx) -> devices.Endpoint:
        endpoint = devices.find_endpoint(tx, self._subscription.endpoint)
        if endpoint is None:
            raise Undeliverable("Endpoint does not exist")
        return endpoint

    def _body(self, tx: Tx, owners: Context) -> str:
        text = self._published.text_for(self._subscription.protocol)
        if self._raw:
            return text
        written = queues.enclosed(tx, owners, self._topic, self._published, text)
        return written.to(self._base, self._subscription.arn)

    def judge(self, tx: Tx, ctx: Context, outcome: Any) -> Verdict:
        self._answer = outcome if isinstance(outcome, HttpAnswer) else None
        match self._subscription.protocol:
            case "sms":
                return phones.judge(outcome)
            case "application":
                endpoint = devices.find_endpoint(tx, self._subscription.endpoint)
                return Verdict() if endpoint is None else devices.judge(tx, ctx, endpoint, outcome)
            case "email" | "email-json":
                return mails.judge(outcome)
        return web.judge(outcome)

    def delivered(self, tx: Tx, ctx: Context) -> None:
        count(tx, ctx, self._topic.id, self._subscription.id, DELIVERED)
        answer = HttpAnswer(200, {}, b"") if self._answer is None else self._answer
        feedback.tell_topic(
            tx, ctx, self._topic, self._subscription, self._published, status=answer.status,
            response=answer.body.decode(errors="replace"),
        )  # fmt: skip

    def failed(self, tx: Tx, ctx: Context, error: str, attempts: int) -> None:
        queues.bury(
            tx, self._owners(ctx), self._topic, self._subscription, self._published, error, attempts=attempts,
            status=None if self._answer is None else self._answer.status,
        )  # fmt: skip


def _invoke(tx: Tx, ctx: Context, topic: Topic, subscription: Subscription, published: Published) -> None:
    """Have a function invoked: Lambda promises it in the publisher's transaction, and tries again by its own rules."""
    document = envelope.notification(published, published.text_for("lambda"))
    event = envelope.lambda_event(
        signing.sign(tx, ctx, document, "1"), published.attributes, base_url=ctx.base_url,
        subscription_arn=subscription.arn,
    )  # fmt: skip
    function = arn.parse(subscription.endpoint)
    owner = ctx if function is None else msgspec.structs.replace(ctx, account=function.account, region=function.region)
    request = {"FunctionName": subscription.endpoint, "InvocationType": "Event", "Payload": _encode(event)}
    try:
        ctx.calls.call(tx, owner, "lambda", "Invoke", request)
    except AwsError as error:
        # A function that is gone stays gone, as far as SNS is concerned: no retry.
        queues.bury(tx, ctx, topic, subscription, published, str(error), status=error.status)
    else:
        count(tx, ctx, topic.id, subscription.id, DELIVERED)
        response = _encode({"lambdaRequestId": ctx.request_id}).decode()
        feedback.tell_topic(tx, ctx, topic, subscription, published, status=202, response=response)
