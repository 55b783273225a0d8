"""Finding groups, and making what is missing of a group and its streams."""

from typing import Any, NamedTuple

import msgspec

from waypost.service import Context
from waypost.services.logs import errors
from waypost.services.logs.queries import Q
from waypost.store.store import Tx

encode = msgspec.json.Encoder().encode


class Subscription(msgspec.Struct, frozen=True):
    """A subscription filter."""

    name: str
    pattern: str
    destination: str
    distribution: str
    created_ms: int
    role: str | None = None


_subscriptions = msgspec.json.Decoder(list[Subscription]).decode
_tags = msgspec.json.Decoder(dict[str, str]).decode


class Group(NamedTuple):
    """What a put or a read needs of a group."""

    id: int
    retention_days: int | None
    subscriptions: list[Subscription]
    name: str


class Held(NamedTuple):
    """A group that nobody else changes until the transaction ends."""

    id: int
    retention_days: int | None
    protected: bool
    tags: dict[str, str]
    subscriptions: list[Subscription]
    name: str


def find(tx: Tx, ctx: Context, name: str) -> Group:
    """A group of the caller's account and region. Raises ``AwsError``."""
    row = tx.one(Q.get_group, account=ctx.account, region=ctx.region, name=name)
    if row is None:
        raise errors.no_group()
    return Group(row[0], row[1], _subscriptions(row[2]) if row[2] != "[]" else [], name)


def hold(tx: Tx, ctx: Context, name: str) -> Held:
    """The same for who changes it."""
    row = tx.one(Q.lock_group, account=ctx.account, region=ctx.region, name=name)
    if row is None:
        raise errors.no_group()
    return Held(row[0], row[1], bool(row[2]), _tags(row[3]), _subscriptions(row[4]), name)


def keep(tx: Tx, ctx: Context, name: str) -> int:
    """A group's id, for who adds a stream to it. Raises ``AwsError``."""
    row = tx.one(Q.keep_group, account=ctx.account, region=ctx.region, name=name)
    if row is None:
        raise errors.no_group()
    return int(row[0])


def make_group(tx: Tx, ctx: Context, name: str, tags: dict[str, str], *, protected: bool = False) -> bool:
    """Make a group; answers whether there was none of that name."""
    made = tx.run(
        Q.insert_group, id=ctx.ids.row(ctx.now_ms), account=ctx.account, region=ctx.region, name=name,
        protected=int(protected), now=ctx.now_ms, tags=encode(tags).decode(),
    )  # fmt: skip
    return made == 1


def make_stream(tx: Tx, ctx: Context, group: int, name: str) -> bool:
    """Make a stream in a group that is kept; answers whether there was none of that name."""
    return tx.run(Q.insert_stream, group_id=group, name=name, id=ctx.ids.row(ctx.now_ms), now=ctx.now_ms) == 1


def stored_bytes(tx: Tx, group: int) -> int:
    """What all streams of a group hold."""
    row: Any = tx.one(Q.stored_bytes, group_id=group)
    return int(row[0])
