"""AddPermission and RemovePermission: statements of a topic's policy."""

from waypost.service import Context, Operation, Params
from waypost.services.sns.operations.topics import policy_of, write_attributes
from waypost.services.sns.queries import Q
from waypost.services.sns.rules.policies import add_permission as with_permission
from waypost.services.sns.rules.policies import remove_permission as without_permission
from waypost.services.sns.topic import Topic, addressed
from waypost.store.store import Tx


def add_permission(tx: Tx, ctx: Context, request: Params) -> Params:
    """Write a statement for other accounts into the topic's policy."""
    topic = addressed(tx, ctx, request["TopicArn"], Q.lock_topic)
    policy = with_permission(
        policy_of(tx, topic), topic.arn, request["Label"], request["AWSAccountId"], request["ActionName"]
    )
    _write(tx, ctx, topic, policy)
    return {}


def remove_permission(tx: Tx, ctx: Context, request: Params) -> Params:
    """Take such a statement out again; one that is not there is no matter."""
    topic = addressed(tx, ctx, request["TopicArn"], Q.lock_topic)
    policy = without_permission(policy_of(tx, topic), request["Label"])
    _write(tx, ctx, topic, policy)
    return {}


def _write(tx: Tx, ctx: Context, topic: Topic, policy: str | None) -> None:
    write_attributes(tx, ctx, topic, {**topic.settings.given, **({} if policy is None else {"Policy": policy})})


OPERATIONS: dict[str, Operation] = {"AddPermission": add_permission, "RemovePermission": remove_permission}
