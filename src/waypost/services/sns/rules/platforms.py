"""Platform applications and endpoints: which attributes there are, and what they may be."""

import json
import re
from collections.abc import Mapping

from waypost import arn
from waypost.aws.errors import AwsError
from waypost.services.sns import errors
from waypost.services.sns.limits import APPLICATION_NAME_MAX, TOKEN_BYTES_MAX, USER_DATA_BYTES_MAX
from waypost.services.sns.rules import feedback
from waypost.services.sns.rules.push import APPLE, PLATFORMS

CREDENTIAL, PRINCIPAL = "PlatformCredential", "PlatformPrincipal"
EVENTS = ("EventEndpointCreated", "EventEndpointDeleted", "EventEndpointUpdated", "EventDeliveryFailure")
LOGGED = ("SuccessFeedbackRoleArn", "FailureFeedbackRoleArn", "SuccessFeedbackSampleRate")
SETTINGS = (
    CREDENTIAL, PRINCIPAL, *EVENTS, *LOGGED, "ApplePlatformTeamID", "ApplePlatformBundleID", "Enabled",
)  # fmt: skip
SECRETS = (CREDENTIAL, PRINCIPAL)
"""Attributes that no answer shows."""
BAIDU = ("ChannelId", "UserId")
"""What endpoints of Baidu have besides."""

_NAME = re.compile(r"[A-Za-z0-9._-]+")
_HEX = re.compile(r"[0-9A-Fa-f]*")
APPLE_TOKEN_MAX = 400
_BOOLEANS = ("true", "false")


def check_name(name: str) -> None:
    """Raise ``AwsError`` where an application cannot be called so."""
    reason = ""
    if not name:
        reason = "cannot be empty"
    elif len(name) > APPLICATION_NAME_MAX:
        reason = f"must be at most {APPLICATION_NAME_MAX} characters long"
    elif not _NAME.fullmatch(name):
        reason = "must contain only characters 'a'-'z', 'A'-'Z', '0'-'9', '_', '-', and '.'"
    if reason:
        raise errors.invalid(name, reason)


def check_platform(platform: str) -> None:
    """Raise ``AwsError`` where there is no such platform."""
    if platform not in PLATFORMS:
        raise errors.invalid("Platform", f"{platform} is not supported")


def check_credentials(platform: str, given: Mapping[str, str]) -> None:
    """Raise ``AwsError`` where a new application lacks what its platform would ask for."""
    if CREDENTIAL not in given and PRINCIPAL not in given:
        raise _unfit(f"{CREDENTIAL} attribute is required")
    if CREDENTIAL in given and PRINCIPAL not in given and platform != "GCM":
        raise _unfit(f"{CREDENTIAL} attribute provided without {PRINCIPAL}")
    if PRINCIPAL in given and CREDENTIAL not in given:
        raise _unfit(f"{PRINCIPAL} attribute provided without {CREDENTIAL}")


def check_settings(given: Mapping[str, str]) -> None:
    """Raise ``AwsError`` for an application's attributes that cannot be."""
    if not given:
        raise _null("attributes")
    for name, value in given.items():
        if name not in SETTINGS:
            raise _unfit(f"Invalid attribute name: {name}")
        if value and not _fits(name, value):
            raise _unfit(f"Invalid value for attribute: {name}: {value}")


def _fits(name: str, value: str) -> bool:
    if name in EVENTS:
        topic = arn.parse(value)
        return topic is not None and topic.service == "sns" and "/" not in topic.resource
    if name == "Enabled":
        return value in _BOOLEANS
    if name == "SuccessFeedbackSampleRate":
        return feedback.is_percent(value)
    if name in LOGGED:
        return feedback.is_role(value)
    return True


def merged(settings: Mapping[str, str], given: Mapping[str, str]) -> dict[str, str]:
    """An application's attributes after a change; an empty value takes one away."""
    return {name: value for name, value in {**settings, **given}.items() if value}


def shown(platform: str, settings: Mapping[str, str]) -> dict[str, str]:
    """Attributes as GetPlatformApplicationAttributes shows them."""
    found = {"Enabled": "true", **{name: value for name, value in settings.items() if name not in SECRETS}}
    method = _method(platform, settings)
    return found if method is None else found | {"AuthenticationMethod": method}


def _method(platform: str, settings: Mapping[str, str]) -> str | None:
    """How this server's gateway would identify itself to the platform."""
    if platform in APPLE:
        return "token" if "ApplePlatformTeamID" in settings else "certificate"
    if platform != "GCM":
        return None
    try:
        is_file = isinstance(json.loads(settings.get(CREDENTIAL, "")), dict)
    except ValueError:
        is_file = False
    return "token" if is_file else "key"


# --- endpoints


def check_token(platform: str, token: str) -> None:
    """Raise ``AwsError`` where a device of that platform cannot have such a token."""
    if not token:
        raise errors.invalid("Token", "cannot be empty")
    if platform in APPLE and (len(token) > APPLE_TOKEN_MAX or not _HEX.fullmatch(token)):
        raise errors.invalid(
            "Token", f"iOS device tokens must be no more than {APPLE_TOKEN_MAX} hexadecimal characters"
        )
    if len(token.encode()) > TOKEN_BYTES_MAX:
        raise errors.invalid("Token", f"must be at most {TOKEN_BYTES_MAX} bytes long in UTF-8 encoding")


def check_endpoint(platform: str, given: Mapping[str, str]) -> None:
    """Raise ``AwsError`` for an endpoint's attributes that cannot be."""
    known = ("CustomUserData", "Enabled", "Token", *(BAIDU if platform == "BAIDU" else ()))
    for name in given:
        if name not in known:
            raise _unfit(f"Invalid attribute name: {name}")
    if len(given.get("CustomUserData", "").encode()) > USER_DATA_BYTES_MAX:
        raise _unfit(
            "Invalid value for attribute: CustomUserData: must be at most "
            f"{USER_DATA_BYTES_MAX} bytes long in UTF-8 encoding"
        )
    if given.get("Enabled", "true").lower() not in _BOOLEANS:
        raise _unfit("Invalid value for attribute: Enabled: must be true or false")


def check_baidu(token: str, given: Mapping[str, str]) -> None:
    """Raise ``AwsError`` where a new endpoint of Baidu does not say which channel and user it is."""
    for name in BAIDU:
        if not given.get(name):
            raise _unfit(f"{name} attribute is required")
    if given["ChannelId"] not in token:
        raise errors.invalid("Token", "must contain the ChannelId")


def required(given: Mapping[str, str] | None) -> Mapping[str, str]:
    """Attributes that must be there, as SNS's validation has it."""
    if not given:
        raise _null("attributes")
    return given


def _unfit(reason: str) -> AwsError:
    return errors.invalid("Attributes", reason)


def _null(member: str) -> AwsError:
    return AwsError(
        "ValidationError",
        f"1 validation error detected: Value null at '{member}' failed to satisfy constraint: Member must not be null",
    )
