"""What an account uses of its quotas, counted as it comes and goes, so that nobody counts a hundred thousand topics.

Who adds looks first, and so writes nothing where there is no room; where nodes look at the same time the row itself
tells, which does not grow past its quota. Topics are locked before their account's rows.
"""

from collections.abc import Callable

from waypost.aws.errors import AwsError
from waypost.services.sns import limits
from waypost.services.sns.queries import Q
from waypost.store.store import Tx

TOPICS, FIFO_TOPICS, FILTER_POLICIES = "topics", "fifo_topics", "filter_policies"

_QUOTAS: dict[str, Callable[[], int]] = {
    TOPICS: lambda: limits.TOPICS_MAX,
    FIFO_TOPICS: lambda: limits.FIFO_TOPICS_MAX,
    FILTER_POLICIES: lambda: limits.ACCOUNT_FILTERED_MAX,
}
_CODES = {
    TOPICS: ("TopicLimitExceededException", "Topic limit exceeded for account"),
    FIFO_TOPICS: ("TopicLimitExceededException", "FIFO topic limit exceeded for account"),
    FILTER_POLICIES: ("FilterPolicyLimitExceededException", "Filter policy limit exceeded for account"),
}


def check(tx: Tx, account: str, region: str, what: str) -> None:
    """Raise ``AwsError`` where an account cannot have one more."""
    row = tx.one(Q.get_usage, account=account, region=region, what=what)
    if row is not None and row[0] >= _QUOTAS[what]():
        raise AwsError(*_CODES[what])


def add(tx: Tx, account: str, region: str, what: str) -> None:
    """Count one more; raises ``AwsError`` where another node took the last one since ``check``."""
    if not tx.run(Q.add_usage, account=account, region=region, what=what, most=_QUOTAS[what]()):
        raise AwsError(*_CODES[what])


def remove(tx: Tx, account: str, region: str, what: str, count: int = 1) -> None:
    """Count some less."""
    if count:
        tx.send(Q.remove_usage, account=account, region=region, what=what, count=count)
