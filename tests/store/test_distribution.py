"""A distributed PostgreSQL: each statement names what says where its rows lie (docs/operating/scaling.md)."""

import re
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from tests.store.test_query_plans import statements
from tests.stores import new_database

from waypost.store.postgres import PostgresStore
from waypost.store.queries import Query

BY = {
    "sqs_message": "storage",
    "sqs_body": "storage",
    "sqs_group": "storage",
    "sqs_dedup": "storage",
    "sqs_attempt": "storage",
    "sqs_floor": "storage",
    "states_execution": "machine",
    "states_history": "execution",
    "states_run": "execution",
    "states_branch": "execution",
    "states_body": "execution",
    "states_token": "execution",
    "states_activity_task": "activity",
    "sts_session": "access_key",
    "lambda_code": "sha256",
    "logs_stream": "group_id",
    "logs_batch": "group_id",
}
"""Tables by the column that says on which database a row lies."""

EVERYWHERE = {
    "states.drop_activity_task": "by its execution: the attempt of an activity's task ended before a worker took it",
    "states.drop_activity_tasks": "the same of every branch of an execution",
}
"""Statements that ask every database, and when."""

_TABLE = re.compile(r"\b(?:FROM|JOIN|INTO|UPDATE) (\w+)")


def touched(query: Query) -> list[str]:
    text = query.variants.get("postgres", query.sql)
    return [table for table in _TABLE.findall(text) if table in BY]


ASKED = [(name, query) for name, query in statements() if touched(query)]


@pytest.mark.parametrize(("name", "query"), [pytest.param(*asked, id=asked[0]) for asked in ASKED])
def test_a_statement_names_what_distributes_its_table(name: str, query: Query) -> None:
    text = query.variants.get("postgres", query.sql)
    columns = {BY[table] for table in touched(query)}
    assert len(columns) == 1, "tables that are distributed by different things do not lie together"
    (column,) = columns
    if text.startswith("INSERT"):
        named = re.match(rf"INSERT INTO \w+ \([^)]*\b{column}\b", text) is not None
    else:
        named = re.search(rf"\b{column} = :\w+", text) is not None
    assert named == (name not in EVERYWHERE), text
    assert re.search(rf"\bSET [^;]*\b{column} = ", text.partition("WHERE")[0]) is None, "a row never moves"


@pytest.fixture(scope="module")
def keys() -> Iterator[list[tuple[str, str, list[str]]]]:
    """Table, name and columns of every unique index."""
    url = new_database()
    PostgresStore(url, node="keys").close_now()
    with psycopg.connect(url) as connection:
        rows: list[Any] = connection.execute(
            """
            SELECT c.relname, i.relname, array_agg(a.attname::text) FROM pg_index x
            JOIN pg_class c ON c.oid = x.indrelid JOIN pg_class i ON i.oid = x.indexrelid
            JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = ANY (x.indkey)
            WHERE x.indisunique AND c.relnamespace = current_schema()::regnamespace GROUP BY 1, 2
            """
        ).fetchall()
        yield rows


def test_every_unique_key_holds_what_distributes_its_table(keys: list[tuple[str, str, list[str]]]) -> None:
    found = {table: [(index, columns) for name, index, columns in keys if name == table] for table in BY}
    assert all(found.values()), "a table has no key"
    wrong = [index for table, indexes in found.items() for index, columns in indexes if BY[table] not in columns]
    assert wrong == []
