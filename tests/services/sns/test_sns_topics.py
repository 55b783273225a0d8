"""Topics: created, shown, changed, listed, deleted; their tags, permissions and policies.

Sentences are those that AWS was recorded with, unless a test says otherwise.
"""

import json

import pytest
from tests.services.sns.world import ACCOUNT, OTHER, REGION, World
from tests.stores import sql


def arn(name: str) -> str:
    return f"arn:aws:sns:{REGION}:{ACCOUNT}:{name}"


# --- create


@pytest.mark.parametrize(("quota", "suffix"), [("TOPICS_MAX", ""), ("FIFO_TOPICS_MAX", ".fifo")])
def test_an_account_has_only_so_many_topics(world: World, monkeypatch: pytest.MonkeyPatch, quota: str, suffix: str):
    """Of either kind, in each region; a topic that is gone counts no more."""
    monkeypatch.setattr(f"waypost.services.sns.limits.{quota}", 2)
    attributes = {"FifoTopic": "true"} if suffix else {}
    first, _ = (world.topic(f"{name}{suffix}", **attributes) for name in "ab")
    refused = world.refused("CreateTopic", Name=f"c{suffix}", Attributes=attributes)
    assert refused.code == "TopicLimitExceededException"
    assert world.count("sns_topic") == 2
    assert world.topic(f"a{suffix}", **attributes) == first
    for context in ({"region": "us-east-1"}, {"account": OTHER}):
        world.run("CreateTopic", {"Name": f"c{suffix}", "Attributes": attributes}, **context)
    world.topic("other.fifo" if not suffix else "other", **({} if suffix else {"FifoTopic": "true"}))
    world("DeleteTopic", TopicArn=first)
    world("DeleteTopic", TopicArn=first)
    world.topic(f"c{suffix}", **attributes)
    assert world.refused("CreateTopic", Name=f"d{suffix}", Attributes=attributes).code == refused.code


def test_a_topic_is_created_once(world: World):
    assert world.topic("orders") == arn("orders")
    assert world.topic("orders") == arn("orders")
    assert world.count("sns_topic") == 1


@pytest.mark.parametrize("name", ["", "x" * 257, "a:b", "a b", "a.b", "ä", "x.fifo"])
def test_a_bad_name_is_refused(world: World, name: str):
    assert world.says("CreateTopic", Name=name) == "Invalid parameter: Topic Name"


def test_the_longest_name_is_taken(world: World):
    assert world.topic("x" * 256) == arn("x" * 256)


def test_a_fifo_topics_name_says_so(world: World):
    error = world.refused("CreateTopic", Name="x", Attributes={"FifoTopic": "true"})
    assert error.code == "InvalidParameterException"
    assert error.message.startswith("Invalid parameter: Fifo Topic names must end with .fifo and")
    assert world.fifo("x.fifo") == arn("x.fifo")


def test_fifo_false_is_a_standard_topic(world: World):
    assert "FifoTopic" not in world.topic_attributes(world.topic("x", FifoTopic="false"))


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ({}, {"DisplayName": "other"}),
        ({"DisplayName": "one"}, {"DisplayName": "two"}),
        ({"SignatureVersion": "2"}, {"SignatureVersion": "1"}),
        ({}, {"DeliveryPolicy": '{"http":{"defaultHealthyRetryPolicy":{"numRetries":5}}}'}),
        ({}, {"Policy": '{"Statement":[{"Effect":"Allow","Principal":"*","Action":"sns:Publish","Resource":"*"}]}'}),
    ],
)
def test_created_again_with_other_attributes(world: World, first: dict[str, str], second: dict[str, str]):
    world.topic("x", **first)
    assert (
        world.says("CreateTopic", Name="x", Attributes=second)
        == "Invalid parameter: Attributes Reason: Topic already exists with different attributes"
    )


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ({"DisplayName": "one", "SignatureVersion": "2"}, {"DisplayName": "one"}),
        ({"DisplayName": "one"}, {}),
        ({}, {"DisplayName": "", "SignatureVersion": "1", "FifoTopic": "false", "TracingConfig": "PassThrough"}),
        (
            {"DeliveryPolicy": '{"http": {"defaultHealthyRetryPolicy": {"numRetries": 5}}}'},
            {"DeliveryPolicy": '{"http":{"defaultHealthyRetryPolicy":{"numRetries":5}}}'},
        ),
    ],
)
def test_created_again_with_the_same_attributes(world: World, first: dict[str, str], second: dict[str, str]):
    assert world.topic("x", **first) == world.topic("x", **second)


def test_created_again_with_other_tags(world: World):
    tags = [{"Key": "123", "Value": "abc"}]
    world("CreateTopic", Name="x", Tags=tags)
    for again in (tags, []):
        assert world("CreateTopic", Name="x", Tags=again)["TopicArn"] == arn("x")
    assert (
        world.says("CreateTopic", Name="x", Tags=[*tags, {"Key": "456", "Value": "def"}])
        == "Invalid parameter: Tags Reason: Topic already exists with different tags"
    )


# --- attributes


def test_a_topic_shows_its_attributes(world: World):
    shown = world.topic_attributes(world.topic("x"))
    policy = json.loads(shown.pop("Policy"))
    effective = json.loads(shown.pop("EffectiveDeliveryPolicy"))
    assert shown == {
        "TopicArn": arn("x"), "Owner": ACCOUNT, "DisplayName": "", "SubscriptionsConfirmed": "0",
        "SubscriptionsPending": "0", "SubscriptionsDeleted": "0",
    }  # fmt: skip
    assert effective == {
        "http": {
            "defaultHealthyRetryPolicy": {
                "minDelayTarget": 20, "maxDelayTarget": 20, "numRetries": 3, "numMaxDelayRetries": 0,
                "numNoDelayRetries": 0, "numMinDelayRetries": 0, "backoffFunction": "linear",
            },
            "disableSubscriptionOverrides": False,
            "defaultRequestPolicy": {"headerContentType": "text/plain; charset=UTF-8"},
        }
    }  # fmt: skip
    assert policy == {
        "Version": "2008-10-17",
        "Id": "__default_policy_ID",
        "Statement": [{
            "Sid": "__default_statement_ID",
            "Effect": "Allow",
            "Principal": {"AWS": "*"},
            "Action": [
                "SNS:GetTopicAttributes", "SNS:SetTopicAttributes", "SNS:AddPermission", "SNS:RemovePermission",
                "SNS:DeleteTopic", "SNS:Subscribe", "SNS:ListSubscriptionsByTopic", "SNS:Publish",
            ],
            "Resource": arn("x"),
            "Condition": {"StringEquals": {"AWS:SourceOwner": ACCOUNT}},
        }],
    }  # fmt: skip


def test_a_fifo_topic_shows_its_defaults(world: World):
    shown = world.topic_attributes(world.fifo("x.fifo", DisplayName="TestTopic", SignatureVersion="2"))
    assert {name: shown[name] for name in ("FifoTopic", "ContentBasedDeduplication", "FifoThroughputScope")} == {
        "FifoTopic": "true", "ContentBasedDeduplication": "false", "FifoThroughputScope": "Topic",
    }  # fmt: skip
    assert (shown["DisplayName"], shown["SignatureVersion"]) == ("TestTopic", "2")


def test_attributes_change(world: World):
    topic = world.topic("x")
    for name, value in (("DisplayName", "Orders"), ("SignatureVersion", "2"), ("MaximumMessageSize", "1048576")):
        world.set_topic(topic, name, value)
        assert world.topic_attributes(topic)[name] == value
    world.set_topic(topic, "DisplayName", "")
    assert world.topic_attributes(topic)["DisplayName"] == ""


def test_a_delivery_policy_is_shown_as_aws_does(world: World):
    topic = world.topic(
        "x", DeliveryPolicy='{"http":{"defaultRequestPolicy":{"headerContentType":"application/json"}}}'
    )
    shown = world.topic_attributes(topic)
    assert json.loads(shown["DeliveryPolicy"]) == {
        "http": {
            "disableSubscriptionOverrides": False,
            "defaultRequestPolicy": {"headerContentType": "application/json"},
        }
    }
    world.set_topic(
        topic, "DeliveryPolicy",
        '{"http":{"defaultHealthyRetryPolicy":{"minDelayTarget":5,"maxDelayTarget":6,"numRetries":1}}}',
    )  # fmt: skip
    shown = world.topic_attributes(topic)
    assert json.loads(shown["DeliveryPolicy"]) == {
        "http": {
            "defaultHealthyRetryPolicy": {"minDelayTarget": 5, "maxDelayTarget": 6, "numRetries": 1},
            "disableSubscriptionOverrides": False,
        }
    }
    effective = json.loads(shown["EffectiveDeliveryPolicy"])["http"]
    assert effective["defaultHealthyRetryPolicy"]["maxDelayTarget"] == 6
    assert effective["defaultRequestPolicy"] == {"headerContentType": "text/plain; charset=UTF-8"}
    world.set_topic(topic, "DeliveryPolicy", '{"http":{"defaultHealthyRetryPolicy":null}}')
    assert json.loads(world.topic_attributes(topic)["DeliveryPolicy"]) == {
        "http": {"disableSubscriptionOverrides": False}
    }
    world.set_topic(topic, "DeliveryPolicy", "")
    assert "DeliveryPolicy" not in world.topic_attributes(topic)


@pytest.mark.parametrize("name", ["FifoTopic", "Nonsense", "ContentBasedDeduplication", "ArchivePolicy"])
def test_a_standard_topic_has_no_such_attribute(world: World, name: str):
    topic = world.topic("x")
    request = {"TopicArn": topic, "AttributeName": name, "AttributeValue": "false"}
    assert world.says("SetTopicAttributes", **request) == "Invalid parameter: AttributeName"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("DisplayName", "x" * 101),
        ("SignatureVersion", "3"),
        ("MaximumMessageSize", "1023"),
        ("MaximumMessageSize", "1048577"),
        ("MaximumMessageSize", "big"),
        ("DeliveryPolicy", "{"),
        ("DeliveryPolicy", '{"http":{"defaultHealthyRetryPolicy":{"numRetries":101}}}'),
        ("TracingConfig", "Active"),
        ("TracingConfig", "Sometimes"),
        ("SQSSuccessFeedbackRoleArn", "arn:aws:iam::123456789012:user/x"),
        ("LambdaFailureFeedbackRoleArn", "role/x"),
        ("LambdaSuccessFeedbackSampleRate", "101"),
        ("HTTPSuccessFeedbackSampleRate", "-1"),
        ("HTTPSuccessFeedbackSampleRate", "half"),
        ("Policy", "{"),
        ("Policy", "[]"),
        ("Policy", '{"Statement":[]}'),
        ("Policy", '{"Statement":[{"Effect":"Allow","Action":"sns:Publish","Resource":"*"}]}'),
    ],
)
def test_a_bad_value_is_refused(world: World, name: str, value: str):
    topic = world.topic("x")
    before = world.topic_attributes(topic)
    error = world.refused("SetTopicAttributes", TopicArn=topic, AttributeName=name, AttributeValue=value)
    assert error.code == "InvalidParameterException"
    assert error.message.startswith(f"Invalid parameter: {name}")
    error = world.refused("CreateTopic", Name="y", Attributes={name: value})
    assert error.code == "InvalidParameterException"
    assert world.topic_attributes(topic) == before


@pytest.mark.parametrize("key", ["alias/aws/sns", f"arn:aws:kms:{REGION}:{ACCOUNT}:alias/aws/sns"])
def test_the_key_that_aws_manages_is_kept(world: World, key: str):
    topic = world.topic("x", KmsMasterKeyId=key)
    assert world.topic("x", KmsMasterKeyId=key) == topic
    assert world.topic_attributes(topic)["KmsMasterKeyId"] == key
    world.set_topic(topic, "KmsMasterKeyId", "")
    assert "KmsMasterKeyId" not in world.topic_attributes(topic)


@pytest.mark.parametrize("key", ["alias/mine", "1234abcd-12ab-34cd-56ef-1234567890ab", "xalias/aws/sns"])
def test_another_key_is_not_found(world: World, key: str):
    """Loud and early, where AWS says so to whoever publishes: there is no KMS."""
    topic = world.topic("x")
    asked = {"TopicArn": topic, "AttributeName": "KmsMasterKeyId", "AttributeValue": key}
    assert world.refused("SetTopicAttributes", **asked).code == "KMSNotFoundException"
    error = world.refused("CreateTopic", Name="y", Attributes={"KmsMasterKeyId": key})
    assert (error.code, key in error.message) == ("KMSNotFoundException", True)
    assert (world.count("sns_topic"), "KmsMasterKeyId" in world.topic_attributes(topic)) == (1, False)


def test_no_sampling_of_what_is_delivered_can_be_asked_for(world: World):
    """As Terraform's provider does with every topic."""
    topic = world.topic("x")
    for protocol in ("HTTP", "Firehose", "Lambda", "Application", "SQS"):
        name = f"{protocol}SuccessFeedbackSampleRate"
        world("SetTopicAttributes", TopicArn=topic, AttributeName=name, AttributeValue="0")
        assert world.topic_attributes(topic)[name] == "0"
    assert world.count("sns_topic") == 1


def test_an_unknown_attribute_is_refused_at_creation(world: World):
    error = world.refused("CreateTopic", Name="y", Attributes={"Colour": "red"})
    assert error.message == "Invalid parameter: Attributes Reason: Unknown attribute: Colour"


def test_a_throughput_scope_does_not_go_back(world: World):
    topic = world.fifo("x.fifo")
    world.set_topic(topic, "FifoThroughputScope", "MessageGroup")
    request = {"TopicArn": topic, "AttributeName": "FifoThroughputScope", "AttributeValue": "Topic"}
    assert world.refused("SetTopicAttributes", **request).code == "InvalidParameterException"
    assert world.topic_attributes(topic)["FifoThroughputScope"] == "MessageGroup"


def test_large_messages_are_for_queues_and_functions(world: World):
    topic = world.topic("x")
    world.subscribe(topic, "someone@example.com", "email")
    request = {"TopicArn": topic, "AttributeName": "MaximumMessageSize", "AttributeValue": "1048576"}
    assert world.refused("SetTopicAttributes", **request).code == "InvalidParameterException"
    world.set_topic(topic, "MaximumMessageSize", "262144")
    large = world.topic("large", MaximumMessageSize="1048576")
    world.subscribe(large, world.queue())
    request = {"TopicArn": large, "Protocol": "email", "Endpoint": "someone@example.com"}
    assert world.refused("Subscribe", **request).code == "InvalidParameterException"
    world.subscribe(large, f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:f", "lambda")


def test_large_messages_are_for_a_hundred_subscriptions(world: World):
    queues = [f"arn:aws:sqs:{REGION}:{ACCOUNT}:q{number}" for number in range(101)]
    many, few = world.topic("many"), world.topic("few", MaximumMessageSize="262145")
    for queue in queues[:100]:
        world.subscribe(many, queue)
        world.subscribe(few, queue)
    assert "100 subscriptions" in world.says("Subscribe", TopicArn=few, Protocol="sqs", Endpoint=queues[100])
    world.set_topic(many, "MaximumMessageSize", "262145")
    world.set_topic(many, "MaximumMessageSize", "262144")
    world.subscribe(many, queues[100])
    request = {"TopicArn": many, "AttributeName": "MaximumMessageSize", "AttributeValue": "262145"}
    assert "100 subscriptions" in world.says("SetTopicAttributes", **request)
    assert world.topic_attributes(many)["MaximumMessageSize"] == "262144"


# --- ARNs


@pytest.mark.parametrize("operation", ["GetTopicAttributes", "ListSubscriptionsByTopic", "DeleteTopic", "Publish"])
def test_a_topics_arn_is_checked(world: World, operation: str):
    more = {"Message": "x"} if operation == "Publish" else {}
    for text, elements in (("", 1), ("topic", 1), ("a:b", 2), ("arn:aws:sns:us-east-1:random", 5)):
        assert (
            world.says(operation, TopicArn=text, **more)
            == f"Invalid parameter: TopicArn Reason: An ARN must have at least 6 elements, not {elements}"
        )
    elsewhere = f"arn:aws:sns:us-west-2:{ACCOUNT}:x"
    assert world.says(operation, TopicArn=elsewhere, **more) == "Invalid parameter: TopicArn"
    if operation != "DeleteTopic":
        error = world.refused(operation, TopicArn=arn("nobody"), **more)
        assert (error.code, error.message) == ("NotFoundException", "Topic does not exist")


# --- list


def test_topics_are_listed_by_pages(world: World):
    names = sorted(f"topic-{number}" for number in range(205))
    for name in names:
        world.topic(name)
    world.run("CreateTopic", {"Name": "of-another"}, account=OTHER)
    found, token = [], None
    for size in (100, 100, 5):
        answer = world("ListTopics", **({"NextToken": token} if token else {}))
        assert len(answer["Topics"]) == size
        found += [topic["TopicArn"] for topic in answer["Topics"]]
        token = answer.get("NextToken")
    assert token is None
    assert found == [arn(name) for name in names]
    assert world.says("ListTopics", NextToken="???") == "Invalid parameter: NextToken"


def test_a_list_goes_on_where_it_was_whatever_comes_and_goes(world: World):
    for number in range(150):
        world.topic(f"topic-{number:03}")
    page = world("ListTopics")
    for gone in ("topic-000", "topic-099", "topic-100"):
        world("DeleteTopic", TopicArn=arn(gone))
    world.topic("topic-050-late")
    world.topic("topic-101-late")
    page = world("ListTopics", NextToken=page["NextToken"])
    names = [one["TopicArn"].rpartition(":")[2] for one in page["Topics"]]
    assert names == ["topic-101", "topic-101-late", *(f"topic-{number:03}" for number in range(102, 150))]
    assert "NextToken" not in page


# --- delete


def test_a_deleted_topic_is_gone_with_its_subscriptions(world: World):
    topic = world.fifo("x.fifo", ContentBasedDeduplication="true")
    subscription = world.subscribe(topic, world.queue("q.fifo"))
    world.publish(topic, MessageGroupId="g")
    world("DeleteTopic", TopicArn=topic)
    world("DeleteTopic", TopicArn=topic)
    assert world.says("GetTopicAttributes", TopicArn=topic) == "Topic does not exist"
    error = world.refused("GetSubscriptionAttributes", SubscriptionArn=subscription)
    assert (error.code, error.message) == ("NotFoundException", "Subscription does not exist")
    assert world("ListSubscriptions") == {"Subscriptions": []}
    world.work()
    tables = ("sns_topic", "sns_subscription", "sns_dedup", "sns_group", "sns_archive")
    assert {table: world.count(table) for table in tables} == dict.fromkeys(tables, 0)
    assert world.jobs("sns.clean") == 0


def test_what_a_large_topic_leaves_behind_goes_by_and_by(world: World, monkeypatch: pytest.MonkeyPatch):
    for place in ("operations.topics", "jobs"):
        monkeypatch.setattr(f"waypost.services.sns.{place}.CLEAN_BATCH_MAX", 2)
    topic = world.topic("x")
    for number in range(4):
        world.subscribe(topic, f"arn:aws:sqs:{REGION}:{ACCOUNT}:q{number}", FilterPolicy='{"a":["b"]}')
        world.subscribe(topic, f"http://example.com/{number}", "http")
        ended = world.subscribe(topic, f"http://example.com/ended-{number}", "http")
        uuid = ended.rpartition(":")[2]
        ((token,),) = sql(world.store, "SELECT token FROM sns_token WHERE uuid = :uuid", uuid=uuid)
        world("ConfirmSubscription", TopicArn=topic, Token=token)
        world("Unsubscribe", SubscriptionArn=ended)
    world("DeleteTopic", TopicArn=topic)
    # As on AWS, the account's list still shows what is on its way out; a new topic has nothing to do with it.
    assert len(world("ListSubscriptions")["Subscriptions"]) == 10
    assert world.topic("x") == topic
    assert world("ListSubscriptionsByTopic", TopicArn=topic)["Subscriptions"] == []
    mine = world.subscribe(topic, f"arn:aws:sqs:{REGION}:{ACCOUNT}:q0")
    assert world.work("sns.clear") > 2
    assert [one["SubscriptionArn"] for one in world("ListSubscriptions")["Subscriptions"]] == [mine]
    tables = ("sns_subscription", "sns_ended", "sns_token")
    assert [world.count(table) for table in tables] == [1, 0, 0]
    used = sql(world.store, "SELECT what, used FROM sns_usage ORDER BY what")
    assert used == [("filter_policies", 0), ("topics", 1)]


def test_a_topic_of_the_same_name_begins_anew(world: World):
    topic = world.topic("x")
    world.subscribe(topic, world.queue())
    world("DeleteTopic", TopicArn=topic)
    assert world.topic("x", DisplayName="new") == topic
    assert world("ListSubscriptionsByTopic", TopicArn=topic)["Subscriptions"] == []
    world.work()
    assert world.topic_attributes(topic)["DisplayName"] == "new"


def test_an_archived_topic_is_not_deleted(world: World):
    topic = world.fifo("x.fifo", ArchivePolicy='{"MessageRetentionPeriod":"30"}')
    error = world.refused("DeleteTopic", TopicArn=topic)
    assert error.code == "InvalidStateException"
    assert error.message == "Invalid state: Cannot delete a topic with an ArchivePolicy"
    for value in ({"AttributeValue": ""}, {}):
        asked = {"TopicArn": topic, "AttributeName": "ArchivePolicy", **value}
        assert world.refused("SetTopicAttributes", **asked).code == "InvalidParameterException"
    world.set_topic(topic, "ArchivePolicy", "{}")
    world("DeleteTopic", TopicArn=topic)
    assert world.count("sns_topic") == 0


# --- tags


def test_tags(world: World):
    topic = world("CreateTopic", Name="x", Tags=[{"Key": "k1", "Value": "v1"}, {"Key": "k2", "Value": "v2"}])[
        "TopicArn"
    ]

    def tags() -> list[dict[str, str]]:
        return world("ListTagsForResource", ResourceArn=topic)["Tags"]

    assert tags() == [{"Key": "k1", "Value": "v1"}, {"Key": "k2", "Value": "v2"}]
    world("UntagResource", ResourceArn=topic, TagKeys=["k1", "other"])
    world("TagResource", ResourceArn=topic, Tags=[{"Key": "k2", "Value": "v2b"}])
    assert tags() == [{"Key": "k2", "Value": "v2b"}]
    twice = [{"Key": "k", "Value": "1"}, {"Key": "k", "Value": "2"}]
    assert (
        world.says("TagResource", ResourceArn=topic, Tags=twice)
        == "Invalid parameter: Duplicated keys are not allowed."
    )
    assert world.says("CreateTopic", Name="y", Tags=twice) == "Invalid parameter: Duplicated keys are not allowed."
    many = [{"Key": f"k{number}", "Value": ""} for number in range(50)]
    error = world.refused("TagResource", ResourceArn=topic, Tags=[*many, {"Key": "one-more", "Value": ""}])
    assert error.code == "TagLimitExceededException"
    error = world.refused("ListTagsForResource", ResourceArn=arn("nobody"))
    assert (error.code, error.message) == ("ResourceNotFoundException", "Resource does not exist")


# --- permissions


def test_permissions_are_statements_of_the_policy(world: World):
    topic = world.topic("x")
    world("AddPermission", TopicArn=topic, Label="one", AWSAccountId=[OTHER], ActionName=["Publish"])
    world(
        "AddPermission", TopicArn=topic, Label="two", AWSAccountId=[OTHER, ACCOUNT],
        ActionName=["Publish", "Subscribe"],
    )  # fmt: skip
    policy = json.loads(world.topic_attributes(topic)["Policy"])
    assert [statement["Sid"] for statement in policy["Statement"]] == ["__default_statement_ID", "one", "two"]
    assert policy["Statement"][1:] == [
        {
            "Sid": "one", "Effect": "Allow", "Principal": {"AWS": f"arn:aws:iam::{OTHER}:root"},
            "Action": "SNS:Publish", "Resource": topic,
        },
        {
            "Sid": "two", "Effect": "Allow",
            "Principal": {"AWS": [f"arn:aws:iam::{OTHER}:root", f"arn:aws:iam::{ACCOUNT}:root"]},
            "Action": ["SNS:Publish", "SNS:Subscribe"], "Resource": topic,
        },
    ]  # fmt: skip
    request = {"TopicArn": topic, "Label": "one", "AWSAccountId": [OTHER]}
    assert (
        world.says("AddPermission", **request, ActionName=["Publish"]) == "Invalid parameter: Statement already exists"
    )
    assert (
        world.says("AddPermission", **{**request, "Label": "three"}, ActionName=["Nonsense"])
        == "Invalid parameter: Policy statement action out of service scope!"
    )
    for wanting in ("Label", "AWSAccountId", "ActionName"):
        asked = {"Label": "three", "AWSAccountId": [OTHER], "ActionName": ["Publish"]}
        asked[wanting] = type(asked[wanting])()
        assert world.says("AddPermission", TopicArn=topic, **asked) == f"Invalid parameter: {wanting}"
    for label in ("one", "two", "nobody"):
        world("RemovePermission", TopicArn=topic, Label=label)
    policy = json.loads(world.topic_attributes(topic)["Policy"])
    assert [statement["Sid"] for statement in policy["Statement"]] == ["__default_statement_ID"]


def test_a_policy_is_kept_as_it_was_written(world: World):
    topic = world.topic("x")
    policy = '{ "Statement": {"Effect": "Allow", "Principal": "*", "Action": "sns:Pub*", "Resource": "*"} }'
    world.set_topic(topic, "Policy", policy)
    assert world.topic_attributes(topic)["Policy"] == policy
    world("AddPermission", TopicArn=topic, Label="one", AWSAccountId=[OTHER], ActionName=["Publish"])
    assert len(json.loads(world.topic_attributes(topic)["Policy"])["Statement"]) == 2
    world.set_topic(topic, "DisplayName", "kept")
    assert len(json.loads(world.topic_attributes(topic)["Policy"])["Statement"]) == 2
    world.set_topic(topic, "Policy", "")
    assert json.loads(world.topic_attributes(topic)["Policy"])["Id"] == "__default_policy_ID"
    other = policy.replace("sns:Pub*", "sqs:SendMessage")
    assert (
        world.says("SetTopicAttributes", TopicArn=topic, AttributeName="Policy", AttributeValue=other)
        == "Invalid parameter: Policy statement action out of service scope!"
    )


def statement(**changes: object) -> dict[str, object]:
    return {"Effect": "Allow", "Principal": "*", "Action": "sns:Publish", "Resource": "*", **changes}


def told_of(world: World, topic: str, *statements: dict[str, object]) -> str:
    policy = json.dumps({"Version": "2012-10-17", "Statement": list(statements)})
    return world.says("SetTopicAttributes", TopicArn=topic, AttributeName="Policy", AttributeValue=policy)


@pytest.mark.parametrize(
    "principal",
    [
        "x", {}, [], {"AWS": []}, {"AWS": [1]}, {"Nobody": "*"},
        *({"AWS": name} for name in ("arn:aws:iam::123:root", "nobody", "arn:aws:iam::123456789012:group/x", "")),
    ],
)  # fmt: skip
def test_principals_that_cannot_be(world: World, principal: object):
    """As AWS was seen to answer Terraform; whether an account, a user or a role exists is not asked."""
    reason = "PrincipalNotFound" if isinstance(principal, dict) and isinstance(principal.get("AWS"), str) else "null"
    said = told_of(world, world.topic("x"), statement(Principal=principal))
    assert said == f"Invalid parameter: Policy Error: {reason}"


def test_principals_that_can_be(world: World):
    names = [
        "*", OTHER, f"arn:aws:iam::{OTHER}:root", f"arn:aws:iam::{OTHER}:role/path/x", f"arn:aws:iam::{OTHER}:user/x",
        f"arn:aws:sts::{OTHER}:assumed-role/x/y", "AROAJQABLZS4A3QDU576Q",
    ]  # fmt: skip
    policy = json.dumps({"Statement": statement(Principal={"AWS": names, "Service": "events.amazonaws.com"})})
    assert json.loads(world.topic_attributes(world.topic("x", Policy=policy))["Policy"]) == json.loads(policy)


def test_a_policy_has_its_limits(world: World):
    """A hundred statements of two hundred principals in 30 KB, each statement with its own name."""
    topic = world.topic("x")
    many = [statement(Sid=str(number)) for number in range(100)]
    world.set_topic(topic, "Policy", json.dumps({"Statement": many}))
    assert "100 statements" in told_of(world, topic, *many, statement())
    assert "same Sid" in told_of(world, topic, statement(Sid="a"), statement(Sid="a"))
    assert "200 principals" in told_of(world, topic, statement(Principal={"AWS": ["*"] * 201}))
    assert "30720 bytes" in told_of(world, topic, statement(Sid="ä" * 15_400))
    more = {"TopicArn": topic, "Label": "more", "ActionName": ["Publish"]}
    assert "100 statements" in world.says("AddPermission", **more, AWSAccountId=[OTHER])
    world("RemovePermission", TopicArn=topic, Label="0")
    assert "200 principals" in world.says("AddPermission", **more, AWSAccountId=[OTHER] * 201)
    world("AddPermission", **more, AWSAccountId=[OTHER] * 200)


# --- data protection


PROTECTION = {
    "Name": "no-addresses",
    "Version": "2021-06-01",
    "Statement": [{
        "Sid": "s", "DataDirection": "Inbound", "Principal": ["*"],
        "DataIdentifier": ["arn:aws:dataprotection::aws:data-identifier/EmailAddress"], "Operation": {"Deny": {}},
    }],
}  # fmt: skip


def test_a_data_protection_policy_is_kept(world: World):
    topic = world("CreateTopic", Name="x", DataProtectionPolicy=json.dumps(PROTECTION))["TopicArn"]
    assert json.loads(world("GetDataProtectionPolicy", ResourceArn=topic)["DataProtectionPolicy"]) == PROTECTION
    world("PutDataProtectionPolicy", ResourceArn=topic, DataProtectionPolicy="")
    assert world("GetDataProtectionPolicy", ResourceArn=topic) == {"DataProtectionPolicy": ""}
    text = json.dumps(PROTECTION, indent=2)
    world("PutDataProtectionPolicy", ResourceArn=topic, DataProtectionPolicy=text)
    assert world("GetDataProtectionPolicy", ResourceArn=topic) == {"DataProtectionPolicy": text}


@pytest.mark.parametrize(
    "change",
    [
        {"Name": ""},
        {"Version": "2012-10-17"},
        {"Statement": []},
        {"Statement": [{**PROTECTION["Statement"][0], "DataDirection": "Sideways"}]},
        {"Statement": [{**PROTECTION["Statement"][0], "DataIdentifier": ["EmailAddress"]}]},
        {"Statement": [{**PROTECTION["Statement"][0], "Operation": {"Shout": {}}}]},
        {"Statement": [{**PROTECTION["Statement"][0], "DataDirection": "Outbound", "Operation": {"Audit": {}}}]},
        {"Configuration": {}},
        {"More": 1},
    ],
)
def test_a_bad_data_protection_policy_is_refused(world: World, change: dict[str, object]):
    topic = world.topic("x")
    text = json.dumps({**PROTECTION, **change})
    error = world.refused("PutDataProtectionPolicy", ResourceArn=topic, DataProtectionPolicy=text)
    assert error.code == "InvalidParameterException"
    assert error.message.startswith("Invalid parameter: DataProtectionPolicy Reason: ")
    assert world("GetDataProtectionPolicy", ResourceArn=topic) == {"DataProtectionPolicy": ""}


def test_nothing_is_written_where_a_topic_is_refused(world: World):
    world.refused("CreateTopic", Name="x", DataProtectionPolicy="{}")
    world.refused("CreateTopic", Name="x.fifo", Attributes={"FifoTopic": "true", "ArchivePolicy": "{"})
    assert sql(world.store, "SELECT COUNT(*) FROM job") == [(0,)]
    assert world.count("sns_topic") == 0
