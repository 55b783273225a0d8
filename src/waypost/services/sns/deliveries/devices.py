"""Deliveries to devices, by the push notification services of their platforms."""

import logging
from typing import Any, NamedTuple

import msgspec

from waypost import arn
from waypost.aws.errors import AwsError
from waypost.service import Context, Job, JobResult
from waypost.services.sns import errors, feedback
from waypost.services.sns.counts import DELIVERED, FAILED, count
from waypost.services.sns.deliveries import documents
from waypost.services.sns.deliveries.attempts import FAILURES, Undeliverable, Verdict, attempt
from waypost.services.sns.deliveries.channels import INBOX, channels, refuse_unset, unset
from waypost.services.sns.deliveries.documents import Q
from waypost.services.sns.deliveries.inbox import Note
from waypost.services.sns.rules import push
from waypost.services.sns.rules.envelope import timestamp
from waypost.services.sns.rules.feedback import Ended, Place, of_roles
from waypost.services.sns.rules.retries import CUSTOMER_MANAGED, RetryPolicy
from waypost.services.sns.topic import Published
from waypost.store.queries import Query
from waypost.store.store import Row, Tx
from waypost.work import jobs
from waypost.work.perform import HttpAnswer, HttpPost

log = logging.getLogger(__name__)

PUSH = "sns.push"

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(dict[str, str]).decode


class Application(NamedTuple):
    """A platform application."""

    account: str
    region: str
    platform: str
    name: str
    id: int
    settings: dict[str, str]

    @property
    def arn(self) -> str:
        """Its ARN."""
        return arn.make("sns", self.region, self.account, f"app/{self.platform}/{self.name}")

    @property
    def enabled(self) -> bool:
        """Whether messages go to its devices."""
        return self.settings.get("Enabled", "true") == "true"


class Endpoint(NamedTuple):
    """A device that runs an application."""

    application: Application
    uuid: str
    token: str
    enabled: bool
    user_data: str | None
    extra: dict[str, str]
    """Attributes that only some platforms have."""

    @property
    def arn(self) -> str:
        """Its ARN."""
        app = self.application
        return arn.make("sns", app.region, app.account, f"endpoint/{app.platform}/{app.name}/{self.uuid}")

    @property
    def attributes(self) -> dict[str, str]:
        """As GetEndpointAttributes shows them."""
        shown = {"Enabled": "true" if self.enabled else "false", "Token": self.token, **self.extra}
        return shown if self.user_data is None else shown | {"CustomUserData": self.user_data}


def find_application(tx: Tx, region: str, account: str, platform: str, name: str) -> Application | None:
    """The platform application of that name."""
    row = tx.one(Q.get_application, account=account, region=region, platform=platform, name=name)
    return None if row is None else Application(account, region, platform, name, row[0], _decode(row[1]))


def endpoint_of(application: Application, row: Row) -> Endpoint:
    """An endpoint from its row: uuid, token, enabled, user data, what else there is."""
    return Endpoint(application, row[0], row[1], bool(row[2]), row[3], _decode(row[4]))


def find_endpoint(tx: Tx, endpoint_arn: str, query: Query = Q.get_endpoint) -> Endpoint | None:
    """The endpoint that an ARN names; ``query`` may be the one that locks it."""
    parsed = arn.parse(endpoint_arn)
    if parsed is None or parsed.service != "sns":
        return None
    kind, _, rest = parsed.resource.partition("/")
    parts = rest.split("/")
    if kind != "endpoint" or len(parts) != 3:
        return None
    application = find_application(tx, parsed.region, parsed.account, parts[0], parts[1])
    if application is None:
        return None
    row = tx.one(query, application=application.id, uuid=parts[2])
    return None if row is None else endpoint_of(application, (parts[2], *row))


def tell(tx: Tx, ctx: Context, application: Application, event: str, members: dict[str, Any]) -> None:
    """Publish an event of an application to the topic that wants it: ``EndpointCreated``, ``DeliveryFailure`` ..."""
    topic_arn = application.settings.get(f"Event{event}")
    if not topic_arn:
        return
    message = {**members, "EventType": event, "Resource": application.arn, "Service": "SNS",
               "Time": timestamp(ctx.now_ms)}  # fmt: skip
    owner = msgspec.structs.replace(ctx, account=application.account, region=application.region)
    text = msgspec.json.encode(message, order="sorted").decode()
    try:
        ctx.calls.call(tx, owner, "sns", "Publish", {"TopicArn": topic_arn, "Message": text})
    except AwsError as error:
        log.warning("event %s of %s is dropped: %s", event, application.arn, error)


def insert_endpoint(tx: Tx, endpoint: Endpoint) -> bool:
    """Keep an endpoint, unless there is one with its token: who makes that at this moment is waited for."""
    return tx.run(Q.insert_endpoint, **_columns(endpoint), token=endpoint.token) == 1


def change_endpoint(tx: Tx, ctx: Context, endpoint: Endpoint, changed: Endpoint) -> bool:
    """Keep what changed of an endpoint, and tell who wants to know. False where its new token is another's."""
    if changed == endpoint:
        return True
    if changed.token == endpoint.token:
        tx.run(Q.change_endpoint, **_columns(changed))
    else:
        tx.run(Q.delete_endpoint, application=endpoint.application.id, uuid=endpoint.uuid)
        if not insert_endpoint(tx, changed):
            insert_endpoint(tx, endpoint)
            return False
    tell(tx, ctx, endpoint.application, "EndpointUpdated", {"EndpointArn": endpoint.arn})
    return True


def _columns(endpoint: Endpoint) -> dict[str, Any]:
    return {
        "application": endpoint.application.id, "uuid": endpoint.uuid, "enabled": int(endpoint.enabled),
        "user_data": endpoint.user_data, "extra": _encode(endpoint.extra).decode(),
    }  # fmt: skip


# --- messages


def to_endpoint(tx: Tx, ctx: Context, endpoint_arn: str, published: Published) -> None:
    """Promise a message to one device. Raises ``AwsError`` where it cannot be sent."""
    refuse_unset(tx, ctx, "application")
    endpoint = find_endpoint(tx, endpoint_arn)
    if endpoint is None:
        raise errors.invalid("TargetArn", "No endpoint found for the target arn specified")
    if not endpoint.application.enabled:
        raise AwsError("PlatformApplicationDisabledException", "Platform application is disabled")
    if not endpoint.enabled:
        raise AwsError("EndpointDisabledException", "Endpoint is disabled")
    platform = endpoint.application.platform
    problem = push.problem(platform, published)
    if problem is not None:
        raise errors.invalid("Message", f"Invalid notification for protocol {platform}: {problem}")
    kept = documents.keep(tx, ctx, 0, published, f"sns:endpoint:{endpoint.uuid}")
    payload = {**kept.members, "Endpoint": endpoint_arn, FAILURES: 0}
    jobs.enqueue(tx, ctx, kind=PUSH, key=kept.key, run_at_ms=ctx.now_ms, payload=payload)


def send_push(tx: Tx, ctx: Context, job: Job) -> JobResult:
    """Send a message that was published to an endpoint."""
    published = documents.read(tx, job)
    endpoint = find_endpoint(tx, job.payload["Endpoint"])
    if published is None or endpoint is None:
        documents.release(tx, ctx, job)
        return None
    return attempt(tx, ctx, job, _ToDevice(endpoint, published))


class _ToDevice:
    """An errand: a notification that belongs to no subscription."""

    retry: RetryPolicy = CUSTOMER_MANAGED

    def __init__(self, endpoint: Endpoint, published: Published) -> None:
        self._endpoint, self._published = endpoint, published
        self._answer: HttpAnswer | None = None
        """The last one."""

    @property
    def name(self) -> str:
        return f"notification {self._published.message_id} to {self._endpoint.arn}"

    def prepare(self, tx: Tx, ctx: Context) -> HttpPost | Note:
        return prepare(tx, ctx, self._endpoint, self._published)

    def judge(self, tx: Tx, ctx: Context, outcome: Any) -> Verdict:
        self._answer = outcome if isinstance(outcome, HttpAnswer) else None
        return judge(tx, ctx, self._endpoint, outcome)

    def delivered(self, tx: Tx, ctx: Context) -> None:
        count(tx, ctx, 0, self._endpoint.application.id, DELIVERED)
        answer = HttpAnswer(200, {}, b"") if self._answer is None else self._answer
        self._log(tx, ctx, answer.status, answer.body.decode(errors="replace"))

    def failed(self, tx: Tx, ctx: Context, error: str, attempts: int) -> None:
        application = self._endpoint.application
        count(tx, ctx, 0, application.id, FAILED, error)
        self._log(tx, ctx, None if self._answer is None else self._answer.status, error, attempts)
        told = {
            "DeliveryAttempts": attempts, "EndpointArn": self._endpoint.arn, "FailureMessage": error,
            "FailureType": "DeliveryFailed", "MessageId": self._published.message_id,
        }  # fmt: skip
        if (now := find_endpoint(tx, self._endpoint.arn)) is not None and not now.enabled:
            told["FailureMessage"] = "Platform token associated with the endpoint is not valid"
            told["FailureType"] = "InvalidPlatformToken"
        tell(tx, ctx, application, "DeliveryFailure", told)

    def _log(self, tx: Tx, ctx: Context, status: int | None, response: str, attempts: int | None = None) -> None:
        """Write of it to the application owner's log, if that is wanted."""
        to = self._endpoint.application
        place = Place(to.account, to.region, f"app/{to.platform}/{to.name}")
        ended = Ended(self._endpoint.arn, response, status, ctx.now_ms, attempts, {"token": self._endpoint.token})
        feedback.tell(tx, ctx, of_roles(to.settings), place, self._published, ended)


def prepare(tx: Tx, ctx: Context, endpoint: Endpoint, published: Published) -> HttpPost | Note:
    """A notification to a device; raises ``Undeliverable``."""
    gateway = channels(tx, ctx).application
    if not gateway:
        raise Undeliverable(unset("application").message)
    application = endpoint.application
    if not application.enabled:
        raise Undeliverable("Platform application is disabled")
    if not endpoint.enabled:
        raise Undeliverable("Endpoint is disabled")
    device = push.Device(application.platform, endpoint.token, {**application.settings, **endpoint.extra})
    try:
        wanted = push.request(device, published, ctx.now_ms)
    except push.NotPushed as error:
        raise Undeliverable(str(error)) from error
    if gateway == INBOX:
        document = {
            "MessageId": published.message_id, "Platform": application.platform, "Token": endpoint.token,
            "Message": push.text_of(application.platform, published), "Path": wanted.path,
        }  # fmt: skip
        return Note("application", endpoint.arn, document)
    return HttpPost(f"{gateway.rstrip('/')}/{application.platform}{wanted.path}", wanted.headers, wanted.body)


def judge(tx: Tx, ctx: Context, endpoint: Endpoint, outcome: Any) -> Verdict:
    """What a service's answer means: also for the endpoint, whose token may be another now, or nobody's."""
    if not isinstance(outcome, HttpAnswer):
        return Verdict(outcome.error)
    reply = push.read(endpoint.application.platform, outcome.status, outcome.headers, outcome.body)
    now = find_endpoint(tx, endpoint.arn, Q.lock_endpoint)
    if now is not None and now.token == endpoint.token:
        if reply.gone:
            change_endpoint(tx, ctx, now, now._replace(enabled=False))
        elif reply.token:
            change_endpoint(tx, ctx, now, now._replace(token=reply.token))
    return Verdict(reply.error, again=reply.again and not reply.gone)
