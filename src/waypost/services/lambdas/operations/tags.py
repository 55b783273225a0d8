"""Tags of functions and of event source mappings."""

from typing import Any

import msgspec

from waypost import arn
from waypost.service import Context, Params
from waypost.services.lambdas import errors
from waypost.services.lambdas.function import lock
from waypost.services.lambdas.operations import mappings
from waypost.services.lambdas.queries import Q
from waypost.services.lambdas.rules import configuration, names
from waypost.store.queries import Query
from waypost.store.store import Tx

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(dict[str, str]).decode


def list_tags(tx: Tx, ctx: Context, request: Params) -> Params:
    """All of them."""
    return {"Tags": _find(tx, ctx, request["Resource"], Q.get_mapping, Q.get_function)[2]}


def tag_resource(tx: Tx, ctx: Context, request: Params) -> Params:
    """Add or replace."""
    query, row_id, tags = _find(tx, ctx, request["Resource"], Q.lock_mapping, Q.lock_function)
    tags |= request["Tags"]
    configuration.check_tags(tags)
    tx.run(query, id=row_id, tags=_encode(tags).decode())
    return {}


def untag_resource(tx: Tx, ctx: Context, request: Params) -> Params:
    """Remove what is there of the keys named."""
    query, row_id, tags = _find(tx, ctx, request["Resource"], Q.lock_mapping, Q.lock_function)
    kept = {key: value for key, value in tags.items() if key not in request["TagKeys"]}
    tx.run(query, id=row_id, tags=_encode(kept).decode())
    return {}


def _find(
    tx: Tx, ctx: Context, resource: str, of_mapping: Query, of_function: Query
) -> tuple[Query, Any, dict[str, str]]:
    uuid = names.mapping_uuid(resource)
    if uuid is not None:
        mapping = mappings.find(tx, ctx, uuid, of_mapping)
        return Q.tag_mapping, mapping.id, _decode(mapping.tags)
    parsed = arn.parse(resource)
    if parsed is None or not parsed.resource.startswith("function:"):
        raise errors.resource_not_found()
    if parsed.resource.count(":") > 1:
        raise errors.invalid("Tags on function aliases and versions are not supported. Please specify a function ARN.")
    _, function = lock(tx, ctx, {"FunctionName": resource}, of_function)
    return Q.tag_function, function.id, _decode(function.tags)
