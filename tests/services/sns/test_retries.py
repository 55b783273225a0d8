"""Delivery policies: phases, functions, what is refused."""

import json

import pytest

from waypost.services.sns.rules import retries
from waypost.services.sns.rules.retries import BACKOFFS, CUSTOMER_MANAGED, HTTP, RetryPolicy


def pauses(policy: RetryPolicy) -> list[float]:
    """Seconds before each retry, until the policy is exhausted."""
    found: list[float] = []
    while (pause := policy.pause_ms(len(found) + 1)) is not None:
        found.append(pause / 1_000)
    return found


def test_web_servers_get_three_retries_twenty_seconds_apart():
    assert pauses(HTTP) == [20, 20, 20]


def test_phones_and_mailboxes_get_fifty_retries_over_six_hours():
    found = pauses(CUSTOMER_MANAGED)
    assert len(found) == 50
    assert found[:3] == [10, 10, 10]
    assert found[11:] == [600] * 39
    assert 6 * 3600 < sum(found) < 7.5 * 3600


def test_the_four_phases_follow_one_another():
    # The example of AWS's page: 3 at once, 2 a second apart, 10 from 1 to 60 seconds, 35 a minute apart.
    policy = RetryPolicy(50, 3, 2, 35, 1_000, 60_000, "exponential")
    found = pauses(policy)
    assert found[:6] == [0, 0, 0, 1, 1, 1]
    assert found[5:15] == sorted(found[5:15])
    assert found[14:] == [60] * 36
    assert len(found) == 50


@pytest.mark.parametrize("backoff", BACKOFFS)
def test_a_backoff_grows_from_the_shortest_pause_to_the_longest(backoff: str):
    found = pauses(RetryPolicy(10, 0, 0, 0, 5_000, 260_000, backoff))
    assert (found[0], found[-1]) == (5, 260)
    assert found == sorted(set(found))


def test_backoffs_differ_as_on_aws_figure():
    at_half = {name: pauses(RetryPolicy(10, 0, 0, 0, 5_000, 260_000, name))[5] for name in BACKOFFS}
    assert sorted(at_half, key=at_half.__getitem__) == ["exponential", "geometric", "arithmetic", "linear"]


def test_a_growing_phase_of_one_has_the_shortest_pause():
    assert pauses(RetryPolicy(1, 0, 0, 0, 1_000, 9_000, "geometric")) == [1]


def test_chance_makes_a_pause_shorter_never_longer():
    assert HTTP.pause_ms(1, 0.5) == 19_000
    assert HTTP.pause_ms(1, 0.0) == 20_000
    assert HTTP.pause_ms(4, 0.5) is None


def test_no_policy_is_the_default():
    assert retries.effective(None, None) == (HTTP, 0, "text/plain; charset=UTF-8")


def test_a_subscription_overrides_its_topic_section_by_section():
    topic = json.dumps(
        {"http": {"defaultHealthyRetryPolicy": {"numRetries": 1}, "defaultThrottlePolicy": {"maxReceivesPerSecond": 5}}}
    )
    own = json.dumps(
        {"healthyRetryPolicy": {"numRetries": 7}, "requestPolicy": {"headerContentType": "application/json"}}
    )
    found = retries.effective(topic, own)
    assert (found.retry.retries, found.per_second, found.content_type) == (7, 5, "application/json")


def test_a_topic_may_forbid_that():
    topic = json.dumps({"http": {"disableSubscriptionOverrides": True, "defaultHealthyRetryPolicy": {"numRetries": 1}}})
    own = json.dumps({"healthyRetryPolicy": {"numRetries": 7}})
    assert retries.effective(topic, own).retry.retries == 1


def test_what_is_in_force_is_shown():
    # Recorded from AWS for a topic without a policy.
    assert retries.show_topic(None) == {
        "http": {
            "defaultHealthyRetryPolicy": {
                "minDelayTarget": 20,
                "maxDelayTarget": 20,
                "numRetries": 3,
                "numMaxDelayRetries": 0,
                "numNoDelayRetries": 0,
                "numMinDelayRetries": 0,
                "backoffFunction": "linear",
            },
            "disableSubscriptionOverrides": False,
            "defaultRequestPolicy": {"headerContentType": "text/plain; charset=UTF-8"},
        }
    }
    shown = retries.show_subscription(None, '{"throttlePolicy": {"maxReceivesPerSecond": 2}}')
    assert shown["throttlePolicy"] == {"maxReceivesPerSecond": 2}
    assert shown["healthyRetryPolicy"]["numRetries"] == 3


@pytest.mark.parametrize(
    ("policy", "problem"),
    [
        # The first is recorded from AWS.
        ({"minDelayTarget": 0}, "healthyRetryPolicy.minDelayTarget must be greater than or equal to 1"),
        ({"maxDelayTarget": 3601}, "healthyRetryPolicy.maxDelayTarget must be less than or equal to 3600"),
        ({"numRetries": 101}, "healthyRetryPolicy.numRetries must be less than or equal to 100"),
        ({"numRetries": "3"}, "healthyRetryPolicy.numRetries must be an integer"),
        ({"numRetries": True}, "healthyRetryPolicy.numRetries must be an integer"),
        ({"backoffFunction": "steep"}, "healthyRetryPolicy.backoffFunction must be one of "),
        (
            {"minDelayTarget": 5, "maxDelayTarget": 4},
            "healthyRetryPolicy.maxDelayTarget must be greater than or equal to minDelayTarget",
        ),
        (
            {"numRetries": 2, "numNoDelayRetries": 3},
            "healthyRetryPolicy.numRetries must be greater than or equal to total",
        ),
        (
            {"numRetries": 62, "minDelayTarget": 60, "maxDelayTarget": 60},
            "healthyRetryPolicy total policy retry time must be less than or equal to 3600 seconds",
        ),
        ({"numTries": 1}, "Unexpected JSON member: healthyRetryPolicy.numTries"),
        ([], "healthyRetryPolicy must be a JSON object"),
    ],
)
def test_a_retry_policy_that_cannot_be(policy: object, problem: str):
    found = retries.subscription_problem(json.dumps({"healthyRetryPolicy": policy}))
    assert found is not None
    assert found.startswith(problem)
    topic = retries.topic_problem(json.dumps({"http": {"defaultHealthyRetryPolicy": policy}}))
    assert topic is not None
    assert topic.replace("http.defaultHealthyRetryPolicy", "healthyRetryPolicy").startswith(problem)


@pytest.mark.parametrize(
    "policy",
    [
        "{}",
        '{"healthyRetryPolicy": {"numRetries": 60, "minDelayTarget": 60, "maxDelayTarget": 60}}',
        '{"throttlePolicy": {"maxReceivesPerSecond": 1}, "healthyRetryPolicy": null, "guaranteed": false}',
        '{"requestPolicy": {"headerContentType": "text/plain; charset=UTF-8"}}',
    ],
)
def test_a_policy_that_can_be(policy: str):
    assert retries.subscription_problem(policy) is None


@pytest.mark.parametrize(
    "policy",
    [
        "",
        "[]",
        "{",
        '{"http": {}}',
        '{"throttlePolicy": {"maxReceivesPerSecond": 0}}',
        '{"throttlePolicy": 3}',
        '{"requestPolicy": {"headerContentType": "text/xml"}}',
        '{"requestPolicy": {"headerContentType": "text/plain\\r\\nx-more: 1"}}',
        '{"requestPolicy": {"headers": {}}}',
        '{"sicklyRetryPolicy": {"numRetries": 1}}',
        '{"guaranteed": true}',
    ],
)
def test_what_a_subscription_policy_cannot_be(policy: str):
    assert retries.subscription_problem(policy)


def test_raw_deliveries_have_more_content_types():
    policy = '{"requestPolicy": {"headerContentType": "application/xml"}}'
    assert retries.subscription_problem(policy)
    assert retries.subscription_problem(policy, raw=True) is None


@pytest.mark.parametrize(
    "policy", ["{", '{"healthyRetryPolicy": {}}', '{"http": 1}', '{"http": {"disableSubscriptionOverrides": "no"}}']
)
def test_what_a_topic_policy_cannot_be(policy: str):
    assert retries.topic_problem(policy)
