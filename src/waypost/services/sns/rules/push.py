"""Push notifications: requests as the platforms' services take them, and what their answers mean.

A gateway gets, under the platform's name, the request that the platform's own service would get: its path, headers and
body. What only the holder of the credentials can make (signed tokens, TLS client certificates) is the gateway's to add.
"""

import hashlib
import json
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple
from urllib.parse import quote, quote_plus, urlencode, urlsplit

from waypost.services.sns.topic import Published

APPLE = ("APNS", "APNS_SANDBOX", "APNS_VOIP", "APNS_VOIP_SANDBOX", "MACOS", "MACOS_SANDBOX")
PLATFORMS = ("ADM", *APPLE, "BAIDU", "GCM", "MPNS", "WNS")

TTL_S_DEFAULT = 28 * 86_400
"""What SNS gives a notification that says nothing of it: four weeks."""
PAYLOAD_BYTES_MAX = {"ADM": 6_144, "APNS_VOIP": 5_120, "APNS_VOIP_SANDBOX": 5_120, "MPNS": 3_072, "WNS": 5_000}
"""Of one notification, as the platforms have it; elsewhere ``PAYLOAD_BYTES_DEFAULT``."""
PAYLOAD_BYTES_DEFAULT = 4_096

_ZERO_TTL = (*APPLE, "GCM")
"""Platforms to which a TTL of 0 means: now or never."""
_JSON = (("content-type", "application/json"),)


class NotPushed(Exception):  # noqa: N818 (a state of affairs)
    """The notification cannot be sent to the device. The message says why."""


class Device(NamedTuple):
    """Where a notification goes."""

    platform: str
    token: str
    settings: Mapping[str, str]
    """The attributes of its platform application, and of its endpoint."""


class Push(NamedTuple):
    """A request."""

    path: str
    headers: tuple[tuple[str, str], ...]
    body: bytes


class Reply(NamedTuple):
    """What an answer means; delivered, where nothing else is said."""

    error: str = ""
    again: bool = False
    """It may go better later."""
    gone: bool = False
    """The token is no longer that of a device: its endpoint is to be disabled."""
    token: str = ""
    """The token that the device has now."""


def text_of(platform: str, published: Published) -> str:
    """The payload: what was published for this platform, else the message in the form that SNS gives it there."""
    if published.texts is not None and platform in published.texts:
        return published.texts[platform]
    if platform in APPLE:
        return _compact({"aps": {"alert": published.message}})
    if platform in ("ADM", "GCM"):
        return _compact({"data": {"default": published.message}})
    if platform == "BAIDU":
        return _compact({"title": published.subject or "", "description": published.message})
    return published.message


def problem(platform: str, published: Published) -> str | None:
    """What is wrong with the payload for a platform; None where nothing is."""
    text = text_of(platform, published)
    if len(text.encode()) > PAYLOAD_BYTES_MAX.get(platform, PAYLOAD_BYTES_DEFAULT):
        return "Notification is too long"
    if platform in ("MPNS", "WNS"):
        return None
    return None if _object(text) is not None else "Notification is malformed"


def request(device: Device, published: Published, now_ms: int) -> Push:
    """The request for a device; raises ``NotPushed``."""
    wrong = problem(device.platform, published)
    if wrong is not None:
        raise NotPushed(wrong)
    ttl_s = _ttl_s(device.platform, published, now_ms)
    return _REQUESTS[_family(device.platform)](device, published, ttl_s)


def _family(platform: str) -> str:
    return "APNS" if platform in APPLE else platform


def _ttl_s(platform: str, published: Published, now_ms: int) -> int | None:
    """What is left of the message attribute's TTL; None where there is none."""
    given = _attribute(published, platform, "TTL")
    if given is None and platform == "GCM":
        given = _attribute(published, "FCM", "TTL")
    if given is None:
        return None
    if not (given.isascii() and given.isdigit()):
        raise NotPushed(f"TTL must be a number of seconds, not {given}")
    if int(given) == 0 and platform in _ZERO_TTL:
        return 0
    left_s = int(given) - (now_ms - published.at_ms) // 1_000
    if left_s <= 0:
        raise NotPushed("TTL is over")
    return left_s


def _attribute(published: Published, platform: str, name: str) -> str | None:
    found = published.attributes.get(f"AWS.SNS.MOBILE.{platform}.{name}")
    return None if found is None else found.text


def _object(text: str) -> dict[str, Any] | None:
    try:
        found = json.loads(text)
    except ValueError:
        return None
    return found if isinstance(found, dict) else None


def _payload(device: Device, published: Published) -> dict[str, Any]:
    found = _object(text_of(device.platform, published))
    if found is None:
        raise NotPushed("Notification is malformed")
    return found


def _compact(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


# --- requests


def _apple(device: Device, published: Published, ttl_s: int | None) -> Push:
    payload = _payload(device, published)

    def given(name: str) -> str | None:
        return _attribute(published, device.platform, name) or _attribute(published, "APNS", name)

    voip = "VOIP" in device.platform
    background = _is_background(payload.get("aps"))
    kind = given("PUSH_TYPE") or ("voip" if voip else "background" if background else "alert")
    topic = given("TOPIC") or device.settings.get("ApplePlatformBundleID")
    if topic and voip and not topic.endswith(".voip"):
        topic += ".voip"
    expires_s = 0 if ttl_s == 0 else published.at_ms // 1_000 + (TTL_S_DEFAULT if ttl_s is None else ttl_s)
    headers = {
        "apns-id": published.message_id,
        "apns-push-type": kind,
        "apns-priority": given("PRIORITY") or ("5" if kind == "background" else "10"),
        "apns-expiration": str(expires_s),
        "apns-topic": topic,
        "apns-collapse-id": given("COLLAPSE_ID"),
    }
    present = tuple((name, value) for name, value in headers.items() if value is not None)
    return Push(f"/3/device/{quote(device.token, safe='')}", (*_JSON, *present), _compact(payload).encode())


def _is_background(aps: Any) -> bool:
    if not isinstance(aps, dict) or aps.get("content-available") not in (1, True):
        return False
    return not {"alert", "badge", "sound"} & aps.keys()


def _google(device: Device, published: Published, ttl_s: int | None) -> Push:
    """The v1 API where the credential is a service account's key file, else the older one with its server key."""
    credential = device.settings.get("PlatformCredential", "")
    payload = _payload(device, published)
    account = _object(credential)
    if account is None:
        payload.pop("fcmV1Message", None)
        if ttl_s is not None:
            payload["time_to_live"] = ttl_s
        body = _compact({"to": device.token, **payload}).encode()
        return Push("/fcm/send", (*_JSON, ("authorization", f"key={credential}")), body)
    project = quote(str(account.get("project_id", "")), safe="")
    wanted = payload.get("fcmV1Message")
    message = dict(wanted) if isinstance(wanted, dict) else _google_v1(payload)
    inner = message.get("message")
    inner = dict(inner) if isinstance(inner, dict) else {}
    if ttl_s is not None:
        inner["android"] = {**inner.get("android", {}), "ttl": f"{ttl_s}s"}
    message["message"] = {"token": device.token, **inner}
    return Push(f"/v1/projects/{project}/messages:send", _JSON, _compact(message).encode())


def _google_v1(payload: Mapping[str, Any]) -> dict[str, Any]:
    """A notification of the older API in the newer one's form."""
    inner: dict[str, Any] = {}
    android: dict[str, Any] = {}
    if isinstance(payload.get("data"), dict):
        inner["data"] = {name: value if isinstance(value, str) else _compact(value)
                         for name, value in payload["data"].items()}  # fmt: skip
    notification = payload.get("notification")
    if isinstance(notification, dict):
        common = ("title", "body", "image")
        inner["notification"] = {name: notification[name] for name in common if name in notification}
        more = {_ANDROID.get(name, name): value for name, value in notification.items() if name not in common}
        if more:
            android["notification"] = more
    for name in ("collapse_key", "priority", "restricted_package_name"):
        if name in payload:
            android[name] = payload[name]
    if "time_to_live" in payload:
        android["ttl"] = f"{payload['time_to_live']}s"
    if android:
        inner["android"] = android
    message: dict[str, Any] = {"message": inner}
    if "dry_run" in payload:
        message["validate_only"] = payload["dry_run"]
    return message


_ANDROID = {"android_channel_id": "channel_id"}


def _amazon(device: Device, published: Published, ttl_s: int | None) -> Push:
    payload = _payload(device, published)
    if ttl_s is not None:
        payload["expiresAfter"] = ttl_s
    headers = (
        *_JSON,
        ("accept", "application/json"),
        ("x-amzn-type-version", "com.amazon.device.messaging.ADMMessage@1.0"),
        ("x-amzn-accept-type", "com.amazon.device.messaging.ADMSendResult@1.0"),
    )
    path = f"/messaging/registrations/{quote(device.token, safe='')}/messages"
    return Push(path, headers, _compact(payload).encode())


def _baidu(device: Device, published: Published, ttl_s: int | None) -> Push:
    """Push one message."""

    def given(name: str) -> str | None:
        return _attribute(published, "BAIDU", name)

    form = {
        "method": "push_msg",
        "apikey": device.settings.get("PlatformPrincipal", ""),
        "push_type": "1",
        "channel_id": device.settings.get("ChannelId", device.token),
        "user_id": device.settings.get("UserId", ""),
        "messages": text_of("BAIDU", published),
        "msg_keys": given("MessageKey") or published.message_id,
        "message_type": given("MessageType") or "1",
        "deploy_status": given("DeployStatus"),
        "message_expires": None if ttl_s is None else str(ttl_s),
        "timestamp": str(published.at_ms // 1_000),
    }
    present = {name: value for name, value in form.items() if value is not None}
    path = "/rest/2.0/channel/channel"
    signed = f"POSThttp://channel.api.duapp.com{path}" + "".join(f"{k}={v}" for k, v in sorted(present.items()))
    signed += device.settings.get("PlatformCredential", "")
    # The form of a signature that Baidu fixed long ago; it keeps no secret here.
    present["sign"] = hashlib.md5(quote_plus(signed).encode(), usedforsecurity=False).hexdigest()
    headers = (("content-type", "application/x-www-form-urlencoded;charset=utf-8"),)
    return Push(path, headers, urlencode(present).encode())


def _windows_phone(device: Device, published: Published, ttl_s: int | None) -> Push:  # noqa: ARG001 (MPNS has no TTL)
    kind = _attribute(published, "MPNS", "Type")
    targets = {"token": "token", "tile": "token", "toast": "toast", "raw": None}
    if kind not in targets:
        raise NotPushed("AWS.SNS.MOBILE.MPNS.Type must be token, tile, toast or raw")
    headers = {
        "content-type": "text/xml",
        "x-messageid": published.message_id,
        "x-notificationclass": _attribute(published, "MPNS", "NotificationClass"),
        "x-windowsphone-target": targets[kind],
    }
    return Push(_path_of(device.token), _present(headers), text_of("MPNS", published).encode())


def _windows(device: Device, published: Published, ttl_s: int | None) -> Push:
    def given(name: str) -> str | None:
        return _attribute(published, "WNS", name)

    kind = given("Type")
    if kind not in ("wns/badge", "wns/raw", "wns/tile", "wns/toast"):
        raise NotPushed("AWS.SNS.MOBILE.WNS.Type must be wns/badge, wns/raw, wns/tile or wns/toast")
    headers = {
        "content-type": "application/octet-stream" if kind == "wns/raw" else "text/xml",
        "x-wns-type": kind,
        "x-wns-cache-policy": given("CachePolicy"),
        "x-wns-group": given("Group"),
        "x-wns-match": given("Match"),
        "x-wns-suppresspopup": given("SuppressPopup"),
        "x-wns-tag": given("Tag"),
        "x-wns-ttl": None if ttl_s is None else str(ttl_s),
    }
    return Push(_path_of(device.token), _present(headers), text_of("WNS", published).encode())


def _present(headers: Mapping[str, str | None]) -> tuple[tuple[str, str], ...]:
    return tuple((name, value) for name, value in headers.items() if value is not None)


def _path_of(channel: str) -> str:
    """Path and query of a channel's address: Windows' tokens are addresses."""
    try:
        parts = urlsplit(channel)
    except ValueError:
        raise NotPushed("the token is not the address of a channel") from None
    return f"{parts.path or '/'}{'?' * bool(parts.query)}{parts.query}"


_REQUESTS: dict[str, Callable[[Device, Published, int | None], Push]] = {
    "ADM": _amazon, "APNS": _apple, "BAIDU": _baidu, "GCM": _google, "MPNS": _windows_phone, "WNS": _windows,
}  # fmt: skip


# --- answers


def read(platform: str, status: int, headers: Mapping[str, str], body: bytes) -> Reply:
    """What a platform's service answered."""
    said = _object(body.decode("utf-8", "replace")) or {}
    reply = _READERS[_family(platform)](status, headers, said)
    if reply is not None:
        return reply
    if 200 <= status < 300:
        return Reply()
    return Reply(f"HTTP {status}", again=status == 429 or status >= 500)


def _read_apple(status: int, _headers: Mapping[str, str], said: dict[str, Any]) -> Reply | None:
    reason = str(said.get("reason", ""))
    if status == 410 or reason in ("BadDeviceToken", "DeviceTokenNotForTopic", "Unregistered"):
        return Reply(reason or "Unregistered", gone=True)
    if status >= 400 and reason:
        return Reply(reason, again=status == 429 or status >= 500)
    return None


def _read_google(status: int, _headers: Mapping[str, str], said: dict[str, Any]) -> Reply | None:
    error = said.get("error")
    if isinstance(error, dict):
        code = str(error.get("status", ""))
        details = error.get("details")
        for detail in details if isinstance(details, list) else ():
            if isinstance(detail, dict) and "errorCode" in detail:
                code = str(detail["errorCode"])
        gone = status == 404 or code in ("UNREGISTERED", "SENDER_ID_MISMATCH")
        return Reply(code or f"HTTP {status}", again=status == 429 or status >= 500, gone=gone)
    results = said.get("results")
    if isinstance(results, list) and results and isinstance(results[0], dict):
        wrong = str(results[0].get("error", ""))
        if wrong:
            gone = wrong in ("InvalidRegistration", "MismatchSenderId", "NotRegistered")
            again = wrong in ("DeviceMessageRateExceeded", "InternalServerError", "Unavailable")
            return Reply(wrong, again=again, gone=gone)
        return Reply(token=str(results[0].get("registration_id", "")))
    return None


def _read_amazon(status: int, _headers: Mapping[str, str], said: dict[str, Any]) -> Reply | None:
    reason = str(said.get("reason", ""))
    if reason in ("InvalidRegistrationId", "Unregistered"):
        return Reply(reason, gone=True)
    if 200 <= status < 300:
        return Reply(token=str(said.get("registrationID", "")))
    return Reply(reason, again=status == 429 or status >= 500) if reason else None


def _read_baidu(status: int, _headers: Mapping[str, str], said: dict[str, Any]) -> Reply | None:
    code = said.get("error_code")
    if code is None:
        return None
    return Reply(f"{code} {said.get('error_msg', '')}".strip(), again=status >= 500, gone=code in (30607, 30608))


def _read_windows_phone(status: int, headers: Mapping[str, str], _said: dict[str, Any]) -> Reply | None:
    if status == 404 or headers.get("x-subscriptionstatus") == "Expired":
        return Reply("Expired", gone=True)
    if status == 406:  # this device got too many for today
        return Reply("HTTP 406", again=True)
    if status == 200 and headers.get("x-notificationstatus") in ("QueueFull", "Dropped"):
        return Reply(headers["x-notificationstatus"], again=headers["x-notificationstatus"] == "QueueFull")
    return None


def _read_windows(status: int, headers: Mapping[str, str], _said: dict[str, Any]) -> Reply | None:
    if status in (404, 410):
        return Reply(f"HTTP {status}", gone=True)
    if status == 200 and headers.get("x-wns-status", "received") == "channelthrottled":
        return Reply("channelthrottled", again=True)
    if status == 406:
        return Reply("HTTP 406", again=True)
    return None


_READERS: dict[str, Callable[[int, Mapping[str, str], dict[str, Any]], Reply | None]] = {
    "ADM": _read_amazon, "APNS": _read_apple, "BAIDU": _read_baidu, "GCM": _read_google,
    "MPNS": _read_windows_phone, "WNS": _read_windows,
}  # fmt: skip
