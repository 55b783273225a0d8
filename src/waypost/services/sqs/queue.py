"""Finding the queue that a request speaks of."""

from typing import NamedTuple

from waypost.arn import Arn
from waypost.service import Context, Params
from waypost.services.sqs import errors
from waypost.services.sqs.queries import Q
from waypost.services.sqs.rules import names
from waypost.services.sqs.rules.attributes import Settings, read_settings
from waypost.store.store import Tx


class Queue(NamedTuple):
    """A queue, as every operation on it begins with."""

    account: str
    region: str
    name: str
    id: int
    storage: int
    """Its messages hang on this; PurgeQueue gives it a new one."""
    settings: Settings
    fifo: bool

    @property
    def arn(self) -> str:
        """Its ARN."""
        return names.queue_arn(self.region, self.account, self.name)

    @property
    def wake_key(self) -> str:
        """What receivers of its messages wait for."""
        return f"sqs:{self.id}"

    @property
    def job_key(self) -> str:
        """The key of its background work."""
        return f"sqs:{self.id}"


def find(tx: Tx, region: str, account: str, name: str) -> Queue | None:
    """The queue of that name; None where there is none."""
    row = tx.one(Q.get_queue, account=account, region=region, name=name)
    return (
        None
        if row is None
        else Queue(account, region, name, row[0], row[1], read_settings(row[2]), names.is_fifo(name))
    )


def find_arn(tx: Tx, target: Arn) -> Queue | None:
    """The queue of that ARN."""
    return find(tx, target.region, target.account, target.resource)


def addressed(tx: Tx, ctx: Context, request: Params) -> Queue:
    """The queue of the request's QueueUrl, whosever it is; raises ``AwsError``.

    The host in a URL is not looked at: it may be the client's own name for this server, or AWS's.
    """
    address = _address(request)
    row = tx.one(Q.get_queue, account=address.account, region=ctx.region, name=address.name)
    if row is None:
        raise errors.no_queue()
    account, name = address
    return Queue(account, ctx.region, name, row[0], row[1], read_settings(row[2]), names.is_fifo(name))


def owned(tx: Tx, ctx: Context, request: Params) -> Queue:
    """The same for operations that AWS never allows on another account's queue."""
    address = _address(request)
    if address.account != ctx.account:
        raise errors.denied(request["QueueUrl"])
    return addressed(tx, ctx, request)


def locked(tx: Tx, ctx: Context, request: Params) -> Queue:
    """The same for operations that write what depends on what they read: nobody else changes it until the commit."""
    address = _address(request)
    tx.one(Q.lock_queue, account=address.account, region=ctx.region, name=address.name)
    return owned(tx, ctx, request)


def _address(request: Params) -> names.Address:
    url = request.get("QueueUrl")
    if not url:
        raise errors.missing("QueueUrl")
    address = names.parse_url(url)
    if address is None:
        raise errors.bad_address(url)
    return address
