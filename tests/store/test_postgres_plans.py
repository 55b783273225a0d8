"""On PostgreSQL, too, every statement of every service is understood, and none walks a table.

Plans are made once for all values and without regard to statistics, as they are when a server runs.
"""

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


@pytest.fixture(scope="module")
def db() -> Iterator[psycopg.Connection[Any]]:
    with psycopg.connect(new_database(), autocommit=True) as connection:
        connection.prepare_threshold = None
        install(connection)
        for name, value in SETTINGS.items():
            connection.execute(f"SET {name} = '{value}'")
        yield connection


@pytest.mark.parametrize(("name", "query"), [pytest.param(*found, id=found[0]) for found in statements("postgres")])
def test_every_statement_has_its_plan(db: psycopg.Connection[Any], name: str, query: Query) -> None:
    statement = statement_of(query)
    db.execute(b"PREPARE asked AS " + statement.text)
    try:
        values = f"({', '.join(['NULL'] * len(statement.names))})" if statement.names else ""
        plan = [str(row[0]) for row in db.execute(f"EXPLAIN EXECUTE asked{values}")]
    finally:
        db.execute("DEALLOCATE asked")
    assert any("Seq Scan" in step for step in plan) == (name in WALKS_HERE), plan
    # An ORDER BY that an index does not give would read everything before the first row.
    if " LIMIT " in query.sql:
        assert any("Sort" in step for step in plan) == (name in SORTS), plan
