"""TagResource, UntagResource, ListTagsForResource."""

import json

from waypost.aws.errors import AwsError
from waypost.service import Context, Operation, Params
from waypost.services.sns.queries import Q
from waypost.services.sns.rules.tags import check_tags
from waypost.services.sns.topic import Topic, addressed
from waypost.store.queries import Query
from waypost.store.store import Tx


def tag_resource(tx: Tx, ctx: Context, request: Params) -> Params:
    """Add tags, or give those that are there new values."""
    topic = _tagged(tx, ctx, request, Q.lock_topic)
    _write(tx, topic, check_tags(_read(tx, topic), request["Tags"]))
    return {}


def untag_resource(tx: Tx, ctx: Context, request: Params) -> Params:
    """Remove tags; those that are not there are no matter."""
    topic = _tagged(tx, ctx, request, Q.lock_topic)
    removed = request["TagKeys"]
    _write(tx, topic, {key: value for key, value in _read(tx, topic).items() if key not in removed})
    return {}


def list_tags_for_resource(tx: Tx, ctx: Context, request: Params) -> Params:
    """All tags, in the order in which they came."""
    tags = _read(tx, _tagged(tx, ctx, request, Q.get_topic))
    return {"Tags": [{"Key": key, "Value": value} for key, value in tags.items()]}


def _tagged(tx: Tx, ctx: Context, request: Params, query: Query) -> Topic:
    try:
        return addressed(tx, ctx, request["ResourceArn"], query, "ResourceArn")
    except AwsError as error:
        if error.code != "NotFoundException":
            raise
        raise AwsError("ResourceNotFoundException", "Resource does not exist") from None


def _read(tx: Tx, topic: Topic) -> dict[str, str]:
    row = tx.one(Q.get_tags, **topic.key)
    return {} if row is None else dict(json.loads(row[0]))


def _write(tx: Tx, topic: Topic, tags: dict[str, str]) -> None:
    tx.run(Q.set_tags, tags=json.dumps(tags), **topic.key)


OPERATIONS: dict[str, Operation] = {
    "ListTagsForResource": list_tags_for_resource,
    "TagResource": tag_resource,
    "UntagResource": untag_resource,
}
