"""Roles, users, groups and instance profiles: what their operations share."""

from typing import Any, NamedTuple

import msgspec

from waypost.service import Context, Params
from waypost.services.iam import limits
from waypost.services.iam.errors import already_exists, not_found, quota
from waypost.services.iam.rules import arns
from waypost.services.iam.rules.pages import cut, page_of
from waypost.services.iam.rules.tags import Tag, checked, merged, without
from waypost.store.queries import Query, load
from waypost.store.store import Row, Tx

Q = load(__package__)

_encode = msgspec.json.Encoder().encode
_decode_tags = msgspec.json.Decoder(list[Tag]).decode


class Kind(NamedTuple):
    """What differs between the kinds of entity."""

    kind: str
    """As stored: role, user, group, profile."""
    arn_kind: str
    member: str
    """The member of a request that names one."""
    id_prefix: str
    noun: str
    """How its errors call it."""
    quota_name: str
    entities_max: int


ROLE = Kind("role", "role", "RoleName", "AROA", "Role", "RolesPerAccount", limits.ROLES_MAX)
USER = Kind("user", "user", "UserName", "AIDA", "User", "UsersPerAccount", limits.USERS_MAX)
GROUP = Kind("group", "group", "GroupName", "AGPA", "Group", "GroupsPerAccount", limits.GROUPS_MAX)
PROFILE = Kind(
    "profile", "instance-profile", "InstanceProfileName", "AIPA", "Instance Profile", "InstanceProfilesPerAccount",
    limits.PROFILES_MAX,
)  # fmt: skip


class Entity(NamedTuple):
    """A row of ``iam_entity`` as the queries select it."""

    id: int
    name: str
    path: str
    unique_id: str
    created_at: int
    tags: str
    boundary: str | None
    trust: str | None
    description: str | None
    max_session_s: int | None
    service: str | None
    role: int | None

    @property
    def name_key(self) -> str:
        """The name as lists and lookups order it."""
        return self.name.lower()

    def tag_list(self) -> list[Tag]:
        """The tags, in the order of their arrival."""
        return _decode_tags(self.tags)


def tags_json(tags: list[Tag]) -> str:
    """Tags as a row holds them."""
    return _encode(tags).decode()


def read_tags(text: str) -> list[Tag]:
    """Tags of a row."""
    return _decode_tags(text)


def entity(row: Row | None) -> Entity | None:
    """A row, named."""
    return None if row is None else Entity(*row)


def find(tx: Tx, ctx: Context, kind: Kind, name: str, query: Query = Q.get_entity) -> Entity | None:
    """An entity by its name, whatever the case."""
    return entity(tx.one(query, account=ctx.account, kind=kind.kind, name_key=name.lower()))


def get(tx: Tx, ctx: Context, kind: Kind, request: Params, query: Query = Q.get_entity) -> Entity:
    """The entity that a request names; raises NoSuchEntity."""
    name = request[kind.member]
    found = find(tx, ctx, kind, name, query)
    if found is None:
        raise not_found(kind.kind, name)
    return found


def lock(tx: Tx, ctx: Context, kind: Kind, request: Params) -> Entity:
    """The same for who decides by it or by what hangs on it: nobody else does until the transaction ends."""
    return get(tx, ctx, kind, request, Q.lock_entity)


def keep(tx: Tx, ctx: Context, kind: Kind, request: Params) -> Entity:
    """The same for who makes something refer to it: it is not deleted before the transaction ends."""
    return get(tx, ctx, kind, request, Q.keep_entity)


def check_new(tx: Tx, ctx: Context, kind: Kind, name: str) -> None:
    """Raise unless an entity of that name can be made: EntityAlreadyExists, LimitExceeded.

    The last check before the first write. Of two that take the same name the unique index lets one through, and the
    other runs again.
    """
    if find(tx, ctx, kind, name) is not None:
        form = f"{kind.noun} {name}" if kind is PROFILE else f"{kind.noun} with name {name}"
        raise already_exists(f"{form} already exists.")
    _check_count(tx, ctx, kind)
    tx.send(Q.lock_account, account=ctx.account)
    _check_count(tx, ctx, kind)


def _check_count(tx: Tx, ctx: Context, kind: Kind) -> None:
    (count,) = tx.one(Q.count_entities, account=ctx.account, kind=kind.kind) or (0,)
    if count >= kind.entities_max:
        raise quota(kind.quota_name, kind.entities_max)


def insert(tx: Tx, ctx: Context, kind: Kind, name: str, **columns: Any) -> Entity:
    """Write an entity that ``check_new`` has passed. ``tags`` are those of the request, checked."""
    row_id = ctx.ids.row(ctx.now_ms)
    values = {
        "path": "/", "boundary": None, "trust": None, "description": None, "max_session_s": None, "service": None,
        **columns, "tags": tags_json(columns.get("tags", [])),
    }  # fmt: skip
    unique_id = kind.id_prefix + ctx.ids.key(17)
    tx.run(
        Q.insert_entity, id=row_id, account=ctx.account, kind=kind.kind, name_key=name.lower(), name=name,
        unique_id=unique_id, created_at=ctx.now_ms, **values,
    )  # fmt: skip
    return Entity(row_id, name, unique_id=unique_id, created_at=ctx.now_ms, role=None, **values)


def arn_of(ctx: Context, kind: Kind, found: Entity) -> str:
    """The entity's ARN; its path is part of it."""
    return arns.make(kind.arn_kind, ctx.account, found.path, found.name)


def described(ctx: Context, kind: Kind, found: Entity) -> Params:
    """The members that every kind shows: Path, name, id, Arn, CreateDate."""
    return {
        "Path": found.path,
        kind.member: found.name,
        kind.member.replace("Name", "Id"): found.unique_id,
        "Arn": arn_of(ctx, kind, found),
        "CreateDate": found.created_at // 1000,
    }


def boundary_shape(found: Entity) -> Params:
    """The PermissionsBoundary member, if there is one."""
    if found.boundary is None:
        return {}
    return {
        "PermissionsBoundary": {
            "PermissionsBoundaryType": "PermissionsBoundaryPolicy",
            "PermissionsBoundaryArn": found.boundary,
        }
    }


def listed(tx: Tx, ctx: Context, kind: Kind, request: Params) -> tuple[list[Entity], Params]:
    """A page of entities under a path, and the members that tell about the next page."""
    page = page_of(request)
    rows = tx.all(
        Q.list_entities, account=ctx.account, kind=kind.kind, after=page.after, prefix=request.get("PathPrefix", "/"),
        count=page.fetch,
    )  # fmt: skip
    shown, more = cut([Entity(*row) for row in rows], page, lambda one: one.name_key)
    return list(shown), more


def tag(tx: Tx, found: Entity, tags: list[Tag]) -> None:
    """Add tags to an entity."""
    tx.run(Q.set_entity_tags, id=found.id, tags=tags_json(merged(found.tag_list(), tags)))


def untag(tx: Tx, found: Entity, keys: list[str]) -> None:
    """Remove tags from an entity."""
    tx.run(Q.set_entity_tags, id=found.id, tags=tags_json(without(found.tag_list(), keys)))


def list_tags(tags: list[Tag], request: Params) -> Params:
    """A page of tags, by key."""
    page = page_of(request)
    ordered = sorted(tags, key=lambda one: one["Key"])
    shown, more = cut([one for one in ordered if one["Key"] > page.after][: page.fetch], page, lambda one: one["Key"])
    return {"Tags": list(shown), **more}


def checked_tags(request: Params) -> list[Tag]:
    """The Tags of a request that makes something; raises InvalidInput."""
    return checked(request.get("Tags"))
