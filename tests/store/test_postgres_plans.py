"""On PostgreSQL, too, every statement of every service is understood, and none walks a table.

Plans are made once for all values and without regard to statistics, as they are when a server runs.
"""

import re
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from tests.store.test_query_plans import SORTS, WALKS, statements
from tests.stores import new_database

from waypost.store.greeting import SETTINGS
from waypost.store.postgres import statement_of
from waypost.store.queries import Query
from waypost.store.schema_postgres import install

WALKS_HERE = WALKS.keys() - {"work.leases", "work.list_nodes"}
"""In the order of an index here."""
SORTS_HERE = SORTS.keys() | {"sns.list_subscriptions_of_topic", "sns.list_subscriptions_of_account"}
"""These two merge a page of each of two tables, whose plan speaks of a sort key."""


@pytest.fixture(scope="module")
def db() -> Iterator[psycopg.Connection[Any]]:
    with psycopg.connect(new_database(), autocommit=True) as connection:
        connection.prepare_threshold = None
        install(connection)
        for name, value in SETTINGS.items():
            connection.execute(f"SET {name} = '{value}'")
        yield connection


def explain(db: psycopg.Connection[Any], query: Query) -> list[str]:
    statement = statement_of(query)
    db.execute(b"PREPARE asked AS " + statement.text)
    try:
        values = f"({', '.join(['NULL'] * len(statement.names))})" if statement.names else ""
        return [str(row[0]) for row in db.execute(f"EXPLAIN EXECUTE asked{values}")]
    finally:
        db.execute("DEALLOCATE asked")


@pytest.mark.parametrize(("name", "query"), [pytest.param(*found, id=found[0]) for found in statements("postgres")])
def test_every_statement_has_its_plan(db: psycopg.Connection[Any], name: str, query: Query) -> None:
    plan = explain(db, query)
    assert any("Seq Scan" in step for step in plan) == (name in WALKS_HERE), plan
    # An ORDER BY that an index does not give would read everything before the first row.
    if " LIMIT " in query.sql:
        assert any("Sort" in step for step in plan) == (name in SORTS_HERE), plan


# Of each statement of SQS that touches messages, the indexes it goes through, and up to which columns.
MESSAGE = "sqs_message_pkey storage id"
VISIBLE = "sqs_message_visible storage visible_at"
GROUPED = "sqs_message_group storage group_id sequence"
GROUP = "sqs_group_pkey storage group_id turn"
FREE = "sqs_group_available storage available_at"
FLOOR = "sqs_floor_pkey storage"
SQS = {
    "claim_message": {VISIBLE, MESSAGE, FLOOR},
    "claim_messages": {VISIBLE, FLOOR},
    "hide_message": {MESSAGE},
    "next_visible": {VISIBLE, FLOOR},
    "delete_message": {MESSAGE},
    "change_visibility": {MESSAGE},
    "get_message": {MESSAGE},
    "delete_received_message": {MESSAGE},
    "change_received_visibility": {MESSAGE},
    "get_body": {"sqs_body_pkey storage id"},
    "delete_body": {"sqs_body_pkey storage id"},
    "get_dedup": {"sqs_dedup_pkey storage key"},
    "set_dedup_sequence": {"sqs_dedup_pkey storage key"},
    "get_attempt": {"sqs_attempt_pkey storage attempt_id"},
    "lock_group": {"sqs_group_pkey storage group_id"},
    "put_group": {GROUP},
    "free_group": {FREE, FLOOR},
    "next_available": {FREE, FLOOR},
    "first_of_group": {GROUPED},
    "first_messages": {GROUPED},
    "claim_first_messages": {GROUPED},
    "oldest_messages": {MESSAGE},
    "oldest_message": {MESSAGE},
    "delete_messages": {MESSAGE},
    "delete_bodies": {"sqs_body_pkey storage id"},
    "last_dedup": {"sqs_dedup_expiry storage expires_at"},
    "next_dedup": {"sqs_dedup_expiry storage expires_at"},
    "last_empty_group": {"sqs_group_empty storage sequence"},
    "look_for_messages": {VISIBLE, FLOOR, "sqs_floor_pkey storage seq"},
    "look_for_groups": {FREE, FLOOR, "sqs_floor_pkey storage seq"},
    "late_messages": {VISIBLE},
    "late_groups": {FREE},
    "raise_message": {MESSAGE},
    "raise_group": {GROUP},
    "move_floor": {"sqs_floor_pkey storage seq"},
    "sample_in_flight": {f"{VISIBLE} receives"},
    "look_at_head": {VISIBLE, FLOOR},
    "unsorted_messages": {MESSAGE},
    "take_strays": {MESSAGE},
}
FILL = {
    "fresh": "",
    "vacuumed": "VACUUM ANALYZE",
    "with one message": """INSERT INTO sqs_message (id, storage, visible_at, receives, sent_at, message_id, sender)
        VALUES (1, 1, 1, 0, 1, 'm', 's'); VACUUM ANALYZE""",
    "with queues of many": """
        INSERT INTO sqs_message (id, storage, visible_at, receives, sent_at, message_id, sender)
        SELECT n, n % 3, n, 0, 1, 'm', 's' FROM generate_series(1, 3000) n;
        INSERT INTO sqs_group SELECT n % 3, n::text, n, n, n, n FROM generate_series(1, 3000) n;
        INSERT INTO sqs_dedup SELECT n % 3, n::text, n, 'm', n FROM generate_series(1, 3000) n;
        ANALYZE""",
}


def gone_through(plan: list[str]) -> set[str]:
    """Each index of a plan, with the columns of its condition in the order in which it has them."""
    found = set()
    for step, condition in zip(plan, [*plan[1:], ""], strict=True):
        if (match := re.search(r"using (\w+)", step)) is not None:
            columns = re.findall(r"\((\w+) (?:[<>]=?|=) ", condition.partition("Index Cond:")[2])
            found.add(" ".join([match[1], *dict.fromkeys(columns)]))
    return found


@pytest.mark.parametrize("state", FILL)
def test_messages_are_found_by_the_whole_key(state: str) -> None:
    """Whatever the planner knows of the tables: it plans once, and they may be small then and large later."""
    queries = {query.name: query for name, query in statements("postgres") if name.startswith("sqs.")}
    with psycopg.connect(new_database(), autocommit=True) as connection:
        connection.prepare_threshold = None
        install(connection)
        for statement in FILL[state].split(";"):
            if statement.strip():
                connection.execute(statement)
        for name, value in SETTINGS.items():
            connection.execute(f"SET {name} = '{value}'")
        wrong = {}
        for name, expected in SQS.items():
            plan = explain(connection, queries[name])
            if gone_through(plan) != expected:
                wrong[name] = plan
    assert not wrong
