"""Subscriptions: made, found again, confirmed, shown, changed, listed, ended.

Sentences are those that AWS was recorded with, unless a test says otherwise.
"""

import json
from typing import Any

import pytest
from tests.services.sns.world import ACCOUNT, BASE, OTHER, REGION, World
from tests.stores import sql

QUEUE = f"arn:aws:sqs:{REGION}:{ACCOUNT}:q"
FIFO_QUEUE = "FIFO SQS Queues can not be subscribed to standard SNS topics"
NO_JSON = (
    "Unexpected character ('i' (code 105)): was expecting double-quote to start field name\n"
    " at [Source: REDACTED (`StreamReadFeature.INCLUDE_SOURCE_IN_LOCATION` disabled); line: 1, column: 2]"
)


def request(topic: str, protocol: str, endpoint: str, **attributes: str) -> dict[str, Any]:
    made: dict[str, Any] = {"TopicArn": topic, "Protocol": protocol, "Endpoint": endpoint}
    return {**made, "Attributes": attributes} if attributes else made


# --- subscribe


def test_a_queue_of_ones_own_is_subscribed_at_once(world: World):
    topic = world.topic()
    answer = world("Subscribe", **request(topic, "sqs", QUEUE))["SubscriptionArn"]
    assert answer.startswith(f"{topic}:")
    assert world.subscription_attributes(answer) == {
        "SubscriptionArn": answer, "TopicArn": topic, "Owner": ACCOUNT, "Protocol": "sqs", "Endpoint": QUEUE,
        "PendingConfirmation": "false", "ConfirmationWasAuthenticated": "true", "RawMessageDelivery": "false",
        "SubscriptionPrincipal": f"arn:aws:iam::{ACCOUNT}:root",
    }  # fmt: skip
    shown = world.topic_attributes(topic)
    assert (shown["SubscriptionsConfirmed"], shown["SubscriptionsPending"]) == ("1", "0")


def test_the_same_endpoint_is_subscribed_once(world: World):
    topic = world.topic()
    first = world.subscribe(topic, QUEUE, RawMessageDelivery="true", FilterPolicy='{"a":["b"]}')
    for again in (
        {"RawMessageDelivery": "true", "FilterPolicy": '{"a": ["b"]}'},
        {"RawMessageDelivery": "true"},
        {},
        {"FilterPolicyScope": "MessageAttributes"},
    ):
        assert world.subscribe(topic, QUEUE, **again) == first
    for other in (
        {"RawMessageDelivery": "false"},
        {"FilterPolicy": '{"a":["c"]}'},
        {"FilterPolicyScope": "MessageBody"},
    ):
        assert (
            world.says("Subscribe", **request(topic, "sqs", QUEUE, **other))
            == "Invalid parameter: Attributes Reason: Subscription already exists with different attributes"
        )
    assert world.topic_attributes(topic)["SubscriptionsConfirmed"] == "1"


@pytest.mark.parametrize(
    ("protocol", "endpoint", "sentence"),
    [
        ("test-protocol", "x", "Invalid parameter: Amazon SNS does not support this protocol string: test-protocol"),
        ("sqs", f"http://sqs.{REGION}.amazonaws.com/{ACCOUNT}/q", "Invalid parameter: SQS endpoint ARN"),
        ("sqs", "arn:aws:sqs:q", "Invalid parameter: SQS endpoint ARN"),
        (
            "sqs",
            f"{QUEUE}.fifo",
            f"Invalid parameter: Invalid parameter: Endpoint Reason: {FIFO_QUEUE}",
        ),
        ("sms", "invalid-number", "Invalid SMS endpoint: invalid-number"),
        ("http", "https://example.com", "Invalid parameter: Endpoint must match the specified protocol"),
        ("https", "ftp://example.com", "Invalid parameter: Endpoint must match the specified protocol"),
        *(
            ("http", f"http://{rest}", "Invalid parameter: Unreachable endpoint")
            for rest in ("", "/x", "me:secret@/x", "a b", "[bad", "x:port", "x:0", "x:99999", "x/\x7f")
        ),
        ("email", "nobody", "Invalid parameter: Email address"),
        ("lambda", QUEUE, "Invalid parameter: Lambda endpoint ARN"),
        ("application", QUEUE, "Invalid parameter: Application endpoint arn invalid"),
        ("sqs", "", "Invalid parameter: Endpoint"),
    ],
)
def test_a_bad_endpoint_is_refused(world: World, protocol: str, endpoint: str, sentence: str):
    topic = world.topic()
    error = world.refused("Subscribe", **request(topic, protocol, endpoint))
    assert (error.code, error.message) == ("InvalidParameterException", sentence)
    assert world.topic_attributes(topic)["SubscriptionsConfirmed"] == "0"


def test_firehose_is_refused_clearly(world: World):
    said = world.says("Subscribe", **request(world.topic(), "firehose", "arn:aws:firehose:x:1:deliverystream/d"))
    assert said == (
        "Invalid parameter: Invalid protocol type: firehose Reason: Waypost has no Amazon Data Firehose to deliver to."
    )


def test_a_fifo_topic_delivers_to_queues_only(world: World):
    topic = world.fifo()
    assert world.refused("Subscribe", **request(topic, "email", "a@example.com")).code == "InvalidParameterException"
    world.subscribe(topic, world.queue("q.fifo"))
    world.subscribe(topic, world.queue("standard"))


@pytest.mark.parametrize(
    ("name", "value", "sentence"),
    [
        ("RawMessageDelivery", "test-ValUe", "RawMessageDelivery: Invalid value [test-ValUe]. Must be true or false."),
        ("RawMessageDelivery", "", "RawMessageDelivery: Invalid value []. Must be true or false."),
        ("Nonsense", "x", "AttributeName"),
        ("RedrivePolicy", '{"deadLetterTargetArn":"x"}', "RedrivePolicy: deadLetterTargetArn is an invalid arn"),
        (
            "RedrivePolicy",
            "{invalidjson}",
            f"RedrivePolicy: failed to parse JSON. {NO_JSON}",
        ),
        (
            "FilterPolicy",
            "{invalidjson}",
            f"FilterPolicy: failed to parse JSON. {NO_JSON}",
        ),
        (
            "FilterPolicyScope",
            "MessageHead",
            "FilterPolicyScope: Invalid value [MessageHead]. Please use either MessageBody or MessageAttributes",
        ),
    ],
)
def test_a_bad_attribute_is_refused(world: World, name: str, value: str, sentence: str):
    topic = world.topic()
    subscription = world.subscribe(topic, QUEUE)
    asked = {"SubscriptionArn": subscription, "AttributeName": name, "AttributeValue": value}
    assert world.says("SetSubscriptionAttributes", **asked) == f"Invalid parameter: {sentence}"
    asked = request(topic, "sqs", f"{QUEUE}2", **{name: value})
    assert world.says("Subscribe", **asked) == f"Invalid parameter: Attributes Reason: {sentence}"


@pytest.mark.parametrize(
    ("protocol", "endpoint", "name", "value"),
    [
        ("email", "a@example.com", "RawMessageDelivery", "true"),
        ("sqs", QUEUE, "RedrivePolicy", ""),
        ("sqs", QUEUE, "DeliveryPolicy", '{"healthyRetryPolicy":{"numRetries":101}}'),
        ("sqs", QUEUE, "SubscriptionRoleArn", "arn:aws:iam::123456789012:role/x"),
        ("sqs", QUEUE, "ReplayPolicy", '{"PointType":"Timestamp","StartingPoint":"2023-01-01T00:00:00Z"}'),
        ("http", "http://example.com", "DeliveryPolicy", '{"healthyRetryPolicy":{"numRetries":101}}'),
        ("sqs", QUEUE, "RedrivePolicy", f'{{"deadLetterTargetArn":"{QUEUE}.fifo"}}'),
        ("sqs", QUEUE, "FilterPolicy", '{"a":{"b":["c"]}}'),
    ],
)
def test_an_attribute_that_cannot_be_is_refused(world: World, protocol: str, endpoint: str, name: str, value: str):
    error = world.refused("Subscribe", **request(world.topic(), protocol, endpoint, **{name: value}))
    assert error.code == "InvalidParameterException"
    assert error.message.startswith("Invalid parameter: Attributes Reason: ")
    assert world.count("sns_subscription") == 0


def test_a_queue_may_have_a_delivery_policy(world: World):
    """Terraform's provider tests that on AWS. It retries nothing: what a queue does not take now it never takes."""
    policy = '{"healthyRetryPolicy":{"numRetries":5}}'
    subscription = world.subscribe(world.topic(), QUEUE, DeliveryPolicy=policy)
    shown = json.loads(world.subscription_attributes(subscription)["DeliveryPolicy"])
    assert shown["healthyRetryPolicy"] == {"numRetries": 5}


def test_a_dead_letter_queue_is_removed_by_no_value(world: World):
    """An empty one is refused, as Terraform's provider says of AWS."""
    redrive = f'{{"deadLetterTargetArn":"{QUEUE}"}}'
    subscription = world.subscribe(world.topic(), QUEUE, RedrivePolicy=redrive)
    asked = {"SubscriptionArn": subscription, "AttributeName": "RedrivePolicy"}
    refused = world.refused("SetSubscriptionAttributes", **asked, AttributeValue="")
    assert (refused.code, refused.message[:33]) == ("InvalidParameterException", "Invalid parameter: RedrivePolicy:")
    assert world.subscription_attributes(subscription)["RedrivePolicy"] == redrive
    world("SetSubscriptionAttributes", **asked)
    assert "RedrivePolicy" not in world.subscription_attributes(subscription)
    said = world.says("SetSubscriptionAttributes", SubscriptionArn=subscription, AttributeName="RawMessageDelivery")
    assert said == "Invalid parameter: RawMessageDelivery: Invalid value []. Must be true or false."


@pytest.mark.parametrize(("region", "account"), [("us-east-1", ACCOUNT), (REGION, OTHER)])
def test_a_dead_letter_queue_is_of_the_subscriptions_owner(world: World, region: str, account: str):
    """SNS's guide wants it in the same account and Region; the sentence is ours."""
    far = f'{{"deadLetterTargetArn":"arn:aws:sqs:{region}:{account}:q"}}'
    sentence = "RedrivePolicy: deadLetterTargetArn must be of the region and account of the subscription"
    topic = world.topic()
    said = world.says("Subscribe", **request(topic, "sqs", QUEUE, RedrivePolicy=far))
    assert said == f"Invalid parameter: Attributes Reason: {sentence}"
    asked = {"SubscriptionArn": world.subscribe(topic, QUEUE), "AttributeName": "RedrivePolicy"}
    assert world.says("SetSubscriptionAttributes", **asked, AttributeValue=far) == f"Invalid parameter: {sentence}"
    # Whoever subscribes to another's topic has the dead letters at home.
    theirs = QUEUE.replace(ACCOUNT, OTHER)
    home = request(topic, "sqs", theirs, RedrivePolicy=f'{{"deadLetterTargetArn":"{theirs}"}}')
    made = world.run("Subscribe", home, account=OTHER)["SubscriptionArn"]
    assert world.subscription_attributes(made)["Owner"] == OTHER


def test_a_mail_is_not_raw(world: World):
    """As recorded."""
    assert (
        world.says("Subscribe", **request(world.topic(), "email", "a@example.com", RawMessageDelivery="true"))
        == "Invalid parameter: Attributes Reason: Delivery protocol [email] does not support raw message delivery."
    )


def test_a_fifo_subscription_has_a_fifo_dead_letter_queue(world: World):
    subscription = world.subscribe(world.fifo(), f"{QUEUE}.fifo")
    asked = {"SubscriptionArn": subscription, "AttributeName": "RedrivePolicy"}
    assert world.says("SetSubscriptionAttributes", **asked, AttributeValue=f'{{"deadLetterTargetArn":"{QUEUE}"}}') == (
        "Invalid parameter: RedrivePolicy: must use a FIFO queue as DLQ for a FIFO Subscription to a FIFO Topic."
    )


# --- attributes


def test_attributes_change(world: World):
    subscription = world.subscribe(world.topic(), QUEUE)
    redrive = json.dumps({"deadLetterTargetArn": f"{QUEUE}-dead"})
    for name, value in (
        ("RawMessageDelivery", "true"), ("FilterPolicy", '{"a":["b"]}'), ("RedrivePolicy", redrive),
    ):  # fmt: skip
        world.set_subscription(subscription, name, value)
        assert world.subscription_attributes(subscription)[name] == value
    assert world.subscription_attributes(subscription)["FilterPolicyScope"] == "MessageAttributes"
    world("SetSubscriptionAttributes", SubscriptionArn=subscription, AttributeName="RedrivePolicy")
    world.set_subscription(subscription, "FilterPolicy", "{}")
    shown = world.subscription_attributes(subscription)
    assert not shown.keys() & {"FilterPolicy", "FilterPolicyScope", "RedrivePolicy"}


def test_a_scope_may_come_before_its_policy(world: World):
    subscription = world.subscribe(world.topic(), QUEUE)
    world.set_subscription(subscription, "FilterPolicyScope", "MessageBody")
    assert "FilterPolicyScope" not in world.subscription_attributes(subscription)
    world.set_subscription(subscription, "FilterPolicy", '{"a":{"b":["c"]}}')
    assert world.subscription_attributes(subscription)["FilterPolicyScope"] == "MessageBody"
    asked = {"SubscriptionArn": subscription, "AttributeName": "FilterPolicyScope"}
    assert "nested" in world.says("SetSubscriptionAttributes", **asked, AttributeValue="MessageAttributes")


def test_a_delivery_policy_is_shown_as_aws_does(world: World):
    topic = world.topic(DeliveryPolicy='{"http":{"defaultRequestPolicy":{"headerContentType":"application/json"}}}')
    given = {
        "healthyRetryPolicy": {
            "minDelayTarget": 1, "maxDelayTarget": 1, "numRetries": 0, "numMaxDelayRetries": 0, "numNoDelayRetries": 0,
            "numMinDelayRetries": 0, "backoffFunction": "linear",
        },
        "throttlePolicy": {"maxReceivesPerSecond": 1000},
    }  # fmt: skip
    subscription = world.subscribe(topic, "http://example.com/x", "http", DeliveryPolicy=json.dumps(given))
    shown = world.subscription_attributes(subscription)
    common = {**given, "sicklyRetryPolicy": None, "guaranteed": False}
    assert json.loads(shown["DeliveryPolicy"]) == {**common, "requestPolicy": None}
    assert json.loads(shown["EffectiveDeliveryPolicy"]) == {
        **common, "requestPolicy": {"headerContentType": "application/json"},
    }  # fmt: skip
    assert (shown["PendingConfirmation"], shown["ConfirmationWasAuthenticated"]) == ("true", "false")


@pytest.mark.parametrize("operation", ["GetSubscriptionAttributes", "SetSubscriptionAttributes", "Unsubscribe"])
def test_a_subscriptions_arn_is_checked(world: World, operation: str):
    more = {"AttributeName": "FilterPolicy"} if operation == "SetSubscriptionAttributes" else {}
    for text, sentence in (
        ("randomstring", "SubscriptionArn Reason: An ARN must have at least 6 elements, not 1"),
        ("arn:aws:sns:us-east-1:random", "SubscriptionArn Reason: An ARN must have at least 6 elements, not 5"),
        (f"arn:aws:sns:{REGION}:{ACCOUNT}:random", "SubscriptionId"),
        ("", "SubscriptionArn Reason: no value for required parameter"),
    ):
        assert world.says(operation, SubscriptionArn=text, **more) == f"Invalid parameter: {sentence}"
    unknown = f"{world.topic()}:01234567-89ab-cdef-0123-456789abcdef"
    if operation == "Unsubscribe":
        assert world("Unsubscribe", SubscriptionArn=unknown) == {}
    else:
        assert world.says(operation, SubscriptionArn=unknown, **more) == "Subscription does not exist"


# --- confirmation


def test_a_web_server_is_asked_first(world: World):
    topic = world.topic()
    assert world("Subscribe", **request(topic, "https", "https://example.com/x")) == {
        "SubscriptionArn": "pending confirmation"
    }
    subscription = world.subscribe(topic, "https://example.com/x", "https")
    assert subscription.startswith(f"{topic}:")
    assert world.count("sns_subscription") == 1
    assert world.topic_attributes(topic)["SubscriptionsPending"] == "1"
    (listed,) = world("ListSubscriptionsByTopic", TopicArn=topic)["Subscriptions"]
    assert listed["SubscriptionArn"] == "PendingConfirmation"
    world.publish(topic)
    assert world.jobs("sns.deliver") == 0

    token = world.token()
    assert world("ConfirmSubscription", TopicArn=topic, Token=token) == {"SubscriptionArn": subscription}
    assert world("ConfirmSubscription", TopicArn=topic, Token=token) == {"SubscriptionArn": subscription}
    shown = world.topic_attributes(topic)
    assert (shown["SubscriptionsConfirmed"], shown["SubscriptionsPending"]) == ("1", "0")
    attributes = world.subscription_attributes(subscription)
    assert (attributes["PendingConfirmation"], attributes["ConfirmationWasAuthenticated"]) == ("false", "true")
    world.publish(topic)
    assert world.jobs("sns.deliver") == 1


def test_both_tokens_confirm(world: World):
    topic = world.topic()
    subscription = world.subscribe(topic, "http://example.com/x", "http")
    world.pass_s(1)
    assert world.subscribe(topic, "http://example.com/x", "http") == subscription
    assert world.token(0) != world.token(1)
    assert world("ConfirmSubscription", TopicArn=topic, Token=world.token(0)) == {"SubscriptionArn": subscription}


def test_a_bad_token_is_refused(world: World):
    topic = world.topic()
    world.subscribe(topic, "http://example.com/x", "http")
    token = world.token()
    other = ("0" if token[0] != "0" else "1") + token[1:]
    for given, sentence in (("randomtoken", "Invalid token"), (other, "Invalid parameter: Token")):
        assert world.says("ConfirmSubscription", TopicArn=topic, Token=given) == sentence
    for wrong in ("x", f"arn:aws:sns:us-west-2:{ACCOUNT}:t"):
        assert world.says("ConfirmSubscription", TopicArn=wrong, Token=token) == "Invalid parameter: Topic"
    nobody = topic + "-of-nobody"
    assert world.says("ConfirmSubscription", TopicArn=nobody, Token=token) == "Invalid parameter: Token"


def test_a_subscription_that_nobody_confirms_goes(world: World):
    topic = world.topic()
    subscription = world.subscribe(topic, "http://example.com/x", "http", FilterPolicy='{"a":["b"]}')
    token = world.token()
    world.pass_s(86_400)
    world.subscribe(topic, "http://example.com/x", "http")
    world.pass_s(86_400)
    assert world.says("ConfirmSubscription", TopicArn=topic, Token=token) == "Invalid parameter: Token"
    world.work("sns.lapse")
    assert world.subscription_attributes(subscription)["PendingConfirmation"] == "true"
    world.pass_s(86_400)
    world.work("sns.lapse")
    assert world.says("GetSubscriptionAttributes", SubscriptionArn=subscription) == "Subscription does not exist"
    shown = world.topic_attributes(topic)
    assert (shown["SubscriptionsPending"], shown["SubscriptionsDeleted"]) == ("0", "0")
    assert world.count("sns_token") == 0
    assert sql(world.store, "SELECT filtered FROM sns_topic") == [(0,)]


def test_a_confirmed_subscription_outlives_its_token(world: World):
    topic = world.topic()
    subscription = world.subscribe(topic, "http://example.com/x", "http")
    world("ConfirmSubscription", TopicArn=topic, Token=world.token())
    world.pass_s(3 * 86_400)
    world.work("sns.lapse")
    assert world.subscription_attributes(subscription)["PendingConfirmation"] == "false"
    assert world.count("sns_token") == 0


def test_a_link_needs_no_signature(world: World):
    """The region, too, is the topic's: a link says no other."""
    topic = world.topic()
    subscription = world.subscribe(topic, "http://example.com/x", "http")
    asked = {"TopicArn": topic, "Token": world.token()}
    error = _refusal(world, "ConfirmSubscription", {**asked, "AuthenticateOnUnsubscribe": "true"})
    assert error.code == "AuthorizationErrorException"
    answer = world.run("ConfirmSubscription", asked, signed=False, region="us-east-1")
    assert answer == {"SubscriptionArn": subscription}
    assert world.subscription_attributes(subscription)["ConfirmationWasAuthenticated"] == "false"


def _refusal(world: World, operation: str, asked: dict[str, Any], **context: Any) -> Any:
    with pytest.raises(Exception) as caught:
        world.run(operation, asked, **{"signed": False, "region": "us-east-1", **context})
    return caught.value


def test_anothers_queue_is_asked_in_the_queue(world: World):
    topic = world.topic()
    queue = world.queue("theirs", account=OTHER)
    subscription = world.subscribe(topic, queue)
    assert world.subscription_attributes(subscription)["PendingConfirmation"] == "true"
    (asked,) = world.envelopes(queue)
    assert list(asked)[:4] == ["Type", "MessageId", "Token", "TopicArn"]
    assert asked["Type"] == "SubscriptionConfirmation"
    assert asked["SubscribeURL"] == f"{BASE}/?Action=ConfirmSubscription&TopicArn={topic}&Token={asked['Token']}"
    world.run("ConfirmSubscription", {"TopicArn": topic, "Token": asked["Token"]}, account=OTHER)
    world.publish(topic)
    assert [one["Message"] for one in world.envelopes(queue)] == ["hello"]


def test_a_queues_owner_need_not_ask_itself(world: World):
    topic = world.topic()
    queue = world.queue("theirs", account=OTHER)
    answer = world.run("Subscribe", request(topic, "sqs", queue), account=OTHER)["SubscriptionArn"]
    assert answer.startswith(topic)
    assert world.run("ListSubscriptions", {}, account=OTHER)["Subscriptions"][0]["Owner"] == OTHER
    assert world("ListSubscriptions")["Subscriptions"] == []


# --- list


def test_subscriptions_are_listed_by_pages(world: World):
    topic, other = world.topic(), world.topic("other")
    made = [world.subscribe(topic, f"{QUEUE}{number}") for number in range(101)]
    beside = world.subscribe(other, QUEUE)
    page = world("ListSubscriptionsByTopic", TopicArn=topic)
    last = world("ListSubscriptionsByTopic", TopicArn=topic, NextToken=page["NextToken"])
    assert [one["SubscriptionArn"] for one in page["Subscriptions"] + last["Subscriptions"]] == made
    assert len(page["Subscriptions"]) == 100
    assert "NextToken" not in last
    page = world("ListSubscriptions")
    last = world("ListSubscriptions", NextToken=page["NextToken"])
    assert [one["SubscriptionArn"] for one in page["Subscriptions"] + last["Subscriptions"]] == [*made, beside]
    assert last["Subscriptions"][-1] == {
        "SubscriptionArn": beside, "Owner": ACCOUNT, "Protocol": "sqs", "Endpoint": QUEUE, "TopicArn": other,
    }  # fmt: skip
    for token in ("?", "eA=="):
        assert world.says("ListSubscriptions", NextToken=token) == "Invalid parameter: NextToken"


def test_a_list_goes_on_where_it_was_whatever_comes_and_goes(world: World):
    """Nobody who is there all the time is missed or shown twice."""
    topic = world.topic()
    made = [world.subscribe(topic, f"{QUEUE}{number}") for number in range(205)]
    for operation, request in (("ListSubscriptionsByTopic", {"TopicArn": topic}), ("ListSubscriptions", {})):
        page = world(operation, **request)
        found = [one["SubscriptionArn"] for one in page["Subscriptions"]]
        for gone in (found[0], found[-1], made[made.index(found[-1]) + 1]):
            world("Unsubscribe", SubscriptionArn=gone)
            made.remove(gone)
        made.append(world.subscribe(topic, f"{QUEUE}-late-{operation}"))
        while "NextToken" in page:
            page = world(operation, **request, NextToken=page["NextToken"])
            assert len(page["Subscriptions"]) <= 100
            found += [one["SubscriptionArn"] for one in page["Subscriptions"]]
        assert len(set(found)) == len(found)
        assert [one for one in found if one in made] == made


# --- end


def test_a_subscription_ends(world: World):
    topic, queue = world.topic(), world.queue()
    subscription = world.subscribe(topic, queue)
    world("Unsubscribe", SubscriptionArn=subscription)
    world("Unsubscribe", SubscriptionArn=subscription)
    world.publish(topic)
    assert world.receive(queue) == []
    assert world.says("GetSubscriptionAttributes", SubscriptionArn=subscription) == "Subscription does not exist"
    shown = world.topic_attributes(topic)
    assert (shown["SubscriptionsConfirmed"], shown["SubscriptionsDeleted"]) == ("0", "1")
    assert world.subscribe(topic, queue) != subscription


def test_an_end_from_outside_can_be_taken_back(world: World):
    topic = world.topic()
    subscription = world.subscribe(topic, "http://example.com/x", "http", RawMessageDelivery="true")
    world("ConfirmSubscription", TopicArn=topic, Token=world.token())
    world.pass_s(1)
    world.run("Unsubscribe", {"SubscriptionArn": subscription}, signed=False, region="us-east-1")
    assert world.says("GetSubscriptionAttributes", SubscriptionArn=subscription) == "Subscription does not exist"
    assert world.run("ConfirmSubscription", {"TopicArn": topic, "Token": world.token()}, signed=False) == {
        "SubscriptionArn": subscription
    }
    assert world.subscription_attributes(subscription)["RawMessageDelivery"] == "true"
    assert world.topic_attributes(topic)["SubscriptionsConfirmed"] == "1"


def test_an_end_may_need_a_signature(world: World):
    topic = world.topic()
    subscription = world.subscribe(topic, "http://example.com/x", "http")
    world("ConfirmSubscription", TopicArn=topic, Token=world.token(), AuthenticateOnUnsubscribe="true")
    asked = {"SubscriptionArn": subscription}
    for context in ({"signed": False}, {"signed": True, "account": OTHER, "region": REGION}):
        error = _refusal(world, "Unsubscribe", asked, **context)
        assert error.code == "AuthorizationErrorException"
    assert world.subscription_attributes(subscription)["PendingConfirmation"] == "false"
    world("Unsubscribe", **asked)
    assert world.count("sns_subscription") == 0


def test_a_pending_subscription_is_not_ended(world: World):
    """AWS refuses it in these words, which Terraform's provider looks for."""
    topic = world.topic()
    subscription = world.subscribe(topic, "ops@example.com", "email")
    assert (
        world.says("Unsubscribe", SubscriptionArn=subscription)
        == "Invalid parameter: SubscriptionArn Reason: Cannot unsubscribe a subscription that is pending confirmation"
    )
    assert world.topic_attributes(topic)["SubscriptionsPending"] == "1"


def test_a_queues_subscription_ends_with_a_signature_only(world: World):
    """As the API reference says of SQS."""
    topic, queue = world.topic(), world.queue()
    asked = {"SubscriptionArn": world.subscribe(topic, queue)}
    for context in ({"signed": False}, {"signed": True, "account": OTHER, "region": REGION}):
        assert _refusal(world, "Unsubscribe", asked, **context).code == "AuthorizationErrorException"
    world("Unsubscribe", **asked)
    assert world("ListSubscriptions")["Subscriptions"] == []


def test_another_service_ends_a_queues_subscription(world: World):
    """A workflow, which signs nothing."""
    asked = {"SubscriptionArn": world.subscribe(world.topic(), world.queue())}
    ctx = world.context(signed=False)
    world.store.run(lambda tx: world.registry.call(tx, ctx, "sns", "Unsubscribe", asked))
    assert world("ListSubscriptions")["Subscriptions"] == []


def _listed(world: World, topic: str) -> list[str]:
    """The ARNs, or what stands in their place, by topic; the account's list says the same."""
    listed = world("ListSubscriptionsByTopic", TopicArn=topic)["Subscriptions"]
    assert world("ListSubscriptions")["Subscriptions"] == listed
    return [one["SubscriptionArn"] for one in listed]


def test_lists_show_for_some_days_that_a_subscription_ended(world: World):
    topic = world.topic()
    first = world.subscribe(topic, "http://example.com/1", "http")
    world("ConfirmSubscription", TopicArn=topic, Token=world.token())
    waiting = world.subscribe(topic, "http://example.com/2", "http")
    last = world.subscribe(topic, world.queue())
    assert _listed(world, topic) == [first, "PendingConfirmation", last]
    world("Unsubscribe", SubscriptionArn=first)
    assert _listed(world, topic) == ["Deleted", "PendingConfirmation", last]
    assert world.says("GetSubscriptionAttributes", SubscriptionArn=first) == "Subscription does not exist"
    world("Unsubscribe", SubscriptionArn=first)
    again = world.subscribe(topic, "http://example.com/1", "http")
    assert _listed(world, topic) == ["PendingConfirmation", last, "PendingConfirmation"]
    world("ConfirmSubscription", TopicArn=topic, Token=_token_of(world, again))
    world("Unsubscribe", SubscriptionArn=again)
    world.pass_s(3 * 86_400 - 1)
    world.work("sns.fade", "sns.lapse")
    assert _listed(world, topic) == [last, "Deleted"]
    assert world.says("GetSubscriptionAttributes", SubscriptionArn=waiting) == "Subscription does not exist"
    world.pass_s(1)
    world.work("sns.fade")
    assert _listed(world, topic) == [last]
    assert world.topic_attributes(topic)["SubscriptionsDeleted"] == "2"


def _token_of(world: World, subscription: str) -> str:
    uuid = subscription.rpartition(":")[2]
    return str(sql(world.store, "SELECT token FROM sns_token WHERE uuid = :uuid", uuid=uuid)[0][0])


def test_who_takes_an_end_back_is_listed_as_before(world: World):
    topic = world.topic()
    subscription = world.subscribe(topic, "http://example.com/x", "http")
    world("ConfirmSubscription", TopicArn=topic, Token=world.token())
    world.pass_s(1)
    world.run("Unsubscribe", {"SubscriptionArn": subscription}, signed=False)
    assert _listed(world, topic) == ["Deleted"]
    world.run("ConfirmSubscription", {"TopicArn": topic, "Token": world.token()}, signed=False)
    assert _listed(world, topic) == [subscription]


def test_a_deleted_topic_leaves_nothing_that_ended(world: World):
    topic = world.topic()
    subscription = world.subscribe(topic, "http://example.com/x", "http")
    world("ConfirmSubscription", TopicArn=topic, Token=world.token())
    world("Unsubscribe", SubscriptionArn=subscription)
    world("DeleteTopic", TopicArn=topic)
    world.work("sns.clear")
    assert (world.count("sns_ended"), world.jobs("sns.fade")) == (0, 0)


@pytest.mark.parametrize(
    ("endpoint", "listed"),
    [
        ("http://example.com/x", "http://example.com/x"),
        ("http://me@example.com/x", "http://me@example.com/x"),
        ("http://me:secret@example.com/x:y@z", "http://me:****@example.com/x:y@z"),
        ("http://me:se@cr:et@example.com:8080", "http://me:****@example.com:8080"),
        ("http://:s@example.com/?a=b@c", "http://:****@example.com/?a=b@c"),
        ("http://example.com:80/@x", "http://example.com:80/@x"),
        ("http://me:secret@[::1]/x", "http://me:****@[::1]/x"),
    ],
)
def test_lists_hide_passwords(world: World, endpoint: str, listed: str):
    """As recorded of ListSubscriptionsByTopic; GetSubscriptionAttributes is documented to answer the whole address."""
    topic = world.topic()
    subscription = world.subscribe(topic, endpoint, "http")
    for page in (world("ListSubscriptions"), world("ListSubscriptionsByTopic", TopicArn=topic)):
        assert [one["Endpoint"] for one in page["Subscriptions"]] == [listed]
    assert world.subscription_attributes(subscription)["Endpoint"] == endpoint


# --- quotas


def test_a_topic_has_only_so_many_filter_policies(world: World, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("waypost.services.sns.operations.subscriptions.FILTERED_MAX", 1)
    topic = world.topic()
    first = world.subscribe(topic, QUEUE, FilterPolicy='{"a":["b"]}')
    second = world.subscribe(topic, f"{QUEUE}2")
    asked = request(topic, "sqs", f"{QUEUE}3", FilterPolicy='{"a":["b"]}')
    assert world.refused("Subscribe", **asked).code == "FilterPolicyLimitExceededException"
    asked = {"SubscriptionArn": second, "AttributeName": "FilterPolicy", "AttributeValue": '{"a":["b"]}'}
    assert world.refused("SetSubscriptionAttributes", **asked).code == "FilterPolicyLimitExceededException"
    world.set_subscription(first, "FilterPolicy", '{"a":["c"]}')
    world("Unsubscribe", SubscriptionArn=first)
    world.set_subscription(second, "FilterPolicy", '{"a":["b"]}')


def test_an_account_has_only_so_many_filter_policies(world: World, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("waypost.services.sns.limits.ACCOUNT_FILTERED_MAX", 2)
    one, other = world.topic("one"), world.topic("other")
    first = world.subscribe(one, QUEUE, FilterPolicy='{"a":["b"]}')
    web = world.subscribe(other, "http://example.com/x", "http", FilterPolicy='{"a":["b"]}')
    plain = world.subscribe(other, QUEUE)
    asked = request(other, "sqs", f"{QUEUE}2", FilterPolicy='{"a":["b"]}')
    assert world.refused("Subscribe", **asked).code == "FilterPolicyLimitExceededException"
    change = {"SubscriptionArn": plain, "AttributeName": "FilterPolicy", "AttributeValue": '{"a":["b"]}'}
    assert world.refused("SetSubscriptionAttributes", **change).code == "FilterPolicyLimitExceededException"
    world.set_subscription(first, "FilterPolicy", '{"a":["c"]}')
    world.set_subscription(first, "FilterPolicy", "{}")
    world.set_subscription(plain, "FilterPolicy", '{"a":["b"]}')
    # A confirmed one that is ended from outside, and wants to come back when there is no room left.
    world("ConfirmSubscription", TopicArn=other, Token=_token_of(world, web))
    world.pass_s(1)
    world.run("Unsubscribe", {"SubscriptionArn": web}, signed=False)
    world.set_subscription(first, "FilterPolicy", '{"a":["b"]}')
    back = {"TopicArn": other, "Token": world.token()}
    assert world.refused("ConfirmSubscription", **back).code == "FilterPolicyLimitExceededException"
    world("DeleteTopic", TopicArn=one)
    world("ConfirmSubscription", **back)
    used = sql(world.store, "SELECT used FROM sns_usage WHERE what = 'filter_policies'")
    assert used == [(2,)]


def test_a_fifo_topic_has_a_hundred_subscriptions(world: World):
    topic = world.fifo()
    for number in range(100):
        world.subscribe(topic, f"{QUEUE}{number}")
    assert world.refused("Subscribe", **request(topic, "sqs", QUEUE)).code == "SubscriptionLimitExceededException"


def test_an_account_has_only_so_many_pending_subscriptions(world: World, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("waypost.services.sns.operations.subscriptions.PENDING_MAX", 2)
    topic = world.topic()
    for number in range(2):
        world.subscribe(topic, f"http://example.com/{number}", "http")
    asked = request(topic, "http", "http://example.com/2")
    assert world.refused("Subscribe", **asked).code == "SubscriptionLimitExceededException"
    world("ConfirmSubscription", TopicArn=topic, Token=world.token())
    world("Subscribe", **asked)
