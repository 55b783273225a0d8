"""No statement of any service walks a whole table: cost must not grow with what lies around."""

import re
from importlib import resources
from pathlib import Path

import apsw
import pytest

from waypost.store.migrate import migrate
from waypost.store.queries import Query, parse
from waypost.store.sqlite import LOCK_CLAUSES, TOKENS

SERVICES = Path(str(resources.files("waypost")))

WALKS = {
    "work.leases": "the index of the few jobs that are leased, for the status page",
    "work.list_nodes": "all of them are wanted",
}
"""Statements that may look at every row, and why."""

SORTS = {
    "iam.list_profiles_of_role": "a role has at most ten",
    "iam.list_attached_entities": "an account's users, groups and roles with one policy",
    "iam.list_bounded_entities": "an account's users and roles with one boundary",
    "iam.list_groups_of_user": "a user is in at most ten",
    "iam.list_users_of_group": "an account has at most 5,000 users",
}
"""Statements that sort few rows before they give the first, and why these are few."""


def statements(engine: str = "sqlite") -> list[tuple[str, Query]]:
    return [
        (f"{file.parent.name}.{query.name}", query)
        for file in sorted(SERVICES.rglob("*.sql"))
        if file.parent.name != "schema"
        for query in parse(file.parent.name, file.read_text("utf-8")).all()
        if query.only in {None, engine}
    ]


@pytest.fixture(scope="module")
def db() -> apsw.Connection:
    made = apsw.Connection(":memory:")
    made.config(apsw.SQLITE_DBCONFIG_ENABLE_QPSG, 1)
    migrate(0, TOKENS, lambda migration: [made.execute(statement) for statement in migration.statements] and None)
    return made


def plan(db: apsw.Connection, query: Query) -> list[str]:
    text = query.variants.get("sqlite", query.sql)
    for clause in LOCK_CLAUSES:
        text = text.replace(clause, "")
    names = set(re.findall(r":(\w+)", text))
    return [str(row[3]) for row in db.execute(f"EXPLAIN QUERY PLAN {text}", dict.fromkeys(names, 1))]


@pytest.mark.parametrize(("name", "query"), [pytest.param(*found, id=found[0]) for found in statements()])
def test_no_statement_walks_a_table(db: apsw.Connection, name: str, query: Query) -> None:
    steps = plan(db, query)
    rows_of_subqueries = {f"SCAN {step.split()[1]}" for step in steps if step.startswith(("CO-ROUTINE", "MATERIALIZE"))}
    walks = [step for step in steps if step.startswith("SCAN ") and "CONSTANT ROW" not in step]
    walks = [step for step in walks if step not in rows_of_subqueries]
    if " LIMIT " in query.sql:
        walks = [step for step in walks if " INDEX " not in step]  # in the index's order, as far as the limit
    if name in WALKS:
        assert walks, f"{name} does not walk a table any more: take it off the list"
        return
    assert not walks, f"{name} walks a table: {steps}"


@pytest.mark.parametrize(
    ("name", "query"),
    [pytest.param(*found, id=found[0]) for found in statements() if " LIMIT " in found[1].sql],
)
def test_no_limit_sorts_first(db: apsw.Connection, name: str, query: Query) -> None:
    """An ORDER BY that an index does not give would read everything before the first row."""
    sorts = [step for step in plan(db, query) if "TEMP B-TREE" in step]
    if name in SORTS:
        assert sorts, f"{name} does not sort any more: take it off the list"
        return
    assert not sorts, f"{name} sorts: {sorts}"


SQS_INDEXES = {
    "claim_message": "sqs_message_visible (storage=? AND visible_at>? AND visible_at<?)",
    "claim_messages": "sqs_message_visible (storage=? AND visible_at>? AND visible_at<?)",
    "next_visible": "sqs_message_visible (storage=? AND visible_at>?)",
    "count_messages": "COVERING INDEX sqs_message_visible (storage=? AND visible_at>?)",
    "count_in_flight": "COVERING INDEX sqs_message_visible (storage=? AND visible_at>?)",
    "sample_in_flight": "sqs_message_visible (storage=? AND visible_at>?)",
    "look_at_head": "sqs_message_visible (storage=? AND visible_at>? AND visible_at<?)",
    "unsorted_messages": "sqs_message_order (storage=? AND id>?)",
    "take_strays": "sqs_message_order (storage=? AND id=? AND rowid=?)",
    "delete_message": "INTEGER PRIMARY KEY (rowid=?)",
    "delete_received_message": "INTEGER PRIMARY KEY (rowid=?)",
    "change_visibility": "INTEGER PRIMARY KEY (rowid=?)",
    "claim_group": "sqs_group_available (storage=? AND available_at<?)",
    "first_messages": "sqs_message_group (storage=? AND group_id=? AND sequence>?)",
    "settle_group": "sqs_message_group (storage=? AND group_id=? AND sequence>?)",
    "claim_first_messages": "sqs_message_group (storage=? AND group_id=? AND sequence>? AND sequence<?)",
    "get_queue": "PRIMARY KEY (account=? AND region=? AND name=?)",
    "oldest_messages": "sqs_message_order (storage=? AND id>? AND id<?)",
    "delete_messages": "sqs_message_order (storage=? AND id>? AND id<?)",
    "delete_bodies": "sqs_message_order (storage=? AND id>? AND id<?)",
    "delete_dedups": "sqs_dedup_expiry (storage=? AND expires_at>? AND expires_at<?)",
}


@pytest.mark.parametrize("name", SQS_INDEXES)
def test_messages_are_found_by_the_narrowest_index(db: apsw.Connection, name: str) -> None:
    """A search by the first column alone would be a walk through a queue of a million messages."""
    (query,) = [query for found, query in statements() if found == f"sqs.{name}"]
    steps = plan(db, query)
    assert any(step.endswith(SQS_INDEXES[name]) for step in steps), steps
    assert not [step for step in steps if step.endswith("(storage=?)")], steps
