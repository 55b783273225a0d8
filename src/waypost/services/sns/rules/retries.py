"""Delivery policies: how often a failed delivery is tried again, after which pauses, how fast an endpoint is served.

https://docs.aws.amazon.com/sns/latest/dg/sns-message-delivery-retries.html names the phases and the four functions of
the third, not their formulas. Here each begins at the shortest pause and ends at the longest: linear grows in equal
steps, arithmetic in steps that grow equally, geometric by an equal factor, exponential in steps that double.
"""

import json
import math
from functools import lru_cache
from typing import Any, NamedTuple

S_MS = 1_000
RETRIES_MAX = 100
DELAY_S_MAX = 3_600
TOTAL_S_MAX = 3_600
BACKOFFS = ("arithmetic", "exponential", "geometric", "linear")
JITTER = 0.1
"""The part of a pause that chance may take off it: what failed together need not come back together, nor ever late."""

CONTENT_TYPE = "text/plain; charset=UTF-8"
CONTENT_TYPES = ("application/json", "text/plain")
CONTENT_TYPES_RAW = (
    *CONTENT_TYPES, "application/atom+xml", "application/javascript", "application/octet-stream",
    "application/soap+xml", "application/x-www-form-urlencoded", "application/xhtml+xml", "application/xml",
    "multipart/form-data", "text/css", "text/csv", "text/html", "text/xml",
)  # fmt: skip
"""What ``headerContentType`` may be where messages go without an envelope."""

_COUNTS = ("numRetries", "numNoDelayRetries", "numMinDelayRetries", "numMaxDelayRetries")
_DELAYS = ("minDelayTarget", "maxDelayTarget")


class RetryPolicy(NamedTuple):
    """Four phases: at once, after the shortest pause, after growing pauses, after the longest."""

    retries: int = 3
    """All of them together."""
    no_delay: int = 0
    min_delay: int = 0
    max_delay: int = 0
    min_ms: int = 20 * S_MS
    max_ms: int = 20 * S_MS
    backoff: str = "linear"

    def pause_ms(self, retry: int, chance: float = 0.0) -> int | None:
        """The pause before the given retry, the first being 1; None where the policy is exhausted.

        ``chance`` in [0, 1) shortens it by up to a tenth.
        """
        pause = self._pause_ms(retry)
        return None if pause is None else round(pause * (1 - JITTER * chance))

    def _pause_ms(self, retry: int) -> int | None:
        if retry > self.retries:
            return None
        retry -= self.no_delay
        if retry <= 0:
            return 0
        retry -= self.min_delay
        if retry <= 0:
            return self.min_ms
        growing = self.retries - self.no_delay - self.min_delay - self.max_delay
        if retry > growing:
            return self.max_ms
        return self._grown_ms(retry - 1, growing - 1)

    def _grown_ms(self, step: int, steps: int) -> int:
        if step == 0:
            return self.min_ms
        span = self.max_ms - self.min_ms
        part = step / steps
        match self.backoff:
            case "arithmetic":
                return round(self.min_ms + span * step * (step + 1) / (steps * (steps + 1)))
            case "geometric":
                return round(self.min_ms * math.pow(self.max_ms / self.min_ms, part))
            case "exponential":
                return round(self.min_ms + span * ((1 << step) - 1) / ((1 << steps) - 1))
        return round(self.min_ms + span * part)


HTTP = RetryPolicy()
"""Web servers, where neither topic nor subscription say otherwise."""
CUSTOMER_MANAGED = RetryPolicy(
    retries=50, min_delay=2, max_delay=38, min_ms=10 * S_MS, max_ms=600 * S_MS, backoff="exponential"
)
"""Mail servers, phones, devices: 50 attempts over six hours."""


class DeliveryPolicy(NamedTuple):
    """What holds for one subscription."""

    retry: RetryPolicy
    per_second: int
    """Most deliveries a second; 0: no limit."""
    content_type: str
    """Of HTTP requests."""


@lru_cache(maxsize=4096)
def effective(topic: str | None, subscription: str | None) -> DeliveryPolicy:
    """What a web server gets by the policies of topic and subscription, as they were written and checked."""
    http = _section(topic, "http")
    own: dict[str, Any] = (
        json.loads(subscription) if subscription and not http.get("disableSubscriptionOverrides") else {}
    )
    retry = own.get("healthyRetryPolicy") or http.get("defaultHealthyRetryPolicy")
    throttle = own.get("throttlePolicy") or http.get("defaultThrottlePolicy") or {}
    request = own.get("requestPolicy") or http.get("defaultRequestPolicy") or {}
    return DeliveryPolicy(
        _read_retry(retry) if retry else HTTP,
        throttle.get("maxReceivesPerSecond") or 0,
        request.get("headerContentType") or CONTENT_TYPE,
    )


def _section(topic: str | None, name: str) -> dict[str, Any]:
    return (json.loads(topic).get(name) or {}) if topic else {}


def _read_retry(policy: dict[str, Any]) -> RetryPolicy:
    def given(name: str, default: int) -> int:
        value = policy.get(name)
        return default if value is None else int(value)

    min_s = given("minDelayTarget", 20)
    return RetryPolicy(
        given("numRetries", 3), given("numNoDelayRetries", 0), given("numMinDelayRetries", 0),
        given("numMaxDelayRetries", 0), min_s * S_MS, max(min_s, given("maxDelayTarget", 20)) * S_MS,
        policy.get("backoffFunction") or "linear",
    )  # fmt: skip


# --- how policies are shown


def show_topic(policy: str | None) -> dict[str, Any]:
    """EffectiveDeliveryPolicy of a topic."""
    http = _section(policy, "http")
    shown: dict[str, Any] = {
        "defaultHealthyRetryPolicy": _show_retry(http.get("defaultHealthyRetryPolicy")),
        "disableSubscriptionOverrides": bool(http.get("disableSubscriptionOverrides")),
    }
    if http.get("defaultThrottlePolicy"):
        shown["defaultThrottlePolicy"] = http["defaultThrottlePolicy"]
    shown["defaultRequestPolicy"] = http.get("defaultRequestPolicy") or {"headerContentType": CONTENT_TYPE}
    return {"http": shown}


def show_subscription(topic: str | None, subscription: str | None) -> dict[str, Any]:
    """EffectiveDeliveryPolicy of a subscription by HTTP."""
    policy = effective(topic, subscription)
    return {
        "healthyRetryPolicy": _shown(policy.retry),
        "sicklyRetryPolicy": None,
        "throttlePolicy": {"maxReceivesPerSecond": policy.per_second} if policy.per_second else None,
        "requestPolicy": {"headerContentType": policy.content_type},
        "guaranteed": False,
    }


def _show_retry(policy: dict[str, Any] | None) -> dict[str, Any]:
    return _shown(_read_retry(policy) if policy else HTTP)


def _shown(retry: RetryPolicy) -> dict[str, Any]:
    return {
        "minDelayTarget": retry.min_ms // S_MS,
        "maxDelayTarget": retry.max_ms // S_MS,
        "numRetries": retry.retries,
        "numMaxDelayRetries": retry.max_delay,
        "numNoDelayRetries": retry.no_delay,
        "numMinDelayRetries": retry.min_delay,
        "backoffFunction": retry.backoff,
    }


# --- what policies may be


def topic_problem(policy: str) -> str | None:
    """What is wrong with a topic's DeliveryPolicy, in AWS's manner; None where nothing is."""
    document = _document(policy)
    if document is None:
        return "failed to parse JSON."
    for name in document:
        if name != "http":
            return f"Unexpected JSON member: {name}"
    http = document.get("http")
    if http is None:
        return None
    if not isinstance(http, dict):
        return "http must be a JSON object"
    checks = {
        "defaultHealthyRetryPolicy": _retry_problem, "defaultSicklyRetryPolicy": _sickly_problem,
        "defaultThrottlePolicy": _throttle_problem, "defaultRequestPolicy": _request_problem,
        "disableSubscriptionOverrides": _boolean_problem,
    }  # fmt: skip
    return _problem("http.", http, checks)


def subscription_problem(policy: str, *, raw: bool = False) -> str | None:
    """What is wrong with a subscription's DeliveryPolicy; ``raw`` deliveries may have more content types."""
    document = _document(policy)
    if document is None:
        return "failed to parse JSON."
    checks = {
        "healthyRetryPolicy": _retry_problem, "sicklyRetryPolicy": _sickly_problem, "throttlePolicy": _throttle_problem,
        "requestPolicy": _raw_request_problem if raw else _request_problem, "guaranteed": _guaranteed_problem,
    }  # fmt: skip
    return _problem("", document, checks)


def _document(policy: str) -> dict[str, Any] | None:
    try:
        document = json.loads(policy)
    except ValueError:
        return None
    return document if isinstance(document, dict) else None


def _problem(prefix: str, document: dict[str, Any], checks: dict[str, Any]) -> str | None:
    for name, value in document.items():
        check = checks.get(name)
        if check is None:
            return f"Unexpected JSON member: {prefix}{name}"
        if value is None:
            continue
        found: str | None = check(f"{prefix}{name}", value)
        if found is not None:
            return found
    return None


def _retry_problem(where: str, policy: Any) -> str | None:
    if not isinstance(policy, dict):
        return f"{where} must be a JSON object"
    for name, value in policy.items():
        found = _retry_member_problem(f"{where}.{name}", name, value)
        if found is not None:
            return found
    if policy.get("maxDelayTarget", 20) < policy.get("minDelayTarget", 20):
        return f"{where}.maxDelayTarget must be greater than or equal to minDelayTarget"
    retry = _read_retry(policy)
    if retry.no_delay + retry.min_delay + retry.max_delay > retry.retries:
        return f"{where}.numRetries must be greater than or equal to total of {', '.join(_COUNTS[1:])}"
    if sum(retry.pause_ms(number) or 0 for number in range(1, retry.retries + 1)) > TOTAL_S_MAX * S_MS:
        return f"{where} total policy retry time must be less than or equal to {TOTAL_S_MAX} seconds"
    return None


def _retry_member_problem(where: str, name: str, value: Any) -> str | None:
    if name == "backoffFunction":
        return None if value in BACKOFFS else f"{where} must be one of [{', '.join(BACKOFFS)}]"
    if name not in _COUNTS and name not in _DELAYS:
        return f"Unexpected JSON member: {where}"
    low, high = (1, DELAY_S_MAX) if name in _DELAYS else (0, RETRIES_MAX)
    return _number_problem(where, value, low, high)


def _number_problem(where: str, value: Any, low: int, high: int | None) -> str | None:
    if not isinstance(value, int) or isinstance(value, bool):
        return f"{where} must be an integer"
    if value < low:
        return f"{where} must be greater than or equal to {low}"
    if high is not None and value > high:
        return f"{where} must be less than or equal to {high}"
    return None


def _throttle_problem(where: str, policy: Any) -> str | None:
    if not isinstance(policy, dict):
        return f"{where} must be a JSON object"
    return _problem(
        f"{where}.", policy, {"maxReceivesPerSecond": lambda name, value: _number_problem(name, value, 1, None)}
    )


def _request_problem(where: str, policy: Any, types: tuple[str, ...] = CONTENT_TYPES) -> str | None:
    if not isinstance(policy, dict):
        return f"{where} must be a JSON object"

    def check(name: str, value: Any) -> str | None:
        known = isinstance(value, str) and value.partition(";")[0].strip().lower() in types
        printable = known and value.isascii() and value.isprintable()
        return None if printable else f"{name} must be one of [{', '.join(types)}]"

    return _problem(f"{where}.", policy, {"headerContentType": check})


def _raw_request_problem(where: str, policy: Any) -> str | None:
    return _request_problem(where, policy, CONTENT_TYPES_RAW)


def _boolean_problem(where: str, value: Any) -> str | None:
    return None if isinstance(value, bool) else f"{where} must be a boolean"


def _guaranteed_problem(where: str, value: Any) -> str | None:
    return None if value is False else f"{where} must be false"


def _sickly_problem(where: str, _value: Any) -> str | None:
    # AWS shows the member in answers, always null, and has never said what it does.
    return f"{where} is not supported"
