"""Bodies that lie in rows of their own."""

from waypost.services.sqs.queries import Q
from waypost.store.store import Tx


def move(tx: Tx, row_id: int, storage: int, new_id: int, new_storage: int) -> str:
    """Let a message's body go with it to another storage, and to another id; answers the body."""
    where = {"id": row_id, "storage": storage}
    row = tx.one(Q.get_body, **where)
    assert row is not None  # noqa: S101 (written and deleted together with the message)
    body: str = row[0]
    tx.send(Q.delete_body, **where)
    tx.send(Q.insert_body, id=new_id, storage=new_storage, body=body, md5=row[1])
    return body
