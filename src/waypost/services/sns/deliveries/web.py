"""Deliveries to web servers."""

from typing import Any

from waypost.services.sns.deliveries.attempts import Verdict
from waypost.services.sns.rules import names
from waypost.services.sns.rules.envelope import http_headers
from waypost.work.perform import HttpAnswer, HttpPost


def post(url: str, kind: str, body: str, **about: Any) -> HttpPost:
    """A POST with SNS's headers; ``about`` as ``envelope.http_headers`` takes it."""
    return HttpPost(url, tuple(http_headers(kind, **about).items()), body.encode())


def judge(outcome: Any) -> Verdict:
    """What an endpoint's answer means: 5xx, 429 and silence may pass; any other refusal will not."""
    if not isinstance(outcome, HttpAnswer):
        return Verdict(names.masked(outcome.error))
    if 200 <= outcome.status < 300:
        return Verdict()
    return Verdict(f"HTTP {outcome.status}", again=outcome.status == 429 or outcome.status >= 500)
