"""On PostgreSQL a user's keys are found by the user, not among everybody's."""

import psycopg
from tests.stores import new_database

from waypost.services.iam.entities import Q
from waypost.store.greeting import SETTINGS
from waypost.store.postgres import PostgresStore, statement_of


def test_keys_are_found_by_their_user() -> None:
    url = new_database()
    PostgresStore(url, node="plans").close_now()
    with psycopg.connect(url, autocommit=True) as db:
        for name, value in SETTINGS.items():
            db.execute("SELECT set_config(%s, %s, false)", (name, value))
        db.execute(b"PREPARE asked AS " + statement_of(Q.list_access_keys).text)
        plan = "\n".join(row[0] for row in db.execute("EXPLAIN (COSTS OFF) EXECUTE asked (NULL)"))
    assert "iam_access_key_user" in plan
    assert "Index Cond: (user_id = $1)" in plan
