"""Platform applications, and the endpoints of their devices."""

import msgspec

from waypost import arn
from waypost.aws.errors import AwsError
from waypost.service import Again, Context, Job, JobResult, Operation, Params
from waypost.services.sns import errors
from waypost.services.sns.deliveries.devices import (
    Application,
    Endpoint,
    change_endpoint,
    endpoint_of,
    find_application,
    find_endpoint,
    insert_endpoint,
    tell,
)
from waypost.services.sns.deliveries.documents import Q
from waypost.services.sns.limits import CLEAN_BATCH_MAX, LIST_MAX
from waypost.services.sns.rules import pages, platforms
from waypost.store.queries import Query
from waypost.store.store import Tx
from waypost.work import jobs

FORGET_DEVICES = "sns.forget_devices"

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(dict[str, str]).decode


# --- applications


def create_platform_application(tx: Tx, ctx: Context, request: Params) -> Params:
    """Have an application; the same again is no mistake, another one of its name is."""
    name, platform, given = request["Name"], request["Platform"], request["Attributes"]
    platforms.check_name(name)
    platforms.check_platform(platform)
    platforms.check_settings(given)
    platforms.check_credentials(platform, given)
    settings = platforms.merged({}, given)
    made = Application(ctx.account, ctx.region, platform, name, ctx.ids.row(ctx.now_ms), settings)
    inserted = tx.run(
        Q.insert_application, account=ctx.account, region=ctx.region, platform=platform, name=name, id=made.id,
        settings=_encode(settings).decode(), now=ctx.now_ms,
    )  # fmt: skip
    if not inserted:
        found = find_application(tx, ctx.region, ctx.account, platform, name)
        if found is None or found.settings != settings:
            raise errors.invalid("Attributes", "Platform application already exists with different attributes")
    return {"PlatformApplicationArn": made.arn}


def delete_platform_application(tx: Tx, ctx: Context, request: Params) -> Params:
    """Have an application no more; its endpoints go with it. One that is not there is no mistake."""
    named = _parse_application(request["PlatformApplicationArn"])
    application = find_application(tx, *_owned(ctx, named, "PlatformApplicationArn"))
    if application is None:
        return {}
    tx.run(
        Q.delete_application, account=application.account, region=application.region, platform=application.platform,
        name=application.name,
    )  # fmt: skip
    jobs.enqueue(
        tx, ctx, kind=FORGET_DEVICES, key=f"sns:application:{application.id}", run_at_ms=ctx.now_ms,
        payload={"Application": application.id},
    )  # fmt: skip
    return {}


def forget_devices(tx: Tx, ctx: Context, job: Job) -> JobResult:
    """Delete some endpoints of an application that is gone, and what was counted of it."""
    application = job.payload["Application"]
    deleted = tx.run(Q.delete_endpoints, application=application, limit=CLEAN_BATCH_MAX)
    if deleted == CLEAN_BATCH_MAX:
        return Again(ctx.now_ms)
    counted = tx.all(Q.take_counts, topic=0, subscription=application, limit=CLEAN_BATCH_MAX)
    return Again(ctx.now_ms) if len(counted) == CLEAN_BATCH_MAX else None


def get_platform_application_attributes(tx: Tx, ctx: Context, request: Params) -> Params:
    """What is set of an application, but for its secrets."""
    application = _application(tx, ctx, request)
    return {"Attributes": platforms.shown(application.platform, application.settings)}


def set_platform_application_attributes(tx: Tx, ctx: Context, request: Params) -> Params:
    """Change some of what is set."""
    given = request["Attributes"]
    _parse_application(request["PlatformApplicationArn"])
    platforms.check_settings(given)
    application = _application(tx, ctx, request, Q.lock_application)
    tx.run(
        Q.set_application, account=application.account, region=application.region, platform=application.platform,
        name=application.name, settings=_encode(platforms.merged(application.settings, given)).decode(),
    )  # fmt: skip
    return {}


def list_platform_applications(tx: Tx, ctx: Context, request: Params) -> Params:
    """The account's applications, a hundred to a page."""
    platform, _, name = pages.after(request).partition("/")
    rows = tx.all(
        Q.list_applications, account=ctx.account, region=ctx.region, after_platform=platform, after_name=name,
        limit=LIST_MAX + 1,
    )  # fmt: skip
    shown, following = pages.cut(rows, LIST_MAX, lambda row: f"{row[0]}/{row[1]}")
    found = [Application(ctx.account, ctx.region, row[0], row[1], row[2], _decode(row[3])) for row in shown]
    return {
        "PlatformApplications": [
            {"PlatformApplicationArn": one.arn, "Attributes": platforms.shown(one.platform, one.settings)}
            for one in found
        ],
        **following,
    }


def _application(tx: Tx, ctx: Context, request: Params, query: Query = Q.get_application) -> Application:
    named = _parse_application(request["PlatformApplicationArn"])
    region, account, platform, name = _owned(ctx, named, "PlatformApplicationArn")
    row = tx.one(query, account=account, region=region, platform=platform, name=name)
    if row is None:
        raise errors.not_found("PlatformApplication")
    return Application(account, region, platform, name, row[0], _decode(row[1]))


def _parse_application(text: str) -> arn.Arn:
    parsed = _parse(text, "PlatformApplicationArn")
    if len(parsed.resource.split("/")) != 3 or not parsed.resource.startswith("app/"):
        raise errors.invalid("PlatformApplicationArn", "Wrong number of slashes in relative portion of the ARN.")
    return parsed


def _parse(text: str, parameter: str) -> arn.Arn:
    elements = text.count(":") + 1
    if elements < 6:
        raise errors.invalid(parameter, f"An ARN must have at least 6 elements, not {elements}")
    parsed = arn.parse(text)
    if parsed is None or parsed.service != "sns":
        raise errors.invalid(parameter)
    return parsed


def _owned(ctx: Context, named: arn.Arn, parameter: str) -> tuple[str, str, str, str]:
    """Region, account, platform and name of the caller's own application; raises ``AwsError``."""
    if named.region != ctx.region:
        raise errors.invalid(parameter)
    if named.account != ctx.account:
        raise AwsError("AuthorizationErrorException", f"{named} belongs to another account")
    _, platform, name = named.resource.split("/")[:3]
    return named.region, named.account, platform, name


# --- endpoints


def create_platform_endpoint(tx: Tx, ctx: Context, request: Params) -> Params:
    """Have an endpoint for a device's token; the same again is no mistake, one with other attributes is."""
    token, given = request["Token"], dict(request.get("Attributes") or {})
    if request.get("CustomUserData") is not None:
        given.setdefault("CustomUserData", request["CustomUserData"])
    application = _application(tx, ctx, request)
    platforms.check_endpoint(application.platform, given)
    platforms.check_token(application.platform, token)
    if application.platform == "BAIDU":
        platforms.check_baidu(token, given)
    extra = {name: given[name] for name in platforms.BAIDU if name in given}
    enabled = given.get("Enabled", "true").lower() == "true"
    wanted = Endpoint(application, ctx.ids.uuid(), token, enabled, given.get("CustomUserData"), extra)
    if insert_endpoint(tx, wanted):
        tell(tx, ctx, application, "EndpointCreated", {"EndpointArn": wanted.arn})
        return {"EndpointArn": wanted.arn}
    found = _of_token(tx, application, token)
    if found is None or found._replace(uuid=wanted.uuid) != wanted:
        raise _taken(found or wanted)
    return {"EndpointArn": found.arn}


def _of_token(tx: Tx, application: Application, token: str) -> Endpoint | None:
    row = tx.one(Q.find_token, application=application.id, token=token)
    return None if row is None else endpoint_of(application, row)


def _taken(endpoint: Endpoint) -> AwsError:
    return errors.invalid(
        "Token", f"Endpoint {endpoint.arn} already exists with the same Token, but different attributes."
    )


def delete_endpoint(tx: Tx, ctx: Context, request: Params) -> Params:
    """Have an endpoint no more; one that is not there is no mistake."""
    endpoint = _endpoint(tx, ctx, request)
    if endpoint is not None:
        tx.run(Q.delete_endpoint, application=endpoint.application.id, uuid=endpoint.uuid)
        tell(tx, ctx, endpoint.application, "EndpointDeleted", {"EndpointArn": endpoint.arn})
    return {}


def get_endpoint_attributes(tx: Tx, ctx: Context, request: Params) -> Params:
    """What is set of an endpoint."""
    endpoint = _endpoint(tx, ctx, request)
    if endpoint is None:
        raise errors.not_found("Endpoint")
    return {"Attributes": endpoint.attributes}


def set_endpoint_attributes(tx: Tx, ctx: Context, request: Params) -> Params:
    """Change some of what is set."""
    given = platforms.required(request["Attributes"])
    endpoint = _endpoint(tx, ctx, request, Q.lock_endpoint)
    if endpoint is None:
        raise errors.not_found("Endpoint")
    platforms.check_endpoint(endpoint.application.platform, given)
    changed = endpoint._replace(
        token=given.get("Token", endpoint.token),
        enabled=given.get("Enabled", str(endpoint.enabled)).lower() == "true",
        user_data=given.get("CustomUserData", endpoint.user_data),
        extra={**endpoint.extra, **{name: given[name] for name in platforms.BAIDU if name in given}},
    )
    if changed.token != endpoint.token:
        platforms.check_token(endpoint.application.platform, changed.token)
        other = _of_token(tx, endpoint.application, changed.token)
        if other is not None:
            raise _taken(other)
    if not change_endpoint(tx, ctx, endpoint, changed):
        raise _taken(_of_token(tx, endpoint.application, changed.token) or changed)
    return {}


def list_endpoints_by_platform_application(tx: Tx, ctx: Context, request: Params) -> Params:
    """An application's endpoints, a hundred to a page."""
    application = _application(tx, ctx, request)
    rows = tx.all(Q.list_endpoints, application=application.id, after=pages.after(request), limit=LIST_MAX + 1)
    shown, following = pages.cut(rows, LIST_MAX, lambda row: str(row[0]))
    endpoints = [endpoint_of(application, row) for row in shown]
    return {"Endpoints": [{"EndpointArn": one.arn, "Attributes": one.attributes} for one in endpoints], **following}


def _endpoint(tx: Tx, ctx: Context, request: Params, query: Query = Q.get_endpoint) -> Endpoint | None:
    """The caller's own endpoint, None where there is none; raises ``AwsError`` for an ARN of another kind."""
    parsed = _parse(request["EndpointArn"], "EndpointArn")
    if len(parsed.resource.split("/")) != 4 or not parsed.resource.startswith("endpoint/"):
        raise errors.invalid("EndpointArn", "Wrong number of slashes in relative portion of the ARN.")
    _owned(ctx, parsed, "EndpointArn")
    return find_endpoint(tx, request["EndpointArn"], query)


OPERATIONS: dict[str, Operation] = {
    "CreatePlatformApplication": create_platform_application,
    "CreatePlatformEndpoint": create_platform_endpoint,
    "DeleteEndpoint": delete_endpoint,
    "DeletePlatformApplication": delete_platform_application,
    "GetEndpointAttributes": get_endpoint_attributes,
    "GetPlatformApplicationAttributes": get_platform_application_attributes,
    "ListEndpointsByPlatformApplication": list_endpoints_by_platform_application,
    "ListPlatformApplications": list_platform_applications,
    "SetEndpointAttributes": set_endpoint_attributes,
    "SetPlatformApplicationAttributes": set_platform_application_attributes,
}
JOBS = {FORGET_DEVICES: forget_devices}
NOTES = {
    "CreatePlatformApplication": (
        "Credentials are kept, not tried. Delivery status goes to CloudWatch Logs; roles are not looked at."
    ),
    "GetPlatformApplicationAttributes": "AppleCertificateExpiryDate is not shown: certificates are not read.",
}
