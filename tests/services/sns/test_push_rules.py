"""What platforms' services are sent, and what their answers mean."""

import hashlib
import json
from typing import Any
from urllib.parse import parse_qs, quote_plus

import pytest

from waypost.services.sns.rules import push
from waypost.services.sns.rules.messages import Attribute
from waypost.services.sns.rules.push import Device, NotPushed, Push, Reply
from waypost.services.sns.topic import Published

AT_MS = 1_700_000_000_000
TOKEN = "ab" * 32


def published(
    message: str = "hello", texts: dict[str, Any] | None = None, subject: str | None = None, **attributes: str
) -> Published:
    """``APNS__TTL="5"`` is the attribute AWS.SNS.MOBILE.APNS.TTL; objects among ``texts`` are written as JSON."""
    written = texts and {name: json.dumps(text) if isinstance(text, dict) else text for name, text in texts.items()}
    return Published(
        "m-1", "", message, written, subject,
        {f"AWS.SNS.MOBILE.{name.replace('__', '.')}": Attribute("String", text) for name, text in attributes.items()},
        AT_MS,
    )  # fmt: skip


def sent(platform: str, message: Published, token: str = TOKEN, later_ms: int = 0, **settings: str) -> Push:
    return push.request(Device(platform, token, settings), message, AT_MS + later_ms)


def body(wanted: Push) -> Any:
    return json.loads(wanted.body)


# --- Apple


def test_apple_gets_an_alert() -> None:
    wanted = sent("APNS", published("höllo"), ApplePlatformBundleID="com.example.app")
    assert wanted.path == f"/3/device/{TOKEN}"
    assert body(wanted) == {"aps": {"alert": "höllo"}}
    assert dict(wanted.headers) == {
        "content-type": "application/json", "apns-id": "m-1", "apns-push-type": "alert", "apns-priority": "10",
        "apns-expiration": str(AT_MS // 1_000 + 28 * 86_400), "apns-topic": "com.example.app",
    }  # fmt: skip


def test_apples_own_payload_is_sent_as_it_is() -> None:
    texts = {"default": "d", "APNS_SANDBOX": {"aps": {"alert": "for iPhones", "badge": 1}, "more": [1]}}
    assert body(sent("APNS_SANDBOX", published("d", texts))) == texts["APNS_SANDBOX"]
    assert body(sent("APNS", published("d", texts))) == {"aps": {"alert": "d"}}


@pytest.mark.parametrize(
    ("aps", "kind"),
    [
        ({"content-available": 1}, "background"),
        ({"content-available": True}, "background"),
        ({"content-available": "1"}, "alert"),
        ({"content-available": 1, "alert": "a"}, "alert"),
        ({"content-available": 1, "badge": 1}, "alert"),
    ],
)
def test_apple_is_told_of_background_notifications(aps: dict[str, Any], kind: str) -> None:
    headers = dict(sent("APNS", published(texts={"APNS": {"aps": aps}})).headers)
    assert headers["apns-push-type"] == kind
    assert headers["apns-priority"] == ("5" if kind == "background" else "10")


def test_message_attributes_shape_what_apple_gets() -> None:
    message = published(APNS__TOPIC="t", APNS__PRIORITY="5", APNS__PUSH_TYPE="alert", APNS__COLLAPSE_ID="c")
    headers = dict(sent("APNS", message, ApplePlatformBundleID="other").headers)
    assert [headers[f"apns-{name}"] for name in ("topic", "priority", "push-type", "collapse-id")] == [
        "t", "5", "alert", "c",
    ]  # fmt: skip


def test_voice_over_ip_has_a_topic_of_its_own() -> None:
    headers = dict(sent("APNS_VOIP", published(), ApplePlatformBundleID="com.example.app").headers)
    assert (headers["apns-topic"], headers["apns-push-type"]) == ("com.example.app.voip", "voip")


# --- time to live


def test_a_time_to_live_counts_from_publishing() -> None:
    assert dict(sent("APNS", published(APNS__TTL="60"), later_ms=20_000).headers)["apns-expiration"] == str(
        AT_MS // 1_000 + 40
    )
    assert body(sent("ADM", published(ADM__TTL="60"), later_ms=20_000))["expiresAfter"] == 40
    assert body(sent("GCM", published(FCM__TTL="60"), PlatformCredential="key"))["time_to_live"] == 60
    assert dict(sent("WNS", published(WNS__TTL="60", WNS__Type="wns/raw"), "https://x/").headers)["x-wns-ttl"] == "60"


@pytest.mark.parametrize("platform", ["APNS", "GCM"])
def test_zero_means_now_or_never_to_some(platform: str) -> None:
    wanted = sent(platform, published(**{f"{platform}__TTL": "0"}), later_ms=5_000)
    if platform == "APNS":
        assert dict(wanted.headers)["apns-expiration"] == "0"
    else:
        assert body(wanted)["time_to_live"] == 0


@pytest.mark.parametrize(("ttl", "later_ms"), [("0", 0), ("5", 5_000), ("5", 60_000), ("soon", 0), ("-1", 0)])
def test_what_is_too_late_is_not_sent(ttl: str, later_ms: int) -> None:
    with pytest.raises(NotPushed, match="TTL"):
        sent("ADM", published(ADM__TTL=ttl), later_ms=later_ms)


# --- Google


def test_google_gets_the_older_form_with_a_server_key() -> None:
    wanted = sent("GCM", published("hello"), PlatformCredential="secret")
    assert wanted.path == "/fcm/send"
    assert dict(wanted.headers)["authorization"] == "key=secret"
    assert body(wanted) == {"to": TOKEN, "data": {"default": "hello"}}


KEY_FILE = '{"type": "service_account", "project_id": "my-app"}'


def test_google_gets_the_newer_form_with_a_key_file() -> None:
    texts = {
        "GCM": {
            "notification": {"title": "T", "body": "B", "android_channel_id": "c", "sound": "s"},
            "data": {"n": 7, "s": "x", "o": {"a": 1}}, "collapse_key": "k", "priority": "high",
            "time_to_live": 30, "dry_run": True,
        }
    }  # fmt: skip
    wanted = sent("GCM", published(texts=texts), PlatformCredential=KEY_FILE)
    assert wanted.path == "/v1/projects/my-app/messages:send"
    assert "authorization" not in dict(wanted.headers)
    assert body(wanted) == {
        "validate_only": True,
        "message": {
            "token": TOKEN, "notification": {"title": "T", "body": "B"}, "data": {"n": "7", "s": "x", "o": '{"a":1}'},
            "android": {
                "notification": {"channel_id": "c", "sound": "s"}, "collapse_key": "k", "priority": "high",
                "ttl": "30s",
            },
        },
    }  # fmt: skip


def test_googles_own_newer_payload_wins() -> None:
    texts = {"GCM": {"data": {"a": "old"}, "fcmV1Message": {"message": {"data": {"a": "new"}}}}}
    newer = sent("GCM", published(texts=texts, GCM__TTL="9"), PlatformCredential=KEY_FILE)
    assert body(newer) == {"message": {"token": TOKEN, "data": {"a": "new"}, "android": {"ttl": "9s"}}}
    older = sent("GCM", published(texts=texts), PlatformCredential="key")
    assert body(older) == {"to": TOKEN, "data": {"a": "old"}}


# --- Amazon, Baidu, Microsoft


def test_amazon_gets_data() -> None:
    wanted = sent("ADM", published("hello"), "to/ken")
    assert wanted.path == "/messaging/registrations/to%2Fken/messages"
    assert body(wanted) == {"data": {"default": "hello"}}
    assert dict(wanted.headers)["x-amzn-type-version"] == "com.amazon.device.messaging.ADMMessage@1.0"


def test_baidu_gets_a_signed_form() -> None:
    message = published("hello", subject="S", BAIDU__MessageType="0", BAIDU__DeployStatus="1", BAIDU__MessageKey="k")
    wanted = sent(
        "BAIDU", message, "chan-u", PlatformPrincipal="api", PlatformCredential="se", ChannelId="chan", UserId="u"
    )
    form = {name: values[0] for name, values in parse_qs(wanted.body.decode()).items()}
    sign = form.pop("sign")
    assert form == {
        "method": "push_msg", "apikey": "api", "push_type": "1", "channel_id": "chan", "user_id": "u",
        "messages": '{"title":"S","description":"hello"}', "msg_keys": "k", "message_type": "0",
        "deploy_status": "1", "timestamp": str(AT_MS // 1_000),
    }  # fmt: skip
    url = "http://channel.api.duapp.com/rest/2.0/channel/channel"
    text = f"POST{url}" + "".join(f"{name}={form[name]}" for name in sorted(form)) + "se"
    assert sign == hashlib.md5(quote_plus(text).encode()).hexdigest()


def test_windows_phone_gets_its_channel_a_target_and_a_class() -> None:
    message = published("<toast/>", MPNS__Type="toast", MPNS__NotificationClass="2")
    wanted = sent("MPNS", message, "http://s.notify.live.net/u/1/abc?x=1")
    assert (wanted.path, wanted.body) == ("/u/1/abc?x=1", b"<toast/>")
    assert dict(wanted.headers) == {
        "content-type": "text/xml", "x-messageid": "m-1", "x-notificationclass": "2", "x-windowsphone-target": "toast",
    }  # fmt: skip


def test_windows_gets_its_channel_and_a_type() -> None:
    message = published("raw", WNS__Type="wns/raw", WNS__CachePolicy="cache", WNS__Tag="t", WNS__Group="g")
    wanted = sent("WNS", message, "https://db5.notify.windows.com/?token=abc%2b")
    assert (wanted.path, wanted.body) == ("/?token=abc%2b", b"raw")
    assert dict(wanted.headers) == {
        "content-type": "application/octet-stream", "x-wns-type": "wns/raw", "x-wns-cache-policy": "cache",
        "x-wns-tag": "t", "x-wns-group": "g",
    }  # fmt: skip


@pytest.mark.parametrize("platform", ["MPNS", "WNS"])
def test_microsoft_wants_a_type(platform: str) -> None:
    with pytest.raises(NotPushed, match="Type must be"):
        sent(platform, published(), "http://channel/")


# --- what cannot be sent


def test_a_payload_has_a_size_and_a_form() -> None:
    assert push.problem("APNS", published("x" * 4_096)) == "Notification is too long"
    assert push.problem("APNS", published("x" * 4_000)) is None
    assert push.problem("ADM", published("x" * 6_000)) is None
    assert push.problem("GCM", published(texts={"GCM": "no JSON"})) == "Notification is malformed"
    assert push.problem("WNS", published(texts={"WNS": "<xml/>"})) is None
    with pytest.raises(NotPushed, match="malformed"):
        sent("APNS", published(texts={"APNS": "[1]"}))


# --- answers


@pytest.mark.parametrize(
    ("platform", "status", "answer", "reply"),
    [
        ("APNS", 200, "", Reply()),
        ("APNS", 410, '{"reason": "Unregistered", "timestamp": 1}', Reply("Unregistered", gone=True)),
        ("APNS_VOIP", 400, '{"reason": "BadDeviceToken"}', Reply("BadDeviceToken", gone=True)),
        ("APNS", 400, '{"reason": "PayloadEmpty"}', Reply("PayloadEmpty")),
        ("APNS", 503, '{"reason": "Shutdown"}', Reply("Shutdown", again=True)),
        ("APNS", 429, "", Reply("HTTP 429", again=True)),
        ("GCM", 200, '{"results": [{"message_id": "1"}]}', Reply()),
        ("GCM", 200, '{"results": [{"message_id": "1", "registration_id": "new"}]}', Reply(token="new")),
        ("GCM", 200, '{"results": [{"error": "NotRegistered"}]}', Reply("NotRegistered", gone=True)),
        ("GCM", 200, '{"results": [{"error": "Unavailable"}]}', Reply("Unavailable", again=True)),
        ("GCM", 200, '{"results": [{"error": "MessageTooBig"}]}', Reply("MessageTooBig")),
        ("GCM", 200, '{"name": "projects/p/messages/1"}', Reply()),
        (
            "GCM", 404, '{"error": {"status": "NOT_FOUND", "details": [{"errorCode": "UNREGISTERED"}]}}',
            Reply("UNREGISTERED", gone=True),
        ),
        ("GCM", 400, '{"error": {"status": "INVALID_ARGUMENT"}}', Reply("INVALID_ARGUMENT")),
        ("GCM", 503, '{"error": {"status": "UNAVAILABLE"}}', Reply("UNAVAILABLE", again=True)),
        ("GCM", 401, "<html>", Reply("HTTP 401")),
        ("ADM", 200, '{"registrationID": "new"}', Reply(token="new")),
        ("ADM", 400, '{"reason": "InvalidRegistrationId"}', Reply("InvalidRegistrationId", gone=True)),
        ("ADM", 429, '{"reason": "MaxRateExceeded"}', Reply("MaxRateExceeded", again=True)),
        ("BAIDU", 200, '{"request_id": 1, "response_params": {}}', Reply()),
        ("BAIDU", 400, '{"error_code": 30608, "error_msg": "Bind Relation Not Found"}',
         Reply("30608 Bind Relation Not Found", gone=True)),
        ("BAIDU", 500, '{"error_code": 30600, "error_msg": "Internal"}', Reply("30600 Internal", again=True)),
        ("MPNS", 404, "", Reply("Expired", gone=True)),
        ("MPNS", 406, "", Reply("HTTP 406", again=True)),
        ("WNS", 410, "", Reply("HTTP 410", gone=True)),
        ("WNS", 403, "", Reply("HTTP 403")),
        ("WNS", 500, "[1]", Reply("HTTP 500", again=True)),
    ],
)  # fmt: skip
def test_answers_are_understood(platform: str, status: int, answer: str, reply: Reply) -> None:
    assert push.read(platform, status, {}, answer.encode()) == reply


def test_microsoft_answers_in_headers() -> None:
    assert push.read("MPNS", 200, {"x-subscriptionstatus": "Expired"}, b"") == Reply("Expired", gone=True)
    assert push.read("MPNS", 200, {"x-notificationstatus": "QueueFull"}, b"") == Reply("QueueFull", again=True)
    assert push.read("MPNS", 200, {"x-notificationstatus": "Received"}, b"") == Reply()
    assert push.read("WNS", 200, {"x-wns-status": "channelthrottled"}, b"") == Reply("channelthrottled", again=True)
    assert push.read("WNS", 200, {"x-wns-status": "received"}, b"") == Reply()
