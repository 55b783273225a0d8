"""On PostgreSQL a plan is made once, often while a table is small: it must be the right one for when it is large."""

from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from tests.stores import new_database

from waypost.services.states.queries import Q
from waypost.store.greeting import SETTINGS
from waypost.store.postgres import PostgresStore, statement_of
from waypost.store.queries import Query
from waypost.work import jobs

FEW = """
INSERT INTO states_machine (id, account, region, name, status, revision, created_at) VALUES (1, '', '', 'm', '', 1, 0);
INSERT INTO states_revision (id, machine, revision_id, created_at, role_arn, configuration, digest, definition)
SELECT i, 1, '', 0, '', '', '', '' FROM generate_series(1, 3) i;
INSERT INTO states_execution (id, machine, name, revision, status, started_at, listed_at, trace, input)
SELECT i, 1, 'n' || i, 1, 'RUNNING', i, i, '', '{}' FROM generate_series(1, 3) i;
INSERT INTO states_run (execution, version, machine, revision, armed, head) SELECT i, 1, 1, 1, 0, ''
FROM generate_series(1, 3) i;
INSERT INTO states_branch (execution, branch, parent, place, armed, head) SELECT 1, '0/1.' || i, '0', i, 0, ''
FROM generate_series(1, 3) i;
INSERT INTO states_body (execution, branch, body) SELECT 1, '0/1.' || i, '' FROM generate_series(1, 3) i;
INSERT INTO states_token (execution, token, account, region, branch, attempt) SELECT 1, 't' || i, '', '', '', 1
FROM generate_series(1, 3) i;
INSERT INTO states_activity_task (activity, id, execution, branch, attempt, token, input) SELECT 1, i, i, '0', 1, '', ''
FROM generate_series(1, 3) i;
INSERT INTO job (id, kind, key, account, region, run_at, attempts, owner, payload)
SELECT i, '', 'k' || i, '', '', i, 0, '', '' FROM generate_series(1, 3) i;
VACUUM ANALYZE;
"""

WANTED = {
    "named_execution": ["states_execution_name", "((machine = $) AND (name = $))"],
    "find_execution": ["states_execution_name", "((machine = $) AND (name = $))"],
    "find_execution_id": ["states_execution_name", "((machine = $) AND (name = $))"],
    "end_execution": ["states_execution_pkey", "((machine = $) AND (id = $))"],
    "run_constants": ["states_execution_pkey", "((machine = $) AND (id = $))"],
    "stopped_at": ["states_execution_pkey", "((machine = $) AND (id = $))"],
    "delete_execution": ["states_execution_pkey", "((machine = $) AND (id = $))"],
    "any_running": ["states_execution_listed", "((machine = $) AND (status = "],
    "list_executions": ["states_execution_listed", "((machine = $) AND (status = $))"],
    "ended_executions": ["states_execution_listed", "((machine = $) AND (status = $) AND (listed_at < $))"],
    "lock_run": ["states_run_pkey", "(execution = $)", "states_machine_pkey", "states_revision_pkey"],
    "get_definition": ["states_revision_pkey", "(id = $)"],
    "get_branch": ["states_branch_pkey", "((execution = $) AND (branch = $))"],
    "get_results": ["states_branch_parent", "((execution = $) AND (parent = $))", "states_body_pkey",
                    "((execution = b.execution) AND (branch = b.branch))"],
    "delete_child_bodies": ["states_body_pkey", "((execution = $) AND (branch > $) AND (branch < $))"],
    "get_token": ["states_token_pkey", "((execution = $) AND (token = $))"],
    "claim_activity_task": ["states_activity_task_pkey", "((activity = $) AND (id = $))"],
    "drop_activity_task": ["states_activity_task_branch", "((execution = $) AND (branch = $))"],
    "due_job": ["job_due", "((run_at >= $) AND (run_at <= $))"],
    "next_due": ["job_due", "(run_at >= $)"],
    "is_current": ["job_pkey", "(id = $)"],
    "delete_job": ["job_pkey", "(id = $)"],
    "lease_job": ["job_pkey", "(id = $)"],
    "drop_jobs": ["job_pkey", "(id = ANY ($))", "job_key", "(key = $)"],
}  # fmt: skip
"""For each statement the indexes that it is to use, and by which columns."""


@pytest.fixture(scope="module", params=["new", "few"])
def db(request: pytest.FixtureRequest) -> Iterator[psycopg.Connection[Any]]:
    url = new_database()
    PostgresStore(url, node="plans").close_now()
    with psycopg.connect(url, autocommit=True) as connection:
        connection.prepare_threshold = None
        for name, value in SETTINGS.items():
            connection.execute("SELECT set_config(%s, %s, false)", (name, value))
        if request.param == "few":
            for statement in FEW.split(";\n"):
                connection.execute(statement.encode())
        yield connection


@pytest.mark.parametrize("name", WANTED)
def test_a_small_table_is_looked_into_as_a_large_one(db: psycopg.Connection[Any], name: str) -> None:
    query: Query = getattr(jobs.Q if "job" in name or name in ("next_due", "is_current") else Q, name)
    statement = statement_of(query)
    db.execute(b"PREPARE asked AS " + statement.text)
    try:
        values = ", ".join(["NULL"] * len(statement.names))
        plan = [str(row[0]) for row in db.execute(f"EXPLAIN (COSTS OFF) EXECUTE asked ({values})")]
    finally:
        db.execute("DEALLOCATE asked")
    text = "\n".join(plan)
    for place in range(20, -1, -1):
        text = text.replace(f"${place}", "$")
    text = text.replace("(InitPlan 1).col1", "$")  # as PostgreSQL calls it from 17 on
    for wanted in WANTED[name]:
        assert wanted in text, text
    assert "Join Filter" not in text
