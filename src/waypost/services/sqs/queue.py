"""Finding the queue that a request speaks of."""

from functools import lru_cache
from typing import NamedTuple

from waypost.arn import Arn
from waypost.service import Context, Params
from waypost.services.sqs import errors
from waypost.services.sqs.queries import Q
from waypost.services.sqs.rules import names
from waypost.services.sqs.rules.attributes import Settings, read_settings
from waypost.services.sqs.rules.fairness import Lane, read_lanes
from waypost.store.store import Row, Tx


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
    lanes: tuple[Lane, ...] = ()
    """Storages besides the main one: those of noisy tenants. Nearly no queue has any."""

    @property
    def storages(self) -> tuple[int, ...]:
        """All of its storages; the main one first."""
        return (self.storage, *(lane.storage for lane in self.lanes)) if self.lanes else (self.storage,)

    def home(self, group_id: str | None) -> int:
        """The storage for a new message of that group: the tenant's open lane, else the main one."""
        for lane in self.lanes:
            if lane.open and lane.group_id == group_id:
                return lane.storage
        return self.storage

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
    return None if row is None else of_row(account, region, name, row)


@lru_cache(maxsize=4096)
def of_row(account: str, region: str, name: str, row: Row) -> Queue:
    """The queue of a row of ``get_queue``. Remembered by all that makes it, so that nothing can be out of date."""
    row_id, storage, settings, lanes = row
    return Queue(
        account, region, name, row_id, storage, read_settings(settings), names.is_fifo(name),
        () if lanes is None else read_lanes(lanes),
    )  # fmt: skip


def find_arn(tx: Tx, target: Arn) -> Queue | None:
    """The queue of that ARN."""
    return find(tx, target.region, target.account, target.resource)


def addressed(tx: Tx, ctx: Context, request: Params) -> Queue:
    """The queue of the request's QueueUrl, whosever it is; raises ``AwsError``.

    The host in a URL is not looked at: it may be the client's own name for this server, or AWS's.
    """
    address = _address(ctx, request)
    row = tx.one(Q.get_queue, account=address.account, region=ctx.region, name=address.name)
    if row is None:
        raise errors.no_queue()
    return of_row(address.account, ctx.region, address.name, row)


def owned(tx: Tx, ctx: Context, request: Params) -> Queue:
    """The same for operations that AWS never allows on another account's queue."""
    address = _address(ctx, request)
    if address.account != ctx.account:
        raise errors.denied(request["QueueUrl"])
    return addressed(tx, ctx, request)


def locked(tx: Tx, ctx: Context, request: Params) -> Queue:
    """The same for operations that write what depends on what they read: nobody else changes it until the commit."""
    address = _address(ctx, request)
    tx.one(Q.lock_queue, account=address.account, region=ctx.region, name=address.name)
    return owned(tx, ctx, request)


def _address(ctx: Context, request: Params) -> names.Address:
    url = request.get("QueueUrl")
    if not url and ctx.wire == "query":
        # There a queue is addressed by the path, and the endpoint's own is none: jegesh/python-sqs-listener#30.
        raise errors.bad_address(ctx.base_url + ctx.path)
    if not url:
        raise errors.missing("QueueUrl")
    address = names.parse_url(url)
    if address is None:
        raise errors.bad_address(url)
    return address if address.account else address._replace(account=ctx.account)
