"""Queues: making, finding, changing, purging and deleting them."""

import json

import pytest
from tests.services.sqs.world import ACCOUNT, BASE, World, arn
from tests.stores import sql

from waypost.aws.errors import AwsError
from waypost.service import Again, Job, Park
from waypost.services import sqs


def test_a_new_queue_has_aws_defaults(world: World) -> None:
    url = world.queue("MyOrder")
    assert url == f"{BASE}/{ACCOUNT}/MyOrder"
    assert world.attributes(url) == {
        "QueueArn": arn("MyOrder"),
        "CreatedTimestamp": "1700000000",
        "LastModifiedTimestamp": "1700000000",
        "VisibilityTimeout": "30",
        "MaximumMessageSize": "1048576",
        "MessageRetentionPeriod": "345600",
        "DelaySeconds": "0",
        "ReceiveMessageWaitTimeSeconds": "0",
        "SqsManagedSseEnabled": "true",
        "ApproximateNumberOfMessages": "0",
        "ApproximateNumberOfMessagesNotVisible": "0",
        "ApproximateNumberOfMessagesDelayed": "0",
    }


def test_a_fifo_queue_shows_what_only_it_has(world: World) -> None:
    found = world.attributes(world.fifo())
    assert found["FifoQueue"] == "true"
    assert found["ContentBasedDeduplication"] == "false"
    assert (found["DeduplicationScope"], found["FifoThroughputLimit"]) == ("queue", "perQueue")


def test_attributes_come_only_when_asked_for(world: World) -> None:
    url = world.queue(DelaySeconds="5", KmsDataKeyReusePeriodSeconds="300")
    assert world("GetQueueAttributes", QueueUrl=url) == {}
    assert world("GetQueueAttributes", QueueUrl=url, AttributeNames=[]) == {}
    assert world("GetQueueAttributes", QueueUrl=url, AttributeNames=["Policy"]) == {}
    assert world.attributes(url, "DelaySeconds", "QueueArn") == {"DelaySeconds": "5", "QueueArn": arn("q")}
    assert "KmsDataKeyReusePeriodSeconds" not in world.attributes(url)
    world("SetQueueAttributes", QueueUrl=url, Attributes={"KmsDataKeyReusePeriodSeconds": "60"})
    assert world.attributes(url)["KmsDataKeyReusePeriodSeconds"] == "60"
    error = world.refused("GetQueueAttributes", QueueUrl=url, AttributeNames=["Nothing"])
    assert (error.code, error.message) == ("InvalidAttributeName", "Unknown Attribute Nothing.")


def test_create_is_idempotent_for_the_attributes_given(world: World) -> None:
    url = world.queue(DelaySeconds="5", VisibilityTimeout="10")
    assert world.queue() == url
    assert world.queue(DelaySeconds="05") == url
    assert world.queue(SqsManagedSseEnabled="true", MaximumMessageSize="1048576") == url
    error = world.refused("CreateQueue", QueueName="q", Attributes={"VisibilityTimeout": "10", "DelaySeconds": "6"})
    assert (error.code, error.message) == (
        "QueueNameExists",
        "A queue already exists with the same name and a different value for attribute DelaySeconds",
    )
    fifo = world.fifo()
    assert world.fifo(DeduplicationScope="queue") == fifo
    assert world.queue("q.fifo") == fifo


def test_create_compares_tags_where_some_are_given(world: World) -> None:
    url = world.queue(tags={"a": "1"})
    assert world.queue() == url
    assert world.queue(tags={"a": "1"}) == url
    for tags in ({"a": "2"}, {"a": "1", "b": "2"}):
        error = world.refused("CreateQueue", QueueName="q", tags=tags)
        assert (error.code, error.message) == (
            "QueueNameExists",
            "A queue already exists with the same name and different tags",
        )
    assert world("ListQueueTags", QueueUrl=url) == {"Tags": {"a": "1"}}


def test_a_queue_is_found_by_its_name_alone(world: World) -> None:
    url = world.queue("mine")
    world.send("mine", "x")
    assert world.bodies(url) == ["x"]
    error = world.run_refused("DeleteQueue", {"QueueUrl": "mine"}, account="999999999999")
    assert error.code == "QueueDoesNotExist"


def test_the_key_that_aws_manages(world: World) -> None:
    url = world.queue(KmsMasterKeyId="alias/aws/sqs", KmsDataKeyReusePeriodSeconds="600")
    wanted = ("KmsMasterKeyId", "KmsDataKeyReusePeriodSeconds", "SqsManagedSseEnabled")
    assert world.attributes(url, *wanted) == {
        "KmsMasterKeyId": "alias/aws/sqs",
        "KmsDataKeyReusePeriodSeconds": "600",
        "SqsManagedSseEnabled": "false",
    }
    assert world.queue(KmsMasterKeyId="alias/aws/sqs") == url
    assert "KmsMasterKeyId" in world.refused("CreateQueue", QueueName="q", Attributes={"KmsMasterKeyId": ""}).message
    world("SetQueueAttributes", QueueUrl=url, Attributes={"SqsManagedSseEnabled": "true"})
    assert world.attributes(url, *wanted[::2]) == {"SqsManagedSseEnabled": "true"}
    for operation, request in (
        ("SetQueueAttributes", {"QueueUrl": url}),
        ("CreateQueue", {"QueueName": "other"}),
    ):
        assert world.refused(operation, Attributes={"KmsMasterKeyId": "alias/own"}, **request).code == "KmsNotFound"
    before = world.attributes(url)
    world.send(url, "x")
    assert world.bodies(url) == ["x"]
    assert before["SqsManagedSseEnabled"] == "true"


def test_over_query_a_queues_url_is_for_the_queue(world: World) -> None:
    """Recorded of AWS."""
    url = world.queue()
    for action, request in (("CreateQueue", {"QueueName": "new"}), ("ListQueues", {})):
        path = url.removeprefix(BASE)
        error = world.run_refused(action, request, wire="query", path=path)
        assert (error.code, error.message) == ("InvalidAction", f"The action {action} is not valid for this endpoint.")
        world.run(action, request, wire="query", path="/")
    other = world.queue("other")
    assert world.run("GetQueueUrl", {"QueueName": "other"}, wire="query", path=path) == {"QueueUrl": other}


def test_documents_are_compared_as_json_and_shown_as_aws_shows_them(world: World) -> None:
    """The count comes back as a number: https://github.com/terraform-aws-modules/terraform-aws-sqs/pull/63 ."""
    world.queue("dlq")
    written = f'{{ "maxReceiveCount" : "3", "deadLetterTargetArn":"{arn("dlq")}" }}'
    url = world.queue("source", RedrivePolicy=written)
    kept = f'{{"deadLetterTargetArn":"{arn("dlq")}","maxReceiveCount":3}}'
    assert world.attributes(url, "RedrivePolicy") == {"RedrivePolicy": kept}
    for count in ("3", 3):
        same = json.dumps({"deadLetterTargetArn": arn("dlq"), "maxReceiveCount": count})
        assert world.queue("source", RedrivePolicy=same) == url
    other = json.dumps({"deadLetterTargetArn": arn("dlq"), "maxReceiveCount": 4})
    assert (
        "RedrivePolicy" in world.refused("CreateQueue", QueueName="source", Attributes={"RedrivePolicy": other}).message
    )
    allow = json.dumps({"sourceQueueArns": [arn("none")], "redrivePermission": "byQueue"}, indent=1)
    url_allow = world.queue("allow", RedriveAllowPolicy=allow)
    assert world.attributes(url_allow, "RedriveAllowPolicy") == {
        "RedriveAllowPolicy": f'{{"redrivePermission":"byQueue","sourceQueueArns":["{arn("none")}"]}}'
    }
    assert world.queue("allow", RedriveAllowPolicy=allow) == url_allow
    policy = '{ "Statement" : {"Effect":"Allow","Principal":"*","Action":"sqs:*"} }'
    url_policy = world.queue("policy", Policy=policy)
    assert world.attributes(url_policy, "Policy") == {"Policy": policy}
    assert world.queue("policy", Policy=json.dumps(json.loads(policy))) == url_policy
    world("SetQueueAttributes", QueueUrl=url, Attributes={"RedrivePolicy": ""})
    assert world.attributes(url, "RedrivePolicy") == {}


@pytest.mark.parametrize(
    ("name", "attributes", "code"),
    [
        ("a b", {}, "InvalidParameterValueException"),
        ("q.fifo", {}, "InvalidParameterValueException"),
        ("q", {"FifoQueue": "true"}, "InvalidParameterValueException"),
        ("q", {"FifoQueue": "false"}, "InvalidAttributeName"),
        ("q", {"DelaySeconds": "901"}, "InvalidAttributeValue"),
        ("", {}, "MissingRequiredParameterException"),
    ],
)
def test_queues_that_cannot_be(world: World, name: str, attributes: dict[str, str], code: str) -> None:
    assert world.refused("CreateQueue", QueueName=name, Attributes=attributes).code == code
    assert world.count("sqs_queue") == 0


def test_unknown_queues_are_worded_differently_over_query(world: World) -> None:
    error = world.refused("SendMessage", QueueUrl=f"{BASE}/{ACCOUNT}/none", MessageBody="x")
    assert error.code == "QueueDoesNotExist"
    assert error.message == "The specified queue does not exist."
    assert error.query_message == "The specified queue does not exist for this wsdl version."
    assert world.refused("GetQueueUrl", QueueName="none").code == "QueueDoesNotExist"
    assert world.refused("SendMessage", QueueUrl="none", MessageBody="x").code == "QueueDoesNotExist"
    error = world.refused("SendMessage", QueueUrl=f"{BASE}/", MessageBody="x")
    assert (error.code, error.message) == ("InvalidAddress", f"The address {BASE}/ is not valid for this endpoint.")
    assert world.refused("ReceiveMessage").message == "The request must contain the parameter QueueUrl."


def test_set_attributes(world: World) -> None:
    url = world.queue()
    world.pass_s(10)
    world("SetQueueAttributes", QueueUrl=url, Attributes={"VisibilityTimeout": "7"})
    assert world.attributes(url, "VisibilityTimeout", "LastModifiedTimestamp") == {
        "VisibilityTimeout": "7",
        "LastModifiedTimestamp": "1700000010",
    }
    assert world.refused("SetQueueAttributes", QueueUrl=url).code == "MissingRequiredParameterException"
    error = world.refused("SetQueueAttributes", QueueUrl=world.fifo(), Attributes={"FifoQueue": "false"})
    assert error.message == (
        "Invalid value for the parameter FifoQueue. Reason: Modifying queue type is not supported."
    )
    before = world.attributes(url)
    world.refused("SetQueueAttributes", QueueUrl=url, Attributes={"DelaySeconds": "3", "VisibilityTimeout": "x"})
    assert world.attributes(url) == before


@pytest.mark.parametrize(
    ("target", "fifo", "reason"),
    [
        ("none", False, "Dead letter target does not exist."),
        ("dlq.fifo", False, "same type of queue"),
        ("dlq", True, "same type of queue"),
        ("closed", False, "does not permit"),
    ],
)
def test_a_redrive_policy_names_a_queue_that_takes_dead_letters(
    world: World, target: str, fifo: bool, reason: str
) -> None:
    world.queue("dlq")
    world.fifo("dlq.fifo")
    world.queue("closed", RedriveAllowPolicy='{"redrivePermission":"denyAll"}')
    policy = json.dumps({"deadLetterTargetArn": arn(target), "maxReceiveCount": 1})
    name, attributes = ("s.fifo", {"FifoQueue": "true"}) if fifo else ("s", {})
    error = world.refused("CreateQueue", QueueName=name, Attributes={**attributes, "RedrivePolicy": policy})
    assert error.code == "InvalidParameterValueException"
    assert error.message.startswith(f"Value {policy} for parameter RedrivePolicy is invalid. Reason: ")
    assert reason in error.message


def test_a_queue_is_not_its_own_dead_letter_queue(world: World) -> None:
    url = world.queue()
    policy = json.dumps({"deadLetterTargetArn": arn("q"), "maxReceiveCount": 1})
    error = world.refused("SetQueueAttributes", QueueUrl=url, Attributes={"RedrivePolicy": policy})
    assert error.message.endswith("A queue cannot be its own dead-letter queue.")


@pytest.mark.parametrize("home", [f"eu-west-2:{ACCOUNT}", "eu-west-1:999999999999"])
def test_dead_letters_stay_in_their_account_and_region(world: World, home: str) -> None:
    world.queue("dlq")
    policy = json.dumps({"deadLetterTargetArn": f"arn:aws:sqs:{home}:dlq", "maxReceiveCount": 1})
    error = world.refused("CreateQueue", QueueName="s", Attributes={"RedrivePolicy": policy})
    assert error.code == "InvalidParameterValueException"
    assert "same account and region" in error.message


def test_an_allow_policy_is_looked_at_when_a_source_sets_its_own(world: World) -> None:
    dlq = world.queue("dlq")
    policy = json.dumps({"deadLetterTargetArn": arn("dlq"), "maxReceiveCount": 1})
    first = world.queue("first", RedrivePolicy=policy, VisibilityTimeout="0")
    allow = json.dumps({"redrivePermission": "byQueue", "sourceQueueArns": [arn("second")]})
    world("SetQueueAttributes", QueueUrl=dlq, Attributes={"RedriveAllowPolicy": allow})
    assert "does not permit" in world.refused(
        "SetQueueAttributes", QueueUrl=first, Attributes={"RedrivePolicy": policy}
    ).message  # fmt: skip
    world("SetQueueAttributes", QueueUrl=first, Attributes={"VisibilityTimeout": "1"})  # says nothing of it
    world.queue("second", RedrivePolicy=policy)
    world("SetQueueAttributes", QueueUrl=dlq, Attributes={"RedriveAllowPolicy": ""})
    world("SetQueueAttributes", QueueUrl=first, Attributes={"RedrivePolicy": policy})


def test_dead_letter_queues_know_their_sources(world: World) -> None:
    dlq = world.queue("dlq")
    assert world("ListDeadLetterSourceQueues", QueueUrl=dlq) == {"queueUrls": []}
    policy = json.dumps({"deadLetterTargetArn": arn("dlq"), "maxReceiveCount": 1})
    urls = [world.queue(f"s{n}", RedrivePolicy=policy) for n in range(3)]
    assert world("ListDeadLetterSourceQueues", QueueUrl=dlq) == {"queueUrls": urls}
    page = world("ListDeadLetterSourceQueues", QueueUrl=dlq, MaxResults=2)
    assert page["queueUrls"] == urls[:2]
    page = world("ListDeadLetterSourceQueues", QueueUrl=dlq, MaxResults=2, NextToken=page["NextToken"])
    assert page == {"queueUrls": urls[2:]}
    world("SetQueueAttributes", QueueUrl=urls[0], Attributes={"RedrivePolicy": ""})
    world("DeleteQueue", QueueUrl=urls[1])
    assert world("ListDeadLetterSourceQueues", QueueUrl=dlq) == {"queueUrls": urls[2:]}


def test_queues_are_listed_by_name(world: World) -> None:
    assert world("ListQueues") == {}
    urls = [world.queue(name) for name in ("a-1", "a-2", "a_3", "b")]
    assert world("ListQueues") == {"QueueUrls": urls}
    assert world("ListQueues", QueueNamePrefix="a-") == {"QueueUrls": urls[:2]}
    assert world("ListQueues", QueueNamePrefix="z") == {}
    page = world("ListQueues", MaxResults=3)
    assert page["QueueUrls"] == urls[:3]
    assert world("ListQueues", MaxResults=3, NextToken=page["NextToken"]) == {"QueueUrls": urls[3:]}
    assert "NextToken" not in world("ListQueues", MaxResults=4)
    assert world.refused("ListQueues", MaxResults=1001).code == "InvalidParameterValueException"
    assert world.refused("ListQueues", NextToken="?").code == "InvalidParameterValueException"
    assert world.run("ListQueues", {}, account="999999999999") == {}


def test_without_max_results_a_list_ends_at_a_thousand(world: World) -> None:
    for number in range(1_001):
        world.queue(f"q{number:04}")
    answer = world("ListQueues")
    assert len(answer["QueueUrls"]) == 1_000
    assert "NextToken" not in answer


def test_get_queue_url(world: World) -> None:
    url = world.queue()
    assert world("GetQueueUrl", QueueName="q") == {"QueueUrl": url}
    assert world.run("GetQueueUrl", {"QueueName": "q", "QueueOwnerAWSAccountId": ACCOUNT}, account="9" * 12) == {
        "QueueUrl": url
    }


def test_tags(world: World) -> None:
    url = world.queue(tags={"a": "1"})
    world("TagQueue", QueueUrl=url, Tags={"b": "2", "a": "3"})
    assert world("ListQueueTags", QueueUrl=url) == {"Tags": {"a": "3", "b": "2"}}
    world("UntagQueue", QueueUrl=url, TagKeys=["a", "none"])
    assert world("ListQueueTags", QueueUrl=url) == {"Tags": {"b": "2"}}
    world("UntagQueue", QueueUrl=url, TagKeys=["b"])
    assert world("ListQueueTags", QueueUrl=url) == {}
    for tags in ({"": "x"}, {"k" * 129: "x"}, {"k": "v" * 257}, {f"k{n}": "" for n in range(51)}, {"aws:x": "y"}):
        assert world.refused("TagQueue", QueueUrl=url, Tags=tags).code == "InvalidParameterValueException"
    assert world.refused("TagQueue", QueueUrl=url).message == "The request must contain the parameter Tags."


def test_permissions_live_in_the_policy(world: World) -> None:
    url = world.queue()
    request = {"QueueUrl": url, "Label": "L", "AWSAccountIds": ["111111111111"], "Actions": ["SendMessage"]}
    world("AddPermission", **request)
    assert json.loads(world.attributes(url, "Policy")["Policy"])["Statement"][0]["Sid"] == "L"
    assert world.refused("AddPermission", **request).message == (
        "Value L for parameter Label is invalid. Reason: Already exists."
    )
    world("RemovePermission", QueueUrl=url, Label="L")
    assert world.attributes(url, "Policy") == {}
    assert world.refused("RemovePermission", QueueUrl=url, Label="L").message == (
        "Value L for parameter Label is invalid. Reason: can't find label."
    )


def test_purge_forgets_everything_once_a_minute(world: World) -> None:
    url = world.queue()
    world.send(url, "in flight")
    (held,) = world.receive(url)
    world.send(url, "waiting")
    world.send(url, "delayed", DelaySeconds=10)
    world.send(url, "x" * 5_000)
    assert world.counts(url) == (2, 1, 1)
    world("PurgeQueue", QueueUrl=url)
    assert world.counts(url) == (0, 0, 0)
    assert world.receive(url) == []
    world.delete(url, held)
    error = world.refused("PurgeQueue", QueueUrl=url)
    assert (error.code, error.status) == ("PurgeQueueInProgress", 403)
    assert error.message == "Only one PurgeQueue operation on q is allowed every 60 seconds."
    world.send(url, "later")
    world.work()
    assert (world.count("sqs_message"), world.count("sqs_body")) == (1, 0)
    assert world.bodies(url) == ["later"]
    world.pass_s(60)
    world("PurgeQueue", QueueUrl=url)


def test_purge_frees_a_fifo_queue_of_all_it_remembers(world: World) -> None:
    url = world.fifo(ContentBasedDeduplication="true")
    world.send(url, MessageGroupId="g")
    world.receive(url, ReceiveRequestAttemptId="a")
    world("PurgeQueue", QueueUrl=url)
    world.work()
    for table in ("sqs_message", "sqs_group", "sqs_dedup", "sqs_attempt"):
        assert world.count(table) == 0, table
    world.send(url, MessageGroupId="g")
    assert world.bodies(url) == ["hello"]


def test_a_large_purge_is_done_in_steps(world: World) -> None:
    url = world.queue()
    for _ in range(130):
        entries = [{"Id": str(n), "MessageBody": "x" * (3_000 if n == 0 else 1)} for n in range(10)]
        world("SendMessageBatch", QueueUrl=url, Entries=entries)
    world("PurgeQueue", QueueUrl=url)
    assert world.work() == 3
    assert (world.count("sqs_message"), world.count("sqs_body")) == (0, 0)


def test_a_deleted_queue_is_gone_and_its_name_rests(world: World) -> None:
    url = world.queue()
    world.send(url)
    world("DeleteQueue", QueueUrl=url)
    assert world.refused("DeleteQueue", QueueUrl=url).code == "QueueDoesNotExist"
    assert world("ListQueues") == {}
    error = world.refused("CreateQueue", QueueName="q")
    assert (error.code, error.message) == (
        "QueueDeletedRecently",
        "You must wait 60 seconds after deleting a queue before you can create another with the same name.",
    )
    world.work()
    assert world.count("sqs_message") == 0
    assert world.count("sqs_deleted_queue") == 1
    world.pass_s(60)
    assert world.queue() == url
    assert world.receive(url) == []
    world.work()
    assert world.count("sqs_deleted_queue") == 0
    kinds = [kind for (kind,) in sql(world.store, "SELECT kind FROM job ORDER BY kind")]
    assert kinds == ["sqs.expire", "sqs.purge"], "the clean-up of the new queue, another look at the old one's storage"


def test_other_accounts(world: World) -> None:
    url = world.queue()
    other = {"account": "999999999999"}
    world.run("SendMessage", {"QueueUrl": url, "MessageBody": "x"}, **other)
    assert world.run("ReceiveMessage", {"QueueUrl": url}, **other)["Messages"][0]["Body"] == "x"
    for operation, request in (
        ("DeleteQueue", {}),
        ("SetQueueAttributes", {"Attributes": {"DelaySeconds": "1"}}),
        ("TagQueue", {"Tags": {"a": "b"}}),
        ("ListQueueTags", {}),
        ("RemovePermission", {"Label": "x"}),
    ):
        with pytest.raises(AwsError) as caught:
            world.run(operation, {"QueueUrl": url, **request}, **other)
        assert (caught.value.code, caught.value.status) == ("AccessDeniedException", 403)


def test_expired_messages_leave_the_disk(world: World) -> None:
    url = world.queue(MessageRetentionPeriod="60")
    for number in range(600):
        world.send(url, "x" * (5_000 if number < 3 else 1))
    (held,) = world.receive(url, 1, VisibilityTimeout=3_600)
    world.pass_s(59)
    assert world.counts(url) == (599, 1, 0)
    world.work()
    assert world.count("sqs_message") == 600
    world.pass_s(1)
    assert world.counts(url) == (0, 0, 0)
    assert world.receive(url) == []
    assert world.work() == 2
    assert (world.count("sqs_message"), world.count("sqs_body")) == (0, 0)
    world.delete(url, held)
    world.send(url, "new")
    world.pass_s(60)
    world.work()
    assert world.count("sqs_message") == 0


def test_a_shorter_retention_holds_at_once(world: World) -> None:
    url = world.queue()
    world.send(url)
    world.pass_s(100)
    world("SetQueueAttributes", QueueUrl=url, Attributes={"MessageRetentionPeriod": "60"})
    assert world.receive(url) == []
    world.work()
    assert world.count("sqs_message") == 0


def test_the_clean_up_of_an_idle_queue_rests_until_something_can_expire(world: World) -> None:
    world.queue()
    for _ in range(3):
        world.pass_s(345_600)
        assert world.work() == 1


def test_a_receiver_that_waits_learns_that_the_queue_is_deleted(world: World) -> None:
    url = world.queue()
    parked = world.run("ReceiveMessage", {"QueueUrl": url, "WaitTimeSeconds": 20})
    assert isinstance(parked, Park)
    woken = []
    world.store.wakes.park(parked.keys, lambda: woken.append(1))
    world.store.wakes.park(parked.keys, lambda: woken.append(2))
    world("DeleteQueue", QueueUrl=url)
    assert woken == [1, 2]


def test_a_clean_up_for_a_retention_that_has_changed_ends(world: World) -> None:
    """Where it runs on another node while the retention changes, it is not dropped, but there is a new one."""
    url = world.queue()
    ((payload,),) = sql(world.store, "SELECT payload FROM job")
    world("SetQueueAttributes", QueueUrl=url, Attributes={"MessageRetentionPeriod": "60"})
    (row,) = sql(world.store, "SELECT id, kind, key, account, region, run_at, attempts, payload FROM job")
    current, old = (Job(*row[:7], json.loads(text)) for text in (row[7], payload))
    expire = sqs.SERVICE.jobs[current.kind]
    assert world.store.run(lambda tx: expire(tx, world.context(), old)) is None
    assert isinstance(world.store.run(lambda tx: expire(tx, world.context(), current)), Again)
